/* Strict deterministic CBOR: what passes, what does not, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/cbor.h"
#include "tests/unit/hex.h"

struct refusal {
	const char *what, *hex;
	enum mm_error error;
};

static enum mm_error
read_item(struct mm_span bytes)
{
	struct mm_cbor reader = mm_cbor(bytes);

	mm_cbor_item(&reader);
	return mm_cbor_end(&reader);
}

static void
assert_refused(const struct refusal *rows, size_t count)
{
	uint8_t bytes[256];

	for (size_t i = 0; i < count; i++) {
		enum mm_error error =
		    read_item(hex(rows[i].hex, bytes, sizeof(bytes)));

		if (error != rows[i].error)
			fail_msg("%s (%s): %s instead of %s", rows[i].what,
			    rows[i].hex, mm_error_name(error),
			    mm_error_name(rows[i].error));
	}
}

static void
items_of_every_kind_pass(void **state)
{
	static const char *const good[] = {"00", "17", "1818", "18ff", "190100",
	    "19ffff", "1a00010000", "1affffffff", "1b0000000100000000",
	    "1bffffffffffffffff", "20", "37", "3818", "38ff", "390100",
	    "3a00010000", "3b0000000100000000", "40", "4100", "60", "6161",
	    "62c3bc", "63e282ac", "64f0908080", "64f48fbfbf", "63ed9fbf",
	    "63ee8080", "80", "8101", "820102", "a0", "a10000", "a200000100",
	    "a2181800 2000", "a200006000", "a2 6161 00 6162 00",
	    "a2 6162 00 626161 00", "f4", "f5", "d2 00", "d2 84 40 a0 40 40"};
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++)
		if (read_item(hex(good[i], bytes, sizeof(bytes))) != MM_OK)
			fail_msg("%s: %s", good[i], mm_why(MM_E_CBOR));
}

static void
longer_heads_than_needed_are_refused(void **state)
{
	static const struct refusal rows[] = {
	    {"uint in 1", "1800", MM_E_CBOR_FORM},
	    {"uint in 1", "1817", MM_E_CBOR_FORM},
	    {"uint in 2", "190000", MM_E_CBOR_FORM},
	    {"uint in 2", "1900ff", MM_E_CBOR_FORM},
	    {"uint in 4", "1a00000000", MM_E_CBOR_FORM},
	    {"uint in 4", "1a0000ffff", MM_E_CBOR_FORM},
	    {"uint in 8", "1b0000000000000000", MM_E_CBOR_FORM},
	    {"uint in 8", "1b00000000ffffffff", MM_E_CBOR_FORM},
	    {"negative in 1", "3800", MM_E_CBOR_FORM},
	    {"negative in 2", "3900ff", MM_E_CBOR_FORM},
	    {"negative in 4", "3a0000ffff", MM_E_CBOR_FORM},
	    {"negative in 8", "3b00000000ffffffff", MM_E_CBOR_FORM},
	    {"bytes in 1", "580100", MM_E_CBOR_FORM},
	    {"bytes in 2", "59000100", MM_E_CBOR_FORM},
	    {"bytes in 4", "5a0000000100", MM_E_CBOR_FORM},
	    {"bytes in 8", "5b000000000000000100", MM_E_CBOR_FORM},
	    {"text in 1", "780161", MM_E_CBOR_FORM},
	    {"text in 2", "79000161", MM_E_CBOR_FORM},
	    {"text in 4", "7a0000000161", MM_E_CBOR_FORM},
	    {"text in 8", "7b000000000000000161", MM_E_CBOR_FORM},
	    {"array in 1", "980100", MM_E_CBOR_FORM},
	    {"array in 2", "99000100", MM_E_CBOR_FORM},
	    {"array in 4", "9a0000000100", MM_E_CBOR_FORM},
	    {"array in 8", "9b000000000000000100", MM_E_CBOR_FORM},
	    {"map in 1", "b8010000", MM_E_CBOR_FORM},
	    {"map in 2", "b900010000", MM_E_CBOR_FORM},
	    {"map in 4", "ba000000010000", MM_E_CBOR_FORM},
	    {"map in 8", "bb00000000000000010000", MM_E_CBOR_FORM},
	    {"tag 18 in 1", "d81200", MM_E_CBOR_FORM},
	    {"within an array", "811800", MM_E_CBOR_FORM},
	    {"as a key", "a1180000", MM_E_CBOR_FORM},
	    {"as a value", "a1001800", MM_E_CBOR_FORM},
	};

	(void)state;
	assert_refused(rows, MM_COUNT(rows));
}

static void
types_that_do_not_exist_here_are_refused(void **state)
{
	static const struct refusal rows[] = {
	    {"indefinite bytes", "5f4100ff", MM_E_CBOR_FORM},
	    {"indefinite text", "7f6161ff", MM_E_CBOR_FORM},
	    {"indefinite array", "9f00ff", MM_E_CBOR_FORM},
	    {"indefinite map", "bf0000ff", MM_E_CBOR_FORM},
	    {"indefinite, empty", "9fff", MM_E_CBOR_FORM},
	    {"break", "ff", MM_E_CBOR_FORM},
	    {"null", "f6", MM_E_CBOR_FORM},
	    {"undefined", "f7", MM_E_CBOR_FORM},
	    {"float16", "f93c00", MM_E_CBOR_FORM},
	    {"float16 NaN", "f97e00", MM_E_CBOR_FORM},
	    {"float16 infinity", "f97c00", MM_E_CBOR_FORM},
	    {"float32", "fa3f800000", MM_E_CBOR_FORM},
	    {"float32 NaN", "fa7fc00000", MM_E_CBOR_FORM},
	    {"float64", "fb3ff0000000000000", MM_E_CBOR_FORM},
	    {"float64 NaN", "fb7ff8000000000001", MM_E_CBOR_FORM},
	    {"simple 0", "e0", MM_E_CBOR},
	    {"simple 32", "f820", MM_E_CBOR},
	    {"false in two bytes", "f814", MM_E_CBOR},
	    {"tag 0, a date", "c0 60", MM_E_CBOR_FORM},
	    {"tag 1, a time", "c1 00", MM_E_CBOR_FORM},
	    {"tag 2, a bignum", "c2 41 01", MM_E_CBOR_FORM},
	    {"tag 17", "d1 00", MM_E_CBOR},
	    {"tag 19", "d3 00", MM_E_CBOR},
	    {"tag 24", "d818 4100", MM_E_CBOR_FORM},
	    {"tag 55799", "d9d9f7 00", MM_E_CBOR_FORM},
	    {"reserved 28", "1c", MM_E_CBOR},
	    {"reserved 29", "5d", MM_E_CBOR},
	    {"reserved 30", "9e", MM_E_CBOR},
	    {"reserved 31", "1f", MM_E_CBOR},
	    {"reserved simple", "fc", MM_E_CBOR},
	    {"null in an array", "81f6", MM_E_CBOR_FORM},
	    {"null as a key", "a1f600", MM_E_CBOR_FORM},
	    {"NaN as a value", "a100f97e00", MM_E_CBOR_FORM},
	};

	(void)state;
	assert_refused(rows, MM_COUNT(rows));
}

static void
keys_ascend_and_none_is_there_twice(void **state)
{
	static const struct refusal rows[] = {
	    {"twice", "a200000000", MM_E_CBOR_FORM},
	    {"twice, as text", "a2616100616100", MM_E_CBOR_FORM},
	    {"twice, as array", "a2810000810001", MM_E_CBOR_FORM},
	    {"descending", "a201000000", MM_E_CBOR_FORM},
	    {"descending text", "a2616200616100", MM_E_CBOR_FORM},
	    {"text before number", "a26161000000", MM_E_CBOR_FORM},
	    {"by length first", "a22000181800", MM_E_CBOR_FORM},
	    {"twice, far apart", "a3000001000000", MM_E_CBOR_FORM},
	    {"in a map in a map", "a100a200000000", MM_E_CBOR_FORM},
	    {"in a key", "a1a20000000000", MM_E_CBOR_FORM},
	};

	(void)state;
	assert_refused(rows, MM_COUNT(rows));
}

static void
counts_beyond_the_bytes_are_refused(void **state)
{
	static const struct refusal rows[] = {
	    {"nothing", "", MM_E_CBOR},
	    {"array of one", "81", MM_E_CBOR},
	    {"array of two", "8200", MM_E_CBOR},
	    {"map without value", "a100", MM_E_CBOR},
	    {"map without key", "a1", MM_E_CBOR},
	    {"huge array", "9a10000000", MM_E_CBOR},
	    {"huge array", "9b7fffffffffffffff", MM_E_CBOR},
	    {"huge array", "9bffffffffffffffff", MM_E_CBOR},
	    {"huge map", "ba10000000", MM_E_CBOR},
	    {"huge map", "bb7fffffffffffffff", MM_E_CBOR},
	    {"huge map", "bbffffffffffffffff", MM_E_CBOR},
	    {"huge bytes", "5a10000000", MM_E_CBOR},
	    {"huge bytes", "5bffffffffffffffff", MM_E_CBOR},
	    {"huge text", "7a10000000", MM_E_CBOR},
	    {"huge text", "7bffffffffffffffff", MM_E_CBOR},
	    {"huge within", "8181819a10000000", MM_E_CBOR},
	    {"tag without item", "d2", MM_E_CBOR},
	    {"half a head", "19ff", MM_E_CBOR},
	    {"half a string", "4200", MM_E_CBOR},
	};

	(void)state;
	assert_refused(rows, MM_COUNT(rows));
}

static void
a_huge_count_is_refused_at_once(void **state)
{
	uint8_t bytes[16];
	struct mm_span bomb = hex("9a10000000", bytes, sizeof(bytes));

	(void)state;
	/* A million of them are done before anybody could notice. */
	for (int i = 0; i < 1000000; i++) {
		struct mm_cbor reader = mm_cbor(bomb);

		assert_int_equal(mm_cbor_array(&reader), 0);
		assert_int_equal(reader.error, MM_E_CBOR);
	}
}

