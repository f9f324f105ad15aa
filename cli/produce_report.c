#include "cli/produce_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "cli/json_value.h"

enum {
	INTERVAL_MS = 200,
	SECOND_MS = 1000,
	LINE = 160,
	COLUMNS = 80, /* where the terminal does not say */
	AROUND = 4    /* the bar: its brackets, two blanks */
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

void
mm_report_begin(struct mm_run_report *report, uint64_t total)
{
	report->terminal = isatty(STDERR_FILENO) == 1;
	report->total = total;
	report->begun = now_ms();
}

void
mm_report_quiet(struct mm_run_report *report)
{
	if (report->drawn)
		fputs("\r\033[K", stderr);
	report->drawn = false;
}

/* The last column stays free: what wraps cannot be taken away again. */
static void
draw_line(const struct mm_run_report *report, uint64_t over, const char *text)
{
	static const char bar[] = "########################";
	struct winsize size = {.ws_col = 0};
	bool told = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
	int room = told && size.ws_col > 0 ? size.ws_col - 1 : COLUMNS - 1;
	int width = room - AROUND - (int)strlen(text);

	if (width > (int)sizeof(bar) - 1)
		width = sizeof(bar) - 1;
	fputs("\r\033[K", stderr);
	if (width > 0 && report->total > 0 && over <= report->total)
		fprintf(stderr, "[%-*.*s]  ", width,
		    (int)((uint64_t)width * over / report->total), bar);
	fprintf(stderr, "%.*s", room, text);
	fflush(stderr);
}

static void
draw(struct mm_run_report *report, int64_t now)
{
	uint64_t over = report->made + report->scrapped + report->refused;
	double seconds = (double)(now - report->begun) / SECOND_MS;
	double rate = seconds > 0 ? (double)over / seconds : 0;
	char total[LINE] = "", left[LINE] = "", bad[LINE] = "", text[4 * LINE];

	if (report->total > 0)
		snprintf(total, sizeof(total), " of %" PRIu64, report->total);
	if (report->total > over && rate > 0)
		snprintf(left, sizeof(left), ", %.0f s left",
		    (double)(report->total - over) / rate);
	if (report->scrapped + report->refused > 0)
		snprintf(bad, sizeof(bad),
		    ", %" PRIu64 " scrap, %" PRIu64 " refused",
		    report->scrapped, report->refused);
	snprintf(text, sizeof(text), "%" PRIu64 "%s units, %.*f/s%s%s", over,
	    total, rate < 10 ? 1 : 0, rate, bad, left);
	draw_line(report, over, text);
	report->drawn = true;
}

void
mm_report_progress(struct mm_run_report *report)
{
	int64_t now = now_ms();

	if (!report->terminal || report->each ||
	    now - report->told < INTERVAL_MS)
		return;
	report->told = now;
	draw(report, now);
}

/* ---- units */

static json_t *
number_or_null(bool is_there, uint64_t number)
{
	return is_there ? mm_json_number(number) : json_null();
}

static json_t *
text_or_null(const char *text)
{
	return text != NULL && *text != '\0' ? mm_json_text(mm_span_text(text))
					     : json_null();
}

static void
print_unit(const struct mm_run_report *report, const struct mm_told_unit *unit)
{
	bool issued = unit->serial.size > 0;

	mm_print(report->invocation,
	    json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "device",
		unit->device, "state", unit->state, "serial",
		issued ? mm_json_hex(unit->serial) : json_null(), "index",
		number_or_null(issued, unit->index), "directory",
		text_or_null(unit->directory), "attempts",
		number_or_null(issued, unit->attempts), "error",
		text_or_null(
		    unit->error == MM_OK ? NULL : mm_error_name(unit->error)),
		"why", text_or_null(unit->why)));
	fflush(stdout);
}

void
mm_report_unit(struct mm_run_report *report, const struct mm_told_unit *unit)
{
	bool good = unit->why[0] == '\0';

	if (report->invocation->json)
		print_unit(report, unit);
	else if (!good || report->each) {
		mm_report_quiet(report);
		mm_say("%s: %s%s%s", unit->device, unit->state,
		    good ? "" : ": ", unit->why);
	}
}

void
mm_report_aside(struct mm_run_report *report, const struct mm_told_unit *unit)
{
	mm_report_quiet(report);
	if (unit->error == MM_OK)
		mm_say("%s: %s %s", unit->device, unit->state, unit->why);
	else
		mm_say("%s: %s: %s", unit->device, mm_error_name(unit->error),
		    unit->why);
	if (report->invocation->json)
		print_unit(report, unit);
}

void
mm_report_end(struct mm_run_report *report, const char *order, uint64_t held,
    const char *end)
{
	bool begun = report->begun > 0;
	double seconds =
	    begun ? (double)(now_ms() - report->begun) / SECOND_MS : 0;

	mm_report_quiet(report);
	if (!report->invocation->json) {
		mm_print(report->invocation,
		    json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "order", order,
			"made", mm_json_number(report->made), "scrap",
			mm_json_number(report->scrapped), "refused",
			mm_json_number(report->refused), "done before",
			mm_json_number(report->before),
			"begun and not finished", mm_json_number(held)));
		return;
	}
	mm_print(report->invocation,
	    json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:s}", "order",
		order, "made", mm_json_number(report->made), "scrap",
		mm_json_number(report->scrapped), "refused",
		mm_json_number(report->refused), "before",
		mm_json_number(report->before), "missing",
		mm_json_number(report->missing), "held", mm_json_number(held),
		"seconds", seconds, "end", end));
}
