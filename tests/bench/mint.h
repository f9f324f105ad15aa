/*
 * A mint without a token: what the authority asks of notary, archive and
 * index, and the batches that it fills.
 */
#ifndef MM_BENCH_MINT_H
#define MM_BENCH_MINT_H

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>

#include "protocol/message.h"
#include "server/index.h"
#include "tests/bench/roles.h"

enum {
	CERTIFICATE_ROOM = 8192, /* as the authority leaves in a batch */
	REQUEST_ROOM = 512,      /* a CSR, which it judges that room by */
	BATCH_ID = 1,
	SEEN_MAX = 256, /* older checkpoints that are remembered */
	PATIENCE_MS = 60000,
	ARENA = 64 << 20
};

struct batch {
	struct mm_buffer bytes[MM_BATCH_ENTRIES];
	struct mm_bytes_item items[MM_BATCH_ENTRIES];
	size_t count, size;
};

struct mint {
	struct places places;
	size_t samples;
	struct child notary, archive;
	struct mm_index *index; /* NULL: it grows no further */
	uint64_t index_most;    /* entries that it is built to */
	struct maker maker;
	struct mm_vkey vkey;
	struct batch batch;
	uint64_t size;                           /* of the log */
	uint64_t unsigned_first, unsigned_count; /* for the next batch */
	double entry_bytes;
	double index_time, index_cpu; /* of the last batch */
	struct mm_buffer note;        /* newest */
	struct mm_checkpoint seen[SEEN_MAX];
	uint64_t notes;
};

/* --- what the authority asks of them --- */

static inline void
ask(const struct child *child, uint64_t type,
    const struct mm_shape *request_shape, const void *request,
    const struct mm_shape *answer_shape, struct mm_received *received,
    struct mm_arena *arena, void *answer)
{
	must("a call failed",
	    mm_call_sync(child->fd, type, request_shape, request, answer_shape,
		received, arena, answer));
}

static inline uint64_t
open_notary(const struct mint *mint)
{
	struct mm_notary_open_answer answer;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA);
	ask(&mint->notary, MM_NOTARY_OPEN, NULL, NULL,
	    &mm_notary_open_answer_shape, &received, &arena, &answer);
	return answer.size;
}

static inline void
tell_archive(const struct mint *mint)
{
	struct mm_archive_publish_request request = {
	    mm_buffer_span(&mint->note)};

	must("publish", mm_channel_send(mint->archive.fd, MM_ARCHIVE_PUBLISH, 0,
			    &mm_archive_publish_request_shape, &request));
}

static inline uint64_t
published_size(const struct mint *mint)
{
	char path[PATH_SIZE + 16];
	uint64_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/checkpoint", mint->places.tiles);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%*s %lu", &size) != 1)
		size = 0;
	fclose(file);
	return size;
}

static inline void
wait_published(const struct mint *mint)
{
	int fd = inotify_init1(IN_CLOEXEC);
	struct pollfd changed = {.fd = fd, .events = POLLIN};
	char events[4096];

	if (inotify_add_watch(fd, mint->places.tiles, IN_MOVED_TO) < 0)
		bench_die("inotify", MM_E_SYSTEM);
	while (published_size(mint) < mint->size)
		if (poll(&changed, 1, PATIENCE_MS) != 1 ||
		    read(fd, events, sizeof(events)) < 0)
			bench_die("the tiles are not written", MM_E_DEADLINE);
	close(fd);
}

/* Some of the checkpoints that there were, evenly. */
static inline void
remember(struct mint *mint)
{
	uint64_t place = mint->notes++;

	if (place >= SEEN_MAX)
		place = random_below(&mint->maker, mint->notes);
	if (place < SEEN_MAX)
		must("checkpoint",
		    mm_checkpoint_open(mm_buffer_span(&mint->note), &mint->vkey,
			&mint->seen[place]));
}

/* --- batches --- */

static inline struct mm_buffer *
batch_next(struct batch *batch)
{
	struct mm_buffer *bytes = &batch->bytes[batch->count];

	if (bytes->max == 0)
		mm_buffer_init(bytes, MM_ENTRY_MAX);
	return bytes;
}

