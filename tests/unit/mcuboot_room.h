/*
 * MCUboot images of the vendor's tool and of the tests' own; cmocka's headers
 * come before this one. What is not as it should be fails the test.
 */
#ifndef MM_TESTS_MCUBOOT_ROOM_H
#define MM_TESTS_MCUBOOT_ROOM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/mcuboot_make.h"
#include "signer/readers.h"
#include "signer/schemes.h"

#define ROOM "tests/vectors/esp/mcuboot/"
#define KEY "../keys/TEST-ONLY-mcuboot-p256.pub.pem"
#define OTHER "../keys/TEST-ONLY-mcuboot-p256-other.pub.pem"

enum { FILE_MAX = 1 << 18, ARENA = 1 << 16 };

static inline void
load(const char *name, struct mm_buffer *out)
{
	char path[256];

	snprintf(path, sizeof(path), ROOM "%s", name);
	mm_buffer_init(out, FILE_MAX);
	if (mm_file_read(path, FILE_MAX, out) != MM_OK)
		fail_msg("%s", mm_why(MM_E_FILE));
}

static inline struct mm_public_key
load_key(const char *name)
{
	mm_auto(buffer) pem = {0};
	struct mm_public_key key;

	load(name, &pem);
	assert_int_equal(mm_public_key_read(mm_buffer_span(&pem), &key), MM_OK);
	return key;
}

static inline struct mm_image
image_of(const struct mm_buffer *bytes)
{
	return (struct mm_image){.bytes = mm_buffer_span(bytes)};
}

static inline enum mm_error
verify(struct mm_span bytes, const struct mm_public_key *key)
{
	struct mm_image image = {.bytes = bytes};

	return mm_mcuboot_verify(&image, (struct mm_span){0}, key, NULL);
}

static inline enum mm_error
facts_of(
    struct mm_span bytes, struct mm_arena *arena, struct mm_image_facts *facts)
{
	mm_arena_init(arena, ARENA);
	return mm_image_read(bytes, (struct mm_span){0}, arena, facts);
}

static inline const struct mm_mcuboot_facts *
mcuboot_of(const struct mm_image_facts *facts)
{
	assert_int_equal(facts->mcuboot.count, 1);
	return mm_list_at(facts->mcuboot, struct mm_mcuboot_facts, 0);
}

static inline void
put_number(uint8_t *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

static inline struct mm_mcuboot_making
usual_making(struct mm_span payload)
{
	return (struct mm_mcuboot_making){.payload = payload,
	    .header = 32,
	    .slot = 0x20000,
	    .align = 4,
	    .version = {1, 2, 3, 4},
	    .erased = 0xff};
}

/* With the signature of a `fix_` row; `out` is initialised. */
static inline void
sign(const struct mm_buffer *image, enum mm_resign resign, const char *der,
    struct mm_buffer *out)
{
	mm_auto(buffer) signature = {0};
	struct mm_signed by = {.key = load_key(KEY)};
	struct mm_attached attached = {0};
	struct mm_image unsigned_image = image_of(image);

	load(der, &signature);
	by.signature = mm_buffer_span(&signature);
	assert_int_equal(
	    mm_mcuboot_attach(&unsigned_image, resign, &by, 1, &attached),
	    MM_OK);
	assert_int_equal(mm_attached_write(&attached, out), MM_OK);
	mm_attached_clear(&attached);
}

/* An image of 8 bytes with these TLV areas, its hash right. */
struct tlv_text {
	unsigned type, size;
};
static inline void
build(const struct tlv_text *covered, size_t covered_count,
    const struct tlv_text *free_tlvs, size_t free_count, struct mm_buffer *out)
{
	uint8_t head[40] = {0}, value[256] = {0}, info[4], hash[32];
	size_t sizes[2] = {0, 4 + 36};

	mm_buffer_init(out, FILE_MAX);
	for (size_t i = 0; i < covered_count; i++)
		sizes[0] += 4 + covered[i].size;
	sizes[0] += covered_count > 0 ? 4 : 0;
	for (size_t i = 0; i < free_count; i++)
		sizes[1] += 4 + free_tlvs[i].size;
	put_number(head, MM_MCUBOOT_MAGIC, 4);
	put_number(head + 8, 32, 2);
	put_number(head + 10, sizes[0], 2);
	put_number(head + 12, 8, 4);
	mm_buffer_add(out, head, sizeof(head));
	put_number(info, 0x6908, 2);
	put_number(info + 2, sizes[0], 2);
	mm_buffer_add(out, info, covered_count > 0 ? 4 : 0);
	for (size_t i = 0; i < covered_count; i++) {
		put_number(info, covered[i].type, 2);
		put_number(info + 2, covered[i].size, 2);
		mm_buffer_add(out, info, 4);
		mm_buffer_add(out, value, covered[i].size);
	}
	assert_int_equal(mm_hash(mm_buffer_span(out), hash), MM_OK);
	put_number(info, 0x6907, 2);
	put_number(info + 2, sizes[1], 2);
	mm_buffer_add(out, info, 4);
	mm_buffer_add(out, "\x10\x00\x20\x00", 4);
	mm_buffer_add(out, hash, 32);
	for (size_t i = 0; i < free_count; i++) {
		put_number(info, free_tlvs[i].type, 2);
		put_number(info + 2, free_tlvs[i].size, 2);
		mm_buffer_add(out, info, 4);
		mm_buffer_add(out, value, free_tlvs[i].size);
	}
}

static inline enum mm_error
read_built(const struct tlv_text *covered, size_t covered_count,
    const struct tlv_text *free_tlvs, size_t free_count)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;

	build(covered, covered_count, free_tlvs, free_count, &file);
	return facts_of(mm_buffer_span(&file), &arena, &facts);
}

#endif
