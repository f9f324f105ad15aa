/* The command line: every way of getting it wrong is a usage error that says
 * what, before anything is read or asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/result_files.h"
#include "cli/values.h"

static const struct mm_cli_option options[] = {
    {"name", "NAME", "what it is called", true},
    {"number", "N", "how many", false},
    {"flag", NULL, "whether", false},
    {"also", "THING", "more of it", MM_OPTION_REPEATED},
};

static enum mm_error
run_nothing(const struct mm_invocation *invocation)
{
	(void)invocation;
	return MM_OK;
}

static const struct mm_command command = {.noun = "thing",
    .verb = "do",
    .operands = "FILE [OTHER]",
    .operand_min = 1,
    .operand_max = 2,
    .summary = "does a thing",
    .results = "thing",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run_nothing};

static const struct mm_command *const commands[] = {&mm_quickstart_command,
    &mm_ceremony_prepare_command, &mm_ceremony_sign_command,
    &mm_ceremony_run_command, &mm_ceremony_record_command,
    &mm_ceremony_fetch_command, &mm_ceremony_amend_command,
    &mm_ceremony_approve_command, &mm_ceremony_csr_command,
    &mm_ceremony_import_command, &mm_ceremony_prove_command,
    &mm_officer_keygen_command, &mm_officer_list_command,
    &mm_order_create_command, &mm_order_approve_command, &mm_order_show_command,
    &mm_order_list_command, &mm_order_extend_command, &mm_order_close_command,
    &mm_order_reopen_command, &mm_order_scrap_command, &mm_pending_list_command,
    &mm_pending_show_command, &mm_pending_approve_command,
    &mm_pending_withdraw_command, &mm_cert_issue_command, &mm_cert_show_command,
    &mm_cert_list_command, &mm_cert_lint_command, &mm_cert_revoke_command,
    &mm_cert_crl_command, &mm_release_submit_command,
    &mm_release_approve_command, &mm_release_fetch_command,
    &mm_release_list_command, &mm_release_show_command,
    &mm_release_withdraw_command, &mm_release_keys_command,
    &mm_image_inspect_command, &mm_flash_der_command,
    &mm_station_request_command, &mm_station_add_command,
    &mm_station_fetch_command, &mm_station_list_command,
    &mm_station_disable_command, &mm_station_enable_command,
    &mm_station_renew_command, &mm_policy_check_command,
    &mm_policy_propose_command, &mm_policy_approve_command,
    &mm_policy_show_command, &mm_log_status_command, &mm_log_list_command,
    &mm_log_show_command, &mm_log_export_command, &mm_log_verify_command,
    &mm_log_prove_command, &mm_log_watch_command, &mm_receipt_verify_command,
    &mm_witness_create_command, &mm_witness_follow_command,
    &mm_witness_show_command, &mm_witness_cosign_command,
    &mm_witness_serve_command, &mm_witness_collect_command,
    &mm_witness_request_command, &mm_witness_deliver_command};

enum { WORDS_MAX = 24 };

/* A line cut at its blanks. */
static enum mm_error
read_line(
    const struct mm_command *of, const char *line, struct mm_invocation *out)
{
	static char text[512];
	char *words[WORDS_MAX];
	int count = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word != NULL;
	     word = strtok(NULL, " ")) {
		assert_true(count < WORDS_MAX);
		words[count++] = word;
	}
	return mm_invocation_read(of, count, words, out);
}

