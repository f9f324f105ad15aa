#include <string.h>

#include "cli/flash_number.h"
#include "cli/flash_plan.h"
#include "factory/der.h"

enum { ARENA = 1 << 20, IMAGE_MAX = 128 << 20, TABLE_MAX = 1 << 16 };

void
mm_flash_planning_clear(struct mm_flash_planning *p)
{
	for (size_t i = 0; i < p->file_count; i++)
		mm_mapped_clear(&p->files[i]);
	mm_buffer_clear(&p->table_text);
	mm_arena_clear(&p->arena);
}

/* --- what lies on this computer --- */

/* Some of the command line's text as a string of its own. */
static const char *
copy_text(struct mm_flash_planning *p, const char *text, size_t size)
{
	char *copy = mm_arena_alloc(&p->arena, size + 1);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

static enum mm_error
open_file(
    struct mm_flash_planning *p, const char *path, struct mm_plan_file *out)
{
	struct mm_mapped *file = &p->files[p->file_count];
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	if (strcmp(path, "-") == 0)
		return mm_fail(MM_E_USAGE, "a plan names files; stdin is none");
	p->file_count++;
	error = mm_mapped_open(path, IMAGE_MAX, file);
	*out = (struct mm_plan_file){path, file->bytes};
	return error;
}

/* A key's size; nothing of its bytes is kept. */
static enum mm_error
size_key(const char *path, struct mm_plan_key *out)
{
	mm_auto(flash_secret) secret = {0};
	enum mm_error error = mm_flash_secret_read(path, &secret);

	if (error != MM_OK)
		return error;
	out->path = path;
	out->size = secret.size;
	return MM_OK;
}

/* --- the table --- */

static enum mm_error
read_binary(struct mm_flash_planning *p, struct mm_span bytes,
    const struct mm_partition_rules *rules)
{
	enum mm_error error = mm_image_read(
	    bytes, mm_span_text("partition-table"), &p->arena, &p->table_image);

	if (error != MM_OK)
		return error;
	p->table =
	    *mm_list_at(p->table_image.table, struct mm_partition_facts, 0);
	return mm_partitions_check(&p->table, rules, NULL);
}

static enum mm_error
read_table(struct mm_flash_planning *p)
{
	const char *path = mm_option(p->invocation, "partitions");
	const struct mm_partition_rules rules = {.table = p->order.table_offset,
	    .bootloader = p->order.chip->bootloader,
	    .md5 = true,
	    .secure = p->order.v1_key.path != NULL ? 1 : 0};
	struct mm_span bytes;
	enum mm_error error;

	mm_buffer_init(&p->table_text, TABLE_MAX);
	error = mm_input(path, TABLE_MAX, &p->table_text);
	if (error != MM_OK)
		return error;
	bytes = mm_buffer_span(&p->table_text);
	error = bytes.size > 0 && bytes.data[0] == 0xaa
		    ? read_binary(p, bytes, &rules)
		    : mm_partitions_csv(bytes, &rules, &p->arena, &p->table);
	p->order.table = &p->table;
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

/* --- keys and digests --- */

static enum mm_error
read_flash_key(struct mm_flash_planning *p)
{
	static const char suffix[] = ",development";
	const char *text = mm_option(p->invocation, "flash-encryption");
	size_t size, end = sizeof(suffix) - 1;

	if (text == NULL)
		return MM_OK;
	size = strlen(text);
	if (size > end && strcmp(text + size - end, suffix) == 0) {
		p->order.development = true;
		text = copy_text(p, text, size - end);
	}
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a plan");
	return size_key(text, &p->order.flash_key);
}

static enum mm_error
read_digests(struct mm_flash_planning *p, const char *text)
{
	struct mm_plan_order *order = &p->order;
	enum mm_error error = MM_OK;

	while (text != NULL && error == MM_OK) {
		size_t size = strcspn(text, ",");
		const char *path = copy_text(p, text, size);

		if (order->digest_count == MM_PLAN_DIGESTS_MAX)
			return mm_fail(MM_E_USAGE,
			    "--secure-boot names more than %d digests; no "
			    "chip has room for more",
			    MM_PLAN_DIGESTS_MAX);
		if (path == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for a plan");
		error =
		    open_file(p, path, &order->digests[order->digest_count++]);
		text = text[size] == ',' ? text + size + 1 : NULL;
	}
	return error;
}

static enum mm_error
read_secure_boot(struct mm_flash_planning *p)
{
	static const char v1[] = "v1=";
	const char *text = mm_option(p->invocation, "secure-boot");

	if (text == NULL)
		return MM_OK;
	if (strcmp(text, "v1") == 0)
		return mm_fail(MM_E_USAGE,
		    "say --secure-boot v1=KEY, the key of `espsecure "
		    "digest-secure-bootloader`");
	if (strncmp(text, v1, sizeof(v1) - 1) == 0)
		return size_key(text + sizeof(v1) - 1, &p->order.v1_key);
	return read_digests(p, text);
}

/* FILE=N: a key, and BLOCK_KEYn. */
static enum mm_error
read_block_key(
    struct mm_flash_planning *p, const char *name, struct mm_plan_key *out)
{
	const char *text = mm_option(p->invocation, name), *equal, *path;

	if (text == NULL)
		return MM_OK;
	equal = strrchr(text, '=');
	if (equal == NULL || equal == text ||
	    !mm_flash_number(equal + 1, &out->block))
		return mm_fail(MM_E_USAGE,
		    "--%s is \"%s\"; say FILE=N, N being the number of the "
		    "key block",
		    name, text);
	path = copy_text(p, text, (size_t)(equal - text));
	return path != NULL ? size_key(path, out)
			    : mm_fail(MM_E_MEMORY, "no memory for a plan");
}

/* --- files --- */

static enum mm_error
read_data(struct mm_flash_planning *p)
{
	const char *text;

	for (size_t i = 0;
	     (text = mm_option_nth(p->invocation, "data", i)) != NULL; i++) {
		const char *equal = strchr(text, '=');
		struct mm_plan_data *data = &p->data[i];
		enum mm_error error;

		if (i == MM_PLAN_DATA_MAX)
			return mm_fail(MM_E_USAGE, "--data is said too often");
		if (equal == NULL || equal == text || equal[1] == '\0')
			return mm_fail(MM_E_USAGE,
			    "--data is \"%s\"; say NAME=FILE, NAME being a "
			    "partition's",
			    text);
		data->name = mm_span(text, (size_t)(equal - text));
		error = open_file(p, equal + 1, &data->file);
		if (error != MM_OK)
			return error;
		p->order.data_count++;
	}
	return MM_OK;
}

/* Boot what --app is flashed to: a factory app needs no record. */
static int
first_slot(const struct mm_flash_planning *p)
{
	for (size_t i = 0; i < p->table.partitions.count; i++) {
		const struct mm_partition *one =
		    mm_list_at(p->table.partitions, struct mm_partition, i);

		if (one->type == MM_PARTITION_APP && one->subtype == 0)
			return MM_OTADATA_BLANK;
	}
	return 0;
}

static enum mm_error
make_otadata(struct mm_flash_planning *p)
{
	const char *path = mm_option(p->invocation, "otadata");

	if (path == NULL)
		return MM_OK;
	mm_otadata_make(first_slot(p), p->otadata);
	p->order.otadata = (struct mm_plan_file){
	    path, mm_span(p->otadata, sizeof(p->otadata))};
	return mm_output_check(p->invocation, path);
}

static enum mm_error
read_files(struct mm_flash_planning *p)
{
	const struct mm_invocation *invocation = p->invocation;
	struct mm_plan_order *order = &p->order;
	enum mm_error error = open_file(
	    p, mm_option(invocation, "bootloader"), &order->bootloader);

	if (error == MM_OK)
		error = open_file(
		    p, mm_option(invocation, "table"), &order->table_file);
	if (error == MM_OK)
		error = open_file(p, mm_option(invocation, "app"), &order->app);
	if (error == MM_OK)
		error = read_data(p);
	return error == MM_OK ? make_otadata(p) : error;
}

static enum mm_error
read_chip(struct mm_flash_planning *p)
{
	const char *name = mm_option(p->invocation, "chip");

	p->order.chip = mm_chip_named(mm_span_text(name));
	if (p->order.chip == NULL)
		return mm_fail(MM_E_USAGE,
		    "there is no chip \"%s\"; say esp32, esp32c3, esp32s3, ...",
		    name);
	p->order.port = mm_option(p->invocation, "port");
	p->order.sha384 = mm_option(p->invocation, "sha384") != NULL;
	p->order.keep_download =
	    mm_option(p->invocation, "keep-download") != NULL;
	p->order.data = p->data;
	return mm_flash_number_option(p->invocation, "table-offset",
	    MM_PARTITION_SECTOR, UINT32_MAX, &p->order.table_offset);
}

enum mm_error
mm_flash_planning_read(
    const struct mm_invocation *invocation, struct mm_flash_planning *p)
{
	enum mm_error error;

	*p = (struct mm_flash_planning){.invocation = invocation,
	    .order.table_offset = MM_PARTITION_TABLE_OFFSET};
	mm_arena_init(&p->arena, ARENA);
	error = read_chip(p);

	if (error == MM_OK)
		error = read_secure_boot(p);
	if (error == MM_OK)
		error = read_table(p);
	if (error == MM_OK)
		error = read_flash_key(p);
	if (error == MM_OK)
		error = read_block_key(p, "hmac-key", &p->order.hmac_key);
	if (error == MM_OK)
		error = read_block_key(p, "ds-key", &p->order.ds_key);
	return error == MM_OK ? read_files(p) : error;
}
