/*
 * mintmark ceremony fetch: what a ceremony made, as files, from the log:
 * certificates, CSRs, proofs, and the record.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ceremony_files.h"
#include "cli/ceremony_source.h"
#include "cli/ceremony_text.h"
#include "cli/policy_at.h"

static enum mm_error
write_record(struct mm_source *source, const struct mm_ceremony_story *story,
    const char *directory, struct mm_arena *arena)
{
	mm_auto(buffer) text = {0};
	struct mm_policy_at at;
	char path[PATH_MAX];
	enum mm_error error = mm_policy_at(source, story->index, arena, &at);

	mm_buffer_init(&text, MM_CEREMONY_TEXT_MAX);
	if (error == MM_OK)
		error = mm_ceremony_record(
		    story, mm_source_vkey(source), at.document, &text);
	if (error == MM_OK)
		error = mm_path(path, sizeof(path), directory, "record.txt");
	return error == MM_OK
		   ? mm_file_write(path, mm_buffer_span(&text), 0644, false)
		   : error;
}

static enum mm_error
fetch(const struct mm_invocation *invocation, struct mm_source *source,
    const struct mm_ceremony_story *story, struct mm_arena *arena)
{
	const char *directory = mm_option(invocation, "out");
	enum mm_error error;

	if (!story->done)
		return mm_fail(MM_E_BUSY,
		    "the ceremony of entry %llu is not carried out to its end "
		    "yet",
		    (unsigned long long)story->index);
	if (mkdir(directory, 0755) < 0)
		return mm_fail(errno == EEXIST ? MM_E_EXISTS : MM_E_FILE,
		    "cannot make %s: %s", directory, strerror(errno));
	error =
	    mm_ceremony_files_write(story, mm_source_vkey(source), directory);
	return error == MM_OK ? write_record(source, story, directory, arena)
			      : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	return mm_ceremony_read(invocation, fetch);
}

static const struct mm_cli_option options[] = {
    MM_CEREMONY_READ_OPTIONS,
    {"out", "DIR", "where the files go: a new directory", true},
};

const struct mm_command mm_ceremony_fetch_command = {
    .noun = "ceremony",
    .verb = "fetch",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "what a ceremony made: certificates, CSRs, the record",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
