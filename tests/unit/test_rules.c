/* The rules of a product: each passes, fails, and says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "policy/rules.h"
#include "signer/scheme.h"

static const char *const names[] = {"format", "chip", "project", "whole",
    "size", "slot", "version", "version-order", "clean", "secure-version",
    "schemes", "unsigned", "carries", "certificate"};

enum { NOW = 1000000, DAY = 86400 };

/* A good image of a product that says all it can, made anew for each test. */
static struct fixture {
	struct mm_text_item schemes[4], carries[2], faults[4], versions[4];
	struct mm_signature_block blocks[4];
	struct mm_signing_key keys[4];
	struct mm_product product;
	struct mm_image_facts image;
	struct mm_release_history history;
	struct mm_rules_facts facts;
	struct mm_arena arena;
	struct mm_list rows;
	size_t failed;
} f;

static const uint8_t key_a[32] = {1}, key_b[32] = {2}, key_c[32] = {3};

static void
make_key(size_t i, const char *signing, const uint8_t digest[32])
{
	f.keys[i] = (struct mm_signing_key){.signing = mm_span_text(signing),
	    .known = true,
	    .certified = true,
	    .not_after = NOW + 30 * DAY};
	memcpy(f.keys[i].digest, digest, 32);
}

static void
make_block(size_t i, const char *algorithm, const uint8_t digest[32])
{
	f.blocks[i] = (struct mm_signature_block){
	    .family = mm_span_text("secure-boot-v2"),
	    .algorithm = mm_span_text(algorithm),
	    .key = mm_span(digest, 32),
	    .sound = true};
	f.image.signatures = (struct mm_list){f.blocks, i + 1};
}

static int
setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	mm_arena_init(&f.arena, 1 << 20);
	f.schemes[0].value = mm_span_text("sha256-ecdsa");
	f.schemes[1].value = mm_span_text("secure-boot-v2-rsa3072:a");
	f.faults[0].value = f.faults[1].value = mm_span_text("-");
	f.product = (struct mm_product){.name = mm_span_text("lamp"),
	    .schemes = {f.schemes, 2},
	    .size = 1000,
	    .format = mm_span_text("esp-app"),
	    .chip = mm_span_text("esp32c3"),
	    .project = mm_span_text("lamp-fw"),
	    .versions = MM_VERSIONS_SEMVER,
	    .slot = 5000,
	    .secure_version = 2,
	    .certificate = 30 * DAY};
	f.image = (struct mm_image_facts){.size = 900,
	    .format = mm_span_text("esp-app"),
	    .blank = true,
	    .chip = mm_span_text("esp32c3"),
	    .project = mm_span_text("lamp-fw"),
	    .version = mm_span_text("v1.10.0"),
	    .secure_version = 3};
	f.versions[0].value = mm_span_text("1.9.0");
	f.versions[1].value = mm_span_text("1.2.0");
	f.history =
	    (struct mm_release_history){{f.versions, 2}, .secure_version = 3};
	make_key(0, "sha256-ecdsa", key_c);
	make_key(1, "secure-boot-v2-rsa3072:a", key_a);
	f.facts = (struct mm_rules_facts){.product = &f.product,
	    .version = mm_span_text("1.10.0"),
	    .now = NOW,
	    .size_max = 16 << 20,
	    .image = &f.image,
	    .size = 900,
	    .faults = {f.faults, 2},
	    .keys = {f.keys, 2},
	    .history = &f.history,
	    .added = 4096};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mm_arena_clear(&f.arena);
	return 0;
}

static const struct mm_rule_row *
row(const char *name)
{
	for (mm_list_each(const struct mm_rule_row, one, f.rows))
		if (mm_span_is(one->name, name))
			return one;
	fail_msg("there is no rule %s", name);
	return NULL;
}

