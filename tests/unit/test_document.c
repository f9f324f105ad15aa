/* The policy document: what is sound, and each thing that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "policy/document.h"
#include "signer/scheme.h"

#define TEXT(s) \
	{ \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

enum { DEVICE = 0 };

/* A sound policy, made anew for each test to spoil. */
static struct fixture {
	struct mm_text_item names[17];
	struct mm_text_item eku[2];
	struct mm_text_item schemes[5], carries[9], partitions[5];
	struct mm_subject_part subject[1];
	struct mm_alternative alternatives[9];
	struct mm_profile profiles[65];
	struct mm_product products[257];
	struct mm_officer officers[17];
	struct mm_threshold thresholds[7];
	struct mm_policy policy;
} f;

static void
make_officer(struct mm_officer *officer, struct mm_span name, uint8_t seed)
{
	uint8_t seeds[crypto_sign_SEEDBYTES] = {seed};
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	officer->name = name;
	crypto_sign_seed_keypair(officer->key, secret, seeds);
}

static int
setup(void **state)
{
	static const struct mm_span text_cn = TEXT("2.5.4.3");
	static const struct mm_span text_device = TEXT("unit {device}");
	static const struct mm_span text_eku = TEXT("1.3.6.1.5.5.7.3.2");
	static const struct mm_span text_scheme = TEXT("sha256-ecdsa");

	(void)state;
	memset(&f, 0, sizeof(f));
	f.names[0].value = mm_span_text("localhost");
	f.names[1].value = mm_span_text("127.0.0.1");
	f.eku[0].value = text_eku;
	f.schemes[0].value = text_scheme;
	f.subject[0] = (struct mm_subject_part){text_cn, text_device};
	f.profiles[DEVICE] = (struct mm_profile){.name = mm_span_text("device"),
	    .purpose = MM_PURPOSE_DEVICE,
	    .issuer = mm_span_text("device-ca"),
	    .subject = {f.subject, 1},
	    .validity = 1000,
	    .backdate = 10,
	    .keys = 1 << MM_KEY_P256,
	    .key_usage = MM_KU_DIGITAL_SIGNATURE,
	    .purposes = {f.eku, 1}};
	f.products[0] = (struct mm_product){
	    .name = mm_span_text("demo"), .schemes = {f.schemes, 1}};
	make_officer(&f.officers[0], mm_span_text("first"), 1);
	make_officer(&f.officers[1], mm_span_text("second"), 2);
	make_officer(&f.officers[2], mm_span_text("third"), 3);
	for (size_t i = 0; i < MM_COUNT(f.thresholds); i++)
		f.thresholds[i] = (struct mm_threshold){i + 1, 1};
	f.policy = (struct mm_policy){.number = 1,
	    .names = {f.names, 2},
	    .profiles = {f.profiles, 1},
	    .products = {f.products, 1},
	    .officers = {f.officers, 2},
	    .thresholds = {f.thresholds, 6}};
	return 0;
}

/* By the shape alone; MM_OK where even that does not want it. */
static enum mm_error
encode(struct mm_buffer *out)
{
	mm_buffer_init(out, 1 << 20);
	return mm_shape_encode(&mm_policy_shape, &f.policy, out);
}

static enum mm_error
try(void)
{
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	enum mm_error error = encode(&document);

	mm_arena_init(&arena, 1 << 20);
	if (error != MM_OK)
		return error;
	return mm_policy_decode(mm_buffer_span(&document), &arena, &policy);
}

static void
expect_unsound(const char *why)
{
	assert_int_equal(try(), MM_E_POLICY);
	if (strstr(mm_why(MM_E_POLICY), why) == NULL)
		fail_msg(
		    "\"%s\" does not say \"%s\"", mm_why(MM_E_POLICY), why);
}

