/* DER for flashing: each kind of private key comes out as OpenSSL writes it,
 * and what is not exactly one key or certificate is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "factory/der.h"
#include "tests/unit/text_file.h"

enum { TEXT_MAX = 8192 };

static EVP_PKEY *ec, *rsa;

/* What a writer of OpenSSL's wrote, as a string. */
static const char *
text_of(BIO *bio)
{
	static char text[TEXT_MAX];
	char *data;
	long size = BIO_get_mem_data(bio, &data);

	assert_true(size > 0 && size < TEXT_MAX);
	memcpy(text, data, (size_t)size);
	text[size] = '\0';
	BIO_free(bio);
	return text;
}

static const char *
pkcs8(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_PKCS8PrivateKey(
			bio, key, NULL, NULL, 0, NULL, NULL) > 0);
	return text_of(bio);
}

static const char *
encrypted(EVP_PKEY *key)
{
	char word[] = "word";
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_PKCS8PrivateKey(
			bio, key, EVP_aes_128_cbc(), word, 4, NULL, NULL) > 0);
	return text_of(bio);
}

static const char *
traditional(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
	unsigned char word[] = "word";
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_PrivateKey_traditional(bio, key, cipher,
			cipher != NULL ? word : NULL, cipher != NULL ? 4 : 0,
			NULL, NULL) > 0);
	return text_of(bio);
}

static const char *
certificate(void)
{
	X509 *one = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	X509_set_pubkey(one, ec);
	X509_gmtime_adj(X509_getm_notBefore(one), 0);
	X509_gmtime_adj(X509_getm_notAfter(one), 60);
	assert_true(X509_sign(one, ec, EVP_sha256()) > 0);
	assert_true(PEM_write_bio_X509(bio, one) > 0);
	X509_free(one);
	return text_of(bio);
}

static enum mm_error
convert(const char *text, struct mm_flash_secret *out)
{
	struct mm_flash_secret pem;
	enum mm_error error;

	text_file_write(text);
	error = mm_flash_secret_read(text_path, &pem);
	if (error != MM_OK)
		return error;
	error = mm_flash_private_key(&pem, out);
	mm_flash_secret_clear(&pem);
	return error;
}

static void
refused(const char *text)
{
	struct mm_flash_secret der = {.data = NULL};

	assert_int_equal(convert(text, &der), MM_E_FORMAT);
	assert_null(der.data);
}

static void
gives(const char *text, const uint8_t *wanted, int size)
{
	struct mm_flash_secret der;

	assert_int_equal(convert(text, &der), MM_OK);
	assert_int_equal(der.size, size);
	assert_memory_equal(der.data, wanted, (size_t)size);
	mm_flash_secret_clear(&der);
	assert_null(der.data);
}

static void
gives_pkcs8(EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8_t *der = NULL;
	int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	gives(pkcs8(key), der, size);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
}

static void
gives_traditional(EVP_PKEY *key)
{
	uint8_t *der = NULL;
	int size = i2d_PrivateKey(key, &der);

	gives(traditional(key, NULL), der, size);
	OPENSSL_free(der);
}

static void
test_each_kind_of_key_keeps_its_structure(void **state)
{
	(void)state;
	gives_pkcs8(ec);
	gives_pkcs8(rsa);
	gives_traditional(ec);
	gives_traditional(rsa);
}

/* `openssl ecparam -genkey` writes the parameters before the key. */
static void
test_parameters_before_the_key(void **state)
{
	char text[TEXT_MAX];
	uint8_t *der = NULL;
	int size = i2d_PrivateKey(ec, &der);

	(void)state;
	snprintf(text, sizeof(text),
	    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
	    "-----END EC PARAMETERS-----\n%s\n",
	    traditional(ec, NULL));
	gives(text, der, size);
	OPENSSL_free(der);
}

/* What `openssl pkcs12` writes before a key; a name need not be ASCII. */
static void
test_any_text_before_the_key(void **state)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(ec);
	uint8_t *der = NULL;
	int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	char text[TEXT_MAX];

	(void)state;
	snprintf(text, sizeof(text),
	    "\xef\xbb\xbf"
	    "Bag Attributes\n    friendlyName: M\xc3\xbcller\n%s",
	    pkcs8(ec));
	gives(text, der, size);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
}

static void
test_encrypted_keys_are_refused(void **state)
{
	(void)state;
	refused(encrypted(ec));
	refused(traditional(ec, EVP_aes_128_cbc()));
}

