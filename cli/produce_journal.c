#include "cli/produce_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "signer/numbers.h"

enum {
	COPIES = 2,
	HASH = 32,
	CONSTANT = MM_SEAL_KEY - MM_SEAL_TAG, /* bytes, and its tag */
	FILE_SIZE =
	    COPIES * MM_JOURNAL_HEAD + MM_JOURNAL_SLOTS * MM_JOURNAL_SLOT
};

static const char magic[16] = "mintmark-run@v1";
static const uint8_t constant[CONSTANT] = "the run's key.";

/* ---- the header's bytes */

/* Reads, or writes, its members one after the other: both have one order. */
struct cursor {
	uint8_t *at;
	bool writing;
};

static void
bytes(struct cursor *c, void *member, size_t size)
{
	if (c->writing)
		memcpy(c->at, member, size);
	else
		memcpy(member, c->at, size);
	c->at += size;
}

static void
number(struct cursor *c, uint64_t *member)
{
	if (c->writing)
		mm_little_put(*member, 8, c->at);
	else
		*member = mm_little(c->at, 8);
	c->at += 8;
}

static void
name(struct cursor *c, char member[MM_JOURNAL_NAME + 1])
{
	uint8_t size = (uint8_t)strnlen(member, MM_JOURNAL_NAME);

	bytes(c, &size, 1);
	bytes(c, member, MM_JOURNAL_NAME);
	if (size <= MM_JOURNAL_NAME)
		member[size] = '\0';
}

static void
members(struct cursor *c, struct mm_journal_head *head,
    uint8_t sealed[MM_SEAL_NONCE + MM_SEAL_KEY])
{
	uint8_t passphrase = head->seal.passphrase, hooked = head->hooked;

	number(c, &head->sequence);
	bytes(c, head->run, sizeof(head->run));
	bytes(c, &passphrase, 1);
	head->seal.passphrase = passphrase != 0;
	bytes(c, head->seal.salt, sizeof(head->seal.salt));
	number(c, &head->seal.operations);
	number(c, &head->seal.memory);
	bytes(c, sealed, MM_SEAL_NONCE + MM_SEAL_KEY);
	bytes(c, head->template, sizeof(head->template));
	name(c, head->order);
	name(c, head->profile);
	name(c, head->registers);
	number(c, &head->ordinal);
	for (size_t i = 0; i < MM_RUN_FILES; i++) {
		number(c, &head->marks[i].size);
		bytes(c, head->marks[i].tail, sizeof(head->marks[i].tail));
	}
	number(c, &head->made);
	number(c, &head->scrapped);
	bytes(c, &hooked, 1);
	head->hooked = hooked != 0;
}

static void
encode(
    struct mm_journal_head head, uint8_t sealed[], uint8_t out[MM_JOURNAL_HEAD])
{
	struct cursor c = {.at = out + sizeof(magic), .writing = true};

	memset(out, 0, MM_JOURNAL_HEAD);
	memcpy(out, magic, sizeof(magic));
	members(&c, &head, sealed);
	crypto_hash_sha256(
	    out + MM_JOURNAL_HEAD - HASH, out, MM_JOURNAL_HEAD - HASH);
}

static bool
decode(
    uint8_t in[MM_JOURNAL_HEAD], struct mm_journal_head *head, uint8_t sealed[])
{
	struct cursor c = {.at = in + sizeof(magic)};
	uint8_t hash[HASH];

	crypto_hash_sha256(hash, in, MM_JOURNAL_HEAD - HASH);
	if (memcmp(in, magic, sizeof(magic)) != 0 ||
	    memcmp(hash, in + MM_JOURNAL_HEAD - HASH, HASH) != 0)
		return false;
	members(&c, head, sealed);
	return head->sequence > 0;
}

/* ---- the file */

static enum mm_error
broken(struct mm_run_journal *journal, const char *what, int cause)
{
	journal->failed = true;
	return mm_fail(
	    cause == ENOSPC || cause == EDQUOT ? MM_E_DISK_FULL : MM_E_FILE,
	    "cannot %s %s: %s; what was made is kept: mend it and say the same "
	    "again",
	    what, journal->path, strerror(cause));
}

enum mm_error
mm_run_journal_write(
    struct mm_run_journal *journal, const void *from, size_t size, off_t place)
{
	const uint8_t *at = from;

	if (journal->failed)
		return broken(journal, "write", EIO);
	while (size > 0) {
		ssize_t put = pwrite(journal->fd, at, size, place);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return broken(
			    journal, "write", put < 0 ? errno : ENOSPC);
		at += put;
		place += put;
		size -= (size_t)put;
	}
	return MM_OK;
}

/* What a failed sync has written nobody knows (fsync(2)): never again. */
enum mm_error
mm_run_journal_sync(struct mm_run_journal *journal)
{
	if (journal->failed)
		return broken(journal, "write", EIO);
	return fdatasync(journal->fd) == 0 ? MM_OK
					   : broken(journal, "write", errno);
}

