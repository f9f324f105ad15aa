/*
 * What the authority decides, what it does when those fail whom it needs, and
 * what a crash leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/authority_box.h"

static void
a_request_gets_its_certificate_and_again(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_certificate_answer first, again;

	(void)unused;
	assert_int_equal(logged(MM_ENTRY_START), 1);
	ask_issue(1, "dev-1", spki);
	first = await_certificate(1);
	ask_issue(1, "dev-1", spki);
	again = await_certificate(1);
	assert_true(mm_span_equal(first.certificate, again.certificate));
	ask_issue(2, "dev-1", spki);
	again = await_certificate(2);
	assert_true(mm_span_equal(first.certificate, again.certificate));
	/* Ours and the device's. */
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2);
}

static void
refusals_are_answered_and_logged(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
	ask_issue(2, "dev-1", make_spki());
	await_error(2, MM_E_DEVICE_ISSUED);
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(
	    mm_span_is(last_refusal()->reason, "device-already-issued"));
	assert_true(mm_span_is(last_refusal()->subject, "dev-1"));
	ask_issue(3, "dev-2", spki);
	await_error(3, MM_E_KEY_USED);
	ask_issue(1, "dev-3", make_spki());
	await_error(1, MM_E_REQUEST_REUSED);
	until_logged(MM_ENTRY_REFUSAL, 3);
	/* More of the same waits for its ten minutes. */
	ask_issue(4, "dev-2", spki);
	await_error(4, MM_E_KEY_USED);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_REFUSAL), 3);
}

static void
a_bad_csr_is_a_refusal(void **unused)
{
	struct mm_issue_ask issue = {.order = text("order"),
	    .profile = text("device"),
	    .device = text("dev-1"),
	    .refused = MM_E_CSR_SIGNATURE,
	    .why = text("it does not verify")};

	(void)unused;
	ask(box.station_key, MM_MESSAGE_ISSUE, 1, &mm_issue_ask_shape, &issue);
	await_error(1, MM_E_CSR_SIGNATURE);
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(mm_span_is(last_refusal()->reason, "csr-bad-signature"));
	issue.refused = MM_E_CSR;
	ask(box.station_key, MM_MESSAGE_ISSUE, 2, &mm_issue_ask_shape, &issue);
	await_error(2, MM_E_CSR);
	until_logged(MM_ENTRY_REFUSAL, 2);
	assert_true(mm_span_is(last_refusal()->reason, "csr-malformed"));
	/* Strangers fill no log. */
	ask(make_spki(), MM_MESSAGE_ISSUE, 3, &mm_issue_ask_shape, &issue);
	await_error(3, MM_E_PRINCIPAL);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_REFUSAL), 2);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 1);
}

static void
a_full_disk_is_told_and_gets_over(void **unused)
{
	struct mm_span spki = make_spki();
	uint64_t before = mint.log.size;

	(void)unused;
	box.notary_says = MM_E_DISK_FULL;
	ask_issue(1, "dev-1", spki);
	await_error(1, MM_E_DISK_FULL);
	assert_int_equal(mint.log.size, before);
	/* Reads go on. */
	ask(box.station_key, MM_MESSAGE_STATUS, 2, &mm_nothing_shape,
	    &(struct mm_nothing){0});
	assert_int_equal(await(2).type, MM_MESSAGE_STATUS);
	box.notary_says = MM_OK;
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
}

/* The room that is kept for signatures is of use to them. */
static void
a_full_disk_takes_signatures(void **unused)
{
	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", make_spki());
	until_held(TOKEN);
	box.notary_says = MM_E_DISK_FULL;
	ask_issue(2, "dev-2", make_spki());
	await_error(2, MM_E_DISK_FULL);
	/* The next request and the signature meet in one batch. */
	ask_issue(3, "dev-3", make_spki());
	box.hold[TOKEN] = false;
	await_certificate(1);
	await_error(3, MM_E_DISK_FULL);
}

/* What a start writes has room where nothing new has: what was begun before
 * it is signed, and all is read. */
