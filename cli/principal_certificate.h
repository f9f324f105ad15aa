/*
 * The TLS certificate of a principal, as the appliance answers it: nobody
 * puts one into an identity's directory before it is held against what
 * officers stated, and against the CA that the directory's owner knows.
 */
#ifndef MM_PRINCIPAL_CERTIFICATE_H
#define MM_PRINCIPAL_CERTIFICATE_H

#include "cli/certificate_answer.h"
#include "cli/principal_state.h"

/*
 * Asks for it. Its receipt verifies, it is for the name and the key of the
 * statement, and the access CA of the appliance's identity has signed it.
 * MM_E_NOT_FOUND where there is none (yet); MM_E_MISMATCH; the errors of
 * mm_certificate_answer_check().
 */
enum mm_error mm_principal_certificate(const struct mm_appliance *appliance,
    const struct mm_principal_terms *terms, struct mm_arena *arena,
    struct mm_certificate_answer *answer,
    struct mm_attested *attested) mm_must_use;

/* The last of these checks: by the access-ca.pem of an identity's directory.
 * MM_E_MISMATCH. */
enum mm_error mm_principal_issued(const char *identity,
    struct mm_span certificate, struct mm_arena *arena) mm_must_use;

#endif
