#include "cli/scrap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/produce_run.h"

enum { TEXT = 512, REPORT_ARENA = 1 << 20, MODE = 0644 };

static const char file_name[] = "scrap";

void
mm_unit_scrap_text(const struct mm_run_unit *unit, struct mm_buffer *out)
{
	mm_buffer_init(out, TEXT);
	mm_buffer_printf(out, "%" PRIu64 " %s\n", unit->attempts, unit->why);
}

static enum mm_error
fault(const char *what, const struct mm_run_unit *unit)
{
	return mm_fail(MM_E_FILE, "cannot %s %s/%s: %s", what, unit->name,
	    file_name, strerror(errno));
}

/* Its bytes are one sector: there is no half of them. */
enum mm_error
mm_unit_scrap_keep(const struct mm_run *run, const struct mm_run_unit *unit)
{
	mm_auto(buffer) text = {0};
	mm_autoclose int directory = -1;
	mm_autoclose int fd = -1;
	enum mm_error error =
	    mm_unit_files_enter(&run->files, unit->name, &directory);

	if (error != MM_OK)
		return error;
	mm_unit_scrap_text(unit, &text);
	fd = openat(directory, file_name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, MODE);
	if (fd < 0 || text.error != MM_OK ||
	    write(fd, text.data, text.size) != (ssize_t)text.size ||
	    fsync(fd) < 0 || fsync(directory) < 0)
		return fault("write", unit);
	return MM_OK;
}

enum mm_error
mm_unit_scrap_kept(const struct mm_run *run, struct mm_run_unit *unit)
{
	char path[MM_UNIT_NAME + sizeof("/scrap")], text[TEXT];
	mm_autoclose int fd = -1;
	ssize_t got;
	char *why;

	snprintf(path, sizeof(path), "%s/%s", unit->name, file_name);
	fd = openat(run->files.units, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return MM_OK;
	got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (got < 0)
		return fault("read", unit);
	text[got] = '\0';
	/* One that a crash has left empty was told to nobody. */
	why = memchr(text, ' ', (size_t)got);
	if (why == NULL)
		return MM_OK;
	unit->scrap = true;
	unit->attempts = strtoull(text, NULL, 10);
	why[strcspn(why, "\n")] = '\0';
	snprintf(unit->why, sizeof(unit->why), "%s", why + 1);
	return MM_OK;
}

enum mm_error
mm_unit_scrap_tell(const struct mm_run *run, const struct mm_run_unit *unit)
{
	char reason[MM_SCRAP_REASON_SIZE];
	mm_auto(arena) arena = {0};
	struct mm_attested attested;

	mm_arena_init(&arena, REPORT_ARENA);
	mm_scrap_reason(unit->why, reason);
	return mm_scrap_report(&run->appliance, mm_span_text(run->order),
	    mm_span(unit->serial, sizeof(unit->serial)), reason, &arena,
	    &attested);
}
