/* protocol/client.h, against servers good and bad in a process of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "identities.h"
#include "protocol/client.h"
#include "protocol/frame.h"
#include "protocol/tls.h"

enum { SECONDS = 5, IMAGE = 10 * MM_CHUNK_MAX + 1 };

static struct {
	struct identity ca, server, station, foreign_ca, foreign, other_name,
	    client_only, expired, unknown_station;
} who;

static char directory[128];

static void
write_file(const char *name, struct mm_span bytes)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(mm_file_write(path, bytes, 0600, true), MM_OK);
}

static void
write_pem(const char *name, struct mm_span pem)
{
	write_file(name, pem);
	gnutls_free((void *)pem.data);
}

static void
write_identity(const struct identity *identity)
{
	write_pem("key.pem", identity_private(identity, GNUTLS_X509_FMT_PEM));
	write_pem("certificate.pem",
	    identity_certificate(identity, GNUTLS_X509_FMT_PEM));
	write_pem("access-ca.pem",
	    identity_certificate(&who.ca, GNUTLS_X509_FMT_PEM));
}

static void
write_appliance(uint16_t port, const char *name)
{
	char line[128];

	snprintf(line, sizeof(line), "127.0.0.1:%u %s\n", port, name);
	write_file("appliance", mm_span_text(line));
}

/* ---- the server's side, in its own process */

struct server {
	int listener;
	uint16_t port;
	pid_t pid;
	/* in the child */
	int fd;
	gnutls_session_t session;
	struct mm_buffer in;
};

typedef void play(struct server *server);

static void
need(bool good)
{
	if (!good)
		_exit(1);
}

static void
settle(struct server *server)
{
	struct pollfd wait = {.fd = server->fd,
	    .events = gnutls_record_get_direction(server->session) != 0
			  ? POLLOUT
			  : POLLIN};

	need(poll(&wait, 1, SECONDS * 1000) == 1);
}

static struct mm_tls *
server_tls(const struct identity *identity)
{
	struct mm_bytes_item chain = {
	    identity_certificate(identity, GNUTLS_X509_FMT_DER)};
	struct mm_tls_setup setup = {
	    .key = identity_private(identity, GNUTLS_X509_FMT_DER),
	    .chain = {&chain, 1},
	    .anchor = identity_certificate(&who.ca, GNUTLS_X509_FMT_DER)};
	struct mm_tls *tls;

	need(mm_tls_new(&setup, &tls) == MM_OK);
	return tls;
}

static bool
server_shake(struct server *server, const struct identity *identity)
{
	bool done = false;

	need(mm_tls_serve(server_tls(identity), server->fd, &server->session) ==
	     MM_OK);
	mm_buffer_init(&server->in, 1 << 20);
	while (!done) {
		if (mm_tls_handshake(server->session, &done) != MM_OK)
			return false;
		if (!done)
			settle(server);
	}
	return true;
}

static void
server_put(struct server *server, struct mm_span bytes)
{
	while (bytes.size > 0) {
		ssize_t put =
		    gnutls_record_send(server->session, bytes.data, bytes.size);

		if (mm_tls_again(put)) {
			settle(server);
			continue;
		}
		need(put > 0);
		bytes.data += put;
		bytes.size -= (size_t)put;
	}
}

static struct mm_span
server_frame(struct server *server)
{
	static uint8_t bytes[16384];
	struct mm_span item;

	for (;;) {
		ssize_t got;

		need(mm_frame_next(mm_buffer_span(&server->in), MM_FRAME_MAX,
			 &item) == MM_OK);
		if (item.size > 0)
			return item;
		got = gnutls_record_recv(server->session, bytes, sizeof(bytes));
		if (mm_tls_again(got))
			settle(server);
		else
			need(got > 0);
		if (got > 0)
			mm_buffer_add(&server->in, bytes, (size_t)got);
	}
}

struct asked {
	struct mm_envelope envelope;
	struct mm_buffer item;
	struct mm_arena arena;
};

