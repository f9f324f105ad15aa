#include "cli/ceremony_gather.h"

#include <time.h>

#include "policy/roster.h"

struct gathering {
	const struct mm_invocation *invocation;
	const struct mm_ceremony_papers *papers;
	struct mm_arena *arena;
	struct mm_list *statements; /* by payload: mm_bytes_item */
	size_t officers;
};

/* One officer's signatures, each over the payload of its place. */
static enum mm_error
add_statements(struct gathering *r, const char *path)
{
	struct mm_ceremony_statements file;
	enum mm_error error =
	    mm_ceremony_statements_read(path, r->arena, &file);

	if (error != MM_OK)
		return error;
	if (file.statements.count != r->papers->file.payloads.count)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "%s has %zu signatures for %zu payloads: it is of other "
		    "payloads",
		    path, file.statements.count,
		    r->papers->file.payloads.count);
	for (size_t i = 0; i < file.statements.count; i++) {
		struct mm_span bytes =
		    mm_list_at(file.statements, struct mm_bytes_item, i)->value;
		struct mm_bytes_item *items =
		    (struct mm_bytes_item *)(uintptr_t)r->statements[i].items;
		struct mm_statement statement;

		error = mm_statement_decode(bytes, &statement);
		if (error != MM_OK)
			return mm_fail(error, "%s: %s", path, mm_why(error));
		if (!mm_span_equal(
			statement.payload, r->papers->said[i].payload))
			return mm_fail(MM_E_STATEMENT_DIFFERS,
			    "%s is signed over other payloads than these",
			    path);
		items[r->statements[i].count++].value = bytes;
	}
	return MM_OK;
}

static enum mm_error
read_statements(struct gathering *r)
{
	size_t count = r->papers->file.payloads.count;
	const char *path;
	enum mm_error error = MM_OK;

	r->statements =
	    mm_arena_alloc(r->arena, count * sizeof(*r->statements));
	for (size_t i = 0; i < count && r->statements != NULL; i++) {
		r->statements[i].items = mm_arena_alloc(
		    r->arena, MM_STATEMENTS_MAX * sizeof(struct mm_bytes_item));
		if (r->statements[i].items == NULL)
			r->statements = NULL;
	}
	if (r->statements == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the statements");
	while ((path = mm_option_nth(
		    r->invocation, "statements", r->officers)) != NULL) {
		if (r->officers++ == MM_STATEMENTS_MAX)
			return mm_fail(MM_E_USAGE,
			    "more than %d officers have signed",
			    MM_STATEMENTS_MAX);
		error = add_statements(r, path);
		if (error != MM_OK)
			return error;
	}
	return r->officers > 0
		   ? MM_OK
		   : mm_fail(MM_E_USAGE,
			 "say --statements, once for every officer that has "
			 "signed");
}

/* As the appliance and the token will: officers, thresholds, times. */
static enum mm_error
check_statements(struct gathering *r)
{
	struct mm_roster_question question = {.policy = &r->papers->policy,
	    .origin = r->papers->file.origin,
	    .time = (uint64_t)time(NULL)};

	for (size_t i = 0; i < r->papers->file.payloads.count; i++) {
		union {
			struct mm_ceremony_claim ceremony;
			struct mm_principal_claim principal;
		} body;
		struct mm_claim claim;
		enum mm_error error;

		question.kind = r->papers->said[i].claim.kind;
		error = mm_roster_check(
		    &question, &r->statements[i], r->arena, &claim, &body);
		if (error != MM_OK)
			return mm_fail(error, "the %s of the ceremony: %s",
			    i == 0 ? "statement" : "principals' statements",
			    mm_why(error));
	}
	return MM_OK;
}

enum mm_error
mm_ceremony_gather(const struct mm_invocation *invocation,
    const struct mm_ceremony_papers *papers, struct mm_arena *arena,
    struct mm_list **out, size_t *officers)
{
	struct gathering r = {
	    .invocation = invocation, .papers = papers, .arena = arena};
	enum mm_error error = read_statements(&r);

	if (error == MM_OK)
		error = check_statements(&r);
	if (error != MM_OK)
		return error;
	*out = r.statements;
	*officers = r.officers;
	return MM_OK;
}
