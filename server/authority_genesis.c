/*
 * The birth of a log: keys, the genesis entry, the CAs' certificates, the
 * first principals and orders. Each step is a batch of its own, stored before
 * the token is asked, exactly as it will be ever after; only that nobody else
 * asks yet, so that the calls may simply wait for their answers.
 */
#include "server/authority.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "ca/certificate.h"
#include "policy/roster.h"
#include "protocol/genesis.h"
#include "protocol/journal.h"
#include "server/role.h"
#include "server/sandbox.h"

enum { FILE_MAX = 1 << 22, ARENA = 1 << 24, AUTHORITIES = 8 };

/* A CA or the code signer, once its certificate is logged. */
struct struck {
	struct mm_span name, issuer, spki, tbs;
	uint64_t index;
};

struct genesis {
	const struct mm_configure *configure;
	int control, notary, token, archive;
	struct mm_arena arena;
	struct mm_genesis_file file;
	struct mm_policy policy;
	struct mm_ceremony_claim ceremony;
	struct mm_index *index;
	uint8_t policy_digest[32];
	struct mm_list keys; /* mm_genesis_key */
	struct struck struck[AUTHORITIES];
	size_t struck_count;
	struct mm_signature signature; /* of the last entry, not stored yet */
	struct mm_span note;
	uint64_t size;
	uint64_t now; /* one time for all of it */
};

static enum mm_error
read_file(struct genesis *g, int fd)
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
	return mm_roster_check(
	    &question, &g->file.statements, &g->arena, &claim, &g->ceremony);
}

