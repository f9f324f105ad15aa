/* The audit of a whole log: what is honest passes, and each rule that is
 * broken is found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/decide.h"
#include "tests/unit/audit_attacks.h"

/* --- what is honest --- */

static void
an_honest_log_passes(void **state)
{
	struct issue device = device_issue("dev-01"), client = client_issue();
	struct issue server = server_issue(), void_ = device_issue("dev-02");
	struct issue again = device_issue("dev-02"), open;
	struct mm_checkpoint checkpoint;
	struct mm_audit_report report;
	struct release release;
	uint64_t image;

	(void)state;
	again.entry.request = void_.entry.request;
	issue_signed(&device);
	issue_signed(&client);
	issue_signed(&server);
	add_void(add_certificate(&void_));
	issue_signed(&again);
	make_release(&release, "1.0");
	image = add(MM_ENTRY_IMAGE, &release.entry);
	add_signature(image, soft_sign("codesign", release.entry.digest));
	open = device_issue("dev-03");
	add_certificate(&open);
	passes();
	assert_int_equal(audit(&report), MM_OK);
	checkpoint = honest_checkpoint(mint.log.size);
	assert_true(mm_hash_equal(&checkpoint.root, &report.root));
	assert_int_equal(report.size, mint.log.size);
	assert_int_equal(report.kinds[MM_ENTRY_CERTIFICATE], 4 + 6);
	assert_int_equal(report.kinds[MM_ENTRY_IMAGE], 1);
	assert_int_equal(report.kinds[MM_ENTRY_PRINCIPAL], 4);
	assert_int_equal(report.signatures, 4 + 5);
	assert_int_equal(report.voids, 1);
	assert_int_equal(report.devices, 2);
	assert_int_equal(report.unsigned_entries, 1);
	assert_int_equal(report.first_time, NOW);
	assert_int_equal(report.last_time, NOW + 10);
}

static void
what_is_told_passes(void **state)
{
	struct mm_refusal refusal = {text("station-1"), text("issue"),
	    text("order-exhausted"), 3, text("dev-01"), text("order-1")};
	struct mm_refusal_entry refusals = {{&refusal, 1}};
	struct mm_export_entry export = {.to = 5,
	    .format = text("csv"),
	    .principal = text("auditor-1"),
	    .request = new_request()};
	struct mm_audit_report report;

	(void)state;
	add(MM_ENTRY_REFUSAL, &refusals);
	add(MM_ENTRY_EXPORT, &export);
	passes();
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.refusals, 3);
	assert_int_equal(report.kinds[MM_ENTRY_EXPORT], 1);
}

/* The policy is changed by both officers; what comes after names the new
 * one. */
static void
a_change_of_policy_passes(void **state)
{
	struct issue device;

	(void)state;
	change_policy(2, &mint.ada, &mint.eve, &mint.ada, &mint.bob);
	device = device_issue("dev-01");
	issue_signed(&device);
	passes();
}

/* The log is born with an order that the token will not sign under. */
static struct issue
issue_of_an_unsound_order(void)
{
	struct mm_order_claim order = make_order("order-2");

	mint.log.size = honest.born - 1;
	order.devices = (struct mm_devices){.pattern = text("dev-?")};
	order.units = 1000;
	honest.order = add_order(&order, NULL);
	add(MM_ENTRY_START, &(struct mm_start_entry){text("1"), 0});
	return device_issue("dev-1");
}

static void
what_an_unsound_order_brings_is_void(void **state)
{
	struct issue device = issue_of_an_unsound_order();

	(void)state;
	add_void(add_certificate(&device));
	passes();
}

/* Units that were given back can be used again; the day's count as well. */
static void
voids_give_back(void **state)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	struct mm_order_claim order = make_order("order-2");

	(void)state;
	claim.daily = 1;
	add_principal(&claim, "officer-1");
	order.units = 1;
	honest.order = add_order(&order, "officer-1");
	for (unsigned i = 0; i < 3; i++) {
		struct issue device = device_issue("dev-01");

		add_void(add_certificate(&device));
	}
	passes();
}

static void
a_new_day_counts_anew(void **state)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	struct issue device;

	(void)state;
	claim.daily = 1;
	add_principal(&claim, "officer-1");
	device = device_issue("dev-01");
	issue_signed(&device);
	honest.time += DAY;
	device = device_issue("dev-02");
	issue_signed(&device);
	passes();
}

/* More than the list of what waits holds at first, signed in another order
 * than they came in. */
static void
many_wait(void **state)
{
	enum { MANY = 100 };
	struct mm_order_claim order = make_order("order-2");
	uint8_t digests[MANY][32];
	struct mm_audit_report report;
	uint64_t first = 0;

	(void)state;
	order.units = 100;
	honest.order = add_order(&order, "officer-1");
	for (unsigned i = 0; i < MANY; i++) {
		struct issue device;
		char name[8];

		snprintf(name, sizeof(name), "dev-%02u", i);
		device = device_issue(keep(name, sizeof(name)));
		mm_tbs_digest(device.entry.tbs, digests[i]);
		if (i == 0)
			first = add_certificate(&device);
		else
			add_certificate(&device);
	}
	for (unsigned i = MANY; i-- > 1;)
		add_signature(first + i, soft_sign("device-ca", digests[i]));
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.unsigned_entries, 1);
	assert_int_equal(report.devices, MANY - 1);
}

/* --- what is not --- */

/* Frames. */

static void
not_a_genesis(void)
{
	mint.log.size = 0;
	add(MM_ENTRY_START, &(struct mm_start_entry){text("1"), 0});
}

static void
a_second_genesis(void)
{
	struct mm_genesis genesis = make_genesis(&mint.log);

	add(MM_ENTRY_GENESIS, &genesis);
}

static void
a_clock_stepped_back(void)
{
	honest.time = NOW + 4;
	add(MM_ENTRY_START, &(struct mm_start_entry){text("1"), 0});
}

static void
another_policy(void)
{
	honest.policy[0] ^= 1;
	add(MM_ENTRY_START, &(struct mm_start_entry){text("1"), 0});
}

/* Genesis. */

static void
begin_with(struct mm_genesis *genesis)
{
	log_begin(&mint.log, genesis);
}

static void
genesis_of_another_log(void)
{
	struct mm_genesis genesis = make_genesis(&mint.log);

	struct mm_ceremony_claim ceremony = make_ceremony();
	struct says says = said(MM_STATEMENT_CEREMONY, &ceremony);

	/* Sound in itself. */
	says.origin = "other.example";
	says.time = NOW;
	genesis.origin = text("other.example");
	genesis.statements = state(says);
	begin_with(&genesis);
}

static void
genesis_with_another_log_key(void)
{
	struct mm_genesis genesis = make_genesis(&mint.log);

	memcpy(genesis.log_key, mint.eve.public_key, 32);
	begin_with(&genesis);
}

static void
genesis_by_no_officer(void)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct says says = said(MM_STATEMENT_CEREMONY, &ceremony);

	says.by = &mint.eve;
	says.time = NOW;
	genesis.statements = state(says);
	begin_with(&genesis);
}

static void
genesis_with_a_key_that_no_ceremony_lists(void)
{
	struct mm_genesis genesis = make_genesis(&mint.log);
	struct mm_genesis_key keys[SOFT_KEYS];

	memcpy(keys, genesis.keys.items, sizeof(keys));
	keys[0].use = MM_KEY_CODE_SIGNING;
	genesis.keys.items = keys;
	begin_with(&genesis);
}

