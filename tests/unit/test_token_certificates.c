#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/trial.h"

/* Attacks on a device's certificate; each spoils one thing. */

static void
nothing(struct trial *trial)
{
	(void)trial;
}

static void
references_backwards(struct trial *trial)
{
	uint64_t first = trial->references[0];

	trial->references[0] = trial->references[2];
	trial->references[2] = first;
}

static void
last_second(struct trial *trial)
{
	mint_clock = trial->plan.now = NOW + 100;
}

static void
after_until(struct trial *trial)
{
	mint_clock = trial->plan.now = NOW + 101;
}

/* And it may run ahead by as much: nobody signs for days to come. */
static void
ahead_within_the_grace(struct trial *trial)
{
	trial->plan.now = NOW + 60;
}

static void
ahead_of_the_clock(struct trial *trial)
{
	trial->plan.now = NOW + 61;
}

/* The log's time may lag by the grace, and not longer. */
static void
signed_within_the_grace(struct trial *trial)
{
	(void)trial;
	mint_clock = NOW + 160;
}

static void
logged_with_an_old_time(struct trial *trial)
{
	(void)trial;
	mint_clock = NOW + 161;
}

static void
device_outside(struct trial *trial)
{
	trial->entry.subject = trial->plan.subject = text("dev-100");
}

static void
profile_outside(struct trial *trial)
{
	trial->entry.profile = text("device-2");
	trial->plan.profile = profile("device-2");
}

static void
profile_unknown(struct trial *trial)
{
	trial->entry.profile = text("nothing");
}

static void
station_outside(struct trial *trial)
{
	trial->entry.principal = text("station-2");
}

static void
no_station(struct trial *trial)
{
	trial->entry.principal = mm_span(NULL, 0);
}

static void
ca_smuggled(struct trial *trial)
{
	trial->plan.profile = profile("device-ca");
}

static void
code_signing_smuggled(struct trial *trial)
{
	trial->plan.profile = profile("codesign");
}

static void
server_smuggled(struct trial *trial)
{
	trial->plan.profile = profile("tls-server");
	trial->plan.names = mint.document.names;
}

static void
other_subject_in_tbs(struct trial *trial)
{
	trial->plan.subject = text("dev-43");
}

static void
other_time_in_tbs(struct trial *trial)
{
	trial->other_tbs = true;
	trial->plan.now += 1;
}

static void
other_key_in_entry(struct trial *trial)
{
	trial->other_key = true;
}

static void
mints_own_key(struct trial *trial)
{
	trial->plan.spki = mint_key("device-ca")->spki;
}

static void
by_root(struct trial *trial)
{
	trial->entry.issuer = text("root");
	trial->plan.issuer = logged.root_tbs;
}

static void
by_access_ca(struct trial *trial)
{
	trial->entry.issuer = text("access-ca");
	trial->plan.issuer = logged.access_ca_tbs;
}

static void
by_codesign(struct trial *trial)
{
	trial->entry.issuer = text("codesign");
}

static void
by_spare_ca(struct trial *trial)
{
	trial->entry.issuer = text("spare-ca");
}

static void
by_nobody(struct trial *trial)
{
	trial->entry.issuer = text("nobody");
}

static void
issuer_of_tbs_differs(struct trial *trial)
{
	trial->plan.issuer = logged.root_tbs;
}

static void
no_order(struct trial *trial)
{
	trial->references[0] = logged.codesign;
}

static void
no_issuer(struct trial *trial)
{
	trial->references[1] = logged.codesign;
}

static void
no_references(struct trial *trial)
{
	trial->count = 0;
}

static void
basis_is_principal(struct trial *trial)
{
	trial->entry.basis = trial->references[0] = logged.principal;
}

static void
basis_is_genesis(struct trial *trial)
{
	trial->entry.basis = trial->references[0] = 0;
}

static void
basis_is_certificate(struct trial *trial)
{
	trial->entry.basis = logged.device_ca;
}

static void
another_policy(struct trial *trial)
{
	trial->policy[31] ^= 1;
}

static void
garbage_tbs(struct trial *trial)
{
	trial->other_tbs = true;
	trial->entry.tbs = text("not a TBS");
}

static void
order_of_no_officer(struct trial *trial)
{
	rest_on_order(trial, (struct says){.by = &mint.eve}, NOW);
}

static void
order_expired(struct trial *trial)
{
	rest_on_order(trial,
	    (struct says){
		.by = &mint.ada, .time = NOW - 100, .expiry = NOW - 1},
	    NOW);
}

