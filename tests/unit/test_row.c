/* Rows as an auditor takes them home: CSV that calculates nothing, JSON with
 * all keys, filters that are all met, times however they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/row.h"
#include "cli/values.h"

static struct mm_row
sample_row(void)
{
	return (struct mm_row){.index = 7,
	    .time = 1700000000,
	    .kind = MM_ENTRY_CERTIFICATE,
	    .count = 1,
	    .state = MM_ROW_SIGNED,
	    .what = "lamp-1",
	    .profile = "device",
	    .serial = "0123456789012345678901234567890123456789",
	    .order = "batch-1",
	    .station = "line-1"};
}

static void
writes(const struct mm_row_format *format, const struct mm_row *row,
    const char *wanted)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	format->row(row, out);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
}

static void
test_csv_and_json(void **state)
{
	const struct mm_row row = sample_row();

	(void)state;
	writes(&mm_row_csv, &row,
	    "7,2023-11-14T22:13:20Z,certificate,lamp-1,device,"
	    "0123456789012345678901234567890123456789,batch-1,line-1,signed,,"
	    "1\r\n");
	writes(&mm_row_json, &row,
	    "{\"index\":7,\"time\":\"2023-11-14T22:13:20Z\",\"kind\":"
	    "\"certificate\",\"what\":\"lamp-1\",\"profile\":\"device\","
	    "\"serial\":\"0123456789012345678901234567890123456789\","
	    "\"order\":\"batch-1\",\"station\":\"line-1\",\"state\":"
	    "\"signed\",\"reason\":\"\",\"count\":1}\n");
}

static void
test_cells_that_are_quoted(void **state)
{
	static const char *const rows[][2] = {{"a", "a"}, {"a,b", "\"a,b\""},
	    {"a\"b", "\"a\"\"b\""}, {"=1", "\"'=1\""}, {"+1", "\"'+1\""},
	    {"-1", "\"'-1\""}, {"@a", "\"'@a\""}, {"a=1", "a=1"},
	    {"=\",", "\"'=\"\",\""}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_row row = {.kind = MM_ENTRY_START, .count = 1};
		char wanted[128];

		snprintf(row.what, sizeof(row.what), "%s", rows[i][0]);
		snprintf(wanted, sizeof(wanted),
		    "0,1970-01-01T00:00:00Z,start,%s,,,,,,,1\r\n", rows[i][1]);
		writes(&mm_row_csv, &row, wanted);
	}
}

static void
test_a_row_comes_back_from_a_file(void **state)
{
	struct mm_row rows[2] = {sample_row(), sample_row()}, back;
	FILE *file = tmpfile();

	(void)state;
	memset(rows[1].what, 'x', MM_ROW_TEXT - 1);
	rows[1].reason[0] = '\0';
	assert_true(mm_row_put(&rows[0], file) && mm_row_put(&rows[1], file));
	rewind(file);
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		assert_true(mm_row_get(file, &back));
		assert_memory_equal(&back, &rows[i], sizeof(back));
	}
	assert_false(mm_row_get(file, &back));
	fclose(file);
}

static void
test_all_filters_are_met(void **state)
{
	const struct mm_row row = sample_row();
	struct mm_row_filter filter = {.kinds = MM_ROW_KINDS};

	(void)state;
	assert_true(mm_row_matches(&row, &filter));
	filter.device = "lamp-1";
	filter.station = "line-1";
	filter.order = "batch-1";
	memcpy(filter.serial, row.serial, sizeof(filter.serial));
	assert_true(mm_row_matches(&row, &filter));
	filter.station = "line-2";
	assert_false(mm_row_matches(&row, &filter));
	filter.station = NULL;
	filter.kinds = 1U << MM_ENTRY_IMAGE;
	assert_false(mm_row_matches(&row, &filter));
	filter.kinds = MM_ROW_KINDS;
	filter.refused = true;
	assert_false(mm_row_matches(&row, &filter));
	filter.refused = false;
	filter.product = "lamp-1";
	assert_false(mm_row_matches(&row, &filter));
	filter.product = NULL;
	filter.revoked = true;
	assert_true(mm_row_matches(&row, &filter));
	assert_false(mm_row_state_matches(&row, &filter));
}

static const struct mm_cli_option options[] = {
    MM_ROW_FILTER_OPTIONS, {"since", "TIME", "a time", false}};
static const struct mm_command command = {
    .noun = "log", .verb = "list", .operands = "", MM_COMMAND_OPTIONS(options)};

static struct mm_invocation
said(int count, const char *const *words)
{
	struct mm_invocation out;

	assert_int_equal(mm_invocation_read(&command, count,
			     (char *const *)(uintptr_t)words, &out),
	    MM_OK);
	return out;
}

static void
test_the_filters_as_text(void **state)
{
	const char *words[] = {"--revoked", "--kind", "image,certificate",
	    "--device", "a b", "--serial", "0a"};
	const struct mm_invocation invocation =
	    said((int)MM_COUNT(words), words);
	struct mm_row_filter filter;
	mm_auto(buffer) text = {0};

	(void)state;
	assert_int_equal(
	    mm_row_filter_read(&invocation, MM_ROW_KINDS, &filter), MM_OK);
	assert_int_equal(
	    mm_row_filter_text(&filter, MM_ROW_KINDS, &text), MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&text),
	    "--device a b --serial 000000000000000000000000000000000000000a "
	    "--kind certificate,image --revoked"));
	mm_buffer_clear(&text);
	filter = (struct mm_row_filter){.kinds = MM_ROW_KINDS};
	assert_int_equal(
	    mm_row_filter_text(&filter, MM_ROW_KINDS, &text), MM_OK);
	assert_int_equal(text.size, 0);
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = {{"0", 0}, {"1700000000", 1700000000},
	    {"1970-01-01T00:00:00Z", 0}, {"2023-11-14T22:13:20Z", 1700000000},
	    {"2023-11-14T23:13:20+01:00", 1700000000},
	    {"2023-11-14T20:43:20-01:30", 1700000000},
	    {"2024-02-29t00:00:00Z", 1709164800},
	    {"1970-01-01T01:00:00+01:00", 0}};
	static const char *const bad[] = {"", "x", "01", "-1",
	    "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z",
	    "2023-00-01T00:00:00Z", "2023-11-14T24:00:00Z",
	    "2023-11-14T22:60:00Z", "2023-11-14T22:13:20",
	    "2023-11-14T22:13:20+24:00", "2023-11-14T22:13:20+1",
	    "2023-11-14T22:13:20+00:000", "2023-11-14T22:13:20Z ",
	    "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
	    "2O23-11-14T22:13:20Z", "2023-11-14T22:13:20+0000"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++) {
		const char *words[] = {"--since", good[i].text};
		const struct mm_invocation invocation = said(2, words);
		uint64_t out = 4711;

		assert_int_equal(
		    mm_value_time(&invocation, "since", &out), MM_OK);
		assert_int_equal(out, good[i].seconds);
	}
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		const char *words[] = {"--since", bad[i]};
		const struct mm_invocation invocation = said(2, words);
		uint64_t out = 4711;

		if (mm_value_time(&invocation, "since", &out) != MM_E_USAGE)
			fail_msg("%s", bad[i]);
		assert_int_equal(out, 4711);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_csv_and_json),
	    cmocka_unit_test(test_cells_that_are_quoted),
	    cmocka_unit_test(test_a_row_comes_back_from_a_file),
	    cmocka_unit_test(test_all_filters_are_met),
	    cmocka_unit_test(test_the_filters_as_text),
	    cmocka_unit_test(test_times)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
