/*
 * The sector of Secure Boot V2 blocks behind an image (espsecure sign-data
 * and verify-signature of version 2; secure-boot-v2.rst). The data is padded
 * with 0xFF to whole sectors; digest and signatures cover the padding.
 */
#include "signer/secure_boot_v2.h"

#include <stdio.h>
#include <string.h>

#include "signer/chips.h"
#include "signer/hashing.h"
#include "signer/readers.h"
#include "signer/schemes.h"

#define FAMILY "secure-boot-v2"

enum {
	SECTOR = MM_SECURE_BOOT_SECTOR,
	BLOCK = MM_SECURE_BOOT_BLOCK,
	BLOCKS = MM_SIGNATURE_BLOCKS_MAX,
	WHY_MAX = 128
};

/* One place for a block. */
struct place {
	bool used;  /* not erased */
	bool valid; /* magic, version, CRC and key are right */
	bool meant; /* the data's digest is its own */
	struct mm_secure_boot_block block;
	const uint8_t *bytes;
	char why[WHY_MAX]; /* not valid */
};
struct sector {
	struct mm_span data; /* before it, padding included */
	struct place places[BLOCKS];
};

/* ---- finding it */

/* What begins as a sector and is erased where no block fits is one, be its
 * blocks broken; data that looks so by chance is as good as never met. */
static bool
looks_so(struct mm_span sector)
{
	struct mm_span rest =
	    mm_span(sector.data + BLOCKS * BLOCK, SECTOR - BLOCKS * BLOCK);
	bool begins = false;

	for (size_t i = 0; i < BLOCKS; i++) {
		const uint8_t *block = sector.data + i * BLOCK;

		begins = begins || (block[0] == MM_SECURE_BOOT_MAGIC &&
				       (block[1] == MM_SECURE_BOOT_RSA ||
					   block[1] == MM_SECURE_BOOT_ECDSA));
	}
	return begins && mm_image_is_erased(rest);
}

/* False: the file has no sector. */
static bool
find(struct mm_span file, struct sector *out)
{
	struct mm_span sector;
	bool any = false;

	if (file.size < SECTOR || file.size % SECTOR != 0)
		return false;
	sector = mm_span(file.data + file.size - SECTOR, SECTOR);
	*out = (struct sector){.data = mm_span(file.data, file.size - SECTOR)};
	for (size_t i = 0; i < BLOCKS; i++) {
		struct place *place = &out->places[i];

		place->bytes = sector.data + i * BLOCK;
		place->used = !mm_image_is_erased(mm_span(place->bytes, BLOCK));
		if (!place->used)
			continue;
		place->valid = mm_secure_boot_v2_block_read(
				   place->bytes, &place->block) == MM_OK;
		if (!place->valid)
			snprintf(place->why, WHY_MAX, "%s", mm_why(MM_E_IMAGE));
		any = any || place->valid;
	}
	return any || looks_so(sector);
}

static enum mm_error
make_digest(struct mm_image_reading *r, struct mm_span data, size_t size,
    uint8_t out[MM_SECURE_BOOT_DIGEST_MAX])
{
	if (size != 32)
		return mm_hash_384(data, out);
	return r != NULL ? mm_reading_hash(r, data.size, out)
			 : mm_hash(data, out);
}

/* Which blocks' digests are the data's. `r` NULL: not while reading it. */
static enum mm_error
compare(struct mm_image_reading *r, struct sector *sector)
{
	uint8_t digest[MM_SECURE_BOOT_DIGEST_MAX];
	size_t made = 0; /* bytes of `digest` */

	for (size_t i = 0; i < BLOCKS; i++) {
		struct place *place = &sector->places[i];
		size_t size = place->block.digest_size;
		enum mm_error error = MM_OK;

		if (!place->valid)
			continue;
		if (size != made)
			error = make_digest(r, sector->data, size, digest);
		if (error != MM_OK)
			return error;
		made = size;
		place->meant = memcmp(digest, place->block.digest, size) == 0;
	}
	return MM_OK;
}

/* ---- reading */

