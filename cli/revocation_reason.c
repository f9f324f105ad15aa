#include "cli/revocation_reason.h"

#include <string.h>

#include "cli/json_value.h"

enum { REASONS = 11 };

enum mm_error
mm_value_reason(const struct mm_invocation *invocation, uint64_t *out)
{
	const char *said = mm_option(invocation, "reason");

	if (said == NULL)
		return MM_OK;
	for (uint64_t reason = 0; reason < REASONS; reason++) {
		const char *word = mm_revocation_reason(reason);

		if (word != NULL && strcmp(word, said) == 0) {
			*out = reason;
			return MM_OK;
		}
	}
	return mm_fail(MM_E_USAGE,
	    "--reason %s: RFC 5280 has unspecified, keyCompromise, "
	    "cACompromise, affiliationChanged, superseded, "
	    "cessationOfOperation, certificateHold, removeFromCRL, "
	    "privilegeWithdrawn, aACompromise",
	    said);
}
