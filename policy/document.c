#include "policy/document.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>

#include "policy/partition.h"
#include "policy/product.h"

static const struct mm_field officer_fields[] = {
    MM_FIELD(mm_officer, 0, name, MM_TEXT, 1, MM_NAME_MAX),
    MM_FIELD(mm_officer, 1, key, MM_FIXED, 0, 32)};
static MM_SHAPE(officer_shape, mm_officer, officer_fields);

static const struct mm_field product_fields[] = {
    MM_FIELD(mm_product, 0, name, MM_TEXT, 1, MM_NAME_MAX),
    MM_MANY(mm_product, 1, schemes, &mm_text_item_shape, 1, 16),
    MM_OPTIONAL(mm_product, 2, size, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_product, 3, format, MM_TEXT, 1, MM_NAME_MAX),
    MM_OPTIONAL(mm_product, 4, chip, MM_TEXT, 1, MM_NAME_MAX),
    MM_OPTIONAL(mm_product, 5, project, MM_TEXT, 1, MM_NAME_MAX),
    MM_OPTIONAL(mm_product, 6, versions, MM_UINT, 1, MM_VERSIONS_WAYS - 1),
    MM_OPTIONAL(mm_product, 7, slot, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_product, 8, secure_version, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_product, 9, dirty, MM_BOOL, 0, 1),
    MM_OPTIONAL(mm_product, 10, certificate, MM_UINT, 1, INT64_MAX),
    MM_OPTIONAL(mm_product, 11, resign, MM_UINT, 1, MM_RESIGN_WAYS - 1),
    MM_OPTIONAL(mm_product, 12, unread, MM_BOOL, 0, 1),
    MM_ANY(mm_product, 13, carries, &mm_text_item_shape, 8)};
static MM_SHAPE(product_shape, mm_product, product_fields);

static const struct mm_field threshold_fields[] = {
    MM_FIELD(mm_threshold, 0, kind, MM_UINT, 1, MM_THRESHOLD_KINDS),
    MM_FIELD(mm_threshold, 1, officers, MM_UINT, 1, 64)};
static MM_SHAPE(threshold_shape, mm_threshold, threshold_fields);

static const struct mm_field policy_fields[] = {
    MM_FIELD(mm_policy, 0, number, MM_UINT, 1, INT64_MAX),
    MM_MANY(mm_policy, 1, names, &mm_text_item_shape, 1, 16),
    MM_MANY(mm_policy, 2, profiles, &mm_profile_shape, 1, 64),
    MM_ANY(mm_policy, 3, products, &product_shape, 256),
    MM_MANY(mm_policy, 4, officers, &officer_shape, 1, 64),
    MM_MANY(mm_policy, 5, thresholds, &threshold_shape, MM_THRESHOLD_KINDS,
	MM_THRESHOLD_KINDS)};
MM_SHAPE(mm_policy_shape, mm_policy, policy_fields);

enum { DAY = 24 * 3600, CRL_MIN = 60, CRL_MAX = 365 * DAY };

/* Who has a subjectAltName from a profile; a server has the policy's names. */
enum { NAMED = 1 << MM_PURPOSE_DEVICE | 1 << MM_PURPOSE_CLIENT };

static const uint64_t code_signing = 1 << MM_KEY_P256 | 1 << MM_KEY_RSA;

static bool
holds(struct mm_span text, const char *wanted)
{
	return memmem(text.data, text.size, wanted, strlen(wanted)) != NULL;
}

/* A subject that names nobody would be everybody's. */
static enum mm_error
check_subject(const struct mm_profile *profile, const char *placeholder)
{
	for (mm_list_each(const struct mm_subject_part, part, profile->subject))
		if (holds(part->template, placeholder))
			return MM_OK;
	return mm_fail(MM_E_POLICY,
	    "profile %.*s: its subject must hold %s, or all are the same",
	    MM_SPAN(profile->name), placeholder);
}

/* DESIGN.md section 2: the appliance's own certificate lasts 7 days. */
static enum mm_error
check_server(const struct mm_profile *profile)
{
	if (profile->validity == 0 || profile->validity > 7 * DAY)
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: a server's certificate is valid for 7 "
		    "days at most",
		    MM_SPAN(profile->name));
	return MM_OK;
}

/* The token makes these two, so that another one can never be issued. */
static enum mm_error
check_code_signing(const struct mm_profile *profile)
{
	if ((profile->keys & ~code_signing) != 0)
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: a code-signing key is P-256 or RSA",
		    MM_SPAN(profile->name));
	return MM_OK;
}

/* It shows a cloud once who has the key, and is of no use afterwards. */
static enum mm_error
check_proof(const struct mm_profile *profile)
{
	if (profile->validity == 0 || profile->validity > 90 * DAY)
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: a proof of possession is valid for 90 days "
		    "at most",
		    MM_SPAN(profile->name));
	return check_subject(profile, "{name}");
}

