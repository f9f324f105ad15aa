#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <time.h>

#include "log/store.h"
#include "log_faults.h"
#include "log_world.h"

static int
set_up(void **state)
{
	static struct world world;

	world_init(&world);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fault_disarm();
	world_clear(*state);
	return 0;
}

static struct mm_vkey
vkey_of(struct world *world)
{
	struct mm_store *store = NULL;
	struct mm_vkey vkey;

	assert_int_equal(mm_store_open_reader(world->state, &store), MM_OK);
	assert_int_equal(
	    mm_vkey_init(&vkey, mm_span_text(mm_store_identity(store)->origin),
		mm_store_identity(store)->log_key),
	    MM_OK);
	mm_store_close(store);
	return vkey;
}

/* The stored entry `index` is in the checkpoint `note`. */
static void
assert_proven(struct world *world, const struct mm_inclusion *inclusion,
    struct mm_span note)
{
	struct mm_vkey vkey = vkey_of(world);
	struct mm_checkpoint checkpoint;
	struct mm_store *store = NULL;
	struct mm_proof proof;
	struct mm_span entry;
	struct mm_hash leaf;

	assert_int_equal(mm_checkpoint_open(note, &vkey, &checkpoint), MM_OK);
	assert_int_equal(checkpoint.size, world->size);
	assert_int_equal(mm_store_open_reader(world->state, &store), MM_OK);
	assert_int_equal(
	    mm_store_entry(store, inclusion->index, &entry), MM_OK);
	leaf = mm_leaf_hash(entry);
	mm_store_close(store);
	assert_int_equal(mm_proof_from_list(&inclusion->proof, &proof), MM_OK);
	assert_int_equal(mm_inclusion_check(&leaf, inclusion->index,
			     checkpoint.size, &proof, &checkpoint.root),
	    MM_OK);
}

static struct mm_notary_open_answer
status(struct world *world)
{
	struct mm_notary_open_answer answer = {.size = 0};
	struct mm_nothing nothing = {0};

	assert_int_equal(world_call(mm_notary_service(world->notary),
			     MM_NOTARY_OPEN, &nothing, &world->arena, &answer),
	    MM_OK);
	return answer;
}

static void
refused_to_start(struct world *world, enum mm_error wanted)
{
	enum mm_error error = world_open(world);

	if (error != wanted)
		fail_msg("%s: %s", mm_error_name(error), mm_why(error));
	assert_null(world->notary);
}

static void
proves_each_entry_and_reference(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	for (size_t round = 0; round < 12; round++) {
		struct mm_uint_item references[3] = {
		    {0}, {world->size / 2}, {world->size}};
		struct mm_buffer bytes;
		struct mm_bytes_item items[2];

		mm_buffer_init(&bytes, 65535);
		world_entry(world, round, 100, &bytes);
		items[0].value = items[1].value = mm_buffer_span(&bytes);
		assert_int_equal(
		    world_append(world, items, 2, references, 3), MM_OK);
		assert_int_equal(world->answer.first, world->size - 2);
		assert_int_equal(world->answer.proofs.count, 2);
		assert_int_equal(world->answer.references.count, 3);
		for (size_t i = 0; i < 2; i++)
			assert_proven(world,
			    mm_list_at(
				world->answer.proofs, struct mm_inclusion, i),
			    world->answer.note);
		for (size_t i = 0; i < 3; i++)
			assert_proven(world,
			    mm_list_at(world->answer.references,
				struct mm_inclusion, i),
			    world->answer.note);
		mm_buffer_clear(&bytes);
		world_must_append(world, round * 5 + 1);
	}
}

static void
goes_on_after_a_restart_with_the_same_note(void **state)
{
	struct world *world = *state;
	mm_auto(buffer) note = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	world_genesis(world);
	for (size_t i = 1; i < 20; i += 6) {
		world_must_append(world, i);
		mm_buffer_reset(&note);
		mm_buffer_add(
		    &note, world->answer.note.data, world->answer.note.size);
		world_close(world);
		world_must_open(world);
		assert_int_equal(status(world).size, world->size);
		assert_int_equal(status(world).time, world->time);
		assert_true(
		    mm_span_equal(status(world).note, mm_buffer_span(&note)));
	}
}

