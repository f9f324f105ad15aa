#include "log/receipt.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

enum {
	RECEIPT_MAX = 131072,
	/*
	 * 48 KiB less what stands beside it: Go's reader wants the line,
	 * its word and its newline in 64 KiB.
	 */
	EXTRA_MAX = 49146
};

static const char header[] = "c2sp.org/tlog-proof@v1\n";
static const char extra_word[] = "extra ";
static const char index_word[] = "index ";

static void
add_hash(struct mm_buffer *out, const struct mm_hash *hash)
{
	mm_base64_write(mm_span(hash->bytes, MM_HASH_SIZE), out);
	mm_buffer_add_text(out, "\n");
}

enum mm_error
mm_receipt_encode(const struct mm_receipt *receipt, struct mm_buffer *out)
{
	mm_auto(buffer) text = {0};

	mm_buffer_init(&text, RECEIPT_MAX);
	if (receipt->entry.size > EXTRA_MAX)
		return mm_fail(MM_E_RANGE,
		    "an entry of %zu bytes is too large for a receipt",
		    receipt->entry.size);
	mm_buffer_add_text(&text, header);
	if (receipt->entry.size > 0) {
		mm_buffer_add_text(&text, extra_word);
		mm_base64_write(receipt->entry, &text);
		mm_buffer_add_text(&text, "\n");
	}
	mm_buffer_printf(&text, "%s%" PRIu64 "\n", index_word, receipt->index);
	for (size_t i = 0; i < receipt->proof.count; i++)
		add_hash(&text, &receipt->proof.hashes[i]);
	mm_buffer_add_text(&text, "\n");
	mm_buffer_add(&text, receipt->note.data, receipt->note.size);
	if (text.error != MM_OK)
		return mm_fail(text.error, "the receipt is too large");
	mm_buffer_add(out, text.data, text.size);
	return out->error;
}

static enum mm_error
bad(const char *why)
{
	return mm_fail(MM_E_RECEIPT, "the receipt %s", why);
}

static bool
take_text(struct mm_span *text, const char *word)
{
	size_t length = strlen(word);

	if (text->size < length || memcmp(text->data, word, length) != 0)
		return false;
	*text = mm_span(text->data + length, text->size - length);
	return true;
}

static bool
take_line(struct mm_span *text, struct mm_span *line)
{
	const uint8_t *end =
	    text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;

	if (end == NULL)
		return false;
	*line = mm_span(text->data, (size_t)(end - text->data));
	*text = mm_span(end + 1, text->size - line->size - 1);
	return true;
}

/* The bytes that canonical base64 of this length and padding stands for. */
static size_t
decoded_size(struct mm_span line)
{
	size_t size = line.size / 4 * 3;

	for (size_t i = 1; i <= 2 && i <= line.size; i++)
		if (line.data[line.size - i] == '=')
			size--;
	return size;
}

/* The optional line; without it, or where it is empty, there is no entry. */
static enum mm_error
take_extra(struct mm_span *text, struct mm_arena *arena, struct mm_span *entry)
{
	struct mm_span line;
	uint8_t *bytes;
	size_t size;

	*entry = mm_span(NULL, 0);
	if (!take_text(text, extra_word))
		return MM_OK;
	if (!take_line(text, &line))
		return bad("ends too early");
	if (line.size == 0)
		return MM_OK;
	size = line.size % 4 == 0 ? decoded_size(line) : 0;
	bytes = mm_arena_alloc(arena, size);
	if (bytes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the receipt");
	if (!mm_base64_read(line, bytes, size))
		return bad("has an entry that is not canonical base64");
	*entry = mm_span(bytes, size);
	return MM_OK;
}

static enum mm_error
take_index(struct mm_span *text, uint64_t *index)
{
	struct mm_span line;

	if (!take_text(text, index_word) || !take_line(text, &line))
		return bad("has no index where it should be");
	if (!mm_decimal_read(line, index))
		return bad("has an index that is not canonical");
	return MM_OK;
}

/* Up to the empty line, which is taken too. */
static enum mm_error
take_proof(struct mm_span *text, struct mm_proof *proof)
{
	struct mm_span line;

	proof->count = 0;
	while (take_line(text, &line)) {
		if (line.size == 0)
			return MM_OK;
		if (proof->count == MM_PROOF_MAX)
			return bad("has too many hashes");
		if (!mm_base64_read(
			line, proof->hashes[proof->count].bytes, MM_HASH_SIZE))
			return bad("has a hash that is not 32 bytes of "
				   "canonical base64");
		proof->count++;
	}
	return bad("has no empty line before its checkpoint");
}

enum mm_error
mm_receipt_decode(
    struct mm_span text, struct mm_arena *arena, struct mm_receipt *out)
{
	struct mm_receipt receipt;
	enum mm_error error;

	if (text.size > RECEIPT_MAX)
		return bad("is too long");
	if (!take_text(&text, header))
		return bad("does not begin with c2sp.org/tlog-proof@v1");
	error = take_extra(&text, arena, &receipt.entry);
	if (error == MM_OK)
		error = take_index(&text, &receipt.index);
	if (error == MM_OK)
		error = take_proof(&text, &receipt.proof);
	if (error != MM_OK)
		return error;
	if (text.size == 0)
		return bad("has no checkpoint");
	receipt.note = text;
	*out = receipt;
	return MM_OK;
}

static enum mm_error
open_next(struct mm_span note, const struct mm_vkey *vkey,
    struct mm_receipt_memory *memory)
{
	struct mm_receipt_memory next = {.there = true};
	enum mm_error error;

	crypto_hash_sha256(next.note, note.data, note.size);
	if (memory->there &&
	    memcmp(next.note, memory->note, sizeof(next.note)) == 0)
		return MM_OK;
	error = mm_checkpoint_open(note, vkey, &next.checkpoint);
	if (error == MM_OK)
		*memory = next;
	return error;
}

enum mm_error
mm_receipt_verify(const struct mm_receipt *receipt, const struct mm_vkey *vkey,
    struct mm_span entry, struct mm_checkpoint *out)
{
	return mm_receipt_verify_next(receipt, vkey, entry, NULL, out);
}

enum mm_error
mm_receipt_verify_next(const struct mm_receipt *receipt,
    const struct mm_vkey *vkey, struct mm_span entry,
    struct mm_receipt_memory *memory, struct mm_checkpoint *out)
{
	struct mm_receipt_memory own = {.there = false};
	struct mm_hash leaf;
	enum mm_error error;

	if (memory == NULL)
		memory = &own;
	if (entry.data == NULL)
		entry = receipt->entry;
	if (entry.data == NULL)
		return bad("carries no entry");
	error = open_next(receipt->note, vkey, memory);
	if (error != MM_OK)
		return error;
	leaf = mm_leaf_hash(entry);
	error = mm_inclusion_check(&leaf, receipt->index,
	    memory->checkpoint.size, &receipt->proof, &memory->checkpoint.root);
	if (error == MM_OK)
		*out = memory->checkpoint;
	return error;
}
