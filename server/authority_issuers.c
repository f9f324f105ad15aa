#include "server/authority.h"
#include "server/issuers.h"

#include <string.h>

#include "ca/certificate.h"

enum { PAGE = 64 /* entries looked at together */ };

const struct mm_issuer *
mm_issuer_key(const struct mm_authority *a, struct mm_span name)
{
	for (size_t i = 0; i < a->issuer_count; i++)
		if (mm_span_is(name, a->issuers[i].name))
			return &a->issuers[i];
	return NULL;
}

const struct mm_issuer *
mm_issuer_find(const struct mm_authority *a, struct mm_span name)
{
	const struct mm_issuer *issuer = mm_issuer_key(a, name);

	return issuer != NULL && issuer->certificate.size > 0 ? issuer : NULL;
}

/* --- which keys there are --- */

static enum mm_error
add_key(struct mm_authority *a, struct mm_span name, uint64_t use,
    struct mm_span spki)
{
	struct mm_issuer *issuer = &a->issuers[a->issuer_count];

	if (a->issuer_count == MM_ISSUERS_MAX)
		return mm_fail(MM_E_LOG_WRONG,
		    "the log has more than %d keys of the mint",
		    MM_ISSUERS_MAX);
	*issuer = (struct mm_issuer){.use = use};
	mm_span_string(name, issuer->name, sizeof(issuer->name));
	mm_buffer_init(&issuer->tbs, MM_CERTIFICATE_MAX);
	mm_buffer_init(&issuer->certificate, MM_CERTIFICATE_MAX);
	mm_buffer_init(&issuer->spki, MM_SPKI_MAX);
	mm_buffer_add(&issuer->spki, spki.data, spki.size);
	a->issuer_count++;
	return issuer->spki.error == MM_OK
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a key");
}

static enum mm_error
add_genesis(
    struct mm_authority *a, struct mm_span bytes, struct mm_arena *arena)
{
	struct mm_genesis genesis;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    bytes, MM_ENTRY_GENESIS, arena, &entry, &genesis);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_genesis_key, key, genesis.keys)) {
		error = add_key(a, key->name, key->use, key->spki);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static enum mm_error
add_later(struct mm_authority *a, struct mm_span bytes, struct mm_arena *arena)
{
	struct mm_key_entry key;
	struct mm_entry entry;
	enum mm_error error =
	    mm_entry_decode_as(bytes, MM_ENTRY_KEY, arena, &entry, &key);

	return error != MM_OK || key.retired
		   ? error
		   : add_key(a, key.name, key.use, key.spki);
}

static enum mm_error
add_entry(struct mm_authority *a, uint64_t index)
{
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error;

	mm_arena_init(&arena, MM_POLICY_ARENA);
	error = mm_index_reference(a->index, index, &arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return error;
	if (entry.kind == MM_ENTRY_GENESIS)
		return add_genesis(a, bytes, &arena);
	return entry.kind == MM_ENTRY_KEY ? add_later(a, bytes, &arena) : MM_OK;
}

static enum mm_error
add_keys(struct mm_authority *a)
{
	mm_auto(arena) arena = {0};
	struct mm_list page;
	uint64_t from = 0;

	do {
		enum mm_error error;

		mm_arena_clear(&arena);
		mm_arena_init(&arena, 1 << 16);
		error = mm_index_followed(a->index, from, PAGE, &arena, &page);
		for (size_t i = 0; i < page.count && error == MM_OK; i++) {
			from = mm_list_at(page, struct mm_uint_item, i)->value;
			error = add_entry(a, from++);
		}
		if (error != MM_OK)
			return error;
	} while (page.count == PAGE);
	return MM_OK;
}

/* --- their certificates --- */

static enum mm_error
load_signed(struct mm_authority *a, struct mm_issuer *issuer, uint64_t index,
    struct mm_arena *arena)
{
	struct mm_certificate_entry body;
	struct mm_issued issued;
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = mm_index_issued(a->index, index, arena, &issued);

	/* It is being signed, or was voided. */
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && issued.state != MM_ISSUED_SIGNED))
		return MM_OK;
	if (error == MM_OK)
		error = mm_index_reference(a->index, index, arena, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_CERTIFICATE, arena, &entry, &body);
	if (error != MM_OK)
		return error;
	mm_span_string(body.issuer, issuer->issuer, sizeof(issuer->issuer));
	mm_span_string(body.profile, issuer->profile, sizeof(issuer->profile));
	mm_buffer_add(&issuer->tbs, body.tbs.data, body.tbs.size);
	return mm_certificate_assemble(
	    body.tbs, issued.signature, &issuer->certificate);
}

static enum mm_error
load_imported(struct mm_authority *a, struct mm_issuer *issuer, uint64_t index,
    struct mm_arena *arena)
{
	struct mm_import_entry body;
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error =
	    mm_index_reference(a->index, index, arena, &bytes);

	if (error == MM_OK)
		error = mm_entry_decode_as(
		    bytes, MM_ENTRY_IMPORT, arena, &entry, &body);
	if (error != MM_OK)
		return error;
	issuer->imported = true;
	mm_buffer_add(
	    &issuer->certificate, body.certificate.data, body.certificate.size);
	return mm_certificate_tbs(body.certificate, &issuer->tbs);
}

static enum mm_error
load_certificate(struct mm_authority *a, struct mm_issuer *issuer)
{
	mm_auto(arena) arena = {0};
	struct mm_authority_row row;
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_index_authority(
	    a->index, mm_span_text(issuer->name), &arena, &row);
	if (error != MM_OK)
		return error;
	issuer->retired = row.retired;
	issuer->index = row.idx;
	if (row.idx == UINT64_MAX)
		return MM_OK;
	error = row.imported ? load_imported(a, issuer, row.idx, &arena)
			     : load_signed(a, issuer, row.idx, &arena);
	if (error == MM_OK &&
	    (issuer->tbs.error != MM_OK || issuer->certificate.error != MM_OK))
		error = mm_fail(MM_E_MEMORY, "no memory for a certificate");
	return error;
}

enum mm_error
mm_issuers_load(struct mm_authority *a)
{
	enum mm_error error;

	mm_issuers_clear(a);
	error = add_keys(a);
	for (size_t i = 0; i < a->issuer_count && error == MM_OK; i++)
		error = load_certificate(a, &a->issuers[i]);
	return error;
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

enum mm_error
mm_issuer_tbs(const struct mm_certificate_plan *plan, struct mm_buffer *tbs)
{
	uint8_t serial[MM_SERIAL_SIZE];
	enum mm_error error;

	mm_buffer_init(tbs, MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	error = mm_tbs_build(plan, serial, tbs);
	return error == MM_OK ? mm_tbs_check(mm_buffer_span(tbs), plan) : error;
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
