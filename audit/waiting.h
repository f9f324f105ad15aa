/*
 * Inside audit: the entries that wait for their signature, and what is to be
 * known of them when it comes or when they are given up.
 */
#ifndef MM_WAITING_H
#define MM_WAITING_H

#include "audit/facts.h"

enum { MM_WAITING_THINGS = 4 };

struct mm_audit_key;
struct mm_audit_person;
struct mm_audit_version;

struct mm_waiting {
	uint64_t index;
	uint8_t digest[32];
	struct mm_audit_key *key;         /* that signs */
	struct mm_audit_version *version; /* of an image; NULL else */
	/* Why it must not be signed, though it may be there; NULL: it may. */
	const char *never;
	/* A device's certificate: what it uses up. NULL else. */
	uint64_t *unit; /* of its order: used, or reissued */
	struct mm_audit_person *person;
	uint64_t day;
	/* It replaces the certificate with this serial number. */
	bool replaces;
	struct mm_thing_name former;
	/* What is given back when it is given up. */
	struct {
		enum mm_thing thing;
		struct mm_thing_name name;
	} things[MM_WAITING_THINGS];
	size_t thing_count;
	bool done; /* here no more */
};

struct mm_waiting_list {
	struct mm_waiting *items; /* by index, ascending */
	size_t count, capacity, done;
};

void mm_waiting_list_clear(struct mm_waiting_list *list);
/* `one` comes after all that are there. */
enum mm_error mm_waiting_add(
    struct mm_waiting_list *list, const struct mm_waiting *one) mm_must_use;
/* Whether this entry waits. */
bool mm_waiting_has(const struct mm_waiting_list *list, uint64_t index);
/* Takes it out; false where it does not wait. */
bool mm_waiting_take(
    struct mm_waiting_list *list, uint64_t index, struct mm_waiting *out);

#endif
