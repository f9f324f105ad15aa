/* The template: what it may say, what it would show or lose, and the plan that
 * comes of it. Every refusal names file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "factory/unit_parts.h"
#include "tests/unit/production_room.h"

/* --- refusals --- */

static const struct {
	const char *text;
	enum mm_error error;
	const char *where, *why;
} refusals[] = {
    /* text */
    {KEY "foo = 1\n", MM_E_FORMAT, "t.conf:2:", "known here: chip, key"},
    {KEY "value a { foo = 1 }\n", MM_E_FORMAT, "t.conf:2:", "known here: text"},
    {KEY "\nkey = \"P-384\"\n", MM_E_FORMAT, "t.conf:3:", "given twice"},
    {KEY "value a { text = x", MM_E_FORMAT, "t.conf:", "closing brace"},
    {KEY "# a\n// b\nvalue a { text = ${HOME} }", MM_E_FORMAT,
	"t.conf:4:", "stands for nothing"},
    {KEY "# a\n// b \"\nvalue a { digits = x }", MM_E_FORMAT,
	"t.conf:4:", "no number"},
    {"\xef\xbb\xbf" KEY, MM_E_FORMAT, "t.conf:1:", "byte order mark"},
    {KEY "value a { text = \"\x01\" }", MM_E_FORMAT, "t.conf:2:", "control"},
    {KEY "value a { text = x }\nvalue a { text = y }", MM_E_FORMAT,
	"t.conf:3:", "duplicate title 'a'"},
    {KEY "label { template = x }\nlabel { template = y }", MM_E_FORMAT,
	"t.conf:", "second label"},
    {"chip = \"esp32c3\"\n", MM_E_FORMAT, "t.conf:", "key is missing"},
    {"key = \"P-521\"\n", MM_E_FORMAT, "t.conf:1:", "\"P-521\""},
    {"key = csr\n", MM_E_FORMAT, "t.conf:1:", "csr is missing"},
    {KEY "csr = \"x\"\n", MM_E_FORMAT, "t.conf:2:", "key = \"csr\" alone"},
    {KEY "chip = \"esp9\"\n", MM_E_FORMAT, "t.conf:2:", "no chip"},
    {KEY "partitions = \"none.csv\"\n", MM_E_FILE, "t.conf:2:", "none.csv"},
    {KEY "partitions = \"creds.csv\"\n", MM_E_FORMAT, "t.conf:2:", "creds.csv"},
    /* values */
    {KEY "value \"a b\" { text = x }", MM_E_FORMAT, "t.conf:2:", "the name"},
    {KEY "value device { text = x }", MM_E_FORMAT, "t.conf:2:", "the name"},
    {KEY "value state { text = x }", MM_E_FORMAT, "t.conf:2:", "the name"},
    {KEY "value a { text = x count = 1 }", MM_E_FORMAT, "t.conf:2:", "one way"},
    {KEY "value a { text = x digits = 1 }", MM_E_FORMAT,
	"t.conf:2:", "digits goes with count"},
    {KEY "value a { count = 1 alphabet = hex }", MM_E_FORMAT,
	"t.conf:2:", "alphabet goes with random"},
    {KEY "value a { random = 0 }", MM_E_RANGE, "t.conf:2:", "1 to 256"},
    {KEY "value a { random = 257 }", MM_E_RANGE, "t.conf:2:", "1 to 256"},
    {KEY "value a { count = 1 digits = 20 }", MM_E_RANGE,
	"t.conf:2:", "1 to 19"},
    {KEY "value a { count = 10 digits = 1 }", MM_E_RANGE,
	"t.conf:2:", "more than 1 digits"},
    {KEY "value a { random = 8 alphabet = x }", MM_E_FORMAT,
	"t.conf:2:", "hex, base32"},
    {KEY "value a { text = x secret = 1 }", MM_E_FORMAT,
	"t.conf:2:", "yes, no"},
    {KEY "value a { text = \"{a}\" }", MM_E_FORMAT, "t.conf:2:", "circle"},
    {KEY "value a { text = \"{b}\" }\nvalue b { text = \"{a}\" }", MM_E_FORMAT,
	"t.conf:3:", "circle"},
    {KEY "value a { text = \"{b\" }", MM_E_FORMAT, "t.conf:2:", "brace"},
    {KEY "value a { text = \"b}\" }", MM_E_FORMAT, "t.conf:2:", "brace"},
    {KEY "value a { text = \"{}\" }", MM_E_FORMAT, "t.conf:2:", "brace"},
    {KEY "value a { text = \"{certificate-serial}\" }", MM_E_FORMAT,
	"t.conf:2:", "not there before"},
    /* keys in eFuses */
    {KEY "chip = \"esp32c3\"\nflash-encryption = made", MM_E_FORMAT,
	"t.conf:3:", "needs partitions"},
    {KEY "hmac-key = made", MM_E_FORMAT, "t.conf:2:", "needs chip"},
    {KEY "chip = esp32\nhmac-key = made", MM_E_FORMAT,
	"t.conf:3:", "no HMAC peripheral"},
    {KEY CHIP "hmac-key = made", MM_E_FORMAT, "t.conf:4:", "no image uses"},
    {KEY CHIP "ds-key = \"31.key\"", MM_E_RANGE, "t.conf:4:", "31 bytes"},
    {KEY CHIP "flash-encryption = \"31.key\"", MM_E_RANGE,
	"t.conf:4:", "31.key"},
    {KEY CHIP "flash-encryption = \"none\"", MM_E_FILE, "t.conf:4:", "none"},
    {KEY CHIP "flash-key-size = 32", MM_E_FORMAT, "t.conf:4:", "goes with"},
    {KEY CHIP "flash-encryption = \"32.key\"\nflash-key-size = 32", MM_E_FORMAT,
	"t.conf:5:", "goes with"},
    {KEY CHIP "flash-encryption = made\nflash-key-size = 64", MM_E_RANGE,
	"t.conf:5:", "esp32c3 takes 32"},
    {KEY CHIP "flash-encryption = made\nflash-key-size = 0", MM_E_RANGE,
	"t.conf:5:", "1 to 64"},
    {KEY CHIP "flash-encryption = made\nflash-key-size = 65", MM_E_RANGE,
	"t.conf:5:", "1 to 64"},
    /* the root */
    {KEY "root = \"none.pem\"", MM_E_FILE, "t.conf:2:", "none.pem"},
    {KEY "root = \"creds.csv\"", MM_E_FORMAT, "t.conf:2:", "creds.csv"},
    {KEY CERT("ca = root"), MM_E_FORMAT, "t.conf:2:", "say root = FILE"},
    {KEY "image a { format = nvs size = 0x3000 rows = \"ca.csv\" }",
	MM_E_FORMAT, "t.conf:2:", "say root = FILE"},
    /* images */
    {KEY "image a { }", MM_E_FORMAT, "t.conf:2:", "no format"},
    {KEY "image a { format = x }", MM_E_FORMAT, "t.conf:2:", "nvs-keys"},
    {KEY "image a { format = nvs }", MM_E_FORMAT, "t.conf:2:", "no rows"},
    {KEY NVS(""), MM_E_FORMAT, "t.conf:2:", "no size"},
    {KEY NVS("size = 0x6001"), MM_E_RANGE, "", ""},
    {KEY NVS("size = 0x3000 version = 3"), MM_E_RANGE, "t.conf:2:", "1 to 2"},
    {KEY NVS("size = 0x3000 ds = yes"), MM_E_FORMAT,
	"t.conf:2:", "takes no ds"},
    {KEY NVS("size = 0x3000 keys = hmac"), MM_E_FORMAT,
	"t.conf:2:", "needs hmac-key"},
    {KEY NVS("size = 0x3000 keys = made"), MM_E_FORMAT,
	"t.conf:2:", "would be lost"},
    {KEY NVS("size = 0x3000 keys = \"31.key\""), MM_E_FORMAT, "", ""},
    {KEY "image a { format = nvs rows = \"bad.csv\" size = 0x3000 }",
	MM_E_FORMAT, "bad.csv", "line 2"},
    {KEY "image a { format = nvs rows = \"none.csv\" size = 0x3000 }",
	MM_E_FILE, "t.conf:2:", "none.csv"},
    {KEY CHIP "image a { format = \"secure-cert\" }", MM_E_FORMAT,
	"t.conf:4:", "no partition \"a\""},
    {KEY CHIP NVS("size = 0x7000"), MM_E_RANGE,
	"t.conf:4:", "its partition 24576"},
    {KEY CHIP NVS("") "image CREDS { format = \"secure-cert\" }", MM_E_FORMAT,
	"t.conf:5:", "one file"},
    {KEY "image \"../a\" { format = \"secure-cert\" }", MM_E_FORMAT,
	"t.conf:2:", "a partition's name"},
    {KEY "image otadata { format = \"secure-cert\" }", MM_E_FORMAT,
	"t.conf:2:", "the plan makes"},
    {KEY KEYS(""), MM_E_FORMAT, "t.conf:2:", "say for"},
    {KEY KEYS("for = creds"), MM_E_FORMAT, "t.conf:2:", "no NVS image"},
    {KEY NVS("size = 0x3000") KEYS("for = creds"), MM_E_FORMAT,
	"t.conf:3:", "no NVS image"},
    {RSA CERT("ds = yes"), MM_E_FORMAT, "t.conf:2:", "needs ds-key"},
    {KEY CHIP "ds-key = made\n" CERT("ds = yes"), MM_E_KEY_TYPE,
	"t.conf:5:", "RSA"},
    {RSA CHIP "ds-key = made\n" CERT(
	 "ds = yes") "image plain_cert { format = \"secure-cert\"\nds = yes "
		     "efuse-key "
		     "= 1 }",
	MM_E_FORMAT, "t.conf:7:", "different blocks"},
    {RSA CERT("efuse-key = 6"), MM_E_RANGE, "t.conf:2:", "0 to 5"},
    {RSA CERT("ca = \"none.pem\""), MM_E_FILE, "t.conf:2:", "none.pem"},
    {RSA CERT("layout = x"), MM_E_FORMAT, "t.conf:2:", "cust_flash"},
    {"key = csr\ncsr = x\n" NVS("size = 0x3000"), MM_E_FORMAT,
	"creds.csv line 3", "the device makes its key"},
    /* label */
    {KEY "label { kind = text }", MM_E_FORMAT, "t.conf:2:", "no template"},
    {KEY "label { kind = x }", MM_E_FORMAT, "t.conf:2:", "matter"},
    {KEY "label { template = x level = X }", MM_E_FORMAT, "t.conf:2:", "L, M"},
    {KEY "label { template = x format = pdf }", MM_E_FORMAT,
	"t.conf:2:", "svg, png"},
    {KEY "label { template = x mm = 7 }", MM_E_RANGE, "t.conf:2:", "8 to"},
    {KEY "label { template = x dots = 25 }", MM_E_RANGE, "t.conf:2:", "24"},
    {KEY "label { template = x scale = 21 }", MM_E_RANGE, "t.conf:2:", "20"},
    {KEY "label { template = x lines = {a, b, c, d, e} }", MM_E_RANGE,
	"t.conf:2:", "at most 4"},
    /* register */
    {KEY "register { ca = no }", MM_E_FORMAT, "t.conf:2:", "no kind"},
    {KEY "register { kind = x }", MM_E_FORMAT, "t.conf:2:", "aws-bulk"},
    {KEY "register { kind = mosquitto ca = no }", MM_E_FORMAT,
	"t.conf:2:", "takes no ca"},
    {KEY "register { kind = \"aws-bulk\" topic = x }", MM_E_FORMAT,
	"t.conf:2:", "takes no topic"},
    /* plan */
    {KEY "plan { }", MM_E_FORMAT, "t.conf:2:", "needs chip"},
    {KEY CHIP "plan { }", MM_E_FORMAT, "t.conf:", "nothing to do"},
    {KEY CHIP "plan { data = {\"x\"} }", MM_E_FORMAT,
	"t.conf:4:", "PARTITION=FILE"},
    {KEY CHIP "plan { app = \"none.bin\" }", MM_E_FILE,
	"t.conf:4:", "none.bin"},
    {KEY CHIP "plan { app = \"31.key\" }", MM_E_FORMAT, "t.conf:4:", "31.key"},
    {KEY CHIP "hmac-key = made\n" NVS("keys = hmac") "plan { table = yes }",
	MM_E_FORMAT, "t.conf:6:", "say hmac-block"},
    {KEY CHIP "plan { hmac-block = 1 }", MM_E_FORMAT,
	"t.conf:4:", "goes with hmac-key"},
    {KEY CHIP "plan { v1-key = \"none.key\" }", MM_E_FILE,
	"t.conf:4:", "none.key"},
    {KEY CHIP "plan { v1-key = \"32.key\" }", MM_E_FORMAT,
	"t.conf:4:", "no Secure Boot V1"},
    {KEY "chip = esp32\npartitions = \"partitions.csv\"\n"
	 "plan { v1-key = \"31.key\" }",
	MM_E_RANGE, "t.conf:4:", "31 bytes"},
    /* secrets in paths */
    {"key = csr\ncsr = \"{a}.csr\"\nvalue a { secret = yes }", MM_E_FORMAT,
	"t.conf:3:", "{a}, which is a secret"},
    {KEY "value a { text = \"{b}\" }\nvalue b { random = 4 secret = yes }\n"
	 "image i { format = nvs size = 0x3000 rows = \"path.csv\" }",
	MM_E_FORMAT, "t.conf:4:", "{a}, which is a secret"},
};

