/*
 * A release that is being signed, between the files that do it:
 * authority_making.c has who waits for it, authority_steps.c goes from step to
 * step, authority_entering.c makes the image entries.
 */
#ifndef MM_MAKING_PARTS_H
#define MM_MAKING_PARTS_H

#include "server/releasing.h"

enum { MM_RELEASING_ARENA = 1 << 19 };

/* Where a release stands. What it needs next is looked up each time in the
 * index, which a crash or another policy may have changed. */
enum mm_releasing_state {
	MM_RELEASING_READ,   /* its image is being read again */
	MM_RELEASING_ENTER,  /* image entries are to be added */
	MM_RELEASING_SIGN,   /* the token has what is to be signed */
	MM_RELEASING_PROVE,  /* what it signed is being proven */
	MM_RELEASING_PROVEN, /* its signatures may be given out */
	MM_RELEASING_WRONG   /* and these never */
};

struct mm_releasing {
	struct mm_releasing *next;
	struct mm_authority *a;
	char product[MM_NAME_MAX + 1], version[MM_NAME_MAX + 1];
	enum mm_releasing_state state;
	uint8_t sha256[32];    /* of the image that was read */
	bool read;             /* `inspected` is what it says */
	struct mm_arena arena; /* of what follows */
	struct mm_inspection *inspection;
	uint8_t inspects[32]; /* SHA-256 of the image that it has */
	struct mm_inspect_request inspect;
	struct mm_inspect_answer inspected;
	struct mm_prove_image prove;
	enum mm_error error; /* MM_RELEASING_WRONG: */
	char why[512];
	struct mm_jobs waiters;
};

/* --- authority_making.c --- */
/* Whoever waits is told, or decided again. */
void mm_releasing_tell(struct mm_releasing *r, enum mm_error error);
void mm_releasing_ask_again(struct mm_releasing *r);
/* The same, and it is forgotten: the next who asks begins anew. */
void mm_releasing_give_up(struct mm_releasing *r, enum mm_error error);

/* --- authority_steps.c --- */
/* Goes on from where the index says that it stands; where this fails nothing
 * has become of it. */
enum mm_error mm_releasing_step(struct mm_releasing *r) mm_must_use;

/* --- authority_entering.c --- */
/* Adds the entries of one release, in the batch. MM_E_BUSY: in the next. */
enum mm_error
mm_releasing_enter(struct mm_releasing *r, struct mm_arena *arena) mm_must_use;

#endif
