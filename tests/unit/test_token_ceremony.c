/*
 * Ceremonies, and the keys that come and go by them: what the token follows,
 * makes and signs, and what it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/later.h"

/* Ceremonies that are not followed; each is spoilt in one thing. */

static void
by_nobody(struct later *later)
{
	later->says.by = &mint.eve;
}

static void
for_another_log(struct later *later)
{
	later->says.origin = "other.example/log";
}

static void
over_before_it_was_logged(struct later *later)
{
	later->time = NOW + DAY + 1;
}

static void
for_another_policy(struct later *later)
{
	later->claim.policy[0] ^= 1;
}

static void
under_another_policy(struct later *later)
{
	later->policy[0] ^= 1;
}

static void
that_succeeds(struct later *later)
{
	struct mm_predecessor former = {.origin = text(ORIGIN), .size = 1};

	later->claim.succeeds =
	    (struct mm_list){keep(&former, sizeof(former)), 1};
}

static const struct {
	const char *name;
	void (*spoil)(struct later *);
	enum mm_error error;
} bad_ceremonies[] = {{"by nobody", by_nobody, MM_E_STATEMENT_OFFICER},
    {"for another log", for_another_log, MM_E_STATEMENT_LOG},
    {"over", over_before_it_was_logged, MM_E_STATEMENT_TIME},
    {"for another policy", for_another_policy, MM_E_STATEMENT_DIFFERS},
    {"under another policy", under_another_policy, MM_E_TOKEN_REFUSED},
    {"that succeeds", that_succeeds, MM_E_STATEMENT_DIFFERS}};

static void
a_ceremony_is_by_the_roster_in_force(void **unused)
{
	struct later good = make_later();
	uint64_t index, number;

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(bad_ceremonies); i++) {
		struct later later = make_later();
		enum mm_error error;

		bad_ceremonies[i].spoil(&later);
		log_later(&later);
		error = follow_last();
		if (error != bad_ceremonies[i].error)
			fail_msg("%s: %s", bad_ceremonies[i].name,
			    mm_error_name(error));
	}
	index = follow_later(&good);
	assert_int_equal(follow(&mint.log, index, &number), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "does not come"));
	/* The same statement in another entry. */
	log_append(&mint.log, mint.log.entries[index]);
	assert_int_equal(follow_last(), MM_E_STATEMENT_REPLAY);
}

static void
a_statement_of_another_kind_is_no_ceremony(void **unused)
{
	struct mm_order_claim order = make_order();

	(void)unused;
	log_statements(MM_ENTRY_CEREMONY, NOW + 20,
	    state((struct says){
		.kind = MM_STATEMENT_ORDER, .body = &order, .by = &mint.ada}));
	assert_int_equal(follow_last(), MM_E_STATEMENT_KIND);
}

/* --- making keys --- */

static void
a_ceremonys_keys_are_made_and_made_once(void **unused)
{
	struct later later = make_later();
	struct mm_list keys = one_key("made-once", MM_KEY_DEVICE_CA);
	struct mm_genesis_key first, again;
	uint64_t index;

	(void)unused;
	later.claim.keys = keys;
	index = log_later(&later);
	assert_int_equal(generate(index, keys, &first), MM_E_TOKEN_REFUSED);
	ok(follow_last());
	ok(generate(index, keys, &first));
	/* A crash came before anybody wrote it down. */
	ok(generate(index, keys, &again));
	assert_true(mm_span_equal(first.spki, again.spki));
	log_key(&first, index, false);
	ok(follow_last());
	assert_int_equal(generate(index, keys, &again), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "already"));
}