static void
what_is_wrong_is_refused_with_its_line(void **state)
{
	struct produce_room room;

	(void)state;
	begin(&room);
	room_write(&room, "31.key", "0123456789012345678901234567890");
	room_write(&room, "32.key", "01234567890123456789012345678901");
	room_write(&room, "ca.csv",
	    "key,type,encoding,value\nm,namespace,,\nc,file,binary,{ca.der}\n");
	room_write(&room, "path.csv",
	    "key,type,encoding,value\nm,namespace,,\nc,file,binary,x{a}\n");
	room_write(&room, "bad.csv", "key,type,encoding,value\nx,y,z,0\n");
	for (size_t i = 0; i < MM_COUNT(refusals); i++)
		room_refused(&room, refusals[i].text, refusals[i].error,
		    refusals[i].where, refusals[i].why);
	room_end(&room);
}

static void
too_many_of_something(void **state)
{
	struct produce_room room;
	mm_auto(buffer) text = {0};

	(void)state;
	begin(&room);
	mm_buffer_init(&text, 65536);
	mm_buffer_add_text(&text, KEY);
	for (size_t i = 0; i <= MM_PRODUCTION_VALUES_MAX; i++) {
		char *all = strndup((char *)text.data, text.size);

		if (i == MM_PRODUCTION_VALUES_MAX)
			room_read(&room, all);
		free(all);
		mm_buffer_printf(&text, "value v%zu { count = 1 }\n", i);
	}
	mm_buffer_add(&text, "", 1);
	room_refused(&room, (char *)text.data, MM_E_RANGE,
	    "t.conf:50:", "more than 48 values");
	mm_buffer_reset(&text);
	mm_buffer_add_text(&text, KEY);
	for (size_t i = 0; i <= MM_PRODUCTION_IMAGES_MAX; i++)
		mm_buffer_printf(
		    &text, "image i%zu { format = \"secure-cert\" }\n", i);
	mm_buffer_add(&text, "", 1);
	room_refused(&room, (char *)text.data, MM_E_RANGE,
	    "t.conf:18:", "more than 16 images");
	mm_buffer_reset(&text);
	mm_buffer_add_text(&text, KEY "value a { text = \"");
	for (size_t i = 0; i <= MM_PRODUCTION_NAMES_MAX; i++)
		mm_buffer_printf(&text, "{n%zu}", i);
	mm_buffer_add_text(&text, "\" }");
	mm_buffer_add(&text, "", 1);
	room_refused(&room, (char *)text.data, MM_E_RANGE,
	    "t.conf:2:", "too many values");
	room_end(&room);
}

