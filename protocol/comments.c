#include "protocol/comments.h"

#include <string.h>

/* The text that is left; what was read of it goes out as it is or blank. */
struct reading {
	struct mm_span left;
	struct mm_buffer *out;
	bool begun; /* something but blanks stands in this line */
};

static void
take(struct reading *r, size_t size, bool blank)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t c = r->left.data[i];

		if (blank && c != '\n')
			c = ' ';
		mm_buffer_add(r->out, &c, 1);
		if (c == '\n')
			r->begun = false;
		else if (c != ' ' && c != '\t' && c != '\r')
			r->begun = true;
	}
	r->left = mm_span(r->left.data + size, r->left.size - size);
}

static bool
at(const struct reading *r, const char *what)
{
	return r->left.size >= strlen(what) &&
	       memcmp(r->left.data, what, strlen(what)) == 0;
}

/* Bytes up to the end of this line, without it. */
static size_t
line_size(const struct reading *r)
{
	const uint8_t *end = memchr(r->left.data, '\n', r->left.size);

	return end != NULL ? (size_t)(end - r->left.data) : r->left.size;
}

/* To the quote that closes what stands here; a backslash hides one. */
static size_t
quoted_size(const struct reading *r)
{
	uint8_t quote = r->left.data[0];
	size_t i = 1;

	while (i < r->left.size && r->left.data[i] != quote)
		i += r->left.data[i] == '\\' ? 2 : 1;
	return i < r->left.size ? i + 1 : r->left.size;
}

static size_t
block_size(const struct reading *r)
{
	const uint8_t *end = memmem(r->left.data, r->left.size, "*/", 2);

	return end != NULL ? (size_t)(end - r->left.data) + 2 : r->left.size;
}

void
mm_comments_blank(struct mm_span text, struct mm_buffer *out)
{
	struct reading r = {.left = text, .out = out};

	while (r.left.size > 0) {
		if (at(&r, "\"") || at(&r, "'"))
			take(&r, quoted_size(&r), false);
		else if (at(&r, "#") || (!r.begun && at(&r, "//")))
			take(&r, line_size(&r), true);
		else if (!r.begun && at(&r, "/*"))
			take(&r, block_size(&r), true);
		else
			take(&r, 1, false);
	}
}
