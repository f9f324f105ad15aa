#include <string.h>

#include "factory/unit_images_parts.h"

enum { NAMES_MAX = MM_LABEL_VALUES };

enum row_kind {
	ROW_NAMESPACE,
	ROW_SAME,    /* its value is the same for all units */
	ROW_TEXT,    /* with names in it */
	ROW_PATH,    /* of a file, with names in it */
	ROW_CONTENT, /* contents of the unit */
};

struct unit_row {
	enum row_kind kind;
	unsigned line;
	struct mm_nvs_row row; /* in the arena; of type data where the value
				* is known: of ROW_SAME, it lies in `file` or
				* the arena */
	struct unit_text text;
	const struct unit_content *content;
	struct mm_flash_secret file;
	struct unit_row *next;
};

struct reading {
	struct mm_unit_image *image;
	crypto_hash_sha256_state *digest;
	struct unit_row **tail;
};

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

/* --- read --- */

static enum mm_error
know_name(struct mm_unit_image *image, struct mm_span name, bool path)
{
	for (size_t i = 0; i < image->name_count; i++)
		if (mm_span_equal(image->names[i].name, name)) {
			image->names[i].path |= path;
			return MM_OK;
		}
	if (image->name_count == NAMES_MAX)
		return wrong("the values name more than %d others", NAMES_MAX);
	image->names[image->name_count++] = (struct unit_name){name, path};
	return MM_OK;
}

static enum mm_error
know_names(struct mm_unit_image *image, const struct unit_text *text, bool path)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < text->count && error == MM_OK; i++) {
		struct mm_span name = text->pieces[i].bytes;

		if (!text->pieces[i].name)
			continue;
		if (mm_unit_content(name) != NULL)
			return wrong("{%.*s} stands for a file's bytes: alone "
				     "in the value of a row of the type file",
			    MM_SPAN(name));
		error = know_name(image, name, path);
	}
	return error;
}

static enum mm_error
read_content(struct mm_unit_image *image, struct unit_row *row)
{
	bool key = mm_unit_content_is_key(row->content);

	row->kind = ROW_CONTENT;
	if (!mm_unit_content_fits(row->content, row->row.encoding))
		return wrong("the encoding %.*s does not take %.*s: PEM "
			     "is string or binary, DER binary",
		    MM_SPAN(row->row.encoding), MM_SPAN(row->row.value));
	if (key && image->plan.key == MM_IMAGE_KEY_ELSEWHERE)
		return wrong("the device makes its key itself, and nobody else "
			     "has it: remove this row");
	image->facts.key = image->facts.key || key;
	image->facts.certificate = image->facts.certificate || !key;
	image->facts.root =
	    image->facts.root || mm_unit_content_is_root(row->content);
	return MM_OK;
}

/* The file's bytes, once for all. */
static enum mm_error
read_same_file(struct reading *reading, struct unit_row *row)
{
	struct mm_span bytes;
	enum mm_error error = mm_nvs_file_read(row->row.value,
	    reading->image->plan.rows.beside, &row->file, &bytes);

	if (error != MM_OK)
		return error;
	if (reading->digest != NULL)
		crypto_hash_sha256_update(
		    reading->digest, bytes.data, bytes.size);
	row->row.type = mm_span_text("data");
	row->row.value = bytes;
	return MM_OK;
}

/* Doubled braces become one, and the text is as for no unit at all. */
static enum mm_error
read_same(struct reading *reading, struct unit_row *row, bool file)
{
	struct mm_unit_image *image = reading->image;
	enum mm_error error =
	    mm_unit_text_fill(&row->text, NULL, &image->text, &row->row.value);

	if (error == MM_OK)
		error = mm_unit_image_keep(image, &row->row.value);
	row->kind = ROW_SAME;
	return error == MM_OK && file ? read_same_file(reading, row) : error;
}

static enum mm_error
read_value(struct reading *reading, struct unit_row *row)
{
	struct mm_unit_image *image = reading->image;
	bool file = mm_span_is(row->row.type, "file");
	enum mm_error error =
	    mm_unit_text_read(row->row.value, &image->arena, &row->text);

	if (error != MM_OK)
		return error;
	if (!file && !mm_span_is(row->row.type, "data"))
		return wrong("the type \"%.*s\" is not namespace, data or file",
		    MM_SPAN(row->row.type));
	if (!mm_nvs_encoding_known(row->row.encoding))
		return wrong("there is no encoding \"%.*s\"",
		    MM_SPAN(row->row.encoding));
	if (!row->text.named)
		return read_same(reading, row, file);
	if (file)
		row->content = mm_unit_content(mm_unit_text_alone(&row->text));
	if (row->content != NULL)
		return read_content(image, row);
	row->kind = file ? ROW_PATH : ROW_TEXT;
	return know_names(image, &row->text, file);
}

