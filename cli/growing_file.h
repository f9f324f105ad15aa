/*
 * A result that is too long for memory: written into a file beside its place,
 * hashed on the way, and there under its name when it is whole and durable,
 * or not at all.
 */
#ifndef MM_GROWING_FILE_H
#define MM_GROWING_FILE_H

#include <limits.h>
#include <stdio.h>

#include "protocol/bytes.h"

struct mm_growing_file {
	FILE *out;
	char path[PATH_MAX], growing[PATH_MAX];
};

enum mm_error mm_growing_file_open(
    struct mm_growing_file *file, const char *path) mm_must_use;
/* All that was written is on the disk: its SHA-256 and size. */
enum mm_error mm_growing_file_end(struct mm_growing_file *file,
    uint8_t sha256[32], uint64_t *size) mm_must_use;
/* And under its name. What is there is kept, unless `force`: MM_E_EXISTS. */
enum mm_error
mm_growing_file_commit(struct mm_growing_file *file, bool force) mm_must_use;
/* Removes what was not committed. */
void mm_growing_file_clear(struct mm_growing_file *file);

#endif
