/*
 * A shape says in a table how a C struct stands in CBOR: a map with small
 * integer keys. One engine decodes, encodes and names every message, log
 * entry, statement and policy document from these tables, so that each
 * arrives checked to the ground or not at all.
 *
 * Absence: an optional field that is absent leaves its member zero or empty,
 * and a zero or empty optional member is not written. The explicit zero or
 * empty form is refused, so that one meaning has one encoding.
 */
#ifndef MM_SHAPE_H
#define MM_SHAPE_H

#include "protocol/cbor.h"

enum mm_field_type {
	MM_UINT,   /* uint64_t; min and max bound the value */
	MM_BOOL,   /* bool */
	MM_BYTES,  /* struct mm_span; min and max bound the length */
	MM_TEXT,   /* struct mm_span; UTF-8 without control characters */
	MM_FIXED,  /* uint8_t[max], exactly so long */
	MM_STRUCT, /* the struct of the shape `of`, in place */
	MM_ITEM,   /* struct mm_span: one CBOR item, checked but undecoded */
	MM_LIST    /* struct mm_list of the shape `of`; min and max count */
};

struct mm_shape;

struct mm_field {
	const char *name;
	uint8_t key; /* 0 to 23, ascending in the table */
	uint8_t type;
	bool optional;
	size_t offset, size; /* of the member */
	uint64_t min, max;
	const struct mm_shape *of;
};

struct mm_shape {
	const char *name;
	size_t size; /* of the struct */
	const struct mm_field *fields;
	size_t count;
	/* The single field's item stands by itself, not in a map. */
	bool bare;
};

/* Rows of a table of fields; S is the struct's tag. */
#define MM_FIELD(S, k, member, t, lo, hi) \
	{ \
#member, k, t, false, offsetof(struct S, member), \
		    sizeof(((struct S *)0)->member), lo, hi, NULL \
	}
#define MM_OPTIONAL(S, k, member, t, lo, hi) \
	{ \
#member, k, t, true, offsetof(struct S, member), \
		    sizeof(((struct S *)0)->member), lo, hi, NULL \
	}
#define MM_NESTED(S, k, member, shape) \
	{ \
#member, k, MM_STRUCT, false, offsetof(struct S, member), \
		    sizeof(((struct S *)0)->member), 0, 0, shape \
	}
#define MM_MANY(S, k, member, shape, lo, hi) \
	{ \
#member, k, MM_LIST, false, offsetof(struct S, member), \
		    sizeof(((struct S *)0)->member), lo, hi, shape \
	}
/* An optional list: absent and empty are the same. */
#define MM_ANY(S, k, member, shape, hi) \
	{ \
#member, k, MM_LIST, true, offsetof(struct S, member), \
		    sizeof(((struct S *)0)->member), 0, hi, shape \
	}

#define MM_SHAPE(identifier, S, table) \
	const struct mm_shape identifier = { \
	    #S, sizeof(struct S), table, MM_COUNT(table), false}
#define MM_BARE_SHAPE(identifier, S, table) \
	const struct mm_shape identifier = { \
	    #S, sizeof(struct S), table, MM_COUNT(table), true}

/* Elements of lists that are not maps. */
struct mm_hash_item {
	uint8_t value[32];
};
struct mm_uint_item {
	uint64_t value;
};
struct mm_bytes_item {
	struct mm_span value;
};
struct mm_text_item {
	struct mm_span value;
};
extern const struct mm_shape mm_hash_item_shape; /* exactly 32 bytes */
extern const struct mm_shape mm_uint_item_shape;
extern const struct mm_shape mm_bytes_item_shape; /* 1 to 65,535 bytes */
extern const struct mm_shape mm_text_item_shape;  /* 1 to 255 bytes */
/* Whether one of the texts (mm_text_item) is this one. */
bool mm_texts_hold(const struct mm_list *texts, struct mm_span wanted);

/* A shape without fields, for messages that say all by their type. */
struct mm_nothing {
	char unused;
};
extern const struct mm_shape mm_nothing_shape;

/*
 * Decodes exactly one item. Spans in `out` point into `in`, lists into
 * `arena`. On failure `out` is untouched and mm_why() names the field.
 */
enum mm_error mm_shape_decode(const struct mm_shape *shape, struct mm_span in,
    struct mm_arena *arena, void *out) mm_must_use;

/* Appends the encoding; a value outside its bounds is MM_E_RANGE. */
enum mm_error mm_shape_encode(const struct mm_shape *shape, const void *in,
    struct mm_buffer *out) mm_must_use;

/* The item at `i` of a list of a shape's structs. */
#define mm_list_at(list, type, i) (&((const type *)(list).items)[i])

/* for (mm_list_each(const struct x, item, list)) ... */
#define mm_list_each(type, item, list) \
	type *item = (list).items; \
	item != NULL &&item < (type *)(list).items + (list).count; \
	item++

#endif
