/*
 * The CRLs of the authority between the files that make them: authority_crl.c
 * knows when one is wanted, authority_crl_make.c makes it.
 */
#ifndef MM_CRL_PARTS_H
#define MM_CRL_PARTS_H

#include "server/authority.h"

/* What is to be done for one key. */
struct mm_crl_duty {
	char issuer[MM_NAME_MAX + 1];
	bool due;
	ev_tstamp again;        /* not before, after a failure */
	unsigned pause;         /* seconds that it was, the last time */
	struct mm_jobs waiters; /* who asked when there was none */
};

enum mm_crl_stage {
	MM_CRL_IDLE,
	MM_CRL_STORING, /* its blob is on its way to the notary */
	MM_CRL_READY,   /* the next batch may have it */
	MM_CRL_ADDED    /* its item lives, or has ended */
};

struct mm_crls {
	struct mm_crl_duty duties[MM_ISSUERS_MAX];
	size_t count;
	/* The one that is being made. */
	enum mm_crl_stage stage;
	struct mm_crl_duty *duty;
	struct mm_crl_entry entry; /* its spans are set when it is added */
	struct mm_buffer tbs;
	struct mm_blob blob; /* size 0: the TBS stands in the entry */
	int fd;              /* the blob, sealed, for the token; or -1 */
	uint64_t index;      /* MM_CRL_ADDED: of the entry */
};

/* The profile by which a key signs CRLs, or NULL. */
const struct mm_profile *
mm_crl_profile(const struct mm_authority *a, const struct mm_issuer *issuer);
/* The first key that wants one and may have it by now, or NULL. */
struct mm_crl_duty *mm_crl_first_due(const struct mm_authority *a);
/* The one being made will not be; later another is. */
void mm_crl_give_up(struct mm_authority *a, enum mm_error error);

#endif
