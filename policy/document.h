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

/* How versions are written, and which is the higher one. */
enum mm_versions {
	MM_VERSIONS_ANY = 0,     /* any text; they have no order */
	MM_VERSIONS_SEMVER = 1,  /* semver.org 2.0.0; a leading "v" is passed
				  * over */
	MM_VERSIONS_DOTTED = 2,  /* numbers with dots, and what git describe
				  * puts behind them: v1.2.3-14-gabcdef0 */
	MM_VERSIONS_NUMBER = 3,  /* one number */
	MM_VERSIONS_MCUBOOT = 4, /* 1.2.3+4: all four numbers count */
	MM_VERSIONS_WAYS = 5
};

/* Whose firmware may be signed, how, and what it must be (policy/rules.h). */
struct mm_product {
	struct mm_span name;
	struct mm_list schemes; /* mm_text_item: signings, all of which a
				 * release has (signer/scheme.h) */
	uint64_t size;          /* of an image at most; 0: the box's limit */
	struct mm_span format;  /* "esp-app"; empty: any */
	struct mm_span chip;    /* "esp32c3"; empty: any */
	struct mm_span project; /* empty: any */
	uint64_t versions;      /* enum mm_versions */
	uint64_t slot;          /* bytes that the signed image must fit into: of
				 * the smallest OTA slot; 0: none */
	uint64_t secure_version; /* no lower one; 0: any */
	bool dirty;              /* versions that end in -dirty are allowed */
	uint64_t certificate;    /* seconds that the signing key's certificate
				  * must last at least */
	uint64_t resign;         /* enum mm_resign of signer/scheme.h */
	bool
	    unread; /* images that nobody reads here: only their digests come */
	/* mm_text_item: signings by which the image must be signed already. */
	struct mm_list carries;
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

/* Compiles text; errors name `path` and the line. Files that it names (a
 * product's partition-table) are looked for from the text's directory.
 * MM_E_POLICY. */
enum mm_error
mm_policy_compile(const char *path, struct mm_buffer *out) mm_must_use;
/* The same, and they are looked for from `directory`: for a text that came
 * from elsewhere. */
enum mm_error mm_policy_compile_beside(
    const char *path, const char *directory, struct mm_buffer *out) mm_must_use;

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
