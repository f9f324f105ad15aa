/*
 * Orders: which device, profile and station an order's statement covers.
 */
#ifndef MM_ORDER_H
#define MM_ORDER_H

#include "protocol/statement.h"

/* Whether the order's devices hold this one. */
bool mm_devices_cover(const struct mm_devices *devices, struct mm_span device);

/* MM_E_ORDER_OTHERS: it is for another profile or station; MM_E_ORDER_COVER:
 * not for this device; MM_E_ORDER_CLOSED: it is over. An empty station is not
 * looked at. */
enum mm_error
mm_order_check(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station, uint64_t now) mm_must_use;

/* The two halves of mm_order_check(): what it covers, and until when. */
enum mm_error
mm_order_cover(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station) mm_must_use;
enum mm_error
mm_order_open(const struct mm_order_claim *order, uint64_t now) mm_must_use;

/*
 * A range is one of numbers where its ends, from the first character on in
 * which they differ, are digits with separators (: - . _) at the same places:
 * of decimal ones (lamp-0001 to lamp-0999) where there are no others, of
 * hexadecimal ones where both are EUI-48 or EUI-64 (24:6F:28:00:00:00, also
 * with hyphens, or with neither and a letter) or where there are letters A-F
 * (00fe to 0102). The letters' case is the ends', and A-F where they have
 * none. Separators stand where they stand in the ends, and what is no such
 * number is not covered. All other ranges go by bytes: ids of one length
 * between their ends.
 */

/* How many ids a devices table covers; UINT64_MAX where nobody counts. */
uint64_t mm_devices_count(const struct mm_devices *devices);

/* A devices table that says one thing, and no more units than it can hold
 * names for; a range's ends in one case; no more reissues than units; closed
 * by a later revision only; names without control characters. MM_E_STATEMENT.
 */
enum mm_error mm_order_sound(const struct mm_order_claim *order) mm_must_use;

#endif
