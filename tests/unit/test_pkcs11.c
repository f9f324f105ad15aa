#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "hsm/session.h"
#include "tests/unit/softhsm.h"

static struct softhsm hsm;

static int
begin(void **state)
{
	(void)state;
	softhsm_begin(&hsm);
	softhsm_token(&hsm, "mint");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	softhsm_end(&hsm);
	return 0;
}

static struct mm_pkcs11 *
open_token(void)
{
	struct mm_pkcs11 *token = NULL;

	assert_int_equal(
	    mm_pkcs11_open(SOFTHSM, hsm.uri, hsm.pin_file, &token), MM_OK);
	return token;
}

static enum mm_error
try_open(const char *module, const char *uri)
{
	struct mm_pkcs11 *token = NULL;
	enum mm_error error = mm_pkcs11_open(module, uri, hsm.pin_file, &token);

	assert_int_equal(token == NULL, error != MM_OK);
	mm_pkcs11_close(token);
	return error;
}

static void
a_generated_key_signs_and_verifies(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0}, signature = {0};
	uint8_t digest[32];

	(void)state;
	mm_buffer_init(&spki, MM_SPKI_MAX);
	assert_int_equal(
	    mm_pkcs11_generate(token, "one", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(mm_pkcs11_public(token, "one", &spki), MM_OK);
	assert_int_equal(spki.size, 91);
	/* Often enough to meet short and padded integers. */
	for (unsigned i = 0; i < 200; i++) {
		memset(digest, (int)i, sizeof(digest));
		mm_buffer_init(&signature, 80);
		assert_int_equal(mm_pkcs11_sign(token, "one",
				     mm_buffer_span(&spki), digest, &signature),
		    MM_OK);
		assert_int_equal(mm_key_verify_p256(mm_buffer_span(&spki),
				     digest, mm_buffer_span(&signature)),
		    MM_OK);
		mm_buffer_clear(&signature);
	}
	mm_pkcs11_close(token);
}

static void
a_key_outlives_the_session(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) before = {0}, after = {0}, signature = {0};
	uint8_t digest[32] = {1};

	(void)state;
	mm_buffer_init(&before, MM_SPKI_MAX);
	mm_buffer_init(&after, MM_SPKI_MAX);
	mm_buffer_init(&signature, 80);
	assert_int_equal(
	    mm_pkcs11_generate(token, "lasting", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(mm_pkcs11_public(token, "lasting", &before), MM_OK);
	mm_pkcs11_close(token);
	token = open_token();
	assert_int_equal(mm_pkcs11_public(token, "lasting", &after), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&before), mm_buffer_span(&after)));
	assert_int_equal(mm_pkcs11_sign(token, "lasting",
			     mm_buffer_span(&after), digest, &signature),
	    MM_OK);
	mm_pkcs11_close(token);
}