static void
reads_back_what_was_written(void **state)
{
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(encode(&document), MM_OK);
	assert_int_equal(
	    mm_policy_decode(mm_buffer_span(&document), &arena, &policy),
	    MM_OK);
	assert_int_equal(policy.number, 1);
	assert_int_equal(policy.officers.count, 2);
	assert_non_null(mm_policy_profile(&policy, mm_span_text("device")));
	assert_null(mm_policy_profile(&policy, mm_span_text("devic")));
	assert_non_null(mm_policy_product(&policy, mm_span_text("demo")));
	assert_null(mm_policy_product(&policy, mm_span_text("demo2")));
}

static void
failure_leaves_the_output_alone(void **state)
{
	mm_auto(arena) arena = {0};
	struct mm_policy policy = {.number = 77};

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(
	    mm_policy_decode(mm_span("\xa0", 1), &arena, &policy), MM_E_POLICY);
	assert_int_equal(policy.number, 77);
}

static void
refuses_bytes_after_the_end(void **state)
{
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(encode(&document), MM_OK);
	mm_buffer_add(&document, "\x00", 1);
	assert_int_equal(
	    mm_policy_decode(mm_buffer_span(&document), &arena, &policy),
	    MM_E_POLICY);
}

static void
refuses_documents_over_the_limit(void **state)
{
	static uint8_t large[MM_POLICY_MAX + 1];
	mm_auto(arena) arena = {0};
	struct mm_policy policy;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(
	    mm_policy_decode(mm_span(large, sizeof(large)), &arena, &policy),
	    MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "limit"));
}

static void
counts_have_bounds(void **state)
{
	static char names[257][8];

	(void)state;
	f.policy.number = 0;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.number = 1;
	for (size_t i = 0; i < 257; i++)
		snprintf(names[i], sizeof(names[i]), "p%03zu", i);
	for (size_t i = 0; i < 17; i++)
		f.names[i].value = mm_span_text(names[i]);
	f.policy.names.count = 16;
	assert_int_equal(try(), MM_OK);
	f.policy.names.count = 17;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.names.count = 0;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.names.count = 1;
	for (size_t i = 0; i < 65; i++) {
		f.profiles[i] = f.profiles[0];
		f.profiles[i].name = mm_span_text(names[i]);
	}
	f.policy.profiles.count = 64;
	assert_int_equal(try(), MM_OK);
	f.policy.profiles.count = 65;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.profiles.count = 0;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.profiles.count = 1;
	for (size_t i = 0; i < 257; i++) {
		f.products[i] = f.products[0];
		f.products[i].name = mm_span_text(names[i]);
	}
	f.policy.products.count = 256;
	assert_int_equal(try(), MM_OK);
	f.policy.products.count = 257;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.products.count = 0;
	assert_int_equal(try(), MM_OK);
	f.policy.officers.count = 0;
	assert_int_equal(try(), MM_E_RANGE);
}

static void
names_are_hosts_and_different(void **state)
{
	static const char *const bad[] = {
	    "-a", "a-", "a..b", ".a", "a.", "a b", "A", "a_b", "*"};
	static const char *const good[] = {
	    "a", "a-b", "mint.example.org", "::1", "10.0.0.1", "x1"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++) {
		f.names[0].value = mm_span_text(good[i]);
		assert_int_equal(try(), MM_OK);
	}
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		f.names[0].value = mm_span_text(bad[i]);
		expect_unsound("no DNS name");
	}
	f.names[0] = f.names[1];
	expect_unsound("is there twice");
}

static void
lists_ascend_strictly(void **state)
{
	(void)state;
	f.profiles[1] = f.profiles[0];
	f.policy.profiles.count = 2;
	expect_unsound("profile device is there twice");
	f.profiles[1].name = mm_span_text("devic");
	expect_unsound("out of order");
	f.profiles[1].name = mm_span_text("device2");
	assert_int_equal(try(), MM_OK);
	f.products[1] = f.products[0];
	f.policy.products.count = 2;
	expect_unsound("product demo is there twice");
	f.policy.products.count = 1;
	f.officers[1].name = mm_span_text("a");
	expect_unsound("officer a is there twice or out of order");
}

