/*
 * The linter's own reader of certificates, strictly by RFC 5280 4.1 and the
 * extensions that are known here; nothing of it is shared with those that
 * build and check them.
 */
#include <string.h>

#include "ca/lint_parts.h"

enum {
	/* What a signature of P-256 adds to a TBS at most: the outer header,
	 * the algorithm, a BIT STRING of 72 bytes. */
	SIGNATURE_MOST = 4 + 12 + 75
};

static bool
read_version(struct mm_der *tbs, struct mm_lint_view *out)
{
	struct mm_der tagged;
	struct mm_span version;

	if (mm_der_peek(tbs) != MM_DER_CONTEXT_CONSTRUCTED)
		return true; /* version 1 is not written */
	tagged = mm_der_enter(tbs, MM_DER_CONTEXT_CONSTRUCTED);
	version = mm_der_unsigned(&tagged);
	if (!mm_der_end(&tagged) || version.size != 1)
		return false;
	out->version = version.data[0];
	return out->version != 0;
}

static bool
read_serial(struct mm_der *tbs, struct mm_lint_view *out)
{
	out->serial = mm_der_take(tbs, MM_DER_INTEGER);
	return !tbs->bad;
}

static bool
read_algorithm(struct mm_der *tbs, struct mm_lint_view *out)
{
	out->algorithm = mm_der_whole(tbs, MM_DER_SEQUENCE);
	return !tbs->bad;
}

static bool
read_rdn(struct mm_der *rdn, struct mm_lint_name *out)
{
	do {
		struct mm_der pair = mm_der_enter(rdn, MM_DER_SEQUENCE);
		struct mm_lint_attribute part = {
		    .oid = mm_der_take(&pair, MM_DER_OID)};

		part.text = mm_der_any(&pair, &part.tag);
		if (!mm_der_end(&pair) || out->count == MM_LINT_ATTRIBUTES)
			return false;
		out->parts[out->count++] = part;
	} while (mm_der_more(rdn));
	return mm_der_end(rdn);
}

static bool
read_name(struct mm_der *tbs, struct mm_lint_name *out)
{
	struct mm_der whole, name;

	out->der = mm_der_whole(tbs, MM_DER_SEQUENCE);
	whole = mm_der(out->der);
	name = mm_der_enter(&whole, MM_DER_SEQUENCE);
	while (mm_der_more(&name)) {
		struct mm_der rdn = mm_der_enter(&name, MM_DER_SET);

		if (!read_rdn(&rdn, out))
			return false;
	}
	return mm_der_end(&name);
}

static bool
read_issuer(struct mm_der *tbs, struct mm_lint_view *out)
{
	return read_name(tbs, &out->issuer);
}

static bool
read_subject(struct mm_der *tbs, struct mm_lint_view *out)
{
	return read_name(tbs, &out->subject);
}

/* UTCTime before 2050, GeneralizedTime from then on, seconds, Z. */
static bool
read_validity(struct mm_der *tbs, struct mm_lint_view *out)
{
	struct mm_der times = mm_der_enter(tbs, MM_DER_SEQUENCE);

	out->not_before = mm_der_time(&times);
	out->not_after = mm_der_time(&times);
	return mm_der_end(&times);
}

/* issuerUniqueID [1] and subjectUniqueID [2]: seen, not looked at. */
static bool
read_unique_ids(struct mm_der *tbs, struct mm_lint_view *out)
{
	for (unsigned i = 1; i <= 2; i++)
		if (mm_der_peek(tbs) == (MM_DER_CONTEXT | i)) {
			mm_der_take(tbs, MM_DER_CONTEXT | i);
			out->unique_ids = true;
		}
	return !tbs->bad;
}

static bool
read_constraints(struct mm_der *value, struct mm_lint_view *out)
{
	struct mm_der fields = mm_der_enter(value, MM_DER_SEQUENCE);
	struct mm_span length;

	out->ca = mm_der_flag(&fields);
	if (!mm_der_more(&fields))
		return mm_der_end(&fields);
	length = mm_der_unsigned(&fields);
	if (length.size != 1 || !mm_der_end(&fields))
		return false;
	out->path = true;
	out->path_length = length.data[0];
	return true;
}

