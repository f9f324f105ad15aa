/*
 * Frames: a 4-byte big-endian length, then one CBOR item. A length of zero
 * or over the limit is refused from the header alone.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "protocol/bytes.h"

enum { MM_FRAME_HEADER = 4 };

/*
 * Looks at the start of a stream: the frame's item in `item` once it is
 * whole (then MM_FRAME_HEADER + item->size bytes are used up), else an empty
 * one and MM_OK. MM_E_FRAME where framing is lost.
 */
enum mm_error mm_frame_next(
    struct mm_span stream, size_t max, struct mm_span *item) mm_must_use;

/* Appends header and item. */
void mm_frame_put(struct mm_span item, struct mm_buffer *out);

#endif
