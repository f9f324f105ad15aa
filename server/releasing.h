/*
 * Releases, inside the authority: images that are kept, the inspectors that
 * read them, and each release from its approval to signatures that hold.
 */
#ifndef MM_RELEASING_H
#define MM_RELEASING_H

#include "policy/rules.h"
#include "server/authority.h"

/* --- authority_images.c --- */
/*
 * Images lie in a directory of our own, each under its SHA-256. It is a cache
 * of what submitters have, and nothing in it is believed: whoever uses one
 * asks for its SHA-256 again.
 */
enum mm_error mm_images_open(struct mm_authority *a) mm_must_use;
void mm_images_close(struct mm_authority *a);
/* A new file for an image of `size` bytes, for an inspector to write to; the
 * descriptor is the caller's. MM_E_IMAGES_FULL. */
enum mm_error mm_images_new(struct mm_authority *a, uint64_t size,
    struct mm_copy *out, int *fd) mm_must_use;
/* Gives it its name, in the place of one that was there and is not being read.
 * MM_E_INSPECTOR where it is not as large as it should be. */
enum mm_error mm_images_keep(struct mm_authority *a, struct mm_copy *copy,
    const uint8_t sha256[32]) mm_must_use;
/* Away with it, if it has no name yet. */
void mm_images_drop(struct mm_authority *a, struct mm_copy *copy);
/* Whether there is one of this name, and of how many bytes. */
bool mm_images_has(
    const struct mm_authority *a, const uint8_t sha256[32], uint64_t *size);
/* Opens one for reading. MM_E_IMAGE_ABSENT. */
enum mm_error mm_images_find(const struct mm_authority *a,
    const uint8_t sha256[32], int *fd) mm_must_use;
/* Nothing, while it is being read. */
void mm_images_forget(struct mm_authority *a, const uint8_t sha256[32]);
/* Goes on with looking for what nobody needs any more. */
void mm_images_tick(struct mm_authority *a);
/* Pieces of one, for whoever may have it: message 21. */
void mm_image_decide(struct mm_authority *a, struct mm_job *job);

/* --- authority_inspect.c --- */
/*
 * A fresh inspector for one image. At most a few are at work at a time, the
 * others wait; `done` is called once, with the answer's body or an error,
 * unless mm_inspect_end() comes first. MM_E_BUSY.
 */
struct mm_inspecting {
	int image;                    /* taken, also where it fails */
	int copy;                     /* the same; -1: none */
	uint64_t call;                /* enum mm_inspector_call */
	const struct mm_shape *shape; /* of the request, which stays in place */
	const void *request;
	void (*done)(void *of, enum mm_error error, struct mm_span body);
	void *of;
};
enum mm_error mm_inspect_begin(struct mm_authority *a,
    const struct mm_inspecting *what, struct mm_inspection **out) mm_must_use;
/* What an image of the product is asked for. A copy in the arena: the policy
 * may be another one before an inspector's turn comes. */
enum mm_error mm_inspect_terms(const struct mm_product *product, uint64_t max,
    struct mm_arena *arena, struct mm_inspect_request *out) mm_must_use;
/* Nobody wants to know any more; NULL is fine. */
void mm_inspect_end(struct mm_inspection *inspection);
/* The answer to INSPECT as it came, kept in the arena. */
enum mm_error mm_inspect_read(struct mm_span body, struct mm_arena *arena,
    struct mm_inspect_answer *out) mm_must_use;
/*
 * INSPECT has answered a job, or failed: what was found goes to `take`, which
 * may refuse it, and the job to the decision; else it is refused.
 */
void mm_inspect_answered(struct mm_job *job, enum mm_error error,
    struct mm_span body, enum mm_error (*take)(const struct mm_job *job));

/* --- authority_rules.c --- */
/* The key that makes a signing: the one that it names, or the newest of its
 * scheme's algorithm that has a certificate. MM_E_KEY_ABSENT, MM_E_SCHEME. */
enum mm_error mm_rules_key(const struct mm_authority *a, struct mm_span signing,
    const struct mm_issuer **out) mm_must_use;
/* An image held against every rule of its product. */
struct mm_rules_question {
	const struct mm_product *product;
	struct mm_span version;
	const struct mm_image_facts *image; /* NULL: not read */
	uint64_t size;
	struct mm_list faults; /* mm_text_item, as product->schemes */
};
enum mm_error
mm_rules_ask(struct mm_authority *a, const struct mm_rules_question *question,
    struct mm_arena *arena, struct mm_list *rules, size_t *failed) mm_must_use;
