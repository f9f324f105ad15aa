/*
 * What waits for approvals, listed: whose word is there, whose is missing, and
 * what it is about.
 */
#include "server/authority.h"
#include "server/answering.h"
#include "server/stating.h"

#include <string.h>

#include "protocol/subject.h"

enum { STEP_ARENA = 1 << 20 /* of one statement looked at */ };

static enum mm_error
find_subject(
    const struct mm_claim *claim, struct mm_arena *arena, struct mm_span *out)
{
	char text[MM_SUBJECT_TEXT];
	enum mm_error error = mm_claim_subject(claim, text);

	if (error != MM_OK)
		return error;
	*out = mm_arena_copy(arena, mm_span_text(text));
	return out->data != NULL ? MM_OK
				 : mm_fail(MM_E_MEMORY, "no memory for a row");
}

/* The frame of a payload that was checked when it was logged. */
static enum mm_error
read_claim(const struct mm_list *statements, struct mm_arena *arena,
    struct mm_claim *claim)
{
	struct mm_statement statement;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, claim);
	return error;
}

static enum mm_error
make_row(struct mm_authority *a, const struct mm_pending_index *found,
    struct mm_arena *arena, struct mm_pending_row *out)
{
	mm_auto(arena) scratch = {0};
	struct mm_pending_entry body;
	struct mm_counted counted;
	struct mm_claim claim;
	struct mm_pending_row row = {.kind = found->kind,
	    .index = found->idx,
	    .time = found->time,
	    .expiry = found->expiry};
	enum mm_error error;

	memcpy(row.payload, found->payload, sizeof(row.payload));
	mm_arena_init(&scratch, STEP_ARENA);
	error = mm_pending_read(a, found->idx, &scratch, &body);
	if (error == MM_OK)
		error = read_claim(&body.statements, &scratch, &claim);
	if (error == MM_OK)
		error = mm_pending_counted(
		    a, claim.kind, &body.statements, arena, &counted);
	if (error == MM_OK)
		error = find_subject(&claim, arena, &row.subject);
	if (error != MM_OK)
		return error;
	row.officers = counted.officers;
	row.missing = counted.missing;
	*out = row;
	return MM_OK;
}

static enum mm_error
find_one(struct mm_authority *a, struct mm_span payload, struct mm_arena *arena,
    struct mm_list *out)
{
	struct mm_pending_index *row = mm_arena_alloc(arena, sizeof(*row));
	enum mm_error error;

	if (row == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a row");
	error = mm_index_pending(a->index, payload.data, row);
	if (error == MM_OK && row->withdrawn)
		error = mm_fail(MM_E_NOT_FOUND, "the statement was withdrawn");
	if (error == MM_OK && row->expiry < a->batch.now)
		error = mm_fail(MM_E_NOT_FOUND, "the statement has expired");
	if (error == MM_OK)
		*out = (struct mm_list){row, 1};
	return error;
}

static enum mm_error
make_rows(struct mm_authority *a, const struct mm_list *found,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_pending_row *rows =
	    mm_arena_alloc(arena, MM_ROWS_MAX * sizeof(*rows));
	enum mm_error error = MM_OK;

	if (rows == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	for (size_t i = 0; i < found->count && error == MM_OK; i++)
		error =
		    make_row(a, mm_list_at(*found, struct mm_pending_index, i),
			arena, &rows[i]);
	*out = (struct mm_list){rows, found->count};
	return error;
}

void
mm_pending_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_pending_request request;
	struct mm_pending_answer answer = {{NULL, 0}};
	struct mm_list found;
	enum mm_error error = mm_shape_decode(
	    &mm_pending_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && request.payload.size > 0)
		error = find_one(a, request.payload, &job->arena, &found);
	else if (error == MM_OK)
		error = mm_index_pendings(a->index, request.after, a->batch.now,
		    MM_ROWS_MAX, &job->arena, &found);
	if (error == MM_OK)
		error = make_rows(a, &found, &job->arena, &answer.rows);
	if (error == MM_OK)
		mm_answer(a, job, &mm_pending_answer_shape, &answer);
	else
		mm_answer_error(a, job, error);
}
