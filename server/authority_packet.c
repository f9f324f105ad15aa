/*
 * What the token is asked in one request: entries of a batch with their
 * proofs, and those that they rest on.
 */
#include "server/signing_parts.h"

enum {
	PACKET = 150000, /* bytes of one request to the token, about */
	HASH_COST = 35,  /* of a hash in a list, its head included */
	PROVEN_COST = 32 /* of an entry beside its bytes and its proof */
};

static struct mm_signing *
signing_new(struct mm_authority *a, struct mm_span note)
{
	struct mm_signing *signing = calloc(1, sizeof(*signing));
	struct mm_signing **last = &a->signings;
	struct mm_token_sign_request *request;

	if (signing == NULL)
		return NULL;
	request = &signing->request;
	mm_arena_init(&signing->arena, 1 << 22);
	request->note = mm_arena_copy(&signing->arena, note);
	request->items.items = mm_arena_alloc(
	    &signing->arena, MM_BATCH_ENTRIES * sizeof(struct mm_proven));
	request->references.items = mm_arena_alloc(
	    &signing->arena, MM_BATCH_REFERENCES * sizeof(struct mm_proven));
	if (request->note.data == NULL || request->items.items == NULL ||
	    request->references.items == NULL) {
		mm_arena_clear(&signing->arena);
		free(signing);
		return NULL;
	}
	while (*last != NULL)
		last = &(*last)->next;
	*last = signing;
	return signing;
}

/* A proof of an answer, kept for a request. */
static enum mm_error
bring(struct mm_signing *signing, struct mm_list *list, size_t max,
    const struct mm_proven *proven)
{
	struct mm_proven *one = &((struct mm_proven *)list->items)[list->count];
	struct mm_span proof;

	if (list->count == max)
		return MM_E_BUSY;
	proof = mm_arena_copy(&signing->arena,
	    mm_span(proven->proof.items, proven->proof.count * MM_HASH_SIZE));
	if (proof.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a proof");
	*one = *proven;
	one->proof.items = proof.data;
	list->count++;
	signing->size +=
	    PROVEN_COST + proven->entry.size + HASH_COST * proven->proof.count;
	return MM_OK;
}

/* Brings along an entry that an item rests on, once a request. */
static enum mm_error
bring_reference(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, uint64_t index)
{
	struct mm_list *list = &signing->request.references;
	const struct mm_inclusion *inclusion =
	    mm_inclusion_find(&answer->references, index);
	struct mm_proven one = {.index = index};
	enum mm_error error;

	for (mm_list_each(const struct mm_proven, known, *list))
		if (known->index == index)
			return MM_OK;
	if (inclusion == NULL)
		return mm_fail(MM_E_BUG, "an entry's basis has no proof");
	one.proof = inclusion->proof;
	error =
	    mm_index_reference(a->index, index, &signing->arena, &one.entry);
	return error == MM_OK ? bring(signing, list, MM_BATCH_REFERENCES, &one)
			      : error;
}

static enum mm_error
bring_all(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, const struct mm_item *item)
{
	const struct mm_rest *rest = &item->rest;
	const struct mm_proven one = {item->index, mm_buffer_span(&item->entry),
	    mm_proof_to_list(&item->proof)};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < rest->count && error == MM_OK; i++)
		error = bring_reference(a, signing, answer, rest->indexes[i]);
	if (error == MM_OK)
		error = bring(
		    signing, &signing->request.items, MM_BATCH_ENTRIES, &one);
	if (error == MM_OK && signing->size > PACKET)
		error = MM_E_BUSY;
	return error;
}

/* MM_E_BUSY where the item is for the next request. */
static enum mm_error
bring_item(struct mm_authority *a, struct mm_signing *signing,
    const struct mm_notary_append_answer *answer, const struct mm_item *item)
{
	struct mm_token_sign_request before = signing->request;
	size_t size = signing->size;
	enum mm_error error;

	/* A blob goes with one item alone (hsm/token.h). */
	if (before.items.count > 0 && (mm_signing_blob(a, signing) >= 0 ||
					  mm_crl_blob(a, item->index) >= 0))
		return MM_E_BUSY;
	error = bring_all(a, signing, answer, item);

	/* A single item goes as it is, however much it rests on. */
	if (error == MM_E_BUSY && before.items.count == 0)
		return MM_OK;
	if (error != MM_OK) {
		signing->request = before;
		signing->size = size;
	}
	return error;
}

static void
signing_close(struct mm_authority *a, struct mm_signing *signing)
{
	if (signing == NULL)
		return;
	if (signing->request.items.count > 0)
		mm_signing_ask(a, signing);
	else
		mm_signing_free(a, signing);
}

void
mm_signing_send(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, struct mm_item *const *items,
    size_t count)
{
	struct mm_signing *signing = NULL;

	if (a->distrusted)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		enum mm_error error =
		    signing != NULL ? bring_item(a, signing, answer, items[i])
				    : MM_E_BUSY;

		if (error == MM_E_BUSY) {
			signing_close(a, signing);
			signing = signing_new(a, answer->note);
			error = signing != NULL
				    ? bring_item(a, signing, answer, items[i])
				    : mm_fail(MM_E_MEMORY, "no memory to sign");
		}
		if (error == MM_E_MEMORY) {
			mm_authority_fail(a, error);
			return;
		}
		if (error != MM_OK)
			mm_item_void(a, items[i], error);
	}
	signing_close(a, signing);
}
