/* Policy text: what is compiled, and what people are told about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "policy/document.h"
#include "signer/scheme.h"
#include "text_file.h"

/* Lines are counted in the tests below. */
static const char good[] =
    "number = 3\n"
    "names = {\"localhost\", \"127.0.0.1\"}\n"
    "profile \"device\" {\n"
    "	purpose = device\n"
    "	issuer = device-ca\n"
    "	subject = {\"CN={device}\", \"O=A, B\", \"2.5.4.11=U\"}\n"
    "	validity = 20y\n"
    "	backdate = 1h\n"
    "	keys = {P-256, RSA}\n"
    "	key-usage = {digitalSignature, keyAgreement}\n"
    "	purposes = {clientAuth, 1.2.3.4}\n"
    "}\n"
    "profile \"ca\" {\n"
    "	purpose = ca\n"
    "	issuer = root\n"
    "	subject = {\"CN={name}\"}\n"
    "	validity = forever\n"
    "	keys = {P-256}\n"
    "	key-usage = {keyCertSign}\n"
    "	path-length = 0\n"
    "}\n"
    "product \"demo\" {\n"
    "	schemes = {sha256-ecdsa}\n"
    "	size = 16M\n"
    "}\n"
    "officer \"first\" {\n"
    "	key = \"KEY1\"\n"
    "}\n"
    "thresholds {\n"
    "	order = 1\n"
    "	release = 1\n"
    "	revoke = 1\n"
    "	principal = 1\n"
    "	policy = 1\n"
    "	ceremony = 1\n"
    "}\n";

static uint8_t officer[32];

static char *
with_key(const char *text)
{
	char hex[65];

	return text_replace(
	    text, "KEY1", sodium_bin2hex(hex, sizeof(hex), officer, 32));
}

static enum mm_error
compile(const char *text, struct mm_buffer *out)
{
	text_file_write(text);
	mm_buffer_init(out, MM_POLICY_MAX);
	return mm_policy_compile(text_path, out);
}

/* The good text with one change is refused, at this place, for this. */
static void
expect_refused(
    const char *what, const char *with, const char *place, const char *why)
{
	mm_autofree char *keyed = with_key(good);
	mm_autofree char *text = text_replace(keyed, what, with);
	mm_auto(buffer) document = {0};

	assert_int_equal(compile(text, &document), MM_E_POLICY);
	assert_int_equal(document.size, 0);
	if (strstr(mm_why(MM_E_POLICY), place) == NULL ||
	    strstr(mm_why(MM_E_POLICY), why) == NULL)
		fail_msg("\"%s\" says neither \"%s\" nor \"%s\"",
		    mm_why(MM_E_POLICY), place, why);
}

static void
expect_allowed(const char *what, const char *with)
{
	mm_autofree char *keyed = with_key(good);
	mm_autofree char *text = text_replace(keyed, what, with);
	mm_auto(buffer) document = {0};

	if (compile(text, &document) != MM_OK)
		fail_msg("%s", mm_why(MM_E_POLICY));
}

static void
text_becomes_what_it_says(void **state)
{
	mm_autofree char *text = with_key(good);
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	const struct mm_profile *profile;
	const struct mm_subject_part *part;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(compile(text, &document), MM_OK);
	assert_int_equal(
	    mm_policy_decode(mm_buffer_span(&document), &arena, &policy),
	    MM_OK);
	assert_int_equal(policy.number, 3);
	assert_int_equal(policy.names.count, 2);
	profile = mm_policy_profile(&policy, mm_span_text("device"));
	assert_non_null(profile);
	assert_int_equal(profile->purpose, MM_PURPOSE_DEVICE);
	assert_true(mm_span_is(profile->issuer, "device-ca"));
	assert_int_equal(profile->validity, 20LL * 365 * 86400);
	assert_int_equal(profile->backdate, 3600);
	assert_int_equal(profile->keys, 1 << MM_KEY_P256 | 1 << MM_KEY_RSA);
	assert_int_equal(
	    profile->key_usage, MM_KU_DIGITAL_SIGNATURE | MM_KU_KEY_AGREEMENT);
	assert_false(profile->path);
	assert_int_equal(profile->subject.count, 3);
	part = mm_list_at(profile->subject, struct mm_subject_part, 1);
	assert_true(mm_span_is(part->oid, "2.5.4.10"));
	assert_true(mm_span_is(part->template, "A, B"));
	assert_true(mm_span_is(
	    mm_list_at(profile->purposes, struct mm_text_item, 0)->value,
	    "1.3.6.1.5.5.7.3.2"));
	profile = mm_policy_profile(&policy, mm_span_text("ca"));
	assert_int_equal(profile->validity, 0);
	assert_true(profile->path);
	assert_int_equal(profile->path_length, 0);
	assert_int_equal(
	    mm_policy_product(&policy, mm_span_text("demo"))->size, 16 << 20);
	assert_memory_equal(
	    mm_list_at(policy.officers, struct mm_officer, 0)->key, officer,
	    32);
}

