/*
 * Inside audit: what may be there only once at a time, as facts of a ledger.
 * A thing (a serial, a device under a profile, a key, a release, a request, a
 * statement) is taken by an entry and, where that was never signed, given
 * back. What the facts of a thing come to is judged in the end (audit/join.h).
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
	MM_THING_VERSION,   /* of a product */
	MM_THING_PARTITION, /* of a device's certificate, by one signing */
	MM_THING_UNIT,      /* of an order: its device's certificate */
	MM_THINGS
};

struct mm_thing_name {
	uint8_t bytes[MM_LEDGER_NAME];
};
/* The name of a thing that up to three texts say. */
struct mm_thing_name mm_thing_name(enum mm_thing thing, struct mm_span first,
    struct mm_span second, struct mm_span third);

enum mm_fact_kind {
	/* Serial: number = its issuer's; version: its image's */
	MM_FACT_TAKEN = 0,
	MM_FACT_GIVEN_BACK = 1,
	/* Before what is said of it: a blob brings both in one entry. */
	MM_FACT_INHERITED = 2, /* number = issuer << 32 | which thing */
	MM_FACT_REVOKED = 3,   /* serial: number = the act (audit/revoked.h) */
	MM_FACT_REPLACED = 4,  /* serial, device: number = the entry replaced */
	MM_FACT_HELD = 5,      /* key: taken without a certificate */
	MM_FACT_CERTIFIED = 6, /* key: a certificate of its holder's */
	MM_FACT_PENDING = 7,   /* statement */
	MM_FACT_WITHDRAWN = 8,
	MM_FACT_SPOKEN = 9,   /* statement: another entry rests on it */
	MM_FACT_HAS = 10,     /* device: number = its certificate's entry */
	MM_FACT_SCRAPPED = 11 /* unit: number = its certificate's entry */
};

enum { MM_FACT_NUMBER_BYTES = 7 };

/* `number`: below 2^56, as the kind means it. The errors of mm_ledger_add(). */
enum mm_error mm_fact_add(struct mm_ledger *ledger, enum mm_fact_kind kind,
    enum mm_thing thing, const struct mm_thing_name *name, uint64_t index,
    uint64_t number) mm_must_use;
/* The usual one of them. */
enum mm_error mm_fact_take(struct mm_ledger *ledger, enum mm_thing thing,
    const struct mm_thing_name *name, uint64_t index) mm_must_use;

/* A fact taken apart. */
enum mm_fact_kind mm_fact_kind(const struct mm_fact *fact);
enum mm_thing mm_fact_thing(const struct mm_fact *fact);
uint64_t mm_fact_number(const struct mm_fact *fact);

#endif
