/* A unit: its values, its key, what is kept of it for a second try, and the
 * files that it comes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <time.h>

#include "ca/csr.h"
#include "factory/nvs.h"
#include "factory/unit_parts.h"
#include "tests/unit/produce_room.h"

/* --- the whole --- */

static void
assert_nvs(const struct produce_room *room)
{
	const struct mm_unit_file *file = room_file(room, "creds.bin");
	mm_auto(arena) arena = {0};
	mm_auto(nvs_contents) contents = {0};
	char pop[256];
	size_t found = 0;

	assert_non_null(file);
	assert_true(file->secret);
	assert_int_equal(file->bytes.size, 0x6000);
	mm_arena_init(&arena, mm_nvs_arena(file->bytes.size));
	assert_int_equal(
	    mm_nvs_read(file->bytes, NULL, &arena, &contents), MM_OK);
	for (mm_list_each(const struct mm_nvs_item, item, contents.items)) {
		if (mm_span_is(item->key, "serial"))
			found += mm_span_is(item->bytes, "LMP-001003");
		if (mm_span_is(item->key, "pop"))
			found += mm_span_is(
			    item->bytes, value_of(room->unit, "pop", pop));
		if (mm_span_is(item->key, "cert"))
			found += mm_span_equal(
			    item->bytes, mm_buffer_span(&room->der));
		if (mm_span_is(item->key, "key"))
			found += mm_span_equal(
			    item->bytes, mm_span(room->unit->key.data,
					     room->unit->key.size));
	}
	assert_int_equal(found, 4);
}

static void
assert_json(const struct produce_room *room)
{
	const struct mm_unit_file *file = room_file(room, "unit.json");
	json_t *object = json_loadb(
	    (const char *)file->bytes.data, file->bytes.size, 0, NULL);
	char pop[256];

	assert_non_null(object);
	assert_string_equal(
	    json_string_value(json_object_get(object, "device")), "lamp-1");
	assert_string_equal(
	    json_string_value(json_object_get(object, "order")), "order-7");
	assert_int_equal(
	    json_integer_value(json_object_get(object, "index")), 12);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(object, "values"), "serial")),
	    "LMP-001003");
	assert_false(room_holds(file, value_of(room->unit, "pop", pop)));
	assert_false(file->secret);
	json_decref(object);
}

static void
a_unit_from_its_values_to_its_files(void **state)
{
	struct produce_room room;
	struct mm_production_facts facts;
	mm_auto(buffer) out = {0};

	(void)state;
	begin_thin(&room);
	room.terms.ordinal = 3;
	room_new(&room);
	assert_int_equal(mm_unit_ordinal(room.unit), 3);
	assert_true(mm_span_is(mm_unit_device(room.unit), "lamp-1"));
	assert_int_equal(mm_unit_registration(room.unit, &out), MM_E_BUG);
	room_finish(&room);
	assert_true(room_holds(room_file(&room, "device.crt"), "BEGIN CERT"));
	assert_true(room_holds(room_file(&room, "chain.pem"), "BEGIN CERT"));
	assert_true(
	    mm_span_is(room_file(&room, "device.receipt")->bytes, "receipt\n"));
	assert_nvs(&room);
	assert_json(&room);
	assert_true(
	    room_holds(room_file(&room, "label.svg"), "S/N LMP-001003"));
	assert_true(room_holds(room_file(&room, "label.svg"), "2026-01-01"));
	/* A secret is on it. */
	assert_true(room_file(&room, "label.svg")->secret);
	assert_null(room_file(&room, "key.pem"));
	mm_production_facts(room.production, &facts);
	assert_string_equal(facts.results, "serial,count");
	assert_string_equal(facts.registration, "registration.ndjson");
	mm_buffer_init(&out, 65536);
	assert_int_equal(mm_unit_results(room.unit, &out), MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&out), "LMP-001003,001003"));
	mm_buffer_reset(&out);
	assert_int_equal(mm_unit_registration(room.unit, &out), MM_OK);
	mm_buffer_add(&out, "", 1);
	assert_non_null(strstr((char *)out.data, "\"ThingName\":\"lamp-1\""));
	assert_non_null(strstr((char *)out.data, "CACertificatePem"));
	room_end(&room);
}

