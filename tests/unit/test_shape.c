/* Shapes: structs to CBOR and back, and everything that is not their form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/shape.h"
#include "tests/unit/hex.h"

struct inner {
	uint64_t number;
	bool flag;
};
static const struct mm_field inner_fields[] = {
    MM_FIELD(inner, 0, number, MM_UINT, 1, 9),
    MM_FIELD(inner, 1, flag, MM_BOOL, 0, 1)};
static MM_SHAPE(inner_shape, inner, inner_fields);

struct outer {
	uint64_t number;
	struct mm_span bytes, text;
	uint8_t fixed[4];
	struct inner inner;
	struct mm_span item;
	struct mm_list inners, texts;
	uint64_t maybe;
	struct mm_span perhaps;
	uint8_t tag[2];
};
static const struct mm_field outer_fields[] = {
    MM_FIELD(outer, 0, number, MM_UINT, 10, 1000),
    MM_FIELD(outer, 1, bytes, MM_BYTES, 1, 3),
    MM_FIELD(outer, 2, text, MM_TEXT, 1, 3),
    MM_FIELD(outer, 3, fixed, MM_FIXED, 0, 4),
    MM_NESTED(outer, 4, inner, &inner_shape),
    MM_FIELD(outer, 5, item, MM_ITEM, 1, 4),
    MM_MANY(outer, 6, inners, &inner_shape, 1, 2),
    MM_ANY(outer, 7, texts, &mm_text_item_shape, 2),
    MM_OPTIONAL(outer, 8, maybe, MM_UINT, 1, 5),
    MM_OPTIONAL(outer, 9, perhaps, MM_TEXT, 1, 3),
    MM_OPTIONAL(outer, 10, tag, MM_FIXED, 0, 2)};
static MM_SHAPE(outer_shape, outer, outer_fields);

#define OUTER_0_TO_6 \
	"00 0a 01 4100 02 6161 03 44 01020304 04 a2 00 01 01 f5 " \
	"05 8100 06 81 a2 00 09 01 f4 "
static const char least[] = "a7 " OUTER_0_TO_6;
static const char most[] =
    "ab " OUTER_0_TO_6 "07 82 6178 6179 08 05 09 626869 0a 420001";

static enum mm_error
decode(const struct mm_shape *shape, const char *text, void *out)
{
	static uint8_t bytes[256];
	static struct mm_arena arena;

	mm_arena_clear(&arena);
	mm_arena_init(&arena, 4096);
	return mm_shape_decode(
	    shape, hex(text, bytes, sizeof(bytes)), &arena, out);
}

static void
assert_encodes(const struct outer *outer, const char *text)
{
	mm_auto(buffer) out = {0};

	mm_buffer_init(&out, 256);
	assert_int_equal(mm_shape_encode(&outer_shape, outer, &out), MM_OK);
	assert_hex(mm_buffer_span(&out), text);
}

static void
a_struct_comes_back_as_it_was(void **state)
{
	struct outer outer;

	(void)state;
	assert_int_equal(decode(&outer_shape, most, &outer), MM_OK);
	assert_int_equal(outer.number, 10);
	assert_true(mm_span_is(outer.text, "a"));
	assert_int_equal(outer.fixed[3], 4);
	assert_true(outer.inner.flag);
	assert_int_equal(outer.item.size, 2);
	assert_int_equal(outer.inners.count, 1);
	assert_int_equal(mm_list_at(outer.inners, struct inner, 0)->number, 9);
	assert_int_equal(outer.texts.count, 2);
	assert_true(mm_span_is(
	    mm_list_at(outer.texts, struct mm_text_item, 1)->value, "y"));
	assert_int_equal(outer.maybe, 5);
	assert_int_equal(outer.tag[1], 1);
	assert_encodes(&outer, most);
}

static void
what_is_absent_stays_empty(void **state)
{
	struct outer outer;

	(void)state;
	assert_int_equal(decode(&outer_shape, least, &outer), MM_OK);
	assert_int_equal(outer.texts.count, 0);
	assert_int_equal(outer.maybe, 0);
	assert_int_equal(outer.perhaps.size, 0);
	assert_encodes(&outer, least);
}

struct refusal {
	const char *what, *hex;
	enum mm_error error;
};

static const struct refusal refusals[] = {
    {"no map", "80", MM_E_SHAPE},
    {"empty", "", MM_E_CBOR},
    {"empty map", "a0", MM_E_SHAPE},
    {"a field less",
	"a6 00 0a 01 4100 02 6161 03 44 01020304 "
	"04 a2 00 01 01 f5 05 8100",
	MM_E_SHAPE},
    {"unknown key", "a8 " OUTER_0_TO_6 "0b 00", MM_E_SHAPE},
    {"large key", "a8 " OUTER_0_TO_6 "1bffffffffffffffff 00", MM_E_SHAPE},
    {"text key", "a8 " OUTER_0_TO_6 "6161 00", MM_E_SHAPE},
    {"negative key", "a8 " OUTER_0_TO_6 "20 00", MM_E_SHAPE},
    {"key twice", "a9 " OUTER_0_TO_6 "08 05 08 05", MM_E_CBOR_FORM},
    {"keys descend", "a9 " OUTER_0_TO_6 "09 6161 08 05", MM_E_CBOR_FORM},
    {"explicit zero", "a8 " OUTER_0_TO_6 "08 00", MM_E_RANGE},
    {"explicit empty text", "a8 " OUTER_0_TO_6 "09 60", MM_E_RANGE},
    {"explicit empty list", "a8 " OUTER_0_TO_6 "07 80", MM_E_SHAPE},
    {"explicit zero bytes", "a8 " OUTER_0_TO_6 "0a 420000", MM_E_SHAPE},
    {"optional too large", "a8 " OUTER_0_TO_6 "08 06", MM_E_RANGE},
    {"too many texts", "a8 " OUTER_0_TO_6 "07 83 6161 6162 6163", MM_E_RANGE},
    {"empty text in a list", "a8 " OUTER_0_TO_6 "07 81 60", MM_E_RANGE},
    {"null for absent", "a8 " OUTER_0_TO_6 "08 f6", MM_E_CBOR_FORM},
    {"trailing byte", "a7 " OUTER_0_TO_6 "00", MM_E_TRAILING},
    {"pair without value", "a8 " OUTER_0_TO_6 "08", MM_E_CBOR},
    {"huge list", "a8 " OUTER_0_TO_6 "07 9a10000000", MM_E_CBOR},
};

static void
other_forms_are_refused_and_change_nothing(void **state)
{
	struct outer before, outer;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < MM_COUNT(refusals); i++) {
		enum mm_error error;

		memset(&outer, 0x5a, sizeof(outer));
		error = decode(&outer_shape, refusals[i].hex, &outer);
		if (error != refusals[i].error)
			fail_msg("%s: %s instead of %s", refusals[i].what,
			    mm_error_name(error),
			    mm_error_name(refusals[i].error));
		assert_memory_equal(&outer, &before, sizeof(outer));
	}
}

static void
the_field_that_is_wrong_is_named(void **state)
{
	struct inner inner;

	(void)state;
	assert_int_equal(
	    decode(&inner_shape, "a2 00 0a 01 f4", &inner), MM_E_RANGE);
	assert_non_null(strstr(mm_why(MM_E_RANGE), "inner"));
	assert_non_null(strstr(mm_why(MM_E_RANGE), "number"));
	assert_int_equal(decode(&inner_shape, "a1 00 01", &inner), MM_E_SHAPE);
	assert_non_null(strstr(mm_why(MM_E_SHAPE), "flag"));
}

struct bound {
	const struct mm_shape *shape;
	const char *hex;
	enum mm_error error;
};

struct one {
	struct mm_span bytes;
};
static const struct mm_field one_fields[] = {
    MM_FIELD(one, 0, bytes, MM_BYTES, 2, 3)};
static MM_SHAPE(one_shape, one, one_fields);

struct four {
	uint8_t bytes[4];
};
static const struct mm_field four_fields[] = {
    MM_FIELD(four, 0, bytes, MM_FIXED, 0, 4)};
static MM_SHAPE(four_shape, four, four_fields);

struct some {
	struct mm_list list;
};
static const struct mm_field some_fields[] = {
    MM_MANY(some, 0, list, &mm_uint_item_shape, 1, 2)};
static MM_SHAPE(some_shape, some, some_fields);

/* Else the words of an earlier fault, somebody else's, would be told. */
static void
the_list_that_is_wrong_is_named(void **state)
{
	static const struct {
		const char *hex;
		enum mm_error error;
	} bad[] = {{"a1 00 80", MM_E_RANGE}, {"a1 00 83 01 02 03", MM_E_RANGE},
	    {"a1 00 01", MM_E_SHAPE}, {"a1 00 9a 10000000", MM_E_CBOR}};
	struct mm_uint_item three[3] = {{1}, {2}, {3}};
	struct some some = {{three, 3}};
	mm_auto(buffer) out = {0};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		mm_fail(bad[i].error, "what was wrong before");
		assert_int_equal(
		    decode(&some_shape, bad[i].hex, &some), bad[i].error);
		assert_non_null(strstr(mm_why(bad[i].error), "list list"));
	}
	mm_buffer_init(&out, 64);
	mm_fail(MM_E_RANGE, "what was wrong before");
	assert_int_equal(mm_shape_encode(&some_shape, &some, &out), MM_E_RANGE);
	assert_non_null(strstr(mm_why(MM_E_RANGE), "list list"));
}

