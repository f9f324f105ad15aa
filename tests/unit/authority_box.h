/*
 * The authority, whole: the process itself in its sandbox. Everybody whom it
 * talks to is played here: the supervisor, a gate, and notary, token, archive
 * and inspectors that can be told to fail.
 */
#ifndef MM_TEST_AUTHORITY_BOX_H
#define MM_TEST_AUTHORITY_BOX_H

#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "log/archive.h"
#include "protocol/journal.h"
#include "server/ask.h"
#include "server/configure.h"
#include "server/role.h"
#include "signer/inspector.h"
#include "tests/unit/mint.h"

enum {
	CAS = 5,        /* keys of the token */
	WAIT_MS = 8000, /* until a test gives up */
	QUIET_MS = 40,  /* for what should not come */
	ANSWERS = 160,
	INSPECTORS = 8 /* as many as the supervisor starts */
};

enum who { CONTROL, NOTARY, TOKEN, ARCHIVE, GATE, PEERS };

/* An envelope that the gate was told. */
struct told {
	uint64_t connection;
	struct mm_envelope envelope;
};

/* An inspector, with the image that it was started for. */
struct inspector {
	int fd, image; /* fd -1: none */
};

static struct {
	char directory[256];
	pid_t pid;
	int fds[PEERS];
	bool hold[PEERS]; /* what comes from there is left unread */
	EVP_PKEY *keys[CAS];
	struct mm_span cas[CAS]; /* their TBS */
	uint64_t moment;         /* of the first entries */
	uint64_t base;           /* how many they are */
	uint64_t order;
	struct mm_span station_key, officer_key, auditor_key, tls_key;
	struct mm_span release_key;
	struct mm_span serial;     /* of the client's certificate; empty: any */
	enum mm_error notary_says; /* instead of storing what is new */
	bool half;                 /* but a start and its certificate */
	enum mm_error token_says;  /* instead of a signature */
	enum mm_error archive_says; /* instead of what it is asked for */
	enum mm_error publish_says; /* instead of publishing */
	bool ready, served;
	unsigned kills, followed, published;
	uint64_t blob_bytes;       /* that the notary was given */
	struct mm_span heritage;   /* the only blob of the archive */
	uint64_t follows[LOG_MAX]; /* entries, in order, of all tokens */
	/* Keys that a ceremony has made. */
	struct mm_genesis_key made[CAS];
	EVP_PKEY *made_keys[CAS];
	size_t made_count, generated; /* keys, calls */
	bool generates_nothing;       /* a token that is silent then */
	const struct mm_genesis_key
	    *instead;              /* of each key that is asked for */
	enum mm_error follow_says; /* to entries later than genesis */
	uint8_t force[32];         /* digest of the policy followed last */
	struct told told[ANSWERS];
	size_t told_count;
	struct inspector inspectors[INSPECTORS];
	bool hold_inspectors; /* they are slow */
	bool inspectors_die;
	bool inspectors_copy_less;
	enum mm_error inspectors_say; /* instead of facts */
	enum mm_error prove_says;
	struct mm_image_facts facts; /* of every image, but size and hash */
	struct mm_span fault;        /* of every signing; empty: none */
	unsigned inspected, proved, started;
	size_t proved_signatures; /* of the last one */
	uint64_t room;            /* bytes for images */
} box;

/* --- the log before the start --- */

static inline void
digest_of(struct mm_span spki, uint8_t out[32])
{
	crypto_hash_sha256(out, spki.data, spki.size);
}

static inline struct mm_span
sign_with(EVP_PKEY *key, struct mm_span tbs)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t out[128];
	size_t size = sizeof(out);

	assert_int_equal(
	    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(
	    EVP_DigestSign(context, out, &size, tbs.data, tbs.size), 1);
	EVP_MD_CTX_free(context);
	return mm_span(keep(out, size), size);
}

static inline size_t
key_number(struct mm_span name)
{
	for (size_t i = 0; i < CAS; i++)
		if (mm_span_equal(ceremony_keys[i].name, name))
			return i;
	fail();
	return 0;
}

static inline struct mm_genesis_key
make_key(struct mm_span name, uint64_t use, EVP_PKEY **key)
{
	uint8_t *der = NULL;
	struct mm_genesis_key out = {.name = name, .use = use};
	int size;

	*key = EVP_EC_gen("P-256");
	size = i2d_PUBKEY(*key, &der);
	out.spki = mm_span(keep(der, (size_t)size), (size_t)size);
	OPENSSL_free(der);
	return out;
}

static inline void
make_keys(void)
{
	struct mm_genesis_key keys[CAS];

	for (size_t i = 0; i < CAS; i++)
		keys[i] = make_key(
		    ceremony_keys[i].name, ceremony_keys[i].use, &box.keys[i]);
	mint.keys = (struct mm_list){keep(keys, sizeof(keys)), CAS};
}

static inline void
append(uint64_t kind, const void *body)
{
	log_append(
	    &mint.log, make_entry(kind, box.moment, mint.policy_digest, body));
}

static inline void
append_signature(uint64_t index, struct mm_span signature)
{
	struct mm_signature one = {index, signature};
	struct mm_signatures_entry body = {{&one, 1}};

	append(MM_ENTRY_SIGNATURES, &body);
}

