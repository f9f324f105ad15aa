/*
 * The processes of a log's bench: notary, archive and reader, each this
 * program again, by its role's name, at the other end of a channel.
 */
#ifndef MM_BENCH_ROLES_H
#define MM_BENCH_ROLES_H

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "log/archive.h"
#include "log/reader.h"
#include "tests/bench/entries.h"
#include "tests/bench/measure.h"

enum { PATH_SIZE = 512, READ_SIZE = 1 << 20 };

/* Where the log's parts lie. */
struct places {
	char root[PATH_SIZE - 64];
	char state[PATH_SIZE], anchor[PATH_SIZE], key[PATH_SIZE];
	char tiles[PATH_SIZE], index_path[PATH_SIZE];
};

struct child {
	pid_t pid; /* 0: not running */
	int fd;
};

static inline void
path_in(const struct places *places, const char *name, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, "%s/%s", places->root, name);
}

static inline void
places_init(struct places *places, const char *root)
{
	if (strlen(root) >= sizeof(places->root))
		bench_die("the directory's path is too long", MM_E_RANGE);
	strcpy(places->root, root);
	path_in(places, "state", places->state);
	path_in(places, "anchor", places->anchor);
	path_in(places, "key", places->key);
	path_in(places, "tiles", places->tiles);
	path_in(places, "index", places->index_path);
}

static inline enum mm_error
serve_notary(const struct places *places, int fd)
{
	struct mm_notary_options options = {.state = places->state,
	    .anchor = places->anchor,
	    .key = places->key};
	char path[PATH_SIZE + 8];
	struct mm_notary *notary;
	struct mm_service service;
	enum mm_error error;

	snprintf(path, sizeof(path), "%s/log.db", places->state);
	options.genesis = access(path, F_OK) < 0;
	error = mm_notary_open(&options, &notary);
	if (error != MM_OK)
		return error;
	service = mm_notary_service(notary);
	error = mm_service_run_peer(&service, -1, fd);
	mm_notary_close(notary);
	return error;
}

static inline enum mm_error
serve_archive(const struct places *places, int fd)
{
	struct mm_archive_options options = {
	    .state = places->state, .tiles = places->tiles};
	struct mm_archive *archive;
	struct mm_service service;
	enum mm_error error = mm_archive_open(&options, &archive);

	if (error != MM_OK)
		return error;
	service = mm_archive_service(archive);
	error = mm_service_run_peer(&service, -1, fd);
	mm_archive_close(archive);
	return error;
}

/* What a reader found out; it is written to its channel as it is. */
struct reading {
	double bytes, seconds;
};

static struct reading
read_plain(const struct places *places, uint64_t size)
{
	static uint8_t bytes[READ_SIZE];
	struct mm_tile_walk walk = mm_tile_walk(0, size);
	struct reading out = {0, now()};
	struct mm_tile tile;

	while (mm_tile_next(&walk, &tile)) {
		char name[MM_TILE_PATH_MAX], path[PATH_SIZE + sizeof(name)];
		ssize_t got;
		int fd;

		mm_tile_path(&tile, name);
		snprintf(path, sizeof(path), "%s/%s", places->tiles, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		while ((got = read(fd, bytes, sizeof(bytes))) > 0)
			out.bytes += (double)got;
		if (fd < 0 || got < 0)
			bench_die(
			    path, mm_fail(MM_E_FILE, "it cannot be read"));
		close(fd);
	}
	out.seconds = now() - out.seconds;
	return out;
}

struct tree_check {
	struct mm_tree tiles;
	double bytes;
};

/* Complete subtrees of 256^level entries are the hashes of the tiles. */
static inline enum mm_error
compare(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct tree_check *check = self;
	struct mm_hash tile;
	enum mm_error error;

	if (level % 8 != 0)
		return MM_OK;
	check->bytes += MM_HASH_SIZE;
	error = check->tiles.node(check->tiles.self, level, n, &tile);
	if (error == MM_OK && !mm_hash_equal(&tile, hash))
		error = mm_fail(MM_E_TILE, "a tile is not its entries'");
	return error;
}

static struct reading
read_tree(const struct places *places, const struct mm_vkey *vkey)
{
	struct mm_log_reader *reader;
	struct mm_frontier frontier = {.size = 0};
	struct tree_check check = {.bytes = 0};
	double began = now();
	struct mm_hash root;
	uint64_t size;

	must("directory", mm_log_open(places->tiles, vkey, &reader));
	check.tiles = mm_log_tree(reader);
	size = mm_log_checkpoint(reader)->size;
	for (uint64_t i = 0; i < size; i++) {
		struct mm_span entry;
		struct mm_hash leaf;

		must("entry", mm_log_entry(reader, i, &entry));
		leaf = mm_leaf_hash(entry);
		must("tile",
		    mm_frontier_append(&frontier, &leaf, compare, &check));
		check.bytes += 2 + (double)entry.size;
	}
	root = mm_frontier_root(&frontier);
	if (!mm_hash_equal(&root, &mm_log_checkpoint(reader)->root))
		bench_die("the entries do not make the root", MM_E_LOG_WRONG);
	mm_log_close(reader);
	return (struct reading){check.bytes, now() - began};
}

static inline enum mm_error
serve_reading(int fd, struct reading reading)
{
	return write(fd, &reading, sizeof(reading)) == sizeof(reading)
		   ? MM_OK
		   : MM_E_AWAY;
}

/* `argv`: the role, its descriptor, the directory, and one more. */
static inline int
play(char **argv)
{
	static struct places places;
	int fd = atoi(argv[1]);
	struct mm_vkey vkey;
	enum mm_error error = MM_E_BUG;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	places_init(&places, argv[2]);
	if (strcmp(argv[0], "--notary") == 0)
		error = serve_notary(&places, fd);
	else if (strcmp(argv[0], "--archive") == 0)
		error = serve_archive(&places, fd);
	else if (strcmp(argv[0], "--plain") == 0)
		error = serve_reading(
		    fd, read_plain(&places, strtoull(argv[3], NULL, 10)));
	else if (strcmp(argv[0], "--tree") == 0) {
		must("vkey", mm_vkey_decode(mm_span_text(argv[3]), &vkey));
		error = serve_reading(fd, read_tree(&places, &vkey));
	}
	if (error != MM_OK)
		bench_die(argv[0], error);
	return 0;
}

static struct child
start(const struct places *places, const char *role, const char *more)
{
	struct child child;
	char fd[16];
	int ends[2];

	must("channel", mm_channel_pair(ends));
	child.fd = ends[0];
	child.pid = fork();
	if (child.pid < 0)
		bench_die("fork", MM_E_SYSTEM);
	if (child.pid > 0) {
		close(ends[1]);
		return child;
	}
	fcntl(ends[1], F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", ends[1]);
	execl("/proc/self/exe", "log", role, fd, places->root, more,
	    (char *)NULL);
	_exit(1);
}

/* Its channel's end is its order to stop, unless it is killed. */
static struct rusage
stop(struct child *child, bool kill_it)
{
	struct rusage usage = {.ru_maxrss = 0};
	int status;

	if (kill_it)
		kill(child->pid, SIGKILL);
	close(child->fd);
	if (wait4(child->pid, &status, 0, &usage) != child->pid ||
	    (!kill_it && status != 0))
		bench_die("stopping a process",
		    mm_fail(MM_E_AWAY, "it ended otherwise"));
	child->pid = 0;
	return usage;
}

#endif
