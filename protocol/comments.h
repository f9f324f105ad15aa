/*
 * Comments of a text that people write, taken out before libConfuse reads it:
 * that counts the end of a comment's line three times, and who is told the
 * wrong line looks for a fault where there is none.
 */
#ifndef MM_COMMENTS_H
#define MM_COMMENTS_H

#include "protocol/bytes.h"

/* Appends `text` with blanks in the place of its comments: from # to the
 * line's end, from a // that begins a line to its end, and from a slash and
 * star that begin a line to the next star and slash. Lines stay lines; what
 * stands in quotes stays. */
void mm_comments_blank(struct mm_span text, struct mm_buffer *out);

#endif
