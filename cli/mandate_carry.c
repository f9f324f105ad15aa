/*
 * What carries an entry, by its kind: the statements that it holds, or those
 * of what it rests on, and the rules of the token process (hsm/judge.h).
 */
#include <string.h>

#include "ca/certificate.h"
#include "cli/mandate_parts.h"
#include "hsm/judge.h"
#include "policy/order.h"

/* ---- certificates, by the rules of the token process (hsm/judge.h) */

/* As the keys were at the entry that the receipt is of. */
static const struct mm_genesis_key *
source_key(void *self, struct mm_span name)
{
	const struct mm_mandate_matter *matter = self;
	const struct mm_followed_key *key = mm_followed_key(
	    &matter->out->following, name, matter->subject->receipt.index);

	return key != NULL ? &key->key : NULL;
}

static const struct mm_genesis_key *
source_key_of(void *self, struct mm_span spki)
{
	const struct mm_mandate_matter *matter = self;
	const struct mm_followed_key *key = mm_followed_spki(
	    &matter->out->following, spki, matter->subject->receipt.index);

	return key != NULL ? &key->key : NULL;
}

static enum mm_error
source_order(void *self, uint64_t index, const struct mm_order_claim **out)
{
	struct mm_mandate_matter *matter = self;
	enum mm_error error = mm_mandate_hear_basis(
	    matter, index, MM_ENTRY_ORDER, MM_STATEMENT_ORDER);

	*out = &matter->out->body.order;
	return error == MM_OK ? mm_order_sound(*out) : error;
}

static enum mm_error
source_principal(
    void *self, uint64_t index, const struct mm_principal_claim **out)
{
	struct mm_mandate_matter *matter = self;

	*out = &matter->out->body.principal;
	return mm_mandate_hear_basis(
	    matter, index, MM_ENTRY_PRINCIPAL, MM_STATEMENT_PRINCIPAL);
}

static enum mm_error
source_ceremony(void *self, uint64_t index,
    const struct mm_ceremony_claim **out, uint64_t *end)
{
	const struct mm_mandate_matter *matter = self;
	const struct mm_followed_ceremony *ceremony =
	    mm_followed_ceremony(&matter->out->following, index);

	if (ceremony == NULL)
		return mm_mandate_wrong(
		    "entry %ju is no ceremony of the bundle, on which "
		    "a certificate of the mint's own rests",
		    (uintmax_t)index);
	*out = &ceremony->claim;
	*end = ceremony->end;
	return MM_OK;
}

static struct mm_judge_sources sources_of(struct mm_mandate_matter *matter);

static enum mm_error
judge(struct mm_mandate_matter *matter, const struct mm_force *force,
    const struct mm_entry *frame, const struct mm_certificate_entry *entry,
    unsigned depth, struct mm_verdict *out)
{
	const struct mm_judge_sources sources = sources_of(matter);
	const struct mm_judge by = {.sources = &sources,
	    .force = force,
	    .origin = matter->out->following.birth.genesis.origin};

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

/* By a CA outside, or by nobody. */
static enum mm_error
find_import(struct mm_mandate_matter *matter,
    const struct mm_genesis_key *issuer, struct mm_span *tbs)
{
	const struct mm_followed_import *import = mm_followed_import(
	    &matter->out->following, issuer, matter->subject->receipt.index);

	if (import == NULL)
		return mm_fail(MM_E_RECEIPT,
		    "the bundle lacks the certificate of the issuer \"%.*s\"",
		    MM_SPAN(issuer->name));
	*tbs = import->tbs;
	return MM_OK;
}

static uint64_t
source_crl(void *self, const struct mm_genesis_key *key,
    const struct mm_policy *policy)
{
	const struct mm_mandate_matter *matter = self;

	return mm_followed_crl(&matter->out->following, key, policy);
}

static enum mm_error
source_issuer(void *self, const struct mm_genesis_key *issuer, unsigned depth,
    struct mm_span *tbs)
{
	struct mm_mandate_matter *matter = self;
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
		error = mm_mandate_force(
		    matter->out, item->receipt.index, &item->frame, &force);
		if (error == MM_OK)
			error = judge(matter, force, &item->frame, &entry,
			    depth, &verdict);
		*tbs = entry.tbs;
		return error;
	}
	return error == MM_OK ? find_import(matter, issuer, tbs) : error;
}

