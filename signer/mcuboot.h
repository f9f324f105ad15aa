/*
 * How an MCUboot image lies in its file (MCUboot docs/design.md, "Image
 * format"; bootutil/image.h): a header of 32 bytes and padding up to its
 * size, the payload, protected TLVs, unprotected TLVs. The image's hash and
 * its signature are over all but the last. Numbers are little-endian.
 *
 * Behind it the slot may follow: the erased value, and at its very end a
 * trailer by which the bootloader knows that there is something to boot.
 */
#ifndef MM_MCUBOOT_H
#define MM_MCUBOOT_H

#include "signer/image.h"

enum {
	MM_MCUBOOT_HEADER = 32,        /* bytes, at least */
	MM_MCUBOOT_SIGNATURE_MAX = 72, /* of P-256, in DER */

	MM_MCUBOOT_RAM_LOAD = 0x20,  /* flags of the header */
	MM_MCUBOOT_ENCRYPTED = 0x0c, /* AES-128 0x04, AES-256 0x08 */

	MM_MCUBOOT_PROTECTED = 0x6908, /* what a TLV area begins with */
	MM_MCUBOOT_UNPROTECTED = 0x6907,

	MM_MCUBOOT_KEY_HASH = 0x01, /* TLV types */
	MM_MCUBOOT_PUBLIC_KEY = 0x02,
	MM_MCUBOOT_SHA256 = 0x10,
	MM_MCUBOOT_SIGNATURES = 0x20, /* 0x20 to 0x2f: of one kind or another */
	MM_MCUBOOT_ECDSA = 0x22,
	MM_MCUBOOT_DEPENDENCY = 0x40,
	MM_MCUBOOT_COUNTER = 0x50,
	MM_MCUBOOT_VENDOR_MIN = 0xa0,
	MM_MCUBOOT_VENDOR_MAX = 0xfffe,

	MM_MCUBOOT_TRAILER_MAGIC = 16 /* bytes, the last of a slot */
};
#define MM_MCUBOOT_MAGIC 0x96f3b83dU

/* Where everything is. Spans are empty where there is no such TLV. */
struct mm_mcuboot_layout {
	struct mm_span image; /* the whole file */
	uint64_t header, payload;
	uint64_t covered; /* by hash and signature, from the file's start */
	uint64_t end;     /* of the TLVs, and so of the image */
	uint64_t load_address, flags;
	struct mm_image_version version;
	struct mm_image_tlv tlvs[MM_TLVS_MAX];
	size_t tlv_count;
	struct mm_span hash; /* SHA-256, always there */
	struct mm_span key_hash, public_key, ecdsa, counter;
	size_t signatures; /* of any kind */
	/* Offset of the first unprotected TLV that nothing covers and no
	 * bootloader looks for there; 0: none. */
	uint64_t stray;
	/* Of a file that is padded to its slot; `slot` 0: it is not. */
	uint64_t slot;
	uint8_t erased;
	unsigned align; /* most that its trailer's writes can have had: 8, 16
			 * or 32 bytes */
	bool confirmed;
};

/* MM_E_IMAGE: it is no MCUboot image, or one whose parts do not fit. Nothing
 * is hashed here. */
enum mm_error mm_mcuboot_layout(
    struct mm_span image, struct mm_mcuboot_layout *out) mm_must_use;
/* Whether this is the SHA-256 that the image has in it. The hash of an
 * encrypted image is over what it was before: MM_E_IMAGE, too. */
enum mm_error mm_mcuboot_check_hash(const struct mm_mcuboot_layout *layout,
    const uint8_t digest[32]) mm_must_use;
/* The SHA-256 that is signed, computed and checked so. */
enum mm_error mm_mcuboot_hash(
    const struct mm_mcuboot_layout *layout, uint8_t out[32]) mm_must_use;
/* The ECDSA signature without the zeros that `imgtool --pad-sig` fills it up
 * with to 72 bytes; with anything else behind the DER it is as it stands. */
struct mm_span mm_mcuboot_signature(const struct mm_mcuboot_layout *layout);

/* "P-256" for a TLV type of signatures, "unknown" for one that is not known
 * here; NULL for types of other things. */
const char *mm_mcuboot_algorithm(uint64_t type);

/* The magic that ends a slot whose writes are `align` (1 to 32) bytes. */
void
mm_mcuboot_trailer_magic(unsigned align, uint8_t out[MM_MCUBOOT_TRAILER_MAGIC]);
/* Where in a slot the byte is that says confirmed. */
uint64_t mm_mcuboot_image_ok(uint64_t slot, unsigned align);
/* The bytes at a slot's end that the bootloader writes to while it swaps, for
 * 128 sectors: what imgtool keeps free. */
uint64_t mm_mcuboot_trailer(unsigned align);

/* --- mcuboot_key.c --- */

/* Appends a public key (DER SubjectPublicKeyInfo) as MCUboot's keys.c wants
 * it: the C source of NAME_pub_key[] and NAME_pub_key_len. MM_E_RANGE where
 * `name` (1 to 64 bytes) is no C identifier. */
enum mm_error mm_mcuboot_key_source(struct mm_span spki, struct mm_span name,
    struct mm_buffer *out) mm_must_use;

#endif