static void
trailing_bytes_are_refused(void **state)
{
	static const struct refusal rows[] = {
	    {"a second item", "0000", MM_E_TRAILING},
	    {"after a map", "a000", MM_E_TRAILING},
	    {"after a string", "410000", MM_E_TRAILING},
	    {"rubbish", "80ff", MM_E_TRAILING},
	};

	(void)state;
	assert_refused(rows, MM_COUNT(rows));
}

static void
text_is_printable_utf8(void **state)
{
	static const struct refusal rows[] = {
	    {"overlong NUL", "62c080", MM_E_TEXT},
	    {"overlong slash", "62c0af", MM_E_TEXT},
	    {"overlong U+7F", "62c1bf", MM_E_TEXT},
	    {"overlong U+7FF", "63e09fbf", MM_E_TEXT},
	    {"overlong U+FFFF", "64f08fbfbf", MM_E_TEXT},
	    {"surrogate D800", "63eda080", MM_E_TEXT},
	    {"surrogate DFFF", "63edbfbf", MM_E_TEXT},
	    {"U+110000", "64f4908080", MM_E_TEXT},
	    {"five bytes", "65f888808080", MM_E_TEXT},
	    {"FE", "61fe", MM_E_TEXT},
	    {"FF", "61ff", MM_E_TEXT},
	    {"lone continuation", "6180", MM_E_TEXT},
	    {"cut", "62e282", MM_E_TEXT},
	    {"cut by a letter", "63e28261", MM_E_TEXT},
	    {"NUL", "6100", MM_E_TEXT},
	    {"newline", "610a", MM_E_TEXT},
	    {"escape", "611b", MM_E_TEXT},
	    {"delete", "617f", MM_E_TEXT},
	    {"U+80", "62c280", MM_E_TEXT},
	    {"U+9F", "62c29f", MM_E_TEXT},
	    {"U+AD", "62c2ad", MM_E_TEXT},
	    {"U+34F", "62cd8f", MM_E_TEXT},
	    {"U+61C", "62d89c", MM_E_TEXT},
	    {"U+115F", "63e1859f", MM_E_TEXT},
	    {"U+180E", "63e1a08e", MM_E_TEXT},
	    {"U+200B", "63e2808b", MM_E_TEXT},
	    {"U+200F", "63e2808f", MM_E_TEXT},
	    {"U+2028", "63e280a8", MM_E_TEXT},
	    {"U+202E", "63e280ae", MM_E_TEXT},
	    {"U+2060", "63e281a0", MM_E_TEXT},
	    {"U+2066", "63e281a6", MM_E_TEXT},
	    {"U+2069", "63e281a9", MM_E_TEXT},
	    {"U+206F", "63e281af", MM_E_TEXT},
	    {"U+3164", "63e385a4", MM_E_TEXT},
	    {"U+FE0F", "63efb88f", MM_E_TEXT},
	    {"U+FEFF", "63efbbbf", MM_E_TEXT},
	    {"U+FFA0", "63efbea0", MM_E_TEXT},
	    {"U+E0041", "64f3a08181", MM_E_TEXT},
	    {"in a list", "81610a", MM_E_TEXT},
	    {"as a key", "a1610a00", MM_E_TEXT},
	};

	(void)state;
	assert_refused(rows, MM_COUNT(rows));
}

