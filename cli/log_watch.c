/*
 * mintmark log watch: follows a log, an appliance's or a directory's. Each
 * round shows, entry by entry, that what is new continues what was verified
 * before, then runs the hooks, and remembers of them only what has run: a
 * crash repeats hooks and skips nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/entry_json.h"
#include "cli/json_value.h"
#include "cli/progress.h"
#include "cli/row.h"
#include "cli/source.h"
#include "cli/values.h"
#include "cli/watch_alarm.h"
#include "cli/watch_filter.h"
#include "cli/watch_hook.h"
#include "cli/watch_state.h"

enum {
	FRAME_ARENA = 1 << 20,
	INTERVAL = 10, /* seconds between rounds */
	INTERVAL_MAX = 86400,
	AWAY_PAUSE = 1,
	LOOK_EVERY = 256,   /* entries between two looks for a signal */
	SECOND = 1000,      /* milliseconds */
	SAVE_EVERY = SECOND /* while hooks run */
};

struct watch {
	const struct mm_invocation *invocation;
	const char *path, *hook;
	uint64_t interval, wait;
	bool once, keep_going, from_now;
	struct mm_row_filter filter;
	sigset_t signals; /* held back, and taken when it suits us */
	bool stopped;
	bool unheard; /* stdout did not take what was told */
	bool loaded;
	struct mm_watch_state state;
	int lock;
};

static void
watch_clear(struct watch *watch)
{
	mm_watch_state_clear(&watch->state);
	mm_own_close_(&watch->lock);
}

/* ---- signals and time */

/* Waits so long, or until somebody wants us to end. */
static bool
ended_within(struct watch *watch, uint64_t seconds)
{
	const struct timespec time = {.tv_sec = (time_t)seconds};

	while (!watch->stopped) {
		if (sigtimedwait(&watch->signals, NULL, &time) > 0)
			watch->stopped = true;
		else if (errno == EAGAIN)
			break;
	}
	return watch->stopped;
}

/* In milliseconds. */
static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * SECOND +
	       (uint64_t)time.tv_nsec / (1000000000 / SECOND);
}

/* ---- what the filter lets through waits in a file without a name */

static enum mm_error
spool_open(const struct watch *watch, FILE **out)
{
	char directory[PATH_MAX];
	int fd;

	mm_path_parent(watch->path, directory);
	fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	*out = fd >= 0 ? fdopen(fd, "w+") : NULL;
	if (*out != NULL)
		return MM_OK;
	mm_own_close_(&fd);
	return mm_fail(MM_E_FILE, "cannot make a file in %s: %s", directory,
	    strerror(errno));
}

static enum mm_error
spool_put(FILE *spool, uint64_t index, struct mm_span entry)
{
	uint64_t head[] = {index, entry.size};

	if (fwrite(head, sizeof(head), 1, spool) == 1 &&
	    fwrite(entry.data, 1, entry.size, spool) == entry.size)
		return MM_OK;
	return mm_fail(
	    MM_E_FILE, "cannot keep an entry aside: %s", strerror(errno));
}

/* False at the end. */
static bool
spool_get(FILE *spool, uint64_t *index, struct mm_buffer *entry)
{
	uint64_t head[2];
	uint8_t *room;

	mm_buffer_reset(entry);
	if (fread(head, sizeof(head), 1, spool) != 1)
		return false;
	*index = head[0];
	room = mm_buffer_grow(entry, head[1]);
	return room != NULL && fread(room, 1, head[1], spool) == head[1];
}

/* ---- one round: verify */

static enum mm_error
append(struct mm_frontier *frontier, struct mm_span entry)
{
	struct mm_hash leaf = mm_leaf_hash(entry);

	return mm_frontier_append(frontier, &leaf, NULL, NULL);
}

/* From the first that no hook was told of; the remembered ones have a proof
 * of their own, which verify() settles. */
