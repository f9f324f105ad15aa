/*
 * An officer's word on its way: a statement is made or, for one that waits,
 * signed as it is, brought to the appliance, and what comes back is held
 * against it. Every command that states something goes through here.
 */
#ifndef MM_STATING_H
#define MM_STATING_H

#include "cli/appliance.h"
#include "cli/officer.h"
#include "log/entry.h"
#include "log/receipt.h"

/* Rows of options that every such command has. */
#define MM_STATING_OPTIONS \
	MM_OPTION_IDENTITY, MM_OPTION_OFFICER, MM_OPTION_PASSPHRASE, \
	    {"expires", "DAYS", \
		"until when enough officers must have signed (7)", false}, \
	    {"receipt", "FILE", "where the receipt goes", false}, \
	    MM_OPTION_WAIT

/* What goes along with a statement; each empty where there is none. */
struct mm_stating_carries {
	struct mm_span csr;
	struct mm_span policy, text;
	struct mm_list certificates; /* mm_bytes_item */
};

/* What came of it; spans lie in the arena. */
struct mm_stated {
	struct mm_statement_answer answer;
	struct mm_receipt receipt;
	struct mm_checkpoint checkpoint;
	struct mm_entry entry; /* of kind pending where answer.missing > 0 */
	uint8_t payload[32];   /* SHA-256 of what was signed */
};

/*
 * States `body` as a statement of `kind`, whose entry is `entry_kind` when
 * enough officers have signed. Writes --receipt. What was logged is what was
 * signed here: MM_E_MISMATCH.
 */
enum mm_error mm_state(const struct mm_invocation *invocation, uint64_t kind,
    uint64_t entry_kind, const void *body,
    const struct mm_stating_carries *carries, struct mm_arena *arena,
    struct mm_stated *out) mm_must_use;

/* The same several times over, with the key opened once: who brings many
 * statements is asked for a passphrase once. */
struct mm_stating {
	struct mm_appliance appliance;
	struct mm_officer_key *officer;
	uint64_t seconds; /* that each is valid */
};
enum mm_error mm_stating_open(
    const struct mm_invocation *invocation, struct mm_stating *out) mm_must_use;
void mm_stating_close(struct mm_stating *stating);
enum mm_error mm_stating_state(const struct mm_stating *stating,
    const struct mm_invocation *invocation, uint64_t kind, uint64_t entry_kind,
    const void *body, const struct mm_stating_carries *carries,
    struct mm_arena *arena, struct mm_stated *out) mm_must_use;

/* Signs a payload that waits, as it is. */
enum mm_error mm_state_payload(const struct mm_invocation *invocation,
    struct mm_span payload, uint64_t entry_kind, struct mm_arena *arena,
    struct mm_stated *out) mm_must_use;

/* Brings statements of one payload that were made elsewhere (mm_bytes_item,
 * one at least); all of them are in what was logged: MM_E_MISMATCH. */
enum mm_error mm_state_made(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_list *statements,
    uint64_t entry_kind, struct mm_arena *arena,
    struct mm_stated *out) mm_must_use;

/* {payload, index, state: "in-force" or "pending", missing, log, size, time} */
json_t *mm_stated_json(const struct mm_stated *stated);
#define MM_STATED_RESULTS "state, missing, payload, log, size, index, time"

/* The kind of entry by which statements of a kind come into force. */
uint64_t mm_stated_entry_kind(uint64_t kind);

#endif
