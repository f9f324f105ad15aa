/*
 * mintmark ceremony prove: a cloud gives a code, and believes that a CA is
 * yours when a certificate by this CA has the code as its name. The key of
 * that certificate signs a CSR here and is gone.
 */
#include <sodium.h>

#include "cli/ceremony_state.h"
#include "cli/certificate_answer.h"
#include "cli/identity.h"
#include "cli/result_files.h"
#include "cli/values.h"

enum { ARENA = 64 << 20 };

struct proving {
	const struct mm_invocation *invocation;
	const char *prefix;
	struct mm_arena arena;
	struct mm_buffer spki, csr;
	struct mm_ceremony_proof proof;
	struct mm_stated stated;
	struct mm_ceremony_story story;
};

static enum mm_error
make_key(struct proving *p)
{
	enum mm_error error = mm_key_once(&p->spki, &p->csr);

	if (error == MM_OK)
		crypto_hash_sha256(p->proof.key, p->spki.data, p->spki.size);
	return error;
}

/* The certificate that rests on the ceremony, held against its receipt. */
static enum mm_error
fetch(struct proving *p)
{
	const struct mm_show_request request = {
	    .basis = p->stated.receipt.index};
	const struct mm_certificate_wanted wanted = {
	    .profile = p->proof.profile,
	    .device = p->proof.code,
	    .spki = mm_buffer_span(&p->spki)};
	struct mm_appliance appliance;
	struct mm_certificate_answer answer;
	struct mm_attested attested;
	enum mm_error error =
	    mm_appliance_read(p->invocation, MM_WAIT, &appliance);

	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_SHOW, &request, &p->arena, &answer);
	if (error == MM_OK)
		error = mm_certificate_answer_check(
		    &answer, &wanted, &appliance.vkey, &p->arena, &attested);
	if (error == MM_OK &&
	    !mm_span_equal(attested.body.certificate.issuer, p->proof.issuer))
		error = mm_fail(MM_E_MISMATCH,
		    "the appliance answered with a certificate of another CA");
	return error == MM_OK ? mm_certificate_report(p->invocation, p->prefix,
				    &answer, &attested)
			      : error;
}

static enum mm_error
prove(struct proving *p)
{
	struct mm_stating_carries carries = {.csr = {NULL, 0}};
	struct mm_ceremony_claim claim = {.proofs = {&p->proof, 1}};
	enum mm_error error = make_key(p);

	carries.csr = mm_buffer_span(&p->csr);
	if (error == MM_OK)
		error = mm_ceremony_state(p->invocation, &claim, &carries,
		    &p->arena, &p->stated, &p->story);
	if (error != MM_OK)
		return error;
	if (p->stated.answer.missing == 0)
		return fetch(p);
	mm_ceremony_state_report(p->invocation, &p->stated, NULL);
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"issuer", "code", "profile"};
	struct proving p = {.invocation = invocation,
	    .prefix = mm_option(invocation, "out"),
	    .proof = {
		.issuer = mm_value_text(invocation, "issuer", "device-ca"),
		.profile = mm_value_text(invocation, "profile", "possession"),
		.code = mm_value_text(invocation, "code", NULL)}};
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	if (error == MM_OK)
		error = mm_certificate_files_check(invocation, p.prefix);
	if (error != MM_OK)
		return error;
	mm_arena_init(&p.arena, ARENA);
	mm_buffer_init(&p.spki, MM_SPKI_MAX);
	mm_buffer_init(&p.csr, MM_CSR_MAX);
	error = prove(&p);
	mm_buffer_clear(&p.spki);
	mm_buffer_clear(&p.csr);
	mm_arena_clear(&p.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"issuer", "NAME", "the CA's key (device-ca)", false},
    {"code", "CODE", "what the cloud wants to read", true},
    {"profile", "PROFILE", "of purpose proof (possession)", false},
    {"out", "PREFIX", "PREFIX.crt, .chain.pem and .receipt", true},
};

const struct mm_command mm_ceremony_prove_command = {
    .noun = "ceremony",
    .verb = "prove",
    .operands = "",
    .summary = "show a cloud that a CA's key is here",
    .about =
	"AWS IoT: CODE is what `aws iot get-registration-code` says; then\n"
	"  aws iot register-ca-certificate --ca-certificate file://CA.pem \\\n"
	"    --verification-certificate file://PREFIX.crt\n"
	"Azure DPS: upload CA.pem, have a verification code made for it, which "
	"is CODE, and\nupload PREFIX.crt as its verification certificate "
	"(`az iot dps certificate verify`).\nCA.pem is the CA's own "
	"certificate. The key of PREFIX.crt is kept nowhere.",
    .results = MM_CERTIFICATE_RESULTS
    "\nor, where officers are missing:\n" MM_STATED_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
