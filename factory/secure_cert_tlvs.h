/*
 * A row of TLVs in the making, for this room: a partition of
 * MM_SECURE_CERT_TLVS bytes in sodium memory.
 */
#ifndef MM_SECURE_CERT_TLVS_H
#define MM_SECURE_CERT_TLVS_H

#include "factory/secure_cert_write.h"

struct mm_tlvs {
	struct mm_flash_secret room;
	struct mm_buffer bytes; /* lies in it */
};
enum mm_error mm_tlvs_new(struct mm_tlvs *out) mm_must_use;
void mm_tlvs_clear(struct mm_tlvs *tlvs);

/* A TLV and its flags. MM_E_FORMAT: the partition is full. */
enum mm_error mm_tlvs_add(struct mm_tlvs *tlvs, uint8_t flags, uint64_t type,
    uint64_t subtype, struct mm_span value) mm_must_use;
/* The first certificate of a file, as it is stored. */
enum mm_error mm_tlvs_certificate(struct mm_tlvs *tlvs, uint64_t type,
    uint64_t subtype, struct mm_span file) mm_must_use;
enum mm_error mm_tlvs_key(struct mm_tlvs *tlvs, uint64_t subtype,
    const struct mm_private_key *key, bool pem) mm_must_use;
/* What stands for a key that the chip has: of RSA the ciphertext and its
 * context, of ECDSA the eFuse's number. */
enum mm_error mm_tlvs_ds(struct mm_tlvs *tlvs, uint64_t subtype,
    const struct mm_private_key *key,
    const struct mm_secure_cert_ds *ds) mm_must_use;
/* The TLV of a key that lies in an eFuse: a flag, and no bytes. */
enum mm_error
mm_tlvs_fused_key(struct mm_tlvs *tlvs, uint64_t subtype) mm_must_use;
/* SHA-256 of all before it. */
enum mm_error mm_tlvs_integrity(struct mm_tlvs *tlvs) mm_must_use;
/* Hands the bytes over; with `fill`, 0xFF behind them. */
void mm_tlvs_take(struct mm_tlvs *tlvs, bool fill, struct mm_flash_secret *out);

#endif
