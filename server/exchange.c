#include "server/exchange.h"

#include <sodium.h>
#include <string.h>

#include "protocol/frame.h"

struct mm_pending {
	struct mm_pending *next;
	uint64_t type;
	struct mm_upload_request upload; /* where it asks for one */
	uint8_t id[MM_ID_SIZE];
};

void
mm_exchange_init(struct mm_exchange *exchange, struct mm_gate *gate,
    uint64_t number, struct mm_buffer *out)
{
	*exchange = (struct mm_exchange){.gate = gate,
	    .number = number,
	    .out = out,
	    .upload = MM_UPLOAD_NONE};
}

static void
drop_upload(struct mm_exchange *x)
{
	if (x->upload.fd < 0)
		return;
	mm_upload_clear(&x->upload);
	x->gate->uploads--;
}

static struct mm_pending *
pop(struct mm_exchange *x, struct mm_pending **at)
{
	struct mm_pending *pending = *at;

	*at = pending->next;
	x->flight--;
	return pending;
}

/* The connection is lost, and perhaps not for long. */
static void
park_upload(struct mm_exchange *x)
{
	struct mm_park park = {
	    .size = x->upload.size, .received = x->upload.received};

	if (x->upload.fd < 0 || x->upload.received == 0 || x->upload.sealed)
		return;
	memcpy(park.client, x->client, sizeof(park.client));
	memcpy(park.sha256, x->announced, sizeof(park.sha256));
	mm_gate_park(x->gate, &park, x->upload.fd);
}

void
mm_exchange_clear(struct mm_exchange *x)
{
	while (x->pending != NULL)
		free(pop(x, &x->pending));
	park_upload(x);
	drop_upload(x);
}

/* ---- answers */

static void
answer(struct mm_exchange *x, uint64_t type, const uint8_t id[MM_ID_SIZE],
    const struct mm_shape *shape, const void *body)
{
	mm_auto(buffer) envelope = {0};
	enum mm_error error;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	error = mm_envelope_encode(type, id, shape, body, &envelope);
	if (error == MM_OK)
		mm_frame_put(mm_buffer_span(&envelope), x->out);
	else
		x->out->error = error;
}

void
mm_exchange_refuse(
    struct mm_exchange *x, const uint8_t id[MM_ID_SIZE], enum mm_error refusal)
{
	mm_auto(buffer) envelope = {0};
	enum mm_error error;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	error = mm_envelope_error(refusal, id, &envelope);
	if (error == MM_OK)
		mm_frame_put(mm_buffer_span(&envelope), x->out);
	else
		x->out->error = error;
}

/* ---- requests */

