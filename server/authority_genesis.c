/*
 * The birth of a log: keys, the genesis entry, the CAs' certificates, the
 * first principals and orders. Each step is a batch of its own, stored before
 * the token is asked, exactly as it will be ever after; only that nobody else
 * asks yet, so that the calls may simply wait for their answers.
 */
#include "server/genesis_parts.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "policy/ceremony.h"
#include "policy/roster.h"
#include "protocol/journal.h"
#include "server/role.h"
#include "server/sandbox.h"

enum { FILE_MAX = 1 << 22, ARENA = 1 << 24 };

static enum mm_error
read_file(struct mm_birth *g, int fd)
{
	mm_auto(buffer) bytes = {0};
	struct mm_span copy;
	struct mm_claim claim;
	struct mm_roster_question question;
	enum mm_error error;

	mm_buffer_init(&bytes, FILE_MAX);
	for (;;) {
		uint8_t chunk[4096];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got <= 0)
			break;
		mm_buffer_add(&bytes, chunk, (size_t)got);
	}
	if (bytes.error != MM_OK)
		return mm_fail(MM_E_FORMAT,
		    "the genesis file has more than %d bytes", FILE_MAX);
	copy = mm_arena_copy(&g->arena, mm_buffer_span(&bytes));
	error =
	    mm_shape_decode(&mm_genesis_file_shape, copy, &g->arena, &g->file);
	if (error == MM_OK)
		error = mm_policy_decode(g->file.policy, &g->arena, &g->policy);
	if (error != MM_OK)
		return error;
	mm_policy_digest(g->file.policy, g->policy_digest);
	question = (struct mm_roster_question){.policy = &g->policy,
	    .origin = g->file.origin,
	    .kind = MM_STATEMENT_CEREMONY,
	    .time = g->now};
	error = mm_roster_check(
	    &question, &g->file.statements, &g->arena, &claim, &g->ceremony);
	return error == MM_OK ? mm_ceremony_claim_check(&g->ceremony) : error;
}

/* Waits until the supervisor has linked us to all three. */
static enum mm_error
await_links(struct mm_birth *g)
{
	while (g->notary < 0 || g->token < 0 || g->archive < 0) {
		mm_auto(received) message = {.fds = {-1, -1}};
		struct mm_control_link link;
		enum mm_error error = mm_channel_receive(g->control, &message);

		if (error != MM_OK || message.closed)
			return mm_fail(MM_E_STOPPING, "genesis was ended");
		if (message.packet.type == MM_CONTROL_BLOB &&
		    g->blob_count < MM_GENESIS_BLOBS)
			g->blobs[g->blob_count++] = mm_take_fd(message.fds[0]);
		if (message.packet.type != MM_CONTROL_LINK)
			continue;
		error = mm_shape_decode(&mm_control_link_shape,
		    message.packet.body, &g->arena, &link);
		if (error != MM_OK)
			return error;
		if (link.process == MM_NOTARY)
			g->notary = mm_take_fd(message.fds[0]);
		if (link.process == MM_TOKEN)
			g->token = mm_take_fd(message.fds[0]);
		if (link.process == MM_ARCHIVE)
			g->archive = mm_take_fd(message.fds[0]);
	}
	return MM_OK;
}

/* A call whose answer stays as long as genesis does. */
enum mm_error
mm_birth_call(struct mm_birth *g, int fd, uint64_t type,
    const struct mm_shape *request_shape, const void *request,
    const struct mm_shape *answer_shape, void *answer)
{
	mm_auto(received) received = {.fds = {-1, -1}};
	struct mm_span body;
	enum mm_error error = mm_call_sync(fd, type, request_shape, request,
	    answer_shape, &received, &g->arena, answer);

	if (error != MM_OK)
		return error;
	/* The spans point into what was received: once more, into a copy. */
	body = mm_arena_copy(&g->arena, received.packet.body);
	return mm_shape_decode(answer_shape, body, &g->arena, answer);
}

