/*
 * The authority and the log: what auditors ask, exports, an index that does
 * not fit, and a log that turns out to be damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "log/receipt.h"
#include "tests/unit/authority_box.h"

/* --- auditors --- */

static void
await_body(uint8_t id, uint64_t type, const struct mm_shape *shape, void *out)
{
	struct mm_envelope envelope = await(id);

	assert_int_equal(envelope.type, type);
	ok(mm_shape_decode(shape, envelope.body, &mint.arena, out));
}

static void
ask_blob(uint8_t id)
{
	struct mm_blob_request request = {.offset = 65536};

	ask(box.auditor_key, MM_MESSAGE_BLOB, id, &mm_blob_request_shape,
	    &request);
}

static void
ask_consistency(uint8_t id)
{
	struct mm_consistency_request older = {5};

	ask(box.station_key, MM_MESSAGE_CONSISTENCY, id,
	    &mm_consistency_request_shape, &older);
}

static void
auditors_are_answered_by_the_archive(void **unused)
{
	struct mm_consistency_answer grown;
	struct mm_cosign_request cosign = {text("a note")};
	struct mm_cosign_answer cosigned;
	struct mm_blob_answer blob;

	(void)unused;
	ask_consistency(1);
	await_body(
	    1, MM_MESSAGE_CONSISTENCY, &mm_consistency_answer_shape, &grown);
	assert_true(mm_span_equal(
	    grown.checkpoint, log_note(&mint.log, &mint.log.key, ORIGIN)));
	assert_int_equal(grown.proof.count, 1);
	ask(box.auditor_key, MM_MESSAGE_COSIGN, 2, &mm_cosign_request_shape,
	    &cosign);
	await_body(2, MM_MESSAGE_COSIGN, &mm_cosign_answer_shape, &cosigned);
	assert_int_equal(cosigned.size, cosign.note.size);
	assert_int_equal(cosigned.witnesses, 2);
	ask_blob(3);
	await_body(3, MM_MESSAGE_BLOB, &mm_blob_answer_shape, &blob);
	assert_int_equal(blob.size, 65536 + blob.data.size);
}

/* So many wait for a slow archive, and no more; who is told to ask again is
 * not one of them, and each of them gets its answer. */
static void
so_many_wait_for_the_archive(void **unused)
{
	enum { MANY = 4096, BEYOND = 100 };

	(void)unused;
	box.hold[ARCHIVE] = true;
	for (unsigned i = 0; i < MANY; i++) {
		ask_consistency(1);
		if (i % 512 == 0)
			until_quiet();
	}
	for (unsigned i = 0; i < BEYOND; i++)
		ask_consistency((uint8_t)(2 + i));
	for (unsigned i = 0; i < BEYOND; i++)
		await_error((uint8_t)(2 + i), MM_E_BUSY);
	until_quiet();
	assert_null(told_about(1));
	box.hold[ARCHIVE] = false;
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(await(1).type, MM_MESSAGE_CONSISTENCY);
	ask_consistency(2);
	assert_int_equal(await(2).type, MM_MESSAGE_CONSISTENCY);
}

/* Whoever asks for much at once is told to ask again, where a gate is slow;
 * the gate, with all of its connections, stays. */
static void
what_finds_no_room_is_asked_for_again(void **unused)
{
	enum { MANY = 120 };
	static const uint8_t much[1 << 20];
	unsigned busy = 0;

	(void)unused;
	box.heritage = mm_span(much, sizeof(much));
	box.hold[GATE] = true;
	for (unsigned i = 0; i < MANY; i++) {
		ask_blob((uint8_t)(100 + i));
		if (i % 10 == 0)
			until_quiet();
	}
	until_quiet();
	box.hold[GATE] = false;
	for (unsigned i = 0; i < MANY; i++) {
		struct mm_envelope envelope = await((uint8_t)(100 + i));
		struct mm_error_answer told;

		if (envelope.type == MM_MESSAGE_BLOB)
			continue;
		ok(mm_shape_decode(
		    &mm_error_answer_shape, envelope.body, &mint.arena, &told));
		assert_int_equal(told.code, MM_E_BUSY);
		assert_true(told.retry_after > 0);
		busy++;
	}
	assert_in_range(busy, 10, MANY - 10);
	assert_int_equal(box.kills, 0);
	ask_blob(1);
	assert_int_equal(await(1).type, MM_MESSAGE_BLOB);
}

static void
what_the_archive_refuses_is_told(void **unused)
{
	struct mm_cosign_request cosign = {text("a note")};

	(void)unused;
	box.archive_says = MM_E_COSIGNATURE;
	ask(box.auditor_key, MM_MESSAGE_COSIGN, 1, &mm_cosign_request_shape,
	    &cosign);
	await_error(1, MM_E_COSIGNATURE);
	ask(box.station_key, MM_MESSAGE_COSIGN, 2, &mm_cosign_request_shape,
	    &cosign);
	await_error(2, MM_E_ROLE);
	box.archive_says = MM_OK;
	ask_issue(3, "dev-1", make_spki());
	await_certificate(3);
}

