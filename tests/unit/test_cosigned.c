/* Cosigned checkpoints in the archive: taken, merged, kept over a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "archive_room.h"
#include "protocol/message.h"

enum { WITNESSES = 3, KNOWN = 2 };

/* Witness i has seed i + 1; the last one is not in the settings. */
static struct mm_witness witnesses[WITNESSES];
static uint8_t secret_keys[WITNESSES][64];
static char texts[WITNESSES][MM_VKEY_MAX];
static struct mm_text_item settings[WITNESSES];

static int
set_up_witnesses(void **state)
{
	struct room *room;
	int failed = set_up(state);

	room = *state;
	for (size_t i = 0; i < WITNESSES; i++) {
		uint8_t seed[32] = {(uint8_t)(i + 1)}, public_key[32];
		char name[32];

		snprintf(name, sizeof(name), "witness.example/%zu", i);
		crypto_sign_seed_keypair(public_key, secret_keys[i], seed);
		assert_int_equal(mm_witness_init(&witnesses[i],
				     mm_span_text(name), public_key),
		    MM_OK);
		mm_witness_text(&witnesses[i], texts[i]);
		settings[i].value = mm_span_text(texts[i]);
	}
	room->witnesses = (struct mm_list){settings, KNOWN};
	return failed;
}

/* `note` with the lines of the witnesses of these bits. */
static void
cosign_note(
    struct mm_span note, unsigned who, uint64_t time, struct mm_buffer *out)
{
	mm_auto(buffer) lines = {0};

	mm_buffer_init(&lines, MM_NOTE_MAX);
	mm_buffer_init(out, MM_NOTE_MAX);
	for (size_t i = 0; i < WITNESSES; i++)
		if ((who & 1U << i) != 0)
			assert_int_equal(mm_cosign(note, &witnesses[i],
					     secret_keys[i], time, &lines),
			    MM_OK);
	assert_int_equal(
	    mm_note_add_lines(note, mm_buffer_span(&lines), out), MM_OK);
}

static enum mm_error
bring(struct room *room, struct mm_span note, struct mm_cosign_answer *out)
{
	struct mm_cosign_request request = {note};

	*out = (struct mm_cosign_answer){.size = 4711};
	return call(room, MM_ARCHIVE_COSIGN, &request, out);
}

/* The newest checkpoint comes back, cosigned by those. */
static void
must_bring(struct room *room, unsigned who, uint64_t size, uint64_t count)
{
	struct mm_cosign_answer answer;
	mm_auto(buffer) note = {0};
	enum mm_error error;

	cosign_note(mm_buffer_span(&room->note), who, SAMPLE_TIME, &note);
	error = bring(room, mm_buffer_span(&note), &answer);
	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
	assert_int_equal(answer.size, size);
	assert_int_equal(answer.witnesses, count);
}

static const char *
cosigned_path(const struct room *room)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/cosigned", room->world.tiles);
	return path;
}

/* The file's cosigners among all witnesses there are, as bits. */
static unsigned
cosigners_in_file(const struct room *room, uint64_t *size)
{
	struct mm_vkey vkey = vkey_of(room);
	struct mm_cosignatures found;
	struct mm_checkpoint checkpoint;
	mm_auto(buffer) note = {0};
	unsigned who = 0;

	mm_buffer_init(&note, MM_NOTE_MAX);
	*size = 0;
	if (access(cosigned_path(room), F_OK) < 0)
		return 0;
	assert_int_equal(
	    mm_file_read(cosigned_path(room), MM_NOTE_MAX, &note), MM_OK);
	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&note), &vkey, &checkpoint),
	    MM_OK);
	assert_int_equal(mm_cosignatures_open(mm_buffer_span(&note), witnesses,
			     WITNESSES, &found),
	    MM_OK);
	for (size_t i = 0; i < found.count; i++)
		who |= 1U << found.items[i].witness;
	*size = checkpoint.size;
	return who;
}

static void
assert_file(const struct room *room, unsigned who, uint64_t size)
{
	uint64_t found;

	assert_int_equal(cosigners_in_file(room, &found), who);
	assert_int_equal(found, size);
}

static void
begin_with(struct room *room, size_t count)
{
	begin(room);
	grow(room, count - 1);
	assert_int_equal(publish(room), MM_OK);
}

static void
cosignatures_are_collected(void **state)
{
	struct room *room = *state;

	begin_with(room, 10);
	must_bring(room, 1, 10, 1);
	assert_file(room, 1, 10);
	must_bring(room, 2, 10, 2);
	assert_file(room, 3, 10);
	must_bring(room, 1, 10, 2);
	assert_file(room, 3, 10);
	/* The directory shows the checkpoint that it is of. */
	assert_true(published_size(room) >= 10);
	/* A newer one begins anew. */
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	must_bring(room, 2, 15, 1);
	assert_file(room, 2, 15);
	idle(room);
	assert_tiles_sound(room);
}

