#include "cli/produce_stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

/* What is ignored (nohup) stays ignored. */
static void
signals(sigset_t *out)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

	sigemptyset(out);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction action;

		sigaction(numbers[i], NULL, &action);
		if (action.sa_handler != SIG_IGN)
			sigaddset(out, numbers[i]);
	}
}

enum mm_error
mm_stop_begin(struct mm_stop *stop)
{
	sigset_t set;

	signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop->count = 0;
	stop->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return stop->fd >= 0 ? MM_OK
			     : mm_fail(MM_E_SYSTEM, "cannot hold signals: %s",
				   strerror(errno));
}

unsigned
mm_stop_count(struct mm_stop *stop)
{
	struct signalfd_siginfo info;

	while (read(stop->fd, &info, sizeof(info)) == sizeof(info))
		stop->count++;
	return stop->count;
}

unsigned
mm_stop_within(struct mm_stop *stop, unsigned seconds)
{
	struct pollfd wait = {.fd = stop->fd, .events = POLLIN};

	(void)poll(&wait, 1, (int)seconds * 1000);
	return mm_stop_count(stop);
}

void
mm_stop_end(struct mm_stop *stop)
{
	if (stop->fd >= 0)
		close(stop->fd);
	stop->fd = -1;
}
