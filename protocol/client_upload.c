/*
 * An image's bytes, from where the appliance has them already; chunks are sent
 * ahead of their answers.
 */
#include "protocol/client.h"

#include <gnutls/crypto.h>

enum {
	CHUNKS_AHEAD = 8, /* sent before their answers have come */
	UPLOAD_ARENA = 65536
};

struct upload {
	struct mm_client *client;
	struct mm_span image;
	uint64_t number;
	uint64_t sent, there; /* bytes: on their way, and answered for */
	mm_upload_tell *tell;
	void *self;
};

static void
tell(const struct upload *upload)
{
	if (upload->tell != NULL)
		upload->tell(upload->self, upload->there, upload->image.size);
}

/* Up to the next whole chunk, where one that was lost ended within it. */
static enum mm_error
send_chunk(struct upload *upload)
{
	size_t left = upload->image.size - upload->sent;
	size_t whole = MM_CHUNK_MAX - upload->sent % MM_CHUNK_MAX;
	size_t size = left < whole ? left : whole;
	uint8_t id[MM_ID_SIZE];
	struct mm_chunk_request chunk = {.upload = upload->number,
	    .offset = upload->sent,
	    .data = mm_span(upload->image.data + upload->sent, size)};

	upload->sent += size;
	return mm_client_send(upload->client, MM_MESSAGE_CHUNK, &chunk, id);
}

static enum mm_error
receive_chunk_answer(struct upload *upload)
{
	uint8_t id[MM_ID_SIZE];
	struct mm_chunk_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, UPLOAD_ARENA);
	error = mm_client_receive(upload->client, &arena, id, &answer);
	if (error != MM_OK)
		return error;
	if (answer.received <= upload->there || answer.received > upload->sent)
		return mm_fail(
		    MM_E_PEER, "the appliance has other bytes than were sent");
	upload->there = answer.received;
	tell(upload);
	return MM_OK;
}

static enum mm_error
send_chunks(struct upload *upload)
{
	enum mm_error error = MM_OK;

	for (unsigned ahead = 0;
	     error == MM_OK && upload->there < upload->image.size;) {
		if (ahead < CHUNKS_AHEAD && upload->sent < upload->image.size) {
			error = send_chunk(upload);
			ahead++;
		} else {
			error = receive_chunk_answer(upload);
			ahead--;
		}
	}
	return error;
}

enum mm_error
mm_client_upload(struct mm_client *client, struct mm_span image, uint64_t least,
    mm_upload_tell *tell_it, void *self, uint64_t *out)
{
	struct upload upload = {
	    .client = client, .image = image, .tell = tell_it, .self = self};
	struct mm_upload_request request = {.size = image.size};
	struct mm_upload_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, UPLOAD_ARENA);
	if (gnutls_hash_fast(
		GNUTLS_DIG_SHA256, image.data, image.size, request.sha256) < 0)
		return mm_fail(MM_E_SYSTEM, "cannot hash the image");
	error = mm_client_call(
	    client, MM_MESSAGE_UPLOAD, &request, &arena, &answer);
	if (error != MM_OK)
		return error;
	if (answer.received > image.size)
		return mm_fail(
		    MM_E_PEER, "the appliance has more bytes than the image");
	if (answer.received < least)
		return mm_fail(MM_E_AWAY,
		    "the appliance has not yet seen the end of the connection "
		    "that was lost");
	upload.number = answer.upload;
	upload.sent = upload.there = answer.received;
	tell(&upload);
	error = send_chunks(&upload);
	if (error == MM_OK)
		*out = upload.number;
	return error;
}
