#include "hsm/judged.h"

#include "policy/decide.h"
#include "signer/scheme.h"

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
	    .format = entry->format,
	    .chip = entry->chip,
	    .project = entry->project,
	    .secure_version = entry->secure_version,
	    .size = entry->size,
	    .sha256 = entry->sha256,
	    .digest = entry->digest,
	    .claim = &claim};
	struct mm_claim statement;
	enum mm_error error = mm_roster_check(
	    &question, &entry->statements, arena, &statement, &claim);

	return error == MM_OK ? mm_decide_release(&facts) : error;
}

/* The scheme is known, and one of images. */
static enum mm_error
read_signing(
    const struct mm_image_entry *entry, struct mm_signing_name *signing)
{
	enum mm_error error = mm_signing_read(entry->scheme, signing);

	if (error != MM_OK)
		return error;
	if (signing->scheme->partition)
		return mm_fail(MM_E_SCHEME,
		    "%.*s is for a device's partition, under an order, and not "
		    "for a release",
		    MM_SPAN(entry->scheme));
	/* This one signs the image's own hash; the others' digests are what
	 * the officers have computed. */
	if (mm_span_is(
		mm_span_text(signing->scheme->name), MM_SCHEME_DEFAULT) &&
	    memcmp(entry->digest, entry->sha256, sizeof(entry->digest)) != 0)
		return mm_judge_refuse(
		    "the digest is not the image's, as %.*s has it",
		    MM_SPAN(entry->scheme));
	return MM_OK;
}

enum mm_error
mm_judge_image(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_image_entry *entry, struct mm_arena *arena,
    struct mm_verdict *out)
{
	struct mm_signing_name name;
	const struct mm_judge_signing signing = {
	    entry->scheme, &name, entry->key, entry->signer};
	const struct mm_genesis_key *key;
	enum mm_error error = read_signing(entry, &name);

	if (error == MM_OK)
		error = mm_judge_signing_key(judge, &signing, &key);
	if (error == MM_OK)
		error = check_release(judge, frame, entry, arena);
	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){.key = key};
	memcpy(out->digest, entry->digest, sizeof(out->digest));
	return MM_OK;
}
