/*
 * Inside receipt_mandate.h: what a bundle has, whose statements are heard, and
 * the entry that has to be carried by them.
 */
#ifndef MM_MANDATE_PARTS_H
#define MM_MANDATE_PARTS_H

#include "cli/bundle.h"
#include "cli/receipt_mandate.h"

enum { MM_MANDATE_OTHERS = 16 };

/* The entry that the receipt is of, and what its bundle has. */
struct mm_mandate_matter {
	const struct mm_attested *subject;
	const struct mm_list *bundle;
	struct mm_mandate_other { /* what is not followed */
		const struct mm_bundled *item;
		bool used;
	} others[MM_MANDATE_OTHERS];
	size_t other_count;
	const struct mm_force *force; /* in force at the subject */
	struct mm_mandate *out;
};

#define mm_mandate_wrong(...) mm_fail(MM_E_LOG_WRONG, __VA_ARGS__)

/* Statements that an entry holds, and by whose roster they are heard. */
struct mm_mandate_word {
	uint64_t kind;        /* of the statement */
	uint64_t index, time; /* of the entry that holds it */
	const struct mm_force *force;
	const struct mm_list *statements;
};

/* --- receipt_mandate.c --- */

/* The policy in force at an index, which its entry must name. */
enum mm_error mm_mandate_force(const struct mm_mandate *out, uint64_t index,
    const struct mm_entry *frame, const struct mm_force **force) mm_must_use;
/* The bundle's entry of this index; NULL. */
const struct mm_bundled *
mm_mandate_bundled(const struct mm_mandate_matter *matter, uint64_t index);
/* Who signed, and how many had to: of statements that were checked. */
enum mm_error
mm_mandate_signers(struct mm_mandate *out, const struct mm_policy *policy,
    const struct mm_list *statements) mm_must_use;
enum mm_error mm_mandate_hear(
    struct mm_mandate *out, const struct mm_mandate_word *word) mm_must_use;
enum mm_error mm_mandate_hear_basis(struct mm_mandate_matter *matter,
    uint64_t index, enum mm_entry_kind kind, uint64_t statement) mm_must_use;
enum mm_error mm_mandate_hear_ceremony(
    struct mm_mandate_matter *matter, uint64_t index) mm_must_use;
enum mm_error
mm_mandate_hear_policy(struct mm_mandate_matter *matter) mm_must_use;

/* --- mandate_carry.c: by kind, what the entry rests on --- */

enum mm_error mm_mandate_carry(struct mm_mandate_matter *matter) mm_must_use;

#endif
