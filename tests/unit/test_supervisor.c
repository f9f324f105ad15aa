/*
 * The supervisor with children that are stubs: this program, run by it as
 * `mintmarkd --role NAME`. What a stub does is in a scenario's name, which
 * travels as a setting; what it saw is in what it writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <sodium.h>

#include "protocol/journal.h"
#include "server/configure.h"
#include "server/lines.h"
#include "server/spawn.h"
#include "server/supervisor.h"

enum { PATIENCE_MS = 20000, TEXT_MAX = 65536 };

/* ---- the stubs */

static char scenario[PATH_MAX];
static uint64_t me;

static bool
plays(const char *name)
{
	return strcmp(scenario, name) == 0;
}

static void
say(uint64_t control)
{
	if (mm_channel_send(MM_CONTROL_FD, control, 0, NULL, NULL) != MM_OK)
		_exit(1);
}

_Noreturn static void
leave(enum mm_error error, const char *why)
{
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	mm_fail(error, "%s", why);
	if (mm_packet_encode_error(MM_CONTROL_READY, 0, error, &packet) ==
		MM_OK &&
	    mm_channel_send_bytes(
		MM_CONTROL_FD, mm_buffer_span(&packet), NULL) != MM_OK)
		_exit(1);
	_exit((int)mm_error_exit(error));
}

static void
say_kill(uint64_t process)
{
	const struct mm_control_link link = {process, 0};

	if (mm_channel_send(MM_CONTROL_FD, MM_CONTROL_KILL, 0,
		&mm_control_link_shape, &link) != MM_OK)
		_exit(1);
}

static void
say_inspect(void)
{
	mm_auto(buffer) packet = {0};
	int ends[2] = {-1, -1};
	int image = memfd_create("image", MFD_CLOEXEC);
	struct pollfd wait;

	mm_buffer_init(&packet, 256);
	if (mm_channel_pair(ends) != MM_OK ||
	    mm_packet_encode(MM_CONTROL_INSPECT, 0, NULL, NULL, &packet) !=
		MM_OK ||
	    mm_channel_send_bytes(MM_CONTROL_FD, mm_buffer_span(&packet),
		(const int[]){image, ends[1]}) != MM_OK)
		_exit(1);
	close(ends[1]);
	wait = (struct pollfd){ends[0], POLLIN, 0};
	poll(&wait, 1, PATIENCE_MS);
	mm_journal(MM_LEVEL_INFO, "inspected", "%s",
	    (wait.revents & POLLIN) != 0 ? "answer" : "closed");
}

/* What each scenario's role does once it is ready. */
static void
act(void)
{
	if (me == MM_AUTHORITY && plays("authority-done"))
		say(MM_CONTROL_DONE);
	if (me == MM_AUTHORITY && plays("authority-kills-token"))
		say_kill(MM_TOKEN);
	if (me == MM_AUTHORITY && plays("authority-kills-gate"))
		say_kill(MM_GATE);
	if (me == MM_AUTHORITY && plays("authority-kills-archive"))
		say_kill(MM_ARCHIVE);
	if (me == MM_AUTHORITY && plays("authority-kills-notary"))
		say_kill(MM_NOTARY);
	if (me == MM_AUTHORITY && plays("authority-kills-inspector"))
		say_kill(MM_INSPECTOR);
	if (me == MM_AUTHORITY && plays("authority-inspects"))
		say_inspect();
	if (me == MM_GATE && plays("gate-oversteps"))
		say(MM_CONTROL_INSPECT);
	if (me == MM_GATE && plays("gate-shouts"))
		fprintf(stderr, "a\tb\033[31m\nno level\n%02000d\n", 7);
}

static void
begin(void)
{
	if (me == MM_TOKEN && plays("token-pin"))
		leave(MM_E_PIN, "the token refuses the PIN");
	if (me == MM_TOKEN && plays("token-crash"))
		abort();
	if (me == MM_INSPECTOR) {
		say(MM_CONTROL_READY);
		return;
	}
	say(MM_CONTROL_READY);
	act();
}

