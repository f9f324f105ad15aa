/* Whose word counts: each way in which statements are not enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "policy/roster.h"

enum { NOW = 1800000000, OFFICERS = 3, STATEMENTS = 17 };

static struct mm_officer officers[OFFICERS];
static uint8_t *secrets[OFFICERS + 1]; /* the last one is a stranger's */
static struct mm_threshold thresholds[MM_THRESHOLD_KINDS];
static struct mm_policy policy;
static struct mm_roster_question question;
static struct mm_claim claim;
static struct mm_policy_claim said; /* the body: a policy's statement */
static struct mm_buffer signed_[STATEMENTS];
static struct mm_bytes_item items[STATEMENTS];
static struct mm_list statements;

static int
make_keys(void **state)
{
	static const char *const names[OFFICERS] = {"first", "second", "third"};

	(void)state;
	for (size_t i = 0; i <= OFFICERS; i++) {
		uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(i + 1)};
		uint8_t stranger[32];

		secrets[i] = sodium_malloc(crypto_sign_SECRETKEYBYTES);
		assert_non_null(secrets[i]);
		crypto_sign_seed_keypair(
		    i < OFFICERS ? officers[i].key : stranger, secrets[i],
		    seed);
		if (i < OFFICERS)
			officers[i].name = mm_span_text(names[i]);
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i <= OFFICERS; i++)
		sodium_free(secrets[i]);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(thresholds); i++)
		thresholds[i] = (struct mm_threshold){i + 1, 1};
	policy = (struct mm_policy){.officers = {officers, OFFICERS},
	    .thresholds = {thresholds, MM_COUNT(thresholds)}};
	question = (struct mm_roster_question){.policy = &policy,
	    .origin = mm_span_text("example.org/mint"),
	    .kind = MM_STATEMENT_POLICY,
	    .time = NOW};
	claim = (struct mm_claim){.kind = MM_STATEMENT_POLICY,
	    .origin = mm_span_text("example.org/mint"),
	    .nonce = {1, 2, 3},
	    .time = NOW - 10,
	    .expiry = NOW + 10};
	said = (struct mm_policy_claim){.number = 2, .sha256 = {9}};
	statements = (struct mm_list){items, 0};
	for (size_t i = 0; i < STATEMENTS; i++)
		mm_buffer_init(&signed_[i], MM_STATEMENT_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATEMENTS; i++)
		mm_buffer_clear(&signed_[i]);
	return 0;
}

/* The claim as it is now, under the hand of one more person. */
static void
sign(size_t who)
{
	struct mm_buffer *out = &signed_[statements.count];
	mm_auto(buffer) payload = {0};

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	assert_int_equal(mm_claim_encode(&claim, &said, &payload), MM_OK);
	assert_int_equal(
	    mm_statement_sign(mm_buffer_span(&payload), secrets[who], out),
	    MM_OK);
	items[statements.count++].value = mm_buffer_span(out);
}

/* And what must not be touched on failure is not. */
static enum mm_error
check(void)
{
	mm_auto(arena) arena = {0};
	struct mm_claim frame = {.kind = 99};
	struct mm_policy_claim body = {.number = 99};
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	error = mm_roster_check(&question, &statements, &arena, &frame, &body);
	assert_int_equal(frame.kind, error == MM_OK ? claim.kind : 99);
	assert_int_equal(body.number, error == MM_OK ? 2 : 99);
	return error;
}

static enum mm_error
check_one(void)
{
	statements.count = 0;
	mm_buffer_reset(&signed_[0]);
	sign(0);
	return check();
}

static void
one_officer_is_enough_for_one(void **state)
{
	(void)state;
	assert_int_equal(check_one(), MM_OK);
}

static void
two_are_needed_where_the_policy_says_so(void **state)
{
	(void)state;
	thresholds[MM_STATEMENT_POLICY - 1].officers = 2;
	sign(0);
	assert_int_equal(check(), MM_E_STATEMENT_FEW);
	sign(2);
	assert_int_equal(check(), MM_OK);
	sign(1);
	assert_int_equal(check(), MM_OK);
}

static void
thresholds_of_other_kinds_do_not_count(void **state)
{
	(void)state;
	thresholds[MM_STATEMENT_ORDER - 1].officers = 3;
	assert_int_equal(check_one(), MM_OK);
	/* Nor is a kind without a threshold free for all. */
	policy.thresholds.count = 1;
	assert_int_equal(check_one(), MM_E_STATEMENT_FEW);
}

