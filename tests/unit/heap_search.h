/*
 * Looks for bytes in the process's own memory: everything that it can write
 * to and that is not locked. What is looked for is kept masked, so that it is
 * not what is found.
 */
#ifndef MM_TESTS_HEAP_SEARCH_H
#define MM_TESTS_HEAP_SEARCH_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/bytes.h"

enum { NEEDLE = 16, NEEDLES = 64, NEEDLE_MASK = 0x5a, SEARCH_PIECE = 1 << 20 };

struct needles {
	uint8_t masked[NEEDLES][NEEDLE];
	size_t count;
};

/* Both ends and the middle of a number, in both orders of bytes. */
static inline void
needles_add(struct needles *needles, struct mm_span number)
{
	size_t last = number.size - NEEDLE;
	size_t places[] = {0, last / 2, last};

	assert_true(number.size >= NEEDLE);
	for (size_t i = 0; i < 2 * MM_COUNT(places); i++) {
		uint8_t *out = needles->masked[needles->count++];
		const uint8_t *at = number.data + places[i / 2];

		assert_true(needles->count <= NEEDLES);
		for (size_t j = 0; j < NEEDLE; j++)
			out[i % 2 == 0 ? j : NEEDLE - 1 - j] =
			    at[j] ^ NEEDLE_MASK;
	}
}

static inline bool
needle_is_at(const uint8_t *masked, const uint8_t *at)
{
	for (size_t i = 0; i < NEEDLE; i++)
		if ((at[i] ^ NEEDLE_MASK) != masked[i])
			return false;
	return true;
}

static inline size_t
search_piece(const struct needles *needles, const uint8_t *piece, size_t size)
{
	bool first[256] = {false};
	size_t found = 0;

	for (size_t i = 0; i < needles->count; i++)
		first[needles->masked[i][0] ^ NEEDLE_MASK] = true;
	for (size_t at = 0; at + NEEDLE <= size; at++)
		for (size_t i = 0; first[piece[at]] && i < needles->count; i++)
			found += needle_is_at(needles->masked[i], piece + at);
	return found;
}

static inline size_t
search_region(const struct needles *needles, int memory, uint64_t begin,
    uint64_t end, uint8_t *piece)
{
	size_t found = 0;

	for (uint64_t at = begin; at < end; at += SEARCH_PIECE - NEEDLE) {
		size_t size =
		    end - at < SEARCH_PIECE ? (size_t)(end - at) : SEARCH_PIECE;
		ssize_t got = pread(memory, piece, size, (off_t)at);

		if (got <= 0)
			break;
		found += search_piece(needles, piece, (size_t)got);
	}
	/* It would be found in here, too. */
	memset(piece, 0, SEARCH_PIECE);
	return found;
}

/* How often one of them is in memory that is not locked. */
static inline size_t
search_heap(const struct needles *needles)
{
	static uint8_t piece[SEARCH_PIECE];
	FILE *map = fopen("/proc/self/smaps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long begin = 0, end = 0, b, e;
	char line[512], rights[8], r[8];
	size_t found = 0, regions = 0;

	assert_non_null(map);
	assert_true(memory >= 0);
	while (fgets(line, sizeof(line), map) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &b, &e, r) == 3) {
			begin = b;
			end = e;
			memcpy(rights, r, sizeof(rights));
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || rights[0] != 'r' ||
		    rights[1] != 'w' || strstr(line, " lo ") != NULL)
			continue;
		regions++;
		found += search_region(needles, memory, begin, end, piece);
	}
	fclose(map);
	close(memory);
	assert_true(regions > 3);
	return found;
}

#endif