static void
genesis_with_another_policy(void)
{
	struct mm_genesis genesis = make_genesis(&mint.log);

	genesis.policy = make_policy(1, &mint.eve, &mint.bob);
	begin_with(&genesis);
}

/* Policies. */

static void
policy_by_one_officer(void)
{
	change_policy(2, &mint.ada, &mint.eve, &mint.ada, NULL);
}

static void
policy_by_its_own_officers(void)
{
	change_policy(2, &mint.ada, &mint.eve, &mint.ada, &mint.eve);
}

static void
policy_number_left_out(void)
{
	change_policy(3, &mint.ada, &mint.bob, &mint.ada, &mint.bob);
}

/* What enough officers signed stays good when one of them leaves. */
static void
order_of_a_former_officer_passes(void **state)
{
	struct issue device;

	(void)state;
	change_policy(2, &mint.eve, &mint.bob, &mint.ada, &mint.bob);
	device = device_issue("dev-01");
	issue_signed(&device);
	passes();
}

/* But she signs nothing more. */
static void
statement_of_a_former_officer(void)
{
	struct mm_order_claim order = make_order("order-2");

	change_policy(2, &mint.eve, &mint.bob, &mint.ada, &mint.bob);
	add_order(&order, "officer-1");
}

/* People. */

static void
principal_by_no_officer(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());
	struct says says = said(MM_STATEMENT_PRINCIPAL, &claim);

	says.by = &mint.eve;
	add_statements(MM_ENTRY_PRINCIPAL, state(says), "officer-1");
}

static void
principal_expired(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());
	struct says says = said(MM_STATEMENT_PRINCIPAL, &claim);

	says.time = NOW - 10;
	says.expiry = NOW + 9;
	add_statements(MM_ENTRY_PRINCIPAL, state(says), "officer-1");
}

static void
principal_brought_by_nobody(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());

	add_principal(&claim, NULL);
}

static void
principal_brought_by_a_stranger(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());

	add_principal(&claim, "stranger");
}

static void
principal_brought_by_a_station(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());

	add_principal(&claim, "station-1");
}

static void
principal_disabled_before_it_was(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());

	claim.disabled = true;
	add_principal(&claim, "officer-1");
}

static void
principal_with_anothers_key(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, honest.station_spki);

	add_principal(&claim, "officer-1");
}

static void
principal_with_a_devices_key(void)
{
	struct issue device = device_issue("dev-01");
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, device.plan.spki);

	issue_signed(&device);
	add_principal(&claim, "officer-1");
}

static void
statement_replayed(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());
	struct mm_list statements = state(said(MM_STATEMENT_PRINCIPAL, &claim));

	add_statements(MM_ENTRY_PRINCIPAL, statements, "officer-1");
	add_statements(MM_ENTRY_PRINCIPAL, statements, "officer-1");
}

static void
request_used_twice(void)
{
	struct issue first = device_issue("dev-01");
	struct issue second = device_issue("dev-02");

	second.entry.request = first.entry.request;
	issue_signed(&first);
	issue_signed(&second);
}

static void
order_by_no_officer(void)
{
	struct mm_order_claim order = make_order("order-2");
	struct says says = said(MM_STATEMENT_ORDER, &order);

	says.by = &mint.eve;
	add_statements(MM_ENTRY_ORDER, state(says), "officer-1");
}

static void
order_name_twice(void)
{
	struct mm_order_claim order = make_order("order-1");

	add_order(&order, "officer-1");
}

static void
order_unsound(void)
{
	struct mm_order_claim order = make_order("order-2");

	order.devices.pattern = text("dev-*");
	add_order(&order, "officer-1");
}

static void
order_for_no_device_profile(void)
{
	struct mm_order_claim order = make_order("order-2");

	order.profile = text("tls-client");
	add_order(&order, "officer-1");
}

static void
order_is_a_principal(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());

	add_statements(MM_ENTRY_ORDER,
	    state(said(MM_STATEMENT_PRINCIPAL, &claim)), "officer-1");
}

static void
revocation_by_no_officer(void)
{
	struct mm_revoked one = {text("serial"), 1, 0};
	struct mm_revoke_claim claim = {{&one, 1}};
	struct says says = said(MM_STATEMENT_REVOKE, &claim);

	says.by = &mint.eve;
	add_statements(MM_ENTRY_REVOCATION, state(says), "officer-1");
}

static void
a_revocation_passes(void **unused)
{
	struct issue device = device_issue("dev-01"), voided;
	struct mm_span serial = serial_of(device.entry.tbs);

	(void)unused;
	issue_signed(&device);
	voided = device_issue("dev-02");
	add_void(add_certificate(&voided));
	revoke_serial(serial_of(voided.entry.tbs), 1);
	/* RFC 5280 5.3.1: a hold ends, by release or for ever. */
	revoke_serial(serial, 6);
	revoke_serial(serial, 8);
	revoke_serial(serial, 6);
	revoke_serial(serial, 4);
	passes();
}

static struct mm_span
revoked_device(uint64_t reason)
{
	struct issue device = device_issue("dev-01");
	struct mm_span serial = serial_of(device.entry.tbs);

	issue_signed(&device);
	revoke_serial(serial, reason);
	return serial;
}

static void
revocation_for_a_reason_not_used(void)
{
	revoked_device(7);
}

static void
revocation_of_nothing(void)
{
	revoke_serial(text("serial"), 1);
}

static void
revocation_before_its_certificate(void)
{
	struct issue device = device_issue("dev-01");

	revoke_serial(serial_of(device.entry.tbs), 1);
	issue_signed(&device);
}

static void
revoked_twice(void)
{
	revoke_serial(revoked_device(1), 4);
}

static void
held_twice(void)
{
	revoke_serial(revoked_device(6), 6);
}

static void
release_of_what_is_revoked(void)
{
	revoke_serial(revoked_device(1), 8);
}

static void
release_of_what_is_not_held(void)
{
	revoked_device(8);
}

static void
released_twice(void)
{
	struct mm_span serial = revoked_device(6);

	revoke_serial(serial, 8);
	revoke_serial(serial, 8);
}

