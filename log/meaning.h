/*
 * Whether a log's entries make sense, told one after the other from the
 * first: the kinds are known and read strictly; entry 0 alone is genesis and
 * names this log; time never runs backwards; each entry names the policy that
 * is in force; a certificate rests on an earlier entry and no TBS is there
 * twice; signatures and voids speak of earlier certificates and images, and
 * of each only once.
 */
#ifndef MM_MEANING_H
#define MM_MEANING_H

#include "log/verify.h"

struct mm_meaning;

enum mm_error
mm_meaning_new(const struct mm_vkey *vkey, struct mm_meaning **out) mm_must_use;
void mm_meaning_free(struct mm_meaning *meaning);

/*
 * The next entry: MM_E_ENTRY where it cannot be read, MM_E_LOG_WRONG where it
 * contradicts what came before; mm_why() names the entry. There is no going
 * on after an error.
 */
enum mm_error
mm_meaning_add(struct mm_meaning *meaning, struct mm_span entry) mm_must_use;
/* What was counted so far; `root` is left zero. */
const struct mm_log_report *mm_meaning_report(const struct mm_meaning *meaning);

#endif
