/*
 * Inside ca: a certificate as the linter reads it, and how its rules are
 * written down, a table of clauses and functions for each standard.
 */
#ifndef MM_LINT_PARTS_H
#define MM_LINT_PARTS_H

#include "ca/der.h"
#include "ca/lint.h"

enum {
	MM_LINT_ATTRIBUTES = 24,
	MM_LINT_EXTENSIONS = 24,
	MM_LINT_PURPOSES = 16,
	MM_LINT_NAMES = 32
};

/* A subject's key; its bits are its curve's or its modulus's. */
enum mm_lint_key {
	MM_LINT_KEY_OTHER = 0,
	MM_LINT_KEY_P256 = 1 << 0,
	MM_LINT_KEY_P384 = 1 << 1,
	MM_LINT_KEY_P521 = 1 << 2,
	MM_LINT_KEY_RSA = 1 << 3,
	MM_LINT_KEY_ED25519 = 1 << 4
};

/* OIDs are content octets everywhere here. */
struct mm_lint_attribute {
	struct mm_span oid, text;
	unsigned tag;
};
struct mm_lint_name {
	struct mm_span der;
	struct mm_lint_attribute parts[MM_LINT_ATTRIBUTES];
	size_t count;
};
struct mm_lint_extension {
	struct mm_span oid, value;
	bool critical;
};
struct mm_lint_general_name {
	unsigned tag;
	struct mm_span value; /* contents */
};

/* All spans lie in the bytes that were read. */
struct mm_lint_view {
	struct mm_span tbs;
	size_t size; /* of the certificate; of one that is not signed yet: with
		      * the longest P-256 signature */
	unsigned version; /* 0 is version 1 */
	struct mm_span serial, algorithm;
	bool is_signed;
	struct mm_span outer, signature; /* where it is signed */
	struct mm_lint_name issuer, subject;
	bool unique_ids;
	uint64_t not_before, not_after;
	struct mm_span spki;
	unsigned key, bits; /* enum mm_lint_key */
	bool parameters;    /* the key's algorithm has those it should have */

	struct mm_lint_extension extensions[MM_LINT_EXTENSIONS];
	size_t count;
	/* Those that are known, NULL where they are not there. */
	const struct mm_lint_extension *constraints, *usage, *extended, *names,
	    *subject_key, *authority_key;
	bool ca, path;
	uint64_t path_length;
	uint64_t key_usage; /* 1 << bit of RFC 5280 4.2.1.3 */
	struct mm_span purposes[MM_LINT_PURPOSES];
	size_t purpose_count;
	struct mm_lint_general_name general[MM_LINT_NAMES];
	size_t general_count;
	struct mm_span ski, aki;
};

/* Bits of key_usage that profile.h has no name for. */
enum { MM_LINT_KEY_ENCIPHERMENT = 1 << 2 };

/* What a rule looks at, and what it found. */
struct mm_lint_case {
	struct mm_lint_view own, issuer;
	bool has_issuer;
	struct mm_lint found;
};

/* Whether the clause is kept; else it has said what is wrong. */
struct mm_lint_rule {
	const char *clause;
	bool (*kept)(struct mm_lint_case *c);
};
struct mm_lint_rules {
	const struct mm_lint_rule *rules;
	size_t count;
};
extern const struct mm_lint_rules mm_lint_rfc5280, mm_lint_chain, mm_lint_aws,
    mm_lint_idevid, mm_lint_dac, mm_lint_pai, mm_lint_paa, mm_lint_tls_client,
    mm_lint_tls_server, mm_lint_code_signing, mm_lint_ca;

/* Says what is wrong; false, for the rule to return. */
bool mm_lint_find(struct mm_lint_case *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Reads a certificate (`is_signed`) or a TBS. The clause that it breaks where
 * it cannot be read, with `*what`; else NULL.
 */
const char *mm_lint_read(struct mm_span der, bool is_signed,
    struct mm_lint_view *out, const char **what);
/* The same for either, by what it looks like. */
const char *mm_lint_read_any(
    struct mm_span der, struct mm_lint_view *out, const char **what);

/* Inside of that, the subjectPublicKeyInfo: false where it is malformed. */
bool mm_lint_read_key(struct mm_der *tbs, struct mm_lint_view *out);

/* Whether an OID has these content octets, a string literal. */
#define MM_LINT_IS(oid, octets) \
	mm_span_equal(oid, mm_span(octets, sizeof(octets) - 1))

#define MM_LINT_CN "\x55\x04\x03"
#define MM_LINT_SERIAL_NUMBER "\x55\x04\x05"
#define MM_LINT_SERVER_AUTH "\x2b\x06\x01\x05\x05\x07\x03\x01"
#define MM_LINT_CLIENT_AUTH "\x2b\x06\x01\x05\x05\x07\x03\x02"
#define MM_LINT_CODE_AUTH "\x2b\x06\x01\x05\x05\x07\x03\x03"

/* The attributes of an OID: how many, and the first of them. */
size_t mm_lint_attributes(const struct mm_lint_name *name, struct mm_span oid,
    const struct mm_lint_attribute **first);
#define MM_LINT_ATTRIBUTES_OF(name, octets, first) \
	mm_lint_attributes(name, mm_span(octets, sizeof(octets) - 1), first)

/* Whether an extendedKeyUsage has the purpose. */
bool mm_lint_has_(const struct mm_lint_view *view, struct mm_span purpose);
#define MM_LINT_HAS(view, octets) \
	mm_lint_has_(view, mm_span(octets, sizeof(octets) - 1))

/* Of RFC 5280's, those of lint_names.c: A.1 and 4.2.1.6. */
bool mm_lint_subject_strings(struct mm_lint_case *c);
bool mm_lint_alternative_names(struct mm_lint_case *c);
/* The rules that more than one standard has. */
bool mm_lint_is_leaf(struct mm_lint_case *c);
bool mm_lint_is_ca(struct mm_lint_case *c);
bool mm_lint_has_authority_key(struct mm_lint_case *c);
bool mm_lint_may_sign_tls(struct mm_lint_case *c);
/* keyUsage there, critical, all of `must` and none but `may`. */
bool mm_lint_usage(struct mm_lint_case *c, uint64_t must, uint64_t may);

#endif
