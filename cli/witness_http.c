#include "cli/witness_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cli/command.h"

enum {
	CONNECTIONS_MAX = 256,
	FROM_ONE_ADDRESS_MAX = 64,
	HEADERS_MAX = 32768, /* and buffers, of a connection */
	IDLE_SECONDS = 5,
	REQUEST_SECONDS = 15, /* from the connection or the answer before */
	TICK = 1000           /* milliseconds */
};

/* A connection, by its socket: how long its present request takes. */
struct guest {
	int fd; /* -1: a free place */
	time_t since;
};

struct mm_witness_http {
	struct mm_cosigner *cosigner;
	struct MHD_Daemon *daemon;
	struct guest guests[CONNECTIONS_MAX];
	size_t guest_count;
};

/* One request while it comes in. */
struct arrival {
	struct mm_buffer body;
};

static time_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* --- answers --- */

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, const char *type,
    struct mm_span body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    body.size, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(
		response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    MHD_add_response_header(
		response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_text(
    struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8",
	    mm_span_text(text));
}

/* What an operator wants to know; what strangers try is no news. */
static void
tell(enum mm_witness_status status, struct mm_span body)
{
	if (status == MM_WITNESS_WRONG)
		mm_say("ALARM: %.*s", MM_SPAN(body));
	else if (status == MM_WITNESS_FAILED)
		mm_say("failed: %.*s", MM_SPAN(body));
}

static enum MHD_Result
add_checkpoint(struct mm_witness_http *http, struct MHD_Connection *connection,
    struct mm_span request)
{
	mm_auto(buffer) body = {0};
	enum mm_witness_status status;
	struct mm_span said;

	mm_buffer_init(&body, MM_NOTE_MAX);
	status = mm_cosigner_add(
	    http->cosigner, request, (uint64_t)time(NULL), &body);
	if (body.error != MM_OK)
		return MHD_NO;
	said = mm_buffer_span(&body);
	tell(status, mm_span(said.data, said.size - 1));
	return answer(connection, (unsigned)status,
	    status == MM_WITNESS_CONFLICT ? "text/x.tlog.size"
					  : "text/plain; charset=utf-8",
	    said);
}

static enum MHD_Result
show_checkpoint(struct mm_witness_http *http, struct MHD_Connection *connection,
    struct mm_span hex)
{
	mm_auto(buffer) note = {0};
	enum mm_error error;

	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_cosigner_checkpoint(http->cosigner, hex, &note);
	if (error == MM_OK)
		return answer(connection, MHD_HTTP_OK,
		    "text/plain; charset=utf-8", mm_buffer_span(&note));
	return answer_text(connection,
	    error == MM_E_NOT_FOUND ? MHD_HTTP_NOT_FOUND
				    : MHD_HTTP_INTERNAL_SERVER_ERROR,
	    "there is no such checkpoint\n");
}

/* --- requests --- */

/* The path's last part, which is taken away with its slash. */
static struct mm_span
take_last(struct mm_span *path)
{
	size_t at = path->size;
	struct mm_span last;

	while (at > 0 && path->data[at - 1] != '/')
		at--;
	last = mm_span(path->data + at, path->size - at);
	path->size = at > 0 ? at - 1 : 0;
	return last;
}

static enum MHD_Result
route(struct mm_witness_http *http, struct MHD_Connection *connection,
    const char *method, const char *url, struct mm_span body)
{
	struct mm_span path = mm_span_text(url), last = take_last(&path);

	if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 &&
	    mm_span_is(last, "add-checkpoint"))
		return add_checkpoint(http, connection, body);
	if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 &&
	    mm_span_is(last, "checkpoint"))
		return show_checkpoint(http, connection, take_last(&path));
	return answer_text(connection, MHD_HTTP_NOT_FOUND,
	    "this is a witness: POST add-checkpoint\n");
}

/* Called when the headers are there, for each part of the body, and at its
 * end. */
