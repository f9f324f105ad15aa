/*
 * A text file in a fresh directory, for tests of what people write.
 */
#ifndef MM_TEST_TEXT_FILE_H
#define MM_TEST_TEXT_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char text_directory[256];
static char text_path[300];

static inline int
text_file_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	char directory[240];

	(void)state;
	snprintf(directory, sizeof(directory), "%.200s/mintmark.XXXXXX",
	    base != NULL ? base : "/tmp");
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(text_directory, sizeof(text_directory), "%s", directory);
	snprintf(text_path, sizeof(text_path), "%s/text.conf", text_directory);
	return 0;
}

static inline int
text_file_teardown(void **state)
{
	(void)state;
	unlink(text_path);
	return rmdir(text_directory);
}

static inline void
text_file_write(const char *text)
{
	FILE *file;

	unlink(text_path);
	file = fopen(text_path, "w");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 ||
	    chmod(text_path, 0600) != 0)
		abort();
}

/* `text` with its first `what` replaced; the caller frees it. */
static inline char *
text_replace(const char *text, const char *what, const char *with)
{
	const char *at = strstr(text, what);
	size_t size = strlen(text) + strlen(with) + 1;
	char *out = malloc(size);

	if (at == NULL || out == NULL)
		abort();
	snprintf(out, size, "%.*s%s%s", (int)(at - text), text, with,
	    at + strlen(what));
	return out;
}

#endif
