#include "log/meaning.h"

#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log/entry.h"

enum {
	BODY_MAX = 1 << 20, /* what an entry of 65,535 bytes decodes to */
	DIGEST_SIZE = 16,   /* half a SHA-256 tells one TBS from another */
	SLOTS_FIRST = 64
};

/* What became of an entry that can be signed. */
enum fate { OPEN, SIGNED, VOIDED };

struct mark {
	uint8_t kind : 4, fate : 2;
};

/* A set with open addressing; a slot of zeros is free. */
struct digest {
	uint8_t bytes[DIGEST_SIZE];
};
struct digests {
	struct digest *slots;
	size_t count, capacity; /* capacity is a power of two */
};

struct mm_meaning {
	struct mm_vkey vkey;
	struct mm_log_report report;
	uint8_t policy[32];
	uint64_t time;
	struct mark *marks; /* one an entry */
	size_t marks_capacity;
	struct digests tbs;
};

union body {
	struct mm_genesis genesis;
	struct mm_policy_entry policy;
	struct mm_statement_entry statement;
	struct mm_certificate_entry certificate;
	struct mm_image_entry image;
	struct mm_signatures_entry signatures;
	struct mm_void_entry voids;
	struct mm_refusal_entry refusals;
	struct mm_start_entry start;
};