/* --- what would be seen, and what lost --- */

static const struct {
	const char *text, *plain, *lost, *lost_always;
} facts_of[] = {
    {KEY, NULL, NULL, "the device's key"},
    {"key = csr\ncsr = x\n", NULL, NULL, NULL},
    {"key = csr\ncsr = x\n" CERT(""), NULL, NULL, NULL},
    {KEY NVS("size = 0x3000"), "image creds", NULL, NULL},
    {KEY CERT(""), "image esp_secure_cert", NULL, NULL},
    /* The chip decrypts no NVS partition. */
    {KEY CHIP "flash-encryption = made\n" NVS(""), "image creds",
	"the flash encryption key", NULL},
    {KEY CHIP "flash-encryption = made\n" CERT(""), NULL,
	"the flash encryption key", NULL},
    {KEY CHIP "flash-encryption = made\n"
	      "image plain_cert { format = \"secure-cert\" }",
	"image plain_cert", "the flash encryption key", NULL},
    {KEY CHIP "flash-encryption = \"32.key\"\n" CERT(""), NULL, NULL, NULL},
    {KEY CHIP "hmac-key = made\n" NVS("keys = hmac"), NULL, "the HMAC key",
	NULL},
    {KEY CHIP NVS("keys = made") KEYS("for = creds"), "image creds", NULL,
	NULL},
    {KEY CHIP NVS("keys = \"64.key\"") KEYS("for = creds"), "image creds", NULL,
	NULL},
    {KEY CHIP NVS("keys = \"64.key\""), NULL, NULL, NULL},
    {KEY CHIP "flash-encryption = made\n" NVS("keys = made")
	    KEYS("for = creds"),
	NULL, "the flash encryption key", NULL},
    {RSA CHIP "ds-key = made\n" CERT("ds = yes"), NULL,
	"the key of the DS peripheral", NULL},
    {RSA CHIP "ds-key = \"32.key\"\n" CERT("ds = yes") NVS(""), "image creds",
	NULL, NULL},
};