/* --- exports --- */

static struct mm_export_request
export_of(uint64_t to)
{
	return (struct mm_export_request){.from = 1,
	    .to = to,
	    .format = text("csv"),
	    .filter = text("refused"),
	    .sha256 = {7},
	    .size = 1234};
}

static void
ask_export(uint8_t id, const struct mm_export_request *request)
{
	ask(box.auditor_key, MM_MESSAGE_EXPORT, id, &mm_export_request_shape,
	    request);
}

static struct mm_export_answer
await_export(uint8_t id)
{
	struct mm_export_answer got;

	await_body(id, MM_MESSAGE_EXPORT, &mm_export_answer_shape, &got);
	return got;
}

static void
an_export_is_put_on_record_once(void **unused)
{
	struct mm_export_request request = export_of(9);
	struct mm_export_answer first, again;
	struct mm_export_entry logged_as;
	struct mm_receipt receipt;
	struct mm_checkpoint checkpoint;
	struct mm_entry entry;
	struct mm_vkey vkey;

	(void)unused;
	ask_export(1, &request);
	first = await_export(1);
	ok(mm_entry_decode_as(mint.log.entries[first.index], MM_ENTRY_EXPORT,
	    &mint.arena, &entry, &logged_as));
	assert_int_equal(logged_as.from, 1);
	assert_int_equal(logged_as.to, 9);
	assert_int_equal(logged_as.sha256[0], 7);
	assert_int_equal(logged_as.size, 1234);
	assert_true(mm_span_is(logged_as.principal, "auditor"));
	assert_true(mm_span_is(logged_as.filter, "refused"));
	ok(mm_vkey_init(&vkey, text(ORIGIN), mint.log.key.public_key));
	ok(mm_receipt_decode(first.receipt, &mint.arena, &receipt));
	ok(mm_receipt_verify(
	    &receipt, &vkey, mint.log.entries[first.index], &checkpoint));
	ask_export(1, &request);
	again = await_export(1);
	assert_int_equal(again.index, first.index);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 1);
	/* The id is that export's for ever, and of its kind. */
	request.size++;
	ask_export(1, &request);
	await_error(1, MM_E_REQUEST_REUSED);
	ask_export(2, &request);
	await_export(2);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 2);
}

/* Nobody's request id answers for another kind of request. */
static void
an_id_of_another_request_is_refused(void **unused)
{
	struct mm_statement_ask statement = {
	    .statements =
		principal_statements("someone", MM_ROLE_AUDITOR, make_spki())};
	struct mm_export_request request = export_of(2);

	(void)unused;
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 1, &mm_statement_ask_shape,
	    &statement);
	assert_int_equal(await(1).type, MM_MESSAGE_STATEMENT);
	ask(box.officer_key, MM_MESSAGE_EXPORT, 1, &mm_export_request_shape,
	    &request);
	await_error(1, MM_E_REQUEST_REUSED);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 0);
}

static void
an_export_is_of_what_is_there(void **unused)
{
	struct mm_export_request request;

	(void)unused;
	request = export_of(mint.log.size + 1);
	ask_export(1, &request);
	await_error(1, MM_E_RANGE);
	request = export_of(1); /* nothing at all */
	ask_export(2, &request);
	await_error(2, MM_E_RANGE);
	request = export_of(9);
	request.format = text("xml");
	ask_export(3, &request);
	await_error(3, MM_E_RANGE);
	request = export_of(9);
	ask(box.station_key, MM_MESSAGE_EXPORT, 4, &mm_export_request_shape,
	    &request);
	await_error(4, MM_E_ROLE);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 0);
	request = export_of(mint.log.size);
	ask_export(5, &request);
	await_export(5);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 1);
}

static void
a_hundred_exports_a_day(void **unused)
{
	struct mm_export_request request = export_of(9);

	(void)unused;
	for (uint8_t id = 1; id <= 100; id++) {
		ask_export(id, &request);
		await_export(id);
	}
	ask_export(101, &request);
	await_error(101, MM_E_DAILY);
	/* An auditor's, not everybody's. */
	ask(box.officer_key, MM_MESSAGE_EXPORT, 102, &mm_export_request_shape,
	    &request);
	await_export(102);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 101);
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(mm_span_is(last_refusal()->reason, "daily-limit"));
}

static void
an_export_waits_for_the_disk(void **unused)
{
	struct mm_export_request request = export_of(9);

	(void)unused;
	box.notary_says = MM_E_DISK_FULL;
	ask_export(1, &request);
	await_error(1, MM_E_DISK_FULL);
	box.notary_says = MM_OK;
	ask_export(1, &request);
	await_export(1);
	assert_int_equal(logged(MM_ENTRY_EXPORT), 1);
}

/* --- an index that does not fit --- */

