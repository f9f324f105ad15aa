/*
 * What the token process follows: genesis, policies, ceremonies, keys,
 * imports, in the log's order. One that is new is led from the beginning,
 * with proofs from the archive, however many entries that are. One that
 * follows all gets what is new with the proofs of its own batch, behind
 * everything that it was asked to sign before: the channel keeps the order.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <string.h>

#include "protocol/journal.h"

enum {
	PATIENCE = 30, /* seconds a token may take to follow one entry */
	WINDOW = 32    /* entries that it has at a time */
};

static bool
is_followed(uint64_t kind)
{
	static const uint64_t kinds[] = {MM_ENTRY_GENESIS, MM_ENTRY_POLICY,
	    MM_ENTRY_CEREMONY, MM_ENTRY_KEY, MM_ENTRY_IMPORT};

	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i] == kind)
			return true;
	return false;
}

static size_t
in_flight(const struct mm_authority *a)
{
	size_t count = 0;

	for (const struct mm_follow_call *f = a->following; f != NULL;
	     f = f->next)
		count++;
	return count;
}

static void
forget_all(struct mm_authority *a)
{
	struct mm_follow_call *f;

	while ((f = a->following) != NULL) {
		a->following = f->next;
		free(f);
	}
	a->follow_deadline = 0;
}

static enum mm_error
kind_of(struct mm_span bytes, uint64_t *out)
{
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	enum mm_error error;

	mm_arena_init(&arena, MM_POLICY_ARENA);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error == MM_OK)
		*out = entry.kind;
	return error;
}

static enum mm_error
tell(struct mm_authority *a, const struct mm_token_follow_request *request,
    uint64_t kind)
{
	struct mm_follow_call *one = calloc(1, sizeof(*one));
	struct mm_follow_call **last = &a->following;

	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to follow an entry");
	*one = (struct mm_follow_call){
	    .id = ++a->calls, .index = request->entry.index, .kind = kind};
	while (*last != NULL)
		last = &(*last)->next;
	*last = one;
	a->follow_from = request->entry.index + 1;
	if (a->follow_deadline == 0)
		a->follow_deadline = ev_now(a->loop) + PATIENCE;
	return mm_link_send(a->token, MM_TOKEN_FOLLOW, one->id,
	    &mm_token_follow_request_shape, request, NULL);
}

/* --- a token that is new --- */

static void
proof_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_token_follow_request request;
	mm_auto(arena) arena = {0};
	uint64_t kind = 0;
	enum mm_error error;

	(void)job;
	a->follow_reading = false;
	if (a->follow_stale || a->token == NULL) {
		a->follow_stale = false;
		mm_follow_step(a);
		return;
	}
	mm_arena_init(&arena, MM_POLICY_ARENA);
	error = mm_shape_decode(&mm_archive_receipt_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK)
		error = kind_of(answer.entry, &kind);
	request.note = answer.note;
	request.entry =
	    (struct mm_proven){a->follow_index, answer.entry, answer.proof};
	if (error == MM_OK)
		error = tell(a, &request, kind);
	if (error != MM_OK && error != MM_E_AWAY)
		mm_authority_fail(a, error);
	else
		mm_follow_step(a);
}

/* The first one that the token was not told of, and that is stored. */
static enum mm_error
next_index(struct mm_authority *a, uint64_t *out)
{
	mm_auto(arena) arena = {0};
	struct mm_list list;
	enum mm_error error;

	mm_arena_init(&arena, 4096);
	error = mm_index_followed(a->index, a->follow_from, 1, &arena, &list);
	if (error != MM_OK)
		return error;
	/* What the open batch has is in the index too. */
	if (list.count == 0 ||
	    mm_list_at(list, struct mm_uint_item, 0)->value >= a->size)
		return MM_E_NOT_FOUND;
	*out = mm_list_at(list, struct mm_uint_item, 0)->value;
	return MM_OK;
}

static void
all_followed(struct mm_authority *a)
{
	mm_signing_pass_by(a);
	a->followed = true;
	mm_ceremony_look(a);
	mm_signing_token_up(a);
	mm_batch_step(a);
}

