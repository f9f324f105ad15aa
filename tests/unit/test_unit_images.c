/* A unit's images: what the makers of one file make of the same values, and
 * for their place in flash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <string.h>

#include "factory/cust_flash.h"
#include "factory/private_key.h"
#include "factory/unit_images.h"
#include "signer/secure_cert.h"
#include "tests/unit/heap_search.h"

#define ok(call) assert_int_equal(call, MM_OK)
#define KEYS "tests/vectors/esp/keys/TEST-ONLY-"
#define HEADER "key,type,encoding,value\n"

enum { SIZE = 0x6000, TEXT_MAX = 65536 };

/* Two units: one of a curve, one with RSA; the CA's certificate for both. */
static struct unit {
	struct mm_buffer certificate;
	struct mm_flash_secret key;
	struct mm_image_unit unit;
} units[2];
static struct mm_buffer ca;
static struct mm_span chain_items[2];
static struct mm_list chain = {chain_items, 2};
static struct mm_label_values values;
static uint8_t hmac_key[MM_NVS_HMAC_KEY], ds_key[MM_DS_HMAC_KEY],
    nvs_key[MM_NVS_KEY], flash_key[32];

static void
read_file(const char *path, struct mm_buffer *out)
{
	mm_buffer_init(out, TEXT_MAX);
	ok(mm_file_read(path, TEXT_MAX, out));
}

static void
set_value(const char *name, const char *value)
{
	values.items[values.count++] =
	    (struct mm_label_value){mm_span_text(name), mm_span_text(value)};
}

static void
make_unit(struct unit *unit, const char *certificate, const char *key)
{
	mm_auto(flash_secret) pem = {0};

	read_file(certificate, &unit->certificate);
	ok(mm_flash_secret_read(key, &pem));
	ok(mm_flash_private_key(&pem, &unit->key));
	unit->unit = (struct mm_image_unit){.values = &values,
	    .certificate = mm_buffer_span(&unit->certificate),
	    .chain = &chain,
	    .root = mm_buffer_span(&ca),
	    .key = &unit->key,
	    .hmac_key = hmac_key,
	    .ds_key = ds_key,
	    .nvs_key = nvs_key,
	    .flash_key = mm_span(flash_key, sizeof(flash_key))};
}

static int
make_units(void **state)
{
	(void)state;
	read_file(KEYS "ca-p256.crt.der", &ca);
	randombytes_buf(hmac_key, sizeof(hmac_key));
	randombytes_buf(ds_key, sizeof(ds_key));
	randombytes_buf(nvs_key, sizeof(nvs_key));
	randombytes_buf(flash_key, sizeof(flash_key));
	make_unit(&units[0], KEYS "device-p256.crt.der",
	    KEYS "device-p256.key.p8.pem");
	make_unit(&units[1], KEYS "device-rsa2048.crt.der",
	    KEYS "device-rsa2048.key.p8.pem");
	chain_items[0] = mm_buffer_span(&units[1].certificate);
	chain_items[1] = mm_buffer_span(&ca);
	set_value("serial", "LMP-0001");
	set_value("count", "17");
	set_value("pop", "abcd1234");
	set_value("empty", "");
	set_value("file", "ca-p256.crt.der");
	return 0;
}

static int
clear_units(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(units); i++) {
		mm_buffer_clear(&units[i].certificate);
		mm_flash_secret_clear(&units[i].key);
	}
	mm_buffer_clear(&ca);
	return 0;
}

static const struct mm_chip *
chip(const char *name)
{
	return mm_chip_named(mm_span_text(name));
}

static struct mm_image_plan
nvs_plan(const char *rows)
{
	return (struct mm_image_plan){.name = "creds",
	    .format = MM_IMAGE_NVS,
	    .size = SIZE,
	    .key = MM_DEVICE_P256,
	    .rows = {"creds.csv", mm_span_text(rows), NULL}};
}

static enum mm_error
try_make(const struct mm_image_plan *plan, const struct mm_image_unit *unit,
    struct mm_flash_secret *out)
{
	struct mm_unit_image *image = NULL;
	enum mm_error error = mm_unit_image_new(plan, NULL, &image);

	if (error == MM_OK)
		error = mm_unit_image_make(image, unit, out);
	mm_unit_image_free(image);
	return error;
}

static void
make(const struct mm_image_plan *plan, const struct mm_image_unit *unit,
    struct mm_flash_secret *out)
{
	enum mm_error error = try_make(plan, unit, out);

	if (error != MM_OK)
		fail_msg("%s: %s", mm_error_name(error), mm_why(error));
}

static void
assert_refused(const struct mm_image_plan *plan,
    const struct mm_image_unit *unit, enum mm_error wanted, const char *why)
{
	struct mm_flash_secret out = {.data = NULL};
	enum mm_error error = try_make(plan, unit, &out);

	if (error != wanted || strstr(mm_why(error), why) == NULL)
		fail_msg("%s (%s), not %s", mm_error_name(error),
		    error != MM_OK ? mm_why(error) : "", why);
	assert_null(out.data);
}

static void
assert_same(const struct mm_flash_secret *a, struct mm_span b)
{
	assert_int_equal(a->size, b.size);
	assert_memory_equal(a->data, b.data, b.size);
}

/* --- NVS --- */

static const char template[] = HEADER
    "net,namespace,,\n"
    "serial,data,string,{serial}\n"
    "count,data,u32,{count}\n"
    "# a comment {here}\n"
    "json,data,string,\"{{\"\"id\"\":\"\"{serial}\"\",\"\"n\"\":{count}}}\"\n"
    "pop,data,base64,{pop}\n"
    "hex,data,hex2bin,00{count}ff\n"
    "filled,data,blob_fill(16;0xAA),{pop}\n"
    "cert,file,binary,{certificate.der}\n"
    "ca,file,binary," KEYS "ca-p256.crt.der\n"
    "by_name,file,binary," KEYS "{file}\n"
    "top,file,binary,{ca.der}\n"
    "up,file,binary,{issuer.der}\n"
    "key,file,binary,{key.der}\n"
    "key_pem,file,string,{key.pem}\n"
    "same,data,i8,-5\n";

