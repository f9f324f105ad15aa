/*
 * mintmark witness collect: carries checkpoint and cosignatures between the
 * appliance and its witnesses, so that the appliance speaks no HTTP. It
 * remembers nothing but what the witnesses say: a first request from size 0
 * learns by a 409 how far each of them is (C2SP tlog-witness).
 */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/http.h"
#include "cli/values.h"
#include "cli/witness.h"

enum {
	ARENA = 1 << 20,
	ROUNDS_MAX = 5, /* others may ask the same witness at the same time */
	INTERVAL_MAX = 7 * 86400,
	URL_MAX = 2048
};

/* One witness, and how it went. */
struct place {
	struct mm_witness witness;
	const char *url;
	enum mm_error error;
	char why[256];
	uint64_t size, time; /* what it has cosigned now */
	struct mm_cosign_answer home;
};

struct collect {
	const struct mm_invocation *invocation;
	struct mm_appliance appliance;
	const char *evidence; /* a directory; NULL: below the identity */
	struct place places[MM_REPEATED_MAX];
	size_t count;
};

/* One request to one witness. */
struct mm_round {
	const struct collect *collect;
	struct place *place;
	uint64_t older;
	struct mm_arena arena;
	struct mm_extension extension;
	struct mm_buffer request, body;
	long status;
};

static void
mm_round_clear(struct mm_round *round)
{
	mm_arena_clear(&round->arena);
	mm_buffer_clear(&round->request);
	mm_buffer_clear(&round->body);
}

/* --- evidence --- */

static enum mm_error
evidence_directory(const struct collect *collect, char out[PATH_MAX])
{
	if (collect->evidence != NULL)
		snprintf(out, PATH_MAX, "%s", collect->evidence);
	else if (mm_path(out, PATH_MAX, collect->appliance.identity,
		     "evidence") != MM_OK)
		return MM_E_FILE;
	if (mkdir(out, 0700) < 0 && errno != EEXIST)
		return mm_fail(
		    MM_E_FILE, "cannot make %s: %s", out, strerror(errno));
	return MM_OK;
}

/* A file of that content is there already, or it is written now. */
static enum mm_error
keep_file(const char *directory, const char *hex, const char *what,
    struct mm_span bytes)
{
	char name[128], path[PATH_MAX];
	enum mm_error error;

	snprintf(name, sizeof(name), "%s.%s", hex, what);
	error = mm_path(path, sizeof(path), directory, name);
	if (error == MM_OK)
		error = mm_file_write(path, bytes, 0644, false);
	return error == MM_E_EXISTS ? MM_OK : error;
}

/* What the witness has cosigned, as far as it shows it. */
static void
fetch_cosigned(const struct mm_round *round, struct mm_buffer *out)
{
	const char *origin = round->collect->appliance.vkey.name;
	uint8_t digest[32];
	char hex[65], url[URL_MAX];
	mm_auto(buffer) body = {0};
	long status;

	crypto_hash_sha256(digest, (const uint8_t *)origin, strlen(origin));
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	snprintf(url, sizeof(url), "%s/%s/checkpoint", round->place->url, hex);
	mm_buffer_init(&body, MM_HTTP_BODY_MAX);
	if (mm_http(url, mm_span(NULL, 0), &status, &body) == MM_OK &&
	    status == 200)
		mm_buffer_add(out, body.data, body.size);
}

static enum mm_error
keep(const struct mm_round *round, char directory[PATH_MAX], char hex[65])
{
	mm_auto(buffer) answer = {0};
	mm_auto(buffer) cosigned = {0};
	struct mm_span request = mm_buffer_span(&round->request);
	uint8_t digest[32];
	enum mm_error error = evidence_directory(round->collect, directory);

	mm_buffer_init(&answer, 2 * MM_HTTP_BODY_MAX);
	mm_buffer_init(&cosigned, MM_HTTP_BODY_MAX);
	mm_buffer_printf(&answer, "%s\n%ld\n%.*s", round->place->url,
	    round->status, MM_SPAN(mm_buffer_span(&round->body)));
	crypto_hash_sha256(digest, request.data, request.size);
	sodium_bin2hex(hex, 65, digest, sizeof(digest));
	if (error == MM_OK)
		error = keep_file(directory, hex, "request", request);
	if (error == MM_OK)
		error = keep_file(
		    directory, hex, "answer", mm_buffer_span(&answer));
	if (error != MM_OK)
		return error;
	fetch_cosigned(round, &cosigned);
	return cosigned.size > 0 ? keep_file(directory, hex, "cosigned",
				       mm_buffer_span(&cosigned))
				 : MM_OK;
}

