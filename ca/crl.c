#include "ca/crl.h"

#include "ca/tbs.h"

enum { ENUMERATED = 0x0a, NUMBER_MAX = 8 /* bytes of a cRLNumber */ };

/* id-ce-cRLNumber, id-ce-cRLReasons, id-ce-authorityKeyIdentifier (RFC 5280
 * 5.2.3, 5.3.1, 5.2.1): contents. */
static const uint8_t number_oid[] = {0x55, 0x1d, 0x14};
static const uint8_t reason_oid[] = {0x55, 0x1d, 0x15};
static const uint8_t authority_oid[] = {0x55, 0x1d, 0x23};

/* An extension that was looked for among others. */
struct wanted {
	struct mm_span oid;
	struct mm_span value; /* the OCTET STRING's contents */
	bool found;
};

/*
 * Not critical, for what we do not know (5.2, 5.3) and for what we look for
 * alike; none twice of what we look for (4.2).
 */
static bool
find_extension(struct mm_der extensions, struct wanted *wanted)
{
	if (!mm_der_more(&extensions))
		return false;
	while (mm_der_more(&extensions)) {
		struct mm_der one = mm_der_enter(&extensions, MM_DER_SEQUENCE);
		struct mm_span oid = mm_der_take(&one, MM_DER_OID);
		bool critical = mm_der_flag(&one);
		struct mm_span value = mm_der_take(&one, MM_DER_OCTETS);

		if (!mm_der_end(&one) || critical)
			return false;
		if (!mm_span_equal(oid, wanted->oid))
			continue;
		if (wanted->found)
			return false;
		wanted->found = true;
		wanted->value = value;
	}
	return mm_der_end(&extensions);
}

static bool
read_number(struct mm_der extensions, uint64_t *out)
{
	struct wanted wanted = {.oid = mm_span(number_oid, sizeof(number_oid))};
	struct mm_span magnitude;
	struct mm_der value;

	if (!find_extension(extensions, &wanted) || !wanted.found)
		return false;
	value = mm_der(wanted.value);
	magnitude = mm_der_unsigned(&value);
	if (!mm_der_end(&value) || magnitude.size > NUMBER_MAX)
		return false;
	*out = 0;
	for (size_t i = 0; i < magnitude.size; i++)
		*out = *out << 8 | magnitude.data[i];
	return true;
}

/* A keyIdentifier [0] and nothing else (4.2.1.1). */
static bool
read_authority(struct mm_der extensions, struct mm_span *out)
{
	struct wanted wanted = {
	    .oid = mm_span(authority_oid, sizeof(authority_oid))};
	struct mm_der value, fields;
	struct mm_span id;

	if (!find_extension(extensions, &wanted))
		return false;
	if (!wanted.found)
		return true;
	value = mm_der(wanted.value);
	fields = mm_der_enter(&value, MM_DER_SEQUENCE);
	id = mm_der_take(&fields, MM_DER_CONTEXT);
	if (mm_der_end(&fields) && mm_der_end(&value) && id.size == MM_SKI_SIZE)
		*out = id;
	return true;
}

/* RFC 5280 5.1.2, in the order of a TBSCertList. */
enum mm_error
mm_crl_read(struct mm_span tbs, struct mm_crl *out)
{
	struct mm_der outer = mm_der(tbs);
	struct mm_der fields = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct mm_span version = mm_der_unsigned(&fields);
	struct mm_span algorithm = mm_der_whole(&fields, MM_DER_SEQUENCE);
	struct mm_crl crl = {.issuer = mm_der_whole(&fields, MM_DER_SEQUENCE)};
	struct mm_der tagged, extensions;
	bool sound = true;

	crl.this_update = mm_der_time(&fields);
	crl.next_update = mm_der_time(&fields);
	/* 5.1.2.6: where nobody is revoked, the list is absent. */
	if (mm_der_peek(&fields) == MM_DER_SEQUENCE) {
		crl.revoked = mm_der_enter(&fields, MM_DER_SEQUENCE);
		sound = mm_der_more(&crl.revoked);
	}
	tagged = mm_der_enter(&fields, MM_DER_CONTEXT_CONSTRUCTED);
	extensions = mm_der_enter(&tagged, MM_DER_SEQUENCE);
	if (!sound || !mm_der_end(&tagged) || !mm_der_end(&fields) ||
	    !mm_der_end(&outer) || !mm_der_sound(tbs) || version.size != 1 ||
	    version.data[0] != 1 || !mm_span_equal(algorithm, mm_ecdsa_sha256))
		return mm_fail(
		    MM_E_CERTIFICATE, "it is no list of revoked certificates");
	if (!read_number(extensions, &crl.number) ||
	    !read_authority(extensions, &crl.authority))
		return mm_fail(MM_E_CERTIFICATE,
		    "its list of revoked certificates has no number, or a "
		    "critical extension");
	*out = crl;
	return MM_OK;
}

/* 5.3.1: an ENUMERATED of one byte. */
static bool
read_reason(struct mm_der entry, struct mm_crl_revoked *out)
{
	struct wanted wanted = {.oid = mm_span(reason_oid, sizeof(reason_oid))};
	struct mm_span reason;
	struct mm_der value;

	if (!mm_der_more(&entry))
		return mm_der_end(&entry);
	if (!find_extension(mm_der_enter(&entry, MM_DER_SEQUENCE), &wanted) ||
	    !mm_der_end(&entry))
		return false;
	if (!wanted.found)
		return true;
	value = mm_der(wanted.value);
	reason = mm_der_take(&value, ENUMERATED);
	if (!mm_der_end(&value) || reason.size != 1)
		return false;
	out->has_reason = true;
	out->reason = reason.data[0];
	return true;
}

enum mm_error
mm_crl_next(struct mm_der *revoked, struct mm_crl_revoked *out)
{
	struct mm_der entry = mm_der_enter(revoked, MM_DER_SEQUENCE);
	struct mm_crl_revoked one = {.serial = mm_der_unsigned(&entry)};

	one.date = mm_der_time(&entry);
	if (!read_reason(entry, &one))
		return mm_fail(MM_E_CERTIFICATE,
		    "its list of revoked certificates has an entry that "
		    "RFC 5280 does not know, or a critical extension in it");
	*out = one;
	return MM_OK;
}
