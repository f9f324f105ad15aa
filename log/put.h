/*
 * Files of the tlog-tiles directory, written atomically and durably: under
 * one name for all that are not finished, flushed, renamed, and the directory
 * flushed. Nothing is left behind but that one name.
 */
#ifndef MM_PUT_H
#define MM_PUT_H

#include <limits.h>

#include "protocol/bytes.h"

/* What was there before. */
enum mm_put_found { MM_PUT_SAME, MM_PUT_MISSING, MM_PUT_DIFFERENT };

/*
 * Makes sure that the file `name` in the directory has these bytes, and makes
 * the directories on its way. MM_E_DISK_FULL, MM_E_FILE.
 */
enum mm_error mm_put_file(const char *directory, const char *name,
    struct mm_span bytes, enum mm_put_found *found) mm_must_use;

/* The same piece by piece: begun, added to, finished. */
struct mm_put {
	char path[PATH_MAX], fresh[PATH_MAX];
	size_t root; /* length of the directory's path */
	int fd;      /* -1: none */
};
enum mm_error mm_put_begin(
    const char *directory, const char *name, struct mm_put *out) mm_must_use;
enum mm_error mm_put_add(struct mm_put *put, struct mm_span bytes) mm_must_use;
enum mm_error mm_put_finish(struct mm_put *put) mm_must_use;
/* Leaves an unfinished file to be overwritten. For `{.fd = -1}`, too. */
void mm_put_clear(struct mm_put *put);

/* The path of a file in the directory; MM_E_FILE where it is too long. */
enum mm_error mm_put_path(
    const char *directory, const char *name, char out[PATH_MAX]) mm_must_use;

#endif
