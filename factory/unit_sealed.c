/*
 * A unit as the journal keeps it: all that making it again needs, in CBOR.
 */
#include <string.h>

#include "factory/unit_parts.h"
#include "protocol/shape.h"

/* Bounds: MM_UNIT_POOL of values and 8 bytes of heads each, a key or a CSR,
 * 64 bytes an image and an eFuse; together below MM_UNIT_SEALED_MAX. */
struct sealed_value {
	struct mm_span name, value;
};
static const struct mm_field sealed_value_fields[] = {
    MM_FIELD(sealed_value, 0, name, MM_TEXT, 1, MM_UNIT_VALUE_MAX),
    MM_FIELD(sealed_value, 1, value, MM_TEXT, 1, MM_UNIT_VALUE_MAX)};
static MM_SHAPE(sealed_value_shape, sealed_value, sealed_value_fields);

struct sealed {
	struct mm_span keys; /* digest_of_keys() */
	uint64_t ordinal, now;
	struct mm_list values;
	struct mm_span key, csr;
	struct mm_list efuse, nvs; /* mm_bytes_item: each use, each image */
};
static const struct mm_field sealed_fields[] = {
    MM_FIELD(sealed, 0, keys, MM_BYTES, 32, 32),
    MM_FIELD(sealed, 1, ordinal, MM_UINT, 0, UINT64_MAX),
    MM_FIELD(sealed, 2, now, MM_UINT, 0, UINT64_MAX),
    MM_MANY(sealed, 3, values, &sealed_value_shape, 1, MM_LABEL_VALUES),
    MM_OPTIONAL(sealed, 4, key, MM_BYTES, 1, MM_DEVICE_KEY_MAX),
    MM_OPTIONAL(sealed, 5, csr, MM_BYTES, 1, MM_UNIT_CSR_MAX),
    MM_ANY(sealed, 6, efuse, &mm_bytes_item_shape, MM_EFUSE_USES),
    MM_ANY(sealed, 7, nvs, &mm_bytes_item_shape, MM_PRODUCTION_IMAGES_MAX)};
static MM_SHAPE(sealed_shape, sealed, sealed_fields);

/* The keys that are made, in their order. */
static size_t
made_efuse(const struct mm_unit *unit, struct mm_bytes_item *out)
{
	size_t count = 0;

	for (size_t use = 0; use < MM_EFUSE_USES; use++)
		if (unit->production->efuse[use].made)
			out[count++].value = mm_span(unit->efuse[use],
			    unit->production->efuse[use].size);
	return count;
}

static size_t
made_nvs(const struct mm_unit *unit, struct mm_bytes_item *out)
{
	const struct mm_production *p = unit->production;
	size_t count = 0;

	for (size_t i = 0; i < p->image_count; i++)
		if (mm_production_makes_keys(&p->images[i]))
			out[count++].value =
			    mm_span(unit->nvs_keys[i], MM_NVS_KEY);
	return count;
}

/* Which keys the template makes of a unit: those that were made are good with
 * another template where it makes the same ones. */
static void
digest_of_keys(const struct mm_production *p, uint8_t out[32])
{
	const char *kind = p->csr ? "csr" : mm_device_key_name(p->key);
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(
	    &state, (const uint8_t *)kind, strlen(kind) + 1);
	for (size_t use = 0; use < MM_EFUSE_USES; use++) {
		uint8_t size =
		    p->efuse[use].made ? (uint8_t)p->efuse[use].size : 0;

		crypto_hash_sha256_update(&state, &size, sizeof(size));
	}
	for (size_t i = 0; i < p->image_count; i++)
		if (mm_production_makes_keys(&p->images[i]))
			crypto_hash_sha256_update(&state,
			    (const uint8_t *)p->images[i].name,
			    strlen(p->images[i].name) + 1);
	crypto_hash_sha256_final(&state, out);
}

enum mm_error
mm_unit_encode(const struct mm_unit *unit, struct mm_buffer *out)
{
	const struct mm_production *p = unit->production;
	struct mm_bytes_item efuse[MM_EFUSE_USES];
	struct mm_bytes_item nvs[MM_PRODUCTION_IMAGES_MAX];
	uint8_t keys[32] = {0};
	const struct sealed sealed = {.keys = mm_span(keys, sizeof(keys)),
	    .ordinal = unit->ordinal,
	    .now = unit->now,
	    .values = {unit->values.list.items, unit->values.list.count},
	    .key = mm_span(unit->key.data, unit->key.size),
	    .csr = p->csr ? mm_buffer_span(&unit->csr) : mm_span(NULL, 0),
	    .efuse = {efuse, made_efuse(unit, efuse)},
	    .nvs = {nvs, made_nvs(unit, nvs)}};

	digest_of_keys(p, keys);
	return mm_shape_encode(&sealed_shape, &sealed, out);
}

/* --- opened --- */

