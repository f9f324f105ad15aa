#include "policy/product_text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "signer/partitions.h"
#include "signer/scheme.h"

enum {
	DAY = 86400,
	YEAR = 365 * DAY,
	TABLE_MAX = 65536,       /* bytes of a partition table's file */
	TABLE_ARENA = 256 * 1024 /* what is read of it */
};

static const struct mm_word ways[] = {{"any", MM_VERSIONS_ANY},
    {"semver", MM_VERSIONS_SEMVER}, {"dotted", MM_VERSIONS_DOTTED},
    {"number", MM_VERSIONS_NUMBER}, {"mcuboot", MM_VERSIONS_MCUBOOT},
    {NULL, 0}};

static const struct mm_word resigns[] = {{"refuse", MM_RESIGN_REFUSE},
    {"append", MM_RESIGN_APPEND}, {"replace", MM_RESIGN_REPLACE}, {NULL, 0}};

enum mm_error
mm_read_signing(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_signing_name name;
	enum mm_error error = mm_signing_read(mm_span_text(value), &name);

	return error == MM_OK ? mm_read_text(key, value, arena, member) : error;
}

#define AT(S, m) .offset = offsetof(struct S, m)
#define SIGNINGS(m, lo, hi) \
	AT(mm_product_text, product.m), \
	    .list = true, .item = sizeof(struct mm_text_item), .min = lo, \
	    .max = hi
#define TEXT(m, most) \
	AT(mm_product_text, m), .min = 1, .max = most, .standard = ""
#define SIZE(m) \
	AT(mm_product_text, product.m), .min = 1, .max = (uint64_t)1 << 40, \
					.standard = ""
#define SWITCH(m) AT(mm_product_text, product.m), .standard = ""

const struct mm_grammar_key mm_product_text_keys[MM_PRODUCT_TEXT_KEYS] = {
    {"schemes", mm_read_signing, SIGNINGS(schemes, 1, 16)},
    {"size", mm_read_size, SIZE(size)},
    {"format", mm_read_text, TEXT(product.format, MM_NAME_MAX)},
    {"chip", mm_read_text, TEXT(product.chip, MM_NAME_MAX)},
    {"project", mm_read_text, TEXT(product.project, MM_NAME_MAX)},
    {"versions", mm_read_word, SWITCH(versions), .words = ways},
    {"slot", mm_read_size, SIZE(slot)},
    {"partition-table", mm_read_text, TEXT(table, 200)},
    {"secure-version", mm_read_number,
	AT(mm_product_text, product.secure_version), .max = INT64_MAX,
	.standard = ""},
    {"dirty", mm_read_switch, SWITCH(dirty)},
    {"certificate", mm_read_duration, AT(mm_product_text, product.certificate),
	.min = 1, .max = (uint64_t)100 * YEAR, .standard = ""},
    {"resign", mm_read_word, SWITCH(resign), .words = resigns},
    {"unread", mm_read_switch, SWITCH(unread)},
    {"carries", mm_read_signing, SIGNINGS(carries, 0, 8), .standard = ""}};

static enum mm_error
read_binary(
    struct mm_span file, struct mm_arena *arena, struct mm_partition_facts *out)
{
	struct mm_image_facts facts;
	enum mm_error error = mm_image_read(file,
	    mm_span_text(mm_image_format_name(MM_FORMAT_PARTITIONS)), arena,
	    &facts);

	if (error == MM_OK)
		*out = *mm_list_at(facts.table, struct mm_partition_facts, 0);
	return error;
}

/* A binary table begins with AA 50, which is no text. */
static enum mm_error
read_table(
    struct mm_span file, struct mm_arena *arena, struct mm_partition_facts *out)
{
	const struct mm_partition_rules rules = MM_PARTITION_RULES_USUAL;

	if (file.size >= 2 && memcmp(file.data, "\xaa\x50", 2) == 0)
		return read_binary(file, arena, out);
	return mm_partitions_csv(file, &rules, arena, out);
}

static enum mm_error
read_slot(const char *path, uint64_t *slot)
{
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};
	struct mm_partition_facts facts;
	enum mm_error error;

	mm_buffer_init(&file, TABLE_MAX);
	mm_arena_init(&arena, TABLE_ARENA);
	error = mm_file_read(path, TABLE_MAX, &file);
	if (error != MM_OK)
		return error;
	error = read_table(mm_buffer_span(&file), &arena, &facts);
	if (error != MM_OK)
		return mm_fail(MM_E_POLICY, "%s: %s", path, mm_why(error));
	*slot = mm_partitions_smallest_ota(&facts);
	if (*slot == 0)
		return mm_fail(MM_E_POLICY,
		    "%s has no OTA slot (an app partition ota_0 to ota_15): "
		    "say slot = SIZE",
		    path);
	return MM_OK;
}

static enum mm_error
settle(const struct mm_product_text *text, const char *directory,
    struct mm_product *out)
{
	bool from_root = text->table.size > 0 && text->table.data[0] == '/';
	char path[PATH_MAX];
	uint64_t slot = text->product.slot;
	enum mm_error error = MM_OK;
	int length;

	if (text->table.size > 0 && slot > 0)
		return mm_fail(MM_E_POLICY,
		    "slot is said beside the partition-table, which says it "
		    "already: leave out one of the two");
	if (text->table.size > 0) {
		length = snprintf(path, sizeof(path), "%s%s%.*s",
		    from_root ? "" : directory, from_root ? "" : "/",
		    MM_SPAN(text->table));
		error = length < 0 || (size_t)length >= sizeof(path)
			    ? mm_fail(MM_E_POLICY, "its path is too long")
			    : read_slot(path, &slot);
	}
	if (error != MM_OK)
		return error;
	*out = text->product;
	out->slot = slot;
	return MM_OK;
}

enum mm_error
mm_product_texts_settle(const struct mm_list *texts, const char *path,
    const char *directory, const struct mm_grammar_marks *marks,
    struct mm_arena *arena, struct mm_list *out)
{
	struct mm_product *products =
	    mm_arena_alloc(arena, texts->count * sizeof(*products));
	size_t count = 0;

	if (products == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	for (mm_list_each(const struct mm_product_text, text, *texts)) {
		enum mm_error error =
		    settle(text, directory, &products[count++]);

		if (error == MM_OK)
			continue;
		return mm_fail(MM_E_POLICY, "%s:%u: product \"%.*s\": %s", path,
		    mm_grammar_line(marks, "product", text->product.name,
			"partition-table"),
		    MM_SPAN(text->product.name), mm_why(error));
	}
	*out = (struct mm_list){products, count};
	return MM_OK;
}
