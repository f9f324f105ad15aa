#include "audit/facts.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 65536 };

/* A fact's kind. */
enum { TAKEN, GIVEN_BACK };

/* "entry 9: ", this, and the number of the entry that has it. */
static const char *const texts[MM_THINGS] = {
    [MM_THING_SERIAL] = "its serial number is also that of",
    [MM_THING_DEVICE] = "its device has a live certificate already, of",
    [MM_THING_KEY] = "its key belongs to another, of",
    [MM_THING_RELEASE] = "its release has a live signature already, of",
    [MM_THING_REQUEST] = "its request is also that of",
    [MM_THING_STATEMENT] = "its statement is also that of",
    [MM_THING_ORDER] = "its order's name is also that of"};

/* Each text with its length before it, so that none runs into the next. */
static void
put(struct mm_buffer *out, struct mm_span text)
{
	uint32_t size = (uint32_t)text.size;

	mm_buffer_add(out, &size, sizeof(size));
	mm_buffer_add(out, text.data, text.size);
}

struct mm_thing_name
mm_thing_name(enum mm_thing thing, struct mm_span first, struct mm_span second,
    struct mm_span third)
{
	mm_auto(buffer) text = {0};
	uint8_t digest[32], kind = (uint8_t)thing;
	struct mm_thing_name name;

	mm_buffer_init(&text, TEXT_MAX);
	mm_buffer_add(&text, &kind, 1);
	put(&text, first);
	put(&text, second);
	put(&text, third);
	/* Names and hashes are far below the maximum; without memory a name
	 * must not come out as another's. */
	if (text.error != MM_OK || gnutls_hash_fast(GNUTLS_DIG_SHA256,
				       text.data, text.size, digest) < 0)
		abort();
	memcpy(name.bytes, digest, sizeof(name.bytes));
	return name;
}

static enum mm_error
add(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index, uint32_t kind)
{
	struct mm_fact fact = {
	    .index = index, .kind = kind, .value = (uint32_t)thing};

	memcpy(fact.name, name->bytes, sizeof(fact.name));
	return mm_ledger_add(ledger, &fact);
}

enum mm_error
mm_fact_take(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index)
{
	return add(ledger, thing, name, index, TAKEN);
}

enum mm_error
mm_fact_give_back(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index)
{
	return add(ledger, thing, name, index, GIVEN_BACK);
}

/* The thing whose facts are being read. */
struct reading {
	uint8_t name[MM_LEDGER_NAME];
	bool taken;
	uint64_t by;
};

static enum mm_error
judge(void *self, const struct mm_fact *fact)
{
	struct reading *reading = self;

	if (memcmp(reading->name, fact->name, sizeof(reading->name)) != 0)
		reading->taken = false;
	memcpy(reading->name, fact->name, sizeof(reading->name));
	if (fact->kind == GIVEN_BACK) {
		reading->taken = false;
		return MM_OK;
	}
	if (!reading->taken) {
		reading->taken = true;
		reading->by = fact->index;
		return MM_OK;
	}
	return mm_fail(MM_E_LOG_WRONG, "entry %llu: %s entry %llu",
	    (unsigned long long)fact->index, texts[fact->value],
	    (unsigned long long)reading->by);
}

enum mm_error
mm_facts_judge(struct mm_ledger *ledger)
{
	struct reading reading = {.taken = false};

	return mm_ledger_read(ledger, judge, &reading);
}
