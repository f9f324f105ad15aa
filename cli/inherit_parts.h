/*
 * Inside cli/ceremony_inherit: what is known of the old log while it is being
 * gathered. inherit_entries.c takes entries in, inherit_settle.c says what
 * they come to, ceremony_inherit.c brings both what they read.
 */
#ifndef MM_INHERIT_PARTS_H
#define MM_INHERIT_PARTS_H

#include "cli/ceremony_inherit.h"
#include "cli/policy_at.h"
#include "log/inheritance.h"

enum {
	/* RFC 5280 5.3.1 */
	MM_HEIR_SUPERSEDED = 4,
	MM_HEIR_HOLD = 6,
	MM_HEIR_REMOVED = 8
};

/* One thing of the old log, as far as it is read. */
struct mm_heir_thing {
	struct mm_inherited item;
	uint64_t index; /* of its entry; what was inherited has its blob's */
	bool device;    /* else it counts only where it is revoked */
	bool gone;      /* void: it was never signed */
};

struct mm_heir_revocation {
	struct mm_span serial;
	uint64_t reason, time;
	size_t place; /* they were said one after the other */
};

/* A certificate that makes another void as soon as it is signed. */
struct mm_heir_replacing {
	uint64_t index;
	struct mm_span serial; /* of the other */
	uint64_t time;
	bool done;
};

struct mm_heir_order {
	uint64_t index; /* of an entry of an order */
	struct mm_span name;
};

struct mm_heir_rows {
	void *items;
	size_t count, room;
};

struct mm_inheritance {
	struct mm_arena arena;
	struct mm_checkpoint newest;
	uint64_t copied; /* entries of the copy */
	struct mm_policy_at policy;
	struct mm_heir_rows things; /* mm_heir_thing, by index */
	size_t copied_things; /* the rest came with receipts, in any order */
	struct mm_heir_rows revocations; /* mm_heir_revocation */
	struct mm_heir_rows
	    replacings; /* mm_heir_replacing, by index in the copy */
	struct mm_heir_rows orders; /* mm_heir_order, by index */
	struct mm_heir_rows keys;   /* mm_hash_item */
	struct mm_heir_rows late; /* uint64_t: entries that receipts brought */
	struct mm_span *items;    /* encoded, ascending */
	size_t item_count;
};

/* A zeroed row at the end, or NULL without memory. */
void *mm_heir_row(struct mm_heir_rows *rows, size_t size);
/* A copy of the span in the arena, in its place. MM_E_MEMORY. */
enum mm_error
mm_heir_keep(struct mm_inheritance *i, struct mm_span *span) mm_must_use;
enum mm_error mm_heir_no_memory(void);
enum mm_error mm_heir_revoke(struct mm_inheritance *i, struct mm_span serial,
    uint64_t reason, uint64_t time) mm_must_use;

/* Takes an entry in; `source` has the blobs that it names. */
enum mm_error mm_heir_take(struct mm_inheritance *i, struct mm_source *source,
    uint64_t index, struct mm_span bytes) mm_must_use;

#endif
