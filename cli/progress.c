#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
	INTERVAL_MS = 200,
	LOOK = 256,   /* entries between two looks at the clock */
	COLUMNS = 80, /* where the terminal does not say */
	BAR = 24,
	AROUND = 4, /* the bar: its brackets, two blanks */
	TEXT = 160
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
mm_progress_begin(struct mm_progress *progress, const char *what)
{
	int64_t now = now_ms();

	*progress = (struct mm_progress){.what = what,
	    .begun = now,
	    .told = now,
	    .terminal = isatty(STDERR_FILENO) == 1};
}

/* A line that wraps cannot be taken away again: the last column stays free. */
static int
columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS - 1;
	return size.ws_col - 1;
}

static void
draw(const struct mm_progress *progress, uint64_t done, uint64_t size,
    int64_t now)
{
	static const char bar[BAR + 1] = "########################";
	double part = size > 0 ? (double)done / (double)size : 1;
	double seconds = (double)(now - progress->begun) / 1000;
	double rate = (double)(done - progress->first) / seconds;
	double left = rate > 0 ? (double)(size - done) / rate : 0;
	char text[TEXT], speed[TEXT] = "";
	int room = columns(), width;

	if (progress->bytes > 0)
		snprintf(speed, sizeof(speed), "%.1f MB/s, ",
		    (double)progress->bytes / seconds / 1e6);
	width =
	    room - AROUND -
	    snprintf(text, sizeof(text),
		"%3.0f%%  %" PRIu64 " of %" PRIu64 " %s, %.0f/s, %s%.0f s left",
		part * 100, done, size, progress->what, rate, speed, left);
	fputs("\r\033[K", stderr);
	if (width > BAR)
		width = BAR;
	if (width > 0)
		fprintf(stderr, "[%-*.*s]  ", width, (int)(part * width), bar);
	fprintf(stderr, "%.*s", room, text);
	fflush(stderr);
}

void
mm_progress_tell(void *self, uint64_t done, uint64_t size)
{
	struct mm_progress *progress = self;
	int64_t now;

	if (!progress->terminal || done > size)
		return;
	if (!progress->counting)
		progress->first = done;
	progress->counting = true;
	if (done % LOOK != 0 && done != size)
		return;
	now = now_ms();
	if (now - progress->told < INTERVAL_MS)
		return;
	progress->told = now;
	progress->drawn = true;
	draw(progress, done, size, now);
}

void
mm_progress_end(struct mm_progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}
