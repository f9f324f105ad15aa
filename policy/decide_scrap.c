/*
 * Units that failed for good: who may say so, and of which certificates.
 */
#include "policy/decide.h"
#include "protocol/message.h"

enum mm_error
mm_decide_scrap(const struct mm_scrap_facts *facts)
{
	const struct mm_order_claim *order = facts->order;
	enum mm_error error =
	    mm_decide_message(facts->principal, MM_MESSAGE_SCRAP);

	if (error != MM_OK)
		return error;
	if (order == NULL)
		return mm_fail(MM_E_ORDER, "%s", mm_error_text(MM_E_ORDER));
	if (!mm_texts_hold(&order->stations, facts->principal->name))
		return mm_fail(MM_E_ORDER_OTHERS,
		    "order %.*s is not for station %.*s", MM_SPAN(order->name),
		    MM_SPAN(facts->principal->name));
	if (!facts->issued)
		return mm_fail(MM_E_NOT_OF_ORDER,
		    "order %.*s has issued no certificate with this serial "
		    "number: name the order of that certificate (`cert show`)",
		    MM_SPAN(order->name));
	if (!facts->is_signed)
		return mm_fail(MM_E_BUSY,
		    "the certificate is being signed: report it again");
	return MM_OK;
}