static void
what_people_say_is_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(not_a_genesis, "entry 0: a log begins with a genesis"),
	    ATTACK(a_second_genesis, "it is a second genesis"),
	    ATTACK(a_clock_stepped_back, "from before the entry before it"),
	    ATTACK(another_policy, "its policy is not the one in force"),
	    ATTACK(genesis_of_another_log, "begins the log other.example"),
	    ATTACK(genesis_with_another_log_key, "begins a log with another"),
	    ATTACK(genesis_by_no_officer, "is of no officer of policy"),
	    ATTACK(genesis_with_a_key_that_no_ceremony_lists,
		"does not list the key \"root\""),
	    ATTACK(genesis_with_another_policy, "names another policy"),
	    ATTACK(policy_by_one_officer, "1 of 2 officers has signed"),
	    ATTACK(policy_by_its_own_officers, "is of no officer of policy"),
	    ATTACK(policy_number_left_out, "the next one is 2"),
	    ATTACK(statement_of_a_former_officer, "is of no officer of policy"),
	    ATTACK(principal_by_no_officer, "is of no officer of policy"),
	    ATTACK(principal_expired, "the statement ended"),
	    ATTACK(principal_brought_by_nobody, "does not say who asked"),
	    ATTACK(principal_brought_by_a_stranger, "was not registered"),
	    ATTACK(principal_brought_by_a_station, "may not ask for"),
	    ATTACK(principal_disabled_before_it_was, "was not registered"),
	    ATTACK(principal_with_anothers_key, "key belongs to another"),
	    ATTACK(principal_with_a_devices_key, "key belongs to another"),
	    ATTACK(statement_replayed, "its statement is also that of"),
	    ATTACK(request_used_twice, "its request is also that of"),
	    ATTACK(order_by_no_officer, "is of no officer of policy"),
	    ATTACK(order_name_twice, "there is an order order-1"),
	    ATTACK(order_unsound, "exactly one of them"),
	    ATTACK(order_for_no_device_profile, "no profile tls-client for"),
	    ATTACK(order_is_a_principal, "of kind principal, not order"),
	    ATTACK(revocation_by_no_officer, "is of no officer of policy"),
	    ATTACK(revocation_for_a_reason_not_used, "for the reason 7"),
	    ATTACK(revocation_of_nothing, "that no certificate before it has"),
	    ATTACK(revocation_before_its_certificate,
		"that no certificate before it has"),
	    ATTACK(revoked_twice, "that entry 17 has revoked"),
	    ATTACK(held_twice, "that entry 17 has revoked"),
	    ATTACK(release_of_what_is_revoked, "hold that was not there"),
	    ATTACK(release_of_what_is_not_held, "hold that was not there"),
	    ATTACK(released_twice, "hold that was not there"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* Certificates. */

static void
device_of_no_order(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.basis = honest.station;
	issue_signed(&device);
}

static void
device_of_a_later_order(void)
{
	struct mm_order_claim order = make_order("order-2");
	struct issue device = device_issue("dev-01");

	device.entry.basis = mint.log.size + 2;
	issue_signed(&device);
	add_order(&order, "officer-1");
}

static void
device_of_an_unsound_order(void)
{
	struct issue device = issue_of_an_unsound_order();

	issue_signed(&device);
}

static void
device_outside_its_order(void)
{
	struct issue device = device_issue("dev-100");

	issue_signed(&device);
}

static void
device_after_its_order(void)
{
	struct issue device;

	honest.time = NOW + 10 * DAY + 1;
	device = device_issue("dev-01");
	issue_signed(&device);
}

static void
device_of_another_station(void)
{
	struct mm_principal_claim claim =
	    make_principal("station-2", MM_ROLE_STATION, make_spki());
	struct issue device = device_issue("dev-01");

	add_principal(&claim, "officer-1");
	device.entry.principal = text("station-2");
	issue_signed(&device);
}

static void
device_of_a_stranger(void)
{
	struct issue device;
	struct mm_order_claim order = make_order("order-2");

	order.stations = TEXTS("stranger");
	honest.order = add_order(&order, "officer-1");
	device = device_issue("dev-01");
	device.entry.principal = text("stranger");
	issue_signed(&device);
}

static void
device_of_a_disabled_station(void)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	struct issue device = device_issue("dev-01");

	claim.disabled = true;
	add_principal(&claim, "officer-1");
	issue_signed(&device);
}

static void
device_of_an_auditor(void)
{
	struct issue device;
	struct mm_order_claim order = make_order("order-2");

	order.stations = TEXTS("auditor-1");
	honest.order = add_order(&order, "officer-1");
	device = device_issue("dev-01");
	device.entry.principal = text("auditor-1");
	issue_signed(&device);
}

static void
device_of_a_profile_not_the_stations(void)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	struct issue device = device_issue("dev-01");

	claim.profiles = TEXTS("device-2");
	add_principal(&claim, "officer-1");
	issue_signed(&device);
}

static void
device_without_a_request(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.request = mm_span(NULL, 0);
	issue_signed(&device);
}

static void
one_unit_too_many(void)
{
	struct mm_order_claim order = make_order("order-2");
	struct issue device;

	order.units = 1;
	honest.order = add_order(&order, "officer-1");
	device = device_issue("dev-01");
	issue_signed(&device);
	device = device_issue("dev-02");
	issue_signed(&device);
}

static void
one_too_many_a_day(void)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	struct issue device;

	claim.daily = 1;
	add_principal(&claim, "officer-1");
	device = device_issue("dev-01");
	issue_signed(&device);
	device = device_issue("dev-02");
	issue_signed(&device);
}

static void
device_twice(void)
{
	struct issue first = device_issue("dev-01");
	struct issue second = device_issue("dev-01");

	issue_signed(&first);
	issue_signed(&second);
}

static void
key_for_two_devices(void)
{
	struct issue first = device_issue("dev-01");
	struct issue second = device_issue("dev-02");

	second.plan.spki = first.plan.spki;
	make_tbs(&second);
	issue_signed(&first);
	issue_signed(&second);
}

static void
key_of_a_principal(void)
{
	struct issue device = device_issue("dev-01");

	device.plan.spki = honest.station_spki;
	make_tbs(&device);
	issue_signed(&device);
}

/* Even where the first was never signed. */
static void
tbs_twice(void)
{
	struct issue first = device_issue("dev-01");
	struct issue second = device_issue("dev-01");

	second.entry.tbs = first.entry.tbs;
	memcpy(second.entry.key, first.entry.key, 32);
	add_void(add_certificate(&first));
	issue_signed(&second);
}

static void
tbs_is_none(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.tbs = text("tbs");
	add_certificate(&device);
}

static void
tbs_has_another_key(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.key[0] ^= 1;
	add_certificate(&device);
}

static void
tbs_of_another_device(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.subject = text("dev-02");
	add_certificate(&device);
}

static void
tbs_of_another_time(void)
{
	struct issue device = device_issue("dev-01");

	honest.time++;
	add_certificate(&device);
}

static void
profile_unknown(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.profile = text("nothing");
	add_certificate(&device);
}

static void
by_a_key_that_is_not_there(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.issuer = text("nobody");
	add_certificate(&device);
}

static void
by_the_code_signing_key(void)
{
	struct issue device = device_issue("dev-01");

	device.entry.issuer = text("codesign");
	add_certificate(&device);
}

static void
by_a_ca_without_certificate(void)
{
	struct issue device = device_issue("dev-01");

	/* The log before its device CA was certified. */
	mint.log.size = 3;
	honest.time = NOW + 5;
	add_people();
	device = device_issue("dev-01");
	add_certificate(&device);
}

static void
client_of_no_statement(void)
{
	struct issue client = client_issue();

	client.entry.basis = honest.order;
	add_certificate(&client);
}

static void
client_of_an_old_statement(void)
{
	struct mm_principal_claim claim =
	    make_principal("station-1", MM_ROLE_STATION, honest.station_spki);
	struct issue client = client_issue();

	claim.daily = 7;
	add_principal(&claim, "officer-1");
	add_certificate(&client);
}

static void
client_asked_for_by_a_station(void)
{
	struct issue client = client_issue();

	client.entry.principal = text("station-1");
	add_certificate(&client);
}

static void
client_asked_for_by_nobody(void)
{
	struct issue client = client_issue();

	client.entry.principal = mm_span(NULL, 0);
	add_certificate(&client);
}

static void
client_renewed_by_another(void)
{
	struct issue client = client_issue();

	client.entry.request = new_request();
	add_certificate(&client);
}

