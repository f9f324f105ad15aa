#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "factory/nvs_parts.h"
#include "protocol/text.h"
#include "signer/numbers.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

/* The longest value in hex, and then some for line ends in base64. */
enum { FILE_MAX = 2 * MM_NVS_BLOB_MAX + 65536 };

enum mm_error
mm_nvs_secret_fit(struct mm_flash_secret *secret, size_t size)
{
	if (secret->size >= size && secret->data != NULL)
		return MM_OK;
	mm_flash_secret_clear(secret);
	/* Whole pages, so that it is not made anew for each value. */
	size = (size / MM_NVS_PAGE + 1) * MM_NVS_PAGE;
	return mm_flash_secret_new(size, secret);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What Python's strip() takes off. */
static struct mm_span
strip(struct mm_span text)
{
	while (text.size > 0 && is_blank(text.data[text.size - 1]))
		text.size--;
	while (text.size > 0 && is_blank(text.data[0]))
		text = mm_span(text.data + 1, text.size - 1);
	return text;
}

/* --- files --- */

/* One that is not there is told from one that cannot be read. */
static int
open_value(struct mm_span value, const char *beside, char path[4096])
{
	int fd;

	snprintf(path, 4096, "%.*s", MM_SPAN(value));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 || errno != ENOENT || beside == NULL || path[0] == '/')
		return fd;
	if (snprintf(path, 4096, "%s/%.*s", beside, MM_SPAN(value)) < 4096)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		snprintf(path, 4096, "%.*s", MM_SPAN(value));
	return fd;
}

static enum mm_error
read_whole(
    int fd, const char *path, struct mm_flash_secret *room, struct mm_span *out)
{
	struct stat info;
	size_t size = 0;
	ssize_t got = 1;
	enum mm_error error;

	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		return mm_fail(MM_E_FILE, "%s is not a regular file", path);
	if (info.st_size > FILE_MAX)
		return mm_fail(MM_E_RANGE, "%s has %jd bytes; %d are the limit",
		    path, (intmax_t)info.st_size, FILE_MAX);
	error = mm_nvs_secret_fit(room, (size_t)info.st_size + 1);
	if (error != MM_OK)
		return error;
	while (size < room->size && got != 0) {
		got = read(fd, room->data + size, room->size - size);
		if (got < 0 && errno != EINTR)
			return mm_fail(MM_E_FILE, "cannot read %s: %s", path,
			    strerror(errno));
		size += got > 0 ? (size_t)got : 0;
	}
	if (got != 0)
		return mm_fail(MM_E_FILE, "%s grew while it was read", path);
	*out = mm_span(room->data, size);
	return MM_OK;
}

enum mm_error
mm_nvs_file_read(struct mm_span value, const char *beside,
    struct mm_flash_secret *room, struct mm_span *out)
{
	char path[4096];
	mm_autoclose int fd = -1;

	if (value.size == 0 || value.size > 3000)
		return wrong(
		    "a row of the type file needs a path as its value");
	fd = open_value(value, beside, path);
	if (fd < 0)
		return mm_fail(MM_E_FILE,
		    "cannot read %s: %s (paths are "
		    "relative to the working directory, "
		    "or to the CSV's)",
		    path, strerror(errno));
	return read_whole(fd, path, room, out);
}

/* --- encodings --- */

struct encoding;
struct reading {
	struct mm_nvs *nvs;
	struct mm_span key, value;
	const struct encoding *encoding;
	uint64_t fill_size; /* of the fill encodings */
	uint8_t fill;
};

struct encoding {
	const char *name;
	enum mm_error (*add)(struct reading *reading);
	unsigned type;
};

/* Decimal digits of a magnitude that 64 bits can hold. */
static bool
read_digits(struct mm_span text, uint64_t *out)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.size; i++) {
		unsigned digit = mm_digit(text.data[i]);

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*out = number;
	return text.size > 0;
}

