#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/flash_nvs.h"
#include "cli/json_value.h"
#include "cli/progress.h"

struct making {
	const struct mm_invocation *invocation;
	const char *directory;
	struct mm_flash_nvs_file template, values;
	struct mm_nvs_many *many;
	struct mm_nvs *nvs;
	uint8_t *key;
	size_t done;
};

static enum mm_error
image_path(const struct making *making, const char *name, char path[PATH_MAX])
{
	int size =
	    snprintf(path, PATH_MAX, "%s/%s.bin", making->directory, name);

	return size > 0 && size < PATH_MAX
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "the path %s/%s.bin is too long",
			 making->directory, name);
}

/* Nothing is written before everything could be. */
static enum mm_error
check_image(struct making *making, const char *name)
{
	char path[PATH_MAX];
	struct mm_span image;
	enum mm_error error = mm_nvs_finish(making->nvs, NULL, &image);

	if (error == MM_OK)
		error = image_path(making, name, path);
	return error == MM_OK ? mm_output_check(making->invocation, path)
			      : error;
}

static enum mm_error
write_image(struct making *making, const char *name)
{
	char path[PATH_MAX];
	struct mm_span image;
	enum mm_error error = mm_nvs_finish(making->nvs, making->key, &image);

	if (error == MM_OK)
		error = image_path(making, name, path);
	if (error == MM_OK)
		error =
		    mm_file_write(path, image, 0600, making->invocation->force);
	making->done += error == MM_OK;
	return error;
}

static enum mm_error
each_image(struct making *making, const char *what,
    enum mm_error (*act)(struct making *making, const char *name))
{
	struct mm_progress progress = {0};
	const char *name = "";
	enum mm_error error = MM_OK;
	uint64_t count = 0;

	mm_nvs_many_rewind(making->many);
	mm_progress_begin(&progress, what);
	while (error == MM_OK) {
		error = mm_nvs_many_next(making->many, making->nvs, &name);
		if (error != MM_OK || name == NULL)
			break;
		error = act(making, name);
		mm_progress_tell(
		    &progress, ++count, mm_nvs_many_count(making->many));
	}
	mm_progress_end(&progress);
	return error;
}

static enum mm_error
make_directory(const struct making *making)
{
	if (mkdir(making->directory, 0700) < 0 && errno != EEXIST)
		return mm_fail(MM_E_FILE, "cannot make %s: %s",
		    making->directory, strerror(errno));
	return MM_OK;
}

static enum mm_error
make_images(struct making *making)
{
	enum mm_error error = make_directory(making);

	if (error == MM_OK)
		error = each_image(making, "images checked", check_image);
	if (error == MM_OK)
		error = each_image(making, "images", write_image);
	if (error != MM_OK && making->done > 0)
		mm_say("%zu of %zu images are written; the others are not "
		       "begun",
		    making->done, mm_nvs_many_count(making->many));
	return error;
}

/* A word that is spelt otherwise here and there: its value stays the
 * template's. */
static void
tell_columns(const struct making *making)
{
	struct mm_span unused = mm_nvs_many_unused(making->many);

	if (unused.size > 0)
		mm_say("%s: no row of %s takes its column(s) %.*s: a row with "
		       "a value keeps that one, for all devices",
		    making->values.path, making->template.path,
		    MM_SPAN(unused));
}

static enum mm_error
open_all(struct making *making, size_t *size)
{
	const struct mm_invocation *invocation = making->invocation;
	unsigned version;
	enum mm_error error = mm_nvs_size_read(invocation->operands[2], size);

	if (error == MM_OK)
		error = mm_flash_nvs_version(invocation, &version);
	if (error == MM_OK)
		error = mm_flash_nvs_key(invocation, &making->key);
	if (error == MM_OK)
		error = mm_flash_nvs_open(
		    invocation->operands[0], MM_NVS_CSV_MAX, &making->template);
	if (error == MM_OK)
		error = mm_flash_nvs_open(invocation->operands[1],
		    MM_NVS_VALUES_MAX, &making->values);
	if (error == MM_OK)
		error = mm_nvs_many_new(&making->template.source,
		    &making->values.source, mm_option(invocation, "name"),
		    &making->many);
	return error == MM_OK ? mm_nvs_new(*size, version, &making->nvs)
			      : error;
}

enum mm_error
mm_flash_nvs_many(const struct mm_invocation *invocation)
{
	struct making making = {.invocation = invocation,
	    .directory = mm_option(invocation, "out")};
	size_t size;
	enum mm_error error;

	if (invocation->operand_count != 3 || making.directory == NULL)
		return mm_fail(MM_E_USAGE,
		    "say --many TEMPLATE.csv VALUES.csv SIZE --out DIR");
	error = open_all(&making, &size);
	if (error == MM_OK)
		tell_columns(&making);
	if (error == MM_OK)
		error = make_images(&making);
	if (error == MM_OK)
		mm_print(invocation,
		    json_pack("{s:o, s:I, s:I, s:b}", "directory",
			mm_json_text(mm_span_text(making.directory)), "images",
			(json_int_t)making.done, "size", (json_int_t)size,
			"encrypted", making.key != NULL));
	mm_nvs_many_free(making.many);
	mm_nvs_free(making.nvs);
	sodium_free(making.key);
	mm_flash_nvs_file_clear(&making.template);
	mm_flash_nvs_file_clear(&making.values);
	return error;
}
