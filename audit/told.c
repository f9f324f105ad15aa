/*
 * What the log only tells: refusals, starts, what an auditor took home.
 */
#include "audit/state.h"
#include "protocol/message.h"

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
	at->audit->started = true;
	return MM_OK;
}

enum mm_error
mm_audit_export(const struct mm_audit_at *at)
{
	const struct mm_export_entry *body = at->body;

	if (body->from >= body->to || body->to > at->index)
		return mm_audit_wrong("entries %llu to %llu were not there",
		    (unsigned long long)body->from,
		    (unsigned long long)body->to);
	if (!mm_span_is(body->format, "csv") &&
	    !mm_span_is(body->format, "json"))
		return mm_audit_wrong("an export is csv or json");
	return mm_audit_asked(
	    at, MM_MESSAGE_EXPORT, body->principal, body->request);
}