static void
profiles_must_be_sound(void **state)
{
	(void)state;
	f.profiles[DEVICE].keys = 1 << 5;
	assert_int_not_equal(try(), MM_OK);
	setup(NULL);
	f.profiles[DEVICE].key_usage = MM_KU_KEY_CERT_SIGN;
	expect_unsound("profile device");
	setup(NULL);
	f.profiles[DEVICE].path = true;
	expect_unsound("path length");
	setup(NULL);
	f.profiles[DEVICE].backdate = 999;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].backdate = 1000;
	expect_unsound("before it begins");
}

static void
devices_never_get_privileges(void **state)
{
	static const char *const bad[] = {
	    "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.3", "2.5.29.37.0"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		f.eku[0].value = mm_span_text(bad[i]);
		expect_unsound("profile device");
	}
	f.eku[0].value = mm_span_text("no-oid");
	expect_unsound("no-oid");
	f.profiles[DEVICE].purposes.count = 0;
	assert_int_equal(try(), MM_OK);
}

static void
subjects_name_what_they_are_for(void **state)
{
	(void)state;
	f.subject[0].template = mm_span_text("everybody");
	expect_unsound("must hold {device}");
	f.subject[0].template = mm_span_text("{name}");
	expect_unsound("must hold {device}");
	f.subject[0].template = mm_span_text("{devcie}");
	expect_unsound("{devcie}");
	f.profiles[DEVICE].purpose = MM_PURPOSE_CLIENT;
	f.subject[0].template = mm_span_text("{device}");
	expect_unsound("must hold {name}");
	f.subject[0].template = mm_span_text("x {name}");
	assert_int_equal(try(), MM_OK);
}

static void
each_purpose_has_its_one_eku(void **state)
{
	static const struct {
		uint64_t purpose;
		const char *eku;
	} rows[] = {{MM_PURPOSE_CLIENT, "1.3.6.1.5.5.7.3.2"},
	    {MM_PURPOSE_SERVER, "1.3.6.1.5.5.7.3.1"},
	    {MM_PURPOSE_CODE_SIGNING, "1.3.6.1.5.5.7.3.3"}};

	(void)state;
	f.subject[0].template = mm_span_text("{name}");
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		for (size_t j = 0; j < MM_COUNT(rows); j++) {
			f.profiles[DEVICE].purpose = rows[i].purpose;
			f.eku[0].value = mm_span_text(rows[j].eku);
			assert_int_equal(try(), i == j ? MM_OK : MM_E_POLICY);
		}
	f.profiles[DEVICE].purposes.count = 0;
	expect_unsound("extendedKeyUsage");
	f.eku[1].value = mm_span_text("1.3.6.1.5.5.7.3.3");
	f.profiles[DEVICE].purposes.count = 2;
	expect_unsound("extendedKeyUsage");
}

static void
servers_last_a_week(void **state)
{
	(void)state;
	f.profiles[DEVICE].purpose = MM_PURPOSE_SERVER;
	f.eku[0].value = mm_span_text("1.3.6.1.5.5.7.3.1");
	f.profiles[DEVICE].validity = 7 * 86400;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].validity++;
	expect_unsound("7 days");
	f.profiles[DEVICE].validity = 0;
	expect_unsound("7 days");
}

static void
code_signing_keys_are_the_tokens(void **state)
{
	(void)state;
	f.profiles[DEVICE].purpose = MM_PURPOSE_CODE_SIGNING;
	f.eku[0].value = mm_span_text("1.3.6.1.5.5.7.3.3");
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].keys |= 1 << MM_KEY_RSA;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].keys = 1 << MM_KEY_RSA;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].keys |= 1 << MM_KEY_P384;
	expect_unsound("P-256 or RSA");
	f.profiles[DEVICE].keys = 1 << MM_KEY_ED25519;
	expect_unsound("P-256 or RSA");
}

