#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/tile.h"
#include "tests/unit/tlog_vectors.h"

static unsigned
level_of(const json_t *vector)
{
	const json_t *level = member(vector, "level");

	return json_is_string(level) ? MM_TILE_ENTRIES
				     : (unsigned)json_integer_value(level);
}

static void
paths_match_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "tiles.json");
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "paths"), i, item)
	{
		struct mm_tile tile = {level_of(item), number_of(item, "n"),
				   (unsigned)number_of(item, "width")},
			       read;
		char path[MM_TILE_PATH_MAX];

		mm_tile_path(&tile, path);
		assert_string_equal(path, text_of(item, "path"));
		assert_true(mm_tile_read(mm_span_text(path), &read));
		assert_int_equal(read.level, tile.level);
		assert_int_equal(read.n, tile.n);
		assert_int_equal(read.width, tile.width);
	}
	json_decref(all);
}

static void
other_paths_are_refused(void **state)
{
	static const char *const bad[] = {"", "/", "tile", "tile/", "tile/0",
	    "tile/0/", "tile//000", "tile/entries", "tile/entries/",
	    "tile/entries/0", "tile/entry/000", "tile/0/000.p/1/",
	    "tile/0/000.p/1000", "tile/0/000.q/1", "tile/0/000\n",
	    "tile/1a/000", "tile/0/x000", "tile/0/x001/", "tile/0/x001/23",
	    "tile/100/000", "checkpoint", "tile/0/000.p/256",
	    /* one above the last tile of 2^63 - 1 entries, and far above */
	    "tile/0/x036/x028/x797/x018/x963/968",
	    "tile/0/x999/x999/x999/x999/x999/x999/999",
	    "tile/0/x001/x999/x999/x999/x999/x999/x999/x999/999"};
	json_t *all = vectors(VECTORS "tiles.json");
	struct mm_tile tile = {.width = 4711};
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "invalid_paths"), i,
	    item) if (mm_tile_read(mm_span_text(json_string_value(item)),
			  &tile))
	    fail_msg("accepted: %s", json_string_value(item));
	for (i = 0; i < MM_COUNT(bad); i++)
		if (mm_tile_read(mm_span_text(bad[i]), &tile))
			fail_msg("accepted: %s", bad[i]);
	assert_false(mm_tile_read(mm_span("tile/0/000", 11), &tile));
	assert_int_equal(tile.width, 4711);
	json_decref(all);
}

static void
widths_match_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "tiles.json");
	const json_t *item, *row;
	size_t i, level;

	(void)state;
	json_array_foreach(member(all, "tiles_for_size"), i, item)
	{
		uint64_t size = number_of(item, "size");
		const json_t *levels = member(item, "levels");

		json_array_foreach(levels, level, row)
		{
			uint64_t full = number_of(row, "full_tiles");
			unsigned l = (unsigned)number_of(row, "level");

			assert_int_equal(mm_tile_width(l, full, size),
			    number_of(row, "partial_width"));
			assert_int_equal(mm_tile_width(l, full + 1, size), 0);
			if (full > 0)
				assert_int_equal(
				    mm_tile_width(l, full - 1, size),
				    MM_TILE_WIDTH);
		}
		assert_int_equal(
		    mm_tile_hashes((unsigned)json_array_size(levels), size), 0);
	}
	json_decref(all);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
files_to_write_match_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "tiles.json");
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(member(all, "files_for_update"), i, item)
	{
		struct mm_tile_walk walk = mm_tile_walk(
		    number_of(item, "old"), number_of(item, "new"));
		const json_t *files = member(item, "files");
		char paths[16][MM_TILE_PATH_MAX];
		struct mm_tile tile;
		size_t count = 0;

		for (; mm_tile_next(&walk, &tile); count++) {
			assert_true(count < MM_COUNT(paths));
			mm_tile_path(&tile, paths[count]);
		}
		assert_false(mm_tile_next(&walk, &tile));
		assert_int_equal(count, json_array_size(files));
		qsort(paths, count, sizeof(paths[0]), by_text);
		for (size_t j = 0; j < count; j++)
			assert_string_equal(paths[j],
			    json_string_value(json_array_get(files, j)));
	}
	json_decref(all);
}

