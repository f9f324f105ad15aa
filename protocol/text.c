#include "protocol/text.h"

#include <string.h>
#include <strings.h>

#include "protocol/cbor.h"

/* The bytes of the printable character at `at`; 0 where there is none. */
static size_t
character(const uint8_t *at, size_t left)
{
	for (size_t size = 1; size <= 4 && size <= left; size++)
		if (mm_text_ok(mm_span(at, size)))
			return size;
	return 0;
}

size_t
mm_text_clean(struct mm_span text, char *out, size_t size)
{
	size_t used = 0;
	size_t i = 0;

	while (i < text.size) {
		size_t found = character(text.data + i, text.size - i);
		size_t taken = found > 0 ? found : 1;

		if (taken >= size - used)
			break;
		if (found > 0)
			memcpy(out + used, text.data + i, found);
		else
			out[used] = '?';
		used += taken;
		i += taken;
	}
	out[used] = '\0';
	return used;
}

bool
mm_text_is_word(struct mm_span text, const char *word)
{
	return text.size == strlen(word) &&
	       strncasecmp((const char *)text.data, word, text.size) == 0;
}

bool
mm_text_is_ascii(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] >= 0x80)
			return false;
	return true;
}
