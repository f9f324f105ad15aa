/* Partition tables: what the vendor's tool makes of a CSV is made here byte for
 * byte, and back; the binary is read to its last byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/partition_room.h"

enum { ROW = 32, FLASH_4M = 4 << 20 };

static struct mm_partition_rules
rules_of(const struct vector_row *row)
{
	struct mm_partition_rules rules = usual;

	rules.table = strtoull(row->column[2], NULL, 0);
	rules.md5 = strcmp(row->column[3], "1") == 0;
	rules.secure = strcmp(row->column[4], "v1") == 0 ? 1 : 0;
	rules.flash = strcmp(row->column[5], "4MB") == 0 ? FLASH_4M : 0;
	return rules;
}

static void
check_exact(const struct vector_row *row)
{
	struct mm_partition_rules rules = rules_of(row);
	mm_auto(arena) arena = {0};
	mm_auto(buffer) csv = {0}, wanted = {0}, made = {0};
	struct mm_partition_facts facts;
	struct mm_image_facts read;
	struct mm_span binary = vector_file(VECTORS, row->column[8], &wanted);

	mm_arena_init(&arena, VECTOR_ARENA);
	mm_buffer_init(&made, MM_PARTITIONS_SIZE);
	assert_int_equal(
	    mm_partitions_csv(vector_file(VECTORS, row->column[7], &csv),
		&rules, &arena, &facts),
	    MM_OK);
	assert_int_equal(mm_partitions_binary(&facts, &made), MM_OK);
	assert_int_equal(made.size, binary.size);
	assert_memory_equal(made.data, binary.data, binary.size);
	assert_int_equal(read_binary(binary, &arena, &read), MM_OK);
	assert_same(
	    mm_list_at(read.table, struct mm_partition_facts, 0), &facts);
	assert_int_equal(read.length, MM_PARTITIONS_SIZE);
	assert_int_equal(read.trailing, 0);
	go_round(&facts, &rules);
}

static void
check_rejected(const struct vector_row *row)
{
	struct mm_partition_rules rules = rules_of(row);
	mm_auto(arena) arena = {0};
	mm_auto(buffer) csv = {0};
	struct mm_partition_facts facts = {.summed = false};
	enum mm_error error;

	mm_arena_init(&arena, VECTOR_ARENA);
	error = mm_partitions_csv(
	    vector_file(VECTORS, row->column[7], &csv), &rules, &arena, &facts);
	if (error != MM_E_FORMAT || strstr(mm_why(error), "line ") == NULL)
		fail_msg("%s: %s (%s)", row->column[0], mm_error_name(error),
		    mm_why(error));
	assert_false(facts.summed);
}

static void
the_vendors_tables_are_made_and_read(void **state)
{
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, VECTORS, "cases.tsv");
	while (vector_next(&index, &row)) {
		if (strcmp(row.column[1], "exact") == 0)
			check_exact(&row);
		else
			check_rejected(&row);
	}
	assert_int_equal(index.rows, 18);
}

/* --- how many --- */

static void
make_facts(size_t count, bool summed, struct mm_partition *room, char *names,
    struct mm_partition_facts *out)
{
	for (size_t i = 0; i < count; i++) {
		char *name = names + 8 * i;

		snprintf(name, 8, "p%u", (unsigned)i % 1000);
		room[i] = (struct mm_partition){.name = mm_span_text(name),
		    .type = MM_PARTITION_DATA,
		    .subtype = 0x81,
		    .offset = 0x9000 + 0x1000 * i,
		    .size = 0x1000};
	}
	*out = (struct mm_partition_facts){{room, count}, summed};
}