static void
order_of_the_future(struct trial *trial)
{
	rest_on_order(trial,
	    (struct says){
		.by = &mint.ada, .time = NOW + 61, .expiry = NOW + 200},
	    NOW);
}

static void
order_of_another_log(struct trial *trial)
{
	rest_on_order(trial,
	    (struct says){.by = &mint.ada, .origin = "other.example"}, NOW);
}

static void
order_forged(struct trial *trial)
{
	struct signer liar = mint.eve;

	/* Claims Ada's key id with Eve's signature. */
	memcpy(liar.secret_key + 32, mint.ada.public_key, 32);
	rest_on_order(trial, (struct says){.by = &liar}, NOW);
}

static void
order_that_is_a_principals_statement(struct trial *trial)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", logged.station, false);

	trial->entry.basis = trial->references[0] =
	    log_statements(MM_ENTRY_ORDER, NOW,
		state((struct says){.kind = MM_STATEMENT_PRINCIPAL,
		    .body = &claim,
		    .by = &mint.ada}));
}

static void
rest_on(struct trial *trial, const struct mm_order_claim *order)
{
	trial->entry.basis = trial->references[0] = log_statements(
	    MM_ENTRY_ORDER, NOW,
	    state((struct says){
		.kind = MM_STATEMENT_ORDER, .body = order, .by = &mint.ada}));
}

static void
order_closed(struct trial *trial)
{
	struct mm_order_claim order = make_order();

	order.revision = 1;
	order.closed = true;
	rest_on(trial, &order);
}

static const struct mm_replaced former = {3, {(const uint8_t *)"\x01", 1}};

static void
replaces_without_allowance(struct trial *trial)
{
	trial->entry.replaces = (struct mm_list){&former, 1};
}

static void
replaces_by_allowance(struct trial *trial)
{
	struct mm_order_claim order = make_order();

	order.reissue = 1;
	rest_on(trial, &order);
	trial->entry.replaces = (struct mm_list){&former, 1};
}

struct attack {
	const char *name;
	void (*spoil)(struct trial *trial);
	enum mm_error error;
	const char *why; /* part of it */
};

static void
run_attacks(const struct attack *attacks, size_t count,
    struct trial (*make)(void), const char *key)
{
	for (size_t i = 0; i < count; i++) {
		struct trial trial = make();
		struct outcome outcome;
		uint64_t index;

		if (attacks[i].spoil == other_time_in_tbs)
			log_trial(&trial); /* makes a TBS of its time */
		attacks[i].spoil(&trial);
		outcome = try(&trial, &index);
		check_outcome(attacks[i].name, &outcome, attacks[i].error,
		    attacks[i].why);
		if (outcome.error == MM_OK)
			check_signature(&trial, key, outcome.signature);
	}
}
#define ATTACK(spoil, error, why) \
	{ \
#spoil, spoil, error, why \
	}

