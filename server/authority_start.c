#include "server/authority.h"
#include "server/answering.h"
#include "server/issuers.h"

#include <string.h>

#include "protocol/journal.h"

enum {
	READ_COUNT = 4096, /* entries asked for at a time */
	WATCH = 10,        /* seconds; see mm_start_watch() */
	ANSWER_ARENA = 1 << 20
};

/* --- what is in the log? --- */

void
mm_start_opened(struct mm_authority *a, struct mm_received *received)
{
	struct mm_notary_open_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_error_from(received->packet.error);

	mm_arena_init(&arena, ANSWER_ARENA);
	if (received->packet.error != 0)
		mm_fail(error, "%.*s", MM_SPAN(received->packet.why));
	else
		error = mm_shape_decode(&mm_notary_open_answer_shape,
		    received->packet.body, &arena, &answer);
	if (error == MM_OK)
		error = mm_note_keep(&a->note, answer.note);
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	a->size = answer.size;
	mm_clock_init(&a->clock, mm_seconds(CLOCK_REALTIME),
	    mm_seconds(CLOCK_BOOTTIME), answer.time, a->configure->accept_time);
	memcpy(a->policy_digest, answer.policy, sizeof(a->policy_digest));
	a->opened = true;
	mm_start_publish(a);
	mm_authority_advance(a);
}

void
mm_start_publish(struct mm_authority *a)
{
	struct mm_archive_publish_request request = {mm_buffer_span(&a->note)};
	enum mm_error error;

	if (a->archive == NULL || !a->opened)
		return;
	a->published = ev_now(a->loop);
	a->publishing = ++a->calls;
	/* Its answer is heard by mm_reading_answered(). */
	error = mm_link_send(a->archive, MM_ARCHIVE_PUBLISH, a->publishing,
	    &mm_archive_publish_request_shape, &request, NULL);
	a->archive_behind = error != MM_OK;
	if (error == MM_OK)
		return;
	a->publishing = 0;
	mm_journal(MM_LEVEL_WARNING, mm_error_name(error),
	    "the archive does not follow: %s", mm_why(error));
}

/*
 * The archive, which re-reads the log in the background, says in its answer
 * whether it is still whole: also where nobody asks for anything.
 */
void
mm_start_watch(struct mm_authority *a)
{
	if (!a->ready || ev_now(a->loop) - a->published < WATCH)
		return;
	mm_start_publish(a);
}

/* --- does the index belong to it? --- */

/*
 * It is no use, as it is: all of it comes back from the log. Once in a life,
 * so that a log which cannot be folded ends the start.
 */
static enum mm_error
begin_anew(struct mm_authority *a, enum mm_error error)
{
	if (a->anew || error == MM_E_MEMORY || error == MM_E_DISK_FULL)
		return error;
	mm_journal(MM_LEVEL_WARNING, "index-rebuilt",
	    "the index does not fit the log (%s): it is made anew from it",
	    mm_why(error));
	a->anew = a->fits = true;
	mm_issuers_clear(a);
	mm_arena_clear(&a->policy_arena);
	mm_arena_init(&a->policy_arena, MM_POLICY_ARENA);
	return mm_index_anew(a->index);
}

static enum mm_error
apply_all(struct mm_authority *a, const struct mm_list *entries)
{
	enum mm_error error = mm_index_begin(a->index);

	for (size_t i = 0; i < entries->count && error == MM_OK; i++)
		error = mm_index_apply(a->index,
		    mm_list_at(*entries, struct mm_bytes_item, i)->value);
	if (error == MM_OK)
		return mm_index_commit(a->index);
	mm_index_rollback(a->index);
	return error;
}

/* What an entry gives that follows no such index. */
static bool
is_misfit(enum mm_error error)
{
	return error == MM_E_STORE || error == MM_E_LOG_WRONG ||
	       error == MM_E_NOT_FOUND;
}

static void
entries_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_entries_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	(void)job;
	mm_arena_init(&arena, ANSWER_ARENA);
	error = mm_shape_decode(&mm_archive_entries_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK && (answer.entries.count == 0 ||
				  answer.from != mm_index_size(a->index)))
		error = mm_fail(
		    MM_E_PEER, "the archive does not have what was asked");
	if (error == MM_OK) {
		error = apply_all(a, &answer.entries);
		if (is_misfit(error))
			error = begin_anew(a, error);
	}
	a->reading = false;
	if (error != MM_OK)
		mm_authority_fail(a, error);
	else
		mm_authority_advance(a);
}

