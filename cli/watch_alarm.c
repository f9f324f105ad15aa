#include "cli/watch_alarm.h"

#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum {
	TEXT_MAX = 8 * MM_NOTE_MAX,
	ID_SIZE = 8,
	WHY_MAX = 1024,
	STATUS_ARENA = 1 << 20
};

/* A text of several lines, each indented, so that it stands out. */
static void
add_lines(struct mm_buffer *out, struct mm_span text)
{
	bool begins = true;

	for (size_t i = 0; i < text.size; i++) {
		if (begins && text.data[i] != '\n')
			mm_buffer_add_text(out, "\t");
		mm_buffer_add(out, &text.data[i], 1);
		begins = text.data[i] == '\n';
	}
	if (!begins)
		mm_buffer_add_text(out, "\n");
}

static void
add_hash(struct mm_buffer *out, const struct mm_hash *hash)
{
	mm_buffer_add_text(out, "\t");
	mm_base64_write(mm_span(hash->bytes, MM_HASH_SIZE), out);
	mm_buffer_add_text(out, "\n");
}

/*
 * What the newer tree has where the older one ended: the root of its first
 * entries, and the proof that leads from there to the newer checkpoint. True
 * where that root is another than the older checkpoint's.
 */
static bool
add_proof(const struct mm_alarm *alarm, struct mm_buffer *out)
{
	const struct mm_checkpoint *older = &alarm->state->checkpoint;
	const struct mm_checkpoint *newer;
	struct mm_frontier edge;
	struct mm_proof proof;
	struct mm_hash root;

	if (alarm->source == NULL || older->size == 0 ||
	    mm_source_checkpoint(alarm->source)->size <= older->size ||
	    mm_source_edge(alarm->source, older->size, &edge) != MM_OK ||
	    mm_source_consistency(alarm->source, older->size, &proof) != MM_OK)
		return false;
	newer = mm_source_checkpoint(alarm->source);
	root = mm_frontier_root(&edge);
	if (mm_consistency_check(older->size, newer->size, &proof, &root,
		&newer->root) != MM_OK ||
	    mm_hash_equal(&root, &older->root))
		return false;
	mm_buffer_printf(out,
	    "\nthe newer tree has this root at size %" PRIu64
	    ", which is not the older checkpoint's:\n\n",
	    older->size);
	add_hash(out, &root);
	mm_buffer_printf(out,
	    "\nand from that root this consistency proof (RFC 6962 2.1.2) "
	    "leads to size %" PRIu64 " of\n\n",
	    newer->size);
	add_lines(out, mm_source_note(alarm->source));
	mm_buffer_add_text(out, "\nby the hashes\n\n");
	for (size_t i = 0; i < proof.count; i++)
		add_hash(out, &proof.hashes[i]);
	return true;
}

static bool
same_size_other_root(const struct mm_alarm *alarm)
{
	struct mm_checkpoint shown;

	return alarm->state->checkpoint.size > 0 &&
	       mm_checkpoint_open(alarm->note, alarm->vkey, &shown) == MM_OK &&
	       shown.size == alarm->state->checkpoint.size &&
	       !mm_hash_equal(&shown.root, &alarm->state->checkpoint.root);
}

/* The text; the error that it proves. */
static enum mm_error
write_text(const struct mm_alarm *alarm, const char *why, struct mm_buffer *out)
{
	char vkey[MM_VKEY_MAX];
	bool forked;

	mm_vkey_text(alarm->vkey, vkey);
	mm_buffer_printf(out,
	    "mintmark log watch: %s: %s\n\nthe log's verifier key:\n\n\t%s\n",
	    mm_error_name(alarm->error), why, vkey);
	mm_buffer_add_text(
	    out, "\nthe checkpoint that was verified before:\n\n");
	if (alarm->state->note.size > 0)
		add_lines(out, mm_buffer_span(&alarm->state->note));
	else
		mm_buffer_add_text(out, "\t(none)\n");
	mm_buffer_add_text(out, "\nwhat the log shows now:\n\n");
	add_lines(out, alarm->note);
	forked = same_size_other_root(alarm) || add_proof(alarm, out);
	if (forked)
		mm_buffer_add_text(out,
		    "\nThe log's key has signed two histories of which "
		    "neither extends the other.\n");
	return forked ? MM_E_FORK : alarm->error;
}

/* Beside the state, named by what was seen; what is there stays. */
static void
keep(const struct mm_alarm *alarm, const char *suffix, const char *id,
    struct mm_span bytes)
{
	char path[PATH_MAX];
	int length =
	    snprintf(path, sizeof(path), "%s.%s-%s", alarm->path, suffix, id);
	enum mm_error error = MM_E_FILE;

	if (length > 0 && (size_t)length < sizeof(path))
		error = mm_file_write(path, bytes, 0644, false);
	if (error == MM_OK || error == MM_E_EXISTS)
		mm_say("kept: %s", path);
	else
		mm_say("not kept: %s: %s", path, mm_why(error));
}

static void
name_evidence(const struct mm_alarm *alarm, char id[2 * ID_SIZE + 1])
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(
	    &hash, alarm->state->note.data, alarm->state->note.size);
	crypto_hash_sha256_update(&hash, alarm->note.data, alarm->note.size);
	crypto_hash_sha256_final(&hash, digest);
	sodium_bin2hex(id, 2 * ID_SIZE + 1, digest, ID_SIZE);
}

enum mm_error
mm_alarm_raise(const struct mm_alarm *alarm)
{
	char id[2 * ID_SIZE + 1], why[WHY_MAX];
	mm_auto(buffer) text = {0};
	enum mm_error error;

	snprintf(why, sizeof(why), "%s", mm_why(alarm->error));
	mm_buffer_init(&text, TEXT_MAX);
	error = write_text(alarm, why, &text);
	fwrite(text.data, 1, text.size, stderr);
	name_evidence(alarm, id);
	if (alarm->state->note.size > 0)
		keep(alarm, "older", id, mm_buffer_span(&alarm->state->note));
	keep(alarm, "newer", id, alarm->note);
	keep(alarm, "evidence", id, mm_buffer_span(&text));
	return mm_fail(error, "%s", why);
}

static enum mm_error
ask_note(const struct mm_invocation *invocation, struct mm_vkey *vkey,
    struct mm_buffer *note)
{
	const struct mm_nothing nothing = {0};
	struct mm_appliance appliance;
	struct mm_status_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_appliance_read(invocation, 0, &appliance);

	mm_arena_init(&arena, STATUS_ARENA);
	if (error == MM_OK)
		error = mm_appliance_ask(
		    &appliance, MM_MESSAGE_STATUS, &nothing, &arena, &answer);
	if (error != MM_OK)
		return error;
	*vkey = appliance.vkey;
	mm_buffer_add(note, answer.checkpoint.data, answer.checkpoint.size);
	return note->error;
}

enum mm_error
mm_alarm_note(const struct mm_invocation *invocation, struct mm_vkey *vkey,
    struct mm_buffer *note)
{
	char path[PATH_MAX];
	enum mm_error error;

	if (mm_option(invocation, "identity") != NULL)
		return ask_note(invocation, vkey, note);
	error = mm_vkey_read(mm_option(invocation, "key"), vkey);
	if (error == MM_OK)
		error = mm_path(
		    path, sizeof(path), invocation->operands[0], "checkpoint");
	return error == MM_OK ? mm_file_read(path, MM_NOTE_MAX, note) : error;
}
