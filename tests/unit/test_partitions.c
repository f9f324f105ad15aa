/* Partition tables as people write them: in many ways, and each rule refuses
 * what breaks it, naming the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/partition_room.h"

/* --- CSV as people write it --- */

static struct mm_arena test_arena;

static enum mm_error
read_text(const char *text, const struct mm_partition_rules *rules,
    struct mm_partition_facts *out)
{
	mm_arena_clear(&test_arena);
	mm_arena_init(&test_arena, VECTOR_ARENA);
	return mm_partitions_csv(mm_span_text(text), rules, &test_arena, out);
}

static int
clear_arena(void **state)
{
	(void)state;
	mm_arena_clear(&test_arena);
	return 0;
}

static void
people_write_it_in_many_ways(void **state)
{
	static const char *const same[] = {
	    "nvs,data,nvs,0x9000,0x6000,\nfac,app,factory,0x10000,1M,encrypted",
	    "\xef\xbb\xbf# Name, Type, SubType, Offset, Size, Flags\r\n"
	    "nvs, data, nvs, 0x9000, 0x6000,\r\n"
	    "fac, app, factory, 0x10000, 1M, encrypted\r\n",
	    "nvs,data,nvs,0x9000,24K\rfac,app,factory,64k,1024K,encrypted\r",
	    "\n  # a comment\n\n nvs\t,\tDATA , 2 , , 24k \n"
	    "fac,0,0,,1m,:encrypted:,,,\n",
	    "nvs,0x1,0x02,36864,24576\nfac,APP,Factory,65536,-0x110000,"
	    "encrypted\n"};
	struct mm_partition_facts first, other;
	struct mm_partition kept[2];

	(void)state;
	assert_int_equal(read_text(same[0], &usual, &first), MM_OK);
	assert_int_equal(first.partitions.count, 2);
	memcpy(kept, first.partitions.items, sizeof(kept));
	/* Names lie in the text, the list does not. */
	first.partitions.items = kept;
	for (size_t i = 1; i < MM_COUNT(same); i++) {
		enum mm_error error = read_text(same[i], &usual, &other);

		if (error != MM_OK)
			fail_msg("%zu: %s", i, mm_why(error));
		assert_same(&first, &other);
	}
}

static void
each_fault_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {{"", "no partitions"}, {"# nothing\n", "no partitions"},
	    {"Name,Type,SubType,Offset,Size,Flags\nnvs,data,nvs,,24K\n",
		"line 1: the type \"Type\""},
	    {"nvs\n", "line 1: the type \"\""},
	    {"\n\nnvs,date,nvs,,24K", "line 3: the type \"date\""},
	    {"a,256,0,,24K", "line 1: the type \"256\""},
	    {"a,0xff,0,,24K", "line 1: \"a\": type 255"},
	    {"a,app,,,1M", "an app needs a subtype"},
	    {"a,app,nvs,,1M", "the subtype \"nvs\""},
	    {"a,data,256,,1M", "the subtype \"256\""},
	    {"a,data,ota_0,,1M", "the subtype \"ota_0\""},
	    {"a,app,ota_16,,1M", "the subtype \"ota_16\""},
	    {"a,data,nvs,0x900g,24K", "the offset \"0x900g\""},
	    {"a,data,nvs,-1,24K", "the offset \"-1\""},
	    {"a,data,nvs,010,24K", "the offset \"010\""},
	    {"a,data,nvs,0x,24K", "the offset \"0x\""},
	    {"a,data,nvs,,", "the size \"\""},
	    {"a,data,nvs,,K", "the size \"K\""},
	    {"a,data,nvs,,1G", "the size \"1G\""},
	    {"a,data,nvs,,1 2K", "the size \"1 2K\""},
	    {"a,data,nvs,,--1", "the size \"--1\""},
	    {"a,data,nvs,,4294967296", "the size \"4294967296\""},
	    {"a,data,nvs,,4096M", "the size \"4096M\""},
	    {"a,data,nvs,,99999999999999999999999", "the size \"999"},
	    {"a,data,fat,,0", "\"a\" has no bytes"},
	    {"a,data,fat,,-0x9000", "should end at 0x9000"},
	    {"a,data,fat,,0xffff8000", "ends behind 4 GiB"},
	    {"a,data,nvs,,24K,Encrypted", "the flag \"Encrypted\""},
	    {"a,data,nvs,,24K,readonly,1", "more than 6 fields"},
	    {"$A,data,nvs,,24K", "variables ($)"},
	    {"a\x01,data,nvs,,24K", "the name is not printable"},
	    {"\xff,data,nvs,,24K", "the name is not printable"},
	    {",data,nvs,,24K", "has no name"},
	    {"abcdefghijklmnopq,data,nvs,,24K", "has 17 bytes"},
	    {"a,data,nvs,0x9800,24K", "multiples of 0x1000"},
	    {"a,app,factory,0x18000,1M", "multiples of 0x10000"},
	    {"a,app,factory,,0x1800", "multiples of 0x1000"},
	    {"a,data,nvs,0x8000,24K", "line 1: \"a\" begins at 0x8000, before"},
	    {"a,data,nvs,0x20000,24K\nb,data,nvs,0x10000,24K",
		"line 2: \"b\" begins at 0x10000, before 0x26000"},
	    {"a,data,nvs,,24K\na,data,fat,,24K", "line 2: two partitions"},
	    {"a,data,ota,,0x1000", "otadata has 0x2000"},
	    {"a,data,ota,,0x3000", "otadata has 0x2000"},
	    {"a,data,tee_ota,,0x1000", "otadata has 0x2000"},
	    {"a,data,ota,,0x2000,readonly", "take the flag readonly away"},
	    {"a,data,coredump,,64K,readonly", "take the flag readonly away"},
	    {"a,data,ota,,8K\nb,data,ota,,8K", "both otadata"},
	    {"a,data,tee_ota,,8K\nb,data,tee_ota,,8K", "both otadata"},
	    {"a,data,nvs,,0x2000", "nvs takes 0x3000"},
	    {"a,bootloader,primary,,,", "bootloader-offset"},
	    {"a,bootloader,ota,,,", "bootloader-offset"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_partition_facts out = {.summed = false};
		enum mm_error error = read_text(cases[i].text, &usual, &out);

		if (error != MM_E_FORMAT ||
		    strstr(mm_why(error), cases[i].why) == NULL)
			fail_msg("%s: %s (%s), not %s", cases[i].text,
			    mm_error_name(error), mm_why(error), cases[i].why);
		assert_int_equal(out.partitions.count, 0);
	}
}

