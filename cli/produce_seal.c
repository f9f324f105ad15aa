#include "cli/produce_seal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

static const char context[] = "mintmark run key 1";

void
mm_seal_terms_new(bool passphrase, struct mm_seal_terms *out)
{
	*out = (struct mm_seal_terms){.passphrase = passphrase};
	randombytes_buf(out->salt, sizeof(out->salt));
	if (!passphrase)
		return;
	out->operations = crypto_pwhash_OPSLIMIT_MODERATE;
	out->memory = crypto_pwhash_MEMLIMIT_MODERATE;
}

/* --- a file --- */

static enum mm_error
open_key(const char *path, int *out)
{
	mm_autoclose int fd = -1;
	struct stat info;
	enum mm_error error;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return mm_fail(MM_E_FILE,
		    "there is no %s; make it once, and keep it apart from the "
		    "run: (umask 077; head -c 32 /dev/urandom > %s)",
		    path, path);
	error = mm_private_file_open(path, &fd);
	if (error != MM_OK)
		return error;
	if (fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	if (info.st_size < MM_RUN_KEY_MIN || info.st_size > MM_RUN_KEY_MAX)
		return mm_fail(MM_E_RANGE,
		    "%s has %jd bytes; a run key has %d to %d, random ones",
		    path, (intmax_t)info.st_size, MM_RUN_KEY_MIN,
		    MM_RUN_KEY_MAX);
	*out = mm_take_fd(fd);
	return MM_OK;
}

static enum mm_error
of_file(const char *path, const struct mm_seal_terms *terms, uint8_t *key)
{
	mm_autoclose int fd = -1;
	uint8_t *bytes;
	ssize_t got;
	enum mm_error error = open_key(path, &fd);

	if (error != MM_OK)
		return error;
	bytes = sodium_malloc(MM_RUN_KEY_MAX);
	if (bytes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	got = pread(fd, bytes, MM_RUN_KEY_MAX, 0);
	if (got < MM_RUN_KEY_MIN)
		error = mm_fail(MM_E_FILE, "cannot read %s", path);
	else {
		crypto_generichash_state state;

		crypto_generichash_init(
		    &state, terms->salt, sizeof(terms->salt), MM_SEAL_KEY);
		crypto_generichash_update(
		    &state, (const uint8_t *)context, sizeof(context));
		crypto_generichash_update(
		    &state, bytes, (unsigned long long)got);
		crypto_generichash_final(&state, key, MM_SEAL_KEY);
		sodium_memzero(&state, sizeof(state));
	}
	sodium_free(bytes);
	return error;
}

/* --- a passphrase --- */

static enum mm_error
of_passphrase(const struct mm_invocation *invocation,
    const struct mm_seal_terms *terms, bool fresh, uint8_t *key)
{
	static const char prompt[] = "the run's passphrase";
	struct mm_passphrase *passphrase = NULL;
	int failed;
	enum mm_error error =
	    fresh ? mm_passphrase_new(invocation, prompt, &passphrase)
		  : mm_passphrase_read(invocation, prompt, &passphrase);

	if (error != MM_OK)
		return error;
	failed = crypto_pwhash(key, MM_SEAL_KEY, passphrase->text,
	    passphrase->size, terms->salt, terms->operations,
	    (size_t)terms->memory, crypto_pwhash_ALG_ARGON2ID13);
	mm_passphrase_free(passphrase);
	return failed == 0 ? MM_OK
			   : mm_fail(MM_E_MEMORY,
				 "no memory for Argon2id: it takes %ju MB",
				 (uintmax_t)terms->memory >> 20);
}

/* --- either --- */

static enum mm_error
check_said(
    const struct mm_invocation *invocation, const struct mm_seal_terms *terms)
{
	bool file = mm_option(invocation, "run-key") != NULL;

	if (file && mm_option(invocation, "passphrase-file") != NULL)
		return mm_fail(MM_E_USAGE,
		    "--run-key and --passphrase-file: say one of the two");
	if (file == !terms->passphrase)
		return MM_OK;
	return mm_fail(MM_E_USAGE, "this run was begun with %s",
	    terms->passphrase ? "a passphrase: say --passphrase-file, or "
				"nothing to be asked for it"
			      : "--run-key: say it again");
}

enum mm_error
mm_seal_key(const struct mm_invocation *invocation,
    const struct mm_seal_terms *terms, bool fresh, uint8_t **out)
{
	uint8_t *key;
	enum mm_error error = check_said(invocation, terms);

	if (error != MM_OK)
		return error;
	key = sodium_malloc(MM_SEAL_KEY);
	if (key == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	error = terms->passphrase
		    ? of_passphrase(invocation, terms, fresh, key)
		    : of_file(mm_option(invocation, "run-key"), terms, key);
	if (error != MM_OK) {
		sodium_free(key);
		return error;
	}
	*out = key;
	return MM_OK;
}
