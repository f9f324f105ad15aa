/*
 * Units that failed for good: one entry for each certificate, whoever asks and
 * whatever stops meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "log/receipt.h"
#include "tests/unit/authority_box.h"

/* A device's certificate, and its serial number. */
struct unit {
	uint64_t index;
	struct mm_span serial;
};

static struct mm_span
serial_at(uint64_t index)
{
	struct mm_certificate_entry body;
	struct mm_entry entry;
	uint8_t serial[MM_SERIAL_SIZE];

	ok(mm_entry_decode_as(mint.log.entries[index], MM_ENTRY_CERTIFICATE,
	    &mint.arena, &entry, &body));
	ok(mm_serial_of_tbs(body.tbs, serial));
	return mm_span(keep(serial, sizeof(serial)), sizeof(serial));
}

static struct unit
make_unit(uint8_t id, const char *device)
{
	struct unit unit;

	ask_issue(id, device, make_spki());
	unit.index = await_certificate(id).index;
	unit.serial = serial_at(unit.index);
	return unit;
}

static struct mm_scrap_request
scrap_of(const struct unit *unit)
{
	return (struct mm_scrap_request){
	    text("order"), unit->serial, text("no answer")};
}

static void
report(uint8_t id, const struct mm_scrap_request *request)
{
	ask(box.station_key, MM_MESSAGE_SCRAP, id, &mm_scrap_request_shape,
	    request);
}

static struct mm_scrap_answer
await_report(uint8_t id)
{
	struct mm_envelope envelope = await(id);
	struct mm_scrap_answer got;

	assert_int_equal(envelope.type, MM_MESSAGE_SCRAP);
	ok(mm_shape_decode(
	    &mm_scrap_answer_shape, envelope.body, &mint.arena, &got));
	return got;
}

static struct mm_scrap_entry
scrap_entry(uint64_t index)
{
	struct mm_scrap_entry body;
	struct mm_entry entry;

	ok(mm_entry_decode_as(mint.log.entries[index], MM_ENTRY_SCRAP,
	    &mint.arena, &entry, &body));
	return body;
}

static void
a_report_is_an_entry_with_its_receipt(void **unused)
{
	const struct unit unit = make_unit(1, "dev-1");
	const struct mm_scrap_request request = scrap_of(&unit);
	struct mm_scrap_answer answer;
	struct mm_scrap_entry body;
	struct mm_checkpoint checkpoint;
	struct mm_receipt receipt;
	struct mm_vkey vkey;

	(void)unused;
	report(2, &request);
	answer = await_report(2);
	body = scrap_entry(answer.index);
	assert_int_equal(body.basis, box.order);
	assert_int_equal(body.certificate, unit.index);
	assert_true(mm_span_equal(body.serial, unit.serial));
	assert_true(mm_span_is(body.device, "dev-1"));
	assert_true(mm_span_is(body.reason, "no answer"));
	assert_true(mm_span_is(body.principal, "station"));
	ok(mm_vkey_init(&vkey, text(ORIGIN), mint.log.key.public_key));
	ok(mm_receipt_decode(answer.receipt, &mint.arena, &receipt));
	ok(mm_receipt_verify(
	    &receipt, &vkey, mint.log.entries[answer.index], &checkpoint));
}

static void
again_it_is_the_same(void **unused)
{
	const struct unit unit = make_unit(1, "dev-1");
	struct mm_scrap_request request = scrap_of(&unit);
	uint64_t first;

	(void)unused;
	report(2, &request);
	first = await_report(2).index;
	report(2, &request);
	assert_int_equal(await_report(2).index, first);
	report(3, &request);
	assert_int_equal(await_report(3).index, first);
	request.reason = text("another reason");
	report(4, &request);
	assert_int_equal(await_report(4).index, first);
	assert_true(mm_span_is(scrap_entry(first).reason, "no answer"));
	assert_int_equal(logged(MM_ENTRY_SCRAP), 1);
}

static void
an_id_is_for_one_report(void **unused)
{
	const struct unit one = make_unit(1, "dev-1");
	const struct unit other = make_unit(2, "dev-2");
	struct mm_scrap_request request = scrap_of(&one);

	(void)unused;
	report(3, &request);
	await_report(3);
	request.reason = text("another reason");
	report(3, &request);
	await_error(3, MM_E_REQUEST_REUSED);
	request = scrap_of(&other);
	report(3, &request);
	await_error(3, MM_E_REQUEST_REUSED);
	/* Nor the id of a certificate's request. */
	report(1, &request);
	await_error(1, MM_E_REQUEST_REUSED);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 1);
}

static void
what_is_not_the_orders_is_refused(void **unused)
{
	const struct unit unit = make_unit(1, "dev-1");
	struct mm_scrap_request request = scrap_of(&unit);
	struct mm_span never = text("\x7f\x01");

	(void)unused;
	request.order = text("another");
	report(2, &request);
	await_error(2, MM_E_ORDER);
	request = scrap_of(&unit);
	request.serial = never;
	report(3, &request);
	await_error(3, MM_E_NOT_OF_ORDER);
	/* A CA's certificate is no unit. */
	request.serial = serial_at(1);
	report(4, &request);
	await_error(4, MM_E_NOT_OF_ORDER);
	request = scrap_of(&unit);
	ask(box.officer_key, MM_MESSAGE_SCRAP, 5, &mm_scrap_request_shape,
	    &request);
	await_error(5, MM_E_ROLE);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 0);
	until_quiet();
	assert_true(logged(MM_ENTRY_REFUSAL) > 0);
}

