#include "policy/advice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/grammar.h"
#include "policy/product.h"

enum { ARENA_MAX = 4 << 20, DAY = 24 * 3600 };

struct adviser {
	const struct mm_policy *policy;
	const struct mm_grammar_marks *marks;
	mm_advice_teller *tell;
	void *context;
};

static void __attribute__((format(printf, 5, 6)))
advise(const struct adviser *a, const char *section, struct mm_span title,
    const char *key, const char *format, ...)
{
	unsigned line = 0;
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (section != NULL || key != NULL)
		line = mm_grammar_line(a->marks, section, title, key);
	a->tell(a->context, line, text);
}

/* A profile's, which is most of it. */
#define ADVISE(a, profile, key, ...) \
	advise(a, "profile", (profile)->name, key, __VA_ARGS__)

static const struct mm_span untitled;

static void
look_at_officers(const struct adviser *a)
{
	const struct mm_officer *officer = a->policy->officers.items;

	if (a->policy->officers.count == 1)
		advise(a, "officer", officer->name, NULL,
		    "there is one officer only: nobody looks over their "
		    "shoulder, and when their key is lost, nothing can be "
		    "stated any more");
}

static uint64_t
threshold_of(const struct mm_policy *policy, uint64_t kind)
{
	return mm_list_at(policy->thresholds, struct mm_threshold, kind - 1)
	    ->officers;
}

/* One may revoke: it has to be quick, and does the least harm. */
static void
look_at_thresholds(const struct adviser *a)
{
	uint64_t officers = a->policy->officers.count;
	uint64_t policy = threshold_of(a->policy, MM_STATEMENT_POLICY);

	for (mm_list_each(
		 const struct mm_threshold, one, a->policy->thresholds)) {
		const char *kind = mm_statement_kind_name(one->kind);

		if (officers > 1 && one->officers == 1 &&
		    one->kind != MM_STATEMENT_REVOKE)
			advise(a, "thresholds", untitled, kind,
			    "any one of the %llu officers alone can make "
			    "a statement of kind %s",
			    (unsigned long long)officers, kind);
		if (officers > 1 && one->officers == officers)
			advise(a, "thresholds", untitled, kind,
			    "all %llu officers have to sign a statement of "
			    "kind %s: when one key is lost, there is never "
			    "one again",
			    (unsigned long long)officers, kind);
		if (one->officers > policy)
			advise(a, "thresholds", untitled, kind,
			    "%llu officers have to sign a statement of kind "
			    "%s, but %llu can change that by a policy",
			    (unsigned long long)one->officers, kind,
			    (unsigned long long)policy);
	}
}

/* Whether a profile is the one that a key's certificate is taken to have. */
static bool
makes(const struct mm_profile *profile, struct mm_span key)
{
	static const char ending[] = "-ca";
	size_t plus = sizeof(ending) - 1;
	struct mm_span name = profile->name;

	if (profile->purpose != MM_PURPOSE_CA &&
	    profile->purpose != MM_PURPOSE_CODE_SIGNING)
		return false;
	if (mm_span_equal(name, key))
		return true;
	return name.size == key.size + plus &&
	       memcmp(name.data, key.data, key.size) == 0 &&
	       memcmp(name.data + key.size, ending, plus) == 0;
}

static const struct mm_profile *
profile_of(const struct mm_policy *policy, struct mm_span key)
{
	for (mm_list_each(const struct mm_profile, profile, policy->profiles))
		if (makes(profile, key))
			return profile;
	return NULL;
}

/* 99991231235959Z is longer than anything. */
static bool
lasts_longer(const struct mm_profile *one, const struct mm_profile *other)
{
	return other->validity != 0 &&
	       (one->validity == 0 || one->validity > other->validity);
}

static void
look_at_issuer(const struct adviser *a, const struct mm_profile *profile)
{
	const struct mm_profile *issuer =
	    profile_of(a->policy, profile->issuer);

	if (issuer == NULL) {
		ADVISE(a, profile, "issuer",
		    "profile %.*s: there is no profile for a certificate of "
		    "its issuer %.*s; a CA outside has to give one",
		    MM_SPAN(profile->name), MM_SPAN(profile->issuer));
		return;
	}
	if (issuer != profile && lasts_longer(profile, issuer))
		ADVISE(a, profile, "validity",
		    "profile %.*s is valid for longer than its issuer's, "
		    "%.*s: its certificates end with the issuer's",
		    MM_SPAN(profile->name), MM_SPAN(issuer->name));
	if (profile->purpose == MM_PURPOSE_DEVICE && issuer->crl == 0)
		ADVISE(a, issuer, "crl",
		    "profile %.*s: nobody outside learns of revoked devices, "
		    "since this CA signs no CRLs",
		    MM_SPAN(issuer->name));
}