static void
a_taken_label_is_refused(void **state)
{
	struct mm_pkcs11 *token = open_token();

	(void)state;
	assert_int_equal(
	    mm_pkcs11_generate(token, "taken", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(
	    mm_pkcs11_generate(token, "taken", MM_ALGORITHM_P256), MM_E_EXISTS);
	mm_pkcs11_close(token);
}

static void
a_label_has_1_to_64_characters(void **state)
{
	struct mm_pkcs11 *token = open_token();
	char label[66] = "";
	mm_auto(buffer) spki = {0};

	(void)state;
	mm_buffer_init(&spki, MM_SPKI_MAX);
	assert_int_equal(
	    mm_pkcs11_generate(token, label, MM_ALGORITHM_P256), MM_E_RANGE);
	memset(label, 'x', 64);
	assert_int_equal(
	    mm_pkcs11_generate(token, label, MM_ALGORITHM_P256), MM_OK);
	label[64] = 'x';
	assert_int_equal(
	    mm_pkcs11_generate(token, label, MM_ALGORITHM_P256), MM_E_RANGE);
	assert_int_equal(mm_pkcs11_public(token, label, &spki), MM_E_RANGE);
	mm_pkcs11_close(token);
}

static void
an_absent_key_is_named(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) out = {0};
	uint8_t digest[32] = {0};

	(void)state;
	mm_buffer_init(&out, MM_SPKI_MAX);
	assert_int_equal(
	    mm_pkcs11_public(token, "nowhere", &out), MM_E_KEY_ABSENT);
	assert_non_null(strstr(mm_why(MM_E_KEY_ABSENT), "nowhere"));
	assert_int_equal(
	    mm_pkcs11_sign(token, "nowhere", mm_span(NULL, 0), digest, &out),
	    MM_E_KEY_ABSENT);
	assert_int_equal(out.size, 0);
	mm_pkcs11_close(token);
}

/* The one that was looked up first makes room; a key that is not there
 * drives nobody out. */
static void
more_keys_than_are_remembered_are_found(void **state)
{
	struct mm_pkcs11 *token = open_token();
	const struct mm_pair *pair;

	(void)state;
	assert_int_equal(
	    mm_pkcs11_generate(token, "sixteenth", MM_ALGORITHM_P256), MM_OK);
	for (token->pairs_count = 0; token->pairs_count < MM_PAIRS_MAX;
	     token->pairs_count++)
		token->pairs[token->pairs_count].label[0] = '?';
	token->pairs_next = 3;
	assert_int_equal(
	    mm_pair_find(token, "one more", &pair), MM_E_KEY_ABSENT);
	assert_int_equal(token->pairs_next, 3);
	assert_int_equal(mm_pair_find(token, "sixteenth", &pair), MM_OK);
	assert_ptr_equal(pair, &token->pairs[3]);
	assert_int_equal(mm_pair_find(token, "sixteenth", &pair), MM_OK);
	assert_ptr_equal(pair, &token->pairs[3]);
	assert_int_equal(token->pairs_count, MM_PAIRS_MAX);
	token->pairs_next = MM_PAIRS_MAX - 1;
	token->pairs[3].label[0] = '?';
	assert_int_equal(mm_pair_find(token, "sixteenth", &pair), MM_OK);
	assert_ptr_equal(pair, &token->pairs[MM_PAIRS_MAX - 1]);
	assert_int_equal(token->pairs_next, 0);
	mm_pkcs11_close(token);
}

/* A pair made by hand, with one thing wrong in its private half. */
static void
make_pair(struct mm_pkcs11 *token, const char *label, CK_ATTRIBUTE_TYPE wrong,
    CK_MECHANISM_TYPE second)
{
	static const uint8_t p256[] = {
	    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	static const uint8_t p384[] = {
	    0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
	bool other_curve = wrong == CKA_EC_PARAMS;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_BBOOL sensitive = wrong != CKA_SENSITIVE;
	CK_BBOOL extractable = wrong == CKA_EXTRACTABLE;
	CK_BBOOL derives = wrong == CKA_DERIVE;
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_MECHANISM_TYPE allowed[] = {CKM_ECDSA, second};
	void *name = (void *)(uintptr_t)label;
	CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_PRIVATE, &yes, sizeof(yes)},
	    {CKA_SENSITIVE, &sensitive, sizeof(sensitive)},
	    {CKA_EXTRACTABLE, &extractable, sizeof(extractable)},
	    {CKA_SIGN, &yes, sizeof(yes)}, {CKA_SIGN_RECOVER, &no, sizeof(no)},
	    {CKA_DECRYPT, &no, sizeof(no)}, {CKA_UNWRAP, &no, sizeof(no)},
	    {CKA_DERIVE, &derives, sizeof(derives)},
	    {CKA_LABEL, name, strlen(label)},
	    {CKA_ALLOWED_MECHANISMS, allowed,
		second != 0 ? sizeof(allowed) : sizeof(allowed[0])}};
	CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_VERIFY, &yes, sizeof(yes)},
	    {CKA_EC_PARAMS, (void *)(uintptr_t)(other_curve ? p384 : p256),
		other_curve ? sizeof(p384) : sizeof(p256)},
	    {CKA_LABEL, name, strlen(label)}};
	CK_OBJECT_HANDLE public_key, private_key;
	CK_ULONG count = MM_COUNT(private);

	if (wrong == CKA_ALLOWED_MECHANISMS && second == 0)
		count--;
	assert_int_equal(token->module.call->C_GenerateKeyPair(token->session,
			     &mechanism, public, MM_COUNT(public), private,
			     count, &public_key, &private_key),
	    CKR_OK);
}

