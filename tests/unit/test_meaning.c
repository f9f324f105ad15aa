#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/meaning.h"
#include "tests/unit/entry_samples.h"

/* The log that every test begins with. */
enum { GENESIS, ORDER, CERTIFICATE, IMAGE, NEXT };

static enum mm_error
tell_frame(
    struct mm_meaning *meaning, const struct mm_entry *frame, const void *body)
{
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 65535);
	sample_encode(frame, body, &bytes);
	return mm_meaning_add(meaning, mm_buffer_span(&bytes));
}

static enum mm_error
tell(struct mm_meaning *meaning, uint64_t kind, const void *body)
{
	struct mm_entry frame = sample_frame(kind);

	return tell_frame(meaning, &frame, body);
}

static struct mm_meaning *
nothing_told(void)
{
	uint8_t secret_key[64];
	struct mm_meaning *meaning;
	struct mm_vkey vkey;

	sample_keys(&vkey, secret_key);
	assert_int_equal(mm_meaning_new(&vkey, &meaning), MM_OK);
	return meaning;
}

static int
begin(void **state)
{
	struct mm_meaning *meaning = nothing_told();
	struct mm_genesis genesis = sample_genesis();
	struct mm_statement_entry order = sample_statement();
	struct mm_certificate_entry certificate = sample_certificate();
	struct mm_image_entry image = sample_image();

	certificate.basis = ORDER;
	assert_int_equal(tell(meaning, MM_ENTRY_GENESIS, &genesis), MM_OK);
	assert_int_equal(tell(meaning, MM_ENTRY_ORDER, &order), MM_OK);
	assert_int_equal(
	    tell(meaning, MM_ENTRY_CERTIFICATE, &certificate), MM_OK);
	assert_int_equal(tell(meaning, MM_ENTRY_IMAGE, &image), MM_OK);
	*state = meaning;
	return 0;
}

static int
end(void **state)
{
	mm_meaning_free(*state);
	return 0;
}

static void
assert_wrong(enum mm_error error, const char *why)
{
	assert_int_equal(error, MM_E_LOG_WRONG);
	if (strstr(mm_why(error), why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", mm_why(error), why);
}

static enum mm_error
sign(struct mm_meaning *meaning, uint64_t first, uint64_t second)
{
	struct mm_signature items[2] = {{first, mm_span_text("signature")},
	    {second, mm_span_text("signature")}};
	struct mm_signatures_entry body = {{items, second == first ? 1 : 2}};

	return tell(meaning, MM_ENTRY_SIGNATURES, &body);
}

static enum mm_error
give_up(struct mm_meaning *meaning, uint64_t first, uint64_t second)
{
	struct mm_void items[2] = {{first, mm_span_text("order-closed")},
	    {second, mm_span_text("order-closed")}};
	struct mm_void_entry body = {{items, second == first ? 1 : 2}};

	return tell(meaning, MM_ENTRY_VOID, &body);
}

static void
a_sound_log_is_counted(void **state)
{
	const struct mm_log_report *report = mm_meaning_report(*state);
	struct mm_policy_entry policy = sample_policy();
	struct mm_refusal_entry refusals = sample_refusals();
	struct mm_start_entry start = sample_start();
	struct mm_statement_entry principal = sample_statement();

	assert_int_equal(sign(*state, CERTIFICATE, CERTIFICATE), MM_OK);
	assert_int_equal(give_up(*state, IMAGE, IMAGE), MM_OK);
	assert_int_equal(tell(*state, MM_ENTRY_POLICY, &policy), MM_OK);
	assert_int_equal(tell(*state, MM_ENTRY_PRINCIPAL, &principal), MM_OK);
	assert_int_equal(tell(*state, MM_ENTRY_REFUSAL, &refusals), MM_OK);
	assert_int_equal(tell(*state, MM_ENTRY_START, &start), MM_OK);
	assert_int_equal(report->size, NEXT + 6);
	assert_int_equal(report->certificates, 1);
	assert_int_equal(report->images, 1);
	assert_int_equal(report->signatures, 1);
	assert_int_equal(report->voids, 1);
	assert_int_equal(report->refusals, 3);
}

static void
a_log_begins_with_its_genesis(void **state)
{
	struct mm_genesis genesis = sample_genesis();
	struct mm_start_entry start = sample_start();
	struct mm_meaning *other = nothing_told();

	assert_wrong(
	    tell(other, MM_ENTRY_START, &start), "entry 0 is not a genesis");
	mm_meaning_free(other);
	assert_wrong(tell(*state, MM_ENTRY_GENESIS, &genesis),
	    "entry 4 is a second genesis");
}

static void
the_genesis_is_this_logs(void **state)
{
	struct mm_genesis genesis = sample_genesis();
	struct mm_meaning *meaning = nothing_told();

	(void)state;
	genesis.log_key[0] ^= 1;
	assert_wrong(tell(meaning, MM_ENTRY_GENESIS, &genesis), "another key");
	genesis.log_key[0] ^= 1;
	genesis.origin = mm_span_text("log.example.com/tesu");
	assert_wrong(tell(meaning, MM_ENTRY_GENESIS, &genesis),
	    "begins the log log.example.com/tesu");
	genesis.origin = mm_span_text(SAMPLE_ORIGIN);
	genesis.policy = mm_span_text("another");
	assert_wrong(tell(meaning, MM_ENTRY_GENESIS, &genesis),
	    "does not name the policy that it holds");
	mm_meaning_free(meaning);
}

static void
time_never_runs_backwards(void **state)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_START);
	struct mm_start_entry start = sample_start();

	assert_int_equal(tell_frame(*state, &frame, &start), MM_OK);
	frame.time++;
	assert_int_equal(tell_frame(*state, &frame, &start), MM_OK);
	frame.time--;
	assert_wrong(tell_frame(*state, &frame, &start),
	    "from before the entry before it");
}

