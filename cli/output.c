#include "cli/command.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ca/certificate.h"

void
mm_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* "ada, bob"; of objects their texts: "w1 2024-01-31T12:00:00Z". */
static void
print_list(const char *key, const json_t *list)
{
	const json_t *item, *part;
	const char *name;
	size_t i;

	printf("%s:", key);
	json_array_foreach(list, i, item)
	{
		fputs(i > 0 ? "," : "", stdout);
		if (json_is_string(item))
			printf(" %s", json_string_value(item));
		json_object_foreach((json_t *)(uintptr_t)item, name, part)
		{
			if (json_is_string(part))
				printf(" %s", json_string_value(part));
		}
	}
	putchar('\n');
}

static void
print_value(const char *key, const json_t *value)
{
	if (json_is_array(value)) {
		print_list(key, value);
		return;
	}
	if (json_is_string(value))
		printf("%s: %s\n", key, json_string_value(value));
	else if (json_is_integer(value))
		printf("%s: %" JSON_INTEGER_FORMAT "\n", key,
		    json_integer_value(value));
	else if (json_is_boolean(value))
		printf("%s: %s\n", key, json_is_true(value) ? "yes" : "no");
}

void
mm_print(const struct mm_invocation *invocation, json_t *object)
{
	const char *key;
	json_t *value;

	if (object == NULL)
		return;
	if (invocation->json) {
		json_dumpf(object, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		json_object_foreach(object, key, value) print_value(key, value);
	}
	json_decref(object);
}

const char *
mm_hex(struct mm_span bytes, struct mm_arena *arena)
{
	char *text = mm_arena_alloc(arena, 2 * bytes.size + 1);

	if (text == NULL)
		return NULL;
	return sodium_bin2hex(text, 2 * bytes.size + 1, bytes.data, bytes.size);
}

enum mm_error
mm_output(const struct mm_invocation *invocation, const char *path,
    struct mm_span bytes)
{
	if (strcmp(path, "-") != 0)
		return mm_file_write(path, bytes, 0644, invocation->force);
	if (fwrite(bytes.data, 1, bytes.size, stdout) != bytes.size ||
	    fflush(stdout) != 0)
		return mm_fail(
		    MM_E_FILE, "cannot write to stdout: %s", strerror(errno));
	return MM_OK;
}

enum mm_error
mm_output_check(const struct mm_invocation *invocation, const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX] = ".";

	if (strcmp(path, "-") == 0)
		return MM_OK;
	if (!invocation->force && access(path, F_OK) == 0)
		return mm_fail(MM_E_EXISTS,
		    "%s exists already; say --force to overwrite it", path);
	if (slash != NULL)
		snprintf(directory, sizeof(directory), "%.*s",
		    (int)(slash - path) + 1, path);
	if (access(directory, W_OK | X_OK) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot write %s: %s", path, strerror(errno));
	return MM_OK;
}

enum mm_error
mm_output_certificates(const struct mm_invocation *invocation, const char *path,
    const struct mm_span *certificates, size_t count)
{
	mm_auto(buffer) pem = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&pem, 1 << 20);
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = mm_pem_encode("CERTIFICATE", certificates[i], &pem);
	return error == MM_OK
		   ? mm_output(invocation, path, mm_buffer_span(&pem))
		   : error;
}

enum mm_error
mm_input(const char *path, size_t max, struct mm_buffer *out)
{
	if (strcmp(path, "-") != 0)
		return mm_file_read(path, max, out);
	mm_buffer_init(out, max);
	while (out->error == MM_OK) {
		uint8_t chunk[16384];
		ssize_t got = read(STDIN_FILENO, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mm_fail(MM_E_FILE, "cannot read stdin: %s",
			    strerror(errno));
		if (got == 0)
			break;
		mm_buffer_add(out, chunk, (size_t)got);
	}
	if (out->error != MM_OK)
		return mm_fail(
		    out->error, "stdin has more than %zu bytes", max);
	return MM_OK;
}

enum mm_error
mm_path(char *out, size_t size, const char *directory, const char *name)
{
	int length = snprintf(out, size, "%s/%s", directory, name);

	if (length < 0 || (size_t)length >= size)
		return mm_fail(
		    MM_E_FILE, "the path %s/%s is too long", directory, name);
	return MM_OK;
}
