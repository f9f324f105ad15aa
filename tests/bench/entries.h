/*
 * The entries of a bench's log, of real kinds and sizes: genesis, the CA's
 * certificate, an order with its officer's statement, and then devices'
 * certificates and `signatures`, as many as one likes. A certificate's TBS is
 * built once by ca/ and patched from then on: serial number, device, key. Its
 * keys are no points of a curve and its signatures nobody's, which only the
 * token and an auditor would ask about.
 */
#ifndef MM_BENCH_ENTRIES_H
#define MM_BENCH_ENTRIES_H

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ca/certificate.h"
#include "log/entry.h"
#include "policy/document.h"

#define BENCH_ORIGIN "bench.example/log"

enum {
	DEVICE_SIZE = 20, /* "unit-000000000000001" */
	POINT_SIZE = 64,  /* of P-256, without its head */
	SIGNATURE_SIZE = 71,
	DAY = 86400,
	YEAR = 365 * DAY,
	INDEX_GENESIS = 0,
	INDEX_CA = 1,
	INDEX_ORDER = 2,
	INDEX_FIRST = 3 /* where the devices begin */
};

struct maker {
	struct mm_arena arena;
	uint8_t log_key[32], policy_digest[32], officer[64];
	struct mm_span policy, ca_spki, ca_tbs;
	struct mm_profile ca_profile, device_profile;
	/* The template and what is patched in it. */
	uint8_t tbs[1024], spki[128];
	size_t tbs_size, spki_size;
	uint8_t *serial, *device, *point, *spki_point, *ski;
	uint64_t random, devices;
};

static inline void
bench_die(const char *what, enum mm_error error)
{
	fprintf(stderr, "log: %s: %s\n", what, mm_why(error));
	exit((int)mm_error_exit(error));
}

static inline void
must(const char *what, enum mm_error error)
{
	if (error != MM_OK)
		bench_die(what, error);
}

static inline struct mm_span
kept(struct maker *maker, struct mm_span bytes)
{
	struct mm_span copy = mm_arena_copy(&maker->arena, bytes);

	if (copy.data == NULL)
		bench_die("no memory", MM_E_MEMORY);
	return copy;
}

/* splitmix64: fast, and nothing here is a secret. */
static inline void
fill_random(struct maker *maker, uint8_t *out, size_t size)
{
	while (size > 0) {
		size_t part = size < 8 ? size : 8;
		uint64_t z = maker->random += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		memcpy(out, &z, part);
		out += part;
		size -= part;
	}
}

/* A number below `limit`. */
static inline uint64_t
random_below(struct maker *maker, uint64_t limit)
{
	uint64_t number;

	fill_random(maker, (uint8_t *)&number, sizeof(number));
	return number % limit;
}

