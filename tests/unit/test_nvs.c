/* NVS images: the vendor's, byte for byte; where entries go at a page's end;
 * every limit from both sides; every kind of bad CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "tests/unit/esp_vectors.h"
#include "tests/unit/nvs_room.h"

enum { SIZE = 0x6000 };

/* --- the vectors --- */

static enum mm_error
make_vector(const char *directory, const struct vector_row *row,
    struct mm_nvs **nvs, struct mm_span *image)
{
	mm_auto(buffer) csv = {0}, keys = {0};
	char beside[128];
	uint8_t key[MM_NVS_KEY];
	bool encrypted = strcmp(row->column[5], "-") != 0;
	struct mm_nvs_source source = {
	    .name = row->column[4], .beside = beside};
	size_t size;
	enum mm_error error;

	snprintf(beside, sizeof(beside), "tests/vectors/esp/%s", directory);
	assert_int_equal(mm_nvs_size_read(row->column[2], &size), MM_OK);
	*nvs = nvs_new(size, row->column[3][0] == '1' ? 1 : 2);
	source.text = vector_file(directory, row->column[4], &csv);
	if (encrypted)
		assert_int_equal(
		    mm_nvs_keys_decode(
			vector_file(directory, row->column[5], &keys), key),
		    MM_OK);
	error = mm_nvs_csv(*nvs, &source);
	return error == MM_OK
		   ? mm_nvs_finish(*nvs, encrypted ? key : NULL, image)
		   : error;
}

static void
walk(const char *directory, size_t rows)
{
	struct vector_index index;
	struct vector_row row;

	vector_open(&index, directory, "cases.tsv");
	while (vector_next(&index, &row)) {
		mm_auto(buffer) wanted = {0};
		struct mm_nvs *nvs;
		struct mm_span image;
		enum mm_error error =
		    make_vector(directory, &row, &nvs, &image);

		if (strcmp(row.column[1], "exact") == 0) {
			if (error != MM_OK)
				fail_msg(
				    "%s: %s", row.column[0], mm_why(error));
			if (!mm_span_equal(image,
				vector_file(directory, row.column[6], &wanted)))
				fail_msg("%s: other bytes", row.column[0]);
		} else if (error == MM_OK) {
			fail_msg("%s: was taken", row.column[0]);
		}
		mm_nvs_free(nvs);
	}
	assert_int_equal(index.rows, rows);
}

static void
makes_the_vendors_images(void **state)
{
	(void)state;
	walk("nvs", 15);
}

static void
makes_the_vendors_encrypted_images(void **state)
{
	(void)state;
	walk("nvs_encrypted", 5);
}

static void
makes_the_vendors_key_partitions(void **state)
{
	mm_auto(buffer) in = {0}, wanted = {0};
	uint8_t key[MM_NVS_KEY], made[MM_NVS_PAGE];
	struct mm_span raw;

	(void)state;
	raw = vector_file("nvs_encrypted", "TEST-ONLY-nvs_key_raw64.bin", &in);
	mm_nvs_keys_encode(raw.data, made);
	assert_true(mm_span_equal(mm_span(made, sizeof(made)),
	    vector_file("nvs_encrypted", "TEST-ONLY-nvs_keys.bin", &wanted)));
	raw = vector_file("nvs_encrypted", "TEST-ONLY-hmac_key.bin", &in);
	assert_int_equal(raw.size, MM_NVS_HMAC_KEY);
	assert_int_equal(mm_nvs_key_derive(raw.data, key), MM_OK);
	mm_nvs_keys_encode(key, made);
	assert_true(mm_span_equal(mm_span(made, sizeof(made)),
	    vector_file(
		"nvs_encrypted", "TEST-ONLY-nvs_keys_hmac.bin", &wanted)));
}

/* --- where entries go --- */

enum kind { NUMBER, STRING, BLOB, EMPTY_BLOB, BLOB_V1 };

static void
add_kind(struct mm_nvs *nvs, enum kind kind)
{
	struct mm_span key = mm_span_text("it");
	struct mm_span ten = mm_span_text("0123456789");

	switch (kind) {
	case NUMBER:
		assert_int_equal(mm_nvs_number(nvs, key, MM_NVS_U32, 7), MM_OK);
		break;
	case STRING:
		assert_int_equal(mm_nvs_string(nvs, key, ten), MM_OK);
		break;
	case EMPTY_BLOB:
		ten.size = 0;
		/* fallthrough */
	case BLOB:
	case BLOB_V1:
		assert_int_equal(mm_nvs_blob(nvs, key, ten), MM_OK);
		break;
	}
}

