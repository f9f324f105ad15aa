/*
 * Inside audit: what may be there only once at a time, as facts of a ledger.
 * A thing (a serial, a device under a profile, a key, a release, a request)
 * is taken by an entry and, where that was never signed, given back; it is
 * never taken twice.
 */
#ifndef MM_FACTS_H
#define MM_FACTS_H

#include "audit/ledger.h"

/* Kinds of things. Two kinds of holders of one key are one kind of thing. */
enum mm_thing {
	MM_THING_SERIAL,
	MM_THING_DEVICE,
	MM_THING_KEY,
	MM_THING_RELEASE,
	MM_THING_REQUEST,
	MM_THING_STATEMENT,
	MM_THING_ORDER,
	MM_THINGS
};

struct mm_thing_name {
	uint8_t bytes[MM_LEDGER_NAME];
};
/* The name of a thing that up to three texts say. */
struct mm_thing_name mm_thing_name(enum mm_thing thing, struct mm_span first,
    struct mm_span second, struct mm_span third);

/* The errors of mm_ledger_add(). */
enum mm_error mm_fact_take(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index) mm_must_use;
enum mm_error mm_fact_give_back(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index) mm_must_use;

/* A serial number is taken for ever, by a certificate of an issuer with this
 * number (below 2^24); and is spoken of by a revocation. */
enum mm_error
mm_fact_issued(struct mm_ledger *ledger, const struct mm_thing_name *serial,
    uint64_t index, uint32_t issuer) mm_must_use;
enum mm_error
mm_fact_revoked(struct mm_ledger *ledger, const struct mm_thing_name *serial,
    uint64_t index, uint32_t act) mm_must_use;

/* Told of each revocation whose certificate it is: its issuer's number. */
typedef enum mm_error (*mm_facts_issuer)(
    void *self, uint32_t act, uint32_t issuer);
/* The verdict: MM_E_LOG_WRONG names both entries that took one thing, or the
 * revocation of a serial number that no certificate before it has. */
enum mm_error mm_facts_judge(
    struct mm_ledger *ledger, mm_facts_issuer issuer, void *self) mm_must_use;

#endif