static void
two_logs_of_the_same_entries_have_the_same_root(void **state)
{
	struct world *world = *state;
	struct mm_hash expected;
	struct mm_frontier frontier = {.size = 0};
	struct mm_store *store = NULL;
	struct mm_store_checkpoint newest;

	world_genesis(world);
	world_must_append(world, 100);
	world_must_append(world, 57);
	world_close(world);
	assert_int_equal(mm_store_open_reader(world->state, &store), MM_OK);
	for (uint64_t i = 0; i < world->size; i++) {
		struct mm_span entry;
		struct mm_hash leaf;

		assert_int_equal(mm_store_entry(store, i, &entry), MM_OK);
		leaf = mm_leaf_hash(entry);
		assert_int_equal(
		    mm_frontier_append(&frontier, &leaf, NULL, NULL), MM_OK);
	}
	expected = mm_frontier_root(&frontier);
	assert_int_equal(mm_store_newest(store, &newest), MM_OK);
	assert_true(mm_hash_equal(&newest.root, &expected));
	mm_store_close(store);
}

static enum mm_error
append_one(struct world *world, const struct mm_entry *frame, const void *body)
{
	mm_auto(buffer) bytes = {0};
	struct mm_bytes_item item;

	mm_buffer_init(&bytes, 65535);
	sample_encode(frame, body, &bytes);
	item.value = mm_buffer_span(&bytes);
	return world_append(world, &item, 1, NULL, 0);
}

static void
refuses_entries_out_of_place(void **state)
{
	struct world *world = *state;
	struct mm_entry frame = sample_frame(MM_ENTRY_START);
	struct mm_start_entry start = sample_start();
	struct mm_genesis genesis = sample_genesis();
	struct mm_policy_entry policy = sample_policy();

	world_genesis(world);
	frame.time = SAMPLE_TIME - 1;
	assert_int_equal(append_one(world, &frame, &start), MM_E_NOTARY_TIME);
	/* No later entry could follow it. */
	frame.time = (uint64_t)time(NULL) + 3600;
	assert_int_equal(append_one(world, &frame, &start), MM_E_NOTARY_TIME);
	frame.time = INT64_MAX;
	assert_int_equal(append_one(world, &frame, &start), MM_E_NOTARY_TIME);
	frame.time = SAMPLE_TIME;
	frame.policy[0] ^= 1;
	assert_int_equal(append_one(world, &frame, &start), MM_E_NOTARY_POLICY);
	frame.policy[0] ^= 1;
	assert_int_equal(append_one(world, &frame, &start), MM_OK);
	frame.kind = MM_ENTRY_GENESIS;
	assert_int_equal(append_one(world, &frame, &genesis), MM_E_ENTRY);
	/* A new policy's entry names the new one, and so do later ones. */
	frame.kind = MM_ENTRY_POLICY;
	policy.policy = mm_span_text("policy two");
	assert_int_equal(
	    append_one(world, &frame, &policy), MM_E_NOTARY_POLICY);
	crypto_hash_sha256(frame.policy, (const uint8_t *)"policy two", 10);
	assert_int_equal(append_one(world, &frame, &policy), MM_OK);
	assert_memory_equal(status(world).policy, frame.policy, 32);
	frame = sample_frame(MM_ENTRY_START);
	assert_int_equal(append_one(world, &frame, &start), MM_E_NOTARY_POLICY);
	assert_int_equal(status(world).size, 3);
	assert_int_equal(status(world).size, world->size);
}

static void
refuses_what_is_no_entry(void **state)
{
	struct world *world = *state;
	struct mm_bytes_item items[2];
	mm_auto(buffer) good = {0}, bad = {0};

	mm_buffer_init(&good, 65535);
	mm_buffer_init(&bad, 65535);
	world_genesis(world);
	world_entry(world, 1, 100, &good);
	items[0].value = mm_buffer_span(&good);
	for (size_t cut = 0; cut < good.size; cut += 13) {
		items[1].value = mm_span(good.data, cut);
		assert_int_equal(
		    world_append(world, items, 2, NULL, 0), MM_E_ENTRY);
	}
	mm_buffer_add(&bad, good.data, good.size);
	mm_buffer_add(&bad, "\0", 1);
	items[1].value = mm_buffer_span(&bad);
	assert_int_equal(world_append(world, items, 2, NULL, 0), MM_E_ENTRY);
	bad.size--;
	/* The body is inside the frame: a fault there is found as well. */
	bad.data[bad.size - 1] ^= 0xff;
	bad.data[45] ^= 0xff;
	assert_int_equal(world_append(world, items, 2, NULL, 0), MM_E_ENTRY);
	assert_int_equal(status(world).size, 1);
}

