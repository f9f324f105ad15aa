/*
 * The seccomp filter: a list of system calls that stay; any other ends the
 * process at once (SIGSYS).
 */
#ifndef MM_FILTER_H
#define MM_FILTER_H

#include <seccomp.h>

#include "protocol/bytes.h"

struct mm_filter_call {
	const char *name; /* unknown on this architecture: no matter */
	bool conditional; /* only `when` an argument is so */
	struct scmp_arg_cmp when;
	int refuse; /* not 0: fails with this errno instead */
};

/* Rows: a call; a call where argument i, masked, has this value; a call that
 * programs do without, once it fails with this errno. */
#define MM_CALL(name) \
	{ \
		name, false, {0, 0, 0, 0}, 0 \
	}
#define MM_CALL_IF(name, i, mask, value) \
	{ \
		name, true, {i, SCMP_CMP_MASKED_EQ, mask, value}, 0 \
	}
#define MM_CALL_FAILS(name, error) \
	{ \
		name, false, {0, 0, 0, 0}, error \
	}
#define MM_CALL_FAILS_IF(name, i, mask, value, error) \
	{ \
		name, true, {i, SCMP_CMP_MASKED_EQ, mask, value}, error \
	}

struct mm_filter_list {
	const struct mm_filter_call *calls;
	size_t count;
};

/* Closes the filter over the lists' union. MM_E_SYSTEM. */
enum mm_error mm_filter_close(
    const struct mm_filter_list *const lists[], size_t count) mm_must_use;

#endif
