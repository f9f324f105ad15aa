/* Reports of scrap in the index: which entries are what the log should say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/index_room.h"

static uint64_t order;
static uint64_t certificates[2]; /* of dev-1, dev-2: entries */
static uint8_t serials[2][MM_SERIAL_SIZE];

static uint64_t
add_order(const char *name, uint64_t revision)
{
	const struct mm_order_claim claim = {.name = text(name),
	    .profile = text("device"),
	    .units = 10,
	    .reissue = 10,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station-1"),
	    .until = NOW + 100 * DAY,
	    .revision = revision};

	ok(apply_stated(MM_ENTRY_ORDER, say(MM_STATEMENT_ORDER, &claim)));
	return room.count - 1;
}

/* `former`: number of the one that it replaces, or -1. */
static uint64_t
add_certificate(const char *device, unsigned key, int former, uint8_t *serial)
{
	struct mm_replaced replaced;
	struct mm_certificate_entry body = {.profile = text("device"),
	    .subject = text(device),
	    .basis = order,
	    .issuer = text("device-ca"),
	    .tbs = make_tbs(serial, NOW + DAY),
	    .principal = text("station-1")};
	uint8_t id[16] = {(uint8_t)key, 1};

	if (former >= 0) {
		replaced = (struct mm_replaced){certificates[former],
		    mm_span(serials[former], MM_SERIAL_SIZE)};
		body.replaces = (struct mm_list){&replaced, 1};
	}
	body.request = mm_span(id, sizeof(id));
	key_of(key, body.key);
	ok(apply(MM_ENTRY_CERTIFICATE, &body));
	return room.count - 1;
}

static int
begin(void **state)
{
	begin_room(state);
	add_genesis();
	order = add_order("order-1", 0);
	certificates[0] = add_certificate("dev-1", 1, -1, serials[0]);
	ok(apply_signature(certificates[0], 1));
	certificates[1] = add_certificate("dev-2", 2, -1, serials[1]);
	return 0;
}

static struct mm_scrap_entry
scrap(void)
{
	return (struct mm_scrap_entry){.basis = order,
	    .certificate = certificates[0],
	    .serial = mm_span(serials[0], MM_SERIAL_SIZE),
	    .device = text("dev-1"),
	    .reason = text("no answer"),
	    .principal = text("station-1"),
	    .request = text("fedcba9876543210")};
}

static void
counts(uint64_t used, uint64_t scrapped)
{
	mm_auto(arena) arena = {0};
	struct mm_order_row row;

	mm_arena_init(&arena, 1 << 18);
	ok(mm_index_order(room.index, text("order-1"), &arena, &row));
	assert_int_equal(row.used, used);
	assert_int_equal(row.scrapped, scrapped);
}

static void
one_is_found_and_counted(void **state)
{
	const struct mm_scrap_entry body = scrap();
	uint64_t idx;

	(void)state;
	counts(2, 0);
	assert_int_equal(
	    mm_index_scrap(room.index, certificates[0], &idx), MM_E_NOT_FOUND);
	ok(apply(MM_ENTRY_SCRAP, &body));
	ok(mm_index_scrap(room.index, certificates[0], &idx));
	assert_int_equal(idx, room.count - 1);
	ok(mm_index_request(room.index, text("station-1"),
	    (const uint8_t *)"fedcba9876543210", &idx));
	assert_int_equal(idx, room.count - 1);
	/* The unit stays used. */
	counts(2, 1);
}

static void
one_for_each_certificate(void **state)
{
	struct mm_scrap_entry body = scrap();

	(void)state;
	ok(apply(MM_ENTRY_SCRAP, &body));
	body.request = text("0123456789abcdef");
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	counts(2, 1);
	assert_false(mm_index_torn(room.index));
}

static void
of_a_signed_certificate_that_is_there(void **state)
{
	struct mm_scrap_entry body = scrap();

	(void)state;
	body.certificate = room.count + 1;
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	body.certificate = order;
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	body.certificate = certificates[1];
	body.serial = mm_span(serials[1], MM_SERIAL_SIZE);
	body.device = text("dev-2");
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	ok(apply_signature(certificates[1], 1));
	ok(apply(MM_ENTRY_SCRAP, &body));
	counts(2, 1);
}

static void
of_no_void_one(void **state)
{
	struct mm_scrap_entry body = scrap();

	(void)state;
	ok(apply_void(certificates[1]));
	body.certificate = certificates[1];
	body.serial = mm_span(serials[1], MM_SERIAL_SIZE);
	body.device = text("dev-2");
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	counts(1, 0);
}

static void
of_this_device_and_serial_number(void **state)
{
	struct mm_scrap_entry body = scrap();

	(void)state;
	body.device = text("dev-2");
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	body = scrap();
	body.serial = mm_span(serials[1], MM_SERIAL_SIZE);
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	body = scrap();
	body.serial.size--;
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	counts(2, 0);
}

static void
under_its_order_as_it_is_now(void **state)
{
	struct mm_scrap_entry body = scrap();
	uint64_t revised;

	(void)state;
	body.basis = 0;
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	body.basis = add_order("order-2", 0);
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	revised = add_order("order-1", 1);
	body.basis = order;
	assert_int_equal(apply(MM_ENTRY_SCRAP, &body), MM_E_LOG_WRONG);
	body.basis = revised;
	ok(apply(MM_ENTRY_SCRAP, &body));
	counts(2, 1);
}

/* What became of the certificate since makes no difference. */
static void
of_what_is_revoked_or_replaced(void **state)
{
	struct mm_scrap_entry body = scrap();
	uint8_t serial[MM_SERIAL_SIZE];
	uint64_t successor = add_certificate("dev-1", 3, 0, serial);

	(void)state;
	ok(apply_signature(successor, 1));
	ok(apply(MM_ENTRY_SCRAP, &body));
	body.certificate = successor;
	body.serial = mm_span(serial, sizeof(serial));
	body.request = text("0123456789abcdef");
	ok(apply_revocation(body.serial, 1, 0));
	ok(apply(MM_ENTRY_SCRAP, &body));
	counts(2, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end_room)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(one_is_found_and_counted),
	    TEST(one_for_each_certificate),
	    TEST(of_a_signed_certificate_that_is_there), TEST(of_no_void_one),
	    TEST(of_this_device_and_serial_number),
	    TEST(under_its_order_as_it_is_now),
	    TEST(of_what_is_revoked_or_replaced)};

	return cmocka_run_group_tests(
	    tests, make_half_a_mint, drop_half_a_mint);
}
