/* NVS images read back: every vector and every kind of value, encrypted or
 * not; damage of each kind is told, and the rest still read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "signer/crc.h"
#include "signer/numbers.h"
#include "tests/unit/esp_vectors.h"
#include "tests/unit/nvs_room.h"

enum { SIZE = 0x6000 };

static void
read_vectors(const char *directory)
{
	struct vector_index index;
	struct vector_row row;

	vector_open(&index, directory, "cases.tsv");
	while (vector_next(&index, &row)) {
		mm_auto(buffer) file = {0}, keys = {0};
		nvs_auto read = {0};
		uint8_t key[MM_NVS_KEY];
		bool encrypted = strcmp(row.column[5], "-") != 0;
		struct mm_nvs *nvs;
		struct mm_span image, again;
		size_t size;

		if (strcmp(row.column[6], "-") == 0)
			continue;
		image = vector_file(directory, row.column[6], &file);
		if (encrypted)
			assert_int_equal(
			    mm_nvs_keys_decode(
				vector_file(directory, row.column[5], &keys),
				key),
			    MM_OK);
		assert_int_equal(
		    nvs_read(image, encrypted ? key : NULL, &read), MM_OK);
		assert_int_equal(read.contents.damage.count, 0);
		assert_int_equal(mm_nvs_size_read(row.column[2], &size), MM_OK);
		nvs = nvs_new(size, row.column[3][0] == '1' ? 1 : 2);
		nvs_again(&read, nvs);
		assert_int_equal(
		    mm_nvs_finish(nvs, encrypted ? key : NULL, &again), MM_OK);
		assert_true(mm_span_equal(image, again));
		mm_nvs_free(nvs);
	}
}

static void
reads_the_vendors_images(void **state)
{
	(void)state;
	read_vectors("nvs");
	read_vectors("nvs_encrypted");
}

static const char all_kinds[] =
    "one,namespace,,\n"
    "u8,data,u8,255\ni8,data,i8,-128\nu16,data,u16,65535\n"
    "i16,data,i16,-32768\nu32,data,u32,4294967295\n"
    "i32,data,i32,-2147483648\nu64,data,u64,18446744073709551615\n"
    "i64,data,i64,-9223372036854775808\n"
    "two,namespace,,\n"
    "s,data,string,gr\xc3\xbc\xc3\x9f\nempty,data,string,\n"
    "b,data,hex2bin,00ff10\nnone,data,binary,\n"
    "c,data,base64,AQIDBA==\nf,data,blob_fill(4;0xAa),x\n"
    "z,data,blob_sz_fill(3;0x00),ab\n";

static void
reads_every_kind(void **state)
{
	static const struct {
		const char *key;
		uint64_t number;
	} numbers[] = {{"u8", 255}, {"i8", (uint64_t)-128}, {"u16", 65535},
	    {"i16", (uint64_t)-32768}, {"u32", UINT32_MAX},
	    {"i32", (uint64_t)INT32_MIN}, {"u64", UINT64_MAX},
	    {"i64", (uint64_t)INT64_MIN}};
	static const struct {
		const char *key, *bytes;
		size_t size;
	} values[] = {{"s", "gr\xc3\xbc\xc3\x9f", 6}, {"empty", "", 0},
	    {"b", "\0\xff\x10", 3}, {"none", "", 0}, {"c", "\1\2\3\4", 4},
	    {"f", "x\xaa\xaa\xaa", 4}, {"z", "\2\0\0\0ab\0", 7}};

	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		nvs_auto read = {0};
		struct mm_nvs *nvs = nvs_new(SIZE, version);
		struct mm_span image;

		assert_int_equal(nvs_rows(nvs, all_kinds), MM_OK);
		assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
		assert_int_equal(nvs_read(image, NULL, &read), MM_OK);
		assert_int_equal(read.contents.damage.count, 0);
		for (size_t i = 0; i < MM_COUNT(numbers); i++)
			assert_true(
			    nvs_find(&read, "one", numbers[i].key)->number ==
			    numbers[i].number);
		for (size_t i = 0; i < MM_COUNT(values); i++)
			assert_true(mm_span_equal(
			    nvs_find(&read, "two", values[i].key)->bytes,
			    mm_span(values[i].bytes, values[i].size)));
		mm_nvs_free(nvs);
	}
}

/* --- damage --- */

/* An image of a page: ns in entry 0, u8 in 1, a string in 2 and 3, a blob in 4
 * to 6. */
static uint8_t page[3 * MM_NVS_PAGE];

static uint8_t *
entry_at(size_t entry)
{
	return page + MM_NVS_FIRST + entry * MM_NVS_ENTRY;
}