static void
strangers_lines_are_not_kept(void **state)
{
	struct room *room = *state;
	struct mm_cosign_answer answer;
	mm_auto(buffer) note = {0}, more = {0};

	begin_with(room, 10);
	cosign_note(mm_buffer_span(&room->note), 7, SAMPLE_TIME, &note);
	mm_buffer_init(&more, MM_NOTE_MAX);
	assert_int_equal(
	    mm_note_add_lines(mm_buffer_span(&note),
		mm_span_text("\xe2\x80\x94 grease AAAAAAAA\n"), &more),
	    MM_OK);
	assert_int_equal(bring(room, mm_buffer_span(&more), &answer), MM_OK);
	assert_int_equal(answer.witnesses, 2);
	assert_file(room, 3, 10);
	world_shell("test $(wc -l < @/cosigned) = 7", room->world.tiles, NULL);
}

static void
an_older_checkpoint_changes_nothing(void **state)
{
	struct room *room = *state;
	struct mm_cosign_answer answer;
	mm_auto(buffer) older = {0};

	begin_with(room, 10);
	cosign_note(mm_buffer_span(&room->note), 3, SAMPLE_TIME, &older);
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	must_bring(room, 1, 15, 1);
	assert_int_equal(bring(room, mm_buffer_span(&older), &answer), MM_OK);
	assert_int_equal(answer.size, 15);
	assert_int_equal(answer.witnesses, 1);
	assert_file(room, 1, 15);
}

/* Where nothing is held, an older one than the newest published is good. */
static void
witnesses_may_be_late(void **state)
{
	struct room *room = *state;
	struct mm_cosign_answer answer;
	mm_auto(buffer) older = {0};

	begin_with(room, 10);
	cosign_note(mm_buffer_span(&room->note), 3, SAMPLE_TIME, &older);
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	assert_int_equal(bring(room, mm_buffer_span(&older), &answer), MM_OK);
	assert_int_equal(answer.size, 10);
	assert_file(room, 3, 10);
}

static void
log_keys(const struct room *room, struct mm_vkey *vkey, uint8_t secret_key[64])
{
	uint8_t public_key[32];
	char path[128];
	mm_auto(buffer) seed = {0};

	mm_buffer_init(&seed, 32);
	snprintf(path, sizeof(path), "%s/log.key", room->world.key);
	assert_int_equal(mm_file_read(path, 32, &seed), MM_OK);
	crypto_sign_seed_keypair(public_key, secret_key, seed.data);
	*vkey = vkey_of(room);
}

/* A checkpoint that the log's key has signed, cosigned by both. */
static void
signed_by_log(const struct room *room, uint64_t size, struct mm_hash root,
    struct mm_buffer *out)
{
	struct mm_checkpoint checkpoint = {.size = size, .root = root};
	struct mm_vkey vkey;
	uint8_t secret_key[64];
	mm_auto(buffer) note = {0};

	log_keys(room, &vkey, secret_key);
	memcpy(checkpoint.origin, vkey.name, sizeof(checkpoint.origin));
	mm_buffer_init(&note, MM_NOTE_MAX);
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &vkey, secret_key, &note), MM_OK);
	cosign_note(mm_buffer_span(&note), 3, SAMPLE_TIME, out);
}

static enum mm_error
bring_signed(struct room *room, uint64_t size, struct mm_hash root)
{
	struct mm_cosign_answer answer;
	mm_auto(buffer) note = {0};

	signed_by_log(room, size, root, &note);
	return bring(room, mm_buffer_span(&note), &answer);
}

static void
what_this_log_is_not_is_refused(void **state)
{
	struct room *room = *state;
	const struct mm_frontier nothing = {.size = 0};
	struct mm_hash other = {{1}};
	struct mm_cosign_answer answer;
	struct mm_checkpoint now;
	struct mm_vkey vkey, stranger;
	uint8_t secret_key[64];
	mm_auto(buffer) note = {0}, foreign = {0};

	begin_with(room, 10);
	vkey = vkey_of(room);
	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&room->note), &vkey, &now),
	    MM_OK);
	assert_int_equal(bring_signed(room, 10, other), MM_E_FORK);
	assert_int_equal(bring_signed(room, 7, other), MM_E_FORK);
	assert_int_equal(bring_signed(room, 11, now.root), MM_E_NOT_FOUND);
	assert_int_equal(
	    bring_signed(room, 0, mm_frontier_root(&nothing)), MM_E_NOT_FOUND);
	assert_int_equal(
	    bring(room, mm_span_text("nonsense"), &answer), MM_E_NOTE);
	/* Another log's, whatever its name. */
	sample_keys(&stranger, secret_key);
	mm_buffer_init(&note, MM_NOTE_MAX);
	assert_int_equal(
	    mm_checkpoint_sign(&now, &stranger, secret_key, &note), MM_OK);
	cosign_note(mm_buffer_span(&note), 3, SAMPLE_TIME, &foreign);
	assert_int_equal(
	    bring(room, mm_buffer_span(&foreign), &answer), MM_E_NOTE_KEY);
	assert_file(room, 0, 0);
	assert_int_equal(bring_signed(room, 10, now.root), MM_OK);
	assert_file(room, 3, 10);
}

