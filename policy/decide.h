/*
 * The decision: a pure function from what is known to a verdict. It starts
 * at denied, and each denial names the rule that it failed.
 */
#ifndef MM_DECIDE_H
#define MM_DECIDE_H

#include "policy/order.h"
#include "policy/document.h"

/* A registered principal as the index has it. */
struct mm_principal {
	struct mm_span name;
	uint64_t role;
	struct mm_list profiles; /* mm_text_item */
	uint64_t daily;
	bool disabled;
	uint64_t basis; /* index of its entry */
};

/* Exports of one principal a day (UTC) that are put on record: they fill no
 * log. */
enum { MM_EXPORTS_DAILY = 100 };

/* The requester's right to a message type at all: MM_E_PRINCIPAL (NULL or
 * disabled), MM_E_ROLE. */
enum mm_error mm_decide_message(
    const struct mm_principal *principal, uint64_t type) mm_must_use;

/* What is known of the device, key and request before a certificate. */
struct mm_issue_facts {
	const struct mm_policy *policy;
	const struct mm_principal *principal;
	const struct mm_order_claim *order; /* NULL: no such order */
	uint64_t order_used;                /* units, in-flight included */
	struct mm_span profile, device;
	uint64_t key_type; /* of the CSR's key */
	uint64_t today;    /* certificates of the principal today */
	uint64_t now;
	/* The live certificate of (profile, device), where there is one. */
	bool device_issued, device_same_key, device_same_order;
	/* The key is in a certificate for another device or principal. */
	bool key_elsewhere;
};

enum mm_issue_verdict {
	MM_ISSUE_DENY = 0,
	MM_ISSUE_NEW = 1,
	MM_ISSUE_AGAIN = 2 /* the same certificate, byte for byte */
};

/* `error` is why it was denied (mm_why() names the rule), else MM_OK. */
enum mm_issue_verdict
mm_decide_issue(const struct mm_issue_facts *facts, enum mm_error *error);

struct mm_release_facts {
	const struct mm_policy *policy;
	struct mm_span product, version, scheme;
	uint64_t size;
	const uint8_t *sha256;                /* 32, of the image */
	const uint8_t *digest;                /* 32, to be signed */
	const struct mm_release_claim *claim; /* checked by the roster */
};
/* Whether policy and claim allow this signature; the token process asks the
 * same. MM_E_PRODUCT, MM_E_SCHEME, MM_E_IMAGE_SIZE, MM_E_RELEASE. */
enum mm_error
mm_decide_release(const struct mm_release_facts *facts) mm_must_use;

#endif
