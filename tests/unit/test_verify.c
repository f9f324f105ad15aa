#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/tile.h"
#include "log/verify.h"
#include "tests/unit/entry_samples.h"
#include "tests/unit/tlog_vectors.h"

static char directory[256];

static int
make_directory(void **state)
{
	const char *parent = getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/verify.XXXXXX",
	    parent != NULL ? parent : P_tmpdir);
	return mkdtemp(directory) == NULL;
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)type;
	(void)at;
	return remove(path);
}

static int
remove_directory(void **state)
{
	(void)state;
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
path_of(const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", directory, name);
}

static void
put_file(const char *name, struct mm_span bytes)
{
	char path[PATH_MAX];

	path_of(name, path);
	for (char *c = path + strlen(directory) + 1; *c != '\0'; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(path, 0700);
			*c = '/';
		}
	assert_int_equal(mm_file_write(path, bytes, 0600, true), MM_OK);
}

/* Writes a vector's log, and gives its key. */
static struct mm_vkey
put_vector(const json_t *log)
{
	struct mm_vkey vkey;
	const char *name;
	json_t *file;

	json_object_foreach(member(log, "files_base64"), name, file)
	{
		const char *text = json_string_value(file);
		uint8_t bytes[MM_TILE_BYTES];
		size_t size;

		assert_int_equal(
		    sodium_base642bin(bytes, sizeof(bytes), text, strlen(text),
			NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL),
		    0);
		put_file(name, mm_span(bytes, size));
	}
	assert_int_equal(
	    mm_vkey_decode(mm_span_text(text_of(log, "vkey")), &vkey), MM_OK);
	return vkey;
}

static enum mm_error
verify_tree(const struct mm_vkey *vkey)
{
	struct mm_log_reader *reader;
	enum mm_error error = mm_log_open(directory, vkey, &reader);

	if (error != MM_OK)
		return error;
	error = mm_log_verify_tree(reader);
	mm_log_close(reader);
	return error;
}

/* Whether the log is refused with each of these bytes of a file altered. */
static void
tamper(const char *name, const struct mm_vkey *vkey)
{
	char path[PATH_MAX];
	mm_autoclose int fd = -1;
	struct stat info;

	path_of(name, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0);
	for (off_t at = 0; at < info.st_size; at++) {
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= (uint8_t)(1 << at % 8);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (verify_tree(vkey) == MM_OK)
			fail_msg("%s: byte %jd", name, (intmax_t)at);
		byte ^= (uint8_t)(1 << at % 8);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(verify_tree(vkey), MM_OK);
}

/* Longer, shorter and missing files are refused too. */
static void
resize(const char *name, const struct mm_vkey *vkey)
{
	char path[PATH_MAX];
	mm_auto(buffer) bytes = {0};

	path_of(name, path);
	mm_buffer_init(&bytes, 0);
	assert_int_equal(mm_file_read(path, MM_TILE_BYTES + 1, &bytes), MM_OK);
	put_file(name, mm_span(bytes.data, bytes.size - 1));
	assert_int_not_equal(verify_tree(vkey), MM_OK);
	mm_buffer_add(&bytes, "", 1);
	put_file(name, mm_buffer_span(&bytes));
	assert_int_not_equal(verify_tree(vkey), MM_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(verify_tree(vkey), MM_E_FILE);
	put_file(name, mm_span(bytes.data, bytes.size - 1));
	assert_int_equal(verify_tree(vkey), MM_OK);
}

static void
no_byte_of_a_log_can_be_altered(void **state)
{
	static const char *const logs[] = {
	    VECTORS "log-3.json", VECTORS "log-257.json"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(logs); i++) {
		json_t *log = vectors(logs[i]);
		struct mm_vkey vkey = put_vector(log);
		const char *name;
		json_t *file;

		assert_int_equal(verify_tree(&vkey), MM_OK);
		json_object_foreach(member(log, "files_base64"), name, file)
		{
			tamper(name, &vkey);
			resize(name, &vkey);
		}
		json_decref(log);
	}
}

static void
entries_are_read_by_index(void **state)
{
	json_t *log = vectors(VECTORS "log-257.json");
	struct mm_vkey vkey = put_vector(log);
	const uint64_t order[] = {0, 256, 255, 1, 256, 128};
	struct mm_log_reader *reader;
	struct mm_span entry;
	char buffer[32];

	(void)state;
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	assert_int_equal(mm_log_checkpoint(reader)->size, 257);
	assert_hash(mm_log_checkpoint(reader)->root, hash_of(log, "root"));
	for (size_t i = 0; i < MM_COUNT(order); i++) {
		assert_int_equal(mm_log_entry(reader, order[i], &entry), MM_OK);
		assert_true(
		    mm_span_equal(entry, vector_entry(order[i], buffer)));
	}
	assert_int_equal(mm_log_entry(reader, 257, &entry), MM_E_NOT_FOUND);
	assert_int_equal(
	    mm_log_entry(reader, UINT64_MAX, &entry), MM_E_NOT_FOUND);
	mm_log_close(reader);
	json_decref(log);
}

static void
without_a_sound_checkpoint_nothing_is_read(void **state)
{
	json_t *log = vectors(VECTORS "log-3.json");
	json_t *keys = vectors(VECTORS "checkpoint.json");
	struct mm_vkey vkey = put_vector(log), other;
	struct mm_log_reader *reader;
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(
	    mm_vkey_decode(
		mm_span_text(text_of(member(keys, "second_key"), "vkey")),
		&other),
	    MM_OK);
	assert_int_equal(
	    mm_log_open(directory, &other, &reader), MM_E_NOTE_KEY);
	path_of("checkpoint", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_E_FILE);
	json_decref(keys);
	json_decref(log);
}

/* The tree of a log that a test makes: hashes of the levels 0, 8, 16. */
struct tree {
	struct mm_buffer levels[3];
	struct mm_frontier frontier;
};

static enum mm_error
keep(void *self, unsigned level, uint64_t n, const struct mm_hash *hash)
{
	struct tree *tree = self;

	(void)n;
	if (level % 8 == 0)
		mm_buffer_add(
		    &tree->levels[level / 8], hash->bytes, MM_HASH_SIZE);
	return MM_OK;
}

static void
put_checkpoint(const struct tree *tree)
{
	struct mm_checkpoint checkpoint = {.origin = SAMPLE_ORIGIN,
	    .size = tree->frontier.size,
	    .root = mm_frontier_root(&tree->frontier)};
	uint8_t secret_key[64];
	struct mm_vkey vkey;
	mm_auto(buffer) note = {0};

	mm_buffer_init(&note, MM_NOTE_MAX);
	sample_keys(&vkey, secret_key);
	assert_int_equal(
	    mm_checkpoint_sign(&checkpoint, &vkey, secret_key, &note), MM_OK);
	put_file("checkpoint", mm_buffer_span(&note));
}

static void
put_tile(const struct tree *tree, const struct mm_tile *tile,
    const struct mm_buffer *entries)
{
	char name[MM_TILE_PATH_MAX];
	size_t first = (size_t)tile->n * MM_TILE_WIDTH;
	mm_auto(buffer) bundle = {0};

	mm_buffer_init(&bundle, MM_BUNDLE_MAX);
	mm_tile_path(tile, name);
	if (tile->level != MM_TILE_ENTRIES) {
		put_file(name, mm_span(tree->levels[tile->level].data +
					   first * MM_HASH_SIZE,
				   tile->width * MM_HASH_SIZE));
		return;
	}
	for (size_t i = 0; i < tile->width; i++)
		assert_int_equal(
		    mm_bundle_add(&bundle, mm_buffer_span(&entries[first + i])),
		    MM_OK);
	put_file(name, mm_buffer_span(&bundle));
}

static void
put_log(const struct mm_buffer *entries, size_t count)
{
	struct mm_tile_walk walk = mm_tile_walk(0, count);
	struct tree tree = {.frontier = {.size = 0}};
	struct mm_tile tile;

	for (size_t i = 0; i < MM_COUNT(tree.levels); i++)
		mm_buffer_init(&tree.levels[i], count * MM_HASH_SIZE);
	for (size_t i = 0; i < count; i++) {
		struct mm_hash leaf = mm_leaf_hash(mm_buffer_span(&entries[i]));

		assert_int_equal(
		    mm_frontier_append(&tree.frontier, &leaf, keep, &tree),
		    MM_OK);
	}
	while (mm_tile_next(&walk, &tile))
		put_tile(&tree, &tile, entries);
	put_checkpoint(&tree);
	for (size_t i = 0; i < MM_COUNT(tree.levels); i++)
		mm_buffer_clear(&tree.levels[i]);
}

enum { ENTRIES = 600 };
static struct mm_buffer entries[ENTRIES];

/* Genesis, then certificates and their signatures in turn. */
static void
make_entries(void)
{
	struct mm_entry genesis = sample_frame(MM_ENTRY_GENESIS);
	struct mm_genesis first = sample_genesis();

	for (size_t i = 0; i < ENTRIES; i++)
		mm_buffer_init(&entries[i], MM_LOG_ENTRY_MAX);
	sample_encode(&genesis, &first, &entries[0]);
	for (uint64_t i = 1; i < ENTRIES; i++) {
		bool even = i % 2 == 0;
		struct mm_entry frame = sample_frame(
		    even ? MM_ENTRY_SIGNATURES : MM_ENTRY_CERTIFICATE);
		struct mm_certificate_entry certificate = sample_certificate();
		struct mm_signature item = {i - 1, mm_span_text("signature")};
		struct mm_signatures_entry signatures = {{&item, 1}};

		certificate.tbs = mm_span(&i, sizeof(i));
		sample_encode(&frame,
		    even ? (void *)&signatures : (void *)&certificate,
		    &entries[i]);
	}
}

static void
drop_entries(void)
{
	for (size_t i = 0; i < ENTRIES; i++)
		mm_buffer_clear(&entries[i]);
}

static void
whole_logs_verify_at_the_edges_of_tiles(void **state)
{
	static const size_t sizes[] = {1, 2, 255, 256, 257, 511, 512, 513, 600};
	uint8_t secret_key[64];
	struct mm_vkey vkey;

	(void)state;
	sample_keys(&vkey, secret_key);
	make_entries();
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		struct mm_log_report report;

		put_log(entries, sizes[i]);
		if (mm_log_verify(directory, &vkey, &report) != MM_OK)
			fail_msg("size %zu", sizes[i]);
		assert_int_equal(report.size, sizes[i]);
		assert_int_equal(report.certificates, sizes[i] / 2);
		assert_int_equal(report.signatures, (sizes[i] - 1) / 2);
		assert_int_equal(report.images + report.voids, 0);
	}
	drop_entries();
}

/* A copy may be ahead of its checkpoint: full tiles stand in for partial. */
static void
a_full_tile_stands_in_for_a_partial_one(void **state)
{
	uint8_t secret_key[64];
	struct mm_log_report report;
	struct mm_vkey vkey;
	char from[PATH_MAX], to[PATH_MAX];

	(void)state;
	sample_keys(&vkey, secret_key);
	make_entries();
	put_log(entries, 200);
	path_of("checkpoint", from);
	path_of("kept", to);
	assert_int_equal(rename(from, to), 0);
	path_of("tile", from);
	assert_int_equal(nftw(from, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	put_log(entries, 256);
	path_of("checkpoint", from);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(mm_log_verify(directory, &vkey, &report), MM_OK);
	assert_int_equal(report.size, 200);
	drop_entries();
}

/* The tree is sound, and the log makes no sense. */
static void
a_log_that_contradicts_itself_is_refused(void **state)
{
	uint8_t secret_key[64];
	struct mm_log_report report = {.size = 4711};
	struct mm_vkey vkey;

	(void)state;
	sample_keys(&vkey, secret_key);
	make_entries();
	put_log(entries + 1, 2);
	assert_int_equal(verify_tree(&vkey), MM_OK);
	assert_int_equal(
	    mm_log_verify(directory, &vkey, &report), MM_E_LOG_WRONG);
	mm_buffer_reset(&entries[2]);
	mm_buffer_add_text(&entries[2], "entry 2");
	put_log(entries, 3);
	assert_int_equal(verify_tree(&vkey), MM_OK);
	assert_int_equal(mm_log_verify(directory, &vkey, &report), MM_E_ENTRY);
	put_log(entries, 0);
	assert_int_equal(verify_tree(&vkey), MM_OK);
	assert_int_equal(
	    mm_log_verify(directory, &vkey, &report), MM_E_LOG_WRONG);
	assert_int_equal(report.size, 4711);
	drop_entries();
}

/* All tiles agree with the entries, but the signed root is another one. */
static void
another_root_than_the_signed_one_is_refused(void **state)
{
	uint8_t secret_key[64];
	struct tree tree = {.frontier = {.size = 0}};
	struct mm_hash leaf = mm_leaf_hash(mm_span_text("withheld"));
	struct mm_log_report report;
	struct mm_vkey vkey;

	(void)state;
	sample_keys(&vkey, secret_key);
	make_entries();
	put_log(entries, 1);
	assert_int_equal(
	    mm_frontier_append(&tree.frontier, &leaf, NULL, NULL), MM_OK);
	put_checkpoint(&tree);
	assert_int_equal(
	    mm_log_verify(directory, &vkey, &report), MM_E_LOG_WRONG);
	drop_entries();
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(no_byte_of_a_log_can_be_altered),
	    TEST(entries_are_read_by_index),
	    TEST(without_a_sound_checkpoint_nothing_is_read),
	    TEST(whole_logs_verify_at_the_edges_of_tiles),
	    TEST(a_full_tile_stands_in_for_a_partial_one),
	    TEST(a_log_that_contradicts_itself_is_refused),
	    TEST(another_root_than_the_signed_one_is_refused)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
