/*
 * mintmark cert issue: a CSR becomes a certificate, its chain and its
 * receipt. Asking again gives the same bytes.
 */
#include "ca/csr.h"
#include "ca/profile.h"
#include "cli/appliance.h"
#include "cli/certificate_answer.h"
#include "cli/result_files.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

static enum mm_error
read_csr(const char *path, struct mm_arena *arena, struct mm_span *bytes,
    struct mm_csr *csr)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	mm_buffer_init(&file, MM_CSR_MAX);
	error = mm_input(path, MM_CSR_MAX, &file);
	if (error != MM_OK)
		return error;
	*bytes = mm_arena_copy(arena, mm_buffer_span(&file));
	if (bytes->data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a CSR");
	error = mm_csr_read(*bytes, arena, csr);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

static enum mm_error
issue(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance,
    const struct mm_issue_request *request, struct mm_span spki,
    struct mm_arena *arena)
{
	const struct mm_certificate_wanted wanted = {
	    .profile = request->profile,
	    .device = request->device,
	    .spki = spki};
	struct mm_certificate_answer answer;
	struct mm_attested attested;
	char prefix[PATH_MAX];
	enum mm_error error =
	    mm_result_prefix(invocation, request->device, prefix);

	if (error == MM_OK)
		error = mm_certificate_files_check(invocation, prefix);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    appliance, MM_MESSAGE_ISSUE, request, arena, &answer);
	if (error == MM_OK)
		error = mm_certificate_answer_check(
		    &answer, &wanted, &appliance->vkey, arena, &attested);
	if (error != MM_OK)
		return error;
	return mm_certificate_report(invocation, prefix, &answer, &attested);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"order", "profile"};
	struct mm_issue_request request = {
	    .order = mm_value_text(invocation, "order", NULL),
	    .profile = mm_value_text(invocation, "profile", "device"),
	    .device = mm_value_text(invocation, "device", NULL),
	    .reissue = mm_option(invocation, "reissue") != NULL};
	struct mm_appliance appliance;
	mm_auto(arena) arena = {0};
	struct mm_csr csr;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK)
		error = mm_device_check(request.device);
	if (error == MM_OK)
		error = read_csr(
		    invocation->operands[0], &arena, &request.csr, &csr);
	if (error == MM_OK)
		error =
		    issue(invocation, &appliance, &request, csr.spki, &arena);
	return error != MM_E_ORDER ? error
				   : mm_fail(error,
					 "there is no order \"%.*s\" here; an "
					 "officer makes one "
					 "with mintmark order create",
					 MM_SPAN(request.order));
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"order", "ORDER", "the order that covers the device", true},
    {"device", "ID", "the device's id", true},
    {"profile", "PROFILE", "the certificate's profile (device)", false},
    {"reissue", NULL, "for repair: voids the one that the device has", false},
    {"out", "PREFIX", "where the files go (the device's id)", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_cert_issue_command = {
    .noun = "cert",
    .verb = "issue",
    .operands = "CSR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a device certificate for a CSR (PEM or DER)",
    .results = MM_CERTIFICATE_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
