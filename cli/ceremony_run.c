/*
 * mintmark ceremony run: on the appliance, with the token at hand. What the
 * officers signed is held against the ceremony's file, mintmarkd begins the
 * log, and what people need of it is read from the log and written down.
 */
#include <errno.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ceremony_files.h"
#include "cli/ceremony_gather.h"
#include "cli/ceremony_plan.h"
#include "cli/ceremony_text.h"
#include "cli/daemon.h"
#include "cli/harvest.h"
#include "cli/identity.h"
#include "policy/settings.h"
#include "protocol/genesis.h"

enum { ARENA = 64 << 20, NAME_ROOM = 128 };

struct running {
	const struct mm_invocation *invocation;
	const char *out; /* directory */
	struct mm_arena arena;
	struct mm_ceremony_plan plan;
	struct mm_ceremony_papers papers;
	struct mm_settings settings;
	struct mm_list *statements; /* by payload: mm_bytes_item */
	size_t officers;
	char tiles[PATH_MAX], address[512];
	struct mm_vkey vkey;
	struct mm_harvest *harvest;
	struct mm_ceremony_story story;
};

static enum mm_error
path_in(const struct running *r, const char *name, char out[PATH_MAX])
{
	return mm_path(out, PATH_MAX, r->out, name);
}

/* --- the papers --- */

static enum mm_error
read_settings(struct running *r)
{
	enum mm_error error =
	    mm_settings_read(r->plan.settings, &r->arena, &r->settings);
	const struct mm_text_item *listen = r->settings.listen.items;
	const struct mm_text_item *names = r->plan.decoded.names.items;
	char text[256];

	if (error != MM_OK)
		return error;
	mm_span_string(r->settings.tiles, r->tiles, sizeof(r->tiles));
	mm_span_string(listen->value, text, sizeof(text));
	if (r->plan.text.address.size > 0)
		mm_span_string(
		    r->plan.text.address, r->address, sizeof(r->address));
	else
		snprintf(r->address, sizeof(r->address), "%.*s%s %.*s",
		    MM_SPAN(names->value), strrchr(text, ':'),
		    MM_SPAN(names->value));
	return MM_OK;
}

static enum mm_error
read_all(struct running *r)
{
	const char *file = r->invocation->operands[0];
	enum mm_error error = mm_ceremony_papers_read(
	    mm_option(r->invocation, "payloads"), &r->arena, &r->papers);

	if (error == MM_OK)
		error = mm_ceremony_plan_read(file,
		    r->papers.said[0].body.ceremony.succeeds.count > 0
			? MM_CEREMONY_SUCCESSION
			: MM_CEREMONY_BIRTH,
		    &r->arena, &r->plan);
	if (error == MM_OK)
		error = mm_ceremony_plan_match(&r->plan, &r->papers);
	if (error == MM_OK)
		error = mm_ceremony_gather(r->invocation, &r->papers, &r->arena,
		    &r->statements, &r->officers);
	return error == MM_OK ? read_settings(r) : error;
}

/* --- the birth --- */

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info, (void)type, (void)at;
	remove(path);
	return 0;
}

static enum mm_error
make_directories(struct running *r)
{
	static const char *const names[] = {"public", "identities"};
	char path[PATH_MAX];
	enum mm_error error = MM_OK;

	if (mkdir(r->out, 0755) < 0)
		return errno == EEXIST
			   ? mm_fail(MM_E_EXISTS,
				 "%s exists already: name a new directory, or "
				 "remove this one",
				 r->out)
			   : mm_fail(MM_E_FILE, "cannot make %s: %s", r->out,
				 strerror(errno));
	for (size_t i = 0; i < MM_COUNT(names) && error == MM_OK; i++) {
		error = path_in(r, names[i], path);
		if (error == MM_OK && mkdir(path, 0755) < 0)
			error = mm_fail(MM_E_FILE, "cannot make %s: %s", path,
			    strerror(errno));
	}
	return error;
}

static enum mm_error
copy_blobs(struct running *r, const char *genesis)
{
	const char *from = mm_option(r->invocation, "payloads");

	for (mm_list_each(const struct mm_predecessor, former,
		 r->papers.said[0].body.ceremony.succeeds))
		for (mm_list_each(const struct mm_inherited_blob, blob,
			 former->inherited)) {
			mm_auto(buffer) bytes = {0};
			enum mm_error error =
			    mm_ceremony_blob_read(from, blob, &bytes);

			if (error == MM_OK)
				error = mm_ceremony_blob_write(genesis,
				    blob->sha256, mm_buffer_span(&bytes));
			if (error != MM_OK)
				return error;
		}
	return MM_OK;
}

