#include "cli/principal_state.h"

#include <sodium.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/logged_claim.h"
#include "cli/pages.h"

/* `self` is the name of the one that is asked for, or NULL. */
static enum mm_error
read_page(
    struct mm_client *client, struct mm_pages *pages, void *self, bool *more)
{
	struct mm_principals_request request = {.after = mm_pages_last(pages)};
	struct mm_principals_answer answer;
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	randombytes_buf(id, sizeof(id));
	if (self != NULL)
		request.name = mm_span_text(self);
	error = mm_client_ask(
	    client, MM_MESSAGE_PRINCIPALS, &request, id, pages->arena, &answer);
	if (error != MM_OK)
		return error;
	*more = self == NULL && answer.principals.count > 0;
	return mm_pages_add(pages, &answer.principals);
}

enum mm_error
mm_principal_states(const struct mm_appliance *appliance, const char *name,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_pages pages = {
	    .arena = arena, .size = sizeof(struct mm_principal_state)};
	enum mm_error error = mm_pages_read(
	    appliance, &pages, read_page, (void *)(uintptr_t)name);

	if (error == MM_OK && name != NULL && pages.count == 0)
		error =
		    mm_fail(MM_E_NOT_FOUND, "there is no principal %s", name);
	if (error == MM_OK)
		*out = (struct mm_list){pages.rows, pages.count};
	return error;
}

static enum mm_error
differs(const struct mm_principal_state *state)
{
	return mm_fail(MM_E_MISMATCH,
	    "entry %ju is not what the appliance says of %.*s",
	    (uintmax_t)state->index, MM_SPAN(state->name));
}

enum mm_error
mm_principal_terms(const struct mm_appliance *appliance, const char *name,
    struct mm_arena *arena, struct mm_principal_terms *out)
{
	const struct mm_principal_state *state;
	struct mm_principal_terms terms;
	struct mm_list states;
	enum mm_error error =
	    mm_principal_states(appliance, name, arena, &states);

	if (error != MM_OK)
		return error;
	state = mm_list_at(states, struct mm_principal_state, 0);
	terms.index = state->index;
	error = mm_logged_claim(appliance, terms.index, MM_STATEMENT_PRINCIPAL,
	    arena, &terms.claim);
	if (error != MM_OK)
		return error;
	if (!mm_span_is(terms.claim.name, name) ||
	    terms.claim.disabled != state->disabled ||
	    memcmp(terms.claim.key, state->key, sizeof(state->key)) != 0)
		return differs(state);
	*out = terms;
	return MM_OK;
}

uint64_t
mm_role_named(const char *name)
{
	for (uint64_t role = 1; role < MM_ROLES; role++)
		if (strcmp(mm_role_name(role), name) == 0)
			return role;
	return 0;
}

json_t *
mm_principal_state_json(const struct mm_principal_state *state)
{
	json_t *profiles = json_array(), *out;

	for (mm_list_each(const struct mm_text_item, item, state->profiles))
		json_array_append_new(profiles, mm_json_text(item->value));
	out = json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:I}", "name",
	    mm_json_text(state->name), "role", mm_role_name(state->role),
	    "state", state->disabled ? "disabled" : "enabled", "today",
	    (json_int_t)state->today, "daily", (json_int_t)state->daily,
	    "minute", (json_int_t)state->minute, "profiles", profiles, "key",
	    mm_json_hex(mm_span(state->key, sizeof(state->key))), "index",
	    (json_int_t)state->index);
	if (state->seen > 0)
		json_object_set_new(out, "seen", mm_json_time(state->seen));
	if (state->until > 0)
		json_object_set_new(out, "until", mm_json_time(state->until));
	return out;
}
