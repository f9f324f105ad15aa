#include "protocol/subject.h"

#include <stdio.h>
#include <string.h>

enum { SUBJECT_ARENA = 1 << 20 };

static void
tell_order(const void *body, char *out, size_t size)
{
	const struct mm_order_claim *order = body;

	if (order->revision == 0)
		snprintf(out, size, "%.*s", MM_SPAN(order->name));
	else
		snprintf(out, size, "%.*s revision %llu", MM_SPAN(order->name),
		    (unsigned long long)order->revision);
}

static void
tell_release(const void *body, char *out, size_t size)
{
	const struct mm_release_claim *release = body;

	snprintf(out, size, "%.*s %.*s", MM_SPAN(release->product),
	    MM_SPAN(release->version));
}

static void
tell_revoke(const void *body, char *out, size_t size)
{
	size_t count = ((const struct mm_revoke_claim *)body)->revoked.count;

	snprintf(out, size, "%zu certificate%s", count, count == 1 ? "" : "s");
}

static void
tell_principal(const void *body, char *out, size_t size)
{
	const struct mm_principal_claim *principal = body;

	snprintf(out, size, "%.*s", MM_SPAN(principal->name));
}

static void
tell_policy(const void *body, char *out, size_t size)
{
	const struct mm_policy_claim *policy = body;

	snprintf(out, size, "policy %llu", (unsigned long long)policy->number);
}

static void
tell_ceremony(const void *body, char *out, size_t size)
{
	const struct mm_ceremony_claim *claim = body;
	const struct {
		size_t count;
		const char *what;
	} parts[] = {{claim->keys.count, "new keys"},
	    {claim->certificates.count, "certificates"},
	    {claim->retired.count, "retired keys"},
	    {claim->requests.count, "requests"},
	    {claim->imports.count, "imports"}, {claim->proofs.count, "proofs"}};
	size_t used = (size_t)snprintf(out, size, "ceremony");

	for (size_t i = 0; i < MM_COUNT(parts); i++)
		if (parts[i].count > 0 && used < size)
			used += (size_t)snprintf(out + used, size - used,
			    "%s %zu %s", used == strlen("ceremony") ? ":" : ",",
			    parts[i].count, parts[i].what);
}

static void
tell_withdraw(const void *body, char *out, size_t size)
{
	(void)body;
	snprintf(out, size, "withdrawal");
}

static void (*const tell[MM_STATEMENT_KINDS])(
    const void *body, char *out, size_t size) = {
    [MM_STATEMENT_ORDER] = tell_order,
    [MM_STATEMENT_RELEASE] = tell_release,
    [MM_STATEMENT_REVOKE] = tell_revoke,
    [MM_STATEMENT_PRINCIPAL] = tell_principal,
    [MM_STATEMENT_POLICY] = tell_policy,
    [MM_STATEMENT_CEREMONY] = tell_ceremony,
    [MM_STATEMENT_WITHDRAW] = tell_withdraw,
};

enum mm_error
mm_claim_subject(const struct mm_claim *claim, char out[MM_SUBJECT_TEXT])
{
	const struct mm_shape *shape = mm_claim_body_shape(claim->kind);
	mm_auto(arena) arena = {0};
	enum mm_error error;
	void *body;

	if (shape == NULL)
		return mm_fail(MM_E_STATEMENT_KIND,
		    "there are no statements of kind %llu",
		    (unsigned long long)claim->kind);
	mm_arena_init(&arena, SUBJECT_ARENA);
	body = mm_arena_alloc(&arena, shape->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a statement");
	error = mm_shape_decode(shape, claim->body, &arena, body);
	if (error == MM_OK)
		tell[claim->kind](body, out, MM_SUBJECT_TEXT);
	return error;
}
