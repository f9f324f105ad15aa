#include "audit/cosigner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
	SEED_SIZE = crypto_sign_SEEDBYTES,
	SECRET_SIZE = crypto_sign_SECRETKEYBYTES,
	LOGS_MAX = 1024,
	LOGS_FILE_MAX = LOGS_MAX * MM_VKEY_MAX,
	/* Files of evidence, two a case. What is only suspect is anybody's to
	 * send; a certain fork takes the log's key. */
	SUSPECTS_MAX = 512,
	FORKS_MAX = 4096
};

/* --- files --- */

static enum mm_error
path_of(const char *directory, const char *name, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return mm_fail(
		    MM_E_STATE, "the path %s is too long", directory);
	return MM_OK;
}

static bool
write_whole(int fd, struct mm_span bytes)
{
	off_t at = 0;

	while (bytes.size > 0) {
		ssize_t put = pwrite(fd, bytes.data, bytes.size, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		bytes = mm_span(bytes.data + put, bytes.size - (size_t)put);
		at += put;
	}
	return true;
}

static enum mm_error
cannot(const char *what, const char *directory, const char *name)
{
	return mm_fail(errno == ENOSPC ? MM_E_DISK_FULL : MM_E_STATE,
	    "cannot %s %s/%s: %s", what, directory, name, strerror(errno));
}

enum mm_error
mm_cosigner_place(const char *directory, const char *name, struct mm_span bytes,
    unsigned mode, bool replace)
{
	/* One process writes here, so one name for what is not yet whole. */
	static const char beside[] = "new";
	mm_autoclose int parent =
	    open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mm_autoclose int fd = -1;

	if (parent < 0)
		return cannot("open", directory, "");
	fd = openat(parent, beside,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, mode) < 0 || !write_whole(fd, bytes) ||
	    fsync(fd) < 0)
		return cannot("write", directory, name);
	if (renameat2(parent, beside, parent, name,
		replace ? 0 : RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST)
			return cannot("write", directory, name);
		unlinkat(parent, beside, 0);
		return mm_fail(
		    MM_E_EXISTS, "%s/%s is there already", directory, name);
	}
	return fsync(parent) < 0 ? cannot("flush", directory, name) : MM_OK;
}

static enum mm_error
make_directory(const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return MM_OK;
	return cannot("make", path, "");
}

/* A directory that is there for good. */
static enum mm_error
make_directory_in(const char *parent, const char *path)
{
	mm_autoclose int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum mm_error error = make_directory(path);

	if (error == MM_OK && (fd < 0 || fsync(fd) < 0))
		error = cannot("flush", parent, "");
	return error;
}

/* A file that must be there; what is wrong with it is a fault of the state. */
static enum mm_error
read_file(
    const char *directory, const char *name, size_t max, struct mm_buffer *out)
{
	char path[PATH_MAX];
	enum mm_error error = path_of(directory, name, path);

	if (error == MM_OK)
		error = mm_file_read(path, max, out);
	return error == MM_OK ? MM_OK
			      : mm_fail(MM_E_STATE, "%s", mm_why(error));
}

/* --- the key --- */

