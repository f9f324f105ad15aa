/*
 * One sound entry of each kind for the tests of the log, and a log key. A
 * test changes what it is about and encodes.
 */
#ifndef MM_ENTRY_SAMPLES_H
#define MM_ENTRY_SAMPLES_H

#include <sodium.h>
#include <string.h>

#include "log/entry.h"
#include "log/note.h"

enum { SAMPLE_TIME = 1700000000 };
#define SAMPLE_ORIGIN "log.example.com/test"

static inline void
sample_keys(struct mm_vkey *vkey, uint8_t secret_key[64])
{
	static const uint8_t seed[32] = {1, 2, 3};
	uint8_t public_key[32];

	crypto_sign_seed_keypair(public_key, secret_key, seed);
	assert_int_equal(
	    mm_vkey_init(vkey, mm_span_text(SAMPLE_ORIGIN), public_key), MM_OK);
}

static inline struct mm_list
sample_statements(void)
{
	static struct mm_bytes_item items[1];

	items[0].value = mm_span_text("statement");
	return (struct mm_list){items, 1};
}

static inline struct mm_genesis
sample_genesis(void)
{
	static struct mm_genesis_key keys[1];
	struct mm_genesis genesis = {.origin = mm_span_text(SAMPLE_ORIGIN),
	    .keys = {keys, 1},
	    .policy = mm_span_text("policy"),
	    .text = mm_span_text("a = 1\n"),
	    .statements = sample_statements()};
	uint8_t secret_key[64];
	struct mm_vkey vkey;

	keys[0] = (struct mm_genesis_key){
	    mm_span_text("root"), MM_KEY_ROOT_CA, mm_span_text("spki")};
	sample_keys(&vkey, secret_key);
	memcpy(genesis.log_key, vkey.public_key, 32);
	return genesis;
}

static inline struct mm_policy_entry
sample_policy(void)
{
	return (struct mm_policy_entry){.policy = mm_span_text("policy"),
	    .text = mm_span_text("a = 1\n"),
	    .statements = sample_statements(),
	    .principal = mm_span_text("officer-1"),
	    .request = mm_span_text("0123456789abcdef")};
}

static inline struct mm_statement_entry
sample_statement(void)
{
	return (struct mm_statement_entry){.statements = sample_statements(),
	    .principal = mm_span_text("officer-1"),
	    .request = mm_span_text("0123456789abcdef")};
}

static inline struct mm_certificate_entry
sample_certificate(void)
{
	static struct mm_replaced items[1];

	items[0] = (struct mm_replaced){3, mm_span_text("serial")};
	return (struct mm_certificate_entry){.profile = mm_span_text("device"),
	    .subject = mm_span_text("unit-1"),
	    .issuer = mm_span_text("device-ca"),
	    .tbs = mm_span_text("tbs"),
	    .principal = mm_span_text("station-1"),
	    .request = mm_span_text("0123456789abcdef"),
	    .replaces = {items, 1}};
}

static inline struct mm_image_entry
sample_image(void)
{
	return (struct mm_image_entry){.product = mm_span_text("lamp"),
	    .version = mm_span_text("1.0"),
	    .size = 4096,
	    .scheme = mm_span_text("secure-boot-v2-rsa3072:sb-1"),
	    .key = mm_span_text("sb-1"),
	    .format = mm_span_text("esp-app"),
	    .statements = sample_statements(),
	    .chip = mm_span_text("esp32c3"),
	    .project = mm_span_text("lamp"),
	    .secure_version = 3};
}

static inline struct mm_partition_entry
sample_partition(void)
{
	return (struct mm_partition_entry){.profile = mm_span_text("device"),
	    .device = mm_span_text("unit-1"),
	    .basis = 4,
	    .certificate = 9,
	    .size = 1500,
	    .scheme = mm_span_text("secure-cert-ecdsa256:sb-1"),
	    .key = mm_span_text("sb-1"),
	    .principal = mm_span_text("station-1"),
	    .request = mm_span_text("0123456789abcdef")};
}

static inline struct mm_signatures_entry
sample_signatures(void)
{
	static struct mm_signature items[1];

	items[0] = (struct mm_signature){1, mm_span_text("signature")};
	return (struct mm_signatures_entry){{items, 1}};
}

