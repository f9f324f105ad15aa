#include "cli/produce_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"

enum { WAITING_MAX = 64 << 20, HEAD_MAX = 65536 };

const char *const mm_device_fates[MM_DEVICE_FATES] = {
    "begun", "refused", "made", "scrap"};

static enum mm_error
fault(const char *what, const char *name)
{
	return mm_fail(
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot %s %s: %s", what, name, strerror(errno));
}

/* ---- what the journal says of them */

/* The digest of the last bytes before `size`; false: there are not as many. */
static bool
read_tail(int fd, uint64_t size, uint8_t out[32])
{
	uint8_t tail[MM_ROWS_TAIL];
	size_t count = size < sizeof(tail) ? (size_t)size : sizeof(tail);
	ssize_t got = pread(fd, tail, count, (off_t)(size - count));

	if (got < 0 || (size_t)got != count)
		return false;
	crypto_hash_sha256(out, tail, count);
	return true;
}

static enum mm_error
check_mark(
    const struct mm_rows_one *one, const struct mm_rows_mark *mark, bool needed)
{
	uint8_t tail[32];

	if (mark->size == 0 || (read_tail(one->fd, mark->size, tail) &&
				   memcmp(tail, mark->tail, sizeof(tail)) == 0))
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "%s was changed since: put it back from a copy%s", one->name,
	    needed ? "" : ", or move it away: a new one is begun");
}

/* One that counts is there already. */
static enum mm_error
open_one(int run, const struct mm_rows_mark *mark, bool needed,
    struct mm_rows_one *one)
{
	struct stat info;

	one->fd = openat(run, one->name,
	    O_RDWR | (mark->size == 0 ? O_CREAT : 0) | O_CLOEXEC | O_NOCTTY |
		O_NOFOLLOW,
	    0600);
	if (one->fd < 0 && errno == ENOENT)
		return mm_fail(MM_E_FORMAT,
		    "%s is not there any more: put it back from a copy",
		    one->name);
	if (one->fd < 0 || fstat(one->fd, &info) < 0)
		return fault("open", one->name);
	if (!S_ISREG(info.st_mode))
		return mm_fail(MM_E_FORMAT, "%s is no file", one->name);
	one->size = mark->size;
	return check_mark(one, mark, needed);
}

enum mm_error
mm_rows_check_done(int run, const struct mm_rows_mark *mark)
{
	struct mm_rows_one one = {.fd = -1, .name = "done"};
	enum mm_error error = MM_OK;

	if (mark->size > 0)
		error = open_one(run, mark, true, &one);
	if (one.fd >= 0)
		close(one.fd);
	return error;
}

enum mm_error
mm_rows_done_check(int run, const struct mm_rows_mark *mark)
{
	struct mm_rows_one one = {.fd = -1, .name = "done"};
	enum mm_error error =
	    mark->size > 0 ? open_one(run, mark, true, &one) : MM_OK;

	if (one.fd >= 0)
		close(one.fd);
	return error;
}

static void
name_files(const char *registration, const char *names[MM_RUN_FILES])
{
	names[MM_ROWS_DONE] = "done";
	names[MM_ROWS_RESULTS] = "results.csv";
	names[MM_ROWS_REGISTRATION] = registration;
}

void
mm_rows_moved(int run, const char *registration,
    struct mm_rows_mark marks[MM_RUN_FILES], bool *anew)
{
	const char *names[MM_RUN_FILES];

