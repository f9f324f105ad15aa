/*
 * The authority and the mint's own keys later than at birth: a ceremony is
 * checked, entered, and carried out step by step, also across crashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ca/request.h"
#include "tests/unit/authority_box.h"

/* A second CA for devices, below the root. */
static struct mm_ceremony_claim
roll_over(void)
{
	static const struct mm_ceremony_key keys[] = {
	    {.name = {(const uint8_t *)"device-ca-9", 11},
		.use = MM_KEY_DEVICE_CA}};
	static struct mm_ceremony_certificate certificates[1];
	struct mm_ceremony_claim claim = {
	    .keys = {keys, 1}, .certificates = {certificates, 1}};

	certificates[0] = (struct mm_ceremony_certificate){text("device-ca-9"),
	    text("root"), text("device-ca"), text("Devices 2")};
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	return claim;
}

static struct mm_statement_ask
stated(const struct mm_ceremony_claim *claim)
{
	return (struct mm_statement_ask){
	    .statements = say(MM_STATEMENT_CEREMONY, claim)};
}

static void
ask_statement(uint8_t id, const struct mm_statement_ask *request)
{
	ask(box.officer_key, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape,
	    request);
}

static uint64_t
await_statement(uint8_t id)
{
	struct mm_envelope envelope = await(id);
	struct mm_statement_answer answer;
	struct mm_error_answer error;

	if (envelope.type == MM_MESSAGE_ERROR) {
		ok(mm_shape_decode(&mm_error_answer_shape, envelope.body,
		    &mint.arena, &error));
		fail_msg("%.*s", MM_SPAN(error.text));
	}
	assert_int_equal(envelope.type, MM_MESSAGE_STATEMENT);
	ok(mm_shape_decode(
	    &mm_statement_answer_shape, envelope.body, &mint.arena, &answer));
	assert_int_equal(answer.missing, 0);
	return answer.index;
}

static uint64_t
carry_out(uint8_t id, const struct mm_ceremony_claim *claim)
{
	struct mm_statement_ask request = stated(claim);
	uint64_t index;

	ask_statement(id, &request);
	index = await_statement(id);
	until_quiet();
	return index;
}

static void
refuse(uint8_t id, const struct mm_ceremony_claim *claim, enum mm_error wanted)
{
	struct mm_statement_ask request = stated(claim);

	ask_statement(id, &request);
	await_error(id, wanted);
	assert_int_equal(logged(MM_ENTRY_CEREMONY), 0);
	assert_int_equal(logged(MM_ENTRY_PENDING), 0);
}

/* The last entry of a kind, decoded into `body`. */
static uint64_t
last_of(enum mm_entry_kind kind, void *body)
{
	struct mm_entry entry;

	for (uint64_t i = mint.log.size; i-- > 0;) {
		ok(mm_entry_decode(mint.log.entries[i], &mint.arena, &entry));
		if (entry.kind != kind)
			continue;
		ok(mm_entry_decode_as(
		    mint.log.entries[i], kind, &mint.arena, &entry, body));
		return i;
	}
	fail();
	return 0;
}

/* A policy that lets device-2 be issued by the new CA. */
static void
state_policy(uint8_t id, uint64_t number, const char *issuer)
{
	struct mm_policy policy;
	struct mm_span document = make_policy(number, &mint.ada, &mint.bob);
	struct mm_policy_claim claim = {.number = number};
	struct mm_statement_ask request = {.text = text("policy")};
	mm_auto(buffer) bytes = {0};

	ok(mm_policy_decode(document, &mint.arena, &policy));
	for (size_t i = 0; i < policy.profiles.count; i++) {
		struct mm_profile *one =
		    &((struct mm_profile *)policy.profiles.items)[i];

		if (mm_span_is(one->name, "device-2"))
			one->issuer = text(issuer);
	}
	mm_buffer_init(&bytes, MM_POLICY_MAX);
	ok(mm_shape_encode(&mm_policy_shape, &policy, &bytes));
	request.policy = keep_buffer(&bytes);
	mm_policy_digest(request.policy, claim.sha256);
	request.statements = state((struct says){.kind = MM_STATEMENT_POLICY,
	    .body = &claim,
	    .by = &mint.ada,
	    .and_by = &mint.bob,
	    .time = box.moment,
	    .expiry = box.moment + DAY});
	ask_statement(id, &request);
}

