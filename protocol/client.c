#include "protocol/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <sodium.h>

#include "protocol/frame.h"
#include "protocol/tls.h"

enum {
	PEM_MAX = 65536,
	RECORD = 16384, /* bytes that one TLS record can hold */
	FRAME_ROOM = MM_FRAME_HEADER + MM_FRAME_MAX,
	NAME_SIZE = 256
};

/* A request that waits for its answer: the answer's shape is its type's. */
struct sent {
	struct sent *next;
	uint64_t type;
	uint8_t id[MM_ID_SIZE];
};

struct mm_client {
	char host[NAME_SIZE], port[16];
	char name[NAME_SIZE]; /* that the appliance must prove */
	struct mm_tls *tls;
	gnutls_session_t session;
	int fd;
	int watched;      /* or -1 */
	unsigned seconds; /* for each step */
	struct mm_buffer in;
	struct sent *sent;
};

/* ---- waiting */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t
deadline_of(const struct mm_client *client)
{
	return now_ms() + (int64_t)client->seconds * 1000;
}

/* `watched`: what else may be readable, or -1. */
static enum mm_error
await(int fd, short events, int watched, int64_t deadline)
{
	struct pollfd waits[] = {
	    {.fd = fd, .events = events}, {.fd = watched, .events = POLLIN}};

	for (;;) {
		int64_t left = deadline - now_ms();
		int ready =
		    poll(waits, MM_COUNT(waits), left > 0 ? (int)left : 0);

		if (ready > 0 && waits[0].revents == 0)
			return mm_fail(
			    MM_E_STOPPED, "while an answer was waited for");
		if (ready > 0)
			return MM_OK;
		if (ready == 0)
			return mm_fail(
			    MM_E_AWAY, "the appliance does not answer in time");
		if (errno != EINTR)
			return mm_fail(
			    MM_E_SYSTEM, "cannot wait: %s", strerror(errno));
	}
}

/* For what GnuTLS wants: room to write, or something to read. */
static enum mm_error
await_tls(const struct mm_client *client, int watched, int64_t deadline)
{
	bool writing = gnutls_record_get_direction(client->session) != 0;

	return await(client->fd, writing ? POLLOUT : POLLIN, watched, deadline);
}

