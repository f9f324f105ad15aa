/*
 * Engineers who submit firmware at the same time, each over a connection of
 * its own and an ESP image of its own, again and again until SIGTERM. Says
 * "begun" when all of them are connected, and at the end how many images were
 * held against the rules in how many seconds.
 *
 *	engineers IDENTITY COUNT BYTES
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "protocol/client.h"
#include "tests/bench/measure.h"
#include "tests/unit/esp_make.h"

enum {
	COUNT_MAX = 64,
	BYTES_MIN = 1 << 16,
	BYTES_MAX = 16 << 20,
	WAIT = 30,
	BUSY_MS = 20,
	NICE = 19,
	ARENA = 1 << 20
};

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void
must(const char *what, enum mm_error error)
{
	if (error == MM_OK)
		return;
	fprintf(stderr, "engineers: %s: %s\n", what, mm_why(error));
	exit(1);
}

static enum mm_error
submit(struct mm_client *client, struct mm_span image, const char *version)
{
	struct mm_submit_request request = {
	    .product = mm_span_text("demo"), .version = mm_span_text(version)};
	struct mm_submit_answer answer = {.state = MM_RELEASE_REFUSED};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_client_upload(client, image, 0, NULL, NULL, &request.upload);
	if (error == MM_OK)
		error = mm_client_call(
		    client, MM_MESSAGE_SUBMIT, &request, &arena, &answer);
	if (error == MM_OK && answer.state != MM_RELEASE_KEPT)
		error = mm_fail(MM_E_IMAGE_RULES, "the image was refused");
	return error;
}

static uint32_t
work(struct mm_client *client, struct mm_span image, const char *version)
{
	const struct timespec pause = {.tv_nsec = BUSY_MS * 1000000L};
	uint32_t done = 0;

	while (!stopped) {
		enum mm_error error = submit(client, image, version);

		if (error == MM_E_BUSY)
			nanosleep(&pause, NULL);
		else
			must("submit", error);
		done += error == MM_OK;
	}
	return done;
}

/* One engineer's whole life: a byte when it can begin, then its number. */
static void
engineer(const char *identity, unsigned number, size_t bytes, int report)
{
	const uint32_t sizes[] = {1024, (uint32_t)(bytes - 4096)};
	mm_auto(buffer) image = {0};
	struct mm_client *client;
	char version[32];
	uint32_t done;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It stands for a computer of its own. */
	if (setpriority(PRIO_PROCESS, 0, NICE) < 0)
		exit(1);
	esp_make(sizes, MM_COUNT(sizes), &image);
	image.data[64] = (uint8_t)number;
	esp_seal(&image);
	snprintf(version, sizeof(version), "1.0.%u", number);
	must("connect", mm_client_open(identity, WAIT, &client));
	if (write(report, "", 1) != 1)
		exit(1);
	done = work(client, mm_buffer_span(&image), version);
	mm_client_close(client);
	if (write(report, &done, sizeof(done)) != sizeof(done))
		exit(1);
	exit(0);
}

static void
hear(int report, void *out, size_t size)
{
	if (read(report, out, size) != (ssize_t)size)
		must("an engineer", mm_fail(MM_E_AWAY, "it has left"));
}

int
main(int argc, char **argv)
{
	int reports[COUNT_MAX][2];
	pid_t pids[COUNT_MAX];
	unsigned count = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	size_t bytes = argc == 4 ? strtoul(argv[3], NULL, 10) & ~15UL : 0;
	unsigned long images = 0;
	uint32_t done;
	double began;
	sigset_t term;
	int caught;

	if (count == 0 || count > COUNT_MAX || bytes < BYTES_MIN ||
	    bytes > BYTES_MAX)
		return 64;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	signal(SIGTERM, stop);
	for (unsigned i = 0; i < count; i++) {
		if (pipe(reports[i]) < 0 || (pids[i] = fork()) < 0)
			must("fork", MM_E_SYSTEM);
		if (pids[i] == 0)
			engineer(argv[1], i, bytes, reports[i][1]);
		close(reports[i][1]);
	}
	sigprocmask(SIG_BLOCK, &term, NULL);
	for (unsigned i = 0; i < count; i++)
		hear(reports[i][0], &(uint8_t){0}, 1);
	began = now();
	puts("begun");
	fflush(stdout);
	sigwait(&term, &caught);
	for (unsigned i = 0; i < count; i++)
		kill(pids[i], SIGTERM);
	for (unsigned i = 0; i < count; i++) {
		hear(reports[i][0], &done, sizeof(done));
		images += done;
		waitpid(pids[i], NULL, 0);
	}
	printf("%lu images %.3f seconds\n", images, now() - began);
	return 0;
}
