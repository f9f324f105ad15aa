/*
 * Partition tables, binary and CSV: what is read is written, and read again
 * the same; a table that keeps the rules goes through both forms.
 */
#include <stdlib.h>
#include <string.h>

#include "signer/partitions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 1 << 16 };

/* A chip's, so that a bootloader in the table has a place. */
static const struct mm_partition_rules rules = {
    .table = MM_PARTITION_TABLE_OFFSET, .bootloader = 0x1000, .md5 = true};

static void
must(bool held)
{
	if (!held)
		abort();
}

static bool
same(const struct mm_partition_facts *a, const struct mm_partition_facts *b)
{
	bool equal = a->partitions.count == b->partitions.count;

	for (size_t i = 0; equal && i < a->partitions.count; i++) {
		const struct mm_partition *p =
		    mm_list_at(a->partitions, struct mm_partition, i);
		const struct mm_partition *q =
		    mm_list_at(b->partitions, struct mm_partition, i);

		equal = mm_span_equal(p->name, q->name) && p->type == q->type &&
			p->subtype == q->subtype && p->offset == q->offset &&
			p->size == q->size && p->encrypted == q->encrypted &&
			p->readonly == q->readonly;
	}
	return equal;
}

static void
read_written(const struct mm_partition_facts *facts)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) binary = {0};
	struct mm_image_facts read;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&binary, MM_PARTITIONS_SIZE);
	must(mm_partitions_binary(facts, &binary) == MM_OK);
	must(mm_image_read(mm_buffer_span(&binary), (struct mm_span){0}, &arena,
		 &read) == MM_OK);
	must(read.table.count == 1);
	must(same(facts, read.table.items));
	must(mm_list_at(read.table, struct mm_partition_facts, 0)->summed ==
	     facts->summed);
}

/* False: as a CSV it is not taken (a name with a comma in it, partitions that
 * are not in the order of their addresses). */
static bool
read_csv_written(const struct mm_partition_facts *facts, struct mm_arena *arena,
    struct mm_partition_facts *again)
{
	mm_auto(buffer) csv = {0};
	struct mm_span kept;

	mm_buffer_init(&csv, 1 << 16);
	if (mm_partitions_csv_write(facts, &csv) != MM_OK)
		return false;
	/* Names lie in the text. */
	kept = mm_arena_copy(arena, mm_buffer_span(&csv));
	must(kept.data != NULL);
	if (mm_partitions_csv(kept, &rules, arena, again) != MM_OK)
		return false;
	must(mm_partitions_check(again, &rules, NULL) == MM_OK);
	return true;
}

/* Of a bootloader and a table the rules tell the size, whatever a binary
 * says. */
static bool
tells_all(const struct mm_partition_facts *facts)
{
	for (mm_list_each(const struct mm_partition, p, facts->partitions))
		if (p->type == MM_PARTITION_BOOTLOADER ||
		    p->type == MM_PARTITION_TABLE)
			return false;
	return true;
}

static void
from_binary(struct mm_span bytes, struct mm_arena *arena)
{
	mm_auto(buffer) again = {0};
	const struct mm_partition_facts *facts;
	struct mm_partition_facts other;
	struct mm_image_facts read;
	size_t size;

	if (mm_image_read(
		bytes, mm_span_text("partition-table"), arena, &read) != MM_OK)
		return;
	must(read.trailing > 0 || read.blank);
	facts = read.table.items;
	mm_buffer_init(&again, MM_PARTITIONS_SIZE);
	must(mm_partitions_binary(facts, &again) == MM_OK);
	size = bytes.size < again.size ? bytes.size : again.size;
	must(memcmp(again.data, bytes.data, size) == 0);
	read_written(facts);
	if (read_csv_written(facts, arena, &other) && tells_all(facts))
		must(same(facts, &other));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mm_auto(arena) arena = {0};
	struct mm_partition_facts facts, again;

	mm_arena_init(&arena, ARENA);
	from_binary(mm_span(data, size), &arena);
	if (mm_partitions_csv(mm_span(data, size), &rules, &arena, &facts) !=
	    MM_OK)
		return 0;
	read_written(&facts);
	/* A name that came out of a CSV goes into one. */
	must(read_csv_written(&facts, &arena, &again) && same(&facts, &again));
	return 0;
}
