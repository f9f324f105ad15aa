/*
 * A ceremony that is in the log is carried out, one thing after the other:
 * the token makes its keys, their entries follow, then its certificates, its
 * CSRs, and what is retired. What is done is seen in the index, so that it
 * goes on after a crash where it stood; until the statement ends.
 */
#include "server/carrying_parts.h"
#include "server/issuers.h"

#include "protocol/journal.h"

enum { ATTEMPTS = 3 /* until the next start */ };

bool
mm_ceremony_due(const struct mm_authority *a)
{
	return a->carrying.look && a->followed && !a->stopping &&
	       a->carrying.generating == 0;
}

void
mm_ceremony_look(struct mm_authority *a)
{
	a->carrying.look = true;
}

void
mm_ceremony_settled(struct mm_authority *a, uint64_t index)
{
	if (index == a->carrying.item)
		a->carrying.look = true;
}

enum mm_error
mm_ceremony_stored(struct mm_authority *a, uint64_t kind)
{
	if (kind != MM_ENTRY_CEREMONY && kind != MM_ENTRY_KEY &&
	    kind != MM_ENTRY_IMPORT)
		return MM_OK;
	a->carrying.look = true;
	return kind == MM_ENTRY_CEREMONY ? MM_OK : mm_issuers_load(a);
}

void
mm_act_forget_keys(struct mm_carrying *c)
{
	mm_arena_clear(&c->arena);
	c->keys = (struct mm_list){NULL, 0};
	c->generating = 0;
	c->deadline = 0;
}

void
mm_ceremony_clear(struct mm_authority *a)
{
	mm_act_forget_keys(&a->carrying);
}

/* Done, or as far as it will get in this life: the next one, if any. */
static void
leave(struct mm_authority *a)
{
	struct mm_carrying *c = &a->carrying;

	mm_act_forget_keys(c);
	c->from = c->index + 1;
	c->index = 0;
	c->item = 0;
	c->begun = false;
	c->failures = 0;
	c->look = true;
}

/* One thing failed: it is tried again, but not for ever. */
void
mm_act_fail(struct mm_authority *a, enum mm_error error)
{
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "the ceremony of entry %llu: %s",
	    (unsigned long long)a->carrying.index, mm_why(error));
	if (++a->carrying.failures >= ATTEMPTS)
		leave(a);
	else
		a->carrying.look = true;
}

/* One that dies of its work, or hangs over it, is not asked for ever. */
void
mm_ceremony_token_lost(struct mm_authority *a)
{
	struct mm_carrying *c = &a->carrying;

	if (c->generating == 0)
		return;
	c->generating = 0;
	c->deadline = 0;
	mm_act_fail(a, mm_fail(MM_E_TOKEN_UNAVAILABLE,
			   "the token has gone while it made keys"));
}

/* --- which one --- */

static enum mm_error
open_act(struct mm_act *act)
{
	struct mm_statement_entry body;
	struct mm_statement statement;
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error =
	    mm_index_reference(act->a->index, act->index, &act->arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_CEREMONY, &act->arena, &frame, &body);
	if (error == MM_OK)
		error = mm_statement_decode(
		    mm_list_at(body.statements, struct mm_bytes_item, 0)->value,
		    &statement);
	if (error == MM_OK)
		error = mm_shape_decode(&mm_claim_shape, statement.payload,
		    &act->arena, &act->claim);
	if (error == MM_OK)
		error = mm_shape_decode(&mm_ceremony_claim_shape,
		    act->claim.body, &act->arena, &act->ceremony);
	return error;
}

static enum mm_error
is_ceremony(struct mm_authority *a, uint64_t index, bool *out)
{
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	struct mm_span bytes;
	enum mm_error error;

	mm_arena_init(&arena, MM_POLICY_ARENA);
	error = mm_index_reference(a->index, index, &arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &frame);
	*out = error == MM_OK && frame.kind == MM_ENTRY_CEREMONY;
	return error;
}

/* The first ceremony that was not looked at in this life, in the open batch
 * too; 0: none. */
static enum mm_error
find_next(struct mm_authority *a, uint64_t *out)
{
	uint64_t from = a->carrying.from;
	mm_auto(arena) arena = {0};
	struct mm_list list;

	*out = 0;
	for (;;) {
		bool found = false;
		uint64_t index;
		enum mm_error error;

		mm_arena_clear(&arena);
		mm_arena_init(&arena, 4096);
		error = mm_index_followed(a->index, from, 1, &arena, &list);
		if (error != MM_OK || list.count == 0)
			return error;
		index = mm_list_at(list, struct mm_uint_item, 0)->value;
		error = is_ceremony(a, index, &found);
		if (error != MM_OK || found) {
			*out = found ? index : 0;
			return error;
		}
		from = index + 1;
		/* What the open batch has may never be stored. */
		if (index < a->size)
			a->carrying.from = from;
	}
}

enum mm_error
mm_carrying_busy(struct mm_authority *a, bool *out)
{
	uint64_t next = a->carrying.index;
	enum mm_error error = next == 0 ? find_next(a, &next) : MM_OK;

	*out = next != 0;
	return error;
}

/* Nothing of it is begun when its statement has ended. */
enum mm_error
mm_act_begin(struct mm_act *act, bool *begun)
{
	*begun = true;
	if (act->a->batch.now > act->claim.expiry)
		return mm_fail(MM_E_STATEMENT_TIME,
		    "its statement has expired before all of it was done");
	act->a->carrying.begun = true;
	return MM_OK;
}

/* --- the whole --- */

static enum mm_error (*const steps[])(struct mm_act *, bool *) = {
    mm_act_make_keys, mm_act_sign_next, mm_act_retire};

static enum mm_error
go_on(struct mm_act *act)
{
	enum mm_error error = open_act(act);
	bool begun = false;

	for (size_t i = 0; i < MM_COUNT(steps) && error == MM_OK; i++) {
		error = steps[i](act, &begun);
		if (begun)
			return error;
	}
	if (error != MM_OK)
		return error;
	/* Every start finds those of before as they are. */
	if (act->a->carrying.begun)
		mm_journal(MM_LEVEL_NOTICE, "ceremony",
		    "the ceremony of entry %llu is carried out",
		    (unsigned long long)act->index);
	leave(act->a);
	return MM_OK;
}

static enum mm_error
step(struct mm_authority *a)
{
	struct mm_act act = {.a = a};
	enum mm_error error = MM_OK;

	a->carrying.look = false;
	if (a->carrying.index == 0)
		error = find_next(a, &a->carrying.index);
	if (a->carrying.index >= a->size)
		a->carrying.index = 0;
	if (error != MM_OK || a->carrying.index == 0)
		return error;
	act.index = a->carrying.index;
	mm_arena_init(&act.arena, MM_POLICY_ARENA);
	error = go_on(&act);
	mm_arena_clear(&act.arena);
	return error;
}

/* Ends of the process are left to what is not the ceremony's own fault. */
enum mm_error
mm_ceremony_add(struct mm_authority *a)
{
	if (a->batch.clock != MM_OK)
		return MM_OK;
	while (mm_ceremony_due(a)) {
		enum mm_error error = step(a);

		if (error == MM_E_MEMORY || error == MM_E_STORE ||
		    (error != MM_OK && a->carrying.index == 0))
			return error;
		if (error == MM_E_BUSY) {
			a->carrying.look = true;
			return MM_OK;
		}
		if (error == MM_E_STATEMENT_TIME)
			a->carrying.failures = ATTEMPTS;
		if (error != MM_OK)
			mm_act_fail(a, error);
	}
	return MM_OK;
}