static void
server_take(struct server *server, struct asked *out)
{
	struct mm_span item = server_frame(server);

	mm_arena_init(&out->arena, 1 << 20);
	mm_buffer_init(&out->item, MM_FRAME_MAX);
	mm_buffer_add(&out->item, item.data, item.size);
	mm_buffer_drop(&server->in, MM_FRAME_HEADER + item.size);
	need(mm_shape_decode(&mm_envelope_shape, mm_buffer_span(&out->item),
		 &out->arena, &out->envelope) == MM_OK);
}

static void
server_answer(struct server *server, const uint8_t id[MM_ID_SIZE],
    uint64_t type, const struct mm_shape *shape, const void *body)
{
	mm_auto(buffer) envelope, frame;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	mm_buffer_init(&frame, MM_FRAME_MAX + MM_FRAME_HEADER);
	need(mm_envelope_encode(type, id, shape, body, &envelope) == MM_OK);
	mm_frame_put(mm_buffer_span(&envelope), &frame);
	server_put(server, mm_buffer_span(&frame));
}

static void
server_status(
    struct server *server, const uint8_t id[MM_ID_SIZE], uint64_t policy)
{
	const struct mm_status_answer answer = {.origin = mm_span_text("o"),
	    .vkey = mm_span_text("v"),
	    .size = 1,
	    .checkpoint = mm_span_text("c"),
	    .policy = policy,
	    .name = mm_span_text("station-1"),
	    .role = mm_span_text("station")};

	server_answer(
	    server, id, MM_MESSAGE_STATUS, &mm_status_answer_shape, &answer);
}

/* Until the client has gone, so that nothing is reset under its hands. */
static void
linger(struct server *server)
{
	char bytes[4096];
	struct pollfd wait = {.fd = server->fd, .events = POLLIN};

	shutdown(server->fd, SHUT_WR);
	while (poll(&wait, 1, SECONDS * 1000) == 1 &&
	       recv(server->fd, bytes, sizeof(bytes), 0) > 0)
		;
}

