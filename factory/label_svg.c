/*
 * Labels as SVG 1.1, alone and on sheets of A4; all lengths are mm.
 */
#include <string.h>

#include "factory/label.h"

#define LINE 3.2    /* from one line of text to the next */
#define FONT 2.6    /* its size */
#define NARROW 0.6  /* of the font's size: a character's width, about */
#define MARGIN 10.0 /* of a page */
#define GAP 4.0     /* between labels */
#define A4_WIDTH 210
#define A4_HEIGHT 297

static void
put_text(const char *text, struct mm_buffer *out)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"},
	    {'"', "&quot;"}, {'\'', "&#39;"}};

	for (; *text != '\0'; text++) {
		size_t i = 0;

		while (i < MM_COUNT(entities) && entities[i].c != *text)
			i++;
		if (i < MM_COUNT(entities))
			mm_buffer_add_text(out, entities[i].entity);
		else
			mm_buffer_add(out, text, 1);
	}
}

/* Runs of dark modules, row by row, in modules. */
static void
put_modules(const struct mm_label *label, struct mm_buffer *out)
{
	int side = (int)label->side;

	for (int y = 0; y < side; y++)
		for (int x = 0, end; x < side; x = end + 1) {
			for (end = x; mm_label_dark(label, end, y);)
				end++;
			if (end > x)
				mm_buffer_printf(out, "M%d %dh%dv1h-%dz",
				    x + MM_LABEL_QUIET, y + MM_LABEL_QUIET,
				    end - x, end - x);
		}
}

static void
put_line(
    const char *line, double x, double y, double width, struct mm_buffer *out)
{
	size_t characters = 0;

	for (const char *c = line; *c != '\0'; c++)
		characters += (*c & 0xc0) != 0x80;
	mm_buffer_printf(out, "<text x=\"%.3f\" y=\"%.3f\"", x + width / 2, y);
	if ((double)characters * NARROW * FONT > width)
		mm_buffer_printf(out,
		    " textLength=\"%.3f\" lengthAdjust=\"spacingAndGlyphs\"",
		    width);
	mm_buffer_add_text(out, ">");
	put_text(line, out);
	mm_buffer_add_text(out, "</text>\n");
}

static void
put_label(const struct mm_label *label, double x, double y, double mm,
    struct mm_buffer *out)
{
	mm_buffer_printf(out,
	    "<g>\n<path transform=\"translate(%.3f %.3f) scale(%.6f)\" d=\"", x,
	    y, mm / (label->side + 2 * MM_LABEL_QUIET));
	put_modules(label, out);
	mm_buffer_add_text(out, "\"/>\n");
	for (size_t i = 0; i < label->line_count; i++)
		put_line(label->lines[i], x, y + mm + (double)i * LINE + FONT,
		    mm, out);
	mm_buffer_add_text(out, "</g>\n");
}

static void
begin(double width, double height, struct mm_buffer *out)
{
	mm_buffer_printf(out,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
	    "width=\"%.3fmm\" height=\"%.3fmm\" viewBox=\"0 0 %.3f %.3f\">\n"
	    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
	    "<g fill=\"#000\" shape-rendering=\"crispEdges\" "
	    "font-family=\"sans-serif\" font-size=\"%.3f\" "
	    "text-anchor=\"middle\">\n",
	    width, height, width, height, FONT);
}

static void
end(struct mm_buffer *out)
{
	mm_buffer_add_text(out, "</g>\n</svg>\n");
}

static double
label_height(unsigned mm, size_t lines)
{
	return mm + (lines > 0 ? (double)lines * LINE + 1 : 0);
}

void
mm_label_svg(const struct mm_label *label, unsigned mm, struct mm_buffer *out)
{
	begin(mm, label_height(mm, label->line_count), out);
	put_label(label, 0, 0, mm, out);
	end(out);
}

/* --- a page --- */

enum mm_error
mm_label_sheet_init(struct mm_label_sheet *sheet, unsigned mm, size_t lines)
{
	double width = mm + GAP, height = label_height(mm, lines) + GAP;
	double columns = (A4_WIDTH - 2 * MARGIN + GAP) / width;
	double rows = (A4_HEIGHT - 2 * MARGIN + GAP) / height;

	if (columns < 1 || rows < 1)
		return mm_fail(MM_E_RANGE,
		    "a label of %u mm does not fit on a page of A4", mm);
	*sheet = (struct mm_label_sheet){.mm = mm,
	    .lines = (unsigned)lines,
	    .columns = (unsigned)columns,
	    .rows = (unsigned)rows};
	return MM_OK;
}

void
mm_label_sheet_begin(struct mm_label_sheet *sheet, struct mm_buffer *out)
{
	sheet->placed = 0;
	begin(A4_WIDTH, A4_HEIGHT, out);
}

bool
mm_label_sheet_add(struct mm_label_sheet *sheet, const struct mm_label *label,
    struct mm_buffer *out)
{
	unsigned column = sheet->placed % sheet->columns;
	unsigned row = sheet->placed / sheet->columns;

	if (row >= sheet->rows)
		return false;
	put_label(label, MARGIN + column * (sheet->mm + GAP),
	    MARGIN + row * (label_height(sheet->mm, sheet->lines) + GAP),
	    sheet->mm, out);
	sheet->placed++;
	return true;
}

void
mm_label_sheet_end(struct mm_buffer *out)
{
	end(out);
}