static void
refuses_batches_over_their_limits(void **state)
{
	struct world *world = *state;
	struct mm_uint_item reference = {1};
	struct mm_bytes_item items[8];
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 65535);
	world_genesis(world);
	assert_int_equal(world_append_many(world, MM_BATCH_ENTRIES - 1), MM_OK);
	assert_int_equal(world_append_many(world, MM_BATCH_ENTRIES), MM_OK);
	assert_int_equal(
	    world_append_many(world, MM_BATCH_ENTRIES + 1), MM_E_NOTARY_BATCH);
	assert_int_equal(world_append_many(world, 0), MM_E_NOTARY_BATCH);
	world->size--;
	assert_int_equal(world_append_many(world, 1), MM_E_NOTARY_BATCH);
	world->size += 2;
	assert_int_equal(world_append_many(world, 1), MM_E_NOTARY_BATCH);
	world->size--;
	world_entry(world, 1, 16384, &bytes);
	for (size_t i = 0; i < MM_COUNT(items); i++)
		items[i].value = mm_buffer_span(&bytes);
	assert_int_equal(
	    world_append(world, items, MM_BATCH_BYTES / bytes.size, NULL, 0),
	    MM_OK);
	assert_int_equal(world_append(world, items,
			     MM_BATCH_BYTES / bytes.size + 1, NULL, 0),
	    MM_E_NOTARY_BATCH);
	reference.value = world->size + 1;
	assert_int_equal(
	    world_append(world, items, 1, &reference, 1), MM_E_NOTARY_BATCH);
	reference.value = world->size;
	assert_int_equal(world_append(world, items, 1, &reference, 1), MM_OK);
}

static void
genesis_must_be_of_this_log(void **state)
{
	struct world *world = *state;
	struct mm_notary_genesis_request request = {mm_span_text("Not A Name")};
	struct mm_notary_genesis_answer answer;
	struct mm_genesis genesis = sample_genesis();
	struct mm_entry frame = sample_frame(MM_ENTRY_GENESIS);
	struct mm_entry other = sample_frame(MM_ENTRY_START);
	struct mm_start_entry start = sample_start();
	struct mm_service service;

	world->options.genesis = true;
	world_must_open(world);
	service = mm_notary_service(world->notary);
	assert_int_equal(
	    append_one(world, &frame, &genesis), MM_E_NOTARY_BATCH);
	assert_int_equal(world_call(service, MM_NOTARY_GENESIS, &request,
			     &world->arena, &answer),
	    MM_E_VKEY);
	request.origin = mm_span_text(SAMPLE_ORIGIN);
	assert_int_equal(world_call(service, MM_NOTARY_GENESIS, &request,
			     &world->arena, &answer),
	    MM_OK);
	assert_int_equal(world_call(service, MM_NOTARY_GENESIS, &request,
			     &world->arena, &answer),
	    MM_E_UNKNOWN);
	assert_int_equal(append_one(world, &frame, &genesis), MM_E_ENTRY);
	assert_int_equal(append_one(world, &other, &start), MM_E_ENTRY);
	memcpy(genesis.log_key, answer.log_key, 32);
	genesis.origin = mm_span_text("log.example.com/other");
	assert_int_equal(append_one(world, &frame, &genesis), MM_E_ENTRY);
	genesis.origin = mm_span_text(SAMPLE_ORIGIN);
	assert_int_equal(append_one(world, &frame, &genesis), MM_OK);
}

static void
genesis_wants_empty_directories(void **state)
{
	struct world *world = *state;
	const char *const rooms[] = {world->state, world->anchor, world->key};
	const char *const names[] = {"notes.txt", "anchor", "log.key"};

	world->options.genesis = true;
	for (size_t i = 0; i < MM_COUNT(rooms); i++) {
		world_shell("touch @/%", rooms[i], names[i]);
		refused_to_start(world, MM_E_STATE);
		world_shell("rm @/%", rooms[i], names[i]);
	}
	world_shell("touch @/lock", world->state, NULL);
	world_genesis(world);
	world_close(world);
	world->options.genesis = true;
	refused_to_start(world, MM_E_STATE);
	world->options.genesis = false;
	world_must_open(world);
}

