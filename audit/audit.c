#include "audit/audit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/join.h"
#include "audit/state.h"

enum {
	PEOPLE_ARENA = 1 << 30,
	BODY_MAX = 2 << 20, /* what an entry of 65,535 bytes comes to */
	LEDGER_MEMORY = 64 << 20
};

union body {
	struct mm_genesis genesis;
	struct mm_policy_entry policy;
	struct mm_statement_entry statement;
	struct mm_certificate_entry certificate;
	struct mm_image_entry image;
	struct mm_signatures_entry signatures;
	struct mm_void_entry voids;
	struct mm_refusal_entry refusals;
	struct mm_start_entry start;
	struct mm_key_entry key;
	struct mm_crl_entry crl;
	struct mm_export_entry export;
	struct mm_pending_entry pending;
	struct mm_csr_entry csr;
	struct mm_import_entry import;
	struct mm_inherited_entry inherited;
	struct mm_partition_entry partition;
	struct mm_scrap_entry scrap;
};

static const struct {
	mm_audit_rule *rule;
	bool blob; /* it may name one */
} kinds[MM_ENTRY_KINDS] = {
    [MM_ENTRY_GENESIS] = {mm_audit_genesis, true},
    [MM_ENTRY_POLICY] = {mm_audit_policy, true},
    [MM_ENTRY_PRINCIPAL] = {mm_audit_principal, false},
    [MM_ENTRY_ORDER] = {mm_audit_order, false},
    [MM_ENTRY_CERTIFICATE] = {mm_audit_certificate, false},
    [MM_ENTRY_IMAGE] = {mm_audit_image, false},
    [MM_ENTRY_SIGNATURES] = {mm_audit_signatures, false},
    [MM_ENTRY_VOID] = {mm_audit_voids, false},
    [MM_ENTRY_REFUSAL] = {mm_audit_refusals, false},
    [MM_ENTRY_START] = {mm_audit_start, false},
    [MM_ENTRY_KEY] = {mm_audit_key, false},
    [MM_ENTRY_REVOCATION] = {mm_audit_revocation, false},
    [MM_ENTRY_CRL] = {mm_audit_crl, true},
    [MM_ENTRY_EXPORT] = {mm_audit_export, false},
    [MM_ENTRY_PENDING] = {mm_audit_pending, true},
    [MM_ENTRY_WITHDRAWAL] = {mm_audit_withdrawal, false},
    [MM_ENTRY_RELEASE] = {mm_audit_release, false},
    [MM_ENTRY_CEREMONY] = {mm_audit_ceremony, false},
    [MM_ENTRY_CSR] = {mm_audit_csr, false},
    [MM_ENTRY_IMPORT] = {mm_audit_import, false},
    [MM_ENTRY_INHERITED] = {mm_audit_inherited, true},
    [MM_ENTRY_PARTITION] = {mm_audit_partition, false},
    [MM_ENTRY_SCRAP] = {mm_audit_scrap, false},
};

