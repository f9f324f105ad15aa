/* Between processes: channels, services that answer on them, the journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "protocol/cbor.h"
#include "protocol/journal.h"
#include "protocol/service.h"
#include "tests/unit/hex.h"

static size_t
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void
assert_cloexec(int fd)
{
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static int
new_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* ----- channels ----- */

struct ends {
	int near, far;
};

static struct ends
new_channel(void)
{
	int ends[2];

	assert_int_equal(mm_channel_pair(ends), MM_OK);
	return (struct ends){ends[0], ends[1]};
}

static void
close_both(struct ends ends)
{
	close(ends.near);
	close(ends.far);
}

static void
ends_are_not_inherited(void **state)
{
	struct ends ends = new_channel();
	int type = 0;
	socklen_t size = sizeof(type);

	(void)state;
	assert_cloexec(ends.near);
	assert_cloexec(ends.far);
	assert_int_equal(
	    getsockopt(ends.near, SOL_SOCKET, SO_TYPE, &type, &size), 0);
	assert_int_equal(type, SOCK_SEQPACKET);
	close_both(ends);
}

static void
packets_arrive_whole_and_in_order(void **state)
{
	struct mm_control_link link = {.process = MM_TOKEN, .instance = 7};
	struct ends ends = new_channel();

	(void)state;
	for (uint64_t id = 0; id < 20; id++)
		assert_int_equal(mm_channel_send(ends.near, 2, id,
				     &mm_control_link_shape, &link),
		    MM_OK);
	for (uint64_t id = 0; id < 20; id++) {
		mm_auto(received) got = {.fds = {-1, -1}};

		assert_int_equal(mm_channel_receive(ends.far, &got), MM_OK);
		assert_false(got.closed);
		assert_false(got.nothing);
		assert_int_equal(got.packet.type, 2);
		assert_int_equal(got.packet.id, id);
		assert_int_equal(got.packet.error, 0);
		assert_hex(got.packet.body, "a2 00 04 01 07");
		assert_int_equal(got.fds[0], -1);
		assert_int_equal(got.fds[1], -1);
	}
	close_both(ends);
}

/* A packet of `size` bytes: type 1, id 1, and a byte string. */
static void
large_packet(size_t size, struct mm_buffer *out)
{
	uint8_t head[16];
	struct mm_span start =
	    hex("a3 00 01 01 01 04 5a 00000000", head, sizeof(head));
	size_t body = size - start.size;

	head[9] = (uint8_t)(body >> 8);
	head[8] = (uint8_t)(body >> 16);
	head[10] = (uint8_t)body;
	mm_buffer_init(out, size);
	mm_buffer_add(out, start.data, start.size);
	assert_non_null(mm_buffer_grow(out, body));
	memset(out->data + start.size, 0xa5, body);
}

static void
the_largest_message_passes(void **state)
{
	struct ends ends = new_channel();
	mm_auto(buffer) packet = {0};
	mm_auto(received) got = {.fds = {-1, -1}};

	(void)state;
	large_packet(MM_CHANNEL_MAX, &packet);
	assert_int_equal(
	    mm_channel_send_bytes(ends.near, mm_buffer_span(&packet), NULL),
	    MM_OK);
	assert_int_equal(mm_channel_receive(ends.far, &got), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&got.bytes), mm_buffer_span(&packet)));
	close_both(ends);
}

static void
larger_messages_are_refused_on_both_ends(void **state)
{
	struct ends ends = new_channel();
	mm_auto(buffer) packet = {0};
	mm_auto(received) got = {.fds = {-1, -1}};

	(void)state;
	large_packet(MM_CHANNEL_MAX + 1, &packet);
	assert_int_equal(
	    mm_channel_send_bytes(ends.near, mm_buffer_span(&packet), NULL),
	    MM_E_RANGE);
	assert_int_equal(
	    mm_channel_send_bytes(ends.near, mm_span("", 0), NULL), MM_E_RANGE);
	assert_int_equal(
	    send(ends.near, packet.data, packet.size, 0), packet.size);
	assert_int_equal(mm_channel_receive(ends.far, &got), MM_E_PEER);
	close_both(ends);
}

