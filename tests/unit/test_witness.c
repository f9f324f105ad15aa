/*
 * A witness cosigns one history: whoever asks, whatever is asked, and whenever
 * the disk or the power fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit/witness.h"
#include "tests/unit/log_faults.h"
#include "tests/unit/tlog_vectors.h"

enum { NOW = 1700000000, FAULTS_MAX = 60 };

static struct {
	char root[64], directory[80];
	char hex[65]; /* the log's directory in it */
	struct mm_vkey log;
	uint8_t log_secret[64];
	struct mm_cosigner *cosigner;
} world;

/* --- histories of one log: from entry `evil` on they are forged --- */

struct history {
	uint64_t evil;
};
static struct history good = {UINT64_MAX}, forged = {2};

static enum mm_error
node(void *self, unsigned level, uint64_t n, struct mm_hash *out)
{
	struct history *history = self;
	struct mm_hash left, right;
	char bytes[32];

	if (level == 0) {
		*out = mm_leaf_hash(n < history->evil ? vector_entry(n, bytes)
						      : mm_span_text("evil"));
		return MM_OK;
	}
	assert_int_equal(node(self, level - 1, 2 * n, &left), MM_OK);
	assert_int_equal(node(self, level - 1, 2 * n + 1, &right), MM_OK);
	*out = mm_node_hash(&left, &right);
	return MM_OK;
}

static void
write_note(struct history *history, uint64_t size, struct mm_buffer *out)
{
	struct mm_checkpoint checkpoint = {.size = size};
	struct mm_tree tree = {node, history};

	mm_buffer_init(out, MM_NOTE_MAX);
	memcpy(checkpoint.origin, world.log.name, sizeof(checkpoint.origin));
	assert_int_equal(mm_tree_root(&tree, size, &checkpoint.root), MM_OK);
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &world.log, world.log_secret, out),
	    MM_OK);
}

static void
write_request(struct history *history, uint64_t older, uint64_t size,
    struct mm_buffer *out)
{
	struct mm_tree tree = {node, history};
	struct mm_proof proof = {.count = 0};
	mm_auto(buffer) note = {0};

	write_note(history, size, &note);
	mm_buffer_init(out, MM_COSIGN_REQUEST_MAX);
	if (older > 0 && older < size)
		assert_int_equal(
		    mm_tree_prove_consistency(&tree, older, size, &proof),
		    MM_OK);
	assert_int_equal(
	    mm_cosign_request_write(older, &proof, mm_buffer_span(&note), out),
	    MM_OK);
}

/* --- a witness in a directory of its own --- */

static const char *
path_of(const char *name)
{
	static char path[384];

	snprintf(path, sizeof(path), "%s/%s", world.directory, name);
	return path;
}

/* In the log's own directory. */
static const char *
log_path(const char *name)
{
	char inner[256];

	snprintf(inner, sizeof(inner), "%s/%s", world.hex, name);
	return path_of(inner);
}

