/*
 * The files of one result, PREFIX and a suffix each, and where nothing else
 * is said the PREFIX of a device.
 */
#ifndef MM_RESULT_FILES_H
#define MM_RESULT_FILES_H

#include <limits.h>

#include "cli/command.h"

/* --out, or else the name with everything but A-Z a-z 0-9 . _ - made `_`. */
enum mm_error mm_result_prefix(const struct mm_invocation *invocation,
    struct mm_span name, char out[PATH_MAX]) mm_must_use;

/* Whether the files can be written: asked before anything is signed.
 * MM_E_EXISTS, MM_E_FILE. */
enum mm_error mm_results_check(const struct mm_invocation *invocation,
    const char *prefix, const char *const *suffixes, size_t count) mm_must_use;

/* Writes one and puts its path into `report` under `key`. */
enum mm_error mm_result_write(const struct mm_invocation *invocation,
    const char *prefix, const char *suffix, struct mm_span bytes,
    const char *key, json_t *report) mm_must_use;
/* The same with DER certificates, as PEM; none make no file, and null. */
enum mm_error mm_result_certificates(const struct mm_invocation *invocation,
    const char *prefix, const char *suffix, const struct mm_list *chain,
    const char *key, json_t *report) mm_must_use;

#endif
