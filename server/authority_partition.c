/*
 * A device's esp_secure_cert partition is signed under the order of its
 * certificate: one partition for each certificate and signing, for ever. It
 * stays in the memfd that it came in, since a private key may lie in it.
 */
#include "server/partitioning.h"
#include "server/answering.h"
#include "server/releasing.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "ca/certificate.h"
#include "policy/partition.h"

/* A request, with what is known of what it is about. */
struct asked {
	struct mm_job *job;
	const struct mm_partition_ask *ask;
	struct mm_order_row order;
	struct mm_issued certificate;
};

void
mm_partitioning_free(struct mm_partitioning *p)
{
	if (p == NULL)
		return;
	if (p->image >= 0)
		close(p->image);
	free(p);
}

/* --- read --- */

static void
inspected(void *of, enum mm_error error, struct mm_span body)
{
	if (error == MM_E_IMAGE)
		error = mm_fail(MM_E_PARTITION, "%s", mm_why(error));
	mm_inspect_answered(of, error, body, NULL);
}

static enum mm_error
take(struct mm_job *job, int fd)
{
	struct mm_partitioning *p = calloc(1, sizeof(*p));
	enum mm_error error;

	if (p == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a partition");
	job->partitioning = p;
	p->image = dup(fd);
	if (p->image < 0)
		return mm_fail(MM_E_BUSY, "no descriptor for a partition");
	error = mm_shape_decode(
	    &mm_partition_ask_shape, job->ask.body, &job->arena, &p->ask);
	p->signing.value = p->ask.scheme;
	job->inspect = (struct mm_inspect_request){.max = MM_PARTITION_MAX,
	    .as = mm_span_text(mm_image_format_name(MM_FORMAT_SECURE_CERT)),
	    .signings = {&p->signing, 1}};
	return error;
}

void
mm_partition_arrived(struct mm_authority *a, struct mm_job *job, int fd)
{
	/* Whoever may not ask at all costs no process. */
	enum mm_error error = mm_job_admit(a, job);

	if (error == MM_OK && fd < 0)
		error = mm_fail(MM_E_UPLOAD, "no partition came along");
	if (error == MM_OK && !a->ready)
		error = mm_plain(MM_E_STARTING);
	if (error == MM_OK)
		error = take(job, fd);
	if (error == MM_OK)
		error = mm_partition_inspect(a, job, MM_INSPECTOR_INSPECT,
		    &mm_inspect_request_shape, &job->inspect, inspected);
	if (error != MM_OK)
		mm_answer_refusal(a, job, error);
}

/* --- decided --- */

typedef enum mm_error step(struct mm_authority *a, struct asked *p);

static enum mm_error
find_order(struct mm_authority *a, struct asked *p)
{
	enum mm_error error =
	    mm_index_order(a->index, p->ask->order, &p->job->arena, &p->order);

	return error == MM_E_NOT_FOUND
		   ? mm_fail(MM_E_ORDER, "%s", mm_error_text(MM_E_ORDER))
		   : error;
}

/* As for the certificate itself (policy/decide.c). */
static enum mm_error
admit(struct mm_authority *a, struct asked *p)
{
	const struct mm_principal *station = &p->job->principal;
	struct mm_span profile = p->order.claim.profile;
	struct mm_signing_name name;
	enum mm_error error = mm_device_check(p->ask->device);

	if (error == MM_OK)
		error = mm_order_cover(
		    &p->order.claim, profile, p->ask->device, station->name);
	if (error == MM_OK && !mm_texts_hold(&station->profiles, profile))
		error = mm_fail(MM_E_PROFILE_DENIED,
		    "station %.*s may not use profile %.*s",
		    MM_SPAN(station->name), MM_SPAN(profile));
	return error == MM_OK ? mm_partition_signing(
				    &a->policy, profile, p->ask->scheme, &name)
			      : error;
}

static enum mm_error
check_certificate(struct mm_authority *a, const struct asked *p)
{
	const struct mm_issued *live = &p->certificate;
	struct mm_span device = p->ask->device;

	if (live->revoked != 0)
		return mm_fail(MM_E_REVOKED,
		    "the certificate of device %.*s is on hold",
		    MM_SPAN(device));
	if (live->order != p->order.first)
		return mm_fail(MM_E_ORDER_COVER,
		    "device %.*s does not have its certificate under order "
		    "%.*s: name that one's, or ask for a reissue",
		    MM_SPAN(device), MM_SPAN(p->ask->order));
	if (live->state != MM_ISSUED_SIGNED ||
	    mm_item_find(a, live->idx) != NULL)
		return mm_fail(MM_E_BUSY,
		    "the certificate of device %.*s is being signed: ask "
		    "again",
		    MM_SPAN(device));
	return MM_OK;
}

static enum mm_error
find_certificate(struct mm_authority *a, struct asked *p)
{
	enum mm_error error = mm_index_device(a->index, p->order.claim.profile,
	    p->ask->device, &p->job->arena, &p->certificate);

	if (error == MM_E_NOT_FOUND)
		return mm_fail(error,
		    "device %.*s has no certificate of profile %.*s that is "
		    "not revoked: a certificate comes first",
		    MM_SPAN(p->ask->device), MM_SPAN(p->order.claim.profile));
	return error == MM_OK ? check_certificate(a, p) : error;
}

static enum mm_error
check_partition(struct mm_authority *a, struct asked *p)
{
	const struct mm_inspect_answer *seen = &p->job->inspected;
	struct mm_span fault =
	    mm_list_at(seen->faults, struct mm_text_item, 0)->value;
	enum mm_error error = mm_partition_check(
	    mm_policy_profile(&a->policy, p->order.claim.profile), &seen->facts,
	    p->job->partitioning->sha256);

	if (error == MM_OK && !mm_span_is(fault, "-"))
		error = mm_fail(MM_E_PARTITION, "%.*s", MM_SPAN(fault));
	return error;
}

/* A request id names one request for ever, also where what it made is void. */
static enum mm_error
check_request(struct mm_authority *a, struct asked *p)
{
	const struct mm_inspect_answer *seen = &p->job->inspected;
	struct mm_issued former;
	uint64_t index;
	enum mm_error error = mm_index_request(
	    a->index, p->job->principal.name, p->job->ask.id, &index);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, index, &p->job->arena, &former);
	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	if (error == MM_OK && former.kind == MM_ENTRY_PARTITION &&
	    mm_span_equal(former.profile, p->order.claim.profile) &&
	    mm_span_equal(former.subject, p->ask->device) &&
	    mm_span_equal(former.scheme, p->ask->scheme) &&
	    memcmp(former.key, seen->facts.sha256, sizeof(former.key)) == 0)
		return MM_OK;
	return mm_plain(MM_E_REQUEST_REUSED);
}

