/*
 * Firmware images: what the bytes say about themselves, and the inspector, a
 * fresh process for each image that can do nothing but read it and answer.
 */
#ifndef MM_IMAGE_H
#define MM_IMAGE_H

#include "protocol/service.h"

struct mm_image_facts {
	uint64_t size;
	uint8_t sha256[32];
	struct mm_span format; /* "plain": a file of no format known here */
};
extern const struct mm_shape mm_image_facts_shape;

/* Reads the facts from an image's bytes; `format` is a static string. */
enum mm_error
mm_image_read(struct mm_span image, struct mm_image_facts *out) mm_must_use;

enum mm_inspector_call { MM_INSPECTOR_INSPECT = 1 };
struct mm_inspect_request {
	struct mm_span scheme;
	uint64_t max; /* bytes */
};
struct mm_inspect_answer {
	struct mm_image_facts facts;
	uint8_t digest[32]; /* by the scheme */
};
extern const struct mm_shape mm_inspect_request_shape, mm_inspect_answer_shape;

/*
 * The inspector's whole life: checks the memfd's seals (write, grow, shrink,
 * seal), maps it, answers one call on `channel`. MM_E_INSPECTOR.
 */
enum mm_error mm_inspector_run(int memfd, int channel) mm_must_use;

#endif
