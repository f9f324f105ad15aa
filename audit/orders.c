/*
 * Orders: a name's first terms, and every later revision of them, each the
 * next one. What was used stays used under all of them.
 */
#include "audit/state.h"

enum mm_error
mm_audit_find_order(
    struct mm_audit *audit, uint64_t index, struct mm_audit_order **out)
{
	*out = mm_audit_at_index(&audit->people.revisions, index);
	if (*out != NULL)
		return MM_OK;
	return mm_audit_wrong(
	    "its basis, entry %llu, is no order", (unsigned long long)index);
}

/* The authority asks this of every order but those of the log's birth. */
static enum mm_error
check_order(const struct mm_audit_at *at, const struct mm_order_claim *claim,
    const struct mm_audit_ordered *former)
{
	const struct mm_order_facts facts = {
	    .policy = &mm_audit_force(at->audit)->policy,
	    .former = former != NULL ? &former->newest->claim : NULL,
	    .claim = claim};
	enum mm_error error;

	if (!at->audit->started && former == NULL && claim->revision == 0)
		return MM_OK;
	error = mm_order_sound(claim);
	return error == MM_OK ? mm_decide_order(&facts) : error;
}

static enum mm_error
make_order(
    struct mm_audit *audit, struct mm_span name, struct mm_audit_ordered **out)
{
	struct mm_audit_array *orders = &audit->people.orders;

	*out = mm_audit_keep(audit, sizeof(**out));
	if (*out == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	(*out)->name = name;
	return mm_audit_insert(orders, mm_audit_name_place(orders, name), *out);
}

enum mm_error
mm_audit_order(const struct mm_audit_at *at)
{
	struct mm_audit *audit = at->audit;
	struct mm_audit_array *revisions = &audit->people.revisions;
	struct mm_audit_order *one = mm_audit_keep(audit, sizeof(*one));
	struct mm_audit_ordered *order;
	enum mm_error error;

	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	one->index = at->index;
	error = mm_audit_state(at, MM_STATEMENT_ORDER, &one->claim);
	if (error != MM_OK)
		return error;
	order = mm_audit_named(&audit->people.orders, one->claim.name);
	error = check_order(at, &one->claim, order);
	if (error == MM_OK && order == NULL)
		error = make_order(audit, one->claim.name, &order);
	if (error == MM_OK)
		error = mm_audit_insert(revisions, revisions->count, one);
	if (error != MM_OK)
		return error;
	one->order = order;
	order->newest = one;
	return MM_OK;
}
