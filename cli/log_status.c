/*
 * mintmark log status: how far the log is, by a checkpoint that its key has
 * signed, and how far witnesses have followed it.
 */
#include <string.h>

#include "cli/json_value.h"
#include "cli/source.h"

enum { ARENA = 1 << 20 };

/* What only an appliance can say. */
static enum mm_error
add_appliance(const struct mm_invocation *invocation, json_t *out)
{
	const struct mm_nothing nothing = {0};
	struct mm_appliance appliance;
	struct mm_status_answer answer;
	char known[MM_VKEY_MAX];
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_appliance_read(invocation, 0, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_STATUS, &nothing, &arena, &answer);
	if (error != MM_OK)
		return error;
	mm_vkey_text(&appliance.vkey, known);
	if (!mm_span_is(answer.vkey, known))
		return mm_fail(MM_E_NOTE_KEY,
		    "the appliance keeps the log of %.*s, not of %s",
		    MM_SPAN(answer.vkey), known);
	json_object_set_new(out, "policy", mm_json_number(answer.policy));
	json_object_set_new(out, "name", mm_json_text(answer.name));
	json_object_set_new(out, "role", mm_json_text(answer.role));
	return MM_OK;
}

/* A note's cosignature lines, whosever they are: its lines but the log's. */
static uint64_t
count_cosignatures(struct mm_span note)
{
	struct mm_span lines;
	uint64_t count = 0;

	if (mm_note_lines(note, &lines) != MM_OK)
		return 0;
	for (size_t i = 0; i < lines.size; i++)
		count += lines.data[i] == '\n';
	return count > 0 ? count - 1 : 0;
}

static enum mm_error
add_cosigned(struct mm_source *source, json_t *out)
{
	mm_auto(buffer) note = {0};
	struct mm_checkpoint checkpoint;
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_source_cosigned(source, &note, &checkpoint);
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error != MM_OK)
		return error;
	json_object_set_new(out, "cosigned", mm_json_number(checkpoint.size));
	json_object_set_new(out, "keys",
	    mm_json_number(count_cosignatures(mm_buffer_span(&note))));
	return MM_OK;
}

static enum mm_error
add_last(struct mm_source *source, json_t *out)
{
	uint64_t size = mm_source_checkpoint(source)->size;
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_source_entry(source, size - 1, &bytes);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &entry);
	if (error == MM_OK)
		json_object_set_new(out, "time", mm_json_time(entry.time));
	return error == MM_OK ? mm_source_settle(source) : error;
}

static json_t *
describe(const struct mm_checkpoint *checkpoint)
{
	return json_pack("{s:s, s:I, s:o}", "log", checkpoint->origin, "size",
	    (json_int_t)checkpoint->size, "root",
	    mm_json_base64(mm_span(checkpoint->root.bytes, MM_HASH_SIZE)));
}

/* Entries are for auditors and officers alone, and who asks all the same is
 * on record as refused. */
static bool
may_read(const json_t *out)
{
	const char *role = json_string_value(json_object_get(out, "role"));

	return role == NULL || strcmp(role, "auditor") == 0 ||
	       strcmp(role, "officer") == 0;
}

static enum mm_error
ask(const struct mm_invocation *invocation, struct mm_source *source,
    json_t *out)
{
	enum mm_error error = MM_OK;

	if (mm_option(invocation, "identity") != NULL)
		error = add_appliance(invocation, out);
	if (error != MM_OK || mm_source_checkpoint(source)->size == 0 ||
	    !may_read(out))
		return error;
	error = add_last(source, out);
	return error == MM_OK ? add_cosigned(source, out) : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_source *source = NULL;
	enum mm_error error = mm_source_open(invocation, 0, &source);
	json_t *out;

	if (error != MM_OK)
		return error;
	out = describe(mm_source_checkpoint(source));
	error = ask(invocation, source, out);
	mm_source_close(source);
	if (error == MM_OK)
		mm_print(invocation, out);
	else
		json_decref(out);
	return error;
}

static const struct mm_cli_option options[] = {MM_SOURCE_OPTIONS};

const struct mm_command mm_log_status_command = {
    .noun = "log",
    .verb = "status",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "how far the log is, and who the appliance thinks you are",
    .results =
	"log, size, root (base64), time (of the last entry); where a "
	"checkpoint\nis cosigned: cosigned (its size), keys (how many "
	"witnesses' lines it has);\nof an appliance: policy (number), name, "
	"role",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
