/*
 * Devices from standard input, a line each, and each at once.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "ca/profile.h"
#include "cli/produce_list.h"

/* Takes a line out of what was typed; at the end also one without its LF.
 * False: there is none yet. */
static bool
take_line(struct mm_device_list *list, bool end, struct mm_span *line,
    char out[sizeof(list->typed)])
{
	const char *lf = memchr(list->typed, '\n', list->typed_size);
	size_t size =
	    lf != NULL ? (size_t)(lf - list->typed) : list->typed_size;
	size_t taken = lf != NULL ? size + 1 : size;

	if (lf == NULL && size < sizeof(list->typed) && (!end || size == 0))
		return false;
	memcpy(out, list->typed, size);
	memmove(list->typed, list->typed + taken, list->typed_size - taken);
	list->typed_size -= taken;
	*line = mm_span(out, size);
	return true;
}

static struct mm_span
trim(struct mm_span line)
{
	static const char blank[] = " \t\r";

	while (line.size > 0 && strchr(blank, line.data[0]) != NULL)
		line = mm_span(line.data + 1, line.size - 1);
	while (line.size > 0 && strchr(blank, line.data[line.size - 1]) != NULL)
		line.size--;
	return line;
}

/* Waits for more to be typed; false: the run is to stop. */
static bool
wait_typed(struct mm_stop *stop)
{
	struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN},
	    {.fd = stop->fd, .events = POLLIN}};

	while (mm_stop_count(stop) == 0)
		if (poll(wait, MM_COUNT(wait), -1) > 0 && wait[0].revents != 0)
			return true;
	return false;
}

static enum mm_error
read_typed(struct mm_device_list *list, bool *end)
{
	ssize_t got = read(STDIN_FILENO, list->typed + list->typed_size,
	    sizeof(list->typed) - list->typed_size);

	if (got < 0 && errno != EINTR && errno != EAGAIN)
		return mm_fail(MM_E_FILE, "cannot read standard input: %s",
		    strerror(errno));
	if (got > 0)
		list->typed_size += (size_t)got;
	*end = got == 0;
	return MM_OK;
}

static enum mm_error
take_device(
    struct mm_device_list *list, struct mm_span line, struct mm_list_item *out)
{
	enum mm_error error = mm_device_check(line);

	memcpy(list->scanned, line.data, line.size);
	list->scanned[line.size] = '\0';
	out->device = mm_span(list->scanned, line.size);
	if (error != MM_OK)
		return error;
	out->line = 0;
	out->given.items[0] = (struct mm_label_value){
	    .name = mm_span_text("device"), .value = out->device};
	memcpy(out->given.items + 1, list->values,
	    list->value_count * sizeof(list->values[0]));
	out->given.count = 1 + list->value_count;
	return MM_OK;
}

enum mm_error
mm_device_list_scan(struct mm_device_list *list, struct mm_stop *stop,
    struct mm_list_item *out, bool *more)
{
	char text[sizeof(list->typed)];
	enum mm_error error = MM_OK;
	bool end = false;

	*more = false;
	while (error == MM_OK) {
		struct mm_span line;

		if (take_line(list, end, &line, text)) {
			line = trim(line);
			*more = line.size > 0;
			if (*more)
				return take_device(list, line, out);
			continue;
		}
		if (end || !wait_typed(stop))
			return MM_OK;
		error = read_typed(list, &end);
	}
	return error;
}
