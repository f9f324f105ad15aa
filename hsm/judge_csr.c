#include "hsm/judged.h"

#include "ca/request.h"

static bool
ceremony_requests(
    const struct mm_ceremony_claim *ceremony, const struct mm_csr_entry *entry)
{
	for (mm_list_each(
		 const struct mm_ceremony_request, one, ceremony->requests))
		if (mm_span_equal(one->key, entry->key) &&
		    mm_span_equal(one->profile, entry->profile) &&
		    mm_span_equal(one->subject, entry->subject))
			return true;
	return false;
}

/* A CSR asks for what a certificate of that key may be, and no more. */
static enum mm_error
check_use(const struct mm_genesis_key *key, const struct mm_profile *profile)
{
	uint64_t wanted = key->use == MM_KEY_CODE_SIGNING
			      ? MM_PURPOSE_CODE_SIGNING
			      : MM_PURPOSE_CA;

	if (profile->purpose == wanted)
		return MM_OK;
	return mm_judge_refuse("the key \"%.*s\" is for %s, not for this",
	    MM_SPAN(key->name), mm_key_use_name(key->use));
}

enum mm_error
mm_judge_csr(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_csr_entry *entry, struct mm_arena *arena,
    struct mm_verdict *out)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&judge->force->policy, entry->profile);
	const struct mm_genesis_key *key = mm_judge_key(judge, entry->key);
	const struct mm_ceremony_claim *ceremony;
	enum mm_error error;

	(void)arena;
	if (profile == NULL)
		return mm_fail(MM_E_PROFILE, "the policy has no profile %.*s",
		    MM_SPAN(entry->profile));
	if (key == NULL)
		return mm_judge_refuse(
		    "the token has no key \"%.*s\"", MM_SPAN(entry->key));
	error = mm_judge_ceremony(judge, frame, entry->basis, &ceremony);
	if (error != MM_OK)
		return error;
	if (!ceremony_requests(ceremony, entry))
		return mm_judge_refuse("the ceremony asks for no CSR %.*s of "
				       "\"%.*s\"",
		    MM_SPAN(entry->subject), MM_SPAN(entry->key));
	error = check_use(key, profile);
	if (error == MM_OK)
		error = mm_judge_ecdsa(key);
	if (error == MM_OK)
		error = mm_request_check(
		    entry->info, profile, entry->subject, key->spki);
	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){.key = key, .profile = profile};
	mm_tbs_digest(entry->info, out->digest);
	return MM_OK;
}
