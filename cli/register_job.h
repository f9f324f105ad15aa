/*
 * Inside `flash register`: what its kinds of output have in common.
 */
#ifndef MM_REGISTER_JOB_H
#define MM_REGISTER_JOB_H

#include "cli/growing_file.h"
#include "cli/register_scan.h"

enum { MM_REGISTER_PEM = 1 << 20 };

struct mm_register_job {
	const struct mm_invocation *invocation;
	const char *out;
	struct mm_register_choice choice;
	struct mm_source *source; /* of those that read the log */
	struct mm_register_scan *scan;
	uint64_t fresh, gone, devices;
	json_t *report; /* for mm_print() */
};

/* Reads the log into `scan`. */
enum mm_error mm_register_open(struct mm_register_job *job) mm_must_use;

/*
 * The file that says what a list covers: OUT.range.json beside it, or
 * OUT/range.json. It has the log's signed checkpoint, so that anybody can do
 * it again, the list's digest, and every certificate that is gone.
 */
struct mm_register_list {
	const char *path; /* of the list; NULL: files in a directory */
	uint8_t sha256[32];
	uint64_t size;
};
enum mm_error mm_register_range(struct mm_register_job *job,
    const struct mm_register_list *list, const char *path,
    struct mm_growing_file *file) mm_must_use;
/* "# " and the range in words, for files that take comments. */
void
mm_register_comment(const struct mm_register_job *job, struct mm_buffer *out);

/* A file in the directory that the output is. */
enum mm_error mm_register_file(struct mm_register_job *job, const char *name,
    struct mm_span bytes) mm_must_use;
/* Makes it, and asks whether these can be written into it. */
enum mm_error mm_register_directory(const struct mm_register_job *job,
    const char *const *names, size_t count) mm_must_use;

typedef enum mm_error mm_register_run(struct mm_register_job *job);
/* --- register_list.c --- */
mm_register_run mm_register_aws_bulk, mm_register_azure_dps;
/* --- register_bundle.c --- */
mm_register_run mm_register_aws_template_file, mm_register_aws_ca,
    mm_register_mosquitto_files;

#endif
