/*
 * mintmark order scrap: a station says that a unit failed for good.
 */
#include "ca/profile.h"
#include "ca/serial.h"
#include "cli/certificate_answer.h"
#include "cli/chain.h"
#include "cli/order_state.h"
#include "cli/result_files.h"
#include "cli/scrap.h"
#include "cli/values.h"

enum { ARENA = 8 << 20 };

/* The serial number of the certificate that the device has under the order's
 * profile; it lies in the arena. */
static enum mm_error
find_serial(const struct mm_appliance *appliance, const char *order,
    struct mm_span device, struct mm_arena *arena, struct mm_span *out)
{
	struct mm_show_request request = {.device = device};
	struct mm_certificate_wanted wanted = {.device = device};
	struct mm_certificate_answer answer;
	struct mm_certificate certificate;
	struct mm_attested attested;
	struct mm_list states = {NULL, 0};
	enum mm_error error = mm_order_states(appliance, order, arena, &states);

	if (error != MM_OK)
		return error;
	request.profile = mm_list_at(states, struct mm_order_state, 0)->profile;
	wanted.profile = request.profile;
	error = mm_appliance_ask(
	    appliance, MM_MESSAGE_SHOW, &request, arena, &answer);
	if (error == MM_E_NOT_FOUND)
		return mm_fail(error,
		    "device %.*s has no certificate of profile %.*s; a revoked "
		    "one is named by --serial",
		    MM_SPAN(device), MM_SPAN(request.profile));
	if (error == MM_OK)
		error = mm_certificate_answer_check(
		    &answer, &wanted, &appliance->vkey, arena, &attested);
	if (error == MM_OK)
		error = mm_certificate_open(
		    answer.certificate, arena, &certificate);
	if (error != MM_OK)
		return error;
	*out = mm_arena_copy(arena,
	    mm_span(certificate.read.serial, sizeof(certificate.read.serial)));
	return out->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a serial number");
}

static enum mm_error
read_serial(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, struct mm_arena *arena,
    struct mm_span *out)
{
	static const char *const either[] = {"device", "serial"};
	struct mm_span device = mm_value_text(invocation, "device", NULL);
	enum mm_error error;

	if (mm_values_said(invocation, either, MM_COUNT(either)) != 1)
		return mm_fail(MM_E_USAGE, "say --device or --serial");
	if (device.size == 0)
		return mm_value_hex(
		    invocation, "serial", MM_SERIAL_SIZE, arena, out);
	error = mm_device_check(device);
	return error == MM_OK
		   ? find_serial(appliance, mm_option(invocation, "order"),
			 device, arena, out)
		   : error;
}

static enum mm_error
report(const struct mm_invocation *invocation, const struct mm_attested *said)
{
	const char *out = mm_option(invocation, "receipt");
	json_t *row = mm_attested_json(said);
	mm_auto(buffer) text = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&text, MM_RECEIPT_MAX);
	json_object_set_new(
	    row, "order", json_string(mm_option(invocation, "order")));
	if (out != NULL)
		error = mm_receipt_encode(&said->receipt, &text);
	if (error == MM_OK && out != NULL)
		error = mm_result_write(
		    invocation, out, "", mm_buffer_span(&text), "receipt", row);
	if (error == MM_OK)
		mm_print(invocation, row);
	else
		json_decref(row);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"order"}, *const none[] = {""};
	const char *out = mm_option(invocation, "receipt");
	struct mm_appliance appliance;
	struct mm_attested said;
	struct mm_span serial;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_values_named(invocation, names, MM_COUNT(names));
	if (error == MM_OK && out != NULL)
		error = mm_results_check(invocation, out, none, MM_COUNT(none));
	if (error == MM_OK)
		error = read_serial(invocation, &appliance, &arena, &serial);
	if (error == MM_OK)
		error = mm_scrap_report(&appliance,
		    mm_value_text(invocation, "order", NULL), serial,
		    mm_option(invocation, "reason"), &arena, &said);
	return error == MM_OK ? report(invocation, &said) : error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"order", "ORDER", "the order of the unit's certificate", true},
    {"device", "ID", "the unit's device id", false},
    {"serial", "HEX", "or its certificate's serial number", false},
    {"reason", "TEXT", "why, for people: up to 200 bytes", true},
    {"receipt", "FILE", "write the receipt too", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_order_scrap_command = {
    .noun = "order",
    .verb = "scrap",
    .operands = "",
    .summary = "a station says that a unit failed for good",
    .about = "For a unit whose certificate is issued. It stays used, and its "
	     "certificate stays good\nuntil an officer revokes it. The first "
	     "report of a certificate counts: said again, it\nis answered with "
	     "the same entry and the reason that it has.",
    .results = MM_ATTESTED_RESULTS "\norder, " MM_ATTESTED_SCRAP_RESULTS
				   ",\nreceipt (path)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