static void
server_asked_for(void)
{
	struct issue server = server_issue();

	server.entry.principal = text("officer-1");
	add_certificate(&server);
}

static void
server_named_like_an_entry(void)
{
	struct issue server = server_issue();

	server.entry.subject = text("entry 3");
	add_certificate(&server);
}

static void
server_of_another_policy(void)
{
	struct issue server = server_issue();

	server.entry.basis = honest.order;
	add_certificate(&server);
}

static void
ca_of_no_ceremony(void)
{
	struct issue ca = make_issue("device-ca", "Others", "root",
	    honest.root_tbs, mint_key("device-ca")->spki);

	add_certificate(&ca);
}

static void
ca_after_the_ceremony(void)
{
	struct issue ca;

	honest.time = NOW + DAY + 1;
	ca = make_issue("device-ca", "Devices", "root", honest.root_tbs,
	    mint_key("device-ca")->spki);
	add_certificate(&ca);
}

static void
ca_of_another_basis(void)
{
	struct issue ca = make_issue("device-ca", "Devices", "root",
	    honest.root_tbs, mint_key("device-ca")->spki);

	ca.entry.basis = 1;
	add_certificate(&ca);
}

static void
certificates_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(device_of_no_order, "is no order"),
	    ATTACK(device_of_a_later_order, "is no order"),
	    ATTACK(device_of_an_unsound_order, "its order is not sound"),
	    ATTACK(device_outside_its_order, "does not cover device dev-100"),
	    ATTACK(device_after_its_order, "order order-1 ended"),
	    ATTACK(device_of_another_station, "not for station station-2"),
	    ATTACK(device_of_a_stranger, "stranger was not registered"),
	    ATTACK(device_of_a_disabled_station, "station-1 is disabled"),
	    ATTACK(device_of_an_auditor, "has the role auditor"),
	    ATTACK(device_of_a_profile_not_the_stations,
		"may not use profile device"),
	    ATTACK(device_without_a_request, "does not say who asked"),
	    ATTACK(one_unit_too_many, "all 1 units of order order-2"),
	    ATTACK(one_too_many_a_day, "1 certificates of today"),
	    ATTACK(device_twice, "device has a live certificate already"),
	    ATTACK(key_for_two_devices, "its key belongs to another"),
	    ATTACK(key_of_a_principal, "its key belongs to another"),
	    ATTACK(tbs_twice, "its serial number is also that of"),
	    ATTACK(tbs_is_none, "the TBS's DER is malformed"),
	    ATTACK(tbs_has_another_key, "another key than its TBS"),
	    ATTACK(tbs_of_another_device, "device's id is not in it"),
	    ATTACK(tbs_of_another_time, "validity"),
	    ATTACK(profile_unknown, "no profile nothing"),
	    ATTACK(by_a_key_that_is_not_there, "no key \"nobody\""),
	    ATTACK(by_the_code_signing_key, "is for code-signing"),
	    ATTACK(by_a_ca_without_certificate, "has no certificate yet"),
	    ATTACK(client_of_no_statement, "is no principal"),
	    ATTACK(client_of_an_old_statement,
		"its basis is not the newest entry about"),
	    ATTACK(client_asked_for_by_a_station, "may not ask for"),
	    ATTACK(client_asked_for_by_nobody, "was not registered"),
	    ATTACK(client_renewed_by_another, "cannot have renewed it"),
	    ATTACK(server_asked_for, "cannot have asked for it"),
	    ATTACK(server_named_like_an_entry, ": entry 3 is not a name"),
	    ATTACK(server_of_another_policy, "its basis must be entry 0"),
	    ATTACK(ca_of_no_ceremony, "ceremony lists no certificate"),
	    ATTACK(ca_after_the_ceremony, "has expired"),
	    ATTACK(ca_of_another_basis, "is no ceremony"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* Images. */

static struct release release;

static void
add_release(void)
{
	add_signature(add(MM_ENTRY_IMAGE, &release.entry),
	    soft_sign("codesign", release.entry.digest));
}

static void
image_of_another_version(void)
{
	make_release(&release, "1.0");
	release.entry.version = text("1.1");
	add_release();
}

static void
image_of_another_digest(void)
{
	make_release(&release, "1.0");
	release.entry.sha256[0] ^= 1;
	release.entry.digest[0] ^= 1;
	add_release();
}

static void
image_by_no_officer(void)
{
	struct says says;

	make_release(&release, "1.0");
	says = said(MM_STATEMENT_RELEASE, &release.claim);
	says.by = &mint.eve;
	release.entry.statements = state(says);
	add_release();
}

static void
image_without_statements(void)
{
	make_release(&release, "1.0");
	release.entry.statements = (struct mm_list){NULL, 0};
	add_release();
}

static void
image_by_a_ca(void)
{
	make_release(&release, "1.0");
	release.entry.key = text("device-ca");
	add_release();
}

static void
image_of_a_station(void)
{
	make_release(&release, "1.0");
	release.entry.principal = text("station-1");
	add_release();
}

static void
image_of_nobody(void)
{
	make_release(&release, "1.0");
	release.entry.principal = mm_span(NULL, 0);
	add_release();
}

static void
image_twice(void)
{
	make_release(&release, "1.0");
	add_release();
	make_release(&release, "1.0");
	add_release();
}

static void
image_scheme_unknown(void)
{
	make_release(&release, "1.0");
	release.entry.scheme = text("rot13");
	add_release();
}

static void
images_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(image_of_another_version, "the version of lamp 1.1"),
	    ATTACK(image_of_another_digest, "the image of lamp 1.0"),
	    ATTACK(image_by_no_officer, "is of no officer of policy"),
	    ATTACK(image_without_statements, "0 statements"),
	    ATTACK(image_by_a_ca, "no code-signing key"),
	    ATTACK(image_of_a_station, "may not ask for"),
	    ATTACK(image_of_nobody, "does not say who asked"),
	    ATTACK(image_twice, "its release has a live signature already"),
	    ATTACK(image_scheme_unknown, "there is no signature scheme"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* Outcomes. */

static void
signed_by_another_key(void)
{
	struct issue device = device_issue("dev-01");
	uint8_t digest[32];

	mm_tbs_digest(device.entry.tbs, digest);
	add_signature(add_certificate(&device), soft_sign("root", digest));
}

static void
signed_over_something_else(void)
{
	struct issue device = device_issue("dev-01");
	uint8_t digest[32] = {1};

	add_signature(add_certificate(&device), soft_sign("device-ca", digest));
}

static void
signature_too_long(void)
{
	static const uint8_t bytes[200] = {0x30};
	struct issue device = device_issue("dev-01");

	add_signature(add_certificate(&device), mm_span(bytes, sizeof(bytes)));
}

static void
signed_twice(void)
{
	struct issue device = device_issue("dev-01");
	uint64_t index = issue_signed(&device);

	add_signature(index, text("again"));
}

static void
signed_after_its_void(void)
{
	struct issue device = device_issue("dev-01");
	uint64_t index = add_certificate(&device);

	add_void(index);
	add_signature(index, text("again"));
}

static void
void_after_its_signature(void)
{
	struct issue device = device_issue("dev-01");

	add_void(issue_signed(&device));
}

static void
signature_of_an_order(void)
{
	add_signature(honest.order, text("order"));
}

static void
signature_of_what_comes(void)
{
	add_signature(mint.log.size, text("myself"));
}

static void
signatures_not_ascending(void)
{
	struct issue first = device_issue("dev-01");
	struct issue second = device_issue("dev-02");
	uint8_t digests[2][32];
	struct mm_signature items[2];
	struct mm_signatures_entry body = {{items, 2}};

	mm_tbs_digest(first.entry.tbs, digests[0]);
	mm_tbs_digest(second.entry.tbs, digests[1]);
	items[1].index = add_certificate(&first);
	items[1].signature = soft_sign("device-ca", digests[0]);
	items[0].index = add_certificate(&second);
	items[0].signature = soft_sign("device-ca", digests[1]);
	add(MM_ENTRY_SIGNATURES, &body);
}

static void
void_for_no_reason(void)
{
	struct issue device = device_issue("dev-01");
	struct mm_void one = {add_certificate(&device), text("why not")};
	struct mm_void_entry body = {{&one, 1}};

	add(MM_ENTRY_VOID, &body);
}

static void
outcomes_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(signed_by_another_key, "does not verify"),
	    ATTACK(signed_over_something_else, "does not verify"),
	    ATTACK(signature_too_long, "does not verify"),
	    ATTACK(signed_twice, "does not wait for a signature"),
	    ATTACK(signed_after_its_void, "does not wait for a signature"),
	    ATTACK(void_after_its_signature, "does not wait for a signature"),
	    ATTACK(signature_of_an_order, "does not wait for a signature"),
	    ATTACK(signature_of_what_comes, "before that is there"),
	    ATTACK(signatures_not_ascending, "its rows do not ascend"),
	    ATTACK(void_for_no_reason, "\"why not\" is no reason"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* What is only told. */

static void
refuse(const char *principal, const char *request, const char *reason)
{
	struct mm_refusal refusal = {.principal = text(principal),
	    .request = text(request),
	    .reason = text(reason),
	    .count = 1};
	struct mm_refusal_entry refusals = {{&refusal, 1}};

	add(MM_ENTRY_REFUSAL, &refusals);
}

static void
refusal_for_no_reason(void)
{
	refuse("station-1", "issue", "whim");
}

static void
refusal_that_is_none(void)
{
	refuse("station-1", "issue", "ok");
}

static void
refusal_of_a_stranger(void)
{
	refuse("stranger", "issue", "order-closed");
}

static void
refusal_of_no_request(void)
{
	refuse("station-1", "dance", "order-closed");
}

static void
export_(uint64_t from, uint64_t to, const char *principal)
{
	struct mm_export_entry body = {.from = from,
	    .to = to,
	    .format = text("csv"),
	    .principal = text(principal),
	    .request = new_request()};

	add(MM_ENTRY_EXPORT, &body);
}

static void
export_of_nothing(void)
{
	export_(5, 5, "auditor-1");
}

static void
export_of_what_comes(void)
{
	export_(0, mint.log.size + 1, "auditor-1");
}

static void
export_by_a_station(void)
{
	export_(0, 5, "station-1");
}

static void
export_many(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		export_(0, 5, "auditor-1");
}

static void
export_too_often(void)
{
	export_many(MM_EXPORTS_DAILY + 1);
}

static void
start_after(uint64_t undecided)
{
	const struct mm_start_entry start = {text("1"), undecided};
	struct issue one = device_issue("dev-01"), other;

	issue_signed(&one);
	one = device_issue("dev-02");
	add_void(add_certificate(&one));
	other = device_issue("dev-03");
	add_certificate(&other);
	add(MM_ENTRY_START, &start);
}

static void
start_that_hides_what_is_undecided(void)
{
	start_after(0);
}

static void
start_that_finds_too_many(void)
{
	start_after(2);
}

/* A day's exports of one are not another's, and not the next day's. */
static void
starts_and_exports_pass(void **state)
{
	(void)state;
	start_after(1);
	export_many(MM_EXPORTS_DAILY);
	export_(0, 5, "officer-1");
	honest.time += DAY;
	export_many(MM_EXPORTS_DAILY);
	passes();
}

static void
what_is_told_is_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(refusal_for_no_reason, "\"whim\" is no reason"),
	    ATTACK(refusal_that_is_none, "\"ok\" is no reason"),
	    ATTACK(refusal_of_a_stranger, "stranger was not registered"),
	    ATTACK(refusal_of_no_request, "no request \"dance\""),
	    ATTACK(export_of_nothing, "entries 5 to 5 were not there"),
	    ATTACK(export_of_what_comes, "were not there"),
	    ATTACK(export_by_a_station, "may not ask for"),
	    ATTACK(export_too_often, "it is a day's export 101"),
	    ATTACK(start_that_hides_what_is_undecided,
		"it has found 0 entries without a signature, and there are 1"),
	    ATTACK(start_that_finds_too_many, "and there are 1"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* CRLs and keys. */

static uint64_t
add_crl_of(
    const char *issuer, uint64_t number, uint64_t size, struct mm_span tbs)
{
	struct mm_crl_entry body = {.issuer = text(issuer),
	    .number = number,
	    .this_update = honest.time,
	    .next_update = honest.time + DAY,
	    .size = size,
	    .tbs = tbs};

	return add(MM_ENTRY_CRL, &body);
}

static uint64_t
add_crl(const char *issuer, uint64_t number, uint64_t size)
{
	return add_crl_of(issuer, number, size,
	    make_crl(strcmp(issuer, "access-ca") == 0 ? honest.access_ca_tbs
						      : honest.device_ca_tbs,
		(unsigned)number));
}

static void
crls_pass(void **state)
{
	uint8_t digest[32];
	struct mm_audit_report report;

	(void)state;
	mm_tbs_digest(make_crl(honest.device_ca_tbs, 1), digest);
	add_signature(
	    add_crl("device-ca", 1, 5), soft_sign("device-ca", digest));
	add_crl("access-ca", 7, 5);
	add_crl("device-ca", 2, mint.log.size);
	passes();
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.unsigned_entries, 2);
	assert_int_equal(report.devices, 0);
}

/* A void one's number is gone: the first one's, the last one's, and those
 * of several at once. */
static void
crl_numbers_go_on_after_voids(void **state)
{
	uint64_t second, third;

	(void)state;
	add_void(add_crl("device-ca", 41, 3));
	second = add_crl("device-ca", 42, 3);
	third = add_crl("device-ca", 43, 4);
	add_void(second);
	add_void(third);
	add_crl("device-ca", 44, 4);
	passes();
}

static void
crl_number_of_a_void_one(void)
{
	add_void(add_crl("device-ca", 1, 0));
	add_crl("device-ca", 1, 0);
}

static void
crl_number_again(void)
{
	add_crl("device-ca", 1, 0);
	add_crl("device-ca", 1, 0);
}

static void
crl_number_left_out(void)
{
	add_crl("device-ca", 1, 0);
	add_crl("device-ca", 3, 0);
}

static void
crl_that_knows_less_than_the_last(void)
{
	add_crl("device-ca", 1, 5);
	add_crl("device-ca", 2, 4);
}

static void
crl_of_what_comes(void)
{
	add_crl("device-ca", 1, mint.log.size + 1);
}

static void
crl_that_ends_before_it_begins(void)
{
	struct mm_crl_entry body = {.issuer = text("device-ca"),
	    .number = 1,
	    .this_update = honest.time,
	    .next_update = honest.time - 1,
	    .tbs = make_crl(honest.device_ca_tbs, 1)};

	add(MM_ENTRY_CRL, &body);
}

static void
crl_by_code_signing(void)
{
	add_crl("codesign", 1, 0);
}

/* A certificate that no order allows, as if it were a CRL. */
static void
crl_that_is_a_certificate(void)
{
	struct issue device = device_issue("dev-01");
	uint8_t digest[32];

	mm_tbs_digest(device.entry.tbs, digest);
	add_signature(add_crl_of("device-ca", 1, 0, device.entry.tbs),
	    soft_sign("device-ca", digest));
}

static void
crl_of_another_ca(void)
{
	add_crl_of("device-ca", 1, 0, make_crl(honest.access_ca_tbs, 1));
}

static void
crl_of_another_time(void)
{
	struct mm_span tbs = make_crl(honest.device_ca_tbs, 1);

	honest.time++;
	add_crl_of("device-ca", 1, 0, tbs);
}

static void
crl_with_bytes_and_blob(void)
{
	struct mm_crl_entry body = {.issuer = text("device-ca"),
	    .number = 1,
	    .tbs = text("crl"),
	    .tbs_sha256 = mm_span(honest.policy, 32),
	    .tbs_size = 3};

	add(MM_ENTRY_CRL, &body);
}

static void
crl_of_nothing(void)
{
	struct mm_crl_entry body = {.issuer = text("device-ca"), .number = 1};

	add(MM_ENTRY_CRL, &body);
}

/* --- what CRLs list --- */

enum { REVOKED = 3, MANY_REVOKED = 200 };

/* Three devices, of which two are revoked at once and the last later, and a
 * station's certificate by another CA. */
static struct revoked {
	struct mm_span device[REVOKED], client;
	uint64_t middle; /* the third is revoked from here on */
} revoked;

static void
revoke_some(void)
{
	static const uint64_t reasons[REVOKED] = {1, 0, 4};
	struct issue client;

	for (unsigned i = 0; i < REVOKED; i++) {
		struct issue device;
		char name[8];

		snprintf(name, sizeof(name), "dev-%02u", i);
		device = device_issue(keep(name, sizeof(name)));
		revoked.device[i] = serial_of(device.entry.tbs);
		issue_signed(&device);
		revoked.middle = mint.log.size;
		revoke_serial(revoked.device[i], reasons[i]);
	}
	client = client_issue();
	revoked.client = serial_of(client.entry.tbs);
	issue_signed(&client);
	revoke_serial(revoked.client, 5);
}

/* The device CA's first CRL, with what it lists and up to where. */
static uint64_t
list_until(uint64_t size, const struct listed *listed, size_t count)
{
	struct crl_plan plan = {.ca_tbs = honest.device_ca_tbs,
	    .number = 1,
	    .listed = listed,
	    .count = count};
	struct mm_crl_entry body = {.issuer = text("device-ca"),
	    .number = 1,
	    .this_update = honest.time,
	    .next_update = honest.time + DAY,
	    .size = size,
	    .count = count,
	    .tbs = make_crl_of(&plan)};

	return add(MM_ENTRY_CRL, &body);
}

static void
crls_list_who_is_revoked(void **state)
{
	struct listed listed[REVOKED];

	(void)state;
	revoke_some();
	/* In another order, and the reasons 0 and 4 not given and given. */
	listed[0] = (struct listed){revoked.device[2], 4};
	listed[1] = (struct listed){revoked.device[0], 1};
	listed[2] = (struct listed){revoked.device[1], -1};
	list_until(mint.log.size, listed, 3);
	passes();
	mint.log.size--;
	list_until(revoked.middle, &listed[1], 2);
	passes();
	mint.log.size--;
	list_until(revoked.middle + 1, listed, 3);
	passes();
}

static void
crls_follow_a_hold(void **state)
{
	struct mm_span serial = revoked_device(6);
	struct listed held = {serial, 6}, for_ever = {serial, 2};

	(void)state;
	list_until(mint.log.size, &held, 1);
	passes();
	mint.log.size--;
	revoke_serial(serial, 8);
	list_until(mint.log.size, NULL, 0);
	passes();
	mint.log.size -= 2;
	revoke_serial(serial, 2);
	list_until(mint.log.size, &for_ever, 1);
	passes();
}

/* More than the table of the revoked holds at first. */
static void
crls_list_many(void **state)
{
	struct mm_order_claim order = make_order("order-2");
	struct listed listed[MANY_REVOKED];

	(void)state;
	order.units = MANY_REVOKED;
	order.devices = (struct mm_devices){
	    .first = text("dev-000"), .last = text("dev-999")};
	honest.order = add_order(&order, "officer-1");
	for (unsigned i = 0; i < MANY_REVOKED; i++) {
		struct issue device;
		char name[8];

		snprintf(name, sizeof(name), "dev-%03u", i);
		device = device_issue(keep(name, sizeof(name)));
		listed[i] =
		    (struct listed){serial_of(device.entry.tbs), (int)i % 6};
		add_certificate(&device);
		revoke_serial(listed[i].serial, i % 6);
	}
	list_until(mint.log.size, listed, MANY_REVOKED);
	passes();
	mint.log.size--;
	list_until(mint.log.size, listed, MANY_REVOKED - 1);
	assert_int_equal(audit(&(struct mm_audit_report){0}), MM_E_LOG_WRONG);
}

static void
crl_that_misses_one(void)
{
	revoke_some();
	list_until(mint.log.size,
	    (struct listed[]){{revoked.device[0], 1}, {revoked.device[1], 0}},
	    2);
}

static void
crl_that_lists_one_too_early(void)
{
	revoke_some();
	list_until(revoked.middle,
	    (struct listed[]){{revoked.device[0], 1}, {revoked.device[1], 0},
		{revoked.device[2], 4}},
	    3);
}

static void
crl_that_lists_what_is_not_revoked(void)
{
	struct issue device = device_issue("dev-05");

	issue_signed(&device);
	list_until(mint.log.size,
	    (struct listed[]){{serial_of(device.entry.tbs), 1}}, 1);
}

static void
crl_that_lists_one_twice(void)
{
	revoke_some();
	list_until(mint.log.size,
	    (struct listed[]){{revoked.device[0], 1}, {revoked.device[1], 0},
		{revoked.device[0], 1}},
	    3);
}

/* As many as there are, and one of them is another CA's. */
static void
crl_that_lists_another_ca_s(void)
{
	revoke_some();
	list_until(mint.log.size,
	    (struct listed[]){{revoked.device[0], 1}, {revoked.device[1], 0},
		{revoked.client, 5}},
	    3);
}

static void
crl_for_another_reason(void)
{
	revoke_some();
	list_until(revoked.middle,
	    (struct listed[]){{revoked.device[0], 4}, {revoked.device[1], 0}},
	    2);
}

static void
two_crls_that_list_one(void)
{
	struct listed one = {revoked_device(1), 1};
	struct crl_plan plan = {.ca_tbs = honest.access_ca_tbs,
	    .number = 1,
	    .listed = &one,
	    .count = 1};
	struct mm_crl_entry body = {.issuer = text("access-ca"),
	    .number = 1,
	    .this_update = honest.time,
	    .next_update = honest.time + DAY,
	    .count = 1,
	    .tbs = make_crl_of(&plan)};

	list_until(mint.log.size, &one, 1);
	body.size = mint.log.size;
	add(MM_ENTRY_CRL, &body);
}

static void
crl_after_the_hold_is_taken_back(void)
{
	struct listed one = {revoked_device(6), -1};

	revoke_serial(one.serial, 8);
	list_until(mint.log.size, &one, 1);
}

static void
crl_with_another_count(void)
{
	struct mm_crl_entry body = {.issuer = text("device-ca"),
	    .number = 1,
	    .this_update = honest.time,
	    .next_update = honest.time + DAY,
	    .count = 1,
	    .tbs = make_crl(honest.device_ca_tbs, 1)};

	add(MM_ENTRY_CRL, &body);
}

static void
crl_with_another_number(void)
{
	add_crl_of("device-ca", 1, 0, make_crl(honest.device_ca_tbs, 2));
}

static void
crl_planned(struct crl_plan plan)
{
	plan.ca_tbs = honest.device_ca_tbs;
	plan.number = 1;
	add_crl_of("device-ca", 1, 0, make_crl_of(&plan));
}

static void
crl_without_a_number(void)
{
	crl_planned((struct crl_plan){.no_number = true});
}

static void
crl_with_two_numbers(void)
{
	crl_planned((struct crl_plan){.number_twice = true});
}

static void
crl_with_a_critical_number(void)
{
	crl_planned((struct crl_plan){.critical = true});
}

static void
crl_that_is_a_delta(void)
{
	crl_planned((struct crl_plan){.delta = true});
}

static void
crl_with_an_empty_list(void)
{
	crl_planned((struct crl_plan){.empty_list = true});
}

/* A blob that nobody can have is not believed. */
static void
crl_in_a_lost_blob(void)
{
	struct mm_crl_entry body = {.issuer = text("device-ca"),
	    .number = 1,
	    .tbs_sha256 = mm_span(honest.policy, 32),
	    .tbs_size = 3};

	add(MM_ENTRY_CRL, &body);
}

/* --- keys --- */

static struct mm_ceremony_claim
new_key_ceremony(void)
{
	static const struct mm_ceremony_key key = {
	    .name = {(const uint8_t *)"device-ca-2", 11},
	    .use = MM_KEY_DEVICE_CA};
	struct mm_ceremony_claim claim = {
	    .keys = {&key, 1}, .retired = TEXTS("device-ca")};

	memcpy(claim.policy, mint.policy_digest, 32);
	return claim;
}

static uint64_t
add_ceremony(const struct mm_ceremony_claim *claim)
{
	return add_statements(MM_ENTRY_CEREMONY,
	    state(said(MM_STATEMENT_CEREMONY, claim)), "officer-1");
}

static uint64_t
add_new_ceremony(void)
{
	struct mm_ceremony_claim ceremony = new_key_ceremony();

	return add_ceremony(&ceremony);
}

static uint64_t
add_key(uint64_t basis, const char *name, uint64_t use, struct mm_span spki)
{
	struct mm_key_entry body = {
	    .name = text(name), .use = use, .spki = spki, .basis = basis};

	return add(MM_ENTRY_KEY, &body);
}

static uint64_t
retire_key(uint64_t basis, const char *name, uint64_t use)
{
	struct mm_key_entry body = {.name = text(name),
	    .use = use,
	    .spki = mint_key(name)->spki,
	    .retired = true,
	    .basis = basis};

	return add(MM_ENTRY_KEY, &body);
}

static void
keys_come_and_go(void **state)
{
	uint64_t ceremony = add_new_ceremony();

	(void)state;
	add_key(ceremony, "device-ca-2", MM_KEY_DEVICE_CA, make_spki());
	retire_key(ceremony, "device-ca", MM_KEY_DEVICE_CA);
	passes();
}

static void
key_without_a_ceremony(void)
{
	add_key(honest.order, "device-ca-2", MM_KEY_DEVICE_CA, make_spki());
}

static void
key_of_no_ceremony(void)
{
	add_key(add_new_ceremony(), "other", MM_KEY_DEVICE_CA, make_spki());
}

static void
key_under_another_policy(void)
{
	struct mm_ceremony_claim ceremony = new_key_ceremony();

	ceremony.policy[0] ^= 1;
	add_ceremony(&ceremony);
}

static void
key_for_another_use(void)
{
	add_key(add_new_ceremony(), "device-ca-2", MM_KEY_ROOT_CA, make_spki());
}

static void
key_that_is_there(void)
{
	add_key(add_new_ceremony(), "device-ca-2", MM_KEY_DEVICE_CA,
	    mint_key("root")->spki);
}

static void
key_added_twice(void)
{
	uint64_t ceremony = add_new_ceremony();

	add_key(ceremony, "device-ca-2", MM_KEY_DEVICE_CA, make_spki());
	add_key(ceremony, "device-ca-2", MM_KEY_DEVICE_CA, make_spki());
}

static void
key_of_a_station(void)
{
	add_key(add_new_ceremony(), "device-ca-2", MM_KEY_DEVICE_CA,
	    honest.station_spki);
}

static void
key_retired_by_no_ceremony(void)
{
	retire_key(add_new_ceremony(), "root", MM_KEY_ROOT_CA);
}

static void
key_retired_twice(void)
{
	uint64_t ceremony = add_new_ceremony();

	retire_key(ceremony, "device-ca", MM_KEY_DEVICE_CA);
	retire_key(ceremony, "device-ca", MM_KEY_DEVICE_CA);
}

static void
device_by_a_retired_key(void)
{
	struct issue device;

	retire_key(add_new_ceremony(), "device-ca", MM_KEY_DEVICE_CA);
	device = device_issue("dev-01");
	add_certificate(&device);
}

static void
signed_by_a_retired_key(void)
{
	struct issue device = device_issue("dev-01");
	uint64_t index = add_certificate(&device);
	uint8_t digest[32];

	retire_key(add_new_ceremony(), "device-ca", MM_KEY_DEVICE_CA);
	mm_tbs_digest(device.entry.tbs, digest);
	add_signature(index, soft_sign("device-ca", digest));
}

static void
ceremony_again(void)
{
	struct mm_ceremony_claim ceremony = new_key_ceremony();
	struct mm_list statements =
	    state(said(MM_STATEMENT_CEREMONY, &ceremony));

	add_statements(MM_ENTRY_CEREMONY, statements, "officer-1");
	add_statements(MM_ENTRY_CEREMONY, statements, "officer-1");
}

static void
ceremony_by_a_station(void)
{
	struct mm_ceremony_claim ceremony = new_key_ceremony();

	add_statements(MM_ENTRY_CEREMONY,
	    state(said(MM_STATEMENT_CEREMONY, &ceremony)), "station-1");
}

static void
crls_and_keys_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(crl_number_again, "does not follow CRL 1"),
	    ATTACK(crl_number_of_a_void_one, "does not follow CRL 1"),
	    ATTACK(crl_number_left_out, "does not follow CRL 1"),
	    ATTACK(crl_of_what_comes, "counts entries below"),
	    ATTACK(crl_that_knows_less_than_the_last, "the last below 5"),
	    ATTACK(crl_that_ends_before_it_begins, "has other times"),
	    ATTACK(crl_by_code_signing, "is no key of a CA"),
	    ATTACK(crl_that_is_a_certificate, "is no list of revoked"),
	    ATTACK(crl_of_another_ca, "is not by \"device-ca\""),
	    ATTACK(crl_of_another_time, "has other times"),
	    ATTACK(crl_that_misses_one,
		"its CRL lists 2 certificates, and the entries before"),
	    ATTACK(crl_that_lists_one_too_early, "has revoked"),
	    ATTACK(crl_that_lists_what_is_not_revoked, "has revoked"),
	    ATTACK(crl_that_lists_one_twice, "lists twice"),
	    ATTACK(crl_that_lists_another_ca_s, "another CA has issued"),
	    ATTACK(crl_for_another_reason, "for the reason 1"),
	    ATTACK(two_crls_that_list_one, "another CA's CRL lists"),
	    ATTACK(crl_after_the_hold_is_taken_back, "that no entry before"),
	    ATTACK(crl_with_another_count, "lists 0 certificates, and it says"),
	    ATTACK(crl_with_another_number, "has the number 2"),
	    ATTACK(crl_without_a_number, "has no number"),
	    ATTACK(crl_with_two_numbers, "has no number"),
	    ATTACK(crl_with_a_critical_number, "critical extension"),
	    ATTACK(crl_that_is_a_delta, "critical extension"),
	    ATTACK(crl_with_an_empty_list, "is no list of revoked"),
	    {"crl_in_a_lost_blob", crl_in_a_lost_blob, "none can be had",
		MM_E_BLOB},
	    {"crl_with_bytes_and_blob", crl_with_bytes_and_blob,
		"bytes or the blob", MM_E_ENTRY},
	    {"crl_of_nothing", crl_of_nothing, "neither bytes nor a blob",
		MM_E_ENTRY},
	    ATTACK(key_without_a_ceremony, "ceremony"),
	    ATTACK(key_of_no_ceremony, "\"other\""),
	    ATTACK(key_under_another_policy, "policy"),
	    ATTACK(key_for_another_use, "device-ca-2"),
	    ATTACK(key_that_is_there, "entry"),
	    ATTACK(key_added_twice, "device-ca-2"),
	    ATTACK(key_of_a_station, "its key belongs to another"),
	    ATTACK(key_retired_by_no_ceremony, "root"),
	    ATTACK(key_retired_twice, "device-ca"),
	    ATTACK(ceremony_again, "entry"),
	    ATTACK(ceremony_by_a_station, "may not"),
	    ATTACK(device_by_a_retired_key, "no key \"device-ca\""),
	    ATTACK(signed_by_a_retired_key, "which is retired"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

static void
what_is_no_entry_is_told(void **state)
{
	struct mm_audit_report report;

	(void)state;
	log_append(&mint.log, text("no entry"));
	assert_int_equal(audit(&report), MM_E_ENTRY);
	assert_non_null(strstr(mm_why(MM_E_ENTRY), "entry 15: "));
}

/* --- checkpoints --- */

static void
the_checkpoint_is_of_these_entries(void **state)
{
	const struct mm_audit_options options = {.vkey = &mint.log.vkey};
	struct mm_checkpoint checkpoint = honest_checkpoint(mint.log.size);
	struct mm_audit_report report;

	(void)state;
	checkpoint.size--;
	assert_int_equal(
	    audit_with(&options, &checkpoint, &report), MM_E_LOG_WRONG);
	checkpoint.size += 2;
	assert_int_equal(
	    audit_with(&options, &checkpoint, &report), MM_E_LOG_WRONG);
	checkpoint.size--;
	assert_int_equal(audit_with(&options, &checkpoint, &report), MM_OK);
	checkpoint.root.bytes[31] ^= 1;
	assert_int_equal(
	    audit_with(&options, &checkpoint, &report), MM_E_LOG_WRONG);
}

static void
a_log_without_entries_is_none(void **state)
{
	struct mm_audit_report report;

	(void)state;
	mint.log.size = 0;
	assert_int_equal(audit(&report), MM_E_LOG_WRONG);
	assert_non_null(strstr(mm_why(MM_E_LOG_WRONG), "no genesis"));
}

static void
the_log_goes_through_a_kept_checkpoint(void **state)
{
	struct mm_checkpoint kept, newest = honest_checkpoint(mint.log.size);
	const struct mm_audit_options options = {
	    .vkey = &mint.log.vkey, .kept = &kept};
	struct mm_audit_report report;

	(void)state;
	for (uint64_t size = 1; size <= mint.log.size; size++) {
		kept = honest_checkpoint(size);
		assert_int_equal(audit_with(&options, &newest, &report), MM_OK);
		kept.root.bytes[0] ^= 1;
		assert_int_equal(
		    audit_with(&options, &newest, &report), MM_E_FORK);
	}
	kept = newest;
	kept.size++;
	assert_int_equal(audit_with(&options, &newest, &report), MM_E_BEHIND);
}

/* --- helpers --- */

static void
helpers_find_the_same(void **state)
{
	enum { MANY = 90 };
	struct mm_audit_options options = {.vkey = &mint.log.vkey};
	struct mm_checkpoint checkpoint;
	struct mm_audit_report report;
	struct mm_order_claim order = make_order("order-2");
	uint64_t before;

	(void)state;
	order.units = 100;
	honest.order = add_order(&order, "officer-1");
	for (unsigned i = 0; i < MANY; i++) {
		struct issue device;
		char name[8];

		snprintf(name, sizeof(name), "dev-%02u", i);
		device = device_issue(keep(name, sizeof(name)));
		issue_signed(&device);
	}
	before = mint.log.size;
	for (options.helpers = 0; options.helpers <= 3; options.helpers++) {
		checkpoint = honest_checkpoint(mint.log.size);
		assert_int_equal(
		    audit_with(&options, &checkpoint, &report), MM_OK);
		assert_int_equal(report.devices, MANY);
		signed_by_another_key();
		checkpoint = honest_checkpoint(mint.log.size);
		assert_int_equal(
		    audit_with(&options, &checkpoint, &report), MM_E_LOG_WRONG);
		assert_non_null(
		    strstr(mm_why(MM_E_LOG_WRONG), "its signature, in entry"));
		mint.log.size = before;
	}
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_honest_log_passes),
	    TEST(what_is_told_passes),
	    TEST(a_change_of_policy_passes),
	    TEST(order_of_a_former_officer_passes),
	    TEST(what_an_unsound_order_brings_is_void),
	    TEST(voids_give_back),
	    TEST(a_new_day_counts_anew),
	    TEST(many_wait),
	    TEST(a_revocation_passes),
	    TEST(crls_pass),
	    TEST(crl_numbers_go_on_after_voids),
	    TEST(crls_list_who_is_revoked),
	    TEST(crls_follow_a_hold),
	    TEST(crls_list_many),
	    TEST(starts_and_exports_pass),
	    TEST(keys_come_and_go),
	    TEST(what_people_say_is_checked),
	    TEST(certificates_are_checked),
	    TEST(images_are_checked),
	    TEST(outcomes_are_checked),
	    TEST(what_is_told_is_checked),
	    TEST(crls_and_keys_are_checked),
	    TEST(what_is_no_entry_is_told),
	    TEST(the_checkpoint_is_of_these_entries),
	    TEST(a_log_without_entries_is_none),
	    TEST(the_log_goes_through_a_kept_checkpoint),
	    TEST(helpers_find_the_same),
	};

	return cmocka_run_group_tests(tests, honest_make, honest_remove);
}
