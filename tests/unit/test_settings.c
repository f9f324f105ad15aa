/* Settings: what is read, and what people are told about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/settings.h"
#include "text_file.h"

/* Lines are counted in the tests below. */
static const char good[] =
    "listen = {\"127.0.0.1:7433\", \"[::1]:7433\"}\n"
    "state = \"state\"\n"
    "anchor = \"/mnt/other/anchor\"\n"
    "log-key = \"./log-key/\"\n"
    "tiles = \"log\"\n"
    "index = \"index\"\n"
    "token {\n"
    "	module = \"/usr/lib/softhsm/libsofthsm2.so\"\n"
    "	uri = \"pkcs11:token=mint;serial=00ff\"\n"
    "	pin-file = \"pin\"\n"
    "	record = \"record\"\n"
    "	environment = {\"SOFTHSM2_CONF=/etc/softhsm2.conf\"}\n"
    "	paths = {\"tokens\", \"/etc/softhsm2.conf\"}\n"
    "}\n"
    "limits {\n"
    "	image = 1M\n"
    "	idle = 2h\n"
    "}\n"
    "log {\n"
    "	witness = {\"north+1+A\", \"south+2+B\"}\n"
    "}\n";

static enum mm_error
read_text(const char *text, struct mm_arena *arena, struct mm_settings *out)
{
	text_file_write(text);
	mm_arena_init(arena, 1 << 20);
	return mm_settings_read(text_path, arena, out);
}

static void
expect_refused(
    const char *what, const char *with, const char *place, const char *why)
{
	mm_autofree char *text = text_replace(good, what, with);
	struct mm_settings settings = {.gates = 77};
	mm_auto(arena) arena = {0};

	assert_int_equal(read_text(text, &arena, &settings), MM_E_SETTING);
	assert_int_equal(settings.gates, 77);
	if (strstr(mm_why(MM_E_SETTING), place) == NULL ||
	    strstr(mm_why(MM_E_SETTING), why) == NULL)
		fail_msg("\"%s\" says neither \"%s\" nor \"%s\"",
		    mm_why(MM_E_SETTING), place, why);
}

static void
expect_allowed(const char *what, const char *with)
{
	mm_autofree char *text = text_replace(good, what, with);
	struct mm_settings settings;
	mm_auto(arena) arena = {0};

	if (read_text(text, &arena, &settings) != MM_OK)
		fail_msg("%s", mm_why(MM_E_SETTING));
}

static void
assert_path(struct mm_span path, const char *relative)
{
	char whole[600];

	snprintf(whole, sizeof(whole), "%s/%s", text_directory, relative);
	if (!mm_span_is(path, whole))
		fail_msg("%.*s is not %s", MM_SPAN(path), whole);
}

static struct mm_span
item(const struct mm_list *list, size_t i)
{
	return mm_list_at(*list, struct mm_text_item, i)->value;
}

static void
paths_come_out_absolute(void **state)
{
	struct mm_settings s;
	mm_auto(arena) arena = {0};

	(void)state;
	assert_int_equal(read_text(good, &arena, &s), MM_OK);
	assert_true(mm_span_is(s.directory, text_directory));
	assert_path(s.state, "state");
	assert_true(mm_span_is(s.anchor, "/mnt/other/anchor"));
	assert_path(s.log_key, "log-key");
	assert_path(s.tiles, "log");
	assert_path(s.index, "index");
	assert_path(s.token_state, "record");
	assert_path(s.token_pin_file, "pin");
	assert_path(item(&s.token_paths, 0), "tokens");
	assert_true(mm_span_is(item(&s.token_paths, 1), "/etc/softhsm2.conf"));
}

