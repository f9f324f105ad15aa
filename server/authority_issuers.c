#include "server/authority.h"

#include <string.h>

#include "ca/certificate.h"

const struct mm_issuer *
mm_issuer_find(const struct mm_authority *a, struct mm_span name)
{
	for (size_t i = 0; i < a->issuer_count; i++)
		if (mm_span_is(name, a->issuers[i].name))
			return &a->issuers[i];
	return NULL;
}

static enum mm_error
load_one(struct mm_authority *a, struct mm_span name, struct mm_arena *arena)
{
	struct mm_issuer *issuer;
	struct mm_certificate_entry body;
	struct mm_issued issued;
	struct mm_entry entry;
	struct mm_tbs tbs;
	struct mm_span bytes;
	enum mm_error error;

	if (a->issuer_count == MM_ISSUERS_MAX)
		return mm_fail(MM_E_LOG_WRONG,
		    "the log's genesis has more than %d keys", MM_ISSUERS_MAX);
	issuer = &a->issuers[a->issuer_count];
	error = mm_index_authority(a->index, name, arena, &issued);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && issued.state != MM_ISSUED_SIGNED))
		return mm_fail(MM_E_LOG_WRONG,
		    "the log has no certificate of the key %.*s",
		    MM_SPAN(name));
	if (error == MM_OK)
		error = mm_index_reference(a->index, issued.idx, arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_CERTIFICATE, arena, &entry, &body);
	if (error != MM_OK)
		return error;
	mm_span_string(name, issuer->name, sizeof(issuer->name));
	mm_span_string(body.issuer, issuer->issuer, sizeof(issuer->issuer));
	mm_span_string(body.profile, issuer->profile, sizeof(issuer->profile));
	issuer->index = issued.idx;
	mm_buffer_init(&issuer->tbs, MM_CERTIFICATE_MAX);
	mm_buffer_init(&issuer->certificate, MM_CERTIFICATE_MAX);
	mm_buffer_init(&issuer->spki, MM_SPKI_MAX);
	mm_buffer_add(&issuer->tbs, body.tbs.data, body.tbs.size);
	a->issuer_count++;
	error = mm_tbs_read(body.tbs, arena, &tbs);
	if (error != MM_OK)
		return error;
	mm_buffer_add(&issuer->spki, tbs.spki.data, tbs.spki.size);
	if (issuer->tbs.error != MM_OK || issuer->spki.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	return mm_certificate_assemble(
	    body.tbs, issued.signature, &issuer->certificate);
}

enum mm_error
mm_issuers_load(struct mm_authority *a)
{
	mm_auto(arena) arena = {0};
	struct mm_genesis genesis;
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_index_reference(a->index, 0, &arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_GENESIS, &arena, &entry, &genesis);
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_genesis_key, key, genesis.keys)) {
		error = load_one(a, key->name, &arena);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

void
mm_issuers_clear(struct mm_authority *a)
{
	for (size_t i = 0; i < a->issuer_count; i++) {
		mm_buffer_clear(&a->issuers[i].tbs);
		mm_buffer_clear(&a->issuers[i].certificate);
		mm_buffer_clear(&a->issuers[i].spki);
	}
	a->issuer_count = 0;
}

const struct mm_profile *
mm_profile_for(const struct mm_policy *policy, enum mm_purpose purpose)
{
	for (mm_list_each(const struct mm_profile, one, policy->profiles))
		if (one->purpose == purpose)
			return one;
	return NULL;
}

enum mm_error
mm_issuers_chain(const struct mm_authority *a, struct mm_span name,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_bytes_item *chain =
	    mm_arena_alloc(arena, MM_CHAIN_MAX * sizeof(*chain));
	const struct mm_issuer *issuer = mm_issuer_find(a, name);
	size_t count = 0;

	if (chain == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a chain");
	while (issuer != NULL && count < MM_CHAIN_MAX &&
	       strcmp(issuer->name, issuer->issuer) != 0) {
		chain[count++].value = mm_buffer_span(&issuer->certificate);
		issuer = mm_issuer_find(a, mm_span_text(issuer->issuer));
	}
	*out = (struct mm_list){chain, count};
	return MM_OK;
}
