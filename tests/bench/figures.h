/*
 * The figures of a log's bench: what they are called, and the table that they
 * are printed as, a column a size, with the last by the first.
 */
#ifndef MM_BENCH_FIGURES_H
#define MM_BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum metric {
	BATCH_ENTRIES,
	BATCH_MEAN,
	BATCH_P50,
	BATCH_P99,
	BATCH_ENTRY,
	BATCH_CPU,
	BATCH_WRITTEN,
	LONE_MEAN,
	LONE_P50,
	LONE_P99,
	LONE_CPU,
	INDEX_MEAN,
	INDEX_P99,
	INDEX_ENTRY,
	INDEX_CPU,
	INDEX_WRITTEN,
	RECEIPT_MEAN,
	RECEIPT_P99,
	RECEIPT_CPU,
	RECEIPT_NEWEST,
	RECEIPT_COLD,
	CONSISTENCY_MEAN,
	CONSISTENCY_P99,
	CONSISTENCY_CPU,
	START_NOTARY,
	START_NOTARY_CPU,
	START_NOTARY_COLD,
	START_NOTARY_KILLED,
	START_ARCHIVE,
	START_ARCHIVE_CPU,
	START_ARCHIVE_COLD,
	START_INDEX,
	BYTES_ENTRY,
	BYTES_STORE,
	BYTES_TILES,
	BYTES_INDEX,
	PEAK_NOTARY,
	PEAK_ARCHIVE,
	PUBLISH_RATE,
	READ_PLAIN,
	READ_TREE,
	READ_PEAK,
	METRICS
};

static const struct {
	const char *what, *unit;
	double scale;
} rows[METRICS] = {
    [BATCH_ENTRIES] = {"entries of a full batch", "", 1},
    [BATCH_MEAN] = {"append, a full batch, mean", "ms", 1e3},
    [BATCH_P50] = {"append, a full batch, p50", "ms", 1e3},
    [BATCH_P99] = {"append, a full batch, p99", "ms", 1e3},
    [BATCH_ENTRY] = {"append, an entry of it, mean", "us", 1e6},
    [BATCH_CPU] = {"append, an entry of it, CPU", "us", 1e6},
    [BATCH_WRITTEN] = {"append, an entry of it, written", "bytes", 1},
    [LONE_MEAN] = {"append, a lone entry, mean", "ms", 1e3},
    [LONE_P50] = {"append, a lone entry, p50", "ms", 1e3},
    [LONE_P99] = {"append, a lone entry, p99", "ms", 1e3},
    [LONE_CPU] = {"append, a lone entry, CPU", "us", 1e6},
    [INDEX_MEAN] = {"index, a full batch, mean", "ms", 1e3},
    [INDEX_P99] = {"index, a full batch, p99", "ms", 1e3},
    [INDEX_ENTRY] = {"index, an entry of it, mean", "us", 1e6},
    [INDEX_CPU] = {"index, an entry of it, CPU", "us", 1e6},
    [INDEX_WRITTEN] = {"index, an entry of it, written", "bytes", 1},
    [RECEIPT_MEAN] = {"receipt, its own batch's, mean", "us", 1e6},
    [RECEIPT_P99] = {"receipt, its own batch's, p99", "us", 1e6},
    [RECEIPT_CPU] = {"receipt, its own batch's, CPU", "us", 1e6},
    [RECEIPT_NEWEST] = {"receipt, newest checkpoint, mean", "us", 1e6},
    [RECEIPT_COLD] = {"receipt, nothing cached, p50", "us", 1e6},
    [CONSISTENCY_MEAN] = {"consistency proof, mean", "us", 1e6},
    [CONSISTENCY_P99] = {"consistency proof, p99", "us", 1e6},
    [CONSISTENCY_CPU] = {"consistency proof, CPU", "us", 1e6},
    [START_NOTARY] = {"start, notary", "ms", 1e3},
    [START_NOTARY_CPU] = {"start, notary, CPU", "ms", 1e3},
    [START_NOTARY_COLD] = {"start, notary, nothing cached", "ms", 1e3},
    [START_NOTARY_KILLED] = {"start, notary, after a kill", "ms", 1e3},
    [START_ARCHIVE] = {"start, archive", "ms", 1e3},
    [START_ARCHIVE_CPU] = {"start, archive, CPU", "ms", 1e3},
    [START_ARCHIVE_COLD] = {"start, archive, nothing cached", "ms", 1e3},
    [START_INDEX] = {"start, the authority's index", "ms", 1e3},
    [BYTES_ENTRY] = {"an entry itself, mean", "bytes", 1},
    [BYTES_STORE] = {"log.db, an entry", "bytes", 1},
    [BYTES_TILES] = {"tiles, an entry", "bytes", 1},
    [BYTES_INDEX] = {"index, an entry", "bytes", 1},
    [PEAK_NOTARY] = {"memory, notary, peak", "MiB", 1.0 / (1 << 20)},
    [PEAK_ARCHIVE] = {"memory, archive, peak", "MiB", 1.0 / (1 << 20)},
    [PUBLISH_RATE] = {"tiles written, entries a second", "", 1},
    [READ_PLAIN] = {"tiles read by read(2), nothing cached", "MB/s", 1e-6},
    [READ_TREE] = {"tiles read, tree checked, the same", "MB/s", 1e-6},
    [READ_PEAK] = {"memory, that reader, peak", "MiB", 1.0 / (1 << 20)},
};

/* What was not measured has no figure. */
static inline void
print_figure(double figure, int width, double whole)
{
	if (figure > 0)
		printf(" %*.*f", width, figure < whole ? 2 : 0, figure);
	else
		printf(" %*s", width, "-");
}

static inline void
print_figures(double (*results)[METRICS], const uint64_t *sizes, size_t count)
{
	printf("%-38s %-5s", "entries", "");
	for (size_t i = 0; i < count; i++)
		printf(" %11llu", (unsigned long long)sizes[i]);
	printf("  last/first\n");
	for (size_t m = 0; m < METRICS; m++) {
		printf("%-38s %-5s", rows[m].what, rows[m].unit);
		for (size_t i = 0; i < count; i++)
			print_figure(results[i][m] * rows[m].scale, 11, 1000);
		print_figure(results[count - 1][m] / results[0][m], 11, 1000);
		printf("\n");
	}
}

#endif
