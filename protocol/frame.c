#include "protocol/frame.h"

static size_t
length_of(const uint8_t header[MM_FRAME_HEADER])
{
	return (size_t)header[0] << 24 | (size_t)header[1] << 16 |
	       (size_t)header[2] << 8 | (size_t)header[3];
}

enum mm_error
mm_frame_next(struct mm_span stream, size_t max, struct mm_span *item)
{
	size_t length;

	*item = mm_span(NULL, 0);
	if (stream.size < MM_FRAME_HEADER)
		return MM_OK;
	length = length_of(stream.data);
	if (length == 0 || length > max)
		return mm_fail(MM_E_FRAME,
		    "the frame's length is %zu; 1 to %zu are allowed", length,
		    max);
	if (length <= stream.size - MM_FRAME_HEADER)
		*item = mm_span(stream.data + MM_FRAME_HEADER, length);
	return MM_OK;
}

void
mm_frame_put(struct mm_span item, struct mm_buffer *out)
{
	uint8_t *place;

	if (item.size == 0 || item.size > UINT32_MAX) {
		out->error = MM_E_FRAME;
		return;
	}
	place = mm_buffer_grow(out, MM_FRAME_HEADER);
	if (place == NULL)
		return;
	for (size_t i = 0; i < MM_FRAME_HEADER; i++)
		place[i] = (uint8_t)(item.size >> (24 - 8 * i));
	mm_buffer_add(out, item.data, item.size);
}