static const uint8_t *
entry_of(struct mm_span image, size_t page, size_t entry)
{
	return image.data + page * MM_NVS_PAGE + MM_NVS_FIRST +
	       entry * MM_NVS_ENTRY;
}

/* A place is 1000 times the page plus the entry; SIZE_MAX: none. */
#define NONE SIZE_MAX
static const struct {
	enum kind kind;
	size_t used, first, second, index, last; /* last: entries at the end */
} places[] = {
    {NUMBER, 124, 124, NONE, NONE, 125},
    {NUMBER, 125, 125, NONE, NONE, 126},
    {NUMBER, 126, 1000, NONE, NONE, 1},
    {STRING, 123, 123, NONE, NONE, 125},
    {STRING, 124, 1000, NONE, NONE, 2},
    {STRING, 125, 1000, NONE, NONE, 2},
    {STRING, 126, 1000, NONE, NONE, 2},
    {BLOB_V1, 123, 123, NONE, NONE, 125},
    {BLOB_V1, 124, 1000, NONE, NONE, 2},
    {BLOB_V1, 126, 1000, NONE, NONE, 2},
    {BLOB, 122, 122, NONE, 124, 125},
    {BLOB, 123, 123, NONE, 125, 126},
    {BLOB, 124, 124, NONE, 1000, 1},
    {BLOB, 125, 125, 1000, 1002, 3},
    {BLOB, 126, 1000, NONE, 1002, 3},
    {EMPTY_BLOB, 124, 124, NONE, 125, 126},
    {EMPTY_BLOB, 125, 125, NONE, 1000, 1},
    {EMPTY_BLOB, 126, 1000, NONE, 1001, 2},
};

static void
check_place(struct mm_span image, size_t place, unsigned type, unsigned chunk)
{
	const uint8_t *entry;

	if (place == NONE)
		return;
	entry = entry_of(image, place / 1000, place % 1000);
	assert_int_equal(entry[1], type);
	assert_int_equal(entry[3], chunk);
	assert_string_equal((const char *)entry + 8, "it");
}

static void
places_as_the_vendor_does(void **state)
{
	static const unsigned types[] = {MM_NVS_U32, MM_NVS_STRING,
	    MM_NVS_BLOB_DATA, MM_NVS_BLOB_DATA, MM_NVS_BLOB};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(places); i++) {
		enum kind kind = places[i].kind;
		bool chunks = kind == BLOB || kind == EMPTY_BLOB;
		struct mm_nvs *nvs = nvs_new(SIZE, kind == BLOB_V1 ? 1 : 2);
		struct mm_nvs_use use;
		struct mm_span image;

		nvs_fill(nvs, places[i].used);
		add_kind(nvs, kind);
		mm_nvs_used(nvs, &use);
		assert_int_equal(use.entries, places[i].last);
		assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
		check_place(
		    image, places[i].first, types[kind], chunks ? 0 : 0xff);
		check_place(image, places[i].second, types[kind], 1);
		check_place(image, places[i].index, MM_NVS_BLOB_INDEX, 0xff);
		mm_nvs_free(nvs);
	}
}

/* --- limits --- */

static enum mm_error
add_sized(size_t size, unsigned version, bool string, size_t before)
{
	static uint8_t bytes[MM_NVS_BLOB_MAX + 1];
	struct mm_nvs *nvs = nvs_new(0x90000, version);
	struct mm_span key = mm_span_text("it"), value = mm_span(bytes, size);
	struct mm_span image;
	enum mm_error error;

	memset(bytes, 'x', sizeof(bytes));
	nvs_fill(nvs, before);
	error = string ? mm_nvs_string(nvs, key, value)
		       : mm_nvs_blob(nvs, key, value);
	/* The error stays. */
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), error);
	mm_nvs_reset(nvs);
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	mm_nvs_free(nvs);
	return error;
}

static void
holds_values_to_their_limits(void **state)
{
	static const struct {
		size_t max;
		unsigned version;
		bool string;
	} limits[] = {
	    {MM_NVS_STRING_MAX - 1, 2, true},
	    {MM_NVS_V1_MAX - 1, 1, true},
	    {MM_NVS_V1_MAX, 1, false},
	    {MM_NVS_BLOB_MAX, 2, false},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(limits); i++)
		for (size_t more = 0; more < 3; more++)
			assert_int_equal(
			    add_sized(limits[i].max - 1 + more,
				limits[i].version, limits[i].string, 1),
			    more < 2 ? MM_OK : MM_E_RANGE);
	/* Behind an empty first chunk it needs 128. */
	assert_int_equal(add_sized(MM_NVS_BLOB_MAX, 2, false, 125), MM_OK);
}

