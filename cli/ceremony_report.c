#include "cli/ceremony_report.h"

#include <sodium.h>

#include "cli/json_value.h"

/* How many have to sign a ceremony. */
static uint64_t
officers(const struct mm_policy *policy)
{
	for (mm_list_each(const struct mm_threshold, one, policy->thresholds))
		if (one->kind == MM_STATEMENT_CEREMONY)
			return one->officers;
	return 0;
}

json_t *
mm_ceremony_report_json(const struct mm_ceremony_papers *papers)
{
	const struct mm_ceremony_said *first = &papers->said[0];
	uint8_t payload[32];

	crypto_hash_sha256(payload, first->payload.data, first->payload.size);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "origin",
	    mm_json_text(papers->file.origin), "payload",
	    mm_json_hex(mm_span(payload, sizeof(payload))), "policy",
	    mm_json_hex(mm_span(first->body.ceremony.policy, 32)), "expires",
	    mm_json_time(first->claim.expiry), "officers",
	    mm_json_number(officers(&papers->policy)), "principals",
	    mm_json_number(papers->file.payloads.count - 1));
}

enum mm_error
mm_ceremony_report(const struct mm_invocation *invocation, const char *path,
    struct mm_arena *arena)
{
	struct mm_ceremony_papers papers;
	enum mm_error error = mm_ceremony_papers_read(path, arena, &papers);

	if (error == MM_OK)
		error = mm_ceremony_papers_tell(&papers);
	if (error == MM_OK)
		mm_print(invocation, mm_ceremony_report_json(&papers));
	return error;
}
