#include "cli/officer.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/note.h"

static const char prefix[] = "mintmark-officer-unprotected ";

enum {
	VALID = 7 * 86400,
	SKEW = 5, /* seconds that the appliance's clock may be behind */
	SEED64 = 44,
	LINE = sizeof(prefix) - 1 + SEED64 + 1 /* its newline */
};

struct mm_officer_key *
mm_officer_new(void)
{
	struct mm_officer_key *key = sodium_malloc(sizeof(*key));

	if (key != NULL)
		crypto_sign_keypair(key->public_key, key->secret_key);
	return key;
}

void
mm_officer_free(struct mm_officer_key *key)
{
	sodium_free(key);
}

static enum mm_error
write_line(const char *path, const char *line)
{
	mm_autoclose int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return mm_fail(MM_E_EXISTS, "%s exists already", path);
	if (fd < 0 || write(fd, line, LINE) != LINE || fsync(fd) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot write %s: %s", path, strerror(errno));
	return MM_OK;
}

enum mm_error
mm_officer_write(const struct mm_officer_key *key, const char *path)
{
	char *line = sodium_malloc(LINE + 1);
	enum mm_error error;

	if (line == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	memcpy(line, prefix, sizeof(prefix) - 1);
	/* libsodium keeps the seed in the secret key's first half. */
	sodium_bin2base64(line + sizeof(prefix) - 1, SEED64 + 1,
	    key->secret_key, 32, sodium_base64_VARIANT_ORIGINAL);
	line[LINE - 1] = '\n';
	error = write_line(path, line);
	sodium_free(line);
	return error;
}

static enum mm_error
decode_line(const char *path, const char *line, struct mm_officer_key *key)
{
	struct mm_span base64 = mm_span(line + sizeof(prefix) - 1, SEED64);
	uint8_t *seed = sodium_malloc(32);
	bool good = seed != NULL &&
		    memcmp(line, prefix, sizeof(prefix) - 1) == 0 &&
		    line[LINE - 1] == '\n' && mm_base64_read(base64, seed, 32);

	if (good)
		crypto_sign_seed_keypair(
		    key->public_key, key->secret_key, seed);
	sodium_free(seed);
	return good ? MM_OK
		    : mm_fail(MM_E_FORMAT, "%s is no officer's key", path);
}

enum mm_error
mm_officer_read(const char *path, struct mm_officer_key **out)
{
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct mm_officer_key *key = sodium_malloc(sizeof(*key));
	char *line = sodium_malloc(LINE + 1);
	struct stat info;
	enum mm_error error;

	if (fd < 0 || fstat(fd, &info) < 0)
		error = mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	else if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0)
		error = mm_fail(MM_E_FILE,
		    "%s must be a file that only its owner can read "
		    "(chmod 600)",
		    path);
	else if (key == NULL || line == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for a key");
	else if (read(fd, line, LINE + 1) != LINE)
		error = mm_fail(MM_E_FORMAT, "%s is no officer's key", path);
	else
		error = decode_line(path, line, key);
	sodium_free(line);
	if (error != MM_OK) {
		sodium_free(key);
		return error;
	}
	*out = key;
	return MM_OK;
}

enum mm_error
mm_officer_state(const struct mm_officer_key *key, struct mm_span origin,
    uint64_t kind, const void *body, struct mm_buffer *out)
{
	uint64_t now = (uint64_t)time(NULL) - SKEW;
	struct mm_claim claim = {
	    .kind = kind, .origin = origin, .time = now, .expiry = now + VALID};
	mm_auto(buffer) payload = {0};
	enum mm_error error;

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	randombytes_buf(claim.nonce, sizeof(claim.nonce));
	error = mm_claim_encode(&claim, body, &payload);
	if (error == MM_OK)
		error = mm_statement_sign(
		    mm_buffer_span(&payload), key->secret_key, out);
	return error;
}
