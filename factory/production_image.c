/*
 * The template's images, one by one.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "factory/production_parts.h"
#include "protocol/shape.h"

enum { KEYS_FILE = 3, CA_FILE = 4, TLVS = 0x2000, FIXED = 0x6000, NO = -1 };

static const struct mm_setting_choice formats[] = {{"nvs", MM_IMAGE_NVS},
    {"nvs-keys", MM_IMAGE_NVS_KEYS}, {"secure-cert", MM_IMAGE_SECURE_CERT}};

/* Settings that some formats alone have. */
static const struct {
	const char *name;
	enum mm_unit_image_format format;
} own[] = {{"rows", MM_IMAGE_NVS}, {"version", MM_IMAGE_NVS},
    {"keys", MM_IMAGE_NVS}, {"for", MM_IMAGE_NVS_KEYS},
    {"layout", MM_IMAGE_SECURE_CERT}, {"ca", MM_IMAGE_SECURE_CERT},
    {"pem", MM_IMAGE_SECURE_CERT}, {"ds", MM_IMAGE_SECURE_CERT},
    {"efuse-key", MM_IMAGE_SECURE_CERT}};

static enum mm_error
check_own(const struct mm_production *p, const struct mm_section *section,
    enum mm_unit_image_format format)
{
	for (size_t i = 0; i < MM_COUNT(own); i++) {
		const struct mm_setting *setting =
		    mm_setting_named(section, own[i].name);

		if (setting != NULL && own[i].format != format)
			return mm_production_wrong(p, setting->line,
			    MM_E_FORMAT,
			    "image \"%s\": an image of this format takes no %s",
			    section->title, own[i].name);
	}
	return MM_OK;
}

/* --- where it lies --- */

static const struct mm_partition *
partition_named(const struct mm_production *p, const char *name)
{
	for (size_t i = 0; i < p->table.partitions.count; i++) {
		const struct mm_partition *one =
		    mm_list_at(p->table.partitions, struct mm_partition, i);

		if (mm_span_is(one->name, name))
			return one;
	}
	return NULL;
}

static uint64_t
usual_size(const struct mm_image_plan *plan)
{
	if (plan->format == MM_IMAGE_NVS_KEYS)
		return MM_NVS_PAGE;
	return plan->layout == MM_LAYOUT_CUST_FLASH ? FIXED : TLVS;
}

static enum mm_error
place(struct mm_production *p, const struct mm_section *section,
    struct mm_production_image *image)
{
	struct mm_image_plan *plan = &image->plan;
	uint64_t size = 0;
	enum mm_error error =
	    mm_setting_number(p, section, "size", 1, MM_NVS_SIZE_MAX, &size);

	if (error != MM_OK)
		return error;
	image->partition = partition_named(p, image->name);
	if (p->has_table && image->partition == NULL)
		return mm_production_wrong(p, image->line, MM_E_FORMAT,
		    "the table has no partition \"%s\": an image is named "
		    "after its partition",
		    image->name);
	if (p->has_table && size > image->partition->size)
		return mm_production_wrong(p, image->line, MM_E_RANGE,
		    "image \"%s\" has a size of %llu bytes, and its partition "
		    "%llu",
		    image->name, (unsigned long long)size,
		    (unsigned long long)image->partition->size);
	if (size == 0 && p->has_table)
		size = image->partition->size;
	if (size == 0 && plan->format == MM_IMAGE_NVS)
		return mm_production_wrong(p, image->line, MM_E_FORMAT,
		    "image \"%s\" has no size: say size, or partitions",
		    image->name);
	plan->size = size > 0 ? size : usual_size(plan);
	plan->offset = p->has_table ? image->partition->offset : 0;
	plan->encrypted = p->efuse[MM_EFUSE_FLASH].there &&
			  mm_plan_encrypts(image->partition);
	return MM_OK;
}

/* --- formats --- */

static enum mm_error
read_keys(struct mm_production *p, const struct mm_section *section,
    struct mm_production_image *image)
{
	const struct mm_setting *keys = mm_setting_named(section, "keys");
	struct mm_image_plan *plan = &image->plan;
	enum mm_error error;

