/* What a plan flashes: what fits, what the chip will boot, and where it goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "factory/otadata.h"
#include "signer/crc.h"
#include "signer/numbers.h"
#include "tests/unit/plan_room.h"

/* --- files --- */

static void
files_go_where_the_table_says(void **state)
{
	static const char *const expected[] = {
	    "esptool --chip esp32c3 write-flash --flash-mode keep "
	    "--flash-freq keep --flash-size keep 0xd000 o.bin 0x20000 "
	    "app.bin 0x11000 'my creds'\\''s.bin'",
	    NULL};
	uint8_t otadata[MM_OTADATA_SIZE];
	struct room room;

	(void)state;
	mm_otadata_make(0, otadata);
	begin(&room, "esp32c3");
	room.order.otadata = file_of("o.bin", otadata, sizeof(otadata));
	room.order.app = vector_as(&room, "app.bin", "app_image", "c3_min.bin");
	add_data(&room, "creds", "my creds's.bin", 0x4000);
	assert_lines(&room, "esptool", expected);
	end(&room);
}

static void
what_is_encrypted_is_encrypted_first(void **state)
{
	static const char *const expected[] = {
	    "mintmark flash encrypt --force --chip esp32c3 --key f --address "
	    "0x20000 -o app.bin.encrypted app.bin",
	    "mintmark flash encrypt --force --chip esp32c3 --key f --address "
	    "0x11000 -o creds.bin.encrypted creds.bin",
	    "mintmark flash encrypt --force --chip esp32c3 --key f --address "
	    "0x10000 -o keys.bin.encrypted keys.bin",
	    NULL};
	static const char *const flash[] = {
	    "esptool --chip esp32c3 --after no-reset write-flash --flash-mode "
	    "keep --flash-freq keep --flash-size keep 0x20000 "
	    "app.bin.encrypted 0x11000 creds.bin.encrypted 0x10000 "
	    "keys.bin.encrypted 0x9000 nvs.bin",
	    NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	room.order.flash_key = key_of("f", 32);
	room.order.app = vector_as(&room, "app.bin", "app_image", "c3_min.bin");
	add_data(&room, "creds", "creds.bin", 0x4000);
	add_data(&room, "keys", "keys.bin", 0x1000);
	/* NVS encrypts itself. */
	add_data(&room, "nvs", "nvs.bin", 0x3001);
	assert_lines(&room, "mintmark", expected);
	assert_lines(&room, "esptool", flash);
	end(&room);
}

static void
a_file_fits_or_is_refused(void **state)
{
	struct room room;

	(void)state;
	for (size_t size = 0x4000 - 1; size <= 0x4001; size++) {
		begin(&room, "esp32c3");
		add_data(&room, "creds", "creds.bin", size);
		if (size <= 0x4000)
			assert_int_equal(plan(&room), MM_OK);
		else
			refused(&room, MM_E_FORMAT, "has room for 16384");
		end(&room);
	}
	begin(&room, "esp32c3");
	room.order.flash_key = key_of("f", 32);
	add_data(&room, "creds", "creds.bin", 0x3ff0);
	assert_int_equal(plan(&room), MM_OK);
	room.data[0].file.bytes.size = 0x3ff1;
	refused(&room, MM_E_FORMAT, "fill it up with 0xFF");
	room.data[0].file.bytes.size = 0;
	refused(&room, MM_E_FORMAT, "is empty");
	end(&room);
}

static void
a_file_has_one_place(void **state)
{
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	add_data(&room, "creds", "a", 16);
	add_data(&room, "creds", "b", 16);
	refused(&room, MM_E_FORMAT, "a and b are both");
	room.data[1].name = mm_span_text("credentials");
	refused(&room, MM_E_FORMAT, "no partition \"credentials\"");
	room.data[1].name = mm_span_text("nvs");
	room.data[1].file.path = "-b";
	refused(&room, MM_E_FORMAT, "say ./-b");
	end(&room);
}

static void
an_image_is_of_the_chip_and_of_its_kind(void **state)
{
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	room.order.app = vector_as(&room, "app", "app_image", "s3_secver5.bin");
	refused(&room, MM_E_FORMAT, "an image for esp32s3, not for esp32c3");
	room.order.app = vector_as(&room, "app", "app_image", "bad_sha.bin");
	refused(&room, MM_E_FORMAT, "app: ");
	room.order.app =
	    vector_as(&room, "app", "secure_boot_v2", "digest_sbv2-rsa1.bin");
	refused(&room, MM_E_FORMAT, "no image of an ESP chip");
	room.order.app.path = NULL;
	room.order.bootloader =
	    vector_as(&room, "loader", "app_image", "c3_min.bin");
	refused(&room, MM_E_FORMAT, "a bootloader should be");
	end(&room);
	/* Also where it goes by its partition's name. */
	begin(&room, "esp32c3");
	room.data[0] = (struct mm_plan_data){mm_span_text("ota_1"),
	    vector_as(&room, "app", "app_image", "s3_secver5.bin")};
	room.order.data_count = 1;
	refused(&room, MM_E_FORMAT, "an image for esp32s3");
	end(&room);
}

/* The vectors' bootloader, as if made for another chip: the chip's id is in the
 * header, and a SHA-256 over all ends it. */
static struct mm_plan_file
loader_for(struct room *room, uint16_t chip)
{
	struct mm_plan_file file =
	    vector_as(room, "loader", "secure_boot_v1", "in/bl_a.bin");
	uint8_t *bytes = room->files[room->file_count - 1].data;

	mm_little_put(chip, 2, bytes + 12);
	crypto_hash_sha256(
	    bytes + file.bytes.size - 32, bytes, file.bytes.size - 32);
	return file;
}

static void
a_bootloader_lies_where_its_chip_wants_it(void **state)
{
	static const struct {
		const char *chip;
		uint64_t at;
	} rows[] = {{"esp32", 0x1000}, {"esp32s2", 0x1000}, {"esp32c3", 0},
	    {"esp32s3", 0}, {"esp32p4", 0x2000}, {"esp32c5", 0x2000}};
	struct room room;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		char expected[200];
		const char *lines[] = {expected, NULL};

		begin(&room, rows[i].chip);
		room.order.bootloader = loader_for(&room, room.order.chip->id);
		snprintf(expected, sizeof(expected),
		    "esptool --chip %s write-flash --flash-mode keep "
		    "--flash-freq keep --flash-size keep 0x%llx loader",
		    rows[i].chip, (unsigned long long)rows[i].at);
		assert_lines(&room, "esptool", lines);
		/* It ends before the table. */
		room.order.table_offset = rows[i].at + 0x1000;
		refused(&room, MM_E_FORMAT, "has room for 4096");
		end(&room);
	}
}

