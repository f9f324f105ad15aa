/* A unit's values, and where they go: labels and registrations; what does not
 * fit is refused before the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/produce_room.h"

/* --- values --- */

static void
a_column_of_the_list_wins(void **state)
{
	struct produce_room room;
	char text[256];

	(void)state;
	begin_thin(&room);
	room_give(&room, "count", "77");
	room_give(&room, "unused", "\n");
	room_new(&room);
	assert_string_equal(value_of(room.unit, "serial", text), "LMP-77");
	assert_null(value_of(room.unit, "unused", text));
	room_end(&room);
}

static void
what_is_random_has_its_alphabet_and_length(void **state)
{
	static const struct {
		const char *name, *letters;
	} cases[] = {{"hex", "0123456789abcdef"},
	    {"base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"},
	    {"digits", "0123456789"},
	    {"alnum", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		      "0123456789"}};
	struct produce_room room;
	char text[256], before[256], conf[256];

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		unsigned seen[256] = {0};

		snprintf(conf, sizeof(conf),
		    "key = \"P-256\"\nvalue r { random = 200 alphabet = %s }",
		    cases[i].name);
		room_read(&room, conf);
		room_new(&room);
		value_of(room.unit, "r", before);
		for (size_t k = 0; k < 40; k++) {
			room_new(&room);
			value_of(room.unit, "r", text);
			assert_int_equal(strlen(text), 200);
			assert_int_equal(strspn(text, cases[i].letters), 200);
			assert_string_not_equal(text, before);
			for (size_t c = 0; c < 200; c++)
				seen[(uint8_t)text[c]]++;
		}
		/* Each letter comes about as often as any other. */
		for (const char *c = cases[i].letters; *c != '\0'; c++) {
			size_t usual = 8000 / strlen(cases[i].letters);

			assert_in_range(
			    seen[(uint8_t)*c], usual / 2, usual * 2);
		}
	}
	room_end(&room);
}

static void
a_count_that_outgrows_its_digits_is_refused(void **state)
{
	struct produce_room room;
	char text[256];

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	room_read(&room, "key = \"P-256\"\nvalue n { count = 90 digits = 2 }");
	room.terms.ordinal = 9;
	room_new(&room);
	assert_string_equal(value_of(room.unit, "n", text), "99");
	room.terms.ordinal = 10;
	room_unit_refused(&room, MM_E_RANGE, "t.conf:2:", "more than 2 digits");
	room_end(&room);
}

static void
values_that_are_not_there_are_named(void **state)
{
	struct produce_room room;

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	room_read(&room, "key = \"P-256\"\nlabel { template = \"{foo}\"\n"
			 "lines = {\"{bar}\"} }");
	room_unit_refused(&room, MM_E_USAGE, "t.conf:2:", "{foo}");
	room_give(&room, "foo", "x");
	room_unit_refused(&room, MM_E_USAGE, "t.conf:3:", "{bar}");
	room_read(&room, "key = \"P-256\"\n\nvalue baz { }");
	room_unit_refused(&room, MM_E_USAGE, "t.conf:3:", "column baz");
	room_write(&room, "creds.csv",
	    "key,type,encoding,value\nn,namespace,,\nk,data,string,{qux}\n");
	room_read(&room, "key = \"P-256\"\nimage creds { format = nvs\n"
			 "rows = \"creds.csv\" size = 0x3000 }");
	room_unit_refused(&room, MM_E_USAGE, "creds.csv line 3", "qux");
	room_give(&room, "qux", "1");
	room_new(&room);
	room_give(&room, "date", "1");
	room_read(&room, "key = \"P-256\"\nlabel { template = \"{date}\" }");
	room_unit_refused(&room, MM_E_USAGE, "{date}", "another name");
	room_end(&room);
}

