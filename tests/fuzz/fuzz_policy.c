/*
 * Policy documents from anybody: what is sound can be written, and is the
 * same; and nobody is locked out by it.
 */
#include <stdlib.h>

#include "policy/document.h"
#include "signer/chips.h"
#include "signer/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 20 };

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* A product whose signatures stand beside each other in one file. */
static void
check_product(const struct mm_product *product)
{
	const struct mm_chip *chip = mm_chip_named(product->chip);
	const struct mm_scheme *attached = NULL;
	size_t count = 0;

	for (mm_list_each(
		 const struct mm_text_item, signing, product->schemes)) {
		struct mm_signing_name name;

		must(mm_signing_read(signing->value, &name) == MM_OK);
		must(!name.scheme->partition);
		if (name.scheme->detached)
			continue;
		must(attached == NULL || attached == name.scheme);
		attached = name.scheme;
		count++;
	}
	must(attached == NULL || count <= attached->most);
	must((chip != NULL) == (product->chip.size > 0));
	must(!product->unread || (chip == NULL && product->carries.count == 0 &&
				     product->secure_version == 0));
	must(chip == NULL || chip->secure_version_bits == 0 ||
	     product->secure_version <= chip->secure_version_bits);
}

/* The promises that the checks are there for, asked in another way. */
static void
check_promises(const struct mm_policy *policy)
{
	must(policy->thresholds.count == MM_THRESHOLD_KINDS);
	for (mm_list_each(
		 const struct mm_threshold, threshold, policy->thresholds))
		must(threshold->officers >= 1 &&
		     threshold->officers <= policy->officers.count &&
		     threshold->officers <= MM_STATEMENTS_MAX);
	for (mm_list_each(const struct mm_profile, profile, policy->profiles)) {
		bool signs = (profile->key_usage & MM_KU_KEY_CERT_SIGN) != 0;

		must(signs == (profile->purpose == MM_PURPOSE_CA));
		must(profile->crl == 0 ||
		     (profile->key_usage & MM_KU_CRL_SIGN) != 0);
		must(profile->standard < MM_STANDARDS);
		must(mm_policy_profile(policy, profile->name) == profile);
	}
	for (mm_list_each(const struct mm_product, product, policy->products)) {
		must(mm_policy_product(policy, product->name) == product);
		check_product(product);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span document = mm_span(data, size);
	struct mm_policy policy;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) back = {0};

	mm_arena_init(&arena, ARENA_MAX);
	mm_buffer_init(&back, MM_POLICY_MAX);
	if (mm_policy_decode(document, &arena, &policy) != MM_OK)
		return 0;
	check_promises(&policy);
	must(mm_shape_encode(&mm_policy_shape, &policy, &back) == MM_OK);
	must(mm_span_equal(mm_buffer_span(&back), document));
	return 0;
}
