/* Profiles: shapes, soundness, device ids, templates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ca/profile.h"

#define TEXT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define LIST(array) \
	{ \
		array, MM_COUNT(array) \
	}

static const struct mm_subject_part parts[] = {
    {TEXT("2.5.4.10"), TEXT("Example")}, {TEXT("2.5.4.3"), TEXT("{device}")}};
static const struct mm_text_item client_auth[] = {{TEXT("1.3.6.1.5.5.7.3.2")}};
static const struct mm_text_item server_auth[] = {{TEXT("1.3.6.1.5.5.7.3.1")}};
static const struct mm_text_item code_signing[] = {{TEXT("1.3.6.1.5.5.7.3.3")}};
static const struct mm_text_item any_purpose[] = {{TEXT("2.5.29.37.0")}};
static const struct mm_text_item twice[] = {
    {TEXT("1.3.6.1.5.5.7.3.2")}, {TEXT("1.3.6.1.5.5.7.3.2")}};

static const struct mm_profile device = {.name = TEXT("device"),
    .purpose = MM_PURPOSE_DEVICE,
    .issuer = TEXT("device-ca"),
    .subject = LIST(parts),
    .backdate = 3600,
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_DIGITAL_SIGNATURE,
    .purposes = LIST(client_auth)};
static const struct mm_profile ca = {.name = TEXT("device-ca"),
    .purpose = MM_PURPOSE_CA,
    .issuer = TEXT("root"),
    .subject = LIST(parts),
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN,
    .path = true};

static void
profiles_come_back_from_cbor(void **state)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) first = {0};
	mm_auto(buffer) again = {0};
	struct mm_profile read;

	(void)state;
	mm_arena_init(&arena, 4096);
	mm_buffer_init(&first, 1024);
	mm_buffer_init(&again, 1024);
	assert_int_equal(
	    mm_shape_encode(&mm_profile_shape, &device, &first), MM_OK);
	assert_int_equal(mm_shape_decode(&mm_profile_shape,
			     mm_buffer_span(&first), &arena, &read),
	    MM_OK);
	assert_int_equal(read.subject.count, 2);
	assert_int_equal(read.backdate, 3600);
	assert_false(read.path);
	assert_int_equal(mm_profile_check(&read), MM_OK);
	assert_int_equal(
	    mm_shape_encode(&mm_profile_shape, &read, &again), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&first), mm_buffer_span(&again)));
}

static enum mm_error
encode(const struct mm_profile *profile)
{
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 8192);
	return mm_shape_encode(&mm_profile_shape, profile, &bytes);
}

static void
shapes_have_bounds(void **state)
{
	struct mm_subject_part many[17];
	struct mm_profile profile = device;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(many); i++)
		many[i] = parts[0];
	profile.subject = (struct mm_list){many, 16};
	assert_int_equal(encode(&profile), MM_OK);
	profile.subject.count = 17;
	assert_int_equal(encode(&profile), MM_E_RANGE);
	profile.subject.count = 0;
	assert_int_equal(encode(&profile), MM_E_RANGE);
	profile = device;
	profile.purpose = 0;
	assert_int_equal(encode(&profile), MM_E_RANGE);
	profile.purpose = 7;
	assert_int_equal(encode(&profile), MM_E_RANGE);
	profile = device;
	profile.name.size = 0;
	assert_int_equal(encode(&profile), MM_E_RANGE);
}

/* One change each to a sound profile. */
static const struct {
	const char *what;
	const struct mm_profile *base;
	uint64_t purpose, key_usage, keys, validity;
	struct mm_list purposes;
	bool path;
} unsound[] = {
    {.what = "cA", .base = &device, .key_usage = MM_KU_KEY_CERT_SIGN},
    {.what = "CRLs", .base = &device, .key_usage = MM_KU_CRL_SIGN},
    {.what = "other bits", .base = &device, .key_usage = 1 << 1},
    {.what = "serverAuth", .base = &device, .purposes = LIST(server_auth)},
    {.what = "codeSigning", .base = &device, .purposes = LIST(code_signing)},
    {.what = "anyEKU", .base = &device, .purposes = LIST(any_purpose)},
    {.what = "twice", .base = &device, .purposes = LIST(twice)},
    {.what = "path", .base = &device, .path = true},
    {.what = "short", .base = &device, .validity = 3600},
    {.what = "keys", .base = &device, .keys = 1 << 5},
    {.what = "no key", .base = &device, .keys = 1},
    {.what = "purpose", .base = &device, .purpose = 7},
    {.what = "client",
	.base = &device,
	.purpose = MM_PURPOSE_CLIENT,
	.purposes = LIST(server_auth)},
    {.what = "server", .base = &device, .purpose = MM_PURPOSE_SERVER},
    {.what = "signing", .base = &device, .purpose = MM_PURPOSE_CODE_SIGNING},
    {.what = "CA's EKU", .base = &ca, .purposes = LIST(client_auth)},
    {.what = "CA's usage", .base = &ca, .key_usage = MM_KU_CRL_SIGN},
    {.what = "CA's key", .base = &ca, .keys = 1 << MM_KEY_P384},
};

