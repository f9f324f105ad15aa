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
#include <sys/mman.h>

#include "factory/secret.h"

enum { SIZE = 5000, MANY = 16, KEPT = 512 /* KEPT_MAX, of secret.c */ };

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

/* Not so under AddressSanitizer, which lets mlock() do nothing, nor where
 * `ulimit -l` allows less than a test wants. */
static bool
can_be_counted(void)
{
	size_t before = locked_now(),
	       size = (MANY + 1) * mm_flash_secret_locked(SIZE);
	void *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool counted;

	assert_ptr_not_equal(room, MAP_FAILED);
	counted = mlock(room, size) == 0 && locked_now() - before == size;
	munmap(room, size);
	if (!counted)
		print_message("mlock() of %zu bytes does not show in VmLck: a "
			      "sanitizer, or ulimit -l\n",
		    size);
	return counted;
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
	if (!can_be_counted())
		skip();
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
	if (!can_be_counted())
		skip();
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

/* What was kept is zeros; what is new, libsodium fills with another byte. */
static void
test_there_is_room_for_so_many(void **state)
{
	static const uint8_t zeros[SIZE];
	static struct mm_flash_secret all[KEPT + 2];
	size_t count = sizeof(all) / sizeof(all[0]);

	(void)state;
	mm_flash_secrets_keep(2 * count * mm_flash_secret_locked(SIZE));
	for (size_t round = 0; round < 2; round++) {
		size_t again = 0;

		for (size_t i = 0; i < count; i++) {
			new (SIZE, &all[i]);
			again += memcmp(all[i].data, zeros, SIZE) == 0;
			memset(all[i].data, 0xa5, SIZE);
		}
		assert_int_equal(again, round == 0 ? 0 : KEPT);
		for (size_t i = 0; i < count; i++)
			mm_flash_secret_clear(&all[i]);
	}
	mm_flash_secrets_keep(0);
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
	    cmocka_unit_test(test_there_is_room_for_so_many),
	    cmocka_unit_test(test_another_owner),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
