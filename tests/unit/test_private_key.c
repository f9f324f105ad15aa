/* Private keys as partitions hold them: what OpenSSL writes in the traditional
 * forms comes out of every form that goes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "factory/private_key.h"

enum { TEXT_MAX = 16384 };

static const char *const names[] = {
    "P-192", "P-224", "P-256", "P-384", "P-521", "secp256k1"};

struct text {
	uint8_t bytes[TEXT_MAX];
	size_t size;
};

static void
take(BIO *bio, struct text *out)
{
	char *data;
	long size = BIO_get_mem_data(bio, &data);

	assert_true(size > 0 && size < TEXT_MAX);
	memcpy(out->bytes, data, (size_t)size);
	out->size = (size_t)size;
	BIO_free(bio);
}

static void
traditional_pem(EVP_PKEY *key, struct text *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey_traditional(
			     bio, key, NULL, NULL, 0, NULL, NULL),
	    1);
	take(bio, out);
}

static void
traditional_der(EVP_PKEY *key, struct text *out)
{
	uint8_t *at = out->bytes;

	out->size = (size_t)i2d_PrivateKey(key, &at);
}

static void
pkcs8_pem(EVP_PKEY *key, struct text *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
	    1);
	take(bio, out);
}

static void
pkcs8_der(EVP_PKEY *key, struct text *out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8_t *at = out->bytes;

	out->size = (size_t)i2d_PKCS8_PRIV_KEY_INFO(info, &at);
	PKCS8_PRIV_KEY_INFO_free(info);
}

static enum mm_error
read_text(const struct text *text, struct mm_private_key *out)
{
	struct mm_flash_secret file;
	enum mm_error error;

	assert_int_equal(mm_flash_secret_new(text->size, &file), MM_OK);
	memcpy(file.data, text->bytes, text->size);
	error = mm_private_key_read(&file, out);
	mm_flash_secret_clear(&file);
	return error;
}

static void
assert_stored(
    const struct mm_private_key *key, bool pem, const struct text *wanted)
{
	struct mm_flash_secret stored;
	size_t nul = pem ? 1 : 0;

	assert_int_equal(mm_private_key_stored(key, pem, &stored), MM_OK);
	assert_int_equal(stored.size, wanted->size + nul);
	assert_memory_equal(stored.data, wanted->bytes, wanted->size);
	if (pem)
		assert_int_equal(stored.data[wanted->size], 0);
	mm_flash_secret_clear(&stored);
}

static void
check_forms(EVP_PKEY *pair, const char *name, int bits)
{
	static void (*const forms[])(EVP_PKEY *, struct text *) = {
	    traditional_pem, traditional_der, pkcs8_pem, pkcs8_der};
	struct text in, pem, der;

	traditional_pem(pair, &pem);
	traditional_der(pair, &der);
	for (size_t i = 0; i < MM_COUNT(forms); i++) {
		mm_auto(private_key) key = {.name = NULL};

		forms[i](pair, &in);
		assert_int_equal(read_text(&in, &key), MM_OK);
		assert_string_equal(key.name, name);
		assert_int_equal(key.bits, bits);
		assert_stored(&key, true, &pem);
		assert_stored(&key, false, &der);
	}
}

static EVP_PKEY *
new_curve(const char *name)
{
	EVP_PKEY *pair = EVP_EC_gen(name);

	assert_non_null(pair);
	return pair;
}

static void
every_form_becomes_the_traditional_one(void **state)
{
	static const int sizes[] = {1024, 2048, 3072, 4096};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		EVP_PKEY *pair = new_curve(names[i]);

		check_forms(pair, names[i], EVP_PKEY_get_bits(pair));
		EVP_PKEY_free(pair);
	}
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		EVP_PKEY *pair = EVP_RSA_gen((unsigned)sizes[i]);

		check_forms(pair, "RSA", sizes[i]);
		EVP_PKEY_free(pair);
	}
}

/* SEC 1 without its optional fields, in PKCS#8 and alone. */
static void
a_public_half_is_made_where_it_is_not_there(void **state)
{
	/* RFC 5958 around RFC 5915 with version and number alone. */
	static const uint8_t head[] = {0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13,
	    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
	    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30,
	    0x25, 0x02, 0x01, 0x01, 0x04, 0x20};
	EVP_PKEY *pair = new_curve("P-256");
	struct text der, in;
	mm_auto(private_key) key = {.name = NULL};

	(void)state;
	traditional_der(pair, &der);
	memcpy(in.bytes, head, sizeof(head));
	memcpy(in.bytes + sizeof(head), der.bytes + 7, 32);
	in.size = sizeof(head) + 32;
	assert_int_equal(read_text(&in, &key), MM_OK);
	assert_stored(&key, false, &der);
	/* Alone it has no curve. */
	memmove(in.bytes, in.bytes + 28, in.size - 28);
	in.size -= 28;
	mm_private_key_clear(&key);
	assert_int_equal(read_text(&in, &key), MM_E_KEY_TYPE);
	EVP_PKEY_free(pair);
}

