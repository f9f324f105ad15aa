/*
 * Signatures between the files that bring them: authority_item.c has what is
 * to be signed, authority_packet.c makes requests of it, authority_signing.c
 * asks the token.
 */
#ifndef MM_SIGNING_PARTS_H
#define MM_SIGNING_PARTS_H

#include "server/authority.h"

/* It will never be signed, for this reason: says so, to whoever waits too. The
 * next batch has its `void`. */
void
mm_item_void(struct mm_authority *a, struct mm_item *item, enum mm_error error);
/* Whether it is of a former policy, and with no token that follows that. */
bool mm_item_passed_by(
    const struct mm_authority *a, const struct mm_item *item) mm_must_use;

/* The blob of a CRL that is asked for, or -1; it stays its CRL's. */
int mm_signing_blob(struct mm_authority *a, const struct mm_signing *signing);
/* Sends a request of `signings`; where no token follows the policies, its
 * waiters are told, and it stays for the next one. */
void mm_signing_ask(struct mm_authority *a, struct mm_signing *signing);
/* Out of the list, and freed. */
void mm_signing_free(struct mm_authority *a, struct mm_signing *signing);

#endif
