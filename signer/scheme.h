/*
 * Signature schemes for firmware, a row each: which key, what is digested,
 * how the result is attached, how it is verified. The callers stay when a row
 * comes.
 *
 * A policy, a statement and an entry name a signing: a scheme, and, where the
 * product has several keys, behind a colon the key in the token that signs:
 * "sha256-ecdsa", "secure-boot-v2-rsa3072:sb-1".
 */
#ifndef MM_SCHEME_H
#define MM_SCHEME_H

#include "signer/image.h"
#include "signer/public_key.h"

enum { MM_SIGNING_MAX = 64, MM_SIGNATURE_MAX = 512 };
#define MM_SCHEME_DEFAULT "sha256-ecdsa"

/* What is done with the signatures that an image brings along. */
enum mm_resign {
	MM_RESIGN_REFUSE = 0,  /* it must bring none */
	MM_RESIGN_APPEND = 1,  /* sound ones stay, ours go behind them */
	MM_RESIGN_REPLACE = 2, /* they go */
	MM_RESIGN_WAYS = 3
};

/* An image as it was read: the facts are of these bytes, hash and all. */
struct mm_image {
	struct mm_span bytes;
	const struct mm_image_facts *facts;
};

/* One signature and whose it is: DER of a curve, 384 bytes of RSA. */
struct mm_signed {
	struct mm_public_key key;
	struct mm_span signature;
};

/* The signed file, piece by piece; the pieces point into `own`, which is
 * theirs, and into the image, where they stand at the same offset. */
struct mm_piece {
	struct mm_span bytes;
	uint64_t fill; /* then so many bytes 0xFF */
};
enum { MM_PIECES_MAX = 6 };
struct mm_attached {
	struct mm_piece pieces[MM_PIECES_MAX];
	size_t count;
	struct mm_buffer own;
};
uint64_t mm_attached_size(const struct mm_attached *attached);
/* Appends all of it. */
enum mm_error mm_attached_write(
    const struct mm_attached *attached, struct mm_buffer *out) mm_must_use;
void mm_attached_clear(struct mm_attached *attached);

struct mm_scheme {
	const char *name;   /* "secure-boot-v2-rsa3072" */
	const char *family; /* "secure-boot-v2": as `image verify` knows it */
	const char *text;   /* for people */
	enum mm_algorithm algorithm;
	bool detached;  /* the result is a file of its own */
	bool partition; /* of a device's partition, under an order; else of an
			 * image, under a release */
	unsigned most;  /* signatures of its family that one file takes */
	/* The 32 bytes that are signed. MM_E_IMAGE: not such an image. */
	enum mm_error (*digest)(
	    const struct mm_image *image, uint8_t out[32]) mm_must_use;
	/*
	 * Attaches all of a family's signatures at once, in their order
	 * (detached: the one file of the first). MM_E_IMAGE_SIGNED: it carries
	 * signatures, or no more have room, or one is of this key or of another
	 * algorithm.
	 */
	enum mm_error (*attach)(const struct mm_image *image,
	    enum mm_resign resign, const struct mm_signed *signatures,
	    size_t count, struct mm_attached *out) mm_must_use;
	/*
	 * Whether a file is signed by the key: `signature` is that of a
	 * detached scheme, else empty. `key` NULL: any key whose digest is
	 * `key_digest`. MM_E_IMAGE_SIGNATURE, saying why not; MM_E_IMAGE.
	 */
	enum mm_error (*verify)(const struct mm_image *image,
	    struct mm_span signature, const struct mm_public_key *key,
	    const uint8_t key_digest[32]) mm_must_use;
	/* Bytes that all signatures of the family add, at most, to an image of
	 * so many that brings none; `facts` NULL: nobody has read it. NULL:
	 * they are attached to no image. */
	uint64_t (*added)(const struct mm_image_facts *facts, uint64_t size);
};

/* By its name; NULL for an unknown one. */
const struct mm_scheme *mm_scheme_find(struct mm_span name);
/* The first row of a family ("secure-boot-v2", or a name); NULL. */
const struct mm_scheme *mm_scheme_family(struct mm_span family);
/* All rows, for help and for tests. */
const struct mm_scheme *mm_scheme_rows(size_t *count);

/* A signing taken apart; `key` is empty where it names none. MM_E_SCHEME. */
struct mm_signing_name {
	const struct mm_scheme *scheme;
	struct mm_span key;
};
enum mm_error mm_signing_read(
    struct mm_span signing, struct mm_signing_name *out) mm_must_use;

/* What a chip's eFuses know a public key by: the SHA-256 of the key part of
 * a block of Secure Boot V2. MM_E_KEY_TYPE. (Bootloaders and the log know it
 * by its spki_sha256.) */
enum mm_error mm_secure_boot_v2_key_digest(
    const struct mm_public_key *key, uint8_t out[32]) mm_must_use;

#endif
