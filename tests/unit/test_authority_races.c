/*
 * What meets in one batch: each is decided after the one before it, as if that
 * were stored already, and nothing that the fold refuses harms the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ca/serial.h"
#include "tests/unit/two_officers.h"

/* The notary has a batch: what is asked from here on goes into the next. */
static void
gather(void)
{
	ask_issue(100, "first", make_spki());
	until_held(NOTARY);
}

static void
meet(void)
{
	until_quiet();
	box.hold[NOTARY] = false;
}

/* The order that the station works on, in another revision. */
static struct mm_list
revision(uint64_t number, uint64_t units, bool closed)
{
	struct mm_order_claim order = {.name = text("order"),
	    .profile = text("device"),
	    .units = units,
	    .reissue = 1,
	    .revision = number,
	    .closed = closed,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};

	return both(MM_STATEMENT_ORDER, &order);
}

static struct mm_list
new_order(const char *name)
{
	struct mm_order_claim order = {.name = text(name),
	    .profile = text("device"),
	    .units = 1,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};

	return both(MM_STATEMENT_ORDER, &order);
}

static struct mm_list
withdrawal(struct mm_list statements)
{
	struct mm_withdraw_claim claim;
	struct mm_statement statement;

	ok(mm_statement_decode(
	    mm_list_at(statements, struct mm_bytes_item, 0)->value,
	    &statement));
	crypto_hash_sha256(
	    claim.payload, statement.payload.data, statement.payload.size);
	return only(both(MM_STATEMENT_WITHDRAW, &claim), 0);
}

/* The serial of the newest certificate in the log. */
static struct mm_span
newest_serial(void)
{
	uint8_t serial[MM_SERIAL_SIZE];
	struct mm_certificate_entry body;
	struct mm_entry entry;

	for (uint64_t i = mint.log.size; i-- > 0;) {
		ok(mm_entry_decode(mint.log.entries[i], &mint.arena, &entry));
		if (entry.kind != MM_ENTRY_CERTIFICATE)
			continue;
		ok(mm_entry_decode_as(mint.log.entries[i], MM_ENTRY_CERTIFICATE,
		    &mint.arena, &entry, &body));
		ok(mm_serial_of_tbs(body.tbs, serial));
		return mm_span(keep(serial, sizeof(serial)), sizeof(serial));
	}
	fail();
	return mm_span(NULL, 0);
}

static struct mm_list
revocation(struct mm_span serial, uint64_t reason)
{
	struct mm_revoked revoked = {.serial = serial, .reason = reason};
	struct mm_revoke_claim claim = {.revoked = {&revoked, 1}};

	return both(MM_STATEMENT_REVOKE, &claim);
}

static void
ask_reissue(uint8_t id, const char *device, struct mm_span spki)
{
	struct mm_issue_ask issue = {.order = text("order"),
	    .profile = text("device"),
	    .device = text(device),
	    .reissue = true,
	    .spki = spki};

	ask(box.station_key, MM_MESSAGE_ISSUE, id, &mm_issue_ask_shape, &issue);
}

/* It still decides, and a start finds the same. */
static void
still_works(uint8_t id)
{
	ask_issue(id, "last", make_spki());
	await_certificate(id);
	assert_int_equal(stop(), 0);
	spawn();
	until(is_serving);
	ask_issue(id, "last", make_spki());
	await_error(id, MM_E_REQUEST_REUSED);
}

static void
the_last_approval_twice(void **unused)
{
	struct mm_list order = new_order("twice");

	(void)unused;
	bring(1, only(order, 0));
	assert_int_equal(await_stated(1).missing, 1);
	gather();
	bring(2, only(order, 1));
	bring(3, only(order, 1));
	meet();
	assert_int_equal(await_stated(2).missing, 0);
	await_error(3, MM_E_STATEMENT_REPLAY);
	assert_int_equal(logged(MM_ENTRY_ORDER), 1);
	still_works(9);
}

static void
both_approvals_meet(void **unused)
{
	struct mm_list order = new_order("meet");

	(void)unused;
	gather();
	bring(1, only(order, 0));
	bring(2, only(order, 1));
	meet();
	assert_int_equal(await_stated(1).missing, 1);
	assert_int_equal(await_stated(2).missing, 0);
	still_works(9);
}

static void
a_withdrawal_meets_the_last_approval(void **unused)
{
	struct mm_list first = new_order("one"), second = new_order("two");

	(void)unused;
	bring(1, only(first, 0));
	await_stated(1);
	bring(2, only(second, 0));
	await_stated(2);
	gather();
	bring(3, withdrawal(first));
	bring(4, only(first, 1));
	bring(5, only(second, 1));
	bring(6, withdrawal(second));
	meet();
	assert_int_equal(await_stated(3).missing, 0);
	await_error(4, MM_E_STATEMENT_WITHDRAWN);
	assert_int_equal(await_stated(5).missing, 0);
	await_error(6, MM_E_NOT_FOUND);
	assert_int_equal(logged(MM_ENTRY_ORDER), 1);
	still_works(9);
}