static const char filled[] =
    HEADER "net,namespace,,\n"
	   "serial,data,string,LMP-0001\n"
	   "count,data,u32,17\n"
	   "json,data,string,\"{\"\"id\"\":\"\"LMP-0001\"\",\"\"n\"\":17}\"\n"
	   "pop,data,base64,abcd1234\n"
	   "hex,data,hex2bin,0017ff\n"
	   "filled,data,blob_fill(16;0xAA),abcd1234\n"
	   "cert,file,binary," KEYS "device-p256.crt.der\n"
	   "ca,file,binary," KEYS "ca-p256.crt.der\n"
	   "by_name,file,binary," KEYS "ca-p256.crt.der\n"
	   "top,file,binary," KEYS "ca-p256.crt.der\n"
	   "up,file,binary," KEYS "device-rsa2048.crt.der\n"
	   "key,file,binary,%s\n"
	   "key_pem,file,string,%s\n"
	   "same,data,i8,-5\n";

static const char *
write_secret(const char *path, const struct mm_flash_secret *secret)
{
	ok(mm_file_write(
	    path, mm_span(secret->data, secret->size), 0600, true));
	return path;
}

/* What mm_nvs_csv() makes of the values put in. */
static struct mm_nvs *
make_by_csv(unsigned version)
{
	char path[2][64], text[4096];
	mm_auto(flash_secret) pem = {0};
	struct mm_nvs_source source = {.name = "filled.csv"};
	struct mm_nvs *nvs;

	ok(mm_private_key_pem(&units[0].key, &pem));
	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "/tmp/unit-images-%d-%d",
		    (int)getpid(), i);
	snprintf(text, sizeof(text), filled,
	    write_secret(path[0], &units[0].key), write_secret(path[1], &pem));
	source.text = mm_span_text(text);
	ok(mm_nvs_new(SIZE, version, &nvs));
	ok(mm_nvs_csv(nvs, &source));
	unlink(path[0]);
	unlink(path[1]);
	return nvs;
}

static void
nvs_is_what_the_csv_makes_with_the_values_put_in(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		struct mm_image_plan plan = nvs_plan(template);
		struct mm_nvs *wanted = make_by_csv(version);
		mm_auto(flash_secret) image = {0};
		struct mm_span bytes;

		plan.version = version;
		make(&plan, &units[0].unit, &image);
		ok(mm_nvs_finish(wanted, NULL, &bytes));
		assert_same(&image, bytes);
		mm_nvs_free(wanted);
	}
}

static void
units_leave_nothing_to_each_other(void **state)
{
	struct mm_image_plan plan = nvs_plan(template);
	mm_auto(flash_secret) first = {0}, second = {0}, again = {0};
	struct mm_unit_image *image;

	(void)state;
	ok(mm_unit_image_new(&plan, NULL, &image));
	ok(mm_unit_image_make(image, &units[0].unit, &first));
	ok(mm_unit_image_make(image, &units[1].unit, &second));
	ok(mm_unit_image_make(image, &units[0].unit, &again));
	assert_int_equal(first.size, second.size);
	assert_memory_not_equal(first.data, second.data, first.size);
	assert_same(&again, mm_span(first.data, first.size));
	mm_unit_image_free(image);
}

static void
encrypted_ones_decrypt(void **state)
{
	uint8_t derived[MM_NVS_KEY], file[MM_NVS_PAGE];
	const struct {
		enum mm_image_nvs_keys keys;
		const uint8_t *key;
	} cases[] = {{MM_IMAGE_KEYS_MADE, nvs_key},
	    {MM_IMAGE_KEYS_HMAC, derived}, {MM_IMAGE_KEYS_GIVEN, nvs_key}};
	struct mm_image_plan plan = nvs_plan(template);
	mm_auto(flash_secret) plain = {0};

	(void)state;
	ok(mm_nvs_key_derive(hmac_key, derived));
	mm_nvs_keys_encode(nvs_key, file);
	make(&plan, &units[0].unit, &plain);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(flash_secret) image = {0};

		plan.keys = cases[i].keys;
		plan.nvs_key = mm_span(file, sizeof(file));
		make(&plan, &units[0].unit, &image);
		assert_memory_not_equal(image.data, plain.data, plain.size);
		ok(mm_nvs_crypt(cases[i].key, false, image.data, image.size));
		assert_same(&image, mm_span(plain.data, plain.size));
	}
}

static void
chains_are_pem_one_after_the_other(void **state)
{
	struct mm_image_plan plan =
	    nvs_plan(HEADER "a,namespace,,\n"
			    "chain,file,string,{chain.pem}\n"
			    "full,file,string,{full-chain.pem}\n"
			    "cert,file,string,{certificate.pem}\n"
			    "up,file,string,{issuer.pem}\n"
			    "ca,file,binary,{ca.pem}\n");
	static const size_t blocks[] = {2, 3, 1, 1, 1};
	struct mm_nvs_contents contents;
	mm_auto(flash_secret) image = {0};
	mm_auto(arena) arena = {0};
	const struct mm_nvs_item *items;

	(void)state;
	plan.size = 0x8000;
	make(&plan, &units[0].unit, &image);
	mm_arena_init(&arena, mm_nvs_arena(image.size));
	ok(mm_nvs_read(
	    mm_span(image.data, image.size), NULL, &arena, &contents));
	items = contents.items.items;
	assert_int_equal(contents.items.count, 6);
	for (size_t i = 0; i < MM_COUNT(blocks); i++) {
		mm_auto(buffer) der = {0};
		size_t count;

		mm_buffer_init(&der, TEXT_MAX);
		ok(mm_certificate_first(items[i + 1].bytes, &der, &count));
		assert_int_equal(count, blocks[i]);
	}
	mm_nvs_contents_clear(&contents);
}

