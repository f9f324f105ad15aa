/*
 * Inside cli/source: what an appliance and a directory give each in its own
 * way. Nothing of it is believed before source.c has checked it.
 */
#ifndef MM_SOURCE_PARTS_H
#define MM_SOURCE_PARTS_H

#include "cli/source.h"

struct mm_source_backend {
	void (*close)(void *self);
	/* The newest checkpoint's note, appended, and the proof that a log of
	 * size `older` is its prefix; 0: no proof. */
	enum mm_error (*newest)(void *self, uint64_t older,
	    struct mm_buffer *note, struct mm_proof *proof);
	/* `end`: entries from there on will not be asked for just now. */
	enum mm_error (*entry)(
	    void *self, uint64_t index, uint64_t end, struct mm_span *out);
	enum mm_error (*blob)(
	    void *self, const struct mm_blob *blob, struct mm_buffer *out);
	enum mm_error (*receipt)(
	    void *self, uint64_t index, bool cosigned, struct mm_buffer *out);
	/* Against a checkpoint of `size` > index entries, not more than the
	 * log has; `note` is one that its key signed. */
	enum mm_error (*receipt_under)(void *self, uint64_t index,
	    uint64_t size, struct mm_span note, struct mm_buffer *out);
};

/* `self` is the backend's; both read the log's key into `vkey`. */
enum mm_error mm_source_directory(const char *directory, const char *key,
    struct mm_vkey *vkey, void **self) mm_must_use;
enum mm_error mm_source_appliance(const struct mm_invocation *invocation,
    struct mm_vkey *vkey, void **self) mm_must_use;

extern const struct mm_source_backend mm_source_directory_backend,
    mm_source_appliance_backend;

#endif