static void
judge(void)
{
	assert_int_equal(
	    mm_rules_judge(&f.facts, &f.arena, &f.rows, &f.failed), MM_OK);
	assert_int_equal(f.rows.count, MM_COUNT(names));
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		const struct mm_rule_row *one =
		    mm_list_at(f.rows, struct mm_rule_row, i);
		mm_auto(buffer) bytes = {0};

		assert_true(mm_span_is(one->name, names[i]));
		mm_buffer_init(&bytes, 1024);
		assert_int_equal(
		    mm_shape_encode(&mm_rule_row_shape, one, &bytes), MM_OK);
		assert_true(one->why.size > 0);
	}
}

static void
expect(const char *name, uint64_t verdict, const char *why)
{
	const struct mm_rule_row *one;
	char text[256];

	judge();
	one = row(name);
	mm_span_string(one->why, text, sizeof(text));
	if (one->verdict != verdict || strstr(text, why) == NULL)
		fail_msg("%s: %u, \"%s\" is not \"%s\"", name,
		    (unsigned)one->verdict, text, why);
}

/* This one and no other. */
static void
expect_failed(const char *name, const char *why)
{
	expect(name, MM_RULE_FAILED, why);
	assert_int_equal(f.failed, 1);
}

static void
expect_passed(const char *name, const char *why)
{
	expect(name, MM_RULE_PASSED, why);
	assert_int_equal(f.failed, 0);
}

static void
expect_silent(const char *name, const char *why)
{
	expect(name, MM_RULE_SILENT, why);
	assert_int_equal(f.failed, 0);
}

static void
a_good_image_passes(void **state)
{
	(void)state;
	judge();
	assert_int_equal(f.failed, 0);
	for (size_t i = 0; i < MM_COUNT(names); i++)
		assert_int_equal(row(names[i])->verdict,
		    strcmp(names[i], "carries") == 0 ? MM_RULE_SILENT
						     : MM_RULE_PASSED);
}

static void
all_that_is_wrong_is_told_at_once(void **state)
{
	(void)state;
	f.image.chip = mm_span_text("esp32");
	f.image.project = mm_span_text("other");
	f.image.secure_version = 0;
	f.facts.size = 100000;
	judge();
	assert_int_equal(f.failed, 5);
	assert_int_equal(row("chip")->verdict, MM_RULE_FAILED);
	assert_int_equal(row("project")->verdict, MM_RULE_FAILED);
	assert_int_equal(row("size")->verdict, MM_RULE_FAILED);
	assert_int_equal(row("slot")->verdict, MM_RULE_FAILED);
	assert_int_equal(row("secure-version")->verdict, MM_RULE_FAILED);
}

static void
a_product_that_says_nothing_is_silent(void **state)
{
	static const char *const silent[] = {"format", "chip", "project",
	    "slot", "version-order", "unsigned", "carries", "certificate"};

	(void)state;
	f.product = (struct mm_product){
	    .name = mm_span_text("lamp"), .schemes = {f.schemes, 1}};
	f.facts.version = f.image.version;
	f.history = (struct mm_release_history){{NULL, 0}, 0};
	f.facts.faults.count = 1;
	judge();
	assert_int_equal(f.failed, 0);
	for (size_t i = 0; i < MM_COUNT(silent); i++)
		expect_silent(silent[i], "");
	expect_silent("secure-version", "it is 3");
	expect_passed("size", "900 bytes of 16777216");
	f.facts.size_max = 0;
	expect_silent("size", "900 bytes");
}

static void
format_chip_and_project_are_the_products(void **state)
{
	(void)state;
	f.image.format = mm_span_text("esp-bootloader");
	expect_failed(
	    "format", "it is esp-bootloader; the product is for esp-app");
	f.image.format = f.product.format;
	f.image.chip = mm_span_text("esp32s3");
	expect_failed("chip", "it is esp32s3; the product is for esp32c3");
	f.image.chip = mm_span("", 0);
	expect_failed("chip", "it says no chip");
	f.image.chip = f.product.chip;
	f.image.project = mm_span_text("lamp-fw2");
	expect_failed("project", "it is lamp-fw2; the product is for lamp-fw");
}

