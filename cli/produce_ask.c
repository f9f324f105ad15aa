/*
 * A window's requests: as many under way as the appliance takes, answered in
 * any order, and sent again over a new connection, or after a while, where that
 * helps. Whoever asks again with the same key gets the same certificate.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ca/certificate.h"
#include "cli/certificate_answer.h"
#include "cli/produce_run.h"

enum {
	ANSWER_ARENA = 1 << 20,
	AWAY_PAUSE = 1, /* seconds */
	IDLE = 5,       /* after which a connection is made anew */
	/* A station that asks too often waits for its next minute, whatever
	 * --wait says: that is the pace, and no trouble. */
	PACE = 120
};

static uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec;
}

/* ---- what an error means */

/* It is the device's own: the others go on. */
static bool
is_devices(const struct mm_run *run, enum mm_error error)
{
	static const enum mm_error errors[] = {MM_E_ORDER_COVER,
	    MM_E_DEVICE_ISSUED, MM_E_DEVICE_ID, MM_E_KEY_USED, MM_E_REVOKED};
	/* Of a key that was made elsewhere. */
	static const enum mm_error keys[] = {
	    MM_E_CSR, MM_E_CSR_SIGNATURE, MM_E_KEY_TYPE, MM_E_KEY_WEAK};

	for (size_t i = 0; i < MM_COUNT(errors); i++)
		if (error == errors[i])
			return true;
	for (size_t i = 0; i < MM_COUNT(keys) && run->facts.csr; i++)
		if (error == keys[i])
			return true;
	return false;
}

/* What whoever stands there can do about it. */
static enum mm_error
advise(enum mm_error error)
{
	static const struct {
		enum mm_error error;
		const char *advice;
	} all[] = {
	    {MM_E_ORDER_EXHAUSTED, "an officer extends it with mintmark order "
				   "extend; then say the same again"},
	    {MM_E_ORDER_CLOSED,
		"an officer opens it again with mintmark order reopen, or "
		"extends its time with mintmark order extend; then say the "
		"same again"},
	    {MM_E_ORDER_COVER, "an officer gives it other devices with "
			       "mintmark order extend"},
	    {MM_E_ORDER_OTHERS, "an officer gives it other stations with "
				"mintmark order extend"},
	    {MM_E_DEVICE_ISSUED,
		"take another device; or, to repair this one, mintmark cert "
		"issue --reissue"}};

	for (size_t i = 0; i < MM_COUNT(all); i++)
		if (all[i].error == error)
			return mm_fail(
			    error, "%s; %s", mm_why(error), all[i].advice);
	return error;
}

/* Seconds after which asking again makes sense; 0: not within a run. */
static unsigned
pause_after(enum mm_error error)
{
	if (error == MM_E_AWAY)
		return AWAY_PAUSE;
	return error == MM_E_DAILY ? 0 : mm_error_wait(error);
}

static void
note(struct mm_run_trouble *trouble, enum mm_error error)
{
	unsigned pause = pause_after(error);

	if (trouble->error == MM_OK)
		trouble->since = now();
	trouble->error = error;
	if (pause > trouble->pause)
		trouble->pause = pause;
	snprintf(trouble->why, sizeof(trouble->why), "%s", mm_why(error));
}

/* ---- one unit */

static enum mm_error
read_serial(const struct mm_attested *attested, struct mm_run_unit *unit)
{
	struct mm_tbs tbs;
	enum mm_error error =
	    mm_tbs_read(attested->body.certificate.tbs, &unit->arena, &tbs);

	if (error == MM_OK)
		memcpy(unit->serial, tbs.serial, sizeof(unit->serial));
	return error;
}

enum mm_error
mm_unit_answer_check(struct mm_run *run, struct mm_run_unit *unit)
{
	const struct mm_certificate_wanted wanted = {
	    .profile = mm_span_text(run->profile),
	    .device = mm_unit_device(unit->unit),
	    .spki = mm_unit_spki(unit->unit),
	    .memory = &run->receipts};
	struct mm_attested attested;
	enum mm_error error = mm_certificate_answer_check(&unit->answer,
	    &wanted, &run->appliance.vkey, &unit->arena, &attested);

	return error == MM_OK ? read_serial(&attested, unit) : error;
}

