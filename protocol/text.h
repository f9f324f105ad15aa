/*
 * Text that may hold anything, made fit to be shown: in a line of the
 * journal, in the text of an error; and what it is.
 */
#ifndef MM_TEXT_H
#define MM_TEXT_H

#include "protocol/bytes.h"

/*
 * Copies what mm_text_ok() of cbor.h lets pass and puts `?` in the place of
 * every other byte. Writes at most size - 1 bytes, never a part of a
 * character, and a NUL; returns the length without it.
 */
size_t mm_text_clean(struct mm_span text, char *out, size_t size);

/* Whether the text is this word of ASCII letters, capitals or not. */
bool mm_text_is_word(struct mm_span text, const char *word);

/* No byte of 0x80 or above: libsodium 1.0.18 decodes those as base64. */
bool mm_text_is_ascii(struct mm_span text);

#endif
