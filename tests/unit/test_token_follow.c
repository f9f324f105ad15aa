#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/change.h"

/* Births that must not be. */

static enum mm_error
try_birth(const struct mm_genesis *genesis)
{
	uint64_t number;

	log_begin(&mint.log, genesis);
	return follow(&mint.log, 0, &number);
}

static void
a_genesis_is_what_its_ceremony_says(void **unused)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis_key *keys =
	    keep(mint.keys.items, mint.keys.count * sizeof(*keys));
	struct says says = {.kind = MM_STATEMENT_CEREMONY, .body = &ceremony};

	(void)unused;
	says.by = &mint.eve;
	genesis.statements = state(says);
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_OFFICER);
	says.by = &mint.ada;
	ceremony.policy[0] ^= 1;
	genesis.statements = state(says);
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_DIFFERS);
	ceremony.policy[0] ^= 1;
	ceremony.keys.count--;
	genesis.statements = state(says);
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_DIFFERS);
	ceremony.keys.count++;
	genesis.statements = (struct mm_list){NULL, 0};
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT);
	genesis = make_genesis(&mint.log);
	genesis.keys.count--;
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_DIFFERS);
	genesis = make_genesis(&mint.log);
	genesis.keys.items = keys;
	keys[0].use = MM_KEY_DEVICE_CA;
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_DIFFERS);
	keys[0] = *mint_key("root");
	keys[1].spki = keys[0].spki;
	assert_int_equal(try_birth(&genesis), MM_E_TOKEN_REFUSED);
	/* A log whose keys are not this token's. */
	keys[1].spki = make_spki();
	assert_int_equal(try_birth(&genesis), MM_E_TOKEN_RECORD);
	keys[1] = *mint_key("device-ca");
	ok(try_birth(&genesis));
}

static void
a_genesis_names_the_tokens_keys(void **unused)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	enum { MORE = MM_COUNT(ceremony_keys) + 1 };
	struct mm_ceremony_key more[MORE];
	struct mm_genesis_key keys[MORE];
	struct mm_ceremony_claim ceremony = make_ceremony();

	(void)unused;
	memcpy(more, ceremony_keys, sizeof(ceremony_keys));
	memcpy(keys, mint.keys.items, (MORE - 1) * sizeof(keys[0]));
	more[MORE - 1] = (struct mm_ceremony_key){
	    .name = text("absent"), .use = MM_KEY_DEVICE_CA};
	keys[MORE - 1] = (struct mm_genesis_key){
	    text("absent"), MM_KEY_DEVICE_CA, make_spki()};
	ceremony.keys = (struct mm_list){more, MORE};
	genesis.keys = (struct mm_list){keys, MORE};
	genesis.statements = state((struct says){
	    .kind = MM_STATEMENT_CEREMONY, .body = &ceremony, .by = &mint.ada});
	assert_int_equal(try_birth(&genesis), MM_E_KEY_ABSENT);
}

/* Its people stated things for the former log, which must not hold here. */
static void
a_successor_is_another_log(void **unused)
{
	struct mm_predecessor former = {.origin = text(ORIGIN), .size = 1};
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct says says = {
	    .kind = MM_STATEMENT_CEREMONY, .body = &ceremony, .by = &mint.ada};

	(void)unused;
	ceremony.succeeds = (struct mm_list){&former, 1};
	genesis.statements = state(says);
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_DIFFERS);
	assert_non_null(
	    strstr(mm_why(MM_E_STATEMENT_DIFFERS), "another origin"));
	former.origin = text("former.example/log");
	memcpy(former.log_key, mint.log.key.public_key, 32);
	genesis.statements = state(says);
	assert_int_equal(try_birth(&genesis), MM_E_STATEMENT_DIFFERS);
	assert_non_null(strstr(mm_why(MM_E_STATEMENT_DIFFERS), "another key"));
	former.log_key[0] ^= 1;
	genesis.statements = state(says);
	ok(try_birth(&genesis));
}

