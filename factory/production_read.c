/*
 * The template's settings as what they mean: what stands outside of sections,
 * and the registration.
 */
#include <string.h>

#include "ca/certificate.h"
#include "factory/production_parts.h"
#include "factory/register.h"
#include "protocol/shape.h"

enum {
	TABLE_MAX = 1 << 16,
	SECTOR = MM_PARTITION_SECTOR,
	ROOT_ARENA = 1 << 16
};

const char *const mm_efuse_names[MM_EFUSE_USES] = {"flash", "hmac", "ds"};
const char *const mm_efuse_words[MM_EFUSE_USES] = {
    "the flash encryption key", "the HMAC key", "the key of the DS peripheral"};

/* --- outside of sections --- */

static enum mm_error
read_chip(struct mm_production *p, const struct mm_section *top)
{
	const char *name = NULL;
	unsigned line = 0;

	mm_setting_text(top, "chip", &name, &line);
	if (name == NULL)
		return MM_OK;
	p->chip = mm_chip_named(mm_span_text(name));
	if (p->chip == NULL)
		return mm_production_wrong(p, line, MM_E_FORMAT,
		    "there is no chip \"%s\"; say esp32, esp32c3, esp32s3, "
		    "...",
		    name);
	return MM_OK;
}

static enum mm_error
read_key(struct mm_production *p, const struct mm_section *top)
{
	const char *name = NULL;
	unsigned line = 0;

	mm_setting_text(top, "key", &name, &line);
	mm_setting_text(top, "csr", &p->csr_path, &p->csr_line);
	if (name == NULL)
		return mm_production_wrong(p, 0, MM_E_FORMAT,
		    "key is missing: P-256, P-384, RSA-2048, RSA-3072, "
		    "RSA-4096, or csr where the device makes it");
	p->csr = strcmp(name, "csr") == 0;
	if (!p->csr && !mm_device_key_named(mm_span_text(name), &p->key))
		return mm_production_wrong(p, line, MM_E_FORMAT,
		    "key is \"%s\"; it can be P-256, P-384, RSA-2048, "
		    "RSA-3072, RSA-4096 or csr",
		    name);
	if (p->csr && p->csr_path == NULL)
		return mm_production_wrong(p, line, MM_E_FORMAT,
		    "the device makes its key, and csr is missing: say where "
		    "its CSR lies, like csr = \"csrs/{device}.csr\"");
	if (!p->csr && p->csr_path != NULL)
		return mm_production_wrong(p, p->csr_line, MM_E_FORMAT,
		    "a CSR is read with key = \"csr\" alone");
	return MM_OK;
}

static enum mm_error
read_binary(struct mm_production *p, struct mm_span bytes,
    const struct mm_partition_rules *rules)
{
	struct mm_image_facts facts;
	enum mm_error error = mm_image_read(
	    bytes, mm_span_text("partition-table"), &p->arena, &facts);

	if (error != MM_OK)
		return error;
	p->table = *mm_list_at(facts.table, struct mm_partition_facts, 0);
	return mm_partitions_check(&p->table, rules, NULL);
}

/* Under Secure Boot V1 apps have other sizes. */
static bool
boots_by_v1(const struct mm_production *p)
{
	const struct mm_section *plan = mm_production_section(p, "plan");

	return plan != NULL && mm_setting_named(plan, "v1-key") != NULL;
}

static enum mm_error
read_table(struct mm_production *p, const struct mm_section *top)
{
	const char *path = NULL;
	unsigned line = 0;
	struct mm_partition_rules rules = MM_PARTITION_RULES_USUAL;
	struct mm_span bytes;
	enum mm_error error;

	p->table_offset = MM_PARTITION_TABLE_OFFSET;
	error = mm_setting_number(p, top, "partition-offset", SECTOR,
	    UINT32_MAX - SECTOR, &p->table_offset);
	mm_setting_text(top, "partitions", &path, &line);
	if (error != MM_OK || path == NULL)
		return error;
	rules.table = p->table_offset;
	rules.secure = boots_by_v1(p) ? 1 : 0;
	if (p->chip != NULL)
		rules.bootloader = p->chip->bootloader;
	error = mm_production_file(p, line, path, TABLE_MAX, &bytes);
	if (error != MM_OK)
		return error;
	error = bytes.size > 0 && bytes.data[0] == 0xaa
		    ? read_binary(p, bytes, &rules)
		    : mm_partitions_csv(bytes, &rules, &p->arena, &p->table);
	p->has_table = error == MM_OK;
	return error == MM_OK ? MM_OK
			      : mm_production_wrong(p, line, error, "%s: %s",
				    path, mm_why(error));
}

/* --- keys in eFuses --- */

