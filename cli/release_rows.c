#include "cli/release_rows.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"

enum { ROWS = 4096, DIGITS_MIN = 8, HASH = 32 };

/* ---- how one is called */

static enum mm_error
no_id(const char *text)
{
	return mm_fail(MM_E_USAGE,
	    "\"%s\" names no release: say PRODUCT@VERSION, or 8 or more hex "
	    "digits of its id",
	    text);
}

enum mm_error
mm_release_id_read(const char *text, struct mm_release_id *out)
{
	const char *at = strrchr(text, '@');
	size_t size = strlen(text);
	struct mm_release_id id = {.hex = text};

	if (at == NULL && (size < DIGITS_MIN || size > 2 * HASH ||
			      strspn(text, "0123456789abcdef") != size))
		return no_id(text);
	if (at != NULL) {
		id = (struct mm_release_id){
		    .product = mm_span(text, (size_t)(at - text)),
		    .version = mm_span_text(at + 1)};
		if (id.product.size == 0 || id.product.size > MM_NAME_MAX ||
		    id.version.size == 0 || id.version.size > MM_NAME_MAX)
			return no_id(text);
	}
	if (id.hex != NULL)
		snprintf(id.waiting, sizeof(id.waiting), "%s", text);
	else
		snprintf(id.waiting, sizeof(id.waiting), "%.*s %.*s",
		    MM_SPAN(id.product), MM_SPAN(id.version));
	*out = id;
	return MM_OK;
}

/* ---- the list */

struct listing {
	struct mm_releases_request request;
	struct mm_arena *arena;
	struct mm_release_row *rows;
	size_t count;
};

static enum mm_error
add_page(struct mm_client *client, struct listing *l, bool *more)
{
	struct mm_releases_answer answer;
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	randombytes_buf(id, sizeof(id));
	error = mm_client_ask(
	    client, MM_MESSAGE_RELEASES, &l->request, id, l->arena, &answer);
	if (error != MM_OK)
		return error;
	*more = answer.releases.count > 0;
	for (mm_list_each(const struct mm_release_row, row, answer.releases)) {
		if (l->count > 0 && row->index <= l->request.after)
			return mm_fail(
			    MM_E_PEER, "the appliance lists what was listed");
		if (l->count == ROWS)
			return mm_fail(MM_E_RANGE,
			    "more than %d releases: say --product", ROWS);
		l->request.after = row->index;
		l->rows[l->count++] = *row;
	}
	return MM_OK;
}

static enum mm_error
list_all(struct mm_client *client, void *self)
{
	struct listing *l = self;
	bool more = true;
	enum mm_error error = MM_OK;

	l->count = 0;
	l->request.after = 0;
	while (error == MM_OK && more)
		error = add_page(client, l, &more);
	return error;
}

enum mm_error
mm_releases_read(const struct mm_appliance *appliance, struct mm_span product,
    struct mm_span version, struct mm_arena *arena, struct mm_list *out)
{
	struct listing listing = {
	    .request = {.product = product, .version = version},
	    .arena = arena,
	    .rows = mm_arena_alloc(arena, ROWS * sizeof(*listing.rows))};
	enum mm_error error;