static void
entries_are_written_before_tiles_and_low_levels_first(void **state)
{
	struct mm_tile_walk walk = mm_tile_walk(0, 70000);
	unsigned before = 0, files = 0;
	struct mm_tile tile;

	(void)state;
	for (; mm_tile_next(&walk, &tile); files++) {
		unsigned rank =
		    tile.level == MM_TILE_ENTRIES ? 0 : tile.level + 1;

		assert_true(rank >= before);
		before = rank;
	}
	assert_int_equal(files, 274 + 274 + 2 + 1);
}

static void
the_largest_log_has_eight_levels(void **state)
{
	struct mm_tile_walk walk = mm_tile_walk(INT64_MAX - 1, INT64_MAX);
	struct mm_tile tile = {0};
	unsigned files = 0;

	(void)state;
	assert_int_equal(mm_tile_width(7, 0, INT64_MAX), 127);
	assert_int_equal(mm_tile_width(8, 0, INT64_MAX), 0);
	assert_int_equal(mm_tile_width(63, 0, INT64_MAX), 0);
	while (mm_tile_next(&walk, &tile))
		files++;
	assert_int_equal(files, 2);
	assert_int_equal(tile.n, (UINT64_C(1) << 55) - 1);
	assert_int_equal(tile.width, 255);
}

static void
bundles_match_the_vectors(void **state)
{
	json_t *all = vectors(VECTORS "tiles.json");
	const json_t *item, *hex;
	size_t i, j;

	(void)state;
	json_array_foreach(member(all, "bundles"), i, item)
	{
		struct mm_span bytes = unhex(text_of(item, "bundle_hex"));
		const json_t *entries = member(item, "entries_hex");
		struct mm_bundle bundle;
		mm_auto(buffer) made = {0};

		mm_buffer_init(&made, MM_BUNDLE_MAX);
		assert_int_equal(mm_bundle_decode(bytes, &bundle), MM_OK);
		assert_int_equal(bundle.count, json_array_size(entries));
		json_array_foreach(entries, j, hex)
		{
			struct mm_span entry = unhex(json_string_value(hex));

			assert_true(mm_span_equal(bundle.entries[j], entry));
			assert_int_equal(mm_bundle_add(&made, entry), MM_OK);
			span_free(entry);
		}
		assert_true(mm_span_equal(mm_buffer_span(&made), bytes));
		span_free(bytes);
	}
	json_array_foreach(member(all, "bundles_invalid"), i, item)
	{
		struct mm_span bytes = unhex(text_of(item, "bundle_hex"));
		struct mm_bundle bundle = {.count = 4711};

		assert_int_equal(mm_bundle_decode(bytes, &bundle), MM_E_BUNDLE);
		assert_int_equal(bundle.count, 4711);
		span_free(bytes);
	}
	json_decref(all);
}

static void
bundles_and_entries_end_at_their_limits(void **state)
{
	static uint8_t large[MM_LOG_ENTRY_MAX + 1];
	static struct mm_bundle bundle;
	mm_auto(buffer) bytes = {0};

	(void)state;
	mm_buffer_init(&bytes, MM_BUNDLE_MAX + 2);
	assert_int_equal(
	    mm_bundle_add(&bytes, mm_span(large, MM_LOG_ENTRY_MAX + 1)),
	    MM_E_RANGE);
	for (size_t i = 0; i < MM_TILE_WIDTH; i++)
		assert_int_equal(
		    mm_bundle_add(&bytes, mm_span(large, MM_LOG_ENTRY_MAX)),
		    MM_OK);
	assert_int_equal(bytes.size, MM_BUNDLE_MAX);
	assert_int_equal(
	    mm_bundle_decode(mm_buffer_span(&bytes), &bundle), MM_OK);
	assert_int_equal(bundle.count, MM_TILE_WIDTH);
	assert_int_equal(mm_bundle_add(&bytes, mm_span(large, 0)), MM_OK);
	assert_int_equal(
	    mm_bundle_decode(mm_buffer_span(&bytes), &bundle), MM_E_BUNDLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_match_the_vectors),
	    cmocka_unit_test(other_paths_are_refused),
	    cmocka_unit_test(widths_match_the_vectors),
	    cmocka_unit_test(files_to_write_match_the_vectors),
	    cmocka_unit_test(
		entries_are_written_before_tiles_and_low_levels_first),
	    cmocka_unit_test(the_largest_log_has_eight_levels),
	    cmocka_unit_test(bundles_match_the_vectors),
	    cmocka_unit_test(bundles_and_entries_end_at_their_limits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
