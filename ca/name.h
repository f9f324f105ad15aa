/*
 * Distinguished names: read strictly where others bring them (they are then
 * thrown away), written from a profile's templates.
 */
#ifndef MM_NAME_H
#define MM_NAME_H

#include "ca/der.h"
#include "ca/profile.h"

enum { MM_NAME_PARTS = 16 };

/* Takes a Name; MM_E_CSR says what is wrong with it. */
enum mm_error mm_name_read(struct mm_der *reader) mm_must_use;

/*
 * Appends the DER string of a part with its template filled:
 * PrintableString where it can be, UTF8String elsewhere and for Matter's
 * vendor and product, IA5String for what wants it. MM_E_CERTIFICATE where the
 * text does not fit the attribute.
 */
enum mm_error mm_name_put_value(const struct mm_subject_part *part,
    struct mm_span subject, struct mm_buffer *out) mm_must_use;

/* Appends the whole Name, one attribute an RDN. */
enum mm_error mm_name_put(const struct mm_list *parts, struct mm_span subject,
    struct mm_buffer *out) mm_must_use;

#endif