static void
proofs_last_ninety_days(void **state)
{
	(void)state;
	f.profiles[DEVICE].purpose = MM_PURPOSE_PROOF;
	f.profiles[DEVICE].purposes.count = 0;
	f.subject[0].template = mm_span_text("{name}");
	f.profiles[DEVICE].validity = 90 * 86400;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].validity++;
	expect_unsound("90 days");
	f.profiles[DEVICE].validity = 0;
	expect_unsound("90 days");
	f.profiles[DEVICE].validity = 86400;
	f.subject[0].template = mm_span_text("anything");
	expect_unsound("must hold {name}");
}

static void
make_ca(void)
{
	f.profiles[DEVICE].purpose = MM_PURPOSE_CA;
	f.profiles[DEVICE].purposes.count = 0;
	f.profiles[DEVICE].key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN;
	f.subject[0].template = mm_span_text("{name}");
}

static void
crls_are_a_cas_and_last_a_minute_to_a_year(void **state)
{
	(void)state;
	f.profiles[DEVICE].crl = 3600;
	expect_unsound("only a CA");
	make_ca();
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].crl = 59;
	expect_unsound("1 minute to 1 year");
	f.profiles[DEVICE].crl = 60;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].crl = 365 * 86400;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].crl++;
	expect_unsound("1 minute to 1 year");
	f.profiles[DEVICE].crl = 3600;
	f.profiles[DEVICE].key_usage = MM_KU_KEY_CERT_SIGN;
	expect_unsound("cRLSign");
}

/* Which purposes and what else: tests of ca/standard.c. */
static void
standards_are_kept(void **state)
{
	(void)state;
	f.profiles[DEVICE].standard = MM_STANDARD_AWS_IOT;
	assert_int_equal(try(), MM_OK);
	f.profiles[DEVICE].standard = MM_STANDARD_MATTER_PAI;
	expect_unsound("under standard matter-pai");
	f.profiles[DEVICE].standard = MM_STANDARDS;
	assert_int_equal(try(), MM_E_RANGE);
}

static void
alternative_names_fit_their_purpose(void **state)
{
	struct mm_alternative *name = &f.alternatives[0];

	(void)state;
	*name = (struct mm_alternative){.kind = MM_ALTERNATIVE_DNS,
	    .template = mm_span_text("{device}.example.com")};
	f.profiles[DEVICE].names = (struct mm_list){f.alternatives, 1};
	assert_int_equal(try(), MM_OK);
	name->type = mm_span_text("1.2.3");
	expect_unsound("type");
	*name = (struct mm_alternative){.kind = MM_ALTERNATIVE_HARDWARE,
	    .template = mm_span_text("{device}"),
	    .type = mm_span_text("1.3.6.1.4.1.32473.1")};
	assert_int_equal(try(), MM_OK);
	name->type.size = 0;
	expect_unsound("type");
	name->type = mm_span_text("1.2.3");
	f.profiles[DEVICE].purpose = MM_PURPOSE_CLIENT;
	f.subject[0].template = mm_span_text("{name}");
	name->template = mm_span_text("{name}");
	expect_unsound("hardware");
	make_ca();
	expect_unsound("purpose device and client");
}

static void
schemes_are_different(void **state)
{
	(void)state;
	f.schemes[1] = f.schemes[0];
	f.products[0].schemes.count = 2;
	expect_unsound("the scheme sha256-ecdsa is there twice");
	f.schemes[1].value = mm_span_text("cose-sign1");
	assert_int_equal(try(), MM_OK);
	f.products[0].schemes.count = 0;
	assert_int_equal(try(), MM_E_RANGE);
}

/* The product has these signings, up to the NULL. */
static void
sign_by(const char *const *signings)
{
	size_t count = 0;

	for (; signings[count] != NULL; count++)
		f.schemes[count].value = mm_span_text(signings[count]);
	f.products[0].schemes.count = count;
}
#define SIGN_BY(...) sign_by((const char *const[]){__VA_ARGS__, NULL})

/* At this word of the text. */
static void
expect_product(const char *key, const char *why)
{
	struct mm_policy_place place = {0};

	expect_unsound(why);
	assert_int_equal(mm_policy_check(&f.policy, &place), MM_E_POLICY);
	assert_string_equal(place.section, "product");
	assert_string_equal(place.key, key);
}