static void
start_server(struct server *server, play *script)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);

	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (void *)&address, size), 0);
	assert_int_equal(listen(server->listener, 1), 0);
	assert_int_equal(
	    getsockname(server->listener, (void *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	write_identity(&who.station);
	write_appliance(server->port, "mint.test");
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid > 0)
		return;
	server->fd =
	    accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	need(server->fd >= 0);
	script(server);
	linger(server);
	_exit(0);
}

static void
end_server(struct server *server)
{
	int status;

	close(server->listener);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct mm_client *
join(void)
{
	struct mm_client *client = NULL;

	assert_int_equal(mm_client_open(directory, SECONDS, &client), MM_OK);
	return client;
}

static enum mm_error
status(struct mm_client *client, struct mm_arena *arena,
    struct mm_status_answer *answer)
{
	static const struct mm_nothing nothing;

	return mm_client_call(
	    client, MM_MESSAGE_STATUS, &nothing, arena, answer);
}

/* The error of one status call to a server of that script. */
static enum mm_error
status_of(play *script)
{
	struct server server;
	struct mm_client *client = NULL;
	struct mm_status_answer answer;
	mm_auto(arena) arena;
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	start_server(&server, script);
	error = mm_client_open(directory, 1, &client);
	if (error == MM_OK)
		error = status(client, &arena, &answer);
	mm_client_close(client);
	end_server(&server);
	return error;
}

/* ---- calls */

static void
answer_one(struct server *server)
{
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	need(asked.envelope.type == MM_MESSAGE_STATUS);
	server_status(server, asked.envelope.id, 3);
}

static void
a_call_is_answered(void **state)
{
	struct server server;
	struct mm_client *client;
	struct mm_status_answer answer;
	mm_auto(arena) arena;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	start_server(&server, answer_one);
	client = join();
	assert_int_equal(status(client, &arena, &answer), MM_OK);
	mm_client_close(client);
	/* What it points to outlives the client. */
	assert_true(mm_span_is(answer.name, "station-1"));
	assert_int_equal(answer.policy, 3);
	end_server(&server);
}

static void
refuse_one(struct server *server)
{
	struct mm_error_answer refusal = {.code = MM_E_ORDER_EXHAUSTED,
	    .name = mm_span_text("order-exhausted"),
	    .text = mm_span_text("order ESP-7 has no units left")};
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	server_answer(server, asked.envelope.id, MM_MESSAGE_ERROR,
	    &mm_error_answer_shape, &refusal);
}

static void
an_error_comes_back_with_its_text(void **state)
{
	(void)state;
	assert_int_equal(status_of(refuse_one), MM_E_ORDER_EXHAUSTED);
	assert_string_equal(
	    mm_why(MM_E_ORDER_EXHAUSTED), "order ESP-7 has no units left");
}

static void
answer_backwards(struct server *server)
{
	struct asked asked[3];

	need(server_shake(server, &who.server));
	for (int i = 0; i < 3; i++)
		server_take(server, &asked[i]);
	for (int i = 3; i-- > 0;)
		server_status(server, asked[i].envelope.id, (uint64_t)i + 1);
}

static void
pipelined_answers_carry_their_ids(void **state)
{
	static const struct mm_nothing nothing;
	struct server server;
	struct mm_client *client;
	uint8_t ids[3][MM_ID_SIZE] = {{1}, {2}, {3}}, id[MM_ID_SIZE];
	mm_auto(arena) arena;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	start_server(&server, answer_backwards);
	client = join();
	for (int i = 0; i < 3; i++)
		assert_int_equal(mm_client_send_again(client, MM_MESSAGE_STATUS,
				     &nothing, ids[i]),
		    MM_OK);
	for (int i = 3; i-- > 0;) {
		struct mm_status_answer answer;

		assert_int_equal(
		    mm_client_receive(client, &arena, id, &answer), MM_OK);
		assert_memory_equal(id, ids[i], sizeof(id));
		assert_int_equal(answer.policy, i + 1);
	}
	mm_client_close(client);
	end_server(&server);
}

/* Bytes that are there from before, and added to what is answered. */
static struct {
	uint64_t there, more;
	uint64_t least; /* that the client insists on */
} uploading;

static void
answer_chunks(struct server *server)
{
	const struct mm_upload_answer upload = {77, uploading.there};
	struct mm_chunk_answer received = {uploading.there};
	struct mm_upload_request request;
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	need(mm_shape_decode(&mm_upload_request_shape, asked.envelope.body,
		 &asked.arena, &request) == MM_OK);
	server_answer(server, asked.envelope.id, MM_MESSAGE_UPLOAD,
	    &mm_upload_answer_shape, &upload);
	if (uploading.there < uploading.least)
		return; /* nothing is uploaded */
	while (received.received < request.size) {
		struct mm_chunk_request chunk;

		server_take(server, &asked);
		need(mm_shape_decode(&mm_chunk_request_shape,
			 asked.envelope.body, &asked.arena, &chunk) == MM_OK);
		need(chunk.upload == 77 && chunk.offset == received.received);
		received.received += chunk.data.size + uploading.more;
		server_answer(server, asked.envelope.id, MM_MESSAGE_CHUNK,
		    &mm_chunk_answer_shape, &received);
		if (uploading.more > 0)
			return; /* nobody should believe it */
	}
	need(received.received == request.size);
}

static void
an_image_goes_in_chunks(void **state)
{
	static const uint8_t image[IMAGE];
	const size_t sizes[] = {
	    1, MM_CHUNK_MAX, MM_CHUNK_MAX + 1, IMAGE - 1, IMAGE};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		struct server server;
		struct mm_client *client;
		uint64_t upload = 0;

		start_server(&server, answer_chunks);
		client = join();
		assert_int_equal(
		    mm_client_upload(client, mm_span(image, sizes[i]), 0, NULL,
			NULL, &upload),
		    MM_OK);
		assert_int_equal(upload, 77);
		mm_client_close(client);
		end_server(&server);
	}
}

/* What was told of an upload: ascending, and the first and last. */
struct told {
	uint64_t first, last;
	size_t count;
};

static void
hear(void *self, uint64_t done, uint64_t size)
{
	struct told *told = self;

	assert_int_equal(size, IMAGE);
	assert_true(told->count == 0 || done > told->last);
	if (told->count++ == 0)
		told->first = done;
	told->last = done;
}

static enum mm_error
upload_where(uint64_t there, uint64_t more, struct told *told)
{
	static uint8_t image[IMAGE];
	struct server server;
	struct mm_client *client;
	uint64_t upload = 0;
	enum mm_error error;

	uploading.there = there;
	uploading.more = more;
	start_server(&server, answer_chunks);
	client = join();
	error = mm_client_upload(client, mm_span(image, sizeof(image)),
	    uploading.least, hear, told, &upload);
	assert_int_equal(upload, error == MM_OK ? 77 : 0);
	mm_client_close(client);
	end_server(&server);
	uploading.there = uploading.more = uploading.least = 0;
	return error;
}

/* It comes when the lost connection's end was seen. */
static void
an_upload_waits_for_what_has_arrived(void **state)
{
	struct told told = {0};

	(void)state;
	uploading.least = MM_CHUNK_MAX;
	assert_int_equal(upload_where(MM_CHUNK_MAX - 1, 0, &told), MM_E_AWAY);
	assert_int_equal(told.count, 0);
	uploading.least = MM_CHUNK_MAX;
	assert_int_equal(upload_where(MM_CHUNK_MAX, 0, &told), MM_OK);
	assert_int_equal(told.first, MM_CHUNK_MAX);
}

static void
an_upload_goes_on_behind_what_is_there(void **state)
{
	static const uint64_t there[] = {0, 1, MM_CHUNK_MAX - 1, MM_CHUNK_MAX,
	    MM_CHUNK_MAX + 1, IMAGE - 1, IMAGE};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(there); i++) {
		struct told told = {0};

		assert_int_equal(upload_where(there[i], 0, &told), MM_OK);
		assert_int_equal(told.first, there[i]);
		assert_int_equal(told.last, IMAGE);
	}
}

