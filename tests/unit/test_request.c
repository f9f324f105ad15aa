/* The mint's own CSRs, and what a CA outside answers to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "ca/csr.h"
#include "ca/lint.h"
#include "ca/request.h"

#define TEXT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define LIST(array) \
	{ \
		array, MM_COUNT(array) \
	}
#define NOW UINT64_C(1767225600) /* 2026-01-01 */
enum { DAY = 86400 };

static const struct mm_subject_part parts[] = {
    {TEXT("2.5.4.10"), TEXT("Example, Inc.")},
    {TEXT("2.5.4.3"), TEXT("{name}")}};
static const struct mm_text_item code_signing[] = {{TEXT("1.3.6.1.5.5.7.3.3")}};
static const struct mm_text_item client_auth[] = {{TEXT("1.3.6.1.5.5.7.3.2")}};
static const struct mm_profile ca = {.name = TEXT("device-ca"),
    .purpose = MM_PURPOSE_CA,
    .issuer = TEXT("root"),
    .subject = LIST(parts),
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN,
    .path = true};
static const struct mm_profile code = {.name = TEXT("codesign"),
    .purpose = MM_PURPOSE_CODE_SIGNING,
    .issuer = TEXT("root"),
    .subject = LIST(parts),
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_DIGITAL_SIGNATURE,
    .purposes = LIST(code_signing)};
static const struct mm_profile device = {.name = TEXT("device"),
    .purpose = MM_PURPOSE_DEVICE,
    .issuer = TEXT("device-ca"),
    .subject = LIST(parts),
    .validity = DAY,
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_DIGITAL_SIGNATURE,
    .purposes = LIST(client_auth)};

struct soft_key {
	EVP_PKEY *key;
	uint8_t bytes[MM_SPKI_MAX];
	struct mm_span spki;
};
static struct soft_key own, other, outside, p384;

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
	set_key(&own, EVP_EC_gen("P-256"));
	set_key(&other, EVP_EC_gen("P-256"));
	set_key(&outside, EVP_RSA_gen(2048));
	set_key(&p384, EVP_EC_gen("P-384"));
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(own.key);
	EVP_PKEY_free(other.key);
	EVP_PKEY_free(outside.key);
	EVP_PKEY_free(p384.key);
	return 0;
}

static void
make_request(const struct mm_profile *profile, struct mm_buffer *out)
{
	const struct mm_span name = mm_span_text("ca, one");
	mm_auto(buffer) info = {0};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[128];
	size_t size = sizeof(signature);

	mm_buffer_init(&info, 2048);
	mm_buffer_init(out, 2048);
	assert_int_equal(
	    mm_request_build(profile, name, own.spki, &info), MM_OK);
	assert_int_equal(
	    mm_request_check(mm_buffer_span(&info), profile, name, own.spki),
	    MM_OK);
	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, own.key), 1);
	assert_int_equal(
	    EVP_DigestSign(ctx, signature, &size, info.data, info.size), 1);
	EVP_MD_CTX_free(ctx);
	assert_int_equal(mm_request_assemble(mm_buffer_span(&info),
			     mm_span(signature, size), out),
	    MM_OK);
}

static void
requests_are_read_here_and_elsewhere(void **state)
{
	static const struct mm_profile *const profiles[] = {&ca, &code};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(profiles); i++) {
		mm_auto(buffer) der = {0};
		mm_auto(arena) arena = {0};
		struct mm_csr csr;
		const uint8_t *at;
		X509_REQ *request;
		STACK_OF(X509_EXTENSION) * extensions;

		make_request(profiles[i], &der);
		mm_arena_init(&arena, 4096);
		assert_int_equal(
		    mm_csr_read(mm_buffer_span(&der), &arena, &csr), MM_OK);
		assert_true(mm_span_equal(csr.spki, own.spki));
		at = der.data;
		request = d2i_X509_REQ(NULL, &at, (long)der.size);
		assert_non_null(request);
		assert_int_equal(X509_REQ_verify(request, own.key), 1);
		extensions = X509_REQ_get_extensions(request);
		assert_int_equal(sk_X509_EXTENSION_num(extensions), 3);
		sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
		X509_REQ_free(request);
	}
}