static void
a_product_keeps_all_that_it_says(void **state)
{
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	const struct mm_product *product;

	(void)state;
	f.carries[0].value = mm_span_text("secure-boot-v2-rsa3072:b");
	SIGN_BY("sha256-ecdsa:ota", "secure-boot-v2-rsa3072:a");
	f.products[0] = (struct mm_product){.name = mm_span_text("demo"),
	    .schemes = {f.schemes, 2},
	    .size = 1,
	    .format = mm_span_text("esp-app"),
	    .chip = mm_span_text("esp32c3"),
	    .project = mm_span_text("lamp"),
	    .versions = MM_VERSIONS_MCUBOOT,
	    .slot = 2,
	    .secure_version = 16,
	    .dirty = true,
	    .certificate = 3,
	    .resign = MM_RESIGN_APPEND,
	    .carries = {f.carries, 1}};
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(encode(&document), MM_OK);
	assert_int_equal(
	    mm_policy_decode(mm_buffer_span(&document), &arena, &policy),
	    MM_OK);
	product = mm_policy_product(&policy, mm_span_text("demo"));
	assert_int_equal(product->schemes.count, 2);
	assert_true(mm_span_is(product->format, "esp-app"));
	assert_true(mm_span_is(product->chip, "esp32c3"));
	assert_true(mm_span_is(product->project, "lamp"));
	assert_int_equal(product->versions, MM_VERSIONS_MCUBOOT);
	assert_int_equal(product->slot, 2);
	assert_int_equal(product->secure_version, 16);
	assert_true(product->dirty);
	assert_int_equal(product->certificate, 3);
	assert_int_equal(product->resign, MM_RESIGN_APPEND);
	assert_false(product->unread);
	assert_int_equal(product->carries.count, 1);
	f.products[0].versions = MM_VERSIONS_WAYS;
	assert_int_equal(try(), MM_E_RANGE);
	f.products[0].versions = 0;
	f.products[0].resign = MM_RESIGN_WAYS;
	assert_int_equal(try(), MM_E_RANGE);
}

static void
signings_are_known(void **state)
{
	static char longest[MM_SIGNING_MAX + 2];

	(void)state;
	SIGN_BY("md5");
	expect_product("schemes", "no signature scheme \"md5\"");
	SIGN_BY("sha256-ecdsa:");
	expect_product("schemes", "names no key");
	SIGN_BY("sha256-ecdsa:code signing: one");
	assert_int_equal(try(), MM_OK);
	memset(longest, 'k', MM_SIGNING_MAX + 1);
	memcpy(longest, "mcuboot:", 8);
	SIGN_BY(longest);
	expect_product("schemes", "at most 64 bytes");
	longest[MM_SIGNING_MAX] = '\0';
	SIGN_BY(longest);
	assert_int_equal(try(), MM_OK);
	SIGN_BY("secure-cert-rsa3072");
	expect_product("schemes", "partitions of a profile");
}

static void
one_file_has_room_for_few(void **state)
{
	(void)state;
	SIGN_BY("secure-boot-v2-rsa3072", "secure-boot-v2-rsa3072:a",
	    "secure-boot-v2-rsa3072:b");
	assert_int_equal(try(), MM_OK);
	SIGN_BY("secure-boot-v2-rsa3072", "secure-boot-v2-rsa3072:a",
	    "secure-boot-v2-rsa3072:b", "secure-boot-v2-rsa3072:c");
	expect_product("schemes", "4 signatures of secure-boot-v2");
	SIGN_BY("sha256-ecdsa", "cose-sign1", "secure-boot-v2-rsa3072:a",
	    "secure-boot-v2-ecdsa256:a");
	expect_product("schemes", "two algorithms");
	SIGN_BY("secure-boot-v1", "sha256-ecdsa", "secure-boot-v2-rsa3072");
	expect_product("schemes", "takes one of them");
	SIGN_BY("mcuboot:a", "mcuboot:b");
	expect_product("schemes", "2 signatures of mcuboot: one file takes 1");
	SIGN_BY("sha256-ecdsa:a", "sha256-ecdsa:b");
	expect_product("schemes", "one file takes 1");
	SIGN_BY("secure-boot-v2-rsa3072:a", "secure-boot-v2-rsa3072:b");
	f.products[0].chip = mm_span_text("esp32");
	expect_product("schemes", "esp32 takes 1 in an image");
	SIGN_BY("secure-boot-v2-rsa3072:a");
	assert_int_equal(try(), MM_OK);
}