static bool
descriptors_are_four(void)
{
	for (int fd = 0; fd < 256; fd++)
		if ((fcntl(fd, F_GETFD) >= 0) != (fd <= 3))
			return false;
	return true;
}

static void
hear(struct mm_received *message)
{
	struct mm_control_link link = {0, 0};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 4096);
	if (message->packet.type == MM_CONTROL_STOP) {
		if (plays("gate-hangs") && me == MM_GATE)
			return;
		_exit(0);
	}
	if (message->packet.type == MM_CONTROL_LINK &&
	    mm_shape_decode(&mm_control_link_shape, message->packet.body,
		&arena, &link) != MM_OK)
		_exit(1);
	mm_journal(MM_LEVEL_INFO, "got", "%u from %s with %d",
	    (unsigned)message->packet.type, mm_process_name(link.process),
	    (message->fds[0] >= 0) + (message->fds[1] >= 0));
	if (message->packet.type == MM_CONTROL_INSPECT) {
		if (write(message->fds[1], "x", 1) != 1)
			_exit(1);
		_exit(0);
	}
}

_Noreturn static void
stub(const char *name)
{
	mm_auto(received) first = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	struct mm_configure configure;
	bool clean = environ[0] == NULL && descriptors_are_four();

	mm_journal_open(name);
	mm_arena_init(&arena, 1 << 20);
	if (mm_channel_receive(MM_CONTROL_FD, &first) != MM_OK ||
	    mm_shape_decode(&mm_configure_shape, first.packet.body, &arena,
		&configure) != MM_OK)
		_exit(1);
	me = configure.process;
	mm_span_string(
	    configure.settings.directory, scenario, sizeof(scenario));
	mm_journal(MM_LEVEL_INFO, "began", "%s %s%s", scenario,
	    clean ? "clean" : "dirty", first.fds[0] >= 0 ? " file" : "");
	begin();
	for (;;) {
		mm_auto(received) message = {.fds = {-1, -1}};

		if (mm_channel_receive(MM_CONTROL_FD, &message) != MM_OK)
			_exit(1);
		if (message.closed && me == MM_GATE && plays("gate-hangs"))
			pause();
		if (message.closed)
			_exit(1);
		hear(&message);
	}
}

/* ---- a supervisor in a process of its own */

static char root[PATH_MAX];

struct mint {
	pid_t pid;
	int lines;
	char text[TEXT_MAX]; /* all that it wrote so far */
	size_t size;
};

static struct mm_settings settings;
static struct mm_text_item address;