static enum mm_error
write_head(struct mm_run_journal *journal, const struct mm_journal_head *head)
{
	uint8_t copy[MM_JOURNAL_HEAD];
	enum mm_error error;

	encode(*head, journal->sealed, copy);
	error = mm_run_journal_write(journal, copy, sizeof(copy),
	    (off_t)(head->sequence % COPIES) * MM_JOURNAL_HEAD);
	return error == MM_OK ? mm_run_journal_sync(journal) : error;
}

enum mm_error
mm_run_journal_commit(
    struct mm_run_journal *journal, const struct mm_journal_head *head)
{
	struct mm_journal_head next = *head;
	enum mm_error error;

	next.sequence = journal->head.sequence + 1;
	error = write_head(journal, &next);
	if (error == MM_OK)
		journal->head = next;
	return error;
}

/* The newer one that is whole. */
static enum mm_error
read_head(struct mm_run_journal *journal)
{
	uint8_t copy[MM_JOURNAL_HEAD];
	struct stat info;

	if (fstat(journal->fd, &info) < 0)
		return mm_fail(MM_E_FILE, "cannot read %s: %s", journal->path,
		    strerror(errno));
	for (off_t i = 0; i < COPIES; i++) {
		struct mm_journal_head head = {0};
		uint8_t sealed[sizeof(journal->sealed)];

		if (pread(journal->fd, copy, sizeof(copy),
			i * MM_JOURNAL_HEAD) != sizeof(copy) ||
		    !decode(copy, &head, sealed) ||
		    head.sequence <= journal->head.sequence)
			continue;
		journal->head = head;
		memcpy(journal->sealed, sealed, sizeof(sealed));
	}
	if (journal->head.sequence > 0 && info.st_size == FILE_SIZE)
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "%s is damaged: bring the whole directory back from a copy. Units "
	    "that were begun and not finished are in it alone",
	    journal->path);
}

static enum mm_error
open_file(const char *path, int flags, int *out)
{
	*out = open(
	    path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | flags, 0600);
	return *out >= 0 ? MM_OK
			 : mm_fail(MM_E_FILE, "cannot open %s: %s", path,
			       strerror(errno));
}

enum mm_error
mm_run_journal_open(const char *directory, struct mm_run_journal *out)
{
	enum mm_error error;

	*out = (struct mm_run_journal){.fd = -1};
	error = mm_path(out->path, sizeof(out->path), directory, "journal");
	if (error != MM_OK)
		return error;
	out->slot = sodium_malloc(MM_JOURNAL_SLOT);
	if (out->slot == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a journal");
	if (access(out->path, F_OK) < 0 && errno == ENOENT)
		return MM_OK;
	error = open_file(out->path, 0, &out->fd);
	return error == MM_OK ? read_head(out) : error;
}

void
mm_run_journal_clear(struct mm_run_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	sodium_free(journal->key);
	sodium_free(journal->slot);
	*journal = (struct mm_run_journal){.fd = -1};
}

/* ---- the key */

static void
seal_constant(struct mm_run_journal *journal)
{
	unsigned long long size;

	randombytes_buf(journal->sealed, MM_SEAL_NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
	    journal->sealed + MM_SEAL_NONCE, &size, constant, sizeof(constant),
	    journal->head.run, sizeof(journal->head.run), NULL, journal->sealed,
	    journal->key);
}

enum mm_error
mm_run_journal_unlock(struct mm_run_journal *journal, uint8_t *key)
{
	uint8_t open[CONSTANT];
	unsigned long long size;

	journal->key = key;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(open, &size, NULL,
		journal->sealed + MM_SEAL_NONCE, MM_SEAL_KEY, journal->head.run,
		sizeof(journal->head.run), journal->sealed, key) == 0)
		return MM_OK;
	return mm_fail(MM_E_PASSPHRASE, "the %s does not open %s",
	    journal->head.seal.passphrase ? "passphrase" : "run key",
	    journal->path);
}

/* ---- its birth */

/* All of its room is taken now, so that no slot meets a full disk. */
static enum mm_error
fill_new(struct mm_run_journal *journal)
{
	struct mm_journal_head other = journal->head;
	enum mm_error error;
	int failed = posix_fallocate(journal->fd, 0, FILE_SIZE);

	if (failed != 0)
		return broken(journal, "make", failed);
	other.sequence++;
	error = write_head(journal, &journal->head);
	if (error == MM_OK)
		error = write_head(journal, &other);
	if (error == MM_OK && fsync(journal->fd) < 0)
		error = broken(journal, "make", errno);
	if (error == MM_OK)
		journal->head = other;
	return error;
}

enum mm_error
mm_run_journal_begin(struct mm_run_journal *journal,
    const struct mm_journal_head *head, uint8_t *key)
{
	char growing[PATH_MAX + sizeof(".new")];
	enum mm_error error;

	snprintf(growing, sizeof(growing), "%s.new", journal->path);
	journal->key = key;
	journal->head = *head;
	journal->head.sequence = 1;
	randombytes_buf(journal->head.run, sizeof(journal->head.run));
	seal_constant(journal);
	error = open_file(growing, O_CREAT | O_TRUNC, &journal->fd);
	if (error == MM_OK)
		error = fill_new(journal);
	if (error == MM_OK && rename(growing, journal->path) < 0)
		error = broken(journal, "make", errno);
	if (error == MM_OK)
		error = mm_path_sync(journal->path);
	return error;
}
