/* ESP images: what the vendor's tool made is read as it reads it, and nothing
 * that is broken is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "signer/chips.h"
#include "signer/image.h"
#include "tests/unit/esp_make.h"
#include "tests/unit/hex.h"

enum { ARENA = 65536, COLUMNS = 18, NAME_AT = 32 + 0x30, PAGE_AT = 32 + 0xB4 };

static enum mm_error
read_as(const struct mm_buffer *image, const char *as, struct mm_arena *arena,
    struct mm_image_facts *facts)
{
	mm_arena_init(arena, ARENA);
	return mm_image_read(
	    mm_buffer_span(image), mm_span_text(as), arena, facts);
}

/* For images that are refused. */
static enum mm_error
refusal(const struct mm_buffer *image, const char *as)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};

	return read_as(image, as, &arena, &facts);
}

static const struct mm_esp_facts *
esp_of(const struct mm_image_facts *facts)
{
	assert_int_equal(facts->esp.count, 1);
	return facts->esp.items;
}

/* --- the vendor's vectors --- */

enum column {
	EXPECT = 1,
	CHIP,
	FILE_NAME,
	CHIP_ID,
	SEGMENTS,
	ENTRY,
	HASHED,
	CHECKSUM,
	LENGTH,
	SHA,
	VERSION,
	PROJECT,
	SECURE,
	MIN,
	MAX,
	MODE,
	SIZE_SPEED
};

static void
check_facts(const struct mm_image_facts *facts, char **c)
{
	static const char *const modes[] = {"qio", "qout", "dio", "dout"};
	const struct mm_esp_facts *esp = esp_of(facts);
	unsigned codes = (unsigned)strtoul(c[SIZE_SPEED], NULL, 16);

	assert_true(mm_span_is(facts->format, "esp-app"));
	assert_true(mm_span_is(facts->chip, c[CHIP]));
	assert_int_equal(esp->segments.count, atoi(c[SEGMENTS]));
	assert_int_equal(esp->entry, strtoul(c[ENTRY], NULL, 16));
	assert_int_equal(esp->hashed, atoi(c[HASHED]));
	assert_int_equal(facts->length, atoi(c[LENGTH]));
	assert_int_equal(facts->trailing, 0);
	assert_true(facts->blank);
	assert_true(mm_span_is(facts->version, c[VERSION]));
	assert_true(mm_span_is(facts->project, c[PROJECT]));
	assert_int_equal(facts->secure_version, atoi(c[SECURE]));
	assert_int_equal(esp->min_revision, atoi(c[MIN]));
	assert_int_equal(esp->max_revision, atoi(c[MAX]));
	assert_true(mm_span_is(esp->flash_mode, modes[atoi(c[MODE])]));
	assert_int_equal(esp->flash_size, 1U << (20 + (codes >> 4)));
	assert_true(mm_span_is(esp->flash_frequency,
	    mm_chip_frequency(mm_chip_named(facts->chip), codes & 15)));
	assert_int_equal(facts->signatures.count, 0);
}

/* What goes through the inspector's channel is the same behind it. */
static void
check_channel(const struct mm_image_facts *facts)
{
	struct mm_image_facts back;
	mm_auto(buffer) one = {0};
	mm_auto(buffer) two = {0};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&one, ARENA);
	mm_buffer_init(&two, ARENA);
	assert_int_equal(
	    mm_shape_encode(&mm_image_facts_shape, facts, &one), MM_OK);
	assert_int_equal(mm_shape_decode(&mm_image_facts_shape,
			     mm_buffer_span(&one), &arena, &back),
	    MM_OK);
	assert_int_equal(
	    mm_shape_encode(&mm_image_facts_shape, &back, &two), MM_OK);
	assert_true(mm_span_equal(mm_buffer_span(&one), mm_buffer_span(&two)));
}

static bool
check_case(char **c)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) image = {0};
	bool good = strncmp(c[EXPECT], "valid", 5) == 0;
	enum mm_error error;

	esp_vector(c[FILE_NAME], &image);
	error = read_as(&image, "esp-app", &arena, &facts);
	if (!good) {
		assert_int_equal(error, MM_E_IMAGE);
		return false;
	}
	assert_int_equal(error, MM_OK);
	check_channel(&facts);
	if (strcmp(c[EXPECT], "valid") == 0) {
		assert_int_equal(
		    mm_chip_named(facts.chip)->id, atoi(c[CHIP_ID]));
		check_facts(&facts, c);
	} else {
		assert_string_equal(c[EXPECT], "valid_trailing");
		assert_int_equal(facts.trailing, 100);
		assert_true(facts.blank);
	}
	return true;
}

