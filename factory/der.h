/*
 * DER from PEM, as the AWS reference integration wants it: a certificate
 * and a private key each in a file of its own, the structure inside kept.
 */
#ifndef MM_FACTORY_DER_H
#define MM_FACTORY_DER_H

#include "factory/secret.h"

enum { MM_FLASH_PEM_MAX = 65536 };

/* Appends the DER of one PEM certificate. MM_E_FORMAT. */
enum mm_error
mm_flash_certificate(struct mm_span pem, struct mm_buffer *out) mm_must_use;

/* Reads a file whole, at most MM_FLASH_PEM_MAX bytes. MM_E_FILE,
 * MM_E_RANGE. */
enum mm_error
mm_flash_secret_read(const char *path, struct mm_flash_secret *out) mm_must_use;

/*
 * The DER of one PEM private key, PKCS#8, SEC 1 or PKCS#1 as it is; one that
 * is encrypted is refused. MM_E_FORMAT.
 */
enum mm_error mm_flash_private_key(
    const struct mm_flash_secret *pem, struct mm_flash_secret *out) mm_must_use;

#endif