static void
file_put(const char *path, struct mm_span bytes, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
file_get(const char *path, struct mm_buffer *out)
{
	*out = (struct mm_buffer){0};
	if (mm_file_read(path, 1 << 20, out) != MM_OK)
		fail_msg("%s", mm_why(MM_E_FILE));
}

static void
shell(const char *command, const char *what)
{
	char line[512];

	snprintf(line, sizeof(line), "%s '%s'", command, what);
	assert_int_equal(system(line), 0);
}

static void
close_witness(void)
{
	mm_cosigner_close(mm_take(world.cosigner));
}

static void
reopen(void)
{
	close_witness();
	if (mm_cosigner_open(world.directory, &world.cosigner) != MM_OK)
		fail_msg("%s", mm_why(MM_E_STATE));
}

/* The first witness of the vectors, following their log. */
static void
make_witness(void)
{
	json_t *file = vectors(VECTORS "cosignature.json");
	json_t *one = json_array_get(member(file, "witnesses"), 0);
	struct mm_span seed = unhex(text_of(one, "seed_hex"));
	struct mm_vkey vkey;

	shell("rm -rf", world.directory);
	assert_int_equal(mkdir(world.directory, 0700), 0);
	file_put(path_of("key"), seed, 0600);
	file_put(path_of("vkey"), mm_span_text(text_of(one, "vkey")), 0644);
	file_put(path_of("logs"), mm_span_text(""), 0600);
	assert_int_equal(
	    mm_vkey_decode(mm_span_text(text_of(file, "log_vkey")), &vkey),
	    MM_OK);
	span_free(seed);
	json_decref(file);
	reopen();
	assert_int_equal(mm_cosigner_follow(world.cosigner, &vkey), MM_OK);
}

static int
set_up(void **state)
{
	json_t *file = vectors(VECTORS "checkpoint.json");
	json_t *key = member(file, "log_key");
	struct mm_span seed = unhex(text_of(key, "seed_hex"));
	const char *base = getenv("TMPDIR");
	uint8_t public_key[32], digest[32];

	(void)state;
	snprintf(world.root, sizeof(world.root), "%s/mm-witness-XXXXXX",
	    base != NULL && strlen(base) < 40 ? base : "/tmp");
	assert_non_null(mkdtemp(world.root));
	snprintf(world.directory, sizeof(world.directory), "%s/w", world.root);
	crypto_sign_seed_keypair(public_key, world.log_secret, seed.data);
	assert_int_equal(mm_vkey_init(&world.log,
			     mm_span_text(text_of(file, "origin")), public_key),
	    MM_OK);
	crypto_hash_sha256(
	    digest, (const uint8_t *)world.log.name, strlen(world.log.name));
	sodium_bin2hex(world.hex, sizeof(world.hex), digest, sizeof(digest));
	span_free(seed);
	json_decref(file);
	faults.lazy = true;
	make_witness();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fault_disarm();
	close_witness();
	shell("rm -rf", world.root);
	return 0;
}

static enum mm_witness_status
ask(struct mm_span request, uint64_t now, struct mm_buffer *answer)
{
	mm_buffer_init(answer, 65536);
	return mm_cosigner_add(world.cosigner, request, now, answer);
}

/* What it says to a request for a history, and that its body is `wanted`
 * where that is not NULL. */
static void
expect(struct history *history, uint64_t older, uint64_t size, uint64_t now,
    enum mm_witness_status status, const char *wanted)
{
	mm_auto(buffer) request = {0};
	mm_auto(buffer) answer = {0};
	enum mm_witness_status given;

	write_request(history, older, size, &request);
	given = ask(mm_buffer_span(&request), now, &answer);
	if (given != status)
		fail_msg("%" PRIu64 " to %" PRIu64 ": %d, not %d: %.*s", older,
		    size, (int)given, (int)status,
		    MM_SPAN(mm_buffer_span(&answer)));
	assert_true(answer.size > 0);
	assert_int_equal(answer.data[answer.size - 1], '\n');
	if (wanted != NULL)
		assert_true(mm_span_is(mm_buffer_span(&answer), wanted));
}

static void
grow(uint64_t older, uint64_t size)
{
	expect(&good, older, size, NOW, MM_WITNESS_OK, NULL);
}

static uint64_t
known_size(void)
{
	return mm_cosigner_log(world.cosigner, 0)->newest.size;
}

/* --- the vectors --- */

static void
the_vectors_answers_byte_for_byte(void **state)
{
	json_t *file = vectors(VECTORS "cosignature.json");
	json_t *add = member(file, "witness_add_checkpoint");
	const char *request = text_of(add, "request_body");
	const char *both = text_of(add, "response_200_body");
	mm_auto(buffer) answer = {0};
	mm_auto(buffer) written = {0};

	(void)state;
	write_request(&good, 3, 8, &written);
	assert_true(mm_span_is(mm_buffer_span(&written), request));
	grow(0, 3);
	assert_int_equal(
	    ask(mm_span_text(request), NOW, &answer), MM_WITNESS_OK);
	/* The vector has the lines of two witnesses. */
	assert_true(answer.size > 100);
	assert_int_equal(strncmp(both, (char *)answer.data, answer.size), 0);
	assert_int_equal(answer.size, (size_t)(strchr(both, '\n') - both) + 1);
	json_decref(file);
}

static void
the_vectors_conflict(void **state)
{
	json_t *file = vectors(VECTORS "cosignature.json");
	json_t *add = member(file, "witness_add_checkpoint");
	mm_auto(buffer) answer = {0};

	(void)state;
	grow(0, 5);
	assert_int_equal(
	    ask(mm_span_text(text_of(add, "request_body")), NOW, &answer),
	    MM_WITNESS_CONFLICT);
	assert_true(mm_span_is(mm_buffer_span(&answer),
	    text_of(add, "response_409_body_if_witness_is_at_5")));
	json_decref(file);
}

static void
the_vectors_of_misbehaviour(void **state)
{
	json_t *file = vectors(VECTORS "misbehaviour.json");
	json_t *one;
	size_t i;

	(void)state;
	json_array_foreach(member(file, "cases"), i, one)
	{
		struct mm_proof proof = proof_of(one, "proof");
		bool good_one =
		    strcmp(text_of(one, "expect"), "consistent") == 0;
		mm_auto(buffer) request = {0};
		mm_auto(buffer) answer = {0};
		mm_auto(buffer) first = {0};
		enum mm_witness_status status;
		uint64_t older;

		make_witness();
		mm_buffer_init(&first, MM_COSIGN_REQUEST_MAX);
		mm_buffer_init(&request, MM_COSIGN_REQUEST_MAX);
		assert_int_equal(
		    mm_cosign_request_write(0, &(struct mm_proof){.count = 0},
			mm_span_text(text_of(file, text_of(one, "older"))),
			&first),
		    MM_OK);
		assert_int_equal(
		    ask(mm_buffer_span(&first), NOW, &answer), MM_WITNESS_OK);
		mm_buffer_clear(&answer);
		older = known_size();
		assert_int_equal(
		    mm_cosign_request_write(older, &proof,
			mm_span_text(text_of(file, text_of(one, "newer"))),
			&request),
		    MM_OK);
		status = ask(mm_buffer_span(&request), NOW, &answer);
		if (good_one != (status == MM_WITNESS_OK))
			fail_msg("%s: %d", text_of(one, "name"), (int)status);
		if (!good_one)
			assert_int_equal(known_size(), older);
	}
	json_decref(file);
}

/* --- every status --- */

static void
a_log_grows(void **state)
{
	(void)state;
	grow(0, 0);
	grow(0, 1);
	for (uint64_t step = 0, size = 1; size < 140; step = (step + 1) % 6) {
		grow(size, size + step);
		size += step;
		assert_int_equal(known_size(), size);
	}
}

static void
the_sizes_that_conflict(void **state)
{
	(void)state;
	grow(0, 20);
	expect(&good, 19, 30, NOW, MM_WITNESS_CONFLICT, "20\n");
	expect(&good, 21, 30, NOW, MM_WITNESS_CONFLICT, "20\n");
	expect(&good, 0, 30, NOW, MM_WITNESS_CONFLICT, "20\n");
	expect(&good, 0, 0, NOW, MM_WITNESS_CONFLICT, "20\n");
	/* A smaller tree than ours is never cosigned. */
	expect(&good, 10, 19, NOW, MM_WITNESS_CONFLICT, "20\n");
	expect(&good, 20, 19, NOW, MM_WITNESS_MALFORMED, NULL);
	expect(&good, 31, 30, NOW, MM_WITNESS_MALFORMED, NULL);
	assert_int_equal(known_size(), 20);
}

/* The request with its first `what` replaced. */
static void
expect_changed(
    const char *what, const char *with, enum mm_witness_status status)
{
	mm_auto(buffer) request = {0};
	mm_auto(buffer) changed = {0};
	mm_auto(buffer) answer = {0};
	const char *text, *at;

	write_request(&good, 3, 8, &request);
	mm_buffer_add(&request, "", 1);
	text = (const char *)request.data;
	at = strstr(text, what);
	assert_non_null(at);
	mm_buffer_init(&changed, 1 << 20);
	mm_buffer_printf(&changed, "%.*s%s%s", (int)(at - text), text, with,
	    at + strlen(what));
	assert_int_equal(ask(mm_buffer_span(&changed), NOW, &answer), status);
	assert_int_equal(known_size(), 3);
}

#define HASH64 "V8efTzGuApxdS9MLBzwnyU35NDiytGl+Hh7vW8A5SkE="

static void
requests_that_are_none(void **state)
{
	static const struct {
		const char *what, *with;
		enum mm_witness_status status;
	} cases[] = {
	    {"old 3", "old 03", MM_WITNESS_MALFORMED},
	    {"old 3", "old  3", MM_WITNESS_MALFORMED},
	    {"old 3", "old +3", MM_WITNESS_MALFORMED},
	    {"old 3", "old ", MM_WITNESS_MALFORMED},
	    {"old 3", "Old 3", MM_WITNESS_MALFORMED},
	    {"old 3\n", "", MM_WITNESS_MALFORMED},
	    {"old 3\n", "old 3\r\n", MM_WITNESS_MALFORMED},
	    {"old 3", "old 9223372036854775808", MM_WITNESS_MALFORMED},
	    {"old 3", "old 9", MM_WITNESS_MALFORMED},
	    {"old 3", "old 4", MM_WITNESS_CONFLICT},
	    {HASH64, "V8efTzGuApxdS9MLBzwnyU35NDiytGl+Hh7vW8A5SkF=",
		MM_WITNESS_MALFORMED},
	    {HASH64, HASH64 "=", MM_WITNESS_MALFORMED},
	    {HASH64, "V8ef", MM_WITNESS_MALFORMED},
	    {HASH64, " " HASH64, MM_WITNESS_MALFORMED},
	    {HASH64 "\n", "", MM_WITNESS_WRONG},
	    {HASH64, HASH64 "\n" HASH64, MM_WITNESS_WRONG},
	    {"\n\n", "\n" HASH64 "\n\n", MM_WITNESS_WRONG},
	    {"\n\n", "\n", MM_WITNESS_MALFORMED},
	    /* The checkpoint then begins with an empty line. */
	    {"\n\n", "\n\n\n", MM_WITNESS_NO_LOG},
	    {"log.example.com", "log.example.net", MM_WITNESS_NO_LOG},
	    {"test\n8\n", "test\n9\n", MM_WITNESS_NO_KEY},
	    {"\xe2\x80\x94 log", "\xe2\x80\x94 lag", MM_WITNESS_NO_KEY},
	    {"73aipX", "83aipX", MM_WITNESS_NO_KEY},
	    {"73aipXi", "73aipXj", MM_WITNESS_NO_KEY},
	    {"\xe2\x80\x94 log", "- log", MM_WITNESS_MALFORMED},
	    {"\n\n\xe2\x80\x94", "\n\xe2\x80\x94", MM_WITNESS_MALFORMED},
	};

	(void)state;
	grow(0, 3);
	for (size_t i = 0; i < MM_COUNT(cases); i++)
		expect_changed(cases[i].what, cases[i].with, cases[i].status);
}

static void
proofs_at_their_limit(void **state)
{
	mm_auto(buffer) note = {0};

	(void)state;
	grow(0, 3);
	write_note(&good, 8, &note);
	for (size_t count = 62; count <= 65; count++) {
		mm_auto(buffer) request = {0};
		mm_auto(buffer) answer = {0};

		mm_buffer_init(&request, MM_COSIGN_REQUEST_MAX);
		mm_buffer_add_text(&request, "old 3\n");
		for (size_t i = 0; i < count; i++)
			mm_buffer_add_text(&request, HASH64 "\n");
		mm_buffer_printf(
		    &request, "\n%.*s", MM_SPAN(mm_buffer_span(&note)));
		assert_int_equal(ask(mm_buffer_span(&request), NOW, &answer),
		    count <= MM_PROOF_MAX ? MM_WITNESS_WRONG
					  : MM_WITNESS_MALFORMED);
	}
}

static void
truncated_and_flipped_requests(void **state)
{
	mm_auto(buffer) request = {0};
	uint8_t *bytes;
	size_t size;

	(void)state;
	grow(0, 3);
	write_request(&good, 3, 8, &request);
	bytes = request.data;
	size = request.size;
	for (size_t length = 0; length < size; length++) {
		mm_auto(buffer) answer = {0};

		assert_int_not_equal(
		    ask(mm_span(bytes, length), NOW, &answer), MM_WITNESS_OK);
	}
	for (size_t bit = 0; bit < 8 * size; bit++) {
		mm_auto(buffer) answer = {0};

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(
		    ask(mm_span(bytes, size), NOW, &answer), MM_WITNESS_OK);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(known_size(), 3);
	grow(3, 8);
}

static void
a_request_that_is_too_long(void **state)
{
	mm_auto(buffer) request = {0};
	mm_auto(buffer) answer = {0};

	(void)state;
	write_request(&good, 0, 3, &request);
	request.max = 2 * MM_COSIGN_REQUEST_MAX;
	assert_non_null(
	    mm_buffer_grow(&request, MM_COSIGN_REQUEST_MAX + 1 - request.size));
	assert_int_equal(
	    ask(mm_buffer_span(&request), NOW, &answer), MM_WITNESS_MALFORMED);
	assert_true(
	    mm_span_is(mm_buffer_span(&answer), "the request is too long\n"));
}

/* --- forks --- */

static size_t
count_evidence(void)
{
	mm_auto(buffer) list = {0};
	char command[640];
	size_t count = 0;

	snprintf(command, sizeof(command),
	    "ls '%s' 2>/dev/null > '%s/list'; true", log_path("evidence"),
	    world.root);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/list", world.root);
	file_get(command, &list);
	for (size_t i = 0; i < list.size; i++)
		count += list.data[i] == '\n';
	return count;
}

/* Both notes are there, and prove the case by themselves. */
static void
assert_evidence(struct history *history, uint64_t older, uint64_t size)
{
	mm_auto(buffer) theirs = {0};
	mm_auto(buffer) kept = {0};
	mm_auto(buffer) ours = {0};
	mm_auto(buffer) newest = {0};
	mm_auto(buffer) note = {0};
	char hex[65], name[128];
	uint8_t digest[32];
	struct mm_span lines;

	write_note(history, size, &note);
	assert_int_equal(mm_note_lines(mm_buffer_span(&note), &lines), MM_OK);
	crypto_hash_sha256(
	    digest, note.data, (size_t)(lines.data - note.data) - 1);
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	snprintf(name, sizeof(name), "evidence/%s.request", hex);
	file_get(log_path(name), &kept);
	write_request(history, older, size, &theirs);
	assert_true(
	    mm_span_equal(mm_buffer_span(&kept), mm_buffer_span(&theirs)));
	snprintf(name, sizeof(name), "evidence/%s.cosigned", hex);
	file_get(log_path(name), &ours);
	file_get(log_path("checkpoint"), &newest);
	assert_true(
	    mm_span_equal(mm_buffer_span(&ours), mm_buffer_span(&newest)));
}

static void
a_fork_is_refused_and_kept(void **state)
{
	mm_auto(buffer) before = {0};
	mm_auto(buffer) after = {0};

	(void)state;
	grow(0, 7);
	file_get(log_path("checkpoint"), &before);
	expect(&forged, 7, 12, NOW, MM_WITNESS_WRONG, NULL);
	file_get(log_path("checkpoint"), &after);
	assert_true(
	    mm_span_equal(mm_buffer_span(&before), mm_buffer_span(&after)));
	assert_evidence(&forged, 7, 12);
	assert_int_equal(count_evidence(), 2);
	/* What was kept stays, when more is known of the log. */
	grow(7, 9);
	expect(&forged, 9, 12, NOW, MM_WITNESS_WRONG, NULL);
	assert_int_equal(count_evidence(), 2);
	expect(&forged, 9, 13, NOW, MM_WITNESS_WRONG, NULL);
	assert_int_equal(count_evidence(), 4);
	assert_evidence(&forged, 9, 13);
}

static void
two_roots_of_one_size(void **state)
{
	(void)state;
	grow(0, 7);
	expect(&forged, 7, 7, NOW, MM_WITNESS_WRONG, NULL);
	assert_evidence(&forged, 7, 7);
	assert_int_equal(known_size(), 7);
}

/* Without the right old size it is a conflict, and a proof all the same. */
static void
two_roots_and_a_conflict(void **state)
{
	(void)state;
	grow(0, 7);
	expect(&forged, 0, 7, NOW, MM_WITNESS_CONFLICT, "7\n");
	assert_evidence(&forged, 0, 7);
}

/* A wrong proof is anybody's to send: it does not fill the disk. A certain
 * fork is still kept. */
static void
evidence_has_a_limit(void **state)
{
	char command[PATH_MAX + 64];

	(void)state;
	grow(0, 7);
	assert_int_equal(mkdir(log_path("evidence"), 0700), 0);
	snprintf(command, sizeof(command), "cd '%s' && touch $(seq 600)",
	    log_path("evidence"));
	assert_int_equal(system(command), 0);
	expect(&forged, 7, 12, NOW, MM_WITNESS_WRONG, NULL);
	assert_int_equal(count_evidence(), 600);
	expect(&forged, 7, 7, NOW, MM_WITNESS_WRONG, NULL);
	assert_int_equal(count_evidence(), 602);
}

/* --- the clock --- */

static void
the_clock_never_goes_back(void **state)
{
	(void)state;
	expect(&good, 0, 3, NOW, MM_WITNESS_OK, NULL);
	expect(&good, 3, 8, NOW - 1, MM_WITNESS_FAILED, NULL);
	expect(&good, 3, 8, 0, MM_WITNESS_FAILED, NULL);
	expect(&good, 3, 8, (uint64_t)INT64_MAX + 1, MM_WITNESS_FAILED, NULL);
	assert_int_equal(known_size(), 3);
	reopen();
	expect(&good, 3, 8, NOW - 1, MM_WITNESS_FAILED, NULL);
	expect(&good, 3, 8, NOW, MM_WITNESS_OK, NULL);
	/* The same tree at a later time is a later cosignature. */
	expect(&good, 8, 8, NOW + 1, MM_WITNESS_OK, NULL);
	assert_int_equal(mm_cosigner_log(world.cosigner, 0)->time, NOW + 1);
}

/* --- what it gives to monitors --- */

static enum mm_error
monitor(const char *hex, struct mm_buffer *out)
{
	mm_buffer_clear(out);
	mm_buffer_init(out, MM_NOTE_MAX);
	return mm_cosigner_checkpoint(world.cosigner, mm_span_text(hex), out);
}

static void
monitors_see_the_newest_checkpoint(void **state)
{
	struct mm_cosignatures lines;
	struct mm_checkpoint checkpoint;
	mm_auto(buffer) note = {0};
	char upper[65];

	(void)state;
	assert_int_equal(monitor(world.hex, &note), MM_E_NOT_FOUND);
	grow(0, 8);
	assert_int_equal(monitor(world.hex, &note), MM_OK);
	assert_int_equal(
	    mm_checkpoint_open(mm_buffer_span(&note), &world.log, &checkpoint),
	    MM_OK);
	assert_int_equal(checkpoint.size, 8);
	assert_int_equal(mm_cosignatures_open(mm_buffer_span(&note),
			     mm_cosigner_identity(world.cosigner), 1, &lines),
	    MM_OK);
	assert_int_equal(lines.count, 1);
	assert_int_equal(lines.items[0].time, NOW);
	for (size_t i = 0; i < sizeof(upper); i++)
		upper[i] = (char)toupper((unsigned char)world.hex[i]);
	assert_int_equal(monitor(upper, &note), MM_E_NOT_FOUND);
	assert_int_equal(monitor("", &note), MM_E_NOT_FOUND);
	assert_int_equal(monitor("..", &note), MM_E_NOT_FOUND);
}

/* Lines that anybody may add to a note are not passed on as the witness's. */
static void
other_lines_are_left_out(void **state)
{
	mm_auto(buffer) request = {0};
	mm_auto(buffer) plain = {0};
	mm_auto(buffer) crowded = {0};
	mm_auto(buffer) answer = {0};

	(void)state;
	grow(0, 8);
	assert_int_equal(monitor(world.hex, &plain), MM_OK);
	write_request(&good, 8, 8, &request);
	for (size_t i = 0; i < MM_NOTE_LINES_MAX - 1; i++)
		mm_buffer_printf(&request,
		    "\xe2\x80\x94 stranger.example/%zu 3l2/GgAAAAA=\n", i);
	assert_int_equal(
	    ask(mm_buffer_span(&request), NOW, &answer), MM_WITNESS_OK);
	assert_int_equal(monitor(world.hex, &crowded), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&plain), mm_buffer_span(&crowded)));
}