/* MM_E_IMAGE_RULES with the first rule that failed, or MM_OK. */
enum mm_error mm_rules_verdict(const struct mm_list *rules) mm_must_use;

/* --- authority_release.c --- */
/* A release as its newest entry approves it; all lies in the arena. */
struct mm_approved {
	uint64_t index, time; /* of the entry */
	struct mm_statement_entry stated;
	struct mm_release_claim claim;
	uint64_t expiry;     /* of the statements */
	uint8_t payload[32]; /* SHA-256 of theirs */
};
/* MM_E_NOT_FOUND where there is none. */
enum mm_error mm_approved_find(struct mm_authority *a, struct mm_span product,
    struct mm_span version, struct mm_arena *arena,
    struct mm_approved *out) mm_must_use;
enum mm_error mm_approved_read(struct mm_authority *a, uint64_t index,
    struct mm_arena *arena, struct mm_approved *out) mm_must_use;
/* The same of an entry's bytes; `index` is not known. */
enum mm_error mm_approved_decode(struct mm_span entry, struct mm_arena *arena,
    struct mm_approved *out) mm_must_use;
/* Its statements that count under the policy in force: mm_bytes_item.
 * MM_E_RELEASE where too few do, MM_E_STATEMENT_TIME. */
enum mm_error
mm_approved_count(struct mm_authority *a, const struct mm_approved *approved,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* What a release's statements say of a signing; NULL: nothing. */
const struct mm_scheme_digest *mm_release_claimed(
    const struct mm_release_claim *claim, struct mm_span signing);
/* MM_E_RELEASE_EXISTS: a version that a former log has signed. */
enum mm_error mm_release_inherited(
    struct mm_span product, struct mm_span version) mm_must_use;

/* --- authority_making.c --- */
/* How far one signing of a release is. */
struct mm_made {
	bool entered, is_signed;
	uint64_t index; /* where it is entered */
	struct mm_span signature;
	struct mm_span key; /* name of the signing key */
};
enum mm_error mm_made_look(struct mm_authority *a, struct mm_span product,
    struct mm_span version, struct mm_span signing, struct mm_arena *arena,
    struct mm_made *out) mm_must_use;
/* enum mm_release_state of an approved release. */
enum mm_error
mm_release_state(struct mm_authority *a, const struct mm_approved *approved,
    struct mm_arena *arena, uint64_t *out) mm_must_use;
/* Has a release signed as far as it is not, and proven. Nobody waits. */
void mm_release_make(
    struct mm_authority *a, struct mm_span product, struct mm_span version);
/*
 * The same for a job, which is decided again when it is done, or told why
 * not: then `*parked`. MM_OK without: its signatures may be given out.
 */
enum mm_error mm_release_make_for(struct mm_authority *a, struct mm_job *job,
    struct mm_span product, struct mm_span version, bool *parked) mm_must_use;
/* Whether an inspector has this image, or is to have it. */
bool mm_release_reads(const struct mm_authority *a, const uint8_t sha256[32]);
/* Whether one waits for its image entries; adds those. */
bool mm_release_due(const struct mm_authority *a);
void mm_release_add(struct mm_authority *a);
/* An image's entry is signed or void now, and no item any more. */
void mm_release_settled(
    struct mm_authority *a, struct mm_span entry, enum mm_error voided);
/* Whoever waits for anything that the log or the token has to do is told why
 * that does not come. */
void mm_release_tell(struct mm_authority *a, enum mm_error error);
/* The same of who waits for this entry's signature. */
void mm_release_refused(
    struct mm_authority *a, struct mm_span entry, enum mm_error error);
/* A release's entry is stored: it is signed now. */
void mm_release_stored(struct mm_authority *a, struct mm_span entry);
/* The batch is not stored: what it had of releases is to be done again. */
void mm_release_again(struct mm_authority *a, enum mm_error error);
/* Another policy is in force: everything is looked at anew. */
void mm_release_anew(struct mm_authority *a);
/* No new work, and nobody waits any more. */
void mm_release_stop(struct mm_authority *a, enum mm_error error);
void mm_release_tick(struct mm_authority *a);
void mm_release_clear(struct mm_authority *a);

/* --- authority_fetch.c --- */
void mm_fetch_decide(struct mm_authority *a, struct mm_job *job);
void mm_releases_decide(struct mm_authority *a, struct mm_job *job);

/* --- authority_submit.c --- */
void mm_submit_arrived(struct mm_authority *a, struct mm_job *job, int fd);
void mm_submit_decide(struct mm_authority *a, struct mm_job *job);

#endif
