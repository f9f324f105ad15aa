/*
 * The world of log_world.h with an archive in it, and a clock that a test
 * moves: what is due in an hour is due at once. cmocka's headers come first.
 */
#ifndef MM_ARCHIVE_ROOM_H
#define MM_ARCHIVE_ROOM_H

#include <sqlite3.h>
#include <sys/syscall.h>
#include <time.h>

#include "audit/directory.h"
#include "log/archive.h"
#include "log/receipt.h"
#include "log/tile.h"
#include "log_faults.h"
#include "log_world.h"

/* How far CLOCK_MONOTONIC is ahead of the system's. */
static int64_t ahead_ms;

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	long failed = syscall(SYS_clock_gettime, clock, out);

	if (failed == 0 && clock == CLOCK_MONOTONIC) {
		out->tv_sec += ahead_ms / 1000;
		out->tv_nsec += ahead_ms % 1000 * 1000000;
		out->tv_sec += out->tv_nsec / 1000000000;
		out->tv_nsec %= 1000000000;
	}
	return (int)failed;
}

struct room {
	struct world world;
	struct mm_archive *archive;
	struct mm_arena arena;
	struct mm_buffer note;    /* the newest */
	struct mm_list witnesses; /* mm_text_item; of the next opening */
};

static inline int
set_up(void **state)
{
	static struct room room;

	/* What is flushed when is not seen from here. */
	faults.lazy = true;
	world_init(&room.world);
	room.archive = NULL;
	room.witnesses = (struct mm_list){NULL, 0};
	mm_arena_init(&room.arena, 64 << 20);
	mm_buffer_init(&room.note, MM_NOTE_MAX);
	*state = &room;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct room *room = *state;

	fault_disarm();
	mm_archive_close(mm_take(room->archive));
	mm_arena_clear(&room->arena);
	mm_buffer_clear(&room->note);
	world_clear(&room->world);
	return 0;
}

static inline enum mm_error
open_archive(struct room *room)
{
	struct mm_archive_options options = {.state = room->world.state,
	    .tiles = room->world.tiles,
	    .witnesses = room->witnesses};

	return mm_archive_open(&options, &room->archive);
}

static inline void
must_open(struct room *room)
{
	enum mm_error error = open_archive(room);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static inline void
reopen(struct room *room)
{
	mm_archive_close(mm_take(room->archive));
	must_open(room);
}

static inline enum mm_error
call(struct room *room, uint64_t type, const void *request, void *answer)
{
	mm_arena_clear(&room->arena);
	return world_call(mm_archive_service(room->archive), type, request,
	    &room->arena, answer);
}

static inline enum mm_error
publish(struct room *room)
{
	struct mm_archive_publish_request request = {
	    mm_buffer_span(&room->note)};
	struct mm_nothing nothing;

	return call(room, MM_ARCHIVE_PUBLISH, &request, &nothing);
}

static inline void
keep_note(struct room *room)
{
	mm_buffer_reset(&room->note);
	mm_buffer_add(&room->note, room->world.answer.note.data,
	    room->world.answer.note.size);
}

static inline void
grow(struct room *room, size_t count)
{
	while (count > 0) {
		size_t some =
		    count < MM_BATCH_ENTRIES ? count : MM_BATCH_ENTRIES;

		world_must_append(&room->world, some);
		count -= some;
	}
	keep_note(room);
}

/* What the archive does by itself in so many ms. */
static inline void
idle_for(struct room *room, int64_t ms)
{
	struct mm_service service = mm_archive_service(room->archive);
	int64_t end = ahead_ms + ms;

	while (ahead_ms <= end) {
		int wait = service.idle(service.self);

		if (wait < 0)
			return;
		ahead_ms += wait;
	}
}

/* Time enough for what is due. */
static inline void
idle(struct room *room)
{
	idle_for(room, 1000);
}

static inline void
begin(struct room *room)
{
	world_genesis(&room->world);
	keep_note(room);
	must_open(room);
}

static inline struct mm_vkey
vkey_of(const struct room *room)
{
	struct mm_vkey vkey;
	uint8_t seed[32], public_key[32], secret[64];
	char path[128];
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 32);
	snprintf(path, sizeof(path), "%s/log.key", room->world.key);
	assert_int_equal(mm_file_read(path, 32, &bytes), MM_OK);
	memcpy(seed, bytes.data, 32);
	crypto_sign_seed_keypair(public_key, secret, seed);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span_text(SAMPLE_ORIGIN), public_key),
	    MM_OK);
	return vkey;
}

