/*
 * Makes an MCUboot image of a raw payload, byte for byte as `imgtool sign
 * --pad-header` without a key: header, payload, protected TLVs, SHA-256. The
 * scheme mcuboot then signs it (schemes.h).
 */
#ifndef MM_MCUBOOT_MAKE_H
#define MM_MCUBOOT_MAKE_H

#include "signer/mcuboot.h"

enum { MM_MCUBOOT_CUSTOM_MAX = 32 };

/* A vendor's TLV, in the protected area. */
struct mm_mcuboot_custom {
	uint64_t type; /* MM_MCUBOOT_VENDOR_MIN to _MAX, none twice */
	struct mm_span value;
};

struct mm_mcuboot_making {
	struct mm_span payload;
	struct mm_image_version version;
	uint64_t header;       /* bytes, MM_MCUBOOT_HEADER to 65,535 */
	uint64_t slot;         /* bytes; 0: not checked, and not padded */
	uint64_t align;        /* bytes of a write: 1, 2, 4, 8, 16 or 32 */
	bool pad, confirm;     /* to the slot; confirmed, which pads, too */
	bool counted;          /* with a security counter */
	uint64_t counter;      /* 32 bits */
	uint64_t load_address; /* 32 bits; 0: it runs where it lies */
	uint8_t erased;        /* 0xff or 0 */
	struct mm_dependency dependencies[MM_DEPENDENCIES_MAX];
	size_t dependency_count;
	struct mm_mcuboot_custom customs[MM_MCUBOOT_CUSTOM_MAX];
	size_t custom_count;
};

/*
 * Appends the image. Room for the signature is asked for here already, so
 * that what was made can be signed. MM_E_RANGE: a number that does not fit,
 * or an image that does not fit into its slot; MM_E_IMAGE: the payload is
 * empty or an MCUboot image already.
 */
enum mm_error mm_mcuboot_make(
    const struct mm_mcuboot_making *making, struct mm_buffer *out) mm_must_use;

/* --- mcuboot_text.c: what people write; MM_E_FORMAT or MM_E_RANGE --- */

/* "1", "1.2", "1.2.3" or "1.2.3+4", without leading zeros; what is left out is
 * 0. Major and minor have 8 bits, revision 16, build 32. */
enum mm_error mm_mcuboot_version_read(
    struct mm_span text, struct mm_image_version *out) mm_must_use;
/* "auto" of the security counter: major, minor and revision in one. */
uint64_t mm_mcuboot_counter_of(const struct mm_image_version *version);
/* "(1, 1.2.3+4), (2, 1.0.0)": images (0 to 255) and the least versions that
 * they must have. */
enum mm_error mm_mcuboot_dependencies_read(
    struct mm_span text, struct mm_mcuboot_making *out) mm_must_use;
/* "0xa0=0x01020304" or "0xb1=hello": one more TLV; a value with 0x is bytes,
 * which are the arena's, else it is text. */
enum mm_error mm_mcuboot_custom_read(struct mm_span text,
    struct mm_arena *arena, struct mm_mcuboot_making *out) mm_must_use;
/* Decimal, or hex behind 0x; at most `max`. */
enum mm_error mm_mcuboot_number_read(
    struct mm_span text, uint64_t max, uint64_t *out) mm_must_use;

#endif
