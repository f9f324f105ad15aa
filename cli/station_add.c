/*
 * mintmark station add: an officer registers a principal, by the CSR that was
 * made on its own computer: a station, or by --role somebody else.
 */
#include <sodium.h>
#include <string.h>

#include "ca/csr.h"
#include "cli/identity.h"
#include "cli/json_value.h"
#include "cli/principal_certificate.h"
#include "cli/stating.h"
#include "cli/values.h"

enum { ARENA = 4 << 20 };

static enum mm_error
read_claim(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_principal_claim *out)
{
	static const char *const names[] = {"name"};
	const char *role = mm_option(invocation, "role");
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	out->name = mm_value_text(invocation, "name", NULL);
	out->role = role != NULL ? mm_role_named(role) : MM_ROLE_STATION;
	if (error == MM_OK && out->role == 0)
		error = mm_fail(MM_E_USAGE,
		    "--role is station, release, auditor or officer");
	if (error == MM_OK)
		error = mm_value_words(
		    invocation, "profile", arena, &out->profiles);
	if (error == MM_OK && out->role == MM_ROLE_STATION &&
	    out->profiles.count == 0)
		error = mm_fail(MM_E_USAGE,
		    "a station wants --profile: what it may ask for");
	if (error == MM_OK)
		error = mm_value_number(
		    invocation, "daily", 1, INT64_MAX, &out->daily);
	if (error == MM_OK)
		error = mm_value_number(
		    invocation, "minute", 1, UINT32_MAX, &out->minute);
	return error;
}

/* The key that is registered is the CSR's, and the CSR is its own. */
static enum mm_error
read_csr(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_stating_carries *carries, struct mm_principal_claim *claim)
{
	mm_auto(buffer) file = {0};
	struct mm_csr csr;
	enum mm_error error;

	mm_buffer_init(&file, MM_CSR_MAX);
	error = mm_input(mm_option(invocation, "csr"), MM_CSR_MAX, &file);
	if (error != MM_OK)
		return error;
	carries->csr = mm_arena_copy(arena, mm_buffer_span(&file));
	if (carries->csr.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a CSR");
	error = mm_csr_read(carries->csr, arena, &csr);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", mm_option(invocation, "csr"),
		    mm_why(error));
	crypto_hash_sha256(claim->key, csr.spki.data, csr.spki.size);
	return MM_OK;
}

static enum mm_error
write_files(const struct mm_invocation *invocation,
    const struct mm_principal_terms *terms, struct mm_arena *arena)
{
	struct mm_certificate_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	if (error == MM_OK)
		error = mm_principal_certificate(
		    &appliance, terms, arena, &answer, &attested);
	return error == MM_OK ? mm_identity_hand_over(appliance.identity,
				    mm_option(invocation, "out"),
				    answer.certificate, invocation->force)
			      : error;
}

/* It is registered, whatever becomes of its files. */
static enum mm_error
hand_over(const struct mm_invocation *invocation,
    const struct mm_principal_claim *claim, const struct mm_stated *stated,
    struct mm_arena *arena)
{
	const struct mm_principal_terms terms = {stated->receipt.index, *claim};
	enum mm_error error;

	if (stated->answer.missing > 0 ||
	    mm_option(invocation, "out") == NULL ||
	    stated->answer.certificate.size == 0) {
		mm_say("%s`mintmark station fetch` has its certificate",
		    stated->answer.missing > 0 ? "when it is in force, " : "");
		return MM_OK;
	}
	error = write_files(invocation, &terms, arena);
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(error,
			 "%s; %.*s is registered, and `mintmark station "
			 "fetch` has its certificate",
			 mm_why(error), MM_SPAN(claim->name));
}

static void
report(const struct mm_invocation *invocation,
    const struct mm_principal_claim *claim, const struct mm_stated *stated)
{
	json_t *out = mm_stated_json(stated);

	json_object_update_new(
	    out, json_pack("{s:o, s:s, s:o}", "name", mm_json_text(claim->name),
		     "role", mm_role_name(claim->role), "key",
		     mm_json_hex(mm_span(claim->key, sizeof(claim->key)))));
	mm_print(invocation, out);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *out = mm_option(invocation, "out");
	struct mm_principal_claim claim = {.role = 0};
	struct mm_stating_carries carries = {.csr = {NULL, 0}};
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = read_claim(invocation, &arena, &claim);
	if (error == MM_OK)
		error = read_csr(invocation, &arena, &carries, &claim);
	if (error == MM_OK && out != NULL)
		error = mm_identity_hand_over_check(
		    mm_option(invocation, "identity"), out, invocation->force);
	if (error == MM_OK)
		error = mm_state(invocation, MM_STATEMENT_PRINCIPAL,
		    MM_ENTRY_PRINCIPAL, &claim, &carries, &arena, &stated);
	if (error != MM_OK)
		return error;
	report(invocation, &claim, &stated);
	return hand_over(invocation, &claim, &stated, &arena);
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"name", "NAME", "what it is called", true},
    {"csr", "FILE", "the CSR of its own TLS key", true},
    {"profile", "PROFILE,...", "what a station may ask for", false},
    {"role", "ROLE", "station, release, auditor, officer (station)", false},
    {"daily", "N", "certificates a day (as many as orders allow)", false},
    {"minute", "N", "requests a minute (the appliance's setting)", false},
    {"out", "DIR", "where its identity's files go, but for the key", false},
};

const struct mm_command mm_station_add_command = {
    .noun = "station",
    .verb = "add",
    .operands = "",
    .summary = "an officer registers a station, or somebody else",
    .results = MM_STATED_RESULTS ", name, role, key",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
