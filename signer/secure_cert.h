/*
 * The esp_secure_cert partition, made of TLVs (esp_secure_cert_tlv_private.h
 * and the tool of espressif/esp_secure_cert_mgr 2.6.1): a 12-byte header
 * (magic, flags, type, subtype, length), the value, zeros to a multiple of 16
 * of the value, and a CRC of all that. What the device reads by its first
 * match may stand there once only.
 *
 *   secure_cert.c       the reader
 *   secure_cert_tlv.c   one TLV, and the value of a signature's
 *   secure_cert_sign.c  the schemes
 */
#ifndef MM_SECURE_CERT_H
#define MM_SECURE_CERT_H

#include "signer/image.h"
#include "signer/secure_boot_v2.h"

enum {
	MM_SECURE_CERT_HEADER = 12,
	MM_SECURE_CERT_ALIGNMENT = 16, /* of a value with its padding */
	MM_SECURE_CERT_FOOTER = 4,
	MM_SECURE_CERT_SUBTYPE_MAX = 16,
	MM_SECURE_CERT_END = 4, /* bytes that may follow the TLVs; those of a
				 * signed one must */
	MM_SECURE_CERT_VALUE_MAX = 1232, /* of a signature */
	/* types */
	MM_SECURE_CERT_DEVICE = 1, /* the device's certificate */
	MM_SECURE_CERT_KEY = 2,    /* its private key */
	MM_SECURE_CERT_SIGNATURE = 8,
	MM_SECURE_CERT_INTEGRITY = 9, /* SHA-256 of all bytes before it */
	/* flags */
	MM_SECURE_CERT_ENCRYPTED = 0x80, /* by a key from the eFuses */
	MM_SECURE_CERT_DERIVED = 0x40,   /* a key made from a salt */
	MM_SECURE_CERT_FUSED = 0x08      /* the key is in the eFuses */
};
extern const uint8_t mm_secure_cert_end[MM_SECURE_CERT_END];

/* Bytes of a whole TLV whose value has so many. */
uint64_t mm_secure_cert_tlv_size(uint64_t value);
/* Whether a TLV begins here. */
bool mm_secure_cert_begins(struct mm_span bytes);
/*
 * Reads the TLV at the beginning of `bytes`, which is at `offset` in the file;
 * its own fields, padding and CRC are checked. MM_E_IMAGE.
 */
enum mm_error mm_secure_cert_tlv_read(struct mm_span bytes, uint64_t offset,
    struct mm_secure_cert_tlv *out) mm_must_use;
/* Appends one, without flags; a value of at most 65,535 bytes. */
enum mm_error mm_secure_cert_tlv_write(uint64_t type, uint64_t subtype,
    struct mm_span value, struct mm_buffer *out) mm_must_use;

/* A signature TLV's value taken apart. */
struct mm_secure_cert_signature {
	enum mm_algorithm algorithm;
	bool readable; /* `block` is filled in: a key, a form of its own */
	struct mm_secure_boot_block block;
};
/* `covered` is what it should be over. MM_E_IMAGE where its fields are not
 * the ones of a signature over that. */
enum mm_error mm_secure_cert_signature_read(struct mm_span value,
    struct mm_span covered, struct mm_secure_cert_signature *out) mm_must_use;
/* Whether it verifies over `covered`, by the key that it carries. */
bool mm_secure_cert_signature_is_over(
    const struct mm_secure_cert_signature *signature, struct mm_span covered);
/* The value, `size` bytes of `out`. MM_E_IMAGE_SIGNATURE, MM_E_KEY_TYPE. */
enum mm_error mm_secure_cert_signature_write(const struct mm_public_key *key,
    struct mm_span covered, struct mm_span signature,
    uint8_t out[MM_SECURE_CERT_VALUE_MAX], size_t *size) mm_must_use;

#endif
