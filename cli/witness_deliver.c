/*
 * mintmark witness deliver: brings home what a witness behind an air gap has
 * answered to a request.
 */
#include "cli/witness.h"

static enum mm_error
read_files(const struct mm_invocation *invocation,
    const struct mm_witness *witness, struct mm_buffer *cosigned,
    uint64_t *time)
{
	struct mm_witness_request request;
	mm_auto(buffer) asked = {0};
	mm_auto(buffer) answer = {0};
	enum mm_error error;

	mm_buffer_init(&asked, MM_COSIGN_REQUEST_MAX);
	mm_buffer_init(&answer, MM_NOTE_MAX);
	error =
	    mm_input(invocation->operands[0], MM_COSIGN_REQUEST_MAX, &asked);
	if (error == MM_OK)
		error = mm_input(invocation->operands[1], MM_NOTE_MAX, &answer);
	if (error == MM_OK)
		error =
		    mm_cosign_request_read(mm_buffer_span(&asked), &request);
	if (error == MM_OK)
		error = mm_cosignature_read(request.note,
		    mm_buffer_span(&answer), witness, cosigned, time);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_appliance appliance;
	struct mm_cosign_answer answer;
	struct mm_checkpoint checkpoint;
	struct mm_witness witness;
	mm_auto(buffer) note = {0};
	uint64_t time;
	enum mm_error error =
	    mm_witness_read(mm_option(invocation, "witness"), &witness);

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (error == MM_OK)
		error = mm_appliance_read(invocation, MM_WAIT, &appliance);
	if (error == MM_OK)
		error = read_files(invocation, &witness, &note, &time);
	if (error == MM_OK)
		error = mm_checkpoint_open(
		    mm_buffer_span(&note), &appliance.vkey, &checkpoint);
	if (error == MM_OK)
		error = mm_cosignature_deliver(
		    &appliance, mm_buffer_span(&note), &answer);
	if (error == MM_OK)
		mm_print(invocation,
		    json_pack("{s:s, s:s, s:I, s:o, s:I, s:I}", "log",
			checkpoint.origin, "witness", witness.vkey.name, "size",
			(json_int_t)checkpoint.size, "time", mm_json_time(time),
			"cosigned", (json_int_t)answer.size, "keys",
			(json_int_t)answer.witnesses));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"witness", "VKEY", "whose answer it is: a verifier key, or its file",
	true},
    MM_OPTION_WAIT,
};

const struct mm_command mm_witness_deliver_command = {
    .noun = "witness",
    .verb = "deliver",
    .operands = "REQUEST ANSWER",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "bring home what a witness behind an air gap has answered",
    .results = "log, witness, size, time; cosigned (size of the newest "
	       "cosigned\ncheckpoint at home), keys (of witnesses under it)",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
