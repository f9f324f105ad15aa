/* The printer of entries: every kind under its names, statements with their
 * officers, and what cannot be read as hex, never as it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/entry_json.h"
#include "cli/json_value.h"
#include "protocol/statement.h"
#include "tests/unit/entry_samples.h"
#include "tests/unit/signed_log.h"

static json_t *
shown(uint64_t kind, const void *body)
{
	struct mm_entry frame = sample_frame(kind);
	mm_auto(buffer) bytes = {0};
	json_t *out;

	mm_buffer_init(&bytes, 65535);
	sample_encode(&frame, body, &bytes);
	if (mm_entry_json(7, mm_buffer_span(&bytes), &out) != MM_OK)
		fail_msg("%s", mm_why(MM_E_ENTRY));
	return out;
}

/* "body.keys.0.name" */
static const json_t *
at(const json_t *object, const char *path)
{
	char word[64];

	while (*path != '\0') {
		size_t length = strcspn(path, ".");

		assert_true(length < sizeof(word));
		snprintf(word, sizeof(word), "%.*s", (int)length, path);
		object = json_is_array(object)
			     ? json_array_get(object, (size_t)atoi(word))
			     : json_object_get(object, word);
		if (object == NULL)
			fail_msg("there is no %s", path);
		path += length + (path[length] == '.');
	}
	return object;
}

static void
says(const json_t *object, const char *path, const char *text)
{
	assert_string_equal(json_string_value(at(object, path)), text);
}

static void
counts(const json_t *object, const char *path, int number)
{
	assert_int_equal(json_integer_value(at(object, path)), number);
}

static void
the_frame_of_every_kind(void **state)
{
	const struct mm_genesis genesis = sample_genesis();
	const struct mm_policy_entry policy = sample_policy();
	const struct mm_statement_entry statement = sample_statement();
	const struct mm_certificate_entry certificate = sample_certificate();
	const struct mm_image_entry image = sample_image();
	const struct mm_signatures_entry signatures = sample_signatures();
	const struct mm_void_entry voids = sample_voids();
	const struct mm_refusal_entry refusals = sample_refusals();
	const struct mm_start_entry start = sample_start();
	const struct mm_key_entry key = sample_key();
	const struct mm_pending_entry pending = sample_pending();
	const struct mm_csr_entry csr = sample_csr();
	const struct mm_import_entry import = sample_import();
	const struct mm_inherited_entry inherited = sample_inherited();
	const struct mm_partition_entry partition = sample_partition();
	const struct mm_scrap_entry scrap = sample_scrap();
	const struct mm_crl_entry crl = {.issuer = mm_span_text("device-ca"),
	    .number = 3,
	    .tbs = mm_span_text("tbs")};
	const struct mm_export_entry export = {.to = 9,
	    .format = mm_span_text("csv"),
	    .principal = mm_span_text("auditor-1"),
	    .request = mm_span_text("0123456789abcdef")};
	const void *const bodies[MM_ENTRY_KINDS] = {&genesis, &policy,
	    &statement, &statement, &certificate, &image, &signatures, &voids,
	    &refusals, &start, &key, &statement, &crl, &export, &pending,
	    &statement, &statement, &statement, &csr, &import, &inherited,
	    &partition, &scrap};

	(void)state;
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++) {
		const struct mm_shape *shape = mm_entry_body_shape(kind);
		json_t *entry = shown(kind, bodies[kind]);

		counts(entry, "index", 7);
		says(entry, "kind", mm_entry_kind_name(kind));
		says(entry, "time", "2023-11-14T22:13:20Z");
		assert_int_equal(json_string_length(at(entry, "policy")), 64);
		assert_int_equal(json_string_length(at(entry, "leaf")), 64);
		for (size_t i = 0; i < shape->count; i++)
			if (!shape->fields[i].optional)
				(void)at(
				    at(entry, "body"), shape->fields[i].name);
		json_decref(entry);
	}
}

