#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include "protocol/journal.h"
#include "server/filter.h"
#include "server/landlock.h"

/* --- system calls --- */

/* Memory, messages, time and the end: what every process does. */
static const struct mm_filter_call basic_calls[] = {
    MM_CALL("read"),
    MM_CALL("write"),
    MM_CALL("close"),
    MM_CALL("poll"),
    MM_CALL("ppoll"),
    MM_CALL("recvmsg"),
    MM_CALL("sendmsg"),
    MM_CALL("fcntl"),
    MM_CALL("fstat"),
    MM_CALL_IF("newfstatat", 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
    MM_CALL("lseek"),
    MM_CALL_IF("mmap", 2, PROT_EXEC, 0),
    MM_CALL_IF("mprotect", 2, PROT_EXEC, 0),
    MM_CALL("munmap"),
    MM_CALL("mremap"),
    MM_CALL("madvise"),
    MM_CALL("mlock"),
    MM_CALL("munlock"),
    MM_CALL("brk"),
    MM_CALL("futex"),
    MM_CALL("getrandom"),
    MM_CALL("clock_gettime"),
    MM_CALL("clock_nanosleep"),
    MM_CALL("gettimeofday"),
    MM_CALL("time"),
    MM_CALL("getpid"),
    MM_CALL("gettid"),
    MM_CALL("rt_sigaction"),
    MM_CALL("rt_sigprocmask"),
    MM_CALL("rt_sigreturn"),
    MM_CALL("sigaltstack"),
    MM_CALL("restart_syscall"),
    MM_CALL("sched_yield"),
    MM_CALL("exit"),
    MM_CALL("exit_group"),
};
static const struct mm_filter_list basic = {basic_calls, MM_COUNT(basic_calls)};

/* libev. */
static const struct mm_filter_call loop_calls[] = {
    MM_CALL("epoll_create1"),
    MM_CALL("epoll_ctl"),
    MM_CALL("epoll_wait"),
    MM_CALL("epoll_pwait"),
    MM_CALL("eventfd2"),
    MM_CALL("timerfd_create"),
    MM_CALL("timerfd_settime"),
    MM_CALL("timerfd_gettime"),
    MM_CALL("dup"),
    MM_CALL("dup3"),
};
static const struct mm_filter_list loop = {loop_calls, MM_COUNT(loop_calls)};

/* Connections that came in, and images on their way; no socket of its own. */
static const struct mm_filter_call gate_calls[] = {
    MM_CALL("accept4"),
    MM_CALL("recvfrom"),
    MM_CALL("sendto"),
    MM_CALL("readv"),
    MM_CALL("writev"),
    MM_CALL("shutdown"),
    MM_CALL("getsockname"),
    MM_CALL("getpeername"),
    MM_CALL("getsockopt"),
    MM_CALL("setsockopt"),
    MM_CALL("memfd_create"),
    MM_CALL("ftruncate"),
    MM_CALL("pread64"),
    MM_CALL("pwrite64"),
};
static const struct mm_filter_list gate = {gate_calls, MM_COUNT(gate_calls)};

/* SQLite, and files written beside and renamed; Landlock says where. */
static const struct mm_filter_call files_calls[] = {
    MM_CALL("open"),
    MM_CALL("openat"),
    MM_CALL("stat"),
    MM_CALL("lstat"),
    MM_CALL("newfstatat"),
    MM_CALL("access"),
    MM_CALL("faccessat"),
    MM_CALL("faccessat2"),
    MM_CALL("readlink"),
    MM_CALL("readlinkat"),
    MM_CALL("getcwd"),
    MM_CALL("getdents64"),
    MM_CALL("statfs"),
    MM_CALL("fstatfs"),
    MM_CALL("pread64"),
    MM_CALL("pwrite64"),
    MM_CALL("readv"),
    MM_CALL("writev"),
    MM_CALL("fsync"),
    MM_CALL("fdatasync"),
    MM_CALL("ftruncate"),
    MM_CALL("fallocate"),
    MM_CALL("fadvise64"),
    MM_CALL("flock"),
    MM_CALL("fchmod"),
    MM_CALL("fchown"),
    MM_CALL("utimensat"),
    MM_CALL("rename"),
    MM_CALL("renameat"),
    MM_CALL("renameat2"),
    MM_CALL("link"),
    MM_CALL("linkat"),
    MM_CALL("unlink"),
    MM_CALL("unlinkat"),
    MM_CALL("mkdir"),
    MM_CALL("mkdirat"),
    MM_CALL("rmdir"),
    MM_CALL("umask"),
    MM_CALL("geteuid"),
    MM_CALL("getuid"),
    MM_CALL("dup"),
};
static const struct mm_filter_list files = {files_calls, MM_COUNT(files_calls)};

/* The authority makes the channel to an inspector, and holds a CRL for the
 * token. */
static const struct mm_filter_call pair_calls[] = {
    MM_CALL_IF("socketpair", 0, UINT32_MAX, AF_UNIX),
    MM_CALL("setsockopt"),
    MM_CALL("memfd_create"),
};
static const struct mm_filter_list pair = {pair_calls, MM_COUNT(pair_calls)};

/* The inspector keeps a copy of what it has read, in the file that it was
 * given, or reads one in a copy of its own. */
static const struct mm_filter_call copy_calls[] = {
    MM_CALL("memfd_create"),
    MM_CALL("sendfile"),
    MM_CALL("fsync"),
};
static const struct mm_filter_list copy = {copy_calls, MM_COUNT(copy_calls)};

/*
 * SoftHSM tells syslog what fails. It goes on without the socket that this
 * takes, and the fault is told as the PKCS#11 error that it is.
 */
static const struct mm_filter_call syslog_calls[] = {
    MM_CALL_FAILS_IF("socket", 0, UINT32_MAX, AF_UNIX, EACCES),
};
static const struct mm_filter_list no_syslog = {
    syslog_calls, MM_COUNT(syslog_calls)};

/*
 * What modules of vendors need on top: threads (never processes), sockets
 * to an HSM or to pcscd, devices. SoftHSM needs none of it.
 */
static const struct mm_filter_call vendor_calls[] = {
    MM_CALL_IF("clone", 0, CLONE_THREAD, CLONE_THREAD),
    MM_CALL_FAILS("clone3", ENOSYS), /* glibc then uses clone */
    MM_CALL("set_robust_list"),
    MM_CALL("rseq"),
    MM_CALL_IF("prctl", 0, UINT32_MAX, PR_SET_NAME),
    MM_CALL("sched_getaffinity"),
    MM_CALL("sched_setscheduler"),
    MM_CALL("sched_getparam"),
    MM_CALL("sched_getscheduler"),
    MM_CALL("socket"),
    MM_CALL("socketpair"),
    MM_CALL("connect"),
    MM_CALL("bind"),
    MM_CALL("sendto"),
    MM_CALL("recvfrom"),
    MM_CALL("sendmmsg"),
    MM_CALL("shutdown"),
    MM_CALL("getsockname"),
    MM_CALL("getpeername"),
    MM_CALL("getsockopt"),
    MM_CALL("setsockopt"),
    MM_CALL("select"),
    MM_CALL("pselect6"),
    MM_CALL("ioctl"),
    MM_CALL("pipe2"),
    MM_CALL("uname"),
    MM_CALL("sysinfo"),
    MM_CALL("getgid"),
    MM_CALL("getegid"),
    MM_CALL("nanosleep"),
    MM_CALL("mincore"),
};
static const struct mm_filter_list vendor = {
    vendor_calls, MM_COUNT(vendor_calls)};

/*
 * Only in builds with sanitizers, which look around before they report a
 * fault. No process is weakened in what it is tested for: there is still no
 * file, socket or process to be had.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
static const struct mm_filter_call sanitizer_calls[] = {
    MM_CALL("sched_getaffinity"),
    MM_CALL("getppid"),
    MM_CALL_FAILS("ioctl", ENOTTY),
    MM_CALL_FAILS("readlink", EACCES),
};
#else
static const struct mm_filter_call sanitizer_calls[1] = {MM_CALL("exit")};
#endif
static const struct mm_filter_list sanitizer = {
    sanitizer_calls, MM_COUNT(sanitizer_calls)};

/* --- the table of roles --- */

enum {
	PATHS_MAX = 32,
	LISTS_MAX = 5,
	DESCRIPTORS = 256, /* what channels, libraries and files need */
	INSPECTOR_SECONDS = 10,
	LOCKED_BYTES = 256 << 20 /* mlockall with less breaks SoftHSM */
};

#define SETTING(member) offsetof(struct mm_settings, member)

static const struct role {
	/* Directories of the settings, READ or WRITE. */
	struct {
		size_t setting;
		enum mm_landlock_access access;
	} paths[4];
	size_t path_count;
	const struct mm_filter_list *lists[LISTS_MAX];
	size_t list_count;
	bool database;  /* SQLite seeds itself from /dev/urandom */
	bool secrets;   /* its memory stays out of the swap */
	rlim_t seconds; /* of CPU; 0: no limit */
} roles[MM_PROCESSES] = {
    [MM_GATE] = {.lists = {&basic, &loop, &gate}, .list_count = 3},
    [MM_AUTHORITY] = {.paths = {{SETTING(index), MM_LANDLOCK_WRITE}},
	.path_count = 1,
	.lists = {&basic, &loop, &files, &pair},
	.list_count = 4,
	.database = true},
    [MM_NOTARY] = {.paths = {{SETTING(state), MM_LANDLOCK_WRITE},
		       {SETTING(anchor), MM_LANDLOCK_WRITE},
		       {SETTING(log_key), MM_LANDLOCK_WRITE}},
	.path_count = 3,
	.lists = {&basic, &files},
	.list_count = 2,
	.database = true,
	.secrets = true},
    /* The archive's own filter and these rights keep the store unwritten. */
    [MM_ARCHIVE] = {.paths = {{SETTING(state), MM_LANDLOCK_READ},
			{SETTING(tiles), MM_LANDLOCK_WRITE}},
	.path_count = 2,
	.lists = {&basic, &files},
	.list_count = 2,
	.database = true},
    [MM_TOKEN] = {.paths = {{SETTING(token_state), MM_LANDLOCK_WRITE},
		      {SETTING(token_module), MM_LANDLOCK_READ},
		      {SETTING(token_pin_file), MM_LANDLOCK_READ}},
	.path_count = 3,
	.lists = {&basic, &files},
	.list_count = 2,
	.secrets = true},
    [MM_INSPECTOR] = {.lists = {&basic, &copy},
	.list_count = 2,
	.seconds = INSPECTOR_SECONDS},
};

/* What loading a PKCS#11 module reads, wherever it is installed. */
static const char *const module_paths[] = {"/usr/lib", "/usr/lib64",
    "/usr/local/lib", "/lib", "/lib64", "/etc", "/usr/share/p11-kit",
    "/dev/urandom", "/dev/null"};

/* --- before anything is opened --- */

static enum mm_error
limit(int which, rlim_t wanted)
{
	struct rlimit now, next;

	if (getrlimit((__rlimit_resource_t)which, &now) < 0)
		return mm_fail(MM_E_SYSTEM, "getrlimit: %s", strerror(errno));
	next.rlim_cur = next.rlim_max =
	    wanted < now.rlim_max ? wanted : now.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &next) < 0)
		return mm_fail(MM_E_SYSTEM, "setrlimit: %s", strerror(errno));
	return MM_OK;
}

