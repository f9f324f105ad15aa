/*
 * What a product's rules (policy/rules.h) are asked about: the image, what was
 * released before it, and the keys that would sign it.
 */
#include "server/releasing.h"
#include "server/issuers.h"

#include <string.h>

#include "ca/certificate.h"
#include "policy/partition.h"
#include "signer/scheme.h"

enum { HISTORY_ARENA = 8 << 20, CERTIFICATE_ARENA = 1 << 16 };

/* --- keys --- */

static bool
has_algorithm(const struct mm_issuer *one, enum mm_algorithm algorithm)
{
	struct mm_public_key key;

	return mm_public_key_read(mm_buffer_span(&one->spki), &key) == MM_OK &&
	       key.algorithm == algorithm;
}

/* Of those that no signing has for itself. */
static const struct mm_issuer *
newest_key(const struct mm_authority *a, enum mm_algorithm algorithm)
{
	const struct mm_issuer *newest = NULL;

	for (size_t i = 0; i < a->issuer_count; i++) {
		const struct mm_issuer *one = &a->issuers[i];

		if (one->use == MM_KEY_CODE_SIGNING && !one->retired &&
		    one->certificate.size > 0 &&
		    !mm_policy_names_key(&a->policy, mm_span_text(one->name)) &&
		    (newest == NULL || one->index > newest->index) &&
		    has_algorithm(one, algorithm))
			newest = one;
	}
	return newest;
}

static enum mm_error
named_key(const struct mm_authority *a, const struct mm_signing_name *name,
    const struct mm_issuer **out)
{
	const struct mm_issuer *key = mm_issuer_key(a, name->key);

	if (key == NULL || key->use != MM_KEY_CODE_SIGNING)
		return mm_fail(MM_E_KEY_ABSENT,
		    "there is no key %.*s for code signing",
		    MM_SPAN(name->key));
	if (key->retired)
		return mm_fail(
		    MM_E_KEY_ABSENT, "the key %s is retired", key->name);
	if (!has_algorithm(key, name->scheme->algorithm))
		return mm_fail(MM_E_KEY_ABSENT,
		    "the key %s is none for %s, which wants %s", key->name,
		    name->scheme->name,
		    mm_algorithm_name(name->scheme->algorithm));
	*out = key;
	return MM_OK;
}

enum mm_error
mm_rules_key(const struct mm_authority *a, struct mm_span signing,
    const struct mm_issuer **out)
{
	struct mm_signing_name name;
	const struct mm_issuer *key;
	enum mm_error error = mm_signing_read(signing, &name);

	if (error != MM_OK)
		return error;
	if (name.key.size > 0)
		return named_key(a, &name, out);
	key = newest_key(a, name.scheme->algorithm);
	if (key == NULL)
		return mm_fail(MM_E_KEY_ABSENT,
		    "there is no %s key for code signing that has a "
		    "certificate and that no signing of the policy names",
		    mm_algorithm_name(name.scheme->algorithm));
	*out = key;
	return MM_OK;
}

/* POSIX seconds; 0 where it cannot be told, so that it lasts no time. */
static uint64_t
end_of(const struct mm_issuer *key)
{
	mm_auto(arena) arena = {0};
	struct mm_tbs tbs;

	mm_arena_init(&arena, CERTIFICATE_ARENA);
	return mm_tbs_read(mm_buffer_span(&key->tbs), &arena, &tbs) == MM_OK
		   ? tbs.not_after
		   : 0;
}

/* What a file knows the key by. */
static bool
digest_of(const struct mm_issuer *issuer, const struct mm_scheme *scheme,
    uint8_t out[32])
{
	struct mm_public_key key;

	if (mm_public_key_read(mm_buffer_span(&issuer->spki), &key) != MM_OK)
		return false;
	if (strcmp(scheme->family, "secure-boot-v2") == 0)
		return mm_secure_boot_v2_key_digest(&key, out) == MM_OK;
	memcpy(out, key.spki_sha256, sizeof(key.spki_sha256));
	return true;
}

