/*
 * The messages of the wire: what stations, release engineers, auditors and
 * officers may ask, and what they get. mintmark.cddl says the same for
 * strangers; a test holds the two together.
 *
 * A frame (frame.h) holds one envelope. A request's `id` is 16 random bytes
 * chosen by the client. It comes back in the answer, and where the request
 * makes something, it names that request for ever: asked again with the same
 * body it gets the same answer, with another body it is refused.
 */
#ifndef MM_MESSAGE_H
#define MM_MESSAGE_H

#include "protocol/shape.h"

enum {
	MM_ID_SIZE = 16,
	MM_FRAME_MAX = 131072, /* bytes of one frame's item */
	MM_CHUNK_MAX = 65536,  /* bytes of an image in one message */
	MM_CSR_MAX = 16384,
	MM_CERTIFICATE_MAX = 16384,
	MM_CHAIN_MAX = 8,
	MM_RECEIPT_MAX = 131072,
	MM_ENTRY_MAX = 65535,
	MM_DEVICE_MAX = 64,
	MM_IMAGE_MAX = 16777216, /* by default */
	MM_BLOB_MAX = 67108864,
	MM_PROPOSAL_MAX = 65536,   /* of a policy's text in one request */
	MM_PARTITION_MAX = 24576,  /* of a device's partition, in one request */
	MM_SCRAP_REASON_MAX = 200, /* bytes of text */
	MM_SIGNINGS_MAX = 16,      /* of one release */
	MM_RULES_MAX = 32,         /* that an image is held against */
	MM_ROWS_MAX = 64           /* of a list in one answer */
};

enum mm_message_type {
	MM_MESSAGE_ERROR = 0, /* answers only */
	MM_MESSAGE_STATUS = 1,
	MM_MESSAGE_ISSUE = 2,
	MM_MESSAGE_SHOW = 3,
	MM_MESSAGE_STATEMENT = 4,
	MM_MESSAGE_UPLOAD = 5,
	MM_MESSAGE_CHUNK = 6,
	MM_MESSAGE_SUBMIT = 7,
	MM_MESSAGE_FETCH = 8,
	MM_MESSAGE_ENTRIES = 9,
	MM_MESSAGE_PROVE = 10,
	MM_MESSAGE_CONSISTENCY = 11,
	MM_MESSAGE_COSIGN = 12,
	MM_MESSAGE_EXPORT = 13,
	MM_MESSAGE_BLOB = 14,
	MM_MESSAGE_RENEW = 15,
	MM_MESSAGE_PENDING = 16,
	MM_MESSAGE_ORDERS = 17,
	MM_MESSAGE_PRINCIPALS = 18,
	MM_MESSAGE_CRL = 19,
	MM_MESSAGE_RELEASES = 20,
	MM_MESSAGE_IMAGE = 21,
	MM_MESSAGE_PARTITION = 22,
	MM_MESSAGE_SCRAP = 23,
	MM_MESSAGE_TYPES = 24
};

/* Requests and answers alike. */
struct mm_envelope {
	uint64_t type;
	uint8_t id[MM_ID_SIZE];
	struct mm_span body; /* an item of the type's shape */
};
extern const struct mm_shape mm_envelope_shape;

struct mm_error_answer {
	uint64_t code;        /* enum mm_error */
	struct mm_span name;  /* "order-exhausted" */
	struct mm_span text;  /* what happened, why, what to do */
	uint64_t retry_after; /* seconds; 0: waiting does not help */
};
extern const struct mm_shape mm_error_answer_shape;

struct mm_status_answer {
	struct mm_span origin, vkey;
	uint64_t size;
	struct mm_span checkpoint; /* a C2SP signed note */
	uint64_t policy;           /* number of the policy in force */
	struct mm_span name, role; /* who the appliance thinks you are */
};
extern const struct mm_shape mm_status_answer_shape;

struct mm_issue_request {
	struct mm_span order, profile, device;
	struct mm_span csr; /* PKCS#10, PEM or DER */
	/* The device's certificate is replaced, and void from then on. */
	bool reissue;
};
extern const struct mm_shape mm_issue_request_shape;

struct mm_certificate_answer {
	uint64_t index;             /* of the entry */
	struct mm_span certificate; /* DER */
	struct mm_list chain;       /* mm_bytes_item: DER, issuer first, the
				     * root left out */
	struct mm_span receipt;     /* a C2SP tlog-proof */
};
extern const struct mm_shape mm_certificate_answer_shape;