static enum mm_error
set_limits(const struct mm_configure *configure)
{
	const struct mm_settings *settings = &configure->settings;
	const struct role *role = &roles[configure->process];
	rlim_t descriptors = DESCRIPTORS;
	enum mm_error error;

	if (configure->process == MM_GATE)
		descriptors += settings->connections + settings->uploads;
	error = limit(RLIMIT_CORE, 0);
	if (error == MM_OK)
		error = limit(RLIMIT_NOFILE, descriptors);
	if (error == MM_OK && role->seconds != 0)
		error = limit(RLIMIT_CPU, role->seconds);
	/* Its copy of an image lies on the disk that the log is on. */
	if (error == MM_OK && configure->process == MM_INSPECTOR)
		error = limit(RLIMIT_FSIZE, settings->image_max);
	return error;
}

/* Also for root without a user of its own: uid 0 alone opens few doors. */
static enum mm_error
drop_privileges(void)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	/* Ends where the kernel knows no more, or where we may not anyway. */
	for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0;)
		i++;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, none) < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot drop privileges: %s", strerror(errno));
	return MM_OK;
}

static void
lock_memory(void)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_MEMLOCK, &now) < 0 || now.rlim_cur < LOCKED_BYTES)
		return;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		mm_journal(MM_LEVEL_WARNING, "memory-unlocked", "mlockall: %s",
		    strerror(errno));
}

