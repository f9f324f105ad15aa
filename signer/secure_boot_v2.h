/*
 * Signature blocks of Secure Boot V2 (Espressif's secure-boot-v2.rst,
 * espsecure): 1216 bytes with the signed digest, the public key in the form
 * that the chip computes with, and the signature, all numbers little-endian.
 * Up to three stand in the 4096-byte sector behind an image; one stands in
 * each signature TLV of an esp_secure_cert partition.
 */
#ifndef MM_SECURE_BOOT_V2_H
#define MM_SECURE_BOOT_V2_H

#include "signer/public_key.h"

enum {
	MM_SECURE_BOOT_SECTOR = 4096,
	MM_SECURE_BOOT_BLOCK = 1216,
	/* A block's first byte, and its second. */
	MM_SECURE_BOOT_MAGIC = 0xE7,
	MM_SECURE_BOOT_RSA = 2,
	MM_SECURE_BOOT_ECDSA = 3,
	MM_SECURE_BOOT_DIGEST_MAX = 48
};

/*
 * The block of a signature (DER of a curve, 384 bytes of RSA; as the log has
 * it) over `digest`: SHA-256, for P-384 SHA-384. Does not verify it. The last
 * 16 bytes, which nothing covers, are zero. MM_E_IMAGE_SIGNATURE where the
 * signature has not the form of the key's algorithm, MM_E_KEY_TYPE.
 */
enum mm_error
mm_secure_boot_v2_block(const struct mm_public_key *key, struct mm_span digest,
    struct mm_span signature, uint8_t out[MM_SECURE_BOOT_BLOCK]) mm_must_use;

/* A block taken apart. */
struct mm_secure_boot_block {
	struct mm_public_key key;
	uint8_t key_digest[32]; /* what the chip has in its eFuses */
	uint8_t digest[MM_SECURE_BOOT_DIGEST_MAX];
	size_t digest_size; /* 32, or 48 of P-384 */
	/* In the log's form. */
	uint8_t signature[MM_RSA_BYTES];
	size_t signature_size;
};

/*
 * Magic, version, CRC, and a key as it should stand there, R and M' of RSA
 * included; the signature is not verified. MM_E_IMAGE, saying why it is none.
 */
enum mm_error
mm_secure_boot_v2_block_read(const uint8_t block[MM_SECURE_BOOT_BLOCK],
    struct mm_secure_boot_block *out) mm_must_use;

/* Whether the block's signature over its own digest is its key's.
 * MM_E_IMAGE_SIGNATURE. */
enum mm_error mm_secure_boot_v2_block_verify(
    const struct mm_secure_boot_block *block) mm_must_use;

#endif
