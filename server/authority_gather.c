/*
 * Statements that not enough officers have signed yet are gathered. All of it
 * is in the log; the newest entry about a payload has everything.
 */
#include "server/authority.h"
#include "server/stating.h"

#include <sodium.h>
#include <string.h>

#include "policy/roster.h"

enum { STEP_ARENA = 1 << 20 /* of one statement looked at */ };

/* The statements that count, as far as they were looked at. */
struct counting {
	struct mm_roster_question question;
	struct mm_bytes_item items[MM_STATEMENTS_MAX];
	size_t count;
	struct mm_roster_state state; /* of all of them */
	struct mm_text_item officers[MM_STATEMENTS_MAX];
};

static void
counting_init(struct counting *c, const struct mm_authority *a, uint64_t kind)
{
	*c = (struct counting){.question = {.policy = &a->policy,
				   .origin = mm_span_text(a->origin),
				   .kind = kind,
				   .time = a->batch.now}};
}

/* Takes one more in, which has to count. */
static enum mm_error
count_in(struct counting *c, struct mm_span statement)
{
	const struct mm_shape *shape = mm_claim_body_shape(c->question.kind);
	struct mm_list list = {c->items, c->count + 1};
	mm_auto(arena) arena = {0};
	struct mm_roster_state state;
	struct mm_claim claim;
	enum mm_error error;
	void *body;

	if (c->count == MM_STATEMENTS_MAX)
		return mm_fail(MM_E_STATEMENT,
		    "there are more than %d statements", MM_STATEMENTS_MAX);
	mm_arena_init(&arena, STEP_ARENA);
	body = shape != NULL ? mm_arena_alloc(&arena, shape->size) : NULL;
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a statement");
	c->items[c->count].value = statement;
	error =
	    mm_roster_gather(&c->question, &list, &arena, &claim, body, &state);
	if (error != MM_OK)
		return error;
	c->officers[c->count].value = state.officers[c->count]->name;
	c->state = state;
	c->count++;
	return MM_OK;
}

/* Whoever signed it has no word in the policy in force. */
static bool
is_passed_over(enum mm_error error)
{
	return error == MM_E_STATEMENT_OFFICER ||
	       error == MM_E_STATEMENT_SIGNATURE || error == MM_E_STATEMENT_FEW;
}

static enum mm_error
count_former(struct counting *c, const struct mm_list *statements)
{
	for (mm_list_each(const struct mm_bytes_item, one, *statements)) {
		enum mm_error error = count_in(c, one->value);

		if (error != MM_OK && !is_passed_over(error))
			return error;
	}
	return MM_OK;
}

static bool
holds(const struct mm_bytes_item *items, size_t count, struct mm_span wanted)
{
	for (size_t i = 0; i < count; i++)
		if (mm_span_equal(items[i].value, wanted))
			return true;
	return false;
}

