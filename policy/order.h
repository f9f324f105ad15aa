/*
 * Orders: which device, profile and station an order's statement covers.
 */
#ifndef MM_ORDER_H
#define MM_ORDER_H

#include "protocol/statement.h"

/* Whether the order's devices hold this one. */
bool mm_devices_cover(const struct mm_devices *devices, struct mm_span device);

/* MM_E_ORDER_COVER says what is not covered, MM_E_ORDER_CLOSED: it is over.
 * An empty station is not looked at. */
enum mm_error
mm_order_check(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station, uint64_t now) mm_must_use;

/* The two halves of mm_order_check(): what it covers, and until when. */
enum mm_error
mm_order_cover(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station) mm_must_use;
enum mm_error
mm_order_open(const struct mm_order_claim *order, uint64_t now) mm_must_use;

/* A devices table that says one thing, and no more units than it can hold
 * names for; names without control characters. MM_E_STATEMENT. */
enum mm_error mm_order_sound(const struct mm_order_claim *order) mm_must_use;

#endif