struct any {
	struct mm_span item;
};
static const struct mm_field any_fields[] = {
    MM_FIELD(any, 0, item, MM_ITEM, 1, 3)};
static MM_SHAPE(any_shape, any, any_fields);

static void
bounds_hold_on_both_sides(void **state)
{
	static const struct bound rows[] = {
	    {&inner_shape, "a2 00 00 01 f4", MM_E_RANGE},
	    {&inner_shape, "a2 00 01 01 f4", MM_OK},
	    {&inner_shape, "a2 00 09 01 f4", MM_OK},
	    {&inner_shape, "a2 00 0a 01 f4", MM_E_RANGE},
	    {&one_shape, "a1 00 4101", MM_E_RANGE},
	    {&one_shape, "a1 00 420101", MM_OK},
	    {&one_shape, "a1 00 43010101", MM_OK},
	    {&one_shape, "a1 00 4401010101", MM_E_RANGE},
	    {&four_shape, "a1 00 43010101", MM_E_RANGE},
	    {&four_shape, "a1 00 4401010101", MM_OK},
	    {&four_shape, "a1 00 450101010101", MM_E_RANGE},
	    {&some_shape, "a1 00 80", MM_E_RANGE},
	    {&some_shape, "a1 00 8100", MM_OK},
	    {&some_shape, "a1 00 820000", MM_OK},
	    {&some_shape, "a1 00 83000000", MM_E_RANGE},
	    {&any_shape, "a1 00 820000", MM_OK},
	    {&any_shape, "a1 00 83000000", MM_E_RANGE},
	    {&mm_uint_item_shape, "1b7fffffffffffffff", MM_OK},
	    {&mm_uint_item_shape, "1b8000000000000000", MM_E_RANGE},
	    {&mm_bytes_item_shape, "40", MM_E_RANGE},
	    {&mm_bytes_item_shape, "4100", MM_OK},
	    {&mm_text_item_shape, "60", MM_E_RANGE},
	    {&mm_text_item_shape, "6161", MM_OK},
	    {&mm_nothing_shape, "a0", MM_OK},
	    {&mm_nothing_shape, "a10000", MM_E_SHAPE},
	    {&mm_nothing_shape, "80", MM_E_SHAPE},
	};
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		enum mm_error error = decode(rows[i].shape, rows[i].hex, out);

		if (error != rows[i].error)
			fail_msg("%s %s: %s", rows[i].shape->name, rows[i].hex,
			    mm_error_name(error));
	}
}

