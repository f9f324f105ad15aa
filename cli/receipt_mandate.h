/*
 * On whose word an entry was made: its officers, by a bundle (bundle.h) of
 * what the entry rests on. The genesis stands by its ceremony, each policy by
 * the roster before it, and a statement by the officers of the policy in
 * force at its entry. Certificates and images are held against all rules of
 * the token process (hsm/judge.h).
 *
 * What one bundle cannot show: that nothing in between closed the order or
 * disabled the principal, and how many units were used before. `log verify`
 * shows that, of the whole log.
 */
#ifndef MM_RECEIPT_MANDATE_H
#define MM_RECEIPT_MANDATE_H

#include "cli/attested.h"
#include "hsm/following.h"

struct mm_mandate {
	struct mm_arena arena;
	struct mm_following following; /* of the bundle */
	uint64_t basis; /* index of the entry that holds the statement */
	uint64_t kind;  /* of the statement; 0: none was wanted */
	struct mm_list signers; /* mm_text_item: officers' names */
	uint64_t threshold;     /* officers that were wanted */
	uint64_t missing;       /* of them; 0: it is in force */
	struct mm_claim claim;
	union { /* by kind */
		struct mm_order_claim order;
		struct mm_release_claim release;
		struct mm_revoke_claim revoke;
		struct mm_principal_claim principal;
		struct mm_policy_claim policy;
		struct mm_ceremony_claim ceremony;
		struct mm_withdraw_claim withdraw;
	} body;
};

/*
 * `bundle`: mm_bundled, as mm_bundle_read() gives it; it outlives `out`. On
 * failure `out` is to be cleared all the same. MM_E_RECEIPT where a piece is
 * missing, does not belong or is against a checkpoint of another size than
 * the subject's, MM_E_LOG_WRONG where what they say does not carry the entry,
 * MM_E_FORK.
 */
enum mm_error
mm_mandate_check(const struct mm_attested *subject, const struct mm_vkey *vkey,
    const struct mm_list *bundle, struct mm_mandate *out) mm_must_use;
void mm_mandate_clear(struct mm_mandate *mandate);

/* Adds what it says to a receipt's object, under these keys. */
void mm_mandate_json(const struct mm_mandate *mandate, json_t *out);
#define MM_MANDATE_RESULTS \
	"policy (number), statement (its kind), statement_index, officers,\n" \
	"threshold, stated, missing (of what waits); of an order also order, " \
	"units, until"

#endif
