#include "cli/own_image.h"

#include <string.h>

#include "cli/json_value.h"

enum { ARENA = 65536 + 4096 };

static enum mm_error
read_as(struct mm_own_image *image, struct mm_span as)
{
	struct mm_arena arena = {0};
	struct mm_image_facts facts;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_image_read(mm_own_image_bytes(image), as, &arena, &facts);
	if (error != MM_OK) {
		mm_arena_clear(&arena);
		return error;
	}
	mm_arena_clear(&image->arena);
	image->arena = arena;
	image->facts = facts;
	return MM_OK;
}

/* By its first bytes; else as bytes. */
static enum mm_error
read_any(struct mm_own_image *image)
{
	enum mm_error error = read_as(image, mm_span(NULL, 0));

	if (error != MM_E_IMAGE)
		return error;
	mm_say("the image is taken as plain bytes: %s", mm_why(error));
	return read_as(image, mm_span_text("plain"));
}

enum mm_error
mm_own_image_take(struct mm_buffer *bytes, struct mm_own_image *out)
{
	*out = (struct mm_own_image){.file = *bytes};
	*bytes = (struct mm_buffer){0};
	return read_any(out);
}

enum mm_error
mm_own_image_open(const char *path, struct mm_own_image *out)
{
	enum mm_error error;

	*out = (struct mm_own_image){.facts = {.size = 0}};
	mm_buffer_init(&out->file, MM_OWN_IMAGE_MAX);
	error = mm_input(path, MM_OWN_IMAGE_MAX, &out->file);
	if (error == MM_OK && out->file.size == 0)
		error = mm_fail(MM_E_FORMAT, "%s is empty: there is no image",
		    strcmp(path, "-") == 0 ? "stdin" : path);
	return error == MM_OK ? read_any(out) : error;
}

void
mm_own_image_clear(struct mm_own_image *image)
{
	mm_buffer_clear(&image->file);
	mm_arena_clear(&image->arena);
}

enum mm_error
mm_own_image_as(struct mm_own_image *image, struct mm_span format)
{
	if (mm_span_is(format, "unread") ||
	    mm_span_equal(image->facts.format, format))
		return MM_OK;
	return read_as(image, format);
}

struct mm_span
mm_own_image_bytes(const struct mm_own_image *image)
{
	return mm_buffer_span(&image->file);
}

enum mm_error
mm_own_image_digest(
    const struct mm_own_image *image, struct mm_span signing, uint8_t out[32])
{
	const struct mm_image bytes = {
	    mm_own_image_bytes(image), &image->facts};
	struct mm_signing_name name;
	enum mm_error error = mm_signing_read(signing, &name);

	return error == MM_OK ? name.scheme->digest(&bytes, out) : error;
}

static json_t *
text_or_null(struct mm_span text)
{
	return text.size > 0 ? mm_json_text(text) : json_null();
}

json_t *
mm_own_image_json(const struct mm_own_image *image)
{
	const struct mm_image_facts *facts = &image->facts;

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "format",
	    mm_json_text(facts->format), "chip", text_or_null(facts->chip),
	    "project", text_or_null(facts->project), "image_version",
	    text_or_null(facts->version), "secure_version",
	    (json_int_t)facts->secure_version, "image_size",
	    (json_int_t)facts->size, "sha256",
	    mm_json_hex(mm_span(facts->sha256, sizeof(facts->sha256))));
}