static void
what_does_not_fit_is_refused_before_the_run(void **state)
{
	static char line[MM_LABEL_LINE_MAX + 2];
	struct produce_room room;

	(void)state;
	room_begin(&room);
	memset(line, 'x', sizeof(line) - 1);
	room_give(&room, "device", "lamp.1");
	room_give(&room, "v", line);
	room_read(&room, "key = \"P-256\"\n"
			 "label { template = \"x\" lines = {\"{v}\"} }");
	room_unit_refused(&room, MM_E_RANGE, "t.conf:2:", "a line of the");
	room.given.items[1].value.size--;
	room_new(&room);
	room_read(&room, "key = \"P-256\"\n\nregister { kind = \"aws-bulk\" }");
	room_unit_refused(&room, MM_E_FORMAT, "t.conf:3:", "thing's name");
	room_read(&room, "key = \"P-256\"\nregister { kind = \"azure-dps\" }");
	room_new(&room);
	room.given.items[1].value = mm_span_text("a\nb");
	room_read(&room, "key = \"P-256\"\nlabel { template = \"{v}\" }");
	room_unit_refused(&room, MM_E_TEXT, "{v}", "printable");
	room_end(&room);
}

static void
results_are_cells(void **state)
{
	static const struct {
		const char *value, *cell;
	} cases[] = {{"a b", "a b"}, {"a,b", "\"a,b\""}, {"a\"b", "\"a\"\"b\""},
	    {" a", "\" a\""}, {"a ", "\"a \""}};
	struct produce_room room;

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	room_give(&room, "v", "");
	room_read(&room, "key = \"P-256\"\nvalue v { }\nvalue w { text = x }");
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) out = {0};
		char wanted[64];

		room.given.items[1].value = mm_span_text(cases[i].value);
		room_new(&room);
		mm_buffer_init(&out, 4096);
		assert_int_equal(mm_unit_results(room.unit, &out), MM_OK);
		snprintf(wanted, sizeof(wanted), "%s,x", cases[i].cell);
		assert_true(mm_span_is(mm_buffer_span(&out), wanted));
	}
	room_end(&room);
}

/* --- registration --- */

static void
assert_row(struct produce_room *room, const char *conf, const char *file,
    const char *head, const char *has)
{
	struct mm_production_facts facts;
	mm_auto(buffer) out = {0};

	room_read(room, conf);
	room_new(room);
	room_finish(room);
	mm_production_facts(room->production, &facts);
	assert_string_equal(facts.registration, file);
	mm_buffer_init(&out, 65536);
	assert_int_equal(
	    mm_production_registration_head(room->production, &out), MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&out), head));
	assert_int_equal(mm_unit_registration(room->unit, &out), MM_OK);
	assert_int_equal(out.data[out.size - 1], '\n');
	mm_buffer_add(&out, "", 1);
	if (strstr((char *)out.data, has) == NULL)
		fail_msg("%s has no %s", (char *)out.data, has);
	mm_unit_free(room->unit);
	room->unit = NULL;
}

static void
each_kind_of_registration(void **state)
{
#define REGISTER(words) "key = \"P-256\"\nregister { " words " }\n"
	struct produce_room room;

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	assert_row(&room, REGISTER("kind = aws-bulk ca = no"),
	    "registration.ndjson", "", "\"ThingName\":\"lamp-1\"");
	room_write(&room, "none.pem", "x");
	room_refused(&room, REGISTER("kind = aws-bulk ca = \"none.pem\""),
	    MM_E_FORMAT, "t.conf:2:", "");
	room_write_pem(&room, "ca.pem", mm_buffer_span(&room.ca_der));
	/* Devices of a root come without a chain. */
	room.chain_list.count = 0;
	assert_row(&room, REGISTER("kind = aws-bulk ca = \"ca.pem\""),
	    "registration.ndjson", "", "CACertificatePem");
	room_read(&room, REGISTER("kind = aws-bulk"));
	room_new(&room);
	room_finish_refused(&room, MM_E_FORMAT, "root = FILE");
	assert_row(&room,
	    "key = \"P-256\"\nroot = \"ca.pem\"\n"
	    "register { kind = aws-bulk }",
	    "registration.ndjson", "", "CACertificatePem");
	room.chain_list.count = 1;
	assert_row(&room, REGISTER("kind = azure-dps"), "registration.ndjson",
	    "",
	    "{\"mode\":\"create\",\"enrollments\":[{\"registrationId\":"
	    "\"lamp-1\"");
	assert_row(&room, REGISTER("kind = azure-dps format = csv"),
	    "registration.csv",
	    "operation,registrationId,deviceId,certificate\r\n",
	    "create,lamp-1,lamp-1,");
	assert_row(&room, REGISTER("kind = mosquitto topic = \"t/{device}\""),
	    "registration.acl", "# by mintmark produce\n",
	    "user lamp-1\ntopic readwrite t/lamp-1\n");
	room_end(&room);
}

