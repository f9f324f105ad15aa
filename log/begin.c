#include "log/begin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRY_ARENA = 65536 };

static bool
exists(const char *directory, const char *name)
{
	mm_autofree char *path = NULL;
	struct stat info;

	return asprintf(&path, "%s/%s", directory, name) < 0 ||
	       lstat(path, &info) == 0;
}

/* Locks and hidden files may be there already; nothing else. */
static bool
is_foreign(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' &&
	       (length < 4 || strcmp(name + length - 4, "lock") != 0);
}

static enum mm_error
check_empty(const struct mm_notary *notary)
{
	DIR *directory = opendir(notary->state);
	struct dirent *found = NULL;
	enum mm_error error = MM_OK;

	if (directory == NULL)
		return mm_fail(MM_E_STATE, "cannot read %s: %s", notary->state,
		    strerror(errno));
	while (error == MM_OK && (found = readdir(directory)) != NULL)
		if (is_foreign(found->d_name))
			error = mm_fail(MM_E_STATE,
			    "a new log wants an empty directory; %s holds %s",
			    notary->state, found->d_name);
	closedir(directory);
	if (error == MM_OK && exists(notary->anchor_directory, "anchor"))
		error = mm_fail(MM_E_STATE, "%s holds the anchor of a log",
		    notary->anchor_directory);
	if (error == MM_OK && exists(notary->key_directory, "log.key"))
		error = mm_fail(MM_E_STATE, "%s holds the key of a log",
		    notary->key_directory);
	return error;
}

static enum mm_error
begin_log(struct mm_notary *notary, const struct mm_vkey *vkey)
{
	struct mm_store_identity identity;
	struct mm_anchored first = {
	    .root = mm_frontier_root(&notary->growth.frontier)};
	enum mm_error error;

	memcpy(identity.origin, vkey->name, sizeof(identity.origin));
	memcpy(identity.log_key, vkey->public_key, sizeof(identity.log_key));
	memcpy(first.log_key, vkey->public_key, sizeof(first.log_key));
	error = mm_store_create(notary->state, &identity, &notary->store);
	if (error == MM_OK)
		error = mm_anchor_create(
		    notary->anchor_directory, &first, &notary->anchor);
	return error;
}

enum mm_error
mm_notary_run_genesis(
    void *self, const void *request, struct mm_arena *arena, void *answer)
{
	struct mm_notary *notary = self;
	const struct mm_notary_genesis_request *in = request;
	struct mm_notary_genesis_answer *out = answer;
	static const uint8_t no_key[32];
	struct mm_vkey vkey;
	enum mm_error error;

	(void)arena;
	if (!notary->genesis)
		return mm_fail(
		    MM_E_UNKNOWN, "this log has its genesis already");
	/* The name is judged before anything is made. */
	error = mm_vkey_init(&vkey, in->origin, no_key);
	if (error != MM_OK)
		return error;
	notary->genesis = false;
	error = mm_log_key_create(notary->key_directory, &notary->key);
	if (error == MM_OK)
		error = mm_vkey_init(
		    &notary->vkey, in->origin, notary->key.public_key);
	if (error == MM_OK)
		error = begin_log(notary, &notary->vkey);
	if (error == MM_OK)
		memcpy(
		    out->log_key, notary->key.public_key, sizeof(out->log_key));
	return error;
}

/* Without it nobody can say whether log.db is the newest. */
static enum mm_error
anchor_gone(const struct mm_notary *notary)
{
	return mm_fail(MM_E_ROLLBACK,
	    "the anchor of log.db is gone: nothing says any more that log.db "
	    "was not rolled back, so nothing is signed. Put the anchor's file "
	    "back into %s; where it is lost, end this log and begin a new "
	    "one, with another origin and key, that names its last checkpoint",
	    notary->anchor_directory);
}

static enum mm_error
rolled_back(const struct mm_notary *notary, const char *what)
{
	return mm_fail(MM_E_ROLLBACK,
	    "%s: going on would fork the log, so nothing is signed. Find its "
	    "newest copy (log.db with its -wal, the published tiles, a "
	    "backup) and put it back into %s or restore it there with "
	    "mintmarkd --restore. Never go on with an older one: if it is "
	    "lost, end this log and begin a new one, with another origin and "
	    "key, that names its last checkpoint",
	    what, notary->state);
}

/* Whose absence means what: a log is never begun anew by itself. */
static enum mm_error
open_parts(struct mm_notary *notary)
{
	enum mm_error anchor, store;

	anchor = mm_anchor_open(notary->anchor_directory, &notary->anchor);
	if (anchor != MM_OK && anchor != MM_E_NOT_FOUND)
		return anchor;
	store = mm_store_open(notary->state, &notary->store);
	if (store != MM_OK && store != MM_E_NOT_FOUND)
		return store;
	if (store != MM_OK && anchor != MM_OK)
		return mm_fail(MM_E_STATE,
		    "there is no log in %s: make one with mintmark quickstart "
		    "or mintmarkd --genesis",
		    notary->state);
	if (store != MM_OK)
		return rolled_back(notary, "log.db is gone, its anchor is not");
	if (anchor != MM_OK)
		return anchor_gone(notary);
	return mm_log_key_open(notary->key_directory, &notary->key);
}

static enum mm_error
check_identity(struct mm_notary *notary)
{
	const struct mm_store_identity *identity =
	    mm_store_identity(notary->store);
	const struct mm_anchored *anchored = mm_anchor_last(notary->anchor);
	const uint8_t *key = notary->key.public_key;

	if (memcmp(identity->log_key, key, sizeof(identity->log_key)) != 0)
		return mm_fail(MM_E_STATE,
		    "log.key in %s is not the key of "
		    "log.db in %s",
		    notary->key_directory, notary->state);
	if (memcmp(anchored->log_key, key, sizeof(anchored->log_key)) != 0)
		return mm_fail(MM_E_STATE, "the anchor in %s is of another log",
		    notary->anchor_directory);
	return mm_vkey_init(&notary->vkey, mm_span_text(identity->origin), key);
}