static void
an_entry_names_the_policy_in_force(void **state)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_POLICY);
	struct mm_policy_entry policy = sample_policy();
	struct mm_start_entry start = sample_start();

	policy.policy = mm_span_text("newer");
	assert_wrong(tell(*state, MM_ENTRY_POLICY, &policy),
	    "does not name the policy that it holds");
	end(state);
	begin(state);
	crypto_hash_sha256(frame.policy, (const uint8_t *)"newer", 5);
	assert_int_equal(tell_frame(*state, &frame, &policy), MM_OK);
	assert_wrong(tell(*state, MM_ENTRY_START, &start),
	    "a policy that is not in force");
	frame.kind = MM_ENTRY_START;
	assert_int_equal(tell_frame(*state, &frame, &start), MM_OK);
}

static void
no_tbs_is_there_twice(void **state)
{
	struct mm_certificate_entry certificate = sample_certificate();
	char tbs[32];

	certificate.basis = ORDER;
	/* Enough for the set of digests to grow a few times. */
	for (int i = 0; i < 1000; i++) {
		snprintf(tbs, sizeof(tbs), "tbs %d", i);
		certificate.tbs = mm_span_text(tbs);
		assert_int_equal(
		    tell(*state, MM_ENTRY_CERTIFICATE, &certificate), MM_OK);
	}
	for (int i = 0; i < 1000; i += 111) {
		snprintf(tbs, sizeof(tbs), "tbs %d", i);
		certificate.tbs = mm_span_text(tbs);
		assert_wrong(tell(*state, MM_ENTRY_CERTIFICATE, &certificate),
		    "a TBS that is in the log already");
	}
	certificate.tbs = sample_certificate().tbs;
	assert_wrong(tell(*state, MM_ENTRY_CERTIFICATE, &certificate),
	    "a TBS that is in the log already");
}

static void
a_certificate_rests_on_an_earlier_statement(void **state)
{
	struct mm_certificate_entry certificate = sample_certificate();
	const uint64_t bad[] = {CERTIFICATE, IMAGE, NEXT, NEXT + 1, INT64_MAX};

	certificate.tbs = mm_span_text("another tbs");
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		certificate.basis = bad[i];
		assert_wrong(tell(*state, MM_ENTRY_CERTIFICATE, &certificate),
		    "which is no basis");
	}
	certificate.basis = GENESIS;
	assert_int_equal(
	    tell(*state, MM_ENTRY_CERTIFICATE, &certificate), MM_OK);
}

