/*
 * A profile as people write it in a policy's text (conf/profiles.conf).
 */
#ifndef MM_PROFILE_TEXT_H
#define MM_PROFILE_TEXT_H

#include "ca/profile.h"
#include "policy/grammar.h"

enum { MM_PROFILE_TEXT_KEYS = 14 };

/* What may stand in a section "profile", for a struct mm_profile. */
extern const struct mm_grammar_key mm_profile_text_keys[MM_PROFILE_TEXT_KEYS];

/*
 * What a text leaves open, once all of it is read (a list of struct
 * mm_profile in an arena, written to): a CA that signs CRLs and does not say
 * for how long signs them for 7 days.
 */
void mm_profile_texts_settle(const struct mm_list *profiles);

#endif
