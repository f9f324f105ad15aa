/*
 * C2SP signed notes and tlog-checkpoints: strict to read, canonical to write
 * (formats the Go libraries let pass are refused: leading zeros, unused
 * base64 bits, roots that are not 32 bytes, empty extension lines, two lines
 * by one key). Other extension lines are read and ignored, never written.
 */
#ifndef MM_NOTE_H
#define MM_NOTE_H

#include "log/merkle.h"
#include "protocol/statement.h"

enum { MM_NOTE_MAX = 65536, MM_NOTE_LINES_MAX = 32, MM_VKEY_MAX = 192 };

/* A verifier key: name, key id, Ed25519 public key (signature type 0x01). */
struct mm_vkey {
	char name[MM_ORIGIN_MAX + 1];
	uint8_t id[4];
	uint8_t public_key[32];
};

/* `name+hex id+base64 key`; MM_E_VKEY. */
enum mm_error
mm_vkey_decode(struct mm_span text, struct mm_vkey *out) mm_must_use;
/* From a name ([a-z0-9./-], at most 100) and a key; MM_E_VKEY. */
enum mm_error mm_vkey_init(struct mm_vkey *out, struct mm_span name,
    const uint8_t public_key[32]) mm_must_use;
void mm_vkey_text(const struct mm_vkey *vkey, char out[MM_VKEY_MAX]);

struct mm_checkpoint {
	char origin[MM_ORIGIN_MAX + 1];
	uint64_t size;
	struct mm_hash root;
};

/* Appends the signed note of a checkpoint. secret_key in sodium memory. */
enum mm_error mm_checkpoint_sign(const struct mm_checkpoint *checkpoint,
    const struct mm_vkey *vkey, const uint8_t secret_key[64],
    struct mm_buffer *out) mm_must_use;

/*
 * Verifies the note by the log's key and reads the checkpoint from the
 * verified text: MM_E_NOTE, MM_E_NOTE_KEY, MM_E_NOTE_SIGNATURE,
 * MM_E_CHECKPOINT, MM_E_CHECKPOINT_ORIGIN. Lines of unknown keys are ignored.
 */
enum mm_error mm_checkpoint_open(struct mm_span note,
    const struct mm_vkey *vkey, struct mm_checkpoint *out) mm_must_use;

/*
 * A witness: its verifier key is of type 0x04 (C2SP tlog-cosignature), else
 * written as a log's. Two witnesses of one public key are one (4.3).
 */
struct mm_witness {
	struct mm_vkey vkey;
};
enum mm_error
mm_witness_decode(struct mm_span text, struct mm_witness *out) mm_must_use;
enum mm_error mm_witness_init(struct mm_witness *out, struct mm_span name,
    const uint8_t public_key[32]) mm_must_use;
void mm_witness_text(const struct mm_witness *witness, char out[MM_VKEY_MAX]);

/* A witness's line under a checkpoint. */
struct mm_cosignature {
	size_t witness; /* which of the witnesses asked about */
	uint64_t time;  /* POSIX seconds, not 0 */
};
struct mm_cosignatures {
	struct mm_cosignature items[MM_NOTE_LINES_MAX];
	size_t count; /* of different public keys */
};
/*
 * The cosignatures of these witnesses under a note that mm_checkpoint_open()
 * took. A line by a known name and key id that is malformed or does not
 * verify, and two lines by one witness, are MM_E_COSIGNATURE: the whole note
 * is refused. Lines of others are ignored.
 */
enum mm_error
mm_cosignatures_open(struct mm_span note, const struct mm_witness *witnesses,
    size_t count, struct mm_cosignatures *out) mm_must_use;
/* Appends one line, `— NAME BASE64`, for the text of the note. */
enum mm_error mm_cosign(struct mm_span note, const struct mm_witness *witness,
    const uint8_t secret_key[64], uint64_t time,
    struct mm_buffer *out) mm_must_use;
/*
 * Appends the note with those of the lines, which are of other notes over the
 * same text, that it lacks: of two by one name and key id the note's own
 * stays. MM_E_NOTE where it would not be a note: more than 32 lines, or a
 * line that is none.
 */
enum mm_error mm_note_add_lines(struct mm_span note, struct mm_span lines,
    struct mm_buffer *out) mm_must_use;
/* The lines of a note, all of them; they lie in it. MM_E_NOTE. */
enum mm_error
mm_note_lines(struct mm_span note, struct mm_span *out) mm_must_use;

/* Strict decimal: no sign, no leading zero, at most 2^63 - 1. */
bool mm_decimal_read(struct mm_span text, uint64_t *out);
/* Canonical padded base64 of exactly `size` bytes. */
bool mm_base64_read(struct mm_span text, uint8_t *out, size_t size);
void mm_base64_write(struct mm_span bytes, struct mm_buffer *out);

#endif
