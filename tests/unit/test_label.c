/* Labels: templates and their faults, what each kind lets pass, the limits of
 * codes, lines and sheets, and lists as CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "factory/csv.h"
#include "factory/label.h"
#include "tests/unit/text_file.h"

enum { DRAWN_MAX = 1 << 24 };

static struct mm_label_values
some(const char *name, const char *value)
{
	struct mm_label_values values = {.count = 1};

	values.items[0].name = mm_span_text(name);
	values.items[0].value = mm_span_text(value);
	return values;
}

static enum mm_error
make(enum mm_label_kind kind, const char *template,
    const struct mm_label_values *values, struct mm_label *label)
{
	const struct mm_label_plan plan = {
	    .kind = kind, .level = MM_LABEL_M, .template = template};

	return mm_label_make(&plan, values, label);
}

static void
fills(const char *template, const char *name, const char *value, bool file,
    const char *wanted)
{
	const struct mm_label_values values = some(name, value);
	mm_auto(buffer) out = {0};

	mm_buffer_init(&out, 1024);
	assert_int_equal(mm_label_fill(template, &values, file, &out), MM_OK);
	assert_int_equal(out.size, strlen(wanted));
	assert_memory_equal(out.data, wanted, out.size);
}

static void
templates_are_filled(void **state)
{
	(void)state;
	fills("a{x}b", "x", "1", false, "a1b");
	fills("{x}{x}", "x", "é", false, "éé");
	fills("{{x}}{{{x}}}", "x", "1", false, "{x}{1}");
	fills("", "x", "1", false, "");
	fills("d/{x}.svg", "x", "../a b:c", true, "d/.._a_b_c.svg");
}

static void
faults_of_templates(void **state)
{
	static const struct {
		const char *template;
		const char *value;
		enum mm_error error;
	} cases[] = {{"{", "1", MM_E_USAGE}, {"}", "1", MM_E_USAGE},
	    {"{}", "1", MM_E_USAGE}, {"{x", "1", MM_E_USAGE},
	    {"{x{", "1", MM_E_USAGE}, {"x}", "1", MM_E_USAGE},
	    {"{y}", "1", MM_E_USAGE}, {"{x }", "1", MM_E_USAGE},
	    {"{x}", "", MM_E_USAGE}, {"{x}", "\n", MM_E_FORMAT},
	    {"{x}", "\xff", MM_E_FORMAT}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		const struct mm_label_values values = some("x", cases[i].value);
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, 64);
		assert_int_equal(
		    mm_label_fill(cases[i].template, &values, false, &out),
		    cases[i].error);
	}
}

static void
an_error_does_not_tell_a_value(void **state)
{
	const struct mm_label_values values = some("pop", "geheim\n");
	struct mm_label label;

	(void)state;
	assert_int_equal(
	    make(MM_LABEL_TEXT, "{pop}", &values, &label), MM_E_FORMAT);
	assert_null(strstr(mm_why(MM_E_FORMAT), "geheim"));
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "{pop}"));
}

static void
kinds(void **state)
{
	static const struct {
		enum mm_label_kind kind;
		const char *template;
		enum mm_error error;
	} cases[] = {{MM_LABEL_TEXT, NULL, MM_E_USAGE},
	    {MM_LABEL_TEXT, "", MM_E_USAGE}, {MM_LABEL_TEXT, "a", MM_OK},
	    {MM_LABEL_URL, "a:b", MM_OK}, {MM_LABEL_URL, "a+.-1:b", MM_OK},
	    {MM_LABEL_URL, "1:b", MM_E_FORMAT},
	    {MM_LABEL_URL, "a:", MM_E_FORMAT}, {MM_LABEL_URL, "a", MM_E_FORMAT},
	    {MM_LABEL_URL, "a:{{", MM_E_FORMAT},
	    {MM_LABEL_URL, "a:\x7f", MM_E_FORMAT},
	    {MM_LABEL_ESP, NULL, MM_E_USAGE},
	    {MM_LABEL_MATTER, NULL, MM_E_USAGE},
	    {MM_LABEL_MATTER, "MT:", MM_E_FORMAT},
	    {MM_LABEL_MATTER, "MT:A", MM_OK},
	    {MM_LABEL_MATTER, "mt:A", MM_E_FORMAT},
	    {MM_LABEL_MATTER, "MT:A B", MM_E_FORMAT}};
	const struct mm_label_values values = some("x", "1");

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_label label;

		assert_int_equal(
		    make(cases[i].kind, cases[i].template, &values, &label),
		    cases[i].error);
	}
}

/* Bytes that a code holds at most: ISO/IEC 18004 table 7, version 40. */
static void
limits_of_codes(void **state)
{
	static const size_t most[MM_LABEL_LEVELS] = {2953, 2331, 1663, 1273};
	const struct mm_label_values values = some("x", "1");
	char text[2955];
	struct mm_label label;

	(void)state;
	for (unsigned level = 0; level < MM_LABEL_LEVELS; level++)
		for (size_t size = most[level] - 1; size <= most[level] + 1;
		     size++) {
			const struct mm_label_plan plan = {
			    .kind = MM_LABEL_TEXT,
			    .level = (enum mm_label_level)level,
			    .template = text};

			memset(text, 'a', size);
			text[size] = '\0';
			assert_int_equal(mm_label_make(&plan, &values, &label),
			    size <= most[level] ? MM_OK : MM_E_RANGE);
			if (size <= most[level])
				assert_int_equal(label.side, 177);
		}
}

