/*
 * A modified authority: another program in its place, which speaks the
 * internal protocol to a token process and has the log's own proofs. It asks
 * for what nobody approved. Nothing of it is signed, and the token goes on
 * signing what people did approve.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/crl_trial.h"
#include "tests/unit/outside.h"
#include "tests/unit/process.h"

/* The policy that an honest authority would work under now. */
static struct {
	uint8_t policy[32];
	const struct signer *first, *second;
} honest;

static void
change_policy(const struct signer *first, const struct signer *second)
{
	struct change change = follow_change(first, second);

	memcpy(honest.policy, change.digest, sizeof(honest.policy));
	honest.first = first;
	honest.second = second;
}

/* A release as people approved it. */
static struct image_trial
honest_image(void)
{
	struct image_trial trial;

	make_image(&trial);
	memcpy(trial.policy, honest.policy, 32);
	/* It was made in another frame. */
	trial.claim.schemes.items = keep(&trial.digest, sizeof(trial.digest));
	trial.claim.schemes.count = 1;
	trial.says.body = keep(&trial.claim, sizeof(trial.claim));
	trial.says.by = honest.first;
	trial.says.and_by = honest.second;
	return trial;
}

static struct outcome
try_device(struct trial *trial)
{
	uint64_t index;

	memcpy(trial->policy, honest.policy, 32);
	return try(trial, &index);
}

/* --- images --- */

static void
two_must_sign(void)
{
	mint_threshold = 2;
	change_policy(&mint.ada, &mint.bob);
	mint_threshold = 1;
}

static struct outcome
an_image_with_too_few_statements(void)
{
	struct image_trial trial;

	two_must_sign();
	trial = honest_image();
	trial.says.and_by = NULL;
	return try_image(&trial);
}

static struct outcome
an_image_by_one_officer_twice(void)
{
	struct image_trial trial;

	two_must_sign();
	trial = honest_image();
	trial.says.and_by = trial.says.by;
	return try_image(&trial);
}

static struct outcome
an_image_with_one_statement_twice(void)
{
	struct image_trial trial;
	struct mm_bytes_item twice[2];
	struct mm_list one;

	two_must_sign();
	trial = honest_image();
	trial.says.and_by = NULL;
	one = state(trial.says);
	twice[0] = twice[1] = *mm_list_at(one, struct mm_bytes_item, 0);
	trial.unsaid = true;
	trial.entry.statements = (struct mm_list){twice, 2};
	return try_image(&trial);
}

static struct outcome
an_image_without_statements(void)
{
	struct image_trial trial = honest_image();

	trial.unsaid = true;
	return try_image(&trial);
}

static struct outcome
an_image_with_statements_of_another_digest(void)
{
	struct image_trial trial = honest_image();

	memset(trial.entry.sha256, 7, 32);
	memset(trial.entry.digest, 7, 32);
	return try_image(&trial);
}

static struct outcome
an_image_with_statements_of_another_version(void)
{
	struct image_trial trial = honest_image();

	trial.entry.version = text("1.1");
	return try_image(&trial);
}

static struct outcome
an_image_by_a_removed_officer(void)
{
	struct image_trial trial;

	change_policy(&mint.ada, &mint.eve);
	trial = honest_image();
	trial.says.by = &mint.bob;
	trial.says.and_by = NULL;
	return try_image(&trial);
}

/* Bob's statement is older than the policy that removed him. */
static struct outcome
an_image_by_one_who_was_an_officer(void)
{
	struct image_trial trial = honest_image();

	trial.unsaid = true;
	trial.says.by = &mint.bob;
	trial.says.and_by = NULL;
	trial.entry.statements = state(trial.says);
	change_policy(&mint.ada, &mint.eve);
	memcpy(trial.policy, honest.policy, 32);
	return try_image(&trial);
}

static struct outcome
an_image_by_statements_for_another_log(void)
{
	struct image_trial trial = honest_image();

	trial.says.origin = "other.example/log";
	return try_image(&trial);
}

static struct outcome
an_image_by_a_statement_of_another_kind(void)
{
	struct image_trial trial = honest_image();

	trial.says.kind = MM_STATEMENT_ORDER;
	trial.says.body = keep(&(struct mm_order_claim){0}, 0);
	trial.unsaid = true;
	trial.entry.statements = state((struct says){.kind = MM_STATEMENT_ORDER,
	    .body = keep((struct mm_order_claim[]){make_order()},
		sizeof(struct mm_order_claim)),
	    .by = honest.first,
	    .and_by = honest.second});
	return try_image(&trial);
}