/* The document's hash is in the entry, and its number is 1. */
static void
a_genesis_brings_the_first_policy(void **unused)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct mm_ceremony_claim ceremony = make_ceremony();
	uint8_t digest[32] = {0};
	uint64_t number;

	(void)unused;
	mint.log.size = 0;
	log_append(
	    &mint.log, make_entry(MM_ENTRY_GENESIS, NOW, digest, &genesis));
	assert_int_equal(follow(&mint.log, 0, &number), MM_E_TOKEN_REFUSED);
	genesis.policy = make_policy(2, &mint.ada, &mint.bob);
	mm_policy_digest(genesis.policy, digest);
	memcpy(ceremony.policy, digest, 32);
	genesis.statements = state((struct says){
	    .kind = MM_STATEMENT_CEREMONY, .body = &ceremony, .by = &mint.ada});
	mint.log.size = 0;
	log_append(
	    &mint.log, make_entry(MM_ENTRY_GENESIS, NOW, digest, &genesis));
	assert_int_equal(follow(&mint.log, 0, &number), MM_E_TOKEN_REFUSED);
	assert_non_null(strstr(mm_why(MM_E_TOKEN_REFUSED), "number 1"));
}

static void
a_genesis_stands_at_the_beginning_of_its_own_log(void **unused)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct signer other;
	uint64_t number;

	(void)unused;
	log_begin(&mint.log, &genesis);
	log_append(&mint.log, mint.log.entries[0]);
	assert_int_equal(follow(&mint.log, 1, &number), MM_E_TOKEN_REFUSED);
	/* Its checkpoint is signed by another key than it names. */
	make_signer(&other);
	memcpy(genesis.log_key, other.public_key, 32);
	assert_int_equal(try_birth(&genesis), MM_E_NOTE_KEY);
	assert_int_equal(access(mint.record, F_OK), -1);
}

static void
another_genesis_is_not_followed(void **unused)
{
	struct memory_log other = {.key = mint.log.key};
	struct mm_genesis genesis = make_genesis(&other);
	struct trial trial = device_trial();
	struct outcome outcome;
	uint64_t number;

	(void)unused;
	genesis.text = text("policy one");
	log_begin(&other, &genesis);
	assert_int_equal(follow(&other, 0, &number), MM_E_TOKEN_RECORD);
	make_signer(&other.key);
	genesis = make_genesis(&other);
	log_begin(&other, &genesis);
	assert_int_equal(follow(&other, 0, &number), MM_E_TOKEN_RECORD);
	/* It goes on with its own. */
	outcome = try(&trial, &number);
	check_outcome("own", &outcome, MM_OK, "");
}

/* Policies. */

static enum mm_error
try_change(struct change change)
{
	uint64_t number;

	return follow(&mint.log, log_change(&change), &number);
}

static void
a_policy_changes_by_the_roster_before_it(void **unused)
{
	struct change change = good_change(2);

	(void)unused;
	change.says.and_by = NULL;
	assert_int_equal(try_change(change), MM_E_STATEMENT_FEW);
	change.says.and_by = &mint.ada;
	assert_int_equal(try_change(change), MM_E_STATEMENT_FEW);
	/* Eve would be an officer of the new one. */
	change.second = &mint.eve;
	change.says.and_by = &mint.eve;
	assert_int_equal(try_change(change), MM_E_STATEMENT_OFFICER);
	change = good_change(2);
	change.other_digest = true;
	assert_int_equal(try_change(change), MM_E_STATEMENT_DIFFERS);
	change = good_change(2);
	change.said_number = 3;
	assert_int_equal(try_change(change), MM_E_STATEMENT_DIFFERS);
	change = good_change(3);
	assert_int_equal(try_change(change), MM_E_TOKEN_REFUSED);
	change = good_change(1);
	assert_int_equal(try_change(change), MM_E_TOKEN_REFUSED);
	ok(try_change(good_change(2)));
	assert_int_equal(try_change(good_change(2)), MM_E_TOKEN_REFUSED);
	assert_int_equal(try_change(good_change(1)), MM_E_TOKEN_REFUSED);
	ok(try_change(good_change(3)));
}

