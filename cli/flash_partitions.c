/*
 * mintmark flash partitions: a partition table from CSV to binary and back,
 * held against the rules, and where in flash a partition lies.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/flash_number.h"
#include "cli/json_value.h"
#include "cli/table.h"
#include "cli/values.h"
#include "signer/partitions.h"

enum { ARENA = 1 << 18, CSV_MAX = 1 << 20, MIB = 1 << 20, FLASH_MAX = 4096 };

struct work {
	const struct mm_invocation *invocation;
	const char *path;
	struct mm_buffer file;
	struct mm_arena arena;
	struct mm_partition_rules rules;
	struct mm_partition_facts facts;
	bool binary; /* what came in */
};

/* --- the rules --- */

/* "4MB", as the vendor's tools have it. */
static enum mm_error
read_flash_size(const struct mm_invocation *invocation, uint64_t *out)
{
	const char *text = mm_option(invocation, "flash-size");
	char number[16];
	uint64_t megabytes;
	size_t size;

	if (text == NULL)
		return MM_OK;
	size = strcspn(text, "mM");
	if (size > 0 && size < sizeof(number) &&
	    (strcasecmp(text + size, "MB") == 0 ||
		strcasecmp(text + size, "M") == 0)) {
		snprintf(number, sizeof(number), "%.*s", (int)size, text);
		if (mm_flash_number(number, &megabytes) && megabytes > 0 &&
		    megabytes < FLASH_MAX) {
			*out = megabytes * MIB;
			return MM_OK;
		}
	}
	return mm_fail(MM_E_USAGE,
	    "--flash-size is megabytes, as 4MB, and not \"%s\"", text);
}

static enum mm_error
read_secure(const struct mm_invocation *invocation, unsigned *out)
{
	const char *text = mm_option(invocation, "secure");

	if (text == NULL)
		return MM_OK;
	if (strcmp(text, "v1") != 0 && strcmp(text, "v2") != 0)
		return mm_fail(
		    MM_E_USAGE, "--secure is v1 or v2, and not \"%s\"", text);
	*out = text[1] == '1' ? 1 : 2;
	return MM_OK;
}

static enum mm_error
read_rules(struct work *work)
{
	const struct mm_invocation *invocation = work->invocation;
	enum mm_error error;

	work->rules = (struct mm_partition_rules)MM_PARTITION_RULES_USUAL;
	work->rules.md5 = mm_option(invocation, "no-md5") == NULL;
	error = mm_flash_number_option(
	    invocation, "offset", 0, UINT32_MAX, &work->rules.table);
	if (error == MM_OK)
		error = mm_flash_number_option(invocation,
		    "primary-bootloader-offset", 0, UINT32_MAX,
		    &work->rules.bootloader);
	if (error == MM_OK)
		error = read_flash_size(invocation, &work->rules.flash);
	return error == MM_OK ? read_secure(invocation, &work->rules.secure)
			      : error;
}

/* --- the table --- */

/* An entry's magic, that of the MD5 row, or blank flash. No CSV begins so. */
static bool
is_binary(struct mm_span file)
{
	static const uint8_t starts[][2] = {
	    {0xaa, 0x50}, {0xeb, 0xeb}, {0xff, 0xff}};

	for (size_t i = 0; i < MM_COUNT(starts); i++)
		if (file.size >= 2 && memcmp(file.data, starts[i], 2) == 0)
			return true;
	return false;
}

/* A binary's own row tells where the bootloader lies, where no option does. */
static void
learn_bootloader(struct work *work)
{
	if (work->rules.bootloader != MM_PARTITION_UNKNOWN)
		return;
	for (mm_list_each(const struct mm_partition, p, work->facts.partitions))
		if (p->type == MM_PARTITION_BOOTLOADER &&
		    mm_partition_is_primary(p))
			work->rules.bootloader = p->offset;
}

static enum mm_error
read_binary(struct work *work)
{
	struct mm_image_facts facts;
	enum mm_error error = mm_image_read(mm_buffer_span(&work->file),
	    mm_span_text(mm_image_format_name(MM_FORMAT_PARTITIONS)),
	    &work->arena, &facts);

	if (error == MM_E_IMAGE)
		return mm_fail(MM_E_FORMAT, "%s", mm_why(error));
	if (error != MM_OK)
		return error;
	work->facts = *(const struct mm_partition_facts *)facts.table.items;
	learn_bootloader(work);
	return mm_partitions_check(&work->facts, &work->rules, NULL);
}

/* CSV quotes are none to the vendor's tool, which puts them into the name. */
static void
tell_quotes(const struct work *work)
{
	for (mm_list_each(const struct mm_partition, p, work->facts.partitions))
		if (memchr(p->name.data, '"', p->name.size) != NULL)
			mm_say("%s: the quotes belong to the partition's name, "
			       "%.*s, as with Espressif's tool: to be without "
			       "them, write none",
			    work->path, MM_SPAN(p->name));
}

