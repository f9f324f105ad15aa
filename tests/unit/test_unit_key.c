/* A device's key that is made here: what OpenSSL makes of it, its requests,
 * and that nothing of it stays in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "ca/csr.h"
#include "factory/private_key.h"
#include "factory/unit_key_parts.h"
#include "tests/unit/heap_search.h"

#define ok(call) assert_int_equal(call, MM_OK)

static const char *const names[] = {
    "P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"};
static const enum mm_key_type types[] = {
    MM_KEY_P256, MM_KEY_P384, MM_KEY_RSA, MM_KEY_RSA, MM_KEY_RSA};
static const unsigned bits[] = {256, 384, 2048, 3072, 4096};

/* One of each, made once, as the large ones take a while. */
static struct mm_flash_secret made[MM_DEVICE_KEY_KINDS];

static int
make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_DEVICE_KEY_KINDS; i++)
		ok(mm_device_key_make((enum mm_device_key_kind)i, &made[i]));
	return 0;
}

static int
clear_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_DEVICE_KEY_KINDS; i++)
		mm_flash_secret_clear(&made[i]);
	return 0;
}

static struct mm_span
span_of(const struct mm_flash_secret *secret)
{
	return mm_span(secret->data, secret->size);
}

/* --- what is left of a key --- */

/* Run where nothing has locked memory yet. */
static void
without_locked_memory_no_key_is_made(void **state)
{
	static const struct rlimit none = {0, 0};
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		struct mm_flash_secret key = {.data = NULL};
		enum mm_error error = MM_OK;

		if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 ||
		    (geteuid() == 0 && setuid(65534) != 0))
			_exit(3);
		for (int i = 0; i < 2 && error == MM_OK; i++)
			error = mm_device_key_make(MM_DEVICE_P256, &key);
		_exit(error == MM_E_SYSTEM && key.data == NULL &&
			      strstr(mm_why(error), "ulimit") != NULL
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#ifndef __SANITIZE_ADDRESS__
static void
remember(const struct mm_flash_secret *der, struct needles *needles)
{
	struct device_key key;

	ok(mm_device_key_read(span_of(der), &key));
	if (key.kind->bits == 0) {
		needles_add(needles, key.numbers[KEY_SCALAR]);
		return;
	}
	for (size_t i = KEY_D; i < KEY_NUMBERS; i++)
		needles_add(needles, key.numbers[i]);
}

static void
nothing_of_a_key_stays_outside_of_locked_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i <= MM_DEVICE_RSA_2048; i++) {
		mm_auto(flash_secret) key = {0};
		mm_auto(buffer) csr = {0};
		struct needles needles = {.count = 0};
		uint8_t *copy;

		mm_buffer_init(&csr, MM_DEVICE_CSR_MAX);
		ok(mm_device_key_make((enum mm_device_key_kind)i, &key));
		remember(&key, &needles);
		ok(mm_device_key_csr(&key, &csr, NULL));
		assert_int_equal(search_heap(&needles), 0);
		/* It would have been found. */
		copy = malloc(key.size);
		assert_non_null(copy);
		memcpy(copy, key.data, key.size);
		assert_true(search_heap(&needles) > 0);
		sodium_memzero(copy, key.size);
		free(copy);
		mm_flash_secret_clear(&key);
		assert_int_equal(search_heap(&needles), 0);
	}
}
#endif

static void
libcrypto_s_own_numbers_lie_in_its_secure_heap(void **state)
{
	mm_auto(flash_secret) key = {0};
	mm_auto(buffer) csr = {0};
	size_t before;

	(void)state;
	mm_buffer_init(&csr, MM_DEVICE_CSR_MAX);
	ok(mm_device_key_make(MM_DEVICE_P256, &key));
	assert_int_equal(CRYPTO_secure_malloc_initialized(), 1);
	before = CRYPTO_secure_used();
	ok(mm_device_key_csr(&key, &csr, NULL));
	for (size_t i = 0; i <= MM_DEVICE_RSA_2048; i++) {
		mm_auto(flash_secret) other = {0};

		ok(mm_device_key_make((enum mm_device_key_kind)i, &other));
		/* And nothing stays there. */
		assert_int_equal(CRYPTO_secure_used(), before);
	}
}

/* --- what it is --- */

static void
it_is_the_pkcs8_that_openssl_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_DEVICE_KEY_KINDS; i++) {
		const uint8_t *at = made[i].data;
		EVP_PKEY *key =
		    d2i_AutoPrivateKey(NULL, &at, (long)made[i].size);
		PKCS8_PRIV_KEY_INFO *info;
		uint8_t *der = NULL;
		int size;

		assert_non_null(key);
		assert_int_equal(EVP_PKEY_get_bits(key), bits[i]);
		info = EVP_PKEY2PKCS8(key);
		size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
		assert_int_equal(size, made[i].size);
		assert_memory_equal(der, made[i].data, made[i].size);
		OPENSSL_free(der);
		PKCS8_PRIV_KEY_INFO_free(info);
		EVP_PKEY_free(key);
	}
}