static enum mm_error
check_size(const struct mm_production *p, enum mm_efuse_use use, size_t size)
{
	if (use == MM_EFUSE_FLASH)
		return mm_chip_flash_key_check(p->chip, size);
	if (size == MM_NVS_HMAC_KEY)
		return MM_OK;
	return mm_fail(MM_E_RANGE, "it has %zu bytes; %s has %d", size,
	    mm_efuse_words[use], MM_NVS_HMAC_KEY);
}

static enum mm_error
read_efuse_file(struct mm_production *p, enum mm_efuse_use use,
    struct mm_efuse_key *key, const char *path)
{
	enum mm_error error =
	    mm_production_secret(p, key->line, path, &key->key);

	if (error == MM_OK)
		error = mm_production_path(p, path, &key->path);
	if (error != MM_OK)
		return error;
	key->size = key->key.size;
	error = check_size(p, use, key->size);
	return error == MM_OK ? MM_OK
			      : mm_production_wrong(p, key->line, error,
				    "%s: %s", path, mm_why(error));
}

static enum mm_error
read_efuse(struct mm_production *p, const struct mm_section *top,
    enum mm_efuse_use use, const char *name)
{
	struct mm_efuse_key *key = &p->efuse[use];
	const struct mm_chip_locks *locks;
	const char *text = NULL;

	mm_setting_text(top, name, &text, &key->line);
	if (text == NULL)
		return MM_OK;
	locks = p->chip != NULL ? mm_chip_locks(p->chip) : NULL;
	if (locks == NULL)
		return mm_production_wrong(p, key->line, MM_E_FORMAT,
		    "%s needs chip, one whose eFuses are known", name);
	if (use != MM_EFUSE_FLASH && !locks->hmac)
		return mm_production_wrong(p, key->line, MM_E_FORMAT,
		    "%s has no HMAC peripheral for %s", p->chip->name, name);
	key->there = true;
	key->made = strcmp(text, "made") == 0;
	key->size =
	    use == MM_EFUSE_FLASH ? locks->key_sizes[0] : MM_NVS_HMAC_KEY;
	return key->made ? MM_OK : read_efuse_file(p, use, key, text);
}

/* Of a flash encryption key that is made: 64 bytes for AES-256; 16 where an
 * ESP32-C2 boots securely, too. */
static enum mm_error
read_flash_size(struct mm_production *p, const struct mm_section *top)
{
	const struct mm_setting *size = mm_setting_named(top, "flash-key-size");
	struct mm_efuse_key *key = &p->efuse[MM_EFUSE_FLASH];
	uint64_t bytes = key->size;
	enum mm_error error = mm_setting_number(
	    p, top, "flash-key-size", 1, MM_FLASH_KEY_MAX, &bytes);

	if (error != MM_OK || size == NULL)
		return error;
	if (!key->made)
		return mm_production_wrong(p, size->line, MM_E_FORMAT,
		    "flash-key-size goes with flash-encryption = \"made\"");
	key->size = (size_t)bytes;
	return mm_production_in_line(
	    p, size->line, mm_chip_flash_key_check(p->chip, key->size));
}

static enum mm_error
read_efuses(struct mm_production *p, const struct mm_section *top)
{
	enum mm_error error =
	    read_efuse(p, top, MM_EFUSE_FLASH, "flash-encryption");

	if (error == MM_OK)
		error = read_flash_size(p, top);
	if (error == MM_OK)
		error = read_efuse(p, top, MM_EFUSE_HMAC, "hmac-key");
	if (error == MM_OK)
		error = read_efuse(p, top, MM_EFUSE_DS, "ds-key");
	if (error == MM_OK && p->efuse[MM_EFUSE_FLASH].there && !p->has_table)
		return mm_production_wrong(p, p->efuse[MM_EFUSE_FLASH].line,
		    MM_E_FORMAT,
		    "flash-encryption needs partitions: an image is encrypted "
		    "for its place");
	return error;
}

/* --- the root --- */

static enum mm_error
check_root(struct mm_span der)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) tbs = {0};
	struct mm_tbs read;
	enum mm_error error;

	mm_arena_init(&arena, ROOT_ARENA);
	mm_buffer_init(&tbs, MM_FLASH_PEM_MAX);
	error = mm_certificate_tbs(der, &tbs);
	if (error == MM_OK)
		error = mm_tbs_read(mm_buffer_span(&tbs), &arena, &read);
	if (error != MM_OK)
		return error;
	return read.ca && mm_span_equal(read.issuer, read.subject)
		   ? mm_certificate_verify(der, read.spki)
		   : mm_fail(MM_E_FORMAT,
			 "this is no root: a CA's certificate that it has "
			 "signed itself");
}

/* The appliance answers with all certificates between device and root; this
 * one is the device's maker's to know. */
