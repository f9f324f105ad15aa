#include "cli/scrap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/produce_run.h"

enum {
	TEXT = 512,
	REPORT_ARENA = 1 << 20,
	MODE = 0644,
	PROOF = 32,
	PROOF_TEXT = 2 * PROOF + 1
};

static const char file_name[] = "scrap";

/* Of the run: a hook can write a file of this name, but not this. */
static void
prove(const struct mm_run *run, const struct mm_run_unit *unit,
    struct mm_span text, char out[PROOF_TEXT])
{
	static const char context[] = "mintmark scrap 1";
	const struct mm_run_journal *journal = &run->journal;
	uint8_t proof[PROOF];
	crypto_generichash_state state;

	crypto_generichash_init(&state, journal->key, MM_SEAL_KEY, PROOF);
	crypto_generichash_update(
	    &state, (const uint8_t *)context, sizeof(context));
	crypto_generichash_update(
	    &state, journal->head.run, sizeof(journal->head.run));
	crypto_generichash_update(
	    &state, (const uint8_t *)unit->device, strlen(unit->device) + 1);
	crypto_generichash_update(&state, text.data, text.size);
	crypto_generichash_final(&state, proof, sizeof(proof));
	sodium_memzero(&state, sizeof(state));
	sodium_bin2hex(out, PROOF_TEXT, proof, sizeof(proof));
}

void
mm_unit_scrap_text(const struct mm_run *run, const struct mm_run_unit *unit,
    struct mm_buffer *out)
{
	char proof[PROOF_TEXT];

	mm_buffer_init(out, TEXT);
	mm_buffer_printf(out, "%" PRIu64 " %s\n", unit->attempts, unit->why);
	prove(run, unit, mm_buffer_span(out), proof);
	mm_buffer_printf(out, "%s\n", proof);
}

static enum mm_error
fault(const char *what, const struct mm_run_unit *unit)
{
	return mm_fail(
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot %s %s/%s: %s", what, unit->name, file_name,
	    strerror(errno));
}

static bool
write_whole(int fd, const struct mm_buffer *text)
{
	ssize_t put = write(fd, text->data, text->size);

	if (put >= 0 && (size_t)put < text->size)
		errno = ENOSPC;
	return put == (ssize_t)text->size;
}

/* A half of it proves nothing, and counts as none. */
enum mm_error
mm_unit_scrap_keep(const struct mm_run *run, const struct mm_run_unit *unit)
{
	mm_auto(buffer) text = {0};
	mm_autoclose int directory = -1;
	mm_autoclose int fd = -1;
	enum mm_error error =
	    mm_unit_files_enter(&run->files, unit->name, &directory);

	if (error != MM_OK)
		return error;
	mm_unit_scrap_text(run, unit, &text);
	error = text.error;
	if (error == MM_OK)
		error = mm_unit_files_remove(directory, file_name);
	if (error != MM_OK)
		return error;
	fd = openat(directory, file_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
	if (fd < 0 || !write_whole(fd, &text) || fsync(fd) < 0 ||
	    fsync(directory) < 0)
		return fault("write", unit);
	return MM_OK;
}

/* What is in front of the proof, where that is good. */
static bool
is_proven(const struct mm_run *run, const struct mm_run_unit *unit, char *text)
{
	char proof[PROOF_TEXT], *line = strchr(text, '\n');

	if (line == NULL || strlen(line + 1) != PROOF_TEXT)
		return false;
	prove(run, unit, mm_span(text, (size_t)(line + 1 - text)), proof);
	return sodium_memcmp(line + 1, proof, PROOF_TEXT - 1) == 0;
}

enum mm_error
mm_unit_scrap_kept(const struct mm_run *run, struct mm_run_unit *unit)
{
	char path[MM_UNIT_NAME + sizeof("/scrap")], text[TEXT];
	mm_autoclose int fd = -1;
	ssize_t got;
	char *why;
	enum mm_error error;

	snprintf(path, sizeof(path), "%s/%s", unit->name, file_name);
	error = mm_unit_file_read(run->files.units, path, &fd);
	if (error == MM_E_NOT_FOUND)
		return MM_OK;
	if (error != MM_OK)
		return error;
	got = read(fd, text, sizeof(text) - 1);
	if (got < 0)
		return fault("read", unit);
	text[got] = '\0';
	why = strchr(text, ' ');
	if (why == NULL || !is_proven(run, unit, text))
		return MM_OK;
	unit->scrap = true;
	unit->attempts = strtoull(text, NULL, 10);
	why[strcspn(why, "\n")] = '\0';
	snprintf(unit->why, sizeof(unit->why), "%s", why + 1);
	return MM_OK;
}

enum mm_error
mm_unit_scrap_tell(const struct mm_run *run, const struct mm_run_unit *unit)
{
	char reason[MM_SCRAP_REASON_SIZE];
	mm_auto(arena) arena = {0};
	struct mm_attested attested;

	mm_arena_init(&arena, REPORT_ARENA);
	mm_scrap_reason(unit->why, reason);
	return mm_scrap_report(&run->appliance, mm_span_text(run->order),
	    mm_span(unit->serial, sizeof(unit->serial)), reason, &arena,
	    &attested);
}
