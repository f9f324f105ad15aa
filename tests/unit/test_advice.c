/* What is unwise in a policy, each told at its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "policy/advice.h"
#include "text_file.h"

/* Nothing to say about it. Lines are counted in the tests below. */
static const char good[] = "number = 1\n"
			   "names = {\"localhost\"}\n"
			   "profile \"root-ca\" {\n"
			   "	purpose = ca\n"
			   "	issuer = root\n"
			   "	subject = {\"CN={name}\"}\n"
			   "	validity = 20y\n"
			   "	keys = {P-256}\n"
			   "	key-usage = {keyCertSign, cRLSign}\n"
			   "}\n"
			   "profile \"device\" {\n"
			   "	purpose = device\n"
			   "	issuer = root\n"
			   "	subject = {\"CN={device}\"}\n"
			   "	standard = aws-iot\n"
			   "	validity = 20y\n"
			   "	keys = {P-256}\n"
			   "	key-usage = {digitalSignature}\n"
			   "}\n"
			   "profile \"tls-client\" {\n"
			   "	purpose = client\n"
			   "	issuer = root\n"
			   "	subject = {\"CN={name}\"}\n"
			   "	validity = 90d\n"
			   "	keys = {P-256}\n"
			   "	key-usage = {digitalSignature}\n"
			   "	purposes = {clientAuth}\n"
			   "}\n"
			   "profile \"tls-server\" {\n"
			   "	purpose = server\n"
			   "	issuer = root\n"
			   "	subject = {\"CN={name}\"}\n"
			   "	validity = 7d\n"
			   "	keys = {P-256}\n"
			   "	key-usage = {digitalSignature}\n"
			   "	purposes = {serverAuth}\n"
			   "}\n"
			   "profile \"codesign\" {\n"
			   "	purpose = code-signing\n"
			   "	issuer = root\n"
			   "	subject = {\"CN={name}\"}\n"
			   "	validity = 20y\n"
			   "	keys = {P-256}\n"
			   "	key-usage = {digitalSignature}\n"
			   "	purposes = {codeSigning}\n"
			   "}\n"
			   "officer \"first\" { key = \"KEY1\" }\n"
			   "officer \"second\" { key = \"KEY2\" }\n"
			   "officer \"third\" { key = \"KEY3\" }\n"
			   "thresholds {\n"
			   "	order = 2\n"
			   "	release = 2\n"
			   "	revoke = 1\n"
			   "	principal = 2\n"
			   "	policy = 2\n"
			   "	ceremony = 2\n"
			   "}\n"
			   "product \"demo\" {\n"
			   "	schemes = {sha256-ecdsa}\n"
			   "	chip = esp32c3\n"
			   "	versions = semver\n"
			   "	slot = 1M\n"
			   "}\n";

static char hex[3][65];

struct told {
	char text[2048];
	unsigned count;
};

static void
collect(void *context, unsigned line, const char *text)
{
	struct told *told = context;
	size_t at = strlen(told->text);

	told->count++;
	snprintf(
	    told->text + at, sizeof(told->text) - at, "%u: %s\n", line, text);
}

static enum mm_error
advise(const char *what, const char *with, struct told *told)
{
	static const char *const keys[] = {"KEY1", "KEY2", "KEY3"};
	char *text = text_replace(good, what, with);
	enum mm_error error;

	for (size_t i = 0; i < MM_COUNT(keys); i++) {
		char *next;

		if (strstr(text, keys[i]) == NULL)
			continue;
		next = text_replace(text, keys[i], hex[i]);
		free(text);
		text = next;
	}
	memset(told, 0, sizeof(*told));
	text_file_write(text);
	error = mm_policy_advise(text_path, collect, told);
	free(text);
	return error;
}

/* One change, one piece of advice; "" none. */
static void
expect(const char *what, const char *with, const char *advice)
{
	struct told told;

	if (advise(what, with, &told) != MM_OK)
		fail_msg("%s", mm_why(MM_E_POLICY));
	if (told.count != (*advice != '\0') ||
	    strstr(told.text, advice) == NULL)
		fail_msg("%s: \"%s\" is not \"%s\"", with, told.text, advice);
}

static void
a_wise_policy_gets_no_advice(void **state)
{
	(void)state;
	expect("number = 1", "number = 1", "");
}

static void
a_wrong_policy_gets_its_error(void **state)
{
	struct told told;

	(void)state;
	assert_int_equal(advise("CN={device}", "CN=x", &told), MM_E_POLICY);
	assert_int_equal(told.count, 0);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "text.conf:12:"));
}