static void
a_chip_verifies_its_schemes(void **state)
{
	static const struct {
		const char *chip, *scheme;
		bool good;
	} rows[] = {{"esp32", "secure-boot-v1", true},
	    {"esp32", "secure-boot-v2-ecdsa256", false},
	    {"esp32s3", "secure-boot-v1", false},
	    {"esp32c2", "secure-boot-v2-ecdsa256", true},
	    {"esp32c2", "secure-boot-v2-rsa3072", false},
	    {"esp32c6", "secure-boot-v2-ecdsa256", true},
	    {"esp32c6", "secure-boot-v2-rsa3072", true},
	    {"esp32h4", "secure-boot-v2-rsa3072", false},
	    {"esp32h4", "sha256-ecdsa", true}, {"esp32c3", "mcuboot", true},
	    {"esp32c3", "cose-sign1", true}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		f.products[0].chip = mm_span_text(rows[i].chip);
		SIGN_BY(rows[i].scheme);
		if (rows[i].good)
			assert_int_equal(try(), MM_OK);
		else
			expect_product("schemes", "does not verify");
	}
	f.products[0].chip = mm_span_text("esp8266");
	expect_product("chip", "no chip known here");
	f.products[0].chip = mm_span_text("ESP32");
	expect_product("chip", "no chip known here");
}

static void
formats_are_known_and_fit(void **state)
{
	(void)state;
	for (int i = MM_FORMAT_PLAIN; i <= MM_FORMAT_SECURE_CERT; i++) {
		f.products[0].format =
		    mm_span_text(mm_image_format_name((enum mm_image_format)i));
		assert_int_equal(try(), MM_OK);
	}
	SIGN_BY("mcuboot");
	f.products[0].format = mm_span_text("mcuboot");
	assert_int_equal(try(), MM_OK);
	f.products[0].format = mm_span("", 0);
	assert_int_equal(try(), MM_OK);
	f.products[0].format = mm_span_text("esp-app");
	expect_product("schemes", "mcuboot signs images of format mcuboot");
	f.products[0].format = mm_span_text("elf");
	expect_product("format", "no format of images");
}

static void
secure_versions_fit_the_chip(void **state)
{
	(void)state;
	f.products[0].secure_version = INT64_MAX;
	assert_int_equal(try(), MM_OK);
	f.products[0].chip = mm_span_text("esp32c5");
	f.products[0].secure_version = 9;
	assert_int_equal(try(), MM_OK);
	f.products[0].secure_version = 10;
	expect_product(
	    "secure-version", "the eFuse of esp32c5 counts to 9, not 10");
	f.products[0].chip = mm_span_text("esp32h4");
	assert_int_equal(try(), MM_OK);
}