/* Lets the station have certificates of a profile. */
static void
order_by(uint8_t id, const char *profile, const char *order)
{
	struct mm_order_claim claim = {.name = text(order),
	    .profile = text(profile),
	    .units = 10,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};
	struct mm_principal_claim station = {.name = text("station"),
	    .role = MM_ROLE_STATION,
	    .profiles = TEXTS("device", "device-2")};
	struct mm_statement_ask request;

	digest_of(box.station_key, station.key);
	request = (struct mm_statement_ask){
	    .statements = say(MM_STATEMENT_PRINCIPAL, &station)};
	ask_statement(id, &request);
	await_statement(id++);
	request.statements = say(MM_STATEMENT_ORDER, &claim);
	ask_statement(id, &request);
	await_statement(id);
}

static void
ask_device(uint8_t id, const char *profile, const char *order)
{
	struct mm_issue_ask issue = {.order = text(order),
	    .profile = text(profile),
	    .device = text(order),
	    .spki = make_spki()};

	ask(box.station_key, MM_MESSAGE_ISSUE, id, &mm_issue_ask_shape, &issue);
}

/* With its issuer's certificate, and nothing above that. */
static void
check_issued(uint8_t id, struct mm_span issuer_spki)
{
	struct mm_envelope envelope = await(id);
	struct mm_certificate_answer got;

	assert_int_equal(envelope.type, MM_MESSAGE_ISSUE);
	ok(mm_shape_decode(
	    &mm_certificate_answer_shape, envelope.body, &mint.arena, &got));
	ok(mm_certificate_verify(got.certificate, issuer_spki));
	assert_int_equal(got.chain.count, 1);
}

static void
issue_by(uint8_t id, const char *profile, const char *order,
    struct mm_span issuer_spki)
{
	order_by(id, profile, order);
	ask_device((uint8_t)(id + 2), profile, order);
	check_issued((uint8_t)(id + 2), issuer_spki);
}

/* As long as its profile's CA cannot issue. */
static void
refuse_issue(uint8_t id)
{
	order_by(id, "device-2", "new");
	ask_device((uint8_t)(id + 2), "device-2", "new");
	await_error((uint8_t)(id + 2), MM_E_NO_ISSUER);
}

/* --- a new CA --- */

static void
a_second_device_ca_is_in_service_beside_the_first(void **unused)
{
	struct mm_ceremony_claim claim = roll_over();
	struct mm_key_entry key;
	struct mm_certificate_entry certificate;
	uint64_t index, at;

	(void)unused;
	index = carry_out(1, &claim);
	assert_int_equal(box.generated, 1);
	at = last_of(MM_ENTRY_KEY, &key);
	assert_true(mm_span_is(key.name, "device-ca-9"));
	assert_int_equal(key.use, MM_KEY_DEVICE_CA);
	assert_int_equal(key.basis, index);
	assert_false(key.retired);
	assert_true(mm_span_equal(key.spki, box.made[0].spki));
	/* Ceremony and key were followed, in this order, before a signature. */
	assert_int_equal(box.follows[box.followed - 2], index);
	assert_int_equal(box.follows[box.followed - 1], at);
	assert_true(last_of(MM_ENTRY_CERTIFICATE, &certificate) > at);
	assert_int_equal(certificate.basis, index);
	assert_true(mm_span_is(certificate.subject, "Devices 2"));
	state_policy(2, 2, "device-ca-9");
	await_statement(2);
	issue_by(3, "device", "old",
	    mm_list_at(mint.keys, struct mm_genesis_key, 1)->spki);
	issue_by(13, "device-2", "new", box.made[0].spki);
}

static void
a_retired_key_gets_its_entry_and_issues_no_more(void **unused)
{
	struct mm_ceremony_claim claim = roll_over();
	struct mm_ceremony_claim end = {.retired = TEXTS("device-ca-9")};
	struct mm_key_entry key;
	uint64_t index;

	(void)unused;
	carry_out(1, &claim);
	memcpy(end.policy, box.force, sizeof(end.policy));
	index = carry_out(2, &end);
	last_of(MM_ENTRY_KEY, &key);
	assert_true(key.retired);
	assert_int_equal(key.basis, index);
	assert_true(mm_span_equal(key.spki, box.made[0].spki));
	state_policy(3, 2, "device-ca-9");
	await_statement(3);
	refuse_issue(10);
	/* Its name is never used again. */
	claim = roll_over();
	ask_statement(4, &(struct mm_statement_ask){
			     .statements = say(MM_STATEMENT_CEREMONY, &claim)});
	await_error(4, MM_E_NAME_TAKEN);
}

