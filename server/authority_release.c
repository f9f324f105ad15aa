#include "server/authority.h"
#include "server/answering.h"
#include "server/stating.h"

#include <sodium.h>
#include <string.h>

#include "policy/roster.h"
#include "protocol/journal.h"
#include "signer/scheme.h"

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
inspected(void *self, struct mm_link *link, struct mm_received *message)
{
	struct mm_job *job = self;
	struct mm_authority *a = job->authority;
	enum mm_error error = mm_error_from(message->packet.error);

	if (message->packet.error != 0)
		mm_fail(error, "%.*s", MM_SPAN(message->packet.why));
	else
		error = mm_shape_decode(&mm_inspect_answer_shape,
		    message->packet.body, &job->arena, &job->inspected);
	if (error == MM_OK)
		error = check_announced(job);
	/* The format's name lies in the message. */
	if (error == MM_OK)
		job->inspected.facts.format =
		    mm_arena_copy(&job->arena, job->inspected.facts.format);
	mm_link_free(link);
	job->inspector = NULL;
	mm_jobs_remove(&a->inspecting, job);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	mm_jobs_push(&a->queue, job);
	mm_batch_step(a);
}

static void
inspector_gone(void *self, struct mm_link *link)
{
	struct mm_job *job = self;

	(void)link;
	job->inspector = NULL;
	mm_jobs_remove(&job->authority->inspecting, job);
	mm_answer_refusal(job->authority, job,
	    mm_fail(MM_E_INSPECTOR, "the image could not be inspected"));
}

static enum mm_error
inspect(struct mm_authority *a, struct mm_job *job, int image,
    struct mm_span scheme)
{
	const struct mm_link_handler handler = {inspected, inspector_gone, job};
	struct mm_inspect_request request = {
	    scheme, a->configure->settings.image_max};
	mm_autoclose int far = -1;
	mm_auto(buffer) packet = {0};
	int ends[2];
	enum mm_error error = mm_channel_pair(ends);

	if (error != MM_OK)
		return error;
	far = ends[1];
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	job->inspector = mm_link_new(a->loop, ends[0], &handler);
	if (job->inspector == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an inspector");
	error = mm_packet_encode(MM_CONTROL_INSPECT, 0, NULL, NULL, &packet);
	if (error == MM_OK)
		error = mm_channel_send_bytes(a->control,
		    mm_buffer_span(&packet), (const int[]){image, far});
	if (error == MM_OK)
		error = mm_link_send(job->inspector, MM_INSPECTOR_INSPECT, 1,
		    &mm_inspect_request_shape, &request, NULL);
	if (error != MM_OK) {
		mm_link_free(job->inspector);
		job->inspector = NULL;
	}
	return error;
}

void
mm_release_arrived(struct mm_authority *a, struct mm_job *job, int fd)
{
	struct mm_release_request request;
	/* Whoever may not ask at all costs no process. */
	enum mm_error error = mm_job_admit(a, job);

	if (error == MM_OK && fd < 0)
		error = mm_fail(MM_E_UPLOAD, "no image came along");
	if (error == MM_OK)
		error = mm_shape_decode(&mm_release_request_shape,
		    job->ask.body, &job->arena, &request);
	if (error == MM_OK && mm_scheme_find(request.scheme) == NULL)
		error = mm_fail(MM_E_SCHEME, "there is no scheme %.*s",
		    MM_SPAN(request.scheme));
	if (error == MM_OK)
		error = inspect(a, job, fd, request.scheme);
	if (error == MM_OK)
		mm_jobs_push(&a->inspecting, job);
	else
		mm_answer_refusal(a, job, error);
}

/* The newest key for code signing that has a certificate. */
static const struct mm_issuer *
signing_key(struct mm_authority *a)
{
	const struct mm_issuer *newest = NULL;

	for (size_t i = 0; i < a->issuer_count; i++) {
		const struct mm_issuer *one = &a->issuers[i];

		if (one->use == MM_KEY_CODE_SIGNING && !one->retired &&
		    one->certificate.size > 0 &&
		    (newest == NULL || one->index > newest->index))
			newest = one;
	}
	return newest;
}

static bool
is_same(const struct mm_issued *issued, const struct mm_job *job,
    const struct mm_release_request *request)
{
	return mm_span_equal(issued->profile, request->product) &&
	       mm_span_equal(issued->subject, request->version) &&
	       mm_span_equal(issued->scheme, request->scheme) &&
	       memcmp(issued->key, job->inspected.facts.sha256,
		   sizeof(issued->key)) == 0;
}

/* A request id names one release for ever. */
static enum mm_error
check_request(struct mm_authority *a, struct mm_job *job,
    const struct mm_release_request *request)
{
	struct mm_issued issued;
	uint64_t index;
	enum mm_error error = mm_index_request(
	    a->index, job->principal.name, job->ask.id, &index);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK)
		error = mm_index_issued(a->index, index, &job->arena, &issued);
	if (error == MM_E_NOT_FOUND ||
	    (error == MM_OK && !is_same(&issued, job, request)))
		return mm_plain(MM_E_REQUEST_REUSED);
	return error;
}

