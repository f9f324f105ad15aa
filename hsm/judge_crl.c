#include "hsm/judged.h"

#include "ca/crl.h"
#include "ca/request.h"

#include <string.h>

#define refuse mm_judge_refuse

/* A CRL before the judge: what its entry says, and what it is. */
struct listing {
	const struct mm_entry *frame;
	const struct mm_crl_entry *entry;
	const struct mm_genesis_key *key;
	uint8_t digest[32];
	struct mm_crl crl;
};

/* The entry has the bytes themselves, or the name of a blob of them. */
static enum mm_error
check_bytes(const struct mm_crl_entry *entry, struct mm_span tbs,
    const uint8_t digest[32])
{
	if (entry->tbs.size > 0)
		return mm_span_equal(entry->tbs, tbs)
			   ? MM_OK
			   : refuse("the CRL is not its entry's");
	if (!mm_span_equal(entry->tbs_sha256, mm_span(digest, 32)) ||
	    entry->tbs_size != tbs.size)
		return refuse("the CRL is not the blob that its entry names");
	return MM_OK;
}

static enum mm_error
check_times(const struct mm_judge *judge, const struct listing *listing)
{
	const struct mm_crl_entry *entry = listing->entry;
	const struct mm_judge_sources *sources = judge->sources;
	uint64_t longest = sources->crl != NULL
			       ? sources->crl(sources->self, listing->key,
				     &judge->force->policy)
			       : 0;

	if (longest == 0)
		return refuse("by no profile \"%.*s\" signs CRLs",
		    MM_SPAN(entry->issuer));
	if (listing->crl.this_update != entry->this_update ||
	    listing->crl.next_update != entry->next_update)
		return refuse("its CRL has other times");
	if (entry->next_update <= entry->this_update)
		return refuse("its CRL ends before it begins");
	if (entry->next_update - entry->this_update > longest)
		return refuse("its CRL lasts %ju seconds; its profile allows "
			      "%ju",
		    (uintmax_t)(entry->next_update - entry->this_update),
		    (uintmax_t)longest);
	/* Else it could last for as long as somebody likes. */
	if (entry->this_update > listing->frame->time + MM_JUDGE_GRACE)
		return refuse("its CRL begins after its entry's time");
	return MM_OK;
}

/* RFC 5280 5.2.1, 6.3.3: it is found by this name and this key. */
static enum mm_error
check_issuer(const struct mm_judge *judge, const struct listing *listing,
    struct mm_arena *arena)
{
	const struct mm_crl_entry *entry = listing->entry;
	const struct mm_judge_sources *sources = judge->sources;
	struct mm_span certificate;
	struct mm_tbs tbs;
	enum mm_error error =
	    sources->issuer(sources->self, listing->key, 1, &certificate);

	if (error == MM_OK)
		error = mm_issuer_read(certificate, arena, &tbs);
	if (error != MM_OK)
		return error;
	if (!mm_span_equal(tbs.subject, listing->crl.issuer) ||
	    !mm_span_equal(listing->crl.authority,
		mm_span(tbs.key.ski, sizeof(tbs.key.ski))))
		return refuse(
		    "its CRL is not by \"%.*s\"", MM_SPAN(entry->issuer));
	if ((tbs.key_usage & MM_KU_CRL_SIGN) == 0)
		return refuse("the certificate of \"%.*s\" is not for CRLs",
		    MM_SPAN(entry->issuer));
	return MM_OK;
}

static enum mm_error
check_count(const struct listing *listing)
{
	struct mm_der revoked = listing->crl.revoked;
	uint64_t count = 0;

	for (; mm_der_more(&revoked); count++) {
		struct mm_crl_revoked one;
		enum mm_error error = mm_crl_next(&revoked, &one);

		if (error != MM_OK)
			return error;
	}
	if (count != listing->entry->count)
		return refuse("its CRL lists %ju certificates, and it says "
			      "%ju",
		    (uintmax_t)count, (uintmax_t)listing->entry->count);
	return MM_OK;
}

static enum mm_error
check_listing(const struct mm_judge *judge, struct listing *listing,
    struct mm_span tbs, struct mm_arena *arena)
{
	enum mm_error error = check_bytes(listing->entry, tbs, listing->digest);

	if (error == MM_OK)
		error = mm_crl_read(tbs, &listing->crl);
	if (error == MM_OK && listing->crl.number != listing->entry->number)
		error = refuse("its CRL has the number %ju",
		    (uintmax_t)listing->crl.number);
	if (error == MM_OK)
		error = check_times(judge, listing);
	if (error == MM_OK)
		error = check_issuer(judge, listing, arena);
	return error == MM_OK ? check_count(listing) : error;
}

enum mm_error
mm_judge_crl(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_crl_entry *entry, struct mm_span tbs,
    struct mm_arena *arena, struct mm_verdict *out)
{
	struct listing listing = {.frame = frame,
	    .entry = entry,
	    .key = mm_judge_key(judge, entry->issuer)};
	enum mm_error error;

	if (listing.key == NULL || listing.key->use == MM_KEY_CODE_SIGNING)
		return refuse(
		    "\"%.*s\" is no key of a CA", MM_SPAN(entry->issuer));
	mm_tbs_digest(tbs, listing.digest);
	error = check_listing(judge, &listing, tbs, arena);
	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){.key = listing.key, .crl = entry->number};
	memcpy(out->digest, listing.digest, sizeof(out->digest));
	return MM_OK;
}