static void
limits_of_lines(void **state)
{
	const struct mm_label_values values = some("x", "1");
	char line[MM_LABEL_LINE_MAX + 2] = "";
	const struct mm_label_plan plan = {.kind = MM_LABEL_TEXT,
	    .template = "x",
	    .lines = {line},
	    .line_count = 1};

	(void)state;
	for (size_t size = MM_LABEL_LINE_MAX - 1; size <= MM_LABEL_LINE_MAX + 1;
	     size++) {
		struct mm_label label = {.side = 0};

		memset(line, 'l', size);
		assert_int_equal(mm_label_make(&plan, &values, &label),
		    size <= MM_LABEL_LINE_MAX ? MM_OK : MM_E_RANGE);
		assert_int_equal(
		    label.side, size <= MM_LABEL_LINE_MAX ? 21 : 0);
	}
}

static void
a_printer_has_whole_dots(void **state)
{
	const struct mm_label_values values = some("x", "1");
	mm_auto(buffer) out = {0};
	struct mm_label label;

	(void)state;
	mm_buffer_init(&out, DRAWN_MAX);
	assert_int_equal(make(MM_LABEL_TEXT, "x", &values, &label), MM_OK);
	/* 21 + 8 modules want 29 dots. */
	assert_int_equal(mm_label_zpl(&label, 28, 1, &out), MM_E_RANGE);
	assert_int_equal(mm_label_zpl(&label, 29, 1, &out), MM_OK);
}

static void
pixels(void **state)
{
	const struct mm_label_values values = some("x", "1");
	static const struct {
		unsigned scale;
		enum mm_error error;
	} cases[] = {
	    {0, MM_E_RANGE}, {1, MM_OK}, {20, MM_OK}, {21, MM_E_RANGE}};
	struct mm_label label;

	(void)state;
	assert_int_equal(make(MM_LABEL_TEXT, "x", &values, &label), MM_OK);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, DRAWN_MAX);
		assert_int_equal(
		    mm_label_png(&label, cases[i].scale, &out), cases[i].error);
	}
}

static void
a_sheet_is_full_when_it_is(void **state)
{
	const struct mm_label_values values = some("x", "1");
	mm_auto(buffer) out = {0};
	struct mm_label_sheet sheet;
	struct mm_label label;
	unsigned placed = 0;

	(void)state;
	mm_buffer_init(&out, DRAWN_MAX);
	assert_int_equal(make(MM_LABEL_TEXT, "x", &values, &label), MM_OK);
	assert_int_equal(mm_label_sheet_init(&sheet, 190, 0), MM_OK);
	assert_int_equal(mm_label_sheet_init(&sheet, 191, 0), MM_E_RANGE);
	assert_int_equal(mm_label_sheet_init(&sheet, 25, 2), MM_OK);
	mm_label_sheet_begin(&sheet, &out);
	while (mm_label_sheet_add(&sheet, &label, &out))
		placed++;
	assert_int_equal(placed, sheet.columns * sheet.rows);
	assert_int_equal(placed, 6 * 7);
}

