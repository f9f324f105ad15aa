/*
 * Files from anybody, and messages from anybody that should be COSE_Sign1
 * signatures of them. The first two bytes say how long the file is that comes
 * first; the message follows. The key is that of the vectors, so that some of
 * the corpus verifies.
 */
#include <stdlib.h>
#include <string.h>

#include "signer/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 16 };

static const uint8_t key_x[32] = {0xb7, 0x12, 0xd0, 0x11, 0xad, 0x18, 0xce,
    0xc9, 0x9e, 0x26, 0x7b, 0x82, 0x47, 0xae, 0x2c, 0xd7, 0xce, 0xf0, 0xe0,
    0x60, 0x0b, 0x7a, 0x9e, 0x20, 0x0d, 0xac, 0xe4, 0x35, 0x7b, 0x84, 0x67,
    0xf9};
static const uint8_t key_y[32] = {0xa3, 0x0e, 0xf1, 0x94, 0x68, 0xec, 0x99,
    0x13, 0x75, 0x0a, 0x7e, 0x79, 0xc8, 0xab, 0x3b, 0xd1, 0x23, 0x43, 0x65,
    0x18, 0x89, 0x7d, 0xc2, 0xff, 0x26, 0x29, 0x3d, 0x18, 0xc1, 0x6d, 0x07,
    0x0a};

/* What verifies does not any more with another last byte. */
static void
try_changed(const struct mm_image *image, struct mm_span message,
    const struct mm_public_key *key)
{
	const struct mm_scheme *cose =
	    mm_scheme_find(mm_span_text("cose-sign1"));
	mm_auto(buffer) changed = {0};

	if (cose->verify(image, message, key, NULL) != MM_OK)
		return;
	mm_buffer_init(&changed, message.size);
	mm_buffer_add(&changed, message.data, message.size);
	if (changed.error != MM_OK)
		return;
	changed.data[changed.size - 1] ^= 1;
	if (cose->verify(image, mm_buffer_span(&changed), key, NULL) == MM_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
	struct mm_public_key key;
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	struct mm_image image;

	if (size < 3)
		return 0;
	if (first > size - 2)
		first = size - 2;
	mm_arena_init(&arena, ARENA_MAX);
	if (mm_public_key_point(MM_ALGORITHM_P256, key_x, key_y, &key) != MM_OK)
		abort();
	if (mm_image_read(mm_span(data + 2, first), mm_span_text("plain"),
		&arena, &facts) != MM_OK)
		return 0;
	image = (struct mm_image){mm_span(data + 2, first), &facts};
	try_changed(&image, mm_span(data + 2 + first, size - 2 - first), &key);
	return 0;
}
