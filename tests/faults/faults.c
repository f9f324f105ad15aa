/*
 * Linked into a mintmarkd of its own: this program's write, fsync, malloc and
 * so on stand before the C library's, for every library. They make the call,
 * or do to it what the page orders. Everything goes straight to the kernel,
 * so that the sandbox sees the same calls as in the real program.
 */
#include "tests/faults/page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "protocol/channel.h"
#include "server/filter.h"

static struct faults_page *page;
static uint64_t role;

/* --- the page --- */

static void
find_role(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		for (uint64_t n = 0; n < MM_PROCESSES; n++)
			if (strcmp(argv[i], "--role") == 0 &&
			    strcmp(argv[i + 1], mm_process_name(n)) == 0)
				role = n;
}

/* Before main(), which closes the doors. Without a file there are no faults. */
__attribute__((constructor)) static void
open_page(int argc, char **argv)
{
	char path[PATH_MAX + sizeof(FAULTS_SUFFIX)];
	ssize_t size = readlink("/proc/self/exe", path, PATH_MAX);
	void *mapped;
	int fd;

	if (size <= 0)
		return;
	memcpy(path + size, FAULTS_SUFFIX, sizeof(FAULTS_SUFFIX));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	mapped =
	    mmap(NULL, FAULTS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	find_role(argc, argv);
	if (mapped != MAP_FAILED)
		page = mapped;
}

static uint64_t
load(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_SEQ_CST);
}

static void
store(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_SEQ_CST);
}

/* The one way that every sandbox leaves open. */
_Noreturn static void
die(void)
{
	for (;;)
		syscall(
		    SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGKILL);
}

static void
nap(void)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};

	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &millisecond, NULL);
}

static void
hold(void)
{
	store(&page->held, (uint64_t)getpid());
	while (load(&page->go_on) == 0)
		nap();
}

enum faults_action
faults_next(enum faults_operation operation)
{
	enum faults_action action;

	if (page == NULL)
		return FAULTS_NONE;
	__atomic_add_fetch(&page->counts[role][operation], 1, __ATOMIC_SEQ_CST);
	if (load(&page->role) != role ||
	    load(&page->operation) != (uint64_t)operation ||
	    __atomic_load_n(&page->countdown, __ATOMIC_SEQ_CST) <= 0 ||
	    __atomic_fetch_sub(&page->countdown, 1, __ATOMIC_SEQ_CST) != 1)
		return FAULTS_NONE;
	action = (enum faults_action)load(&page->action);
	store(&page->struck, (uint64_t)getpid());
	if (action == FAULTS_BEFORE)
		die();
	if (action == FAULTS_HOLD_BEFORE)
		hold();
	while (action == FAULTS_HANG)
		nap();
	return action;
}

int
faults_done(enum faults_action action)
{
	if (action == FAULTS_AFTER || action == FAULTS_TORN)
		die();
	if (action == FAULTS_HOLD_AFTER)
		hold();
	return action == FAULTS_LIE;
}

uint64_t
faults_cause(void)
{
	return load(&page->cause);
}

/* What a system call says in the end. */
static long
end(enum faults_action action, long result)
{
	if (faults_done(action)) {
		errno = (int)faults_cause();
		return -1;
	}
	return result;
}

static bool
fails(enum faults_action action)
{
	if (action == FAULTS_FAIL)
		errno = (int)faults_cause();
	return action == FAULTS_FAIL;
}

/* --- files --- */

static bool
is_half(enum faults_action action)
{
	return action == FAULTS_HALF || action == FAULTS_TORN;
}

static enum faults_action
next_write(int fd)
{
	return fd <= STDERR_FILENO ? FAULTS_NONE : faults_next(FAULTS_WRITE);
}

ssize_t
write(int fd, const void *data, size_t size)
{
	enum faults_action action = next_write(fd);

	if (fails(action))
		return -1;
	if (is_half(action) && size > 1)
		size /= 2;
	return end(action, syscall(SYS_write, fd, data, size));
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	enum faults_action action = next_write(fd);

	if (fails(action))
		return -1;
	if (is_half(action) && size > 1)
		size /= 2;
	return end(action, syscall(SYS_pwrite64, fd, data, size, offset));
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return pwrite64(fd, data, size, offset);
}

/* An image is copied with it. */
ssize_t
sendfile(int to, int from, off_t *at, size_t size)
{
	enum faults_action action = next_write(to);

	if (fails(action))
		return -1;
	if (is_half(action) && size > 1)
		size /= 2;
	return end(action, syscall(SYS_sendfile, to, from, at, size));
}

int
fsync(int fd)
{
	enum faults_action action = faults_next(FAULTS_FSYNC);

	return fails(action) ? -1 : (int)end(action, syscall(SYS_fsync, fd));
}