/* The SubjectPublicKeyInfo of a new P-256 key. */
static inline struct mm_span
new_spki(struct maker *maker)
{
	gnutls_privkey_t key = NULL;
	gnutls_pubkey_t public_key = NULL;
	gnutls_datum_t der = {NULL, 0};
	struct mm_span spki;

	if (gnutls_privkey_init(&key) < 0 ||
	    gnutls_pubkey_init(&public_key) < 0 ||
	    gnutls_privkey_generate(key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0 ||
	    gnutls_pubkey_import_privkey(public_key, key, 0, 0) < 0 ||
	    gnutls_pubkey_export2(public_key, GNUTLS_X509_FMT_DER, &der) < 0)
		bench_die("cannot make a key", MM_E_SYSTEM);
	spki = kept(maker, mm_span(der.data, der.size));
	gnutls_free(der.data);
	gnutls_pubkey_deinit(public_key);
	gnutls_privkey_deinit(key);
	return spki;
}

static const struct mm_subject_part ca_subject = {
    {(const uint8_t *)"2.5.4.3", 7}, {(const uint8_t *)"{name}", 6}};
static const struct mm_subject_part device_subject = {
    {(const uint8_t *)"2.5.4.3", 7}, {(const uint8_t *)"{device}", 8}};
static const struct mm_text_item client_auth = {
    {(const uint8_t *)"1.3.6.1.5.5.7.3.2", 17}};

static inline void
make_policy(struct maker *maker)
{
	struct mm_threshold thresholds[MM_THRESHOLD_KINDS];
	struct mm_text_item name = {mm_span_text("bench.example")};
	struct mm_officer officer = {.name = mm_span_text("officer-1")};
	struct mm_profile profiles[2];
	struct mm_policy policy = {.number = 1,
	    .names = {&name, 1},
	    .profiles = {profiles, 2},
	    .officers = {&officer, 1},
	    .thresholds = {thresholds, MM_COUNT(thresholds)}};
	mm_auto(buffer) document = {0};

	maker->device_profile =
	    (struct mm_profile){.name = mm_span_text("device"),
		.purpose = MM_PURPOSE_DEVICE,
		.issuer = mm_span_text("device-ca"),
		.subject = {&device_subject, 1},
		.validity = 10 * (uint64_t)YEAR,
		.keys = 1 << MM_KEY_P256,
		.key_usage = MM_KU_DIGITAL_SIGNATURE,
		.purposes = {&client_auth, 1}};
	maker->ca_profile =
	    (struct mm_profile){.name = mm_span_text("device-ca"),
		.purpose = MM_PURPOSE_CA,
		.issuer = mm_span_text("device-ca"),
		.subject = {&ca_subject, 1},
		.keys = 1 << MM_KEY_P256,
		.key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN};
	profiles[0] = maker->device_profile;
	profiles[1] = maker->ca_profile;
	crypto_sign_keypair(officer.key, maker->officer);
	for (size_t i = 0; i < MM_COUNT(thresholds); i++)
		thresholds[i] = (struct mm_threshold){i + 1, 1};
	mm_buffer_init(&document, MM_POLICY_MAX);
	must("policy", mm_shape_encode(&mm_policy_shape, &policy, &document));
	maker->policy = kept(maker, mm_buffer_span(&document));
	mm_policy_digest(maker->policy, maker->policy_digest);
}

static inline void
make_tbs(const struct mm_profile *profile, const char *subject,
    struct mm_span spki, struct mm_span issuer, uint8_t serial[MM_SERIAL_SIZE],
    struct mm_buffer *out)
{
	struct mm_certificate_plan plan = {.profile = profile,
	    .subject = mm_span_text(subject),
	    .spki = spki,
	    .issuer = issuer,
	    .now = (uint64_t)time(NULL)};

	mm_serial_make(serial);
	must("TBS", mm_tbs_build(&plan, serial, out));
}

/* Where the bytes stand in the template. */
static inline uint8_t *
place_of(struct maker *maker, const void *bytes, size_t size)
{
	uint8_t *place = memmem(maker->tbs, maker->tbs_size, bytes, size);

	if (place == NULL)
		bench_die("the template of the TBS has moved", MM_E_BUG);
	return place;
}

static inline void
make_template(struct maker *maker)
{
	static const char device[] = "unit-000000000000000";
	struct mm_span spki = new_spki(maker);
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};
	struct mm_key key;

	mm_buffer_init(&tbs, sizeof(maker->tbs));
	make_tbs(
	    &maker->device_profile, device, spki, maker->ca_tbs, serial, &tbs);
	must("key", mm_key_read(spki, &key));
	memcpy(maker->tbs, tbs.data, tbs.size);
	maker->tbs_size = tbs.size;
	memcpy(maker->spki, spki.data, spki.size);
	maker->spki_size = spki.size;
	maker->spki_point = maker->spki + spki.size - POINT_SIZE;
	maker->serial = place_of(maker, serial, sizeof(serial));
	maker->device = place_of(maker, device, DEVICE_SIZE);
	maker->point = place_of(maker, maker->spki_point, POINT_SIZE);
	maker->ski = place_of(maker, key.ski, MM_SKI_SIZE);
}

static inline void
maker_init(struct maker *maker)
{
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};

	*maker = (struct maker){.random = 1};
	mm_arena_init(&maker->arena, 1 << 20);
	make_policy(maker);
	maker->ca_spki = new_spki(maker);
	mm_buffer_init(&tbs, sizeof(maker->tbs));
	make_tbs(&maker->ca_profile, "Bench Device CA", maker->ca_spki,
	    mm_span(NULL, 0), serial, &tbs);
	maker->ca_tbs = kept(maker, mm_buffer_span(&tbs));
	make_template(maker);
}

/* Replaces the buffer's bytes by the entry's. */
static inline void
make_entry(const struct maker *maker, uint64_t kind, const void *body,
    struct mm_buffer *out)
{
	struct mm_entry entry = {.kind = kind, .time = (uint64_t)time(NULL)};

	memcpy(entry.policy, maker->policy_digest, sizeof(entry.policy));
	mm_buffer_reset(out);
	must("entry", mm_entry_encode(&entry, body, out));
}