/* Stores one entry, and with it the signature of the one before. */
enum mm_error
mm_birth_append(struct mm_birth *g, uint64_t kind, const void *body,
    const struct mm_uint_item *references, size_t count, struct mm_span *entry,
    struct mm_notary_append_answer *answer)
{
	struct mm_entry frame = {.time = g->now};
	struct mm_signatures_entry former = {{&g->signature, 1}};
	mm_auto(buffer) own = {0};
	mm_auto(buffer) signatures = {0};
	struct mm_bytes_item items[2];
	struct mm_notary_append_request request = {.size = g->size,
	    .entries = {items, 0},
	    .references = {references, count}};
	enum mm_error error = MM_OK;

	mm_buffer_init(&own, MM_ENTRY_MAX);
	mm_buffer_init(&signatures, MM_ENTRY_MAX);
	memcpy(frame.policy, g->policy_digest, sizeof(frame.policy));
	if (body != NULL) {
		frame.kind = kind;
		error = mm_entry_encode(&frame, body, &own);
		items[request.entries.count++].value = mm_buffer_span(&own);
	}
	if (error == MM_OK && g->signature.signature.size > 0) {
		frame.kind = MM_ENTRY_SIGNATURES;
		error = mm_entry_encode(&frame, &former, &signatures);
		items[request.entries.count++].value =
		    mm_buffer_span(&signatures);
	}
	if (error == MM_OK)
		error = mm_birth_call(g, g->notary, MM_NOTARY_APPEND,
		    &mm_notary_append_request_shape, &request,
		    &mm_notary_append_answer_shape, answer);
	for (size_t i = 0; i < request.entries.count && error == MM_OK; i++)
		error = mm_index_apply(g->index, items[i].value);
	if (error != MM_OK)
		return error;
	g->signature.signature = mm_span(NULL, 0);
	g->size += request.entries.count;
	g->note = answer->note;
	if (entry != NULL)
		*entry = mm_arena_copy(&g->arena, items[0].value);
	return MM_OK;
}

struct mm_proven
mm_birth_proven(const struct mm_inclusion *inclusion, struct mm_span entry)
{
	return (struct mm_proven){inclusion->index, entry, inclusion->proof};
}

static bool
fits(const struct mm_birth *g, const struct mm_genesis *body)
{
	struct mm_entry frame = {.kind = MM_ENTRY_GENESIS, .time = g->now};
	mm_auto(buffer) entry = {0};

	mm_buffer_init(&entry, MM_ENTRY_MAX);
	return mm_entry_encode(&frame, body, &entry) == MM_OK;
}

