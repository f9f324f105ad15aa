/*
 * Images that are kept until they are fetched. A crash leaves a file without
 * a SHA-256 for a name, which the next start removes.
 */
#include "server/releasing.h"
#include "server/answering.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/journal.h"

enum {
	IMAGES_MAX = 4096,
	NAME_SIZE = 65,
	HOUR = 3600,
	DAY = 86400,
	STEP = 32 /* files looked at in one tick */
};
#define UNNAMED "new-"

static void
name_of(const uint8_t sha256[32], char out[NAME_SIZE])
{
	sodium_bin2hex(out, NAME_SIZE, sha256, 32);
}

/* The number keeps files of one life apart; others are gone. */
static void
name_of_copy(const struct mm_copy *copy, char out[NAME_SIZE])
{
	snprintf(
	    out, NAME_SIZE, UNNAMED "%llu", (unsigned long long)copy->number);
}

static bool
is_image(const char *name, uint8_t sha256[32])
{
	size_t size;
	const char *end;

	return strlen(name) == NAME_SIZE - 1 &&
	       sodium_hex2bin(
		   sha256, 32, name, NAME_SIZE - 1, NULL, &size, &end) == 0 &&
	       size == 32 && *end == '\0';
}

static bool
size_of(const struct mm_authority *a, const char *name, uint64_t *size)
{
	struct stat info;

	if (fstatat(a->images.directory, name, &info, AT_SYMLINK_NOFOLLOW) <
		0 ||
	    !S_ISREG(info.st_mode))
		return false;
	*size = (uint64_t)info.st_size;
	return true;
}

static void
account(struct mm_authority *a, uint64_t size)
{
	a->images.count++;
	a->images.bytes += size;
}

static void
discount(struct mm_authority *a, uint64_t size)
{
	a->images.count -= a->images.count > 0;
	a->images.bytes -= size < a->images.bytes ? size : a->images.bytes;
}

static enum mm_error
failed(const char *what)
{
	enum mm_error error =
	    errno == ENOSPC || errno == EDQUOT ? MM_E_DISK_FULL : MM_E_STATE;

	return mm_fail(error, "images: cannot %s: %s", what, strerror(errno));
}

/* --- the directory --- */

/* A list of its own, which begins at the beginning. */
static DIR *
list(const struct mm_authority *a)
{
	int fd = openat(
	    a->images.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

	if (directory == NULL && fd >= 0)
		close(fd);
	return directory;
}

/* What a former life was copying is of no use. */
static void
take_stock(struct mm_authority *a, const char *name)
{
	uint64_t size;

	if (strncmp(name, UNNAMED, sizeof(UNNAMED) - 1) == 0)
		(void)unlinkat(a->images.directory, name, 0);
	else if (size_of(a, name, &size))
		account(a, size);
}

enum mm_error
mm_images_open(struct mm_authority *a)
{
	char path[4096 + 8], parent[4096];
	const struct dirent *entry;
	DIR *directory;

	mm_span_string(a->configure->settings.index, parent, sizeof(parent));
	snprintf(path, sizeof(path), "%s/images", parent);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return failed("make the directory");
	a->images.directory =
	    open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a->images.directory < 0)
		return failed("open the directory");
	directory = list(a);
	if (directory == NULL)
		return failed("list the directory");
	while ((entry = readdir(directory)) != NULL)
		take_stock(a, entry->d_name);
	closedir(directory);
	return MM_OK;
}

void
mm_images_close(struct mm_authority *a)
{
	if (a->images.sweep != NULL)
		closedir(a->images.sweep);
	if (a->images.directory >= 0)
		close(a->images.directory);
	a->images.sweep = NULL;
	a->images.directory = -1;
}

/* --- one image --- */

enum mm_error
mm_images_new(
    struct mm_authority *a, uint64_t size, struct mm_copy *out, int *fd)
{
	struct mm_copy copy = {a->images.made + 1, size};
	uint64_t room = a->configure->settings.image_room;
	char name[NAME_SIZE];