static void
a_device_certificate_is_what_its_order_says(void **unused)
{
	static const struct attack attacks[] = {ATTACK(nothing, MM_OK, ""),
	    ATTACK(references_backwards, MM_OK, ""),
	    ATTACK(last_second, MM_OK, ""),
	    ATTACK(after_until, MM_E_ORDER_CLOSED, ""),
	    ATTACK(signed_within_the_grace, MM_OK, ""),
	    ATTACK(logged_with_an_old_time, MM_E_ORDER_CLOSED, ""),
	    ATTACK(device_outside, MM_E_ORDER_COVER, "device"),
	    ATTACK(profile_outside, MM_E_ORDER_OTHERS, "profile"),
	    ATTACK(profile_unknown, MM_E_PROFILE, "nothing"),
	    ATTACK(station_outside, MM_E_ORDER_OTHERS, "station"),
	    ATTACK(no_station, MM_E_TOKEN_REFUSED, "no station"),
	    ATTACK(ca_smuggled, MM_E_CERTIFICATE, "basicConstraints"),
	    ATTACK(code_signing_smuggled, MM_E_CERTIFICATE, ""),
	    ATTACK(server_smuggled, MM_E_CERTIFICATE, ""),
	    ATTACK(other_subject_in_tbs, MM_E_CERTIFICATE, "subject"),
	    ATTACK(other_time_in_tbs, MM_E_CERTIFICATE, "validity"),
	    ATTACK(other_key_in_entry, MM_E_TOKEN_REFUSED, "another key"),
	    ATTACK(mints_own_key, MM_E_TOKEN_REFUSED, "mint's own"),
	    ATTACK(by_root, MM_E_TOKEN_REFUSED, "is for root-ca"),
	    ATTACK(by_access_ca, MM_E_TOKEN_REFUSED, "is for access-ca"),
	    ATTACK(by_codesign, MM_E_TOKEN_REFUSED, "is for code-signing"),
	    ATTACK(by_spare_ca, MM_E_TOKEN_REFUSED, "issued by device-ca"),
	    ATTACK(by_nobody, MM_E_TOKEN_REFUSED, "no key"),
	    ATTACK(issuer_of_tbs_differs, MM_E_CERTIFICATE, "issuer"),
	    ATTACK(ahead_within_the_grace, MM_OK, ""),
	    ATTACK(ahead_of_the_clock, MM_E_TOKEN_REFUSED, "ahead of"),
	    ATTACK(no_order, MM_E_TOKEN_REFUSED, "not at hand"),
	    ATTACK(no_issuer, MM_E_TOKEN_REFUSED, "not at hand"),
	    ATTACK(no_references, MM_E_TOKEN_REFUSED, "not at hand"),
	    ATTACK(basis_is_principal, MM_E_TOKEN_REFUSED, "but principal"),
	    ATTACK(basis_is_genesis, MM_E_TOKEN_REFUSED, "kind genesis"),
	    ATTACK(basis_is_certificate, MM_E_TOKEN_REFUSED, "but certificate"),
	    ATTACK(another_policy, MM_E_TOKEN_REFUSED, "in force"),
	    ATTACK(garbage_tbs, MM_E_CERTIFICATE, ""),
	    ATTACK(order_of_no_officer, MM_E_STATEMENT_OFFICER, ""),
	    ATTACK(order_forged, MM_E_STATEMENT_SIGNATURE, ""),
	    ATTACK(order_expired, MM_E_STATEMENT_TIME, ""),
	    ATTACK(order_of_the_future, MM_E_STATEMENT_TIME, ""),
	    ATTACK(order_of_another_log, MM_E_STATEMENT_LOG, ""),
	    ATTACK(order_closed, MM_E_ORDER_CLOSED, ""),
	    ATTACK(replaces_without_allowance, MM_E_REISSUE, ""),
	    ATTACK(replaces_by_allowance, MM_OK, ""),
	    ATTACK(
		order_that_is_a_principals_statement, MM_E_STATEMENT_KIND, "")};

	(void)unused;
	run_attacks(attacks, MM_COUNT(attacks), device_trial, "device-ca");
}

static void
another_name(struct trial *trial)
{
	trial->entry.subject = trial->plan.subject = text("station-2");
}

static void
another_key(struct trial *trial)
{
	trial->plan.spki = logged.device;
}

static void
disabled_principal(struct trial *trial)
{
	another_name(trial);
	trial->entry.basis = trial->references[0] = logged.disabled;
}

static void
basis_is_order(struct trial *trial)
{
	trial->entry.basis = trial->references[0] = logged.order;
}

static void
by_device_ca(struct trial *trial)
{
	trial->entry.issuer = text("device-ca");
	trial->plan.issuer = logged.device_ca_tbs;
	trial->references[1] = logged.device_ca;
	refer(trial, logged.root);
}

static void
a_client_certificate_is_what_its_principal_says(void **unused)
{
	static const struct attack attacks[] = {ATTACK(nothing, MM_OK, ""),
	    ATTACK(another_name, MM_E_TOKEN_REFUSED, "about principal"),
	    ATTACK(another_key, MM_E_TOKEN_REFUSED, "another key"),
	    ATTACK(replaces_without_allowance, MM_E_TOKEN_REFUSED,
		"only a device's"),
	    ATTACK(disabled_principal, MM_E_TOKEN_REFUSED, "disables"),
	    ATTACK(basis_is_order, MM_E_TOKEN_REFUSED, "but order"),
	    ATTACK(by_device_ca, MM_E_TOKEN_REFUSED, "is for device-ca"),
	    ATTACK(mints_own_key, MM_E_TOKEN_REFUSED, "mint's own"),
	    ATTACK(server_smuggled, MM_E_CERTIFICATE, ""),
	    ATTACK(ca_smuggled, MM_E_CERTIFICATE, "basicConstraints")};

	(void)unused;
	run_attacks(attacks, MM_COUNT(attacks), client_trial, "access-ca");
}

