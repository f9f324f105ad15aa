/* What an MCUboot image is made of: limits, and what people write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/mcuboot_room.h"

static const uint8_t payload[64] = {1, 2, 3};

static struct mm_mcuboot_making
small(void)
{
	return usual_making(mm_span(payload, sizeof(payload)));
}

static void
expect(const struct mm_mcuboot_making *making, enum mm_error wanted)
{
	mm_auto(buffer) out = {0};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;

	mm_buffer_init(&out, FILE_MAX);
	assert_int_equal(mm_mcuboot_make(making, &out), wanted);
	if (wanted == MM_OK)
		assert_int_equal(
		    facts_of(mm_buffer_span(&out), &arena, &facts), MM_OK);
	else
		assert_int_equal(out.size, 0);
}

static void
numbers_have_their_limits(void **state)
{
	struct mm_mcuboot_making m = small();
	const struct {
		uint64_t *field, good, bad;
	} rows[] = {
	    {&m.header, 32, 31},
	    {&m.header, UINT16_MAX, UINT16_MAX + 1},
	    {&m.version.major, UINT8_MAX, UINT8_MAX + 1},
	    {&m.version.minor, UINT8_MAX, UINT8_MAX + 1},
	    {&m.version.revision, UINT16_MAX, UINT16_MAX + 1},
	    {&m.version.build, UINT32_MAX, UINT64_C(1) << 32},
	    {&m.counter, UINT32_MAX, UINT64_C(1) << 32},
	    {&m.load_address, UINT32_MAX, UINT64_C(1) << 32},
	    {&m.slot, UINT32_MAX, UINT64_C(1) << 32},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		m = small();
		m.counted = true;
		*rows[i].field = rows[i].good;
		expect(&m, MM_OK);
		*rows[i].field = rows[i].bad;
		expect(&m, MM_E_RANGE);
	}
}

static void
a_write_has_a_power_of_two(void **state)
{
	struct mm_mcuboot_making m = small();

	(void)state;
	for (m.align = 0; m.align < 70; m.align++)
		expect(&m, m.align > 0 && m.align <= 32 &&
				   (m.align & (m.align - 1)) == 0
			       ? MM_OK
			       : MM_E_RANGE);
}

static void
erased_flash_is_all_ones_or_all_zeros(void **state)
{
	struct mm_mcuboot_making m = small();

	(void)state;
	m.pad = true;
	m.erased = 0;
	expect(&m, MM_OK);
	m.erased = 1;
	expect(&m, MM_E_RANGE);
}

static void
a_payload_is_no_image_yet(void **state)
{
	static const uint8_t image[] = {0x3d, 0xb8, 0xf3, 0x96};
	struct mm_mcuboot_making m = small();

	(void)state;
	m.payload = mm_span(image, sizeof(image));
	expect(&m, MM_E_IMAGE);
	m.payload.size = 3;
	expect(&m, MM_OK);
	m.payload.size = 0;
	expect(&m, MM_E_IMAGE);
}

/* The trailer of writes of 4 bytes, 128 sectors: 1584 bytes. */
static void
a_slot_takes_the_signed_image_and_the_trailer(void **state)
{
	struct mm_mcuboot_making m = small();
	uint64_t needed = 32 + 64 + 4 + 36 + 36 + 4 + 72 + 1584;

	(void)state;
	m.slot = needed;
	expect(&m, MM_OK);
	m.slot = needed - 1;
	expect(&m, MM_E_RANGE);
	m.slot = 0;
	expect(&m, MM_OK);
	m.pad = true;
	expect(&m, MM_E_RANGE);
	m.pad = false;
	m.confirm = true;
	expect(&m, MM_E_RANGE);
}

/* The magic of wide writes names them; image_ok is one such write before it
 * (MCUboot docs/design.md, "Image trailer"). */
static void
wide_writes_have_another_trailer(void **state)
{
	static const struct {
		uint64_t align;
		size_t ok; /* from the slot's end */
	} rows[] = {{1, 24}, {8, 24}, {16, 32}, {32, 64}};
	static const uint8_t usual[2] = {0x77, 0xc2};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(buffer) out = {0};
		struct mm_mcuboot_making m = small();
		const uint8_t wide[2] = {(uint8_t)rows[i].align, 0};

		mm_buffer_init(&out, FILE_MAX);
		m.slot = 0x8000;
		m.align = rows[i].align;
		m.confirm = true;
		assert_int_equal(mm_mcuboot_make(&m, &out), MM_OK);
		assert_int_equal(out.size, 0x8000);
		assert_memory_equal(out.data + out.size - 16,
		    rows[i].align > 8 ? wide : usual, 2);
		for (size_t at = 300; at < out.size - 16; at++)
			assert_int_equal(out.data[at],
			    at == out.size - rows[i].ok ? 1 : 0xff);
	}
}

