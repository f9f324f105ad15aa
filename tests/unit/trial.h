/*
 * Entries put before the token: good ones, which a test then spoils, and what
 * came of them.
 */
#ifndef MM_TEST_TRIAL_H
#define MM_TEST_TRIAL_H

#include "tests/unit/mint.h"

/* What was logged in good order after the genesis; indexes of entries. */
static struct {
	uint64_t root, device_ca, access_ca, codesign; /* certificates */
	struct mm_span root_tbs, device_ca_tbs, access_ca_tbs;
	uint64_t order, principal, disabled;
	struct mm_span device, station; /* SPKIs */
} logged;

struct outcome {
	enum mm_error error; /* of the call or of its one item */
	char why[512];
	struct mm_span signature;
};

/* A request on its way, for those who want to falsify it. */
struct request {
	struct mm_token_sign_request body;
	struct mm_proven items[1], references[16];
};

static inline void
prepare(struct request *request, uint64_t index, const uint64_t *references,
    size_t count)
{
	request->items[0] = log_prove(&mint.log, index);
	for (size_t i = 0; i < count; i++)
		request->references[i] = log_prove(&mint.log, references[i]);
	request->body = (struct mm_token_sign_request){
	    log_note(&mint.log, &mint.log.key, ORIGIN),
	    {request->references, count}, {request->items, 1}};
}

static inline struct outcome
ask(const struct request *request)
{
	struct mm_token_sign_answer answer;
	const struct mm_token_result *result;
	struct outcome outcome = {
	    .error = call(MM_TOKEN_SIGN, &request->body, &answer)};

	if (outcome.error != MM_OK) {
		snprintf(outcome.why, sizeof(outcome.why), "%s",
		    mm_why(outcome.error));
		return outcome;
	}
	assert_int_equal(answer.results.count, 1);
	result = answer.results.items;
	assert_int_equal(result->index, request->items[0].index);
	outcome.error = mm_error_from(result->error);
	mm_span_string(result->why, outcome.why, sizeof(outcome.why));
	outcome.signature = result->signature;
	/* Never both, never neither. */
	assert_int_equal(outcome.error == MM_OK, outcome.signature.size > 0);
	return outcome;
}

static inline void
check_outcome(const char *name, const struct outcome *outcome,
    enum mm_error error, const char *why)
{
	if (outcome->error != error || strstr(outcome->why, why) == NULL)
		fail_msg("%s: %s \"%s\", not %s \"%s\"", name,
		    mm_error_name(outcome->error), outcome->why,
		    mm_error_name(error), why);
}

/* A certificate entry to be signed, good until it is spoiled. */
struct trial {
	struct mm_certificate_entry entry; /* its key and TBS are made */
	struct mm_certificate_plan plan;
	uint8_t policy[32];
	uint64_t references[8];
	size_t count;
	bool other_key, other_tbs; /* the entry's are as they are */
};

static inline uint64_t
log_trial(struct trial *trial)
{
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0};
	struct mm_key key;

	mm_buffer_init(&tbs, 16384);
	mm_serial_make(serial);
	ok(mm_key_read(trial->plan.spki, &key));
	if (!trial->other_tbs) {
		ok(mm_tbs_build(&trial->plan, serial, &tbs));
		trial->entry.tbs = keep_buffer(&tbs);
	}
	if (!trial->other_key)
		memcpy(trial->entry.key, key.sha256, 32);
	return log_append(
	    &mint.log, make_entry(MM_ENTRY_CERTIFICATE, trial->plan.now,
			   trial->policy, &trial->entry));
}

static inline struct outcome
try(struct trial *trial, uint64_t *index)
{
	struct request request;

	*index = log_trial(trial);
	prepare(&request, *index, trial->references, trial->count);
	return ask(&request);
}

static inline const struct mm_profile *
profile(const char *name)
{
	return mm_policy_profile(&mint.document, text(name));
}

static inline struct trial
make_trial(const char *name, const char *subject, const char *issuer,
    struct mm_span issuer_tbs, struct mm_span spki)
{
	struct trial trial = {.entry = {.profile = text(name),
				  .subject = text(subject),
				  .issuer = text(issuer)},
	    .plan = {.profile = profile(name),
		.subject = text(subject),
		.spki = spki,
		.issuer = issuer_tbs,
		.now = NOW + 10}};

