#include "server/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/landlock.h>

/* What Linux has learnt since Debian 12's headers: ABI 3 to 6. */
enum {
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	NET_TCP = 3, /* bind, connect */
	SCOPE_ABSTRACT = 1,
	SCOPE_SIGNAL = 2
};

struct ruleset {
	uint64_t files, network, scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE \
	(FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | \
	    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	    LANDLOCK_ACCESS_FS_REFER)
/* The rights that a rule for a file, not a directory, may have. */
#define FS_FILE \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    FS_TRUNCATE | FS_IOCTL_DEV)

static const uint64_t rights[] = {
    [MM_LANDLOCK_READ] = FS_READ,
    [MM_LANDLOCK_WRITE] = FS_WRITE,
    [MM_LANDLOCK_DEVICES] = FS_WRITE | FS_IOCTL_DEV,
};

/* All rights to files that a kernel of this ABI knows. */
static uint64_t
known_files(long abi)
{
	uint64_t known = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		known |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		known |= FS_TRUNCATE;
	if (abi >= 5)
		known |= FS_IOCTL_DEV;
	return known;
}

static enum mm_error
allow(int ruleset, uint64_t known, const struct mm_landlock_path *path)
{
	mm_autoclose int fd = open(path->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = rights[path->access] & known, .parent_fd = fd};
	struct stat info;

	if (fd < 0 && path->optional)
		return MM_OK;
	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(MM_E_SYSTEM, "sandbox: %s: %s", path->path,
		    strerror(errno));
	if (!S_ISDIR(info.st_mode))
		rule.allowed_access &= FS_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) < 0)
		return mm_fail(MM_E_SYSTEM, "sandbox: landlock: %s: %s",
		    path->path, strerror(errno));
	return MM_OK;
}

/* A kernel takes a shorter struct, and a longer one whose end is zero. */
static int
make_ruleset(long abi, bool network)
{
	struct ruleset ruleset = {.files = known_files(abi)};

	if (abi >= 4 && !network)
		ruleset.network = NET_TCP;
	if (abi >= 6)
		ruleset.scoped = SCOPE_SIGNAL | (network ? 0 : SCOPE_ABSTRACT);
	return (int)syscall(
	    SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
}

enum mm_error
mm_landlock(const struct mm_landlock_path *paths, size_t count, bool network)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	mm_autoclose int ruleset = -1;
	enum mm_error error = MM_OK;

	if (abi <= 0)
		return MM_OK;
	ruleset = make_ruleset(abi, network);
	if (ruleset < 0)
		return mm_fail(
		    MM_E_SYSTEM, "sandbox: landlock: %s", strerror(errno));
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = allow(ruleset, known_files(abi), &paths[i]);
	if (error == MM_OK &&
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		error = mm_fail(
		    MM_E_SYSTEM, "sandbox: landlock: %s", strerror(errno));
	return error;
}
