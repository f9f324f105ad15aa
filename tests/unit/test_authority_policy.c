/*
 * The authority and what its token follows: policies, one after the other,
 * however many; a policy that comes into force while others wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/authority_box.h"

enum { MANY = 70 /* more than a batch could refer to */ };

/* A policy of the two officers, with its statements. */
struct proposal {
	uint64_t number;
	struct mm_span policy;
	uint8_t digest[32];
	struct mm_list statements;
};

static struct proposal
propose(uint64_t number)
{
	struct proposal out = {.number = number,
	    .policy = make_policy(number, &mint.ada, &mint.bob)};
	struct mm_policy_claim claim = {.number = number};

	mm_policy_digest(out.policy, out.digest);
	memcpy(claim.sha256, out.digest, sizeof(out.digest));
	out.statements = state((struct says){.kind = MM_STATEMENT_POLICY,
	    .body = &claim,
	    .by = &mint.ada,
	    .and_by = &mint.bob,
	    .time = box.moment,
	    .expiry = box.moment + DAY});
	return out;
}

static void
append_policy(uint64_t number)
{
	struct proposal one = propose(number);
	struct mm_policy_entry body = {.policy = one.policy,
	    .text = text("policy"),
	    .statements = one.statements};

	log_append(&mint.log,
	    make_entry(MM_ENTRY_POLICY, box.moment, one.digest, &body));
}

static void
ask_policy(uint8_t id, const struct proposal *one, struct mm_span words)
{
	struct mm_statement_ask ask_it = {.statements = one->statements,
	    .policy = one->policy,
	    .text = words};

	ask(box.officer_key, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape,
	    &ask_it);
}

static struct mm_statement_answer
await_policy(uint8_t id)
{
	struct mm_envelope envelope = await(id);
	struct mm_statement_answer answer;

	assert_int_equal(envelope.type, MM_MESSAGE_STATEMENT);
	ok(mm_shape_decode(
	    &mm_statement_answer_shape, envelope.body, &mint.arena, &answer));
	return answer;
}

static struct mm_entry
frame_at(uint64_t index)
{
	struct mm_entry entry;

	assert_true(index < mint.log.size);
	ok(mm_entry_decode(mint.log.entries[index], &mint.arena, &entry));
	return entry;
}

/* Nothing is in the log under another policy than the newest before it. */
static void
assert_policies_in_order(void)
{
	uint8_t force[32];

	for (uint64_t i = 0; i < mint.log.size; i++) {
		struct mm_entry entry = frame_at(i);

		if (entry.kind == MM_ENTRY_GENESIS ||
		    entry.kind == MM_ENTRY_POLICY)
			memcpy(force, entry.policy, sizeof(force));
		assert_memory_equal(entry.policy, force, sizeof(force));
	}
}

/* --- how many there are --- */

static void
any_number_of_policies_is_followed(void **unused)
{
	uint64_t first;

	(void)unused;
	assert_int_equal(stop(), 0);
	first = mint.log.size;
	for (uint64_t i = 0; i < MANY; i++)
		append_policy(i + 2);
	box.followed = 0;
	spawn();
	until(is_serving);
	assert_int_equal(box.followed, 1 + MANY);
	assert_int_equal(box.follows[0], 0);
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(box.follows[1 + i], first + i);
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
}

static void
a_new_token_follows_all_of_it_again(void **unused)
{
	struct proposal two = propose(2);

	(void)unused;
	ask_policy(1, &two, text("policy 2"));
	await_policy(1);
	box.followed = 0;
	replace(TOKEN);
	until_quiet();
	assert_int_equal(box.followed, 2);
	assert_int_equal(box.follows[0], 0);
	assert_int_equal(
	    frame_at(box.follows[1]).kind, (uint64_t)MM_ENTRY_POLICY);
	ask_issue(2, "dev-1", make_spki());
	await_certificate(2);
}

static bool
has_died(void)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)box.pid, &info,
		   WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