static void
more_than_there_is_is_not_believed(void **state)
{
	struct told told = {0};

	(void)state;
	assert_int_equal(upload_where(0, IMAGE, &told), MM_E_PEER);
	assert_int_equal(told.last, 0);
}

/* ---- servers that break the protocol */

static void
answer_another(struct server *server)
{
	static const uint8_t id[MM_ID_SIZE] = {9};
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	server_status(server, id, 1);
}

static void
answer_otherwise(struct server *server)
{
	static const struct mm_upload_answer upload = {.upload = 77};
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	server_answer(server, asked.envelope.id, MM_MESSAGE_UPLOAD,
	    &mm_upload_answer_shape, &upload);
}

static void
answer_too_much(struct server *server)
{
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	server_put(server, mm_span("\xff\xff\xff\xff", 4));
}

static void
answer_half(struct server *server)
{
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	server_put(server, mm_span("\0\0\0\x09xy", 6));
	gnutls_bye(server->session, GNUTLS_SHUT_WR);
}

static void
answer_malformed(struct server *server)
{
	struct asked asked;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	server_put(server, mm_span("\0\0\0\x01\xff", 5));
}

static void
broken_answers_are_not_believed(void **state)
{
	(void)state;
	assert_int_equal(status_of(answer_another), MM_E_SHAPE);
	assert_int_equal(status_of(answer_otherwise), MM_E_SHAPE);
	assert_int_equal(status_of(answer_too_much), MM_E_FRAME);
	assert_int_equal(status_of(answer_half), MM_E_AWAY);
	assert_int_equal(status_of(answer_malformed), MM_E_CBOR_FORM);
}

static void
answer_nothing(struct server *server)
{
	struct asked asked;
	char byte;

	need(server_shake(server, &who.server));
	server_take(server, &asked);
	/* Until the client has had enough. */
	while (gnutls_record_recv(server->session, &byte, 1) == GNUTLS_E_AGAIN)
		settle(server);
}