static void
what_is_no_packet_is_refused(void **state)
{
	static const char *const rows[] = {"00", "ff", "80", "a0", "a1 00 01",
	    "a2 00 190100 01 00", "a2 00 20 01 00", "a2 00 01 01 00 00",
	    "a2 01 00 00 01", "bf 00 01 01 00 ff", "a2 00 1801 01 00",
	    "a3 00 01 01 00 02 00", "a3 00 01 01 00 02 1a00010000",
	    "a3 00 01 01 00 03 60", "a3 00 01 01 00 03 610a",
	    "a3 00 01 01 00 03 4100", "a3 00 01 01 00 04 f6",
	    "a3 00 01 01 00 04", "a3 00 01 01 00 05 00",
	    "a2 00 01 01 1b8000000000000000", "a3 00 01 01 00 04 9a10000000"};
	struct ends ends = new_channel();
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct mm_span span = hex(rows[i], bytes, sizeof(bytes));
		mm_auto(received) got = {.fds = {-1, -1}};

		assert_int_equal(
		    mm_channel_send_bytes(ends.near, span, NULL), MM_OK);
		if (mm_channel_receive(ends.far, &got) != MM_E_PEER)
			fail_msg("%s was taken for a packet", rows[i]);
	}
	close_both(ends);
}

static void
descriptors_come_along(void **state)
{
	struct ends ends = new_channel();
	int files[2] = {new_file(), new_file()};
	size_t before = open_fds();
	mm_auto(buffer) packet = {0};
	struct mm_received got;

	(void)state;
	mm_buffer_init(&packet, 64);
	assert_int_equal(mm_packet_encode(1, 0, NULL, NULL, &packet), MM_OK);
	for (size_t count = 0; count <= 2; count++) {
		int fds[2] = {
		    count > 0 ? files[0] : -1, count > 1 ? files[1] : -1};

		assert_int_equal(mm_channel_send_bytes(
				     ends.near, mm_buffer_span(&packet), fds),
		    MM_OK);
		assert_int_equal(mm_channel_receive(ends.far, &got), MM_OK);
		assert_int_equal(open_fds(), before + count);
		for (size_t i = 0; i < 2; i++)
			if (i < count)
				assert_cloexec(got.fds[i]);
			else
				assert_int_equal(got.fds[i], -1);
		mm_received_clear(&got);
		assert_int_equal(open_fds(), before);
	}
	close(files[0]);
	close(files[1]);
	close_both(ends);
}

/* Sends bytes with three descriptors, which no honest end does. */
static void
send_three(int fd, struct mm_span bytes, int file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = {.room = {0}};
	int files[3] = {file, file, file};
	struct iovec part = {(void *)bytes.data, bytes.size};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.room,
	    .msg_controllen = sizeof(control.room)};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(files));
	memcpy(CMSG_DATA(&control.header), files, sizeof(files));
	assert_int_equal(sendmsg(fd, &message, 0), bytes.size);
}

static void
refused_messages_leave_no_descriptor(void **state)
{
	struct ends ends = new_channel();
	int file = new_file();
	int fds[2] = {file, file};
	size_t before = open_fds();
	uint8_t bytes[16];
	struct mm_received got;

	(void)state;
	send_three(ends.near, hex("a2 00 01 01 00", bytes, 16), file);
	assert_int_equal(mm_channel_receive(ends.far, &got), MM_E_PEER);
	mm_received_clear(&got);
	assert_int_equal(open_fds(), before);
	assert_int_equal(
	    mm_channel_send_bytes(ends.near, mm_span("x", 1), fds), MM_OK);
	assert_int_equal(mm_channel_receive(ends.far, &got), MM_E_PEER);
	mm_received_clear(&got);
	assert_int_equal(open_fds(), before);
	close(file);
	close_both(ends);
}

