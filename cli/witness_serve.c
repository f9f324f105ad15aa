/*
 * mintmark witness serve: the witness for whoever reaches it by HTTP. It has
 * no TLS of its own: what it takes and gives is signed.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/confine.h"
#include "cli/witness.h"
#include "cli/witness_http.h"

enum { BACKLOG = 128, ADDRESS_MAX = 96 };

static volatile sig_atomic_t stop;

static void
on_stop(int number)
{
	(void)number;
	stop = 1;
}

/* Both signals come while the server waits, and at no other time. */
static enum mm_error
hear_signals(sigset_t *unblocked)
{
	const struct sigaction action = {.sa_handler = on_stop};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	if (sigprocmask(SIG_BLOCK, &blocked, unblocked) < 0 ||
	    sigaction(SIGTERM, &action, NULL) < 0 ||
	    sigaction(SIGINT, &action, NULL) < 0 ||
	    sigaction(SIGPIPE, &ignore, NULL) < 0)
		return mm_fail(MM_E_SYSTEM, "signals: %s", strerror(errno));
	sigdelset(unblocked, SIGTERM);
	sigdelset(unblocked, SIGINT);
	return MM_OK;
}

/* "127.0.0.1:7500" or "[::1]:7500" in two; numbers only. */
static struct addrinfo *
resolve(const char *text)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	    .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(text, ':'), *host = text;
	struct addrinfo *found;
	char name[ADDRESS_MAX];
	uint64_t port;
	size_t size;

	/* The C library takes 70000 for 4464. */
	if (colon == NULL || colon == text ||
	    !mm_decimal_read(mm_span_text(colon + 1), &port) ||
	    port > UINT16_MAX)
		return NULL;
	size = (size_t)(colon - text);
	if (text[0] == '[' && colon[-1] == ']') {
		host++;
		size -= 2;
	} else if (memchr(text, ':', size) != NULL) {
		return NULL;
	}
	if (size >= sizeof(name))
		return NULL;
	mm_span_string(mm_span(host, size), name, sizeof(name));
	return getaddrinfo(name, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static int
listen_at(const struct addrinfo *address)
{
	mm_autoclose int fd = socket(
	    address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -1;
	return mm_take_fd(fd);
}

static enum mm_error
listen_on(const char *text, int *out)
{
	struct addrinfo *address = resolve(text);

	if (address == NULL)
		return mm_fail(MM_E_USAGE,
		    "--listen is an address like 127.0.0.1:7500 or "
		    "[::1]:7500, not \"%s\"",
		    text);
	*out = listen_at(address);
	freeaddrinfo(address);
	return *out >= 0 ? MM_OK
			 : mm_fail(MM_E_SETTING, "cannot listen on %s: %s",
			       text, strerror(errno));
}

static enum mm_error
say_ready(int listener)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
	    getnameinfo((struct sockaddr *)&address, size, host, sizeof(host),
		port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return mm_fail(MM_E_SYSTEM, "the socket has no name");
	mm_say(
	    address.ss_family == AF_INET6 ? "ready: [%s]:%s" : "ready: %s:%s",
	    host, port);
	return MM_OK;
}

static enum mm_error
serve(const struct mm_invocation *invocation, struct mm_cosigner *cosigner)
{
	struct mm_witness_http *http = NULL;
	mm_autoclose int listener = -1;
	sigset_t unblocked;
	int fd;
	enum mm_error error =
	    listen_on(mm_option(invocation, "listen"), &listener);

	if (error == MM_OK)
		error = hear_signals(&unblocked);
	if (error == MM_OK)
		error = mm_witness_http_open(cosigner, listener, &http);
	if (error != MM_OK)
		return error;
	fd = mm_take_fd(listener); /* the server's from here on */
	error = mm_confine(mm_option(invocation, "dir"));
	if (error == MM_OK)
		error = say_ready(fd);
	if (error == MM_OK)
		error = mm_witness_http_run(http, &unblocked, &stop);
	mm_witness_http_close(http);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct mm_cosigner *cosigner;
	enum mm_error error =
	    mm_cosigner_open(mm_option(invocation, "dir"), &cosigner);

	if (error != MM_OK)
		return error;
	error = serve(invocation, cosigner);
	mm_cosigner_close(cosigner);
	/* What libraries do at exit is not for a sandbox. */
	if (error == MM_OK)
		_exit(MM_EXIT_YES);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_WITNESS_DIR,
    {"listen", "ADDR:PORT", "where; port 0: any that is free", true},
};

const struct mm_command mm_witness_serve_command = {
    .noun = "witness",
    .verb = "serve",
    .operands = "",
    .summary = "cosign over HTTP (C2SP tlog-witness) until SIGTERM",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