static enum mm_error
read_on(struct mm_authority *a)
{
	struct mm_archive_entries_request request = {
	    mm_index_size(a->index), READ_COUNT};

	if (a->reading)
		return MM_OK;
	a->reading = true;
	return mm_reading_begin(a, MM_ARCHIVE_ENTRIES,
	    &mm_archive_entries_request_shape, &request, NULL, entries_read);
}

static void
last_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_entries_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	(void)job;
	mm_arena_init(&arena, ANSWER_ARENA);
	error = mm_shape_decode(&mm_archive_entries_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK && (answer.entries.count != 1 ||
				  answer.from + 1 != mm_index_size(a->index)))
		error = mm_fail(
		    MM_E_PEER, "the archive does not have what was asked");
	a->reading = false;
	a->fits = error == MM_OK;
	if (error == MM_OK &&
	    !mm_index_follows(a->index,
		mm_list_at(answer.entries, struct mm_bytes_item, 0)->value))
		error = begin_anew(
		    a, mm_fail(MM_E_STATE, "its last entry is another one"));
	if (error != MM_OK)
		mm_authority_fail(a, error);
	else
		mm_authority_advance(a);
}

/*
 * Index and log belong together where the last entry that was folded is the
 * log's of that place: one entry is read, however long the log is.
 */
static enum mm_error
compare_index(struct mm_authority *a)
{
	uint64_t size = mm_index_size(a->index);
	struct mm_archive_entries_request request = {size - 1, 1};

	a->fits = size == 0;
	if (a->fits || a->reading)
		return MM_OK;
	if (size > a->size)
		return begin_anew(a, mm_fail(MM_E_STATE, "it is ahead of it"));
	a->reading = true;
	return mm_reading_begin(a, MM_ARCHIVE_ENTRIES,
	    &mm_archive_entries_request_shape, &request, NULL, last_read);
}

/* --- what is in force? --- */

/* The newest policy's document: the genesis's own, or a later entry's. */
static enum mm_error
newest_document(struct mm_authority *a, const struct mm_genesis *genesis,
    struct mm_arena *arena, struct mm_span *document)
{
	struct mm_policy_entry newer;
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = mm_index_policy(a->index, &a->policy_index);

	*document = genesis->policy;
	if (error != MM_OK || a->policy_index == 0)
		return error;
	error = mm_index_reference(a->index, a->policy_index, arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_POLICY, arena, &entry, &newer);
	if (error == MM_OK)
		*document = newer.policy;
	return error;
}

/* Reads it from the index; what was in force before is still whole. */
static enum mm_error
read_policy(
    struct mm_authority *a, struct mm_arena *arena, struct mm_policy *policy)
{
	struct mm_genesis genesis;
	struct mm_vkey vkey;
	struct mm_entry entry;
	struct mm_span bytes, document;
	uint8_t digest[32];
	enum mm_error error = mm_index_reference(a->index, 0, arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_GENESIS, arena, &entry, &genesis);
	if (error == MM_OK)
		error = mm_vkey_init(&vkey, genesis.origin, genesis.log_key);
	if (error == MM_OK)
		error = newest_document(a, &genesis, arena, &document);
	if (error == MM_OK)
		error = mm_policy_decode(document, arena, policy);
	if (error != MM_OK)
		return error;
	mm_vkey_text(&vkey, a->vkey);
	mm_span_string(genesis.origin, a->origin, sizeof(a->origin));
	mm_policy_digest(document, digest);
	if (memcmp(digest, a->policy_digest, sizeof(digest)) != 0)
		return mm_fail(MM_E_STATE, "its newest policy is another one");
	return MM_OK;
}

