/*
 * What is given out of releases: a signature that is proven, and how far each
 * release is.
 */
#include "server/releasing.h"
#include "server/answering.h"

#include <string.h>

/* --- one signature --- */

static enum mm_error
unapproved(const struct mm_fetch_request *request)
{
	return mm_fail(MM_E_RELEASE,
	    "%.*s %.*s is not approved: submit its image, state the release, "
	    "and have officers approve it",
	    MM_SPAN(request->product), MM_SPAN(request->version));
}

/* It is signed: the answer, from the archive. */
static enum mm_error
give_out(struct mm_authority *a, struct mm_job *job,
    const struct mm_fetch_request *request)
{
	struct mm_issued issued;
	enum mm_error error = mm_index_image(a->index, request->product,
	    request->version, request->scheme, &job->arena, &issued);

	if (error == MM_OK && issued.inherited)
		error = mm_fail(MM_E_NOT_FOUND,
		    "it is of the log that this one succeeds: ask for it "
		    "there");
	if (error == MM_OK)
		mm_read_again(a, job, &issued);
	return error;
}

/* Images that brought their statements themselves have no release's entry,
 * and were given out as they were signed. */
static enum mm_error
give_out_former(struct mm_authority *a, struct mm_job *job,
    const struct mm_fetch_request *request)
{
	struct mm_issued issued;
	enum mm_error error = mm_index_image(a->index, request->product,
	    request->version, request->scheme, &job->arena, &issued);

	if (error == MM_E_NOT_FOUND)
		return unapproved(request);
	return error == MM_OK ? give_out(a, job, request) : error;
}

/* A signing that the release does not have is refused before anything is
 * done for it. */
static enum mm_error
check_scheme(const struct mm_fetch_request *request,
    const struct mm_release_claim *claim)
{
	if (mm_release_claimed(claim, request->scheme) != NULL)
		return MM_OK;
	return mm_fail(MM_E_SCHEME, "%.*s %.*s is not signed by %.*s",
	    MM_SPAN(request->product), MM_SPAN(request->version),
	    MM_SPAN(request->scheme));
}

/* MM_OK: the job is answered, or waits. */
static enum mm_error
fetch(struct mm_authority *a, struct mm_job *job,
    const struct mm_fetch_request *request)
{
	struct mm_approved approved;
	bool parked = false;
	enum mm_error error = mm_approved_find(
	    a, request->product, request->version, &job->arena, &approved);

	if (error == MM_E_NOT_FOUND)
		return give_out_former(a, job, request);
	if (error == MM_OK)
		error = check_scheme(request, &approved.claim);
	if (error == MM_OK)
		error = mm_release_make_for(
		    a, job, request->product, request->version, &parked);
	return error == MM_OK && !parked ? give_out(a, job, request) : error;
}

void
mm_fetch_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_fetch_request request;
	enum mm_error error = mm_shape_decode(
	    &mm_fetch_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = fetch(a, job, &request);
	if (error != MM_OK)
		mm_answer_error(a, job, error);
}

/* --- how far they are --- */

static enum mm_error
list_signings(struct mm_authority *a, const struct mm_release_claim *claim,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_release_signing *rows =
	    mm_arena_alloc(arena, claim->schemes.count * sizeof(*rows));

	if (rows == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	for (size_t i = 0; i < claim->schemes.count; i++) {
		struct mm_span signing =
		    mm_list_at(claim->schemes, struct mm_scheme_digest, i)
			->scheme;
		struct mm_made made;
		enum mm_error error = mm_made_look(
		    a, claim->product, claim->version, signing, arena, &made);

		if (error != MM_OK)
			return error;
		rows[i] = (struct mm_release_signing){
		    signing, made.index, made.is_signed};
	}
	*out = (struct mm_list){rows, claim->schemes.count};
	return MM_OK;
}

static enum mm_error
fill_row(struct mm_authority *a, uint64_t index, struct mm_arena *arena,
    struct mm_release_row *out)
{
	struct mm_approved approved;
	const struct mm_release_claim *claim = &approved.claim;
	const struct mm_product *product;
	uint64_t size;
	enum mm_error error = mm_approved_read(a, index, arena, &approved);

	if (error != MM_OK)
		return error;
	*out = (struct mm_release_row){.index = index,
	    .product = claim->product,
	    .version = claim->version,
	    .time = approved.time,
	    .size = claim->size,
	    .expiry = approved.expiry,
	    .kept = mm_images_has(a, claim->sha256, &size)};
	memcpy(out->sha256, claim->sha256, sizeof(out->sha256));
	memcpy(out->payload, approved.payload, sizeof(out->payload));
	product = mm_policy_product(&a->policy, claim->product);
	out->resign = product != NULL ? product->resign : 0;
	error = list_signings(a, claim, arena, &out->signings);
	return error == MM_OK
		   ? mm_release_state(a, &approved, arena, &out->state)
		   : error;
}

/* Only what the answer has is kept: the entries are long. */
static enum mm_error
copy_row(struct mm_release_row *row, struct mm_arena *arena)
{
	struct mm_release_signing *signings;
	struct mm_span copy =
	    mm_arena_copy(arena, mm_span(row->signings.items,
				     row->signings.count * sizeof(*signings)));

	signings = (struct mm_release_signing *)(uintptr_t)copy.data;
	row->product = mm_arena_copy(arena, row->product);
	row->version = mm_arena_copy(arena, row->version);
	row->signings.items = signings;
	if (signings == NULL || row->product.data == NULL ||
	    row->version.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	for (size_t i = 0; i < row->signings.count; i++) {
		signings[i].scheme = mm_arena_copy(arena, signings[i].scheme);
		if (signings[i].scheme.data == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for a list");
	}
	return MM_OK;
}

enum { ROW_ARENA = 1 << 18 };

static enum mm_error
add_row(struct mm_authority *a, uint64_t index, struct mm_arena *arena,
    struct mm_release_row *out)
{
	mm_auto(arena) own = {0};
	enum mm_error error;

	mm_arena_init(&own, ROW_ARENA);
	error = fill_row(a, index, &own, out);
	return error == MM_OK ? copy_row(out, arena) : error;
}

/* Which entries are asked for: one, or a page. */
static enum mm_error
find_entries(struct mm_authority *a, struct mm_job *job,
    const struct mm_releases_request *request, struct mm_list *out)
{
	struct mm_uint_item *one;
	enum mm_error error;

	if (request->product.size == 0 || request->version.size == 0)
		return mm_index_releases(a->index, request->product,
		    request->after, MM_ROWS_MAX, &job->arena, out);
	*out = (struct mm_list){NULL, 0};
	one = mm_arena_alloc(&job->arena, sizeof(*one));
	if (one == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	error = mm_index_release(
	    a->index, request->product, request->version, &one->value);
	if (error == MM_OK && one->value > request->after)
		*out = (struct mm_list){one, 1};
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

void
mm_releases_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_release_row rows[MM_ROWS_MAX];
	struct mm_releases_answer answer = {{rows, 0}};
	struct mm_releases_request request;
	struct mm_list entries = {NULL, 0};
	enum mm_error error = mm_shape_decode(
	    &mm_releases_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK)
		error = find_entries(a, job, &request, &entries);
	for (size_t i = 0; error == MM_OK && i < entries.count; i++)
		error = add_row(a,
		    mm_list_at(entries, struct mm_uint_item, i)->value,
		    &job->arena, &rows[answer.releases.count++]);
	if (error == MM_OK)
		mm_answer(a, job, &mm_releases_answer_shape, &answer);
	else
		mm_answer_error(a, job, error);
}