/* The log may have two histories: loudly, and with all that shows it. */
static enum mm_error
alarm_about(const struct mm_round *round, enum mm_error error, const char *what)
{
	const char *name = round->place->witness.vkey.name;
	char directory[PATH_MAX], hex[65], where[PATH_MAX + 128];
	enum mm_error kept = keep(round, directory, hex);

	if (kept == MM_OK)
		snprintf(
		    where, sizeof(where), "kept in %s/%.16s*", directory, hex);
	else
		snprintf(
		    where, sizeof(where), "NOT kept: %.200s", mm_why(kept));
	mm_say("ALARM: %s: %s; the evidence is %s", name, what, where);
	return mm_fail(error, "%s: %s", name, what);
}

/* --- what a witness answers --- */

static enum mm_error
heard_lines(struct mm_round *round, bool *done)
{
	struct place *place = round->place;
	mm_auto(buffer) note = {0};
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_cosignature_read(round->extension.note,
	    mm_buffer_span(&round->body), &place->witness, &note, &place->time);
	if (error == MM_OK)
		error = mm_cosignature_deliver(&round->collect->appliance,
		    mm_buffer_span(&note), &place->home);
	place->size = round->extension.checkpoint.size;
	*done = true;
	return error;
}

/* The witness has another size: ask again from there, unless the log has not
 * got so far any more, or the sizes are the same after all (tlog-witness
 * v1.0.0 says 409 for two roots of one size). */
static enum mm_error
heard_conflict(struct mm_round *round, bool *done)
{
	struct mm_span text = mm_buffer_span(&round->body);
	uint64_t size = 0;

	(void)done;
	if (text.size > 0 && text.data[text.size - 1] == '\n')
		text.size--;
	if (!mm_decimal_read(text, &size) || size == round->older)
		return round->older == round->extension.checkpoint.size
			   ? alarm_about(round, MM_E_FORK,
				 "it has cosigned another tree of that size")
			   : mm_fail(MM_E_SETTING,
				 "%s answers 409 without its size",
				 round->place->url);
	round->older = size;
	return MM_OK;
}

static enum mm_error
heard_fork(struct mm_round *round, bool *done)
{
	(void)done;
	return alarm_about(
	    round, MM_E_FORK, "the log does not extend what it has cosigned");
}

static enum mm_error
heard_no_log(struct mm_round *round, bool *done)
{
	(void)done;
	return mm_fail(MM_E_SETTING,
	    "%s does not follow this log (witness follow), or is no witness",
	    round->place->url);
}

static enum mm_error
heard_no_key(struct mm_round *round, bool *done)
{
	(void)done;
	return mm_fail(MM_E_SETTING, "%s follows this log with another key",
	    round->place->url);
}

static const struct {
	long status;
	enum mm_error (*hear)(struct mm_round *round, bool *done);
} answers[] = {
    {MM_WITNESS_OK, heard_lines},
    {MM_WITNESS_CONFLICT, heard_conflict},
    {MM_WITNESS_WRONG, heard_fork},
    {MM_WITNESS_NO_LOG, heard_no_log},
    {MM_WITNESS_NO_KEY, heard_no_key},
};

static enum mm_error
hear(struct mm_round *round, bool *done)
{
	for (size_t i = 0; i < MM_COUNT(answers); i++)
		if (answers[i].status == round->status)
			return answers[i].hear(round, done);
	return mm_fail(MM_E_WITNESS_AWAY, "%s answers %ld", round->place->url,
	    round->status);
}

