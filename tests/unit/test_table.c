/* A table for people: columns as wide as what stands in them, what is absent
 * as a dash, lists with commas; and lists that come page by page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/pages.h"
#include "cli/table.h"
#include "tests/unit/command_line.h"

static const char *const columns[] = {"name", "list", "n"};

/* What is printed while `rows` are. */
static void
prints(const char *words, json_t *rows, const char *wanted)
{
	struct mm_invocation invocation =
	    command_line(&mm_order_list_command, words);
	char text[8192];
	int kept = dup(STDOUT_FILENO);
	FILE *file = tmpfile();
	size_t size;

	assert_non_null(rows);
	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	mm_table_print(&invocation, "rows", rows, columns, MM_COUNT(columns));
	fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	close(kept);
	rewind(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	assert_string_equal(text, wanted);
}

static void
test_a_table(void **state)
{
	(void)state;
	prints("",
	    json_pack("[{s:s, s:[s, s], s:i}, {s:s, s:[]}]", "name", "\xc3\xbc",
		"list", "a", "b", "n", 7, "name", "longer", "list"),
	    "name    list  n\n"
	    "\xc3\xbc       a,b   7\n"
	    "longer  -     -\n");
	prints("", json_array(), "");
}

static void
test_json(void **state)
{
	(void)state;
	prints("--json", json_pack("[{s:s, s:b}]", "name", "x", "other", 1),
	    "{\"rows\":[{\"name\":\"x\",\"other\":true}]}\n");
	prints("--json", json_array(), "{\"rows\":[]}\n");
}

static void
test_what_is_too_long(void **state)
{
	char name[600], line[1024];
	json_t *list = json_array();

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < 4; i++)
		json_array_append_new(list, json_string("0123456789"));
	snprintf(line, sizeof(line),
	    "name%*s  list                                         n\n"
	    "%.255s  0123456789,0123456789,0123456789,0123456789  -\n",
	    251, "", name);
	prints("", json_pack("[{s:s, s:o}]", "name", name, "list", list), line);
	/* A list that fills its cell ends there. */
	list = json_array();
	for (size_t i = 0; i < 100; i++)
		json_array_append_new(list, json_string(name));
	snprintf(line, sizeof(line), "name  list%*s  n\n-     %.255s  -\n", 251,
	    "", name);
	prints("", json_pack("[{s:o}]", "list", list), line);
}

/* --- pages --- */

struct row {
	struct mm_span name;
	uint64_t number;
};

static enum mm_error
add(struct mm_pages *pages, const char *const *names, size_t count)
{
	struct row rows[8];
	const struct mm_list list = {rows, count};

	for (size_t i = 0; i < count; i++)
		rows[i] = (struct row){mm_span_text(names[i]), i};
	return mm_pages_add(pages, &list);
}

static void
test_pages_ascend(void **state)
{
	static const char *const first[] = {"a", "b"}, *const next[] = {"c"},
				 *const again[] = {"c"}, *const back[] = {"b"};
	mm_auto(arena) arena = {0};
	struct mm_pages pages = {.arena = &arena, .size = sizeof(struct row)};

	(void)state;
	mm_arena_init(&arena, 1 << 22);
	assert_int_equal(mm_pages_last(&pages).size, 0);
	assert_int_equal(add(&pages, first, 2), MM_OK);
	assert_int_equal(add(&pages, next, 1), MM_OK);
	assert_int_equal(pages.count, 3);
	assert_true(mm_span_is(mm_pages_last(&pages), "c"));
	assert_int_equal(add(&pages, again, 1), MM_E_PEER);
	assert_int_equal(add(&pages, back, 1), MM_E_PEER);
	assert_int_equal(((struct row *)pages.rows)[1].number, 1);
}

/* Rows stay what they were while the list grows; it ends at 65,536. */
static void
test_many_pages(void **state)
{
	mm_auto(arena) arena = {0};
	struct mm_pages pages = {.arena = &arena, .size = sizeof(struct row)};
	enum mm_error error = MM_OK;
	uint64_t count = 0;

	(void)state;
	mm_arena_init(&arena, 1 << 24);
	while (error == MM_OK && count < 100000) {
		struct row row = {.number = count};
		const struct mm_list list = {&row, 1};
		char name[16];

		snprintf(name, sizeof(name), "%08ju", (uintmax_t)count);
		row.name = mm_arena_copy(&arena, mm_span_text(name));
		error = mm_pages_add(&pages, &list);
		count += error == MM_OK;
	}
	assert_int_equal(error, MM_E_MEMORY);
	assert_int_equal(count, pages.count);
	assert_in_range(count, 16384, 65536);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(((struct row *)pages.rows)[i].number, i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_table),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_what_is_too_long),
	    cmocka_unit_test(test_pages_ascend),
	    cmocka_unit_test(test_many_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
