#include "cli/release_kept.h"

#include <sodium.h>
#include <string.h>

#include "cli/own_image.h"
#include "cli/progress.h"
#include "signer/hashing.h"

enum { PIECE_ARENA = 2 * MM_FRAME_MAX };

struct reading {
	const struct mm_image_entry *entry;
	struct mm_buffer *out;
	struct mm_progress progress;
};

static enum mm_error
ask(struct mm_client *client, const struct mm_image_request *request,
    struct mm_arena *arena, struct mm_image_answer *out)
{
	uint8_t id[MM_ID_SIZE];

	randombytes_buf(id, sizeof(id));
	return mm_client_ask(client, MM_MESSAGE_IMAGE, request, id, arena, out);
}

static enum mm_error
read_piece(struct mm_client *client, struct reading *reading)
{
	const struct mm_image_entry *entry = reading->entry;
	struct mm_image_request request = {.offset = reading->out->size};
	struct mm_image_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, PIECE_ARENA);
	memcpy(request.sha256, entry->sha256, sizeof(request.sha256));
	error = ask(client, &request, &arena, &answer);
	if (error != MM_OK)
		return error;
	if (answer.size != entry->size || answer.data.size == 0 ||
	    answer.data.size > entry->size - reading->out->size)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance keeps another image than the log names");
	mm_buffer_add(reading->out, answer.data.data, answer.data.size);
	mm_progress_tell(&reading->progress, reading->out->size, entry->size);
	return reading->out->error;
}

static enum mm_error
read_on(struct mm_client *client, void *self)
{
	struct reading *reading = self;
	enum mm_error error = MM_OK;

	while (error == MM_OK && reading->out->size < reading->entry->size)
		error = read_piece(client, reading);
	return error;
}

enum mm_error
mm_release_kept(const struct mm_appliance *appliance,
    const struct mm_image_entry *entry, struct mm_buffer *out)
{
	struct reading reading = {.entry = entry, .out = out};
	uint8_t sha256[32];
	enum mm_error error;

	mm_buffer_init(out, MM_OWN_IMAGE_MAX);
	mm_progress_begin(&reading.progress, "bytes");
	error = mm_appliance_try(appliance, read_on, &reading);
	mm_progress_end(&reading.progress);
	if (error == MM_E_IMAGE_ABSENT)
		return mm_fail(error,
		    "the appliance does not keep the image any more: say "
		    "--image with your own copy");
	if (error == MM_E_ROLE)
		return mm_fail(error,
		    "this identity may not have the image: say --image with "
		    "your own copy");
	if (error == MM_OK)
		error = mm_hash(mm_buffer_span(out), sha256);
	if (error == MM_OK &&
	    memcmp(sha256, entry->sha256, sizeof(sha256)) != 0)
		error = mm_fail(MM_E_MISMATCH,
		    "the appliance sent another image than the log names");
	return error;
}

static enum mm_error
tell_done(struct mm_client *client, void *self)
{
	const struct mm_image_entry *entry = self;
	struct mm_image_request request = {.done = true};
	struct mm_image_answer answer;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, PIECE_ARENA);
	memcpy(request.sha256, entry->sha256, sizeof(request.sha256));
	return ask(client, &request, &arena, &answer);
}

enum mm_error
mm_release_kept_done(
    const struct mm_appliance *appliance, const struct mm_image_entry *entry)
{
	struct mm_image_entry copy = *entry;
	enum mm_error error = mm_appliance_try(appliance, tell_done, &copy);

	/* An auditor may not, and who fetched before has said it. */
	return error == MM_E_IMAGE_ABSENT || error == MM_E_ROLE ? MM_OK : error;
}
