/*
 * What becomes of certificates after the first: replaced, renewed, listed,
 * given up; and what a token that refuses, or a crash, leaves of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/authority_box.h"

enum { LIFE = 3650 * DAY - 1 /* of a client's certificate */ };

/* --- what is asked --- */

static void
await_body(uint8_t id, uint64_t type, const struct mm_shape *shape, void *out)
{
	struct mm_envelope envelope = await(id);

	assert_int_equal(envelope.type, type);
	ok(mm_shape_decode(shape, envelope.body, &mint.arena, out));
}

static void
ask_reissue(uint8_t id, const char *device, struct mm_span spki)
{
	struct mm_issue_ask issue = {.order = text("order"),
	    .profile = text("device"),
	    .device = text(device),
	    .spki = spki,
	    .reissue = true};

	ask(box.station_key, MM_MESSAGE_ISSUE, id, &mm_issue_ask_shape, &issue);
}

static void
bring(uint8_t id, uint64_t kind, const void *body)
{
	struct mm_statement_ask stating = {.statements = say(kind, body)};

	ask(box.officer_key, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape,
	    &stating);
	assert_int_equal(await(id).type, MM_MESSAGE_STATEMENT);
}

/* The order's next terms. */
static void
revise(uint8_t id, uint64_t revision, uint64_t reissue, bool closed)
{
	struct mm_order_claim order = {.name = text("order"),
	    .profile = text("device"),
	    .units = 100,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY,
	    .revision = revision,
	    .reissue = reissue,
	    .closed = closed};

	bring(id, MM_STATEMENT_ORDER, &order);
}

static struct mm_order_state
order_state(uint8_t id)
{
	struct mm_orders_request request = {.name = text("order")};
	struct mm_orders_answer answer;

	ask(box.officer_key, MM_MESSAGE_ORDERS, id, &mm_orders_request_shape,
	    &request);
	await_body(id, MM_MESSAGE_ORDERS, &mm_orders_answer_shape, &answer);
	assert_int_equal(answer.orders.count, 1);
	return *mm_list_at(answer.orders, struct mm_order_state, 0);
}

static struct mm_span
show(uint8_t id, const char *device)
{
	struct mm_show_request request = {
	    .profile = text("device"), .device = text(device)};

	ask(box.officer_key, MM_MESSAGE_SHOW, id, &mm_show_request_shape,
	    &request);
	return await_certificate(id).certificate;
}

static struct mm_certificate_entry
entry_at(uint64_t index)
{
	struct mm_certificate_entry body;
	struct mm_entry frame;

	ok(mm_entry_decode_as(mint.log.entries[index], MM_ENTRY_CERTIFICATE,
	    &mint.arena, &frame, &body));
	return body;
}

/* --- reissues --- */

static void
a_reissue_names_what_it_replaces(void **unused)
{
	struct mm_certificate_answer first, second;
	struct mm_certificate_entry body;

	(void)unused;
	revise(1, 1, 1, false);
	ask_issue(2, "dev-1", make_spki());
	first = await_certificate(2);
	ask_reissue(3, "dev-1", make_spki());
	second = await_certificate(3);
	body = entry_at(second.index);
	assert_int_equal(body.replaces.count, 1);
	assert_int_equal(
	    mm_list_at(body.replaces, struct mm_replaced, 0)->index,
	    first.index);
	assert_int_equal(order_state(4).reissued, 1);
	assert_int_equal(order_state(5).revoked, 1);
	assert_int_equal(order_state(6).issued, 1);
}

/* What the token refuses has not been: the former lives, and the allowance
 * is there. */
static void
a_reissue_that_is_voided_leaves_the_former(void **unused)
{
	struct mm_span first, spki = make_spki();

	(void)unused;
	revise(1, 1, 1, false);
	ask_issue(2, "dev-1", make_spki());
	first = await_certificate(2).certificate;
	box.token_says = MM_E_TOKEN_REFUSED;
	ask_reissue(3, "dev-1", spki);
	await_error(3, MM_E_TOKEN_REFUSED);
	box.token_says = MM_OK;
	until_logged(MM_ENTRY_VOID, 1);
	assert_true(mm_span_equal(show(4, "dev-1"), first));
	assert_int_equal(order_state(5).reissued, 0);
	ask_reissue(3, "dev-1", spki);
	assert_false(mm_span_equal(await_certificate(3).certificate, first));
	assert_int_equal(order_state(6).reissued, 1);
}

