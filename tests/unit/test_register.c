/* Rows for clouds and brokers: what their names may be, how many enrollments a
 * request has, which templates are made, and files that a line cannot break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "factory/register.h"

enum { OUT_MAX = 1 << 20 };

static struct mm_registration
device(const char *name)
{
	struct mm_registration out = {
	    .index = 7, .serial = "00", .certificate = mm_span_text("der")};

	snprintf(out.device, sizeof(out.device), "%s", name);
	snprintf(out.name, sizeof(out.name), "%s", name);
	return out;
}

/* The line of an output that begins at `at`, parsed; `at` is after it then. */
static json_t *
line_of(const struct mm_buffer *out, size_t *at)
{
	const char *begin = (const char *)out->data + *at;
	const char *end = memchr(begin, '\n', out->size - *at);
	json_t *object;

	assert_non_null(end);
	object = json_loadb(begin, (size_t)(end - begin), 0, NULL);
	assert_non_null(object);
	*at += (size_t)(end - begin) + 1;
	return object;
}

static void
names_of_things(void **state)
{
	static const struct {
		const char *name;
		enum mm_error error;
	} cases[] = {{"24:6F:28:00:00:01", MM_OK}, {"a_B-9", MM_OK},
	    {"a.b", MM_E_FORMAT}, {"", MM_E_FORMAT}, {"a b", MM_E_FORMAT}};
	const struct mm_register_aws aws = {.ca = mm_span_text("ca")};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		const struct mm_registration one = device(cases[i].name);
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, OUT_MAX);
		assert_int_equal(
		    mm_register_aws_row(&aws, &one, &out), cases[i].error);
		assert_true((out.size > 0) == (cases[i].error == MM_OK));
	}
}

static void
a_row_without_a_ca_has_none(void **state)
{
	const struct mm_registration one = device("a");
	struct mm_register_aws aws = {.ca = mm_span_text("the CA")};
	mm_auto(buffer) out = {0};
	size_t at = 0;
	json_t *row;

	(void)state;
	mm_buffer_init(&out, OUT_MAX);
	assert_int_equal(mm_register_aws_row(&aws, &one, &out), MM_OK);
	aws.ca = mm_span(NULL, 0);
	assert_int_equal(mm_register_aws_row(&aws, &one, &out), MM_OK);
	row = line_of(&out, &at);
	assert_string_equal(
	    json_string_value(json_object_get(row, "CACertificatePem")),
	    "the CA");
	json_decref(row);
	row = line_of(&out, &at);
	assert_null(json_object_get(row, "CACertificatePem"));
	assert_int_equal(json_object_size(row), 3);
	json_decref(row);
}

static void
templates_have_one_policy(void **state)
{
	static const struct {
		const char *policy, *document;
		enum mm_error error;
	} cases[] = {{NULL, "", MM_E_USAGE}, {"p", "{}", MM_E_USAGE},
	    {"p", "", MM_OK}, {NULL, "{\"a\": 1}", MM_OK},
	    {NULL, "[]", MM_E_FORMAT}, {NULL, "{", MM_E_FORMAT},
	    {NULL, "{\"a\": 1, \"a\": 2}", MM_E_FORMAT}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++)
		for (int first_use = 0; first_use < 2; first_use++) {
			const struct mm_register_aws aws = {
			    .policy = cases[i].policy,
			    .document = mm_span_text(cases[i].document)};
			mm_auto(buffer) out = {0};

			mm_buffer_init(&out, OUT_MAX);
			assert_int_equal(mm_register_aws_template(
					     &aws, first_use != 0, &out),
			    cases[i].error);
		}
}

/* What AWS does not find in a certificate's subject fails there. */
static void
a_template_of_first_use_wants_a_common_name_alone(void **state)
{
	const struct mm_register_aws aws = {.policy = "p"};
	mm_auto(buffer) out = {0};
	size_t at = 0;
	json_t *body, *names;

	(void)state;
	mm_buffer_init(&out, OUT_MAX);
	assert_int_equal(mm_register_aws_template(&aws, true, &out), MM_OK);
	body = line_of(&out, &at);
	names = json_object_get(body, "Parameters");
	assert_int_equal(json_object_size(names), 2);
	assert_non_null(
	    json_object_get(names, "AWS::IoT::Certificate::CommonName"));
	assert_non_null(json_object_get(names, "AWS::IoT::Certificate::Id"));
	json_decref(body);
	mm_buffer_add(&out, "", 1);
	assert_null(strstr((char *)out.data, "SerialNumber"));
}