static void
a_table_holds_95_or_with_its_sum_94(void **state)
{
	struct mm_partition room[97];
	char names[97 * 8];
	struct mm_partition_facts facts;

	(void)state;
	for (size_t count = 93; count <= 96; count++)
		for (int summed = 0; summed < 2; summed++) {
			bool fits = count + (size_t)summed <= 95;
			mm_auto(buffer) made = {0}, csv = {0};
			mm_auto(arena) arena = {0};
			struct mm_image_facts read;
			struct mm_partition_rules rules = usual;

			rules.md5 = summed != 0;
			mm_buffer_init(&made, MM_PARTITIONS_SIZE);
			mm_buffer_init(&csv, 1 << 16);
			mm_arena_init(&arena, VECTOR_ARENA);
			make_facts(count, summed != 0, room, names, &facts);
			assert_int_equal(
			    mm_partitions_check(&facts, &usual, NULL) == MM_OK,
			    fits);
			assert_int_equal(
			    mm_partitions_binary(&facts, &made) == MM_OK, fits);
			assert_int_equal(
			    mm_partitions_csv_write(&facts, &csv), MM_OK);
			assert_int_equal(mm_partitions_csv(mm_buffer_span(&csv),
					     &rules, &arena, &facts) == MM_OK,
			    fits);
			if (!fits)
				continue;
			assert_int_equal(
			    read_binary(mm_buffer_span(&made), &arena, &read),
			    MM_OK);
			assert_same(mm_list_at(read.table,
					struct mm_partition_facts, 0),
			    &facts);
		}
}

/* --- the binary --- */

static void
rows_that_do_not_fit_are_not_written(void **state)
{
	static const struct mm_partition wide[] = {
	    {{(const uint8_t *)"abcdefghijklmnopq", 17}, 0, 0, 0, 0, 0, 0},
	    {{(const uint8_t *)"a", 1}, 256, 0, 0, 0, 0, 0},
	    {{(const uint8_t *)"a", 1}, 0, 256, 0, 0, 0, 0},
	    {{(const uint8_t *)"a", 1}, 0, 0, 1ULL << 32, 0, 0, 0},
	    {{(const uint8_t *)"a", 1}, 0, 0, 0, 1ULL << 32, 0, 0}};
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, MM_PARTITIONS_SIZE);
	for (size_t i = 0; i < MM_COUNT(wide); i++) {
		struct mm_partition_facts facts = {{&wide[i], 1}, true};

		assert_int_equal(
		    mm_partitions_binary(&facts, &out), MM_E_FORMAT);
		assert_int_equal(out.size, 0);
	}
}

static enum mm_error
read_changed(struct mm_span table)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;

	mm_arena_init(&arena, VECTOR_ARENA);
	return read_binary(table, &arena, &facts);
}

/* Each byte up to the end of the table's 0xC00 is covered by the MD5 sum or
 * has to be what it is. */
static void
no_byte_of_a_table_may_change(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_span table = vector_file(VECTORS, "two_ota_auto.bin", &file);

	(void)state;
	for (size_t i = 0; i < table.size; i++) {
		file.data[i] ^= 0x01;
		assert_int_equal(read_changed(table), MM_E_IMAGE);
		file.data[i] ^= 0x01;
	}
}

/* Of five entries and a sum: whole from the blank row on. */
static void
a_table_is_not_cut_before_its_end(void **state)
{
	mm_auto(buffer) file = {0};
	struct mm_span table = vector_file(VECTORS, "two_ota_auto.bin", &file);

	(void)state;
	for (size_t size = 2; size < table.size; size++) {
		bool whole = size >= 7 * ROW;

		assert_int_equal(read_changed(mm_span(table.data, size)),
		    whole ? MM_OK : MM_E_IMAGE);
	}
}