/* Waits until the supervisor has linked us to all three. */
static enum mm_error
await_links(struct genesis *g)
{
	while (g->notary < 0 || g->token < 0 || g->archive < 0) {
		mm_auto(received) message = {.fds = {-1, -1}};
		struct mm_control_link link;
		enum mm_error error = mm_channel_receive(g->control, &message);

		if (error != MM_OK || message.closed)
			return mm_fail(MM_E_STOPPING, "genesis was ended");
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
static enum mm_error
call(struct genesis *g, int fd, uint64_t type,
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
static enum mm_error
append(struct genesis *g, uint64_t kind, const void *body,
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
		error = call(g, g->notary, MM_NOTARY_APPEND,
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

static struct mm_proven
proven(const struct mm_inclusion *inclusion, struct mm_span entry)
{
	return (struct mm_proven){inclusion->index, entry, inclusion->proof};
}

static bool
fits(const struct genesis *g, const struct mm_genesis *body)
{
	struct mm_entry frame = {.kind = MM_ENTRY_GENESIS, .time = g->now};
	mm_auto(buffer) entry = {0};

	mm_buffer_init(&entry, MM_ENTRY_MAX);
	return mm_entry_encode(&frame, body, &entry) == MM_OK;
}

/* The text goes beside the log, before the entry that names it. */
static enum mm_error
store_text(struct genesis *g, struct mm_genesis *body)
{
	struct mm_span text = body->text;
	struct mm_notary_blob_request piece = {.size = text.size};
	struct mm_nothing nothing;
	enum mm_error error = MM_OK;

	crypto_hash_sha256(piece.sha256, text.data, text.size);
	while (error == MM_OK && piece.offset < text.size) {
		size_t left = text.size - (size_t)piece.offset;

		piece.data = mm_span(text.data + piece.offset,
		    left < MM_CHUNK_MAX ? left : MM_CHUNK_MAX);
		error = call(g, g->notary, MM_NOTARY_BLOB,
		    &mm_notary_blob_request_shape, &piece, &mm_nothing_shape,
		    &nothing);
		piece.offset += piece.data.size;
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
strike_genesis(struct genesis *g)
{
	struct mm_notary_genesis_request log = {g->file.origin};
	struct mm_notary_genesis_answer log_key;
	struct mm_token_generate_request wanted = {g->ceremony.keys};
	struct mm_token_generate_answer keys;
	struct mm_genesis body = {.origin = g->file.origin,
	    .policy = g->file.policy,
	    .text = g->file.text,
	    .statements = g->file.statements};
	struct mm_notary_append_answer answer;
	struct mm_token_follow_request follow;
	struct mm_token_follow_answer followed;
	enum mm_error error = call(g, g->notary, MM_NOTARY_GENESIS,
	    &mm_notary_genesis_request_shape, &log,
	    &mm_notary_genesis_answer_shape, &log_key);

	if (error == MM_OK)
		error = call(g, g->token, MM_TOKEN_GENERATE,
		    &mm_token_generate_request_shape, &wanted,
		    &mm_token_generate_answer_shape, &keys);
	if (error != MM_OK)
		return error;
	memcpy(body.log_key, log_key.log_key, sizeof(body.log_key));
	body.keys = g->keys = keys.keys;
	if (!fits(g, &body))
		error = store_text(g, &body);
	if (error == MM_OK)
		error = append(g, MM_ENTRY_GENESIS, &body, NULL, 0,
		    &follow.entry.entry, &answer);
	if (error != MM_OK)
		return error;
	follow.note = answer.note;
	follow.entry = proven(mm_list_at(answer.proofs, struct mm_inclusion, 0),
	    follow.entry.entry);
	return call(g, g->token, MM_TOKEN_FOLLOW,
	    &mm_token_follow_request_shape, &follow,
	    &mm_token_follow_answer_shape, &followed);
}

static const struct struck *
struck_named(const struct genesis *g, struct mm_span name)
{
	for (size_t i = 0; i < g->struck_count; i++)
		if (mm_span_equal(g->struck[i].name, name))
			return &g->struck[i];
	return NULL;
}

static struct mm_span
spki_named(const struct genesis *g, struct mm_span name)
{
	for (mm_list_each(const struct mm_genesis_key, key, g->keys))
		if (mm_span_equal(key->name, name))
			return key->spki;
	return mm_span(NULL, 0);
}

/* The basis, and the issuers up to one that signs itself. */
static size_t
references_of(const struct genesis *g, uint64_t basis, struct mm_span issuer,
    bool self_signed, struct mm_uint_item out[AUTHORITIES + 1])
{
	size_t count = 0;
	const struct struck *up = self_signed ? NULL : struck_named(g, issuer);

	out[count++].value = basis;
	while (up != NULL && count <= AUTHORITIES) {
		out[count++].value = up->index;
		if (mm_span_equal(up->name, up->issuer))
			break;
		up = struck_named(g, up->issuer);
	}
	return count;
}

/* Has the token sign the entry that was just stored. */
static enum mm_error
sign(struct genesis *g, struct mm_span entry,
    const struct mm_notary_append_answer *answer)
{
	struct mm_proven references[AUTHORITIES + 1];
	struct mm_proven item =
	    proven(mm_list_at(answer->proofs, struct mm_inclusion, 0), entry);
	struct mm_token_sign_request request = {.note = answer->note,
	    .references = {references, 0},
	    .items = {&item, 1}};
	struct mm_token_sign_answer signed_;
	const struct mm_token_result *result;
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_inclusion, one, answer->references)) {
		struct mm_span bytes;

		if (error == MM_OK)
			error = mm_index_reference(
			    g->index, one->index, &g->arena, &bytes);
		if (error == MM_OK)
			references[request.references.count++] =
			    proven(one, bytes);
	}
	if (error == MM_OK)
		error = call(g, g->token, MM_TOKEN_SIGN,
		    &mm_token_sign_request_shape, &request,
		    &mm_token_sign_answer_shape, &signed_);
	if (error != MM_OK)
		return error;
	if (signed_.results.count != 1)
		return mm_fail(MM_E_PEER, "the token gave no signature");
	result = mm_list_at(signed_.results, struct mm_token_result, 0);
	if (result->error != 0)
		return mm_fail(
		    mm_error_from(result->error), "%.*s", MM_SPAN(result->why));
	g->signature = (struct mm_signature){item.index, result->signature};
	return MM_OK;
}

/* One certificate: drafted, logged, signed. */
static enum mm_error
strike_certificate(struct genesis *g, struct mm_certificate_entry *body,
    struct mm_span spki, struct mm_span tbs_of_issuer)
{
	const struct mm_profile *profile =
	    mm_policy_profile(&g->policy, body->profile);
	bool self_signed = tbs_of_issuer.size == 0;
	struct mm_certificate_plan plan = {.profile = profile,
	    .subject = body->subject,
	    .spki = spki,
	    .issuer = tbs_of_issuer,
	    .now = g->now};
	struct mm_uint_item references[AUTHORITIES + 1];
	struct mm_notary_append_answer answer;
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};
	struct mm_span entry;
	size_t count;
	enum mm_error error;

	if (profile == NULL || spki.size == 0)
		return mm_fail(MM_E_PROFILE,
		    "the ceremony names a profile or key that is not there");
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	error = mm_tbs_build(&plan, serial, &tbs);
	if (error != MM_OK)
		return error;
	body->tbs = mm_arena_copy(&g->arena, mm_buffer_span(&tbs));
	crypto_hash_sha256(body->key, spki.data, spki.size);
	count = references_of(
	    g, body->basis, body->issuer, self_signed, references);
	error = append(
	    g, MM_ENTRY_CERTIFICATE, body, references, count, &entry, &answer);
	return error == MM_OK ? sign(g, entry, &answer) : error;
}

static enum mm_error
strike_authority(
    struct genesis *g, const struct mm_ceremony_certificate *wanted)
{
	bool self_signed = mm_span_equal(wanted->key, wanted->issuer);
	const struct struck *issuer = struck_named(g, wanted->issuer);
	struct mm_certificate_entry body = {.profile = wanted->profile,
	    .subject = wanted->subject,
	    .issuer = wanted->issuer};
	struct struck *made = &g->struck[g->struck_count];
	struct mm_span spki = spki_named(g, wanted->key);
	uint64_t index = g->size;
	enum mm_error error;

	if ((!self_signed && issuer == NULL) || g->struck_count == AUTHORITIES)
		return mm_fail(MM_E_POLICY,
		    "the ceremony's certificates are too many, or one comes "
		    "before its issuer");
	error = strike_certificate(
	    g, &body, spki, self_signed ? mm_span(NULL, 0) : issuer->tbs);
	if (error != MM_OK)
		return error;
	*made =
	    (struct struck){wanted->key, wanted->issuer, spki, body.tbs, index};
	g->struck_count++;
	return MM_OK;
}

/* Logs statements of a kind after checking them. */
static enum mm_error
strike_statements(struct genesis *g, uint64_t statement_kind,
    uint64_t entry_kind, const struct mm_list *statements, void *claim_body)
{
	struct mm_roster_question question = {.policy = &g->policy,
	    .origin = g->file.origin,
	    .kind = statement_kind,
	    .time = g->now};
	struct mm_statement_entry body = {.statements = *statements};
	struct mm_notary_append_answer answer;
	struct mm_claim claim;
	enum mm_error error = mm_roster_check(
	    &question, statements, &g->arena, &claim, claim_body);

	if (error == MM_OK)
		error = append(g, entry_kind, &body, NULL, 0, NULL, &answer);
	return error;
}

static enum mm_error
strike_principal(struct genesis *g, const struct mm_genesis_principal *wanted)
{
	const struct mm_profile *profile =
	    mm_profile_for(&g->policy, MM_PURPOSE_CLIENT);
	struct mm_principal_claim claim;
	struct mm_certificate_entry body = {.basis = g->size};
	const struct struck *issuer;
	enum mm_error error = strike_statements(g, MM_STATEMENT_PRINCIPAL,
	    MM_ENTRY_PRINCIPAL, &wanted->statements, &claim);

	if (error != MM_OK || wanted->spki.size == 0)
		return error;
	issuer = profile != NULL ? struck_named(g, profile->issuer) : NULL;
	if (issuer == NULL)
		return mm_fail(MM_E_PROFILE,
		    "the policy has no profile for TLS clients, or the "
		    "ceremony no certificate of its issuer");
	body.profile = profile->name;
	body.issuer = profile->issuer;
	body.subject = claim.name;
	return strike_certificate(g, &body, wanted->spki, issuer->tbs);
}

static enum mm_error
strike_order(struct genesis *g, const struct mm_genesis_order *wanted)
{
	struct mm_order_claim claim;

	return strike_statements(
	    g, MM_STATEMENT_ORDER, MM_ENTRY_ORDER, &wanted->statements, &claim);
}

/* The last signature is stored, and the archive told. */
static enum mm_error
finish(struct genesis *g)
{
	struct mm_notary_append_answer answer;
	struct mm_archive_publish_request request;
	struct mm_nothing nothing;
	enum mm_error error = MM_OK;

	if (g->signature.signature.size > 0)
		error = append(g, 0, NULL, NULL, 0, NULL, &answer);
	if (error == MM_OK)
		error = mm_index_commit(g->index);
	request.note = g->note;
	if (error == MM_OK)
		error = call(g, g->archive, MM_ARCHIVE_PUBLISH,
		    &mm_archive_publish_request_shape, &request,
		    &mm_nothing_shape, &nothing);
	if (error == MM_OK)
		error =
		    mm_channel_send(g->control, MM_CONTROL_DONE, 0, NULL, NULL);
	return error;
}

static enum mm_error
strike_all(struct genesis *g)
{
	enum mm_error error = strike_genesis(g);

	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 g->ceremony.certificates))
		if (error == MM_OK)
			error = strike_authority(g, one);
	for (mm_list_each(
		 const struct mm_genesis_principal, one, g->file.principals))
		if (error == MM_OK)
			error = strike_principal(g, one);
	for (mm_list_each(const struct mm_genesis_order, one, g->file.orders))
		if (error == MM_OK)
			error = strike_order(g, one);
	return error == MM_OK ? finish(g) : error;
}

/* After DONE the supervisor says stop. */
static void
await_stop(const struct genesis *g)
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
	struct genesis g = {.configure = configure,
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
	mm_arena_clear(&g.arena);
	return error;
}
