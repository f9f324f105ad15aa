/*
 * A key that signatures of images are verified by, from a file.
 */
#ifndef MM_PUBLIC_KEY_FILE_H
#define MM_PUBLIC_KEY_FILE_H

#include "signer/public_key.h"

/* A public key or a certificate, PEM or DER; stdin for "-". MM_E_FILE,
 * MM_E_RANGE; MM_E_FORMAT where it is neither, or of another kind. */
enum mm_error
mm_public_key_file(const char *path, struct mm_public_key *out) mm_must_use;

#endif
