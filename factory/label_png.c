/*
 * A label's code as PNG.
 */
#include <png.h>
#include <sodium.h>
#include <string.h>

#include "factory/label.h"

enum { SCALE_MAX = 20, WHITE = 255 };

static void
draw(const struct mm_label *label, unsigned scale, size_t side, uint8_t *pixels)
{
	for (size_t y = 0; y < side; y++)
		for (size_t x = 0; x < side; x++) {
			int column = (int)(x / scale) - MM_LABEL_QUIET;
			int row = (int)(y / scale) - MM_LABEL_QUIET;

			pixels[y * side + x] =
			    mm_label_dark(label, column, row) ? 0 : WHITE;
		}
}

enum mm_error
mm_label_png(
    const struct mm_label *label, unsigned scale, struct mm_buffer *out)
{
	size_t side = (label->side + 2 * MM_LABEL_QUIET) * (size_t)scale;
	png_image image = {.version = PNG_IMAGE_VERSION,
	    .width = (png_uint_32)side,
	    .height = (png_uint_32)side,
	    .format = PNG_FORMAT_GRAY};
	mm_autofree uint8_t *pixels = NULL;
	mm_autofree uint8_t *file = NULL;
	png_alloc_size_t size;

	if (scale < 1 || scale > SCALE_MAX)
		return mm_fail(MM_E_RANGE,
		    "a module has 1 to %d pixels, not %u", SCALE_MAX, scale);
	size = PNG_IMAGE_PNG_SIZE_MAX(image);
	pixels = malloc(side * side);
	file = malloc(size);
	if (pixels == NULL || file == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a label");
	draw(label, scale, side, pixels);
	if (png_image_write_to_memory(
		&image, file, &size, 0, pixels, 0, NULL) == 0)
		return mm_fail(
		    MM_E_BUG, "libpng makes no PNG: %s", image.message);
	mm_buffer_add(out, file, size);
	/* The code may be a secret's. */
	sodium_memzero(pixels, side * side);
	sodium_memzero(file, size);
	return out->error;
}
