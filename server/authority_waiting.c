/*
 * What waits for approvals, listed: whose word is there, whose is missing, and
 * what it is about.
 */
#include "server/authority.h"
#include "server/answering.h"
#include "server/stating.h"

#include <stdio.h>
#include <string.h>

enum {
	SUBJECT_MAX = 192,   /* of a row */
	STEP_ARENA = 1 << 20 /* of one statement looked at */
};

static void
tell_order(const void *body, char *out, size_t size)
{
	const struct mm_order_claim *order = body;

	if (order->revision == 0)
		snprintf(out, size, "%.*s", MM_SPAN(order->name));
	else
		snprintf(out, size, "%.*s revision %llu", MM_SPAN(order->name),
		    (unsigned long long)order->revision);
}

static void
tell_release(const void *body, char *out, size_t size)
{
	const struct mm_release_claim *release = body;

	snprintf(out, size, "%.*s %.*s", MM_SPAN(release->product),
	    MM_SPAN(release->version));
}

static void
tell_revoke(const void *body, char *out, size_t size)
{
	size_t count = ((const struct mm_revoke_claim *)body)->revoked.count;

	snprintf(out, size, "%zu certificate%s", count, count == 1 ? "" : "s");
}

static void
tell_principal(const void *body, char *out, size_t size)
{
	const struct mm_principal_claim *principal = body;

	snprintf(out, size, "%.*s", MM_SPAN(principal->name));
}

static void
tell_policy(const void *body, char *out, size_t size)
{
	const struct mm_policy_claim *policy = body;

	snprintf(out, size, "policy %llu", (unsigned long long)policy->number);
}

static void
tell_ceremony(const void *body, char *out, size_t size)
{
	const struct mm_ceremony_claim *claim = body;
	const struct {
		size_t count;
		const char *what;
	} parts[] = {{claim->keys.count, "new keys"},
	    {claim->certificates.count, "certificates"},
	    {claim->retired.count, "retired keys"},
	    {claim->requests.count, "requests"},
	    {claim->imports.count, "imports"}, {claim->proofs.count, "proofs"}};
	size_t used = (size_t)snprintf(out, size, "ceremony");

	for (size_t i = 0; i < MM_COUNT(parts); i++)
		if (parts[i].count > 0 && used < size)
			used += (size_t)snprintf(out + used, size - used,
			    "%s %zu %s", used == strlen("ceremony") ? ":" : ",",
			    parts[i].count, parts[i].what);
}

static void
tell_withdraw(const void *body, char *out, size_t size)
{
	(void)body;
	snprintf(out, size, "withdrawal");
}

static void (*const tell[MM_STATEMENT_KINDS])(
    const void *body, char *out, size_t size) = {
    [MM_STATEMENT_ORDER] = tell_order,
    [MM_STATEMENT_RELEASE] = tell_release,
    [MM_STATEMENT_REVOKE] = tell_revoke,
    [MM_STATEMENT_PRINCIPAL] = tell_principal,
    [MM_STATEMENT_POLICY] = tell_policy,
    [MM_STATEMENT_CEREMONY] = tell_ceremony,
    [MM_STATEMENT_WITHDRAW] = tell_withdraw,
};

static enum mm_error
find_subject(
    const struct mm_claim *claim, struct mm_arena *arena, struct mm_span *out)
{
	mm_auto(arena) scratch = {0};
	char text[SUBJECT_MAX + 1];
	const struct mm_shape *shape = mm_claim_body_shape(claim->kind);
	enum mm_error error;
	void *body;

	mm_arena_init(&scratch, STEP_ARENA);
	body = mm_arena_alloc(&scratch, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a statement");
	error = mm_shape_decode(shape, claim->body, &scratch, body);
	if (error != MM_OK)
		return error;
	tell[claim->kind](body, text, sizeof(text));
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
