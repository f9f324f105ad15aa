/* Certificates: a whole chain by software keys, judged by openssl and
 * certtool; each way of not being to profile refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ca/tbs.h"

#define TEXT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define LIST(array) \
	{ \
		array, MM_COUNT(array) \
	}

enum { DAY = 86400 };
#define NOW UINT64_C(1767225600) /* 2026-01-01 */
/* GnuTLS takes what is after this for 99991231235959Z. */
#define LAST UINT64_C(253402210799)

static uint64_t now = NOW;

/* A key that stands in for one in the token. */
struct soft_key {
	EVP_PKEY *key;
	struct mm_span spki;
	uint8_t bytes[MM_SPKI_MAX];
};
static struct soft_key root_key, ca_key, leaf_key, rsa_key, ed25519_key;

static void
set_key(struct soft_key *soft, EVP_PKEY *key)
{
	uint8_t *at = soft->bytes;

	assert_non_null(key);
	soft->key = key;
	soft->spki = mm_span(soft->bytes, (size_t)i2d_PUBKEY(key, &at));
}

static int
make_keys(void **state)
{
	(void)state;
	set_key(&root_key, EVP_EC_gen("P-256"));
	set_key(&ca_key, EVP_EC_gen("P-256"));
	set_key(&leaf_key, EVP_EC_gen("P-256"));
	set_key(&rsa_key, EVP_RSA_gen(2048));
	set_key(&ed25519_key, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(root_key.key);
	EVP_PKEY_free(ca_key.key);
	EVP_PKEY_free(leaf_key.key);
	EVP_PKEY_free(rsa_key.key);
	EVP_PKEY_free(ed25519_key.key);
	return 0;
}

static const struct mm_subject_part ca_parts[] = {{TEXT("2.5.4.6"), TEXT("DE")},
    {TEXT("2.5.4.10"), TEXT("M\303\274nze, 1+1=2")},
    {TEXT("2.5.4.3"), TEXT("{name}")}};
static const struct mm_subject_part parts[] = {
    {TEXT("2.5.4.10"), TEXT("Example")},
    {TEXT("2.5.4.3"), TEXT("device {device}")},
    {TEXT("1.3.6.1.4.1.37244.2.1"), TEXT("FFF1")}};
static const struct mm_text_item client_auth[] = {{TEXT("1.3.6.1.5.5.7.3.2")}};
static const struct mm_text_item server_auth[] = {{TEXT("1.3.6.1.5.5.7.3.1")}};
static const struct mm_text_item code_signing[] = {{TEXT("1.3.6.1.5.5.7.3.3")}};
static const struct mm_text_item names[] = {
    {TEXT("mint.example.org")}, {TEXT("127.0.0.1")}, {TEXT("::1")}};

enum { P256 = 1 << MM_KEY_P256 };

static const struct mm_profile root_profile = {.name = TEXT("root-ca"),
    .purpose = MM_PURPOSE_CA,
    .subject = LIST(ca_parts),
    .keys = P256,
    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN};
static const struct mm_profile ca_profile = {.name = TEXT("device-ca"),
    .purpose = MM_PURPOSE_CA,
    .subject = LIST(ca_parts),
    .backdate = 3600,
    .keys = P256,
    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN,
    .path = true,
    .path_length = 0};
static const struct mm_profile device_profile = {.name = TEXT("device"),
    .purpose = MM_PURPOSE_DEVICE,
    .subject = LIST(parts),
    .backdate = 3600,
    .keys = P256 | 1 << MM_KEY_RSA,
    .key_usage = MM_KU_DIGITAL_SIGNATURE | MM_KU_KEY_AGREEMENT,
    .purposes = LIST(client_auth)};
static const struct mm_profile client_profile = {.name = TEXT("tls-client"),
    .purpose = MM_PURPOSE_CLIENT,
    .subject = LIST(ca_parts),
    .validity = 365 * DAY,
    .keys = P256,
    .key_usage = MM_KU_DIGITAL_SIGNATURE,
    .purposes = LIST(client_auth)};
static const struct mm_profile server_profile = {.name = TEXT("tls-server"),
    .purpose = MM_PURPOSE_SERVER,
    .subject = LIST(ca_parts),
    .validity = 7 * DAY,
    .backdate = 60,
    .keys = P256,
    .key_usage = MM_KU_DIGITAL_SIGNATURE,
    .purposes = LIST(server_auth)};
static const struct mm_profile code_profile = {.name = TEXT("codesign"),
    .purpose = MM_PURPOSE_CODE_SIGNING,
    .subject = LIST(ca_parts),
    .keys = P256,
    .key_usage = MM_KU_DIGITAL_SIGNATURE,
    .purposes = LIST(code_signing)};

/* One certificate: its plan, its TBS, its DER. */
struct made {
	struct mm_certificate_plan plan;
	struct mm_buffer tbs, der;
};

static void
clear_made(struct made *made)
{
	mm_buffer_clear(&made->tbs);
	mm_buffer_clear(&made->der);
}
#define auto_made __attribute__((cleanup(clear_made))) struct made

static struct mm_certificate_plan
plan_of(const struct mm_profile *profile, const char *subject,
    const struct soft_key *key, const struct made *issuer)
{
	return (struct mm_certificate_plan){.profile = profile,
	    .subject = mm_span_text(subject),
	    .spki = key->spki,
	    .issuer = issuer != NULL ? mm_buffer_span(&issuer->tbs)
				     : mm_span(NULL, 0),
	    .names = profile == &server_profile ? (struct mm_list)LIST(names)
						: (struct mm_list){NULL, 0},
	    .now = now};
}

static void
sign(struct mm_span tbs, const struct soft_key *key, struct mm_buffer *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[128];
	size_t size = sizeof(signature);

	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->key), 1);
	assert_int_equal(
	    EVP_DigestSign(ctx, signature, &size, tbs.data, tbs.size), 1);
	EVP_MD_CTX_free(ctx);
	assert_int_equal(
	    mm_certificate_assemble(tbs, mm_span(signature, size), out), MM_OK);
}

