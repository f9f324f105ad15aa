#include "server/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "protocol/own.h"

static struct sockaddr_un address;
static socklen_t address_size;

void
mm_notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path != NULL ? strlen(path) : 0;

	if (length < 2 || length >= sizeof(address.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') /* an abstract name */
		address.sun_path[0] = '\0';
	address_size =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void
mm_notify(const char *state)
{
	mm_autoclose int fd = -1;

	if (address_size == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* systemd's own timeouts tell of a datagram that did not arrive. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)&address, address_size);
}