static inline void
strike(const char *key, const char *profile, const char *issuer)
{
	size_t number = key_number(text(key)), by = key_number(text(issuer));
	bool self_signed = number == by;
	struct mm_certificate_plan plan = {
	    .profile = mm_policy_profile(&mint.document, text(profile)),
	    .subject = text(key),
	    .spki = mm_list_at(mint.keys, struct mm_genesis_key, number)->spki,
	    .issuer = self_signed ? mm_span(NULL, 0) : box.cas[by],
	    .now = box.moment};
	struct mm_certificate_entry body = {.profile = text(profile),
	    .subject = text(key),
	    .issuer = text(issuer)};
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};

	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	ok(mm_tbs_build(&plan, serial, &tbs));
	body.tbs = box.cas[number] = keep_buffer(&tbs);
	digest_of(plan.spki, body.key);
	append(MM_ENTRY_CERTIFICATE, &body);
	append_signature(mint.log.size - 1, sign_with(box.keys[by], body.tbs));
}

static inline struct mm_list
say(uint64_t kind, const void *body)
{
	return state((struct says){.kind = kind,
	    .body = body,
	    .by = &mint.ada,
	    .time = box.moment,
	    .expiry = box.moment + DAY});
}

static inline struct mm_list
principal_statements(const char *name, uint64_t role, struct mm_span spki)
{
	struct mm_principal_claim claim = {
	    .name = text(name), .role = role, .profiles = TEXTS("device")};

	digest_of(spki, claim.key);
	return say(MM_STATEMENT_PRINCIPAL, &claim);
}

static inline void
append_people(void)
{
	struct mm_statement_entry body = {
	    .statements = principal_statements(
		"station", MM_ROLE_STATION, box.station_key)};
	struct mm_order_claim order = {.name = text("order"),
	    .profile = text("device"),
	    .units = 100,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};

	append(MM_ENTRY_PRINCIPAL, &body);
	body.statements =
	    principal_statements("officer", MM_ROLE_OFFICER, box.officer_key);
	append(MM_ENTRY_PRINCIPAL, &body);
	body.statements =
	    principal_statements("auditor", MM_ROLE_AUDITOR, box.auditor_key);
	append(MM_ENTRY_PRINCIPAL, &body);
	box.order = mint.log.size;
	body.statements = say(MM_STATEMENT_ORDER, &order);
	append(MM_ENTRY_ORDER, &body);
	body.statements =
	    principal_statements("release", MM_ROLE_RELEASE, box.release_key);
	append(MM_ENTRY_PRINCIPAL, &body);
}

/* Products of each sort, in the place of the mint's. */
static inline struct mm_span
with_products(struct mm_span document)
{
	struct mm_policy policy;
	const struct mm_product products[] = {
	    {.name = text("blind"),
		.schemes = TEXTS("sha256-ecdsa", "cose-sign1"),
		.size = 1048576,
		.unread = true},
	    {.name = text("duo"),
		.schemes = TEXTS("sha256-ecdsa", "cose-sign1"),
		.size = 1048576,
		.versions = MM_VERSIONS_SEMVER},
	    {.name = text("lamp"),
		.schemes = TEXTS("sha256-ecdsa"),
		.size = 1048576}};
	mm_auto(buffer) out = {0};

	ok(mm_policy_decode(document, &mint.arena, &policy));
	policy.products = (struct mm_list){products, MM_COUNT(products)};
	mm_buffer_init(&out, MM_POLICY_MAX);
	ok(mm_shape_encode(&mm_policy_shape, &policy, &out));
	return keep_buffer(&out);
}

static inline void
append_all(void)
{
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis genesis = {.origin = text(ORIGIN),
	    .keys = mint.keys,
	    .policy = mint.policy,
	    .text = text("policy 1"),
	    .statements = say(MM_STATEMENT_CEREMONY, &ceremony)};

	memcpy(genesis.log_key, mint.log.key.public_key, 32);
	mint.log.size = 0;
	append(MM_ENTRY_GENESIS, &genesis);
	strike("root", "root-ca", "root");
	strike("device-ca", "device-ca", "root");
	strike("access-ca", "access-ca", "access-ca");
	strike("codesign", "codesign", "root");
	/* The newer one; but the policy names it, for partitions. */
	strike("part", "codesign", "root");
	append_people();
	box.base = mint.log.size;
}

static inline int
make_world(void **unused)
{
	(void)unused;
	signal(SIGPIPE, SIG_IGN);
	assert_true(sodium_init() >= 0);
	mm_arena_init(&mint.arena, 256 << 20);
	make_signer(&mint.ada);
	make_signer(&mint.bob);
	make_signer(&mint.log.key);
	mint.policy = with_products(make_policy(1, &mint.ada, &mint.bob));
	mm_policy_digest(mint.policy, mint.policy_digest);
	ok(mm_policy_decode(mint.policy, &mint.arena, &mint.document));
	box.moment = (uint64_t)time(NULL) - 5;
	box.station_key = make_spki();
	box.officer_key = make_spki();
	box.auditor_key = make_spki();
	box.release_key = make_spki();
	box.tls_key = make_spki();
	make_keys();
	append_all();
	return 0;
}

static inline int
drop_world(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < CAS; i++)
		EVP_PKEY_free(box.keys[i]);
	mm_arena_clear(&mint.arena);
	return 0;
}

/* --- whom it talks to --- */

