/*
 * A ceremony later than at birth: what officers state about the mint's own
 * keys. Whether it could be carried out is asked before anybody approves it.
 */
#include "server/authority.h"
#include "server/issuers.h"
#include "server/stating.h"

#include <sodium.h>
#include <string.h>

#include "ca/request.h"
#include "hsm/verify.h"
#include "policy/ceremony.h"

#define differs(...) mm_fail(MM_E_STATEMENT_DIFFERS, __VA_ARGS__)

/* --- what it names --- */

static const struct mm_ceremony_key *
new_key(const struct mm_ceremony_claim *claim, struct mm_span name)
{
	for (mm_list_each(const struct mm_ceremony_key, key, claim->keys))
		if (mm_span_equal(key->name, name))
			return key;
	return NULL;
}

/* The use of a key that is there, or will be by this ceremony. */
static enum mm_error
use_of(const struct mm_stating *s, struct mm_span name, uint64_t *use)
{
	const struct mm_ceremony_claim *claim = &s->body.ceremony;
	const struct mm_issuer *known = mm_issuer_key(s->a, name);
	const struct mm_ceremony_key *made = new_key(claim, name);

	if (mm_texts_hold(&claim->retired, name))
		return differs("the ceremony uses the key \"%.*s\" that it "
			       "retires",
		    MM_SPAN(name));
	if (known != NULL && known->retired)
		return mm_fail(MM_E_NO_ISSUER, "the key \"%.*s\" is retired",
		    MM_SPAN(name));
	if (known == NULL && made == NULL)
		return mm_fail(MM_E_KEY_ABSENT,
		    "there is no key \"%.*s\", and the ceremony makes none",
		    MM_SPAN(name));
	*use = known != NULL ? known->use : made->use;
	return MM_OK;
}

static enum mm_error
check_key(const struct mm_stating *s, const struct mm_ceremony_key *key)
{
	if (key->use == 0 || mm_key_use_name(key->use) == NULL)
		return differs("there is no use %llu of a key",
		    (unsigned long long)key->use);
	if (key->existing.size > 0)
		return differs("only a genesis takes over keys that exist");
	if (mm_issuer_key(s->a, key->name) != NULL ||
	    new_key(&s->body.ceremony, key->name) != key)
		return mm_fail(MM_E_NAME_TAKEN,
		    "there is or was a key \"%.*s\": a new one has a name of "
		    "its own",
		    MM_SPAN(key->name));
	return MM_OK;
}

static enum mm_error
check_keys(const struct mm_stating *s)
{
	const struct mm_list *keys = &s->body.ceremony.keys;

	if (keys->count + s->a->issuer_count > MM_ISSUERS_MAX)
		return differs("a mint has at most %d keys, retired ones "
			       "included",
		    MM_ISSUERS_MAX);
	for (mm_list_each(const struct mm_ceremony_key, key, *keys)) {
		enum mm_error error = check_key(s, key);

		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* One that is there already may be RSA as well, and sign neither a certificate
 * nor a CSR. */
static enum mm_error
check_signer(const struct mm_stating *s, struct mm_span name)
{
	const struct mm_issuer *known = mm_issuer_key(s->a, name);
	enum mm_algorithm algorithm = MM_ALGORITHM_P256;
	enum mm_error error = MM_OK;

	if (known != NULL)
		error =
		    mm_spki_algorithm(mm_buffer_span(&known->spki), &algorithm);
	if (error == MM_OK && algorithm != MM_ALGORITHM_P256)
		error = mm_fail(MM_E_KEY_TYPE,
		    "key \"%.*s\" is %s: it signs images, and neither "
		    "certificates nor CSRs",
		    MM_SPAN(name), mm_algorithm_name(algorithm));
	return error;
}

/* A profile whose purpose fits what the key is for. */
static enum mm_error
check_profile(const struct mm_stating *s, struct mm_span name, uint64_t use)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&s->a->policy, name);
	enum mm_purpose wanted = use == MM_KEY_CODE_SIGNING
				     ? MM_PURPOSE_CODE_SIGNING
				     : MM_PURPOSE_CA;

	if (profile == NULL)
		return mm_fail(
		    MM_E_PROFILE, "there is no profile %.*s", MM_SPAN(name));
	if (profile->purpose != wanted)
		return mm_fail(MM_E_PROFILE,
		    "profile %.*s is not for a key that is for %s",
		    MM_SPAN(name), mm_key_use_name(use));
	return MM_OK;
}

/* A certificate of the ceremony before the place `end` for this key. */
static bool
certified_before(const struct mm_ceremony_claim *claim,
    const struct mm_ceremony_certificate *end, struct mm_span key)
{
	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 claim->certificates)) {
		if (one == end)
			break;
		if (mm_span_equal(one->key, key))
			return true;
	}
	return false;
}

