/*
 * What passes between the mint and others by a ceremony: CSRs for CAs
 * outside, their certificates, proofs for a cloud; and a log that succeeds
 * another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ca/request.h"
#include "tests/unit/later.h"
#include "tests/unit/outside.h"

/* --- CSRs --- */

static struct csr_trial
good_csr(void)
{
	struct mm_ceremony_request wanted = {
	    text("device-ca"), text("device-ca"), text("Devices")};
	struct later later = make_later();
	struct csr_trial trial = {.entry = {.key = text("device-ca"),
				      .profile = text("device-ca"),
				      .subject = text("Devices")},
	    .spki = mint_key("device-ca")->spki,
	    .time = NOW + 30};

	later.claim.requests =
	    (struct mm_list){keep(&wanted, sizeof(wanted)), 1};
	trial.entry.basis = follow_later(&later);
	return trial;
}

static void
csr_of_another_subject(struct csr_trial *trial)
{
	trial->entry.subject = text("Devices 2");
}

static void
csr_of_another_profile(struct csr_trial *trial)
{
	trial->entry.profile = text("root-ca");
}

static void
csr_of_another_key(struct csr_trial *trial)
{
	trial->entry.key = text("root");
	trial->spki = mint_key("root")->spki;
}

static void
csr_with_a_foreign_key(struct csr_trial *trial)
{
	trial->spki = logged.device;
}

static void
csr_by_the_genesis(struct csr_trial *trial)
{
	trial->entry.basis = 0;
}

static void
csr_by_an_order(struct csr_trial *trial)
{
	trial->entry.basis = logged.order;
}

static void
csr_in_the_last_second(struct csr_trial *trial)
{
	mint_clock = trial->time = NOW + DAY;
}

static void
csr_too_late(struct csr_trial *trial)
{
	mint_clock = trial->time = NOW + DAY + 1;
}

static void
csr_of_a_retired_key(struct csr_trial *trial)
{
	(void)trial;
	retire("device-ca");
}

static void
csr_as_it_should_be(struct csr_trial *trial)
{
	(void)trial;
}

static const struct {
	const char *name;
	void (*spoil)(struct csr_trial *);
	enum mm_error error;
	const char *why;
} csrs[] = {{"good", csr_as_it_should_be, MM_OK, ""},
    {"last second", csr_in_the_last_second, MM_OK, ""},
    {"too late", csr_too_late, MM_E_TOKEN_REFUSED, "expired"},
    {"subject", csr_of_another_subject, MM_E_TOKEN_REFUSED, "no CSR"},
    {"profile", csr_of_another_profile, MM_E_TOKEN_REFUSED, "no CSR"},
    {"key", csr_of_another_key, MM_E_TOKEN_REFUSED, "no CSR"},
    {"foreign key", csr_with_a_foreign_key, MM_E_CERTIFICATE, ""},
    {"genesis", csr_by_the_genesis, MM_E_TOKEN_REFUSED, "no CSR"},
    {"order", csr_by_an_order, MM_E_TOKEN_REFUSED, "neither"},
    {"retired", csr_of_a_retired_key, MM_E_TOKEN_REFUSED, "no key"}};

static void
a_csr_is_what_its_ceremony_asks_for(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < MM_COUNT(csrs); i++) {
		struct csr_trial trial = good_csr();
		struct outcome outcome;

		csrs[i].spoil(&trial);
		outcome = try_csr(&trial);
		check_outcome(
		    csrs[i].name, &outcome, csrs[i].error, csrs[i].why);
		if (outcome.error == MM_OK)
			check_csr(&trial, "device-ca", outcome.signature);
	}
}

/* A key's CSR is for what the key may be. */
static void
a_csr_is_of_the_keys_use(void **unused)
{
	struct mm_ceremony_request wanted = {
	    text("codesign"), text("device-ca"), text("Devices")};
	struct later later = make_later();
	struct csr_trial trial = good_csr();
	struct outcome outcome;

	(void)unused;
	later.claim.requests = (struct mm_list){&wanted, 1};
	trial.entry.basis = follow_later(&later);
	trial.entry.key = text("codesign");
	trial.spki = mint_key("codesign")->spki;
	outcome = try_csr(&trial);
	check_outcome("use", &outcome, MM_E_TOKEN_REFUSED, "code-signing");
}

/* --- certificates by CAs outside --- */

