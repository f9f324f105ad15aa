#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>

#include <cmocka.h>

#include "server/sandbox.h"

/* What a probe's child says by its exit status. */
enum { DONE = 0, REFUSED = 10, SURPRISE = 20 };

static char root[PATH_MAX];
static struct mm_settings settings;

static const char *
below(const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static int
make(const char *directory)
{
	return open(below(directory), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* --- probes; each runs in a child of its own, in the closed sandbox --- */

static int
verdict(long result)
{
	return result >= 0 ? DONE : REFUSED;
}

static int
open_outside(void)
{
	return verdict(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
write_outside(void)
{
	return verdict(make("outside/x"));
}

static int
make_socket(void)
{
	return verdict(socket(AF_INET, SOCK_STREAM, 0));
}

static int
make_unix_socket(void)
{
	return verdict(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int
execute(void)
{
	return verdict(execl("/bin/true", "true", NULL));
}

static int
fork_raw(void)
{
	return verdict(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int
trace(void)
{
	return verdict(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
trace_parent(void)
{
	return verdict(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int
kill_parent(void)
{
	return verdict(kill(getppid(), 0));
}

static int
map_code(void)
{
	return verdict(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
			   ? -1
			   : 0);
}

static int
make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return verdict(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int
become_dumpable(void)
{
	return verdict(prctl(PR_SET_DUMPABLE, 1));
}

static int
load_module(void)
{
	return verdict(syscall(SYS_init_module, NULL, 0, ""));
}

typedef int (*probe)(void);

static int
run(enum mm_process process, bool vendor, probe attempt)
{
	struct mm_configure configure = {.process = process,
	    .settings = mm_configure_settings(&settings, process)};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		configure.settings.token_vendor = vendor;
		if (mm_sandbox_begin(&configure) != MM_OK ||
		    mm_sandbox_close(&configure) != MM_OK) {
			fprintf(stderr, "%s\n", mm_why(MM_E_SYSTEM));
			_exit(SURPRISE);
		}
		_exit(attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool
was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool
was_refused(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
}

static bool
was_done(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == DONE;
}

/* --- what no process may --- */

static void
test_no_process_may_execute_fork_trace_or_connect(void **state)
{
	static const probe forbidden[] = {execute, fork_raw, trace,
	    trace_parent, kill_parent, make_socket, map_code, make_code,
	    load_module, make_unix_socket};

	(void)state;
	for (enum mm_process p = MM_GATE; p < MM_PROCESSES; p++)
		for (size_t i = 0; i < MM_COUNT(forbidden); i++)
			if (!(p == MM_TOKEN &&
				forbidden[i] == make_unix_socket) &&
			    !was_killed(run(p, false, forbidden[i])))
				fail_msg("%s may do forbidden thing %zu",
				    mm_process_name(p), i);
}

static int
tell_syslog(void)
{
	syslog(LOG_ERR, "nobody reads this");
	return DONE;
}

/* What SoftHSM does on a fault: it must come back to tell it. */
static void
test_the_token_outlives_a_word_to_syslog(void **state)
{
	(void)state;
	assert_true(was_refused(run(MM_TOKEN, false, make_unix_socket)));
	assert_true(was_done(run(MM_TOKEN, false, tell_syslog)));
	assert_true(was_killed(run(MM_NOTARY, false, tell_syslog)));
}

/* A vendor's module may have threads and sockets, and nothing more. */
static void
test_a_vendors_module_may_not_fork_or_execute(void **state)
{
	(void)state;
	assert_true(was_killed(run(MM_TOKEN, true, execute)));
	assert_true(was_killed(run(MM_TOKEN, true, fork_raw)));
	assert_true(was_killed(run(MM_TOKEN, true, trace)));
	assert_true(was_killed(run(MM_TOKEN, true, become_dumpable)));
	assert_true(was_killed(run(MM_TOKEN, true, map_code)));
	assert_true(was_done(run(MM_TOKEN, true, make_unix_socket)));
}

/* Killed by the filter, or refused by Landlock where calls for files stay. */
static void
test_no_process_opens_what_is_not_its_own(void **state)
{
	(void)state;
	for (enum mm_process p = MM_GATE; p < MM_PROCESSES; p++) {
		int wrote = run(p, false, write_outside);

		assert_true(was_killed(wrote) || was_refused(wrote));
	}
	assert_true(was_killed(run(MM_GATE, false, open_outside)));
	assert_true(was_killed(run(MM_INSPECTOR, false, open_outside)));
	assert_true(was_refused(run(MM_AUTHORITY, false, open_outside)));
	assert_true(was_refused(run(MM_NOTARY, false, open_outside)));
	assert_true(was_refused(run(MM_ARCHIVE, false, open_outside)));
}

/* --- who may write where --- */

static const char *probed;

static int
write_probed(void)
{
	return verdict(make(probed));
}

static void
test_each_writes_only_its_own_directories(void **state)
{
	static const struct {
		enum mm_process process;
		const char *file;
	} own[] = {
	    {MM_NOTARY, "state/x"},
	    {MM_NOTARY, "anchor/x"},
	    {MM_NOTARY, "log_key/x"},
	    {MM_ARCHIVE, "tiles/x"},
	    {MM_AUTHORITY, "index/x"},
	    {MM_TOKEN, "token_state/x"},
	    {MM_TOKEN, "tokens/x"},
	};

	(void)state;
	for (enum mm_process p = MM_GATE; p < MM_PROCESSES; p++)
		for (size_t i = 0; i < MM_COUNT(own); i++) {
			int status;

			probed = own[i].file;
			status = run(p, false, write_probed);
			if (was_done(status) != (own[i].process == p))
				fail_msg("%s and %s: status %x",
				    mm_process_name(p), own[i].file,
				    (unsigned)status);
		}
}

static int
read_state(void)
{
	return verdict(open(below("state/log.db"), O_RDONLY | O_CLOEXEC));
}

static void
test_only_notary_and_archive_read_the_store(void **state)
{
	(void)state;
	assert_true(was_done(run(MM_NOTARY, false, read_state)));
	assert_true(was_done(run(MM_ARCHIVE, false, read_state)));
	assert_true(was_refused(run(MM_AUTHORITY, false, read_state)));
	assert_true(was_refused(run(MM_TOKEN, false, read_state)));
	assert_true(was_killed(run(MM_GATE, false, read_state)));
	assert_true(was_killed(run(MM_INSPECTOR, false, read_state)));
}

static int
read_pin(void)
{
	return verdict(open(below("pin"), O_RDONLY | O_CLOEXEC));
}

static void
test_only_the_token_process_reads_the_pin(void **state)
{
	(void)state;
	for (enum mm_process p = MM_GATE; p < MM_PROCESSES; p++)
		assert_int_equal(
		    was_done(run(p, false, read_pin)), p == MM_TOKEN);
}

/* --- what stays possible --- */

static int
live(void)
{
	uint8_t *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *memory = malloc(1 << 20);

	if (page == MAP_FAILED || memory == NULL)
		return SURPRISE;
	memset(memory, 1, 1 << 20);
	free(memory);
	if (munmap(page, 65536) < 0)
		return SURPRISE;
	return write(STDOUT_FILENO, "", 0) == 0 ? DONE : SURPRISE;
}

static void
test_every_process_may_still_live(void **state)
{
	(void)state;
	for (enum mm_process p = MM_GATE; p < MM_PROCESSES; p++)
		assert_true(was_done(run(p, false, live)));
}

static int
hold_an_image(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 4096) < 0 || pwrite(fd, "x", 1, 0) != 1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		return SURPRISE;
	return DONE;
}

static void
test_a_gate_may_hold_an_image_in_memory(void **state)
{
	(void)state;
	assert_true(was_done(run(MM_GATE, false, hold_an_image)));
	assert_true(was_killed(run(MM_INSPECTOR, false, hold_an_image)));
}

enum { IMAGE = 4096 };

static int
keep_bytes(size_t size)
{
	static const uint8_t bytes[IMAGE + 1];
	int fd = memfd_create("copy", MFD_CLOEXEC);

	/* The rest of what does not fit is what ends a process. */
	for (size_t done = 0; fd >= 0 && done < size;) {
		ssize_t put = write(fd, bytes + done, size - done);

		if (put < 0)
			return REFUSED;
		done += (size_t)put;
	}
	return verdict(fd);
}

static int
keep_an_image(void)
{
	return keep_bytes(IMAGE);
}

static int
keep_more_than_an_image(void)
{
	return keep_bytes(IMAGE + 1);
}

/* Else whoever has taken one over fills the disk. */
static void
test_an_inspector_writes_no_more_than_an_image(void **state)
{
	(void)state;
	settings.image_max = IMAGE;
	assert_true(was_done(run(MM_INSPECTOR, false, keep_an_image)));
	assert_false(
	    was_done(run(MM_INSPECTOR, false, keep_more_than_an_image)));
}

static int
make_pair(void)
{
	int ends[2];

	return verdict(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
}

static void
test_only_the_authority_makes_channels(void **state)
{
	(void)state;
	for (enum mm_process p = MM_GATE; p < MM_PROCESSES; p++)
		assert_int_equal(
		    was_done(run(p, false, make_pair)), p == MM_AUTHORITY);
}

static int
abort_at_once(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void
test_abort_ends_a_process_as_such(void **state)
{
	int status;

	(void)state;
	status = run(MM_TOKEN, false, abort_at_once);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_false(WCOREDUMP(status));
}

/* --- before the filter --- */

static void
begin_and_look(void)
{
	const struct mm_configure configure = {.process = MM_INSPECTOR};
	struct rlimit core, cpu;

	if (mm_sandbox_begin(&configure) != MM_OK ||
	    mm_sandbox_begin(&configure) != MM_OK)
		_exit(SURPRISE);
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_CPU, &cpu);
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || core.rlim_max != 0 ||
	    cpu.rlim_max != 10)
		_exit(SURPRISE + 1);
	/* Landlock alone: no filter yet. */
	_exit(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES
		  ? DONE
		  : SURPRISE + 2);
}

static void
test_the_first_lines_take_privileges_and_files(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		begin_and_look();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, DONE);
}

static struct mm_span
place(const char *name)
{
	return mm_span_text(strdup(below(name)));
}

static int
set_up(void **state)
{
	static const char *const directories[] = {"state", "anchor", "log_key",
	    "tiles", "index", "token_state", "tokens", "outside"};
	static struct mm_text_item tokens;
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/sandbox.XXXXXX",
	    base != NULL ? base : "/tmp");
	if (mkdtemp(root) == NULL)
		return -1;
	for (size_t i = 0; i < MM_COUNT(directories); i++)
		if (mkdir(below(directories[i]), 0700) < 0)
			return -1;
	close(make("pin"));
	close(make("state/log.db"));
	settings.state = place("state");
	settings.anchor = place("anchor");
	settings.log_key = place("log_key");
	settings.tiles = place("tiles");
	settings.index = place("index");
	settings.token_state = place("token_state");
	settings.token_pin_file = place("pin");
	tokens.value = place("tokens");
	settings.token_paths = (struct mm_list){&tokens, 1};
	settings.connections = 16;
	return 0;
}

static int
tear_down(void **state)
{
	const struct mm_span *paths[] = {&settings.state, &settings.anchor,
	    &settings.log_key, &settings.tiles, &settings.index,
	    &settings.token_state, &settings.token_pin_file,
	    &((const struct mm_text_item *)settings.token_paths.items)->value};
	static const char *const files[] = {"state/x", "anchor/x", "log_key/x",
	    "tiles/x", "index/x", "token_state/x", "tokens/x", "state/log.db",
	    "pin"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(files); i++)
		unlink(below(files[i]));
	for (size_t i = 0; i < MM_COUNT(paths); i++) {
		rmdir((const char *)paths[i]->data);
		free((void *)(uintptr_t)paths[i]->data);
	}
	rmdir(below("outside"));
	return rmdir(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_process_may_execute_fork_trace_or_connect),
	    cmocka_unit_test(test_the_token_outlives_a_word_to_syslog),
	    cmocka_unit_test(test_a_vendors_module_may_not_fork_or_execute),
	    cmocka_unit_test(test_no_process_opens_what_is_not_its_own),
	    cmocka_unit_test(test_each_writes_only_its_own_directories),
	    cmocka_unit_test(test_only_notary_and_archive_read_the_store),
	    cmocka_unit_test(test_only_the_token_process_reads_the_pin),
	    cmocka_unit_test(test_every_process_may_still_live),
	    cmocka_unit_test(test_a_gate_may_hold_an_image_in_memory),
	    cmocka_unit_test(test_an_inspector_writes_no_more_than_an_image),
	    cmocka_unit_test(test_only_the_authority_makes_channels),
	    cmocka_unit_test(test_abort_ends_a_process_as_such),
	    cmocka_unit_test(test_the_first_lines_take_privileges_and_files),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
