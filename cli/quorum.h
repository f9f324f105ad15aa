/*
 * Who else saw a checkpoint: the witnesses that the command line names, and
 * how many of them must have cosigned. Keys are counted, not names (C2SP
 * tlog-cosignature).
 */
#ifndef MM_QUORUM_H
#define MM_QUORUM_H

#include "cli/command.h"
#include "cli/witness.h"

#define MM_WITNESS_OPTIONS \
	{"witness", "VKEY", "a witness's verifier key, or its file", \
	    MM_OPTION_REPEATED}, \
	{ \
		"quorum", "K", "how many of them must have cosigned (all)", \
		    false \
	}
#define MM_WITNESS_RESULTS "witnesses (name, time), quorum"

struct mm_quorum {
	struct mm_witness witnesses[MM_REPEATED_MAX];
	size_t count; /* of different public keys; 0: none was named */
	uint64_t needed;
	struct mm_cosignatures seen;
};

/* --witness and --quorum. MM_E_USAGE, MM_E_VKEY. */
enum mm_error mm_quorum_read(
    const struct mm_invocation *invocation, struct mm_quorum *out) mm_must_use;

/* Of a note that mm_checkpoint_open() took by `log`: MM_E_COSIGNATURE,
 * MM_E_QUORUM, which ends with `advice`; MM_E_USAGE where a witness has the
 * log's own key. */
enum mm_error
mm_quorum_check(struct mm_quorum *quorum, const struct mm_vkey *log,
    struct mm_span note, const char *advice) mm_must_use;

/* Adds what was seen to an object; nothing where none was named. */
void mm_quorum_json(const struct mm_quorum *quorum, json_t *out);

#endif