static void
edit_index(const char *statements)
{
	char path[300];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/index.db", box.directory);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* However it was changed: the start makes it anew, and it says the same. */
static void
an_index_that_does_not_fit_is_made_anew(void **unused)
{
	static const char *const edits[] = {
	    "UPDATE fold SET size = 100000",
	    "UPDATE fold SET size = size - 3",
	    "UPDATE fold SET last = randomblob(32)",
	    "UPDATE fold SET size = 0, last = NULL",
	    "DELETE FROM reference; UPDATE fold SET size = size",
	    "UPDATE reference SET bytes = x'00' WHERE idx = 0",
	    "DELETE FROM authority",
	    "PRAGMA user_version = 1",
	    "DROP TABLE issued",
	};
	struct mm_span spki = make_spki();
	struct mm_certificate_answer first, again;

	(void)unused;
	ask_issue(1, "dev-1", spki);
	first = await_certificate(1);
	for (size_t i = 0; i < MM_COUNT(edits); i++) {
		assert_int_equal(stop(), 0);
		edit_index(edits[i]);
		spawn();
		until(is_serving);
		ask_issue(1, "dev-1", spki);
		again = await_certificate(1);
		assert_true(
		    mm_span_equal(first.certificate, again.certificate));
		ask_issue(2, "dev-1", make_spki());
		await_error(2, MM_E_DEVICE_ISSUED);
	}
}

/* --- a damaged log --- */

static void
a_damaged_log_is_read_and_nothing_signed(void **unused)
{
	struct mm_span spki = make_spki();
	struct mm_certificate_answer first, again;
	struct mm_export_request request = export_of(9);
	struct mm_status_answer status;
	struct mm_nothing nothing;
	uint64_t size;

	(void)unused;
	ask_issue(1, "dev-1", spki);
	first = await_certificate(1);
	box.archive_says = MM_E_LOG_WRONG;
	ask_blob(2);
	await_error(2, MM_E_LOG_WRONG);
	box.archive_says = MM_OK;
	until_quiet();
	size = mint.log.size;
	ask_issue(3, "dev-2", make_spki());
	await_error(3, MM_E_LOG_WRONG);
	ask_export(4, &request);
	await_error(4, MM_E_LOG_WRONG);
	ask_blob(5);
	assert_int_equal(await(5).type, MM_MESSAGE_BLOB);
	ask(box.station_key, MM_MESSAGE_STATUS, 6, &mm_nothing_shape, &nothing);
	await_body(6, MM_MESSAGE_STATUS, &mm_status_answer_shape, &status);
	assert_int_equal(status.size, size);
	ask(box.station_key, MM_MESSAGE_SHOW, 7, &mm_show_request_shape,
	    &(struct mm_show_request){
		.profile = text("device"), .device = text("dev-1")});
	again = await_certificate(7);
	assert_true(mm_span_equal(first.certificate, again.certificate));
	until_quiet();
	assert_int_equal(mint.log.size, size);
}

/* What is with the token when it is found is not stored, nor answered. */
static void
what_is_being_signed_is_given_up(void **unused)
{
	uint64_t size;

	(void)unused;
	box.hold[TOKEN] = true;
	ask_issue(1, "dev-1", make_spki());
	until_held(TOKEN);
	size = mint.log.size;
	box.archive_says = MM_E_LOG_WRONG;
	ask_blob(2);
	await_error(2, MM_E_LOG_WRONG);
	await_error(1, MM_E_LOG_WRONG);
	box.hold[TOKEN] = false;
	until_quiet();
	assert_int_equal(mint.log.size, size);
	assert_int_equal(stop(), 0);
}

/* Nobody has asked: it says so where it is told the newest checkpoint. */
static void
what_the_archive_finds_by_itself_counts(void **unused)
{
	struct mm_export_request request = export_of(9);
	uint64_t size;

	(void)unused;
	box.publish_says = MM_E_LOG_WRONG;
	ask_export(1, &request);
	await_export(1);
	until_quiet();
	size = mint.log.size;
	ask_issue(2, "dev-1", make_spki());
	await_error(2, MM_E_LOG_WRONG);
	until_quiet();
	assert_int_equal(mint.log.size, size);
}

static void
a_start_on_a_damaged_log_ends(void **unused)
{
	(void)unused;
	crash();
	box.archive_says = MM_E_LOG_WRONG;
	spawn();
	until_ended();
	assert_int_equal(ends(), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(auditors_are_answered_by_the_archive),
	    TEST(so_many_wait_for_the_archive),
	    TEST(what_finds_no_room_is_asked_for_again),
	    TEST(what_the_archive_refuses_is_told),
	    TEST(an_export_is_put_on_record_once),
	    TEST(an_id_of_another_request_is_refused),
	    TEST(an_export_is_of_what_is_there),
	    TEST(a_hundred_exports_a_day),
	    TEST(an_export_waits_for_the_disk),
	    TEST(an_index_that_does_not_fit_is_made_anew),
	    TEST(a_damaged_log_is_read_and_nothing_signed),
	    TEST(what_is_being_signed_is_given_up),
	    TEST(what_the_archive_finds_by_itself_counts),
	    TEST(a_start_on_a_damaged_log_ends),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