/* SEC 1 2.3.3: of the point x and whether y is odd; stored is the whole. */
static void
a_public_half_may_be_compressed(void **state)
{
	enum { LENGTH = 1, POINT_LENGTH = 52, BITS_LENGTH = 54, POINT = 56 };
	EVP_PKEY *pair = new_curve("P-256");
	struct text der, in;
	mm_auto(private_key) key = {.name = NULL};

	(void)state;
	traditional_der(pair, &der);
	in = der;
	in.size -= 32;
	in.bytes[LENGTH] -= 32;
	in.bytes[POINT_LENGTH] -= 32;
	in.bytes[BITS_LENGTH] -= 32;
	in.bytes[POINT] = 2 | (der.bytes[der.size - 1] & 1);
	assert_int_equal(read_text(&in, &key), MM_OK);
	assert_stored(&key, false, &der);
	mm_private_key_clear(&key);
	in.bytes[POINT] ^= 1;
	assert_int_equal(read_text(&in, &key), MM_E_FORMAT);
	in.bytes[POINT] ^= 1;
	in.bytes[in.size - 1] ^= 1;
	assert_int_equal(read_text(&in, &key), MM_E_FORMAT);
	EVP_PKEY_free(pair);
}

/* Of the DER of a P-256 key: its number is at 7, its point at 57 to 121. */
static void
refused(const struct text *der, size_t at, uint8_t byte)
{
	struct text changed = *der;
	struct mm_private_key key = {.name = NULL};
	enum mm_error error;

	changed.bytes[at] ^= byte;
	error = read_text(&changed, &key);
	if (error == MM_OK)
		fail_msg("byte %zu changed by %u is taken", at, byte);
	assert_null(key.der.data);
}

static void
parts_that_do_not_agree(void **state)
{
	EVP_PKEY *ec = new_curve("P-256"), *rsa = EVP_RSA_gen(2048);
	struct text der;

	(void)state;
	traditional_der(ec, &der);
	for (size_t i = 0; i < der.size; i++)
		refused(&der, i, 1);
	memset(der.bytes + 7, 0, 32); /* no number */
	refused(&der, 0, 0);
	memset(der.bytes + 7, 0xff, 32); /* over the order */
	refused(&der, 0, 0);
	traditional_der(rsa, &der);
	for (size_t i = 0; i < der.size; i++)
		refused(&der, i, 0x10);
	der.bytes[der.size++] = 0;
	refused(&der, 0, 0);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
}

static void
other_kinds_of_keys(void **state)
{
	EVP_PKEY *edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *brainpool = new_curve("brainpoolP256r1");
	EVP_PKEY *small = EVP_RSA_gen(1016);
	EVP_PKEY *all[] = {edwards, brainpool, small};
	struct mm_private_key key = {.name = NULL};
	struct text in;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(all); i++) {
		assert_non_null(all[i]);
		pkcs8_der(all[i], &in);
		assert_int_equal(read_text(&in, &key), MM_E_KEY_TYPE);
		EVP_PKEY_free(all[i]);
	}
	assert_null(key.der.data);
}