static inline void
make_genesis(struct maker *maker, struct mm_buffer *out)
{
	struct mm_genesis_key key = {
	    mm_span_text("device-ca"), MM_KEY_DEVICE_CA, maker->ca_spki};
	struct mm_genesis body = {.origin = mm_span_text(BENCH_ORIGIN),
	    .keys = {&key, 1},
	    .policy = maker->policy};

	memcpy(body.log_key, maker->log_key, sizeof(body.log_key));
	make_entry(maker, MM_ENTRY_GENESIS, &body, out);
}

static inline void
make_ca(struct maker *maker, struct mm_buffer *out)
{
	struct mm_certificate_entry body = {
	    .profile = mm_span_text("device-ca"),
	    .subject = mm_span_text("Bench Device CA"),
	    .basis = INDEX_GENESIS,
	    .issuer = mm_span_text("device-ca"),
	    .tbs = maker->ca_tbs};

	crypto_hash_sha256(body.key, maker->ca_spki.data, maker->ca_spki.size);
	make_entry(maker, MM_ENTRY_CERTIFICATE, &body, out);
}

static inline void
make_order(struct maker *maker, struct mm_buffer *out)
{
	struct mm_text_item station = {mm_span_text("station-1")};
	struct mm_order_claim order = {.name = mm_span_text("bench"),
	    .profile = mm_span_text("device"),
	    .units = UINT32_MAX,
	    .devices = {.pattern = mm_span_text("unit-*")},
	    .stations = {&station, 1},
	    .until = (uint64_t)time(NULL) + YEAR};
	struct mm_claim claim = {.kind = MM_STATEMENT_ORDER,
	    .origin = mm_span_text(BENCH_ORIGIN),
	    .time = (uint64_t)time(NULL),
	    .expiry = (uint64_t)time(NULL) + DAY};
	mm_auto(buffer) payload = {0}, signed_ = {0};
	struct mm_bytes_item statement;
	struct mm_statement_entry body = {.statements = {&statement, 1}};

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	mm_buffer_init(&signed_, MM_STATEMENT_MAX);
	must("order", mm_claim_encode(&claim, &order, &payload));
	must("order", mm_statement_sign(
			  mm_buffer_span(&payload), maker->officer, &signed_));
	statement.value = mm_buffer_span(&signed_);
	make_entry(maker, MM_ENTRY_ORDER, &body, out);
}

/* A device that has not been there yet, with a key of its own. */
static inline void
make_certificate(struct maker *maker, struct mm_buffer *out)
{
	uint8_t request[16], digest[32];
	char device[DEVICE_SIZE + 1];
	struct mm_certificate_entry body = {.profile = mm_span_text("device"),
	    .subject = mm_span(device, DEVICE_SIZE),
	    .basis = INDEX_ORDER,
	    .issuer = mm_span_text("device-ca"),
	    .tbs = mm_span(maker->tbs, maker->tbs_size),
	    .principal = mm_span_text("station-1"),
	    .request = mm_span(request, sizeof(request))};

	snprintf(device, sizeof(device), "unit-%015llu",
	    (unsigned long long)++maker->devices);
	memcpy(maker->device, device, DEVICE_SIZE);
	/* The first byte stays: positive, and none too long. */
	fill_random(maker, maker->serial + 1, MM_SERIAL_SIZE - 1);
	fill_random(maker, maker->spki_point, POINT_SIZE);
	memcpy(maker->point, maker->spki_point, POINT_SIZE);
	crypto_hash_sha256(digest, maker->spki_point - 1, POINT_SIZE + 1);
	memcpy(maker->ski, digest, MM_SKI_SIZE);
	crypto_hash_sha256(body.key, maker->spki, maker->spki_size);
	fill_random(maker, request, sizeof(request));
	make_entry(maker, MM_ENTRY_CERTIFICATE, &body, out);
}

/* One entry for the signatures of `count` certificates from `first` on. */
static inline void
make_signatures(
    struct maker *maker, uint64_t first, size_t count, struct mm_buffer *out)
{
	uint8_t bytes[SIGNATURE_SIZE];
	struct mm_signature *list = calloc(count, sizeof(*list));
	struct mm_signatures_entry body = {{list, count}};

	if (list == NULL)
		bench_die("no memory", MM_E_MEMORY);
	fill_random(maker, bytes, sizeof(bytes));
	for (size_t i = 0; i < count; i++)
		list[i] = (struct mm_signature){
		    first + i, mm_span(bytes, sizeof(bytes))};
	make_entry(maker, MM_ENTRY_SIGNATURES, &body, out);
	free(list);
}

#endif
