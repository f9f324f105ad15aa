/*
 * A ceremony enters the log: what needs things that came along with it
 * (imports, proofs) together with it; the rest is carried out afterwards
 * (authority_carrying.c).
 */
#include "server/authority.h"
#include "server/issuers.h"
#include "server/stating.h"

#include <sodium.h>
#include <string.h>

#include "ca/certificate.h"

enum {
	ENTRY_COST = 512,      /* bytes of an entry beside what it brings */
	CEREMONY_BYTES = 65536 /* that one may bring along */
};

/* The certificate that proves a key; its TBS lies in the job's arena. */
static enum mm_error
draft_proof(struct mm_stating *s, const struct mm_ceremony_proof *proof,
    struct mm_certificate_entry *out)
{
	const struct mm_issuer *issuer = mm_issuer_find(s->a, proof->issuer);
	struct mm_certificate_plan plan = {
	    .profile = mm_policy_profile(&s->a->policy, proof->profile),
	    .subject = proof->code,
	    .spki = s->spki,
	    .issuer = mm_buffer_span(&issuer->tbs),
	    .now = s->a->batch.now};
	mm_auto(buffer) tbs = {0};
	enum mm_error error;

	error = mm_issuer_tbs(&plan, &tbs);
	if (error != MM_OK)
		return error;
	*out = (struct mm_certificate_entry){.profile = proof->profile,
	    .subject = proof->code,
	    .basis = s->a->size + s->a->batch.count,
	    .issuer = proof->issuer,
	    .tbs = mm_arena_copy(&s->job->arena, mm_buffer_span(&tbs))};
	memcpy(out->key, proof->key, sizeof(out->key));
	return out->tbs.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a certificate");
}

static enum mm_error
draft_proofs(struct mm_stating *s, struct mm_certificate_entry **out)
{
	const struct mm_list *proofs = &s->body.ceremony.proofs;
	enum mm_error error = MM_OK;

	*out =
	    mm_arena_alloc(&s->job->arena, (proofs->count + 1) * sizeof(**out));
	if (*out == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	for (size_t i = 0; i < proofs->count && error == MM_OK; i++)
		error = draft_proof(s,
		    mm_list_at(*proofs, struct mm_ceremony_proof, i),
		    &(*out)[i]);
	return error;
}

/* All of it goes into one batch, or nothing. */
static enum mm_error
check_room(
    const struct mm_stating *s, const struct mm_certificate_entry *proofs)
{
	const struct mm_ceremony_claim *claim = &s->body.ceremony;
	const struct mm_batch *batch = &s->a->batch;
	size_t count = 1 + claim->imports.count + claim->proofs.count;
	size_t bytes = count * ENTRY_COST;

	for (mm_list_each(const struct mm_bytes_item, one, s->statements))
		bytes += one->value.size;
	for (mm_list_each(const struct mm_ceremony_import, one, claim->imports))
		bytes += mm_ceremony_brought(s, one).size;
	for (size_t i = 0; i < claim->proofs.count; i++)
		bytes += proofs[i].tbs.size;
	if (bytes > CEREMONY_BYTES)
		return mm_fail(MM_E_RANGE,
		    "the ceremony brings %zu bytes, %d are the most: make two "
		    "of it",
		    bytes, CEREMONY_BYTES);
	if (bytes > MM_BATCH_BYTES - batch->bytes ||
	    count > MM_BATCH_ENTRIES - batch->count ||
	    claim->proofs.count + s->a->item_count > MM_ITEMS_MAX ||
	    claim->proofs.count * MM_REFERENCES_MAX + batch->reference_count >
		MM_BATCH_REFERENCES)
		return mm_plain(MM_E_BUSY);
	return MM_OK;
}

static enum mm_error
add_imports(struct mm_stating *s, uint64_t basis)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_ceremony_import, one,
		 s->body.ceremony.imports)) {
		const struct mm_import_entry body = {
		    one->key, basis, mm_ceremony_brought(s, one)};

		if (error == MM_OK)
			error =
			    mm_batch_add(s->a, MM_ENTRY_IMPORT, &body, NULL);
	}
	return error;
}

enum mm_error
mm_ceremony_enter(struct mm_stating *s)
{
	uint64_t basis = s->a->size + s->a->batch.count;
	struct mm_certificate_entry *proofs;
	struct mm_item *item;
	enum mm_error error = draft_proofs(s, &proofs);

	if (error == MM_OK)
		error = check_room(s, proofs);
	if (error == MM_OK)
		error = mm_statement_enter(s, MM_ENTRY_CEREMONY);
	if (error != MM_OK)
		return error;
	error = add_imports(s, basis);
	for (size_t i = 0; i < s->body.ceremony.proofs.count; i++)
		if (error == MM_OK)
			error = mm_issue_log(s->a, &proofs[i], &item);
	/* The ceremony is in the batch, and its job with it. */
	if (error != MM_OK)
		mm_authority_fail(s->a, error);
	return MM_OK;
}
