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
	uint64_t minute; /* requests; 0: the box's limit */
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
	uint64_t order_reissued; /* of the allowance, in-flight included */
	struct mm_span profile, device;
	uint64_t key_type; /* of the CSR's key */
	uint64_t today;    /* certificates of the principal today */
	uint64_t now;
	/* The certificate that (profile, device) has, live or on hold. */
	bool device_issued, device_same_key, device_same_order;
	/* It is on hold: it keeps its place, and is given to nobody. */
	bool device_held;
	/* That certificate is not signed yet: it cannot be replaced. */
	bool device_unsigned;
	/* The device was asked to be issued again. */
	bool reissue;
	/* The key is in a certificate for another device or principal. */
	bool key_elsewhere;
	/* The key was in a certificate that is revoked, unless superseded. */
	bool key_revoked;
};

enum mm_issue_verdict {
	MM_ISSUE_DENY = 0,
	MM_ISSUE_NEW = 1,
	MM_ISSUE_AGAIN = 2,  /* the same certificate, byte for byte */
	MM_ISSUE_REPLACE = 3 /* a new one, which voids the live one */
};

/* `error` is why it was denied (mm_why() names the rule), else MM_OK. */
enum mm_issue_verdict
mm_decide_issue(const struct mm_issue_facts *facts, enum mm_error *error);

/* What is known before a unit is put on record as scrap. */
struct mm_scrap_facts {
	const struct mm_principal *principal;
	const struct mm_order_claim *order; /* in force; NULL: no such order */
	bool issued;    /* the order's certificate with this serial number */
	bool is_signed; /* and it has its signature */
};
/* A station of the order's says so, of what the order has issued; also when it
 * is closed or over, and whatever became of the certificate since. MM_E_ORDER,
 * MM_E_ORDER_OTHERS, MM_E_NOT_OF_ORDER, MM_E_BUSY, mm_decide_message()'s. */
enum mm_error mm_decide_scrap(const struct mm_scrap_facts *facts) mm_must_use;

/* What is known of a certificate that a statement revokes. */
struct mm_revoke_facts {
	bool known;       /* there is one, signed, of one of our issuers */
	uint64_t revoked; /* 1 + the reason in force; 0: not revoked */
	uint64_t reason;  /* that is asked for */
};
/* RFC 5280 5.3.1: once and for ever, but for a hold (6), which may be followed
 * by another reason or taken back (8). MM_E_NOT_FOUND, MM_E_REVOKED,
 * MM_E_STATEMENT. */
enum mm_error mm_decide_revoke(const struct mm_revoke_facts *facts) mm_must_use;

/* What is known of an order before a new revision of it. */
struct mm_order_facts {
	const struct mm_policy *policy;
	const struct mm_order_claim *former; /* NULL: there is none */
	const struct mm_order_claim *claim;  /* sound (policy/order.h) */
};
/* MM_E_NAME_TAKEN, MM_E_ORDER, MM_E_STATEMENT_DIFFERS (its revision is not the
 * next one, or it has another profile), MM_E_PROFILE. */
enum mm_error mm_decide_order(const struct mm_order_facts *facts) mm_must_use;

/* What is known before another policy. */
struct mm_policy_facts {
	const struct mm_policy *former, *next;
	/* Names of the keys of the mint that issue TLS certificates
	 * (mm_text_item): for access, not retired, with a certificate. */
	struct mm_list issuers;
	uint64_t
	    officers; /* registered principals of that role, not disabled */
};
/* A policy that would lock everybody out is refused: profiles for TLS clients
 * and servers there, by issuers that are, an officer who can bring the next
 * one. MM_E_STATEMENT_DIFFERS (its number), MM_E_LOCK_OUT. */
enum mm_error mm_decide_policy(const struct mm_policy_facts *facts) mm_must_use;

/* The format, in an entry, of an image that was never here to be read. */
#define MM_FORMAT_UNREAD "unread"

struct mm_release_facts {
	const struct mm_policy *policy;
	struct mm_span product, version, scheme; /* scheme: a signing */
	/* As the image's entry has it; empty where there is no entry yet. */
	struct mm_span format, chip, project;
	uint64_t secure_version;
	uint64_t size;
	const uint8_t *sha256;                /* 32, of the image */
	const uint8_t *digest;                /* 32, to be signed */
	const struct mm_release_claim *claim; /* checked by the roster */
};
/* Whether policy and claim allow this signature; the token process and an audit
 * ask the same. MM_E_PRODUCT, MM_E_SCHEME, MM_E_IMAGE_SIZE, MM_E_IMAGE_RULES,
 * MM_E_RELEASE. */
enum mm_error
mm_decide_release(const struct mm_release_facts *facts) mm_must_use;

#endif