static void
no_policy_is_followed_before_the_genesis(void **unused)
{
	struct mm_genesis genesis = make_genesis(&mint.log);

	(void)unused;
	log_begin(&mint.log, &genesis);
	assert_int_equal(try_change(good_change(2)), MM_E_TOKEN_REFUSED);
	assert_non_null(
	    strstr(mm_why(MM_E_TOKEN_REFUSED), "genesis is followed"));
}

static void
a_policy_entry_is_proven_like_any_other(void **unused)
{
	struct change change = good_change(2);
	uint64_t index = log_change(&change);
	struct mm_token_follow_request request = {
	    log_note(&mint.log, &mint.log.key, ORIGIN),
	    log_prove(&mint.log, index)};
	struct mm_token_follow_answer answer;

	(void)unused;
	request.entry.proof.count--;
	assert_int_equal(call(MM_TOKEN_FOLLOW, &request, &answer), MM_E_PROOF);
	request.entry.proof.count++;
	request.entry = log_prove(&mint.log, logged.order);
	assert_int_equal(
	    call(MM_TOKEN_FOLLOW, &request, &answer), MM_E_TOKEN_REFUSED);
	assert_non_null(
	    strstr(mm_why(MM_E_TOKEN_REFUSED), "order are not followed"));
}

static void
only_the_policy_in_force_counts(void **unused)
{
	struct trial trial = device_trial();
	struct outcome outcome;
	struct change change;
	uint64_t policy, index;

	(void)unused;
	policy = mint.log.size;
	change = follow_change(&mint.ada, &mint.eve);
	outcome = try(&trial, &index);
	check_outcome("old", &outcome, MM_E_TOKEN_REFUSED, "in force");
	trial = device_trial();
	memcpy(trial.policy, change.digest, 32);
	outcome = try(&trial, &index);
	check_outcome("new", &outcome, MM_OK, "");
	trial = server_trial();
	memcpy(trial.policy, change.digest, 32);
	outcome = try(&trial, &index);
	check_outcome("old basis", &outcome, MM_E_TOKEN_REFUSED, "basis");
	trial.entry.basis = policy;
	outcome = try(&trial, &index);
	check_outcome("new basis", &outcome, MM_OK, "");
}

/* Entries of the new policy that stand before it. */
static void
what_was_logged_before_a_policy_is_not_of_it(void **unused)
{
	struct change change = good_change(2);
	struct trial trial = device_trial();
	struct request request;
	struct outcome outcome;
	uint64_t index, number;

	(void)unused;
	log_change(&change);
	mint.log.size--;
	memcpy(trial.policy, change.digest, 32);
	index = log_trial(&trial);
	ok(follow(&mint.log, log_change(&change), &number));
	/* The statements differ by their nonce, the document does not. */
	prepare(&request, index, trial.references, trial.count);
	outcome = ask(&request);
	check_outcome("before", &outcome, MM_E_TOKEN_REFUSED, "come after");
}

/* Bob, who stated the principal, is an officer no more. */
static void
a_statement_is_judged_by_the_roster_of_its_day(void **unused)
{
	struct change change = follow_change(&mint.ada, &mint.eve);
	struct mm_principal_claim station =
	    make_principal("station-1", logged.station, false);
	struct says says = {.kind = MM_STATEMENT_PRINCIPAL, .body = &station};
	struct trial trial = client_trial();
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	memcpy(trial.policy, change.digest, 32);
	outcome = try(&trial, &index);
	check_outcome("what was said stays", &outcome, MM_OK, "");
	says.by = &mint.bob;
	trial.entry.basis = trial.references[0] = log_statements_under(
	    change.digest, MM_ENTRY_PRINCIPAL, NOW + 30, state(says));
	outcome = try(&trial, &index);
	check_outcome("new by Bob", &outcome, MM_E_STATEMENT_OFFICER, "");
	/* Nor may he speak as if nothing had changed. */
	trial.entry.basis = trial.references[0] =
	    log_statements(MM_ENTRY_PRINCIPAL, NOW + 30, state(says));
	outcome = try(&trial, &index);
	check_outcome("of policy 1", &outcome, MM_E_TOKEN_REFUSED, "policy 2");
	says.by = &mint.eve;
	trial.entry.basis = trial.references[0] = log_statements_under(
	    change.digest, MM_ENTRY_PRINCIPAL, NOW + 30, state(says));
	outcome = try(&trial, &index);
	check_outcome("new by Eve", &outcome, MM_OK, "");
}

