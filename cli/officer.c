#include "cli/officer.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "log/note.h"

static const char unprotected[] = "mintmark-officer-unprotected ";
static const char sealed_prefix[] = "mintmark-officer-sealed 1 ";

enum {
	VALID = 7 * 86400,
	SKEW = 5, /* seconds that the appliance's clock may be behind */
	SEED = crypto_sign_SEEDBYTES,
	NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	SALT = crypto_pwhash_SALTBYTES,
	BOX = SEED + crypto_aead_xchacha20poly1305_ietf_ABYTES,
	LINE = 512 /* more than either form has */
};

/* What a file may ask of this computer: RFC 9106's largest is 2 GiB. */
static const uint64_t memory_max = UINT64_C(4) << 30;
enum { OPS_MAX = 64 };

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

/* --- sealing --- */

/* A sealed file taken apart. */
struct box {
	uint64_t ops, memory;
	uint8_t salt[SALT], nonce[NONCE], public_key[32], box[BOX];
	struct mm_span before; /* of BOX: what it is bound to */
};

static enum mm_error
stretch(const struct mm_passphrase *passphrase, const struct box *box,
    uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
	if (crypto_pwhash(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
		passphrase->text, passphrase->size, box->salt, box->ops,
		(size_t)box->memory, crypto_pwhash_ALG_ARGON2ID13) == 0)
		return MM_OK;
	return mm_fail(MM_E_MEMORY,
	    "the passphrase's Argon2id wants %llu MiB of memory",
	    (unsigned long long)(box->memory >> 20));
}