	if (a->images.count >= IMAGES_MAX || size > room ||
	    a->images.bytes > room - size)
		return mm_fail(MM_E_IMAGES_FULL,
		    "%llu images with %llu bytes wait to be approved or "
		    "fetched, and %llu bytes is all the room that there is: "
		    "fetch or withdraw some",
		    (unsigned long long)a->images.count,
		    (unsigned long long)a->images.bytes,
		    (unsigned long long)room);
	name_of_copy(&copy, name);
	*fd = openat(a->images.directory, name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd < 0)
		return failed("make a file");
	a->images.made = copy.number;
	account(a, size);
	*out = copy;
	return MM_OK;
}

void
mm_images_drop(struct mm_authority *a, struct mm_copy *copy)
{
	char name[NAME_SIZE];

	if (copy->number == 0)
		return;
	name_of_copy(copy, name);
	(void)unlinkat(a->images.directory, name, 0);
	discount(a, copy->size);
	copy->number = 0;
}

enum mm_error
mm_images_keep(
    struct mm_authority *a, struct mm_copy *copy, const uint8_t sha256[32])
{
	char from[NAME_SIZE], to[NAME_SIZE];
	uint64_t size = 0, former = 0;
	bool there;

	name_of_copy(copy, from);
	name_of(sha256, to);
	if (copy->number == 0 || !size_of(a, from, &size) || size != copy->size)
		return mm_fail(MM_E_INSPECTOR,
		    "of the image's %llu bytes %llu were copied",
		    (unsigned long long)copy->size, (unsigned long long)size);
	there = size_of(a, to, &former);
	if (there && mm_release_reads(a, sha256)) {
		mm_images_drop(a, copy);
		(void)utimensat(a->images.directory, to, NULL, 0);
		return MM_OK;
	}
	if (renameat(a->images.directory, from, a->images.directory, to) < 0)
		return failed("rename a file");
	if (there)
		discount(a, former);
	copy->number = 0;
	return MM_OK;
}

bool
mm_images_has(
    const struct mm_authority *a, const uint8_t sha256[32], uint64_t *size)
{
	char name[NAME_SIZE];

	name_of(sha256, name);
	return size_of(a, name, size);
}

enum mm_error
mm_images_find(const struct mm_authority *a, const uint8_t sha256[32], int *fd)
{
	char name[NAME_SIZE];

	name_of(sha256, name);
	*fd = openat(a->images.directory, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd >= 0)
		return MM_OK;
	if (errno != ENOENT)
		return failed("open an image");
	return mm_fail(MM_E_IMAGE_ABSENT,
	    "the appliance does not have the image with the SHA-256 %s: "
	    "submit it",
	    name);
}

void
mm_images_forget(struct mm_authority *a, const uint8_t sha256[32])
{
	char name[NAME_SIZE];
	uint64_t size;

	name_of(sha256, name);
	if (!mm_release_reads(a, sha256) && size_of(a, name, &size) &&
	    unlinkat(a->images.directory, name, 0) == 0)
		discount(a, size);
}

/* --- what nobody needs any more --- */

/* A release or a statement that waits keeps it longer than a day, and nothing
 * longer than the setting says. */
static bool
has_had_its_time(
    struct mm_authority *a, const uint8_t sha256[32], const struct stat *info)
{
	uint64_t now = mm_seconds(CLOCK_REALTIME);
	uint64_t made = (uint64_t)info->st_mtime;
	uint64_t age = now > made ? now - made : 0;
	bool wanted = true;

	if (age > a->configure->settings.image_days * DAY)
		return true;
	return age > DAY &&
	       mm_index_image_wanted(a->index, sha256, now, &wanted) == MM_OK &&
	       !wanted;
}