static enum mm_error
add_number(struct reading *reading)
{
	unsigned type = reading->encoding->type, bits = 8 * (type & 0xf);
	struct mm_span text = strip(reading->value);
	bool minus = text.size > 0 && text.data[0] == '-';
	uint64_t most = mm_nvs_is_signed(type) ? UINT64_MAX >> (65 - bits)
					       : UINT64_MAX >> (64 - bits);
	uint64_t magnitude;

	if (minus || (text.size > 0 && text.data[0] == '+'))
		text = mm_span(text.data + 1, text.size - 1);
	if (minus)
		most = mm_nvs_is_signed(type) ? most + 1 : 0;
	if (!read_digits(text, &magnitude) || magnitude > most)
		return mm_fail(MM_E_RANGE,
		    "the value of \"%.*s\" is not a decimal number that %s "
		    "can hold",
		    MM_SPAN(reading->key), reading->encoding->name);
	return mm_nvs_number(reading->nvs, reading->key, type,
	    minus ? 0 - magnitude : magnitude);
}

static enum mm_error
add_string(struct reading *reading)
{
	if (!mm_nvs_is_text(reading->value) &&
	    memchr(reading->value.data, '\0', reading->value.size) == NULL)
		return wrong("the string \"%.*s\" is not UTF-8: say binary",
		    MM_SPAN(reading->key));
	return mm_nvs_string(reading->nvs, reading->key, reading->value);
}

static enum mm_error
add_binary(struct reading *reading)
{
	return mm_nvs_blob(reading->nvs, reading->key, reading->value);
}