static void
a_start_on_a_short_disk_serves(void **unused)
{
	struct mm_span spki = make_spki();
	size_t starts = logged(MM_ENTRY_START);
	uint64_t before;

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", spki);
	until_held(TOKEN);
	crash();
	box.notary_says = MM_E_DISK_FULL;
	box.half = true;
	spawn();
	box.hold[TOKEN] = box.served = false;
	until(is_serving);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_START), starts + 1);
	before = mint.log.size;
	for (uint8_t id = 2; id < 5; id++) {
		ask_issue(id, "dev-2", make_spki());
		await_error(id, MM_E_DISK_FULL);
	}
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
	assert_int_equal(mint.log.size, before);
	box.notary_says = MM_OK;
	ask_issue(5, "dev-2", make_spki());
	await_certificate(5);
}

/* And serves as soon as there is room for that much. */
static void
a_start_on_a_full_disk_waits(void **unused)
{
	size_t starts = logged(MM_ENTRY_START);

	(void)unused;
	crash();
	box.notary_says = MM_E_DISK_FULL;
	spawn();
	until_quiet();
	assert_false(is_serving());
	assert_int_equal(logged(MM_ENTRY_START), starts);
	box.half = true;
	until(is_serving);
	assert_int_equal(logged(MM_ENTRY_START), starts + 1);
	box.notary_says = MM_OK;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
}

static void
what_the_token_refuses_is_void(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	box.token_says = MM_E_TOKEN_REFUSED;
	ask_issue(1, "dev-1", spki);
	await_error(1, MM_E_TOKEN_REFUSED);
	until_logged(MM_ENTRY_VOID, 1);
	box.token_says = MM_OK;
	/* The id is that request's for ever; device and unit are free. */
	ask_issue(1, "dev-2", spki);
	await_error(1, MM_E_REQUEST_REUSED);
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 3);
}

static void
a_token_that_dies_is_waited_for_by_nobody(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", spki);
	until_held(TOKEN);
	unlink_from(TOKEN);
	await_error(1, MM_E_TOKEN_UNAVAILABLE);
	/* Nothing new is begun. */
	ask_issue(2, "dev-2", make_spki());
	await_error(2, MM_E_TOKEN_UNAVAILABLE);
	ask_issue(3, "dev-1", spki);
	await_error(3, MM_E_TOKEN_UNAVAILABLE);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2);
	replace(TOKEN);
	until_logged(MM_ENTRY_SIGNATURES, 2);
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2);
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
}

/* The entry is being stored when the token goes. */
static void
no_token_for_what_is_stored_is_told(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	box.hold[NOTARY] = true;
	ask_issue(1, "dev-1", spki);
	until_held(NOTARY);
	unlink_from(TOKEN);
	until_quiet();
	box.hold[NOTARY] = false;
	await_error(1, MM_E_TOKEN_UNAVAILABLE);
	replace(TOKEN);
	until_logged(MM_ENTRY_SIGNATURES, 2);
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
}

static void
a_token_that_hangs_is_ended(void **unused)
{
	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", make_spki());
	await_error(1, MM_E_TOKEN_UNAVAILABLE);
	assert_int_equal(box.kills, 1);
	replace(TOKEN);
	until_logged(MM_ENTRY_SIGNATURES, 2);
}

/* Its connections' numbers begin anew. */
static void
a_new_gate_hears_nothing_of_the_former(void **unused)
{
	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", make_spki());
	until_held(TOKEN);
	replace(GATE);
	box.hold[TOKEN] = false;
	until_logged(MM_ENTRY_SIGNATURES, 2);
	until_quiet();
	assert_int_equal(box.told_count, 0);
}

/*
 * The signature and a question about it meet in one batch: the answer waits
 * until that is stored.
 */
