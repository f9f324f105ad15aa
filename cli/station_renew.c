/*
 * mintmark station renew: a new TLS certificate for one's own key, before the
 * old one ends. Nobody has to sign for it: who one is has not changed. For a
 * timer: run it every day, it asks for a new one when it is time.
 */
#include <limits.h>

#include "ca/csr.h"
#include "cli/chain.h"
#include "cli/identity.h"
#include "cli/principal_certificate.h"

enum { ARENA = 4 << 20 };

static enum mm_error
renew(const struct mm_appliance *appliance, struct mm_arena *arena,
    struct mm_certificate_answer *answer, struct mm_attested *attested)
{
	mm_auto(buffer) der = {0};
	struct mm_renew_request request;
	struct mm_certificate_wanted wanted = {.spki = {NULL, 0}};
	struct mm_csr csr;
	enum mm_error error;

	mm_buffer_init(&der, MM_CSR_MAX);
	error = mm_identity_request(appliance->identity, &der);
	if (error == MM_OK)
		error = mm_csr_read(mm_buffer_span(&der), arena, &csr);
	if (error != MM_OK)
		return error;
	request.csr = mm_buffer_span(&der);
	wanted.spki = csr.spki;
	error = mm_appliance_ask(
	    appliance, MM_MESSAGE_RENEW, &request, arena, answer);
	return error == MM_OK ? mm_certificate_answer_check(answer, &wanted,
				    &appliance->vkey, arena, attested)
			      : error;
}

/* It is for the same name, and of the same CA. `*there`: it is the one that
 * the directory has. */
static enum mm_error
compare(const char *identity, struct mm_span certificate,
    struct mm_arena *arena, bool *there)
{
	char path[PATH_MAX];
	struct mm_certificate own, fresh;
	struct mm_span der;
	enum mm_error error =
	    mm_path(path, sizeof(path), identity, "certificate.pem");

	if (error == MM_OK)
		error = mm_certificate_input(path, arena, &der, &own);
	if (error == MM_OK)
		error = mm_certificate_open(certificate, arena, &fresh);
	if (error == MM_OK &&
	    !mm_span_equal(own.read.subject, fresh.read.subject))
		error = mm_fail(MM_E_MISMATCH,
		    "the appliance answered with a certificate for another "
		    "name than that of %s",
		    path);
	if (error != MM_OK)
		return error;
	*there = mm_span_equal(der, certificate);
	return mm_principal_issued(identity, certificate, arena);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_certificate_answer answer;
	struct mm_appliance appliance;
	struct mm_attested attested;
	mm_auto(arena) arena = {0};
	bool there = false;
	json_t *out;
	enum mm_error error =
	    mm_appliance_read(invocation, MM_WAIT, &appliance);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = renew(&appliance, &arena, &answer, &attested);
	if (error == MM_OK)
		error = compare(
		    appliance.identity, answer.certificate, &arena, &there);
	if (error == MM_OK && !there)
		error =
		    mm_identity_renew(appliance.identity, answer.certificate);
	if (error != MM_OK)
		return error;
	out = mm_attested_json(&attested);
	json_object_set_new(out, "renewed", json_boolean(!there));
	mm_print(invocation, out);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    MM_OPTION_WAIT,
};

const struct mm_command mm_station_renew_command = {
    .noun = "station",
    .verb = "renew",
    .operands = "",
    .summary = "a new TLS certificate for one's own key, when it is time",
    .results =
	MM_ATTESTED_RESULTS "\n" MM_ATTESTED_CERTIFICATE_RESULTS ", renewed",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