static inline void
batch_take(struct batch *batch)
{
	struct mm_span bytes = mm_buffer_span(&batch->bytes[batch->count]);

	batch->items[batch->count++].value = bytes;
	batch->size += bytes.size;
}

/* As the authority fills one: signatures first, then what was asked for. */
static inline void
batch_make(struct mint *mint, size_t most)
{
	struct batch *batch = &mint->batch;
	uint64_t first;

	batch->count = batch->size = 0;
	if (mint->unsigned_count > 0) {
		make_signatures(&mint->maker, mint->unsigned_first,
		    mint->unsigned_count, batch_next(batch));
		batch_take(batch);
	}
	first = batch->count;
	while (
	    batch->count < most && batch->count + 2 <= MM_BATCH_ENTRIES &&
	    batch->size + CERTIFICATE_ROOM + REQUEST_ROOM <= MM_BATCH_BYTES) {
		make_certificate(&mint->maker, batch_next(batch));
		batch_take(batch);
	}
	mint->unsigned_first = mint->size + first;
	mint->unsigned_count = batch->count - first;
}

/* The authority decides first, and keeps that when the notary has answered. */
static inline void
index_apply(struct mint *mint)
{
	const struct batch *batch = &mint->batch;
	double began = now(), cpu = cpu_of(getpid());

	if (mint->index == NULL)
		return;
	must("index", mm_index_begin(mint->index));
	for (size_t i = 0; i < batch->count; i++)
		must("index",
		    mm_index_apply(mint->index, batch->items[i].value));
	mint->index_time = now() - began;
	mint->index_cpu = cpu_of(getpid()) - cpu;
}

static inline void
index_commit(struct mint *mint)
{
	double began = now(), cpu = cpu_of(getpid());

	if (mint->index == NULL)
		return;
	must("index", mm_index_commit(mint->index));
	mint->index_time += now() - began;
	mint->index_cpu += cpu_of(getpid()) - cpu;
}

static inline void
index_end(struct mint *mint)
{
	mm_index_close(mint->index);
	mint->index = NULL;
}

/* The batch is stored: what the log is now. */
static inline void
batch_stored(struct mint *mint, const struct mm_notary_append_answer *answer)
{
	const struct batch *batch = &mint->batch;

	if (answer->first != mint->size || answer->proofs.count != batch->count)
		bench_die("the answer is to another batch", MM_E_PEER);
	mint->size += batch->count;
	mint->entry_bytes += (double)batch->size;
	mm_buffer_reset(&mint->note);
	mm_buffer_add(&mint->note, answer->note.data, answer->note.size);
	remember(mint);
}

static inline void
batch_send(const struct mint *mint)
{
	struct mm_uint_item order = {INDEX_ORDER};
	struct mm_notary_append_request request = {.size = mint->size,
	    .entries = {mint->batch.items, mint->batch.count},
	    .references = {&order, mint->size > INDEX_ORDER ? 1 : 0}};

	must(
	    "append", mm_channel_send(mint->notary.fd, MM_NOTARY_APPEND,
			  BATCH_ID, &mm_notary_append_request_shape, &request));
}

static inline void
batch_receive(struct mint *mint, struct mm_received *received,
    struct mm_arena *arena, struct mm_notary_append_answer *answer)
{
	const struct mm_packet *packet = &received->packet;

	must("append", mm_channel_receive(mint->notary.fd, received));
	if (received->closed || packet->id != BATCH_ID)
		bench_die("append", mm_fail(MM_E_AWAY, "the notary ended"));
	if (packet->error != 0)
		bench_die("append", mm_fail(mm_error_from(packet->error),
					"%.*s", MM_SPAN(packet->why)));
	must("append", mm_shape_decode(&mm_notary_append_answer_shape,
			   packet->body, arena, answer));
}

/*
 * Stores the batch; how long the notary took to answer. The authority
 * decides a batch, then sends it; while the log is only built (`measured` is
 * false) the two go on at once.
 */
