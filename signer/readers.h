/*
 * Inside signer/image.h: the readers, one a format. Each fills in what it
 * knows; size and sha256 are there already. MM_E_IMAGE.
 */
#ifndef MM_READERS_H
#define MM_READERS_H

#include "signer/hashing.h"
#include "signer/image.h"

#define mm_image_wrong(...) mm_fail(MM_E_IMAGE, __VA_ARGS__)

/* What a reader gets to work with. */
struct mm_image_reading {
	struct mm_span image; /* the whole file */
	struct mm_arena *arena;
	struct mm_image_facts *facts;
	/* Prefixes that were hashed together with the whole, ascending. */
	struct mm_prefix_hash known[3];
	size_t known_count;
};

/* SHA-256 of the file's first bytes: costs nothing where they were hashed
 * together with the whole. MM_E_INSPECTOR. */
enum mm_error mm_reading_hash(
    struct mm_image_reading *r, uint64_t size, uint8_t out[32]) mm_must_use;

/* XOR of the prefix that the format's look asked to be summed. */
uint8_t mm_reading_sum(const struct mm_image_reading *r);

/* Before the whole is hashed: the prefix up to the checksum, which is summed;
 * the appended SHA-256 is over it. MM_E_IMAGE. */
enum mm_error
mm_esp_look(struct mm_span image, struct mm_prefix_hash *prefix) mm_must_use;
/* signatures.c: one more that the file carries (copied; `family` and
 * `algorithm` static, `key` in the arena). MM_E_IMAGE where there are too
 * many. */
enum mm_error mm_image_add_signature(struct mm_image_reading *r,
    const struct mm_signature_block *block) mm_must_use;
/* Whether each byte of it, if it has any, is this one. */
bool mm_image_is_all(struct mm_span bytes, uint8_t value);
/* The same, of erased flash: 0xFF. */
bool mm_image_is_erased(struct mm_span bytes);

/* esp_image.c: also finds Secure Boot V1 and V2 signatures behind it. */
enum mm_error mm_esp_read(struct mm_image_reading *r) mm_must_use;
/* mcuboot.c */
enum mm_error mm_mcuboot_look(
    struct mm_span image, struct mm_prefix_hash *prefix) mm_must_use;
enum mm_error mm_mcuboot_read(struct mm_image_reading *r) mm_must_use;
/* partition_table.c */
enum mm_error mm_partitions_read(struct mm_image_reading *r) mm_must_use;
/* secure_cert.c */
enum mm_error mm_secure_cert_read(struct mm_image_reading *r) mm_must_use;
/* Secure Boot V2 blocks behind any data (secure_boot_v2.c): fills in the
 * signatures, and with them `trailing` and `blank` anew. `length` is the
 * image's own, or the whole file's: then it becomes all that is before the
 * sector. Plain files and ESP images call it; one without a sector has none.
 */
enum mm_error mm_secure_boot_v2_read(struct mm_image_reading *r) mm_must_use;
enum { MM_SECURE_BOOT_V1_SIZE = 68 };
/* The signature of Secure Boot V1 at `offset`, if they are there and nothing
 * but 0xFF behind them (secure_boot_v1.c): fills in the signature, and
 * `trailing` and `blank` by what is behind it. Elsewhere than behind an ESP
 * image r and s must be possible, too: any data may end in zeros. */
enum mm_error
mm_secure_boot_v1_read(struct mm_image_reading *r, uint64_t offset) mm_must_use;

#endif
