#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/trial.h"

/* What is not in the log is not signed. */

static void
prepare_device(struct request *request, struct trial *trial)
{
	*trial = device_trial();
	prepare(request, log_trial(trial), trial->references, trial->count);
}

static void
an_entry_that_is_not_in_the_log_is_refused(void **unused)
{
	struct trial logged_one, other = device_trial();
	struct request request;
	struct outcome outcome;

	(void)unused;
	prepare_device(&request, &logged_one);
	/* A good entry in every way, but never logged. */
	log_trial(&other);
	request.items[0].entry = mint.log.entries[--mint.log.size];
	outcome = ask(&request);
	check_outcome("not logged", &outcome, MM_E_PROOF, "");
}

static void
a_wrong_proof_is_refused(void **unused)
{
	struct trial trial;
	struct request request;
	struct outcome outcome;
	struct mm_hash_item *hashes;

	(void)unused;
	prepare_device(&request, &trial);
	hashes = (struct mm_hash_item *)(uintptr_t)request.items[0].proof.items;
	hashes[0].value[0] ^= 1;
	outcome = ask(&request);
	check_outcome("bit", &outcome, MM_E_PROOF, "");
	hashes[0].value[0] ^= 1;
	request.items[0].proof.count--;
	outcome = ask(&request);
	check_outcome("short", &outcome, MM_E_PROOF, "");
	request.items[0].proof.count++;
	request.items[0].index--;
	outcome = ask(&request);
	check_outcome("index", &outcome, MM_E_PROOF, "");
	request.items[0].index++;
	outcome = ask(&request);
	check_outcome("mended", &outcome, MM_OK, "");
}

static void
a_reference_that_is_not_in_the_log_is_refused(void **unused)
{
	struct mm_order_claim wider = make_order();
	struct mm_statement_entry body = {0};
	struct trial trial;
	struct request request;
	struct outcome outcome;

	(void)unused;
	prepare_device(&request, &trial);
	wider.name = text("never logged");
	body.statements = state((struct says){
	    .kind = MM_STATEMENT_ORDER, .body = &wider, .by = &mint.ada});
	request.references[0].entry =
	    make_entry(MM_ENTRY_ORDER, NOW, mint.policy_digest, &body);
	outcome = ask(&request);
	check_outcome("order", &outcome, MM_E_PROOF, "");
	/* Nor a known one in another's place. */
	prepare_device(&request, &trial);
	request.references[0] = log_prove(&mint.log, logged.order);
	request.references[0].index = logged.principal;
	outcome = ask(&request);
	check_outcome("place", &outcome, MM_E_TOKEN_REFUSED, "not at hand");
}

static void
a_checkpoint_by_another_key_is_refused(void **unused)
{
	struct signer forger;
	struct trial trial;
	struct request request;
	struct outcome outcome;

	(void)unused;
	make_signer(&forger);
	prepare_device(&request, &trial);
	request.body.note = log_note(&mint.log, &forger, ORIGIN);
	outcome = ask(&request);
	check_outcome("key", &outcome, MM_E_NOTE_KEY, "");
	request.body.note =
	    log_note(&mint.log, &mint.log.key, "other.example/log");
	outcome = ask(&request);
	assert_int_not_equal(outcome.error, MM_OK);
	request.body.note = text("no note at all");
	outcome = ask(&request);
	check_outcome("garbage", &outcome, MM_E_NOTE, "");
}

static void
nothing_but_certificates_and_images_is_signed(void **unused)
{
	struct mm_start_entry start = {text("1.0"), 0};
	struct mm_signature signature = {1, text("x")};
	struct mm_signatures_entry signatures = {{&signature, 1}};
	const uint64_t indexes[] = {0, logged.order, logged.principal,
	    log_append(&mint.log,
		make_entry(MM_ENTRY_START, NOW, mint.policy_digest, &start)),
	    log_append(&mint.log, make_entry(MM_ENTRY_SIGNATURES, NOW,
				      mint.policy_digest, &signatures))};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(indexes); i++) {
		struct request request;
		struct outcome outcome;

		prepare(&request, indexes[i], NULL, 0);
		outcome = ask(&request);
		check_outcome(
		    "kind", &outcome, MM_E_TOKEN_REFUSED, "is signed");
	}
}

