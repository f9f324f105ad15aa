/*
 * An image comes: an inspector reads and copies it, it is held against every
 * rule of its product, and kept. Nothing of this is logged but a refusal.
 */
#include "server/releasing.h"
#include "server/answering.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- read --- */

/* The gate does not hash: what came is known only here. */
static enum mm_error
check_announced(const struct mm_job *job)
{
	if (memcmp(job->inspected.facts.sha256, job->ask.announced,
		sizeof(job->ask.announced)) != 0)
		return mm_fail(MM_E_UPLOAD,
		    "the image's SHA-256 is not the one that was announced: "
		    "upload it again");
	return MM_OK;
}

/* The inspector has answered, or gone without a word. */
static void
inspected(void *of, enum mm_error error, struct mm_span body)
{
	mm_inspect_answered(of, error, body, check_announced);
}

static enum mm_error
find_product(const struct mm_authority *a, struct mm_span name,
    const struct mm_product **out)
{
	const struct mm_product *product = mm_policy_product(&a->policy, name);

	if (product == NULL)
		return mm_fail(MM_E_PRODUCT,
		    "the policy in force has no product %.*s", MM_SPAN(name));
	if (product->unread)
		return mm_fail(MM_E_PRODUCT,
		    "images of product %.*s are not read here: state the "
		    "release with the digests that are to be signed",
		    MM_SPAN(name));
	*out = product;
	return MM_OK;
}

static enum mm_error
size_of(const struct mm_authority *a, int fd, uint64_t *out)
{
	uint64_t max = a->configure->settings.image_max;
	struct stat info;

	if (fstat(fd, &info) < 0 || info.st_size <= 0)
		return mm_fail(MM_E_UPLOAD, "no image came along");
	if ((uint64_t)info.st_size > max)
		return mm_fail(MM_E_IMAGE_SIZE,
		    "the image has %llu bytes; %llu are the limit",
		    (unsigned long long)info.st_size, (unsigned long long)max);
	*out = (uint64_t)info.st_size;
	return MM_OK;
}

static enum mm_error
inspect(struct mm_authority *a, struct mm_job *job,
    const struct mm_product *product, int fd)
{
	struct mm_inspecting what = {.call = MM_INSPECTOR_INSPECT,
	    .shape = &mm_inspect_request_shape,
	    .request = &job->inspect,
	    .done = inspected,
	    .of = job};
	uint64_t size = 0;
	enum mm_error error = size_of(a, fd, &size);

	if (error == MM_OK)
		error =
		    mm_inspect_terms(product, a->configure->settings.image_max,
			&job->arena, &job->inspect);
	job->inspect.keep = true;
	job->policy = a->policy.number;
	if (error == MM_OK)
		error = mm_images_new(a, size, &job->copy, &what.copy);
	if (error != MM_OK)
		return error;
	what.image = dup(fd);
	if (what.image < 0) {
		close(what.copy);
		return mm_fail(MM_E_BUSY, "no descriptor for an image");
	}
	return mm_inspect_begin(a, &what, &job->inspection);
}

void
mm_submit_arrived(struct mm_authority *a, struct mm_job *job, int fd)
{
	struct mm_submit_request request;
	const struct mm_product *product;
	/* Whoever may not ask at all costs no process. */
	enum mm_error error = mm_job_admit(a, job);

	if (error == MM_OK && fd < 0)
		error = mm_fail(MM_E_UPLOAD, "no image came along");
	if (error == MM_OK && !a->ready)
		error = mm_plain(MM_E_STARTING);
	if (error == MM_OK)
		error = mm_shape_decode(&mm_submit_request_shape, job->ask.body,
		    &job->arena, &request);
	if (error == MM_OK)
		error = find_product(a, request.product, &product);
	if (error == MM_OK)
		error = inspect(a, job, product, fd);
	if (error == MM_OK)
		mm_jobs_push(&a->inspecting, job);
	else
		mm_answer_refusal(a, job, error);
}

/* --- decided --- */

static enum mm_error
another_image(const struct mm_submit_request *request, const char *what)
{
	return mm_fail(MM_E_RELEASE_EXISTS,
	    "another image was %s as %.*s %.*s: give this one another version",
	    what, MM_SPAN(request->product), MM_SPAN(request->version));
}

/* A version of a product is one image, for ever. */
static enum mm_error
check_signed(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request)
{
	struct mm_issued issued;
	enum mm_error error = mm_index_version(
	    a->index, request->product, request->version, &job->arena, &issued);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK && issued.inherited)
		return mm_release_inherited(request->product, request->version);
	if (error == MM_OK && memcmp(issued.key, job->inspected.facts.sha256,
				  sizeof(issued.key)) != 0)
		error = another_image(request, "signed");
	return error;
}

