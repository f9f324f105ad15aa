/*
 * The log's entries: everything that matters, in the order in which it
 * happened. An entry is one deterministic CBOR map; its kind says the shape
 * of its body. log/entry.c holds the one table of kinds; mintmark.cddl says
 * the same for auditors.
 *
 * An entry is written with at most 49,146 bytes, so that every one of them
 * can have a receipt. What is larger (a long policy text, a CRL) is a blob:
 * bytes beside the log that an entry names by SHA-256 and size. Of the pair
 * `x` and `x_sha256` an entry has one at most.
 */
#ifndef MM_ENTRY_H
#define MM_ENTRY_H

#include "protocol/statement.h"

enum mm_entry_kind {
	MM_ENTRY_GENESIS = 0,
	MM_ENTRY_POLICY = 1,
	MM_ENTRY_PRINCIPAL = 2,
	MM_ENTRY_ORDER = 3,
	MM_ENTRY_CERTIFICATE = 4,
	MM_ENTRY_IMAGE = 5,
	MM_ENTRY_SIGNATURES = 6,
	MM_ENTRY_VOID = 7,
	MM_ENTRY_REFUSAL = 8,
	MM_ENTRY_START = 9,
	MM_ENTRY_KEY = 10,
	MM_ENTRY_REVOCATION = 11,
	MM_ENTRY_CRL = 12,
	MM_ENTRY_EXPORT = 13,
	MM_ENTRY_PENDING = 14,
	MM_ENTRY_WITHDRAWAL = 15,
	MM_ENTRY_RELEASE = 16,
	MM_ENTRY_CEREMONY = 17,
	MM_ENTRY_CSR = 18,
	MM_ENTRY_IMPORT = 19,
	MM_ENTRY_INHERITED = 20,
	MM_ENTRY_PARTITION = 21,
	MM_ENTRY_SCRAP = 22,
	MM_ENTRY_KINDS = 23
};

struct mm_entry {
	uint64_t kind;
	uint64_t time;      /* POSIX seconds; never before the last entry's */
	uint8_t policy[32]; /* SHA-256 of the policy document in force */
	struct mm_span body;
};
extern const struct mm_shape mm_entry_shape;

struct mm_genesis_key {
	struct mm_span name; /* "root", "device-ca", "access-ca", "codesign" */
	uint64_t use;        /* enum mm_key_use */
	struct mm_span spki; /* DER SubjectPublicKeyInfo */
};
struct mm_genesis {
	struct mm_span origin;
	uint8_t log_key[32];   /* Ed25519 */
	struct mm_list keys;   /* mm_genesis_key */
	struct mm_span policy; /* compiled document; entry.policy is its hash */
	struct mm_span text;   /* as people wrote it */
	struct mm_list statements;  /* mm_bytes_item: the ceremony's */
	struct mm_span text_sha256; /* 32 bytes: the text is this blob */
	uint64_t text_size;
};
extern const struct mm_shape mm_genesis_key_shape, mm_genesis_shape;

/* entry.policy is the hash of the document that comes into force here. */
struct mm_policy_entry {
	struct mm_span policy, text;
	struct mm_list statements;
	struct mm_span text_sha256;
	uint64_t text_size;
	struct mm_span principal, request;
};
extern const struct mm_shape mm_policy_entry_shape;

/*
 * A principal, an order, a revocation, a release, a ceremony or a withdrawal
 * is what its statements say, word for word.
 */
struct mm_statement_entry {
	struct mm_list statements; /* mm_bytes_item: COSE_Sign1, one payload */
	struct mm_span principal;  /* who brought it; empty at genesis */
	struct mm_span request;    /* 16 bytes; empty at genesis */
};
extern const struct mm_shape mm_statement_entry_shape;

/*
 * Statements that not enough officers have signed yet, all that there are so
 * far; and what came along, to be used when there are enough. The newest
 * entry about a payload counts. What it says is in force only by an entry of
 * its own kind.
 */
struct mm_pending_entry {
	struct mm_list statements; /* mm_bytes_item: COSE_Sign1, one payload */
	struct mm_span principal, request;
	struct mm_span spki;         /* of a principal's or a proof's CSR */
	struct mm_span policy, text; /* that a policy's statement is about */
	struct mm_span text_sha256;
	uint64_t text_size;
	struct mm_list certificates; /* mm_bytes_item: DER, of imports */
};
extern const struct mm_shape mm_pending_entry_shape;