/* `levels` heads of `opener` and an empty array: levels + 1 deep. */
static enum mm_error
nested(const char *opener, size_t levels)
{
	mm_auto(buffer) bytes = {0};
	uint8_t head[8];
	struct mm_span span = hex(opener, head, sizeof(head));

	mm_buffer_init(&bytes, 1 << 20);
	for (size_t i = 0; i < levels; i++)
		mm_buffer_add(&bytes, span.data, span.size);
	mm_buffer_add(&bytes, "\x80", 1);
	assert_int_equal(bytes.error, MM_OK);
	return read_item(mm_buffer_span(&bytes));
}

static void
depth_ends_at_its_limit(void **state)
{
	static const char *const openers[] = {"81", "a100", "d2"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(openers); i++) {
		assert_int_equal(nested(openers[i], MM_CBOR_DEPTH - 2), MM_OK);
		assert_int_equal(nested(openers[i], MM_CBOR_DEPTH - 1), MM_OK);
		assert_int_equal(
		    nested(openers[i], MM_CBOR_DEPTH), MM_E_CBOR_DEPTH);
		assert_int_equal(nested(openers[i], 100000), MM_E_CBOR_DEPTH);
	}
	/* Keys nest as values do. */
	assert_int_equal(nested("a1", 100000), MM_E_CBOR_DEPTH);
}

