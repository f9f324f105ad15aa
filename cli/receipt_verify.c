/*
 * mintmark receipt verify: what a receipt proves, offline, with nothing but
 * the log's key: that an entry is in the log, and that it speaks of this
 * certificate, image, signature, partition, export or statement; with a bundle
 * also on whose word, and with witnesses' keys who else saw the log.
 */
#include <string.h>

#include "cli/appliance.h"
#include "cli/bundle.h"
#include "cli/quorum.h"
#include "cli/receipt_mandate.h"
#include "cli/receipt_match.h"

enum {
	ARENA = 16 << 20,
	BUNDLE_ARENA = 2 * MM_BUNDLE_FILE_MAX,
	SOURCE_WORDS = 3
};

struct proof {
	const struct mm_invocation *invocation;
	struct mm_vkey vkey;
	struct mm_arena arena, bundle_arena;
	struct mm_buffer receipt, entry, bundle;
	struct mm_attested attested;
	struct mm_quorum quorum;
	struct mm_mandate mandate;
	bool mandated;
	struct mm_match match;
};

static void
proof_clear(struct proof *p)
{
	mm_mandate_clear(&p->mandate);
	mm_arena_clear(&p->arena);
	mm_arena_clear(&p->bundle_arena);
	mm_buffer_clear(&p->receipt);
	mm_buffer_clear(&p->entry);
	mm_buffer_clear(&p->bundle);
}

/* ---- the receipt */

static enum mm_error
read_entry(struct proof *p, struct mm_span *out)
{
	const char *path = mm_option(p->invocation, "entry");
	enum mm_error error;

	*out = mm_span(NULL, 0);
	if (path == NULL)
		return MM_OK;
	error = mm_input(path, MM_ENTRY_MAX, &p->entry);
	*out = mm_buffer_span(&p->entry);
	if (error == MM_OK && out->size == 0)
		error = mm_fail(MM_E_ENTRY, "%s is empty", path);
	return error;
}

static enum mm_error
read_receipt(struct proof *p)
{
	struct mm_span entry;
	enum mm_error error =
	    mm_vkey_read(mm_option(p->invocation, "key"), &p->vkey);

	if (error == MM_OK)
		error = read_entry(p, &entry);
	if (error == MM_OK)
		error = mm_input(
		    p->invocation->operands[0], MM_RECEIPT_MAX, &p->receipt);
	if (error == MM_OK)
		error = mm_attested_read_entry(mm_buffer_span(&p->receipt),
		    &p->vkey, entry, &p->arena, &p->attested);
	return error;
}

/* Of another log's entry it is proved that it is there, and no more. */
static enum mm_error
check_opaque(const struct proof *p)
{
	const struct mm_invocation *in = p->invocation;

	if (!p->attested.opaque ||
	    (in->operands[1] == NULL && mm_option(in, "image") == NULL &&
		mm_option(in, "statements") == NULL))
		return MM_OK;
	return mm_fail(MM_E_MISMATCH,
	    "the entry is not one of mintmark: that it is in the log is all "
	    "that can be proved of it");
}

/* ---- the bundle */

static const struct mm_cli_option source_options[] = {MM_SOURCE_OPTIONS};
static const struct mm_command source_command = {
    .noun = "receipt", .operand_max = 1, MM_COMMAND_OPTIONS(source_options)};

/* --identity, or --log with the same --key: as if it were log's command. */
static enum mm_error
open_source(const struct proof *p, struct mm_source **out)
{
	const char *identity = mm_option(p->invocation, "identity");
	const char *online[] = {"--identity", identity};
	const char *offline[] = {"--key", mm_option(p->invocation, "key"),
	    mm_option(p->invocation, "log")};
	const char **from = identity != NULL ? online : offline;
	int count = identity != NULL ? MM_COUNT(online) : MM_COUNT(offline);
	char *words[SOURCE_WORDS];
	struct mm_invocation invocation;
	enum mm_error error;

	for (int i = 0; i < count; i++)
		words[i] = (char *)(uintptr_t)from[i];
	error = mm_invocation_read(&source_command, count, words, &invocation);
	return error == MM_OK ? mm_source_open(&invocation, 0, out) : error;
}

static enum mm_error
fetch_bundle(struct proof *p)
{
	char ours[MM_VKEY_MAX], theirs[MM_VKEY_MAX];
	struct mm_source *source;
	enum mm_error error = open_source(p, &source);

	if (error != MM_OK)
		return error;
	mm_vkey_text(&p->vkey, ours);
	mm_vkey_text(mm_source_vkey(source), theirs);
	if (strcmp(ours, theirs) != 0)
		error = mm_fail(MM_E_NOTE_KEY,
		    "the log is that of %s, not of --key %s", theirs, ours);
	if (error == MM_OK)
		error = mm_bundle_fetch(source, &p->attested, &p->bundle);
	mm_source_close(source);
	return error;
}

static enum mm_error
check_bundle(struct proof *p)
{
	struct mm_list receipts;
	enum mm_error error = mm_bundle_read(
	    mm_buffer_span(&p->bundle), &p->vkey, &p->bundle_arena, &receipts);

	if (error == MM_OK)
		error = mm_mandate_check(
		    &p->attested, &p->vkey, &receipts, &p->mandate);
	p->mandated = error == MM_OK;
	return error;
}

