#include "signer/secure_cert.h"

#include <string.h>

#include <gnutls/gnutls.h>

#include "signer/hashing.h"
#include "signer/readers.h"

enum { SHA256 = 32 };

/* Where in the file a TLV may stand; never backwards. */
enum stage {
	CONTENT,
	SEALED, /* behind integrity 0, which is over the content */
	SIGNED,
	CLOSED /* behind integrity 1, which is over the signatures, too */
};

struct tlvs {
	struct mm_image_reading *r;
	struct mm_secure_cert_facts *facts;
	struct mm_secure_cert_tlv *items;
	size_t count, signatures;
	uint64_t end; /* of the TLVs read */
	enum stage stage;
};

static struct mm_span
value_of(const struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	return mm_span(t->r->image.data + tlv->offset, (size_t)tlv->size);
}

static enum mm_error
keep_digest(struct tlvs *t, struct mm_span bytes, struct mm_span *out)
{
	uint8_t digest[SHA256];
	enum mm_error error = mm_hash(bytes, digest);

	if (error != MM_OK)
		return error;
	*out = mm_arena_copy(t->r->arena, mm_span(digest, sizeof(digest)));
	if (out->data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a digest");
	return MM_OK;
}

/* --- the device's certificate --- */

/* One DER SEQUENCE (X.690 8.1.3) and nothing behind it. */
static bool
is_sequence(struct mm_span der)
{
	size_t size, head;

	if (der.size < 4 || der.data[0] != 0x30)
		return false;
	size = der.data[1];
	head = 2;
	if (size == 0x81) {
		size = der.data[2];
		head = 3;
	} else if (size == 0x82) {
		size = (size_t)der.data[2] << 8 | der.data[3];
		head = 4;
	} else if (size >= 0x80) {
		return false;
	}
	return size == der.size - head;
}

static enum mm_error
read_pem(struct tlvs *t, struct mm_span pem)
{
	gnutls_datum_t der = {0};
	gnutls_datum_t text = {
	    (unsigned char *)(uintptr_t)pem.data, (unsigned)pem.size - 1};
	enum mm_error error;

	/* The device's parser takes text by its NUL. */
	if (memchr(pem.data, '\0', pem.size) != pem.data + pem.size - 1)
		return mm_image_wrong("the device's certificate is PEM "
				      "without one NUL at its end");
	if (gnutls_pem_base64_decode2("CERTIFICATE", &text, &der) != 0)
		return mm_image_wrong(
		    "the device's certificate cannot be read as PEM");
	error =
	    is_sequence(mm_span(der.data, der.size))
		? keep_digest(
		      t, mm_span(der.data, der.size), &t->facts->certificate)
		: mm_image_wrong("the device's certificate is not DER inside");
	gnutls_free(der.data);
	return error;
}

/* Of several the one that the device uses: subtype 0. */
static enum mm_error
read_certificate(struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	static const char begin[] = "-----BEGIN";
	struct mm_span value = value_of(t, tlv);

	if (tlv->subtype != 0 || tlv->flags != 0)
		return MM_OK;
	if (value.size >= sizeof(begin) &&
	    memcmp(value.data, begin, sizeof(begin) - 1) == 0)
		return read_pem(t, value);
	if (!is_sequence(value))
		return mm_image_wrong(
		    "the device's certificate is neither PEM nor DER");
	return keep_digest(t, value, &t->facts->certificate);
}

/* --- the other types --- */

static enum mm_error
read_key(struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	/* Even where the flags say that the key is in the eFuses: the vendor's
	 * tool puts it into the value all the same. */
	if (tlv->size > 0 && (tlv->flags & MM_SECURE_CERT_ENCRYPTED) == 0)
		t->facts->plain_key = true;
	return MM_OK;
}

static enum mm_error
read_integrity(struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	struct mm_span value = value_of(t, tlv);
	uint8_t digest[SHA256];
	enum mm_error error =
	    mm_hash(mm_span(t->r->image.data, (size_t)t->end), digest);

	if (error != MM_OK)
		return error;
	if (tlv->flags != 0 || value.size != sizeof(digest) ||
	    memcmp(value.data, digest, sizeof(digest)) != 0)
		return mm_image_wrong("the integrity TLV at 0x%llx is not the "
				      "SHA-256 of what is before it",
		    (unsigned long long)t->end);
	return MM_OK;
}

static enum mm_error
read_signature(struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	struct mm_span covered =
	    mm_span(t->r->image.data, (size_t)t->facts->covered);
	struct mm_signature_block told = {
	    .family = mm_span_text("secure-cert"), .offset = t->end};
	struct mm_secure_cert_signature signature;
	enum mm_error error = mm_secure_cert_signature_read(
	    value_of(t, tlv), covered, &signature);

	if (error != MM_OK)
		return error;
	told.algorithm = mm_span_text(mm_algorithm_name(signature.algorithm));
	told.sound = mm_secure_cert_signature_is_over(&signature, covered);
	if (signature.readable)
		told.key = mm_arena_copy(
		    t->r->arena, mm_span(signature.block.key_digest, SHA256));
	if (signature.readable && told.key.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a digest");
	return mm_image_add_signature(t->r, &told);
}

static const struct {
	uint8_t type;
	enum mm_error (*read)(
	    struct tlvs *t, const struct mm_secure_cert_tlv *tlv);
} readers[] = {{MM_SECURE_CERT_DEVICE, read_certificate},
    {MM_SECURE_CERT_KEY, read_key}, {MM_SECURE_CERT_SIGNATURE, read_signature},
    {MM_SECURE_CERT_INTEGRITY, read_integrity}};

static enum mm_error
read_value(struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	for (size_t i = 0; i < MM_COUNT(readers); i++)
		if (readers[i].type == tlv->type)
			return readers[i].read(t, tlv);
	return MM_OK;
}

/* --- in a row --- */

static enum stage
stage_of(const struct mm_secure_cert_tlv *tlv)
{
	if (tlv->type == MM_SECURE_CERT_SIGNATURE)
		return SIGNED;
	if (tlv->type == MM_SECURE_CERT_INTEGRITY)
		return tlv->subtype == 0 ? SEALED : CLOSED;
	return CONTENT;
}

static enum mm_error
check_order(struct tlvs *t, const struct mm_secure_cert_tlv *tlv)
{
	enum stage stage = stage_of(tlv);
	bool many = stage == CONTENT || stage == SIGNED;

	if (stage < t->stage || (stage == t->stage && !many) ||
	    (stage == CLOSED && (tlv->subtype != 1 || t->signatures == 0)))
		return mm_image_wrong(
		    "the TLV at 0x%llx, type %llu subtype %llu, does not "
		    "belong there: signatures and integrity go behind all "
		    "else",
		    (unsigned long long)t->end, (unsigned long long)tlv->type,
		    (unsigned long long)tlv->subtype);
	if (stage == SIGNED && tlv->subtype != t->signatures)
		return mm_image_wrong("signature %zu has the number %llu",
		    t->signatures, (unsigned long long)tlv->subtype);
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].type == tlv->type &&
		    t->items[i].subtype == tlv->subtype)
			return mm_image_wrong(
			    "type %llu subtype %llu is there twice",
			    (unsigned long long)tlv->type,
			    (unsigned long long)tlv->subtype);
	t->stage = stage;
	return MM_OK;
}