static enum mm_error
read_row(void *context, const struct mm_nvs_row *given, unsigned line)
{
	struct reading *reading = context;
	struct mm_unit_image *image = reading->image;
	struct unit_row *row = mm_arena_alloc(&image->arena, sizeof(*row));
	struct mm_span *spans[] = {
	    &row->row.key, &row->row.type, &row->row.encoding, &row->row.value};
	enum mm_error error = MM_OK;

	if (row == NULL)
		return mm_fail(MM_E_MEMORY, "the rows are too large");
	row->row = *given;
	row->line = line;
	for (size_t i = 0; i < MM_COUNT(spans) && error == MM_OK; i++)
		error = mm_unit_image_keep(image, spans[i]);
	if (error != MM_OK)
		return error;
	/* Its file, if any, is cleared with the others from here on. */
	*reading->tail = row;
	reading->tail = &row->next;
	row->kind = ROW_NAMESPACE;
	return mm_span_is(row->row.type, "namespace")
		   ? MM_OK
		   : read_value(reading, row);
}

static enum mm_error
read_key(struct mm_unit_image *image)
{
	struct mm_image_plan *plan = &image->plan;
	enum mm_error error;

	if (plan->keys != MM_IMAGE_KEYS_GIVEN)
		return MM_OK;
	error = mm_flash_secret_new(MM_NVS_KEY, &image->nvs_key);
	if (error == MM_OK)
		error = mm_nvs_keys_decode(plan->nvs_key, image->nvs_key.data);
	plan->nvs_key = mm_span(NULL, 0);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "image %s, its NVS key: %s",
				    plan->name, mm_why(error));
}

static enum mm_error
new_nvs(struct mm_unit_image *image)
{
	struct mm_image_plan *plan = &image->plan;
	enum mm_error error;

	if (plan->encrypted)
		return wrong("image %s: the device's NVS does not work in a "
			     "partition that flash encryption covers: give the "
			     "image `keys`, and remove `encrypted` from the "
			     "partition",
		    plan->name);
	if (plan->size > MM_NVS_SIZE_MAX)
		return mm_fail(MM_E_RANGE,
		    "image %s: an NVS partition has 0x%x bytes at most",
		    plan->name, (unsigned)MM_NVS_SIZE_MAX);
	error = mm_nvs_new((size_t)plan->size,
	    plan->version == 0 ? 2 : plan->version, &image->nvs);
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(error, "image %s: %s", plan->name, mm_why(error));
}

