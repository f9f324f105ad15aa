/*
 * The mint's keys: those of genesis and of later ceremonies, and what is
 * certified of them outside.
 */
#include "server/index_parts.h"

#include <sodium.h>

enum mm_error
mm_fold_add_key(const struct mm_fold *f, struct mm_span name, uint64_t use,
    struct mm_span spki)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, spki.data, spki.size);
	return MM_SQL_CHANGE(f->index, MM_SQL_AUTHORITY_PUT, "tub", name, use,
	    mm_span(digest, sizeof(digest)));
}

enum mm_error
mm_fold_ceremony(const struct mm_fold *f)
{
	struct mm_ceremony_claim claim;

	return mm_fold_stated(f, MM_STATEMENT_CEREMONY, true, &claim);
}

static enum mm_error
retire(const struct mm_fold *f, const struct mm_key_entry *body)
{
	uint8_t digest[32];
	enum mm_error error;

	crypto_hash_sha256(digest, body->spki.data, body->spki.size);
	error = MM_SQL_CHANGE(f->index, MM_SQL_AUTHORITY_RETIRE, "tub",
	    body->name, body->use, mm_span(digest, sizeof(digest)));
	return mm_fold_changed(f, error, "there is no such key to retire");
}

enum mm_error
mm_fold_key(const struct mm_fold *f)
{
	const struct mm_key_entry *body = f->body;
	enum mm_error error = mm_fold_reference(f);

	if (error != MM_OK)
		return error;
	return body->retired
		   ? retire(f, body)
		   : mm_fold_add_key(f, body->name, body->use, body->spki);
}

enum mm_error
mm_fold_csr(const struct mm_fold *f)
{
	const struct mm_csr_entry *body = f->body;
	struct mm_authority_row key;
	enum mm_error error =
	    mm_index_authority(f->index, body->key, f->arena, &key);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu is a CSR of a key that is not there",
		    (unsigned long long)f->idx);
	if (error != MM_OK)
		return error;
	return mm_fold_issue(
	    f, &(struct mm_fold_issue){.profile = body->profile,
		   .subject = body->subject,
		   .issuer = body->key,
		   .key = key.key,
		   .basis = body->basis});
}

enum mm_error
mm_fold_import(const struct mm_fold *f)
{
	const struct mm_import_entry *body = f->body;
	enum mm_error error = mm_fold_reference(f);

	if (error != MM_OK)
		return error;
	error = MM_SQL_CHANGE(
	    f->index, MM_SQL_AUTHORITY_IMPORT, "ut", f->idx, body->key);
	return mm_fold_changed(
	    f, error, "it imports a certificate of a key that is not there");
}
