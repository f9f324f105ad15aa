#include <string.h>

#include "factory/otadata.h"
#include "factory/plan_parts.h"
#include "factory/flash_encryption.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

enum {
	ARENA = 65536,
	DATA_OTA = 0,
	DATA_NVS_KEYS = 4,
	/* A bootloader's file under Secure Boot V1: IV and digest, filled up */
	V1_HEAD = 0x1000,
	V1_DIGEST_END = 192
};

static bool
is_subtype(const struct mm_partition *p, uint64_t type, uint64_t subtype)
{
	return p->type == type && p->subtype == subtype;
}

bool
mm_plan_encrypts(const struct mm_partition *p)
{
	return p->encrypted || p->type == MM_PARTITION_APP ||
	       is_subtype(p, MM_PARTITION_DATA, DATA_OTA) ||
	       is_subtype(p, MM_PARTITION_DATA, DATA_NVS_KEYS);
}

static const struct mm_partition *
partition_at(const struct mm_partition_facts *table, size_t i)
{
	return mm_list_at(table->partitions, struct mm_partition, i);
}

static const struct mm_partition *
find_subtype(
    const struct mm_partition_facts *table, uint64_t type, uint64_t subtype)
{
	for (size_t i = 0; i < table->partitions.count; i++)
		if (is_subtype(partition_at(table, i), type, subtype))
			return partition_at(table, i);
	return NULL;
}

/* --- what is in a file --- */

static bool
same_digest(struct mm_span a, struct mm_span b)
{
	size_t size = a.size < b.size ? a.size : b.size;

	return size > 0 && memcmp(a.data, b.data, size) == 0;
}

/* One of the signatures is by a key whose digest will be in the chip. */
static bool
boots_by(
    const struct mm_plan_order *order, const struct mm_signature_block *block)
{
	if (!block->sound)
		return false;
	if (order->digest_count == 0)
		return mm_span_is(block->family, "secure-boot-v1");
	for (size_t i = 0; i < order->digest_count; i++)
		if (mm_span_is(block->family, "secure-boot-v2") &&
		    same_digest(block->key, order->digests[i].bytes))
			return true;
	return false;
}

static enum mm_error
check_signed(const struct mm_plan_order *order, const struct mm_plan_file *file,
    const struct mm_image_facts *facts)
{
	for (size_t i = 0; i < facts->signatures.count; i++)
		if (boots_by(order, mm_list_at(facts->signatures,
					struct mm_signature_block, i)))
			return MM_OK;
	return wrong("%s is not signed by a key that the chip will know, so it "
		     "would not boot any more: sign it first (`mintmark "
		     "release`)",
	    file->path);
}

static enum mm_error
check_chip(const struct mm_plan_order *order, const struct mm_plan_file *file,
    const struct mm_image_facts *facts)
{
	if (mm_span_is(facts->chip, order->chip->name))
		return MM_OK;
	return wrong("%s is an image for %.*s, not for %s", file->path,
	    MM_SPAN(facts->chip), order->chip->name);
}

static bool
is_esp(const struct mm_image_facts *facts)
{
	return facts->esp.count > 0;
}

/* An ESP image of the chip; the whole of it is looked at. */
static enum mm_error
read_image(const struct mm_plan_order *order, const struct mm_plan_file *file,
    struct mm_span bytes, bool is_app)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_image_read(bytes, mm_span(NULL, 0), &arena, &facts);
	if (error != MM_OK)
		return wrong("%s: %s", file->path, mm_why(error));
	if (!is_esp(&facts))
		return wrong("%s is no image of an ESP chip; was it "
			     "encrypted? The plan encrypts itself",
		    file->path);
	if (is_app != mm_span_is(facts.format, "esp-app"))
		return wrong("%s is %.*s, where %s should be", file->path,
		    MM_SPAN(facts.format), is_app ? "an app" : "a bootloader");
	error = check_chip(order, file, &facts);
	/* V1 binds the bootloader by its digest; all else is signed. */
	if (error == MM_OK && mm_plan_boots_securely(order) &&
	    (is_app || order->digest_count > 0))
		error = check_signed(order, file, &facts);
	return error;
}

/* --- where it goes --- */

