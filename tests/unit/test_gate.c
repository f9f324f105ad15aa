/*
 * The gate, whole: the process itself in its sandbox, over loopback; the
 * test is its supervisor, its authority and its clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <openssl/crypto.h>

#include "identities.h"
#include "protocol/frame.h"
#include "protocol/journal.h"
#include "protocol/tls.h"
#include "server/ask.h"
#include "server/role.h"

enum {
	IMAGE_MAX = 200000,
	SOURCE_MAX = 12, /* connections of one address */
	UPLOADS_MAX = 2,
	SHORT = 1, /* seconds: the gate's deadlines */
	WAIT_MS = 5000
};

/* ---- who takes part */

static struct {
	struct identity ca, server, station, foreign_ca, foreign, server_only,
	    any, purposeless, ca_as_client, self_signed, expired, early, weak,
	    brief;
} who;

static void
make_identities(void)
{
	static const char *const client = GNUTLS_KP_TLS_WWW_CLIENT;
	const struct identity *ca = &who.ca;

	identity_make("access CA", (struct wish){.ca = true}, &who.ca);
	identity_make("appliance",
	    (struct wish){.issuer = ca,
		.purpose = GNUTLS_KP_TLS_WWW_SERVER,
		.dns = "mint.test"},
	    &who.server);
	identity_make("station", (struct wish){.issuer = ca, .purpose = client},
	    &who.station);
	identity_make("access CA", (struct wish){.ca = true}, &who.foreign_ca);
	identity_make("station",
	    (struct wish){.issuer = &who.foreign_ca, .purpose = client},
	    &who.foreign);
	identity_make("server only",
	    (struct wish){.issuer = ca, .purpose = GNUTLS_KP_TLS_WWW_SERVER},
	    &who.server_only);
	identity_make("any",
	    (struct wish){.issuer = ca, .purpose = GNUTLS_KP_ANY}, &who.any);
	identity_make(
	    "purposeless", (struct wish){.issuer = ca}, &who.purposeless);
	identity_make("sub CA",
	    (struct wish){.issuer = ca, .purpose = client, .ca = true},
	    &who.ca_as_client);
	identity_make(
	    "station", (struct wish){.purpose = client}, &who.self_signed);
	identity_make("old",
	    (struct wish){
		.issuer = ca, .purpose = client, .from = -7200, .until = -3600},
	    &who.expired);
	identity_make("young",
	    (struct wish){
		.issuer = ca, .purpose = client, .from = 3600, .until = 7200},
	    &who.early);
	identity_make("weak",
	    (struct wish){.issuer = ca, .purpose = client, .rsa = 1024},
	    &who.weak);
}

/* ---- the gate's surroundings */

static struct {
	pid_t pid;
	int control, authority;
	uint16_t port;
	int listener;
	size_t fds; /* of the gate at rest */
} gate;

static int
sealed(struct mm_span bytes)
{
	int fd = memfd_create("key", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(
	    write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
	assert_int_equal(
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL),
	    0);
	return fd;
}

static void
control(
    uint64_t type, const struct mm_shape *shape, const void *body, int a, int b)
{
	const int fds[MM_CHANNEL_FDS] = {a, b};
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	assert_int_equal(
	    mm_packet_encode(type, 0, shape, body, &packet), MM_OK);
	assert_int_equal(
	    mm_channel_send_bytes(gate.control, mm_buffer_span(&packet), fds),
	    MM_OK);
}

static void
await(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
}

static void
listen_loopback(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);

	gate.listener =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(gate.listener >= 0);
	assert_int_equal(
	    bind(gate.listener, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(gate.listener, 64), 0);
	assert_int_equal(
	    getsockname(gate.listener, (void *)&address, &size), 0);
	gate.port = ntohs(address.sin_port);
}

static _Noreturn void
be_the_gate(int control_fd, uint64_t idle)
{
	const struct mm_configure configure = {.process = MM_GATE,
	    .settings = {.image_max = IMAGE_MAX,
		.uploads = UPLOADS_MAX,
		.connections = 32,
		.connections_source = SOURCE_MAX,
		.token_deadline = SHORT,
		.handshake_deadline = SHORT,
		.frame_deadline = SHORT,
		.idle_deadline = idle}};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* Its journal is not what is tested, but it must be able to write. */
	if (getenv("MM_TEST_JOURNAL") == NULL)
		dup2(null, STDERR_FILENO);
	close(null);
	/* As roles.c does before each role. */
	assert_int_equal(
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL), 1);
	mm_journal_open("gate");
	_exit(mm_gate_run(&configure, control_fd, -1) == MM_OK ? 0 : 1);
}

/* Until the gate has read what was said, which it then does at once. */
static void
await_heard(void)
{
	struct timespec tick = {0, 1000000};
	int unread = 1;

	for (int i = 0; i < WAIT_MS && unread > 0; i++) {
		assert_int_equal(ioctl(gate.control, SIOCOUTQ, &unread), 0);
		nanosleep(&tick, NULL);
	}
	assert_int_equal(unread, 0);
}

static void
new_authority(void)
{
	const struct mm_control_link link = {.process = MM_AUTHORITY};
	int ends[2];

	assert_int_equal(mm_channel_pair(ends), MM_OK);
	control(MM_CONTROL_LINK, &mm_control_link_shape, &link, ends[1], -1);
	close(ends[1]);
	gate.authority = ends[0];
	await_heard();
}

static void
give_certificate(void)
{
	struct mm_bytes_item chain = {
	    identity_certificate(&who.server, GNUTLS_X509_FMT_DER)};
	struct mm_server_certificate certificate = {.chain = {&chain, 1},
	    .anchor = identity_certificate(&who.ca, GNUTLS_X509_FMT_DER)};

	assert_int_equal(mm_channel_send(gate.authority, MM_CERTIFICATE, 0,
			     &mm_server_certificate_shape, &certificate),
	    MM_OK);
	gnutls_free((void *)chain.value.data);
	gnutls_free((void *)certificate.anchor.data);
}

static void
give_keys(void)
{
	static const uint8_t ticket[MM_TLS_TICKET_KEY_SIZE] = {7};
	struct mm_span der = identity_private(&who.server, GNUTLS_X509_FMT_DER);
	int key = sealed(der);
	int tickets = sealed(mm_span(ticket, sizeof(ticket)));

	control(MM_CONTROL_TLS, NULL, NULL, key, tickets);
	close(key);
	close(tickets);
	gnutls_free((void *)der.data);
}

static void
await_ready(void)
{
	mm_auto(received) message = {.fds = {-1, -1}};

	await(gate.control);
	assert_int_equal(mm_channel_receive(gate.control, &message), MM_OK);
	assert_false(message.closed);
	assert_int_equal(message.packet.type, MM_CONTROL_READY);
}

static size_t
gate_fds(void)
{
	char path[64];
	size_t count = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)gate.pid);
	directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

/* Waits for what the gate does by itself, without a message to wait for. */
static void
await_fds(size_t wanted)
{
	struct timespec tick = {0, 2000000};

	for (int i = 0; i < WAIT_MS / 2; i++) {
		if (gate_fds() == wanted)
			return;
		nanosleep(&tick, NULL);
	}
	assert_int_equal(gate_fds(), wanted);
}

static void
start_gate(uint64_t idle)
{
	int ends[2];

	listen_loopback();
	assert_int_equal(mm_channel_pair(ends), MM_OK);
	gate.pid = fork();
	assert_true(gate.pid >= 0);
	if (gate.pid == 0) {
		close(ends[0]);
		close(gate.listener);
		be_the_gate(ends[1], idle);
	}
	close(ends[1]);
	gate.control = ends[0];
	control(MM_CONTROL_LISTEN, NULL, NULL, gate.listener, -1);
	give_keys();
	new_authority();
	give_certificate();
	await_ready();
	gate.fds = gate_fds();
}

