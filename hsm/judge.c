#include "hsm/judge.h"

#include "ca/certificate.h"
#include "hsm/proven.h"
#include "policy/decide.h"
#include "policy/order.h"
#include "signer/scheme.h"

#include <string.h>

enum {
	ITEM_ARENA = 2 << 20,
	CHAIN_MAX = 4,              /* certificates from a leaf to its root */
	SERVER_MAX = 7 * 24 * 3600, /* seconds of a TLS server certificate */
	GRACE = 60 /* seconds from an entry's time to its signature */
};

/* A certificate entry before the judge, and what was found out about it. */
struct matter {
	const struct mm_force *force; /* the policy that it is held against */
	const struct mm_entry *frame;
	const struct mm_certificate_entry *entry;
	const struct mm_profile *profile;
	struct mm_tbs tbs;
	const struct mm_genesis_key *issuer;
	const struct mm_genesis_key *own; /* where the TBS's key is ours */
	unsigned depth;                   /* below the item */
};

static enum mm_error judge_certificate(const struct mm_judge *judge,
    struct matter *matter, struct mm_arena *arena);

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

/* What each kind of entry must be before another may rest on it. */

static enum mm_error
check_statements(const struct mm_judge *judge, struct mm_known_entry *known,
    struct mm_span bytes, uint64_t statement, void *body)
{
	struct mm_statement_entry entry;
	struct mm_claim claim;
	struct mm_roster_question question = {.policy = &judge->force->policy,
	    .origin = judge->birth->genesis.origin,
	    .kind = statement};
	enum mm_error error =
	    mm_entry_decode_as(bytes, (enum mm_entry_kind)known->frame.kind,
		&known->arena, &known->frame, &entry);

	if (error != MM_OK)
		return error;
	question.time = known->frame.time;
	return mm_roster_check(
	    &question, &entry.statements, &known->arena, &claim, body);
}

static enum mm_error
learn_order(const struct mm_judge *judge, struct mm_known_entry *known,
    struct mm_span bytes, unsigned depth)
{
	enum mm_error error = check_statements(
	    judge, known, bytes, MM_STATEMENT_ORDER, &known->order);

	(void)depth;
	return error == MM_OK ? mm_order_sound(&known->order) : error;
}

static enum mm_error
learn_principal(const struct mm_judge *judge, struct mm_known_entry *known,
    struct mm_span bytes, unsigned depth)
{
	(void)depth;
	return check_statements(
	    judge, known, bytes, MM_STATEMENT_PRINCIPAL, &known->principal);
}

/* An issuer's certificate is as old as its CA: genesis or now. */
static const struct mm_force *
force_of(const struct mm_judge *judge, const struct mm_entry *frame)
{
	const struct mm_force *forces[] = {judge->force, judge->first};

	for (size_t i = 0; i < MM_COUNT(forces); i++)
		if (memcmp(forces[i]->digest, frame->policy,
			sizeof(frame->policy)) == 0)
			return forces[i];
	return NULL;
}

static enum mm_error
learn_certificate(const struct mm_judge *judge, struct mm_known_entry *known,
    struct mm_span bytes, unsigned depth)
{
	struct matter matter = {.frame = &known->frame,
	    .entry = &known->certificate,
	    .force = force_of(judge, &known->frame),
	    .depth = depth};
	enum mm_error error = mm_entry_decode_as(bytes, MM_ENTRY_CERTIFICATE,
	    &known->arena, &known->frame, &known->certificate);

	if (error != MM_OK)
		return error;
	if (matter.force == NULL)
		return refuse("the issuer's certificate is of a policy that "
			      "is neither the first nor the one in force");
	return judge_certificate(judge, &matter, &known->arena);
}

static enum mm_error (*const learn[MM_ENTRY_KINDS])(const struct mm_judge *,
    struct mm_known_entry *, struct mm_span,
    unsigned) = {[MM_ENTRY_PRINCIPAL] = learn_principal,
    [MM_ENTRY_ORDER] = learn_order,
    [MM_ENTRY_CERTIFICATE] = learn_certificate};

