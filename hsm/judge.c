#include "hsm/judged.h"

#include "ca/lint.h"
#include "hsm/verify.h"
#include "policy/order.h"

#include <string.h>

enum {
	CHAIN_MAX = 4,             /* certificates from a leaf to its root */
	SERVER_MAX = 7 * 24 * 3600 /* seconds of a TLS server certificate */
};

/* A certificate entry before the judge, and what was found out about it. */
struct matter {
	const struct mm_entry *frame;
	const struct mm_certificate_entry *entry;
	const struct mm_profile *profile;
	struct mm_tbs tbs;
	const struct mm_genesis_key *issuer;
	const struct mm_genesis_key *own; /* where the TBS's key is ours */
	unsigned depth;                   /* below the item */
};

#define refuse mm_judge_refuse

static enum mm_error
find_issuer(const struct mm_judge *judge, const struct matter *matter,
    struct mm_span *tbs)
{
	if (matter->depth == CHAIN_MAX)
		return refuse("its chain is longer than %d", CHAIN_MAX);
	return judge->sources->issuer(
	    judge->sources->self, matter->issuer, matter->depth + 1, tbs);
}

/* What each purpose rests on. */

/* Others' certificates: never for a key of the mint, by one CA alone. */
static enum mm_error
check_issuer(const struct matter *matter, uint64_t use)
{
	if (matter->own != NULL)
		return refuse("its key is the mint's own key \"%.*s\"",
		    MM_SPAN(matter->own->name));
	if (matter->issuer->use != use)
		return refuse("the key \"%.*s\" is for %s, not for this",
		    MM_SPAN(matter->issuer->name),
		    mm_key_use_name(matter->issuer->use));
	if (!mm_span_equal(matter->issuer->name, matter->profile->issuer))
		return refuse("profile %.*s is issued by %.*s, not by %.*s",
		    MM_SPAN(matter->profile->name),
		    MM_SPAN(matter->profile->issuer),
		    MM_SPAN(matter->issuer->name));
	return MM_OK;
}

static enum mm_error
check_device(const struct mm_judge *judge, const struct matter *matter)
{
	const struct mm_certificate_entry *entry = matter->entry;
	const struct mm_order_claim *order;
	enum mm_error error = check_issuer(matter, MM_KEY_DEVICE_CA);

	if (error == MM_OK)
		error = mm_device_check(entry->subject);
	if (error != MM_OK)
		return error;
	/* mm_order_check() would look at no station at all. */
	if (entry->principal.size == 0)
		return refuse("no station asked for this device");
	error =
	    judge->sources->order(judge->sources->self, entry->basis, &order);
	if (error != MM_OK)
		return error;
	if (entry->replaces.count > 0 && order->reissue == 0)
		return mm_fail(MM_E_REISSUE,
		    "the order allows no certificate in another one's place");
	return mm_order_check(order, entry->profile, entry->subject,
	    entry->principal, mm_judge_moment(judge, matter->frame));
}

static enum mm_error
check_client(const struct mm_judge *judge, const struct matter *matter)
{
	const struct mm_principal_claim *principal;
	enum mm_error error = check_issuer(matter, MM_KEY_ACCESS_CA);

	if (error == MM_OK)
		error = judge->sources->principal(
		    judge->sources->self, matter->entry->basis, &principal);
	if (error != MM_OK)
		return error;
	if (!mm_span_equal(principal->name, matter->entry->subject))
		return refuse("the statement is about principal %.*s",
		    MM_SPAN(principal->name));
	if (principal->disabled)
		return refuse("the statement disables principal %.*s",
		    MM_SPAN(principal->name));
	if (memcmp(principal->key, matter->tbs.key.sha256,
		sizeof(principal->key)) != 0)
		return refuse("the statement is about another key of %.*s",
		    MM_SPAN(principal->name));
	return MM_OK;
}

static enum mm_error
check_server(const struct mm_judge *judge, const struct matter *matter)
{
	enum mm_error error = check_issuer(matter, MM_KEY_ACCESS_CA);

	if (error != MM_OK)
		return error;
	if (matter->entry->basis != judge->force->index)
		return refuse("its basis must be entry %ju, which brought "
			      "the policy in force",
		    (uintmax_t)judge->force->index);
	if (!mm_texts_hold(&judge->force->policy.names, matter->entry->subject))
		return refuse("%.*s is not a name of this appliance",
		    MM_SPAN(matter->entry->subject));
	if (matter->tbs.not_after > matter->frame->time + SERVER_MAX)
		return refuse("a server's certificate ends after seven days");
	return MM_OK;
}

