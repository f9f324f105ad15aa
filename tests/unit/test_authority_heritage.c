/*
 * What a log inherits from the one that it succeeds is in the index before
 * anything is decided, however long it is; and nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "log/inheritance.h"
#include "tests/unit/authority_box.h"

enum { THINGS = 3000 /* several pieces of a blob */ };

/* Devices with a certificate, as a blob has them. */
static struct mm_span
make_things(size_t count)
{
	mm_auto(buffer) out = {0};

	mm_buffer_init(&out, 1 << 22);
	for (size_t i = 0; i < count; i++) {
		char device[32];
		uint8_t serial[8] = {
		    1, 2, 3, 4, 5, 6, (uint8_t)(i >> 8), (uint8_t)i};
		struct mm_inherited thing = {.profile = text("device"),
		    .subject = text(device),
		    .serial = mm_span(serial, sizeof(serial)),
		    .issuer = text("device-ca")};

		snprintf(device, sizeof(device), "old-%04zu", i);
		thing.subject = text(device);
		memcpy(thing.key, serial, sizeof(serial));
		ok(mm_shape_encode(&mm_inherited_shape, &thing, &out));
	}
	return keep_buffer(&out);
}

/* A start of a log with an entry that says so. */
static void
start_with(struct mm_span things, struct mm_span said)
{
	uint8_t sha256[32] = {0};
	struct mm_inherited_entry body = {.count = THINGS,
	    .things_sha256 = mm_span(sha256, sizeof(sha256)),
	    .things_size = said.size};

	crypto_hash_sha256(sha256, said.data, said.size);
	assert_int_equal(stop(), 0);
	append(MM_ENTRY_INHERITED, &body);
	box.heritage = things;
	spawn();
}

/* No order of this log has issued it. */
static void
report_scrap(uint8_t id, struct mm_span serial)
{
	const struct mm_scrap_request request = {
	    text("order"), serial, text("no answer")};

	ask(box.station_key, MM_MESSAGE_SCRAP, id, &mm_scrap_request_shape,
	    &request);
}

static void
what_is_inherited_is_known(void **unused)
{
	struct mm_span things = make_things(THINGS);
	struct mm_span things_serial = text("\1\2\3\4\5\6\13\267");

	(void)unused;
	assert_true(things.size > 2 * MM_CHUNK_MAX);
	start_with(things, things);
	until(is_serving);
	ask_issue(1, "old-0000", make_spki());
	assert_int_equal(await(1).type, MM_MESSAGE_ERROR);
	ask_issue(2, "old-2999", make_spki());
	assert_int_equal(await(2).type, MM_MESSAGE_ERROR);
	ask_issue(3, "old-3000", make_spki());
	await_certificate(3);
	report_scrap(5, things_serial);
	await_error(5, MM_E_NOT_OF_ORDER);
	/* It is taken in once. */
	assert_int_equal(stop(), 0);
	box.heritage = mm_span(NULL, 0);
	spawn();
	until(is_serving);
	ask_issue(4, "old-1500", make_spki());
	assert_int_equal(await(4).type, MM_MESSAGE_ERROR);
}

static void
another_inheritance_than_was_said_ends_the_start(void **unused)
{
	struct mm_span things = make_things(THINGS);
	uint8_t *other = keep(things.data, things.size);

	(void)unused;
	/* A digit of the last device's name. */
	for (size_t i = things.size; i-- > 0;)
		if (memcmp(other + i, "old-2999", 8) == 0) {
			other[i + 7] = '8';
			break;
		}
	start_with(mm_span(other, things.size), things);
	until_ended();
	assert_int_equal(ends(), 1);
}

static void
half_a_thing_ends_the_start(void **unused)
{
	struct mm_span things = make_things(3);

	(void)unused;
	things.size--;
	start_with(things, things);
	until_ended();
	assert_int_equal(ends(), 1);
}

#define IN_A_BOX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_BOX(what_is_inherited_is_known),
	    IN_A_BOX(another_inheritance_than_was_said_ends_the_start),
	    IN_A_BOX(half_a_thing_ends_the_start),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