/* --- CAs outside --- */

static struct mm_span
outside_certificate(const struct mm_genesis_key *key)
{
	struct mm_certificate_plan plan = {
	    .profile = mm_policy_profile(&mint.document, text("device-ca")),
	    .subject = text("From outside"),
	    .spki = key->spki,
	    .issuer = box.cas[0],
	    .now = box.moment};
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) tbs = {0}, der = {0};

	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	mm_buffer_init(&der, MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	ok(mm_tbs_build(&plan, serial, &tbs));
	ok(mm_certificate_assemble(mm_buffer_span(&tbs),
	    sign_with(box.keys[0], mm_buffer_span(&tbs)), &der));
	return keep_buffer(&der);
}

static struct mm_ceremony_claim
request_outside(void)
{
	static struct mm_ceremony_request requests[1];
	struct mm_ceremony_claim claim = roll_over();

	requests[0] = (struct mm_ceremony_request){
	    text("device-ca-9"), text("device-ca"), text("Devices 2")};
	claim.certificates.count = 0;
	claim.requests = (struct mm_list){requests, 1};
	return claim;
}

static void
a_ca_below_an_outside_one_is_requested_and_imported(void **unused)
{
	struct mm_ceremony_claim claim = request_outside();
	struct mm_ceremony_claim answer = {.keys = {NULL, 0}};
	struct mm_ceremony_import import = {.key = text("device-ca-9")};
	struct mm_statement_ask request;
	struct mm_bytes_item der;
	struct mm_import_entry logged_as;
	struct mm_csr_entry csr;
	uint64_t index;

	(void)unused;
	index = carry_out(1, &claim);
	last_of(MM_ENTRY_CSR, &csr);
	assert_int_equal(csr.basis, index);
	ok(mm_request_check(csr.info,
	    mm_policy_profile(&mint.document, text("device-ca")),
	    text("Devices 2"), box.made[0].spki));
	/* A key without certificate issues nothing yet. */
	state_policy(2, 2, "device-ca-9");
	await_statement(2);
	refuse_issue(10);
	der.value = outside_certificate(&box.made[0]);
	crypto_hash_sha256(import.sha256, der.value.data, der.value.size);
	answer.imports = (struct mm_list){&import, 1};
	memcpy(answer.policy, box.force, sizeof(answer.policy));
	request = stated(&answer);
	/* The certificate has to come along. */
	ask_statement(3, &request);
	await_error(3, MM_E_STATEMENT_DIFFERS);
	request.certificates = (struct mm_list){&der, 1};
	ask_statement(4, &request);
	index = await_statement(4);
	until_quiet();
	last_of(MM_ENTRY_IMPORT, &logged_as);
	assert_int_equal(logged_as.basis, index);
	assert_true(mm_span_equal(logged_as.certificate, der.value));
	ask_device(5, "device-2", "new");
	check_issued(5, box.made[0].spki);
}

/* --- proofs --- */

static void
a_proof_comes_with_its_ceremony(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_ceremony_proof proof = {.issuer = text("device-ca"),
	    .profile = text("proof"),
	    .code = text("0123456789abcdef")};
	struct mm_ceremony_claim claim = {.proofs = {&proof, 1}};
	struct mm_statement_ask request;
	struct mm_certificate_entry certificate;
	uint64_t index;

	(void)unused;
	digest_of(spki, proof.key);
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	request = stated(&claim);
	ask_statement(1, &request);
	await_error(1, MM_E_STATEMENT_DIFFERS);
	request.spki = spki;
	ask_statement(2, &request);
	index = await_statement(2);
	until_quiet();
	assert_int_equal(
	    last_of(MM_ENTRY_CERTIFICATE, &certificate), index + 1);
	assert_int_equal(certificate.basis, index);
	assert_true(mm_span_is(certificate.subject, "0123456789abcdef"));
	assert_true(mm_span_is(certificate.issuer, "device-ca"));
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
}

