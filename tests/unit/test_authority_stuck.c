/*
 * Ceremonies and policies that cannot be carried out: they are refused, or
 * given up, and everybody else goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/authority_box.h"

/* A key for devices that nothing is certified of. */
static struct mm_ceremony_claim
a_key(const char *name)
{
	static struct mm_ceremony_key keys[1];
	struct mm_ceremony_claim claim = {.keys = {keys, 1}};

	keys[0] = (struct mm_ceremony_key){
	    .name = text(name), .use = MM_KEY_DEVICE_CA};
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	return claim;
}

static void
hold_until(uint8_t id, const struct mm_ceremony_claim *claim, uint64_t expiry)
{
	struct mm_statement_ask request = {
	    .statements = state((struct says){.kind = MM_STATEMENT_CEREMONY,
		.body = claim,
		.by = &mint.ada,
		.time = box.moment,
		.expiry = expiry})};

	ask(box.officer_key, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape,
	    &request);
}

static void
hold(uint8_t id, const struct mm_ceremony_claim *claim)
{
	hold_until(id, claim, box.moment + DAY);
}

static void
await_entered(uint8_t id)
{
	assert_int_equal(await(id).type, MM_MESSAGE_STATEMENT);
}

/* Devices get certificates, and another ceremony is carried out. */
static void
others_go_on(uint8_t id, const char *name)
{
	struct mm_ceremony_claim claim = a_key(name);
	size_t keys = logged(MM_ENTRY_KEY);

	ask_issue(id, name, make_spki());
	await_certificate(id++);
	hold(id, &claim);
	await_entered(id);
	until_logged(MM_ENTRY_KEY, keys + 1);
	until_quiet();
}

/* The second is checked again when the first is done. */
static void
one_ceremony_after_the_other(void **unused)
{
	struct mm_ceremony_claim claim = a_key("new-1");

	(void)unused;
	ask_issue(1, "dev-1", make_spki());
	until_held(NOTARY);
	hold(2, &claim);
	claim = a_key("new-1");
	claim.keys =
	    (struct mm_list){&(struct mm_ceremony_key){.name = text("new-1"),
				 .use = MM_KEY_CODE_SIGNING},
		1};
	hold(3, &claim);
	until_quiet();
	box.hold[NOTARY] = false;
	await_entered(2);
	await_error(3, MM_E_BUSY);
	until_logged(MM_ENTRY_KEY, 1);
	until_quiet();
	hold(4, &claim);
	await_error(4, MM_E_NAME_TAKEN);
	others_go_on(5, "new-2");
}

static void
a_ceremony_waits_for_the_token(void **unused)
{
	struct mm_ceremony_claim claim = a_key("new-1");

	(void)unused;
	unlink_from(TOKEN);
	hold(1, &claim);
	await_entered(1);
	claim = a_key("new-2");
	hold(2, &claim);
	await_error(2, MM_E_BUSY);
	assert_int_equal(logged(MM_ENTRY_KEY), 0);
	replace(TOKEN);
	until_logged(MM_ENTRY_KEY, 1);
	until_quiet();
	others_go_on(3, "new-2");
}

static void
a_token_that_dies_of_it_is_not_asked_for_ever(void **unused)
{
	struct mm_ceremony_claim claim = a_key("new-1");

	(void)unused;
	box.generates_nothing = true;
	hold(1, &claim);
	await_entered(1);
	for (size_t i = 1; i <= 3; i++) {
		while (box.generated < i)
			if (!turn(WAIT_MS))
				fail_msg("no key is asked for");
		replace(TOKEN);
	}
	until_quiet();
	assert_int_equal(box.generated, 3);
	box.generates_nothing = false;
	others_go_on(2, "new-2");
	/* The next start tries again. */
	assert_int_equal(stop(), 0);
	spawn();
	until(is_serving);
	until_logged(MM_ENTRY_KEY, 2);
	until_quiet();
}

static void
a_token_that_makes_other_keys_is_not_believed(void **unused)
{
	struct mm_ceremony_claim claim = a_key("new-1");
	struct mm_genesis_key other = {.name = text("other"),
	    .use = MM_KEY_DEVICE_CA,
	    .spki = make_spki()};

	(void)unused;
	box.instead = &other;
	hold(1, &claim);
	await_entered(1);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_KEY), 0);
	assert_int_equal(box.generated, 3);
	box.instead = NULL;
	others_go_on(2, "new-2");
}

/* The fold refuses it by half: the rest of the batch is as if it had not been
 * tried. */
static void
a_key_that_there_is_gets_no_second_name(void **unused)
{
	struct mm_ceremony_claim claim = a_key("new-1");
	struct mm_genesis_key other = {.name = text("new-1"),
	    .use = MM_KEY_DEVICE_CA,
	    .spki = mm_list_at(mint.keys, struct mm_genesis_key, 1)->spki};

	(void)unused;
	box.instead = &other;
	hold(1, &claim);
	await_entered(1);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_KEY), 0);
	box.instead = NULL;
	others_go_on(2, "new-2");
}

/* It is in the log, and ends before the token comes. */
static void
a_ceremony_that_ends_is_not_begun(void **unused)
{
	struct mm_ceremony_claim claim = a_key("new-1");
	uint64_t end = (uint64_t)time(NULL) + 2;

	(void)unused;
	unlink_from(TOKEN);
	hold_until(1, &claim, end);
	await_entered(1);
	while ((uint64_t)time(NULL) <= end)
		turn(QUIET_MS);
	replace(TOKEN);
	until_quiet();
	assert_int_equal(box.generated, 0);
	assert_int_equal(logged(MM_ENTRY_KEY), 0);
	others_go_on(2, "new-2");
}

