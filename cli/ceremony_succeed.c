/*
 * mintmark ceremony succeed: the machine and its disk are lost, the token is
 * left. What a new log takes over from the old one is gathered from a copy of
 * it and from receipts, and becomes part of what the officers sign.
 */
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ceremony_inherit.h"
#include "cli/ceremony_plan.h"
#include "cli/ceremony_report.h"

enum { ARENA = 32 << 20, BLOBS = 64 };

struct succeeding {
	const struct mm_invocation *invocation;
	const char *out;
	struct mm_arena arena;
	struct mm_ceremony_plan plan;
	struct mm_source *source;
	struct mm_inheritance *inheritance;
	struct mm_inheritance_counts counts;
	struct mm_inherited_blob blobs[BLOBS];
	struct mm_predecessor former;
};

static enum mm_error
add_receipt(struct succeeding *s, const char *path)
{
	mm_auto(buffer) text = {0};
	enum mm_error error = mm_file_read(path, MM_RECEIPT_MAX, &text);

	if (error == MM_OK)
		error = mm_inheritance_receipt(
		    s->inheritance, s->source, mm_buffer_span(&text));
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* All of a directory, by name. */
static enum mm_error
add_directory(struct succeeding *s, const char *path)
{
	struct dirent **names;
	int count = scandir(path, &names, is_shown, alphasort);
	enum mm_error error = MM_OK;

	if (count < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	for (int n = 0; n < count; n++) {
		char file[PATH_MAX];

		if (error == MM_OK)
			error =
			    mm_path(file, sizeof(file), path, names[n]->d_name);
		if (error == MM_OK)
			error = add_receipt(s, file);
		free(names[n]);
	}
	free(names);
	return error;
}

static enum mm_error
add_receipts(struct succeeding *s)
{
	const char *path;
	enum mm_error error = MM_OK;

	for (size_t n = 0; error == MM_OK; n++) {
		struct stat info;

		path = mm_option_nth(s->invocation, "receipt", n);
		if (path == NULL)
			return MM_OK;
		if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
			error = add_directory(s, path);
		else
			error = add_receipt(s, path);
	}
	return error;
}

/* A slip in a file must not make a new root out of an old one. */
static enum mm_error
check_keys(const struct succeeding *s)
{
	size_t existing = 0;

	for (mm_list_each(
		 const struct mm_ceremony_key, key, s->plan.text.keys)) {
		if (key->existing.size == 0)
			continue;
		existing++;
		if (!mm_inheritance_key(s->inheritance, key->existing.data))
			return mm_fail(MM_E_KEY_ABSENT,
			    "the old log has no key as \"%.*s\" is to be: "
			    "`mintmark ceremony record` of the copy lists them",
			    MM_SPAN(key->name));
	}
	return existing > 0
		   ? MM_OK
		   : mm_fail(MM_E_FORMAT,
			 "none of the keys says `existing`: this would be a "
			 "new mint, not one that succeeds another");
}

static enum mm_error
check_origin(const struct succeeding *s)
{
	const char *old = mm_source_vkey(s->source)->name;

	if (!mm_span_is(s->plan.text.origin, old))
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "the new log needs another origin than the old one's, %s: its "
	    "checkpoints would contradict the old ones",
	    old);
}

static enum mm_error
gather(struct succeeding *s)
{
	enum mm_error error = mm_source_open(s->invocation, 1, &s->source);

	if (error == MM_OK)
		error = check_origin(s);
	if (error == MM_OK)
		error = mm_inheritance_read(s->source, &s->inheritance);
	if (error == MM_OK)
		error = check_keys(s);
	if (error == MM_OK)
		error = add_receipts(s);
	return error == MM_OK ? mm_inheritance_close(s->inheritance, &s->counts)
			      : error;
}

static enum mm_error
write_blob(struct succeeding *s, size_t *at, struct mm_inherited_blob *out)
{
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_BLOB_MAX);
	error = mm_inheritance_blob(s->inheritance, at, &bytes, &out->count);
	if (error != MM_OK)
		return error;
	out->size = bytes.size;
	crypto_hash_sha256(out->sha256, bytes.data, bytes.size);
	return mm_ceremony_blob_write(
	    s->out, out->sha256, mm_buffer_span(&bytes));
}

