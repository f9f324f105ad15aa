/*
 * The plan of the template's units. It names files and never says what is in
 * them, so that it is the same for all: it is made once, with images of 0xFF
 * in the places of theirs.
 */
#include <stdlib.h>
#include <string.h>

#include "factory/otadata.h"
#include "factory/production_parts.h"
#include "protocol/shape.h"

enum { FILE_MAX_BYTES = 64 << 20, TEXT_MAX = 1 << 20 };

/* What mm_plan_make() is given. */
struct planning {
	struct mm_production *p;
	const struct mm_section *section;
	struct mm_plan_order order;
	struct mm_plan_data data[MM_PLAN_DATA_MAX];
};

static const struct mm_plan_file no_file;

/* --- files that all units share --- */

static enum mm_error
shared_file(struct planning *g, unsigned line, const char *path,
    struct mm_plan_file *out)
{
	enum mm_error error =
	    mm_production_file(g->p, line, path, FILE_MAX_BYTES, &out->bytes);

	return error == MM_OK ? mm_production_path(g->p, path, &out->path)
			      : error;
}

static enum mm_error
named_file(struct planning *g, const char *name, struct mm_plan_file *out)
{
	const char *path = NULL;
	unsigned line = 0;

	mm_setting_text(g->section, name, &path, &line);
	return path != NULL ? shared_file(g, line, path, out) : MM_OK;
}

static enum mm_error
add_data(struct planning *g, struct mm_span name, struct mm_plan_file file)
{
	if (g->order.data_count == MM_PLAN_DATA_MAX)
		return mm_production_wrong(g->p, g->section->line, MM_E_RANGE,
		    "images and data are more than %d", MM_PLAN_DATA_MAX);
	g->data[g->order.data_count++] = (struct mm_plan_data){name, file};
	return MM_OK;
}

static enum mm_error
read_data(struct planning *g)
{
	const struct mm_setting *data = mm_setting_named(g->section, "data");
	enum mm_error error = MM_OK;

	for (size_t i = 0; data != NULL && i < data->count && error == MM_OK;
	     i++) {
		const char *text = data->values[i], *equal = strchr(text, '=');
		struct mm_plan_file file = no_file;

		if (equal == NULL || equal == text || equal[1] == '\0')
			return mm_production_wrong(g->p, data->line,
			    MM_E_FORMAT, "data is \"%s\"; say PARTITION=FILE",
			    text);
		error = shared_file(g, data->line, equal + 1, &file);
		if (error == MM_OK)
			error = add_data(
			    g, mm_span(text, (size_t)(equal - text)), file);
	}
	return error;
}

static enum mm_error
read_digests(struct planning *g)
{
	const struct mm_setting *digests =
	    mm_setting_named(g->section, "digests");
	struct mm_plan_order *order = &g->order;
	enum mm_error error = MM_OK;

	if (digests == NULL)
		return MM_OK;
	if (digests->count > MM_PLAN_DIGESTS_MAX)
		return mm_production_wrong(g->p, digests->line, MM_E_RANGE,
		    "there are more than %d digests; no chip has room for "
		    "more",
		    MM_PLAN_DIGESTS_MAX);
	for (size_t i = 0; i < digests->count && error == MM_OK; i++)
		error = shared_file(g, digests->line, digests->values[i],
		    &order->digests[order->digest_count++]);
	return error;
}

/* Secure Boot V1: the key that the bootloader's digest was made with, the same
 * for all. */
static enum mm_error
read_v1(struct planning *g)
{
	const struct mm_setting *key = mm_setting_named(g->section, "v1-key");
	mm_auto(flash_secret) bytes = {0};
	enum mm_error error;

	if (key == NULL)
		return MM_OK;
	error = mm_production_secret(g->p, key->line, key->values[0], &bytes);
	g->order.v1_key.size = bytes.size;
	return error == MM_OK ? mm_production_path(
				    g->p, key->values[0], &g->order.v1_key.path)
			      : error;
}

/* --- files that are made, the same for all --- */