static void
a_thing_of_first_use_has_its_common_name(void **state)
{
	struct mm_registration one = device("a");

	(void)state;
	assert_int_equal(mm_register_aws_first_use(&one), MM_OK);
	snprintf(one.name, sizeof(one.name), "Lamp a");
	assert_int_equal(mm_register_aws_first_use(&one), MM_E_FORMAT);
}

/* A document whose template has this many bytes. */
static enum mm_error
template_of(size_t size, size_t *made)
{
	mm_auto(buffer) out = {0};
	char document[MM_REGISTER_TEMPLATE + 64];
	struct mm_register_aws aws = {.policy = NULL};
	enum mm_error error;

	snprintf(document, sizeof(document), "{\"a\":\"%0*d\"}", (int)size, 0);
	aws.document = mm_span_text(document);
	mm_buffer_init(&out, OUT_MAX);
	error = mm_register_aws_template(&aws, true, &out);
	*made = out.size;
	return error;
}

static void
templates_have_a_limit(void **state)
{
	size_t made, rest;

	(void)state;
	assert_int_equal(template_of(1, &made), MM_OK);
	rest = MM_REGISTER_TEMPLATE - made + 1;
	assert_int_equal(template_of(rest - 1, &made), MM_OK);
	assert_int_equal(template_of(rest, &made), MM_OK);
	assert_int_equal(made, MM_REGISTER_TEMPLATE);
	assert_int_equal(template_of(rest + 1, &made), MM_E_RANGE);
}

static void
ids_of_registrations(void **state)
{
	static const struct {
		const char *name;
		enum mm_error error;
	} cases[] = {{"24:6F", MM_OK}, {"a._:-", MM_OK}, {"a.", MM_E_FORMAT},
	    {"a_", MM_E_FORMAT}, {"a:", MM_E_FORMAT}, {"", MM_E_FORMAT},
	    {"a b", MM_E_FORMAT}, {"a,b", MM_E_FORMAT}, {"a/b", MM_E_FORMAT}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		const struct mm_registration one = device(cases[i].name);
		struct mm_register_azure azure = {.mode = NULL};
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, OUT_MAX);
		assert_int_equal(
		    mm_register_azure_add(&azure, &one, false, &out),
		    cases[i].error);
		assert_int_equal(
		    mm_register_azure_csv(&one, false, &out), cases[i].error);
		mm_register_azure_clear(&azure);
	}
}

static void
request(const struct mm_buffer *out, size_t *at, const char *mode, size_t count)
{
	json_t *body = line_of(out, at), *enrollments, *one;
	size_t i;

	assert_string_equal(
	    json_string_value(json_object_get(body, "mode")), mode);
	enrollments = json_object_get(body, "enrollments");
	assert_int_equal(json_array_size(enrollments), count);
	json_array_foreach(enrollments, i, one)
	    assert_non_null(json_object_get(one, "attestation"));
	json_decref(body);
}

static void
a_request_has_ten_enrollments(void **state)
{
	(void)state;
	for (size_t count = MM_REGISTER_BULK - 1; count <= MM_REGISTER_BULK + 1;
	     count++) {
		struct mm_register_azure azure = {.mode = NULL};
		mm_auto(buffer) out = {0};
		size_t at = 0;

		mm_buffer_init(&out, OUT_MAX);
		for (size_t i = 0; i < count; i++) {
			const struct mm_registration one = device("a");

			assert_int_equal(
			    mm_register_azure_add(&azure, &one, false, &out),
			    MM_OK);
		}
		assert_int_equal(mm_register_azure_end(&azure, &out), MM_OK);
		request(&out, &at, "create",
		    count < MM_REGISTER_BULK ? count : MM_REGISTER_BULK);
		if (count > MM_REGISTER_BULK)
			request(&out, &at, "create", 1);
		assert_int_equal(at, out.size);
	}
}

