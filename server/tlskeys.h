/*
 * The appliance's TLS key and the key of its session tickets: made anew at
 * each start, never on a disk, handed to the gates as sealed memfds.
 */
#ifndef MM_TLSKEYS_H
#define MM_TLSKEYS_H

#include "protocol/bytes.h"

struct mm_tls_keys {
	int key;    /* sealed memfd: PKCS#8 DER, ECDSA P-256 */
	int ticket; /* sealed memfd: 64 bytes */
	uint8_t spki[256];
	size_t spki_size;
};

/* MM_E_SYSTEM. */
enum mm_error mm_tls_keys_make(struct mm_tls_keys *out) mm_must_use;
void mm_tls_keys_clear(struct mm_tls_keys *keys);

/*
 * A read-only descriptor of a memfd's own position, for one receiver; -1
 * where it fails.
 */
int mm_memfd_share(int fd);

#endif
