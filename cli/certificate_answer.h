/*
 * A certificate as the appliance answers it: held against its receipt and
 * against what was asked for before a file is written.
 */
#ifndef MM_CERTIFICATE_ANSWER_H
#define MM_CERTIFICATE_ANSWER_H

#include "cli/attested.h"
#include "cli/command.h"

/* What was asked for; empty members were not. */
struct mm_certificate_wanted {
	struct mm_span profile, device, serial;
	struct mm_span spki; /* DER */
	/* Where one answer comes after the other; or NULL. */
	struct mm_receipt_memory *memory;
};

/*
 * The receipt verifies by the log's key and speaks of just this certificate;
 * profile, device, key and serial are the ones wanted; the key that its TBS
 * names has signed it, and each certificate of the chain the one before it.
 * MM_E_MISMATCH, MM_E_CERTIFICATE, the errors of a receipt.
 */
enum mm_error
mm_certificate_answer_check(const struct mm_certificate_answer *answer,
    const struct mm_certificate_wanted *wanted, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out) mm_must_use;

/* Whether PREFIX.crt, PREFIX.chain.pem and PREFIX.receipt may be written. */
enum mm_error mm_certificate_files_check(
    const struct mm_invocation *invocation, const char *prefix) mm_must_use;

/* Writes them (not where prefix is NULL) and prints what is in them. */
enum mm_error mm_certificate_report(const struct mm_invocation *invocation,
    const char *prefix, const struct mm_certificate_answer *answer,
    const struct mm_attested *attested) mm_must_use;

/* The keys of what it prints. */
#define MM_CERTIFICATE_RESULTS \
	MM_ATTESTED_RESULTS "\n" MM_ATTESTED_CERTIFICATE_RESULTS \
			    "\ncertificate, chain, receipt (paths)"

#endif