static void
make(struct made *made, const struct mm_certificate_plan *plan,
    const struct soft_key *signer)
{
	uint8_t serial[MM_SERIAL_SIZE];
	enum mm_error error;

	made->plan = *plan;
	mm_buffer_init(&made->tbs, 4096);
	mm_buffer_init(&made->der, 4096);
	mm_serial_make(serial);
	error = mm_tbs_build(plan, serial, &made->tbs);
	if (error != MM_OK)
		fail_msg(
		    "%.*s: %s", MM_SPAN(plan->profile->name), mm_why(error));
	error = mm_tbs_check(mm_buffer_span(&made->tbs), plan);
	if (error != MM_OK)
		fail_msg(
		    "%.*s: %s", MM_SPAN(plan->profile->name), mm_why(error));
	sign(mm_buffer_span(&made->tbs), signer, &made->der);
	assert_int_equal(
	    mm_certificate_verify(mm_buffer_span(&made->der), signer->spki),
	    MM_OK);
}

static void
make_root(struct made *made)
{
	const struct mm_certificate_plan plan =
	    plan_of(&root_profile, "root", &root_key, NULL);

	make(made, &plan, &root_key);
}

static void
make_below(struct made *made, const struct mm_profile *profile,
    const struct soft_key *key, const struct made *issuer,
    const struct soft_key *signer)
{
	const struct mm_certificate_plan plan =
	    plan_of(profile, "name-1", key, issuer);

	make(made, &plan, signer);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void
write_pem(const char *directory, const char *name, const struct made *made)
{
	mm_auto(buffer) pem = {0};
	char path[256];

	mm_buffer_init(&pem, 8192);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(
	    mm_pem_encode("CERTIFICATE", mm_buffer_span(&made->der), &pem),
	    MM_OK);
	assert_int_equal(
	    mm_file_write(path, mm_buffer_span(&pem), 0600, true), MM_OK);
}

static void
make_directory(char out[200])
{
	const char *base = getenv("TMPDIR");

	snprintf(out, 200, "%s/mintmark-certificate.XXXXXX",
	    base != NULL ? base : P_tmpdir);
	assert_non_null(mkdtemp(out));
}

static void
expect_purpose(const char *directory, const char *file, const char *purpose)
{
	run("cd %s && openssl verify -x509_strict -check_ss_sig "
	    "-purpose %s -CAfile root -untrusted ca %s >/dev/null",
	    directory, purpose, file);
	run("cd %s && cat %s ca root >chain && certtool --verify "
	    "--load-ca-certificate root --infile chain >/dev/null 2>&1",
	    directory, file);
}

static void
other_tools_accept_the_chain(void **state)
{
	auto_made root, ca, device, client, server, code;
	char directory[200];

	(void)state;
	now = (uint64_t)time(NULL); /* certtool knows no other time */
	make_root(&root);
	make_below(&ca, &ca_profile, &ca_key, &root, &root_key);
	make_below(&device, &device_profile, &leaf_key, &ca, &ca_key);
	make_below(&client, &client_profile, &leaf_key, &ca, &ca_key);
	make_below(&server, &server_profile, &leaf_key, &ca, &ca_key);
	make_below(&code, &code_profile, &leaf_key, &ca, &ca_key);
	now = NOW;
	make_directory(directory);
	write_pem(directory, "root", &root);
	write_pem(directory, "ca", &ca);
	write_pem(directory, "device", &device);
	write_pem(directory, "client", &client);
	write_pem(directory, "server", &server);
	write_pem(directory, "code", &code);
	expect_purpose(directory, "device", "sslclient");
	expect_purpose(directory, "client", "sslclient");
	expect_purpose(directory, "server", "sslserver");
	expect_purpose(directory, "code", "any");
	run("cd %s && openssl x509 -in code -noout -ext "
	    "extendedKeyUsage,keyUsage | grep -q 'Code Signing'",
	    directory);
	run("cd %s && openssl x509 -in server -noout -checkip 127.0.0.1 | "
	    "grep -q 'does match' && openssl x509 -in server -noout "
	    "-checkhost mint.example.org | grep -q 'does match'",
	    directory);
	run("cd %s && openssl x509 -in device -noout -enddate | "
	    "grep -q 'Dec 31 23:59:59 9999'",
	    directory);
	run("rm -r %s", directory);
}

static void
code_signing_may_sign_itself(void **state)
{
	auto_made code, root;
	struct mm_certificate_plan plan;
	const uint8_t serial[MM_SERIAL_SIZE] = {1};

	(void)state;
	make_below(&code, &code_profile, &leaf_key, NULL, &leaf_key);
	make_root(&root);
	plan = plan_of(&device_profile, "d1", &leaf_key, NULL);
	assert_int_equal(
	    mm_tbs_build(&plan, serial, &root.tbs), MM_E_CERTIFICATE);
	/* ... but is no issuer. */
	plan = plan_of(&device_profile, "d1", &leaf_key, &code);
	assert_int_equal(
	    mm_tbs_build(&plan, serial, &root.tbs), MM_E_CERTIFICATE);
	assert_non_null(strstr(mm_why(MM_E_CERTIFICATE), "no CA"));
}

static void
what_a_tbs_says_is_read(void **state)
{
	auto_made root, server;
	mm_auto(arena) arena = {0};
	struct mm_tbs tbs;

	(void)state;
	make_root(&root);
	make_below(&server, &server_profile, &leaf_key, &root, &root_key);
	mm_arena_init(&arena, 16384);
	assert_int_equal(
	    mm_tbs_read(mm_buffer_span(&server.tbs), &arena, &tbs), MM_OK);
	assert_true(mm_span_equal(tbs.spki, leaf_key.spki));
	assert_int_equal(tbs.key.type, MM_KEY_P256);
	assert_false(tbs.ca);
	assert_int_equal(tbs.key_usage, MM_KU_DIGITAL_SIGNATURE);
	assert_int_equal(tbs.purposes.count, 1);
	/* Inclusive: the last second belongs to it. */
	assert_int_equal(tbs.not_before, NOW); /* as the issuer's */
	assert_int_equal(tbs.not_after, NOW - 60 + 7 * DAY - 1);
	assert_int_equal(
	    mm_tbs_read(mm_buffer_span(&root.tbs), &arena, &tbs), MM_OK);
	assert_true(tbs.ca);
	assert_true(mm_span_equal(tbs.issuer, tbs.subject));
	assert_true(tbs.not_after == UINT64_MAX);
}

static enum mm_error
build(const struct mm_certificate_plan *plan)
{
	const uint8_t serial[MM_SERIAL_SIZE] = {0x41};
	mm_auto(buffer) out = {0};
	enum mm_error error;

	mm_buffer_init(&out, 4096);
	error = mm_tbs_build(plan, serial, &out);
	if (error == MM_OK)
		error = mm_tbs_check(mm_buffer_span(&out), plan);
	else
		assert_int_equal(out.size, 0);
	return error;
}

static void
validity_ends_with_the_issuers(void **state)
{
	struct mm_profile short_root = root_profile, leaf = client_profile;
	struct mm_certificate_plan plan;
	auto_made root;

	(void)state;
	short_root.validity = 100 * DAY;
	plan = plan_of(&short_root, "root", &root_key, NULL);
	make(&root, &plan, &root_key);
	plan = plan_of(&leaf, "station", &leaf_key, &root);
	leaf.validity = 100 * DAY - 1;
	assert_int_equal(build(&plan), MM_OK);
	leaf.validity = 100 * DAY;
	assert_int_equal(build(&plan), MM_OK);
	leaf.validity = 100 * DAY + 1;
	assert_int_equal(build(&plan), MM_E_CERTIFICATE);
	assert_non_null(strstr(mm_why(MM_E_CERTIFICATE), "validity"));
	leaf.validity = 0;
	assert_int_equal(build(&plan), MM_E_CERTIFICATE);
	/* Nor does it begin before the issuer's. */
	leaf.validity = DAY;
	plan.now = NOW - 1;
	assert_int_equal(build(&plan), MM_E_CERTIFICATE);
}

/* RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
static void
times_are_written_as_the_year_wants(void **state)
{
	static const struct {
		uint64_t now, validity;
		enum mm_error error;
	} rows[] = {
	    {UINT64_C(2524607999), 1, MM_OK}, /* 2049-12-31 23:59:59 */
	    {UINT64_C(2524607999), 2, MM_OK},
	    {UINT64_C(2524608000), 1, MM_OK},  /* 2050-01-01 */
	    {UINT64_C(951782400), DAY, MM_OK}, /* 2000-02-29 */
	    {UINT64_C(951868799), DAY, MM_OK},
	    {UINT64_C(4107542400), DAY, MM_OK}, /* 2100-03-01 */
	    {0, DAY, MM_OK},
	    {LAST - 1, 1, MM_OK},
	    {LAST - 1, 2, MM_OK},
	    {LAST - 1, 3, MM_E_CERTIFICATE},
	    {LAST, 1, MM_OK},
	    {LAST, 0, MM_OK},
	    {LAST + 1, 0, MM_E_CERTIFICATE},
	    {UINT64_MAX, 0, MM_E_CERTIFICATE},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_profile profile = root_profile;
		struct mm_certificate_plan plan;

		profile.validity = rows[i].validity;
		plan = plan_of(&profile, "root", &root_key, NULL);
		plan.now = rows[i].now;
		if (build(&plan) != rows[i].error)
			fail_msg("%zu: %s", i, mm_why(MM_E_CERTIFICATE));
	}
}