static void
partitions_read_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_DEVICE_KEY_KINDS; i++) {
		mm_auto(private_key) key = {.name = NULL};

		ok(mm_private_key_read(&made[i], &key));
		assert_int_equal(key.bits, bits[i]);
	}
}

static void
every_key_is_another(void **state)
{
	mm_auto(flash_secret) other = {0};

	(void)state;
	ok(mm_device_key_make(MM_DEVICE_P256, &other));
	assert_int_equal(other.size, made[MM_DEVICE_P256].size);
	assert_memory_not_equal(
	    other.data, made[MM_DEVICE_P256].data, other.size);
}

/* --- its request --- */

static void
assert_verifies(struct mm_span csr, struct mm_span spki)
{
	const uint8_t *at = csr.data;
	X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)csr.size);
	EVP_PKEY *key;
	uint8_t *der = NULL;
	int size;

	assert_non_null(request);
	assert_ptr_equal(at, csr.data + csr.size);
	key = X509_REQ_get0_pubkey(request);
	assert_int_equal(X509_REQ_verify(request, key), 1);
	assert_int_equal(
	    X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
	size = i2d_PUBKEY(key, &der);
	assert_int_equal(size, spki.size);
	assert_memory_equal(der, spki.data, spki.size);
	OPENSSL_free(der);
	X509_REQ_free(request);
}

static void
its_request_verifies_here_and_by_openssl(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_DEVICE_KEY_KINDS; i++) {
		mm_auto(buffer) csr = {0}, spki = {0};
		mm_auto(arena) arena = {0};
		struct mm_csr read;

		mm_buffer_init(&csr, MM_DEVICE_CSR_MAX);
		mm_buffer_init(&spki, MM_DEVICE_SPKI_MAX);
		mm_arena_init(&arena, 1 << 16);
		ok(mm_device_key_csr(&made[i], &csr, &spki));
		ok(mm_csr_read(mm_buffer_span(&csr), &arena, &read));
		assert_int_equal(read.key.type, types[i]);
		assert_int_equal(read.key.bits, bits[i]);
		assert_true(mm_span_equal(read.spki, mm_buffer_span(&spki)));
		assert_verifies(mm_buffer_span(&csr), mm_buffer_span(&spki));
	}
}

static void
after_a_crash_it_is_the_same_key(void **state)
{
	mm_auto(flash_secret) again = {0};
	mm_auto(buffer) first = {0}, second = {0};

	(void)state;
	mm_buffer_init(&first, MM_DEVICE_SPKI_MAX);
	mm_buffer_init(&second, MM_DEVICE_SPKI_MAX);
	ok(mm_flash_secret_new(made[0].size, &again));
	memcpy(again.data, made[0].data, again.size);
	ok(mm_device_key_csr(&made[0], NULL, &first));
	ok(mm_device_key_csr(&again, NULL, &second));
	assert_true(
	    mm_span_equal(mm_buffer_span(&first), mm_buffer_span(&second)));
}

static void
a_buffer_that_is_too_small_is_told(void **state)
{
	(void)state;
	for (size_t less = 0; less < 2; less++) {
		mm_auto(buffer) whole = {0}, spki = {0};

		mm_buffer_init(&whole, MM_DEVICE_SPKI_MAX);
		ok(mm_device_key_csr(&made[0], NULL, &whole));
		mm_buffer_init(&spki, whole.size - less);
		assert_int_equal(mm_device_key_csr(&made[0], NULL, &spki),
		    less == 0 ? MM_OK : MM_E_RANGE);
	}
}

/* --- refused --- */

static enum mm_error
try_changed(const struct mm_flash_secret *key, size_t at, uint8_t flip)
{
	mm_auto(flash_secret) changed = {0};
	mm_auto(buffer) csr = {0};
	enum mm_error error;

	mm_buffer_init(&csr, MM_DEVICE_CSR_MAX);
	ok(mm_flash_secret_new(key->size, &changed));
	memcpy(changed.data, key->data, key->size);
	changed.data[at] ^= flip;
	error = mm_device_key_csr(&changed, &csr, NULL);
	assert_true(error == MM_OK || csr.size == 0);
	return error;
}

static size_t
place_in(const struct mm_flash_secret *key, struct mm_span part)
{
	return (size_t)(part.data - key->data);
}