static void
unsound_profiles_are_refused(void **state)
{
	(void)state;
	assert_int_equal(mm_profile_check(&device), MM_OK);
	assert_int_equal(mm_profile_check(&ca), MM_OK);
	for (size_t i = 0; i < MM_COUNT(unsound); i++) {
		struct mm_profile p = *unsound[i].base;

		if (unsound[i].purpose != 0)
			p.purpose = unsound[i].purpose;
		if (unsound[i].key_usage != 0)
			p.key_usage = unsound[i].key_usage;
		if (unsound[i].keys != 0)
			p.keys = unsound[i].keys;
		if (unsound[i].validity != 0)
			p.validity = unsound[i].validity;
		if (unsound[i].purposes.count != 0)
			p.purposes = unsound[i].purposes;
		p.path |= unsound[i].path;
		if (mm_profile_check(&p) != MM_E_POLICY)
			fail_msg("%s passes", unsound[i].what);
	}
}

static const struct mm_subject_part numbered[] = {
    {TEXT("2.5.4.5"), TEXT("{device}")}};
static const struct mm_subject_part vendor[] = {
    {TEXT("1.3.6.1.4.1.37244.2.1"), TEXT("FFF1")},
    {TEXT("2.5.4.3"), TEXT("{device}")}};
static const struct mm_subject_part small_vendor[] = {
    {TEXT("1.3.6.1.4.1.37244.2.1"), TEXT("fff1")},
    {TEXT("1.3.6.1.4.1.37244.2.2"), TEXT("8001")}};
static const struct mm_subject_part marked[] = {
    {TEXT("1.3.6.1.4.1.37244.2.1"), TEXT("FFF1")},
    {TEXT("1.3.6.1.4.1.37244.2.2"), TEXT("8001")},
    {TEXT("2.5.4.3"), TEXT("{device} Mpid:8001")}};
static const struct mm_subject_part product[] = {
    {TEXT("1.3.6.1.4.1.37244.2.1"), TEXT("FFF1")},
    {TEXT("1.3.6.1.4.1.37244.2.2"), TEXT("8001")},
    {TEXT("2.5.4.3"), TEXT("{device}")}};
static const struct mm_alternative host[] = {
    {MM_ALTERNATIVE_DNS, TEXT("{device}.local"), {NULL, 0}}};
static const struct mm_alternative module[] = {
    {MM_ALTERNATIVE_HARDWARE, TEXT("{device}"), TEXT("1.3.6.1.4.1.1.1")}};
static const struct mm_alternative bad_names[] = {
    {0, TEXT("{device}"), {NULL, 0}}, {4, TEXT("{device}"), {NULL, 0}},
    {MM_ALTERNATIVE_HARDWARE, TEXT("{device}"), {NULL, 0}},
    {MM_ALTERNATIVE_HARDWARE, TEXT("{device}"), TEXT("3.1")},
    {MM_ALTERNATIVE_DNS, TEXT("{device}"), TEXT("1.3.6")},
    {MM_ALTERNATIVE_URI, TEXT("{serial}"), {NULL, 0}}};