/* Boot what `app` is flashed to: a factory app needs no record. */
static int
first_slot(const struct mm_production *p)
{
	for (mm_list_each(const struct mm_partition, one, p->table.partitions))
		if (one->type == MM_PARTITION_APP && one->subtype == 0)
			return MM_OTADATA_BLANK;
	return 0;
}

static enum mm_error
make_otadata(struct planning *g)
{
	uint8_t *otadata;
	bool wanted = false;
	enum mm_error error =
	    mm_setting_yes(g->p, g->section, "otadata", &wanted);

	if (error != MM_OK || !wanted)
		return error;
	otadata = mm_arena_alloc(&g->p->arena, MM_OTADATA_SIZE);
	if (otadata == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for otadata");
	mm_otadata_make(first_slot(g->p), otadata);
	g->p->otadata = mm_span(otadata, MM_OTADATA_SIZE);
	g->order.otadata = (struct mm_plan_file){"otadata.bin", g->p->otadata};
	return MM_OK;
}

/* yes: it is made; a file: as Secure Boot V1 wants it, signed. */
static enum mm_error
make_table(struct planning *g)
{
	mm_auto(buffer) table = {0};
	const struct mm_setting *wanted = mm_setting_named(g->section, "table");
	enum mm_error error;

	if (wanted == NULL || strcmp(wanted->values[0], "no") == 0)
		return MM_OK;
	if (strcmp(wanted->values[0], "yes") != 0)
		return shared_file(
		    g, wanted->line, wanted->values[0], &g->order.table_file);
	mm_buffer_init(&table, MM_PARTITION_SECTOR);
	error = mm_partitions_binary(&g->p->table, &table);
	if (error != MM_OK)
		return error;
	g->p->table_file = mm_arena_copy(&g->p->arena, mm_buffer_span(&table));
	if (g->p->table_file.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a table");
	g->order.table_file =
	    (struct mm_plan_file){"partition-table.bin", g->p->table_file};
	return MM_OK;
}

static enum mm_error
add_images(struct planning *g)
{
	static const uint8_t stand_in[MM_FLASH_BLOCK];
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < g->p->image_count && error == MM_OK; i++) {
		const struct mm_production_image *image = &g->p->images[i];

		g->order.encrypted_data |= (uint32_t)image->plan.encrypted
					   << g->order.data_count;
		error = add_data(g, image->partition->name,
		    (struct mm_plan_file){
			image->file, mm_span(stand_in, sizeof(stand_in))});
	}
	return error;
}

/* --- keys --- */

/* Where a key is when the plan runs: a file that all share, a descriptor of
 * the hook's, or a file of the unit's. */
static const char *
key_path(struct mm_production *p, enum mm_efuse_use use, bool files)
{
	if (!p->efuse[use].made)
		return p->efuse[use].path;
	return files ? mm_production_say(p, "%s.key", mm_efuse_names[use])
		     : mm_production_say(
			   p, "/dev/fd/%d", MM_UNIT_KEY_FD + (int)use);
}

static enum mm_error
name_keys(struct planning *g, bool files)
{
	struct mm_plan_key *keys[MM_EFUSE_USES] = {
	    &g->order.flash_key, &g->order.hmac_key, &g->order.ds_key};

	for (size_t use = 0; use < MM_EFUSE_USES; use++) {
		const struct mm_efuse_key *key = &g->p->efuse[use];

		if (!key->there)
			continue;
		*keys[use] = (struct mm_plan_key){
		    .path = key_path(g->p, (enum mm_efuse_use)use, files),
		    .size = key->size,
		    .block = key->block};
		if (keys[use]->path == NULL)
			return mm_fail(MM_E_MEMORY, "no memory for a plan");
	}
	return MM_OK;
}

/* --- the whole --- */

static enum mm_error
read_block(struct planning *g)
{
	struct mm_efuse_key *key = &g->p->efuse[MM_EFUSE_HMAC];
	const struct mm_setting *block =
	    mm_setting_named(g->section, "hmac-block");

	if (key->there && block == NULL)
		return mm_production_wrong(g->p, g->section->line, MM_E_FORMAT,
		    "the plan does not say into which key block the HMAC key "
		    "goes: say hmac-block");
	if (!key->there && block != NULL)
		return mm_production_wrong(g->p, block->line, MM_E_FORMAT,
		    "hmac-block goes with hmac-key");
	return mm_setting_number(
	    g->p, g->section, "hmac-block", 0, 5, &key->block);
}

static enum mm_error
read_switches(struct planning *g)
{
	struct mm_plan_order *order = &g->order;
	enum mm_error error = mm_setting_yes(
	    g->p, g->section, "development", &order->development);

	mm_setting_text(g->section, "port", &order->port, NULL);
	if (error == MM_OK)
		error =
		    mm_setting_yes(g->p, g->section, "sha384", &order->sha384);
	return error == MM_OK ? mm_setting_yes(g->p, g->section,
				    "keep-download", &order->keep_download)
			      : error;
}

static enum mm_error
read_order(struct planning *g)
{
	enum mm_error error = read_switches(g);

	if (error == MM_OK)
		error = read_block(g);
	if (error == MM_OK)
		error = named_file(g, "bootloader", &g->order.bootloader);
	if (error == MM_OK)
		error = named_file(g, "app", &g->order.app);
	if (error == MM_OK)
		error = make_table(g);
	if (error == MM_OK)
		error = make_otadata(g);
	if (error == MM_OK)
		error = add_images(g);
	if (error == MM_OK)
		error = read_data(g);
	if (error == MM_OK)
		error = read_digests(g);
	return error == MM_OK ? read_v1(g) : error;
}

static enum mm_error
keep(struct mm_production *p, struct mm_buffer *text, struct mm_span *out)
{
	if (text->error != MM_OK)
		return mm_fail(text->error, "no memory for a plan");
	*out = mm_arena_copy(&p->arena, mm_buffer_span(text));
	mm_buffer_reset(text);
	return out->data != NULL ? MM_OK
				 : mm_fail(MM_E_MEMORY, "no memory for a plan");
}

static enum mm_error
add_json(
    const struct planning *g, const struct mm_plan *plan, struct mm_buffer *out)
{
	json_t *object = mm_plan_json(&g->order, plan);
	mm_autofree char *words =
	    object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;

	json_decref(object);
	if (words == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a plan");
	mm_buffer_printf(out, "%s\n", words);
	return out->error;
}

static enum mm_error
make(struct planning *g, bool files, struct mm_production_plan *out)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) text = {0};
	struct mm_plan plan;
	enum mm_error error = name_keys(g, files);

	mm_arena_init(&arena, MM_PLAN_ARENA);
	mm_buffer_init(&text, TEXT_MAX);
	if (error == MM_OK)
		error = mm_plan_make(&g->order, &arena, &plan);
	if (error != MM_OK)
		return mm_production_in_line(g->p, g->section->line, error);
	mm_plan_text(&g->order, &plan, &text);
	error = keep(g->p, &text, &out->text);
	if (error == MM_OK) {
		mm_plan_script(&g->order, &plan, &text);
		error = keep(g->p, &text, &out->script);
	}
	if (error == MM_OK)
		error = add_json(g, &plan, &text);
	if (error == MM_OK)
		error = keep(g->p, &text, &out->json);
	out->there = error == MM_OK;
	return error;
}

enum mm_error
mm_production_plan(struct mm_production *p)
{
	mm_autofree struct planning *g = NULL;
	const struct mm_section *section = mm_production_section(p, "plan");
	enum mm_error error;

	if (section == NULL)
		return MM_OK;
	if (p->chip == NULL || !p->has_table)
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "a plan needs chip and partitions, outside of sections");
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a plan");
	g->p = p;
	g->section = section;
	g->order.chip = p->chip;
	g->order.table = &p->table;
	g->order.table_offset = p->table_offset;
	g->order.data = g->data;
	g->order.apart = true;
	error = read_order(g);
	if (error == MM_OK)
		error = make(g, false, &p->plan[0]);
	return error == MM_OK ? make(g, true, &p->plan[1]) : error;
}
