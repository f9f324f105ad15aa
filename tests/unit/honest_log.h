/*
 * An honest log with software keys, for the tests of whoever audits one:
 * genesis, CAs, people and an order are there from the start; a test adds
 * entries, and spoils the one that it is about.
 */
#ifndef MM_TEST_HONEST_LOG_H
#define MM_TEST_HONEST_LOG_H

#include "audit/audit.h"
#include "ca/tbs.h"
#include "tests/unit/mint.h"

enum { SOFT_KEYS = 6 };

static struct {
	EVP_PKEY *soft[SOFT_KEYS]; /* of the ceremony's keys */
	uint64_t time;             /* of the next entry */
	uint8_t policy[32];        /* in force */
	uint16_t request;          /* of the last request */
	struct mm_span root_tbs, device_ca_tbs, access_ca_tbs;
	uint64_t genesis, station, order; /* entries */
	uint64_t born; /* entries of the birth, `start` included */
	struct mm_span station_spki;
} honest;

/* --- keys --- */

static inline void
make_soft_keys(void)
{
	struct mm_genesis_key keys[SOFT_KEYS];

	for (size_t i = 0; i < SOFT_KEYS; i++) {
		uint8_t *der = NULL;
		int size;

		honest.soft[i] = EVP_EC_gen("P-256");
		assert_non_null(honest.soft[i]);
		size = i2d_PUBKEY(honest.soft[i], &der);
		keys[i] = (struct mm_genesis_key){ceremony_keys[i].name,
		    ceremony_keys[i].use,
		    mm_span(keep(der, (size_t)size), (size_t)size)};
		OPENSSL_free(der);
	}
	mint.keys = (struct mm_list){keep(keys, sizeof(keys)), SOFT_KEYS};
}

/* The DER signature of the mint's key of this name. */
static inline struct mm_span
soft_sign(const char *name, const uint8_t digest[32])
{
	EVP_PKEY_CTX *context = NULL;
	uint8_t bytes[128];
	size_t size = sizeof(bytes);

	for (size_t i = 0; i < SOFT_KEYS; i++)
		if (mm_span_is(ceremony_keys[i].name, name))
			context = EVP_PKEY_CTX_new(honest.soft[i], NULL);
	assert_non_null(context);
	assert_true(EVP_PKEY_sign_init(context) > 0 &&
		    EVP_PKEY_sign(context, bytes, &size, digest, 32) > 0);
	EVP_PKEY_CTX_free(context);
	return mm_span(keep(bytes, size), size);
}

/* --- entries --- */

static inline uint64_t
add(uint64_t kind, const void *body)
{
	return log_append(
	    &mint.log, make_entry(kind, honest.time, honest.policy, body));
}

static inline struct mm_span
new_request(void)
{
	uint8_t id[16] = {0, 0, 0xaa};

	honest.request++;
	memcpy(id, &honest.request, sizeof(honest.request));
	return mm_span(keep(id, sizeof(id)), sizeof(id));
}

static inline uint64_t
add_statements(uint64_t kind, struct mm_list statements, const char *principal)
{
	struct mm_statement_entry body = {.statements = statements};

	if (principal != NULL) {
		body.principal = text(principal);
		body.request = new_request();
	}
	return add(kind, &body);
}

static inline struct says
said(uint64_t kind, const void *body)
{
	return (struct says){.kind = kind,
	    .body = body,
	    .by = &mint.ada,
	    .time = honest.time,
	    .expiry = honest.time + DAY};
}

static inline struct mm_principal_claim
make_principal(const char *name, uint64_t role, struct mm_span spki)
{
	struct mm_principal_claim claim = {.name = text(name), .role = role};
	struct mm_key key;

	if (role == MM_ROLE_STATION)
		claim.profiles = TEXTS("device");
	ok(mm_key_read(spki, &key));
	memcpy(claim.key, key.sha256, 32);
	return claim;
}

static inline uint64_t
add_principal(const struct mm_principal_claim *claim, const char *by)
{
	return add_statements(
	    MM_ENTRY_PRINCIPAL, state(said(MM_STATEMENT_PRINCIPAL, claim)), by);
}

static inline struct mm_order_claim
make_order(const char *name)
{
	return (struct mm_order_claim){.name = text(name),
	    .profile = text("device"),
	    .units = 10,
	    .devices = {.first = text("dev-00"), .last = text("dev-99")},
	    .stations = TEXTS("station-1"),
	    .until = NOW + 10 * DAY};
}