static void
plans_that_cannot_be_are_refused(void **state)
{
	static const struct mm_text_item bad_names[] = {{TEXT("a b")},
	    {TEXT("-a")}, {TEXT("a..b")}, {TEXT("*.a")}, {TEXT("a-.b")},
	    {TEXT("a.")}};
	struct mm_profile profile = device_profile;
	struct mm_certificate_plan plan;
	auto_made root, ca;
	char long_name[64];

	(void)state;
	make_root(&root);
	make_below(&ca, &ca_profile, &ca_key, &root, &root_key);
	plan = plan_of(&profile, "a,b", &leaf_key, &ca);
	assert_int_equal(build(&plan), MM_E_DEVICE_ID);
	memset(long_name, 'x', sizeof(long_name));
	plan.subject = mm_span(long_name, 57); /* "device " and 57 */
	assert_int_equal(build(&plan), MM_OK);
	plan.subject = mm_span(long_name, 58);
	assert_int_equal(build(&plan), MM_E_CERTIFICATE);
	plan = plan_of(&profile, "d1", &ed25519_key, &ca);
	assert_int_equal(build(&plan), MM_E_KEY_TYPE);
	plan = plan_of(&profile, "d1", &rsa_key, &ca);
	assert_int_equal(build(&plan), MM_OK);
	plan = plan_of(&root_profile, "ca-2", &leaf_key, &ca);
	assert_int_equal(build(&plan), MM_E_CERTIFICATE); /* path length */
	profile.purposes = (struct mm_list)LIST(code_signing);
	plan = plan_of(&profile, "d1", &leaf_key, &ca);
	assert_int_equal(build(&plan), MM_E_POLICY);
	plan = plan_of(&server_profile, "mint", &leaf_key, &ca);
	plan.names.count = 0;
	assert_int_equal(build(&plan), MM_E_CERTIFICATE);
	for (size_t i = 0; i < MM_COUNT(bad_names); i++) {
		plan.names = (struct mm_list){&bad_names[i], 1};
		assert_int_equal(build(&plan), MM_E_CERTIFICATE);
	}
}