static enum mm_error
write_genesis(struct running *r, const char *path)
{
	size_t count = r->papers.file.payloads.count - 1;
	struct mm_genesis_principal *principals =
	    mm_arena_alloc(&r->arena, (count + 1) * sizeof(*principals));
	struct mm_genesis_file file = {.origin = r->papers.file.origin,
	    .policy = r->papers.file.policy,
	    .text = r->papers.file.text,
	    .statements = r->statements[0],
	    .principals = {principals, count}};
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	if (principals == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the genesis");
	for (size_t i = 0; i < count; i++)
		principals[i] = (struct mm_genesis_principal){
		    r->statements[i + 1], r->papers.said[i + 1].spki};
	mm_buffer_init(&bytes, MM_PAYLOADS_MAX);
	error = mm_shape_encode(&mm_genesis_file_shape, &file, &bytes);
	return error == MM_OK
		   ? mm_file_write(path, mm_buffer_span(&bytes), 0644, false)
		   : error;
}

static enum mm_error
begin_log(struct running *r)
{
	char path[PATH_MAX];
	enum mm_error error = path_in(r, "genesis.cbor", path);

	if (error == MM_OK)
		error = write_genesis(r, path);
	if (error == MM_OK)
		error = copy_blobs(r, path);
	if (error == MM_OK)
		error = mm_daemon_genesis(r->plan.settings, path);
	if (error == MM_OK)
		return MM_OK;
	error = mm_fail(error,
	    "%s; before another try empty the directories of %s, and remove "
	    "from the token the keys that this one made",
	    mm_why(error), r->plan.settings);
	nftw(r->out, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return error;
}

/* --- what came of it --- */

static enum mm_error
log_entry(void *self, uint64_t index, struct mm_span *out)
{
	return mm_log_entry(self, index, out);
}

static enum mm_error
read_story(struct running *r)
{
	struct mm_log_reader *reader;
	struct mm_ceremony_log log = {.entry = log_entry};
	enum mm_error error = mm_log_open(r->tiles, &r->vkey, &reader);

	if (error != MM_OK)
		return error;
	log.self = reader;
	log.size = mm_log_checkpoint(reader)->size;
	error = mm_ceremony_story_read(&log, 0, &r->arena, &r->story);
	mm_log_close(reader);
	/* It is the log of this ceremony, not one that was there before. */
	if (error == MM_OK &&
	    !mm_span_equal(r->story.payload, r->papers.said[0].payload))
		error = mm_fail(MM_E_LOG_WRONG,
		    "the log in %s is of another ceremony", r->tiles);
	return error;
}

static enum mm_error
read_log(struct running *r)
{
	mm_auto(buffer) first = {0};
	struct mm_genesis genesis;
	struct mm_entry entry;
	enum mm_error error;

	mm_buffer_init(&first, MM_ENTRY_MAX);
	error = mm_harvest_first(r->tiles, &first);
	if (error == MM_OK)
		error = mm_entry_decode_as(mm_buffer_span(&first),
		    MM_ENTRY_GENESIS, &r->arena, &entry, &genesis);
	if (error == MM_OK)
		error = mm_vkey_init(&r->vkey, genesis.origin, genesis.log_key);
	if (error == MM_OK)
		error = read_story(r);
	if (error == MM_OK)
		error = mm_harvest_read(r->tiles, &r->vkey, r->harvest);
	return error;
}

static enum mm_error
write_public(const struct running *r)
{
	char path[PATH_MAX];
	enum mm_error error = path_in(r, "public", path);

	return error == MM_OK
		   ? mm_ceremony_files_write(&r->story, &r->vkey, path)
		   : error;
}

static enum mm_error
write_identity(const struct running *r, const struct mm_ceremony_said *said,
    const struct mm_harvested *access_ca)
{
	const struct mm_harvested *own =
	    mm_harvest_key(r->harvest, said->body.principal.key);
	char path[PATH_MAX], line[MM_VKEY_MAX];
	char parent[PATH_MAX];
	enum mm_error error = path_in(r, "identities", parent);

	if (error == MM_OK)
		error = mm_ceremony_file_name(
		    parent, "", said->body.principal.name, "", path);

	if (own == NULL)
		return mm_fail(MM_E_LOG_WRONG,
		    "the log lacks the certificate of \"%.*s\"",
		    MM_SPAN(said->body.principal.name));
	if (error == MM_OK && mkdir(path, 0755) < 0)
		error = mm_fail(
		    MM_E_FILE, "cannot make %s: %s", path, strerror(errno));
	mm_vkey_text(&r->vkey, line);
	return error == MM_OK
		   ? mm_identity_write(
			 path, &(struct mm_identity_parts){own->certificate,
				   access_ca->certificate, r->address, line})
		   : error;
}

static const struct mm_harvested *
find_access_ca(const struct running *r)
{
	char name[NAME_ROOM];

	for (mm_list_each(
		 const struct mm_profile, one, r->plan.decoded.profiles))
		if (one->purpose == MM_PURPOSE_CLIENT)
			return mm_harvest_named(r->harvest,
			    mm_span_string(one->issuer, name, sizeof(name)));
	return NULL;
}

static enum mm_error
write_identities(const struct running *r)
{
	const struct mm_harvested *access_ca = find_access_ca(r);
	enum mm_error error = MM_OK;

	if (access_ca == NULL)
		return mm_fail(MM_E_LOG_WRONG,
		    "the log lacks the certificate of the CA for clients");
	for (size_t i = 1; i < r->papers.file.payloads.count; i++)
		if (error == MM_OK)
			error =
			    write_identity(r, &r->papers.said[i], access_ca);
	return error;
}

static enum mm_error
write_record(const struct running *r)
{
	char path[PATH_MAX];
	mm_auto(buffer) text = {0};
	enum mm_error error = path_in(r, "record.txt", path);

	mm_buffer_init(&text, MM_CEREMONY_TEXT_MAX);
	if (error == MM_OK)
		error = mm_ceremony_record(
		    &r->story, &r->vkey, r->papers.file.policy, &text);
	return error == MM_OK
		   ? mm_file_write(path, mm_buffer_span(&text), 0644, false)
		   : error;
}

/* --- the whole --- */

static enum mm_error
hold(struct running *r)
{
	static enum mm_error (*const steps[])(struct running *) = {
	    read_all, make_directories, begin_log, read_log};
	static enum mm_error (*const results[])(const struct running *) = {
	    write_public, write_identities, write_record};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_COUNT(steps) && error == MM_OK; i++)
		error = steps[i](r);
	for (size_t i = 0; i < MM_COUNT(results) && error == MM_OK; i++)
		error = results[i](r);
	return error;
}

static void
report(const struct running *r)
{
	char line[MM_VKEY_MAX];

	mm_vkey_text(&r->vkey, line);
	mm_print(r->invocation, json_pack("{s:s, s:s, s:s, s:I}", "directory",
				    r->out, "origin", r->vkey.name, "vkey",
				    line, "officers", (json_int_t)r->officers));
	if (r->invocation->json)
		return;
	mm_say("Print %s/record.txt and have it signed.", r->out);
	mm_say("Give everybody the files of identities/ that are theirs, to "
	       "lie beside their key.pem.");
	mm_say("Start it:  mintmarkd -c %s", r->plan.settings);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct running *r = calloc(1, sizeof(*r));
	enum mm_error error = MM_OK;

	if (r != NULL)
		r->harvest = calloc(1, sizeof(*r->harvest));
	if (r == NULL || r->harvest == NULL) {
		free(r);
		return mm_fail(MM_E_MEMORY, "no memory for a ceremony");
	}
	r->invocation = invocation;
	r->out = mm_option(invocation, "out");
	mm_arena_init(&r->arena, ARENA);
	error = hold(r);
	if (error == MM_OK)
		report(r);
	mm_harvest_clear(r->harvest);
	free(r->harvest);
	mm_arena_clear(&r->arena);
	free(r);
	return error;
}

static const struct mm_cli_option options[] = {
    {"payloads", "PAYLOADS", "what the officers signed", true},
    {"statements", "STATEMENTS", "one officer's signatures, once for each",
	MM_OPTION_REPEATED},
    {"out", "DIR", "where what people need goes: a new directory", true},
};

const struct mm_command mm_ceremony_run_command = {
    .noun = "ceremony",
    .verb = "run",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a mint is made: the token's keys and the log's first entries",
    .about =
	"The token is there already, and so are the directories of the "
	"settings; it makes\nneither. DIR gets public/ (certificates, CSRs, "
	"log.vkey), identities/, and\nrecord.txt for paper.",
    .results = "directory, origin, vkey, officers",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
