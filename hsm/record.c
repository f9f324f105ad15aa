#include "hsm/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { RECORD_MAX = 16384, NAME_SIZE = 256, RECORD_ARENA = 65536 };

static const struct mm_field record_fields[] = {
    MM_FIELD(mm_record_state, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_record_state, 1, log_key, MM_FIXED, 0, 32),
    MM_FIELD(mm_record_state, 2, genesis, MM_FIXED, 0, 32),
    MM_FIELD(mm_record_state, 3, number, MM_UINT, 1, INT64_MAX),
    MM_FIELD(mm_record_state, 4, policy, MM_FIXED, 0, 32),
    MM_ANY(mm_record_state, 5, retired, &mm_hash_item_shape,
	MM_RECORD_RETIRED_MAX)};
MM_SHAPE(mm_record_state_shape, mm_record_state, record_fields);

struct mm_record {
	int directory;
	char name[NAME_SIZE], temporary[NAME_SIZE + 4];
	bool begun;
	uint8_t origin[MM_ORIGIN_MAX];
	struct mm_hash_item retired[MM_RECORD_RETIRED_MAX];
	struct mm_record_state
	    state; /* its origin and retired are those above */
};

static enum mm_error
fault(const struct mm_record *record, const char *what)
{
	return mm_fail(errno == ENOSPC ? MM_E_DISK_FULL : MM_E_TOKEN_RECORD,
	    "cannot %s the token's record %s: %s", what, record->name,
	    strerror(errno));
}

/* Nobody else may be able to put another file in its place. */
static enum mm_error
check_owned(const struct mm_record *record, int fd, mode_t type)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return fault(record, "look at");
	if ((info.st_mode & S_IFMT) != type || info.st_uid != geteuid() ||
	    (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s %s must be the token process's "
		    "own: chown it, and chmod go-w",
		    record->name,
		    type == S_IFDIR ? "lies in a directory that" : "");
	return MM_OK;
}

static enum mm_error
lock(const struct mm_record *record)
{
	while (flock(record->directory, LOCK_EX) < 0)
		if (errno != EINTR)
			return fault(record, "lock");
	return MM_OK;
}

static void
unlock(const struct mm_record *record)
{
	flock(record->directory, LOCK_UN);
}

static void
keep(struct mm_record *record, const struct mm_record_state *state)
{
	struct mm_span origin = state->origin;
	struct mm_list retired = state->retired;

	/* They may be the record's own; the shape has bounded their sizes. */
	memmove(record->origin, origin.data, origin.size);
	if (retired.count > 0)
		memmove(record->retired, retired.items,
		    retired.count * sizeof(record->retired[0]));
	record->state = *state;
	record->state.origin = mm_span(record->origin, origin.size);
	record->state.retired =
	    (struct mm_list){record->retired, retired.count};
	record->begun = true;
}

static bool
may_follow(
    const struct mm_record_state *now, const struct mm_record_state *next)
{
	return next->number >= now->number &&
	       next->retired.count >= now->retired.count &&
	       memcmp(next->genesis, now->genesis, sizeof(now->genesis)) == 0;
}

static enum mm_error
decode(struct mm_record *record, struct mm_span bytes)
{
	mm_auto(arena) arena = {0};
	struct mm_record_state state;

	mm_arena_init(&arena, RECORD_ARENA);
	if (mm_shape_decode(&mm_record_state_shape, bytes, &arena, &state) !=
	    MM_OK)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s is damaged: restore it from a "
		    "backup",
		    record->name);
	if (record->begun && !may_follow(&record->state, &state))
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s was replaced by an older one or "
		    "by another log's",
		    record->name);
	keep(record, &state);
	return MM_OK;
}

/* Under the lock. Where there is no file, nothing changes. */
static enum mm_error
load(struct mm_record *record)
{
	mm_autoclose int fd = openat(record->directory, record->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	uint8_t bytes[RECORD_MAX];
	enum mm_error error;
	ssize_t size;

	if (fd < 0 && errno == ENOENT && !record->begun)
		return MM_OK;
	if (fd < 0)
		return fault(record, "open");
	error = check_owned(record, fd, S_IFREG);
	if (error != MM_OK)
		return error;
	size = read(fd, bytes, sizeof(bytes));
	if (size < 0)
		return fault(record, "read");
	return decode(record, mm_span(bytes, (size_t)size));
}

static bool
write_file(int fd, struct mm_span bytes)
{
	ssize_t put = fd < 0 ? -1 : write(fd, bytes.data, bytes.size);

	if (put >= 0 && (size_t)put < bytes.size)
		errno = ENOSPC;
	return put >= 0 && (size_t)put == bytes.size && fsync(fd) == 0;
}

/* Under the lock: a new file, durable, takes the old one's place. */
static enum mm_error
store(struct mm_record *record, const struct mm_record_state *state)
{
	mm_autoclose int fd = -1;
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, RECORD_MAX);
	error = mm_shape_encode(&mm_record_state_shape, state, &bytes);
	if (error != MM_OK)
		return error;
	/* One that a crash left behind. */
	unlinkat(record->directory, record->temporary, 0);
	fd = openat(record->directory, record->temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (!write_file(fd, mm_buffer_span(&bytes)) ||
	    renameat(record->directory, record->temporary, record->directory,
		record->name) < 0 ||
	    fsync(record->directory) < 0) {
		error = fault(record, "write");
		unlinkat(record->directory, record->temporary, 0);
		return error;
	}
	keep(record, state);
	return MM_OK;
}

static enum mm_error
split(struct mm_record *record, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	mm_autofree char *parent = slash != NULL && slash > path
				       ? strndup(path, (size_t)(slash - path))
				       : strdup(slash != NULL ? "/" : ".");

	if (parent == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a path");
	if (name[0] == '\0' || strlen(name) >= sizeof(record->name))
		return mm_fail(MM_E_SETTING, "%s names no file", path);
	snprintf(record->name, sizeof(record->name), "%s", name);
	snprintf(record->temporary, sizeof(record->temporary), "%s.new", name);
	record->directory =
	    open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (record->directory < 0)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "cannot open the directory of the token's record %s: %s",
		    path, strerror(errno));
	return check_owned(record, record->directory, S_IFDIR);
}

static enum mm_error
begin(struct mm_record *record, const char *path, bool genesis)
{
	enum mm_error error = split(record, path);

	if (error == MM_OK)
		error = lock(record);
	if (error != MM_OK)
		return error;
	error = load(record);
	unlock(record);
	if (error == MM_OK && !record->begun && !genesis)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s is missing: restore it from a "
		    "backup; only a genesis makes one",
		    path);
	return error;
}

