/*
 * The template's images together: whose keys a key partition holds, and what
 * of the device's key would be seen or lost.
 */
#include <string.h>

#include "factory/production_parts.h"
#include "protocol/shape.h"

/* --- key partitions --- */

static enum mm_error
join_keys(struct mm_production *p, struct mm_production_image *image,
    const struct mm_section *section)
{
	const struct mm_setting *of = mm_setting_named(section, "for");

	if (of == NULL)
		return mm_production_wrong(p, image->line, MM_E_FORMAT,
		    "image \"%s\" does not say for which NVS image its keys "
		    "are: say for",
		    image->name);
	for (size_t i = 0; i < p->image_count; i++) {
		struct mm_production_image *one = &p->images[i];

		if (strcmp(one->name, of->values[0]) != 0)
			continue;
		if (one->plan.format != MM_IMAGE_NVS ||
		    (one->plan.keys != MM_IMAGE_KEYS_MADE &&
			one->plan.keys != MM_IMAGE_KEYS_GIVEN))
			break;
		image->of = (int)i;
		image->plan.keys = one->plan.keys;
		image->plan.nvs_key = one->plan.nvs_key;
		one->keys_held = true;
		return MM_OK;
	}
	return mm_production_wrong(p, of->line, MM_E_FORMAT,
	    "for = \"%s\" is no NVS image with keys = \"made\" or a file",
	    of->values[0]);
}

static enum mm_error
join_all_keys(struct mm_production *p)
{
	enum mm_error error = MM_OK;
	size_t at = 0;

	for (mm_list_each(const struct mm_section, section, p->sections)) {
		struct mm_production_image *image = &p->images[at];

		if (strcmp(section->kind, "image") != 0 || error != MM_OK)
			continue;
		if (image->plan.format == MM_IMAGE_NVS_KEYS)
			error = join_keys(p, image, section);
		at++;
	}
	for (size_t i = 0; i < p->image_count && error == MM_OK; i++)
		if (p->images[i].plan.format == MM_IMAGE_NVS &&
		    p->images[i].plan.keys == MM_IMAGE_KEYS_MADE &&
		    !p->images[i].keys_held)
			return mm_production_wrong(p, p->images[i].line,
			    MM_E_FORMAT,
			    "the keys of image \"%s\" would be lost: have an "
			    "image with format = \"nvs-keys\" and for = "
			    "\"%s\"",
			    p->images[i].name, p->images[i].name);
	return error;
}

/* --- what they need and hold --- */

static enum mm_error
open_image(struct mm_production *p, struct mm_production_image *image)
{
	enum mm_error error =
	    mm_unit_image_new(&image->plan, &p->digest, &image->image);

	if (error != MM_OK)
		return image->rows != NULL
			   ? error
			   : mm_production_in_line(p, image->line, error);
	mm_unit_image_facts(image->image, &image->facts);
	if (image->facts.root && p->root.size == 0)
		return mm_production_wrong(p, image->line, MM_E_FORMAT,
		    "image \"%s\" holds the root's certificate, which does not "
		    "come with a device's: say root = FILE, outside of "
		    "sections",
		    image->name);
	return MM_OK;
}

/* A key that nothing uses is a mistake in the template. */
static enum mm_error
check_used(const struct mm_production *p)
{
	bool used[MM_EFUSE_USES] = {[MM_EFUSE_FLASH] = true};

	for (size_t i = 0; i < p->image_count; i++) {
		used[MM_EFUSE_HMAC] |= p->images[i].facts.hmac_key;
		used[MM_EFUSE_DS] |= p->images[i].facts.ds_key;
	}
	for (size_t use = 0; use < MM_EFUSE_USES; use++)
		if (p->efuse[use].there && !used[use])
			return mm_production_wrong(p, p->efuse[use].line,
			    MM_E_FORMAT, "no image uses %s",
			    mm_efuse_words[use]);
	return MM_OK;
}

enum mm_error
mm_production_join(struct mm_production *p)
{
	enum mm_error error = join_all_keys(p);

	for (size_t i = 0; i < p->image_count && error == MM_OK; i++)
		error = open_image(p, &p->images[i]);
	return error == MM_OK ? check_used(p) : error;
}

/* --- what would be seen, and what lost --- */

/* Whether its own NVS keys lie in clear beside it. */
static bool
keys_are_clear(const struct mm_production *p, size_t at)
{
	for (size_t i = 0; i < p->image_count; i++)
		if (p->images[i].of == (int)at && !p->images[i].plan.encrypted)
			return true;
	return false;
}

static bool
is_clear(const struct mm_production *p, size_t at)
{
	const struct mm_production_image *image = &p->images[at];

	if (!image->facts.key || image->plan.encrypted)
		return false;
	return image->facts.clear || keys_are_clear(p, at);
}

static enum mm_error
judge_images(struct mm_production *p)
{
	bool kept = p->csr;

	for (size_t i = 0; i < p->image_count; i++) {
		kept = kept || p->images[i].facts.key;
		if (p->plain != NULL || !is_clear(p, i))
			continue;
		p->plain = mm_production_say(p,
		    "image %s (%s:%u) holds the device's key in clear",
		    p->images[i].name, p->path, p->images[i].line);
		if (p->plain == NULL)
			return mm_fail(MM_E_MEMORY, "no memory");
	}
	if (!kept)
		p->lost_always = "the device's key";
	return MM_OK;
}

static enum mm_error
name_results(struct mm_production *p)
{
	mm_auto(buffer) names = {0};

	mm_buffer_init(&names, 8192);
	for (size_t i = 0; i < p->value_count; i++)
		if (!p->values[i].secret)
			mm_buffer_printf(&names, "%s%.*s",
			    names.size > 0 ? "," : "",
			    MM_SPAN(p->values[i].name));
	p->results = names.size == 0 ? ""
				     : mm_production_say(p, "%.*s",
					   MM_SPAN(mm_buffer_span(&names)));
	return p->results != NULL ? MM_OK : mm_fail(MM_E_MEMORY, "no memory");
}

enum mm_error
mm_production_judge(struct mm_production *p)
{
	enum mm_error error = judge_images(p);

	for (size_t use = 0; use < MM_EFUSE_USES; use++)
		if (p->efuse[use].made && p->lost == NULL)
			p->lost = mm_efuse_words[use];
	return error == MM_OK ? name_results(p) : error;
}