static const char *
below(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void
start(struct mint *mint, const char *name, int genesis)
{
	int ends[2];

	*mint = (struct mint){0};
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	mint->pid = fork();
	assert_true(mint->pid >= 0);
	if (mint->pid == 0) {
		const struct mm_supervisor_options options = {
		    .genesis = genesis, .blobs = -1};

		dup2(ends[1], STDERR_FILENO);
		/* The way for a scenario's name: all stubs get it. */
		settings.directory = mm_span_text(name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(mm_supervisor_run(&settings, &options));
	}
	close(ends[1]);
	mint->lines = ends[0];
}

static bool
read_more(struct mint *mint)
{
	struct pollfd wait = {mint->lines, POLLIN, 0};
	ssize_t got;

	if (poll(&wait, 1, PATIENCE_MS) != 1)
		fail_msg("nothing more was said:\n%s", mint->text);
	got = read(mint->lines, mint->text + mint->size,
	    sizeof(mint->text) - 1 - mint->size);
	if (got > 0)
		mint->size += (size_t)got;
	mint->text[mint->size] = '\0';
	return got > 0;
}

static unsigned
times(const struct mint *mint, const char *text)
{
	const char *at = mint->text;
	unsigned count = 0;

	while ((at = strstr(at, text)) != NULL) {
		count++;
		at++;
	}
	return count;
}

static void
expect_times(struct mint *mint, const char *text, unsigned count)
{
	while (times(mint, text) < count)
		if (!read_more(mint))
			fail_msg(
			    "\"%s\" was not said, but:\n%s", text, mint->text);
}

static void
expect(struct mint *mint, const char *text)
{
	expect_times(mint, text, 1);
}

/* Reads to the end of everybody's stderr, and takes the exit status. */
static int
finish(struct mint *mint)
{
	int status;

	while (read_more(mint))
		;
	close(mint->lines);
	assert_int_equal(waitpid(mint->pid, &status, 0), mint->pid);
	return status;
}

static int
stop(struct mint *mint)
{
	assert_int_equal(kill(mint->pid, SIGTERM), 0);
	return finish(mint);
}

static void
assert_exit(int status, int expected)
{
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static bool
has_role(pid_t pid, const char *role)
{
	char path[64], line[64] = "";
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (file != NULL) {
		size = fread(line, 1, sizeof(line) - 1, file);
		fclose(file);
	}
	for (size_t i = 0; i < size; i++)
		if (line[i] == '\0')
			line[i] = ' ';
	return strstr(line, role) != NULL;
}

static pid_t
child_of(const struct mint *mint, const char *role)
{
	char path[64];
	pid_t pid, found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)mint->pid, (int)mint->pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1)
		if (has_role(pid, role))
			found = pid;
	fclose(file);
	return found;
}

static void
kill_child(const struct mint *mint, const char *role)
{
	pid_t pid = child_of(mint, role);

	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
}

/* ---- the start */

static void
test_it_starts_everybody_and_stops_them(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "plain", -1);
	expect(&mint, "mintmarkd: ready: 127.0.0.1:");
	/* key and ticket key, a socket, the authority */
	expect_times(&mint, "gate: got: 7 from supervisor with 2", 2);
	expect_times(&mint, "gate: got: 9 from supervisor with 1", 2);
	expect_times(&mint, "gate: got: 2 from authority with 1", 2);
	/* the key's SPKI, its three services, two gates */
	expect(&mint, "authority: got: 7 from supervisor with 0");
	expect(&mint, "authority: got: 2 from notary with 1");
	expect(&mint, "authority: got: 2 from archive with 1");
	expect(&mint, "authority: got: 2 from token with 1");
	expect_times(&mint, "authority: got: 2 from gate with 1", 2);
	expect(&mint, "notary: got: 2 from authority with 1");
	assert_int_equal(access(below("state/listen"), R_OK), 0);
	assert_exit(stop(&mint), MM_EXIT_YES);
	assert_int_equal(times(&mint, "clean"), 6);
	assert_int_equal(times(&mint, "dirty"), 0);
	assert_int_equal(times(&mint, "got: 2 "), 6 + 4);
}

static void
test_a_wrong_pin_ends_the_start_with_one_line(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "token-pin", -1);
	assert_exit(finish(&mint), MM_EXIT_CONFIG);
	assert_int_equal(
	    times(&mint, "mintmarkd: token: the token refuses the PIN\n"), 1);
	assert_int_equal(times(&mint, "mintmarkd: "), 1);
}

static void
test_a_crash_ends_the_start_with_one_line(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "token-crash", -1);
	assert_exit(finish(&mint), MM_EXIT_AWAY);
	assert_int_equal(
	    times(&mint, "mintmarkd: token: it was killed by signal 6"), 1);
	assert_int_equal(times(&mint, "mintmarkd: "), 1);
}

static void
test_a_second_one_on_the_state_is_refused(void **state)
{
	struct mint first, second;

	(void)state;
	start(&first, "plain", -1);
	expect(&first, "mintmarkd: ready");
	start(&second, "plain", -1);
	assert_exit(finish(&second), MM_EXIT_CONFIG);
	assert_int_equal(
	    times(&second, "mintmarkd: another mintmarkd runs on this state "
			   "directory"),
	    1);
	assert_exit(stop(&first), MM_EXIT_YES);
}

static void
assert_ends(int process)
{
	struct pollfd wait = {process, POLLIN, 0};

	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	close(process);
}

