#include "ca/certificate.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "ca/ecdsa.h"
#include "ca/tbs.h"

enum { TBS_ARENA = 1 << 18 };

static void
sha256(struct mm_span bytes, uint8_t out[32])
{
	/* Only memory can be missing, and there is no other answer. */
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size, out) <
	    0)
		abort();
}

void
mm_tbs_digest(struct mm_span tbs, uint8_t out[32])
{
	sha256(tbs, out);
}

enum mm_error
mm_certificate_assemble(
    struct mm_span tbs, struct mm_span signature, struct mm_buffer *out)
{
	size_t whole = mm_der_open(out, MM_DER_SEQUENCE), bits;

	mm_buffer_add(out, tbs.data, tbs.size);
	mm_buffer_add(out, mm_ecdsa_sha256.data, mm_ecdsa_sha256.size);
	bits = mm_der_open(out, MM_DER_BITS);
	mm_buffer_add(out, "", 1); /* no unused bits */
	mm_buffer_add(out, signature.data, signature.size);
	mm_der_close(out, bits);
	mm_der_close(out, whole);
	if (out->error != MM_OK)
		return mm_fail(out->error, "a certificate does not fit: %s",
		    mm_error_text(out->error));
	return MM_OK;
}

/* RFC 5280 4.1.1 */
static enum mm_error
take_apart(
    struct mm_span certificate, struct mm_span *tbs, struct mm_span *signature)
{
	struct mm_der outer = mm_der(certificate);
	struct mm_der fields = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct mm_span algorithm;

	*tbs = mm_der_whole(&fields, MM_DER_SEQUENCE);
	algorithm = mm_der_whole(&fields, MM_DER_SEQUENCE);
	*signature = mm_der_bits(&fields);
	if (!mm_der_end(&outer) || !mm_der_end(&fields))
		return mm_fail(
		    MM_E_CERTIFICATE, "this is not a DER certificate");
	if (!mm_span_equal(algorithm, mm_ecdsa_sha256))
		return mm_fail(MM_E_CERTIFICATE,
		    "the certificate is not signed by ecdsa-with-SHA256");
	return MM_OK;
}

enum mm_error
mm_certificate_tbs(struct mm_span certificate, struct mm_buffer *out)
{
	struct mm_span tbs, signature;
	enum mm_error error = take_apart(certificate, &tbs, &signature);

	if (error != MM_OK)
		return error;
	mm_buffer_add(out, tbs.data, tbs.size);
	return out->error;
}

enum mm_error
mm_certificate_verify(struct mm_span certificate, struct mm_span issuer_spki)
{
	struct mm_span tbs, signature;
	uint8_t digest[32];
	enum mm_error error = take_apart(certificate, &tbs, &signature);

	if (error != MM_OK)
		return error;
	mm_tbs_digest(tbs, digest);
	if (mm_key_verify_p256(issuer_spki, digest, signature) != MM_OK)
		return mm_fail(MM_E_CERTIFICATE,
		    "the certificate's signature is not its issuer's");
	return MM_OK;
}

/* RFC 7093 section 2 (1), as mm_key_read() has it. */
static bool
is_key(const uint8_t point[MM_P256_POINT], struct mm_span identifier)
{
	uint8_t digest[32];

	sha256(mm_span(point, MM_P256_POINT), digest);
	return mm_span_equal(mm_span(digest, MM_SKI_SIZE), identifier);
}

enum mm_error
mm_certificate_verify_identifier(
    struct mm_span certificate, struct mm_span identifier)
{
	struct mm_span tbs, signature;
	struct mm_recovered keys;
	uint8_t digest[32];
	enum mm_error error = take_apart(certificate, &tbs, &signature);

	if (error != MM_OK)
		return error;
	mm_tbs_digest(tbs, digest);
	error = mm_ecdsa_recover(digest, signature, &keys);
	for (size_t i = 0; error == MM_OK && i < keys.count; i++)
		if (is_key(keys.points[i], identifier) &&
		    mm_ecdsa_verify(MM_KEY_P256,
			mm_span(keys.points[i], MM_P256_POINT),
			mm_span(digest, sizeof(digest)), signature))
			return MM_OK;
	return mm_fail(MM_E_TOKEN_SIGNATURE,
	    "the signature is not by the key that is named as the issuer's");
}

enum mm_error
mm_certificate_verify_authority(struct mm_span certificate)
{
	mm_auto(arena) arena = {0};
	struct mm_span tbs, signature;
	struct mm_tbs read;
	enum mm_error error = take_apart(certificate, &tbs, &signature);

	mm_arena_init(&arena, TBS_ARENA);
	if (error == MM_OK)
		error = mm_tbs_read(tbs, &arena, &read);
	return error == MM_OK ? mm_certificate_verify_identifier(
				    certificate, read.authority)
			      : error;
}
