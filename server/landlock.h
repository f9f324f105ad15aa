/*
 * Landlock (landlock(7)): from here on this process reaches no file but
 * those below the paths given, binds and connects no TCP port, and signals
 * nobody outside. Where the kernel knows less, less is enforced; where it
 * has no Landlock, nothing, and the seccomp filter stands alone.
 */
#ifndef MM_LANDLOCK_H
#define MM_LANDLOCK_H

#include "protocol/bytes.h"

enum mm_landlock_access {
	MM_LANDLOCK_READ,
	MM_LANDLOCK_WRITE,  /* and read, make, rename, remove */
	MM_LANDLOCK_DEVICES /* and ioctl on what lies there */
};

struct mm_landlock_path {
	const char *path; /* a file, or a directory and all below it */
	enum mm_landlock_access access;
	bool optional; /* may be missing */
};

/* `network`: TCP and abstract sockets stay allowed. MM_E_SYSTEM. */
enum mm_error mm_landlock(const struct mm_landlock_path *paths, size_t count,
    bool network) mm_must_use;

#endif
