#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "factory/secure_cert_rows.h"
#include "protocol/text.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

static enum mm_error
path_of(const char *csv, struct mm_span name, char out[PATH_MAX])
{
	const char *slash = strrchr(csv, '/');
	int length;

	if (name.size >= PATH_MAX)
		return wrong("the path has %zu bytes", name.size);
	mm_span_string(name, out, PATH_MAX);
	if (access(out, F_OK) == 0 || slash == NULL || out[0] == '/')
		return MM_OK;
	length = snprintf(
	    out, PATH_MAX, "%.*s/%.*s", (int)(slash - csv), csv, MM_SPAN(name));
	return length > 0 && length < PATH_MAX ? MM_OK
					       : wrong("the path is too long");
}

static enum mm_error
load_file(const char *csv, struct mm_span name, struct mm_flash_secret *out)
{
	char path[PATH_MAX];
	enum mm_error error = path_of(csv, name, path);

	return error == MM_OK ? mm_flash_secret_read(path, out) : error;
}

static enum mm_error
load_string(const char *csv, struct mm_span text, struct mm_flash_secret *out)
{
	enum mm_error error = mm_flash_secret_new(text.size, out);

	(void)csv;
	if (error == MM_OK)
		memcpy(out->data, text.data, text.size);
	return error;
}

static enum mm_error
load_hex(const char *csv, struct mm_span text, struct mm_flash_secret *out)
{
	enum mm_error error = mm_flash_secret_new(text.size, out);
	const char *end = NULL;

	(void)csv;
	if (error != MM_OK)
		return error;
	if (sodium_hex2bin(out->data, out->size, (const char *)text.data,
		text.size, " ", &out->size, &end) != 0 ||
	    end != (const char *)text.data + text.size)
		return wrong("data_value is not hex: pairs of 0-9 a-f");
	return MM_OK;
}

static enum mm_error
load_base64(const char *csv, struct mm_span text, struct mm_flash_secret *out)
{
	enum mm_error error = mm_flash_secret_new(text.size, out);
	const char *end = NULL;

	(void)csv;
	if (!mm_text_is_ascii(text))
		return wrong("data_value is not base64");
	if (error != MM_OK)
		return error;
	if (sodium_base642bin(out->data, out->size, (const char *)text.data,
		text.size, " \r\n", &out->size, &end,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    end != (const char *)text.data + text.size)
		return wrong("data_value is not base64, with its padding");
	return MM_OK;
}

static const struct {
	const char *word;
	enum mm_error (*load)(
	    const char *csv, struct mm_span text, struct mm_flash_secret *out);
} loaders[] = {{"file", load_file}, {"string", load_string}, {"hex", load_hex},
    {"base64", load_base64}};

enum mm_error
mm_cert_value_load(const char *csv, struct mm_span type, struct mm_span text,
    struct mm_flash_secret *out)
{
	size_t i = 0;

	if (text.size == 0)
		return wrong("data_value is empty");
	while (i < MM_COUNT(loaders) && !mm_span_is(type, loaders[i].word))
		i++;
	return i < MM_COUNT(loaders)
		   ? loaders[i].load(csv, text, out)
		   : wrong("data_type is \"%.*s\": it has to be file, string, "
			   "hex or base64",
			 MM_SPAN(type));
}