static enum mm_error
lock(const char *directory, int *out)
{
	mm_autoclose int fd =
	    open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return mm_fail(MM_E_STATE, "cannot open %s: %s", directory,
		    strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return mm_fail(MM_E_LOCKED,
		    "another process works with the witness in %s: end that "
		    "first",
		    directory);
	*out = mm_take_fd(fd);
	return MM_OK;
}

static enum mm_error
read_seed(const char *path, uint8_t *seed)
{
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(MM_E_STATE,
		    "cannot open the witness's key %s: %s", path,
		    strerror(errno));
	if (!S_ISREG(info.st_mode) || info.st_size != SEED_SIZE ||
	    info.st_uid != geteuid())
		return mm_fail(MM_E_STATE, "%s is no key of ours", path);
	if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return mm_fail(MM_E_STATE,
		    "%s is open to others (mode %04o): make it 0600, and take "
		    "the key for known",
		    path, (unsigned)info.st_mode & 07777);
	if (read(fd, seed, SEED_SIZE) != SEED_SIZE)
		return mm_fail(MM_E_STATE, "cannot read %s", path);
	return MM_OK;
}

static uint8_t *
secret_alloc(size_t size)
{
	return sodium_init() < 0 ? NULL : sodium_malloc(size);
}

/* The secret key into sodium memory, and its public half. */
static enum mm_error
read_key(const char *directory, uint8_t public_key[32], uint8_t **out)
{
	char path[PATH_MAX];
	uint8_t *seed = secret_alloc(SEED_SIZE);
	uint8_t *secret = secret_alloc(SECRET_SIZE);
	enum mm_error error = path_of(directory, "key", path);

	if (error == MM_OK && (seed == NULL || secret == NULL))
		error = mm_fail(MM_E_MEMORY, "no locked memory for a key");
	if (error == MM_OK)
		error = read_seed(path, seed);
	if (error == MM_OK) {
		crypto_sign_seed_keypair(public_key, secret, seed);
		sodium_mprotect_readonly(secret);
		*out = mm_take(secret);
	}
	sodium_free(seed);
	sodium_free(secret);
	return error;
}

/* A vkey without a key is a creation that a crash ended: made anew. */
static enum mm_error
write_key(const char *directory, struct mm_span name, const uint8_t *seed,
    const uint8_t public_key[32])
{
	struct mm_witness identity;
	char text[MM_VKEY_MAX + 1];
	enum mm_error error = mm_witness_init(&identity, name, public_key);

	if (error != MM_OK)
		return error;
	mm_witness_text(&identity, text);
	strcat(text, "\n");
	error =
	    mm_cosigner_place(directory, "logs", mm_span(NULL, 0), 0600, true);
	if (error == MM_OK)
		error = mm_cosigner_place(
		    directory, "vkey", mm_span_text(text), 0644, true);
	if (error == MM_OK)
		error = mm_cosigner_place(
		    directory, "key", mm_span(seed, SEED_SIZE), 0600, false);
	return error;
}

static enum mm_error
make_key(const char *directory, struct mm_span name)
{
	uint8_t public_key[32];
	uint8_t *seed = secret_alloc(SEED_SIZE);
	uint8_t *secret = secret_alloc(SECRET_SIZE);
	enum mm_error error;

	if (seed == NULL || secret == NULL) {
		error = mm_fail(MM_E_MEMORY, "no locked memory for a key");
	} else {
		randombytes_buf(seed, SEED_SIZE);
		crypto_sign_seed_keypair(public_key, secret, seed);
		error = write_key(directory, name, seed, public_key);
	}
	sodium_free(seed);
	sodium_free(secret);
	return error;
}

enum mm_error
mm_cosigner_create(const char *directory, struct mm_span name)
{
	char path[PATH_MAX];
	mm_autoclose int held = -1;
	struct mm_witness probe;
	const uint8_t nothing[32] = {0};
	enum mm_error error = mm_witness_init(&probe, name, nothing);

	if (error == MM_OK)
		error = make_directory(directory);
	if (error == MM_OK)
		error = lock(directory, &held);
	if (error == MM_OK)
		error = path_of(directory, "key", path);
	if (error != MM_OK)
		return error;
	if (access(path, F_OK) == 0)
		return mm_fail(MM_E_EXISTS,
		    "%s is there: a witness's key is never overwritten", path);
	return make_key(directory, name);
}

static enum mm_error
read_identity(struct mm_cosigner *cosigner)
{
	mm_auto(buffer) file = {0};
	struct mm_span line;
	enum mm_error error =
	    read_file(cosigner->directory, "vkey", MM_VKEY_MAX + 1, &file);

	if (error != MM_OK)
		return error;
	line = mm_buffer_span(&file);
	if (line.size > 0 && line.data[line.size - 1] == '\n')
		line.size--;
	error = mm_witness_decode(line, &cosigner->identity);
	return error == MM_OK ? MM_OK
			      : mm_fail(MM_E_STATE, "%s/vkey: %s",
				    cosigner->directory, mm_why(error));
}

/* The key, and that it is the one of `vkey`. */
static enum mm_error
take_key(struct mm_cosigner *cosigner)
{
	uint8_t public_key[32];
	enum mm_error error =
	    read_key(cosigner->directory, public_key, &cosigner->secret);

	if (error == MM_OK &&
	    memcmp(public_key, cosigner->identity.vkey.public_key, 32) != 0)
		error = mm_fail(MM_E_STATE, "%s/vkey is not that of its key",
		    cosigner->directory);
	return error;
}

/* --- the logs --- */

static enum mm_error
lay_out(const struct mm_cosigner *cosigner, const struct mm_vkey *vkey,
    struct mm_cosigner_log *out)
{
	uint8_t digest[MM_HASH_SIZE];

	*out = (struct mm_cosigner_log){.followed = {.vkey = *vkey}};
	crypto_hash_sha256(
	    digest, (const uint8_t *)vkey->name, strlen(vkey->name));
	sodium_bin2hex(out->hex, sizeof(out->hex), digest, sizeof(digest));
	return path_of(cosigner->directory, out->hex, out->directory);
}

enum mm_error
mm_cosigner_note(const struct mm_cosigner_log *log, struct mm_buffer *out)
{
	return read_file(log->directory, "checkpoint", MM_NOTE_MAX, out);
}

enum mm_error
mm_cosigner_load(
    const struct mm_cosigner *cosigner, struct mm_cosigner_log *log)
{
	const struct mm_frontier nothing = {.size = 0};
	struct mm_witnessed followed = {.vkey = log->followed.vkey,
	    .newest = {.root = mm_frontier_root(&nothing)}};
	struct mm_cosignatures lines;
	mm_auto(buffer) file = {0};
	struct mm_span note;
	enum mm_error error = mm_cosigner_note(log, &file);

	if (error != MM_OK)
		return error;
	note = mm_buffer_span(&file);
	if (note.size > 0) {
		error =
		    mm_checkpoint_open(note, &followed.vkey, &followed.newest);
		if (error == MM_OK)
			error = mm_cosignatures_open(
			    note, &cosigner->identity, 1, &lines);
		if (error == MM_OK && lines.count != 1)
			error = mm_fail(
			    MM_E_COSIGNATURE, "our own line is not there");
		if (error != MM_OK)
			return mm_fail(MM_E_STATE, "%s/checkpoint: %s",
			    log->directory, mm_why(error));
		followed.time = lines.items[0].time;
	}
	log->followed = followed;
	log->known = true;
	return MM_OK;
}

static enum mm_error
add_log(struct mm_cosigner *cosigner, const struct mm_cosigner_log *log)
{
	struct mm_cosigner_log *more =
	    reallocarray(cosigner->logs, cosigner->count + 1, sizeof(*more));

	if (more == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a log");
	more[cosigner->count++] = *log;
	cosigner->logs = more;
	return MM_OK;
}

static enum mm_error
check_new(const struct mm_cosigner *cosigner, const struct mm_vkey *vkey)
{
	if (cosigner->count == LOGS_MAX)
		return mm_fail(MM_E_RANGE, "%d logs are the limit", LOGS_MAX);
	for (size_t i = 0; i < cosigner->count; i++)
		if (strcmp(cosigner->logs[i].followed.vkey.name, vkey->name) ==
		    0)
			return mm_fail(
			    MM_E_EXISTS, "%s is followed already", vkey->name);
	return MM_OK;
}

static enum mm_error
read_line(struct mm_cosigner *cosigner, struct mm_span line)
{
	struct mm_cosigner_log log;
	struct mm_vkey vkey;
	enum mm_error error = mm_vkey_decode(line, &vkey);

	if (error == MM_OK)
		error = check_new(cosigner, &vkey);
	if (error != MM_OK)
		return mm_fail(MM_E_STATE, "%s/logs: %s", cosigner->directory,
		    mm_why(error));
	error = lay_out(cosigner, &vkey, &log);
	if (error == MM_OK)
		error = mm_cosigner_load(cosigner, &log);
	return error == MM_OK ? add_log(cosigner, &log) : error;
}

static enum mm_error
read_logs(struct mm_cosigner *cosigner)
{
	mm_auto(buffer) file = {0};
	struct mm_span rest;
	enum mm_error error =
	    read_file(cosigner->directory, "logs", LOGS_FILE_MAX, &file);

	rest = mm_buffer_span(&file);
	while (error == MM_OK && rest.size > 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.size);
		size_t size;

		if (end == NULL)
			return mm_fail(MM_E_STATE,
			    "%s/logs does not end in a newline",
			    cosigner->directory);
		size = (size_t)(end - rest.data);
		error = read_line(cosigner, mm_span(rest.data, size));
		rest = mm_span(end + 1, rest.size - size - 1);
	}
	return error;
}

/* The new line goes in last: until then the log is not followed. */
static enum mm_error
write_logs(const struct mm_cosigner *cosigner, const struct mm_vkey *vkey)
{
	char line[MM_VKEY_MAX];
	mm_auto(buffer) file = {0};
	enum mm_error error =
	    read_file(cosigner->directory, "logs", LOGS_FILE_MAX, &file);

	mm_vkey_text(vkey, line);
	file.max = LOGS_FILE_MAX;
	mm_buffer_printf(&file, "%s\n", line);
	if (error == MM_OK)
		error = file.error;
	if (error == MM_OK)
		error = mm_cosigner_place(cosigner->directory, "logs",
		    mm_buffer_span(&file), 0600, true);
	return error;
}

/* An empty file says "nothing yet"; a missing one is a loss, and refused. */
static enum mm_error
make_log(const struct mm_cosigner *cosigner, struct mm_cosigner_log *log)
{
	enum mm_error error =
	    make_directory_in(cosigner->directory, log->directory);

	if (error == MM_OK)
		error = mm_cosigner_place(log->directory, "checkpoint",
		    mm_span(NULL, 0), 0644, false);
	/* Of a log that was followed before: its checkpoint stays. */
	if (error == MM_OK || error == MM_E_EXISTS)
		error = mm_cosigner_load(cosigner, log);
	return error;
}

enum mm_error
mm_cosigner_follow(struct mm_cosigner *cosigner, const struct mm_vkey *vkey)
{
	struct mm_cosigner_log log;
	enum mm_error error = check_new(cosigner, vkey);

	if (error == MM_OK)
		error = lay_out(cosigner, vkey, &log);
	if (error == MM_OK)
		error = make_log(cosigner, &log);
	if (error == MM_OK)
		error = write_logs(cosigner, vkey);
	return error == MM_OK ? add_log(cosigner, &log) : error;
}

/* --- evidence --- */

static size_t
count_files(const char *directory)
{
	DIR *list = opendir(directory);
	size_t count = 0;

	if (list == NULL)
		return 0;
	while (readdir(list) != NULL)
		count++;
	closedir(list);
	return count;
}

static enum mm_error
keep_file(const char *directory, const char *hex, const char *what,
    struct mm_span bytes)
{
	char name[2 * MM_HASH_SIZE + 16], path[PATH_MAX];
	enum mm_error error;

	snprintf(name, sizeof(name), "%s.%s", hex, what);
	error = path_of(directory, name, path);
	if (error != MM_OK || access(path, F_OK) == 0)
		return error;
	error = mm_cosigner_place(directory, name, bytes, 0644, false);
	return error == MM_E_EXISTS ? MM_OK : error;
}

enum mm_error
mm_cosigner_keep(const struct mm_cosigner_log *log, struct mm_span request,
    struct mm_span text, bool certain, char hex[2 * MM_HASH_SIZE + 1])
{
	char directory[PATH_MAX];
	uint8_t digest[MM_HASH_SIZE];
	mm_auto(buffer) cosigned = {0};
	enum mm_error error = path_of(log->directory, "evidence", directory);

	crypto_hash_sha256(digest, text.data, text.size);
	sodium_bin2hex(hex, 2 * MM_HASH_SIZE + 1, digest, sizeof(digest));
	if (error == MM_OK)
		error = make_directory_in(log->directory, directory);
	if (error == MM_OK &&
	    count_files(directory) > (certain ? FORKS_MAX : SUSPECTS_MAX))
		return mm_fail(
		    MM_E_RANGE, "there is much evidence already: look at it");
	if (error == MM_OK)
		error = mm_cosigner_note(log, &cosigned);
	if (error == MM_OK)
		error = keep_file(directory, hex, "request", request);
	if (error == MM_OK)
		error = keep_file(
		    directory, hex, "cosigned", mm_buffer_span(&cosigned));
	return error;
}

/* --- the whole --- */

void
mm_cosigner_close(struct mm_cosigner *cosigner)
{
	if (cosigner == NULL)
		return;
	sodium_free(cosigner->secret);
	free(cosigner->logs);
	mm_own_close_(&cosigner->lock);
	free(cosigner);
}

static enum mm_error
open_with(const char *directory, bool works, struct mm_cosigner **out)
{
	struct mm_cosigner *cosigner = calloc(1, sizeof(*cosigner));
	enum mm_error error = MM_OK;

	if (cosigner == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a witness");
	cosigner->lock = -1;
	if (snprintf(cosigner->directory, PATH_MAX, "%s", directory) >=
	    PATH_MAX)
		error = mm_fail(MM_E_STATE, "the path is too long");
	if (error == MM_OK && works)
		error = lock(directory, &cosigner->lock);
	if (error == MM_OK)
		error = read_identity(cosigner);
	if (error == MM_OK && works)
		error = take_key(cosigner);
	if (error == MM_OK)
		error = read_logs(cosigner);
	if (error != MM_OK) {
		mm_cosigner_close(cosigner);
		return error;
	}
	*out = cosigner;
	return MM_OK;
}

enum mm_error
mm_cosigner_open(const char *directory, struct mm_cosigner **out)
{
	return open_with(directory, true, out);
}

enum mm_error
mm_cosigner_view(const char *directory, struct mm_cosigner **out)
{
	return open_with(directory, false, out);
}

const struct mm_witness *
mm_cosigner_identity(const struct mm_cosigner *cosigner)
{
	return &cosigner->identity;
}

const struct mm_witnessed *
mm_cosigner_log(const struct mm_cosigner *cosigner, size_t number)
{
	return number < cosigner->count ? &cosigner->logs[number].followed
					: NULL;
}