/* Who has ended meanwhile hears no answer: how it ended, ends() tells. */
static inline void
sent(enum mm_error error)
{
	if (error != MM_E_AWAY)
		ok(error);
}

static inline void
answer(enum who who, const struct mm_packet *to, const struct mm_shape *shape,
    const void *body)
{
	sent(mm_channel_send(box.fds[who], to->type, to->id, shape, body));
}

static inline void
answer_error(enum who who, const struct mm_packet *to, enum mm_error error)
{
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, 4096);
	ok(mm_packet_encode_error(
	    to->type, to->id, mm_fail(error, "as the test wants it"), &packet));
	sent(mm_channel_send_bytes(
	    box.fds[who], mm_buffer_span(&packet), (const int[]){-1, -1}));
}

static inline void
decode(const struct mm_shape *shape, const struct mm_packet *packet, void *out)
{
	struct mm_span body = mm_span(
	    keep(packet->body.data, packet->body.size), packet->body.size);

	ok(mm_shape_decode(shape, body, &mint.arena, out));
}

/* Whether the notary's reserve is for it: log/admit.c. */
static inline bool
is_reserved(struct mm_span bytes)
{
	struct mm_certificate_entry certificate;
	struct mm_entry entry;

	ok(mm_entry_decode(bytes, &mint.arena, &entry));
	if (entry.kind == MM_ENTRY_SIGNATURES || entry.kind == MM_ENTRY_VOID)
		return true;
	if (!box.half || entry.kind == MM_ENTRY_START)
		return box.half;
	return mm_entry_decode_as(bytes, MM_ENTRY_CERTIFICATE, &mint.arena,
		   &entry, &certificate) == MM_OK &&
	       certificate.request.size == 0;
}

static inline bool
is_closing(const struct mm_list *entries)
{
	for (mm_list_each(const struct mm_bytes_item, one, *entries))
		if (!is_reserved(one->value))
			return false;
	return true;
}

static inline struct mm_inclusion
include(uint64_t index)
{
	return (struct mm_inclusion){index, log_prove(&mint.log, index).proof};
}

/* Like the real one it takes no batch without an entry. */
static inline void
notary_appends(const struct mm_packet *packet)
{
	struct mm_notary_append_request in;
	struct mm_inclusion proofs[MM_BATCH_ENTRIES];
	struct mm_inclusion references[MM_BATCH_REFERENCES];
	struct mm_notary_append_answer out = {.first = mint.log.size,
	    .proofs = {proofs, 0},
	    .references = {references, 0}};

	decode(&mm_notary_append_request_shape, packet, &in);
	assert_int_equal(in.size, mint.log.size);
	assert_true(in.entries.count > 0);
	if (box.notary_says != MM_OK && !is_closing(&in.entries)) {
		answer_error(NOTARY, packet, box.notary_says);
		return;
	}
	for (mm_list_each(const struct mm_bytes_item, one, in.entries))
		log_append(&mint.log, one->value);
	for (uint64_t i = out.first; i < mint.log.size; i++)
		proofs[out.proofs.count++] = include(i);
	for (mm_list_each(const struct mm_uint_item, one, in.references))
		references[out.references.count++] = include(one->value);
	out.note = log_note(&mint.log, &mint.log.key, ORIGIN);
	answer(NOTARY, packet, &mm_notary_append_answer_shape, &out);
}

static inline void
notary_keeps(const struct mm_packet *packet)
{
	struct mm_notary_blob_request in;
	struct mm_nothing nothing = {0};

	decode(&mm_notary_blob_request_shape, packet, &in);
	if (box.notary_says != MM_OK) {
		answer_error(NOTARY, packet, box.notary_says);
		return;
	}
	box.blob_bytes += in.data.size;
	answer(NOTARY, packet, &mm_nothing_shape, &nothing);
}

static inline void
notary_hears(const struct mm_packet *packet)
{
	struct mm_notary_open_answer out = {
	    .size = mint.log.size, .time = box.moment};
	struct mm_entry last;

	if (packet->type == MM_NOTARY_APPEND) {
		notary_appends(packet);
		return;
	}
	if (packet->type == MM_NOTARY_BLOB) {
		notary_keeps(packet);
		return;
	}
	out.note = log_note(&mint.log, &mint.log.key, ORIGIN);
	ok(mm_entry_decode(
	    mint.log.entries[mint.log.size - 1], &mint.arena, &last));
	memcpy(out.policy, last.policy, sizeof(out.policy));
	answer(NOTARY, packet, &mm_notary_open_answer_shape, &out);
}

static inline EVP_PKEY *
key_named(struct mm_span name)
{
	for (size_t i = 0; i < box.made_count; i++)
		if (mm_span_equal(box.made[i].name, name))
			return box.made_keys[i];
	return box.keys[key_number(name)];
}

static inline struct mm_span
sign_digest(EVP_PKEY *key, const uint8_t digest[32])
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	uint8_t out[128];
	size_t size = sizeof(out);

	assert_int_equal(EVP_PKEY_sign_init(context), 1);
	assert_int_equal(EVP_PKEY_sign(context, out, &size, digest, 32), 1);
	EVP_PKEY_CTX_free(context);
	return mm_span(keep(out, size), size);
}

