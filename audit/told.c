/*
 * What the log only tells: refusals, starts, what an auditor took home.
 */
#include "audit/state.h"
#include "protocol/message.h"

enum { DAY = 86400 };

bool
mm_audit_is_error(struct mm_span name)
{
	static const enum mm_error errors[] = {
#define ERROR(error, number, text, status, wait, what) MM_E_##error,
	    MM_ERRORS(ERROR)
#undef ERROR
	};

	for (size_t i = 0; i < MM_COUNT(errors); i++)
		if (mm_span_is(name, mm_error_name(errors[i])))
			return errors[i] != MM_OK;
	return false;
}

static bool
is_message(struct mm_span name)
{
	for (uint64_t type = 0; type < MM_MESSAGE_TYPES; type++) {
		const struct mm_message_type_row *row = mm_message_row(type);

		if (row != NULL && mm_span_is(name, row->name))
			return true;
	}
	return false;
}

enum mm_error
mm_audit_refusals(const struct mm_audit_at *at)
{
	const struct mm_refusal_entry *body = at->body;

	for (mm_list_each(const struct mm_refusal, one, body->refusals)) {
		if (!mm_audit_is_error(one->reason))
			return mm_audit_wrong(
			    "\"%.*s\" is no reason", MM_SPAN(one->reason));
		if (!is_message(one->request))
			return mm_audit_wrong("there is no request \"%.*s\"",
			    MM_SPAN(one->request));
		if (mm_audit_person(at->audit, one->principal) == NULL)
			return mm_audit_wrong(
			    "principal %.*s was not registered",
			    MM_SPAN(one->principal));
		at->audit->report.refusals += one->count;
	}
	return MM_OK;
}

enum mm_error
mm_audit_start(const struct mm_audit_at *at)
{
	const struct mm_start_entry *body = at->body;
	struct mm_audit *audit = at->audit;
	uint64_t undecided = audit->waiting.count - audit->waiting.done;

	if (body->undecided != undecided)
		return mm_audit_wrong(
		    "it has found %llu entries without a signature, and there "
		    "are %llu",
		    (unsigned long long)body->undecided,
		    (unsigned long long)undecided);
	audit->started = true;
	return mm_audit_inherited_end(audit);
}

/* The authority puts no more than so many a day on record. */
static enum mm_error
count_export(const struct mm_audit_at *at, struct mm_span principal)
{
	struct mm_audit_person *person = mm_audit_person(at->audit, principal);
	uint64_t day = at->frame->time / DAY;

	if (person->export_day != day)
		person->exports = 0;
	person->export_day = day;
	if (person->exports++ < MM_EXPORTS_DAILY)
		return MM_OK;
	return mm_audit_wrong(
	    "it is a day's export %llu of principal %.*s, and %d are allowed",
	    (unsigned long long)person->exports, MM_SPAN(principal),
	    MM_EXPORTS_DAILY);
}

enum mm_error
mm_audit_export(const struct mm_audit_at *at)
{
	const struct mm_export_entry *body = at->body;
	enum mm_error error;

	if (body->from >= body->to || body->to > at->index)
		return mm_audit_wrong("entries %llu to %llu were not there",
		    (unsigned long long)body->from,
		    (unsigned long long)body->to);
	if (!mm_span_is(body->format, "csv") &&
	    !mm_span_is(body->format, "json"))
		return mm_audit_wrong("an export is csv or json");
	error = mm_audit_asked(
	    at, MM_MESSAGE_EXPORT, body->principal, body->request);
	return error == MM_OK ? count_export(at, body->principal) : error;
}
