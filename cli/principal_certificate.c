#include "cli/principal_certificate.h"

#include <limits.h>
#include <string.h>

#include "cli/chain.h"

enum mm_error
mm_principal_issued(
    const char *identity, struct mm_span certificate, struct mm_arena *arena)
{
	char path[PATH_MAX];
	struct mm_certificate issuer;
	struct mm_span der;
	enum mm_error error =
	    mm_path(path, sizeof(path), identity, "access-ca.pem");

	if (error == MM_OK)
		error = mm_certificate_input(path, arena, &der, &issuer);
	if (error != MM_OK)
		return error;
	if (mm_certificate_verify(certificate, issuer.read.spki) != MM_OK)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance answered with a certificate that the CA of "
		    "%s has not signed",
		    path);
	return MM_OK;
}

/* What the receipt attests, against what officers stated. */
static enum mm_error
check_key(struct mm_span der, const struct mm_principal_claim *claim,
    struct mm_arena *arena)
{
	struct mm_certificate certificate;
	enum mm_error error = mm_certificate_open(der, arena, &certificate);

	if (error != MM_OK)
		return error;
	return memcmp(certificate.read.key.sha256, claim->key,
		   sizeof(claim->key)) == 0
		   ? MM_OK
		   : mm_fail(MM_E_MISMATCH,
			 "the appliance answered with a certificate for "
			 "another key than was registered");
}

enum mm_error
mm_principal_certificate(const struct mm_appliance *appliance,
    const struct mm_principal_terms *terms, struct mm_arena *arena,
    struct mm_certificate_answer *answer, struct mm_attested *attested)
{
	const struct mm_show_request request = {.basis = terms->index};
	const struct mm_certificate_wanted wanted = {
	    .device = terms->claim.name};
	enum mm_error error = mm_appliance_ask(
	    appliance, MM_MESSAGE_SHOW, &request, arena, answer);

	if (error == MM_OK)
		error = mm_certificate_answer_check(
		    answer, &wanted, &appliance->vkey, arena, attested);
	if (error == MM_OK)
		error = check_key(answer->certificate, &terms->claim, arena);
	return error == MM_OK ? mm_principal_issued(appliance->identity,
				    answer->certificate, arena)
			      : error;
}
