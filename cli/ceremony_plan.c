#include "cli/ceremony_plan.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ca/csr.h"

enum {
	SKEW = 5,  /* seconds that the appliance's clock may be behind */
	COSE = 128 /* more than a signature adds to a payload */
};

#define differs(...) mm_fail(MM_E_STATEMENT_DIFFERS, __VA_ARGS__)

/* A path of the file, from where the file lies. */
static enum mm_error
path_beside(const char *file, struct mm_span path, char out[PATH_MAX])
{
	char parent[PATH_MAX];
	int length;

	mm_path_parent(file, parent);
	if (path.size > 0 && path.data[0] == '/')
		length = snprintf(out, PATH_MAX, "%.*s", MM_SPAN(path));
	else
		length =
		    snprintf(out, PATH_MAX, "%s/%.*s", parent, MM_SPAN(path));
	return length > 0 && length < PATH_MAX
		   ? MM_OK
		   : mm_fail(
			 MM_E_FILE, "the path %.*s is too long", MM_SPAN(path));
}

static enum mm_error
keep(struct mm_arena *arena, const struct mm_buffer *bytes, struct mm_span *out)
{
	*out = mm_arena_copy(arena, mm_buffer_span(bytes));
	return out->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a ceremony");
}

static enum mm_error
read_policy(
    const char *file, struct mm_arena *arena, struct mm_ceremony_plan *plan)
{
	mm_auto(buffer) document = {0}, text = {0};
	char path[PATH_MAX];
	enum mm_error error = path_beside(file, plan->text.policy, path);

	mm_buffer_init(&document, MM_POLICY_MAX);
	if (error == MM_OK)
		error = mm_policy_compile(path, &document);
	if (error == MM_OK)
		error = mm_file_read(path, MM_POLICY_TEXT_MAX, &text);
	if (error == MM_OK)
		error = keep(arena, &document, &plan->policy);
	if (error == MM_OK)
		error = keep(arena, &text, &plan->written);
	if (error == MM_OK)
		error = mm_policy_decode(plan->policy, arena, &plan->decoded);
	if (error == MM_OK && plan->decoded.number != 1)
		error = mm_fail(MM_E_POLICY,
		    "%s: a log begins with policy number 1, not %llu", path,
		    (unsigned long long)plan->decoded.number);
	return error;
}

/* The key that is registered is the CSR's, and the CSR is its own. */
static enum mm_error
read_principal(const char *file, const struct mm_ceremony_principal *wanted,
    struct mm_arena *arena, struct mm_principal_claim *claim,
    struct mm_span *spki)
{
	mm_auto(buffer) bytes = {0};
	char path[PATH_MAX];
	struct mm_csr csr;
	struct mm_span copy;
	enum mm_error error = path_beside(file, wanted->csr, path);

	if (error == MM_OK)
		error = mm_file_read(path, MM_CSR_MAX, &bytes);
	if (error == MM_OK)
		error = keep(arena, &bytes, &copy);
	if (error != MM_OK)
		return error;
	error = mm_csr_read(copy, arena, &csr);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	*spki = csr.spki;
	*claim = (struct mm_principal_claim){.name = wanted->name,
	    .role = wanted->role,
	    .profiles = wanted->profiles,
	    .daily = wanted->daily,
	    .minute = wanted->minute};
	crypto_hash_sha256(claim->key, spki->data, spki->size);
	return MM_OK;
}

static enum mm_error
read_principals(
    const char *file, struct mm_arena *arena, struct mm_ceremony_plan *plan)
{
	const struct mm_list *wanted = &plan->text.principals;
	enum mm_error error = MM_OK;

	plan->principals = mm_arena_alloc(
	    arena, (wanted->count + 1) * sizeof(*plan->principals));
	plan->spkis =
	    mm_arena_alloc(arena, (wanted->count + 1) * sizeof(*plan->spkis));
	if (plan->principals == NULL || plan->spkis == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the principals");
	for (size_t i = 0; i < wanted->count && error == MM_OK; i++)
		error = read_principal(file,
		    mm_list_at(*wanted, struct mm_ceremony_principal, i), arena,
		    &plan->principals[i], &plan->spkis[i]);
	return error;
}

/* Nobody could ever say anything to a mint without an officer's identity. */
static enum mm_error
check_way_in(const char *file, const struct mm_ceremony_plan *plan)
{
	for (size_t i = 0; i < plan->text.principals.count; i++) {
		const struct mm_principal_claim *one = &plan->principals[i];

		for (size_t n = 0; n < i; n++)
			if (memcmp(one->key, plan->principals[n].key,
				sizeof(one->key)) == 0)
				return mm_fail(MM_E_FORMAT,
				    "%s: the principals \"%.*s\" and \"%.*s\" "
				    "have the same key",
				    file, MM_SPAN(plan->principals[n].name),
				    MM_SPAN(one->name));
	}
	for (size_t i = 0; i < plan->text.principals.count; i++)
		if (plan->principals[i].role == MM_ROLE_OFFICER)
			return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "%s: there is no principal of role officer: nobody could bring "
	    "a statement to this mint",
	    file);
}

void
mm_ceremony_plan_claim(const struct mm_ceremony_text *text,
    const uint8_t policy[32], struct mm_ceremony_claim *out)
{
	*out = (struct mm_ceremony_claim){.keys = text->keys,
	    .certificates = text->certificates,
	    .retired = text->retire,
	    .requests = text->requests,
	    .notes = text->notes};
	memcpy(out->policy, policy, sizeof(out->policy));
}