static inline struct mm_span
sign_image(const struct mm_entry *frame)
{
	struct mm_image_entry body;

	ok(mm_shape_decode(
	    &mm_image_entry_shape, frame->body, &mint.arena, &body));
	return sign_digest(key_named(body.key), body.digest);
}

static inline struct mm_span
sign_partition(const struct mm_entry *frame)
{
	struct mm_partition_entry body;

	ok(mm_shape_decode(
	    &mm_partition_entry_shape, frame->body, &mint.arena, &body));
	return sign_digest(key_named(body.key), body.digest);
}

/* What of an entry is signed, and by whom. */
static inline struct mm_span
signed_part(const struct mm_entry *frame, struct mm_span *by)
{
	union {
		struct mm_certificate_entry certificate;
		struct mm_csr_entry csr;
		struct mm_crl_entry crl;
	} body;

	ok(mm_shape_decode(
	    mm_entry_body_shape(frame->kind), frame->body, &mint.arena, &body));
	switch (frame->kind) {
	case MM_ENTRY_CERTIFICATE:
		*by = body.certificate.issuer;
		return body.certificate.tbs;
	case MM_ENTRY_CSR:
		*by = body.csr.key;
		return body.csr.info;
	default:
		assert_int_equal(frame->kind, MM_ENTRY_CRL);
		*by = body.crl.issuer;
		return body.crl.tbs;
	}
}

/* Like the real one it signs nothing that is not of the policy which it has
 * followed last. */
static inline struct mm_token_result
token_signs(const struct mm_proven *item)
{
	struct mm_token_result result = {.index = item->index};
	struct mm_span part, by;
	struct mm_entry frame;

	assert_true(mm_span_equal(item->entry, mint.log.entries[item->index]));
	ok(mm_entry_decode(item->entry, &mint.arena, &frame));
	assert_memory_equal(frame.policy, box.force, sizeof(box.force));
	if (box.token_says != MM_OK) {
		result.error = box.token_says;
		result.why = text("as the test wants it");
		return result;
	}
	if (frame.kind == MM_ENTRY_IMAGE) {
		result.signature = sign_image(&frame);
		return result;
	}
	if (frame.kind == MM_ENTRY_PARTITION) {
		result.signature = sign_partition(&frame);
		return result;
	}
	part = signed_part(&frame, &by);
	result.signature = sign_with(key_named(by), part);
	return result;
}

/* With a proof that holds, as the real one wants it. */
static inline void
token_follows(const struct mm_packet *packet)
{
	struct mm_token_follow_answer followed = {1};
	struct mm_token_follow_request in;
	struct mm_checkpoint checkpoint;
	struct mm_entry frame;
	struct mm_proof proof;
	struct mm_vkey vkey;
	struct mm_hash leaf;

	decode(&mm_token_follow_request_shape, packet, &in);
	ok(mm_vkey_init(&vkey, text(ORIGIN), mint.log.key.public_key));
	ok(mm_checkpoint_open(in.note, &vkey, &checkpoint));
	ok(mm_proof_from_list(&in.entry.proof, &proof));
	leaf = mm_leaf_hash(in.entry.entry);
	ok(mm_inclusion_check(
	    &leaf, in.entry.index, checkpoint.size, &proof, &checkpoint.root));
	assert_true(box.followed < LOG_MAX);
	box.follows[box.followed++] = in.entry.index;
	ok(mm_entry_decode(in.entry.entry, &mint.arena, &frame));
	memcpy(box.force, frame.policy, sizeof(box.force));
	if (box.follow_says != MM_OK && in.entry.index > 0)
		answer_error(TOKEN, packet, box.follow_says);
	else
		answer(TOKEN, packet, &mm_token_follow_answer_shape, &followed);
}

/* A key that it has made before is the answer again. */
static inline void
token_generates(const struct mm_packet *packet)
{
	struct mm_token_generate_request in;
	struct mm_genesis_key keys[CAS];
	struct mm_token_generate_answer out = {{keys, 0}};

	decode(&mm_token_generate_request_shape, packet, &in);
	box.generated++;
	if (box.generates_nothing)
		return;
	for (mm_list_each(const struct mm_ceremony_key, one, in.keys)) {
		size_t at = 0;

		if (box.instead != NULL) {
			keys[out.keys.count++] = *box.instead;
			continue;
		}
		while (at < box.made_count &&
		       !mm_span_equal(box.made[at].name, one->name))
			at++;
		assert_true(at < CAS);
		if (at == box.made_count)
			box.made[box.made_count++] =
			    make_key(one->name, one->use, &box.made_keys[at]);
		keys[out.keys.count++] = box.made[at];
	}
	answer(TOKEN, packet, &mm_token_generate_answer_shape, &out);
}

static inline void
token_hears(const struct mm_packet *packet)
{
	struct mm_token_sign_request in;
	struct mm_token_result results[MM_BATCH_ENTRIES];
	struct mm_token_sign_answer out = {{results, 0}};

	if (packet->type == MM_TOKEN_FOLLOW) {
		token_follows(packet);
		return;
	}
	if (packet->type == MM_TOKEN_GENERATE) {
		token_generates(packet);
		return;
	}
	decode(&mm_token_sign_request_shape, packet, &in);
	for (mm_list_each(const struct mm_proven, one, in.items))
		results[out.results.count++] = token_signs(one);
	answer(TOKEN, packet, &mm_token_sign_answer_shape, &out);
}