static enum mm_error
verify(const struct mm_judge *judge, const struct mm_proven *proven,
    struct mm_known_entry *known, unsigned depth)
{
	struct mm_span bytes = mm_arena_copy(&known->arena, proven->entry);
	enum mm_error error =
	    mm_proven_check(proven, judge->checkpoint, &known->leaf);

	if (error != MM_OK)
		return error;
	if (bytes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a reference");
	error = mm_entry_decode(bytes, &known->arena, &known->frame);
	if (error != MM_OK)
		return error;
	if (learn[known->frame.kind] == NULL)
		return refuse("no signature rests on an entry of kind %s",
		    mm_entry_kind_name(known->frame.kind));
	return learn[known->frame.kind](judge, known, bytes, depth);
}

/* A reference is verified once as long as it is remembered. */
static enum mm_error
know(const struct mm_judge *judge, const struct mm_proven *proven,
    unsigned depth, const struct mm_known_entry **out)
{
	struct mm_hash leaf = mm_leaf_hash(proven->entry);
	struct mm_known_entry *fresh;
	enum mm_error error;

	*out = mm_known_find(judge->known, proven->index, &leaf);
	if (*out != NULL)
		return MM_OK;
	fresh = mm_known_entry_new(proven->index);
	if (fresh == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a reference");
	error = verify(judge, proven, fresh, depth);
	if (error != MM_OK) {
		mm_known_entry_free(fresh);
		return error;
	}
	mm_known_keep(judge->known, fresh);
	*out = fresh;
	return MM_OK;
}

static enum mm_error
find_basis(const struct mm_judge *judge, const struct matter *matter,
    uint64_t kind, const struct mm_known_entry **out)
{
	uint64_t index = matter->entry->basis;
	enum mm_error error;

	for (mm_list_each(const struct mm_proven, proven, *judge->references)) {
		if (proven->index != index)
			continue;
		error = know(judge, proven, matter->depth, out);
		if (error != MM_OK)
			return error;
		if ((*out)->frame.kind == kind)
			return MM_OK;
		return refuse("its basis, entry %ju, is not of kind %s but %s",
		    (uintmax_t)index, mm_entry_kind_name(kind),
		    mm_entry_kind_name((*out)->frame.kind));
	}
	return refuse("its basis, entry %ju, is not at hand", (uintmax_t)index);
}

/* Whether a reference is a certificate of this key; says nothing of it. */
static bool
is_certificate_of(const struct mm_proven *proven, const uint8_t key[32])
{
	mm_auto(arena) arena = {0};
	struct mm_certificate_entry entry;
	struct mm_entry frame;

	mm_arena_init(&arena, ITEM_ARENA);
	return mm_entry_decode_as(proven->entry, MM_ENTRY_CERTIFICATE, &arena,
		   &frame, &entry) == MM_OK &&
	       memcmp(entry.key, key, sizeof(entry.key)) == 0;
}

static enum mm_error
find_issuer(const struct mm_judge *judge, const struct matter *matter,
    struct mm_span *tbs)
{
	const struct mm_known_entry *known;
	struct mm_key key;
	enum mm_error error = mm_key_read(matter->issuer->spki, &key);

	if (error != MM_OK)
		return error;
	if (matter->depth == CHAIN_MAX)
		return refuse("its chain is longer than %d", CHAIN_MAX);
	for (mm_list_each(const struct mm_proven, proven, *judge->references)) {
		if (!is_certificate_of(proven, key.sha256))
			continue;
		error = know(judge, proven, matter->depth + 1, &known);
		if (error != MM_OK)
			return error;
		*tbs = known->certificate.tbs;
		return MM_OK;
	}
	return refuse("the certificate of its issuer \"%.*s\" is not at hand",
	    MM_SPAN(matter->issuer->name));
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
	const struct mm_known_entry *basis;
	enum mm_error error = check_issuer(matter, MM_KEY_DEVICE_CA);

	if (error == MM_OK)
		error = mm_device_check(entry->subject);
	if (error != MM_OK)
		return error;
	/* mm_order_check() would look at no station at all. */
	if (entry->principal.size == 0)
		return refuse("no station asked for this device");
	error = find_basis(judge, matter, MM_ENTRY_ORDER, &basis);
	if (error != MM_OK)
		return error;
	return mm_order_check(&basis->order, entry->profile, entry->subject,
	    entry->principal, moment(judge, matter->frame));
}

static enum mm_error
check_client(const struct mm_judge *judge, const struct matter *matter)
{
	const struct mm_known_entry *basis;
	enum mm_error error = check_issuer(matter, MM_KEY_ACCESS_CA);

	if (error == MM_OK)
		error = find_basis(judge, matter, MM_ENTRY_PRINCIPAL, &basis);
	if (error != MM_OK)
		return error;
	if (!mm_span_equal(basis->principal.name, matter->entry->subject))
		return refuse("the statement is about principal %.*s",
		    MM_SPAN(basis->principal.name));
	if (basis->principal.disabled)
		return refuse("the statement disables principal %.*s",
		    MM_SPAN(basis->principal.name));
	if (memcmp(basis->principal.key, matter->tbs.key.sha256,
		sizeof(basis->principal.key)) != 0)
		return refuse("the statement is about another key of %.*s",
		    MM_SPAN(basis->principal.name));
	return MM_OK;
}

static enum mm_error
check_server(const struct mm_judge *judge, const struct matter *matter)
{
	enum mm_error error = check_issuer(matter, MM_KEY_ACCESS_CA);

	(void)judge;
	if (error != MM_OK)
		return error;
	if (matter->entry->basis != matter->force->index)
		return refuse("its basis must be entry %ju, which brought "
			      "the policy in force",
		    (uintmax_t)matter->force->index);
	if (!mm_texts_hold(
		&matter->force->policy.names, matter->entry->subject))
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

	if (matter->entry->basis != 0)
		return refuse("its basis must be the genesis, entry 0");
	if (matter->own == NULL)
		return refuse("its key is not one of the mint's");
	if (signs_code != (matter->own->use == MM_KEY_CODE_SIGNING))
		return refuse("the key \"%.*s\" is for %s, not for this",
		    MM_SPAN(matter->own->name),
		    mm_key_use_name(matter->own->use));
	if (matter->issuer != matter->own &&
	    matter->issuer->use == MM_KEY_CODE_SIGNING)
		return refuse("a code-signing key issues to itself only");
	if (!ceremony_lists(&judge->birth->ceremony, matter))
		return refuse("the ceremony lists no certificate %.*s of "
			      "\"%.*s\" by \"%.*s\"",
		    MM_SPAN(matter->entry->subject), MM_SPAN(matter->own->name),
		    MM_SPAN(matter->issuer->name));
	/* Else whoever decides could prolong a CA's life for ever. */
	if (matter->frame->time > judge->birth->ceremony_end)
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
		plan.names = matter->force->policy.names;
	if (matter->own == NULL || matter->own != matter->issuer)
		error = find_issuer(judge, matter, &plan.issuer);
	if (error == MM_OK)
		error = mm_tbs_check(matter->entry->tbs, &plan);
	return error;
}

static enum mm_error
judge_certificate(
    const struct mm_judge *judge, struct matter *matter, struct mm_arena *arena)
{
	const struct mm_certificate_entry *entry = matter->entry;
	enum mm_error error;

	matter->profile =
	    mm_policy_profile(&matter->force->policy, entry->profile);
	if (matter->profile == NULL)
		return mm_fail(MM_E_PROFILE, "the policy has no profile %.*s",
		    MM_SPAN(entry->profile));
	matter->issuer = mm_birth_key(judge->birth, entry->issuer);
	if (matter->issuer == NULL)
		return refuse(
		    "the token has no key \"%.*s\"", MM_SPAN(entry->issuer));
	error = mm_tbs_read(entry->tbs, arena, &matter->tbs);
	if (error != MM_OK)
		return error;
	if (memcmp(entry->key, matter->tbs.key.sha256, sizeof(entry->key)) != 0)
		return refuse("the entry names another key than its TBS");
	matter->own = mm_birth_spki(judge->birth, matter->tbs.spki);
	error = check_basis(judge, matter);
	return error == MM_OK ? check_tbs(judge, matter) : error;
}

static enum mm_error
judge_certificate_item(const struct mm_judge *judge,
    const struct mm_proven *item, struct mm_arena *arena,
    struct mm_verdict *out)
{
	struct mm_certificate_entry entry;
	struct mm_entry frame;
	struct matter matter = {
	    .force = judge->force, .frame = &frame, .entry = &entry};
	enum mm_error error = mm_entry_decode_as(
	    item->entry, MM_ENTRY_CERTIFICATE, arena, &frame, &entry);

	if (error == MM_OK)
		error = judge_certificate(judge, &matter, arena);
	if (error != MM_OK)
		return error;
	out->key = matter.issuer;
	mm_tbs_digest(entry.tbs, out->digest);
	return MM_OK;
}

static enum mm_error
check_release(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_image_entry *entry, struct mm_arena *arena)
{
	const struct mm_roster_question question = {
	    .policy = &judge->force->policy,
	    .origin = judge->birth->genesis.origin,
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

static enum mm_error
judge_image_item(const struct mm_judge *judge, const struct mm_proven *item,
    struct mm_arena *arena, struct mm_verdict *out)
{
	const struct mm_genesis_key *key;
	struct mm_image_entry entry;
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode_as(
	    item->entry, MM_ENTRY_IMAGE, arena, &frame, &entry);

	if (error != MM_OK)
		return error;
	if (mm_scheme_find(entry.scheme) == NULL)
		return mm_fail(MM_E_SCHEME, "there is no scheme %.*s",
		    MM_SPAN(entry.scheme));
	/* The one scheme there is signs the image's own hash. */
	if (memcmp(entry.digest, entry.sha256, sizeof(entry.digest)) != 0)
		return refuse("the digest is not the image's, as %.*s has it",
		    MM_SPAN(entry.scheme));
	key = mm_birth_key(judge->birth, entry.key);
	if (key == NULL || key->use != MM_KEY_CODE_SIGNING)
		return refuse("\"%.*s\" is no code-signing key of the token",
		    MM_SPAN(entry.key));
	error = check_release(judge, &frame, &entry, arena);
	if (error != MM_OK)
		return error;
	out->key = key;
	memcpy(out->digest, entry.digest, sizeof(out->digest));
	return MM_OK;
}

static enum mm_error (*const judges[MM_ENTRY_KINDS])(const struct mm_judge *,
    const struct mm_proven *, struct mm_arena *,
    struct mm_verdict *) = {[MM_ENTRY_CERTIFICATE] = judge_certificate_item,
    [MM_ENTRY_IMAGE] = judge_image_item};

enum mm_error
mm_judge_item(const struct mm_judge *judge, const struct mm_proven *item,
    struct mm_verdict *out)
{
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	struct mm_hash leaf;
	enum mm_error error = mm_proven_check(item, judge->checkpoint, &leaf);

	mm_arena_init(&arena, ITEM_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(item->entry, &arena, &frame);
	if (error != MM_OK)
		return error;
	if (judges[frame.kind] == NULL)
		return refuse("no entry of kind %s is signed",
		    mm_entry_kind_name(frame.kind));
	if (memcmp(frame.policy, judge->force->digest, sizeof(frame.policy)) !=
	    0)
		return refuse(
		    "its policy is not the one in force, which has number %ju",
		    (uintmax_t)judge->force->policy.number);
	return judges[frame.kind](judge, item, &arena, out);
}
