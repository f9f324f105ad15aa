#include "protocol/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/text.h"

enum {
	WHY_MAX_BYTES = 512,
	/* Some messages may wait; the kernel cuts this to wmem_max. */
	SEND_BUFFER = 4 * MM_CHANNEL_MAX,
	FDS_BYTES = MM_CHANNEL_FDS * sizeof(int),
	PACKET_ARENA = 1024
};

static const struct mm_field packet_fields[] = {
    MM_FIELD(mm_packet, 0, type, MM_UINT, 0, 255),
    MM_FIELD(mm_packet, 1, id, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_packet, 2, error, MM_UINT, 1, 65535),
    MM_OPTIONAL(mm_packet, 3, why, MM_TEXT, 1, WHY_MAX_BYTES),
    MM_OPTIONAL(mm_packet, 4, body, MM_ITEM, 1, MM_CHANNEL_MAX)};
MM_SHAPE(mm_packet_shape, mm_packet, packet_fields);

static const char *const processes[MM_PROCESSES] = {
    [MM_SUPERVISOR] = "supervisor",
    [MM_GATE] = "gate",
    [MM_AUTHORITY] = "authority",
    [MM_NOTARY] = "notary",
    [MM_TOKEN] = "token",
    [MM_ARCHIVE] = "archive",
    [MM_INSPECTOR] = "inspector",
};

/* Room for the descriptors of one message, aligned for its header. */
union ancillary {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(FDS_BYTES)];
};

const char *
mm_process_name(uint64_t process)
{
	return process < MM_COUNT(processes) ? processes[process] : NULL;
}

static void
received_init(struct mm_received *received)
{
	*received = (struct mm_received){.fds = {-1, -1}};
	mm_buffer_init(&received->bytes, MM_CHANNEL_MAX);
}

void
mm_received_clear(struct mm_received *received)
{
	for (size_t i = 0; i < MM_CHANNEL_FDS; i++)
		if (received->fds[i] >= 0)
			close(received->fds[i]);
	mm_buffer_clear(&received->bytes);
	received_init(received);
}

enum mm_error
mm_channel_pair(int ends[2])
{
	int pair[2];
	int size = SEND_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot make a channel: %s", strerror(errno));
	for (size_t i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size,
			sizeof(size)) < 0) {
			close(pair[0]);
			close(pair[1]);
			return mm_fail(MM_E_SYSTEM, "cannot size a channel: %s",
			    strerror(errno));
		}
	memcpy(ends, pair, sizeof(pair));
	return MM_OK;
}

static void
take_fds(struct msghdr *message, struct mm_received *out)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len > CMSG_LEN(FDS_BYTES))
		return;
	memcpy(out->fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
}

static enum mm_error
decode(struct mm_received *out)
{
	mm_auto(arena) arena = {0};

	enum mm_error error;

	mm_arena_init(&arena, PACKET_ARENA);
	error = mm_shape_decode(&mm_packet_shape, mm_buffer_span(&out->bytes),
	    &arena, &out->packet);
	/* A lack of memory says nothing about the peer. */
	if (error == MM_OK || error == MM_E_MEMORY)
		return error;
	return mm_fail(MM_E_PEER, "what came is no packet");
}

/*
 * A peer that closed before it had read everything shows as ECONNRESET, once,
 * ahead of what it had still sent: that is read as well.
 */