/* X.690 11.2.2: a named list of bits ends with one that is set. */
static bool
read_usage(struct mm_der *value, struct mm_lint_view *out)
{
	struct mm_span bits = mm_der_take(value, MM_DER_BITS);
	unsigned spare;

	if (bits.size < 1 || bits.size > 3 || bits.data[0] > 7)
		return false;
	if (bits.size == 1)
		return bits.data[0] == 0; /* none is set */
	spare = bits.data[0];
	if ((bits.data[bits.size - 1] & ((1u << spare) - 1)) != 0 ||
	    (bits.data[bits.size - 1] >> spare & 1) == 0)
		return false;
	for (unsigned bit = 0; bit < 8 * (bits.size - 1); bit++)
		if (bits.data[1 + bit / 8] & 0x80 >> bit % 8)
			out->key_usage |= UINT64_C(1) << bit;
	return true;
}

static bool
read_extended(struct mm_der *value, struct mm_lint_view *out)
{
	struct mm_der oids = mm_der_enter(value, MM_DER_SEQUENCE);

	while (mm_der_more(&oids)) {
		if (out->purpose_count == MM_LINT_PURPOSES)
			return false;
		out->purposes[out->purpose_count++] =
		    mm_der_take(&oids, MM_DER_OID);
	}
	return mm_der_end(&oids) && out->purpose_count > 0;
}

static bool
read_names(struct mm_der *value, struct mm_lint_view *out)
{
	struct mm_der names = mm_der_enter(value, MM_DER_SEQUENCE);

	while (mm_der_more(&names)) {
		struct mm_lint_general_name one;

		one.value = mm_der_any(&names, &one.tag);
		if (names.bad || out->general_count == MM_LINT_NAMES)
			return false;
		out->general[out->general_count++] = one;
	}
	return mm_der_end(&names) && out->general_count > 0;
}

static bool
read_subject_key(struct mm_der *value, struct mm_lint_view *out)
{
	out->ski = mm_der_take(value, MM_DER_OCTETS);
	return out->ski.size > 0;
}

/* keyIdentifier [0], authorityCertIssuer [1], authorityCertSerialNumber [2];
 * the latter two together or not at all. */
static bool
read_authority_key(struct mm_der *value, struct mm_lint_view *out)
{
	struct mm_der fields = mm_der_enter(value, MM_DER_SEQUENCE);
	bool issuer, serial;

	if (mm_der_peek(&fields) == MM_DER_CONTEXT)
		out->aki = mm_der_take(&fields, MM_DER_CONTEXT);
	issuer = mm_der_peek(&fields) == (MM_DER_CONTEXT_CONSTRUCTED | 1);
	if (issuer)
		mm_der_take(&fields, MM_DER_CONTEXT_CONSTRUCTED | 1);
	serial = mm_der_peek(&fields) == (MM_DER_CONTEXT | 2);
	if (serial)
		mm_der_take(&fields, MM_DER_CONTEXT | 2);
	return mm_der_end(&fields) && issuer == serial;
}

/* All of them begin with 2.5.29. */
static const struct {
	uint8_t id;
	const char *clause, *what;
	size_t place; /* of the pointer in struct mm_lint_view */
	bool (*read)(struct mm_der *value, struct mm_lint_view *out);
} known[] = {
#define KNOWN(id, clause, name, member) \
	{ \
		id, "RFC 5280 " clause, "its " name " is malformed", \
		    offsetof(struct mm_lint_view, member), read_##member \
	}
    KNOWN(14, "4.2.1.2", "subjectKeyIdentifier", subject_key),
    KNOWN(15, "4.2.1.3", "keyUsage", usage),
    KNOWN(17, "4.2.1.6", "subjectAltName", names),
    KNOWN(19, "4.2.1.9", "basicConstraints", constraints),
    KNOWN(35, "4.2.1.1", "authorityKeyIdentifier", authority_key),
    KNOWN(37, "4.2.1.12", "extendedKeyUsage", extended),
#undef KNOWN
};

/* Decodes one that is known; the clause where it is malformed. */
static const char *
read_known(const struct mm_lint_extension *extension, struct mm_lint_view *out,
    const char **what)
{
	struct mm_der value = mm_der(extension->value);

	if (extension->oid.size != 3 || extension->oid.data[0] != 0x55 ||
	    extension->oid.data[1] != 0x1d)
		return NULL;
	for (size_t i = 0; i < MM_COUNT(known); i++) {
		const struct mm_lint_extension **place =
		    (const struct mm_lint_extension **)((char *)out +
							known[i].place);

		if (known[i].id != extension->oid.data[2])
			continue;
		*what = known[i].what;
		if (*place != NULL) {
			*what = "an extension is there twice";
			return "RFC 5280 4.2";
		}
		*place = extension;
		return known[i].read(&value, out) && mm_der_end(&value)
			   ? NULL
			   : known[i].clause;
	}
	return NULL;
}