static enum MHD_Result
on_request(void *self, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **state)
{
	struct mm_witness_http *http = self;
	struct arrival *arrival = *state;

	(void)version;
	if (arrival == NULL) {
		arrival = calloc(1, sizeof(*arrival));
		if (arrival == NULL)
			return MHD_NO;
		mm_buffer_init(&arrival->body, MM_COSIGN_REQUEST_MAX);
		*state = arrival;
		return MHD_YES;
	}
	if (*size > 0) {
		/* One that is too long is read to its end, and answered; how
		 * long that may take is limited. */
		mm_buffer_add(&arrival->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (arrival->body.error != MM_OK)
		return answer_text(connection, MM_WITNESS_MALFORMED,
		    "the request is too long\n");
	return route(
	    http, connection, method, url, mm_buffer_span(&arrival->body));
}

/* --- connections --- */

static int
socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info != NULL ? info->connect_fd : -1;
}

static struct guest *
find_guest(struct mm_witness_http *http, int fd)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (http->guests[i].fd == fd)
			return &http->guests[i];
	return NULL;
}

static void
on_connection(void *self, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct mm_witness_http *http = self;
	bool comes = what == MHD_CONNECTION_NOTIFY_STARTED;
	int fd = socket_of(connection);
	struct guest *guest = find_guest(http, comes ? -1 : fd);

	(void)context;
	if (guest == NULL || fd < 0)
		return;
	*guest = (struct guest){.fd = comes ? fd : -1, .since = seconds()};
	http->guest_count += comes ? 1 : SIZE_MAX;
}

static void
on_completed(void *self, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode why)
{
	struct arrival *arrival = *state;
	struct guest *guest = find_guest(self, socket_of(connection));

	(void)why;
	if (guest != NULL && guest->fd >= 0)
		guest->since = seconds();
	if (arrival == NULL)
		return;
	mm_buffer_clear(&arrival->body);
	free(arrival);
	*state = NULL;
}

/* libmicrohttpd only sees who is silent; this one sees who dawdles. */
static void
send_dawdlers_away(struct mm_witness_http *http)
{
	time_t now = seconds();

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (http->guests[i].fd >= 0 &&
		    now - http->guests[i].since > REQUEST_SECONDS)
			shutdown(http->guests[i].fd, SHUT_RDWR);
}

/* --- the server --- */

enum mm_error
mm_witness_http_open(
    struct mm_cosigner *cosigner, int listener, struct mm_witness_http **out)
{
	struct mm_witness_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the server");
	http->cosigner = cosigner;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		http->guests[i].fd = -1;
	http->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)FROM_ONE_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEADERS_MAX, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (http->daemon == NULL) {
		free(http);
		return mm_fail(MM_E_SYSTEM, "the HTTP server does not start");
	}
	*out = http;
	return MM_OK;
}

void
mm_witness_http_close(struct mm_witness_http *http)
{
	if (http == NULL)
		return;
	MHD_stop_daemon(http->daemon);
	free(http);
}

static int
patience(struct mm_witness_http *http)
{
	MHD_UNSIGNED_LONG_LONG wanted;

	if (MHD_get_timeout(http->daemon, &wanted) == MHD_YES && wanted < TICK)
		return (int)wanted;
	return http->guest_count > 0 ? TICK : -1;
}

enum mm_error
mm_witness_http_run(struct mm_witness_http *http, const sigset_t *unblocked,
    const volatile sig_atomic_t *stop)
{
	const union MHD_DaemonInfo *info =
	    MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	while (*stop == 0) {
		struct pollfd poll = {.fd = info->listen_fd, .events = POLLIN};
		int wait = patience(http);
		struct timespec time = {
		    .tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L};

		if (ppoll(&poll, 1, wait < 0 ? NULL : &time, unblocked) < 0 &&
		    errno != EINTR)
			return mm_fail(
			    MM_E_SYSTEM, "poll: %s", strerror(errno));
		if (MHD_run(http->daemon) != MHD_YES)
			return mm_fail(
			    MM_E_SYSTEM, "the HTTP server has failed");
		send_dawdlers_away(http);
	}
	return MM_OK;
}