	if (keys == NULL)
		return MM_OK;
	if (strcmp(keys->values[0], "made") == 0) {
		plan->keys = MM_IMAGE_KEYS_MADE;
		return MM_OK;
	}
	if (strcmp(keys->values[0], "hmac") == 0) {
		plan->keys = MM_IMAGE_KEYS_HMAC;
		return p->efuse[MM_EFUSE_HMAC].there
			   ? MM_OK
			   : mm_production_wrong(p, keys->line, MM_E_FORMAT,
				 "keys = hmac needs hmac-key = \"made\" or a "
				 "file, outside of sections");
	}
	plan->keys = MM_IMAGE_KEYS_GIVEN;
	error =
	    mm_production_secret(p, keys->line, keys->values[0], &image->given);
	plan->nvs_key = mm_span(image->given.data, image->given.size);
	return error;
}

static enum mm_error
read_nvs(struct mm_production *p, const struct mm_section *section,
    struct mm_production_image *image)
{
	const struct mm_setting *rows = mm_setting_named(section, "rows");
	struct mm_image_plan *plan = &image->plan;
	uint64_t version = 2;
	struct mm_span text = {0};
	enum mm_error error;

	if (rows == NULL)
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "image \"%s\" has no rows: name the CSV with its values",
		    image->name);
	error = mm_setting_number(p, section, "version", 1, 2, &version);
	if (error == MM_OK)
		error = read_keys(p, section, image);
	if (error == MM_OK)
		error = mm_production_file(
		    p, rows->line, rows->values[0], MM_NVS_CSV_MAX, &text);
	if (error == MM_OK)
		error = mm_production_path(p, rows->values[0], &image->rows);
	plan->version = (unsigned)version;
	plan->rows = (struct mm_nvs_source){
	    .name = image->rows, .text = text, .beside = p->directory};
	return error;
}

static enum mm_error
read_ca(struct mm_production *p, const struct mm_section *section,
    struct mm_image_plan *plan)
{
	static const struct mm_setting_choice words[] = {
	    {"none", MM_IMAGE_CA_NONE}, {"issuer", MM_IMAGE_CA_ISSUER},
	    {"chain", MM_IMAGE_CA_ISSUER}, {"root", MM_IMAGE_CA_ROOT}};
	const struct mm_setting *ca = mm_setting_named(section, "ca");

	plan->ca = MM_IMAGE_CA_ISSUER;
	if (ca == NULL)
		return MM_OK;
	for (size_t i = 0; i < MM_COUNT(words); i++)
		if (strcmp(ca->values[0], words[i].word) == 0) {
			plan->ca = (enum mm_image_ca)words[i].value;
			return MM_OK;
		}
	plan->ca = MM_IMAGE_CA_FILE;
	plan->ca_file.path = ca->values[0];
	return mm_production_file(
	    p, ca->line, ca->values[0], MM_FLASH_PEM_MAX, &plan->ca_file.bytes);
}

static enum mm_error
check_ds(struct mm_production *p, const struct mm_section *section,
    const struct mm_production_image *image)
{
	const struct mm_setting *ds = mm_setting_named(section, "ds");

	if (!image->plan.ds)
		return MM_OK;
	if (!p->efuse[MM_EFUSE_DS].there)
		return mm_production_wrong(p, ds->line, MM_E_FORMAT,
		    "ds needs ds-key = \"made\" or a file, outside of "
		    "sections");
	if (p->csr || p->key < MM_DEVICE_RSA_2048)
		return mm_production_wrong(p, ds->line, MM_E_KEY_TYPE,
		    "ds is for RSA keys that are made here; a key of ECDSA in "
		    "an eFuse is not (key = \"csr\", or an image by `mintmark "
		    "flash secure-cert`)");
	for (size_t i = 0; i + 1 < p->image_count; i++)
		if (p->images[i].plan.ds &&
		    p->images[i].plan.efuse_key != image->plan.efuse_key)
			return mm_production_wrong(p, ds->line, MM_E_FORMAT,
			    "images \"%s\" and \"%s\" have the one DS key "
			    "in different blocks: give both the same "
			    "efuse-key",
			    p->images[i].name, image->name);
	p->efuse[MM_EFUSE_DS].block = image->plan.efuse_key;
	return MM_OK;
}

