#include "policy/decide.h"

#include <string.h>

#include "protocol/message.h"

enum mm_error
mm_decide_message(const struct mm_principal *principal, uint64_t type)
{
	const struct mm_message_type_row *row = mm_message_row(type);
	const char *role;

	if (principal == NULL)
		return mm_fail(
		    MM_E_PRINCIPAL, "%s", mm_error_text(MM_E_PRINCIPAL));
	if (principal->disabled)
		return mm_fail(MM_E_PRINCIPAL, "principal %.*s is disabled",
		    MM_SPAN(principal->name));
	if (row == NULL)
		return mm_fail(MM_E_UNKNOWN, "there is no message %llu",
		    (unsigned long long)type);
	role = mm_role_name(principal->role);
	if (role == NULL || principal->role >= MM_ROLES ||
	    (row->roles >> principal->role & 1) == 0)
		return mm_fail(MM_E_ROLE,
		    "principal %.*s has the role %s, which may not ask for "
		    "\"%s\"",
		    MM_SPAN(principal->name), role != NULL ? role : "?",
		    row->name);
	return MM_OK;
}

typedef enum mm_error issue_rule(const struct mm_issue_facts *);

static enum mm_error
rule_role(const struct mm_issue_facts *facts)
{
	enum mm_error error =
	    mm_decide_message(facts->principal, MM_MESSAGE_ISSUE);

	if (error == MM_OK && facts->principal->role != MM_ROLE_STATION)
		return mm_fail(MM_E_ROLE, "principal %.*s is no station",
		    MM_SPAN(facts->principal->name));
	return error;
}

static enum mm_error
rule_profile(const struct mm_issue_facts *facts)
{
	const struct mm_profile *profile =
	    mm_policy_profile(facts->policy, facts->profile);

	if (profile == NULL)
		return mm_fail(MM_E_PROFILE,
		    "the policy in force has no profile %.*s",
		    MM_SPAN(facts->profile));
	if (profile->purpose != MM_PURPOSE_DEVICE)
		return mm_fail(MM_E_PROFILE_DENIED,
		    "profile %.*s is not for devices", MM_SPAN(facts->profile));
	return MM_OK;
}

static enum mm_error
rule_principal_profile(const struct mm_issue_facts *facts)
{
	if (mm_texts_hold(&facts->principal->profiles, facts->profile))
		return MM_OK;
	return mm_fail(MM_E_PROFILE_DENIED,
	    "station %.*s may not use profile %.*s",
	    MM_SPAN(facts->principal->name), MM_SPAN(facts->profile));
}

static enum mm_error
rule_device(const struct mm_issue_facts *facts)
{
	return mm_device_check(facts->device);
}

static enum mm_error
rule_order(const struct mm_issue_facts *facts)
{
	if (facts->order == NULL)
		return mm_fail(MM_E_ORDER, "%s", mm_error_text(MM_E_ORDER));
	return mm_order_cover(facts->order, facts->profile, facts->device,
	    facts->principal->name);
}

static enum mm_error
rule_key_type(const struct mm_issue_facts *facts)
{
	const struct mm_profile *profile =
	    mm_policy_profile(facts->policy, facts->profile);

	if (facts->key_type >= 64 ||
	    (profile->keys >> facts->key_type & 1) == 0)
		return mm_fail(MM_E_KEY_TYPE,
		    "profile %.*s does not allow keys of this kind",
		    MM_SPAN(facts->profile));
	return MM_OK;
}

/* DESIGN.md promise 2: one live certificate per (profile, device). */
static enum mm_error
rule_once(const struct mm_issue_facts *facts)
{
	if (!facts->device_issued)
		return MM_OK;
	if (facts->device_held)
		return mm_fail(MM_E_DEVICE_ISSUED,
		    "the certificate of device %.*s is on hold: lift that, "
		    "revoke it for good, or ask for a reissue",
		    MM_SPAN(facts->device));
	return mm_fail(MM_E_DEVICE_ISSUED,
	    facts->device_same_key
		? "device %.*s has its certificate under another order"
		: "device %.*s has a certificate for another key",
	    MM_SPAN(facts->device));
}

/* DESIGN.md promise 2: a key is never used for two devices. */
static enum mm_error
rule_key_elsewhere(const struct mm_issue_facts *facts)
{
	if (facts->key_elsewhere)
		return mm_fail(MM_E_KEY_USED,
		    "the key that device %.*s brings is in another "
		    "certificate",
		    MM_SPAN(facts->device));
	return MM_OK;
}

