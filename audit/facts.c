#include "audit/facts.h"

#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 65536 };

/* In a fact's kind, from the top: what it says, by which those of one entry
 * are sorted, of which kind of thing, and the number's upper bits, of which its
 * value has the others. */
enum { THING_BITS = 4, NUMBER_BITS = 24, VALUE_BITS = 32 };
enum { KIND_SHIFT = NUMBER_BITS + THING_BITS };

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

enum mm_error
mm_fact_add(struct mm_ledger *ledger, enum mm_fact_kind kind,
    enum mm_thing thing, const struct mm_thing_name *name, uint64_t index,
    uint64_t number)
{
	struct mm_fact fact = {.index = index,
	    .kind = (uint32_t)kind << KIND_SHIFT |
		    (uint32_t)thing << NUMBER_BITS |
		    (uint32_t)(number >> VALUE_BITS),
	    .value = (uint32_t)number};

	memcpy(fact.name, name->bytes, sizeof(fact.name));
	return mm_ledger_add(ledger, &fact);
}

enum mm_error
mm_fact_take(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index)
{
	return mm_fact_add(ledger, MM_FACT_TAKEN, thing, name, index, 0);
}

enum mm_fact_kind
mm_fact_kind(const struct mm_fact *fact)
{
	return (enum mm_fact_kind)(fact->kind >> KIND_SHIFT);
}

enum mm_thing
mm_fact_thing(const struct mm_fact *fact)
{
	return (enum mm_thing)(
	    (fact->kind >> NUMBER_BITS) % (1U << THING_BITS));
}

uint64_t
mm_fact_number(const struct mm_fact *fact)
{
	return (uint64_t)(fact->kind % (1U << NUMBER_BITS)) << VALUE_BITS |
	       fact->value;
}