/* The text goes beside the log, before the entry that names it. */
static enum mm_error
store_text(struct mm_birth *g, struct mm_genesis *body)
{
	struct mm_span text = body->text;
	struct mm_notary_blob_request piece = {.size = text.size};
	enum mm_error error = MM_OK;

	crypto_hash_sha256(piece.sha256, text.data, text.size);
	while (error == MM_OK && piece.offset < text.size) {
		size_t left = text.size - (size_t)piece.offset;

		error = mm_heritage_put(g->notary, &piece,
		    mm_span(text.data + piece.offset,
			left < MM_CHUNK_MAX ? left : MM_CHUNK_MAX));
	}
	body->text = mm_span(NULL, 0);
	body->text_size = text.size;
	body->text_sha256 = mm_arena_copy(
	    &g->arena, mm_span(piece.sha256, sizeof(piece.sha256)));
	if (error == MM_OK && body->text_sha256.data == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for the genesis");
	return error;
}

/* Makes the keys and the log's first entry, and has the token follow it. */
static enum mm_error
strike_genesis(struct mm_birth *g)
{
	struct mm_notary_genesis_request log = {g->file.origin};
	struct mm_notary_genesis_answer log_key;
	struct mm_token_generate_request wanted = {.keys = g->ceremony.keys};
	struct mm_token_generate_answer keys;
	struct mm_genesis body = {.origin = g->file.origin,
	    .policy = g->file.policy,
	    .text = g->file.text,
	    .statements = g->file.statements};
	struct mm_notary_append_answer answer;
	struct mm_token_follow_request follow;
	struct mm_token_follow_answer followed;
	enum mm_error error = mm_birth_call(g, g->notary, MM_NOTARY_GENESIS,
	    &mm_notary_genesis_request_shape, &log,
	    &mm_notary_genesis_answer_shape, &log_key);

	if (error == MM_OK)
		error = mm_birth_call(g, g->token, MM_TOKEN_GENERATE,
		    &mm_token_generate_request_shape, &wanted,
		    &mm_token_generate_answer_shape, &keys);
	if (error != MM_OK)
		return error;
	memcpy(body.log_key, log_key.log_key, sizeof(body.log_key));
	body.keys = g->keys = keys.keys;
	if (!fits(g, &body))
		error = store_text(g, &body);
	if (error == MM_OK)
		error = mm_birth_append(g, MM_ENTRY_GENESIS, &body, NULL, 0,
		    &follow.entry.entry, &answer);
	if (error != MM_OK)
		return error;
	follow.note = answer.note;
	follow.entry =
	    mm_birth_proven(mm_list_at(answer.proofs, struct mm_inclusion, 0),
		follow.entry.entry);
	return mm_birth_call(g, g->token, MM_TOKEN_FOLLOW,
	    &mm_token_follow_request_shape, &follow,
	    &mm_token_follow_answer_shape, &followed);
}

/* The last signature is stored, and the archive told. */
static enum mm_error
finish(struct mm_birth *g)
{
	struct mm_notary_append_answer answer;
	struct mm_archive_publish_request request;
	struct mm_nothing nothing;
	enum mm_error error = MM_OK;

	if (g->signature.signature.size > 0)
		error = mm_birth_append(g, 0, NULL, NULL, 0, NULL, &answer);
	if (error == MM_OK)
		error = mm_index_commit(g->index);
	request.note = g->note;
	if (error == MM_OK)
		error = mm_birth_call(g, g->archive, MM_ARCHIVE_PUBLISH,
		    &mm_archive_publish_request_shape, &request,
		    &mm_nothing_shape, &nothing);
	if (error == MM_OK)
		error =
		    mm_channel_send(g->control, MM_CONTROL_DONE, 0, NULL, NULL);
	return error;
}

static enum mm_error
strike_all(struct mm_birth *g)
{
	enum mm_error error = strike_genesis(g);

	if (error == MM_OK)
		error = mm_strike_inheritance(g);
	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 g->ceremony.certificates))
		if (error == MM_OK)
			error = mm_strike_authority(g, one);
	for (mm_list_each(
		 const struct mm_ceremony_request, one, g->ceremony.requests))
		if (error == MM_OK)
			error = mm_strike_request(g, one);
	for (mm_list_each(
		 const struct mm_genesis_principal, one, g->file.principals))
		if (error == MM_OK)
			error = mm_strike_principal(g, one);
	for (mm_list_each(const struct mm_genesis_order, one, g->file.orders))
		if (error == MM_OK)
			error = mm_strike_order(g, one);
	return error == MM_OK ? finish(g) : error;
}

/* After DONE the supervisor says stop. */
static void
await_stop(const struct mm_birth *g)
{
	for (;;) {
		mm_auto(received) message = {.fds = {-1, -1}};

		if (mm_channel_receive(g->control, &message) != MM_OK ||
		    message.closed || message.packet.type == MM_CONTROL_STOP)
			return;
	}
}

enum mm_error
mm_authority_genesis(
    const struct mm_configure *configure, int control, int file)
{
	struct mm_birth g = {.configure = configure,
	    .control = control,
	    .notary = -1,
	    .token = -1,
	    .archive = -1,
	    .now = (uint64_t)time(NULL)};
	char directory[4096];
	enum mm_error error;

	mm_arena_init(&g.arena, ARENA);
	mm_span_string(configure->settings.index, directory, sizeof(directory));
	error = mm_index_open(directory, false, &g.index);
	if (error == MM_OK && mm_index_size(g.index) != 0)
		error = mm_fail(
		    MM_E_STATE, "the index %s is of a log already", directory);
	if (error == MM_OK)
		error = mm_sandbox_close(configure);
	if (error == MM_OK)
		error = read_file(&g, file);
	if (error == MM_OK)
		error = await_links(&g);
	if (error == MM_OK)
		error = mm_index_begin(g.index);
	if (error == MM_OK)
		error = strike_all(&g);
	if (error == MM_OK)
		await_stop(&g);
	mm_index_close(g.index);
	for (size_t i = 0; i < g.blob_count; i++)
		mm_own_close_(&g.blobs[i]);
	mm_arena_clear(&g.arena);
	return error;
}
