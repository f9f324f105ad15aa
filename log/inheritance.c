#include "log/inheritance.h"

#include "log/entry.h"
#include "protocol/statement.h"

enum {
	SERIAL_MAX = 20,
	REVOKED_MAX = 11 /* 1 + the last CRLReason of RFC 5280 5.3.1 */
};

#define NAME(k, member) \
	MM_FIELD(mm_inherited, k, member, MM_TEXT, 1, MM_NAME_MAX)
#define NAME_OR_NOT(k, member) \
	MM_OPTIONAL(mm_inherited, k, member, MM_TEXT, 1, MM_NAME_MAX)

static const struct mm_field fields[] = {NAME(0, profile), NAME(1, subject),
    MM_FIELD(mm_inherited, 2, key, MM_FIXED, 0, 32),
    MM_OPTIONAL(mm_inherited, 3, serial, MM_BYTES, 1, SERIAL_MAX),
    NAME_OR_NOT(4, issuer),
    MM_OPTIONAL(mm_inherited, 5, revoked, MM_UINT, 0, REVOKED_MAX),
    MM_OPTIONAL(mm_inherited, 6, revoked_at, MM_UINT, 0, INT64_MAX),
    NAME_OR_NOT(7, scheme), NAME_OR_NOT(8, order)};
MM_SHAPE(mm_inherited_shape, mm_inherited, fields);

/* A certificate has a serial and an issuer; an image has a scheme, and
 * nothing of what a certificate has. */
static bool
is_one_or_the_other(const struct mm_inherited *thing)
{
	if (thing->scheme.size == 0)
		return thing->serial.size > 0 && thing->issuer.size > 0 &&
		       (thing->revoked > 0 || thing->revoked_at == 0);
	return thing->serial.size == 0 && thing->issuer.size == 0 &&
	       thing->order.size == 0 && thing->revoked == 0 &&
	       thing->revoked_at == 0;
}

enum mm_error
mm_inherited_next(
    struct mm_span *items, struct mm_arena *arena, struct mm_inherited *out)
{
	struct mm_cbor reader = mm_cbor(*items);
	struct mm_span item = mm_cbor_item(&reader);
	struct mm_inherited thing;
	enum mm_error error = reader.error;

	if (error == MM_OK)
		error =
		    mm_shape_decode(&mm_inherited_shape, item, arena, &thing);
	if (error == MM_E_MEMORY)
		return error;
	if (error != MM_OK)
		return mm_fail(
		    MM_E_ENTRY, "no inherited thing: %s", mm_why(error));
	if (!is_one_or_the_other(&thing))
		return mm_fail(MM_E_ENTRY,
		    "an inherited thing is a certificate with serial and "
		    "issuer, or an image with a scheme");
	*out = thing;
	*items = mm_span(items->data + item.size, items->size - item.size);
	return MM_OK;
}
