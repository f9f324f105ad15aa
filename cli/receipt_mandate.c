#include "cli/receipt_mandate.h"

#include <string.h>

#include "ca/certificate.h"
#include "cli/bundle.h"
#include "cli/json_value.h"
#include "hsm/judge.h"
#include "policy/order.h"

enum { MANDATE_ARENA = 8 << 20, OTHERS_MAX = 8 };

/* The entry that the receipt is of, and what its bundle has. */
struct matter {
	const struct mm_attested *subject;
	const struct mm_list *bundle;
	struct other { /* neither genesis nor policy */
		const struct mm_bundled *item;
		bool used;
	} others[OTHERS_MAX];
	size_t other_count;
	const struct mm_force *force; /* in force at the subject */
	struct mm_mandate *out;
};

#define wrong(...) mm_fail(MM_E_LOG_WRONG, __VA_ARGS__)

/* What failed is not the appliance that refuses but the log that is wrong. */
static enum mm_error
told(enum mm_error error, uint64_t index)
{
	if (error == MM_OK || error == MM_E_MEMORY || error == MM_E_LOG_WRONG)
		return error;
	if (error == MM_E_TOKEN_REFUSED)
		return wrong("entry %ju: %s", (uintmax_t)index, mm_why(error));
	return wrong("entry %ju: %s: %s", (uintmax_t)index,
	    mm_error_name(error), mm_why(error));
}

/* ---- genesis and policies */

static enum mm_error
follow(struct mm_mandate *out, const struct mm_bundled *item)
{
	struct mm_list proof = mm_proof_to_list(&item->receipt.proof);
	const struct mm_token_follow_request request = {
	    .note = item->receipt.note,
	    .entry = {item->receipt.index, item->receipt.entry, proof}};
	struct mm_force *next = &out->policies[out->policy_count];
	enum mm_error error;

	out->policy_count++;
	if (out->policy_count == 1)
		error = mm_birth_check(&request, &out->birth, next);
	else
		error = mm_force_check(&request, &out->birth, next - 1, next);
	return told(error, item->receipt.index);
}

static enum mm_error
check_birth(const struct mm_mandate *out, const struct mm_vkey *vkey)
{
	if (strcmp(out->birth.vkey.name, vkey->name) != 0 ||
	    memcmp(out->birth.vkey.public_key, vkey->public_key,
		sizeof(vkey->public_key)) != 0)
		return wrong("the genesis names another log key");
	return MM_OK;
}

/* The policy in force at an index, which its entry must name. */
static enum mm_error
force_at(const struct mm_mandate *out, uint64_t index,
    const struct mm_entry *frame, const struct mm_force **force)
{
	size_t at = out->policy_count;

	while (at > 1 && out->policies[at - 1].index > index)
		at--;
	*force = &out->policies[at - 1];
	if (memcmp((*force)->digest, frame->policy, sizeof(frame->policy)) != 0)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju does not name policy %ju, which is the last "
		    "one before it in the bundle; one is missing or too many",
		    (uintmax_t)index, (uintmax_t)(*force)->policy.number);
	return MM_OK;
}

/* ---- the pieces of the bundle, each in its place */

static enum mm_error
misplaced(const struct matter *matter, const struct mm_bundled *item)
{
	return mm_fail(MM_E_RECEIPT,
	    "entry %ju of the bundle, of kind %s, is nothing that entry %ju "
	    "rests on",
	    (uintmax_t)item->receipt.index,
	    mm_entry_kind_name(item->frame.kind),
	    (uintmax_t)matter->subject->receipt.index);
}

static enum mm_error
take_other(struct matter *matter, const struct mm_bundled *item)
{
	if (matter->other_count == OTHERS_MAX)
		return misplaced(matter, item);
	matter->others[matter->other_count++] = (struct other){item, false};
	return MM_OK;
}

/* What nothing rested on has no place in the bundle. */
static enum mm_error
check_used(const struct matter *matter)
{
	for (size_t i = 0; i < matter->other_count; i++)
		if (!matter->others[i].used)
			return misplaced(matter, matter->others[i].item);
	return MM_OK;
}

