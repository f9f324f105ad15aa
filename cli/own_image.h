/*
 * A firmware image as it lies on this computer: read and digested here, never
 * as the appliance tells. It is held in memory, so that what was looked at is
 * what is sent and signed, whatever a build does to the file meanwhile.
 */
#ifndef MM_OWN_IMAGE_H
#define MM_OWN_IMAGE_H

#include "cli/command.h"
#include "signer/scheme.h"

enum { MM_OWN_IMAGE_MAX = 256 << 20 };

struct mm_own_image {
	struct mm_buffer file;
	struct mm_arena arena; /* of what the facts point to */
	struct mm_image_facts facts;
};

/*
 * Reads a file, or stdin for "-". What its first bytes promise and the rest
 * does not keep is told on stderr and read as "plain": the policy says whether
 * it may be that. To be cleared in any case. MM_E_FILE, MM_E_FORMAT where it is
 * empty.
 */
enum mm_error
mm_own_image_open(const char *path, struct mm_own_image *out) mm_must_use;
/* The same of bytes that came otherwise; they are taken. */
enum mm_error mm_own_image_take(
    struct mm_buffer *bytes, struct mm_own_image *out) mm_must_use;
void mm_own_image_clear(struct mm_own_image *image);

/* Reads it once more, as a format that an entry or the appliance names
 * ("unread": as before). MM_E_IMAGE. */
enum mm_error
mm_own_image_as(struct mm_own_image *image, struct mm_span format) mm_must_use;

struct mm_span mm_own_image_bytes(const struct mm_own_image *image);

/* What a signing signs of it. MM_E_SCHEME, MM_E_IMAGE. */
enum mm_error mm_own_image_digest(const struct mm_own_image *image,
    struct mm_span signing, uint8_t out[32]) mm_must_use;

/* What it is, in a few members, for people who are asked to sign. */
json_t *mm_own_image_json(const struct mm_own_image *image);
#define MM_OWN_IMAGE_RESULTS \
	"format, chip, project, image_version, secure_version, image_size,\n" \
	"sha256"

#endif