static void
look_at_device(const struct adviser *a, const struct mm_profile *profile)
{
	if (profile->purpose == MM_PURPOSE_DEVICE &&
	    profile->standard == MM_STANDARD_NONE)
		ADVISE(a, profile, "standard",
		    "profile %.*s names no standard that its certificates "
		    "are held against",
		    MM_SPAN(profile->name));
}

static void
look_at_client(const struct adviser *a, const struct mm_profile *profile)
{
	if (profile->purpose == MM_PURPOSE_CLIENT &&
	    (profile->validity == 0 || profile->validity > 90 * DAY))
		ADVISE(a, profile, "validity",
		    "profile %.*s is valid for more than 90 days; stations "
		    "renew theirs by themselves, so that 30d are enough",
		    MM_SPAN(profile->name));
}

/* The mint takes the first of these two purposes. */
static void
look_at_use(const struct adviser *a, const struct mm_profile *profile)
{
	if (profile->purpose != MM_PURPOSE_CLIENT &&
	    profile->purpose != MM_PURPOSE_SERVER)
		return;
	for (mm_list_each(
		 const struct mm_profile, other, a->policy->profiles)) {
		if (other == profile)
			return;
		if (other->purpose != profile->purpose)
			continue;
		ADVISE(a, profile, NULL,
		    "profile %.*s is never used: %.*s has its purpose and "
		    "comes first by name",
		    MM_SPAN(profile->name), MM_SPAN(other->name));
		return;
	}
}

/* A CA that issues nothing. */
static void
look_at_idleness(const struct adviser *a, const struct mm_profile *profile)
{
	if (profile->purpose != MM_PURPOSE_CA)
		return;
	for (mm_list_each(const struct mm_profile, other, a->policy->profiles))
		if (makes(profile, other->issuer))
			return;
	ADVISE(a, profile, NULL,
	    "profile %.*s is of a CA that issues nothing by this policy",
	    MM_SPAN(profile->name));
}

/* Whoever reads the flash has the device's name then. */
static void
look_at_plain_keys(const struct adviser *a, const struct mm_profile *profile)
{
	if (profile->plain_keys)
		ADVISE(a, profile, "plain-keys",
		    "profile %.*s: partitions are signed that have the "
		    "device's private key in clear",
		    MM_SPAN(profile->name));
}

static void
look_at_profiles(const struct adviser *a)
{
	static void (*const looks[])(const struct adviser *,
	    const struct mm_profile *) = {look_at_issuer, look_at_device,
	    look_at_client, look_at_use, look_at_idleness, look_at_plain_keys};

	for (size_t i = 0; i < MM_COUNT(looks); i++)
		for (mm_list_each(
			 const struct mm_profile, profile, a->policy->profiles))
			looks[i](a, profile);
}

#define ADVISE_PRODUCT(a, product, key, ...) \
	advise(a, "product", (product)->name, key, __VA_ARGS__)

/* Whether its images may be of this format. */
static bool
may_be(const struct mm_product *product, enum mm_image_format format)
{
	return product->format.size == 0 ||
	       mm_span_is(product->format, mm_image_format_name(format));
}

static bool
is_secure_boot(const struct mm_scheme *scheme)
{
	static const char beginning[] = "secure-boot-";

	return scheme != NULL &&
	       strncmp(scheme->family, beginning, sizeof(beginning) - 1) == 0;
}

/* Espressif: SECURE_BOOT_V2_ECDSA_INSECURE of the bootloader's Kconfig. */
static void
look_at_hardware_ecdsa(
    const struct adviser *a, const struct mm_product *product)
{
	static const char ecdsa[] = "secure-boot-v2-ecdsa256";
	const struct mm_chip *chip = mm_chip_named(product->chip);
	const struct mm_scheme *scheme =
	    mm_signings_attached(&product->schemes);

	if (chip == NULL || scheme == NULL || strcmp(scheme->name, ecdsa) != 0)
		return;
	if ((chip->secure_boot & MM_CHIP_ECDSA_UNSAFE) == 0)
		return;
	if ((chip->secure_boot & MM_CHIP_V2_RSA) != 0)
		ADVISE_PRODUCT(a, product, "schemes",
		    "product %.*s: the vendor calls secure boot by the "
		    "hardware ECDSA of %s insecure; the chip has RSA: sign by "
		    "secure-boot-v2-rsa3072",
		    MM_SPAN(product->name), chip->name);
	else
		ADVISE_PRODUCT(a, product, "schemes",
		    "product %.*s: the vendor calls secure boot by the "
		    "hardware ECDSA of %s insecure, and the chip has no RSA "
		    "to use instead",
		    MM_SPAN(product->name), chip->name);
}

static void
look_at_chip(const struct adviser *a, const struct mm_product *product)
{
	bool says = may_be(product, MM_FORMAT_ESP_APP) ||
		    may_be(product, MM_FORMAT_BOOTLOADER) ||
		    may_be(product, MM_FORMAT_ESP_IMAGE);

	if (product->chip.size == 0 && says && !product->unread)
		ADVISE_PRODUCT(a, product, NULL,
		    "product %.*s names no chip: an image for another one "
		    "would be signed (chip)",
		    MM_SPAN(product->name));
}

