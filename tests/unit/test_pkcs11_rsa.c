#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "hsm/session.h"
#include "hsm/verify.h"
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

/* Of exactly this salt, by libcrypto and not by ours. */
static bool
pss_verifies(struct mm_span spki, const uint8_t digest[32],
    struct mm_span signature, int salt)
{
	const uint8_t *at = spki.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)spki.size);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	int verified;

	assert_non_null(context);
	assert_int_equal(EVP_PKEY_verify_init(context), 1);
	assert_int_equal(
	    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(
	    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()), 1);
	assert_int_equal(
	    EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt), 1);
	verified = EVP_PKEY_verify(
	    context, signature.data, signature.size, digest, 32);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	return verified == 1;
}

/* One key for all of these: it takes seconds to make. */
static void
make_rsa(struct mm_pkcs11 *token, struct mm_buffer *spki)
{
	enum mm_error error =
	    mm_pkcs11_generate(token, "rsa", MM_ALGORITHM_RSA3072);

	assert_true(error == MM_OK || error == MM_E_EXISTS);
	mm_buffer_init(spki, MM_SPKI_MAX);
	assert_int_equal(mm_pkcs11_public(token, "rsa", spki), MM_OK);
}

static void
an_rsa_key_signs_by_pss_with_a_salt_of_32(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0}, signature = {0};
	uint8_t digest[32] = {7};
	enum mm_algorithm algorithm;

	(void)state;
	make_rsa(token, &spki);
	assert_int_equal(
	    mm_spki_algorithm(mm_buffer_span(&spki), &algorithm), MM_OK);
	assert_int_equal(algorithm, MM_ALGORITHM_RSA3072);
	mm_buffer_init(&signature, MM_RSA_BYTES);
	assert_int_equal(mm_pkcs11_sign(token, "rsa", mm_buffer_span(&spki),
			     digest, &signature),
	    MM_OK);
	assert_int_equal(signature.size, MM_RSA_BYTES);
	assert_true(pss_verifies(
	    mm_buffer_span(&spki), digest, mm_buffer_span(&signature), 32));
	assert_false(pss_verifies(
	    mm_buffer_span(&spki), digest, mm_buffer_span(&signature), 31));
	assert_false(pss_verifies(
	    mm_buffer_span(&spki), digest, mm_buffer_span(&signature), 33));
	assert_int_equal(mm_signature_check(mm_buffer_span(&spki), digest,
			     mm_buffer_span(&signature)),
	    MM_OK);
	digest[31] ^= 1;
	assert_int_equal(mm_signature_check(mm_buffer_span(&spki), digest,
			     mm_buffer_span(&signature)),
	    MM_E_TOKEN_SIGNATURE);
	mm_pkcs11_close(token);
}

static void
an_rsa_key_is_what_the_templates_say(void **state)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		bool value;
	} flags[] = {{CKA_TOKEN, true}, {CKA_PRIVATE, true},
	    {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false},
	    {CKA_ALWAYS_SENSITIVE, true}, {CKA_NEVER_EXTRACTABLE, true},
	    {CKA_LOCAL, true}, {CKA_SIGN, true}, {CKA_SIGN_RECOVER, false},
	    {CKA_DECRYPT, false}, {CKA_UNWRAP, false}, {CKA_DERIVE, false}};
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0};
	const struct mm_pair *pair;
	CK_MECHANISM_TYPE allowed[2];
	CK_ULONG bits = 0;
	uint8_t exponent[8];
	CK_ATTRIBUTE only[] = {
	    {CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)}};
	CK_ATTRIBUTE public[] = {{CKA_MODULUS_BITS, &bits, sizeof(bits)},
	    {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)}};

	(void)state;
	make_rsa(token, &spki);
	assert_int_equal(mm_pair_find(token, "rsa", &pair), MM_OK);
	for (size_t i = 0; i < MM_COUNT(flags); i++) {
		CK_BBOOL value = 0xff;
		CK_ATTRIBUTE one = {flags[i].type, &value, sizeof(value)};

		assert_int_equal(
		    token->module.call->C_GetAttributeValue(
			token->session, pair->private_key, &one, 1),
		    CKR_OK);
		assert_int_equal(value, flags[i].value);
	}
	assert_int_equal(token->module.call->C_GetAttributeValue(
			     token->session, pair->private_key, only, 1),
	    CKR_OK);
	assert_int_equal(only[0].ulValueLen, sizeof(allowed[0]));
	assert_int_equal(allowed[0], CKM_RSA_PKCS_PSS);
	assert_int_equal(token->module.call->C_GetAttributeValue(token->session,
			     pair->public_key, public, MM_COUNT(public)),
	    CKR_OK);
	assert_int_equal(bits, 3072);
	assert_int_equal(public[1].ulValueLen, 3);
	assert_memory_equal(exponent, "\x01\x00\x01", 3);
	mm_pkcs11_close(token);
}