enum mm_error
mm_start_load_policy(struct mm_authority *a)
{
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	enum mm_error error;

	mm_arena_init(&arena, MM_POLICY_ARENA);
	error = read_policy(a, &arena, &policy);
	if (error != MM_OK)
		return error;
	mm_arena_clear(&a->policy_arena);
	a->policy_arena = arena;
	mm_arena_init(&arena, MM_POLICY_ARENA);
	a->policy = policy;
	return mm_issuers_load(a);
}

/* --- what did a crash leave? --- */

static void
unsigned_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_entries_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	(void)job;
	mm_arena_init(&arena, ANSWER_ARENA);
	error = mm_shape_decode(&mm_archive_entries_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK &&
	    (answer.entries.count == 0 || answer.from < a->recover_from))
		error = mm_fail(
		    MM_E_PEER, "the archive does not have what was asked");
	if (error == MM_OK)
		error = mm_item_recover(a,
		    mm_list_at(answer.entries, struct mm_bytes_item, 0)->value,
		    answer.from);
	a->reading = false;
	if (error != MM_OK) {
		mm_authority_fail(a, error);
		return;
	}
	a->recover_from = answer.from + 1;
	mm_authority_advance(a);
}

/* One unsigned entry after the other is read and decided again. */
static void
recover_next(struct mm_authority *a)
{
	struct mm_archive_entries_request request = {0, 1};
	enum mm_error error;

	if (a->reading)
		return;
	error = mm_index_unsigned(a->index, a->recover_from, &request.from);
	if (error == MM_E_NOT_FOUND) {
		a->caught_up = true;
		mm_batch_step(a);
		return;
	}
	a->reading = true;
	if (error == MM_OK)
		error = mm_reading_begin(a, MM_ARCHIVE_ENTRIES,
		    &mm_archive_entries_request_shape, &request, NULL,
		    unsigned_read);
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

/* --- where it stands --- */

static enum mm_error
ask_notary(struct mm_authority *a)
{
	if (a->opening)
		return MM_OK;
	a->opening = true;
	return mm_link_send(
	    a->notary, MM_NOTARY_OPEN, ++a->calls, NULL, NULL, NULL);
}

static enum mm_error
load(struct mm_authority *a)
{
	enum mm_error error = mm_start_load_policy(a);

	a->loaded = error == MM_OK;
	if (a->loaded)
		return MM_OK;
	error = begin_anew(a, error);
	return error == MM_OK ? read_on(a) : error;
}

static void
open_log(struct mm_authority *a)
{
	enum mm_error error = MM_OK;

	if (!a->opened)
		error = ask_notary(a);
	else if (!a->fits)
		error = compare_index(a);
	if (error == MM_OK && a->fits && mm_index_size(a->index) < a->size)
		error = read_on(a);
	else if (error == MM_OK && a->fits && !a->reading)
		error = load(a);
	if (error != MM_OK)
		mm_authority_fail(a, error);
}

static void
become_ready(struct mm_authority *a)
{
	enum mm_error error =
	    mm_channel_send(a->control, MM_CONTROL_READY, 0, NULL, NULL);

	a->ready = true;
	if (error != MM_OK)
		mm_authority_fail(a, error);
	else
		mm_batch_step(a);
}

/*
 * Whether what was stored is also signed, and the archive has been told of it
 * (what it does not hear it does not publish), as far as a stop waits for it.
 */
static bool
is_drained(const struct mm_authority *a)
{
	if (ev_now(a->loop) > a->stop_deadline)
		return true;
	return !a->batch.open &&
	       (a->items == NULL || !a->followed || a->distrusted) &&
	       a->readings.first == NULL && a->storings == NULL &&
	       (a->archive == NULL || a->publishing == 0);
}

void
mm_authority_advance(struct mm_authority *a)
{
	if (a->fatal != MM_OK)
		return;
	if (a->stopping) {
		mm_batch_step(a);
		if (is_drained(a))
			ev_break(a->loop, EVBREAK_ALL);
		return;
	}
	if (a->notary == NULL || a->archive == NULL)
		return;
	if (!a->loaded)
		open_log(a);
	if (a->loaded)
		mm_heritage_step(a);
	if (a->loaded && a->heritage.done && !a->caught_up)
		recover_next(a);
	else if (a->caught_up && !a->ready && a->server.size > 0)
		become_ready(a);
	else
		mm_batch_step(a);
	mm_follow_step(a);
}