int
fdatasync(int fd)
{
	enum faults_action action = faults_next(FAULTS_FSYNC);

	return fails(action) ? -1
			     : (int)end(action, syscall(SYS_fdatasync, fd));
}

int
rename(const char *from, const char *to)
{
	enum faults_action action = faults_next(FAULTS_RENAME);

	return fails(action) ? -1
			     : (int)end(action, syscall(SYS_rename, from, to));
}

int
renameat(int from_at, const char *from, int to_at, const char *to)
{
	enum faults_action action = faults_next(FAULTS_RENAME);

	return fails(action) ? -1
			     : (int)end(action, syscall(SYS_renameat, from_at,
						    from, to_at, to));
}

/* --- messages: ours are wrapped by the linker, GnuTLS's are not --- */

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

static ssize_t
send_half(int fd, const struct msghdr *message, int flags)
{
	struct iovec part = message->msg_iov[0];
	struct msghdr half = *message;
	ssize_t put;

	part.iov_len = part.iov_len > 1 ? part.iov_len / 2 : 1;
	half.msg_iov = &part;
	half.msg_iovlen = 1;
	put = syscall(SYS_sendmsg, fd, &half, flags);
	return put < 0 ? put : (ssize_t)message->msg_iov[0].iov_len;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	enum faults_action action = faults_next(FAULTS_SEND);

	if (fails(action))
		return -1;
	if (action == FAULTS_DROP)
		return (ssize_t)message->msg_iov[0].iov_len;
	if (action == FAULTS_HALF)
		return send_half(fd, message, flags);
	if (action == FAULTS_TWICE)
		syscall(SYS_sendmsg, fd, message, flags);
	return end(action, syscall(SYS_sendmsg, fd, message, flags));
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	enum faults_action action = faults_next(FAULTS_TLS);

	if (fails(action))
		return -1;
	return end(action, syscall(SYS_sendmsg, fd, message, flags));
}

ssize_t
send(int fd, const void *data, size_t size, int flags)
{
	enum faults_action action = faults_next(FAULTS_TLS);

	if (fails(action))
		return -1;
	return end(action, syscall(SYS_sendto, fd, data, size, flags, NULL, 0));
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	enum faults_action action = faults_next(FAULTS_TLS);

	if (fails(action))
		return -1;
	return end(action, syscall(SYS_writev, fd, parts, count));
}

/* --- SQLite --- */

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __real_sqlite3_extended_errcode(sqlite3 *db);
int __wrap_sqlite3_extended_errcode(sqlite3 *db);

static int step_said; /* what the last step said that SQLite did not */

int
__wrap_sqlite3_step(sqlite3_stmt *statement)
{
	enum faults_action action = faults_next(FAULTS_STEP);
	int code;

	step_said = 0;
	if (action == FAULTS_FAIL) {
		step_said = (int)faults_cause();
		return step_said;
	}
	code = __real_sqlite3_step(statement);
	if (faults_done(action))
		code = step_said = (int)faults_cause();
	return code;
}

int
__wrap_sqlite3_extended_errcode(sqlite3 *db)
{
	return step_said != 0 ? step_said : __real_sqlite3_extended_errcode(db);
}

/* libseccomp 2.5 loops or frees twice where it has no memory. */
static bool spared;

enum mm_error __real_mm_filter_close(
    const struct mm_filter_list *const lists[], size_t count);
enum mm_error __wrap_mm_filter_close(
    const struct mm_filter_list *const lists[], size_t count);

enum mm_error
__wrap_mm_filter_close(const struct mm_filter_list *const lists[], size_t count)
{
	enum mm_error error;

	spared = true;
	error = __real_mm_filter_close(lists, count);
	spared = false;
	return error;
}

/* --- memory: a sanitizer brings its own --- */

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool
no_memory(void)
{
	enum faults_action action =
	    spared ? FAULTS_NONE : faults_next(FAULTS_ALLOC);

	if (action == FAULTS_FAIL)
		errno = ENOMEM;
	return action == FAULTS_FAIL;
}

void *
malloc(size_t size)
{
	return no_memory() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return no_memory() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return no_memory() ? NULL : __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return no_memory() ? NULL : __libc_memalign(alignment, size);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	void *got = no_memory() ? NULL : __libc_memalign(alignment, size);

	if (got == NULL)
		return ENOMEM;
	*out = got;
	return 0;
}
#endif

/* --- the wall clock --- */

static int64_t
wrong_by(clockid_t clock)
{
	bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;

	return wall && page != NULL
		   ? __atomic_load_n(&page->clock, __ATOMIC_SEQ_CST)
		   : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int status = (int)syscall(SYS_clock_gettime, clock, out);

	if (status == 0)
		out->tv_sec += wrong_by(clock);
	return status;
}

time_t
time(time_t *out)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now = {0};
	int status = clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return status;
}
