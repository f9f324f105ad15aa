#include "factory/unit_images.h"

#include <string.h>

#include "factory/unit_images_parts.h"

enum { ARENA = 64 << 20 };

static const struct format {
	enum mm_error (*read)(
	    struct mm_unit_image *image, crypto_hash_sha256_state *digest);
	enum mm_error (*make)(struct mm_unit_image *image,
	    const struct mm_image_unit *unit, struct mm_flash_secret *out);
} formats[] = {
    [MM_IMAGE_NVS] = {mm_unit_nvs_read, mm_unit_nvs_make},
    [MM_IMAGE_NVS_KEYS] = {mm_unit_nvs_keys_read, mm_unit_nvs_keys_make},
    [MM_IMAGE_SECURE_CERT] = {mm_unit_secure_cert_read,
	mm_unit_secure_cert_make},
};

enum mm_error
mm_unit_image_keep(struct mm_unit_image *image, struct mm_span *span)
{
	size_t size = span->size;

	if (size == 0) {
		*span = mm_span("", 0);
		return MM_OK;
	}
	*span = mm_arena_copy(&image->arena, *span);
	return span->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "the template is too large");
}

/* With its NUL; NULL stays NULL. */
static enum mm_error
keep_text(struct mm_unit_image *image, const char **text)
{
	struct mm_span span;
	enum mm_error error;

	if (*text == NULL)
		return MM_OK;
	span = mm_span(*text, strlen(*text) + 1);
	error = mm_unit_image_keep(image, &span);
	*text = (const char *)span.data;
	return error;
}

static enum mm_error
check_place(const struct mm_image_plan *plan)
{
	if ((size_t)plan->format >= MM_COUNT(formats))
		return mm_fail(MM_E_FORMAT, "there is no such format");
	if (!plan->encrypted)
		return MM_OK;
	if (plan->chip == NULL)
		return mm_fail(MM_E_FORMAT,
		    "image %s: flash encryption wants a chip: say `chip`",
		    plan->name);
	if (plan->offset % MM_FLASH_BLOCK != 0)
		return mm_fail(MM_E_RANGE,
		    "image %s: its offset 0x%llx is no multiple of %d",
		    plan->name, (unsigned long long)plan->offset,
		    MM_FLASH_BLOCK);
	return MM_OK;
}

static enum mm_error
read_image(struct mm_unit_image *image, crypto_hash_sha256_state *digest)
{
	struct mm_image_plan *plan = &image->plan;
	enum mm_error error = keep_text(image, &plan->name);

	if (error == MM_OK)
		error = keep_text(image, &plan->rows.name);
	if (error == MM_OK)
		error = keep_text(image, &plan->rows.beside);
	if (error == MM_OK)
		error = check_place(plan);
	if (error == MM_OK)
		error = formats[plan->format].read(image, digest);
	image->facts.flash_key = plan->encrypted;
	return error;
}

enum mm_error
mm_unit_image_new(const struct mm_image_plan *plan,
    crypto_hash_sha256_state *digest, struct mm_unit_image **out)
{
	struct mm_unit_image *image = calloc(1, sizeof(*image));
	enum mm_error error;

	if (image == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an image");
	image->plan = *plan;
	mm_arena_init(&image->arena, ARENA);
	error = read_image(image, digest);
	if (error == MM_OK)
		*out = image;
	else
		mm_unit_image_free(image);
	return error;
}

void
mm_unit_image_free(struct mm_unit_image *image)
{
	if (image == NULL)
		return;
	mm_unit_nvs_clear(image);
	mm_arena_clear(&image->arena);
	free(image);
}

void
mm_unit_image_facts(
    const struct mm_unit_image *image, struct mm_unit_image_facts *out)
{
	*out = image->facts;
}

struct mm_span
mm_unit_image_name(const struct mm_unit_image *image, size_t i, bool *path)
{
	if (i >= image->name_count)
		return mm_span(NULL, 0);
	*path = image->names[i].path;
	return image->names[i].name;
}

enum mm_error
mm_unit_image_check(
    struct mm_unit_image *image, const struct mm_label_values *values)
{
	const struct mm_image_unit unit = {.values = values};

	return image->plan.format == MM_IMAGE_NVS
		   ? mm_unit_nvs_fill(image, &unit, false)
		   : MM_OK;
}

/* --- for its place in flash --- */

static enum mm_error
check_size(const struct mm_image_plan *plan, size_t size)
{
	return plan->size == 0 || size <= plan->size
		   ? MM_OK
		   : mm_fail(MM_E_RANGE,
			 "image %s: it has 0x%zx bytes, and its partition "
			 "0x%llx: make that larger, in the partition table",
			 plan->name, size, (unsigned long long)plan->size);
}

/* All formats make whole blocks. */
static enum mm_error
encrypt(const struct mm_image_plan *plan, struct mm_span key,
    struct mm_flash_secret *made)
{
	struct mm_flash_cipher *cipher = NULL;
	enum mm_error error = mm_flash_cipher_new(
	    plan->chip, key, MM_FLASH_CRYPT_CONFIG, &cipher);

	if (error == MM_OK)
		error = mm_flash_cipher_run(cipher, MM_FLASH_ENCRYPT,
		    plan->offset, mm_span(made->data, made->size), made->data);
	mm_flash_cipher_free(cipher);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "image %s: flash encryption: %s",
				    plan->name, mm_why(error));
}

enum mm_error
mm_unit_image_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out)
{
	const struct mm_image_plan *plan = &image->plan;
	mm_auto(flash_secret) made = {0};
	enum mm_error error = formats[plan->format].make(image, unit, &made);

	if (error == MM_OK)
		error = check_size(plan, made.size);
	if (error == MM_OK && plan->encrypted)
		error = encrypt(plan, unit->flash_key, &made);
	if (error != MM_OK)
		return error;
	*out = made;
	made.data = NULL;
	return MM_OK;
}