static struct mm_judge_sources
sources_of(struct mm_mandate_matter *matter)
{
	return (struct mm_judge_sources){.self = matter,
	    .key = source_key,
	    .key_of = source_key_of,
	    .order = source_order,
	    .principal = source_principal,
	    .ceremony = source_ceremony,
	    .issuer = source_issuer,
	    .crl = source_crl};
}

/* Devices' and clients' statements were heard when the judge asked. */
static enum mm_error
carry_certificate(struct mm_mandate_matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	struct mm_verdict verdict;
	enum mm_error error = judge(matter, matter->force, &subject->entry,
	    &subject->body.certificate, 0, &verdict);

	if (error != MM_OK)
		return error;
	if (verdict.profile->purpose == MM_PURPOSE_SERVER)
		return mm_mandate_hear_policy(matter);
	return matter->out->kind == 0 ? mm_mandate_hear_ceremony(matter,
					    subject->body.certificate.basis)
				      : MM_OK;
}

/* ---- the other kinds of entries */

static enum mm_error
carry_image(struct mm_mandate_matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	const struct mm_judge_sources sources = sources_of(matter);
	const struct mm_judge by = {.sources = &sources,
	    .force = matter->force,
	    .origin = matter->out->following.birth.genesis.origin};
	const struct mm_mandate_word word = {.kind = MM_STATEMENT_RELEASE,
	    .index = subject->receipt.index,
	    .time = subject->entry.time,
	    .force = matter->force,
	    .statements = &subject->body.image.statements};
	struct mm_verdict verdict;
	enum mm_error error = mm_judge_image(&by, &subject->entry,
	    &subject->body.image, &matter->out->arena, &verdict);

	return error == MM_OK ? mm_mandate_hear(matter->out, &word) : error;
}

/* The order was heard when the judge asked for it. */
static enum mm_error
carry_partition(struct mm_mandate_matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	const struct mm_judge_sources sources = sources_of(matter);
	const struct mm_judge by = {.sources = &sources,
	    .force = matter->force,
	    .origin = matter->out->following.birth.genesis.origin};
	struct mm_verdict verdict;

	return mm_judge_partition(
	    &by, &subject->entry, &subject->body.partition, &verdict);
}

static enum mm_error
carry_genesis(struct mm_mandate_matter *matter)
{
	return mm_mandate_hear_ceremony(matter, 0);
}

/* The entry is in the bundle, too, and whether its ceremony speaks of it was
 * asked when it was followed. */
static enum mm_error
carry_followed(struct mm_mandate_matter *matter, uint64_t ceremony)
{
	uint64_t index = matter->subject->receipt.index;

	if (mm_mandate_bundled(matter, index) == NULL)
		return mm_fail(MM_E_RECEIPT,
		    "the bundle lacks entry %ju itself", (uintmax_t)index);
	return mm_mandate_hear_ceremony(matter, ceremony);
}

static enum mm_error
carry_ceremony(struct mm_mandate_matter *matter)
{
	return carry_followed(matter, matter->subject->receipt.index);
}

static enum mm_error
carry_key(struct mm_mandate_matter *matter)
{
	return carry_followed(matter, matter->subject->body.key.basis);
}

static enum mm_error
carry_import(struct mm_mandate_matter *matter)
{
	return carry_followed(matter, matter->subject->body.import.basis);
}