static inline uint64_t
add_order(const struct mm_order_claim *claim, const char *by)
{
	return add_statements(
	    MM_ENTRY_ORDER, state(said(MM_STATEMENT_ORDER, claim)), by);
}

/* A certificate entry and the plan that its TBS is made by. */
struct issue {
	struct mm_certificate_entry entry;
	struct mm_certificate_plan plan;
};

static inline void
make_tbs(struct issue *issue)
{
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};
	struct mm_key key;

	issue->plan.now = honest.time;
	mm_buffer_init(&tbs, 16384);
	mm_serial_make(serial);
	ok(mm_tbs_build(&issue->plan, serial, &tbs));
	issue->entry.tbs = keep_buffer(&tbs);
	ok(mm_key_read(issue->plan.spki, &key));
	memcpy(issue->entry.key, key.sha256, 32);
}

static inline struct issue
make_issue(const char *profile, const char *subject, const char *issuer,
    struct mm_span issuer_tbs, struct mm_span spki)
{
	struct issue issue = {.entry = {.profile = text(profile),
				  .subject = text(subject),
				  .issuer = text(issuer)},
	    .plan = {
		.profile = mm_policy_profile(&mint.document, text(profile)),
		.subject = text(subject),
		.spki = spki,
		.issuer = issuer_tbs}};

	make_tbs(&issue);
	return issue;
}

static inline struct issue
device_issue(const char *device)
{
	struct issue issue = make_issue(
	    "device", device, "device-ca", honest.device_ca_tbs, make_spki());

	issue.entry.basis = honest.order;
	issue.entry.principal = text("station-1");
	issue.entry.request = new_request();
	return issue;
}

static inline struct issue
client_issue(void)
{
	struct issue issue = make_issue("tls-client", "station-1", "access-ca",
	    honest.access_ca_tbs, honest.station_spki);

	issue.entry.basis = honest.station;
	issue.entry.principal = text("officer-1");
	return issue;
}

static inline struct issue
server_issue(void)
{
	struct issue issue = make_issue(
	    "device", "dev-00", "device-ca", honest.device_ca_tbs, make_spki());

	issue.entry.profile = text("tls-server");
	issue.entry.subject = text("localhost");
	issue.entry.issuer = text("access-ca");
	issue.plan.profile =
	    mm_policy_profile(&mint.document, text("tls-server"));
	issue.plan.subject = text("localhost");
	issue.plan.issuer = honest.access_ca_tbs;
	issue.plan.names = mint.document.names;
	make_tbs(&issue);
	return issue;
}

static inline uint64_t
add_certificate(const struct issue *issue)
{
	return add(MM_ENTRY_CERTIFICATE, &issue->entry);
}

static inline uint64_t
add_signature(uint64_t index, struct mm_span signature)
{
	struct mm_signature one = {index, signature};
	struct mm_signatures_entry body = {{&one, 1}};

	return add(MM_ENTRY_SIGNATURES, &body);
}

/* Logs it, and the signature after it. */
static inline uint64_t
issue_signed(const struct issue *issue)
{
	char issuer[65];
	uint8_t digest[32];
	uint64_t index = add_certificate(issue);

	mm_tbs_digest(issue->entry.tbs, digest);
	add_signature(index, soft_sign(mm_span_string(issue->entry.issuer,
					   issuer, sizeof(issuer)),
				 digest));
	return index;
}

static inline uint64_t
add_void(uint64_t index)
{
	struct mm_void one = {index, text("token-refused")};
	struct mm_void_entry body = {{&one, 1}};

	return add(MM_ENTRY_VOID, &body);
}

/* What a CRL says, right or wrong. */
struct listed {
	struct mm_span serial;
	int reason; /* -1: none is given */
};
struct crl_plan {
	struct mm_span ca_tbs;
	unsigned number; /* one byte */
	const struct listed *listed;
	size_t count;
	bool empty_list;      /* a list of nobody, which is absent else */
	bool critical, delta; /* an extension that is; of a delta's */
	bool no_number, number_twice;
};

static inline void
put_extension(struct mm_buffer *out, const char *oid, bool critical,
    unsigned tag, uint8_t value)
{
	size_t one = mm_der_open(out, MM_DER_SEQUENCE), octets;

	ok(mm_der_put_oid(out, text(oid)));
	if (critical)
		mm_der_put(out, MM_DER_BOOLEAN, "\xff", 1);
	octets = mm_der_open(out, MM_DER_OCTETS);
	mm_der_put(out, tag, &value, 1);
	mm_der_close(out, octets);
	mm_der_close(out, one);
}

