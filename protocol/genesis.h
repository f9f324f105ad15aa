/*
 * The genesis file: what `mintmark quickstart` or a ceremony hands to
 * `mintmarkd --genesis FILE`, one CBOR item. What a succession inherits lies
 * beside it: FILE.blobs/<hex of its SHA-256>, 64 lowercase digits, one file a
 * blob that the ceremony lists (struct mm_predecessor, log/inheritance.h). The
 * supervisor opens them, whatever user the processes run as.
 */
#ifndef MM_GENESIS_H
#define MM_GENESIS_H

#include "protocol/statement.h"

enum {
	MM_GENESIS_BLOBS = 64 /* at most: as many as a ceremony lists */
};

struct mm_genesis_principal {
	struct mm_list statements; /* mm_bytes_item */
	struct mm_span spki;       /* DER; empty: no certificate is made */
};
struct mm_genesis_order {
	struct mm_list statements;
};
struct mm_genesis_file {
	struct mm_span origin;
	struct mm_span policy, text; /* compiled, and as written */
	struct mm_list statements;   /* the ceremony's */
	struct mm_list principals;   /* mm_genesis_principal */
	struct mm_list orders;       /* mm_genesis_order */
};
extern const struct mm_shape mm_genesis_file_shape;

#endif