static void
thresholds_of_one_are_told(void **state)
{
	(void)state;
	expect("order = 2", "order = 1", "51: any one of the 3 officers");
	expect("release = 2", "release = 1", "52: any one of the 3");
	expect("ceremony = 2", "ceremony = 1", "56: any one of the 3");
	expect("revoke = 1", "revoke = 2", "");
}

static void
thresholds_of_all_are_told(void **state)
{
	(void)state;
	expect("policy = 2", "policy = 3", "55: all 3 officers");
	expect("policy = 2\n	ceremony = 2", "policy = 3\n	ceremony = 2",
	    "55: all 3 officers have to sign a statement of kind policy");
}

static void
a_policy_is_no_way_around_a_threshold(void **state)
{
	struct told told;

	(void)state;
	assert_int_equal(advise("policy = 2", "policy = 1", &told), MM_OK);
	assert_non_null(
	    strstr(told.text, "55: any one of the 3 officers alone"));
	assert_non_null(
	    strstr(told.text, "51: 2 officers have to sign a statement of kind "
			      "order, but 1 can"));
	assert_int_equal(told.count, 5);
}

static void
a_single_officer_is_told(void **state)
{
	struct told told;

	(void)state;
	assert_int_equal(advise("officer \"second\" { key = \"KEY2\" }\n"
				"officer \"third\" { key = \"KEY3\" }\n"
				"thresholds {\n"
				"	order = 2\n"
				"	release = 2\n"
				"	revoke = 1\n"
				"	principal = 2\n"
				"	policy = 2\n"
				"	ceremony = 2\n",
			     "thresholds {\n"
			     "	order = 1\n"
			     "	release = 1\n"
			     "	revoke = 1\n"
			     "	principal = 1\n"
			     "	policy = 1\n"
			     "	ceremony = 1\n",
			     &told),
	    MM_OK);
	assert_int_equal(told.count, 1);
	assert_non_null(strstr(told.text, "47: there is one officer only"));
}

static void
validities_are_told(void **state)
{
	(void)state;
	expect("validity = 90d", "validity = 91d", "24: profile tls-client");
	expect("standard = aws-iot\n	validity = 20y",
	    "standard = aws-iot\n	validity = 21y",
	    "16: profile device is valid for longer than its issuer's");
	expect("standard = aws-iot\n	validity = 20y",
	    "standard = aws-iot\n	validity = forever",
	    "16: profile device is valid for longer");
	expect("validity = 20y", "validity = forever", "");
}

static void
profiles_without_an_issuer_are_told(void **state)
{
	(void)state;
	expect("issuer = root\n	subject = {\"CN={device}\"}",
	    "issuer = elsewhere\n	subject = {\"CN={device}\"}",
	    "13: profile device: there is no profile for a certificate of its "
	    "issuer elsewhere");
	expect("profile \"root-ca\"", "profile \"root\"", "");
}

static void
what_is_never_used_is_told(void **state)
{
	(void)state;
	expect("product \"demo\"",
	    "profile \"idle-ca\" {\n	purpose = ca\n	issuer = root\n"
	    "	subject = {\"CN={name}\"}\n	validity = 20y\n"
	    "	keys = {P-256}\n	key-usage = {keyCertSign}\n}\n"
	    "product \"demo\"",
	    "59: profile idle-ca is of a CA that issues nothing");
	expect("product \"demo\"",
	    "profile \"tls-later\" {\n	purpose = client\n	issuer = root\n"
	    "	subject = {\"CN={name}\"}\n	validity = 7d\n"
	    "	keys = {P-256}\n	key-usage = {digitalSignature}\n"
	    "	purposes = {clientAuth}\n}\n"
	    "product \"demo\"",
	    "59: profile tls-later is never used: tls-client has");
}

static void
what_is_missing_is_told(void **state)
{
	(void)state;
	expect("	standard = aws-iot\n", "", "12: profile device names no");
	expect(", cRLSign", "",
	    "4: profile root-ca: nobody outside learns of revoked");
	expect("purpose = client\n	issuer = root\n	subject = "
	       "{\"CN={name}\"}\n	validity = 90d",
	    "purpose = device\n	standard = tls-client\n	issuer = root\n	"
	    "subject = {\"CN={device}\"}\n	validity = 90d",
	    "0: there is no profile of purpose client");
	expect("profile \"codesign\" {\n	purpose = code-signing\n"
	       "	issuer = root\n	subject = {\"CN={name}\"}\n"
	       "	validity = 20y\n	keys = {P-256}\n"
	       "	key-usage = {digitalSignature}\n"
	       "	purposes = {codeSigning}\n}\n",
	    "", "50: there are products, but no profile");
}