static void
files_stand_in_the_order_of_a_start(void **state)
{
	static const char *const expected[] = {
	    "esptool --chip esp32c3 write-flash --flash-mode keep "
	    "--flash-freq keep --flash-size keep 0x0 loader 0x8000 t.bin "
	    "0xd000 o.bin 0x20000 app.bin 0x9000 nvs.bin",
	    NULL};
	uint8_t otadata[MM_OTADATA_SIZE];
	mm_auto(buffer) binary = {0};
	struct mm_partition_facts summed;
	struct room room;

	(void)state;
	mm_otadata_make(0, otadata);
	mm_buffer_init(&binary, MM_PARTITIONS_SIZE);
	begin(&room, "esp32c3");
	summed = room.table;
	summed.summed = true;
	assert_int_equal(mm_partitions_binary(&summed, &binary), MM_OK);
	add_data(&room, "nvs", "nvs.bin", 0x4000);
	room.order.app = vector_as(&room, "app.bin", "app_image", "c3_min.bin");
	room.order.otadata = file_of("o.bin", otadata, sizeof(otadata));
	room.order.table_file = file_of("t.bin", binary.data, binary.size);
	room.order.bootloader = loader_for(&room, room.order.chip->id);
	assert_lines(&room, "esptool", expected);
	end(&room);
}

static void
secure_boot_flashes_nothing_that_it_would_refuse(void **state)
{
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	room.order.digests[0] = rsa_digest(&room, "d", 1);
	room.order.digest_count = 1;
	room.order.app =
	    vector_as(&room, "app", "secure_boot_v2", "rsa_app.bin");
	assert_int_equal(plan(&room), MM_OK);
	room.order.digests[0] = rsa_digest(&room, "d", 2);
	refused(&room, MM_E_FORMAT, "not signed by a key that the chip");
	room.order.digests[1] = rsa_digest(&room, "e", 1);
	room.order.digest_count = 2;
	assert_int_equal(plan(&room), MM_OK);
	room.order.app =
	    vector_as(&room, "app", "app_image", "c3_secure_pad_v2.bin");
	refused(&room, MM_E_FORMAT, "not signed");
	room.order.app =
	    vector_as(&room, "app", "secure_boot_v2", "rsa_app.bin");
	room.order.bootloader = loader_for(&room, 5);
	refused(&room, MM_E_FORMAT, "loader is not signed");
	end(&room);
}

