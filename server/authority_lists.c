/*
 * Lists of orders and principals, a page at a time, with what became of them:
 * for people who reconcile. A list goes on behind the last row of a page
 * until one is empty.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <string.h>

enum {
	PAGE_BYTES = 98304, /* of an answer, about: less than a frame */
	ROW_BYTES = 256,    /* of a row beside its profiles */
	PROFILE_BYTES = 3   /* of one beside its letters */
};

/* --- orders --- */

static struct mm_order_state
state_of(const struct mm_authority *a, const struct mm_order_row *row)
{
	const struct mm_order_claim *claim = &row->claim;

	return (struct mm_order_state){.name = claim->name,
	    .profile = claim->profile,
	    .revision = claim->revision,
	    .index = row->idx,
	    .first = row->first,
	    .units = claim->units,
	    .reissue = claim->reissue,
	    .issued = row->used,
	    .reissued = row->reissued,
	    .refused = row->refused + mm_refusals_waiting(a, claim->name),
	    .revoked = row->revoked,
	    .scrapped = row->scrapped,
	    .until = claim->until,
	    .closed = claim->closed};
}

/* One of its name, or a page. */
static enum mm_error
find_orders(struct mm_authority *a, struct mm_job *job,
    const struct mm_orders_request *request, struct mm_list *out)
{
	struct mm_order_row *row;
	enum mm_error error;

	if (request->name.size == 0)
		return mm_index_orders(
		    a->index, request->after, MM_ROWS_MAX, &job->arena, out);
	row = mm_arena_alloc(&job->arena, sizeof(*row));
	if (row == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an order");
	error = mm_index_order(a->index, request->name, &job->arena, row);
	if (error == MM_E_NOT_FOUND)
		return mm_fail(error, "there is no order \"%.*s\"",
		    MM_SPAN(request->name));
	*out = (struct mm_list){row, 1};
	return error;
}

void
mm_orders_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_order_state states[MM_ROWS_MAX];
	struct mm_orders_answer answer = {{states, 0}};
	struct mm_orders_request request;
	struct mm_list rows;
	enum mm_error error = mm_shape_decode(
	    &mm_orders_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = find_orders(a, job, &request, &rows);
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	for (mm_list_each(const struct mm_order_row, row, rows))
		states[answer.orders.count++] = state_of(a, row);
	mm_answer(a, job, &mm_orders_answer_shape, &answer);
}

/* --- principals --- */

static enum mm_error
principal_state(struct mm_authority *a, const struct mm_principal_row *row,
    struct mm_principal_state *out)
{
	const struct mm_principal *principal = &row->principal;
	uint64_t seen = mm_limits_seen(a, principal->name);

	*out = (struct mm_principal_state){.name = principal->name,
	    .role = principal->role,
	    .index = principal->basis,
	    .disabled = principal->disabled,
	    .seen = seen > row->seen ? seen : row->seen,
	    .until = row->until > INT64_MAX ? INT64_MAX : row->until,
	    .daily = principal->daily,
	    .minute = principal->minute,
	    .profiles = principal->profiles};
	memcpy(out->key, row->key, sizeof(out->key));
	return mm_index_daily(a->index, principal->name, MM_ENTRY_CERTIFICATE,
	    a->batch.now, &out->today);
}

static size_t
size_of(const struct mm_principal_state *state)
{
	size_t size = ROW_BYTES;

	for (mm_list_each(const struct mm_text_item, one, state->profiles))
		size += PROFILE_BYTES + one->value.size;
	return size;
}

/*
 * The one of this name, disabled or not: the first behind what sorts just
 * before it, which is no name itself, as 0xFF is in no UTF-8.
 */
static enum mm_error
find_named(struct mm_authority *a, struct mm_job *job, struct mm_span name,
    struct mm_list *out)
{
	uint8_t before[MM_NAME_MAX + 1];
	enum mm_error error;

	memcpy(before, name.data, name.size);
	before[name.size - 1]--;
	before[name.size] = 0xFF;
	error = mm_index_principals(
	    a->index, mm_span(before, name.size + 1), 1, &job->arena, out);
	if (error == MM_OK &&
	    (out->count == 0 ||
		!mm_span_equal(mm_list_at(*out, struct mm_principal_row, 0)
				   ->principal.name,
		    name)))
		error = mm_fail(MM_E_NOT_FOUND,
		    "there is no principal \"%.*s\"", MM_SPAN(name));
	return error;
}

/* As many as fit into a frame, one at least. */
static enum mm_error
fill_page(struct mm_authority *a, struct mm_list rows,
    struct mm_principal_state *states, size_t *count)
{
	size_t bytes = 0;

	for (mm_list_each(const struct mm_principal_row, row, rows)) {
		enum mm_error error = principal_state(a, row, &states[*count]);

		if (error != MM_OK)
			return error;
		bytes += size_of(&states[*count]);
		if (*count > 0 && bytes > PAGE_BYTES)
			break;
		(*count)++;
	}
	return MM_OK;
}

void
mm_principals_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_principal_state states[MM_ROWS_MAX];
	struct mm_principals_answer answer = {{states, 0}};
	struct mm_principals_request request;
	struct mm_list rows;
	enum mm_error error = mm_shape_decode(
	    &mm_principals_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && request.name.size > 0)
		error = find_named(a, job, request.name, &rows);
	else if (error == MM_OK)
		error = mm_index_principals(
		    a->index, request.after, MM_ROWS_MAX, &job->arena, &rows);
	if (error == MM_OK)
		error = fill_page(a, rows, states, &answer.principals.count);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
	else
		mm_answer(a, job, &mm_principals_answer_shape, &answer);
}