static void
a_key_that_may_leave_or_be_misused_is_refused(void **state)
{
	static const struct {
		const char *label;
		CK_ATTRIBUTE_TYPE wrong;
		CK_MECHANISM_TYPE second;
		enum mm_error error;
	} cases[] = {{"in-order", 0, 0, MM_OK},
	    {"not-sensitive", CKA_SENSITIVE, 0, MM_E_KEY_ATTRIBUTES},
	    {"extractable", CKA_EXTRACTABLE, 0, MM_E_KEY_ATTRIBUTES},
	    {"derives", CKA_DERIVE, 0, MM_E_KEY_ATTRIBUTES},
	    {"any-mechanism", CKA_ALLOWED_MECHANISMS, 0, MM_E_KEY_ATTRIBUTES},
	    {"two-mechanisms", 0, CKM_ECDSA_SHA1, MM_E_KEY_ATTRIBUTES}};
	struct mm_pkcs11 *token = open_token();

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) spki = {0}, signature = {0};
		uint8_t digest[32] = {0};

		mm_buffer_init(&spki, MM_SPKI_MAX);
		mm_buffer_init(&signature, 80);
		make_pair(
		    token, cases[i].label, cases[i].wrong, cases[i].second);
		assert_int_equal(mm_pkcs11_public(token, cases[i].label, &spki),
		    cases[i].error);
		assert_int_equal(mm_pkcs11_sign(token, cases[i].label,
				     mm_buffer_span(&spki), digest, &signature),
		    cases[i].error);
		assert_int_equal(signature.size > 0, cases[i].error == MM_OK);
	}
	mm_pkcs11_close(token);
}

static void
a_key_of_another_curve_is_refused(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0};

	(void)state;
	mm_buffer_init(&spki, MM_SPKI_MAX);
	make_pair(token, "p384", CKA_EC_PARAMS, 0);
	assert_int_equal(
	    mm_pkcs11_public(token, "p384", &spki), MM_E_KEY_ATTRIBUTES);
	assert_int_equal(spki.size, 0);
	mm_pkcs11_close(token);
}

static void
a_second_key_of_one_label_is_refused(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0};

	(void)state;
	mm_buffer_init(&spki, MM_SPKI_MAX);
	make_pair(token, "double", 0, 0);
	make_pair(token, "double", 0, 0);
	assert_int_equal(
	    mm_pkcs11_public(token, "double", &spki), MM_E_KEY_ATTRIBUTES);
	assert_non_null(strstr(mm_why(MM_E_KEY_ATTRIBUTES), "more than one"));
	mm_pkcs11_close(token);
}

static void
a_key_signs_by_its_one_mechanism_only(void **state)
{
	struct mm_pkcs11 *token = open_token();
	CK_MECHANISM hashed = {CKM_ECDSA_SHA256, NULL, 0};
	CK_MECHANISM derived = {CKM_ECDH1_DERIVE, NULL, 0};
	const struct mm_pair *pair;

	(void)state;
	assert_int_equal(
	    mm_pkcs11_generate(token, "locked", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(mm_pair_find(token, "locked", &pair), MM_OK);
	assert_int_not_equal(token->module.call->C_SignInit(
				 token->session, &hashed, pair->private_key),
	    CKR_OK);
	assert_int_not_equal(token->module.call->C_SignInit(
				 token->session, &derived, pair->private_key),
	    CKR_OK);
	mm_pkcs11_close(token);
}

/* THREATS 26: the token signs with another key than the log says. */
static void
a_signature_of_another_key_does_not_leave(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0}, signature = {0};
	uint8_t digest[32] = {7};

	(void)state;
	mm_buffer_init(&spki, MM_SPKI_MAX);
	mm_buffer_init(&signature, 80);
	assert_int_equal(
	    mm_pkcs11_generate(token, "right", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(
	    mm_pkcs11_generate(token, "wrong", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(mm_pkcs11_public(token, "right", &spki), MM_OK);
	assert_int_equal(mm_pkcs11_sign(token, "wrong", mm_buffer_span(&spki),
			     digest, &signature),
	    MM_E_TOKEN_SIGNATURE);
	assert_int_equal(signature.size, 0);
	mm_pkcs11_close(token);
}

static void
a_missing_module_is_named(void **state)
{
	(void)state;
	assert_int_equal(
	    try_open("/nonexistent/module.so", hsm.uri), MM_E_MODULE);
	assert_non_null(strstr(mm_why(MM_E_MODULE), "/nonexistent"));
	/* A library, but not of this kind. */
	assert_int_equal(try_open("libc.so.6", hsm.uri), MM_E_MODULE);
	/* And it can be had right afterwards. */
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_OK);
}

static void
a_module_that_does_not_initialise_is_named(void **state)
{
	char *former = strdup(getenv("SOFTHSM2_CONF"));

	(void)state;
	setenv("SOFTHSM2_CONF", "/nonexistent/softhsm2.conf", 1);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_MODULE);
	setenv("SOFTHSM2_CONF", former, 1);
	free(former);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_OK);
}

static void
an_absent_token_is_told_with_those_that_are_there(void **state)
{
	(void)state;
	assert_int_equal(
	    try_open(SOFTHSM, "pkcs11:token=other"), MM_E_TOKEN_ABSENT);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_ABSENT), "token=mint;"));
	assert_non_null(strstr(mm_why(MM_E_TOKEN_ABSENT), hsm.serial));
	assert_int_equal(
	    try_open(SOFTHSM, "pkcs11:token=mint;serial=0000000000000000"),
	    MM_E_TOKEN_ABSENT);
}

