#include "protocol/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct mm_span
mm_span(const void *data, size_t size)
{
	return (struct mm_span){data, size};
}

struct mm_span
mm_span_text(const char *text)
{
	return mm_span(text, text != NULL ? strlen(text) : 0);
}

bool
mm_span_equal(struct mm_span a, struct mm_span b)
{
	return a.size == b.size &&
	       (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool
mm_span_is(struct mm_span a, const char *text)
{
	return mm_span_equal(a, mm_span_text(text));
}

int
mm_span_compare(struct mm_span a, struct mm_span b)
{
	size_t shorter = a.size < b.size ? a.size : b.size;
	int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

const char *
mm_span_string(struct mm_span a, char *out, size_t size)
{
	size_t length = a.size < size ? a.size : size - 1;

	if (length > 0)
		memcpy(out, a.data, length);
	out[length] = '\0';
	return out;
}

void
mm_buffer_init(struct mm_buffer *buffer, size_t max)
{
	*buffer = (struct mm_buffer){.max = max};
}

struct mm_buffer
mm_buffer_over(void *memory, size_t size)
{
	return (struct mm_buffer){
	    .data = memory, .capacity = size, .max = size};
}

void
mm_buffer_clear(struct mm_buffer *buffer)
{
	if (buffer == NULL)
		return;
	free(buffer->data);
	mm_buffer_init(buffer, buffer->max);
}

void
mm_buffer_reset(struct mm_buffer *buffer)
{
	buffer->size = 0;
	buffer->error = MM_OK;
}

uint8_t *
mm_buffer_grow(struct mm_buffer *buffer, size_t size)
{
	uint8_t *place;

	if (buffer->error != MM_OK)
		return NULL;
	if (size > buffer->max - buffer->size) {
		buffer->error = MM_E_RANGE;
		return NULL;
	}
	if (size > buffer->capacity - buffer->size || buffer->data == NULL) {
		size_t wanted = buffer->size + size;
		size_t capacity = wanted > 128 ? wanted : 128;
		uint8_t *data;

		if (capacity < buffer->capacity * 2)
			capacity = buffer->capacity * 2;
		if (capacity > buffer->max)
			capacity = buffer->max > 0 ? buffer->max : 1;
		data = realloc(buffer->data, capacity);
		if (data == NULL) {
			buffer->error = MM_E_MEMORY;
			return NULL;
		}
		buffer->data = data;
		buffer->capacity = capacity;
	}
	place = buffer->data + buffer->size;
	buffer->size += size;
	return place;
}

void
mm_buffer_add(struct mm_buffer *buffer, const void *data, size_t size)
{
	uint8_t *place = mm_buffer_grow(buffer, size);

	if (place != NULL && size > 0)
		memcpy(place, data, size);
}

void
mm_buffer_add_text(struct mm_buffer *buffer, const char *text)
{
	mm_buffer_add(buffer, text, strlen(text));
}

void
mm_buffer_printf(struct mm_buffer *buffer, const char *format, ...)
{
	va_list arguments;
	uint8_t *place;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0) {
		buffer->error = MM_E_BUG;
		return;
	}
	/* One more for vsnprintf's NUL, which is not counted in. */
	place = mm_buffer_grow(buffer, (size_t)length + 1);
	if (place == NULL)
		return;
	va_start(arguments, format);
	vsnprintf((char *)place, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer->size--;
}

void
mm_buffer_drop(struct mm_buffer *buffer, size_t size)
{
	if (size >= buffer->size) {
		buffer->size = 0;
		return;
	}
	memmove(buffer->data, buffer->data + size, buffer->size - size);
	buffer->size -= size;
}

struct mm_span
mm_buffer_span(const struct mm_buffer *buffer)
{
	return mm_span(buffer->data, buffer->size);
}

struct block {
	struct block *next;
	max_align_t data[];
};

void
mm_arena_init(struct mm_arena *arena, size_t max)
{
	*arena = (struct mm_arena){.max = max};
}

void
mm_arena_clear(struct mm_arena *arena)
{
	struct block *next;

	for (struct block *b = arena->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	mm_arena_init(arena, arena->max);
}

void *
mm_arena_alloc(struct mm_arena *arena, size_t size)
{
	struct block *block;

	if (size > arena->max - arena->used)
		return NULL;
	block = calloc(1, sizeof(*block) + (size > 0 ? size : 1));
	if (block == NULL)
		return NULL;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->used += size;
	return block->data;
}

struct mm_span
mm_arena_copy(struct mm_arena *arena, struct mm_span span)
{
	uint8_t *copy = mm_arena_alloc(arena, span.size);

	if (copy == NULL)
		return mm_span(NULL, 0);
	if (span.size > 0)
		memcpy(copy, span.data, span.size);
	return mm_span(copy, span.size);
}
