/*
 * A label for Zebra printers (ZPL II Programming Guide: ^GF, ^FH, ^CI, ^A).
 */
#include <string.h>

#include "factory/label.h"

enum {
	FONT = 2,         /* mm */
	FONT_MIN = 10,    /* dots of width, the least that ^A0 takes */
	LINE_TENTHS = 26, /* tenths of a mm from one line to the next */
	BITS = 8
};

/* One row of dots, in hexadecimal digits, `scale` dots a module. */
static void
put_row(const struct mm_label *label, int row, unsigned scale, size_t bytes,
    struct mm_buffer *out)
{
	for (size_t at = 0; at < bytes; at++) {
		unsigned byte = 0;

		for (size_t bit = 0; bit < BITS; bit++) {
			size_t x = (at * BITS + bit) / scale;

			byte = byte << 1 | mm_label_dark(label,
					       (int)x - MM_LABEL_QUIET, row);
		}
		mm_buffer_printf(out, "%02X", byte);
	}
}

/* ^GF with `:` for a row that is the one before once more. */
static void
put_code(const struct mm_label *label, unsigned scale, struct mm_buffer *out)
{
	unsigned modules = label->side + 2 * MM_LABEL_QUIET;
	size_t dots = modules * (size_t)scale;
	size_t bytes = (dots + BITS - 1) / BITS;

	mm_buffer_printf(
	    out, "^FO0,0^GFA,%zu,%zu,%zu,", bytes * dots, bytes * dots, bytes);
	for (unsigned y = 0; y < modules; y++) {
		put_row(label, (int)y - MM_LABEL_QUIET, scale, bytes, out);
		for (unsigned i = 1; i < scale; i++)
			mm_buffer_add_text(out, ":");
	}
	mm_buffer_add_text(out, "^FS\n");
}

/* A field's data after ^FH_: what could be a command is in hexadecimal. */
static void
put_text(const char *text, struct mm_buffer *out)
{
	for (; *text != '\0'; text++) {
		unsigned byte = (uint8_t)*text;

		if (byte >= 0x80 || strchr("^~_\\,", *text) != NULL)
			mm_buffer_printf(out, "_%02X", byte);
		else
			mm_buffer_add(out, text, 1);
	}
}

/* A long line in narrow letters: each takes six tenths of the width that is
 * said, about. One more is the margin. */
static unsigned
font_width(const char *line, unsigned mm, unsigned dots)
{
	unsigned characters = 1, width;

	for (; *line != '\0'; line++)
		characters += ((uint8_t)*line & 0xc0) != 0x80;
	width = (mm - FONT) * dots * 10 / (6 * characters);
	if (width < FONT_MIN)
		return FONT_MIN;
	return width < FONT * dots ? width : FONT * dots;
}

static void
put_line(const struct mm_label *label, size_t i, unsigned mm, unsigned dots,
    struct mm_buffer *out)
{
	unsigned y = (mm * 10 + (unsigned)i * LINE_TENTHS) * dots / 10;

	mm_buffer_printf(out, "^FO%u,%u^A0N,%u,%u^FH_^FD", FONT * dots, y,
	    FONT * dots, font_width(label->lines[i], mm, dots));
	put_text(label->lines[i], out);
	mm_buffer_add_text(out, "^FS\n");
}

enum mm_error
mm_label_zpl(const struct mm_label *label, unsigned mm, unsigned dots,
    struct mm_buffer *out)
{
	unsigned scale = mm * dots / (label->side + 2 * MM_LABEL_QUIET);
	unsigned lines = (unsigned)label->line_count;

	if (scale == 0)
		return mm_fail(MM_E_RANGE,
		    "a code of %u modules has no whole dot for each in %u mm "
		    "at %u dots per mm; make the label larger",
		    label->side + 2 * MM_LABEL_QUIET, mm, dots);
	mm_buffer_printf(out, "^XA\n^CI28\n^PW%u\n^LL%u\n^LH0,0\n", mm * dots,
	    (mm * 10 + lines * LINE_TENTHS) * dots / 10);
	put_code(label, scale, out);
	for (size_t i = 0; i < label->line_count; i++)
		put_line(label, i, mm, dots, out);
	mm_buffer_add_text(out, "^XZ\n");
	return out->error;
}