static void
no_answer_before_its_signature_is_stored(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_show_request show = {
	    .profile = text("device"), .device = text("dev-1")};

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", spki);
	until_held(TOKEN);
	box.hold[NOTARY] = true;
	ask_issue(2, "dev-2", make_spki());
	until_held(NOTARY);
	box.hold[TOKEN] = false;
	assert_true(turn(WAIT_MS));
	box.hold[TOKEN] = true;
	ask(box.station_key, MM_MESSAGE_SHOW, 3, &mm_show_request_shape, &show);
	ask_issue(4, "dev-1", spki);
	until_quiet();
	box.hold[NOTARY] = false;
	/* The batch of device 2; the one after it is not answered. */
	assert_true(turn(WAIT_MS));
	box.hold[NOTARY] = true;
	until_quiet();
	assert_int_equal(box.told_count, 0);
	box.hold[NOTARY] = box.hold[TOKEN] = false;
	await_certificate(1);
	await_certificate(4);
	await_certificate(2);
}

static void
who_asks_while_it_is_signed_waits_too(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_certificate_answer one, other;

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", spki);
	ask_issue(1, "dev-1", spki);
	ask_issue(2, "dev-1", spki);
	until_held(TOKEN);
	box.hold[TOKEN] = false;
	one = await_certificate(1);
	other = await_certificate(1);
	assert_true(mm_span_equal(one.certificate, other.certificate));
	other = await_certificate(2);
	assert_true(mm_span_equal(one.certificate, other.certificate));
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2);
}

static bool
is_kind(uint64_t index, uint64_t kind)
{
	struct mm_entry entry;

	ok(mm_entry_decode(mint.log.entries[index], &mint.arena, &entry));
	return entry.kind == kind;
}

static void
a_principal_gets_its_certificate_and_again(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_statement_ask stating = {
	    .statements = principal_statements("second", MM_ROLE_STATION, spki),
	    .spki = spki};
	struct mm_statement_answer first, again;

	(void)unused;
	box.token_says = MM_E_TOKEN_REFUSED;
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &stating);
	await_error(1, MM_E_TOKEN_REFUSED);
	until_logged(MM_ENTRY_VOID, 1);
	/* The principal is there, its certificate is void: a new one. */
	box.token_says = MM_OK;
	box.hold[TOKEN] = true;
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &stating);
	until_held(TOKEN);
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &stating);
	until_quiet();
	box.hold[TOKEN] = false;
	first = await_stated(1);
	again = await_stated(1);
	assert_true(first.certificate.size > 0);
	/* Index and receipt are the statement's. */
	assert_true(is_kind(first.index, MM_ENTRY_PRINCIPAL));
	assert_true(mm_span_equal(first.certificate, again.certificate));
	assert_int_equal(logged(MM_ENTRY_PRINCIPAL), 1);
	stating.spki = make_spki();
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &stating);
	await_error(1, MM_E_REQUEST_REUSED);
}

/* What was said of a principal later is not undone by an old request. */
static void
a_superseded_statement_gets_no_certificate(void **unused)
{
	struct mm_span spki = make_spki(), other = make_spki();
	struct mm_statement_ask first = {
	    .statements = principal_statements("second", MM_ROLE_STATION, spki),
	    .spki = spki};
	struct mm_statement_ask later = {.statements = principal_statements(
					     "second", MM_ROLE_STATION, other)};
	size_t certificates;

	(void)unused;
	box.token_says = MM_E_TOKEN_REFUSED;
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &first);
	await_error(1, MM_E_TOKEN_REFUSED);
	until_logged(MM_ENTRY_VOID, 1);
	box.token_says = MM_OK;
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 2, &mm_statement_ask_shape,
	    &later);
	await_stated(2);
	certificates = logged(MM_ENTRY_CERTIFICATE);
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &first);
	await_error(1, MM_E_STATEMENT_REPLAY);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), certificates);
}

static void
a_statement_comes_once(void **unused)
{
	struct mm_order_claim order = {.name = text("order-2"),
	    .profile = text("device"),
	    .units = 1,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};
	struct mm_statement_ask stating = {
	    .statements = say(MM_STATEMENT_ORDER, &order)};
	struct mm_statement_answer first, again;

	(void)unused;
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &stating);
	first = await_stated(1);
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &stating);
	again = await_stated(1);
	assert_int_equal(first.index, again.index);
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 2, &mm_statement_ask_shape,
	    &stating);
	await_error(2, MM_E_STATEMENT_REPLAY);
	stating.statements = say(MM_STATEMENT_ORDER, &order);
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 3, &mm_statement_ask_shape,
	    &stating);
	await_error(3, MM_E_NAME_TAKEN);
	ask(box.station_key, MM_MESSAGE_STATEMENT, 4, &mm_statement_ask_shape,
	    &stating);
	await_error(4, MM_E_ROLE);
}

