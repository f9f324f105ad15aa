/* A log's directory is read entry by entry and hash by hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/reader.h"
#include "tests/unit/log_directory.h"
#include "tests/unit/tlog_vectors.h"

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

	(void)state;
	assert_int_equal(
	    mm_vkey_decode(
		mm_span_text(text_of(member(keys, "second_key"), "vkey")),
		&other),
	    MM_OK);
	assert_int_equal(
	    mm_log_open(directory, &other, &reader), MM_E_NOTE_KEY);
	remove_file("checkpoint");
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_E_FILE);
	json_decref(keys);
	json_decref(log);
}

static void
the_note_is_there_byte_for_byte(void **state)
{
	json_t *log = vectors(VECTORS "log-3.json");
	struct mm_vkey vkey = put_vector(log);
	struct mm_log_reader *reader;
	mm_auto(buffer) file = {0};

	(void)state;
	get_file("checkpoint", &file);
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	assert_true(mm_span_equal(mm_log_note(reader), mm_buffer_span(&file)));
	mm_log_close(reader);
	json_decref(log);
}

/* Every proof that a memory tree makes, the tiles make as well. */
static void
the_tiles_prove(void **state)
{
	json_t *log = vectors(VECTORS "log-257.json");
	struct mm_vkey vkey = put_vector(log);
	struct mm_log_reader *reader;
	const struct mm_checkpoint *newest;
	struct mm_tree tree;
	struct mm_hash root;

	(void)state;
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	newest = mm_log_checkpoint(reader);
	tree = mm_log_tree(reader);
	assert_int_equal(mm_tree_root(&tree, newest->size, &root), MM_OK);
	assert_true(mm_hash_equal(&root, &newest->root));
	for (uint64_t i = 0; i < newest->size; i++) {
		struct mm_proof inclusion, consistency;
		struct mm_span entry;
		struct mm_hash leaf, older;

		assert_int_equal(mm_log_entry(reader, i, &entry), MM_OK);
		leaf = mm_leaf_hash(entry);
		assert_int_equal(
		    mm_tree_prove_inclusion(&tree, i, newest->size, &inclusion),
		    MM_OK);
		assert_int_equal(mm_inclusion_check(&leaf, i, newest->size,
				     &inclusion, &newest->root),
		    MM_OK);
		assert_int_equal(mm_tree_root(&tree, i, &older), MM_OK);
		assert_int_equal(mm_tree_prove_consistency(
				     &tree, i, newest->size, &consistency),
		    MM_OK);
		assert_int_equal(mm_consistency_check(i, newest->size,
				     &consistency, &older, &newest->root),
		    MM_OK);
	}
	assert_int_equal(tree.node(tree.self, 0, 257, &root), MM_E_NOT_FOUND);
	assert_int_equal(tree.node(tree.self, 8, 1, &root), MM_E_NOT_FOUND);
	assert_int_equal(tree.node(tree.self, 9, 0, &root), MM_E_NOT_FOUND);
	assert_int_equal(tree.node(tree.self, 64, 0, &root), MM_E_NOT_FOUND);
	assert_int_equal(
	    tree.node(tree.self, 7, UINT64_MAX / 2, &root), MM_E_NOT_FOUND);
	mm_log_close(reader);
	json_decref(log);
}

static void
a_missing_partial_tile_is_named_by_its_own_name(void **state)
{
	json_t *log = vectors(VECTORS "log-257.json");
	struct mm_vkey vkey = put_vector(log);
	struct mm_log_reader *reader;
	struct mm_span entry;
	struct mm_hash hash;
	struct mm_tree tree;

	(void)state;
	remove_file("tile/entries/001.p/1");
	remove_file("tile/0/001.p/1");
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	tree = mm_log_tree(reader);
	assert_int_equal(mm_log_entry(reader, 256, &entry), MM_E_FILE);
	assert_non_null(strstr(mm_why(MM_E_FILE), "tile/entries/001.p/1"));
	assert_int_equal(tree.node(tree.self, 0, 256, &hash), MM_E_FILE);
	assert_non_null(strstr(mm_why(MM_E_FILE), "tile/0/001.p/1"));
	mm_log_close(reader);
	json_decref(log);
}

static void
a_tile_of_another_width_is_named(void **state)
{
	json_t *log = vectors(VECTORS "log-257.json");
	struct mm_vkey vkey = put_vector(log);
	struct mm_log_reader *reader;
	struct mm_span entry;
	struct mm_hash hash;
	struct mm_tree tree;

	(void)state;
	put_file("tile/entries/001.p/1", mm_span("\0\1a\0\1b", 6));
	put_file("tile/0/001.p/1", mm_span_text("short"));
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	tree = mm_log_tree(reader);
	assert_int_equal(mm_log_entry(reader, 256, &entry), MM_E_BUNDLE);
	assert_non_null(strstr(mm_why(MM_E_BUNDLE), "tile/entries/001.p/1"));
	assert_int_equal(tree.node(tree.self, 0, 256, &hash), MM_E_TILE);
	assert_non_null(strstr(mm_why(MM_E_TILE), "tile/0/001.p/1"));
	mm_log_close(reader);
	json_decref(log);
}

static void
blobs_are_what_their_entries_say(void **state)
{
	json_t *log = vectors(VECTORS "log-3.json");
	struct mm_vkey vkey = put_vector(log);
	struct mm_blob blob = {.size = 5};
	char name[MM_BLOB_PATH_MAX];
	struct mm_log_reader *reader;
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 100);
	crypto_hash_sha256(blob.sha256, (const uint8_t *)"bytes", 5);
	mm_blob_path(&blob, name);
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	assert_int_equal(mm_log_blob(reader, &blob, &out), MM_E_BLOB);
	assert_non_null(strstr(mm_why(MM_E_BLOB), name));
	put_file(name, mm_span_text("bytes"));
	assert_int_equal(mm_log_blob(reader, &blob, &out), MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&out), "bytes"));
	put_file(name, mm_span_text("bites"));
	assert_int_equal(mm_log_blob(reader, &blob, &out), MM_E_BLOB);
	put_file(name, mm_span_text("byte"));
	assert_int_equal(mm_log_blob(reader, &blob, &out), MM_E_BLOB);
	put_file(name, mm_span_text("bytes "));
	assert_int_equal(mm_log_blob(reader, &blob, &out), MM_E_BLOB);
	assert_int_equal(out.size, 5);
	mm_log_close(reader);
	json_decref(log);
}

static void
a_cosigned_note_is_there_or_not(void **state)
{
	json_t *log = vectors(VECTORS "log-3.json");
	struct mm_vkey vkey = put_vector(log);
	struct mm_log_reader *reader;
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, MM_NOTE_MAX);
	assert_int_equal(mm_log_open(directory, &vkey, &reader), MM_OK);
	assert_int_equal(mm_log_cosigned(reader, &out), MM_E_NOT_FOUND);
	put_file("cosigned", mm_span_text("a note"));
	assert_int_equal(mm_log_cosigned(reader, &out), MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&out), "a note"));
	mm_log_close(reader);
	json_decref(log);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(entries_are_read_by_index),
	    TEST(without_a_sound_checkpoint_nothing_is_read),
	    TEST(the_note_is_there_byte_for_byte),
	    TEST(the_tiles_prove),
	    TEST(a_missing_partial_tile_is_named_by_its_own_name),
	    TEST(a_tile_of_another_width_is_named),
	    TEST(blobs_are_what_their_entries_say),
	    TEST(a_cosigned_note_is_there_or_not),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