/* The paths of one role, as C strings. */
struct paths {
	struct mm_landlock_path list[PATHS_MAX];
	char text[PATHS_MAX][PATH_MAX];
	size_t count;
};

static void
add_path(struct paths *paths, struct mm_span path,
    enum mm_landlock_access access, bool optional)
{
	size_t i = paths->count;

	/* What does not fit cannot be opened: it errs to the safe side. */
	if (i == PATHS_MAX || path.size == 0)
		return;
	paths->list[i].path = mm_span_string(path, paths->text[i], PATH_MAX);
	paths->list[i].access = access;
	paths->list[i].optional = optional;
	paths->count++;
}

static void
add_module_paths(const struct mm_settings *settings, struct paths *paths)
{
	enum mm_landlock_access access =
	    settings->token_vendor ? MM_LANDLOCK_DEVICES : MM_LANDLOCK_WRITE;

	for (size_t i = 0; i < MM_COUNT(module_paths); i++)
		add_path(paths, mm_span_text(module_paths[i]), MM_LANDLOCK_READ,
		    true);
	for (mm_list_each(
		 const struct mm_text_item, path, settings->token_paths))
		add_path(paths, path->value, access, true);
}

static struct mm_span
path_setting(const struct mm_settings *settings, size_t offset)
{
	struct mm_span path;

	memcpy(&path, (const char *)settings + offset, sizeof(path));
	return path;
}

