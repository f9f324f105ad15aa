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

/* Strict decimal: no sign, no leading zero, at most 2^63 - 1. */
bool mm_decimal_read(struct mm_span text, uint64_t *out);
/* Canonical padded base64 of exactly `size` bytes. */
bool mm_base64_read(struct mm_span text, uint8_t *out, size_t size);
void mm_base64_write(struct mm_span bytes, struct mm_buffer *out);

#endif