static void
nothing_stands_behind_the_image(void **state)
{
	(void)state;
	f.image.trailing = 16;
	expect_passed("whole", "16 bytes 0xFF");
	f.image.blank = false;
	expect_failed("whole", "16 bytes stand behind the image");
	f.image.trailing = 0;
	expect_passed("whole", "nothing");
}

static void
sizes_have_bounds(void **state)
{
	(void)state;
	f.facts.added = 0;
	f.facts.size = 1000;
	expect_passed("size", "1000 bytes of 1000");
	f.facts.size = 1001;
	expect_failed("size", "it has 1001 bytes; the product allows 1000");
	f.facts.size_max = 999;
	expect_failed("size", "the appliance allows 999");
}

static void
the_signed_image_fits_the_slot(void **state)
{
	(void)state;
	f.facts.size = 904;
	expect_passed("slot", "904 bytes and up to 4096");
	f.facts.size = 905;
	expect_failed("slot", "905 bytes and up to 4096 more");
	f.facts.size = 900;
	f.facts.added = UINT64_MAX;
	expect_failed("slot", "the smallest OTA slot has 5000");
	f.facts.added = 0;
	f.product.slot = 900;
	expect_passed("slot", "900");
	f.product.slot = 899;
	expect_failed("slot", "899");
}

static void
the_version_is_what_the_image_says(void **state)
{
	(void)state;
	f.facts.version = mm_span_text("1.10.1");
	expect_failed("version",
	    "calls itself \"v1.10.0\"; it is submitted as \"1.10.1\"");
	f.facts.version = mm_span_text("1.10.0+1");
	expect_failed("version", "1.10.0+1");
	f.product.versions = MM_VERSIONS_DOTTED;
	f.image.version = mm_span_text("2.0");
	f.facts.version = mm_span_text("v2.0");
	expect_passed("version", "2.0");
	f.facts.version = mm_span_text("v2.0.0");
	expect_failed("version", "v2.0.0");
	f.product.versions = MM_VERSIONS_ANY;
	f.facts.version = mm_span_text("v2.0");
	expect_failed("version", "v2.0");
	f.facts.version = mm_span_text("2.0");
	expect_passed("version", "2.0");
	f.product.versions = MM_VERSIONS_NUMBER;
	f.history.versions.count = 0;
	f.image.version = f.facts.version = mm_span_text("17");
	expect_passed("version", "17");
	f.image.version = mm_span_text("");
	expect_failed("version", "calls itself \"\"");
}

static void
mcuboot_versions_are_four_numbers(void **state)
{
	(void)state;
	f.schemes[1].value = f.schemes[0].value;
	f.product.format = f.image.format = mm_span_text("mcuboot");
	f.image.version = mm_span_text("1.10.0");
	f.facts.version = mm_span_text("v1.10.0+0");
	expect_passed("version", "1.10.0");
	f.facts.version = mm_span_text("1.10.0+1");
	expect_failed("version", "1.10.0+1");
	f.facts.version = mm_span_text("1.10.0-rc.1");
	expect_failed("version", "1.10.0-rc.1");
	f.image.format = mm_span_text("plain");
	f.product.format = f.image.format;
	expect_silent("version", "plain does not say its version");
}

static void
versions_increase(void **state)
{
	(void)state;
	expect_passed("version-order", "above 1.9.0, the highest of 2");
	assert_true(mm_span_is(
	    row("version-order")->why, "it is above 1.9.0, the highest of 2"));
	f.facts.version = f.image.version = mm_span_text("1.9.0");
	expect_failed("version-order", "1.9.0 is not above 1.9.0");
	f.facts.version = f.image.version = mm_span_text("1.3.0");
	expect_failed("version-order", "1.3.0 is not above 1.9.0");
	f.facts.version = f.image.version = mm_span_text("1.9.0+again");
	expect_failed("version-order", "1.9.0+again is not above 1.9.0");
	f.facts.version = f.image.version = mm_span_text("1.9.1-rc.1");
	expect_passed("version-order", "above 1.9.0");
	f.facts.version = f.image.version = mm_span_text("spring");
	expect_failed("version-order", "is not written like 1.2.3");
	f.history.versions.count = 0;
	expect_failed("version-order", "is not written like 1.2.3");
	f.facts.version = f.image.version = mm_span_text("0.0.1");
	expect_passed("version-order", "the first one");
}