/* --- what is not in the log --- */

/* A log of the attacker's own, with everything of ours and one entry more. */
static struct memory_log *
forge_log(struct mm_span entry)
{
	static struct memory_log forged;

	forged = mint.log;
	log_append(&forged, entry);
	make_signer(&forged.key);
	return &forged;
}

static struct mm_span
forged_image(void)
{
	struct image_trial trial = honest_image();

	memset(trial.entry.sha256, 7, 32);
	trial.entry.statements = state(trial.says);
	return make_entry(
	    MM_ENTRY_IMAGE, NOW + 10, honest.policy, &trial.entry);
}

/* Its proof is right, and leads to another root than the log's. */
static struct outcome
an_entry_of_another_tree(void)
{
	struct memory_log *forged = forge_log(forged_image());
	struct request request;

	prepare(&request, logged.order, NULL, 0);
	request.items[0] = log_prove(forged, forged->size - 1);
	return ask(&request);
}

static struct outcome
an_entry_under_a_forged_checkpoint(void)
{
	struct memory_log *forged = forge_log(forged_image());
	struct request request;

	prepare(&request, logged.order, NULL, 0);
	request.items[0] = log_prove(forged, forged->size - 1);
	request.body.note = log_note(forged, &forged->key, ORIGIN);
	return ask(&request);
}

/* A good device, by an order that was never logged. */
static struct outcome
an_order_of_another_tree(void)
{
	struct mm_order_claim order = make_order();
	struct trial trial = device_trial();
	struct mm_statement_entry body = {
	    .statements = state((struct says){
		.kind = MM_STATEMENT_ORDER, .body = &order, .by = &mint.ada})};
	struct memory_log *forged = forge_log(
	    make_entry(MM_ENTRY_ORDER, NOW + 5, mint.policy_digest, &body));
	struct request request;

	trial.entry.basis = logged.disabled;
	prepare(&request, log_trial(&trial), trial.references, trial.count);
	request.references[0] = log_prove(forged, forged->size - 1);
	request.references[0].index = logged.disabled;
	return ask(&request);
}

/* --- orders --- */

static struct outcome
an_order_of_another_profile(void)
{
	struct trial trial = device_trial();

	trial.entry.profile = text("device-2");
	trial.plan.profile = profile("device-2");
	return try_device(&trial);
}

static struct outcome
an_order_of_another_device(void)
{
	struct trial trial = device_trial();

	trial.entry.subject = trial.plan.subject = text("dev-100");
	return try_device(&trial);
}

static struct outcome
an_order_of_another_station(void)
{
	struct trial trial = device_trial();

	trial.entry.principal = text("station-2");
	return try_device(&trial);
}

static struct outcome
try_order(const struct mm_order_claim *order, const struct signer *by,
    const uint8_t policy[32])
{
	struct trial trial = device_trial();

	trial.entry.basis = trial.references[0] =
	    log_statements_under(policy, MM_ENTRY_ORDER, NOW + 5,
		state((struct says){
		    .kind = MM_STATEMENT_ORDER, .body = order, .by = by}));
	return try_device(&trial);
}

static struct outcome
a_closed_order(void)
{
	struct mm_order_claim order = make_order();

	order.revision = 1;
	order.closed = true;
	return try_order(&order, honest.first, honest.policy);
}

static struct outcome
a_reissue_without_allowance(void)
{
	static const struct mm_replaced former = {
	    3, {(const uint8_t *)"\x01", 1}};
	struct trial trial = device_trial();

	trial.entry.replaces = (struct mm_list){&former, 1};
	return try_device(&trial);
}

static struct outcome
an_order_by_an_officer_who_had_gone(void)
{
	struct mm_order_claim order = make_order();

	change_policy(&mint.ada, &mint.eve);
	return try_order(&order, &mint.bob, honest.policy);
}

static struct outcome
an_order_by_an_officer_who_had_not_come(void)
{
	struct mm_order_claim order = make_order();
	struct trial trial = device_trial();

	trial.entry.basis = trial.references[0] = log_statements(MM_ENTRY_ORDER,
	    NOW + 5,
	    state((struct says){
		.kind = MM_STATEMENT_ORDER, .body = &order, .by = &mint.eve}));
	change_policy(&mint.ada, &mint.eve);
	return try_device(&trial);
}

static struct outcome
an_order_under_a_policy_that_is_over(void)
{
	struct mm_order_claim order = make_order();

	change_policy(&mint.ada, &mint.eve);
	return try_order(&order, &mint.bob, mint.policy_digest);
}

/* --- principals --- */