static void
says(enum mm_error error, const char *why)
{
	assert_int_equal(error, MM_E_USAGE);
	if (strstr(mm_why(MM_E_USAGE), why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", mm_why(MM_E_USAGE), why);
}

static void
test_a_line_is_taken_apart(void **state)
{
	struct mm_invocation in;

	(void)state;
	assert_int_equal(read_line(&command,
			     "--name=a file --number 3 --flag - --json", &in),
	    MM_OK);
	assert_string_equal(mm_option(&in, "name"), "a");
	assert_string_equal(mm_option(&in, "number"), "3");
	assert_string_equal(mm_option(&in, "flag"), "");
	assert_null(mm_option(&in, "nothing"));
	assert_int_equal(in.operand_count, 2);
	assert_string_equal(in.operands[0], "file");
	assert_string_equal(in.operands[1], "-");
	assert_true(in.json);
	assert_false(in.force);
	assert_int_equal(
	    read_line(&command, "--force --name --flag -- --json", &in), MM_OK);
	assert_true(in.force);
	assert_false(in.json);
	assert_string_equal(mm_option(&in, "name"), "--flag");
	assert_string_equal(in.operands[0], "--json");
	assert_int_equal(read_line(&command, "--name= x", &in), MM_OK);
	assert_string_equal(mm_option(&in, "name"), "");
}

/* Each time in its order; the first is the option's value. */
/* A switch that does nothing would be taken for one that does. */
static void
test_json_is_for_what_has_results(void **state)
{
	struct mm_command silent = command;
	struct mm_invocation in;

	(void)state;
	silent.results = NULL;
	assert_int_equal(read_line(&silent, "--name a b", &in), MM_OK);
	says(read_line(&silent, "--name a b --json", &in),
	    "there is no option --json");
}

static void
test_repeated_options(void **state)
{
	struct mm_invocation in;

	(void)state;
	assert_int_equal(
	    read_line(&command, "--also x --name a --also=y --also x b", &in),
	    MM_OK);
	assert_string_equal(mm_option(&in, "also"), "x");
	assert_string_equal(mm_option_nth(&in, "also", 0), "x");
	assert_string_equal(mm_option_nth(&in, "also", 1), "y");
	assert_string_equal(mm_option_nth(&in, "also", 2), "x");
	assert_null(mm_option_nth(&in, "also", 3));
	assert_null(mm_option_nth(&in, "name", 0));
	assert_int_equal(read_line(&command, "--name a b", &in), MM_OK);
	assert_null(mm_option(&in, "also"));
	assert_null(mm_option_nth(&in, "also", 0));
	says(read_line(&command, "--name a b --also", &in),
	    "--also wants THING");
}

static void
test_repeated_too_often(void **state)
{
	char *words[MM_REPEATED_MAX + 3];
	char name[] = "--name=a", also[] = "--also=x", file[] = "b";
	struct mm_invocation in;

	(void)state;
	words[0] = name;
	words[1] = file;
	for (size_t i = 2; i < MM_COUNT(words); i++)
		words[i] = also;
	assert_int_equal(
	    mm_invocation_read(&command, MM_REPEATED_MAX + 2, words, &in),
	    MM_OK);
	assert_non_null(mm_option_nth(&in, "also", MM_REPEATED_MAX - 1));
	says(mm_invocation_read(&command, MM_REPEATED_MAX + 3, words, &in),
	    "--also is said more than 32 times");
}

static void
test_lines_that_are_refused(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
	    {"", "--name NAME is missing"},
	    {"file", "--name NAME is missing: what it is called"},
	    {"--name a", "FILE [OTHER] is missing"},
	    {"--name a b c d", "\"d\" is one word too many"},
	    {"--name a --name b c", "--name is said twice"},
	    {"--name=a --name=b c", "--name is said twice"},
	    {"--flag --flag --name a b", "--flag is said twice"},
	    {"--flag=yes --name a b", "--flag takes no value"},
	    {"b --name", "--name wants NAME"},
	    {"--nam a b", "there is no option --nam"},
	    {"--names a b", "there is no option --names"},
	    {"--name a b -x", "there is no option -x"},
	    {"--json=1 --name a b", "there is no option --json=1"},
	    {"--=x --name a b", "there is no option --=x"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_invocation in;

		says(read_line(&command, rows[i].line, &in), rows[i].why);
	}
}

static void
test_numbers(void **state)
{
	static const char *const bad[] = {"2", "11", "", "-3", "+3", "03", "3x",
	    "0x3", "99999999999999999999"};
	uint64_t number = 7;
	struct mm_invocation in;

	(void)state;
	assert_int_equal(read_line(&command, "--name a b", &in), MM_OK);
	assert_int_equal(mm_value_number(&in, "number", 3, 10, &number), MM_OK);
	assert_int_equal(number, 7);
	in.values[1] = "3";
	assert_int_equal(mm_value_number(&in, "number", 3, 10, &number), MM_OK);
	assert_int_equal(number, 3);
	in.values[1] = "10";
	assert_int_equal(mm_value_number(&in, "number", 3, 10, &number), MM_OK);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		in.values[1] = bad[i];
		says(mm_value_number(&in, "number", 3, 10, &number),
		    "--number is a number from 3 to 10");
	}
	assert_int_equal(number, 10);
}

static void
test_words(void **state)
{
	static const char *const bad[] = {"", ",", "a,", ",a", "a,,b"};
	struct mm_invocation in;
	mm_auto(arena) arena = {0};
	struct mm_list list;

	(void)state;
	mm_arena_init(&arena, 4096);
	assert_int_equal(read_line(&command, "--name a,bc b", &in), MM_OK);
	assert_int_equal(mm_value_words(&in, "name", &arena, &list), MM_OK);
	assert_int_equal(list.count, 2);
	assert_true(
	    mm_span_is(mm_list_at(list, struct mm_text_item, 1)->value, "bc"));
	assert_int_equal(mm_value_words(&in, "number", &arena, &list), MM_OK);
	assert_int_equal(list.count, 0);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		in.values[0] = bad[i];
		says(mm_value_words(&in, "name", &arena, &list), "a comma");
	}
}

