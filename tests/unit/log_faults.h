/*
 * Faults for the tests of the log: this program's own pwrite, fsync and so on
 * stand before the C library's, for SQLite too. The Nth call fails or ends
 * the process, in each way that a disk or a power cut has.
 */
#ifndef MM_LOG_FAULTS_H
#define MM_LOG_FAULTS_H

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum fault {
	FAULT_NONE,
	FAULT_FAIL,   /* the call does not happen, and says `cause` */
	FAULT_LIE,    /* it happens, and says `cause` */
	FAULT_BEFORE, /* the process ends before it */
	FAULT_AFTER,  /* and after it */
	FAULT_TORN    /* and in the middle of a write */
};

static struct {
	enum fault fault;
	long at;    /* the call that fails, from 1; 0: none */
	long count; /* calls so far */
	int cause;
	bool lasting;         /* all from that call on */
	bool writes, flushes; /* which calls count */
	bool struck;
	bool lazy; /* flushes are left out, for speed */
} faults;

static inline void
fault_arm(enum fault fault, long at, int cause)
{
	faults.fault = fault;
	faults.at = at;
	faults.count = 0;
	faults.cause = cause;
	faults.lasting = false;
	faults.writes = faults.flushes = true;
	faults.struck = false;
}

static inline void
fault_disarm(void)
{
	faults.fault = FAULT_NONE;
	faults.at = 0;
}

/* What this call gets. */
static inline enum fault
fault_next(bool is_write)
{
	if (faults.fault == FAULT_NONE ||
	    !(is_write ? faults.writes : faults.flushes))
		return FAULT_NONE;
	faults.count++;
	if (faults.count != faults.at &&
	    !(faults.lasting && faults.count > faults.at))
		return FAULT_NONE;
	faults.struck = true;
	if (faults.fault == FAULT_BEFORE)
		_exit(0);
	return faults.fault;
}

static inline long
fault_end(enum fault fault, long result)
{
	if (fault == FAULT_AFTER || fault == FAULT_TORN)
		_exit(0);
	if (fault == FAULT_LIE) {
		errno = faults.cause;
		return -1;
	}
	return result;
}

static inline ssize_t
fault_pwrite(int fd, const void *data, size_t size, off_t offset)
{
	enum fault fault = fault_next(true);

	if (fault == FAULT_FAIL) {
		errno = faults.cause;
		return -1;
	}
	if (fault == FAULT_TORN)
		size /= 2;
	return fault_end(fault, syscall(SYS_pwrite64, fd, data, size, offset));
}

static inline int
fault_flush(long number, int fd)
{
	enum fault fault = fault_next(false);

	if (fault == FAULT_FAIL) {
		errno = faults.cause;
		return -1;
	}
	return (int)fault_end(fault, faults.lazy ? 0 : syscall(number, fd));
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return fault_pwrite(fd, data, size, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	return fault_pwrite(fd, data, size, offset);
}

int
fsync(int fd)
{
	return fault_flush(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return fault_flush(SYS_fdatasync, fd);
}

#endif
