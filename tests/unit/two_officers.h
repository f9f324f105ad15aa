/*
 * A mint whose policy wants two officers for everything: what both state, or
 * one of them, and what the authority says to it.
 */
#ifndef MM_TEST_TWO_OFFICERS_H
#define MM_TEST_TWO_OFFICERS_H

#include "tests/unit/authority_box.h"

/* A policy that wants two officers for each kind. */
static inline int
make_strict_world(void **unused)
{
	mint_threshold = 2;
	return make_world(unused);
}

/* By both officers; one of them: only(). */
static inline struct mm_list
both(uint64_t kind, const void *body)
{
	return state((struct says){.kind = kind,
	    .body = body,
	    .by = &mint.ada,
	    .and_by = &mint.bob,
	    .time = box.moment,
	    .expiry = box.moment + DAY});
}

static inline struct mm_list
only(struct mm_list statements, size_t which)
{
	return (struct mm_list){
	    mm_list_at(statements, struct mm_bytes_item, which), 1};
}

static inline void
bring_with(uint8_t id, struct mm_list statements, struct mm_span spki)
{
	struct mm_statement_ask stating = {
	    .statements = statements, .spki = spki};

	ask(box.officer_key, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape,
	    &stating);
}

static inline void
bring(uint8_t id, struct mm_list statements)
{
	bring_with(id, statements, mm_span(NULL, 0));
}

static inline void
in_force(uint8_t id, struct mm_list statements)
{
	bring(id, statements);
	assert_int_equal(await_stated(id).missing, 0);
}

#endif