/* --- what is refused, with its line --- */

static void
rows_that_fit_no_unit_are_refused_once(void **state)
{
	static const struct {
		const char *rows;
		enum mm_error error;
		const char *why;
	} cases[] = {
	    {"a,namespace,,\nk,data,string,{serial\n", MM_E_FORMAT,
		"creds.csv line 3: there is a brace at character 1"},
	    {"a,namespace,,\nk,data,string,a}b\n", MM_E_FORMAT,
		"creds.csv line 3: there is a brace at character 2"},
	    {"a,namespace,,\nk,data,string,{}\n", MM_E_FORMAT, "line 3"},
	    {"a,namespace,,\nk,data,string,{a{b}\n", MM_E_FORMAT, "line 3"},
	    {"a,namespace,,\nk,data,binary,{key.der}\n", MM_E_FORMAT,
		"line 3: {key.der} stands for a file's bytes"},
	    {"a,namespace,,\nk,file,binary,x{key.der}\n", MM_E_FORMAT,
		"line 3: {key.der} stands for a file's bytes"},
	    {"a,namespace,,\nk,file,string,{key.der}\n", MM_E_FORMAT,
		"line 3: the encoding string does not take {key.der}"},
	    {"a,namespace,,\nk,file,u8,{ca.pem}\n", MM_E_FORMAT,
		"line 3: the encoding u8 does not take"},
	    {"a,namespace,,\nk,fil,string,{serial}\n", MM_E_FORMAT,
		"line 3: the type \"fil\""},
	    {"a,namespace,,\nk,data,u9,{serial}\n", MM_E_FORMAT,
		"line 3: there is no encoding \"u9\""},
	    {"a,namespace,,\nk,data,u8,256\n", MM_E_RANGE, "line 3"},
	    {"a,namespace,,\nk,data,u8,1\nk,data,u8,{count}\n", MM_E_FORMAT,
		"line 4: the key \"k\" is in this namespace already"},
	    {"k,data,u8,{count}\n", MM_E_FORMAT, "line 2"},
	    {"a,namespace,,\nk,data\n", MM_E_FORMAT, "line 3"},
	    {"a,namespace,,\nk,file,binary,no/such/file\n", MM_E_FILE,
		"line 3: cannot read no/such/file"},
	    {"a,namespace,,\nsixteen-letters-,data,u8,{count}\n", MM_E_RANGE,
		"line 3: the key"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		char rows[512];
		struct mm_image_plan plan;
		struct mm_unit_image *image = NULL;
		enum mm_error error;

		snprintf(rows, sizeof(rows), HEADER "%s", cases[i].rows);
		plan = nvs_plan(rows);
		error = mm_unit_image_new(&plan, NULL, &image);
		if (error != cases[i].error ||
		    strstr(mm_why(error), cases[i].why) == NULL)
			fail_msg("%s: %s (%s)", cases[i].rows,
			    mm_error_name(error),
			    error != MM_OK ? mm_why(error) : "");
		assert_null(image);
	}
}

static void
values_that_do_not_fit_are_refused_before_and_when_made(void **state)
{
	static const struct {
		const char *row;
		enum mm_error error;
		const char *why;
	} cases[] = {
	    {"k,data,string,{nobody}", MM_E_USAGE,
		"creds.csv line 3: it names {nobody}"},
	    {"k,data,string,{empty}", MM_E_USAGE,
		"line 3: it names {empty}, and that value is empty"},
	    {"k,data,u8,{serial}", MM_E_RANGE, "line 3"},
	    {"k,data,hex2bin,{serial}", MM_E_FORMAT, "line 3"},
	    {"k,data,blob_fill(7;0x00),{pop}", MM_E_RANGE, "line 3"},
	    {"k,file,binary,{serial}.bin", MM_E_FILE,
		"line 3: cannot read LMP-0001.bin"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		char rows[512];
		struct mm_image_plan plan;
		struct mm_unit_image *image;
		enum mm_error error;

		snprintf(rows, sizeof(rows), HEADER "a,namespace,,\n%s\n",
		    cases[i].row);
		plan = nvs_plan(rows);
		ok(mm_unit_image_new(&plan, NULL, &image));
		error = mm_unit_image_check(image, &values);
		assert_int_equal(error, cases[i].error);
		assert_non_null(strstr(mm_why(error), cases[i].why));
		mm_unit_image_free(image);
		assert_refused(
		    &plan, &units[0].unit, cases[i].error, cases[i].why);
	}
}

/* 3968 with its NUL. */
static void
a_string_has_its_limit(void **state)
{
	static char text[MM_NVS_STRING_MAX + 1];
	struct mm_image_plan plan =
	    nvs_plan(HEADER "a,namespace,,\nk,data,string,{long}\n");
	struct mm_label_values long_one = {.count = 1};
	struct mm_image_unit unit = {.values = &long_one};

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t size = MM_NVS_STRING_MAX - 2; size <= MM_NVS_STRING_MAX;
	     size++) {
		mm_auto(flash_secret) image = {0};

		long_one.items[0] = (struct mm_label_value){
		    mm_span_text("long"), mm_span(text, size)};
		if (size < MM_NVS_STRING_MAX)
			make(&plan, &unit, &image);
		else
			assert_refused(&plan, &unit, MM_E_RANGE,
			    "creds.csv line 3: the string \"k\" has 3969");
	}
}

static void
a_partition_of_nvs_has_whole_pages(void **state)
{
	static const struct {
		uint64_t size;
		enum mm_error error;
	} cases[] = {{0, MM_E_RANGE}, {0x2fff, MM_E_RANGE}, {0x3000, MM_OK},
	    {0x3001, MM_E_RANGE}, {MM_NVS_SIZE_MAX, MM_OK},
	    {(uint64_t)MM_NVS_SIZE_MAX + MM_NVS_PAGE, MM_E_RANGE}};
	struct mm_image_plan plan = nvs_plan(template);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(flash_secret) image = {0};

		plan.size = cases[i].size;
		if (cases[i].error == MM_OK)
			make(&plan, &units[0].unit, &image);
		else
			assert_refused(&plan, &units[0].unit, cases[i].error,
			    "image creds: an NVS partition");
	}
}

