/*
 * An auditor's whole check of a log, entry after entry from the first,
 * wherever they come from: the tree, the entries' meaning (log/meaning.h),
 * and every signature of a certificate or an image by the key that genesis
 * names for it.
 */
#ifndef MM_AUDIT_H
#define MM_AUDIT_H

#include "log/verify.h"

struct mm_audit;

enum mm_error
mm_audit_new(const struct mm_vkey *vkey, struct mm_audit **out) mm_must_use;
void mm_audit_free(struct mm_audit *audit);

/*
 * The next entry: MM_E_ENTRY where it cannot be read, MM_E_LOG_WRONG where
 * it contradicts what came before or a signature does not verify; mm_why()
 * names the entry. There is no going on after an error.
 */
enum mm_error
mm_audit_add(struct mm_audit *audit, struct mm_span entry) mm_must_use;

struct mm_audit_report {
	struct mm_log_report log;
	uint64_t unsigned_entries; /* neither signature nor void, yet */
};
/* The entries are all of the checkpoint and make its root: MM_E_LOG_WRONG. */
enum mm_error mm_audit_end(const struct mm_audit *audit,
    const struct mm_checkpoint *checkpoint,
    struct mm_audit_report *out) mm_must_use;

#endif