static enum mm_error
read_table(struct work *work)
{
	enum mm_error error = mm_input(work->path, CSV_MAX, &work->file);

	if (error != MM_OK)
		return error;
	work->binary = is_binary(mm_buffer_span(&work->file));
	error = work->binary ? read_binary(work)
			     : mm_partitions_csv(mm_buffer_span(&work->file),
				   &work->rules, &work->arena, &work->facts);
	if (error == MM_OK && !work->binary)
		tell_quotes(work);
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(error, "%s: %s", work->path, mm_why(error));
}

/* --- what is asked for --- */

/* For people in hexadecimal, for programs as a number. */
static json_t *
address(const struct work *work, uint64_t number)
{
	char text[24];

	if (work->invocation->json)
		return json_integer((json_int_t)number);
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
	return json_string(text);
}

static json_t *
word(const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
	return json_string(name != NULL ? name : text);
}

static json_t *
row_of(const struct work *work, const struct mm_partition *p)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "name",
	    mm_json_text(p->name), "type",
	    word(mm_partition_type_name(p->type), p->type), "subtype",
	    word(mm_partition_subtype_name(p->type, p->subtype), p->subtype),
	    "offset", address(work, p->offset), "size", address(work, p->size),
	    "encrypted", p->encrypted, "readonly", p->readonly);
}

static enum mm_error
list(const struct work *work)
{
	static const char *const columns[] = {"name", "type", "subtype",
	    "offset", "size", "encrypted", "readonly"};
	json_t *rows = json_array();

	for (mm_list_each(const struct mm_partition, p, work->facts.partitions))
		json_array_append_new(rows, row_of(work, p));
	mm_table_print(
	    work->invocation, "partitions", rows, columns, MM_COUNT(columns));
	return MM_OK;
}

static enum mm_error
find(const struct work *work, const char *name)
{
	for (mm_list_each(
		 const struct mm_partition, p, work->facts.partitions)) {
		if (!mm_span_is(p->name, name))
			continue;
		if (work->invocation->json)
			mm_print(work->invocation, row_of(work, p));
		else
			printf("0x%llx\n", (unsigned long long)p->offset);
		return MM_OK;
	}
	return mm_fail(MM_E_NOT_FOUND,
	    "%s has no partition \"%s\"; without --find they are listed",
	    work->path, name);
}

static enum mm_error
convert(const struct work *work, const char *path)
{
	mm_auto(buffer) out = {0};
	enum mm_error error;

	mm_buffer_init(&out, CSV_MAX);
	error = work->binary ? mm_partitions_csv_write(&work->facts, &out)
			     : mm_partitions_binary(&work->facts, &out);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", work->path, mm_why(error));
	error = mm_output(work->invocation, path, mm_buffer_span(&out));
	if (error == MM_OK && strcmp(path, "-") != 0)
		mm_print(work->invocation,
		    json_pack("{s:s, s:s, s:I, s:I}", "out", path, "form",
			work->binary ? "csv" : "binary", "size",
			(json_int_t)out.size, "count",
			(json_int_t)work->facts.partitions.count));
	return error;
}

static enum mm_error
answer(struct work *work)
{
	const struct mm_invocation *invocation = work->invocation;
	const char *name = mm_option(invocation, "find");
	const char *out =
	    invocation->operand_count > 1 ? invocation->operands[1] : NULL;
	enum mm_error error = read_rules(work);

	if (error == MM_OK && name != NULL && out != NULL)
		error = mm_fail(
		    MM_E_USAGE, "--find tells an offset and writes no file");
	if (error == MM_OK && out != NULL)
		error = mm_output_check(invocation, out);
	if (error == MM_OK)
		error = read_table(work);
	if (error != MM_OK)
		return error;
	if (name != NULL)
		return find(work, name);
	return out != NULL ? convert(work, out) : list(work);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct work work = {
	    .invocation = invocation, .path = invocation->operands[0]};
	enum mm_error error;

	mm_buffer_init(&work.file, CSV_MAX);
	mm_arena_init(&work.arena, ARENA);
	error = answer(&work);
	mm_buffer_clear(&work.file);
	mm_arena_clear(&work.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    {"offset", "N", "where the table itself lies; 0x8000", MM_OPTION_MAY},
    {"no-md5", NULL, "a binary without the MD5 row", MM_OPTION_MAY},
    {"secure", "v1|v2", "the rules of Secure Boot hold, too", MM_OPTION_MAY},
    {"flash-size", "SIZE", "4MB: all partitions lie in it", MM_OPTION_MAY},
    {"primary-bootloader-offset", "N", "for tables that list the bootloader",
	MM_OPTION_MAY},
    {"find", "NAME", "print the offset of this partition alone", MM_OPTION_MAY},
};

const struct mm_command mm_flash_partitions_command = {
    .noun = "flash",
    .verb = "partitions",
    .operands = "IN [OUT]",
    .operand_min = 1,
    .operand_max = 2,
    .summary = "a partition table: CSV to binary, binary to CSV, or listed",
    .results = "with OUT: out, form (binary or csv), size, count; without:\n"
	       "partitions (name, type, subtype, offset, size, encrypted,\n"
	       "readonly); with --find one of those",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
