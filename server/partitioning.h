/*
 * Partitions of devices, inside the authority: authority_partition.c decides,
 * authority_partition_prove.c answers.
 */
#ifndef MM_PARTITIONING_H
#define MM_PARTITIONING_H

#include "server/authority.h"

/*
 * A request's partition, which may have a private key in it: it is in the memfd
 * alone, and gone with it. What the inspector has said of it is in the job.
 */
struct mm_partitioning {
	int image;                   /* sealed */
	struct mm_partition_ask ask; /* in the job's arena, as all spans */
	struct mm_text_item signing; /* for the inspector */
	/* The device's certificate, read from the log. */
	bool read;
	uint64_t certificate; /* its entry */
	uint8_t sha256[32];   /* of its DER */
	/* What is answered, once it is proven. */
	struct mm_prove_signature signature;
	struct mm_prove_image prove;
	struct mm_partition_answer answer;
};

/* A request with its memfd, which stays the caller's. */
void mm_partition_arrived(struct mm_authority *a, struct mm_job *job, int fd);
void mm_partition_decide(struct mm_authority *a, struct mm_job *job);
/* NULL is fine. */
void mm_partitioning_free(struct mm_partitioning *partitioning);

/* A fresh inspector for the job's partition: `done` is told about the job,
 * which is parked until then. */
enum mm_error mm_partition_inspect(struct mm_authority *a, struct mm_job *job,
    uint64_t call, const struct mm_shape *shape, const void *request,
    void (*done)(
	void *of, enum mm_error error, struct mm_span body)) mm_must_use;
/* The signature is stored: it is attached and verified as a device would, and
 * answered then. MM_OK: the job is parked. */
enum mm_error mm_partition_prove(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, const struct mm_partition_answer *answer) mm_must_use;

/* Whether an entry of a former life may still be signed. */
enum mm_error mm_partition_again(struct mm_authority *a, struct mm_item *item,
    struct mm_arena *arena) mm_must_use;

#endif