static int
gate_ends(void)
{
	int status;

	assert_int_equal(waitpid(gate.pid, &status, 0), gate.pid);
	close(gate.control);
	close(gate.authority);
	close(gate.listener);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
group_start(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(mm_tls_begin(), MM_OK);
	make_identities();
	start_gate(60);
	return 0;
}

static int
group_stop(void **state)
{
	(void)state;
	control(MM_CONTROL_STOP, NULL, NULL, -1, -1);
	return gate_ends();
}

/* After each test the gate holds what it held before: nothing leaks. */
static int
at_rest(void **state)
{
	(void)state;
	await_fds(gate.fds);
	return 0;
}

/* ---- clients */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	struct mm_buffer in;
};

struct manner {
	const struct identity *identity; /* NULL: no certificate */
	const char *priority, *alpn;     /* NULL: the right ones */
	bool no_alpn;
	gnutls_datum_t *resume;
};

static int
dial(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(gate.port),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval patience = {WAIT_MS / 1000, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (void *)&address, sizeof(address)), 0);
	return fd;
}

static void
set_credentials(struct client *client, const struct identity *identity)
{
	gnutls_x509_crt_t chain;

	assert_int_equal(
	    gnutls_certificate_allocate_credentials(&client->credentials), 0);
	gnutls_certificate_set_x509_trust(
	    client->credentials, &who.ca.certificate, 1);
	if (identity == NULL)
		return;
	chain = identity->certificate;
	assert_int_equal(gnutls_certificate_set_x509_key(
			     client->credentials, &chain, 1, identity->key),
	    0);
}

/* Sends its certificate whatever CAs the server names. */
static int
begin(struct client *client, struct manner manner)
{
	const char *alpn = manner.alpn != NULL ? manner.alpn : MM_TLS_ALPN;
	gnutls_datum_t name = {(unsigned char *)alpn, (unsigned)strlen(alpn)};
	int64_t until = now_ms() + WAIT_MS;
	int result;

	*client = (struct client){.fd = dial()};
	mm_buffer_init(&client->in, 1 << 20);
	set_credentials(client, manner.identity);
	assert_int_equal(gnutls_init(&client->session,
			     GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT |
				 GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_SIGNAL),
	    0);
	assert_int_equal(
	    gnutls_priority_set_direct(client->session,
		manner.priority != NULL ? manner.priority : "NORMAL", NULL),
	    0);
	gnutls_credentials_set(
	    client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
	if (!manner.no_alpn)
		gnutls_alpn_set_protocols(client->session, &name, 1, 0);
	gnutls_transport_set_int(client->session, client->fd);
	if (manner.resume != NULL) {
		gnutls_session_set_data(
		    client->session, manner.resume->data, manner.resume->size);
		(void)gnutls_record_send_early_data(
		    client->session, "\0\0\0\x01\xff", 5);
	}
	do
		result = gnutls_handshake(client->session);
	while (
	    result < 0 && !gnutls_error_is_fatal(result) && now_ms() < until);
	return result;
}

static void
end(struct client *client)
{
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
	mm_buffer_clear(&client->in);
	close(client->fd);
}

static void
join(struct client *client, const struct identity *identity)
{
	assert_int_equal(
	    begin(client, (struct manner){.identity = identity}), 0);
}

static void
put(struct client *client, struct mm_span bytes)
{
	while (bytes.size > 0) {
		ssize_t sent =
		    gnutls_record_send(client->session, bytes.data, bytes.size);

		assert_true(sent > 0);
		bytes.data += sent;
		bytes.size -= (size_t)sent;
	}
}

/* The next answer's item; false where the connection has ended. */
static bool
get(struct client *client, struct mm_buffer *item)
{
	int64_t until = now_ms() + WAIT_MS;
	uint8_t bytes[16384];
	struct mm_span found;

	for (;;) {
		ssize_t got;

		assert_int_equal(mm_frame_next(mm_buffer_span(&client->in),
				     MM_FRAME_MAX, &found),
		    MM_OK);
		if (found.size > 0)
			break;
		got = gnutls_record_recv(client->session, bytes, sizeof(bytes));
		/* A ticket on its way is no answer, and shows as this. */
		assert_true(got != GNUTLS_E_AGAIN || now_ms() < until);
		if (got == 0 || gnutls_error_is_fatal((int)got))
			return false;
		if (got > 0)
			mm_buffer_add(&client->in, bytes, (size_t)got);
	}
	mm_buffer_init(item, MM_FRAME_MAX);
	mm_buffer_add(item, found.data, found.size);
	mm_buffer_drop(&client->in, MM_FRAME_HEADER + found.size);
	return true;
}

static void
expect_end(struct client *client)
{
	mm_auto(buffer) item = {0};

	mm_buffer_init(&item, 0);
	assert_false(get(client, &item));
}

static void
id_of(unsigned number, uint8_t id[MM_ID_SIZE])
{
	memset(id, 0, MM_ID_SIZE);
	id[0] = 0xa5;
	id[1] = (uint8_t)number;
	id[2] = (uint8_t)(number >> 8);
}

static void
request(struct client *client, uint64_t type, const void *body, unsigned number)
{
	uint8_t id[MM_ID_SIZE];
	mm_auto(buffer) envelope = {0}, frame = {0};

	id_of(number, id);
	mm_buffer_init(&envelope, MM_FRAME_MAX);
	mm_buffer_init(&frame, MM_FRAME_MAX + MM_FRAME_HEADER);
	assert_int_equal(mm_envelope_encode(type, id,
			     mm_message_row(type)->request, body, &envelope),
	    MM_OK);
	mm_frame_put(mm_buffer_span(&envelope), &frame);
	put(client, mm_buffer_span(&frame));
}

static void
request_status(struct client *client, unsigned number)
{
	static const struct mm_nothing nothing;

	request(client, MM_MESSAGE_STATUS, &nothing, number);
}

static void
put_item(struct client *client, struct mm_span item)
{
	mm_auto(buffer) frame = {0};

	mm_buffer_init(&frame, MM_FRAME_MAX + MM_FRAME_HEADER);
	mm_frame_put(item, &frame);
	put(client, mm_buffer_span(&frame));
}

/* The next answer must be to `number`, of the type; decoded if it has one. */
static void
expect(struct client *client, uint64_t type, unsigned number, void *answer)
{
	const struct mm_shape *shape = type == MM_MESSAGE_ERROR
					   ? &mm_error_answer_shape
					   : mm_message_row(type)->answer;
	static struct mm_arena arena;
	static struct mm_buffer item;
	struct mm_envelope envelope;
	uint8_t id[MM_ID_SIZE];

	mm_arena_clear(&arena);
	mm_arena_init(&arena, 1 << 20);
	mm_buffer_clear(&item);
	assert_true(get(client, &item));
	assert_int_equal(mm_shape_decode(&mm_envelope_shape,
			     mm_buffer_span(&item), &arena, &envelope),
	    MM_OK);
	id_of(number, id);
	if (number == 0)
		memset(id, 0, sizeof(id));
	assert_int_equal(envelope.type, type);
	assert_memory_equal(envelope.id, id, sizeof(id));
	assert_int_equal(
	    mm_shape_decode(shape, envelope.body, &arena, answer), MM_OK);
}

static void
expect_error(struct client *client, enum mm_error error, unsigned number)
{
	struct mm_error_answer answer;

	expect(client, MM_MESSAGE_ERROR, number, &answer);
	assert_int_equal(answer.code, error);
}

/* ---- the authority */

struct asked {
	struct mm_received message;
	struct mm_ask ask;
};

static void
take_ask(struct asked *out)
{
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, sizeof(out->ask));
	await(gate.authority);
	assert_int_equal(
	    mm_channel_receive(gate.authority, &out->message), MM_OK);
	assert_false(out->message.closed);
	assert_int_equal(out->message.packet.type, MM_ASK);
	assert_int_equal(mm_shape_decode(&mm_ask_shape,
			     out->message.packet.body, &arena, &out->ask),
	    MM_OK);
}

