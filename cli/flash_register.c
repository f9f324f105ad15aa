/*
 * mintmark flash register: the log's devices, for the clouds and brokers that
 * let them in.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/json_value.h"
#include "cli/register_job.h"
#include "cli/values.h"

enum mm_error
mm_register_open(struct mm_register_job *job)
{
	enum mm_error error = mm_source_open(job->invocation, 1, &job->source);

	if (error == MM_OK)
		error =
		    mm_register_scan_new(job->source, &job->choice, &job->scan);
	if (error == MM_OK && mm_register_inherits(job->scan))
		mm_say("this log succeeds another one: devices of that one are "
		       "in the lists that were made from it");
	return error;
}

/* --- what it covers --- */

static json_t *
text_or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static json_t *
range_of(const struct mm_register_job *job)
{
	const struct mm_checkpoint *checkpoint =
	    mm_source_checkpoint(job->source);
	struct mm_span note = mm_source_note(job->source);

	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "log",
	    checkpoint->origin, "since", (json_int_t)job->choice.since, "to",
	    (json_int_t)checkpoint->size, "root",
	    mm_json_base64(
		mm_span(&checkpoint->root, sizeof(checkpoint->root))),
	    "profile", text_or_null(job->choice.profile), "order",
	    text_or_null(job->choice.order), "checkpoint",
	    json_stringn((const char *)note.data, note.size));
}

void
mm_register_comment(const struct mm_register_job *job, struct mm_buffer *out)
{
	const struct mm_checkpoint *checkpoint =
	    mm_source_checkpoint(job->source);
	char root[sodium_base64_ENCODED_LEN(
	    sizeof(checkpoint->root), sodium_base64_VARIANT_ORIGINAL)];

	sodium_bin2base64(root, sizeof(root),
	    (const uint8_t *)&checkpoint->root, sizeof(checkpoint->root),
	    sodium_base64_VARIANT_ORIGINAL);
	mm_buffer_printf(out,
	    "# by mintmark flash register: log %s, entries 0 to %llu, root "
	    "%s\n",
	    checkpoint->origin, (unsigned long long)checkpoint->size, root);
}

static json_t *
gone_row(const struct mm_register_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b}", "device",
	    row->device.device, "name", row->device.name, "serial",
	    row->device.serial, "sha256", row->device.sha256, "index",
	    (json_int_t)row->device.index, "reason",
	    row->scrapped ? "scrap" : mm_revocation_reason(row->reason),
	    "replaced", row->stays);
}

static enum mm_error
write_gone(struct mm_register_job *job, FILE *out)
{
	struct mm_register_row row;
	bool more = true;
	enum mm_error error = MM_OK;

	for (job->gone = 0; error == MM_OK && more;) {
		json_t *object;

		error = mm_register_scan_next(
		    job->scan, MM_REGISTER_GONE, &row, &more);
		if (error != MM_OK || !more)
			break;
		object = gone_row(&row);
		fputs(job->gone++ > 0 ? ",\n" : "\n", out);
		json_dumpf(object, out, JSON_COMPACT);
		json_decref(object);
	}
	return error;
}

enum mm_error
mm_register_range(struct mm_register_job *job,
    const struct mm_register_list *list, const char *path,
    struct mm_growing_file *file)
{
	json_t *range = range_of(job);
	mm_autofree char *text = NULL;
	uint8_t sha256[32];
	uint64_t size;
	enum mm_error error;

	json_object_set_new(range, "new", mm_json_number(job->fresh));
	if (list->path != NULL)
		json_object_set_new(range, "list",
		    json_pack("{s:s, s:I, s:o}", "file", list->path, "size",
			(json_int_t)list->size, "sha256",
			mm_json_hex(mm_span(list->sha256, 32))));
	text = json_dumps(range, JSON_COMPACT);
	json_decref(range);
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the range");
	error = mm_growing_file_open(file, path);
	if (error != MM_OK)
		return error;
	/* Its last brace comes after what is gone. */
	fprintf(file->out, "%.*s,\n\"gone\":[", (int)strlen(text) - 1, text);
	error = write_gone(job, file->out);
	fputs("]}\n", file->out);
	return error == MM_OK ? mm_growing_file_end(file, sha256, &size)
			      : error;
}

/* --- a directory --- */

enum mm_error
mm_register_directory(
    const struct mm_register_job *job, const char *const *names, size_t count)
{
	enum mm_error error = MM_OK;

	if (strcmp(job->out, "-") == 0)
		return mm_fail(MM_E_USAGE, "--out is a directory here");
	if (mkdir(job->out, 0755) < 0 && errno != EEXIST)
		return mm_fail(
		    MM_E_FILE, "cannot make %s: %s", job->out, strerror(errno));
	for (size_t i = 0; i < count && error == MM_OK; i++) {
		char path[PATH_MAX];

		error = mm_path(path, sizeof(path), job->out, names[i]);
		if (error == MM_OK)
			error = mm_output_check(job->invocation, path);
	}
	return error;
}

enum mm_error
mm_register_file(
    struct mm_register_job *job, const char *name, struct mm_span bytes)
{
	char path[PATH_MAX];
	enum mm_error error = mm_path(path, sizeof(path), job->out, name);

	return error == MM_OK ? mm_output(job->invocation, path, bytes) : error;
}

/* --- the command --- */