static void
nothing_is_signed_twice(void **state)
{
	assert_int_equal(sign(*state, CERTIFICATE, IMAGE), MM_OK);
	assert_wrong(sign(*state, CERTIFICATE, CERTIFICATE),
	    "entry 2, which has a signature already");
	assert_wrong(sign(*state, IMAGE, IMAGE),
	    "entry 3, which has a signature already");
	assert_wrong(give_up(*state, CERTIFICATE, CERTIFICATE),
	    "entry 2, which has a signature already");
}

static void
what_is_void_stays_void(void **state)
{
	assert_int_equal(give_up(*state, CERTIFICATE, IMAGE), MM_OK);
	assert_wrong(sign(*state, CERTIFICATE, CERTIFICATE),
	    "entry 2, which is void already");
	assert_wrong(
	    give_up(*state, IMAGE, IMAGE), "entry 3, which is void already");
}

static void
only_certificates_and_images_are_signed(void **state)
{
	assert_wrong(
	    sign(*state, GENESIS, GENESIS), "entry 0, whose kind is genesis");
	assert_wrong(
	    sign(*state, ORDER, ORDER), "entry 1, whose kind is order");
	assert_wrong(
	    give_up(*state, ORDER, ORDER), "entry 1, whose kind is order");
	assert_int_equal(sign(*state, IMAGE, IMAGE), MM_OK);
	assert_wrong(
	    sign(*state, NEXT, NEXT), "entry 4, whose kind is signatures");
}

static void
nothing_is_signed_before_it_is_there(void **state)
{
	assert_wrong(sign(*state, NEXT, NEXT), "entry 4 before it is there");
	assert_wrong(
	    sign(*state, NEXT + 1, NEXT + 1), "entry 5 before it is there");
	assert_wrong(sign(*state, INT64_MAX, INT64_MAX), "before it is there");
	assert_wrong(give_up(*state, NEXT, NEXT), "entry 4 before it is there");
}

static void
signatures_and_voids_ascend(void **state)
{
	assert_wrong(
	    sign(*state, IMAGE, CERTIFICATE), "signatures that do not ascend");
	end(state);
	begin(state);
	assert_wrong(
	    give_up(*state, IMAGE, CERTIFICATE), "voids that do not ascend");
}

static void
what_cannot_be_read_is_named(void **state)
{
	assert_int_equal(
	    mm_meaning_add(*state, mm_span_text("entry 4")), MM_E_ENTRY);
	assert_non_null(strstr(mm_why(MM_E_ENTRY), "entry 4: "));
	assert_int_equal(mm_meaning_add(*state, mm_span(NULL, 0)), MM_E_ENTRY);
}

/* The frame is sound, and its body of another kind. */
static void
a_body_of_another_kind_is_refused(void **state)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_IMAGE);
	struct mm_start_entry start = sample_start();
	mm_auto(buffer) body = {0}, bytes = {0};

	mm_buffer_init(&body, 65535);
	mm_buffer_init(&bytes, 65535);
	assert_int_equal(
	    mm_shape_encode(&mm_start_entry_shape, &start, &body), MM_OK);
	frame.body = mm_buffer_span(&body);
	assert_int_equal(
	    mm_shape_encode(&mm_entry_shape, &frame, &bytes), MM_OK);
	assert_int_equal(
	    mm_meaning_add(*state, mm_buffer_span(&bytes)), MM_E_ENTRY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(a_sound_log_is_counted),
	    TEST(a_log_begins_with_its_genesis), TEST(the_genesis_is_this_logs),
	    TEST(time_never_runs_backwards),
	    TEST(an_entry_names_the_policy_in_force),
	    TEST(no_tbs_is_there_twice),
	    TEST(a_certificate_rests_on_an_earlier_statement),
	    TEST(nothing_is_signed_twice), TEST(what_is_void_stays_void),
	    TEST(only_certificates_and_images_are_signed),
	    TEST(nothing_is_signed_before_it_is_there),
	    TEST(signatures_and_voids_ascend),
	    TEST(what_cannot_be_read_is_named),
	    TEST(a_body_of_another_kind_is_refused)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