/* A page has 126 entries, and the namespace is one. */
static void
a_partition_of_nvs_can_be_too_small(void **state)
{
	static char rows[8192];

	(void)state;
	for (size_t count = 124; count <= 126; count++) {
		size_t at = (size_t)snprintf(
		    rows, sizeof(rows), HEADER "a,namespace,,\n");
		struct mm_image_plan plan;
		mm_auto(flash_secret) image = {0};

		for (size_t i = 1; i < count; i++)
			at += (size_t)snprintf(rows + at, sizeof(rows) - at,
			    "k%zu,data,u8,1\n", i);
		snprintf(rows + at, sizeof(rows) - at, "k,data,u8,{count}\n");
		plan = nvs_plan(rows);
		plan.size = MM_NVS_PAGE;
		if (count < 126)
			make(&plan, &units[0].unit, &image);
		else
			assert_refused(&plan, &units[0].unit, MM_E_RANGE,
			    "creds.csv line 128: the partition of 0x1000");
	}
}

static void
so_many_names_and_no_more(void **state)
{
	static char rows[16384];

	(void)state;
	for (size_t count = MM_LABEL_VALUES - 1; count <= MM_LABEL_VALUES + 1;
	     count++) {
		size_t at = (size_t)snprintf(
		    rows, sizeof(rows), HEADER "a,namespace,,\n");
		struct mm_unit_image *image = NULL;
		struct mm_image_plan plan;
		bool path = true;

		for (size_t i = 0; i < count; i++)
			at += (size_t)snprintf(rows + at, sizeof(rows) - at,
			    "k%zu,data,string,{n%zu}-{n%zu}\n", i, i, i);
		plan = nvs_plan(rows);
		if (count > MM_LABEL_VALUES) {
			assert_int_equal(mm_unit_image_new(&plan, NULL, &image),
			    MM_E_FORMAT);
			assert_non_null(
			    strstr(mm_why(MM_E_FORMAT), "creds.csv line 99"));
			continue;
		}
		ok(mm_unit_image_new(&plan, NULL, &image));
		assert_true(
		    mm_span_is(mm_unit_image_name(image, 1, &path), "n1"));
		assert_false(path);
		assert_int_equal(
		    mm_unit_image_name(image, count - 1, &path).size, 3);
		assert_int_equal(
		    mm_unit_image_name(image, count, &path).size, 0);
		mm_unit_image_free(image);
	}
}

static void
a_unit_that_lacks_something_is_refused(void **state)
{
	struct mm_image_plan plan = nvs_plan(template);
	struct mm_image_unit unit = units[0].unit;

	(void)state;
	unit.certificate = mm_span(NULL, 0);
	assert_refused(&plan, &unit, MM_E_USAGE,
	    "creds.csv line 10: the unit has no certificate");
	unit = units[0].unit;
	unit.key = NULL;
	assert_refused(&plan, &unit, MM_E_USAGE, "line 15: the unit has no");
	unit = units[0].unit;
	unit.root = mm_span(NULL, 0);
	assert_refused(&plan, &unit, MM_E_USAGE, "line 13: the unit has no");
	unit.root = units[0].unit.root;
	unit.chain = NULL;
	plan = nvs_plan(HEADER "a,namespace,,\nk,file,string,{chain.pem}\n");
	assert_refused(&plan, &unit, MM_E_USAGE, "line 3: the unit has no");
	unit.root = mm_span(NULL, 0);
	plan = nvs_plan(HEADER "a,namespace,,\nk,file,binary,{issuer.der}\n");
	assert_refused(&plan, &unit, MM_E_USAGE, "line 3: the unit has no");
	plan = nvs_plan(template);
	unit = units[0].unit;
	unit.nvs_key = unit.hmac_key = NULL;
	plan.keys = MM_IMAGE_KEYS_MADE;
	assert_refused(&plan, &unit, MM_E_USAGE, "image creds: the unit");
	plan.keys = MM_IMAGE_KEYS_HMAC;
	assert_refused(&plan, &unit, MM_E_USAGE, "image creds: the unit");
	plan.keys = MM_IMAGE_KEYS_GIVEN;
	plan.nvs_key = mm_span(nvs_key, MM_NVS_KEY - 1);
	assert_refused(&plan, &unit, MM_E_FORMAT, "image creds, its NVS key");
	plan = nvs_plan(template);
	plan.key = MM_IMAGE_KEY_ELSEWHERE;
	assert_refused(&plan, &unit, MM_E_FORMAT,
	    "line 15: the device makes its key itself");
}

/* --- key partitions, flash encryption --- */

static void
decrypt(const struct mm_image_plan *plan, struct mm_flash_secret *image)
{
	struct mm_flash_cipher *cipher;

	ok(mm_flash_cipher_new(plan->chip,
	    mm_span(flash_key, sizeof(flash_key)), MM_FLASH_CRYPT_CONFIG,
	    &cipher));
	ok(mm_flash_cipher_run(cipher, MM_FLASH_DECRYPT, plan->offset,
	    mm_span(image->data, image->size), image->data));
	mm_flash_cipher_free(cipher);
}

static struct mm_image_plan
keys_plan(void)
{
	return (struct mm_image_plan){.name = "nvs_keys",
	    .format = MM_IMAGE_NVS_KEYS,
	    .size = MM_NVS_PAGE,
	    .offset = 0x12000,
	    .chip = chip("esp32c3"),
	    .keys = MM_IMAGE_KEYS_MADE};
}

