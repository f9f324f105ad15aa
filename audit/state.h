/*
 * Inside audit: what is remembered of the entries read so far, and the rules
 * by kind of entry. A rule answers why the entry cannot be there, without
 * naming it; mm_audit_add() does that.
 */
#ifndef MM_AUDIT_STATE_H
#define MM_AUDIT_STATE_H

#include "audit/audit.h"
#include "audit/revoked.h"
#include "audit/verifier.h"
#include "audit/waiting.h"
#include "hsm/judge.h"
#include "policy/decide.h"

enum { MM_AUDIT_KEYS = MM_ISSUERS_MAX, MM_AUDIT_CERTIFICATES = 8 };

/* A key of the mint, and the certificates of it. */
struct mm_audit_key {
	struct mm_genesis_key key;
	uint8_t sha256[32]; /* of its SPKI */
	bool retired;
	struct mm_span tbs[MM_AUDIT_CERTIFICATES]; /* the newest last */
	size_t tbs_count;
	bool crl_known;
	uint64_t crl_number; /* of its last CRL */
	/* The ceremony that brought it, later than genesis. */
	uint64_t index; /* of the entry; 0: the genesis */
	struct mm_ceremony_claim ceremony;
	uint64_t ceremony_end;
};

/* An entry of people's that others rest on. */
struct mm_audit_basis {
	uint64_t index, time; /* of the entry */
	struct mm_list statements;
	/* The statements hold by the roster of the policy in this entry. */
	uint64_t roster;
	bool holds;
};

struct mm_audit_order {
	struct mm_audit_basis basis;
	struct mm_order_claim claim;
	uint64_t used;
};

/* What was said of a principal once. */
struct mm_audit_principal {
	struct mm_audit_basis basis;
	struct mm_principal_claim claim;
	struct mm_audit_person *person;
};

/* A principal as it is now. */
struct mm_audit_person {
	struct mm_span name;
	struct mm_principal now;
	uint64_t basis;  /* the entry that says so */
	uint8_t key[32]; /* that is taken by it, where `holds_key` */
	bool holds_key;
	uint64_t day, today; /* certificates of its last day */
	uint64_t export_day, exports;
};

struct mm_audit_people {
	struct mm_audit_order **orders; /* by index, ascending */
	size_t order_count, order_capacity;
	struct mm_audit_principal **principals; /* by index, ascending */
	size_t principal_count, principal_capacity;
	struct mm_audit_person **persons; /* by name, ascending */
	size_t person_count, person_capacity;
};

struct mm_audit {
	struct mm_audit_options options;
	struct mm_vkey vkey;
	struct mm_frontier frontier;
	struct mm_audit_report report;
	struct mm_arena arena; /* of people's entries */
	struct mm_birth birth;
	struct mm_force force;
	struct mm_audit_key keys[MM_AUDIT_KEYS];
	size_t key_count;
	struct mm_audit_people people;
	struct mm_waiting_list waiting;
	struct mm_verifier *verifier;
	struct mm_ledger *ledger;
	struct mm_revocations *revocations;
	bool blob_fault;     /* a blob could not be had: no fault of an entry */
	bool begun, started; /* a genesis, a `start` entry was there */
	const char *never;   /* of the entry at hand: as in mm_waiting */
};

/* The entry at hand. */
struct mm_audit_at {
	struct mm_audit *audit;
	uint64_t index;
	struct mm_span bytes;
	const struct mm_entry *frame;
	const void *body;
	struct mm_arena *arena; /* of this entry */
};

/* MM_E_LOG_WRONG; a rule that asks others returns their errors as well. */
#define mm_audit_wrong(...) mm_fail(MM_E_LOG_WRONG, __VA_ARGS__)

typedef enum mm_error mm_audit_rule(const struct mm_audit_at *at);

/* What people say: audit/people.c */
mm_audit_rule mm_audit_genesis, mm_audit_policy, mm_audit_principal,
    mm_audit_order, mm_audit_revocation, mm_audit_key;
void mm_audit_people_clear(struct mm_audit_people *people);
/* Who this is now; NULL for nobody. */
struct mm_audit_person *
mm_audit_person(struct mm_audit *audit, struct mm_span name);
/* Somebody who may ask for this, at this place; and takes the request. */
enum mm_error mm_audit_asked(const struct mm_audit_at *at, uint64_t message,
    struct mm_span principal, struct mm_span request) mm_must_use;
/* The order, the principal of an entry; MM_E_LOG_WRONG. Sets `never` where
 * the officers who signed are not those of today. */
enum mm_error mm_audit_find_order(struct mm_audit *audit, uint64_t index,
    struct mm_audit_order **out) mm_must_use;
enum mm_error mm_audit_find_principal(struct mm_audit *audit, uint64_t index,
    struct mm_audit_principal **out) mm_must_use;
/* A key of the mint that is not retired, by name or by SPKI; NULL. */
struct mm_audit_key *
mm_audit_key_named(struct mm_audit *audit, struct mm_span name);
struct mm_audit_key *
mm_audit_key_of(struct mm_audit *audit, struct mm_span spki);

/* What is signed: audit/issued.c */
mm_audit_rule mm_audit_certificate, mm_audit_image, mm_audit_crl;

/* What becomes of it: audit/outcome.c */
mm_audit_rule mm_audit_signatures, mm_audit_voids;

/* What is only told: audit/told.c */
mm_audit_rule mm_audit_refusals, mm_audit_start, mm_audit_export;
/* Whether an error has this name. */
bool mm_audit_is_error(struct mm_span name);

#endif
