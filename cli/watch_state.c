#include "cli/watch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "cli/command.h"

enum { STATE_MAX = MM_NOTE_MAX + 8192, HASH_TEXT = 44 };

static const char header[] = "mintmark-watch@v1\n";
static const char told_header[] = "mintmark-watch@v2\n";
static const char told_word[] = "told ";

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

static bool
take_word(struct mm_span *text, const char *word)
{
	size_t size = strlen(word);

	if (text->size < size || memcmp(text->data, word, size) != 0)
		return false;
	*text = mm_span(text->data + size, text->size - size);
	return true;
}

/* The two lines that only a round under way has. */
static bool
take_told(struct mm_span *text, uint64_t *told)
{
	uint8_t said[MM_HASH_SIZE], is[MM_HASH_SIZE];
	const uint8_t *end;
	size_t size;

	if (text->size <= HASH_TEXT || text->data[HASH_TEXT] != '\n' ||
	    !mm_base64_read(mm_span(text->data, HASH_TEXT), said, sizeof(said)))
		return false;
	*text = mm_span(text->data + HASH_TEXT + 1, text->size - HASH_TEXT - 1);
	crypto_hash_sha256(is, text->data, text->size);
	if (memcmp(said, is, sizeof(is)) != 0 || !take_word(text, told_word))
		return false;
	end = memchr(text->data, '\n', text->size);
	if (end == NULL)
		return false;
	size = (size_t)(end - text->data);
	if (!mm_decimal_read(mm_span(text->data, size), told))
		return false;
	*text = mm_span(end + 1, text->size - size - 1);
	return true;
}

static enum mm_error
read_state(const char *path, struct mm_span text, const struct mm_vkey *vkey,
    struct mm_watch_state *out)
{
	struct mm_hash root;
	enum mm_error error;
	bool under_way = take_word(&text, told_header);

	if (!under_way && !take_word(&text, header))
		return damaged(path, "is no state of a watch");
	if ((under_way && !take_told(&text, &out->told)) ||
	    !take_hashes(&text, &out->frontier))
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
	if (under_way && out->told >= out->checkpoint.size)
		return damaged(path, "tells of more than its checkpoint has");
	if (!under_way)
		out->told = out->checkpoint.size;
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

static void
add_hash(const uint8_t hash[MM_HASH_SIZE], struct mm_buffer *out)
{
	mm_base64_write(mm_span(hash, MM_HASH_SIZE), out);
	mm_buffer_add_text(out, "\n");
}

static void
add_told(uint64_t told, struct mm_buffer *out)
{
	char line[LINE_MAX];

	snprintf(line, sizeof(line), "%s%ju\n", told_word, (uintmax_t)told);
	mm_buffer_add_text(out, line);
}

static void
add_verified(const struct mm_watch_state *state, struct mm_buffer *out)
{
	for (size_t i = 0; i < state->frontier.count; i++)
		add_hash(state->frontier.hashes[i].bytes, out);
	mm_buffer_add_text(out, "\n");
	mm_buffer_add(out, state->note.data, state->note.size);
}

static void
add_under_way(const struct mm_watch_state *state, struct mm_buffer *out)
{
	mm_auto(buffer) rest = {0};
	uint8_t hash[MM_HASH_SIZE];

	mm_buffer_init(&rest, STATE_MAX);
	add_told(state->told, &rest);
	add_verified(state, &rest);
	crypto_hash_sha256(hash, rest.data, rest.size);
	mm_buffer_add_text(out, told_header);
	add_hash(hash, out);
	mm_buffer_add(out, rest.data, rest.size);
	if (out->error == MM_OK)
		out->error = rest.error;
}

enum mm_error
mm_watch_save(const char *path, const struct mm_watch_state *state)
{
	mm_auto(buffer) text = {0};
	enum mm_error error;

	mm_buffer_init(&text, STATE_MAX);
	if (state->told < state->checkpoint.size) {
		add_under_way(state, &text);
	} else {
		mm_buffer_add_text(&text, header);
		add_verified(state, &text);
	}
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