static void
one_officer_signing_twice_counts_once(void **state)
{
	(void)state;
	thresholds[MM_STATEMENT_POLICY - 1].officers = 2;
	sign(1);
	sign(1);
	assert_int_equal(check(), MM_E_STATEMENT_FEW);
}

static void
none_and_too_many_are_refused(void **state)
{
	(void)state;
	assert_int_equal(check(), MM_E_STATEMENT);
	for (size_t i = 0; i < STATEMENTS; i++)
		sign(i % OFFICERS);
	assert_int_equal(check(), MM_E_STATEMENT);
}

static void
all_are_over_one_payload(void **state)
{
	(void)state;
	sign(0);
	claim.nonce[0] ^= 1;
	sign(1);
	assert_int_equal(check(), MM_E_STATEMENT_DIFFERS);
}

static void
garbage_is_no_statement(void **state)
{
	(void)state;
	sign(0);
	items[0].value.size--;
	assert_int_equal(check(), MM_E_STATEMENT);
}

static void
strangers_do_not_count(void **state)
{
	(void)state;
	sign(OFFICERS);
	assert_int_equal(check(), MM_E_STATEMENT_OFFICER);
	/* Not even beside enough officers. */
	sign(0);
	assert_int_equal(check(), MM_E_STATEMENT_OFFICER);
}

static void
former_officers_do_not_count(void **state)
{
	(void)state;
	sign(2);
	policy.officers.count = 2;
	assert_int_equal(check(), MM_E_STATEMENT_OFFICER);
}

static void
broken_signatures_do_not_count(void **state)
{
	(void)state;
	sign(0);
	signed_[0].data[signed_[0].size - 1] ^= 1;
	assert_int_equal(check(), MM_E_STATEMENT_SIGNATURE);
}

static void
a_changed_payload_does_not_count(void **state)
{
	(void)state;
	sign(0);
	/* The last bytes are 0x58 0x40 and the signature. */
	signed_[0].data[signed_[0].size - 67] ^= 1;
	assert_int_equal(check(), MM_E_STATEMENT_SIGNATURE);
}

static void
other_kinds_do_not_count(void **state)
{
	(void)state;
	question.kind = MM_STATEMENT_ORDER;
	assert_int_equal(check_one(), MM_E_STATEMENT_KIND);
	question.kind = 0;
	assert_int_equal(check_one(), MM_E_STATEMENT_KIND);
	question.kind = MM_STATEMENT_KINDS;
	assert_int_equal(check_one(), MM_E_STATEMENT_KIND);
}

static void
other_logs_do_not_count(void **state)
{
	(void)state;
	question.origin = mm_span_text("example.org/min");
	assert_int_equal(check_one(), MM_E_STATEMENT_LOG);
}

static void
clocks_may_be_a_minute_apart(void **state)
{
	(void)state;
	claim.expiry = NOW + 1000;
	claim.time = NOW + 59;
	assert_int_equal(check_one(), MM_OK);
	claim.time = NOW + 60;
	assert_int_equal(check_one(), MM_OK);
	claim.time = NOW + 61;
	assert_int_equal(check_one(), MM_E_STATEMENT_TIME);
}

static void
statements_end(void **state)
{
	(void)state;
	claim.expiry = NOW + 1;
	assert_int_equal(check_one(), MM_OK);
	claim.expiry = NOW;
	assert_int_equal(check_one(), MM_OK);
	claim.expiry = NOW - 1;
	assert_int_equal(check_one(), MM_E_STATEMENT_TIME);
}

static void
statements_end_after_they_begin(void **state)
{
	(void)state;
	claim.time = NOW + 20;
	claim.expiry = NOW + 20;
	assert_int_equal(check_one(), MM_E_STATEMENT_TIME);
	claim.expiry = NOW + 21;
	assert_int_equal(check_one(), MM_OK);
}

/* --- gathering --- */

static struct mm_roster_state gathered;

