/*
 * The page over which a test gives orders to the processes of a mint: which
 * call, in which role, fails in which way. It is a file beside the program,
 * mapped by every process before main(), and by the test (matrix.py, which
 * knows these offsets).
 */
#ifndef MM_FAULTS_PAGE_H
#define MM_FAULTS_PAGE_H

#include <stdint.h>

/* The program's path with this behind it. */
#define FAULTS_SUFFIX ".faults"

enum { FAULTS_ROLES = 8, FAULTS_OPERATIONS = 16, FAULTS_PAGE = 4096 };

enum faults_operation {
	FAULTS_WRITE,  /* into a file or memfd; not the lines on stderr */
	FAULTS_FSYNC,  /* and fdatasync() */
	FAULTS_RENAME, /* a file into its place */
	FAULTS_STEP,   /* sqlite3_step() by our code */
	FAULTS_ALLOC,  /* malloc() and its kin, of libraries as well */
	FAULTS_SEND,   /* a message to another of our processes */
	FAULTS_TLS,    /* bytes to a client */
	FAULTS_INIT,   /* C_SignInit() */
	FAULTS_SIGN    /* C_Sign() */
};

enum faults_action {
	FAULTS_NONE,
	FAULTS_FAIL,   /* it does not happen, and says `cause` */
	FAULTS_LIE,    /* it happens, and says `cause` */
	FAULTS_DROP,   /* it does not happen, and says that it did */
	FAULTS_HALF,   /* half of the bytes; the call says so, a message not */
	FAULTS_TWICE,  /* a message, and the same once more */
	FAULTS_FLIP,   /* a signature with one bit changed */
	FAULTS_BEFORE, /* the process is killed before it */
	FAULTS_AFTER,  /* and after it */
	FAULTS_TORN,   /* and with half of it done */
	FAULTS_HOLD_BEFORE, /* the process waits for `go_on` before it */
	FAULTS_HOLD_AFTER,  /* and after it */
	FAULTS_HANG         /* and for ever */
};

struct faults_page {
	int64_t clock; /* seconds that the wall clock is wrong */
	/* The order; the test writes countdown last. */
	uint64_t role, operation, action, cause;
	int64_t countdown; /* this call from now on; 0: none */
	uint64_t struck;   /* the process that was, or 0 */
	uint64_t held;     /* the process that waits */
	uint64_t go_on;
	uint64_t counts[FAULTS_ROLES][FAULTS_OPERATIONS];
};
_Static_assert(sizeof(struct faults_page) <= FAULTS_PAGE, "it is one page");

/*
 * For a call that is about to be made: what shall happen to it. Where the
 * process is to end, wait or hang before the call, that has happened.
 */
enum faults_action faults_next(enum faults_operation operation);
/* The same after the call; true where it shall say faults_cause(). */
int faults_done(enum faults_action action);
uint64_t faults_cause(void);

#endif
