#include "audit/facts.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 65536 };

/* A fact's kind. What is taken has the thing's kind as its value, and above
 * it a serial number's issuer; what is revoked has the act. */
enum { TAKEN, GIVEN_BACK, REVOKED };
enum { THING_BITS = 8 };

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
add(struct mm_ledger *ledger, uint32_t value, const struct mm_thing_name *name,
    uint64_t index, uint32_t kind)
{
	struct mm_fact fact = {.index = index, .kind = kind, .value = value};

	memcpy(fact.name, name->bytes, sizeof(fact.name));
	return mm_ledger_add(ledger, &fact);
}

enum mm_error
mm_fact_take(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index)
{
	return add(ledger, (uint32_t)thing, name, index, TAKEN);
}

enum mm_error
mm_fact_give_back(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index)
{
	return add(ledger, (uint32_t)thing, name, index, GIVEN_BACK);
}

enum mm_error
mm_fact_issued(struct mm_ledger *ledger, const struct mm_thing_name *serial,
    uint64_t index, uint32_t issuer)
{
	return add(ledger, issuer << THING_BITS | MM_THING_SERIAL, serial,
	    index, TAKEN);
}

enum mm_error
mm_fact_revoked(struct mm_ledger *ledger, const struct mm_thing_name *serial,
    uint64_t index, uint32_t act)
{
	return add(ledger, act, serial, index, REVOKED);
}

/* The thing whose facts are being read. */
struct reading {
	uint8_t name[MM_LEDGER_NAME];
	bool taken;
	uint64_t by;
	uint32_t issuer;
	mm_facts_issuer tell;
	void *self;
};

static enum mm_error
judge_revoked(const struct reading *reading, const struct mm_fact *fact)
{
	if (reading->taken)
		return reading->tell(
		    reading->self, fact->value, reading->issuer);
	return mm_fail(MM_E_LOG_WRONG,
	    "entry %llu: it revokes a serial number that no certificate "
	    "before it has",
	    (unsigned long long)fact->index);
}

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
	if (fact->kind == REVOKED)
		return judge_revoked(reading, fact);
	if (!reading->taken) {
		reading->issuer = fact->value >> THING_BITS;
		reading->taken = true;
		reading->by = fact->index;
		return MM_OK;
	}
	return mm_fail(MM_E_LOG_WRONG, "entry %llu: %s entry %llu",
	    (unsigned long long)fact->index,
	    texts[fact->value % (1U << THING_BITS)],
	    (unsigned long long)reading->by);
}

enum mm_error
mm_facts_judge(struct mm_ledger *ledger, mm_facts_issuer issuer, void *self)
{
	struct reading reading = {.tell = issuer, .self = self};

	return mm_ledger_read(ledger, judge, &reading);
}