static void
an_import_is_what_its_ceremony_lists(void **unused)
{
	struct outside outside =
	    make_outside("Devices", true, mint_key("device-ca")->spki);
	struct outside other =
	    make_outside("Devices", true, mint_key("device-ca")->spki);
	struct outside leaf =
	    make_outside("Devices", false, mint_key("device-ca")->spki);
	uint64_t ceremony =
	    follow_import_ceremony("device-ca", &outside, &leaf);

	(void)unused;
	log_import("device-ca", ceremony, &other);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
	log_import("root", ceremony, &outside);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
	log_import("device-ca", logged.order, &outside);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_import("device-ca", 0, &outside);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	/* No CA's, though officers signed for it. */
	log_import("device-ca", ceremony, &leaf);
	assert_int_equal(follow_last(), MM_E_CERTIFICATE);
	log_import("device-ca", ceremony, &outside);
	ok(follow_last());
	log_import("device-ca", ceremony, &outside);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "has imported"));
}

static void
an_import_is_of_a_key_that_is_there(void **unused)
{
	struct outside outside =
	    make_outside("Devices", true, mint_key("device-ca")->spki);
	struct outside foreign = make_outside("Devices", true, logged.device);
	uint64_t ceremony =
	    follow_import_ceremony("device-ca", &outside, &foreign);

	(void)unused;
	log_import("device-ca", ceremony, &foreign);
	assert_int_equal(follow_last(), MM_E_CERTIFICATE);
	retire("device-ca");
	log_import("device-ca", ceremony, &outside);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
}

/* Devices get certificates by it, without any other certificate of it. */
static void
an_imported_certificate_issues(void **unused)
{
	struct outside outside = make_outside(
	    "Devices by Outside", true, mint_key("device-ca")->spki);
	struct trial before = device_trial(), after = device_trial();
	struct trial old_name = device_trial();
	struct request request;
	struct outcome outcome;
	mm_auto(buffer) tbs = {0};
	uint64_t index, logged_before;

	(void)unused;
	logged_before = log_trial(&before);
	log_import("device-ca",
	    follow_import_ceremony("device-ca", &outside, NULL), &outside);
	ok(follow_last());
	mm_buffer_init(&tbs, MM_ENTRY_MAX);
	ok(mm_certificate_tbs(outside.der, &tbs));
	after.plan.issuer = mm_buffer_span(&tbs);
	after.plan.now = NOW + 30;
	after.count = 1;
	outcome = try(&after, &index);
	check_outcome("by the import", &outcome, MM_OK, "");
	check_signature(&after, "device-ca", outcome.signature);
	/* What was logged before it was by the former one. */
	prepare(&request, logged_before, before.references, before.count);
	outcome = ask(&request);
	check_outcome("before it", &outcome, MM_OK, "");
	outcome = try(&old_name, &index);
	check_outcome("former name", &outcome, MM_E_CERTIFICATE, "issuer");
}

/* --- proofs --- */

static void
proof_as_it_should_be(struct trial *trial)
{
	(void)trial;
}

static void
proof_of_another_code(struct trial *trial)
{
	trial->entry.subject = trial->plan.subject = text("another code");
}

static void
proof_of_another_key(struct trial *trial)
{
	trial->plan.spki = logged.device;
}

static void
proof_of_a_ca(struct trial *trial)
{
	trial->plan.profile = profile("device-ca");
}

static void
proof_by_another_ca(struct trial *trial)
{
	trial->entry.issuer = text("root");
	trial->plan.issuer = logged.root_tbs;
}

static void
proof_by_codesign(struct trial *trial)
{
	trial->entry.issuer = text("codesign");
}

static void
proof_by_the_genesis(struct trial *trial)
{
	trial->entry.basis = 0;
}

static void
proof_too_late(struct trial *trial)
{
	mint_clock = trial->plan.now = NOW + DAY + 1;
}

static void
proof_for_the_mints_key(struct trial *trial)
{
	trial->plan.spki = mint_key("spare-ca")->spki;
}

static void
proof_that_replaces(struct trial *trial)
{
	static const struct mm_replaced former = {
	    3, {(const uint8_t *)"\x01", 1}};

	trial->entry.replaces = (struct mm_list){&former, 1};
}

static const struct {
	const char *name;
	void (*spoil)(struct trial *);
	enum mm_error error;
	const char *why;
} proofs[] = {{"good", proof_as_it_should_be, MM_OK, ""},
    {"code", proof_of_another_code, MM_E_TOKEN_REFUSED, "proves nothing"},
    {"key", proof_of_another_key, MM_E_TOKEN_REFUSED, "proves nothing"},
    {"CA", proof_of_a_ca, MM_E_CERTIFICATE, "basicConstraints"},
    {"other CA", proof_by_another_ca, MM_E_TOKEN_REFUSED, "issued by"},
    {"codesign", proof_by_codesign, MM_E_TOKEN_REFUSED, "issued by"},
    {"genesis", proof_by_the_genesis, MM_E_TOKEN_REFUSED, "proves nothing"},
    {"late", proof_too_late, MM_E_TOKEN_REFUSED, "expired"},
    {"own key", proof_for_the_mints_key, MM_E_TOKEN_REFUSED, "mint's own"},
    {"replaces", proof_that_replaces, MM_E_TOKEN_REFUSED, "only a device"}};