static void
an_empty_directory_is_no_log(void **state)
{
	refused_to_start(*state, MM_E_STATE);
}

static void
a_second_notary_is_refused(void **state)
{
	struct world *world = *state;
	struct mm_notary *second = NULL;

	world_genesis(world);
	assert_int_equal(mm_notary_open(&world->options, &second), MM_E_LOCKED);
	world_must_append(world, 1);
}

/* Keeps a copy of a directory aside, and puts it back. */
static void
copy(const char *from, const char *to)
{
	world_shell("rm -rf % && cp -a @ %", from, to);
}

static void
a_rolled_back_store_is_refused(void **state)
{
	struct world *world = *state;
	char aside[128];

	snprintf(aside, sizeof(aside), "%s/aside", world->root);
	world_genesis(world);
	world_must_append(world, 5);
	world_close(world);
	copy(world->state, aside);
	world_must_open(world);
	world_must_append(world, 5);
	world_close(world);
	copy(aside, world->state);
	refused_to_start(world, MM_E_ROLLBACK);
	assert_non_null(strstr(mm_why(MM_E_ROLLBACK), "fork"));
}

static void
a_removed_store_is_refused(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	world_shell("rm @/log.db*", world->state, NULL);
	refused_to_start(world, MM_E_ROLLBACK);
	assert_true(access(world->state, F_OK) == 0);
	world->options.genesis = true;
	refused_to_start(world, MM_E_STATE);
}

static void
a_store_removed_while_in_use_takes_nothing(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_shell("mv @/log.db %", world->state, world->root);
	world_must_append(world, 1);
	world_shell("mv %/log.db @", world->state, world->root);
	world_must_append(world, 1);
	world_shell("rm @/log.db", world->state, NULL);
	assert_int_equal(world_append_many(world, 1), MM_E_STATE);
	assert_non_null(strstr(mm_why(MM_E_STATE), "removed"));
}

static void
a_truncated_store_is_refused(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_must_append(world, 50);
	world_close(world);
	world_must_open(world);
	world_close(world);
	world_shell("truncate -s 8192 @/log.db", world->state, NULL);
	refused_to_start(world, MM_E_STATE);
	world_shell("truncate -s 0 @/log.db", world->state, NULL);
	refused_to_start(world, MM_E_STATE);
}

/* The write-ahead log held what the anchor has seen. */
static void
a_store_without_its_wal_is_refused(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_must_append(world, 3);
	world_close(world);
	world_shell("rm @/log.db-wal", world->state, NULL);
	refused_to_start(world, MM_E_ROLLBACK);
}

static void
a_missing_anchor_is_refused(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	world_shell("rm @/anchor", world->anchor, NULL);
	refused_to_start(world, MM_E_ROLLBACK);
	assert_int_equal(access(world->anchor, F_OK), 0);
}

static void
a_damaged_anchor_is_refused(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	world_shell("truncate -s 0 @/anchor", world->anchor, NULL);
	refused_to_start(world, MM_E_ROLLBACK);
}

static void
another_logs_parts_are_refused(void **state)
{
	struct world *world = *state;
	struct world other;

	world_genesis(world);
	world_close(world);
	world_init(&other);
	world_genesis(&other);
	world_close(&other);
	world->options.anchor = other.anchor;
	refused_to_start(world, MM_E_STATE);
	world->options.anchor = world->anchor;
	world->options.key = other.key;
	refused_to_start(world, MM_E_STATE);
	world->options.key = world->key;
	world->options.state = other.state;
	refused_to_start(world, MM_E_STATE);
	world->options.state = world->state;
	world_must_open(world);
	world_clear(&other);
}

static void
the_key_must_be_ours_alone(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	world_shell("chmod 0640 @/log.key", world->key, NULL);
	refused_to_start(world, MM_E_STATE);
	world_shell("chmod 0600 @/log.key && mv @/log.key @/k && "
		    "ln -s k @/log.key",
	    world->key, NULL);
	refused_to_start(world, MM_E_STATE);
	world_shell("rm @/log.key", world->key, NULL);
	refused_to_start(world, MM_E_STATE);
	world_shell("head -c 31 @/k > @/log.key && chmod 0600 @/log.key",
	    world->key, NULL);
	refused_to_start(world, MM_E_STATE);
	world_shell("mv @/k @/log.key", world->key, NULL);
	world_must_open(world);
}