static void
carried_signatures_are_attached_ones(void **state)
{
	struct mm_product *product = &f.products[0];

	(void)state;
	product->carries = (struct mm_list){f.carries, 1};
	f.carries[0].value = mm_span_text("secure-boot-v2-rsa3072:a");
	assert_int_equal(try(), MM_OK);
	product->chip = mm_span_text("esp32c2");
	expect_product("carries", "does not verify");
	product->chip = mm_span("", 0);
	f.carries[0].value = mm_span_text("cose-sign1");
	expect_product("carries", "a file of its own");
	f.carries[0].value = mm_span_text("mcuboot");
	expect_product("carries", "only Secure Boot V2");
	f.carries[0].value = mm_span_text("secure-cert-rsa3072");
	expect_product("carries", "partitions of a profile");
	f.carries[0].value = mm_span_text("secure-boot-v3");
	expect_product("carries", "no signature scheme");
	product->carries.count = 2;
	f.carries[0].value = mm_span_text("secure-boot-v2-rsa3072:a");
	f.carries[1].value = mm_span_text("secure-boot-v2-rsa3072:a");
	expect_product("carries", "is there twice");
	f.carries[1].value = mm_span_text("secure-boot-v2-ecdsa256");
	expect_product("carries", "two algorithms");
	f.carries[1].value = mm_span_text("secure-boot-v2-rsa3072:b");
	assert_int_equal(try(), MM_OK);
	SIGN_BY("secure-boot-v2-rsa3072:c");
	expect_product("carries", "resign = append");
	product->resign = MM_RESIGN_APPEND;
	assert_int_equal(try(), MM_OK);
	product->resign = MM_RESIGN_REPLACE;
	assert_int_equal(try(), MM_OK);
}

static void
what_is_unread_is_held_against_nothing(void **state)
{
	struct mm_product *product = &f.products[0], good;

	(void)state;
	product->unread = true;
	product->slot = product->size = product->certificate = 1;
	assert_int_equal(try(), MM_OK);
	good = *product;
	product->format = mm_span_text("esp-app");
	expect_product("unread", "cannot be held against format");
	*product = good;
	product->chip = mm_span_text("esp32");
	expect_product("unread", "cannot be held against chip");
	*product = good;
	product->project = mm_span_text("lamp");
	expect_product("unread", "cannot be held against project");
	*product = good;
	product->secure_version = 1;
	expect_product("unread", "cannot be held against secure-version");
	*product = good;
	f.carries[0].value = mm_span_text("secure-boot-v2-rsa3072:a");
	product->carries = (struct mm_list){f.carries, 1};
	expect_product("unread", "cannot be held against carries");
}

static void
partitions_are_a_devices(void **state)
{
	struct mm_profile *profile = &f.profiles[DEVICE];

	(void)state;
	f.partitions[0].value = mm_span_text("secure-cert-ecdsa256:e");
	f.partitions[1].value = mm_span_text("secure-cert-rsa3072:p");
	profile->partitions = (struct mm_list){f.partitions, 2};
	profile->plain_keys = true;
	assert_int_equal(try(), MM_OK);
	f.partitions[1].value = f.partitions[0].value;
	expect_unsound("is there twice");
	f.partitions[1].value = mm_span_text("mcuboot");
	expect_unsound("schemes of a product");
	f.partitions[1].value = mm_span_text("secure-cert");
	expect_unsound("no signature scheme");
	profile->partitions.count = 1;
	f.partitions[0].value = mm_span_text("secure-cert-ecdsa256");
	expect_unsound("names no key");
	f.partitions[0].value = mm_span_text("secure-cert-ecdsa256:e");
	f.subject[0].template = mm_span_text("{name}");
	profile->purpose = MM_PURPOSE_CLIENT;
	expect_unsound("for purpose device");
	profile->partitions.count = 0;
	expect_unsound("for purpose device");
	profile->plain_keys = false;
	assert_int_equal(try(), MM_OK);
}

static void
officers_have_real_and_different_keys(void **state)
{
	(void)state;
	memcpy(f.officers[1].key, f.officers[0].key, 32);
	expect_unsound("have one key");
	memset(f.officers[1].key, 0, 32);
	expect_unsound("no Ed25519 public key");
}

static void
thresholds_are_complete_and_reachable(void **state)
{
	(void)state;
	f.thresholds[3].officers = 2;
	assert_int_equal(try(), MM_OK);
	f.thresholds[3].officers = 3;
	expect_unsound("cannot be reached");
	f.thresholds[3].officers = 0;
	assert_int_equal(try(), MM_E_RANGE);
	f.thresholds[3] = (struct mm_threshold){5, 1};
	expect_unsound("one threshold for each kind");
	f.thresholds[3] = (struct mm_threshold){4, 1};
	f.policy.thresholds.count = 5;
	assert_int_equal(try(), MM_E_RANGE);
	f.policy.thresholds.count = 7;
	assert_int_equal(try(), MM_E_RANGE);
}