/* serialNumber is a PrintableString: GnuTLS would write any byte into it. */
static void
strings_fit_their_attributes(void **state)
{
	static const struct {
		const char *oid, *text;
		enum mm_error error;
	} rows[] = {
	    {"2.5.4.5", "a-b", MM_OK},
	    {"2.5.4.5", "a_b", MM_E_CERTIFICATE},
	    {"2.5.4.3", "a_b", MM_OK},
	    {"2.5.4.6", "DE", MM_OK},
	    {"2.5.4.6", "DEU", MM_E_CERTIFICATE},
	    {"0.9.2342.19200300.100.1.25", "org", MM_OK},
	    {"0.9.2342.19200300.100.1.25", "\303\274", MM_E_CERTIFICATE},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_subject_part part = {
		    mm_span_text(rows[i].oid), mm_span_text(rows[i].text)};
		struct mm_profile profile = root_profile;
		struct mm_certificate_plan plan;

		profile.subject = (struct mm_list){&part, 1};
		plan = plan_of(&profile, "root", &root_key, NULL);
		assert_int_equal(build(&plan), rows[i].error);
	}
}

static void
refuses(const struct made *made, const struct mm_certificate_plan *plan,
    const char *field)
{
	enum mm_error error = mm_tbs_check(mm_buffer_span(&made->tbs), plan);

	if (error != MM_E_CERTIFICATE)
		fail_msg("%s: %s", field, mm_error_name(error));
	if (strstr(mm_why(error), field) == NULL)
		fail_msg("%s is not in: %s", field, mm_why(error));
}