static void
run_sql(struct world *world, const char *sql)
{
	sqlite3 *db;
	char path[128];

	snprintf(path, sizeof(path), "%s/log.db", world->state);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void
an_edited_store_is_refused(void **state)
{
	struct world *world = *state;
	char aside[128];
	static const struct {
		const char *sql;
		enum mm_error wanted;
	} edits[] = {
	    {"UPDATE entry SET bytes = x'a0' WHERE idx = 20", MM_E_LOG_WRONG},
	    {"UPDATE entry SET bytes = x'a0' WHERE idx = 0", MM_E_LOG_WRONG},
	    {"DELETE FROM entry WHERE idx = 20", MM_E_LOG_WRONG},
	    {"INSERT INTO entry VALUES (21, x'a0')", MM_E_LOG_WRONG},
	    {"UPDATE node SET hash = zeroblob(32) WHERE n >= 30",
		MM_E_LOG_WRONG},
	    {"UPDATE checkpoint SET root = zeroblob(32) WHERE size = 21",
		MM_E_LOG_WRONG},
	    {"DELETE FROM checkpoint WHERE size = 21", MM_E_ROLLBACK},
	    {"UPDATE checkpoint SET note = 'x' WHERE size = 21",
		MM_E_LOG_WRONG},
	    {"UPDATE identity SET origin = 'other.example.com'",
		MM_E_LOG_WRONG},
	    {"UPDATE identity SET log_key = zeroblob(32)", MM_E_STATE},
	    {"DELETE FROM identity", MM_E_STATE}};

	snprintf(aside, sizeof(aside), "%s/aside", world->root);
	world_genesis(world);
	world_must_append(world, 20);
	world_close(world);
	world_must_open(world);
	world_close(world);
	copy(world->state, aside);
	for (size_t i = 0; i < MM_COUNT(edits); i++) {
		run_sql(world, edits[i].sql);
		refused_to_start(world, edits[i].wanted);
		copy(aside, world->state);
	}
	world_must_open(world);
}

/* The anchor has seen one continuation, the store holds another. */
static void
a_forked_copy_is_refused(void **state)
{
	struct world *world = *state;
	char state_aside[128], anchor_aside[128], forked[128];

	snprintf(state_aside, sizeof(state_aside), "%s/state2", world->root);
	snprintf(anchor_aside, sizeof(anchor_aside), "%s/anchor2", world->root);
	snprintf(forked, sizeof(forked), "%s/forked", world->root);
	world_genesis(world);
	world_close(world);
	copy(world->state, state_aside);
	copy(world->anchor, anchor_aside);
	world_must_open(world);
	world_must_append(world, 3);
	world_close(world);
	copy(world->anchor, forked);
	copy(state_aside, world->state);
	copy(anchor_aside, world->anchor);
	world->size = 1;
	world->time++;
	world_must_open(world);
	world_must_append(world, 3);
	world_must_append(world, 3);
	world_close(world);
	copy(forked, world->anchor);
	refused_to_start(world, MM_E_ROLLBACK);
}

enum { CRASH_ENTRIES = 6 };

static struct {
	enum fault fault;
	long at;
} crash;

static void
append_and_crash(struct world *world)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	world_must_open(world);
	fault_arm(crash.fault, crash.at, EIO);
	if (world_append_many(world, CRASH_ENTRIES) == MM_OK)
		_exit(faults.struck ? 1 : 2); /* 2: beyond the last call */
	_exit(0);
}

/* Whether the fault has struck in the child. */
static bool
crash_once(struct world *world)
{
	int ended;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		append_and_crash(world);
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	assert_true(WIFEXITED(ended));
	assert_int_not_equal(WEXITSTATUS(ended), 1);
	return WEXITSTATUS(ended) == 0;
}

/* It starts, has all or nothing of the batch, and goes on. */
static void
assert_recovers(struct world *world)
{
	uint64_t size;

	world_must_open(world);
	size = status(world).size;
	assert_true(size == world->size || size == world->size + CRASH_ENTRIES);
	world->size = size;
	world_must_append(world, 3);
	for (size_t i = 0; i < 3; i++)
		assert_proven(world,
		    mm_list_at(world->answer.proofs, struct mm_inclusion, i),
		    world->answer.note);
	world_close(world);
}

