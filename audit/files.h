/*
 * Inside audit: the files of a log's directory, one by one, whatever the
 * checkpoint says of them: their names and types, what is superseded (the
 * beginning of what came after), what is ahead (well formed), blobs.
 */
#ifndef MM_FILES_H
#define MM_FILES_H

#include "audit/blobs.h"
#include "audit/directory.h"
#include "log/reader.h"

/* A regular file is there under this name: MM_E_STRAY for another thing,
 * MM_E_FILE. */
enum mm_error
mm_files_plain(const char *directory, const char *name) mm_must_use;
/* Reads a note; `out` stays empty where there is none. */
enum mm_error mm_files_note(
    const char *directory, const char *name, struct mm_buffer *out) mm_must_use;

/* Appends the bytes of a blob: MM_E_BLOB where they are not there, or others
 * than its hash says. */
enum mm_error mm_files_blob(const char *directory, const struct mm_blob *blob,
    struct mm_buffer *out) mm_must_use;

/*
 * All files but those that the checkpoint's own tiles are read from: these
 * are for whoever reads the entries. Without `blobs` (NULL) what lies under
 * blob/ is not looked at. Counts files, bytes, what is ahead, and others at the
 * top.
 */
enum mm_error
mm_files_check(const char *directory, struct mm_log_reader *reader,
    struct mm_blobs *blobs, struct mm_directory_report *report) mm_must_use;

#endif