static void
wrong_lines_refuse_the_note(void **state)
{
	struct room *room = *state;
	struct mm_cosign_answer answer;
	mm_auto(buffer) note = {0}, unknown = {0};

	begin_with(room, 10);
	cosign_note(mm_buffer_span(&room->note), 3, SAMPLE_TIME, &note);
	note.data[note.size - 20] ^= 1;
	assert_int_not_equal(
	    bring(room, mm_buffer_span(&note), &answer), MM_OK);
	/* By nobody who counts. */
	assert_int_equal(bring(room, mm_buffer_span(&room->note), &answer),
	    MM_E_COSIGNATURE);
	cosign_note(mm_buffer_span(&room->note), 4, SAMPLE_TIME, &unknown);
	assert_int_equal(
	    bring(room, mm_buffer_span(&unknown), &answer), MM_E_COSIGNATURE);
	assert_file(room, 0, 0);
}

static enum mm_error
cosigned_receipt(
    struct room *room, uint64_t index, struct mm_archive_receipt_answer *out)
{
	struct mm_archive_receipt_request request = {
	    .index = index, .against = MM_AGAINST_COSIGNED};

	*out = (struct mm_archive_receipt_answer){.entry = {NULL, 0}};
	return call(room, MM_ARCHIVE_RECEIPT, &request, out);
}

static void
assert_cosigned_receipt(struct room *room, uint64_t index, uint64_t size)
{
	struct mm_archive_receipt_answer answer;
	struct mm_receipt found = {.index = index};
	struct mm_vkey vkey = vkey_of(room);
	struct mm_checkpoint checkpoint;
	struct mm_cosignatures cosigned;

	assert_int_equal(cosigned_receipt(room, index, &answer), MM_OK);
	found.note = answer.note;
	assert_int_equal(
	    mm_proof_from_list(&answer.proof, &found.proof), MM_OK);
	assert_int_equal(
	    mm_receipt_verify(&found, &vkey, answer.entry, &checkpoint), MM_OK);
	assert_int_equal(checkpoint.size, size);
	assert_int_equal(
	    mm_cosignatures_open(answer.note, witnesses, KNOWN, &cosigned),
	    MM_OK);
	assert_int_equal(cosigned.count, 2);
}

static void
receipts_are_given_against_it(void **state)
{
	struct room *room = *state;
	struct mm_archive_receipt_answer answer;

	begin_with(room, 10);
	assert_int_equal(cosigned_receipt(room, 5, &answer), MM_E_NOT_FOUND);
	must_bring(room, 3, 10, 2);
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	assert_cosigned_receipt(room, 0, 10);
	assert_cosigned_receipt(room, 9, 10);
	assert_int_equal(cosigned_receipt(room, 10, &answer), MM_E_NOT_FOUND);
	must_bring(room, 3, 15, 2);
	assert_cosigned_receipt(room, 9, 15);
	assert_cosigned_receipt(room, 14, 15);
}

static void
it_survives_a_restart(void **state)
{
	struct room *room = *state;

	begin_with(room, 10);
	must_bring(room, 1, 10, 1);
	reopen(room);
	assert_int_equal(publish(room), MM_OK);
	must_bring(room, 2, 10, 2);
	reopen(room);
	assert_cosigned_receipt(room, 9, 10);
	/* One who is no witness any more does not count, and his line goes. */
	room->witnesses.count = 1;
	reopen(room);
	assert_int_equal(publish(room), MM_OK);
	must_bring(room, 1, 10, 1);
	assert_file(room, 1, 10);
	/* Without witnesses it is nobody's; it stays until one comes. */
	room->witnesses.count = 0;
	reopen(room);
	assert_int_equal(
	    cosigned_receipt(room, 5,
		&(struct mm_archive_receipt_answer){.entry = {NULL, 0}}),
	    MM_E_NOT_FOUND);
	assert_file(room, 1, 10);
}