/* Of ceremonies that were carried out long ago nothing is begun again, and a
 * start is not held up by them. */
static void
a_start_with_very_many_ceremonies(void **unused)
{
	struct mm_ceremony_claim claim = {.keys = {NULL, 0}};
	struct timespec before, after;

	(void)unused;
	assert_int_equal(stop(), 0);
	for (uint8_t i = 0; i < 200; i++) {
		struct mm_statement_entry body = {
		    .statements = say(MM_STATEMENT_CEREMONY, &claim)};

		log_append(&mint.log, make_entry(MM_ENTRY_CEREMONY, box.moment,
					  mint.policy_digest, &body));
	}
	box.followed = 0;
	clock_gettime(CLOCK_MONOTONIC, &before);
	spawn();
	until(is_serving);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 5);
	assert_int_equal(box.followed, 201);
	others_go_on(1, "new-1");
}

/* What proves a CA's key is no certificate of another key of the mint. */
static void
a_proof_is_of_a_key_of_its_own(void **unused)
{
	struct mm_ceremony_proof proof = {.issuer = text("device-ca"),
	    .profile = text("proof"),
	    .code = text("4711")};
	struct mm_ceremony_claim claim = {.proofs = {&proof, 1}};
	const struct mm_span taken[] = {
	    mm_list_at(mint.keys, struct mm_genesis_key, 1)->spki,
	    box.station_key, make_spki()};

	(void)unused;
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	ask_issue(1, "dev-1", taken[2]);
	await_certificate(1);
	for (uint8_t i = 0; i < MM_COUNT(taken); i++) {
		struct mm_statement_ask request = {.spki = taken[i]};

		digest_of(taken[i], proof.key);
		request.statements = say(MM_STATEMENT_CEREMONY, &claim);
		ask(box.officer_key, MM_MESSAGE_STATEMENT, (uint8_t)(2 + i),
		    &mm_statement_ask_shape, &request);
		await_error((uint8_t)(2 + i), MM_E_KEY_USED);
	}
}

/* A CA outside may sign as it likes, but not with more than a chain holds. */
static void
a_certificate_of_any_size_is_not_imported(void **unused)
{
	const struct mm_genesis_key *key =
	    mm_list_at(mint.keys, struct mm_genesis_key, 1);
	struct mm_certificate_plan plan = {
	    .profile = mm_policy_profile(&mint.document, text("device-ca")),
	    .subject = text("From outside"),
	    .spki = key->spki,
	    .issuer = box.cas[0],
	    .now = box.moment};
	struct mm_ceremony_import import = {.key = text("device-ca")};
	struct mm_ceremony_claim claim = {.imports = {&import, 1}};
	struct mm_statement_ask request = {.spki = {NULL, 0}};
	uint8_t serial[MM_SERIAL_SIZE], *signature = calloc(1, 20000);
	mm_auto(buffer) tbs = {0}, der = {0};
	struct mm_bytes_item item;

	(void)unused;
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	mm_buffer_init(&der, 2 * MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	ok(mm_tbs_build(&plan, serial, &tbs));
	ok(mm_certificate_assemble(
	    mm_buffer_span(&tbs), mm_span(signature, 20000), &der));
	free(signature);
	item.value = keep_buffer(&der);
	crypto_hash_sha256(import.sha256, item.value.data, item.value.size);
	request.statements = say(MM_STATEMENT_CEREMONY, &claim);
	request.certificates = (struct mm_list){&item, 1};
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &request);
	await_error(1, MM_E_RANGE);
	others_go_on(2, "new-1");
}

/* Nobody would reach the appliance any more. */
static void
a_policy_without_a_certificate_for_us_is_refused(void **unused)
{
	struct mm_policy policy;
	struct mm_span document = make_policy(2, &mint.ada, &mint.bob);
	struct mm_policy_claim claim = {.number = 2};
	struct mm_statement_ask request = {.text = text("policy")};
	mm_auto(buffer) bytes = {0};

	(void)unused;
	ok(mm_policy_decode(document, &mint.arena, &policy));
	for (size_t i = 0; i < policy.profiles.count; i++) {
		struct mm_profile *one =
		    &((struct mm_profile *)policy.profiles.items)[i];

		/* A kind of key that the gates do not have. */
		if (one->purpose == MM_PURPOSE_SERVER)
			one->keys = 1U << MM_KEY_RSA;
	}
	mm_buffer_init(&bytes, MM_POLICY_MAX);
	ok(mm_shape_encode(&mm_policy_shape, &policy, &bytes));
	request.policy = keep_buffer(&bytes);
	ok(mm_policy_decode(request.policy, &mint.arena, &policy));
	mm_policy_digest(request.policy, claim.sha256);
	request.statements = say(MM_STATEMENT_POLICY, &claim);
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &request);
	await_error(1, MM_E_LOCK_OUT);
	others_go_on(2, "new-1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_ceremony_after_the_other),
	    TEST(a_ceremony_waits_for_the_token),
	    TEST(a_token_that_dies_of_it_is_not_asked_for_ever),
	    TEST(a_token_that_makes_other_keys_is_not_believed),
	    TEST(a_key_that_there_is_gets_no_second_name),
	    TEST(a_ceremony_that_ends_is_not_begun),
	    TEST(a_start_with_very_many_ceremonies),
	    TEST(a_proof_is_of_a_key_of_its_own),
	    TEST(a_certificate_of_any_size_is_not_imported),
	    TEST(a_policy_without_a_certificate_for_us_is_refused),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