void
mm_follow_step(struct mm_authority *a)
{
	struct mm_archive_receipt_request request = {
	    .against = MM_AGAINST_NEWEST};
	enum mm_error error;

	if (a->token == NULL || !a->started || a->followed ||
	    a->follow_reading || a->archive == NULL || in_flight(a) >= WINDOW)
		return;
	error = next_index(a, &request.index);
	if (error == MM_E_NOT_FOUND) {
		if (a->following == NULL)
			all_followed(a);
		return;
	}
	a->follow_index = request.index;
	a->follow_reading = true;
	if (error == MM_OK)
		error = mm_reading_begin(a, MM_ARCHIVE_RECEIPT,
		    &mm_archive_receipt_request_shape, &request, NULL,
		    proof_read);
	/* Its end is closed: it is asked again when there is another. */
	if (error == MM_E_STARTING)
		a->follow_reading = false;
	else if (error != MM_OK)
		mm_authority_fail(a, error);
}

void
mm_follow_begin(struct mm_authority *a)
{
	mm_follow_lost(a);
	mm_follow_step(a);
}

/* --- one that follows all --- */

static enum mm_error
tell_line(struct mm_authority *a, const struct mm_notary_append_answer *answer,
    const struct mm_inclusion *inclusion, const struct mm_line *line)
{
	struct mm_token_follow_request request = {.note = answer->note,
	    .entry = {inclusion->index, mm_buffer_span(&line->entry),
		inclusion->proof}};
	enum mm_error error = tell(a, &request, line->kind);

	/* It has gone: the next one is led from the beginning. */
	return error == MM_E_AWAY ? MM_OK : error;
}

void
mm_follow_stored(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, size_t from, size_t to)
{
	const struct mm_line *lines = a->batch.lines;

	/* One that is still being led comes to them by itself. */
	if (a->token == NULL || !a->followed)
		return;
	for (size_t i = from; i < to; i++) {
		enum mm_error error;

		if (!is_followed(lines[i].kind))
			continue;
		error = tell_line(a, answer,
		    mm_list_at(answer->proofs, struct mm_inclusion, i),
		    &lines[i]);
		if (error != MM_OK) {
			mm_authority_fail(a, error);
			return;
		}
	}
}

/* --- answers --- */

/* A fault of the one process, which the next one may not have. */
static bool
is_passing(enum mm_error error)
{
	return error == MM_E_TOKEN || error == MM_E_TOKEN_SIGNATURE ||
	       mm_error_exit(error) == MM_EXIT_LATER;
}

/*
 * Nothing is signed under a policy that the token does not follow. What else
 * it refuses gives nobody any right: only what rests on that is not signed.
 */
static void
refused(struct mm_authority *a, const struct mm_follow_call *one,
    enum mm_error error)
{
	if (is_passing(error))
		mm_signing_kill(a);
	else if (one->kind == MM_ENTRY_GENESIS || one->kind == MM_ENTRY_POLICY)
		mm_authority_fail(a, error);
	else
		mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
		    "the token does not follow entry %llu: %s",
		    (unsigned long long)one->index, mm_why(error));
}

void
mm_follow_answered(struct mm_authority *a, struct mm_received *received)
{
	struct mm_follow_call *one = a->following;
	struct mm_follow_call told;

	/* In order: another id is of an answer that nobody waits for. */
	if (one == NULL || one->id != received->packet.id)
		return;
	told = *one;
	a->following = one->next;
	free(one);
	a->follow_deadline =
	    a->following != NULL ? ev_now(a->loop) + PATIENCE : 0;
	if (received->packet.error != 0)
		refused(a, &told,
		    mm_fail(mm_error_from(received->packet.error), "%.*s",
			MM_SPAN(received->packet.why)));
	mm_follow_step(a);
}

void
mm_follow_lost(struct mm_authority *a)
{
	forget_all(a);
	mm_ceremony_token_lost(a);
	a->follow_from = 0;
	a->followed = false;
	a->follow_stale = a->follow_reading;
}

void
mm_follow_archive_lost(struct mm_authority *a)
{
	a->follow_reading = a->follow_stale = false;
}

void
mm_follow_tick(struct mm_authority *a)
{
	ev_tstamp now = ev_now(a->loop);
	bool follows = a->follow_deadline == 0 || now <= a->follow_deadline;
	bool makes = a->carrying.deadline == 0 || now <= a->carrying.deadline;

	if (a->token == NULL || (follows && makes))
		return;
	mm_journal(MM_LEVEL_ERROR, "token-hangs",
	    "the token does not follow the log, or make keys, in time and is "
	    "ended");
	mm_signing_kill(a);
}

void
mm_follow_clear(struct mm_authority *a)
{
	forget_all(a);
}