static void
refuse(struct mm_run_unit *unit, enum mm_error error)
{
	unit->state = MM_UNIT_REFUSED;
	unit->error = error;
	snprintf(unit->why, sizeof(unit->why), "%s: %s", mm_error_name(error),
	    mm_why(error));
}

static void
take_error(struct mm_run *run, struct mm_run_unit *unit, enum mm_error error)
{
	unit->sent = false;
	error = advise(error);
	if (is_devices(run, error))
		refuse(unit, error);
	else if (pause_after(error) > 0)
		note(&run->trouble, error);
	else {
		unit->state = MM_UNIT_HELD;
		(void)mm_run_fail(run, error);
	}
}

static struct mm_run_unit *
find_in(struct mm_window *window, const uint8_t id[MM_ID_SIZE])
{
	for (size_t i = 0; i < window->count; i++)
		if (window->units[i].sent &&
		    memcmp(window->units[i].id, id, MM_ID_SIZE) == 0)
			return &window->units[i];
	return NULL;
}

static struct mm_run_unit *
find(struct mm_run *run, const uint8_t id[MM_ID_SIZE])
{
	struct mm_run_unit *unit = NULL;

	for (size_t i = 0; i < MM_RUN_WINDOWS && unit == NULL; i++)
		unit = find_in(&run->windows[i], id);
	return unit;
}

/* ---- the connection */

static size_t
count(const struct mm_window *window, bool sent)
{
	size_t found = 0;

	for (size_t i = 0; i < window->count; i++)
		found += window->units[i].state == MM_UNIT_OPEN &&
			 (!sent || window->units[i].sent);
	return found;
}

static bool
is_waited_for(const struct mm_run *run)
{
	size_t sent = 0;

	for (size_t i = 0; i < MM_RUN_WINDOWS; i++)
		sent += count(&run->windows[i], true);
	return sent > 0;
}

static void
hang_up(struct mm_run *run)
{
	mm_client_close(run->client);
	run->client = NULL;
	for (size_t i = 0; i < MM_RUN_WINDOWS; i++)
		for (size_t k = 0; k < run->windows[i].count; k++)
			run->windows[i].units[k].sent = false;
}

static enum mm_error
send_one(struct mm_run *run, struct mm_run_unit *unit)
{
	const struct mm_issue_request request = {
	    .order = mm_span_text(run->order),
	    .profile = mm_span_text(run->profile),
	    .device = mm_unit_device(unit->unit),
	    .csr = mm_unit_csr(unit->unit)};
	enum mm_error error =
	    mm_client_send(run->client, MM_MESSAGE_ISSUE, &request, unit->id);

	unit->sent = error == MM_OK;
	return error;
}

/* `max` of those that are open. */
static enum mm_error
send_some(struct mm_run *run, struct mm_window *window, size_t max)
{
	enum mm_error error = MM_OK;

	if (now() - run->asked > IDLE && !is_waited_for(run))
		hang_up(run);
	run->asked = now();
	if (run->client == NULL)
		error = mm_appliance_open(&run->appliance, &run->client);
	if (error == MM_OK)
		mm_client_watch(run->client, run->stop.fd);
	for (size_t i = 0; i < window->count && max > 0 && error == MM_OK; i++)
		if (window->units[i].state == MM_UNIT_OPEN &&
		    !window->units[i].sent) {
			error = send_one(run, &window->units[i]);
			max--;
		}
	return error;
}

/* One answer, to whichever unit; an error is the connection's. What was sent
 * before the trouble says nothing about it. */
static enum mm_error
receive_one(struct mm_run *run)
{
	uint8_t id[MM_ID_SIZE] = {0};
	struct mm_certificate_answer answer;
	mm_auto(arena) arena = {0};
	struct mm_run_unit *unit;
	enum mm_error error;

	mm_arena_init(&arena, ANSWER_ARENA);
	error = mm_client_receive(run->client, &arena, id, &answer);
	unit = find(run, id);
	if (unit == NULL)
		return error != MM_OK ? error
				      : mm_fail(MM_E_SHAPE,
					    "the answer is another request's");
	if (error != MM_OK) {
		take_error(run, unit, error);
		return MM_OK;
	}
	unit->arena = arena;
	arena = (struct mm_arena){.blocks = NULL};
	unit->answer = answer;
	unit->sent = false;
	if (run->trouble.pause == 0)
		run->trouble = (struct mm_run_trouble){.error = MM_OK};
	unit->state = MM_UNIT_ANSWERED;
	return MM_OK;
}