/* All must be of one tree, which only one and the same root shows. */
static enum mm_error
check_history(const struct mm_attested *subject, const struct mm_bundled *item)
{
	if (item->receipt.index > subject->receipt.index)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju of the bundle comes after entry %ju, which "
		    "cannot rest on it",
		    (uintmax_t)item->receipt.index,
		    (uintmax_t)subject->receipt.index);
	if (item->receipt.index == subject->receipt.index &&
	    !mm_span_equal(item->receipt.entry, subject->receipt.entry))
		return mm_fail(MM_E_FORK,
		    "bundle and receipt have two entries %ju",
		    (uintmax_t)item->receipt.index);
	if (item->checkpoint.size != subject->checkpoint.size)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju of the bundle is proven against a checkpoint of "
		    "%ju entries, the receipt against one of %ju, so that they "
		    "may be of two histories; fetch the bundle of this receipt",
		    (uintmax_t)item->receipt.index,
		    (uintmax_t)item->checkpoint.size,
		    (uintmax_t)subject->checkpoint.size);
	if (!mm_hash_equal(&item->checkpoint.root, &subject->checkpoint.root))
		return mm_fail(MM_E_FORK,
		    "bundle and receipt have two roots of the size %ju",
		    (uintmax_t)item->checkpoint.size);
	return MM_OK;
}

