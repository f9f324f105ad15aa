#include "cli/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "protocol/bytes.h"

/* What a witness never does; an allow-list would have to follow each version
 * of the HTTP library. */
static const char *const denied[] = {"execve", "execveat", "fork", "vfork",
    "clone", "clone3", "socket", "socketpair", "connect", "bind", "ptrace",
    "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kill", "tkill",
    "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig",
    "pivot_root", "chroot", "unshare", "setns", "open_by_handle_at", "bpf",
    "io_uring_setup", "userfaultfd", "perf_event_open", "keyctl", "add_key",
    "request_key", "init_module", "finit_module", "kexec_load", "personality",
    "setuid", "setgid", "setresuid", "setresgid", "capset", "symlink",
    "symlinkat", "link", "linkat", "mknod", "mknodat"};

static enum mm_error
failed(const char *what, int error)
{
	return mm_fail(MM_E_SYSTEM, "sandbox: %s: %s", what, strerror(error));
}

static enum mm_error
deny_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int status = filter != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; i < MM_COUNT(denied) && status == 0; i++) {
		int number = seccomp_syscall_resolve_name(denied[i]);

		if (number >= 0) /* else this architecture has no such call */
			status = seccomp_rule_add(
			    filter, SCMP_ACT_ERRNO(EPERM), number, 0);
	}
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	return status == 0 ? MM_OK : failed("seccomp", -status);
}

static enum mm_error
allow_directory(int ruleset, const char *directory, uint64_t rights)
{
	mm_autoclose int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = rights, .parent_fd = fd};

	if (fd < 0 || syscall(SYS_landlock_add_rule, ruleset,
			  LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return failed(directory, errno);
	return MM_OK;
}

/* The rights of Landlock's first version: every kernel that has it knows
 * them. */
static enum mm_error
only_directory(const char *directory)
{
	const uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	const uint64_t ours =
	    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
	    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR;
	const struct landlock_ruleset_attr attributes = {
	    .handled_access_fs = all};
	mm_autoclose int ruleset = -1;
	enum mm_error error;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION) <= 0)
		return MM_OK;
	ruleset = (int)syscall(
	    SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return failed("landlock", errno);
	error = allow_directory(ruleset, directory, ours);
	if (error == MM_OK &&
	    syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		error = failed("landlock", errno);
	return error;
}

enum mm_error
mm_confine(const char *directory)
{
	const struct rlimit none = {0, 0};
	enum mm_error error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return failed("prctl", errno);
	error = only_directory(directory);
	return error == MM_OK ? deny_calls() : error;
}