static void
a_key_partition_holds_the_key_of_the_image(void **state)
{
	static const char *const chips[] = {"esp32", "esp32c3", "esp32s3"};
	struct mm_image_plan plan = keys_plan();
	uint8_t key[MM_NVS_KEY];

	(void)state;
	for (size_t i = 0; i <= MM_COUNT(chips); i++) {
		mm_auto(flash_secret) image = {0};

		plan.encrypted = i < MM_COUNT(chips);
		if (plan.encrypted)
			plan.chip = chip(chips[i]);
		make(&plan, &units[0].unit, &image);
		if (plan.encrypted) {
			assert_int_not_equal(
			    mm_nvs_keys_decode(
				mm_span(image.data, image.size), key),
			    MM_OK);
			decrypt(&plan, &image);
		}
		ok(mm_nvs_keys_decode(mm_span(image.data, image.size), key));
		assert_memory_equal(key, nvs_key, sizeof(key));
	}
}

static void
what_flash_encryption_cannot_be_is_refused(void **state)
{
	struct mm_image_plan plan = keys_plan(), nvs = nvs_plan(template);
	struct mm_image_unit unit = units[0].unit;

	(void)state;
	plan.encrypted = nvs.encrypted = true;
	nvs.chip = plan.chip;
	assert_refused(&nvs, &unit, MM_E_FORMAT, "image creds: the device's");
	plan.chip = NULL;
	assert_refused(&plan, &unit, MM_E_FORMAT, "image nvs_keys: flash");
	plan.chip = chip("esp32c3");
	plan.offset = 0x12008;
	assert_refused(&plan, &unit, MM_E_RANGE, "image nvs_keys: its offset");
	plan.offset = 0x12000;
	unit.flash_key = mm_span(flash_key, 31);
	assert_refused(&plan, &unit, MM_E_RANGE, "image nvs_keys: flash enc");
	unit.flash_key = mm_span(flash_key, 32);
	plan.chip = chip("esp32");
	plan.offset = MM_FLASH_FIRST_LIMIT - MM_NVS_PAGE + MM_FLASH_BLOCK;
	assert_refused(&plan, &unit, MM_E_RANGE, "image nvs_keys: flash enc");
	plan = keys_plan();
	plan.size = MM_NVS_PAGE - 1;
	assert_refused(&plan, &unit, MM_E_RANGE, "image nvs_keys: a key part");
	plan.size = MM_NVS_PAGE;
	plan.keys = MM_IMAGE_KEYS_HMAC;
	assert_refused(&plan, &unit, MM_E_FORMAT, "image nvs_keys: a key part");
	plan.format = (enum mm_unit_image_format)3;
	assert_refused(&plan, &unit, MM_E_FORMAT, "no such format");
}

/* --- esp_secure_cert --- */

static struct mm_image_plan
cert_plan(enum mm_secure_cert_layout layout, bool pem)
{
	return (struct mm_image_plan){.name = "esp_secure_cert",
	    .format = MM_IMAGE_SECURE_CERT,
	    .size = SIZE,
	    .offset = 0xd000,
	    .chip = chip("esp32c3"),
	    .key = MM_DEVICE_P256,
	    .layout = layout,
	    .ca = MM_IMAGE_CA_ROOT,
	    .pem = pem};
}

/* Of the files, as `flash secure-cert` does it. */
static void
make_of_files(const struct mm_image_plan *plan, const char *name,
    const struct mm_secure_cert_ds *ds, struct mm_flash_secret *out)
{
	const char *form = plan->pem ? "pem" : "der";
	mm_auto(buffer) device = {0}, issuer = {0};
	mm_auto(private_key) key = {.name = NULL};
	mm_auto(flash_secret) file = {0};
	struct mm_secure_cert_parts parts = {.layout = plan->layout,
	    .key = &key,
	    .key_pem = plan->pem,
	    .ds = ds};
	char path[128];

	snprintf(path, sizeof(path), KEYS "%s.crt.%s", name, form);
	read_file(path, &device);
	snprintf(path, sizeof(path), KEYS "ca-p256.crt.%s", form);
	read_file(path, &issuer);
	snprintf(path, sizeof(path), KEYS "%s.key.p8.pem", name);
	ok(mm_flash_secret_read(path, &file));
	ok(mm_private_key_read(&file, &key));
	parts.device.bytes = mm_buffer_span(&device);
	if (plan->ca != MM_IMAGE_CA_NONE)
		parts.ca.bytes = mm_buffer_span(&issuer);
	ok(mm_secure_cert_make(&parts, out));
}

static void
secure_cert_is_what_the_files_make(void **state)
{
	static const enum mm_secure_cert_layout layouts[] = {
	    MM_LAYOUT_TLV, MM_LAYOUT_TLV8K, MM_LAYOUT_CUST_FLASH};

	(void)state;
	for (size_t i = 0; i < 4 * MM_COUNT(layouts); i++) {
		struct mm_image_plan plan =
		    cert_plan(layouts[i / 4], i % 2 == 1);
		mm_auto(flash_secret) image = {0}, wanted = {0};

		if (i / 2 % 2 == 1)
			plan.ca = MM_IMAGE_CA_NONE;
		make(&plan, &units[0].unit, &image);
		make_of_files(&plan, "device-p256", NULL, &wanted);
		assert_same(&image, mm_span(wanted.data, wanted.size));
	}
}

static void
the_ca_may_be_a_file(void **state)
{
	struct mm_image_plan plan = cert_plan(MM_LAYOUT_TLV, true), root = plan;
	mm_auto(flash_secret) image = {0}, wanted = {0};
	mm_auto(buffer) pem = {0};

	(void)state;
	read_file(KEYS "ca-p256.crt.pem", &pem);
	plan.ca = MM_IMAGE_CA_FILE;
	plan.ca_file =
	    (struct mm_secure_cert_file){"ca.pem", mm_buffer_span(&pem)};
	make(&plan, &units[0].unit, &image);
	make(&root, &units[0].unit, &wanted);
	assert_same(&image, mm_span(wanted.data, wanted.size));
	plan.ca_file.bytes.size = 200;
	assert_refused(&plan, &units[0].unit, MM_E_FORMAT,
	    "image esp_secure_cert: ca.pem: ");
}

