/*
 * What the two files of a device's key share: its numbers and their DER.
 *
 *   unit_key.c      keys made and requests signed, by libcrypto
 *   unit_key_der.c  PKCS#8, SubjectPublicKeyInfo, CertificationRequest
 */
#ifndef MM_FACTORY_UNIT_KEY_PARTS_H
#define MM_FACTORY_UNIT_KEY_PARTS_H

#include <openssl/evp.h>

#include "ca/key.h"
#include "factory/unit_key.h"

enum {
	KEY_N,
	KEY_E,
	KEY_D,
	KEY_P,
	KEY_Q,
	KEY_DP,
	KEY_DQ,
	KEY_QINV,
	KEY_NUMBERS,           /* of an RSA key, in RFC 8017 A.1.2's order */
	KEY_SCALAR = 0,        /* a curve's one number */
	KEY_NUMBER_SIZE = 512, /* bytes of the longest */
	KEY_POINT_SIZE = 1 + 2 * 48
};

struct device_kind {
	const char *name;
	unsigned bits; /* of RSA; 0: a curve */
	size_t scalar; /* bytes of a curve's numbers */
	int nid;       /* libcrypto's number of the curve */
	enum mm_key_type type;
	struct mm_span curve;     /* its OID's contents, RFC 5480 2.1.1.1 */
	struct mm_span algorithm; /* of signatures: an AlgorithmIdentifier's
				   * contents, RFC 5758 3.2, RFC 4055 5 */
	const EVP_MD *(*md)(void);
};
/* NULL for a number that is none. */
const struct device_kind *mm_device_kind(enum mm_device_key_kind kind);

/* A key's numbers, big-endian and without leading zeros, but for a scalar,
 * which has its curve's length. All lie elsewhere. */
struct device_key {
	const struct device_kind *kind;
	struct mm_span numbers[KEY_NUMBERS];
	struct mm_span point; /* of a curve, uncompressed */
};

/* Appends PKCS#8: RFC 5958 2, RFC 5915 3 without the curve, RFC 8017 A.1.2. */
void mm_device_key_put(const struct device_key *key, struct mm_buffer *out);
/* Reads what that wrote. MM_E_FORMAT. */
enum mm_error
mm_device_key_read(struct mm_span der, struct device_key *out) mm_must_use;
/* Appends the SubjectPublicKeyInfo: RFC 5480 2, RFC 3279 2.3.1. */
void
mm_device_key_put_spki(const struct device_key *key, struct mm_buffer *out);
/* Appends the CertificationRequestInfo: RFC 2986 4.1. */
void
mm_device_key_put_info(const struct device_key *key, struct mm_buffer *out);
/* Appends the request of it and its signature: RFC 2986 4.2. */
void mm_device_key_put_request(const struct device_kind *kind,
    struct mm_span info, struct mm_span signature, struct mm_buffer *out);

#endif
