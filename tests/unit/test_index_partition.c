/* Partitions in the index: which entries are what the log should say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/index_room.h"

#define ECDSA "secure-cert-ecdsa256"

static uint64_t order, revised;
static uint64_t certificates[2]; /* of dev-1, dev-2: entries */
static uint8_t serials[2][MM_SERIAL_SIZE];

static uint64_t
add_order(const char *name, uint64_t revision)
{
	const struct mm_order_claim claim = {.name = text(name),
	    .profile = text("device"),
	    .units = 10,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station-1"),
	    .until = NOW + 100 * DAY,
	    .revision = revision};

	ok(apply_stated(MM_ENTRY_ORDER, say(MM_STATEMENT_ORDER, &claim)));
	return room.count - 1;
}

static uint64_t
add_certificate(
    const char *device, uint64_t basis, unsigned key, uint8_t *serial)
{
	struct mm_certificate_entry body = {.profile = text("device"),
	    .subject = text(device),
	    .basis = basis,
	    .issuer = text("device-ca"),
	    .tbs = make_tbs(serial, NOW + DAY),
	    .principal = text("station-1"),
	    .request = text("0123456789abcdef")};

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
	certificates[0] = add_certificate("dev-1", order, 1, serials[0]);
	ok(apply_signature(certificates[0], 1));
	certificates[1] = add_certificate("dev-2", order, 2, serials[1]);
	ok(apply_signature(certificates[1], 1));
	revised = 0;
	return 0;
}

static struct mm_partition_entry
partition(void)
{
	struct mm_partition_entry body = {.profile = text("device"),
	    .device = text("dev-1"),
	    .basis = order,
	    .certificate = certificates[0],
	    .size = 100,
	    .scheme = text(ECDSA),
	    .key = text("codesign"),
	    .principal = text("station-1"),
	    .request = text("fedcba9876543210")};

	memset(body.sha256, 3, 32);
	return body;
}

static enum mm_error
find(const char *scheme, struct mm_issued *out)
{
	static struct mm_arena arena;

	mm_arena_clear(&arena);
	mm_arena_init(&arena, 1 << 16);
	return mm_index_partition(
	    room.index, certificates[0], text(scheme), &arena, out);
}

static void
one_is_found_from_its_entry_on(void **state)
{
	const struct mm_partition_entry body = partition();
	struct mm_issued found;
	uint64_t idx;

	(void)state;
	assert_int_equal(find(ECDSA, &found), MM_E_NOT_FOUND);
	ok(apply(MM_ENTRY_PARTITION, &body));
	ok(find(ECDSA, &found));
	assert_int_equal(found.idx, room.count - 1);
	assert_int_equal(found.state, MM_ISSUED_UNSIGNED);
	assert_int_equal(found.kind, MM_ENTRY_PARTITION);
	assert_memory_equal(found.key, body.sha256, 32);
	assert_true(mm_span_is(found.subject, "dev-1"));
	assert_true(mm_span_is(found.scheme, ECDSA));
	ok(mm_index_unsigned(room.index, 0, &idx));
	assert_int_equal(idx, found.idx);
	ok(mm_index_request(room.index, text("station-1"),
	    (const uint8_t *)"fedcba9876543210", &idx));
	assert_int_equal(idx, found.idx);
	ok(apply_signature(found.idx, 7));
	ok(find(ECDSA, &found));
	assert_int_equal(found.state, MM_ISSUED_SIGNED);
	assert_int_equal(found.signature.data[0], 7);
	assert_int_equal(find("secure-cert-rsa3072", &found), MM_E_NOT_FOUND);
}

static void
one_for_each_signing_for_ever(void **state)
{
	struct mm_partition_entry body = partition();
	struct mm_issued found;

	(void)state;
	ok(apply(MM_ENTRY_PARTITION, &body));
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	ok(apply_signature(room.count - 1, 7));
	memset(body.sha256, 4, 32);
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	body.scheme = text("secure-cert-rsa3072");
	ok(apply(MM_ENTRY_PARTITION, &body));
	body.scheme = text(ECDSA);
	body.device = text("dev-2");
	body.certificate = certificates[1];
	ok(apply(MM_ENTRY_PARTITION, &body));
	ok(find(ECDSA, &found));
	assert_int_equal(found.key[0], 3);
}