static void
numbers_that_stand_for_words(void **state)
{
	const struct mm_key_entry key = {.name = mm_span_text("codesign"),
	    .use = MM_KEY_CODE_SIGNING,
	    .spki = mm_span_text("spki"),
	    .retired = true};
	const struct mm_crl_entry crl = {.issuer = mm_span_text("device-ca"),
	    .this_update = SAMPLE_TIME,
	    .next_update = SAMPLE_TIME + 86400,
	    .tbs_size = 5,
	    .tbs_sha256 = mm_span_text("01234567890123456789012345678901")};
	json_t *entry = shown(MM_ENTRY_KEY, &key);

	(void)state;
	says(entry, "body.use", "code-signing");
	assert_true(json_is_true(at(entry, "body.retired")));
	json_decref(entry);
	entry = shown(MM_ENTRY_CRL, &crl);
	says(entry, "body.this_update", "2023-11-14T22:13:20Z");
	says(entry, "body.next_update", "2023-11-15T22:13:20Z");
	counts(entry, "body.tbs_size", 5);
	assert_null(json_object_get(at(entry, "body"), "tbs"));
	json_decref(entry);
}

static struct mm_span
state_order(const uint8_t seed[32], struct mm_buffer *out)
{
	static const struct mm_text_item station = {{(const uint8_t *)"l", 1}};
	const struct mm_order_claim order = {.name = mm_span_text("batch"),
	    .profile = mm_span_text("device"),
	    .units = 5,
	    .devices = {.pattern = mm_span_text("lamp-*")},
	    .stations = {&station, 1},
	    .until = SAMPLE_TIME};
	const struct mm_claim claim = {.kind = MM_STATEMENT_ORDER,
	    .origin = mm_span_text(SAMPLE_ORIGIN),
	    .time = SAMPLE_TIME,
	    .expiry = SAMPLE_TIME + 60};
	uint8_t public_key[32], secret_key[64];
	mm_auto(buffer) payload = {0};

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	mm_buffer_init(out, MM_STATEMENT_MAX);
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	assert_int_equal(mm_claim_encode(&claim, &order, &payload), MM_OK);
	assert_int_equal(
	    mm_statement_sign(mm_buffer_span(&payload), secret_key, out),
	    MM_OK);
	return mm_buffer_span(out);
}

static void
officers_under_one_payload_are_one_statement(void **state)
{
	static const uint8_t seeds[2][32] = {{1}, {2}};
	mm_auto(buffer) one = {0};
	mm_auto(buffer) two = {0};
	const struct mm_bytes_item items[] = {{state_order(seeds[0], &one)},
	    {state_order(seeds[1], &two)}, {mm_span_text("nonsense")}};
	const struct mm_statement_entry body = {.statements = {items, 3}};
	json_t *entry = shown(MM_ENTRY_ORDER, &body);

	(void)state;
	assert_int_equal(json_array_size(at(entry, "body.statements")), 2);
	assert_int_equal(
	    json_array_size(at(entry, "body.statements.0.officers")), 2);
	says(entry, "body.statements.0.kind", "order");
	says(entry, "body.statements.0.expiry", "2023-11-14T22:14:20Z");
	says(entry, "body.statements.0.body.name", "batch");
	says(entry, "body.statements.0.body.devices.pattern", "lamp-*");
	says(entry, "body.statements.0.body.stations.0", "l");
	says(entry, "body.statements.1.unreadable", "6e6f6e73656e7365");
	json_decref(entry);
}

static void
a_tbs_and_a_key_are_read(void **state)
{
	struct signed_log log;
	struct mm_certificate_entry body;
	json_t *entry;

	(void)state;
	signed_log_init(&log);
	body = device_entry(&log, device_tbs(&log, "unit-1"));
	entry = shown(MM_ENTRY_CERTIFICATE, &body);
	says(entry, "body.tbs.subject.0.CN", "unit-1");
	says(entry, "body.tbs.issuer.0.CN", "CA");
	says(entry, "body.tbs.key.type", "P-256");
	says(entry, "body.tbs.key_usage.0", "digitalSignature");
	says(entry, "body.tbs.purposes.0", "1.3.6.1.5.5.7.3.2");
	assert_int_equal(json_string_length(at(entry, "body.tbs.serial")), 40);
	json_decref(entry);
	assert_int_equal(mm_entry_json(0, log.entries[0], &entry), MM_OK);
	says(entry, "body.keys.0.spki.type", "P-256");
	says(entry, "body.keys.1.use", "code-signing");
	json_decref(entry);
	signed_log_clear(&log);
}