static void
make_page(void)
{
	struct mm_nvs *nvs = nvs_new(sizeof(page), 2);
	struct mm_span image;

	assert_int_equal(
	    nvs_rows(nvs, "ns,namespace,,\nn,data,u8,1\ns,data,string,text\n"
			  "b,data,hex2bin,0102\n"),
	    MM_OK);
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	assert_int_equal(image.size, sizeof(page));
	memcpy(page, image.data, sizeof(page));
	mm_nvs_free(nvs);
}

/* After a change to an entry's head: its CRC is right again. */
static void
reseal(size_t entry)
{
	uint8_t *at = entry_at(entry), covered[28];

	memcpy(covered, at, 4);
	memcpy(covered + 4, at + 8, 24);
	mm_little_put(mm_crc_esp(mm_span(covered, 28)), 4, at + 4);
}

static void
reseal_page(void)
{
	mm_little_put(mm_crc_esp(mm_span(page + 4, 24)), 4, page + 28);
}

/* Two bits of the bitmap. */
static void
set_state(size_t entry, unsigned state)
{
	uint8_t *byte = page + 32 + entry / 4;

	*byte = (uint8_t)((*byte & ~(3U << 2 * (entry % 4))) |
			  state << 2 * (entry % 4));
}

static void
expect(size_t entry, const char *what)
{
	nvs_auto read = {0};

	assert_int_equal(
	    nvs_read(mm_span(page, sizeof(page)), NULL, &read), MM_OK);
	for (mm_list_each(
		 const struct mm_nvs_damage, one, read.contents.damage))
		if (one->entry == entry && strstr(one->what, what) != NULL) {
			make_page();
			return;
		}
	fail_msg("not told: %s", what);
}

static void
tells_damage_of_entries(void **state)
{
	(void)state;
	make_page();
	entry_at(1)[24] ^= 1;
	expect(1, "CRC of the entry");
	entry_at(3)[0] ^= 1;
	expect(2, "CRC of the data");
	entry_at(1)[1] = 0x77;
	reseal(1);
	expect(1, "type is unknown");
	entry_at(1)[2] = 0;
	reseal(1);
	expect(1, "span is wrong");
	entry_at(1)[2] = 126;
	reseal(1);
	expect(1, "span is wrong");
	entry_at(2)[2] = 3;
	reseal(2);
	expect(2, "size is not the span's");
	memset(entry_at(1) + 8, 'x', 16);
	reseal(1);
	expect(1, "key has no name, or no end");
	set_state(3, 3);
	expect(2, "data is missing");
	set_state(20, 1);
	expect(20, "state is unknown");
	entry_at(20)[5] = 0;
	expect(20, "empty entry has bytes");
	entry_at(0)[24] = 255;
	reseal(0);
	expect(0, "namespace has no index");
	entry_at(1)[0] = 2;
	reseal(1);
	expect(1, "no namespace has this index");
	memcpy(entry_at(7), entry_at(0), 32);
	set_state(7, 2);
	expect(7, "two namespaces have the same index");
	memcpy(entry_at(7), entry_at(1), 32);
	set_state(7, 2);
	expect(7, "the key is there twice");
}

static void
tells_damage_of_blobs(void **state)
{
	(void)state;
	make_page();
	entry_at(6)[28] = 2; /* chunks */
	reseal(6);
	expect(6, "a chunk of the blob is missing");
	entry_at(6)[24] = 3; /* bytes */
	reseal(6);
	expect(6, "size is not its chunks'");
	set_state(6, 0);
	expect(4, "a chunk belongs to no blob");
	memcpy(entry_at(7), entry_at(6), 32);
	set_state(7, 2);
	expect(7, "another blob has the same chunk");
}

static void
tells_damage_of_pages(void **state)
{
	(void)state;
	make_page();
	page[4] ^= 1;
	page[MM_NVS_PAGE] = 0xfe; /* some page must be one */
	memcpy(page + MM_NVS_PAGE, page, MM_NVS_PAGE);
	page[MM_NVS_PAGE + 4] ^= 1;
	expect(MM_NVS_ENTRIES, "CRC of the page's header");
	page[8] = 0xfd;
	reseal_page();
	expect(MM_NVS_ENTRIES, "version is unknown");
	page[0] = 0xf1;
	expect(MM_NVS_ENTRIES, "state is unknown");
	page[0] = 0xf0;
	expect(MM_NVS_ENTRIES, "called the page corrupt");
	page[MM_NVS_PAGE + 100] = 0;
	expect(MM_NVS_ENTRIES, "an empty page has bytes");
	memcpy(page + MM_NVS_PAGE, page, MM_NVS_PAGE);
	expect(MM_NVS_ENTRIES, "there is an active page before");
}

