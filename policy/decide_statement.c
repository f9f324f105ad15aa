/*
 * What officers state is held against what is known before it is entered:
 * revocations, revisions of an order, another policy.
 */
#include "policy/decide.h"

/* CRLReason, RFC 5280 5.3.1 */
enum { HOLD = 6, UNUSED = 7, REMOVE = 8, REASON_MAX = 10 };

enum mm_error
mm_decide_revoke(const struct mm_revoke_facts *facts)
{
	if (facts->reason > REASON_MAX || facts->reason == UNUSED)
		return mm_fail(MM_E_STATEMENT,
		    "%llu is no reason (RFC 5280 5.3.1)",
		    (unsigned long long)facts->reason);
	if (!facts->known)
		return mm_fail(MM_E_NOT_FOUND,
		    "no certificate of this mint has the serial");
	if (facts->revoked == 0 && facts->reason == REMOVE)
		return mm_fail(MM_E_STATEMENT,
		    "the certificate is not on hold, so that nothing can be "
		    "taken back (RFC 5280 5.3.1)");
	if (facts->revoked == 0)
		return MM_OK;
	if (facts->revoked != 1 + HOLD)
		return mm_fail(MM_E_REVOKED,
		    "the certificate is revoked for good, with the reason "
		    "%llu",
		    (unsigned long long)facts->revoked - 1);
	if (facts->reason == HOLD)
		return mm_fail(
		    MM_E_REVOKED, "the certificate is on hold already");
	return MM_OK;
}

/* That a revision follows the one in force. */
static enum mm_error
check_revision(
    const struct mm_order_claim *former, const struct mm_order_claim *claim)
{
	if (claim->revision == 0)
		return mm_fail(MM_E_NAME_TAKEN,
		    "there is an order %.*s; its next revision is %llu",
		    MM_SPAN(claim->name),
		    (unsigned long long)former->revision + 1);
	if (claim->revision != former->revision + 1)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "this is revision %llu of order %.*s; the next one is "
		    "%llu",
		    (unsigned long long)claim->revision, MM_SPAN(claim->name),
		    (unsigned long long)former->revision + 1);
	if (!mm_span_equal(claim->profile, former->profile))
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "order %.*s is for profile %.*s, not %.*s: another "
		    "profile needs another order",
		    MM_SPAN(claim->name), MM_SPAN(former->profile),
		    MM_SPAN(claim->profile));
	return MM_OK;
}

enum mm_error
mm_decide_order(const struct mm_order_facts *facts)
{
	const struct mm_order_claim *claim = facts->claim;
	const struct mm_profile *profile =
	    mm_policy_profile(facts->policy, claim->profile);
	enum mm_error error = MM_OK;

	if (facts->former != NULL)
		error = check_revision(facts->former, claim);
	else if (claim->revision != 0)
		error = mm_fail(MM_E_ORDER,
		    "there is no order %.*s that revision %llu could follow",
		    MM_SPAN(claim->name), (unsigned long long)claim->revision);
	if (error != MM_OK)
		return error;
	/* An order can be closed whatever became of its profile. */
	if (!claim->closed &&
	    (profile == NULL || profile->purpose != MM_PURPOSE_DEVICE))
		return mm_fail(MM_E_PROFILE,
		    "there is no profile %.*s for devices",
		    MM_SPAN(claim->profile));
	return MM_OK;
}

/* The mint takes the first profile of these purposes. */
static enum mm_error
check_identity(
    const struct mm_policy_facts *facts, uint64_t purpose, const char *whose)
{
	for (mm_list_each(
		 const struct mm_profile, profile, facts->next->profiles)) {
		if (profile->purpose != purpose)
			continue;
		if (mm_texts_hold(&facts->issuers, profile->issuer))
			return MM_OK;
		return mm_fail(MM_E_LOCK_OUT,
		    "profile %.*s, which %s needs, is issued by %.*s, which "
		    "is no access CA in force: hold a ceremony for it first",
		    MM_SPAN(profile->name), whose, MM_SPAN(profile->issuer));
	}
	return mm_fail(MM_E_LOCK_OUT,
	    "the policy has no profile for what %s needs", whose);
}

enum mm_error
mm_decide_policy(const struct mm_policy_facts *facts)
{
	enum mm_error error;

	if (facts->next->number != facts->former->number + 1)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "the policy has the number %llu; the next one is %llu",
		    (unsigned long long)facts->next->number,
		    (unsigned long long)facts->former->number + 1);
	if (facts->next->names.count == 0)
		return mm_fail(MM_E_LOCK_OUT,
		    "the policy gives the appliance no name, so that nobody "
		    "would know it");
	error = check_identity(
	    facts, MM_PURPOSE_SERVER, "the appliance's own certificate");
	if (error == MM_OK)
		error = check_identity(
		    facts, MM_PURPOSE_CLIENT, "everybody's TLS certificate");
	if (error == MM_OK && facts->officers == 0)
		error = mm_fail(MM_E_LOCK_OUT,
		    "no principal of the role officer is left, who could "
		    "bring the next policy: register one first");
	return error;
}