static void
a_proof_is_what_its_ceremony_lists(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < MM_COUNT(proofs); i++) {
		struct trial trial = proof_trial();
		struct outcome outcome;
		uint64_t index;

		proofs[i].spoil(&trial);
		outcome = try(&trial, &index);
		check_outcome(
		    proofs[i].name, &outcome, proofs[i].error, proofs[i].why);
		if (outcome.error == MM_OK)
			check_signature(&trial, "device-ca", outcome.signature);
	}
}

/* --- a log that succeeds another one --- */

/* The keys of a token that somebody kept, named by their SPKI. */
static struct mm_list
existing_keys(void)
{
	struct mm_ceremony_key *keys =
	    keep(ceremony_keys, sizeof(ceremony_keys));

	for (size_t i = 0; i < MM_COUNT(ceremony_keys); i++) {
		const struct mm_genesis_key *key =
		    mm_list_at(mint.keys, struct mm_genesis_key, i);
		uint8_t hash[32];

		crypto_hash_sha256(hash, key->spki.data, key->spki.size);
		keys[i].existing = mm_span(keep(hash, 32), 32);
	}
	return (struct mm_list){keys, MM_COUNT(ceremony_keys)};
}

static void
a_succession_takes_over_the_keys(void **unused)
{
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct mm_predecessor former = {
	    .origin = text("lost.example/log"), .size = 77};
	struct says says = {
	    .kind = MM_STATEMENT_CEREMONY, .body = &ceremony, .by = &mint.ada};
	struct mm_genesis_key found;
	uint64_t number;

	(void)unused;
	ceremony.keys = existing_keys();
	ceremony.succeeds = (struct mm_list){&former, 1};
	ok(generate(0, ceremony.keys, &found));
	assert_true(mm_span_equal(found.spki, mint_key("root")->spki));
	genesis.statements = state(says);
	log_begin(&mint.log, &genesis);
	ok(follow(&mint.log, 0, &number));
}

static void
a_succession_names_the_keys_that_are_there(void **unused)
{
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct mm_list keys = existing_keys();
	struct mm_ceremony_key *first =
	    (struct mm_ceremony_key *)(uintptr_t)keys.items;
	struct says says = {
	    .kind = MM_STATEMENT_CEREMONY, .body = &ceremony, .by = &mint.ada};
	struct mm_genesis_key found;
	uint64_t number;

	(void)unused;
	first->existing = mm_span(mint.policy_digest, 32);
	assert_int_equal(generate(0, keys, &found), MM_E_TOKEN_RECORD);
	ceremony.keys = keys;
	genesis.statements = state(says);
	log_begin(&mint.log, &genesis);
	assert_int_equal(follow(&mint.log, 0, &number), MM_E_STATEMENT_DIFFERS);
	first->name = text("was lost");
	assert_int_equal(generate(0, keys, &found), MM_E_KEY_ABSENT);
}

/* At birth there is nothing that could retire, be imported or proven. */
static void
a_genesis_begins(void **unused)
{
	struct mm_ceremony_claim plain = make_ceremony();
	struct mm_ceremony_claim ceremonies[] = {plain, plain, plain};
	struct mm_ceremony_import import = {.key = text("root")};
	struct mm_ceremony_proof proof = {.issuer = text("root"),
	    .profile = text("proof"),
	    .code = text("code")};
	uint64_t number;

	(void)unused;
	ceremonies[0].retired = TEXTS("root");
	ceremonies[1].imports = (struct mm_list){&import, 1};
	ceremonies[2].proofs = (struct mm_list){&proof, 1};
	for (size_t i = 0; i < MM_COUNT(ceremonies); i++) {
		struct mm_genesis genesis = make_genesis(&mint.log);

		genesis.statements =
		    state((struct says){.kind = MM_STATEMENT_CEREMONY,
			.body = &ceremonies[i],
			.by = &mint.ada});
		log_begin(&mint.log, &genesis);
		assert_int_equal(
		    follow(&mint.log, 0, &number), MM_E_STATEMENT_DIFFERS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BORN(a_csr_is_what_its_ceremony_asks_for),
	    BORN(a_csr_is_of_the_keys_use),
	    BORN(an_import_is_what_its_ceremony_lists),
	    BORN(an_import_is_of_a_key_that_is_there),
	    BORN(an_imported_certificate_issues),
	    BORN(a_proof_is_what_its_ceremony_lists),
	    UNBORN(a_succession_takes_over_the_keys),
	    UNBORN(a_succession_names_the_keys_that_are_there),
	    UNBORN(a_genesis_begins)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
