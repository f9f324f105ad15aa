#include "server/upload.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "protocol/sealed.h"

enum mm_error
mm_upload_open(uint64_t number, uint64_t size, struct mm_upload *out)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot hold an image: %s", strerror(errno));
	*out = (struct mm_upload){.fd = fd, .number = number, .size = size};
	return MM_OK;
}

bool
mm_upload_is_part(int fd, uint64_t received)
{
	struct stat status;

	/* Only a memfd has seals to tell; any but none stops its growth. */
	return fd >= 0 && fcntl(fd, F_GET_SEALS) == 0 &&
	       fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       (uint64_t)status.st_size == received;
}

enum mm_error
mm_upload_resume(uint64_t number, uint64_t size, uint64_t received, int fd,
    struct mm_upload *out)
{
	if (received > size || !mm_upload_is_part(fd, received))
		return mm_fail(MM_E_UPLOAD,
		    "what came of the image before is of no use: upload it "
		    "from its beginning");
	*out = (struct mm_upload){
	    .fd = fd, .number = number, .size = size, .received = received};
	return MM_OK;
}

static enum mm_error
check_number(const struct mm_upload *upload, uint64_t number)
{
	if (upload->fd >= 0 && upload->number == number)
		return MM_OK;
	return mm_fail(MM_E_UPLOAD,
	    "there is no upload %llu on this connection",
	    (unsigned long long)number);
}

static enum mm_error
append(struct mm_upload *upload, struct mm_span data)
{
	while (data.size > 0) {
		ssize_t put = pwrite(
		    upload->fd, data.data, data.size, (off_t)upload->received);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return mm_fail(MM_E_MEMORY, "cannot hold the image: %s",
			    strerror(errno));
		data.data += put;
		data.size -= (size_t)put;
		upload->received += (uint64_t)put;
	}
	return MM_OK;
}

enum mm_error
mm_upload_add(struct mm_upload *upload, uint64_t number, uint64_t offset,
    struct mm_span data)
{
	enum mm_error error = check_number(upload, number);

	if (error != MM_OK)
		return error;
	if (offset != upload->received)
		return mm_fail(MM_E_UPLOAD,
		    "a chunk begins at %llu where %llu was expected",
		    (unsigned long long)offset,
		    (unsigned long long)upload->received);
	if (data.size > upload->size - upload->received)
		return mm_fail(MM_E_UPLOAD,
		    "more bytes came than the %llu announced",
		    (unsigned long long)upload->size);
	return append(upload, data);
}

enum mm_error
mm_upload_seal(struct mm_upload *upload, uint64_t number)
{
	enum mm_error error = check_number(upload, number);
	int seals;

	if (error != MM_OK)
		return error;
	if (upload->received != upload->size)
		return mm_fail(MM_E_UPLOAD, "%llu of %llu bytes have come",
		    (unsigned long long)upload->received,
		    (unsigned long long)upload->size);
	seals = fcntl(upload->fd, F_GET_SEALS);
	if (seals != MM_SEALS && fcntl(upload->fd, F_ADD_SEALS, MM_SEALS) != 0)
		return mm_fail(
		    MM_E_SYSTEM, "cannot seal the image: %s", strerror(errno));
	upload->sealed = true;
	return MM_OK;
}

void
mm_upload_clear(struct mm_upload *upload)
{
	if (upload->fd >= 0)
		close(upload->fd);
	*upload = MM_UPLOAD_NONE;
}