/* DESIGN.md section 3: what a crash left unsigned is decided again. */
static void
a_crash_loses_nothing(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", spki);
	until_held(TOKEN);
	crash();
	box.hold[TOKEN] = false;
	spawn();
	until(is_serving);
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
	/* A server's for each start, and the one. */
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 3);
}

/* More than the references of one batch prove, and in one request. */
static void
a_crash_under_load_loses_nothing(void **unused)
{
	enum { MANY = 100 };
	struct mm_span spkis[MANY];
	char device[16];

	(void)unused;
	box.hold[TOKEN] = true;
	for (unsigned i = 0; i < MANY; i++) {
		spkis[i] = make_spki();
		snprintf(device, sizeof(device), "dev-%u", i);
		ask_issue((uint8_t)(100 + i), device, spkis[i]);
	}
	until_logged(MM_ENTRY_CERTIFICATE, 1 + MANY);
	crash();
	box.hold[TOKEN] = false;
	spawn();
	until(is_serving);
	for (unsigned i = 0; i < MANY; i += 9) {
		snprintf(device, sizeof(device), "dev-%u", i);
		ask_issue((uint8_t)(100 + i), device, spkis[i]);
		await_certificate((uint8_t)(100 + i));
	}
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2 + MANY);
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
}

static void
an_archive_that_dies_at_the_start_is_waited_for(void **unused)
{
	(void)unused;
	crash();
	nftw(box.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(box.directory, 0700), 0);
	box.hold[ARCHIVE] = true;
	spawn();
	until_held(ARCHIVE);
	until_quiet();
	box.hold[ARCHIVE] = false;
	link_to(ARCHIVE);
	until(is_serving);
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
}

static void
an_archive_that_dies_is_told(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	ask_issue(1, "dev-1", spki);
	await_certificate(1);
	box.hold[ARCHIVE] = true;
	ask_issue(2, "dev-1", spki);
	until_held(ARCHIVE);
	until_quiet();
	unlink_from(ARCHIVE);
	await_error(2, MM_E_STARTING);
	replace(ARCHIVE);
	ask_issue(2, "dev-1", spki);
	await_certificate(2);
}

/* What is with the token is waited for; nothing new is begun. */
static void
a_stop_finishes_what_is_stored(void **unused)
{
	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", make_spki());
	until_held(TOKEN);
	ok(mm_channel_send(box.fds[CONTROL], MM_CONTROL_STOP, 0, NULL, NULL));
	until_quiet();
	ask_issue(2, "dev-2", make_spki());
	await_error(2, MM_E_STOPPING);
	box.hold[TOKEN] = false;
	await_certificate(1);
	assert_int_equal(ends(), 0);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), 2);
}

static bool
has_ended(void)
{
	siginfo_t info = {.si_pid = 0};

	assert_int_equal(
	    waitid(P_PID, (id_t)box.pid, &info, WEXITED | WNOHANG | WNOWAIT),
	    0);
	return info.si_pid != 0;
}

/* What it is not told it does not publish: a copy of its files would be of
 * the log as it was before. */
static void
a_stop_waits_for_the_archive(void **unused)
{
	unsigned before = box.published;

	(void)unused;
	box.hold[ARCHIVE] = true;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
	ok(mm_channel_send(box.fds[CONTROL], MM_CONTROL_STOP, 0, NULL, NULL));
	until_quiet();
	assert_false(has_ended());
	box.hold[ARCHIVE] = false;
	until_quiet();
	assert_int_equal(ends(), 0);
	/* The entry's checkpoint, and that of its signature. */
	assert_int_equal(box.published, before + 2);
}

/* How it ended, and that it did not wait for what does not come. */
static int
ends_soon(void)
{
	time_t begun = time(NULL);
	int status;

	until_quiet();
	status = ends();
	assert_in_range(time(NULL) - begun, 0, 6);
	return status;
}