static enum mm_error
write_inheritance(struct succeeding *s)
{
	const struct mm_checkpoint *newest =
	    mm_inheritance_checkpoint(s->inheritance);
	const struct mm_vkey *vkey = mm_source_vkey(s->source);
	size_t at = 0, count = 0;
	enum mm_error error = MM_OK;

	while (error == MM_OK && at < mm_inheritance_size(s->inheritance)) {
		if (count == BLOBS)
			return mm_fail(MM_E_RANGE,
			    "the old log has too much to be taken over");
		error = write_blob(s, &at, &s->blobs[count++]);
	}
	s->former = (struct mm_predecessor){.origin = mm_span_text(vkey->name),
	    .size = newest->size,
	    .inherited = {s->blobs, count}};
	memcpy(s->former.log_key, vkey->public_key, 32);
	memcpy(s->former.root, newest->root.bytes, 32);
	s->plan.claim.succeeds = (struct mm_list){&s->former, 1};
	return error;
}

static enum mm_error
succeed(struct succeeding *s)
{
	enum mm_error error = mm_ceremony_plan_read(s->invocation->operands[0],
	    MM_CEREMONY_SUCCESSION, &s->arena, &s->plan);

	if (error == MM_OK)
		error = gather(s);
	if (error == MM_OK)
		error = write_inheritance(s);
	if (error == MM_OK)
		error = mm_ceremony_plan_write(
		    s->invocation, &s->plan, s->out, &s->arena);
	if (error == MM_OK)
		error = mm_ceremony_report(s->invocation, s->out, &s->arena);
	if (error != MM_OK)
		return error;
	mm_say("%ju certificates (%ju of them revoked) and %ju images are "
	       "taken over, %ju entries from receipts alone.",
	    (uintmax_t)s->counts.certificates, (uintmax_t)s->counts.revoked,
	    (uintmax_t)s->counts.images, (uintmax_t)s->counts.receipts);
	mm_say("Not taken over: orders with what was left of them, principals "
	       "but for those of the file, approvals that waited. State them "
	       "anew.");
	mm_say("What was signed after the copy was made, and of which there is "
	       "no receipt, nobody knows: look for such devices before you go "
	       "on.");
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct succeeding *s;
	enum mm_error error =
	    mm_output_check(invocation, mm_option(invocation, "out"));

	if (error != MM_OK)
		return error;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a ceremony");
	s->invocation = invocation;
	s->out = mm_option(invocation, "out");
	mm_arena_init(&s->arena, ARENA);
	error = succeed(s);
	mm_inheritance_free(s->inheritance);
	if (s->source != NULL)
		mm_source_close(s->source);
	mm_arena_clear(&s->arena);
	free(s);
	return error;
}

static const struct mm_cli_option options[] = {
    {"key", "VKEY", "the old log's verifier key, a file", true},
    {"receipt", "FILE", "a receipt that somebody kept, or a directory of them",
	MM_OPTION_REPEATED},
    {"out", "PAYLOADS", "where what the officers sign goes", true},
};

const struct mm_command mm_ceremony_succeed_command = {
    .noun = "ceremony",
    .verb = "succeed",
    .operands = "FILE DIR",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "after a disaster: a new log for the token that is left",
    .about =
	"DIR is a copy of the old log, as `mintmark log export --to` makes "
	"it. FILE is like\nconf/ceremony.conf of the sources; the keys that "
	"the token has say `existing`. The\nofficers sign PAYLOADS (and what "
	"lies in PAYLOADS.blobs/) with `mintmark ceremony\nsign`, then "
	"`mintmark ceremony run`. Orders and principals are not taken over.",
    .results = MM_CEREMONY_REPORT_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