static inline void
archive_reads(const struct mm_packet *packet)
{
	struct mm_archive_entries_request in;
	struct mm_bytes_item entries[16];
	struct mm_archive_entries_answer out = {.entries = {entries, 0}};

	decode(&mm_archive_entries_request_shape, packet, &in);
	out.from = in.from;
	for (uint64_t i = in.from;
	     i < mint.log.size && i - in.from < 16 && i - in.from < in.count;
	     i++)
		entries[out.entries.count++].value = mint.log.entries[i];
	answer(ARCHIVE, packet, &mm_archive_entries_answer_shape, &out);
}

static inline struct mm_blob_answer
heritage_from(uint64_t offset)
{
	size_t left = box.heritage.size - (size_t)offset;

	return (struct mm_blob_answer){.size = box.heritage.size,
	    .data = mm_span(box.heritage.data + offset,
		left < MM_CHUNK_MAX ? left : MM_CHUNK_MAX)};
}

/* What auditors ask, answered with what the request says. */
static inline void
archive_audits(const struct mm_packet *packet)
{
	struct mm_hash hash = {{packet->type & 0xff}};
	struct mm_consistency_request older;
	struct mm_consistency_answer grown = {
	    log_note(&mint.log, &mint.log.key, ORIGIN), {&hash, 1}};
	struct mm_cosign_request cosign;
	struct mm_cosign_answer cosigned = {.witnesses = 2};
	struct mm_blob_request blob;
	struct mm_blob_answer some = {.data = text("some of it")};

	switch (packet->type) {
	case MM_ARCHIVE_CONSISTENCY:
		decode(&mm_consistency_request_shape, packet, &older);
		assert_int_equal(older.older, 5);
		answer(ARCHIVE, packet, &mm_consistency_answer_shape, &grown);
		return;
	case MM_ARCHIVE_COSIGN:
		decode(&mm_cosign_request_shape, packet, &cosign);
		cosigned.size = cosign.note.size;
		answer(ARCHIVE, packet, &mm_cosign_answer_shape, &cosigned);
		return;
	default:
		decode(&mm_blob_request_shape, packet, &blob);
		some.size = blob.offset + some.data.size;
		if (box.heritage.size > 0)
			some = heritage_from(blob.offset);
		answer(ARCHIVE, packet, &mm_blob_answer_shape, &some);
		return;
	}
}

static inline void
archive_hears(const struct mm_packet *packet)
{
	static const struct mm_nothing nothing;
	struct mm_archive_receipt_request in;
	struct mm_archive_receipt_answer out;
	struct mm_proven proven;

	if (packet->type == MM_ARCHIVE_PUBLISH) {
		box.published++;
		if (box.publish_says != MM_OK)
			answer_error(ARCHIVE, packet, box.publish_says);
		else
			answer(ARCHIVE, packet, &mm_nothing_shape, &nothing);
		return;
	}
	if (box.archive_says != MM_OK) {
		answer_error(ARCHIVE, packet, box.archive_says);
		return;
	}
	if (packet->type == MM_ARCHIVE_ENTRIES) {
		archive_reads(packet);
		return;
	}
	if (packet->type != MM_ARCHIVE_RECEIPT) {
		archive_audits(packet);
		return;
	}
	decode(&mm_archive_receipt_request_shape, packet, &in);
	proven = log_prove(&mint.log, in.index);
	out = (struct mm_archive_receipt_answer){.entry = proven.entry,
	    .note = log_note(&mint.log, &mint.log.key, ORIGIN),
	    .proof = proven.proof};
	answer(ARCHIVE, packet, &mm_archive_receipt_answer_shape, &out);
}

static inline void
gate_hears(const struct mm_packet *packet)
{
	struct mm_tell tell;
	struct told *told = &box.told[box.told_count];

	if (packet->type == MM_CERTIFICATE) {
		box.served = true;
		return;
	}
	assert_int_equal(packet->type, MM_TELL);
	assert_true(box.told_count < ANSWERS);
	decode(&mm_tell_shape, packet, &tell);
	told->connection = tell.connection;
	ok(mm_shape_decode(
	    &mm_envelope_shape, tell.envelope, &mint.arena, &told->envelope));
	box.told_count++;
}

/* --- inspectors --- */

static inline void
start_inspector(struct mm_received *message)
{
	struct inspector *free_one = box.inspectors;

	while (free_one->fd >= 0)
		free_one++;
	assert_true(free_one < box.inspectors + INSPECTORS);
	free_one->image = mm_take_fd(message->fds[0]);
	free_one->fd = mm_take_fd(message->fds[1]);
	box.started++;
}

static inline void
end_inspector(struct inspector *one)
{
	if (one->fd < 0)
		return;
	close(one->fd);
	close(one->image);
	one->fd = one->image = -1;
}

static inline struct mm_span
read_image(int fd)
{
	struct stat info;
	uint8_t *bytes;

	assert_int_equal(fstat(fd, &info), 0);
	bytes = mm_arena_alloc(&mint.arena, (size_t)info.st_size);
	assert_non_null(bytes);
	assert_int_equal(
	    pread(fd, bytes, (size_t)info.st_size, 0), info.st_size);
	return mm_span(bytes, (size_t)info.st_size);
}

