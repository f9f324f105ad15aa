/*
 * A tlog-tiles directory, read: checkpoint, entries, tiles, blobs. Only the
 * checkpoint's signature is verified here; all else is as the files have it,
 * until somebody holds it against the checkpoint's root.
 */
#ifndef MM_READER_H
#define MM_READER_H

#include "log/entry.h"
#include "log/note.h"
#include "log/tile.h"

struct mm_log_reader;

/* MM_E_FILE, and the errors of mm_checkpoint_open(). */
enum mm_error mm_log_open(const char *directory, const struct mm_vkey *vkey,
    struct mm_log_reader **out) mm_must_use;
void mm_log_close(struct mm_log_reader *reader);

const struct mm_checkpoint *
mm_log_checkpoint(const struct mm_log_reader *reader);
/* The checkpoint's note, byte for byte; it lives as long as the reader. */
struct mm_span mm_log_note(const struct mm_log_reader *reader);

/*
 * Each bundle is read once where indexes ascend. Valid until the next call;
 * MM_E_NOT_FOUND past the end, MM_E_BUNDLE, MM_E_FILE.
 */
enum mm_error mm_log_entry(struct mm_log_reader *reader, uint64_t index,
    struct mm_span *out) mm_must_use;

/*
 * The hashes as the tiles have them: what is proven by them leads to the
 * checkpoint's root, or they are wrong. MM_E_TILE names the file. It lives
 * as long as the reader.
 */
struct mm_tree mm_log_tree(struct mm_log_reader *reader);

/* Appends a blob, whose size and hash are checked: MM_E_BLOB. */
enum mm_error mm_log_blob(struct mm_log_reader *reader,
    const struct mm_blob *blob, struct mm_buffer *out) mm_must_use;

/* Appends the note `cosigned` as the file has it; MM_E_NOT_FOUND where there
 * is none. */
enum mm_error mm_log_cosigned(
    struct mm_log_reader *reader, struct mm_buffer *out) mm_must_use;

#endif