static void
say_nothing(struct server *server)
{
	struct pollfd wait = {.fd = server->fd, .events = POLLRDHUP};

	poll(&wait, 1, SECONDS * 1000);
}

static void
silence_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(status_of(answer_nothing), MM_E_AWAY);
	assert_int_equal(status_of(say_nothing), MM_E_AWAY);
}

/* ---- servers that are not the appliance */

static void
be_foreign(struct server *server)
{
	need(!server_shake(server, &who.foreign));
}

static void
be_another(struct server *server)
{
	need(!server_shake(server, &who.other_name));
}

static void
be_a_client(struct server *server)
{
	need(!server_shake(server, &who.client_only));
}

static void
be_expired(struct server *server)
{
	need(!server_shake(server, &who.expired));
}

static void
be_no_tls(struct server *server)
{
	need(send(server->fd, "220 mail\r\n", 10, 0) == 10);
}

/* So many bytes of the appliance's first flight, and no more. */
static size_t first_bytes;

static ssize_t
push_some(gnutls_transport_ptr_t self, const void *bytes, size_t size)
{
	const struct server *server = self;
	size_t part = size < first_bytes ? size : first_bytes;

	need(send(server->fd, bytes, part, 0) == (ssize_t)part);
	first_bytes -= part;
	return (ssize_t)size;
}

static void
go_away(struct server *server)
{
	need(mm_tls_serve(server_tls(&who.server), server->fd,
		 &server->session) == MM_OK);
	gnutls_transport_set_push_function(server->session, push_some);
	gnutls_transport_set_ptr2(server->session,
	    (gnutls_transport_ptr_t)(intptr_t)server->fd, server);
	while (gnutls_handshake(server->session) == GNUTLS_E_AGAIN &&
	       first_bytes > 0)
		settle(server);
	need(shutdown(server->fd, SHUT_WR) == 0);
	/* What the client says yet is read: no reset overtakes the bytes. */
	say_nothing(server);
}

/* Wherever in the handshake it was: one that starts again is waited for. */
static void
an_appliance_that_goes_away_is_away(void **state)
{
	static const size_t cuts[] = {0, 1, 3, 5, 6, 60, 200, 500, 700};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cuts); i++) {
		first_bytes = cuts[i];
		assert_int_equal(status_of(go_away), MM_E_AWAY);
	}
}

static void
others_than_the_appliance_are_refused(void **state)
{
	(void)state;
	assert_int_equal(status_of(be_foreign), MM_E_TLS);
	assert_int_equal(status_of(be_another), MM_E_TLS);
	assert_int_equal(status_of(be_a_client), MM_E_TLS);
	assert_int_equal(status_of(be_expired), MM_E_TLS);
	assert_int_equal(status_of(be_no_tls), MM_E_TLS);
}

static void
refuse_client(struct server *server)
{
	need(!server_shake(server, &who.server));
}

/* In TLS 1.3 the handshake is over for us before we are judged. */
static void
who_is_refused_hears_why(void **state)
{
	struct server server;
	struct mm_client *client = NULL;
	struct mm_status_answer answer;
	mm_auto(arena) arena;
	enum mm_error error;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	start_server(&server, refuse_client);
	write_identity(&who.unknown_station);
	error = mm_client_open(directory, SECONDS, &client);
	if (error == MM_OK)
		error = status(client, &arena, &answer);
	assert_int_equal(error, MM_E_TLS);
	assert_non_null(strstr(mm_why(MM_E_TLS), "refused"));
	mm_client_close(client);
	end_server(&server);
}

/* ---- identities */

static enum mm_error
open_error(void)
{
	struct mm_client *client = NULL;
	enum mm_error error = mm_client_open(directory, 1, &client);

	assert_null(client);
	return error;
}

static void
nobody_listens(void **state)
{
	struct server server = {.listener = -1};

	(void)state;
	/* A port that was just given back. */
	start_server(&server, be_no_tls);
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	close(server.listener);
	assert_int_equal(open_error(), MM_E_AWAY);
}