static inline void
inspector_fails(int fd, const struct mm_packet *to, enum mm_error error)
{
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, 4096);
	ok(mm_packet_encode_error(
	    to->type, to->id, mm_fail(error, "as the test wants it"), &packet));
	sent(mm_channel_send_bytes(
	    fd, mm_buffer_span(&packet), (const int[]){-1, -1}));
}

/* Whatever the scheme, the digest is that of the file. */
static inline void
inspector_reads(int fd, struct mm_span image, const struct mm_received *message)
{
	struct mm_inspect_request in;
	struct mm_hash_item digests[16];
	struct mm_text_item faults[16];
	struct mm_inspect_answer out = {.facts = box.facts};
	size_t less = box.inspectors_copy_less ? 1 : 0;

	decode(&mm_inspect_request_shape, &message->packet, &in);
	assert_int_equal(in.keep, message->fds[0] >= 0);
	if (in.keep)
		assert_int_equal(
		    write(message->fds[0], image.data, image.size - less),
		    image.size - less);
	out.facts.size = image.size;
	crypto_hash_sha256(out.facts.sha256, image.data, image.size);
	if (out.facts.format.size == 0)
		out.facts.format = text("plain");
	for (size_t i = 0; i < in.signings.count; i++) {
		memcpy(digests[i].value, out.facts.sha256, 32);
		faults[i].value = box.fault.size > 0 ? box.fault : text("-");
	}
	out.digests = (struct mm_list){digests, in.signings.count};
	out.faults = (struct mm_list){faults, in.signings.count};
	box.inspected++;
	sent(mm_channel_send(fd, message->packet.type, message->packet.id,
	    &mm_inspect_answer_shape, &out));
}

static inline void
inspector_proves(
    int fd, struct mm_span image, const struct mm_received *message)
{
	const struct mm_packet *packet = &message->packet;
	struct mm_prove_image in;
	uint8_t sha256[32];

	decode(&mm_prove_image_shape, packet, &in);
	crypto_hash_sha256(sha256, image.data, image.size);
	box.proved++;
	box.proved_signatures = in.signatures.count;
	for (mm_list_each(const struct mm_prove_signature, one, in.signatures))
		assert_true(one->signature.size > 0 && one->spki.size > 0);
	if (memcmp(sha256, in.sha256, sizeof(sha256)) != 0)
		inspector_fails(fd, packet, MM_E_IMAGE_ABSENT);
	else if (box.prove_says != MM_OK)
		inspector_fails(fd, packet, box.prove_says);
	else
		sent(mm_channel_send(fd, packet->type, packet->id, NULL, NULL));
}

/* One call, and its end. */
static inline void
inspector_hears(struct inspector *one)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	struct mm_span image;

	ok(mm_channel_receive(one->fd, &message));
	image = read_image(one->image);
	if (message.closed || box.inspectors_die)
		; /* nobody wants to know, or gets to */
	else if (box.inspectors_say != MM_OK)
		inspector_fails(one->fd, &message.packet, box.inspectors_say);
	else if (message.packet.type == MM_INSPECTOR_INSPECT)
		inspector_reads(one->fd, image, &message);
	else
		inspector_proves(one->fd, image, &message);
	end_inspector(one);
}

static inline void
control_hears(const struct mm_packet *packet)
{
	if (packet->type == MM_CONTROL_READY)
		box.ready = true;
	if (packet->type == MM_CONTROL_KILL)
		box.kills++;
}

static void (*const hear[PEERS])(const struct mm_packet *) = {
    [CONTROL] = control_hears,
    [NOTARY] = notary_hears,
    [TOKEN] = token_hears,
    [ARCHIVE] = archive_hears,
    [GATE] = gate_hears,
};

/* One message from each who has one; false where nothing comes. */
static inline bool
turn(int timeout)
{
	struct pollfd wait[PEERS + INSPECTORS];

	for (int i = 0; i < PEERS; i++)
		wait[i] = (struct pollfd){
		    .fd = box.hold[i] ? -1 : box.fds[i], .events = POLLIN};
	for (int i = 0; i < INSPECTORS; i++)
		wait[PEERS + i] = (struct pollfd){
		    .fd = box.hold_inspectors ? -1 : box.inspectors[i].fd,
		    .events = POLLIN};
	if (poll(wait, PEERS + INSPECTORS, timeout) <= 0)
		return false;
	for (int i = 0; i < INSPECTORS; i++)
		if (wait[PEERS + i].revents != 0)
			inspector_hears(&box.inspectors[i]);
	for (int i = 0; i < PEERS; i++) {
		mm_auto(received) message = {.fds = {-1, -1}};

		if (wait[i].revents == 0)
			continue;
		ok(mm_channel_receive(box.fds[i], &message));
		if (message.closed) {
			close(box.fds[i]);
			box.fds[i] = -1;
		} else if (i == CONTROL &&
			   message.packet.type == MM_CONTROL_INSPECT) {
			start_inspector(&message);
		} else {
			hear[i](&message.packet);
		}
	}
	return true;
}

static inline void
until(bool (*reached)(void))
{
	while (!reached())
		if (!turn(WAIT_MS))
			fail_msg("the authority is silent");
}