static inline struct mm_void_entry
sample_voids(void)
{
	static struct mm_void items[1];

	items[0] = (struct mm_void){1, mm_span_text("order-closed")};
	return (struct mm_void_entry){{items, 1}};
}

static inline struct mm_refusal_entry
sample_refusals(void)
{
	static struct mm_refusal items[1];

	items[0] = (struct mm_refusal){mm_span_text("station-1"),
	    mm_span_text("issue"), mm_span_text("order-exhausted"), 3,
	    mm_span_text("unit-2"), mm_span_text("order-1")};
	return (struct mm_refusal_entry){{items, 1}};
}

static inline struct mm_start_entry
sample_start(void)
{
	return (struct mm_start_entry){mm_span_text("0.1"), 0};
}

static inline struct mm_key_entry
sample_key(void)
{
	return (struct mm_key_entry){.name = mm_span_text("device-ca-2"),
	    .use = MM_KEY_DEVICE_CA,
	    .spki = mm_span_text("spki"),
	    .retired = true,
	    .basis = 7};
}

static inline struct mm_pending_entry
sample_pending(void)
{
	return (struct mm_pending_entry){.statements = sample_statements(),
	    .principal = mm_span_text("officer-1"),
	    .request = mm_span_text("0123456789abcdef"),
	    .spki = mm_span_text("spki"),
	    .policy = mm_span_text("policy"),
	    .text = mm_span_text("a = 1\n"),
	    .certificates = sample_statements()};
}

static inline struct mm_csr_entry
sample_csr(void)
{
	return (struct mm_csr_entry){.key = mm_span_text("device-ca-2"),
	    .profile = mm_span_text("device-ca"),
	    .subject = mm_span_text("Devices 2"),
	    .basis = 7,
	    .info = mm_span_text("info")};
}

static inline struct mm_import_entry
sample_import(void)
{
	return (struct mm_import_entry){.key = mm_span_text("device-ca-2"),
	    .basis = 7,
	    .certificate = mm_span_text("certificate")};
}

static inline struct mm_inherited_entry
sample_inherited(void)
{
	return (struct mm_inherited_entry){.count = 5,
	    .things_sha256 = mm_span_text("01234567890123456789012345678901"),
	    .things_size = 500};
}

static inline struct mm_crl_entry
sample_crl(void)
{
	return (struct mm_crl_entry){.issuer = mm_span_text("device-ca"),
	    .number = 1,
	    .this_update = SAMPLE_TIME,
	    .next_update = SAMPLE_TIME + 86400,
	    .size = 7,
	    .count = 2,
	    .tbs = mm_span_text("tbs")};
}

static inline struct mm_export_entry
sample_export(void)
{
	return (struct mm_export_entry){.from = 0,
	    .to = 7,
	    .format = mm_span_text("csv"),
	    .filter = mm_span_text("device=unit-1"),
	    .size = 4711,
	    .principal = mm_span_text("auditor-1"),
	    .request = mm_span_text("0123456789abcdef")};
}

static inline struct mm_scrap_entry
sample_scrap(void)
{
	return (struct mm_scrap_entry){.basis = 3,
	    .certificate = 4,
	    .serial = mm_span_text("01234567890123456789"),
	    .device = mm_span_text("unit-1"),
	    .reason = mm_span_text("no answer"),
	    .principal = mm_span_text("station-1"),
	    .request = mm_span_text("0123456789abcdef")};
}

/* The name of a blob, as an entry has it beside its size. */
static inline struct mm_span
sample_sha256(struct mm_span blob, uint8_t out[32])
{
	crypto_hash_sha256(out, blob.data, blob.size);
	return mm_span(out, 32);
}

/* The frame around a body, under the policy of the samples. */
static inline struct mm_entry
sample_frame(uint64_t kind)
{
	struct mm_entry entry = {.kind = kind, .time = SAMPLE_TIME};

	crypto_hash_sha256(entry.policy, (const uint8_t *)"policy", 6);
	return entry;
}

/* Replaces the buffer's bytes by the entry's. */
static inline void
sample_encode(
    const struct mm_entry *frame, const void *body, struct mm_buffer *out)
{
	mm_buffer_reset(out);
	if (mm_entry_encode(frame, body, out) != MM_OK)
		fail_msg("%s", mm_why(mm_entry_encode(frame, body, out)));
}

#endif
