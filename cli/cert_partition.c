/*
 * mintmark cert partition: a device's esp_secure_cert partition, with its
 * certificate in it, comes back signed. Asking again gives the same signature.
 */
#include <string.h>

#include "ca/profile.h"
#include "cli/appliance.h"
#include "cli/attested.h"
#include "cli/result_files.h"
#include "cli/values.h"

enum { ARENA = 1 << 20, GROWS = 1 << 16 };

static const char *const suffixes[] = {"", ".receipt"};

/* --- the partition as it lies here --- */

/* Former tools filled their files with 0xFF: flash that was never written is no
 * part of what is signed. */
static enum mm_error
cut_fill(struct mm_own_image *partition, struct mm_span as)
{
	const struct mm_image_facts *facts = &partition->facts;
	mm_auto(buffer) bytes = {0};

	if (facts->trailing == 0 || !facts->blank)
		return MM_OK;
	mm_buffer_init(&bytes, MM_PARTITION_MAX);
	mm_buffer_add(&bytes, partition->file.data, (size_t)facts->length);
	if (bytes.error != MM_OK)
		return mm_fail(MM_E_FORMAT,
		    "the partition has %llu bytes; %d are the limit",
		    (unsigned long long)facts->length, MM_PARTITION_MAX);
	mm_own_image_clear(partition);
	if (mm_own_image_take(&bytes, partition) != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a partition");
	return mm_own_image_as(partition, as);
}

static enum mm_error
read_partition(const char *path, struct mm_own_image *out)
{
	struct mm_span as =
	    mm_span_text(mm_image_format_name(MM_FORMAT_SECURE_CERT));
	enum mm_error error = mm_own_image_open(path, out);

	if (error == MM_OK)
		error = mm_own_image_as(out, as);
	if (error == MM_OK)
		error = cut_fill(out, as);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	if (out->file.size > MM_PARTITION_MAX)
		return mm_fail(MM_E_FORMAT,
		    "%s has %zu bytes; a partition has %d at most", path,
		    out->file.size, MM_PARTITION_MAX);
	return MM_OK;
}

/* --- the answer --- */

struct answered {
	struct mm_partition_answer answer;
	struct mm_attested attested;
	struct mm_public_key key;
};

static enum mm_error
differs(const char *what)
{
	return mm_fail(MM_E_MISMATCH,
	    "the appliance answered with the signature of another %s", what);
}

static enum mm_error
check_wanted(
    const struct mm_partition_request *request, const struct answered *a)
{
	const struct mm_partition_entry *entry = &a->attested.body.partition;

	if (a->attested.receipt.index != a->answer.index)
		return differs("entry");
	if (!mm_span_equal(entry->device, request->device))
		return differs("device");
	if (!mm_span_equal(entry->scheme, request->scheme))
		return differs("scheme");
	if (!mm_span_equal(entry->key, a->answer.key) ||
	    memcmp(a->key.spki_sha256, entry->signer, sizeof(entry->signer)) !=
		0)
		return differs("key than the log names");
	return MM_OK;
}

/* The receipt verifies, and speaks of this partition as it lies here. */
static enum mm_error
check_answer(const struct mm_appliance *appliance,
    const struct mm_partition_request *request, struct mm_own_image *partition,
    struct mm_arena *arena, struct answered *a)
{
	bool is_signed;
	enum mm_error error = mm_attested_read(
	    a->answer.receipt, &appliance->vkey, arena, &a->attested);

	if (error == MM_OK)
		error = mm_attested_is(&a->attested, MM_ENTRY_PARTITION);
	if (error == MM_OK)
		error = mm_public_key_read(a->answer.spki, &a->key);
	if (error == MM_OK)
		error = check_wanted(request, a);
	if (error == MM_OK)
		error =
		    mm_attested_partition(&a->attested, partition, &is_signed);
	return error;
}

/* --- the signed partition --- */

static enum mm_error
attach(const struct answered *a, const struct mm_own_image *partition,
    struct mm_buffer *out)
{
	const struct mm_image image = {
	    mm_own_image_bytes(partition), &partition->facts};
	const struct mm_signed is = {a->key, a->answer.signature};
	struct mm_attached attached = {.count = 0};
	struct mm_signing_name name;
	enum mm_error error =
	    mm_signing_read(a->attested.body.partition.scheme, &name);

	if (error == MM_OK)
		error = name.scheme->attach(
		    &image, MM_RESIGN_REFUSE, &is, 1, &attached);
	if (error == MM_OK)
		error = mm_attached_write(&attached, out);
	mm_attached_clear(&attached);
	return error;
}

/* Read from nothing, and verified as the device will. */
static enum mm_error
verify(const struct answered *a, struct mm_span made)
{
	mm_auto(buffer) copy = {0};
	struct mm_own_image outcome;
	bool is_signed = false;
	enum mm_error error;

	mm_buffer_init(&copy, made.size);
	mm_buffer_add(&copy, made.data, made.size);
	if (copy.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a partition");
	error = mm_own_image_take(&copy, &outcome);
	if (error == MM_OK)
		error =
		    mm_attested_partition(&a->attested, &outcome, &is_signed);
	mm_own_image_clear(&outcome);
	if (error == MM_OK && !is_signed)
		error = mm_fail(MM_E_BUG, "the partition is not signed");
	return error;
}

static enum mm_error
write_files(const struct mm_invocation *invocation, const struct answered *a,
    struct mm_span made)
{
	const char *out = mm_option(invocation, "out");
	json_t *report = mm_attested_json(&a->attested);
	enum mm_error error = mm_result_write(
	    invocation, out, suffixes[0], made, "partition", report);

	if (error == MM_OK)
		error = mm_result_write(invocation, out, suffixes[1],
		    a->answer.receipt, "receipt", report);
	if (error == MM_OK)
		mm_print(invocation, report);
	else
		json_decref(report);
	return error;
}

static enum mm_error
sign(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, struct mm_partition_request *request,
    struct mm_own_image *partition)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) made = {0};
	struct answered a;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&made, MM_PARTITION_MAX + GROWS);
	request->partition = mm_own_image_bytes(partition);
	error = mm_appliance_ask(
	    appliance, MM_MESSAGE_PARTITION, request, &arena, &a.answer);
	if (error == MM_OK)
		error = check_answer(appliance, request, partition, &arena, &a);
	if (error == MM_OK)
		error = attach(&a, partition, &made);
	if (error == MM_OK)
		error = verify(&a, mm_buffer_span(&made));
	return error == MM_OK
		   ? write_files(invocation, &a, mm_buffer_span(&made))
		   : error;
}

