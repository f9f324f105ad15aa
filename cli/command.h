/*
 * mintmark, the one command for everybody but the daemon: noun, then verb, a
 * file each. A command is a row: what it is called, which options and
 * operands it takes, and the function that does it. Results go to stdout,
 * talk to stderr.
 */
#ifndef MM_COMMAND_H
#define MM_COMMAND_H

#include <jansson.h>
#include <limits.h>

#include "protocol/client.h"

enum { MM_OPERANDS_MAX = 4, MM_OPTIONS_MAX = 16, MM_REPEATED_MAX = 32 };

/* How often an option is said; most rows have plain true or false. */
enum mm_option_times {
	MM_OPTION_MAY = false,
	MM_OPTION_MUST = true,
	MM_OPTION_REPEATED /* any number of times */
};

struct mm_cli_option {
	const char *name;  /* "csr" for --csr */
	const char *value; /* what its value is, for the help; NULL: a flag */
	const char *help;
	enum mm_option_times times;
};

struct mm_command;

/* A command line taken apart. */
struct mm_invocation {
	const struct mm_command *command;
	const char *values[MM_OPTIONS_MAX]; /* by row; "" for a flag */
	/* What repeated options said, in their order; `values` has the first.
	 */
	struct mm_repeated {
		size_t row;
		const char *value;
	} repeated[MM_REPEATED_MAX];
	size_t repeated_count;
	const char *operands[MM_OPERANDS_MAX];
	size_t operand_count;
	bool json, force;
};

struct mm_command {
	const char *noun, *verb; /* verb NULL: the noun alone */
	const char *operands;    /* for the help: "FILE" */
	size_t operand_min, operand_max;
	const char *summary;
	const char *about; /* more, for the command's own help; or NULL */
	/* The keys that --json prints, for the help; NULL: it has no --json. */
	const char *results;
	bool writes; /* files, so that --force means something */
	const struct mm_cli_option *options;
	size_t option_count;
	/* The exit status comes from the error; MM_E_... of a checked "no" is
	 * MM_EXIT_NO. */
	enum mm_error (*run)(const struct mm_invocation *invocation);
};

#define MM_COMMAND_OPTIONS(table) \
	.options = table, .option_count = MM_COUNT(table)

extern const struct mm_command mm_quickstart_command, mm_produce_command,
    mm_cert_issue_command,
    mm_cert_partition_command, mm_cert_show_command, mm_cert_lint_command,
    mm_release_submit_command, mm_release_fetch_command,
    mm_release_list_command, mm_release_show_command,
    mm_release_withdraw_command, mm_release_keys_command, mm_log_status_command,
    mm_log_list_command, mm_log_show_command, mm_log_export_command,
    mm_log_prove_command, mm_log_watch_command, mm_log_verify_command,
    mm_receipt_verify_command, mm_image_inspect_command,
    mm_image_verify_command, mm_image_digest_command, mm_image_mcuboot_command,
    mm_order_create_command, mm_release_approve_command, mm_cert_revoke_command,
    mm_cert_crl_command, mm_cert_list_command, mm_station_request_command,
    mm_station_add_command, mm_station_fetch_command, mm_station_list_command,
    mm_station_disable_command, mm_station_enable_command,
    mm_station_renew_command, mm_officer_keygen_command,
    mm_order_approve_command, mm_order_show_command, mm_order_list_command,
    mm_order_extend_command, mm_order_close_command, mm_order_reopen_command,
    mm_order_scrap_command, mm_pending_list_command, mm_pending_show_command,
    mm_pending_approve_command, mm_pending_withdraw_command,
    mm_policy_check_command, mm_policy_propose_command,
    mm_policy_approve_command, mm_officer_list_command, mm_policy_show_command,
    mm_flash_encrypt_command, mm_flash_decrypt_command, mm_flash_plan_command,
    mm_flash_der_command, mm_flash_partitions_command,
    mm_flash_secure_cert_command, mm_flash_nvs_command,
    mm_flash_nvs_keys_command, mm_flash_label_command,
    mm_flash_register_command, mm_witness_create_command,
    mm_witness_follow_command, mm_witness_show_command,
    mm_witness_cosign_command, mm_witness_serve_command,
    mm_witness_collect_command, mm_witness_request_command,
    mm_witness_deliver_command, mm_ceremony_prepare_command,
    mm_ceremony_sign_command, mm_ceremony_run_command,
    mm_ceremony_record_command, mm_ceremony_fetch_command,
    mm_ceremony_amend_command, mm_ceremony_approve_command,
    mm_ceremony_csr_command, mm_ceremony_import_command,
    mm_ceremony_prove_command, mm_ceremony_succeed_command;

/* The option's value, or NULL; of a flag "" or NULL. */
const char *mm_option(const struct mm_invocation *invocation, const char *name);
/* The nth value of a repeated option, from 0 on; NULL after the last. */
const char *mm_option_nth(
    const struct mm_invocation *invocation, const char *name, size_t n);

/* Takes a command line apart by the command's rows; MM_E_USAGE. */
enum mm_error mm_invocation_read(const struct mm_command *command, int count,
    char *const *words, struct mm_invocation *out) mm_must_use;

/* What `command` takes, for people. */
void mm_command_help(const struct mm_command *command);

/* --- output.c --- */

/* Prints the object, which is taken: as JSON where --json was said, else
 * `key: value` a line. */
void mm_print(const struct mm_invocation *invocation, json_t *object);
/* Talk: one line on stderr. */
void mm_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Lower-case hex, in the arena; NULL without memory. */
const char *mm_hex(struct mm_span bytes, struct mm_arena *arena);
/* Whether all that was printed has arrived. MM_E_FILE. */
enum mm_error mm_output_end(void) mm_must_use;
/* Writes a result: a file (kept unless --force), or stdout for "-". */
enum mm_error mm_output(const struct mm_invocation *invocation,
    const char *path, struct mm_span bytes) mm_must_use;
/* The same with text that somebody else wrote: on a terminal, what could
 * control it stands as `?`. */
enum mm_error mm_output_lines(const struct mm_invocation *invocation,
    const char *path, struct mm_span text) mm_must_use;
/* Whether mm_output() could do that: asked before what cannot be undone.
 * MM_E_EXISTS, MM_E_FILE; MM_E_USAGE where the command line has that file for
 * something else, too. */
enum mm_error mm_output_check(
    const struct mm_invocation *invocation, const char *path) mm_must_use;
/* PEM of certificates one after the other, as a file. */
enum mm_error
mm_output_certificates(const struct mm_invocation *invocation, const char *path,
    const struct mm_span *certificates, size_t count) mm_must_use;
/* Reads a file, or stdin for "-". */
enum mm_error
mm_input(const char *path, size_t max, struct mm_buffer *out) mm_must_use;
/* Of one of any size. */
enum mm_error mm_input_sha256(
    const char *path, uint8_t sha256[32], uint64_t *size) mm_must_use;
/* The directory that a path lies in. */
void mm_path_parent(const char *path, char out[PATH_MAX]);
/* After a rename: the name, too, is on the disk. MM_E_FILE. */
enum mm_error mm_path_sync(const char *path) mm_must_use;
/* directory/name in `out`; MM_E_FILE where it is too long. */
enum mm_error mm_path(char *out, size_t size, const char *directory,
    const char *name) mm_must_use;

#endif
