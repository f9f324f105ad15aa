/*
 * The appliance as a command sees it: reached with an identity, asked, and
 * asked again for a while where its error says that waiting helps. Each
 * attempt has a connection of its own.
 */
#ifndef MM_APPLIANCE_H
#define MM_APPLIANCE_H

#include "cli/command.h"
#include "log/note.h"

enum { MM_WAIT = 30, MM_WAIT_MAX = 3600 }; /* seconds */

/* Rows that commands share. */
#define MM_OPTION_IDENTITY \
	{ \
		"identity", "DIR", "who asks: an identity directory", true \
	}
#define MM_OPTION_WAIT \
	{ \
		"wait", "SECONDS", "how long to try again (30)", false \
	}

struct mm_appliance {
	const char *identity; /* a directory */
	struct mm_vkey vkey;  /* of the log, from the identity */
	uint64_t wait;        /* seconds that asking again may take */
};

/* From --identity, and --wait or else `wait`. */
enum mm_error mm_appliance_read(const struct mm_invocation *invocation,
    uint64_t wait, struct mm_appliance *out) mm_must_use;

/* A verifier key's file: one line. MM_E_VKEY. */
enum mm_error mm_vkey_read(const char *path, struct mm_vkey *out) mm_must_use;

/* One connection, for a command that asks much; mm_client_close(). */
enum mm_error mm_appliance_open(
    const struct mm_appliance *appliance, struct mm_client **out) mm_must_use;

typedef enum mm_error mm_attempt(struct mm_client *client, void *self);
enum mm_error mm_appliance_try(const struct mm_appliance *appliance,
    mm_attempt *attempt, void *self) mm_must_use;

/* One request and its answer, under one id however often it is sent. */
enum mm_error
mm_appliance_ask(const struct mm_appliance *appliance, uint64_t type,
    const void *body, struct mm_arena *arena, void *answer) mm_must_use;

/* One request within an attempt, with the id that its command has. */
enum mm_error mm_client_ask(struct mm_client *client, uint64_t type,
    const void *body, const uint8_t id[MM_ID_SIZE], struct mm_arena *arena,
    void *answer) mm_must_use;

#endif
