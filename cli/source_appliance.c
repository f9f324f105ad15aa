/*
 * An appliance as a source of the log: one connection, and the next page of
 * entries asked for while this one is worked on.
 */
#include <string.h>

#include "cli/source_parts.h"

enum {
	ARENA = 1 << 20,
	PAGE = 4096, /* as many as may be asked for; the frame ends before */
	ALONE = 1    /* where no sequence is to be seen yet */
};

struct page {
	struct mm_arena arena;
	struct mm_entries_answer answer; /* no entries: empty */
};

struct source_appliance {
	struct mm_appliance appliance;
	struct mm_client *client;
	struct page page;
	struct page ahead; /* came while something else was asked */
	uint64_t next;     /* what a sequence would ask for */
	bool waiting;      /* an answer with entries is on its way */
	uint64_t awaited;  /* and is to begin here */
};

static void
appliance_close(void *self)
{
	struct source_appliance *source = self;

	mm_client_close(source->client);
	mm_arena_clear(&source->page.arena);
	mm_arena_clear(&source->ahead.arena);
	free(source);
}

enum mm_error
mm_source_appliance(
    const struct mm_invocation *invocation, struct mm_vkey *vkey, void **self)
{
	struct source_appliance *source = calloc(1, sizeof(*source));
	enum mm_error error;

	if (source == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to ask an appliance");
	mm_arena_init(&source->page.arena, ARENA);
	mm_arena_init(&source->ahead.arena, ARENA);
	error = mm_appliance_read(invocation, 0, &source->appliance);
	if (error == MM_OK)
		error = mm_appliance_open(&source->appliance, &source->client);
	if (error != MM_OK) {
		appliance_close(source);
		return error;
	}
	*vkey = source->appliance.vkey;
	*self = source;
	return MM_OK;
}

/* --- pages of entries --- */

static enum mm_error
ask_page(struct source_appliance *source, uint64_t from, uint64_t count)
{
	const struct mm_entries_request request = {
	    from, count < PAGE ? count : PAGE};
	uint8_t id[MM_ID_SIZE];
	enum mm_error error =
	    mm_client_send(source->client, MM_MESSAGE_ENTRIES, &request, id);

	source->waiting = error == MM_OK;
	source->awaited = from;
	return error;
}

static enum mm_error
take_page(struct source_appliance *source, struct page *page)
{
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	mm_arena_clear(&page->arena);
	mm_arena_init(&page->arena, ARENA);
	page->answer.entries.count = 0;
	source->waiting = false;
	error =
	    mm_client_receive(source->client, &page->arena, id, &page->answer);
	if (error != MM_OK)
		page->answer.entries.count = 0;
	if (error == MM_OK && (page->answer.from != source->awaited ||
				  page->answer.entries.count == 0))
		error = mm_fail(MM_E_LOG_WRONG,
		    "the appliance does not show its entries from %llu on",
		    (unsigned long long)source->awaited);
	return error;
}

static bool
page_has(const struct page *page, uint64_t index)
{
	return index >= page->answer.from &&
	       index - page->answer.from < page->answer.entries.count;
}

/* Whatever else is asked comes after the answer that is on its way. */
static enum mm_error
settle_page(struct source_appliance *source)
{
	return source->waiting ? take_page(source, &source->ahead) : MM_OK;
}

static enum mm_error
get_page(struct source_appliance *source, uint64_t index, uint64_t count)
{
	struct page former = source->page;
	enum mm_error error = MM_OK;

	if (source->waiting && source->awaited != index)
		error = settle_page(source);
	if (error == MM_OK && !source->waiting &&
	    page_has(&source->ahead, index)) {
		source->page = source->ahead;
		source->ahead = former;
		return MM_OK;
	}
	if (error == MM_OK && !source->waiting)
		error = ask_page(source, index, count);
	return error == MM_OK ? take_page(source, &source->page) : error;
}

static enum mm_error
load_page(struct source_appliance *source, uint64_t index, uint64_t end)
{
	bool sequence = index == source->next;
	enum mm_error error =
	    get_page(source, index, sequence ? end - index : ALONE);

	if (error != MM_OK)
		return error;
	source->next =
	    source->page.answer.from + source->page.answer.entries.count;
	if (sequence && source->next < end)
		error = ask_page(source, source->next, end - source->next);
	return error;
}

static enum mm_error
appliance_entry(void *self, uint64_t index, uint64_t end, struct mm_span *out)
{
	struct source_appliance *source = self;
	struct page *page = &source->page;
	enum mm_error error = MM_OK;

	if (!page_has(page, index))
		error = load_page(source, index, end);
	if (error == MM_OK)
		*out = mm_list_at(page->answer.entries, struct mm_bytes_item,
		    index - page->answer.from)
			   ->value;
	return error;
}

/* --- the rest --- */

static enum mm_error
call(struct source_appliance *source, uint64_t type, const void *request,
    struct mm_arena *arena, void *answer)
{
	enum mm_error error = settle_page(source);

	mm_arena_init(arena, ARENA);
	return error == MM_OK ? mm_client_call(source->client, type, request,
				    arena, answer)
			      : error;
}

static enum mm_error
appliance_newest(
    void *self, uint64_t older, struct mm_buffer *note, struct mm_proof *proof)
{
	const struct mm_consistency_request request = {older};
	struct mm_consistency_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    call(self, MM_MESSAGE_CONSISTENCY, &request, &arena, &answer);

	if (error == MM_OK)
		error = mm_proof_from_list(&answer.proof, proof);
	if (error != MM_OK)
		return error;
	mm_buffer_add(note, answer.checkpoint.data, answer.checkpoint.size);
	return note->error;
}

static enum mm_error
appliance_blob(void *self, const struct mm_blob *blob, struct mm_buffer *out)
{
	struct mm_blob_request request = {.offset = 0};
	enum mm_error error = MM_OK;

	memcpy(request.sha256, blob->sha256, sizeof(request.sha256));
	while (error == MM_OK && request.offset < blob->size) {
		struct mm_blob_answer answer;
		mm_auto(arena) arena = {0};

		error = call(self, MM_MESSAGE_BLOB, &request, &arena, &answer);
		if (error != MM_OK)
			break;
		if (answer.size != blob->size ||
		    answer.data.size > blob->size - request.offset)
			return mm_fail(MM_E_BLOB,
			    "the appliance has another blob of this name");
		mm_buffer_add(out, answer.data.data, answer.data.size);
		request.offset += answer.data.size;
		error = out->error;
	}
	return error;
}

static enum mm_error
ask_receipt(struct source_appliance *source,
    const struct mm_prove_request *request, struct mm_buffer *out)
{
	struct mm_prove_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    call(source, MM_MESSAGE_PROVE, request, &arena, &answer);

	if (error != MM_OK)
		return error;
	mm_buffer_add(out, answer.receipt.data, answer.receipt.size);
	return out->error;
}

static enum mm_error
appliance_receipt(
    void *self, uint64_t index, bool cosigned, struct mm_buffer *out)
{
	const struct mm_prove_request request = {
	    .index = index, .cosigned = cosigned};

	return ask_receipt(self, &request, out);
}

/* It has kept the notes that it gave out. */
static enum mm_error
appliance_receipt_under(void *self, uint64_t index, uint64_t size,
    struct mm_span note, struct mm_buffer *out)
{
	const struct mm_prove_request request = {.index = index, .size = size};

	(void)note;
	return ask_receipt(self, &request, out);
}

const struct mm_source_backend mm_source_appliance_backend = {
    .close = appliance_close,
    .newest = appliance_newest,
    .entry = appliance_entry,
    .blob = appliance_blob,
    .receipt = appliance_receipt,
    .receipt_under = appliance_receipt_under,
};
