#include "cli/appliance.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "cli/values.h"

enum {
	PATIENCE = 15, /* seconds for each step of a connection */
	AWAY_PAUSE = 1
};

enum mm_error
mm_vkey_read(const char *path, struct mm_vkey *out)
{
	mm_auto(buffer) file = {0};
	struct mm_span line;
	enum mm_error error;

	mm_buffer_init(&file, 2 * MM_VKEY_MAX);
	error = mm_file_read(path, 2 * MM_VKEY_MAX, &file);
	if (error == MM_E_RANGE)
		return mm_fail(
		    MM_E_VKEY, "%s is no verifier key: it is too long", path);
	if (error != MM_OK)
		return error;
	line = mm_buffer_span(&file);
	if (line.size > 0 && line.data[line.size - 1] == '\n')
		line.size--;
	error = mm_vkey_decode(line, out);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

enum mm_error
mm_appliance_read(const struct mm_invocation *invocation, uint64_t wait,
    struct mm_appliance *out)
{
	char path[4096];
	enum mm_error error;

	out->identity = mm_option(invocation, "identity");
	out->wait = wait;
	error = mm_value_number(invocation, "wait", 0, MM_WAIT_MAX, &out->wait);
	if (error == MM_OK)
		error = mm_path(path, sizeof(path), out->identity, "log.vkey");
	if (error != MM_OK)
		return error;
	error = mm_vkey_read(path, &out->vkey);
	return error != MM_E_FILE
		   ? error
		   : mm_fail(error, "%s is no identity directory: %s",
			 out->identity, mm_why(error));
}

static enum mm_error
try_once(const struct mm_appliance *appliance, mm_attempt *attempt, void *self)
{
	struct mm_client *client;
	enum mm_error error =
	    mm_client_open(appliance->identity, PATIENCE, &client);

	if (error != MM_OK)
		return error;
	error = attempt(client, self);
	mm_client_close(client);
	return error;
}

/* Seconds until another attempt makes sense; 0: never. */
static unsigned
pause_after(enum mm_error error)
{
	return error == MM_E_AWAY ? AWAY_PAUSE : mm_error_wait(error);
}

static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec;
}

static void
nap(unsigned seconds)
{
	struct timespec left = {.tv_sec = seconds};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* What may be done where nobody answers, or somebody else. */
static enum mm_error
give_up(const struct mm_appliance *appliance, enum mm_error error)
{
	if (error == MM_E_AWAY)
		return mm_fail(error,
		    "%s; does mintmarkd run (mintmarkd -c appliance.conf), "
		    "and at the address in %s/appliance?",
		    mm_why(error), appliance->identity);
	if (error == MM_E_TLS)
		return mm_fail(error,
		    "%s; is %s an identity for what answers there?",
		    mm_why(error), appliance->identity);
	return error;
}

enum mm_error
mm_appliance_open(const struct mm_appliance *appliance, struct mm_client **out)
{
	return give_up(
	    appliance, mm_client_open(appliance->identity, PATIENCE, out));
}

enum mm_error
mm_appliance_try(
    const struct mm_appliance *appliance, mm_attempt *attempt, void *self)
{
	uint64_t end = now() + appliance->wait;
	bool told = false;

	for (;;) {
		enum mm_error error = try_once(appliance, attempt, self);
		unsigned pause = pause_after(error);

		if (error == MM_OK || pause == 0 || now() + pause > end)
			return give_up(appliance, error);
		if (!told)
			mm_say("%s: %s; trying again for %llu s",
			    mm_error_name(error), mm_why(error),
			    (unsigned long long)appliance->wait);
		told = true;
		nap(pause);
	}
}

enum mm_error
mm_client_ask(struct mm_client *client, uint64_t type, const void *body,
    const uint8_t id[MM_ID_SIZE], struct mm_arena *arena, void *answer)
{
	uint8_t answered[MM_ID_SIZE];
	enum mm_error error = mm_client_send_again(client, type, body, id);

	if (error == MM_OK)
		error = mm_client_receive(client, arena, answered, answer);
	if (error == MM_OK && memcmp(id, answered, MM_ID_SIZE) != 0)
		error = mm_fail(MM_E_SHAPE, "the answer is another request's");
	return error;
}

struct question {
	uint64_t type;
	const void *body;
	uint8_t id[MM_ID_SIZE];
	struct mm_arena *arena;
	void *answer;
};

static enum mm_error
ask(struct mm_client *client, void *self)
{
	struct question *q = self;

	return mm_client_ask(
	    client, q->type, q->body, q->id, q->arena, q->answer);
}

enum mm_error
mm_appliance_ask(const struct mm_appliance *appliance, uint64_t type,
    const void *body, struct mm_arena *arena, void *answer)
{
	struct question q = {
	    .type = type, .body = body, .arena = arena, .answer = answer};

	randombytes_buf(q.id, sizeof(q.id));
	return mm_appliance_try(appliance, ask, &q);
}
