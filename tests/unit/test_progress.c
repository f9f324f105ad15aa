/* Progress on a terminal: one line, however narrow, and gone in the end;
 * nothing anywhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/progress.h"

enum { SECOND = 1000, SAID = 4096 };

/* What a reading that is `done` of `size` says on a terminal of this width;
 * 0 columns: one that does not say its width. */
static void
draw(unsigned short columns, uint64_t bytes, uint64_t done, uint64_t size,
    char out[SAID])
{
	const struct winsize width = {.ws_row = 24, .ws_col = columns};
	struct mm_progress progress;
	int master, slave, stderr_fd = dup(STDERR_FILENO);
	const char *begin = out;
	ssize_t got;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &width), 0);
	assert_int_equal(dup2(slave, STDERR_FILENO), STDERR_FILENO);
	mm_progress_begin(&progress, "entries");
	/* As if the first entry had been read a second ago. */
	progress.begun -= SECOND;
	progress.told -= SECOND;
	progress.counting = true;
	progress.bytes = bytes;
	mm_progress_tell(&progress, done, size);
	mm_progress_end(&progress);
	mm_progress_end(&progress);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(slave);
	/* It comes in pieces, until the other side is closed. */
	while ((got = read(master, out, SAID - 1 - (size_t)(out - begin))) > 0)
		out += got;
	*out = '\0';
	close(master);
}

static void
test_it_says_how_far_it_is(void **state)
{
	static const char begin[] = "\r\033[K[##########              ]   42%  "
				    "4352 of 10240 entries, ";
	static const char end[] = "/s, 2.0 MB/s, 1 s left\r\033[K";
	char said[SAID];

	(void)state;
	draw(200, 2000000, 4352, 10240, said);
	assert_memory_equal(said, begin, strlen(begin));
	assert_string_equal(said + strlen(said) - strlen(end), end);
}

/* What wraps cannot be taken away again. */
static void
test_it_is_one_line(void **state)
{
	static const char erase[] = "\r\033[K";
	const size_t around = 2 * strlen(erase);
	char said[SAID];

	(void)state;
	for (unsigned short columns = 0; columns < 140; columns++) {
		draw(columns, 123456789, 9999872, 10000000, said);
		assert_true(strlen(said) >= around);
		assert_true(
		    strlen(said) - around < (columns > 0 ? columns : 80U));
		assert_memory_equal(said, erase, strlen(erase));
		assert_string_equal(said + strlen(said) - strlen(erase), erase);
	}
}

static void
test_nothing_where_there_is_no_terminal(void **state)
{
	struct mm_progress progress;
	int ends[2], stderr_fd = dup(STDERR_FILENO);
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	mm_progress_begin(&progress, "entries");
	progress.told -= SECOND;
	mm_progress_tell(&progress, 256, 512);
	mm_progress_end(&progress);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	assert_int_equal(read(ends[0], &byte, 1), -1);
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_says_how_far_it_is),
	    cmocka_unit_test(test_it_is_one_line),
	    cmocka_unit_test(test_nothing_where_there_is_no_terminal)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