static void
the_same_text_gives_the_same_bytes(void **state)
{
	mm_autofree char *text = with_key(good);
	mm_auto(buffer) first = {0};
	mm_auto(buffer) second = {0};

	(void)state;
	assert_int_equal(compile(text, &first), MM_OK);
	assert_int_equal(compile(text, &second), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&first), mm_buffer_span(&second)));
}

/* What quickstart does with it. */
static void
the_example_is_valid_with_an_officer(void **state)
{
	mm_auto(buffer) example = {0};
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	char base64[sodium_base64_ENCODED_LEN(
	    32, sodium_base64_VARIANT_ORIGINAL)];
	static const char *const names[] = {"access-ca", "codesign", "device",
	    "device-ca", "possession", "root-ca", "tls-client", "tls-server"};

	(void)state;
	mm_buffer_init(&example, 0);
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(
	    mm_file_read("conf/policy.conf", MM_POLICY_TEXT_MAX, &example),
	    MM_OK);
	mm_buffer_add(&example, "", 1);
	assert_int_equal(
	    compile((const char *)example.data, &document), MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "mintmark officer keygen"));
	example.size--;
	mm_buffer_printf(&example, "officer \"first\" {\n\tkey = \"%s\"\n}\n",
	    sodium_bin2base64(base64, sizeof(base64), officer, 32,
		sodium_base64_VARIANT_ORIGINAL));
	mm_buffer_add(&example, "", 1);
	assert_int_equal(compile((const char *)example.data, &document), MM_OK);
	assert_int_equal(
	    mm_policy_decode(mm_buffer_span(&document), &arena, &policy),
	    MM_OK);
	assert_int_equal(policy.profiles.count, MM_COUNT(names));
	for (size_t i = 0; i < MM_COUNT(names); i++)
		assert_non_null(
		    mm_policy_profile(&policy, mm_span_text(names[i])));
}

static void
unknown_keys_are_told_with_their_line(void **state)
{
	(void)state;
	expect_refused("issuer = device-ca", "isuser = device-ca",
	    "text.conf:5:", "no such option 'isuser'");
	expect_refused(
	    "issuer = device-ca", "isuser = x", "known here", "issuer");
	expect_refused("number = 3", "nummer = 3", "text.conf:1:", "nummer");
	expect_refused(
	    "product \"demo\"", "produce \"demo\"", "text.conf:22:", "produce");
	expect_refused(
	    "	order = 1", "	orders = 1", "text.conf:30:", "orders");
	expect_refused("number = 3", "number = 3 thresholds|order = 1",
	    "text.conf:1:", "does not stand here");
}

static void
missing_keys_are_told(void **state)
{
	(void)state;
	expect_refused("number = 3", "", "text.conf", "number is missing");
	expect_refused("	validity = 20y\n", "", "profile \"device\"",
	    "validity is missing");
	expect_refused("	order = 1\n", "", "thresholds", "order is missing");
	expect_refused("	schemes = {sha256-ecdsa}\n", "",
	    "product \"demo\"", "schemes is missing");
	expect_refused("names = {\"localhost\", \"127.0.0.1\"}", "names = {}",
	    "text.conf", "names is missing");
}

static void
nothing_is_given_twice(void **state)
{
	(void)state;
	expect_refused("	backdate = 1h", "	validity = 1d",
	    "text.conf:8:", "validity is given twice");
	expect_refused("	backdate = 1h", "	issuer = device-ca",
	    "text.conf:8:", "given twice");
	expect_refused("	backdate = 1h", "	subject = {\"CN=x\"}",
	    "text.conf:8:", "given twice");
	expect_refused(
	    "profile \"ca\"", "profile \"device\"", "text.conf:13:", "device");
	expect_refused(
	    "	policy = 1", "	order = 1", "text.conf:34:", "given twice");
}

