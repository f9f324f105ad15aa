/* server/link.h: a channel under libev. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "server/link.h"

enum { BODY = 65535, QUEUE_MAX = 4194304 };

/* What a link's handler has seen. */
struct seen {
	struct ev_loop *loop;
	struct mm_link *link;
	size_t received, closed;
	uint64_t last;
	int fd;            /* taken from a message; -1 */
	size_t stop_after; /* messages after which the loop is left */
	size_t free_after;
};

static void
receive(void *self, struct mm_link *link, struct mm_received *message)
{
	struct seen *seen = self;

	assert_ptr_equal(link, seen->link);
	seen->received++;
	seen->last = message->packet.id;
	if (message->fds[0] >= 0 && seen->fd < 0)
		seen->fd = mm_take_fd(message->fds[0]);
	if (seen->received == seen->free_after) {
		mm_link_free(link);
		seen->link = NULL;
	}
	if (seen->received == seen->stop_after)
		ev_break(seen->loop, EVBREAK_ALL);
}

static void
closed(void *self, struct mm_link *link)
{
	struct seen *seen = self;

	assert_ptr_equal(link, seen->link);
	seen->closed++;
	seen->link = NULL;
	ev_break(seen->loop, EVBREAK_ALL);
}

static size_t
count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

struct fixture {
	struct ev_loop *loop;
	struct seen seen;
	int peer;
	size_t fds;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mm_link_handler handler = {receive, closed, NULL};
	int ends[2], small = 2 * BODY;

	assert_non_null(f);
	f->fds = count_fds();
	f->loop = ev_loop_new(EVFLAG_NOENV);
	assert_non_null(f->loop);
	assert_int_equal(mm_channel_pair(ends), MM_OK);
	/* Full soon, whatever the machine's wmem_max is. */
	assert_int_equal(
	    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
	    0);
	f->peer = ends[1];
	f->seen = (struct seen){.loop = f->loop, .fd = -1};
	handler.self = &f->seen;
	f->seen.link = mm_link_new(f->loop, ends[0], &handler);
	assert_non_null(f->seen.link);
	*state = f;
	return 0;
}

/* Every test ends with no descriptor more than it began with. */
static int
tear_down(void **state)
{
	struct fixture *f = *state;
	size_t left;

	mm_link_free(f->seen.link);
	if (f->seen.fd >= 0)
		close(f->seen.fd);
	if (f->peer >= 0)
		close(f->peer);
	ev_loop_destroy(f->loop);
	left = count_fds() - f->fds;
	free(f);
	return left == 0 ? 0 : -1;
}

static void
run(struct fixture *f)
{
	ev_run(f->loop, 0);
}

/* Whatever is ready now, and nothing that is not. */
static void
run_ready(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		ev_run(f->loop, EVRUN_NOWAIT);
}

static void
send_peer(struct fixture *f, uint64_t id)
{
	assert_int_equal(mm_channel_send(f->peer, 1, id, NULL, NULL), MM_OK);
}

static enum mm_error
send_large(struct fixture *f, uint64_t id, const int fds[MM_CHANNEL_FDS])
{
	static const uint8_t bytes[BODY];
	struct mm_bytes_item body = {mm_span(bytes, sizeof(bytes))};

	return mm_link_send(
	    f->seen.link, 7, id, &mm_bytes_item_shape, &body, fds);
}