/* In force from the next decision on: that of the same batch. */
static void
a_revision_meets_what_it_decides(void **unused)
{
	(void)unused;
	gather();
	ask_issue(1, "before", make_spki());
	bring(2, revision(1, 2, false));
	ask_issue(3, "after", make_spki());
	bring(4, revision(2, 100, true));
	ask_issue(5, "closed", make_spki());
	meet();
	await_certificate(1);
	assert_int_equal(await_stated(2).missing, 0);
	await_error(3, MM_E_ORDER_EXHAUSTED);
	assert_int_equal(await_stated(4).missing, 0);
	await_error(5, MM_E_ORDER_CLOSED);
	in_force(6, revision(3, 100, false));
	still_works(9);
}

static void
one_of_two_revisions_is_the_next(void **unused)
{
	(void)unused;
	gather();
	bring(1, revision(1, 50, false));
	bring(2, revision(1, 60, false));
	meet();
	assert_int_equal(await_stated(1).missing, 0);
	await_error(2, MM_E_STATEMENT_DIFFERS);
	assert_int_equal(logged(MM_ENTRY_ORDER), 1);
	still_works(9);
}

static void
a_revocation_meets_a_reissue(void **unused)
{
	struct mm_span serial;

	(void)unused;
	in_force(1, revision(1, 100, false));
	ask_issue(2, "a", make_spki());
	await_certificate(2);
	serial = newest_serial();
	gather();
	bring(3, revocation(serial, 1));
	bring(4, revocation(serial, 4));
	ask_reissue(5, "a", make_spki());
	meet();
	assert_int_equal(await_stated(3).missing, 0);
	await_error(4, MM_E_REVOKED);
	await(5);
	still_works(9);
}

static void
a_reissue_meets_a_revocation_and_another_reissue(void **unused)
{
	struct mm_span serial;

	(void)unused;
	in_force(1, revision(1, 100, false));
	ask_issue(2, "b", make_spki());
	await_certificate(2);
	serial = newest_serial();
	gather();
	ask_reissue(3, "b", make_spki());
	ask_reissue(4, "b", make_spki());
	bring(5, revocation(serial, 6));
	bring(6, revocation(serial, 8));
	bring(7, revocation(serial, 1));
	meet();
	await_certificate(3);
	assert_int_equal(await(4).type, MM_MESSAGE_ERROR);
	assert_int_equal(await_stated(5).missing, 0);
	assert_int_equal(await_stated(6).missing, 0);
	assert_int_equal(await_stated(7).missing, 0);
	still_works(9);
}

static void
a_station_is_out_at_once(void **unused)
{
	struct mm_principal_claim station = {.name = text("station"),
	    .role = MM_ROLE_STATION,
	    .profiles = TEXTS("device"),
	    .disabled = true};

	(void)unused;
	digest_of(box.station_key, station.key);
	gather();
	ask_issue(1, "before", make_spki());
	bring(2, both(MM_STATEMENT_PRINCIPAL, &station));
	ask_issue(3, "after", make_spki());
	meet();
	await_certificate(1);
	assert_int_equal(await_stated(2).missing, 0);
	assert_int_equal(await(3).type, MM_MESSAGE_ERROR);
	station.disabled = false;
	in_force(4, both(MM_STATEMENT_PRINCIPAL, &station));
	still_works(9);
}

/* Its request made the pending entry; meanwhile it came into force, and the
 * certificate was voided: the next one is decided in a batch. */
static void
the_first_request_again_gets_the_certificate(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_principal_claim claim = {.name = text("newcomer"),
	    .role = MM_ROLE_STATION,
	    .profiles = TEXTS("device")};
	struct mm_list statements;

	(void)unused;
	digest_of(spki, claim.key);
	statements = both(MM_STATEMENT_PRINCIPAL, &claim);
	bring_with(1, only(statements, 0), spki);
	assert_int_equal(await_stated(1).missing, 1);
	box.token_says = MM_E_TOKEN_REFUSED;
	bring_with(2, only(statements, 1), spki);
	assert_int_equal(await(2).type, MM_MESSAGE_ERROR);
	until_logged(MM_ENTRY_VOID, 1);
	box.token_says = MM_OK;
	until_quiet();
	gather();
	bring_with(1, only(statements, 0), spki);
	meet();
	assert_int_not_equal(await(1).type, MM_MESSAGE_ERROR);
	assert_int_equal(logged(MM_ENTRY_PRINCIPAL), 1);
	still_works(9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_last_approval_twice),
	    TEST(both_approvals_meet),
	    TEST(a_withdrawal_meets_the_last_approval),
	    TEST(a_revision_meets_what_it_decides),
	    TEST(one_of_two_revisions_is_the_next),
	    TEST(a_revocation_meets_a_reissue),
	    TEST(a_reissue_meets_a_revocation_and_another_reissue),
	    TEST(a_station_is_out_at_once),
	    TEST(the_first_request_again_gets_the_certificate),
	};

	return cmocka_run_group_tests(tests, make_strict_world, drop_world);
}
