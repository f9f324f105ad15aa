/*
 * mintmark log verify: a whole log, from a directory of tiles or from the
 * appliance itself, entry by entry against its checkpoint, and against one
 * that was kept from an earlier time; with witnesses' keys also who else saw
 * it.
 */
#include <string.h>
#include <unistd.h>

#include "audit/directory.h"
#include "cli/json_value.h"
#include "cli/progress.h"
#include "cli/quorum.h"
#include "cli/source.h"
#include "cli/values.h"

enum { JOBS_MAX = 64 };

/* One run of the command. */
struct verifying {
	const struct mm_invocation *invocation;
	struct mm_vkey vkey;
	bool offline;
	struct mm_checkpoint kept;
	struct mm_quorum quorum;
	struct mm_audit_options options;
	struct mm_source *source; /* an appliance */
	struct mm_blob read;      /* the last that came from it */
	struct mm_progress progress;
	struct mm_buffer note; /* that was verified */
	struct mm_directory_report report;
};

static void
show_progress(void *self, uint64_t done, uint64_t size, uint64_t bytes)
{
	struct verifying *v = self;

	v->progress.bytes = bytes;
	mm_progress_tell(&v->progress, done, size);
}

/* --- the options --- */

/* As many processes as there are processors, or as were asked for. */
static enum mm_error
read_jobs(struct verifying *v)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t jobs = processors > 0 ? (uint64_t)processors : 1;
	enum mm_error error =
	    mm_value_number(v->invocation, "jobs", 1, JOBS_MAX, &jobs);

	/* This one reads, and verifies where the others have no time. */
	v->options.helpers = (unsigned)(jobs - 1);
	return error;
}

static enum mm_error
read_kept(struct verifying *v)
{
	const char *path = mm_option(v->invocation, "checkpoint");
	mm_auto(buffer) note = {0};
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_file_read(path, MM_NOTE_MAX, &note);
	if (error == MM_OK)
		error = mm_checkpoint_open(
		    mm_buffer_span(&note), &v->vkey, &v->kept);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	v->options.kept = &v->kept;
	return MM_OK;
}

/* Before a long reading, not after it. */
static enum mm_error
check_save(const struct verifying *v)
{
	const char *path = mm_option(v->invocation, "save");

	if (path != NULL && strcmp(path, "-") == 0)
		return mm_fail(MM_E_USAGE, "--save is a file, not \"-\"");
	return path != NULL ? mm_output_check(v->invocation, path) : MM_OK;
}

static enum mm_error
save(const struct verifying *v)
{
	const char *path = mm_option(v->invocation, "save");

	return path != NULL
		   ? mm_output(v->invocation, path, mm_buffer_span(&v->note))
		   : MM_OK;
}

static enum mm_error
read_options(struct verifying *v)
{
	enum mm_error error = read_kept(v);

	v->options.vkey = &v->vkey;
	v->options.work = mm_option(v->invocation, "work");
	v->options.tree_only = mm_option(v->invocation, "tree") != NULL;
	if (error == MM_OK)
		error = read_jobs(v);
	return error == MM_OK ? check_save(v) : error;
}

/* --- witnesses --- */

/* The note is held against the entries by whoever reads them. */
static enum mm_error
check_quorum(struct verifying *v, struct mm_span note)
{
	static const char advice[] = "mintmark witness collect asks them";
	struct mm_checkpoint cosigned;
	enum mm_error error;

	if (v->quorum.count == 0)
		return MM_OK;
	if (note.size == 0)
		return mm_fail(MM_E_QUORUM,
		    "no witness has cosigned this log; %llu must have (%s)",
		    (unsigned long long)v->quorum.needed, advice);
	error = mm_checkpoint_open(note, &v->vkey, &cosigned);
	if (error == MM_OK)
		error = mm_quorum_check(&v->quorum, &v->vkey, note, advice);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "cosigned: %s", mm_why(error));
}

static enum mm_error
check_directory_quorum(void *self, struct mm_span note)
{
	return check_quorum(self, note);
}

/* Against the newest that the appliance says is cosigned; the source has
 * shown that it is of the same history. */
static enum mm_error
check_source_quorum(struct verifying *v, struct mm_source *source)
{
	mm_auto(buffer) note = {0};
	struct mm_checkpoint cosigned = {.size = 0};
	enum mm_error error;

	if (v->quorum.count == 0)
		return MM_OK;
	mm_buffer_init(&note, MM_NOTE_MAX);
	error = mm_source_cosigned(source, &note, &cosigned);
	if (error != MM_OK && error != MM_E_NOT_FOUND)
		return error;
	v->report.cosigned = cosigned.size;
	return check_quorum(v, mm_buffer_span(&note));
}

/* --- a directory --- */

