#include "protocol/text.h"
#include "signer/partitions.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

enum {
	SECTOR = MM_PARTITION_SECTOR,
	APP_ALIGNMENT = MM_PARTITION_APP_ALIGNMENT,
	OTADATA_SIZE = 0x2000,
	NVS_WRITABLE = 0x3000, /* the least that can be written to */
	DATA_OTA = 0,
	DATA_NVS = 2,
	DATA_COREDUMP = 3,
	DATA_TEE_OTA = 0x90,
	NO_TYPE = 0xff /* "any" of the device's functions */
};

static const struct {
	const char *word;
	uint8_t type;
} types[] = {{"app", MM_PARTITION_APP}, {"data", MM_PARTITION_DATA},
    {"bootloader", MM_PARTITION_BOOTLOADER},
    {"partition_table", MM_PARTITION_TABLE}};

static const struct {
	const char *word;
	uint8_t type, subtype;
} subtypes[] = {{"factory", MM_PARTITION_APP, 0x00},
    {"ota_0", MM_PARTITION_APP, 0x10}, {"ota_1", MM_PARTITION_APP, 0x11},
    {"ota_2", MM_PARTITION_APP, 0x12}, {"ota_3", MM_PARTITION_APP, 0x13},
    {"ota_4", MM_PARTITION_APP, 0x14}, {"ota_5", MM_PARTITION_APP, 0x15},
    {"ota_6", MM_PARTITION_APP, 0x16}, {"ota_7", MM_PARTITION_APP, 0x17},
    {"ota_8", MM_PARTITION_APP, 0x18}, {"ota_9", MM_PARTITION_APP, 0x19},
    {"ota_10", MM_PARTITION_APP, 0x1a}, {"ota_11", MM_PARTITION_APP, 0x1b},
    {"ota_12", MM_PARTITION_APP, 0x1c}, {"ota_13", MM_PARTITION_APP, 0x1d},
    {"ota_14", MM_PARTITION_APP, 0x1e}, {"ota_15", MM_PARTITION_APP, 0x1f},
    {"test", MM_PARTITION_APP, 0x20}, {"tee_0", MM_PARTITION_APP, 0x30},
    {"tee_1", MM_PARTITION_APP, 0x31}, {"ota", MM_PARTITION_DATA, DATA_OTA},
    {"phy", MM_PARTITION_DATA, 1}, {"nvs", MM_PARTITION_DATA, DATA_NVS},
    {"coredump", MM_PARTITION_DATA, DATA_COREDUMP},
    {"nvs_keys", MM_PARTITION_DATA, 4}, {"efuse", MM_PARTITION_DATA, 5},
    {"undefined", MM_PARTITION_DATA, 6}, {"esphttpd", MM_PARTITION_DATA, 0x80},
    {"fat", MM_PARTITION_DATA, 0x81}, {"spiffs", MM_PARTITION_DATA, 0x82},
    {"littlefs", MM_PARTITION_DATA, 0x83},
    {"tee_ota", MM_PARTITION_DATA, DATA_TEE_OTA},
    {"primary", MM_PARTITION_BOOTLOADER, 0},
    {"ota", MM_PARTITION_BOOTLOADER, 1},
    {"recovery", MM_PARTITION_BOOTLOADER, 2},
    {"primary", MM_PARTITION_TABLE, 0}, {"ota", MM_PARTITION_TABLE, 1}};

const char *
mm_partition_type_name(uint64_t type)
{
	for (size_t i = 0; i < MM_COUNT(types); i++)
		if (types[i].type == type)
			return types[i].word;
	return NULL;
}

const char *
mm_partition_subtype_name(uint64_t type, uint64_t subtype)
{
	for (size_t i = 0; i < MM_COUNT(subtypes); i++)
		if (subtypes[i].type == type && subtypes[i].subtype == subtype)
			return subtypes[i].word;
	return NULL;
}

bool
mm_partition_type_number(struct mm_span word, uint64_t *out)
{
	for (size_t i = 0; i < MM_COUNT(types); i++)
		if (mm_text_is_word(word, types[i].word)) {
			*out = types[i].type;
			return true;
		}
	return false;
}

bool
mm_partition_subtype_number(uint64_t type, struct mm_span word, uint64_t *out)
{
	for (size_t i = 0; i < MM_COUNT(subtypes); i++)
		if (subtypes[i].type == type &&
		    mm_text_is_word(word, subtypes[i].word)) {
			*out = subtypes[i].subtype;
			return true;
		}
	return false;
}

