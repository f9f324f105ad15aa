#include "audit/witness.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/cosigner.h"

/* One request on its way; it ends at the first thing that is wrong. */
struct visit {
	struct mm_cosigner *cosigner;
	struct mm_cosigner_log *log;
	struct mm_span whole;
	struct mm_witness_request request;
	struct mm_checkpoint asked;
	uint64_t now;
	struct mm_buffer *answer;
};

static enum mm_witness_status
answer_line(struct visit *visit, enum mm_witness_status status,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

static enum mm_witness_status
answer_line(
    struct visit *visit, enum mm_witness_status status, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	mm_buffer_printf(visit->answer, "%s\n", line);
	return status;
}

/* The checkpoint's first line says whose it is, before anything is verified:
 * by that its key is found. */
static struct mm_cosigner_log *
find_log(struct mm_cosigner *cosigner, struct mm_span note)
{
	const uint8_t *end =
	    note.size > 0 ? memchr(note.data, '\n', note.size) : NULL;

	if (end == NULL)
		return NULL;
	note.size = (size_t)(end - note.data);
	for (size_t i = 0; i < cosigner->count; i++)
		if (mm_span_is(note, cosigner->logs[i].followed.vkey.name))
			return &cosigner->logs[i];
	return NULL;
}

static enum mm_witness_status
read_checkpoint(struct visit *visit)
{
	enum mm_error error =
	    mm_cosign_request_read(visit->whole, &visit->request);

	if (error != MM_OK)
		return answer_line(
		    visit, MM_WITNESS_MALFORMED, "%s", mm_why(error));
	visit->log = find_log(visit->cosigner, visit->request.note);
	if (visit->log == NULL)
		return answer_line(visit, MM_WITNESS_NO_LOG,
		    "this witness does not follow that log");
	error = mm_checkpoint_open(
	    visit->request.note, &visit->log->followed.vkey, &visit->asked);
	if (error == MM_E_NOTE_KEY || error == MM_E_NOTE_SIGNATURE)
		return answer_line(
		    visit, MM_WITNESS_NO_KEY, "%s", mm_why(error));
	if (error != MM_OK)
		return answer_line(
		    visit, MM_WITNESS_MALFORMED, "%s", mm_why(error));
	return MM_WITNESS_OK;
}

/* The text that is signed: what is before the last empty line. */
static struct mm_span
note_text(struct mm_span note, struct mm_span lines)
{
	return mm_span(note.data, (size_t)(lines.data - note.data) - 1);
}

static void
keep_evidence(struct visit *visit, bool certain, char *where, size_t size)
{
	char hex[2 * MM_HASH_SIZE + 1];
	struct mm_span lines;
	enum mm_error error = mm_note_lines(visit->request.note, &lines);

	if (error == MM_OK)
		error = mm_cosigner_keep(visit->log, visit->whole,
		    note_text(visit->request.note, lines), certain, hex);
	if (error == MM_OK)
		snprintf(where, size, "kept as evidence/%.16s", hex);
	else
		snprintf(where, size, "NOT kept: %s", mm_why(error));
}

/* One size and two roots, both signed by the log: no proof can mend that. */
static bool
is_split(const struct visit *visit)
{
	const struct mm_checkpoint *newest = &visit->log->followed.newest;

	return visit->asked.size == newest->size &&
	       !mm_hash_equal(&visit->asked.root, &newest->root);
}

static enum mm_witness_status
check_sizes(struct visit *visit)
{
	const struct mm_witnessed *known = &visit->log->followed;
	char where[256];

	if (visit->request.older > visit->asked.size)
		return answer_line(visit, MM_WITNESS_MALFORMED,
		    "the old size %" PRIu64
		    " is above the checkpoint's, %" PRIu64,
		    visit->request.older, visit->asked.size);
	if (visit->request.older == known->newest.size)
		return MM_WITNESS_OK;
	if (is_split(visit))
		keep_evidence(visit, true, where, sizeof(where));
	return answer_line(
	    visit, MM_WITNESS_CONFLICT, "%" PRIu64, known->newest.size);
}

static enum mm_witness_status
check_growth(struct visit *visit)
{
	const struct mm_checkpoint *newest = &visit->log->followed.newest;
	bool split = is_split(visit);
	char where[256], why[256];
	enum mm_error error =
	    mm_consistency_check(newest->size, visit->asked.size,
		&visit->request.proof, &newest->root, &visit->asked.root);

	if (error == MM_OK)
		return MM_WITNESS_OK;
	snprintf(why, sizeof(why), "%s",
	    split ? "the log signed two roots of one size" : mm_why(error));
	keep_evidence(visit, split, where, sizeof(where));
	return answer_line(
	    visit, MM_WITNESS_WRONG, "%s; both notes are %s", why, where);
}

/* No cosignature is older than one that was given, to whichever log. */
static enum mm_witness_status
check_clock(struct visit *visit)
{
	for (size_t i = 0; i < visit->cosigner->count; i++)
		if (visit->now < visit->cosigner->logs[i].followed.time)
			return answer_line(visit, MM_WITNESS_FAILED,
			    "the witness's clock is behind its last "
			    "cosignature: set it");
	if (visit->now == 0 || visit->now > INT64_MAX)
		return answer_line(
		    visit, MM_WITNESS_FAILED, "the witness has no clock");
	return MM_WITNESS_OK;
}

/* The log's own line out of all that a request may bring. */
static enum mm_error
add_log_line(
    const struct mm_vkey *vkey, struct mm_span lines, struct mm_buffer *out)
{
	char start[MM_ORIGIN_MAX + 8];
	size_t length = (size_t)snprintf(
	    start, sizeof(start), "\xe2\x80\x94 %s ", vkey->name);
	uint8_t bytes[4 + 64];

	while (lines.size > 0) {
		const uint8_t *end = memchr(lines.data, '\n', lines.size);
		size_t size = (size_t)(end - lines.data);

		if (size > length && memcmp(lines.data, start, length) == 0 &&
		    mm_base64_read(mm_span(lines.data + length, size - length),
			bytes, sizeof(bytes)) &&
		    memcmp(bytes, vkey->id, sizeof(vkey->id)) == 0) {
			mm_buffer_add(out, lines.data, size + 1);
			return out->error;
		}
		lines = mm_span(end + 1, lines.size - size - 1);
	}
	return mm_fail(MM_E_BUG, "the log's line went away");
}

/* The checkpoint as it is kept and shown: the log's line and ours. */
static enum mm_error
write_note(struct visit *visit, struct mm_span line, struct mm_buffer *out)
{
	struct mm_cosignatures ours;
	struct mm_span lines, text;
	enum mm_error error = mm_note_lines(visit->request.note, &lines);

	if (error != MM_OK)
		return error;
	text = note_text(visit->request.note, lines);
	mm_buffer_add(out, text.data, text.size);
	mm_buffer_add_text(out, "\n");
	error = add_log_line(&visit->log->followed.vkey, lines, out);
	mm_buffer_add(out, line.data, line.size);
	if (error == MM_OK)
		error = out->error;
	/* What leaves was verified as others will. */
	if (error == MM_OK)
		error = mm_cosignatures_open(
		    mm_buffer_span(out), &visit->cosigner->identity, 1, &ours);
	if (error == MM_OK && ours.count != 1)
		error = mm_fail(MM_E_BUG, "the cosignature is not there");
	return error;
}

static enum mm_error
cosign(struct visit *visit, struct mm_buffer *line)
{
	struct mm_cosigner *cosigner = visit->cosigner;
	mm_auto(buffer) note = {0};
	enum mm_error error = mm_cosign(visit->request.note,
	    &cosigner->identity, cosigner->secret, visit->now, line);

	mm_buffer_init(&note, MM_NOTE_MAX);
	if (error == MM_OK)
		error = write_note(visit, mm_buffer_span(line), &note);
	if (error != MM_OK)
		return error;
	/* From here on the disk may have it, whatever it says. */
	visit->log->known = false;
	error = mm_cosigner_place(visit->log->directory, "checkpoint",
	    mm_buffer_span(&note), 0644, true);
	return error == MM_OK ? mm_cosigner_load(cosigner, visit->log) : error;
}

static enum mm_witness_status
give(struct visit *visit)
{
	mm_auto(buffer) line = {0};
	enum mm_error error;

	mm_buffer_init(&line, 1024);
	error = cosign(visit, &line);
	if (error == MM_OK) {
		mm_buffer_add(visit->answer, line.data, line.size);
		error = visit->answer->error;
	}
	return error == MM_OK ? MM_WITNESS_OK
			      : answer_line(visit, MM_WITNESS_FAILED,
				    "nothing was cosigned: %s", mm_why(error));
}

/* After a fault the disk is asked what it has, before anybody is answered. */
static enum mm_witness_status
know(struct visit *visit)
{
	enum mm_error error;

	if (visit->cosigner->secret == NULL)
		return answer_line(
		    visit, MM_WITNESS_FAILED, "this witness has no key here");
	if (visit->log->known)
		return MM_WITNESS_OK;
	error = mm_cosigner_load(visit->cosigner, visit->log);
	return error == MM_OK
		   ? MM_WITNESS_OK
		   : answer_line(visit, MM_WITNESS_FAILED,
			 "the witness's disk failed: %s", mm_why(error));
}

enum mm_witness_status
mm_cosigner_add(struct mm_cosigner *cosigner, struct mm_span request,
    uint64_t now, struct mm_buffer *answer)
{
	static enum mm_witness_status (*const steps[])(struct visit *) = {
	    read_checkpoint, know, check_sizes, check_growth, check_clock,
	    give};
	struct visit visit = {.cosigner = cosigner,
	    .whole = request,
	    .now = now,
	    .answer = answer};
	enum mm_witness_status status = MM_WITNESS_FAILED;

	for (size_t i = 0; i < MM_COUNT(steps); i++) {
		status = steps[i](&visit);
		if (status != MM_WITNESS_OK)
			break;
	}
	return status;
}

enum mm_error
mm_cosigner_checkpoint(struct mm_cosigner *cosigner, struct mm_span origin_hex,
    struct mm_buffer *out)
{
	for (size_t i = 0; i < cosigner->count; i++) {
		mm_auto(buffer) note = {0};
		enum mm_error error;

		if (!mm_span_is(origin_hex, cosigner->logs[i].hex))
			continue;
		error = mm_cosigner_note(&cosigner->logs[i], &note);
		if (error != MM_OK)
			return error;
		if (note.size == 0)
			break;
		mm_buffer_add(out, note.data, note.size);
		return out->error;
	}
	return mm_fail(MM_E_NOT_FOUND, "nothing of that log was cosigned");
}
