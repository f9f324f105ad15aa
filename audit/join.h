/*
 * Inside audit: what the facts (audit/facts.h) of the whole log come to. The
 * ledger is read twice: first it is found whose serial numbers were revoked
 * and what is there only once, then which certificate of a device was live
 * when another one came.
 */
#ifndef MM_AUDIT_JOIN_H
#define MM_AUDIT_JOIN_H

#include "audit/revoked.h"

/* MM_E_LOG_WRONG names the entry that cannot be there; revocations know their
 * issuers afterwards. */
enum mm_error mm_facts_judge(
    struct mm_ledger *ledger, struct mm_revocations *revocations) mm_must_use;

#endif