/* --- lists --- */

static void
cells_are_read(void **state)
{
	mm_auto(csv) csv = {0};
	bool more;

	(void)state;
	text_file_write("\xef\xbb\xbf"
			"a,b\r\n\"1,\"\"\r\n\",\r\n\n2,3");
	assert_int_equal(mm_csv_open(text_path, &csv), MM_OK);
	assert_int_equal(csv.count, 2);
	assert_true(mm_span_is(csv.names[0], "a"));
	assert_int_equal(mm_csv_next(&csv, &more), MM_OK);
	assert_true(more && mm_span_is(csv.cells[0], "1,\"\r\n"));
	assert_true(mm_span_is(csv.cells[1], ""));
	assert_int_equal(csv.line, 2);
	assert_int_equal(mm_csv_next(&csv, &more), MM_OK);
	assert_true(more && mm_span_is(csv.cells[1], "3"));
	assert_int_equal(csv.line, 5);
	assert_int_equal(mm_csv_next(&csv, &more), MM_OK);
	assert_false(more);
}

static void
columns_have_a_limit(void **state)
{
	(void)state;
	for (int count = MM_CSV_COLUMNS - 1; count <= MM_CSV_COLUMNS + 1;
	     count++) {
		mm_auto(csv) csv = {0};
		char text[1024] = "";

		for (int i = 0; i < count; i++)
			sprintf(
			    text + strlen(text), "%sc%d", i > 0 ? "," : "", i);
		text_file_write(text);
		assert_int_equal(mm_csv_open(text_path, &csv),
		    count <= MM_CSV_COLUMNS ? MM_OK : MM_E_FORMAT);
	}
}

static void
rows_have_a_limit(void **state)
{
	char *text = calloc(1, MM_CSV_ROW + 16);

	(void)state;
	assert_non_null(text);
	/* The cell and its end. */
	for (size_t size = MM_CSV_ROW - 2; size <= MM_CSV_ROW; size++) {
		mm_auto(csv) csv = {0};
		bool more;

		memcpy(text, "a\n", 2);
		memset(text + 2, 'x', size);
		text_file_write(text);
		assert_int_equal(mm_csv_open(text_path, &csv), MM_OK);
		assert_int_equal(mm_csv_next(&csv, &more),
		    size < MM_CSV_ROW ? MM_OK : MM_E_FORMAT);
	}
	free(text);
}

/* Nothing of it is lost, though there is no way back. */
static void
a_list_from_a_pipe(void **state)
{
	static const char *const texts[] = {"ab,c\n", "\xef\xbb\xbf"
						      "ab,c\n"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(texts); i++) {
		mm_auto(csv) csv = {0};
		size_t size = strlen(texts[i]);
		char path[64];
		int ends[2];

		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], texts[i], size), size);
		assert_int_equal(close(ends[1]), 0);
		snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
		assert_int_equal(mm_csv_open(path, &csv), MM_OK);
		assert_true(mm_span_is(csv.names[0], "ab"));
		assert_int_equal(close(ends[0]), 0);
	}
}

static void
a_list_that_is_not_there(void **state)
{
	mm_auto(csv) csv = {0};

	(void)state;
	unlink(text_path);
	assert_int_equal(mm_csv_open(text_path, &csv), MM_E_FILE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(templates_are_filled),
	    cmocka_unit_test(faults_of_templates),
	    cmocka_unit_test(an_error_does_not_tell_a_value),
	    cmocka_unit_test(kinds),
	    cmocka_unit_test(limits_of_codes),
	    cmocka_unit_test(limits_of_lines),
	    cmocka_unit_test(a_printer_has_whole_dots),
	    cmocka_unit_test(pixels),
	    cmocka_unit_test(a_sheet_is_full_when_it_is),
	    cmocka_unit_test(cells_are_read),
	    cmocka_unit_test(columns_have_a_limit),
	    cmocka_unit_test(rows_have_a_limit),
	    cmocka_unit_test(a_list_from_a_pipe),
	    cmocka_unit_test(a_list_that_is_not_there),
	};

	return cmocka_run_group_tests(
	    tests, text_file_setup, text_file_teardown);
}
