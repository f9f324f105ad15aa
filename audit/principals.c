/*
 * Who may ask for what, as people have said: the newest statement of a name
 * counts, and a key that is held is held by one.
 */
#include <string.h>

#include "audit/state.h"

enum mm_error
mm_audit_find_principal(
    struct mm_audit *audit, uint64_t index, struct mm_audit_principal **out)
{
	*out = mm_audit_at_index(&audit->people.principals, index);
	if (*out != NULL)
		return MM_OK;
	return mm_audit_wrong("its basis, entry %llu, is no principal",
	    (unsigned long long)index);
}

static enum mm_error
add_key_fact(const struct mm_audit_at *at, enum mm_fact_kind kind,
    const struct mm_audit_person *person)
{
	struct mm_span none = mm_span(NULL, 0);
	struct mm_thing_name name = mm_thing_name(MM_THING_KEY,
	    mm_span(person->key, sizeof(person->key)), none, none);

	return mm_fact_add(
	    at->audit->ledger, kind, MM_THING_KEY, &name, at->index, 0);
}

/* A change of key gives the old one back. */
static enum mm_error
change_key(const struct mm_audit_at *at, struct mm_audit_person *person,
    const struct mm_principal_claim *claim)
{
	enum mm_error error = MM_OK;

	if (person->holds_key &&
	    memcmp(person->key, claim->key, sizeof(person->key)) == 0)
		return MM_OK;
	if (person->holds_key)
		error = add_key_fact(at, MM_FACT_GIVEN_BACK, person);
	/* The key in a statement that disables says nothing. */
	person->holds_key = !claim->disabled;
	if (error != MM_OK || claim->disabled)
		return error;
	memcpy(person->key, claim->key, sizeof(person->key));
	return add_key_fact(at, MM_FACT_HELD, person);
}

static enum mm_error
find_or_make(
    struct mm_audit *audit, struct mm_span name, struct mm_audit_person **out)
{
	struct mm_audit_array *persons = &audit->people.persons;

	*out = mm_audit_person(audit, name);
	if (*out != NULL)
		return MM_OK;
	*out = mm_audit_keep(audit, sizeof(**out));
	if (*out == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	(*out)->name = name;
	return mm_audit_insert(
	    persons, mm_audit_name_place(persons, name), *out);
}

static void
register_now(const struct mm_audit_at *at, struct mm_audit_principal *one)
{
	const struct mm_principal_claim *claim = &one->claim;

	one->person->basis = at->index;
	one->person->now = (struct mm_principal){.name = claim->name,
	    .role = claim->role,
	    .profiles = claim->profiles,
	    .daily = claim->daily,
	    .minute = claim->minute,
	    .disabled = claim->disabled,
	    .basis = at->index};
}

enum mm_error
mm_audit_principal(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_audit_array *principals = &audit->people.principals;
	struct mm_audit_principal *one = mm_audit_keep(audit, sizeof(*one));
	const struct mm_principal_claim *claim;
	enum mm_error error;

	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	one->index = at->index;
	claim = &one->claim;
	error = mm_audit_state(at, MM_STATEMENT_PRINCIPAL, &one->claim);
	if (error != MM_OK)
		return error;
	if (claim->disabled && audit->started &&
	    mm_audit_person(audit, claim->name) == NULL)
		return mm_audit_wrong("it disables principal %.*s, who was "
				      "not registered",
		    MM_SPAN(claim->name));
	error = find_or_make(audit, claim->name, &one->person);
	if (error == MM_OK)
		error = change_key(at, one->person, claim);
	if (error == MM_OK)
		error = mm_audit_insert(principals, principals->count, one);
	if (error == MM_OK)
		register_now(at, one);
	return error;
}
