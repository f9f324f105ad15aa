/*
 * A witness: it cosigns a log's checkpoint when that extends the one that it
 * cosigned before, and never otherwise (C2SP tlog-witness, tlog-cosignature).
 * One directory holds all of it: `key` (Ed25519 seed), `vkey`, `logs` (a
 * verifier key a line), and a directory a log (hex SHA-256 of its origin) with
 * its newest checkpoint and the evidence against it. How a request comes in
 * and the answer goes out, by HTTP or on a stick, is for others.
 */
#ifndef MM_AUDIT_WITNESS_H
#define MM_AUDIT_WITNESS_H

#include "log/note.h"

enum { MM_COSIGN_REQUEST_MAX = 131072 };

/* add-checkpoint's answers, as HTTP numbers them. */
enum mm_witness_status {
	MM_WITNESS_OK = 200,        /* body: cosignature lines */
	MM_WITNESS_MALFORMED = 400, /* also: `old` above the new size */
	MM_WITNESS_NO_KEY = 403,    /* not signed by the log's key */
	MM_WITNESS_NO_LOG = 404,    /* an origin that is not followed */
	MM_WITNESS_CONFLICT = 409,  /* body: the size that we have */
	MM_WITNESS_WRONG = 422,     /* proof wrong, or a fork */
	MM_WITNESS_FAILED = 500     /* could not store: nothing was signed */
};

struct mm_cosigner;

/*
 * Makes the directory where there is none, and key and vkey in it: MM_E_EXISTS
 * where it has a key, MM_E_VKEY for a name that is none.
 */
enum mm_error
mm_cosigner_create(const char *directory, struct mm_span name) mm_must_use;
/*
 * Reads and verifies all of it. One process at a time: MM_E_LOCKED; MM_E_STATE
 * where a file is missing, damaged or not ours.
 */
enum mm_error
mm_cosigner_open(const char *directory, struct mm_cosigner **out) mm_must_use;
/* To look at it only, beside a process that works: it takes no lock and has
 * no key, and what it is asked to cosign fails. */
enum mm_error
mm_cosigner_view(const char *directory, struct mm_cosigner **out) mm_must_use;
void mm_cosigner_close(struct mm_cosigner *cosigner);
const struct mm_witness *
mm_cosigner_identity(const struct mm_cosigner *cosigner);

/* A log that is followed. */
struct mm_witnessed {
	struct mm_vkey vkey;
	struct mm_checkpoint newest; /* cosigned; size 0: the empty tree */
	uint64_t time;               /* of that cosignature; 0: there is none */
};
/* The logs by number, from 0; NULL past the last. */
const struct mm_witnessed *
mm_cosigner_log(const struct mm_cosigner *cosigner, size_t number);
/* Follows one more log; MM_E_EXISTS where it does already. */
enum mm_error mm_cosigner_follow(
    struct mm_cosigner *cosigner, const struct mm_vkey *vkey) mm_must_use;

/*
 * One request: `old SIZE`, proof lines, an empty line, the checkpoint. What it
 * cosigns is durable before the lines are in `answer`. `now`: the clock's
 * POSIX seconds; before the last cosignature's it is 500. On a fork both notes
 * are kept as evidence in the log's directory, whatever the status. Appends
 * the answer's body, for errors one line that says why.
 */
enum mm_witness_status mm_cosigner_add(struct mm_cosigner *cosigner,
    struct mm_span request, uint64_t now, struct mm_buffer *answer);

/* The newest checkpoint with our line, by the hex SHA-256 of its origin;
 * MM_E_NOT_FOUND. */
enum mm_error mm_cosigner_checkpoint(struct mm_cosigner *cosigner,
    struct mm_span origin_hex, struct mm_buffer *out) mm_must_use;

/* A request's parts; the note lies in the request. */
struct mm_witness_request {
	uint64_t older;
	struct mm_proof proof;
	struct mm_span note;
};
/* Strictly; the note itself is not looked at. MM_E_FORMAT. */
enum mm_error mm_cosign_request_read(
    struct mm_span request, struct mm_witness_request *out) mm_must_use;
/* The other side: what a collector sends. */
enum mm_error
mm_cosign_request_write(uint64_t older, const struct mm_proof *proof,
    struct mm_span note, struct mm_buffer *out) mm_must_use;

#endif
