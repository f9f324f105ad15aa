/*
 * The keys of the mint as the authority issues by them: their certificates,
 * and the chains above.
 */
#ifndef MM_ISSUERS_H
#define MM_ISSUERS_H

#include "server/authority.h"

/* Reads all keys and their certificates anew from the index. */
enum mm_error mm_issuers_load(struct mm_authority *a) mm_must_use;
/* A key that has a certificate, retired or not; NULL where there is none. */
const struct mm_issuer *
mm_issuer_find(const struct mm_authority *a, struct mm_span name);
/* A key, with or without a certificate. */
const struct mm_issuer *
mm_issuer_key(const struct mm_authority *a, struct mm_span name);
void mm_issuers_clear(struct mm_authority *a);
struct mm_certificate_plan;
/* A TBS as planned (ca/certificate.h), with a serial of its own, and checked
 * against the profile's standard. */
enum mm_error mm_issuer_tbs(
    const struct mm_certificate_plan *plan, struct mm_buffer *tbs) mm_must_use;
/* The policy's profile for a purpose, or NULL. */
const struct mm_profile *
mm_profile_for(const struct mm_policy *policy, enum mm_purpose purpose);
/* The certificates between `name` (included) and the root (left out), as far
 * as they are our own or imported: mm_bytes_item in the arena. */
enum mm_error
mm_issuers_chain(const struct mm_authority *a, struct mm_span name,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

#endif