/* What is held has come, and waits to be read. */
static inline void
until_held(enum who who)
{
	struct pollfd wait = {.fd = box.fds[who], .events = POLLIN};

	box.hold[who] = true;
	for (int i = 0; poll(&wait, 1, 0) == 0; i++) {
		if (i == WAIT_MS / QUIET_MS)
			fail_msg("nothing comes to be held");
		turn(QUIET_MS);
	}
}

/* Whether it has read all that it was sent, and waits (or has ended): it may
 * be slow, on a busy machine. */
static inline bool
is_waiting(void)
{
	char path[64], state = '?';
	int unread;
	FILE *file;

	if (box.pid <= 0)
		return true;
	for (int i = 0; i < PEERS; i++)
		if (box.fds[i] >= 0 &&
		    (ioctl(box.fds[i], SIOCOUTQ, &unread) < 0 || unread > 0))
			return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)box.pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
	fclose(file);
	return state == 'S' || state == 'Z';
}

/* Long enough for what should not come. */
static inline void
until_quiet(void)
{
	for (int left = WAIT_MS; left > 0; left -= QUIET_MS) {
		while (turn(QUIET_MS))
			;
		if (is_waiting() && !turn(0))
			return;
	}
	fail_msg("the authority does not come to rest");
}

/* --- the process --- */

static const uint64_t processes[PEERS] = {[NOTARY] = MM_NOTARY,
    [TOKEN] = MM_TOKEN,
    [ARCHIVE] = MM_ARCHIVE,
    [GATE] = MM_GATE};

static inline void
link_to(enum who who)
{
	struct mm_control_link link = {.process = processes[who]};
	mm_auto(buffer) packet = {0};
	int ends[2];

	if (box.fds[who] >= 0)
		close(box.fds[who]);
	ok(mm_channel_pair(ends));
	mm_buffer_init(&packet, 4096);
	ok(mm_packet_encode(
	    MM_CONTROL_LINK, 0, &mm_control_link_shape, &link, &packet));
	ok(mm_channel_send_bytes(box.fds[CONTROL], mm_buffer_span(&packet),
	    (const int[]){ends[1], -1}));
	close(ends[1]);
	box.fds[who] = ends[0];
}

static inline void
unlink_from(enum who who)
{
	close(box.fds[who]);
	box.fds[who] = -1;
}

/* A new one, which is heard before the test goes on. */
static inline void
replace(enum who who)
{
	unsigned heard = box.followed + box.published;

	box.hold[who] = false;
	box.served = false;
	link_to(who);
	while (heard == box.followed + box.published && !box.served)
		if (!turn(WAIT_MS))
			fail_msg("the authority is silent");
}

static inline _Noreturn void
be_the_authority(int control)
{
	const struct mm_configure configure = {.process = MM_AUTHORITY,
	    .settings = {.index = text(box.directory),
		.token_deadline = 1,
		.image_max = 1 << 20,
		.image_room = box.room,
		.image_days = 30}};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (getenv("MM_TEST_JOURNAL") == NULL)
		dup2(null, STDERR_FILENO);
	close(null);
	mm_journal_open("authority");
	_exit(mm_authority_run(&configure, control, -1) == MM_OK ? 0 : 1);
}

static inline void
spawn(void)
{
	struct mm_control_tls tls = {box.tls_key};
	int ends[2];

	ok(mm_channel_pair(ends));
	box.pid = fork();
	assert_true(box.pid >= 0);
	if (box.pid == 0) {
		close(ends[0]);
		be_the_authority(ends[1]);
	}
	close(ends[1]);
	box.fds[CONTROL] = ends[0];
	box.ready = box.served = false;
	ok(mm_channel_send(
	    box.fds[CONTROL], MM_CONTROL_TLS, 0, &mm_control_tls_shape, &tls));
	for (enum who who = NOTARY; who < PEERS; who++)
		link_to(who);
}

static inline bool
is_serving(void)
{
	return box.ready && box.served;
}