static void
another_key_s_certificate_is_refused(void **state)
{
	struct produce_room room;
	struct mm_unit_certificate certificate = {.index = 1};

	(void)state;
	begin_thin(&room);
	room_new(&room);
	room_issue(&room);
	certificate.certificate = mm_buffer_span(&room.der);
	certificate.chain = &room.chain_list;
	room_new(&room);
	assert_int_equal(mm_unit_finish(room.unit, &certificate, &room.files,
			     &room.file_count),
	    MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "another key"));
	room_end(&room);
}

/* --- kept --- */

#define OTHER(key, image) \
	"key = \"" key "\"\nvalue serial { }\nvalue pop { }\n" \
	"image creds { format = nvs rows = \"creds.csv\" " image " }\n"

/* A template that came later: what it makes is the same keys, and what it names
 * the unit has. */
static const struct {
	const char *template;
	enum mm_error error;
	const char *why;
} others[] = {{THIN "# another one\n", MM_OK, ""},
    {THIN "value batch { text = 7 }\n", MM_E_FORMAT, "{batch}"},
    {OTHER("P-256", "size = 0x7000"), MM_OK, ""},
    {OTHER("P-384", "size = 0x6000"), MM_E_FORMAT, "other keys"},
    {"chip = esp32c3\nhmac-key = made\n" OTHER(
	 "P-256", "size = 0x6000 keys = hmac"),
	MM_E_FORMAT, "other keys"}};

static void
a_unit_is_the_same_after_a_crash(void **state)
{
	struct produce_room room;
	const struct mm_unit_terms terms = {.plain_keys = false};
	mm_auto(flash_secret) sealed = {0};
	struct mm_unit *again = NULL;
	struct mm_buffer out;

	(void)state;
	begin_thin(&room);
	room.terms.ordinal = 5;
	room_new(&room);
	room_kept(&room);
	assert_int_equal(mm_flash_secret_new(ROOM_SEALED, &sealed), MM_OK);
	out = mm_flash_secret_buffer(&sealed);
	assert_int_equal(mm_unit_encode(room.unit, &out), MM_OK);
	for (size_t i = 0; i < MM_COUNT(others); i++) {
		room_read(&room, others[i].template);
		assert_int_equal(mm_unit_decode(room.production,
				     mm_buffer_span(&out), &terms, &again),
		    others[i].error);
		if (others[i].error == MM_OK) {
			assert_true(mm_span_equal(
			    mm_unit_spki(again), mm_unit_spki(room.unit)));
			mm_unit_free(again);
			again = NULL;
		} else
			assert_non_null(
			    strstr(mm_why(others[i].error), others[i].why));
		assert_null(again);
	}
	room_end(&room);
}

/* As many values as there can be, with the largest key. */
static void
the_largest_unit_can_be_kept(void **state)
{
	static char value[MM_UNIT_VALUE_MAX + 2];
	struct produce_room room;

	(void)state;
	room_begin(&room);
	memset(value, 'x', MM_UNIT_VALUE_MAX);
	room_read(&room, "key = \"RSA-4096\"\n"
			 "value a { secret = yes }\nvalue b { secret = yes }\n"
			 "value c { }\n");
	room_give(&room, "device", "lamp-1");
	room_give(&room, "a", value);
	room_give(&room, "b", value);
	room_give(&room, "c", value);
	room_unit_refused(&room, MM_E_RANGE, "values", "10240 bytes");
	room.given.items[3].value.size = 1900;
	room_new(&room);
	room_kept(&room);
	value[MM_UNIT_VALUE_MAX] = 'x';
	room.given.items[2].value = mm_span_text(value);
	room_unit_refused(&room, MM_E_RANGE, "{b}", "4097 bytes");
	room_end(&room);
}

/* --- all kinds of keys --- */

