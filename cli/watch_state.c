#include "cli/watch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "cli/command.h"

enum { STATE_MAX = MM_NOTE_MAX + 8192, HASH_TEXT = 44 };

static const char header[] = "mintmark-watch@v1\n";

enum mm_error
mm_watch_lock(const char *path, int *out)
{
	char name[PATH_MAX];
	mm_autoclose int fd = -1;
	int length = snprintf(name, sizeof(name), "%s.lock", path);

	if (length < 0 || (size_t)length >= sizeof(name))
		return mm_fail(MM_E_FILE, "the path %s is too long", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return mm_fail(
		    MM_E_FILE, "cannot write %s: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return mm_fail(
		    MM_E_LOCKED, "another `mintmark log watch` has %s", path);
	*out = mm_take_fd(fd);
	return MM_OK;
}

static enum mm_error
damaged(const char *path, const char *why)
{
	return mm_fail(MM_E_FORMAT,
	    "%s %s; bring it back from a copy, or begin anew with another "
	    "--state and compare the two",
	    path, why);
}

/* The hash lines, up to the empty line, which is taken too. */
static bool
take_hashes(struct mm_span *text, struct mm_frontier *frontier)
{
	frontier->count = 0;
	while (text->size > HASH_TEXT && text->data[0] != '\n') {
		if (frontier->count == MM_PROOF_MAX ||
		    text->data[HASH_TEXT] != '\n' ||
		    !mm_base64_read(mm_span(text->data, HASH_TEXT),
			frontier->hashes[frontier->count].bytes, MM_HASH_SIZE))
			return false;
		frontier->count++;
		*text = mm_span(
		    text->data + HASH_TEXT + 1, text->size - HASH_TEXT - 1);
	}
	if (text->size == 0 || text->data[0] != '\n')
		return false;
	*text = mm_span(text->data + 1, text->size - 1);
	return true;
}

static enum mm_error
read_state(const char *path, struct mm_span text, const struct mm_vkey *vkey,
    struct mm_watch_state *out)
{
	const size_t head = sizeof(header) - 1;
	struct mm_hash root;
	enum mm_error error;

	if (text.size < head || memcmp(text.data, header, head) != 0)
		return damaged(path, "is no state of a watch");
	text = mm_span(text.data + head, text.size - head);
	if (!take_hashes(&text, &out->frontier))
		return damaged(path, "is damaged");
	error = mm_checkpoint_open(text, vkey, &out->checkpoint);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	out->frontier.size = out->checkpoint.size;
	root = mm_frontier_root(&out->frontier);
	if (out->frontier.count !=
		(size_t)__builtin_popcountll(out->checkpoint.size) ||
	    !mm_hash_equal(&root, &out->checkpoint.root))
		return damaged(
		    path, "has hashes that do not make its checkpoint");
	mm_buffer_add(&out->note, text.data, text.size);
	return out->note.error;
}

enum mm_error
mm_watch_load(
    const char *path, const struct mm_vkey *vkey, struct mm_watch_state *out)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	*out = (struct mm_watch_state){.checkpoint = {.size = 0}};
	mm_buffer_init(&out->note, MM_NOTE_MAX);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return MM_OK;
	mm_buffer_init(&file, STATE_MAX);
	error = mm_file_read(path, STATE_MAX, &file);
	return error == MM_OK
		   ? read_state(path, mm_buffer_span(&file), vkey, out)
		   : error;
}

enum mm_error
mm_watch_save(const char *path, const struct mm_watch_state *state)
{
	mm_auto(buffer) text = {0};
	enum mm_error error;

	mm_buffer_init(&text, STATE_MAX);
	mm_buffer_add_text(&text, header);
	for (size_t i = 0; i < state->frontier.count; i++) {
		mm_base64_write(
		    mm_span(state->frontier.hashes[i].bytes, MM_HASH_SIZE),
		    &text);
		mm_buffer_add_text(&text, "\n");
	}
	mm_buffer_add_text(&text, "\n");
	mm_buffer_add(&text, state->note.data, state->note.size);
	if (text.error != MM_OK)
		return mm_fail(text.error, "the state does not fit");
	error = mm_file_write(path, mm_buffer_span(&text), 0644, true);
	return error == MM_OK ? mm_path_sync(path) : error;
}

void
mm_watch_state_clear(struct mm_watch_state *state)
{
	mm_buffer_clear(&state->note);
}
