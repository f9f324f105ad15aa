/* What a whole template comes to: plans, encrypted images, keys for eFuses;
 * and the example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/production_room.h"

#define WHOLE \
	RSA CHIP \
	    "flash-encryption = made\nhmac-key = made\nds-key = made\n" NVS( \
		"keys = hmac") \
		CERT("ds = yes efuse-key = 1") "image plain_cert { format = " \
					       "\"secure-cert\" ds = yes " \
					       "efuse-key = 1 ca = none }\n" \
					       "plan { table = yes " \
					       "hmac-block = 2 }\n"

static void
assert_decrypts(const struct produce_room *room)
{
	const struct mm_unit_file *file =
	    room_file(room, "esp_secure_cert.bin");
	struct mm_flash_cipher *cipher = NULL;
	uint8_t *plain = malloc(file->bytes.size);

	assert_int_equal(file->bytes.size % MM_FLASH_BLOCK, 0);
	assert_int_equal(
	    mm_flash_cipher_new(mm_chip_named(mm_span_text("esp32c3")),
		mm_unit_efuse(room->unit, MM_EFUSE_FLASH),
		MM_FLASH_CRYPT_CONFIG, &cipher),
	    MM_OK);
	assert_int_equal(mm_flash_cipher_run(cipher, MM_FLASH_DECRYPT, 0x10000,
			     file->bytes, plain),
	    MM_OK);
	/* The TLVs' magic, here and in the one that is not encrypted. */
	assert_memory_equal(plain, "\x11\xba\x5e\xba", 4);
	assert_memory_not_equal(file->bytes.data, plain, 4);
	assert_memory_equal(
	    room_file(room, "plain_cert.bin")->bytes.data, plain, 4);
	mm_flash_cipher_free(cipher);
	free(plain);
}

static void
assert_plan(const struct produce_room *room, bool files)
{
	static const char *const keys[2][3] = {
	    {"/dev/fd/20", "/dev/fd/21", "/dev/fd/22"},
	    {"flash.key", "hmac.key", "ds.key"}};
	static const char *const plans[] = {
	    "plan.txt", "plan.json", "flash.sh"};

	for (size_t i = 0; i < MM_COUNT(plans); i++) {
		const struct mm_unit_file *plan = room_file(room, plans[i]);

		assert_non_null(plan);
		assert_int_equal(plan->script, i == 2);
		assert_false(plan->secret);
		for (size_t k = 0; k < 3; k++) {
			assert_true(room_holds(plan, keys[files][k]));
			assert_false(room_holds(plan, keys[!files][k]));
		}
		assert_true(room_holds(plan, "esp_secure_cert.bin"));
		/* Encrypted already: not once more. */
		assert_false(room_holds(plan, "esp_secure_cert.bin.encrypted"));
		assert_true(room_holds(plan, "partition-table.bin.encrypted"));
	}
	for (size_t k = 0; k < 3; k++) {
		const struct mm_unit_file *key = room_file(room, keys[1][k]);

		assert_int_equal(key != NULL, files);
		if (key != NULL)
			assert_true(key->secret);
	}
}

static void
a_whole_unit_with_its_plan(void **state)
{
	struct produce_room room;
	struct mm_unit_key keys[MM_UNIT_KEYS];

	(void)state;
	begin(&room);
	room_read(&room, WHOLE);
	for (size_t files = 0; files < 2; files++) {
		room.terms.plain_keys = files != 0;
		room_new(&room);
		assert_int_equal(mm_unit_keys(room.unit, keys), 3);
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(keys[i].fd, 20 + (int)i);
			assert_int_equal(keys[i].bytes.size, 32);
			assert_string_equal(keys[i].name, mm_efuse_names[i]);
			for (size_t k = 0; k < i; k++)
				assert_memory_not_equal(
				    keys[i].bytes.data, keys[k].bytes.data, 32);
		}
		room_kept(&room);
		room_finish(&room);
		assert_plan(&room, files != 0);
		assert_decrypts(&room);
		assert_int_equal(
		    room_file(&room, "key.pem") != NULL, files != 0);
	}
	room_end(&room);
}

static void
a_plan_is_json(void **state)
{
	struct produce_room room;
	const struct mm_unit_file *file;
	json_t *plan;

	(void)state;
	begin(&room);
	room_read(&room,
	    KEY CHIP NVS("") "plan { table = yes port = \"/dev/x\" "
			     "data = {\"plain_cert=creds.csv\"} }");
	room_new(&room);
	room_finish(&room);
	file = room_file(&room, "plan.json");
	plan = json_loadb(
	    (const char *)file->bytes.data, file->bytes.size, 0, NULL);
	assert_non_null(plan);
	assert_string_equal(
	    json_string_value(json_object_get(plan, "port")), "/dev/x");
	assert_int_equal(json_array_size(json_object_get(plan, "steps")), 1);
	json_decref(plan);
	assert_true(
	    room_holds(room_file(&room, "plan.txt"), "0xa000 creds.bin"));
	assert_true(room_holds(room_file(&room, "plan.txt"), "creds.csv"));
	/* A file that units share: what is encrypted of it is each unit's. */
	room_write(&room, "shared.bin", "0123456789abcdef");
	room_read(&room,
	    KEY CHIP "flash-encryption = made\n"
		     "plan { data = {\"esp_secure_cert=shared.bin\"} }");
	room_new(&room);
	room_finish(&room);
	assert_true(room_holds(
	    room_file(&room, "plan.txt"), " ./esp_secure_cert.encrypted "));
	assert_false(
	    room_holds(room_file(&room, "plan.txt"), "shared.bin.encrypted"));
	room_end(&room);
}