static void
each_byte_of_a_request_is_checked(void **state)
{
	const struct mm_span name = mm_span_text("ca");
	mm_auto(buffer) info = {0};

	(void)state;
	mm_buffer_init(&info, 2048);
	assert_int_equal(mm_request_build(&ca, name, own.spki, &info), MM_OK);
	for (size_t i = 0; i < info.size; i++) {
		info.data[i] ^= 1;
		assert_int_equal(mm_request_check(mm_buffer_span(&info), &ca,
				     name, own.spki),
		    MM_E_CERTIFICATE);
		info.data[i] ^= 1;
	}
	assert_int_equal(
	    mm_request_check(mm_buffer_span(&info), &ca, name, own.spki),
	    MM_OK);
	assert_int_equal(
	    mm_request_check(mm_buffer_span(&info), &ca, name, other.spki),
	    MM_E_CERTIFICATE);
	assert_int_equal(mm_request_check(mm_buffer_span(&info), &ca,
			     mm_span_text("cb"), own.spki),
	    MM_E_CERTIFICATE);
	assert_int_equal(mm_request_check(mm_span(info.data, info.size - 1),
			     &ca, name, own.spki),
	    MM_E_CERTIFICATE);
}

static void
requests_that_cannot_be_are_refused(void **state)
{
	const struct mm_span name = mm_span_text("ca");
	mm_auto(buffer) out = {0};
	char long_name[65];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	mm_buffer_init(&out, 2048);
	assert_int_equal(
	    mm_request_build(&device, name, own.spki, &out), MM_E_CERTIFICATE);
	assert_int_equal(
	    mm_request_build(&ca, name, p384.spki, &out), MM_E_KEY_TYPE);
	assert_int_equal(mm_request_build(&ca, mm_span("", 0), own.spki, &out),
	    MM_E_CERTIFICATE);
	assert_int_equal(
	    mm_request_build(&ca, mm_span(long_name, 65), own.spki, &out),
	    MM_E_CERTIFICATE);
	assert_int_equal(out.size, 0);
	assert_int_equal(
	    mm_request_build(&ca, mm_span(long_name, 64), own.spki, &out),
	    MM_OK);
}

/* How a CA outside answers: everything but the key is as it likes. */
struct answer {
	const char *what;
	const char *constraints, *usage, *extended, *extra;
	const struct soft_key *key;
	bool identifier; /* the one that was asked for */
	uint64_t use;
	enum mm_error error;
};

static void
extend(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	if (value == NULL)
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static void
set_identifier(X509 *certificate, const struct answer *answer)
{
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	struct mm_key key;

	assert_int_equal(mm_key_read(answer->key->spki, &key), MM_OK);
	key.ski[0] ^= !answer->identifier;
	ASN1_OCTET_STRING_set(octets, key.ski, sizeof(key.ski));
	X509_add1_ext_i2d(
	    certificate, NID_subject_key_identifier, octets, 0, 0);
	ASN1_OCTET_STRING_free(octets);
}

static void
set_authority(X509 *certificate)
{
	AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();

	id->keyid = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(id->keyid, (const uint8_t *)"outside", 7);
	X509_add1_ext_i2d(certificate, NID_authority_key_identifier, id, 0, 0);
	AUTHORITY_KEYID_free(id);
}

static void
answer_with(const struct answer *answer, struct mm_buffer *out)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_NAME_new();
	uint8_t *der = NULL;
	int size;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 77);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const uint8_t *)"Outside Root", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_NAME_add_entry_by_txt(
	    name, "O", MBSTRING_ASC, (const uint8_t *)"Example", -1, -1, 0);
	X509_set_subject_name(certificate, name);
	X509_NAME_free(name);
	ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)NOW - DAY);
	ASN1_TIME_set(
	    X509_getm_notAfter(certificate), (time_t)NOW + 1000 * DAY);
	X509_set_pubkey(certificate, answer->key->key);
	extend(certificate, NID_basic_constraints, answer->constraints);
	extend(certificate, NID_key_usage, answer->usage);
	extend(certificate, NID_ext_key_usage, answer->extended);
	extend(certificate, NID_name_constraints, answer->extra);
	extend(certificate, NID_info_access,
	    "caIssuers;URI:http://ca.example.org/");
	set_identifier(certificate, answer);
	set_authority(certificate);
	assert_true(X509_sign(certificate, outside.key, EVP_sha256()) > 0);
	size = i2d_X509(certificate, &der);
	mm_buffer_init(out, 4096);
	mm_buffer_add(out, der, (size_t)size);
	OPENSSL_free(der);
	X509_free(certificate);
}

