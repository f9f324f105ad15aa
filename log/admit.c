#include "log/admit.h"

#include <sodium.h>
#include <string.h>

#include "protocol/date.h"

enum { ENTRY_ARENA = 1 << 20 };

/* An entry that is being judged, with its body. */
struct candidate {
	struct mm_entry entry;
	const void *body;
	struct mm_span document; /* the policy that it brings, or empty */
};

static void
digest(struct mm_span bytes, uint8_t out[32])
{
	crypto_hash_sha256(out, bytes.data, bytes.size);
}

static struct mm_span
genesis_document(const void *body)
{
	return ((const struct mm_genesis *)body)->policy;
}

static struct mm_span
policy_document(const void *body)
{
	return ((const struct mm_policy_entry *)body)->policy;
}

/* Nobody asked for it: the appliance's own, or that of a ceremony, which was
 * stored before it. */
static bool
is_own(const void *body)
{
	const struct mm_certificate_entry *certificate = body;

	return certificate->principal.size == 0 &&
	       certificate->request.size == 0;
}

/* Which kinds bring a policy, and which may use the last of the disk. */
static const struct rule {
	struct mm_span (*document)(const void *body);
	enum mm_reserve reserve;
	bool (*may)(const void *body); /* use it; NULL: each */
} rules[MM_ENTRY_KINDS] = {
    [MM_ENTRY_GENESIS] = {genesis_document, MM_RESERVE_NONE, NULL},
    [MM_ENTRY_POLICY] = {policy_document, MM_RESERVE_NONE, NULL},
    [MM_ENTRY_START] = {NULL, MM_RESERVE_HALF, NULL},
    [MM_ENTRY_CERTIFICATE] = {NULL, MM_RESERVE_HALF, is_own},
    [MM_ENTRY_SIGNATURES] = {NULL, MM_RESERVE_ALL, NULL},
    [MM_ENTRY_VOID] = {NULL, MM_RESERVE_ALL, NULL},
};

static enum mm_reserve
reserve_for(const struct candidate *candidate)
{
	const struct rule *rule = &rules[candidate->entry.kind];

	return rule->may == NULL || rule->may(candidate->body)
		   ? rule->reserve
		   : MM_RESERVE_NONE;
}

static enum mm_error
decode(struct mm_span bytes, struct mm_arena *arena, struct candidate *out)
{
	enum mm_error error = mm_entry_decode(bytes, arena, &out->entry);
	const struct rule *rule;
	const struct mm_shape *shape;
	void *body;

	if (error != MM_OK)
		return error;
	rule = &rules[out->entry.kind];
	shape = mm_entry_body_shape(out->entry.kind);
	body = mm_arena_alloc(arena, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an entry");
	error = mm_shape_decode(shape, out->entry.body, arena, body);
	if (error != MM_OK && error != MM_E_MEMORY)
		return mm_fail(
		    MM_E_ENTRY, "no %s entry: %s", shape->name, mm_why(error));
	out->body = body;
	if (rule->document != NULL)
		out->document = rule->document(body);
	return error;
}

/* Genesis is the first entry, there is one, and it speaks of this log. */
static enum mm_error
check_genesis(const struct mm_vkey *log, const struct candidate *candidate,
    uint64_t index)
{
	const struct mm_genesis *genesis = candidate->body;

	if ((candidate->entry.kind == MM_ENTRY_GENESIS) != (index == 0))
		return mm_fail(
		    MM_E_ENTRY, "genesis is the first entry, and no other is");
	if (index > 0)
		return MM_OK;
	if (!mm_span_is(genesis->origin, log->name) ||
	    memcmp(genesis->log_key, log->public_key,
		sizeof(genesis->log_key)) != 0)
		return mm_fail(MM_E_ENTRY, "genesis is of another log");
	return MM_OK;
}

static enum mm_error
check_policy(const struct candidate *candidate, const struct mm_tail *tail)
{
	uint8_t wanted[32];

	memcpy(wanted, tail->policy, sizeof(wanted));
	if (candidate->document.size > 0)
		digest(candidate->document, wanted);
	if (memcmp(candidate->entry.policy, wanted, sizeof(wanted)) != 0)
		return mm_fail(MM_E_NOTARY_POLICY,
		    "a %s entry names a policy that is not the newest stored",
		    mm_entry_kind_name(candidate->entry.kind));
	return MM_OK;
}

static enum mm_error
backwards(uint64_t time, uint64_t last)
{
	char now[MM_TIME_TEXT], before[MM_TIME_TEXT];

	mm_time_text(time, now);
	mm_time_text(last, before);
	return mm_fail(MM_E_NOTARY_TIME,
	    "the entry's time %s is before the last one's, %s", now, before);
}

enum mm_error
mm_admit_entry(const struct mm_vkey *log, uint64_t index, struct mm_span bytes,
    struct mm_tail *tail)
{
	mm_auto(arena) arena = {0};
	struct candidate candidate = {.body = NULL};
	const struct mm_entry *entry = &candidate.entry;
	enum mm_error error;

	mm_arena_init(&arena, ENTRY_ARENA);
	error = decode(bytes, &arena, &candidate);
	if (error == MM_OK)
		error = check_genesis(log, &candidate, index);
	if (error == MM_OK)
		error = check_policy(&candidate, tail);
	if (error != MM_OK)
		return error;
	if (entry->time < tail->time)
		return backwards(entry->time, tail->time);
	tail->time = entry->time;
	memcpy(tail->policy, entry->policy, sizeof(tail->policy));
	if (tail->reserve > reserve_for(&candidate))
		tail->reserve = reserve_for(&candidate);
	return MM_OK;
}