static void
look_at_versions(const struct adviser *a, const struct mm_product *product)
{
	if (product->versions == MM_VERSIONS_ANY)
		ADVISE_PRODUCT(a, product, "versions",
		    "product %.*s: its versions have no order, so that an "
		    "older one can be released after a newer one (versions)",
		    MM_SPAN(product->name));
	if (product->dirty)
		ADVISE_PRODUCT(a, product, "dirty",
		    "product %.*s allows versions that end in -dirty: nobody "
		    "can build them again",
		    MM_SPAN(product->name));
}

static void
look_at_slot(const struct adviser *a, const struct mm_product *product)
{
	bool ota = may_be(product, MM_FORMAT_ESP_APP) ||
		   may_be(product, MM_FORMAT_MCUBOOT);

	if (product->slot == 0 && ota)
		ADVISE_PRODUCT(a, product, NULL,
		    "product %.*s: nothing says how large its OTA slot is, so "
		    "that an image that does not fit is found out in the "
		    "field (slot or partition-table)",
		    MM_SPAN(product->name));
}

static void
look_at_unread(const struct adviser *a, const struct mm_product *product)
{
	if (product->unread)
		ADVISE_PRODUCT(a, product, "unread",
		    "product %.*s: its images are signed and nobody here has "
		    "read them",
		    MM_SPAN(product->name));
}

/* A bootloader has no secure version of this kind. */
static void
look_at_rollback(const struct adviser *a, const struct mm_product *product)
{
	const struct mm_scheme *scheme =
	    mm_signings_attached(&product->schemes);

	if (is_secure_boot(scheme) && product->secure_version == 0 &&
	    !product->unread && may_be(product, MM_FORMAT_ESP_APP))
		ADVISE_PRODUCT(a, product, NULL,
		    "product %.*s: secure boot without a secure version "
		    "boots every image that was ever signed, its old faults "
		    "with it (secure-version)",
		    MM_SPAN(product->name));
}

static void
look_at_resign(const struct adviser *a, const struct mm_product *product)
{
	if (product->resign != MM_RESIGN_REFUSE &&
	    mm_signings_attached(&product->schemes) == NULL)
		ADVISE_PRODUCT(a, product, "resign",
		    "product %.*s: resign says nothing about signatures that "
		    "are files of their own",
		    MM_SPAN(product->name));
}

static void
look_at_products(const struct adviser *a)
{
	static void (*const looks[])(const struct adviser *,
	    const struct mm_product *) = {look_at_hardware_ecdsa, look_at_chip,
	    look_at_versions, look_at_slot, look_at_unread, look_at_rollback,
	    look_at_resign};

	for (size_t i = 0; i < MM_COUNT(looks); i++)
		for (mm_list_each(
			 const struct mm_product, product, a->policy->products))
			looks[i](a, product);
}

static bool
has_purpose(const struct mm_policy *policy, uint64_t purpose)
{
	for (mm_list_each(const struct mm_profile, profile, policy->profiles))
		if (profile->purpose == purpose)
			return true;
	return false;
}

static void
look_at_purposes(const struct adviser *a)
{
	const struct mm_product *product = a->policy->products.items;

	if (!has_purpose(a->policy, MM_PURPOSE_CLIENT))
		advise(a, NULL, untitled, NULL,
		    "there is no profile of purpose client: nobody could "
		    "connect");
	if (!has_purpose(a->policy, MM_PURPOSE_SERVER))
		advise(a, NULL, untitled, NULL,
		    "there is no profile of purpose server: the appliance "
		    "would have no certificate of its own");
	if (a->policy->products.count > 0 &&
	    !has_purpose(a->policy, MM_PURPOSE_CODE_SIGNING))
		advise(a, "product", product->name, NULL,
		    "there are products, but no profile of purpose "
		    "code-signing for the key that signs them");
}

enum mm_error
mm_policy_advise(const char *path, mm_advice_teller *tell, void *context)
{
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_grammar_marks marks = {0};
	struct mm_policy policy;
	const struct adviser adviser = {&policy, &marks, tell, context};
	enum mm_error error;

	mm_arena_init(&arena, ARENA_MAX);
	mm_buffer_init(&document, MM_POLICY_MAX);
	error = mm_policy_compile_marked(path, &arena, &marks, &document);
	if (error == MM_OK)
		error = mm_policy_decode(
		    mm_buffer_span(&document), &arena, &policy);
	if (error != MM_OK)
		return error;
	look_at_officers(&adviser);
	look_at_thresholds(&adviser);
	look_at_purposes(&adviser);
	look_at_profiles(&adviser);
	look_at_products(&adviser);
	return MM_OK;
}
