/*
 * The text that a witness is asked with (C2SP tlog-witness, add-checkpoint).
 */
#include <inttypes.h>
#include <string.h>

#include "audit/witness.h"

enum { HASH64 = 44 /* characters of a hash in base64 */ };

/* The next line, its newline taken away; false without one. */
static bool
take_line(struct mm_span *text, struct mm_span *out)
{
	const uint8_t *end =
	    text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;

	if (end == NULL)
		return false;
	*out = mm_span(text->data, (size_t)(end - text->data));
	*text = mm_span(end + 1, text->size - out->size - 1);
	return true;
}

static bool
read_older(struct mm_span line, uint64_t *out)
{
	return line.size > 4 && memcmp(line.data, "old ", 4) == 0 &&
	       mm_decimal_read(mm_span(line.data + 4, line.size - 4), out);
}

static enum mm_error
bad(const char *why)
{
	return mm_fail(MM_E_FORMAT, "the request %s", why);
}

enum mm_error
mm_cosign_request_read(struct mm_span request, struct mm_witness_request *out)
{
	struct mm_witness_request parts = {.older = 0};
	struct mm_span line;

	if (request.size > MM_COSIGN_REQUEST_MAX)
		return bad("is too long");
	if (!take_line(&request, &line) || !read_older(line, &parts.older))
		return bad("does not begin with `old SIZE`");
	for (;;) {
		if (!take_line(&request, &line))
			return bad("has no empty line before its checkpoint");
		if (line.size == 0)
			break;
		if (parts.proof.count == MM_PROOF_MAX)
			return bad("has more than 63 hashes");
		if (line.size != HASH64 ||
		    !mm_base64_read(line,
			parts.proof.hashes[parts.proof.count].bytes,
			MM_HASH_SIZE))
			return bad("has a proof line that is no hash");
		parts.proof.count++;
	}
	parts.note = request;
	*out = parts;
	return MM_OK;
}

enum mm_error
mm_cosign_request_write(uint64_t older, const struct mm_proof *proof,
    struct mm_span note, struct mm_buffer *out)
{
	mm_buffer_printf(out, "old %" PRIu64 "\n", older);
	for (size_t i = 0; i < proof->count; i++) {
		mm_base64_write(
		    mm_span(proof->hashes[i].bytes, MM_HASH_SIZE), out);
		mm_buffer_add_text(out, "\n");
	}
	mm_buffer_add_text(out, "\n");
	mm_buffer_add(out, note.data, note.size);
	return out->error;
}
