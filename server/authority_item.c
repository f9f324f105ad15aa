/*
 * Entries that want a signature, each from its draft to the signature or to
 * the end without one, and who waits for it.
 */
#include "server/signing_parts.h"
#include "server/answering.h"
#include "server/releasing.h"

#include <string.h>

#include "protocol/journal.h"

enum { SIGNATURE_MAX = 4096 /* bytes */ };

static enum mm_error
new_item(
    struct mm_authority *a, uint64_t index, uint64_t kind, struct mm_item **out)
{
	struct mm_item *item = calloc(1, sizeof(*item));
	struct mm_item **place = &a->items;

	if (item == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	item->index = index;
	item->kind = kind;
	mm_buffer_init(&item->entry, MM_ENTRY_MAX);
	mm_buffer_init(&item->note, MM_NOTE_MAX);
	mm_buffer_init(&item->signature, SIGNATURE_MAX);
	mm_jobs_init(&item->waiters);
	while (*place != NULL && (*place)->index < index)
		place = &(*place)->next;
	item->next = *place;
	*place = item;
	a->item_count++;
	*out = item;
	return MM_OK;
}

enum mm_error
mm_item_draft(struct mm_authority *a, uint64_t kind, const void *body,
    struct mm_item **out)
{
	struct mm_line *line;
	struct mm_item *item;
	enum mm_error error;

	if (a->item_count >= MM_ITEMS_MAX)
		return mm_fail(
		    MM_E_BUSY, "%zu entries wait for the token", a->item_count);
	error = new_item(a, a->size + a->batch.count, kind, &item);
	if (error != MM_OK)
		return error;
	error = mm_batch_add(a, kind, body, &line);
	if (error != MM_OK) {
		mm_item_free(a, item);
		return error;
	}
	line->item = item;
	*out = item;
	return MM_OK;
}

struct mm_item *
mm_item_find(struct mm_authority *a, uint64_t index)
{
	for (struct mm_item *i = a->items; i != NULL; i = i->next)
		if (i->index == index)
			return i;
	return NULL;
}

void
mm_item_free(struct mm_authority *a, struct mm_item *item)
{
	for (struct mm_item **p = &a->items; *p != NULL; p = &(*p)->next) {
		if (*p != item)
			continue;
		*p = item->next;
		a->item_count--;
		break;
	}
	mm_buffer_clear(&item->entry);
	mm_buffer_clear(&item->note);
	mm_buffer_clear(&item->signature);
	free(item);
}

void
mm_item_refuse(
    struct mm_authority *a, struct mm_item *item, enum mm_error error)
{
	struct mm_job *job;

	while ((job = mm_jobs_pop(&item->waiters)) != NULL)
		mm_answer_error(a, job, error);
	if (item->kind == MM_ENTRY_IMAGE)
		mm_release_refused(a, mm_buffer_span(&item->entry), error);
}

void
mm_item_wait(struct mm_authority *a, struct mm_item *item, struct mm_job *job)
{
	bool hopeless = item->state == MM_ITEM_VOID ||
			(item->state <= MM_ITEM_ASKED && !a->followed);

	job->index = item->index;
	if (a->distrusted)
		mm_answer_error(a, job, mm_plain(MM_E_LOG_WRONG));
	else if (hopeless)
		mm_answer_error(a, job, mm_plain(MM_E_TOKEN_UNAVAILABLE));
	else
		mm_jobs_push(&item->waiters, job);
}

void
mm_item_void(struct mm_authority *a, struct mm_item *item, enum mm_error error)
{
	mm_journal(MM_LEVEL_ERROR, mm_error_name(error),
	    "entry %llu is not signed: %s", (unsigned long long)item->index,
	    mm_why(error));
	item->reason = error;
	item->state = MM_ITEM_VOID;
	mm_item_refuse(a, item, error);
}

enum mm_error
mm_item_recover(struct mm_authority *a, struct mm_span entry, uint64_t index)
{
	struct mm_entry frame;
	struct mm_item *item;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_entry_decode(entry, &arena, &frame);
	if (error != MM_OK)
		return error;
	error = new_item(a, index, frame.kind, &item);
	if (error != MM_OK)
		return error;
	mm_buffer_add(&item->entry, entry.data, entry.size);
	if (item->entry.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	item->state = MM_ITEM_UNPROVEN;
	error = mm_item_again(a, item, &frame, &arena);
	if (error != MM_OK)
		mm_item_void(a, item, error);
	return MM_OK;
}

bool
mm_item_passed_by(const struct mm_authority *a, const struct mm_item *item)
{
	mm_auto(arena) arena = {0};
	struct mm_entry frame;

	if (item->state != MM_ITEM_UNPROVEN &&
	    (item->state != MM_ITEM_ASKED || a->followed))
		return false;
	mm_arena_init(&arena, 1 << 16);
	return mm_entry_decode(mm_buffer_span(&item->entry), &arena, &frame) !=
		   MM_OK ||
	       memcmp(frame.policy, a->policy_digest, sizeof(frame.policy)) !=
		   0;
}
