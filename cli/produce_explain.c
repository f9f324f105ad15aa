/*
 * Journal, `done` and directories are of one time, or a run does not go on: an
 * older journal would have what was made since cut off and forgotten. Nothing
 * is written here.
 *
 * A unit's directory is there when its line in `done` is, or its slot: lines
 * behind the committed size come from a crash before the commit, and slots are
 * cleared after it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/produce_run.h"

struct explaining {
	const struct mm_run *run;
	struct mm_seen begun; /* names of units in slots */
	struct mm_seen known; /* and of those that are over */
};

static enum mm_error
fault(const char *name)
{
	return mm_fail(MM_E_FILE, "cannot read %s: %s", name, strerror(errno));
}

static enum mm_error
unexplained(const struct explaining *e, const char *name)
{
	return mm_fail(MM_E_FORMAT,
	    "%s is older than units/%s, or damaged: bring back the newest one. "
	    "Nothing was touched",
	    e->run->journal.path, name);
}

static enum mm_error
take_slots(struct explaining *e)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < e->run->resumed_count && error == MM_OK; i++) {
		char name[MM_UNIT_NAME + 1];

		mm_unit_name(mm_span_text(e->run->resumed[i].device), name);
		error = mm_seen_put(&e->begun, mm_span_text(name), 0);
		if (error == MM_OK)
			error = mm_seen_put(&e->known, mm_span_text(name), 0);
	}
	return error;
}

/* ---- `done` */

/* False: it is no line of ours, but what a crash has left. */
static bool
read_line(char *line, size_t size, char name[MM_UNIT_NAME + 1])
{
	char *word = memchr(line, ' ', size);

	if (word == NULL || line[size - 1] != '\n' ||
	    word - line > MM_UNIT_NAME || strlen(line) != size)
		return false;
	line[size - 1] = '\0';
	mm_unit_name(mm_span(line, (size_t)(word - line)), name);
	return strcmp(word + 1, mm_device_fates[MM_DEVICE_MADE]) == 0 ||
	       strcmp(word + 1, mm_device_fates[MM_DEVICE_SCRAP]) == 0;
}

static enum mm_error
take_line(struct explaining *e, char *line, size_t size, bool committed)
{
	char name[MM_UNIT_NAME + 1];

	if (!read_line(line, size, name))
		return MM_OK;
	if (!committed && mm_seen_find(&e->begun, mm_span_text(name)) == NULL)
		return unexplained(e, name);
	return mm_seen_put(&e->known, mm_span_text(name), 0);
}

static enum mm_error
take_lines(struct explaining *e, FILE *file)
{
	uint64_t left = e->run->journal.head.marks[MM_ROWS_DONE].size;
	mm_autofree char *line = NULL;
	size_t room = 0;
	ssize_t got;
	enum mm_error error = MM_OK;

	while (error == MM_OK && (got = getline(&line, &room, file)) > 0) {
		uint64_t size = (uint64_t)got;

		error = take_line(e, line, (size_t)size, size <= left);
		left -= size < left ? size : left;
	}
	return error == MM_OK && ferror(file) != 0 ? fault("done") : error;
}

/* There is none before the first commit. */
static enum mm_error
take_done(struct explaining *e)
{
	int fd;
	FILE *file;
	enum mm_error error = mm_unit_file_read(e->run->files.run, "done", &fd);

	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error != MM_OK)
		return error;
	file = fdopen(fd, "r");
	if (file == NULL) {
		close(fd);
		return fault("done");
	}
	error = take_lines(e, file);
	fclose(file);
	return error;
}

/* ---- units */

static enum mm_error
check_entry(struct explaining *e, const char *name)
{
	struct stat info;

	if (name[0] == '.' ||
	    mm_seen_find(&e->known, mm_span_text(name)) != NULL ||
	    fstatat(e->run->files.units, name, &info, AT_SYMLINK_NOFOLLOW) <
		0 ||
	    !S_ISDIR(info.st_mode))
		return MM_OK;
	return unexplained(e, name);
}

static enum mm_error
check_units(struct explaining *e)
{
	int own = openat(e->run->files.units, ".", O_RDONLY | O_CLOEXEC);
	DIR *open = own >= 0 ? fdopendir(own) : NULL;
	const struct dirent *entry;
	enum mm_error error = MM_OK;

	if (open == NULL)
		return fault("units");
	while (error == MM_OK && (entry = readdir(open)) != NULL)
		error = check_entry(e, entry->d_name);
	closedir(open);
	return error;
}

enum mm_error
mm_run_explain(const struct mm_run *run)
{
	struct explaining e = {.run = run};
	enum mm_error error = mm_rows_done_check(
	    run->files.run, &run->journal.head.marks[MM_ROWS_DONE]);

	if (error == MM_OK)
		error = take_slots(&e);
	if (error == MM_OK)
		error = take_done(&e);
	if (error == MM_OK)
		error = check_units(&e);
	mm_seen_clear(&e.begun);
	mm_seen_clear(&e.known);
	return error;
}