static void
what_is_being_signed_is_not_replaced(void **unused)
{
	(void)unused;
	revise(1, 1, 5, false);
	box.hold[TOKEN] = true;
	ask_issue(2, "dev-1", make_spki());
	until_held(TOKEN);
	ask_reissue(3, "dev-1", make_spki());
	await_error(3, MM_E_BUSY);
	box.hold[TOKEN] = false;
	await_certificate(2);
	ask_reissue(3, "dev-1", make_spki());
	await_certificate(3);
}

/* Decided again after a crash, by the terms of then. */
static void
a_reissue_of_an_order_closed_since_is_voided(void **unused)
{
	struct mm_span first;

	(void)unused;
	revise(1, 1, 1, false);
	ask_issue(2, "dev-1", make_spki());
	first = await_certificate(2).certificate;
	box.hold[TOKEN] = true;
	ask_reissue(3, "dev-1", make_spki());
	until_held(TOKEN);
	revise(4, 2, 1, true);
	crash();
	box.hold[TOKEN] = false;
	spawn();
	until(is_serving);
	until_logged(MM_ENTRY_VOID, 1);
	assert_true(mm_span_equal(show(5, "dev-1"), first));
	assert_int_equal(order_state(6).reissued, 0);
	assert_int_equal(order_state(7).issued, 1);
	assert_int_equal(order_state(8).revoked, 0);
}

static void
a_reissue_survives_a_crash(void **unused)
{
	struct mm_span spki = make_spki();

	(void)unused;
	revise(1, 1, 1, false);
	ask_issue(2, "dev-1", make_spki());
	await_certificate(2);
	box.hold[TOKEN] = true;
	ask_reissue(3, "dev-1", spki);
	until_held(TOKEN);
	crash();
	box.hold[TOKEN] = false;
	spawn();
	until(is_serving);
	ask_reissue(3, "dev-1", spki);
	await_certificate(3);
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
	assert_int_equal(order_state(6).reissued, 1);
	assert_int_equal(order_state(7).revoked, 1);
}

/* --- refusals --- */

static void
a_refusal_names_the_order_that_there_is(void **unused)
{
	struct mm_issue_ask issue = {.order = text("no-such"),
	    .profile = text("device"),
	    .device = text("dev-2"),
	    .spki = make_spki()};

	(void)unused;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
	for (uint8_t id = 2; id < 5; id++) {
		ask_issue(id, "dev-1", make_spki());
		await_error(id, MM_E_DEVICE_ISSUED);
	}
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(mm_span_is(last_refusal()->order, "order"));
	/* All three of them, logged or not. */
	assert_int_equal(order_state(6).refused, 3);
	ask(box.station_key, MM_MESSAGE_ISSUE, 7, &mm_issue_ask_shape, &issue);
	await_error(7, MM_E_ORDER);
	until_logged(MM_ENTRY_REFUSAL, 2);
	assert_int_equal(last_refusal()->order.size, 0);
}

