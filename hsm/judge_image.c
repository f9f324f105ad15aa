#include "hsm/judged.h"

#include "policy/decide.h"
#include "signer/scheme.h"

#include <sodium.h>
#include <string.h>

static enum mm_error
check_release(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_image_entry *entry, struct mm_arena *arena)
{
	const struct mm_roster_question question = {
	    .policy = &judge->force->policy,
	    .origin = judge->origin,
	    .kind = MM_STATEMENT_RELEASE,
	    .time = mm_judge_moment(judge, frame)};
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

enum mm_error
mm_judge_image(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_image_entry *entry, struct mm_arena *arena,
    struct mm_verdict *out)
{
	const struct mm_genesis_key *key = mm_judge_key(judge, entry->key);
	uint8_t signer[crypto_hash_sha256_BYTES];
	enum mm_error error;

	if (mm_scheme_find(entry->scheme) == NULL)
		return mm_fail(MM_E_SCHEME, "there is no scheme %.*s",
		    MM_SPAN(entry->scheme));
	/* The one scheme there is signs the image's own hash. */
	if (memcmp(entry->digest, entry->sha256, sizeof(entry->digest)) != 0)
		return mm_judge_refuse(
		    "the digest is not the image's, as %.*s has it",
		    MM_SPAN(entry->scheme));
	if (key == NULL || key->use != MM_KEY_CODE_SIGNING)
		return mm_judge_refuse(
		    "\"%.*s\" is no code-signing key of the token",
		    MM_SPAN(entry->key));
	crypto_hash_sha256(signer, key->spki.data, key->spki.size);
	if (memcmp(signer, entry->signer, sizeof(signer)) != 0)
		return mm_judge_refuse(
		    "the entry names another key than \"%.*s\"",
		    MM_SPAN(entry->key));
	error = check_release(judge, frame, entry, arena);
	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){.key = key};
	memcpy(out->digest, entry->digest, sizeof(out->digest));
	return MM_OK;
}