/* Under a standard, as far as a profile alone can be judged. */
static const struct {
	const char *what;
	uint64_t standard;
	const struct mm_profile *base;
	enum mm_error error;
	struct mm_list subject, purposes, names;
	uint64_t keys, key_usage, validity, path;
} standards[] = {
#define ROW(what_, standard_, base_, error_, ...) \
	{ \
		what_, MM_STANDARD_##standard_, base_, .error = MM_##error_, \
						       __VA_ARGS__ \
	}
    ROW("AWS", AWS_IOT, &device, OK, .names = LIST(host)),
    ROW("AWS's CA", AWS_IOT, &ca, E_POLICY, .path = 0),
    ROW("Ed25519", AWS_IOT, &device, E_POLICY, .keys = 1 << MM_KEY_ED25519),
    ROW("agreement", AWS_IOT, &device, E_POLICY,
	.key_usage = MM_KU_KEY_AGREEMENT),
    ROW("no thing", AWS_IOT, &device, E_POLICY, .subject = {parts, 1}),
    ROW("IDevID", IDEVID, &device, OK, .subject = LIST(numbered),
	.names = LIST(module)),
    ROW("IDevID's end", IDEVID, &device, E_POLICY, .subject = LIST(numbered),
	.validity = 86400),
    ROW("no number", IDEVID, &device, E_POLICY, .names = LIST(module)),
    ROW("no module", IDEVID, &device, E_POLICY, .subject = LIST(numbered),
	.names = LIST(host)),
    ROW("DAC", MATTER_DAC, &device, OK, .subject = LIST(product)),
    ROW("no product", MATTER_DAC, &device, E_POLICY, .subject = LIST(vendor)),
    ROW("no vendor", MATTER_DAC, &device, E_POLICY, .path = 0),
    ROW("small letters", MATTER_DAC, &device, E_POLICY,
	.subject = LIST(small_vendor)),
    ROW("marked", MATTER_DAC, &device, E_POLICY, .subject = LIST(marked)),
    ROW("P-384", MATTER_DAC, &device, E_POLICY, .subject = LIST(product),
	.keys = 1 << MM_KEY_P384),
    ROW("PAI", MATTER_PAI, &ca, OK, .subject = LIST(vendor)),
    ROW("PAI's path", MATTER_PAI, &ca, E_POLICY, .subject = LIST(vendor),
	.path = 1),
    ROW("PAI's vendor", MATTER_PAI, &ca, E_POLICY, .path = 0),
    ROW("PAA", MATTER_PAA, &ca, OK, .subject = LIST(vendor), .path = 1),
    ROW("PAA's path", MATTER_PAA, &ca, E_POLICY, .subject = LIST(vendor)),
    ROW("PAA's product", MATTER_PAA, &ca, E_POLICY, .subject = LIST(product),
	.path = 1),
    ROW("TLS client", TLS_CLIENT, &device, OK, .path = 0),
    ROW("TLS server", TLS_SERVER, &device, OK, .purposes = LIST(server_auth),
	.names = LIST(host)),
    ROW("no serverAuth", TLS_SERVER, &device, E_POLICY, .names = LIST(host)),
    ROW("no host", TLS_SERVER, &device, E_POLICY,
	.purposes = LIST(server_auth)),
    ROW("no TLS server", TLS_CLIENT, &device, E_POLICY,
	.purposes = LIST(server_auth), .names = LIST(host)),
    ROW("code signing", CODE_SIGNING, &device, E_POLICY, .path = 0),
    ROW("CA", CA, &ca, OK, .path = 0),
    ROW("no CA", CA, &device, E_POLICY, .path = 0),
    {"no standard", MM_STANDARDS, &device, .error = MM_E_POLICY},
};

static void
standards_are_kept_by_profiles(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(standards); i++) {
		struct mm_profile p = *standards[i].base;

		p.standard = standards[i].standard;
		p.names = standards[i].names;
		p.validity = standards[i].validity;
		p.path_length = standards[i].path;
		if (standards[i].subject.count > 0)
			p.subject = standards[i].subject;
		if (standards[i].purposes.count > 0)
			p.purposes = standards[i].purposes;
		if (standards[i].keys != 0)
			p.keys = standards[i].keys;
		if (standards[i].key_usage != 0)
			p.key_usage = standards[i].key_usage;
		if (mm_profile_check(&p) != standards[i].error)
			fail_msg(
			    "%s: %s", standards[i].what, mm_why(MM_E_POLICY));
	}
}

