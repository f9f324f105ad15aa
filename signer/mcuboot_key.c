/*
 * Public keys as a bootloader's build wants them.
 */
#include <ctype.h>

#include "signer/mcuboot.h"

enum { NAME_MAX_BYTES = 64, BYTES_A_LINE = 8 };

static bool
is_identifier(struct mm_span name)
{
	if (name.size == 0 || name.size > NAME_MAX_BYTES ||
	    isdigit(name.data[0]))
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] >= 0x80 ||
		    (!isalnum(name.data[i]) && name.data[i] != '_'))
			return false;
	return true;
}

/* As imgtool writes it, so that one file takes the other's place. */
enum mm_error
mm_mcuboot_key_source(
    struct mm_span spki, struct mm_span name, struct mm_buffer *out)
{
	if (!is_identifier(name))
		return mm_fail(MM_E_RANGE,
		    "\"%.*s\" is no name of a C variable: it takes 1 to %d of "
		    "A-Z a-z 0-9 _, no digit first",
		    MM_SPAN(name), NAME_MAX_BYTES);
	mm_buffer_printf(
	    out, "const unsigned char %.*s_pub_key[] = {", MM_SPAN(name));
	for (size_t i = 0; i < spki.size; i++)
		mm_buffer_printf(out, "%s0x%02x,",
		    i % BYTES_A_LINE == 0 ? "\n    " : " ", spki.data[i]);
	mm_buffer_printf(out,
	    "\n};\nconst unsigned int %.*s_pub_key_len = %zu;\n", MM_SPAN(name),
	    spki.size);
	return out->error;
}
