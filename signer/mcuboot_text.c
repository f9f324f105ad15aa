/*
 * Versions, dependencies and TLVs as they are said to imgtool.
 */
#include <inttypes.h>
#include <string.h>

#include "signer/mcuboot_make.h"
#include "signer/numbers.h"

/* What is left to be read of a text. */
struct cursor {
	struct mm_span left;
};

static bool
take(struct cursor *c, char wanted)
{
	if (c->left.size == 0 || c->left.data[0] != (uint8_t)wanted)
		return false;
	c->left.data++;
	c->left.size--;
	return true;
}

static void
skip_blanks(struct cursor *c)
{
	while (take(c, ' '))
		;
}

/* Digits of one base, at most `max`; decimal without leading zeros. */
static bool
take_number(struct cursor *c, unsigned base, uint64_t max, uint64_t *out)
{
	const uint8_t *first = c->left.data;
	size_t count = 0;
	uint64_t value = 0;

	while (c->left.size > 0 && mm_digit(c->left.data[0]) < base) {
		uint64_t digit = mm_digit(c->left.data[0]);

		if (digit > max || value > (max - digit) / base)
			return false;
		value = value * base + digit;
		take(c, (char)c->left.data[0]);
		count++;
	}
	if (count == 0 || (base == 10 && count > 1 && first[0] == '0'))
		return false;
	*out = value;
	return true;
}

enum mm_error
mm_mcuboot_number_read(struct mm_span text, uint64_t max, uint64_t *out)
{
	struct cursor c = {text};
	uint64_t value;
	bool hex = text.size > 2 && text.data[0] == '0' &&
		   (text.data[1] | 0x20) == 'x';

	if (hex)
		c.left = mm_span(text.data + 2, text.size - 2);
	if (!take_number(&c, hex ? 16 : 10, max, &value) || c.left.size > 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%.*s\" is no number of at most %" PRIu64
		    ", decimal or hex behind 0x",
		    MM_SPAN(text), max);
	*out = value;
	return MM_OK;
}

/* Each part may be left out with all behind it. */
static bool
take_version(struct cursor *c, struct mm_image_version *out)
{
	struct mm_image_version v = {0};
	const struct {
		char before;
		uint64_t max, *out;
	} parts[] = {{'.', UINT8_MAX, &v.minor}, {'.', UINT16_MAX, &v.revision},
	    {'+', UINT32_MAX, &v.build}};
	bool fits = take_number(c, 10, UINT8_MAX, &v.major);

	for (size_t i = 0; fits && i < MM_COUNT(parts); i++) {
		if (!take(c, parts[i].before))
			break;
		fits = take_number(c, 10, parts[i].max, parts[i].out);
	}
	if (fits)
		*out = v;
	return fits;
}

enum mm_error
mm_mcuboot_version_read(struct mm_span text, struct mm_image_version *out)
{
	struct cursor c = {text};
	struct mm_image_version version;

	if (!take_version(&c, &version) || c.left.size > 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%.*s\" is no version for MCUboot: say "
		    "MAJOR.MINOR.REVISION+BUILD, at most "
		    "255.255.65535+4294967295, without leading zeros",
		    MM_SPAN(text));
	*out = version;
	return MM_OK;
}

uint64_t
mm_mcuboot_counter_of(const struct mm_image_version *version)
{
	return version->major << 24 | version->minor << 16 | version->revision;
}

/* A character with blanks on both sides. */
static bool
take_mark(struct cursor *c, char wanted)
{
	bool found;

	skip_blanks(c);
	found = take(c, wanted);
	skip_blanks(c);
	return found;
}

static bool
take_dependency(struct cursor *c, struct mm_dependency *out)
{
	return take_mark(c, '(') &&
	       take_number(c, 10, UINT8_MAX, &out->image) &&
	       take_mark(c, ',') && take_version(c, &out->at_least) &&
	       take_mark(c, ')');
}

enum mm_error
mm_mcuboot_dependencies_read(struct mm_span text, struct mm_mcuboot_making *out)
{
	struct mm_dependency found[MM_DEPENDENCIES_MAX];
	struct cursor c = {text};
	size_t count = 0;

	do {
		if (count == MM_DEPENDENCIES_MAX)
			return mm_fail(MM_E_RANGE,
			    "an image takes at most %d dependencies",
			    MM_DEPENDENCIES_MAX);
		if (!take_dependency(&c, &found[count++]))
			return mm_fail(MM_E_FORMAT,
			    "\"%.*s\" are no dependencies: say \"(IMAGE, "
			    "VERSION), ...\", images from 0 to 255",
			    MM_SPAN(text));
	} while (take(&c, ','));
	if (c.left.size > 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%.*s\" stands behind the dependencies", MM_SPAN(c.left));
	memcpy(out->dependencies, found, count * sizeof(found[0]));
	out->dependency_count = count;
	return MM_OK;
}

/* The bytes of "0x..." in the arena; text as it stands. */
static enum mm_error
read_value(struct mm_span text, struct mm_arena *arena, struct mm_span *out)
{
	uint8_t *bytes;

	if (text.size < 2 || text.data[0] != '0' || text.data[1] != 'x') {
		*out = text;
		return MM_OK;
	}
	text = mm_span(text.data + 2, text.size - 2);
	bytes = mm_arena_alloc(arena, text.size / 2 + 1);
	if (bytes == NULL)
		return mm_fail(MM_E_RANGE, "the TLV's value is too long");
	for (size_t i = 0; i < text.size; i++) {
		unsigned digit = mm_digit(text.data[i]);

		if (digit > 15 || text.size % 2 != 0)
			return mm_fail(MM_E_FORMAT,
			    "behind 0x a TLV's value is bytes of two hex "
			    "digits each");
		bytes[i / 2] = (uint8_t)((unsigned)bytes[i / 2] << 4 | digit);
	}
	*out = mm_span(bytes, text.size / 2);
	return MM_OK;
}

enum mm_error
mm_mcuboot_custom_read(
    struct mm_span text, struct mm_arena *arena, struct mm_mcuboot_making *out)
{
	const uint8_t *equal =
	    text.size > 0 ? memchr(text.data, '=', text.size) : NULL;
	struct mm_mcuboot_custom custom;
	size_t before;
	enum mm_error error;

	if (equal == NULL)
		return mm_fail(MM_E_FORMAT,
		    "\"%.*s\" is no TLV: say TYPE=VALUE", MM_SPAN(text));
	if (out->custom_count == MM_MCUBOOT_CUSTOM_MAX)
		return mm_fail(
		    MM_E_RANGE, "%d TLVs are the limit", MM_MCUBOOT_CUSTOM_MAX);
	before = (size_t)(equal - text.data);
	error = mm_mcuboot_number_read(
	    mm_span(text.data, before), UINT16_MAX, &custom.type);
	if (error == MM_OK)
		error = read_value(mm_span(equal + 1, text.size - before - 1),
		    arena, &custom.value);
	if (error == MM_OK)
		out->customs[out->custom_count++] = custom;
	return error;
}
