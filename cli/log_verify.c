/*
 * mintmark log verify: a whole log, from a directory of tiles or from the
 * appliance itself, entry by entry against its checkpoint. Nothing is
 * remembered from one time to the next.
 */
#include <unistd.h>

#include "cli/appliance.h"
#include "cli/audit.h"
#include "cli/values.h"

enum { ARENA = 1 << 20, PAGE = 1024 };

/* --- a directory --- */

static enum mm_error
audit_reader(struct mm_log_reader *reader, const struct mm_vkey *vkey,
    struct mm_audit_report *out)
{
	const struct mm_checkpoint *checkpoint = mm_log_checkpoint(reader);
	struct mm_audit *audit;
	enum mm_error error = mm_audit_new(vkey, &audit);

	if (error != MM_OK)
		return error;
	for (uint64_t i = 0; i < checkpoint->size && error == MM_OK; i++) {
		struct mm_span entry;

		error = mm_log_entry(reader, i, &entry);
		if (error == MM_OK)
			error = mm_audit_add(audit, entry);
	}
	if (error == MM_OK)
		error = mm_audit_end(audit, checkpoint, out);
	mm_audit_free(audit);
	return error;
}

static enum mm_error
verify_directory(const struct mm_invocation *invocation, struct mm_vkey *vkey,
    struct mm_audit_report *out)
{
	struct mm_log_reader *reader;
	enum mm_error error = mm_vkey_read(mm_option(invocation, "key"), vkey);

	if (error == MM_OK)
		error = mm_log_open(invocation->operands[0], vkey, &reader);
	if (error != MM_OK)
		return error;
	error = mm_log_verify_tree(reader);
	if (error == MM_OK)
		error = audit_reader(reader, vkey, out);
	mm_log_close(reader);
	return error;
}

/* --- an appliance --- */

struct online {
	struct mm_client *client;
	struct mm_appliance appliance;
	struct mm_checkpoint checkpoint;
	struct mm_audit *audit;
	struct mm_audit_report *report;
};

static enum mm_error
read_checkpoint(struct online *online)
{
	const struct mm_nothing nothing = {0};
	struct mm_status_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_client_call(
	    online->client, MM_MESSAGE_STATUS, &nothing, &arena, &answer);
	if (error == MM_OK)
		error = mm_checkpoint_open(answer.checkpoint,
		    &online->appliance.vkey, &online->checkpoint);
	return error;
}

/* Some entries from `at` on, which moves past them. */
static enum mm_error
read_page(struct online *online, uint64_t *at)
{
	uint64_t left = online->checkpoint.size - *at;
	const struct mm_entries_request request = {
	    *at, left < PAGE ? left : PAGE};
	struct mm_entries_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_client_call(
	    online->client, MM_MESSAGE_ENTRIES, &request, &arena, &answer);
	if (error == MM_OK &&
	    (answer.from != *at || answer.entries.count == 0 ||
		answer.entries.count > request.count))
		error = mm_fail(MM_E_LOG_WRONG,
		    "the appliance does not show its entries from %llu on",
		    (unsigned long long)*at);
	for (size_t i = 0; error == MM_OK && i < answer.entries.count; i++)
		error = mm_audit_add(online->audit,
		    mm_list_at(answer.entries, struct mm_bytes_item, i)->value);
	if (error == MM_OK)
		*at += answer.entries.count;
	return error;
}

static void
tell_progress(uint64_t at, uint64_t size)
{
	if (isatty(STDERR_FILENO))
		mm_say("%llu of %llu entries", (unsigned long long)at,
		    (unsigned long long)size);
}

static enum mm_error
attempt(struct mm_client *client, void *self)
{
	struct online *online = self;
	uint64_t at = 0;
	enum mm_error error;

	online->client = client;
	error = read_checkpoint(online);
	while (error == MM_OK && at < online->checkpoint.size) {
		error = read_page(online, &at);
		tell_progress(at, online->checkpoint.size);
	}
	if (error == MM_OK)
		error = mm_audit_end(
		    online->audit, &online->checkpoint, online->report);
	return error;
}

static enum mm_error
verify_appliance(const struct mm_invocation *invocation, struct mm_vkey *vkey,
    struct mm_audit_report *out)
{
	struct online online = {.report = out};
	enum mm_error error =
	    mm_appliance_read(invocation, 0, &online.appliance);

	if (error == MM_OK)
		error = mm_audit_new(&online.appliance.vkey, &online.audit);
	if (error == MM_OK)
		error = mm_appliance_try(&online.appliance, attempt, &online);
	mm_audit_free(online.audit);
	*vkey = online.appliance.vkey;
	return error;
}

static void
report(const struct mm_invocation *invocation, const struct mm_vkey *vkey,
    const struct mm_audit_report *found)
{
	const struct mm_log_report *log = &found->log;
	mm_auto(buffer) root = {0};

	mm_buffer_init(&root, 64);
	mm_base64_write(mm_span(log->root.bytes, MM_HASH_SIZE), &root);
	mm_print(invocation,
	    json_pack("{s:s, s:I, s:s%, s:I, s:I, s:I, s:I, s:I, s:I}", "log",
		vkey->name, "size", (json_int_t)log->size, "root", root.data,
		root.size, "certificates", (json_int_t)log->certificates,
		"images", (json_int_t)log->images, "signatures",
		(json_int_t)log->signatures, "voids", (json_int_t)log->voids,
		"unsigned", (json_int_t)found->unsigned_entries, "refusals",
		(json_int_t)log->refusals));
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	bool key = mm_option(invocation, "key") != NULL;
	bool identity = mm_option(invocation, "identity") != NULL;
	bool directory = invocation->operand_count == 1;
	struct mm_audit_report found;
	struct mm_vkey vkey;
	enum mm_error error;

	if (key == identity || key != directory)
		return mm_fail(MM_E_USAGE,
		    "say --key and a directory, or --identity alone");
	error = directory ? verify_directory(invocation, &vkey, &found)
			  : verify_appliance(invocation, &vkey, &found);
	if (error == MM_OK)
		report(invocation, &vkey, &found);
	return error;
}

static const struct mm_cli_option options[] = {
    {"key", "VKEY", "the log's verifier key, a file", false},
    {"identity", "DIR", "or ask the appliance: an identity", false},
};

const struct mm_command mm_log_verify_command = {
    .noun = "log",
    .verb = "verify",
    .operands = "[DIR]",
    .operand_max = 1,
    .summary = "a whole log: tree, entries, every signature in it",
    .results = "log, size, root (base64), certificates, images, "
	       "signatures,\nvoids, unsigned, refusals",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