/* --- asking --- */

static enum mm_error
post(struct mm_round *round)
{
	char url[URL_MAX];
	int length =
	    snprintf(url, sizeof(url), "%s/add-checkpoint", round->place->url);

	if (length < 0 || (size_t)length >= sizeof(url))
		return mm_fail(MM_E_USAGE, "the address of %s is too long",
		    round->place->witness.vkey.name);
	return mm_http(
	    url, mm_buffer_span(&round->request), &round->status, &round->body);
}

/*
 * The appliance's proof from `older`. Where its log is smaller than that it
 * was rolled back, which its checkpoint shows, asked for from nothing.
 */
static enum mm_error
prepare(struct mm_round *round)
{
	const struct mm_appliance *appliance = &round->collect->appliance;
	uint64_t cosigned = round->older;
	enum mm_error error = mm_extension_fetch(
	    appliance, round->older, &round->arena, &round->extension);

	if (error == MM_E_BEHIND) {
		round->older = 0;
		error = mm_extension_fetch(
		    appliance, round->older, &round->arena, &round->extension);
	}
	if (error == MM_OK)
		error = mm_cosign_request_write(round->older,
		    &round->extension.proof, round->extension.note,
		    &round->request);
	if (error == MM_OK && round->extension.checkpoint.size < cosigned)
		error = alarm_about(round, MM_E_BEHIND,
		    "it has cosigned a larger log than the appliance has: the "
		    "log was rolled back");
	return error;
}

static enum mm_error
ask_once(const struct collect *collect, struct place *place, uint64_t *older,
    bool *done)
{
	mm_auto(round)
	    round = {.collect = collect, .place = place, .older = *older};
	enum mm_error error;

	mm_arena_init(&round.arena, ARENA);
	mm_buffer_init(&round.request, MM_COSIGN_REQUEST_MAX);
	mm_buffer_init(&round.body, MM_HTTP_BODY_MAX);
	error = prepare(&round);
	if (error == MM_OK)
		error = post(&round);
	if (error == MM_OK)
		error = hear(&round, done);
	*older = round.older;
	return error;
}

static enum mm_error
ask(const struct collect *collect, struct place *place)
{
	uint64_t older = 0;
	bool done = false;

	for (size_t i = 0; i < ROUNDS_MAX && !done; i++) {
		enum mm_error error = ask_once(collect, place, &older, &done);

		if (error != MM_OK)
			return error;
	}
	return done ? MM_OK
		    : mm_fail(MM_E_WITNESS_AWAY,
			  "%s grows faster than it is asked", place->url);
}

/* --- all of them --- */

static const char *
outcome(enum mm_error error)
{
	static const struct {
		enum mm_error error;
		const char *word;
	} rows[] = {
	    {MM_OK, "cosigned"},
	    {MM_E_WITNESS_AWAY, "away"},
	    {MM_E_FORK, "fork"},
	    {MM_E_BEHIND, "rollback"},
	};

	for (size_t i = 0; i < MM_COUNT(rows); i++)
		if (rows[i].error == error)
			return rows[i].word;
	return "failed";
}

static json_t *
describe(const struct place *place)
{
	json_t *out = json_pack("{s:s, s:s}", "name", place->witness.vkey.name,
	    "outcome", outcome(place->error));

	if (place->error != MM_OK) {
		json_object_set_new(out, "why", json_string(place->why));
		return out;
	}
	json_object_set_new(out, "size", json_integer((json_int_t)place->size));
	json_object_set_new(out, "time", mm_json_time(place->time));
	return out;
}

static void
tell(const struct place *place)
{
	char time[MM_TIME_TEXT];

	mm_time_text(place->time, time);
	if (place->error == MM_OK)
		printf("%s: cosigned size %llu at %s\n",
		    place->witness.vkey.name, (unsigned long long)place->size,
		    time);
	else
		printf("%s: %s: %s\n", place->witness.vkey.name,
		    outcome(place->error), place->why);
}