static void
holds_names_to_their_limits(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2);
	char name[32];

	(void)state;
	for (size_t i = 0; i < MM_NVS_NAMESPACES; i++) {
		snprintf(name, sizeof(name), "ns%zu", i);
		assert_int_equal(
		    mm_nvs_namespace(nvs, mm_span_text(name)), MM_OK);
	}
	assert_int_equal(
	    mm_nvs_namespace(nvs, mm_span_text("more")), MM_E_RANGE);
	mm_nvs_reset(nvs);
	assert_int_equal(nvs_rows(nvs, "fourteen_chars,namespace,,\n"
				       "fifteen_chars_x,namespace,,\n"
				       "fifteen_chars_k,data,u8,1\n"),
	    MM_OK);
	assert_int_equal(
	    nvs_rows(nvs, "sixteen_chars_xx,data,u8,1\n"), MM_E_RANGE);
	mm_nvs_reset(nvs);
	assert_int_equal(
	    nvs_rows(nvs, "sixteen_chars_xx,namespace,,\n"), MM_E_RANGE);
	mm_nvs_free(nvs);
}

static void
fills_a_partition_to_its_last_entry(void **state)
{
	/* One page of two; two of three, where the last stays empty. */
	static const struct {
		size_t size, entries, file;
	} sizes[] = {{0x1000, 126, 0x1000}, {0x2000, 252, 0x2000},
	    {0x3000, 252, 0x3000}, {0x4000, 378, 0x4000}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		struct mm_nvs *nvs = nvs_new(sizes[i].size, 2);
		struct mm_span image;

		nvs_fill(nvs, sizes[i].entries);
		assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
		assert_int_equal(image.size, sizes[i].file);
		assert_int_equal(
		    mm_nvs_number(nvs, mm_span_text("more"), MM_NVS_U8, 1),
		    MM_E_RANGE);
		mm_nvs_reset(nvs);
		nvs_fill(nvs, 2);
		assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
		assert_int_equal(image.size, i < 2 ? 0x1000 : sizes[i].file);
		mm_nvs_free(nvs);
	}
}

static void
reads_sizes(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {{"", "no number"}, {"0x", "no number"},
	    {"-4096", "no number"}, {"4MB", "no number"}, {"M", "no number"},
	    {"0", "from 4K to 32M"}, {"33M", "from 4K to 32M"},
	    {"0x2002000", "from 4K to 32M"}, {"33554433", "from 4K to 32M"},
	    {"4095", "no multiple of 4K"}, {"0x1001", "no multiple of 4K"},
	    {"5K", "no multiple of 4K"}};
	size_t size;
	struct mm_nvs *nvs;

	(void)state;
	assert_int_equal(mm_nvs_size_read("0x6000", &size), MM_OK);
	assert_int_equal(size, 0x6000);
	assert_int_equal(mm_nvs_size_read("24576", &size), MM_OK);
	assert_int_equal(mm_nvs_size_read("24K", &size), MM_OK);
	assert_int_equal(size, 0x6000);
	assert_int_equal(mm_nvs_size_read("4m", &size), MM_OK);
	assert_int_equal(size, 4 << 20);
	assert_int_equal(mm_nvs_size_read("32M", &size), MM_OK);
	assert_int_equal(size, MM_NVS_SIZE_MAX);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		assert_int_equal(
		    mm_nvs_size_read(bad[i].text, &size), MM_E_RANGE);
		assert_non_null(strstr(mm_why(MM_E_RANGE), bad[i].why));
	}
	assert_int_equal(mm_nvs_new(0x1001, 2, &nvs), MM_E_RANGE);
	assert_int_equal(mm_nvs_new(0, 2, &nvs), MM_E_RANGE);
	assert_int_equal(mm_nvs_new(0x1000, 3, &nvs), MM_E_RANGE);
	assert_int_equal(mm_nvs_new(0x1000, 0, &nvs), MM_E_RANGE);
}

/* --- CSV --- */

