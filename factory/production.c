#include "factory/production.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "factory/production_parts.h"
#include "factory/register.h"

enum { ARENA = 512 << 20 };

static const struct mm_setting_key top_keys[] = {{"chip", false},
    {"key", false}, {"csr", false}, {"partitions", false},
    {"partition-offset", false}, {"root", false}, {"flash-encryption", false},
    {"flash-key-size", false}, {"hmac-key", false}, {"ds-key", false}};
static const struct mm_setting_key value_keys[] = {{"text", false},
    {"count", false}, {"digits", false}, {"random", false}, {"alphabet", false},
    {"secret", false}};
static const struct mm_setting_key image_keys[] = {{"format", false},
    {"size", false}, {"rows", false}, {"version", false}, {"keys", false},
    {"for", false}, {"layout", false}, {"ca", false}, {"pem", false},
    {"ds", false}, {"efuse-key", false}};
static const struct mm_setting_key label_keys[] = {{"kind", false},
    {"template", false}, {"level", false}, {"lines", true}, {"format", false},
    {"mm", false}, {"dots", false}, {"scale", false}};
static const struct mm_setting_key register_keys[] = {
    {"kind", false}, {"ca", false}, {"format", false}, {"topic", false}};
static const struct mm_setting_key plan_keys[] = {{"bootloader", false},
    {"app", false}, {"table", false}, {"otadata", false}, {"data", true},
    {"digests", true}, {"sha384", false}, {"development", false},
    {"keep-download", false}, {"hmac-block", false}, {"v1-key", false},
    {"port", false}};

static const struct mm_section_kind kinds[] = {
    {"", false, top_keys, MM_COUNT(top_keys)},
    {"value", true, value_keys, MM_COUNT(value_keys)},
    {"image", true, image_keys, MM_COUNT(image_keys)},
    {"label", false, label_keys, MM_COUNT(label_keys)},
    {"register", false, register_keys, MM_COUNT(register_keys)},
    {"plan", false, plan_keys, MM_COUNT(plan_keys)}};

void
mm_production_free(struct mm_production *p)
{
	if (p == NULL)
		return;
	for (size_t use = 0; use < MM_EFUSE_USES; use++)
		mm_flash_secret_clear(&p->efuse[use].key);
	for (size_t i = 0; i < p->image_count; i++) {
		mm_unit_image_free(p->images[i].image);
		mm_flash_secret_clear(&p->images[i].given);
	}
	mm_arena_clear(&p->arena);
	free(p);
}

/* Where the template lies, so that no later change of directory matters. */
static enum mm_error
find_directory(struct mm_production *p, const char *path)
{
	char directory[PATH_MAX], whole[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t size = slash == NULL ? 0 : (size_t)(slash - path) + 1;

	if (size + 2 > sizeof(directory))
		return mm_fail(MM_E_FILE, "the path %s is too long", path);
	memcpy(directory, path, size);
	strcpy(directory + size, ".");
	if (realpath(directory, whole) == NULL)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	p->directory = mm_production_say(p, "%s", whole);
	p->path = mm_production_say(p, "%s", path);
	return p->directory != NULL && p->path != NULL
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "the path %s is too long", path);
}

static enum mm_error
read_text(struct mm_production *p)
{
	mm_auto(buffer) text = {0};
	uint64_t size;
	enum mm_error error;

	mm_buffer_init(&text, MM_PRODUCTION_TEXT_MAX);
	error = mm_file_read(p->path, MM_PRODUCTION_TEXT_MAX, &text);
	if (error != MM_OK)
		return error;
	size = text.size;
	crypto_hash_sha256_update(
	    &p->digest, (const uint8_t *)&size, sizeof(size));
	crypto_hash_sha256_update(&p->digest, text.data, text.size);
	return mm_production_text(p->path, mm_buffer_span(&text), kinds,
	    MM_COUNT(kinds), &p->arena, &p->sections);
}

static enum mm_error
read_all(struct mm_production *p, const char *path)
{
	static enum mm_error (*const parts[])(struct mm_production *) = {
	    read_text, mm_production_top, mm_production_values,
	    mm_production_images, mm_production_label, mm_production_register,
	    mm_production_names, mm_production_plan, mm_production_judge};
	enum mm_error error = find_directory(p, path);

	for (size_t i = 0; i < MM_COUNT(parts) && error == MM_OK; i++)
		error = parts[i](p);
	return error;
}

enum mm_error
mm_production_read(const char *path, struct mm_production **out)
{
	struct mm_production *p = calloc(1, sizeof(*p));
	enum mm_error error;

	if (p == NULL || sodium_init() < 0) {
		free(p);
		return mm_fail(MM_E_MEMORY, "no memory for a template");
	}
	mm_arena_init(&p->arena, ARENA);
	crypto_hash_sha256_init(&p->digest);
	error = read_all(p, path);
	if (error != MM_OK) {
		mm_production_free(p);
		return error;
	}
	crypto_hash_sha256_final(&p->digest, p->sha256);
	*out = p;
	return MM_OK;
}

static const char *
registration_name(const struct mm_production *p)
{
	static const char *const names[] = {[MM_REGISTER_NONE] = NULL,
	    [MM_REGISTER_AWS_BULK] = "registration.ndjson",
	    [MM_REGISTER_AZURE_DPS] = "registration.ndjson",
	    [MM_REGISTER_MOSQUITTO] = "registration.acl"};

	return p->register_csv ? "registration.csv" : names[p->registers];
}

void
mm_production_facts(
    const struct mm_production *p, struct mm_production_facts *out)
{
	*out = (struct mm_production_facts){.csr = p->csr,
	    .plain = p->plain,
	    .lost = p->lost,
	    .lost_always = p->lost_always,
	    .results = p->results,
	    .registration = registration_name(p)};
	memcpy(out->sha256, p->sha256, sizeof(out->sha256));
}

enum mm_error
mm_production_registration_head(
    const struct mm_production *p, struct mm_buffer *out)
{
	if (p->registers == MM_REGISTER_AZURE_DPS && p->register_csv)
		mm_buffer_add_text(out, MM_REGISTER_AZURE_HEAD);
	else if (p->registers == MM_REGISTER_MOSQUITTO)
		mm_buffer_add_text(out, "# by mintmark produce\n");
	return out->error;
}

const char *
mm_production_registers(const struct mm_production *p)
{
	static const char *const words[] = {[MM_REGISTER_NONE] = "",
	    [MM_REGISTER_AWS_BULK] = "aws-bulk",
	    [MM_REGISTER_AZURE_DPS] = "azure-dps",
	    [MM_REGISTER_MOSQUITTO] = "mosquitto"};

	return p->register_csv ? "azure-dps as CSV" : words[p->registers];
}
