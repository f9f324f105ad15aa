#include "hsm/proven.h"

enum mm_error
mm_proven_check(const struct mm_proven *proven,
    const struct mm_checkpoint *checkpoint, struct mm_hash *leaf)
{
	struct mm_hash hash = mm_leaf_hash(proven->entry);
	struct mm_proof proof;
	enum mm_error error = mm_proof_from_list(&proven->proof, &proof);

	if (error == MM_OK)
		error = mm_inclusion_check(&hash, proven->index,
		    checkpoint->size, &proof, &checkpoint->root);
	if (error == MM_OK)
		*leaf = hash;
	return error;
}

/* RFC 9162 wants the proof, the log's own key the checkpoint. */
enum mm_error
mm_proven_follow(const struct mm_token_follow_request *request,
    const struct mm_vkey *vkey, struct mm_hash *leaf)
{
	struct mm_checkpoint checkpoint;
	enum mm_error error =
	    mm_checkpoint_open(request->note, vkey, &checkpoint);

	if (error == MM_OK)
		error = mm_proven_check(&request->entry, &checkpoint, leaf);
	return error;
}