static void
report(const struct collect *collect)
{
	json_t *list = json_array(), *out;
	struct mm_cosign_answer home = {.size = 0};

	for (size_t i = 0; i < collect->count; i++) {
		const struct place *place = &collect->places[i];

		json_array_append_new(list, describe(place));
		if (!collect->invocation->json)
			tell(place);
		if (place->error == MM_OK)
			home = place->home;
	}
	out = json_pack("{s:s, s:I, s:I}", "log", collect->appliance.vkey.name,
	    "cosigned", (json_int_t)home.size, "keys",
	    (json_int_t)home.witnesses);
	/* For people it stands above. */
	if (collect->invocation->json)
		json_object_set(out, "witnesses", list);
	json_decref(list);
	mm_print(collect->invocation, out);
	fflush(stdout);
}

/* What the command ends with: the worst, a fork before a fault before those
 * who are away. */
static int
rank(enum mm_error error)
{
	if (error == MM_OK)
		return 0;
	if (error == MM_E_WITNESS_AWAY)
		return 1;
	return mm_error_exit(error) == MM_EXIT_NO ? 3 : 2;
}

/* One who is away does not stop the others. */
static enum mm_error
collect_all(struct collect *collect)
{
	const struct place *worst = &collect->places[0];

	for (size_t i = 0; i < collect->count; i++) {
		struct place *place = &collect->places[i];

		place->error = ask(collect, place);
		snprintf(
		    place->why, sizeof(place->why), "%s", mm_why(place->error));
		if (rank(place->error) > rank(worst->error))
			worst = place;
	}
	report(collect);
	return worst->error == MM_OK
		   ? MM_OK
		   : mm_fail(worst->error, "%s: %s", worst->witness.vkey.name,
			 worst->why);
}

static void
nap(uint64_t seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* For ever; only what smells of a fork ends it. */
static enum mm_error
collect_on(struct collect *collect, uint64_t interval)
{
	for (;;) {
		enum mm_error error = collect_all(collect);

		if (rank(error) == 3)
			return error;
		if (error != MM_OK)
			mm_say("%s: %s", mm_error_name(error), mm_why(error));
		nap(interval);
	}
}

static enum mm_error
read_places(struct collect *collect)
{
	const char *word;

	while ((word = mm_option_nth(
		    collect->invocation, "witness", collect->count)) != NULL) {
		struct place *place = &collect->places[collect->count];
		enum mm_error error =
		    mm_witness_read_at(word, &place->witness, &place->url);

		if (error != MM_OK)
			return error;
		if (place->url == NULL)
			return mm_fail(MM_E_USAGE,
			    "--witness is VKEY=URL, with http:// or https://; "
			    "one behind an air gap has `witness request`");
		collect->count++;
	}
	return collect->count > 0
		   ? MM_OK
		   : mm_fail(MM_E_USAGE, "--witness VKEY=URL is missing");
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct collect collect = {.invocation = invocation,
	    .evidence = mm_option(invocation, "evidence")};
	uint64_t interval = 0;
	enum mm_error error =
	    mm_value_number(invocation, "interval", 1, INTERVAL_MAX, &interval);

	if (error == MM_OK)
		error = read_places(&collect);
	if (error == MM_OK)
		error =
		    mm_appliance_read(invocation, MM_WAIT, &collect.appliance);
	if (error != MM_OK)
		return error;
	return interval > 0 ? collect_on(&collect, interval)
			    : collect_all(&collect);
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"witness", "VKEY=URL", "a verifier key, or its file, and where it serves",
	MM_OPTION_REPEATED},
    {"interval", "SECONDS", "go on for ever, with a pause (once)", false},
    {"evidence", "DIR", "where to keep a fork's notes (IDENTITY/evidence)",
	false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_witness_collect_command = {
    .noun = "witness",
    .verb = "collect",
    .operands = "",
    .summary = "have the newest checkpoint cosigned, and bring that home",
    .results = "log, cosigned (size of the newest cosigned checkpoint at "
	       "home), keys (of\nwitnesses under it), witnesses (a list of: "
	       "name, outcome (cosigned, away,\nfork, rollback or failed), "
	       "size and time, or why)",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