/* An order that is for no device of ours, and one that it refuses. */
static void
be_refused_by_another_order(uint8_t id)
{
	char name[16];
	struct mm_order_claim order = {.profile = text("device"),
	    .units = 1,
	    .devices = {.pattern = text("none")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY};
	struct mm_issue_ask issue = {.profile = text("device"),
	    .device = text("dev-1"),
	    .spki = make_spki()};

	snprintf(name, sizeof(name), "order-%u", id);
	order.name = issue.order = text(name);
	bring(id, MM_STATEMENT_ORDER, &order);
	ask(box.station_key, MM_MESSAGE_ISSUE, id, &mm_issue_ask_shape, &issue);
	await_error(id, MM_E_ORDER_COVER);
}

/* Counts the refusals of orders in the log; `*none`: of no order. */
static uint64_t
refused_orders(uint64_t *none)
{
	uint64_t count = 0;

	*none = 0;
	for (uint64_t i = box.base; i < mint.log.size; i++) {
		struct mm_refusal_entry body;
		struct mm_entry entry;

		if (mm_entry_decode_as(mint.log.entries[i], MM_ENTRY_REFUSAL,
			&mint.arena, &entry, &body) != MM_OK)
			continue;
		for (mm_list_each(
			 const struct mm_refusal, one, body.refusals)) {
			count += one->order.size > 0;
			*none += one->order.size == 0;
		}
	}
	return count;
}

static bool
has_refused_one_of_none(void)
{
	uint64_t none;

	refused_orders(&none);
	return none > 0;
}

static void
one_principal_does_not_take_all_room_for_refusals(void **unused)
{
	enum { SHARE = 128 };
	uint64_t none;

	(void)unused;
	for (uint8_t id = 1; id <= SHARE + 2; id++)
		be_refused_by_another_order(id);
	until(has_refused_one_of_none);
	assert_int_equal(refused_orders(&none), SHARE);
	assert_int_equal(none, 1);
}

/* --- renewal --- */

/* As many seconds old, and by a CA that is older. */
static uint64_t
append_client(uint64_t age)
{
	size_t number = key_number(text("access-ca"));
	struct mm_certificate_plan plan = {
	    .profile = mm_policy_profile(&mint.document, text("access-ca")),
	    .subject = text("access-ca"),
	    .spki = mm_list_at(mint.keys, struct mm_genesis_key, number)->spki,
	    .now = box.moment - 7300ULL * DAY};
	struct mm_certificate_entry body = {.profile = text("tls-client"),
	    .subject = text("station"),
	    .basis = box.order - 3,
	    .issuer = text("access-ca")};
	uint8_t serial[MM_SERIAL_SIZE];
	mm_auto(buffer) ca = {0};
	mm_auto(buffer) tbs = {0};

	mm_buffer_init(&ca, MM_CERTIFICATE_MAX);
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	mm_serial_make(serial);
	ok(mm_tbs_build(&plan, serial, &ca));
	plan.issuer = keep_buffer(&ca);
	plan.profile = mm_policy_profile(&mint.document, text("tls-client"));
	plan.subject = body.subject;
	plan.spki = box.station_key;
	plan.now = box.moment - age;
	mm_serial_make(serial);
	ok(mm_tbs_build(&plan, serial, &tbs));
	body.tbs = keep_buffer(&tbs);
	digest_of(plan.spki, body.key);
	append(MM_ENTRY_CERTIFICATE, &body);
	append_signature(
	    mint.log.size - 1, sign_with(box.keys[number], body.tbs));
	return mint.log.size - 2;
}

static void
ask_renew(uint8_t id, struct mm_span spki)
{
	struct mm_renew_ask renew = {.spki = spki};

	ask(box.station_key, MM_MESSAGE_RENEW, id, &mm_renew_ask_shape, &renew);
}

static uint64_t
await_renewed(uint8_t id)
{
	struct mm_certificate_answer answer;

	await_body(id, MM_MESSAGE_RENEW, &mm_certificate_answer_shape, &answer);
	return answer.index;
}

static void
begin_with_client(uint64_t age, uint64_t *index)
{
	crash();
	*index = append_client(age);
	spawn();
	until(is_serving);
}

static void
with_more_than_a_third_left_it_is_the_same(void **unused)
{
	uint64_t index, before;

	(void)unused;
	begin_with_client(LIFE / 3 * 2 - 60, &index);
	until_quiet();
	before = logged(MM_ENTRY_CERTIFICATE);
	ask_renew(1, box.station_key);
	assert_int_equal(await_renewed(1), index);
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), before);
}

static void
with_a_third_left_there_is_the_next(void **unused)
{
	uint64_t index, next;

	(void)unused;
	begin_with_client(LIFE / 3 * 2 + 60, &index);
	ask_renew(1, box.station_key);
	next = await_renewed(1);
	assert_true(next > index);
	assert_true(mm_span_is(entry_at(next).principal, "station"));
	assert_int_equal(entry_at(next).basis, box.order - 3);
	/* Which is young: it is the answer from now on. */
	ask_renew(2, box.station_key);
	assert_int_equal(await_renewed(2), next);
	ask_renew(1, box.station_key);
	assert_int_equal(await_renewed(1), next);
}