/* Those of a request, each of which has to count, or to be there already. */
static enum mm_error
count_asked(struct counting *c, const struct mm_list *statements)
{
	size_t former = c->count;

	for (mm_list_each(const struct mm_bytes_item, one, *statements)) {
		enum mm_error error = MM_OK;

		if (!holds(c->items, former, one->value))
			error = count_in(c, one->value);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

static uint64_t
threshold_of(const struct mm_policy *policy, uint64_t kind)
{
	for (mm_list_each(const struct mm_threshold, one, policy->thresholds))
		if (one->kind == kind)
			return one->officers;
	return 1;
}

static uint64_t
missing_of(const struct counting *c)
{
	return c->count > 0
		   ? c->state.missing
		   : threshold_of(c->question.policy, c->question.kind);
}

/* A copy in the arena of what is counted here. */
static enum mm_error
keep_items(const void *items, size_t size, size_t count, struct mm_arena *arena,
    struct mm_list *out)
{
	struct mm_span copy =
	    mm_arena_copy(arena, mm_span(items, size * count));

	if (count > 0 && copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for statements");
	*out = (struct mm_list){copy.data, count};
	return MM_OK;
}

enum mm_error
mm_pending_counted(struct mm_authority *a, uint64_t kind,
    const struct mm_list *statements, struct mm_arena *arena,
    struct mm_counted *out)
{
	struct counting counting;
	struct mm_counted counted;
	enum mm_error error;

	counting_init(&counting, a, kind);
	error = count_former(&counting, statements);
	if (error == MM_OK)
		error = keep_items(counting.items, sizeof(counting.items[0]),
		    counting.count, arena, &counted.statements);
	if (error == MM_OK)
		error =
		    keep_items(counting.officers, sizeof(counting.officers[0]),
			counting.count, arena, &counted.officers);
	if (error != MM_OK)
		return error;
	counted.missing = missing_of(&counting);
	*out = counted;
	return MM_OK;
}

/* --- what came along --- */

static enum mm_error
another(const char *what)
{
	return mm_fail(MM_E_STATEMENT_DIFFERS,
	    "%s is not the one that waits for approval with this statement: "
	    "approve what waits, or state anew",
	    what);
}

/* The one that waits, unless the request brings one where none did. */
static enum mm_error
merge_bytes(
    struct mm_span *asked, struct mm_span former, const char *what, bool *adds)
{
	if (former.size == 0)
		*adds = *adds || asked->size > 0;
	else if (asked->size == 0)
		*asked = former;
	else if (!mm_span_equal(*asked, former))
		return another(what);
	return MM_OK;
}

static enum mm_error
merge_certificates(
    struct mm_list *asked, const struct mm_list *former, bool *adds)
{
	if (former->count == 0)
		*adds = *adds || asked->count > 0;
	else if (asked->count == 0)
		*asked = *former;
	else if (asked->count != former->count)
		return another("what was imported");
	for (size_t i = 0; i < former->count; i++)
		if (!mm_span_equal(
			mm_list_at(*asked, struct mm_bytes_item, i)->value,
			mm_list_at(*former, struct mm_bytes_item, i)->value))
			return another("a certificate");
	return MM_OK;
}

/* A long text waits as a blob, which is compared by its SHA-256. */
static enum mm_error
merge_text(
    struct mm_stating *s, const struct mm_pending_entry *former, bool *adds)
{
	uint8_t digest[32];

	if (former->text_sha256.size != sizeof(digest))
		return merge_bytes(
		    &s->text, former->text, "the policy's text", adds);
	crypto_hash_sha256(digest, s->text.data, s->text.size);
	if (s->text.size > 0 &&
	    memcmp(digest, former->text_sha256.data, sizeof(digest)) != 0)
		return another("the policy's text");
	s->text = mm_span(NULL, 0);
	s->text_blob.size = former->text_size;
	memcpy(s->text_blob.sha256, former->text_sha256.data, sizeof(digest));
	return MM_OK;
}

static enum mm_error
merge_along(
    struct mm_stating *s, const struct mm_pending_entry *former, bool *adds)
{
	enum mm_error error =
	    merge_bytes(&s->spki, former->spki, "the CSR's key", adds);

	if (error == MM_OK)
		error =
		    merge_bytes(&s->policy, former->policy, "the policy", adds);
	if (error == MM_OK)
		error = merge_text(s, former, adds);
	if (error == MM_OK)
		error = merge_certificates(
		    &s->certificates, &former->certificates, adds);
	return error;
}

/* What is of no use to a kind of statement does not come along with it. */
static enum mm_error
check_along(const struct mm_stating *s)
{
	uint64_t kind = s->claim.kind;

	if (s->spki.size > 0 && kind != MM_STATEMENT_PRINCIPAL &&
	    kind != MM_STATEMENT_CEREMONY)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "a CSR came along, but the statement is of no principal "
		    "and no ceremony");
	if ((s->policy.size > 0 || s->text.size > 0) &&
	    kind != MM_STATEMENT_POLICY)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "a policy came along, but the statement is of none");
	if (s->certificates.count > 0 && kind != MM_STATEMENT_CEREMONY)
		return mm_fail(MM_E_STATEMENT_DIFFERS,
		    "certificates came along, but the statement is of no "
		    "ceremony");
	return MM_OK;
}

/* --- gathering --- */

static enum mm_error
find_pending(struct mm_stating *s, struct mm_gathered *out)
{
	struct mm_pending_index row;
	enum mm_error error =
	    mm_index_pending(s->a->index, s->payload_hash, &row);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK && row.withdrawn)
		error = mm_fail(MM_E_STATEMENT_WITHDRAWN,
		    "the statement was withdrawn: state anew what is still "
		    "wanted");
	if (error != MM_OK)
		return error;
	out->waits = true;
	out->idx = row.idx;
	return MM_OK;
}

/* The claim and the body, in the job's own arena. */
static enum mm_error
finish(struct mm_stating *s, struct counting *c, struct mm_gathered *out)
{
	struct mm_roster_state state;
	enum mm_error error = keep_items(c->items, sizeof(c->items[0]),
	    c->count, &s->job->arena, &s->statements);

	if (error == MM_OK)
		error = mm_roster_gather(&c->question, &s->statements,
		    &s->job->arena, &s->claim, &s->body, &state);
	if (error == MM_OK)
		out->missing = state.missing;
	return error;
}

enum mm_error
mm_pending_gather(struct mm_stating *s, struct mm_gathered *out)
{
	struct mm_gathered gathered = {.missing = 0};
	struct mm_pending_entry former = {.text_size = 0};
	struct counting counting;
	size_t count = 0;
	enum mm_error error = find_pending(s, &gathered);

	counting_init(&counting, s->a, s->claim.kind);
	if (error == MM_OK && gathered.waits)
		error = mm_pending_read(
		    s->a, gathered.idx, &s->job->arena, &former);
	if (error == MM_OK)
		error = count_former(&counting, &former.statements);
	count = counting.count;
	if (error == MM_OK)
		error = count_asked(&counting, &s->ask.statements);
	if (error == MM_OK)
		error = check_along(s);
	gathered.adds = counting.count > count;
	if (error == MM_OK)
		error = merge_along(s, &former, &gathered.adds);
	if (error == MM_OK)
		error = finish(s, &counting, &gathered);
	if (error == MM_OK)
		*out = gathered;
	return error;
}
