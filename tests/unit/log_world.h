/*
 * A small installation in a temporary directory for the tests of the notary
 * and the archive: the directories, a log, and calls without a channel.
 */
#ifndef MM_LOG_WORLD_H
#define MM_LOG_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "entry_samples.h"
#include "log/notary.h"

struct world {
	char root[64], state[96], anchor[96], key[96], tiles[96];
	struct mm_notary_options options;
	struct mm_notary *notary;
	uint64_t size; /* of the log, as the caller knows it */
	uint64_t time; /* of the next entries */
	struct mm_arena arena;
	struct mm_notary_append_answer answer;
};

static inline void
world_shell(const char *format, const char *a, const char *b)
{
	char command[512];
	int length = 0;

	for (const char *c = format; *c != '\0' && length < 500; c++) {
		const char *with = *c == '@' ? a : *c == '%' ? b : NULL;

		if (with == NULL)
			command[length++] = *c;
		else
			length += snprintf(command + length,
			    sizeof(command) - (size_t)length, "%s", with);
	}
	command[length] = '\0';
	assert_int_equal(system(command), 0);
}

static inline void
world_init(struct world *world)
{
	const char *base = getenv("TMPDIR");
	struct {
		char *path;
		const char *name;
	} rooms[] = {{world->state, "state"}, {world->anchor, "anchor"},
	    {world->key, "key"}, {world->tiles, "tiles"}};

	*world = (struct world){.time = SAMPLE_TIME};
	snprintf(world->root, sizeof(world->root), "%s/mm-log-XXXXXX",
	    base != NULL && strlen(base) < 40 ? base : "/tmp");
	assert_non_null(mkdtemp(world->root));
	for (size_t i = 0; i < MM_COUNT(rooms); i++) {
		snprintf(rooms[i].path, sizeof(world->state), "%s/%s",
		    world->root, rooms[i].name);
		assert_int_equal(mkdir(rooms[i].path, 0700), 0);
	}
	world->options = (struct mm_notary_options){
	    .state = world->state, .anchor = world->anchor, .key = world->key};
	mm_arena_init(&world->arena, 64 << 20);
}

static inline void
world_close(struct world *world)
{
	mm_notary_close(mm_take(world->notary));
}

static inline void
world_clear(struct world *world)
{
	world_close(world);
	mm_arena_clear(&world->arena);
	world_shell("rm -rf @", world->root, NULL);
}

static inline enum mm_error
world_call(struct mm_service service, uint64_t type, const void *request,
    struct mm_arena *arena, void *answer)
{
	for (size_t i = 0; i < service.count; i++)
		if (service.calls[i].type == type)
			return service.calls[i].run(
			    service.self, request, arena, answer);
	fail_msg("no call %u", (unsigned)type);
	return MM_E_BUG;
}

static inline enum mm_error
world_open(struct world *world)
{
	return mm_notary_open(&world->options, &world->notary);
}

