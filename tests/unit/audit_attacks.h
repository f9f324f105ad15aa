/*
 * For tests of the audit: an honest log (honest_log.h) with one thing wrong,
 * and what is to be said of it.
 *
 * Where MM_AUDIT_LOGS names a directory, every log that is audited is left
 * there, so that another auditor can be asked the same.
 */
#ifndef MM_AUDIT_ATTACKS_H
#define MM_AUDIT_ATTACKS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/honest_log.h"

/* What is being tried, for the name of its file. */
static const char *attempt = "";

/* The verifier key in a line, then entries as a bundle has them. */
static inline void
keep_log(const char *verdict)
{
	static unsigned count;
	const char *directory = getenv("MM_AUDIT_LOGS");
	char path[512], vkey[MM_VKEY_MAX];
	FILE *file;

	if (directory == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%03u-%s-%s", directory, count++,
	    verdict, attempt);
	file = fopen(path, "w");
	assert_non_null(file);
	mm_vkey_text(&mint.log.vkey, vkey);
	fprintf(file, "%s\n", vkey);
	for (uint64_t i = 0; i < mint.log.size; i++) {
		struct mm_span entry = mint.log.entries[i];

		fputc((int)(entry.size >> 8), file);
		fputc((int)(entry.size & 0xff), file);
		fwrite(entry.data, 1, entry.size, file);
	}
	assert_int_equal(fclose(file), 0);
}

static inline int
begin(void **unused)
{
	(void)unused;
	attempt = "";
	honest_begin();
	return 0;
}

static inline enum mm_error
audit_with(const struct mm_audit_options *options,
    const struct mm_checkpoint *checkpoint, struct mm_audit_report *out)
{
	struct mm_audit *audit;
	enum mm_error error = mm_audit_new(options, &audit);

	for (uint64_t i = 0; i < mint.log.size && error == MM_OK; i++)
		error = mm_audit_add(audit, mint.log.entries[i]);
	if (error == MM_OK)
		error = mm_audit_end(audit, checkpoint, out);
	mm_audit_free(audit);
	return error;
}

static inline enum mm_error
audit(struct mm_audit_report *out)
{
	const struct mm_audit_options options = {.vkey = &mint.log.vkey};
	struct mm_checkpoint checkpoint = honest_checkpoint(mint.log.size);
	enum mm_error error = audit_with(&options, &checkpoint, out);

	keep_log(error == MM_OK ? "good" : "bad");
	return error;
}

static inline void
passes(void)
{
	struct mm_audit_report report;
	enum mm_error error = audit(&report);

	if (error != MM_OK)
		fail_msg("%s: %s", mm_error_name(error), mm_why(error));
}

struct attack {
	const char *name;
	void (*add)(void);
	const char *why; /* part of it */
	enum mm_error error;
};

static inline void
run_attacks(const struct attack *attacks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct mm_audit_report report;
		enum mm_error wanted = attacks[i].error != MM_OK
					   ? attacks[i].error
					   : MM_E_LOG_WRONG;
		enum mm_error error;

		attempt = attacks[i].name;
		honest_begin();
		attacks[i].add();
		error = audit(&report);
		if (error != wanted ||
		    strstr(mm_why(error), attacks[i].why) == NULL)
			fail_msg("%s: %s \"%s\", not \"%s\"", attacks[i].name,
			    mm_error_name(error), mm_why(error),
			    attacks[i].why);
	}
}
#define ATTACK(add, why) \
	{ \
#add, add, why, MM_OK \
	}

static inline uint64_t
change_policy(uint64_t number, const struct signer *first,
    const struct signer *second, const struct signer *by,
    const struct signer *and_by)
{
	struct mm_policy_entry entry = {
	    .policy = make_policy(number, first, second)};
	struct mm_policy_claim claim = {.number = number};
	struct says says = said(MM_STATEMENT_POLICY, &claim);

	mm_policy_digest(entry.policy, claim.sha256);
	memcpy(honest.policy, claim.sha256, 32);
	says.by = by;
	says.and_by = and_by;
	entry.statements = state(says);
	entry.principal = text("officer-1");
	entry.request = new_request();
	return add(MM_ENTRY_POLICY, &entry);
}

#endif