static void
a_load_address_sets_the_flag(void **state)
{
	mm_auto(buffer) out = {0};
	struct mm_mcuboot_making m = small();
	struct mm_mcuboot_layout layout;

	(void)state;
	mm_buffer_init(&out, FILE_MAX);
	m.load_address = 0x20001000;
	assert_int_equal(mm_mcuboot_make(&m, &out), MM_OK);
	assert_int_equal(
	    mm_mcuboot_layout(mm_buffer_span(&out), &layout), MM_OK);
	assert_int_equal(layout.load_address, 0x20001000);
	assert_int_equal(layout.flags, MM_MCUBOOT_RAM_LOAD);
}

static void
custom_tlvs_are_vendors(void **state)
{
	static const uint64_t bad[] = {0, 0x10, 0x40, 0x9f, 0xffff};
	static const uint64_t good[] = {0xa0, 0xfffe};
	static uint8_t large[UINT16_MAX];
	struct mm_mcuboot_making m = small();

	(void)state;
	m.custom_count = 1;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		m.customs[0].type = bad[i];
		expect(&m, MM_E_RANGE);
	}
	for (size_t i = 0; i < MM_COUNT(good); i++) {
		m.customs[0].type = good[i];
		expect(&m, MM_OK);
	}
	m.customs[m.custom_count++].type = good[1];
	expect(&m, MM_E_RANGE);
	m.custom_count = 1;
	/* The area's own size has 16 bits, and two heads are in it. */
	m.customs[0].value = mm_span(large, UINT16_MAX - 8);
	expect(&m, MM_OK);
	m.customs[0].value = mm_span(large, UINT16_MAX - 7);
	expect(&m, MM_E_RANGE);
}

/* --- what people write --- */

static void
versions_are_read_as_the_vendor_does(void **state)
{
	static const struct {
		const char *text;
		struct mm_image_version version;
	} good[] = {
	    {"0", {0}},
	    {"1.2", {1, 2, 0, 0}},
	    {"1.2.3", {1, 2, 3, 0}},
	    {"255.255.65535+4294967295", {255, 255, 65535, 4294967295}},
	};
	static const char *const bad[] = {"", ".", "1.", "1.2.", "1.2.3+",
	    "1.2.3.4", "1+2", "1.2+3", "01.2.3", "1.02.3", "v1.2.3", "-1",
	    "1.2.3 ", " 1.2.3", "1.2.3-dirty", "256.0.0", "0.256.0",
	    "0.0.65536", "0.0.0+4294967296", "99999999999999999999"};
	struct mm_image_version version;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++) {
		assert_int_equal(mm_mcuboot_version_read(
				     mm_span_text(good[i].text), &version),
		    MM_OK);
		assert_memory_equal(
		    &version, &good[i].version, sizeof(version));
	}
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		if (mm_mcuboot_version_read(mm_span_text(bad[i]), &version) !=
		    MM_E_FORMAT)
			fail_msg("\"%s\" is taken for a version", bad[i]);
}

static void
auto_is_the_version_in_one_number(void **state)
{
	const struct mm_image_version version = {255, 254, 65533, 7};

	(void)state;
	assert_int_equal(mm_mcuboot_counter_of(&version), 0xfffefffd);
	assert_int_equal(
	    mm_mcuboot_counter_of(&(struct mm_image_version){1, 2, 3, 4}),
	    0x01020003);
}

static void
dependencies_are_read_strictly(void **state)
{
	static const char *const bad[] = {"", "1", "(1)", "(1,)", "(1, 1.0",
	    "1, 1.0)", "(256, 1.0)", "(-1, 1.0)", "(1, 1.0),", "(1, 1.0) x",
	    "(1, 1.0)(2, 1.0)", "(1, 01.0)", "(1, 1.0.0.0)"};
	struct mm_mcuboot_making m = {0};

	(void)state;
	assert_int_equal(mm_mcuboot_dependencies_read(
			     mm_span_text("(0,1.2.3+4), ( 255 , 1 )"), &m),
	    MM_OK);
	assert_int_equal(m.dependency_count, 2);
	assert_int_equal(m.dependencies[0].at_least.build, 4);
	assert_int_equal(m.dependencies[1].image, 255);
	assert_int_equal(m.dependencies[1].at_least.major, 1);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		if (mm_mcuboot_dependencies_read(mm_span_text(bad[i]), &m) !=
		    MM_E_FORMAT)
			fail_msg("\"%s\" are taken for dependencies", bad[i]);
	assert_int_equal(m.dependency_count, 2);
}

static void
eight_dependencies_are_the_limit(void **state)
{
	static const char nine[] = "(1,1),(1,1),(1,1),(1,1),(1,1),(1,1),"
				   "(1,1),(1,1),(1,1)";
	struct mm_mcuboot_making m = {0};

	(void)state;
	assert_int_equal(
	    mm_mcuboot_dependencies_read(mm_span_text(nine), &m), MM_E_RANGE);
	assert_int_equal(mm_mcuboot_dependencies_read(
			     mm_span(nine, sizeof(nine) - 1 - 6), &m),
	    MM_OK);
	assert_int_equal(m.dependency_count, 8);
}