static enum mm_error
tell(struct mm_image_reading *r, const struct place *place)
{
	struct mm_signature_block told = {.family = mm_span_text(FAMILY),
	    .offset = (uint64_t)(place->bytes - r->image.data),
	    .algorithm = mm_span_text("unknown")};

	if (place->valid) {
		told.algorithm =
		    mm_span_text(mm_algorithm_name(place->block.key.algorithm));
		told.key = mm_arena_copy(
		    r->arena, mm_span(place->block.key_digest, 32));
		if (told.key.data == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for a digest");
		told.sound = place->meant && mm_secure_boot_v2_block_verify(
						 &place->block) == MM_OK;
	}
	return mm_image_add_signature(r, &told);
}

/* What stands between the image and the sector: its padding, or more. */
static void
settle(struct mm_image_facts *facts, struct mm_span data)
{
	struct mm_span behind;

	if (facts->length > data.size)
		facts->length = data.size;
	behind = mm_span(
	    data.data + facts->length, data.size - (size_t)facts->length);
	facts->blank = mm_image_is_erased(behind);
	if (facts->blank && behind.size < SECTOR)
		behind.size = 0;
	facts->trailing = behind.size;
}

enum mm_error
mm_secure_boot_v2_read(struct mm_image_reading *r)
{
	struct sector sector;
	enum mm_error error;

	if (!find(r->image, &sector))
		return MM_OK;
	error = compare(r, &sector);
	for (size_t i = 0; i < BLOCKS && error == MM_OK; i++)
		if (sector.places[i].used)
			error = tell(r, &sector.places[i]);
	if (error == MM_OK)
		settle(r->facts, sector.data);
	return error;
}

/* ---- signing */

static uint64_t
padded(uint64_t size)
{
	return (size + SECTOR - 1) / SECTOR * SECTOR;
}

/* The chip looks for the sector right behind the image. */
static enum mm_error
check_end(const struct mm_image *image, uint64_t size)
{
	const struct mm_image_facts *facts = image->facts;

	if (facts->esp.count == 0 || padded(size) == padded(facts->length))
		return MM_OK;
	return mm_image_wrong(
	    "behind the image, which ends at %llu, there is more data, up to "
	    "%llu: the chip would not find a signature behind that",
	    (unsigned long long)facts->length, (unsigned long long)size);
}

enum mm_error
mm_secure_boot_v2_digest(const struct mm_image *image, uint8_t out[32])
{
	struct sector sector;
	struct mm_span data =
	    find(image->bytes, &sector) ? sector.data : image->bytes;
	enum mm_error error = check_end(image, data.size);

	return error == MM_OK ? mm_image_hash(image, data.size,
				    padded(data.size) - data.size, out)
			      : error;
}

/* Blocks in the making. */
struct row {
	const struct mm_image *image;
	size_t limit;
	struct mm_signers signers;
	struct mm_buffer *bytes;
};

static size_t
limit(const struct mm_image_facts *facts)
{
	const struct mm_chip *chip = mm_chip_named(facts->chip);

	return chip != NULL && chip->blocks > 0 && chip->blocks < BLOCKS
		   ? chip->blocks
		   : BLOCKS;
}

static enum mm_error
add(struct row *row, const struct mm_public_key *key,
    const uint8_t block[BLOCK])
{
	enum mm_error error;

	if (row->signers.count == row->limit)
		return mm_fail(MM_E_IMAGE_SIGNED,
		    "an image%s%.*s takes %zu Secure Boot V2 block%s, all of "
		    "which are there: resign replace puts ours in their place",
		    row->image->facts->chip.size > 0 ? " of " : "",
		    MM_SPAN(row->image->facts->chip), row->limit,
		    row->limit == 1 ? "" : "s");
	error = mm_signers_add(&row->signers, key);
	if (error != MM_OK)
		return error;
	mm_buffer_add(row->bytes, block, BLOCK);
	return row->bytes->error;
}

/* The sound blocks that the image brings along. */
static enum mm_error
keep(struct row *row, struct sector *sector, enum mm_resign resign)
{
	enum mm_error error;

	if (resign == MM_RESIGN_REFUSE)
		return mm_fail(MM_E_IMAGE_SIGNED,
		    "it has a sector of Secure Boot V2 signatures already: "
		    "resign append or replace says what becomes of them");
	error = resign == MM_RESIGN_APPEND ? compare(NULL, sector) : MM_OK;
	for (size_t i = 0; i < BLOCKS && error == MM_OK; i++) {
		struct place *place = &sector->places[i];

		if (place->meant &&
		    mm_secure_boot_v2_block_verify(&place->block) == MM_OK)
			error = add(row, &place->block.key, place->bytes);
	}
	return error;
}

static enum mm_error
add_all(struct row *row, const uint8_t digest[32],
    const struct mm_signed *signatures, size_t count)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < count && error == MM_OK; i++) {
		uint8_t block[BLOCK];

		error = mm_secure_boot_v2_block(&signatures[i].key,
		    mm_span(digest, 32), signatures[i].signature, block);
		if (error == MM_OK)
			error = add(row, &signatures[i].key, block);
	}
	return error;
}