static void
versions_of_another_way_are_passed_over(void **state)
{
	(void)state;
	f.versions[2].value = mm_span_text("2024.12");
	f.versions[3].value = mm_span_text("1.9.5");
	f.history.versions.count = 4;
	expect_passed("version-order",
	    "above 1.9.5, the highest of 3; 1 former ones are not written as "
	    "semver and were passed over");
	f.history.versions = (struct mm_list){f.versions + 2, 1};
	expect_passed("version-order", "the first one; 1 former ones");
	f.history.versions = (struct mm_list){f.versions + 2, 2};
	f.facts.version = f.image.version = mm_span_text("1.9.5");
	expect_failed(
	    "version-order", "not above 1.9.5, which was released; 1");
}

static void
dirty_versions_are_refused(void **state)
{
	static const char *const dirty[] = {
	    "1.10.0-dirty", "1.10.0-3-gabcdef0-dirty", "1.10.0-dirty+4"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(dirty); i++) {
		f.product.dirty = false;
		f.facts.version = f.image.version = mm_span_text(dirty[i]);
		expect_failed("clean", "was built from what is in no commit");
		f.product.dirty = true;
		expect_passed("clean", "the product allows it");
	}
	f.product.dirty = false;
	f.facts.version = f.image.version = mm_span_text("1.10.0-dirty.2");
	expect_passed("clean", "does not end");
	f.image.version = mm_span_text("x-dirty");
	expect("clean", MM_RULE_FAILED, "x-dirty");
}

static void
secure_versions_never_fall(void **state)
{
	(void)state;
	f.image.secure_version = 2;
	expect_failed("secure-version", "it is 2; 3 was released before");
	f.history.secure_version = 0;
	expect_passed("secure-version", "at least 2 was wanted");
	f.image.secure_version = 1;
	expect_failed("secure-version", "it is 1; the product asks for 2");
	f.image.secure_version = 16;
	expect_passed("secure-version", "it is 16");
	f.image.secure_version = 17;
	expect_failed("secure-version", "the eFuse of esp32c3 counts to 16");
	f.product.secure_version = 0;
	expect_failed("secure-version", "the eFuse of esp32c3 counts to 16");
	f.image.secure_version = 0;
	expect_silent("secure-version", "it is 0");
	f.history.secure_version = 1;
	expect_failed("secure-version", "1 was released before");
}

static void
every_signing_can_be_made(void **state)
{
	(void)state;
	f.faults[1].value = mm_span_text("no room");
	expect_failed("schemes", "secure-boot-v2-rsa3072:a: no room");
	f.faults[0].value = mm_span_text("no luck");
	expect_failed("schemes",
	    "sha256-ecdsa: no luck; secure-boot-v2-rsa3072:a: no room");
	f.faults[0].value = f.faults[1].value = mm_span_text("-");
	f.facts.faults.count = 1;
	expect_failed("schemes", "looked at for 1 of 2");
	f.facts.faults.count = 2;
	f.schemes[1].value = mm_span_text("secure-boot-v2-ecdsa256:a");
	f.keys[1].signing = f.schemes[1].value;
	expect_failed("schemes", "esp32c3 does not verify it");
}

/* The policy's own check knows no chip where the product names none. */
static void
the_chip_has_room_for_every_signing(void **state)
{
	(void)state;
	f.schemes[0].value = mm_span_text("secure-boot-v2-rsa3072:b");
	f.keys[0].signing = f.schemes[0].value;
	f.product.chip = mm_span("", 0);
	expect_passed("schemes", "all 2 can be made");
	f.image.chip = mm_span_text("esp32");
	expect_failed("schemes",
	    "2 signatures of secure-boot-v2: esp32 takes 1 in an image");
	f.product.schemes.count = f.facts.faults.count = 1;
	expect_passed("schemes", "all 1 can be made");
}

