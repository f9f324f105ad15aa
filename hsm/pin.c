#include "hsm/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* What systemd gives a unit that runs as User=: acl(5) in the kernel's form. */
struct acl_row {
	uint16_t tag, permission;
	uint32_t id;
};
enum {
	ACL_HEADER = 4,
	ACL_ROWS = 16,
	ACL_OTHERS_USER = 0x02, /* tags */
	ACL_OWNING_GROUP = 0x04,
	ACL_OTHERS_GROUP = 0x08
};

/* Where there is an ACL, the mode's group bits are only its mask. */
static bool
acl_is_private(int fd)
{
	uint8_t bytes[ACL_HEADER + ACL_ROWS * sizeof(struct acl_row)];
	ssize_t size =
	    fgetxattr(fd, "system.posix_acl_access", bytes, sizeof(bytes));
	struct acl_row row;

	if (size < ACL_HEADER)
		return false;
	for (size_t at = ACL_HEADER; at + sizeof(row) <= (size_t)size;
	     at += sizeof(row)) {
		memcpy(&row, bytes + at, sizeof(row));
		if (row.permission != 0 &&
		    (row.tag == ACL_OWNING_GROUP ||
			row.tag == ACL_OTHERS_GROUP ||
			(row.tag == ACL_OTHERS_USER && row.id != geteuid())))
			return false;
	}
	return true;
}

static enum mm_error
check_file(const char *path, int fd)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_PIN, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return mm_fail(
		    MM_E_PIN, "the PIN file %s is not a regular file", path);
	if (info.st_uid != geteuid() && info.st_uid != 0)
		return mm_fail(MM_E_PIN,
		    "the PIN file %s belongs to somebody else: chown it to "
		    "the token process's user",
		    path);
	if ((info.st_mode & S_IRWXO) != 0 ||
	    ((info.st_mode & S_IRWXG) != 0 && !acl_is_private(fd)))
		return mm_fail(MM_E_PIN,
		    "the PIN file %s is open to its group or to others: "
		    "chmod 600 it, and change the PIN if others may have "
		    "read it",
		    path);
	return MM_OK;
}

/* The PIN is the file's one line; its newline may be missing. */
static enum mm_error
take_line(const char *path, char *text, size_t size)
{
	if (size > 0 && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	if (size == 0 || size > MM_PIN_MAX)
		return mm_fail(MM_E_PIN,
		    "the PIN file %s must hold 1 to %d characters", path,
		    MM_PIN_MAX);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ')
			return mm_fail(MM_E_PIN,
			    "the PIN file %s must hold one line and nothing "
			    "else",
			    path);
	return MM_OK;
}

enum mm_error
mm_pin_read(const char *path, int opened, char **out)
{
	mm_autoclose int fd =
	    opened >= 0 ? opened
			: open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
					 O_NOCTTY | O_NONBLOCK);
	enum mm_error error;
	size_t size = 0;
	ssize_t got = 0;
	char *text;

	if (fd < 0)
		return mm_fail(MM_E_PIN, "cannot read the PIN file %s: %s",
		    path,
		    errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	error = check_file(path, fd);
	if (error != MM_OK)
		return error;
	/* The longest PIN, a newline, one byte too many, and the NUL. */
	text = sodium_init() < 0 ? NULL : sodium_malloc(MM_PIN_MAX + 3);
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no locked memory for the PIN");
	while (size < MM_PIN_MAX + 2 &&
	       (got = read(fd, text + size, MM_PIN_MAX + 2 - size)) > 0)
		size += (size_t)got;
	error = got < 0 ? mm_fail(MM_E_PIN, "cannot read the PIN file %s: %s",
			      path, strerror(errno))
			: take_line(path, text, size);
	if (error != MM_OK)
		mm_pin_free(&text);
	else
		*out = text;
	return error;
}

void
mm_pin_free(char **pin)
{
	sodium_free(*pin);
	*pin = NULL;
}