static void
nothing_full_and_gone_are_told_apart(void **state)
{
	struct ends ends = new_channel();
	mm_auto(received) got = {.fds = {-1, -1}};
	mm_auto(buffer) packet = {0};
	enum mm_error error;

	(void)state;
	assert_int_equal(fcntl(ends.near, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(mm_channel_receive(ends.near, &got), MM_OK);
	assert_true(got.nothing);
	assert_false(got.closed);
	large_packet(4096, &packet);
	do
		error = mm_channel_send_bytes(
		    ends.near, mm_buffer_span(&packet), NULL);
	while (error == MM_OK);
	assert_int_equal(error, MM_E_BUSY);
	close(ends.far);
	assert_int_equal(
	    mm_channel_send_bytes(ends.near, mm_buffer_span(&packet), NULL),
	    MM_E_AWAY);
	mm_received_clear(&got);
	assert_int_equal(mm_channel_receive(ends.near, &got), MM_OK);
	assert_true(got.closed);
	close(ends.near);
}

static void
last_words_are_heard_after_a_reset(void **state)
{
	struct ends ends = new_channel();
	mm_auto(received) got = {.fds = {-1, -1}};

	(void)state;
	assert_int_equal(mm_channel_send(ends.near, 1, 1, NULL, NULL), MM_OK);
	assert_int_equal(mm_channel_send(ends.far, 9, 9, NULL, NULL), MM_OK);
	/* It closes without having read what was sent to it. */
	close(ends.far);
	assert_int_equal(mm_channel_receive(ends.near, &got), MM_OK);
	assert_int_equal(got.packet.type, 9);
	mm_received_clear(&got);
	assert_int_equal(mm_channel_receive(ends.near, &got), MM_OK);
	assert_true(got.closed);
	close(ends.near);
}

static void
failures_travel_with_their_reason(void **state)
{
	mm_auto(buffer) out = {0};
	mm_auto(arena) arena = {0};
	struct mm_packet packet;

	(void)state;
	mm_buffer_init(&out, 1024);
	mm_arena_init(&arena, 4096);
	mm_fail(MM_E_STORE, "the disk says \xff%s", "no");
	assert_int_equal(mm_packet_encode_error(2, 5, MM_E_STORE, &out), MM_OK);
	assert_int_equal(mm_shape_decode(&mm_packet_shape, mm_buffer_span(&out),
			     &arena, &packet),
	    MM_OK);
	assert_int_equal(packet.type, 2);
	assert_int_equal(packet.id, 5);
	assert_int_equal(packet.error, MM_E_STORE);
	assert_true(mm_span_is(packet.why, "the disk says ?no"));
	assert_int_equal(packet.body.size, 0);
}

static void
processes_have_names(void **state)
{
	(void)state;
	assert_string_equal(mm_process_name(MM_SUPERVISOR), "supervisor");
	assert_string_equal(mm_process_name(MM_INSPECTOR), "inspector");
	assert_null(mm_process_name(MM_PROCESSES));
	assert_null(mm_process_name(UINT64_MAX));
}

/* ----- services ----- */

struct number {
	uint64_t value;
};
static const struct mm_field number_fields[] = {
    MM_FIELD(number, 0, value, MM_UINT, 0, 1000)};
static MM_SHAPE(number_shape, number, number_fields);

struct many {
	struct mm_list items;
};
static const struct mm_field many_fields[] = {
    MM_MANY(many, 0, items, &mm_bytes_item_shape, 0, 16)};
static MM_SHAPE(many_shape, many, many_fields);

enum { DOUBLE = 1, FAIL = 2, GROW = 3, PING = 4, BARE = 5, ABSENT = 77 };

struct seen {
	unsigned calls, idles, work;
	int pause; /* in ms, between two pieces of work */
	int near; /* is shut when the work is done */
};

static enum mm_error
run_double(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	const struct number *number = request;

	(void)arena;
	((struct seen *)self)->calls++;
	((struct number *)answer)->value = number->value * 2;
	return MM_OK;
}

static enum mm_error
run_fail(void *self, const void *request, struct mm_arena *arena, void *answer)
{
	const struct number *number = request;

	(void)arena;
	(void)answer;
	((struct seen *)self)->calls++;
	return mm_fail(mm_error_from(number->value), "because of %llu",
	    (unsigned long long)number->value);
}

/* As many items of 60,000 bytes as it is asked for. */
static enum mm_error
run_grow(void *self, const void *request, struct mm_arena *arena, void *answer)
{
	static const uint8_t bytes[60000];
	const struct number *number = request;
	struct mm_bytes_item *items =
	    mm_arena_alloc(arena, number->value * sizeof(*items));

	((struct seen *)self)->calls++;
	assert_non_null(items);
	for (size_t i = 0; i < number->value; i++)
		items[i].value = mm_span(bytes, sizeof(bytes));
	((struct many *)answer)->items = (struct mm_list){items, number->value};
	return MM_OK;
}

static enum mm_error
run_ping(void *self, const void *request, struct mm_arena *arena, void *answer)
{
	(void)request;
	(void)arena;
	(void)answer;
	((struct seen *)self)->calls++;
	return MM_OK;
}

static int
work(void *self)
{
	struct seen *seen = self;

	seen->idles++;
	if (seen->work == 0)
		return -1;
	if (--seen->work == 0)
		shutdown(seen->near, SHUT_WR);
	return seen->work > 0 ? seen->pause : -1;
}

static const struct mm_call calls[] = {
    {DOUBLE, "double", &number_shape, &number_shape, run_double},
    {FAIL, "fail", &number_shape, &number_shape, run_fail},
    {GROW, "grow", &number_shape, &many_shape, run_grow},
    {PING, "ping", &mm_nothing_shape, &mm_nothing_shape, run_ping},
    {BARE, "bare", NULL, NULL, run_ping},
};
static const enum mm_error fatal[] = {MM_E_STORE, MM_OK};

static struct mm_service
service_of(struct seen *seen)
{
	return (struct mm_service){.name = "test",
	    .calls = calls,
	    .count = MM_COUNT(calls),
	    .self = seen,
	    .idle = work,
	    .fatal = fatal};
}

static void
ask(int fd, uint64_t type, uint64_t id, uint64_t value)
{
	struct number number = {value};

	assert_int_equal(
	    mm_channel_send(fd, type, id, &number_shape, &number), MM_OK);
}

/* Receives an answer; its error, and its number where there is one. */
static enum mm_error
answer_to(int fd, uint64_t id, uint64_t *value)
{
	mm_auto(received) got = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	struct number number;

	mm_arena_init(&arena, 1024);
	assert_int_equal(mm_channel_receive(fd, &got), MM_OK);
	assert_false(got.closed);
	assert_int_equal(got.packet.id, id);
	if (got.packet.error != 0)
		return mm_error_from(got.packet.error);
	if (value == NULL)
		return MM_OK;
	assert_int_equal(
	    mm_shape_decode(&number_shape, got.packet.body, &arena, &number),
	    MM_OK);
	*value = number.value;
	return MM_OK;
}

static void
assert_closed(int fd)
{
	mm_auto(received) got = {.fds = {-1, -1}};

	assert_int_equal(mm_channel_receive(fd, &got), MM_OK);
	assert_true(got.closed);
}

/* What goes to descriptor 2 in between ends up in `text`. */
static int
capture_begin(int *file)
{
	int saved = dup(STDERR_FILENO);

	*file = new_file();
	assert_true(saved >= 0);
	assert_int_equal(dup2(*file, STDERR_FILENO), STDERR_FILENO);
	return saved;
}

static void
capture_end(int saved, int file, char *text, size_t size)
{
	ssize_t got;

	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	got = pread(file, text, size - 1, 0);
	assert_true(got >= 0);
	text[got] = '\0';
	close(file);
}

/*
 * Serves what has been sent to the far end, until all of it is read. The
 * near end can still read the answers.
 */
static enum mm_error
serve(struct seen *seen, struct ends *ends, char *journal, size_t size)
{
	struct mm_service service = service_of(seen);
	int file;
	int saved = capture_begin(&file);
	enum mm_error error;

	assert_int_equal(shutdown(ends->near, SHUT_WR), 0);
	error = mm_service_run_peer(&service, -1, mm_take_fd(ends->far));
	capture_end(saved, file, journal, size);
	return error;
}

static void
calls_are_answered_in_order(void **state)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	char journal[256];
	uint64_t value;

	(void)state;
	for (uint64_t id = 1; id <= 3; id++)
		ask(ends.near, DOUBLE, id, id * 10);
	assert_int_equal(serve(&seen, &ends, journal, sizeof(journal)), MM_OK);
	for (uint64_t id = 1; id <= 3; id++) {
		assert_int_equal(answer_to(ends.near, id, &value), MM_OK);
		assert_int_equal(value, id * 20);
	}
	assert_closed(ends.near);
	assert_int_equal(seen.calls, 3);
	assert_string_equal(journal, "");
	close(ends.near);
}

static void
a_call_without_id_is_run_and_not_answered(void **state)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	char journal[256];

	(void)state;
	ask(ends.near, DOUBLE, 0, 1);
	ask(ends.near, FAIL, 0, MM_E_BUSY);
	assert_int_equal(serve(&seen, &ends, journal, sizeof(journal)), MM_OK);
	assert_closed(ends.near);
	assert_int_equal(seen.calls, 2);
	close(ends.near);
}