static void
values_are_told_with_line_and_what_is_allowed(void **state)
{
	(void)state;
	expect_refused(
	    "number = 3", "number = 0", "text.conf:1:", "not within 1 to");
	expect_refused(
	    "number = 3", "number = -1", "text.conf:1:", "not a number");
	expect_refused(
	    "number = 3", "number = 0x3", "text.conf:1:", "not a number");
	expect_refused("number = 3", "number = 99999999999999999999",
	    "text.conf:1:", "not a number");
	expect_refused("purpose = device", "purpose = devices",
	    "text.conf:4:", "none of device, client, server, ca, code-signing");
	expect_refused(
	    "20y", "20", "text.conf:7:", "a time like 10s, 5m, 1h, 7d");
	expect_refused("20y", "20w", "text.conf:7:", "a time like");
	expect_refused("20y", "0s", "text.conf:7:", "not within");
	expect_refused("20y", "101y", "text.conf:7:", "not within");
	expect_refused("20y", "300000000000y", "text.conf:7:", "a time like");
	expect_refused("1h", "forever", "text.conf:8:", "a time like");
	expect_refused("{P-256, RSA}", "{P-256, DSA}",
	    "text.conf:9:", "none of P-256, P-384, RSA, Ed25519");
	expect_refused("{digitalSignature,", "{nonRepudiation,",
	    "text.conf:10:", "none of digitalSignature");
	expect_refused(
	    "{clientAuth,", "{clientauth,", "text.conf:11:", "clientAuth");
	expect_refused("O=A, B", "X=A, B", "text.conf:6:", "is not like");
	expect_refused("O=A, B", "no equal", "text.conf:6:", "like \"CN=");
	expect_refused("path-length = 0", "path-length = 9",
	    "text.conf:20:", "not within");
	expect_refused("{sha256-ecdsa}", "{md5-rsa}",
	    "text.conf:23:", "no signature scheme");
	expect_refused("16M", "16T", "text.conf:24:", "like 64K, 16M or 1G");
	expect_refused("16M", "0", "text.conf:24:", "not within");
	expect_refused("key = \"", "key = \"00", "text.conf:27:", "32 bytes");
	expect_refused("	order = 1", "	order = 0",
	    "text.conf:30:", "not within 1 to 16");
}

static void
what_is_unsound_as_a_whole_is_refused(void **state)
{
	(void)state;
	expect_refused(
	    "	revoke = 1", "	revoke = 2", "text.conf:32:", "cannot be");
	expect_refused("CN={device}", "CN=all", "text.conf:4:", "{device}");
	expect_refused("{keyCertSign}", "{digitalSignature}",
	    "text.conf:14:", "profile ca");
	expect_refused("{sha256-ecdsa}", "{sha256-ecdsa, sha256-ecdsa}",
	    "text.conf:23:", "the scheme sha256-ecdsa is there twice");
	expect_refused("\"127.0.0.1\"}", "\"localhost\"}",
	    "text.conf:2:", "is there twice");
}

/* What one profile of the good text, with a change, comes out as. */
static struct mm_profile
compiled(struct mm_arena *arena, const char *profile, const char *what,
    const char *with)
{
	mm_autofree char *keyed = with_key(good);
	mm_autofree char *text = text_replace(keyed, what, with);
	mm_auto(buffer) document = {0};
	struct mm_policy policy;

	mm_arena_init(arena, 1 << 20);
	if (compile(text, &document) != MM_OK)
		fail_msg("%s", mm_why(MM_E_POLICY));
	assert_int_equal(
	    mm_policy_decode(mm_arena_copy(arena, mm_buffer_span(&document)),
		arena, &policy),
	    MM_OK);
	return *mm_policy_profile(&policy, mm_span_text(profile));
}

static void
standards_are_words(void **state)
{
	static const struct {
		const char *word;
		uint64_t standard;
	} rows[] = {{"aws-iot", MM_STANDARD_AWS_IOT},
	    {"tls-client", MM_STANDARD_TLS_CLIENT}};
	char line[80];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(arena) arena = {0};

		snprintf(line, sizeof(line), "	standard = %s\n	backdate",
		    rows[i].word);
		assert_int_equal(
		    compiled(&arena, "device", "	backdate", line)
			.standard,
		    rows[i].standard);
	}
	expect_refused("	backdate = 1h", "	standard = matter",
	    "text.conf:8:", "none of aws-iot, 802.1ar, matter-dac");
	expect_refused("	backdate = 1h", "	standard = matter-pai",
	    "text.conf:4:", "under standard matter-pai the purpose is");
}

