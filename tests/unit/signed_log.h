/*
 * A log in memory whose certificates and images are signed by software keys:
 * for tests of whoever verifies signatures and receipts. Genesis is there
 * from the start; a test appends, and changes what it is about.
 */
#ifndef MM_SIGNED_LOG_H
#define MM_SIGNED_LOG_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "ca/certificate.h"
#include "log/receipt.h"
#include "tests/unit/entry_samples.h"

enum { SIGNED_LOG_MAX = 64 };

struct soft_key {
	EVP_PKEY *key;
	struct mm_span spki;
	uint8_t bytes[MM_SPKI_MAX];
};

struct signed_log {
	struct mm_arena arena;
	struct mm_vkey vkey;
	uint8_t secret_key[64];
	struct soft_key ca, codesign, device;
	struct mm_span ca_tbs;
	struct mm_span entries[SIGNED_LOG_MAX];
	size_t count;
};

static inline void
soft_key_init(struct soft_key *soft)
{
	uint8_t *at = soft->bytes;

	soft->key = EVP_EC_gen("P-256");
	assert_non_null(soft->key);
	soft->spki = mm_span(soft->bytes, (size_t)i2d_PUBKEY(soft->key, &at));
}

static inline struct mm_span
signed_log_keep(struct signed_log *log, struct mm_span bytes)
{
	struct mm_span copy = mm_arena_copy(&log->arena, bytes);

	assert_non_null(copy.data);
	return copy;
}

/* The DER signature over a SHA-256 digest. */
static inline struct mm_span
soft_sign(struct signed_log *log, const struct soft_key *soft,
    const uint8_t digest[32])
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(soft->key, NULL);
	uint8_t bytes[128];
	size_t size = sizeof(bytes);

	assert_true(EVP_PKEY_sign_init(context) > 0 &&
		    EVP_PKEY_sign(context, bytes, &size, digest, 32) > 0);
	EVP_PKEY_CTX_free(context);
	return signed_log_keep(log, mm_span(bytes, size));
}

static inline uint64_t
signed_log_add(struct signed_log *log, uint64_t kind, const void *body)
{
	struct mm_entry frame = sample_frame(kind);
	mm_auto(buffer) bytes = {0};

	assert_true(log->count < SIGNED_LOG_MAX);
	mm_buffer_init(&bytes, 65535);
	sample_encode(&frame, body, &bytes);
	log->entries[log->count] = signed_log_keep(log, mm_buffer_span(&bytes));
	return log->count++;
}

static inline struct mm_span
signed_log_tbs(struct signed_log *log, const struct mm_profile *profile,
    const char *subject, const struct soft_key *key, struct mm_span issuer)
{
	const struct mm_certificate_plan plan = {.profile = profile,
	    .subject = mm_span_text(subject),
	    .spki = key->spki,
	    .issuer = issuer,
	    .now = SAMPLE_TIME};
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};

	mm_serial_make(serial);
	mm_buffer_init(&tbs, 8192);
	if (mm_tbs_build(&plan, serial, &tbs) != MM_OK)
		fail_msg("%s", mm_why(mm_tbs_build(&plan, serial, &tbs)));
	return signed_log_keep(log, mm_buffer_span(&tbs));
}

static inline struct mm_span
device_tbs(struct signed_log *log, const char *device)
{
	static const struct mm_subject_part part = {
	    {(const uint8_t *)"2.5.4.3", 7}, {(const uint8_t *)"{device}", 8}};
	static const struct mm_text_item eku = {
	    {(const uint8_t *)"1.3.6.1.5.5.7.3.2", 17}};
	const struct mm_profile profile = {.name = mm_span_text("device"),
	    .purpose = MM_PURPOSE_DEVICE,
	    .issuer = mm_span_text("device-ca"),
	    .subject = {&part, 1},
	    .validity = 86400,
	    .keys = 1 << MM_KEY_P256,
	    .key_usage = MM_KU_DIGITAL_SIGNATURE,
	    .purposes = {&eku, 1}};

	return signed_log_tbs(log, &profile, device, &log->device, log->ca_tbs);
}

/* A certificate's entry; the caller changes it and adds it. */
static inline struct mm_certificate_entry
device_entry(const struct signed_log *log, struct mm_span tbs)
{
	struct mm_certificate_entry entry = sample_certificate();

	entry.tbs = tbs;
	crypto_hash_sha256(
	    entry.key, log->device.spki.data, log->device.spki.size);
	return entry;
}

/* The signature of the `issuer` over a TBS. */
static inline struct mm_span
sign_tbs(
    struct signed_log *log, const struct soft_key *issuer, struct mm_span tbs)
{
	uint8_t digest[32];

	mm_tbs_digest(tbs, digest);
	return soft_sign(log, issuer, digest);
}

