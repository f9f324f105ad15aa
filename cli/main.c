/*
 * mintmark: finds the command in the table and runs it.
 */
#include "cli/command.h"

#include <fcntl.h>
#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/version.h"

static const struct mm_command *const commands[] = {
    &mm_quickstart_command,
    &mm_ceremony_prepare_command,
    &mm_ceremony_sign_command,
    &mm_ceremony_run_command,
    &mm_ceremony_record_command,
    &mm_ceremony_fetch_command,
    &mm_ceremony_amend_command,
    &mm_ceremony_approve_command,
    &mm_ceremony_csr_command,
    &mm_ceremony_import_command,
    &mm_ceremony_prove_command,
    &mm_ceremony_succeed_command,
    &mm_officer_keygen_command,
    &mm_officer_list_command,
    &mm_order_create_command,
    &mm_order_approve_command,
    &mm_order_show_command,
    &mm_order_list_command,
    &mm_order_extend_command,
    &mm_order_close_command,
    &mm_order_reopen_command,
    &mm_order_scrap_command,
    &mm_pending_list_command,
    &mm_pending_show_command,
    &mm_pending_approve_command,
    &mm_pending_withdraw_command,
    &mm_produce_command,
    &mm_cert_issue_command,
    &mm_cert_partition_command,
    &mm_cert_show_command,
    &mm_cert_list_command,
    &mm_cert_lint_command,
    &mm_cert_revoke_command,
    &mm_cert_crl_command,
    &mm_release_submit_command,
    &mm_release_approve_command,
    &mm_release_fetch_command,
    &mm_release_list_command,
    &mm_release_show_command,
    &mm_release_withdraw_command,
    &mm_release_keys_command,
    &mm_image_inspect_command,
    &mm_image_verify_command,
    &mm_image_digest_command,
    &mm_image_mcuboot_command,
    &mm_flash_der_command,
    &mm_flash_partitions_command,
    &mm_flash_secure_cert_command,
    &mm_flash_encrypt_command,
    &mm_flash_decrypt_command,
    &mm_flash_plan_command,
    &mm_flash_nvs_command,
    &mm_flash_nvs_keys_command,
    &mm_flash_label_command,
    &mm_flash_register_command,
    &mm_station_request_command,
    &mm_station_add_command,
    &mm_station_fetch_command,
    &mm_station_list_command,
    &mm_station_disable_command,
    &mm_station_enable_command,
    &mm_station_renew_command,
    &mm_policy_check_command,
    &mm_policy_propose_command,
    &mm_policy_approve_command,
    &mm_policy_show_command,
    &mm_log_status_command,
    &mm_log_list_command,
    &mm_log_show_command,
    &mm_log_export_command,
    &mm_log_verify_command,
    &mm_log_prove_command,
    &mm_log_watch_command,
    &mm_receipt_verify_command,
    &mm_witness_create_command,
    &mm_witness_follow_command,
    &mm_witness_show_command,
    &mm_witness_cosign_command,
    &mm_witness_serve_command,
    &mm_witness_collect_command,
    &mm_witness_request_command,
    &mm_witness_deliver_command,
};

static void
print_all(FILE *out)
{
	fputs("usage: mintmark NOUN VERB [OPTION...] [OPERAND...]\n\n", out);
	for (size_t i = 0; i < MM_COUNT(commands); i++)
		fprintf(out, "  %-8s %-8s %s\n", commands[i]->noun,
		    commands[i]->verb != NULL ? commands[i]->verb : "",
		    commands[i]->summary);
	fputs(
	    "\n`mintmark NOUN VERB --help` says what a command takes.\n", out);
}

/* The command that the words begin with; `*used` counts its words. */
static const struct mm_command *
find(int count, char *const *words, int *used)
{
	for (size_t i = 0; i < MM_COUNT(commands); i++) {
		const struct mm_command *command = commands[i];

		*used = command->verb != NULL ? 2 : 1;
		if (count >= *used && strcmp(words[0], command->noun) == 0 &&
		    (command->verb == NULL ||
			strcmp(words[1], command->verb) == 0))
			return command;
	}
	return NULL;
}

static bool
wants_help(int count, char *const *words)
{
	for (int i = 0; i < count; i++)
		if (strcmp(words[i], "--help") == 0 ||
		    strcmp(words[i], "-h") == 0)
			return true;
	return false;
}

/* A line that no row begins with, and what the noun has instead. */
static void
tell_unknown(const char *noun, const char *verb)
{
	const char *before = "say";

	fprintf(stderr, "mintmark: there is no command \"%s%s%s\"; ", noun,
	    verb != NULL ? " " : "", verb != NULL ? verb : "");
	for (size_t i = 0; i < MM_COUNT(commands); i++) {
		const struct mm_command *command = commands[i];

		if (strcmp(noun, command->noun) != 0)
			continue;
		fprintf(
		    stderr, "%s %s %s", before, command->noun, command->verb);
		before = " or";
	}
	fputs(
	    strcmp(before, "say") == 0 ? "mintmark --help lists them\n" : "\n",
	    stderr);
}

/*
 * Where a standard stream is closed, the next file that is opened would have
 * its number, and be written to. The stand-in fails as a closed one does.
 */
static bool
hold_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null",
			fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

static int
tell(const struct mm_command *command, enum mm_error error)
{
	if (error == MM_OK)
		return MM_EXIT_YES;
	fprintf(stderr, "mintmark %s%s%s: %s: %s%s\n", command->noun,
	    command->verb != NULL ? " " : "",
	    command->verb != NULL ? command->verb : "", mm_error_name(error),
	    mm_why(error), error == MM_E_USAGE ? "; see its --help" : "");
	return (int)mm_error_exit(error);
}

int
main(int argc, char **argv)
{
	struct mm_invocation invocation;
	const struct mm_command *command;
	enum mm_error error;
	int used;

	setlocale(LC_CTYPE, "");
	if (!hold_streams() || sodium_init() < 0)
		return MM_EXIT_BUG;
	if (argc < 2) {
		print_all(stderr);
		return MM_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("mintmark " MM_VERSION);
		return MM_EXIT_YES;
	}
	command = find(argc - 1, argv + 1, &used);
	if (wants_help(argc - 1, argv + 1)) {
		if (command != NULL)
			mm_command_help(command);
		else
			print_all(stdout);
		return (int)mm_error_exit(mm_output_end());
	}
	if (command == NULL) {
		tell_unknown(argv[1], argv[2]);
		return MM_EXIT_USAGE;
	}
	error = mm_invocation_read(
	    command, argc - 1 - used, argv + 1 + used, &invocation);
	if (error == MM_OK)
		error = command->run(&invocation);
	if (error == MM_OK)
		error = mm_output_end();
	return tell(command, error);
}