static bool
ceremony_lists(
    const struct mm_ceremony_claim *ceremony, const struct matter *matter)
{
	for (mm_list_each(const struct mm_ceremony_certificate, certificate,
		 ceremony->certificates))
		if (mm_span_equal(certificate->key, matter->own->name) &&
		    mm_span_equal(certificate->issuer, matter->issuer->name) &&
		    mm_span_equal(
			certificate->profile, matter->entry->profile) &&
		    mm_span_equal(certificate->subject, matter->entry->subject))
			return true;
	return false;
}

enum mm_error
mm_judge_ecdsa(const struct mm_genesis_key *key)
{
	enum mm_algorithm algorithm;
	enum mm_error error;

	/* All others are P-256: hsm/follow.c. */
	if (key->use != MM_KEY_CODE_SIGNING)
		return MM_OK;
	error = mm_spki_algorithm(key->spki, &algorithm);
	if (error == MM_OK && algorithm != MM_ALGORITHM_P256)
		error = refuse("the key \"%.*s\" is %s: it signs images, and "
			       "neither certificates nor CSRs",
		    MM_SPAN(key->name), mm_algorithm_name(algorithm));
	return error;
}

enum mm_error
mm_judge_ceremony(const struct mm_judge *judge, const struct mm_entry *frame,
    uint64_t basis, const struct mm_ceremony_claim **out)
{
	uint64_t end;
	enum mm_error error =
	    judge->sources->ceremony(judge->sources->self, basis, out, &end);

	/* Else whoever decides could prolong a CA's life for ever. */
	if (error == MM_OK && mm_judge_moment(judge, frame) > end)
		error = refuse("the ceremony's statement has expired");
	return error;
}

static enum mm_error
check_ceremony(const struct mm_judge *judge, const struct matter *matter)
{
	bool signs_code = matter->profile->purpose == MM_PURPOSE_CODE_SIGNING;
	const struct mm_ceremony_claim *ceremony;
	enum mm_error error = mm_judge_ceremony(
	    judge, matter->frame, matter->entry->basis, &ceremony);

	if (error != MM_OK)
		return error;
	if (matter->own == NULL)
		return refuse("its key is not one of the mint's");
	/* It stays the mint's own for ever, but is certified no more. */
	if (mm_judge_key(judge, matter->own->name) != matter->own)
		return refuse(
		    "its key \"%.*s\" is retired", MM_SPAN(matter->own->name));
	if (signs_code != (matter->own->use == MM_KEY_CODE_SIGNING))
		return refuse("the key \"%.*s\" is for %s, not for this",
		    MM_SPAN(matter->own->name),
		    mm_key_use_name(matter->own->use));
	if (matter->issuer != matter->own &&
	    matter->issuer->use == MM_KEY_CODE_SIGNING)
		return refuse("a code-signing key issues to itself only");
	if (!ceremony_lists(ceremony, matter))
		return refuse("the ceremony lists no certificate %.*s of "
			      "\"%.*s\" by \"%.*s\"",
		    MM_SPAN(matter->entry->subject), MM_SPAN(matter->own->name),
		    MM_SPAN(matter->issuer->name));
	return MM_OK;
}

static bool
ceremony_proves(
    const struct mm_ceremony_claim *ceremony, const struct matter *matter)
{
	const struct mm_certificate_entry *entry = matter->entry;

	for (mm_list_each(
		 const struct mm_ceremony_proof, proof, ceremony->proofs))
		if (mm_span_equal(proof->issuer, matter->issuer->name) &&
		    mm_span_equal(proof->profile, entry->profile) &&
		    mm_span_equal(proof->code, entry->subject) &&
		    memcmp(proof->key, entry->key, sizeof(proof->key)) == 0)
			return true;
	return false;
}

