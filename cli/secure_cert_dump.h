/*
 * What lies in an esp_secure_cert partition, of TLVs or with fixed offsets, for
 * people and for programs. Of a private key nothing but that it is there.
 */
#ifndef MM_SECURE_CERT_DUMP_H
#define MM_SECURE_CERT_DUMP_H

#include "cli/command.h"

/* Reads a file whole, checks all that it says about itself, and prints it.
 * MM_E_FILE; MM_E_FORMAT: it is damaged, or is none. */
enum mm_error mm_secure_cert_dump(
    const struct mm_invocation *invocation, const char *path) mm_must_use;

#endif