/* --- labels --- */

static void
each_format_of_label(void **state)
{
	static const struct {
		const char *format, *file, *has;
	} cases[] = {{"svg", "label.svg", "<svg"}, {"png", "label.png", "PNG"},
	    {"zpl", "label.zpl", "^XA"}, {"text", "label.txt", "\xe2\x96"}};
	struct produce_room room;
	char conf[256];

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		snprintf(conf, sizeof(conf),
		    "key = \"P-256\"\nlabel { kind = url level = H format = "
		    "%s mm = 30 dots = 12 scale = 4 template = "
		    "\"https://a.example/{device}/{certificate-serial}\" }",
		    cases[i].format);
		room_read(&room, conf);
		room_new(&room);
		room_finish(&room);
		assert_true(
		    room_holds(room_file(&room, cases[i].file), cases[i].has));
		assert_false(room_file(&room, cases[i].file)->secret);
	}
	room_end(&room);
}

/* Labels without a template of their own, and what they ask for. */
static void
each_usual_label(void **state)
{
	struct produce_room room;
	struct mm_production_facts facts;

	(void)state;
	room_begin(&room);
	room_give(&room, "device", "lamp-1");
	room_read(&room, "key = \"P-256\"\nlabel { kind = esp }");
	room_unit_refused(&room, MM_E_USAGE, "t.conf:2:", "{name}");
	room_give(&room, "name", "PROV_1");
	room_unit_refused(&room, MM_E_USAGE, "t.conf:2:", "{transport}");
	room_give(&room, "transport", "ble");
	room_new(&room);
	assert_null(
	    mm_label_value(&room.unit->values.list, mm_span_text("pop")));
	room_give(&room, "pop", "abcd1234");
	room_new(&room);
	assert_non_null(
	    mm_label_value(&room.unit->values.list, mm_span_text("pop")));
	room.given.items[2].value = mm_span_text("usb");
	room_unit_refused(&room, MM_E_FORMAT, "t.conf:2:", "ble or softap");
	room_read(&room, "key = \"P-256\"\nlabel { kind = matter }");
	room_unit_refused(&room, MM_E_USAGE, "t.conf:2:", "{payload}");
	room_give(&room, "payload", "MT:Y.K9042C00KA0648G00");
	room_new(&room);
	mm_production_facts(room.production, &facts);
	assert_string_equal(facts.results, "");
	assert_null(facts.registration);
	room_end(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_column_of_the_list_wins),
	    cmocka_unit_test(what_is_random_has_its_alphabet_and_length),
	    cmocka_unit_test(a_count_that_outgrows_its_digits_is_refused),
	    cmocka_unit_test(values_that_are_not_there_are_named),
	    cmocka_unit_test(what_does_not_fit_is_refused_before_the_run),
	    cmocka_unit_test(results_are_cells),
	    cmocka_unit_test(each_kind_of_registration),
	    cmocka_unit_test(each_format_of_label),
	    cmocka_unit_test(each_usual_label),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
