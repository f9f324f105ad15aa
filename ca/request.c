#include "ca/request.h"

#include "ca/name.h"
#include "ca/tbs.h"

enum { INFO_MAX = 4096 };

static enum mm_error
judge(const struct mm_profile *profile, struct mm_span subject,
    struct mm_span spki, struct mm_key *key)
{
	enum mm_error error = mm_profile_check(profile);

	if (error == MM_OK)
		error = mm_key_read(spki, key);
	if (error != MM_OK)
		return error;
	if (profile->purpose != MM_PURPOSE_CA &&
	    profile->purpose != MM_PURPOSE_CODE_SIGNING)
		return mm_fail(MM_E_CERTIFICATE,
		    "profile %.*s: CSRs are made of CAs' and code-signing keys",
		    MM_SPAN(profile->name));
	if (key->type != MM_KEY_P256)
		return mm_fail(
		    MM_E_KEY_TYPE, "a CSR of the mint is of a P-256 key");
	if (subject.size < 1 || subject.size > 64 || !mm_text_ok(subject))
		return mm_fail(MM_E_CERTIFICATE,
		    "subject: the name is not 1 to 64 bytes of text");
	return MM_OK;
}

/* An extension's beginning; its value is put behind it and closed twice. */
struct opened {
	size_t whole, value;
};

static struct opened
open_extension(struct mm_buffer *out, uint8_t id, bool critical)
{
	const uint8_t oid[3] = {0x55, 0x1d, id}; /* 2.5.29.id */
	struct opened opened;

	opened.whole = mm_der_open(out, MM_DER_SEQUENCE);
	mm_der_put(out, MM_DER_OID, oid, sizeof(oid));
	if (critical)
		mm_der_put(out, MM_DER_BOOLEAN, "\xff", 1);
	opened.value = mm_der_open(out, MM_DER_OCTETS);
	return opened;
}

static void
close_extension(struct mm_buffer *out, struct opened opened)
{
	mm_der_close(out, opened.value);
	mm_der_close(out, opened.whole);
}

/* RFC 5280 4.2.1.9 */
static void
put_constraints(const struct mm_profile *profile, struct mm_buffer *out)
{
	struct opened opened = open_extension(out, 19, true);
	const uint8_t length = (uint8_t)profile->path_length;
	size_t value = mm_der_open(out, MM_DER_SEQUENCE);

	if (profile->purpose == MM_PURPOSE_CA)
		mm_der_put(out, MM_DER_BOOLEAN, "\xff", 1);
	if (profile->path)
		mm_der_put(out, MM_DER_INTEGER, &length, 1);
	mm_der_close(out, value);
	close_extension(out, opened);
}

/* RFC 5280 4.2.1.3: bit 0 is the highest of the first byte. */
static void
put_usage(const struct mm_profile *profile, struct mm_buffer *out)
{
	struct opened opened = open_extension(out, 15, true);
	uint8_t bits[2] = {7, 0};

	for (uint8_t bit = 0; bit < 8; bit++)
		if (profile->key_usage >> bit & 1) {
			bits[0] = (uint8_t)(7 - bit);
			bits[1] |= (uint8_t)(0x80 >> bit);
		}
	mm_der_put(out, MM_DER_BITS, bits, sizeof(bits));
	close_extension(out, opened);
}

/* RFC 5280 4.2.1.2 */
static void
put_identifier(const struct mm_key *key, struct mm_buffer *out)
{
	struct opened opened = open_extension(out, 14, false);

	mm_der_put(out, MM_DER_OCTETS, key->ski, MM_SKI_SIZE);
	close_extension(out, opened);
}

/* RFC 2986 4.1: attributes [0]; RFC 2985 5.4.2: extensionRequest. */
static void
put_attributes(const struct mm_profile *profile, const struct mm_key *key,
    struct mm_buffer *out)
{
	size_t list = mm_der_open(out, MM_DER_CONTEXT_CONSTRUCTED),
	       pair = mm_der_open(out, MM_DER_SEQUENCE), values, extensions;

	mm_der_put(out, MM_DER_OID, "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", 9);
	values = mm_der_open(out, MM_DER_SET);
	extensions = mm_der_open(out, MM_DER_SEQUENCE);
	put_constraints(profile, out);
	put_usage(profile, out);
	put_identifier(key, out);
	mm_der_close(out, extensions);
	mm_der_close(out, values);
	mm_der_close(out, pair);
	mm_der_close(out, list);
}

enum mm_error
mm_request_build(const struct mm_profile *profile, struct mm_span subject,
    struct mm_span spki, struct mm_buffer *out)
{
	struct mm_key key;
	enum mm_error error = judge(profile, subject, spki, &key);
	mm_auto(buffer) info = {0};
	size_t whole;

	if (error != MM_OK)
		return error;
	mm_buffer_init(&info, INFO_MAX);
	whole = mm_der_open(&info, MM_DER_SEQUENCE);
	mm_der_put(&info, MM_DER_INTEGER, "", 1); /* version 1 */
	error = mm_name_put(&profile->subject, subject, &info);
	if (error != MM_OK)
		return error;
	mm_buffer_add(&info, spki.data, spki.size);
	put_attributes(profile, &key, &info);
	mm_der_close(&info, whole);
	if (info.error != MM_OK)
		return mm_fail(info.error, "a CSR does not fit: %s",
		    mm_error_text(info.error));
	mm_buffer_add(out, info.data, info.size);
	return out->error;
}

enum mm_error
mm_request_check(struct mm_span info, const struct mm_profile *profile,
    struct mm_span subject, struct mm_span spki)
{
	mm_auto(buffer) wanted = {0};
	enum mm_error error;

	mm_buffer_init(&wanted, INFO_MAX);
	error = mm_request_build(profile, subject, spki, &wanted);
	if (error != MM_OK)
		return error;
	return mm_span_equal(mm_buffer_span(&wanted), info)
		   ? MM_OK
		   : mm_fail(MM_E_CERTIFICATE,
			 "the CSR is not what its profile, its subject and "
			 "its key give");
}

enum mm_error
mm_request_assemble(
    struct mm_span info, struct mm_span signature, struct mm_buffer *out)
{
	return mm_certificate_assemble(info, signature, out);
}
