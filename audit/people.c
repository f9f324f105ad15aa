/*
 * What people say: policies, principals, orders, revocations and keys, each
 * by the roster and the threshold in force at its place.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

/* --- arrays of pointers that only grow --- */

static enum mm_error
array_room(void ***items, size_t count, size_t *capacity)
{
	size_t wider = *capacity > 0 ? 2 * *capacity : 16;
	void **more;

	if (count < *capacity)
		return MM_OK;
	more = reallocarray(*items, wider, sizeof(*more));
	if (more == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	*items = more;
	*capacity = wider;
	return MM_OK;
}

static enum mm_error
array_insert(
    void ***items, size_t *count, size_t *capacity, size_t place, void *one)
{
	enum mm_error error = array_room(items, *count, capacity);

	if (error != MM_OK)
		return error;
	memmove(*items + place + 1, *items + place,
	    (*count - place) * sizeof(**items));
	(*items)[place] = one;
	(*count)++;
	return MM_OK;
}

void
mm_audit_people_clear(struct mm_audit_people *people)
{
	free(people->orders);
	free(people->principals);
	free(people->persons);
	*people = (struct mm_audit_people){.order_count = 0};
}

static void *
keep(struct mm_audit *audit, size_t size)
{
	return mm_arena_alloc(&audit->arena, size);
}

/* --- finding --- */

/* The place of a name among the persons, or where it would be. */
static size_t
person_place(const struct mm_audit_people *people, struct mm_span name)
{
	size_t low = 0, high = people->person_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mm_span_compare(people->persons[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct mm_audit_person *
mm_audit_person(struct mm_audit *audit, struct mm_span name)
{
	const struct mm_audit_people *people = &audit->people;
	size_t place = person_place(people, name);

	if (place < people->person_count &&
	    mm_span_equal(people->persons[place]->name, name))
		return people->persons[place];
	return NULL;
}

/* Both kinds begin with their basis. */
static void *
find_basis(void *const *items, size_t count, uint64_t index)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct mm_audit_basis *basis = items[middle];

		if (basis->index == index)
			return items[middle];
		if (basis->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

_Static_assert(offsetof(struct mm_audit_order, basis) == 0 &&
		   offsetof(struct mm_audit_principal, basis) == 0,
    "an order and a principal begin with their basis");

/*
 * The token process holds an old statement against the officers of today. An
 * entry that rests on it may be there, and must not be signed.
 */
static void
hold_against_today(struct mm_audit *audit, struct mm_audit_basis *basis,
    uint64_t kind, void *body)
{
	const struct mm_roster_question question = {
	    .policy = &audit->force.policy,
	    .origin = audit->birth.genesis.origin,
	    .kind = kind,
	    .time = basis->time};
	mm_auto(arena) arena = {0};
	struct mm_claim claim;

	if (basis->roster != audit->force.index) {
		mm_arena_init(&arena, 4 << 20);
		basis->holds = mm_roster_check(&question, &basis->statements,
				   &arena, &claim, body) == MM_OK;
		basis->roster = audit->force.index;
	}
	if (!basis->holds)
		audit->never = "it rests on a statement whose officers are "
			       "not those of the policy in force";
}

static enum mm_error
no_basis(uint64_t index, const char *kind)
{
	return mm_audit_wrong(
	    "its basis, entry %llu, is no %s", (unsigned long long)index, kind);
}

enum mm_error
mm_audit_find_order(
    struct mm_audit *audit, uint64_t index, struct mm_audit_order **out)
{
	const struct mm_audit_people *people = &audit->people;
	struct mm_order_claim again;

	*out = find_basis(
	    (void *const *)people->orders, people->order_count, index);
	if (*out == NULL)
		return no_basis(index, "order");
	hold_against_today(audit, &(*out)->basis, MM_STATEMENT_ORDER, &again);
	return MM_OK;
}

enum mm_error
mm_audit_find_principal(
    struct mm_audit *audit, uint64_t index, struct mm_audit_principal **out)
{
	const struct mm_audit_people *people = &audit->people;
	struct mm_principal_claim again;

	*out = find_basis(
	    (void *const *)people->principals, people->principal_count, index);
	if (*out == NULL)
		return no_basis(index, "principal");
	hold_against_today(
	    audit, &(*out)->basis, MM_STATEMENT_PRINCIPAL, &again);
	return MM_OK;
}

struct mm_audit_key *
mm_audit_key_named(struct mm_audit *audit, struct mm_span name)
{
	for (size_t i = 0; i < audit->key_count; i++)
		if (!audit->keys[i].retired &&
		    mm_span_equal(audit->keys[i].key.name, name))
			return &audit->keys[i];
	return NULL;
}

struct mm_audit_key *
mm_audit_key_of(struct mm_audit *audit, struct mm_span spki)
{
	for (size_t i = 0; i < audit->key_count; i++)
		if (!audit->keys[i].retired &&
		    mm_span_equal(audit->keys[i].key.spki, spki))
			return &audit->keys[i];
	return NULL;
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

/* What was there at the birth of the log was asked for by nobody. */
static enum mm_error
check_bringer(const struct mm_audit_at *at, struct mm_span principal,
    struct mm_span request)
{
	if (principal.size == 0 && request.size == 0 && !at->audit->started)
		return MM_OK;
	return mm_audit_asked(at, MM_MESSAGE_STATEMENT, principal, request);
}

/* --- statements --- */

/* By the roster in force here; over a payload that is nowhere else. */
static enum mm_error
check_statements(const struct mm_audit_at *at, const struct mm_list *statements,
    uint64_t kind, struct mm_claim *claim, void *body)
{
	struct mm_audit *audit = at->audit;
	const struct mm_roster_question question = {
	    .policy = &audit->force.policy,
	    .origin = audit->birth.genesis.origin,
	    .kind = kind,
	    .time = at->frame->time};

	return mm_roster_check(
	    &question, statements, &audit->arena, claim, body);
}

static enum mm_error
take_statement(const struct mm_audit_at *at, const struct mm_list *statements)
{
	struct mm_span none = mm_span(NULL, 0);
	struct mm_statement statement;
	struct mm_thing_name name;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error != MM_OK)
		return error;
	name = mm_thing_name(MM_THING_STATEMENT, statement.payload, none, none);
	return mm_fact_take(
	    at->audit->ledger, MM_THING_STATEMENT, &name, at->index);
}

/*
 * The entry's statements again, in memory that stays: what is kept points
 * into them.
 */
static enum mm_error
keep_statements(
    const struct mm_audit_at *at, uint64_t kind, struct mm_list *out)
{
	struct mm_audit *audit = at->audit;
	struct mm_span copy = mm_arena_copy(&audit->arena, at->bytes);
	struct mm_statement_entry body;
	struct mm_entry frame;
	enum mm_error error;

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	error = mm_entry_decode_as(
	    copy, (enum mm_entry_kind)kind, &audit->arena, &frame, &body);
	if (error == MM_OK)
		*out = body.statements;
	return error;
}

/* What is common to the entries that people's statements make. */
static enum mm_error
state(const struct mm_audit_at *at, uint64_t statement, void *claim_body,
    struct mm_audit_basis *basis)
{
	const struct mm_statement_entry *body = at->body;
	struct mm_claim claim;
	enum mm_error error = check_bringer(at, body->principal, body->request);

	*basis = (struct mm_audit_basis){.index = at->index,
	    .time = at->frame->time,
	    .roster = at->audit->force.index,
	    .holds = true};
	if (error == MM_OK)
		error =
		    keep_statements(at, at->frame->kind, &basis->statements);
	if (error == MM_OK)
		error = check_statements(
		    at, &basis->statements, statement, &claim, claim_body);
	if (error == MM_OK)
		error = take_statement(at, &basis->statements);
	return error;
}

/* --- kinds --- */

/* A key of the mint is nobody else's, even when it is retired. */
static enum mm_error
add_key(const struct mm_audit_at *at, const struct mm_genesis_key *key,
    struct mm_audit_key **out)
{
	struct mm_audit *audit = at->audit;
	struct mm_audit_key *one = &audit->keys[audit->key_count];
	struct mm_span none = mm_span(NULL, 0);
	struct mm_thing_name name;
	struct mm_key read;
	enum mm_error error = mm_key_read(key->spki, &read);

	if (error != MM_OK)
		return error;
	if (audit->key_count == MM_AUDIT_KEYS)
		return mm_audit_wrong(
		    "the log names more than %d keys", MM_AUDIT_KEYS);
	*one = (struct mm_audit_key){.key = *key};
	memcpy(one->sha256, read.sha256, sizeof(one->sha256));
	audit->key_count++;
	*out = one;
	name = mm_thing_name(MM_THING_KEY,
	    mm_span(one->sha256, sizeof(one->sha256)), none, none);
	return mm_fact_take(audit->ledger, MM_THING_KEY, &name, at->index);
}

enum mm_error
mm_audit_genesis(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_audit_key *unused;
	enum mm_error error;

	if (at->index != 0)
		return mm_audit_wrong("it is a second genesis");
	error = mm_birth_read(at->bytes, &audit->birth, &audit->force);
	if (error != MM_OK)
		return error;
	if (strcmp(audit->birth.vkey.name, audit->vkey.name) != 0)
		return mm_audit_wrong("it begins the log %s, not %s",
		    audit->birth.vkey.name, audit->vkey.name);
	if (memcmp(audit->birth.vkey.public_key, audit->vkey.public_key, 32) !=
	    0)
		return mm_audit_wrong("it begins a log with another key");
	for (mm_list_each(
		 const struct mm_genesis_key, key, audit->birth.genesis.keys)) {
		error = add_key(at, key, &unused);
		if (error != MM_OK)
			return error;
	}
	audit->begun = true;
	return MM_OK;
}

enum mm_error
mm_audit_policy(const struct mm_audit_at *at)
{
	const struct mm_policy_entry *body = at->body;
	struct mm_audit *audit = at->audit;
	mm_auto(force) next;
	enum mm_error error;

	error = mm_force_read(
	    at->bytes, at->index, &audit->birth, &audit->force, &next);
	if (error == MM_OK)
		error = take_statement(at, &body->statements);
	if (error != MM_OK)
		return error;
	mm_force_clear(&audit->force);
	audit->force = next;
	mm_force_init(&next);
	return MM_OK;
}

/* A key that is held is held by one; a change of key gives the old one
 * back. */
static enum mm_error
change_key(const struct mm_audit_at *at, struct mm_audit_person *person,
    const struct mm_principal_claim *claim)
{
	struct mm_span none = mm_span(NULL, 0);
	struct mm_ledger *ledger = at->audit->ledger;
	struct mm_thing_name name;
	enum mm_error error = MM_OK;

	if (person->holds_key &&
	    memcmp(person->key, claim->key, sizeof(person->key)) == 0)
		return MM_OK;
	if (person->holds_key) {
		name = mm_thing_name(MM_THING_KEY,
		    mm_span(person->key, sizeof(person->key)), none, none);
		error =
		    mm_fact_give_back(ledger, MM_THING_KEY, &name, at->index);
	}
	/* The key in a statement that disables says nothing. */
	person->holds_key = !claim->disabled;
	if (error != MM_OK || claim->disabled)
		return error;
	memcpy(person->key, claim->key, sizeof(person->key));
	name = mm_thing_name(MM_THING_KEY,
	    mm_span(person->key, sizeof(person->key)), none, none);
	return mm_fact_take(ledger, MM_THING_KEY, &name, at->index);
}

static enum mm_error
find_or_make(
    struct mm_audit *audit, struct mm_span name, struct mm_audit_person **out)
{
	struct mm_audit_people *people = &audit->people;

	*out = mm_audit_person(audit, name);
	if (*out != NULL)
		return MM_OK;
	*out = keep(audit, sizeof(**out));
	if (*out == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	(*out)->name = name;
	return array_insert((void ***)&people->persons, &people->person_count,
	    &people->person_capacity, person_place(people, name), *out);
}

enum mm_error
mm_audit_principal(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_audit_people *people = &audit->people;
	struct mm_audit_principal *one = keep(audit, sizeof(*one));
	const struct mm_principal_claim *claim;
	struct mm_audit_person *person = NULL;
	enum mm_error error;

	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	claim = &one->claim;
	error = state(at, MM_STATEMENT_PRINCIPAL, &one->claim, &one->basis);
	if (error != MM_OK)
		return error;
	if (claim->disabled && audit->started &&
	    mm_audit_person(audit, claim->name) == NULL)
		return mm_audit_wrong("it disables principal %.*s, who was "
				      "not registered",
		    MM_SPAN(claim->name));
	error = find_or_make(audit, claim->name, &person);
	if (error == MM_OK)
		error = change_key(at, person, claim);
	if (error == MM_OK)
		error = array_insert((void ***)&people->principals,
		    &people->principal_count, &people->principal_capacity,
		    people->principal_count, one);
	if (error != MM_OK)
		return error;
	one->person = person;
	person->basis = at->index;
	person->now = (struct mm_principal){.name = claim->name,
	    .role = claim->role,
	    .profiles = claim->profiles,
	    .daily = claim->daily,
	    .disabled = claim->disabled,
	    .basis = at->index};
	return MM_OK;
}

/* The authority asks this of every order but those of the log's birth. */
static enum mm_error
check_order(const struct mm_audit_at *at, const struct mm_order_claim *claim)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&at->audit->force.policy, claim->profile);

	if (!at->audit->started)
		return MM_OK;
	if (profile == NULL || profile->purpose != MM_PURPOSE_DEVICE)
		return mm_audit_wrong(
		    "the policy in force has no profile %.*s for devices",
		    MM_SPAN(claim->profile));
	return mm_order_sound(claim);
}

enum mm_error
mm_audit_order(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_audit_people *people = &audit->people;
	struct mm_audit_order *one = keep(audit, sizeof(*one));
	struct mm_span none = mm_span(NULL, 0);
	struct mm_thing_name name;
	enum mm_error error;

	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	error = state(at, MM_STATEMENT_ORDER, &one->claim, &one->basis);
	if (error == MM_OK)
		error = check_order(at, &one->claim);
	if (error != MM_OK)
		return error;
	name = mm_thing_name(MM_THING_ORDER, one->claim.name, none, none);
	error = mm_fact_take(audit->ledger, MM_THING_ORDER, &name, at->index);
	if (error == MM_OK)
		error = array_insert((void ***)&people->orders,
		    &people->order_count, &people->order_capacity,
		    people->order_count, one);
	return error;
}

enum mm_error
mm_audit_revocation(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_span none = mm_span(NULL, 0);
	struct mm_revoke_claim claim;
	struct mm_audit_basis basis;
	enum mm_error error = state(at, MM_STATEMENT_REVOKE, &claim, &basis);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_revoked, one, claim.revoked)) {
		struct mm_thing_name serial =
		    mm_thing_name(MM_THING_SERIAL, one->serial, none, none);
		uint32_t act;

		error = mm_revocations_add(
		    audit->revocations, &serial, at->index, one->reason, &act);
		if (error == MM_OK)
			error = mm_fact_revoked(
			    audit->ledger, &serial, at->index, act);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* --- keys --- */

static enum mm_error
check_added(const struct mm_audit_at *at, const struct mm_key_entry *body,
    const struct mm_ceremony_claim *ceremony)
{
	for (size_t i = 0; i < at->audit->key_count; i++)
		if (mm_span_equal(at->audit->keys[i].key.name, body->name) ||
		    mm_span_equal(at->audit->keys[i].key.spki, body->spki))
			return mm_audit_wrong(
			    "the log had the key \"%.*s\" before",
			    MM_SPAN(at->audit->keys[i].key.name));
	for (mm_list_each(const struct mm_ceremony_key, key, ceremony->keys))
		if (mm_span_equal(key->name, body->name) &&
		    key->use == body->use)
			return MM_OK;
	return mm_audit_wrong(
	    "its ceremony does not list the key \"%.*s\" for this use",
	    MM_SPAN(body->name));
}

static enum mm_error
check_retired(const struct mm_audit_at *at, const struct mm_key_entry *body,
    const struct mm_ceremony_claim *ceremony)
{
	const struct mm_audit_key *key =
	    mm_audit_key_named(at->audit, body->name);

	if (key == NULL || key->key.use != body->use ||
	    !mm_span_equal(key->key.spki, body->spki))
		return mm_audit_wrong("it retires a key \"%.*s\" that the log "
				      "does not have",
		    MM_SPAN(body->name));
	if (mm_texts_hold(&ceremony->retired, body->name))
		return MM_OK;
	return mm_audit_wrong("its ceremony does not retire the key \"%.*s\"",
	    MM_SPAN(body->name));
}

static enum mm_error
check_ceremony(const struct mm_audit_at *at, const struct mm_key_entry *body,
    struct mm_claim *claim, struct mm_ceremony_claim *ceremony)
{
	const struct mm_audit *audit = at->audit;
	enum mm_error error = check_bringer(at, body->principal, body->request);

	if (error == MM_OK)
		error = check_statements(at, &body->statements,
		    MM_STATEMENT_CEREMONY, claim, ceremony);
	if (error != MM_OK)
		return error;
	if (memcmp(ceremony->policy, audit->birth.ceremony.policy,
		sizeof(ceremony->policy)) != 0 &&
	    memcmp(ceremony->policy, audit->force.digest,
		sizeof(ceremony->policy)) != 0)
		return mm_audit_wrong(
		    "its ceremony was held under another policy");
	return body->retired ? check_retired(at, body, ceremony)
			     : check_added(at, body, ceremony);
}

enum mm_error
mm_audit_key(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_span copy = mm_arena_copy(&audit->arena, at->bytes);
	struct mm_ceremony_claim ceremony;
	struct mm_key_entry body;
	struct mm_audit_key *key;
	struct mm_claim claim;
	struct mm_entry frame;
	enum mm_error error;

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	error = mm_entry_decode_as(
	    copy, MM_ENTRY_KEY, &audit->arena, &frame, &body);
	if (error == MM_OK)
		error = check_ceremony(at, &body, &claim, &ceremony);
	if (error != MM_OK)
		return error;
	if (body.retired) {
		mm_audit_key_named(audit, body.name)->retired = true;
		return MM_OK;
	}
	error = add_key(
	    at, &(struct mm_genesis_key){body.name, body.use, body.spki}, &key);
	if (error != MM_OK)
		return error;
	key->index = at->index;
	key->ceremony = ceremony;
	key->ceremony_end = claim.expiry;
	return MM_OK;
}