	if (listing.rows == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	error = mm_appliance_try(appliance, list_all, &listing);
	if (error == MM_OK)
		*out = (struct mm_list){listing.rows, listing.count};
	return error;
}

/* ---- one of them */

static bool
is_meant(const struct mm_release_id *id, const struct mm_release_row *row)
{
	char hex[2 * HASH + 1];

	if (id->hex == NULL)
		return mm_span_equal(row->product, id->product) &&
		       mm_span_equal(row->version, id->version);
	sodium_bin2hex(hex, sizeof(hex), row->payload, HASH);
	return strncmp(hex, id->hex, strlen(id->hex)) == 0;
}

bool
mm_release_is_called(
    const struct mm_release_id *id, const struct mm_pending_row *row)
{
	char hex[2 * HASH + 1];

	sodium_bin2hex(hex, sizeof(hex), row->payload, HASH);
	return id->hex != NULL ? strncmp(hex, id->hex, strlen(id->hex)) == 0
			       : mm_span_is(row->subject, id->waiting);
}

/* Nothing is approved under this name: what waits is said. */
static enum mm_error
not_approved(const struct mm_appliance *appliance,
    const struct mm_release_id *id, struct mm_arena *arena)
{
	struct mm_list rows;
	enum mm_error error =
	    mm_waiting_list(appliance, MM_STATEMENT_RELEASE, arena, &rows);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_pending_row, row, rows))
		if (mm_release_is_called(id, row))
			return mm_fail(MM_E_NOT_FOUND,
			    "%.*s waits for %ju more officers yet: see "
			    "`mintmark release show`",
			    MM_SPAN(row->subject), (uintmax_t)row->missing);
	return mm_fail(MM_E_NOT_FOUND,
	    "no release is called %s: see `mintmark release list`",
	    id->waiting);
}

enum mm_error
mm_release_find(const struct mm_appliance *appliance,
    const struct mm_release_id *id, struct mm_arena *arena,
    struct mm_release_row *out)
{
	const struct mm_release_row *found = NULL;
	struct mm_list rows;
	enum mm_error error =
	    mm_releases_read(appliance, id->product, id->version, arena, &rows);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_release_row, row, rows)) {
		if (!is_meant(id, row))
			continue;
		if (found != NULL && id->hex != NULL)
			return mm_fail(MM_E_USAGE,
			    "several releases begin with %s: say more digits",
			    id->hex);
		found = row;
	}
	if (found == NULL)
		return not_approved(appliance, id, arena);
	*out = *found;
	return MM_OK;
}

enum mm_error
mm_release_waiting(const struct mm_appliance *appliance,
    const struct mm_release_id *id, struct mm_arena *arena,
    struct mm_waiting_one *out, struct mm_release_claim *claim)
{
	struct mm_release_claim read;
	enum mm_error error = mm_waiting_find(
	    appliance, MM_STATEMENT_RELEASE, id->waiting, arena, out);

	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_release_claim_shape, out->claim.body, arena, &read);
	if (error != MM_OK)
		return error;
	if (id->hex == NULL && (!mm_span_equal(read.product, id->product) ||
				   !mm_span_equal(read.version, id->version)))
		return mm_fail(MM_E_NOT_FOUND,
		    "what waits as %s is about %.*s@%.*s", id->waiting,
		    MM_SPAN(read.product), MM_SPAN(read.version));
	*claim = read;
	return MM_OK;
}

/* ---- for people and scripts */

static json_t *
signings_json(const struct mm_release_row *row)
{
	json_t *out = json_array();

	for (mm_list_each(const struct mm_release_signing, one, row->signings))
		json_array_append_new(
		    out, json_pack("{s:o, s:o, s:b}", "scheme",
			     mm_json_text(one->scheme), "index",
			     one->index > 0 ? mm_json_number(one->index)
					    : json_null(),
			     "signed", one->is_signed));
	return out;
}

json_t *
mm_release_row_json(const struct mm_release_row *row)
{
	const char *state = mm_release_state_name(row->state);

	return json_pack("{s:o, s:o, s:o, s:s?, s:o, s:o, s:o, s:o, s:o, s:b, "
			 "s:o}",
	    "id", mm_json_hex(mm_span(row->payload, HASH)), "product",
	    mm_json_text(row->product), "version", mm_json_text(row->version),
	    "state", state, "time", mm_json_time(row->time), "expires",
	    mm_json_time(row->expiry), "index", mm_json_number(row->index),
	    "size", mm_json_number(row->size), "sha256",
	    mm_json_hex(mm_span(row->sha256, HASH)), "kept", row->kept,
	    "signings", signings_json(row));
}
