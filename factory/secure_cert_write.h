/*
 * esp_secure_cert partitions, made: what espressif/esp_secure_cert_mgr's tool
 * makes, byte for byte (2.6.1; the older layouts as 2.1.6), without its
 * faults: no key in clear where an eFuse has it, no area that runs into the
 * next, nothing dropped in silence. signer/secure_cert.h says what a TLV is
 * and reads them.
 *
 *   secure_cert_write.c  certificates and a key, in any layout
 *   secure_cert_tlvs.c   the row of TLVs
 *   secure_cert_csv.c    what a CSV lists; secure_cert_rows.c its rows
 *   cust_flash.c         the layout with fixed offsets
 *
 * All works on one device's files and keeps nothing between two devices.
 */
#ifndef MM_SECURE_CERT_WRITE_H
#define MM_SECURE_CERT_WRITE_H

#include "factory/digital_signature.h"

enum mm_secure_cert_layout {
	MM_LAYOUT_TLV = 1,    /* CA, device, key, integrity; as long as that */
	MM_LAYOUT_TLV8K,      /* device, CA, key or DS; 0xFF to 0x2000 */
	MM_LAYOUT_CUST_FLASH, /* fixed offsets, 0x6000 bytes */
	MM_LAYOUT_CUST_FLASH_DS /* the same with a DS ciphertext, 0x3000 */
};
/* "tlv", "tlv8k", "cust_flash", "cust_flash_ds"; NULL. */
const char *mm_secure_cert_layout_name(enum mm_secure_cert_layout layout);
bool mm_secure_cert_layout_named(
    struct mm_span name, enum mm_secure_cert_layout *out);

enum {
	MM_SECURE_CERT_TLVS = 0x2000, /* bytes of a partition of TLVs */
	/* types beside those of signer/secure_cert.h */
	MM_TLV_CA = 0,
	MM_TLV_DS_DATA = 3,
	MM_TLV_DS_CONTEXT = 4,
	MM_TLV_SECURITY = 6
};

/* A certificate's file, PEM or DER. */
struct mm_secure_cert_file {
	const char *path; /* for errors */
	struct mm_span bytes;
};

/* Where a key lies that flash does not hold in clear. */
struct mm_secure_cert_ds {
	const struct mm_ds_chip *chip;
	uint8_t efuse_key; /* of BLOCK_KEY0 to 5 */
	/* Both NULL: an ECDSA key, which lies in the eFuse itself. Else the
	 * eFuse's key, in sodium memory, and an IV used for nothing else. */
	const uint8_t *hmac_key, *iv;
};

struct mm_secure_cert_parts {
	enum mm_secure_cert_layout layout;
	size_t size; /* of the file, with fixed offsets; 0: the layout's */
	struct mm_secure_cert_file device, ca; /* bytes empty: none */
	const struct mm_private_key *key;      /* NULL: none */
	bool key_pem;                          /* it stands as PEM; else DER */
	const struct mm_secure_cert_ds *ds;    /* NULL: the key in clear */
};

/*
 * Makes the partition, in sodium memory as it may hold the key. Of a
 * certificate's file the first certificate is taken; the device's has to be
 * the key's. MM_E_FORMAT: a file is not what it should be, the certificate is
 * another key's, something does not fit; MM_E_KEY_TYPE: the chip or the layout
 * does not take such a key.
 */
enum mm_error mm_secure_cert_make(const struct mm_secure_cert_parts *parts,
    struct mm_flash_secret *out) mm_must_use;

/* --- CSV --- */

struct mm_secure_cert_csv_terms {
	bool plain_keys; /* rows may put private keys there in clear */
	const struct mm_ds_chip *chip; /* for rsa_ds and ecdsa_peripheral */
	const char *hmac_key; /* a file, for rows that name none; or NULL */
	const uint8_t *iv;    /* of the one rsa_ds row; NULL: random */
};
/*
 * A partition of TLVs as a CSV lists them (tlv_type, tlv_subtype, data_value,
 * data_type, priv_key_type, algorithm, key_size, efuse_id, efuse_key); rows
 * that begin with # are comments. Files lie where the path says, or else
 * beside the CSV. MM_E_FORMAT and MM_E_FILE name the line.
 */
enum mm_error mm_secure_cert_csv(const char *path,
    const struct mm_secure_cert_csv_terms *terms,
    struct mm_flash_secret *out) mm_must_use;
/* "DEV_CERT" of ESP_SECURE_CERT_DEV_CERT_TLV and so on; NULL. */
const char *mm_secure_cert_type_name(uint64_t type);

#endif