static void
hardware_ecdsa_is_told(void **state)
{
	static const char *const chips[] = {"esp32h2", "esp32p4", "esp32c5"};
	char with[200];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(chips); i++) {
		snprintf(with, sizeof(with),
		    "schemes = {\"secure-boot-v2-ecdsa256:a\"}\n	chip = "
		    "%s\n"
		    "	secure-version = 1\n",
		    chips[i]);
		expect("schemes = {sha256-ecdsa}\n	chip = esp32c3\n", with,
		    "59: product demo: the vendor calls secure boot by the "
		    "hardware ECDSA");
		expect("schemes = {sha256-ecdsa}\n	chip = esp32c3\n", with,
		    "the chip has RSA: sign by secure-boot-v2-rsa3072");
	}
	expect("schemes = {sha256-ecdsa}\n	chip = esp32c3\n",
	    "schemes = {sha256-ecdsa, secure-boot-v2-ecdsa256}\n"
	    "	chip = esp32c61\n	secure-version = 1\n",
	    "59: product demo: the vendor calls secure boot by the hardware "
	    "ECDSA of esp32c61 insecure, and the chip has no RSA");
	expect("schemes = {sha256-ecdsa}\n	chip = esp32c3\n",
	    "schemes = {secure-boot-v2-ecdsa256}\n	chip = esp32c6\n"
	    "	secure-version = 1\n",
	    "");
	expect("schemes = {sha256-ecdsa}\n	chip = esp32c3\n",
	    "schemes = {secure-boot-v2-rsa3072}\n	chip = esp32h2\n"
	    "	secure-version = 1\n",
	    "");
}

static void
products_without_limits_are_told(void **state)
{
	(void)state;
	expect(
	    "	chip = esp32c3\n", "", "59: product demo names no chip");
	expect(
	    "	chip = esp32c3\n", "	format = partition-table\n", "");
	expect("	chip = esp32c3\n", "	format = esp-bootloader\n",
	    "59: product demo names no chip");
	expect("versions = semver", "versions = any",
	    "61: product demo: its versions have no order");
	expect("	versions = semver\n", "",
	    "59: product demo: its versions have no order");
	expect("	slot = 1M\n", "", "59: product demo: nothing says how");
	expect("	slot = 1M\n", "	format = esp-bootloader\n", "");
}

static void
lax_products_are_told(void **state)
{
	(void)state;
	expect("slot = 1M", "slot = 1M\n	dirty = yes",
	    "63: product demo allows versions that end in -dirty");
	expect("slot = 1M", "slot = 1M\n	dirty = no", "");
	expect("chip = esp32c3", "unread = yes",
	    "60: product demo: its images are signed and nobody here");
	expect("slot = 1M", "slot = 1M\n	resign = append",
	    "63: product demo: resign says nothing");
	expect("{sha256-ecdsa}", "{secure-boot-v2-rsa3072}",
	    "59: product demo: secure boot without a secure version");
	expect("{sha256-ecdsa}",
	    "{secure-boot-v2-rsa3072}\n"
	    "	secure-version = 1",
	    "");
	expect("chip = esp32c3", "format = mcuboot\n	resign = append",
	    "61: product demo: resign says nothing");
	expect("{sha256-ecdsa}\n	chip = esp32c3",
	    "{mcuboot}\n	resign = replace\n	format = mcuboot", "");
}

static void
plain_keys_are_told(void **state)
{
	(void)state;
	expect("	standard = aws-iot\n",
	    "	standard = aws-iot\n	plain-keys = yes\n",
	    "16: profile device: partitions are signed that have");
	expect("	standard = aws-iot\n",
	    "	standard = aws-iot\n	plain-keys = no\n", "");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown( \
	    name, text_file_setup, text_file_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(a_wise_policy_gets_no_advice),
	    TEST(a_wrong_policy_gets_its_error),
	    TEST(thresholds_of_one_are_told), TEST(thresholds_of_all_are_told),
	    TEST(a_policy_is_no_way_around_a_threshold),
	    TEST(a_single_officer_is_told), TEST(validities_are_told),
	    TEST(profiles_without_an_issuer_are_told),
	    TEST(what_is_never_used_is_told), TEST(what_is_missing_is_told),
	    TEST(hardware_ecdsa_is_told),
	    TEST(products_without_limits_are_told), TEST(lax_products_are_told),
	    TEST(plain_keys_are_told)};

	if (sodium_init() < 0)
		return 1;
	for (uint8_t i = 0; i < MM_COUNT(hex); i++) {
		uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(i + 1)};
		uint8_t secret[crypto_sign_SECRETKEYBYTES], key[32];

		crypto_sign_seed_keypair(key, secret, seed);
		sodium_bin2hex(hex[i], sizeof(hex[i]), key, sizeof(key));
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
