/*
 * Inside signer/scheme.h: the functions of the rows, a file a family.
 */
#ifndef MM_SCHEMES_H
#define MM_SCHEMES_H

#include "signer/scheme.h"

#define mm_signature_wrong(...) mm_fail(MM_E_IMAGE_SIGNATURE, __VA_ARGS__)

/*
 * SHA-256 of an image's first `size` bytes and `fill` bytes 0xFF behind them;
 * of the whole file it is known from reading it. MM_E_INSPECTOR.
 */
enum mm_error mm_image_hash(const struct mm_image *image, uint64_t size,
    uint64_t fill, uint8_t out[32]) mm_must_use;

/* What the families check alike. `what` names theirs: "Secure Boot V1". */

/* Of a family whose signatures name no key, and are of P-256: the key must be
 * there, and be one. MM_E_IMAGE_SIGNATURE. */
enum mm_error mm_signature_check_p256(
    const struct mm_public_key *key, const char *what) mm_must_use;
/* Of a family whose signatures are in the file: there is none beside it.
 * MM_E_IMAGE_SIGNATURE. */
enum mm_error mm_signature_check_inside(
    struct mm_span signature, const char *what) mm_must_use;

/* The keys whose signatures stand behind each other in one file. */
struct mm_signers {
	struct mm_public_key keys[MM_SIGNATURE_BLOCKS_MAX];
	size_t count;
};
/* One more. MM_E_IMAGE_SIGNED: it is there already, or they are of another
 * algorithm; the caller has seen to it that there is room. */
enum mm_error mm_signers_add(
    struct mm_signers *signers, const struct mm_public_key *key) mm_must_use;

#define MM_SCHEME_FUNCTIONS(prefix) \
	enum mm_error prefix##_digest( \
	    const struct mm_image *image, uint8_t out[32]) mm_must_use; \
	enum mm_error prefix##_attach(const struct mm_image *image, \
	    enum mm_resign resign, const struct mm_signed *signatures, \
	    size_t count, struct mm_attached *out) mm_must_use; \
	enum mm_error prefix##_verify(const struct mm_image *image, \
	    struct mm_span signature, const struct mm_public_key *key, \
	    const uint8_t key_digest[32]) mm_must_use

MM_SCHEME_FUNCTIONS(mm_sha256_ecdsa);   /* sha256_ecdsa.c */
MM_SCHEME_FUNCTIONS(mm_secure_boot_v1); /* secure_boot_v1.c */
MM_SCHEME_FUNCTIONS(mm_secure_boot_v2); /* secure_boot_v2.c */
MM_SCHEME_FUNCTIONS(mm_mcuboot);        /* mcuboot_sign.c */
MM_SCHEME_FUNCTIONS(mm_cose_sign1);     /* cose_sign1.c */
MM_SCHEME_FUNCTIONS(mm_secure_cert);    /* secure_cert_sign.c */

/* Of those that are attached to images. */
uint64_t
mm_secure_boot_v1_added(const struct mm_image_facts *facts, uint64_t size);
uint64_t
mm_secure_boot_v2_added(const struct mm_image_facts *facts, uint64_t size);
uint64_t mm_mcuboot_added(const struct mm_image_facts *facts, uint64_t size);

#endif