/* RFC 5280 5.1.2.5: nextUpdate. That the key may sign CRLs is checked. */
static enum mm_error
check_crl(const struct mm_profile *profile)
{
	if (profile->crl != 0 &&
	    (profile->crl < CRL_MIN || profile->crl > CRL_MAX))
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: a CRL lasts 1 minute to 1 year",
		    MM_SPAN(profile->name));
	return MM_OK;
}

static enum mm_error
check_alternatives(const struct mm_profile *profile)
{
	if (profile->names.count > 0 && (NAMED >> profile->purpose & 1) == 0)
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: names are for purpose device and client",
		    MM_SPAN(profile->name));
	for (mm_list_each(const struct mm_alternative, name, profile->names))
		if (name->kind == MM_ALTERNATIVE_HARDWARE &&
		    profile->purpose != MM_PURPOSE_DEVICE)
			return mm_fail(MM_E_POLICY,
			    "profile %.*s: only a device has a hardware "
			    "module's name",
			    MM_SPAN(profile->name));
	return MM_OK;
}

static enum mm_error
check_purpose(const struct mm_profile *profile)
{
	switch ((enum mm_purpose)profile->purpose) {
	case MM_PURPOSE_DEVICE:
		return check_subject(profile, "{device}");
	case MM_PURPOSE_CLIENT:
		return check_subject(profile, "{name}");
	case MM_PURPOSE_SERVER:
		return check_server(profile);
	case MM_PURPOSE_CODE_SIGNING:
		return check_code_signing(profile);
	case MM_PURPOSE_PROOF:
		return check_proof(profile);
	case MM_PURPOSE_CA:
		break;
	}
	return MM_OK;
}

/* What a policy wants of a profile, beyond what makes it sound. */
static enum mm_error
check_profile(const struct mm_profile *profile)
{
	enum mm_error error = mm_profile_check(profile);

	if (error != MM_OK && error != MM_E_POLICY)
		return mm_fail(MM_E_POLICY, "profile %.*s: %s",
		    MM_SPAN(profile->name), mm_why(error));
	if (error == MM_OK)
		error = check_purpose(profile);
	if (error == MM_OK)
		error = check_crl(profile);
	return error == MM_OK ? check_alternatives(profile) : error;
}

/* Items of any struct that begins with its name. */
static enum mm_error
check_ascending(const struct mm_list *list, size_t size, const char *what)
{
	const uint8_t *items = list->items;

	for (size_t i = 1; i < list->count; i++) {
		const struct mm_span *former =
		    (const void *)(items + (i - 1) * size);
		const struct mm_span *name = (const void *)(items + i * size);

		if (mm_span_compare(*former, *name) >= 0)
			return mm_fail(MM_E_POLICY,
			    "%s %.*s is there twice or out of order", what,
			    MM_SPAN(*name));
	}
	return MM_OK;
}

/* A station has a partition signed under the order of its device. */
static enum mm_error
check_partitions(
    const struct mm_policy *policy, const struct mm_profile *profile)
{
	enum mm_error error;

	if (profile->purpose != MM_PURPOSE_DEVICE &&
	    (profile->partitions.count > 0 || profile->plain_keys))
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: partitions and plain-keys are for purpose "
		    "device",
		    MM_SPAN(profile->name));
	error = mm_signings_check(&profile->partitions, true);
	return error == MM_OK ? mm_partition_keys_check(policy, profile)
			      : mm_fail(MM_E_POLICY, "profile %.*s: %s",
				    MM_SPAN(profile->name), mm_why(error));
}

static enum mm_error
check_profiles(const struct mm_policy *policy, struct mm_policy_place *place)
{
	enum mm_error error = check_ascending(
	    &policy->profiles, sizeof(struct mm_profile), "profile");

	for (size_t i = 0; i < policy->profiles.count && error == MM_OK; i++) {
		const struct mm_profile *profile =
		    mm_list_at(policy->profiles, struct mm_profile, i);

		*place =
		    (struct mm_policy_place){"profile", profile->name, NULL};
		error = check_profile(profile);
		if (error != MM_OK)
			break;
		place->key = "partitions";
		error = check_partitions(policy, profile);
	}
	return error;
}

/* RFC 1123 2.1: a DNS name's letters; or an address. */
static bool
is_host(struct mm_span name)
{
	char text[256];
	uint8_t address[16];

	if (name.size == 0 || name.size > 253)
		return false;
	mm_span_string(name, text, sizeof(text));
	if (inet_pton(AF_INET, text, address) == 1 ||
	    inet_pton(AF_INET6, text, address) == 1)
		return true;
	for (size_t i = 0; i < name.size; i++) {
		bool edge = i == 0 || i + 1 == name.size ||
			    text[i - 1] == '.' || text[i + 1] == '.';
		bool inner = text[i] == '-' || text[i] == '.';

		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789", text[i]) ==
			NULL &&
		    (edge || !inner))
			return false;
	}
	return true;
}