static void
names_are_checked(void **state)
{
	static const struct {
		uint64_t kind;
		const char *name;
		enum mm_error error;
	} rows[] = {
	    {MM_ALTERNATIVE_DNS, "unit-1", MM_OK},
	    {MM_ALTERNATIVE_DNS, "unit_1", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_DNS, "-", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_URI, "urn:unit:1", MM_OK},
	    {MM_ALTERNATIVE_URI, "unit", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_URI, "1:unit", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_URI, ":unit", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_URI, "urn:", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_URI, "urn:a b", MM_E_CERTIFICATE},
	    {MM_ALTERNATIVE_HARDWARE, "24:6F:28:00", MM_OK},
	    {7, "x", MM_E_CERTIFICATE},
	};
	struct mm_profile profile = device;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		const struct mm_alternative one = {
		    rows[i].kind, TEXT("{device}"), {NULL, 0}};
		mm_auto(buffer) out = {0};

		mm_buffer_init(&out, 128);
		if (mm_alternative_fill(&one, mm_span_text(rows[i].name),
			&out) != rows[i].error)
			fail_msg("%s", rows[i].name);
	}
	for (size_t i = 0; i < MM_COUNT(bad_names); i++) {
		profile.names = (struct mm_list){&bad_names[i], 1};
		assert_int_equal(mm_profile_check(&profile), MM_E_POLICY);
	}
	profile = ca;
	profile.crl = 86400;
	assert_int_equal(mm_profile_check(&profile), MM_OK);
	profile.key_usage = MM_KU_KEY_CERT_SIGN;
	assert_int_equal(mm_profile_check(&profile), MM_E_POLICY);
}

static enum mm_error
purpose(uint64_t of, size_t clients)
{
	return mm_purpose_check(of, of == MM_PURPOSE_CA,
	    of == MM_PURPOSE_CA ? MM_KU_KEY_CERT_SIGN : MM_KU_DIGITAL_SIGNATURE,
	    (struct mm_list){twice, clients});
}

static void
purposes_are_exact(void **state)
{
	(void)state;
	assert_int_equal(purpose(MM_PURPOSE_CLIENT, 0), MM_E_CERTIFICATE);
	assert_int_equal(purpose(MM_PURPOSE_CLIENT, 1), MM_OK);
	assert_int_equal(purpose(MM_PURPOSE_CLIENT, 2), MM_E_CERTIFICATE);
	assert_int_equal(purpose(MM_PURPOSE_SERVER, 0), MM_E_CERTIFICATE);
	assert_int_equal(purpose(MM_PURPOSE_CODE_SIGNING, 0), MM_E_CERTIFICATE);
	assert_int_equal(purpose(MM_PURPOSE_CA, 0), MM_OK);
	assert_int_equal(purpose(MM_PURPOSE_CA, 1), MM_E_CERTIFICATE);
	assert_int_equal(purpose(MM_PURPOSE_DEVICE, 0), MM_OK);
	assert_int_equal(purpose(MM_PURPOSE_PROOF, 0), MM_OK);
	assert_int_equal(purpose(MM_PURPOSE_PROOF, 1), MM_E_CERTIFICATE);
	assert_int_equal(
	    mm_purpose_check(MM_PURPOSE_DEVICE, true, MM_KU_DIGITAL_SIGNATURE,
		(struct mm_list){NULL, 0}),
	    MM_E_CERTIFICATE);
}

static void
oids_and_templates_are_checked(void **state)
{
	static const char *const oids[] = {"2.5", "3.5.4", "1.40", "2.5.04",
	    "2.5.", "2..5", "2.5.x", "2.5.4.3 ", "2.5.1234567890123456789"};
	struct mm_subject_part part = parts[1];
	struct mm_profile profile = device;

	(void)state;
	profile.subject = (struct mm_list){&part, 1};
	for (size_t i = 1; i < MM_COUNT(oids); i++) {
		part.oid = mm_span_text(oids[i]);
		assert_int_equal(mm_profile_check(&profile), MM_E_POLICY);
	}
	part.oid = mm_span_text(oids[0]);
	assert_int_equal(mm_profile_check(&profile), MM_OK);
	part.template = mm_span_text("{serial}");
	assert_int_equal(mm_profile_check(&profile), MM_E_POLICY);
}