static void
refuses_bad_rows(void **state)
{
	static const struct {
		const char *rows, *why;
	} bad[] = {
	    {"k,data,u8,1\n", "line 2: the key \"k\" stands before"},
	    {"n,namespace,,\nk,data,u8,1\nk,data,u16,1\n",
		"line 4: the key \"k\" is in this namespace already"},
	    {"n,namespace,,\nm,namespace,,\nn,namespace,,\n",
		"line 4: the namespace \"n\" is there already"},
	    {"n,namespace,,\n\n# x\nk,data,u8,256\n", "line 5: the value"},
	    {"n,namespace,,\nk,data,u8,-1\n", "line 3"},
	    {"n,namespace,,\nk,data,i8,128\n", "i8 can hold"},
	    {"n,namespace,,\nk,data,i8,-129\n", "i8 can hold"},
	    {"n,namespace,,\nk,data,u16,65536\n", "u16 can hold"},
	    {"n,namespace,,\nk,data,i32,2147483648\n", "i32 can hold"},
	    {"n,namespace,,\nk,data,u64,18446744073709551616\n", "u64"},
	    {"n,namespace,,\nk,data,i64,9223372036854775808\n", "i64"},
	    {"n,namespace,,\nk,data,i64,-9223372036854775809\n", "i64"},
	    {"n,namespace,,\nk,data,u8,\n", "decimal"},
	    {"n,namespace,,\nk,data,u8,0x10\n", "decimal"},
	    {"n,namespace,,\nk,data,u8,1 2\n", "decimal"},
	    {"n,namespace,,\nk,data,u8\n", "ends before its value"},
	    {"n,namespace,,\nk,data,string,a,b\n", "5 cells, and 4"},
	    {"n,namespace,,\nk,text,string,a\n", "the type \"text\""},
	    {"n,namespace,,\nk,data,float,1\n", "the encoding \"float\""},
	    {"n,namespace,,\n,data,u8,1\n", "the key \"\""},
	    {"n,namespace,,\nk ,data,u8,1\n", "no blank before or behind"},
	    {"n,namespace,,\n\xc3\xa4,data,u8,1\n", "printable ASCII"},
	    {",namespace,,x\n", "the namespace \"\""},
	    {"n,namespace,,\nk,data,hex2bin,123\n", "hex digits"},
	    {"n,namespace,,\nk,data,hex2bin,12 4\n", "hex digits"},
	    {"n,namespace,,\nk,data,hex2bin,zz\n", "hex digits"},
	    {"n,namespace,,\nk,data,base64,AQI\n", "not base64"},
	    {"n,namespace,,\nk,data,base64,A?==\n", "not base64"},
	    {"n,namespace,,\nk,data,blob_fill(2;0xff),abc\n", "room for 2"},
	    {"n,namespace,,\nk,data,blob_sz_fill(2;0xff),abc\n", "room for 2"},
	    {"n,namespace,,\nk,data,blob_fill(2;0xf),a\n", "the encoding"},
	    {"n,namespace,,\nk,data,blob_fill(;0xff),a\n", "the encoding"},
	    {"n,namespace,,\nk,data,blob_fill(2;0xff)x,a\n", "the encoding"},
	    {"n,namespace,,\nk,data,blob_fill(508001;0xff),a\n",
		"the encoding"},
	    {"n,namespace,,\nk,data,string,\"a\n", "does not close"},
	    {"n,namespace,,\nk,data,string,\"a\"b\n", "follows a closing"},
	    {"n,namespace,,\nk,data,string,\"a\n#b\"\n", "begins with #"},
	    {"n,namespace,,\nk,data,string,\"a\r\n#b\"\n", "begins with #"},
	    {"n,namespace,,\nk,data,string,\"\r#\"\n", "begins with #"},
	    {"n,namespace,,\nk,data,string,\xff\n", "not UTF-8"},
	    {"n,namespace,,\nk,data,string,\xed\xa0\x80\n", "not UTF-8"},
	    {"n,namespace,,\nk,file,binary,there/is/none\n",
		"line 3: cannot read there/is/none"},
	    {"n,namespace,,\nk,file,binary,tests\n", "not a regular file"},
	    {"n,namespace,,\nk,file,binary,\n", "needs a path"},
	};
	struct mm_nvs *nvs = nvs_new(SIZE, 2);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		struct mm_span image;
		enum mm_error error;

		mm_nvs_reset(nvs);
		error = nvs_rows(nvs, bad[i].rows);
		if (error == MM_OK)
			fail_msg("taken: %s", bad[i].rows);
		if (strstr(mm_why(error), bad[i].why) == NULL ||
		    strncmp(mm_why(error), "in.csv line ", 12) != 0)
			fail_msg("%s: %s", bad[i].rows, mm_why(error));
		assert_int_not_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	}
	mm_nvs_free(nvs);
}

