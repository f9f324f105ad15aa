/*
 * What became of a ceremony, out of the log alone: who stated it, and what
 * the token made and signed on its word. Read twice it is the same twice.
 */
#ifndef MM_CEREMONY_STORY_H
#define MM_CEREMONY_STORY_H

#include "log/entry.h"
#include "log/note.h"
#include "policy/document.h"

/* Where a log is read; `entry` gives verified entries, which live until the
 * next call. */
struct mm_ceremony_log {
	void *self;
	enum mm_error (*entry)(void *self, uint64_t index, struct mm_span *out);
	uint64_t size;
};

/* One thing that the ceremony asks for, and what came of it. */
struct mm_ceremony_made {
	uint64_t kind;      /* MM_ENTRY_KEY, _CERTIFICATE, _CSR, _IMPORT */
	struct mm_span key; /* name; empty: a proof's */
	struct mm_span profile, subject, issuer;
	struct mm_span hash; /* of the key's SPKI, where it is known */
	bool retired;
	uint64_t index;     /* of its entry */
	struct mm_span der; /* SPKI, certificate, CSR; empty: not yet */
};

struct mm_ceremony_story {
	uint64_t index, time;      /* of the ceremony's entry; 0: genesis */
	struct mm_genesis genesis; /* where index is 0 */
	/* mm_principal_claim: who was registered at birth; index 0 alone */
	struct mm_list principals;
	struct mm_list statements; /* mm_bytes_item */
	struct mm_span payload;
	struct mm_claim claim;
	struct mm_ceremony_claim ceremony;
	struct mm_ceremony_made *made;
	size_t made_count;
	bool done; /* nothing of it is missing */
};

/*
 * The ceremony of the entry `index`. MM_E_NOT_FOUND where that is none;
 * MM_E_MISMATCH, MM_E_CSR_SIGNATURE where a signature in the log is not one.
 * All lies in the arena.
 */
enum mm_error
mm_ceremony_story_read(const struct mm_ceremony_log *log, uint64_t index,
    struct mm_arena *arena, struct mm_ceremony_story *out) mm_must_use;

/*
 * Who was registered at a log's birth: mm_principal_claim in the arena. Its
 * entries are those from the first on that bear the time of the genesis,
 * which is one for all of them.
 */
enum mm_error mm_ceremony_birth(const struct mm_ceremony_log *log,
    uint64_t time, struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* The thing of this kind for a key's name, or NULL. */
const struct mm_ceremony_made *mm_ceremony_story_find(
    const struct mm_ceremony_story *story, uint64_t kind, struct mm_span key);

/*
 * Appends the record: a text for paper, that people sign. `document` is the
 * policy in force at the ceremony (at birth the one that it brings). It is
 * the same bytes whenever it is asked for.
 */
enum mm_error mm_ceremony_record(const struct mm_ceremony_story *story,
    const struct mm_vkey *vkey, struct mm_span document,
    struct mm_buffer *out) mm_must_use;

#endif