static void
vectors_are_read_as_the_vendor_reads_them(void **state)
{
	mm_auto(buffer) cases = {0};
	size_t valid = 0, all = 0;
	char *text, *line;

	(void)state;
	esp_vector("cases.tsv", &cases);
	mm_buffer_add(&cases, "", 1);
	text = (char *)cases.data;
	while ((line = strsep(&text, "\n")) != NULL) {
		char *columns[COLUMNS] = {0};

		if (line[0] == '#' || line[0] == '\0')
			continue;
		for (size_t i = 0; i < COLUMNS; i++)
			columns[i] = strsep(&line, "\t");
		assert_null(line);
		assert_non_null(columns[SIZE_SPEED]);
		valid += check_case(columns);
		all++;
	}
	assert_int_equal(all, 17);
	assert_int_equal(valid, 9);
}

static void
descriptors_tell_what_was_built(void **state)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) image = {0};
	const struct mm_esp_facts *esp;

	(void)state;
	esp_vector("esp32_irom.bin", &image);
	assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
	esp = esp_of(&facts);
	assert_true(mm_span_is(esp->idf, "v5.5.2"));
	assert_true(mm_span_is(esp->built, "Jan  2 2025 12:34:56"));
	assert_hex(esp->elf_sha256, "bd2b5c491ef808f8d5ad81169577083e"
				    "7043f66ccf05537fb7080cde05c186cb");
	assert_int_equal(esp->mmu_page, 65536);
	assert_int_equal(esp->write_protect, 0xEE);
	assert_int_equal(
	    mm_list_at(esp->segments, struct mm_segment, 4)->offset, 0x10020);
	assert_int_equal(esp->padded.size, 0);
}

static void
other_pages_are_read(void **state)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) image = {0};

	(void)state;
	esp_vector("c6_mmu32k.bin", &image);
	assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
	assert_int_equal(esp_of(&facts)->mmu_page, 32768);
	assert_true(mm_span_is(esp_of(&facts)->flash_frequency, "80m"));
}

static void
secure_padding_is_seen(void **state)
{
	static const char *const cases[][2] = {
	    {"c3_secure_pad_v2.bin", "secure-boot-v2"},
	    {"esp32_secure_pad_v1.bin", "secure-boot-v1"}, {"c3_min.bin", ""}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_image_facts facts;
		mm_auto(arena) arena = {0};
		mm_auto(buffer) image = {0};

		esp_vector(cases[i][0], &image);
		assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
		assert_true(mm_span_is(esp_of(&facts)->padded, cases[i][1]));
	}
}

/* --- what stands behind an image --- */

static void
signatures_behind_are_not_the_image(void **state)
{
	static const struct {
		const char *path, *family;
		uint64_t length, offset;
	} cases[] = {
	    {"tests/vectors/esp/secure_boot_v1/app_signed.bin",
		"secure-boot-v1", 65456, 65456},
	    {"tests/vectors/esp/secure_boot_v2/rsa_app.bin", "secure-boot-v2",
		65536, 65536},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_image_facts facts;
		const struct mm_signature_block *block;
		mm_auto(arena) arena = {0};
		mm_auto(buffer) image = {0};

		esp_load(cases[i].path, &image);
		assert_int_equal(
		    read_as(&image, "esp-app", &arena, &facts), MM_OK);
		assert_int_equal(facts.length, cases[i].length);
		assert_int_equal(facts.trailing, 0);
		assert_int_equal(facts.signatures.count, 1);
		block = facts.signatures.items;
		assert_true(mm_span_is(block->family, cases[i].family));
		assert_int_equal(block->offset, cases[i].offset);
		assert_true(block->sound);
		check_channel(&facts);
	}
}

static void
what_follows_an_image_is_counted(void **state)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(arena) other = {0};
	mm_auto(buffer) image = {0};
	mm_auto(buffer) second = {0};

	(void)state;
	esp_vector("c3_min.bin", &image);
	esp_vector("c6_mmu32k.bin", &second);
	mm_buffer_add(&image, second.data, second.size);
	assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
	assert_int_equal(facts.length, 832);
	assert_int_equal(facts.trailing, second.size);
	assert_false(facts.blank);
	assert_true(mm_span_is(facts.project, "demo-c3"));
	/* All 0xFF but the last. */
	memset(image.data + 832, 0xFF, second.size);
	image.data[image.size - 1] = 0xFE;
	assert_int_equal(read_as(&image, "", &other, &facts), MM_OK);
	assert_int_equal(facts.trailing, second.size);
	assert_false(facts.blank);
}