static enum mm_error
restrict_files(const struct mm_configure *configure)
{
	const struct mm_settings *settings = &configure->settings;
	const struct role *role = &roles[configure->process];
	bool token = configure->process == MM_TOKEN;
	static struct paths paths;

	for (size_t i = 0; i < role->path_count; i++)
		add_path(&paths, path_setting(settings, role->paths[i].setting),
		    role->paths[i].access, token);
	if (role->database)
		add_path(&paths, mm_span_text("/dev/urandom"), MM_LANDLOCK_READ,
		    true);
	if (token)
		add_module_paths(settings, &paths);
	return mm_landlock(
	    paths.list, paths.count, token && settings->token_vendor);
}

enum mm_error
mm_sandbox_begin(const struct mm_configure *configure)
{
	static bool begun;
	enum mm_error error;

	if (begun)
		return MM_OK;
	error = set_limits(configure);
	if (error == MM_OK)
		error = drop_privileges();
	if (error == MM_OK && roles[configure->process].secrets)
		lock_memory();
	if (error == MM_OK)
		error = restrict_files(configure);
	begun = error == MM_OK;
	return error;
}

/* --- after everything is open --- */

enum mm_error
mm_sandbox_close(const struct mm_configure *configure)
{
	static bool closed;
	const struct role *role = &roles[configure->process];
	const struct mm_filter_list *lists[LISTS_MAX + 2];
	/* abort() and raise() signal this process alone. */
	const struct mm_filter_call self_calls[] = {
	    MM_CALL_IF("tgkill", 0, UINT32_MAX, (scmp_datum_t)getpid())};
	const struct mm_filter_list self = {self_calls, 1};
	size_t count = 0;
	enum mm_error error;

	if (closed)
		return MM_OK;
	for (; count < role->list_count; count++)
		lists[count] = role->lists[count];
	lists[count++] = &self;
	lists[count++] = &sanitizer;
	if (configure->process == MM_TOKEN)
		lists[count++] =
		    configure->settings.token_vendor ? &vendor : &no_syslog;
	error = mm_filter_close(lists, count);
	closed = error == MM_OK;
	return error;
}
