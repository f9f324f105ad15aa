/*
 * What a crash left unsigned is decided again (DESIGN.md section 3), each
 * kind of entry by its own rules.
 */
#include "server/partitioning.h"

static enum mm_error
certificate_again(
    struct mm_authority *a, struct mm_item *item, struct mm_arena *arena)
{
	struct mm_certificate_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(mm_buffer_span(&item->entry),
	    MM_ENTRY_CERTIFICATE, arena, &entry, &body);

	if (error == MM_OK)
		error = mm_issue_again(a, &body);
	return error == MM_OK ? mm_issue_rest(a, &body, &item->rest) : error;
}

/* It rests on the statements in its own entry, under the policy that is in
 * force yet; its key may be retired since. */
static enum mm_error
image_again(
    struct mm_authority *a, struct mm_item *item, struct mm_arena *arena)
{
	struct mm_authority_row key;
	struct mm_image_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(mm_buffer_span(&item->entry),
	    MM_ENTRY_IMAGE, arena, &entry, &body);

	if (error == MM_OK)
		error = mm_index_authority(a->index, body.key, arena, &key);
	if (error == MM_OK && key.retired)
		error = mm_fail(MM_E_KEY_ABSENT, "its key is retired since");
	return error;
}

/* The key that it is for signs it, by its ceremony's word. */
static enum mm_error
csr_again(struct mm_authority *a, struct mm_item *item, struct mm_arena *arena)
{
	struct mm_authority_row key;
	struct mm_csr_entry body;
	struct mm_entry entry;
	enum mm_error error = mm_entry_decode_as(
	    mm_buffer_span(&item->entry), MM_ENTRY_CSR, arena, &entry, &body);

	if (error == MM_OK)
		error = mm_index_authority(a->index, body.key, arena, &key);
	if (error == MM_OK && key.retired)
		error = mm_fail(MM_E_NO_ISSUER, "its key is retired since");
	if (error == MM_OK)
		item->rest = (struct mm_rest){{body.basis}, 1};
	return error;
}

/* It would be older than what may be made now. */
static enum mm_error
crl_again(struct mm_authority *a, struct mm_item *item, struct mm_arena *arena)
{
	(void)a;
	(void)item;
	(void)arena;
	return mm_fail(MM_E_STARTING, "a CRL of a former start is made anew");
}

enum mm_error
mm_item_again(struct mm_authority *a, struct mm_item *item,
    const struct mm_entry *frame, struct mm_arena *arena)
{
	static const struct {
		uint64_t kind;
		enum mm_error (*again)(
		    struct mm_authority *, struct mm_item *, struct mm_arena *);
	} kinds[] = {{MM_ENTRY_CERTIFICATE, certificate_again},
	    {MM_ENTRY_IMAGE, image_again}, {MM_ENTRY_CSR, csr_again},
	    {MM_ENTRY_CRL, crl_again},
	    {MM_ENTRY_PARTITION, mm_partition_again}};

	if (!mm_span_equal(
		mm_span(frame->policy, 32), mm_span(a->policy_digest, 32)))
		return mm_fail(
		    MM_E_NOTARY_POLICY, "it was decided under a former policy");
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i].kind == frame->kind)
			return kinds[i].again(a, item, arena);
	return mm_fail(MM_E_BUG, "an entry of kind %llu wants a signature",
	    (unsigned long long)frame->kind);
}