static void
refuses_bad_headers(void **state)
{
	static const char *const bad[] = {"", "\n", "key,type,encoding\n",
	    "n,namespace,,\n", "key,key,type,encoding,value\n",
	    "#key,type,encoding,value\n"};
	struct mm_nvs *nvs = nvs_new(SIZE, 2);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		struct mm_nvs_source source = {
		    .name = "in.csv", .text = mm_span_text(bad[i])};

		mm_nvs_reset(nvs);
		assert_int_equal(mm_nvs_csv(nvs, &source), MM_E_FORMAT);
	}
	mm_nvs_free(nvs);
}

/* Texts that mean the same make the same image. */
static void
takes_csv_as_factories_write_it(void **state)
{
	static const char plain[] =
	    NVS_HEADER "n,namespace,,\nk,data,string,\"a,\"\"b\"\"\nc\"\n"
		       "m,data,u8,7\n";
	static const char *const same[] = {
	    "\xef\xbb\xbf" NVS_HEADER
	    "n,namespace,,\nk,data,string,\"a,\"\"b\"\"\nc\"\nm,data,u8,7",
	    "key,type,encoding,value\r\nn,namespace,,\r\n"
	    "k,data,string,\"a,\"\"b\"\"\r\nc\"\r\nm,data,u8,7\r\n",
	    "key,type,encoding,value\rn,namespace,,\r"
	    "k,data,string,\"a,\"\"b\"\"\rc\"\rm,data,u8,7\r",
	    "# first\nvalue,note,encoding,key,type\n,,,n,namespace\n\n"
	    "\"a,\"\"b\"\"\nc\",why,string,k,data\n#,\n,,,,\n  \n"
	    " +07 ,,u8,m,data\n",
	    NVS_HEADER "\"n\",\"namespace\"\n"
		       "k, data ,string,\"a,\"\"b\"\"\nc\"\n"
		       "m,data,u8,7, ,\n",
	};
	struct mm_nvs *nvs = nvs_new(SIZE, 2), *other = nvs_new(SIZE, 2);
	struct mm_nvs_source source = {
	    .name = "in.csv", .text = mm_span_text(plain)};
	struct mm_span image, made;

	(void)state;
	assert_int_equal(mm_nvs_csv(nvs, &source), MM_OK);
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	for (size_t i = 0; i < MM_COUNT(same); i++) {
		enum mm_error error;

		mm_nvs_reset(other);
		source.text = mm_span_text(same[i]);
		error = mm_nvs_csv(other, &source);
		if (error != MM_OK)
			fail_msg("%zu: %s", i, mm_why(error));
		assert_int_equal(mm_nvs_finish(other, NULL, &made), MM_OK);
		assert_true(mm_span_equal(image, made));
	}
	mm_nvs_free(nvs);
	mm_nvs_free(other);
}

static void
goes_on_from_one_csv_to_the_next(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2), *one = nvs_new(SIZE, 2);
	struct mm_span image, whole;

	(void)state;
	assert_int_equal(nvs_rows(nvs, "a,namespace,,\nk,data,u8,1\n"), MM_OK);
	assert_int_equal(
	    nvs_rows(nvs, "l,data,u8,2\nb,namespace,,\nk,data,u8,3\n"), MM_OK);
	assert_int_equal(nvs_rows(one, "a,namespace,,\nk,data,u8,1\n"
				       "l,data,u8,2\nb,namespace,,\n"
				       "k,data,u8,3\n"),
	    MM_OK);
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	assert_int_equal(mm_nvs_finish(one, NULL, &whole), MM_OK);
	assert_true(mm_span_equal(image, whole));
	mm_nvs_free(nvs);
	mm_nvs_free(one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(makes_the_vendors_images),
	    cmocka_unit_test(makes_the_vendors_encrypted_images),
	    cmocka_unit_test(makes_the_vendors_key_partitions),
	    cmocka_unit_test(places_as_the_vendor_does),
	    cmocka_unit_test(holds_values_to_their_limits),
	    cmocka_unit_test(holds_names_to_their_limits),
	    cmocka_unit_test(fills_a_partition_to_its_last_entry),
	    cmocka_unit_test(reads_sizes),
	    cmocka_unit_test(refuses_bad_rows),
	    cmocka_unit_test(refuses_bad_headers),
	    cmocka_unit_test(takes_csv_as_factories_write_it),
	    cmocka_unit_test(goes_on_from_one_csv_to_the_next),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