static void
every_signing_has_its_key(void **state)
{
	(void)state;
	f.keys[1].known = false;
	expect("schemes", MM_RULE_FAILED, ":a: the token has no such key");
	assert_int_equal(row("certificate")->verdict, MM_RULE_FAILED);
	f.keys[1].known = true;
	f.facts.keys.count = 1;
	expect("schemes", MM_RULE_FAILED, ":a: the token has no such key");
}

static void
a_signed_image_is_refused(void **state)
{
	(void)state;
	expect_passed("unsigned", "brings no signature of secure-boot-v2");
	make_block(0, "RSA-3072", key_b);
	expect_failed("unsigned", "it brings 1 signatures of secure-boot-v2");
	f.blocks[0].family = mm_span_text("mcuboot");
	expect_passed("unsigned", "brings no signature of secure-boot-v2");
	f.blocks[0].family = mm_span_text("secure-boot-v2");
	f.product.resign = MM_RESIGN_REPLACE;
	expect_passed("unsigned", "are replaced");
	f.product.resign = MM_RESIGN_WAYS;
	expect_failed("unsigned", "does not say resign");
	f.product.schemes.count = 1;
	f.facts.faults.count = 1;
	expect_silent("unsigned", "files of their own");
}

static void
signatures_go_behind_sound_ones(void **state)
{
	(void)state;
	f.product.resign = MM_RESIGN_APPEND;
	expect_passed("unsigned", "brings no signature");
	make_block(0, "RSA-3072", key_b);
	make_block(1, "RSA-3072", key_c);
	expect_passed("unsigned", "its 2 signatures stay, 1 go behind");
	make_block(2, "RSA-3072", key_b);
	expect_failed("unsigned", "3 signatures of secure-boot-v2, and 1 more");
	make_block(1, "RSA-3072", key_a);
	expect_failed("unsigned", "signed by a key of the product already");
	make_block(1, "P-256", key_c);
	expect_failed("unsigned", "another algorithm");
	make_block(1, "RSA-3072", key_c);
	f.blocks[1].sound = false;
	expect_failed("unsigned", "broken");
	make_block(0, "RSA-3072", key_b);
	f.product.chip = f.image.chip = mm_span_text("esp32");
	expect_failed("unsigned", "1 more do not fit: 1 are the most");
}

static void
an_image_carries_what_it_must(void **state)
{
	(void)state;
	f.carries[0].value = mm_span_text("secure-boot-v2-rsa3072:b");
	f.product.carries = (struct mm_list){f.carries, 1};
	f.product.schemes.count = 1;
	f.facts.faults.count = 1;
	make_key(1, "secure-boot-v2-rsa3072:b", key_b);
	expect_failed("carries", "it carries no sound signature of it");
	make_block(0, "RSA-3072", key_a);
	expect_failed("carries", "it carries no sound signature of it");
	make_block(1, "RSA-3072", key_b);
	expect_passed("carries", "all 1 are there");
	f.blocks[1].sound = false;
	expect_failed("carries", "no sound signature");
	make_block(1, "P-256", key_b);
	expect_failed("carries", "no sound signature");
	make_block(1, "RSA-3072", key_b);
	f.blocks[1].key.size = 31;
	expect_failed("carries", "no sound signature");
	make_block(1, "RSA-3072", key_b);
	f.keys[1].known = false;
	expect_failed("carries", "the token has no such key");
	f.facts.keys.count = 1;
	expect_failed("carries", "the token has no such key");
}

/* Its block names a key and does not show it: nothing is proven by it. */
static void
only_v2_blocks_prove_whose_they_are(void **state)
{
	(void)state;
	f.carries[0].value = mm_span_text("mcuboot");
	f.product.carries = (struct mm_list){f.carries, 1};
	f.product.schemes.count = 1;
	f.facts.faults.count = 1;
	make_key(1, "mcuboot", key_b);
	make_block(0, "P-256", key_b);
	f.blocks[0].family = mm_span_text("mcuboot");
	expect_failed("carries", "no sound signature");
}