/* ---- a window */

/* Nothing more comes of it now: what is open stays in the journal. */
static void
give_up(struct mm_window *window)
{
	for (size_t i = 0; i < window->count; i++)
		if (window->units[i].state == MM_UNIT_OPEN)
			window->units[i].state = MM_UNIT_HELD;
}

/* Waits before anything is sent again. */
static enum mm_error
sit_out(struct mm_run *run)
{
	struct mm_run_trouble *trouble = &run->trouble;
	uint64_t wait = run->appliance.wait;

	if (trouble->error == MM_OK)
		return MM_OK;
	if (trouble->error == MM_E_RATE && wait < PACE)
		wait = PACE;
	if (now() + trouble->pause > trouble->since + wait)
		return mm_fail(trouble->error, "%s", trouble->why);
	mm_report_quiet(&run->report);
	if (!trouble->told)
		mm_say("%s: %s; trying again for %ju s",
		    mm_error_name(trouble->error), trouble->why,
		    (uintmax_t)wait);
	trouble->told = true;
	if (mm_stop_count(&run->stop) > 0 ||
	    mm_stop_within(&run->stop, trouble->pause) > 0)
		return mm_fail(MM_E_STOPPED,
		    "while the appliance was waited for (%s)", trouble->why);
	trouble->pause = 0;
	return MM_OK;
}

void
mm_window_send(struct mm_run *run, struct mm_window *window)
{
	if (run->fault == MM_OK && run->trouble.error == MM_OK &&
	    send_some(run, window, window->count) != MM_OK)
		hang_up(run);
}

/* After trouble all that is under way comes to its end first. */
static bool
has_to_send(const struct mm_run *run, const struct mm_window *window)
{
	return count(window, true) == 0 &&
	       (run->trouble.error == MM_OK || !is_waited_for(run));
}

/* The second Ctrl-C: what was asked for and not answered goes on next time. */
static enum mm_error
check_stop(struct mm_run *run)
{
	return mm_stop_count(&run->stop) < 2
		   ? MM_OK
		   : mm_fail(MM_E_STOPPED,
			 "twice: what was asked for and not answered yet goes "
			 "on when the same is said again");
}

/* Sends, where it has to, after trouble one, to see; and takes an answer. */
static enum mm_error
exchange(struct mm_run *run, struct mm_window *window, bool sends)
{
	bool trouble = run->trouble.error != MM_OK;
	enum mm_error error =
	    sends ? send_some(run, window, trouble ? 1 : window->count) : MM_OK;

	return error == MM_OK ? receive_one(run) : error;
}

static enum mm_error
step(struct mm_run *run, struct mm_window *window)
{
	bool sends = has_to_send(run, window);
	enum mm_error error = check_stop(run);

	if (error == MM_OK && sends)
		error = sit_out(run);
	if (error != MM_OK)
		return error;
	error = exchange(run, window, sends);
	if (error == MM_E_STOPPED)
		return check_stop(run);
	if (error == MM_OK || pause_after(error) == 0)
		return error;
	note(&run->trouble, error);
	hang_up(run);
	return MM_OK;
}

/* Not in trouble, which the window's own units are the first to try. */
static void
keep_busy(struct mm_run *run, struct mm_window *next)
{
	if (next != NULL && run->fault == MM_OK &&
	    run->trouble.error == MM_OK && send_some(run, next, 1) != MM_OK)
		hang_up(run);
}

void
mm_window_receive(
    struct mm_run *run, struct mm_window *window, struct mm_window *next)
{
	enum mm_error error = MM_OK;

	while (count(window, false) > 0 && error == MM_OK) {
		/* What was sent is answered, and nothing is sent any more. */
		if (run->fault != MM_OK && count(window, true) == 0)
			break;
		error = step(run, window);
		if (error == MM_OK)
			keep_busy(run, next);
	}
	if (error != MM_OK) {
		(void)mm_run_fail(run, error);
		hang_up(run);
	}
	give_up(window);
}
