/* The plan: the vendor's own commands in the vendor's order, and every order
 * that would end a chip refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "tests/unit/plan_room.h"

/* Whether this is the next of the further lines, which end with NULL. */
static bool
is_more(const char *const **more, const char *line)
{
	if (**more == NULL || strcmp(line, **more) != 0)
		return false;
	(*more)++;
	return true;
}

/* The vector's commands, and `more` in their order among and behind them. */
static void
assert_vector(struct room *room, const char *name, const char *const *more)
{
	struct vector_index index;
	struct vector_row row;
	struct lines got;
	size_t at = 0;

	assert_int_equal(plan(room), MM_OK);
	lines_of(room, "espefuse", &got);
	vector_open(&index, "efuse", name);
	while (vector_next(&index, &row)) {
		while (at < got.count && is_more(&more, got.line[at]))
			at++;
		assert_true(at < got.count);
		assert_string_equal(got.line[at], row.column[0]);
		at++;
	}
	while (at < got.count && is_more(&more, got.line[at]))
		at++;
	assert_true(index.rows > 5);
	assert_int_equal(at, got.count);
	assert_null(*more);
}

/* The last words of the step with this id, which is there once; NULL: there is
 * none. */
static void
assert_step(struct room *room, const char *id, const char *expected)
{
	const struct mm_plan_step *steps;
	struct lines got;
	size_t seen = 0;

	assert_int_equal(plan(room), MM_OK);
	lines_of(room, "", &got);
	assert_int_equal(got.count, room->plan.steps.count);
	steps = room->plan.steps.items;
	for (size_t i = 0; i < got.count; i++) {
		size_t size = expected != NULL ? strlen(expected) : 0;

		if (strcmp(steps[i].id, id) != 0)
			continue;
		seen++;
		assert_true(strlen(got.line[i]) > size);
		assert_string_equal(
		    got.line[i] + strlen(got.line[i]) - size, expected);
	}
	assert_int_equal(seen, expected != NULL ? 1 : 0);
}

/* --- the vendor's lists --- */

#define XTS128 "../flash_encryption/TEST-ONLY-xts128.bin"
#define FIRST256 "../flash_encryption/TEST-ONLY-esp32_256.bin"
#define RSA1 "../secure_boot_v2/digest_sbv2-rsa1.bin"
#define LOADER_KEY "../secure_boot_v1/TEST-ONLY-sbl_key_256.bin"

static void
order_s3(struct room *room)
{
	begin(room, "esp32s3");
	room->order.flash_key = key_of(XTS128, 32);
	room->order.digests[0] = rsa_digest(room, RSA1, 1);
	room->order.digest_count = 1;
}

static void
an_s3_is_locked_as_the_vendor_does(void **state)
{
	static const char *const open[] = {
	    "espefuse --chip esp32s3 burn-efuse SOFT_DIS_JTAG 7",
	    "espefuse --chip esp32s3 write-protect-efuse DIS_ICACHE", NULL};
	static const char *const closed[] = {
	    "espefuse --chip esp32s3 burn-efuse SOFT_DIS_JTAG 7",
	    "espefuse --chip esp32s3 write-protect-efuse DIS_ICACHE",
	    "espefuse --chip esp32s3 burn-efuse ENABLE_SECURITY_DOWNLOAD 1",
	    NULL};
	struct room room;

	(void)state;
	order_s3(&room);
	room.order.keep_download = true;
	assert_vector(&room, "s3_fe_then_sb.cmds.txt", open);
	room.order.keep_download = false;
	assert_vector(&room, "s3_fe_then_sb.cmds.txt", closed);
	end(&room);
}