static step *const checks[] = {
    find_order, admit, find_certificate, check_partition, check_request};

/* --- signed --- */

static enum mm_error
draft(struct mm_authority *a, const struct asked *p, struct mm_item **out)
{
	const struct mm_inspect_answer *seen = &p->job->inspected;
	struct mm_partition_entry body = {.profile = p->order.claim.profile,
	    .device = p->ask->device,
	    .basis = p->order.idx,
	    .certificate = p->certificate.idx,
	    .size = seen->facts.size,
	    .scheme = p->ask->scheme,
	    .principal = p->job->principal.name,
	    .request = mm_span(p->job->ask.id, MM_ID_SIZE)};
	const struct mm_issuer *key;
	enum mm_error error = mm_rules_key(a, p->ask->scheme, &key);

	if (error != MM_OK)
		return error;
	body.key = mm_span_text(key->name);
	crypto_hash_sha256(body.signer, key->spki.data, key->spki.size);
	memcpy(body.sha256, seen->facts.sha256, sizeof(body.sha256));
	memcpy(body.digest,
	    mm_list_at(seen->digests, struct mm_hash_item, 0)->value,
	    sizeof(body.digest));
	error = mm_batch_refer(a, body.basis);
	if (error == MM_OK)
		error = mm_item_draft(a, MM_ENTRY_PARTITION, &body, out);
	if (error == MM_OK)
		(*out)->rest = (struct mm_rest){{body.basis}, 1};
	return error;
}

static void
sign_new(struct mm_authority *a, const struct asked *p)
{
	struct mm_item *item;
	enum mm_error error = mm_order_open(&p->order.claim, a->batch.now);

	if (error == MM_OK && a->batch.clock != MM_OK)
		error = mm_plain(a->batch.clock);
	if (error == MM_OK && !a->followed)
		error = mm_plain(MM_E_TOKEN_UNAVAILABLE);
	if (error == MM_OK)
		error = draft(a, p, &item);
	if (error == MM_OK)
		mm_item_wait(a, item, p->job);
	else
		mm_answer_refusal(a, p->job, error);
}

