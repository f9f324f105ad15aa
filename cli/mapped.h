/*
 * A file's bytes without reading them all into memory: a firmware image that
 * is looked at once, from its beginning to its end.
 */
#ifndef MM_MAPPED_H
#define MM_MAPPED_H

#include "cli/command.h"

struct mm_mapped {
	struct mm_span bytes;
	void *map; /* NULL: `read` has them */
	struct mm_buffer read;
};

/*
 * Maps a regular file; whatever else it is, and stdin for "-", is read. A file
 * that somebody cuts short meanwhile ends the process: what must not be
 * surprised so reads (mm_input). To be cleared in any case. MM_E_FILE;
 * MM_E_FORMAT where it is empty or has more than `max` bytes.
 */
enum mm_error
mm_mapped_open(const char *path, size_t max, struct mm_mapped *out) mm_must_use;
void mm_mapped_clear(struct mm_mapped *mapped);

#endif