enum mm_error
mm_ceremony_plan_read(const char *path, enum mm_ceremony_stage stage,
    struct mm_arena *arena, struct mm_ceremony_plan *out)
{
	uint8_t digest[32];
	enum mm_error error;

	*out = (struct mm_ceremony_plan){.settings = ""};
	error = mm_ceremony_text_read(path, stage, arena, &out->text);
	if (error == MM_OK)
		error = path_beside(path, out->text.settings, out->settings);
	if (error == MM_OK)
		error = read_policy(path, arena, out);
	if (error == MM_OK)
		error = mm_ceremony_text_check(&out->text, &out->decoded);
	if (error == MM_OK)
		error = read_principals(path, arena, out);
	if (error == MM_OK)
		error = check_way_in(path, out);
	if (error != MM_OK)
		return error;
	mm_policy_digest(out->policy, digest);
	mm_ceremony_plan_claim(&out->text, digest, &out->claim);
	return MM_OK;
}

/* --- to the papers --- */

static enum mm_error
add_payload(const struct mm_ceremony_plan *plan, uint64_t kind,
    const void *body, struct mm_span spki, struct mm_arena *arena,
    struct mm_ceremony_payload *out)
{
	uint64_t now = (uint64_t)time(NULL) - SKEW;
	struct mm_claim claim = {.kind = kind,
	    .origin = plan->text.origin,
	    .time = now,
	    .expiry = now + plan->text.expires};
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_STATEMENT_MAX - COSE);
	randombytes_buf(claim.nonce, sizeof(claim.nonce));
	error = mm_claim_encode(&claim, body, &bytes);
	if (bytes.error == MM_E_RANGE)
		return mm_fail(MM_E_RANGE,
		    "the ceremony says more than the %d bytes that one "
		    "statement has room for: shorten its notes",
		    MM_STATEMENT_MAX - COSE);
	out->spki = spki;
	return error == MM_OK ? keep(arena, &bytes, &out->payload) : error;
}

enum mm_error
mm_ceremony_plan_write(const struct mm_invocation *invocation,
    const struct mm_ceremony_plan *plan, const char *path,
    struct mm_arena *arena)
{
	size_t count = plan->text.principals.count;
	struct mm_ceremony_payload *payloads =
	    mm_arena_alloc(arena, (count + 1) * sizeof(*payloads));
	struct mm_ceremony_payloads file = {.origin = plan->text.origin,
	    .policy = plan->policy,
	    .text = plan->written,
	    .payloads = {payloads, count + 1}};
	enum mm_error error;

	if (payloads == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the payloads");
	error = add_payload(plan, MM_STATEMENT_CEREMONY, &plan->claim,
	    mm_span(NULL, 0), arena, &payloads[0]);
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = add_payload(plan, MM_STATEMENT_PRINCIPAL,
		    &plan->principals[i], plan->spkis[i], arena,
		    &payloads[i + 1]);
	return error == MM_OK
		   ? mm_ceremony_papers_write(invocation, path, &file)
		   : error;
}

/* --- and back --- */

static enum mm_error
same_body(const struct mm_shape *shape, const void *planned,
    struct mm_span stated, bool *same)
{
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_STATEMENT_MAX);
	error = mm_shape_encode(shape, planned, &bytes);
	*same = error == MM_OK && mm_span_equal(mm_buffer_span(&bytes), stated);
	return error;
}

static enum mm_error
match_principals(const struct mm_ceremony_plan *plan,
    const struct mm_ceremony_papers *papers)
{
	if (papers->file.payloads.count != plan->text.principals.count + 1)
		return differs("the ceremony's file has %zu principals, the "
			       "payloads have %zu: prepare them again",
		    plan->text.principals.count,
		    papers->file.payloads.count - 1);
	for (size_t i = 0; i < plan->text.principals.count; i++) {
		bool same;
		enum mm_error error =
		    same_body(&mm_principal_claim_shape, &plan->principals[i],
			papers->said[i + 1].claim.body, &same);

		if (error != MM_OK)
			return error;
		if (!same)
			return differs("the principal \"%.*s\" is not what the "
				       "payloads say: the ceremony's file or a "
				       "CSR was changed since",
			    MM_SPAN(plan->principals[i].name));
	}
	return MM_OK;
}

enum mm_error
mm_ceremony_plan_match(const struct mm_ceremony_plan *plan,
    const struct mm_ceremony_papers *papers)
{
	struct mm_ceremony_claim claim = plan->claim;
	bool same;
	enum mm_error error;

	/* What is taken over stands in the payloads alone. */
	claim.succeeds = papers->said[0].body.ceremony.succeeds;
	if (!mm_span_equal(plan->text.origin, papers->file.origin))
		return differs("the ceremony's file is for the log %.*s, the "
			       "payloads are for %.*s",
		    MM_SPAN(plan->text.origin), MM_SPAN(papers->file.origin));
	if (!mm_span_equal(plan->policy, papers->file.policy) ||
	    !mm_span_equal(plan->written, papers->file.text))
		return differs("the policy is not the one that the payloads "
			       "have: it was changed since");
	error = same_body(&mm_ceremony_claim_shape, &claim,
	    papers->said[0].claim.body, &same);
	if (error == MM_OK && !same)
		error = differs("the ceremony's file says something else than "
				"the payloads: it was changed since");
	return error == MM_OK ? match_principals(plan, papers) : error;
}