static void
two_renewals_at_once_make_one(void **unused)
{
	uint64_t index, next;

	(void)unused;
	begin_with_client(LIFE - 60, &index);
	for (uint8_t id = 1; id <= 5; id++)
		ask_renew(id, box.station_key);
	next = await_renewed(1);
	for (uint8_t id = 2; id <= 5; id++)
		assert_int_equal(await_renewed(id), next);
}

static void
a_renewal_is_for_the_registered_key(void **unused)
{
	struct mm_renew_ask refused = {
	    .refused = MM_E_CSR_SIGNATURE, .why = text("it does not verify")};

	(void)unused;
	ask_renew(1, make_spki());
	await_error(1, MM_E_PRINCIPAL);
	ask(box.station_key, MM_MESSAGE_RENEW, 2, &mm_renew_ask_shape,
	    &refused);
	await_error(2, MM_E_CSR_SIGNATURE);
	until_logged(MM_ENTRY_REFUSAL, 1);
}

static void
a_renewal_has_an_id_of_its_own(void **unused)
{
	(void)unused;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
	ask_renew(1, box.station_key);
	await_error(1, MM_E_REQUEST_REUSED);
	ask_renew(2, box.station_key);
	await_renewed(2);
	ask_issue(2, "dev-2", make_spki());
	await_error(2, MM_E_REQUEST_REUSED);
}

static void
an_archive_that_fails_renews_nothing(void **unused)
{
	uint64_t index;

	(void)unused;
	begin_with_client(LIFE - 60, &index);
	box.archive_says = MM_E_LOG_WRONG;
	until_quiet();
	box.archive_says = MM_E_MEMORY;
	ask_renew(1, box.station_key);
	await_error(1, MM_E_MEMORY);
	box.archive_says = MM_OK;
	ask_renew(1, box.station_key);
	assert_true(await_renewed(1) > index);
}

/* --- given up --- */

static void
a_revoked_client_is_refused_in_the_midst_of_all(void **unused)
{
	struct mm_revoked revoked = {.reason = 1};
	struct mm_revoke_claim claim = {.revoked = {&revoked, 1}};
	struct mm_tbs tbs;
	uint64_t index;

	(void)unused;
	begin_with_client(60, &index);
	ok(mm_tbs_read(entry_at(index).tbs, &mint.arena, &tbs));
	revoked.serial =
	    mm_span(keep(tbs.serial, sizeof(tbs.serial)), sizeof(tbs.serial));
	box.serial = revoked.serial;
	ask_issue(1, "dev-1", make_spki());
	await_certificate(1);
	box.serial = mm_span(NULL, 0);
	bring(2, MM_STATEMENT_REVOKE, &claim);
	box.serial = revoked.serial;
	ask_issue(3, "dev-2", make_spki());
	await_error(3, MM_E_REVOKED);
	ask_issue(1, "dev-1", make_spki());
	await_error(1, MM_E_REVOKED);
	/* With another certificate of the same key, it is not that one. */
	box.serial = mm_span(NULL, 0);
	ask_issue(4, "dev-2", make_spki());
	await_certificate(4);
	/* But it is not renewed. */
	ask_renew(5, box.station_key);
	await_error(5, MM_E_REVOKED);
}

static void
revoke_device(uint8_t id, uint64_t index, uint64_t reason)
{
	struct mm_revoked revoked = {.reason = reason};
	struct mm_revoke_claim claim = {.revoked = {&revoked, 1}};
	struct mm_tbs tbs;

	ok(mm_tbs_read(entry_at(index).tbs, &mint.arena, &tbs));
	revoked.serial =
	    mm_span(keep(tbs.serial, sizeof(tbs.serial)), sizeof(tbs.serial));
	bring(id, MM_STATEMENT_REVOKE, &claim);
}

static void
await_on_hold(uint8_t id, enum mm_error name)
{
	struct mm_error_answer told;

	await_body(id, MM_MESSAGE_ERROR, &mm_error_answer_shape, &told);
	assert_int_equal(told.code, name);
	assert_non_null(memmem(told.text.data, told.text.size, "on hold", 7));
}