/* Nothing could ever be signed again: no half working mint. */
static void
a_policy_that_the_token_refuses_ends_the_process(void **unused)
{
	struct proposal two = propose(2);

	(void)unused;
	box.follow_says = MM_E_TOKEN_REFUSED;
	ask_policy(1, &two, text("policy 2"));
	while (!has_died())
		turn(QUIET_MS);
	assert_int_equal(ends(), 1);
}

/* --- in force --- */

static void
a_policy_is_in_force_from_the_next_entry_on(void **unused)
{
	struct proposal two = propose(2);
	struct mm_statement_answer answer;
	struct mm_policy_entry body;
	struct mm_entry entry;

	(void)unused;
	ask_policy(1, &two, text("policy 2"));
	answer = await_policy(1);
	assert_int_equal(answer.missing, 0);
	ok(mm_entry_decode_as(mint.log.entries[answer.index], MM_ENTRY_POLICY,
	    &mint.arena, &entry, &body));
	assert_true(mm_span_equal(body.policy, two.policy));
	assert_true(mm_span_is(body.text, "policy 2"));
	assert_true(mm_span_is(body.principal, "officer"));
	assert_memory_equal(entry.policy, two.digest, 32);
	ask_issue(2, "dev-1", make_spki());
	assert_int_equal(frame_at(await_certificate(2).index).kind,
	    (uint64_t)MM_ENTRY_CERTIFICATE);
	assert_policies_in_order();
	assert_memory_equal(frame_at(mint.log.size - 1).policy, two.digest, 32);
	/* The same request again is the same answer. */
	ask_policy(1, &two, text("policy 2"));
	assert_int_equal(await_policy(1).index, answer.index);
	assert_int_equal(logged(MM_ENTRY_POLICY), 1);
}

/* Everybody who has asked before, in between and after gets a certificate. */
static void
a_policy_under_load_loses_no_request(void **unused)
{
	enum { EACH = 12 };
	struct mm_span keys[2 * EACH];
	struct proposal two = propose(2);
	char device[16];

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(keys); i++)
		keys[i] = make_spki();
	box.hold[NOTARY] = box.hold[TOKEN] = true;
	for (uint8_t i = 0; i < 2 * EACH; i++) {
		if (i == EACH)
			ask_policy(200, &two, text("policy 2"));
		snprintf(device, sizeof(device), "dev-%u", i);
		ask_issue((uint8_t)(10 + i), device, keys[i]);
	}
	turn(QUIET_MS);
	box.hold[NOTARY] = box.hold[TOKEN] = false;
	await_policy(200);
	for (uint8_t i = 0; i < 2 * EACH; i++)
		await_certificate((uint8_t)(10 + i));
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
	assert_policies_in_order();
}

/* Decided under the former one, while no token was there to sign it. */
static void
what_no_token_has_seen_before_a_policy_is_void(void **unused)
{
	struct proposal two = propose(2);
	struct mm_span key = make_spki();

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", key);
	until_held(TOKEN);
	unlink_from(TOKEN);
	await_error(1, MM_E_TOKEN_UNAVAILABLE);
	ask_policy(2, &two, text("policy 2"));
	await_policy(2);
	until_logged(MM_ENTRY_VOID, 1);
	replace(TOKEN);
	until_quiet();
	ask_issue(1, "dev-1", key);
	await_certificate(1);
	assert_policies_in_order();
}

static void
a_long_text_goes_beside_the_log(void **unused)
{
	static char words[60000];
	struct proposal two = propose(2);
	struct mm_policy_entry body;
	struct mm_entry entry;
	uint8_t sha256[32];
	uint64_t index;

	(void)unused;
	memset(words, '#', sizeof(words));
	ask_policy(1, &two, mm_span(words, sizeof(words)));
	index = await_policy(1).index;
	assert_int_equal(box.blob_bytes, sizeof(words));
	ok(mm_entry_decode_as(mint.log.entries[index], MM_ENTRY_POLICY,
	    &mint.arena, &entry, &body));
	crypto_hash_sha256(sha256, (const uint8_t *)words, sizeof(words));
	assert_int_equal(body.text.size, 0);
	assert_int_equal(body.text_size, sizeof(words));
	assert_memory_equal(body.text_sha256.data, sha256, 32);
}

