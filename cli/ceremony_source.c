#include "cli/ceremony_source.h"

#include <time.h>

#include "cli/values.h"

enum { ARENA = 32 << 20 };

static enum mm_error
read_entry(void *self, uint64_t index, struct mm_span *out)
{
	return mm_source_entry(self, index, out);
}

/* All entries up to the source's checkpoint. */
static struct mm_ceremony_log
log_of(struct mm_source *source)
{
	return (struct mm_ceremony_log){
	    source, read_entry, mm_source_checkpoint(source)->size};
}

static enum mm_error
read_and_use(const struct mm_invocation *invocation, struct mm_source *source,
    uint64_t index, mm_ceremony_use *use)
{
	const struct mm_ceremony_log log = log_of(source);
	struct mm_ceremony_story story;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_ceremony_story_read(&log, index, &arena, &story);
	if (error == MM_OK)
		error = mm_source_settle(source);
	return error == MM_OK ? use(invocation, source, &story, &arena) : error;
}

enum mm_error
mm_ceremony_read(const struct mm_invocation *invocation, mm_ceremony_use *use)
{
	struct mm_source *source;
	uint64_t index = 0;
	enum mm_error error =
	    mm_value_number(invocation, "at", 0, INT64_MAX, &index);

	if (error == MM_OK)
		error = mm_source_open(invocation, 0, &source);
	if (error != MM_OK)
		return error;
	error = read_and_use(invocation, source, index, use);
	mm_source_close(source);
	return error;
}

/* Read anew each time: a ceremony is over within few entries. */
static enum mm_error
read_once(const struct mm_invocation *invocation, uint64_t index,
    struct mm_arena *arena, struct mm_ceremony_story *out)
{
	struct mm_source *source;
	struct mm_ceremony_log log;
	enum mm_error error =
	    mm_source_open(invocation, MM_OPERANDS_MAX, &source);

	if (error != MM_OK)
		return error;
	log = log_of(source);
	error = mm_ceremony_story_read(&log, index, arena, out);
	if (error == MM_OK)
		error = mm_source_settle(source);
	mm_source_close(source);
	return error;
}

static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec;
}

enum mm_error
mm_ceremony_await(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, uint64_t index,
    struct mm_arena *arena, struct mm_ceremony_story *out)
{
	const struct timespec pause = {.tv_sec = 1};
	uint64_t end = now() + appliance->wait;

	for (;;) {
		mm_auto(arena) own = {0};
		struct mm_ceremony_story story;
		enum mm_error error;

		mm_arena_init(&own, arena->max);
		error = read_once(invocation, index, &own, &story);
		if (error != MM_OK)
			return error;
		if (story.done)
			return read_once(invocation, index, arena, out);
		if (now() >= end)
			return mm_fail(MM_E_BUSY,
			    "the ceremony of entry %llu is not carried out "
			    "yet: the appliance's journal says why",
			    (unsigned long long)index);
		nanosleep(&pause, NULL);
	}
}
