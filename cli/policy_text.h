/*
 * The text of conf/policy.conf, built in: what `mintmark quickstart` starts
 * from.
 */
#ifndef MM_POLICY_TEXT_H
#define MM_POLICY_TEXT_H

#include "protocol/bytes.h"

struct mm_span mm_policy_text(void);

#endif