static void
foreign_name(struct trial *trial)
{
	trial->entry.subject = trial->plan.subject = text("example.org");
}

static void
foreign_names(struct trial *trial)
{
	trial->plan.names = TEXTS("localhost", "127.0.0.1", "example.org");
}

static void
eight_days(struct trial *trial)
{
	struct mm_profile *longer =
	    keep(profile("tls-server"), sizeof(*longer));

	longer->validity = 8 * DAY;
	trial->plan.profile = longer;
}

static void
ca_of_a_week(struct trial *trial)
{
	struct mm_profile *ca = keep(profile("device-ca"), sizeof(*ca));

	ca->validity = 7 * DAY;
	trial->plan.profile = ca;
}

static void
a_server_certificate_is_for_the_appliance_itself(void **unused)
{
	static const struct attack attacks[] = {ATTACK(nothing, MM_OK, ""),
	    ATTACK(foreign_name, MM_E_TOKEN_REFUSED, "not a name of this"),
	    ATTACK(foreign_names, MM_E_CERTIFICATE, "subjectAltName"),
	    ATTACK(eight_days, MM_E_TOKEN_REFUSED, "seven days"),
	    ATTACK(basis_is_certificate, MM_E_TOKEN_REFUSED, "basis"),
	    ATTACK(mints_own_key, MM_E_TOKEN_REFUSED, "mint's own"),
	    ATTACK(by_device_ca, MM_E_TOKEN_REFUSED, "is for device-ca"),
	    ATTACK(ca_smuggled, MM_E_TOKEN_REFUSED, "seven days"),
	    ATTACK(ca_of_a_week, MM_E_CERTIFICATE, "basicConstraints")};

	(void)unused;
	run_attacks(attacks, MM_COUNT(attacks), server_trial, "access-ca");
}

static struct trial
ca_trial(void)
{
	struct trial trial = make_trial("device-ca", "Devices", "root",
	    logged.root_tbs, mint_key("device-ca")->spki);

	refer(&trial, logged.root);
	return trial;
}

static void
unlisted_subject(struct trial *trial)
{
	trial->entry.subject = trial->plan.subject = text("Devices 2");
}

static void
unlisted_profile(struct trial *trial)
{
	trial->entry.profile = text("root-ca");
	trial->plan.profile = profile("root-ca");
}

static void
unlisted_issuer(struct trial *trial)
{
	trial->entry.issuer = text("access-ca");
	trial->plan.issuer = logged.access_ca_tbs;
	trial->references[0] = logged.access_ca;
}

static void
unlisted_self(struct trial *trial)
{
	trial->entry.issuer = text("device-ca");
	trial->plan.issuer = mm_span(NULL, 0);
}

static void
foreign_key(struct trial *trial)
{
	trial->plan.spki = logged.device;
}

static void
ca_for_codesign(struct trial *trial)
{
	trial->plan.spki = mint_key("codesign")->spki;
}

static void
codesign_for_ca(struct trial *trial)
{
	trial->entry.profile = text("codesign");
	trial->plan.profile = profile("codesign");
}

static void
ceremony_last_second(struct trial *trial)
{
	mint_clock = trial->plan.now = NOW + DAY;
}

static void
ceremony_over(struct trial *trial)
{
	mint_clock = trial->plan.now = NOW + DAY + 1;
}

/* Whoever decides says that it is still that day. */
static void
ceremony_within_the_grace(struct trial *trial)
{
	(void)trial;
	mint_clock = NOW + DAY + 60;
}

static void
ceremony_over_by_the_tokens_clock(struct trial *trial)
{
	(void)trial;
	mint_clock = NOW + DAY + 61;
}

static void
a_ca_certificate_is_what_the_ceremony_lists(void **unused)
{
	static const struct attack attacks[] = {ATTACK(nothing, MM_OK, ""),
	    ATTACK(ceremony_last_second, MM_OK, ""),
	    ATTACK(ceremony_over, MM_E_TOKEN_REFUSED, "expired"),
	    ATTACK(ceremony_within_the_grace, MM_OK, ""),
	    ATTACK(ceremony_over_by_the_tokens_clock, MM_E_TOKEN_REFUSED,
		"expired"),
	    ATTACK(unlisted_subject, MM_E_TOKEN_REFUSED, "lists no"),
	    ATTACK(unlisted_profile, MM_E_TOKEN_REFUSED, "lists no"),
	    ATTACK(unlisted_issuer, MM_E_TOKEN_REFUSED, "lists no"),
	    ATTACK(unlisted_self, MM_E_TOKEN_REFUSED, "lists no"),
	    ATTACK(foreign_key, MM_E_TOKEN_REFUSED, "not one of the mint"),
	    ATTACK(ca_for_codesign, MM_E_TOKEN_REFUSED, "code-signing"),
	    ATTACK(codesign_for_ca, MM_E_TOKEN_REFUSED, "is for device-ca"),
	    ATTACK(by_codesign, MM_E_TOKEN_REFUSED, "itself only"),
	    ATTACK(basis_is_order, MM_E_TOKEN_REFUSED, "genesis"),
	    ATTACK(no_references, MM_E_TOKEN_REFUSED, "not at hand")};

	(void)unused;
	run_attacks(attacks, MM_COUNT(attacks), ca_trial, "root");
}