/*
 * Either profile and device, or serial, or basis: the newest certificate that
 * rests on that entry, of a principal or of a ceremony (a CSR stands in the
 * certificate's place).
 */
struct mm_show_request {
	struct mm_span profile, device, serial;
	uint64_t basis; /* 0: none; what rests on genesis is found by serial */
};
extern const struct mm_shape mm_show_request_shape;

struct mm_statement_request {
	struct mm_list statements; /* mm_bytes_item: COSE_Sign1, one payload */
	struct mm_span csr;        /* with a principal's statement */
	struct mm_span policy, text; /* with a policy's: the compiled document
				      * and what people wrote */
	struct mm_list certificates; /* mm_bytes_item: DER, of a ceremony's
				      * imports */
};
extern const struct mm_shape mm_statement_request_shape;

struct mm_statement_answer {
	uint64_t index;
	struct mm_span receipt;
	struct mm_span certificate; /* a principal's, where a CSR was given */
	struct mm_list chain;
	uint64_t missing; /* officers who have to sign yet; 0: in force */
};
extern const struct mm_shape mm_statement_answer_shape;

struct mm_upload_request {
	uint64_t size;
	uint8_t sha256[32];
};
extern const struct mm_shape mm_upload_request_shape;

struct mm_upload_answer {
	uint64_t upload; /* valid on this connection */
	/* Bytes that came on a connection that was lost: go on behind them. */
	uint64_t received;
};
extern const struct mm_shape mm_upload_answer_shape;

/* In order, without gaps. */
struct mm_chunk_request {
	uint64_t upload, offset;
	struct mm_span data;
};
extern const struct mm_shape mm_chunk_request_shape;

struct mm_chunk_answer {
	uint64_t received; /* bytes of the image so far */
};
extern const struct mm_shape mm_chunk_answer_shape;

/* An image is held against the rules of its product, and kept. */
struct mm_submit_request {
	uint64_t upload;
	struct mm_span product, version;
};
extern const struct mm_shape mm_submit_request_shape;

/* How far a release is. */
enum mm_release_state {
	MM_RELEASE_REFUSED = 1,  /* by a rule; the image is not kept */
	MM_RELEASE_KEPT = 2,     /* waits for the first approval, or for more */
	MM_RELEASE_APPROVED = 3, /* and not signed, or not to the end */
	MM_RELEASE_SIGNED = 4,
	MM_RELEASE_STATES = 5
};
const char *mm_release_state_name(uint64_t state); /* NULL: unknown */

enum mm_rule_verdict {
	MM_RULE_PASSED = 1,
	MM_RULE_FAILED = 2,
	MM_RULE_SILENT = 3 /* nothing is asked for, or all is signed already */
};
/* One rule and what it says of an image. */
struct mm_rule_row {
	struct mm_span name; /* "secure-version" */
	uint64_t verdict;    /* enum mm_rule_verdict */
	struct mm_span why;  /* what was found, and what was wanted */
};
struct mm_submit_answer {
	uint64_t state; /* enum mm_release_state */
	uint8_t sha256[32];
	uint64_t size;
	struct mm_span format;
	struct mm_list rules; /* mm_rule_row: all of them */
	/* mm_text_item: the product's signings in the policy in force, for who
	 * may not read the log: what a statement is made about. */
	struct mm_list schemes;
};
extern const struct mm_shape mm_rule_row_shape, mm_submit_answer_shape;

/* One signature of a release; it is made now, if it can be. */
struct mm_fetch_request {
	struct mm_span product, version;
	struct mm_span scheme; /* a signing of the product: signer/scheme.h */
};
struct mm_release_answer {
	uint64_t index;             /* of the image's entry */
	struct mm_span signature;   /* ECDSA: DER; RSA: big-endian */
	struct mm_span certificate; /* of the signing key, DER, if it has one */
	struct mm_list chain;
	struct mm_span receipt;
	uint8_t sha256[32];  /* of the image as submitted */
	struct mm_span key;  /* name of the signing key */
	struct mm_span spki; /* DER SubjectPublicKeyInfo of it */
};
extern const struct mm_shape mm_release_answer_shape;

