/*
 * The rules of a product, one function each, for the table of rules.c.
 *
 *   rules.c          all of them, in their order
 *   rules_image.c    what the image is
 *   rules_version.c  which version it is
 *   rules_signing.c  how it is to be signed
 */
#ifndef MM_RULES_PARTS_H
#define MM_RULES_PARTS_H

#include "policy/rules.h"

/* One rule: its verdict, and appended to `why` what was found and what was
 * wanted. Those that look into the image are asked only where there is one. */
typedef uint64_t
mm_rule(const struct mm_rules_facts *facts, struct mm_buffer *why);

mm_rule mm_rule_format, mm_rule_chip, mm_rule_project, mm_rule_whole,
    mm_rule_size, mm_rule_slot;
mm_rule mm_rule_version, mm_rule_version_order, mm_rule_clean,
    mm_rule_secure_version;
mm_rule mm_rule_schemes, mm_rule_unsigned, mm_rule_carries, mm_rule_certificate;

/* Appends one more reason, and is the verdict. */
uint64_t mm_rule_say_(struct mm_buffer *why, uint64_t verdict,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
#define PASS(...) mm_rule_say_(why, MM_RULE_PASSED, __VA_ARGS__)
#define FAIL(...) mm_rule_say_(why, MM_RULE_FAILED, __VA_ARGS__)
#define SILENT(...) mm_rule_say_(why, MM_RULE_SILENT, __VA_ARGS__)
/* A reason of several: the verdict comes at their end. */
#define TELL(...) (void)mm_rule_say_(why, 0, __VA_ARGS__)

#endif