static void
what_is_no_private_key(void **state)
{
	static const char *const texts[] = {"x", "-----BEGIN ",
	    "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
	    "\x30\x03\x02\x01\x01"};
	struct mm_private_key key = {.name = NULL};
	EVP_PKEY *pair = new_curve("P-256");
	char word[] = "word";
	struct text in;
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	for (size_t i = 0; i < MM_COUNT(texts); i++) {
		in.size = strlen(texts[i]);
		memcpy(in.bytes, texts[i], in.size);
		assert_int_equal(read_text(&in, &key), MM_E_FORMAT);
	}
	assert_int_equal(i2d_PKCS8PrivateKey_bio(
			     bio, pair, EVP_aes_128_cbc(), word, 4, NULL, NULL),
	    1);
	take(bio, &in);
	assert_int_equal(read_text(&in, &key), MM_E_FORMAT);
	EVP_PKEY_free(pair);
}

/* DER to PEM leaves the structure inside as it is. */
static void
a_key_in_der_becomes_pem(void **state)
{
	static const struct {
		void (*der)(EVP_PKEY *, struct text *);
		void (*pem)(EVP_PKEY *, struct text *);
	} pairs[] = {
	    {traditional_der, traditional_pem}, {pkcs8_der, pkcs8_pem}};
	EVP_PKEY *keys[] = {new_curve("P-256"), EVP_RSA_gen(2048)};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct mm_flash_secret file, made;
		struct text der, pem;

		pairs[i % 2].der(keys[i / 2], &der);
		pairs[i % 2].pem(keys[i / 2], &pem);
		assert_int_equal(mm_flash_secret_new(der.size, &file), MM_OK);
		memcpy(file.data, der.bytes, der.size);
		assert_int_equal(mm_private_key_pem(&file, &made), MM_OK);
		assert_int_equal(made.size, pem.size);
		assert_memory_equal(made.data, pem.bytes, pem.size);
		mm_flash_secret_clear(&made);
		file.data[0] = 0x31;
		assert_int_equal(mm_private_key_pem(&file, &made), MM_E_FORMAT);
		mm_flash_secret_clear(&file);
	}
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
}

/* --- certificates --- */

static void
certificate_of(EVP_PKEY *subject, struct mm_buffer *out)
{
	X509 *one = X509_new();
	EVP_PKEY *issuer = new_curve("P-256");
	uint8_t *der = NULL;
	int size;

	X509_set_pubkey(one, subject);
	X509_gmtime_adj(X509_getm_notBefore(one), 0);
	X509_gmtime_adj(X509_getm_notAfter(one), 60);
	assert_true(X509_sign(one, issuer, EVP_sha256()) > 0);
	size = i2d_X509(one, &der);
	assert_true(size > 0);
	mm_buffer_init(out, MM_FLASH_PEM_MAX);
	mm_buffer_add(out, der, (size_t)size);
	OPENSSL_free(der);
	EVP_PKEY_free(issuer);
	X509_free(one);
}

/* Its point is written compressed, in keys and certificates. */
static EVP_PKEY *
new_compressed(void)
{
	EVP_PKEY *pair = new_curve("P-256");

	assert_int_equal(
	    EVP_PKEY_set_utf8_string_param(pair, "point-format", "compressed"),
	    1);
	return pair;
}

