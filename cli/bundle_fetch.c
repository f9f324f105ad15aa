/*
 * Finds what an entry rests on. Policies are found by halving: every entry
 * names the policy in force, a policy never comes back, and so the entries
 * of one policy lie side by side.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/bundle_parts.h"

enum { FRAME_ARENA = 1 << 20 };

static enum mm_error
frame_at(struct mm_bundling *b, uint64_t index, struct mm_entry *out)
{
	mm_auto(arena) arena = {0};
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(b->source, index, &bytes);

	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, out);
	out->body = mm_span(NULL, 0);
	return error;
}

static bool
same_policy(const struct mm_entry *a, const struct mm_entry *b)
{
	return memcmp(a->policy, b->policy, sizeof(a->policy)) == 0;
}

static enum mm_error
add(struct mm_bundling *b, uint64_t index)
{
	if (b->count == MM_BUNDLE_RECEIPTS_MAX)
		return mm_fail(MM_E_RANGE,
		    "more than %d entries would go into the bundle",
		    MM_BUNDLE_RECEIPTS_MAX);
	b->indexes[b->count++] = index;
	return MM_OK;
}

/* The first entry after `low` of another policy; there is one at `high`. */
static enum mm_error
find_change(struct mm_bundling *b, uint64_t low, uint64_t high,
    const struct mm_entry *frame, uint64_t *out)
{
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		struct mm_entry there;
		enum mm_error error = frame_at(b, middle, &there);

		if (error != MM_OK)
			return error;
		if (same_policy(&there, frame))
			low = middle;
		else
			high = middle;
	}
	*out = high;
	return MM_OK;
}

/* Genesis and each change of policy up to the one that the entry names. */
static enum mm_error
find_policies(struct mm_bundling *b)
{
	uint64_t at = 0, end = b->subject->receipt.index;

	for (;;) {
		struct mm_entry frame;
		enum mm_error error = frame_at(b, at, &frame);

		if (error == MM_OK && at > 0 && frame.kind != MM_ENTRY_POLICY)
			error = mm_fail(MM_E_LOG_WRONG,
			    "entry %ju names another policy than the entry "
			    "before it and brings none",
			    (uintmax_t)at);
		if (error == MM_OK)
			error = add(b, at);
		if (error != MM_OK || same_policy(&frame, &b->subject->entry))
			return error;
		if (at == end)
			return mm_fail(MM_E_LOG_WRONG,
			    "the log has another entry %ju than the receipt",
			    (uintmax_t)end);
		error = find_change(b, at, end, &frame, &at);
		if (error != MM_OK)
			return error;
	}
}

enum mm_error
mm_bundling_add(struct mm_bundling *b, uint64_t index)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->indexes[i] == index)
			return MM_OK;
	return add(b, index);
}

/* What the subject names as its basis; and itself, where it is followed. */
static enum mm_error
find_basis(struct mm_bundling *b)
{
	const struct mm_attested *subject = b->subject;
	enum mm_error error = MM_OK;

	switch (subject->entry.kind) {
	case MM_ENTRY_CERTIFICATE:
		return mm_bundling_add(b, subject->body.certificate.basis);
	case MM_ENTRY_PARTITION:
		return mm_bundling_add(b, subject->body.partition.basis);
	case MM_ENTRY_CSR:
		return mm_bundling_add(b, subject->body.csr.basis);
	case MM_ENTRY_KEY:
		error = mm_bundling_add(b, subject->body.key.basis);
		break;
	case MM_ENTRY_IMPORT:
		error = mm_bundling_add(b, subject->body.import.basis);
		break;
	case MM_ENTRY_CEREMONY:
		break;
	default:
		return MM_OK;
	}
	return error == MM_OK ? mm_bundling_add(b, subject->receipt.index)
			      : error;
}

static int
compare_indexes(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

enum mm_error
mm_bundle_fetch(struct mm_source *source, const struct mm_attested *subject,
    struct mm_buffer *out)
{
	mm_autofree struct mm_bundling *b = calloc(1, sizeof(*b));
	enum mm_error error;

	if (b == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a bundle");
	b->source = source;
	b->subject = subject;
	error = mm_source_has(source, &subject->checkpoint);
	if (error == MM_OK)
		error = find_policies(b);
	if (error == MM_OK)
		error = find_basis(b);
	if (error == MM_OK)
		error = mm_bundling_keys(b);
	qsort(b->indexes, b->count, sizeof(b->indexes[0]), compare_indexes);
	for (size_t i = 0; error == MM_OK && i < b->count; i++) {
		mm_auto(buffer) receipt = {0};

		mm_buffer_init(&receipt, MM_RECEIPT_MAX);
		error = mm_source_receipt_under(
		    source, b->indexes[i], subject->receipt.note, &receipt);
		if (error == MM_OK)
			mm_buffer_add(out, receipt.data, receipt.size);
	}
	return error == MM_OK ? out->error : error;
}
