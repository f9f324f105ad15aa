/*
 * The policy document: what may be signed, by whom, on whose word. People
 * write text (conf/policy.conf); the compiled deterministic CBOR is what
 * officers sign and what the log holds.
 */
#ifndef MM_DOCUMENT_H
#define MM_DOCUMENT_H

#include "ca/profile.h"
#include "protocol/statement.h"

enum {
	MM_POLICY_MAX = 32768,       /* bytes of the compiled document */
	MM_POLICY_TEXT_MAX = 1 << 20 /* of the text: a long one is a blob */
};

struct mm_officer {
	struct mm_span name;
	uint8_t key[32]; /* Ed25519 */
};

struct mm_product {
	struct mm_span name;
	struct mm_list schemes; /* mm_text_item: "sha256-ecdsa" */
	uint64_t size;          /* of an image at most; 0: the box's limit */
};

struct mm_threshold {
	uint64_t kind; /* enum mm_statement_kind */
	uint64_t officers;
};

struct mm_policy {
	uint64_t number;           /* 1, then always one more */
	struct mm_list names;      /* mm_text_item: the appliance's DNS names
				    * and IP addresses */
	struct mm_list profiles;   /* mm_profile, names ascending */
	struct mm_list products;   /* mm_product, names ascending */
	struct mm_list officers;   /* mm_officer, names ascending */
	struct mm_list thresholds; /* mm_threshold, one for every kind */
};
extern const struct mm_shape mm_policy_shape;

/* Decodes and checks that it is sound (names unique, thresholds reachable,
 * profiles' issuers and keys known): MM_E_POLICY. */
enum mm_error mm_policy_decode(struct mm_span document, struct mm_arena *arena,
    struct mm_policy *out) mm_must_use;

/* Where in the text it is written: section, its title, key; each may be
 * empty or NULL. */
struct mm_policy_place {
	const char *section;
	struct mm_span title;
	const char *key;
};
/* Whether a decoded one is sound: MM_E_POLICY, and then `place` is where. */
enum mm_error mm_policy_check(
    const struct mm_policy *policy, struct mm_policy_place *place) mm_must_use;

/* Compiles text; errors name `path` and the line. MM_E_POLICY. */
enum mm_error
mm_policy_compile(const char *path, struct mm_buffer *out) mm_must_use;

/* The same, and tells in `marks` which line says what (grammar.h); what is
 * in them lies in the arena. */
struct mm_grammar_marks;
enum mm_error mm_policy_compile_marked(const char *path, struct mm_arena *arena,
    struct mm_grammar_marks *marks, struct mm_buffer *out) mm_must_use;

const struct mm_profile *
mm_policy_profile(const struct mm_policy *policy, struct mm_span name);
const struct mm_product *
mm_policy_product(const struct mm_policy *policy, struct mm_span name);
/* SHA-256 of a compiled document. */
void mm_policy_digest(struct mm_span document, uint8_t out[32]);

#endif
