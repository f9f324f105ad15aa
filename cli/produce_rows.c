#include "cli/produce_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/produce_list.h"

enum { WAITING_MAX = 64 << 20, CHUNK = 65536 };

const char *const mm_device_fates[MM_DEVICE_FATES] = {
    "begun", "refused", "made", "scrap"};

static enum mm_error
fault(const char *what, const char *name)
{
	return mm_fail(
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot %s %s: %s", what, name, strerror(errno));
}

static enum mm_error
open_one(int run, uint64_t size, struct mm_rows_one *one)
{
	struct stat info;

	one->fd = openat(run, one->name,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	if (one->fd < 0 || fstat(one->fd, &info) < 0)
		return fault("open", one->name);
	if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size < size)
		return mm_fail(MM_E_FORMAT,
		    "%s has %jd bytes, and %" PRIu64 " were written: somebody "
		    "has shortened it; put it back from a copy, longer is no "
		    "harm",
		    one->name, (intmax_t)info.st_size, size);
	one->size = size;
	return ftruncate(one->fd, (off_t)size) == 0 ? MM_OK
						    : fault("cut", one->name);
}

enum mm_error
mm_rows_open(int run, const uint64_t sizes[MM_RUN_FILES],
    const char *registration, struct mm_rows *out)
{
	const char *const names[MM_RUN_FILES] = {
	    "done", "results.csv", registration};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_RUN_FILES; i++) {
		struct mm_rows_one *one = &out->files[i];

		*one = (struct mm_rows_one){.fd = -1};
		mm_buffer_init(&one->waiting, WAITING_MAX);
	}
	for (size_t i = 0; i < MM_RUN_FILES && error == MM_OK; i++) {
		struct mm_rows_one *one = &out->files[i];

		if (names[i] == NULL)
			continue;
		snprintf(one->name, sizeof(one->name), "%s", names[i]);
		error = open_one(run, sizes[i], one);
	}
	if (error == MM_OK && fsync(run) < 0)
		error = fault("write", "the run's directory");
	return error;
}

void
mm_rows_clear(struct mm_rows *rows)
{
	for (size_t i = 0; i < MM_RUN_FILES; i++) {
		if (rows->files[i].fd >= 0)
			close(rows->files[i].fd);
		rows->files[i].fd = -1;
		mm_buffer_clear(&rows->files[i].waiting);
	}
}

/* ---- what was done before */

static enum mm_error
take_line(char *line, struct mm_seen *devices, struct mm_seen *names)
{
	char *word = strchr(line, ' ');
	char name[MM_UNIT_NAME + 1];
	enum mm_error error;

	if (word == NULL)
		return MM_E_FORMAT;
	*word++ = '\0';
	word[strcspn(word, "\n")] = '\0';
	mm_unit_name(mm_span_text(line), name);
	error = mm_seen_put(names, mm_span_text(name), 0);
	if (error != MM_OK)
		return error;
	for (uint64_t fate = 0; fate < MM_DEVICE_FATES; fate++)
		if (strcmp(word, mm_device_fates[fate]) == 0)
			return mm_seen_put(devices, mm_span_text(line), fate);
	return MM_E_FORMAT;
}

enum mm_error
mm_rows_done(
    const struct mm_rows *rows, struct mm_seen *devices, struct mm_seen *names)
{
	const struct mm_rows_one *one = &rows->files[MM_ROWS_DONE];
	int own = fcntl(one->fd, F_DUPFD_CLOEXEC, 0);
	FILE *file = own >= 0 ? fdopen(own, "r") : NULL;
	char line[256];
	enum mm_error error = MM_OK;

	if (file == NULL)
		return fault("read", one->name);
	rewind(file);
	while (error == MM_OK && fgets(line, sizeof(line), file) != NULL)
		error = take_line(line, devices, names);
	if (error == MM_OK && ferror(file) != 0)
		error = fault("read", one->name);
	fclose(file);
	return error != MM_E_FORMAT
		   ? error
		   : mm_fail(error, "%s was altered: put it back from a copy",
			 one->name);
}

/* ---- what comes to it */

void
mm_rows_cell(struct mm_buffer *row, struct mm_span cell)
{
	bool quoted = false;

	for (size_t i = 0; i < cell.size; i++)
		quoted = quoted || memchr(",\"\r\n", cell.data[i], 4) != NULL;
	if (!quoted) {
		mm_buffer_add(row, cell.data, cell.size);
		return;
	}
	mm_buffer_add(row, "\"", 1);
	for (size_t i = 0; i < cell.size; i++) {
		if (cell.data[i] == '"')
			mm_buffer_add(row, "\"", 1);
		mm_buffer_add(row, cell.data + i, 1);
	}
	mm_buffer_add(row, "\"", 1);
}

static enum mm_error
flush_one(struct mm_rows_one *one)
{
	struct mm_span left = mm_buffer_span(&one->waiting);

	if (one->waiting.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for rows");
	if (left.size == 0)
		return MM_OK;
	while (left.size > 0) {
		ssize_t put =
		    pwrite(one->fd, left.data, left.size, (off_t)one->size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fault("write", one->name);
		one->size += (uint64_t)put;
		left = mm_span(left.data + put, left.size - (size_t)put);
	}
	mm_buffer_reset(&one->waiting);
	return fdatasync(one->fd) == 0 ? MM_OK : fault("write", one->name);
}

/* What stands behind the committed size is cut off by the next run at the
 * latest. */
static void
cut_back(struct mm_rows *rows, const uint64_t sizes[MM_RUN_FILES])
{
	for (size_t i = 0; i < MM_RUN_FILES; i++)
		if (rows->files[i].fd >= 0 &&
		    ftruncate(rows->files[i].fd, (off_t)sizes[i]) < 0)
			return;
}

enum mm_error
mm_rows_flush(struct mm_rows *rows, uint64_t sizes[MM_RUN_FILES])
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_RUN_FILES && error == MM_OK; i++)
		error = flush_one(&rows->files[i]);
	if (error != MM_OK) {
		cut_back(rows, sizes);
		return error;
	}
	for (size_t i = 0; i < MM_RUN_FILES; i++)
		sizes[i] = rows->files[i].size;
	return MM_OK;
}
