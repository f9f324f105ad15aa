/*
 * The scheme mcuboot: ECDSA P-256 over header, payload and protected TLVs,
 * hashed once. Attaching writes the unprotected TLVs anew, in imgtool's order.
 */
#include <inttypes.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/mcuboot.h"
#include "signer/numbers.h"
#include "signer/readers.h"
#include "signer/schemes.h"

enum { INFO = 4, RECORD = 4, HASH = 32 };

/* Nothing may be lost by writing the unprotected TLVs anew, and nothing may
 * stand behind the image that its signature would seem to cover. */
static enum mm_error
check_bare(const struct mm_mcuboot_layout *l)
{
	uint64_t behind = l->slot != 0 ? 0 : l->image.size - l->end;

	if (l->stray != 0)
		return mm_image_wrong(
		    "the TLV at offset 0x%" PRIx64
		    " is not protected, and a bootloader refuses it there: "
		    "make it a protected one",
		    l->stray);
	if (behind != 0)
		return mm_image_wrong(
		    "%" PRIu64 " bytes follow the image at "
		    "offset 0x%" PRIx64
		    ", and are no slot's padding: submit it without them",
		    behind, l->end);
	return MM_OK;
}

static enum mm_error
read_for_signing(const struct mm_image *image, struct mm_mcuboot_layout *layout,
    uint8_t digest[HASH])
{
	enum mm_error error = mm_mcuboot_layout(image->bytes, layout);

	if (error == MM_OK)
		error = check_bare(layout);
	return error == MM_OK ? mm_mcuboot_hash(layout, digest) : error;
}

enum mm_error
mm_mcuboot_digest(const struct mm_image *image, uint8_t out[32])
{
	struct mm_mcuboot_layout layout;

	return read_for_signing(image, &layout, out);
}

/* --- attach --- */

/* What add_tlvs() writes; of a file that is padded to its slot it takes the
 * place of padding. */
uint64_t
mm_mcuboot_added(const struct mm_image_facts *facts, uint64_t size)
{
	(void)size;
	if (facts != NULL)
		for (mm_list_each(const struct mm_mcuboot_facts, mcuboot,
			 facts->mcuboot))
			if (mcuboot->slot != 0)
				return 0;
	return INFO + (RECORD + HASH) + (RECORD + HASH) + RECORD +
	       MM_MCUBOOT_SIGNATURE_MAX;
}

static enum mm_error
check_resign(const struct mm_mcuboot_layout *l, enum mm_resign resign)
{
	bool carries =
	    l->signatures > 0 || l->key_hash.size > 0 || l->public_key.size > 0;

	if (!carries || resign == MM_RESIGN_REPLACE)
		return MM_OK;
	if (resign == MM_RESIGN_APPEND)
		return mm_fail(MM_E_IMAGE_SIGNED,
		    "the image is signed, and MCUboot takes one signature: "
		    "ours could only replace it");
	return mm_fail(MM_E_IMAGE_SIGNED,
	    "the image is signed, or names a key: submit the unsigned one");
}

static enum mm_error
check_signature(const struct mm_signed *signatures, size_t count)
{
	if (count != 1)
		return mm_fail(MM_E_IMAGE_SIGNED,
		    "MCUboot takes one signature; here are %zu", count);
	if (signatures->key.algorithm != MM_ALGORITHM_P256)
		return mm_fail(
		    MM_E_KEY_TYPE, "the scheme mcuboot signs by a P-256 key");
	if (signatures->signature.size == 0 ||
	    signatures->signature.size > MM_MCUBOOT_SIGNATURE_MAX)
		return mm_signature_wrong(
		    "%zu bytes are no ECDSA signature of P-256",
		    signatures->signature.size);
	return MM_OK;
}

static void
add_number(struct mm_buffer *out, size_t value)
{
	uint8_t bytes[2];

	mm_little_put(value, sizeof(bytes), bytes);
	mm_buffer_add(out, bytes, sizeof(bytes));
}

static void
add_tlv(struct mm_buffer *out, size_t type, struct mm_span value)
{
	add_number(out, type);
	add_number(out, value.size);
	mm_buffer_add(out, value.data, value.size);
}

static void
add_tlvs(struct mm_buffer *out, const uint8_t digest[HASH],
    const struct mm_signed *by)
{
	size_t size = INFO + (RECORD + HASH) + (RECORD + HASH) + RECORD +
		      by->signature.size;

	add_number(out, MM_MCUBOOT_UNPROTECTED);
	add_number(out, size);
	add_tlv(out, MM_MCUBOOT_SHA256, mm_span(digest, HASH));
	add_tlv(out, MM_MCUBOOT_KEY_HASH,
	    mm_span(by->key.spki_sha256, sizeof(by->key.spki_sha256)));
	add_tlv(out, MM_MCUBOOT_ECDSA, by->signature);
}

/*
 * The most that the swap may write to at the slot's end. The trailer does not
 * tell writes of 1 to 8 bytes apart: the widest for which the image, as it
 * was padded, kept out of there.
 */
static uint64_t
trailer(const struct mm_mcuboot_layout *l)
{
	unsigned align = l->align;

	while (align > 1 && align <= 8 &&
	       l->slot - l->end < mm_mcuboot_trailer(align))
		align /= 2;
	return mm_mcuboot_trailer(align);
}

/* What stays of a padded file's slot behind the new TLVs: its own bytes, and
 * before them the erased value where longer TLVs were. */
static enum mm_error
keep_slot(const struct mm_mcuboot_layout *l, struct mm_buffer *tlvs,
    struct mm_span *out)
{
	uint64_t end = l->covered + tlvs->size;
	uint8_t *gap;