/* Takes one message at the peer's end; its id, or 0 where none is there. */
static uint64_t
take_peer(struct fixture *f, int *fd)
{
	mm_auto(received) message = {.fds = {-1, -1}};

	assert_int_equal(fcntl(f->peer, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(mm_channel_receive(f->peer, &message), MM_OK);
	assert_false(message.closed);
	if (message.nothing)
		return 0;
	if (fd != NULL)
		*fd = mm_take_fd(message.fds[0]);
	return message.packet.id;
}

static void
messages_arrive_in_order(void **state)
{
	struct fixture *f = *state;

	for (uint64_t id = 1; id <= 40; id++)
		send_peer(f, id);
	f->seen.stop_after = 40;
	run(f);
	assert_int_equal(f->seen.received, 40);
	assert_int_equal(f->seen.last, 40);
	assert_int_equal(f->seen.closed, 0);
}

static void
what_is_sent_arrives(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    mm_link_send(f->seen.link, 3, 9, NULL, NULL, NULL), MM_OK);
	assert_int_equal(take_peer(f, NULL), 9);
}

static void
a_descriptor_left_in_the_message_is_closed(void **state)
{
	struct fixture *f = *state;
	mm_auto(buffer) packet = {0};
	mm_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fds[MM_CHANNEL_FDS] = {null, null};

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	assert_int_equal(mm_packet_encode(1, 1, NULL, NULL, &packet), MM_OK);
	assert_int_equal(
	    mm_channel_send_bytes(f->peer, mm_buffer_span(&packet), fds),
	    MM_OK);
	f->seen.stop_after = 1;
	run(f);
	/* The first one was taken; tear_down() counts the other. */
	assert_true(f->seen.fd >= 0);
}

static void
a_peer_that_goes_is_told_once(void **state)
{
	struct fixture *f = *state;

	send_peer(f, 1);
	close(mm_take_fd(f->peer));
	run(f);
	assert_int_equal(f->seen.received, 1);
	assert_int_equal(f->seen.closed, 1);
	assert_null(f->seen.link);
}

static void
a_peer_that_breaks_the_protocol_is_dropped(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(send(f->peer, "\xff", 1, 0), 1);
	send_peer(f, 1);
	run(f);
	assert_int_equal(f->seen.received, 0);
	assert_int_equal(f->seen.closed, 1);
}

static void
a_full_channel_queues_and_drains_in_order(void **state)
{
	struct fixture *f = *state;
	enum { MANY = 40 };

	for (uint64_t id = 1; id <= MANY; id++)
		assert_int_equal(send_large(f, id, NULL), MM_OK);
	for (uint64_t id = 1; id <= MANY; id++) {
		ev_run(f->loop, EVRUN_NOWAIT);
		assert_int_equal(take_peer(f, NULL), id);
	}
	run_ready(f);
	assert_int_equal(take_peer(f, NULL), 0);
}

static void
a_full_queue_is_busy_and_recovers(void **state)
{
	struct fixture *f = *state;
	uint64_t sent = 0, taken = 0;
	enum mm_error error;

	while ((error = send_large(f, sent + 1, NULL)) == MM_OK)
		sent++;
	assert_int_equal(error, MM_E_BUSY);
	assert_true(sent * BODY > QUEUE_MAX - BODY);
	assert_true(sent * BODY < QUEUE_MAX * 2);
	/* Why there is no more can be told yet. */
	assert_int_equal(
	    mm_link_send(f->seen.link, 3, ++sent, NULL, NULL, NULL), MM_OK);
	do {
		ev_run(f->loop, EVRUN_NOWAIT);
		assert_int_equal(take_peer(f, NULL), taken + 1);
		taken++;
	} while (taken < sent);
	assert_int_equal(send_large(f, sent + 1, NULL), MM_OK);
	assert_int_equal(take_peer(f, NULL), sent + 1);
}

static void
descriptors_wait_as_copies(void **state)
{
	struct fixture *f = *state;
	int ours = open("/dev/null", O_RDONLY | O_CLOEXEC), theirs = -1;
	int fds[MM_CHANNEL_FDS] = {ours, -1};
	uint64_t sent = 0, taken = 0;
	struct stat a, b;

	while (sent < 20)
		assert_int_equal(send_large(f, ++sent, NULL), MM_OK);
	assert_int_equal(send_large(f, ++sent, fds), MM_OK);
	assert_int_equal(fstat(ours, &a), 0);
	close(ours);
	while (taken < sent) {
		ev_run(f->loop, EVRUN_NOWAIT);
		taken = take_peer(f, &theirs);
	}
	assert_true(theirs >= 0);
	assert_int_equal(fstat(theirs, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(theirs);
}

static void
freeing_drops_what_waits(void **state)
{
	struct fixture *f = *state;
	mm_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fds[MM_CHANNEL_FDS] = {null, -1};

	for (uint64_t id = 1; id <= 20; id++)
		assert_int_equal(send_large(f, id, fds), MM_OK);
	mm_link_free(mm_take(f->seen.link));
	/* In flight too: closed with the socket that holds them. */
	close(mm_take_fd(f->peer));
}

static void
sending_to_a_peer_that_has_gone(void **state)
{
	struct fixture *f = *state;

	close(mm_take_fd(f->peer));
	assert_int_equal(
	    mm_link_send(f->seen.link, 3, 9, NULL, NULL, NULL), MM_E_AWAY);
	run(f);
	assert_int_equal(f->seen.closed, 1);
}

static void
a_peer_that_goes_with_a_full_queue(void **state)
{
	struct fixture *f = *state;

	for (uint64_t id = 1; id <= 20; id++)
		assert_int_equal(send_large(f, id, NULL), MM_OK);
	close(mm_take_fd(f->peer));
	run(f);
	assert_int_equal(f->seen.closed, 1);
}

static void
a_handler_may_free_its_link(void **state)
{
	struct fixture *f = *state;

	send_peer(f, 1);
	send_peer(f, 2);
	f->seen.free_after = 1;
	f->seen.stop_after = 1;
	run(f);
	run_ready(f);
	assert_int_equal(f->seen.received, 1);
	assert_int_equal(f->seen.closed, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(messages_arrive_in_order),
	    TEST(what_is_sent_arrives),
	    TEST(a_descriptor_left_in_the_message_is_closed),
	    TEST(a_peer_that_goes_is_told_once),
	    TEST(a_peer_that_breaks_the_protocol_is_dropped),
	    TEST(a_full_channel_queues_and_drains_in_order),
	    TEST(a_full_queue_is_busy_and_recovers),
	    TEST(descriptors_wait_as_copies),
	    TEST(freeing_drops_what_waits),
	    TEST(sending_to_a_peer_that_has_gone),
	    TEST(a_peer_that_goes_with_a_full_queue),
	    TEST(a_handler_may_free_its_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