static enum mm_error
carry_csr(struct mm_mandate_matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	const struct mm_judge_sources sources = sources_of(matter);
	const struct mm_judge by = {.sources = &sources,
	    .force = matter->force,
	    .origin = matter->out->following.birth.genesis.origin};
	struct mm_verdict verdict;
	enum mm_error error = mm_judge_csr(&by, &subject->entry,
	    &subject->body.csr, &matter->out->arena, &verdict);

	return error == MM_OK
		   ? mm_mandate_hear_ceremony(matter, subject->body.csr.basis)
		   : error;
}

static enum mm_error
carry_statement(struct mm_mandate_matter *matter)
{
	static const uint64_t kinds[MM_ENTRY_KINDS] = {
	    [MM_ENTRY_PRINCIPAL] = MM_STATEMENT_PRINCIPAL,
	    [MM_ENTRY_ORDER] = MM_STATEMENT_ORDER,
	    [MM_ENTRY_REVOCATION] = MM_STATEMENT_REVOKE,
	    [MM_ENTRY_WITHDRAWAL] = MM_STATEMENT_WITHDRAW,
	    [MM_ENTRY_RELEASE] = MM_STATEMENT_RELEASE};
	const struct mm_attested *subject = matter->subject;
	const struct mm_mandate_word word = {.kind = kinds[subject->entry.kind],
	    .index = subject->receipt.index,
	    .time = subject->entry.time,
	    .force = matter->force,
	    .statements = &subject->body.statement.statements};

	return mm_mandate_hear(matter->out, &word);
}

/* Whoever has signed so far; that more are wanted is why it waits. */
static enum mm_error
carry_pending(struct mm_mandate_matter *matter)
{
	const struct mm_attested *subject = matter->subject;
	struct mm_mandate *out = matter->out;
	const struct mm_list *statements = &subject->body.pending.statements;
	struct mm_roster_question question = {.policy = &matter->force->policy,
	    .origin = out->following.birth.genesis.origin,
	    .time = subject->entry.time};
	struct mm_roster_state state;
	struct mm_statement statement;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error == MM_OK)
		error = mm_shape_decode(&mm_claim_shape, statement.payload,
		    &out->arena, &out->claim);
	question.kind = out->claim.kind;
	if (error == MM_OK)
		error = mm_roster_gather(&question, statements, &out->arena,
		    &out->claim, &out->body, &state);
	if (error == MM_OK && state.missing == 0)
		error = mm_mandate_wrong(
		    "enough officers have signed what is said to "
		    "wait for them");
	if (error != MM_OK)
		return error;
	out->kind = question.kind;
	out->basis = subject->receipt.index;
	out->missing = state.missing;
	return mm_mandate_signers(out, question.policy, statements);
}

/* What the appliance says by itself, as it says a refusal, has no officers. */
static enum mm_error (*const carries[MM_ENTRY_KINDS])(
    struct mm_mandate_matter *) = {[MM_ENTRY_GENESIS] = carry_genesis,
    [MM_ENTRY_POLICY] = mm_mandate_hear_policy,
    [MM_ENTRY_PRINCIPAL] = carry_statement,
    [MM_ENTRY_ORDER] = carry_statement,
    [MM_ENTRY_CERTIFICATE] = carry_certificate,
    [MM_ENTRY_IMAGE] = carry_image,
    [MM_ENTRY_PARTITION] = carry_partition,
    [MM_ENTRY_KEY] = carry_key,
    [MM_ENTRY_REVOCATION] = carry_statement,
    [MM_ENTRY_PENDING] = carry_pending,
    [MM_ENTRY_WITHDRAWAL] = carry_statement,
    [MM_ENTRY_RELEASE] = carry_statement,
    [MM_ENTRY_CEREMONY] = carry_ceremony,
    [MM_ENTRY_CSR] = carry_csr,
    [MM_ENTRY_IMPORT] = carry_import};

enum mm_error
mm_mandate_carry(struct mm_mandate_matter *matter)
{
	uint64_t kind = matter->subject->entry.kind;

	return carries[kind] != NULL ? carries[kind](matter) : MM_OK;
}