static inline void
world_must_open(struct world *world)
{
	enum mm_error error = world_open(world);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static inline enum mm_error
world_append(struct world *world, struct mm_bytes_item *items, size_t count,
    const struct mm_uint_item *references, size_t reference_count)
{
	struct mm_notary_append_request request = {.size = world->size,
	    .entries = {items, count},
	    .references = {references, reference_count}};
	enum mm_error error;

	mm_arena_clear(&world->arena);
	world->answer = (struct mm_notary_append_answer){.first = 0};
	error = world_call(mm_notary_service(world->notary), MM_NOTARY_APPEND,
	    &request, &world->arena, &world->answer);
	if (error == MM_OK)
		world->size += count;
	return error;
}

/* An entry of a certificate whose TBS is `seed` and filled to `size`. */
static inline void
world_entry(const struct world *world, uint64_t seed, size_t size,
    struct mm_buffer *out)
{
	struct mm_certificate_entry body = sample_certificate();
	struct mm_entry frame = sample_frame(MM_ENTRY_CERTIFICATE);
	uint8_t tbs[16384] = {0};

	frame.time = world->time;
	memcpy(tbs, &seed, sizeof(seed));
	body.tbs = mm_span(tbs, size < sizeof(seed) ? sizeof(seed) : size);
	sample_encode(&frame, &body, out);
}

static inline enum mm_error
world_append_many(struct world *world, size_t count)
{
	struct mm_buffer bytes[MM_BATCH_ENTRIES + 1];
	struct mm_bytes_item items[MM_BATCH_ENTRIES + 1];
	enum mm_error error;

	for (size_t i = 0; i < count; i++) {
		mm_buffer_init(&bytes[i], 65535);
		world_entry(world, world->size + i, 8, &bytes[i]);
		items[i].value = mm_buffer_span(&bytes[i]);
	}
	error = world_append(world, items, count, NULL, 0);
	for (size_t i = 0; i < count; i++)
		mm_buffer_clear(&bytes[i]);
	return error;
}

static inline void
world_must_append(struct world *world, size_t count)
{
	enum mm_error error = world_append_many(world, count);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

/* Some bytes that a blob of this size can have. */
static inline uint8_t *
world_blob_bytes(size_t size)
{
	uint8_t *bytes = malloc(size);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i / 256 + i + size);
	return bytes;
}

static inline enum mm_error
world_put_piece(struct world *world, const struct mm_blob *blob,
    uint64_t offset, struct mm_span data)
{
	struct mm_notary_blob_request request = {
	    .size = blob->size, .offset = offset, .data = data};
	struct mm_nothing nothing;

	memcpy(request.sha256, blob->sha256, sizeof(request.sha256));
	return world_call(mm_notary_service(world->notary), MM_NOTARY_BLOB,
	    &request, &world->arena, &nothing);
}

/* Gives the notary a whole blob, piece by piece. */
static inline struct mm_blob
world_must_put_blob(struct world *world, size_t size)
{
	mm_autofree uint8_t *bytes = world_blob_bytes(size);
	struct mm_blob blob = {.size = size};

	crypto_hash_sha256(blob.sha256, bytes, size);
	for (size_t at = 0; at < size; at += 65536) {
		size_t left = size - at;

		assert_int_equal(
		    world_put_piece(world, &blob, at,
			mm_span(bytes + at, left < 65536 ? left : 65536)),
		    MM_OK);
	}
	return blob;
}

/* A batch of one entry, a CRL that names a blob. */
static inline enum mm_error
world_append_naming(struct world *world, const struct mm_blob *blob)
{
	struct mm_crl_entry body = sample_crl();
	struct mm_entry frame = sample_frame(MM_ENTRY_CRL);
	struct mm_bytes_item item;
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 65535);
	frame.time = world->time;
	body.tbs = mm_span(NULL, 0);
	body.tbs_sha256 = mm_span(blob->sha256, sizeof(blob->sha256));
	body.tbs_size = blob->size;
	sample_encode(&frame, &body, &bytes);
	item.value = mm_buffer_span(&bytes);
	return world_append(world, &item, 1, NULL, 0);
}

/* Genesis: key, store, anchor and entry 0. */
static inline void
world_genesis(struct world *world)
{
	struct mm_notary_genesis_request request = {
	    mm_span_text(SAMPLE_ORIGIN)};
	struct mm_notary_genesis_answer answer;
	struct mm_genesis body = sample_genesis();
	struct mm_entry frame = sample_frame(MM_ENTRY_GENESIS);
	struct mm_bytes_item item;
	mm_auto(buffer) bytes = {0};

	world->options.genesis = true;
	world_must_open(world);
	world->options.genesis = false;
	assert_int_equal(
	    world_call(mm_notary_service(world->notary), MM_NOTARY_GENESIS,
		&request, &world->arena, &answer),
	    MM_OK);
	memcpy(body.log_key, answer.log_key, sizeof(body.log_key));
	mm_buffer_init(&bytes, 65535);
	sample_encode(&frame, &body, &bytes);
	item.value = mm_buffer_span(&bytes);
	assert_int_equal(world_append(world, &item, 1, NULL, 0), MM_OK);
}

/* Runs in a child, which ends as kill -9 would end it. */
static inline void
world_in_child(struct world *world, void (*work)(struct world *world))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		work(world);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#endif