static enum mm_error
take(struct matter *matter, const struct mm_vkey *vkey)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_bundled, item, *matter->bundle)) {
		bool first = matter->out->policy_count == 0;

		if (first && item->receipt.index != 0)
			return mm_fail(MM_E_RECEIPT,
			    "the bundle lacks the genesis, entry 0");
		error = check_history(matter->subject, item);
		if (error == MM_OK &&
		    (first || item->frame.kind == MM_ENTRY_POLICY))
			error = follow(matter->out, item);
		else if (error == MM_OK)
			error = take_other(matter, item);
		if (error == MM_OK && first)
			error = check_birth(matter->out, vkey);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* ---- the statement */

static const struct mm_officer *
signer_of(const struct mm_policy *policy, struct mm_span bytes)
{
	struct mm_statement statement;

	if (mm_statement_decode(bytes, &statement) != MM_OK)
		return NULL;
	for (mm_list_each(const struct mm_officer, officer, policy->officers))
		if (mm_statement_verify(&statement, officer->key) == MM_OK)
			return officer;
	return NULL;
}

/* Who signed, and how many had to: of statements that were checked. */
static enum mm_error
name_signers(struct mm_mandate *out, const struct mm_policy *policy,
    const struct mm_list *statements)
{
	struct mm_text_item *names =
	    mm_arena_alloc(&out->arena, statements->count * sizeof(*names));

	if (names == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for officers' names");
	for (size_t i = 0; i < statements->count; i++) {
		const struct mm_officer *officer = signer_of(policy,
		    mm_list_at(*statements, struct mm_bytes_item, i)->value);

		if (officer == NULL)
			return mm_fail(MM_E_BUG, "a signer has no name");
		names[i].value = officer->name;
	}
	out->signers = (struct mm_list){names, statements->count};
	for (mm_list_each(
		 const struct mm_threshold, threshold, policy->thresholds))
		if (threshold->kind == out->kind)
			out->threshold = threshold->officers;
	return MM_OK;
}

struct word {
	uint64_t kind;        /* of the statement */
	uint64_t index, time; /* of the entry that holds it */
	const struct mm_force *force;
	const struct mm_list *statements;
};

static enum mm_error
hear(struct mm_mandate *out, const struct word *word)
{
	const struct mm_roster_question question = {
	    .policy = &word->force->policy,
	    .origin = out->birth.genesis.origin,
	    .kind = word->kind,
	    .time = word->time};
	enum mm_error error = mm_roster_check(
	    &question, word->statements, &out->arena, &out->claim, &out->body);

	if (error != MM_OK)
		return told(error, word->index);
	out->kind = word->kind;
	out->basis = word->index;
	return name_signers(out, question.policy, word->statements);
}

static const struct mm_bundled *
find_other(struct matter *matter, uint64_t index)
{
	for (size_t i = 0; i < matter->other_count; i++)
		if (matter->others[i].item->receipt.index == index) {
			matter->others[i].used = true;
			return matter->others[i].item;
		}
	return NULL;
}

/* The token process asks the policy of the day; so is the basis held here
 * against that of its own entry, and of the one that rests on it. */
static enum mm_error
hear_basis(struct matter *matter, uint64_t index, enum mm_entry_kind kind,
    uint64_t statement)
{
	struct mm_mandate *out = matter->out;
	const struct mm_bundled *basis = find_other(matter, index);
	struct mm_statement_entry entry;
	struct mm_entry frame;
	struct word word = {.kind = statement, .force = matter->force};
	enum mm_error error;

	if (basis == NULL)
		return mm_fail(MM_E_RECEIPT,
		    "the bundle lacks entry %ju, on which entry %ju rests",
		    (uintmax_t)index,
		    (uintmax_t)matter->subject->receipt.index);
	error = mm_entry_decode_as(
	    basis->receipt.entry, kind, &out->arena, &frame, &entry);
	if (error != MM_OK)
		return told(error, basis->receipt.index);
	word.index = basis->receipt.index;
	word.time = frame.time;
	word.statements = &entry.statements;
	error = hear(out, &word);
	if (error == MM_OK)
		error = force_at(out, word.index, &frame, &word.force);
	if (error == MM_OK && word.force != matter->force)
		error = hear(out, &word);
	return error;
}

static enum mm_error
hear_ceremony(struct matter *matter)
{
	const struct word word = {.kind = MM_STATEMENT_CEREMONY,
	    .index = 0,
	    .time =
		mm_list_at(*matter->bundle, struct mm_bundled, 0)->frame.time,
	    .force = &matter->out->policies[0],
	    .statements = &matter->out->birth.genesis.statements};

	return hear(matter->out, &word);
}

/* A policy by the roster of the one before it; the first by the ceremony. */
static enum mm_error
hear_policy(struct matter *matter)
{
	const struct mm_force *force = matter->force;
	struct mm_mandate *out = matter->out;
	struct mm_policy_entry entry;
	struct mm_entry frame;
	struct word word = {.kind = MM_STATEMENT_POLICY,
	    .index = force->index,
	    .force = force - 1,
	    .statements = &entry.statements};
	const struct mm_bundled *item;
	size_t at = 0;
	enum mm_error error;

	if (force == out->policies)
		return hear_ceremony(matter);
	do
		item = mm_list_at(*matter->bundle, struct mm_bundled, at++);
	while (item->receipt.index != force->index);
	error = mm_entry_decode_as(
	    item->receipt.entry, MM_ENTRY_POLICY, &out->arena, &frame, &entry);
	word.time = frame.time;
	return error == MM_OK ? hear(out, &word) : error;
}

/* ---- certificates, by the rules of the token process (hsm/judge.h) */

static const struct mm_genesis_key *
source_key(void *self, struct mm_span name)
{
	const struct matter *matter = self;

	return mm_birth_key(&matter->out->birth, name);
}

static const struct mm_genesis_key *
source_key_of(void *self, struct mm_span spki)
{
	const struct matter *matter = self;

	return mm_birth_spki(&matter->out->birth, spki);
}

static enum mm_error
source_order(void *self, uint64_t index, const struct mm_order_claim **out)
{
	struct matter *matter = self;
	enum mm_error error =
	    hear_basis(matter, index, MM_ENTRY_ORDER, MM_STATEMENT_ORDER);

	*out = &matter->out->body.order;
	return error == MM_OK ? mm_order_sound(*out) : error;
}

static enum mm_error
source_principal(
    void *self, uint64_t index, const struct mm_principal_claim **out)
{
	struct matter *matter = self;

	*out = &matter->out->body.principal;
	return hear_basis(
	    matter, index, MM_ENTRY_PRINCIPAL, MM_STATEMENT_PRINCIPAL);
}

static enum mm_error
source_ceremony(void *self, uint64_t index,
    const struct mm_ceremony_claim **out, uint64_t *end)
{
	const struct matter *matter = self;

	if (index != 0)
		return wrong("entry %ju is not the genesis, on which a "
			     "certificate of the mint's own rests",
		    (uintmax_t)index);
	*out = &matter->out->birth.ceremony;
	*end = matter->out->birth.ceremony_end;
	return MM_OK;
}

static struct mm_judge_sources sources_of(struct matter *matter);

static enum mm_error
judge(struct matter *matter, const struct mm_force *force,
    const struct mm_entry *frame, const struct mm_certificate_entry *entry,
    unsigned depth, struct mm_verdict *out)
{
	const struct mm_judge_sources sources = sources_of(matter);
	const struct mm_judge by = {.sources = &sources,
	    .force = force,
	    .origin = matter->out->birth.genesis.origin};

	return mm_judge_certificate(
	    &by, frame, entry, depth, &matter->out->arena, out);
}

/* Whether this is a certificate of the key; if so, it is decoded. */
static bool
is_certificate_of(const struct mm_bundled *item, const uint8_t key[32],
    struct mm_arena *arena, struct mm_certificate_entry *out)
{
	struct mm_entry frame;

	return item->frame.kind == MM_ENTRY_CERTIFICATE &&
	       mm_entry_decode_as(item->receipt.entry, MM_ENTRY_CERTIFICATE,
		   arena, &frame, out) == MM_OK &&
	       memcmp(out->key, key, sizeof(out->key)) == 0;
}

static enum mm_error
source_issuer(void *self, const struct mm_genesis_key *issuer, unsigned depth,
    struct mm_span *tbs)
{
	struct matter *matter = self;
	struct mm_certificate_entry entry;
	const struct mm_force *force;
	struct mm_verdict verdict;
	struct mm_key key;
	enum mm_error error = mm_key_read(issuer->spki, &key);

	for (size_t i = 0; error == MM_OK && i < matter->other_count; i++) {
		const struct mm_bundled *item = matter->others[i].item;

		if (!is_certificate_of(
			item, key.sha256, &matter->out->arena, &entry))
			continue;
		matter->others[i].used = true;
		error = force_at(
		    matter->out, item->receipt.index, &item->frame, &force);
		if (error == MM_OK)
			error = judge(matter, force, &item->frame, &entry,
			    depth, &verdict);
		*tbs = entry.tbs;
		return error;
	}
	return error != MM_OK
		   ? error
		   : mm_fail(MM_E_RECEIPT,
			 "the bundle lacks the certificate of the issuer "
			 "\"%.*s\"",
			 MM_SPAN(issuer->name));
}

static struct mm_judge_sources
sources_of(struct matter *matter)
{
	return (struct mm_judge_sources){.self = matter,
	    .key = source_key,
	    .key_of = source_key_of,
	    .order = source_order,
	    .principal = source_principal,
	    .ceremony = source_ceremony,
	    .issuer = source_issuer};
}

/* Devices' and clients' statements were heard when the judge asked. */
static enum mm_error
carry_certificate(struct matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	struct mm_verdict verdict;
	enum mm_error error = judge(matter, matter->force, &subject->entry,
	    &subject->body.certificate, 0, &verdict);

	if (error != MM_OK)
		return error;
	if (verdict.profile->purpose == MM_PURPOSE_SERVER)
		return hear_policy(matter);
	return matter->out->kind == 0 ? hear_ceremony(matter) : MM_OK;
}

/* ---- the other kinds of entries */

static enum mm_error
carry_image(struct matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	const struct mm_judge_sources sources = sources_of(matter);
	const struct mm_judge by = {.sources = &sources,
	    .force = matter->force,
	    .origin = matter->out->birth.genesis.origin};
	const struct word word = {.kind = MM_STATEMENT_RELEASE,
	    .index = subject->receipt.index,
	    .time = subject->entry.time,
	    .force = matter->force,
	    .statements = &subject->body.image.statements};
	struct mm_verdict verdict;
	enum mm_error error = mm_judge_image(&by, &subject->entry,
	    &subject->body.image, &matter->out->arena, &verdict);

	return error == MM_OK ? hear(matter->out, &word) : error;
}

static enum mm_error
carry_genesis(struct matter *matter)
{
	return hear_ceremony(matter);
}

/* A key comes and goes by a ceremony that names it. */
static enum mm_error
carry_key(struct matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	const struct mm_ceremony_claim *claim = &matter->out->body.ceremony;
	struct mm_key_entry entry;
	struct mm_entry frame;
	struct word word = {.kind = MM_STATEMENT_CEREMONY,
	    .index = subject->receipt.index,
	    .time = subject->entry.time,
	    .force = matter->force,
	    .statements = &entry.statements};
	enum mm_error error = mm_entry_decode_as(subject->receipt.entry,
	    MM_ENTRY_KEY, &matter->out->arena, &frame, &entry);

	if (error == MM_OK)
		error = hear(matter->out, &word);
	if (error != MM_OK)
		return error;
	if (entry.retired && mm_texts_hold(&claim->retired, entry.name))
		return MM_OK;
	for (mm_list_each(const struct mm_ceremony_key, key, claim->keys))
		if (!entry.retired && key->use == entry.use &&
		    mm_span_equal(key->name, entry.name))
			return MM_OK;
	return wrong(
	    "the ceremony does not speak of the key %.*s", MM_SPAN(entry.name));
}

static enum mm_error
carry_statement(struct matter *matter)
{
	static const uint64_t kinds[MM_ENTRY_KINDS] = {
	    [MM_ENTRY_PRINCIPAL] = MM_STATEMENT_PRINCIPAL,
	    [MM_ENTRY_ORDER] = MM_STATEMENT_ORDER,
	    [MM_ENTRY_REVOCATION] = MM_STATEMENT_REVOKE};
	const struct mm_attested *subject = matter->subject;
	struct mm_statement_entry entry;
	struct mm_entry frame;
	struct word word = {.kind = kinds[subject->entry.kind],
	    .index = subject->receipt.index,
	    .time = subject->entry.time,
	    .force = matter->force,
	    .statements = &entry.statements};
	enum mm_error error = mm_entry_decode_as(subject->receipt.entry,
	    (enum mm_entry_kind)subject->entry.kind, &matter->out->arena,
	    &frame, &entry);

	return error == MM_OK ? hear(matter->out, &word) : error;
}

/* What the appliance says by itself, as it says a refusal, has no officers. */
static enum mm_error (*const carries[MM_ENTRY_KINDS])(struct matter *) = {
    [MM_ENTRY_GENESIS] = carry_genesis,
    [MM_ENTRY_POLICY] = hear_policy,
    [MM_ENTRY_PRINCIPAL] = carry_statement,
    [MM_ENTRY_ORDER] = carry_statement,
    [MM_ENTRY_CERTIFICATE] = carry_certificate,
    [MM_ENTRY_IMAGE] = carry_image,
    [MM_ENTRY_KEY] = carry_key,
    [MM_ENTRY_REVOCATION] = carry_statement};

enum mm_error
mm_mandate_check(const struct mm_attested *subject, const struct mm_vkey *vkey,
    const struct mm_list *bundle, struct mm_mandate *out)
{
	struct matter matter = {
	    .subject = subject, .bundle = bundle, .out = out};
	enum mm_error error;

	*out = (struct mm_mandate){.policy_count = 0};
	mm_arena_init(&out->arena, MANDATE_ARENA);
	if (bundle->count == 0)
		return mm_fail(MM_E_RECEIPT, "the bundle is empty");
	out->policies = calloc(bundle->count, sizeof(*out->policies));
	if (out->policies == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for policies");
	error = take(&matter, vkey);
	if (error == MM_OK)
		error = force_at(out, subject->receipt.index, &subject->entry,
		    &matter.force);
	if (error == MM_OK && carries[subject->entry.kind] != NULL)
		error = carries[subject->entry.kind](&matter);
	if (error == MM_OK)
		error = check_used(&matter);
	/* Its own words for what is malformed or missing here. */
	return error == MM_E_RECEIPT || error == MM_E_FORK
		   ? error
		   : told(error, subject->receipt.index);
}

void
mm_mandate_clear(struct mm_mandate *mandate)
{
	for (size_t i = 0; i < mandate->policy_count; i++)
		mm_force_clear(&mandate->policies[i]);
	free(mandate->policies);
	if (mandate->policy_count > 0)
		mm_birth_clear(&mandate->birth);
	mm_arena_clear(&mandate->arena);
	*mandate = (struct mm_mandate){.policy_count = 0};
}

void
mm_mandate_json(const struct mm_mandate *mandate, json_t *out)
{
	const struct mm_force *last =
	    &mandate->policies[mandate->policy_count - 1];
	json_t *officers = json_array();

	json_object_set_new(out, "policy", mm_json_number(last->policy.number));
	if (mandate->kind == 0) {
		json_decref(officers);
		return;
	}
	for (mm_list_each(const struct mm_text_item, name, mandate->signers))
		json_array_append_new(officers, mm_json_text(name->value));
	json_object_set_new(out, "statement",
	    json_string(mm_statement_kind_name(mandate->kind)));
	json_object_set_new(
	    out, "statement_index", mm_json_number(mandate->basis));
	json_object_set_new(out, "officers", officers);
	json_object_set_new(
	    out, "threshold", mm_json_number(mandate->threshold));
	json_object_set_new(out, "stated", mm_json_time(mandate->claim.time));
	if (mandate->kind != MM_STATEMENT_ORDER)
		return;
	json_object_set_new(
	    out, "order", mm_json_text(mandate->body.order.name));
	json_object_set_new(
	    out, "units", mm_json_number(mandate->body.order.units));
	json_object_set_new(
	    out, "until", mm_json_time(mandate->body.order.until));
}
