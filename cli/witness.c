#include "cli/witness.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ARENA = 1 << 20 };

enum mm_error
mm_witness_read(const char *word, struct mm_witness *out)
{
	mm_auto(buffer) file = {0};
	struct mm_span line;
	enum mm_error error = mm_witness_decode(mm_span_text(word), out);

	if (error == MM_OK)
		return MM_OK;
	if (access(word, F_OK) < 0)
		return mm_fail(MM_E_VKEY,
		    "%s is neither a file nor a verifier key: %s", word,
		    mm_why(error));
	error = mm_file_read(word, 2 * MM_VKEY_MAX, &file);
	if (error != MM_OK)
		return mm_fail(MM_E_VKEY, "%s is no verifier key: %s", word,
		    mm_why(error));
	line = mm_buffer_span(&file);
	if (line.size > 0 && line.data[line.size - 1] == '\n')
		line.size--;
	error = mm_witness_decode(line, out);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", word, mm_why(error));
}

enum mm_error
mm_witness_read_at(const char *word, struct mm_witness *out, const char **url)
{
	const char *at = strstr(word, "=http://");
	char vkey[4096];

	if (at == NULL)
		at = strstr(word, "=https://");
	*url = at != NULL ? at + 1 : NULL;
	if (at == NULL)
		return mm_witness_read(word, out);
	if ((size_t)(at - word) >= sizeof(vkey))
		return mm_fail(MM_E_VKEY, "the verifier key is too long");
	mm_span_string(mm_span(word, (size_t)(at - word)), vkey, sizeof(vkey));
	return mm_witness_read(vkey, out);
}

enum mm_error
mm_extension_fetch(const struct mm_appliance *appliance, uint64_t older,
    struct mm_arena *arena, struct mm_extension *out)
{
	const struct mm_consistency_request request = {.older = older};
	struct mm_consistency_answer answer;
	struct mm_extension extension;
	enum mm_error error = mm_appliance_ask(
	    appliance, MM_MESSAGE_CONSISTENCY, &request, arena, &answer);

	if (error == MM_OK)
		error = mm_checkpoint_open(
		    answer.checkpoint, &appliance->vkey, &extension.checkpoint);
	if (error == MM_OK)
		error = mm_proof_from_list(&answer.proof, &extension.proof);
	if (error != MM_OK)
		return error;
	extension.note = answer.checkpoint;
	*out = extension;
	return MM_OK;
}

enum mm_error
mm_cosignature_read(struct mm_span note, struct mm_span lines,
    const struct mm_witness *witness, struct mm_buffer *out, uint64_t *time)
{
	struct mm_cosignatures found;
	enum mm_error error = mm_note_add_lines(note, lines, out);

	if (error != MM_OK)
		return mm_fail(MM_E_COSIGNATURE, "the answer of %s: %s",
		    witness->vkey.name, mm_why(error));
	error = mm_cosignatures_open(mm_buffer_span(out), witness, 1, &found);
	if (error == MM_OK && found.count == 0)
		error = mm_fail(MM_E_COSIGNATURE,
		    "there is no line by %s in its answer", witness->vkey.name);
	if (error == MM_OK)
		*time = found.items[0].time;
	return error;
}

enum mm_error
mm_cosignature_deliver(const struct mm_appliance *appliance,
    struct mm_span note, struct mm_cosign_answer *out)
{
	const struct mm_cosign_request request = {.note = note};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA);
	return mm_appliance_ask(
	    appliance, MM_MESSAGE_COSIGN, &request, &arena, out);
}
