/* Orders of tests, and the lines of their plans. */
#ifndef MM_TESTS_PLAN_ROOM_H
#define MM_TESTS_PLAN_ROOM_H

#include "factory/plan.h"
#include "tests/unit/esp_vectors.h"

enum { LINE_MAX_ = 1024, LINES_MAX = 40 };

/* An order whose table and files are the test's; filled up by the tests. */
struct room {
	struct mm_arena arena, table_arena;
	struct mm_partition_facts table;
	struct mm_buffer files[8];
	size_t file_count;
	struct mm_plan_data data[MM_PLAN_DATA_MAX + 1];
	struct mm_plan_order order;
	struct mm_plan plan;
};

static const char usual_table[] = "nvs,data,nvs,0x9000,0x4000\n"
				  "otadata,data,ota,0xd000,0x2000\n"
				  "phy_init,data,phy,0xf000,0x1000\n"
				  "keys,data,nvs_keys,0x10000,0x1000\n"
				  "creds,data,nvs,0x11000,0x4000,encrypted\n"
				  "ota_0,app,ota_0,0x20000,0x20000\n"
				  "ota_1,app,ota_1,0x40000,0x10000\n";

static inline void
read_table(struct room *room, const char *text)
{
	const struct mm_partition_rules rules = MM_PARTITION_RULES_USUAL;

	mm_arena_clear(&room->table_arena);
	mm_arena_init(&room->table_arena, VECTOR_ARENA);
	assert_int_equal(mm_partitions_csv(mm_span_text(text), &rules,
			     &room->table_arena, &room->table),
	    MM_OK);
}

static inline void
begin_with(struct room *room, const char *chip, const char *table)
{
	*room = (struct room){.file_count = 0};
	read_table(room, table);
	room->order =
	    (struct mm_plan_order){.chip = mm_chip_named(mm_span_text(chip)),
		.table = &room->table,
		.table_offset = MM_PARTITION_TABLE_OFFSET,
		.data = room->data};
	assert_non_null(room->order.chip);
}

static inline void
begin(struct room *room, const char *chip)
{
	begin_with(room, chip, usual_table);
}

static inline void
end(struct room *room)
{
	mm_arena_clear(&room->arena);
	mm_arena_clear(&room->table_arena);
	for (size_t i = 0; i < room->file_count; i++)
		mm_buffer_clear(&room->files[i]);
}

static inline enum mm_error
plan(struct room *room)
{
	mm_arena_clear(&room->arena);
	mm_arena_init(&room->arena, MM_PLAN_ARENA);
	return mm_plan_make(&room->order, &room->arena, &room->plan);
}

static inline void
refused(struct room *room, enum mm_error error, const char *because)
{
	assert_int_equal(plan(room), error);
	if (strstr(mm_why(error), because) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", because, mm_why(error));
}

static inline struct mm_plan_file
vector_as(struct room *room, const char *path, const char *directory,
    const char *name)
{
	struct mm_buffer *buffer = &room->files[room->file_count++];

	assert_true(room->file_count <= MM_COUNT(room->files));
	return (struct mm_plan_file){
	    path, vector_file(directory, name, buffer)};
}

static inline struct mm_plan_file
file_of(const char *path, const void *bytes, size_t size)
{
	return (struct mm_plan_file){path, mm_span(bytes, size)};
}

static inline struct mm_plan_key
key_of(const char *path, size_t size)
{
	return (struct mm_plan_key){path, size, 0};
}

/* --- lines --- */

struct lines {
	char line[LINES_MAX][LINE_MAX_];
	size_t count;
};

static inline void
lines_of(const struct room *room, const char *tool, struct lines *out)
{
	const struct mm_plan_step *steps = room->plan.steps.items;

	out->count = 0;
	for (size_t i = 0; i < room->plan.steps.count; i++) {
		mm_auto(buffer) line = {0};

		mm_buffer_init(&line, LINE_MAX_);
		mm_plan_line(&steps[i], &line);
		assert_int_equal(line.error, MM_OK);
		mm_span_string(
		    mm_buffer_span(&line), out->line[out->count], LINE_MAX_);
		if (strncmp(out->line[out->count], tool, strlen(tool)) == 0)
			out->count++;
	}
}

static inline void
assert_lines(struct room *room, const char *tool, const char *const *expected)
{
	struct lines got;
	size_t count = 0;

	assert_int_equal(plan(room), MM_OK);
	lines_of(room, tool, &got);
	for (; expected[count] != NULL; count++) {
		assert_true(count < got.count);
		assert_string_equal(got.line[count], expected[count]);
	}
	assert_int_equal(got.count, count);
}

static inline struct mm_plan_file
rsa_digest(struct room *room, const char *path, unsigned number)
{
	char name[64];

	snprintf(name, sizeof(name), "digest_sbv2-rsa%u.bin", number);
	return vector_as(room, path, "secure_boot_v2", name);
}

static inline void
add_data(struct room *room, const char *name, const char *path, size_t size)
{
	static const uint8_t zeros[0x20000];

	room->data[room->order.data_count++] = (struct mm_plan_data){
	    mm_span_text(name), file_of(path, zeros, size)};
}

#endif
