/*
 * Inside ca: a TBSCertificate taken apart into its elements, and what a plan
 * comes to before it is written or checked.
 */
#ifndef MM_TBS_H
#define MM_TBS_H

#include "ca/certificate.h"
#include "ca/der.h"

enum {
	MM_EXTENSIONS_MAX = 16,
	MM_TBS_MAX = 8192 /* bytes; ours have 300 to 800 */
};

/* The whole elements, headers included, in the order of RFC 5280 4.1. */
struct mm_tbs_parts {
	struct mm_span serial; /* the INTEGER's contents */
	struct mm_span algorithm, issuer, validity, subject, spki;
	struct mm_span extensions[MM_EXTENSIONS_MAX];
	size_t count;
};
enum mm_error
mm_tbs_split(struct mm_span tbs, struct mm_tbs_parts *out) mm_must_use;

/*
 * A plan with everything judged and reckoned that does not depend on how it
 * is written: profile sound, key allowed, issuer a CA, times within its.
 */
struct mm_form {
	const struct mm_certificate_plan *plan;
	bool self_signed;
	struct mm_span spki;
	struct mm_key key;
	struct mm_tbs issuer;           /* where not self-signed */
	uint64_t not_before, not_after; /* UINT64_MAX: 99991231235959Z */
	struct mm_arena arena;          /* the issuer's */
};
/* `spki` and `key`, which was read from it, are the certificate's. */
enum mm_error
mm_form_init(struct mm_form *form, const struct mm_certificate_plan *plan,
    struct mm_span spki, const struct mm_key *key) mm_must_use;
void mm_form_clear(struct mm_form *form);

/* The AuthorityKeyIdentifier: the issuer's, or its own. */
const uint8_t *mm_form_authority(const struct mm_form *form);

/* Whether the plan's own names stand in the subjectAltName, and they; the
 * profile's come after them. */
bool mm_form_is_server(const struct mm_form *form);
struct mm_list mm_form_names(const struct mm_form *form);

enum {
	MM_ALTERNATIVE_MAX = 1024 /* bytes of a name with its template filled */
};

/* RFC 1034 3.5: labels of letters, digits and inner hyphens. */
bool mm_is_dns_name(struct mm_span name);

/* A subjectAltName's bytes: `out` has an IP address's 4 or 16, else 0. */
size_t mm_ip_address(struct mm_span name, uint8_t out[16]);

/* ecdsa-with-SHA256 (RFC 5758 3.2), whole. */
extern const struct mm_span mm_ecdsa_sha256;

#endif
