/*
 * The image that the appliance keeps until a release is fetched.
 */
#ifndef MM_RELEASE_KEPT_H
#define MM_RELEASE_KEPT_H

#include "cli/appliance.h"
#include "log/entry.h"

/* Reads the image of an entry, piece by piece; goes on behind the last one
 * where the connection breaks. Its SHA-256 is the entry's: MM_E_MISMATCH.
 * MM_E_IMAGE_ABSENT. */
enum mm_error mm_release_kept(const struct mm_appliance *appliance,
    const struct mm_image_entry *entry, struct mm_buffer *out) mm_must_use;

/* It was written down: the appliance may forget it. */
enum mm_error mm_release_kept_done(const struct mm_appliance *appliance,
    const struct mm_image_entry *entry) mm_must_use;

#endif
