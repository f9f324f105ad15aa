/* Partition tables of tests: read, and compared. */
#ifndef MM_TESTS_PARTITION_ROOM_H
#define MM_TESTS_PARTITION_ROOM_H

#include "signer/partitions.h"
#include "tests/unit/esp_vectors.h"

#define VECTORS "partition_table"

static const struct mm_partition_rules usual = MM_PARTITION_RULES_USUAL;

static inline enum mm_error
read_binary(
    struct mm_span bytes, struct mm_arena *arena, struct mm_image_facts *facts)
{
	return mm_image_read(
	    bytes, mm_span_text("partition-table"), arena, facts);
}

static inline void
assert_same_partition(
    const struct mm_partition *a, const struct mm_partition *b)
{
	assert_true(mm_span_equal(a->name, b->name));
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->subtype, b->subtype);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->encrypted, b->encrypted);
	assert_int_equal(a->readonly, b->readonly);
}

static inline void
assert_same(
    const struct mm_partition_facts *a, const struct mm_partition_facts *b)
{
	assert_int_equal(a->summed, b->summed);
	assert_int_equal(a->partitions.count, b->partitions.count);
	for (size_t i = 0; i < a->partitions.count; i++)
		assert_same_partition(
		    mm_list_at(a->partitions, struct mm_partition, i),
		    mm_list_at(b->partitions, struct mm_partition, i));
}

/* From the facts to a CSV, and from that to the facts. */
static inline void
go_round(const struct mm_partition_facts *facts,
    const struct mm_partition_rules *rules)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) csv = {0};
	struct mm_partition_facts again;

	mm_arena_init(&arena, VECTOR_ARENA);
	mm_buffer_init(&csv, 1 << 16);
	assert_int_equal(mm_partitions_csv_write(facts, &csv), MM_OK);
	assert_int_equal(
	    mm_partitions_csv(mm_buffer_span(&csv), rules, &arena, &again),
	    MM_OK);
	assert_same(facts, &again);
}

#endif