/* A bit of everything. */
static const char sample[] = "a6 00 1903e8 01 4401020304 02 6568656c6c6f "
			     "03 83 00 3818 f5 04 a2 00 01 6161 f4 05 d2 80";

static void
every_truncation_is_refused(void **state)
{
	uint8_t bytes[64];
	struct mm_span whole = hex(sample, bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(read_item(whole), MM_OK);
	for (size_t size = 0; size < whole.size; size++) {
		/* Its own memory, for the address sanitizer. */
		mm_autofree uint8_t *copy = malloc(size + 1);

		assert_non_null(copy);
		memcpy(copy, whole.data, size);
		copy = realloc(copy, size > 0 ? size : 1);
		assert_non_null(copy);
		assert_int_not_equal(read_item(mm_span(copy, size)), MM_OK);
	}
}

static void
no_change_of_a_byte_does_harm(void **state)
{
	uint8_t bytes[64];
	struct mm_span whole = hex(sample, bytes, sizeof(bytes));
	size_t passed = 0;

	(void)state;
	for (size_t i = 0; i < whole.size; i++) {
		uint8_t former = bytes[i];

		for (unsigned value = 0; value < 256; value++) {
			bytes[i] = (uint8_t)value;
			passed += read_item(whole) == MM_OK;
		}
		bytes[i] = former;
	}
	/* Some changes make another good item, most do not. */
	assert_in_range(passed, whole.size, whole.size * 128);
}

static void
a_fault_sticks(void **state)
{
	uint8_t bytes[16];
	struct mm_cbor reader = mm_cbor(hex("f6 01 4101", bytes, 16));

	(void)state;
	assert_int_equal(mm_cbor_uint(&reader), 0);
	assert_int_equal(reader.error, MM_E_CBOR_FORM);
	assert_int_equal(mm_cbor_uint(&reader), 0);
	assert_int_equal(mm_cbor_int(&reader), 0);
	assert_int_equal(mm_cbor_bytes(&reader).size, 0);
	assert_int_equal(mm_cbor_text(&reader).size, 0);
	assert_int_equal(mm_cbor_item(&reader).size, 0);
	assert_int_equal(mm_cbor_array(&reader), 0);
	assert_int_equal(mm_cbor_map(&reader), 0);
	assert_int_equal(mm_cbor_tag(&reader), 0);
	assert_false(mm_cbor_bool(&reader));
	assert_int_equal(mm_cbor_end(&reader), MM_E_CBOR_FORM);
}

static void
another_type_than_wanted_is_a_wrong_shape(void **state)
{
	uint8_t bytes[16];
	struct mm_cbor reader = mm_cbor(hex("6161", bytes, 16));

	(void)state;
	mm_cbor_bytes(&reader);
	assert_int_equal(mm_cbor_end(&reader), MM_E_SHAPE);
	reader = mm_cbor(hex("20", bytes, 16));
	mm_cbor_uint(&reader);
	assert_int_equal(mm_cbor_end(&reader), MM_E_SHAPE);
	reader = mm_cbor(hex("00", bytes, 16));
	mm_cbor_bool(&reader);
	assert_int_equal(mm_cbor_end(&reader), MM_E_SHAPE);
	reader = mm_cbor(hex("80", bytes, 16));
	mm_cbor_map(&reader);
	assert_int_equal(mm_cbor_end(&reader), MM_E_SHAPE);
}

static int64_t
read_int(const char *text, enum mm_error *error)
{
	uint8_t bytes[16];
	struct mm_cbor reader = mm_cbor(hex(text, bytes, sizeof(bytes)));
	int64_t value = mm_cbor_int(&reader);

	*error = mm_cbor_end(&reader);
	return value;
}

static void
signed_integers_have_32_bits(void **state)
{
	enum mm_error error;

	(void)state;
	assert_int_equal(read_int("27", &error), -8);
	assert_int_equal(read_int("1a7fffffff", &error), INT32_MAX);
	assert_int_equal(error, MM_OK);
	assert_int_equal(read_int("3a7fffffff", &error), INT32_MIN);
	assert_int_equal(error, MM_OK);
	read_int("1a80000000", &error);
	assert_int_equal(error, MM_E_SHAPE);
	read_int("3a80000000", &error);
	assert_int_equal(error, MM_E_SHAPE);
	read_int("3bffffffffffffffff", &error);
	assert_int_equal(error, MM_E_SHAPE);
}

static void
what_is_written_is_shortest(void **state)
{
	static const struct {
		uint64_t value;
		const char *hex;
	} rows[] = {{0, "00"}, {23, "17"}, {24, "1818"}, {255, "18ff"},
	    {256, "190100"}, {65535, "19ffff"}, {65536, "1a00010000"},
	    {UINT32_MAX, "1affffffff"},
	    {(uint64_t)UINT32_MAX + 1, "1b0000000100000000"},
	    {UINT64_MAX, "1bffffffffffffffff"}};
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 64);
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_cbor reader;

		mm_buffer_reset(&out);
		mm_cbor_put_uint(&out, rows[i].value);
		assert_hex(mm_buffer_span(&out), rows[i].hex);
		reader = mm_cbor(mm_buffer_span(&out));
		assert_true(mm_cbor_uint(&reader) == rows[i].value);
		assert_int_equal(mm_cbor_end(&reader), MM_OK);
	}
}