/* AES-256, and the half of a block that an ESP32-C2 has beside a digest. */
static void
a_flash_key_has_the_size_that_is_said(void **state)
{
	static const struct {
		const char *chip, *size;
		size_t bytes;
	} cases[] = {{"esp32s3", "", 32},
	    {"esp32s3", "flash-key-size = 64", 64},
	    {"esp32c2", "flash-key-size = 16", 16},
	    {"esp32", "flash-key-size = 24", 24}};
	struct produce_room room;
	struct mm_unit_key key[MM_UNIT_KEYS];
	char conf[512];

	(void)state;
	begin(&room);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_flash_cipher *cipher = NULL;
		uint8_t block[MM_FLASH_BLOCK];

		snprintf(conf, sizeof(conf),
		    KEY "chip = %s\npartitions = \"partitions.csv\"\n"
			"flash-encryption = made\n%s\n" CERT(""),
		    cases[i].chip, cases[i].size);
		room_read(&room, conf);
		room_new(&room);
		assert_int_equal(mm_unit_keys(room.unit, key), 1);
		assert_int_equal(key[0].bytes.size, cases[i].bytes);
		room_kept(&room);
		room_finish(&room);
		assert_int_equal(
		    mm_flash_cipher_new(
			mm_chip_named(mm_span_text(cases[i].chip)),
			key[0].bytes, MM_FLASH_CRYPT_CONFIG, &cipher),
		    MM_OK);
		assert_int_equal(
		    mm_flash_cipher_run(cipher, MM_FLASH_DECRYPT, 0x10000,
			mm_span(
			    room_file(&room, "esp_secure_cert.bin")->bytes.data,
			    sizeof(block)),
			block),
		    MM_OK);
		assert_memory_equal(block, "\x11\xba\x5e\xba", 4);
		mm_flash_cipher_free(cipher);
	}
	room_end(&room);
}

/* One key block for both: the plan says which key it takes. */
static void
secure_boot_of_either_kind(void **state)
{
#define C2(size) \
	KEY "chip = esp32c2\npartitions = \"partitions.csv\"\n" \
	    "flash-encryption = made\n" size \
	    "\nplan { table = yes digests = {\"32.key\"} }"
	struct produce_room room;

	(void)state;
	begin(&room);
	room_write(&room, "32.key", "0123456789abcdefghijklmnopqrstuv");
	room_refused(&room, C2(""), MM_E_FORMAT, "t.conf:6:", "flash-key-size");
	room_read(&room, C2("flash-key-size = 16"));
	room_read(&room, KEY "chip = esp32\npartitions = \"partitions.csv\"\n"
			     "plan { data = {\"plain_cert=32.key\"} "
			     "v1-key = \"32.key\" }");
	room_new(&room);
	room_finish(&room);
	assert_true(room_holds(room_file(&room, "flash.sh"), "secure_boot_v1"));
	assert_true(room_holds(room_file(&room, "plan.txt"), "/32.key"));
	/* A table is signed, too: by whom the chip trusts. */
	room_refused(&room,
	    KEY "chip = esp32\npartitions = \"partitions.csv\"\n"
		"plan { table = yes v1-key = \"32.key\" }",
	    MM_E_FORMAT, "t.conf:4:", "partition-table.bin is not signed");
	room_refused(&room, KEY CHIP "plan { table = \"none.bin\" }", MM_E_FILE,
	    "t.conf:4:", "none.bin");
	room_refused(&room, KEY CHIP "plan { table = \"32.key\" }", MM_E_FORMAT,
	    "t.conf:4:", "32.key");
	room_end(&room);
#undef C2
}

static void
made_nvs_keys_open_their_image(void **state)
{
	struct produce_room room;
	uint8_t key[MM_NVS_KEY];

	(void)state;
	begin(&room);
	room_read(&room, KEY CHIP NVS("keys = made") KEYS("for = creds"));
	for (size_t i = 0; i < 2; i++) {
		mm_auto(arena) arena = {0};
		mm_auto(nvs_contents) contents = {0};
		struct mm_span image;

		room_new(&room);
		room_finish(&room);
		assert_int_equal(
		    mm_nvs_keys_decode(
			room_file(&room, "nvs_keys.bin")->bytes, key),
		    MM_OK);
		assert_memory_equal(key, room.unit->nvs_keys[0], sizeof(key));
		image = room_file(&room, "creds.bin")->bytes;
		mm_arena_init(&arena, mm_nvs_arena(image.size));
		assert_int_equal(
		    mm_nvs_read(image, key, &arena, &contents), MM_OK);
		assert_int_equal(contents.items.count, 2);
	}
	room_end(&room);
}

/* The example is one that is read, and whose unit can be made. */
static void
the_example_works(void **state)
{
	struct produce_room room;
	struct mm_production_facts facts;

	(void)state;
	begin(&room);
	if (mm_production_read("conf/production.conf", &room.production) !=
	    MM_OK)
		fail_msg("%s", mm_why(MM_E_FORMAT));
	mm_production_facts(room.production, &facts);
	assert_null(facts.plain);
	assert_null(facts.lost_always);
	assert_string_equal(facts.lost, "the flash encryption key");
	room_give(&room, "mac", "24:6F:28:00:00:01");
	room_new(&room);
	room_finish(&room);
	assert_non_null(room_file(&room, "label.svg"));
	assert_non_null(room_file(&room, "flash.sh"));
	room_end(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_unit_with_its_plan),
	    cmocka_unit_test(a_plan_is_json),
	    cmocka_unit_test(made_nvs_keys_open_their_image),
	    cmocka_unit_test(a_flash_key_has_the_size_that_is_said),
	    cmocka_unit_test(secure_boot_of_either_kind),
	    cmocka_unit_test(the_example_works),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