/* The request goes to the authority and is remembered until it answers. */
static enum mm_error
ask(struct mm_exchange *x, const struct mm_request *request, int fd)
{
	mm_autofree struct mm_pending *pending = calloc(1, sizeof(*pending));
	struct mm_ask packet = {.connection = x->number,
	    .type = request->type,
	    .body = request->ask,
	    .serial = mm_span(x->serial, x->serial_size)};
	enum mm_error error;

	if (pending == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a request");
	memcpy(packet.client, x->client, sizeof(packet.client));
	memcpy(packet.id, request->id, MM_ID_SIZE);
	if (request->type == MM_MESSAGE_SUBMIT)
		memcpy(packet.announced, x->announced, sizeof(x->announced));
	error = mm_gate_ask(x->gate, &packet, fd);
	if (error != MM_OK)
		return error;
	*pending =
	    (struct mm_pending){.next = x->pending, .type = request->type};
	memcpy(pending->id, request->id, MM_ID_SIZE);
	if (request->type == MM_MESSAGE_UPLOAD)
		memcpy(
		    &pending->upload, request->body, sizeof(pending->upload));
	x->pending = mm_take(pending);
	x->flight++;
	return MM_OK;
}

static bool
is_asking(const struct mm_exchange *x, uint64_t type)
{
	for (const struct mm_pending *p = x->pending; p != NULL; p = p->next)
		if (p->type == type)
			return true;
	return false;
}

static enum mm_error
check_uploads(const struct mm_exchange *x)
{
	if (x->upload.fd >= 0)
		return mm_fail(
		    MM_E_BUSY, "an upload is under way on this connection");
	if (x->gate->uploads >= x->gate->settings->uploads)
		return mm_fail(MM_E_BUSY, "too many uploads are under way");
	return MM_OK;
}

/* Nothing is allocated before the authority knows who asks. */
static enum mm_error
ask_upload(struct mm_exchange *x, const struct mm_request *request)
{
	static const uint8_t zeros[32];
	const struct mm_upload_request *body = request->body;
	uint64_t max = x->gate->settings->image_max;
	enum mm_error error;

	if (body->size > max)
		return mm_fail(MM_E_IMAGE_SIZE,
		    "the image has %llu bytes; %llu are allowed",
		    (unsigned long long)body->size, (unsigned long long)max);
	if (memcmp(body->sha256, zeros, sizeof(zeros)) == 0)
		return mm_fail(MM_E_RANGE, "the image's SHA-256 is missing");
	error = check_uploads(x);
	if (error != MM_OK)
		return error;
	if (is_asking(x, MM_MESSAGE_UPLOAD))
		return mm_fail(MM_E_BUSY, "an upload is being asked for");
	return ask(x, request, -1);
}

static enum mm_error
take_chunk(struct mm_exchange *x, const struct mm_request *request)
{
	const struct mm_chunk_request *body = request->body;
	enum mm_error error =
	    mm_upload_add(&x->upload, body->upload, body->offset, body->data);
	struct mm_chunk_answer reply = {.received = x->upload.received};

	if (error != MM_OK) {
		drop_upload(x);
		return error;
	}
	x->upload_touched = ev_now(x->gate->loop);
	answer(x, request->type, request->id, &mm_chunk_answer_shape, &reply);
	return MM_OK;
}

static enum mm_error
ask_submit(struct mm_exchange *x, const struct mm_request *request)
{
	const struct mm_submit_request *body = request->body;
	enum mm_error error = mm_upload_seal(&x->upload, body->upload);

	/* It was parked by a gate that can still write to it. */
	if (error == MM_E_SYSTEM)
		drop_upload(x);
	if (error == MM_OK)
		error = ask(x, request, x->upload.fd);
	/* Where it could not be asked, the client may ask again. */
	if (error == MM_OK)
		drop_upload(x);
	return error;
}

/* A private key may lie in it: it is nowhere but in the memfd afterwards. */
static enum mm_error
ask_partition(struct mm_exchange *x, const struct mm_request *request)
{
	const struct mm_partition_request *body = request->body;
	struct mm_span bytes = body->partition;
	struct mm_upload memfd = MM_UPLOAD_NONE;
	enum mm_error error = mm_upload_open(0, bytes.size, &memfd);

	if (error == MM_OK)
		error = mm_upload_add(&memfd, 0, 0, bytes);
	if (error == MM_OK)
		error = mm_upload_seal(&memfd, 0);
	if (error == MM_OK)
		error = ask(x, request, memfd.fd);
	mm_upload_clear(&memfd);
	sodium_memzero((void *)(uintptr_t)bytes.data, bytes.size);
	return error;
}

/* All others are for the authority alone. */
static const struct {
	uint64_t type;
	enum mm_error (*take)(struct mm_exchange *, const struct mm_request *);
} ours[] = {
    {MM_MESSAGE_UPLOAD, ask_upload},
    {MM_MESSAGE_CHUNK, take_chunk},
    {MM_MESSAGE_SUBMIT, ask_submit},
    {MM_MESSAGE_PARTITION, ask_partition},
};

static void
drop_stale_upload(struct mm_exchange *x)
{
	ev_tstamp idle = (ev_tstamp)x->gate->settings->idle_deadline;

	if (ev_now(x->gate->loop) - x->upload_touched > idle)
		drop_upload(x);
}

enum mm_error
mm_exchange_take(struct mm_exchange *x, const struct mm_request *request)
{
	if (x->gate->stopping)
		return mm_fail(MM_E_STOPPING, "the appliance is stopping");
	drop_stale_upload(x);
	for (size_t i = 0; i < MM_COUNT(ours); i++)
		if (ours[i].type == request->type)
			return ours[i].take(x, request);
	return ask(x, request, -1);
}

/* ---- what the authority says */

/* From its beginning, or behind what came on a connection that was lost. */
static enum mm_error
open_upload(struct mm_exchange *x, const struct mm_upload_request *wanted,
    struct mm_upload_answer *reply, int fds[MM_CHANNEL_FDS])
{
	if (reply->received > 0 &&
	    mm_upload_resume(reply->upload, wanted->size, reply->received,
		fds[0], &x->upload) == MM_OK) {
		fds[0] = -1;
		return MM_OK;
	}
	reply->received = 0;
	return mm_upload_open(reply->upload, wanted->size, &x->upload);
}

/* The authority has nothing against an upload: here is where it goes. */
static enum mm_error
begin_upload(struct mm_exchange *x, const struct mm_pending *pending,
    struct mm_span body, int fds[MM_CHANNEL_FDS])
{
	struct mm_upload_answer reply;
	mm_auto(arena) arena = {0};
	enum mm_error error = check_uploads(x);

	mm_arena_init(&arena, sizeof(reply));
	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_upload_answer_shape, body, &arena, &reply);
	reply.upload = x->gate->upload_number + 1;
	if (error == MM_OK)
		error = open_upload(x, &pending->upload, &reply, fds);
	if (error != MM_OK)
		return error;
	memcpy(x->announced, pending->upload.sha256, sizeof(x->announced));
	x->gate->upload_number++;
	x->gate->uploads++;
	x->upload_touched = ev_now(x->gate->loop);
	answer(x, pending->type, pending->id, &mm_upload_answer_shape, &reply);
	return MM_OK;
}

/* Takes the request that an answer is for out of the list, or NULL. */
static struct mm_pending *
take_pending(struct mm_exchange *x, const struct mm_envelope *envelope)
{
	for (struct mm_pending **p = &x->pending; *p != NULL; p = &(*p)->next)
		if (memcmp((*p)->id, envelope->id, MM_ID_SIZE) == 0 &&
		    (envelope->type == MM_MESSAGE_ERROR ||
			envelope->type == (*p)->type))
			return pop(x, p);
	return NULL;
}

void
mm_exchange_tell(
    struct mm_exchange *x, struct mm_span item, int fds[MM_CHANNEL_FDS])
{
	struct mm_envelope envelope;
	mm_autofree struct mm_pending *pending = NULL;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, sizeof(envelope));
	error = mm_shape_decode(&mm_envelope_shape, item, &arena, &envelope);
	/* Whoever waits would wait for ever: the connection ends. */
	if (error != MM_OK)
		x->out->error = error;
	else
		pending = take_pending(x, &envelope);
	if (pending == NULL)
		return;
	if (envelope.type == MM_MESSAGE_UPLOAD)
		error = begin_upload(x, pending, envelope.body, fds);
	else
		mm_frame_put(item, x->out);
	if (error != MM_OK)
		mm_exchange_refuse(x, pending->id, error);
}

void
mm_exchange_abandon(struct mm_exchange *x, enum mm_error error)
{
	while (x->pending != NULL) {
		mm_autofree struct mm_pending *pending = pop(x, &x->pending);

		mm_exchange_refuse(x, pending->id, error);
	}
}
