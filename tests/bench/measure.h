/*
 * What a bench measures with: clocks, samples and their percentiles, memory
 * and files. Times are in seconds, sizes in bytes.
 */
#ifndef MM_BENCH_MEASURE_H
#define MM_BENCH_MEASURE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static inline double
seconds_of(const struct timespec *time)
{
	return (double)time->tv_sec + (double)time->tv_nsec / 1e9;
}

static inline double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return seconds_of(&time);
}

/* What a process has used of the processors, whoever it is. */
static inline double
cpu_of(pid_t pid)
{
	struct timespec time = {0, 0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0)
		clock_gettime(clock, &time);
	return seconds_of(&time);
}

/* What a process has given to the disk so far. */
static inline double
written_by(pid_t pid)
{
	char path[64], line[128];
	double bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "write_bytes: %lf", &bytes) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return bytes;
}

/* The most memory that a process ever had resident. */
static inline double
peak_of(pid_t pid)
{
	char path[64], line[128];
	double kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmHWM: %lf kB", &kib) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kib * 1024;
}

enum { SAMPLES_MAX = 4096 };

struct samples {
	double values[SAMPLES_MAX];
	size_t count;
};

static inline void
samples_add(struct samples *samples, double value)
{
	if (samples->count < SAMPLES_MAX)
		samples->values[samples->count++] = value;
}

static inline int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value that this share of the samples do not exceed; sorts them. */
static inline double
samples_at(struct samples *samples, double share)
{
	if (samples->count == 0)
		return 0;
	qsort(samples->values, samples->count, sizeof(samples->values[0]),
	    by_value);
	return samples->values[(size_t)(share * (double)(samples->count - 1))];
}

static inline double
samples_mean(const struct samples *samples)
{
	double sum = 0;

	for (size_t i = 0; i < samples->count; i++)
		sum += samples->values[i];
	return samples->count > 0 ? sum / (double)samples->count : 0;
}

static inline double
file_size(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 ? (double)info.st_size : 0;
}

/* Nothing of the file stays in memory: the next one who reads it waits. */
static inline void
forget_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	fdatasync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static inline int
forget_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)at;
	if (type == FTW_F)
		forget_file(path);
	return 0;
}

static inline void
forget_files(const char *directory)
{
	nftw(directory, forget_one, 16, FTW_PHYS);
}

#endif