static void
device_ids_are_checked(void **state)
{
	static const char *const bad[] = {"", "a,b", "a b", "a\nb", "a/b",
	    "a=b", "\xc3\xbc", "a+b", "a;b", "a\x7f", "{device}"};
	char text[66];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(mm_device_check(mm_span(text, 1)), MM_OK);
	assert_int_equal(mm_device_check(mm_span(text, 63)), MM_OK);
	assert_int_equal(mm_device_check(mm_span(text, 64)), MM_OK);
	assert_int_equal(mm_device_check(mm_span(text, 65)), MM_E_DEVICE_ID);
	assert_int_equal(mm_device_check(mm_span_text("AZaz09._:-")), MM_OK);
	assert_int_equal(mm_device_check(mm_span("a\0b", 3)), MM_E_DEVICE_ID);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		assert_int_equal(
		    mm_device_check(mm_span_text(bad[i])), MM_E_DEVICE_ID);
}

/* A device has one name: its address has one spelling. */
static void
addresses_are_in_capitals(void **state)
{
	static const char *const good[] = {"24:6F:28:00:00:0A",
	    "24-6F-28-00-00-0A", "24:6F:28:FF:FE:00:00:0A", "246f2800000a",
	    "24:6f:28:00:00", "24:6f:28-00:00:0a", "24:6g:28:00:00:0a",
	    "24.6f.28.00.00.0a", "unit-24:6f:28:00:00:0a"};
	static const char *const bad[] = {"24:6f:28:00:00:0A",
	    "24:6F:28:00:00:0a", "24-6F-28-00-00-0a", "24:6f:28:ff:fe:00:00:0a",
	    "a4:6F:28:00:00:00"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++)
		assert_int_equal(mm_device_check(mm_span_text(good[i])), MM_OK);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		assert_int_equal(
		    mm_device_check(mm_span_text(bad[i])), MM_E_DEVICE_ID);
		assert_non_null(strstr(mm_why(MM_E_DEVICE_ID), "one name"));
	}
}

static enum mm_error
fill(const char *template, size_t max, const char *wanted)
{
	mm_auto(buffer) out = {0};
	enum mm_error error;

	mm_buffer_init(&out, max);
	error =
	    mm_template_fill(mm_span_text(template), mm_span_text("d1"), &out);
	if (error == MM_OK)
		assert_true(mm_span_is(mm_buffer_span(&out), wanted));
	return error;
}

static void
templates_are_filled(void **state)
{
	(void)state;
	assert_int_equal(fill("plain", 9, "plain"), MM_OK);
	assert_int_equal(fill("{device}", 9, "d1"), MM_OK);
	assert_int_equal(fill("sn-{name}.x", 9, "sn-d1.x"), MM_OK);
	assert_int_equal(fill("{name}{device}", 4, "d1d1"), MM_OK);
	assert_int_equal(fill("{name}{device}", 3, ""), MM_E_RANGE);
	assert_int_equal(fill("{Device}", 99, ""), MM_E_POLICY);
	assert_int_equal(fill("{device", 99, ""), MM_E_POLICY);
	assert_int_equal(fill("device}", 99, ""), MM_E_POLICY);
	assert_int_equal(fill("{{device}}", 99, ""), MM_E_POLICY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(profiles_come_back_from_cbor),
	    cmocka_unit_test(shapes_have_bounds),
	    cmocka_unit_test(unsound_profiles_are_refused),
	    cmocka_unit_test(standards_are_kept_by_profiles),
	    cmocka_unit_test(names_are_checked),
	    cmocka_unit_test(purposes_are_exact),
	    cmocka_unit_test(oids_and_templates_are_checked),
	    cmocka_unit_test(device_ids_are_checked),
	    cmocka_unit_test(addresses_are_in_capitals),
	    cmocka_unit_test(templates_are_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
