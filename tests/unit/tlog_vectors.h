/*
 * Reading tests/vectors/tlog for the tests of the log; cmocka's headers come
 * before this one. What is not in a vector file fails the test.
 */
#ifndef MM_TLOG_VECTORS_H
#define MM_TLOG_VECTORS_H

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "log/merkle.h"

#define VECTORS "tests/vectors/tlog/"

static inline json_t *
vectors(const char *name)
{
	json_error_t error;
	json_t *root = json_load_file(name, 0, &error);

	if (root == NULL)
		fail_msg("%s: %s", name, error.text);
	return root;
}

static inline json_t *
member(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	if (value == NULL)
		fail_msg("no %s in the vector", name);
	return value;
}

static inline const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(member(object, name));

	assert_non_null(text);
	return text;
}

static inline uint64_t
number_of(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(member(object, name));
}

/* The bytes of a hexadecimal string, to be freed. */
static inline struct mm_span
unhex(const char *hex)
{
	size_t size = strlen(hex) / 2;
	uint8_t *bytes = malloc(size + 1);

	assert_non_null(bytes);
	assert_int_equal(
	    sodium_hex2bin(bytes, size, hex, strlen(hex), NULL, &size, NULL),
	    0);
	return mm_span(bytes, size);
}

static inline void
span_free(struct mm_span span)
{
	free((void *)(uintptr_t)span.data);
}

static inline struct mm_hash
hash_of_hex(const char *hex)
{
	struct mm_span bytes = unhex(hex);
	struct mm_hash hash;

	assert_int_equal(bytes.size, MM_HASH_SIZE);
	memcpy(hash.bytes, bytes.data, MM_HASH_SIZE);
	span_free(bytes);
	return hash;
}

static inline struct mm_hash
hash_of(const json_t *object, const char *name)
{
	return hash_of_hex(text_of(object, name));
}

static inline struct mm_proof
proof_of(const json_t *object, const char *name)
{
	struct mm_proof proof = {.count = 0};
	const json_t *hash;
	size_t i;

	json_array_foreach(member(object, name), i, hash)
	    proof.hashes[proof.count++] = hash_of_hex(json_string_value(hash));
	return proof;
}

/* Entry `i` of the vectors' logs is "entry " and its number. */
static inline struct mm_span
vector_entry(uint64_t i, char buffer[32])
{
	int length = snprintf(buffer, 32, "entry %llu", (unsigned long long)i);

	return mm_span(buffer, (size_t)length);
}

static inline void
assert_hash(struct mm_hash a, struct mm_hash b)
{
	assert_memory_equal(a.bytes, b.bytes, MM_HASH_SIZE);
}

#endif