static struct outcome
a_principals_other_key(void)
{
	struct trial trial = client_trial();

	trial.plan.spki = make_spki();
	return try_device(&trial);
}

/* --- keys and ceremonies --- */

/* A certificate of a CA for this key, by that basis. */
static struct outcome
try_ca(struct mm_span spki, uint64_t basis)
{
	struct trial trial =
	    make_trial("device-ca", "Devices", "root", logged.root_tbs, spki);

	trial.entry.basis = basis;
	refer(&trial, logged.root);
	return try_device(&trial);
}

static struct outcome
a_key_without_a_ceremony(void)
{
	struct mm_genesis_key key = {
	    text("smuggled"), MM_KEY_DEVICE_CA, make_spki()};

	log_key(&key, logged.order, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	log_key(&key, 0, false);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	return try_ca(key.spki, 0);
}

static struct outcome
a_ceremony_that_was_not_followed(void)
{
	struct mm_ceremony_certificate certificate = {text("device-ca"),
	    text("root"), text("device-ca"), text("Devices")};
	struct later later = make_later();
	struct mm_genesis_key made;
	uint64_t index;

	later.claim.keys = one_key("not-followed", MM_KEY_DEVICE_CA);
	later.claim.certificates = (struct mm_list){&certificate, 1};
	index = log_later(&later);
	assert_int_equal(
	    generate(index, later.claim.keys, &made), MM_E_TOKEN_REFUSED);
	return try_ca(mint_key("device-ca")->spki, index);
}

static struct outcome
a_ceremony_by_nobody(void)
{
	struct later later = make_later();

	later.says.by = &mint.eve;
	later.claim.keys = one_key("nobodys", MM_KEY_DEVICE_CA);
	log_later(&later);
	assert_int_equal(follow_last(), MM_E_STATEMENT_OFFICER);
	return try_ca(mint_key("device-ca")->spki, mint.log.size - 1);
}

static struct outcome
a_retired_key(void)
{
	struct trial trial = device_trial();

	retire("device-ca");
	return try_device(&trial);
}

/* The token is fed anew, and the retirement left out. */
static struct outcome
a_retired_key_that_is_to_be_forgotten(void)
{
	struct trial trial = device_trial();
	struct outcome outcome;
	uint64_t number, ceremony = mint.log.size;

	retire("device-ca");
	ok(follow(&mint.log, 0, &number));
	outcome = try_device(&trial);
	/* An honest one goes on where it was. */
	ok(follow(&mint.log, ceremony, &number));
	ok(follow(&mint.log, ceremony + 1, &number));
	return outcome;
}

static struct outcome
a_crl_of_another_issuer(void)
{
	struct crl_trial trial = make_crl("device-ca", 1);

	trial.plan.issuer = logged.access_ca_tbs;
	return try_crl(&trial);
}

static struct outcome
a_crl_of_another_number(void)
{
	struct crl_trial trial = make_crl("device-ca", 1);

	trial.plan.number = 2;
	return try_crl(&trial);
}

static struct outcome
a_crl_whose_number_goes_down(void)
{
	struct crl_trial five = make_crl("device-ca", 5);
	struct crl_trial four = make_crl("device-ca", 4);
	struct outcome outcome = try_crl(&five);

	check_outcome("five", &outcome, MM_OK, "");
	return try_crl(&four);
}

static struct outcome
a_csr_that_nobody_asked_for(void)
{
	struct csr_trial trial = {.entry = {.key = text("device-ca"),
				      .profile = text("device-ca"),
				      .subject = text("Devices")},
	    .spki = mint_key("device-ca")->spki,
	    .time = NOW + 10};

	return try_csr(&trial);
}

static struct outcome
a_proof_that_is_a_ca(void)
{
	struct trial trial = proof_trial();

	trial.plan.profile = profile("device-ca");
	return try_device(&trial);
}

/* --- policies --- */

/* A release under a policy that is not followed. */
static struct outcome
try_under(const uint8_t policy[32])
{
	struct image_trial trial = honest_image();

	memcpy(trial.policy, policy, 32);
	return try_image(&trial);
}

static struct outcome
policies_out_of_order(void)
{
	struct change second = good_change(2), third = good_change(3);

	log_change(&second);
	log_change(&third);
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	return try_under(third.digest);
}

static struct outcome
a_policy_by_too_few(void)
{
	struct change change = good_change(2);

	change.says.and_by = NULL;
	log_change(&change);
	assert_int_equal(follow_last(), MM_E_STATEMENT_FEW);
	return try_under(change.digest);
}

static struct outcome
a_policy_by_one_officer_twice(void)
{
	struct change change = good_change(2);

	change.says.and_by = change.says.by;
	log_change(&change);
	assert_int_equal(follow_last(), MM_E_STATEMENT_FEW);
	return try_under(change.digest);
}

static struct outcome
a_policy_by_its_own_officers(void)
{
	struct change change = good_change(2);

	change.second = change.says.and_by = &mint.eve;
	log_change(&change);
	assert_int_equal(follow_last(), MM_E_STATEMENT_OFFICER);
	return try_under(change.digest);
}

#define ATTACK(run, error, why) \
	{ \
#run, run, error, why \
	}

static const struct {
	const char *name;
	struct outcome (*run)(void);
	enum mm_error error;
	const char *why;
} attacks[] = {ATTACK(an_image_with_too_few_statements, MM_E_STATEMENT_FEW, ""),
    ATTACK(an_image_by_one_officer_twice, MM_E_STATEMENT_FEW, ""),
    ATTACK(an_image_with_one_statement_twice, MM_E_STATEMENT_FEW, ""),
    ATTACK(an_image_without_statements, MM_E_STATEMENT, ""),
    ATTACK(an_image_with_statements_of_another_digest, MM_E_RELEASE, ""),
    ATTACK(an_image_with_statements_of_another_version, MM_E_RELEASE, ""),
    ATTACK(an_image_by_a_removed_officer, MM_E_STATEMENT_OFFICER, ""),
    ATTACK(an_image_by_one_who_was_an_officer, MM_E_STATEMENT_OFFICER, ""),
    ATTACK(an_image_by_statements_for_another_log, MM_E_STATEMENT_LOG, ""),
    ATTACK(an_image_by_a_statement_of_another_kind, MM_E_STATEMENT_KIND, ""),
    ATTACK(an_entry_of_another_tree, MM_E_PROOF, ""),
    ATTACK(an_entry_under_a_forged_checkpoint, MM_E_NOTE_KEY, ""),
    ATTACK(an_order_of_another_tree, MM_E_PROOF, ""),
    ATTACK(an_order_of_another_profile, MM_E_ORDER_OTHERS, "profile"),
    ATTACK(an_order_of_another_device, MM_E_ORDER_COVER, "device"),
    ATTACK(an_order_of_another_station, MM_E_ORDER_OTHERS, "station"),
    ATTACK(a_closed_order, MM_E_ORDER_CLOSED, ""),
    ATTACK(a_reissue_without_allowance, MM_E_REISSUE, ""),
    ATTACK(an_order_by_an_officer_who_had_gone, MM_E_STATEMENT_OFFICER, ""),
    ATTACK(an_order_by_an_officer_who_had_not_come, MM_E_STATEMENT_OFFICER, ""),
    ATTACK(
	an_order_under_a_policy_that_is_over, MM_E_TOKEN_REFUSED, "policy 2"),
    ATTACK(a_principals_other_key, MM_E_TOKEN_REFUSED, "another key"),
    ATTACK(a_key_without_a_ceremony, MM_E_TOKEN_REFUSED, "not one of the mint"),
    ATTACK(a_ceremony_that_was_not_followed, MM_E_TOKEN_REFUSED, "neither"),
    ATTACK(a_ceremony_by_nobody, MM_E_TOKEN_REFUSED, "neither"),
    ATTACK(a_retired_key, MM_E_TOKEN_REFUSED, "no key"),
    ATTACK(a_retired_key_that_is_to_be_forgotten, MM_E_TOKEN_REFUSED,
	"again first"),
    ATTACK(a_crl_of_another_issuer, MM_E_TOKEN_REFUSED, "not by"),
    ATTACK(a_crl_of_another_number, MM_E_TOKEN_REFUSED, "the number 2"),
    ATTACK(a_crl_whose_number_goes_down, MM_E_TOKEN_REFUSED, "CRL 5"),
    ATTACK(a_csr_that_nobody_asked_for, MM_E_TOKEN_REFUSED, "no CSR"),
    ATTACK(a_proof_that_is_a_ca, MM_E_CERTIFICATE, "basicConstraints"),
    ATTACK(policies_out_of_order, MM_E_TOKEN_REFUSED, "in force"),
    ATTACK(a_policy_by_too_few, MM_E_TOKEN_REFUSED, "in force"),
    ATTACK(a_policy_by_one_officer_twice, MM_E_TOKEN_REFUSED, "in force"),
    ATTACK(a_policy_by_its_own_officers, MM_E_TOKEN_REFUSED, "in force")};

static void
be_born_in_a_process(void)
{
	begin_process();
	grow_up();
	memcpy(honest.policy, mint.policy_digest, sizeof(honest.policy));
	honest.first = &mint.ada;
	honest.second = &mint.bob;
}

static void
nothing_is_signed_for_a_modified_authority(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < MM_COUNT(attacks); i++) {
		struct image_trial image;
		struct outcome outcome;

		be_born_in_a_process();
		outcome = attacks[i].run();
		check_outcome(attacks[i].name, &outcome, attacks[i].error,
		    attacks[i].why);
		assert_int_equal(outcome.signature.size, 0);
		image = honest_image();
		outcome = try_image(&image);
		check_outcome(attacks[i].name, &outcome, MM_OK, "");
		ok(mm_key_verify_p256(mint_key("codesign")->spki,
		    image.entry.digest, outcome.signature));
		end_process();
	}
}