/* The former certificate of a device, which this one makes void: revoked as
 * superseded when this one is signed. */
struct mm_replaced {
	uint64_t index; /* of its entry, or of the one that inherited it */
	struct mm_span serial;
};
extern const struct mm_shape mm_replaced_shape;

struct mm_certificate_entry {
	struct mm_span profile;
	struct mm_span subject; /* the device, principal, CA or server name */
	/*
	 * The entry whose statement this rests on: an order for a device, a
	 * principal for a TLS client, genesis or a ceremony for a CA, code
	 * signing and a proof of possession, genesis or policy for the
	 * appliance's own TLS server certificate.
	 */
	uint64_t basis;
	struct mm_span issuer; /* name of the signing key */
	uint8_t key[32];       /* SHA-256 of the SPKI in the TBS */
	struct mm_span tbs;    /* DER TBSCertificate: what is signed */
	struct mm_span principal, request; /* who asked; empty for our own */
	struct mm_list replaces;           /* mm_replaced, at most one */
};
extern const struct mm_shape mm_certificate_entry_shape;

struct mm_image_entry {
	struct mm_span product, version;
	uint64_t size;
	uint8_t sha256[32];    /* of the image as submitted */
	struct mm_span scheme; /* a signing: signer/scheme.h */
	uint8_t digest[32];    /* what is signed, by the scheme */
	struct mm_span key;    /* name of the signing key */
	struct mm_span format; /* what the inspector saw: "plain", "unread" */
	struct mm_list statements; /* mm_bytes_item */
	/* Empty since images are signed on their statements alone. */
	struct mm_span principal, request;
	uint8_t signer[32]; /* SHA-256 of the signing key's SPKI */
	/* As the image says itself, where it does. */
	struct mm_span chip, project;
	uint64_t secure_version; /* of MCUboot the security counter */
};
extern const struct mm_shape mm_image_entry_shape;

/* A device's esp_secure_cert partition, before it is signed. */
struct mm_partition_entry {
	struct mm_span profile, device;
	uint64_t basis;       /* the order's entry */
	uint64_t certificate; /* entry of the device's that lies in it */
	uint64_t size;
	uint8_t sha256[32];    /* of the partition as it came */
	struct mm_span scheme; /* a signing of the profile */
	uint8_t digest[32];    /* what is signed */
	struct mm_span key;    /* name of the signing key */
	uint8_t signer[32];    /* SHA-256 of its SPKI */
	struct mm_span principal, request;
};
extern const struct mm_shape mm_partition_entry_shape;

struct mm_signature {
	uint64_t index;           /* of the entry that it signs */
	struct mm_span signature; /* as it stands in the certificate or file */
};
struct mm_signatures_entry {
	struct mm_list signatures; /* mm_signature, ascending */
};
extern const struct mm_shape mm_signature_shape, mm_signatures_entry_shape;

struct mm_void {
	uint64_t index;
	struct mm_span reason; /* an error's name */
};
struct mm_void_entry {
	struct mm_list voids; /* mm_void, ascending */
};
extern const struct mm_shape mm_void_shape, mm_void_entry_shape;

struct mm_refusal {
	struct mm_span principal, request; /* name, message type's name */
	struct mm_span reason;             /* an error's name */
	uint64_t count;                    /* of the same, since the last one */
	struct mm_span subject;            /* the device or image of the last */
	struct mm_span order; /* that it was asked under, where there is one */
};
struct mm_refusal_entry {
	struct mm_list refusals; /* mm_refusal */
};
extern const struct mm_shape mm_refusal_shape, mm_refusal_entry_shape;

struct mm_start_entry {
	struct mm_span version; /* of the program */
	uint64_t undecided;     /* before it: neither signed nor void */
};
extern const struct mm_shape mm_start_entry_shape;

/* A key that the token has from now on, or that signs nothing from now on. */
struct mm_key_entry {
	struct mm_span name;
	uint64_t use;        /* enum mm_key_use */
	struct mm_span spki; /* DER SubjectPublicKeyInfo */
	bool retired;        /* else: added */
	uint64_t basis;      /* the ceremony's entry */
};
extern const struct mm_shape mm_key_entry_shape;

