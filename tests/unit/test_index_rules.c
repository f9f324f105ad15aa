/* The index, rule by rule: orders, replacing, revoking, waiting, keys, and
 * what a predecessor left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "log/inheritance.h"
#include "protocol/message.h"
#include "server/index_parts.h"
#include "tests/unit/index_room.h"

static struct mm_arena arena;

/* --- short forms --- */

static struct mm_order_claim
terms(const char *name, uint64_t revision)
{
	return (struct mm_order_claim){.name = text(name),
	    .profile = text("device"),
	    .units = 1000 + revision,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = NOW + 400 * (uint64_t)DAY,
	    .revision = revision,
	    .reissue = 3};
}

static enum mm_error
order(struct mm_order_claim claim)
{
	return apply_stated(MM_ENTRY_ORDER, say(MM_STATEMENT_ORDER, &claim));
}

static struct mm_order_row
order_row(const char *name)
{
	struct mm_order_row row;

	ok(mm_index_order(room.index, text(name), &arena, &row));
	return row;
}

/* A device's certificate. */
struct device {
	const char *name;
	unsigned key;
	const struct device *former;
	uint64_t basis, idx; /* basis 0: of order `o` */
	uint8_t serial[MM_SERIAL_SIZE];
};

static struct mm_span
serial_of(const struct device *device)
{
	return mm_span(device->serial, sizeof(device->serial));
}

static enum mm_error
issue(struct device *device)
{
	struct mm_replaced former;
	struct mm_certificate_entry body = {.profile = text("device"),
	    .subject = text(device->name),
	    .basis = device->basis != 0 ? device->basis : order_row("o").idx,
	    .issuer = text("device-ca"),
	    .tbs = make_tbs(device->serial, NOW + DAY),
	    .principal = text("station")};

	if (device->former != NULL) {
		former = (struct mm_replaced){
		    device->former->idx, serial_of(device->former)};
		body.replaces = (struct mm_list){&former, 1};
	}
	key_of(device->key, body.key);
	device->idx = room.count;
	return apply(MM_ENTRY_CERTIFICATE, &body);
}

static void
issue_signed(struct device *device)
{
	ok(issue(device));
	ok(apply_signature(device->idx, 1));
}

/* Whether it is refused, and nothing of it stays. */
#define REFUSED(call) \
	do { \
		size_t count_ = room.count; \
		ok(mm_index_commit(room.index)); \
		ok(mm_index_begin(room.index)); \
		assert_int_equal(call, MM_E_LOG_WRONG); \
		mm_index_rollback(room.index); \
		room.count = count_; \
		assert_int_equal(mm_index_size(room.index), count_); \
		ok(mm_index_begin(room.index)); \
	} while (0)

/* The live certificate is this one, or there is none. */
static void
expect_live(const char *name, const struct device *wanted)
{
	struct mm_issued got;
	enum mm_error error = mm_index_device(
	    room.index, text("device"), text(name), &arena, &got);

	assert_int_equal(error, wanted != NULL ? MM_OK : MM_E_NOT_FOUND);
	if (wanted != NULL)
		assert_int_equal(got.idx, wanted->idx);
}

static void
expect_revoked(const struct device *device, uint64_t revoked, uint64_t at)
{
	struct mm_issued got;

	ok(mm_index_serial(room.index, serial_of(device), &arena, &got));
	assert_int_equal(got.revoked, revoked);
	assert_int_equal(got.revoked_at, at);
	assert_true(mm_span_is(got.issuer, "device-ca"));
	assert_true(mm_span_equal(got.serial, serial_of(device)));
}

static uint64_t
changes_since(uint64_t size)
{
	uint64_t count;

	ok(mm_index_crl_changes(room.index, text("device-ca"), size, &count));
	return count;
}

/* --- orders --- */

static void
revisions_take_their_turn(void **unused)
{
	struct mm_order_claim other = terms("o", 2);
	struct mm_order_row row;
	struct device device = {.name = "d", .key = 1};
	uint64_t former = order_row("o").idx;

	(void)unused;
	other.profile = text("device-2");
	REFUSED(order(terms("o", 0)));
	REFUSED(order(terms("o", 2)));
	REFUSED(order(terms("other", 1)));
	issue_signed(&device);
	ok(order(terms("o", 1)));
	row = order_row("o");
	assert_int_equal(row.idx, room.count - 1);
	assert_int_equal(row.first, former);
	assert_int_equal(row.used, 1);
	assert_int_equal(row.claim.units, 1001);
	REFUSED(order(terms("o", 1)));
	REFUSED(order(other));
	ok(order(terms("o", 2)));
	ok(mm_index_order_at(room.index, former, &arena, &other));
	assert_int_equal(other.units, 1000);
	device = (struct device){.name = "e", .key = 2, .basis = former};
	REFUSED(issue(&device));
}

static void
orders_are_listed_by_name(void **unused)
{
	struct mm_list rows;

	(void)unused;
	ok(order(terms("b", 0)));
	ok(order(terms("a", 0)));
	ok(order(terms("b", 1)));
	ok(mm_index_orders(room.index, mm_span(NULL, 0), 2, &arena, &rows));
	assert_int_equal(rows.count, 2);
	assert_true(mm_span_is(
	    mm_list_at(rows, struct mm_order_row, 0)->claim.name, "a"));
	assert_int_equal(
	    mm_list_at(rows, struct mm_order_row, 1)->claim.revision, 1);
	ok(mm_index_orders(room.index, text("b"), 2, &arena, &rows));
	assert_int_equal(rows.count, 1);
	ok(mm_index_orders(room.index, text("o"), 2, &arena, &rows));
	assert_int_equal(rows.count, 0);
}

