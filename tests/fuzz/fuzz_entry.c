/*
 * Log entries from anybody: what is read can be written, and is the same.
 * After a genesis they are told to the auditor too, twice.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "log/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 20, ENTRY_MAX = 65535 };

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

static void
comes_back(struct mm_span bytes)
{
	struct mm_entry entry, again;
	union body body;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) back = {0};

	mm_arena_init(&arena, ARENA_MAX);
	mm_buffer_init(&back, ENTRY_MAX);
	if (mm_entry_decode(bytes, &arena, &entry) != MM_OK ||
	    mm_entry_decode_as(bytes, (enum mm_entry_kind)entry.kind, &arena,
		&again, &body) != MM_OK)
		return;
	if (mm_entry_encode(&again, &body, &back) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&back), bytes))
		abort();
}

/* The seeds' genesis is the log's whose key this is. */
static void
tell(struct mm_span bytes)
{
	static const struct mm_vkey vkey = {.name = "log.example.com/test"};
	static const struct mm_audit_options options = {.vkey = &vkey};
	struct mm_audit *audit;

	if (mm_audit_new(&options, &audit) != MM_OK)
		return;
	for (int i = 0; i < 2; i++)
		if (mm_audit_add(audit, bytes) != MM_OK)
			break;
	mm_audit_free(audit);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	comes_back(mm_span(data, size));
	tell(mm_span(data, size));
	return 0;
}