	*anew = false;
	name_files(registration, names);
	for (size_t i = MM_ROWS_RESULTS; i < MM_RUN_FILES; i++) {
		if (names[i] == NULL || marks[i].size == 0 ||
		    faccessat(run, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		    errno != ENOENT)
			continue;
		mm_say("%s is not there any more: a new one is begun, with the "
		       "units that are made from now on",
		    names[i]);
		marks[i] = (struct mm_rows_mark){.size = 0};
		*anew = true;
	}
}

static enum mm_error
cut(struct mm_rows *rows)
{
	for (size_t i = 0; i < MM_RUN_FILES; i++) {
		struct mm_rows_one *one = &rows->files[i];

		if (one->fd >= 0 && ftruncate(one->fd, (off_t)one->size) < 0)
			return fault("cut", one->name);
	}
	return MM_OK;
}

enum mm_error
mm_rows_open(int run, const struct mm_rows_mark marks[MM_RUN_FILES],
    const char *registration, struct mm_rows *out)
{
	const char *names[MM_RUN_FILES];
	enum mm_error error = MM_OK;

	name_files(registration, names);
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
		error = open_one(run, &marks[i], i == MM_ROWS_DONE, one);
	}
	if (error == MM_OK)
		error = cut(out);
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

enum mm_error
mm_rows_check_head(const struct mm_rows *rows, struct mm_span head)
{
	const struct mm_rows_one *one = &rows->files[MM_ROWS_RESULTS];
	mm_autofree char *begun = calloc(1, HEAD_MAX);
	ssize_t got;

	if (begun == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a row");
	got = one->size > 0 ? pread(one->fd, begun, HEAD_MAX - 1, 0) : 0;
	if (got < 0)
		return fault("read", one->name);
	if (got == 0 || ((size_t)got >= head.size &&
			    memcmp(begun, head.data, head.size) == 0))
		return MM_OK;
	begun[strcspn(begun, "\r\n")] = '\0';
	while (head.size > 0 && strchr("\r\n", head.data[head.size - 1]))
		head.size--;
	return mm_fail(MM_E_STATE,
	    "%s was begun with the columns %s, and the template has %.*s now: "
	    "keep its values' names, move %s away, or begin another directory "
	    "with --out",
	    one->name, begun, MM_SPAN(head), one->name);
}

/* ---- what was done before */

static enum mm_error
take_line(char *line, struct mm_rows_past *past)
{
	char *word = strchr(line, ' ');
	char name[MM_UNIT_NAME + 1];
	enum mm_error error;

	if (word == NULL)
		return MM_E_FORMAT;
	*word++ = '\0';
	word[strcspn(word, "\n")] = '\0';
	mm_unit_name(mm_span_text(line), name);
	error = mm_seen_put(past->names, mm_span_text(name), 0);
	if (error != MM_OK)
		return error;
	if (!mm_unit_files_there(past->files, name) && past->missing++ == 0)
		snprintf(past->first, sizeof(past->first), "%s", name);
	for (uint64_t fate = 0; fate < MM_DEVICE_FATES; fate++)
		if (strcmp(word, mm_device_fates[fate]) == 0)
			return mm_seen_put(
			    past->devices, mm_span_text(line), fate);
	return MM_E_FORMAT;
}

enum mm_error
mm_rows_done(const struct mm_rows *rows, struct mm_rows_past *past)
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
		error = take_line(line, past);
	if (error == MM_OK && ferror(file) != 0)
		error = fault("read", one->name);
	fclose(file);
	return error != MM_E_FORMAT
		   ? error
		   : mm_fail(error, "%s was altered: put it back from a copy",
			 one->name);
}

/* ---- what comes to it */

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
cut_back(struct mm_rows *rows, const struct mm_rows_mark marks[MM_RUN_FILES])
{
	for (size_t i = 0; i < MM_RUN_FILES; i++)
		if (rows->files[i].fd >= 0 &&
		    ftruncate(rows->files[i].fd, (off_t)marks[i].size) < 0)
			return;
}

/* Rows in a file that has no name any more are lost. */
static enum mm_error
check_named(const struct mm_rows_one *one)
{
	struct stat info;

	if (one->fd < 0)
		return MM_OK;
	if (fstat(one->fd, &info) < 0)
		return fault("look at", one->name);
	return info.st_nlink > 0
		   ? MM_OK
		   : mm_fail(MM_E_FILE,
			 "%s was removed, or replaced by another file, while "
			 "the run went on: put it back from a copy, and say "
			 "the same again",
			 one->name);
}

static enum mm_error
mark_one(const struct mm_rows_one *one, struct mm_rows_mark *mark)
{
	struct mm_rows_mark next = {.size = one->size};

	if (one->fd >= 0 && next.size > 0 &&
	    !read_tail(one->fd, next.size, next.tail))
		return fault("read", one->name);
	*mark = next;
	return MM_OK;
}

enum mm_error
mm_rows_flush(struct mm_rows *rows, struct mm_rows_mark marks[MM_RUN_FILES])
{
	struct mm_rows_mark next[MM_RUN_FILES] = {{.size = 0}};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_RUN_FILES && error == MM_OK; i++)
		error = check_named(&rows->files[i]);
	for (size_t i = 0; i < MM_RUN_FILES && error == MM_OK; i++)
		error = flush_one(&rows->files[i]);
	for (size_t i = 0; i < MM_RUN_FILES && error == MM_OK; i++)
		error = mark_one(&rows->files[i], &next[i]);
	if (error != MM_OK) {
		cut_back(rows, marks);
		return error;
	}
	memcpy(marks, next, sizeof(next));
	return MM_OK;
}
