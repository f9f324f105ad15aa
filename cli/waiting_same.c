/*
 * Whether what is about to be stated waits already.
 */
#include <sodium.h>

#include "cli/waiting.h"
#include "protocol/subject.h"

enum { DIGITS = 16 }; /* of a payload, for people to copy */

/* What is about to be stated, as far as others can say it, too. */
struct stated {
	const struct mm_appliance *appliance;
	struct mm_claim claim; /* kind and body */
	char subject[MM_SUBJECT_TEXT];
};

static enum mm_error
compare(const struct stated *stated, const struct mm_pending_row *row,
    struct mm_arena *arena)
{
	struct mm_waiting_one one;
	char payload[2 * sizeof(row->payload) + 1];
	enum mm_error error =
	    mm_waiting_read(stated->appliance, row, arena, &one);

	/* Approved, withdrawn or over meanwhile: then nothing waits. */
	if (error != MM_OK)
		return error == MM_E_NOT_FOUND ? MM_OK : error;
	sodium_bin2hex(
	    payload, sizeof(payload), row->payload, sizeof(row->payload));
	if (mm_span_equal(one.claim.body, stated->claim.body))
		return mm_fail(MM_E_STATEMENT_REPLAY,
		    "%s: the very same waits already as %.*s: approve it "
		    "(`mintmark pending approve %.*s`) or withdraw it",
		    stated->subject, DIGITS, payload, DIGITS, payload);
	mm_say("%s: something else waits under this name, as %.*s: see "
	       "`mintmark pending show %.*s`",
	    stated->subject, DIGITS, payload, DIGITS, payload);
	return MM_OK;
}

enum mm_error
mm_waiting_same(const struct mm_appliance *appliance, uint64_t kind,
    const void *body, struct mm_arena *arena)
{
	struct stated stated = {
	    .appliance = appliance, .claim = {.kind = kind}};
	mm_auto(buffer) bytes = {0};
	struct mm_list rows;
	enum mm_error error;

	mm_buffer_init(&bytes, MM_STATEMENT_MAX);
	error = mm_shape_encode(mm_claim_body_shape(kind), body, &bytes);
	stated.claim.body = mm_buffer_span(&bytes);
	if (error == MM_OK)
		error = mm_claim_subject(&stated.claim, stated.subject);
	if (error == MM_OK)
		error = mm_waiting_list(appliance, kind, arena, &rows);
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_pending_row, row, rows)) {
		if (error == MM_OK && mm_span_is(row->subject, stated.subject))
			error = compare(&stated, row, arena);
	}
	return error;
}