/* One that the file must carry may be of a key that is retired. */
static const struct mm_issuer *
key_of(const struct mm_authority *a, struct mm_span signing, bool carried)
{
	struct mm_signing_name name;
	const struct mm_issuer *key = NULL;

	if (mm_rules_key(a, signing, &key) == MM_OK)
		return key;
	if (!carried || mm_signing_read(signing, &name) != MM_OK)
		return NULL;
	return mm_issuer_key(a, name.key);
}

static struct mm_signing_key
describe(const struct mm_authority *a, struct mm_span signing, bool carried)
{
	struct mm_signing_key out = {.signing = signing};
	const struct mm_issuer *key = key_of(a, signing, carried);
	struct mm_signing_name name;

	if (key == NULL || mm_signing_read(signing, &name) != MM_OK)
		return out;
	out.known = digest_of(key, name.scheme, out.digest);
	out.certified = key->certificate.size > 0;
	if (out.certified)
		out.not_after = end_of(key);
	return out;
}

static enum mm_error
list_keys(const struct mm_authority *a, const struct mm_product *product,
    struct mm_arena *arena, struct mm_list *out)
{
	size_t count = product->schemes.count + product->carries.count, i = 0;
	struct mm_signing_key *keys =
	    mm_arena_alloc(arena, count * sizeof(*keys));

	if (keys == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for keys");
	for (mm_list_each(const struct mm_text_item, one, product->schemes))
		keys[i++] = describe(a, one->value, false);
	for (mm_list_each(const struct mm_text_item, one, product->carries))
		keys[i++] = describe(a, one->value, true);
	*out = (struct mm_list){keys, count};
	return MM_OK;
}

/* --- what signing adds --- */

static uint64_t
added_by(const struct mm_rules_question *question, struct mm_span signing)
{
	struct mm_signing_name name;

	if (mm_signing_read(signing, &name) != MM_OK ||
	    name.scheme->added == NULL)
		return 0;
	return name.scheme->added(question->image, question->size);
}

/* The signatures of a family share their place, and where there are some
 * already it is there. */
static uint64_t
added_to(const struct mm_rules_question *question)
{
	uint64_t most = 0;

	if (question->image != NULL && question->image->signatures.count > 0)
		return 0;
	for (mm_list_each(
		 const struct mm_text_item, one, question->product->schemes)) {
		uint64_t adds = added_by(question, one->value);

		most = adds > most ? adds : most;
	}
	return most;
}

/* --- asked --- */

enum mm_error
mm_rules_ask(struct mm_authority *a, const struct mm_rules_question *question,
    struct mm_arena *arena, struct mm_list *rules, size_t *failed)
{
	mm_auto(arena) old = {0};
	struct mm_release_history history;
	struct mm_rules_facts facts = {.product = question->product,
	    .version = question->version,
	    .now = a->batch.now,
	    .size_max = a->configure->settings.image_max,
	    .image = question->image,
	    .size = question->size,
	    .faults = question->faults,
	    .history = &history,
	    .added = added_to(question)};
	enum mm_error error;

	mm_arena_init(&old, HISTORY_ARENA);
	error = mm_index_history(a->index, question->product->name,
	    question->version, &old, &history);
	if (error == MM_OK)
		error = list_keys(a, question->product, arena, &facts.keys);
	return error == MM_OK ? mm_rules_judge(&facts, arena, rules, failed)
			      : error;
}

enum mm_error
mm_rules_verdict(const struct mm_list *rules)
{
	for (mm_list_each(const struct mm_rule_row, rule, *rules))
		if (rule->verdict == MM_RULE_FAILED)
			return mm_fail(MM_E_IMAGE_RULES, "%.*s: %.*s",
			    MM_SPAN(rule->name), MM_SPAN(rule->why));
	return MM_OK;
}
