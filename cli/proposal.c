#include "cli/proposal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/source.h"
#include "policy/document.h"

/* The line without a carriage return at its end. */
static bool
is_plain_line(struct mm_span line)
{
	const uint8_t *at = line.data;

	if (line.size > 0 && at[line.size - 1] == '\r')
		line.size--;
	for (const uint8_t *end = at + line.size; at < end;) {
		const uint8_t *tab = memchr(at, '\t', (size_t)(end - at));
		size_t size = (size_t)((tab != NULL ? tab : end) - at);

		if (!mm_text_ok(mm_span(at, size)))
			return false;
		at += size + (tab != NULL);
	}
	return true;
}

enum mm_error
mm_proposal_plain(struct mm_span text)
{
	for (unsigned number = 1; text.size > 0; number++) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		size_t size =
		    end != NULL ? (size_t)(end - text.data) : text.size;

		if (!is_plain_line(mm_span(text.data, size)))
			return mm_fail(MM_E_TEXT,
			    "line %u of the policy's text has characters that "
			    "make it look like what it is not",
			    number);
		text = end != NULL ? mm_span(end + 1, text.size - size - 1)
				   : mm_span(NULL, 0);
	}
	return MM_OK;
}

/* The compiler reads files: this one has no name. */
static enum mm_error
compile_text(struct mm_span text, struct mm_buffer *out)
{
	mm_autoclose int fd = memfd_create("policy", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || write(fd, text.data, text.size) != (ssize_t)text.size)
		return mm_fail(
		    MM_E_FILE, "no file in memory: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* A partition table that it names: the reader's own copy. */
	return mm_policy_compile_beside(path, ".", out);
}

/* The text that came along: in the entry, or the blob that it names. */
static enum mm_error
read_text(const struct mm_invocation *invocation,
    const struct mm_waiting_one *one, struct mm_buffer *out)
{
	struct mm_source *source;
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(one->receipt.entry, &blob);

	if (error != MM_OK || blob.size == 0) {
		mm_buffer_add(out, one->entry.text.data, one->entry.text.size);
		return error != MM_OK ? error : out->error;
	}
	error = mm_source_open(invocation, 1, &source);
	if (error != MM_OK)
		return error;
	error = mm_source_blob(source, &blob, out);
	mm_source_close(source);
	return error;
}

enum mm_error
mm_proposal_gives(struct mm_span text, struct mm_span document, bool *out)
{
	mm_auto(buffer) compiled = {0};
	enum mm_error error;

	mm_buffer_init(&compiled, MM_POLICY_MAX);
	error = compile_text(text, &compiled);
	if (error == MM_OK)
		*out = mm_span_equal(mm_buffer_span(&compiled), document);
	return error;
}

static enum mm_error
check_text(struct mm_span text, struct mm_span document)
{
	bool gives = false;
	enum mm_error error = mm_proposal_plain(text);

	if (error == MM_OK && text.size == 0)
		error = mm_fail(MM_E_MISMATCH,
		    "the policy has no text beside it, so that nobody can "
		    "read what is to be signed: propose it again with one");
	if (error == MM_OK)
		error = mm_proposal_gives(text, document, &gives);
	if (error == MM_OK && !gives)
		error = mm_fail(MM_E_MISMATCH,
		    "the text does not give the document that is to be "
		    "signed: do not sign it");
	return error;
}

/* Number and digest are the document's. */
static enum mm_error
check_claim(const struct mm_waiting_one *one, struct mm_arena *arena)
{
	struct mm_policy_claim claim;
	struct mm_policy policy;
	uint8_t digest[sizeof(claim.sha256)];
	enum mm_error error = mm_shape_decode(
	    &mm_policy_claim_shape, one->claim.body, arena, &claim);

	if (error == MM_OK)
		error = mm_policy_decode(one->entry.policy, arena, &policy);
	if (error != MM_OK)
		return error;
	mm_policy_digest(one->entry.policy, digest);
	if (memcmp(digest, claim.sha256, sizeof(digest)) != 0 ||
	    claim.number != policy.number)
		return mm_fail(MM_E_MISMATCH,
		    "the statement is about another document than the one "
		    "beside it");
	return MM_OK;
}

enum mm_error
mm_proposal_tell(const struct mm_invocation *invocation,
    const struct mm_waiting_one *one, struct mm_arena *arena)
{
	mm_auto(buffer) text = {0};
	enum mm_error error = check_claim(one, arena);

	mm_buffer_init(&text, MM_POLICY_TEXT_MAX);
	if (error == MM_OK)
		error = read_text(invocation, one, &text);
	if (error == MM_OK)
		error = check_text(mm_buffer_span(&text), one->entry.policy);
	if (error == MM_OK)
		fprintf(
		    stderr, "%.*s\n", (int)text.size, (const char *)text.data);
	return error;
}
