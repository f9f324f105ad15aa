/*
 * What officers say of an image, computed here from its bytes: never taken
 * from the appliance.
 */
#ifndef MM_RELEASE_TERMS_H
#define MM_RELEASE_TERMS_H

#include "protocol/statement.h"

/* `digest` is the claim's one scheme and must live as long. MM_E_SCHEME, and
 * the errors of reading the image. */
enum mm_error mm_release_terms(struct mm_span image, struct mm_span product,
    struct mm_span version, struct mm_span scheme,
    struct mm_scheme_digest *digest, struct mm_release_claim *out) mm_must_use;

#endif
