/*
 * Bytes: a span looks at somebody else's, a buffer owns its own and is born
 * with a maximum, an arena owns what a decoded message points to.
 */
#ifndef MM_BYTES_H
#define MM_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

#define MM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes that live elsewhere; valid as long as their owner. */
struct mm_span {
	const uint8_t *data;
	size_t size;
};

struct mm_span mm_span(const void *data, size_t size);
/* The characters of a string, its NUL left out. */
struct mm_span mm_span_text(const char *text);
bool mm_span_equal(struct mm_span a, struct mm_span b);
bool mm_span_is(struct mm_span a, const char *text);
/* Shorter first by content, as memcmp and then by length; for sorting. */
int mm_span_compare(struct mm_span a, struct mm_span b);
/*
 * The span as a C string in `out`, NUL-ended and cut to fit; for printing
 * and for names that were checked before.
 */
const char *mm_span_string(struct mm_span a, char *out, size_t size);

/* For printf: "%.*s", MM_SPAN(span) */
#define MM_SPAN(span) (int)(span).size, (const char *)(span).data

/* Some things in a row, in an arena or elsewhere. */
struct mm_list {
	const void *items;
	size_t count;
};

/*
 * A growing buffer with a maximum. Appending past it, or without memory,
 * sets `error` and changes nothing any more; ask once, at the end.
 */
struct mm_buffer {
	uint8_t *data;
	size_t size, capacity, max;
	enum mm_error error;
};

void mm_buffer_init(struct mm_buffer *buffer, size_t max);
/* One that fills memory of the caller's and never moves: more than fits is
 * MM_E_RANGE. It is not cleared. */
struct mm_buffer mm_buffer_over(void *memory, size_t size);
/* Frees the bytes; the buffer may be used again. NULL is accepted. */
void mm_buffer_clear(struct mm_buffer *buffer);
/* Empties it and keeps the memory. */
void mm_buffer_reset(struct mm_buffer *buffer);
void mm_buffer_add(struct mm_buffer *buffer, const void *data, size_t size);
void mm_buffer_add_text(struct mm_buffer *buffer, const char *text);
void mm_buffer_printf(struct mm_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for `size` more bytes at the end, counted in; NULL where it fails. */
uint8_t *mm_buffer_grow(struct mm_buffer *buffer, size_t size);
/* Takes `size` bytes away at the front. */
void mm_buffer_drop(struct mm_buffer *buffer, size_t size);
struct mm_span mm_buffer_span(const struct mm_buffer *buffer);

/* Memory for one message's decoded form; freed all at once. */
struct mm_arena {
	void *blocks;
	size_t used, max;
};

void mm_arena_init(struct mm_arena *arena, size_t max);
void mm_arena_clear(struct mm_arena *arena);
/* Zeroed and aligned for anything, or NULL: over the maximum, no memory. */
void *mm_arena_alloc(struct mm_arena *arena, size_t size);
/* A copy that lives as long as the arena; data is NULL where it fails. */
struct mm_span mm_arena_copy(struct mm_arena *arena, struct mm_span span);

/*
 * Reads a whole regular file of at most `max` bytes. The caller clears
 * `out`, which must be initialised or cleared.
 */
enum mm_error
mm_file_read(const char *path, size_t max, struct mm_buffer *out) mm_must_use;
/* The same; a file that is too large is no such thing: `what`. */
enum mm_error mm_file_read_as(enum mm_error what, const char *path, size_t max,
    struct mm_buffer *out) mm_must_use;
/*
 * Writes a file atomically: temporary beside it, fsync, rename. An existing
 * file is kept (MM_E_EXISTS) unless `force`.
 */
enum mm_error mm_file_write(const char *path, struct mm_span bytes,
    unsigned mode, bool force) mm_must_use;

#endif
