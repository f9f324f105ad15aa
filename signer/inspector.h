/*
 * The inspector: a fresh process for each image, that can do nothing but read
 * it and answer. The image is a sealed memfd from a gate, or the appliance's
 * own kept copy, whose SHA-256 is asked for again.
 *
 *   inspector.c        one image, one call, one answer
 *   inspector_prove.c  what is signed is attached and verified
 */
#ifndef MM_INSPECTOR_H
#define MM_INSPECTOR_H

#include "protocol/service.h"
#include "signer/scheme.h"

enum mm_inspector_call {
	/* Facts and digests. With an empty file attached to the packet, an
	 * image that was read without fault is copied into it and flushed
	 * before the answer. MM_E_IMAGE, MM_E_IMAGE_SIZE, MM_E_SCHEME for an
	 * unknown signing, MM_E_DISK_FULL. */
	MM_INSPECTOR_INSPECT = 1,
	/* Attaches signatures, and verifies what comes out of it as anybody
	 * would: by the reading half. The answer has no body.
	 * MM_E_IMAGE_ABSENT where it is another file, MM_E_IMAGE_SIGNED as the
	 * schemes' attach() says it, MM_E_IMAGE_SIGNATURE. */
	MM_INSPECTOR_PROVE = 2
};
enum {
	MM_INSPECTOR_SIGNINGS = 16, /* of one image, at most */
	MM_PROVE_SPKI_MAX = 1024    /* bytes of a key's DER */
};

struct mm_inspect_request {
	uint64_t max;            /* bytes */
	struct mm_span as;       /* format; empty: whatever it is */
	struct mm_list signings; /* mm_text_item: digests of these */
	bool keep;               /* a file is attached, open for writing */
};
struct mm_inspect_answer {
	struct mm_image_facts facts;
	struct mm_list digests; /* mm_hash_item, as `signings`; of one that
				 * this image cannot have, zeros */
	struct mm_list faults;  /* mm_text_item, as `signings`: why not; "-" */
};
struct mm_prove_signature {
	struct mm_span signing, spki, signature;
};
struct mm_prove_image {
	uint64_t max;
	struct mm_span as;
	uint8_t sha256[32];        /* of the file that it must be */
	uint64_t resign;           /* enum mm_resign */
	struct mm_list signatures; /* mm_prove_signature */
};
extern const struct mm_shape mm_inspect_request_shape, mm_inspect_answer_shape,
    mm_prove_signature_shape, mm_prove_image_shape;

/*
 * The inspector's whole life: checks the image (a memfd's seals: write, grow,
 * shrink, seal; else a file that has a name), maps it, answers one call on
 * `channel`. What went wrong was answered there; MM_E_INSPECTOR.
 */
enum mm_error mm_inspector_run(int image, int channel) mm_must_use;

#endif
