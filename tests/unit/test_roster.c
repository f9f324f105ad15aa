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
static struct mm_threshold thresholds[MM_STATEMENT_KINDS - 1];
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
	    TEST(statements_end_after_they_begin)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