static void
each_difference_is_refused_by_name(void **state)
{
	auto_made root, ca, device;
	struct mm_certificate_plan plan;
	struct mm_profile profile;

	(void)state;
	make_root(&root);
	make_below(&ca, &ca_profile, &ca_key, &root, &root_key);
	make_below(&device, &device_profile, &leaf_key, &ca, &ca_key);

	plan = device.plan;
	plan.spki = mm_span(NULL, 0); /* its own, judged */
	assert_int_equal(
	    mm_tbs_check(mm_buffer_span(&device.tbs), &plan), MM_OK);
	plan.spki = ca_key.spki;
	refuses(&device, &plan, "subjectPublicKeyInfo");
	plan = device.plan;
	plan.now += 3600; /* before that the issuer's begin is its own */
	assert_int_equal(
	    mm_tbs_check(mm_buffer_span(&device.tbs), &plan), MM_OK);
	plan.now++;
	refuses(&device, &plan, "validity");
	plan = device.plan;
	plan.subject = mm_span_text("name-2");
	refuses(&device, &plan, "subject");
	plan.subject = mm_span_text("name");
	refuses(&device, &plan, "subject");
	plan = device.plan;
	plan.issuer = mm_buffer_span(&root.tbs);
	refuses(&device, &plan, "issuer");

	plan = device.plan;
	plan.profile = &profile;
	profile = device_profile;
	profile.key_usage = MM_KU_DIGITAL_SIGNATURE;
	refuses(&device, &plan, "keyUsage");
	profile = device_profile;
	profile.purposes.count = 0;
	refuses(&device, &plan, "extendedKeyUsage");
	profile = device_profile;
	profile.validity = DAY;
	refuses(&device, &plan, "validity");
	profile = device_profile;
	profile.keys = 1 << MM_KEY_RSA;
	assert_int_equal(
	    mm_tbs_check(mm_buffer_span(&device.tbs), &plan), MM_E_KEY_TYPE);
}

