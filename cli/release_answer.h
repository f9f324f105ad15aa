/*
 * A firmware signature as the appliance answers it: held against its
 * receipt, the image and the code-signing certificate before a file is
 * written.
 */
#ifndef MM_RELEASE_ANSWER_H
#define MM_RELEASE_ANSWER_H

#include "cli/attested.h"
#include "cli/command.h"

#define MM_SCHEME_DEFAULT "sha256-ecdsa"

/* What was asked for. */
struct mm_release_wanted {
	struct mm_span product, version, scheme;
	struct mm_span image; /* empty: it is not here */
};

/*
 * The receipt verifies by the log's key and speaks of this release and
 * image; the certificate is for code signing, its key made the signature,
 * and each certificate of the chain signs the one before it. MM_E_MISMATCH,
 * MM_E_CERTIFICATE, the errors of a receipt.
 */
enum mm_error mm_release_answer_check(const struct mm_release_answer *answer,
    const struct mm_release_wanted *wanted, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out) mm_must_use;

/* Whether PREFIX.sig, .crt, .chain.pem and .receipt may be written. */
enum mm_error mm_release_files_check(
    const struct mm_invocation *invocation, const char *prefix) mm_must_use;

/* Writes them and prints what is in them. */
enum mm_error mm_release_report(const struct mm_invocation *invocation,
    const char *prefix, const struct mm_release_answer *answer,
    const struct mm_attested *attested) mm_must_use;

/* The keys of what it prints. */
#define MM_RELEASE_RESULTS \
	MM_ATTESTED_RESULTS "\n" MM_ATTESTED_IMAGE_RESULTS \
			    "\nsignature, certificate, chain, receipt (paths)"

#endif