static void
recovers_from_a_fault_at_each_call(void **state)
{
	static const enum fault kinds[] = {
	    FAULT_BEFORE, FAULT_AFTER, FAULT_TORN, FAULT_FAIL, FAULT_LIE};
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		crash.fault = kinds[i];
		for (crash.at = 1; crash_once(world); crash.at++)
			assert_recovers(world);
		world->size += CRASH_ENTRIES;
		assert_true(crash.at > 4);
	}
}

static void
answer_and_die(struct world *world)
{
	world_must_open(world);
	world_must_append(world, 7);
	_exit(0);
}

static void
what_was_answered_is_there_after_a_kill(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	world_in_child(world, answer_and_die);
	world_must_open(world);
	assert_int_equal(status(world).size, world->size + 7);
}

static void
die_in_the_start(struct world *world)
{
	fault_arm(crash.fault, crash.at, EIO);
	world_must_open(world);
	_exit(faults.struck ? 1 : 0);
}

/* A crash while a crash is being recovered from. */
static void
recovery_can_be_interrupted(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	world_close(world);
	world_in_child(world, answer_and_die);
	world->size += 7;
	crash.fault = FAULT_AFTER;
	for (crash.at = 1; crash.at < 8; crash.at++)
		world_in_child(world, die_in_the_start);
	world_must_open(world);
	assert_int_equal(status(world).size, world->size);
}

/* The anchor's write fails after the store's: fatal, and told by name. */
static void
a_failed_anchor_is_fatal(void **state)
{
	struct world *world = *state;
	enum mm_error error;

	world_genesis(world);
	/* The anchor's flush is the second one: the store's comes first. */
	fault_arm(FAULT_FAIL, 2, EIO);
	faults.writes = false;
	error = world_append_many(world, 1);
	fault_disarm();
	assert_int_equal(error, MM_E_STORE);
	world_close(world);
	world->size++;
	world_must_open(world);
	assert_int_equal(status(world).size, world->size);
	world_must_append(world, 1);
}

static void
a_full_disk_is_told_and_overcome(void **state)
{
	struct world *world = *state;

	world_genesis(world);
	fault_arm(FAULT_FAIL, 1, ENOSPC);
	faults.lasting = true;
	faults.flushes = false;
	assert_int_equal(world_append_many(world, 4), MM_E_DISK_FULL);
	assert_int_equal(world_append_many(world, 4), MM_E_DISK_FULL);
	assert_int_equal(status(world).size, 1);
	fault_disarm();
	world_must_append(world, 4);
	world_close(world);
	fault_arm(FAULT_FAIL, 1, ENOSPC);
	faults.lasting = true;
	faults.flushes = false;
	refused_to_start(world, MM_E_DISK_FULL);
	fault_disarm();
	world_must_open(world);
	world_must_append(world, 1);
}

static void
the_last_of_the_disk_is_for_signatures(void **state)
{
	struct world *world = *state;
	struct mm_signatures_entry signatures = sample_signatures();
	struct mm_void_entry voids = sample_voids();
	struct mm_entry frame = sample_frame(MM_ENTRY_SIGNATURES);
	struct mm_bytes_item items[2];
	mm_auto(buffer) first = {0}, second = {0};

	mm_buffer_init(&first, 65535);
	mm_buffer_init(&second, 65535);
	world_genesis(world);
	world_must_append(world, 1);
	world_close(world);
	world->options.reserve = UINT64_MAX;
	world_must_open(world);
	assert_int_equal(world_append_many(world, 1), MM_E_DISK_FULL);
	assert_int_equal(append_one(world, &frame, &signatures), MM_OK);
	sample_encode(&frame, &signatures, &first);
	world_entry(world, 1, 10, &second);
	items[0].value = mm_buffer_span(&first);
	items[1].value = mm_buffer_span(&second);
	assert_int_equal(
	    world_append(world, items, 2, NULL, 0), MM_E_DISK_FULL);
	frame.kind = MM_ENTRY_VOID;
	sample_encode(&frame, &voids, &second);
	items[1].value = mm_buffer_span(&second);
	assert_int_equal(world_append(world, items, 2, NULL, 0), MM_OK);
}

static enum mm_error
append_certificate(struct world *world, struct mm_certificate_entry body)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_CERTIFICATE);

	frame.time = world->time;
	return append_one(world, &frame, &body);
}