static void
test_nothing_is_left_after_a_kill(void **state)
{
	struct mint mint;
	int status, gate, notary;

	(void)state;
	/* Not even of who does not look at its control channel. */
	start(&mint, "gate-hangs", -1);
	expect(&mint, "mintmarkd: ready");
	gate = pidfd_open(child_of(&mint, "--role gate"), 0);
	notary = pidfd_open(child_of(&mint, "--role notary"), 0);
	assert_int_equal(kill(mint.pid, SIGKILL), 0);
	status = finish(&mint);
	assert_true(WIFSIGNALED(status));
	assert_ends(gate);
	assert_ends(notary);
	start(&mint, "plain", -1);
	expect(&mint, "mintmarkd: ready");
	assert_exit(stop(&mint), MM_EXIT_YES);
}

static void
test_foreign_directories_are_refused(void **state)
{
	struct mint mint;

	(void)state;
	assert_int_equal(chmod(below("anchor"), 0777), 0);
	start(&mint, "plain", -1);
	assert_exit(finish(&mint), MM_EXIT_CONFIG);
	assert_int_equal(times(&mint, "anchor: others may write"), 1);
	assert_int_equal(chmod(below("anchor"), 0700), 0);
	assert_int_equal(rmdir(below("anchor")), 0);
	start(&mint, "plain", -1);
	assert_exit(finish(&mint), MM_EXIT_CONFIG);
	assert_int_equal(times(&mint, "anchor: there is no "), 1);
	assert_int_equal(symlink("/", below("anchor")), 0);
	start(&mint, "plain", -1);
	assert_exit(finish(&mint), MM_EXIT_CONFIG);
	assert_int_equal(times(&mint, "is not a directory"), 1);
	assert_int_equal(unlink(below("anchor")), 0);
	assert_int_equal(mkdir(below("anchor"), 0700), 0);
}

static void
test_a_bad_address_is_refused(void **state)
{
	static const char *const bad[] = {"127.0.0.1", "localhost:1",
	    "127.0.0.1:65536", "127.0.0.1:", "::1:7433", "[::1:7433",
	    "[127.0.0.1]:1", "127.0.0.1:7433 ", "1.2.3.4:+1", "192.0.2.1:0"};
	struct mm_span good = address.value;
	struct mint mint;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		address.value = mm_span_text(bad[i]);
		start(&mint, "plain", -1);
		assert_exit(finish(&mint), MM_EXIT_CONFIG);
		assert_int_equal(times(&mint, "mintmarkd: "), 1);
	}
	address.value = good;
}

static void
test_it_listens_on_ipv6(void **state)
{
	struct mm_span good = address.value;
	struct mint mint;

	(void)state;
	address.value = mm_span_text("[::1]:0");
	start(&mint, "plain", -1);
	expect(&mint, "mintmarkd: ready: [::1]:");
	assert_exit(stop(&mint), MM_EXIT_YES);
	address.value = good;
}

/* ---- ends */

static void
test_who_ends_is_started_again_and_linked(void **state)
{
	static const struct {
		const char *role, *again;
		const char *linked;
		unsigned before;
	} rows[] = {
	    {"--role token", "token: began", "authority: got: 2 from token", 1},
	    {"--role archive", "archive: began",
		"authority: got: 2 from archive", 1},
	    {"--role gate", "gate: began", "authority: got: 2 from gate", 2},
	    {"--role authority", "authority: began",
		"token: got: 2 from authority", 1},
	};
	struct mint mint;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		start(&mint, "plain", -1);
		expect(&mint, "mintmarkd: ready");
		expect_times(&mint, rows[i].linked, rows[i].before);
		kill_child(&mint, rows[i].role);
		expect_times(&mint, rows[i].again, rows[i].before + 1);
		expect_times(&mint, rows[i].linked, rows[i].before + 1);
		assert_exit(stop(&mint), MM_EXIT_YES);
		assert_int_equal(times(&mint, "starts again in 0.1 s"), 1);
	}
}

static void
test_without_a_notary_the_service_ends(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "plain", -1);
	expect(&mint, "mintmarkd: ready");
	kill_child(&mint, "--role notary");
	assert_exit(finish(&mint), MM_EXIT_AWAY);
	assert_int_equal(
	    times(&mint, "mintmarkd: notary: it was killed by signal 9"), 1);
}