/* --- what is broken --- */

static void
every_truncation_is_refused(void **state)
{
	static const char *const names[] = {"c3_min.bin", "c3_nohash.bin",
	    "c3_cksum_tight.bin", "esp32_secure_pad_v1.bin"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		mm_auto(buffer) image = {0};

		esp_vector(names[i], &image);
		assert_int_equal(refusal(&image, ""), MM_OK);
		while (--image.size > 0)
			assert_int_equal(refusal(&image, ""), MM_E_IMAGE);
		assert_int_equal(refusal(&image, ""), MM_E_INSPECTOR);
	}
}

/* The facts as bytes, without the file's hash, which always differs. */
static void
facts_bytes(struct mm_image_facts *facts, struct mm_buffer *out)
{
	mm_buffer_init(out, ARENA);
	memset(facts->sha256, 0, sizeof(facts->sha256));
	assert_int_equal(
	    mm_shape_encode(&mm_image_facts_shape, facts, out), MM_OK);
}

static bool
same_facts(const struct mm_buffer *image, const struct mm_buffer *before)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) now = {0};

	if (read_as(image, "", &arena, &facts) != MM_OK)
		return false;
	facts_bytes(&facts, &now);
	return mm_span_equal(mm_buffer_span(&now), mm_buffer_span(before));
}

static void
change_each(struct mm_buffer *image, size_t from, size_t count,
    const struct mm_buffer *before)
{
	for (size_t at = from; at < from + count; at++)
		for (unsigned change = 1; change < 256; change++) {
			image->data[at] ^= (uint8_t)change;
			assert_false(same_facts(image, before));
			image->data[at] ^= (uint8_t)change;
		}
}

static void
no_change_of_a_header_goes_unseen(void **state)
{
	static const char *const names[] = {"c3_min.bin", "c3_nohash.bin",
	    "c3_cksum_tight.bin", "s3_secver5.bin", "c6_mmu32k.bin"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		struct mm_image_facts facts;
		const struct mm_esp_facts *esp;
		mm_auto(arena) arena = {0};
		mm_auto(buffer) image = {0};
		mm_auto(buffer) before = {0};

		esp_vector(names[i], &image);
		assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
		facts_bytes(&facts, &before);
		assert_true(same_facts(&image, &before));
		change_each(&image, 0, 24, &before);
		esp = esp_of(&facts);
		for (mm_list_each(
			 const struct mm_segment, segment, esp->segments))
			change_each(&image, segment->offset - 8, 8, &before);
	}
}

static void
lengths_that_overflow_are_refused(void **state)
{
	static const uint32_t lengths[] = {UINT32_MAX, UINT32_MAX - 3,
	    0x80000000, 0x7FFFFFFC, 1U << 24, (1U << 24) - 4, 900, 800, 1, 2};
	mm_auto(buffer) image = {0};

	(void)state;
	esp_vector("c3_min.bin", &image);
	for (size_t i = 0; i < MM_COUNT(lengths); i++) {
		esp_put(image.data + 28, lengths[i]);
		assert_int_equal(refusal(&image, ""), MM_E_IMAGE);
	}
}

static void
segments_have_limits(void **state)
{
	static const uint8_t counts[] = {0, 1, 16, 17, 255};
	static const enum mm_error wanted[] = {
	    MM_E_IMAGE, MM_OK, MM_OK, MM_E_IMAGE, MM_E_IMAGE};
	static const uint32_t largest[] = {(1 << 24) - 4};
	static const uint32_t too_large[] = {1 << 24};
	uint32_t sizes[255];
	mm_auto(buffer) large = {0};
	mm_auto(buffer) larger = {0};

	(void)state;
	for (size_t i = 0; i < 255; i++)
		sizes[i] = 4 * (uint32_t)(i % 3);
	for (size_t i = 0; i < MM_COUNT(counts); i++) {
		mm_auto(buffer) image = {0};

		esp_make(sizes, counts[i], &image);
		assert_int_equal(refusal(&image, "esp-image"), wanted[i]);
	}
	esp_make(largest, 1, &large);
	assert_int_equal(refusal(&large, ""), MM_OK);
	esp_make(too_large, 1, &larger);
	assert_int_equal(refusal(&larger, ""), MM_E_IMAGE);
}

static void
segments_are_whole_words(void **state)
{
	(void)state;
	for (uint32_t size = 1; size < 10; size++) {
		const uint32_t sizes[] = {size, 4};
		mm_auto(buffer) image = {0};

		esp_make(sizes, 2, &image);
		assert_int_equal(
		    refusal(&image, ""), size % 4 == 0 ? MM_OK : MM_E_IMAGE);
	}
}