/* It keeps its place, and is given to nobody; lifted, it is as it was. */
static void
a_device_on_hold_gets_no_other(void **unused)
{
	struct mm_certificate_answer first;
	struct mm_span spki = make_spki();
	struct mm_show_request request = {
	    .profile = text("device"), .device = text("dev-1")};
	size_t certificates;

	(void)unused;
	ask_issue(1, "dev-1", spki);
	first = await_certificate(1);
	certificates = logged(MM_ENTRY_CERTIFICATE);
	revoke_device(2, first.index, 6);
	ask_issue(3, "dev-1", make_spki());
	await_on_hold(3, MM_E_DEVICE_ISSUED);
	ask_issue(4, "dev-1", spki);
	await_on_hold(4, MM_E_REVOKED);
	ask_issue(1, "dev-1", spki);
	await_on_hold(1, MM_E_REVOKED);
	ask(box.officer_key, MM_MESSAGE_SHOW, 5, &mm_show_request_shape,
	    &request);
	await_on_hold(5, MM_E_NOT_FOUND);
	revoke_device(6, first.index, 8);
	ask_issue(7, "dev-1", spki);
	assert_true(
	    mm_span_equal(await_certificate(7).certificate, first.certificate));
	assert_true(mm_span_equal(show(8, "dev-1"), first.certificate));
	assert_int_equal(logged(MM_ENTRY_CERTIFICATE), certificates);
}

static void
a_device_on_hold_is_reissued(void **unused)
{
	struct mm_certificate_answer first;
	struct mm_revoked lifted = {.reason = 8};
	struct mm_revoke_claim claim = {.revoked = {&lifted, 1}};
	struct mm_statement_ask stating;
	struct mm_certificate_entry next;
	struct mm_span spki = make_spki();

	(void)unused;
	revise(1, 1, 1, false);
	ask_issue(2, "dev-1", spki);
	first = await_certificate(2);
	revoke_device(3, first.index, 6);
	ask_reissue(4, "dev-1", spki);
	await_error(4, MM_E_REVOKED);
	ask_reissue(5, "dev-1", make_spki());
	next = entry_at(await_certificate(5).index);
	assert_int_equal(
	    mm_list_at(next.replaces, struct mm_replaced, 0)->index,
	    first.index);
	assert_int_equal(order_state(6).reissued, 1);
	assert_int_equal(order_state(7).revoked, 1);
	ask_reissue(8, "dev-1", make_spki());
	await_error(8, MM_E_REISSUE);
	lifted.serial =
	    mm_list_at(next.replaces, struct mm_replaced, 0)->serial;
	stating = (struct mm_statement_ask){
	    .statements = say(MM_STATEMENT_REVOKE, &claim)};
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 9, &mm_statement_ask_shape,
	    &stating);
	await_error(9, MM_E_REVOKED);
}

/* Asked for once more, in whatever words: it is not handed out. */
static void
what_is_revoked_is_given_to_nobody(void **unused)
{
	struct mm_certificate_answer first;
	struct mm_span spki = make_spki();

	(void)unused;
	ask_issue(1, "dev-1", spki);
	first = await_certificate(1);
	revoke_device(2, first.index, 1);
	ask_issue(1, "dev-1", spki);
	await_error(1, MM_E_REVOKED);
	ask_issue(3, "dev-1", spki);
	await_error(3, MM_E_KEY_USED);
	ask_issue(4, "dev-1", make_spki());
	await_certificate(4);
	ask_issue(1, "dev-1", spki);
	await_error(1, MM_E_REVOKED);
}

/* --- CRLs --- */

static uint64_t
await_crl(uint8_t id, const char *issuer)
{
	struct mm_crl_request request = {.issuer = text(issuer)};
	struct mm_crl_answer answer;

	ask(box.auditor_key, MM_MESSAGE_CRL, id, &mm_crl_request_shape,
	    &request);
	await_body(id, MM_MESSAGE_CRL, &mm_crl_answer_shape, &answer);
	return answer.index;
}

static struct mm_crl_entry
crl_at(uint64_t index)
{
	struct mm_crl_entry body;
	struct mm_entry frame;

	ok(mm_entry_decode_as(
	    mint.log.entries[index], MM_ENTRY_CRL, &mint.arena, &frame, &body));
	return body;
}

static void
a_crl_is_made_when_somebody_asks(void **unused)
{
	uint64_t index;

	(void)unused;
	index = await_crl(1, "device-ca");
	assert_int_equal(crl_at(index).number, crl_at(index).this_update);
	assert_int_equal(crl_at(index).count, 0);
	assert_true(crl_at(index).size <= index);
	assert_int_equal(await_crl(2, "device-ca"), index);
	assert_true(await_crl(3, "root") != index);
}