/* In the log, and still no entry. */
static void
what_cannot_be_parsed_is_refused(void **unused)
{
	struct trial trial = device_trial();
	struct mm_span good = mint.log.entries[log_trial(&trial)];
	const struct mm_span bad[] = {text("x"),
	    mm_span(good.data, good.size - 1),
	    mm_span("\xa4\x00\x18\xc8\x01\x00\x02\x40\x03\x00", 10)};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		struct request request;
		struct outcome outcome;

		prepare(&request, log_append(&mint.log, bad[i]), NULL, 0);
		outcome = ask(&request);
		check_outcome("garbage", &outcome, MM_E_ENTRY, "");
	}
}

static void
one_bad_item_spoils_no_other(void **unused)
{
	struct trial good = device_trial(), bad = device_trial();
	struct mm_proven items[3];
	struct request request;
	struct mm_token_sign_answer answer;
	const struct mm_token_result *results;
	uint64_t first;

	(void)unused;
	bad.entry.subject = bad.plan.subject = text("dev-100");
	first = log_trial(&good);
	log_trial(&bad);
	log_trial(&good);
	prepare(&request, first, good.references, good.count);
	for (size_t i = 0; i < MM_COUNT(items); i++)
		items[i] = log_prove(&mint.log, first + i);
	request.body.items = (struct mm_list){items, MM_COUNT(items)};
	ok(call(MM_TOKEN_SIGN, &request.body, &answer));
	assert_int_equal(answer.results.count, 3);
	results = answer.results.items;
	assert_int_equal(results[0].error, MM_OK);
	assert_int_equal(results[1].error, MM_E_ORDER_COVER);
	assert_int_equal(results[2].error, MM_OK);
	assert_int_equal(results[1].signature.size, 0);
}

/* More references than are remembered: the oldest go, nothing breaks. */
static void
more_orders_than_are_remembered_still_count(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 140; i++) {
		struct trial trial = device_trial();
		struct outcome outcome;
		uint64_t index;

		rest_on_order(&trial, (struct says){.by = &mint.ada}, NOW);
		outcome = try(&trial, &index);
		check_outcome("many", &outcome, MM_OK, "");
	}
}

/* Where there is a record, and where no genesis is meant. */
static void
keys_are_made_at_genesis_only(void **unused)
{
	struct mm_ceremony_key key = {
	    .name = text("another"), .use = MM_KEY_DEVICE_CA};
	struct mm_token_generate_request request = {.keys = {&key, 1}};
	struct mm_token_generate_answer answer;

	(void)unused;
	assert_int_equal(
	    call(MM_TOKEN_GENERATE, &request, &answer), MM_E_TOKEN_REFUSED);
	close_mint();
	ok(open_mint(false));
	assert_int_equal(
	    call(MM_TOKEN_GENERATE, &request, &answer), MM_E_TOKEN_REFUSED);
}

static void
keys_are_made_once(void **unused)
{
	struct mm_token_generate_request request = {
	    .keys = {ceremony_keys, MM_COUNT(ceremony_keys)}};
	struct mm_token_generate_answer answer;

	(void)unused;
	assert_int_equal(
	    call(MM_TOKEN_GENERATE, &request, &answer), MM_E_EXISTS);
}

static void
nothing_is_signed_before_the_genesis(void **unused)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct image_trial trial;
	struct outcome outcome;

	(void)unused;
	log_begin(&mint.log, &genesis);
	make_image(&trial);
	outcome = try_image(&trial);
	check_outcome(
	    "unborn", &outcome, MM_E_TOKEN_REFUSED, "genesis is followed");
}

static void
a_token_that_fails_ends_its_process(void **unused)
{
	struct mm_service service = mm_token_service(mint.token);
	const enum mm_error wanted[] = {
	    MM_E_TOKEN, MM_E_TOKEN_SIGNATURE, MM_E_PIN, MM_OK};

	(void)unused;
	assert_memory_equal(service.fatal, wanted, sizeof(wanted));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    UNBORN(nothing_is_signed_before_the_genesis),
	    UNBORN(keys_are_made_once),
	    BORN(an_entry_that_is_not_in_the_log_is_refused),
	    BORN(a_wrong_proof_is_refused),
	    BORN(a_reference_that_is_not_in_the_log_is_refused),
	    BORN(a_checkpoint_by_another_key_is_refused),
	    BORN(nothing_but_certificates_and_images_is_signed),
	    BORN(what_cannot_be_parsed_is_refused),
	    BORN(one_bad_item_spoils_no_other),
	    BORN(more_orders_than_are_remembered_still_count),
	    BORN(keys_are_made_at_genesis_only),
	    BORN(a_token_that_fails_ends_its_process)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