/* RFC 5280 5.1: with and without the revoked; version, algorithm, issuer. */
static void
a_crl_is_read(void **state)
{
	static const uint8_t tbs[] = {0x30, 0x52, 0x02, 0x01, 0x01, 0x30, 0x0a,
	    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x30,
	    0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c,
	    0x02, 'C', 'A', 0x17, 0x0d, '2', '4', '0', '1', '0', '1', '0', '0',
	    '0', '0', '0', '0', 'Z', 0x17, 0x0d, '2', '4', '0', '2', '0', '1',
	    '0', '0', '0', '0', '0', '0', 'Z', 0x30, 0x14, 0x30, 0x12, 0x02,
	    0x01, 0x05, 0x17, 0x0d, '2', '4', '0', '1', '0', '1', '0', '0', '0',
	    '0', '0', '1', 'Z'};
	struct mm_crl_entry crl = {.issuer = mm_span_text("device-ca"),
	    .tbs = mm_span(tbs, sizeof(tbs))};
	json_t *entry = shown(MM_ENTRY_CRL, &crl);

	(void)state;
	says(entry, "body.tbs.issuer.0.CN", "CA");
	says(entry, "body.tbs.revoked.0.serial", "05");
	says(entry, "body.tbs.revoked.0.date", "2024-01-01T00:00:01Z");
	json_decref(entry);
	crl.tbs.size--;
	entry = shown(MM_ENTRY_CRL, &crl);
	(void)at(entry, "body.tbs.unreadable");
	json_decref(entry);
}

static void
bytes_that_are_no_entry(void **state)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_START);
	const struct mm_start_entry start = sample_start();
	mm_auto(buffer) bytes = {0};
	json_t *out = NULL;

	(void)state;
	mm_buffer_init(&bytes, 65535);
	sample_encode(&frame, &start, &bytes);
	for (size_t cut = 0; cut < bytes.size; cut++)
		assert_int_equal(
		    mm_entry_json(0, mm_span(bytes.data, cut), &out),
		    MM_E_ENTRY);
	bytes.data[2] = MM_ENTRY_KINDS;
	assert_int_equal(
	    mm_entry_json(0, mm_buffer_span(&bytes), &out), MM_E_ENTRY);
	/* The frame of one kind around the body of another. */
	bytes.data[2] = MM_ENTRY_VOID;
	assert_int_equal(mm_entry_json(0, mm_buffer_span(&bytes), &out), MM_OK);
	(void)at(out, "body.unreadable");
	json_decref(out);
}

static void
text_is_text_or_hex(void **state)
{
	static const char *const bad[] = {
	    "\x1b[1m", "a\nb", "a\x7f", "\xff", "a\xe2\x80\xae"};
	json_t *value;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		value = mm_json_text(mm_span_text(bad[i]));
		(void)at(value, "unreadable");
		json_decref(value);
	}
	value = mm_json_lines(mm_span_text("a = 1\n\tb = 2\n"));
	assert_string_equal(json_string_value(value), "a = 1\n\tb = 2\n");
	json_decref(value);
	value = mm_json_lines(mm_span_text("a = 1\n\x1b]0;x\n"));
	(void)at(value, "unreadable");
	json_decref(value);
	value = mm_json_lines(mm_span_text("a = 1\nb\r"));
	(void)at(value, "unreadable");
	json_decref(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_frame_of_every_kind),
	    cmocka_unit_test(numbers_that_stand_for_words),
	    cmocka_unit_test(officers_under_one_payload_are_one_statement),
	    cmocka_unit_test(a_tbs_and_a_key_are_read),
	    cmocka_unit_test(a_crl_is_read),
	    cmocka_unit_test(bytes_that_are_no_entry),
	    cmocka_unit_test(text_is_text_or_hex)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
