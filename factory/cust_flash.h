/*
 * The esp_secure_cert layout with fixed offsets, "cust_flash", as the vendor's
 * tool 2.1.6 writes it and components in the field read it: metadata of 64
 * bytes (a CRC and a length a part), then each part at its place, and 0xFF
 * between them. With the DS peripheral, ciphertext and IV stand for the key.
 */
#ifndef MM_CUST_FLASH_H
#define MM_CUST_FLASH_H

#include "factory/secure_cert_write.h"

enum {
	MM_CUST_FLASH_SIZE = 0x6000,     /* the tool's file */
	MM_CUST_FLASH_SIZE_DS = 0x3000,  /* what of it is not the next
					  * partition's; everything fits */
	MM_CUST_FLASH_DEVICE_MAX = 2048, /* bytes, as stored */
	MM_CUST_FLASH_CA_MAX = 4096,
	MM_CUST_FLASH_KEY_MAX = 4096
};

/* As mm_secure_cert_make(), for the two layouts. */
enum mm_error mm_cust_flash_make(const struct mm_secure_cert_parts *parts,
    struct mm_flash_secret *out) mm_must_use;

/* What one holds; the spans lie in the file. */
struct mm_cust_flash {
	bool ds;
	struct mm_span device, ca;     /* as stored; ca may be empty */
	struct mm_span key;            /* without DS */
	struct mm_span ciphertext, iv; /* with DS */
	unsigned key_bits;             /* with DS */
	uint8_t efuse_key;
};
/* MM_E_FORMAT: a length, a CRC or a number is not what a device takes. */
enum mm_error
mm_cust_flash_read(struct mm_span file, struct mm_cust_flash *out) mm_must_use;

#endif