static enum mm_error
check_issuer(
    const struct mm_stating *s, const struct mm_ceremony_certificate *one)
{
	uint64_t use = 0;
	enum mm_error error;

	if (mm_span_equal(one->key, one->issuer))
		return MM_OK;
	error = use_of(s, one->issuer, &use);
	if (error != MM_OK)
		return error;
	if (use == MM_KEY_CODE_SIGNING)
		return differs("\"%.*s\" is for code signing, and issues no "
			       "certificates",
		    MM_SPAN(one->issuer));
	if (mm_issuer_find(s->a, one->issuer) == NULL &&
	    !certified_before(&s->body.ceremony, one, one->issuer))
		return mm_fail(MM_E_NO_ISSUER,
		    "the key \"%.*s\" has no certificate yet, so that it can "
		    "issue none for \"%.*s\"",
		    MM_SPAN(one->issuer), MM_SPAN(one->key));
	return MM_OK;
}

/* One certificate a key: where it stands twice, the newest would count. */
static enum mm_error
check_certificates(const struct mm_stating *s)
{
	const struct mm_ceremony_claim *claim = &s->body.ceremony;

	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 claim->certificates)) {
		uint64_t use = 0;
		enum mm_error error = use_of(s, one->key, &use);

		if (error == MM_OK && certified_before(claim, one, one->key))
			error = differs("the ceremony certifies \"%.*s\" twice",
			    MM_SPAN(one->key));
		if (error == MM_OK)
			error = check_signer(s, one->issuer);
		if (error == MM_OK)
			error = check_profile(s, one->profile, use);
		if (error == MM_OK)
			error = check_issuer(s, one);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static enum mm_error
check_requests(const struct mm_stating *s)
{
	const struct mm_list *requests = &s->body.ceremony.requests;

	for (mm_list_each(const struct mm_ceremony_request, one, *requests)) {
		uint64_t use = 0;
		enum mm_error error = use_of(s, one->key, &use);

		for (mm_list_each(
			 const struct mm_ceremony_request, other, *requests)) {
			if (other == one)
				break;
			if (error == MM_OK &&
			    mm_span_equal(other->key, one->key))
				error = differs("the ceremony has two CSRs of "
						"\"%.*s\"",
				    MM_SPAN(one->key));
		}
		if (error == MM_OK)
			error = check_signer(s, one->key);
		if (error == MM_OK)
			error = check_profile(s, one->profile, use);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* --- what comes along --- */

/* The certificate of an import, among those that came along. */
struct mm_span
mm_ceremony_brought(
    const struct mm_stating *s, const struct mm_ceremony_import *import)
{
	for (mm_list_each(const struct mm_bytes_item, one, s->certificates)) {
		uint8_t hash[32];

		crypto_hash_sha256(hash, one->value.data, one->value.size);
		if (memcmp(hash, import->sha256, sizeof(hash)) == 0)
			return one->value;
	}
	return mm_span(NULL, 0);
}

static enum mm_error
check_import(
    const struct mm_stating *s, const struct mm_ceremony_import *import)
{
	const struct mm_issuer *key = mm_issuer_key(s->a, import->key);
	struct mm_span certificate = mm_ceremony_brought(s, import);
	uint64_t use = 0;
	enum mm_error error = use_of(s, import->key, &use);

	if (error != MM_OK)
		return error;
	if (key == NULL)
		return differs("\"%.*s\" is made by this ceremony: nobody can "
			       "have certified it yet",
		    MM_SPAN(import->key));
	if (certificate.size == 0)
		return differs("the certificate of \"%.*s\" that the ceremony "
			       "imports did not come along: bring it too",
		    MM_SPAN(import->key));
	if (certificate.size > MM_CERTIFICATE_MAX)
		return mm_fail(MM_E_RANGE,
		    "the certificate of \"%.*s\" has %zu bytes, %d are the "
		    "most",
		    MM_SPAN(import->key), certificate.size, MM_CERTIFICATE_MAX);
	if (mm_span_equal(certificate, mm_buffer_span(&key->certificate)))
		return differs("this certificate of \"%.*s\" is imported "
			       "already",
		    MM_SPAN(import->key));
	return mm_imported_check(certificate, use, mm_buffer_span(&key->spki));
}

static enum mm_error
check_imports(const struct mm_stating *s)
{
	const struct mm_list *imports = &s->body.ceremony.imports;

	for (mm_list_each(const struct mm_ceremony_import, one, *imports)) {
		enum mm_error error = check_import(s, one);

		for (mm_list_each(
			 const struct mm_ceremony_import, other, *imports)) {
			if (other == one)
				break;
			if (error == MM_OK &&
			    mm_span_equal(other->key, one->key))
				error = differs("the ceremony imports two "
						"certificates of \"%.*s\"",
				    MM_SPAN(one->key));
		}
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* The key of a proof is thrown away after it: what has another certificate
 * would be taken for what the proof is. */
static enum mm_error
check_proof_key(const struct mm_stating *s, const uint8_t key[32])
{
	struct mm_principal principal;
	struct mm_issued holder;
	enum mm_error error = MM_E_NOT_FOUND;

	for (size_t i = 0; i < s->a->issuer_count; i++)
		if (mm_span_equal(
			mm_buffer_span(&s->a->issuers[i].spki), s->spki))
			error = MM_OK;
	if (error == MM_E_NOT_FOUND)
		error = mm_index_key(s->a->index, key, &s->job->arena, &holder);
	if (error == MM_E_NOT_FOUND)
		error = mm_index_principal(
		    s->a->index, key, &s->job->arena, &principal);
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	return error != MM_OK
		   ? error
		   : mm_fail(MM_E_KEY_USED,
			 "the key of the proof's CSR is in use here: make one "
			 "for the proof alone");
}

static enum mm_error
check_proof(const struct mm_stating *s, const struct mm_ceremony_proof *proof)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&s->a->policy, proof->profile);
	uint8_t key[32];
	uint64_t use = 0;
	enum mm_error error = use_of(s, proof->issuer, &use);

	if (error != MM_OK)
		return error;
	if (use == MM_KEY_CODE_SIGNING)
		return differs("\"%.*s\" is no CA: there is nothing to prove",
		    MM_SPAN(proof->issuer));
	if (mm_issuer_find(s->a, proof->issuer) == NULL)
		return mm_fail(MM_E_NO_ISSUER,
		    "the key \"%.*s\" has no certificate",
		    MM_SPAN(proof->issuer));
	if (profile == NULL || profile->purpose != MM_PURPOSE_PROOF)
		return mm_fail(MM_E_PROFILE,
		    "there is no profile %.*s for proofs of possession",
		    MM_SPAN(proof->profile));
	if (!mm_span_equal(profile->issuer, proof->issuer))
		return differs("profile %.*s is issued by \"%.*s\", not by "
			       "\"%.*s\": name one that is",
		    MM_SPAN(proof->profile), MM_SPAN(profile->issuer),
		    MM_SPAN(proof->issuer));
	crypto_hash_sha256(key, s->spki.data, s->spki.size);
	if (s->spki.size == 0 || memcmp(key, proof->key, sizeof(key)) != 0)
		return differs("the CSR of the proof did not come along, or is "
			       "of another key than the ceremony's");
	return check_proof_key(s, key);
}

static enum mm_error
check_proofs(const struct mm_stating *s)
{
	for (mm_list_each(const struct mm_ceremony_proof, one,
		 s->body.ceremony.proofs)) {
		enum mm_error error = check_proof(s, one);

		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* --- what goes --- */

/* What is issued every day: a profile in force names its key. */
static const struct mm_profile *
profile_by(const struct mm_policy *policy, struct mm_span issuer)
{
	for (mm_list_each(const struct mm_profile, profile, policy->profiles))
		if (profile->purpose <= MM_PURPOSE_SERVER &&
		    mm_span_equal(profile->issuer, issuer))
			return profile;
	return NULL;
}

static enum mm_error
check_retired(const struct mm_stating *s)
{
	for (mm_list_each(
		 const struct mm_text_item, one, s->body.ceremony.retired)) {
		const struct mm_issuer *key = mm_issuer_key(s->a, one->value);
		const struct mm_profile *profile =
		    profile_by(&s->a->policy, one->value);

		if (key == NULL || key->retired)
			return mm_fail(MM_E_KEY_ABSENT,
			    "there is no key \"%.*s\" to be retired",
			    MM_SPAN(one->value));
		if (profile != NULL)
			return mm_fail(MM_E_LOCK_OUT,
			    "profile %.*s of the policy in force issues with "
			    "\"%.*s\": change the policy first",
			    MM_SPAN(profile->name), MM_SPAN(one->value));
	}
	return MM_OK;
}

/* --- the whole --- */

static enum mm_error
check_frame(struct mm_stating *s)
{
	const struct mm_ceremony_claim *claim = &s->body.ceremony;

	if (memcmp(claim->policy, s->a->policy_digest, 32) != 0)
		return differs("the ceremony is for another policy than the "
			       "one in force, number %llu",
		    (unsigned long long)s->a->policy.number);
	if (claim->succeeds.count > 0)
		return differs("only a genesis succeeds another log");
	if (claim->keys.count + claim->certificates.count +
		claim->retired.count + claim->requests.count +
		claim->imports.count + claim->proofs.count ==
	    0)
		return differs("the ceremony does nothing");
	return MM_OK;
}

/* One after the other: the next one is held against what the last one made. */
static enum mm_error
check_turn(struct mm_stating *s)
{
	bool busy;
	enum mm_error error = mm_carrying_busy(s->a, &busy);

	if (error == MM_OK && busy)
		error = mm_fail(MM_E_BUSY,
		    "another ceremony is being carried out, or the token is "
		    "away: try again when it is done");
	return error;
}

static enum mm_error (*const checks[])(const struct mm_stating *) = {check_keys,
    check_certificates, check_requests, check_imports, check_proofs,
    check_retired};

enum mm_error
mm_ceremony_check(struct mm_stating *s)
{
	enum mm_error error = check_frame(s);

	if (error == MM_OK)
		error = mm_ceremony_claim_check(&s->body.ceremony);
	if (error == MM_OK)
		error = check_turn(s);
	for (size_t i = 0; i < MM_COUNT(checks) && error == MM_OK; i++)
		error = checks[i](s);
	return error;
}
