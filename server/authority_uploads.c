/*
 * Uploads whose connection was lost: what came of them waits here for a while,
 * as the memfd that the gate made, and goes to the gate on which the same
 * client announces the same image again. Nobody reads it before it is whole.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <string.h>
#include <unistd.h>

#include "server/upload.h"

enum {
	PARKED_MAX = 16,
	PARKED_SECONDS = 900,
	PARKED_BYTES = 64 << 20 /* of all of them */
};

struct mm_parked {
	struct mm_parked *next; /* the newest first */
	struct mm_park what;
	int fd;
	ev_tstamp until;
};

static void
drop(struct mm_parked **at)
{
	struct mm_parked *parked = *at;

	*at = parked->next;
	if (parked->fd >= 0)
		close(parked->fd);
	free(parked);
}

/* The oldest go where there are too many, or too many bytes. */
static void
make_room(struct mm_authority *a)
{
	uint64_t bytes = 0;
	size_t count = 0;

	for (struct mm_parked **at = &a->parked; *at != NULL;) {
		bytes += (*at)->what.received;
		if (++count > PARKED_MAX || bytes > PARKED_BYTES ||
		    ev_now(a->loop) > (*at)->until)
			drop(at);
		else
			at = &(*at)->next;
	}
}

static bool
is_of(const struct mm_park *park, const uint8_t client[32],
    const struct mm_upload_request *wanted)
{
	return memcmp(park->client, client, sizeof(park->client)) == 0 &&
	       memcmp(park->sha256, wanted->sha256, sizeof(park->sha256)) ==
		   0 &&
	       park->size == wanted->size;
}

/* The longest part of it, or NULL. */
static struct mm_parked **
find(struct mm_authority *a, const uint8_t client[32],
    const struct mm_upload_request *wanted)
{
	struct mm_parked **longest = NULL;

	for (struct mm_parked **at = &a->parked; *at != NULL; at = &(*at)->next)
		if (is_of(&(*at)->what, client, wanted) &&
		    (longest == NULL ||
			(*at)->what.received > (*longest)->what.received))
			longest = at;
	return longest;
}

enum mm_error
mm_upload_park(struct mm_authority *a, struct mm_received *message)
{
	mm_auto(arena) arena = {0};
	struct mm_parked *parked;
	struct mm_park park;
	enum mm_error error;

	mm_arena_init(&arena, sizeof(park));
	error = mm_shape_decode(
	    &mm_park_shape, message->packet.body, &arena, &park);
	if (error != MM_OK)
		return error;
	if (park.received > park.size ||
	    !mm_upload_is_part(message->fds[0], park.received))
		return mm_fail(MM_E_PEER, "what was parked is no upload");
	parked = calloc(1, sizeof(*parked));
	if (parked == NULL)
		return MM_OK; /* the client begins anew */
	*parked = (struct mm_parked){.next = a->parked,
	    .what = park,
	    .fd = message->fds[0],
	    .until = ev_now(a->loop) + PARKED_SECONDS};
	message->fds[0] = -1;
	a->parked = parked;
	make_room(a);
	return MM_OK;
}

/* The role may upload; the gate does the rest. */
void
mm_upload_decide(struct mm_authority *a, struct mm_job *job)
{
	struct mm_upload_answer answer = {0};
	struct mm_upload_request request;
	struct mm_parked **at;
	int fd = -1;
	enum mm_error error = mm_shape_decode(
	    &mm_upload_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && request.size > a->configure->settings.image_max)
		error = mm_fail(MM_E_IMAGE_SIZE,
		    "images have at most %llu bytes here",
		    (unsigned long long)a->configure->settings.image_max);
	if (error != MM_OK) {
		mm_answer_refusal(a, job, error);
		return;
	}
	at = find(a, job->ask.client, &request);
	if (at != NULL) {
		fd = (*at)->fd;
		answer.received = (*at)->what.received;
	}
	mm_answer_with(a, job, &mm_upload_answer_shape, &answer, fd);
	if (fd >= 0)
		drop(at);
}

void
mm_uploads_tick(struct mm_authority *a)
{
	make_room(a);
}

void
mm_uploads_clear(struct mm_authority *a)
{
	while (a->parked != NULL)
		drop(&a->parked);
}