static void
test_a_child_that_does_not_leave_is_killed(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "gate-hangs", -1);
	expect(&mint, "mintmarkd: ready");
	/* A failure is not waited for as long as a calm stop. */
	kill_child(&mint, "--role notary");
	assert_exit(finish(&mint), MM_EXIT_AWAY);
}

static void
test_signals_in_masses_change_nothing(void **state)
{
	static const int storm[] = {
	    SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM};
	struct mint mint;

	(void)state;
	start(&mint, "plain", -1);
	expect(&mint, "mintmarkd: ready");
	for (size_t i = 0; i < 6000; i++)
		kill(mint.pid, storm[i % MM_COUNT(storm)]);
	expect(&mint, "mintmarkd: SIGHUP");
	kill(child_of(&mint, "--role token"), SIGTERM);
	kill(child_of(&mint, "--role token"), SIGINT);
	for (size_t i = 0; i < 1000; i++)
		kill(mint.pid, i % 2 == 0 ? SIGTERM : SIGINT);
	assert_exit(finish(&mint), MM_EXIT_YES);
	assert_int_equal(times(&mint, "mintmarkd: SIGHUP"), 1);
	assert_int_equal(times(&mint, "token: began"), 1);
}

/* ---- what children may say */

static void
test_the_authority_may_give_up_a_token_worker(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-kills-token", -1);
	expect(&mint, "mintmarkd: token: it missed its deadline");
	kill(mint.pid, SIGTERM);
	finish(&mint);
}

/* Else it would go on taking connections that nobody serves. */
static void
test_the_authority_may_give_up_a_gate(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-kills-gate", -1);
	expect(&mint, "mintmarkd: gate: it broke the protocol and was killed");
	kill(mint.pid, SIGTERM);
	finish(&mint);
}

static void
test_the_authority_may_give_up_an_archive(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-kills-archive", -1);
	expect(&mint,
	    "mintmarkd: archive: it broke the protocol and was killed");
	kill(mint.pid, SIGTERM);
	finish(&mint);
}

/* The service ends with it: for systemd to start both again. */
static void
test_the_authority_may_give_up_a_notary_that_hangs(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-kills-notary", -1);
	expect(&mint, "mintmarkd: notary: it missed its deadline");
	assert_exit(finish(&mint), MM_EXIT_AWAY);
	assert_int_equal(times(&mint, "mintmarkd: notary"), 1);
}

static void
test_the_authority_may_give_up_nobody_else(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-kills-inspector", -1);
	expect(&mint, "mintmarkd: authority: it broke the protocol");
	kill(mint.pid, SIGTERM);
	finish(&mint);
	assert_int_equal(times(&mint, "mintmarkd: inspector"), 0);
}

static void
test_a_gate_that_oversteps_is_killed(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "gate-oversteps", -1);
	expect(&mint, "mintmarkd: gate: it broke the protocol");
	kill(mint.pid, SIGTERM);
	finish(&mint);
	assert_int_equal(times(&mint, "inspector"), 0);
}

static void
test_an_inspector_gets_image_and_channel(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-inspects", -1);
	expect(&mint, "inspector: got: 6 from supervisor with 2");
	expect(&mint, "authority: inspected: answer");
	assert_exit(stop(&mint), MM_EXIT_YES);
}

static void
test_lines_are_bounded_and_harmless(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "gate-shouts", -1);
	expect(&mint, "gate: a?b?[31m\n");
	expect(&mint, "gate: no level\n");
	assert_exit(stop(&mint), MM_EXIT_YES);
	for (const char *c = mint.text; *c != '\0'; c++)
		assert_true(*c == '\n' || *c >= ' ');
	for (char *line = strtok(mint.text, "\n"); line != NULL;
	     line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= MM_LINE_MAX + 64);
}

/* ---- genesis */

static void
test_genesis_ends_when_it_is_done(void **state)
{
	struct mint mint;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	unlink(below("state/listen"));
	start(&mint, "authority-done", file);
	assert_exit(finish(&mint), MM_EXIT_YES);
	assert_int_equal(times(&mint, "gate"), 0);
	assert_int_equal(times(&mint, "ready"), 0);
	assert_int_equal(
	    times(&mint, "authority: began: authority-done clean file"), 1);
	assert_int_equal(
	    times(&mint, "token: began: authority-done clean\n"), 1);
	close(file);
}

