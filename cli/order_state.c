#include "cli/order_state.h"

#include <sodium.h>
#include <time.h>

#include "cli/json_value.h"
#include "cli/logged_claim.h"
#include "cli/pages.h"

/* `self` is the name of the one that is asked for, or NULL. */
static enum mm_error
read_page(
    struct mm_client *client, struct mm_pages *pages, void *self, bool *more)
{
	struct mm_orders_request request = {.after = mm_pages_last(pages)};
	struct mm_orders_answer answer;
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	randombytes_buf(id, sizeof(id));
	if (self != NULL)
		request.name = mm_span_text(self);
	error = mm_client_ask(
	    client, MM_MESSAGE_ORDERS, &request, id, pages->arena, &answer);
	if (error != MM_OK)
		return error;
	*more = self == NULL && answer.orders.count > 0;
	return mm_pages_add(pages, &answer.orders);
}

enum mm_error
mm_order_states(const struct mm_appliance *appliance, const char *name,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_pages pages = {
	    .arena = arena, .size = sizeof(struct mm_order_state)};
	enum mm_error error = mm_pages_read(
	    appliance, &pages, read_page, (void *)(uintptr_t)name);

	if (error == MM_OK && name != NULL && pages.count == 0)
		error = mm_fail(MM_E_NOT_FOUND, "there is no order %s", name);
	if (error == MM_OK)
		*out = (struct mm_list){pages.rows, pages.count};
	return error;
}

enum mm_error
mm_order_terms(const struct mm_appliance *appliance,
    const struct mm_order_state *state, struct mm_arena *arena,
    struct mm_order_claim *out)
{
	struct mm_order_claim terms;
	enum mm_error error = mm_logged_claim(
	    appliance, state->index, MM_STATEMENT_ORDER, arena, &terms);

	if (error != MM_OK)
		return error;
	if (!mm_span_equal(terms.name, state->name) ||
	    terms.revision != state->revision)
		return mm_fail(MM_E_MISMATCH,
		    "entry %ju is not what the appliance says of order %.*s",
		    (uintmax_t)state->index, MM_SPAN(state->name));
	*out = terms;
	return MM_OK;
}

static const char *
state_word(const struct mm_order_state *state)
{
	if (state->closed)
		return "closed";
	return (uint64_t)time(NULL) > state->until ? "over" : "open";
}

static json_int_t
left(uint64_t allowed, uint64_t used)
{
	return used < allowed ? (json_int_t)(allowed - used) : 0;
}

json_t *
mm_order_state_json(const struct mm_order_state *state)
{
	json_t *out = json_pack(
	    "{s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	    "order", mm_json_text(state->name), "profile",
	    mm_json_text(state->profile), "state", state_word(state),
	    "revision", (json_int_t)state->revision, "units",
	    (json_int_t)state->units, "issued", (json_int_t)state->issued,
	    "left", left(state->units, state->issued), "reissue",
	    (json_int_t)state->reissue, "reissued", (json_int_t)state->reissued,
	    "reissues_left", left(state->reissue, state->reissued), "refused",
	    (json_int_t)state->refused, "revoked", (json_int_t)state->revoked);

	json_object_set_new(out, "scrapped", mm_json_number(state->scrapped));
	json_object_set_new(out, "until", mm_json_time(state->until));
	json_object_set_new(out, "index", mm_json_number(state->index));
	json_object_set_new(out, "first", mm_json_number(state->first));
	return out;
}
