/*
 * A unit of an order that failed for good, reported to the appliance: what a
 * station says once its certificate is issued and the device can not be
 * finished. The unit stays used; the certificate is revoked by officers alone.
 */
#ifndef MM_SCRAP_H
#define MM_SCRAP_H

#include "cli/appliance.h"
#include "cli/attested.h"

/*
 * Reports the unit whose certificate has this serial number (its content
 * octets) as scrap, over a connection of its own, and again for the
 * appliance's `wait` seconds where waiting helps. `reason`: 1 to
 * MM_SCRAP_REASON_MAX bytes of clean UTF-8 text; mm_scrap_reason() makes one
 * of any text.
 *
 * The first report of a certificate counts: reported again, by whoever may
 * and for whatever reason, it is answered with the same entry. `out` is that
 * entry, proven by its receipt: `out->body.scrap` has the reason that stands,
 * `out->receipt.index` where. Its spans lie in the arena.
 *
 * MM_E_ORDER, MM_E_ORDER_OTHERS (the station is none of the order's),
 * MM_E_NOT_OF_ORDER (the order issued no such certificate), MM_E_RANGE (of the
 * reason), MM_E_MISMATCH, the errors of a receipt, and all that retrying did
 * not mend (mm_error_exit() is MM_EXIT_LATER: it may be reported or not, and is
 * to be reported again).
 */
enum mm_error mm_scrap_report(const struct mm_appliance *appliance,
    struct mm_span order, struct mm_span serial, const char *reason,
    struct mm_arena *arena, struct mm_attested *out) mm_must_use;

/* Any text, cleaned and cut to what a reason may be; "no reason given" where
 * nothing is left. */
enum { MM_SCRAP_REASON_SIZE = MM_SCRAP_REASON_MAX + 1 };
void mm_scrap_reason(const char *text, char out[MM_SCRAP_REASON_SIZE]);

#endif