static void
a_failed_call_tells_why_and_the_next_is_served(void **state)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	char journal[256];
	mm_auto(received) got = {.fds = {-1, -1}};
	uint64_t value;

	(void)state;
	ask(ends.near, FAIL, 4, MM_E_DISK_FULL);
	ask(ends.near, DOUBLE, 5, 3);
	assert_int_equal(serve(&seen, &ends, journal, sizeof(journal)), MM_OK);
	assert_int_equal(mm_channel_receive(ends.near, &got), MM_OK);
	assert_int_equal(got.packet.type, FAIL);
	assert_int_equal(got.packet.error, MM_E_DISK_FULL);
	assert_true(mm_span_is(got.packet.why, "because of 113"));
	assert_int_equal(got.packet.body.size, 0);
	assert_int_equal(answer_to(ends.near, 5, &value), MM_OK);
	assert_int_equal(value, 6);
	close(ends.near);
}

static void
an_answer_over_the_limit_is_an_error(void **state)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	char journal[256];

	(void)state;
	ask(ends.near, GROW, 1, 3);
	ask(ends.near, GROW, 2, 4);
	ask(ends.near, GROW, 3, 17);
	ask(ends.near, DOUBLE, 4, 2);
	assert_int_equal(serve(&seen, &ends, journal, sizeof(journal)), MM_OK);
	assert_int_equal(answer_to(ends.near, 1, NULL), MM_OK);
	assert_int_equal(answer_to(ends.near, 2, NULL), MM_E_RANGE);
	assert_int_equal(answer_to(ends.near, 3, NULL), MM_E_RANGE);
	assert_int_equal(answer_to(ends.near, 4, NULL), MM_OK);
	close(ends.near);
}