static void
a_text_that_cannot_be_stored_is_told_so(void **unused)
{
	static char words[60000];
	struct proposal two = propose(2);

	(void)unused;
	memset(words, '#', sizeof(words));
	box.notary_says = MM_E_DISK_FULL;
	ask_policy(1, &two, mm_span(words, sizeof(words)));
	await_error(1, MM_E_DISK_FULL);
	box.notary_says = MM_OK;
	ask_policy(2, &two, mm_span(words, sizeof(words)));
	await_policy(2);
}

/* --- refused --- */

static void
refuse_policy(uint8_t id, const struct proposal *one, enum mm_error wanted)
{
	ask_policy(id, one, text("policy"));
	await_error(id, wanted);
	assert_int_equal(logged(MM_ENTRY_POLICY), 0);
	assert_int_equal(logged(MM_ENTRY_PENDING), 0);
}

static void
a_policy_of_another_number_or_document_is_refused(void **unused)
{
	struct proposal one = propose(1), three = propose(3), two = propose(2);

	(void)unused;
	refuse_policy(1, &one, MM_E_STATEMENT_DIFFERS);
	refuse_policy(2, &three, MM_E_STATEMENT_DIFFERS);
	two.policy = three.policy;
	refuse_policy(3, &two, MM_E_STATEMENT_DIFFERS);
	two.policy = mm_span(NULL, 0);
	refuse_policy(4, &two, MM_E_STATEMENT_DIFFERS);
}

/* --- kill -9 around the entry --- */

static void
a_crash_before_the_entry_leaves_the_former_policy(void **unused)
{
	struct proposal two = propose(2);

	(void)unused;
	box.hold[NOTARY] = true;
	ask_policy(1, &two, text("policy 2"));
	until_held(NOTARY);
	crash();
	box.hold[NOTARY] = false;
	spawn();
	until(is_serving);
	assert_int_equal(logged(MM_ENTRY_POLICY), 0);
	ask_policy(1, &two, text("policy 2"));
	await_policy(1);
	assert_int_equal(logged(MM_ENTRY_POLICY), 1);
	assert_policies_in_order();
}

/* What was decided under the former policy and is not signed is void, and
 * may be asked for again. */
static void
a_crash_behind_the_entry_leaves_the_new_one(void **unused)
{
	struct proposal two = propose(2);
	struct mm_span key = make_spki();

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", key);
	until_held(TOKEN);
	ask_policy(2, &two, text("policy 2"));
	await_policy(2);
	crash();
	box.hold[TOKEN] = false;
	box.followed = 0;
	spawn();
	until(is_serving);
	until_quiet();
	assert_int_equal(box.followed, 2);
	assert_true(logged(MM_ENTRY_VOID) >= 1);
	ask_issue(1, "dev-1", key);
	await_certificate(1);
	ask_policy(2, &two, text("policy 2"));
	await_policy(2);
	assert_int_equal(logged(MM_ENTRY_POLICY), 1);
	assert_policies_in_order();
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_BOX(any_number_of_policies_is_followed),
	    IN_A_BOX(a_new_token_follows_all_of_it_again),
	    IN_A_BOX(a_policy_that_the_token_refuses_ends_the_process),
	    IN_A_BOX(a_policy_is_in_force_from_the_next_entry_on),
	    IN_A_BOX(a_policy_under_load_loses_no_request),
	    IN_A_BOX(what_no_token_has_seen_before_a_policy_is_void),
	    IN_A_BOX(a_long_text_goes_beside_the_log),
	    IN_A_BOX(a_text_that_cannot_be_stored_is_told_so),
	    IN_A_BOX(a_policy_of_another_number_or_document_is_refused),
	    IN_A_BOX(a_crash_before_the_entry_leaves_the_former_policy),
	    IN_A_BOX(a_crash_behind_the_entry_leaves_the_new_one),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
