/*
 * What a log inherits from the one that it succeeds (log/inheritance.h): at
 * genesis the files beside the genesis file become blobs, at a start the index
 * takes in what it does not have yet, blob after blob, each whole or not at
 * all.
 */
#include "server/authority.h"
#include "server/answering.h"

#include <string.h>
#include <unistd.h>

#include "log/inheritance.h"
#include "protocol/journal.h"

enum {
	THING_MAX = 4096,    /* bytes of one thing, at most */
	THING_ARENA = 65536, /* what it decodes to */
	REST_MAX = MM_CHUNK_MAX + THING_MAX,
	ANSWER_ARENA = 1 << 20
};

/* --- at genesis --- */

enum mm_error
mm_heritage_put(
    int notary, struct mm_notary_blob_request *piece, struct mm_span data)
{
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	struct mm_nothing nothing;
	enum mm_error error;

	mm_arena_init(&arena, THING_ARENA);
	piece->data = data;
	error =
	    mm_call_sync(notary, MM_NOTARY_BLOB, &mm_notary_blob_request_shape,
		piece, &mm_nothing_shape, &received, &arena, &nothing);
	piece->offset += data.size;
	return error;
}

/* A piece of a file, which may take several reads; 0 at its end. */
static size_t
read_piece(int fd, uint64_t offset, uint8_t out[MM_CHUNK_MAX])
{
	size_t size = 0;

	while (size < MM_CHUNK_MAX) {
		ssize_t got = pread(fd, out + size, MM_CHUNK_MAX - size,
		    (off_t)(offset + size));

		if (got <= 0)
			break;
		size += (size_t)got;
	}
	return size;
}

static void
hash_file(int fd, uint8_t chunk[MM_CHUNK_MAX], uint8_t out[32])
{
	crypto_hash_sha256_state hash;
	uint64_t offset = 0;
	size_t size;

	crypto_hash_sha256_init(&hash);
	while ((size = read_piece(fd, offset, chunk)) > 0) {
		crypto_hash_sha256_update(&hash, chunk, size);
		offset += size;
	}
	crypto_hash_sha256_final(&hash, out);
}

static int
find_file(const int *files, size_t count, const uint8_t sha256[32],
    uint8_t chunk[MM_CHUNK_MAX])
{
	uint8_t found[32];

	for (size_t i = 0; i < count; i++) {
		hash_file(files[i], chunk, found);
		if (memcmp(found, sha256, sizeof(found)) == 0)
			return files[i];
	}
	return -1;
}

enum mm_error
mm_heritage_store(int notary, const int *files, size_t count,
    const struct mm_inherited_blob *blob)
{
	mm_autofree uint8_t *chunk = malloc(MM_CHUNK_MAX);
	struct mm_notary_blob_request piece = {.size = blob->size};
	enum mm_error error = MM_OK;
	char name[65];
	int fd;

	if (chunk == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a blob");
	memcpy(piece.sha256, blob->sha256, sizeof(piece.sha256));
	fd = find_file(files, count, blob->sha256, chunk);
	if (fd < 0)
		return mm_fail(MM_E_BLOB,
		    "the ceremony inherits the blob %s, which is not in the "
		    "directory beside the genesis file",
		    sodium_bin2hex(name, sizeof(name), blob->sha256, 32));
	while (error == MM_OK && piece.offset < blob->size) {
		size_t size = read_piece(fd, piece.offset, chunk);

		if (size == 0 || size > blob->size - piece.offset)
			return mm_fail(MM_E_BLOB,
			    "an inherited blob does not have the size that the "
			    "ceremony says");
		error = mm_heritage_put(notary, &piece, mm_span(chunk, size));
	}
	return error;
}

/* --- at a start --- */

/* What came is hashed as it came, and taken in as far as things are whole. */
static enum mm_error
take(struct mm_authority *a, struct mm_span data)
{
	struct mm_heritage *h = &a->heritage;
	struct mm_span rest, whole;
	enum mm_error error = MM_OK;

	crypto_hash_sha256_update(&h->hash, data.data, data.size);
	h->offset += data.size;
	mm_buffer_add(&h->rest, data.data, data.size);
	if (h->rest.error != MM_OK)
		return mm_fail(h->rest.error, "no memory to inherit");
	whole = rest = mm_buffer_span(&h->rest);
	while (error == MM_OK && rest.size > 0) {
		mm_auto(arena) arena = {0};
		struct mm_inherited thing;

		mm_arena_init(&arena, THING_ARENA);
		error = mm_inherited_next(&rest, &arena, &thing);
	}
	/* The last one may go on in the next piece. */
	if (error != MM_OK &&
	    (h->offset == h->blob.size || rest.size > THING_MAX))
		return mm_fail(MM_E_LOG_WRONG,
		    "entry %llu inherits what is no inheritance",
		    (unsigned long long)h->index);
	whole.size -= rest.size;
	error = mm_index_inherit(a->index, h->index, whole);
	memmove(h->rest.data, h->rest.data + whole.size, rest.size);
	h->rest.size = rest.size;
	return error;
}

static enum mm_error
finish(struct mm_authority *a)
{
	struct mm_heritage *h = &a->heritage;
	uint8_t sha256[32];

	crypto_hash_sha256_final(&h->hash, sha256);
	mm_buffer_clear(&h->rest);
	if (memcmp(sha256, h->blob.sha256, sizeof(sha256)) != 0)
		return mm_fail(MM_E_LOG_WRONG,
		    "the blob of entry %llu does not have its SHA-256",
		    (unsigned long long)h->index);
	h->blob.size = 0;
	mm_journal(MM_LEVEL_NOTICE, "inherited",
	    "what entry %llu inherits is in the index",
	    (unsigned long long)h->index);
	return mm_index_commit(a->index);
}

static void
blob_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_heritage *h = &a->heritage;
	struct mm_blob_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	(void)job;
	a->reading = false;
	mm_arena_init(&arena, ANSWER_ARENA);
	error = mm_shape_decode(
	    &mm_blob_answer_shape, received->packet.body, &arena, &answer);
	if (error == MM_OK && (answer.size != h->blob.size ||
				  answer.data.size > h->blob.size - h->offset))
		error = mm_fail(
		    MM_E_PEER, "the archive has another blob than was asked");
	if (error == MM_OK)
		error = take(a, answer.data);
	if (error == MM_OK && h->offset == h->blob.size)
		error = finish(a);
	if (error != MM_OK)
		mm_authority_fail(a, error);
	else
		mm_authority_advance(a);
}

