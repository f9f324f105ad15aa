#include "server/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/text.h"

static bool journal;       /* stderr is the journal */
static unsigned long lost; /* lines, since the last one that was written */

void
mm_lines_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat info;

	/* systemd.exec(5): device and inode, for just this comparison. */
	journal = stream != NULL && fstat(STDERR_FILENO, &info) == 0 &&
		  sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
		  device == info.st_dev && inode == info.st_ino;
}

static bool
put(const struct mm_buffer *line)
{
	struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};

	/* A pipe that polls writable has room for PIPE_BUF bytes. */
	if (poll(&reader, 1, 0) == 1 && (reader.revents & POLLOUT) != 0 &&
	    write(STDERR_FILENO, line->data, line->size) == (ssize_t)line->size)
		return true;
	lost++;
	return false;
}

static void
put_lost(void)
{
	mm_auto(buffer) line = {0};

	mm_buffer_init(&line, MM_LINE_MAX);
	mm_buffer_printf(&line, "%smintmarkd: %lu lines were lost here\n",
	    journal ? "<4>" : "", lost);
	if (put(&line))
		lost = 0;
	else
		lost--; /* this one does not count */
}

static void
put_line(int level, const char *name, const char *text, size_t size)
{
	char clean[MM_LINE_MAX + 1];
	mm_auto(buffer) line = {0};

	mm_text_clean(mm_span(text, size), clean, sizeof(clean));
	mm_buffer_init(&line, MM_LINE_MAX + 64);
	if (journal)
		mm_buffer_printf(&line, "<%d>", level);
	if (name != NULL)
		mm_buffer_printf(&line, "%s: ", name);
	mm_buffer_printf(&line, "%s\n", clean);
	if (line.error != MM_OK)
		return;
	if (lost > 0)
		put_lost();
	put(&line);
}

void
mm_lines_say(enum mm_level level, const char *format, ...)
{
	char text[MM_LINE_MAX];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length >= 0)
		put_line((int)level, "mintmarkd", text, strlen(text));
}

static bool
has_level(const struct mm_lines *lines)
{
	return lines->size > 3 && lines->text[0] == '<' &&
	       lines->text[1] >= '0' && lines->text[1] <= '7' &&
	       lines->text[2] == '>';
}

void
mm_lines_end(struct mm_lines *lines, const char *name)
{
	if (lines->size > 0 && has_level(lines))
		put_line(lines->text[1] - '0', NULL, lines->text + 3,
		    lines->size - 3);
	else if (lines->size > 0)
		put_line(MM_LEVEL_WARNING, name, lines->text, lines->size);
	lines->size = 0;
	lines->cut = false;
}

static void
take(struct mm_lines *lines, char c, const char *name)
{
	if (c == '\n') {
		mm_lines_end(lines, name);
		return;
	}
	if (lines->cut)
		return;
	lines->text[lines->size++] = c;
	lines->cut = lines->size == sizeof(lines->text);
}

bool
mm_lines_pass(struct mm_lines *lines, int fd, const char *name)
{
	char bytes[4096];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < got; i++)
		take(lines, bytes[i], name);
	return got > 0;
}
