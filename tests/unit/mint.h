/*
 * A mint in one process for the token's tests: a SoftHSM, the token service
 * called through its own table and shapes, officers, and a log in memory
 * that proves whatever is appended to it.
 */
#ifndef MM_TEST_MINT_H
#define MM_TEST_MINT_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "ca/certificate.h"
#include "hsm/follow.h"
#include "log/entry.h"
#include "policy/document.h"
#include "tests/unit/softhsm.h"

enum { LOG_MAX = 512, NOW = 1800000000, DAY = 86400 };

/* What the token process's own clock says. */
static uint64_t mint_clock = NOW;

static inline uint64_t
mint_now(void)
{
	return mint_clock;
}
#define ORIGIN "mint.example/log"

#define ok(call) assert_int_equal(call, MM_OK)
#define text(string) mm_span_text(string)

struct signer {
	uint8_t public_key[32], secret_key[64];
};

/* Entries appended and their leaf hashes. */
struct memory_log {
	struct mm_span entries[LOG_MAX];
	struct mm_hash leaves[LOG_MAX];
	uint64_t size;
	struct signer key;
	struct mm_vkey vkey;
};

struct mint {
	struct softhsm hsm;
	char record[320];
	struct mm_arena arena;       /* of all spans in the tests */
	struct signer ada, bob, eve; /* Eve is no officer */
	struct memory_log log;
	struct mm_token *token; /* here, or else: */
	int channel;            /* to the process that has it; 0: none */
	struct mm_list keys;    /* mm_genesis_key, from GENERATE */
	struct mm_span policy;  /* the first document */
	uint8_t policy_digest[32];
	struct mm_policy document; /* the same, decoded */
};

static struct mint mint;

