#include "protocol/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct row {
	enum mm_error error;
	const char *name;
	enum mm_exit exit;
	unsigned wait;
	const char *text;
} rows[] = {
#define ROW(name, number, word, status, wait, text) \
	{MM_E_##name, word, MM_EXIT_##status, wait, text},
    MM_ERRORS(ROW)
#undef ROW
};

static struct {
	enum mm_error error;
	char text[512];
} last;

static const struct row *
row_of(enum mm_error error)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].error == error)
			return &rows[i];
	return NULL;
}

enum mm_error
mm_fail(enum mm_error error, const char *format, ...)
{
	char text[sizeof(last.text)];
	va_list arguments;

	/* Into a second buffer: an argument may be mm_why() itself. */
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	memcpy(last.text, text, sizeof(text));
	last.error = error;
	return error;
}

const char *
mm_why(enum mm_error error)
{
	if (last.error == error && last.text[0] != '\0')
		return last.text;
	return mm_error_text(error);
}

const char *
mm_error_name(enum mm_error error)
{
	const struct row *row = row_of(error);

	return row != NULL ? row->name : "unknown-error";
}

const char *
mm_error_text(enum mm_error error)
{
	const struct row *row = row_of(error);

	return row != NULL ? row->text : "an error this program does not know";
}

unsigned
mm_error_wait(enum mm_error error)
{
	const struct row *row = row_of(error);

	return row != NULL ? row->wait : 0;
}

enum mm_exit
mm_error_exit(enum mm_error error)
{
	const struct row *row = row_of(error);

	return row != NULL ? row->exit : MM_EXIT_BUG;
}

enum mm_error
mm_error_from(unsigned long long number)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((unsigned long long)rows[i].error == number)
			return rows[i].error;
	return MM_E_BUG;
}