static void
same_text(const char *got, const char *wanted, size_t i)
{
	if (got == NULL && wanted == NULL)
		return;
	if (got == NULL || wanted == NULL || strstr(got, wanted) == NULL)
		fail_msg("%zu: \"%s\", not \"%s\"", i, got, wanted);
}

static void
what_would_be_seen_or_lost(void **state)
{
	struct produce_room room;

	(void)state;
	begin(&room);
	room_write(&room, "32.key", "0123456789abcdefghijklmnopqrstuv");
	room_write(&room, "64.key",
	    "0123456789abcdefghijklmnopqrstuv"
	    "vutsrqponmlkjihgfedcba9876543210");
	for (size_t i = 0; i < MM_COUNT(facts_of); i++) {
		struct mm_production_facts facts;

		room_read(&room, facts_of[i].text);
		mm_production_facts(room.production, &facts);
		same_text(facts.plain, facts_of[i].plain, i);
		same_text(facts.lost, facts_of[i].lost, i);
		same_text(facts.lost_always, facts_of[i].lost_always, i);
	}
	room_end(&room);
}

/* The run's journal knows its template by this. */
static void
read_changed(struct produce_room *room, uint8_t before[32])
{
	struct mm_production_facts facts;

	room_read(room, KEY CHIP NVS("keys = \"64.key\""));
	mm_production_facts(room->production, &facts);
	assert_memory_not_equal(before, facts.sha256, 32);
	memcpy(before, facts.sha256, 32);
}