static void
the_certificate_lasts(void **state)
{
	(void)state;
	expect_passed("certificate", "long enough");
	f.keys[0].not_after--;
	expect_failed("certificate", "sha256-ecdsa: the key's certificate "
				     "lasts for 2591999 seconds more");
	f.keys[0].not_after = UINT64_MAX;
	expect_passed("certificate", "long enough");
	f.keys[1].certified = false;
	expect_failed("certificate", ":a: the key has no certificate");
	f.product.certificate = 0;
	expect_silent("certificate", "does not say");
	f.keys[0].not_after = NOW;
	expect_silent("certificate", "does not say");
	f.keys[0].not_after = NOW - 1;
	expect_failed("certificate", "has expired");
}

static void
an_unread_image_is_the_products_to_allow(void **state)
{
	static const char *const unread[] = {"format", "chip", "project",
	    "whole", "version", "secure-version", "unsigned", "carries"};

	(void)state;
	f.facts.image = NULL;
	f.facts.faults.count = 0;
	judge();
	assert_int_equal(f.failed, MM_COUNT(unread));
	for (size_t i = 0; i < MM_COUNT(unread); i++)
		expect(unread[i], MM_RULE_FAILED, "nobody has read the image");
	f.product.unread = true;
	for (size_t i = 0; i < MM_COUNT(unread); i++)
		expect_silent(unread[i], "nobody reads the image here");
	expect_passed("version-order", "above");
	f.facts.version = mm_span_text("1.0.0-dirty");
	expect("clean", MM_RULE_FAILED, "1.0.0-dirty");
	expect("version-order", MM_RULE_FAILED, "not above");
}

/* A row of the answer has 255 bytes. */
static void
reasons_are_cut_to_a_row(void **state)
{
	static char fault[300];

	(void)state;
	memset(fault, 'x', sizeof(fault) - 1);
	memcpy(fault + 200, "\xc3\xa4\xc3\xa4", 4);
	f.faults[0].value = f.faults[1].value = mm_span_text(fault);
	expect_failed("schemes", "sha256-ecdsa: xxxx");
	assert_true(row("schemes")->why.size >= 254);
	assert_true(row("schemes")->why.size <= 255);
	assert_true(mm_text_ok(row("schemes")->why));
}

static void
memory_that_is_short_is_told(void **state)
{
	enum mm_error error = MM_E_MEMORY;
	size_t max = 0;

	(void)state;
	for (; max < 10000 && error == MM_E_MEMORY; max += 100) {
		mm_auto(arena) arena = {0};
		struct mm_list rows = {NULL, 77};
		size_t failed = 77;

		mm_arena_init(&arena, max);
		error = mm_rules_judge(&f.facts, &arena, &rows, &failed);
		assert_int_equal(failed == 77, error == MM_E_MEMORY);
		assert_int_equal(rows.count == 77, error == MM_E_MEMORY);
	}
	assert_int_equal(error, MM_OK);
	assert_true(max > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(a_good_image_passes),
	    TEST(all_that_is_wrong_is_told_at_once),
	    TEST(a_product_that_says_nothing_is_silent),
	    TEST(format_chip_and_project_are_the_products),
	    TEST(nothing_stands_behind_the_image), TEST(sizes_have_bounds),
	    TEST(the_signed_image_fits_the_slot),
	    TEST(the_version_is_what_the_image_says),
	    TEST(mcuboot_versions_are_four_numbers), TEST(versions_increase),
	    TEST(versions_of_another_way_are_passed_over),
	    TEST(dirty_versions_are_refused), TEST(secure_versions_never_fall),
	    TEST(every_signing_can_be_made),
	    TEST(the_chip_has_room_for_every_signing),
	    TEST(every_signing_has_its_key), TEST(a_signed_image_is_refused),
	    TEST(signatures_go_behind_sound_ones),
	    TEST(an_image_carries_what_it_must),
	    TEST(only_v2_blocks_prove_whose_they_are),
	    TEST(the_certificate_lasts),
	    TEST(an_unread_image_is_the_products_to_allow),
	    TEST(reasons_are_cut_to_a_row), TEST(memory_that_is_short_is_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
