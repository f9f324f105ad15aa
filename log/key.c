#include "log/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SEED_SIZE = 32, SECRET_SIZE = 64 };
_Static_assert(SEED_SIZE == crypto_sign_SEEDBYTES &&
		   SECRET_SIZE == crypto_sign_SECRETKEYBYTES,
    "sizes of Ed25519");

static enum mm_error
key_path(const char *directory, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/log.key", directory) >= PATH_MAX)
		return mm_fail(MM_E_STATE, "the log key's path is too long");
	return MM_OK;
}

static uint8_t *
secret_alloc(size_t size)
{
	if (sodium_init() < 0)
		return NULL;
	return sodium_malloc(size);
}

static enum mm_error
derive(const uint8_t *seed, struct mm_log_key *out)
{
	struct mm_log_key key = {.secret = secret_alloc(SECRET_SIZE)};

	if (key.secret == NULL)
		return mm_fail(MM_E_MEMORY, "no locked memory for the log key");
	if (crypto_sign_seed_keypair(key.public_key, key.secret, seed) != 0) {
		sodium_free(key.secret);
		return mm_fail(MM_E_SYSTEM, "Ed25519 does not work");
	}
	sodium_mprotect_readonly(key.secret);
	*out = key;
	return MM_OK;
}

static enum mm_error
check_file(int fd, const char *path)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_STATE, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode) || info.st_size != SEED_SIZE)
		return mm_fail(MM_E_STATE, "%s is not a log key", path);
	if (info.st_uid != geteuid())
		return mm_fail(MM_E_STATE,
		    "%s belongs to user %u, not to the notary's", path,
		    (unsigned)info.st_uid);
	if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return mm_fail(MM_E_STATE,
		    "%s is open to others (mode %04o): make it 0600, and take "
		    "the log key for known",
		    path, (unsigned)info.st_mode & 07777);
	return MM_OK;
}

static enum mm_error
read_seed(const char *directory, const char *path, uint8_t *seed)
{
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum mm_error error;

	(void)directory;
	if (fd < 0)
		return mm_fail(MM_E_STATE, "cannot open the log key %s: %s",
		    path, strerror(errno));
	error = check_file(fd, path);
	if (error != MM_OK)
		return error;
	if (read(fd, seed, SEED_SIZE) != SEED_SIZE)
		return mm_fail(MM_E_STATE, "cannot read %s", path);
	return MM_OK;
}

static enum mm_error
write_seed(const char *directory, const char *path, uint8_t *seed)
{
	mm_autoclose int parent =
	    open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mm_autoclose int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	randombytes_buf(seed, SEED_SIZE);
	if (parent < 0 || fd < 0)
		return mm_fail(MM_E_STATE, "cannot make the log key %s: %s",
		    path, strerror(errno));
	if (write(fd, seed, SEED_SIZE) != SEED_SIZE || fsync(fd) < 0 ||
	    fsync(parent) < 0)
		return mm_fail(MM_E_STORE, "cannot write the log key %s: %s",
		    path, strerror(errno));
	return MM_OK;
}

/* The seed comes from `get`, and is nowhere but in sodium memory. */
static enum mm_error
key_of(const char *directory,
    enum mm_error (*get)(
	const char *directory, const char *path, uint8_t *seed),
    struct mm_log_key *out)
{
	char path[PATH_MAX];
	uint8_t *seed;
	enum mm_error error = key_path(directory, path);

	if (error != MM_OK)
		return error;
	seed = secret_alloc(SEED_SIZE);
	if (seed == NULL)
		return mm_fail(MM_E_MEMORY, "no locked memory for the log key");
	error = get(directory, path, seed);
	if (error == MM_OK)
		error = derive(seed, out);
	sodium_free(seed);
	return error;
}

enum mm_error
mm_log_key_open(const char *directory, struct mm_log_key *out)
{
	return key_of(directory, read_seed, out);
}

enum mm_error
mm_log_key_create(const char *directory, struct mm_log_key *out)
{
	return key_of(directory, write_seed, out);
}

void
mm_log_key_clear(struct mm_log_key *key)
{
	if (key == NULL)
		return;
	sodium_free(key->secret);
	*key = (struct mm_log_key){.secret = NULL};
}
