/*
 * The birth of a log between the files that do it: authority_genesis.c reads
 * the genesis file and strikes the first entry, authority_strike.c all others.
 */
#ifndef MM_GENESIS_PARTS_H
#define MM_GENESIS_PARTS_H

#include "protocol/genesis.h"
#include "server/authority.h"

enum { MM_STRUCK_MAX = 16 };

/* A CA or the code signer, once its certificate is logged. */
struct mm_struck {
	struct mm_span name, issuer, spki, tbs;
	uint64_t index;
};

struct mm_birth {
	const struct mm_configure *configure;
	int control, notary, token, archive;
	int blobs[MM_GENESIS_BLOBS]; /* files beside the genesis file */
	size_t blob_count;
	struct mm_arena arena;
	struct mm_genesis_file file;
	struct mm_policy policy;
	struct mm_ceremony_claim ceremony;
	struct mm_index *index;
	uint8_t policy_digest[32];
	struct mm_list keys; /* mm_genesis_key */
	struct mm_struck struck[MM_STRUCK_MAX];
	size_t struck_count;
	struct mm_signature signature; /* of the last entry, not stored yet */
	struct mm_span note;
	uint64_t size;
	uint64_t now; /* one time for all of it */
};

/* A call whose answer stays as long as the birth does. */
enum mm_error mm_birth_call(struct mm_birth *g, int fd, uint64_t type,
    const struct mm_shape *request_shape, const void *request,
    const struct mm_shape *answer_shape, void *answer) mm_must_use;
/* Stores one entry, and with it the signature of the one before; `entry`: a
 * copy of it, or NULL. */
enum mm_error mm_birth_append(struct mm_birth *g, uint64_t kind,
    const void *body, const struct mm_uint_item *references, size_t count,
    struct mm_span *entry, struct mm_notary_append_answer *answer) mm_must_use;
struct mm_proven
mm_birth_proven(const struct mm_inclusion *inclusion, struct mm_span entry);

/* Each logs one thing of the genesis file, and has it signed. */
enum mm_error mm_strike_authority(struct mm_birth *g,
    const struct mm_ceremony_certificate *wanted) mm_must_use;
enum mm_error mm_strike_request(
    struct mm_birth *g, const struct mm_ceremony_request *wanted) mm_must_use;
enum mm_error mm_strike_principal(
    struct mm_birth *g, const struct mm_genesis_principal *wanted) mm_must_use;
enum mm_error mm_strike_order(
    struct mm_birth *g, const struct mm_genesis_order *wanted) mm_must_use;
enum mm_error mm_strike_inheritance(struct mm_birth *g) mm_must_use;

#endif