static inline void
put_listed(struct mm_buffer *out, const struct crl_plan *plan)
{
	size_t list;

	if (plan->count == 0 && !plan->empty_list)
		return;
	list = mm_der_open(out, MM_DER_SEQUENCE);
	for (size_t i = 0; i < plan->count; i++) {
		size_t one = mm_der_open(out, MM_DER_SEQUENCE), extensions;

		mm_der_put(out, MM_DER_INTEGER, plan->listed[i].serial.data,
		    plan->listed[i].serial.size);
		mm_der_put_time(out, honest.time);
		if (plan->listed[i].reason >= 0) {
			extensions = mm_der_open(out, MM_DER_SEQUENCE);
			put_extension(out, "2.5.29.21", false, 0x0a,
			    (uint8_t)plan->listed[i].reason);
			mm_der_close(out, extensions);
		}
		mm_der_close(out, one);
	}
	mm_der_close(out, list);
}

/* RFC 5280 5.2.1: keyIdentifier is [0]. */
static inline void
put_authority(struct mm_buffer *out, const struct mm_tbs *ca)
{
	size_t one = mm_der_open(out, MM_DER_SEQUENCE), octets, fields;

	ok(mm_der_put_oid(out, text("2.5.29.35")));
	octets = mm_der_open(out, MM_DER_OCTETS);
	fields = mm_der_open(out, MM_DER_SEQUENCE);
	mm_der_put(out, MM_DER_CONTEXT, ca->key.ski, sizeof(ca->key.ski));
	mm_der_close(out, fields);
	mm_der_close(out, octets);
	mm_der_close(out, one);
}

/* RFC 5280 5.1.2. */
static inline struct mm_span
make_crl_of(const struct crl_plan *plan)
{
	mm_auto(buffer) out = {0};
	struct mm_tbs ca;
	size_t whole, tagged, extensions;

	ok(mm_tbs_read(plan->ca_tbs, &mint.arena, &ca));
	mm_buffer_init(&out, 1 << 20);
	whole = mm_der_open(&out, MM_DER_SEQUENCE);
	mm_der_put(&out, MM_DER_INTEGER, "\1", 1);
	mm_buffer_add(&out, mm_ecdsa_sha256.data, mm_ecdsa_sha256.size);
	mm_buffer_add(&out, ca.subject.data, ca.subject.size);
	mm_der_put_time(&out, honest.time);
	mm_der_put_time(&out, honest.time + DAY);
	put_listed(&out, plan);
	tagged = mm_der_open(&out, MM_DER_CONTEXT_CONSTRUCTED);
	extensions = mm_der_open(&out, MM_DER_SEQUENCE);
	put_authority(&out, &ca);
	if (!plan->no_number)
		put_extension(&out, "2.5.29.20", plan->critical, MM_DER_INTEGER,
		    (uint8_t)plan->number);
	if (plan->number_twice)
		put_extension(&out, "2.5.29.20", false, MM_DER_INTEGER,
		    (uint8_t)plan->number);
	if (plan->delta)
		put_extension(&out, "2.5.29.27", true, MM_DER_INTEGER, 1);
	mm_der_close(&out, extensions);
	mm_der_close(&out, tagged);
	mm_der_close(&out, whole);
	return keep_buffer(&out);
}

/* With nobody revoked. */
static inline struct mm_span
make_crl(struct mm_span ca_tbs, unsigned number)
{
	return make_crl_of(
	    &(struct crl_plan){.ca_tbs = ca_tbs, .number = number});
}

static inline struct mm_span
serial_of(struct mm_span tbs)
{
	uint8_t serial[MM_SERIAL_SIZE];

	ok(mm_serial_of_tbs(tbs, serial));
	return mm_span(keep(serial, sizeof(serial)), sizeof(serial));
}

static inline uint64_t
revoke_serial(struct mm_span serial, uint64_t reason)
{
	struct mm_revoked one = {serial, reason, 0};
	struct mm_revoke_claim claim = {{&one, 1}};

	return add_statements(MM_ENTRY_REVOCATION,
	    state(said(MM_STATEMENT_REVOKE, &claim)), "officer-1");
}

