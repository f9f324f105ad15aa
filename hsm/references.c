#include "hsm/references.h"

#include "hsm/proven.h"
#include "policy/order.h"

#include <string.h>

enum { ITEM_ARENA = 2 << 20 };

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

static struct mm_judge_sources
sources_of(const struct mm_references *references);

/* What each kind of entry must be before another may rest on it. */

static enum mm_error
check_statements(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, uint64_t statement,
    void *body)
{
	struct mm_statement_entry entry;
	struct mm_claim claim;
	struct mm_roster_question question = {
	    .policy = &references->force->policy,
	    .origin = references->birth->genesis.origin,
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
learn_order(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, unsigned depth)
{
	enum mm_error error = check_statements(
	    references, known, bytes, MM_STATEMENT_ORDER, &known->order);

	(void)depth;
	return error == MM_OK ? mm_order_sound(&known->order) : error;
}

static enum mm_error
learn_principal(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, unsigned depth)
{
	(void)depth;
	return check_statements(references, known, bytes,
	    MM_STATEMENT_PRINCIPAL, &known->principal);
}

/* An issuer's certificate is as old as its CA: genesis or now. */
static const struct mm_force *
force_of(const struct mm_references *references, const struct mm_entry *frame)
{
	const struct mm_force *forces[] = {
	    references->force, references->first};

	for (size_t i = 0; i < MM_COUNT(forces); i++)
		if (memcmp(forces[i]->digest, frame->policy,
			sizeof(frame->policy)) == 0)
			return forces[i];
	return NULL;
}

static enum mm_error
learn_certificate(const struct mm_references *references,
    struct mm_known_entry *known, struct mm_span bytes, unsigned depth)
{
	const struct mm_judge_sources sources = sources_of(references);
	struct mm_judge judge = {.sources = &sources,
	    .force = force_of(references, &known->frame),
	    .origin = references->birth->genesis.origin,
	    .now = references->now};
	struct mm_verdict verdict;
	enum mm_error error = mm_entry_decode_as(bytes, MM_ENTRY_CERTIFICATE,
	    &known->arena, &known->frame, &known->certificate);

	if (error != MM_OK)
		return error;
	if (judge.force == NULL)
		return refuse("the issuer's certificate is of a policy that "
			      "is neither the first nor the one in force");
	return mm_judge_certificate(&judge, &known->frame, &known->certificate,
	    depth, &known->arena, &verdict);
}

static enum mm_error (*const learn[MM_ENTRY_KINDS])(
    const struct mm_references *, struct mm_known_entry *, struct mm_span,
    unsigned) = {[MM_ENTRY_PRINCIPAL] = learn_principal,
    [MM_ENTRY_ORDER] = learn_order,
    [MM_ENTRY_CERTIFICATE] = learn_certificate};

static enum mm_error
rests_on_none(uint64_t kind)
{
	return refuse("no signature rests on an entry of kind %s",
	    mm_entry_kind_name(kind));
}

static enum mm_error
verify(const struct mm_references *references, const struct mm_proven *proven,
    struct mm_known_entry *known, unsigned depth)
{
	struct mm_span bytes = mm_arena_copy(&known->arena, proven->entry);
	enum mm_error error =
	    mm_proven_check(proven, references->checkpoint, &known->leaf);

	if (error != MM_OK)
		return error;
	if (bytes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a reference");
	error = mm_entry_decode(bytes, &known->arena, &known->frame);
	if (error != MM_OK)
		return error;
	if (learn[known->frame.kind] == NULL)
		return rests_on_none(known->frame.kind);
	return learn[known->frame.kind](references, known, bytes, depth);
}

/* A reference is verified once as long as it is remembered. */
static enum mm_error
know(const struct mm_references *references, const struct mm_proven *proven,
    unsigned depth, const struct mm_known_entry **out)
{
	struct mm_hash leaf = mm_leaf_hash(proven->entry);
	struct mm_known_entry *fresh;
	enum mm_error error;

	*out = mm_known_find(references->known, proven->index, &leaf);
	if (*out != NULL)
		return MM_OK;
	fresh = mm_known_entry_new(proven->index);
	if (fresh == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a reference");
	error = verify(references, proven, fresh, depth);
	if (error != MM_OK) {
		mm_known_entry_free(fresh);
		return error;
	}
	mm_known_keep(references->known, fresh);
	*out = fresh;
	return MM_OK;
}

/* --- the rules' sources --- */

static const struct mm_genesis_key *
find_key(void *self, struct mm_span name)
{
	const struct mm_references *references = self;

	return mm_birth_key(references->birth, name);
}

static const struct mm_genesis_key *
find_key_of(void *self, struct mm_span spki)
{
	const struct mm_references *references = self;

	return mm_birth_spki(references->birth, spki);
}

/* Before anything else of it: a basis may claim to rest on itself. */
static enum mm_error
check_kind(const struct mm_proven *proven, uint64_t kind)
{
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	enum mm_error error;

	mm_arena_init(&arena, ITEM_ARENA);
	error = mm_entry_decode(proven->entry, &arena, &frame);
	if (error != MM_OK || frame.kind == kind)
		return error;
	if (learn[frame.kind] == NULL)
		return rests_on_none(frame.kind);
	return refuse("its basis, entry %ju, is not of kind %s but %s",
	    (uintmax_t)proven->index, mm_entry_kind_name(kind),
	    mm_entry_kind_name(frame.kind));
}

static enum mm_error
find_basis(const struct mm_references *references, uint64_t index,
    uint64_t kind, const struct mm_known_entry **out)
{
	for (mm_list_each(
		 const struct mm_proven, proven, *references->proven)) {
		enum mm_error error;

		if (proven->index != index)
			continue;
		error = check_kind(proven, kind);
		return error == MM_OK ? know(references, proven, 0, out)
				      : error;
	}
	return refuse("its basis, entry %ju, is not at hand", (uintmax_t)index);
}

static enum mm_error
find_order(void *self, uint64_t index, const struct mm_order_claim **out)
{
	const struct mm_known_entry *known;
	enum mm_error error = find_basis(self, index, MM_ENTRY_ORDER, &known);

	if (error == MM_OK)
		*out = &known->order;
	return error;
}

static enum mm_error
find_principal(
    void *self, uint64_t index, const struct mm_principal_claim **out)
{
	const struct mm_known_entry *known;
	enum mm_error error =
	    find_basis(self, index, MM_ENTRY_PRINCIPAL, &known);

	if (error == MM_OK)
		*out = &known->principal;
	return error;
}

static enum mm_error
find_ceremony(void *self, uint64_t index, const struct mm_ceremony_claim **out,
    uint64_t *end)
{
	const struct mm_references *references = self;

	if (index != 0)
		return refuse("its basis must be the genesis, entry 0");
	*out = &references->birth->ceremony;
	*end = references->birth->ceremony_end;
	return MM_OK;
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
find_issuer(void *self, const struct mm_genesis_key *issuer, unsigned depth,
    struct mm_span *tbs)
{
	const struct mm_references *references = self;
	const struct mm_known_entry *known;
	struct mm_key key;
	enum mm_error error = mm_key_read(issuer->spki, &key);

	if (error != MM_OK)
		return error;
	for (mm_list_each(
		 const struct mm_proven, proven, *references->proven)) {
		if (!is_certificate_of(proven, key.sha256))
			continue;
		error = know(references, proven, depth, &known);
		if (error != MM_OK)
			return error;
		*tbs = known->certificate.tbs;
		return MM_OK;
	}
	return refuse("the certificate of its issuer \"%.*s\" is not at hand",
	    MM_SPAN(issuer->name));
}

static struct mm_judge_sources
sources_of(const struct mm_references *references)
{
	/* The sources change nothing but what is known. */
	return (struct mm_judge_sources){.self = (void *)(uintptr_t)references,
	    .key = find_key,
	    .key_of = find_key_of,
	    .order = find_order,
	    .principal = find_principal,
	    .ceremony = find_ceremony,
	    .issuer = find_issuer};
}

/* --- items --- */

static enum mm_error
judge_certificate(const struct mm_judge *judge, const struct mm_proven *item,
    struct mm_arena *arena, struct mm_verdict *out)
{
	struct mm_certificate_entry entry;
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode_as(
	    item->entry, MM_ENTRY_CERTIFICATE, arena, &frame, &entry);

	return error == MM_OK
		   ? mm_judge_certificate(judge, &frame, &entry, 0, arena, out)
		   : error;
}

static enum mm_error
judge_image(const struct mm_judge *judge, const struct mm_proven *item,
    struct mm_arena *arena, struct mm_verdict *out)
{
	struct mm_image_entry entry;
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode_as(
	    item->entry, MM_ENTRY_IMAGE, arena, &frame, &entry);

	return error == MM_OK
		   ? mm_judge_image(judge, &frame, &entry, arena, out)
		   : error;
}

static enum mm_error (*const judges[MM_ENTRY_KINDS])(const struct mm_judge *,
    const struct mm_proven *, struct mm_arena *, struct mm_verdict *) = {
    [MM_ENTRY_CERTIFICATE] = judge_certificate, [MM_ENTRY_IMAGE] = judge_image};

enum mm_error
mm_references_judge(const struct mm_references *references,
    const struct mm_proven *item, struct mm_verdict *out)
{
	const struct mm_judge_sources sources = sources_of(references);
	const struct mm_judge judge = {.sources = &sources,
	    .force = references->force,
	    .origin = references->birth->genesis.origin,
	    .now = references->now};
	mm_auto(arena) arena = {0};
	struct mm_entry frame;
	struct mm_hash leaf;
	enum mm_error error =
	    mm_proven_check(item, references->checkpoint, &leaf);

	mm_arena_init(&arena, ITEM_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(item->entry, &arena, &frame);
	if (error != MM_OK)
		return error;
	if (judges[frame.kind] == NULL)
		return refuse("no entry of kind %s is signed",
		    mm_entry_kind_name(frame.kind));
	if (memcmp(frame.policy, references->force->digest,
		sizeof(frame.policy)) != 0)
		return refuse(
		    "its policy is not the one in force, which has number %ju",
		    (uintmax_t)references->force->policy.number);
	return judges[frame.kind](&judge, item, &arena, out);
}
