/*
 * A certificate against the standard that it claims to keep. This is another
 * reader than the one that built it (build.c, check.c): it starts from the
 * DER, knows no profile, and names the clause that is broken.
 */
#ifndef MM_LINT_H
#define MM_LINT_H

#include "ca/certificate.h"

/* What was found, the first of it. */
struct mm_lint {
	const char *clause; /* "RFC 5280 4.1.2.2"; static */
	char what[200];     /* "the serial has 21 octets, 20 are the most" */
};

/*
 * Checks a final DER certificate, signature field included: RFC 5280 always,
 * then `standard` (enum mm_standard of ca/profile.h). `issuer` is the issuer's
 * DER certificate or TBS; empty where it is not at hand: then what rests on it
 * is not checked. MM_E_STANDARD, with clause and finding in mm_why(); `out`,
 * where not NULL, has them apart.
 */
enum mm_error mm_lint_certificate(struct mm_span certificate, uint64_t standard,
    struct mm_span issuer, struct mm_lint *out) mm_must_use;

/* The same for a TBSCertificate, before it is signed. */
enum mm_error mm_lint_tbs(struct mm_span tbs, uint64_t standard,
    struct mm_span issuer, struct mm_lint *out) mm_must_use;

#endif
