#include "protocol/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "protocol/text.h"

enum { LINE_MAX_BYTES = 1024 };

static const char *process = "mintmark";

void
mm_journal_open(const char *name)
{
	process = name;
}

void
mm_journal(enum mm_level level, const char *event, const char *format, ...)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	const char *parts[] = {process, ": ", event, ": ", text};
	va_list arguments;
	size_t size;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	size = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	/* A byte of the room is the newline's. */
	for (size_t i = 0; i < MM_COUNT(parts); i++)
		size += mm_text_clean(mm_span_text(parts[i]), line + size,
		    sizeof(line) - 1 - size);
	line[size++] = '\n';
	/* Where the journal cannot be written nobody can be told. */
	if (write(STDERR_FILENO, line, size) < 0)
		return;
}
