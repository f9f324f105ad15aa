/*
 * A log's directory (C2SP tlog-tiles), checked to the last byte: checkpoint,
 * every tile and bundle at every width that is there, the whole tree from
 * its entries, blobs, the cosigned checkpoint, and that nothing else lies
 * under tile/ and blob/. What else lies beside these at the top (a web
 * server's index.html, a README) is no part of the log: it is not refused and
 * not looked at, but counted.
 */
#ifndef MM_DIRECTORY_H
#define MM_DIRECTORY_H

#include "audit/audit.h"

struct mm_directory_options {
	const char *directory;
	struct mm_audit_options audit; /* `sink` and `blob` are ours */
	/* Called now and then with the entries and their bytes that were
	 * read; NULL: nobody wants to know. */
	void (*progress)(
	    void *self, uint64_t done, uint64_t size, uint64_t bytes);
	/* Called with the note in `cosigned`, which nobody has looked at yet,
	 * before the log is read; empty: there is none. NULL: it may be any.
	 * Its error ends it. */
	enum mm_error (*cosigned)(void *self, struct mm_span note);
	void *self;             /* of both */
	struct mm_buffer *note; /* gets the checkpoint's note; NULL */
};

struct mm_directory_report {
	struct mm_audit_report audit;
	uint64_t files, bytes; /* that were read */
	uint64_t ahead; /* files of a log that has grown since: not covered */
	uint64_t blobs;
	uint64_t cosigned; /* size of the cosigned checkpoint; 0: none */
	uint64_t others;   /* names at the top that are no part of the log */
};

/*
 * The errors of mm_log_open() and mm_audit_add(); MM_E_TILE, MM_E_BUNDLE,
 * MM_E_BLOB and MM_E_STRAY name the file.
 */
enum mm_error mm_directory_verify(const struct mm_directory_options *options,
    struct mm_directory_report *out) mm_must_use;

#endif
