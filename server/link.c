#include "server/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
	QUEUE_MAX = 4194304, /* bytes that wait, their bookkeeping included */
	SMALL = 1024,        /* bytes of a message that says why there is no
			      * other: such have as much again */
	TURN = 16            /* messages taken before others have their turn */
};

/* One message that waits for room in the channel. */
struct waiting {
	struct waiting *next;
	struct mm_buffer bytes;
	int fds[MM_CHANNEL_FDS];
};

struct mm_link {
	struct ev_loop *loop;
	struct mm_link_handler handler;
	struct ev_io reader, writer;
	struct waiting *first, **last;
	size_t queued;
	int fd;
	bool broken, failed;
	/* The handler is being run: freeing waits until it has returned. */
	bool busy, freed;
};

static void
waiting_free(struct waiting *waiting)
{
	if (waiting == NULL)
		return;
	for (size_t i = 0; i < MM_CHANNEL_FDS; i++)
		if (waiting->fds[i] >= 0)
			close(waiting->fds[i]);
	mm_buffer_clear(&waiting->bytes);
	free(waiting);
}

static size_t
cost(struct mm_span packet)
{
	return sizeof(struct waiting) + packet.size;
}

static void
drop_first(struct mm_link *link)
{
	struct waiting *waiting = link->first;

	link->first = waiting->next;
	if (link->first == NULL)
		link->last = &link->first;
	link->queued -= cost(mm_buffer_span(&waiting->bytes));
	waiting_free(waiting);
}

void
mm_link_free(struct mm_link *link)
{
	if (link == NULL)
		return;
	ev_io_stop(link->loop, &link->reader);
	ev_io_stop(link->loop, &link->writer);
	if (link->busy) {
		link->freed = true;
		return;
	}
	while (link->first != NULL)
		drop_first(link);
	close(link->fd);
	free(link);
}

/* After this the link is gone. */
static void
end(struct mm_link *link)
{
	link->busy = true;
	link->handler.closed(link->handler.self, link);
	link->busy = false;
	mm_link_free(link);
}

/* Hands one message on; false where there is none, or no link any more. */
static bool
receive_one(struct mm_link *link)
{
	mm_auto(received) message = {.fds = {-1, -1}};
	enum mm_error error = mm_channel_receive(link->fd, &message);

	if (error != MM_OK || message.closed) {
		link->broken = error == MM_E_PEER;
		link->failed = error != MM_OK && !link->broken;
		end(link);
		return false;
	}
	if (message.nothing)
		return false;
	link->busy = true;
	link->handler.receive(link->handler.self, link, &message);
	link->busy = false;
	if (link->freed) {
		mm_link_free(link);
		return false;
	}
	return true;
}

static void
readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct mm_link *link = io->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < TURN; i++)
		if (!receive_one(link))
			return;
}

static void
writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct mm_link *link = io->data;
	enum mm_error error = MM_OK;

	(void)events;
	while (link->first != NULL && error == MM_OK) {
		struct waiting *waiting = link->first;

		error = mm_channel_send_bytes(
		    link->fd, mm_buffer_span(&waiting->bytes), waiting->fds);
		if (error == MM_OK)
			drop_first(link);
	}
	if (link->first == NULL) {
		ev_io_stop(loop, io);
	} else if (error != MM_E_BUSY) {
		link->failed = error != MM_E_AWAY;
		end(link);
	}
}

struct mm_link *
mm_link_new(struct ev_loop *loop, int fd, const struct mm_link_handler *handler)
{
	struct mm_link *link = calloc(1, sizeof(*link));
	int flags = fcntl(fd, F_GETFL);

	if (link == NULL || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(link);
		close(fd);
		return NULL;
	}
	link->loop = loop;
	link->handler = *handler;
	link->fd = fd;
	link->last = &link->first;
	ev_io_init(&link->reader, readable, fd, EV_READ);
	ev_io_init(&link->writer, writable, fd, EV_WRITE);
	link->reader.data = link->writer.data = link;
	ev_io_start(loop, &link->reader);
	return link;
}

static enum mm_error
duplicate(const int fds[MM_CHANNEL_FDS], int out[MM_CHANNEL_FDS])
{
	for (size_t i = 0; i < MM_CHANNEL_FDS; i++) {
		if (fds[i] < 0)
			continue;
		out[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (out[i] < 0)
			return mm_fail(MM_E_SYSTEM,
			    "cannot keep a descriptor: %s", strerror(errno));
	}
	return MM_OK;
}

/* Takes the packet's bytes where it succeeds. */
static enum mm_error
queue(struct mm_link *link, struct mm_buffer *packet,
    const int fds[MM_CHANNEL_FDS])
{
	size_t room = packet->size <= SMALL ? 2 * QUEUE_MAX : QUEUE_MAX;
	struct waiting *waiting;
	enum mm_error error;

	if (link->queued + cost(mm_buffer_span(packet)) > room)
		return mm_fail(MM_E_BUSY, "too much waits for a process");
	waiting = calloc(1, sizeof(*waiting));
	if (waiting == NULL)
		return mm_fail(MM_E_MEMORY, "no memory to queue a message");
	for (size_t i = 0; i < MM_CHANNEL_FDS; i++)
		waiting->fds[i] = -1;
	error = duplicate(fds, waiting->fds);
	if (error != MM_OK) {
		waiting_free(waiting);
		return error;
	}
	waiting->bytes = *packet;
	mm_buffer_init(packet, 0);
	link->queued += cost(mm_buffer_span(&waiting->bytes));
	*link->last = waiting;
	link->last = &waiting->next;
	ev_io_start(link->loop, &link->writer);
	return MM_OK;
}

enum mm_error
mm_link_send(struct mm_link *link, uint64_t type, uint64_t id,
    const struct mm_shape *shape, const void *body,
    const int fds[MM_CHANNEL_FDS])
{
	static const int none[MM_CHANNEL_FDS] = {-1, -1};
	mm_auto(buffer) packet = {0};
	enum mm_error error;

	if (fds == NULL)
		fds = none;
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	error = mm_packet_encode(type, id, shape, body, &packet);
	/* What waits already goes first. */
	if (error == MM_OK)
		error = link->first != NULL ? MM_E_BUSY
					    : mm_channel_send_bytes(link->fd,
						  mm_buffer_span(&packet), fds);
	if (error == MM_E_BUSY)
		error = queue(link, &packet, fds);
	return error;
}

bool
mm_link_broken(const struct mm_link *link)
{
	return link->broken;
}

bool
mm_link_failed(const struct mm_link *link)
{
	return link->failed;
}