/* PITFALLS: else padding made in another process would be signed. */
static void
an_rsa_key_signs_by_no_other_mechanism(void **state)
{
	static const CK_MECHANISM_TYPE others[] = {CKM_RSA_PKCS, CKM_RSA_X_509,
	    CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS};
	CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0};
	const struct mm_pair *pair;

	(void)state;
	make_rsa(token, &spki);
	assert_int_equal(mm_pair_find(token, "rsa", &pair), MM_OK);
	for (size_t i = 0; i < MM_COUNT(others); i++) {
		bool hashes = others[i] == CKM_SHA256_RSA_PKCS_PSS;
		CK_MECHANISM mechanism = {
		    others[i], hashes ? &pss : NULL, hashes ? sizeof(pss) : 0};

		assert_int_equal(token->module.call->C_SignInit(token->session,
				     &mechanism, pair->private_key),
		    CKR_MECHANISM_INVALID);
		mechanism.mechanism = CKM_RSA_PKCS;
		assert_int_not_equal(
		    token->module.call->C_DecryptInit(
			token->session, &mechanism, pair->private_key),
		    CKR_OK);
	}
	mm_pkcs11_close(token);
}

static void
a_key_of_one_kind_does_not_sign_for_the_other(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) rsa = {0}, p256 = {0}, signature = {0};
	uint8_t digest[32] = {7};

	(void)state;
	make_rsa(token, &rsa);
	mm_buffer_init(&p256, MM_SPKI_MAX);
	mm_buffer_init(&signature, MM_RSA_BYTES);
	assert_int_equal(
	    mm_pkcs11_generate(token, "other", MM_ALGORITHM_P256), MM_OK);
	assert_int_equal(mm_pkcs11_public(token, "other", &p256), MM_OK);
	assert_int_equal(mm_pkcs11_sign(token, "rsa", mm_buffer_span(&p256),
			     digest, &signature),
	    MM_E_TOKEN_SIGNATURE);
	assert_int_equal(mm_pkcs11_sign(token, "other", mm_buffer_span(&rsa),
			     digest, &signature),
	    MM_E_TOKEN_SIGNATURE);
	assert_int_equal(signature.size, 0);
	mm_pkcs11_close(token);
}

/* An RSA pair made by hand, with one thing wrong. */
static void
make_rsa_by_hand(struct mm_pkcs11 *token, const char *label, CK_ULONG bits,
    CK_BYTE exponent, CK_MECHANISM_TYPE mechanism, bool decrypts)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE, decrypt = decrypts;
	CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	CK_BYTE e[] = {exponent == 1, 0, 1};
	void *name = (void *)(uintptr_t)label;
	CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_PRIVATE, &yes, sizeof(yes)},
	    {CKA_SENSITIVE, &yes, sizeof(yes)},
	    {CKA_EXTRACTABLE, &no, sizeof(no)}, {CKA_SIGN, &yes, sizeof(yes)},
	    {CKA_SIGN_RECOVER, &no, sizeof(no)},
	    {CKA_DECRYPT, &decrypt, sizeof(decrypt)},
	    {CKA_UNWRAP, &no, sizeof(no)}, {CKA_DERIVE, &no, sizeof(no)},
	    {CKA_ALLOWED_MECHANISMS, &mechanism, sizeof(mechanism)},
	    {CKA_LABEL, name, strlen(label)}};
	CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_VERIFY, &yes, sizeof(yes)},
	    {CKA_MODULUS_BITS, &bits, sizeof(bits)},
	    {CKA_PUBLIC_EXPONENT, e, sizeof(e)},
	    {CKA_LABEL, name, strlen(label)}};
	CK_OBJECT_HANDLE public_key, private_key;

	if (exponent == 3)
	public[3] =
	    (CK_ATTRIBUTE){CKA_PUBLIC_EXPONENT, &exponent, sizeof(exponent)};
	assert_int_equal(token->module.call->C_GenerateKeyPair(token->session,
			     &generate, public, MM_COUNT(public), private,
			     MM_COUNT(private), &public_key, &private_key),
	    CKR_OK);
}

