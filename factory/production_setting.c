/*
 * One setting of the template: read, or refused with its line.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "factory/production_parts.h"
#include "protocol/shape.h"

enum { TEXT_MAX = 2048 };

enum mm_error
mm_production_wrong(const struct mm_production *production, unsigned line,
    enum mm_error error, const char *format, ...)
{
	char what[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (line == 0)
		return mm_fail(error, "%s: %s", production->path, what);
	return mm_fail(error, "%s:%u: %s", production->path, line, what);
}

enum mm_error
mm_production_in_line(
    const struct mm_production *production, unsigned line, enum mm_error error)
{
	char why[TEXT_MAX];

	if (error == MM_OK)
		return MM_OK;
	snprintf(why, sizeof(why), "%s", mm_why(error));
	return mm_production_wrong(production, line, error, "%s", why);
}

const char *
mm_production_say(struct mm_production *production, const char *format, ...)
{
	char text[TEXT_MAX + PATH_MAX];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (size < 0 || (size_t)size >= sizeof(text))
		return NULL;
	return (const char *)mm_arena_copy(
	    &production->arena, mm_span(text, (size_t)size + 1))
	    .data;
}

/* --- values of settings --- */

void
mm_setting_text(const struct mm_section *section, const char *name,
    const char **out, unsigned *line)
{
	const struct mm_setting *setting = mm_setting_named(section, name);

	if (setting == NULL)
		return;
	*out = setting->values[0];
	if (line != NULL)
		*line = setting->line;
}

/* "0x6000", "24576", "24K", "1M". */
static bool
read_number(const char *text, uint64_t *out)
{
	unsigned long long number;
	unsigned shift = 0;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoull(
	    text, &end, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
	if (*end == 'K')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	if (errno != 0 || end[shift > 0] != '\0' ||
	    number > UINT64_MAX >> shift)
		return false;
	*out = number << shift;
	return true;
}

enum mm_error
mm_setting_number(const struct mm_production *production,
    const struct mm_section *section, const char *name, uint64_t min,
    uint64_t max, uint64_t *out)
{
	const struct mm_setting *setting = mm_setting_named(section, name);
	uint64_t number;

	if (setting == NULL)
		return MM_OK;
	if (!read_number(setting->values[0], &number))
		return mm_production_wrong(production, setting->line,
		    MM_E_FORMAT, "%s is \"%s\", which is no number", name,
		    setting->values[0]);
	if (number < min || number > max)
		return mm_production_wrong(production, setting->line,
		    MM_E_RANGE, "%s is %s; it can be %llu to %llu", name,
		    setting->values[0], (unsigned long long)min,
		    (unsigned long long)max);
	*out = number;
	return MM_OK;
}

enum mm_error
mm_setting_word(const struct mm_production *production,
    const struct mm_section *section, const char *name,
    const struct mm_setting_choice *words, size_t count, unsigned *out)
{
	const struct mm_setting *setting = mm_setting_named(section, name);
	mm_auto(buffer) known = {0};

	if (setting == NULL)
		return MM_OK;
	mm_buffer_init(&known, TEXT_MAX);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(setting->values[0], words[i].word) == 0) {
			*out = words[i].value;
			return MM_OK;
		}
		mm_buffer_printf(
		    &known, "%s%s", i > 0 ? ", " : "", words[i].word);
	}
	return mm_production_wrong(production, setting->line, MM_E_FORMAT,
	    "%s is \"%s\"; it can be %.*s", name, setting->values[0],
	    MM_SPAN(mm_buffer_span(&known)));
}

enum mm_error
mm_setting_yes(const struct mm_production *production,
    const struct mm_section *section, const char *name, bool *out)
{
	static const struct mm_setting_choice words[] = {{"yes", 1}, {"no", 0}};
	unsigned value = *out;
	enum mm_error error = mm_setting_word(
	    production, section, name, words, MM_COUNT(words), &value);

	*out = value != 0;
	return error;
}

/* --- files --- */

enum mm_error
mm_production_path(
    struct mm_production *production, const char *path, const char **out)
{
	const char *whole = path[0] == '/'
				? path
				: mm_production_say(production, "%s/%s",
				      production->directory, path);

	if (whole == NULL)
		return mm_fail(MM_E_FILE, "the path %s is too long", path);
	*out = whole;
	return MM_OK;
}

/* Each file with its length before it, so that none can pass as two. */
static void
digest(struct mm_production *production, const void *bytes, size_t size)
{
	uint64_t length = size;

	crypto_hash_sha256_update(
	    &production->digest, (const uint8_t *)&length, sizeof(length));
	crypto_hash_sha256_update(&production->digest, bytes, size);
}

enum mm_error
mm_production_file(struct mm_production *production, unsigned line,
    const char *path, size_t max, struct mm_span *out)
{
	mm_auto(buffer) file = {0};
	const char *whole = NULL;
	enum mm_error error = mm_production_path(production, path, &whole);

	mm_buffer_init(&file, max);
	if (error == MM_OK)
		error = mm_file_read(whole, max, &file);
	if (error != MM_OK)
		return mm_production_in_line(production, line, error);
	*out = mm_arena_copy(&production->arena, mm_buffer_span(&file));
	if (out->data == NULL && file.size > 0)
		return mm_fail(MM_E_MEMORY, "no memory for %s", path);
	digest(production, file.data, file.size);
	return MM_OK;
}

enum mm_error
mm_production_secret(struct mm_production *production, unsigned line,
    const char *path, struct mm_flash_secret *out)
{
	const char *whole = NULL;
	enum mm_error error = mm_production_path(production, path, &whole);

	if (error == MM_OK)
		error = mm_flash_secret_read(whole, out);
	if (error != MM_OK)
		return mm_production_in_line(production, line, error);
	digest(production, out->data, out->size);
	return MM_OK;
}

const struct mm_section *
mm_production_section(const struct mm_production *production, const char *kind)
{
	for (mm_list_each(
		 const struct mm_section, section, production->sections))
		if (strcmp(section->kind, kind) == 0)
			return section;
	return NULL;
}
