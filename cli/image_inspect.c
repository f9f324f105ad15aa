/*
 * mintmark image inspect: what an image's bytes say about themselves.
 *
 * The JSON is `file` and every member of struct mm_image_facts by its name
 * (signer/image.h says what each is): numbers as numbers, bytes in hex. What
 * is absent, zero or empty where it may be so, is an absent key. Of `esp`,
 * `mcuboot`, `table` and `secure_cert` the one that the format has is an
 * object; `signatures` and the lists in these are arrays of objects. Keys come
 * and keep their meaning.
 */
#include <string.h>

#include "cli/json_value.h"
#include "cli/mapped.h"
#include "cli/values.h"
#include "signer/image.h"

enum { IMAGE_MAX = 256 << 20, ARENA = 65536 };

/* ---- for programs */

static json_t *
to_json(const char *path, const struct mm_image_facts *facts)
{
	static const char *const parts[] = {
	    "esp", "mcuboot", "table", "secure_cert"};
	json_t *read = mm_json_shape(&mm_image_facts_shape, facts);
	json_t *out =
	    json_pack("{s:o}", "file", mm_json_text(mm_span_text(path)));

	for (size_t i = 0; i < MM_COUNT(parts); i++) {
		json_t *list = json_object_get(read, parts[i]);

		if (list != NULL)
			json_object_set(
			    read, parts[i], json_array_get(list, 0));
	}
	json_object_update(out, read);
	json_decref(read);
	return out;
}

/* ---- for people */

static void
print_scalar(const char *key, const json_t *value)
{
	static const char *const addresses[] = {
	    "address", "offset", "entry", "load_address", "flags", "type"};
	bool hex = false;

	for (size_t i = 0; i < MM_COUNT(addresses); i++)
		hex = hex || strcmp(key, addresses[i]) == 0;
	if (json_is_integer(value) && hex)
		printf("0x%llx", (unsigned long long)json_integer_value(value));
	else if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", stdout);
	else if (json_is_string(value))
		fputs(json_string_value(value), stdout);
	else
		fputs("(unreadable)", stdout);
}

/* "address 0x3f400020, offset 0x20, size 1024", parts of parts after it. */
static void
print_row(const json_t *row)
{
	const char *key, *inner, *before = "";
	json_t *value, *part;

	json_object_foreach((json_t *)(uintptr_t)row, key, value)
	{
		if (!json_is_object(value)) {
			printf("%s%s ", before, key);
			print_scalar(key, value);
		}
		json_object_foreach(value, inner, part)
		{
			printf("%s%s ", before, inner);
			print_scalar(inner, part);
			before = ", ";
		}
		before = ", ";
	}
	putchar('\n');
}

static void
print_member(const char *indent, const char *key, const json_t *value)
{
	const json_t *row;
	size_t i;

	printf("%s%s:", indent, key);
	if (!json_is_array(value)) {
		putchar(' ');
		print_scalar(key, value);
		putchar('\n');
		return;
	}
	putchar('\n');
	json_array_foreach(value, i, row)
	{
		printf("%s  ", indent);
		print_row(row);
	}
}

static void
print_text(const json_t *facts)
{
	const char *key, *inner;
	json_t *value, *part;

	json_object_foreach((json_t *)(uintptr_t)facts, key, value)
	{
		if (!json_is_object(value) ||
		    json_object_get(value, "unreadable") != NULL) {
			print_member("", key, value);
			continue;
		}
		printf("%s:\n", key);
		json_object_foreach(value, inner, part)
		    print_member("  ", inner, part);
	}
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = invocation->operands[0];
	__attribute__((cleanup(mm_mapped_clear))) struct mm_mapped image;
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	json_t *out;
	enum mm_error error = mm_mapped_open(path, IMAGE_MAX, &image);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_image_read(image.bytes,
		    mm_value_text(invocation, "as", ""), &arena, &facts);
	if (error == MM_E_IMAGE || error == MM_E_INSPECTOR)
		error = mm_fail(MM_E_FORMAT, "%s: %s", path, mm_why(error));
	if (error != MM_OK)
		return error;
	out = to_json(path, &facts);
	if (!invocation->json) {
		print_text(out);
		json_decref(out);
		return MM_OK;
	}
	mm_print(invocation, out);
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    {"as", "FORMAT",
	"refuse any other: esp-app, esp-bootloader, esp-image, mcuboot, "
	"partition-table, secure-cert; or read it as plain",
	MM_OPTION_MAY},
};

const struct mm_command mm_image_inspect_command = {
    .noun = "image",
    .verb = "inspect",
    .operands = "IMAGE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "what a firmware image is",
    .results =
	"file, size, sha256, format, length (of the image proper), trailing\n"
	"(bytes behind it), blank (those are 0xFF, or there are none), chip,\n"
	"project, version, secure_version (of MCUboot the security counter);\n"
	"esp: segments (address, offset, size), entry, min_revision,\n"
	"max_revision, old_revision, flash_size, flash_mode, flash_frequency,\n"
	"write_protect, drive, hashed, idf, built, elf_sha256, mmu_page, "
	"padded;\n"
	"mcuboot: header, payload, load_address, flags, dependencies (image,\n"
	"at_least: major, minor, revision, build), tlvs (type, offset, size,\n"
	"covered), key_hash, slot, confirmed;\n"
	"table: partitions (name, type, subtype, offset, size, encrypted,\n"
	"readonly), summed;\n"
	"secure_cert: tlvs (type, subtype, flags, offset, size), certificate,\n"
	"plain_key, covered;\n"
	"signatures: family, offset, algorithm, key (digest of it), sound.\n"
	"What an image does not have is not there.",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
