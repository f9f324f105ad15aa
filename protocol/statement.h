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
	MM_STATEMENT_WITHDRAW = 7,
	MM_STATEMENT_KINDS = 8
};

/* Kinds that the policy has a threshold for; one officer may withdraw. */
enum { MM_THRESHOLD_KINDS = MM_STATEMENT_CEREMONY };

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
	uint64_t time, expiry; /* POSIX seconds; to be logged by expiry */
	struct mm_span body;   /* one of the shapes below, by kind */
};
extern const struct mm_shape mm_claim_shape;

/* Which devices an order is for: exactly one of the three forms. */
struct mm_devices {
	struct mm_list list;        /* mm_text_item: just these */
	struct mm_span first, last; /* of one length; policy/order.h */
	struct mm_span pattern;     /* `*` any characters, `?` any one */
};
extern const struct mm_shape mm_devices_shape;

struct mm_order_claim {
	struct mm_span name, profile;
	uint64_t units;
	struct mm_devices devices;
	struct mm_list stations; /* mm_text_item: principals' names */
	uint64_t until;          /* POSIX seconds, inclusive */
	/* 0: a new order. Else one more than the order's last: these terms
	 * stand in the place of those before, what was used stays used. */
	uint64_t revision;
	uint64_t reissue; /* certificates that may replace former ones */
	bool closed;      /* nothing more is issued, until a later revision */
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
	uint64_t daily;  /* certificates a day; 0: as many as orders allow */
	uint64_t minute; /* requests a minute; 0: the box's limit */
	bool disabled;   /* from now on refused, key and name */
};
extern const struct mm_shape mm_principal_claim_shape;

struct mm_policy_claim {
	uint64_t number;
	uint8_t sha256[32]; /* of the compiled document */
};
extern const struct mm_shape mm_policy_claim_shape;

/* What was stated before and has not got enough signatures is withdrawn. */
struct mm_withdraw_claim {
	uint8_t payload[32]; /* SHA-256 of the pending statement's payload */
};
extern const struct mm_shape mm_withdraw_claim_shape;

/* One CA or code-signing certificate that a ceremony makes. */
struct mm_ceremony_certificate {
	struct mm_span key, issuer;      /* names of keys; equal: self-signed */
	struct mm_span profile, subject; /* subject fills {name} */
};
/* What a key in the token is for; a key has one use. */
enum mm_key_use {
	MM_KEY_ROOT_CA = 1,
	MM_KEY_DEVICE_CA = 2,
	MM_KEY_ACCESS_CA = 3, /* TLS identities; its own root */
	MM_KEY_CODE_SIGNING = 4
};
struct mm_ceremony_key {
	struct mm_span name;
	uint64_t use; /* enum mm_key_use */
	/* SHA-256 of the SPKI of a key that the token has already, at a
	 * succession; empty: the key is made. */
	struct mm_span existing;
	/* Of a code-signing key, for what wants another one than P-256: 2 is
	 * RSA-3072 (enum mm_algorithm of signer/public_key.h); 0: P-256. */
	uint64_t algorithm;
};
/* A CSR for a CA outside, made and signed by the key itself. */
struct mm_ceremony_request {
	struct mm_span key, profile, subject; /* subject fills {name} */
};
/* The answer of a CA outside: a certificate of a key of the mint. */
struct mm_ceremony_import {
	struct mm_span key;
	uint8_t sha256[32]; /* of the DER certificate */
};
/* That the mint has a CA's key: a short-lived certificate whose name is a
 * code that a cloud gave (AWS IoT, Azure DPS). */
struct mm_ceremony_proof {
	struct mm_span issuer;  /* name of the CA's key */
	struct mm_span profile; /* of purpose proof */
	struct mm_span code;    /* fills {name} */
	uint8_t key[32];        /* SHA-256 of the certificate's SPKI */
};
/* What a blob of an inheritance holds (log/inheritance.h). */
struct mm_inherited_blob {
	uint8_t sha256[32];
	uint64_t size, count; /* bytes; things in it */
};
/* The log that a new one stands in for: its last known checkpoint. */
struct mm_predecessor {
	struct mm_span origin;
	uint8_t log_key[32];
	uint64_t size;
	uint8_t root[32];
	struct mm_list inherited; /* mm_inherited_blob */
};
struct mm_ceremony_claim {
	uint8_t policy[32];  /* SHA-256 of the policy document: at birth the
			      * first one, later the one in force */
	struct mm_list keys; /* mm_ceremony_key */
	struct mm_list certificates; /* mm_ceremony_certificate */
	struct mm_list retired;      /* mm_text_item: names of keys that sign
				      * nothing more; not at birth */
	struct mm_list requests;     /* mm_ceremony_request */
	struct mm_list imports;      /* mm_ceremony_import; not at birth */
	struct mm_list proofs;       /* mm_ceremony_proof; not at birth */
	struct mm_list succeeds;     /* mm_predecessor: at birth, at most one */
	/* As people wrote them down, UTF-8 of several lines: where it was held,
	 * who was there, which hardware. */
	struct mm_span notes;
};
extern const struct mm_shape mm_ceremony_certificate_shape,
    mm_ceremony_key_shape, mm_ceremony_request_shape, mm_ceremony_import_shape,
    mm_ceremony_proof_shape, mm_inherited_blob_shape, mm_predecessor_shape,
    mm_ceremony_claim_shape;

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

/* "order", "release", ...; NULL for an unknown kind. */
const char *mm_statement_kind_name(uint64_t kind);
const char *mm_key_use_name(uint64_t use); /* NULL for an unknown use */
/* The body's shape for a kind; NULL for an unknown one. */
const struct mm_shape *mm_claim_body_shape(uint64_t kind);

void mm_kid(const uint8_t public_key[32], uint8_t out[MM_KID_SIZE]);

#endif