/* A CSR of a key of the mint, for a CA outside, before it is signed. */
struct mm_csr_entry {
	struct mm_span key;     /* name of the key, which signs it too */
	struct mm_span profile; /* what its subject is made by */
	struct mm_span subject;
	uint64_t basis;      /* genesis or a ceremony's entry */
	struct mm_span info; /* DER CertificationRequestInfo (RFC 2986) */
};
extern const struct mm_shape mm_csr_entry_shape;

/* The certificate of a key of the mint that a CA outside has made. */
struct mm_import_entry {
	struct mm_span key;
	uint64_t basis;             /* the ceremony's entry */
	struct mm_span certificate; /* DER */
};
extern const struct mm_shape mm_import_entry_shape;

/* After a genesis that succeeds another log: a blob of log/inheritance.h. */
struct mm_inherited_entry {
	uint64_t count; /* things in it */
	struct mm_span things_sha256;
	uint64_t things_size;
};
extern const struct mm_shape mm_inherited_entry_shape;

/* A CRL before it is signed (RFC 5280 section 5). */
struct mm_crl_entry {
	struct mm_span issuer; /* name of the signing key */
	uint64_t number;       /* cRLNumber, one more than the issuer's last,
				* void or not */
	uint64_t this_update, next_update;
	uint64_t size;      /* the log's: revocations before it are counted */
	uint64_t count;     /* certificates that it lists */
	struct mm_span tbs; /* DER TBSCertList: what is signed; or a blob */
	struct mm_span tbs_sha256;
	uint64_t tbs_size;
};
extern const struct mm_shape mm_crl_entry_shape;

/* What an auditor took home; the receipt of this entry is its signature. */
struct mm_export_entry {
	uint64_t from, to; /* entries, `to` not included */
	struct mm_span format, filter;
	uint8_t sha256[32]; /* of the file */
	uint64_t size;
	struct mm_span principal, request;
};
extern const struct mm_shape mm_export_entry_shape;

/* A unit of an order that failed for good, as a station says: once for each
 * certificate. The unit is used, and the certificate is as good as it was. */
struct mm_scrap_entry {
	uint64_t basis;        /* the order's entry: its terms in force */
	uint64_t certificate;  /* entry of the unit's */
	struct mm_span serial; /* of that certificate: content octets */
	struct mm_span device, reason;
	struct mm_span principal, request;
};
extern const struct mm_shape mm_scrap_entry_shape;

/* Bytes beside the log, in the directory as blob/<hex of sha256>. */
struct mm_blob {
	uint8_t sha256[32];
	uint64_t size; /* 1 to MM_BLOB_MAX; 0: the entry names none */
};
enum { MM_BLOB_PATH_MAX = 5 + 64 + 1 };
void mm_blob_path(const struct mm_blob *blob, char out[MM_BLOB_PATH_MAX]);

/* The shape of a kind's body and its name; NULL for an unknown kind. */
const struct mm_shape *mm_entry_body_shape(uint64_t kind);
const char *mm_entry_kind_name(uint64_t kind);

/* Appends the entry; entry->body is ignored and made from `body`. */
enum mm_error mm_entry_encode(const struct mm_entry *entry, const void *body,
    struct mm_buffer *out) mm_must_use;

/*
 * Decodes the frame and, where `body` is not NULL, the body, which must be
 * of `kind` (MM_E_ENTRY otherwise). Spans point into `bytes`.
 */
enum mm_error mm_entry_decode(struct mm_span bytes, struct mm_arena *arena,
    struct mm_entry *out) mm_must_use;
enum mm_error mm_entry_decode_as(struct mm_span bytes, enum mm_entry_kind kind,
    struct mm_arena *arena, struct mm_entry *out, void *body) mm_must_use;

/*
 * The blob that an entry names, if it names one. MM_E_ENTRY where it has half
 * of its name, or the bytes as well, or where a CRL has neither.
 */
enum mm_error
mm_entry_blob(struct mm_span bytes, struct mm_blob *out) mm_must_use;

#endif