	*out = mm_span(NULL, 0);
	if (l->slot == 0)
		return MM_OK;
	if (end > l->end && end + trailer(l) > l->slot)
		return mm_image_wrong(
		    "the signed image would have %" PRIu64
		    " bytes; its slot of %" PRIu64 " keeps %" PRIu64
		    " at its end for the bootloader: make the image smaller, "
		    "or the slot larger",
		    end, l->slot, trailer(l));
	if (end < l->end) {
		gap = mm_buffer_grow(tlvs, (size_t)(l->end - end));
		if (gap != NULL)
			memset(gap, l->erased, (size_t)(l->end - end));
		end = l->end;
	}
	*out = mm_span(l->image.data + end, (size_t)(l->slot - end));
	return MM_OK;
}

enum mm_error
mm_mcuboot_attach(const struct mm_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct mm_attached *out)
{
	struct mm_mcuboot_layout layout;
	struct mm_span slot = {0};
	mm_auto(buffer) tlvs = {0};
	uint8_t digest[HASH];
	enum mm_error error = check_signature(signatures, count);

	if (error == MM_OK)
		error = read_for_signing(image, &layout, digest);
	if (error == MM_OK)
		error = check_resign(&layout, resign);
	if (error != MM_OK)
		return error;
	mm_buffer_init(&tlvs, 2 * UINT16_MAX);
	add_tlvs(&tlvs, digest, signatures);
	error = keep_slot(&layout, &tlvs, &slot);
	if (error != MM_OK || tlvs.error != MM_OK)
		return error != MM_OK ? error : tlvs.error;
	*out = (struct mm_attached){.count = slot.size > 0 ? 3 : 2};
	out->own = tlvs;
	tlvs = (struct mm_buffer){0};
	out->pieces[0].bytes =
	    mm_span(image->bytes.data, (size_t)layout.covered);
	out->pieces[1].bytes = mm_buffer_span(&out->own);
	out->pieces[2].bytes = slot;
	return MM_OK;
}

/* --- verify --- */

/* The key that the image says it is signed by must be ours: a bootloader
 * looks it up among its own, by this TLV. */
static enum mm_error
check_names_key(const struct mm_mcuboot_layout *l, const uint8_t wanted[HASH])
{
	uint8_t found[HASH];
	enum mm_error error;

	if (l->key_hash.size == 0 && l->public_key.size == 0)
		return mm_signature_wrong("the image names no key: TLV 0x01 or "
					  "0x02 is missing");
	if (l->key_hash.size > 0 && memcmp(l->key_hash.data, wanted, HASH) != 0)
		return mm_signature_wrong(
		    "its key hash (TLV 0x01) is another key's: a bootloader "
		    "would not find this one");
	if (l->public_key.size == 0)
		return MM_OK;
	error = mm_hash(l->public_key, found);
	if (error == MM_OK && memcmp(found, wanted, HASH) != 0)
		error = mm_signature_wrong(
		    "its public key (TLV 0x02) is another one");
	return error;
}

/* The key by its hash alone: it must be in the image. */
static enum mm_error
find_key(const struct mm_mcuboot_layout *l, struct mm_public_key *out)
{
	if (l->public_key.size == 0)
		return mm_signature_wrong(
		    "the image has its key's hash, not "
		    "the key: verify it by the public key or certificate");
	if (mm_public_key_read(l->public_key, out) != MM_OK)
		return mm_signature_wrong(
		    "its public key (TLV 0x02) cannot be read");
	return MM_OK;
}

static enum mm_error
check_ecdsa(const struct mm_mcuboot_layout *l, const struct mm_public_key *key,
    const uint8_t digest[HASH])
{
	if (key->algorithm != MM_ALGORITHM_P256)
		return mm_signature_wrong(
		    "the key is not one of P-256, as this scheme wants");
	if (l->ecdsa.size == 0)
		return mm_signature_wrong(
		    "the image has no ECDSA signature (TLV 0x22)");
	return mm_public_key_verify(
	    key, mm_span(digest, HASH), mm_mcuboot_signature(l));
}

/*
 * What nothing covers, and a bootloader minds: TLVs out of their area, and
 * what stands behind the image. Erased flash may; so may the rest of a slot,
 * of which the byte that says "confirmed" is anybody's to write.
 */
static enum mm_error
check_uncovered(const struct mm_mcuboot_layout *l)
{
	uint64_t at = l->slot != 0 ? l->slot : l->end;

	if (l->stray != 0)
		return mm_signature_wrong(
		    "the TLV at offset 0x%" PRIx64
		    " is not protected, and a bootloader refuses it there",
		    l->stray);
	while (at < l->image.size && l->image.data[at] == 0xff)
		at++;
	if (at < l->image.size)
		return mm_signature_wrong(
		    "at offset 0x%" PRIx64
		    " bytes follow the image that no signature covers",
		    at);
	return MM_OK;
}

enum mm_error
mm_mcuboot_verify(const struct mm_image *image, struct mm_span signature,
    const struct mm_public_key *key, const uint8_t key_digest[32])
{
	struct mm_mcuboot_layout layout;
	struct mm_public_key found;
	uint8_t digest[HASH];
	enum mm_error error = mm_signature_check_inside(signature, "MCUboot");

	if (error == MM_OK)
		error = mm_mcuboot_layout(image->bytes, &layout);
	if (error == MM_OK)
		error = mm_mcuboot_hash(&layout, digest);
	if (error == MM_OK)
		error = check_uncovered(&layout);
	if (error == MM_OK)
		error = check_names_key(
		    &layout, key != NULL ? key->spki_sha256 : key_digest);
	if (error == MM_OK && key == NULL) {
		error = find_key(&layout, &found);
		key = &found;
	}
	return error == MM_OK ? check_ecdsa(&layout, key, digest) : error;
}
