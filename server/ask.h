/*
 * What gates and the authority say to each other. The gate has decoded the
 * request, checked its shape and, where it brings a CSR, the CSR's own
 * signature; what the authority gets of a CSR is its public key, or why it
 * was refused.
 */
#ifndef MM_ASK_H
#define MM_ASK_H

#include "protocol/channel.h"
#include "protocol/message.h"

enum mm_ask_type {
	MM_ASK = 1,         /* gate to authority: a request */
	MM_TELL = 2,        /* authority to gate: its answer */
	MM_CERTIFICATE = 3, /* authority to gate: present this to clients */
	MM_PARK = 4         /* gate to authority: what came of an upload whose
			     * connection is lost, with its memfd */
};

/* A submission comes with the sealed memfd of its image, a partition too. */
struct mm_ask {
	uint64_t connection; /* the gate's number for it, never used twice */
	uint8_t client[32];  /* SHA-256 of the TLS client's SPKI */
	uint64_t type;       /* enum mm_message_type */
	uint8_t id[MM_ID_SIZE];
	struct mm_span body; /* of the message's request shape, but see below */
	uint8_t announced[32]; /* a submission: its upload's SHA-256; else
				* zero */
	/* Of the TLS client's certificate, which may be revoked while the
	 * connection lasts: content octets. */
	struct mm_span serial;
};
/*
 * In the place of mm_issue_request. A CSR that is not good is asked about
 * too, so that its refusal is logged:
 */
struct mm_issue_ask {
	struct mm_span order, profile, device;
	struct mm_span spki; /* empty where the CSR is refused */
	uint64_t refused;    /* MM_E_CSR to MM_E_KEY_WEAK, or 0 */
	struct mm_span why;
	bool reissue;
};
/* In the place of mm_statement_request: */
struct mm_statement_ask {
	struct mm_list statements; /* mm_bytes_item */
	struct mm_span spki;       /* empty: no CSR, or it is refused */
	uint64_t refused;
	struct mm_span why;
	struct mm_span policy, text; /* as they came */
	struct mm_list certificates; /* mm_bytes_item: as they came */
};
/* In the place of mm_renew_request: */
struct mm_renew_ask {
	struct mm_span spki; /* empty where the CSR is refused */
	uint64_t refused;
	struct mm_span why;
};
/* In the place of mm_partition_request, whose partition is in the memfd alone:
 * a private key may lie in it. */
struct mm_partition_ask {
	struct mm_span order, device, scheme;
};
/*
 * In the place of mm_upload_request: the request as it is. The authority
 * answers with mm_upload_answer (upload 0) where the client may upload that
 * much; the gate then makes the memfd and fills the number in. Where a part of
 * it was parked, `received` says how much, and its memfd comes along. Chunks
 * stay in the gate.
 */
struct mm_park {
	uint8_t client[32]; /* whose it is, as in an ask */
	uint8_t sha256[32]; /* as announced */
	uint64_t size;      /* as announced */
	uint64_t received;  /* bytes in the memfd */
};
struct mm_tell {
	uint64_t connection;
	struct mm_span envelope; /* item: mm_envelope, goes out as it is */
};
struct mm_server_certificate {
	struct mm_list chain;  /* mm_bytes_item: DER, the server's first */
	struct mm_span anchor; /* DER: the access CA that clients are from */
};
/* What a CSR's reader found is for an ask to tell, not a fault of ours. */
bool mm_ask_refuses(enum mm_error error);
/* MM_OK, or the refusal that came along, with its particulars. */
enum mm_error mm_ask_refused(uint64_t refused, struct mm_span why) mm_must_use;
extern const struct mm_shape mm_ask_shape, mm_issue_ask_shape,
    mm_statement_ask_shape, mm_renew_ask_shape, mm_partition_ask_shape,
    mm_park_shape, mm_tell_shape, mm_server_certificate_shape;

#endif
