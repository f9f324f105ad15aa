/*
 * A device's partition is signed under the order of its certificate. Which
 * certificate lies in it, and that none was signed for that before, only those
 * can tell who have seen it, or the whole log.
 */
#include "hsm/judged.h"

#include "policy/order.h"
#include "policy/partition.h"

#include <string.h>

static enum mm_error
check_order(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_partition_entry *entry)
{
	const struct mm_order_claim *order;
	enum mm_error error = mm_device_check(entry->device);

	if (error != MM_OK)
		return error;
	/* mm_order_check() would look at no station at all. */
	if (entry->principal.size == 0)
		return mm_judge_refuse("no station asked for this partition");
	error =
	    judge->sources->order(judge->sources->self, entry->basis, &order);
	return error == MM_OK
		   ? mm_order_check(order, entry->profile, entry->device,
			 entry->principal, mm_judge_moment(judge, frame))
		   : error;
}

enum mm_error
mm_judge_partition(const struct mm_judge *judge, const struct mm_entry *frame,
    const struct mm_partition_entry *entry, struct mm_verdict *out)
{
	struct mm_signing_name name;
	const struct mm_judge_signing signing = {
	    entry->scheme, &name, entry->key, entry->signer};
	const struct mm_genesis_key *key;
	enum mm_error error = mm_partition_signing(
	    &judge->force->policy, entry->profile, entry->scheme, &name);

	if (error == MM_OK)
		error = mm_judge_signing_key(judge, &signing, &key);
	if (error == MM_OK)
		error = check_order(judge, frame, entry);
	if (error != MM_OK)
		return error;
	*out = (struct mm_verdict){.key = key};
	memcpy(out->digest, entry->digest, sizeof(out->digest));
	return MM_OK;
}
