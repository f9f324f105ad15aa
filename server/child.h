/*
 * One child of the supervisor: its process, its control channel, its lines,
 * and what it was last heard of.
 */
#ifndef MM_CHILD_H
#define MM_CHILD_H

#include "server/configure.h"
#include "server/lines.h"
#include "server/spawn.h"

enum mm_child_state {
	MM_CHILD_ABSENT,
	MM_CHILD_STARTED, /* configured, not ready yet */
	MM_CHILD_READY,
	MM_CHILD_LEAVING /* told to stop */
};

struct mm_child {
	enum mm_process process;
	uint64_t instance;
	enum mm_child_state state;
	pid_t pid;
	int control, output; /* -1: closed */
	struct mm_lines lines;
	int64_t since;       /* when it started; times are in milliseconds */
	int64_t deadline;    /* when it is killed; 0: not */
	int64_t due;         /* when it is started again; 0: not */
	int64_t delay;       /* before that */
	enum mm_error error; /* its last words; MM_OK: it said none */
	char why[513];
};

/* CLOCK_MONOTONIC in milliseconds. */
int64_t mm_child_now(void);

const char *mm_child_name(const struct mm_child *child);

/*
 * Starts it as user and environment of `configure` say, and tells it what it
 * needs of that; `extra` (-1: none) goes along.
 */
enum mm_error mm_child_begin(struct mm_child *child,
    const struct mm_configure *configure, int extra) mm_must_use;

/* Sends a control message; a child that cannot take it is killed. */
void mm_child_tell(struct mm_child *child, enum mm_control control,
    const struct mm_shape *shape, const void *body,
    const int fds[MM_CHANNEL_FDS]);

/* A new channel between the two, one end to each. */
void mm_child_link(struct mm_child *client, struct mm_child *server);

/* Asks it to leave, and kills it when it has not after `patience`. */
void mm_child_stop(struct mm_child *child, int64_t patience);

/* Kills it; `error` and `why` are told as its last words. */
void
mm_child_kill(struct mm_child *child, enum mm_error error, const char *why);

/* Remembers its last words. */
void
mm_child_remember(struct mm_child *child, enum mm_error error, const char *why);

/* Passes on what it wrote. */
void mm_child_pass(struct mm_child *child);

/* Whether it has ended; then its last words are known. */
bool mm_child_reap(struct mm_child *child);
/* After that: closes what is left of it. */
void mm_child_clear(struct mm_child *child);

#endif