static void
nothing_else_is_made(void **unused)
{
	struct later later = make_later();
	struct change change;
	struct mm_list keys = one_key("listed", MM_KEY_DEVICE_CA);
	struct mm_genesis_key made;
	struct mm_ceremony_key *odd;
	uint64_t index;

	(void)unused;
	later.claim.keys = keys;
	index = follow_later(&later);
	assert_int_equal(
	    generate(index, one_key("other", MM_KEY_DEVICE_CA), &made),
	    MM_E_TOKEN_REFUSED);
	assert_int_equal(
	    generate(index, one_key("listed", MM_KEY_ROOT_CA), &made),
	    MM_E_TOKEN_REFUSED);
	assert_int_equal(generate(index + 1, keys, &made), MM_E_TOKEN_REFUSED);
	assert_int_equal(
	    generate(logged.order, keys, &made), MM_E_TOKEN_REFUSED);
	odd = keep(keys.items, sizeof(*odd));
	odd->existing = mm_span(mint.policy_digest, 32);
	assert_int_equal(generate(index, (struct mm_list){odd, 1}, &made),
	    MM_E_TOKEN_REFUSED);
	mint_clock = NOW + DAY + 1;
	assert_int_equal(generate(index, keys, &made), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "expired"));
	mint_clock = NOW + DAY;
	ok(generate(index, keys, &made));
	/* A genesis key, though a ceremony lists it. */
	mint_clock = NOW;
	later.claim.keys = one_key("device-ca", MM_KEY_DEVICE_CA);
	index = follow_later(&later);
	assert_int_equal(
	    generate(index, later.claim.keys, &made), MM_E_TOKEN_REFUSED);
	/* Nor by a token process that has not caught up. */
	change = follow_change(&mint.ada, &mint.bob);
	close_mint();
	ok(open_mint(false));
	ok(follow(&mint.log, 0, &index));
	assert_int_equal(generate(0, keys, &made), MM_E_TOKEN_REFUSED);
	assert_int_equal(change.number, 2);
}

static void
a_key_that_is_there_is_the_one_that_is_named(void **unused)
{
	struct later later = make_later();
	struct mm_list keys = one_key("existing", MM_KEY_DEVICE_CA);
	struct mm_ceremony_key *key = keep(keys.items, sizeof(*key));
	struct mm_genesis_key made, found;
	uint8_t hash[32];
	uint64_t index;

	(void)unused;
	later.claim.keys = keys;
	ok(generate(follow_later(&later), keys, &made));
	crypto_hash_sha256(hash, made.spki.data, made.spki.size);
	key->existing = mm_span(hash, sizeof(hash));
	later.claim.keys = (struct mm_list){key, 1};
	index = follow_later(&later);
	ok(generate(index, later.claim.keys, &found));
	assert_true(mm_span_equal(found.spki, made.spki));
	hash[0] ^= 1;
	index = follow_later(&later);
	assert_int_equal(
	    generate(index, later.claim.keys, &found), MM_E_TOKEN_RECORD);
	log_key(&made, index, false);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
	key->name = text("not there");
	index = follow_later(&later);
	assert_int_equal(
	    generate(index, later.claim.keys, &found), MM_E_KEY_ABSENT);
}

/* --- keys in the log --- */

