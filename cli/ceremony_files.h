/*
 * What a ceremony made, as files: KEY.pem, KEY.csr, proof-CODE.pem, and
 * log.vkey, in one directory.
 */
#ifndef MM_CEREMONY_FILES_H
#define MM_CEREMONY_FILES_H

#include <limits.h>

#include "cli/ceremony_story.h"

/* DIRECTORY/BEFORE NAME AFTER; what cannot be in a file's name is `_`. */
enum mm_error mm_ceremony_file_name(const char *directory, const char *before,
    struct mm_span name, const char *after, char out[PATH_MAX]) mm_must_use;

/* Writes them into a directory that is there; files are kept: MM_E_EXISTS. */
enum mm_error mm_ceremony_files_write(const struct mm_ceremony_story *story,
    const struct mm_vkey *vkey, const char *directory) mm_must_use;

#endif