/* What the token would not sign was never issued. */
static void
what_is_void_is_no_unit(void **unused)
{
	const uint64_t certificate = mint.log.size;
	struct mm_scrap_request request = {
	    .order = text("order"), .reason = text("no answer")};

	(void)unused;
	box.token_says = MM_E_TOKEN_REFUSED;
	ask_issue(1, "dev-1", make_spki());
	await_error(1, MM_E_TOKEN_REFUSED);
	box.token_says = MM_OK;
	until_logged(MM_ENTRY_VOID, 1);
	request.serial = serial_at(certificate);
	report(2, &request);
	await_error(2, MM_E_NOT_OF_ORDER);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 0);
}

/* A report as a gate sends it that does not look at what it lets through. */
static const struct mm_field unread_fields[] = {
    MM_FIELD(mm_scrap_request, 0, order, MM_BYTES, 0, 1000),
    MM_FIELD(mm_scrap_request, 1, serial, MM_BYTES, 0, 1000),
    MM_FIELD(mm_scrap_request, 2, reason, MM_BYTES, 0, 1000)};
static const struct mm_field unlimited_fields[] = {
    MM_FIELD(mm_scrap_request, 0, order, MM_TEXT, 0, 1000),
    MM_FIELD(mm_scrap_request, 1, serial, MM_BYTES, 0, 1000),
    MM_FIELD(mm_scrap_request, 2, reason, MM_TEXT, 0, 1000)};
static MM_SHAPE(unread, mm_scrap_request, unread_fields);
static MM_SHAPE(unlimited, mm_scrap_request, unlimited_fields);

static void
what_no_gate_should_send_is_refused(void **unused)
{
	const struct unit unit = make_unit(1, "dev-1");
	const struct mm_scrap_request good = scrap_of(&unit);
	char words[MM_SCRAP_REASON_MAX + 2];
	struct mm_scrap_request bad[] = {good, good, good, good, good};

	(void)unused;
	memset(words, 'x', sizeof(words));
	bad[0].reason = mm_span(words, 0);
	bad[1].reason = mm_span(words, MM_SCRAP_REASON_MAX + 1);
	bad[2].serial = mm_span(words, 0);
	bad[3].serial = mm_span(words, MM_SERIAL_SIZE + 1);
	bad[4].order = mm_span(words, 65);
	for (uint8_t i = 0; i < MM_COUNT(bad); i++) {
		ask(box.station_key, MM_MESSAGE_SCRAP, 10 + i, &unlimited,
		    &bad[i]);
		assert_int_equal(await(10 + i).type, MM_MESSAGE_ERROR);
	}
	ask(box.station_key, MM_MESSAGE_SCRAP, 20, &unread, &good);
	assert_int_equal(await(20).type, MM_MESSAGE_ERROR);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 0);
	ask(box.station_key, MM_MESSAGE_SCRAP, 21, &unlimited, &good);
	await_report(21);
}

/* There is no unit yet, and then one. */
static void
what_is_not_signed_yet_waits(void **unused)
{
	struct unit unit;
	struct mm_scrap_request request;
	size_t before = logged(MM_ENTRY_CERTIFICATE);

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", make_spki());
	until_logged(MM_ENTRY_CERTIFICATE, before + 1);
	unit.index = mint.log.size - 1;
	unit.serial = serial_at(unit.index);
	request = scrap_of(&unit);
	report(2, &request);
	await_error(2, MM_E_BUSY);
	box.hold[TOKEN] = false;
	await_certificate(1);
	report(2, &request);
	await_report(2);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 1);
}

static void
two_at_once_are_one(void **unused)
{
	const struct unit unit = make_unit(1, "dev-1");
	const struct mm_scrap_request request = scrap_of(&unit);

	(void)unused;
	box.hold[NOTARY] = true;
	report(2, &request);
	report(3, &request);
	until_held(NOTARY);
	box.hold[NOTARY] = false;
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_SCRAP), 1);
	report(4, &request);
	await_report(4);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 1);
}

/* What a crash cut off is reported again: there is one entry either way. */
static void
after_a_crash_it_is_the_same(void **unused)
{
	const struct unit one = make_unit(1, "dev-1");
	const struct unit other = make_unit(2, "dev-2");
	const struct mm_scrap_request first = scrap_of(&one),
				      second = scrap_of(&other);
	uint64_t index;

	(void)unused;
	report(3, &first);
	index = await_report(3).index;
	report(4, &second);
	until_logged(MM_ENTRY_SCRAP, 2);
	crash();
	spawn();
	until(is_serving);
	report(5, &first);
	assert_int_equal(await_report(5).index, index);
	report(4, &second);
	assert_int_equal(await_report(4).index, index + 1);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 2);
}

static void
a_report_waits_for_the_disk(void **unused)
{
	const struct unit unit = make_unit(1, "dev-1");
	const struct mm_scrap_request request = scrap_of(&unit);

	(void)unused;
	box.notary_says = MM_E_DISK_FULL;
	report(2, &request);
	await_error(2, MM_E_DISK_FULL);
	box.notary_says = MM_OK;
	report(2, &request);
	await_report(2);
	assert_int_equal(logged(MM_ENTRY_SCRAP), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_report_is_an_entry_with_its_receipt),
	    TEST(again_it_is_the_same),
	    TEST(an_id_is_for_one_report),
	    TEST(what_is_not_the_orders_is_refused),
	    TEST(what_is_void_is_no_unit),
	    TEST(what_no_gate_should_send_is_refused),
	    TEST(what_is_not_signed_yet_waits),
	    TEST(two_at_once_are_one),
	    TEST(after_a_crash_it_is_the_same),
	    TEST(a_report_waits_for_the_disk),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