/* The same release again gets its bytes; true where it was answered. */
static bool
answered_before(struct mm_authority *a, struct mm_job *job,
    const struct mm_release_request *request)
{
	struct mm_issued issued;
	enum mm_error error = check_request(a, job, request);

	if (error == MM_OK)
		error = mm_index_image(a->index, request->product,
		    request->version, request->scheme, &job->arena, &issued);
	if (error == MM_E_NOT_FOUND)
		return false;
	if (error == MM_OK && !is_same(&issued, job, request))
		error = mm_plain(MM_E_RELEASE_EXISTS);
	if (error == MM_OK)
		mm_read_again(a, job, &issued);
	else
		mm_answer_refusal(a, job, error);
	return true;
}

static enum mm_error
unapproved(const struct mm_job *job, const struct mm_release_request *request)
{
	char sha256[65];

	sodium_bin2hex(sha256, sizeof(sha256), job->inspected.facts.sha256, 32);
	return mm_fail(MM_E_RELEASE,
	    "no statement came with the image, and none approves %.*s %.*s; "
	    "its SHA-256 is %s: have officers approve that",
	    MM_SPAN(request->product), MM_SPAN(request->version), sha256);
}

static enum mm_error
read_approval(struct mm_authority *a, struct mm_job *job, uint64_t index,
    struct mm_statement_entry *out)
{
	struct mm_entry entry;
	struct mm_span bytes;
	enum mm_error error =
	    mm_index_reference(a->index, index, &job->arena, &bytes);

	return error == MM_OK ? mm_entry_decode_as(bytes, MM_ENTRY_RELEASE,
				    &job->arena, &entry, out)
			      : error;
}

/* Those of its statements that count under the policy in force. */
static enum mm_error
count_approval(struct mm_authority *a, struct mm_job *job, uint64_t index,
    struct mm_release_request *request)
{
	struct mm_statement_entry stated;
	struct mm_counted counted;
	enum mm_error error = read_approval(a, job, index, &stated);

	if (error == MM_OK)
		error = mm_pending_counted(a, MM_STATEMENT_RELEASE,
		    &stated.statements, &job->arena, &counted);
	if (error == MM_E_STATEMENT_TIME)
		error = mm_fail(error,
		    "the approval of %.*s %.*s, entry %llu, has expired: have "
		    "it approved again",
		    MM_SPAN(request->product), MM_SPAN(request->version),
		    (unsigned long long)index);
	if (error == MM_OK && counted.missing > 0)
		error = mm_fail(MM_E_RELEASE,
		    "the approval of %.*s %.*s, entry %llu, lacks %llu of the "
		    "officers that the policy in force wants: have it approved "
		    "again",
		    MM_SPAN(request->product), MM_SPAN(request->version),
		    (unsigned long long)index,
		    (unsigned long long)counted.missing);
	if (error == MM_OK)
		request->statements = counted.statements;
	return error;
}

/* An image that brings no statements has those that officers gave before:
 * they stand in its entry too, where the token process reads them. */
static enum mm_error
find_approval(struct mm_authority *a, struct mm_job *job,
    struct mm_release_request *request)
{
	uint64_t index;
	enum mm_error error;

	if (request->statements.count > 0)
		return MM_OK;
	error = mm_index_release(
	    a->index, request->product, request->version, &index);
	if (error == MM_E_NOT_FOUND)
		return unapproved(job, request);
	return error == MM_OK ? count_approval(a, job, index, request) : error;
}

static enum mm_error
judge(struct mm_authority *a, struct mm_job *job,
    const struct mm_release_request *request)
{
	struct mm_roster_question question = {.policy = &a->policy,
	    .origin = mm_span_text(a->origin),
	    .kind = MM_STATEMENT_RELEASE,
	    .time = a->batch.now};
	struct mm_release_claim said;
	struct mm_claim claim;
	struct mm_release_facts facts = {.policy = &a->policy,
	    .product = request->product,
	    .version = request->version,
	    .scheme = request->scheme,
	    .size = job->inspected.facts.size,
	    .sha256 = job->inspected.facts.sha256,
	    .digest = job->inspected.digest,
	    .claim = &said};
	enum mm_error error;

	error = mm_roster_check(
	    &question, &request->statements, &job->arena, &claim, &said);
	return error == MM_OK ? mm_decide_release(&facts) : error;
}

static enum mm_error
release_new(struct mm_authority *a, struct mm_job *job,
    const struct mm_release_request *request)
{
	const struct mm_issuer *key = signing_key(a);
	struct mm_image_entry body = {.product = request->product,
	    .version = request->version,
	    .size = job->inspected.facts.size,
	    .scheme = request->scheme,
	    .format = job->inspected.facts.format,
	    .statements = request->statements,
	    .principal = job->principal.name,
	    .request = mm_span(job->ask.id, MM_ID_SIZE)};
	struct mm_item *item;
	enum mm_error error;

	if (key == NULL)
		return mm_fail(
		    MM_E_KEY_ABSENT, "there is no key for code signing");
	body.key = mm_span_text(key->name);
	crypto_hash_sha256(body.signer, key->spki.data, key->spki.size);
	memcpy(body.sha256, job->inspected.facts.sha256, 32);
	memcpy(body.digest, job->inspected.digest, 32);
	error = mm_item_draft(a, MM_ENTRY_IMAGE, &body, &item);
	if (error == MM_OK)
		mm_item_wait(a, item, job);
	return error;
}