static void
test_genesis_wants_an_empty_state(void **state)
{
	struct mint mint;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int left = open(below("state/left"), O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	start(&mint, "authority-done", file);
	assert_exit(finish(&mint), MM_EXIT_CONFIG);
	assert_int_equal(times(&mint, "is not empty"), 1);
	close(left);
	close(file);
	unlink(below("state/left"));
}

static void
test_done_is_not_said_while_serving(void **state)
{
	struct mint mint;

	(void)state;
	start(&mint, "authority-done", -1);
	expect(&mint, "mintmarkd: authority: it broke the protocol");
	kill(mint.pid, SIGTERM);
	finish(&mint);
}

/* ---- */

static const char *const directories[] = {
    "state", "anchor", "log_key", "tiles", "index", "token_state"};

static int
set_up(void **state)
{
	struct mm_span *places[] = {&settings.state, &settings.anchor,
	    &settings.log_key, &settings.tiles, &settings.index,
	    &settings.token_state};
	const char *base = getenv("TMPDIR");

	(void)state;
	mm_lines_open();
	snprintf(root, sizeof(root), "%s/supervisor.XXXXXX",
	    base != NULL ? base : "/tmp");
	if (mkdtemp(root) == NULL)
		return -1;
	for (size_t i = 0; i < MM_COUNT(directories); i++) {
		if (mkdir(below(directories[i]), 0700) < 0)
			return -1;
		*places[i] = mm_span_text(strdup(below(directories[i])));
	}
	address.value = mm_span_text("127.0.0.1:0");
	settings.listen = (struct mm_list){&address, 1};
	settings.gates = 2;
	settings.token_deadline = 10;
	return 0;
}

static int
tear_down(void **state)
{
	struct mm_span places[] = {settings.state, settings.anchor,
	    settings.log_key, settings.tiles, settings.index,
	    settings.token_state};

	(void)state;
	unlink(below("state/listen"));
	for (size_t i = 0; i < MM_COUNT(directories); i++) {
		rmdir(below(directories[i]));
		free((void *)(uintptr_t)places[i].data);
	}
	return rmdir(root);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_starts_everybody_and_stops_them),
	    cmocka_unit_test(test_a_wrong_pin_ends_the_start_with_one_line),
	    cmocka_unit_test(test_a_crash_ends_the_start_with_one_line),
	    cmocka_unit_test(test_a_second_one_on_the_state_is_refused),
	    cmocka_unit_test(test_nothing_is_left_after_a_kill),
	    cmocka_unit_test(test_foreign_directories_are_refused),
	    cmocka_unit_test(test_a_bad_address_is_refused),
	    cmocka_unit_test(test_it_listens_on_ipv6),
	    cmocka_unit_test(test_who_ends_is_started_again_and_linked),
	    cmocka_unit_test(test_without_a_notary_the_service_ends),
	    cmocka_unit_test(test_a_child_that_does_not_leave_is_killed),
	    cmocka_unit_test(test_signals_in_masses_change_nothing),
	    cmocka_unit_test(test_the_authority_may_give_up_a_token_worker),
	    cmocka_unit_test(test_the_authority_may_give_up_a_gate),
	    cmocka_unit_test(test_the_authority_may_give_up_an_archive),
	    cmocka_unit_test(
		test_the_authority_may_give_up_a_notary_that_hangs),
	    cmocka_unit_test(test_the_authority_may_give_up_nobody_else),
	    cmocka_unit_test(test_a_gate_that_oversteps_is_killed),
	    cmocka_unit_test(test_an_inspector_gets_image_and_channel),
	    cmocka_unit_test(test_lines_are_bounded_and_harmless),
	    cmocka_unit_test(test_genesis_ends_when_it_is_done),
	    cmocka_unit_test(test_genesis_wants_an_empty_state),
	    cmocka_unit_test(test_done_is_not_said_while_serving),
	};

	if (sodium_init() < 0)
		return 1;
	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		stub(argv[2]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