static void
subjects_have_short_names(void **state)
{
	mm_auto(arena) arena = {0};
	struct mm_profile profile = compiled(&arena, "device", "\"O=A, B\"",
	    "\"dnQualifier=q\", \"serialNumber=s\", \"VID=FFF1\", "
	    "\"PID=8000\"");
	static const char *const oids[] = {"2.5.4.3", "2.5.4.46", "2.5.4.5",
	    "1.3.6.1.4.1.37244.2.1", "1.3.6.1.4.1.37244.2.2", "2.5.4.11"};

	(void)state;
	assert_int_equal(profile.subject.count, MM_COUNT(oids));
	for (size_t i = 0; i < MM_COUNT(oids); i++)
		assert_true(mm_span_is(
		    mm_list_at(profile.subject, struct mm_subject_part, i)->oid,
		    oids[i]));
}

static void
names_have_kinds(void **state)
{
	mm_auto(arena) arena = {0};
	const struct mm_alternative *names;
	struct mm_profile profile =
	    compiled(&arena, "device", "	backdate",
		"	names = {\"DNS:{device}.example.com\", "
		"\"URI:urn:x:{device}\", \"HW:1.3.6.1.4.1.32473.1={device}\"}\n"
		"	backdate");

	(void)state;
	assert_int_equal(profile.names.count, 3);
	names = profile.names.items;
	assert_int_equal(names[0].kind, MM_ALTERNATIVE_DNS);
	assert_true(mm_span_is(names[0].template, "{device}.example.com"));
	assert_int_equal(names[0].type.size, 0);
	assert_int_equal(names[1].kind, MM_ALTERNATIVE_URI);
	assert_true(mm_span_is(names[1].template, "urn:x:{device}"));
	assert_int_equal(names[2].kind, MM_ALTERNATIVE_HARDWARE);
	assert_true(mm_span_is(names[2].template, "{device}"));
	assert_true(mm_span_is(names[2].type, "1.3.6.1.4.1.32473.1"));
}

static void
names_of_no_kind_are_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {{"IP:10.0.0.1", "none of DNS:, URI:, HW:"},
	    {"dns:x", "none of DNS:"}, {"DNS:", "nothing stands after"},
	    {"HW:{device}", "with the OID of its type"},
	    {"HW:={device}", "with the OID of its type"},
	    {"HW:type={device}", "with the OID of its type"},
	    {"HW:1.2.3=", "nothing stands after"}};
	char line[80];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		snprintf(line, sizeof(line), "	names = {\"%s\"}",
		    rows[i].name);
		expect_refused(
		    "	backdate = 1h", line, "text.conf:8:", rows[i].why);
	}
	expect_refused("path-length = 0", "names = {\"DNS:x\"}",
	    "text.conf:14:", "purpose device and client");
}

static void
crls_last_a_week_unless_somebody_says_else(void **state)
{
	static const struct {
		const char *what, *with;
		uint64_t crl;
	} rows[] = {{"{keyCertSign}", "{keyCertSign}", 0},
	    {"{keyCertSign}", "{keyCertSign, cRLSign}", 7 * 86400},
	    {"{keyCertSign}", "{keyCertSign, cRLSign}\n	crl = never", 0},
	    {"{keyCertSign}", "{keyCertSign}\n	crl = never", 0},
	    {"{keyCertSign}", "{keyCertSign, cRLSign}\n	crl = 60s", 60},
	    {"{keyCertSign}", "{keyCertSign, cRLSign}\n	crl = 1y",
		365 * 86400}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(arena) arena = {0};

		assert_int_equal(
		    compiled(&arena, "ca", rows[i].what, rows[i].with).crl,
		    rows[i].crl);
	}
	expect_refused(
	    "path-length = 0", "crl = 7d", "text.conf:14:", "with cRLSign");
	expect_refused(
	    "	backdate = 1h", "	crl = 7d", "text.conf:4:", "only a CA");
	expect_refused(
	    "path-length = 0", "crl = 59s", "text.conf:20:", "not within");
	expect_refused(
	    "path-length = 0", "crl = 366d", "text.conf:20:", "not within");
}