bool
mm_partition_is_primary(const struct mm_partition *partition)
{
	return (partition->type == MM_PARTITION_BOOTLOADER ||
		   partition->type == MM_PARTITION_TABLE) &&
	       partition->subtype == 0;
}

/* What one rule gets to see, and the name for its complaint. */
struct trial {
	const struct mm_partition *partition;
	const struct mm_partition_rules *rules;
	char name[MM_PARTITION_NAME + 1];
};

static enum mm_error
check_name(const struct trial *trial)
{
	struct mm_span name = trial->partition->name;

	if (name.size == 0)
		return wrong("a partition has no name: give it one");
	if (!mm_text_ok(name))
		return wrong("a partition's name is not printable UTF-8");
	if (name.size > MM_PARTITION_NAME)
		return wrong("the name \"%.*s\" has %zu bytes: use at most %d",
		    MM_SPAN(name), name.size, MM_PARTITION_NAME);
	return MM_OK;
}

static enum mm_error
check_numbers(const struct trial *trial)
{
	const struct mm_partition *p = trial->partition;

	if (p->type >= NO_TYPE || p->subtype > UINT8_MAX)
		return wrong("\"%s\": type %llu and subtype %llu are not below "
			     "0xff and 0x100",
		    trial->name, (unsigned long long)p->type,
		    (unsigned long long)p->subtype);
	if (p->size == 0)
		return wrong(
		    "\"%s\" has no bytes: give it a size", trial->name);
	if (p->offset > UINT32_MAX || p->size > UINT32_MAX - p->offset)
		return wrong("\"%s\" ends behind 4 GiB", trial->name);
	return MM_OK;
}

static enum mm_error
check_alignment(const struct trial *trial)
{
	const struct mm_partition *p = trial->partition;
	bool app = p->type == MM_PARTITION_APP;
	unsigned offset = app ? APP_ALIGNMENT : SECTOR;
	unsigned size =
	    trial->rules->secure == 1 ? (unsigned)APP_ALIGNMENT : SECTOR;

	if (p->offset % offset != 0)
		return wrong("\"%s\" begins at 0x%llx: %s begin at multiples "
			     "of 0x%x",
		    trial->name, (unsigned long long)p->offset,
		    app ? "apps" : "partitions", offset);
	if (app && p->size % size != 0)
		return wrong("\"%s\" has 0x%llx bytes: apps %stake multiples "
			     "of 0x%x",
		    trial->name, (unsigned long long)p->size,
		    trial->rules->secure == 1 ? "under Secure Boot V1 " : "",
		    size);
	return MM_OK;
}

static enum mm_error
check_primary(const struct trial *trial)
{
	const struct mm_partition *p = trial->partition;
	bool table = p->type == MM_PARTITION_TABLE;
	uint64_t offset =
	    table ? trial->rules->table : trial->rules->bootloader;
	uint64_t end = trial->rules->table + (table ? SECTOR : 0);

	if (offset == MM_PARTITION_UNKNOWN)
		return wrong("\"%s\" is the bootloader: say for which chip, "
			     "as its offset depends on that",
		    trial->name);
	if (p->offset != offset || p->size != end - offset)
		return wrong("\"%s\" is not at 0x%llx to 0x%llx, where the %s "
			     "lies",
		    trial->name, (unsigned long long)offset,
		    (unsigned long long)end, table ? "table" : "bootloader");
	return MM_OK;
}

static enum mm_error
check_place(const struct trial *trial)
{
	const struct mm_partition *p = trial->partition;
	uint64_t first = trial->rules->table + SECTOR;
	uint64_t flash = trial->rules->flash;

	if (mm_partition_is_primary(p))
		return check_primary(trial);
	if (p->offset < first)
		return wrong("\"%s\" begins at 0x%llx, in or before the table: "
			     "the first free offset is 0x%llx",
		    trial->name, (unsigned long long)p->offset,
		    (unsigned long long)first);
	if (flash != 0 && p->offset + p->size > flash)
		return wrong("\"%s\" ends at 0x%llx, behind the flash's "
			     "0x%llx bytes: make it smaller",
		    trial->name, (unsigned long long)(p->offset + p->size),
		    (unsigned long long)flash);
	return MM_OK;
}

static bool
is_otadata(const struct mm_partition *p)
{
	return p->type == MM_PARTITION_DATA &&
	       (p->subtype == DATA_OTA || p->subtype == DATA_TEE_OTA);
}