static const struct {
	const char *name;
	mm_register_run *run;
	enum mm_register_by by;
	const char *options; /* that mean something; all others are refused */
} kinds[] = {{"aws-bulk", mm_register_aws_bulk, MM_REGISTER_BY_DEVICE,
		 " identity key since profile order out no-ca "},
    {"aws-template", mm_register_aws_template_file, MM_REGISTER_BY_DEVICE,
	" out policy document no-ca "},
    {"aws-ca", mm_register_aws_ca, MM_REGISTER_BY_DEVICE,
	" identity key profile out verification role policy document "},
    {"azure-dps", mm_register_azure_dps, MM_REGISTER_BY_NAME_FOLDED,
	" identity key since profile order out format "},
    {"mosquitto", mm_register_mosquitto_files, MM_REGISTER_BY_NAME,
	" identity key since profile order out ca topic place listen "}};

static enum mm_error
check_options(const struct mm_invocation *invocation, size_t kind)
{
	for (size_t i = 0; i < invocation->command->option_count; i++) {
		const char *name = invocation->command->options[i].name;
		char word[32];

		snprintf(word, sizeof(word), " %s ", name);
		if (invocation->values[i] != NULL &&
		    strstr(kinds[kind].options, word) == NULL)
			return mm_fail(MM_E_USAGE, "%s takes no --%s",
			    kinds[kind].name, name);
	}
	return MM_OK;
}

/* Before the log is read. */
static enum mm_error
check_topic(const struct mm_invocation *invocation)
{
	const char *topic = mm_option(invocation, "topic");

	return topic == NULL ? MM_OK : mm_register_mosquitto_topic(topic);
}

static enum mm_error
run_kind(const struct mm_invocation *invocation, size_t kind)
{
	static const char *const names[] = {"profile", "order"};
	struct mm_register_job job = {.invocation = invocation,
	    .out = mm_option(invocation, "out"),
	    .choice = {.profile = mm_option(invocation, "profile"),
		.order = mm_option(invocation, "order"),
		.by = kinds[kind].by},
	    .report = json_object()};
	enum mm_error error = check_options(invocation, kind);

	if (error == MM_OK)
		error = check_topic(invocation);
	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_value_number(
		    invocation, "since", 0, INT64_MAX, &job.choice.since);
	if (error == MM_OK)
		error = kinds[kind].run(&job);
	if (error == MM_OK)
		mm_print(invocation, job.report);
	else
		json_decref(job.report);
	mm_register_scan_free(job.scan);
	mm_source_close(job.source);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (strcmp(invocation->operands[0], kinds[i].name) == 0)
			return run_kind(invocation, i);
	return mm_fail(MM_E_USAGE,
	    "\"%s\" is none of aws-bulk, aws-template, aws-ca, azure-dps and "
	    "mosquitto",
	    invocation->operands[0]);
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"out", "FILE|DIR", "the list, or the directory of the files", true},
    {"since", "INDEX", "changes since the log had this many entries (0)",
	false},
    {"profile", "PROFILE", "devices of this profile", false},
    {"order", "NAME", "devices of this order", false},
    {"policy", "NAME", "aws: the policy that things get, which is there",
	false},
    {"document", "FILE", "aws: or its document", false},
    {"no-ca", NULL, "aws: the CA is not registered (SNI_ONLY)", false},
    {"verification", "FILE", "aws-ca: by `ceremony prove`", false},
    {"role", "ARN", "aws-ca: devices register themselves, by this role", false},
    {"format", "json|csv", "azure-dps: of the list (json)", false},
    {"topic", "TOPIC", "mosquitto: a device's own (devices/{device}/#)", false},
    {"listen", "ADDRESS:PORT", "mosquitto: where (0.0.0.0:8883)", false},
    {"place", "DIR", "mosquitto: the files' place on the broker (--out)",
	false},
    {"ca", "FILE", "mosquitto: the CAs up to the root (the log's own)", false},
};

const struct mm_command mm_flash_register_command = {
    .noun = "flash",
    .verb = "register",
    .operands = "KIND [DIR]",
    .operand_min = 1,
    .operand_max = 2,
    .summary = "the log's devices, for a cloud or a broker",
    .about =
	"  aws-bulk      a list for StartThingRegistrationTask: ThingName, "
	"SerialNumber,\n"
	"                CertificatePem, CACertificatePem\n"
	"  aws-template  the provisioning template that takes it; reads no "
	"log\n"
	"  aws-ca        ca.pem, verification.pem and commands.txt to register "
	"the CA; with --role\n"
	"                also registration-config.json, for devices that come "
	"by themselves\n"
	"  azure-dps     individual enrollments: bodies of \"run bulk "
	"operation\", a line each\n"
	"  mosquitto     mosquitto.conf, acl, ca.pem and crl.pem of an MQTT "
	"broker: all that is\n"
	"                valid now; its own server.crt and server.key are "
	"yours\n\n"
	"The log is read whole, from an appliance or from DIR. A list has what "
	"became valid\nsince --since; OUT.range.json (mosquitto: range.json) "
	"says which entries it covers,\nwith the signed checkpoint, the list's "
	"digest, and the certificates that are gone:\nthe next list begins at "
	"its `to`. In AWS IoT a certificate's id is its sha256.\n"
	"DPS, mosquitto and devices that come by themselves go by the common "
	"name.",
    .results =
	"of a list: file, range, since, to, new, gone\nmosquitto: directory, "
	"range, crl (true or false), since, to, new, gone, "
	"devices\naws-template: file\naws-ca: "
	"directory, verification_code",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
