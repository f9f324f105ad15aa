/*
 * Whether the log costs the same whatever its size: builds one through the
 * notary, the archive and the authority's index as they are (each batch
 * decoded, stored with its fsync, its checkpoint signed, the anchor moved,
 * the tiles written), without the token, and measures at each size what an
 * append, a proof, a start and an entry cost.
 *
 *	log DIRECTORY SAMPLES INDEX SIZE...    (sizes ascend)
 *
 * SAMPLES batches are measured at each size; from the first size above INDEX
 * on the index stays behind, which writes a lot.
 *
 * Notary, archive and reader are processes of their own, as in the appliance:
 * this program again, by the names below.
 */
#include <errno.h>
#include <sys/statvfs.h>

#include "log/receipt.h"
#include "tests/bench/figures.h"
#include "tests/bench/mint.h"

enum {
	SIZES_MAX = 8,
	STARTS = 5,
	ENTRY_BYTES = 1900, /* of all files together, an entry */
	SPARE_BYTES = 256 << 20
};

static double
restart_notary(struct mint *mint)
{
	double began = now();

	mint->notary = start(&mint->places, "--notary", NULL);
	if (open_notary(mint) != mint->size)
		bench_die("the log has another size", MM_E_LOG_WRONG);
	return now() - began;
}

/* A receipt, which must prove its entry in this log. */
static double
time_receipt(struct mint *mint, uint64_t index, uint64_t against)
{
	struct mm_archive_receipt_request request = {
	    .index = index, .against = against};
	struct mm_archive_receipt_answer answer;
	struct mm_receipt receipt = {.index = index};
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	struct mm_checkpoint checkpoint;
	double began = now(), took;

	mm_arena_init(&arena, ARENA);
	ask(&mint->archive, MM_ARCHIVE_RECEIPT,
	    &mm_archive_receipt_request_shape, &request,
	    &mm_archive_receipt_answer_shape, &received, &arena, &answer);
	took = now() - began;
	receipt.entry = answer.entry;
	receipt.note = answer.note;
	must("receipt", mm_proof_from_list(&answer.proof, &receipt.proof));
	must("receipt", mm_receipt_verify(
			    &receipt, &mint->vkey, answer.entry, &checkpoint));
	return took;
}

static double
time_consistency(struct mint *mint, const struct mm_checkpoint *older)
{
	struct mm_consistency_request request = {older->size};
	struct mm_consistency_answer answer;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	struct mm_checkpoint newer;
	struct mm_proof proof;
	double began = now(), took;

	mm_arena_init(&arena, ARENA);
	ask(&mint->archive, MM_ARCHIVE_CONSISTENCY,
	    &mm_consistency_request_shape, &request,
	    &mm_consistency_answer_shape, &received, &arena, &answer);
	took = now() - began;
	must("proof", mm_proof_from_list(&answer.proof, &proof));
	must(
	    "note", mm_checkpoint_open(answer.checkpoint, &mint->vkey, &newer));
	must("proof", mm_consistency_check(older->size, newer.size, &proof,
			  &older->root, &newer.root));
	return took;
}

static double
restart_archive(struct mint *mint)
{
	double began = now();

	mint->archive = start(&mint->places, "--archive", NULL);
	time_receipt(mint, mint->size - 1, MM_AGAINST_NEWEST);
	return now() - began;
}

static double
restart_index(struct mint *mint)
{
	uint64_t count;
	double began;

	if (mint->index == NULL)
		return 0;
	mm_index_close(mint->index);
	began = now();
	must("index",
	    mm_index_open(mint->places.index_path, false, &mint->index));
	must("index", mm_index_unsigned_count(mint->index, &count));
	if (count != mint->unsigned_count)
		bench_die("the index is another log's", MM_E_STATE);
	return now() - began;
}

static void
forget_store(const struct mint *mint)
{
	forget_files(mint->places.state);
	forget_files(mint->places.anchor);
}

