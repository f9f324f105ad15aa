/*
 * A token that misbehaves: SoftHSM's function list is a table in memory, and
 * a test may put its own functions into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hsm/session.h"
#include "tests/unit/softhsm.h"

static struct softhsm hsm;
static struct mm_module module; /* keeps the table where it is */
static CK_FUNCTION_LIST good;   /* what was in it */
static unsigned calls, fail_at; /* of the function that is watched */
static CK_RV fail_with;
static CK_FLAGS flags; /* more of them, of every token */

static const char *label; /* of the key that signs */

static int
begin(void **state)
{
	struct mm_pkcs11 *token = NULL;

	(void)state;
	softhsm_begin(&hsm);
	softhsm_token(&hsm, "mint");
	assert_int_equal(mm_module_open(SOFTHSM, &module), MM_OK);
	good = *module.call;
	assert_int_equal(
	    mm_pkcs11_open(SOFTHSM, hsm.uri, hsm.pin_file, &token), MM_OK);
	assert_int_equal(
	    mm_pkcs11_generate(token, "p256", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(
	    mm_pkcs11_generate(token, "rsa", MM_ALGORITHM_RSA3072), MM_OK);
	mm_pkcs11_close(token);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	mm_module_close(&module);
	softhsm_end(&hsm);
	return 0;
}

/* After each test all functions are good again. */
static int
mend(void **state)
{
	(void)state;
	*module.call = good;
	calls = 0;
	label = "p256";
	return 0;
}

static int
mend_for_rsa(void **state)
{
	mend(state);
	label = "rsa";
	return 0;
}

static bool
fails_now(void)
{
	return ++calls == fail_at;
}

static CK_RV
watched_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin,
    CK_ULONG size)
{
	return fails_now() ? fail_with : good.C_Login(session, user, pin, size);
}

static CK_RV
watched_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	CK_RV rv = good.C_GetTokenInfo(slot, info);

	info->flags |= flags;
	return rv;
}

static CK_RV
watched_find_init(
    CK_SESSION_HANDLE session, CK_ATTRIBUTE *wanted, CK_ULONG count)
{
	return fails_now() ? fail_with
			   : good.C_FindObjectsInit(session, wanted, count);
}

static CK_RV
watched_find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max,
    CK_ULONG *count)
{
	return fails_now() ? fail_with
			   : good.C_FindObjects(session, objects, max, count);
}

static CK_RV
watched_attribute(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
    CK_ATTRIBUTE *wanted, CK_ULONG count)
{
	return fails_now()
		   ? fail_with
		   : good.C_GetAttributeValue(session, object, wanted, count);
}

static CK_RV
watched_sign_init(
    CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return fails_now() ? fail_with
			   : good.C_SignInit(session, mechanism, key);
}

static CK_RV
watched_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size,
    CK_BYTE *signature, CK_ULONG *signature_size)
{
	return fails_now() ? fail_with
			   : good.C_Sign(session, data, size, signature,
				 signature_size);
}

static CK_RV
flipping_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size,
    CK_BYTE *signature, CK_ULONG *signature_size)
{
	CK_RV rv = good.C_Sign(session, data, size, signature, signature_size);

	signature[calls++ % 64] ^= 1;
	return rv;
}

static CK_RV
zero_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size,
    CK_BYTE *signature, CK_ULONG *signature_size)
{
	CK_RV rv = good.C_Sign(session, data, size, signature, signature_size);

	memset(signature, 0, *signature_size);
	return rv;
}

static CK_RV
short_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size,
    CK_BYTE *signature, CK_ULONG *signature_size)
{
	CK_RV rv = good.C_Sign(session, data, size, signature, signature_size);

	*signature_size = 63;
	return rv;
}

/* Opens the token, reads the key and signs with it, from the beginning. */
static enum mm_error
sign_once(struct mm_buffer *signature)
{
	struct mm_pkcs11 *token = NULL;
	uint8_t digest[32] = {42};
	mm_auto(buffer) spki = {0};
	enum mm_error error =
	    mm_pkcs11_open(SOFTHSM, hsm.uri, hsm.pin_file, &token);

	mm_buffer_init(&spki, MM_SPKI_MAX);
	mm_buffer_init(signature, MM_RSA_BYTES);
	if (error == MM_OK)
		error = mm_pkcs11_public(token, label, &spki);
	if (error == MM_OK)
		error = mm_pkcs11_sign(
		    token, label, mm_buffer_span(&spki), digest, signature);
	mm_pkcs11_close(token);
	return error;
}

