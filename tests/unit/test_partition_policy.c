/* What a policy lets be signed of devices' partitions, and what one must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy/partition.h"

static const uint8_t certificate[32] = {7};

static struct fixture {
	struct mm_text_item signings[2];
	struct mm_profile profiles[2];
	struct mm_policy policy;
	struct mm_secure_cert_facts own;
	struct mm_image_facts facts;
} f;

static int
begin(void **state)
{
	(void)state;
	f = (struct fixture){
	    .signings = {{mm_span_text("secure-cert-ecdsa256")},
		{mm_span_text("secure-cert-rsa3072:part")}},
	    .own = {.certificate = mm_span(certificate, 32)}};
	f.profiles[0] = (struct mm_profile){.name = mm_span_text("device"),
	    .purpose = MM_PURPOSE_DEVICE,
	    .partitions = {f.signings, 2}};
	f.profiles[1] = (struct mm_profile){.name = mm_span_text("tls-client"),
	    .purpose = MM_PURPOSE_CLIENT,
	    .partitions = {f.signings, 2}};
	f.policy.profiles = (struct mm_list){f.profiles, 2};
	f.facts.secure_cert = (struct mm_list){&f.own, 1};
	return 0;
}

static enum mm_error
ask(const char *profile, const char *signing)
{
	struct mm_signing_name name;

	return mm_partition_signing(
	    &f.policy, mm_span_text(profile), mm_span_text(signing), &name);
}

static void
a_profile_says_how(void **state)
{
	(void)state;
	assert_int_equal(ask("device", "secure-cert-ecdsa256"), MM_OK);
	assert_int_equal(ask("device", "secure-cert-rsa3072:part"), MM_OK);
	assert_int_equal(ask("device", "secure-cert-rsa3072"), MM_E_SCHEME);
	assert_int_equal(
	    ask("device", "secure-cert-ecdsa256:part"), MM_E_SCHEME);
	assert_int_equal(ask("device", "mcuboot"), MM_E_SCHEME);
	assert_int_equal(ask("lamp", "secure-cert-ecdsa256"), MM_E_PROFILE);
	assert_int_equal(
	    ask("tls-client", "secure-cert-ecdsa256"), MM_E_PROFILE_DENIED);
	f.profiles[0].partitions.count = 0;
	assert_int_equal(ask("device", "secure-cert-ecdsa256"), MM_E_SCHEME);
	/* A policy says no such thing (policy/document.c); if it did: */
	f.profiles[0].partitions.count = 1;
	f.signings[0].value = mm_span_text("mcuboot");
	assert_int_equal(ask("device", "mcuboot"), MM_E_SCHEME);
}

static void
wants(enum mm_error wanted, const char *why)
{
	enum mm_error error =
	    mm_partition_check(&f.profiles[0], &f.facts, certificate);

	if (error != wanted || (error != MM_OK && !strstr(mm_why(error), why)))
		fail_msg("%s: %s, not %s", mm_error_name(error),
		    error != MM_OK ? mm_why(error) : "", why);
}

static void
a_good_one(void **state)
{
	(void)state;
	wants(MM_OK, "");
}

static void
no_tlvs(void **state)
{
	(void)state;
	f.facts.secure_cert.count = 0;
	wants(MM_E_PARTITION, "TLVs");
}

static void
signed_already(void **state)
{
	struct mm_signature_block block = {.sound = false};

	(void)state;
	f.facts.signatures = (struct mm_list){&block, 1};
	wants(MM_E_PARTITION, "signed already");
}

static void
bytes_behind_it(void **state)
{
	(void)state;
	f.facts.length = 0x120;
	f.facts.trailing = 1;
	wants(MM_E_PARTITION, "0x120");
	f.facts.blank = true;
	wants(MM_E_PARTITION, "0x120");
}

static void
whose_certificate(void **state)
{
	uint8_t other[32] = {7};

	(void)state;
	other[31] = 1;
	f.own.certificate = mm_span(other, 32);
	wants(MM_E_PARTITION, "another device certificate");
	f.own.certificate = mm_span(certificate, 31);
	wants(MM_E_PARTITION, "another device certificate");
	f.own.certificate = mm_span(NULL, 0);
	wants(MM_E_PARTITION, "no device certificate");
}

static void
a_key_in_clear(void **state)
{
	(void)state;
	f.own.plain_key = true;
	wants(MM_E_PARTITION, "in clear");
	f.profiles[0].plain_keys = true;
	wants(MM_OK, "");
	f.own.plain_key = false;
	wants(MM_OK, "");
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

/* Each key by one name, of a product's images or of partitions. */
static void
partitions_have_keys_of_their_own(void **state)
{
	static const struct {
		const char *partition, *image, *carried, *why;
	} rows[] = {
	    {"secure-cert-rsa3072:part", "secure-boot-v2-rsa3072:boot",
		"secure-boot-v2-rsa3072:boot", NULL},
	    {"secure-cert-ecdsa256:part", "sha256-ecdsa",
		"secure-boot-v2-rsa3072:boot", NULL},
	    {"secure-cert-rsa3072", "sha256-ecdsa",
		"secure-boot-v2-rsa3072:boot", "names no key"},
	    {"secure-cert-rsa3072:boot", "secure-boot-v2-rsa3072:boot",
		"secure-boot-v2-rsa3072:b", "which need a release"},
	    {"secure-cert-rsa3072:boot", "sha256-ecdsa",
		"secure-boot-v2-rsa3072:boot", "which need a release"},
	};
	struct mm_text_item image, carried;
	struct mm_product product = {.name = mm_span_text("lamp"),
	    .schemes = {&image, 1},
	    .carries = {&carried, 1}};

	(void)state;
	f.policy.products = (struct mm_list){&product, 1};
	f.profiles[0].partitions.count = 1;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		enum mm_error error;

		f.signings[0].value = mm_span_text(rows[i].partition);
		image.value = mm_span_text(rows[i].image);
		carried.value = mm_span_text(rows[i].carried);
		error = mm_partition_keys_check(&f.policy, &f.profiles[0]);
		assert_int_equal(
		    error, rows[i].why == NULL ? MM_OK : MM_E_POLICY);
		if (rows[i].why != NULL)
			assert_non_null(strstr(mm_why(error), rows[i].why));
	}
}

static void
a_named_key_is_for_who_names_it(void **state)
{
	struct mm_text_item image = {mm_span_text("sha256-ecdsa:ota")};
	struct mm_product product = {
	    .name = mm_span_text("lamp"), .schemes = {&image, 1}};

	(void)state;
	f.policy.products = (struct mm_list){&product, 1};
	assert_true(mm_policy_names_key(&f.policy, mm_span_text("ota")));
	assert_true(mm_policy_names_key(&f.policy, mm_span_text("part")));
	assert_false(mm_policy_names_key(&f.policy, mm_span_text("codesign")));
	assert_false(mm_policy_names_key(&f.policy, mm_span_text("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(a_profile_says_how),
	    TEST(a_good_one), TEST(no_tlvs), TEST(signed_already),
	    TEST(bytes_behind_it), TEST(whose_certificate),
	    TEST(a_key_in_clear), TEST(partitions_have_keys_of_their_own),
	    TEST(a_named_key_is_for_who_names_it)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