static enum mm_error
check_files(const struct mm_invocation *invocation)
{
	return mm_results_check(invocation, mm_option(invocation, "out"),
	    suffixes, MM_COUNT(suffixes));
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"order", "scheme"};
	struct mm_partition_request request = {
	    .order = mm_value_text(invocation, "order", NULL),
	    .device = mm_value_text(invocation, "device", NULL),
	    .scheme = mm_value_text(invocation, "scheme", NULL)};
	struct mm_own_image partition = {.facts = {.size = 0}};
	struct mm_appliance appliance;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_device_check(request.device);
	if (error == MM_OK)
		error = check_files(invocation);
	if (error == MM_OK)
		error = read_partition(invocation->operands[0], &partition);
	if (error == MM_OK)
		error = sign(invocation, &appliance, &request, &partition);
	mm_own_image_clear(&partition);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"order", "ORDER", "the order of the device's certificate", true},
    {"device", "ID", "the device's id", true},
    {"scheme", "SIGNING",
	"as the device's profile has it (partitions): "
	"secure-cert-rsa3072:cert-1",
	true},
    {"out", "FILE", "the signed partition; its receipt is FILE.receipt", true},
    MM_OPTION_WAIT,
};

const struct mm_command mm_cert_partition_command = {
    .noun = "cert",
    .verb = "partition",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "signs a device's esp_secure_cert partition",
    .about = "FILE is the partition as it is before it is signed, with the "
	     "certificate in it that\nthe device has under ORDER; bytes 0xFF "
	     "behind it are left out. There is one signed\npartition for each "
	     "certificate and scheme: the same FILE gets the same signature.",
    .results = MM_ATTESTED_RESULTS "\n" MM_ATTESTED_PARTITION_RESULTS
				   "\npartition, receipt (paths)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
