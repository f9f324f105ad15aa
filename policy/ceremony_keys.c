/*
 * The keys of a ceremony, whoever brings it: people as text, officers as a
 * claim, the authority as what the token is to make.
 */
#include "policy/ceremony.h"

enum mm_algorithm
mm_ceremony_algorithm(const struct mm_ceremony_key *key)
{
	return key->algorithm == 0 ? MM_ALGORITHM_P256
				   : (enum mm_algorithm)key->algorithm;
}

static enum mm_error
check_algorithm(const struct mm_ceremony_key *key)
{
	if (key->algorithm == 0 || key->use == MM_KEY_CODE_SIGNING)
		return MM_OK;
	return mm_fail(MM_E_KEY_TYPE,
	    "key \"%.*s\": only a key for code signing may be %s, all others "
	    "are P-256",
	    MM_SPAN(key->name), mm_algorithm_name(mm_ceremony_algorithm(key)));
}

enum mm_error
mm_ceremony_keys_check(const struct mm_list *keys)
{
	for (mm_list_each(const struct mm_ceremony_key, key, *keys)) {
		enum mm_error error = check_algorithm(key);

		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

enum mm_error
mm_ceremony_signer(const struct mm_list *keys, struct mm_span name)
{
	for (mm_list_each(const struct mm_ceremony_key, key, *keys))
		if (key->algorithm != 0 && mm_span_equal(key->name, name))
			return mm_fail(MM_E_KEY_TYPE,
			    "key \"%.*s\" is %s: it signs images, and neither "
			    "certificates nor CSRs",
			    MM_SPAN(name),
			    mm_algorithm_name(mm_ceremony_algorithm(key)));
	return MM_OK;
}

enum mm_error
mm_ceremony_claim_check(const struct mm_ceremony_claim *claim)
{
	enum mm_error error = mm_ceremony_keys_check(&claim->keys);

	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 claim->certificates))
		if (error == MM_OK)
			error = mm_ceremony_signer(&claim->keys, one->issuer);
	for (mm_list_each(
		 const struct mm_ceremony_request, one, claim->requests))
		if (error == MM_OK)
			error = mm_ceremony_signer(&claim->keys, one->key);
	return error;
}