static enum mm_error
ask_blob(struct mm_authority *a)
{
	struct mm_heritage *h = &a->heritage;
	struct mm_blob_request request = {.offset = h->offset};

	memcpy(request.sha256, h->blob.sha256, sizeof(request.sha256));
	a->reading = true;
	return mm_reading_begin(a, MM_ARCHIVE_BLOB, &mm_blob_request_shape,
	    &request, NULL, blob_read);
}

static void
entry_read(
    struct mm_authority *a, struct mm_job *job, struct mm_received *received)
{
	struct mm_heritage *h = &a->heritage;
	struct mm_archive_entries_answer answer;
	mm_auto(arena) arena = {0};
	enum mm_error error;

	(void)job;
	a->reading = false;
	mm_arena_init(&arena, ANSWER_ARENA);
	error = mm_shape_decode(&mm_archive_entries_answer_shape,
	    received->packet.body, &arena, &answer);
	if (error == MM_OK &&
	    (answer.entries.count == 0 || answer.from != h->index))
		error = mm_fail(
		    MM_E_PEER, "the archive does not have what was asked");
	if (error == MM_OK)
		error = mm_entry_blob(
		    mm_list_at(answer.entries, struct mm_bytes_item, 0)->value,
		    &h->blob);
	if (error == MM_OK)
		error = mm_index_begin(a->index);
	h->offset = 0;
	crypto_hash_sha256_init(&h->hash);
	mm_buffer_init(&h->rest, REST_MAX);
	if (error != MM_OK)
		mm_authority_fail(a, error);
	else
		mm_authority_advance(a);
}

/* The first blob that is not taken in; it is taken in from its beginning. */
static enum mm_error
ask_entry(struct mm_authority *a)
{
	struct mm_heritage *h = &a->heritage;
	struct mm_archive_entries_request request = {0, 1};
	uint64_t offset;
	enum mm_error error =
	    mm_index_inheritance(a->index, &h->index, &offset);

	if (error == MM_E_NOT_FOUND) {
		h->done = true;
		return MM_OK;
	}
	if (error == MM_OK && offset > 0)
		error = mm_fail(MM_E_BUG,
		    "the index has half of what entry %llu inherits",
		    (unsigned long long)h->index);
	if (error != MM_OK)
		return error;
	request.from = h->index;
	a->reading = true;
	return mm_reading_begin(a, MM_ARCHIVE_ENTRIES,
	    &mm_archive_entries_request_shape, &request, NULL, entry_read);
}

void
mm_heritage_step(struct mm_authority *a)
{
	enum mm_error error;

	if (a->heritage.done || a->reading)
		return;
	error = a->heritage.blob.size > 0 ? ask_blob(a) : ask_entry(a);
	if (error == MM_E_STARTING)
		a->reading = false;
	else if (error != MM_OK)
		mm_authority_fail(a, error);
}

void
mm_heritage_clear(struct mm_authority *a)
{
	mm_buffer_clear(&a->heritage.rest);
}
