/*
 * A device's label: a QR code and a few lines that people read, both by
 * templates. A template is text with `{name}` where a value goes; `{{` and
 * `}}` are braces. A value that no template names appears nowhere, in errors
 * neither: what a template does not name stays secret.
 *
 *	kind	what the code says		values in it
 *	text	the template			as they are
 *	url	the template, a URL		percent-encoded (RFC 3986 2.1)
 *	esp	the provisioning JSON of	as JSON strings (RFC 8259 7)
 *		Espressif's phone apps, or a
 *		template of the same sort
 *	matter	an onboarding payload "MT:..."	as they are
 *		that was made elsewhere
 *
 * Files: label.c templates and the code; label_svg.c, label_png.c,
 * label_zpl.c, label_text.c how it is drawn.
 */
#ifndef MM_FACTORY_LABEL_H
#define MM_FACTORY_LABEL_H

#include "protocol/bytes.h"

enum {
	MM_LABEL_LINES = 4,     /* that people read */
	MM_LABEL_LINE_MAX = 64, /* bytes of one */
	MM_LABEL_VALUES = 96,
	MM_LABEL_DATA_MAX = 2953, /* bytes in a code, ISO/IEC 18004 table 7 */
	MM_LABEL_CODE_SIZE = 3918 /* bytes of a symbol of version 40 */
};

enum mm_label_kind {
	MM_LABEL_TEXT,
	MM_LABEL_URL,
	MM_LABEL_ESP,
	MM_LABEL_MATTER,
	MM_LABEL_KINDS
};

/* How much of the code may be unreadable: about 7, 15, 25, 30 in 100. */
enum mm_label_level {
	MM_LABEL_L,
	MM_LABEL_M,
	MM_LABEL_Q,
	MM_LABEL_H,
	MM_LABEL_LEVELS
};

struct mm_label_value {
	struct mm_span name, value;
};
struct mm_label_values {
	struct mm_label_value items[MM_LABEL_VALUES];
	size_t count;
};
/* NULL where there is none of this name. */
const struct mm_label_value *
mm_label_value(const struct mm_label_values *values, struct mm_span name);

struct mm_label_plan {
	enum mm_label_kind kind;
	enum mm_label_level level;
	const char *template; /* NULL: the kind's own (esp, matter) */
	const char *lines[MM_LABEL_LINES];
	size_t line_count;
};

struct mm_label {
	uint8_t code[MM_LABEL_CODE_SIZE];
	unsigned side; /* modules, 21 to 177, without the quiet zone */
	char lines[MM_LABEL_LINES][MM_LABEL_LINE_MAX + 1];
	size_t line_count;
};

/*
 * Makes a label. MM_E_USAGE: a template is malformed or missing, names a value
 * that is not there or is empty. MM_E_FORMAT: the result is not what its kind
 * is, or a value is not printable text. MM_E_RANGE: too long for a code or a
 * line.
 */
enum mm_error mm_label_make(const struct mm_label_plan *plan,
    const struct mm_label_values *values, struct mm_label *out) mm_must_use;
/* Whether the module at x, y is dark; outside of the code none is. */
bool mm_label_dark(const struct mm_label *label, int x, int y);

/* Appends the template, filled as one of text; `file` makes every byte but
 * A-Z a-z 0-9 . _ - of a value a `_`. MM_E_USAGE, MM_E_FORMAT. */
enum mm_error
mm_label_fill(const char *template, const struct mm_label_values *values,
    bool file, struct mm_buffer *out) mm_must_use;

/* --- drawing: all append to `out`, whose sticky error tells of failure --- */

enum {
	MM_LABEL_QUIET = 4,  /* modules of quiet zone, ISO/IEC 18004 6.3.8 */
	MM_LABEL_MM_MIN = 8, /* the code's side in mm, quiet zone included */
	MM_LABEL_MM_MAX = 150
};

/* An SVG of its own, the code `mm` wide and the lines below it. */
void
mm_label_svg(const struct mm_label *label, unsigned mm, struct mm_buffer *out);
/* Labels on a page of A4, from left to right and from the top. */
struct mm_label_sheet {
	unsigned mm, lines; /* the code's side; lines of text below */
	unsigned columns, rows;
	unsigned placed; /* on the page so far */
};
/* MM_E_RANGE where not one fits. */
enum mm_error mm_label_sheet_init(
    struct mm_label_sheet *sheet, unsigned mm, size_t lines) mm_must_use;
void mm_label_sheet_begin(struct mm_label_sheet *sheet, struct mm_buffer *out);
/* False, and nothing is placed, where the page is full. */
bool mm_label_sheet_add(struct mm_label_sheet *sheet,
    const struct mm_label *label, struct mm_buffer *out);
void mm_label_sheet_end(struct mm_buffer *out);

/* A PNG of the code alone, `scale` pixels a module, in black and white.
 * MM_E_MEMORY, MM_E_RANGE. */
enum mm_error mm_label_png(const struct mm_label *label, unsigned scale,
    struct mm_buffer *out) mm_must_use;

/*
 * One label of a ZPL II job (^XA to ^XZ): the code as a graphic, so that it is
 * the same on every printer, `mm` wide at most in whole dots a module, at
 * `dots` per mm (6, 8, 12 or 24). MM_E_RANGE where a module would have none.
 */
enum mm_error mm_label_zpl(const struct mm_label *label, unsigned mm,
    unsigned dots, struct mm_buffer *out) mm_must_use;

/* For a terminal, in half blocks: light on a dark ground, or `invert`. */
void
mm_label_text(const struct mm_label *label, bool invert, struct mm_buffer *out);

#endif