static void
refusals_are_counted(void **unused)
{
	struct mm_refusal refusals[] = {
	    {text("station"), text("issue"), text("order-exhausted"), 3,
		text("d"), text("o")},
	    {text("station"), text("issue"), text("order-cover"), 4, text("d"),
		text("o")},
	    {text("station"), text("issue"), text("order"), 5, text("d"),
		text("nobody's")},
	    {text("station"), text("show"), text("not-found"), 6, text("d"),
		{NULL, 0}}};
	struct mm_refusal_entry body = {{refusals, MM_COUNT(refusals)}};

	(void)unused;
	ok(apply(MM_ENTRY_REFUSAL, &body));
	assert_int_equal(order_row("o").refused, 7);
}

/* --- one live certificate a device --- */

static void
a_successor_takes_over_when_it_is_signed(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device second = {.name = "d", .key = 2, .former = &first};
	struct device third = {.name = "d", .key = 1, .former = &second};
	struct mm_issued got;
	uint8_t key[32];

	(void)unused;
	issue_signed(&first);
	expect_live("d", &first);
	ok(issue(&second));
	expect_live("d", &second);
	expect_revoked(&first, 0, 0);
	assert_int_equal(order_row("o").used, 1);
	assert_int_equal(order_row("o").reissued, 1);
	room.now += 7;
	ok(apply_signature(second.idx, 1));
	expect_live("d", &second);
	expect_revoked(&first, 1 + 4, room.now);
	assert_int_equal(order_row("o").revoked, 1);
	/* A key that was superseded comes again, for the same device. */
	issue_signed(&third);
	key_of(1, key);
	ok(mm_index_key(room.index, key, &arena, &got));
	assert_int_equal(got.idx, third.idx);
	assert_int_equal(got.order, order_row("o").first);
	assert_int_equal(order_row("o").reissued, 2);
	assert_int_equal(order_row("o").revoked, 2);
}

static void
a_void_successor_leaves_the_former(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device second = {.name = "d", .key = 1, .former = &first};
	uint64_t today;

	(void)unused;
	issue_signed(&first);
	ok(issue(&second));
	ok(apply_void(second.idx));
	expect_live("d", &first);
	expect_revoked(&first, 0, 0);
	assert_int_equal(order_row("o").used, 1);
	assert_int_equal(order_row("o").reissued, 0);
	ok(mm_index_daily(room.index, text("station"), MM_ENTRY_CERTIFICATE,
	    room.now, &today));
	assert_int_equal(today, 1);
	issue_signed(&second);
	expect_live("d", &second);
}

static void
only_the_live_one_of_the_device_is_replaced(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device other = {.name = "e", .key = 2};
	struct device waits = {.name = "f", .key = 3};
	struct device second = {.name = "d", .key = 4, .former = &first};
	struct device again = {.name = "d", .key = 5};
	struct device wrong = {.name = "d", .key = 6, .former = &other};
	struct device early = {.name = "f", .key = 7, .former = &waits};
	struct device odd = first;

	(void)unused;
	issue_signed(&first);
	issue_signed(&other);
	ok(issue(&waits));
	REFUSED(issue(&again));
	REFUSED(issue(&wrong));
	REFUSED(issue(&early));
	odd = first;
	odd.idx++;
	second.former = &odd;
	REFUSED(issue(&second));
	odd = first;
	odd.serial[5] ^= 1;
	REFUSED(issue(&second));
	second.former = &first;
	ok(issue(&second));
	again.former = &first;
	REFUSED(issue(&again));
}

/* Revoked while its successor waits: it is never live again. */
static void
what_is_revoked_meanwhile_stays_so(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device second = {.name = "d", .key = 2, .former = &first};

	(void)unused;
	issue_signed(&first);
	ok(issue(&second));
	ok(apply_revocation(serial_of(&first), 1, 0));
	ok(apply_void(second.idx));
	expect_live("d", NULL);
	expect_revoked(&first, 2, room.now);
	second.former = NULL;
	ok(issue(&second));
	expect_live("d", &second);
}

static void
a_hold_may_end_while_a_successor_waits(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device second = {.name = "d", .key = 2, .former = &first};

	(void)unused;
	issue_signed(&first);
	ok(issue(&second));
	ok(apply_revocation(serial_of(&first), 6, 0));
	ok(apply_revocation(serial_of(&first), 8, 0));
	expect_live("d", &second);
	ok(apply_void(second.idx));
	expect_live("d", &first);
	issue_signed(&second);
	expect_revoked(&first, 1 + 4, room.now);
	assert_int_equal(order_row("o").revoked, 1);
}

static void
a_key_is_never_two_devices(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device other = {.name = "e", .key = 1};
	struct device same = {.name = "d", .key = 1};

	(void)unused;
	ok(issue(&first));
	REFUSED(issue(&other));
	ok(apply_void(first.idx));
	issue_signed(&other);
	REFUSED(issue(&same));
	ok(apply_revocation(serial_of(&other), 1, 0));
	REFUSED(issue(&same));
	REFUSED(issue(&(struct device){.name = "e", .key = 1}));
	issue_signed(&(struct device){.name = "e", .key = 2});
}

/* --- revocation --- */

