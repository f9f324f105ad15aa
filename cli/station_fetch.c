/*
 * mintmark station fetch: the certificate of a principal that was registered,
 * as files for its identity's directory.
 */
#include "cli/identity.h"
#include "cli/principal_certificate.h"

enum { ARENA = 4 << 20 };

static enum mm_error
fetch(const struct mm_appliance *appliance, const char *name,
    struct mm_arena *arena, struct mm_certificate_answer *answer,
    struct mm_attested *attested)
{
	struct mm_principal_terms terms;
	enum mm_error error =
	    mm_principal_terms(appliance, name, arena, &terms);

	if (error != MM_OK)
		return error;
	error = mm_principal_certificate(
	    appliance, &terms, arena, answer, attested);
	return error == MM_E_NOT_FOUND
		   ? mm_fail(error,
			 "%s was registered without a CSR, or its certificate "
			 "is not signed yet",
			 name)
		   : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *out = mm_option(invocation, "out");
	struct mm_certificate_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_identity_hand_over_check(
		    appliance.identity, out, invocation->force);
	if (error == MM_OK)
		error = fetch(&appliance, invocation->operands[0], &arena,
		    &answer, &attested);
	if (error == MM_OK)
		error = mm_identity_hand_over(appliance.identity, out,
		    answer.certificate, invocation->force);
	if (error == MM_OK)
		mm_print(invocation, mm_attested_json(&attested));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"out", "DIR", "where its identity's files go, but for the key", true},
    MM_OPTION_WAIT,
};

const struct mm_command mm_station_fetch_command = {
    .noun = "station",
    .verb = "fetch",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "the certificate of a station that was registered",
    .results = MM_ATTESTED_RESULTS "\n" MM_ATTESTED_CERTIFICATE_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