	mint_clock = NOW;
	memcpy(trial.policy, mint.policy_digest, 32);
	return trial;
}

static inline void
refer(struct trial *trial, uint64_t index)
{
	trial->references[trial->count++] = index;
}

static inline void
check_signature(
    const struct trial *trial, const char *key, struct mm_span signature)
{
	uint8_t digest[32];

	mm_tbs_digest(trial->entry.tbs, digest);
	ok(mm_key_verify_p256(mint_key(key)->spki, digest, signature));
}

/* Logs a CA's or the code-signing certificate and has it signed. */
static inline uint64_t
birth_certificate(const char *name, const char *subject, const char *issuer,
    const char *key, struct mm_span issuer_tbs, struct mm_span *tbs)
{
	struct trial trial =
	    make_trial(name, subject, issuer, issuer_tbs, mint_key(key)->spki);
	struct outcome outcome;
	uint64_t index;

	if (issuer_tbs.size > 0)
		refer(&trial, logged.root);
	outcome = try(&trial, &index);
	check_outcome(name, &outcome, MM_OK, "");
	check_signature(&trial, issuer, outcome.signature);
	if (tbs != NULL)
		*tbs = trial.entry.tbs;
	return index;
}

static inline uint64_t
log_statements_under(const uint8_t policy[32], uint64_t kind, uint64_t time,
    struct mm_list statements)
{
	struct mm_statement_entry body = {.statements = statements};

	return log_append(&mint.log, make_entry(kind, time, policy, &body));
}

static inline uint64_t
log_statements(uint64_t kind, uint64_t time, struct mm_list statements)
{
	return log_statements_under(mint.policy_digest, kind, time, statements);
}

static inline struct mm_order_claim
make_order(void)
{
	return (struct mm_order_claim){.name = text("order-1"),
	    .profile = text("device"),
	    .units = 10,
	    .devices = {.first = text("dev-00"), .last = text("dev-99")},
	    .stations = TEXTS("station-1"),
	    .until = NOW + 100};
}

static inline struct mm_principal_claim
make_principal(const char *name, struct mm_span spki, bool disabled)
{
	struct mm_principal_claim claim = {.name = text(name),
	    .role = MM_ROLE_STATION,
	    .profiles = TEXTS("device"),
	    .disabled = disabled};
	struct mm_key key;

	ok(mm_key_read(spki, &key));
	memcpy(claim.key, key.sha256, 32);
	return claim;
}

static inline void
log_people(void)
{
	struct mm_order_claim order = make_order();
	struct mm_principal_claim station, gone;

	logged.device = make_spki();
	logged.station = make_spki();
	station = make_principal("station-1", logged.station, false);
	gone = make_principal("station-2", logged.station, true);
	logged.order = log_statements(MM_ENTRY_ORDER, NOW + 5,
	    state((struct says){
		.kind = MM_STATEMENT_ORDER, .body = &order, .by = &mint.ada}));
	logged.principal = log_statements(MM_ENTRY_PRINCIPAL, NOW + 5,
	    state((struct says){.kind = MM_STATEMENT_PRINCIPAL,
		.body = &station,
		.by = &mint.bob}));
	logged.disabled = log_statements(MM_ENTRY_PRINCIPAL, NOW + 5,
	    state((struct says){.kind = MM_STATEMENT_PRINCIPAL,
		.body = &gone,
		.by = &mint.bob}));
}

/* Genesis, CAs, people: what a mint is after its birth. */
static inline void
grow_up(void)
{
	struct mm_genesis genesis;
	uint64_t number;

	genesis = make_genesis(&mint.log);
	log_begin(&mint.log, &genesis);
	ok(follow(&mint.log, 0, &number));
	assert_int_equal(number, 1);
	logged.root = birth_certificate("root-ca", "Root", "root", "root",
	    mm_span(NULL, 0), &logged.root_tbs);
	logged.device_ca = birth_certificate("device-ca", "Devices", "root",
	    "device-ca", logged.root_tbs, &logged.device_ca_tbs);
	logged.access_ca = birth_certificate("access-ca", "Access", "access-ca",
	    "access-ca", mm_span(NULL, 0), &logged.access_ca_tbs);
	logged.codesign = birth_certificate(
	    "codesign", "Firmware", "root", "codesign", logged.root_tbs, NULL);
	log_people();
}