/* That the mint has a CA's key, shown to a cloud by a key of its asker's. */
static enum mm_error
check_proof(const struct mm_judge *judge, const struct matter *matter)
{
	const struct mm_ceremony_claim *ceremony;
	enum mm_error error = check_issuer(matter, matter->issuer->use);

	if (error == MM_OK && matter->issuer->use == MM_KEY_CODE_SIGNING)
		error = refuse("\"%.*s\" is no key of a CA",
		    MM_SPAN(matter->issuer->name));
	if (error == MM_OK)
		error = mm_judge_ceremony(
		    judge, matter->frame, matter->entry->basis, &ceremony);
	if (error != MM_OK)
		return error;
	if (!ceremony_proves(ceremony, matter))
		return refuse("the ceremony proves nothing by \"%.*s\" with "
			      "the code %.*s and this key",
		    MM_SPAN(matter->issuer->name),
		    MM_SPAN(matter->entry->subject));
	return MM_OK;
}

static const struct {
	uint64_t purpose;
	enum mm_error (*check)(const struct mm_judge *, const struct matter *);
} bases[] = {{MM_PURPOSE_DEVICE, check_device},
    {MM_PURPOSE_CLIENT, check_client}, {MM_PURPOSE_SERVER, check_server},
    {MM_PURPOSE_CA, check_ceremony}, {MM_PURPOSE_CODE_SIGNING, check_ceremony},
    {MM_PURPOSE_PROOF, check_proof}};

static enum mm_error
check_basis(const struct mm_judge *judge, const struct matter *matter)
{
	if (matter->entry->replaces.count > 0 &&
	    matter->profile->purpose != MM_PURPOSE_DEVICE)
		return refuse("only a device's certificate takes another "
			      "one's place");
	for (size_t i = 0; i < MM_COUNT(bases); i++)
		if (bases[i].purpose == matter->profile->purpose)
			return bases[i].check(judge, matter);
	return refuse("the profile's purpose is unknown");
}

/* The TBS against its profile, to the last extension. */
static enum mm_error
check_tbs(const struct mm_judge *judge, const struct matter *matter)
{
	struct mm_certificate_plan plan = {.profile = matter->profile,
	    .subject = matter->entry->subject,
	    .spki = matter->tbs.spki,
	    .now = matter->frame->time};
	enum mm_error error = MM_OK;

	if (matter->profile->purpose == MM_PURPOSE_SERVER)
		plan.names = judge->force->policy.names;
	if (matter->own == NULL || matter->own != matter->issuer)
		error = find_issuer(judge, matter, &plan.issuer);
	if (error == MM_OK)
		error = mm_tbs_check(matter->entry->tbs, &plan);
	if (error == MM_OK)
		error = mm_lint_tbs(matter->entry->tbs,
		    matter->profile->standard, plan.issuer, NULL);
	return error;
}

static enum mm_error
judge_matter(
    const struct mm_judge *judge, struct matter *matter, struct mm_arena *arena)
{
	const struct mm_certificate_entry *entry = matter->entry;
	const struct mm_judge_sources *sources = judge->sources;
	enum mm_error error;

	matter->profile =
	    mm_policy_profile(&judge->force->policy, entry->profile);
	if (matter->profile == NULL)
		return mm_fail(MM_E_PROFILE, "the policy has no profile %.*s",
		    MM_SPAN(entry->profile));
	matter->issuer = mm_judge_key(judge, entry->issuer);
	if (matter->issuer == NULL)
		return refuse(
		    "the token has no key \"%.*s\"", MM_SPAN(entry->issuer));
	error = mm_judge_ecdsa(matter->issuer);
	if (error == MM_OK)
		error = mm_tbs_read(entry->tbs, arena, &matter->tbs);
	if (error != MM_OK)
		return error;
	if (memcmp(entry->key, matter->tbs.key.sha256, sizeof(entry->key)) != 0)
		return refuse("the entry names another key than its TBS");
	matter->own = sources->key_of(sources->self, matter->tbs.spki);
	error = check_basis(judge, matter);
	return error == MM_OK ? check_tbs(judge, matter) : error;
}

enum mm_error
mm_judge_certificate(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_certificate_entry *entry, unsigned depth,
    struct mm_arena *arena, struct mm_verdict *out)
{
	struct matter matter = {.frame = frame, .entry = entry, .depth = depth};
	enum mm_error error = judge_matter(judge, &matter, arena);

	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){
	    .key = matter.issuer, .profile = matter.profile, .tbs = matter.tbs};
	mm_tbs_digest(entry->tbs, out->digest);
	return MM_OK;
}