static bool
read_extension(struct mm_der *list, struct mm_lint_view *out)
{
	struct mm_der fields = mm_der_enter(list, MM_DER_SEQUENCE);
	struct mm_lint_extension *one = &out->extensions[out->count];

	if (out->count == MM_LINT_EXTENSIONS)
		return false;
	one->oid = mm_der_take(&fields, MM_DER_OID);
	one->critical = mm_der_flag(&fields);
	one->value = mm_der_take(&fields, MM_DER_OCTETS);
	out->count++;
	return mm_der_end(&fields);
}

static bool
read_extensions(struct mm_der *tbs, struct mm_lint_view *out)
{
	struct mm_der outer, list;

	if (!mm_der_more(tbs))
		return mm_der_end(tbs);
	outer = mm_der_enter(tbs, MM_DER_CONTEXT_CONSTRUCTED | 3);
	list = mm_der_enter(&outer, MM_DER_SEQUENCE);
	do {
		if (!read_extension(&list, out))
			return false;
	} while (mm_der_more(&list));
	return mm_der_end(&list) && mm_der_end(&outer) && mm_der_end(tbs);
}

/* The fields of a TBSCertificate in their order. */
static const struct {
	const char *clause, *what;
	bool (*read)(struct mm_der *tbs, struct mm_lint_view *out);
} fields[] = {
    {"RFC 5280 4.1.2.1", "its version is malformed", read_version},
    {"RFC 5280 4.1.2.2", "its serialNumber is malformed", read_serial},
    {"RFC 5280 4.1.2.3", "its signature algorithm is malformed",
	read_algorithm},
    {"RFC 5280 4.1.2.4", "its issuer is malformed", read_issuer},
    {"RFC 5280 4.1.2.5",
	"its validity is not UTCTime through 2049 and GeneralizedTime from "
	"2050 on, whole seconds and Z",
	read_validity},
    {"RFC 5280 4.1.2.6", "its subject is malformed", read_subject},
    {"RFC 5280 4.1.2.7", "its subjectPublicKeyInfo is malformed",
	mm_lint_read_key},
    {"RFC 5280 4.1.2.8", "its unique identifiers are malformed",
	read_unique_ids},
    {"RFC 5280 4.1.2.9", "its list of extensions is malformed",
	read_extensions},
};

static const char *
read_tbs(struct mm_lint_view *out, const char **what)
{
	struct mm_der whole = mm_der(out->tbs);
	struct mm_der tbs = mm_der_enter(&whole, MM_DER_SEQUENCE);
	const char *clause = NULL;

	for (size_t i = 0; i < MM_COUNT(fields); i++) {
		*what = fields[i].what;
		if (!fields[i].read(&tbs, out))
			return fields[i].clause;
	}
	for (size_t i = 0; i < out->count && clause == NULL; i++)
		clause = read_known(&out->extensions[i], out, what);
	return clause;
}

static bool
take_apart(struct mm_span der, struct mm_lint_view *out)
{
	struct mm_der whole = mm_der(der);
	struct mm_der parts = mm_der_enter(&whole, MM_DER_SEQUENCE);

	out->tbs = mm_der_whole(&parts, MM_DER_SEQUENCE);
	out->outer = mm_der_whole(&parts, MM_DER_SEQUENCE);
	out->signature = mm_der_bits(&parts);
	out->size = der.size;
	return mm_der_end(&parts) && mm_der_end(&whole);
}

const char *
mm_lint_read(struct mm_span der, bool is_signed, struct mm_lint_view *out,
    const char **what)
{
	memset(out, 0, sizeof(*out));
	*what = "it is not DER, or has bytes too many";
	out->is_signed = is_signed;
	out->tbs = der;
	out->size = der.size + SIGNATURE_MOST;
	if (der.size == 0 || !mm_der_sound(der))
		return "X.690 10";
	*what = "it is no Certificate";
	if (is_signed && !take_apart(der, out))
		return "RFC 5280 4.1.1";
	return read_tbs(out, what);
}

/* A TBSCertificate begins with a version or a serialNumber. */
const char *
mm_lint_read_any(
    struct mm_span der, struct mm_lint_view *out, const char **what)
{
	struct mm_der whole = mm_der(der);
	struct mm_der inner = mm_der_enter(&whole, MM_DER_SEQUENCE);

	return mm_lint_read(
	    der, mm_der_peek(&inner) == MM_DER_SEQUENCE, out, what);
}
