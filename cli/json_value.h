/*
 * One value of the log as JSON: bytes in hex, times as RFC 3339, text that
 * cannot control a terminal. Everything here returns an object of the
 * caller's, or NULL where memory is short, as jansson does.
 */
#ifndef MM_JSON_VALUE_H
#define MM_JSON_VALUE_H

#include <jansson.h>

#include "protocol/date.h"
#include "protocol/shape.h"

json_t *mm_json_number(uint64_t number);
json_t *mm_json_time(uint64_t seconds);
json_t *mm_json_hex(struct mm_span bytes);
/* As a checkpoint writes its root. */
json_t *mm_json_base64(struct mm_span bytes);
/* {"unreadable": hex} */
json_t *mm_json_unreadable(struct mm_span bytes);
/* Text of one line; what is none stands as mm_json_unreadable(). */
json_t *mm_json_text(struct mm_span text);
/* Text of several lines, tabs in them. */
json_t *mm_json_lines(struct mm_span text);

/*
 * A decoded struct, by the names of its shape's table; what is absent is left
 * out. entry_view.c says which members stand for more than themselves.
 */
json_t *mm_json_shape(const struct mm_shape *shape, const void *in);

/* --- entry_view.c --- */

/* How a member is shown; NULL where it is shown as its type says. */
typedef json_t *mm_view(const struct mm_field *field, const void *member);
mm_view *mm_view_of(const struct mm_shape *shape, const struct mm_field *field);

/* The name of a CRLReason; NULL for an unknown one. */
const char *mm_revocation_reason(uint64_t reason);

/* --- entry_tbs.c --- */

mm_view mm_view_tbs, mm_view_certificate, mm_view_certificates, mm_view_request,
    mm_view_crl, mm_view_spki, mm_view_key_usage;

#endif