/* Each standard has one. */
static void
the_ready_profiles_are_sound(void **state)
{
	mm_auto(buffer) text = {0};
	mm_auto(buffer) document = {0};
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	uint64_t standards = 0;

	(void)state;
	mm_buffer_init(&text, 0);
	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(
	    mm_file_read("conf/profiles.conf", MM_POLICY_TEXT_MAX, &text),
	    MM_OK);
	for (uint8_t seed = 1; seed <= 3; seed++) {
		uint8_t seeds[crypto_sign_SEEDBYTES] = {seed};
		uint8_t secret[crypto_sign_SECRETKEYBYTES], key[32];
		char hex[65];

		crypto_sign_seed_keypair(key, secret, seeds);
		mm_buffer_printf(&text, "officer \"o%u\" { key = \"%s\" }\n",
		    seed, sodium_bin2hex(hex, sizeof(hex), key, 32));
	}
	mm_buffer_add(&text, "", 1);
	if (compile((const char *)text.data, &document) != MM_OK)
		fail_msg("%s", mm_why(MM_E_POLICY));
	assert_int_equal(
	    mm_policy_decode(mm_buffer_span(&document), &arena, &policy),
	    MM_OK);
	for (mm_list_each(const struct mm_profile, profile, policy.profiles))
		standards |= UINT64_C(1) << profile->standard;
	assert_int_equal(standards, (1 << MM_STANDARDS) - 1);
}

static void
the_environment_stays_outside(void **state)
{
	(void)state;
	assert_int_equal(setenv("MINT_SECRET", "leaked", 1), 0);
	expect_refused(
	    "\"O=A, B\"", "\"O=${MINT_SECRET}\"", "text.conf:6:", "${...}");
	expect_refused("issuer = device-ca", "issuer = ${MINT_SECRET}",
	    "text.conf:5:", "${...}");
	expect_allowed("O=A, B", "O=$5 A");
}

static void
broken_text_is_refused(void **state)
{
	(void)state;
	expect_refused("	path-length = 0\n}\n", "	path-length = 0\n",
	    "text.conf:21:", "product");
	expect_refused("	ceremony = 1\n}\n", "	ceremony = 1\n",
	    "text.conf", "closing brace");
	expect_refused("	ceremony = 1\n}", "	ceremony = 1\n}}",
	    "text.conf:36:", "closing brace");
	expect_refused("\"127.0.0.1\"}", "\"127.0.0.1\"", "text.conf:3:", "");
	expect_refused("\"127.0.0.1\"}", "\"127.0.0.1}", "text.conf", "");
	expect_refused("number = 3", "number 3", "text.conf:1:", "equal sign");
	expect_refused("number = 3", "number = {3}", "text.conf:1:", "{");
	expect_refused("number = 3", "include(\"/etc/passwd\")",
	    "text.conf:1:", "include");
	expect_refused("O=A, B", "O=A\x01", "text.conf:6:", "control");
	expect_refused("O=A, B", "O=A\\nB", "text.conf:6:", "printable");
	expect_refused("O=A, B", "O=", "text.conf", "");
	expect_refused("profile \"ca\"", "profile \"\"", "profile", "name");
	/* And none of it is still there for the next one. */
	expect_allowed("number = 3", "number = 4");
}

static void
counts_are_told(void **state)
{
	char many[17 * 6 + 16] = "names = {";

	(void)state;
	for (size_t i = 0; i < 17; i++)
		snprintf(many + strlen(many), 8, "\"n%zu\"%s", i,
		    i == 16 ? "}" : ",");
	expect_refused("names = {\"localhost\", \"127.0.0.1\"}", many,
	    "text.conf:2:", "16 of them at most");
}

/* 64 of them, and one more. */
static void
counts_of_sections_are_told(void **state)
{
	mm_auto(buffer) text = {0}, out = {0};
	mm_autofree char *keyed = with_key(good);

	(void)state;
	mm_buffer_init(&text, 65536);
	mm_buffer_add_text(&text, keyed);
	for (int i = 0; i < 255; i++)
		mm_buffer_printf(&text,
		    "product \"p%03d\" { schemes = {sha256-ecdsa} }\n", i);
	mm_buffer_add(&text, "", 1);
	assert_int_equal(compile((const char *)text.data, &out), MM_OK);
	mm_buffer_clear(&out);
	text.size--;
	mm_buffer_printf(
	    &text, "product \"more\" { schemes = {sha256-ecdsa} }\n");
	mm_buffer_add(&text, "", 1);
	assert_int_equal(compile((const char *)text.data, &out), MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY),
	    "there are 257 sections product; 256 are the most"));
}