static void
an_rsa_key_made_otherwise_is_refused(void **state)
{
	static const struct {
		const char *label, *why;
		CK_ULONG bits;
		CK_BYTE exponent;
		CK_MECHANISM_TYPE mechanism;
		bool decrypts;
	} cases[] = {{"rsa-2048", "not an RSA-3072 key", 2048, 1,
			 CKM_RSA_PKCS_PSS, false},
	    {"rsa-e3", "not an RSA-3072 key", 3072, 3, CKM_RSA_PKCS_PSS, false},
	    {"rsa-pkcs1", "CKM_RSA_PKCS_PSS as its only", 2048, 1, CKM_RSA_PKCS,
		false},
	    {"rsa-decrypts", "CKA_DECRYPT false", 2048, 1, CKM_RSA_PKCS_PSS,
		true}};
	struct mm_pkcs11 *token = open_token();

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) spki = {0};

		mm_buffer_init(&spki, MM_SPKI_MAX);
		make_rsa_by_hand(token, cases[i].label, cases[i].bits,
		    cases[i].exponent, cases[i].mechanism, cases[i].decrypts);
		assert_int_equal(mm_pkcs11_public(token, cases[i].label, &spki),
		    MM_E_KEY_ATTRIBUTES);
		assert_non_null(
		    strstr(mm_why(MM_E_KEY_ATTRIBUTES), cases[i].why));
		assert_int_equal(spki.size, 0);
	}
	mm_pkcs11_close(token);
}

/* Two halves of two pairs: the public one was exchanged. */
static void
an_rsa_pair_of_two_pairs_is_refused(void **state)
{
	struct mm_pkcs11 *token = open_token();
	mm_auto(buffer) spki = {0};
	CK_OBJECT_HANDLE handle;
	CK_ULONG count = 0;
	CK_ATTRIBUTE renamed = {CKA_LABEL, (void *)(uintptr_t) "mixed", 5};

	(void)state;
	make_rsa_by_hand(token, "mixed", 3072, 1, CKM_RSA_PKCS_PSS, false);
	make_rsa_by_hand(token, "donor", 3072, 1, CKM_RSA_PKCS_PSS, false);
	assert_int_equal(
	    mm_pair_objects(token, CKO_PUBLIC_KEY, "mixed", &handle, &count),
	    MM_OK);
	assert_int_equal(
	    token->module.call->C_DestroyObject(token->session, handle),
	    CKR_OK);
	assert_int_equal(
	    mm_pair_objects(token, CKO_PUBLIC_KEY, "donor", &handle, &count),
	    MM_OK);
	assert_int_equal(token->module.call->C_SetAttributeValue(
			     token->session, handle, &renamed, 1),
	    CKR_OK);
	mm_buffer_init(&spki, MM_SPKI_MAX);
	assert_int_equal(
	    mm_pkcs11_public(token, "mixed", &spki), MM_E_KEY_ATTRIBUTES);
	assert_non_null(strstr(mm_why(MM_E_KEY_ATTRIBUTES), "not one pair"));
	mm_pkcs11_close(token);
}

static void
no_other_kind_of_key_is_made(void **state)
{
	struct mm_pkcs11 *token = open_token();

	(void)state;
	assert_int_equal(mm_pkcs11_generate(token, "third", MM_ALGORITHM_P384),
	    MM_E_KEY_TYPE);
	mm_pkcs11_close(token);
}

/* Whose key is known by its hash alone: ECDSA tells it, RSA does not. */
static void
an_rsa_signature_wants_its_key(void **state)
{
	uint8_t hash[32] = {1}, digest[32] = {2}, signature[MM_RSA_BYTES] = {3};

	(void)state;
	assert_int_equal(mm_signature_check_hash(
			     hash, digest, mm_span(signature, MM_RSA_BYTES)),
	    MM_E_KEY_TYPE);
	assert_non_null(strstr(mm_why(MM_E_KEY_TYPE), "bring the public key"));
	assert_int_equal(mm_signature_check_hash(hash, digest,
			     mm_span(signature, MM_RSA_BYTES - 1)),
	    MM_E_TOKEN_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_rsa_key_signs_by_pss_with_a_salt_of_32),
	    cmocka_unit_test(an_rsa_key_is_what_the_templates_say),
	    cmocka_unit_test(an_rsa_key_signs_by_no_other_mechanism),
	    cmocka_unit_test(a_key_of_one_kind_does_not_sign_for_the_other),
	    cmocka_unit_test(an_rsa_key_made_otherwise_is_refused),
	    cmocka_unit_test(an_rsa_pair_of_two_pairs_is_refused),
	    cmocka_unit_test(no_other_kind_of_key_is_made),
	    cmocka_unit_test(an_rsa_signature_wants_its_key)};

	return cmocka_run_group_tests(tests, begin, end);
}