/* Whatever the padding is, and whether a SHA-256 is appended or not. */
static void
the_checksum_is_over_segments_alone(void **state)
{
	const uint32_t sizes[] = {16, 0, 20};
	const size_t end = 24 + 3 * 8 + 16 + 20;

	(void)state;
	for (uint8_t hashed = 0; hashed < 2; hashed++) {
		mm_auto(buffer) image = {0};

		esp_make(sizes, MM_COUNT(sizes), &image);
		image.data[23] = hashed;
		for (size_t at = end; at % 16 != 15; at++)
			image.data[at] = (uint8_t)(0x51 + at);
		esp_seal(&image);
		assert_int_equal(refusal(&image, ""), MM_OK);
		image.data[end - 1] ^= 1;
		assert_int_equal(refusal(&image, ""), MM_E_IMAGE);
	}
}

static void
headers_say_what_exists(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum mm_error wanted;
	} cases[] = {{2, 5, MM_OK}, {2, 6, MM_E_IMAGE}, {3, 0x2F, MM_OK},
	    {3, 0x23, MM_E_IMAGE}, {3, 0x2E, MM_E_IMAGE}, {3, 0x70, MM_OK},
	    {3, 0x80, MM_E_IMAGE}, {12, 9, MM_OK}, {12, 1, MM_E_IMAGE},
	    {13, 1, MM_E_IMAGE}, {19, 1, MM_E_IMAGE}, {22, 1, MM_E_IMAGE},
	    {23, 2, MM_E_IMAGE}, {23, 0xFF, MM_E_IMAGE}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		mm_auto(buffer) image = {0};

		esp_vector("c3_min.bin", &image);
		image.data[cases[i].at] = cases[i].value;
		esp_seal(&image);
		assert_int_equal(refusal(&image, ""), cases[i].wanted);
	}
}

static void
faults_name_their_offset(void **state)
{
	mm_auto(buffer) image = {0};

	(void)state;
	esp_vector("bad_segcount.bin", &image);
	assert_int_equal(refusal(&image, ""), MM_E_IMAGE);
	assert_string_equal(
	    mm_why(MM_E_IMAGE), "at byte 1: 17 segments: 1 to 16 are possible");
}

/* --- descriptors --- */

static enum mm_error
with_byte(size_t at, uint8_t value)
{
	mm_auto(buffer) image = {0};

	esp_vector("c3_min.bin", &image);
	image.data[at] = value;
	esp_seal(&image);
	return refusal(&image, "esp-app");
}

static void
texts_are_printable(void **state)
{
	(void)state;
	assert_int_equal(with_byte(NAME_AT, 'x'), MM_OK);
	assert_int_equal(with_byte(NAME_AT, '\n'), MM_E_IMAGE);
	assert_int_equal(with_byte(NAME_AT, 0x7F), MM_E_IMAGE);
	assert_int_equal(with_byte(NAME_AT, 0xC3), MM_E_IMAGE);
	/* A text ends once: nothing hides behind its end. */
	assert_int_equal(with_byte(NAME_AT, 0), MM_E_IMAGE);
	assert_int_equal(with_byte(NAME_AT + 31, 'x'), MM_E_IMAGE);
}

static void
pages_have_limits(void **state)
{
	(void)state;
	assert_int_equal(with_byte(PAGE_AT, 12), MM_E_IMAGE);
	assert_int_equal(with_byte(PAGE_AT, 13), MM_OK);
	assert_int_equal(with_byte(PAGE_AT, 16), MM_OK);
	assert_int_equal(with_byte(PAGE_AT, 17), MM_E_IMAGE);
}

static void
full_fields_need_no_zero(void **state)
{
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) image = {0};

	(void)state;
	esp_vector("c3_min.bin", &image);
	memset(image.data + NAME_AT, 'p', 32);
	memset(image.data + NAME_AT + 32, 0, 32); /* time and date */
	esp_seal(&image);
	assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
	assert_int_equal(facts.project.size, 32);
	assert_int_equal(esp_of(&facts)->built.size, 0);
}