enum mm_error
mm_meaning_new(const struct mm_vkey *vkey, struct mm_meaning **out)
{
	struct mm_meaning *meaning = calloc(1, sizeof(*meaning));

	if (meaning == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to verify the log");
	meaning->vkey = *vkey;
	*out = meaning;
	return MM_OK;
}

void
mm_meaning_free(struct mm_meaning *meaning)
{
	if (meaning == NULL)
		return;
	free(meaning->marks);
	free(meaning->tbs.slots);
	free(meaning);
}

const struct mm_log_report *
mm_meaning_report(const struct mm_meaning *meaning)
{
	return &meaning->report;
}

static enum mm_error wrong(const struct mm_meaning *meaning, const char *format,
    ...) __attribute__((format(printf, 2, 3)));

/* The entry at hand says what cannot be. */
static enum mm_error
wrong(const struct mm_meaning *meaning, const char *format, ...)
{
	char why[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	return mm_fail(MM_E_LOG_WRONG, "entry %llu %s",
	    (unsigned long long)meaning->report.size, why);
}

static void
sha256(struct mm_span bytes, uint8_t out[32])
{
	gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size, out);
}

/* The slot that holds the digest, or the free one where it belongs. */
static struct digest *
slot_of(const struct digests *set, const struct digest *digest)
{
	static const struct digest none;
	size_t at;

	memcpy(&at, digest->bytes, sizeof(at));
	for (;; at++) {
		struct digest *slot = &set->slots[at & (set->capacity - 1)];

		if (memcmp(slot, &none, sizeof(none)) == 0 ||
		    memcmp(slot, digest, sizeof(*digest)) == 0)
			return slot;
	}
}

static bool
digests_grow(struct digests *set)
{
	struct digests wider = {.count = set->count,
	    .capacity = set->capacity > 0 ? 2 * set->capacity : SLOTS_FIRST};

	wider.slots = calloc(wider.capacity, sizeof(*wider.slots));
	if (wider.slots == NULL)
		return false;
	for (size_t i = 0; i < set->capacity; i++)
		*slot_of(&wider, &set->slots[i]) = set->slots[i];
	free(set->slots);
	*set = wider;
	return true;
}

/* Whether it was there already goes to `known`. */
static enum mm_error
digests_add(struct digests *set, const struct digest *digest, bool *known)
{
	struct digest *slot;

	/* At most five slots of six are taken, so a free one is near. */
	if (set->count >= set->capacity / 6 * 5 && !digests_grow(set))
		return mm_fail(MM_E_MEMORY, "no memory to verify the log");
	slot = slot_of(set, digest);
	*known = memcmp(slot, digest, sizeof(*digest)) == 0;
	if (!*known)
		set->count++;
	*slot = *digest;
	return MM_OK;
}

static enum mm_error
marks_add(struct mm_meaning *meaning, uint64_t kind)
{
	size_t size = (size_t)meaning->report.size;

	if (size == meaning->marks_capacity) {
		size_t wider = size > 0 ? 2 * size : 1024;
		struct mark *marks =
		    reallocarray(meaning->marks, wider, sizeof(*marks));

		if (marks == NULL)
			return mm_fail(
			    MM_E_MEMORY, "no memory to verify the log");
		meaning->marks = marks;
		meaning->marks_capacity = wider;
	}
	meaning->marks[size] = (struct mark){.kind = kind & 0xf, .fate = OPEN};
	return MM_OK;
}

/* The document in the entry is the one that the entry names. */
static enum mm_error
into_force(struct mm_meaning *meaning, const struct mm_entry *entry,
    struct mm_span policy)
{
	sha256(policy, meaning->policy);
	if (memcmp(meaning->policy, entry->policy, 32) != 0)
		return wrong(meaning, "does not name the policy that it holds");
	return MM_OK;
}

static enum mm_error
check_genesis(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	if (meaning->report.size != 0)
		return wrong(meaning, "is a second genesis");
	if (!mm_span_is(body->genesis.origin, meaning->vkey.name))
		return wrong(meaning, "begins the log %.*s, not %s",
		    MM_SPAN(body->genesis.origin), meaning->vkey.name);
	if (memcmp(body->genesis.log_key, meaning->vkey.public_key, 32) != 0)
		return wrong(meaning, "begins a log with another key");
	return into_force(meaning, entry, body->genesis.policy);
}

static enum mm_error
check_policy(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	return into_force(meaning, entry, body->policy.policy);
}

static bool
is_basis(const struct mark *mark)
{
	return mark->kind == MM_ENTRY_GENESIS ||
	       mark->kind == MM_ENTRY_POLICY ||
	       mark->kind == MM_ENTRY_PRINCIPAL || mark->kind == MM_ENTRY_ORDER;
}

static enum mm_error
check_certificate(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	const struct mm_certificate_entry *certificate = &body->certificate;
	uint8_t hash[32];
	struct digest digest;
	bool known = false;
	enum mm_error error;

	(void)entry;
	if (certificate->basis >= meaning->report.size ||
	    !is_basis(&meaning->marks[certificate->basis]))
		return wrong(meaning, "rests on entry %llu, which is no basis",
		    (unsigned long long)certificate->basis);
	sha256(certificate->tbs, hash);
	memcpy(digest.bytes, hash, sizeof(digest.bytes));
	error = digests_add(&meaning->tbs, &digest, &known);
	if (error == MM_OK && known)
		error = wrong(meaning, "has a TBS that is in the log already");
	meaning->report.certificates++;
	return error;
}

static enum mm_error
check_image(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	(void)entry;
	(void)body;
	meaning->report.images++;
	return MM_OK;
}

/* An entry is signed or given up, once, and not before it is there. */
static enum mm_error
decide(struct mm_meaning *meaning, uint64_t index, enum fate fate)
{
	static const char *const had[] = {
	    [SIGNED] = "has a signature", [VOIDED] = "is void"};
	struct mark *mark;

	if (index >= meaning->report.size)
		return wrong(meaning, "speaks of entry %llu before it is there",
		    (unsigned long long)index);
	mark = &meaning->marks[index];
	if (mark->kind != MM_ENTRY_CERTIFICATE && mark->kind != MM_ENTRY_IMAGE)
		return wrong(meaning, "speaks of entry %llu, whose kind is %s",
		    (unsigned long long)index, mm_entry_kind_name(mark->kind));
	if (mark->fate != OPEN)
		return wrong(meaning, "speaks of entry %llu, which %s already",
		    (unsigned long long)index, had[mark->fate]);
	mark->fate = fate & 3;
	return MM_OK;
}

static enum mm_error
check_signatures(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	const struct mm_list list = body->signatures.signatures;
	uint64_t next = 0;

	(void)entry;
	for (mm_list_each(const struct mm_signature, item, list)) {
		enum mm_error error =
		    item->index < next
			? wrong(meaning, "has signatures that do not ascend")
			: decide(meaning, item->index, SIGNED);

		if (error != MM_OK)
			return error;
		next = item->index + 1;
		meaning->report.signatures++;
	}
	return MM_OK;
}

static enum mm_error
check_voids(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	uint64_t next = 0;

	(void)entry;
	for (mm_list_each(const struct mm_void, item, body->voids.voids)) {
		enum mm_error error =
		    item->index < next
			? wrong(meaning, "has voids that do not ascend")
			: decide(meaning, item->index, VOIDED);

		if (error != MM_OK)
			return error;
		next = item->index + 1;
		meaning->report.voids++;
	}
	return MM_OK;
}

static enum mm_error
check_refusals(struct mm_meaning *meaning, const struct mm_entry *entry,
    const union body *body)
{
	(void)entry;
	for (mm_list_each(
		 const struct mm_refusal, item, body->refusals.refusals))
		meaning->report.refusals += item->count;
	return MM_OK;
}

/* What is more to check than the shape of a kind's body. */
static enum mm_error (*const checks[MM_ENTRY_KINDS])(struct mm_meaning *,
    const struct mm_entry *,
    const union body *) = {[MM_ENTRY_GENESIS] = check_genesis,
    [MM_ENTRY_POLICY] = check_policy,
    [MM_ENTRY_CERTIFICATE] = check_certificate,
    [MM_ENTRY_IMAGE] = check_image,
    [MM_ENTRY_SIGNATURES] = check_signatures,
    [MM_ENTRY_VOID] = check_voids,
    [MM_ENTRY_REFUSAL] = check_refusals};

/* What holds for every kind. */
static enum mm_error
check_frame(struct mm_meaning *meaning, const struct mm_entry *entry)
{
	bool brings_policy =
	    entry->kind == MM_ENTRY_GENESIS || entry->kind == MM_ENTRY_POLICY;

	if (meaning->report.size == 0 && entry->kind != MM_ENTRY_GENESIS)
		return wrong(meaning, "is not a genesis");
	if (entry->time < meaning->time)
		return wrong(meaning, "is from before the entry before it");
	if (!brings_policy && memcmp(entry->policy, meaning->policy, 32) != 0)
		return wrong(meaning, "names a policy that is not in force");
	return MM_OK;
}

static enum mm_error
unreadable(const struct mm_meaning *meaning, enum mm_error error)
{
	return mm_fail(error, "entry %llu: %s",
	    (unsigned long long)meaning->report.size, mm_why(error));
}

enum mm_error
mm_meaning_add(struct mm_meaning *meaning, struct mm_span bytes)
{
	struct mm_entry entry;
	union body body;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, BODY_MAX);
	error = mm_entry_decode(bytes, &arena, &entry);
	if (error == MM_OK)
		error = mm_entry_decode_as(bytes,
		    (enum mm_entry_kind)entry.kind, &arena, &entry, &body);
	if (error != MM_OK)
		return unreadable(meaning, error);
	error = check_frame(meaning, &entry);
	if (error == MM_OK && checks[entry.kind] != NULL)
		error = checks[entry.kind](meaning, &entry, &body);
	if (error == MM_OK)
		error = marks_add(meaning, entry.kind);
	if (error != MM_OK)
		return error;
	meaning->time = entry.time;
	meaning->report.size++;
	return MM_OK;
}