enum mm_error
mm_record_open(const char *path, bool genesis, struct mm_record **out)
{
	struct mm_record *record = calloc(1, sizeof(*record));
	enum mm_error error;

	if (record == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a record");
	record->directory = -1;
	error = begin(record, path, genesis);
	if (error != MM_OK)
		mm_record_close(record);
	else
		*out = record;
	return error;
}

void
mm_record_close(struct mm_record *record)
{
	if (record == NULL)
		return;
	if (record->directory >= 0)
		close(record->directory);
	free(record);
}

const struct mm_record_state *
mm_record_state(const struct mm_record *record)
{
	return record->begun ? &record->state : NULL;
}

enum mm_error
mm_record_begin(struct mm_record *record, const struct mm_record_state *state)
{
	enum mm_error error = lock(record);

	if (error != MM_OK)
		return error;
	error = load(record);
	if (error == MM_OK && record->begun)
		error = mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s exists: a log has one genesis",
		    record->name);
	if (error == MM_OK)
		error = store(record, state);
	unlock(record);
	return error;
}

/* Whether the record may move to this policy: one up, or no move at all. */
static enum mm_error
check_move(
    const struct mm_record *record, uint64_t number, const uint8_t policy[32])
{
	const struct mm_record_state *now = &record->state;

	if (!record->begun)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s was not begun", record->name);
	if (number == now->number + 1)
		return MM_OK;
	if (number == now->number &&
	    memcmp(policy, now->policy, sizeof(now->policy)) == 0)
		return MM_OK;
	return mm_fail(MM_E_TOKEN_RECORD,
	    "the token's record %s is at policy %ju; it does not move to "
	    "another policy %ju",
	    record->name, (uintmax_t)now->number, (uintmax_t)number);
}

enum mm_error
mm_record_advance(
    struct mm_record *record, uint64_t number, const uint8_t policy[32])
{
	struct mm_record_state next;
	enum mm_error error = lock(record);

	if (error != MM_OK)
		return error;
	/* Another token process may have moved it. */
	error = load(record);
	if (error == MM_OK)
		error = check_move(record, number, policy);
	if (error == MM_OK) {
		next = record->state;
		next.number = number;
		memcpy(next.policy, policy, sizeof(next.policy));
		error = store(record, &next);
	}
	unlock(record);
	return error;
}

bool
mm_record_retired(const struct mm_record *record, const uint8_t key[32])
{
	for (mm_list_each(
		 const struct mm_hash_item, one, record->state.retired))
		if (memcmp(one->value, key, sizeof(one->value)) == 0)
			return true;
	return false;
}

/* Under the lock, after it was loaded. */
static enum mm_error
add_retired(struct mm_record *record, const uint8_t key[32])
{
	struct mm_record_state next = record->state;
	struct mm_hash_item retired[MM_RECORD_RETIRED_MAX];
	size_t count = next.retired.count;

	if (!record->begun)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s was not begun", record->name);
	if (mm_record_retired(record, key))
		return MM_OK;
	if (count == MM_RECORD_RETIRED_MAX)
		return mm_fail(MM_E_TOKEN_RECORD,
		    "the token's record %s has %d retired keys and room for "
		    "no more",
		    record->name, MM_RECORD_RETIRED_MAX);
	memcpy(retired, record->retired, count * sizeof(retired[0]));
	memcpy(retired[count].value, key, sizeof(retired[count].value));
	next.retired = (struct mm_list){retired, count + 1};
	return store(record, &next);
}

enum mm_error
mm_record_retire(struct mm_record *record, const uint8_t key[32])
{
	enum mm_error error = lock(record);

	if (error != MM_OK)
		return error;
	/* Another token process may have moved it. */
	error = load(record);
	if (error == MM_OK)
		error = add_retired(record, key);
	unlock(record);
	return error;
}