static enum mm_error
check_data(const struct trial *trial)
{
	const struct mm_partition *p = trial->partition;

	if (p->type != MM_PARTITION_DATA)
		return MM_OK;
	if (is_otadata(p) && p->size != OTADATA_SIZE)
		return wrong("\"%s\" has 0x%llx bytes: otadata has 0x%x",
		    trial->name, (unsigned long long)p->size, OTADATA_SIZE);
	if (p->readonly &&
	    (p->subtype == DATA_OTA || p->subtype == DATA_COREDUMP))
		return wrong("\"%s\" is always written to: take the flag "
			     "readonly away",
		    trial->name);
	if (p->subtype == DATA_NVS && !p->readonly && p->size < NVS_WRITABLE)
		return wrong("\"%s\" has 0x%llx bytes: nvs takes 0x%x, or the "
			     "flag readonly",
		    trial->name, (unsigned long long)p->size, NVS_WRITABLE);
	return MM_OK;
}

static enum mm_error
check_beside(const struct trial *trial, const struct mm_partition *other)
{
	const struct mm_partition *p = trial->partition;
	char name[MM_PARTITION_NAME + 1];

	mm_span_string(other->name, name, sizeof(name));
	if (mm_span_equal(p->name, other->name))
		return wrong("two partitions are called \"%s\": rename one",
		    trial->name);
	if (p->offset < other->offset + other->size &&
	    other->offset < p->offset + p->size)
		return wrong("\"%s\" at 0x%llx overlaps \"%s\", 0x%llx to "
			     "0x%llx: move one",
		    trial->name, (unsigned long long)p->offset, name,
		    (unsigned long long)other->offset,
		    (unsigned long long)(other->offset + other->size));
	if (is_otadata(p) && is_otadata(other) && p->subtype == other->subtype)
		return wrong("\"%s\" and \"%s\" are both otadata: a table has "
			     "one",
		    name, trial->name);
	return MM_OK;
}

static enum mm_error
check_one(const struct mm_partition_facts *facts, size_t at,
    const struct mm_partition_rules *rules)
{
	static enum mm_error (*const checks[])(const struct trial *) = {
	    check_name, check_numbers, check_alignment, check_place,
	    check_data};
	const struct mm_partition *all = facts->partitions.items;
	struct trial trial = {.partition = &all[at], .rules = rules};
	enum mm_error error = MM_OK;

	mm_span_string(all[at].name, trial.name, sizeof(trial.name));
	for (size_t i = 0; i < MM_COUNT(checks) && error == MM_OK; i++)
		error = checks[i](&trial);
	for (size_t i = 0; i < at && error == MM_OK; i++)
		error = check_beside(&trial, &all[i]);
	return error;
}

static enum mm_error
check_rules(const struct mm_partition_rules *rules)
{
	if (rules->table % SECTOR != 0 || rules->table >= UINT32_MAX - SECTOR)
		return wrong("a partition table cannot lie at 0x%llx: take a "
			     "multiple of 0x%x",
		    (unsigned long long)rules->table, SECTOR);
	if (rules->bootloader != MM_PARTITION_UNKNOWN &&
	    rules->bootloader >= rules->table)
		return wrong("the bootloader at 0x%llx is not before the table "
			     "at 0x%llx",
		    (unsigned long long)rules->bootloader,
		    (unsigned long long)rules->table);
	return MM_OK;
}

enum mm_error
mm_partitions_check(const struct mm_partition_facts *facts,
    const struct mm_partition_rules *rules, size_t *at)
{
	size_t most = facts->summed ? MM_PARTITIONS_MAX - 1 : MM_PARTITIONS_MAX;
	enum mm_error error = check_rules(rules);

	if (error == MM_OK && facts->partitions.count == 0)
		error = wrong("the table has no partitions");
	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < facts->partitions.count; i++) {
		error = i < most ? check_one(facts, i, rules)
				 : wrong("a table has room for %zu partitions",
				       most);
		if (error != MM_OK && at != NULL)
			*at = i;
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

uint64_t
mm_partitions_smallest_ota(const struct mm_partition_facts *facts)
{
	uint64_t smallest = 0;

	for (mm_list_each(const struct mm_partition, p, facts->partitions))
		if (p->type == MM_PARTITION_APP &&
		    p->subtype >= MM_PARTITION_OTA_0 &&
		    p->subtype <= MM_PARTITION_OTA_15 &&
		    (smallest == 0 || p->size < smallest))
			smallest = p->size;
	return smallest;
}