/* The connection is gone, or the appliance does not want us. */
static enum mm_error
lost(const struct mm_client *client, ssize_t result)
{
	char byte;

	/* Who is refused often finds out in writing: the reason is unread. */
	if (result == GNUTLS_E_PUSH_ERROR &&
	    gnutls_record_recv(client->session, &byte, 1) ==
		GNUTLS_E_FATAL_ALERT_RECEIVED)
		result = GNUTLS_E_FATAL_ALERT_RECEIVED;
	if (result == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return mm_tls_fail(client->session, result);
	return mm_fail(MM_E_AWAY, "the connection to %s is lost: %s",
	    client->host,
	    result == 0 ? "closed" : gnutls_strerror((int)result));
}

/* ---- the identity */

static enum mm_error
identity_file(const char *identity, const char *file, struct mm_buffer *out)
{
	char path[4096];
	int length = snprintf(path, sizeof(path), "%s/%s", identity, file);

	if (length < 0 || (size_t)length >= sizeof(path))
		return mm_fail(MM_E_FILE, "the path is too long: %s", identity);
	mm_buffer_init(out, PEM_MAX);
	return mm_file_read(path, PEM_MAX, out);
}

/* "host:port", where an IPv6 address stands in brackets. */
static bool
split_address(char *address, struct mm_client *client)
{
	char *colon = strrchr(address, ':');
	char *host = address, *end = colon;

	if (colon == NULL || colon == address)
		return false;
	if (*host == '[') {
		end = colon - 1;
		if (*end != ']')
			return false;
		host++;
	} else if (strchr(address, ':') != colon)
		return false;
	*colon = *end = '\0';
	snprintf(client->host, sizeof(client->host), "%s", host);
	snprintf(client->port, sizeof(client->port), "%s", colon + 1);
	return *client->host != '\0' && *client->port != '\0';
}

static enum mm_error
read_appliance(const char *identity, struct mm_client *client)
{
	mm_auto(buffer) file = {0};
	enum mm_error error = identity_file(identity, "appliance", &file);
	char line[2 * NAME_SIZE], address[NAME_SIZE];
	int end = 0;

	if (error != MM_OK)
		return error;
	mm_span_string(mm_buffer_span(&file), line, sizeof(line));
	if (file.size >= sizeof(line) ||
	    sscanf(line, "%255s %255s %n", address, client->name, &end) != 2 ||
	    line[end] != '\0' || !split_address(address, client))
		return mm_fail(MM_E_FILE,
		    "%s/appliance is not one line \"host:port name\"",
		    identity);
	return MM_OK;
}

/* Into sodium memory, and nowhere else on the way. */
static enum mm_error
read_key(int fd, struct mm_tls_setup *setup, struct mm_tls **out)
{
	uint8_t *key = sodium_malloc(PEM_MAX);
	ssize_t got;
	enum mm_error error;

	if (key == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	got = pread(fd, key, PEM_MAX, 0);
	if (got < 0)
		error = mm_fail(
		    MM_E_FILE, "cannot read the key: %s", strerror(errno));
	else {
		setup->key = mm_span(key, (size_t)got);
		error = mm_tls_new(setup, out);
	}
	sodium_free(key);
	return error;
}

static enum mm_error
load_key(const char *identity, struct mm_tls_setup *setup, struct mm_tls **out)
{
	mm_autoclose int fd = -1;
	char path[4096];

	snprintf(path, sizeof(path), "%s/key.pem", identity);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	return read_key(fd, setup, out);
}

static enum mm_error
load_identity(const char *identity, struct mm_client *client)
{
	mm_auto(buffer) certificate = {0}, anchor = {0};
	struct mm_bytes_item chain;
	struct mm_tls_setup setup = {.chain = {&chain, 1}};
	enum mm_error error;

	mm_buffer_init(&anchor, 0);
	error = identity_file(identity, "certificate.pem", &certificate);
	if (error == MM_OK)
		error = identity_file(identity, "access-ca.pem", &anchor);
	if (error == MM_OK)
		error = read_appliance(identity, client);
	if (error != MM_OK)
		return error;
	chain.value = mm_buffer_span(&certificate);
	setup.anchor = mm_buffer_span(&anchor);
	error = load_key(identity, &setup, &client->tls);
	/* Nobody was asked yet: it is the files that are wrong. */
	if (error == MM_E_TLS)
		error = mm_fail(MM_E_FORMAT,
		    "the identity %s cannot be used (key.pem, "
		    "certificate.pem, access-ca.pem): %s",
		    identity, mm_why(MM_E_TLS));
	return error;
}

/* ---- connecting */

static enum mm_error
connect_one(const struct addrinfo *address, int64_t deadline, int *out)
{
	mm_autoclose int fd = socket(
	    address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failed = 0;
	socklen_t size = sizeof(failed);
	enum mm_error error;

	if (fd < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		failed = errno;
	if (failed == EINPROGRESS) {
		error = await(fd, POLLOUT, -1, deadline);
		if (error != MM_OK)
			return error;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
	}
	if (failed != 0)
		return mm_fail(
		    MM_E_AWAY, "cannot connect: %s", strerror(failed));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	*out = mm_take_fd(fd);
	return MM_OK;
}

static enum mm_error
connect_any(struct mm_client *client, int64_t deadline)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *addresses;
	int result =
	    getaddrinfo(client->host, client->port, &hints, &addresses);
	enum mm_error error = MM_E_AWAY;

	if (result != 0)
		return mm_fail(MM_E_AWAY, "cannot find %s: %s", client->host,
		    gai_strerror(result));
	for (const struct addrinfo *a = addresses; a != NULL && error != MM_OK;
	     a = a->ai_next)
		error = connect_one(a, deadline, &client->fd);
	freeaddrinfo(addresses);
	if (error == MM_E_AWAY)
		return mm_fail(MM_E_AWAY, "%s port %s: %s", client->host,
		    client->port, mm_why(MM_E_AWAY));
	return error;
}

static enum mm_error
shake(struct mm_client *client, int64_t deadline)
{
	enum mm_error error = mm_tls_connect(
	    client->tls, client->fd, client->name, &client->session);
	bool done = false;

	while (error == MM_OK) {
		error = mm_tls_handshake(client->session, &done);
		if (error != MM_OK || done)
			break;
		error = await_tls(client, -1, deadline);
	}
	return error;
}

enum mm_error
mm_client_open(const char *identity, unsigned seconds, struct mm_client **out)
{
	struct mm_client *client;
	enum mm_error error = mm_tls_begin();
	int64_t deadline;

	if (error != MM_OK)
		return error;
	if (sodium_init() < 0)
		return mm_fail(MM_E_SYSTEM, "libsodium does not start");
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a client");
	client->fd = client->watched = -1;
	client->seconds = seconds;
	mm_buffer_init(&client->in, FRAME_ROOM + RECORD);
	error = load_identity(identity, client);
	deadline = deadline_of(client);
	if (error == MM_OK)
		error = connect_any(client, deadline);
	if (error == MM_OK)
		error = shake(client, deadline);
	if (error != MM_OK) {
		mm_client_close(client);
		return error;
	}
	*out = client;
	return MM_OK;
}

int
mm_client_fd(const struct mm_client *client)
{
	return client->fd;
}

void
mm_client_watch(struct mm_client *client, int fd)
{
	client->watched = fd;
}

void
mm_client_close(struct mm_client *client)
{
	if (client == NULL)
		return;
	if (client->session != NULL) {
		(void)gnutls_bye(client->session, GNUTLS_SHUT_WR);
		gnutls_deinit(client->session);
	}
	mm_tls_free(client->tls);
	if (client->fd >= 0)
		close(client->fd);
	mm_buffer_clear(&client->in);
	for (struct sent *s = client->sent, *next; s != NULL; s = next) {
		next = s->next;
		free(s);
	}
	free(client);
}

/* ---- requests */

static enum mm_error
write_all(struct mm_client *client, struct mm_span bytes)
{
	int64_t deadline = deadline_of(client);
	enum mm_error error = MM_OK;

	while (bytes.size > 0 && error == MM_OK) {
		ssize_t put =
		    gnutls_record_send(client->session, bytes.data, bytes.size);

		if (mm_tls_again(put))
			error = await_tls(client, -1, deadline);
		else if (put < 0)
			error = lost(client, put);
		else {
			bytes.data += put;
			bytes.size -= (size_t)put;
		}
	}
	return error;
}

static enum mm_error
encode_frame(uint64_t type, const void *body, const uint8_t id[MM_ID_SIZE],
    struct mm_buffer *out)
{
	const struct mm_message_type_row *row = mm_message_row(type);
	mm_auto(buffer) envelope = {0};
	enum mm_error error;

	if (row == NULL)
		return mm_fail(MM_E_UNKNOWN, "there is no message of type %llu",
		    (unsigned long long)type);
	mm_buffer_init(&envelope, MM_FRAME_MAX);
	error = mm_envelope_encode(type, id, row->request, body, &envelope);
	if (error == MM_OK)
		mm_frame_put(mm_buffer_span(&envelope), out);
	return error == MM_OK ? out->error : error;
}

enum mm_error
mm_client_send_again(struct mm_client *client, uint64_t type, const void *body,
    const uint8_t id[MM_ID_SIZE])
{
	mm_autofree struct sent *sent = calloc(1, sizeof(*sent));
	mm_auto(buffer) frame = {0};
	enum mm_error error;

	mm_buffer_init(&frame, FRAME_ROOM);
	if (sent == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a request");
	error = encode_frame(type, body, id, &frame);
	if (error == MM_OK)
		error = write_all(client, mm_buffer_span(&frame));
	if (error != MM_OK)
		return error;
	sent->type = type;
	memcpy(sent->id, id, MM_ID_SIZE);
	sent->next = client->sent;
	client->sent = mm_take(sent);
	return MM_OK;
}

enum mm_error
mm_client_send(struct mm_client *client, uint64_t type, const void *body,
    uint8_t id[MM_ID_SIZE])
{
	randombytes_buf(id, MM_ID_SIZE);
	return mm_client_send_again(client, type, body, id);
}

/* ---- answers */

/* Waits until a whole frame is at the start of `in`. */
static enum mm_error
read_frame(struct mm_client *client, struct mm_span *item)
{
	static uint8_t record[RECORD];
	int64_t deadline = deadline_of(client);
	enum mm_error error;

	for (;;) {
		ssize_t got;

		error = mm_frame_next(
		    mm_buffer_span(&client->in), MM_FRAME_MAX, item);
		if (error != MM_OK || item->size > 0)
			return error;
		got =
		    gnutls_record_recv(client->session, record, sizeof(record));
		if (got > 0)
			mm_buffer_add(&client->in, record, (size_t)got);
		else if (mm_tls_again(got))
			error = await_tls(client, client->watched, deadline);
		else if (got == 0 || gnutls_error_is_fatal((int)got))
			error = lost(client, got);
		if (error == MM_OK)
			error = client->in.error;
		if (error != MM_OK)
			return error;
	}
}

/* The answer's text becomes ours. */
static enum mm_error
read_error(struct mm_span body)
{
	struct mm_error_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, sizeof(answer));
	error = mm_shape_decode(&mm_error_answer_shape, body, &arena, &answer);
	if (error != MM_OK)
		return error;
	error = mm_error_from(answer.code);
	return mm_fail(
	    error != MM_OK ? error : MM_E_BUG, "%.*s", MM_SPAN(answer.text));
}

/* The type of the request that the id belongs to; it has its answer now. */
static uint64_t
take_sent(struct mm_client *client, const uint8_t id[MM_ID_SIZE])
{
	for (struct sent **s = &client->sent; *s != NULL; s = &(*s)->next) {
		mm_autofree struct sent *found = NULL;

		if (memcmp((*s)->id, id, MM_ID_SIZE) != 0)
			continue;
		found = *s;
		*s = found->next;
		return found->type;
	}
	return MM_MESSAGE_ERROR;
}

static enum mm_error
read_answer(struct mm_client *client, struct mm_span item,
    struct mm_arena *arena, uint8_t id[MM_ID_SIZE], void *answer)
{
	struct mm_span copy = mm_arena_copy(arena, item);
	struct mm_envelope envelope;
	uint64_t asked;
	enum mm_error error;

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for an answer");
	error = mm_shape_decode(&mm_envelope_shape, copy, arena, &envelope);
	if (error != MM_OK)
		return error;
	memcpy(id, envelope.id, MM_ID_SIZE);
	asked = take_sent(client, envelope.id);
	if (envelope.type == MM_MESSAGE_ERROR)
		return read_error(envelope.body);
	if (asked != envelope.type)
		return mm_fail(
		    MM_E_SHAPE, "an answer came to what was not asked");
	return mm_shape_decode(
	    mm_message_row(asked)->answer, envelope.body, arena, answer);
}

enum mm_error
mm_client_receive(struct mm_client *client, struct mm_arena *arena,
    uint8_t id[MM_ID_SIZE], void *answer)
{
	struct mm_span item;
	enum mm_error error = read_frame(client, &item);

	if (error != MM_OK)
		return error;
	error = read_answer(client, item, arena, id, answer);
	mm_buffer_drop(&client->in, MM_FRAME_HEADER + item.size);
	return error;
}

enum mm_error
mm_client_call(struct mm_client *client, uint64_t type, const void *body,
    struct mm_arena *arena, void *answer)
{
	uint8_t asked[MM_ID_SIZE], answered[MM_ID_SIZE];
	enum mm_error error = mm_client_send(client, type, body, asked);

	/* Nothing else may be under way, so that the next one is ours. */
	if (error == MM_OK)
		error = mm_client_receive(client, arena, answered, answer);
	if (error == MM_OK && memcmp(asked, answered, MM_ID_SIZE) != 0)
		error = mm_fail(MM_E_SHAPE, "the answer is another request's");
	return error;
}