static void
values_and_defaults(void **state)
{
	struct mm_settings s;
	mm_auto(arena) arena = {0};

	(void)state;
	assert_int_equal(read_text(good, &arena, &s), MM_OK);
	assert_int_equal(s.listen.count, 2);
	assert_true(mm_span_is(item(&s.listen, 1), "[::1]:7433"));
	assert_int_equal(s.gates, 0);
	assert_int_equal(s.users.count, 0);
	assert_true(mm_span_is(s.token_uri, "pkcs11:token=mint;serial=00ff"));
	assert_int_equal(s.token_environment.count, 1);
	assert_int_equal(s.token_deadline, 10);
	assert_false(s.token_vendor);
	assert_int_equal(s.image_max, 1 << 20);
	assert_int_equal(s.idle_deadline, 7200);
	assert_int_equal(s.uploads, 4);
	assert_int_equal(s.image_room, 1 << 30);
	assert_int_equal(s.image_days, 30);
	assert_int_equal(s.connections, 4096);
	assert_int_equal(s.connections_source, 512);
	assert_int_equal(s.handshake_deadline, 10);
	assert_int_equal(s.frame_deadline, 30);
	assert_int_equal(s.reserve, 64 << 20);
}

static void
requests_a_minute_have_a_limit(void **state)
{
	static const struct {
		const char *line;
		uint64_t limit;
	} rows[] = {{"", 600}, {"	requests-a-minute = 0\n", 0},
	    {"	requests-a-minute = 1\n", 1},
	    {"	requests-a-minute = 1000000\n", 1000000}};
	char with[80];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_autofree char *text = NULL;
		struct mm_settings s;
		mm_auto(arena) arena = {0};

		snprintf(
		    with, sizeof(with), "%s	image = 1M\n", rows[i].line);
		text = text_replace(good, "	image = 1M\n", with);
		assert_int_equal(read_text(text, &arena, &s), MM_OK);
		assert_int_equal(s.requests_minute, rows[i].limit);
	}
	expect_refused("	image = 1M", "	requests-a-minute = 1000001",
	    "text.conf:", "not within");
}

static void
the_image_limit_is_16_mib_by_default(void **state)
{
	mm_autofree char *text = text_replace(good, "	image = 1M\n", "");
	struct mm_settings s;
	mm_auto(arena) arena = {0};

	(void)state;
	assert_int_equal(read_text(text, &arena, &s), MM_OK);
	assert_int_equal(s.image_max, 16777216);
}

static void
settings_survive_the_way_to_a_child(void **state)
{
	struct mm_settings s, again;
	mm_auto(arena) arena = {0};
	mm_auto(arena) other = {0};
	mm_auto(buffer) bytes = {0};

	(void)state;
	mm_buffer_init(&bytes, 65536);
	mm_arena_init(&other, 1 << 20);
	assert_int_equal(read_text(good, &arena, &s), MM_OK);
	assert_int_equal(
	    mm_shape_encode(&mm_settings_shape, &s, &bytes), MM_OK);
	assert_int_equal(mm_shape_decode(&mm_settings_shape,
			     mm_buffer_span(&bytes), &other, &again),
	    MM_OK);
	assert_int_equal(again.reserve, s.reserve);
	assert_true(mm_span_equal(again.token_uri, s.token_uri));
	assert_int_equal(again.token_paths.count, 2);
	assert_int_equal(again.witnesses.count, 2);
	assert_true(mm_span_is(item(&again.witnesses, 1), "south+2+B"));
	/* A child that needs nothing gets nothing. */
	mm_buffer_reset(&bytes);
	s = (struct mm_settings){0};
	assert_int_equal(
	    mm_shape_encode(&mm_settings_shape, &s, &bytes), MM_OK);
	assert_int_equal(bytes.size, 1);
}

static void
unknown_keys_are_told_with_their_line(void **state)
{
	(void)state;
	expect_refused("index = ", "indes = ", "text.conf:6:", "'indes'");
	expect_refused("index = ", "indes = ", "known here", "log-key");
	expect_refused("uri = ", "url = ", "text.conf:9:", "'url'");
	expect_refused("idle = ", "idel = ", "text.conf:17:", "'idel'");
	expect_refused("limits", "limit", "text.conf:15:", "'limit'");
}

static void
missing_keys_are_told(void **state)
{
	(void)state;
	expect_refused("state = \"state\"\n", "", "text.conf", "state is");
	expect_refused("	uri = \"pkcs11:token=mint;serial=00ff\"\n", "",
	    "token", "uri is missing");
	expect_refused("listen = {\"127.0.0.1:7433\", \"[::1]:7433\"}",
	    "listen = {}", "text.conf", "listen is missing");
}

