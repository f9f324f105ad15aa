/*
 * Which devices had a certificate, and which have one: revocations, and units
 * that were reported as scrap, are applied in the log's order, and what is so
 * when `since` is passed was before.
 */
#include <string.h>

#include "cli/register_parts.h"

enum {
	HOLD = 6,
	REMOVED = 8 /* removeFromCRL: believed again */
};

static enum mm_error
no_memory(void)
{
	return mm_fail(MM_E_MEMORY, "no memory for that many devices");
}

void *
mm_kept_add(struct mm_kept_list *list, size_t size)
{
	size_t wanted = list->room > 0 ? 2 * list->room : 64;
	void *grown = list->items;

	if (list->count == list->room) {
		grown = reallocarray(list->items, wanted, size);
		if (grown == NULL)
			return NULL;
		list->items = grown;
		list->room = wanted;
	}
	return memset((uint8_t *)grown + size * list->count++, 0, size);
}

static int
compare_serials(const void *a, const void *b)
{
	const struct mm_kept *const *left = a, *const *right = b;

	return memcmp((*left)->serial, (*right)->serial, MM_SERIAL_SIZE);
}

/* As row_state.c has it: one that is revoked for ever is not superseded. */
static void
apply_one(struct mm_kept *kept, const struct mm_kept_revocation *one)
{
	if (one->reason == MM_KEPT_SCRAP) {
		kept->scrapped = true;
		return;
	}
	if (one->replaced && kept->revoked && kept->reason != HOLD)
		return;
	kept->revoked = one->reason != REMOVED;
	kept->reason = one->reason;
	kept->revoked_at = one->at;
}

static bool
is_good(const struct mm_kept *kept)
{
	return !kept->revoked && !kept->scrapped;
}

static void
set_before(struct mm_register_scan *scan)
{
	for (size_t i = 0; i < scan->kept.count; i++) {
		struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		kept->before =
		    kept->signed_at < scan->choice.since && is_good(kept);
	}
}

static void
apply_revocations(
    struct mm_register_scan *scan, struct mm_kept **sorted, size_t count)
{
	bool passed = false;

	for (size_t i = 0; i < scan->revocations.count; i++) {
		const struct mm_kept_revocation *one =
		    mm_kept_at(scan->revocations, struct mm_kept_revocation, i);
		struct mm_kept wanted, *key = &wanted, **found = NULL;

		memcpy(wanted.serial, one->serial, MM_SERIAL_SIZE);
		if (!passed && one->at >= scan->choice.since) {
			set_before(scan);
			passed = true;
		}
		if (count > 0)
			found = bsearch(
			    &key, sorted, count, sizeof(key), compare_serials);
		if (found != NULL)
			apply_one(*found, one);
	}
	if (!passed)
		set_before(scan);
}

static enum mm_error
add_device(struct mm_kept_list *list, const struct mm_kept *kept)
{
	uint8_t *hash = mm_kept_add(list, MM_DEVICE_HASH);

	if (hash == NULL)
		return no_memory();
	memcpy(hash, kept->who, MM_DEVICE_HASH);
	return MM_OK;
}

static int
compare_devices(const void *a, const void *b)
{
	return memcmp(a, b, MM_DEVICE_HASH);
}

bool
mm_kept_has_one(const struct mm_kept_list *list, const struct mm_kept *kept)
{
	return list->count > 0 && bsearch(kept->who, list->items, list->count,
				      MM_DEVICE_HASH, compare_devices) != NULL;
}

static enum mm_error
list_devices(struct mm_register_scan *scan)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < scan->kept.count && error == MM_OK; i++) {
		struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		if (kept->kind != MM_KEPT_DEVICE)
			continue;
		kept->now = kept->signed_at != UINT64_MAX && is_good(kept);
		if (kept->before)
			error = add_device(&scan->before, kept);
		if (error == MM_OK && kept->now)
			error = add_device(&scan->now, kept);
	}
	if (scan->before.count > 0)
		qsort(scan->before.items, scan->before.count, MM_DEVICE_HASH,
		    compare_devices);
	if (scan->now.count > 0)
		qsort(scan->now.items, scan->now.count, MM_DEVICE_HASH,
		    compare_devices);
	return error;
}

/* The entries of two certificates that the same one has. */
static enum mm_error
refuse_two(const struct mm_register_scan *scan, const uint8_t *who)
{
	unsigned long long entries[2] = {0, 0};

	for (size_t i = 0, found = 0; i < scan->kept.count && found < 2; i++) {
		const struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		if (kept->now && memcmp(kept->who, who, MM_DEVICE_HASH) == 0)
			entries[found++] = kept->index;
	}
	if (scan->choice.by == MM_REGISTER_BY_DEVICE)
		return mm_fail(MM_E_USAGE,
		    "devices have certificates of several profiles (entries "
		    "%llu and %llu); say --profile",
		    entries[0], entries[1]);
	return mm_fail(MM_E_USAGE,
	    "the certificates of entries %llu and %llu have the same common "
	    "name, and a device is known by it there; say --profile, or "
	    "reissue by a profile whose CN has {device} in it",
	    entries[0], entries[1]);
}

/* Everywhere a device is known by one certificate. */
static enum mm_error
check_one_each(const struct mm_register_scan *scan)
{
	const uint8_t *hashes = scan->now.items;

	for (size_t i = 1; i < scan->now.count; i++)
		if (memcmp(hashes + (i - 1) * MM_DEVICE_HASH,
			hashes + i * MM_DEVICE_HASH, MM_DEVICE_HASH) == 0)
			return refuse_two(scan, hashes + i * MM_DEVICE_HASH);
	return MM_OK;
}

enum mm_error
mm_register_states(struct mm_register_scan *scan)
{
	mm_autofree struct mm_kept **sorted =
	    calloc(scan->kept.count + 1, sizeof(*sorted));
	size_t count = 0;
	enum mm_error error;

	if (sorted == NULL)
		return no_memory();
	for (size_t i = 0; i < scan->kept.count; i++) {
		struct mm_kept *kept =
		    mm_kept_at(scan->kept, struct mm_kept, i);

		if (kept->kind == MM_KEPT_DEVICE)
			sorted[count++] = kept;
	}
	qsort(sorted, count, sizeof(*sorted), compare_serials);
	apply_revocations(scan, sorted, count);
	error = list_devices(scan);
	return error == MM_OK ? check_one_each(scan) : error;
}
