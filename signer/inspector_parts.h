/*
 * Inside the inspector: the image in memory, and proving its signatures.
 */
#ifndef MM_INSPECTOR_PARTS_H
#define MM_INSPECTOR_PARTS_H

#include "signer/inspector.h"

enum {
	MM_MAPPING_ROOM = 65536, /* bytes behind the image */
	MM_FACTS_ARENA = 65536   /* what mm_image_read() needs */
};

/*
 * An image, and memory behind it that is writable as the image is, so that
 * what is attached can stand behind it. Only the pages that are written cost
 * memory of their own; the file is never changed.
 */
struct mm_mapping {
	uint8_t *start;
	size_t size; /* of the image */
	size_t whole;
};

/* Attaches and verifies all signatures (inspector_prove.c). Afterwards the
 * mapping holds the signed image. */
enum mm_error mm_inspector_prove(struct mm_mapping *mapping,
    const struct mm_prove_image *request, struct mm_arena *arena) mm_must_use;

#endif
