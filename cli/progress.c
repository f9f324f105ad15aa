#include "cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	INTERVAL_MS = 200,
	LOOK = 256, /* entries between two looks at the clock */
	BAR = 24
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

static void
draw(const struct mm_progress *progress, uint64_t done, uint64_t size,
    int64_t now)
{
	static const char bar[BAR + 1] = "########################";
	double part = size > 0 ? (double)done / (double)size : 1;
	double seconds = (double)(now - progress->begun) / 1000;
	double rate = (double)(done - progress->first) / seconds;
	double left = rate > 0 ? (double)(size - done) / rate : 0;

	fprintf(stderr, "\r\033[K[%-*.*s] %3.0f%%  %lu of %lu %s, %.0f/s, ",
	    BAR, (int)(part * BAR), bar, part * 100, done, size, progress->what,
	    rate);
	if (progress->bytes > 0)
		fprintf(stderr, "%.1f MB/s, ",
		    (double)progress->bytes / seconds / 1e6);
	fprintf(stderr, "%.0f s left", left);
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
