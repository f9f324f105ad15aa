/*
 * What is common to all that people say: who brings it, and that enough
 * officers of the roster in force at its place have signed it.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

void *
mm_audit_keep(struct mm_audit *audit, size_t size)
{
	return mm_arena_alloc(&audit->arena, size);
}

/* --- arrays --- */

static enum mm_error
make_room(struct mm_audit_array *array)
{
	size_t wider = array->capacity > 0 ? 2 * array->capacity : 16;
	void **items;

	if (array->count < array->capacity)
		return MM_OK;
	items = reallocarray(array->items, wider, sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	array->items = items;
	array->capacity = wider;
	return MM_OK;
}

enum mm_error
mm_audit_insert(struct mm_audit_array *array, size_t place, void *one)
{
	enum mm_error error = make_room(array);

	if (error != MM_OK)
		return error;
	memmove(array->items + place + 1, array->items + place,
	    (array->count - place) * sizeof(*array->items));
	array->items[place] = one;
	array->count++;
	return MM_OK;
}

_Static_assert(offsetof(struct mm_audit_person, name) == 0 &&
		   offsetof(struct mm_audit_ordered, name) == 0 &&
		   offsetof(struct mm_audit_product, name) == 0,
    "what is found by its name begins with it");
_Static_assert(offsetof(struct mm_audit_order, index) == 0 &&
		   offsetof(struct mm_audit_principal, index) == 0,
    "what is found by its entry begins with it");

size_t
mm_audit_name_place(const struct mm_audit_array *array, struct mm_span name)
{
	size_t low = 0, high = array->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct mm_span *one = array->items[middle];

		if (mm_span_compare(*one, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *
mm_audit_named(const struct mm_audit_array *array, struct mm_span name)
{
	size_t place = mm_audit_name_place(array, name);

	if (place < array->count &&
	    mm_span_equal(*(const struct mm_span *)array->items[place], name))
		return array->items[place];
	return NULL;
}

void *
mm_audit_at_index(const struct mm_audit_array *array, uint64_t index)
{
	size_t low = 0, high = array->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const uint64_t *one = array->items[middle];

		if (*one == index)
			return array->items[middle];
		if (*one < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void
mm_audit_people_clear(struct mm_audit_people *people)
{
	free(people->revisions.items);
	free(people->orders.items);
	free(people->principals.items);
	free(people->persons.items);
	mm_audit_versions_clear(&people->products);
	*people = (struct mm_audit_people){.orders = {.count = 0}};
}

struct mm_audit_person *
mm_audit_person(struct mm_audit *audit, struct mm_span name)
{
	return mm_audit_named(&audit->people.persons, name);
}

/* --- where --- */

const struct mm_force *
mm_audit_force(const struct mm_audit *audit)
{
	return mm_force_last(&audit->following);
}

struct mm_span
mm_audit_origin(const struct mm_audit *audit)
{
	return audit->following.birth.genesis.origin;
}

/* --- who asks --- */

static enum mm_error
take_request(const struct mm_audit_at *at, struct mm_span principal,
    struct mm_span request)
{
	struct mm_thing_name name = mm_thing_name(
	    MM_THING_REQUEST, principal, request, mm_span(NULL, 0));

	return mm_fact_take(
	    at->audit->ledger, MM_THING_REQUEST, &name, at->index);
}

enum mm_error
mm_audit_asked(const struct mm_audit_at *at, uint64_t message,
    struct mm_span principal, struct mm_span request)
{
	struct mm_audit_person *person = mm_audit_person(at->audit, principal);
	enum mm_error error;

	if (principal.size == 0 || request.size == 0)
		return mm_audit_wrong("it does not say who asked for it");
	if (person == NULL)
		return mm_audit_wrong("principal %.*s, who asked for it, was "
				      "not registered",
		    MM_SPAN(principal));
	error = mm_decide_message(&person->now, message);
	return error == MM_OK ? take_request(at, principal, request) : error;
}

enum mm_error
mm_audit_may_bring(
    const struct mm_audit_at *at, uint64_t statement, struct mm_span principal)
{
	struct mm_audit_person *person = mm_audit_person(at->audit, principal);

	if (person == NULL || person->now.role == MM_ROLE_OFFICER ||
	    statement == MM_STATEMENT_RELEASE)
		return MM_OK;
	return mm_audit_wrong("principal %.*s, who brought it, brings "
			      "statements of releases alone",
	    MM_SPAN(principal));
}

enum mm_error
mm_audit_brought(const struct mm_audit_at *at, uint64_t statement,
    struct mm_span principal, struct mm_span request)
{
	enum mm_error error;

	if (principal.size == 0 && request.size == 0 && !at->audit->started)
		return MM_OK;
	error = mm_audit_asked(at, MM_MESSAGE_STATEMENT, principal, request);
	return error == MM_OK ? mm_audit_may_bring(at, statement, principal)
			      : error;
}

/* --- statements --- */

struct mm_thing_name
mm_audit_payload_of(const uint8_t sha256[32])
{
	struct mm_span none = mm_span(NULL, 0);

	return mm_thing_name(
	    MM_THING_STATEMENT, mm_span(sha256, 32), none, none);
}

enum mm_error
mm_audit_payload(const struct mm_list *statements, struct mm_thing_name *out)
{
	struct mm_statement statement;
	uint8_t sha256[crypto_hash_sha256_BYTES];
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error != MM_OK)
		return error;
	crypto_hash_sha256(
	    sha256, statement.payload.data, statement.payload.size);
	*out = mm_audit_payload_of(sha256);
	return MM_OK;
}

/* The entry's statements again, in memory that stays: what is kept points
 * into them. */
static enum mm_error
keep_statements(const struct mm_audit_at *at, struct mm_list *out)
{
	struct mm_audit *audit = at->audit;
	struct mm_span copy = mm_arena_copy(&audit->arena, at->bytes);
	struct mm_statement_entry body;
	struct mm_entry frame;
	enum mm_error error;

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	error = mm_entry_decode_as(copy, (enum mm_entry_kind)at->frame->kind,
	    &audit->arena, &frame, &body);
	if (error == MM_OK)
		*out = body.statements;
	return error;
}

enum mm_error
mm_audit_state(
    const struct mm_audit_at *at, uint64_t statement, void *claim_body)
{
	const struct mm_statement_entry *body = at->body;
	struct mm_audit *audit = at->audit;
	const struct mm_roster_question question = {
	    .policy = &mm_audit_force(audit)->policy,
	    .origin = mm_audit_origin(audit),
	    .kind = statement,
	    .time = at->frame->time};
	struct mm_thing_name name;
	struct mm_list statements;
	struct mm_claim claim;
	enum mm_error error =
	    mm_audit_brought(at, statement, body->principal, body->request);

	if (error == MM_OK)
		error = keep_statements(at, &statements);
	if (error == MM_OK)
		error = mm_roster_check(
		    &question, &statements, &audit->arena, &claim, claim_body);
	if (error == MM_OK)
		error = mm_audit_payload(&statements, &name);
	return error == MM_OK ? mm_fact_take(audit->ledger, MM_THING_STATEMENT,
				    &name, at->index)
			      : error;
}
