/*
 * Releases as the appliance lists them, and how a command line names one:
 * PRODUCT@VERSION, or at least 8 hex digits of the SHA-256 of its statements'
 * payload. Nothing of a row is believed where files are written: receipts are.
 */
#ifndef MM_RELEASE_ROWS_H
#define MM_RELEASE_ROWS_H

#include "cli/waiting.h"

struct mm_release_id {
	struct mm_span product, version; /* empty where `hex` is said */
	const char *hex;                 /* or NULL */
	/* As `pending` calls what waits so. */
	char waiting[2 * MM_NAME_MAX + 2];
};
/* MM_E_USAGE. */
enum mm_error
mm_release_id_read(const char *text, struct mm_release_id *out) mm_must_use;

/* Those that officers have approved; an empty product or version is any.
 * mm_release_row in the arena, ascending by their entries. MM_E_PEER. */
enum mm_error mm_releases_read(const struct mm_appliance *appliance,
    struct mm_span product, struct mm_span version, struct mm_arena *arena,
    struct mm_list *out) mm_must_use;

/* The approved one that is meant. MM_E_NOT_FOUND says what waits for;
 * MM_E_USAGE where the digits are of several. */
enum mm_error mm_release_find(const struct mm_appliance *appliance,
    const struct mm_release_id *id, struct mm_arena *arena,
    struct mm_release_row *out) mm_must_use;

/* One that waits, with the claim that its statements make; the errors of
 * mm_waiting_find(). */
enum mm_error mm_release_waiting(const struct mm_appliance *appliance,
    const struct mm_release_id *id, struct mm_arena *arena,
    struct mm_waiting_one *out, struct mm_release_claim *claim) mm_must_use;

/* Whether a row of what waits is the one that is meant. */
bool mm_release_is_called(
    const struct mm_release_id *id, const struct mm_pending_row *row);

json_t *mm_release_row_json(const struct mm_release_row *row);
#define MM_RELEASE_ROW_RESULTS \
	"id, product, version, state, time, expires, index, size, sha256,\n" \
	"kept, signings: {scheme, index, signed}"

#endif
