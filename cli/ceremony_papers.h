/*
 * The papers of a ceremony, two kinds of file that go from computer to
 * computer, one CBOR item each. The payloads are what everybody signs, with
 * all that is needed to understand them; the statements are what one officer
 * signed. What a succession takes over lies beside the payloads, a file a
 * blob, in PAYLOADS.blobs/, named by its SHA-256.
 */
#ifndef MM_CEREMONY_PAPERS_H
#define MM_CEREMONY_PAPERS_H

#include "cli/command.h"
#include "policy/document.h"

/* One payload, and the key that comes along with a principal's. */
struct mm_ceremony_payload {
	struct mm_span payload;
	struct mm_span spki; /* DER; empty: the ceremony's own */
};

struct mm_ceremony_payloads {
	struct mm_span form;
	struct mm_span origin;
	struct mm_span policy, text; /* compiled, and as written */
	/* mm_ceremony_payload: the ceremony's, then the principals'. */
	struct mm_list payloads;
};

/* COSE_Sign1, in the order of the payloads, by one officer. */
struct mm_ceremony_statements {
	struct mm_span form;
	struct mm_list statements; /* mm_bytes_item */
};

enum {
	MM_PAYLOADS_MAX = 8 << 20, /* bytes of either file */
	MM_CEREMONY_PAYLOADS = 257 /* the ceremony and its principals */
};

/* One payload, opened. */
struct mm_ceremony_said {
	struct mm_claim claim;
	union {
		struct mm_ceremony_claim ceremony;
		struct mm_principal_claim principal;
	} body;
	struct mm_span payload, spki;
};

/* All of the payloads' file, checked as a whole: kinds, log, policy, keys. */
struct mm_ceremony_papers {
	struct mm_ceremony_payloads file;
	struct mm_policy policy;
	struct mm_ceremony_said *said; /* file.payloads.count of them */
};

/* MM_E_FORMAT where it is none; MM_E_STATEMENT_DIFFERS where its parts do not
 * fit together. All that is in `out` lies in the arena. */
enum mm_error mm_ceremony_papers_read(const char *path, struct mm_arena *arena,
    struct mm_ceremony_papers *out) mm_must_use;
enum mm_error mm_ceremony_papers_write(const struct mm_invocation *invocation,
    const char *path, struct mm_ceremony_payloads *file) mm_must_use;

enum mm_error mm_ceremony_statements_read(const char *path,
    struct mm_arena *arena, struct mm_ceremony_statements *out) mm_must_use;
enum mm_error
mm_ceremony_statements_write(const struct mm_invocation *invocation,
    const char *path, struct mm_ceremony_statements *file) mm_must_use;

/* A blob, PATH.blobs/HEX, whose size and hash are checked: MM_E_BLOB. */
enum mm_error mm_ceremony_blob_read(const char *path,
    const struct mm_inherited_blob *blob, struct mm_buffer *out) mm_must_use;
/* Makes the directory beside `path` where there is none, and writes one. */
enum mm_error mm_ceremony_blob_write(const char *path, const uint8_t sha256[32],
    struct mm_span bytes) mm_must_use;

/* On stderr, for people: all that the payloads say. */
enum mm_error
mm_ceremony_papers_tell(const struct mm_ceremony_papers *papers) mm_must_use;

#endif