/* Seals or opens: `seed` and box->box are one from the other. */
static enum mm_error
box_run(const struct mm_passphrase *passphrase, struct box *box, uint8_t *seed,
    bool opens)
{
	uint8_t *key =
	    sodium_malloc(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
	enum mm_error error = key != NULL
				  ? stretch(passphrase, box, key)
				  : mm_fail(MM_E_MEMORY, "no memory for a key");

	if (error == MM_OK && !opens)
		crypto_aead_xchacha20poly1305_ietf_encrypt(box->box, NULL, seed,
		    SEED, box->before.data, box->before.size, NULL, box->nonce,
		    key);
	if (error == MM_OK && opens &&
	    crypto_aead_xchacha20poly1305_ietf_decrypt(seed, NULL, NULL,
		box->box, BOX, box->before.data, box->before.size, box->nonce,
		key) != 0)
		error = mm_fail(MM_E_PASSPHRASE,
		    "the passphrase does not open the key, or its file was "
		    "changed");
	sodium_free(key);
	return error;
}

static void
add_base64(char line[LINE], const uint8_t *bytes, size_t size, char end)
{
	size_t used = strlen(line);

	sodium_bin2base64(line + used, LINE - used, bytes, size,
	    sodium_base64_VARIANT_ORIGINAL);
	used = strlen(line);
	line[used] = end;
	line[used + 1] = '\0';
}

static enum mm_error
write_sealed(const struct mm_officer_key *key,
    const struct mm_passphrase *passphrase, char line[LINE])
{
	struct box box = {.ops = crypto_pwhash_OPSLIMIT_MODERATE,
	    .memory = crypto_pwhash_MEMLIMIT_MODERATE};
	uint8_t *seed = sodium_malloc(SEED);
	enum mm_error error;

	if (seed == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	randombytes_buf(box.salt, SALT);
	randombytes_buf(box.nonce, NONCE);
	crypto_sign_ed25519_sk_to_seed(seed, key->secret_key);
	snprintf(line, LINE, "%s%llu %llu ", sealed_prefix,
	    (unsigned long long)box.ops, (unsigned long long)box.memory);
	add_base64(line, box.salt, SALT, ' ');
	add_base64(line, box.nonce, NONCE, ' ');
	add_base64(line, key->public_key, sizeof(key->public_key), ' ');
	box.before = mm_span_text(line);
	error = box_run(passphrase, &box, seed, false);
	sodium_free(seed);
	if (error == MM_OK)
		add_base64(line, box.box, BOX, '\n');
	return error;
}

static void
write_plain(const struct mm_officer_key *key, char line[LINE])
{
	snprintf(line, LINE, "%s", unprotected);
	/* libsodium keeps the seed in the secret key's first half. */
	add_base64(line, key->secret_key, SEED, '\n');
}

static enum mm_error
write_file(const char *path, const char *line)
{
	size_t size = strlen(line);
	mm_autoclose int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return mm_fail(MM_E_EXISTS, "%s exists already", path);
	if (fd >= 0 && write(fd, line, size) == (ssize_t)size && fsync(fd) == 0)
		return mm_path_sync(path);
	mm_fail(MM_E_FILE, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		unlink(path);
	return MM_E_FILE;
}

enum mm_error
mm_officer_write(const struct mm_officer_key *key,
    const struct mm_passphrase *passphrase, const char *path)
{
	char *line = sodium_malloc(LINE);
	enum mm_error error = MM_OK;

	if (line == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	if (passphrase != NULL)
		error = write_sealed(key, passphrase, line);
	else
		write_plain(key, line);
	if (error == MM_OK)
		error = write_file(path, line);
	sodium_free(line);
	return error;
}

/* --- reading --- */

static enum mm_error
no_key(const char *path)
{
	return mm_fail(MM_E_FORMAT, "%s is no officer's key", path);
}

/* The next word, to a blank or to the end. */
static struct mm_span
take_word(struct mm_span *rest)
{
	const uint8_t *end =
	    rest->size > 0 ? memchr(rest->data, ' ', rest->size) : NULL;
	struct mm_span word = mm_span(
	    rest->data, end != NULL ? (size_t)(end - rest->data) : rest->size);

	*rest = end != NULL ? mm_span(end + 1, rest->size - word.size - 1)
			    : mm_span(NULL, 0);
	return word;
}

static bool
take_number(struct mm_span *rest, uint64_t max, uint64_t *out)
{
	struct mm_span word = take_word(rest);

	*out = 0;
	for (size_t i = 0; i < word.size; i++) {
		if (word.data[i] < '0' || word.data[i] > '9' || *out > max)
			return false;
		*out = *out * 10 + word.data[i] - '0';
	}
	return word.size > 0 && word.data[0] != '0' && *out <= max;
}

static bool
take_box(struct mm_span line, struct box *out)
{
	struct mm_span rest = mm_span(line.data + sizeof(sealed_prefix) - 1,
	    line.size - (sizeof(sealed_prefix) - 1));
	bool good = take_number(&rest, OPS_MAX, &out->ops) &&
		    take_number(&rest, memory_max, &out->memory) &&
		    mm_base64_read(take_word(&rest), out->salt, SALT) &&
		    mm_base64_read(take_word(&rest), out->nonce, NONCE) &&
		    mm_base64_read(take_word(&rest), out->public_key, 32);

	out->before = mm_span(line.data, line.size - rest.size);
	return good && mm_base64_read(rest, out->box, BOX) &&
	       out->memory >= crypto_pwhash_MEMLIMIT_MIN;
}

static enum mm_error
read_sealed(const char *path, struct mm_span line,
    const struct mm_passphrase *passphrase, uint8_t *seed,
    struct mm_officer_key *key)
{
	struct box box;
	enum mm_error error;

	if (!take_box(line, &box))
		return no_key(path);
	if (passphrase == NULL)
		return mm_fail(MM_E_USAGE,
		    "%s is sealed by a passphrase: say --passphrase-file",
		    path);
	error = box_run(passphrase, &box, seed, true);
	if (error != MM_OK)
		return error;
	crypto_sign_seed_keypair(key->public_key, key->secret_key, seed);
	return sodium_memcmp(key->public_key, box.public_key, 32) == 0
		   ? MM_OK
		   : no_key(path);
}

static bool
begins(struct mm_span line, const char *prefix)
{
	return line.size > strlen(prefix) &&
	       memcmp(line.data, prefix, strlen(prefix)) == 0;
}

static enum mm_error
decode_line(const char *path, struct mm_span line,
    const struct mm_passphrase *passphrase, bool *sealed,
    struct mm_officer_key *key)
{
	struct mm_span base64;
	uint8_t *seed = sodium_malloc(SEED);
	enum mm_error error = no_key(path);

	if (seed == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	*sealed = begins(line, sealed_prefix);
	if (*sealed) {
		error = read_sealed(path, line, passphrase, seed, key);
	} else if (begins(line, unprotected)) {
		base64 = mm_span(line.data + sizeof(unprotected) - 1,
		    line.size - (sizeof(unprotected) - 1));
		if (mm_base64_read(base64, seed, SEED)) {
			crypto_sign_seed_keypair(
			    key->public_key, key->secret_key, seed);
			error = MM_OK;
		}
	}
	sodium_free(seed);
	return error;
}

/* The whole file as one line, without its end. */
static enum mm_error
read_file(const char *path, char line[LINE], struct mm_span *out)
{
	/* A FIFO in the place of a file must not keep anybody waiting. */
	mm_autoclose int fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	struct stat info;
	ssize_t size;

	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode) || (info.st_mode & 077) != 0)
		return mm_fail(MM_E_FILE,
		    "%s must be a file that only its owner can read "
		    "(chmod 600)",
		    path);
	size = read(fd, line, LINE);
	if (size <= 1 || size == LINE || line[size - 1] != '\n')
		return no_key(path);
	*out = mm_span(line, (size_t)size - 1);
	return MM_OK;
}

enum mm_error
mm_officer_read(const char *path, const struct mm_passphrase *passphrase,
    bool *sealed, struct mm_officer_key **out)
{
	struct mm_officer_key *key = sodium_malloc(sizeof(*key));
	char *line = sodium_malloc(LINE);
	struct mm_span text;
	enum mm_error error = key != NULL && line != NULL
				  ? read_file(path, line, &text)
				  : mm_fail(MM_E_MEMORY, "no memory for a key");

	*sealed = false;
	if (error == MM_OK)
		error = decode_line(path, text, passphrase, sealed, key);
	sodium_free(line);
	if (error != MM_OK) {
		sodium_free(key);
		return error;
	}
	*out = key;
	return MM_OK;
}

enum mm_error
mm_officer_open(
    const struct mm_invocation *invocation, struct mm_officer_key **out)
{
	const char *path = mm_option(invocation, "officer");
	struct mm_passphrase *passphrase;
	char prompt[PATH_MAX + 32];
	bool sealed;
	enum mm_error error = mm_officer_read(path, NULL, &sealed, out);

	if (error != MM_E_USAGE || !sealed)
		return error;
	snprintf(prompt, sizeof(prompt), "passphrase of %s", path);
	error = mm_passphrase_read(invocation, prompt, &passphrase);
	if (error != MM_OK)
		return error;
	error = mm_officer_read(path, passphrase, &sealed, out);
	mm_passphrase_free(passphrase);
	return error;
}

/* --- statements --- */

enum mm_error
mm_officer_state(const struct mm_officer_key *key, struct mm_span origin,
    uint64_t kind, const void *body, uint64_t seconds, struct mm_buffer *out)
{
	uint64_t now = (uint64_t)time(NULL) - SKEW;
	struct mm_claim claim = {.kind = kind,
	    .origin = origin,
	    .time = now,
	    .expiry = now + (seconds > 0 ? seconds : VALID)};
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