void
mm_release_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_release_request request;
	enum mm_error error = mm_shape_decode(
	    &mm_release_request_shape, job->ask.body, &job->arena, &request);

	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	if (answered_before(a, job, &request))
		return;
	if (a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	if (error == MM_OK)
		error = find_approval(a, job, &request);
	if (error == MM_OK)
		error = judge(a, job, &request);
	if (error == MM_OK && !a->followed)
		error = mm_plain(MM_E_TOKEN_UNAVAILABLE);
	if (error == MM_OK)
		error = release_new(a, job, &request);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}

/* --- approvals that come before their image --- */

/* A version of a product is one image, for ever. */
static enum mm_error
check_signed(struct mm_stating *s, struct mm_span scheme)
{
	const struct mm_release_claim *claim = &s->body.release;
	struct mm_issued issued;
	enum mm_error error = mm_index_image(s->a->index, claim->product,
	    claim->version, scheme, &s->job->arena, &issued);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK &&
	    memcmp(issued.key, claim->sha256, sizeof(issued.key)) != 0)
		error = mm_fail(MM_E_RELEASE_EXISTS,
		    "another image was signed as %.*s %.*s: give this one "
		    "another version",
		    MM_SPAN(claim->product), MM_SPAN(claim->version));
	return error;
}

static enum mm_error
check_scheme(struct mm_stating *s, size_t i)
{
	const struct mm_release_claim *claim = &s->body.release;
	const struct mm_scheme_digest *one =
	    mm_list_at(claim->schemes, struct mm_scheme_digest, i);
	const struct mm_release_facts facts = {.policy = &s->a->policy,
	    .product = claim->product,
	    .version = claim->version,
	    .scheme = one->scheme,
	    .size = claim->size,
	    .sha256 = claim->sha256,
	    .digest = one->digest,
	    .claim = claim};

	for (size_t j = 0; j < i; j++)
		if (mm_span_equal(
			mm_list_at(claim->schemes, struct mm_scheme_digest, j)
			    ->scheme,
			one->scheme))
			return mm_fail(MM_E_STATEMENT,
			    "the statement names the scheme %.*s twice",
			    MM_SPAN(one->scheme));
	return mm_decide_release(&facts);
}

/* Whether what an entry approves is what is stated now. */
static bool
says_the_same(struct mm_stating *s, const struct mm_statement_entry *stated)
{
	struct mm_statement statement;
	struct mm_claim claim;

	return mm_statement_decode(
		   mm_list_at(stated->statements, struct mm_bytes_item, 0)
		       ->value,
		   &statement) == MM_OK &&
	       mm_shape_decode(&mm_claim_shape, statement.payload,
		   &s->job->arena, &claim) == MM_OK &&
	       mm_span_equal(claim.body, s->claim.body);
}

/* An approval that counts as it is needs no other one; one that has expired,
 * or lacks officers under the policy in force, does. */
static enum mm_error
check_approved(struct mm_stating *s)
{
	const struct mm_release_claim *claim = &s->body.release;
	struct mm_release_request request = {
	    .product = claim->product, .version = claim->version};
	struct mm_statement_entry stated;
	uint64_t index;
	enum mm_error error = mm_index_release(
	    s->a->index, claim->product, claim->version, &index);

	if (error == MM_OK)
		error = read_approval(s->a, s->job, index, &stated);
	if (error == MM_OK && says_the_same(s, &stated))
		error = count_approval(s->a, s->job, index, &request);
	if (error == MM_OK && request.statements.count > 0)
		return mm_fail(MM_E_STATEMENT_REPLAY,
		    "this image is approved already as %.*s %.*s, by entry "
		    "%llu",
		    MM_SPAN(claim->product), MM_SPAN(claim->version),
		    (unsigned long long)index);
	if (error == MM_E_NOT_FOUND || error == MM_E_STATEMENT_TIME ||
	    error == MM_E_RELEASE)
		return MM_OK;
	return error;
}

enum mm_error
mm_release_check(struct mm_stating *s)
{
	const struct mm_release_claim *claim = &s->body.release;
	const struct mm_product *product;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < claim->schemes.count && error == MM_OK; i++)
		error = check_scheme(s, i);
	if (error != MM_OK)
		return error;
	error = check_approved(s);
	product = mm_policy_product(&s->a->policy, claim->product);
	for (size_t i = 0; i < product->schemes.count && error == MM_OK; i++)
		error = check_signed(
		    s, mm_list_at(product->schemes, struct mm_text_item, i)
			   ->value);
	return error;
}

enum mm_error
mm_release_enter(struct mm_stating *s)
{
	return mm_statement_enter(s, MM_ENTRY_RELEASE);
}
