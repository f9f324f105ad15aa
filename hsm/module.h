/*
 * A PKCS#11 module as a file: its function list (PKCS #11 v2.40 section 5.4),
 * which libp11 does not hand out. dlopen() counts, so that this is the same
 * module that libp11 has loaded, with the same login.
 */
#ifndef MM_MODULE_H
#define MM_MODULE_H

#include <p11-kit/pkcs11.h>

#include "protocol/error.h"

struct mm_module {
	void *library;
	CK_FUNCTION_LIST *call;
};

/* MM_E_MODULE where there is no such file or it is no PKCS#11 module. */
enum mm_error
mm_module_open(const char *path, struct mm_module *out) mm_must_use;
void mm_module_close(struct mm_module *module);

/* MM_E_TOKEN with the function's name and what it said. */
enum mm_error mm_module_failed(const char *function, CK_RV rv);

#endif
