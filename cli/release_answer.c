#include "cli/release_answer.h"

#include <string.h>

#include "cli/chain.h"
#include "cli/release_terms.h"

static enum mm_error
check_wanted(
    const struct mm_release_row *row, const struct mm_release_signed *one)
{
	const struct mm_image_entry *entry = &one->attested.body.image;
	enum mm_error error = mm_attested_is(&one->attested, MM_ENTRY_IMAGE);

	if (error != MM_OK)
		return error;
	if (!mm_span_equal(row->product, entry->product) ||
	    !mm_span_equal(row->version, entry->version) ||
	    !mm_span_equal(one->signing, entry->scheme) ||
	    one->attested.receipt.index != one->answer.index ||
	    memcmp(one->answer.sha256, entry->sha256, sizeof(entry->sha256)) !=
		0 ||
	    memcmp(row->sha256, entry->sha256, sizeof(entry->sha256)) != 0)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance answered with the receipt of another "
		    "release");
	return MM_OK;
}

/* The key is the one that was logged, and of the signing's kind. */
static enum mm_error
check_key(struct mm_release_signed *one)
{
	const struct mm_image_entry *entry = &one->attested.body.image;
	enum mm_error error = mm_public_key_read(one->answer.spki, &one->key);

	if (error != MM_OK)
		return error;
	if (!mm_span_equal(one->answer.key, entry->key) ||
	    one->key.algorithm != one->scheme->algorithm ||
	    memcmp(one->key.spki_sha256, entry->signer,
		sizeof(entry->signer)) != 0)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance answered with another key than the log "
		    "names for %.*s",
		    MM_SPAN(one->signing));
	return mm_attested_signature(
	    &one->attested, one->answer.signature, one->answer.spki);
}

static enum mm_error
check_certificate(const struct mm_release_signed *one, struct mm_arena *arena)
{
	struct mm_span der = one->answer.certificate;
	struct mm_certificate signer;
	enum mm_error error;

	if (der.size == 0)
		return MM_OK;
	error = mm_certificate_open(der, arena, &signer);
	if (error == MM_OK)
		error =
		    mm_purpose_check(MM_PURPOSE_CODE_SIGNING, signer.read.ca,
			signer.read.key_usage, signer.read.purposes);
	if (error == MM_OK &&
	    !mm_span_equal(signer.read.spki, one->answer.spki))
		error = mm_fail(MM_E_MISMATCH,
		    "the certificate is of another key than the one that "
		    "made the signature");
	return error == MM_OK ? mm_chain_check(der, &one->answer.chain, arena)
			      : error;
}

enum mm_error
mm_release_signed_check(const struct mm_release_row *row,
    const struct mm_vkey *vkey, struct mm_arena *arena,
    struct mm_release_signed *one)
{
	struct mm_signing_name name;
	enum mm_error error = mm_signing_read(one->signing, &name);

	one->scheme = name.scheme;
	if (error == MM_OK)
		error = mm_attested_read(
		    one->answer.receipt, vkey, arena, &one->attested);
	if (error == MM_OK)
		error = check_wanted(row, one);
	if (error == MM_OK)
		error = check_key(one);
	return error == MM_OK ? check_certificate(one, arena) : error;
}

static enum mm_error
fetch(const struct mm_appliance *appliance, const struct mm_release_row *row,
    struct mm_arena *arena, struct mm_release_signed *one)
{
	const struct mm_fetch_request request = {.product = row->product,
	    .version = row->version,
	    .scheme = one->signing};
	enum mm_error error = mm_appliance_ask(
	    appliance, MM_MESSAGE_FETCH, &request, arena, &one->answer);

	return error == MM_OK
		   ? mm_release_signed_check(row, &appliance->vkey, arena, one)
		   : error;
}

static enum mm_error
check_one_image(const struct mm_release_all *all)
{
	const struct mm_image_entry *first = mm_release_entry(all);

	for (size_t i = 1; i < all->count; i++) {
		const struct mm_image_entry *entry =
		    &all->one[i].attested.body.image;

		if (entry->size != first->size ||
		    !mm_span_equal(entry->format, first->format))
			return mm_fail(MM_E_MISMATCH,
			    "the log speaks of several images under one "
			    "version");
	}
	return MM_OK;
}

/* ---- nothing is left out */

static const struct mm_release_signed *
signed_by(const struct mm_release_all *all, struct mm_span signing)
{
	for (size_t i = 0; i < all->count; i++)
		if (mm_span_equal(all->one[i].signing, signing))
			return &all->one[i];
	return NULL;
}

/* What officers have approved, as the newest of the entries rests on it. */
static enum mm_error
read_claim(const struct mm_release_all *all, struct mm_arena *arena,
    struct mm_release_claim *out)
{
	const struct mm_release_signed *newest = &all->one[0];

	for (size_t i = 1; i < all->count; i++)
		if (all->one[i].answer.index > newest->answer.index)
			newest = &all->one[i];
	if (newest->attested.body.image.statements.count == 0)
		return mm_fail(
		    MM_E_MISMATCH, "the receipt's entry rests on no statement");
	return mm_release_claim_read(
	    mm_list_at(
		newest->attested.body.image.statements, struct mm_bytes_item, 0)
		->value,
	    arena, out);
}

/* A row is the appliance's word; what belongs to a release is in its entries.
 */
static enum mm_error
check_whole(const struct mm_release_all *all, struct mm_arena *arena)
{
	struct mm_release_claim claim;
	enum mm_error error = read_claim(all, arena, &claim);

	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_scheme_digest, one, claim.schemes))
		if (signed_by(all, one->scheme) == NULL)
			return mm_fail(MM_E_MISMATCH,
			    "the appliance leaves out %.*s, which officers "
			    "have approved too",
			    MM_SPAN(one->scheme));
	return MM_OK;
}

enum mm_error
mm_release_fetch_all(const struct mm_appliance *appliance,
    const struct mm_release_row *row, struct mm_arena *arena,
    struct mm_release_all *out)
{
	enum mm_error error = MM_OK;

	out->count = 0;
	for (mm_list_each(
		 const struct mm_release_signing, signing, row->signings)) {
		struct mm_release_signed *one = &out->one[out->count];

		if (signed_by(out, signing->scheme) != NULL)
			return mm_fail(MM_E_PEER,
			    "the appliance lists %.*s twice",
			    MM_SPAN(signing->scheme));
		out->count++;
		*one = (struct mm_release_signed){.signing = signing->scheme};
		error = fetch(appliance, row, arena, one);
		if (error != MM_OK)
			return error;
	}
	if (out->count == 0)
		return mm_fail(MM_E_PEER, "the release has no signings");
	error = check_one_image(out);
	return error == MM_OK ? check_whole(out, arena) : error;
}

enum mm_error
mm_release_all_image(
    const struct mm_release_all *all, struct mm_own_image *image)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < all->count && error == MM_OK; i++)
		error = mm_attested_image(&all->one[i].attested, image);
	return error;
}

const struct mm_image_entry *
mm_release_entry(const struct mm_release_all *all)
{
	return &all->one[0].attested.body.image;
}