static inline double
batch_store(struct mint *mint, bool measured)
{
	struct mm_notary_append_answer answer;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};
	double began, took;

	mm_arena_init(&arena, ARENA);
	if (measured)
		index_apply(mint);
	began = now();
	batch_send(mint);
	if (!measured)
		index_apply(mint);
	batch_receive(mint, &received, &arena, &answer);
	took = now() - began;
	index_commit(mint);
	batch_stored(mint, &answer);
	return took;
}

static inline void
make_directories(const struct places *places)
{
	const char *const paths[] = {places->state, places->anchor, places->key,
	    places->tiles, places->index_path};

	for (size_t i = 0; i < MM_COUNT(paths); i++)
		if (mkdir(paths[i], 0700) < 0)
			bench_die(paths[i],
			    mm_fail(MM_E_FILE, "%s", strerror(errno)));
}

/* The first batch: genesis, the CA's certificate, an order. */
static inline void
batch_make_first(struct mint *mint)
{
	struct batch *batch = &mint->batch;

	make_genesis(&mint->maker, batch_next(batch));
	batch_take(batch);
	make_ca(&mint->maker, batch_next(batch));
	batch_take(batch);
	make_order(&mint->maker, batch_next(batch));
	batch_take(batch);
	mint->unsigned_first = INDEX_CA;
	mint->unsigned_count = 1;
}

static inline void
mint_begin(struct mint *mint)
{
	struct mm_notary_genesis_request request = {mm_span_text(BENCH_ORIGIN)};
	struct mm_notary_genesis_answer answer;
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(arena) arena = {0};

	make_directories(&mint->places);
	maker_init(&mint->maker);
	mm_buffer_init(&mint->note, MM_NOTE_MAX);
	must("index",
	    mm_index_open(mint->places.index_path, false, &mint->index));
	mint->notary = start(&mint->places, "--notary", NULL);
	mm_arena_init(&arena, ARENA);
	ask(&mint->notary, MM_NOTARY_GENESIS, &mm_notary_genesis_request_shape,
	    &request, &mm_notary_genesis_answer_shape, &received, &arena,
	    &answer);
	memcpy(mint->maker.log_key, answer.log_key, sizeof(answer.log_key));
	must("vkey", mm_vkey_init(&mint->vkey, request.origin, answer.log_key));
	batch_make_first(mint);
	batch_store(mint, true);
	mint->archive = start(&mint->places, "--archive", NULL);
	tell_archive(mint);
}

static inline void
mint_end(struct mint *mint)
{
	stop(&mint->notary, false);
	stop(&mint->archive, false);
	index_end(mint);
	for (size_t i = 0; i < MM_BATCH_ENTRIES; i++)
		mm_buffer_clear(&mint->batch.bytes[i]);
	mm_buffer_clear(&mint->note);
	mm_arena_clear(&mint->maker.arena);
}

static inline void
progress(const struct mint *mint, uint64_t target, double began)
{
	static double last;
	double rate = (double)mint->size / (now() - began);

	if (!isatty(STDERR_FILENO) || now() - last < 0.2)
		return;
	last = now();
	fprintf(stderr, "\r%llu of %llu entries, %.0f a second, %.0f s left ",
	    (unsigned long long)mint->size, (unsigned long long)target, rate,
	    (double)(target - mint->size) / rate);
}

static inline void
build(struct mint *mint, uint64_t target)
{
	double began = now();

	if (target > mint->index_most)
		index_end(mint);
	if (mint->size > target)
		bench_die("the sizes are too close",
		    mm_fail(MM_E_RANGE,
			"measuring took the log to %llu entries: name larger "
			"steps, or fewer samples",
			(unsigned long long)mint->size));
	while (mint->size < target) {
		uint64_t left = target - mint->size;

		batch_make(mint,
		    left < MM_BATCH_ENTRIES ? (size_t)left : MM_BATCH_ENTRIES);
		batch_store(mint, false);
		tell_archive(mint);
		progress(mint, target, began);
	}
	wait_published(mint);
	fprintf(stderr, "%s%llu entries after %.0f s\n",
	    isatty(STDERR_FILENO) ? "\r" : "", (unsigned long long)mint->size,
	    now() - began);
}

#endif
