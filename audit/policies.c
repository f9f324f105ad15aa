/*
 * Another policy comes into force, by the roster of the one before it.
 */
#include "audit/state.h"

/* Names of the mint's keys that issue. */
static enum mm_error
list_issuers(const struct mm_audit_at *at, struct mm_list *out)
{
	const struct mm_audit *audit = at->audit;
	struct mm_text_item *items =
	    mm_arena_alloc(at->arena, (audit->key_count + 1) * sizeof(*items));
	size_t count = 0;

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	for (size_t i = 0; i < audit->key_count; i++)
		if (audit->keys[i].followed->retired == 0 &&
		    audit->keys[i].tbs_count > 0)
			items[count++].value =
			    audit->keys[i].followed->key.name;
	*out = (struct mm_list){items, count};
	return MM_OK;
}

static uint64_t
count_officers(const struct mm_audit_people *people)
{
	uint64_t count = 0;

	for (size_t i = 0; i < people->persons.count; i++) {
		const struct mm_audit_person *one = people->persons.items[i];

		if (one->now.role == MM_ROLE_OFFICER && !one->now.disabled)
			count++;
	}
	return count;
}

/* Nobody is locked out by what the log's birth says: it is the first. */
static enum mm_error
decide(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	const struct mm_policy_entry *body = at->body;
	struct mm_policy next;
	struct mm_policy_facts facts = {
	    .former = &mm_audit_force(audit)->policy,
	    .next = &next,
	    .officers = count_officers(&audit->people)};
	enum mm_error error;

	if (!audit->started)
		return MM_OK;
	error = mm_policy_decode(body->policy, at->arena, &next);
	if (error == MM_OK)
		error = list_issuers(at, &facts.issuers);
	return error == MM_OK ? mm_decide_policy(&facts) : error;
}

enum mm_error
mm_audit_policy(const struct mm_audit_at *at)
{
	const struct mm_policy_entry *body = at->body;
	struct mm_audit *audit = at->audit;
	struct mm_thing_name name;
	enum mm_error error = mm_audit_brought(
	    at, MM_STATEMENT_POLICY, body->principal, body->request);

	if (error == MM_OK)
		error = decide(at);
	if (error == MM_OK)
		error =
		    mm_following_read(&audit->following, at->bytes, at->index);
	if (error == MM_OK)
		error = mm_audit_payload(&body->statements, &name);
	return error == MM_OK ? mm_fact_take(audit->ledger, MM_THING_STATEMENT,
				    &name, at->index)
			      : error;
}
