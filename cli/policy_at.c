#include "cli/policy_at.h"

#include <string.h>

enum { ENTRY_ARENA = 1 << 20 };

/* An entry's policy, and its kind. */
static enum mm_error
read_frame(struct mm_source *source, uint64_t index, uint8_t policy[32],
    uint64_t *kind)
{
	mm_auto(arena) arena = {0};
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = mm_source_entry(source, index, &bytes);

	mm_arena_init(&arena, ENTRY_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &entry);
	if (error != MM_OK)
		return error;
	memcpy(policy, entry.policy, sizeof(entry.policy));
	*kind = entry.kind;
	return MM_OK;
}

/* The first entry that names this policy, which is the one that brought it:
 * they are all those up to `index`, and none before. */
static enum mm_error
find_first(struct mm_source *source, uint64_t index, uint64_t *out)
{
	uint8_t wanted[32], found[32];
	uint64_t low = 0, high = index, kind;
	enum mm_error error = read_frame(source, index, wanted, &kind);

	while (error == MM_OK && low < high) {
		uint64_t middle = low + (high - low) / 2;

		error = read_frame(source, middle, found, &kind);
		if (error == MM_OK && memcmp(found, wanted, 32) == 0)
			high = middle;
		else
			low = middle + 1;
	}
	*out = low;
	return error;
}

static enum mm_error
take_genesis(struct mm_span bytes, struct mm_arena *arena,
    struct mm_entry *entry, struct mm_policy_at *out)
{
	struct mm_genesis genesis;
	enum mm_error error =
	    mm_entry_decode_as(bytes, MM_ENTRY_GENESIS, arena, entry, &genesis);

	if (error != MM_OK)
		return error;
	out->document = genesis.policy;
	out->text = genesis.text;
	out->statements = genesis.statements;
	return MM_OK;
}

static enum mm_error
take_policy(struct mm_span bytes, struct mm_arena *arena,
    struct mm_entry *entry, struct mm_policy_at *out)
{
	struct mm_policy_entry policy;
	enum mm_error error =
	    mm_entry_decode_as(bytes, MM_ENTRY_POLICY, arena, entry, &policy);

	if (error != MM_OK)
		return error;
	out->document = policy.policy;
	out->text = policy.text;
	out->statements = policy.statements;
	return MM_OK;
}

enum mm_error
mm_policy_at(struct mm_source *source, uint64_t index, struct mm_arena *arena,
    struct mm_policy_at *out)
{
	struct mm_policy_at found = {.index = 0};
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error = find_first(source, index, &found.index);

	if (error == MM_OK)
		error = mm_source_entry(source, found.index, &bytes);
	if (error == MM_OK) {
		bytes = mm_arena_copy(arena, bytes);
		error = bytes.data != NULL
			    ? mm_source_settle(source)
			    : mm_fail(MM_E_MEMORY, "no memory for a policy");
	}
	if (error == MM_OK)
		error = found.index == 0
			    ? take_genesis(bytes, arena, &entry, &found)
			    : take_policy(bytes, arena, &entry, &found);
	if (error == MM_OK)
		error = mm_entry_blob(bytes, &found.blob);
	if (error != MM_OK)
		return error;
	mm_policy_digest(found.document, found.sha256);
	if (memcmp(found.sha256, entry.policy, sizeof(found.sha256)) != 0)
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %ju names another policy than the one it brings",
		    (uintmax_t)found.index);
	found.time = entry.time;
	error = mm_policy_decode(found.document, arena, &found.policy);
	if (error == MM_OK)
		*out = found;
	return error;
}