/* MM_E_NOT_FOUND where no approval counts. */
static enum mm_error
find_approval(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request, struct mm_approved *out)
{
	struct mm_list counted;
	enum mm_error error = mm_approved_find(
	    a, request->product, request->version, &job->arena, out);

	if (error == MM_OK)
		error = mm_approved_count(a, out, &job->arena, &counted);
	if (error == MM_E_RELEASE || error == MM_E_STATEMENT_TIME)
		return mm_plain(MM_E_NOT_FOUND);
	if (error == MM_OK &&
	    memcmp(out->claim.sha256, job->inspected.facts.sha256,
		sizeof(out->claim.sha256)) != 0)
		error = another_image(request, "approved");
	return error;
}

/* Whether this image is signed as this release, by all that was approved. */
static enum mm_error
is_signed(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request, bool *out)
{
	uint64_t state = MM_RELEASE_KEPT;
	struct mm_approved approved;
	enum mm_error error = mm_approved_find(
	    a, request->product, request->version, &job->arena, &approved);

	if (error == MM_OK &&
	    memcmp(approved.claim.sha256, job->inspected.facts.sha256,
		sizeof(approved.claim.sha256)) == 0)
		error = mm_release_state(a, &approved, &job->arena, &state);
	*out = state == MM_RELEASE_SIGNED;
	return error == MM_E_NOT_FOUND ? MM_OK : error;
}

/* What is signed needs no approval any more; what an approved image becomes is
 * for the next steps to tell. */
static enum mm_error
find_state(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request, uint64_t *out)
{
	struct mm_approved approved;
	bool there;
	enum mm_error error = is_signed(a, job, request, &there);

	*out = error == MM_OK && there ? MM_RELEASE_SIGNED : MM_RELEASE_KEPT;
	if (error != MM_OK || there)
		return error;
	error = find_approval(a, job, request, &approved);
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	return error == MM_OK ? mm_release_state(a, &approved, &job->arena, out)
			      : error;
}

/* It was held against its rules when it was signed. A higher version since, a
 * retired key or another policy is no reason not to fetch it again. */
static enum mm_error
pass_over_signed(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request, struct mm_list *rules,
    size_t *failed)
{
	struct mm_rule_row *rows = (struct mm_rule_row *)rules->items;
	bool there = false;
	enum mm_error error =
	    *failed > 0 ? is_signed(a, job, request, &there) : MM_OK;

	if (error != MM_OK || !there)
		return error;
	for (size_t i = 0; i < rules->count; i++)
		if (rows[i].verdict == MM_RULE_FAILED)
			rows[i].verdict = MM_RULE_SILENT;
	*failed = 0;
	return MM_OK;
}

static enum mm_error
judge(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request, struct mm_list *rules,
    size_t *failed)
{
	struct mm_rules_question question = {.version = request->version,
	    .image = &job->inspected.facts,
	    .size = job->inspected.facts.size,
	    .faults = job->inspected.faults};
	enum mm_error error =
	    find_product(a, request->product, &question.product);

	if (error == MM_OK)
		error = mm_rules_ask(a, &question, &job->arena, rules, failed);
	return error == MM_OK ? pass_over_signed(a, job, request, rules, failed)
			      : error;
}

static void
answer(struct mm_authority *a, struct mm_job *job,
    const struct mm_submit_request *request, uint64_t state,
    const struct mm_list *rules)
{
	struct mm_submit_answer answer = {.state = state,
	    .size = job->inspected.facts.size,
	    .format = job->inspected.facts.format,
	    .rules = *rules};
	const struct mm_product *product =
	    mm_policy_product(&a->policy, request->product);

	if (product != NULL)
		answer.schemes = product->schemes;
	memcpy(answer.sha256, job->inspected.facts.sha256, 32);
	if (state == MM_RELEASE_REFUSED)
		mm_refusals_note(a, job, MM_E_IMAGE_RULES);
	else if (state != MM_RELEASE_KEPT)
		mm_release_make(a, request->product, request->version);
	mm_answer(a, job, &mm_submit_answer_shape, &answer);
}

void
mm_submit_decide(struct mm_authority *a, struct mm_job *job)
{
	uint64_t state = MM_RELEASE_REFUSED;
	struct mm_submit_request request;
	struct mm_list rules;
	size_t failed = 0;
	enum mm_error error = mm_shape_decode(
	    &mm_submit_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && job->policy != a->policy.number)
		error = mm_fail(MM_E_BUSY,
		    "another policy has come into force meanwhile: submit "
		    "the image again");
	if (error == MM_OK && a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	if (error == MM_OK)
		error = check_signed(a, job, &request);
	if (error == MM_OK)
		error = judge(a, job, &request, &rules, &failed);
	if (error == MM_OK && failed == 0)
		error = find_state(a, job, &request, &state);
	if (error == MM_OK && failed == 0)
		error =
		    mm_images_keep(a, &job->copy, job->inspected.facts.sha256);
	if (error == MM_OK)
		answer(a, job, &request, state, &rules);
	else
		mm_answer_refusal(a, job, error);
}