/* AES-XTS takes whole blocks; for the first ESP32 `flash encrypt` fills up. */
static enum mm_error
check_blocks(
    const struct mm_plan_order *order, const struct mm_plan_place *place)
{
	if (order->flash_key.path == NULL || !place->encrypted ||
	    mm_chip_is_first(order->chip) ||
	    place->file->bytes.size % MM_FLASH_BLOCK == 0)
		return MM_OK;
	return wrong("%s has %zu bytes, and what is encrypted must be a "
		     "multiple of %d: fill it up with 0xFF",
	    place->file->path, place->file->bytes.size, MM_FLASH_BLOCK);
}

static enum mm_error
add(const struct mm_plan_order *order, struct mm_plan_facts *facts,
    const struct mm_plan_place *place, uint64_t room)
{
	const struct mm_plan_file *file = place->file;

	if (file->path[0] == '-')
		return wrong("a tool would take %s for an option: say ./%s",
		    file->path, file->path);
	if (file->bytes.size == 0)
		return wrong("%s is empty", file->path);
	if (file->bytes.size > room)
		return wrong("%s has %zu bytes; %.*s at 0x%llx has room for "
			     "%llu",
		    file->path, file->bytes.size, MM_SPAN(place->name),
		    (unsigned long long)place->offset,
		    (unsigned long long)room);
	for (size_t i = 0; i < facts->place_count; i++)
		if (facts->places[i].offset == place->offset)
			return wrong("%s and %s are both to go into %.*s",
			    facts->places[i].file->path, file->path,
			    MM_SPAN(place->name));
	facts->places[facts->place_count++] = *place;
	return check_blocks(order, place);
}

static enum mm_error
add_partition(const struct mm_plan_order *order, struct mm_plan_facts *facts,
    const struct mm_plan_file *file, const struct mm_partition *p,
    bool encrypted)
{
	const struct mm_plan_place place = {.file = file,
	    .name = p->name,
	    .offset = p->offset,
	    .encrypted = !encrypted && mm_plan_encrypts(p)};

	return add(order, facts, &place, p->size);
}

/* IV, digest, 0xFF, and the image: espsecure digest-secure-bootloader. */
static enum mm_error
check_v1_bootloader(
    const struct mm_plan_order *order, const struct mm_plan_file *file)
{
	struct mm_span bytes = file->bytes;
	size_t at = V1_DIGEST_END;

	while (at < V1_HEAD && at < bytes.size && bytes.data[at] == 0xff)
		at++;
	if (at != V1_HEAD || bytes.size <= V1_HEAD)
		return wrong("%s is not the bootloader with its digest: make "
			     "it with `espsecure digest-secure-bootloader`",
		    file->path);
	return read_image(order, file,
	    mm_span(bytes.data + V1_HEAD, bytes.size - V1_HEAD), false);
}

static enum mm_error
add_bootloader(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	const struct mm_plan_file *file = &order->bootloader;
	bool v1 = order->v1_key.path != NULL;
	const struct mm_plan_place place = {.file = file,
	    .name = mm_span_text("bootloader"),
	    .offset = v1 ? 0 : order->chip->bootloader,
	    .encrypted = true};
	enum mm_error error;

	if (file->path == NULL)
		return MM_OK;
	if (order->table_offset <= place.offset)
		return wrong("the table at 0x%llx leaves no room for a "
			     "bootloader at 0x%llx",
		    (unsigned long long)order->table_offset,
		    (unsigned long long)place.offset);
	error = add(order, facts, &place, order->table_offset - place.offset);
	if (error != MM_OK)
		return error;
	return v1 ? check_v1_bootloader(order, file)
		  : read_image(order, file, file->bytes, false);
}

static bool
same_partition(const struct mm_partition *a, const struct mm_partition *b)
{
	return mm_span_equal(a->name, b->name) && a->type == b->type &&
	       a->subtype == b->subtype && a->offset == b->offset &&
	       a->size == b->size && a->encrypted == b->encrypted &&
	       a->readonly == b->readonly;
}

static bool
same_table(
    const struct mm_partition_facts *a, const struct mm_partition_facts *b)
{
	if (a->partitions.count != b->partitions.count)
		return false;
	for (size_t i = 0; i < a->partitions.count; i++)
		if (!same_partition(partition_at(a, i), partition_at(b, i)))
			return false;
	return true;
}

