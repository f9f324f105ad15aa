/*
 * Statements: what people sign. COSE_Sign1 (RFC 9052 section 4.2), EdDSA over
 * Ed25519, tag 18, a deterministic payload that names its kind, its log, a
 * nonce, its time and its end. Several officers make several COSE_Sign1 over
 * the same payload bytes.
 */
#ifndef MM_STATEMENT_H
#define MM_STATEMENT_H

#include "protocol/shape.h"

enum mm_statement_kind {
	MM_STATEMENT_ORDER = 1,
	MM_STATEMENT_RELEASE = 2,
	MM_STATEMENT_REVOKE = 3,
	MM_STATEMENT_PRINCIPAL = 4,
	MM_STATEMENT_POLICY = 5,
	MM_STATEMENT_CEREMONY = 6,
	MM_STATEMENT_KINDS = 7
};

enum {
	MM_STATEMENT_MAX = 16384, /* bytes of one COSE_Sign1 */
	MM_STATEMENTS_MAX = 16,   /* officers under one payload */
	MM_NONCE_SIZE = 16,
	MM_KID_SIZE = 8, /* leftmost bytes of SHA-256(public key) */
	MM_NAME_MAX = 64,
	MM_ORIGIN_MAX = 100 /* of a log's name */
};

enum mm_role {
	MM_ROLE_STATION = 1,
	MM_ROLE_RELEASE = 2,
	MM_ROLE_AUDITOR = 3,
	MM_ROLE_OFFICER = 4,
	MM_ROLES = 5
};
/* "station", "release", "auditor", "officer"; NULL for others. */
const char *mm_role_name(uint64_t role);

/* The payload's frame. */
struct mm_claim {
	uint64_t kind;
	struct mm_span origin; /* the log it is for */
	uint8_t nonce[MM_NONCE_SIZE];
	uint64_t time, expiry; /* POSIX seconds; to be logged before expiry */
	struct mm_span body;   /* one of the shapes below, by kind */
};
extern const struct mm_shape mm_claim_shape;

/* Which devices an order is for: exactly one of the three forms. */
struct mm_devices {
	struct mm_list list;        /* mm_text_item: just these */
	struct mm_span first, last; /* of one length, compared as bytes */
	struct mm_span pattern;     /* `*` any characters, `?` any one */
};
extern const struct mm_shape mm_devices_shape;

struct mm_order_claim {
	struct mm_span name, profile;
	uint64_t units;
	struct mm_devices devices;
	struct mm_list stations; /* mm_text_item: principals' names */
	uint64_t until;          /* POSIX seconds, inclusive */
};
extern const struct mm_shape mm_order_claim_shape;

struct mm_scheme_digest {
	struct mm_span scheme;
	uint8_t digest[32]; /* exactly what the key will sign */
};
extern const struct mm_shape mm_scheme_digest_shape;

struct mm_release_claim {
	struct mm_span product, version;
	uint64_t size;
	uint8_t sha256[32];     /* of the image as submitted */
	struct mm_list schemes; /* mm_scheme_digest */
};
extern const struct mm_shape mm_release_claim_shape;

/* A certificate that is no longer to be believed. */
struct mm_revoked {
	struct mm_span serial; /* content octets, big-endian, 1 to 20 */
	uint64_t reason;       /* CRLReason, RFC 5280 5.3.1: 0 to 10, not 7 */
	uint64_t since;        /* invalidityDate, POSIX seconds; 0: unknown */
};
struct mm_revoke_claim {
	struct mm_list revoked; /* mm_revoked */
};
extern const struct mm_shape mm_revoked_shape, mm_revoke_claim_shape;

struct mm_principal_claim {
	struct mm_span name;
	uint64_t role;           /* enum mm_role */
	uint8_t key[32];         /* SHA-256 of the DER SubjectPublicKeyInfo */
	struct mm_list profiles; /* mm_text_item: what a station may ask for */
	uint64_t daily; /* certificates a day; 0: as many as orders allow */
	bool disabled;  /* from now on refused, key and name */
};
extern const struct mm_shape mm_principal_claim_shape;

struct mm_policy_claim {
	uint64_t number;
	uint8_t sha256[32]; /* of the compiled document */
};
extern const struct mm_shape mm_policy_claim_shape;

/* One CA or code-signing certificate that a ceremony makes. */
struct mm_ceremony_certificate {
	struct mm_span key, issuer;      /* names of keys; equal: self-signed */
	struct mm_span profile, subject; /* subject fills {name} */
};
struct mm_ceremony_key {
	struct mm_span name;
	uint64_t use; /* enum mm_key_use of log/entry.h */
};
struct mm_ceremony_claim {
	uint8_t policy[32];          /* SHA-256 of the first policy document */
	struct mm_list keys;         /* mm_ceremony_key */
	struct mm_list certificates; /* mm_ceremony_certificate */
	struct mm_list retired;      /* mm_text_item: names of keys that sign
				      * nothing more; not at birth */
};
extern const struct mm_shape mm_ceremony_certificate_shape,
    mm_ceremony_key_shape, mm_ceremony_claim_shape;

/* A COSE_Sign1 taken apart; spans point into its bytes. */
struct mm_statement {
	struct mm_span kid, payload, protected_header;
	const uint8_t *signature; /* 64 bytes */
};

/* Takes a COSE_Sign1 apart, strictly; verifies nothing. MM_E_STATEMENT. */
enum mm_error
mm_statement_decode(struct mm_span bytes, struct mm_statement *out) mm_must_use;

/* Verifies with one officer's key; MM_E_STATEMENT_SIGNATURE. */
enum mm_error mm_statement_verify(const struct mm_statement *statement,
    const uint8_t public_key[32]) mm_must_use;

/* Appends the COSE_Sign1 of a payload; secret_key in sodium memory. */
enum mm_error mm_statement_sign(struct mm_span payload,
    const uint8_t secret_key[64], struct mm_buffer *out) mm_must_use;

/* Encodes frame and body: claim->body is ignored and made from `body`. */
enum mm_error mm_claim_encode(const struct mm_claim *claim, const void *body,
    struct mm_buffer *out) mm_must_use;

/* The body's shape for a kind; NULL for an unknown one. */
const struct mm_shape *mm_claim_body_shape(uint64_t kind);

void mm_kid(const uint8_t public_key[32], uint8_t out[MM_KID_SIZE]);

#endif