/* The token would not sign it, and the entry would be there for ever. */
static void
a_proof_by_another_ca_than_its_profiles_is_refused(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_ceremony_proof proof = {.issuer = text("root"),
	    .profile = text("proof"),
	    .code = text("0123456789abcdef")};
	struct mm_ceremony_claim claim = {.proofs = {&proof, 1}};
	struct mm_statement_ask request;

	(void)unused;
	digest_of(spki, proof.key);
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	request = stated(&claim);
	request.spki = spki;
	ask_statement(1, &request);
	await_error(1, MM_E_STATEMENT_DIFFERS);
}

/* --- refused --- */

static void
what_cannot_be_carried_out_is_refused(void **unused)
{
	struct mm_ceremony_claim claim, nothing = {.keys = {NULL, 0}};
	struct mm_ceremony_key keys[2];
	struct mm_ceremony_certificate certificates[2];
	struct mm_ceremony_import import = {.key = text("device-ca")};
	struct mm_ceremony_proof proof = {.issuer = text("codesign"),
	    .profile = text("proof"),
	    .code = text("code")};
	uint8_t id = 1;

	(void)unused;
	memcpy(nothing.policy, box.force, sizeof(nothing.policy));
	refuse(id++, &nothing, MM_E_STATEMENT_DIFFERS);
	claim = roll_over();
	claim.policy[0] ^= 1;
	refuse(id++, &claim, MM_E_STATEMENT_DIFFERS);
	claim = roll_over();
	keys[0] = *mm_list_at(claim.keys, struct mm_ceremony_key, 0);
	certificates[0] =
	    *mm_list_at(claim.certificates, struct mm_ceremony_certificate, 0);
	claim.keys.items = keys;
	claim.certificates.items = certificates;
	keys[0].name = text("device-ca");
	refuse(id++, &claim, MM_E_NAME_TAKEN);
	keys[0].name = text("device-ca-9");
	keys[0].use = 9;
	refuse(id++, &claim, MM_E_STATEMENT_DIFFERS);
	keys[0].use = MM_KEY_DEVICE_CA;
	keys[1] = keys[0];
	claim.keys.count = 2;
	refuse(id++, &claim, MM_E_NAME_TAKEN);
	claim.keys.count = 1;
	certificates[1] = certificates[0];
	claim.certificates.count = 2;
	refuse(id++, &claim, MM_E_STATEMENT_DIFFERS);
	claim.certificates.count = 1;
	certificates[0].profile = text("device");
	refuse(id++, &claim, MM_E_PROFILE);
	certificates[0].profile = text("codesign");
	refuse(id++, &claim, MM_E_PROFILE);
	certificates[0].profile = text("device-ca");
	certificates[0].issuer = text("nobody");
	refuse(id++, &claim, MM_E_KEY_ABSENT);
	certificates[0].issuer = text("codesign");
	refuse(id++, &claim, MM_E_STATEMENT_DIFFERS);
	certificates[0].issuer = text("root");
	certificates[0].key = text("nobody");
	refuse(id++, &claim, MM_E_KEY_ABSENT);
	nothing.retired = TEXTS("device-ca");
	refuse(id++, &nothing, MM_E_LOCK_OUT);
	nothing.retired = TEXTS("access-ca");
	refuse(id++, &nothing, MM_E_LOCK_OUT);
	nothing.retired = TEXTS("nobody");
	refuse(id++, &nothing, MM_E_KEY_ABSENT);
	nothing.retired = (struct mm_list){NULL, 0};
	nothing.imports = (struct mm_list){&import, 1};
	refuse(id++, &nothing, MM_E_STATEMENT_DIFFERS);
	nothing.imports = (struct mm_list){NULL, 0};
	nothing.proofs = (struct mm_list){&proof, 1};
	refuse(id++, &nothing, MM_E_STATEMENT_DIFFERS);
	proof.issuer = text("device-ca");
	proof.profile = text("device");
	refuse(id++, &nothing, MM_E_PROFILE);
}