static void
a_call_that_says_nothing_needs_no_body(void **state)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	struct mm_nothing nothing = {0};
	char journal[256];

	(void)state;
	assert_int_equal(
	    mm_channel_send(ends.near, PING, 1, NULL, NULL), MM_OK);
	assert_int_equal(
	    mm_channel_send(ends.near, PING, 2, &mm_nothing_shape, &nothing),
	    MM_OK);
	assert_int_equal(
	    mm_channel_send(ends.near, BARE, 3, NULL, NULL), MM_OK);
	assert_int_equal(serve(&seen, &ends, journal, sizeof(journal)), MM_OK);
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(answer_to(ends.near, id, NULL), MM_OK);
	assert_int_equal(seen.calls, 3);
	close(ends.near);
}

/* A peer that sends `bytes` is dropped, journaled, and served no more. */
static void
assert_dropped(const char *text, int file, enum mm_error told)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	int fds[2] = {file, -1};
	char journal[1024];
	uint8_t bytes[64];

	assert_int_equal(mm_channel_send_bytes(
			     ends.near, hex(text, bytes, sizeof(bytes)), fds),
	    MM_OK);
	ask(ends.near, DOUBLE, 2, 1);
	assert_int_equal(serve(&seen, &ends, journal, sizeof(journal)), MM_OK);
	assert_non_null(strstr(journal, "peer-dropped: supervisor 0: "));
	assert_int_equal(seen.calls, 0);
	if (told != MM_OK)
		assert_int_equal(answer_to(ends.near, 1, NULL), told);
	assert_closed(ends.near);
	close(ends.near);
}