/* Whoever had it revoked does not believe in it any more. */
static enum mm_error
rule_key_revoked(const struct mm_issue_facts *facts)
{
	if (facts->key_revoked)
		return mm_fail(MM_E_KEY_USED,
		    "the key that device %.*s brings was in a certificate "
		    "that is revoked: make a new key",
		    MM_SPAN(facts->device));
	return MM_OK;
}

static enum mm_error
rule_budget(const struct mm_issue_facts *facts)
{
	if (facts->order_used >= facts->order->units)
		return mm_fail(MM_E_ORDER_EXHAUSTED,
		    "all %llu units of order %.*s are used up",
		    (unsigned long long)facts->order->units,
		    MM_SPAN(facts->order->name));
	return MM_OK;
}

static enum mm_error
rule_replaceable(const struct mm_issue_facts *facts)
{
	if (!facts->device_issued)
		return mm_fail(MM_E_NOT_FOUND,
		    "device %.*s has no certificate of profile %.*s to "
		    "replace: ask without reissue",
		    MM_SPAN(facts->device), MM_SPAN(facts->profile));
	if (facts->device_unsigned)
		return mm_fail(MM_E_BUSY,
		    "the certificate of device %.*s is being signed: ask "
		    "again",
		    MM_SPAN(facts->device));
	return MM_OK;
}

static enum mm_error
rule_allowance(const struct mm_issue_facts *facts)
{
	if (facts->order_reissued >= facts->order->reissue)
		return mm_fail(MM_E_REISSUE,
		    "all %llu reissues that order %.*s allows are used up",
		    (unsigned long long)facts->order->reissue,
		    MM_SPAN(facts->order->name));
	return MM_OK;
}

static enum mm_error
rule_open(const struct mm_issue_facts *facts)
{
	return mm_order_open(facts->order, facts->now);
}

static enum mm_error
rule_daily(const struct mm_issue_facts *facts)
{
	if (facts->principal->daily != 0 &&
	    facts->today >= facts->principal->daily)
		return mm_fail(MM_E_DAILY,
		    "station %.*s has had its %llu certificates of today",
		    MM_SPAN(facts->principal->name),
		    (unsigned long long)facts->principal->daily);
	return MM_OK;
}

/* Who may ask for what; holds for a repeated answer, too. */
static issue_rule *const to_ask[] = {rule_role, rule_profile,
    rule_principal_profile, rule_device, rule_order, rule_key_type};

/* What a new certificate needs beyond that. */
static issue_rule *const to_sign[] = {rule_once, rule_key_elsewhere,
    rule_key_revoked, rule_budget, rule_open, rule_daily};

/* And one that voids another: it is no unit of the order. */
static issue_rule *const to_replace[] = {rule_replaceable, rule_key_elsewhere,
    rule_key_revoked, rule_allowance, rule_open, rule_daily};

static enum mm_error
apply(
    issue_rule *const *rules, size_t count, const struct mm_issue_facts *facts)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = rules[i](facts);
	return error;
}

/* Nothing is signed anew, so neither budget nor end matter; but nobody takes
 * for good what officers have put on hold. */
static enum mm_issue_verdict
issue_again(const struct mm_issue_facts *facts, enum mm_error *error)
{
	if (!facts->device_held)
		return MM_ISSUE_AGAIN;
	*error =
	    mm_fail(MM_E_REVOKED, "the certificate of device %.*s is on hold",
		MM_SPAN(facts->device));
	return MM_ISSUE_DENY;
}

enum mm_issue_verdict
mm_decide_issue(const struct mm_issue_facts *facts, enum mm_error *error)
{
	enum mm_issue_verdict verdict = MM_ISSUE_DENY;

	*error = apply(to_ask, MM_COUNT(to_ask), facts);
	if (*error != MM_OK)
		return verdict;
	if (facts->device_issued && facts->device_same_key &&
	    facts->device_same_order)
		return issue_again(facts, error);
	if (facts->reissue)
		*error = apply(to_replace, MM_COUNT(to_replace), facts);
	else
		*error = apply(to_sign, MM_COUNT(to_sign), facts);
	if (*error == MM_OK)
		verdict = facts->reissue ? MM_ISSUE_REPLACE : MM_ISSUE_NEW;
	return verdict;
}

static enum mm_error
unapproved(const struct mm_release_facts *facts, const char *what)
{
	return mm_fail(MM_E_RELEASE, "%s of %.*s %.*s is not what was approved",
	    what, MM_SPAN(facts->product), MM_SPAN(facts->version));
}