static enum mm_error
verify_entries(struct watch *watch, struct mm_source *source, FILE *spool,
    struct mm_frontier *frontier)
{
	uint64_t size = mm_source_checkpoint(source)->size;
	bool quiet = watch->from_now && watch->state.note.size == 0;
	uint64_t begun = watch->state.told;
	struct mm_progress progress;
	enum mm_error error = MM_OK;

	mm_progress_begin(&progress, "entries");
	for (uint64_t i = begun; i < size && error == MM_OK; i++) {
		struct mm_span entry;

		if (i % LOOK_EVERY == 0 && ended_within(watch, 0))
			break;
		error = mm_source_entry(source, i, &entry);
		if (error == MM_OK && i == frontier->size)
			error = append(frontier, entry);
		if (error == MM_OK && !quiet &&
		    mm_watch_filter(&watch->filter, i, entry))
			error = spool_put(spool, i, entry);
		mm_progress_tell(&progress, i + 1 - begun, size - begun);
	}
	mm_progress_end(&progress);
	return error;
}

/* The entries from the remembered ones on make the checkpoint's root. */
static enum mm_error
verify(struct watch *watch, struct mm_source *source, FILE *spool,
    struct mm_frontier *frontier)
{
	const struct mm_checkpoint *older = &watch->state.checkpoint;
	const struct mm_checkpoint *newer = mm_source_checkpoint(source);
	struct mm_hash root;
	enum mm_error error;

	if (newer->size < older->size)
		return mm_fail(MM_E_BEHIND,
		    "the log has %ju entries; it had %ju before",
		    (uintmax_t)newer->size, (uintmax_t)older->size);
	/* Known before a long reading is begun. */
	error = older->size > 0
		    ? mm_source_check(source, &watch->state.frontier)
		    : MM_OK;
	if (error == MM_OK)
		error = verify_entries(watch, source, spool, frontier);
	if (error != MM_OK || watch->stopped)
		return error;
	root = mm_frontier_root(frontier);
	if (!mm_hash_equal(&root, &newer->root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the entries %ju to %ju do not lead from the checkpoint "
		    "before to the one of now",
		    (uintmax_t)older->size, (uintmax_t)newer->size - 1);
	return mm_source_settle(source);
}

/* ---- one round: tell */

static enum mm_error
tell(struct watch *watch, const struct mm_hook_entry *entry)
{
	char time[MM_TIME_TEXT];
	json_t *object;
	enum mm_error error;

	if (watch->hook != NULL) {
		error = mm_hook_run(watch->hook, entry);
		/* A signal to us all has ended it too: it is run again. */
		if (error == MM_E_HOOK && ended_within(watch, 0))
			return MM_OK;
		if (error != MM_E_HOOK || !watch->keep_going)
			return error;
		mm_say("%s; going on", mm_why(error));
		return MM_OK;
	}
	if (watch->invocation->json) {
		error = mm_entry_json(entry->index, entry->bytes, &object);
		if (error == MM_OK)
			mm_print(watch->invocation, object);
		return error;
	}
	mm_time_text(entry->frame.time, time);
	printf("%ju  %s  %s\n", (uintmax_t)entry->index, time,
	    mm_entry_kind_name(entry->frame.kind));
	return MM_OK;
}

/* ---- one round: remember */

/* What a round has verified, and whom it has told. */
struct verified {
	const struct mm_source *source;
	struct mm_frontier frontier;
	uint64_t told;
	uint64_t saved; /* when; 0: not yet */
};

static enum mm_error
remember(struct watch *watch, struct verified *verified)
{
	struct mm_span note = mm_source_note(verified->source);
	enum mm_error error = mm_output_end();

	/* Nobody heard of them, so they are not remembered either. */
	watch->unheard = error != MM_OK;
	if (error != MM_OK)
		return error;
	mm_buffer_reset(&watch->state.note);
	mm_buffer_add(&watch->state.note, note.data, note.size);
	watch->state.checkpoint = *mm_source_checkpoint(verified->source);
	watch->state.frontier = verified->frontier;
	watch->state.told = verified->told;
	verified->saved = now();
	return mm_watch_save(watch->path, &watch->state);
}

static bool
is_time(const struct watch *watch, const struct verified *verified)
{
	return verified->told > watch->state.told &&
	       (verified->saved == 0 || now() - verified->saved >= SAVE_EVERY);
}

static enum mm_error
tell_entry(struct watch *watch, uint64_t index, struct mm_span bytes,
    struct verified *verified)
{
	struct mm_hook_entry entry = {.index = index,
	    .bytes = bytes,
	    .origin = mm_source_checkpoint(verified->source)->origin};
	mm_auto(arena) arena = {0};
	enum mm_error error = MM_OK;