static void
a_nul_does_not_hide_the_rest_of_a_line(void **state)
{
	static const char text[] = "nvs,data,nvs,,24K\0# hidden\n";
	struct mm_partition_facts out;

	(void)state;
	mm_arena_init(&test_arena, VECTOR_ARENA);
	assert_int_equal(mm_partitions_csv(mm_span(text, sizeof(text) - 1),
			     &usual, &test_arena, &out),
	    MM_E_FORMAT);
}

static void
what_just_fits_is_taken(void **state)
{
	static const char *const texts[] = {"a,data,nvs,,0x3000",
	    "a,data,nvs,,0x2000,readonly", "a,data,ota,,0x2000",
	    "a,data,ota,,8K\nb,data,tee_ota,,8K", "a,app,ota_15,,0x1000",
	    "a,data,fat,,1", "a,0xfe,0xff,,0x1000", "a,data,fat,,-0x9001",
	    "a,data,nvs,0x9000,0x3000\nb,data,fat,0xc000,1",
	    "a,data,fat,,0xffff6fff"};
	struct mm_partition_facts out;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(texts); i++) {
		enum mm_error error = read_text(texts[i], &usual, &out);

		if (error != MM_OK)
			fail_msg("%s: %s", texts[i], mm_why(error));
	}
}

static void
the_flash_holds_what_ends_at_its_end(void **state)
{
	struct mm_partition_rules rules = usual;
	struct mm_partition_facts out;
	static const char text[] = "a,data,fat,0x10000,0x1000";

	(void)state;
	for (int more = -1; more <= 1; more++) {
		rules.flash = (uint64_t)(0x11000 + more);
		assert_int_equal(read_text(text, &rules, &out),
		    more < 0 ? MM_E_FORMAT : MM_OK);
	}
	rules.flash = 0;
	assert_int_equal(read_text(text, &rules, &out), MM_OK);
}

static void
secure_boot_v1_wants_whole_blocks(void **state)
{
	struct mm_partition_rules rules = usual;
	struct mm_partition_facts out;

	(void)state;
	rules.secure = 1;
	assert_int_equal(
	    read_text("a,app,factory,,0x11000", &rules, &out), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "Secure Boot V1"));
	assert_int_equal(
	    read_text("a,app,factory,,0x20000", &rules, &out), MM_OK);
	rules.secure = 2;
	assert_int_equal(
	    read_text("a,app,factory,,0x11000", &rules, &out), MM_OK);
}

static void
bootloader_and_table_lie_where_the_chip_says(void **state)
{
	static const char text[] = "boot,bootloader,primary,,,\n"
				   "table,partition_table,primary,,,\n"
				   "nvs,data,nvs,,24K\n"
				   "boot2,bootloader,ota,,,\n"
				   "table2,partition_table,ota,,,\n"
				   "f,app,factory,,1M\n";
	static const uint64_t wanted[][2] = {{0x1000, 0x7000}, {0x8000, 0x1000},
	    {0x9000, 0x6000}, {0xf000, 0x7000}, {0x16000, 0x1000},
	    {0x20000, 0x100000}};
	struct mm_partition_rules rules = usual;
	struct mm_partition_facts out;

	(void)state;
	rules.bootloader = 0x1000;
	assert_int_equal(read_text(text, &rules, &out), MM_OK);
	assert_int_equal(out.partitions.count, MM_COUNT(wanted));
	for (size_t i = 0; i < MM_COUNT(wanted); i++) {
		const struct mm_partition *p =
		    mm_list_at(out.partitions, struct mm_partition, i);

		assert_int_equal(p->offset, wanted[i][0]);
		assert_int_equal(p->size, wanted[i][1]);
	}
	go_round(&out, &rules);
	/* A table made for a chip is not another's. */
	rules.bootloader = 0;
	assert_int_equal(mm_partitions_check(&out, &rules, NULL), MM_E_FORMAT);
	rules.bootloader = 0x8000;
	assert_int_equal(mm_partitions_check(&out, &rules, NULL), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "is not before the table"));
	rules.bootloader = MM_PARTITION_UNKNOWN;
	assert_int_equal(mm_partitions_check(&out, &rules, NULL), MM_E_FORMAT);
}