static enum mm_error
read_one(struct tlvs *t)
{
	struct mm_span rest = mm_span(
	    t->r->image.data + t->end, t->r->image.size - (size_t)t->end);
	struct mm_secure_cert_tlv *tlv = &t->items[t->count];
	enum mm_error error;

	if (t->count == MM_SECURE_CERT_MAX)
		return mm_image_wrong(
		    "there are more than %d TLVs", MM_SECURE_CERT_MAX);
	error = mm_secure_cert_tlv_read(rest, t->end, tlv);
	if (error == MM_OK)
		error = check_order(t, tlv);
	if (error == MM_OK && t->stage <= SEALED)
		t->facts->covered = t->end + mm_secure_cert_tlv_size(tlv->size);
	if (error == MM_OK)
		error = read_value(t, tlv);
	if (error != MM_OK)
		return error;
	if (t->stage == SIGNED)
		t->signatures++;
	t->count++;
	t->end += mm_secure_cert_tlv_size(tlv->size);
	return MM_OK;
}

static bool
is_ended(struct mm_span rest)
{
	return rest.size >= MM_SECURE_CERT_END &&
	       memcmp(rest.data, mm_secure_cert_end, MM_SECURE_CERT_END) == 0;
}

static struct mm_span
behind_end(struct mm_span rest)
{
	return mm_span(
	    rest.data + MM_SECURE_CERT_END, rest.size - MM_SECURE_CERT_END);
}

/*
 * What may follow: erased flash, in a signed one behind one end marker. In an
 * unsigned one a tool's version decides whether any markers are there; the
 * device stops reading before them, and they are never signed.
 */
static enum mm_error
read_end(struct tlvs *t)
{
	struct mm_image_facts *facts = t->r->facts;
	struct mm_span rest = mm_span(
	    t->r->image.data + t->end, t->r->image.size - (size_t)t->end);

	if (t->stage == SIGNED)
		return mm_image_wrong("no integrity TLV follows the "
				      "signatures: the file was cut off");
	if (t->stage == CLOSED && !is_ended(rest))
		return mm_image_wrong("no end marker follows the signatures");
	if (t->stage == CLOSED)
		rest = behind_end(rest);
	while (t->stage < SIGNED && is_ended(rest))
		rest = behind_end(rest);
	if (!mm_image_is_erased(rest))
		return mm_image_wrong(
		    "there are bytes behind the last TLV, at 0x%llx",
		    (unsigned long long)(t->r->image.size - rest.size));
	facts->length = t->facts->covered;
	facts->trailing = rest.size;
	facts->blank = true;
	return MM_OK;
}

static enum mm_error
read_all(struct tlvs *t)
{
	enum mm_error error = MM_OK;

	while (error == MM_OK &&
	       mm_secure_cert_begins(mm_span(t->r->image.data + t->end,
		   t->r->image.size - (size_t)t->end)))
		error = read_one(t);
	if (error == MM_OK && t->count == 0)
		error = mm_image_wrong("it does not begin with a TLV");
	return error == MM_OK ? read_end(t) : error;
}

enum mm_error
mm_secure_cert_read(struct mm_image_reading *r)
{
	struct tlvs t = {.r = r,
	    .facts = mm_arena_alloc(r->arena, sizeof(*t.facts)),
	    .items = mm_arena_alloc(
		r->arena, MM_SECURE_CERT_MAX * sizeof(*t.items))};
	enum mm_error error;

	if (t.facts == NULL || t.items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a partition");
	error = read_all(&t);
	if (error != MM_OK)
		return error;
	t.facts->tlvs = (struct mm_list){t.items, t.count};
	r->facts->format =
	    mm_span_text(mm_image_format_name(MM_FORMAT_SECURE_CERT));
	r->facts->secure_cert = (struct mm_list){t.facts, 1};
	return MM_OK;
}
