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
#include "hsm/following.h"
#include "hsm/judge.h"
#include "policy/decide.h"

enum { MM_AUDIT_KEYS = MM_ISSUERS_MAX - 1, MM_AUDIT_CERTIFICATES = 8 };

/* A key of the mint, and the certificates of it. */
struct mm_audit_key {
	const struct mm_followed_key *followed;
	struct mm_span tbs[MM_AUDIT_CERTIFICATES]; /* the newest last */
	size_t tbs_count;
	bool crl_known;
	uint64_t crl_number, crl_size; /* of its last CRL, void or not */
};

/* An order by its name, under all of its revisions. */
struct mm_audit_ordered {
	struct mm_span name;
	const struct mm_audit_order *newest;
	uint64_t used, reissued; /* what waits included */
};

/* The terms of one revision. */
struct mm_audit_order {
	uint64_t index; /* of its entry */
	struct mm_order_claim claim;
	struct mm_audit_ordered *order;
};

/* What was said of a principal once. */
struct mm_audit_principal {
	uint64_t index; /* of its entry */
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

/* A product, and what of it is signed or waits (audit/versions.c). */
struct mm_audit_product {
	struct mm_span name;
	struct mm_audit_version *versions;
};

/* The version of an image entry. */
struct mm_audit_version {
	struct mm_audit_version *next;
	struct mm_audit_product *product;
	uint64_t index, secure_version;
	uint8_t text[MM_NAME_MAX];
	size_t size;
	bool is_signed;
};

/* Pointers to things that stay, in an order of the owner's. */
struct mm_audit_array {
	void **items;
	size_t count, capacity;
};

struct mm_audit_people {
	struct mm_audit_array revisions;  /* mm_audit_order, by index */
	struct mm_audit_array orders;     /* mm_audit_ordered, by name */
	struct mm_audit_array principals; /* mm_audit_principal, by index */
	struct mm_audit_array persons;    /* mm_audit_person, by name */
	struct mm_audit_array products;   /* mm_audit_product, by name */
};

struct mm_audit {
	struct mm_audit_options options;
	struct mm_vkey vkey;
	struct mm_frontier frontier;
	struct mm_audit_report report;
	struct mm_arena arena; /* of people's entries */
	struct mm_following following;
	struct mm_audit_key keys[MM_AUDIT_KEYS];
	size_t key_count;
	size_t inherited; /* blobs of the predecessor's that were there */
	uint32_t inherited_things;
	struct mm_audit_people people;
	struct mm_waiting_list waiting;
	struct mm_verifier *verifier;
	struct mm_ledger *ledger;
	struct mm_revocations *revocations;
	uint8_t secret[16];  /* mm_audit_image_number()'s */
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

/* --- people.c: who asks, what they state, what is kept of it --- */

/* Memory that stays; NULL. */
void *mm_audit_keep(struct mm_audit *audit, size_t size);
enum mm_error mm_audit_insert(
    struct mm_audit_array *array, size_t place, void *one) mm_must_use;
/* The place of a name, or where it would be; all begin with their name. */
size_t
mm_audit_name_place(const struct mm_audit_array *array, struct mm_span name);
/* The item of this name, of this index (all begin with it); NULL. */
void *mm_audit_named(const struct mm_audit_array *array, struct mm_span name);
void *mm_audit_at_index(const struct mm_audit_array *array, uint64_t index);
void mm_audit_people_clear(struct mm_audit_people *people);
/* Who this is now; NULL for nobody. */
struct mm_audit_person *
mm_audit_person(struct mm_audit *audit, struct mm_span name);
/* The policy in force. */
const struct mm_force *mm_audit_force(const struct mm_audit *audit);
/* Of the log. */
struct mm_span mm_audit_origin(const struct mm_audit *audit);
/* Somebody who may ask for this, at this place; and takes the request. */
enum mm_error mm_audit_asked(const struct mm_audit_at *at, uint64_t message,
    struct mm_span principal, struct mm_span request) mm_must_use;
/* Whether this principal may bring statements of a kind: officers all, who
 * releases firmware those of releases. */
enum mm_error mm_audit_may_bring(const struct mm_audit_at *at,
    uint64_t statement, struct mm_span principal) mm_must_use;
/* Both, of what was stated: at the birth of the log nobody asked. */
enum mm_error mm_audit_brought(const struct mm_audit_at *at, uint64_t statement,
    struct mm_span principal, struct mm_span request) mm_must_use;
/* The thing that statements over one payload are; of its SHA-256. */
enum mm_error mm_audit_payload(
    const struct mm_list *statements, struct mm_thing_name *out) mm_must_use;
struct mm_thing_name mm_audit_payload_of(const uint8_t sha256[32]);
/* What is common to the entries that people's statements make: brought by
 * somebody, by the roster in force here, over a payload that is nowhere else.
 * `claim_body` stays. */
enum mm_error mm_audit_state(const struct mm_audit_at *at, uint64_t statement,
    void *claim_body) mm_must_use;

mm_audit_rule mm_audit_principal; /* principals.c */
enum mm_error mm_audit_find_principal(struct mm_audit *audit, uint64_t index,
    struct mm_audit_principal **out) mm_must_use;

mm_audit_rule mm_audit_order; /* orders.c */
/* The order's revision of an entry; MM_E_LOG_WRONG. */
enum mm_error mm_audit_find_order(struct mm_audit *audit, uint64_t index,
    struct mm_audit_order **out) mm_must_use;

mm_audit_rule mm_audit_policy; /* policies.c */

/* approvals.c */
mm_audit_rule mm_audit_pending, mm_audit_withdrawal, mm_audit_release;

/* --- ceremonies.c: the mint's own keys --- */

mm_audit_rule mm_audit_genesis, mm_audit_ceremony, mm_audit_key,
    mm_audit_import, mm_audit_csr;
/* A key of the mint that is not retired, by name or by SPKI; NULL. */
struct mm_audit_key *
mm_audit_key_named(struct mm_audit *audit, struct mm_span name);
struct mm_audit_key *
mm_audit_key_of(struct mm_audit *audit, struct mm_span spki);
/* Its number among all that there ever were. */
uint32_t mm_audit_key_number(
    const struct mm_audit *audit, const struct mm_audit_key *key);
/* Another certificate of the key; copies. */
enum mm_error mm_audit_key_certified(struct mm_audit *audit,
    struct mm_audit_key *key, struct mm_span tbs) mm_must_use;

mm_audit_rule mm_audit_inherited; /* inherited.c */
/* All that the genesis lists has been taken in. */
enum mm_error mm_audit_inherited_end(const struct mm_audit *audit) mm_must_use;
/* The bytes of a blob that the entry at hand names. */
enum mm_error
mm_audit_blob(const struct mm_audit_at *at, struct mm_buffer *out) mm_must_use;

/* --- what is signed --- */

/* sources.c: what the token process's rules ask, answered. */
struct mm_judge_sources mm_audit_sources(struct mm_audit *audit);
struct mm_judge mm_audit_judge(
    const struct mm_audit *audit, const struct mm_judge_sources *sources);

mm_audit_rule mm_audit_certificate;              /* issued.c */
mm_audit_rule mm_audit_image;                    /* images.c */
mm_audit_rule mm_audit_partition;                /* partitions.c */
mm_audit_rule mm_audit_scrap;                    /* scraps.c */
mm_audit_rule mm_audit_revocation, mm_audit_crl; /* revoking.c */

/* versions.c: a product's versions ascend. Taken by an image entry that waits;
 * dropped where it is given up. Both take NULL. */
enum mm_error mm_audit_version_take(const struct mm_audit_at *at,
    const struct mm_image_entry *entry,
    struct mm_audit_version **out) mm_must_use;
void mm_audit_version_signed(struct mm_audit_version *version);
void mm_audit_version_drop(struct mm_audit_version *version);
void mm_audit_versions_clear(struct mm_audit_array *products);
/* What an image is in facts. */
uint64_t
mm_audit_image_number(const struct mm_audit *audit, const uint8_t sha256[32]);

/* What becomes of it: outcome.c */
mm_audit_rule mm_audit_signatures, mm_audit_voids;

/* What is only told: told.c */
mm_audit_rule mm_audit_refusals, mm_audit_start, mm_audit_export;
/* Whether an error has this name. */
bool mm_audit_is_error(struct mm_span name);

#endif