static void
an_issuer_that_the_ceremony_certifies_later_is_refused(void **unused)
{
	struct mm_ceremony_key keys[] = {
	    {.name = text("root-2"), .use = MM_KEY_ROOT_CA},
	    {.name = text("device-ca-9"), .use = MM_KEY_DEVICE_CA}};
	struct mm_ceremony_certificate certificates[] = {
	    {text("device-ca-9"), text("root-2"), text("device-ca"),
		text("Devices 2")},
	    {text("root-2"), text("root-2"), text("root-ca"), text("Root 2")}};
	struct mm_ceremony_certificate swapped = certificates[0];
	struct mm_ceremony_claim claim = {.keys = {keys, MM_COUNT(keys)},
	    .certificates = {certificates, MM_COUNT(certificates)}};

	(void)unused;
	memcpy(claim.policy, box.force, sizeof(claim.policy));
	refuse(1, &claim, MM_E_NO_ISSUER);
	certificates[0] = certificates[1];
	certificates[1] = swapped;
	carry_out(2, &claim);
	state_policy(3, 2, "device-ca-9");
	await_statement(3);
}

/* --- crashes --- */

/* Killed when something of the ceremony waits at `who`, it goes on. */
static void
crash_at(enum who who, unsigned skip)
{
	struct mm_ceremony_claim claim = roll_over();
	struct mm_statement_ask request = stated(&claim);
	struct mm_key_entry key;
	struct mm_certificate_entry certificate;

	ask_statement(1, &request);
	until_held(who);
	for (unsigned i = 0; i < skip; i++) {
		box.hold[who] = false;
		turn(QUIET_MS);
		until_held(who);
	}
	crash();
	box.hold[who] = false;
	spawn();
	until(is_serving);
	ask_statement(1, &request);
	await_statement(1);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_CEREMONY), 1);
	assert_int_equal(logged(MM_ENTRY_KEY), 1);
	assert_int_equal(box.made_count, 1);
	last_of(MM_ENTRY_KEY, &key);
	assert_true(mm_span_equal(key.spki, box.made[0].spki));
	last_of(MM_ENTRY_CERTIFICATE, &certificate);
	state_policy(2, 2, "device-ca-9");
	await_statement(2);
}

static void
a_ceremony_goes_on_after_a_crash(void **unused)
{
	for (unsigned i = 0; i < 4; i++) {
		tear_down(unused);
		set_up(unused);
		crash_at(NOTARY, i);
	}
	for (unsigned i = 0; i < 4; i++) {
		tear_down(unused);
		set_up(unused);
		crash_at(TOKEN, i);
	}
}

static void
a_token_that_comes_anew_gets_on_with_it(void **unused)
{
	struct mm_ceremony_claim claim = roll_over();
	struct mm_statement_ask request = stated(&claim);

	(void)unused;
	ask_statement(1, &request);
	until_held(TOKEN);
	await_statement(1);
	replace(TOKEN);
	until_quiet();
	state_policy(2, 2, "device-ca-9");
	await_statement(2);
	assert_int_equal(logged(MM_ENTRY_KEY), 1);
}

/* It does not end what everybody else does, and is not tried for ever. */
static void
a_ceremony_that_the_token_refuses_stops_nobody(void **unused)
{
	struct mm_ceremony_claim claim = roll_over();

	(void)unused;
	box.token_says = MM_E_TOKEN_REFUSED;
	carry_out(1, &claim);
	assert_int_equal(logged(MM_ENTRY_KEY), 1);
	assert_int_equal(logged(MM_ENTRY_VOID), 3);
	box.token_says = MM_OK;
	ask_issue(2, "dev-1", make_spki());
	await_certificate(2);
	/* The next start tries again. */
	assert_int_equal(stop(), 0);
	spawn();
	until(is_serving);
	until_quiet();
	state_policy(3, 2, "device-ca-9");
	await_statement(3);
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_BOX(a_second_device_ca_is_in_service_beside_the_first),
	    IN_A_BOX(a_retired_key_gets_its_entry_and_issues_no_more),
	    IN_A_BOX(a_ca_below_an_outside_one_is_requested_and_imported),
	    IN_A_BOX(a_proof_comes_with_its_ceremony),
	    IN_A_BOX(a_proof_by_another_ca_than_its_profiles_is_refused),
	    IN_A_BOX(what_cannot_be_carried_out_is_refused),
	    IN_A_BOX(an_issuer_that_the_ceremony_certifies_later_is_refused),
	    IN_A_BOX(a_ceremony_goes_on_after_a_crash),
	    IN_A_BOX(a_token_that_comes_anew_gets_on_with_it),
	    IN_A_BOX(a_ceremony_that_the_token_refuses_stops_nobody),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
