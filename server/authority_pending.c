/*
 * What not enough officers have signed yet goes into the log too, to wait
 * there: within limits, so that no single officer can fill it.
 */
#include "server/authority.h"
#include "server/stating.h"

#include <string.h>

enum {
	PENDING_MAX = 1024,          /* that wait at a time, of everybody */
	PENDING_PRINCIPAL_MAX = 100, /* and of one principal */
	ENTRY_ROOM = 40000,  /* bytes of statements that an entry holds */
	TEXT_INLINE = 8192,  /* of a text; with the longest policy and 16
			      * statements that is an entry still */
	STEP_ARENA = 1 << 20 /* of one entry, or of a page, looked at */
};

enum mm_error
mm_pending_read(struct mm_authority *a, uint64_t idx, struct mm_arena *arena,
    struct mm_pending_entry *out)
{
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = mm_index_reference(a->index, idx, arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_PENDING, arena, &entry, out);
	return error;
}

/* Whether a pending entry was brought by this principal. */
static enum mm_error
is_theirs(
    struct mm_authority *a, uint64_t idx, struct mm_span principal, bool *out)
{
	mm_auto(arena) arena = {0};
	struct mm_pending_entry body;
	enum mm_error error;

	mm_arena_init(&arena, STEP_ARENA);
	error = mm_pending_read(a, idx, &arena, &body);
	if (error == MM_OK)
		*out = mm_span_equal(body.principal, principal);
	return error;
}

static enum mm_error
count_theirs(struct mm_authority *a, struct mm_span principal, uint64_t *out)
{
	uint8_t last[32] = {0};
	struct mm_span after = mm_span(last, 0);
	uint64_t count = 0;

	for (;;) {
		mm_auto(arena) arena = {0};
		struct mm_list rows;
		enum mm_error error;

		mm_arena_init(&arena, STEP_ARENA);
		error = mm_index_pendings(
		    a->index, after, a->batch.now, MM_ROWS_MAX, &arena, &rows);
		for (size_t i = 0; error == MM_OK && i < rows.count; i++) {
			const struct mm_pending_index *row =
			    mm_list_at(rows, struct mm_pending_index, i);
			bool theirs = false;

			error = is_theirs(a, row->idx, principal, &theirs);
			count += theirs;
			memcpy(last, row->payload, sizeof(last));
			after.size = sizeof(last);
		}
		if (error != MM_OK)
			return error;
		if (rows.count < MM_ROWS_MAX)
			break;
	}
	*out = count;
	return MM_OK;
}

static enum mm_error
full(const char *whose, unsigned max)
{
	return mm_fail(MM_E_PENDING_FULL,
	    "%s %u statements that wait for approvals: approve or withdraw "
	    "some",
	    whose, max);
}

/* Approvals of what waits already take no more room. */
static enum mm_error
check_room(struct mm_stating *s)
{
	uint64_t count;
	enum mm_error error =
	    mm_index_pending_count(s->a->index, s->a->batch.now, &count);

	if (error == MM_OK && count >= PENDING_MAX)
		return full("there are", PENDING_MAX);
	if (error != MM_OK || count < PENDING_PRINCIPAL_MAX)
		return error;
	error = count_theirs(s->a, s->job->principal.name, &count);
	if (error == MM_OK && count >= PENDING_PRINCIPAL_MAX)
		return full("the principal has", PENDING_PRINCIPAL_MAX);
	return error;
}

/* All of them will have to be in one entry, in the end. */
static enum mm_error
check_size(const struct mm_stating *s, uint64_t missing)
{
	size_t size =
	    mm_list_at(s->statements, struct mm_bytes_item, 0)->value.size;

	if (missing > MM_STATEMENTS_MAX ||
	    size * (s->statements.count + missing) > ENTRY_ROOM)
		return mm_fail(MM_E_RANGE,
		    "the statement has %zu bytes: signed by %zu officers it "
		    "is more than an entry of the log holds; make several of "
		    "it",
		    size, s->statements.count + (size_t)missing);
	return MM_OK;
}

/* A long text goes beside the log before its entry; then the job is decided
 * once more. */
static enum mm_error
place_text(struct mm_stating *s, bool *placed)
{
	enum mm_error error;

	*placed = true;
	if (s->text.size <= TEXT_INLINE)
		return MM_OK;
	error = mm_blob_store_for(s->a, s->job, s->text, placed);
	if (error == MM_OK && *placed) {
		s->text_blob = s->job->blob;
		s->text = mm_span(NULL, 0);
	}
	return error;
}

static enum mm_error
add_entry(struct mm_stating *s, uint64_t missing)
{
	struct mm_pending_entry body = {.statements = s->statements,
	    .principal = s->job->principal.name,
	    .request = mm_span(s->job->ask.id, MM_ID_SIZE),
	    .spki = s->spki,
	    .policy = s->policy,
	    .text = s->text,
	    .text_size = s->text_blob.size,
	    .certificates = s->certificates};
	struct mm_line *line;
	enum mm_error error;

	if (s->text_blob.size > 0)
		body.text_sha256 =
		    mm_span(s->text_blob.sha256, sizeof(s->text_blob.sha256));
	error = mm_batch_add(s->a, MM_ENTRY_PENDING, &body, &line);
	if (error != MM_OK)
		return error;
	s->job->stated.missing = missing;
	line->job = s->job;
	return MM_OK;
}

enum mm_error
mm_pending_enter(struct mm_stating *s, const struct mm_gathered *gathered)
{
	bool placed = false;
	enum mm_error error = gathered->waits ? MM_OK : check_room(s);

	if (error == MM_OK)
		error = check_size(s, gathered->missing);
	if (error == MM_OK)
		error = place_text(s, &placed);
	if (error != MM_OK || !placed)
		return error;
	return add_entry(s, gathered->missing);
}