static enum mm_error
gather(void)
{
	mm_auto(arena) arena = {0};
	struct mm_claim frame = {.kind = 99};
	union {
		struct mm_policy_claim policy;
		struct mm_withdraw_claim withdraw;
	} body;
	enum mm_error error;

	memset(&body, 0, sizeof(body));
	memset(&gathered, 0xff, sizeof(gathered));
	mm_arena_init(&arena, 1 << 20);
	error = mm_roster_gather(
	    &question, &statements, &arena, &frame, &body, &gathered);
	assert_int_equal(frame.kind, error == MM_OK ? claim.kind : 99);
	if (error != MM_OK)
		assert_int_equal(gathered.counted, UINT64_MAX);
	return error;
}

static void
gathering_says_how_many_are_missing(void **state)
{
	(void)state;
	thresholds[MM_STATEMENT_POLICY - 1].officers = 2;
	sign(2);
	assert_int_equal(gather(), MM_OK);
	assert_int_equal(gathered.counted, 1);
	assert_int_equal(gathered.missing, 1);
	assert_ptr_equal(gathered.officers[0], &officers[2]);
	assert_null(gathered.officers[1]);
	sign(0);
	assert_int_equal(gather(), MM_OK);
	assert_int_equal(gathered.counted, 2);
	assert_int_equal(gathered.missing, 0);
	assert_ptr_equal(gathered.officers[1], &officers[0]);
	sign(1);
	assert_int_equal(gather(), MM_OK);
	assert_int_equal(gathered.counted, 3);
	assert_int_equal(gathered.missing, 0);
}

/* They had signed when they were in the roster, and are no more. */
static void
gathering_passes_over_what_does_not_count(void **state)
{
	(void)state;
	thresholds[MM_STATEMENT_POLICY - 1].officers = 2;
	sign(2);
	sign(0);
	sign(0);
	sign(1);
	policy.officers.count = 2;
	assert_int_equal(gather(), MM_OK);
	assert_null(gathered.officers[0]);
	assert_ptr_equal(gathered.officers[1], &officers[0]);
	assert_null(gathered.officers[2]);
	assert_ptr_equal(gathered.officers[3], &officers[1]);
	assert_int_equal(gathered.counted, 2);
	assert_int_equal(gathered.missing, 0);
}

static void
gathering_does_not_pass_over_the_last(void **state)
{
	(void)state;
	sign(0);
	sign(0);
	assert_int_equal(gather(), MM_E_STATEMENT_FEW);
	assert_non_null(strstr(mm_why(MM_E_STATEMENT_FEW), "officer first"));
	statements.count = 1;
	mm_buffer_reset(&signed_[1]);
	sign(OFFICERS);
	assert_int_equal(gather(), MM_E_STATEMENT_OFFICER);
	statements.count = 1;
	mm_buffer_reset(&signed_[1]);
	sign(1);
	signed_[1].data[signed_[1].size - 1] ^= 1;
	assert_int_equal(gather(), MM_E_STATEMENT_SIGNATURE);
	/* Before the last it is passed over. */
	sign(2);
	assert_int_equal(gather(), MM_OK);
	assert_int_equal(gathered.counted, 2);
}

static void
gathering_asks_for_kind_log_and_time(void **state)
{
	(void)state;
	sign(0);
	question.kind = MM_STATEMENT_ORDER;
	assert_int_equal(gather(), MM_E_STATEMENT_KIND);
	question.kind = MM_STATEMENT_POLICY;
	question.origin = mm_span_text("elsewhere");
	assert_int_equal(gather(), MM_E_STATEMENT_LOG);
	question.origin = claim.origin;
	question.time = NOW + 11;
	assert_int_equal(gather(), MM_E_STATEMENT_TIME);
	question.time = NOW + 10;
	assert_int_equal(gather(), MM_OK);
	policy.thresholds.count = 1;
	assert_int_equal(gather(), MM_E_STATEMENT_FEW);
}

/* --- withdrawing --- */

static void
sign_withdrawal(size_t who)
{
	const struct mm_withdraw_claim withdrawn = {.payload = {7}};
	struct mm_buffer *out = &signed_[statements.count];
	mm_auto(buffer) payload = {0};

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	claim.kind = question.kind = MM_STATEMENT_WITHDRAW;
	assert_int_equal(mm_claim_encode(&claim, &withdrawn, &payload), MM_OK);
	assert_int_equal(
	    mm_statement_sign(mm_buffer_span(&payload), secrets[who], out),
	    MM_OK);
	items[statements.count++].value = mm_buffer_span(out);
}

