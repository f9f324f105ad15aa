#include "log/anchor.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "log/held.h"

enum {
	SLOTS = 2,
	SLOT_SIZE = 512,
	/* A disk may tear whole blocks of this size. */
	SLOT_DISTANCE = 4096
};

/* A slot as it lies on the disk; numbers are big-endian. */
struct slot {
	uint8_t magic[8];
	uint64_t sequence, size, time;
	uint8_t log_key[32], root[32];
	uint8_t unused[SLOT_SIZE - 8 - 3 * 8 - 2 * 32 - 32];
	uint8_t digest[32]; /* SHA-256 of all before it */
};
_Static_assert(sizeof(struct slot) == SLOT_SIZE, "a slot has no padding");

static const uint8_t magic[8] = {'m', 'm', 'a', 'n', 'c', 'h', 'r', '1'};

struct mm_anchor {
	int fd;
	uint64_t sequence; /* of the newest slot */
	struct mm_anchored last;
};

static void
slot_encode(uint64_t sequence, const struct mm_anchored *in, struct slot *out)
{
	*out = (struct slot){.sequence = htobe64(sequence),
	    .size = htobe64(in->size),
	    .time = htobe64(in->time)};
	memcpy(out->magic, magic, sizeof(magic));
	memcpy(out->log_key, in->log_key, sizeof(out->log_key));
	memcpy(out->root, in->root.bytes, sizeof(out->root));
	crypto_hash_sha256(
	    out->digest, (const uint8_t *)out, offsetof(struct slot, digest));
}

static bool
slot_decode(const struct slot *in, uint64_t *sequence, struct mm_anchored *out)
{
	uint8_t digest[32];

	crypto_hash_sha256(
	    digest, (const uint8_t *)in, offsetof(struct slot, digest));
	if (memcmp(in->magic, magic, sizeof(magic)) != 0 ||
	    memcmp(in->digest, digest, sizeof(digest)) != 0)
		return false;
	*sequence = be64toh(in->sequence);
	out->size = be64toh(in->size);
	out->time = be64toh(in->time);
	memcpy(out->log_key, in->log_key, sizeof(in->log_key));
	memcpy(out->root.bytes, in->root, sizeof(in->root));
	return true;
}

/* The slot of a sequence number, flushed to the disk. */
static enum mm_error
slot_write(int fd, uint64_t sequence, const struct mm_anchored *anchored)
{
	struct slot slot;
	off_t at = (off_t)(sequence % SLOTS) * SLOT_DISTANCE;

	slot_encode(sequence, anchored, &slot);
	/* A failed flush is never retried: the pages may be gone. */
	if (pwrite(fd, &slot, sizeof(slot), at) != (ssize_t)sizeof(slot) ||
	    fdatasync(fd) != 0)
		return mm_fail(MM_E_STORE, "the anchor cannot be written: %s",
		    strerror(errno));
	return MM_OK;
}

/* The newest slot that can be read. */
static enum mm_error
newest(struct mm_anchor *anchor)
{
	bool found = false;

	for (off_t i = 0; i < SLOTS; i++) {
		struct slot slot;
		struct mm_anchored anchored;
		uint64_t sequence;
		ssize_t got =
		    pread(anchor->fd, &slot, sizeof(slot), i * SLOT_DISTANCE);

		if (got != (ssize_t)sizeof(slot) ||
		    !slot_decode(&slot, &sequence, &anchored) ||
		    (found && sequence < anchor->sequence))
			continue;
		found = true;
		anchor->sequence = sequence;
		anchor->last = anchored;
	}
	if (found)
		return MM_OK;
	return mm_fail(MM_E_ROLLBACK,
	    "the anchor is damaged, so nobody can tell whether the log is "
	    "whole: compare its size with the stations' receipts, then begin "
	    "a new log");
}

/* Opens the file in the directory and locks it. */
static enum mm_error
take(const char *directory, int flags, struct mm_anchor **out)
{
	struct mm_anchor *anchor;
	char path[PATH_MAX];
	mm_autoclose int fd = -1;
	enum mm_error error;

	if (snprintf(path, sizeof(path), "%s/anchor", directory) >=
	    (int)sizeof(path))
		return mm_fail(MM_E_STATE, "the anchor's path is too long");
	error = mm_held_open(path, O_RDWR | flags, &fd);
	if (error != MM_OK)
		return error;
	anchor = calloc(1, sizeof(*anchor));
	if (anchor == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the anchor");
	anchor->fd = mm_take_fd(fd);
	*out = anchor;
	return MM_OK;
}

/* Both slots are written at once, so that later writes need no new blocks. */
static enum mm_error
begin(const char *directory, struct mm_anchor *anchor)
{
	mm_autoclose int parent =
	    open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (uint64_t sequence = 0; sequence < SLOTS; sequence++) {
		enum mm_error error =
		    slot_write(anchor->fd, sequence, &anchor->last);

		if (error != MM_OK)
			return error;
		anchor->sequence = sequence;
	}
	if (parent < 0 || fsync(anchor->fd) < 0 || fsync(parent) < 0)
		return mm_fail(MM_E_STORE, "cannot flush %s: %s", directory,
		    strerror(errno));
	return MM_OK;
}

enum mm_error
mm_anchor_create(const char *directory, const struct mm_anchored *first,
    struct mm_anchor **out)
{
	struct mm_anchor *anchor;
	enum mm_error error = take(directory, O_CREAT | O_EXCL, &anchor);

	if (error != MM_OK)
		return error;
	anchor->last = *first;
	error = begin(directory, anchor);
	if (error != MM_OK) {
		mm_anchor_close(anchor);
		return error;
	}
	*out = anchor;
	return MM_OK;
}

enum mm_error
mm_anchor_open(const char *directory, struct mm_anchor **out)
{
	struct mm_anchor *anchor;
	enum mm_error error = take(directory, 0, &anchor);

	if (error != MM_OK)
		return error;
	error = newest(anchor);
	if (error != MM_OK) {
		mm_anchor_close(anchor);
		return error;
	}
	*out = anchor;
	return MM_OK;
}

void
mm_anchor_close(struct mm_anchor *anchor)
{
	if (anchor == NULL)
		return;
	close(anchor->fd);
	free(anchor);
}

const struct mm_anchored *
mm_anchor_last(const struct mm_anchor *anchor)
{
	return &anchor->last;
}

enum mm_error
mm_anchor_move(struct mm_anchor *anchor, const struct mm_anchored *next)
{
	const struct mm_anchored *last = &anchor->last;
	enum mm_error error;

	if (next->size < last->size ||
	    (next->size == last->size &&
		!mm_hash_equal(&next->root, &last->root)) ||
	    memcmp(next->log_key, last->log_key, sizeof(last->log_key)) != 0)
		return mm_fail(MM_E_ROLLBACK,
		    "the anchor only moves forwards, in its own log");
	error = slot_write(anchor->fd, anchor->sequence + 1, next);
	if (error != MM_OK)
		return error;
	anchor->sequence++;
	anchor->last = *next;
	return MM_OK;
}