static void
a_huge_list_takes_no_memory(void **state)
{
	static const char *const bombs[] = {"a1 00 9a10000000",
	    "a1 00 9b7fffffffffffffff", "a1 00 9bffffffffffffffff"};
	struct some some;
	uint8_t bytes[16];
	mm_auto(arena) arena = {0};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bombs); i++) {
		struct mm_span bomb = hex(bombs[i], bytes, sizeof(bytes));

		mm_arena_init(&arena, 1 << 20);
		assert_int_equal(
		    mm_shape_decode(&some_shape, bomb, &arena, &some),
		    MM_E_CBOR);
		assert_int_equal(arena.used, sizeof(some));
		mm_arena_clear(&arena);
	}
}

static void
an_arena_that_is_full_is_told(void **state)
{
	struct some some;
	uint8_t bytes[16];
	struct mm_span span = hex("a1 00 820102", bytes, sizeof(bytes));
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, sizeof(some) - 1);
	assert_int_equal(
	    mm_shape_decode(&some_shape, span, &arena, &some), MM_E_MEMORY);
	mm_arena_init(&arena, sizeof(some) + 2 * sizeof(uint64_t) - 1);
	assert_int_equal(
	    mm_shape_decode(&some_shape, span, &arena, &some), MM_E_MEMORY);
	mm_arena_clear(&arena);
	mm_arena_init(&arena, sizeof(some) + 2 * sizeof(uint64_t));
	assert_int_equal(
	    mm_shape_decode(&some_shape, span, &arena, &some), MM_OK);
}