static void
custom_tlvs_are_bytes_or_text(void **state)
{
	static const char *const bad[] = {
	    "", "0xa0", "=x", "a0=x", "0xa0=0x1", "0xa0=0xzz", "65536=x"};
	mm_auto(arena) arena = {0};
	struct mm_mcuboot_making m = {0};

	(void)state;
	mm_arena_init(&arena, ARENA);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		if (mm_mcuboot_custom_read(mm_span_text(bad[i]), &arena, &m) !=
		    MM_E_FORMAT)
			fail_msg("\"%s\" is taken for a TLV", bad[i]);
	assert_int_equal(m.custom_count, 0);
	for (size_t i = 0; i < MM_MCUBOOT_CUSTOM_MAX; i++)
		assert_int_equal(
		    mm_mcuboot_custom_read(
			mm_span_text(i == 0 ? "0xA1=0x00fF" : "177=a=b"),
			&arena, &m),
		    MM_OK);
	assert_int_equal(m.customs[0].type, 0xa1);
	assert_int_equal(m.customs[0].value.size, 2);
	assert_memory_equal(m.customs[0].value.data, "\x00\xff", 2);
	assert_int_equal(m.customs[1].type, 177);
	assert_true(mm_span_is(m.customs[1].value, "a=b"));
	assert_int_equal(
	    mm_mcuboot_custom_read(mm_span_text("0xa0=x"), &arena, &m),
	    MM_E_RANGE);
}

static void
numbers_are_decimal_or_hex(void **state)
{
	static const char *const bad[] = {
	    "", "0x", "x", "010", "1 ", "-1", "0x10000", "65536", "1e3"};
	uint64_t value;

	(void)state;
	assert_int_equal(
	    mm_mcuboot_number_read(mm_span_text("0xfFfF"), UINT16_MAX, &value),
	    MM_OK);
	assert_int_equal(value, 65535);
	assert_int_equal(
	    mm_mcuboot_number_read(mm_span_text("0"), UINT16_MAX, &value),
	    MM_OK);
	assert_int_equal(value, 0);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		if (mm_mcuboot_number_read(mm_span_text(bad[i]), UINT16_MAX,
			&value) != MM_E_FORMAT)
			fail_msg("\"%s\" is taken for a number", bad[i]);
}

/* --- keys --- */

static void
keys_become_c_source(void **state)
{
	static const uint8_t key[] = {
	    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48};
	static const char wanted[] =
	    "const unsigned char ecdsa_pub_key[] = {\n"
	    "    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,\n"
	    "    0x48,\n"
	    "};\n"
	    "const unsigned int ecdsa_pub_key_len = 9;\n";
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, FILE_MAX);
	assert_int_equal(mm_mcuboot_key_source(mm_span(key, sizeof(key)),
			     mm_span_text("ecdsa"), &out),
	    MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&out), wanted));
}

/* What an image names its key by (TLV 0x01) is the key's SHA-256. */
static void
a_keys_hash_is_what_the_image_has(void **state)
{
	mm_auto(buffer) hash = {0};
	struct mm_public_key key = load_key(KEY);

	(void)state;
	load("keyhash.bin", &hash);
	assert_true(
	    mm_span_equal(mm_buffer_span(&hash), mm_span(key.spki_sha256, 32)));
}

static void
a_keys_name_is_a_variables(void **state)
{
	static const char *const bad[] = {
	    "", "1key", "a-b", "a b", "k\xc3\xa9", "a;int x"};
	mm_auto(buffer) out = {0};
	char name[65];

	(void)state;
	mm_buffer_init(&out, FILE_MAX);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		assert_int_equal(mm_mcuboot_key_source(mm_span(payload, 1),
				     mm_span_text(bad[i]), &out),
		    MM_E_RANGE);
	memset(name, 'a', sizeof(name));
	assert_int_equal(mm_mcuboot_key_source(mm_span(payload, 1),
			     mm_span(name, sizeof(name)), &out),
	    MM_E_RANGE);
	assert_int_equal(out.size, 0);
	assert_int_equal(mm_mcuboot_key_source(mm_span(payload, 1),
			     mm_span(name, sizeof(name) - 1), &out),
	    MM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_have_their_limits),
	    cmocka_unit_test(a_write_has_a_power_of_two),
	    cmocka_unit_test(erased_flash_is_all_ones_or_all_zeros),
	    cmocka_unit_test(a_payload_is_no_image_yet),
	    cmocka_unit_test(a_slot_takes_the_signed_image_and_the_trailer),
	    cmocka_unit_test(wide_writes_have_another_trailer),
	    cmocka_unit_test(a_load_address_sets_the_flag),
	    cmocka_unit_test(custom_tlvs_are_vendors),
	    cmocka_unit_test(versions_are_read_as_the_vendor_does),
	    cmocka_unit_test(auto_is_the_version_in_one_number),
	    cmocka_unit_test(dependencies_are_read_strictly),
	    cmocka_unit_test(eight_dependencies_are_the_limit),
	    cmocka_unit_test(custom_tlvs_are_bytes_or_text),
	    cmocka_unit_test(numbers_are_decimal_or_hex),
	    cmocka_unit_test(keys_become_c_source),
	    cmocka_unit_test(a_keys_hash_is_what_the_image_has),
	    cmocka_unit_test(a_keys_name_is_a_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