static void
a_peer_that_breaks_the_protocol_is_dropped(void **state)
{
	int file = new_file();
	size_t before = open_fds();

	(void)state;
	/* No packet at all: there is nothing to answer to. */
	assert_dropped("ff", -1, MM_OK);
	assert_dropped("a2 00 01 01 01 00", -1, MM_OK);
	/* No such call; its body not to its shape; an error in a request. */
	assert_dropped("a2 00 184d 01 01", -1, MM_E_UNKNOWN);
	assert_dropped("a2 00 01 01 01", -1, MM_E_CBOR);
	assert_dropped("a3 00 01 01 01 04 a0", -1, MM_E_SHAPE);
	assert_dropped("a3 00 01 01 01 04 a1 00 1903e9", -1, MM_E_RANGE);
	assert_dropped("a3 00 04 01 01 04 80", -1, MM_E_SHAPE);
	assert_dropped("a3 00 05 01 01 04 00", -1, MM_E_SHAPE);
	assert_dropped("a4 00 01 01 01 02 01 04 a1 00 01", -1, MM_E_SHAPE);
	assert_dropped("a3 00 04 01 01 03 6161", -1, MM_E_SHAPE);
	/* A descriptor that nobody asked for. */
	assert_dropped("a3 00 01 01 01 04 a1 00 01", file, MM_E_SHAPE);
	assert_int_equal(open_fds(), before);
	close(file);
}

static void
a_fatal_error_is_answered_and_ends_the_service(void **state)
{
	struct seen seen = {0};
	struct ends ends = new_channel();
	char journal[256];

	(void)state;
	ask(ends.near, FAIL, 1, MM_E_STORE);
	ask(ends.near, DOUBLE, 2, 1);
	assert_int_equal(
	    serve(&seen, &ends, journal, sizeof(journal)), MM_E_STORE);
	assert_int_equal(answer_to(ends.near, 1, NULL), MM_E_STORE);
	assert_closed(ends.near);
	assert_int_equal(seen.calls, 1);
	close(ends.near);
}

static void
send_link(int control, uint64_t process, uint64_t instance, int fd)
{
	struct mm_control_link link = {process, instance};
	int fds[2] = {fd, -1};
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, 64);
	assert_int_equal(mm_packet_encode(MM_CONTROL_LINK, 0,
			     &mm_control_link_shape, &link, &packet),
	    MM_OK);
	assert_int_equal(
	    mm_channel_send_bytes(control, mm_buffer_span(&packet), fds),
	    MM_OK);
}

static void
send_stop(int control)
{
	assert_int_equal(
	    mm_channel_send(control, MM_CONTROL_STOP, 0, NULL, NULL), MM_OK);
}

static void
assert_ready(int control)
{
	mm_auto(received) got = {.fds = {-1, -1}};

	assert_int_equal(mm_channel_receive(control, &got), MM_OK);
	assert_int_equal(got.packet.type, MM_CONTROL_READY);
}

static enum mm_error
run_controlled(struct seen *seen, int control, char *journal, size_t size)
{
	struct mm_service service = service_of(seen);
	int file;
	int saved = capture_begin(&file);
	enum mm_error error = mm_service_run(&service, control);

	capture_end(saved, file, journal, size);
	return error;
}

static void
it_says_ready_and_stops_when_told(void **state)
{
	struct seen seen = {0};
	struct ends control = new_channel();
	char journal[256];

	(void)state;
	send_stop(control.near);
	assert_int_equal(
	    run_controlled(&seen, control.far, journal, sizeof(journal)),
	    MM_OK);
	assert_ready(control.near);
	/* Its own end is the caller's still. */
	close_both(control);
	control = new_channel();
	close(control.near);
	assert_int_equal(
	    run_controlled(&seen, control.far, journal, sizeof(journal)),
	    MM_OK);
	close(control.far);
}

static void
a_respawned_peer_takes_its_place(void **state)
{
	struct seen seen = {0};
	struct ends control = new_channel();
	struct ends first = new_channel(), second = new_channel();
	size_t before;
	char journal[256];
	uint64_t value;

	(void)state;
	ask(first.near, DOUBLE, 1, 1);
	ask(second.near, DOUBLE, 1, 2);
	send_link(control.near, MM_GATE, 3, first.far);
	send_link(control.near, MM_GATE, 3, second.far);
	send_stop(control.near);
	close(first.far);
	close(second.far);
	before = open_fds();
	assert_int_equal(
	    run_controlled(&seen, control.far, journal, sizeof(journal)),
	    MM_OK);
	assert_int_equal(open_fds(), before);
	assert_int_equal(answer_to(first.near, 1, &value), MM_OK);
	assert_int_equal(value, 2);
	assert_closed(first.near);
	assert_int_equal(answer_to(second.near, 1, &value), MM_OK);
	assert_int_equal(value, 4);
	assert_closed(second.near);
	close(first.near);
	close(second.near);
	close_both(control);
}