static void
two_tokens_of_one_label_are_ambiguous(void **state)
{
	struct softhsm twins;

	(void)state;
	softhsm_begin(&twins);
	softhsm_token(&twins, "twin");
	assert_int_equal(try_open(SOFTHSM, "pkcs11:token=twin"), MM_OK);
	softhsm_token(&twins, "twin");
	assert_int_equal(
	    try_open(SOFTHSM, "pkcs11:token=twin"), MM_E_TOKEN_AMBIGUOUS);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_AMBIGUOUS), twins.serial));
	assert_int_equal(try_open(SOFTHSM, twins.uri), MM_OK);
	softhsm_end(&twins);
	softhsm_end(&hsm);
	begin(NULL);
}

static void
a_uri_names_a_token_and_holds_no_secret(void **state)
{
	static const char *const refused[] = {"", "mint",
	    "pkcs11:", "pkcs11:manufacturer=SoftHSM%20project",
	    "pkcs11:token=mint?pin-value=1234",
	    "pkcs11:token=mint?pin-source=/etc/pin",
	    "pkcs11:token=mint?module-path=/tmp/x.so",
	    "pkcs11:token=mint?module-name=x", "pkcs11:token=mint;object=key",
	    "pkcs11:token=mint;slot-id=0", "pkcs11:token=mint;unknown=1"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(refused); i++) {
		assert_int_equal(try_open(SOFTHSM, refused[i]), MM_E_SETTING);
		assert_null(strstr(mm_why(MM_E_SETTING), "1234"));
	}
	assert_int_equal(
	    try_open(SOFTHSM, "pkcs11:token=mint;model=SoftHSM%20v2"), MM_OK);
}

static void
a_wrong_pin_is_tried_once(void **state)
{
	(void)state;
	write_text(hsm.pin_file, "not the pin\n", 0600);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	assert_non_null(strstr(mm_why(MM_E_PIN), "wrong"));
	assert_null(strstr(mm_why(MM_E_PIN), "not the pin"));
	write_text(hsm.pin_file, "123", 0600); /* too short for SoftHSM */
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	write_text(hsm.pin_file, USER_PIN, 0600);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_OK);
}

static void
a_pin_file_is_private(void **state)
{
	static const struct {
		mode_t mode;
		enum mm_error error;
	} cases[] = {{0600, MM_OK}, {0400, MM_OK}, {0640, MM_E_PIN},
	    {0604, MM_E_PIN}, {0620, MM_E_PIN}, {0644, MM_E_PIN},
	    {0601, MM_E_PIN}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		write_text(hsm.pin_file, USER_PIN "\n", cases[i].mode);
		assert_int_equal(try_open(SOFTHSM, hsm.uri), cases[i].error);
	}
	assert_non_null(strstr(mm_why(MM_E_PIN), "chmod 600"));
	write_text(hsm.pin_file, USER_PIN "\n", 0600);
}