/* A statement has room for 16 signatures, however many officers there are. */
static void
sixteen_officers_are_the_most_that_sign(void **state)
{
	static char names[17][8];

	(void)state;
	for (size_t i = 0; i < 17; i++) {
		snprintf(names[i], sizeof(names[i]), "o%02zu", i);
		make_officer(
		    &f.officers[i], mm_span_text(names[i]), (uint8_t)(i + 1));
	}
	f.policy.officers.count = 17;
	f.thresholds[4].officers = 15;
	assert_int_equal(try(), MM_OK);
	f.thresholds[4].officers = 16;
	assert_int_equal(try(), MM_OK);
	f.thresholds[4].officers = 17;
	expect_unsound("16 officers at most");
}

static void
faults_have_a_place(void **state)
{
	struct mm_policy_place place = {0};

	(void)state;
	assert_int_equal(mm_policy_check(&f.policy, &place), MM_OK);
	f.subject[0].template = mm_span_text("everybody");
	assert_int_equal(mm_policy_check(&f.policy, &place), MM_E_POLICY);
	assert_string_equal(place.section, "profile");
	assert_true(mm_span_is(place.title, "device"));
	setup(NULL);
	f.thresholds[3].officers = 3;
	assert_int_equal(mm_policy_check(&f.policy, &place), MM_E_POLICY);
	assert_string_equal(place.section, "thresholds");
	assert_string_equal(place.key, "principal");
	assert_int_equal(place.title.size, 0);
	setup(NULL);
	f.names[0] = f.names[1];
	assert_int_equal(mm_policy_check(&f.policy, &place), MM_E_POLICY);
	assert_null(place.section);
	assert_string_equal(place.key, "names");
	setup(NULL);
	memset(f.officers[1].key, 0, 32);
	assert_int_equal(mm_policy_check(&f.policy, &place), MM_E_POLICY);
	assert_string_equal(place.section, "officer");
	assert_true(mm_span_is(place.title, "second"));
}

static void
digest_is_sha256(void **state)
{
	static const uint8_t known[4] = {0xba, 0x78, 0x16, 0xbf};
	uint8_t digest[32];

	(void)state;
	mm_policy_digest(mm_span("abc", 3), digest);
	assert_memory_equal(digest, known, sizeof(known));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(reads_back_what_was_written),
	    TEST(failure_leaves_the_output_alone),
	    TEST(refuses_bytes_after_the_end),
	    TEST(refuses_documents_over_the_limit), TEST(counts_have_bounds),
	    TEST(names_are_hosts_and_different), TEST(lists_ascend_strictly),
	    TEST(profiles_must_be_sound), TEST(devices_never_get_privileges),
	    TEST(subjects_name_what_they_are_for),
	    TEST(each_purpose_has_its_one_eku), TEST(servers_last_a_week),
	    TEST(code_signing_keys_are_the_tokens), TEST(schemes_are_different),
	    TEST(a_product_keeps_all_that_it_says), TEST(signings_are_known),
	    TEST(one_file_has_room_for_few), TEST(a_chip_verifies_its_schemes),
	    TEST(formats_are_known_and_fit), TEST(secure_versions_fit_the_chip),
	    TEST(carried_signatures_are_attached_ones),
	    TEST(what_is_unread_is_held_against_nothing),
	    TEST(partitions_are_a_devices),
	    TEST(officers_have_real_and_different_keys),
	    TEST(proofs_last_ninety_days),
	    TEST(crls_are_a_cas_and_last_a_minute_to_a_year),
	    TEST(standards_are_kept), TEST(alternative_names_fit_their_purpose),
	    TEST(thresholds_are_complete_and_reachable),
	    TEST(sixteen_officers_are_the_most_that_sign),
	    TEST(faults_have_a_place), TEST(digest_is_sha256)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