/* A start is stored, and a certificate that nobody asked for. */
static void
half_of_the_last_is_for_a_start(void **state)
{
	struct world *world = *state;
	struct mm_certificate_entry asked = sample_certificate(), own = asked;
	struct mm_start_entry start = {.version = mm_span_text("1")};
	struct mm_entry frame = sample_frame(MM_ENTRY_START);
	struct statvfs disk;

	own.principal = own.request = (struct mm_span){0};
	world_genesis(world);
	world_must_append(world, 1);
	world_close(world);
	assert_int_equal(statvfs(world->state, &disk), 0);
	world->options.reserve =
	    (uint64_t)disk.f_bavail * disk.f_frsize / 2 * 3;
	world_must_open(world);
	frame.time = world->time;
	assert_int_equal(append_certificate(world, asked), MM_E_DISK_FULL);
	assert_int_equal(append_one(world, &frame, &start), MM_OK);
	assert_int_equal(append_certificate(world, own), MM_OK);
	own.request = asked.request;
	assert_int_equal(append_certificate(world, own), MM_E_DISK_FULL);
	world_close(world);
	world->options.reserve *= 2;
	world_must_open(world);
	own.request = (struct mm_span){0};
	assert_int_equal(append_one(world, &frame, &start), MM_E_DISK_FULL);
	assert_int_equal(append_certificate(world, own), MM_E_DISK_FULL);
}

/* The largest answer, as it goes over the channel. */
static void
the_largest_answer_fits_into_a_message(void **state)
{
	struct world *world = *state;
	struct mm_uint_item references[MM_BATCH_REFERENCES] = {{0}};
	struct mm_buffer bytes[MM_BATCH_ENTRIES];
	struct mm_bytes_item items[MM_BATCH_ENTRIES];
	mm_auto(buffer) message = {0};

	mm_buffer_init(&message, MM_CHANNEL_MAX);
	world_genesis(world);
	for (size_t i = 0; i < MM_BATCH_ENTRIES; i++) {
		mm_buffer_init(&bytes[i], 65535);
		world_entry(world, i, 8, &bytes[i]);
		items[i].value = mm_buffer_span(&bytes[i]);
	}
	assert_int_equal(world_append(world, items, MM_BATCH_ENTRIES,
			     references, MM_BATCH_REFERENCES),
	    MM_OK);
	assert_int_equal(
	    mm_packet_encode(MM_NOTARY_APPEND, 1,
		&mm_notary_append_answer_shape, &world->answer, &message),
	    MM_OK);
	for (size_t i = 0; i < MM_BATCH_ENTRIES; i++)
		mm_buffer_clear(&bytes[i]);
}

static void
a_blob_is_stored_before_it_is_named(void **state)
{
	struct world *world = *state;
	mm_autofree uint8_t *bytes = world_blob_bytes(100000);
	struct mm_blob blob = {.size = 100000};
	struct mm_store *store = NULL;
	struct mm_store_named named;

	crypto_hash_sha256(blob.sha256, bytes, blob.size);
	world_genesis(world);
	assert_int_equal(world_append_naming(world, &blob), MM_E_BLOB);
	assert_int_equal(
	    world_put_piece(world, &blob, 0, mm_span(bytes, 65536)), MM_OK);
	assert_int_equal(world_append_naming(world, &blob), MM_E_BLOB);
	assert_int_equal(
	    world_put_piece(world, &blob, 70000, mm_span(bytes, 5)),
	    MM_E_RANGE);
	/* Nothing of this has changed the log. */
	world_must_append(world, 3);
	assert_int_equal(world_put_piece(world, &blob, 65536,
			     mm_span(bytes + 65536, 100000 - 65536)),
	    MM_OK);
	blob.size++;
	assert_int_equal(world_append_naming(world, &blob), MM_E_BLOB);
	blob.size--;
	assert_int_equal(world_append_naming(world, &blob), MM_OK);
	assert_int_equal(world->size, 5);
	assert_int_equal(mm_store_open_reader(world->state, &store), MM_OK);
	assert_int_equal(mm_store_next_blob(store, 0, &named), MM_OK);
	assert_int_equal(named.index, 4);
	assert_memory_equal(named.blob.sha256, blob.sha256, 32);
	mm_store_close(store);
}

