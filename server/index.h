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
#include "policy/rules.h"

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
/* Whether one was refused when half of it was applied: what was begun can not
 * be committed any more, and has to be rolled back. */
bool mm_index_torn(const struct mm_index *index);

/*
 * The lookups below answer MM_E_NOT_FOUND where there is no such row. Spans
 * in what they give lie in the arena.
 */

/* An entry that others rest on: genesis, policy, principal, order, ceremony,
 * key, import, release, pending ones (the newest of each payload, as long as
 * it waits), and the certificates of CAs and of code signing. */
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

/*
 * What the token process follows, in the log's order: genesis, policy,
 * ceremony, key and import entries. mm_uint_item: at most `max` from `from`
 * on.
 */
enum mm_error mm_index_followed(struct mm_index *index, uint64_t from,
    size_t max, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* A principal as a list has it. */
struct mm_principal_row {
	struct mm_principal principal; /* disabled ones, too */
	uint8_t key[32];
	uint64_t seen;  /* time of its last entry; 0: none */
	uint64_t until; /* notAfter of this key's newest signed certificate,
			 * POSIX seconds; 0: none */
};
/* The first principals behind `after` by name: at most `max`;
 * mm_principal_row in the arena. */
enum mm_error mm_index_principals(struct mm_index *index, struct mm_span after,
    size_t max, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/*
 * An order by its name: the terms of its newest revision, and what became of
 * it under all of them. A certificate counts from its entry on, a void one
 * does not.
 */
struct mm_order_row {
	uint64_t idx;      /* entry of the terms in force */
	uint64_t first;    /* entry of its first terms: the order's id */
	uint64_t used;     /* units: certificates that replace none */
	uint64_t reissued; /* certificates that replace one */
	uint64_t refused;  /* requests, as refusal entries count them */
	uint64_t revoked;  /* of its certificates, superseded ones included */
	uint64_t scrapped; /* of them: units that were reported as scrap */
	struct mm_order_claim claim;
};
/* The first orders behind `after` by name: at most `max`; mm_order_row in the
 * arena. */
enum mm_error mm_index_orders(struct mm_index *index, struct mm_span after,
    size_t max, struct mm_arena *arena, struct mm_list *out) mm_must_use;
enum mm_error mm_index_order(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_order_row *out) mm_must_use;
/* The claim of the order entry at `idx`, whichever revision that is. */
enum mm_error mm_index_order_at(struct mm_index *index, uint64_t idx,
    struct mm_arena *arena, struct mm_order_claim *out) mm_must_use;

/* A certificate or an image and what has become of it. */
enum mm_issued_state {
	MM_ISSUED_UNSIGNED = 0,
	MM_ISSUED_SIGNED = 1,
	MM_ISSUED_VOID = 2
};
struct mm_issued {
	/* Its entry; where there is none (inherited) a number above INT64_MAX
	 * which no entry has, and `basis` is the inherited entry. */
	uint64_t idx, state, basis;
	uint8_t key[32]; /* certificate: its SPKI's; image and partition: its
			  * SHA-256 */
	struct mm_span signature;
	struct mm_span profile, subject; /* image: product, version */
	struct mm_span scheme; /* of an image or a partition, else empty */
	struct mm_span issuer;           /* name of the signing key; inherited
					  * images have none */
	uint64_t kind; /* enum mm_entry_kind: certificate, image, crl, csr,
			* partition */
	uint64_t order; /* of a device: `first` of its order; else 0 */
	struct mm_span serial;
	uint64_t revoked;    /* 1 + the CRLReason in force; 0: not revoked */
	uint64_t revoked_at; /* POSIX seconds */
	bool inherited;      /* of the predecessor's log: there is no entry */
};
/* The certificate that a device has under a profile: live or on hold
 * (`revoked`), neither void nor revoked for ever, nor being replaced. */
enum mm_error mm_index_device(struct mm_index *index, struct mm_span profile,
    struct mm_span device, struct mm_arena *arena,
    struct mm_issued *out) mm_must_use;
/* The newest certificate with this key (SHA-256 of the SPKI) that is not void:
 * a device's, revoked or not, or one of the mint's own. Keys of principals are
 * found by mm_index_principal(). */
enum mm_error mm_index_key(struct mm_index *index, const uint8_t key[32],
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
enum mm_error mm_index_serial(struct mm_index *index, struct mm_span serial,
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
/* The live image of a release under a scheme. */
enum mm_error mm_index_image(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_span scheme, struct mm_arena *arena,
    struct mm_issued *out) mm_must_use;
/* The same under any scheme: each of them is over one image. */
enum mm_error mm_index_version(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_arena *arena,
    struct mm_issued *out) mm_must_use;
/* What of a product is signed, or on its way there, under other versions than
 * this one; `versions` lie in the arena. */
enum mm_error mm_index_history(struct mm_index *index, struct mm_span product,
    struct mm_span version, struct mm_arena *arena,
    struct mm_release_history *out) mm_must_use;
/* The partition that was signed, or waits, by a signing, with the certificate
 * of this entry in it. */
enum mm_error mm_index_partition(struct mm_index *index, uint64_t certificate,
    struct mm_span scheme, struct mm_arena *arena,
    struct mm_issued *out) mm_must_use;
/* The entry that says that the unit with the certificate of this entry is
 * scrap. */
enum mm_error mm_index_scrap(
    struct mm_index *index, uint64_t certificate, uint64_t *idx) mm_must_use;
enum mm_error mm_index_issued(struct mm_index *index, uint64_t idx,
    struct mm_arena *arena, struct mm_issued *out) mm_must_use;
/* The newest certificate or CSR, void or not, that rests on an entry which is
 * no order. */
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
/* A key of the mint by its name. */
struct mm_authority_row {
	struct mm_span name;
	uint64_t use;    /* enum mm_key_use */
	uint8_t key[32]; /* SHA-256 of the SPKI */
	bool retired;
	/* Its newest certificate: the entry of one that the mint signed, or of
	 * an import; UINT64_MAX: none yet. */
	uint64_t idx;
	bool imported;
};
enum mm_error mm_index_authority(struct mm_index *index, struct mm_span name,
    struct mm_arena *arena, struct mm_authority_row *out) mm_must_use;
/* All of them, by name; mm_authority_row in the arena. */
enum mm_error mm_index_authorities(struct mm_index *index,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* --- what waits for approvals --- */

struct mm_pending_index {
	uint64_t idx;        /* newest entry about it: mm_index_reference() */
	uint8_t payload[32]; /* SHA-256 */
	uint64_t kind;       /* enum mm_statement_kind */
	uint64_t time, expiry;
	bool withdrawn; /* it was, and can never be stated again */
};
/* One by its payload's SHA-256: also a withdrawn one, not one in force. One
 * that has expired is found until the next one comes, and then no more. */
enum mm_error mm_index_pending(struct mm_index *index,
    const uint8_t payload[32], struct mm_pending_index *out) mm_must_use;
/* Those that wait and end at `now` or later, behind `after` (32 bytes, or
 * empty): at most `max`; mm_pending_index in the arena. */
enum mm_error
mm_index_pendings(struct mm_index *index, struct mm_span after, uint64_t now,
    size_t max, struct mm_arena *arena, struct mm_list *out) mm_must_use;
enum mm_error mm_index_pending_count(
    struct mm_index *index, uint64_t now, uint64_t *count) mm_must_use;
/* The newest release entry of a product's version. */
enum mm_error mm_index_release(struct mm_index *index, struct mm_span product,
    struct mm_span version, uint64_t *idx) mm_must_use;
/* Those entries of a product (empty: of all) behind `after`, ascending: at
 * most `max`; mm_uint_item in the arena. */
enum mm_error mm_index_releases(struct mm_index *index, struct mm_span product,
    uint64_t after, size_t max, struct mm_arena *arena,
    struct mm_list *out) mm_must_use;
/* The same of an image. */
enum mm_error mm_index_image_releases(struct mm_index *index,
    const uint8_t sha256[32], size_t max, struct mm_arena *arena,
    struct mm_list *out) mm_must_use;
/* Whether a release is of this image, or waits for approvals at `now`. */
enum mm_error mm_index_image_wanted(struct mm_index *index,
    const uint8_t sha256[32], uint64_t now, bool *out) mm_must_use;

/* --- revocation --- */

struct mm_crl_row {
	uint64_t idx, number, this_update, next_update;
	uint64_t size; /* revocations before it are counted */
	bool is_signed;
};
/* The newest CRL of an issuer's key, signed or not, never a void one. */
enum mm_error mm_index_crl(struct mm_index *index, struct mm_span issuer,
    struct mm_crl_row *out) mm_must_use;
/* The newest one that was entered, void or not: numbers go on from it, for a
 * token may have signed what is void. */
enum mm_error mm_index_crl_entered(struct mm_index *index,
    struct mm_span issuer, struct mm_crl_row *out) mm_must_use;
/* Certificates whose place on an issuer's CRL was changed by entries from
 * `size` on. */
enum mm_error mm_index_crl_changes(struct mm_index *index,
    struct mm_span issuer, uint64_t size, uint64_t *count) mm_must_use;
/* Each certificate of the issuer that is revoked now, by serial; `sink`'s
 * error ends it. The row is the sink's until it returns; it asks the index for
 * no other list of these. */
struct mm_revoked_row {
	struct mm_span serial;      /* content octets */
	uint64_t reason, at, since; /* since: invalidityDate, or 0 */
};
enum mm_error mm_index_revoked(struct mm_index *index, struct mm_span issuer,
    enum mm_error (*sink)(void *self, const struct mm_revoked_row *row),
    void *self) mm_must_use;

/* --- inheritance --- */

/*
 * Takes in the next piece of a predecessor's inheritance whose entry was
 * applied (log/inheritance.h): whole items, between mm_index_begin() and
 * mm_index_commit(). MM_E_NOT_FOUND of mm_index_inheritance() means that none
 * is missing. What replaces an inherited certificate names it by its serial,
 * and as `index` has the inherited entry.
 */
enum mm_error mm_index_inherit(
    struct mm_index *index, uint64_t idx, struct mm_span items) mm_must_use;
/* The first inherited entry whose things are not all taken in, and how many
 * bytes of them are. */
enum mm_error mm_index_inheritance(
    struct mm_index *index, uint64_t *idx, uint64_t *offset) mm_must_use;

#endif