static void
revocation_is_for_ever_but_for_a_hold(void **unused)
{
	struct device device = {.name = "d", .key = 1};
	struct device waits = {.name = "e", .key = 2};
	struct device gone = {.name = "f", .key = 3};

	(void)unused;
	issue_signed(&device);
	ok(issue(&waits));
	ok(issue(&gone));
	ok(apply_void(gone.idx));
	REFUSED(apply_revocation(serial_of(&waits), 1, 0));
	REFUSED(apply_revocation(serial_of(&gone), 1, 0));
	REFUSED(apply_revocation(text("nobody's"), 1, 0));
	REFUSED(apply_revocation(serial_of(&device), 8, 0));
	ok(apply_revocation(serial_of(&device), 6, 0));
	expect_live("d", &device);
	expect_revoked(&device, 7, room.now);
	assert_int_equal(order_row("o").revoked, 1);
	REFUSED(apply_revocation(serial_of(&device), 6, 0));
	ok(apply_revocation(serial_of(&device), 8, 0));
	expect_live("d", &device);
	expect_revoked(&device, 0, 0);
	assert_int_equal(order_row("o").revoked, 0);
	ok(apply_revocation(serial_of(&device), 6, 0));
	room.now += 5;
	ok(apply_revocation(serial_of(&device), 0, 0));
	expect_revoked(&device, 1, room.now);
	assert_int_equal(order_row("o").revoked, 1);
	for (uint64_t reason = 0; reason <= 10; reason++)
		REFUSED(apply_revocation(serial_of(&device), reason, 0));
}

/* What is on hold keeps its place, or two would be live one day. */
static void
a_hold_keeps_the_device(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device second = {.name = "d", .key = 2};
	struct device same = {.name = "d", .key = 1};

	(void)unused;
	issue_signed(&first);
	ok(apply_revocation(serial_of(&first), 6, 0));
	expect_live("d", &first);
	REFUSED(issue(&second));
	REFUSED(issue(&same));
	ok(apply_revocation(serial_of(&first), 8, 0));
	expect_live("d", &first);
	ok(apply_revocation(serial_of(&first), 6, 0));
	ok(apply_revocation(serial_of(&first), 5, 0));
	expect_live("d", NULL);
	issue_signed(&second);
	expect_live("d", &second);
}

static void
what_is_on_hold_is_replaced_for_ever(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device same = {.name = "d", .key = 1, .former = &first};
	struct device second = {.name = "d", .key = 2, .former = &first};

	(void)unused;
	issue_signed(&first);
	ok(apply_revocation(serial_of(&first), 6, 0));
	REFUSED(issue(&same));
	ok(issue(&second));
	expect_live("d", &second);
	expect_revoked(&first, 7, room.now);
	room.now += 7;
	ok(apply_signature(second.idx, 1));
	expect_revoked(&first, 1 + 4, room.now);
	assert_int_equal(order_row("o").revoked, 1);
	REFUSED(apply_revocation(serial_of(&first), 8, 0));
	expect_live("d", &second);
}

/* However the hold and the successor come: it is what it was before. */
static void
a_void_successor_leaves_the_hold(void **unused)
{
	struct device first = {.name = "d", .key = 1};
	struct device second = {.name = "d", .key = 2, .former = &first};
	struct device other = {.name = "d", .key = 3};

	(void)unused;
	issue_signed(&first);
	ok(apply_revocation(serial_of(&first), 6, 0));
	ok(issue(&second));
	ok(apply_void(second.idx));
	expect_live("d", &first);
	expect_revoked(&first, 7, room.now);
	REFUSED(issue(&other));
	ok(issue(&second));
	ok(apply_revocation(serial_of(&first), 8, 0));
	ok(apply_revocation(serial_of(&first), 6, 0));
	ok(apply_void(second.idx));
	expect_revoked(&first, 7, room.now);
	REFUSED(issue(&other));
	ok(issue(&second));
	ok(apply_revocation(serial_of(&first), 8, 0));
	ok(apply_void(second.idx));
	expect_revoked(&first, 0, 0);
	expect_live("d", &first);
	assert_int_equal(order_row("o").revoked, 0);
	assert_int_equal(order_row("o").reissued, 0);
}