static void
measure_starts(struct mint *mint, double *out)
{
	struct samples notary = {.count = 0}, archive = {.count = 0};
	struct samples notary_cpu = {.count = 0}, archive_cpu = {.count = 0};
	struct samples indexes = {.count = 0};

	for (size_t i = 0; i < STARTS; i++) {
		stop(&mint->notary, false);
		samples_add(&notary, restart_notary(mint));
		samples_add(&notary_cpu, cpu_of(mint->notary.pid));
		stop(&mint->archive, false);
		samples_add(&archive, restart_archive(mint));
		samples_add(&archive_cpu, cpu_of(mint->archive.pid));
		samples_add(&indexes, restart_index(mint));
	}
	out[START_NOTARY] = samples_at(&notary, 0.5);
	out[START_NOTARY_CPU] = samples_at(&notary_cpu, 0.5);
	out[START_ARCHIVE] = samples_at(&archive, 0.5);
	out[START_ARCHIVE_CPU] = samples_at(&archive_cpu, 0.5);
	out[START_INDEX] = samples_at(&indexes, 0.5);
}

/* As after the machine's own start: every page comes from the disk. */
static void
measure_cold(struct mint *mint, double *out)
{
	struct samples notary = {.count = 0}, archive = {.count = 0};
	struct samples receipts = {.count = 0};

	for (size_t i = 0; i < STARTS; i++) {
		stop(&mint->notary, false);
		forget_store(mint);
		samples_add(&notary, restart_notary(mint));
		stop(&mint->archive, false);
		forget_store(mint);
		samples_add(&archive, restart_archive(mint));
	}
	for (size_t i = 0; i < mint->samples; i++) {
		forget_store(mint);
		samples_add(&receipts,
		    time_receipt(mint, random_below(&mint->maker, mint->size),
			MM_AGAINST_BATCH));
	}
	out[START_NOTARY_COLD] = samples_at(&notary, 0.5);
	out[START_ARCHIVE_COLD] = samples_at(&archive, 0.5);
	out[RECEIPT_COLD] = samples_at(&receipts, 0.5);
}

static void
measure_bytes(const struct mint *mint, double *out)
{
	struct mm_tile_walk walk = mm_tile_walk(0, mint->size);
	double size = (double)mint->size, tiles = 0;
	struct mm_tile tile;
	char path[PATH_SIZE + MM_TILE_PATH_MAX];

	while (mm_tile_next(&walk, &tile)) {
		char name[MM_TILE_PATH_MAX];

		mm_tile_path(&tile, name);
		snprintf(path, sizeof(path), "%s/%s", mint->places.tiles, name);
		tiles += file_size(path);
	}
	snprintf(path, sizeof(path), "%s/log.db", mint->places.state);
	out[BYTES_ENTRY] = mint->entry_bytes / size;
	out[BYTES_STORE] = file_size(path) / size;
	out[BYTES_TILES] = tiles / size;
	snprintf(path, sizeof(path), "%s/index.db", mint->places.index_path);
	if (mint->index != NULL)
		out[BYTES_INDEX] = file_size(path) / size;
}

static void
measure_receipts(struct mint *mint, double *out)
{
	struct samples batch = {.count = 0}, newest = {.count = 0};
	struct maker *maker = &mint->maker;
	double cpu = cpu_of(mint->archive.pid);

	for (size_t i = 0; i < 4 * mint->samples; i++)
		samples_add(
		    &batch, time_receipt(mint, random_below(maker, mint->size),
				MM_AGAINST_BATCH));
	out[RECEIPT_CPU] =
	    (cpu_of(mint->archive.pid) - cpu) / (double)batch.count;
	for (size_t i = 0; i < 4 * mint->samples; i++)
		samples_add(
		    &newest, time_receipt(mint, random_below(maker, mint->size),
				 MM_AGAINST_NEWEST));
	out[RECEIPT_MEAN] = samples_mean(&batch);
	out[RECEIPT_P99] = samples_at(&batch, 0.99);
	out[RECEIPT_NEWEST] = samples_mean(&newest);
}