/* The table that is flashed is the one that all offsets here come from. */
static enum mm_error
read_table(const struct mm_plan_order *order)
{
	const struct mm_plan_file *file = &order->table_file;
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_image_read(
	    file->bytes, mm_span_text("partition-table"), &arena, &facts);
	if (error != MM_OK)
		return wrong("%s: %s", file->path, mm_why(error));
	if (!same_table(mm_list_at(facts.table, struct mm_partition_facts, 0),
		order->table))
		return wrong("%s is not the table that --partitions has: make "
			     "it of that one (`mintmark flash partitions`)",
		    file->path);
	return order->v1_key.path != NULL ? check_signed(order, file, &facts)
					  : MM_OK;
}

static enum mm_error
add_table(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	const struct mm_plan_place place = {.file = &order->table_file,
	    .name = mm_span_text("the partition table"),
	    .offset = order->table_offset,
	    .encrypted = true};
	enum mm_error error;

	if (order->table_file.path == NULL)
		return MM_OK;
	error = add(order, facts, &place, MM_PARTITION_SECTOR);
	return error == MM_OK ? read_table(order) : error;
}

static enum mm_error
add_otadata(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	const struct mm_partition *p =
	    find_subtype(order->table, MM_PARTITION_DATA, DATA_OTA);

	if (order->otadata.path == NULL)
		return MM_OK;
	if (p == NULL)
		return wrong("the table has no otadata partition for %s",
		    order->otadata.path);
	if (order->otadata.bytes.size != MM_OTADATA_SIZE)
		return wrong("%s has %zu bytes; otadata has %d",
		    order->otadata.path, order->otadata.bytes.size,
		    MM_OTADATA_SIZE);
	return add_partition(order, facts, &order->otadata, p, false);
}

/* Where the bootloader looks first: factory, or else the first slot. */
static enum mm_error
add_app(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	const struct mm_plan_file *file = &order->app;
	const struct mm_partition *p =
	    find_subtype(order->table, MM_PARTITION_APP, 0);
	enum mm_error error;

	if (file->path == NULL)
		return MM_OK;
	if (p == NULL)
		p = find_subtype(
		    order->table, MM_PARTITION_APP, MM_PARTITION_OTA_0);
	if (p == NULL)
		return wrong("the table has neither a factory partition nor "
			     "ota_0 for %s",
		    file->path);
	error = add_partition(order, facts, file, p, false);
	return error == MM_OK ? read_image(order, file, file->bytes, true)
			      : error;
}

static enum mm_error
add_data(
    const struct mm_plan_order *order, size_t at, struct mm_plan_facts *facts)
{
	const struct mm_plan_data *data = &order->data[at];
	const struct mm_partition_facts *table = order->table;
	bool encrypted = (order->encrypted_data >> at & 1) != 0;
	const struct mm_partition *p = NULL;
	enum mm_error error;

	for (size_t i = 0; i < table->partitions.count && p == NULL; i++)
		if (mm_span_equal(partition_at(table, i)->name, data->name))
			p = partition_at(table, i);
	if (p == NULL)
		return wrong("the table has no partition \"%.*s\" for %s",
		    MM_SPAN(data->name), data->file.path);
	error = add_partition(order, facts, &data->file, p, encrypted);
	if (error != MM_OK || p->type != MM_PARTITION_APP)
		return error;
	return read_image(order, &data->file, data->file.bytes, true);
}

enum mm_error
mm_plan_files(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	enum mm_error error = MM_OK;

	if (order->data_count > MM_PLAN_DATA_MAX)
		return mm_fail(MM_E_RANGE, "there are more than %d data files",
		    MM_PLAN_DATA_MAX);
	error = add_bootloader(order, facts);
	if (error == MM_OK)
		error = add_table(order, facts);
	if (error == MM_OK)
		error = add_otadata(order, facts);
	if (error == MM_OK)
		error = add_app(order, facts);
	for (size_t i = 0; i < order->data_count && error == MM_OK; i++)
		error = add_data(order, i, facts);
	return error;
}
