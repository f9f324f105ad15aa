/*
 * What is allowed in a policy and yet unwise: what `mintmark policy check`
 * says beside errors.
 */
#ifndef MM_ADVICE_H
#define MM_ADVICE_H

#include "policy/document.h"

/* `line` of the text that it is about, 0: of it all. `text` lives as long as
 * the call. */
typedef void mm_advice_teller(void *context, unsigned line, const char *text);

/*
 * Compiles the text, and where it compiles tells what is unwise, by rule and
 * then by line. Which certificate a key has stands in the ceremony and not
 * here: the profile called like the key, or like it with "-ca", is taken for
 * it. MM_E_POLICY with file and line, as mm_policy_compile().
 */
enum mm_error mm_policy_advise(
    const char *path, mm_advice_teller *tell, void *context) mm_must_use;

#endif
