/*
 * A product as people write it in a policy's text (conf/policy.conf).
 */
#ifndef MM_PRODUCT_TEXT_H
#define MM_PRODUCT_TEXT_H

#include "policy/document.h"
#include "policy/grammar.h"

/* Begins with the name, as the grammar wants it. */
struct mm_product_text {
	struct mm_product product;
	struct mm_span table; /* path of a partition table, as written */
};

enum { MM_PRODUCT_TEXT_KEYS = 14 };

/* What may stand in a section "product". */
extern const struct mm_grammar_key mm_product_text_keys[MM_PRODUCT_TEXT_KEYS];

/* A signing, as an item of a list: MM_E_SCHEME. */
enum mm_error mm_read_signing(const struct mm_grammar_key *key,
    const char *value, struct mm_arena *arena, void *member) mm_must_use;

/*
 * What a text leaves open, once all of it is read: partition tables, whose
 * files are looked for in `directory`, become slots. `texts` has struct
 * mm_product_text, `out` gets struct mm_product in the arena. MM_E_POLICY
 * names `path` and the line.
 */
enum mm_error
mm_product_texts_settle(const struct mm_list *texts, const char *path,
    const char *directory, const struct mm_grammar_marks *marks,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

#endif