static void
measure_consistency(struct mint *mint, double *out)
{
	struct samples proofs = {.count = 0};
	uint64_t seen = mint->notes < SEEN_MAX ? mint->notes : SEEN_MAX;
	double cpu = cpu_of(mint->archive.pid);

	for (size_t i = 0; i < 4 * mint->samples; i++)
		samples_add(&proofs,
		    time_consistency(
			mint, &mint->seen[random_below(&mint->maker, seen)]));
	out[CONSISTENCY_CPU] =
	    (cpu_of(mint->archive.pid) - cpu) / (double)proofs.count;
	out[CONSISTENCY_MEAN] = samples_mean(&proofs);
	out[CONSISTENCY_P99] = samples_at(&proofs, 0.99);
}

static struct reading
time_reading(
    struct mint *mint, const char *role, const char *more, double *peak)
{
	struct reading reading;
	struct child child;

	forget_files(mint->places.tiles);
	child = start(&mint->places, role, more);
	if (read(child.fd, &reading, sizeof(reading)) != sizeof(reading))
		bench_die("the reader failed", mm_fail(MM_E_AWAY, "it ended"));
	*peak = (double)stop(&child, false).ru_maxrss * 1024;
	return reading;
}

static void
measure_reading(struct mint *mint, double *out)
{
	char size[32], vkey[MM_VKEY_MAX];
	struct reading plain, tree;

	snprintf(size, sizeof(size), "%llu", (unsigned long long)mint->size);
	mm_vkey_text(&mint->vkey, vkey);
	plain = time_reading(mint, "--plain", size, &out[READ_PEAK]);
	tree = time_reading(mint, "--tree", vkey, &out[READ_PEAK]);
	out[READ_PLAIN] = plain.bytes / plain.seconds;
	out[READ_TREE] = tree.bytes / tree.seconds;
}

/* A lone entry: a certificate, then its signature in a batch of its own. */
static void
measure_lone(struct mint *mint, double *out)
{
	struct samples lone = {.count = 0};
	double cpu = cpu_of(mint->notary.pid);

	for (size_t i = 0; i < mint->samples; i++) {
		batch_make(mint, 1);
		samples_add(&lone, batch_store(mint, true));
		tell_archive(mint);
	}
	out[LONE_CPU] =
	    (cpu_of(mint->notary.pid) - cpu) / (double)mint->samples;
	out[LONE_MEAN] = samples_mean(&lone);
	out[LONE_P50] = samples_at(&lone, 0.5);
	out[LONE_P99] = samples_at(&lone, 0.99);
}

/* What the index did with `batches`; nothing where it grows no further. */
static void
judge_index(const struct mint *mint, struct samples *batches, double entries,
    double written, double *out)
{
	if (mint->index == NULL)
		return;
	out[INDEX_MEAN] = samples_mean(batches);
	out[INDEX_P99] = samples_at(batches, 0.99);
	out[INDEX_ENTRY] = out[INDEX_MEAN] * (double)batches->count / entries;
	out[INDEX_CPU] /= entries;
	out[INDEX_WRITTEN] = written / entries;
}

static void
measure_batches(struct mint *mint, double *out)
{
	struct samples notary = {.count = 0}, indexes = {.count = 0};
	uint64_t before = mint->size;
	pid_t pid = mint->notary.pid, own = getpid();
	double cpu = cpu_of(pid), written = written_by(pid);
	double index_written = written_by(own), entries;

	for (size_t i = 0; i < mint->samples; i++) {
		batch_make(mint, MM_BATCH_ENTRIES);
		samples_add(&notary, batch_store(mint, true));
		samples_add(&indexes, mint->index_time);
		out[INDEX_CPU] += mint->index != NULL ? mint->index_cpu : 0;
		tell_archive(mint);
	}
	entries = (double)(mint->size - before);
	out[BATCH_ENTRIES] = entries / (double)mint->samples;
	out[BATCH_MEAN] = samples_mean(&notary);
	out[BATCH_P50] = samples_at(&notary, 0.5);
	out[BATCH_P99] = samples_at(&notary, 0.99);
	out[BATCH_ENTRY] = out[BATCH_MEAN] / out[BATCH_ENTRIES];
	out[BATCH_CPU] = (cpu_of(pid) - cpu) / entries;
	out[BATCH_WRITTEN] = (written_by(pid) - written) / entries;
	judge_index(
	    mint, &indexes, entries, written_by(own) - index_written, out);
}