static void
a_blob_is_what_its_name_says(void **state)
{
	struct world *world = *state;
	mm_autofree uint8_t *bytes = world_blob_bytes(70000);
	struct mm_blob blob = {.size = 70000};

	crypto_hash_sha256(blob.sha256, bytes, blob.size);
	world_genesis(world);
	bytes[69999] ^= 1;
	assert_int_equal(
	    world_put_piece(world, &blob, 0, mm_span(bytes, 65536)), MM_OK);
	assert_int_equal(world_put_piece(world, &blob, 65536,
			     mm_span(bytes + 65536, 70000 - 65536)),
	    MM_E_BLOB);
	assert_int_equal(world_append_naming(world, &blob), MM_E_BLOB);
	bytes[69999] ^= 1;
	blob = world_must_put_blob(world, 70000);
	assert_int_equal(world_append_naming(world, &blob), MM_OK);
}

/* The start forgets what was not finished; the authority sends it again. */
static void
half_a_blob_does_not_outlive_a_start(void **state)
{
	struct world *world = *state;
	mm_autofree uint8_t *bytes = world_blob_bytes(70000);
	struct mm_blob blob = {.size = 70000};

	crypto_hash_sha256(blob.sha256, bytes, blob.size);
	world_genesis(world);
	assert_int_equal(
	    world_put_piece(world, &blob, 0, mm_span(bytes, 65536)), MM_OK);
	world_close(world);
	world_must_open(world);
	assert_int_equal(world_put_piece(world, &blob, 65536,
			     mm_span(bytes + 65536, 70000 - 65536)),
	    MM_E_RANGE);
	blob = world_must_put_blob(world, 70000);
	assert_int_equal(world_append_naming(world, &blob), MM_OK);
}

static void
blobs_leave_the_last_of_the_disk_alone(void **state)
{
	struct world *world = *state;
	struct mm_blob blob = {.size = 5};

	world_genesis(world);
	world_close(world);
	world->options.reserve = UINT64_MAX;
	world_must_open(world);
	crypto_hash_sha256(blob.sha256, (const uint8_t *)"small", 5);
	assert_int_equal(
	    world_put_piece(world, &blob, 0, mm_span_text("small")),
	    MM_E_DISK_FULL);
	world_close(world);
	world->options.reserve = 0;
	world_must_open(world);
	assert_int_equal(
	    world_put_piece(world, &blob, 0, mm_span_text("small")), MM_OK);
}

/* Before genesis there is nothing to put it in. */
static void
a_blob_wants_a_log(void **state)
{
	struct world *world = *state;
	struct mm_blob blob = {.size = 5};

	world->options.genesis = true;
	world_must_open(world);
	assert_int_equal(
	    world_put_piece(world, &blob, 0, mm_span_text("small")),
	    MM_E_NOTARY_BATCH);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {T(proves_each_entry_and_reference),
	    T(goes_on_after_a_restart_with_the_same_note),
	    T(two_logs_of_the_same_entries_have_the_same_root),
	    T(refuses_entries_out_of_place), T(refuses_what_is_no_entry),
	    T(refuses_batches_over_their_limits),
	    T(genesis_must_be_of_this_log), T(genesis_wants_empty_directories),
	    T(an_empty_directory_is_no_log), T(a_second_notary_is_refused),
	    T(a_rolled_back_store_is_refused), T(a_removed_store_is_refused),
	    T(a_store_removed_while_in_use_takes_nothing),
	    T(a_truncated_store_is_refused),
	    T(a_store_without_its_wal_is_refused),
	    T(a_missing_anchor_is_refused), T(a_damaged_anchor_is_refused),
	    T(another_logs_parts_are_refused), T(the_key_must_be_ours_alone),
	    T(an_edited_store_is_refused), T(a_forked_copy_is_refused),
	    T(recovers_from_a_fault_at_each_call),
	    T(what_was_answered_is_there_after_a_kill),
	    T(recovery_can_be_interrupted), T(a_failed_anchor_is_fatal),
	    T(a_full_disk_is_told_and_overcome),
	    T(the_last_of_the_disk_is_for_signatures),
	    T(half_of_the_last_is_for_a_start),
	    T(the_largest_answer_fits_into_a_message),
	    T(a_blob_is_stored_before_it_is_named),
	    T(a_blob_is_what_its_name_says),
	    T(half_a_blob_does_not_outlive_a_start),
	    T(blobs_leave_the_last_of_the_disk_alone), T(a_blob_wants_a_log)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
