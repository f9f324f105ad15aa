/*
 * mintmarkd: the supervisor, or, with --role, one of its children.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "protocol/version.h"
#include "server/lines.h"
#include "server/notify.h"
#include "server/restore.h"
#include "server/roles.h"
#include "server/supervisor.h"
#include "server/witnesses.h"

#define CREDENTIALS "CREDENTIALS_DIRECTORY"

enum { SETTINGS_MAX = 1 << 20 };

struct command {
	const char *config, *genesis, *restore, *role;
	bool accept_time, rebuild, check, help, version;
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"genesis", required_argument, NULL, 'g'},
    {"restore", required_argument, NULL, 's'},
    {"role", required_argument, NULL, 'r'},
    {"accept-time", no_argument, NULL, 'a'},
    {"rebuild", no_argument, NULL, 'b'},
    {"check", no_argument, NULL, 'k'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* What an option sets: a flag, or a text. */
static const struct {
	int letter;
	size_t flag, text; /* offsets in struct command */
} effects[] = {
    {'c', 0, offsetof(struct command, config)},
    {'g', 0, offsetof(struct command, genesis)},
    {'s', 0, offsetof(struct command, restore)},
    {'r', 0, offsetof(struct command, role)},
    {'a', offsetof(struct command, accept_time), 0},
    {'b', offsetof(struct command, rebuild), 0},
    {'k', offsetof(struct command, check), 0},
    {'h', offsetof(struct command, help), 0},
    {'v', offsetof(struct command, version), 0},
};

static const char usage[] =
    "usage: mintmarkd -c FILE [--genesis FILE] [--accept-time] [--rebuild]\n"
    "       mintmarkd -c FILE --check\n"
    "       mintmarkd -c FILE --restore DIR\n"
    "\n"
    "  -c, --config FILE  how this box runs (appliance.conf)\n"
    "  --genesis FILE     begin a log: make the keys and the first entries\n"
    "  --accept-time      the clock is right, although it has jumped\n"
    "  --rebuild          make the index anew from the log\n"
    "  --check            read the settings, then stop\n"
    "  --restore DIR      make the lost log.db anew from the newest copy of\n"
    "                     the log's directory, then stop\n";

static bool
apply(int letter, char *value, struct command *out)
{
	for (size_t i = 0; i < MM_COUNT(effects); i++) {
		char *base = (char *)out;

		if (effects[i].letter != letter)
			continue;
		if (effects[i].flag != 0)
			*(bool *)(base + effects[i].flag) = true;
		else
			*(const char **)(base + effects[i].text) = value;
		return true;
	}
	return false;
}

/* Whether more is asked for than to restore. */
static bool
is_more(const struct command *command)
{
	return command->genesis != NULL || command->check ||
	       command->accept_time || command->rebuild;
}

/* getopt has said what is wrong. */
static bool
parse(int argc, char **argv, struct command *out)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
		if (!apply(letter, optarg, out))
			return false;
	if (optind < argc)
		fprintf(stderr, "mintmarkd: unexpected argument %s\n",
		    argv[optind]);
	return optind == argc;
}

static int
fails(enum mm_error error)
{
	mm_lines_say(MM_LEVEL_ERROR, "%s", mm_why(error));
	return (int)mm_error_exit(error);
}

/*
 * Nothing of the caller's environment gets into a process; the settings may
 * speak of ${CREDENTIALS_DIRECTORY} (systemd.exec(5)), so that alone stays
 * while they are read.
 */
static enum mm_error
clear_environment(void)
{
	const char *value = getenv(CREDENTIALS);
	mm_autofree char *credentials = value != NULL ? strdup(value) : NULL;

	mm_lines_open();
	mm_notify_open();
	if (clearenv() != 0 ||
	    (credentials != NULL && setenv(CREDENTIALS, credentials, 1) < 0))
		return mm_fail(MM_E_SYSTEM, "cannot clear the environment");
	return MM_OK;
}

static enum mm_error
open_genesis(const char *path, int *out)
{
	if (path == NULL)
		return MM_OK;
	*out = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (*out < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	return MM_OK;
}

/* A genesis that succeeds no log has none. */
static enum mm_error
open_blobs(const char *genesis, int *out)
{
	char path[PATH_MAX];

	if (genesis == NULL)
		return MM_OK;
	if (snprintf(path, sizeof(path), "%s.blobs", genesis) >=
	    (int)sizeof(path))
		return mm_fail(MM_E_FILE, "the path %s is too long", genesis);
	*out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*out < 0 && errno != ENOENT)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	return MM_OK;
}

static int
restore(const struct mm_settings *settings, const char *from)
{
	enum mm_error error = mm_restore_run(settings, from);

	return error == MM_OK ? MM_EXIT_YES : fails(error);
}

static int
supervise(const struct command *command)
{
	mm_auto(arena) arena = {0};
	mm_autoclose int genesis = -1, blobs = -1;
	struct mm_settings settings;
	struct mm_supervisor_options run = {.genesis = -1,
	    .blobs = -1,
	    .accept_time = command->accept_time,
	    .rebuild = command->rebuild};
	enum mm_error error = clear_environment();

	mm_arena_init(&arena, SETTINGS_MAX);
	if (error == MM_OK)
		error = mm_settings_read(command->config, &arena, &settings);
	if (error == MM_OK)
		error = mm_witnesses_check(command->config, &settings);
	if (error == MM_OK)
		error = open_genesis(command->genesis, &genesis);
	if (error == MM_OK)
		error = open_blobs(command->genesis, &blobs);
	if (error != MM_OK)
		return fails(error);
	clearenv();
	run.genesis = genesis;
	run.blobs = blobs;
	if (command->restore != NULL)
		return restore(&settings, command->restore);
	return command->check ? MM_EXIT_YES
			      : mm_supervisor_run(&settings, &run);
}

int
main(int argc, char **argv)
{
	struct command command = {0};

	if (!parse(argc, argv, &command)) {
		fputs(usage, stderr);
		return MM_EXIT_USAGE;
	}
	if (command.help || command.version) {
		fputs(command.help ? usage : "mintmarkd " MM_VERSION "\n",
		    stdout);
		return MM_EXIT_YES;
	}
	if (sodium_init() < 0)
		return fails(mm_fail(MM_E_SYSTEM, "libsodium does not start"));
	if (command.role != NULL)
		mm_role_main(command.role);
	if (command.config == NULL ||
	    (command.restore != NULL && is_more(&command))) {
		fputs(usage, stderr);
		return MM_EXIT_USAGE;
	}
	return supervise(&command);
}