/* Whether it was removed. */
static bool
sweep_one(struct mm_authority *a, const char *name)
{
	uint8_t sha256[32];
	struct stat info;

	if (!is_image(name, sha256) ||
	    fstatat(a->images.directory, name, &info, AT_SYMLINK_NOFOLLOW) <
		0 ||
	    !has_had_its_time(a, sha256, &info))
		return false;
	mm_images_forget(a, sha256);
	mm_journal(MM_LEVEL_INFO, "image-forgotten",
	    "the image %.16s... has had its time", name);
	return true;
}

void
mm_images_tick(struct mm_authority *a)
{
	if (a->images.sweep == NULL) {
		if (!a->ready || ev_now(a->loop) < a->images.due)
			return;
		a->images.due = ev_now(a->loop) + HOUR;
		a->images.sweep = list(a);
	}
	for (int i = 0; i < STEP && a->images.sweep != NULL; i++) {
		const struct dirent *entry = readdir(a->images.sweep);

		/* A large file takes the disk milliseconds to give up: one at
		 * a time, and whoever asks for something comes between. */
		if (entry != NULL && sweep_one(a, entry->d_name))
			return;
		if (entry != NULL)
			continue;
		closedir(a->images.sweep);
		a->images.sweep = NULL;
	}
}

/* --- read by who may have it --- */

static enum mm_error
read_piece(const struct mm_authority *a, const struct mm_image_request *request,
    uint8_t piece[MM_CHUNK_MAX], struct mm_image_answer *out)
{
	mm_autoclose int fd = -1;
	struct stat info;
	ssize_t got;
	enum mm_error error = mm_images_find(a, request->sha256, &fd);

	if (error != MM_OK)
		return error;
	if (fstat(fd, &info) < 0)
		return failed("look at an image");
	if (request->offset >= (uint64_t)info.st_size)
		return mm_fail(MM_E_RANGE,
		    "the image ends before its byte %llu",
		    (unsigned long long)request->offset);
	got = pread(fd, piece, MM_CHUNK_MAX, (off_t)request->offset);
	if (got <= 0)
		return failed("read an image");
	out->size = (uint64_t)info.st_size;
	out->data = mm_span(piece, (size_t)got);
	return MM_OK;
}

/* Whether all releases of an image are signed, and there is one. */
static enum mm_error
is_done_with(struct mm_authority *a, struct mm_job *job,
    const uint8_t sha256[32], bool *out)
{
	struct mm_list releases;
	enum mm_error error = mm_index_image_releases(
	    a->index, sha256, MM_ROWS_MAX, &job->arena, &releases);

	*out = error == MM_OK && releases.count > 0;
	for (size_t i = 0; error == MM_OK && i < releases.count; i++) {
		struct mm_approved approved;
		uint64_t state = 0;

		error = mm_approved_read(a,
		    mm_list_at(releases, struct mm_uint_item, i)->value,
		    &job->arena, &approved);
		if (error == MM_OK)
			error =
			    mm_release_state(a, &approved, &job->arena, &state);
		*out = *out && state == MM_RELEASE_SIGNED;
	}
	return error;
}

static enum mm_error
finish(struct mm_authority *a, struct mm_job *job,
    const struct mm_image_request *request, struct mm_image_answer *out)
{
	bool done = false;
	enum mm_error error;

	if (!mm_images_has(a, request->sha256, &out->size))
		return mm_plain(MM_E_IMAGE_ABSENT);
	error = is_done_with(a, job, request->sha256, &done);
	if (error == MM_OK && done)
		mm_images_forget(a, request->sha256);
	return error;
}

void
mm_image_decide(struct mm_authority *a, struct mm_job *job)
{
	static uint8_t piece[MM_CHUNK_MAX];
	struct mm_image_answer answer = {0};
	struct mm_image_request request;
	enum mm_error error = mm_shape_decode(
	    &mm_image_request_shape, job->ask.body, &job->arena, &request);

	if (error == MM_OK && request.done)
		error = finish(a, job, &request, &answer);
	else if (error == MM_OK)
		error = read_piece(a, &request, piece, &answer);
	if (error == MM_OK)
		mm_answer(a, job, &mm_image_answer_shape, &answer);
	else
		mm_answer_error(a, job, error);
}
