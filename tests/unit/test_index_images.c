/*
 * What the index knows of images and releases: the history of a product, and
 * which images anybody still wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/index_room.h"

static struct mm_list
release_of(const char *product, const char *version, uint8_t image)
{
	struct mm_scheme_digest scheme = {text("sha256-ecdsa"), {1}};
	struct mm_release_claim claim = {.product = text(product),
	    .version = text(version),
	    .size = 5,
	    .sha256 = {image},
	    .schemes = {&scheme, 1}};

	return say(MM_STATEMENT_RELEASE, &claim);
}

static enum mm_error
apply_image(const char *product, const char *version, const char *scheme,
    uint64_t secure_version)
{
	struct mm_image_entry body = {.product = text(product),
	    .version = text(version),
	    .size = 5,
	    .sha256 = {9},
	    .scheme = text(scheme),
	    .digest = {8},
	    .key = text("codesign"),
	    .format = text("plain"),
	    .statements = release_of(product, version, 9),
	    .secure_version = secure_version};

	return apply(MM_ENTRY_IMAGE, &body);
}

static struct mm_release_history
history_of(const char *product, const char *version)
{
	struct mm_release_history history;

	ok(mm_index_history(
	    room.index, text(product), text(version), &mint.arena, &history));
	return history;
}

static int
begin(void **unused)
{
	if (begin_room(unused) != 0)
		return -1;
	ok(mm_index_begin(room.index));
	add_genesis();
	return 0;
}

/* Void ones are none of it, and neither is the version itself. */
static void
what_was_released_before(void **unused)
{
	struct mm_release_history history;

	(void)unused;
	assert_int_equal(history_of("lamp", "1").versions.count, 0);
	assert_int_equal(history_of("lamp", "1").secure_version, 0);
	ok(apply_image("lamp", "1", "sha256-ecdsa", 2));
	ok(apply_image("lamp", "1", "cose-sign1", 2));
	ok(apply_image("lamp", "2", "sha256-ecdsa", 7));
	ok(apply_void(room.count - 1));
	ok(apply_image("lamp", "3", "sha256-ecdsa", 5));
	ok(apply_signature(room.count - 1, 1));
	ok(apply_image("fan", "4", "sha256-ecdsa", 9));
	history = history_of("lamp", "4");
	assert_int_equal(history.versions.count, 2);
	assert_true(mm_span_is(
	    mm_list_at(history.versions, struct mm_text_item, 0)->value, "1"));
	assert_true(mm_span_is(
	    mm_list_at(history.versions, struct mm_text_item, 1)->value, "3"));
	assert_int_equal(history.secure_version, 5);
	history = history_of("lamp", "3");
	assert_int_equal(history.versions.count, 1);
	assert_int_equal(history.secure_version, 2);
}

static void
a_version_has_one_image(void **unused)
{
	struct mm_issued got;

	(void)unused;
	assert_int_equal(mm_index_version(room.index, text("lamp"), text("1"),
			     &mint.arena, &got),
	    MM_E_NOT_FOUND);
	ok(apply_image("lamp", "1", "cose-sign1", 0));
	ok(mm_index_version(
	    room.index, text("lamp"), text("1"), &mint.arena, &got));
	assert_int_equal(got.idx, room.count - 1);
	assert_int_equal(got.key[0], 9);
	assert_int_equal(
	    apply_image("lamp", "1", "cose-sign1", 0), MM_E_LOG_WRONG);
}

static bool
is_wanted(uint8_t image, uint64_t now)
{
	uint8_t sha256[32] = {image};
	bool wanted;

	ok(mm_index_image_wanted(room.index, sha256, now, &wanted));
	return wanted;
}

static void
which_images_are_wanted(void **unused)
{
	struct mm_list first = release_of("lamp", "1", 1);
	struct mm_list second = release_of("lamp", "2", 2);

	(void)unused;
	assert_false(is_wanted(1, NOW));
	ok(apply_waiting(first));
	assert_true(is_wanted(1, NOW + DAY));
	assert_false(is_wanted(1, NOW + DAY + 1));
	assert_false(is_wanted(2, NOW));
	ok(apply_withdrawal(first));
	assert_false(is_wanted(1, NOW));
	ok(apply_waiting(second));
	ok(apply_stated(MM_ENTRY_RELEASE, second));
	assert_true(is_wanted(2, NOW + 100 * (uint64_t)DAY));
	/* Another image in its place. */
	ok(apply_stated(MM_ENTRY_RELEASE, release_of("lamp", "2", 3)));
	assert_false(is_wanted(2, NOW));
	assert_true(is_wanted(3, NOW));
}

static size_t
count_releases(const char *product, uint64_t after, size_t max)
{
	struct mm_list list;

	ok(mm_index_releases(
	    room.index, text(product), after, max, &mint.arena, &list));
	return list.count;
}

static void
releases_by_their_entries(void **unused)
{
	uint8_t sha256[32] = {1};
	struct mm_list list;
	uint64_t first = room.count;

	(void)unused;
	ok(apply_stated(MM_ENTRY_RELEASE, release_of("lamp", "1", 1)));
	ok(apply_stated(MM_ENTRY_RELEASE, release_of("fan", "1", 1)));
	ok(apply_stated(MM_ENTRY_RELEASE, release_of("lamp", "2", 2)));
	assert_int_equal(count_releases("", 0, 64), 3);
	assert_int_equal(count_releases("", 0, 2), 2);
	assert_int_equal(count_releases("", first, 64), 2);
	assert_int_equal(count_releases("lamp", 0, 64), 2);
	assert_int_equal(count_releases("lamp", first, 64), 1);
	assert_int_equal(count_releases("toaster", 0, 64), 0);
	ok(mm_index_image_releases(room.index, sha256, 64, &mint.arena, &list));
	assert_int_equal(list.count, 2);
	/* The newest entry stands for a release. */
	ok(apply_stated(MM_ENTRY_RELEASE, release_of("lamp", "1", 1)));
	assert_int_equal(count_releases("", 0, 64), 3);
	assert_int_equal(count_releases("", first, 64), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end_room)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_released_before),
	    TEST(a_version_has_one_image),
	    TEST(which_images_are_wanted),
	    TEST(releases_by_their_entries),
	};

	return cmocka_run_group_tests(
	    tests, make_half_a_mint, drop_half_a_mint);
}