/* Where the first TLV is the ciphertext, behind a length. */
static const uint8_t *
iv_of(const struct mm_image_plan *plan, const struct mm_flash_secret *image)
{
	struct mm_cust_flash read;

	if (plan->layout == MM_LAYOUT_TLV)
		return image->data + MM_SECURE_CERT_HEADER + 4;
	ok(mm_cust_flash_read(mm_span(image->data, image->size), &read));
	return read.iv.data;
}

static void
with_ds_it_is_what_the_files_make_with_the_same_iv(void **state)
{
	static const enum mm_secure_cert_layout layouts[] = {
	    MM_LAYOUT_TLV, MM_LAYOUT_CUST_FLASH_DS};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(layouts); i++) {
		struct mm_image_plan plan = cert_plan(layouts[i], false);
		struct mm_secure_cert_ds ds = {
		    .chip = mm_ds_chip_named(mm_span_text("esp32c3")),
		    .efuse_key = 3,
		    .hmac_key = ds_key};
		mm_auto(flash_secret) image = {0}, other = {0}, wanted = {0};

		plan.ds = true;
		plan.efuse_key = 3;
		plan.key = MM_DEVICE_RSA_2048;
		make(&plan, &units[1].unit, &image);
		make(&plan, &units[1].unit, &other);
		/* No IV is used twice. */
		assert_memory_not_equal(
		    iv_of(&plan, &image), iv_of(&plan, &other), MM_DS_IV);
		ds.iv = iv_of(&plan, &image);
		make_of_files(&plan, "device-rsa2048", &ds, &wanted);
		assert_same(&image, mm_span(wanted.data, wanted.size));
	}
}

/* What flash encryption works on: whole blocks, which all layouts are. */
static void
encrypted_it_is_the_same_for_its_place(void **state)
{
	static const enum mm_secure_cert_layout layouts[] = {
	    MM_LAYOUT_TLV, MM_LAYOUT_TLV8K, MM_LAYOUT_CUST_FLASH};

	(void)state;
	for (size_t i = 0; i < 2 * MM_COUNT(layouts); i++) {
		struct mm_image_plan plan =
		    cert_plan(layouts[i / 2], i % 2 == 1);
		mm_auto(flash_secret) plain = {0}, image = {0};

		make(&plan, &units[0].unit, &plain);
		assert_int_equal(plain.size % MM_FLASH_BLOCK, 0);
		plan.encrypted = true;
		make(&plan, &units[0].unit, &image);
		assert_memory_not_equal(image.data, plain.data, plain.size);
		decrypt(&plan, &image);
		assert_same(&image, mm_span(plain.data, plain.size));
	}
}

static void
a_partition_of_certificates_can_be_too_small(void **state)
{
	struct mm_image_plan plan = cert_plan(MM_LAYOUT_TLV, false);
	mm_auto(flash_secret) plain = {0};

	(void)state;
	make(&plan, &units[0].unit, &plain);
	for (size_t less = 0; less < 3; less++) {
		mm_auto(flash_secret) image = {0};

		plan.size = plain.size + 1 - less;
		if (less < 2)
			make(&plan, &units[0].unit, &image);
		else
			assert_refused(&plan, &units[0].unit, MM_E_RANGE,
			    "image esp_secure_cert: it has 0x");
	}
}