static bool
decode_hex(struct mm_span text, uint8_t *out)
{
	for (size_t i = 0; i + 1 < text.size; i += 2) {
		unsigned high = mm_digit(text.data[i]);
		unsigned low = mm_digit(text.data[i + 1]);

		if (high > 15 || low > 15)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return text.size % 2 == 0;
}

static enum mm_error
add_hex(struct reading *reading)
{
	struct mm_span text = strip(reading->value);
	struct mm_nvs *nvs = reading->nvs;
	enum mm_error error = mm_nvs_secret_fit(&nvs->value, text.size / 2);

	if (error != MM_OK)
		return error;
	if (!decode_hex(text, nvs->value.data))
		return wrong("the value of \"%.*s\" is not an even number of "
			     "hex digits and nothing else",
		    MM_SPAN(reading->key));
	return mm_nvs_blob(
	    nvs, reading->key, mm_span(nvs->value.data, text.size / 2));
}

static enum mm_error
add_base64(struct reading *reading)
{
	struct mm_nvs *nvs = reading->nvs;
	struct mm_span text = reading->value;
	enum mm_error error = mm_nvs_secret_fit(&nvs->value, text.size);
	size_t size = 0;

	if (error != MM_OK)
		return error;
	if (text.size > 0 &&
	    (!mm_text_is_ascii(text) ||
		sodium_base642bin(nvs->value.data, nvs->value.size,
		    (const char *)text.data, text.size, " \t\r\n", &size, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0))
		return wrong("the value of \"%.*s\" is not base64",
		    MM_SPAN(reading->key));
	return mm_nvs_blob(nvs, reading->key, mm_span(nvs->value.data, size));
}

/* The value and what fills it up, its size before it or not. */
static enum mm_error
fill(struct reading *reading, size_t before)
{
	struct mm_nvs *nvs = reading->nvs;
	size_t size = (size_t)reading->fill_size;
	enum mm_error error;

	if (reading->value.size > size)
		return mm_fail(MM_E_RANGE,
		    "the value of \"%.*s\" has %zu bytes; its encoding has "
		    "room for %zu",
		    MM_SPAN(reading->key), reading->value.size, size);
	error = mm_nvs_secret_fit(&nvs->value, before + size);
	if (error != MM_OK)
		return error;
	mm_little_put(reading->value.size, before, nvs->value.data);
	memset(nvs->value.data + before, reading->fill, size);
	if (reading->value.size > 0)
		memcpy(nvs->value.data + before, reading->value.data,
		    reading->value.size);
	return mm_nvs_blob(
	    nvs, reading->key, mm_span(nvs->value.data, before + size));
}

static enum mm_error
add_filled(struct reading *reading)
{
	return fill(reading, 0);
}

static enum mm_error
add_filled_sized(struct reading *reading)
{
	return fill(reading, 4);
}

static const struct encoding encodings[] = {
    {"u8", add_number, MM_NVS_U8},
    {"i8", add_number, MM_NVS_I8},
    {"u16", add_number, MM_NVS_U16},
    {"i16", add_number, MM_NVS_I16},
    {"u32", add_number, MM_NVS_U32},
    {"i32", add_number, MM_NVS_I32},
    {"u64", add_number, MM_NVS_U64},
    {"i64", add_number, MM_NVS_I64},
    {"string", add_string, MM_NVS_STRING},
    {"hex2bin", add_hex, MM_NVS_BLOB},
    {"base64", add_base64, MM_NVS_BLOB},
    {"binary", add_binary, MM_NVS_BLOB},
};
static const struct encoding fills[] = {
    {"blob_fill(", add_filled, MM_NVS_BLOB},
    {"blob_sz_fill(", add_filled_sized, MM_NVS_BLOB},
};

/* "16;0xAA)": how long, and with what. */
static bool
read_fill(struct mm_span text, struct reading *reading)
{
	const uint8_t *mark =
	    text.size > 0 ? memchr(text.data, ';', text.size) : NULL;
	size_t digits = mark != NULL ? (size_t)(mark - text.data) : 0;

	if (mark == NULL || text.size - digits != 6 ||
	    memcmp(mark, ";0x", 3) != 0 || text.data[text.size - 1] != ')')
		return false;
	return decode_hex(mm_span(mark + 3, 2), &reading->fill) &&
	       read_digits(mm_span(text.data, digits), &reading->fill_size) &&
	       reading->fill_size <= MM_NVS_BLOB_MAX;
}

static bool
find_encoding(struct mm_span name, struct reading *reading)
{
	for (size_t i = 0; i < MM_COUNT(encodings); i++)
		if (mm_span_is(name, encodings[i].name)) {
			reading->encoding = &encodings[i];
			return true;
		}
	for (size_t i = 0; i < MM_COUNT(fills); i++) {
		size_t size = strlen(fills[i].name);

		if (name.size < size ||
		    memcmp(name.data, fills[i].name, size) != 0)
			continue;
		reading->encoding = &fills[i];
		return read_fill(
		    mm_span(name.data + size, name.size - size), reading);
	}
	return false;
}

bool
mm_nvs_encoding_known(struct mm_span encoding)
{
	struct reading reading;

	return find_encoding(encoding, &reading);
}

enum mm_error
mm_nvs_value(
    struct mm_nvs *nvs, const struct mm_nvs_row *row, const char *beside)
{
	struct reading reading = {
	    .nvs = nvs, .key = row->key, .value = row->value};
	bool file = mm_span_is(row->type, "file");
	enum mm_error error = MM_OK;

	if (!file && !mm_span_is(row->type, "data"))
		return wrong("the type \"%.*s\" is not namespace, data or file",
		    MM_SPAN(row->type));
	if (!find_encoding(row->encoding, &reading))
		return wrong("the encoding \"%.*s\" is not u8, i8, u16, i16, "
			     "u32, i32, u64, i64, string, hex2bin, base64, "
			     "binary, blob_fill(N;0xNN) or "
			     "blob_sz_fill(N;0xNN)",
		    MM_SPAN(row->encoding));
	if (file)
		error = mm_nvs_file_read(
		    row->value, beside, &nvs->file, &reading.value);
	if (error == MM_OK && reading.value.data == NULL)
		reading.value = mm_span("", 0);
	return error == MM_OK ? reading.encoding->add(&reading) : error;
}
