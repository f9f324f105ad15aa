/*
 * mintmark image inspect: what an image's bytes say about themselves.
 */
#include "signer/image.h"

#include "cli/command.h"

enum { IMAGE_MAX = 256 << 20, ARENA = 1024 };

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = invocation->operands[0];
	mm_auto(buffer) image = {0};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&image, IMAGE_MAX);
	error = mm_input(path, IMAGE_MAX, &image);
	if (error == MM_OK)
		error = mm_image_read(mm_buffer_span(&image), &facts);
	if (error == MM_E_INSPECTOR)
		error = mm_fail(
		    MM_E_FORMAT, "%s: %s", path, mm_why(MM_E_INSPECTOR));
	if (error != MM_OK)
		return error;
	mm_print(invocation,
	    json_pack("{s:s, s:s%, s:I, s:s}", "file", path, "format",
		facts.format.data, facts.format.size, "size",
		(json_int_t)facts.size, "sha256",
		mm_hex(mm_span(facts.sha256, sizeof(facts.sha256)), &arena)));
	return MM_OK;
}

const struct mm_command mm_image_inspect_command = {
    .noun = "image",
    .verb = "inspect",
    .operands = "IMAGE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "what a firmware image is",
    .results = "file, format, size, sha256",
    .run = run,
};