/* Keys are made for a ceremony alone, whatever is asked for. */
static void
nothing_is_made_for_a_modified_authority(void **unused)
{
	struct mm_list keys = one_key("wanted", MM_KEY_DEVICE_CA);
	struct later later = make_later();
	struct mm_genesis_key made;
	uint64_t index;

	(void)unused;
	be_born_in_a_process();
	assert_int_equal(generate(0, keys, &made), MM_E_TOKEN_REFUSED);
	assert_int_equal(
	    generate(logged.order, keys, &made), MM_E_TOKEN_REFUSED);
	index = follow_later(&later);
	assert_int_equal(generate(index, keys, &made), MM_E_TOKEN_REFUSED);
	later.claim.keys = keys;
	index = follow_later(&later);
	ok(generate(index, keys, &made));
	end_process();
}

/* A blob beside a call, as a long CRL has it. */
static void
a_blob_passes_the_channel(void **unused)
{
	struct crl_trial trial;
	struct request request;
	struct mm_token_sign_answer answer;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(buffer) packet = {0};
	mm_auto(arena) arena = {0};
	const struct mm_token_result *result;
	int fds[2] = {-1, -1};

	(void)unused;
	be_born_in_a_process();
	trial = make_crl("device-ca", 1);
	trial.blob = true;
	prepare(&request, log_crl(&trial), trial.references, trial.count);
	fds[0] = make_memfd(trial.tbs, MM_SEALS);
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	mm_arena_init(&arena, 8 << 20);
	ok(mm_packet_encode(MM_TOKEN_SIGN, 77, &mm_token_sign_request_shape,
	    &request.body, &packet));
	ok(mm_channel_send_bytes(mint.channel, mm_buffer_span(&packet), fds));
	close(fds[0]);
	ok(mm_channel_receive(mint.channel, &received));
	assert_int_equal(received.packet.error, 0);
	ok(mm_shape_decode(&mm_token_sign_answer_shape, received.packet.body,
	    &arena, &answer));
	result = answer.results.items;
	assert_int_equal(result->error, 0);
	check_crl(&trial, "device-ca", result->signature);
	end_process();
}