	/* Before a hook, not after it: the last one's comes at the end. */
	if (is_time(watch, verified))
		error = remember(watch, verified);
	mm_arena_init(&arena, FRAME_ARENA);
	if (error == MM_OK)
		error = mm_entry_decode(bytes, &arena, &entry.frame);
	if (error == MM_OK)
		error = tell(watch, &entry);
	if (error == MM_OK && !watch->stopped)
		verified->told = index + 1;
	return error;
}

static enum mm_error
tell_spooled(struct watch *watch, FILE *spool, struct verified *verified)
{
	mm_auto(buffer) bytes = {0};
	uint64_t index;
	enum mm_error error = MM_OK;

	if (fflush(spool) != 0 || fseek(spool, 0, SEEK_SET) != 0)
		return mm_fail(MM_E_FILE, "cannot keep entries aside: %s",
		    strerror(errno));
	mm_buffer_init(&bytes, MM_ENTRY_MAX);
	while (error == MM_OK && !watch->stopped &&
	       spool_get(spool, &index, &bytes)) {
		if (!ended_within(watch, 0))
			error = tell_entry(
			    watch, index, mm_buffer_span(&bytes), verified);
	}
	if (error == MM_OK && ferror(spool) != 0)
		error = mm_fail(MM_E_FILE, "cannot read an entry back");
	return error;
}

/* However the telling ends, what was told is remembered. */
static enum mm_error
tell_all(struct watch *watch, FILE *spool, struct verified *verified)
{
	uint64_t size = mm_source_checkpoint(verified->source)->size;
	uint64_t before = watch->state.told;
	enum mm_error error, saved = MM_OK;
	char why[1024];

	verified->told = before;
	error = tell_spooled(watch, spool, verified);
	if (error == MM_OK && !watch->stopped)
		verified->told = size;
	snprintf(why, sizeof(why), "%s", error != MM_OK ? mm_why(error) : "");
	if (verified->told > watch->state.told || verified->told == size)
		saved = remember(watch, verified);
	if (error != MM_OK)
		return mm_fail(error, "%s", why);
	if (saved == MM_OK && verified->told == size)
		mm_say("%s: %ju entries, %ju of them new: consistent",
		    watch->state.checkpoint.origin, (uintmax_t)size,
		    (uintmax_t)(size - before));
	return saved;
}

static bool
is_known(const struct watch *watch, const struct mm_source *source)
{
	const struct mm_checkpoint *shown = mm_source_checkpoint(source);

	return watch->state.note.size > 0 &&
	       watch->state.told == watch->state.checkpoint.size &&
	       shown->size == watch->state.checkpoint.size &&
	       mm_hash_equal(&shown->root, &watch->state.checkpoint.root);
}

static enum mm_error
load(struct watch *watch, const struct mm_vkey *vkey)
{
	enum mm_error error = MM_OK;

	if (!watch->loaded)
		error = mm_watch_load(watch->path, vkey, &watch->state);
	watch->loaded = error == MM_OK;
	return error;
}

/* ---- what an error means */

/* Nobody answers, or a directory is just being copied: not the log's fault. */
static bool
is_away(const struct watch *watch, enum mm_error error)
{
	return error != MM_E_HOOK && !watch->unheard &&
	       (mm_error_exit(error) == MM_EXIT_AWAY ||
		   mm_error_exit(error) == MM_EXIT_LATER || error == MM_E_FILE);
}

/* What no honest log shows: the answer to "is it consistent?" is no, or it
 * cannot be read at all. */
static bool
is_alarming(enum mm_error error)
{
	static const enum mm_error others[] = {
	    MM_E_NOTE, MM_E_CHECKPOINT, MM_E_RECEIPT, MM_E_BUNDLE, MM_E_ENTRY};

	for (size_t i = 0; i < MM_COUNT(others); i++)
		if (error == others[i])
			return true;
	return mm_error_exit(error) == MM_EXIT_NO;
}

static enum mm_error
alarm_of(struct watch *watch, struct mm_source *source, enum mm_error error)
{
	const struct mm_alarm alarm = {.path = watch->path,
	    .vkey = mm_source_vkey(source),
	    .state = &watch->state,
	    .note = mm_source_note(source),
	    .source = source,
	    .error = error};

	return is_alarming(error) ? mm_alarm_raise(&alarm) : error;
}

static enum mm_error
follow(struct watch *watch, struct mm_source *source, FILE *spool)
{
	struct verified verified = {
	    .source = source, .frontier = watch->state.frontier};
	enum mm_error error = verify(watch, source, spool, &verified.frontier);

	if (error != MM_OK)
		return alarm_of(watch, source, error);
	return watch->stopped ? MM_OK : tell_all(watch, spool, &verified);
}

/* A checkpoint that could not even be opened: as it came. */
static enum mm_error
alarm_unopened(struct watch *watch, enum mm_error error)
{
	mm_auto(buffer) note = {0};
	char why[1024];
	struct mm_vkey vkey;

	if (!is_alarming(error))
		return error;
	snprintf(why, sizeof(why), "%s", mm_why(error));
	mm_buffer_init(&note, MM_NOTE_MAX);
	if (mm_alarm_note(watch->invocation, &vkey, &note) != MM_OK ||
	    load(watch, &vkey) != MM_OK)
		return mm_fail(error, "%s", why);
	mm_fail(error, "%s", why);
	return mm_alarm_raise(&(const struct mm_alarm){.path = watch->path,
	    .vkey = &vkey,
	    .state = &watch->state,
	    .note = mm_buffer_span(&note),
	    .error = error});
}

static enum mm_error
round_once(struct watch *watch)
{
	struct mm_source *source;
	FILE *spool = NULL;
	enum mm_error error = mm_source_open(watch->invocation, 0, &source);

	if (error != MM_OK)
		return alarm_unopened(watch, error);
	error = load(watch, mm_source_vkey(source));
	if (error == MM_OK && is_known(watch, source)) {
		if (watch->once)
			mm_say("%s: %ju entries, nothing new: consistent",
			    watch->state.checkpoint.origin,
			    (uintmax_t)watch->state.checkpoint.size);
		mm_source_close(source);
		return MM_OK;
	}
	if (error == MM_OK)
		error = spool_open(watch, &spool);
	if (error == MM_OK)
		error = follow(watch, source, spool);
	if (spool != NULL)
		fclose(spool);
	mm_source_close(source);
	return error;
}

/* ---- rounds */

static enum mm_error
one_round(struct watch *watch)
{
	uint64_t end = now() + watch->wait * SECOND;

	for (;;) {
		enum mm_error error = round_once(watch);

		if (error == MM_OK && watch->stopped)
			return mm_fail(MM_E_STOPPING,
			    "a signal ended it before all was told");
		if (!is_away(watch, error) ||
		    now() + AWAY_PAUSE * SECOND > end ||
		    ended_within(watch, AWAY_PAUSE))
			return error;
	}
}

static enum mm_error
rounds(struct watch *watch)
{
	bool away = false, begun = false;

	for (;;) {
		enum mm_error error = round_once(watch);
		bool former = away;

		begun = begun || error == MM_OK;
		/* Before a file was ever there, its name is wrong. */
		away = is_away(watch, error) && (begun || error != MM_E_FILE);
		if (away && !former)
			mm_say("%s: %s; still watching", mm_error_name(error),
			    mm_why(error));
		if ((error != MM_OK && !away) ||
		    ended_within(watch, watch->interval))
			return away ? MM_OK : error;
	}
}

static enum mm_error
read_options(struct watch *watch)
{
	const struct mm_invocation *in = watch->invocation;
	enum mm_error error;

	watch->path = mm_option(in, "state");
	watch->hook = mm_option(in, "hook");
	watch->once = mm_option(in, "once") != NULL;
	watch->keep_going = mm_option(in, "keep-going") != NULL;
	watch->from_now = mm_option(in, "from-now") != NULL;
	watch->interval = INTERVAL;
	watch->wait = MM_WAIT;
	if (watch->keep_going && watch->hook == NULL)
		return mm_fail(
		    MM_E_USAGE, "--keep-going is about a --hook that fails");
	if (watch->once && mm_option(in, "interval") != NULL)
		return mm_fail(MM_E_USAGE, "--once has no --interval");
	error =
	    mm_value_number(in, "interval", 1, INTERVAL_MAX, &watch->interval);
	if (error == MM_OK)
		error =
		    mm_value_number(in, "wait", 0, MM_WAIT_MAX, &watch->wait);
	if (error == MM_OK)
		error = mm_row_filter_read(
		    in, (UINT64_C(1) << MM_ENTRY_KINDS) - 1, &watch->filter);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	__attribute__((cleanup(watch_clear))) struct watch watch = {
	    .invocation = invocation, .lock = -1};
	enum mm_error error = read_options(&watch);

	if (error == MM_OK)
		error = mm_watch_lock(watch.path, &watch.lock);
	if (error != MM_OK)
		return error;
	sigemptyset(&watch.signals);
	sigaddset(&watch.signals, SIGINT);
	sigaddset(&watch.signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &watch.signals, NULL);
	return watch.once ? one_round(&watch) : rounds(&watch);
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"state", "FILE", "what is remembered; made by the first round", true},
    {"hook", "CMD", "run by sh for each new entry, its JSON on stdin", false},
    {"keep-going", NULL, "past a hook that fails; else 75 and once more",
	false},
    {"device", "ID", "only entries about this device", false},
    {"station", "NAME", "only what this principal asked for", false},
    {"kind", "KIND,...", "only these kinds", false},
    {"refused", NULL, "only refusals", false},
    {"from-now", NULL, "no hooks for what the first round finds", false},
    {"interval", "SECONDS", "between two rounds (10)", false},
    {"once", NULL, "one round, for cron", false},
    {"wait", "SECONDS", "with --once: how long to try again (30)", false},
};

const struct mm_command mm_log_watch_command = {
    .noun = "log",
    .verb = "watch",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "follow a log, prove that it only grows, and run a hook",
    .results = "an object a line and entry, as `log show` has it",
    .about =
	"Each round verifies that the new entries continue what FILE has, "
	"then runs\nthe hooks, and FILE keeps, once a second and at the end, "
	"how far they are:\nafter a crash hooks are told of entries again, "
	"after a signal of the one\nthat it broke off, and none is left out. "
	"A hook has\nMINTMARK_INDEX, MINTMARK_KIND, MINTMARK_TIME and "
	"MINTMARK_LOG in its\nenvironment; without one, entries are "
	"printed.\n\n"
	"A log that is shorter, forked or wrongly signed ends it with 1; both "
	"notes\nand a text that proves it stay as FILE.older-*, FILE.newer-* "
	"and\nFILE.evidence-*. An appliance that is away is waited for; with "
	"--once the\nend is 69. A hook that fails is 75. SIGTERM and SIGINT "
	"end it with 0, after\nthe hook that runs (--once: 75, if not all was "
	"told).",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