static bool
has_source(const struct mm_invocation *invocation)
{
	return mm_option(invocation, "identity") != NULL ||
	       mm_option(invocation, "log") != NULL;
}

/* Fetched and written after it was found good, or read. */
static enum mm_error
prove_mandate(struct proof *p)
{
	const char *path = mm_option(p->invocation, "statements");
	bool fetch = has_source(p->invocation);
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	error = fetch ? mm_output_check(p->invocation, path) : MM_OK;
	if (error == MM_OK)
		error = fetch ? fetch_bundle(p)
			      : mm_input(path, MM_BUNDLE_FILE_MAX, &p->bundle);
	if (error == MM_OK)
		error = check_bundle(p);
	if (error == MM_OK && fetch)
		error =
		    mm_output(p->invocation, path, mm_buffer_span(&p->bundle));
	return error;
}

/* ---- all of it */

static enum mm_error
prove_file(struct proof *p)
{
	const struct mm_match_facts facts = {.attested = &p->attested,
	    .mandate = p->mandated ? &p->mandate : NULL,
	    .file = p->invocation->operands[1],
	    .image = mm_option(p->invocation, "image"),
	    .signer = mm_option(p->invocation, "certificate")};

	return mm_match_file(&facts, &p->arena, &p->match);
}

static void
report(const struct proof *p)
{
	json_t *out = mm_attested_json(&p->attested);

	json_object_set_new(out, "proved", json_string(p->match.word));
	if (p->match.matched != NULL)
		json_object_set_new(
		    out, "matched", json_string(p->match.matched));
	if (p->mandated)
		mm_mandate_json(&p->mandate, out);
	mm_quorum_json(&p->quorum, out);
	mm_print(p->invocation, out);
	if (p->invocation->json)
		return;
	mm_say("%s", p->match.text);
	if (p->mandated)
		mm_say("whether a later entry closed an order or used it up, "
		       "`mintmark log verify` shows");
}

static enum mm_error
check_usage(const struct mm_invocation *in)
{
	bool statements = mm_option(in, "statements") != NULL;
	bool file = in->operands[1] != NULL;

	if (mm_option(in, "certificate") != NULL && !file)
		return mm_fail(MM_E_USAGE,
		    "--certificate goes with a file that it has signed");
	if (has_source(in) && !statements)
		return mm_fail(MM_E_USAGE,
		    "--identity and --log say where the --statements are "
		    "fetched from");
	if (mm_option(in, "identity") != NULL && mm_option(in, "log") != NULL)
		return mm_fail(MM_E_USAGE, "say --identity or --log");
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	__attribute__((cleanup(proof_clear))) struct proof p = {
	    .invocation = invocation};
	enum mm_error error = check_usage(invocation);

	mm_arena_init(&p.arena, ARENA);
	mm_arena_init(&p.bundle_arena, BUNDLE_ARENA);
	mm_buffer_init(&p.receipt, MM_RECEIPT_MAX);
	mm_buffer_init(&p.entry, MM_ENTRY_MAX);
	mm_buffer_init(&p.bundle, MM_BUNDLE_FILE_MAX);
	if (error == MM_OK)
		error = mm_quorum_read(invocation, &p.quorum);
	if (error == MM_OK)
		error = read_receipt(&p);
	if (error == MM_OK)
		error = check_opaque(&p);
	if (error == MM_OK)
		error =
		    mm_quorum_check(&p.quorum, &p.vkey, p.attested.receipt.note,
			"mintmark log prove --cosigned gets a newer receipt");
	if (error == MM_OK)
		error = prove_mandate(&p);
	if (error == MM_OK)
		error = prove_file(&p);
	if (error == MM_OK)
		report(&p);
	return error;
}

static const struct mm_cli_option options[] = {
    {"key", "VKEY", "the log's verifier key, a file", true},
    {"image", "IMAGE", "the image; FILE is its signature", false},
    {"certificate", "CRT",
	"whose key signed FILE, and the chain above; of an image a public "
	"key, too", false},
    {"entry", "ENTRY", "the entry itself; what the receipt carries is not used",
	false},
    MM_WITNESS_OPTIONS,
    {"statements", "BUNDLE", "also on whose word: what the entry rests on",
	false},
    {"identity", "DIR", "ask an appliance for BUNDLE, which is written", false},
    {"log", "DIR", "take BUNDLE from a log's directory", false},
};

const struct mm_command mm_receipt_verify_command = {
    .noun = "receipt",
    .verb = "verify",
    .operands = "RECEIPT [FILE]",
    .operand_min = 1,
    .operand_max = 2,
    .summary = "what a receipt proves about a certificate or an image",
    .results = MM_ATTESTED_RESULTS
    "\nof a certificate: " MM_ATTESTED_CERTIFICATE_RESULTS
    "\nof an image: " MM_ATTESTED_IMAGE_RESULTS
    "\nof a partition: " MM_ATTESTED_PARTITION_RESULTS
    "\nof an export: " MM_ATTESTED_EXPORT_RESULTS
    "\nof a scrapped unit: " MM_ATTESTED_SCRAP_RESULTS "\n" MM_MATCH_RESULTS
    "\nwith --statements: " MM_MANDATE_RESULTS
    "\nwith --witness: " MM_WITNESS_RESULTS,
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
