/*
 * What notes are made of: key ids, signature lines, the split between text
 * and lines. The parts of log/note.h; for its own files alone.
 */
#ifndef MM_LINE_H
#define MM_LINE_H

#include "log/note.h"

enum {
	MM_LINE_ID = 4,
	MM_LINE_SIGNATURE = 64,                     /* of a log */
	MM_LINE_COSIGNATURE = 8 + MM_LINE_SIGNATURE /* time and signature */
};

/* Canonical base64 of at most `max` bytes; see mm_base64_read(). */
bool
mm_base64_decode(struct mm_span text, uint8_t *out, size_t max, size_t *size);

/* The text before the first `end`, which is taken away; false without one. */
bool mm_take_until(struct mm_span *text, char end, struct mm_span *out);

/* One signature line: U+2014, a name, base64 of key id and signature. */
struct mm_line {
	struct mm_span text; /* with its newline */
	struct mm_span name;
	uint8_t id[MM_LINE_ID];
	/* What a known type's signature is; longer ones only have a size. */
	uint8_t signature[MM_LINE_COSIGNATURE];
	size_t size;
};

/*
 * The note as text, which keeps its last newline, and lines; UTF-8, no
 * control characters, at most 64 KiB. MM_E_NOTE.
 */
enum mm_error mm_note_split(struct mm_span note, struct mm_span *text,
    struct mm_span *lines) mm_must_use;
/* Takes the next line; MM_E_NOTE where it is none. */
enum mm_error
mm_line_next(struct mm_span *lines, struct mm_line *out) mm_must_use;
bool mm_line_is_by(const struct mm_line *line, const struct mm_vkey *vkey);
void mm_line_write(const struct mm_vkey *vkey, struct mm_span signature,
    struct mm_buffer *out);

#endif