static void
peers_beyond_the_table_are_refused(void **state)
{
	struct seen seen = {0};
	struct ends control = new_channel();
	struct ends peers[65];
	char journal[1024];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(peers); i++) {
		peers[i] = new_channel();
		send_link(control.near, MM_GATE, i, peers[i].far);
		close(peers[i].far);
	}
	ask(peers[63].near, DOUBLE, 1, 5);
	send_stop(control.near);
	assert_int_equal(
	    run_controlled(&seen, control.far, journal, sizeof(journal)),
	    MM_OK);
	assert_non_null(strstr(journal, "link-refused: gate 64: "));
	assert_null(strstr(journal, "gate 63"));
	assert_int_equal(answer_to(peers[63].near, 1, NULL), MM_OK);
	for (size_t i = 0; i < MM_COUNT(peers); i++) {
		assert_closed(peers[i].near);
		close(peers[i].near);
	}
	close_both(control);
}

static void
control_messages_for_others_end_the_service(void **state)
{
	static const char *const rows[] = {"ff", "a2 00 01 01 00",
	    "a2 00 02 01 00", "a3 00 02 01 00 04 a2 00 01 01 00",
	    "a3 00 02 01 00 04 a2 00 07 01 00"};
	struct seen seen = {0};
	char journal[256];
	uint8_t bytes[32];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		struct ends control = new_channel();

		assert_int_equal(mm_channel_send_bytes(control.near,
				     hex(rows[i], bytes, sizeof(bytes)), NULL),
		    MM_OK);
		assert_int_not_equal(run_controlled(&seen, control.far, journal,
					 sizeof(journal)),
		    MM_OK);
		close_both(control);
	}
}

static void
idle_work_is_done_when_nobody_waits(void **state)
{
	struct ends ends = new_channel();
	struct seen seen = {.work = 5, .near = ends.near};
	struct mm_service service = service_of(&seen);

	(void)state;
	ask(ends.near, DOUBLE, 1, 1);
	assert_int_equal(mm_service_run_peer(&service, -1, ends.far), MM_OK);
	assert_int_equal(answer_to(ends.near, 1, NULL), MM_OK);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.idles, 5);
	close(ends.near);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
idle_work_waits_as_long_as_it_wants(void **state)
{
	struct ends ends = new_channel();
	struct seen seen = {.work = 4, .pause = 20, .near = ends.near};
	struct mm_service service = service_of(&seen);
	int64_t before = now_ms();

	(void)state;
	assert_int_equal(mm_service_run_peer(&service, -1, ends.far), MM_OK);
	assert_int_equal(seen.idles, 4);
	/* Each of the three pauses may have begun within a millisecond. */
	assert_true(now_ms() - before >= 3 * (seen.pause - 1));
	close(ends.near);
}

static void
a_synchronous_call_gets_its_answer(void **state)
{
	struct seen seen = {0};
	struct mm_service service = service_of(&seen);
	struct ends ends = new_channel();
	struct number request = {21}, answer = {0};
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	pid_t child;

	(void)state;
	mm_arena_init(&arena, 65536);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends.near);
		_exit(mm_service_run_peer(&service, -1, ends.far) != MM_OK);
	}
	close(ends.far);
	assert_int_equal(
	    mm_call_sync(ends.near, DOUBLE, &number_shape, &request,
		&number_shape, &received, &arena, &answer),
	    MM_OK);
	assert_int_equal(answer.value, 42);
	mm_received_clear(&received);
	request.value = MM_E_PIN;
	assert_int_equal(mm_call_sync(ends.near, FAIL, &number_shape, &request,
			     &number_shape, &received, &arena, &answer),
	    MM_E_PIN);
	assert_string_equal(mm_why(MM_E_PIN), "because of 133");
	mm_received_clear(&received);
	assert_int_equal(mm_call_sync(ends.near, PING, NULL, NULL, NULL,
			     &received, &arena, NULL),
	    MM_OK);
	close(ends.near);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