/* A binary, unlike a CSV, may have its rows in any order. */
static void
rules_hold_in_any_order(void **state)
{
	static const struct {
		uint64_t offsets[2];
		size_t at;
		const char *why;
	} cases[] = {{{0x30000, 0x20000}, 9, NULL},
	    {{0x20000, 0x30000}, 9, NULL},
	    {{0x30000, 0x21000}, 1, "overlaps \"a\""},
	    {{0x21000, 0x30000}, 1, "overlaps \"a\""},
	    {{0x20000, 0x20000}, 1, "overlaps \"a\""},
	    {{0x20000, 0x8000}, 1, "first free offset is 0x9000"},
	    {{0x7000, 0x20000}, 0, "first free offset is 0x9000"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_partition rows[] = {
		    {.name = mm_span_text("a"), .type = 1, .subtype = 0x81},
		    {.name = mm_span_text("b"), .type = 1, .subtype = 0x81}};
		struct mm_partition_facts facts = {{rows, 2}, true};
		enum mm_error error;
		size_t at = 9;

		for (size_t row = 0; row < 2; row++) {
			rows[row].offset = cases[i].offsets[row];
			rows[row].size = 0x10000;
		}
		error = mm_partitions_check(&facts, &usual, &at);
		assert_int_equal(at, cases[i].at);
		if (cases[i].why == NULL)
			assert_int_equal(error, MM_OK);
		else if (error != MM_E_FORMAT ||
			 strstr(mm_why(error), cases[i].why) == NULL)
			fail_msg("%zu: %s", i, mm_why(error));
	}
}

static void
tables_lie_at_sectors(void **state)
{
	struct mm_partition_rules rules = usual;
	struct mm_partition_facts out;

	(void)state;
	rules.table = 0x8800;
	assert_int_equal(
	    read_text("a,data,fat,,4K", &rules, &out), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "cannot lie at 0x8800"));
}

static void
the_smallest_ota_slot_counts(void **state)
{
	struct mm_partition_facts out;

	(void)state;
	assert_int_equal(
	    read_text("f,app,factory,,1M\nt,app,test,,64K", &usual, &out),
	    MM_OK);
	assert_int_equal(mm_partitions_smallest_ota(&out), 0);
	assert_int_equal(read_text("f,app,factory,,64K\na,app,ota_0,,1M\n"
				   "b,app,ota_15,,960K\nc,app,tee_0,,64K\n"
				   "d,data,0x10,,64K",
			     &usual, &out),
	    MM_OK);
	assert_int_equal(mm_partitions_smallest_ota(&out), 960 << 10);
}

static void
names_that_a_csv_cannot_hold_are_refused(void **state)
{
	static const char *const names[] = {
	    "a,b", "#a", " a", "a ", "$a", "", "\xef\xbb\xbf_"};
	struct mm_partition p = {.type = 1, .subtype = 6, .size = 4096};
	struct mm_partition_facts facts = {{&p, 1}, false};
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 4096);
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		p.name = mm_span_text(names[i]);
		assert_int_equal(
		    mm_partitions_csv_write(&facts, &out), MM_E_FORMAT);
		assert_int_equal(out.size, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(
		people_write_it_in_many_ways, clear_arena),
	    cmocka_unit_test_teardown(
		each_fault_is_named_with_its_line, clear_arena),
	    cmocka_unit_test_teardown(
		a_nul_does_not_hide_the_rest_of_a_line, clear_arena),
	    cmocka_unit_test_teardown(what_just_fits_is_taken, clear_arena),
	    cmocka_unit_test_teardown(
		the_flash_holds_what_ends_at_its_end, clear_arena),
	    cmocka_unit_test_teardown(
		secure_boot_v1_wants_whole_blocks, clear_arena),
	    cmocka_unit_test_teardown(
		bootloader_and_table_lie_where_the_chip_says, clear_arena),
	    cmocka_unit_test(rules_hold_in_any_order),
	    cmocka_unit_test_teardown(tables_lie_at_sectors, clear_arena),
	    cmocka_unit_test_teardown(
		the_smallest_ota_slot_counts, clear_arena),
	    cmocka_unit_test_teardown(
		names_that_a_csv_cannot_hold_are_refused, clear_arena)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
