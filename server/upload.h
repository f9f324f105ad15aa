/*
 * An image on its way in: its chunks, in order and without gaps, into a
 * memfd that is sealed once the image is whole. The gate neither hashes nor
 * reads it.
 */
#ifndef MM_UPLOAD_H
#define MM_UPLOAD_H

#include "protocol/bytes.h"

struct mm_upload {
	int fd;          /* -1: there is none */
	uint64_t number; /* as the client knows it */
	uint64_t size;   /* as announced */
	uint64_t received;
	bool sealed;
};

/* Every upload begins as this one. */
#define MM_UPLOAD_NONE \
	(struct mm_upload) \
	{ \
		.fd = -1 \
	}

/* Memory is taken as chunks come, not as announced. MM_E_SYSTEM. */
enum mm_error mm_upload_open(
    uint64_t number, uint64_t size, struct mm_upload *out) mm_must_use;

/* Goes on with a part that was parked; takes `fd` where it succeeds.
 * MM_E_UPLOAD where it is not that part. */
enum mm_error mm_upload_resume(uint64_t number, uint64_t size,
    uint64_t received, int fd, struct mm_upload *out) mm_must_use;
/* Whether `fd` is a memfd that holds so many bytes and can still grow. */
bool mm_upload_is_part(int fd, uint64_t received);

/*
 * Appends a chunk. MM_E_UPLOAD where it does not begin at the end of what is
 * there, or goes past the announced size: the upload is of no use then.
 */
enum mm_error mm_upload_add(struct mm_upload *upload, uint64_t number,
    uint64_t offset, struct mm_span data) mm_must_use;

/*
 * Makes a whole image unchangeable for ever; may be repeated. MM_E_UPLOAD
 * where the number is another's or bytes are missing.
 */
enum mm_error
mm_upload_seal(struct mm_upload *upload, uint64_t number) mm_must_use;

void mm_upload_clear(struct mm_upload *upload);

#endif