static enum mm_error
encode(const struct mm_shape *shape, const void *in, size_t max)
{
	mm_auto(buffer) out = {0};
	enum mm_error error;

	mm_buffer_init(&out, max);
	error = mm_shape_encode(shape, in, &out);
	if (error != MM_OK)
		assert_int_equal(out.size, 0);
	return error;
}

static void
what_could_not_be_read_is_not_written(void **state)
{
	struct outer outer;
	struct outer wrong;

	(void)state;
	assert_int_equal(decode(&outer_shape, most, &outer), MM_OK);
	wrong = outer;
	wrong.number = 1001;
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_RANGE);
	wrong = outer;
	wrong.bytes = mm_span_text("abcd");
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_RANGE);
	wrong = outer;
	wrong.text = mm_span_text("a\n");
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_TEXT);
	wrong = outer;
	wrong.item = mm_span_text("\xf6");
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_CBOR_FORM);
	wrong = outer;
	wrong.item = mm_span("\x00\x00", 2);
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_TRAILING);
	wrong = outer;
	wrong.inners.count = 0;
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_RANGE);
	wrong = outer;
	wrong.inner.number = 0;
	assert_int_equal(encode(&outer_shape, &wrong, 256), MM_E_RANGE);
}

static void
the_buffer_bounds_the_encoding(void **state)
{
	struct inner inner = {.number = 1};

	(void)state;
	assert_int_equal(encode(&inner_shape, &inner, 4), MM_E_RANGE);
	assert_int_equal(encode(&inner_shape, &inner, 5), MM_OK);
}

/* One meaning has one encoding: whatever passes is what would be written. */
static void
what_passes_is_what_would_be_written(void **state)
{
	uint8_t bytes[256];
	struct mm_span whole = hex(most, bytes, sizeof(bytes));
	mm_auto(buffer) again = {0};
	mm_auto(arena) arena = {0};
	struct outer outer;

	(void)state;
	mm_buffer_init(&again, 256);
	mm_arena_init(&arena, 4096);
	for (size_t i = 0; i < whole.size * 256; i++) {
		uint8_t former = bytes[i / 256];

		bytes[i / 256] = (uint8_t)i;
		if (mm_shape_decode(&outer_shape, whole, &arena, &outer) ==
		    MM_OK) {
			mm_buffer_reset(&again);
			assert_int_equal(
			    mm_shape_encode(&outer_shape, &outer, &again),
			    MM_OK);
			assert_true(
			    mm_span_equal(mm_buffer_span(&again), whole));
		}
		mm_arena_clear(&arena);
		bytes[i / 256] = former;
	}
}

static void
every_truncation_is_refused(void **state)
{
	uint8_t bytes[256];
	struct mm_span whole = hex(most, bytes, sizeof(bytes));
	struct outer outer;
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 4096);
	for (size_t size = 0; size < whole.size; size++) {
		assert_int_not_equal(mm_shape_decode(&outer_shape,
					 mm_span(bytes, size), &arena, &outer),
		    MM_OK);
		mm_arena_clear(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_struct_comes_back_as_it_was),
	    cmocka_unit_test(what_is_absent_stays_empty),
	    cmocka_unit_test(other_forms_are_refused_and_change_nothing),
	    cmocka_unit_test(the_field_that_is_wrong_is_named),
	    cmocka_unit_test(the_list_that_is_wrong_is_named),
	    cmocka_unit_test(bounds_hold_on_both_sides),
	    cmocka_unit_test(a_huge_list_takes_no_memory),
	    cmocka_unit_test(an_arena_that_is_full_is_told),
	    cmocka_unit_test(what_could_not_be_read_is_not_written),
	    cmocka_unit_test(the_buffer_bounds_the_encoding),
	    cmocka_unit_test(what_passes_is_what_would_be_written),
	    cmocka_unit_test(every_truncation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