static void
one_officer_may_withdraw(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(thresholds); i++)
		thresholds[i].officers = 3;
	sign_withdrawal(2);
	assert_int_equal(gather(), MM_OK);
	assert_int_equal(gathered.missing, 0);
	statements.count = 0;
	mm_buffer_reset(&signed_[0]);
	sign_withdrawal(OFFICERS);
	assert_int_equal(gather(), MM_E_STATEMENT_OFFICER);
}

/* --- the whole list of bad statements, each by its own name --- */

static void
wrong_kind(void)
{
	sign(0);
	question.kind = MM_STATEMENT_RELEASE;
}

static void
wrong_log(void)
{
	claim.origin = mm_span_text("example.org/other");
	sign(0);
}

static void
expired(void)
{
	claim.expiry = NOW - 1;
	sign(0);
}

static void
from_the_future(void)
{
	claim.time = NOW + 61;
	claim.expiry = NOW + 100;
	sign(0);
}

static void
unknown_key(void)
{
	sign(OFFICERS);
}

static void
removed_officer(void)
{
	policy.officers.count = 2;
	sign(2);
}

static void
one_key_twice(void)
{
	thresholds[MM_STATEMENT_POLICY - 1].officers = 2;
	sign(1);
	sign(1);
}

static void
too_few(void)
{
	thresholds[MM_STATEMENT_POLICY - 1].officers = 2;
	sign(1);
}

static void
far_too_few(void)
{
	thresholds[MM_STATEMENT_POLICY - 1].officers = 3;
	sign(1);
	sign(0);
}

static void
bad_signature(void)
{
	sign(1);
	signed_[0].data[signed_[0].size - 1] ^= 1;
}

static void
differing_payloads(void)
{
	sign(0);
	claim.expiry++;
	sign(1);
}

static void
another_tag(void)
{
	sign(0);
	signed_[0].data[0]++;
}

static void
every_bad_statement_has_its_name(void **state)
{
	static const struct {
		void (*make)(void);
		const char *name, *says;
	} rows[] = {
	    {wrong_kind, "statement-wrong-kind", "of kind policy, not release"},
	    {wrong_log, "statement-wrong-log", "example.org/other"},
	    {expired, "statement-expired", "ended at 2027-01-15T07:59:59Z"},
	    {from_the_future, "statement-expired", "is of 2027-01-15T08:01:01Z"},
	    {unknown_key, "statement-unknown-officer", "of no officer"},
	    {removed_officer, "statement-unknown-officer", "of no officer"},
	    {one_key_twice, "statement-too-few",
		"officer second has signed twice"},
	    {too_few, "statement-too-few", "1 of 2 officers has signed"},
	    {far_too_few, "statement-too-few", "2 of 3 officers have signed"},
	    {bad_signature, "statement-bad-signature", "officer second"},
	    {differing_payloads, "statement-differs", "one payload"},
	    {another_tag, "statement-malformed", ""}};

	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		enum mm_error error;

		teardown(state);
		setup(state);
		rows[i].make();
		error = check();
		assert_string_equal(mm_error_name(error), rows[i].name);
		if (strstr(mm_why(error), rows[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", mm_why(error),
			    rows[i].says);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(one_officer_is_enough_for_one),
	    TEST(two_are_needed_where_the_policy_says_so),
	    TEST(thresholds_of_other_kinds_do_not_count),
	    TEST(one_officer_signing_twice_counts_once),
	    TEST(none_and_too_many_are_refused), TEST(all_are_over_one_payload),
	    TEST(garbage_is_no_statement), TEST(strangers_do_not_count),
	    TEST(former_officers_do_not_count),
	    TEST(broken_signatures_do_not_count),
	    TEST(a_changed_payload_does_not_count),
	    TEST(other_kinds_do_not_count), TEST(other_logs_do_not_count),
	    TEST(clocks_may_be_a_minute_apart), TEST(statements_end),
	    TEST(statements_end_after_they_begin),
	    TEST(gathering_says_how_many_are_missing),
	    TEST(gathering_passes_over_what_does_not_count),
	    TEST(gathering_does_not_pass_over_the_last),
	    TEST(gathering_asks_for_kind_log_and_time),
	    TEST(one_officer_may_withdraw),
	    TEST(every_bad_statement_has_its_name)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
