#include "hsm/judged.h"

#include "hsm/verify.h"
#include "policy/partition.h"
#include "signer/scheme.h"

#include <sodium.h>
#include <string.h>

static enum mm_error
check_signer(const struct mm_genesis_key *key, struct mm_span name,
    const uint8_t signer[32])
{
	uint8_t own[crypto_hash_sha256_BYTES];

	if (key == NULL || key->use != MM_KEY_CODE_SIGNING)
		return mm_judge_refuse(
		    "\"%.*s\" is no code-signing key of the token",
		    MM_SPAN(name));
	crypto_hash_sha256(own, key->spki.data, key->spki.size);
	if (memcmp(own, signer, sizeof(own)) != 0)
		return mm_judge_refuse(
		    "the entry names another key than \"%.*s\"", MM_SPAN(name));
	return MM_OK;
}

enum mm_error
mm_judge_signing_key(const struct mm_judge *judge,
    const struct mm_judge_signing *of, const struct mm_genesis_key **out)
{
	const struct mm_genesis_key *key = mm_judge_key(judge, of->key);
	const struct mm_signing_name *name = of->name;
	enum mm_algorithm algorithm;
	enum mm_error error = check_signer(key, of->key, of->signer);

	if (error != MM_OK)
		return error;
	if (name->key.size > 0 && !mm_span_equal(name->key, of->key))
		return mm_judge_refuse(
		    "%.*s is signed by the key that it names, not by \"%.*s\"",
		    MM_SPAN(of->signing), MM_SPAN(of->key));
	if (name->key.size == 0 &&
	    mm_policy_names_key(&judge->force->policy, of->key))
		return mm_judge_refuse("the policy has \"%.*s\" for signings "
				       "that name it, which %.*s does not",
		    MM_SPAN(of->key), MM_SPAN(of->signing));
	error = mm_spki_algorithm(key->spki, &algorithm);
	if (error != MM_OK)
		return error;
	if (algorithm != name->scheme->algorithm)
		return mm_judge_refuse(
		    "%s is signed by a key of %s, \"%.*s\" is one of %s",
		    name->scheme->name,
		    mm_algorithm_name(name->scheme->algorithm),
		    MM_SPAN(of->key), mm_algorithm_name(algorithm));
	*out = key;
	return MM_OK;
}
