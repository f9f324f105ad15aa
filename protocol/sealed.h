/*
 * Sealed memfds: bytes that pass from one process to another and that nobody
 * can change any more (memfd_create(2), fcntl(2)). Who takes one checks.
 */
#ifndef MM_SEALED_H
#define MM_SEALED_H

#include <fcntl.h>

#include "protocol/bytes.h"

enum { MM_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

/*
 * A descriptor that came as a sealed memfd: MM_E_PEER where anybody could
 * still change it, it is empty, or larger than `max`. Its size goes to `size`.
 */
enum mm_error mm_sealed_check(int fd, size_t max, size_t *size) mm_must_use;

#endif