/* The archive is told late, and then has so much to write at once. */
static void
measure_publishing(struct mint *mint, double *out)
{
	uint64_t before = mint->size;
	double began;

	wait_published(mint);
	for (size_t i = 0; i < (mint->samples + 3) / 4; i++) {
		batch_make(mint, MM_BATCH_ENTRIES);
		batch_store(mint, true);
	}
	began = now();
	tell_archive(mint);
	wait_published(mint);
	out[PUBLISH_RATE] = (double)(mint->size - before) / (now() - began);
}

/* What was written just now is still cached; that ends with the cold ones. */
static void
measure(struct mint *mint, double *out)
{
	measure_receipts(mint, out);
	measure_consistency(mint, out);
	measure_lone(mint, out);
	measure_batches(mint, out);
	measure_publishing(mint, out);
	out[PEAK_NOTARY] = peak_of(mint->notary.pid);
	out[PEAK_ARCHIVE] = peak_of(mint->archive.pid);
	stop(&mint->notary, true);
	out[START_NOTARY_KILLED] = restart_notary(mint);
	measure_starts(mint, out);
	measure_bytes(mint, out);
	measure_cold(mint, out);
	measure_reading(mint, out);
}

static void
check_room(const struct mint *mint, uint64_t entries)
{
	double needed = (double)entries * ENTRY_BYTES + SPARE_BYTES, room;
	struct statvfs info;

	if (statvfs(mint->places.root, &info) < 0)
		bench_die(mint->places.root,
		    mm_fail(MM_E_FILE, "%s", strerror(errno)));
	room = (double)info.f_bavail * (double)info.f_frsize;
	if (room >= needed)
		return;
	bench_die("there is not enough room",
	    mm_fail(MM_E_DISK_FULL,
		"%llu entries take up to %.1f GB, and %s has %.1f GB: name "
		"another directory, or fewer entries",
		(unsigned long long)entries, needed / 1e9, mint->places.root,
		room / 1e9));
}

/* In ascending order. */
static bool
read_sizes(char **words, size_t count, uint64_t sizes[SIZES_MAX])
{
	for (size_t i = 0; i < count; i++) {
		char *end;

		sizes[i] = strtoull(words[i], &end, 10);
		if (*end != '\0' || sizes[i] <= INDEX_FIRST ||
		    (i > 0 && sizes[i] <= sizes[i - 1]))
			return false;
	}
	return count > 0;
}

int
main(int argc, char **argv)
{
	static struct mint mint;
	static double results[SIZES_MAX][METRICS];
	uint64_t sizes[SIZES_MAX];
	size_t count = (size_t)(argc > 4 ? argc - 4 : 0);

	if (sodium_init() < 0)
		return MM_EXIT_BUG;
	if (argc >= 4 && strncmp(argv[1], "--", 2) == 0)
		return play(argv + 1);
	mint.samples = count > 0 ? strtoul(argv[2], NULL, 10) : 0;
	if (count > SIZES_MAX || mint.samples == 0 ||
	    mint.samples > SAMPLES_MAX / 4 ||
	    !read_sizes(argv + 4, count, sizes)) {
		fprintf(stderr,
		    "usage: log DIRECTORY SAMPLES INDEX SIZE... (1 to %d "
		    "samples; 1 to %d sizes, ascending)\n",
		    SAMPLES_MAX / 4, SIZES_MAX);
		return MM_EXIT_USAGE;
	}
	mint.index_most = strtoull(argv[3], NULL, 10);
	places_init(&mint.places, argv[1]);
	check_room(&mint, sizes[count - 1]);
	mint_begin(&mint);
	for (size_t i = 0; i < count; i++) {
		build(&mint, sizes[i]);
		measure(&mint, results[i]);
	}
	mint_end(&mint);
	print_figures(results, sizes, count);
	return 0;
}