static ssize_t
receive_message(int fd, struct msghdr *message)
{
	struct msghdr fresh = *message;
	ssize_t got;

	do {
		*message = fresh;
		got = recvmsg(fd, message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && (errno == EINTR || errno == ECONNRESET));
	return got;
}

enum mm_error
mm_channel_receive(int fd, struct mm_received *out)
{
	/* One for the process: it is single-threaded, and copies are small. */
	static uint8_t room[MM_CHANNEL_MAX];
	union ancillary ancillary;
	struct iovec part = {.iov_base = room, .iov_len = sizeof(room)};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = ancillary.bytes,
	    .msg_controllen = sizeof(ancillary.bytes)};
	ssize_t got;

	received_init(out);
	got = receive_message(fd, &message);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		out->nothing = true;
		return MM_OK;
	}
	if (got < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot receive: %s", strerror(errno));
	take_fds(&message, out);
	if (got == 0) {
		mm_received_clear(out);
		out->closed = true;
		return MM_OK;
	}
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		mm_received_clear(out);
		return mm_fail(MM_E_PEER, "a message over the limits came");
	}
	mm_buffer_add(&out->bytes, room, (size_t)got);
	if (out->bytes.error != MM_OK)
		return mm_fail(out->bytes.error, "no memory for a message");
	return decode(out);
}

static void
put_fds(const int fds[MM_CHANNEL_FDS], union ancillary *ancillary,
    struct msghdr *message)
{
	int there[MM_CHANNEL_FDS];
	size_t count = 0;

	for (size_t i = 0; fds != NULL && i < MM_CHANNEL_FDS; i++)
		if (fds[i] >= 0)
			there[count++] = fds[i];
	if (count == 0)
		return;
	memset(ancillary, 0, sizeof(*ancillary));
	message->msg_control = ancillary->bytes;
	message->msg_controllen = CMSG_SPACE(count * sizeof(int));
	ancillary->header.cmsg_level = SOL_SOCKET;
	ancillary->header.cmsg_type = SCM_RIGHTS;
	ancillary->header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&ancillary->header), there, count * sizeof(int));
}

static enum mm_error
send_error(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ETOOMANYREFS: /* descriptors that nobody has taken yet */
		return mm_fail(MM_E_BUSY, "the channel is full");
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return mm_fail(MM_E_AWAY, "the other process has gone");
	case EMSGSIZE:
		return mm_fail(MM_E_RANGE, "the message is too large");
	default:
		return mm_fail(MM_E_SYSTEM, "cannot send: %s", strerror(error));
	}
}

enum mm_error
mm_channel_send_bytes(
    int fd, struct mm_span packet, const int fds[MM_CHANNEL_FDS])
{
	union ancillary ancillary;
	struct iovec part = {
	    .iov_base = (void *)packet.data, .iov_len = packet.size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t put;

	if (packet.size == 0 || packet.size > MM_CHANNEL_MAX)
		return mm_fail(MM_E_RANGE,
		    "a message of %zu bytes; 1 to %d are allowed", packet.size,
		    MM_CHANNEL_MAX);
	put_fds(fds, &ancillary, &message);
	do
		put = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? send_error(errno) : MM_OK;
}

enum mm_error
mm_packet_encode(uint64_t type, uint64_t id, const struct mm_shape *shape,
    const void *body, struct mm_buffer *out)
{
	struct mm_packet packet = {.type = type, .id = id};
	mm_auto(buffer) item = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&item, MM_CHANNEL_MAX);
	if (shape != NULL)
		error = mm_shape_encode(shape, body, &item);
	if (error != MM_OK)
		return error;
	packet.body = mm_buffer_span(&item);
	return mm_shape_encode(&mm_packet_shape, &packet, out);
}

enum mm_error
mm_packet_encode_error(
    uint64_t type, uint64_t id, enum mm_error error, struct mm_buffer *out)
{
	char why[WHY_MAX_BYTES + 1];
	struct mm_packet packet = {
	    .type = type, .id = id, .error = (uint64_t)error};

	packet.why = mm_span(
	    why, mm_text_clean(mm_span_text(mm_why(error)), why, sizeof(why)));
	return mm_shape_encode(&mm_packet_shape, &packet, out);
}

enum mm_error
mm_channel_send(int fd, uint64_t type, uint64_t id,
    const struct mm_shape *shape, const void *body)
{
	mm_auto(buffer) packet = {0};
	enum mm_error error;

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	error = mm_packet_encode(type, id, shape, body, &packet);
	if (error != MM_OK)
		return error;
	return mm_channel_send_bytes(fd, mm_buffer_span(&packet), NULL);
}