/* By its own part of an index, however many there are. */
static void
a_device_is_found_without_a_search(void **unused)
{
	static const char question[] =
	    "EXPLAIN QUERY PLAN SELECT idx FROM issued"
	    " WHERE live IN (1, 6) AND profile = ? AND subject = ?";
	sqlite3_stmt *plan;

	(void)unused;
	assert_int_equal(
	    sqlite3_prepare_v2(room.index->db, question, -1, &plan, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
	assert_non_null(strstr((const char *)sqlite3_column_text(plan, 3),
	    "USING INDEX one_device (profile=? AND subject=?)"));
	assert_int_equal(sqlite3_step(plan), SQLITE_DONE);
	sqlite3_finalize(plan);
}

struct listed {
	uint8_t last[MM_SERIAL_SIZE];
	uint64_t count, reasons, since, most;
};

static enum mm_error
list_one(void *self, const struct mm_revoked_row *row)
{
	struct listed *listed = self;

	assert_int_equal(row->serial.size, MM_SERIAL_SIZE);
	assert_true(listed->count == 0 ||
		    memcmp(listed->last, row->serial.data, MM_SERIAL_SIZE) < 0);
	memcpy(listed->last, row->serial.data, MM_SERIAL_SIZE);
	listed->reasons |= 1U << row->reason;
	listed->since += row->since;
	return ++listed->count == listed->most ? MM_E_AWAY : MM_OK;
}

static void
the_revoked_are_listed_by_serial(void **unused)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	struct device devices[5] = {0};
	struct listed listed = {.most = UINT64_MAX};

	(void)unused;
	for (unsigned i = 0; i < 5; i++) {
		devices[i].name = names[i];
		devices[i].key = i;
		issue_signed(&devices[i]);
	}
	ok(apply_revocation(serial_of(&devices[0]), 1, NOW - 5));
	ok(apply_revocation(serial_of(&devices[1]), 4, 0));
	ok(apply_revocation(serial_of(&devices[2]), 6, 0));
	ok(apply_revocation(serial_of(&devices[3]), 6, 0));
	assert_int_equal(changes_since(0), 4);
	assert_int_equal(changes_since(room.count - 1), 1);
	assert_int_equal(changes_since(room.count), 0);
	ok(apply_revocation(serial_of(&devices[3]), 8, 0));
	assert_int_equal(changes_since(room.count - 1), 1);
	assert_int_equal(changes_since(0), 4);
	ok(mm_index_revoked(room.index, text("device-ca"), list_one, &listed));
	assert_int_equal(listed.count, 3);
	assert_int_equal(listed.reasons, 1 << 1 | 1 << 4 | 1 << 6);
	assert_int_equal(listed.since, NOW - 5);
	listed = (struct listed){.most = 2};
	assert_int_equal(
	    mm_index_revoked(room.index, text("device-ca"), list_one, &listed),
	    MM_E_AWAY);
	assert_int_equal(listed.count, 2);
	listed = (struct listed){.most = UINT64_MAX};
	ok(mm_index_revoked(room.index, text("root"), list_one, &listed));
	assert_int_equal(listed.count, 0);
}

static void
crls_go_up_by_one(void **unused)
{
	struct mm_crl_row row;
	uint64_t first = room.count, count;

	(void)unused;
	assert_int_equal(
	    mm_index_crl(room.index, text("device-ca"), &row), MM_E_NOT_FOUND);
	REFUSED(apply_crl("device-ca", 5, room.count + 1));
	ok(apply_crl("device-ca", 5, room.count));
	ok(mm_index_crl(room.index, text("device-ca"), &row));
	assert_int_equal(row.idx, first);
	assert_int_equal(row.number, 5);
	assert_int_equal(row.size, first);
	assert_int_equal(row.next_update, room.now + DAY);
	assert_false(row.is_signed);
	ok(mm_index_unsigned_count(room.index, &count));
	assert_int_equal(count, 1);
	ok(apply_signature(first, 1));
	ok(mm_index_crl(room.index, text("device-ca"), &row));
	assert_true(row.is_signed);
	REFUSED(apply_crl("device-ca", 5, room.count));
	REFUSED(apply_crl("device-ca", 7, room.count));
	REFUSED(apply_crl("device-ca", 6, first - 1));
	ok(apply_crl("device-ca", 6, room.count));
	ok(apply_void(room.count - 1));
	ok(mm_index_crl(room.index, text("device-ca"), &row));
	assert_int_equal(row.number, 5);
	ok(mm_index_crl_entered(room.index, text("device-ca"), &row));
	assert_int_equal(row.number, 6);
	REFUSED(apply_crl("device-ca", 6, room.count));
	ok(apply_crl("device-ca", 7, room.count));
	ok(apply_crl("root", 1, room.count));
	ok(mm_index_crl(room.index, text("device-ca"), &row));
	assert_int_equal(row.number, 7);
}

/* --- what waits --- */

static struct mm_list
say_order(const char *name)
{
	struct mm_order_claim claim = terms(name, 0);

	return say(MM_STATEMENT_ORDER, &claim);
}

static enum mm_error
find_pending(struct mm_list statements, struct mm_pending_index *out)
{
	uint8_t digest[32];

	digest_of(&statements, digest);
	return mm_index_pending(room.index, digest, out);
}

static void
the_newest_pending_entry_counts(void **unused)
{
	struct mm_list statements = say_order("w");
	struct mm_pending_index got;
	struct mm_span entry;
	uint64_t first = room.count, idx;

	(void)unused;
	ok(apply_waiting(statements));
	ok(find_pending(statements, &got));
	assert_int_equal(got.idx, first);
	assert_int_equal(got.kind, MM_STATEMENT_ORDER);
	assert_int_equal(got.time, room.now);
	assert_int_equal(got.expiry, room.now + DAY);
	assert_int_equal(
	    mm_index_statement(room.index, payload_of(&statements), &idx),
	    MM_E_NOT_FOUND);
	ok(mm_index_reference(room.index, first, &arena, &entry));
	ok(apply_waiting(statements));
	ok(find_pending(statements, &got));
	assert_int_equal(got.idx, first + 1);
	assert_int_equal(mm_index_reference(room.index, first, &arena, &entry),
	    MM_E_NOT_FOUND);
	ok(mm_index_reference(room.index, first + 1, &arena, &entry));
	ok(mm_index_request(room.index, text("ada"),
	    (const uint8_t *)"0123456789abcdef", &idx));
	assert_int_equal(idx, first + 1);
	ok(apply_stated(MM_ENTRY_ORDER, statements));
	assert_int_equal(find_pending(statements, &got), MM_E_NOT_FOUND);
	assert_int_equal(
	    mm_index_reference(room.index, first + 1, &arena, &entry),
	    MM_E_NOT_FOUND);
	ok(mm_index_statement(room.index, payload_of(&statements), &idx));
	assert_int_equal(idx, first + 2);
	REFUSED(apply_waiting(statements));
	REFUSED(apply_stated(MM_ENTRY_ORDER, statements));
}

static void
what_is_withdrawn_never_comes_again(void **unused)
{
	struct mm_list statements = say_order("w");
	struct mm_pending_index got;
	struct mm_span entry;
	uint64_t count;

	(void)unused;
	REFUSED(apply_withdrawal(statements));
	ok(apply_waiting(statements));
	ok(apply_withdrawal(statements));
	ok(find_pending(statements, &got));
	assert_true(got.withdrawn);
	assert_int_equal(
	    mm_index_reference(room.index, got.idx, &arena, &entry),
	    MM_E_NOT_FOUND);
	ok(mm_index_pending_count(room.index, room.now, &count));
	assert_int_equal(count, 0);
	REFUSED(apply_waiting(statements));
	REFUSED(apply_stated(MM_ENTRY_ORDER, statements));
	REFUSED(apply_withdrawal(statements));
	room.now += 9 * DAY;
	ok(apply_waiting(say_order("x")));
	ok(find_pending(statements, &got));
	assert_true(got.withdrawn);
}

static void
what_has_expired_is_dropped(void **unused)
{
	struct mm_list statements = say_order("w");
	struct mm_pending_index got;
	uint64_t end = room.now + DAY, count, idx = room.count;
	struct mm_span entry;
	struct mm_list rows;

	(void)unused;
	ok(apply_waiting(statements));
	ok(mm_index_pending_count(room.index, end, &count));
	assert_int_equal(count, 1);
	ok(mm_index_pending_count(room.index, end + 1, &count));
	assert_int_equal(count, 0);
	ok(mm_index_pendings(
	    room.index, mm_span(NULL, 0), end + 1, 9, &arena, &rows));
	assert_int_equal(rows.count, 0);
	room.now = end;
	ok(apply_waiting(say_order("x")));
	ok(find_pending(statements, &got));
	room.now = end + 1;
	ok(apply_waiting(say_order("y")));
	assert_int_equal(find_pending(statements, &got), MM_E_NOT_FOUND);
	assert_int_equal(mm_index_reference(room.index, idx, &arena, &entry),
	    MM_E_NOT_FOUND);
}

static void
what_waits_is_listed_by_payload(void **unused)
{
	struct mm_list rows, rest;
	const struct mm_pending_index *row;

	(void)unused;
	for (unsigned i = 0; i < 9; i++)
		ok(apply_waiting(say_order("w")));
	ok(mm_index_pendings(
	    room.index, mm_span(NULL, 0), room.now, 99, &arena, &rows));
	assert_int_equal(rows.count, 9);
	row = rows.items;
	for (size_t i = 1; i < 9; i++)
		assert_true(memcmp(row[i - 1].payload, row[i].payload, 32) < 0);
	ok(mm_index_pendings(room.index, mm_span(row[3].payload, 32), room.now,
	    3, &arena, &rest));
	assert_int_equal(rest.count, 3);
	assert_memory_equal(
	    mm_list_at(rest, struct mm_pending_index, 0)->payload,
	    row[4].payload, 32);
}

static void
the_newest_release_counts(void **unused)
{
	struct mm_scheme_digest scheme = {text("sha256-ecdsa"), {1}};
	struct mm_release_claim claim = {.product = text("lamp"),
	    .version = text("1.0"),
	    .size = 5,
	    .schemes = {&scheme, 1}};
	struct mm_list statements = say(MM_STATEMENT_RELEASE, &claim);
	struct mm_span entry;
	uint64_t idx;

	(void)unused;
	assert_int_equal(
	    mm_index_release(room.index, text("lamp"), text("1.0"), &idx),
	    MM_E_NOT_FOUND);
	ok(apply_waiting(statements));
	assert_int_equal(
	    mm_index_release(room.index, text("lamp"), text("1.0"), &idx),
	    MM_E_NOT_FOUND);
	ok(apply_stated(MM_ENTRY_RELEASE, statements));
	ok(apply_stated(MM_ENTRY_RELEASE, say(MM_STATEMENT_RELEASE, &claim)));
	ok(mm_index_release(room.index, text("lamp"), text("1.0"), &idx));
	assert_int_equal(idx, room.count - 1);
	ok(mm_index_reference(room.index, idx, &arena, &entry));
}

/* --- people and keys --- */

static enum mm_error
register_station(const char *name, unsigned key)
{
	struct mm_principal_claim claim = {
	    .name = text(name), .role = MM_ROLE_STATION, .minute = 60};

	key_of(key, claim.key);
	return apply_stated(
	    MM_ENTRY_PRINCIPAL, say(MM_STATEMENT_PRINCIPAL, &claim));
}

static enum mm_error
certify_station(const char *name, unsigned key, uint64_t basis, uint64_t until,
    uint64_t *idx)
{
	uint8_t serial[MM_SERIAL_SIZE];
	struct mm_certificate_entry body = {.profile = text("tls-client"),
	    .subject = text(name),
	    .basis = basis,
	    .issuer = text("access-ca"),
	    .tbs = make_tbs(serial, until)};

	key_of(key, body.key);
	*idx = room.count;
	return apply(MM_ENTRY_CERTIFICATE, &body);
}

static struct mm_principal_row
principal_row(const char *name)
{
	struct mm_list rows;
	const struct mm_principal_row *row;

	ok(mm_index_principals(
	    room.index, mm_span(NULL, 0), 99, &arena, &rows));
	for (size_t i = 0; i < rows.count; i++) {
		row = mm_list_at(rows, struct mm_principal_row, i);
		if (mm_span_is(row->principal.name, name))
			return *row;
	}
	fail_msg("there is no %s", name);
	return (struct mm_principal_row){.seen = 0};
}

static void
principals_have_certificates_and_are_seen(void **unused)
{
	struct mm_refusal refusal = {
	    text("s"), text("issue"), text("order"), 1, {NULL, 0}, {NULL, 0}};
	struct mm_refusal_entry refusals = {{&refusal, 1}};
	struct mm_issued got;
	uint64_t basis = room.count, idx, newest;
	uint8_t key[32];

	(void)unused;
	ok(register_station("s", 7));
	ok(register_station("r", 8));
	assert_int_equal(principal_row("s").until, 0);
	assert_int_equal(principal_row("s").seen, 0);
	assert_int_equal(principal_row("s").principal.minute, 60);
	ok(certify_station("s", 7, basis, NOW + 100, &idx));
	assert_int_equal(principal_row("s").until, 0);
	ok(apply_signature(idx, 1));
	assert_int_equal(principal_row("s").until, NOW + 100);
	ok(certify_station("s", 7, basis, NOW + 300, &newest));
	ok(mm_index_resting(room.index, basis, &arena, &got));
	assert_int_equal(got.idx, newest);
	ok(apply_signature(newest, 1));
	assert_int_equal(principal_row("s").until, NOW + 300);
	key_of(7, key);
	assert_int_equal(
	    mm_index_key(room.index, key, &arena, &got), MM_E_NOT_FOUND);
	ok(mm_index_serial(room.index, got.serial, &arena, &got));
	ok(apply_revocation(got.serial, 1, 0));
	ok(mm_index_issued(room.index, newest, &arena, &got));
	assert_int_equal(got.revoked, 2);
	room.now += 9;
	ok(apply(MM_ENTRY_REFUSAL, &refusals));
	assert_int_equal(principal_row("s").seen, room.now);
	ok(register_station("s", 7));
	assert_int_equal(principal_row("s").until, NOW + 300);
	ok(register_station("s", 9));
	assert_int_equal(principal_row("s").until, 0);
	assert_int_equal(principal_row("s").seen, room.now);
	assert_int_equal(principal_row("s").key[1], 9);
	assert_int_equal(principal_row("r").seen, 0);
}

/* The certificate of a key of the mint. */
static uint64_t
certify_key(const char *name, struct mm_span spki, uint64_t basis)
{
	uint8_t serial[MM_SERIAL_SIZE];
	struct mm_certificate_entry body = {.profile = text("device-ca"),
	    .subject = text("CA"),
	    .basis = basis,
	    .issuer = text("root"),
	    .tbs = make_tbs(serial, NOW + DAY)};

	(void)name;
	crypto_hash_sha256(body.key, spki.data, spki.size);
	ok(apply(MM_ENTRY_CERTIFICATE, &body));
	return room.count - 1;
}

static struct mm_authority_row
authority(const char *name)
{
	struct mm_authority_row row;

	ok(mm_index_authority(room.index, text(name), &arena, &row));
	return row;
}

static void
keys_come_and_go_by_ceremonies(void **unused)
{
	struct mm_ceremony_claim ceremony = {.keys = {NULL, 0}};
	struct mm_key_entry key = {.name = text("new-ca"),
	    .use = MM_KEY_DEVICE_CA,
	    .spki = make_spki()};
	struct mm_csr_entry csr = {.key = text("new-ca"),
	    .profile = text("device-ca"),
	    .subject = text("CA"),
	    .info = text("info")};
	struct mm_import_entry import = {
	    .key = text("new-ca"), .certificate = text("der")};
	struct mm_issued got;
	struct mm_list rows, followed;
	struct mm_span entry;
	uint64_t basis = room.count, idx;
	uint8_t digest[32];

	(void)unused;
	REFUSED(apply(MM_ENTRY_CSR, &csr));
	REFUSED(apply(MM_ENTRY_IMPORT, &import));
	ok(apply_stated(
	    MM_ENTRY_CEREMONY, say(MM_STATEMENT_CEREMONY, &ceremony)));
	key.basis = csr.basis = import.basis = basis;
	ok(apply(MM_ENTRY_KEY, &key));
	REFUSED(apply(MM_ENTRY_KEY, &key));
	assert_int_equal(authority("new-ca").idx, UINT64_MAX);
	assert_int_equal(authority("new-ca").use, MM_KEY_DEVICE_CA);
	ok(apply(MM_ENTRY_CSR, &csr));
	ok(mm_index_resting(room.index, basis, &arena, &got));
	assert_int_equal(got.kind, MM_ENTRY_CSR);
	crypto_hash_sha256(digest, key.spki.data, key.spki.size);
	assert_memory_equal(got.key, digest, 32);
	assert_int_equal(
	    mm_index_key(room.index, digest, &arena, &got), MM_E_NOT_FOUND);
	ok(apply_signature(got.idx, 1));
	ok(apply(MM_ENTRY_IMPORT, &import));
	assert_true(authority("new-ca").imported);
	assert_int_equal(authority("new-ca").idx, room.count - 1);
	idx = certify_key("new-ca", key.spki, basis);
	assert_true(authority("new-ca").imported);
	ok(mm_index_reference(room.index, idx, &arena, &entry));
	ok(apply_void(idx));
	assert_true(authority("new-ca").imported);
	idx = certify_key("new-ca", key.spki, basis);
	ok(apply_signature(idx, 1));
	assert_false(authority("new-ca").imported);
	assert_int_equal(authority("new-ca").idx, idx);
	ok(mm_index_key(room.index, digest, &arena, &got));
	assert_int_equal(got.idx, idx);
	key.retired = true;
	ok(apply(MM_ENTRY_KEY, &key));
	assert_true(authority("new-ca").retired);
	REFUSED(apply(MM_ENTRY_KEY, &key));
	key.name = text("nobody's");
	REFUSED(apply(MM_ENTRY_KEY, &key));
	ok(mm_index_authorities(room.index, &arena, &rows));
	assert_int_equal(rows.count, 1 + MM_COUNT(ceremony_keys));
	assert_true(mm_span_is(
	    mm_list_at(rows, struct mm_authority_row, 0)->name, "access-ca"));
	ok(mm_index_followed(room.index, 0, 99, &arena, &followed));
	assert_int_equal(followed.count, 5);
	ok(mm_index_followed(room.index, 1, 2, &arena, &followed));
	assert_int_equal(followed.count, 2);
	assert_int_equal(
	    mm_list_at(followed, struct mm_uint_item, 0)->value, basis);
}

static void
policies_are_in_force_and_never_twice(void **unused)
{
	struct mm_policy_claim claim = {.number = 2};
	struct mm_policy_entry body = {.policy = mint.policy,
	    .principal = text("ada"),
	    .request = text("0123456789abcdef")};
	struct mm_list policies;
	uint64_t idx;

	(void)unused;
	body.statements = say(MM_STATEMENT_POLICY, &claim);
	ok(apply(MM_ENTRY_POLICY, &body));
	ok(mm_index_policy(room.index, &idx));
	assert_int_equal(idx, room.count - 1);
	ok(mm_index_policies(room.index, &arena, &policies));
	assert_int_equal(policies.count, 2);
	ok(mm_index_statement(room.index, payload_of(&body.statements), &idx));
	REFUSED(apply(MM_ENTRY_POLICY, &body));
}

/* --- inheritance --- */

static void
put_thing(const struct mm_inherited *thing, struct mm_buffer *out)
{
	ok(mm_shape_encode(&mm_inherited_shape, thing, out));
}

static struct mm_inherited
old_device(const char *name, unsigned key, uint8_t serial[MM_SERIAL_SIZE])
{
	struct mm_inherited thing = {.profile = text("device"),
	    .subject = text(name),
	    .serial = mm_span(serial, MM_SERIAL_SIZE),
	    .issuer = text("device-ca"),
	    .order = text("old")};

	mm_serial_make(serial);
	key_of(key, thing.key);
	return thing;
}

static uint64_t
inherit_entry(uint64_t size)
{
	uint8_t digest[32] = {1};
	struct mm_inherited_entry body = {
	    .count = 9, .things_sha256 = {digest, 32}, .things_size = size};

	ok(apply(MM_ENTRY_INHERITED, &body));
	return room.count - 1;
}

static void
what_is_inherited_is_taken(void **unused)
{
	struct device first = {.name = "old-1"}, second = {.name = "old-2"};
	struct device again = {.name = "old-1", .key = 7};
	struct device stolen = {.name = "new", .key = 1};
	struct device revoked = {.name = "old-2", .key = 2};
	struct device next = {.name = "old-1", .key = 1, .former = &first};
	struct mm_inherited things[] = {old_device("old-1", 1, first.serial),
	    old_device("old-2", 2, second.serial),
	    {.profile = text("lamp"),
		.subject = text("1.0"),
		.key = {5},
		.scheme = text("sha256-ecdsa")}};
	struct listed listed = {.most = UINT64_MAX};
	struct mm_issued got;
	uint64_t idx, offset, entry;
	size_t half;
	mm_auto(buffer) out = {0};

	(void)unused;
	things[1].revoked = 2;
	things[1].revoked_at = NOW - 5;
	mm_buffer_init(&out, 4096);
	put_thing(&things[0], &out);
	half = out.size;
	put_thing(&things[1], &out);
	put_thing(&things[2], &out);
	assert_int_equal(
	    mm_index_inheritance(room.index, &idx, &offset), MM_E_NOT_FOUND);
	entry = inherit_entry(out.size);
	ok(mm_index_inheritance(room.index, &idx, &offset));
	assert_int_equal(idx, entry);
	assert_int_equal(offset, 0);
	ok(mm_index_inherit(room.index, entry, mm_span(out.data, half)));
	ok(mm_index_inheritance(room.index, &idx, &offset));
	assert_int_equal(offset, half);
	ok(mm_index_inherit(
	    room.index, entry, mm_span(out.data + half, out.size - half)));
	assert_int_equal(
	    mm_index_inheritance(room.index, &idx, &offset), MM_E_NOT_FOUND);

	ok(mm_index_device(
	    room.index, text("device"), text("old-1"), &arena, &got));
	assert_true(got.inherited);
	assert_int_equal(got.basis, entry);
	assert_int_equal(got.order, 0);
	assert_int_equal(got.state, MM_ISSUED_SIGNED);
	expect_live("old-2", NULL);
	expect_revoked(&second, 2, NOW - 5);
	assert_int_equal(changes_since(entry), 1);
	ok(mm_index_revoked(room.index, text("device-ca"), list_one, &listed));
	assert_int_equal(listed.count, 1);
	ok(mm_index_image(room.index, text("lamp"), text("1.0"),
	    text("sha256-ecdsa"), &arena, &got));
	assert_true(got.inherited);
	REFUSED(issue(&again));
	REFUSED(issue(&stolen));
	REFUSED(issue(&revoked));
	ok(mm_index_unsigned_count(room.index, &idx));
	assert_int_equal(idx, 0);
	/* It is replaced by its serial and the entry that brought it. */
	first.idx = entry;
	issue_signed(&next);
	expect_live("old-1", &next);
	expect_revoked(&first, 1 + 4, room.now);
}

static void
what_is_inherited_on_hold_keeps_its_device(void **unused)
{
	struct device first = {.name = "old-1"};
	struct device again = {.name = "old-1", .key = 7};
	struct device next = {.name = "old-1", .key = 8, .former = &first};
	struct mm_inherited thing = old_device("old-1", 1, first.serial);
	struct mm_issued got;
	mm_auto(buffer) out = {0};

	(void)unused;
	thing.revoked = 7;
	thing.revoked_at = NOW - 5;
	mm_buffer_init(&out, 4096);
	put_thing(&thing, &out);
	first.idx = inherit_entry(out.size);
	ok(mm_index_inherit(room.index, first.idx, mm_buffer_span(&out)));
	ok(mm_index_device(
	    room.index, text("device"), text("old-1"), &arena, &got));
	assert_int_equal(got.revoked, 7);
	REFUSED(issue(&again));
	issue_signed(&next);
	REFUSED(apply_revocation(serial_of(&first), 8, 0));
}

static void
an_inheritance_that_is_wrong_is_not_kept(void **unused)
{
	uint8_t serials[2][MM_SERIAL_SIZE];
	struct mm_inherited twice[] = {
	    old_device("old", 1, serials[0]), old_device("old", 2, serials[1])};
	struct mm_inherited neither = old_device("old", 3, serials[0]);
	struct mm_span items;
	mm_auto(buffer) out = {0};
	uint64_t entry;

	(void)unused;
	mm_buffer_init(&out, 4096);
	put_thing(&twice[0], &out);
	put_thing(&twice[1], &out);
	items = mm_buffer_span(&out);
	entry = inherit_entry(items.size);
	REFUSED(mm_index_inherit(room.index, entry, items));
	REFUSED(mm_index_inherit(room.index, entry + 1, items));
	items.size--;
	ok(mm_index_commit(room.index));
	ok(mm_index_begin(room.index));
	assert_int_equal(
	    mm_index_inherit(room.index, entry, items), MM_E_ENTRY);
	assert_int_equal(mm_index_commit(room.index), MM_E_STORE);
	mm_index_rollback(room.index);
	ok(mm_index_begin(room.index));
	mm_buffer_reset(&out);
	neither.scheme = text("sha256-ecdsa");
	put_thing(&neither, &out);
	assert_int_equal(
	    mm_index_inherit(room.index, entry, mm_buffer_span(&out)),
	    MM_E_ENTRY);
	mm_index_rollback(room.index);
	ok(mm_index_begin(room.index));
	mm_buffer_reset(&out);
	put_thing(&twice[0], &out);
	entry = inherit_entry(out.size - 1);
	REFUSED(mm_index_inherit(room.index, entry, mm_buffer_span(&out)));
	entry = inherit_entry(out.size);
	ok(mm_index_inherit(room.index, entry, mm_buffer_span(&out)));
	twice[0] = old_device("other", 9, serials[0]);
	mm_buffer_reset(&out);
	put_thing(&twice[0], &out);
	REFUSED(mm_index_inherit(room.index, entry, mm_buffer_span(&out)));
}

static void
inherit_revoked(uint64_t from, uint64_t count)
{
	mm_auto(buffer) out = {0};
	uint64_t entry;

	mm_buffer_init(&out, MM_BLOB_MAX);
	for (uint64_t i = from; i < from + count; i++) {
		uint8_t serial[MM_SERIAL_SIZE];
		char name[24];
		struct mm_inherited thing;

		snprintf(
		    name, sizeof(name), "unit-%llu", (unsigned long long)i);
		thing = old_device(name, 0, serial);
		randombytes_buf(thing.key, sizeof(thing.key));
		thing.revoked = 2;
		thing.revoked_at = NOW;
		put_thing(&thing, &out);
	}
	entry = inherit_entry(out.size);
	ok(mm_index_inherit(room.index, entry, mm_buffer_span(&out)));
}

/* As many revoked certificates as a great mint has, listed in order and as
 * fast as they can be read: by inheritance, which is the short way to them.
 * MINTMARK_MILLION=1 makes a million of it. */
static void
very_many_revoked_are_listed(void **unused)
{
	uint64_t wanted = getenv("MINTMARK_MILLION") != NULL ? 1000000 : 20000;
	struct listed listed = {.most = UINT64_MAX};
	struct timespec began, ended;
	double seconds;

	(void)unused;
	for (uint64_t i = 0; i < wanted; i += 10000)
		inherit_revoked(i, 10000);
	ok(mm_index_commit(room.index));
	ok(mm_index_begin(room.index));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
	ok(mm_index_revoked(room.index, text("device-ca"), list_one, &listed));
	assert_int_equal(changes_since(0), wanted);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
	assert_int_equal(listed.count, wanted);
	seconds = (double)(ended.tv_sec - began.tv_sec) +
		  (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
	print_message(
	    "%llu listed in %.3f s\n", (unsigned long long)wanted, seconds);
	/* Far from what anything quadratic would take. */
	assert_true(seconds < 1 + (double)wanted / 20000);
}

/* --- */

static int
set_up(void **unused)
{
	begin_room(unused);
	mm_arena_init(&arena, 16 << 20);
	ok(mm_index_begin(room.index));
	add_genesis();
	ok(order(terms("o", 0)));
	return 0;
}

static int
tear_down(void **unused)
{
	ok(mm_index_commit(room.index));
	mm_arena_clear(&arena);
	return end_room(unused);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(revisions_take_their_turn),
	    TEST(orders_are_listed_by_name),
	    TEST(refusals_are_counted),
	    TEST(a_successor_takes_over_when_it_is_signed),
	    TEST(a_void_successor_leaves_the_former),
	    TEST(only_the_live_one_of_the_device_is_replaced),
	    TEST(what_is_revoked_meanwhile_stays_so),
	    TEST(a_hold_may_end_while_a_successor_waits),
	    TEST(a_key_is_never_two_devices),
	    TEST(revocation_is_for_ever_but_for_a_hold),
	    TEST(a_hold_keeps_the_device),
	    TEST(what_is_on_hold_is_replaced_for_ever),
	    TEST(a_void_successor_leaves_the_hold),
	    TEST(a_device_is_found_without_a_search),
	    TEST(the_revoked_are_listed_by_serial),
	    TEST(crls_go_up_by_one),
	    TEST(the_newest_pending_entry_counts),
	    TEST(what_is_withdrawn_never_comes_again),
	    TEST(what_has_expired_is_dropped),
	    TEST(what_waits_is_listed_by_payload),
	    TEST(the_newest_release_counts),
	    TEST(principals_have_certificates_and_are_seen),
	    TEST(keys_come_and_go_by_ceremonies),
	    TEST(policies_are_in_force_and_never_twice),
	    TEST(what_is_inherited_is_taken),
	    TEST(what_is_inherited_on_hold_keeps_its_device),
	    TEST(an_inheritance_that_is_wrong_is_not_kept),
	    TEST(very_many_revoked_are_listed),
	};

	return cmocka_run_group_tests(
	    tests, make_half_a_mint, drop_half_a_mint);
}
