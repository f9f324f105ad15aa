/*
 * The PIN: one line of a file that nobody else can read. It exists in sodium
 * memory only, and not longer than the login takes.
 */
#ifndef MM_PIN_H
#define MM_PIN_H

#include "hsm/pkcs11.h"

/*
 * Reads the PIN of `path` into `out`, NUL-ended, for the caller to free with
 * sodium_free(). `fd` is the file where somebody who may has opened it for
 * us, or -1; it is closed. MM_E_PIN says what to do about the file.
 */
enum mm_error mm_pin_read(const char *path, int fd, char **out) mm_must_use;
void mm_pin_free(char **pin);

#endif