/* --- its directory --- */

static void
a_key_is_made_once(void **state)
{
	char place[128], file[160];
	mm_auto(buffer) key = {0};
	mm_auto(buffer) again = {0};
	mm_auto(buffer) vkey = {0};
	struct mm_cosigner *second;
	struct mm_witness read;
	struct stat info;

	(void)state;
	snprintf(place, sizeof(place), "%s/second", world.root);
	assert_int_equal(
	    mm_cosigner_create(place, mm_span_text("Not A Name")), MM_E_VKEY);
	assert_int_equal(access(place, F_OK), -1);
	assert_int_equal(
	    mm_cosigner_create(place, mm_span_text("w.example/2")), MM_OK);
	snprintf(file, sizeof(file), "%s/key", place);
	assert_int_equal(stat(file, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(info.st_size, 32);
	file_get(file, &key);
	assert_int_equal(mm_cosigner_create(place, mm_span_text("w.example/3")),
	    MM_E_EXISTS);
	file_get(file, &again);
	assert_true(
	    mm_span_equal(mm_buffer_span(&key), mm_buffer_span(&again)));
	snprintf(file, sizeof(file), "%s/vkey", place);
	file_get(file, &vkey);
	assert_int_equal(vkey.data[vkey.size - 1], '\n');
	assert_int_equal(
	    mm_witness_decode(mm_span(vkey.data, vkey.size - 1), &read), MM_OK);
	assert_string_equal(read.vkey.name, "w.example/2");
	assert_int_equal(mm_cosigner_open(place, &second), MM_OK);
	assert_null(mm_cosigner_log(second, 0));
	mm_cosigner_close(second);
}

static void
one_process_at_a_time(void **state)
{
	struct mm_cosigner *second;
	mm_auto(buffer) request = {0};
	mm_auto(buffer) answer = {0};

	(void)state;
	grow(0, 3);
	assert_int_equal(
	    mm_cosigner_open(world.directory, &second), MM_E_LOCKED);
	assert_int_equal(
	    mm_cosigner_create(world.directory, mm_span_text("w.example/2")),
	    MM_E_LOCKED);
	/* Looking on is allowed, and no more than that. */
	assert_int_equal(mm_cosigner_view(world.directory, &second), MM_OK);
	assert_int_equal(mm_cosigner_log(second, 0)->newest.size, 3);
	write_request(&good, 3, 8, &request);
	mm_buffer_init(&answer, 65536);
	assert_int_equal(
	    mm_cosigner_add(second, mm_buffer_span(&request), NOW, &answer),
	    MM_WITNESS_FAILED);
	mm_cosigner_close(second);
	grow(3, 8);
}

static void
a_log_is_followed_once(void **state)
{
	struct mm_vkey other;

	(void)state;
	grow(0, 3);
	assert_int_equal(
	    mm_cosigner_follow(world.cosigner, &world.log), MM_E_EXISTS);
	/* Another key does not make it another log. */
	assert_int_equal(mm_vkey_init(&other, mm_span_text(world.log.name),
			     world.log_secret),
	    MM_OK);
	assert_int_equal(
	    mm_cosigner_follow(world.cosigner, &other), MM_E_EXISTS);
	assert_int_equal(mm_vkey_init(&other, mm_span_text("other.example"),
			     world.log.public_key),
	    MM_OK);
	assert_int_equal(mm_cosigner_follow(world.cosigner, &other), MM_OK);
	reopen();
	assert_int_equal(mm_cosigner_log(world.cosigner, 0)->newest.size, 3);
	assert_string_equal(
	    mm_cosigner_log(world.cosigner, 1)->vkey.name, "other.example");
	assert_null(mm_cosigner_log(world.cosigner, 2));
	expect(&good, 3, 8, NOW, MM_WITNESS_OK, NULL);
}

/* A log that is taken out of the list and comes back is where it was. */
static void
a_log_that_comes_back_is_not_new(void **state)
{
	(void)state;
	grow(0, 3);
	close_witness();
	file_put(path_of("logs"), mm_span_text(""), 0600);
	reopen();
	assert_int_equal(mm_cosigner_follow(world.cosigner, &world.log), MM_OK);
	assert_int_equal(known_size(), 3);
	expect(&good, 0, 8, NOW, MM_WITNESS_CONFLICT, "3\n");
}

static void
refuses_to_open(const char *what)
{
	struct mm_cosigner *cosigner;
	enum mm_error error = mm_cosigner_open(world.directory, &cosigner);

	if (error != MM_E_STATE)
		fail_msg("%s: %s", what, mm_error_name(error));
	make_witness();
	grow(0, 3);
	close_witness();
}

static void
a_damaged_directory_is_refused(void **state)
{
	static const uint8_t zero[32] = {0};
	mm_auto(buffer) note = {0};

	(void)state;
	grow(0, 3);
	file_get(log_path("checkpoint"), &note);
	close_witness();
	assert_int_equal(chmod(path_of("key"), 0640), 0);
	refuses_to_open("a key for others to read");
	file_put(path_of("key"), mm_span(zero, 32), 0600);
	refuses_to_open("another key");
	file_put(path_of("key"), mm_span(zero, 31), 0600);
	refuses_to_open("a short key");
	assert_int_equal(unlink(path_of("key")), 0);
	assert_int_equal(symlink("vkey", path_of("key")), 0);
	refuses_to_open("a link");
	file_put(path_of("vkey"), mm_span_text("nothing\n"), 0644);
	refuses_to_open("a vkey that is none");
	assert_int_equal(unlink(path_of("logs")), 0);
	refuses_to_open("no list of logs");
	file_put(path_of("logs"), mm_span_text("nothing"), 0600);
	refuses_to_open("a list that is none");
	/* Else it would begin again, with whatever it is shown. */
	assert_int_equal(unlink(log_path("checkpoint")), 0);
	refuses_to_open("no checkpoint");
	note.data[note.size / 2] ^= 1;
	file_put(log_path("checkpoint"), mm_buffer_span(&note), 0644);
	refuses_to_open("a damaged checkpoint");
	mm_buffer_clear(&note);
	write_note(&forged, 9, &note);
	file_put(log_path("checkpoint"), mm_buffer_span(&note), 0644);
	refuses_to_open("a checkpoint without our line");
	reopen();
}

/* --- the disk and the power --- */

/* Cosigns; the line goes through the pipe as soon as it is there. */
static void
cosign_in_child(int out, enum fault fault, long at, int cause)
{
	mm_auto(buffer) request = {0};
	mm_auto(buffer) answer = {0};

	reopen();
	write_request(&good, 3, 8, &request);
	fault_arm(fault, at, cause);
	if (ask(mm_buffer_span(&request), NOW, &answer) == MM_WITNESS_OK &&
	    write(out, "released", 8) != 8)
		_exit(2);
	_exit(faults.struck ? 0 : 1);
}

/* Whether the line was released; `*struck`: the fault came to pass. */
static bool
cosign_with_fault(enum fault fault, long at, int cause, bool *struck)
{
	char bytes[8];
	int ends[2], status;
	pid_t child;
	ssize_t got;

	make_witness();
	grow(0, 3);
	close_witness();
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		cosign_in_child(ends[1], fault, at, cause);
	close(ends[1]);
	got = read(ends[0], bytes, sizeof(bytes));
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	*struck = WEXITSTATUS(status) == 0;
	return got == 8;
}

/* After each fault the witness stands at 3 or at 8, and never signs two
 * histories: a line that went out is one that it remembers. */
static void
no_fault_makes_two_histories(void **state)
{
	static const enum fault kinds[] = {
	    FAULT_FAIL, FAULT_LIE, FAULT_BEFORE, FAULT_AFTER, FAULT_TORN};

	(void)state;
	for (size_t k = 0; k < 2 * MM_COUNT(kinds); k++) {
		bool struck = true;
		long at;

		for (at = 1; struck && at < FAULTS_MAX; at++) {
			bool released = cosign_with_fault(kinds[k / 2], at,
			    k % 2 == 0 ? EIO : ENOSPC, &struck);
			uint64_t size;

			reopen();
			size = known_size();
			assert_true(size == 8 || (size == 3 && !released));
			if (released)
				grow(8, 8);
			expect(&forged, size, 9, NOW, MM_WITNESS_WRONG, NULL);
			grow(size, 20);
		}
		/* Three at least: the write, the file's flush, the directory's.
		 */
		assert_true(at > 4 && at < FAULTS_MAX);
	}
}

static uint64_t
size_on_disk(void)
{
	struct mm_cosigner *view;
	uint64_t size;

	assert_int_equal(mm_cosigner_view(world.directory, &view), MM_OK);
	size = mm_cosigner_log(view, 0)->newest.size;
	mm_cosigner_close(view);
	return size;
}

/* Within one process: what failed is asked of the disk again, not guessed. */
static void
after_a_fault_it_goes_on(void **state)
{
	static const int causes[] = {EIO, ENOSPC};

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		for (long at = 1; at <= 3; at++) {
			uint64_t size;

			make_witness();
			grow(0, 3);
			fault_arm(
			    k / 2 ? FAULT_LIE : FAULT_FAIL, at, causes[k % 2]);
			expect(&good, 3, 8, NOW, MM_WITNESS_FAILED, NULL);
			assert_true(faults.struck);
			fault_disarm();
			expect(&good, 1, 8, NOW, MM_WITNESS_CONFLICT, NULL);
			size = known_size();
			assert_int_equal(size, size_on_disk());
			assert_true(size == 3 || size == 8);
			grow(size, 12);
		}
	}
}

static void
create_in_child(const char *place, enum fault fault, long at)
{
	struct mm_cosigner *cosigner;

	fault_arm(fault, at, EIO);
	if (mm_cosigner_create(place, mm_span_text("w.example/3")) != MM_OK ||
	    mm_cosigner_open(place, &cosigner) != MM_OK ||
	    mm_cosigner_follow(cosigner, &world.log) != MM_OK)
		_exit(faults.struck ? 0 : 2);
	_exit(faults.struck ? 0 : 1);
}

/* A birth that was cut short can be had again, with one key in the end. */
static void
a_birth_survives_every_fault(void **state)
{
	static const enum fault kinds[] = {
	    FAULT_FAIL, FAULT_LIE, FAULT_BEFORE, FAULT_AFTER, FAULT_TORN};
	char place[128];

	(void)state;
	snprintf(place, sizeof(place), "%s/third", world.root);
	for (size_t k = 0; k < MM_COUNT(kinds); k++) {
		int status = 0;
		long at;

		for (at = 1; status == 0 && at < FAULTS_MAX; at++) {
			struct mm_cosigner *cosigner;
			enum mm_error error;
			pid_t child = fork();

			assert_true(child >= 0);
			if (child == 0)
				create_in_child(place, kinds[k], at);
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_true(WIFEXITED(status));
			status = WEXITSTATUS(status);
			assert_true(status <= 1);
			error = mm_cosigner_create(
			    place, mm_span_text("w.example/3"));
			assert_true(error == MM_OK || error == MM_E_EXISTS);
			assert_int_equal(
			    mm_cosigner_open(place, &cosigner), MM_OK);
			error = mm_cosigner_follow(cosigner, &world.log);
			assert_true(error == MM_OK || error == MM_E_EXISTS);
			mm_cosigner_close(cosigner);
			shell("rm -rf", place);
		}
		assert_true(at > 12 && at < FAULTS_MAX);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_vectors_answers_byte_for_byte),
	    TEST(the_vectors_conflict),
	    TEST(the_vectors_of_misbehaviour),
	    TEST(a_log_grows),
	    TEST(the_sizes_that_conflict),
	    TEST(requests_that_are_none),
	    TEST(proofs_at_their_limit),
	    TEST(truncated_and_flipped_requests),
	    TEST(a_request_that_is_too_long),
	    TEST(a_fork_is_refused_and_kept),
	    TEST(two_roots_of_one_size),
	    TEST(two_roots_and_a_conflict),
	    TEST(evidence_has_a_limit),
	    TEST(the_clock_never_goes_back),
	    TEST(monitors_see_the_newest_checkpoint),
	    TEST(other_lines_are_left_out),
	    TEST(a_key_is_made_once),
	    TEST(one_process_at_a_time),
	    TEST(a_log_is_followed_once),
	    TEST(a_log_that_comes_back_is_not_new),
	    TEST(a_damaged_directory_is_refused),
	    TEST(no_fault_makes_two_histories),
	    TEST(after_a_fault_it_goes_on),
	    TEST(a_birth_survives_every_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