static void
ds_that_cannot_be_is_refused_with_the_template(void **state)
{
	static const struct {
		const char *chip;
		int key;
		enum mm_secure_cert_layout layout;
		uint8_t efuse_key;
		bool ds;
		enum mm_error error;
		const char *why;
	} cases[] = {
	    {"esp32c3", MM_DEVICE_P256, MM_LAYOUT_TLV, 0, true, MM_E_KEY_TYPE,
		"wants an RSA key, and this one is P-256"},
	    {"esp32", MM_DEVICE_RSA_2048, MM_LAYOUT_TLV, 0, true, MM_E_KEY_TYPE,
		"the esp32 has no Digital Signature"},
	    {"esp32c61", MM_DEVICE_RSA_2048, MM_LAYOUT_TLV, 0, true,
		MM_E_KEY_TYPE, "the esp32c61 has no Digital Signature"},
	    {"esp32c3", MM_DEVICE_RSA_3072, MM_LAYOUT_TLV, 5, true, MM_OK,
		NULL},
	    {"esp32c3", MM_DEVICE_RSA_4096, MM_LAYOUT_TLV, 0, true,
		MM_E_KEY_TYPE, "4096 bits"},
	    {"esp32s3", MM_DEVICE_RSA_4096, MM_LAYOUT_TLV8K, 0, true, MM_OK,
		NULL},
	    {"esp32c5", MM_DEVICE_RSA_4096, MM_LAYOUT_CUST_FLASH_DS, 0, true,
		MM_E_KEY_TYPE, "4096 bits"},
	    {"esp32c3", MM_DEVICE_RSA_2048, MM_LAYOUT_TLV, 6, true, MM_E_RANGE,
		"BLOCK_KEY5"},
	    {"esp32c3", MM_IMAGE_KEY_ELSEWHERE, MM_LAYOUT_TLV, 0, true,
		MM_E_KEY_TYPE, "the device makes its key itself"},
	    {"esp32c3", MM_DEVICE_RSA_2048, MM_LAYOUT_CUST_FLASH, 0, true,
		MM_E_FORMAT, "cust_flash holds a key in clear"},
	    {"esp32c3", MM_DEVICE_RSA_2048, MM_LAYOUT_CUST_FLASH_DS, 0, false,
		MM_E_FORMAT, "cust_flash holds a key in clear"},
	    {"esp32c3", MM_IMAGE_KEY_ELSEWHERE, MM_LAYOUT_CUST_FLASH, 0, false,
		MM_E_FORMAT, "the device makes its key itself"},
	    {"esp32c3", MM_DEVICE_P256, (enum mm_secure_cert_layout)0, 0, false,
		MM_E_FORMAT, "no such layout"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_image_plan plan = cert_plan(cases[i].layout, false);
		struct mm_unit_image *image = NULL;
		enum mm_error error;

		plan.chip = chip(cases[i].chip);
		plan.key = cases[i].key;
		plan.ds = cases[i].ds;
		plan.efuse_key = cases[i].efuse_key;
		error = mm_unit_image_new(&plan, NULL, &image);
		if (error != cases[i].error ||
		    (cases[i].why != NULL &&
			strstr(mm_why(error), cases[i].why) == NULL))
			fail_msg("case %zu: %s (%s)", i, mm_error_name(error),
			    error != MM_OK ? mm_why(error) : "");
		mm_unit_image_free(image);
	}
}

/* A certificate of a CA that says a lot. */
static void
make_large(int length, struct mm_buffer *out)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	ASN1_IA5STRING *comment = ASN1_IA5STRING_new();
	char *text = calloc(1, (size_t)length);
	uint8_t *der = NULL;
	int size;

	assert_non_null(text);
	memset(text, 'x', (size_t)length);
	assert_int_equal(ASN1_STRING_set(comment, text, length), 1);
	assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 9));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_int_equal(X509_add1_ext_i2d(certificate, NID_netscape_comment,
			     comment, 0, X509V3_ADD_DEFAULT),
	    1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	size = i2d_X509(certificate, &der);
	mm_buffer_init(out, TEXT_MAX);
	mm_buffer_add(out, der, (size_t)size);
	ok(out->error);
	OPENSSL_free(der);
	free(text);
	ASN1_IA5STRING_free(comment);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void
ca_too_large(
    const struct mm_image_plan *usual, const struct mm_image_unit *unit)
{
	static const struct {
		enum mm_secure_cert_layout layout;
		int fits, does_not;
		const char *why;
	} cases[] = {
	    {MM_LAYOUT_TLV, 3000, 6000, "does not fit"},
	    {MM_LAYOUT_TLV8K, 3000, 6000, "does not fit"},
	    {MM_LAYOUT_CUST_FLASH, 3500, 4096, "and its area 4096"},
	};
	struct mm_image_plan plan = *usual;

	plan.ca = MM_IMAGE_CA_FILE;
	plan.ca_file.path = "large.der";
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) small = {0}, large = {0};
		mm_auto(flash_secret) image = {0};

		make_large(cases[i].fits, &small);
		make_large(cases[i].does_not, &large);
		plan.layout = cases[i].layout;
		plan.ca_file.bytes = mm_buffer_span(&small);
		make(&plan, unit, &image);
		plan.ca_file.bytes = mm_buffer_span(&large);
		assert_refused(&plan, unit, MM_E_FORMAT, cases[i].why);
	}
}

static void
what_does_not_fit_a_layout_is_told(void **state)
{
	struct mm_image_plan plan = cert_plan(MM_LAYOUT_CUST_FLASH, true);
	struct mm_image_unit unit = units[0].unit;
	mm_auto(buffer) large = {0};
	mm_auto(flash_secret) key = {0}, fits = {0};

	(void)state;
	/* It is the certificate of another key. */
	unit.key = &units[1].key;
	assert_refused(&plan, &unit, MM_E_FORMAT,
	    "image esp_secure_cert: the device's certificate: ");
	unit.key = NULL;
	assert_refused(&plan, &unit, MM_E_USAGE, "brings no private key");
	unit = units[0].unit;
	unit.certificate = mm_span(NULL, 0);
	assert_refused(&plan, &unit, MM_E_USAGE, "has no certificate");
	unit = units[0].unit;
	unit.root = mm_span(NULL, 0);
	assert_refused(&plan, &unit, MM_E_USAGE, "has no root");
	plan.ca = MM_IMAGE_CA_ISSUER;
	unit.chain = NULL;
	assert_refused(&plan, &unit, MM_E_USAGE, "no certificate of its iss");
	plan.ca = MM_IMAGE_CA_ROOT;
	read_file(KEYS "device-rsa4096.crt.der", &large);
	ok(mm_flash_secret_read(KEYS "device-rsa4096.key.der", &key));
	unit = units[0].unit;
	unit.certificate = mm_buffer_span(&large);
	unit.key = &key;
	plan.key = MM_DEVICE_RSA_4096;
	plan.pem = false;
	make(&plan, &unit, &fits);
	/* A CA's certificate that no layout has room for. */
	ca_too_large(&plan, &unit);
}

static void
a_device_that_has_its_key_gets_certificates_alone(void **state)
{
	struct mm_image_plan plan = cert_plan(MM_LAYOUT_TLV, false);
	struct mm_unit_image_facts facts;
	struct mm_image_unit unit = units[0].unit;
	struct mm_unit_image *image;
	mm_auto(flash_secret) out = {0};

	(void)state;
	unit.key = NULL;
	plan.key = MM_IMAGE_KEY_ELSEWHERE;
	ok(mm_unit_image_new(&plan, NULL, &image));
	mm_unit_image_facts(image, &facts);
	assert_false(facts.key);
	assert_false(facts.clear);
	ok(mm_unit_image_check(image, &values));
	ok(mm_unit_image_make(image, &unit, &out));
	assert_true(out.size > units[0].certificate.size);
	mm_unit_image_free(image);
}

/* --- what is told of an image --- */