static void
malformed_addresses_are_refused(void **state)
{
	static const char *const bad[] = {"", "127.0.0.1:1\n",
	    "127.0.0.1 mint.test\n", ":1 mint.test\n", "127.0.0.1: name\n",
	    "::1:1 mint.test\n", "[::1:1 mint.test\n",
	    "127.0.0.1:1 mint.test more\n", "127.0.0.1:1 a\n127.0.0.1:1 b\n"};

	(void)state;
	write_identity(&who.station);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		write_file("appliance", mm_span_text(bad[i]));
		assert_int_equal(open_error(), MM_E_FILE);
	}
}

static void
identities_that_lack_something(void **state)
{
	static const char *const files[] = {
	    "key.pem", "certificate.pem", "access-ca.pem", "appliance"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(files); i++) {
		write_identity(&who.station);
		write_appliance(1, "mint.test");
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(open_error(), MM_E_FILE);
	}
	write_identity(&who.station);
	write_appliance(1, "mint.test");
	write_pem(
	    "key.pem", identity_private(&who.server, GNUTLS_X509_FMT_PEM));
	assert_int_equal(open_error(), MM_E_FORMAT);
	write_file("key.pem", mm_span_text("no key\n"));
	assert_int_equal(open_error(), MM_E_FORMAT);
}

/* ---- */

static int
group_start(void **state)
{
	static const char *const server = GNUTLS_KP_TLS_WWW_SERVER;
	static const char *const client = GNUTLS_KP_TLS_WWW_CLIENT;
	const char *base = getenv("TMPDIR");

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof(directory), "%s/mintmark-client-XXXXXX",
	    base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(mm_tls_begin(), MM_OK);
	identity_make("access CA", (struct wish){.ca = true}, &who.ca);
	identity_make("access CA", (struct wish){.ca = true}, &who.foreign_ca);
	identity_make("appliance",
	    (struct wish){
		.issuer = &who.ca, .purpose = server, .dns = "mint.test"},
	    &who.server);
	identity_make("station",
	    (struct wish){.issuer = &who.ca, .purpose = client}, &who.station);
	identity_make("unknown",
	    (struct wish){.issuer = &who.foreign_ca, .purpose = client},
	    &who.unknown_station);
	identity_make("foreign",
	    (struct wish){.issuer = &who.foreign_ca,
		.purpose = server,
		.dns = "mint.test"},
	    &who.foreign);
	identity_make("another",
	    (struct wish){
		.issuer = &who.ca, .purpose = server, .dns = "mint.example"},
	    &who.other_name);
	identity_make("no server",
	    (struct wish){
		.issuer = &who.ca, .purpose = client, .dns = "mint.test"},
	    &who.client_only);
	identity_make("old",
	    (struct wish){.issuer = &who.ca,
		.purpose = server,
		.dns = "mint.test",
		.from = -7200,
		.until = -3600},
	    &who.expired);
	return 0;
}

static int
group_stop(void **state)
{
	static const char *const files[] = {
	    "key.pem", "certificate.pem", "access-ca.pem", "appliance"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_is_answered),
	    cmocka_unit_test(an_error_comes_back_with_its_text),
	    cmocka_unit_test(pipelined_answers_carry_their_ids),
	    cmocka_unit_test(an_image_goes_in_chunks),
	    cmocka_unit_test(an_upload_waits_for_what_has_arrived),
	    cmocka_unit_test(an_upload_goes_on_behind_what_is_there),
	    cmocka_unit_test(more_than_there_is_is_not_believed),
	    cmocka_unit_test(broken_answers_are_not_believed),
	    cmocka_unit_test(silence_is_not_waited_for),
	    cmocka_unit_test(an_appliance_that_goes_away_is_away),
	    cmocka_unit_test(others_than_the_appliance_are_refused),
	    cmocka_unit_test(who_is_refused_hears_why),
	    cmocka_unit_test(nobody_listens),
	    cmocka_unit_test(malformed_addresses_are_refused),
	    cmocka_unit_test(identities_that_lack_something),
	};

	return cmocka_run_group_tests(tests, group_start, group_stop);
}