static enum mm_error
verify_directory(struct verifying *v)
{
	struct mm_directory_options options = {
	    .directory = v->invocation->operands[0],
	    .progress = show_progress,
	    .cosigned = check_directory_quorum,
	    .self = v,
	    .note = &v->note};
	enum mm_error error =
	    mm_vkey_read(mm_option(v->invocation, "key"), &v->vkey);

	if (error == MM_OK)
		error = read_options(v);
	options.audit = v->options;
	return error == MM_OK ? mm_directory_verify(&options, &v->report)
			      : error;
}

/* --- an appliance --- */

/* A blob that the audit reads. */
static enum mm_error
read_blob(void *self, const struct mm_blob *blob, struct mm_buffer *out)
{
	struct verifying *v = self;

	v->read = *blob;
	return mm_source_blob(v->source, blob, out);
}

/* What an entry says of a blob is true of the appliance's. */
static enum mm_error
check_blob(struct verifying *v, struct mm_source *source, struct mm_span entry)
{
	mm_auto(buffer) bytes = {0};
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(entry, &blob);

	if (error != MM_OK || blob.size == 0)
		return error;
	mm_buffer_init(&bytes, MM_BLOB_MAX);
	v->report.blobs++;
	if (memcmp(v->read.sha256, blob.sha256, sizeof(blob.sha256)) == 0 &&
	    v->read.size == blob.size)
		return MM_OK;
	return mm_source_blob(source, &blob, &bytes);
}

static enum mm_error
read_entries(
    struct verifying *v, struct mm_source *source, struct mm_audit *audit)
{
	uint64_t size = mm_source_checkpoint(source)->size;
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < size; i++) {
		struct mm_span entry;
		enum mm_error error = mm_source_entry(source, i, &entry);

		bytes += error == MM_OK ? entry.size : 0;
		if (error == MM_OK)
			error = mm_audit_add(audit, entry);
		/* The entry does not live through this. */
		if (error == MM_OK && !v->options.tree_only)
			error = check_blob(v, source, entry);
		if (error != MM_OK)
			return error;
		show_progress(v, i + 1, size, bytes);
	}
	return mm_audit_end(
	    audit, mm_source_checkpoint(source), &v->report.audit);
}

static enum mm_error
check_not_behind(const struct verifying *v, struct mm_source *source)
{
	uint64_t size = mm_source_checkpoint(source)->size;

	if (v->kept.size <= size)
		return MM_OK;
	return mm_fail(MM_E_BEHIND,
	    "the appliance shows %llu entries, and the checkpoint that was "
	    "kept has %llu",
	    (unsigned long long)size, (unsigned long long)v->kept.size);
}

static enum mm_error
audit_source(struct verifying *v, struct mm_source *source)
{
	struct mm_span note = mm_source_note(source);
	struct mm_audit *audit = NULL;
	enum mm_error error;

	v->vkey = *mm_source_vkey(source);
	v->source = source;
	v->options.blob = read_blob;
	v->options.self = v;
	mm_buffer_add(&v->note, note.data, note.size);
	error = read_options(v);
	if (error == MM_OK)
		error = check_not_behind(v, source);
	if (error == MM_OK)
		error = check_source_quorum(v, source);
	if (error == MM_OK)
		error = mm_audit_new(&v->options, &audit);
	if (error == MM_OK)
		error = read_entries(v, source, audit);
	mm_audit_free(audit);
	return error;
}

static enum mm_error
verify_appliance(struct verifying *v)
{
	struct mm_source *source;
	enum mm_error error = mm_source_open(v->invocation, 0, &source);

	if (error != MM_OK)
		return error;
	error = audit_source(v, source);
	mm_source_close(source);
	return error;
}

/* --- the report --- */

static void
add_number(json_t *out, const char *key, uint64_t number)
{
	json_object_set_new(out, key, mm_json_number(number));
}

/* Entries of these kinds, under these keys. */
static const struct {
	const char *key;
	enum mm_entry_kind kind;
} counted[] = {{"policies", MM_ENTRY_POLICY},
    {"principals", MM_ENTRY_PRINCIPAL}, {"orders", MM_ENTRY_ORDER},
    {"revocations", MM_ENTRY_REVOCATION}, {"keys", MM_ENTRY_KEY},
    {"crls", MM_ENTRY_CRL}, {"exports", MM_ENTRY_EXPORT},
    {"starts", MM_ENTRY_START}, {"pendings", MM_ENTRY_PENDING},
    {"withdrawals", MM_ENTRY_WITHDRAWAL}, {"releases", MM_ENTRY_RELEASE},
    {"ceremonies", MM_ENTRY_CEREMONY}, {"csrs", MM_ENTRY_CSR},
    {"imports", MM_ENTRY_IMPORT}, {"partitions", MM_ENTRY_PARTITION},
    {"scraps", MM_ENTRY_SCRAP}};

