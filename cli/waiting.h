/*
 * What waits for approvals, as an officer's computer sees it: the appliance
 * says which there are, and each is then read from its entry, by a receipt,
 * so that what is shown and signed is what the log has.
 */
#ifndef MM_CLI_WAITING_H
#define MM_CLI_WAITING_H

#include "cli/appliance.h"
#include "log/entry.h"
#include "log/receipt.h"
#include "protocol/statement.h"

/* One of them; all spans lie in the arena. */
struct mm_waiting_one {
	struct mm_pending_row row; /* its subject is the payload's own */
	struct mm_receipt receipt;
	struct mm_pending_entry entry;
	struct mm_span payload; /* what officers sign */
	struct mm_claim claim;
};

/* All rows, or those of one kind (0: of any): mm_pending_row in the arena. */
enum mm_error mm_waiting_list(const struct mm_appliance *appliance,
    uint64_t kind, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/*
 * The one of this kind (0: any) that `name` means: the hex of its payload's
 * SHA-256 or at least 8 digits of it, or its subject. MM_E_NOT_FOUND;
 * MM_E_USAGE where there are several; MM_E_MISMATCH where entry and row differ,
 * or the statement is about something else than the row says.
 */
enum mm_error mm_waiting_find(const struct mm_appliance *appliance,
    uint64_t kind, const char *name, struct mm_arena *arena,
    struct mm_waiting_one *out) mm_must_use;

/* The one of a row. */
enum mm_error mm_waiting_read(const struct mm_appliance *appliance,
    const struct mm_pending_row *row, struct mm_arena *arena,
    struct mm_waiting_one *out) mm_must_use;

/*
 * Before something is stated: whether the very same waits already, so that it
 * is approved and not stated once more. MM_E_STATEMENT_REPLAY says how. What
 * waits under the same name and says something else is told on stderr.
 */
enum mm_error mm_waiting_same(const struct mm_appliance *appliance,
    uint64_t kind, const void *body, struct mm_arena *arena) mm_must_use;

/* The row, for people and scripts. */
json_t *mm_waiting_json(const struct mm_pending_row *row);
#define MM_WAITING_RESULTS \
	"payload, kind, subject, index, time, expires, officers, missing"

/* Tells on stderr all that the statement says. */
enum mm_error mm_waiting_tell(const struct mm_waiting_one *one) mm_must_use;

#endif