/* Same issuer's name with another key: only the AKI tells. */
static void
the_issuers_key_is_told_by_its_identifier(void **state)
{
	auto_made root, twin, device;
	struct mm_certificate_plan plan;

	(void)state;
	make_below(&root, &root_profile, &root_key, NULL, &root_key);
	make_below(&twin, &root_profile, &ca_key, NULL, &ca_key);
	make_below(&device, &device_profile, &leaf_key, &root, &root_key);
	plan = device.plan;
	plan.issuer = mm_buffer_span(&twin.tbs);
	refuses(&device, &plan, "authorityKeyIdentifier");
}

/* A TBS with one more extension at its end than its profile has. */
static void
nothing_more_is_accepted(void **state)
{
	static const uint8_t names_extension[] = {
	    0x30, 0x0c, 6, 3, 0x55, 0x1d, 0x11, 4, 5, 0x30, 3, 0x82, 1, 'x'};
	struct mm_tbs_parts split;
	auto_made root, device, more;
	size_t whole, tagged, list;

	(void)state;
	make_root(&root);
	make_below(&device, &device_profile, &leaf_key, &root, &root_key);
	assert_int_equal(
	    mm_tbs_split(mm_buffer_span(&device.tbs), &split), MM_OK);
	mm_buffer_init(&more.der, 0);
	mm_buffer_init(&more.tbs, 4096);
	whole = mm_der_open(&more.tbs, MM_DER_SEQUENCE);
	/* All from the version's head to the key's end stays. */
	mm_buffer_add(&more.tbs, device.tbs.data + 4,
	    (size_t)(split.spki.data + split.spki.size - device.tbs.data) - 4);
	tagged = mm_der_open(&more.tbs, MM_DER_CONTEXT_CONSTRUCTED | 3);
	list = mm_der_open(&more.tbs, MM_DER_SEQUENCE);
	for (size_t i = 0; i < split.count; i++)
		mm_buffer_add(&more.tbs, split.extensions[i].data,
		    split.extensions[i].size);
	mm_buffer_add(&more.tbs, names_extension, sizeof(names_extension));
	mm_der_close(&more.tbs, list);
	mm_der_close(&more.tbs, tagged);
	mm_der_close(&more.tbs, whole);
	refuses(&more, &device.plan, "number of extensions");
}

/* A certificate of one purpose never passes for another. */
static void
purposes_do_not_mix(void **state)
{
	static const struct mm_profile *const profiles[] = {&ca_profile,
	    &device_profile, &client_profile, &server_profile, &code_profile};
	auto_made root;

	(void)state;
	make_root(&root);
	for (size_t i = 0; i < MM_COUNT(profiles); i++) {
		auto_made made;

		make_below(&made, profiles[i], &leaf_key, &root, &root_key);
		for (size_t j = 0; j < MM_COUNT(profiles); j++) {
			struct mm_certificate_plan plan =
			    plan_of(profiles[j], "name-1", &leaf_key, &root);
			enum mm_error error =
			    mm_tbs_check(mm_buffer_span(&made.tbs), &plan);

			assert_int_equal(
			    error, i == j ? MM_OK : MM_E_CERTIFICATE);
		}
	}
}

/* The serial is the certificate's own; every other byte is prescribed. */
static void
every_byte_is_checked(void **state)
{
	auto_made root, server;
	size_t serial;

	(void)state;
	make_root(&root);
	make_below(&server, &server_profile, &leaf_key, &root, &root_key);
	serial = 4 + 5 + 2; /* SEQUENCE's head, version, INTEGER's head */
	for (size_t i = 0; i < server.tbs.size; i++) {
		enum mm_error error;

		server.tbs.data[i] ^= 1;
		error = mm_tbs_check(mm_buffer_span(&server.tbs), &server.plan);
		if ((error == MM_OK) !=
		    (i >= serial && i < serial + MM_SERIAL_SIZE))
			fail_msg("byte %zu: %s", i, mm_error_name(error));
		server.tbs.data[i] ^= 1;
	}
	for (size_t size = 0; size < server.tbs.size; size++)
		assert_int_not_equal(
		    mm_tbs_check(mm_span(server.tbs.data, size), &server.plan),
		    MM_OK);
}