/* Whole sections, with what is to be done about it. */
static void
missing_sections_are_told(void **state)
{
	static const char thresholds[] = "thresholds {";
	mm_autofree char *keyed = with_key(good);
	mm_auto(buffer) out = {0};
	char *from;

	(void)state;
	from = strstr(keyed, thresholds);
	assert_non_null(from);
	*from = '\0';
	assert_int_equal(compile(keyed, &out), MM_E_POLICY);
	assert_non_null(
	    strstr(mm_why(MM_E_POLICY), "there is no section thresholds"));
	mm_buffer_clear(&out);
	assert_int_equal(
	    compile("number = 1\nnames = {\"a\"}\n"
		    "officer \"o\" { key = "
		    "\"000102030405060708090a0b0c0d0e0f"
		    "000102030405060708090a0b0c0d0e0f\" }\n"
		    "thresholds { order = 1 release = 1 revoke = 1 "
		    "principal = 1 policy = 1 ceremony = 1 }\n",
		&out),
	    MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "it has no profile"));
}

static void
files_that_cannot_be_read_are_refused(void **state)
{
	mm_auto(buffer) out = {0};

	(void)state;
	text_file_write("");
	mm_buffer_init(&out, MM_POLICY_MAX);
	assert_int_equal(mm_policy_compile(text_path, &out), MM_E_POLICY);
	assert_int_equal(mm_policy_compile(text_directory, &out), MM_E_POLICY);
	assert_int_equal(
	    mm_policy_compile("no-such-file.conf", &out), MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "no-such-file.conf"));
}

static void
long_texts_are_refused(void **state)
{
	mm_autofree char *keyed = with_key(good);
	mm_autofree char *text = calloc(1, MM_POLICY_TEXT_MAX + 2);
	mm_auto(buffer) out = {0};

	(void)state;
	assert_non_null(text);
	memset(text, '\n', MM_POLICY_TEXT_MAX);
	memcpy(text, keyed, strlen(keyed));
	assert_int_equal(compile(text, &out), MM_OK);
	mm_buffer_clear(&out);
	text[MM_POLICY_TEXT_MAX] = '\n';
	assert_int_equal(compile(text, &out), MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "limit"));
}

/* Editors put it there, nobody sees it, and libConfuse would call it an
 * unknown option. */
static void
a_byte_order_mark_is_named(void **state)
{
	mm_auto(buffer) out = {0};

	(void)state;
	assert_int_equal(
	    compile("\xef\xbb\xbfnumber = 1\n", &out), MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), ":1: a byte order mark"));
	assert_int_equal(compile("\xef\xbb", &out), MM_E_POLICY);
	assert_null(strstr(mm_why(MM_E_POLICY), "byte order mark"));
}

/* The product of the good text, with these lines. */
static void
expect_product(
    const char *lines, struct mm_arena *arena, struct mm_product *out)
{
	mm_autofree char *keyed = with_key(good);
	mm_autofree char *text = text_replace(keyed, "	size = 16M\n", lines);
	mm_auto(buffer) document = {0};
	struct mm_policy policy;

	if (compile(text, &document) != MM_OK)
		fail_msg("%s", mm_why(MM_E_POLICY));
	assert_int_equal(
	    mm_policy_decode(mm_arena_copy(arena, mm_buffer_span(&document)),
		arena, &policy),
	    MM_OK);
	*out = *mm_policy_product(&policy, mm_span_text("demo"));
}

static void
products_have_all_their_words(void **state)
{
	mm_auto(arena) arena = {0};
	struct mm_product product;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	expect_product("	size = 1M\n	format = esp-app\n"
		       "	chip = esp32c3\n	project = \"lamp fw\"\n"
		       "	versions = dotted\n	slot = 1536K\n"
		       "	secure-version = 3\n	dirty = yes\n"
		       "	certificate = 90d\n	resign = replace\n"
		       "	carries = {secure-boot-v2-rsa3072:a, "
		       "\"secure-boot-v2-rsa3072:b c\"}\n",
	    &arena, &product);
	assert_int_equal(product.size, 1 << 20);
	assert_true(mm_span_is(product.format, "esp-app"));
	assert_true(mm_span_is(product.chip, "esp32c3"));
	assert_true(mm_span_is(product.project, "lamp fw"));
	assert_int_equal(product.versions, MM_VERSIONS_DOTTED);
	assert_int_equal(product.slot, 1536 << 10);
	assert_int_equal(product.secure_version, 3);
	assert_true(product.dirty);
	assert_int_equal(product.certificate, 90 * 86400);
	assert_int_equal(product.resign, MM_RESIGN_REPLACE);
	assert_int_equal(product.carries.count, 2);
	assert_true(mm_span_is(
	    mm_list_at(product.carries, struct mm_text_item, 1)->value,
	    "secure-boot-v2-rsa3072:b c"));
	assert_false(product.unread);
	expect_product("	unread = yes\n	dirty = no\n"
		       "	resign = refuse\n	versions = any\n"
		       "	secure-version = 0\n",
	    &arena, &product);
	assert_true(product.unread);
	assert_false(product.dirty);
	assert_int_equal(product.resign, MM_RESIGN_REFUSE);
	assert_int_equal(product.versions, MM_VERSIONS_ANY);
	assert_int_equal(product.slot, 0);
}

