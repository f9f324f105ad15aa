/*
 * A bundle as it is gathered: the indexes of the entries that go into it.
 */
#ifndef MM_BUNDLE_PARTS_H
#define MM_BUNDLE_PARTS_H

#include "cli/bundle.h"

struct mm_bundling {
	struct mm_source *source;
	const struct mm_attested *subject;
	uint64_t indexes[MM_BUNDLE_RECEIPTS_MAX];
	size_t count;
};

/* Adds an entry that may be there already. MM_E_RANGE. */
enum mm_error
mm_bundling_add(struct mm_bundling *b, uint64_t index) mm_must_use;

/* bundle_keys.c: adds the certificates of the subject's issuers, and the
 * entries by which the keys came that it rests on. MM_E_LOG_WRONG where the
 * log lacks one. */
enum mm_error mm_bundling_keys(struct mm_bundling *b) mm_must_use;

#endif