enum mm_error
mm_unit_nvs_read(struct mm_unit_image *image, crypto_hash_sha256_state *digest)
{
	struct reading reading = {image, digest, &image->rows};
	struct mm_unit_image_facts *facts = &image->facts;
	enum mm_error error = new_nvs(image);

	image->names =
	    mm_arena_alloc(&image->arena, NAMES_MAX * sizeof(*image->names));
	if (error == MM_OK && image->names == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an image");
	if (error == MM_OK)
		error = read_key(image);
	if (error == MM_OK)
		error = mm_nvs_csv_each(&image->plan.rows, read_row, &reading);
	if (error == MM_OK)
		error = mm_unit_nvs_fill(image, NULL, false);
	facts->clear = facts->key && image->plan.keys == MM_IMAGE_KEYS_NONE;
	facts->nvs_key = image->plan.keys == MM_IMAGE_KEYS_MADE;
	facts->hmac_key = image->plan.keys == MM_IMAGE_KEYS_HMAC;
	image->plan.rows.text = mm_span(NULL, 0);
	return error;
}

void
mm_unit_nvs_clear(struct mm_unit_image *image)
{
	for (struct unit_row *row = image->rows; row != NULL; row = row->next)
		mm_flash_secret_clear(&row->file);
	mm_nvs_free(image->nvs);
	mm_flash_secret_clear(&image->nvs_key);
	mm_flash_secret_clear(&image->text);
	mm_unit_contents_clear(&image->contents);
}

/* --- made --- */

/* What is not known yet takes an entry at least. */
static enum mm_error
add_unknown(struct mm_unit_image *image, const struct unit_row *row)
{
	return mm_nvs_number(image->nvs, row->row.key, MM_NVS_U8, 0);
}

static enum mm_error
add_text(struct mm_unit_image *image, const struct unit_row *row,
    const struct mm_image_unit *unit)
{
	struct mm_nvs_row filled = row->row;
	enum mm_error error;

	if (unit == NULL)
		return add_unknown(image, row);
	error = mm_unit_text_fill(
	    &row->text, unit->values, &image->text, &filled.value);
	return error == MM_OK
		   ? mm_nvs_value(image->nvs, &filled, image->plan.rows.beside)
		   : error;
}

/* As small as contents can be. */
static enum mm_error
stand_in(struct mm_unit_image *image, const struct unit_row *row,
    struct mm_span *out)
{
	size_t size = mm_unit_content_least(row->content, image->plan.key);
	enum mm_error error = mm_nvs_secret_fit(&image->text, size);

	if (error != MM_OK)
		return error;
	memset(image->text.data, 'x', size);
	*out = mm_span(image->text.data, size);
	return MM_OK;
}

static enum mm_error
add_content(struct mm_unit_image *image, const struct unit_row *row,
    const struct mm_image_unit *unit, bool whole)
{
	struct mm_nvs_row filled = row->row;
	enum mm_error error = whole ? mm_unit_content_of(row->content, unit,
					  &image->contents, &filled.value)
				    : stand_in(image, row, &filled.value);

	filled.type = mm_span_text("data");
	return error == MM_OK ? mm_nvs_value(image->nvs, &filled, NULL) : error;
}

static enum mm_error
add_row(struct mm_unit_image *image, const struct unit_row *row,
    const struct mm_image_unit *unit, bool whole)
{
	switch (row->kind) {
	case ROW_NAMESPACE:
		return mm_nvs_namespace(image->nvs, row->row.key);
	case ROW_SAME:
		return mm_nvs_value(image->nvs, &row->row, NULL);
	case ROW_CONTENT:
		return add_content(image, row, unit, whole);
	default:
		return add_text(image, row, unit);
	}
}

enum mm_error
mm_unit_nvs_fill(
    struct mm_unit_image *image, const struct mm_image_unit *unit, bool whole)
{
	enum mm_error error = MM_OK;

	mm_nvs_reset(image->nvs);
	for (const struct unit_row *row = image->rows;
	     row != NULL && error == MM_OK; row = row->next)
		error = mm_nvs_in_line(add_row(image, row, unit, whole),
		    image->plan.rows.name, row->line);
	return error;
}

/* The unit's key for the image's entries; `*found` false: none. */
static enum mm_error
key_of(const struct mm_unit_image *image, const struct mm_image_unit *unit,
    uint8_t out[MM_NVS_KEY], bool *found)
{
	enum mm_image_nvs_keys keys = image->plan.keys;

	*found = keys != MM_IMAGE_KEYS_NONE;
	if ((keys == MM_IMAGE_KEYS_HMAC && unit->hmac_key == NULL) ||
	    (keys == MM_IMAGE_KEYS_MADE && unit->nvs_key == NULL))
		return mm_fail(MM_E_USAGE, "the unit brings no key for NVS");
	if (keys == MM_IMAGE_KEYS_HMAC)
		return mm_nvs_key_derive(unit->hmac_key, out);
	if (*found)
		memcpy(out,
		    keys == MM_IMAGE_KEYS_MADE ? unit->nvs_key
					       : image->nvs_key.data,
		    MM_NVS_KEY);
	return MM_OK;
}

enum mm_error
mm_unit_nvs_make(struct mm_unit_image *image, const struct mm_image_unit *unit,
    struct mm_flash_secret *out)
{
	uint8_t key[MM_NVS_KEY];
	struct mm_span made;
	bool found = false;
	enum mm_error error = mm_unit_nvs_fill(image, unit, true);

	mm_flash_secret_clear(&image->contents.key);
	/* Values may be secrets, and the next unit may be long in coming. */
	sodium_memzero(image->text.data, image->text.size);
	if (error != MM_OK)
		return error;
	error = key_of(image, unit, key, &found);
	if (error == MM_OK)
		error = mm_nvs_finish(image->nvs, found ? key : NULL, &made);
	sodium_memzero(key, sizeof(key));
	if (error == MM_OK)
		error = mm_flash_secret_new(made.size, out);
	if (error == MM_OK)
		memcpy(out->data, made.data, made.size);
	mm_nvs_reset(image->nvs);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "image %s: %s", image->plan.name,
				    mm_why(error));
}

/* --- key partitions --- */

enum mm_error
mm_unit_nvs_keys_read(
    struct mm_unit_image *image, crypto_hash_sha256_state *digest)
{
	enum mm_image_nvs_keys keys = image->plan.keys;

	(void)digest;
	if (keys != MM_IMAGE_KEYS_MADE && keys != MM_IMAGE_KEYS_GIVEN)
		return wrong("image %s: a key partition holds a key that was "
			     "made or that a file has; what is derived from an "
			     "eFuse has none",
		    image->plan.name);
	if (image->plan.size != 0 && image->plan.size < MM_NVS_PAGE)
		return mm_fail(MM_E_RANGE,
		    "image %s: a key partition has 0x%x bytes at least",
		    image->plan.name, MM_NVS_PAGE);
	image->facts.nvs_key = keys == MM_IMAGE_KEYS_MADE;
	return read_key(image);
}

enum mm_error
mm_unit_nvs_keys_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out)
{
	uint8_t key[MM_NVS_KEY];
	bool found = false;
	enum mm_error error = key_of(image, unit, key, &found);

	if (error == MM_OK)
		error = mm_flash_secret_new(MM_NVS_PAGE, out);
	if (error == MM_OK)
		mm_nvs_keys_encode(key, out->data);
	sodium_memzero(key, sizeof(key));
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "image %s: %s", image->plan.name,
				    mm_why(error));
}