static void
facts_tell_where_the_key_is_and_what_hides_it(void **state)
{
	static const char without[] = HEADER "a,namespace,,\nk,data,u8,1\n";
	struct mm_image_plan plain = nvs_plan(without),
			     clear = nvs_plan(template), made = clear,
			     hmac = clear, given = clear, keys = keys_plan(),
			     cert = cert_plan(MM_LAYOUT_TLV, false), ds = cert,
			     covered = cert;
	const struct {
		const struct mm_image_plan *plan;
		struct mm_unit_image_facts facts;
	} cases[] = {
	    {&plain, {.key = false}},
	    {&clear, {.key = true,
			 .clear = true,
			 .certificate = true,
			 .root = true}},
	    {&made, {.key = true,
			.nvs_key = true,
			.certificate = true,
			.root = true}},
	    {&hmac, {.key = true,
			.hmac_key = true,
			.certificate = true,
			.root = true}},
	    {&given, {.key = true, .certificate = true, .root = true}},
	    {&keys, {.nvs_key = true, .flash_key = true}},
	    {&cert, {.key = true,
			.clear = true,
			.certificate = true,
			.root = true}},
	    {&ds, {.key = true,
		      .ds_key = true,
		      .certificate = true,
		      .root = true}},
	    {&covered, {.key = true,
			   .flash_key = true,
			   .certificate = true,
			   .root = true}},
	};

	(void)state;
	made.keys = MM_IMAGE_KEYS_MADE;
	hmac.keys = MM_IMAGE_KEYS_HMAC;
	given.keys = MM_IMAGE_KEYS_GIVEN;
	given.nvs_key = mm_span(nvs_key, MM_NVS_KEY);
	keys.encrypted = covered.encrypted = true;
	ds.ds = true;
	ds.key = MM_DEVICE_RSA_2048;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_unit_image_facts facts;
		struct mm_unit_image *image;

		ok(mm_unit_image_new(cases[i].plan, NULL, &image));
		mm_unit_image_facts(image, &facts);
		if (memcmp(&facts, &cases[i].facts, sizeof(facts)) != 0)
			fail_msg("case %zu", i);
		mm_unit_image_free(image);
	}
}

static void
a_digest_takes_in_the_files(void **state)
{
	struct mm_image_plan plan = nvs_plan(template);
	crypto_hash_sha256_state digest;
	uint8_t made[32], wanted[32];
	struct mm_unit_image *image;

	(void)state;
	crypto_hash_sha256_init(&digest);
	ok(mm_unit_image_new(&plan, &digest, &image));
	mm_unit_image_free(image);
	crypto_hash_sha256_final(&digest, made);
	crypto_hash_sha256(wanted, ca.data, ca.size);
	assert_memory_equal(made, wanted, sizeof(wanted));
}

static void
files_lie_beside_the_template(void **state)
{
	struct mm_image_plan plan =
	    nvs_plan(HEADER "a,namespace,,\n"
			    "k,file,binary,TEST-ONLY-ca-p256.crt.der\n"
			    "l,file,binary,TEST-ONLY-{file}\n");
	mm_auto(flash_secret) image = {0};

	(void)state;
	plan.rows.beside = "tests/vectors/esp/keys";
	make(&plan, &units[0].unit, &image);
	plan.rows.beside = NULL;
	assert_refused(&plan, &units[0].unit, MM_E_FILE,
	    "creds.csv line 3: cannot read TEST-ONLY-ca-p256.crt.der");
}

#ifndef __SANITIZE_ADDRESS__
static void
nothing_of_the_key_stays_outside_of_locked_memory(void **state)
{
	struct mm_image_plan plans[] = {nvs_plan(template),
	    cert_plan(MM_LAYOUT_TLV, true), nvs_plan(template)};
	struct needles needles = {.count = 0};

	(void)state;
	plans[2].keys = MM_IMAGE_KEYS_HMAC;
	/* The scalar's place in PKCS#8. */
	needles_add(&needles, mm_span(units[0].key.data + 36, 32));
	for (size_t i = 0; i < MM_COUNT(plans); i++) {
		mm_auto(flash_secret) image = {0};

		make(&plans[i], &units[0].unit, &image);
		assert_int_equal(search_heap(&needles), 0);
	}
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(nothing_of_the_key_stays_outside_of_locked_memory),
#endif
	    cmocka_unit_test(nvs_is_what_the_csv_makes_with_the_values_put_in),
	    cmocka_unit_test(units_leave_nothing_to_each_other),
	    cmocka_unit_test(encrypted_ones_decrypt),
	    cmocka_unit_test(chains_are_pem_one_after_the_other),
	    cmocka_unit_test(rows_that_fit_no_unit_are_refused_once),
	    cmocka_unit_test(
		values_that_do_not_fit_are_refused_before_and_when_made),
	    cmocka_unit_test(a_string_has_its_limit),
	    cmocka_unit_test(a_partition_of_nvs_has_whole_pages),
	    cmocka_unit_test(a_partition_of_nvs_can_be_too_small),
	    cmocka_unit_test(so_many_names_and_no_more),
	    cmocka_unit_test(a_unit_that_lacks_something_is_refused),
	    cmocka_unit_test(a_key_partition_holds_the_key_of_the_image),
	    cmocka_unit_test(what_flash_encryption_cannot_be_is_refused),
	    cmocka_unit_test(secure_cert_is_what_the_files_make),
	    cmocka_unit_test(the_ca_may_be_a_file),
	    cmocka_unit_test(
		with_ds_it_is_what_the_files_make_with_the_same_iv),
	    cmocka_unit_test(encrypted_it_is_the_same_for_its_place),
	    cmocka_unit_test(a_partition_of_certificates_can_be_too_small),
	    cmocka_unit_test(ds_that_cannot_be_is_refused_with_the_template),
	    cmocka_unit_test(what_does_not_fit_a_layout_is_told),
	    cmocka_unit_test(a_device_that_has_its_key_gets_certificates_alone),
	    cmocka_unit_test(facts_tell_where_the_key_is_and_what_hides_it),
	    cmocka_unit_test(a_digest_takes_in_the_files),
	    cmocka_unit_test(files_lie_beside_the_template),
	};

	return sodium_init() < 0 ||
	       cmocka_run_group_tests(tests, make_units, clear_units);
}