static void
a_request_has_one_mode(void **state)
{
	struct mm_registration one = device("a");
	struct mm_register_azure azure = {.mode = NULL};
	mm_auto(buffer) out = {0};
	size_t at = 0;

	(void)state;
	mm_buffer_init(&out, OUT_MAX);
	assert_int_equal(mm_register_azure_end(&azure, &out), MM_OK);
	assert_int_equal(out.size, 0);
	assert_int_equal(
	    mm_register_azure_add(&azure, &one, true, &out), MM_OK);
	assert_int_equal(
	    mm_register_azure_add(&azure, &one, false, &out), MM_OK);
	one.known = true;
	assert_int_equal(
	    mm_register_azure_add(&azure, &one, false, &out), MM_OK);
	assert_int_equal(mm_register_azure_end(&azure, &out), MM_OK);
	request(&out, &at, "delete", 1);
	request(&out, &at, "create", 1);
	request(&out, &at, "update", 1);
	assert_int_equal(at, out.size);
}

static void
a_configuration_is_of_whole_lines(void **state)
{
	static const struct {
		const char *place, *address;
		enum mm_error error;
	} cases[] = {{"/etc/mosquitto", "::", MM_OK}, {"/a b", "x", MM_OK},
	    {"/a\nuser root", "x", MM_E_FORMAT}, {"", "x", MM_E_FORMAT},
	    {" /a", "x", MM_E_FORMAT}, {"/a ", "x", MM_E_FORMAT},
	    {"/a", "x\n", MM_E_FORMAT}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++)
		for (int crl = 0; crl < 2; crl++) {
			const struct mm_register_mosquitto broker = {
			    .place = cases[i].place,
			    .address = cases[i].address,
			    .port = 8883,
			    .crl = crl != 0};
			mm_auto(buffer) out = {0};

			mm_buffer_init(&out, OUT_MAX);
			assert_int_equal(
			    mm_register_mosquitto_conf(&broker, &out),
			    cases[i].error);
			mm_buffer_add(&out, "", 1);
			assert_int_equal(
			    strstr((char *)out.data, "\ncrlfile ") != NULL,
			    crl != 0 && cases[i].error == MM_OK);
		}
}

static void
a_device_has_its_own_topic(void **state)
{
	static const struct {
		const char *topic, *name;
		enum mm_error error;
		const char *wanted;
	} cases[] = {
	    {"d/{device}/#", "a", MM_OK, "\nuser a\ntopic readwrite d/a/#\n"},
	    {"{name}", "a b", MM_OK, "\nuser a b\ntopic readwrite a b\n"},
	    {"{device}", "#", MM_E_FORMAT, NULL},
	    {"{device}", "+", MM_E_FORMAT, NULL},
	    {"{device}", "a/b", MM_E_FORMAT, NULL},
	    {"{device}", "a\nuser b", MM_E_FORMAT, NULL},
	    {"{device}", " a", MM_E_FORMAT, NULL},
	    {"{none}", "a", MM_E_USAGE, NULL}, {"", "a", MM_E_FORMAT, NULL},
	    {"d\nuser b", "a", MM_E_FORMAT, NULL}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		const struct mm_registration one = device(cases[i].name);
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, OUT_MAX);
		assert_int_equal(
		    mm_register_mosquitto_acl(cases[i].topic, &one, &out),
		    cases[i].error);
		if (cases[i].wanted != NULL)
			assert_true(
			    mm_span_is(mm_buffer_span(&out), cases[i].wanted));
	}
}

static void
what_is_no_certificate(void **state)
{
	struct mm_registration one = device("a");

	(void)state;
	assert_int_not_equal(
	    mm_registration_read(mm_span_text("\x30\x03xyz"), &one), MM_OK);
	assert_string_equal(one.name, "a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_things),
	    cmocka_unit_test(a_row_without_a_ca_has_none),
	    cmocka_unit_test(templates_have_one_policy),
	    cmocka_unit_test(a_template_of_first_use_wants_a_common_name_alone),
	    cmocka_unit_test(a_thing_of_first_use_has_its_common_name),
	    cmocka_unit_test(templates_have_a_limit),
	    cmocka_unit_test(ids_of_registrations),
	    cmocka_unit_test(a_request_has_ten_enrollments),
	    cmocka_unit_test(a_request_has_one_mode),
	    cmocka_unit_test(a_configuration_is_of_whole_lines),
	    cmocka_unit_test(a_device_has_its_own_topic),
	    cmocka_unit_test(what_is_no_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
