/*
 * Answers, inside the authority, and what is read from the archive for them.
 */
#ifndef MM_ANSWERING_H
#define MM_ANSWERING_H

#include "server/authority.h"

/* --- authority_read.c --- */
/* The same answer again: the entry is signed, or being signed. */
void mm_read_again(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued);
/* The answer about an entry that was signed before. */
void mm_read_issued(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued);
/* The same for an entry that is a statement's; MM_E_BUSY to the client
 * where it is not stored yet. */
void mm_read_stated(struct mm_authority *a, struct mm_job *job, uint64_t index);
/* Asks for the entry that is there already; the job is `done`'s then, or
 * was told that it cannot be asked. MM_E_BUSY, and the job stays the caller's,
 * where the batch with it is not stored yet. */
enum mm_error
mm_read_former(struct mm_authority *a, struct mm_job *job, uint64_t index,
    void (*done)(struct mm_authority *, struct mm_job *,
	struct mm_received *)) mm_must_use;
/* For a `done`: the entry is the answer once more, unless `compare` (NULL:
 * nothing to compare) says that it is of another request. */
void mm_answer_former(struct mm_authority *a, struct mm_job *job,
    struct mm_received *received,
    enum mm_error (*compare)(struct mm_job *, struct mm_span entry));

/* --- authority_reading.c --- */
/* Calls the archive; `done` gets the answer, and the job where it is not
 * NULL. */
enum mm_error mm_reading_begin(struct mm_authority *a, uint64_t type,
    const struct mm_shape *shape, const void *request, struct mm_job *job,
    void (*done)(struct mm_authority *, struct mm_job *,
	struct mm_received *)) mm_must_use;
/* The same for a job, which is told where it cannot be asked. */
void mm_reading_ask(struct mm_authority *a, struct mm_job *job, uint64_t type,
    const struct mm_shape *shape, const void *request,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *));
/* Asks for entry and receipt; mm_reading_receipt() reads the answer. */
void mm_reading_ask_receipt(struct mm_authority *a, struct mm_job *job,
    uint64_t index, uint64_t against,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *));
enum mm_error mm_reading_receipt(struct mm_job *job,
    struct mm_received *received, struct mm_archive_receipt_answer *answer,
    struct mm_proof *proof) mm_must_use;
void mm_reading_answered(struct mm_authority *a, struct mm_received *received);
void mm_reading_lost(struct mm_authority *a);
void mm_reading_tick(struct mm_authority *a);
/* At the end: frees what is left. */
void mm_reading_clear(struct mm_authority *a);

/* --- authority_answer.c --- */
/* Each sends the answer and frees the job. */
void mm_answer(struct mm_authority *a, struct mm_job *job,
    const struct mm_shape *shape, const void *body);
/* The same, with a descriptor for the gate (-1: none), which stays ours. */
void mm_answer_with(struct mm_authority *a, struct mm_job *job,
    const struct mm_shape *shape, const void *body, int fd);
void mm_answer_error(
    struct mm_authority *a, struct mm_job *job, enum mm_error error);
/* A refusal by a rule: logged too. */
void mm_answer_refusal(
    struct mm_authority *a, struct mm_job *job, enum mm_error error);
/* Certificate or image, with its receipt. */
void mm_answer_issued(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, uint64_t index, const struct mm_proof *proof,
    struct mm_span note, struct mm_span signature);
/* An entry that is itself what was asked for: a statement's, an export's, a
 * scrapped unit's. */
void mm_answer_stated(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, uint64_t index, const struct mm_proof *proof,
    struct mm_span note);

#endif