enum mm_error
mm_audit_new(const struct mm_audit_options *options, struct mm_audit **out)
{
	struct mm_audit *audit = calloc(1, sizeof(*audit));
	enum mm_error error;

	if (audit == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an audit");
	audit->options = *options;
	audit->vkey = *options->vkey;
	mm_arena_init(&audit->arena, PEOPLE_ARENA);
	mm_following_init(&audit->following, NULL);
	randombytes_buf(audit->secret, sizeof(audit->secret));
	/* A helper has none of the memory that comes later. */
	error = mm_verifier_new(
	    options->tree_only ? 0 : options->helpers, &audit->verifier);
	if (error == MM_OK)
		error =
		    mm_ledger_new(options->work, LEDGER_MEMORY, &audit->ledger);
	if (error == MM_OK)
		error = mm_revocations_new(options->work, &audit->revocations);
	if (error != MM_OK)
		mm_audit_free(audit);
	else
		*out = audit;
	return error;
}

void
mm_audit_free(struct mm_audit *audit)
{
	if (audit == NULL)
		return;
	mm_verifier_free(audit->verifier);
	mm_ledger_free(audit->ledger);
	mm_revocations_free(audit->revocations);
	mm_waiting_list_clear(&audit->waiting);
	mm_audit_people_clear(&audit->people);
	mm_following_clear(&audit->following);
	mm_arena_clear(&audit->arena);
	free(audit);
}

/* Faults of this machine; all else is the log's. */
static bool
is_ours(enum mm_error error)
{
	static const enum mm_error ours[] = {MM_E_MEMORY, MM_E_FILE,
	    MM_E_DISK_FULL, MM_E_SYSTEM, MM_E_BUG, MM_E_ENTRY};

	for (size_t i = 0; i < MM_COUNT(ours); i++)
		if (error == ours[i])
			return true;
	return false;
}

/* A signature is told of by its own entry, which came before. */
static enum mm_error
name_entry(enum mm_error error, uint64_t index)
{
	bool named =
	    error == MM_E_LOG_WRONG && strncmp(mm_why(error), "entry ", 6) == 0;

	if (error == MM_OK || named)
		return error;
	return mm_fail(is_ours(error) ? error : MM_E_LOG_WRONG,
	    "entry %llu: %s", (unsigned long long)index, mm_why(error));
}

/* What holds for every kind. */
static enum mm_error
check_frame(const struct mm_audit *audit, const struct mm_entry *entry)
{
	bool brings_policy =
	    entry->kind == MM_ENTRY_GENESIS || entry->kind == MM_ENTRY_POLICY;

	if (!audit->begun && entry->kind != MM_ENTRY_GENESIS)
		return mm_audit_wrong("a log begins with a genesis");
	if (entry->time < audit->report.last_time)
		return mm_audit_wrong("it is from before the entry before it");
	if (!brings_policy &&
	    memcmp(entry->policy, mm_audit_force(audit)->digest,
		sizeof(entry->policy)) != 0)
		return mm_audit_wrong("its policy is not the one in force");
	return MM_OK;
}

static enum mm_error
check_entry(struct mm_audit *audit, uint64_t index, struct mm_span bytes)
{
	struct mm_entry frame;
	struct mm_blob blob;
	union body body;
	mm_auto(arena) arena = {0};
	const struct mm_audit_at at = {
	    audit, index, bytes, &frame, &body, &arena};
	enum mm_error error;

	mm_arena_init(&arena, BODY_MAX);
	error = mm_entry_decode(bytes, &arena, &frame);
	if (error == MM_OK)
		error = mm_entry_decode_as(bytes,
		    (enum mm_entry_kind)frame.kind, &arena, &frame, &body);
	if (error == MM_OK && kinds[frame.kind].blob)
		error = mm_entry_blob(bytes, &blob);
	if (error == MM_OK)
		error = check_frame(audit, &frame);
	if (error == MM_OK)
		error = kinds[frame.kind].rule(&at);
	if (error != MM_OK)
		return error;
	if (index == 0)
		audit->report.first_time = frame.time;
	audit->report.last_time = frame.time;
	audit->report.kinds[frame.kind]++;
	return MM_OK;
}

static enum mm_error
fork_at(const struct mm_checkpoint *kept, const struct mm_hash *root)
{
	mm_auto(buffer) here = {0}, there = {0};

	mm_buffer_init(&here, 64);
	mm_buffer_init(&there, 64);
	mm_base64_write(mm_span(root->bytes, MM_HASH_SIZE), &here);
	mm_base64_write(mm_span(kept->root.bytes, MM_HASH_SIZE), &there);
	return mm_fail(MM_E_FORK,
	    "the log's first %llu entries have the root %.*s, and the "
	    "checkpoint that was kept has %.*s: keep both, they prove that "
	    "the log was rewritten",
	    (unsigned long long)kept->size, MM_SPAN(mm_buffer_span(&here)),
	    MM_SPAN(mm_buffer_span(&there)));
}

/* The log goes through the checkpoint that was kept. */
static enum mm_error
check_kept(const struct mm_audit *audit)
{
	const struct mm_checkpoint *kept = audit->options.kept;
	struct mm_hash root;

	if (kept == NULL || kept->size != audit->frontier.size)
		return MM_OK;
	root = mm_frontier_root(&audit->frontier);
	if (mm_hash_equal(&root, &kept->root))
		return MM_OK;
	return fork_at(kept, &root);
}

enum mm_error
mm_audit_add(struct mm_audit *audit, struct mm_span bytes)
{
	struct mm_hash leaf = mm_leaf_hash(bytes);
	uint64_t index = audit->frontier.size;
	enum mm_error error = mm_frontier_append(
	    &audit->frontier, &leaf, audit->options.sink, audit->options.self);

	if (error == MM_OK)
		error = check_kept(audit);
	if (error != MM_OK || audit->options.tree_only)
		return error;
	error = check_entry(audit, index, bytes);
	return audit->blob_fault ? error : name_entry(error, index);
}

static enum mm_error
check_root(const struct mm_audit *audit, const struct mm_checkpoint *checkpoint,
    struct mm_hash *root)
{
	const struct mm_checkpoint *kept = audit->options.kept;

	*root = mm_frontier_root(&audit->frontier);
	if (audit->frontier.size != checkpoint->size)
		return mm_fail(MM_E_LOG_WRONG,
		    "the checkpoint has %llu entries, and %llu are there",
		    (unsigned long long)checkpoint->size,
		    (unsigned long long)audit->frontier.size);
	if (!mm_hash_equal(root, &checkpoint->root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the entries do not make the checkpoint's root");
	if (kept != NULL && kept->size > checkpoint->size)
		return mm_fail(MM_E_BEHIND,
		    "the log has %llu entries, and the checkpoint that was "
		    "kept %llu",
		    (unsigned long long)checkpoint->size,
		    (unsigned long long)kept->size);
	return MM_OK;
}

enum mm_error
mm_audit_end(struct mm_audit *audit, const struct mm_checkpoint *checkpoint,
    struct mm_audit_report *out)
{
	struct mm_hash root;
	enum mm_error error = check_root(audit, checkpoint, &root);

	if (error == MM_OK && !audit->begun && !audit->options.tree_only)
		error = mm_fail(MM_E_LOG_WRONG, "the log has no genesis");
	if (error == MM_OK)
		error = mm_verifier_end(audit->verifier);
	if (error == MM_OK)
		error = mm_facts_judge(audit->ledger, audit->revocations);
	if (error == MM_OK)
		error = mm_revocations_judge(audit->revocations);
	if (error != MM_OK)
		return error;
	*out = audit->report;
	out->size = audit->frontier.size;
	out->root = root;
	out->unsigned_entries = audit->waiting.count - audit->waiting.done;
	return MM_OK;
}
