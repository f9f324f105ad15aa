#include "cli/bundle.h"

#include <string.h>

static const char header[] = "c2sp.org/tlog-proof@v1\n";

/* Where the receipt that begins at `text` ends: at the next one's header. */
static size_t
receipt_size(struct mm_span text)
{
	static const char next[] = "\nc2sp.org/tlog-proof@v1\n";
	const uint8_t *end =
	    memmem(text.data, text.size, next, sizeof(next) - 1);

	return end != NULL ? (size_t)(end - text.data) + 1 : text.size;
}

static size_t
count_receipts(struct mm_span text)
{
	size_t count = 0;

	while (text.size > 0) {
		size_t size = receipt_size(text);

		text = mm_span(text.data + size, text.size - size);
		count++;
	}
	return count;
}

static enum mm_error
read_one(struct mm_span text, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_bundled *out)
{
	enum mm_error error = mm_receipt_decode(text, arena, &out->receipt);

	if (error == MM_OK)
		error = mm_receipt_verify(
		    &out->receipt, vkey, mm_span(NULL, 0), &out->checkpoint);
	if (error == MM_OK)
		error = mm_entry_decode(out->receipt.entry, arena, &out->frame);
	return error;
}

static enum mm_error
check_place(const struct mm_bundled *items, size_t at)
{
	const struct mm_bundled *own = &items[at];

	if (at > 0 && own->receipt.index <= items[at - 1].receipt.index)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju comes after entry %ju; each comes once, and in "
		    "the log's order",
		    (uintmax_t)own->receipt.index,
		    (uintmax_t)items[at - 1].receipt.index);
	return MM_OK;
}

enum mm_error
mm_bundle_read(struct mm_span text, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_list *out)
{
	size_t count = count_receipts(text);
	struct mm_bundled *items;

	if (text.size < sizeof(header) - 1 ||
	    memcmp(text.data, header, sizeof(header) - 1) != 0)
		return mm_fail(MM_E_RECEIPT,
		    "the bundle does not begin with c2sp.org/tlog-proof@v1");
	if (count > MM_BUNDLE_RECEIPTS_MAX)
		return mm_fail(MM_E_RANGE,
		    "the bundle has %zu receipts; %d are the limit", count,
		    MM_BUNDLE_RECEIPTS_MAX);
	items = mm_arena_alloc(arena, count * sizeof(*items));
	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the bundle");
	for (size_t i = 0; i < count; i++) {
		size_t size = receipt_size(text);
		enum mm_error error =
		    read_one(mm_span(text.data, size), vkey, arena, &items[i]);

		if (error == MM_OK)
			error = check_place(items, i);
		if (error != MM_OK)
			return mm_fail(error, "receipt %zu of the bundle: %s",
			    i + 1, mm_why(error));
		text = mm_span(text.data + size, text.size - size);
	}
	*out = (struct mm_list){items, count};
	return MM_OK;
}
