#include "hsm/references.h"

#include "hsm/judged.h"
#include "hsm/proven.h"
#include "hsm/sources.h"

#include <string.h>

enum { ITEM_ARENA = 2 << 20 };

#define refuse(...) mm_fail(MM_E_TOKEN_REFUSED, __VA_ARGS__)

/* An item before the judge. */
struct item {
	const struct mm_references *references;
	const struct mm_proven *proven;
	struct mm_entry frame;
	struct mm_arena arena;
};

static enum mm_error
judge_certificate(
    const struct mm_judge *judge, struct item *item, struct mm_verdict *out)
{
	struct mm_certificate_entry entry;
	enum mm_error error = mm_entry_decode_as(item->proven->entry,
	    MM_ENTRY_CERTIFICATE, &item->arena, &item->frame, &entry);

	return error == MM_OK ? mm_judge_certificate(judge, &item->frame,
				    &entry, 0, &item->arena, out)
			      : error;
}

static enum mm_error
judge_image(
    const struct mm_judge *judge, struct item *item, struct mm_verdict *out)
{
	struct mm_image_entry entry;
	enum mm_error error = mm_entry_decode_as(item->proven->entry,
	    MM_ENTRY_IMAGE, &item->arena, &item->frame, &entry);

	return error == MM_OK ? mm_judge_image(judge, &item->frame, &entry,
				    &item->arena, out)
			      : error;
}

static enum mm_error
judge_partition(
    const struct mm_judge *judge, struct item *item, struct mm_verdict *out)
{
	struct mm_partition_entry entry;
	enum mm_error error = mm_entry_decode_as(item->proven->entry,
	    MM_ENTRY_PARTITION, &item->arena, &item->frame, &entry);

	return error == MM_OK
		   ? mm_judge_partition(judge, &item->frame, &entry, out)
		   : error;
}

static enum mm_error
judge_csr(
    const struct mm_judge *judge, struct item *item, struct mm_verdict *out)
{
	struct mm_csr_entry entry;
	enum mm_error error = mm_entry_decode_as(item->proven->entry,
	    MM_ENTRY_CSR, &item->arena, &item->frame, &entry);

	return error == MM_OK ? mm_judge_csr(judge, &item->frame, &entry,
				    &item->arena, out)
			      : error;
}

static enum mm_error
judge_crl(
    const struct mm_judge *judge, struct item *item, struct mm_verdict *out)
{
	struct mm_crl_entry entry;
	struct mm_blob blob;
	enum mm_error error = mm_entry_decode_as(item->proven->entry,
	    MM_ENTRY_CRL, &item->arena, &item->frame, &entry);

	if (error == MM_OK)
		error = mm_entry_blob(item->proven->entry, &blob);
	if (error != MM_OK)
		return error;
	if (entry.size > item->proven->index)
		return refuse(
		    "its CRL counts entries below %ju", (uintmax_t)entry.size);
	if ((blob.size > 0) != (item->references->blob.size > 0))
		return refuse(blob.size > 0
				  ? "its CRL is a blob, which is not at hand"
				  : "a blob came that it does not name");
	return mm_judge_crl(judge, &item->frame, &entry,
	    blob.size > 0 ? item->references->blob : entry.tbs, &item->arena,
	    out);
}

static enum mm_error (*const judges[MM_ENTRY_KINDS])(const struct mm_judge *,
    struct item *,
    struct mm_verdict *) = {[MM_ENTRY_CERTIFICATE] = judge_certificate,
    [MM_ENTRY_IMAGE] = judge_image,
    [MM_ENTRY_CSR] = judge_csr,
    [MM_ENTRY_CRL] = judge_crl,
    [MM_ENTRY_PARTITION] = judge_partition};

/* Decided under the policy in force, which is to say after it. */
static enum mm_error
check_policy(const struct item *item)
{
	const struct mm_force *force =
	    mm_force_last(item->references->following);

	if (memcmp(item->frame.policy, force->digest,
		sizeof(item->frame.policy)) != 0)
		return refuse(
		    "its policy is not the one in force, which has number %ju",
		    (uintmax_t)force->policy.number);
	if (item->proven->index <= force->index)
		return refuse("it does not come after entry %ju, which brought "
			      "the policy in force",
		    (uintmax_t)force->index);
	return MM_OK;
}

/*
 * Whoever decides says which time it is; what it would have signed ahead for
 * the days when it decides no more, CRLs above all, is not signed.
 */
static enum mm_error
check_time(const struct item *item)
{
	uint64_t now = item->references->now;

	if (item->frame.time <= now || item->frame.time - now <= MM_JUDGE_GRACE)
		return MM_OK;
	return refuse("its time, %ju, lies ahead of the token process's "
		      "clock, %ju",
	    (uintmax_t)item->frame.time, (uintmax_t)now);
}

/* It may have been retired since the entry was added. */
static enum mm_error
check_key(
    const struct mm_following *following, const struct mm_verdict *verdict)
{
	if (mm_followed_key(following, verdict->key->name, UINT64_MAX) != NULL)
		return MM_OK;
	return refuse(
	    "the key \"%.*s\" is retired", MM_SPAN(verdict->key->name));
}

static enum mm_error
judge_item(const struct mm_references *references, struct item *item,
    struct mm_verdict *out)
{
	const struct mm_asker asker = {references, item->proven->index};
	const struct mm_judge_sources sources = mm_sources_of(&asker);
	const struct mm_judge judge = {.sources = &sources,
	    .force = mm_force_last(references->following),
	    .origin = references->following->birth.genesis.origin,
	    .now = references->now};
	enum mm_error error =
	    mm_entry_decode(item->proven->entry, &item->arena, &item->frame);

	if (error != MM_OK)
		return error;
	if (judges[item->frame.kind] == NULL)
		return refuse("no entry of kind %s is signed",
		    mm_entry_kind_name(item->frame.kind));
	if (references->blob.size > 0 && item->frame.kind != MM_ENTRY_CRL)
		return refuse("an entry of kind %s comes with no blob",
		    mm_entry_kind_name(item->frame.kind));
	error = check_policy(item);
	if (error == MM_OK)
		error = check_time(item);
	if (error == MM_OK)
		error = judges[item->frame.kind](&judge, item, out);
	return error == MM_OK ? check_key(references->following, out) : error;
}

enum mm_error
mm_references_judge(const struct mm_references *references,
    const struct mm_proven *proven, struct mm_verdict *out)
{
	struct item item = {.references = references, .proven = proven};
	struct mm_verdict verdict;
	struct mm_hash leaf;
	enum mm_error error =
	    mm_proven_check(proven, references->checkpoint, &leaf);

	if (error != MM_OK)
		return error;
	mm_arena_init(&item.arena, ITEM_ARENA);
	error = judge_item(references, &item, &verdict);
	mm_arena_clear(&item.arena);
	if (error == MM_OK)
		*out = verdict;
	return error;
}