static void
a_first_esp32_is_locked_as_the_vendor_does(void **state)
{
	static const char *const more[] = {
	    "espefuse --chip esp32 burn-efuse CONSOLE_DEBUG_DISABLE 1",
	    "espefuse --chip esp32 write-protect-efuse DIS_CACHE", NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32");
	room.order.flash_key = key_of(FIRST256, 32);
	room.order.v1_key = key_of(LOADER_KEY, 32);
	assert_vector(&room, "esp32_v1.cmds.txt", more);
	end(&room);
}

static void
a_first_esp32_of_revision_3(void **state)
{
	static const char *const expected[] = {
	    "espefuse --chip esp32 burn-key flash_encryption f.key",
	    "espefuse --chip esp32 burn-efuse FLASH_CRYPT_CNT 127",
	    "espefuse --chip esp32 burn-efuse FLASH_CRYPT_CONFIG 0xF",
	    "espefuse --chip esp32 burn-efuse JTAG_DISABLE 1 "
	    "DISABLE_DL_ENCRYPT 1 DISABLE_DL_DECRYPT 1 DISABLE_DL_CACHE 1",
	    "espefuse --chip esp32 burn-efuse CONSOLE_DEBUG_DISABLE 1",
	    "espefuse --chip esp32 write-protect-efuse DIS_CACHE",
	    "espefuse --chip esp32 burn-key secure_boot_v2 d",
	    "espefuse --chip esp32 burn-efuse ABS_DONE_1 1",
	    "espefuse --chip esp32 write-protect-efuse RD_DIS",
	    "espefuse --chip esp32 burn-efuse UART_DOWNLOAD_DIS 1", NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32");
	room.order.flash_key = key_of("f.key", 32);
	room.order.digests[0] = rsa_digest(&room, "d", 1);
	room.order.digest_count = 1;
	assert_lines(&room, "espefuse", expected);
	end(&room);
}

static void
a_c2_burns_both_halves_of_its_block_at_once(void **state)
{
	static const char *const expected[] = {
	    "espefuse --chip esp32c2 burn-key BLOCK_KEY0 f.key "
	    "XTS_AES_128_KEY_DERIVED_FROM_128_EFUSE_BITS BLOCK_KEY0 d "
	    "SECURE_BOOT_DIGEST",
	    "espefuse --chip esp32c2 burn-efuse SPI_BOOT_CRYPT_CNT 7",
	    "espefuse --chip esp32c2 burn-efuse DIS_DOWNLOAD_ICACHE 1 "
	    "DIS_PAD_JTAG 1 DIS_DIRECT_BOOT 1 DIS_DOWNLOAD_MANUAL_ENCRYPT 1",
	    "espefuse --chip esp32c2 burn-efuse SECURE_BOOT_EN 1",
	    "espefuse --chip esp32c2 write-protect-efuse RD_DIS",
	    "espefuse --chip esp32c2 write-protect-efuse XTS_KEY_LENGTH_256",
	    "espefuse --chip esp32c2 burn-efuse ENABLE_SECURITY_DOWNLOAD 1",
	    NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32c2");
	room.order.flash_key = key_of("f.key", 16);
	room.order.digests[0] =
	    vector_as(&room, "d", "secure_boot_v2", "digest_sbv2-p256-1.bin");
	room.order.digest_count = 1;
	assert_lines(&room, "espefuse", expected);
	/* What the chip keeps of the digest will do, too. */
	room.order.digests[0].bytes.size = 16;
	assert_lines(&room, "espefuse", expected);
	room.order.digests[0].bytes.size = 17;
	refused(&room, MM_E_RANGE, "17 bytes");
	room.order.digests[0].bytes.size = 32;
	room.order.flash_key.size = 32;
	refused(&room, MM_E_FORMAT, "take a key of 16 bytes");
	/* Alone it may fill the block. */
	room.order.digest_count = 0;
	assert_int_equal(plan(&room), MM_OK);
	end(&room);
}

static void
all_keys_find_their_blocks(void **state)
{
	static const char *const expected[] = {
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-key BLOCK_KEY1 "
	    "h HMAC_UP",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-key BLOCK_KEY5 "
	    "ds HMAC_DOWN_DIGITAL_SIGNATURE",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-key BLOCK_KEY2 "
	    "f XTS_AES_256_KEY",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-efuse "
	    "SPI_BOOT_CRYPT_CNT 7",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-efuse "
	    "DIS_DOWNLOAD_ICACHE 1 DIS_DOWNLOAD_DCACHE 1 DIS_PAD_JTAG 1 "
	    "DIS_USB_JTAG 1 DIS_DIRECT_BOOT 1 DIS_DOWNLOAD_MANUAL_ENCRYPT 1",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-efuse "
	    "SOFT_DIS_JTAG 7",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 write-protect-efuse "
	    "DIS_ICACHE",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-key BLOCK_KEY0 "
	    "d1 SECURE_BOOT_DIGEST0",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-key BLOCK_KEY4 "
	    "d2 SECURE_BOOT_DIGEST1",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-efuse "
	    "SECURE_BOOT_EN 1",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-efuse "
	    "SECURE_BOOT_KEY_REVOKE2 1",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 write-protect-efuse "
	    "RD_DIS",
	    "espefuse --chip esp32s3 --port /dev/ttyUSB0 burn-efuse "
	    "ENABLE_SECURITY_DOWNLOAD 1",
	    NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32s3");
	room.order.port = "/dev/ttyUSB0";
	room.order.hmac_key = (struct mm_plan_key){"h", 32, 1};
	room.order.ds_key = (struct mm_plan_key){"ds", 32, 5};
	room.order.flash_key = key_of("f", 64);
	room.order.digests[0] = rsa_digest(&room, "d1", 1);
	room.order.digests[1] = rsa_digest(&room, "d2", 2);
	room.order.digest_count = 2;
	assert_lines(&room, "espefuse", expected);
	/* Five blocks and a digest more do not go into six. */
	room.order.digests[2] = rsa_digest(&room, "d3", 3);
	room.order.digest_count = 3;
	refused(&room, MM_E_FORMAT, "no key block left");
	room.order.flash_key.size = 32;
	assert_int_equal(plan(&room), MM_OK);
	end(&room);
}

/* BLOCK_KEY5 of an S3 takes no XTS key; of an S2 it does. */
static void
an_encryption_key_keeps_out_of_a_faulty_block(void **state)
{
	static const char *const s2[] = {
	    "espefuse --chip esp32s2 burn-key BLOCK_KEY4 f XTS_AES_256_KEY",
	    NULL};
	struct room room;
	struct lines got;

	(void)state;
	begin(&room, "esp32s2");
	room.order.hmac_key = (struct mm_plan_key){"h", 32, 1};
	room.order.ds_key = (struct mm_plan_key){"ds", 32, 3};
	room.order.flash_key = key_of("f", 64);
	assert_int_equal(plan(&room), MM_OK);
	lines_of(&room, "espefuse", &got);
	assert_string_equal(got.line[2], s2[0]);
	room.order.chip = mm_chip_named(mm_span_text("esp32s3"));
	refused(&room, MM_E_FORMAT, "no key block left");
	room.order.flash_key.size = 32;
	assert_int_equal(plan(&room), MM_OK);
	end(&room);
}

/* What a chip has beside its bits, and nothing that it has not. */
static void
each_chip_is_hardened_as_its_bootloader_would(void **state)
{
	static const struct {
		const char *chip, *values, *doors, *sealed;
	} cases[] = {
	    {"esp32", "CONSOLE_DEBUG_DISABLE 1", "DIS_CACHE", NULL},
	    {"esp32s2", "SOFT_DIS_JTAG 1", "DIS_ICACHE", NULL},
	    {"esp32s3", "SOFT_DIS_JTAG 7", "DIS_ICACHE", NULL},
	    {"esp32c2", NULL, NULL, "XTS_KEY_LENGTH_256"},
	    {"esp32c3", "SOFT_DIS_JTAG 7", "DIS_ICACHE", NULL},
	    {"esp32c6", "SOFT_DIS_JTAG 7", "DIS_ICACHE", NULL},
	    {"esp32h2", "SOFT_DIS_JTAG 7", "DIS_ICACHE", NULL},
	    {"esp32h21", "SOFT_DIS_JTAG 7", "DIS_ICACHE", NULL},
	    {"esp32c5", "SOFT_DIS_JTAG 7 XTS_DPA_PSEUDO_LEVEL 1", "DIS_ICACHE",
		NULL},
	    {"esp32c61", "XTS_DPA_PSEUDO_LEVEL 1", "DIS_ICACHE", NULL},
	    {"esp32p4", "SOFT_DIS_JTAG 7", NULL, NULL},
	    {"esp32s31", "SOFT_DIS_JTAG 7", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct room room;

		begin(&room, cases[i].chip);
		room.order.flash_key = key_of(
		    "f", strcmp(cases[i].chip, "esp32c2") == 0 ? 16 : 32);
		room.order.digests[0] = vector_as(
		    &room, "d", "secure_boot_v2", "digest_sbv2-p256-1.bin");
		room.order.digest_count = 1;
		assert_step(&room, "harden", cases[i].values);
		assert_step(&room, "protect-doors", cases[i].doors);
		assert_step(&room, "seal-encryption", cases[i].sealed);
		/* Under development nothing is for good. */
		room.order.digest_count = 0;
		room.order.development = true;
		assert_step(&room, "harden", NULL);
		assert_step(&room, "protect-doors", NULL);
		assert_step(&room, "seal-encryption", NULL);
		end(&room);
	}
}

static void
development_leaves_a_way_back(void **state)
{
	static const char *const expected[] = {
	    "espefuse --chip esp32c3 burn-key BLOCK_KEY0 f XTS_AES_128_KEY",
	    "espefuse --chip esp32c3 burn-efuse SPI_BOOT_CRYPT_CNT 1",
	    "espefuse --chip esp32c3 burn-efuse DIS_DOWNLOAD_ICACHE 1 "
	    "DIS_DIRECT_BOOT 1",
	    NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	room.order.flash_key = key_of("f", 32);
	room.order.development = true;
	assert_lines(&room, "espefuse", expected);
	room.order.flash_key.path = NULL;
	refused(&room, MM_E_FORMAT, "nothing to lock");
	room.order.hmac_key = (struct mm_plan_key){"h", 32, 0};
	refused(&room, MM_E_FORMAT, "no key is given");
	end(&room);
}

/* --- keys that cannot be --- */

static void
keys_and_digests_have_their_sizes(void **state)
{
	struct room room;

	(void)state;
	order_s3(&room);
	room.order.flash_key.size = 31;
	refused(&room, MM_E_RANGE, "takes 32 or 64");
	room.order.flash_key.size = 64;
	assert_int_equal(plan(&room), MM_OK);
	room.order.digests[0].bytes.size = 31;
	refused(&room, MM_E_RANGE, "a key digest has 32");
	room.order.digests[0].bytes.size = 32;
	room.order.digests[1] = room.order.digests[0];
	room.order.digests[2] = rsa_digest(&room, "3", 3);
	room.order.digest_count = 2;
	refused(&room, MM_E_FORMAT, "the same digest");
	room.order.digests[1] = rsa_digest(&room, "2", 2);
	room.order.digest_count = 3;
	assert_int_equal(plan(&room), MM_OK);
	room.order.chip = mm_chip_named(mm_span_text("esp32"));
	room.order.flash_key.size = 32;
	refused(&room, MM_E_RANGE, "esp32 has room for 1");
	room.order.hmac_key = (struct mm_plan_key){"h", 32, 0};
	room.order.digest_count = 1;
	refused(&room, MM_E_FORMAT, "no HMAC peripheral");
	end(&room);
}

static void
an_hmac_key_has_a_block_of_its_own(void **state)
{
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	for (uint64_t block = 0; block <= 7; block++) {
		room.order.hmac_key = (struct mm_plan_key){"h", 32, block};
		if (block < 6)
			assert_int_equal(plan(&room), MM_OK);
		else
			refused(&room, MM_E_RANGE, "its blocks are 0 to 5");
	}
	room.order.hmac_key.block = UINT64_MAX;
	refused(&room, MM_E_RANGE, "its blocks are 0 to 5");
	room.order.hmac_key = (struct mm_plan_key){"h", 33, 0};
	refused(&room, MM_E_RANGE, "an HMAC key has 32");
	room.order.hmac_key.size = 32;
	room.order.ds_key = (struct mm_plan_key){"d", 32, 0};
	refused(&room, MM_E_FORMAT, "two keys are to go into BLOCK_KEY0");
	room.order.chip = mm_chip_named(mm_span_text("esp32s31"));
	room.order.ds_key.block = 5;
	refused(&room, MM_E_RANGE, "its blocks are 0 to 4");
	end(&room);
}

static void
a_chip_has_what_it_has(void **state)
{
	struct room room;

	(void)state;
	order_s3(&room);
	room.order.sha384 = true;
	refused(&room, MM_E_FORMAT, "cannot boot by keys of P-384");
	room.order.chip = mm_chip_named(mm_span_text("esp32c5"));
	assert_int_equal(plan(&room), MM_OK);
	room.order.digest_count = 0;
	refused(&room, MM_E_FORMAT, "no digest is given");
	room.order.sha384 = false;
	room.order.v1_key = key_of("k", 32);
	refused(&room, MM_E_FORMAT, "no Secure Boot V1");
	room.order.chip = mm_chip_named(mm_span_text("esp32h4"));
	refused(&room, MM_E_FORMAT, "not known here");
	room.order.chip = mm_chip_named(mm_span_text("esp32e22"));
	refused(&room, MM_E_FORMAT, "plan its files alone");
	room.order.chip = mm_chip_named(mm_span_text("esp32"));
	assert_int_equal(plan(&room), MM_OK);
	room.order.flash_key.size = 24;
	refused(&room, MM_E_FORMAT, "coding scheme is one for both");
	room.order.v1_key.size = 24;
	assert_int_equal(plan(&room), MM_OK);
	room.order.v1_key.size = 16;
	refused(&room, MM_E_RANGE, "a key of Secure Boot V1 has 32");
	room.order.v1_key.size = 32;
	room.order.digest_count = 1;
	refused(&room, MM_E_FORMAT, "V1 or V2, not both");
	room.order.v1_key.path = NULL;
	refused(&room, MM_E_FORMAT, "no room for a digest");
	end(&room);
}

static void
a_plan_does_something(void **state)
{
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	refused(&room, MM_E_FORMAT, "nothing to do");
	for (size_t i = 0; i <= MM_PLAN_DATA_MAX; i++)
		add_data(&room, "nvs", "n", 16);
	refused(&room, MM_E_RANGE, "more than 32");
	end(&room);
}

/* --- notes --- */

static bool
has_note(const struct room *room, const char *words)
{
	for (mm_list_each(const char *const, note, room->plan.notes))
		if (strstr(*note, words) != NULL)
			return true;
	return false;
}

static void
what_is_left_open_is_said(void **state)
{
	struct room room;

	(void)state;
	begin(&room, "esp32h4");
	add_data(&room, "nvs", "n", 16);
	assert_int_equal(plan(&room), MM_OK);
	assert_true(has_note(&room, "This plan locks nothing"));
	assert_true(has_note(&room, "customCodeSigning"));
	end(&room);
	order_s3(&room);
	assert_int_equal(plan(&room), MM_OK);
	assert_false(has_note(&room, "This plan locks nothing"));
	assert_true(has_note(&room, "SECURE_BOOT_AGGRESSIVE_REVOKE is left"));
	assert_false(has_note(&room, "chip revision 1.2"));
	room.order.chip = mm_chip_named(mm_span_text("esp32h2"));
	assert_int_equal(plan(&room), MM_OK);
	assert_true(has_note(&room, "chip revision 1.2"));
	end(&room);
}

/* --- shape --- */

static void
irreversible_steps_are_last_and_all_of_them_are_espefuse(void **state)
{
	const struct mm_plan_step *steps;
	struct room room;
	bool seen = false;

	(void)state;
	begin(&room, "esp32c3");
	room.order.flash_key = key_of("f", 32);
	room.order.digests[0] = rsa_digest(&room, "d", 1);
	room.order.digest_count = 1;
	room.order.app =
	    vector_as(&room, "app", "secure_boot_v2", "rsa_app.bin");
	assert_int_equal(plan(&room), MM_OK);
	steps = room.plan.steps.items;
	for (size_t i = 0; i < room.plan.steps.count; i++) {
		const char *tool = *(const char *const *)steps[i].words.items;

		assert_true(steps[i].irreversible || !seen);
		seen = steps[i].irreversible;
		assert_int_equal(seen, strcmp(tool, "espefuse") == 0);
		assert_true(strlen(steps[i].why) > 10);
	}
	assert_true(seen);
	end(&room);
}

/* Memory that ends anywhere ends the plan, and nothing else. */
static void
memory_may_be_short(void **state)
{
	struct room room;
	enum mm_error error = MM_E_MEMORY;

	(void)state;
	order_s3(&room);
	for (size_t max = 0; error != MM_OK; max += 64) {
		room.plan = (struct mm_plan){{NULL, 7}, {NULL, 7}};
		mm_arena_clear(&room.arena);
		mm_arena_init(&room.arena, max);
		error = mm_plan_make(&room.order, &room.arena, &room.plan);
		if (error == MM_OK)
			break;
		assert_int_equal(error, MM_E_MEMORY);
		assert_int_equal(room.plan.steps.count, 7);
		assert_true(max < MM_PLAN_ARENA);
	}
	end(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_s3_is_locked_as_the_vendor_does),
	    cmocka_unit_test(a_first_esp32_is_locked_as_the_vendor_does),
	    cmocka_unit_test(a_first_esp32_of_revision_3),
	    cmocka_unit_test(a_c2_burns_both_halves_of_its_block_at_once),
	    cmocka_unit_test(all_keys_find_their_blocks),
	    cmocka_unit_test(an_encryption_key_keeps_out_of_a_faulty_block),
	    cmocka_unit_test(each_chip_is_hardened_as_its_bootloader_would),
	    cmocka_unit_test(development_leaves_a_way_back),
	    cmocka_unit_test(keys_and_digests_have_their_sizes),
	    cmocka_unit_test(an_hmac_key_has_a_block_of_its_own),
	    cmocka_unit_test(a_chip_has_what_it_has),
	    cmocka_unit_test(a_plan_does_something),
	    cmocka_unit_test(what_is_left_open_is_said),
	    cmocka_unit_test(
		irreversible_steps_are_last_and_all_of_them_are_espefuse),
	    cmocka_unit_test(memory_may_be_short),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