uint64_t
mm_secure_boot_v2_added(const struct mm_image_facts *facts, uint64_t size)
{
	(void)facts;
	return padded(size) - size + SECTOR;
}

enum mm_error
mm_secure_boot_v2_attach(const struct mm_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct mm_attached *out)
{
	struct sector sector;
	struct mm_attached made = {.count = 2};
	struct row row = {
	    .image = image, .limit = limit(image->facts), .bytes = &made.own};
	bool had = find(image->bytes, &sector);
	struct mm_span data = had ? sector.data : image->bytes;
	uint8_t digest[32];
	enum mm_error error;

	if (count == 0)
		return mm_fail(MM_E_BUG, "there is no signature to attach");
	mm_buffer_init(&made.own, BLOCKS * BLOCK);
	error = mm_secure_boot_v2_digest(image, digest);
	if (error == MM_OK && had)
		error = keep(&row, &sector, resign);
	if (error == MM_OK)
		error = add_all(&row, digest, signatures, count);
	if (error != MM_OK) {
		mm_attached_clear(&made);
		return error;
	}
	made.pieces[0] = (struct mm_piece){data, padded(data.size) - data.size};
	made.pieces[1] = (struct mm_piece){
	    mm_buffer_span(&made.own), SECTOR - made.own.size};
	*out = made;
	return MM_OK;
}

/* ---- verifying */

struct verdict {
	const struct mm_public_key *key;
	const uint8_t *key_digest;
	struct mm_buffer why; /* of each block that is not it */
};

static void
no(struct verdict *v, size_t i, const char *what)
{
	mm_buffer_printf(
	    &v->why, "%sblock %zu: %s", v->why.size > 0 ? "; " : "", i, what);
}

static bool
is_key(const struct verdict *v, const struct mm_secure_boot_block *block)
{
	if (v->key != NULL)
		return mm_public_key_equal(v->key, &block->key);
	return memcmp(v->key_digest, block->key_digest, 32) == 0;
}

/* Whether it is this block; another one may be it still. */
static bool
judge(struct verdict *v, const struct place *place, size_t i)
{
	if (!place->valid)
		no(v, i, place->why);
	else if (!is_key(v, &place->block))
		no(v, i, "it is another key's");
	else if (mm_secure_boot_v2_block_verify(&place->block) != MM_OK)
		no(v, i, mm_why(MM_E_IMAGE_SIGNATURE));
	else
		return true;
	return false;
}

static enum mm_error
judge_all(struct verdict *v, const struct sector *sector)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		const struct place *place = &sector->places[i];

		if (!place->used)
			continue;
		/* As the reference: no other block can make up for it. */
		if (place->valid && !place->meant)
			return mm_signature_wrong(
			    "block %zu: its digest is not the data's, which "
			    "was changed after it was signed",
			    i);
		if (judge(v, place, i))
			return MM_OK;
	}
	return mm_signature_wrong("%.*s", MM_SPAN(mm_buffer_span(&v->why)));
}

enum mm_error
mm_secure_boot_v2_verify(const struct mm_image *image, struct mm_span signature,
    const struct mm_public_key *key, const uint8_t key_digest[32])
{
	struct verdict v = {.key = key, .key_digest = key_digest};
	struct sector sector;
	enum mm_error error;

	error = mm_signature_check_inside(signature, "Secure Boot V2");
	if (error != MM_OK)
		return error;
	if (image->bytes.size % SECTOR != 0)
		return mm_signature_wrong(
		    "it has no sector of signatures: its %zu bytes are not "
		    "whole sectors of %d",
		    image->bytes.size, SECTOR);
	if (!find(image->bytes, &sector))
		return mm_signature_wrong(
		    "its last %d bytes are no sector of signatures", SECTOR);
	mm_buffer_init(&v.why, 1024);
	error = compare(NULL, &sector);
	if (error == MM_OK)
		error = judge_all(&v, &sector);
	mm_buffer_clear(&v.why);
	return error;
}