#define A_CA "critical,CA:TRUE,pathlen:0"
#define A_LEAF "critical,CA:FALSE"
#define CERTIFIES "critical,keyCertSign,cRLSign"
#define SIGNS "critical,digitalSignature"
static const struct answer answers[] = {
    {"a CA", A_CA, CERTIFIES, NULL, NULL, &own, true, 1, MM_OK},
    {"an access CA", A_CA, CERTIFIES, NULL, NULL, &own, true, 3, MM_OK},
    {"code signing", A_LEAF, SIGNS, "codeSigning", NULL, &own, true, 4, MM_OK},
    {"other use", A_CA, CERTIFIES, NULL, NULL, &own, true, 4, MM_E_CERTIFICATE},
    {"use 0", A_CA, CERTIFIES, NULL, NULL, &own, true, 0, MM_E_CERTIFICATE},
    {"use 5", A_CA, CERTIFIES, NULL, NULL, &own, true, 5, MM_E_CERTIFICATE},
    {"a leaf", A_LEAF, SIGNS, NULL, NULL, &own, true, 1, MM_E_CERTIFICATE},
    {"no keyUsage", A_CA, NULL, NULL, NULL, &own, true, 1, MM_E_CERTIFICATE},
    {"another key", A_CA, CERTIFIES, NULL, NULL, &other, true, 1,
	MM_E_CERTIFICATE},
    {"another identifier", A_CA, CERTIFIES, NULL, NULL, &own, false, 1,
	MM_E_CERTIFICATE},
    {"TLS", A_LEAF, SIGNS, "clientAuth", NULL, &own, true, 4, MM_E_CERTIFICATE},
    {"no purpose", A_LEAF, SIGNS, NULL, NULL, &own, true, 4, MM_E_CERTIFICATE},
    {"agrees", A_LEAF, "critical,keyAgreement", "codeSigning", NULL, &own, true,
	4, MM_E_CERTIFICATE},
    {"constrained", A_CA, CERTIFIES, NULL, "critical,permitted;DNS:example.org",
	&own, true, 1, MM_E_CERTIFICATE},
};

static void
answers_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(answers); i++) {
		mm_auto(buffer) der = {0};
		enum mm_error error;

		answer_with(&answers[i], &der);
		error = mm_imported_check(
		    mm_buffer_span(&der), answers[i].use, own.spki);
		if (error != answers[i].error)
			fail_msg("%s: %s", answers[i].what, mm_why(error));
		assert_int_equal(
		    mm_imported_check(mm_span(der.data, der.size - 1),
			answers[i].use, own.spki),
		    MM_E_CERTIFICATE);
	}
}

/* What is imported issues: name, key identifier and validity are its. */
static void
an_imported_ca_issues(void **state)
{
	const uint8_t serial[MM_SERIAL_SIZE] = {0x41};
	mm_auto(buffer) der = {0};
	mm_auto(buffer) issuer = {0};
	mm_auto(buffer) tbs = {0};
	struct mm_certificate_plan plan = {.profile = &device,
	    .subject = mm_span_text("d1"),
	    .spki = other.spki,
	    .now = NOW};

	(void)state;
	answer_with(&answers[0], &der);
	mm_buffer_init(&issuer, 4096);
	mm_buffer_init(&tbs, 4096);
	assert_int_equal(mm_imported_tbs(mm_buffer_span(&der), &issuer), MM_OK);
	plan.issuer = mm_buffer_span(&issuer);
	if (mm_tbs_build(&plan, serial, &tbs) != MM_OK)
		fail_msg("%s", mm_why(MM_E_CERTIFICATE));
	assert_int_equal(mm_tbs_check(mm_buffer_span(&tbs), &plan), MM_OK);
	if (mm_lint_tbs(mm_buffer_span(&tbs), MM_STANDARD_TLS_CLIENT,
		plan.issuer, NULL) != MM_OK)
		fail_msg("%s", mm_why(MM_E_STANDARD));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_read_here_and_elsewhere),
	    cmocka_unit_test(each_byte_of_a_request_is_checked),
	    cmocka_unit_test(requests_that_cannot_be_are_refused),
	    cmocka_unit_test(answers_are_checked),
	    cmocka_unit_test(an_imported_ca_issues),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
