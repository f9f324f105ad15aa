#include "ca/certificate.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "ca/tbs.h"

void
mm_tbs_digest(struct mm_span tbs, uint8_t out[32])
{
	/* Only memory can be missing, and there is no other answer. */
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, tbs.data, tbs.size, out) < 0)
		abort();
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