static void
a_certificate_is_for_one_key(void **state)
{
	enum { KEYS = 6 };
	EVP_PKEY *pairs[KEYS] = {new_curve("P-256"), new_curve("P-256"),
	    new_curve("secp256k1"), EVP_RSA_gen(2048), EVP_RSA_gen(2048),
	    new_compressed()};
	struct mm_private_key keys[KEYS];
	struct text der;

	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		traditional_der(pairs[i], &der);
		assert_int_equal(read_text(&der, &keys[i]), MM_OK);
	}
	for (size_t i = 0; i < KEYS; i++) {
		mm_auto(buffer) certificate = {0};

		certificate_of(pairs[i], &certificate);
		for (size_t j = 0; j < KEYS; j++)
			assert_int_equal(mm_private_key_matches(&keys[j],
					     mm_buffer_span(&certificate)),
			    i == j ? MM_OK : MM_E_FORMAT);
		certificate.size--;
		assert_int_equal(mm_private_key_matches(
				     &keys[i], mm_buffer_span(&certificate)),
		    MM_E_FORMAT);
	}
	for (size_t i = 0; i < KEYS; i++) {
		mm_private_key_clear(&keys[i]);
		EVP_PKEY_free(pairs[i]);
	}
}

/* Text, a key and a second certificate stand in the file, lines end in CR LF
 * and are longer: the first comes out in 64 columns. */
static void
of_a_file_the_first_certificate_is_stored(void **state)
{
	mm_auto(buffer) file = {0}, first = {0}, other = {0}, wanted = {0},
			stored = {0}, der = {0};
	EVP_PKEY *one = new_curve("P-256"), *two = new_curve("P-256");
	struct text key;
	size_t count;

	(void)state;
	certificate_of(one, &first);
	certificate_of(two, &other);
	pkcs8_pem(one, &key);
	mm_buffer_init(&file, MM_FLASH_PEM_MAX);
	mm_buffer_init(&wanted, MM_FLASH_PEM_MAX);
	mm_buffer_init(&stored, MM_FLASH_PEM_MAX);
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	assert_int_equal(
	    mm_certificate_pem(mm_buffer_span(&first), &wanted), MM_OK);
	mm_buffer_add_text(&file, "Subject: x\r\n");
	mm_buffer_add(&file, key.bytes, key.size);
	for (size_t i = 0, lines = 0; i < wanted.size; i++) {
		bool inner = wanted.data[i] == '\n' && lines++ > 0 &&
			     lines % 2 == 0 && wanted.data[i + 1] != '-';

		if (!inner && wanted.data[i] == '\n')
			mm_buffer_add_text(&file, "\r\n");
		else if (!inner)
			mm_buffer_add(&file, wanted.data + i, 1);
	}
	assert_int_equal(
	    mm_certificate_pem(mm_buffer_span(&other), &file), MM_OK);
	assert_int_equal(
	    mm_certificate_stored(mm_buffer_span(&file), &stored), MM_OK);
	mm_buffer_add(&wanted, "", 1);
	assert_true(
	    mm_span_equal(mm_buffer_span(&stored), mm_buffer_span(&wanted)));
	assert_int_equal(
	    mm_certificate_first(mm_buffer_span(&file), &der, &count), MM_OK);
	assert_int_equal(count, 2);
	mm_buffer_reset(&stored);
	assert_int_equal(
	    mm_certificate_stored(mm_buffer_span(&first), &stored), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&stored), mm_buffer_span(&first)));
	mm_buffer_add(&first, "", 1);
	assert_int_equal(mm_certificate_stored(mm_buffer_span(&first), &stored),
	    MM_E_FORMAT);
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_form_becomes_the_traditional_one),
	    cmocka_unit_test(a_public_half_is_made_where_it_is_not_there),
	    cmocka_unit_test(a_public_half_may_be_compressed),
	    cmocka_unit_test(parts_that_do_not_agree),
	    cmocka_unit_test(other_kinds_of_keys),
	    cmocka_unit_test(what_is_no_private_key),
	    cmocka_unit_test(a_key_in_der_becomes_pem),
	    cmocka_unit_test(a_certificate_is_for_one_key),
	    cmocka_unit_test(of_a_file_the_first_certificate_is_stored),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