static inline int
ends(void)
{
	int status;

	assert_int_equal(waitpid(box.pid, &status, 0), box.pid);
	box.pid = 0;
	for (int i = 0; i < PEERS; i++) {
		close(box.fds[i]);
		box.fds[i] = -1;
	}
	for (int i = 0; i < INSPECTORS; i++)
		end_inspector(&box.inspectors[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As after a power cut: the index stays behind, or is ahead of nothing. */
/* Serves it until it has ended by itself. */
static inline void
until_ended(void)
{
	siginfo_t info = {.si_pid = 0};

	while (waitid(P_PID, (id_t)box.pid, &info,
		   WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0)
		turn(QUIET_MS);
}

static inline void
crash(void)
{
	kill(box.pid, SIGKILL);
	assert_int_equal(ends(), -1);
}

static inline int
stop(void)
{
	ok(mm_channel_send(box.fds[CONTROL], MM_CONTROL_STOP, 0, NULL, NULL));
	until_quiet();
	return ends();
}

static inline int
set_up(void **unused)
{
	const char *parent = getenv("TMPDIR");

	(void)unused;
	for (int i = 0; i < PEERS; i++) {
		box.fds[i] = -1;
		box.hold[i] = false;
	}
	box.notary_says = box.token_says = MM_OK;
	box.half = false;
	box.archive_says = box.publish_says = MM_OK;
	box.follow_says = MM_OK;
	box.serial = mm_span(NULL, 0);
	box.told_count = box.kills = box.followed = 0;
	box.generated = box.made_count = 0;
	box.generates_nothing = false;
	box.instead = NULL;
	box.blob_bytes = 0;
	box.heritage = mm_span(NULL, 0);
	box.hold_inspectors = box.inspectors_die = false;
	box.inspectors_copy_less = false;
	box.inspectors_say = box.prove_says = MM_OK;
	box.facts = (struct mm_image_facts){0};
	box.fault = mm_span(NULL, 0);
	box.inspected = box.proved = box.started = 0;
	box.room = 1 << 22;
	for (int i = 0; i < INSPECTORS; i++)
		box.inspectors[i] = (struct inspector){-1, -1};
	mint.log.size = box.base;
	snprintf(box.directory, sizeof(box.directory), "%.200s/mm-XXXXXX",
	    parent != NULL ? parent : "/tmp");
	assert_non_null(mkdtemp(box.directory));
	spawn();
	until(is_serving);
	until_quiet();
	return 0;
}

static inline int
tear_down(void **unused)
{
	(void)unused;
	if (box.pid > 0)
		assert_int_equal(stop(), 0);
	nftw(box.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	while (box.made_count > 0)
		EVP_PKEY_free(box.made_keys[--box.made_count]);
	return 0;
}

/* --- requests and answers --- */

static inline void
ask(struct mm_span who, uint64_t type, uint8_t id, const struct mm_shape *shape,
    const void *body)
{
	struct mm_ask message = {
	    .connection = 7, .type = type, .serial = box.serial};
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, MM_FRAME_MAX);
	ok(mm_shape_encode(shape, body, &bytes));
	message.body = mm_buffer_span(&bytes);
	if (box.serial.size == 0)
		message.serial = text("\x07");
	memset(message.id, id, sizeof(message.id));
	digest_of(who, message.client);
	ok(mm_channel_send(box.fds[GATE], MM_ASK, 0, &mm_ask_shape, &message));
}

static inline void
ask_issue(uint8_t id, const char *device, struct mm_span spki)
{
	struct mm_issue_ask issue = {.order = text("order"),
	    .profile = text("device"),
	    .device = text(device),
	    .spki = spki};

	ask(box.station_key, MM_MESSAGE_ISSUE, id, &mm_issue_ask_shape, &issue);
}

static inline const struct told *
told_about(uint8_t id)
{
	for (size_t i = 0; i < box.told_count; i++)
		if (box.told[i].envelope.id[0] == id)
			return &box.told[i];
	return NULL;
}

/* The next answer to `id`, which is forgotten with this. */
static inline struct mm_envelope
await(uint8_t id)
{
	struct told *told;
	struct mm_envelope envelope;

	while (told_about(id) == NULL)
		if (!turn(WAIT_MS))
			fail_msg("no answer to %d", id);
	told = &box.told[told_about(id) - box.told];
	assert_int_equal(told->connection, 7);
	envelope = told->envelope;
	*told = box.told[--box.told_count];
	return envelope;
}

static inline struct mm_statement_answer
await_stated(uint8_t id)
{
	struct mm_envelope envelope = await(id);
	struct mm_statement_answer got;

	assert_int_equal(envelope.type, MM_MESSAGE_STATEMENT);
	ok(mm_shape_decode(
	    &mm_statement_answer_shape, envelope.body, &mint.arena, &got));
	return got;
}

static inline void
await_error(uint8_t id, enum mm_error wanted)
{
	struct mm_envelope envelope = await(id);
	struct mm_error_answer error;

	assert_int_equal(envelope.type, MM_MESSAGE_ERROR);
	ok(mm_shape_decode(
	    &mm_error_answer_shape, envelope.body, &mint.arena, &error));
	assert_int_equal(error.code, wanted);
}

static inline struct mm_certificate_answer
await_certificate(uint8_t id)
{
	struct mm_envelope envelope = await(id);
	struct mm_certificate_answer got;

	assert_int_not_equal(envelope.type, MM_MESSAGE_ERROR);
	ok(mm_shape_decode(
	    &mm_certificate_answer_shape, envelope.body, &mint.arena, &got));
	ok(mm_certificate_verify(got.certificate,
	    mm_list_at(mint.keys, struct mm_genesis_key, 1)->spki));
	assert_int_equal(got.chain.count, 1);
	return got;
}

/* Entries of a kind since the first ones. */
static inline size_t
logged(uint64_t kind)
{
	size_t count = 0;

	for (uint64_t i = box.base; i < mint.log.size; i++) {
		struct mm_entry entry;

		ok(mm_entry_decode(mint.log.entries[i], &mint.arena, &entry));
		count += entry.kind == kind;
	}
	return count;
}

static inline void
until_logged(uint64_t kind, size_t count)
{
	while (logged(kind) < count)
		if (!turn(WAIT_MS))
			fail_msg("it is not logged");
}

static inline const struct mm_refusal *
last_refusal(void)
{
	static struct mm_refusal_entry body;
	const struct mm_refusal *found = NULL;

	for (uint64_t i = box.base; i < mint.log.size; i++) {
		struct mm_entry entry;

		if (mm_entry_decode_as(mint.log.entries[i], MM_ENTRY_REFUSAL,
			&mint.arena, &entry, &body) == MM_OK)
			found = mm_list_at(body.refusals, struct mm_refusal, 0);
	}
	assert_non_null(found);
	return found;
}

#endif