static void
every_type_is_written_as_it_is_read(void **state)
{
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 128);
	mm_cbor_put_tag(&out, MM_CBOR_TAG_SIGN1);
	mm_cbor_put_array(&out, 6);
	mm_cbor_put_int(&out, -8);
	mm_cbor_put_int(&out, 8);
	mm_cbor_put_bool(&out, true);
	mm_cbor_put_bytes(&out, mm_span("\x00\xff", 2));
	mm_cbor_put_text(&out, mm_span_text("mint"));
	mm_cbor_put_map(&out, 1);
	mm_cbor_put_uint(&out, 1);
	mm_cbor_put_bool(&out, false);
	assert_int_equal(out.error, MM_OK);
	assert_hex(mm_buffer_span(&out), "d286 27 08 f5 4200ff 646d696e74 "
					 "a101f4");
	assert_int_equal(read_item(mm_buffer_span(&out)), MM_OK);
}

static void
writing_past_the_maximum_is_told(void **state)
{
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 4);
	mm_cbor_put_bytes(&out, mm_span("abc", 3));
	assert_int_equal(out.error, MM_OK);
	mm_cbor_put_uint(&out, 0);
	assert_int_equal(out.error, MM_E_RANGE);
	assert_int_equal(out.size, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(items_of_every_kind_pass),
	    cmocka_unit_test(longer_heads_than_needed_are_refused),
	    cmocka_unit_test(types_that_do_not_exist_here_are_refused),
	    cmocka_unit_test(keys_ascend_and_none_is_there_twice),
	    cmocka_unit_test(counts_beyond_the_bytes_are_refused),
	    cmocka_unit_test(a_huge_count_is_refused_at_once),
	    cmocka_unit_test(trailing_bytes_are_refused),
	    cmocka_unit_test(text_is_printable_utf8),
	    cmocka_unit_test(depth_ends_at_its_limit),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(no_change_of_a_byte_does_harm),
	    cmocka_unit_test(a_fault_sticks),
	    cmocka_unit_test(another_type_than_wanted_is_a_wrong_shape),
	    cmocka_unit_test(signed_integers_have_32_bits),
	    cmocka_unit_test(what_is_written_is_shortest),
	    cmocka_unit_test(every_type_is_written_as_it_is_read),
	    cmocka_unit_test(writing_past_the_maximum_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
