#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ca/certificate.h"
#include "protocol/text.h"

enum { CHUNK = 65536 };

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
mm_output_end(void)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return MM_OK;
	return mm_fail(
	    MM_E_FILE, "cannot write to stdout: %s", strerror(errno));
}

enum mm_error
mm_output(const struct mm_invocation *invocation, const char *path,
    struct mm_span bytes)
{
	if (strcmp(path, "-") != 0)
		return mm_file_write(path, bytes, 0644, invocation->force);
	fwrite(bytes.data, 1, bytes.size, stdout);
	return mm_output_end();
}

void
mm_path_parent(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(out, PATH_MAX, ".");
	else
		snprintf(out, PATH_MAX, "%.*s", (int)(slash - path) + 1, path);
}

enum mm_error
mm_path_sync(const char *path)
{
	char parent[PATH_MAX];
	mm_autoclose int fd = -1;

	mm_path_parent(path, parent);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fsync(fd) == 0)
		return MM_OK;
	return mm_fail(
	    MM_E_FILE, "cannot write %s durably: %s", path, strerror(errno));
}

static void
print_lines(struct mm_span text)
{
	char clean[1024];

	while (text.size > 0) {
		size_t size = 0;

		while (size < text.size && size < sizeof(clean) - 1 &&
		       text.data[size] != '\n' && text.data[size] != '\t')
			size++;
		mm_text_clean(mm_span(text.data, size), clean, sizeof(clean));
		fputs(clean, stdout);
		if (size < text.size && size < sizeof(clean) - 1)
			putchar(text.data[size++]);
		text = mm_span(text.data + size, text.size - size);
	}
}

enum mm_error
mm_output_lines(const struct mm_invocation *invocation, const char *path,
    struct mm_span text)
{
	if (strcmp(path, "-") != 0 || !isatty(STDOUT_FILENO))
		return mm_output(invocation, path, text);
	print_lines(text);
	return mm_output_end();
}

/* ---- what --force may not overwrite: a file that the command line has for
 * something else, most of all a key */

static bool
is_same_file(const char *path, const char *word)
{
	struct stat one, other;

	return strcmp(path, word) == 0 ||
	       (stat(path, &one) == 0 && stat(word, &other) == 0 &&
		   one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

/* By what stands for it in the help. */
static bool
names_file(const char *stands)
{
	static const char *const files[] = {"FILE", "LIST", "TABLE", "CRT",
	    "PUB", "SIG", "PATH", "OUT", "KEY", "KEYS.bin", "PAYLOADS",
	    "STATEMENTS", "VKEY"};

	for (size_t i = 0; stands != NULL && i < MM_COUNT(files); i++)
		if (strcmp(stands, files[i]) == 0)
			return true;
	return false;
}

static bool
operands_are_files(const struct mm_command *command)
{
	static const char *const others[] = {
	    "ORDER", "NAME", "PRODUCT", "INDEX", "KIND", "PAYLOAD|"};

	for (size_t i = 0; i < MM_COUNT(others); i++)
		if (strncmp(command->operands, others[i], strlen(others[i])) ==
		    0)
			return false;
	return true;
}

/* A word of the command line that names this file. `own`: the one that says
 * it is a result, if there is one, was met. */
static bool
is_other(const char *path, const char *word, bool *own)
{
	if (!*own && strcmp(path, word) == 0) {
		*own = true;
		return false;
	}
	return is_same_file(path, word);
}

static enum mm_error
check_others(const struct mm_invocation *invocation, const char *path)
{
	const struct mm_command *command = invocation->command;
	bool own = false, other = false;

	for (size_t i = 0; i < command->option_count; i++)
		if (invocation->values[i] != NULL &&
		    names_file(command->options[i].value))
			other |= is_other(path, invocation->values[i], &own);
	for (size_t i = 0; i < invocation->operand_count; i++)
		if (operands_are_files(command))
			other |= is_other(path, invocation->operands[i], &own);
	return !other ? MM_OK
		      : mm_fail(MM_E_USAGE,
			    "%s would be overwritten, and this command has it "
			    "for something else, too: give the result another "
			    "name",
			    path);
}

enum mm_error
mm_output_check(const struct mm_invocation *invocation, const char *path)
{
	char directory[PATH_MAX];
	enum mm_error error;

	if (strcmp(path, "-") == 0)
		return MM_OK;
	error = check_others(invocation, path);
	if (error != MM_OK)
		return error;
	if (!invocation->force && access(path, F_OK) == 0)
		return mm_fail(MM_E_EXISTS,
		    "%s exists already; say --force to overwrite it", path);
	mm_path_parent(path, directory);
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

static int
open_input(const char *path)
{
	struct stat info;
	/* A FIFO in the place of a file must not keep anybody waiting. */
	mm_autoclose int fd =
	    strcmp(path, "-") == 0
		? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
		: open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &info) < 0)
		return -1;
	if (strcmp(path, "-") == 0 || S_ISREG(info.st_mode))
		return mm_take_fd(fd);
	errno = S_ISDIR(info.st_mode) ? EISDIR : ENOTSUP;
	return -1;
}

enum mm_error
mm_input_sha256(const char *path, uint8_t sha256[32], uint64_t *size)
{
	mm_autoclose int fd = open_input(path);
	crypto_hash_sha256_state state;
	ssize_t got = fd < 0 ? -1 : 1;

	*size = 0;
	crypto_hash_sha256_init(&state);
	while (got > 0 || (fd >= 0 && got < 0 && errno == EINTR)) {
		uint8_t chunk[CHUNK];

		got = read(fd, chunk, sizeof(chunk));
		if (got <= 0)
			continue;
		crypto_hash_sha256_update(&state, chunk, (size_t)got);
		*size += (size_t)got;
	}
	if (got < 0)
		return mm_fail(MM_E_FILE, "cannot read %s: %s",
		    strcmp(path, "-") == 0 ? "stdin" : path, strerror(errno));
	crypto_hash_sha256_final(&state, sha256);
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