/* The right edge of the tree must lead to the root that was stored. */
static enum mm_error
load_tree(struct mm_notary *notary, const struct mm_store_checkpoint *newest)
{
	struct mm_tree tree = mm_notary_tree(notary);
	uint64_t count;
	struct mm_hash root;
	enum mm_error error = mm_store_count(notary->store, &count);

	if (error == MM_OK &&
	    (count != newest->size || count > MM_NOTARY_SIZE_MAX))
		error = mm_fail(MM_E_LOG_WRONG,
		    "log.db has %llu entries and a checkpoint of %llu",
		    (unsigned long long)count,
		    (unsigned long long)newest->size);
	if (error == MM_OK)
		error = mm_frontier_load(
		    &tree, newest->size, &notary->growth.frontier);
	if (error != MM_OK)
		return error;
	root = mm_frontier_root(&notary->growth.frontier);
	if (newest->size > 0 && !mm_hash_equal(&root, &newest->root))
		return mm_fail(MM_E_LOG_WRONG,
		    "the tree in log.db does not lead to its checkpoint");
	return MM_OK;
}

static enum mm_error
check_anchor(struct mm_notary *notary)
{
	const struct mm_anchored *anchored = mm_anchor_last(notary->anchor);
	struct mm_tree tree = mm_notary_tree(notary);
	struct mm_hash root;
	char what[128];
	enum mm_error error;

	error = mm_tree_root(&tree, anchored->size, &root);
	if (error != MM_OK)
		return error;
	if (mm_hash_equal(&root, &anchored->root))
		return MM_OK;
	snprintf(what, sizeof(what),
	    "log.db had other entries when its anchor saw %llu of them",
	    (unsigned long long)anchored->size);
	return rolled_back(notary, what);
}

static enum mm_error
check_not_behind(
    struct mm_notary *notary, const struct mm_store_checkpoint *newest)
{
	uint64_t anchored = mm_anchor_last(notary->anchor)->size;
	char what[128];

	if (newest->size >= anchored)
		return MM_OK;
	snprintf(what, sizeof(what),
	    "log.db has %llu entries, but its anchor has seen %llu",
	    (unsigned long long)newest->size, (unsigned long long)anchored);
	return rolled_back(notary, what);
}

/* The last entries hash to their leaves; what the very last one says. */
static enum mm_error
load_tail(struct mm_notary *notary)
{
	uint64_t size = mm_notary_size(notary);
	uint64_t i = size > MM_BATCH_ENTRIES ? size - MM_BATCH_ENTRIES : 0;
	mm_auto(arena) arena = {0};
	struct mm_entry last;
	struct mm_span bytes;
	enum mm_error error = MM_OK;

	mm_arena_init(&arena, ENTRY_ARENA);
	for (; i < size && error == MM_OK; i++)
		error = mm_store_entry_checked(notary->store, i, &bytes);
	if (error != MM_OK || size == 0)
		return error;
	error = mm_entry_decode(bytes, &arena, &last);
	if (error != MM_OK)
		return mm_fail(
		    MM_E_LOG_WRONG, "the last entry: %s", mm_why(error));
	notary->tail.time = last.time;
	memcpy(notary->tail.policy, last.policy, sizeof(last.policy));
	return MM_OK;
}

static enum mm_error
check_first(struct mm_notary *notary)
{
	struct mm_tail none = {.time = 0};
	struct mm_span bytes;
	enum mm_error error = mm_store_entry_checked(notary->store, 0, &bytes);

	if (error == MM_OK)
		error = mm_admit_entry(&notary->vkey, 0, bytes, &none);
	if (error != MM_OK)
		return mm_fail(
		    MM_E_LOG_WRONG, "the first entry: %s", mm_why(error));
	return MM_OK;
}

/* The newest note, which a crash may have kept from the store. */
static enum mm_error
settle_note(struct mm_notary *notary)
{
	enum mm_error error = mm_notary_sign(notary);

	if (error != MM_OK)
		return error;
	error = mm_store_note(notary->store, mm_notary_size(notary),
	    mm_buffer_span(&notary->note));
	/* Then it comes with the next batch. */
	return error == MM_E_DISK_FULL ? MM_OK : error;
}

static enum mm_error
check_log(struct mm_notary *notary)
{
	struct mm_store_checkpoint newest;
	enum mm_error error = mm_store_newest(notary->store, &newest);

	if (error == MM_OK)
		error = check_not_behind(notary, &newest);
	if (error == MM_OK)
		error = load_tree(notary, &newest);
	if (error == MM_OK)
		error = check_anchor(notary);
	if (error == MM_OK)
		error = load_tail(notary);
	if (error == MM_OK && mm_notary_size(notary) > 0)
		error = check_first(notary);
	/* A crash between store and anchor leaves the anchor behind. */
	if (error == MM_OK)
		error = mm_notary_anchor(notary);
	if (error == MM_OK && mm_notary_size(notary) > 0)
		error = settle_note(notary);
	return error;
}

enum mm_error
mm_notary_start(struct mm_notary *notary)
{
	enum mm_error error;

	notary->directory =
	    open(notary->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (notary->directory < 0)
		return mm_fail(MM_E_STATE, "cannot open %s: %s", notary->state,
		    strerror(errno));
	if (notary->genesis)
		return check_empty(notary);
	error = open_parts(notary);
	if (error == MM_OK)
		error = check_identity(notary);
	if (error == MM_OK)
		error = check_log(notary);
	return error;
}
