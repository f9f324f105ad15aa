/*
 * mintmark flash nvs: an NVS image from a CSV, as Espressif's generator makes
 * it; one a device; and back.
 */
#include "cli/flash_nvs.h"

#include <sodium.h>
#include <string.h>

#include "cli/json_value.h"
#include "factory/der.h"

enum mm_error
mm_flash_nvs_key(const struct mm_invocation *invocation, uint8_t **out)
{
	const char *path = mm_option(invocation, "keys");
	mm_auto(flash_secret) file = {0};
	enum mm_error error;
	uint8_t *key;

	*out = NULL;
	if (path == NULL)
		return MM_OK;
	error = mm_flash_secret_read(path, &file);
	if (error != MM_OK)
		return error;
	key = sodium_malloc(MM_NVS_KEY);
	if (key == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	error = mm_nvs_keys_decode(mm_span(file.data, file.size), key);
	if (error == MM_OK) {
		*out = key;
		return MM_OK;
	}
	sodium_free(key);
	return mm_fail(error, "%s: %s", path, mm_why(error));
}

enum mm_error
mm_flash_nvs_version(const struct mm_invocation *invocation, unsigned *out)
{
	const char *text = mm_option(invocation, "version");

	*out = text != NULL && text[0] == '1' ? 1 : 2;
	if (text == NULL || strcmp(text, "1") == 0 || strcmp(text, "2") == 0)
		return MM_OK;
	return mm_fail(MM_E_USAGE, "--version is 1 or 2, not %s", text);
}

enum mm_error
mm_flash_nvs_open(const char *path, size_t max, struct mm_flash_nvs_file *out)
{
	enum mm_error error;

	mm_buffer_init(&out->text, max);
	if (strlen(path) >= sizeof(out->path))
		return mm_fail(MM_E_FILE, "the path is too long: %s", path);
	strcpy(out->path, path);
	mm_path_parent(path, out->beside);
	error = mm_input(path, max, &out->text);
	out->source = (struct mm_nvs_source){
	    .name = out->path,
	    .text = mm_buffer_span(&out->text),
	    .beside = out->beside,
	};
	return error;
}

void
mm_flash_nvs_file_clear(struct mm_flash_nvs_file *file)
{
	if (file->text.data != NULL)
		sodium_memzero(file->text.data, file->text.capacity);
	mm_buffer_clear(&file->text);
}

/* --- one image --- */

static enum mm_error
add_file(struct mm_nvs *nvs, const char *path)
{
	mm_auto(flash_nvs_file) file = {0};
	enum mm_error error = mm_flash_nvs_open(path, MM_NVS_CSV_MAX, &file);

	return error == MM_OK ? mm_nvs_csv(nvs, &file.source) : error;
}

/* "IN.csv,IN2.csv" */
static enum mm_error
add_files(struct mm_nvs *nvs, const char *paths)
{
	char path[PATH_MAX];
	enum mm_error error = MM_OK;

	while (error == MM_OK && paths != NULL) {
		size_t size = strcspn(paths, ",");

		if (size == 0 || size >= sizeof(path))
			return mm_fail(
			    MM_E_USAGE, "\"%s\" is not a list of files", paths);
		memcpy(path, paths, size);
		path[size] = '\0';
		error = add_file(nvs, path);
		paths = paths[size] == ',' ? paths + size + 1 : NULL;
	}
	return error;
}

static enum mm_error
print_made(const struct mm_invocation *invocation, const char *out,
    const struct mm_nvs *nvs, size_t size)
{
	struct mm_nvs_use use;

	mm_nvs_used(nvs, &use);
	mm_print(invocation,
	    json_pack("{s:o, s:I, s:b, s:I, s:I, s:I, s:I, s:I}", "file",
		mm_json_text(mm_span_text(out)), "size", (json_int_t)size,
		"encrypted", mm_option(invocation, "keys") != NULL,
		"namespaces", (json_int_t)use.namespaces, "keys",
		(json_int_t)use.keys, "pages_used", (json_int_t)use.pages,
		"pages", (json_int_t)use.of, "entries_left",
		(json_int_t)((use.of - use.pages + 1) * MM_NVS_ENTRIES -
			     use.entries)));
	return MM_OK;
}

/* Images may hold keys: nobody else may read them. */
static enum mm_error
write_made(const struct mm_invocation *invocation, const char *out,
    struct mm_nvs *nvs, const uint8_t *key)
{
	struct mm_span image;
	enum mm_error error = mm_nvs_finish(nvs, key, &image);

	if (error != MM_OK)
		return error;
	if (strcmp(out, "-") == 0)
		return mm_output(invocation, out, image);
	error = mm_file_write(out, image, 0600, invocation->force);
	return error == MM_OK ? print_made(invocation, out, nvs, image.size)
			      : error;
}

struct making {
	struct mm_nvs *nvs;
	uint8_t *key;
	unsigned version;
	size_t size, inputs; /* of the image; operands that are CSVs */
	const char *out;
};

static enum mm_error
read_words(const struct mm_invocation *invocation, struct making *making)
{
	const char *out = mm_option(invocation, "out");
	size_t behind = out != NULL ? 1 : 2, count = invocation->operand_count;

	if (count <= behind)
		return mm_fail(
		    MM_E_USAGE, "say IN.csv, OUT.bin and the partition's SIZE");
	making->inputs = count - behind;
	making->out = out != NULL ? out : invocation->operands[making->inputs];
	return mm_nvs_size_read(invocation->operands[count - 1], &making->size);
}

static enum mm_error
make(const struct mm_invocation *invocation, struct making *making)
{
	enum mm_error error = read_words(invocation, making);

	if (error == MM_OK)
		error = mm_flash_nvs_version(invocation, &making->version);
	if (error == MM_OK)
		error = mm_output_check(invocation, making->out);
	if (error == MM_OK)
		error = mm_flash_nvs_key(invocation, &making->key);
	if (error == MM_OK)
		error = mm_nvs_new(making->size, making->version, &making->nvs);
	for (size_t i = 0; i < making->inputs && error == MM_OK; i++)
		error = add_files(making->nvs, invocation->operands[i]);
	return error == MM_OK ? write_made(invocation, making->out, making->nvs,
				    making->key)
			      : error;
}

static enum mm_error
make_one(const struct mm_invocation *invocation)
{
	struct making making = {0};
	enum mm_error error = make(invocation, &making);

	mm_nvs_free(making.nvs);
	sodium_free(making.key);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	bool dump = mm_option(invocation, "dump") != NULL;
	bool many = mm_option(invocation, "many") != NULL;

	if (dump && many)
		return mm_fail(MM_E_USAGE, "say --dump or --many, not both");
	if (mm_option(invocation, "name") != NULL && !many)
		return mm_fail(MM_E_USAGE, "--name goes with --many");
	if (dump)
		return mm_flash_nvs_dump(invocation);
	return many ? mm_flash_nvs_many(invocation) : make_one(invocation);
}

static const struct mm_cli_option options[] = {
    {"version", "1|2", "1: without blobs over several pages (default 2)",
	MM_OPTION_MAY},
    {"keys", "KEYS.bin", "a key partition to encrypt or decrypt with",
	MM_OPTION_MAY},
    {"dump", NULL, "decode an image: IMAGE", MM_OPTION_MAY},
    {"many", NULL, "an image a device: TEMPLATE.csv VALUES.csv SIZE",
	MM_OPTION_MAY},
    {"name", "COLUMN", "with --many: what the images are named by",
	MM_OPTION_MAY},
    {"out", "PATH", "the image, or the directory of --many", MM_OPTION_MAY},
};

const struct mm_command mm_flash_nvs_command = {
    .noun = "flash",
    .verb = "nvs",
    .operands = "IN.csv[,IN2.csv] OUT.bin SIZE",
    .operand_min = 1,
    .operand_max = 4,
    .summary = "NVS images from CSV, and back",
    .about =
	"The CSV is that of Espressif's nvs_partition_gen, and so is the "
	"image,\n"
	"byte for byte. A file that a row names is looked for in the working\n"
	"directory, then beside the CSV. SIZE is the partition's:\n"
	"0x6000, 24K, 1M.\n"
	"\n"
	"Without --keys the image holds in clear what the CSV brings in "
	"clear,\n"
	"private keys too, as the vendor's does. Every image has mode 0600.\n"
	"\n"
	"--many TEMPLATE.csv VALUES.csv SIZE -o DIR makes DIR/NAME.bin for "
	"each\n"
	"row of VALUES, whose columns are keys. The template is a CSV as\n"
	"above, its value empty where each device has its own; or, as for the\n"
	"vendor's mfg_gen, rows of key,type,encoding without a first line of\n"
	"names, and REPEAT behind a row that takes the first device's value "
	"for\n"
	"all. All rows are checked before the first image is written.\n"
	"\n"
	"--dump IMAGE shows the values, secret ones too, and ends with 65 "
	"where\n"
	"something is damaged.",
    .results =
	"file, size, encrypted, namespaces, keys, pages_used, pages,\n"
	"entries_left; with --many: directory, images, size, encrypted; with\n"
	"--dump: file, size, version, pages [page, state, sequence, version,\n"
	"written, erased], namespaces [index, name], entries [namespace, key,\n"
	"type, value (a number, from 2^63 on its digits as text; text; blobs "
	"in\n"
	"hex), page, entry], damage [page, entry, what]",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