static void
a_key_is_what_its_ceremony_lists(void **unused)
{
	struct later later = make_later();
	struct mm_genesis_key good, bad;
	uint64_t index;

	(void)unused;
	later.claim.keys = one_key("listed-2", MM_KEY_DEVICE_CA);
	index = follow_later(&later);
	ok(generate(index, later.claim.keys, &good));
	log_key(&good, 0, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_key(&good, logged.order, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_later(&later);
	log_key(&good, mint.log.size - 1, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "no ceremony"));
	bad = good;
	bad.name = text("another");
	log_key(&bad, index, false);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
	bad = good;
	bad.use = MM_KEY_ACCESS_CA;
	log_key(&bad, index, false);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
	/* Not of this token, and the SPKI of another one. */
	bad = good;
	bad.spki = make_spki();
	log_key(&bad, index, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_RECORD);
	bad.spki = mint_key("root")->spki;
	log_key(&bad, index, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_key(&good, index, false);
	ok(follow_last());
	log_key(&good, index, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
}

static void
a_key_comes_before_its_ceremony_is_over(void **unused)
{
	struct later later = make_later();
	struct mm_genesis_key key;
	uint64_t index;

	(void)unused;
	later.says.expiry = NOW + 25;
	later.claim.keys = one_key("in-time", MM_KEY_DEVICE_CA);
	index = follow_later(&later);
	ok(generate(index, later.claim.keys, &key));
	log_key(&key, index, false);
	ok(follow_last());
	later.says.expiry = NOW + 24;
	later.claim.keys = one_key("late", MM_KEY_DEVICE_CA);
	index = follow_later(&later);
	ok(generate(index, later.claim.keys, &key));
	log_key(&key, index, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "expired"));
}

/* Both device CAs are in service, each with its own profile. */
static void
a_key_of_a_ceremony_issues(void **unused)
{
	struct mm_ceremony_certificate certificate = {text("device-ca-2"),
	    text("root"), text("device-ca"), text("Devices 2")};
	struct mm_order_claim order = make_order();
	struct later later = make_later();
	struct trial ca, device, former = device_trial();
	struct mm_genesis_key key;
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	later.claim.keys = one_key("device-ca-2", MM_KEY_DEVICE_CA);
	later.claim.certificates = (struct mm_list){&certificate, 1};
	index = follow_later(&later);
	ok(generate(index, later.claim.keys, &key));
	ca = make_trial(
	    "device-ca", "Devices 2", "root", logged.root_tbs, key.spki);
	ca.entry.basis = index;
	refer(&ca, logged.root);
	outcome = try(&ca, &index);
	check_outcome("no key yet", &outcome, MM_E_TOKEN_REFUSED, "not one");
	log_key(&key, ca.entry.basis, false);
	ok(follow_last());
	outcome = try(&ca, &index);
	check_outcome("its certificate", &outcome, MM_OK, "");
	ca.entry.basis = 0;
	outcome = try(&ca, &index);
	check_outcome("of genesis", &outcome, MM_E_TOKEN_REFUSED, "lists no");
	device = make_trial(
	    "device-3", "dev-42", "device-ca-2", ca.entry.tbs, logged.device);
	order.profile = text("device-3");
	device.entry.principal = text("station-1");
	device.entry.basis = log_statements(MM_ENTRY_ORDER, NOW + 5,
	    state((struct says){
		.kind = MM_STATEMENT_ORDER, .body = &order, .by = &mint.ada}));
	refer(&device, device.entry.basis);
	refer(&device, index - 1);
	refer(&device, logged.root);
	outcome = try(&device, &index);
	check_outcome("by the new one", &outcome, MM_OK, "");
	outcome = try(&former, &index);
	check_outcome("by the former one", &outcome, MM_OK, "");
}

/* --- keys that retire --- */

static void
a_retired_key_signs_nothing(void **unused)
{
	struct trial before = device_trial(), after = device_trial();
	struct trial for_it = client_trial();
	struct request request;
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	index = log_trial(&before);
	retire("device-ca");
	prepare(&request, index, before.references, before.count);
	outcome = ask(&request);
	check_outcome("before", &outcome, MM_E_TOKEN_REFUSED, "is retired");
	outcome = try(&after, &index);
	check_outcome("after", &outcome, MM_E_TOKEN_REFUSED, "no key");
	/* It stays the mint's own. */
	for_it.plan.spki = mint_key("device-ca")->spki;
	outcome = try(&for_it, &index);
	check_outcome("for it", &outcome, MM_E_TOKEN_REFUSED, "mint's own");
}

/* What it has issued stays issued: its device CA goes on. */
static void
what_a_retired_key_has_certified_goes_on(void **unused)
{
	struct trial trial = device_trial();
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	retire("root");
	outcome = try(&trial, &index);
	check_outcome("device", &outcome, MM_OK, "");
}

static void
a_key_retires_by_a_ceremony_that_says_so(void **unused)
{
	struct later later = make_later();
	struct mm_genesis_key bad = *mint_key("spare-ca");
	struct mm_genesis_key made;
	uint64_t index;

	(void)unused;
	later.claim.retired = TEXTS("spare-ca", "nobody");
	index = follow_later(&later);
	log_key(mint_key("device-ca"), index, true);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
	bad.spki = mint_key("device-ca")->spki;
	log_key(&bad, index, true);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	bad = *mint_key("spare-ca");
	bad.use = MM_KEY_ROOT_CA;
	log_key(&bad, index, true);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	bad.name = text("nobody");
	log_key(&bad, index, true);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_key(mint_key("spare-ca"), 0, true);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_key(mint_key("spare-ca"), index, true);
	ok(follow_last());
	log_key(mint_key("spare-ca"), index, true);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	/* Its name is used up. */
	later = make_later();
	later.claim.keys = one_key("spare-ca", MM_KEY_DEVICE_CA);
	assert_int_equal(
	    generate(follow_later(&later), later.claim.keys, &made),
	    MM_E_TOKEN_REFUSED);
}

/* Whoever feeds the token anew cannot leave a retirement out. */
static void
nothing_that_was_followed_is_forgotten(void **unused)
{
	struct trial trial = device_trial();
	struct outcome outcome;
	struct later later = make_later();
	uint64_t ceremony, key, third, index, number;

	(void)unused;
	ceremony = mint.log.size;
	retire("device-ca");
	key = mint.log.size - 1;
	third = follow_later(&later);
	ok(follow(&mint.log, 0, &number));
	outcome = try(&trial, &index);
	check_outcome("back", &outcome, MM_E_TOKEN_REFUSED, "again first");
	assert_int_equal(follow(&mint.log, third, &number), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "comes next"));
	ok(follow(&mint.log, ceremony, &number));
	assert_int_equal(follow(&mint.log, third, &number), MM_E_TOKEN_REFUSED);
	ok(follow(&mint.log, key, &number));
	ok(follow(&mint.log, third, &number));
	outcome = try(&trial, &index);
	check_outcome("again", &outcome, MM_E_TOKEN_REFUSED, "no key");
}

/* Not even by a process that begins anew and is led past it: it is written
 * down. */
static void
a_retirement_outlives_the_process(void **unused)
{
	struct trial trial = device_trial(), other = client_trial();
	struct outcome outcome;
	uint64_t ceremony, index, number;

	(void)unused;
	ceremony = mint.log.size;
	retire("device-ca");
	close_mint();
	ok(open_mint(false));
	ok(follow(&mint.log, 0, &number));
	outcome = try(&trial, &index);
	check_outcome("left out", &outcome, MM_E_TOKEN_REFUSED, "record");
	outcome = try(&other, &index);
	check_outcome("another key", &outcome, MM_OK, "");
	ok(follow(&mint.log, 0, &number));
	ok(follow(&mint.log, ceremony, &number));
	ok(follow(&mint.log, ceremony + 1, &number));
	outcome = try(&trial, &index);
	check_outcome("followed", &outcome, MM_E_TOKEN_REFUSED, "no key");
}

/* What cannot be written down has not happened. */
static void
a_retirement_is_on_the_record_first(void **unused)
{
	struct later later = make_later();
	struct trial trial = device_trial();
	char temporary[340];
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	later.claim.retired = TEXTS("device-ca");
	log_key(mint_key("device-ca"), follow_later(&later), true);
	index = mint.log.size - 1;
	snprintf(temporary, sizeof(temporary), "%s.new", mint.record);
	assert_int_equal(mkdir(temporary, 0700), 0);
	assert_int_equal(follow_last(), MM_E_TOKEN_RECORD);
	assert_int_equal(rmdir(temporary), 0);
	outcome = try(&trial, &index);
	check_outcome("not yet", &outcome, MM_OK, "");
	mint.log.size--;
	ok(follow_last());
	outcome = try(&trial, &index);
	check_outcome("retired", &outcome, MM_E_TOKEN_REFUSED, "no key");
}

/* It stays the mint's own, but no CA certifies it again. */
static void
a_retired_key_is_certified_no_more(void **unused)
{
	struct mm_ceremony_certificate certificate = {
	    text("spare-ca"), text("root"), text("device-ca"), text("Spare")};
	struct later later = make_later();
	struct trial trial = make_trial("device-ca", "Spare", "root",
	    logged.root_tbs, mint_key("spare-ca")->spki);
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	later.claim.certificates = (struct mm_list){&certificate, 1};
	trial.entry.basis = follow_later(&later);
	refer(&trial, logged.root);
	outcome = try(&trial, &index);
	check_outcome("in service", &outcome, MM_OK, "");
	retire("spare-ca");
	outcome = try(&trial, &index);
	check_outcome("retired", &outcome, MM_E_TOKEN_REFUSED, "is retired");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BORN(a_ceremony_is_by_the_roster_in_force),
	    BORN(a_statement_of_another_kind_is_no_ceremony),
	    BORN(a_ceremonys_keys_are_made_and_made_once),
	    BORN(nothing_else_is_made),
	    BORN(a_key_that_is_there_is_the_one_that_is_named),
	    BORN(a_key_is_what_its_ceremony_lists),
	    BORN(a_key_comes_before_its_ceremony_is_over),
	    BORN(a_key_of_a_ceremony_issues), BORN(a_retired_key_signs_nothing),
	    BORN(what_a_retired_key_has_certified_goes_on),
	    BORN(a_key_retires_by_a_ceremony_that_says_so),
	    BORN(nothing_that_was_followed_is_forgotten),
	    BORN(a_retirement_outlives_the_process),
	    BORN(a_retirement_is_on_the_record_first),
	    BORN(a_retired_key_is_certified_no_more)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