static inline uint64_t
published_size(const struct room *room)
{
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;
	mm_auto(buffer) note = {0};
	char path[128];

	mm_buffer_init(&note, MM_NOTE_MAX);
	snprintf(path, sizeof(path), "%s/checkpoint", room->world.tiles);
	if (access(path, F_OK) < 0)
		return 0;
	assert_int_equal(mm_file_read(path, MM_NOTE_MAX, &note), MM_OK);
	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&note), &vkey, &checkpoint),
	    MM_OK);
	return checkpoint.size;
}

static inline void
assert_tiles_sound(const struct room *room)
{
	struct mm_tile_walk walk = mm_tile_walk(0, room->world.size);
	struct mm_vkey vkey = vkey_of(room);
	const struct mm_directory_options options = {
	    .directory = room->world.tiles,
	    .audit = {.vkey = &vkey, .tree_only = true}};
	struct mm_directory_report report;
	struct mm_tile tile;
	enum mm_error error;

	assert_int_equal(published_size(room), room->world.size);
	error = mm_directory_verify(&options, &report);
	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
	assert_int_equal(report.audit.size, room->world.size);
	while (mm_tile_next(&walk, &tile)) {
		char name[MM_TILE_PATH_MAX], path[256];
		struct stat info;

		mm_tile_path(&tile, name);
		snprintf(path, sizeof(path), "%s/%s", room->world.tiles, name);
		if (stat(path, &info) < 0)
			fail_msg("%s is missing", name);
		if (tile.level != MM_TILE_ENTRIES)
			assert_int_equal(
			    info.st_size, tile.width * MM_HASH_SIZE);
	}
}

static inline struct mm_archive_entries_answer
entries(struct room *room, uint64_t from, uint64_t count)
{
	struct mm_archive_entries_request request = {from, count};
	struct mm_archive_entries_answer answer = {.from = 0};
	mm_auto(buffer) message = {0};

	assert_int_equal(
	    call(room, MM_ARCHIVE_ENTRIES, &request, &answer), MM_OK);
	mm_buffer_init(&message, MM_CHANNEL_MAX);
	assert_int_equal(
	    mm_packet_encode(MM_ARCHIVE_ENTRIES, 1,
		&mm_archive_entries_answer_shape, &answer, &message),
	    MM_OK);
	assert_int_equal(answer.from, from);
	return answer;
}

static inline enum mm_error
receipt(struct room *room, uint64_t index, bool newest,
    struct mm_archive_receipt_answer *out)
{
	struct mm_archive_receipt_request request = {
	    .index = index, .against = newest};

	*out = (struct mm_archive_receipt_answer){.entry = {NULL, 0}};
	return call(room, MM_ARCHIVE_RECEIPT, &request, out);
}

static inline enum mm_error
receipt_under(struct room *room, uint64_t index, uint64_t size,
    struct mm_archive_receipt_answer *out)
{
	struct mm_archive_receipt_request request = {
	    .index = index, .against = MM_AGAINST_SIZE, .size = size};

	*out = (struct mm_archive_receipt_answer){.entry = {NULL, 0}};
	return call(room, MM_ARCHIVE_RECEIPT, &request, out);
}

/* The size of the checkpoint that a receipt is bound to, by its proof. */
static inline uint64_t
verified_size(struct room *room, uint64_t index,
    const struct mm_archive_receipt_answer *answer)
{
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;
	struct mm_receipt found = {.index = index};

	found.entry = answer->entry;
	found.note = answer->note;
	assert_int_equal(
	    mm_proof_from_list(&answer->proof, &found.proof), MM_OK);
	assert_int_equal(
	    mm_receipt_verify(&found, &vkey, answer->entry, &checkpoint),
	    MM_OK);
	return checkpoint.size;
}

static inline uint64_t
receipt_size(struct room *room, uint64_t index, bool newest)
{
	struct mm_archive_receipt_answer answer;
	enum mm_error error = receipt(room, index, newest, &answer);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
	return verified_size(room, index, &answer);
}

static inline void
run_sql(struct room *room, const char *sql)
{
	sqlite3 *db;
	int keep = 1;
	char path[128];

	snprintf(path, sizeof(path), "%s/log.db", room->world.state);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static inline void
digest_of_tiles(const struct room *room, char out[128])
{
	char command[256];
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "cd %s && find . -type f ! -name .new | sort | xargs sha256sum | "
	    "sha256sum",
	    room->world.tiles);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(out, 128, pipe));
	pclose(pipe);
}

#endif