static void
reads_on_past_damage(void **state)
{
	nvs_auto read = {0};

	(void)state;
	make_page();
	entry_at(3)[0] ^= 1;
	assert_int_equal(
	    nvs_read(mm_span(page, sizeof(page)), NULL, &read), MM_OK);
	assert_int_equal(read.contents.damage.count, 1);
	assert_int_equal(nvs_find(&read, "ns", "n")->number, 1);
	assert_null(nvs_find(&read, "ns", "s"));
	assert_int_equal(nvs_find(&read, "ns", "b")->bytes.size, 2);
}

/* What a device has erased, and a blob that it has written again, whose chunks
 * it numbers from 0x80 on. */
static void
reads_what_a_device_left(void **state)
{
	nvs_auto read = {0};

	(void)state;
	make_page();
	set_state(1, 0);
	entry_at(4)[3] = 0x80;
	reseal(4);
	entry_at(6)[29] = 0x80;
	reseal(6);
	page[0] = 0xf8; /* freeing */
	assert_int_equal(
	    nvs_read(mm_span(page, sizeof(page)), NULL, &read), MM_OK);
	assert_int_equal(read.contents.damage.count, 0);
	assert_null(nvs_find(&read, "ns", "n"));
	assert_int_equal(nvs_find(&read, "ns", "b")->bytes.size, 2);
	assert_int_equal(
	    mm_list_at(read.contents.pages, struct mm_nvs_page, 0)->erased, 1);
}

/* --- keys --- */

static void
wants_the_right_key(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2);
	nvs_auto read = {0};
	uint8_t key[MM_NVS_KEY], other[MM_NVS_KEY];
	struct mm_span image;

	(void)state;
	mm_nvs_key_random(key);
	mm_nvs_key_random(other);
	assert_int_equal(nvs_rows(nvs, all_kinds), MM_OK);
	assert_int_equal(mm_nvs_finish(nvs, key, &image), MM_OK);
	assert_int_equal(nvs_read(image, key, &read), MM_OK);
	assert_int_equal(read.contents.damage.count, 0);
	assert_int_equal(nvs_read(image, other, &read), MM_E_FORMAT);
	assert_int_equal(nvs_read(image, NULL, &read), MM_E_FORMAT);
	mm_nvs_reset(nvs);
	assert_int_equal(nvs_rows(nvs, all_kinds), MM_OK);
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	assert_int_equal(nvs_read(image, key, &read), MM_E_FORMAT);
	memcpy(key, key + MM_NVS_KEY / 2, MM_NVS_KEY / 2);
	assert_int_equal(mm_nvs_finish(nvs, key, &image), MM_E_FORMAT);
	mm_nvs_free(nvs);
}

static void
refuses_bad_key_partitions(void **state)
{
	uint8_t key[MM_NVS_KEY], got[MM_NVS_KEY], file[MM_NVS_PAGE + 1];

	(void)state;
	memset(file, 0xff, sizeof(file));
	assert_int_equal(
	    mm_nvs_keys_decode(mm_span(file, MM_NVS_PAGE), got), MM_E_FORMAT);
	mm_nvs_key_random(key);
	mm_nvs_keys_encode(key, file);
	assert_int_equal(
	    mm_nvs_keys_decode(mm_span(file, MM_NVS_PAGE), got), MM_OK);
	assert_memory_equal(key, got, sizeof(key));
	assert_int_equal(
	    mm_nvs_keys_decode(mm_span(file, MM_NVS_KEY), got), MM_OK);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
		    mm_nvs_keys_decode(
			mm_span(file, (size_t[]){0, 63, 65, MM_NVS_PAGE - 1,
					  MM_NVS_PAGE + 1}[i]),
			got),
		    MM_E_FORMAT);
	file[64] ^= 1;
	assert_int_equal(
	    mm_nvs_keys_decode(mm_span(file, MM_NVS_PAGE), got), MM_E_FORMAT);
}

static void
refuses_what_is_no_image(void **state)
{
	nvs_auto read = {0};
	static uint8_t other[2 * MM_NVS_PAGE];

	(void)state;
	assert_int_equal(
	    nvs_read(mm_span(other, sizeof(other)), NULL, &read), MM_E_FORMAT);
	memset(other, 0xff, sizeof(other));
	assert_int_equal(
	    nvs_read(mm_span(other, sizeof(other)), NULL, &read), MM_OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    nvs_read(mm_span(other, (size_t[]){0, 4095, 4097}[i]), NULL,
			&read),
		    MM_E_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_vendors_images),
	    cmocka_unit_test(reads_every_kind),
	    cmocka_unit_test(tells_damage_of_entries),
	    cmocka_unit_test(tells_damage_of_blobs),
	    cmocka_unit_test(tells_damage_of_pages),
	    cmocka_unit_test(reads_on_past_damage),
	    cmocka_unit_test(reads_what_a_device_left),
	    cmocka_unit_test(wants_the_right_key),
	    cmocka_unit_test(refuses_bad_key_partitions),
	    cmocka_unit_test(refuses_what_is_no_image),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
