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

/* An image is signed on its statements alone; in earlier logs somebody has
 * asked for it. */
static enum mm_error
ask(const struct mm_audit_at *at, const struct mm_image_entry *entry)
{
	return entry->principal.size == 0 && entry->request.size == 0
		   ? MM_OK
		   : mm_audit_asked(at, MM_MESSAGE_SUBMIT, entry->principal,
			 entry->request);
}

static const struct mm_thing_name *
add_thing(struct mm_waiting *waiting, enum mm_thing thing, struct mm_span first,
    struct mm_span second, struct mm_span third)
{
	size_t i = waiting->thing_count++;

	waiting->things[i].thing = thing;
	waiting->things[i].name = mm_thing_name(thing, first, second, third);
	return &waiting->things[i].name;
}

/* One signature by each signing, and one image for all of them. */
static enum mm_error
take(const struct mm_audit_at *at, const struct mm_image_entry *entry,
    struct mm_waiting *waiting)
{
	struct mm_audit *audit = at->audit;
	struct mm_span none = mm_span(NULL, 0);
	enum mm_error error;

	if (entry->request.size > 0)
		add_thing(waiting, MM_THING_REQUEST, entry->principal,
		    entry->request, none);
	error = mm_fact_take(audit->ledger, MM_THING_RELEASE,
	    add_thing(waiting, MM_THING_RELEASE, entry->product, entry->version,
		entry->scheme),
	    at->index);
	if (error == MM_OK)
		error =
		    mm_fact_add(audit->ledger, MM_FACT_TAKEN, MM_THING_VERSION,
			add_thing(waiting, MM_THING_VERSION, entry->product,
			    entry->version, none),
			at->index, mm_audit_image_number(audit, entry->sha256));
	if (error == MM_OK)
		error = mm_audit_version_take(at, entry, &waiting->version);
	return error;
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
		error = ask(at, entry);
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