static void
a_void_one_makes_room(void **state)
{
	struct mm_partition_entry body = partition();
	struct mm_issued found;

	(void)state;
	ok(apply(MM_ENTRY_PARTITION, &body));
	ok(apply_void(room.count - 1));
	assert_int_equal(find(ECDSA, &found), MM_E_NOT_FOUND);
	memset(body.sha256, 4, 32);
	ok(apply(MM_ENTRY_PARTITION, &body));
	ok(find(ECDSA, &found));
	assert_int_equal(found.key[0], 4);
}

/* Neither its entry nor a void gives the order or the station anything. */
static void
it_counts_for_nothing(void **state)
{
	const struct mm_partition_entry body = partition();
	mm_auto(arena) arena = {0};
	struct mm_order_row row;
	uint64_t today;

	(void)state;
	mm_arena_init(&arena, 1 << 18);
	for (int i = 0; i < 2; i++) {
		ok(apply(MM_ENTRY_PARTITION, &body));
		if (i == 0)
			ok(apply_void(room.count - 1));
		ok(mm_index_order(room.index, text("order-1"), &arena, &row));
		assert_int_equal(row.used, 2);
		ok(mm_index_daily(room.index, text("station-1"),
		    MM_ENTRY_CERTIFICATE, room.now, &today));
		assert_int_equal(today, 2);
	}
}

static void
on_terms_of_today(void **state)
{
	struct mm_partition_entry body = partition();

	(void)state;
	revised = add_order("order-1", 1);
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	body.basis = revised;
	ok(apply(MM_ENTRY_PARTITION, &body));
}

static void
on_no_order(void **state)
{
	struct mm_partition_entry body = partition();

	(void)state;
	body.basis = 0;
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	/* Nor on one that is not its certificate's. */
	body.basis = add_order("order-2", 0);
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
}

static void
of_this_devices_certificate(void **state)
{
	struct mm_partition_entry body = partition();
	uint8_t serial[MM_SERIAL_SIZE];

	(void)state;
	body.device = text("dev-2");
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	body = partition();
	body.profile = text("device-2");
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	body = partition();
	body.certificate = room.count + 1;
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	body.certificate = order;
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	body.device = text("dev-3");
	body.certificate = add_certificate("dev-3", order, 3, serial);
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	ok(apply_signature(body.certificate, 1));
	ok(apply(MM_ENTRY_PARTITION, &body));
}

static void
of_one_that_stands(void **state)
{
	const struct mm_partition_entry body = partition();
	const struct mm_span serial = {serials[0], MM_SERIAL_SIZE};

	(void)state;
	ok(apply_revocation(serial, 6, 0));
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	ok(apply_revocation(serial, 8, 0));
	ok(apply(MM_ENTRY_PARTITION, &body));
	ok(apply_void(room.count - 1));
	ok(apply_revocation(serial, 1, 0));
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
}

/* A refused entry leaves nothing behind: the index can go on. */
static void
a_refused_one_changes_nothing(void **state)
{
	struct mm_partition_entry body = partition();
	struct mm_issued found;

	(void)state;
	body.basis = 0;
	assert_int_equal(apply(MM_ENTRY_PARTITION, &body), MM_E_LOG_WRONG);
	assert_false(mm_index_torn(room.index));
	assert_int_equal(find(ECDSA, &found), MM_E_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end_room)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(one_is_found_from_its_entry_on),
	    TEST(one_for_each_signing_for_ever), TEST(a_void_one_makes_room),
	    TEST(it_counts_for_nothing), TEST(on_terms_of_today),
	    TEST(on_no_order), TEST(of_this_devices_certificate),
	    TEST(of_one_that_stands), TEST(a_refused_one_changes_nothing)};

	return cmocka_run_group_tests(
	    tests, make_half_a_mint, drop_half_a_mint);
}