a_synchronous_call_notices_other_answers(void **state)
{
	static const char *const answers[] = {
	    "a2 00 02 01 01", "a2 00 01 01 00", "a2 00 01 01 1903e7", "80"};
	struct number request = {1}, answer;
	uint8_t bytes[16];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(answers); i++) {
		struct ends ends = new_channel();
		mm_auto(received) received = {.fds = {-1, -1}};
		mm_auto(arena) arena = {0};

		mm_arena_init(&arena, 1024);
		assert_int_equal(
		    mm_channel_send_bytes(
			ends.far, hex(answers[i], bytes, sizeof(bytes)), NULL),
		    MM_OK);
		assert_int_equal(
		    mm_call_sync(ends.near, DOUBLE, &number_shape, &request,
			&number_shape, &received, &arena, &answer),
		    MM_E_PEER);
		close_both(ends);
	}
}

static void
a_synchronous_call_to_nobody_fails(void **state)
{
	struct ends ends = new_channel();
	struct number request = {1}, answer;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 1024);
	close(ends.far);
	assert_int_equal(
	    mm_call_sync(ends.near, DOUBLE, &number_shape, &request,
		&number_shape, &received, &arena, &answer),
	    MM_E_AWAY);
	close(ends.near);
}

/* ----- the journal ----- */

static void
a_line_is_one_line(void **state)
{
	char line[2048], text[1500];
	int file;
	int saved = capture_begin(&file);

	(void)state;
	mm_journal_open("test");
	mm_journal(
	    MM_LEVEL_NOTICE, "started", "%d peers\n<0>fake: \x1b[31m", 2);
	capture_end(saved, file, line, sizeof(line));
	assert_string_equal(line, "<5>test: started: 2 peers?<0>fake: ?[31m\n");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	saved = capture_begin(&file);
	mm_journal(MM_LEVEL_ERROR, "long", "%s", text);
	capture_end(saved, file, line, sizeof(line));
	assert_in_range(strlen(line), 1000, 1024);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_memory_equal(line, "<3>test: long: xxx", 18);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ends_are_not_inherited),
	    cmocka_unit_test(packets_arrive_whole_and_in_order),
	    cmocka_unit_test(the_largest_message_passes),
	    cmocka_unit_test(larger_messages_are_refused_on_both_ends),
	    cmocka_unit_test(what_is_no_packet_is_refused),
	    cmocka_unit_test(descriptors_come_along),
	    cmocka_unit_test(refused_messages_leave_no_descriptor),
	    cmocka_unit_test(nothing_full_and_gone_are_told_apart),
	    cmocka_unit_test(last_words_are_heard_after_a_reset),
	    cmocka_unit_test(failures_travel_with_their_reason),
	    cmocka_unit_test(processes_have_names),
	    cmocka_unit_test(calls_are_answered_in_order),
	    cmocka_unit_test(a_call_without_id_is_run_and_not_answered),
	    cmocka_unit_test(a_failed_call_tells_why_and_the_next_is_served),
	    cmocka_unit_test(an_answer_over_the_limit_is_an_error),
	    cmocka_unit_test(a_call_that_says_nothing_needs_no_body),
	    cmocka_unit_test(a_peer_that_breaks_the_protocol_is_dropped),
	    cmocka_unit_test(a_fatal_error_is_answered_and_ends_the_service),
	    cmocka_unit_test(it_says_ready_and_stops_when_told),
	    cmocka_unit_test(a_respawned_peer_takes_its_place),
	    cmocka_unit_test(peers_beyond_the_table_are_refused),
	    cmocka_unit_test(control_messages_for_others_end_the_service),
	    cmocka_unit_test(idle_work_is_done_when_nobody_waits),
	    cmocka_unit_test(idle_work_waits_as_long_as_it_wants),
	    cmocka_unit_test(a_synchronous_call_gets_its_answer),
	    cmocka_unit_test(a_synchronous_call_notices_other_answers),
	    cmocka_unit_test(a_synchronous_call_to_nobody_fails),
	    cmocka_unit_test(a_line_is_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
