/*
 * Secure Boot V1 of the ESP32 (espsecure sign-data and verify-signature of
 * version 1): behind the data u32 version 0, r and s, 32 bytes each,
 * big-endian. It names no key, and any 64 bytes could be it: only behind data
 * that tells its own end can one be found.
 */
#include <string.h>

#include "signer/hashing.h"
#include "signer/readers.h"
#include "signer/schemes.h"

#define FAMILY "secure-boot-v1"

enum { COORDINATE = 32, HEAD = 4, TRAILER = MM_SECURE_BOOT_V1_SIZE };

/* The order of P-256 (SEC 2, 2.4.2). */
static const uint8_t order[COORDINATE] = {0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
    0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};

static bool
in_range(const uint8_t value[COORDINATE])
{
	static const uint8_t zero[COORDINATE];

	return memcmp(value, zero, COORDINATE) > 0 &&
	       memcmp(value, order, COORDINATE) < 0;
}

/* ---- reading */

/* Erased bytes may follow: the OTA agent of AWS leaves 12 in flash. */
enum mm_error
mm_secure_boot_v1_read(struct mm_image_reading *r, uint64_t offset)
{
	static const uint8_t version[HEAD];
	struct mm_signature_block told = {.family = mm_span_text(FAMILY),
	    .offset = offset,
	    .algorithm = mm_span_text("P-256")};
	const uint8_t *at;
	size_t left;

	if (offset > r->image.size || r->image.size - offset < TRAILER)
		return MM_OK;
	at = r->image.data + offset;
	left = r->image.size - (size_t)offset - TRAILER;
	if (memcmp(at, version, HEAD) != 0 ||
	    !mm_image_is_erased(mm_span(at + TRAILER, left)))
		return MM_OK;
	told.sound = in_range(at + HEAD) && in_range(at + HEAD + COORDINATE);
	/* Any data may end so; only what could be a signature is one. */
	if (r->facts->esp.count == 0 && !told.sound)
		return MM_OK;
	r->facts->trailing = left;
	r->facts->blank = true;
	return mm_image_add_signature(r, &told);
}

/* ---- signing */

uint64_t
mm_secure_boot_v1_added(const struct mm_image_facts *facts, uint64_t size)
{
	(void)facts;
	(void)size;
	return TRAILER;
}

/* Where it ends without the signature that was found, if one was. */
static struct mm_span
data_of(const struct mm_image *image, bool *has)
{
	*has = false;
	for (mm_list_each(const struct mm_signature_block, block,
		 image->facts->signatures))
		if (mm_span_is(block->family, FAMILY)) {
			*has = true;
			return mm_span(
			    image->bytes.data, (size_t)block->offset);
		}
	return image->bytes;
}

static enum mm_error
check_kind(const struct mm_image *image, size_t size)
{
	const struct mm_image_facts *facts = image->facts;

	if (facts->esp.count == 0)
		return MM_OK;
	if (!mm_span_is(facts->chip, "esp32"))
		return mm_image_wrong(
		    "it is for the %.*s; only the ESP32 has Secure Boot V1",
		    MM_SPAN(facts->chip));
	if (size != facts->length)
		return mm_image_wrong(
		    "the image ends at %llu, and %llu bytes follow it: the "
		    "chip would not find a signature behind them",
		    (unsigned long long)facts->length,
		    (unsigned long long)(size - facts->length));
	return MM_OK;
}

enum mm_error
mm_secure_boot_v1_digest(const struct mm_image *image, uint8_t out[32])
{
	bool has;
	struct mm_span data = data_of(image, &has);
	enum mm_error error = check_kind(image, data.size);

	return error == MM_OK ? mm_image_hash(image, data.size, 0, out) : error;
}

static enum mm_error
check_resign(bool has, enum mm_resign resign)
{
	if (!has || resign == MM_RESIGN_REPLACE)
		return MM_OK;
	if (resign == MM_RESIGN_REFUSE)
		return mm_fail(MM_E_IMAGE_SIGNED,
		    "it has a Secure Boot V1 signature already: resign replace "
		    "puts ours in its place");
	return mm_fail(MM_E_IMAGE_SIGNED,
	    "it has a Secure Boot V1 signature, and no file has two: resign "
	    "replace puts ours in its place");
}

enum mm_error
mm_secure_boot_v1_attach(const struct mm_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct mm_attached *out)
{
	uint8_t trailer[TRAILER] = {0};
	struct mm_attached made = {.count = 2};
	bool has;
	struct mm_span data = data_of(image, &has);
	enum mm_error error = check_kind(image, data.size);

	if (error == MM_OK)
		error = check_resign(has, resign);
	if (error == MM_OK && count != 1)
		error = mm_fail(MM_E_IMAGE_SIGNED,
		    "a file has one Secure Boot V1 signature, not %zu", count);
	if (error == MM_OK && signatures[0].key.algorithm != MM_ALGORITHM_P256)
		error = mm_fail(
		    MM_E_KEY_TYPE, "Secure Boot V1 has keys of P-256 only");
	if (error == MM_OK)
		error = mm_ecdsa_raw(
		    signatures[0].signature, COORDINATE, trailer + HEAD);
	if (error != MM_OK)
		return error;
	mm_buffer_init(&made.own, TRAILER);
	mm_buffer_add(&made.own, trailer, TRAILER);
	if (made.own.error != MM_OK)
		return made.own.error;
	made.pieces[0].bytes = data;
	made.pieces[1].bytes = mm_buffer_span(&made.own);
	*out = made;
	return MM_OK;
}

/* ---- verifying */

/* The end of the file, as the reference takes it. */
static enum mm_error
take_trailer(const struct mm_image *image, struct mm_span *data,
    struct mm_buffer *signature)
{
	static const uint8_t version[HEAD];
	const struct mm_image_facts *facts = image->facts;
	struct mm_span file = image->bytes;
	const uint8_t *at;

	if (file.size < TRAILER)
		return mm_signature_wrong(
		    "its %zu bytes are too few for a signature of %d",
		    file.size, TRAILER);
	*data = mm_span(file.data, file.size - TRAILER);
	at = file.data + data->size;
	if (facts->esp.count > 0 && data->size != facts->length)
		return mm_signature_wrong(
		    "the image ends at %llu, and %llu bytes follow it: a "
		    "signature has %d",
		    (unsigned long long)facts->length,
		    (unsigned long long)(file.size - facts->length), TRAILER);
	if (memcmp(at, version, HEAD) != 0)
		return mm_signature_wrong(
		    "its last %d bytes do not begin with version 0", TRAILER);
	return mm_ecdsa_der(at + HEAD, COORDINATE, signature);
}

enum mm_error
mm_secure_boot_v1_verify(const struct mm_image *image, struct mm_span signature,
    const struct mm_public_key *key, const uint8_t key_digest[32])
{
	mm_auto(buffer) der = {0};
	struct mm_span data;
	uint8_t digest[32];
	enum mm_error error =
	    mm_signature_check_inside(signature, "Secure Boot V1");

	(void)key_digest;
	mm_buffer_init(&der, MM_SIGNATURE_MAX);
	if (error == MM_OK)
		error = mm_signature_check_p256(key, "Secure Boot V1");
	if (error == MM_OK)
		error = take_trailer(image, &data, &der);
	if (error == MM_OK)
		error = mm_hash(data, digest);
	if (error == MM_OK)
		error = mm_public_key_verify(
		    key, mm_span(digest, 32), mm_buffer_span(&der));
	return error;
}