/* Releases that were approved, by product and version; or one. */
struct mm_releases_request {
	struct mm_span product; /* empty: of all */
	struct mm_span version; /* empty: of all */
	uint64_t after;         /* entries of releases behind this index */
};
struct mm_release_signing {
	struct mm_span scheme;
	uint64_t index; /* of its image entry; 0: none yet */
	bool is_signed;
};
struct mm_release_row {
	uint64_t index; /* of the release's newest entry */
	struct mm_span product, version;
	uint64_t state, time, size;
	uint8_t sha256[32];
	bool kept;               /* the appliance has the image */
	uint64_t expiry;         /* of its statements */
	uint8_t payload[32];     /* SHA-256 of theirs: the release's id */
	struct mm_list signings; /* mm_release_signing */
	uint64_t resign; /* enum mm_resign of signer/scheme.h, of its product */
};
struct mm_releases_answer {
	struct mm_list releases; /* mm_release_row, ascending by index */
};
extern const struct mm_shape mm_releases_request_shape,
    mm_release_signing_shape, mm_release_row_shape, mm_releases_answer_shape;

/* A piece of a kept image; `done`: it was written down, and may be forgotten
 * where all of it is signed. */
struct mm_image_request {
	uint8_t sha256[32];
	uint64_t offset;
	bool done;
};
struct mm_image_answer {
	uint64_t size;
	struct mm_span data; /* empty with `done` */
};
extern const struct mm_shape mm_image_request_shape, mm_image_answer_shape;

/* A device's esp_secure_cert partition, as it is before it is signed. */
struct mm_partition_request {
	struct mm_span order, device;
	struct mm_span scheme; /* a signing of the order's profile */
	struct mm_span partition;
};
struct mm_partition_answer {
	uint64_t index;
	struct mm_span signature, receipt, key, spki;
};
extern const struct mm_shape mm_partition_request_shape,
    mm_partition_answer_shape;

extern const struct mm_shape mm_fetch_request_shape;

struct mm_entries_request {
	uint64_t from, count;
};
extern const struct mm_shape mm_entries_request_shape;

struct mm_entries_answer {
	uint64_t from;
	struct mm_list entries; /* mm_bytes_item; fewer than asked for where
				 * the frame ends */
};
extern const struct mm_shape mm_entries_answer_shape;

struct mm_prove_request {
	uint64_t index;
	bool cosigned; /* against the newest checkpoint that witnesses have
			* cosigned, not the newest of all */
	uint64_t size; /* against the checkpoint of this size, which was given
			* out before; 0: none; not together with `cosigned` */
};
extern const struct mm_shape mm_prove_request_shape;

struct mm_prove_answer {
	struct mm_span receipt; /* against that checkpoint */
};
extern const struct mm_shape mm_prove_answer_shape;

/* That the log only grew: what an auditor or a witness saw is a prefix. */
struct mm_consistency_request {
	uint64_t older; /* size that the asker knows; 0: nothing yet */
};
struct mm_consistency_answer {
	struct mm_span checkpoint; /* the newest published one */
	struct mm_list proof;      /* mm_hash_item: RFC 6962 section 2.1.2,
				    * from `older` to its size */
};
extern const struct mm_shape mm_consistency_request_shape,
    mm_consistency_answer_shape;

/* Brings witnesses' cosignatures home. */
struct mm_cosign_request {
	struct mm_span note; /* a checkpoint of ours with cosignature lines */
};
struct mm_cosign_answer {
	uint64_t size;      /* of the newest cosigned checkpoint now */
	uint64_t witnesses; /* different keys that have cosigned it */
};
extern const struct mm_shape mm_cosign_request_shape, mm_cosign_answer_shape;

/* Puts on record what an auditor took home. */
struct mm_export_request {
	uint64_t from, to;     /* entries, `to` not included */
	struct mm_span format; /* "csv" or "json" */
	struct mm_span filter; /* as the command has it; empty: none */
	uint8_t sha256[32];    /* of the file */
	uint64_t size;
};
struct mm_export_answer {
	uint64_t index;
	struct mm_span receipt;
};
extern const struct mm_shape mm_export_request_shape, mm_export_answer_shape;

/* Some of a blob that an entry names (log/entry.h). */
struct mm_blob_request {
	uint8_t sha256[32];
	uint64_t offset;
};
struct mm_blob_answer {
	uint64_t size;       /* of the whole blob */
	struct mm_span data; /* from `offset` on */
};
extern const struct mm_shape mm_blob_request_shape, mm_blob_answer_shape;

/* A new TLS certificate for the key and name that one has already. */
struct mm_renew_request {
	struct mm_span csr; /* of the registered key */
};
extern const struct mm_shape mm_renew_request_shape;

/* What waits for approvals. Rows ascend by payload; a list goes on after its
 * last one. */