static enum mm_error
check_digest(const struct mm_release_facts *facts)
{
	for (mm_list_each(
		 const struct mm_scheme_digest, item, facts->claim->schemes))
		if (mm_span_equal(item->scheme, facts->scheme) &&
		    memcmp(item->digest, facts->digest, sizeof(item->digest)) ==
			0)
			return MM_OK;
	return unapproved(facts, "the digest");
}

static enum mm_error
check_claim(const struct mm_release_facts *facts)
{
	const struct mm_release_claim *claim = facts->claim;

	if (claim == NULL)
		return mm_fail(MM_E_RELEASE, "%s", mm_error_text(MM_E_RELEASE));
	if (!mm_span_equal(claim->product, facts->product))
		return unapproved(facts, "the product");
	if (!mm_span_equal(claim->version, facts->version))
		return unapproved(facts, "the version");
	if (claim->size != facts->size)
		return unapproved(facts, "the size");
	if (memcmp(claim->sha256, facts->sha256, sizeof(claim->sha256)) != 0)
		return unapproved(facts, "the image");
	return check_digest(facts);
}

/* What the entry says of the image is what the product asks for; whether the
 * image says so, too, knew who has read it (policy/rules.h). */
static enum mm_error
check_facts(
    const struct mm_release_facts *facts, const struct mm_product *product)
{
	const struct {
		const char *what;
		struct mm_span wanted, said;
	} texts[] = {{"format", product->format, facts->format},
	    {"chip", product->chip, facts->chip},
	    {"project", product->project, facts->project}};

	for (size_t i = 0; i < MM_COUNT(texts); i++)
		if (texts[i].wanted.size > 0 &&
		    !mm_span_equal(texts[i].wanted, texts[i].said))
			return mm_fail(MM_E_IMAGE_RULES,
			    "the image's %s is \"%.*s\"; product %.*s is for "
			    "%.*s",
			    texts[i].what, MM_SPAN(texts[i].said),
			    MM_SPAN(facts->product), MM_SPAN(texts[i].wanted));
	if (facts->secure_version < product->secure_version)
		return mm_fail(MM_E_IMAGE_RULES,
		    "the image's secure_version is %llu; product %.*s asks "
		    "for %llu",
		    (unsigned long long)facts->secure_version,
		    MM_SPAN(facts->product),
		    (unsigned long long)product->secure_version);
	return MM_OK;
}

/* Of statements alone, and of what nobody has read, there are no facts. */
static enum mm_error
check_rules(
    const struct mm_release_facts *facts, const struct mm_product *product)
{
	if (product->slot != 0 && facts->size > product->slot)
		return mm_fail(MM_E_IMAGE_SIZE,
		    "the image has %llu bytes; the smallest OTA slot of "
		    "product %.*s has %llu",
		    (unsigned long long)facts->size, MM_SPAN(facts->product),
		    (unsigned long long)product->slot);
	return facts->format.size == 0 ||
		       mm_span_is(facts->format, MM_FORMAT_UNREAD)
		   ? MM_OK
		   : check_facts(facts, product);
}

enum mm_error
mm_decide_release(const struct mm_release_facts *facts)
{
	enum mm_error error;
	const struct mm_product *product =
	    mm_policy_product(facts->policy, facts->product);

	if (product == NULL)
		return mm_fail(MM_E_PRODUCT,
		    "the policy in force has no product %.*s",
		    MM_SPAN(facts->product));
	if (!mm_texts_hold(&product->schemes, facts->scheme))
		return mm_fail(MM_E_SCHEME,
		    "product %.*s may not be signed by %.*s",
		    MM_SPAN(facts->product), MM_SPAN(facts->scheme));
	if (product->size != 0 && facts->size > product->size)
		return mm_fail(MM_E_IMAGE_SIZE,
		    "the image has %llu bytes; product %.*s allows %llu",
		    (unsigned long long)facts->size, MM_SPAN(facts->product),
		    (unsigned long long)product->size);
	if (!product->unread && mm_span_is(facts->format, MM_FORMAT_UNREAD))
		return mm_fail(MM_E_RELEASE,
		    "nobody has read the image; product %.*s allows no such "
		    "one (unread = yes)",
		    MM_SPAN(facts->product));
	error = check_rules(facts, product);
	return error == MM_OK ? check_claim(facts) : error;
}