/* A token process that begins anew follows everything again. */
static void
a_restart_follows_up_to_the_record(void **unused)
{
	struct change change = good_change(2);
	struct mm_span before;
	uint64_t size, index, number;
	struct trial trial;
	struct outcome outcome;

	(void)unused;
	size = mint.log.size;
	index = log_change(&change);
	ok(follow(&mint.log, index, &number));
	close_mint();
	ok(open_mint(false));
	trial = device_trial();
	memcpy(trial.policy, change.digest, 32);
	outcome = try(&trial, &number);
	check_outcome("nothing", &outcome, MM_E_TOKEN_REFUSED, "genesis");
	ok(follow(&mint.log, 0, &number));
	assert_int_equal(number, 1);
	/* Policy 1 is no longer in force, whatever the feeder says. */
	trial = device_trial();
	outcome = try(&trial, &number);
	check_outcome("back", &outcome, MM_E_TOKEN_REFUSED, "policy 2");
	/* Nor is another policy 2, though officers signed that as well. */
	before = mint.log.entries[index];
	change.first = &mint.bob;
	change.second = &mint.ada;
	log_change(&change);
	assert_int_equal(
	    follow(&mint.log, mint.log.size - 1, &number), MM_E_TOKEN_RECORD);
	assert_true(mm_span_equal(before, mint.log.entries[index]));
	assert_true(size <= index);
	ok(follow(&mint.log, index, &number));
	assert_int_equal(number, 2);
	trial = device_trial();
	mm_policy_digest(make_policy(2, &mint.ada, &mint.bob), trial.policy);
	outcome = try(&trial, &number);
	check_outcome("caught up", &outcome, MM_OK, "");
}

static void
a_feeder_that_begins_anew_is_followed(void **unused)
{
	struct change change = good_change(2);
	uint64_t index = log_change(&change), number;
	struct trial trial;
	struct outcome outcome;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		ok(follow(&mint.log, 0, &number));
		ok(follow(&mint.log, index, &number));
		assert_int_equal(number, 2);
	}
	trial = device_trial();
	memcpy(trial.policy, change.digest, 32);
	outcome = try(&trial, &number);
	check_outcome("again", &outcome, MM_OK, "");
}

static void
a_lost_or_foreign_record_stops_the_token(void **unused)
{
	char aside[340];

	(void)unused;
	close_mint();
	snprintf(aside, sizeof(aside), "%s.aside", mint.record);
	assert_int_equal(rename(mint.record, aside), 0);
	assert_int_equal(open_mint(false), MM_E_TOKEN_RECORD);
	assert_null(mint.token);
	assert_int_equal(rename(aside, mint.record), 0);
	ok(open_mint(false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    UNBORN(a_genesis_is_what_its_ceremony_says),
	    UNBORN(a_genesis_names_the_tokens_keys),
	    UNBORN(a_successor_is_another_log),
	    UNBORN(a_genesis_brings_the_first_policy),
	    UNBORN(no_policy_is_followed_before_the_genesis),
	    UNBORN(a_genesis_stands_at_the_beginning_of_its_own_log),
	    BORN(another_genesis_is_not_followed),
	    BORN(a_policy_changes_by_the_roster_before_it),
	    BORN(a_policy_entry_is_proven_like_any_other),
	    BORN(only_the_policy_in_force_counts),
	    BORN(what_was_logged_before_a_policy_is_not_of_it),
	    BORN(a_statement_is_judged_by_the_roster_of_its_day),
	    BORN(a_restart_follows_up_to_the_record),
	    BORN(a_feeder_that_begins_anew_is_followed),
	    BORN(a_lost_or_foreign_record_stops_the_token)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