/* A release that ada has signed, as entry and claim. */
struct release {
	struct mm_release_claim claim;
	struct mm_scheme_digest digest;
	struct mm_image_entry entry;
};

static inline void
make_release(struct release *release, const char *version)
{
	*release = (struct release){.claim = {.product = text("lamp"),
					.version = text(version),
					.size = 1000},
	    .digest = {.scheme = text("sha256-ecdsa")},
	    .entry = {.product = text("lamp"),
		.version = text(version),
		.size = 1000,
		.scheme = text("sha256-ecdsa"),
		.key = text("codesign"),
		.format = text("plain"),
		.principal = text("release-1"),
		.request = new_request()}};
	memset(release->claim.sha256, 9, 32);
	memset(release->digest.digest, 9, 32);
	memset(release->entry.sha256, 9, 32);
	memset(release->entry.digest, 9, 32);
	crypto_hash_sha256(release->entry.signer,
	    mint_key("codesign")->spki.data, mint_key("codesign")->spki.size);
	release->claim.schemes = (struct mm_list){&release->digest, 1};
	release->entry.statements =
	    state(said(MM_STATEMENT_RELEASE, &release->claim));
}

/* --- the log --- */

static inline void
add_authority(const char *profile, const char *subject, const char *issuer,
    const char *key, struct mm_span issuer_tbs, struct mm_span *tbs)
{
	struct issue issue = make_issue(
	    profile, subject, issuer, issuer_tbs, mint_key(key)->spki);

	issue_signed(&issue);
	if (tbs != NULL)
		*tbs = issue.entry.tbs;
}

static inline void
add_people(void)
{
	struct mm_principal_claim claim;
	struct mm_order_claim order = make_order("order-1");

	honest.station_spki = make_spki();
	claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	honest.station = add_principal(&claim, NULL);
	claim = make_principal("release-1", MM_ROLE_RELEASE, make_spki());
	add_principal(&claim, NULL);
	claim = make_principal("auditor-1", MM_ROLE_AUDITOR, make_spki());
	add_principal(&claim, NULL);
	claim = make_principal("officer-1", MM_ROLE_OFFICER, make_spki());
	add_principal(&claim, NULL);
	honest.order = add_order(&order, NULL);
}

static inline void
honest_begin(void)
{
	const struct mm_start_entry start = {text("1"), 0};
	struct mm_genesis genesis = make_genesis(&mint.log);

	honest.time = NOW;
	honest.request = 0;
	memcpy(honest.policy, mint.policy_digest, 32);
	log_begin(&mint.log, &genesis);
	honest.time = NOW + 5;
	add_authority("root-ca", "Root", "root", "root", mm_span(NULL, 0),
	    &honest.root_tbs);
	add_authority("device-ca", "Devices", "root", "device-ca",
	    honest.root_tbs, &honest.device_ca_tbs);
	add_authority("access-ca", "Access", "access-ca", "access-ca",
	    mm_span(NULL, 0), &honest.access_ca_tbs);
	add_authority(
	    "codesign", "Firmware", "root", "codesign", honest.root_tbs, NULL);
	add_people();
	add(MM_ENTRY_START, &start);
	honest.born = mint.log.size;
	honest.time = NOW + 10;
}

static inline int
honest_make(void **unused)
{
	(void)unused;
	if (sodium_init() < 0)
		return 1;
	mm_arena_init(&mint.arena, 256 << 20);
	make_signer(&mint.ada);
	make_signer(&mint.bob);
	make_signer(&mint.eve);
	make_signer(&mint.log.key);
	ok(mm_vkey_init(&mint.log.vkey, text(ORIGIN), mint.log.key.public_key));
	mint.policy = make_policy(1, &mint.ada, &mint.bob);
	mm_policy_digest(mint.policy, mint.policy_digest);
	ok(mm_policy_decode(mint.policy, &mint.arena, &mint.document));
	make_soft_keys();
	return 0;
}

static inline int
honest_remove(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SOFT_KEYS; i++)
		EVP_PKEY_free(honest.soft[i]);
	mm_arena_clear(&mint.arena);
	return 0;
}

static inline struct mm_checkpoint
honest_checkpoint(uint64_t size)
{
	struct mm_tree tree = {log_node, &mint.log};
	struct mm_checkpoint checkpoint = {.origin = ORIGIN, .size = size};

	ok(mm_tree_root(&tree, size, &checkpoint.root));
	return checkpoint;
}

#endif