static void
products_words_are_told_with_their_line(void **state)
{
	(void)state;
#define REFUSED(with, place, why) \
	expect_refused("	size = 16M\n", "	" with "\n", \
	    "text.conf:" place ":", why)
	REFUSED("versions = calver", "24", "none of any, semver, dotted");
	REFUSED("resign = maybe", "24", "none of refuse, append, replace");
	REFUSED("dirty = 1", "24", "neither yes nor no");
	REFUSED("unread = true", "24", "neither yes nor no");
	REFUSED("slot = 0", "24", "not within");
	REFUSED("secure-version = many", "24", "not a number");
	REFUSED("certificate = 90", "24", "a time like");
	REFUSED("carries = {md5}", "24", "no signature scheme");
	REFUSED("carries = {mcuboot}", "24", "only Secure Boot V2");
	REFUSED("chip = esp8266", "24", "no chip known here");
	REFUSED("format = elf", "24", "no format of images");
	REFUSED(
	    "chip = esp32c3\n	secure-version = 17", "25", "counts to");
	REFUSED("size = 1M\n	chip = esp32\n	unread = yes", "26",
	    "cannot be held against chip");
	REFUSED("slots = 1M", "24",
	    "known here: schemes, size, format, chip, project, versions, slot, "
	    "partition-table, secure-version, dirty, certificate, resign, "
	    "unread, carries");
	expect_refused("schemes = {sha256-ecdsa}", "schemes = {\"mcuboot:\"}",
	    "text.conf:23:", "names no key");
	expect_refused("schemes = {sha256-ecdsa}",
	    "schemes = {secure-cert-rsa3072}", "text.conf:23:", "profile");
#undef REFUSED
}

static void
partitions_of_a_profile(void **state)
{
	static const char line[] = "	backdate = 1h\n";

	(void)state;
	expect_allowed(line, "	partitions = {\"secure-cert-ecdsa256:e\", "
			     "secure-cert-rsa3072:p}\n	plain-keys = yes\n");
	expect_refused(line, "	partitions = {secure-cert-ecdsa256}\n",
	    "text.conf:8:", "names no key");
	expect_refused(line, "	partitions = {sha256-ecdsa}\n",
	    "text.conf:8:", "schemes of a product");
	expect_refused(line, "	partitions = {secure-cert}\n",
	    "text.conf:8:", "no signature scheme");
	expect_refused(line, "	plain-keys = maybe\n",
	    "text.conf:8:", "neither yes nor no");
	expect_refused("	path-length = 0\n", "	plain-keys = yes\n",
	    "text.conf:14:", "for purpose device");
}

/* Beside the text. */
static void
write_beside(const char *name, struct mm_span bytes)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", text_directory, name);
	assert_int_equal(mm_file_write(path, bytes, 0600, true), MM_OK);
}

static void
remove_beside(const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", text_directory, name);
	unlink(path);
}

static const char two_slots[] = "nvs,data,nvs,0x9000,0x4000\n"
				"otadata,data,ota,0xd000,0x2000\n"
				"ota_0,app,ota_0,0x10000,0x180000\n"
				"ota_1,app,ota_1,0x190000,0x170000\n";
static const char no_slot[] = "nvs,data,nvs,0x9000,0x4000\n"
			      "factory,app,factory,0x10000,0x180000\n";

