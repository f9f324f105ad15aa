/*
 * A ceremony in words, the same on a screen before it is signed and on the
 * paper that people sign afterwards. Everything here appends lines.
 */
#ifndef MM_CEREMONY_TEXT_H
#define MM_CEREMONY_TEXT_H

#include "policy/document.h"

enum { MM_CEREMONY_TEXT_MAX = 1 << 20 };

/* The log, when it was stated and until when it can be used. */
void
mm_ceremony_text_frame(struct mm_buffer *out, const struct mm_claim *claim);
/* Number, SHA-256, officers with their keys, thresholds. */
void mm_ceremony_text_policy(struct mm_buffer *out, struct mm_span document,
    const struct mm_policy *policy);
/* All that the claim says, notes last. */
void mm_ceremony_text_claim(
    struct mm_buffer *out, const struct mm_ceremony_claim *claim);
void mm_ceremony_text_principal(
    struct mm_buffer *out, const struct mm_principal_claim *claim);
/* SHA-256 of the payload: what the officers have to compare. */
void mm_ceremony_text_digest(struct mm_buffer *out, struct mm_span payload);

/* Parts for others. */
void mm_text_hex(struct mm_buffer *out, const uint8_t *bytes, size_t size);
void mm_text_title(struct mm_buffer *out, const char *title);

#endif