/* The log that this one stands in for, and what it took over. */
static void
add_predecessor(const struct mm_audit_report *found, json_t *out)
{
	const struct mm_audit_succeeded *former = &found->succeeds;

	if (former->origin[0] == '\0')
		return;
	json_object_set_new(out, "succeeds",
	    json_pack("{s:s, s:I, s:o, s:I}", "log", former->origin, "size",
		(json_int_t)former->size, "root",
		mm_json_base64(mm_span(former->root.bytes, MM_HASH_SIZE)),
		"inherited", (json_int_t)found->inherited));
}

static void
add_meaning(const struct mm_audit_report *found, json_t *out)
{
	add_number(out, "certificates", found->kinds[MM_ENTRY_CERTIFICATE]);
	add_number(out, "images", found->kinds[MM_ENTRY_IMAGE]);
	add_number(out, "signatures", found->signatures);
	add_number(out, "voids", found->voids);
	add_number(out, "unsigned", found->unsigned_entries);
	add_number(out, "refusals", found->refusals);
	add_number(out, "devices", found->devices);
	for (size_t i = 0; i < MM_COUNT(counted); i++)
		add_number(out, counted[i].key, found->kinds[counted[i].kind]);
	json_object_set_new(out, "first", mm_json_time(found->first_time));
	json_object_set_new(out, "last", mm_json_time(found->last_time));
	add_predecessor(found, out);
}

static void
report(const struct verifying *v)
{
	const struct mm_directory_report *found = &v->report;
	json_t *out = json_pack("{s:s, s:I, s:o}", "log", v->vkey.name, "size",
	    (json_int_t)found->audit.size, "root",
	    mm_json_base64(mm_span(found->audit.root.bytes, MM_HASH_SIZE)));

	if (out == NULL)
		return;
	if (!v->options.tree_only)
		add_meaning(&found->audit, out);
	if (v->options.kept != NULL)
		add_number(out, "since", v->kept.size);
	add_number(out, "blobs", found->blobs);
	if (v->offline) {
		add_number(out, "files", found->files);
		add_number(out, "bytes", found->bytes);
		add_number(out, "ahead", found->ahead);
		add_number(out, "others", found->others);
	}
	if (v->offline || v->quorum.count > 0)
		add_number(out, "cosigned", found->cosigned);
	mm_quorum_json(&v->quorum, out);
	mm_print(v->invocation, out);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	bool key = mm_option(invocation, "key") != NULL;
	bool identity = mm_option(invocation, "identity") != NULL;
	struct verifying v = {.invocation = invocation,
	    .offline = invocation->operand_count == 1};
	enum mm_error error;

	if (key == identity || key != v.offline)
		return mm_fail(MM_E_USAGE,
		    "say --key and a directory, or --identity alone");
	error = mm_quorum_read(invocation, &v.quorum);
	if (error != MM_OK)
		return error;
	mm_buffer_init(&v.note, MM_NOTE_MAX);
	mm_progress_begin(&v.progress, "entries");
	error = v.offline ? verify_directory(&v) : verify_appliance(&v);
	mm_progress_end(&v.progress);
	if (error == MM_OK)
		error = save(&v);
	if (error == MM_OK)
		report(&v);
	mm_buffer_clear(&v.note);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"checkpoint", "FILE", "one kept earlier: the log goes through it", false},
    {"save", "FILE", "keep the checkpoint, when all is well", false},
    {"tree", NULL, "the tree and its files, not what entries mean", false},
    {"work", "DIR", "for temporary files ($TMPDIR or /var/tmp)", false},
    {"jobs", "N", "processes (as many as processors)", false},
    MM_WITNESS_OPTIONS,
};

const struct mm_command mm_log_verify_command = {
    .noun = "log",
    .verb = "verify",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "a whole log: tree, entries, every signature in it",
    .results = "log, size, root (base64), certificates, images, "
	       "signatures,\nvoids, unsigned, refusals, devices, policies, "
	       "principals, orders,\nrevocations, keys, crls, exports, starts, "
	       "pendings,\nwithdrawals, releases, ceremonies, csrs, imports,\n"
	       "partitions, scraps, "
	       "first, last (times),\nsucceeds (log, size, root, inherited; of "
	       "a log that stands in for\nanother), since (size of "
	       "--checkpoint), blobs; of "
	       "a directory: files, bytes, ahead\n(files of a newer "
	       "checkpoint), cosigned (size, 0 for none), others\n(names "
	       "beside checkpoint, cosigned, tile and blob: no part of the\n"
	       "log, not looked at). With --tree not those from certificates "
	       "to last.\nWith --witness also of an appliance: cosigned, "
	       "and " MM_WITNESS_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