static enum mm_error
check_names(const struct mm_policy *policy, struct mm_policy_place *place)
{
	*place = (struct mm_policy_place){.key = "names"};
	for (size_t i = 0; i < policy->names.count; i++) {
		struct mm_span name =
		    mm_list_at(policy->names, struct mm_text_item, i)->value;

		if (!is_host(name))
			return mm_fail(MM_E_POLICY,
			    "%.*s is no DNS name in small letters and no IP "
			    "address",
			    MM_SPAN(name));
		for (size_t j = 0; j < i; j++)
			if (mm_span_equal(name, mm_list_at(policy->names,
						    struct mm_text_item, j)
						    ->value))
				return mm_fail(MM_E_POLICY,
				    "the name %.*s is there twice",
				    MM_SPAN(name));
	}
	return MM_OK;
}

static enum mm_error
check_products(const struct mm_policy *policy, struct mm_policy_place *place)
{
	enum mm_error error = check_ascending(
	    &policy->products, sizeof(struct mm_product), "product");

	for (size_t i = 0; i < policy->products.count && error == MM_OK; i++) {
		const struct mm_product *product =
		    mm_list_at(policy->products, struct mm_product, i);

		*place =
		    (struct mm_policy_place){"product", product->name, NULL};
		error = mm_product_check(product, &place->key);
	}
	return error;
}

static enum mm_error
check_officers(const struct mm_policy *policy, struct mm_policy_place *place)
{
	const struct mm_officer *officers = policy->officers.items;
	enum mm_error error =
	    check_ascending(&policy->officers, sizeof(*officers), "officer");

	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < policy->officers.count; i++) {
		*place = (struct mm_policy_place){
		    "officer", officers[i].name, "key"};
		/* A key that nobody can have would lock people out. */
		if (crypto_core_ed25519_is_valid_point(officers[i].key) != 1)
			return mm_fail(MM_E_POLICY,
			    "officer %.*s: this is no Ed25519 public key",
			    MM_SPAN(officers[i].name));
		for (size_t j = 0; j < i; j++)
			if (memcmp(officers[i].key, officers[j].key,
				sizeof(officers[i].key)) == 0)
				return mm_fail(MM_E_POLICY,
				    "officers %.*s and %.*s have one key",
				    MM_SPAN(officers[j].name),
				    MM_SPAN(officers[i].name));
	}
	return MM_OK;
}

/* A policy that would lock everybody out is refused. */
static enum mm_error
check_thresholds(const struct mm_policy *policy, struct mm_policy_place *place)
{
	for (size_t i = 0; i < policy->thresholds.count; i++) {
		const struct mm_threshold *threshold =
		    mm_list_at(policy->thresholds, struct mm_threshold, i);

		if (threshold->kind != i + 1)
			return mm_fail(MM_E_POLICY,
			    "there is one threshold for each kind of "
			    "statement, ascending");
		*place = (struct mm_policy_place){.section = "thresholds",
		    .key = mm_statement_kind_name(threshold->kind)};
		if (threshold->officers > MM_STATEMENTS_MAX)
			return mm_fail(MM_E_POLICY,
			    "a threshold of %llu cannot be reached: %d "
			    "officers at most sign one statement",
			    (unsigned long long)threshold->officers,
			    MM_STATEMENTS_MAX);
		if (threshold->officers > policy->officers.count)
			return mm_fail(MM_E_POLICY,
			    "a threshold of %llu cannot be reached by %zu "
			    "officers",
			    (unsigned long long)threshold->officers,
			    policy->officers.count);
	}
	return MM_OK;
}

enum mm_error
mm_policy_check(const struct mm_policy *policy, struct mm_policy_place *place)
{
	static enum mm_error (*const checks[])(
	    const struct mm_policy *, struct mm_policy_place *) = {check_names,
	    check_profiles, check_products, check_officers, check_thresholds};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_COUNT(checks) && error == MM_OK; i++) {
		*place = (struct mm_policy_place){0};
		error = checks[i](policy, place);
	}
	return error;
}

enum mm_error
mm_policy_decode(
    struct mm_span document, struct mm_arena *arena, struct mm_policy *out)
{
	struct mm_policy_place place;
	struct mm_policy policy;
	enum mm_error error;

	if (document.size > MM_POLICY_MAX)
		return mm_fail(MM_E_POLICY,
		    "the policy document has %zu bytes; %d are the limit",
		    document.size, MM_POLICY_MAX);
	error = mm_shape_decode(&mm_policy_shape, document, arena, &policy);
	if (error == MM_E_MEMORY)
		return error;
	if (error != MM_OK)
		return mm_fail(MM_E_POLICY, "%s", mm_why(error));
	error = mm_policy_check(&policy, &place);
	if (error == MM_OK)
		*out = policy;
	return error;
}

const struct mm_profile *
mm_policy_profile(const struct mm_policy *policy, struct mm_span name)
{
	for (mm_list_each(const struct mm_profile, profile, policy->profiles))
		if (mm_span_equal(profile->name, name))
			return profile;
	return NULL;
}

const struct mm_product *
mm_policy_product(const struct mm_policy *policy, struct mm_span name)
{
	for (mm_list_each(const struct mm_product, product, policy->products))
		if (mm_span_equal(product->name, name))
			return product;
	return NULL;
}

void
mm_policy_digest(struct mm_span document, uint8_t out[32])
{
	crypto_hash_sha256(out, document.data, document.size);
}