static void
the_digest_is_of_all_that_is_named(void **state)
{
	static const char rows[] =
	    "key,type,encoding,value\nn,namespace,,\nx,file,binary,x.bin\n";
	struct produce_room room;
	struct mm_production_facts facts;
	uint8_t before[32] = {0};
	char text[sizeof(TABLE)] = TABLE, key[65];

	(void)state;
	begin(&room);
	memset(key, 'a', 32);
	memset(key + 32, 'b', 33);
	key[64] = '\0';
	room_write(&room, "64.key", key);
	read_changed(&room, before);
	/* Read again, it is the same. */
	room_read(&room, KEY CHIP NVS("keys = \"64.key\""));
	mm_production_facts(room.production, &facts);
	assert_memory_equal(before, facts.sha256, 32);
	/* One byte of each file. */
	memcpy(strstr(text, "plain_cert"), "other_cert", 10);
	room_write(&room, "partitions.csv", text);
	read_changed(&room, before);
	key[0] = 'c';
	room_write(&room, "64.key", key);
	read_changed(&room, before);
	room_write(&room, "x.bin", "x");
	room_write(&room, "creds.csv", rows);
	read_changed(&room, before);
	room_write(&room, "x.bin", "y");
	read_changed(&room, before);
	memcpy(text, rows, sizeof(rows));
	text[strlen("key,type,encoding,value\n")] = 'm';
	room_write(&room, "creds.csv", text);
	read_changed(&room, before);
	room_end(&room);
}

static void
what_is_made_of_a_secret_is_one(void **state)
{
	struct produce_room room;
	struct mm_production_facts facts;

	(void)state;
	begin(&room);
	room_read(&room, KEY
	    "value c { text = \"{b}\" }\nvalue b { text = \"x{a}\" }\n"
	    "value a { random = 4 secret = yes }\nvalue d { text = \"y\" }\n"
	    "label { template = \"{c}\" }\n");
	mm_production_facts(room.production, &facts);
	assert_string_equal(facts.results, "d");
	room_new(&room);
	room_finish(&room);
	assert_true(room_file(&room, "label.svg")->secret);
	room_end(&room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
	    cmocka_unit_test(too_many_of_something),
	    cmocka_unit_test(what_would_be_seen_or_lost),
	    cmocka_unit_test(the_digest_is_of_all_that_is_named),
	    cmocka_unit_test(what_is_made_of_a_secret_is_one),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