/* A block that looks right to its CRC, with another signature in it. */
static void
a_signature_must_verify_not_just_be_there(void **state)
{
	enum { BLOCK = 65536, SIGNATURE = 812, CRC = 1196 };
	struct room room;
	uint8_t *block;

	(void)state;
	begin(&room, "esp32c3");
	room.order.digests[0] = rsa_digest(&room, "d", 1);
	room.order.digest_count = 1;
	room.order.app =
	    vector_as(&room, "app", "secure_boot_v2", "rsa_app.bin");
	block = room.files[1].data + BLOCK;
	for (unsigned flip = 0; flip < 2; flip++) {
		block[SIGNATURE] ^= 1;
		mm_little_put(mm_crc_std(mm_span(block, CRC)), 4, block + CRC);
		if (flip == 0)
			refused(&room, MM_E_FORMAT, "app is not signed");
		else
			assert_int_equal(plan(&room), MM_OK);
	}
	end(&room);
}

static void
under_v1_the_bootloader_brings_its_digest(void **state)
{
	static const char *const expected[] = {
	    "esptool --chip esp32 --after no-reset write-flash --flash-mode "
	    "keep --flash-freq keep --flash-size keep 0x0 loader 0x20000 app",
	    NULL};
	struct room room;

	(void)state;
	begin(&room, "esp32");
	room.order.v1_key = key_of("k", 32);
	room.order.bootloader =
	    vector_as(&room, "loader", "secure_boot_v1", "bl_a_digest_256.bin");
	room.order.app =
	    vector_as(&room, "app", "secure_boot_v1", "app_signed.bin");
	assert_lines(&room, "esptool", expected);
	room.order.app =
	    vector_as(&room, "app", "app_image", "esp32_secure_pad_v1.bin");
	refused(&room, MM_E_FORMAT, "app is not signed");
	room.order.app.path = NULL;
	room.order.table_file =
	    vector_as(&room, "t", "secure_boot_v1", "in/partition-table.bin");
	refused(&room, MM_E_FORMAT, "t is not the table");
	room.order.table_file.path = NULL;
	room.order.bootloader =
	    vector_as(&room, "loader", "secure_boot_v1", "in/bl_a.bin");
	refused(&room, MM_E_FORMAT, "espsecure digest-secure-bootloader");
	end(&room);
}

static void
the_table_that_is_flashed_is_the_one_that_is_read(void **state)
{
	mm_auto(buffer) binary = {0};
	struct mm_partition_facts summed;
	struct room room;

	(void)state;
	begin(&room, "esp32c3");
	mm_buffer_init(&binary, MM_PARTITIONS_SIZE);
	summed = room.table;
	summed.summed = true;
	assert_int_equal(mm_partitions_binary(&summed, &binary), MM_OK);
	room.order.table_file = file_of("t", binary.data, binary.size);
	assert_int_equal(plan(&room), MM_OK);
	read_table(&room, "nvs,data,nvs,0x9000,0x4000\n"
			  "app,app,factory,0x10000,0x10000\n");
	refused(&room, MM_E_FORMAT, "t is not the table");
	end(&room);
}

static void
otadata_names_the_slot(void **state)
{
	static const uint32_t crc[] = {0x4743989a, 0x55f63774};
	uint8_t bytes[MM_OTADATA_SIZE];
	struct room room;

	(void)state;
	for (int slot = 0; slot < 2; slot++) {
		mm_otadata_make(slot, bytes);
		assert_int_equal(mm_little_u32(bytes), slot + 1);
		assert_int_equal(mm_little_u32(bytes + 28), crc[slot]);
		assert_int_equal(mm_little_u32(bytes + 24), UINT32_MAX);
		for (size_t i = 32; i < sizeof(bytes); i++)
			assert_int_equal(bytes[i], 0xff);
	}
	mm_otadata_make(MM_OTADATA_BLANK, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0xff);
	begin_with(&room, "esp32c3", "app,app,factory,0x10000,0x10000\n");
	room.order.otadata = file_of("o", bytes, sizeof(bytes));
	refused(&room, MM_E_FORMAT, "no otadata partition");
	end(&room);
	begin(&room, "esp32c3");
	room.order.otadata = file_of("o", bytes, sizeof(bytes) - 1);
	refused(&room, MM_E_FORMAT, "otadata has 8192");
	end(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_go_where_the_table_says),
	    cmocka_unit_test(files_stand_in_the_order_of_a_start),
	    cmocka_unit_test(what_is_encrypted_is_encrypted_first),
	    cmocka_unit_test(a_file_fits_or_is_refused),
	    cmocka_unit_test(a_file_has_one_place),
	    cmocka_unit_test(an_image_is_of_the_chip_and_of_its_kind),
	    cmocka_unit_test(a_bootloader_lies_where_its_chip_wants_it),
	    cmocka_unit_test(secure_boot_flashes_nothing_that_it_would_refuse),
	    cmocka_unit_test(a_signature_must_verify_not_just_be_there),
	    cmocka_unit_test(under_v1_the_bootloader_brings_its_digest),
	    cmocka_unit_test(the_table_that_is_flashed_is_the_one_that_is_read),
	    cmocka_unit_test(otadata_names_the_slot),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