static bool
is_asked(void)
{
	struct pollfd wait = {.fd = gate.authority, .events = POLLIN};

	return poll(&wait, 1, 50) == 1;
}

static void
tell(const struct mm_ask *ask, const struct mm_shape *shape, const void *body)
{
	mm_auto(buffer) envelope = {0};
	struct mm_tell packet = {.connection = ask->connection};

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	assert_int_equal(
	    mm_envelope_encode(ask->type, ask->id, shape, body, &envelope),
	    MM_OK);
	packet.envelope = mm_buffer_span(&envelope);
	assert_int_equal(mm_channel_send(gate.authority, MM_TELL, 0,
			     &mm_tell_shape, &packet),
	    MM_OK);
}

static void
tell_status(const struct mm_ask *ask)
{
	const struct mm_status_answer answer = {.origin = mm_span_text("o"),
	    .vkey = mm_span_text("v"),
	    .size = 1,
	    .checkpoint = mm_span_text("c"),
	    .policy = 1,
	    .name = mm_span_text("n"),
	    .role = mm_span_text("station")};

	tell(ask, &mm_status_answer_shape, &answer);
}

/* One whole request, to see that the gate serves. */
static void
ask_and_tell(struct client *client, unsigned number)
{
	struct asked asked;
	struct mm_status_answer answer;

	request_status(client, number);
	take_ask(&asked);
	tell_status(&asked.ask);
	mm_received_clear(&asked.message);
	expect(client, MM_MESSAGE_STATUS, number, &answer);
	assert_true(mm_span_is(answer.name, "n"));
}

/* ---- handshakes */

static void
a_station_is_served_and_known_by_its_key(void **state)
{
	struct client client;
	struct asked asked;
	struct mm_status_answer answer;
	uint8_t key[32], id[MM_ID_SIZE];

	(void)state;
	join(&client, &who.station);
	request_status(&client, 7);
	take_ask(&asked);
	identity_digest(&who.station, key);
	id_of(7, id);
	assert_memory_equal(asked.ask.client, key, sizeof(key));
	assert_memory_equal(asked.ask.id, id, sizeof(id));
	assert_int_equal(asked.ask.type, MM_MESSAGE_STATUS);
	tell_status(&asked.ask);
	expect(&client, MM_MESSAGE_STATUS, 7, &answer);
	mm_received_clear(&asked.message);
	end(&client);
}

/* In TLS 1.3 a client hears of its refusal when it reads. */
static int
verdict(struct client *client)
{
	int64_t until = now_ms() + SHORT * 500;
	struct timeval tick = {0, 100000};
	char byte;
	ssize_t got;

	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	do
		got = gnutls_record_recv(client->session, &byte, 1);
	while (got < 0 && !gnutls_error_is_fatal((int)got) && now_ms() < until);
	return (int)got;
}

static void
expect_refused(struct manner manner, gnutls_alert_description_t alert)
{
	struct client client;
	int result = begin(&client, manner);

	if (result == 0)
		result = verdict(&client);
	assert_int_equal(result, GNUTLS_E_FATAL_ALERT_RECEIVED);
	assert_int_equal(gnutls_alert_get(client.session), alert);
	end(&client);
}

static void
bad_client_certificates_are_refused(void **state)
{
	const struct identity *const bad[] = {&who.foreign, &who.server_only,
	    &who.any, &who.purposeless, &who.ca_as_client, &who.ca,
	    &who.self_signed, &who.expired, &who.early, &who.weak};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		expect_refused((struct manner){.identity = bad[i]},
		    GNUTLS_A_BAD_CERTIFICATE);
	assert_false(is_asked());
}

static void
no_client_certificate_is_refused(void **state)
{
	(void)state;
	expect_refused(
	    (struct manner){.identity = NULL}, GNUTLS_A_CERTIFICATE_REQUIRED);
}

static void
tls_1_2_is_refused(void **state)
{
	(void)state;
	expect_refused((struct manner){.identity = &who.station,
			   .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2"},
	    GNUTLS_A_HANDSHAKE_FAILURE);
}

static void
another_alpn_or_none_is_refused(void **state)
{
	(void)state;
	expect_refused((struct manner){.identity = &who.station, .alpn = "h2"},
	    GNUTLS_A_NO_APPLICATION_PROTOCOL);
	expect_refused(
	    (struct manner){.identity = &who.station, .no_alpn = true},
	    GNUTLS_A_NO_APPLICATION_PROTOCOL);
}

static void
garbage_instead_of_tls_ends_alone(void **state)
{
	static const char *const garbage[] = {"GET / HTTP/1.1\r\n\r\n",
	    "\x16\x03\x01\xff\xffxyzxyzxyz", "\x80\x80\x01\x03\x01",
	    "\x15\x03\x03\x00\x02\x02\x28"};
	char bytes[512];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(garbage); i++) {
		int fd = dial();
		ssize_t got;

		assert_true(send(fd, garbage[i], strlen(garbage[i]), 0) > 0);
		shutdown(fd, SHUT_WR);
		do
			got = recv(fd, bytes, sizeof(bytes), 0);
		while (got > 0);
		assert_true(got == 0 || errno == ECONNRESET);
		close(fd);
	}
}

static void
resumed_sessions_are_known_by_the_same_key(void **state)
{
	struct client client;
	struct asked asked;
	gnutls_datum_t data;
	uint8_t key[32];

	(void)state;
	join(&client, &who.station);
	ask_and_tell(&client, 1); /* the ticket comes on the way */
	assert_int_equal(gnutls_session_get_data2(client.session, &data), 0);
	end(&client);
	assert_int_equal(
	    begin(&client,
		(struct manner){.identity = &who.station, .resume = &data}),
	    0);
	assert_true(gnutls_session_is_resumed(client.session));
	/* RFC 8446 4.2.10: the early data that begin() sent is ignored. */
	assert_int_equal(
	    gnutls_session_get_flags(client.session) & GNUTLS_SFLAGS_EARLY_DATA,
	    0);
	request_status(&client, 2);
	take_ask(&asked);
	identity_digest(&who.station, key);
	assert_memory_equal(asked.ask.client, key, sizeof(key));
	mm_received_clear(&asked.message);
	gnutls_free(data.data);
	end(&client);
}

static void
a_resumed_session_still_needs_its_alpn(void **state)
{
	struct client client;
	gnutls_datum_t data;

	(void)state;
	join(&client, &who.station);
	ask_and_tell(&client, 1);
	assert_int_equal(gnutls_session_get_data2(client.session, &data), 0);
	end(&client);
	expect_refused(
	    (struct manner){
		.identity = &who.station, .no_alpn = true, .resume = &data},
	    GNUTLS_A_NO_APPLICATION_PROTOCOL);
	gnutls_free(data.data);
}

/* ---- frames */

static void
lengths_out_of_bounds_end_the_connection(void **state)
{
	static const char headers[][MM_FRAME_HEADER] = {
	    {0, 0, 0, 0}, {0, 2, 0, 1}, {'\xff', '\xff', '\xff', '\xff'}};
	struct client client;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(headers); i++) {
		join(&client, &who.station);
		put(&client, mm_span(headers[i], MM_FRAME_HEADER));
		put(&client, mm_span_text("what follows is not looked at"));
		expect_error(&client, MM_E_FRAME, 0);
		expect_end(&client);
		end(&client);
	}
}

static void
the_largest_frame_is_taken(void **state)
{
	static uint8_t item[MM_FRAME_MAX];
	struct client client;

	(void)state;
	join(&client, &who.station);
	put_item(&client, mm_span(item, sizeof(item)));
	expect_error(&client, MM_E_SHAPE, 0);
	ask_and_tell(&client, 1);
	end(&client);
}