static void
test_hex(void **state)
{
	static const char *const bad[] = {
	    "", "a", "0g", "aabbccdd", "aa bb", ":", "\xe0\xe0"};
	struct mm_invocation in;
	mm_auto(arena) arena = {0};
	struct mm_span bytes;

	(void)state;
	mm_arena_init(&arena, 4096);
	assert_int_equal(read_line(&command, "--name 0A:1b b", &in), MM_OK);
	assert_int_equal(mm_value_hex(&in, "name", 3, &arena, &bytes), MM_OK);
	assert_true(mm_span_equal(bytes, mm_span("\x0a\x1b", 2)));
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		in.values[0] = bad[i];
		says(mm_value_hex(&in, "name", 3, &arena, &bytes),
		    "--name is 1 to 3 bytes in hex");
	}
}

/* What the tables promise to the parser and to the help. */
static void
test_the_commands_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(commands); i++) {
		const struct mm_command *one = commands[i];

		assert_non_null(one->noun);
		assert_non_null(one->operands);
		assert_non_null(one->summary);
		assert_non_null(one->run);
		assert_true(one->option_count <= MM_OPTIONS_MAX);
		assert_true(one->operand_min <= one->operand_max &&
			    one->operand_max <= MM_OPERANDS_MAX);
		assert_true(one->operand_max == 0 || one->operands[0] != '\0');
		for (size_t n = 0; n < one->option_count; n++) {
			assert_non_null(one->options[n].help);
			assert_true(one->options[n].times == MM_OPTION_MAY ||
				    one->options[n].value != NULL);
			for (size_t m = 0; m < n; m++)
				assert_string_not_equal(
				    one->options[n].name, one->options[m].name);
		}
	}
}

