#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "signer/numbers.h"
#include "signer/partitions.h"
#include "signer/readers.h"

enum {
	ROW = 32,
	ROW_OFFSET = 4,
	ROW_SIZE = 8,
	ROW_NAME = 12,
	ROW_FLAGS = 28,
	SUM_AT = 16, /* in the MD5 row */
	SUM_SIZE = 16,
	FLAG_ENCRYPTED = 1,
	FLAG_READONLY = 2
};

static const uint8_t row_magic[] = {0xaa, 0x50};
static const uint8_t sum_magic[SUM_AT] = {0xeb, 0xeb, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static int
md5(const uint8_t *bytes, size_t size, uint8_t out[SUM_SIZE])
{
	return gnutls_hash_fast(GNUTLS_DIG_MD5, bytes, size, out);
}

/* The name, without the NULs behind it; false where other bytes follow. */
static bool
read_name(const uint8_t *at, struct mm_span *out)
{
	size_t size = strnlen((const char *)at, MM_PARTITION_NAME);

	*out = mm_span(at, size);
	for (size_t i = size; i < MM_PARTITION_NAME; i++)
		if (at[i] != 0)
			return false;
	return size > 0 && mm_text_ok(*out);
}

static enum mm_error
read_row(const uint8_t *row, size_t offset, struct mm_arena *arena,
    struct mm_partition *out)
{
	uint32_t flags = mm_little_u32(row + ROW_FLAGS);

	if (memcmp(row, row_magic, sizeof(row_magic)) != 0)
		return mm_image_wrong("at 0x%zx there is neither a partition's "
				      "row nor the table's end",
		    offset);
	*out = (struct mm_partition){.type = row[2],
	    .subtype = row[3],
	    .offset = mm_little_u32(row + ROW_OFFSET),
	    .size = mm_little_u32(row + ROW_SIZE),
	    .encrypted = (flags & FLAG_ENCRYPTED) != 0,
	    .readonly = (flags & FLAG_READONLY) != 0};
	if (!read_name(row + ROW_NAME, &out->name))
		return mm_image_wrong(
		    "the name of the partition at 0x%zx is not printable text "
		    "with NULs behind it",
		    offset);
	if ((flags & ~(uint32_t)(FLAG_ENCRYPTED | FLAG_READONLY)) != 0)
		return mm_image_wrong("\"%.*s\" has flags that are not known: "
				      "0x%x",
		    MM_SPAN(out->name), flags);
	if (out->size > UINT32_MAX - out->offset)
		return mm_image_wrong(
		    "\"%.*s\" ends behind 4 GiB", MM_SPAN(out->name));
	out->name = mm_arena_copy(arena, out->name);
	if (out->name.data == NULL)
		return mm_fail(MM_E_MEMORY, "no room for a partition table");
	return MM_OK;
}

static enum mm_error
read_sum(const uint8_t *table, size_t at, struct mm_partition_facts *facts)
{
	uint8_t sum[SUM_SIZE];

	if (memcmp(table + at, sum_magic, sizeof(sum_magic)) != 0)
		return mm_image_wrong("the row of the MD5 sum is malformed");
	if (md5(table, at, sum) != 0)
		return mm_fail(MM_E_INSPECTOR, "MD5 is not to be had");
	if (memcmp(table + at + SUM_AT, sum, sizeof(sum)) != 0)
		return mm_image_wrong("the table's MD5 sum is wrong");
	facts->summed = true;
	return MM_OK;
}

/* Rows up to the MD5 row or the end; `end` is where the blank rows begin. */
static enum mm_error
read_rows(struct mm_span table, struct mm_arena *arena,
    struct mm_partition *out, struct mm_partition_facts *facts, size_t *end)
{
	size_t at;

	facts->partitions = (struct mm_list){out, 0};
	for (at = 0; at + ROW <= table.size; at += ROW) {
		const uint8_t *row = table.data + at;
		enum mm_error error;

		*end = at;
		if (mm_image_is_erased(mm_span(row, ROW)))
			return MM_OK;
		if (row[0] == sum_magic[0]) {
			*end = at + ROW;
			return read_sum(table.data, at, facts);
		}
		if (facts->partitions.count == MM_PARTITIONS_MAX)
			break;
		error = read_row(row, at, arena, &out[facts->partitions.count]);
		if (error != MM_OK)
			return error;
		facts->partitions.count++;
	}
	return mm_image_wrong("the table does not end: no blank row follows");
}

static enum mm_error
read_table(struct mm_image_reading *r, struct mm_span table,
    struct mm_partition_facts *facts)
{
	struct mm_partition *rows =
	    mm_arena_alloc(r->arena, MM_PARTITIONS_MAX * sizeof(*rows));
	size_t end = 0;
	enum mm_error error;

	if (rows == NULL)
		return mm_fail(MM_E_MEMORY, "no room for a partition table");
	error = read_rows(table, r->arena, rows, facts, &end);
	if (error != MM_OK)
		return error;
	if (facts->partitions.count == 0)
		return mm_image_wrong("the table has no partitions");
	if (end + ROW > table.size)
		return mm_image_wrong("the table does not end");
	if (!mm_image_is_erased(mm_span(table.data + end, table.size - end)))
		return mm_image_wrong(
		    "there are bytes behind the end of the table at 0x%zx",
		    end);
	return MM_OK;
}

enum mm_error
mm_partitions_read(struct mm_image_reading *r)
{
	struct mm_span table = mm_span(r->image.data,
	    r->image.size < MM_PARTITIONS_SIZE ? r->image.size
					       : MM_PARTITIONS_SIZE);
	struct mm_partition_facts *facts =
	    mm_arena_alloc(r->arena, sizeof(*facts));
	struct mm_span rest =
	    mm_span(r->image.data + table.size, r->image.size - table.size);
	enum mm_error error;

	if (facts == NULL)
		return mm_fail(MM_E_MEMORY, "no room for a partition table");
	error = read_table(r, table, facts);
	if (error != MM_OK)
		return error;
	r->facts->format =
	    mm_span_text(mm_image_format_name(MM_FORMAT_PARTITIONS));
	r->facts->table = (struct mm_list){facts, 1};
	r->facts->length = table.size;
	r->facts->trailing = rest.size;
	r->facts->blank = mm_image_is_erased(rest);
	/* Secure Boot V1 signs the table, too. */
	return r->facts->blank ? MM_OK : mm_secure_boot_v1_read(r, table.size);
}

static enum mm_error
write_row(const struct mm_partition *p, uint8_t row[ROW])
{
	if (p->name.size > MM_PARTITION_NAME || p->type > UINT8_MAX ||
	    p->subtype > UINT8_MAX || p->offset > UINT32_MAX ||
	    p->size > UINT32_MAX)
		return mm_fail(MM_E_FORMAT,
		    "the partition \"%.*s\" does not fit a row of the table",
		    MM_SPAN(p->name));
	memset(row, 0, ROW);
	memcpy(row, row_magic, sizeof(row_magic));
	row[2] = (uint8_t)p->type;
	row[3] = (uint8_t)p->subtype;
	mm_little_put(p->offset, 4, row + ROW_OFFSET);
	mm_little_put(p->size, 4, row + ROW_SIZE);
	if (p->name.size > 0)
		memcpy(row + ROW_NAME, p->name.data, p->name.size);
	row[ROW_FLAGS] = (uint8_t)((p->encrypted ? FLAG_ENCRYPTED : 0) |
				   (p->readonly ? FLAG_READONLY : 0));
	return MM_OK;
}

enum mm_error
mm_partitions_binary(
    const struct mm_partition_facts *facts, struct mm_buffer *out)
{
	uint8_t table[MM_PARTITIONS_SIZE];
	size_t rows = facts->partitions.count + (facts->summed ? 1 : 0);
	uint8_t *at = table;

	/* A blank row ends the table. */
	if (rows >= MM_PARTITIONS_SIZE / ROW)
		return mm_fail(MM_E_FORMAT,
		    "%zu partitions do not fit the table's %d bytes",
		    facts->partitions.count, MM_PARTITIONS_SIZE);
	memset(table, 0xff, sizeof(table));
	for (mm_list_each(const struct mm_partition, p, facts->partitions)) {
		enum mm_error error = write_row(p, at);

		if (error != MM_OK)
			return error;
		at += ROW;
	}
	if (facts->summed) {
		memcpy(at, sum_magic, sizeof(sum_magic));
		if (md5(table, (size_t)(at - table), at + SUM_AT) != 0)
			return mm_fail(MM_E_BUG, "MD5 is not to be had");
	}
	mm_buffer_add(out, table, sizeof(table));
	return out->error;
}
