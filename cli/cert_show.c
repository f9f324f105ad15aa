/*
 * mintmark cert show: a certificate that was issued, found again by its
 * device or its serial number.
 */
#include "ca/serial.h"
#include "cli/appliance.h"
#include "cli/certificate_answer.h"
#include "cli/result_files.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

static enum mm_error
read_request(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_show_request *out)
{
	static const char *const either[] = {"device", "serial"},
				 *const names[] = {"device", "profile"};
	enum mm_error error;

	if (mm_values_said(invocation, either, MM_COUNT(either)) != 1)
		return mm_fail(MM_E_USAGE, "say --device or --serial");
	error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_value_hex(
		    invocation, "serial", MM_SERIAL_SIZE, arena, &out->serial);
	if (error != MM_OK)
		return error;
	if (out->serial.size > 0 && mm_option(invocation, "profile") != NULL)
		return mm_fail(
		    MM_E_USAGE, "--profile goes with --device alone");
	out->device = mm_value_text(invocation, "device", NULL);
	if (out->serial.size == 0)
		out->profile = mm_value_text(invocation, "profile", "device");
	return MM_OK;
}

static enum mm_error
not_found(const struct mm_invocation *invocation)
{
	const char *serial = mm_option(invocation, "serial");

	if (serial != NULL)
		return mm_fail(MM_E_NOT_FOUND,
		    "no certificate with serial number %s was issued here",
		    serial);
	return mm_fail(MM_E_NOT_FOUND,
	    "device %s has no good certificate of profile %.*s here (%s); a "
	    "revoked one is shown by --serial",
	    mm_option(invocation, "device"),
	    MM_SPAN(mm_value_text(invocation, "profile", "device")),
	    mm_why(MM_E_NOT_FOUND));
}

static enum mm_error
show(const struct mm_invocation *invocation,
    const struct mm_show_request *request, struct mm_arena *arena)
{
	const struct mm_certificate_wanted wanted = {
	    .profile = request->profile,
	    .device = request->device,
	    .serial = request->serial};
	const char *prefix = mm_option(invocation, "out");
	struct mm_certificate_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	enum mm_error error = mm_appliance_read(invocation, 0, &appliance);

	if (error == MM_OK && prefix != NULL)
		error = mm_certificate_files_check(invocation, prefix);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_SHOW, request, arena, &answer);
	if (error == MM_E_NOT_FOUND)
		return not_found(invocation);
	if (error == MM_OK)
		error = mm_certificate_answer_check(
		    &answer, &wanted, &appliance.vkey, arena, &attested);
	if (error != MM_OK)
		return error;
	return mm_certificate_report(invocation, prefix, &answer, &attested);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_show_request request = {.device = {NULL, 0}};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = read_request(invocation, &arena, &request);
	return error == MM_OK ? show(invocation, &request, &arena) : error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"device", "ID", "the device's id", false},
    {"profile", "PROFILE", "with --device: the profile (device)", false},
    {"serial", "HEX", "the serial number", false},
    {"out", "PREFIX", "write the files too", false},
};

const struct mm_command mm_cert_show_command = {
    .noun = "cert",
    .verb = "show",
    .operands = "",
    .summary = "a certificate that was issued, with its receipt",
    .results = MM_CERTIFICATE_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