/* Combinations that the rows alone cannot say, and values. */
static void
test_commands_refuse(void **state)
{
	static const struct {
		const struct mm_command *command;
		const char *line, *why;
	} rows[] = {
	    {&mm_cert_issue_command,
		"--identity . --order o --device d --wait x c",
		"--wait is a number"},
	    {&mm_cert_issue_command,
		"--identity . --order o --device d --wait 3601 c",
		"--wait is a number from 0 to 3600"},
	    {&mm_cert_show_command, "--identity .", "--device or --serial"},
	    {&mm_cert_show_command, "--identity . --device d --serial 01",
		"--device or --serial"},
	    {&mm_cert_show_command, "--identity . --profile p --serial 01",
		"--profile goes with --device"},
	    {&mm_cert_show_command, "--identity . --serial xy",
		"--serial is 1 to 20 bytes"},
	    {&mm_release_submit_command,
		"--identity . --product p --version v --out o "
		"--officer k --statement s i",
		"--officer and --statement exclude"},
	    {&mm_release_submit_command,
		"--identity . --product p --version v --unread i",
		"nothing to do"},
	    {&mm_release_submit_command,
		"--identity . --product p --version v --out - i",
		"--out is a directory"},
	    {&mm_release_fetch_command, "--identity . --out o p", "PRODUCT@"},
	    {&mm_release_fetch_command, "--identity . --out o p@", "PRODUCT@"},
	    {&mm_release_fetch_command, "--identity . --out o 1234567",
		"8 or more hex digits"},
	    {&mm_release_list_command, "--identity . --state odd",
		"--state is waiting"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--reissue 101% --pattern *",
		"0% to 100%"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--reissue % --pattern *",
		"0% to 100%"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--until never --pattern *",
		"--until"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--first a",
		"--first and --last"},
	    {&mm_cert_revoke_command,
		"--identity . --officer k --reason lost --serial 01",
		"RFC 5280"},
	    {&mm_cert_revoke_command,
		"--identity . --officer k --reason superseded",
		"--serial, --list or --device"},
	    {&mm_cert_revoke_command,
		"--identity . --officer k --reason superseded --serial 01 "
		"--device d",
		"--serial, --list or --device"},
	    {&mm_station_add_command,
		"--identity . --officer k --name n --csr c --role king",
		"--role is station"},
	    {&mm_station_add_command,
		"--identity . --officer k --name n --csr c", "--profile"},
	    {&mm_receipt_verify_command, "--key k --log l r", "--statements"},
	    {&mm_receipt_verify_command,
		"--key k --statements b --log l --identity i r",
		"--identity or --log"},
	    {&mm_receipt_verify_command, "--key k --quorum 1 r",
		"--quorum counts"},
	    {&mm_log_prove_command, "--out o x d", "INDEX is"},
	    {&mm_log_watch_command, "--state s --keep-going d", "--hook"},
	    {&mm_log_watch_command, "--state s --once --interval 1 d",
		"--once has no"},
	    {&mm_log_verify_command, "", "--key and a directory"},
	    {&mm_log_verify_command, "d", "--key and a directory"},
	    {&mm_log_verify_command, "--key k", "--key and a directory"},
	    {&mm_log_verify_command, "--identity i d", "--key and a directory"},
	    {&mm_log_verify_command, "--identity i --key k d",
		"--key and a directory"},
	    {&mm_receipt_verify_command, "--key k --certificate c r",
		"--certificate goes with a file"},
	    {&mm_cert_issue_command,
		"--identity . --order= --device d --wait 3601 c",
		"--wait is a number"},
	    {&mm_release_fetch_command, "--identity . --out - p@1",
		"--out is a directory"},
	    {&mm_order_create_command,
		"--identity . --officer k --name= --units 1 --station s",
		"--name is 1 to 64 bytes"},
	    {&mm_quickstart_command, "--dir . --units 0",
		"--units is a number from 1"},
	    {&mm_quickstart_command, "--dir . --origin a+b",
		"--origin \"a+b\": a key's name is"},
	    {&mm_quickstart_command, "--dir . --listen 127.0.0.1",
		"--listen is an address and a port"},
	    {&mm_quickstart_command, "--dir . --listen 127.0.0.1:0",
		"--listen is an address and a port"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s",
		"--pattern, or --first and --last, or --devices"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--first a",
		"--pattern, or"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--last a",
		"--pattern, or"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--pattern x --last a",
		"--pattern, or"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--pattern x --devices f",
		"--pattern, or"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 0 --station s "
		"--pattern x",
		"--units is a number from 1"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s, "
		"--pattern x",
		"a comma"},
	    {&mm_order_create_command,
		"--identity . --officer k --name n --units 1 --station s "
		"--pattern x --until 0",
		"say 1 to 36500 days"},
	    {&mm_flash_der_command, "--out o", "--certificate, --key or"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_invocation in;

		assert_int_equal(
		    read_line(rows[i].command, rows[i].line, &in), MM_OK);
		says(rows[i].command->run(&in), rows[i].why);
	}
}

static void
test_the_prefix_of_a_device(void **state)
{
	static const struct mm_cli_option out[] = {
	    {"out", "PREFIX", "where", false}};
	const struct mm_command writer = {
	    .operands = "", MM_COMMAND_OPTIONS(out)};
	struct mm_invocation in = {.command = &writer};
	char prefix[PATH_MAX];

	(void)state;
	assert_int_equal(
	    mm_result_prefix(&in, mm_span_text("a:b/c d.e_f-9"), prefix),
	    MM_OK);
	assert_string_equal(prefix, "a_b_c_d.e_f-9");
	in.values[0] = "dir/x:y";
	assert_int_equal(
	    mm_result_prefix(&in, mm_span_text("a"), prefix), MM_OK);
	assert_string_equal(prefix, "dir/x:y");
}

/* -o is --out, where there is one, and nothing else has a letter. */
static void
test_o_is_out(void **state)
{
	static const struct mm_cli_option rows[] = {
	    {"out", "DIR", "where the files go", true}};
	struct mm_command writer = command;
	struct mm_invocation in;

	(void)state;
	writer.options = rows;
	writer.option_count = MM_COUNT(rows);
	assert_int_equal(read_line(&writer, "a -o there b", &in), MM_OK);
	assert_string_equal(mm_option(&in, "out"), "there");
	says(read_line(&writer, "a -o", &in), "--out wants DIR");
	says(read_line(&writer, "a -o x --out y", &in), "--out is said twice");
	says(read_line(&writer, "a -ox", &in), "there is no option -ox");
	says(read_line(&command, "--name a b -o x", &in),
	    "there is no option -o");
}

/* --force is an option only where there are files to overwrite. */
static void
test_force_is_for_what_writes(void **state)
{
	struct mm_invocation in;

	(void)state;
	says(read_line(&mm_log_status_command, "--identity . --force", &in),
	    "there is no option --force");
	assert_int_equal(read_line(&mm_release_fetch_command,
			     "--identity . --out o --force p@1", &in),
	    MM_OK);
	assert_true(in.force);
}

/* Asked before anything is signed. */
static void
test_results_that_cannot_be_written(void **state)
{
	static const char *const suffixes[] = {".a", ".b"};
	struct mm_invocation in = {.command = &command};

	(void)state;
	says(mm_results_check(&in, "-", suffixes, MM_COUNT(suffixes)),
	    "too many for stdout");
	assert_int_equal(mm_results_check(&in, "/no/such/place/x", suffixes,
			     MM_COUNT(suffixes)),
	    MM_E_FILE);
	assert_int_equal(
	    mm_results_check(&in, "/proc/self/x", suffixes, MM_COUNT(suffixes)),
	    MM_E_FILE);
	assert_int_equal(mm_results_check(&in, "/tmp/no-such-prefix", suffixes,
			     MM_COUNT(suffixes)),
	    MM_OK);
	assert_int_equal(mm_output_check(&in, "/dev/null"), MM_E_EXISTS);
	assert_int_equal(mm_output_check(&in, "-"), MM_OK);
	in.force = true;
	assert_int_equal(mm_output_check(&in, "/dev/null"),
	    access("/dev", W_OK) == 0 ? MM_OK : MM_E_FILE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_line_is_taken_apart),
	    cmocka_unit_test(test_o_is_out),
	    cmocka_unit_test(test_force_is_for_what_writes),
	    cmocka_unit_test(test_results_that_cannot_be_written),
	    cmocka_unit_test(test_json_is_for_what_has_results),
	    cmocka_unit_test(test_repeated_options),
	    cmocka_unit_test(test_repeated_too_often),
	    cmocka_unit_test(test_lines_that_are_refused),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_hex),
	    cmocka_unit_test(test_the_commands_are_sound),
	    cmocka_unit_test(test_commands_refuse),
	    cmocka_unit_test(test_the_prefix_of_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
