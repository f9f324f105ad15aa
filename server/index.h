/*
 * The authority's index: what the log's entries add up to, in tables that
 * answer a decision's questions at once. It is the fold of the log and
 * nothing else: mm_index_apply() takes one entry after the other, live and
 * when catching up, so that a deleted index comes back the same.
 */
#ifndef MM_INDEX_H
#define MM_INDEX_H

#include "log/entry.h"
#include "policy/decide.h"

struct mm_index;

/*
 * Opens or makes `directory`/index.db; `rebuild` begins with nothing, and so
 * does a file that is damaged, of another version or no index: the log has
 * all that was in it.
 */
enum mm_error mm_index_open(
    const char *directory, bool rebuild, struct mm_index **out) mm_must_use;
void mm_index_close(struct mm_index *index);
/* Forgets all that it holds, in no transaction; it may be closed only, where
 * this fails. */
enum mm_error mm_index_anew(struct mm_index *index) mm_must_use;

/* Entries applied so far: the index of the next one. */
uint64_t mm_index_size(const struct mm_index *index);
/* Whether this is the last entry that was applied and committed. */
bool mm_index_follows(const struct mm_index *index, struct mm_span entry);

/* A batch's entries are applied as they are decided, and kept or forgotten
 * together when the notary has answered. */
enum mm_error mm_index_begin(struct mm_index *index) mm_must_use;
enum mm_error mm_index_commit(struct mm_index *index) mm_must_use;
void mm_index_rollback(struct mm_index *index);

/*
 * Applies the entry at mm_index_size(): MM_E_LOG_WRONG where it cannot be
 * what the log should say next, MM_E_STATE where this program does not know
 * what it means.
 */
enum mm_error
mm_index_apply(struct mm_index *index, struct mm_span entry) mm_must_use;

/*
 * The lookups below answer MM_E_NOT_FOUND where there is no such row. Spans
 * in what they give lie in the arena.
 */

/* An entry that others rest on: genesis, policy, principal, order, and the
 * certificates of CAs and of code signing. */
enum mm_error mm_index_reference(struct mm_index *index, uint64_t idx,
    struct mm_arena *arena, struct mm_span *entry) mm_must_use;
/* The newest genesis or policy entry. */
enum mm_error
mm_index_policy(struct mm_index *index, uint64_t *idx) mm_must_use;
/* The idx of each genesis and policy entry, ascending: mm_uint_item. */
enum mm_error mm_index_policies(struct mm_index *index, struct mm_arena *arena,
    struct mm_list *out) mm_must_use;

enum mm_error mm_index_principal(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_principal *out) mm_must_use;
enum mm_error
mm_index_principal_named(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_principal *out) mm_must_use;
/* MM_OK where a principal of another name, disabled or not, was stated last
 * with this key. */
enum mm_error mm_index_principal_other(struct mm_index *index,
    const uint8_t key[32], struct mm_span name) mm_must_use;

struct mm_order_row {
	uint64_t idx, used;
	struct mm_order_claim claim;
};
enum mm_error mm_index_order(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_order_row *out) mm_must_use;
/* Of the order entry at `idx`; `used` is left out. */
enum mm_error mm_index_order_at(struct mm_index *index, uint64_t idx,
    struct mm_arena *arena, struct mm_order_claim *out) mm_must_use;

/* A certificate or an image and what has become of it. */
enum mm_issued_state {
	MM_ISSUED_UNSIGNED = 0,
	MM_ISSUED_SIGNED = 1,
	MM_ISSUED_VOID = 2
};
struct mm_issued {
	uint64_t idx, state, basis;
	uint8_t key[32]; /* certificate: its SPKI's; image: its SHA-256 */
	struct mm_span signature;
	struct mm_span profile, subject; /* image: product, version */
	struct mm_span scheme;           /* of an image, else empty */
};
/* The live certificate of a device under a profile. */
enum mm_error mm_index_device(struct mm_index *index, struct mm_span profile,
    struct mm_span device, struct mm_arena *arena,
    struct mm_issued *out) mm_must_use;
/* The live certificate that has this key (SHA-256 of the SPKI). */
enum mm_error mm_index_key(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
enum mm_error mm_index_serial(struct mm_index *index, struct mm_span serial,
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
/* The live image of a release under a scheme. */
enum mm_error mm_index_image(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_span scheme, struct mm_arena *arena,
    struct mm_issued *out) mm_must_use;
enum mm_error mm_index_issued(struct mm_index *index, uint64_t idx,
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
/* The newest certificate that rests on an entry which is no order. */
enum mm_error mm_index_resting(struct mm_index *index, uint64_t basis,
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
/* The first unsigned entry at or after `from`. */
enum mm_error mm_index_unsigned(
    struct mm_index *index, uint64_t from, uint64_t *idx) mm_must_use;
enum mm_error
mm_index_unsigned_count(struct mm_index *index, uint64_t *count) mm_must_use;

/* The entry that a principal's request made. */
enum mm_error mm_index_request(struct mm_index *index, struct mm_span principal,
    const uint8_t *id, uint64_t *idx) mm_must_use;
/* The entry that holds statements over this payload. */
enum mm_error mm_index_statement(
    struct mm_index *index, struct mm_span payload, uint64_t *idx) mm_must_use;
/* A principal's entries of a kind on the UTC day of `time`: certificates of
 * devices, or exports. */
enum mm_error mm_index_daily(struct mm_index *index, struct mm_span principal,
    uint64_t kind, uint64_t time, uint64_t *count) mm_must_use;
/* The newest certificate of a CA or of code signing: by its key's name. */
enum mm_error mm_index_authority(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;

#endif