static inline uint64_t
add_signature(struct signed_log *log, uint64_t index, struct mm_span signature)
{
	const struct mm_signature one = {index, signature};
	const struct mm_signatures_entry body = {{&one, 1}};

	return signed_log_add(log, MM_ENTRY_SIGNATURES, &body);
}

static inline struct mm_span
signed_log_certificate(
    struct signed_log *log, struct mm_span tbs, struct mm_span signature)
{
	mm_auto(buffer) der = {0};

	mm_buffer_init(&der, 16384);
	assert_int_equal(mm_certificate_assemble(tbs, signature, &der), MM_OK);
	return signed_log_keep(log, mm_buffer_span(&der));
}

static inline struct mm_image_entry
image_entry(struct mm_span image)
{
	struct mm_image_entry entry = sample_image();

	entry.scheme = mm_span_text("sha256-ecdsa");
	entry.key = mm_span_text("codesign");
	entry.format = mm_span_text("plain");
	entry.size = image.size;
	crypto_hash_sha256(entry.sha256, image.data, image.size);
	crypto_hash_sha256(entry.digest, image.data, image.size);
	return entry;
}

static inline enum mm_error
signed_log_node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct signed_log *log = self;
	struct mm_hash left, right;

	if (level == 0) {
		*out = mm_leaf_hash(log->entries[n]);
		return MM_OK;
	}
	assert_int_equal(signed_log_node(self, level - 1, 2 * n, &left), MM_OK);
	assert_int_equal(
	    signed_log_node(self, level - 1, 2 * n + 1, &right), MM_OK);
	*out = mm_node_hash(&left, &right);
	return MM_OK;
}

static inline struct mm_checkpoint
signed_log_checkpoint(struct signed_log *log)
{
	struct mm_checkpoint checkpoint = {
	    .origin = SAMPLE_ORIGIN, .size = log->count};
	struct mm_tree tree = {signed_log_node, log};

	assert_int_equal(
	    mm_tree_root(&tree, log->count, &checkpoint.root), MM_OK);
	return checkpoint;
}

/* The receipt of an entry against the whole log. */
static inline struct mm_span
signed_log_receipt(struct signed_log *log, uint64_t index)
{
	struct mm_checkpoint checkpoint = signed_log_checkpoint(log);
	struct mm_tree tree = {signed_log_node, log};
	struct mm_receipt receipt = {
	    .entry = log->entries[index], .index = index};
	mm_auto(buffer) note = {0};
	mm_auto(buffer) text = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	mm_buffer_init(&text, 131072);
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &log->vkey, log->secret_key, &note),
	    MM_OK);
	assert_int_equal(
	    mm_tree_prove_inclusion(&tree, index, log->count, &receipt.proof),
	    MM_OK);
	receipt.note = mm_buffer_span(&note);
	assert_int_equal(mm_receipt_encode(&receipt, &text), MM_OK);
	return signed_log_keep(log, mm_buffer_span(&text));
}

static inline void
signed_log_genesis(struct signed_log *log)
{
	const struct mm_genesis_key keys[] = {
	    {mm_span_text("device-ca"), MM_KEY_DEVICE_CA, log->ca.spki},
	    {mm_span_text("codesign"), MM_KEY_CODE_SIGNING,
		log->codesign.spki}};
	struct mm_genesis body = sample_genesis();

	body.keys = (struct mm_list){keys, MM_COUNT(keys)};
	signed_log_add(log, MM_ENTRY_GENESIS, &body);
}

static inline void
signed_log_init(struct signed_log *log)
{
	static const struct mm_subject_part part = {
	    {(const uint8_t *)"2.5.4.3", 7}, {(const uint8_t *)"{name}", 6}};
	const struct mm_profile profile = {.name = mm_span_text("device-ca"),
	    .purpose = MM_PURPOSE_CA,
	    .issuer = mm_span_text("device-ca"),
	    .subject = {&part, 1},
	    .keys = 1 << MM_KEY_P256,
	    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN};

	*log = (struct signed_log){.count = 0};
	mm_arena_init(&log->arena, 16 << 20);
	sample_keys(&log->vkey, log->secret_key);
	soft_key_init(&log->ca);
	soft_key_init(&log->codesign);
	soft_key_init(&log->device);
	log->ca_tbs =
	    signed_log_tbs(log, &profile, "CA", &log->ca, mm_span(NULL, 0));
	signed_log_genesis(log);
}

static inline void
signed_log_clear(struct signed_log *log)
{
	EVP_PKEY_free(log->ca.key);
	EVP_PKEY_free(log->codesign.key);
	EVP_PKEY_free(log->device.key);
	mm_arena_clear(&log->arena);
}

#endif