/* The same bytes have the signature that they got; no others get one. */
static void
sign(struct mm_authority *a, const struct asked *p)
{
	struct mm_issued former;
	enum mm_error error = mm_index_partition(a->index, p->certificate.idx,
	    p->ask->scheme, &p->job->arena, &former);

	if (error == MM_E_NOT_FOUND)
		sign_new(a, p);
	else if (error != MM_OK)
		mm_answer_error(a, p->job, error);
	else if (memcmp(former.key, p->job->inspected.facts.sha256,
		     sizeof(former.key)) == 0)
		mm_read_again(a, p->job, &former);
	else
		mm_answer_refusal(a, p->job,
		    mm_fail(MM_E_PARTITION_SIGNED,
			"another partition of device %.*s, with this "
			"certificate, was signed by %.*s: there is one for "
			"each certificate",
			MM_SPAN(p->ask->device), MM_SPAN(p->ask->scheme)));
}

/* --- the certificate as it was issued, out of the log --- */

static enum mm_error
digest_certificate(
    struct mm_authority *a, struct mm_job *job, struct mm_span entry)
{
	struct mm_partitioning *p = job->partitioning;
	struct mm_certificate_entry body;
	struct mm_issued issued;
	struct mm_entry frame;
	mm_auto(buffer) der = {0};
	enum mm_error error = mm_entry_decode_as(
	    entry, MM_ENTRY_CERTIFICATE, &job->arena, &frame, &body);

	mm_buffer_init(&der, MM_CERTIFICATE_MAX);
	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, job->index, &job->arena, &issued);
	if (error == MM_OK)
		error =
		    mm_certificate_assemble(body.tbs, issued.signature, &der);
	if (error != MM_OK)
		return error;
	crypto_hash_sha256(p->sha256, der.data, der.size);
	p->certificate = job->index;
	p->read = true;
	return MM_OK;
}

/* Everything is looked at again: meanwhile something may have come. */
static void
certificate_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_archive_receipt_answer answer;
	struct mm_proof proof;
	enum mm_error error =
	    mm_reading_receipt(job, received, &answer, &proof);

	if (error == MM_OK)
		error = digest_certificate(a, job, answer.entry);
	if (error != MM_OK) {
		mm_answer_error(a, job, error);
		return;
	}
	mm_jobs_push(&a->queue, job);
	mm_batch_step(a);
}

void
mm_partition_decide(struct mm_authority *a, struct mm_job *job)
{
	const struct mm_partitioning *known = job->partitioning;
	struct asked p = {.job = job, .ask = &known->ask};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_COUNT(checks) && error == MM_OK; i++) {
		error = checks[i](a, &p);
		if (error != MM_OK || checks[i] != find_certificate ||
		    (known->read && known->certificate == p.certificate.idx))
			continue;
		mm_reading_ask_receipt(a, job, p.certificate.idx,
		    MM_AGAINST_BATCH, certificate_read);
		return;
	}
	if (error == MM_OK)
		sign(a, &p);
	else
		mm_answer_refusal(a, job, error);
}

/* --- after a crash --- */

/* By the terms of today: the order may be closed since, the station disabled,
 * the certificate revoked, the key retired. */
enum mm_error
mm_partition_again(
    struct mm_authority *a, struct mm_item *item, struct mm_arena *arena)
{
	struct mm_authority_row key;
	struct mm_partition_entry body;
	struct mm_principal station;
	struct mm_order_claim then;
	struct mm_order_row now;
	struct mm_issued issued;
	struct mm_entry frame;
	enum mm_error error = mm_entry_decode_as(mm_buffer_span(&item->entry),
	    MM_ENTRY_PARTITION, arena, &frame, &body);

	if (error == MM_OK)
		error = mm_index_authority(a->index, body.key, arena, &key);
	if (error == MM_OK && key.retired)
		error = mm_fail(MM_E_KEY_ABSENT, "its key is retired since");
	if (error == MM_OK)
		error = mm_index_principal_named(
		    a->index, body.principal, arena, &station);
	if (error == MM_OK && station.disabled)
		error = mm_fail(MM_E_PRINCIPAL, "its station is disabled");
	if (error == MM_OK)
		error =
		    mm_index_issued(a->index, body.certificate, arena, &issued);
	if (error == MM_OK && issued.revoked != 0)
		error = mm_fail(MM_E_REVOKED, "its certificate is revoked");
	if (error == MM_OK)
		error = mm_index_order_at(a->index, body.basis, arena, &then);
	if (error == MM_OK)
		error = mm_index_order(a->index, then.name, arena, &now);
	if (error == MM_OK)
		error = mm_order_check(&now.claim, body.profile, body.device,
		    body.principal, mm_seconds(CLOCK_REALTIME));
	if (error == MM_OK)
		item->rest = (struct mm_rest){{body.basis}, 1};
	return error;
}
