#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 1024 };

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool
parse_port(const char *text, uint16_t *out)
{
	unsigned long port = 0;

	if (*text == '\0' || strspn(text, "0123456789") != strlen(text) ||
	    strlen(text) > 5)
		return false;
	port = strtoul(text, NULL, 10);
	*out = (uint16_t)port;
	return port <= UINT16_MAX;
}

/* Numbers only: a name could mean anything tomorrow. */
static bool
parse(char *text, union any_address *out, socklen_t *size)
{
	char *colon = strrchr(text, ':');
	uint16_t port;

	if (colon == NULL || !parse_port(colon + 1, &port))
		return false;
	*colon = '\0';
	memset(out, 0, sizeof(*out));
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		*size = sizeof(out->v6);
		return inet_pton(AF_INET6, text + 1, &out->v6.sin6_addr) == 1;
	}
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons(port);
	*size = sizeof(out->v4);
	return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1;
}

static bool
name_of(int fd, char out[MM_ADDRESS_MAX])
{
	union any_address address;
	socklen_t size = sizeof(address);
	char host[INET6_ADDRSTRLEN];
	bool six;

	if (getsockname(fd, &address.any, &size) < 0)
		return false;
	six = address.any.sa_family == AF_INET6;
	if (inet_ntop(address.any.sa_family,
		six ? (const void *)&address.v6.sin6_addr
		    : (const void *)&address.v4.sin_addr,
		host, sizeof(host)) == NULL)
		return false;
	snprintf(out, MM_ADDRESS_MAX, six ? "[%s]:%u" : "%s:%u", host,
	    (unsigned)ntohs(six ? address.v6.sin6_port : address.v4.sin_port));
	return true;
}

static int
bind_socket(const union any_address *address, socklen_t size)
{
	mm_autoclose int fd = socket(address->any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	if (address->any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -1;
	if (bind(fd, &address->any, size) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return mm_take_fd(fd);
}

enum mm_error
mm_listen(struct mm_span address, struct mm_listener *out)
{
	struct mm_listener listener;
	union any_address parsed;
	socklen_t size;
	char text[MM_ADDRESS_MAX];

	mm_span_string(address, text, sizeof(text));
	if (address.size >= sizeof(text) || !parse(text, &parsed, &size))
		return mm_fail(MM_E_SETTING,
		    "listen: \"%.*s\" is not an address like 127.0.0.1:7433 "
		    "or [::1]:7433",
		    MM_SPAN(address));
	listener.fd = bind_socket(&parsed, size);
	if (listener.fd < 0 || !name_of(listener.fd, listener.address)) {
		mm_fail(MM_E_SETTING, "cannot listen on %.*s: %s",
		    MM_SPAN(address), strerror(errno));
		mm_own_close_(&listener.fd);
		return MM_E_SETTING;
	}
	*out = listener;
	return MM_OK;
}
