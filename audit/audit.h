/*
 * What an auditor checks, wherever the log comes from: the tree, and what its
 * entries mean. Every rule that the token process enforces is asked again, by
 * the same code (hsm/judge.h), and those which only the whole log can answer
 * are asked here: counters within budgets, nothing twice, time monotonic.
 *
 * Memory does not grow with the log: what people say (policies, orders,
 * principals, keys, revocations) is kept, what was revoked because a reissue
 * took its place, and what waits for its signature; all else that has to be
 * remembered goes to a ledger on the disk (audit/ledger.h) and is judged in
 * the end.
 */
#ifndef MM_AUDIT_H
#define MM_AUDIT_H

#include "log/entry.h"
#include "log/note.h"

struct mm_audit;

struct mm_audit_options {
	const struct mm_vkey *vkey;
	const char *work; /* directory of the ledgers' files, which have no
			   * name; NULL: $TMPDIR or /var/tmp */
	/* A checkpoint that the auditor kept: the log must go through it. */
	const struct mm_checkpoint *kept; /* NULL: none */
	unsigned helpers; /* processes that verify signatures; 0: none */
	bool tree_only;   /* any log will do: entries may mean what they want */
	/* Told of each hash of the tree, as its entries come; NULL. */
	mm_frontier_sink sink;
	/* Appends the bytes of a blob, whose hash is right: of a CRL, of what
	 * is inherited; its errors come out of mm_audit_add() as they are.
	 * NULL: no blob can be had, and an entry that says something by one is
	 * not believed (MM_E_BLOB). */
	enum mm_error (*blob)(
	    void *self, const struct mm_blob *blob, struct mm_buffer *out);
	void *self; /* of both */
};

enum mm_error mm_audit_new(
    const struct mm_audit_options *options, struct mm_audit **out) mm_must_use;
void mm_audit_free(struct mm_audit *audit);

/*
 * The next entry: MM_E_ENTRY where it cannot be read, MM_E_LOG_WRONG where
 * it contradicts what came before, MM_E_FORK where the log does not go
 * through the kept checkpoint; mm_why() names the entry. There is no going
 * on after an error. An error may be told some entries late.
 */
enum mm_error
mm_audit_add(struct mm_audit *audit, struct mm_span entry) mm_must_use;

/* The last known checkpoint of the log that this one stands in for. */
struct mm_audit_succeeded {
	char origin[MM_ORIGIN_MAX + 1]; /* "": it succeeds none */
	uint64_t size;
	struct mm_hash root;
};

struct mm_audit_report {
	/* Entries by kind; refusals with their counts; devices: signed
	 * certificates, of which a reissue counts with its former one. */
	uint64_t size, kinds[MM_ENTRY_KINDS];
	uint64_t signatures, voids, refusals, devices;
	uint64_t unsigned_entries; /* neither signature nor void, yet */
	uint64_t first_time, last_time;
	struct mm_hash root;
	struct mm_audit_succeeded succeeds;
	uint64_t inherited; /* things that were taken over from it */
};
/*
 * The entries are all of the checkpoint and make its root, and the ledgers
 * hold nothing twice: MM_E_LOG_WRONG; MM_E_BEHIND where the kept checkpoint
 * is larger.
 */
enum mm_error
mm_audit_end(struct mm_audit *audit, const struct mm_checkpoint *checkpoint,
    struct mm_audit_report *out) mm_must_use;

#endif