static void
each_kind_of_key(void **state)
{
	static const char *const kinds[] = {
	    "P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"};
	struct produce_room room;
	char conf[64];

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	room.terms.plain_keys = true;
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		mm_auto(arena) arena = {0};
		struct mm_csr csr;

		snprintf(conf, sizeof(conf), "key = \"%s\"", kinds[i]);
		room_read(&room, conf);
		room_new(&room);
		mm_arena_init(&arena, 65536);
		assert_int_equal(
		    mm_csr_read(mm_unit_csr(room.unit), &arena, &csr), MM_OK);
		assert_true(mm_span_equal(csr.spki, mm_unit_spki(room.unit)));
		room_kept(&room);
		room_finish(&room);
		assert_true(room_holds(
		    room_file(&room, "key.pem"), "BEGIN PRIVATE KEY"));
		assert_true(room_file(&room, "key.pem")->secret);
	}
	room_end(&room);
}

/* --- a key that the device makes --- */

static void
a_device_s_own_csr(void **state)
{
	struct produce_room room;
	mm_auto(buffer) csr = {0};
	mm_auto(buffer) spki = {0};
	struct mm_production_facts facts;

	(void)state;
	begin_thin(&room);
	room_new(&room);
	mm_buffer_init(&csr, 4096);
	mm_buffer_init(&spki, 4096);
	mm_buffer_add(
	    &spki, mm_unit_spki(room.unit).data, mm_unit_spki(room.unit).size);
	assert_int_equal(
	    mm_pem_encode("CERTIFICATE REQUEST", mm_unit_csr(room.unit), &csr),
	    MM_OK);
	mm_buffer_add(&csr, "", 1);
	room_read(&room, "key = csr\ncsr = \"{device}.csr\"\n");
	mm_production_facts(room.production, &facts);
	assert_true(facts.csr);
	assert_null(facts.lost_always);
	room_unit_refused(&room, MM_E_FILE, "t.conf:2:", "lamp-1.csr");
	room_write(&room, "lamp-1.csr", "no CSR");
	room_unit_refused(&room, MM_E_CSR, "lamp-1.csr", "");
	room_write(&room, "lamp-1.csr", (char *)csr.data);
	room_new(&room);
	assert_true(
	    mm_span_equal(mm_unit_spki(room.unit), mm_buffer_span(&spki)));
	room_kept(&room);
	room_finish(&room);
	room_end(&room);
}

/* --- speed --- */

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Far above what it takes, and CPU time: a busy computer does not fail it. */
static void
a_unit_takes_no_time(void **state)
{
	enum { UNITS = 100 };
	struct produce_room room;
	double new = 0, finish = 0, begin;

	(void)state;
	begin_thin(&room);
	for (size_t i = 0; i < UNITS; i++) {
		struct mm_unit_certificate certificate = {
		    .chain = &room.chain_list};

		mm_unit_free(room.unit);
		room.unit = NULL;
		begin = seconds();
		assert_int_equal(
		    mm_unit_new(room.production, &room.terms, &room.unit),
		    MM_OK);
		new += seconds() - begin;
		room_issue(&room);
		certificate.certificate = mm_buffer_span(&room.der);
		begin = seconds();
		assert_int_equal(mm_unit_finish(room.unit, &certificate,
				     &room.files, &room.file_count),
		    MM_OK);
		finish += seconds() - begin;
	}
	print_message("new %.3f ms, finish %.3f ms\n", new * 1e3 / UNITS,
	    finish * 1e3 / UNITS);
	assert_true(new + finish < 20e-3 * UNITS);
	room_end(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_unit_from_its_values_to_its_files),
	    cmocka_unit_test(another_key_s_certificate_is_refused),
	    cmocka_unit_test(a_unit_is_the_same_after_a_crash),
	    cmocka_unit_test(the_largest_unit_can_be_kept),
	    cmocka_unit_test(each_kind_of_key),
	    cmocka_unit_test(a_device_s_own_csr),
	    cmocka_unit_test(a_unit_takes_no_time),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