struct mm_pending_request {
	struct mm_span payload; /* SHA-256: this one alone; empty: all */
	struct mm_span after;   /* SHA-256 */
};
struct mm_pending_row {
	uint8_t payload[32];   /* SHA-256 of the statements' payload */
	uint64_t kind;         /* enum mm_statement_kind */
	uint64_t index;        /* of the newest entry about it, which has all */
	uint64_t time, expiry; /* of the statement */
	struct mm_list officers; /* mm_text_item: who has signed */
	uint64_t missing;        /* officers who have to sign yet */
	struct mm_span subject;  /* order, principal, product and version... */
};
struct mm_pending_answer {
	struct mm_list rows; /* mm_pending_row */
};
extern const struct mm_shape mm_pending_request_shape, mm_pending_row_shape,
    mm_pending_answer_shape;

/* Orders, ascending by name, with what became of them. */
struct mm_orders_request {
	struct mm_span name;  /* this one alone; empty: all */
	struct mm_span after; /* name */
};
struct mm_order_state {
	struct mm_span name, profile;
	uint64_t revision;
	uint64_t index,
	    first; /* entries: of the terms in force, of the first */
	uint64_t units, reissue; /* allowed */
	uint64_t issued;         /* units used; in flight included */
	uint64_t reissued;       /* of the allowance */
	uint64_t refused;        /* requests */
	uint64_t revoked;        /* of its certificates, superseded included */
	uint64_t until;
	bool closed;
	uint64_t scrapped; /* certificates whose unit was reported as scrap */
};
struct mm_orders_answer {
	struct mm_list orders; /* mm_order_state */
};
extern const struct mm_shape mm_orders_request_shape, mm_order_state_shape,
    mm_orders_answer_shape;

/* Principals, ascending by name. */
struct mm_principals_request {
	struct mm_span name;  /* this one alone; empty: all */
	struct mm_span after; /* name */
};
struct mm_principal_state {
	struct mm_span name;
	uint64_t role;
	uint8_t key[32]; /* SHA-256 of the SPKI */
	uint64_t index;  /* of the entry that says so */
	bool disabled;
	uint64_t seen;  /* POSIX seconds of its last request; 0: never */
	uint64_t until; /* notAfter of its newest certificate; 0: none */
	uint64_t today; /* certificates that it got today */
	uint64_t daily, minute;  /* its limits; 0: none of its own */
	struct mm_list profiles; /* mm_text_item */
};
struct mm_principals_answer {
	struct mm_list principals; /* mm_principal_state */
};
extern const struct mm_shape mm_principals_request_shape,
    mm_principal_state_shape, mm_principals_answer_shape;

/* The newest CRL of a key. Its TBS is in the entry or is the blob which that
 * names. */
struct mm_crl_request {
	struct mm_span issuer; /* name of the key */
};
struct mm_crl_answer {
	uint64_t index;
	struct mm_span signature; /* DER ECDSA-Sig-Value */
	struct mm_span receipt;
};
extern const struct mm_shape mm_crl_request_shape, mm_crl_answer_shape;

/* A unit of an order that failed for good after its certificate was issued. The
 * first report of a certificate counts: every other one gets its entry. */
struct mm_scrap_request {
	struct mm_span order;
	struct mm_span serial; /* of the unit's certificate: content octets */
	struct mm_span reason;
};
struct mm_scrap_answer {
	uint64_t index;
	struct mm_span receipt;
};
extern const struct mm_shape mm_scrap_request_shape, mm_scrap_answer_shape;

/* What a type is called, what it carries, and which roles may ask for it. */
struct mm_message_type_row {
	uint64_t type;
	const char *name;
	const struct mm_shape *request, *answer;
	unsigned roles; /* bits 1 << enum mm_role */
};
/* NULL for an unknown type. */
const struct mm_message_type_row *mm_message_row(uint64_t type);

/* Appends the envelope around a body of `shape`. */
enum mm_error mm_envelope_encode(uint64_t type, const uint8_t id[MM_ID_SIZE],
    const struct mm_shape *shape, const void *body,
    struct mm_buffer *out) mm_must_use;

/* Appends an error's envelope, with mm_why(error) as its text. */
enum mm_error mm_envelope_error(enum mm_error error,
    const uint8_t id[MM_ID_SIZE], struct mm_buffer *out) mm_must_use;
/* The same with the seconds (at most a day; 0: none) after which it really
 * makes sense to ask again, where that is known better than in the table. */
enum mm_error
mm_envelope_error_after(enum mm_error error, const uint8_t id[MM_ID_SIZE],
    uint64_t seconds, struct mm_buffer *out) mm_must_use;

#endif
