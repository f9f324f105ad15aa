#include "policy/partition.h"

enum mm_error
mm_partition_signing(const struct mm_policy *policy, struct mm_span profile,
    struct mm_span signing, struct mm_signing_name *out)
{
	const struct mm_profile *found = mm_policy_profile(policy, profile);
	enum mm_error error;

	if (found == NULL)
		return mm_fail(MM_E_PROFILE,
		    "the policy in force has no profile %.*s",
		    MM_SPAN(profile));
	if (found->purpose != MM_PURPOSE_DEVICE)
		return mm_fail(MM_E_PROFILE_DENIED,
		    "profile %.*s is not for devices", MM_SPAN(profile));
	if (!mm_texts_hold(&found->partitions, signing))
		return mm_fail(MM_E_SCHEME,
		    "partitions of profile %.*s are not signed by %.*s: the "
		    "policy's profile says by what (partitions)",
		    MM_SPAN(profile), MM_SPAN(signing));
	error = mm_signing_read(signing, out);
	if (error == MM_OK && !out->scheme->partition)
		error = mm_fail(
		    MM_E_SCHEME, "%.*s signs no partitions", MM_SPAN(signing));
	return error;
}

#define refuse(...) mm_fail(MM_E_PARTITION, __VA_ARGS__)

static enum mm_error
check_certificate(
    const struct mm_secure_cert_facts *facts, const uint8_t certificate[32])
{
	if (facts->certificate.size == 0)
		return refuse("no device certificate lies in it");
	if (!mm_span_equal(facts->certificate, mm_span(certificate, 32)))
		return refuse("another device certificate lies in it than the "
			      "one that this device has");
	return MM_OK;
}

enum mm_error
mm_partition_check(const struct mm_profile *profile,
    const struct mm_image_facts *facts, const uint8_t certificate[32])
{
	const struct mm_secure_cert_facts *own = facts->secure_cert.items;
	enum mm_error error;

	if (facts->secure_cert.count != 1)
		return refuse("it is no esp_secure_cert partition made of "
			      "TLVs: no other form of it is signed");
	if (facts->signatures.count > 0)
		return refuse("it is signed already: bring it as it was "
			      "before");
	if (facts->trailing > 0)
		return refuse("%llu bytes lie behind its last TLV, at 0x%llx, "
			      "which no signature would be over: cut them off",
		    (unsigned long long)facts->trailing,
		    (unsigned long long)facts->length);
	error = check_certificate(own, certificate);
	if (error == MM_OK && own->plain_key && !profile->plain_keys)
		error = refuse("its private key lies in it in clear, which "
			       "profile %.*s does not allow (plain-keys): keep "
			       "the key in the device",
		    MM_SPAN(profile->name));
	return error;
}

/* ---- keys */

static bool
names_key(const struct mm_list *signings, struct mm_span key)
{
	struct mm_signing_name name;

	for (mm_list_each(const struct mm_text_item, one, *signings))
		if (mm_signing_read(one->value, &name) == MM_OK &&
		    name.key.size > 0 && mm_span_equal(name.key, key))
			return true;
	return false;
}

/* The first product whose images are signed by the key, or NULL. */
static const struct mm_product *
product_of(const struct mm_policy *policy, struct mm_span key)
{
	for (mm_list_each(const struct mm_product, product, policy->products))
		if (names_key(&product->schemes, key) ||
		    names_key(&product->carries, key))
			return product;
	return NULL;
}

enum mm_error
mm_partition_keys_check(
    const struct mm_policy *policy, const struct mm_profile *profile)
{
	for (mm_list_each(
		 const struct mm_text_item, one, profile->partitions)) {
		const struct mm_product *product;
		struct mm_signing_name name;
		enum mm_error error = mm_signing_read(one->value, &name);

		if (error != MM_OK)
			return error;
		if (name.key.size == 0)
			return mm_fail(MM_E_POLICY,
			    "profile %.*s: %.*s names no key: a partition "
			    "needs no release, so write \"%.*s:KEY\" with a "
			    "key that signs partitions alone",
			    MM_SPAN(profile->name), MM_SPAN(one->value),
			    MM_SPAN(one->value));
		product = product_of(policy, name.key);
		if (product != NULL)
			return mm_fail(MM_E_POLICY,
			    "profile %.*s: the key of %.*s also signs images "
			    "of product %.*s, which need a release: have "
			    "another key for partitions",
			    MM_SPAN(profile->name), MM_SPAN(one->value),
			    MM_SPAN(product->name));
	}
	return MM_OK;
}

bool
mm_policy_names_key(const struct mm_policy *policy, struct mm_span key)
{
	if (product_of(policy, key) != NULL)
		return true;
	for (mm_list_each(const struct mm_profile, profile, policy->profiles))
		if (names_key(&profile->partitions, key))
			return true;
	return false;
}
