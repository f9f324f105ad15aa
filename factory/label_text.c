/*
 * A label on a terminal: two modules a character.
 */
#include "factory/label.h"

static bool
is_lit(const struct mm_label *label, int x, int y, bool invert)
{
	int end = (int)label->side + MM_LABEL_QUIET;

	/* Below an odd number of rows nothing is drawn. */
	return y < end && mm_label_dark(label, x, y) == invert;
}

void
mm_label_text(const struct mm_label *label, bool invert, struct mm_buffer *out)
{
	static const char *const blocks[] = {" ", "▄", "▀", "█"};
	int end = (int)label->side + MM_LABEL_QUIET;

	for (int y = -MM_LABEL_QUIET; y < end; y += 2) {
		for (int x = -MM_LABEL_QUIET; x < end; x++)
			mm_buffer_add_text(
			    out, blocks[is_lit(label, x, y, invert) << 1 |
					is_lit(label, x, y + 1, invert)]);
		mm_buffer_add_text(out, "\n");
	}
	/* Not by printf(), which would leave a secret on the stack. */
	for (size_t i = 0; i < label->line_count; i++) {
		mm_buffer_printf(out, "%*s", MM_LABEL_QUIET, "");
		mm_buffer_add_text(out, label->lines[i]);
		mm_buffer_add_text(out, "\n");
	}
}