static void
a_pin_file_holds_one_line(void **state)
{
	static const char *const refused[] = {
	    "", "\n", "1234\n\n", "1234\nmore", "\n1234", "12\t34"};
	char longest[MM_PIN_MAX + 2] = "";

	(void)state;
	for (size_t i = 0; i < MM_COUNT(refused); i++) {
		write_text(hsm.pin_file, refused[i], 0600);
		assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
		assert_null(strstr(mm_why(MM_E_PIN), "refuses"));
	}
	memset(longest, '1', MM_PIN_MAX);
	write_text(hsm.pin_file, longest, 0600);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	assert_non_null(strstr(mm_why(MM_E_PIN), "refuses"));
	longest[MM_PIN_MAX] = '1';
	write_text(hsm.pin_file, longest, 0600);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	assert_non_null(strstr(mm_why(MM_E_PIN), "1 to 255"));
	write_text(hsm.pin_file, USER_PIN, 0600);
}

static void
a_pin_file_is_a_file(void **state)
{
	struct softhsm real = hsm;
	char link[320];

	(void)state;
	snprintf(link, sizeof(link), "%s.link", hsm.pin_file);
	assert_int_equal(symlink(hsm.pin_file, link), 0);
	strcpy(hsm.pin_file, link);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	assert_non_null(strstr(mm_why(MM_E_PIN), "symbolic link"));
	strcpy(hsm.pin_file, hsm.directory);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	snprintf(hsm.pin_file, sizeof(hsm.pin_file), "%s/fifo", hsm.directory);
	assert_int_equal(mkfifo(hsm.pin_file, 0600), 0);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	strcat(hsm.pin_file, "-missing");
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
	hsm = real;
}

/* What systemd does with credentials: an ACL for the unit's user, whose mask
 * shows as the group's bits. */
static void
a_pin_file_may_have_an_acl_for_us(void **state)
{
	struct {
		uint32_t version;
		struct {
			uint16_t tag, permission;
			uint32_t id;
		} rows[5];
	} acl = {2,
	    {{0x01, 4, UINT32_MAX}, {0x02, 4, geteuid()}, {0x04, 0, UINT32_MAX},
		{0x10, 4, UINT32_MAX}, {0x20, 0, UINT32_MAX}}};

	(void)state;
	assert_int_equal(setxattr(hsm.pin_file, "system.posix_acl_access", &acl,
			     sizeof(acl), 0),
	    0);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_OK);
	acl.rows[1].id = geteuid() + 1;
	assert_int_equal(setxattr(hsm.pin_file, "system.posix_acl_access", &acl,
			     sizeof(acl), 0),
	    0);
	assert_int_equal(try_open(SOFTHSM, hsm.uri), MM_E_PIN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_generated_key_signs_and_verifies),
	    cmocka_unit_test(a_key_outlives_the_session),
	    cmocka_unit_test(a_taken_label_is_refused),
	    cmocka_unit_test(a_label_has_1_to_64_characters),
	    cmocka_unit_test(an_absent_key_is_named),
	    cmocka_unit_test(a_key_that_may_leave_or_be_misused_is_refused),
	    cmocka_unit_test(a_key_of_another_curve_is_refused),
	    cmocka_unit_test(more_keys_than_are_remembered_are_found),
	    cmocka_unit_test(a_second_key_of_one_label_is_refused),
	    cmocka_unit_test(a_key_signs_by_its_one_mechanism_only),
	    cmocka_unit_test(a_signature_of_another_key_does_not_leave),
	    cmocka_unit_test(a_missing_module_is_named),
	    cmocka_unit_test(a_module_that_does_not_initialise_is_named),
	    cmocka_unit_test(an_absent_token_is_told_with_those_that_are_there),
	    cmocka_unit_test(two_tokens_of_one_label_are_ambiguous),
	    cmocka_unit_test(a_uri_names_a_token_and_holds_no_secret),
	    cmocka_unit_test(a_wrong_pin_is_tried_once),
	    cmocka_unit_test(a_pin_file_is_private),
	    cmocka_unit_test(a_pin_file_holds_one_line),
	    cmocka_unit_test(a_pin_file_is_a_file),
	    cmocka_unit_test(a_pin_file_may_have_an_acl_for_us)};

	return cmocka_run_group_tests(tests, begin, end);
}
