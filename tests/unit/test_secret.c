/* Memory for private keys that is kept for the next: whose it was cannot be
 * told from it, and no more of it is locked than was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "factory/secret.h"

enum { SIZE = 5000, MANY = 16 };

/* Of this process, as the kernel counts it. */
static size_t
locked_now(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	size_t kib = 0;

	assert_non_null(status);
	while (fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "VmLck: %zu kB", &kib) == 1)
			break;
	fclose(status);
	return kib << 10;
}

static void new (size_t size, struct mm_flash_secret *out)
{
	assert_int_equal(mm_flash_secret_new(size, out), MM_OK);
	assert_int_equal(out->size, size);
}

static void
test_nothing_is_kept_unasked(void **state)
{
	struct mm_flash_secret one;
	size_t before = locked_now();

	(void)state;
	new (SIZE, &one);
	assert_true(locked_now() - before >= mm_flash_secret_locked(SIZE));
	mm_flash_secret_clear(&one);
	assert_null(one.data);
	assert_int_equal(locked_now(), before);
}

static void
test_what_is_given_out_again_is_wiped(void **state)
{
	static const uint8_t zeros[SIZE];
	struct mm_flash_secret one, again;
	uint8_t *data;

	(void)state;
	mm_flash_secrets_keep(1 << 20);
	new (SIZE, &one);
	data = one.data;
	memset(data, 0xa5, SIZE);
	one.size = 10; /* all of it counts, whatever its owner says */
	mm_flash_secret_clear(&one);
	assert_memory_equal(data, zeros, SIZE);
	new (SIZE + 1, &one);
	assert_ptr_not_equal(one.data, data);
	new (SIZE, &again);
	assert_ptr_equal(again.data, data);
	assert_memory_equal(again.data, zeros, SIZE);
	mm_flash_secret_clear(&one);
	mm_flash_secret_clear(&again);
	mm_flash_secrets_keep(0);
}

static void
test_no_more_is_locked_than_was_said(void **state)
{
	size_t before = locked_now(), one = mm_flash_secret_locked(SIZE);
	struct mm_flash_secret all[MANY];

	(void)state;
	mm_flash_secrets_keep(MANY / 2 * one);
	for (size_t i = 0; i < MANY; i++)
		new (SIZE, &all[i]);
	assert_int_equal(locked_now() - before, MANY * one);
	for (size_t i = 0; i < MANY; i++)
		mm_flash_secret_clear(&all[i]);
	assert_int_equal(locked_now() - before, MANY / 2 * one);
	/* Another size takes the place of what is kept. */
	for (size_t i = 0; i < MANY / 2; i++) {
		new (SIZE - 1, &all[i]);
		assert_true(locked_now() - before <= MANY / 2 * one);
	}
	for (size_t i = 0; i < MANY / 2; i++)
		mm_flash_secret_clear(&all[i]);
	mm_flash_secrets_keep(0);
	assert_int_equal(locked_now(), before);
}

static void
test_another_owner(void **state)
{
	struct mm_flash_secret one, taken;

	(void)state;
	new (SIZE, &one);
	taken = mm_flash_secret_take(&one, 3);
	assert_null(one.data);
	assert_int_equal(taken.size, 3);
	assert_int_equal(taken.room, SIZE);
	mm_flash_secret_clear(&one);
	mm_flash_secret_clear(&taken);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_is_kept_unasked),
	    cmocka_unit_test(test_what_is_given_out_again_is_wiped),
	    cmocka_unit_test(test_no_more_is_locked_than_was_said),
	    cmocka_unit_test(test_another_owner),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
