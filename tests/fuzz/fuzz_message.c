/*
 * What a client can send: a stream of frames, each an envelope with a body of
 * its type's shape. What passes must be the one encoding of its meaning. The
 * same bytes then as a packet between processes.
 */
#include <stdlib.h>

#include "protocol/channel.h"
#include "protocol/frame.h"
#include "protocol/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_again(
    const struct mm_shape *shape, const void *value, struct mm_span bytes)
{
	mm_auto(buffer) again = {0};

	mm_buffer_init(&again, MM_CHANNEL_MAX);
	if (mm_shape_encode(shape, value, &again) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&again), bytes))
		abort();
}

static void
try_shape(const struct mm_shape *shape, struct mm_span bytes)
{
	mm_auto(arena) arena = {0};
	void *value;

	mm_arena_init(&arena, 1 << 20);
	value = mm_arena_alloc(&arena, shape->size);
	if (value != NULL &&
	    mm_shape_decode(shape, bytes, &arena, value) == MM_OK)
		same_again(shape, value, bytes);
}

static void
try_envelope(struct mm_span item)
{
	const struct mm_message_type_row *row;
	struct mm_envelope envelope;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 1 << 16);
	if (mm_shape_decode(&mm_envelope_shape, item, &arena, &envelope) !=
	    MM_OK)
		return;
	same_again(&mm_envelope_shape, &envelope, item);
	row = mm_message_row(envelope.type);
	if (envelope.type == MM_MESSAGE_ERROR)
		try_shape(&mm_error_answer_shape, envelope.body);
	if (row == NULL)
		return;
	try_shape(row->request, envelope.body);
	try_shape(row->answer, envelope.body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span stream = mm_span(data, size);
	struct mm_span item;

	while (mm_frame_next(stream, MM_FRAME_MAX, &item) == MM_OK &&
	       item.size > 0) {
		try_envelope(item);
		stream.data += MM_FRAME_HEADER + item.size;
		stream.size -= MM_FRAME_HEADER + item.size;
	}
	try_shape(&mm_packet_shape, mm_span(data, size));
	return 0;
}