static void
test_what_is_no_private_key(void **state)
{
	(void)state;
	refused("x");
	refused(certificate());
	refused("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
	refused("-----BEGIN PRIVATE KEY-----\nAAAA\n"
		"-----END PRIVATE KEY-----\n");
	refused("-----BEGIN PRIVATE KEY-----\n");
	refused("-----END PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\n");
}

static void
test_more_than_one_private_key(void **state)
{
	char text[TEXT_MAX];
	size_t size;

	(void)state;
	size = (size_t)snprintf(text, sizeof(text), "%s", pkcs8(ec));
	snprintf(text + size, sizeof(text) - size, "%s", traditional(ec, NULL));
	refused(text);
	snprintf(text + size, sizeof(text) - size, "%s", pkcs8(ec));
	refused(text);
	snprintf(text + size, sizeof(text) - size, "and more\n");
	refused(text);
	size =
	    (size_t)snprintf(text, sizeof(text), "%s", traditional(ec, NULL));
	snprintf(text + size, sizeof(text) - size, "%s", pkcs8(ec));
	refused(text);
}

/* A byte of the base64 is changed: to another alphabet, to none. */
static void
test_broken_base64(void **state)
{
	static const char bytes[] = {'!', '-', '\x80', '\xff', '='};
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		snprintf(text, sizeof(text), "%s", pkcs8(ec));
		text[60] = bytes[i];
		refused(text);
	}
}

/* libsodium takes a byte from 0x80 on for a slash. */
static void
test_bytes_that_stand_for_a_slash(void **state)
{
	char text[TEXT_MAX];
	char *slash = NULL;

	(void)state;
	while (slash == NULL) {
		EVP_PKEY *key = EVP_EC_gen("P-256");

		snprintf(text, sizeof(text), "%s", pkcs8(key));
		slash = strchr(text, '/');
		EVP_PKEY_free(key);
	}
	*slash = '\x80';
	refused(text);
}

static void
test_files_that_are_none(void **state)
{
	struct mm_flash_secret out = {.data = NULL};
	char *text = malloc(MM_FLASH_PEM_MAX + 2);

	(void)state;
	unlink(text_path);
	assert_int_equal(mm_flash_secret_read(text_path, &out), MM_E_FILE);
	assert_int_equal(mm_flash_secret_read(text_directory, &out), MM_E_FILE);
	assert_int_equal(mkfifo(text_path, 0600), 0);
	assert_int_equal(mm_flash_secret_read(text_path, &out), MM_E_FILE);
	unlink(text_path);
	memset(text, 'a', MM_FLASH_PEM_MAX + 1);
	text[MM_FLASH_PEM_MAX + 1] = '\0';
	text_file_write(text);
	assert_int_equal(mm_flash_secret_read(text_path, &out), MM_E_RANGE);
	assert_null(out.data);
	text[MM_FLASH_PEM_MAX] = '\0';
	text_file_write(text);
	assert_int_equal(mm_flash_secret_read(text_path, &out), MM_OK);
	assert_int_equal(out.size, MM_FLASH_PEM_MAX);
	mm_flash_secret_clear(&out);
	free(text);
}

static void
test_a_certificate(void **state)
{
	const char *pem = certificate();
	mm_auto(buffer) der = {0};
	const uint8_t *at;
	X509 *back;

	(void)state;
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	assert_int_equal(mm_flash_certificate(mm_span_text(pem), &der), MM_OK);
	at = der.data;
	back = d2i_X509(NULL, &at, (long)der.size);
	assert_non_null(back);
	assert_ptr_equal(at, der.data + der.size);
	X509_free(back);
}

static void
test_what_is_no_certificate(void **state)
{
	static const char *const texts[] = {"", "x",
	    "-----BEGIN CERTIFICATE-----\nMAAAAA==\n"
	    "-----END CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE-----\nBQA=\n"
	    "-----END CERTIFICATE-----\n"};
	mm_auto(buffer) der = {0};

	(void)state;
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	for (size_t i = 0; i < MM_COUNT(texts); i++)
		assert_int_equal(
		    mm_flash_certificate(mm_span_text(texts[i]), &der),
		    MM_E_FORMAT);
	assert_int_equal(
	    mm_flash_certificate(mm_span_text(pkcs8(ec)), &der), MM_E_FORMAT);
	assert_int_equal(der.size, 0);
}

static int
setup(void **state)
{
	ec = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	return text_file_setup(state);
}

static int
teardown(void **state)
{
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	return text_file_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_kind_of_key_keeps_its_structure),
	    cmocka_unit_test(test_parameters_before_the_key),
	    cmocka_unit_test(test_any_text_before_the_key),
	    cmocka_unit_test(test_encrypted_keys_are_refused),
	    cmocka_unit_test(test_what_is_no_private_key),
	    cmocka_unit_test(test_more_than_one_private_key),
	    cmocka_unit_test(test_broken_base64),
	    cmocka_unit_test(test_bytes_that_stand_for_a_slash),
	    cmocka_unit_test(test_files_that_are_none),
	    cmocka_unit_test(test_a_certificate),
	    cmocka_unit_test(test_what_is_no_certificate),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
