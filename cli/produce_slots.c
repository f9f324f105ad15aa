#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>

#include "cli/produce_journal.h"
#include "signer/numbers.h"

enum {
	LENGTH = 4,
	FRONT = MM_SEAL_NONCE + LENGTH,
	NUMBER = 8,
	BOUND = 16 + NUMBER /* associated data */
};

static off_t
place_of(size_t slot)
{
	return 2 * MM_JOURNAL_HEAD + (off_t)slot * MM_JOURNAL_SLOT;
}

/* A slot's bytes are good in this run, at this place. */
static void
bind(const struct mm_run_journal *journal, size_t slot, uint8_t out[BOUND])
{
	memcpy(out, journal->head.run, sizeof(journal->head.run));
	mm_little_put(slot, NUMBER, out + sizeof(journal->head.run));
}

size_t
mm_slots_free(const struct mm_run_journal *journal)
{
	size_t count = 0;

	for (size_t i = 0; i < MM_JOURNAL_SLOTS; i++)
		count += journal->used[i] == 0;
	return count;
}

enum mm_error
mm_slot_put(struct mm_run_journal *journal, struct mm_span unit, size_t *slot)
{
	uint8_t bound[BOUND];
	unsigned long long size;
	enum mm_error error;
	size_t at = 0;

	while (at < MM_JOURNAL_SLOTS && journal->used[at] > 0)
		at++;
	if (at == MM_JOURNAL_SLOTS || unit.size == 0 ||
	    unit.size > MM_JOURNAL_UNIT_MAX)
		return mm_fail(MM_E_RANGE,
		    "the journal has no room for a unit of %zu bytes",
		    unit.size);
	bind(journal, at, bound);
	randombytes_buf(journal->slot, MM_SEAL_NONCE);
	mm_little_put(unit.size, LENGTH, journal->slot + MM_SEAL_NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(journal->slot + FRONT, &size,
	    unit.data, unit.size, bound, sizeof(bound), NULL, journal->slot,
	    journal->key);
	journal->used[at] = FRONT + (size_t)size;
	error = mm_run_journal_write(
	    journal, journal->slot, journal->used[at], place_of(at));
	if (error == MM_OK)
		*slot = at;
	return error;
}

enum mm_error
mm_slots_sync(struct mm_run_journal *journal)
{
	return mm_run_journal_sync(journal);
}

enum mm_error
mm_slot_clear(struct mm_run_journal *journal, size_t slot)
{
	static const uint8_t zeros[MM_JOURNAL_SLOT];
	enum mm_error error = mm_run_journal_write(
	    journal, zeros, journal->used[slot], place_of(slot));

	if (error == MM_OK)
		journal->used[slot] = 0;
	return error;
}

static enum mm_error
read_slot(struct mm_run_journal *journal, size_t slot)
{
	ssize_t got =
	    pread(journal->fd, journal->slot, MM_JOURNAL_SLOT, place_of(slot));

	return got == MM_JOURNAL_SLOT
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "cannot read %s: %s", journal->path,
			 got < 0 ? strerror(errno) : "it is cut short");
}

/* In its place, behind its nonce and length. */
static bool
open_slot(struct mm_run_journal *journal, size_t slot, struct mm_span *unit)
{
	uint8_t bound[BOUND];
	uint8_t *sealed = journal->slot + FRONT;
	size_t length = mm_little_u32(journal->slot + MM_SEAL_NONCE);
	unsigned long long size;

	if (length == 0 || length > MM_JOURNAL_UNIT_MAX)
		return false;
	bind(journal, slot, bound);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, &size, NULL,
		sealed, length + MM_SEAL_TAG, bound, sizeof(bound),
		journal->slot, journal->key) != 0)
		return false;
	*unit = mm_span(sealed, (size_t)size);
	return true;
}

enum mm_error
mm_slots_open(struct mm_run_journal *journal, mm_slot_found *found, void *self,
    size_t *torn)
{
	enum mm_error error = MM_OK;

	*torn = 0;
	for (size_t i = 0; i < MM_JOURNAL_SLOTS && error == MM_OK; i++) {
		struct mm_span unit;

		error = read_slot(journal, i);
		if (error != MM_OK)
			break;
		journal->used[i] =
		    sodium_is_zero(journal->slot, MM_JOURNAL_SLOT)
			? 0
			: MM_JOURNAL_SLOT;
		journal->torn[i] =
		    journal->used[i] > 0 && !open_slot(journal, i, &unit);
		*torn += journal->torn[i];
		if (journal->used[i] > 0 && !journal->torn[i])
			error = found(self, i, unit);
	}
	sodium_memzero(journal->slot, MM_JOURNAL_SLOT);
	return error;
}

enum mm_error
mm_slot_open(struct mm_run_journal *journal, size_t slot, mm_slot_found *found,
    void *self)
{
	struct mm_span unit;
	enum mm_error error = read_slot(journal, slot);

	if (error == MM_OK && !open_slot(journal, slot, &unit))
		error = mm_fail(
		    MM_E_FORMAT, "%s was changed meanwhile", journal->path);
	if (error == MM_OK)
		error = found(self, slot, unit);
	sodium_memzero(journal->slot, MM_JOURNAL_SLOT);
	return error;
}

/* ---- those that do not open */

static enum mm_error
append(struct mm_run_journal *journal, int fd)
{
	const uint8_t *at = journal->slot;
	size_t left = MM_JOURNAL_SLOT;

	while (left > 0) {
		ssize_t put = write(fd, at, left);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return mm_fail(errno == ENOSPC || errno == EDQUOT
					   ? MM_E_DISK_FULL
					   : MM_E_FILE,
			    "cannot write %s: %s", MM_JOURNAL_TORN,
			    strerror(errno));
		at += put;
		left -= (size_t)put;
	}
	return MM_OK;
}

static enum mm_error
keep_torn(struct mm_run_journal *journal, int run)
{
	mm_autoclose int fd = openat(run, MM_JOURNAL_TORN,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW |
		O_NONBLOCK,
	    0600);
	enum mm_error error = MM_OK;

	if (fd < 0)
		return mm_fail(MM_E_FILE, "cannot open %s: %s", MM_JOURNAL_TORN,
		    strerror(errno));
	for (size_t i = 0; i < MM_JOURNAL_SLOTS && error == MM_OK; i++) {
		if (!journal->torn[i])
			continue;
		error = read_slot(journal, i);
		if (error == MM_OK)
			error = append(journal, fd);
	}
	if (error == MM_OK && (fsync(fd) < 0 || fsync(run) < 0))
		error = mm_fail(MM_E_FILE, "cannot write %s: %s",
		    MM_JOURNAL_TORN, strerror(errno));
	return error;
}

enum mm_error
mm_slots_drop_torn(struct mm_run_journal *journal, int run)
{
	enum mm_error error = keep_torn(journal, run);

	for (size_t i = 0; i < MM_JOURNAL_SLOTS && error == MM_OK; i++) {
		if (!journal->torn[i])
			continue;
		error = mm_slot_clear(journal, i);
		journal->torn[i] = error != MM_OK;
	}
	return error;
}
