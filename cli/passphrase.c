#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static struct mm_passphrase *
passphrase_new(void)
{
	struct mm_passphrase *passphrase = sodium_malloc(sizeof(*passphrase));

	if (passphrase != NULL)
		sodium_memzero(passphrase, sizeof(*passphrase));
	return passphrase;
}

void
mm_passphrase_free(struct mm_passphrase *passphrase)
{
	sodium_free(passphrase);
}

/* A line byte by byte: what comes after it is not ours. */
static enum mm_error
read_line(int fd, const char *whence, struct mm_passphrase *out)
{
	for (;;) {
		char byte;
		ssize_t got = read(fd, &byte, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mm_fail(MM_E_FILE, "cannot read %s: %s", whence,
			    strerror(errno));
		if (got == 0 || byte == '\n')
			break;
		if (out->size == MM_PASSPHRASE_MAX)
			return mm_fail(MM_E_RANGE,
			    "the passphrase has more than %d bytes",
			    MM_PASSPHRASE_MAX);
		out->text[out->size++] = byte;
	}
	if (out->size > 0 && out->text[out->size - 1] == '\r')
		out->text[--out->size] = '\0';
	return out->size > 0 ? MM_OK
			     : mm_fail(MM_E_RANGE, "the passphrase is empty");
}

/* --- a file --- */

enum mm_error
mm_private_file_open(const char *path, int *out)
{
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0)
		return mm_fail(MM_E_FILE,
		    "%s must be a file that only its owner can read "
		    "(chmod 600)",
		    path);
	*out = mm_take_fd(fd);
	return MM_OK;
}

static enum mm_error
from_file(const char *path, struct mm_passphrase *out)
{
	mm_autoclose int fd = -1;
	enum mm_error error = mm_private_file_open(path, &fd);

	return error == MM_OK ? read_line(fd, path, out) : error;
}

/* --- a terminal --- */

/* What ends or stops the program, while the terminal does not show what is
 * typed: first the terminal becomes what it was. */
static const int signals[] = {
    SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU};

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

struct held {
	struct sigaction actions[MM_COUNT(signals)];
	sigset_t mask;
};

/* They are blocked but while the terminal is waited for, so that none is
 * missed between a look at `caught` and the wait. */
static void
hold_signals(struct held *held)
{
	struct sigaction action = {.sa_handler = catch};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < MM_COUNT(signals); i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &held->mask);
	caught = 0;
	for (size_t i = 0; i < MM_COUNT(signals); i++) {
		sigaction(signals[i], NULL, &held->actions[i]);
		if (held->actions[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/* What was caught does now what it would have done. */
static void
release_signals(const struct held *held)
{
	for (size_t i = 0; i < MM_COUNT(signals); i++)
		sigaction(signals[i], &held->actions[i], NULL);
	if (caught != 0)
		raise(caught);
	sigprocmask(SIG_SETMASK, &held->mask, NULL);
}

/* A line is there, or a signal: MM_E_NOT_FOUND. */
static enum mm_error
wait_for_line(int terminal, const sigset_t *mask)
{
	struct pollfd wanted = {.fd = terminal, .events = POLLIN};

	while (caught == 0)
		if (ppoll(&wanted, 1, NULL, mask) > 0)
			return MM_OK;
		else if (errno != EINTR)
			return mm_fail(MM_E_FILE,
			    "cannot read the terminal: "
			    "%s",
			    strerror(errno));
	return MM_E_NOT_FOUND;
}

static enum mm_error
ask_hidden(int terminal, const char *prompt, const sigset_t *mask,
    struct mm_passphrase *out)
{
	struct termios shown, hidden;
	enum mm_error error;

	if (tcgetattr(terminal, &shown) < 0)
		return mm_fail(MM_E_FILE, "the terminal: %s", strerror(errno));
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	if (tcsetattr(terminal, TCSAFLUSH, &hidden) < 0)
		return mm_fail(MM_E_FILE, "the terminal: %s", strerror(errno));
	dprintf(terminal, "%s: ", prompt);
	error = wait_for_line(terminal, mask);
	if (error == MM_OK)
		error = read_line(terminal, "the terminal", out);
	tcsetattr(terminal, TCSAFLUSH, &shown);
	dprintf(terminal, "\n");
	return error;
}

/* Who stopped the program and goes on with it is asked again. */
static enum mm_error
ask(int terminal, const char *prompt, struct mm_passphrase *out)
{
	enum mm_error error;
	struct held held;

	do {
		hold_signals(&held);
		error = ask_hidden(terminal, prompt, &held.mask, out);
		release_signals(&held);
	} while (error == MM_E_NOT_FOUND);
	return error;
}

static enum mm_error
open_terminal(int *out)
{
	*out = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (*out >= 0)
		return MM_OK;
	return mm_fail(MM_E_USAGE,
	    "the key is sealed by a passphrase and there is no terminal to "
	    "ask for it: say --passphrase-file");
}

/* --- either --- */

static enum mm_error
read_into(const struct mm_invocation *invocation, const char *prompt,
    bool twice, struct mm_passphrase *out)
{
	const char *path = mm_option(invocation, "passphrase-file");
	struct mm_passphrase *again;
	mm_autoclose int terminal = -1;
	enum mm_error error;

	if (path != NULL)
		return from_file(path, out);
	error = open_terminal(&terminal);
	if (error == MM_OK)
		error = ask(terminal, prompt, out);
	if (error != MM_OK || !twice)
		return error;
	again = passphrase_new();
	if (again == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a passphrase");
	error = ask(terminal, "the same once more", again);
	if (error == MM_OK &&
	    (again->size != out->size ||
		sodium_memcmp(again->text, out->text, out->size) != 0))
		error = mm_fail(MM_E_RANGE, "the two passphrases differ");
	mm_passphrase_free(again);
	return error;
}

static enum mm_error
read_one(const struct mm_invocation *invocation, const char *prompt, bool fresh,
    struct mm_passphrase **out)
{
	struct mm_passphrase *passphrase = passphrase_new();
	enum mm_error error;

	if (passphrase == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a passphrase");
	error = read_into(invocation, prompt, fresh, passphrase);
	if (error == MM_OK && fresh && passphrase->size < MM_PASSPHRASE_MIN)
		error = mm_fail(MM_E_RANGE,
		    "the passphrase has %zu bytes: whoever copies the file can "
		    "try many, so that it must have %d or more (five words)",
		    passphrase->size, MM_PASSPHRASE_MIN);
	if (error != MM_OK) {
		mm_passphrase_free(passphrase);
		return error;
	}
	*out = passphrase;
	return MM_OK;
}

enum mm_error
mm_passphrase_read(const struct mm_invocation *invocation, const char *prompt,
    struct mm_passphrase **out)
{
	return read_one(invocation, prompt, false, out);
}

enum mm_error
mm_passphrase_new(const struct mm_invocation *invocation, const char *prompt,
    struct mm_passphrase **out)
{
	return read_one(invocation, prompt, true, out);
}