/* A CA certificate in the log that nobody should have: it issues nothing. */
static void
an_issuer_is_itself_judged(void **unused)
{
	struct trial rogue = ca_trial(), trial = device_trial();
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	unlisted_subject(&rogue);
	trial.references[1] = log_trial(&rogue);
	trial.plan.issuer = rogue.entry.tbs;
	outcome = try(&trial, &index);
	check_outcome("rogue issuer", &outcome, MM_E_TOKEN_REFUSED, "lists no");
}

static void
an_issuer_is_of_a_policy_that_is_known(void **unused)
{
	struct trial odd = ca_trial(), trial = device_trial();
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	another_policy(&odd);
	trial.references[1] = log_trial(&odd);
	trial.plan.issuer = odd.entry.tbs;
	outcome = try(&trial, &index);
	check_outcome(
	    "odd issuer", &outcome, MM_E_TOKEN_REFUSED, "not of policy 1");
}

/* Root by device-ca by root by ...: four above it are the most. */
static void
a_chain_has_an_end(void **unused)
{
	struct trial links[4], last;
	struct request request;
	struct outcome outcome;
	struct mm_span above = logged.device_ca_tbs;

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(links); i++) {
		bool cross = i % 2 == 0;

		links[i] = cross ? make_trial("root-ca", "Root", "device-ca",
				       above, mint_key("root")->spki)
				 : make_trial("device-ca", "Devices", "root",
				       above, mint_key("device-ca")->spki);
		log_trial(&links[i]);
		above = links[i].entry.tbs;
	}
	last = links[3];
	last.count = 0;
	refer(&last, logged.root);
	refer(&last, logged.device_ca);
	for (uint64_t i = 0; i < MM_COUNT(links); i++)
		refer(&last, mint.log.size - MM_COUNT(links) + i);
	prepare(&request, mint.log.size - 1, last.references, last.count);
	outcome = ask(&request);
	check_outcome("five", &outcome, MM_E_TOKEN_REFUSED, "longer than");
	prepare(&request, mint.log.size - 2, last.references, last.count);
	outcome = ask(&request);
	check_outcome("four", &outcome, MM_OK, "");
}

/* What an entry rests on was there before it. */
static void
nothing_rests_on_what_comes_after_it(void **unused)
{
	struct trial trial = device_trial(), late = device_trial();
	struct trial issuer = ca_trial();
	struct request request;
	struct outcome outcome;

	(void)unused;
	trial.entry.basis = mint.log.size + 1;
	log_trial(&trial);
	rest_on_order(&late, (struct says){.by = &mint.ada}, NOW);
	trial.references[0] = late.entry.basis;
	prepare(&request, mint.log.size - 2, trial.references, trial.count);
	outcome = ask(&request);
	check_outcome("order", &outcome, MM_E_TOKEN_REFUSED, "before it");
	trial = device_trial();
	log_trial(&trial);
	trial.references[1] = log_trial(&issuer);
	prepare(&request, mint.log.size - 2, trial.references, trial.count);
	outcome = ask(&request);
	check_outcome("issuer", &outcome, MM_E_TOKEN_REFUSED, "not at hand");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BORN(a_device_certificate_is_what_its_order_says),
	    BORN(a_client_certificate_is_what_its_principal_says),
	    BORN(a_server_certificate_is_for_the_appliance_itself),
	    BORN(a_ca_certificate_is_what_the_ceremony_lists),
	    BORN(an_issuer_is_itself_judged),
	    BORN(an_issuer_is_of_a_policy_that_is_known),
	    BORN(a_chain_has_an_end),
	    BORN(nothing_rests_on_what_comes_after_it)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
