#include "factory/unit.h"

#include <string.h>

#include "factory/csv.h"
#include "factory/unit_parts.h"

/* --- a unit's memory --- */

enum mm_error
mm_unit_alloc(const struct mm_production *production, struct mm_unit **out)
{
	struct mm_flash_secret memory;
	struct mm_unit *unit;
	enum mm_error error;

	if (sodium_init() < 0)
		return mm_fail(MM_E_SYSTEM, "libsodium cannot be had");
	error = mm_flash_secret_new(sizeof(*unit), &memory);
	if (error != MM_OK)
		return error;
	unit = (struct mm_unit *)(void *)memory.data;
	memset(unit, 0, sizeof(*unit));
	unit->memory = memory;
	unit->production = production;
	mm_arena_init(&unit->arena, MM_UNIT_ARENA);
	mm_buffer_init(&unit->csr, 16384);
	mm_buffer_init(&unit->spki, 4096);
	mm_buffer_init(&unit->row, 1 << 18);
	*out = unit;
	return MM_OK;
}

void
mm_unit_free(struct mm_unit *unit)
{
	struct mm_flash_secret memory;

	if (unit == NULL)
		return;
	memory = unit->memory;
	for (size_t i = 0; i < unit->secret_count; i++)
		mm_flash_secret_clear(&unit->secrets[i]);
	mm_flash_secret_clear(&unit->key);
	mm_arena_clear(&unit->arena);
	mm_buffer_clear(&unit->csr);
	mm_buffer_clear(&unit->spki);
	mm_buffer_clear(&unit->row);
	mm_flash_secret_clear(&memory);
}

/* --- made --- */

static enum mm_error
make_flash_key(struct mm_unit *unit)
{
	const struct mm_production *p = unit->production;
	mm_auto(flash_secret) key = {0};
	enum mm_error error = mm_flash_key_make_sized(
	    p->chip, p->efuse[MM_EFUSE_FLASH].size, &key);

	if (error == MM_OK)
		memcpy(unit->efuse[MM_EFUSE_FLASH], key.data, key.size);
	return error;
}

static enum mm_error
make_keys(struct mm_unit *unit)
{
	const struct mm_production *p = unit->production;
	enum mm_error error = MM_OK;

	if (!p->csr)
		error = mm_device_key_make(p->key, &unit->key);
	if (error == MM_OK && p->efuse[MM_EFUSE_FLASH].made)
		error = make_flash_key(unit);
	for (size_t use = MM_EFUSE_HMAC; use < MM_EFUSE_USES; use++)
		if (p->efuse[use].made)
			randombytes_buf(unit->efuse[use], p->efuse[use].size);
	for (size_t i = 0; i < p->image_count; i++)
		if (mm_production_makes_keys(&p->images[i]))
			mm_nvs_key_random(unit->nvs_keys[i]);
	return error;
}

static enum mm_error
make(struct mm_unit *unit, const struct mm_unit_terms *terms)
{
	const struct mm_production *p = unit->production;
	enum mm_error error = mm_unit_fill(p, terms, false, &unit->values);

	if (error == MM_OK)
		error = make_keys(unit);
	if (error != MM_OK)
		return error;
	return p->csr ? mm_unit_read_csr(
			    p, &unit->values.list, &unit->csr, &unit->spki)
		      : mm_device_key_csr(&unit->key, &unit->csr, &unit->spki);
}

enum mm_error
mm_unit_new(const struct mm_production *production,
    const struct mm_unit_terms *terms, struct mm_unit **out)
{
	struct mm_unit *unit;
	enum mm_error error = mm_unit_alloc(production, &unit);

	if (error != MM_OK)
		return error;
	unit->plain_keys = terms->plain_keys;
	unit->ordinal = terms->ordinal;
	unit->now = terms->now;
	error = make(unit, terms);
	if (error != MM_OK) {
		mm_unit_free(unit);
		return error;
	}
	*out = unit;
	return MM_OK;
}

/* --- looked at --- */

struct mm_span
mm_unit_device(const struct mm_unit *unit)
{
	return mm_label_value(&unit->values.list, mm_span_text("device"))
	    ->value;
}

struct mm_span
mm_unit_csr(const struct mm_unit *unit)
{
	return mm_buffer_span(&unit->csr);
}

struct mm_span
mm_unit_spki(const struct mm_unit *unit)
{
	return mm_buffer_span(&unit->spki);
}

uint64_t
mm_unit_ordinal(const struct mm_unit *unit)
{
	return unit->ordinal;
}

struct mm_span
mm_unit_efuse(const struct mm_unit *unit, enum mm_efuse_use use)
{
	const struct mm_efuse_key *key = &unit->production->efuse[use];

	if (!key->there)
		return mm_span(NULL, 0);
	return key->made ? mm_span(unit->efuse[use], key->size)
			 : mm_span(key->key.data, key->key.size);
}

size_t
mm_unit_keys(const struct mm_unit *unit, struct mm_unit_key out[MM_UNIT_KEYS])
{
	size_t count = 0;

	for (size_t use = 0; use < MM_EFUSE_USES; use++)
		if (unit->production->efuse[use].made)
			out[count++] = (struct mm_unit_key){
			    .fd = MM_UNIT_KEY_FD + (int)use,
			    .name = mm_efuse_names[use],
			    .bytes =
				mm_unit_efuse(unit, (enum mm_efuse_use)use)};
	return count;
}

/* --- results --- */

enum mm_error
mm_unit_results(const struct mm_unit *unit, struct mm_buffer *out)
{
	const struct mm_production *p = unit->production;
	const char *comma = "";

	for (size_t i = 0; i < p->value_count; i++) {
		const struct mm_label_value *value;

		if (p->values[i].secret)
			continue;
		value = mm_label_value(&unit->values.list, p->values[i].name);
		mm_buffer_add_text(out, comma);
		comma = ",";
		if (value != NULL)
			mm_csv_cell(value->value, out);
	}
	return out->error;
}