/* What is malformed is named, and the connection goes on. */
static void
malformed_items_are_refused_by_name(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum mm_error error;
	} bad[] = {
	    {"\xff", 1, MM_E_CBOR_FORM},
	    {"\xbf\xff", 2, MM_E_CBOR_FORM},
	    {"\xa3\x00\x01\x00\x01\x00\x01", 7, MM_E_CBOR_FORM},
	    {"\xa1\x18\x00\x00", 4, MM_E_CBOR_FORM},
	    {"\xba\x10\x00\x00\x00", 5, MM_E_CBOR},
	    {"\xa0", 1, MM_E_SHAPE},
	};
	struct client client;

	(void)state;
	join(&client, &who.station);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		put_item(&client, mm_span(bad[i].bytes, bad[i].size));
		expect_error(&client, bad[i].error, 0);
	}
	ask_and_tell(&client, 1);
	end(&client);
}

static void
the_16th_malformed_item_is_the_last(void **state)
{
	struct client client;

	(void)state;
	join(&client, &who.station);
	for (int i = 0; i < 15; i++) {
		put_item(&client, mm_span("\xff", 1));
		expect_error(&client, MM_E_CBOR_FORM, 0);
	}
	ask_and_tell(&client, 1);
	put_item(&client, mm_span("\xff", 1));
	expect_error(&client, MM_E_CBOR_FORM, 0);
	expect_end(&client);
	end(&client);
}

static void
put_envelope(
    struct client *client, uint64_t type, struct mm_span body, unsigned number)
{
	struct mm_envelope envelope = {.type = type, .body = body};
	mm_auto(buffer) item = {0};

	mm_buffer_init(&item, MM_FRAME_MAX);
	id_of(number, envelope.id);
	assert_int_equal(
	    mm_shape_encode(&mm_envelope_shape, &envelope, &item), MM_OK);
	put_item(client, mm_buffer_span(&item));
}

static void
wrong_messages_are_refused_under_their_id(void **state)
{
	struct client client;

	(void)state;
	join(&client, &who.station);
	put_envelope(&client, MM_MESSAGE_TYPES, mm_span("\xa0", 1), 1);
	expect_error(&client, MM_E_UNKNOWN, 1);
	put_envelope(&client, MM_MESSAGE_ERROR, mm_span("\xa0", 1), 2);
	expect_error(&client, MM_E_UNKNOWN, 2);
	put_envelope(&client, MM_MESSAGE_PROVE, mm_span("\xa0", 1), 3);
	expect_error(&client, MM_E_SHAPE, 3);
	put_envelope(&client, MM_MESSAGE_STATUS, mm_span("\xa1\x00\x00", 3), 4);
	expect_error(&client, MM_E_SHAPE, 4);
	assert_false(is_asked());
	end(&client);
}