static void
a_damaged_file_is_removed(void **state)
{
	static const char *const harm[] = {"echo x > @/cosigned",
	    "truncate -s -5 @/cosigned", ": > @/cosigned",
	    /* In the last witness's signature: another digit of base64. */
	    ("at=$(($(stat -c %s @/cosigned) - 20)); "
	     "dd if=@/cosigned bs=1 skip=$at count=1 status=none | "
	     "tr A-Za-z0-9+/ B-ZAb-za1-90/+ | "
	     "dd of=@/cosigned bs=1 seek=$at conv=notrunc status=none"),
	    "head -c 70000 /dev/zero > @/cosigned"};
	struct room *room = *state;

	begin_with(room, 10);
	for (size_t i = 0; i < MM_COUNT(harm); i++) {
		must_bring(room, 3, 10, 2);
		world_shell(harm[i], room->world.tiles, "%");
		reopen(room);
		assert_int_equal(access(cosigned_path(room), F_OK), -1);
		assert_int_equal(publish(room), MM_OK);
	}
	must_bring(room, 3, 10, 2);
}

/* The log's key has signed what the store is not: evidence, never removed. */
static void
a_file_that_shows_a_rollback_stops_the_archive(void **state)
{
	static const struct {
		uint64_t size;
		uint8_t root;
	} rows[] = {{11, 0}, {10, 1}};
	struct room *room = *state;
	struct mm_checkpoint now;
	struct mm_vkey vkey;

	begin_with(room, 10);
	vkey = vkey_of(room);
	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&room->note), &vkey, &now),
	    MM_OK);
	mm_archive_close(mm_take(room->archive));
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		mm_auto(buffer) note = {0};

		now.root.bytes[0] ^= rows[i].root;
		signed_by_log(room, rows[i].size, now.root, &note);
		assert_int_equal(mm_file_write(cosigned_path(room),
				     mm_buffer_span(&note), 0644, true),
		    MM_OK);
		assert_int_equal(open_archive(room), MM_E_ROLLBACK);
		assert_int_equal(access(cosigned_path(room), F_OK), 0);
	}
}

static void
witnesses_in_the_settings_must_be_such(void **state)
{
	struct room *room = *state;
	struct mm_vkey vkey;
	struct mm_witness self;
	char text[MM_VKEY_MAX];

	world_genesis(&room->world);
	keep_note(room);
	vkey = vkey_of(room);
	settings[1].value = mm_span_text("nonsense");
	assert_int_equal(open_archive(room), MM_E_VKEY);
	/* A log's key, and a witness of the log's own key. */
	mm_vkey_text(&vkey, text);
	settings[1].value = mm_span_text(text);
	assert_int_equal(open_archive(room), MM_E_VKEY);
	assert_int_equal(
	    mm_witness_init(&self, mm_span_text("myself"), vkey.public_key),
	    MM_OK);
	mm_witness_text(&self, text);
	settings[1].value = mm_span_text(text);
	assert_int_equal(open_archive(room), MM_E_VKEY);
}

/* What was held is held until the new one is on the disk. */
static void
a_full_disk_keeps_what_was_held(void **state)
{
	struct room *room = *state;
	struct mm_cosign_answer answer;
	mm_auto(buffer) note = {0};

	begin_with(room, 10);
	must_bring(room, 1, 10, 1);
	grow(room, 5);
	assert_int_equal(publish(room), MM_OK);
	idle(room);
	cosign_note(mm_buffer_span(&room->note), 3, SAMPLE_TIME, &note);
	fault_arm(FAULT_FAIL, 1, ENOSPC);
	assert_int_equal(
	    bring(room, mm_buffer_span(&note), &answer), MM_E_DISK_FULL);
	fault_disarm();
	assert_file(room, 1, 10);
	assert_int_equal(bring(room, mm_buffer_span(&note), &answer), MM_OK);
	assert_file(room, 3, 15);
}

int
main(void)
{
#define T(name) \
	cmocka_unit_test_setup_teardown(name, set_up_witnesses, tear_down)
	const struct CMUnitTest tests[] = {T(cosignatures_are_collected),
	    T(strangers_lines_are_not_kept),
	    T(an_older_checkpoint_changes_nothing), T(witnesses_may_be_late),
	    T(what_this_log_is_not_is_refused), T(wrong_lines_refuse_the_note),
	    T(receipts_are_given_against_it), T(it_survives_a_restart),
	    T(a_damaged_file_is_removed),
	    T(a_file_that_shows_a_rollback_stops_the_archive),
	    T(witnesses_in_the_settings_must_be_such),
	    T(a_full_disk_keeps_what_was_held)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