static void
descriptors_have_their_place(void **state)
{
	static const uint32_t enough[] = {256, 256}, short_of[] = {252, 256};
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(arena) other = {0};
	mm_auto(buffer) image = {0};
	mm_auto(buffer) small = {0};

	(void)state;
	esp_make(enough, 2, &image);
	memset(image.data + 32, 0, 256);
	esp_put(image.data + 32, 0xABCD5432);
	esp_seal(&image);
	assert_int_equal(read_as(&image, "", &arena, &facts), MM_OK);
	assert_true(mm_span_is(facts.format, "esp-app"));
	/* At the start of another segment no bootloader looks for it. */
	esp_put(image.data + 32, 0);
	memset(image.data + 32 + 264, 0, 256);
	esp_put(image.data + 32 + 264, 0xABCD5432);
	esp_seal(&image);
	assert_int_equal(read_as(&image, "", &other, &facts), MM_OK);
	assert_true(mm_span_is(facts.format, "esp-image"));
	assert_int_equal(refusal(&image, "esp-app"), MM_E_IMAGE);
	/* One that its segment cuts off. */
	esp_make(short_of, 2, &small);
	memset(small.data + 32, 0, 252);
	esp_put(small.data + 32, 0xABCD5432);
	esp_seal(&small);
	assert_int_equal(refusal(&small, ""), MM_E_IMAGE);
}

/* esp_bootloader_desc_t at `at`. */
static void
put_bootloader(uint8_t *at)
{
	memset(at, 0, 80);
	at[0] = 0x50;
	at[3] = 3;
	esp_put(at + 4, 77);
	memcpy(at + 8, "v5.5.2", 6);
	memcpy(at + 40, "Jan  2 2025 12:34:56", 20);
}

static void
bootloaders_are_known_by_their_descriptor(void **state)
{
	static const uint32_t sizes[] = {100, 80}, short_of[] = {76};
	struct mm_image_facts facts;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) image = {0};
	mm_auto(buffer) small = {0};

	(void)state;
	esp_make(sizes, 2, &image);
	put_bootloader(image.data + 32 + 108);
	esp_seal(&image);
	assert_int_equal(
	    read_as(&image, "esp-bootloader", &arena, &facts), MM_OK);
	assert_true(mm_span_is(facts.version, "77"));
	assert_int_equal(facts.secure_version, 3);
	assert_true(mm_span_is(esp_of(&facts)->idf, "v5.5.2"));
	assert_true(mm_span_is(esp_of(&facts)->built, "Jan  2 2025 12:34:56"));
	check_channel(&facts);
	/* 0x50 alone is no promise. */
	image.data[32 + 108 + 79] = 1;
	esp_seal(&image);
	assert_int_equal(refusal(&image, "esp-image"), MM_OK);
	esp_make(short_of, 1, &small);
	put_bootloader(small.data + 32);
	esp_seal(&small);
	assert_int_equal(refusal(&small, "esp-image"), MM_OK);
}

static void
chips_are_found_both_ways(void **state)
{
	static const uint16_t ids[] = {
	    0, 2, 5, 9, 12, 13, 16, 18, 20, 23, 25, 28, 31, 32};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(ids); i++) {
		const struct mm_chip *chip = mm_chip_numbered(ids[i]);

		assert_non_null(chip);
		assert_ptr_equal(mm_chip_named(mm_span_text(chip->name)), chip);
		assert_non_null(mm_chip_frequency(chip, 15));
		assert_null(mm_chip_frequency(chip, 3));
	}
	assert_null(mm_chip_numbered(1));
	assert_null(mm_chip_numbered(33));
	assert_null(mm_chip_named(mm_span_text("esp32c")));
	assert_null(mm_chip_named(mm_span_text("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_are_read_as_the_vendor_reads_them),
	    cmocka_unit_test(descriptors_tell_what_was_built),
	    cmocka_unit_test(other_pages_are_read),
	    cmocka_unit_test(secure_padding_is_seen),
	    cmocka_unit_test(signatures_behind_are_not_the_image),
	    cmocka_unit_test(what_follows_an_image_is_counted),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(no_change_of_a_header_goes_unseen),
	    cmocka_unit_test(lengths_that_overflow_are_refused),
	    cmocka_unit_test(segments_have_limits),
	    cmocka_unit_test(segments_are_whole_words),
	    cmocka_unit_test(the_checksum_is_over_segments_alone),
	    cmocka_unit_test(headers_say_what_exists),
	    cmocka_unit_test(faults_name_their_offset),
	    cmocka_unit_test(texts_are_printable),
	    cmocka_unit_test(pages_have_limits),
	    cmocka_unit_test(full_fields_need_no_zero),
	    cmocka_unit_test(descriptors_have_their_place),
	    cmocka_unit_test(bootloaders_are_known_by_their_descriptor),
	    cmocka_unit_test(chips_are_found_both_ways)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