/* A CSR of the station's own key, signed by it. */
static struct mm_span
make_csr(const struct identity *identity)
{
	gnutls_x509_crq_t csr;
	gnutls_datum_t out;

	assert_int_equal(gnutls_x509_crq_init(&csr), 0);
	assert_int_equal(gnutls_x509_crq_set_version(csr, 1), 0);
	assert_int_equal(gnutls_x509_crq_set_dn_by_oid(
			     csr, GNUTLS_OID_X520_COMMON_NAME, 0, "device", 6),
	    0);
	assert_int_equal(gnutls_x509_crq_set_key(csr, identity->key), 0);
	assert_int_equal(
	    gnutls_x509_crq_sign2(csr, identity->key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(
	    gnutls_x509_crq_export2(csr, GNUTLS_X509_FMT_DER, &out), 0);
	gnutls_x509_crq_deinit(csr);
	return mm_span(out.data, out.size);
}

/* What went on of a CSR is this identity's key. */
static void
assert_key(struct mm_span spki, const struct identity *of)
{
	uint8_t wanted[32], got[32];

	identity_digest(of, wanted);
	assert_int_equal(
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, got), 0);
	assert_memory_equal(got, wanted, sizeof(wanted));
}

static void
the_authority_gets_the_key_of_a_csr(void **state)
{
	struct client client;
	struct asked asked;
	struct mm_issue_ask ask;
	struct mm_span csr = make_csr(&who.station);
	struct mm_issue_request issue = {.order = mm_span_text("order"),
	    .profile = mm_span_text("device"),
	    .device = mm_span_text("SN-1"),
	    .csr = csr};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 65536);
	join(&client, &who.station);
	request(&client, MM_MESSAGE_ISSUE, &issue, 1);
	take_ask(&asked);
	assert_int_equal(
	    mm_shape_decode(&mm_issue_ask_shape, asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_true(mm_span_is(ask.device, "SN-1"));
	assert_key(ask.spki, &who.station);
	mm_received_clear(&asked.message);
	gnutls_free((void *)csr.data);
	end(&client);
}

/* The authority is told, so that the refusal is logged, and gets no key. */
static void
expect_refusal_told(enum mm_error error)
{
	struct asked asked;
	struct mm_issue_ask ask;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 65536);
	take_ask(&asked);
	assert_int_equal(
	    mm_shape_decode(&mm_issue_ask_shape, asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_int_equal(ask.refused, error);
	assert_true(ask.why.size > 0);
	assert_int_equal(ask.spki.size, 0);
	mm_received_clear(&asked.message);
}

static void
the_authority_hears_of_a_bad_csr(void **state)
{
	struct client client;
	struct mm_span csr = make_csr(&who.station);
	struct mm_issue_request issue = {.order = mm_span_text("order"),
	    .profile = mm_span_text("device"),
	    .device = mm_span_text("SN-1"),
	    .csr = csr};

	(void)state;
	join(&client, &who.station);
	/* Its last byte is the signature's. */
	((uint8_t *)csr.data)[csr.size - 1] ^= 1;
	request(&client, MM_MESSAGE_ISSUE, &issue, 1);
	expect_refusal_told(MM_E_CSR_SIGNATURE);
	issue.csr = mm_span_text("no CSR");
	request(&client, MM_MESSAGE_ISSUE, &issue, 2);
	expect_refusal_told(MM_E_CSR);
	gnutls_free((void *)csr.data);
	end(&client);
}

/* The authority refuses a revoked one in the midst of a session. */
static void
the_authority_gets_the_serial_of_the_client(void **state)
{
	struct client client;
	struct asked asked;
	uint8_t serial[MM_TLS_SERIAL_MAX];
	size_t size = sizeof(serial);

	(void)state;
	assert_int_equal(
	    gnutls_x509_crt_get_serial(who.station.certificate, serial, &size),
	    0);
	join(&client, &who.station);
	request_status(&client, 1);
	take_ask(&asked);
	assert_true(mm_span_equal(asked.ask.serial, mm_span(serial, size)));
	mm_received_clear(&asked.message);
	end(&client);
}

static void
a_reissue_is_asked_for(void **state)
{
	struct client client;
	struct asked asked;
	struct mm_issue_ask ask;
	struct mm_span csr = make_csr(&who.station);
	struct mm_issue_request issue = {.order = mm_span_text("order"),
	    .profile = mm_span_text("device"),
	    .device = mm_span_text("SN-1"),
	    .csr = csr,
	    .reissue = true};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 65536);
	join(&client, &who.station);
	request(&client, MM_MESSAGE_ISSUE, &issue, 1);
	take_ask(&asked);
	assert_int_equal(
	    mm_shape_decode(&mm_issue_ask_shape, asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_true(ask.reissue);
	mm_received_clear(&asked.message);
	gnutls_free((void *)csr.data);
	end(&client);
}

static void
a_renewal_brings_its_key(void **state)
{
	struct client client;
	struct asked asked;
	struct mm_renew_ask ask;
	struct mm_span csr = make_csr(&who.station);
	struct mm_renew_request renew = {.csr = csr};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 65536);
	join(&client, &who.station);
	request(&client, MM_MESSAGE_RENEW, &renew, 1);
	take_ask(&asked);
	assert_int_equal(
	    mm_shape_decode(&mm_renew_ask_shape, asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_int_equal(ask.refused, 0);
	assert_key(ask.spki, &who.station);
	mm_received_clear(&asked.message);
	/* One that is not good is told too. */
	((uint8_t *)csr.data)[csr.size - 1] ^= 1;
	request(&client, MM_MESSAGE_RENEW, &renew, 2);
	take_ask(&asked);
	assert_int_equal(
	    mm_shape_decode(&mm_renew_ask_shape, asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_int_equal(ask.refused, MM_E_CSR_SIGNATURE);
	assert_int_equal(ask.spki.size, 0);
	mm_received_clear(&asked.message);
	gnutls_free((void *)csr.data);
	end(&client);
}

static void
what_comes_with_a_statement_goes_on(void **state)
{
	struct client client;
	struct asked asked;
	struct mm_statement_ask ask;
	struct mm_bytes_item statement = {mm_span_text("signed")};
	struct mm_bytes_item certificate = {mm_span_text("imported")};
	struct mm_statement_request request_ = {.statements = {&statement, 1},
	    .policy = mm_span_text("document"),
	    .text = mm_span_text("as people wrote it"),
	    .certificates = {&certificate, 1}};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 65536);
	join(&client, &who.station);
	request(&client, MM_MESSAGE_STATEMENT, &request_, 1);
	take_ask(&asked);
	assert_int_equal(mm_shape_decode(&mm_statement_ask_shape,
			     asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_true(mm_span_is(ask.policy, "document"));
	assert_true(mm_span_is(ask.text, "as people wrote it"));
	assert_int_equal(ask.certificates.count, 1);
	assert_true(mm_span_is(
	    mm_list_at(ask.certificates, struct mm_bytes_item, 0)->value,
	    "imported"));
	mm_received_clear(&asked.message);
	end(&client);
}

static void
pipelined_requests_are_answered_by_id(void **state)
{
	struct client client;
	struct asked asked[5];
	struct mm_status_answer answer;

	(void)state;
	join(&client, &who.station);
	for (unsigned i = 0; i < 5; i++)
		request_status(&client, 1 + i);
	for (unsigned i = 0; i < 5; i++)
		take_ask(&asked[i]);
	for (unsigned i = 5; i-- > 0;) {
		tell_status(&asked[i].ask);
		expect(&client, MM_MESSAGE_STATUS, 1 + i, &answer);
		mm_received_clear(&asked[i].message);
	}
	end(&client);
}

static void
the_65th_request_waits(void **state)
{
	enum { MANY = 100, FLIGHT = 64 };
	struct client client;
	struct asked asked[MANY];
	struct mm_status_answer answer;

	(void)state;
	join(&client, &who.station);
	for (unsigned i = 0; i < MANY; i++)
		request_status(&client, 1 + i);
	for (unsigned i = 0; i < FLIGHT; i++)
		take_ask(&asked[i]);
	assert_false(is_asked());
	for (unsigned i = 0; i < MANY; i++) {
		if (i >= FLIGHT)
			take_ask(&asked[i]);
		tell_status(&asked[i].ask);
		expect(&client, MM_MESSAGE_STATUS, 1 + i, &answer);
		mm_received_clear(&asked[i].message);
	}
	end(&client);
}

static unsigned
tell_all(const struct mm_entries_answer *answer)
{
	unsigned told = 0;

	for (; is_asked(); told++) {
		struct asked asked;

		take_ask(&asked);
		tell(&asked.ask, &mm_entries_answer_shape, answer);
		mm_received_clear(&asked.message);
	}
	return told;
}

/* The peer asks and does not read: what it may fill is bounded. */
static void
who_does_not_read_is_not_read_from(void **state)
{
	static uint8_t entry[60000];
	struct mm_bytes_item item = {mm_span(entry, sizeof(entry))};
	struct mm_entries_answer answer = {.entries = {&item, 1}};
	struct mm_entries_request body = {.from = 0, .count = 1};
	struct client client;
	unsigned told, sent = 0;

	(void)state;
	join(&client, &who.station);
	for (; sent < 400; sent++)
		request(&client, MM_MESSAGE_ENTRIES, &body, 1 + sent);
	told = tell_all(&answer);
	/* The sockets' buffers took some; then 1 MiB, and 64 in flight. */
	assert_true(told < sent);
	for (unsigned i = 0; i < told; i++) {
		struct mm_entries_answer got;

		expect(&client, MM_MESSAGE_ENTRIES, 1 + i, &got);
	}
	end(&client);
	(void)tell_all(&answer);
}

static void
answers_for_who_has_gone_are_dropped(void **state)
{
	const struct mm_error_answer refusal = {.code = MM_E_ROLE,
	    .name = mm_span_text("role-not-allowed"),
	    .text = mm_span_text("meant for another")};
	struct client first, second;
	struct asked former, later;
	struct mm_status_answer answer;

	(void)state;
	join(&first, &who.station);
	request_status(&first, 1);
	take_ask(&former);
	end(&first);
	await_fds(gate.fds);
	/* It may have the same slot and id, but not the same number. */
	join(&second, &who.station);
	request_status(&second, 1);
	take_ask(&later);
	former.ask.type = MM_MESSAGE_ERROR;
	tell(&former.ask, &mm_error_answer_shape, &refusal);
	tell_status(&later.ask);
	expect(&second, MM_MESSAGE_STATUS, 1, &answer);
	mm_received_clear(&former.message);
	mm_received_clear(&later.message);
	end(&second);
}

/* ---- uploads */

static const struct mm_upload_request small = {.size = 10, .sha256 = {1, 2, 3}};

static uint64_t
begin_upload(struct client *client, const struct mm_upload_request *body)
{
	static const struct mm_upload_answer allowed = {0};
	struct mm_upload_answer answer;
	struct asked asked;

	request(client, MM_MESSAGE_UPLOAD, body, 900);
	take_ask(&asked);
	assert_int_equal(asked.ask.type, MM_MESSAGE_UPLOAD);
	tell(&asked.ask, &mm_upload_answer_shape, &allowed);
	mm_received_clear(&asked.message);
	expect(client, MM_MESSAGE_UPLOAD, 900, &answer);
	assert_true(answer.upload > 0);
	return answer.upload;
}

static void
put_chunk(struct client *client, uint64_t upload, uint64_t offset,
    const char *bytes, unsigned number)
{
	struct mm_chunk_request chunk = {upload, offset, mm_span_text(bytes)};

	request(client, MM_MESSAGE_CHUNK, &chunk, number);
}

static void
expect_chunk(struct client *client, uint64_t received, unsigned number)
{
	struct mm_chunk_answer answer;

	expect(client, MM_MESSAGE_CHUNK, number, &answer);
	assert_int_equal(answer.received, received);
}

static void
submit(struct client *client, uint64_t upload, unsigned number)
{
	struct mm_submit_request body = {.upload = upload,
	    .product = mm_span_text("p"),
	    .version = mm_span_text("1")};

	request(client, MM_MESSAGE_SUBMIT, &body, number);
}

static void
a_whole_upload_goes_on_sealed(void **state)
{
	const int seals =
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	struct client client;
	struct asked asked;
	uint64_t upload;
	char bytes[16];

	(void)state;
	join(&client, &who.station);
	upload = begin_upload(&client, &small);
	put_chunk(&client, upload, 0, "01234", 1);
	expect_chunk(&client, 5, 1);
	put_chunk(&client, upload, 5, "56789", 2);
	expect_chunk(&client, 10, 2);
	submit(&client, upload, 3);
	take_ask(&asked);
	assert_int_equal(asked.ask.type, MM_MESSAGE_SUBMIT);
	assert_true(asked.message.fds[0] >= 0);
	assert_true(asked.message.fds[1] < 0);
	assert_int_equal(
	    fcntl(asked.message.fds[0], F_GET_SEALS) & seals, seals);
	assert_int_equal(
	    pread(asked.message.fds[0], bytes, sizeof(bytes), 0), 10);
	assert_memory_equal(bytes, "0123456789", 10);
	mm_received_clear(&asked.message);
	/* It is the authority's now, and gone here. */
	await_fds(gate.fds + 1);
	submit(&client, upload, 4);
	expect_error(&client, MM_E_UPLOAD, 4);
	end(&client);
}

/* Its bytes, which may hold a private key, are in the memfd alone. */
static void
a_partition_goes_beside_its_request(void **state)
{
	const int seals =
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	static const uint8_t zeros[32];
	uint8_t bytes[MM_PARTITION_MAX], there[MM_PARTITION_MAX + 1];
	struct mm_partition_request body = {.order = mm_span_text("o"),
	    .device = mm_span_text("d"),
	    .scheme = mm_span_text("s"),
	    .partition = {bytes, sizeof(bytes)}};
	struct mm_partition_ask ask;
	struct client client;
	struct asked asked;
	mm_auto(arena) arena = {0};

	(void)state;
	memset(bytes, 'k', sizeof(bytes));
	mm_arena_init(&arena, 4096);
	join(&client, &who.station);
	/* What is announced of an upload says nothing of it. */
	begin_upload(&client, &small);
	request(&client, MM_MESSAGE_PARTITION, &body, 3);
	take_ask(&asked);
	assert_int_equal(asked.ask.type, MM_MESSAGE_PARTITION);
	assert_memory_equal(asked.ask.announced, zeros, sizeof(zeros));
	assert_true(asked.message.bytes.size < 512);
	assert_int_equal(mm_shape_decode(&mm_partition_ask_shape,
			     asked.ask.body, &arena, &ask),
	    MM_OK);
	assert_true(mm_span_is(ask.order, "o"));
	assert_true(mm_span_is(ask.device, "d"));
	assert_true(mm_span_is(ask.scheme, "s"));
	assert_true(asked.message.fds[0] >= 0);
	assert_int_equal(
	    fcntl(asked.message.fds[0], F_GET_SEALS) & seals, seals);
	assert_int_equal(pread(asked.message.fds[0], there, sizeof(there), 0),
	    sizeof(bytes));
	assert_memory_equal(there, bytes, sizeof(bytes));
	mm_received_clear(&asked.message);
	/* Only the upload's own is left. */
	await_fds(gate.fds + 2);
	end(&client);
}

static void
broken_uploads_are_dropped(void **state)
{
	static const struct {
		uint64_t offset;
		const char *bytes;
	} bad[] = {{1, "x"}, {0, "0123456789a"}, {UINT32_MAX, "x"}};
	struct client client;
	uint64_t upload;

	(void)state;
	join(&client, &who.station);
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		upload = begin_upload(&client, &small);
		put_chunk(&client, upload, bad[i].offset, bad[i].bytes, 1);
		expect_error(&client, MM_E_UPLOAD, 1);
		assert_int_equal(gate_fds(), gate.fds + 1);
		put_chunk(&client, upload, 0, "x", 2);
		expect_error(&client, MM_E_UPLOAD, 2);
	}
	/* What is there already is not written again. */
	upload = begin_upload(&client, &small);
	put_chunk(&client, upload, 0, "01234", 3);
	expect_chunk(&client, 5, 3);
	put_chunk(&client, upload, 4, "4", 4);
	expect_error(&client, MM_E_UPLOAD, 4);
	end(&client);
}

static void
an_upload_that_is_not_whole_is_not_submitted(void **state)
{
	struct client client;
	struct asked asked;
	uint64_t upload;

	(void)state;
	join(&client, &who.station);
	upload = begin_upload(&client, &small);
	put_chunk(&client, upload, 0, "012345678", 1);
	expect_chunk(&client, 9, 1);
	submit(&client, upload, 2);
	expect_error(&client, MM_E_UPLOAD, 2);
	submit(&client, upload + 1, 3);
	expect_error(&client, MM_E_UPLOAD, 3);
	put_chunk(&client, upload, 9, "9", 4);
	expect_chunk(&client, 10, 4);
	submit(&client, upload, 5);
	take_ask(&asked);
	mm_received_clear(&asked.message);
	end(&client);
}

/* What came of an upload when its connection was lost. */
static int
take_park(struct mm_park *park)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	int fd;

	mm_arena_init(&arena, sizeof(*park));
	await(gate.authority);
	assert_int_equal(mm_channel_receive(gate.authority, &message), MM_OK);
	assert_int_equal(message.packet.type, MM_PARK);
	assert_int_equal(
	    mm_shape_decode(&mm_park_shape, message.packet.body, &arena, park),
	    MM_OK);
	fd = message.fds[0];
	message.fds[0] = -1;
	return fd;
}

/* The authority gives a part back, of which it says `received`. */
static struct mm_upload_answer
resume(struct client *client, uint64_t received, int fd)
{
	const int fds[MM_CHANNEL_FDS] = {fd, -1};
	struct mm_upload_answer answer = {.received = received};
	mm_auto(buffer) envelope = {0}, packet = {0};
	struct mm_tell tell_packet;
	struct asked asked;

	mm_buffer_init(&envelope, MM_FRAME_MAX);
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	request(client, MM_MESSAGE_UPLOAD, &small, 901);
	take_ask(&asked);
	assert_int_equal(mm_envelope_encode(asked.ask.type, asked.ask.id,
			     &mm_upload_answer_shape, &answer, &envelope),
	    MM_OK);
	tell_packet =
	    (struct mm_tell){asked.ask.connection, mm_buffer_span(&envelope)};
	assert_int_equal(
	    mm_packet_encode(MM_TELL, 0, &mm_tell_shape, &tell_packet, &packet),
	    MM_OK);
	assert_int_equal(
	    mm_channel_send_bytes(gate.authority, mm_buffer_span(&packet), fds),
	    MM_OK);
	mm_received_clear(&asked.message);
	expect(client, MM_MESSAGE_UPLOAD, 901, &answer);
	return answer;
}

static void
an_upload_goes_on_after_its_connection_was_lost(void **state)
{
	struct mm_upload_answer answer;
	struct client client;
	struct asked asked;
	struct mm_park park;
	uint8_t key[32];
	char bytes[16];
	int fd;

	(void)state;
	join(&client, &who.station);
	put_chunk(&client, begin_upload(&client, &small), 0, "01234", 1);
	expect_chunk(&client, 5, 1);
	end(&client);
	fd = take_park(&park);
	identity_digest(&who.station, key);
	assert_memory_equal(park.client, key, sizeof(key));
	assert_memory_equal(park.sha256, small.sha256, sizeof(small.sha256));
	assert_int_equal(park.size, 10);
	assert_int_equal(park.received, 5);
	join(&client, &who.station);
	answer = resume(&client, 5, fd);
	close(fd);
	assert_int_equal(answer.received, 5);
	put_chunk(&client, answer.upload, 5, "56789", 2);
	expect_chunk(&client, 10, 2);
	submit(&client, answer.upload, 3);
	take_ask(&asked);
	assert_int_equal(
	    pread(asked.message.fds[0], bytes, sizeof(bytes), 0), 10);
	assert_memory_equal(bytes, "0123456789", 10);
	mm_received_clear(&asked.message);
	end(&client);
}

static void
what_is_no_part_of_it_is_uploaded_anew(void **state)
{
	int parts[] = {memfd_create("short", MFD_ALLOW_SEALING),
	    memfd_create("sealed", MFD_ALLOW_SEALING),
	    open("/dev/null", O_RDWR), -1};
	struct client client;

	(void)state;
	assert_int_equal(pwrite(parts[0], "0123", 4, 0), 4);
	assert_int_equal(pwrite(parts[1], "01234", 5, 0), 5);
	assert_int_equal(fcntl(parts[1], F_ADD_SEALS, F_SEAL_GROW), 0);
	for (size_t i = 0; i < MM_COUNT(parts); i++) {
		join(&client, &who.station);
		assert_int_equal(resume(&client, 5, parts[i]).received, 0);
		if (parts[i] >= 0)
			close(parts[i]);
		end(&client);
		await_fds(gate.fds);
	}
}

/* Who has it mapped could change it at any time: it is not taken up again. */
static void
a_part_that_cannot_be_sealed_is_dropped(void **state)
{
	int fd = memfd_create("mapped", MFD_ALLOW_SEALING);
	struct mm_upload_answer answer;
	struct client client;
	void *map;

	(void)state;
	assert_int_equal(pwrite(fd, "0123456789", 10, 0), 10);
	map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	join(&client, &who.station);
	answer = resume(&client, 10, fd);
	close(fd);
	assert_int_equal(answer.received, 10);
	submit(&client, answer.upload, 3);
	expect_error(&client, MM_E_SYSTEM, 3);
	end(&client);
	await_fds(gate.fds);
	assert_false(is_asked());
	munmap(map, 10);
}

static void
announced_sizes_are_bounded(void **state)
{
	struct client client;
	struct mm_upload_request body = {.size = IMAGE_MAX + 1, .sha256 = {1}};

	(void)state;
	join(&client, &who.station);
	request(&client, MM_MESSAGE_UPLOAD, &body, 1);
	expect_error(&client, MM_E_IMAGE_SIZE, 1);
	body.size = INT64_MAX;
	request(&client, MM_MESSAGE_UPLOAD, &body, 2);
	expect_error(&client, MM_E_IMAGE_SIZE, 2);
	body = (struct mm_upload_request){.size = 1};
	request(&client, MM_MESSAGE_UPLOAD, &body, 3);
	expect_error(&client, MM_E_RANGE, 3);
	body = (struct mm_upload_request){.size = IMAGE_MAX, .sha256 = {1}};
	assert_false(is_asked());
	(void)begin_upload(&client, &body);
	end(&client);
}

static void
an_upload_that_the_authority_refuses(void **state)
{
	struct client client;
	struct asked asked;
	struct mm_error_answer refusal = {.code = MM_E_ROLE,
	    .name = mm_span_text("role-not-allowed"),
	    .text = mm_span_text("no")};

	(void)state;
	join(&client, &who.station);
	request(&client, MM_MESSAGE_UPLOAD, &small, 1);
	take_ask(&asked);
	asked.ask.type = MM_MESSAGE_ERROR;
	tell(&asked.ask, &mm_error_answer_shape, &refusal);
	expect_error(&client, MM_E_ROLE, 1);
	assert_int_equal(gate_fds(), gate.fds + 1);
	mm_received_clear(&asked.message);
	end(&client);
}

static void
uploads_are_limited(void **state)
{
	struct client clients[UPLOADS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(clients); i++)
		join(&clients[i], &who.station);
	for (size_t i = 0; i < UPLOADS_MAX; i++)
		(void)begin_upload(&clients[i], &small);
	request(&clients[0], MM_MESSAGE_UPLOAD, &small, 1);
	expect_error(&clients[0], MM_E_BUSY, 1);
	request(&clients[UPLOADS_MAX], MM_MESSAGE_UPLOAD, &small, 2);
	expect_error(&clients[UPLOADS_MAX], MM_E_BUSY, 2);
	/* Another's number is not one's own. */
	put_chunk(&clients[UPLOADS_MAX], 1, 0, "x", 3);
	expect_error(&clients[UPLOADS_MAX], MM_E_UPLOAD, 3);
	/* Whoever leaves makes room. */
	end(&clients[0]);
	await_fds(gate.fds + 3);
	(void)begin_upload(&clients[UPLOADS_MAX], &small);
	for (size_t i = 1; i < MM_COUNT(clients); i++)
		end(&clients[i]);
}

static void
who_disconnects_half_way_leaves_nothing(void **state)
{
	struct client client;
	struct mm_park park;
	uint64_t upload;

	(void)state;
	join(&client, &who.station);
	upload = begin_upload(&client, &small);
	put_chunk(&client, upload, 0, "01234", 1);
	expect_chunk(&client, 5, 1);
	assert_int_equal(gate_fds(), gate.fds + 2);
	end(&client);
	close(take_park(&park));
	/* at_rest() counts. */
}

/* ---- the authority's life */

static void
without_an_authority_clients_are_told_to_wait(void **state)
{
	struct client client;
	struct asked asked;

	(void)state;
	join(&client, &who.station);
	request_status(&client, 1);
	request_status(&client, 2);
	take_ask(&asked);
	mm_received_clear(&asked.message);
	take_ask(&asked);
	mm_received_clear(&asked.message);
	close(gate.authority);
	/* Newest first; nobody promises an order. */
	expect_error(&client, MM_E_STARTING, 2);
	expect_error(&client, MM_E_STARTING, 1);
	request_status(&client, 3);
	expect_error(&client, MM_E_STARTING, 3);
	new_authority();
	ask_and_tell(&client, 4);
	end(&client);
}

/* It is there and says nothing: who asked is told, and may go on. */
static void
an_authority_that_hangs_has_a_deadline(void **state)
{
	struct client client;
	struct asked asked;

	(void)state;
	join(&client, &who.station);
	request_status(&client, 1);
	request_status(&client, 2);
	expect_error(&client, MM_E_DEADLINE, 2);
	expect_error(&client, MM_E_DEADLINE, 1);
	take_ask(&asked);
	/* Its answer comes too late, and reaches nobody. */
	tell_status(&asked.ask);
	mm_received_clear(&asked.message);
	take_ask(&asked);
	mm_received_clear(&asked.message);
	ask_and_tell(&client, 3);
	end(&client);
}

static void
a_new_authority_takes_the_place_of_the_old(void **state)
{
	struct client client;
	struct asked asked;
	int former = gate.authority;

	(void)state;
	join(&client, &who.station);
	request_status(&client, 1);
	take_ask(&asked);
	mm_received_clear(&asked.message);
	new_authority();
	expect_error(&client, MM_E_STARTING, 1);
	ask_and_tell(&client, 2);
	close(former);
	ask_and_tell(&client, 3);
	end(&client);
}

static void
a_renewed_certificate_is_for_new_connections(void **state)
{
	struct client former, later;

	(void)state;
	join(&former, &who.station);
	give_certificate();
	ask_and_tell(&former, 1);
	join(&later, &who.station);
	ask_and_tell(&later, 2);
	ask_and_tell(&former, 3);
	end(&former);
	end(&later);
}

/* ---- limits */

static void
one_source_has_its_limit(void **state)
{
	int fds[SOURCE_MAX];
	struct pollfd extra;
	char byte;
	struct client client;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(fds); i++)
		fds[i] = dial();
	extra = (struct pollfd){.fd = dial(), .events = POLLIN};
	/* At once, and not by the deadline of its handshake. */
	assert_int_equal(poll(&extra, 1, SHORT * 500), 1);
	assert_true(recv(extra.fd, &byte, 1, 0) <= 0);
	close(extra.fd);
	for (size_t i = 0; i < MM_COUNT(fds); i++)
		close(fds[i]);
	await_fds(gate.fds);
	join(&client, &who.station);
	ask_and_tell(&client, 1);
	end(&client);
}

/* The limit under which the gate has so many numbers left. */
static rlim_t
limit_leaving(unsigned wanted)
{
	char path[64];
	rlim_t limit = 0;

	for (unsigned left = 0; left < wanted; limit++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)gate.pid,
		    (unsigned)limit);
		left +=
		    faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	}
	return limit;
}

static void
descriptors_that_run_out_come_back(void **state)
{
	struct rlimit former, tight;
	struct client client;
	int fds[6];

	(void)state;
	tight.rlim_cur = limit_leaving(3);
	assert_int_equal(prlimit(gate.pid, RLIMIT_NOFILE, NULL, &former), 0);
	tight.rlim_max = former.rlim_max;
	assert_int_equal(prlimit(gate.pid, RLIMIT_NOFILE, &tight, NULL), 0);
	for (size_t i = 0; i < MM_COUNT(fds); i++)
		fds[i] = dial();
	await_fds(gate.fds + 3);
	for (size_t i = 0; i < MM_COUNT(fds); i++)
		close(fds[i]);
	assert_int_equal(prlimit(gate.pid, RLIMIT_NOFILE, &former, NULL), 0);
	join(&client, &who.station);
	ask_and_tell(&client, 1);
	end(&client);
}

/* ---- time */

static void
expect_closed_in_time(int fd, int64_t since)
{
	char bytes[4096];
	ssize_t got;

	do
		got = recv(fd, bytes, sizeof(bytes), 0);
	while (got > 0);
	assert_true(got == 0 || errno == ECONNRESET);
	assert_in_range(now_ms() - since, SHORT * 900, SHORT * 5000);
}

/* All at once, since each takes a second. */
static void
silence_has_its_deadline(void **state)
{
	struct client half, drip, healthy, brief;
	int mute = dial(), hello = dial();
	int64_t since;
	struct timespec tick = {0, 100000000};

	(void)state;
	identity_make("brief",
	    (struct wish){.issuer = &who.ca,
		.purpose = GNUTLS_KP_TLS_WWW_CLIENT,
		.from = -1,
		.until = 1},
	    &who.brief);
	join(&brief, &who.brief);
	join(&half, &who.station);
	join(&drip, &who.station);
	join(&healthy, &who.station);
	assert_int_equal(send(hello, "\x16\x03\x01\x02\x00\x01", 6, 0), 6);
	put(&half, mm_span("\0\0\0\x20half a", 10));
	put(&drip, mm_span("\0\0\0\x20", 4));
	since = now_ms();
	ask_and_tell(&brief, 1);
	/* A byte now and then does not move the deadline. */
	for (int i = 0; i < 9; i++) {
		(void)gnutls_record_send(drip.session, "x", 1);
		nanosleep(&tick, NULL);
	}
	ask_and_tell(&healthy, 1);
	expect_closed_in_time(half.fd, since);
	expect_closed_in_time(drip.fd, since);
	expect_closed_in_time(mute, since);
	expect_closed_in_time(hello, since);
	ask_and_tell(&healthy, 2);
	/* The certificate may have been good in the second it ended. */
	while (now_ms() - since < 2100)
		nanosleep(&tick, NULL);
	request_status(&brief, 2);
	expect_error(&brief, MM_E_TLS, 2);
	expect_end(&brief);
	close(mute);
	close(hello);
	end(&half);
	end(&drip);
	end(&healthy);
	end(&brief);
	identity_clear(&who.brief);
}

/* ---- ends; each with a gate of its own */

static void
stopping_answers_what_is_in_flight(void **state)
{
	struct client idle, busy;
	struct asked asked;
	struct mm_status_answer answer;

	(void)state;
	start_gate(60);
	join(&idle, &who.station);
	ask_and_tell(&idle, 1);
	join(&busy, &who.station);
	request_status(&busy, 2);
	take_ask(&asked);
	control(MM_CONTROL_STOP, NULL, NULL, -1, -1);
	expect_end(&idle);
	end(&idle);
	request_status(&busy, 3);
	expect_error(&busy, MM_E_STOPPING, 3);
	tell_status(&asked.ask);
	expect(&busy, MM_MESSAGE_STATUS, 2, &answer);
	expect_end(&busy);
	end(&busy);
	mm_received_clear(&asked.message);
	assert_int_equal(gate_ends(), 0);
}

static void
without_a_supervisor_it_ends(void **state)
{
	struct client client;

	(void)state;
	start_gate(60);
	join(&client, &who.station);
	shutdown(gate.control, SHUT_RDWR);
	assert_int_equal(gate_ends(), 0);
	end(&client);
}

static void
the_idle_are_sent_away(void **state)
{
	struct client client, waiting;
	struct asked asked;
	struct mm_status_answer answer;
	int64_t since;

	(void)state;
	start_gate(SHORT);
	join(&client, &who.station);
	join(&waiting, &who.station);
	since = now_ms();
	request_status(&waiting, 1);
	take_ask(&asked);
	expect_closed_in_time(client.fd, since);
	/* Who waits for us is not idle. */
	tell_status(&asked.ask);
	expect(&waiting, MM_MESSAGE_STATUS, 1, &answer);
	mm_received_clear(&asked.message);
	end(&client);
	end(&waiting);
	shutdown(gate.control, SHUT_RDWR);
	assert_int_equal(gate_ends(), 0);
}

static void
keys_that_are_not_sealed_are_not_taken(void **state)
{
	int ends[2], memfd = memfd_create("key", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(memfd, "key", 3), 3);
	listen_loopback();
	assert_int_equal(mm_channel_pair(ends), MM_OK);
	gate.pid = fork();
	if (gate.pid == 0) {
		close(ends[0]);
		be_the_gate(ends[1], 60);
	}
	close(ends[1]);
	gate.control = ends[0];
	gate.authority = -1;
	control(MM_CONTROL_TLS, NULL, NULL, memfd, memfd);
	close(memfd);
	assert_int_equal(gate_ends(), 0);
}

#define TEST(f) cmocka_unit_test_teardown(f, at_rest)

int
main(void)
{
	const struct CMUnitTest serving[] = {
	    TEST(a_station_is_served_and_known_by_its_key),
	    TEST(bad_client_certificates_are_refused),
	    TEST(no_client_certificate_is_refused),
	    TEST(tls_1_2_is_refused),
	    TEST(another_alpn_or_none_is_refused),
	    TEST(garbage_instead_of_tls_ends_alone),
	    TEST(resumed_sessions_are_known_by_the_same_key),
	    TEST(a_resumed_session_still_needs_its_alpn),
	    TEST(lengths_out_of_bounds_end_the_connection),
	    TEST(the_largest_frame_is_taken),
	    TEST(malformed_items_are_refused_by_name),
	    TEST(the_16th_malformed_item_is_the_last),
	    TEST(wrong_messages_are_refused_under_their_id),
	    TEST(the_authority_gets_the_key_of_a_csr),
	    TEST(the_authority_hears_of_a_bad_csr),
	    TEST(the_authority_gets_the_serial_of_the_client),
	    TEST(a_reissue_is_asked_for),
	    TEST(a_renewal_brings_its_key),
	    TEST(what_comes_with_a_statement_goes_on),
	    TEST(pipelined_requests_are_answered_by_id),
	    TEST(the_65th_request_waits),
	    TEST(who_does_not_read_is_not_read_from),
	    TEST(answers_for_who_has_gone_are_dropped),
	    TEST(a_whole_upload_goes_on_sealed),
	    TEST(a_partition_goes_beside_its_request),
	    TEST(broken_uploads_are_dropped),
	    TEST(an_upload_that_is_not_whole_is_not_submitted),
	    TEST(an_upload_goes_on_after_its_connection_was_lost),
	    TEST(what_is_no_part_of_it_is_uploaded_anew),
	    TEST(a_part_that_cannot_be_sealed_is_dropped),
	    TEST(announced_sizes_are_bounded),
	    TEST(an_upload_that_the_authority_refuses),
	    TEST(uploads_are_limited),
	    TEST(who_disconnects_half_way_leaves_nothing),
	    TEST(without_an_authority_clients_are_told_to_wait),
	    TEST(an_authority_that_hangs_has_a_deadline),
	    TEST(a_new_authority_takes_the_place_of_the_old),
	    TEST(a_renewed_certificate_is_for_new_connections),
	    TEST(one_source_has_its_limit),
	    TEST(descriptors_that_run_out_come_back),
	    TEST(silence_has_its_deadline),
	};
	const struct CMUnitTest ending[] = {
	    cmocka_unit_test(stopping_answers_what_is_in_flight),
	    cmocka_unit_test(without_a_supervisor_it_ends),
	    cmocka_unit_test(the_idle_are_sent_away),
	    cmocka_unit_test(keys_that_are_not_sealed_are_not_taken),
	};
	int failed = cmocka_run_group_tests(serving, group_start, group_stop);

	return failed + cmocka_run_group_tests(ending, NULL, NULL);
}
