/*
 * Images: by the officers who signed them, in their own entry.
 */
#include <string.h>

#include "audit/state.h"
#include "protocol/message.h"

/* Its statements may be those of a release, which was not withdrawn. */
static enum mm_error
speak(const struct mm_audit_at *at, const struct mm_image_entry *entry)
{
	struct mm_thing_name name;
	enum mm_error error = mm_audit_payload(&entry->statements, &name);

	return error == MM_OK ? mm_fact_add(at->audit->ledger, MM_FACT_SPOKEN,
				    MM_THING_STATEMENT, &name, at->index, 0)
			      : error;
}

static enum mm_error
take(const struct mm_audit_at *at, const struct mm_image_entry *entry,
    struct mm_waiting *waiting)
{
	waiting->thing_count = 2;
	waiting->things[0].thing = MM_THING_REQUEST;
	waiting->things[0].name = mm_thing_name(MM_THING_REQUEST,
	    entry->principal, entry->request, mm_span(NULL, 0));
	waiting->things[1].thing = MM_THING_RELEASE;
	waiting->things[1].name = mm_thing_name(
	    MM_THING_RELEASE, entry->product, entry->version, entry->scheme);
	return mm_fact_take(at->audit->ledger, MM_THING_RELEASE,
	    &waiting->things[1].name, at->index);
}

enum mm_error
mm_audit_image(const struct mm_audit_at *at)
{
	const struct mm_image_entry *entry = at->body;
	struct mm_audit *audit = at->audit;
	const struct mm_judge_sources sources = mm_audit_sources(audit);
	const struct mm_judge judge = mm_audit_judge(audit, &sources);
	struct mm_waiting waiting = {.index = at->index};
	struct mm_verdict verdict;
	enum mm_error error =
	    mm_judge_image(&judge, at->frame, entry, at->arena, &verdict);

	if (error == MM_OK)
		error = mm_audit_asked(
		    at, MM_MESSAGE_RELEASE, entry->principal, entry->request);
	if (error == MM_OK)
		error = speak(at, entry);
	if (error == MM_OK)
		error = take(at, entry, &waiting);
	if (error != MM_OK)
		return error;
	waiting.key = mm_audit_key_named(audit, entry->key);
	memcpy(waiting.digest, verdict.digest, sizeof(waiting.digest));
	return mm_waiting_add(&audit->waiting, &waiting);
}