/* One that does not take it, or is gone, holds nobody up. */
static void
a_stop_does_not_wait_for_an_archive_that_fails(void **unused)
{
	(void)unused;
	box.publish_says = MM_E_RANGE;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
	until_quiet();
	ok(mm_channel_send(box.fds[CONTROL], MM_CONTROL_STOP, 0, NULL, NULL));
	assert_int_equal(ends_soon(), 0);
	box.publish_says = MM_OK;
	spawn();
	until(is_serving);
	until_quiet();
	box.hold[ARCHIVE] = true;
	ask_issue(2, "dev-2", make_spki());
	await_certificate(2);
	ok(mm_channel_send(box.fds[CONTROL], MM_CONTROL_STOP, 0, NULL, NULL));
	until_quiet();
	assert_false(has_ended());
	unlink_from(ARCHIVE);
	assert_int_equal(ends_soon(), 0);
}

/* The log's last entry is ahead of the clock: nothing until it is not. */
static void
a_clock_that_is_behind_is_waited_for(void **unused)
{
	uint64_t size, moment = box.moment;

	(void)unused;
	crash();
	size = mint.log.size;
	box.moment = (uint64_t)time(NULL) + 6;
	spawn();
	until_quiet();
	assert_int_equal(mint.log.size, size);
	assert_false(is_serving());
	until(is_serving);
	box.moment = moment;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
}

/* More than seven days since the last entry: an operator must say so. */
static void
a_clock_that_has_jumped_ends_it(void **unused)
{
	uint64_t size, moment = box.moment;

	(void)unused;
	crash();
	size = mint.log.size;
	box.moment = (uint64_t)time(NULL) - 8 * DAY;
	spawn();
	until_ended();
	box.moment = moment;
	assert_int_equal(ends(), 1);
	assert_int_equal(mint.log.size, size);
}

static void
without_a_notary_it_ends(void **unused)
{
	(void)unused;
	unlink_from(NOTARY);
	assert_int_equal(ends(), 1);
}

static void
a_gate_that_talks_nonsense_is_dropped(void **unused)
{
	(void)unused;
	ok(mm_channel_send(box.fds[GATE], MM_TELL, 0, NULL, NULL));
	while (box.fds[GATE] >= 0)
		assert_true(turn(WAIT_MS));
	replace(GATE);
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_request_gets_its_certificate_and_again),
	    TEST(refusals_are_answered_and_logged),
	    TEST(a_bad_csr_is_a_refusal),
	    TEST(a_full_disk_is_told_and_gets_over),
	    TEST(a_full_disk_takes_signatures),
	    TEST(a_start_on_a_short_disk_serves),
	    TEST(a_start_on_a_full_disk_waits),
	    TEST(what_the_token_refuses_is_void),
	    TEST(a_token_that_dies_is_waited_for_by_nobody),
	    TEST(no_token_for_what_is_stored_is_told),
	    TEST(a_token_that_hangs_is_ended),
	    TEST(a_new_gate_hears_nothing_of_the_former),
	    TEST(no_answer_before_its_signature_is_stored),
	    TEST(who_asks_while_it_is_signed_waits_too),
	    TEST(a_principal_gets_its_certificate_and_again),
	    TEST(a_superseded_statement_gets_no_certificate),
	    TEST(a_statement_comes_once),
	    TEST(a_crash_loses_nothing),
	    TEST(a_crash_under_load_loses_nothing),
	    TEST(an_archive_that_dies_at_the_start_is_waited_for),
	    TEST(an_archive_that_dies_is_told),
	    TEST(a_stop_finishes_what_is_stored),
	    TEST(a_stop_waits_for_the_archive),
	    TEST(a_stop_does_not_wait_for_an_archive_that_fails),
	    TEST(a_clock_that_is_behind_is_waited_for),
	    TEST(a_clock_that_has_jumped_ends_it),
	    TEST(without_a_notary_it_ends),
	    TEST(a_gate_that_talks_nonsense_is_dropped),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
