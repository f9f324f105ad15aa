/*
 * What the witness commands share: how a witness is named on the command line,
 * and the appliance's side of cosigning: proofs fetched there, cosignatures
 * brought home.
 */
#ifndef MM_CLI_WITNESS_H
#define MM_CLI_WITNESS_H

#include "audit/witness.h"
#include "cli/appliance.h"
#include "cli/json_value.h"

/* The rows of options that witness commands have. */
#define MM_OPTION_WITNESS_DIR \
	{ \
		"dir", "DIR", "the witness's directory", true \
	}

/* VKEY: a verifier key's text, or a file that holds one. MM_E_VKEY. */
enum mm_error
mm_witness_read(const char *word, struct mm_witness *out) mm_must_use;
/* VKEY=URL; `url` lies in `word`, or is NULL where there is none. */
enum mm_error mm_witness_read_at(
    const char *word, struct mm_witness *out, const char **url) mm_must_use;

/* The appliance's newest published checkpoint, verified, and the proof that
 * it extends `older`; they lie in the arena. */
struct mm_extension {
	struct mm_checkpoint checkpoint;
	struct mm_span note;
	struct mm_proof proof;
};
enum mm_error
mm_extension_fetch(const struct mm_appliance *appliance, uint64_t older,
    struct mm_arena *arena, struct mm_extension *out) mm_must_use;

/* A witness's answer, verified against the note: the note with its lines, and
 * the time. MM_E_COSIGNATURE. */
enum mm_error mm_cosignature_read(struct mm_span note, struct mm_span lines,
    const struct mm_witness *witness, struct mm_buffer *out,
    uint64_t *time) mm_must_use;
/* Sends the cosigned note home. */
enum mm_error mm_cosignature_deliver(const struct mm_appliance *appliance,
    struct mm_span note, struct mm_cosign_answer *out) mm_must_use;

#endif