static enum mm_error
another(void)
{
	return mm_fail(MM_E_FORMAT,
	    "this unit was begun with another template, or it is damaged");
}

static enum mm_error
take_keys(struct mm_unit *unit, const struct sealed *sealed)
{
	struct mm_bytes_item efuse[MM_EFUSE_USES];
	struct mm_bytes_item nvs[MM_PRODUCTION_IMAGES_MAX];
	const struct {
		struct mm_bytes_item *to;
		size_t count;
		const struct mm_list *from;
	} both[] = {{efuse, made_efuse(unit, efuse), &sealed->efuse},
	    {nvs, made_nvs(unit, nvs), &sealed->nvs}};

	for (size_t i = 0; i < MM_COUNT(both); i++) {
		if (both[i].count != both[i].from->count)
			return another();
		for (size_t k = 0; k < both[i].count; k++) {
			struct mm_span to = both[i].to[k].value,
				       from = mm_list_at(*both[i].from,
					   struct mm_bytes_item, k)
						  ->value;

			if (to.size != from.size)
				return another();
			/* It is the unit's own memory. */
			memcpy((uint8_t *)(uintptr_t)to.data, from.data,
			    from.size);
		}
	}
	return MM_OK;
}

static enum mm_error
take_device_key(struct mm_unit *unit, const struct sealed *sealed)
{
	enum mm_error error;

	if (unit->production->csr)
		return sealed->csr.size > 0 && sealed->key.size == 0
			   ? mm_unit_parse_csr(
				 sealed->csr, &unit->csr, &unit->spki)
			   : another();
	if (sealed->key.size == 0 || sealed->csr.size > 0)
		return another();
	error = mm_flash_secret_new(sealed->key.size, &unit->key);
	if (error != MM_OK)
		return error;
	memcpy(unit->key.data, sealed->key.data, sealed->key.size);
	return mm_device_key_csr(&unit->key, &unit->csr, &unit->spki);
}

static enum mm_error
check_keys(const struct mm_unit *unit, const struct sealed *sealed)
{
	uint8_t keys[32];

	digest_of_keys(unit->production, keys);
	if (mm_span_equal(sealed->keys, mm_span(keys, sizeof(keys))))
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "%.*s was begun with a template that makes other keys (key, "
	    "flash-encryption, hmac-key, ds-key, or keys of an image): put "
	    "that one back until this unit is finished",
	    MM_SPAN(mm_unit_device(unit)));
}

static enum mm_error
check_value(const struct mm_unit *unit, struct mm_span name)
{
	/* It comes with the certificate. */
	if (mm_span_is(name, "certificate-serial") ||
	    mm_label_value(&unit->values.list, name) != NULL)
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "%.*s was begun with a template that has no value {%.*s}, which "
	    "this one names: take it out until this unit is finished",
	    MM_SPAN(mm_unit_device(unit)), MM_SPAN(name));
}

/* All that the template names is there; whatever else is, goes nowhere. */
static enum mm_error
check_values(const struct mm_unit *unit)
{
	const struct mm_production *p = unit->production;
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->value_count && error == MM_OK; i++)
		error = check_value(unit, p->values[i].name);
	for (size_t i = 0; i < p->name_count && error == MM_OK; i++)
		if (!p->names[i].optional)
			error = check_value(unit, p->names[i].name);
	return error;
}

static enum mm_error
take_sealed(struct mm_unit *unit, const struct sealed *sealed)
{
	enum mm_error error = MM_OK;

	unit->ordinal = sealed->ordinal;
	unit->now = sealed->now;
	for (size_t i = 0; i < sealed->values.count && error == MM_OK; i++) {
		const struct sealed_value *value =
		    mm_list_at(sealed->values, struct sealed_value, i);

		error = mm_unit_put(&unit->values, value->name, value->value);
	}
	if (error == MM_OK &&
	    mm_label_value(&unit->values.list, mm_span_text("device")) == NULL)
		return another();
	if (error == MM_OK)
		error = check_keys(unit, sealed);
	if (error == MM_OK)
		error = check_values(unit);
	if (error == MM_OK)
		error = take_keys(unit, sealed);
	return error == MM_OK ? take_device_key(unit, sealed) : error;
}

enum mm_error
mm_unit_decode(const struct mm_production *production, struct mm_span bytes,
    const struct mm_unit_terms *terms, struct mm_unit **out)
{
	mm_auto(arena) arena = {0};
	struct mm_unit *unit;
	struct sealed sealed;
	enum mm_error error;

	mm_arena_init(&arena, 1 << 16);
	error = mm_shape_decode(&sealed_shape, bytes, &arena, &sealed);
	if (error != MM_OK)
		return another();
	error = mm_unit_alloc(production, &unit);
	if (error != MM_OK)
		return error;
	unit->plain_keys = terms->plain_keys;
	error = take_sealed(unit, &sealed);
	if (error != MM_OK) {
		mm_unit_free(unit);
		return error;
	}
	*out = unit;
	return MM_OK;
}