static void
a_key_whose_halves_do_not_agree_signs_nothing(void **state)
{
	struct device_key key;

	(void)state;
	for (size_t i = 0; i <= MM_DEVICE_P384; i++) {
		ok(mm_device_key_read(span_of(&made[i]), &key));
		assert_int_equal(
		    try_changed(&made[i],
			place_in(&made[i], key.numbers[KEY_SCALAR]) + 9, 1),
		    MM_E_FORMAT);
		assert_int_equal(
		    try_changed(&made[i], place_in(&made[i], key.point) + 9, 1),
		    MM_E_FORMAT);
	}
	ok(mm_device_key_read(span_of(&made[MM_DEVICE_RSA_2048]), &key));
	assert_int_equal(
	    try_changed(&made[MM_DEVICE_RSA_2048],
		place_in(&made[MM_DEVICE_RSA_2048], key.numbers[KEY_N]) + 200,
		2),
	    MM_E_FORMAT);
}

static void
no_scalar_of_zero(void **state)
{
	mm_auto(flash_secret) zero = {0};
	mm_auto(buffer) csr = {0};
	struct device_key key;

	(void)state;
	mm_buffer_init(&csr, MM_DEVICE_CSR_MAX);
	ok(mm_flash_secret_new(made[0].size, &zero));
	memcpy(zero.data, made[0].data, zero.size);
	ok(mm_device_key_read(span_of(&zero), &key));
	memset(zero.data + place_in(&zero, key.numbers[KEY_SCALAR]), 0, 32);
	assert_int_equal(mm_device_key_csr(&zero, &csr, NULL), MM_E_FORMAT);
	assert_int_equal(csr.size, 0);
}

static void
what_is_no_such_key_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i <= MM_DEVICE_RSA_2048; i++) {
		size_t size = made[i].size;
		struct device_key key;

		for (size_t cut = 0; cut < size; cut += 1 + cut / 8)
			assert_int_equal(mm_device_key_read(
					     mm_span(made[i].data, cut), &key),
			    MM_E_FORMAT);
		assert_int_equal(
		    mm_device_key_read(mm_span(made[i].data, size - 1), &key),
		    MM_E_FORMAT);
	}
	for (size_t at = 0; at < 40; at++)
		assert_int_not_equal(try_changed(&made[0], at, 0x40), MM_OK);
}

static void
a_byte_behind_it_is_refused(void **state)
{
	mm_auto(flash_secret) longer = {0};
	struct device_key key;

	(void)state;
	ok(mm_flash_secret_new(made[0].size + 1, &longer));
	memset(longer.data, 0, longer.size);
	memcpy(longer.data, made[0].data, made[0].size);
	assert_int_equal(
	    mm_device_key_read(span_of(&longer), &key), MM_E_FORMAT);
}

static void
kinds_have_names(void **state)
{
	struct mm_flash_secret none = {.data = NULL};
	enum mm_device_key_kind kind;

	(void)state;
	for (size_t i = 0; i < MM_DEVICE_KEY_KINDS; i++) {
		assert_string_equal(
		    mm_device_key_name((enum mm_device_key_kind)i), names[i]);
		assert_true(mm_device_key_named(mm_span_text(names[i]), &kind));
		assert_int_equal(kind, i);
	}
	assert_null(mm_device_key_name(MM_DEVICE_KEY_KINDS));
	assert_false(mm_device_key_named(mm_span_text("P-521"), &kind));
	assert_false(mm_device_key_named(mm_span_text("RSA-1024"), &kind));
	assert_int_equal(
	    mm_device_key_make(MM_DEVICE_KEY_KINDS, &none), MM_E_KEY_TYPE);
	assert_null(none.data);
}

int
main(void)
{
	/* The first two want a process in which no key has been yet. */
	const struct CMUnitTest fresh[] = {
	    cmocka_unit_test(without_locked_memory_no_key_is_made),
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(nothing_of_a_key_stays_outside_of_locked_memory),
#endif
	    cmocka_unit_test(libcrypto_s_own_numbers_lie_in_its_secure_heap),
	};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_the_pkcs8_that_openssl_writes),
	    cmocka_unit_test(partitions_read_it),
	    cmocka_unit_test(every_key_is_another),
	    cmocka_unit_test(its_request_verifies_here_and_by_openssl),
	    cmocka_unit_test(after_a_crash_it_is_the_same_key),
	    cmocka_unit_test(a_buffer_that_is_too_small_is_told),
	    cmocka_unit_test(a_key_whose_halves_do_not_agree_signs_nothing),
	    cmocka_unit_test(no_scalar_of_zero),
	    cmocka_unit_test(what_is_no_such_key_is_refused),
	    cmocka_unit_test(a_byte_behind_it_is_refused),
	    cmocka_unit_test(kinds_have_names),
	};
	int failed;

	if (sodium_init() < 0)
		return 1;
	failed = cmocka_run_group_tests_name("fresh", fresh, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, make_keys, clear_keys);
}
