/*
 * Memory for private keys, and for what holds some: locked, never dumped, with
 * guard pages around it (sodium_malloc(3)).
 */
#ifndef MM_FACTORY_SECRET_H
#define MM_FACTORY_SECRET_H

#include "protocol/bytes.h"

struct mm_flash_secret {
	uint8_t *data;
	size_t size; /* may be made less */
	size_t room; /* as it was made */
};
/* Wiped, and given back. */
void mm_flash_secret_clear(struct mm_flash_secret *secret);
/* Its memory for another owner, of whom `size` bytes count. */
struct mm_flash_secret
mm_flash_secret_take(struct mm_flash_secret *secret, size_t size);
/* `size` bytes, at least one, of any content. MM_E_MEMORY. */
enum mm_error
mm_flash_secret_new(size_t size, struct mm_flash_secret *out) mm_must_use;
/*
 * An empty buffer that fills the secret's memory and never moves: more than
 * fits is MM_E_RANGE. What was written is at its front; the secret stays the
 * owner, the buffer is not cleared.
 */
struct mm_buffer mm_flash_secret_buffer(const struct mm_flash_secret *secret);
/* Bytes of locked memory that one of `size` bytes takes. */
size_t mm_flash_secret_locked(size_t size);

/*
 * Making such memory takes ten system calls. Whoever makes many units keeps
 * what is given back, wiped, for the next of the same size: what is in use and
 * what is kept locks `bytes` together at most, where what is in use leaves
 * room.
 * 0, as at first: nothing is kept.
 */
void mm_flash_secrets_keep(size_t bytes);

#endif