static inline int
be_born(void **unused)
{
	begin_mint(unused);
	grow_up();
	return 0;
}

static inline struct trial
device_trial(void)
{
	struct trial trial = make_trial("device", "dev-42", "device-ca",
	    logged.device_ca_tbs, logged.device);

	trial.entry.basis = logged.order;
	trial.entry.principal = text("station-1");
	refer(&trial, logged.order);
	refer(&trial, logged.device_ca);
	refer(&trial, logged.root);
	return trial;
}

/* An order of ours in the log, as `says` has it. */
static inline void
rest_on_order(struct trial *trial, struct says says, uint64_t time)
{
	struct mm_order_claim order = make_order();

	says.kind = MM_STATEMENT_ORDER;
	says.body = &order;
	trial->entry.basis = trial->references[0] =
	    log_statements(MM_ENTRY_ORDER, time, state(says));
}

static inline struct trial
client_trial(void)
{
	struct trial trial = make_trial("tls-client", "station-1", "access-ca",
	    logged.access_ca_tbs, logged.station);

	trial.entry.basis = logged.principal;
	refer(&trial, logged.principal);
	refer(&trial, logged.access_ca);
	return trial;
}

static inline struct trial
server_trial(void)
{
	struct trial trial = make_trial("tls-server", "localhost", "access-ca",
	    logged.access_ca_tbs, logged.device);

	trial.plan.names = mint.document.names;
	refer(&trial, logged.access_ca);
	return trial;
}

struct image_trial {
	struct mm_release_claim claim;
	struct mm_scheme_digest digest;
	struct mm_image_entry entry;
	struct says says;
	uint8_t policy[32];
	bool unsaid;
};

static inline void
make_image(struct image_trial *trial)
{
	mint_clock = NOW;
	*trial = (struct image_trial){.claim = {.product = text("lamp"),
					  .version = text("1.0"),
					  .size = 1000},
	    .digest = {.scheme = text("sha256-ecdsa")},
	    .entry = {.product = text("lamp"),
		.version = text("1.0"),
		.size = 1000,
		.scheme = text("sha256-ecdsa"),
		.key = text("codesign"),
		.format = text("plain")},
	    .says = {.kind = MM_STATEMENT_RELEASE, .by = &mint.bob}};
	memcpy(trial->policy, mint.policy_digest, 32);
	memset(trial->claim.sha256, 9, 32);
	memset(trial->digest.digest, 9, 32);
	memset(trial->entry.sha256, 9, 32);
	memset(trial->entry.digest, 9, 32);
	crypto_hash_sha256(trial->entry.signer, mint_key("codesign")->spki.data,
	    mint_key("codesign")->spki.size);
	trial->claim.schemes = (struct mm_list){&trial->digest, 1};
	trial->says.body = &trial->claim;
}

static inline struct outcome
try_image(struct image_trial *trial)
{
	struct request request;

	if (!trial->unsaid)
		trial->entry.statements = state(trial->says);
	prepare(&request,
	    log_append(&mint.log, make_entry(MM_ENTRY_IMAGE, NOW + 10,
				      trial->policy, &trial->entry)),
	    NULL, 0);
	return ask(&request);
}

/* Another signing, by another key; the digest is not the file's hash unless
 * the scheme signs that. */
static inline void
sign_by(struct image_trial *trial, const char *product, const char *signing,
    const struct mm_genesis_key *key)
{
	trial->claim.product = trial->entry.product = text(product);
	trial->digest.scheme = trial->entry.scheme = text(signing);
	trial->entry.key = key->name;
	crypto_hash_sha256(trial->entry.signer, key->spki.data, key->spki.size);
	if (strncmp(signing, "sha256-ecdsa", 12) != 0) {
		memset(trial->digest.digest, 8, 32);
		memset(trial->entry.digest, 8, 32);
	}
}

#define BORN(test) cmocka_unit_test_setup_teardown(test, be_born, end_mint)
#define UNBORN(test) cmocka_unit_test_setup_teardown(test, begin_mint, end_mint)

#endif