static enum mm_error
read_secure_cert(struct mm_production *p, const struct mm_section *section,
    struct mm_production_image *image)
{
	static const struct mm_setting_choice layouts[] = {
	    {"tlv", MM_LAYOUT_TLV}, {"tlv8k", MM_LAYOUT_TLV8K},
	    {"cust_flash", MM_LAYOUT_CUST_FLASH},
	    {"cust_flash_ds", MM_LAYOUT_CUST_FLASH_DS}};
	struct mm_image_plan *plan = &image->plan;
	unsigned layout = MM_LAYOUT_TLV;
	uint64_t block = 0;
	enum mm_error error = mm_setting_word(
	    p, section, "layout", layouts, MM_COUNT(layouts), &layout);

	plan->layout = (enum mm_secure_cert_layout)layout;
	if (error == MM_OK)
		error = read_ca(p, section, plan);
	if (error == MM_OK)
		error = mm_setting_yes(p, section, "pem", &plan->pem);
	if (error == MM_OK)
		error = mm_setting_yes(p, section, "ds", &plan->ds);
	if (error == MM_OK)
		error = mm_setting_number(
		    p, section, "efuse-key", 0, MM_DS_EFUSE_KEYS - 1, &block);
	plan->efuse_key = (uint8_t)block;
	return error == MM_OK ? check_ds(p, section, image) : error;
}

/* --- one image --- */

static bool
is_file_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
				 "QRSTUVWXYZ0123456789._-")] == '\0';
}

static enum mm_error
name_image(struct mm_production *p, const struct mm_section *section,
    struct mm_production_image *image)
{
	image->name = section->title;
	image->line = section->line;
	image->of = NO;
	if (!is_file_name(section->title) || section->title[0] == '-' ||
	    strlen(section->title) > MM_PARTITION_NAME)
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "image \"%s\": a partition's name is 1 to %d of A-Z a-z "
		    "0-9 . _ - here",
		    section->title, MM_PARTITION_NAME);
	if (strcasecmp(section->title, "partition-table") == 0 ||
	    strcasecmp(section->title, "otadata") == 0)
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "an image cannot be \"%s\": the plan makes that one",
		    section->title);
	for (size_t i = 0; i < p->image_count; i++)
		if (strcasecmp(p->images[i].name, section->title) == 0)
			return mm_production_wrong(p, section->line,
			    MM_E_FORMAT,
			    "images \"%s\" and \"%s\" would be one file",
			    p->images[i].name, section->title);
	image->file = mm_production_say(p, "%s.bin", section->title);
	return image->file != NULL ? MM_OK : mm_fail(MM_E_MEMORY, "no memory");
}

static enum mm_error
read_format(struct mm_production *p, const struct mm_section *section,
    struct mm_production_image *image)
{
	unsigned format = MM_COUNT(formats);
	enum mm_error error = mm_setting_word(
	    p, section, "format", formats, MM_COUNT(formats), &format);

	if (error == MM_OK && format == MM_COUNT(formats))
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "image \"%s\" has no format: nvs, nvs-keys or secure-cert",
		    section->title);
	image->plan.name = image->name;
	image->plan.format = (enum mm_unit_image_format)format;
	image->plan.chip = p->chip;
	image->plan.key = p->csr ? MM_IMAGE_KEY_ELSEWHERE : (int)p->key;
	if (error == MM_OK)
		error = check_own(p, section, image->plan.format);
	if (error == MM_OK && format == MM_IMAGE_NVS)
		error = read_nvs(p, section, image);
	if (error == MM_OK && format == MM_IMAGE_SECURE_CERT)
		error = read_secure_cert(p, section, image);
	return error;
}

static enum mm_error
read_image(struct mm_production *p, const struct mm_section *section)
{
	struct mm_production_image *image = &p->images[p->image_count];
	enum mm_error error;

	if (p->image_count == MM_PRODUCTION_IMAGES_MAX)
		return mm_production_wrong(p, section->line, MM_E_RANGE,
		    "there are more than %d images", MM_PRODUCTION_IMAGES_MAX);
	error = name_image(p, section, image);
	if (error != MM_OK)
		return error;
	p->image_count++;
	error = read_format(p, section, image);
	return error == MM_OK ? place(p, section, image) : error;
}

enum mm_error
mm_production_images(struct mm_production *p)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_section, section, p->sections))
		if (strcmp(section->kind, "image") == 0 && error == MM_OK)
			error = read_image(p, section);
	return error == MM_OK ? mm_production_join(p) : error;
}