static void
nothing_is_given_twice(void **state)
{
	(void)state;
	expect_refused(
	    "	idle = 2h", "	image = 2M", "text.conf:17:", "given twice");
	expect_refused("limits {", "token { uri = \"pkcs11:x\" }\nlimits {",
	    "text.conf:15:", "given twice");
}

static void
numbers_have_types_and_bounds(void **state)
{
	(void)state;
	expect_allowed("state = ", "gates = 64\nstate = ");
	expect_refused(
	    "state = ", "gates = 65\nstate = ", "text.conf:2:", "0 to 64");
	expect_refused("state = ", "gates = two\nstate = ", "text.conf:2:",
	    "not a number");
	expect_allowed("image = 1M", "image = 1K");
	expect_refused(
	    "image = 1M", "image = 1023", "text.conf:16:", "not within");
	expect_allowed("image = 1M", "image = 1G");
	expect_refused(
	    "image = 1M", "image = 1073741825", "text.conf:16:", "not within");
	expect_allowed("image = 1M", "image-room = 1M");
	expect_refused("image = 1M", "image-room = 1023K", "text.conf:16:",
	    "not within");
	expect_allowed("image = 1M", "image-days = 1");
	expect_refused(
	    "image = 1M", "image-days = 0", "text.conf:16:", "within");
	expect_allowed("image = 1M", "image-days = 3650");
	expect_refused(
	    "image = 1M", "image-days = 3651", "text.conf:16:", "within");
	expect_refused("image = 1M", "image = 1m", "text.conf:16:", "16M");
	expect_allowed("idle = 2h", "reserve = 1048576G");
	expect_refused(
	    "idle = 2h", "reserve = 1048577G", "text.conf:17:", "not within");
	expect_refused("image = 1M", "image = M", "text.conf:16:", "16M");
	expect_refused("idle = 2h", "idle = 2", "text.conf:17:", "10s");
	expect_refused("idle = 2h", "idle = 25h", "text.conf:17:", "within");
	expect_refused("idle = 2h", "uploads = 0", "text.conf:17:", "within");
	expect_refused("idle = 2h", "uploads = 65", "text.conf:17:", "within");
	expect_refused("limits {", "token { vendor = maybe }\nlimits {",
	    "text.conf:15:", "neither yes nor no");
	expect_allowed("limits {", "token { vendor = yes }\nlimits {");
	expect_allowed("idle = 2h", "uploads = 64");
}

