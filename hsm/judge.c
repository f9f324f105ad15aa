#include "hsm/judge.h"

#include "policy/decide.h"
#include "policy/order.h"
#include "signer/scheme.h"

#include <sodium.h>
#include <string.h>

enum {
	CHAIN_MAX = 4,              /* certificates from a leaf to its root */
	SERVER_MAX = 7 * 24 * 3600, /* seconds of a TLS server certificate */
	GRACE = 60 /* seconds from an entry's time to its signature */
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

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

/*
 * The time at which an order or a release must still hold: the entry's, but
 * whoever decides could log with one time for ever, so that ours counts too.
 */
static uint64_t
moment(const struct mm_judge *judge, const struct mm_entry *frame)
{
	return judge->now > frame->time + GRACE ? judge->now - GRACE
						: frame->time;
}

static const struct mm_genesis_key *
key_named(const struct mm_judge *judge, struct mm_span name)
{
	return judge->sources->key(judge->sources->self, name);
}

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
	return mm_order_check(order, entry->profile, entry->subject,
	    entry->principal, moment(judge, matter->frame));
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

static enum mm_error
check_ceremony(const struct mm_judge *judge, const struct matter *matter)
{
	bool signs_code = matter->profile->purpose == MM_PURPOSE_CODE_SIGNING;
	const struct mm_ceremony_claim *ceremony;
	uint64_t end;
	enum mm_error error = judge->sources->ceremony(
	    judge->sources->self, matter->entry->basis, &ceremony, &end);

	if (error != MM_OK)
		return error;
	if (matter->own == NULL)
		return refuse("its key is not one of the mint's");
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
	/* Else whoever decides could prolong a CA's life for ever. */
	if (matter->frame->time > end)
		return refuse("the ceremony's statement has expired");
	return MM_OK;
}

static const struct {
	uint64_t purpose;
	enum mm_error (*check)(const struct mm_judge *, const struct matter *);
} bases[] = {{MM_PURPOSE_DEVICE, check_device},
    {MM_PURPOSE_CLIENT, check_client}, {MM_PURPOSE_SERVER, check_server},
    {MM_PURPOSE_CA, check_ceremony}, {MM_PURPOSE_CODE_SIGNING, check_ceremony}};

static enum mm_error
check_basis(const struct mm_judge *judge, const struct matter *matter)
{
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
	matter->issuer = key_named(judge, entry->issuer);
	if (matter->issuer == NULL)
		return refuse(
		    "the token has no key \"%.*s\"", MM_SPAN(entry->issuer));
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

static enum mm_error
check_release(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_image_entry *entry, struct mm_arena *arena)
{
	const struct mm_roster_question question = {
	    .policy = &judge->force->policy,
	    .origin = judge->origin,
	    .kind = MM_STATEMENT_RELEASE,
	    .time = moment(judge, frame)};
	struct mm_release_claim claim;
	const struct mm_release_facts facts = {.policy = &judge->force->policy,
	    .product = entry->product,
	    .version = entry->version,
	    .scheme = entry->scheme,
	    .size = entry->size,
	    .sha256 = entry->sha256,
	    .digest = entry->digest,
	    .claim = &claim};
	struct mm_claim statement;
	enum mm_error error = mm_roster_check(
	    &question, &entry->statements, arena, &statement, &claim);

	return error == MM_OK ? mm_decide_release(&facts) : error;
}

enum mm_error
mm_judge_image(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_image_entry *entry, struct mm_arena *arena,
    struct mm_verdict *out)
{
	const struct mm_genesis_key *key = key_named(judge, entry->key);
	uint8_t signer[crypto_hash_sha256_BYTES];
	enum mm_error error;

	if (mm_scheme_find(entry->scheme) == NULL)
		return mm_fail(MM_E_SCHEME, "there is no scheme %.*s",
		    MM_SPAN(entry->scheme));
	/* The one scheme there is signs the image's own hash. */
	if (memcmp(entry->digest, entry->sha256, sizeof(entry->digest)) != 0)
		return refuse("the digest is not the image's, as %.*s has it",
		    MM_SPAN(entry->scheme));
	if (key == NULL || key->use != MM_KEY_CODE_SIGNING)
		return refuse("\"%.*s\" is no code-signing key of the token",
		    MM_SPAN(entry->key));
	crypto_hash_sha256(signer, key->spki.data, key->spki.size);
	if (memcmp(signer, entry->signer, sizeof(signer)) != 0)
		return refuse("the entry names another key than \"%.*s\"",
		    MM_SPAN(entry->key));
	error = check_release(judge, frame, entry, arena);
	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){.key = key};
	memcpy(out->digest, entry->digest, sizeof(out->digest));
	return MM_OK;
}