static enum mm_error
read_root(struct mm_production *p, const struct mm_section *top)
{
	const struct mm_setting *root = mm_setting_named(top, "root");
	mm_auto(buffer) der = {0};
	struct mm_span file;
	enum mm_error error;

	if (root == NULL)
		return MM_OK;
	error = mm_production_file(
	    p, root->line, root->values[0], MM_FLASH_PEM_MAX, &file);
	if (error != MM_OK)
		return error;
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_certificate_first(file, &der, NULL);
	if (error == MM_OK)
		error = check_root(mm_buffer_span(&der));
	if (error != MM_OK)
		return mm_production_wrong(p, root->line, error, "%s: %s",
		    root->values[0], mm_why(error));
	p->root = mm_arena_copy(&p->arena, mm_buffer_span(&der));
	return p->root.data != NULL ? MM_OK : mm_fail(MM_E_MEMORY, "no memory");
}

enum mm_error
mm_production_top(struct mm_production *p)
{
	const struct mm_section *top = mm_production_section(p, "");
	enum mm_error error = read_chip(p, top);

	if (error == MM_OK)
		error = read_key(p, top);
	if (error == MM_OK)
		error = read_table(p, top);
	if (error == MM_OK)
		error = read_root(p, top);
	return error == MM_OK ? read_efuses(p, top) : error;
}

/* --- registration --- */

static const struct mm_setting_choice register_kinds[] = {
    {"aws-bulk", MM_REGISTER_AWS_BULK}, {"azure-dps", MM_REGISTER_AZURE_DPS},
    {"mosquitto", MM_REGISTER_MOSQUITTO}};
static const struct mm_setting_choice register_formats[] = {
    {"json", 0}, {"csv", 1}};

static enum mm_error
check_register(const struct mm_production *p, const struct mm_section *section)
{
	static const struct {
		const char *setting;
		enum mm_production_register kind;
	} own[] = {{"ca", MM_REGISTER_AWS_BULK},
	    {"format", MM_REGISTER_AZURE_DPS},
	    {"topic", MM_REGISTER_MOSQUITTO}};

	for (size_t i = 0; i < MM_COUNT(own); i++) {
		const struct mm_setting *setting =
		    mm_setting_named(section, own[i].setting);

		if (setting != NULL && own[i].kind != p->registers)
			return mm_production_wrong(p, setting->line,
			    MM_E_FORMAT, "this kind of register takes no %s",
			    own[i].setting);
	}
	return MM_OK;
}

/* yes: the one that issues, as it comes with the certificate; no; a file. */
static enum mm_error
read_register_ca(struct mm_production *p, const struct mm_section *section)
{
	const struct mm_setting *ca = mm_setting_named(section, "ca");
	mm_auto(buffer) der = {0};
	enum mm_error error;

	if (ca == NULL || strcmp(ca->values[0], "yes") == 0)
		return MM_OK;
	p->register_ca = false;
	if (strcmp(ca->values[0], "no") == 0)
		return MM_OK;
	error = mm_production_file(
	    p, ca->line, ca->values[0], MM_FLASH_PEM_MAX, &p->register_ca_file);
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	if (error == MM_OK)
		error = mm_production_in_line(p, ca->line,
		    mm_certificate_first(p->register_ca_file, &der, NULL));
	if (error == MM_OK && !mm_is_pem(p->register_ca_file))
		return mm_production_wrong(
		    p, ca->line, MM_E_FORMAT, "%s is no PEM", ca->values[0]);
	return error;
}

enum mm_error
mm_production_register(struct mm_production *p)
{
	const struct mm_section *section = mm_production_section(p, "register");
	unsigned kind = MM_REGISTER_NONE, csv = 0, topic_line = 0;
	enum mm_error error;

	p->register_ca = true;
	p->register_topic = "devices/{device}/#";
	if (section == NULL)
		return MM_OK;
	p->register_line = section->line;
	error = mm_setting_word(p, section, "kind", register_kinds,
	    MM_COUNT(register_kinds), &kind);
	if (error == MM_OK && kind == MM_REGISTER_NONE)
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "register has no kind: aws-bulk, azure-dps or mosquitto");
	p->registers = (enum mm_production_register)kind;
	if (error == MM_OK)
		error = check_register(p, section);
	if (error == MM_OK)
		error = read_register_ca(p, section);
	if (error == MM_OK)
		error = mm_setting_word(p, section, "format", register_formats,
		    MM_COUNT(register_formats), &csv);
	p->register_csv = csv != 0;
	mm_setting_text(section, "topic", &p->register_topic, &topic_line);
	return error != MM_OK
		   ? error
		   : mm_production_in_line(p, topic_line,
			 mm_register_mosquitto_topic(p->register_topic));
}