static void
a_partition_table_says_the_slot(void **state)
{
	mm_auto(buffer) binary = {0};
	mm_auto(arena) arena = {0};
	struct mm_product product;
	char line[500];

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	write_beside("two.csv", mm_span_text(two_slots));
	expect_product("	partition-table = \"two.csv\"\n", &arena, &product);
	assert_int_equal(product.slot, 0x170000);
	snprintf(line, sizeof(line), "	partition-table = \"%s/two.csv\"\n",
	    text_directory);
	expect_product(line, &arena, &product);
	assert_int_equal(product.slot, 0x170000);
	mm_buffer_init(&binary, 65536);
	assert_int_equal(mm_file_read("tests/vectors/esp/partition_table/"
				      "two_ota_auto.bin",
			     65536, &binary),
	    MM_OK);
	write_beside("two.bin", mm_buffer_span(&binary));
	expect_product("	partition-table = two.bin\n", &arena, &product);
	assert_int_equal(product.slot, 1500 << 10);
	remove_beside("two.csv");
	remove_beside("two.bin");
}

static void
a_partition_table_is_looked_at(void **state)
{
	static uint8_t large[65537];

	(void)state;
#define REFUSED(with, place, why) \
	expect_refused("	size = 16M\n", "	" with "\n", \
	    "text.conf:" place ": product \"demo\": ", why)
	REFUSED("partition-table = \"gone.csv\"", "24", "gone.csv");
	write_beside("two.csv", mm_span_text(two_slots));
	REFUSED("slot = 1M\n	partition-table = \"two.csv\"", "25",
	    "leave out one of the two");
	write_beside("two.csv", mm_span_text(no_slot));
	REFUSED("size = 1M\n	partition-table = \"two.csv\"", "25",
	    "has no OTA slot");
	write_beside("two.csv", mm_span_text("nonsense\n"));
	REFUSED("partition-table = \"two.csv\"", "24", "two.csv: ");
	write_beside("two.csv", mm_span("\xaa\x50\x00\x00", 4));
	REFUSED("partition-table = \"two.csv\"", "24", "two.csv: ");
	write_beside("two.csv", mm_span(large, sizeof(large)));
	REFUSED("partition-table = \"two.csv\"", "24", "two.csv");
	remove_beside("two.csv");
	REFUSED("partition-table = \".\"", "24", "");
#undef REFUSED
}

/* Somebody else's text names a file of ours. */
static void
a_text_from_elsewhere_names_files_here(void **state)
{
	mm_autofree char *keyed = with_key(good);
	mm_autofree char *text = text_replace(
	    keyed, "	size = 16M\n", "	partition-table = two.csv\n");
	mm_auto(buffer) document = {0}, again = {0};

	(void)state;
	text_file_write(text);
	mm_buffer_init(&document, MM_POLICY_MAX);
	mm_buffer_init(&again, MM_POLICY_MAX);
	write_beside("two.csv", mm_span_text(two_slots));
	assert_int_equal(mm_policy_compile(text_path, &document), MM_OK);
	assert_int_equal(
	    mm_policy_compile_beside(text_path, text_directory, &again), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&document), mm_buffer_span(&again)));
	assert_int_equal(
	    mm_policy_compile_beside(text_path, "/nowhere", &again),
	    MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "/nowhere/two.csv"));
	remove_beside("two.csv");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown( \
	    name, text_file_setup, text_file_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(text_becomes_what_it_says),
	    TEST(the_same_text_gives_the_same_bytes),
	    TEST(the_example_is_valid_with_an_officer),
	    TEST(unknown_keys_are_told_with_their_line),
	    TEST(missing_keys_are_told), TEST(nothing_is_given_twice),
	    TEST(values_are_told_with_line_and_what_is_allowed),
	    TEST(what_is_unsound_as_a_whole_is_refused),
	    TEST(standards_are_words), TEST(subjects_have_short_names),
	    TEST(names_have_kinds), TEST(names_of_no_kind_are_refused),
	    TEST(crls_last_a_week_unless_somebody_says_else),
	    TEST(the_ready_profiles_are_sound),
	    TEST(the_environment_stays_outside), TEST(broken_text_is_refused),
	    TEST(counts_are_told), TEST(counts_of_sections_are_told),
	    TEST(missing_sections_are_told),
	    TEST(files_that_cannot_be_read_are_refused),
	    TEST(long_texts_are_refused), TEST(products_have_all_their_words),
	    TEST(products_words_are_told_with_their_line),
	    TEST(partitions_of_a_profile),
	    TEST(a_partition_table_says_the_slot),
	    TEST(a_partition_table_is_looked_at),
	    TEST(a_text_from_elsewhere_names_files_here),
	    TEST(a_byte_order_mark_is_named)};
	uint8_t seed[crypto_sign_SEEDBYTES] = {1};
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	if (sodium_init() < 0)
		return 1;
	crypto_sign_seed_keypair(officer, secret, seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
