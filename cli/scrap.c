#include "cli/scrap.h"

#include <string.h>

#include "protocol/cbor.h"
#include "protocol/text.h"

static enum mm_error
differs(const char *what)
{
	return mm_fail(MM_E_MISMATCH,
	    "the appliance answered with a report of another %s", what);
}

/* The reason that stands is the first one's. */
static enum mm_error
check_answer(const struct mm_scrap_answer *answer,
    const struct mm_scrap_request *request, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out)
{
	struct mm_attested attested;
	enum mm_error error =
	    mm_attested_read(answer->receipt, vkey, arena, &attested);

	if (error == MM_OK)
		error = mm_attested_is(&attested, MM_ENTRY_SCRAP);
	if (error == MM_OK && attested.receipt.index != answer->index)
		error = differs("index");
	if (error == MM_OK &&
	    !mm_span_equal(attested.body.scrap.serial, request->serial))
		error = differs("serial number");
	if (error == MM_OK)
		*out = attested;
	return error;
}

enum mm_error
mm_scrap_report(const struct mm_appliance *appliance, struct mm_span order,
    struct mm_span serial, const char *reason, struct mm_arena *arena,
    struct mm_attested *out)
{
	const struct mm_scrap_request request = {
	    order, serial, mm_span_text(reason)};
	struct mm_scrap_answer answer;
	enum mm_error error;

	if (request.reason.size == 0 ||
	    request.reason.size > MM_SCRAP_REASON_MAX ||
	    !mm_text_ok(request.reason))
		return mm_fail(MM_E_RANGE,
		    "a reason is 1 to %d bytes of text in one line",
		    MM_SCRAP_REASON_MAX);
	error = mm_appliance_ask(
	    appliance, MM_MESSAGE_SCRAP, &request, arena, &answer);
	return error == MM_OK ? check_answer(&answer, &request,
				    &appliance->vkey, arena, out)
			      : error;
}

void
mm_scrap_reason(const char *text, char out[MM_SCRAP_REASON_SIZE])
{
	size_t size = strlen(text);

	while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
		size--;
	if (mm_text_clean(mm_span(text, size), out, MM_SCRAP_REASON_SIZE) == 0)
		memcpy(out, "no reason given", sizeof("no reason given"));
}