static void
listeners_are_host_and_port(void **state)
{
	static const char *const bad[] = {"127.0.0.1", ":7433", "[::1]",
	    "127.0.0.1:00", "mint:7433", "127.0.0.1:65536", "127.0.0.1:+1",
	    "127.0.0.1:", "127.0.0.1:074", "::1:7433", "[::1:7433",
	    "[::g]:7433", "[]:7433", "a b:7433", "[127.0.0.1]:7433", "a:1 "};
	static const char *const fine[] = {"0.0.0.0:1", "127.0.0.1:65535",
	    "127.0.0.1:0", "[::]:7433",
	    "[fe80:0:0:0:1111:2222:3333:4444]:7433"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		expect_refused(
		    "127.0.0.1:7433", bad[i], "text.conf:1:", "is not like");
	for (size_t i = 0; i < MM_COUNT(fine); i++)
		expect_allowed("127.0.0.1:7433", fine[i]);
}

static void
no_pin_stands_in_the_uri(void **state)
{
	(void)state;
	expect_refused("serial=00ff", "serial=00ff?pin-value=1234",
	    "text.conf:9:", "no PIN stands in a URI");
	assert_null(strstr(mm_why(MM_E_SETTING), "1234"));
	expect_refused("serial=00ff", "serial=00ff?pin-source=file:x",
	    "text.conf:9:", "no PIN");
	expect_refused("pkcs11:token", "token", "text.conf:9:", "pkcs11:");
}

static void
the_pin_comes_from_the_credentials(void **state)
{
	struct mm_settings s;
	mm_autofree char *text =
	    text_replace(good, "	pin-file = \"pin\"\n", "");
	mm_auto(arena) arena = {0};
	mm_auto(arena) other = {0};

	(void)state;
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(read_text(text, &arena, &s), MM_E_SETTING);
	assert_non_null(strstr(mm_why(MM_E_SETTING), "no credentials"));
	assert_int_equal(
	    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1), 0);
	assert_int_equal(read_text(text, &other, &s), MM_OK);
	assert_true(mm_span_is(s.token_pin_file, "/run/credentials/x/pin"));
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

static void
the_environment_stays_outside(void **state)
{
	(void)state;
	expect_refused("index = \"index\"", "index = \"${HOME}\"",
	    "text.conf:6:", "${...}");
}

static void
directories_are_apart(void **state)
{
	(void)state;
	expect_refused("anchor = \"/mnt/other/anchor\"",
	    "anchor = \"state/anchor\"", "text.conf", "anchor lies in state");
	expect_refused(
	    "tiles = \"log\"", "tiles = \"state/\"", "text.conf", "lies in");
	expect_refused(
	    "index = \"index\"", "index = \".\"", "text.conf", "lies in");
	expect_refused("record = \"record\"", "record = \"index//x\"",
	    "text.conf", "record lies in index");
	expect_allowed("tiles = \"log\"", "tiles = \"state2\"");
}

static void
paths_are_straight(void **state)
{
	(void)state;
	expect_refused(
	    "tiles = \"log\"", "tiles = \"../log\"", "text.conf:5:", "..");
	expect_refused(
	    "tiles = \"log\"", "tiles = \"log/..\"", "text.conf:5:", "..");
	expect_allowed("tiles = \"log\"", "tiles = \"lo..g\"");
	expect_refused(
	    "tiles = \"log\"", "tiles = \"\"", "text.conf:5:", "bytes");
	expect_refused("tiles = \"log\"", "tiles = \"/\"", "", "the path");
	expect_refused("tiles = \"log\"", "tiles = \"a\\x1b[2J\"",
	    "text.conf:5:", "printable");
}

static void
users_are_one_a_role(void **state)
{
	(void)state;
	expect_allowed(
	    "state = ", "users = {\"gate=mint\", \"token=mint\"}\nstate = ");
	expect_refused("state = ", "users = {\"gat=mint\"}\nstate = ",
	    "text.conf:2:", "the roles are");
	expect_refused("state = ", "users = {\"supervisor=mint\"}\nstate = ",
	    "text.conf:2:", "the roles are");
	expect_refused("state = ", "users = {\"gate=\"}\nstate = ",
	    "text.conf:2:", "the roles are");
	expect_refused("state = ", "users = {\"gate=a\", \"gate=b\"}\nstate = ",
	    "text.conf", "second of its role");
}

static void
environment_is_name_and_value(void **state)
{
	(void)state;
	expect_refused(
	    "SOFTHSM2_CONF=", "SOFTHSM2 CONF=", "text.conf:12:", "NAME=value");
	expect_refused("SOFTHSM2_CONF=", "", "text.conf:12:", "NAME=value");
	expect_refused("SOFTHSM2_CONF=", "=", "text.conf:12:", "NAME=value");
	expect_allowed("SOFTHSM2_CONF=/etc/softhsm2.conf", "EMPTY=");
}

/* THREATS.md row 19 */
static void
files_that_others_could_write_are_refused(void **state)
{
	static const mode_t modes[] = {0602, 0620, 0666};
	struct mm_settings s;
	mm_auto(arena) arena = {0};

	(void)state;
	assert_int_equal(read_text(good, &arena, &s), MM_OK);
	for (size_t i = 0; i < MM_COUNT(modes); i++) {
		assert_int_equal(chmod(text_path, modes[i]), 0);
		assert_int_equal(
		    mm_settings_read(text_path, &arena, &s), MM_E_SETTING);
		assert_non_null(
		    strstr(mm_why(MM_E_SETTING), "written by others"));
	}
	assert_int_equal(chmod(text_path, 0644), 0);
	assert_int_equal(mm_settings_read(text_path, &arena, &s), MM_OK);
}

static void
only_regular_files_are_read(void **state)
{
	char link[320];
	struct mm_settings s;
	mm_auto(arena) arena = {0};
	mm_auto(arena) other = {0};

	(void)state;
	assert_int_equal(read_text(good, &arena, &s), MM_OK);
	snprintf(link, sizeof(link), "%s.link", text_path);
	assert_int_equal(symlink(text_path, link), 0);
	assert_int_equal(mm_settings_read(link, &arena, &s), MM_E_SETTING);
	assert_non_null(strstr(mm_why(MM_E_SETTING), "symbolic link"));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(
	    mm_settings_read(text_directory, &arena, &s), MM_E_SETTING);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_int_equal(mm_settings_read(link, &arena, &s), MM_E_SETTING);
	assert_non_null(strstr(mm_why(MM_E_SETTING), "regular file"));
	assert_int_equal(unlink(link), 0);
	mm_arena_init(&other, 4096);
	assert_int_equal(
	    mm_settings_read("no-such-file", &other, &s), MM_E_SETTING);
	assert_non_null(strstr(mm_why(MM_E_SETTING), "no-such-file"));
}

static void
large_files_are_refused(void **state)
{
	mm_autofree char *text = calloc(1, 65538);
	struct mm_settings s;
	mm_auto(arena) arena = {0};
	mm_auto(arena) other = {0};

	(void)state;
	assert_non_null(text);
	memset(text, '\n', 65536);
	memcpy(text, good, sizeof(good) - 1);
	assert_int_equal(read_text(text, &arena, &s), MM_OK);
	text[65536] = '\n';
	assert_int_equal(read_text(text, &other, &s), MM_E_SETTING);
	assert_non_null(strstr(mm_why(MM_E_SETTING), "limit"));
}

/* Their keys are judged where the log's formats are known. */
static void
there_are_sixteen_witnesses_at_most(void **state)
{
	mm_auto(buffer) list = {0};

	(void)state;
	mm_buffer_init(&list, 4096);
	mm_buffer_add_text(&list, "{\"a+0+A\"");
	for (int i = 1; i < 16; i++)
		mm_buffer_add_text(&list, ", \"a+0+A\"");
	mm_buffer_add(&list, "}", 2);
	expect_allowed("{\"north+1+A\", \"south+2+B\"}", (char *)list.data);
	list.size -= 2;
	mm_buffer_add_text(&list, ", \"b+0+A\"}");
	mm_buffer_add(&list, "", 1);
	expect_refused("{\"north+1+A\", \"south+2+B\"}", (char *)list.data,
	    "text.conf:20:", "witness");
	expect_allowed("{\"north+1+A\", \"south+2+B\"}", "{}");
	expect_refused("log {", "log { witness = {\"x\"} }\nlog {",
	    "text.conf:21:", "given twice");
}

static void
the_example_is_valid(void **state)
{
	struct mm_settings s;
	mm_auto(buffer) example = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_buffer_init(&example, 0);
	assert_int_equal(
	    mm_file_read("conf/appliance.conf", 65536, &example), MM_OK);
	mm_buffer_add(&example, "", 1);
	assert_int_equal(
	    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1), 0);
	if (read_text((const char *)example.data, &arena, &s) != MM_OK)
		fail_msg("%s", mm_why(MM_E_SETTING));
	assert_int_equal(s.users.count, 6);
	assert_true(mm_span_is(s.token_pin_file, "/run/credentials/x/pin"));
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown( \
	    name, text_file_setup, text_file_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(paths_come_out_absolute),
	    TEST(values_and_defaults), TEST(requests_a_minute_have_a_limit),
	    TEST(the_image_limit_is_16_mib_by_default),
	    TEST(settings_survive_the_way_to_a_child),
	    TEST(unknown_keys_are_told_with_their_line),
	    TEST(missing_keys_are_told), TEST(nothing_is_given_twice),
	    TEST(numbers_have_types_and_bounds),
	    TEST(listeners_are_host_and_port), TEST(no_pin_stands_in_the_uri),
	    TEST(the_pin_comes_from_the_credentials),
	    TEST(the_environment_stays_outside), TEST(directories_are_apart),
	    TEST(paths_are_straight), TEST(users_are_one_a_role),
	    TEST(environment_is_name_and_value),
	    TEST(files_that_others_could_write_are_refused),
	    TEST(only_regular_files_are_read), TEST(large_files_are_refused),
	    TEST(there_are_sixteen_witnesses_at_most),
	    TEST(the_example_is_valid)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
