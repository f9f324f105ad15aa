/*
 * The signed file: an image with all of a release's attached signatures,
 * proven here before it is written.
 */
#ifndef MM_RELEASE_ATTACH_H
#define MM_RELEASE_ATTACH_H

#include "cli/release_answer.h"

/* Whether a release has signatures in the file, and beside it. */
bool mm_release_has(const struct mm_release_all *all, bool detached);

/*
 * Appends the image as it is to be flashed: with its signatures where it has
 * attached ones, else as it is. Each attached one then verifies, in what was
 * made, by its key: MM_E_IMAGE_SIGNATURE, MM_E_IMAGE_SIGNED.
 */
enum mm_error mm_release_attach(const struct mm_release_all *all,
    const struct mm_own_image *image, uint64_t resign,
    struct mm_buffer *out) mm_must_use;

/* Appends the one file of a detached scheme. */
enum mm_error mm_release_detached(const struct mm_release_signed *one,
    const struct mm_own_image *image, struct mm_buffer *out) mm_must_use;

#endif
