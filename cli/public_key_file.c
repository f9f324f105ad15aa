#include "cli/public_key_file.h"

#include "cli/command.h"

enum { KEY_MAX = 65536 };

enum mm_error
mm_public_key_file(const char *path, struct mm_public_key *out)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	mm_buffer_init(&file, KEY_MAX);
	error = mm_input(path, KEY_MAX, &file);
	if (error == MM_OK)
		error = mm_public_key_read(mm_buffer_span(&file), out);
	if (error == MM_E_KEY_TYPE || error == MM_E_FORMAT)
		error = mm_fail(MM_E_FORMAT, "%s: %s", path, mm_why(error));
	return error;
}