static void
serials_have_their_form(void **state)
{
	auto_made root;

	(void)state;
	make_root(&root);
	root.tbs.data[11] = 0x80; /* negative */
	assert_int_equal(mm_tbs_check(mm_buffer_span(&root.tbs), &root.plan),
	    MM_E_CERTIFICATE);
	root.tbs.data[11] = 0x00; /* not the shortest form */
	assert_int_equal(mm_tbs_check(mm_buffer_span(&root.tbs), &root.plan),
	    MM_E_CERTIFICATE);
}

static int
compare_serials(const void *a, const void *b)
{
	return memcmp(a, b, MM_SERIAL_SIZE);
}

/* 63-bit serials were millions of revocations: count the bits. */
static void
serials_are_random(void **state)
{
	enum { COUNT = 100000 };
	static uint8_t serials[COUNT][MM_SERIAL_SIZE];
	unsigned ones[MM_SERIAL_SIZE * 8] = {0};
	unsigned balanced = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		mm_serial_make(serials[i]);
		assert_in_range(serials[i][0], 0x01, 0x7f);
		for (size_t bit = 0; bit < MM_COUNT(ones); bit++)
			ones[bit] += serials[i][bit / 8] >> (7 - bit % 8) & 1;
	}
	/* Eight standard deviations of 158 are on either side. */
	for (size_t bit = 0; bit < MM_COUNT(ones); bit++)
		balanced += ones[bit] > 48700 && ones[bit] < 51300;
	assert_int_equal(balanced, 158);
	qsort(serials, COUNT, MM_SERIAL_SIZE, compare_serials);
	for (size_t i = 1; i < COUNT; i++)
		assert_true(compare_serials(serials[i - 1], serials[i]) < 0);
}

static void
certificates_are_taken_apart_strictly(void **state)
{
	auto_made root;
	mm_auto(buffer) tbs = {0};

	(void)state;
	make_root(&root);
	mm_buffer_init(&tbs, 4096);
	assert_int_equal(
	    mm_certificate_tbs(mm_buffer_span(&root.der), &tbs), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&tbs), mm_buffer_span(&root.tbs)));
	assert_int_equal(
	    mm_certificate_verify(mm_buffer_span(&root.der), ca_key.spki),
	    MM_E_CERTIFICATE);
	assert_int_equal(
	    mm_certificate_verify(mm_buffer_span(&root.der), rsa_key.spki),
	    MM_E_CERTIFICATE);
	for (size_t i = 0; i < root.der.size; i++) {
		root.der.data[i] ^= 1;
		assert_int_equal(mm_certificate_verify(
				     mm_buffer_span(&root.der), root_key.spki),
		    MM_E_CERTIFICATE);
		root.der.data[i] ^= 1;
	}
	mm_buffer_add(&root.der, "", 1);
	assert_int_equal(mm_certificate_tbs(mm_buffer_span(&root.der), &tbs),
	    MM_E_CERTIFICATE);
}

/* Without an issuer at hand: by the key that the TBS names. */
static void
the_issuers_key_is_found_by_its_identifier(void **state)
{
	auto_made root, server;

	(void)state;
	make_root(&root);
	make_below(&server, &server_profile, &leaf_key, &root, &root_key);
	assert_int_equal(
	    mm_certificate_verify_authority(mm_buffer_span(&root.der)), MM_OK);
	assert_int_equal(
	    mm_certificate_verify_authority(mm_buffer_span(&server.der)),
	    MM_OK);
	for (size_t bit = 0; bit < 8 * server.der.size; bit++) {
		server.der.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (mm_certificate_verify_authority(
			mm_buffer_span(&server.der)) == MM_OK)
			fail_msg("bit %zu", bit);
		server.der.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t size = 0; size < server.der.size; size++)
		assert_int_not_equal(mm_certificate_verify_authority(
					 mm_span(server.der.data, size)),
		    MM_OK);
}