static void
what_signs_no_crls_says_so(void **unused)
{
	struct mm_crl_request request = {.issuer = text("codesign")};

	(void)unused;
	ask(box.auditor_key, MM_MESSAGE_CRL, 1, &mm_crl_request_shape,
	    &request);
	await_error(1, MM_E_NOT_FOUND);
	request.issuer = text("nobody");
	ask(box.auditor_key, MM_MESSAGE_CRL, 2, &mm_crl_request_shape,
	    &request);
	await_error(2, MM_E_NOT_FOUND);
}

/* Not in a loop: whoever asks is told when. */
static void
a_crl_that_is_not_signed_is_tried_later(void **unused)
{
	struct mm_crl_request request = {.issuer = text("device-ca")};
	struct mm_error_answer told;

	(void)unused;
	box.token_says = MM_E_TOKEN_REFUSED;
	ask(box.auditor_key, MM_MESSAGE_CRL, 1, &mm_crl_request_shape,
	    &request);
	await_error(1, MM_E_TOKEN_REFUSED);
	box.token_says = MM_OK;
	until_logged(MM_ENTRY_VOID, 1);
	/* Its end is seen within a second. */
	turn(1500);
	turn(1500);
	ask(box.auditor_key, MM_MESSAGE_CRL, 2, &mm_crl_request_shape,
	    &request);
	await_body(2, MM_MESSAGE_ERROR, &mm_error_answer_shape, &told);
	assert_int_equal(told.code, MM_E_BUSY);
	assert_in_range(told.retry_after, 1, 61);
	assert_int_equal(logged(MM_ENTRY_CRL), 1);
}

static uint64_t
newest_crl(void)
{
	struct mm_entry frame;

	for (uint64_t i = mint.log.size; i-- > 0;) {
		ok(mm_entry_decode(mint.log.entries[i], &mint.arena, &frame));
		if (frame.kind == MM_ENTRY_CRL)
			return i;
	}
	fail_msg("there is no CRL");
	return 0;
}

/* Under the next number: the token may have signed the lost one. */
static void
a_crl_that_a_crash_left_is_made_anew(void **unused)
{
	struct mm_crl_request request = {.issuer = text("device-ca")};
	uint64_t lost, index;

	(void)unused;
	box.hold[TOKEN] = true;
	ask(box.auditor_key, MM_MESSAGE_CRL, 1, &mm_crl_request_shape,
	    &request);
	until_logged(MM_ENTRY_CRL, 1);
	lost = newest_crl();
	crash();
	box.hold[TOKEN] = false;
	spawn();
	until(is_serving);
	index = await_crl(2, "device-ca");
	assert_int_equal(logged(MM_ENTRY_CRL), 2);
	assert_int_equal(crl_at(index).number, crl_at(lost).number + 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_reissue_names_what_it_replaces),
	    TEST(a_reissue_that_is_voided_leaves_the_former),
	    TEST(what_is_being_signed_is_not_replaced),
	    TEST(a_reissue_of_an_order_closed_since_is_voided),
	    TEST(a_reissue_survives_a_crash),
	    TEST(a_refusal_names_the_order_that_there_is),
	    TEST(one_principal_does_not_take_all_room_for_refusals),
	    TEST(with_more_than_a_third_left_it_is_the_same),
	    TEST(with_a_third_left_there_is_the_next),
	    TEST(two_renewals_at_once_make_one),
	    TEST(a_renewal_is_for_the_registered_key),
	    TEST(a_renewal_has_an_id_of_its_own),
	    TEST(an_archive_that_fails_renews_nothing),
	    TEST(a_revoked_client_is_refused_in_the_midst_of_all),
	    TEST(a_device_on_hold_gets_no_other),
	    TEST(a_device_on_hold_is_reissued),
	    TEST(what_is_revoked_is_given_to_nobody),
	    TEST(a_crl_is_made_when_somebody_asks),
	    TEST(what_signs_no_crls_says_so),
	    TEST(a_crl_that_is_not_signed_is_tried_later),
	    TEST(a_crl_that_a_crash_left_is_made_anew),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