static inline void *
keep(const void *data, size_t size)
{
	void *copy = mm_arena_alloc(&mint.arena, size);

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

static inline struct mm_span
keep_buffer(struct mm_buffer *buffer)
{
	struct mm_span copy;

	ok(buffer->error);
	copy = mm_span(keep(buffer->data, buffer->size), buffer->size);
	mm_buffer_clear(buffer);
	return copy;
}

static inline struct mm_list
text_list(const char *const *texts, size_t count)
{
	struct mm_text_item items[16] = {0};

	for (size_t i = 0; i < count; i++)
		items[i].value = text(texts[i]);
	return (struct mm_list){keep(items, count * sizeof(items[0])), count};
}
#define TEXTS(...) \
	text_list((const char *const[]){__VA_ARGS__}, \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline void
make_signer(struct signer *signer)
{
	crypto_sign_keypair(signer->public_key, signer->secret_key);
}

/* A key pair that is not the mint's: its SubjectPublicKeyInfo. */
static inline struct mm_span
make_spki(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *der = NULL;
	int size = i2d_PUBKEY(key, &der);
	struct mm_span spki = mm_span(keep(der, (size_t)size), (size_t)size);

	OPENSSL_free(der);
	EVP_PKEY_free(key);
	return spki;
}

/* The policy: every purpose has its profile; changes need two officers. */

static inline struct mm_profile
make_profile(
    const char *name, uint64_t purpose, const char *issuer, const char *eku)
{
	struct mm_subject_part part = {text("2.5.4.3"),
	    text(purpose == MM_PURPOSE_DEVICE ? "{device}" : "{name}")};
	bool ca = purpose == MM_PURPOSE_CA;
	struct mm_profile profile = {.name = text(name),
	    .purpose = purpose,
	    .issuer = text(issuer),
	    .subject = {keep(&part, sizeof(part)), 1},
	    .validity = purpose == MM_PURPOSE_SERVER ? 7 * DAY : 3650 * DAY,
	    .keys = 1 << MM_KEY_P256,
	    .key_usage = ca ? MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN
			    : MM_KU_DIGITAL_SIGNATURE};

	if (ca) {
		profile.validity = 0;
		profile.crl = 7 * DAY;
	}
	if (purpose == MM_PURPOSE_DEVICE)
		profile.partitions = TEXTS("secure-cert-ecdsa256:part",
		    "secure-cert-rsa3072:part-rsa");
	if (purpose == MM_PURPOSE_PROOF)
		profile.validity = 30 * DAY;
	if (eku != NULL)
		profile.purposes = TEXTS(eku);
	return profile;
}

/* The threshold of every statement but policies', which want two. */
static uint64_t mint_threshold = 1;

static inline struct mm_span
make_policy(
    uint64_t number, const struct signer *first, const struct signer *second)
{
	struct mm_profile profiles[] = {
	    make_profile("access-ca", MM_PURPOSE_CA, "access-ca", NULL),
	    make_profile("codesign", MM_PURPOSE_CODE_SIGNING, "root",
		"1.3.6.1.5.5.7.3.3"),
	    make_profile(
		"device", MM_PURPOSE_DEVICE, "device-ca", "1.3.6.1.5.5.7.3.2"),
	    make_profile("device-2", MM_PURPOSE_DEVICE, "device-ca",
		"1.3.6.1.5.5.7.3.2"),
	    make_profile("device-3", MM_PURPOSE_DEVICE, "device-ca-2",
		"1.3.6.1.5.5.7.3.2"),
	    make_profile("device-ca", MM_PURPOSE_CA, "root", NULL),
	    make_profile("proof", MM_PURPOSE_PROOF, "device-ca", NULL),
	    make_profile("root-ca", MM_PURPOSE_CA, "root", NULL),
	    make_profile("tls-client", MM_PURPOSE_CLIENT, "access-ca",
		"1.3.6.1.5.5.7.3.2"),
	    make_profile("tls-server", MM_PURPOSE_SERVER, "access-ca",
		"1.3.6.1.5.5.7.3.1")};
	struct mm_product products[] = {
	    {.name = text("boot-1"), .schemes = TEXTS("secure-boot-v1")},
	    {.name = text("boot-ec"),
		.schemes = TEXTS("secure-boot-v2-ecdsa256:sb-ec",
		    "secure-boot-v2-ecdsa256", "cose-sign1")},
	    {.name = text("boot-rsa"),
		.schemes = TEXTS("secure-boot-v2-rsa3072:sb-rsa",
		    "secure-boot-v2-rsa3072", "sha256-ecdsa:sb-ec")},
	    {.name = text("clock"),
		.schemes = TEXTS("sha256-ecdsa", "cose-sign1"),
		.versions = MM_VERSIONS_SEMVER},
	    {.name = text("lamp"),
		.schemes = TEXTS("sha256-ecdsa", "mcuboot"),
		.size = 1048576},
	    {.name = text("unread"),
		.schemes = TEXTS("secure-boot-v2-ecdsa256"),
		.unread = true}};
	struct mm_officer officers[] = {{text("ada"), {0}}, {text("bob"), {0}}};
	struct mm_threshold thresholds[MM_THRESHOLD_KINDS];
	struct mm_policy policy = {.number = number,
	    .names = TEXTS("localhost", "127.0.0.1"),
	    .profiles = {profiles, MM_COUNT(profiles)},
	    .products = {products, MM_COUNT(products)},
	    .officers = {officers, MM_COUNT(officers)},
	    .thresholds = {thresholds, MM_COUNT(thresholds)}};
	mm_auto(buffer) out = {0};

	memcpy(officers[0].key, first->public_key, 32);
	memcpy(officers[1].key, second->public_key, 32);
	for (size_t i = 0; i < MM_COUNT(thresholds); i++)
		thresholds[i] = (struct mm_threshold){
		    i + 1, i + 1 == MM_STATEMENT_POLICY ? 2 : mint_threshold};
	mm_buffer_init(&out, MM_POLICY_MAX);
	ok(mm_shape_encode(&mm_policy_shape, &policy, &out));
	return keep_buffer(&out);
}

/* Statements. */

struct says {
	uint64_t kind;
	const void *body;
	const struct signer *by, *and_by;
	const char *origin;    /* NULL: the mint's */
	uint64_t time, expiry; /* 0: NOW, a day later */
};

static inline struct mm_list
state(struct says says)
{
	struct mm_claim claim = {.kind = says.kind,
	    .origin = text(says.origin != NULL ? says.origin : ORIGIN),
	    .time = says.time != 0 ? says.time : NOW,
	    .expiry = says.expiry != 0 ? says.expiry : NOW + DAY};
	const struct signer *signers[] = {says.by, says.and_by};
	struct mm_bytes_item items[2];
	mm_auto(buffer) payload = {0};
	size_t count = 0;

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	randombytes_buf(claim.nonce, sizeof(claim.nonce));
	ok(mm_claim_encode(&claim, says.body, &payload));
	for (size_t i = 0; i < MM_COUNT(signers); i++) {
		mm_auto(buffer) out = {0};

		if (signers[i] == NULL)
			continue;
		mm_buffer_init(&out, MM_STATEMENT_MAX);
		ok(mm_statement_sign(
		    mm_buffer_span(&payload), signers[i]->secret_key, &out));
		items[count++].value = keep_buffer(&out);
	}
	return (struct mm_list){keep(items, count * sizeof(items[0])), count};
}

/* The log. */

static inline enum mm_error
log_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct memory_log *log = self;
	struct mm_hash left, right;

	if (level == 0) {
		*out = log->leaves[n];
		return MM_OK;
	}
	ok(log_node(self, level - 1, 2 * n, &left));
	ok(log_node(self, level - 1, 2 * n + 1, &right));
	*out = mm_node_hash(&left, &right);
	return MM_OK;
}

static inline uint64_t
log_append(struct memory_log *log, struct mm_span entry)
{
	assert_true(log->size < LOG_MAX);
	log->entries[log->size] = entry;
	log->leaves[log->size] = mm_leaf_hash(entry);
	return log->size++;
}

static inline struct mm_span
make_entry(
    uint64_t kind, uint64_t time, const uint8_t policy[32], const void *body)
{
	struct mm_entry entry = {.kind = kind, .time = time};
	mm_auto(buffer) out = {0};

	memcpy(entry.policy, policy, 32);
	mm_buffer_init(&out, 65535);
	ok(mm_entry_encode(&entry, body, &out));
	return keep_buffer(&out);
}

static inline struct mm_span
log_note(struct memory_log *log, const struct signer *by, const char *origin)
{
	struct mm_tree tree = {log_node, log};
	struct mm_checkpoint checkpoint = {.size = log->size};
	struct mm_vkey vkey;
	mm_auto(buffer) out = {0};

	snprintf(checkpoint.origin, sizeof(checkpoint.origin), "%s", origin);
	ok(mm_tree_root(&tree, log->size, &checkpoint.root));
	ok(mm_vkey_init(&vkey, text(origin), by->public_key));
	mm_buffer_init(&out, MM_NOTE_MAX);
	ok(mm_checkpoint_sign(&checkpoint, &vkey, by->secret_key, &out));
	return keep_buffer(&out);
}

static inline struct mm_proven
log_prove(struct memory_log *log, uint64_t index)
{
	struct mm_tree tree = {log_node, log};
	struct mm_proof *proof = keep(&(struct mm_proof){0}, sizeof(*proof));

	ok(mm_tree_prove_inclusion(&tree, index, log->size, proof));
	return (struct mm_proven){
	    index, log->entries[index], mm_proof_to_list(proof)};
}

/* Calls over the channel of a process of its own. */
static inline enum mm_error
call_process(uint64_t type, const void *request, void *answer)
{
	static const struct mm_shape *const shapes[][2] = {
	    [MM_TOKEN_GENERATE] = {&mm_token_generate_request_shape,
		&mm_token_generate_answer_shape},
	    [MM_TOKEN_FOLLOW] = {&mm_token_follow_request_shape,
		&mm_token_follow_answer_shape},
	    [MM_TOKEN_SIGN] = {
		&mm_token_sign_request_shape, &mm_token_sign_answer_shape}};
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(buffer) back = {0};
	mm_auto(arena) arena = {0};
	struct mm_span kept;
	void *result;
	enum mm_error error;

	mm_buffer_init(&back, MM_CHANNEL_MAX);
	mm_arena_init(&arena, 8 << 20);
	result = mm_arena_alloc(&arena, shapes[type][1]->size);
	assert_non_null(result);
	error = mm_call_sync(mint.channel, type, shapes[type][0], request,
	    shapes[type][1], &received, &arena, result);
	if (error != MM_OK)
		return error;
	ok(mm_shape_encode(shapes[type][1], result, &back));
	kept = keep_buffer(&back);
	ok(mm_shape_decode(shapes[type][1], kept, &mint.arena, answer));
	return MM_OK;
}

/* Calls through the service's table, with everything encoded on the way. */
static inline enum mm_error
call_here(uint64_t type, const void *request, void *answer)
{
	struct mm_service service = mm_token_service(mint.token);
	const struct mm_call *row = NULL;
	mm_auto(buffer) bytes = {0}, back = {0};
	mm_auto(arena) arena = {0};
	void *decoded, *result;
	struct mm_span kept;
	enum mm_error error;

	for (size_t i = 0; i < service.count; i++)
		if (service.calls[i].type == type)
			row = &service.calls[i];
	assert_non_null(row);
	mm_buffer_init(&bytes, 196608);
	mm_buffer_init(&back, 196608);
	mm_arena_init(&arena, 8 << 20);
	ok(mm_shape_encode(row->request, request, &bytes));
	decoded = mm_arena_alloc(&arena, row->request->size);
	result = mm_arena_alloc(&arena, row->answer->size);
	ok(mm_shape_decode(
	    row->request, mm_buffer_span(&bytes), &arena, decoded));
	error = row->run(service.self, decoded, &arena, result);
	if (error != MM_OK)
		return error;
	ok(mm_shape_encode(row->answer, result, &back));
	kept = keep_buffer(&back);
	ok(mm_shape_decode(row->answer, kept, &mint.arena, answer));
	return MM_OK;
}

static inline enum mm_error
call(uint64_t type, const void *request, void *answer)
{
	return mint.channel > 0 ? call_process(type, request, answer)
				: call_here(type, request, answer);
}

static inline enum mm_error
follow(struct memory_log *log, uint64_t index, uint64_t *number)
{
	struct mm_token_follow_request request = {
	    log_note(log, &log->key, ORIGIN), log_prove(log, index)};
	struct mm_token_follow_answer answer = {0};
	enum mm_error error = call(MM_TOKEN_FOLLOW, &request, &answer);

	*number = answer.policy;
	return error;
}

static inline enum mm_error
open_mint(bool genesis)
{
	const struct mm_token_options options = {.module = SOFTHSM,
	    .uri = mint.hsm.uri,
	    .pin_file = mint.hsm.pin_file,
	    .record = mint.record,
	    .genesis = genesis,
	    .now = mint_now};

	return mm_token_open(&options, &mint.token);
}

static inline void
close_mint(void)
{
	mm_token_close(mint.token);
	mint.token = NULL;
}

static inline const struct mm_genesis_key *
mint_key(const char *name)
{
	for (mm_list_each(const struct mm_genesis_key, key, mint.keys))
		if (mm_span_is(key->name, name))
			return key;
	return NULL;
}

static const struct mm_ceremony_key ceremony_keys[] = {
    {.name = {(const uint8_t *)"root", 4}, .use = MM_KEY_ROOT_CA},
    {.name = {(const uint8_t *)"device-ca", 9}, .use = MM_KEY_DEVICE_CA},
    {.name = {(const uint8_t *)"access-ca", 9}, .use = MM_KEY_ACCESS_CA},
    {.name = {(const uint8_t *)"codesign", 8}, .use = MM_KEY_CODE_SIGNING},
    /* The policy names it, for partitions. */
    {.name = {(const uint8_t *)"part", 4}, .use = MM_KEY_CODE_SIGNING},
    {.name = {(const uint8_t *)"spare-ca", 8}, .use = MM_KEY_DEVICE_CA}};

static inline struct mm_ceremony_claim
make_ceremony(void)
{
	struct mm_ceremony_certificate certificates[] = {
	    {text("root"), text("root"), text("root-ca"), text("Root")},
	    {text("device-ca"), text("root"), text("device-ca"),
		text("Devices")},
	    {text("access-ca"), text("access-ca"), text("access-ca"),
		text("Access")},
	    {text("codesign"), text("root"), text("codesign"),
		text("Firmware")},
	    /* A cross-certificate, with which a chain may go round. */
	    {text("root"), text("device-ca"), text("root-ca"), text("Root")}};
	struct mm_ceremony_claim claim = {
	    .keys = {ceremony_keys, MM_COUNT(ceremony_keys)},
	    .certificates = {keep(certificates, sizeof(certificates)),
		MM_COUNT(certificates)}};

	memcpy(claim.policy, mint.policy_digest, 32);
	return claim;
}

static inline struct mm_genesis
make_genesis(const struct memory_log *log)
{
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis genesis = {.origin = text(ORIGIN),
	    .keys = mint.keys,
	    .policy = mint.policy,
	    .text = text("policy 1"),
	    .statements = state((struct says){.kind = MM_STATEMENT_CEREMONY,
		.body = &ceremony,
		.by = &mint.ada})};

	memcpy(genesis.log_key, log->key.public_key, 32);
	return genesis;
}

static inline void
log_begin(struct memory_log *log, const struct mm_genesis *genesis)
{
	log->size = 0;
	log_append(log,
	    make_entry(MM_ENTRY_GENESIS, NOW, mint.policy_digest, genesis));
}

/* A token with keys; once, because it takes a while. */
static inline int
make_mint(void **unused)
{
	struct mm_token_generate_request request = {
	    .keys = {ceremony_keys, MM_COUNT(ceremony_keys)}};
	struct mm_token_generate_answer answer;

	(void)unused;
	assert_true(sodium_init() >= 0);
	mm_arena_init(&mint.arena, 256 << 20);
	softhsm_begin(&mint.hsm);
	softhsm_token(&mint.hsm, "mint");
	snprintf(
	    mint.record, sizeof(mint.record), "%s/record", mint.hsm.directory);
	make_signer(&mint.ada);
	make_signer(&mint.bob);
	make_signer(&mint.eve);
	make_signer(&mint.log.key);
	mint.policy = make_policy(1, &mint.ada, &mint.bob);
	mm_policy_digest(mint.policy, mint.policy_digest);
	ok(mm_policy_decode(mint.policy, &mint.arena, &mint.document));
	ok(open_mint(true));
	ok(call(MM_TOKEN_GENERATE, &request, &answer));
	mint.keys = answer.keys;
	close_mint();
	return 0;
}

static inline int
remove_mint(void **unused)
{
	(void)unused;
	softhsm_end(&mint.hsm);
	mm_arena_clear(&mint.arena);
	return 0;
}

/* No genesis yet. */
static inline int
begin_mint(void **unused)
{
	(void)unused;
	mint.log.size = 0;
	ok(open_mint(true));
	return 0;
}

static inline int
end_mint(void **unused)
{
	(void)unused;
	close_mint();
	unlink(mint.record);
	return 0;
}

#endif