/* THREATS 24: a real token locks itself after a few. */
static void
a_refused_pin_is_tried_once(void **state)
{
	static const CK_RV answers[] = {CKR_PIN_INCORRECT, CKR_PIN_LOCKED,
	    CKR_PIN_EXPIRED, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE};

	(void)state;
	module.call->C_Login = watched_login;
	for (size_t i = 0; i < MM_COUNT(answers); i++) {
		mm_auto(buffer) signature = {0};

		calls = 0;
		fail_at = 1;
		fail_with = answers[i];
		assert_int_equal(sign_once(&signature), MM_E_PIN);
		assert_int_equal(calls, 1);
	}
}

static void
a_login_that_fails_otherwise_is_no_pin_fault(void **state)
{
	mm_auto(buffer) signature = {0};

	(void)state;
	module.call->C_Login = watched_login;
	fail_at = 1;
	fail_with = CKR_DEVICE_REMOVED;
	assert_int_equal(sign_once(&signature), MM_E_TOKEN);
	assert_int_equal(calls, 1);
}

static void
a_locked_pin_and_the_last_try_are_left_alone(void **state)
{
	static const CK_FLAGS cases[] = {
	    CKF_USER_PIN_LOCKED, CKF_USER_PIN_FINAL_TRY};

	(void)state;
	module.call->C_Login = watched_login;
	module.call->C_GetTokenInfo = watched_token_info;
	fail_at = 0;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) signature = {0};

		flags = cases[i];
		assert_int_equal(sign_once(&signature), MM_E_PIN);
		assert_int_equal(calls, 0);
	}
}

/* Fails the function's first call, its second ... until none is left. */
static void
fail_each_call(void)
{
	enum mm_error error = MM_E_BUG;

	fail_with = CKR_DEVICE_ERROR;
	for (fail_at = 1; error != MM_OK; fail_at++) {
		mm_auto(buffer) signature = {0};

		calls = 0;
		error = sign_once(&signature);
		assert_int_equal(error == MM_OK, signature.size > 0);
		assert_int_equal(error == MM_OK, calls < fail_at);
		/* It is the token that failed, whatever was being asked. */
		if (error != MM_OK)
			assert_int_equal(error, MM_E_TOKEN);
	}
	assert_true(fail_at > 2);
}

static void
each_failing_call_ends_without_a_signature(void **state)
{
	(void)state;
	module.call->C_FindObjectsInit = watched_find_init;
	fail_each_call();
	*module.call = good;
	module.call->C_FindObjects = watched_find;
	fail_each_call();
	*module.call = good;
	module.call->C_GetAttributeValue = watched_attribute;
	fail_each_call();
	*module.call = good;
	module.call->C_SignInit = watched_sign_init;
	fail_each_call();
	*module.call = good;
	module.call->C_Sign = watched_sign;
	fail_each_call();
}

/* THREATS 26 */
static void
a_signature_that_does_not_verify_does_not_leave(void **state)
{
	static const CK_C_Sign liars[] = {flipping_sign, zero_sign, short_sign};

	(void)state;
	for (size_t i = 0; i < 24; i++) {
		mm_auto(buffer) signature = {0};

		calls = (unsigned)i * 7; /* the byte that is flipped */
		module.call->C_Sign = liars[i % MM_COUNT(liars)];
		assert_int_equal(sign_once(&signature), MM_E_TOKEN_SIGNATURE);
		assert_int_equal(signature.size, 0);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, mend, mend)
#define RSA(test) \
	{ \
#test " of RSA", test, mend_for_rsa, mend, NULL \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {CASE(a_refused_pin_is_tried_once),
	    CASE(a_login_that_fails_otherwise_is_no_pin_fault),
	    CASE(a_locked_pin_and_the_last_try_are_left_alone),
	    CASE(each_failing_call_ends_without_a_signature),
	    CASE(a_signature_that_does_not_verify_does_not_leave),
	    RSA(each_failing_call_ends_without_a_signature),
	    RSA(a_signature_that_does_not_verify_does_not_leave)};

	return cmocka_run_group_tests(tests, begin, end);
}