/* A good signature, but not of the key that the TBS names. */
static void
another_key_than_the_identifiers(void **state)
{
	auto_made root, server;

	(void)state;
	make_root(&root);
	make_below(&server, &server_profile, &leaf_key, &root, &ca_key);
	assert_int_equal(
	    mm_certificate_verify(mm_buffer_span(&server.der), ca_key.spki),
	    MM_OK);
	assert_int_equal(
	    mm_certificate_verify_authority(mm_buffer_span(&server.der)),
	    MM_E_TOKEN_SIGNATURE);
}

static enum mm_error
decode(const char *pem, const char *wanted)
{
	mm_auto(buffer) out = {0};
	enum mm_error error;

	mm_buffer_init(&out, 64);
	error = mm_pem_decode("CERTIFICATE", mm_span_text(pem), &out);
	if (error == MM_OK)
		assert_true(mm_span_is(mm_buffer_span(&out), wanted));
	return error;
}

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END "-----END CERTIFICATE-----\n"

static void
pem_is_exactly_one_block(void **state)
{
	(void)state;
	assert_int_equal(decode(BEGIN "YWI=\n" END, "ab"), MM_OK);
	assert_int_equal(
	    decode("text\n" BEGIN "YW\nI=\n" END "\n ", "ab"), MM_OK);
	assert_int_equal(decode("", ""), MM_E_FORMAT);
	assert_int_equal(decode(BEGIN END, ""), MM_E_FORMAT);
	assert_int_equal(decode(BEGIN "YWI=\n", ""), MM_E_FORMAT);
	assert_int_equal(decode(BEGIN "YWI\n" END, ""), MM_E_FORMAT);
	assert_int_equal(decode(BEGIN "YWJ=\n" END, ""), MM_E_FORMAT);
	assert_int_equal(decode(BEGIN "YW I=\n" END, ""), MM_E_FORMAT);
	assert_int_equal(decode(BEGIN "YWI=\n" END "x", ""), MM_E_FORMAT);
	assert_int_equal(decode("x" BEGIN "YWI=\n" END, ""), MM_E_FORMAT);
	assert_int_equal(
	    decode(BEGIN "YWI=\n" END BEGIN "YWI=\n" END, ""), MM_E_FORMAT);
	assert_int_equal(
	    decode("-----BEGIN X-----\nYWI=\n-----END X-----\n", ""),
	    MM_E_FORMAT);
}

static void
pem_comes_back(void **state)
{
	uint8_t bytes[200];

	(void)state;
	for (size_t size = 1; size < sizeof(bytes); size++) {
		mm_auto(buffer) pem = {0};
		mm_auto(buffer) back = {0};

		mm_buffer_init(&pem, 1024);
		mm_buffer_init(&back, sizeof(bytes));
		memset(bytes, (int)size, sizeof(bytes));
		assert_int_equal(
		    mm_pem_encode("X", mm_span(bytes, size), &pem), MM_OK);
		assert_int_equal(
		    mm_pem_decode("X", mm_buffer_span(&pem), &back), MM_OK);
		assert_true(
		    mm_span_equal(mm_buffer_span(&back), mm_span(bytes, size)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(other_tools_accept_the_chain),
	    cmocka_unit_test(code_signing_may_sign_itself),
	    cmocka_unit_test(what_a_tbs_says_is_read),
	    cmocka_unit_test(validity_ends_with_the_issuers),
	    cmocka_unit_test(times_are_written_as_the_year_wants),
	    cmocka_unit_test(plans_that_cannot_be_are_refused),
	    cmocka_unit_test(strings_fit_their_attributes),
	    cmocka_unit_test(each_difference_is_refused_by_name),
	    cmocka_unit_test(the_issuers_key_is_told_by_its_identifier),
	    cmocka_unit_test(nothing_more_is_accepted),
	    cmocka_unit_test(purposes_do_not_mix),
	    cmocka_unit_test(every_byte_is_checked),
	    cmocka_unit_test(serials_have_their_form),
	    cmocka_unit_test(serials_are_random),
	    cmocka_unit_test(certificates_are_taken_apart_strictly),
	    cmocka_unit_test(the_issuers_key_is_found_by_its_identifier),
	    cmocka_unit_test(another_key_than_the_identifiers),
	    cmocka_unit_test(pem_is_exactly_one_block),
	    cmocka_unit_test(pem_comes_back),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