static void
more_descriptors_are_no_call(void **unused)
{
	struct crl_trial trial;
	struct request request;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(received) end = {.fds = {-1, -1}};
	mm_auto(buffer) packet = {0};
	int fds[2];

	(void)unused;
	be_born_in_a_process();
	trial = make_crl("device-ca", 1);
	trial.blob = true;
	prepare(&request, log_crl(&trial), trial.references, trial.count);
	fds[0] = fds[1] = make_memfd(trial.tbs, MM_SEALS);
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	ok(mm_packet_encode(MM_TOKEN_SIGN, 77, &mm_token_sign_request_shape,
	    &request.body, &packet));
	ok(mm_channel_send_bytes(mint.channel, mm_buffer_span(&packet), fds));
	close(fds[0]);
	ok(mm_channel_receive(mint.channel, &received));
	assert_int_equal(received.packet.error, MM_E_SHAPE);
	ok(mm_channel_receive(mint.channel, &end));
	assert_true(end.closed);
	end_process();
}

/* After a test that failed half way. */
static int
leave_nothing(void **unused)
{
	(void)unused;
	if (mint.channel > 0)
		end_process();
	return 0;
}
#define ATTACKED(test) cmocka_unit_test_teardown(test, leave_nothing)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ATTACKED(nothing_is_signed_for_a_modified_authority),
	    ATTACKED(nothing_is_made_for_a_modified_authority),
	    ATTACKED(a_blob_passes_the_channel),
	    ATTACKED(more_descriptors_are_no_call)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
