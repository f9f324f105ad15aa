/*
 * A detached ECDSA signature over a whole file: sig-sha256-ecdsa of AWS
 * FreeRTOS OTA jobs, and what `openssl dgst -sha256 -sign` makes.
 */
#include <string.h>

#include "signer/schemes.h"

enum mm_error
mm_sha256_ecdsa_digest(const struct mm_image *image, uint8_t out[32])
{
	memcpy(out, image->facts->sha256, 32);
	return MM_OK;
}

enum mm_error
mm_sha256_ecdsa_attach(const struct mm_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct mm_attached *out)
{
	struct mm_attached made = {.count = 1};

	(void)image, (void)resign;
	if (count == 0)
		return mm_fail(MM_E_BUG, "there is no signature to write");
	mm_buffer_init(&made.own, MM_SIGNATURE_MAX);
	mm_buffer_add(&made.own, signatures[0].signature.data,
	    signatures[0].signature.size);
	if (made.own.error != MM_OK)
		return made.own.error;
	made.pieces[0].bytes = mm_buffer_span(&made.own);
	*out = made;
	return MM_OK;
}

enum mm_error
mm_sha256_ecdsa_verify(const struct mm_image *image, struct mm_span signature,
    const struct mm_public_key *key, const uint8_t key_digest[32])
{
	enum mm_error error = mm_signature_check_p256(key, "sha256-ecdsa");

	(void)key_digest;
	return error == MM_OK
		   ? mm_public_key_verify(
			 key, mm_span(image->facts->sha256, 32), signature)
		   : error;
}