/* Without a sum each field speaks for itself. */
static void
each_fault_of_a_row_is_named(void **state)
{
	static const struct {
		size_t at, count;
		uint8_t byte;
		const char *why;
	} cases[] = {{0, 1, 0xab, "does not begin"},
	    {1, 1, 0x51, "does not begin"},
	    {ROW, 1, 0xab, "neither a partition's row"},
	    {28, 1, 4, "flags that are not known"},
	    {31, 1, 1, "flags that are not known"},
	    {12 + 15, 1, 'x', "NULs behind it"}, {12, 1, 0, "NULs behind it"},
	    {12, 3, 0, "NULs behind it"}, {12, 1, 0x80, "printable text"},
	    {7, 1, 0xff, NULL}, {10, 1, 0xff, NULL},
	    {9, 3, 0xff, "ends behind 4 GiB"},
	    {2 * ROW, 1, 0xeb, "row of the MD5 sum"},
	    {0xbff, 1, 0, "bytes behind the end"}};
	mm_auto(buffer) file = {0};
	struct mm_span table = vector_file(VECTORS, "no_md5.bin", &file);

	(void)state;
	assert_int_equal(read_changed(table), MM_OK);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		uint8_t *at = file.data + cases[i].at, before[4];
		enum mm_error error;

		memcpy(before, at, cases[i].count);
		memset(at, cases[i].byte, cases[i].count);
		error = read_changed(table);
		memcpy(at, before, cases[i].count);
		if (cases[i].why == NULL)
			assert_int_equal(error, MM_OK);
		else if (error != MM_E_IMAGE ||
			 strstr(mm_why(error), cases[i].why) == NULL)
			fail_msg("%zu: %s (%s), not %s", i,
			    mm_error_name(error), mm_why(error), cases[i].why);
	}
}

static void
what_follows_a_table_is_told(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	uint8_t *more;

	(void)state;
	mm_arena_init(&arena, VECTOR_ARENA);
	vector_file(VECTORS, "singleapp.bin", &file);
	more = mm_buffer_grow(&file, 0x400);
	memset(more, 0xff, 0x400);
	assert_int_equal(
	    read_binary(mm_buffer_span(&file), &arena, &facts), MM_OK);
	assert_int_equal(facts.length, MM_PARTITIONS_SIZE);
	assert_int_equal(facts.trailing, 0x400);
	assert_true(facts.blank);
	file.data[MM_PARTITIONS_SIZE + 0x3ff] = 0;
	assert_int_equal(
	    read_binary(mm_buffer_span(&file), &arena, &facts), MM_OK);
	assert_int_equal(facts.trailing, 0x400);
	assert_false(facts.blank);
	assert_int_equal(facts.signatures.count, 0);
}

/* The file may be gone when somebody asks. */
static void
facts_do_not_point_into_the_file(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	const struct mm_partition_facts *table;
	struct mm_image_facts facts;

	(void)state;
	mm_arena_init(&arena, VECTOR_ARENA);
	vector_file(VECTORS, "singleapp.bin", &file);
	assert_int_equal(
	    read_binary(mm_buffer_span(&file), &arena, &facts), MM_OK);
	memset(file.data, 0, file.size);
	table = mm_list_at(facts.table, struct mm_partition_facts, 0);
	assert_true(mm_span_is(
	    mm_list_at(table->partitions, struct mm_partition, 0)->name,
	    "nvs"));
}

/* Version 0, and any r and s from 1 to the order. */
static void
a_secure_boot_v1_signature_is_seen(void **state)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	uint8_t *more;

	(void)state;
	mm_arena_init(&arena, VECTOR_ARENA);
	vector_file(VECTORS, "secure_v1.bin", &file);
	more = mm_buffer_grow(&file, 68);
	memset(more, 0, 68);
	memset(more + 4, 0x11, 64);
	assert_int_equal(
	    read_binary(mm_buffer_span(&file), &arena, &facts), MM_OK);
	assert_int_equal(facts.signatures.count, 1);
	assert_int_equal(facts.length, MM_PARTITIONS_SIZE);
	assert_int_equal(facts.trailing, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vendors_tables_are_made_and_read),
	    cmocka_unit_test(a_table_holds_95_or_with_its_sum_94),
	    cmocka_unit_test(rows_that_do_not_fit_are_not_written),
	    cmocka_unit_test(no_byte_of_a_table_may_change),
	    cmocka_unit_test(a_table_is_not_cut_before_its_end),
	    cmocka_unit_test(each_fault_of_a_row_is_named),
	    cmocka_unit_test(what_follows_a_table_is_told),
	    cmocka_unit_test(facts_do_not_point_into_the_file),
	    cmocka_unit_test(a_secure_boot_v1_signature_is_seen)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
