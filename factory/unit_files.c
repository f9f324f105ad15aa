/*
 * A unit's files, when its certificate is there.
 */
#include <string.h>

#include "ca/certificate.h"
#include "factory/unit_parts.h"
#include "protocol/message.h"
#include "protocol/shape.h"

enum { PEM_MAX = 1 << 20, JSON_MAX = 1 << 20, ARENA = 1 << 16 };

/* --- files --- */

static enum mm_error
add(struct mm_unit *unit, const struct mm_unit_file *file)
{
	if (unit->file_count == MM_UNIT_FILES_MAX)
		return mm_fail(MM_E_BUG, "a unit has too many files");
	unit->files[unit->file_count++] = *file;
	return MM_OK;
}

/* Bytes that are the template's, and live as long as it. */
static enum mm_error
add_shared(
    struct mm_unit *unit, const char *name, struct mm_span bytes, bool script)
{
	return add(unit, &(struct mm_unit_file){name, bytes, false, script});
}

/* A file whose bytes are copied. */
static enum mm_error
add_file(struct mm_unit *unit, const char *name, struct mm_span bytes)
{
	struct mm_span copy = mm_arena_copy(&unit->arena, bytes);

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for %s", name);
	return add(unit, &(struct mm_unit_file){name, copy, false, false});
}

/* A file that is a secret, which is taken. */
static enum mm_error
add_secret(
    struct mm_unit *unit, const char *name, struct mm_flash_secret *bytes)
{
	const struct mm_unit_file file = {
	    name, mm_span(bytes->data, bytes->size), true, false};
	enum mm_error error = add(unit, &file);

	if (error == MM_OK) {
		unit->secrets[unit->secret_count++] =
		    mm_flash_secret_take(bytes, bytes->size);
	}
	return error;
}

static enum mm_error
add_copied_secret(struct mm_unit *unit, const char *name, struct mm_span bytes)
{
	mm_auto(flash_secret) copy = {0};
	enum mm_error error = mm_flash_secret_new(bytes.size, &copy);

	if (error != MM_OK)
		return error;
	memcpy(copy.data, bytes.data, bytes.size);
	return add_secret(unit, name, &copy);
}

/* --- certificates --- */

/* Whoever needs a common name says so where its row is made; there are profiles
 * without one. */
static void
read_registration(
    struct mm_span der, const struct mm_tbs *read, struct mm_registration *row)
{
	uint8_t sha256[crypto_hash_sha256_BYTES];

	if (mm_registration_read(der, row) == MM_OK)
		return;
	crypto_hash_sha256(sha256, der.data, der.size);
	sodium_bin2hex(
	    row->sha256, sizeof(row->sha256), sha256, sizeof(sha256));
	sodium_bin2hex(row->serial, sizeof(row->serial), read->serial,
	    sizeof(read->serial));
	row->certificate = der;
}

/* Names and key identifiers alone: the answer's signatures are checked. */
static enum mm_error
check_root(struct mm_span root, const struct mm_tbs *below)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) tbs = {0};
	struct mm_tbs above;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&tbs, PEM_MAX);
	error = mm_certificate_tbs(root, &tbs);
	if (error == MM_OK)
		error = mm_tbs_read(mm_buffer_span(&tbs), &arena, &above);
	if (error != MM_OK)
		return error;
	if (mm_span_equal(below->issuer, above.subject) &&
	    (below->authority.size == 0 ||
		mm_span_equal(
		    below->authority, mm_span(above.key.ski, MM_SKI_SIZE))))
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "the template's root is not the one above this certificate");
}

/* The topmost of the chain, or the device's own, is by the template's root. */
static enum mm_error
check_top(const struct mm_unit *unit, const struct mm_list *chain,
    const struct mm_tbs *device)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) tbs = {0};
	struct mm_tbs read;
	enum mm_error error;

	if (unit->production->root.size == 0)
		return MM_OK;
	if (chain->count == 0)
		return check_root(unit->production->root, device);
	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&tbs, PEM_MAX);
	error = mm_certificate_tbs(
	    mm_list_at(*chain, struct mm_bytes_item, chain->count - 1)->value,
	    &tbs);
	if (error == MM_OK)
		error = mm_tbs_read(mm_buffer_span(&tbs), &arena, &read);
	return error == MM_OK ? check_root(unit->production->root, &read)
			      : error;
}

static enum mm_error
read_certificate(
    struct mm_unit *unit, const struct mm_unit_certificate *certificate)
{
	struct mm_registration *row = &unit->registration;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) tbs = {0};
	struct mm_span der;
	struct mm_tbs read;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&tbs, PEM_MAX);
	der = mm_arena_copy(&unit->arena, certificate->certificate);
	if (der.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	error = mm_certificate_tbs(der, &tbs);
	if (error == MM_OK)
		error = mm_tbs_read(mm_buffer_span(&tbs), &arena, &read);
	if (error == MM_OK &&
	    !mm_span_equal(read.spki, mm_buffer_span(&unit->spki)))
		return mm_fail(MM_E_FORMAT,
		    "the certificate is for another key than this unit's");
	if (error == MM_OK)
		error = check_top(unit, certificate->chain, &read);
	if (error != MM_OK)
		return error;
	read_registration(der, &read, row);
	row->index = certificate->index;
	if (mm_unit_device(unit).size >= sizeof(row->device))
		return mm_fail(MM_E_RANGE, "the device id is too long");
	mm_span_string(mm_unit_device(unit), row->device, sizeof(row->device));
	return mm_unit_put(&unit->values, mm_span_text("certificate-serial"),
	    mm_span_text(row->serial));
}

static enum mm_error
add_certificates(
    struct mm_unit *unit, const struct mm_unit_certificate *certificate)
{
	mm_auto(buffer) pem = {0};
	enum mm_error error;

	mm_buffer_init(&pem, PEM_MAX);
	error = mm_pem_encode("CERTIFICATE", certificate->certificate, &pem);
	if (error == MM_OK)
		error = add_file(unit, "device.crt", mm_buffer_span(&pem));
	mm_buffer_reset(&pem);
	for (mm_list_each(
		 const struct mm_bytes_item, item, *certificate->chain))
		if (error == MM_OK)
			error = mm_pem_encode("CERTIFICATE", item->value, &pem);
	if (error == MM_OK && pem.size > 0)
		error = add_file(unit, "chain.pem", mm_buffer_span(&pem));
	if (error == MM_OK && certificate->receipt.size > 0)
		error = add_file(unit, "device.receipt", certificate->receipt);
	return error;
}

/* --- images --- */

/* The NVS keys that an image uses, or is of. */
static enum mm_error
nvs_key_of(const struct mm_unit *unit, size_t at, uint8_t key[MM_NVS_KEY])
{
	const struct mm_production *p = unit->production;
	size_t from = p->images[at].of >= 0 ? (size_t)p->images[at].of : at;

	if (p->images[from].plan.keys == MM_IMAGE_KEYS_GIVEN)
		return mm_nvs_keys_decode(p->images[from].plan.nvs_key, key);
	memcpy(key, unit->nvs_keys[from], MM_NVS_KEY);
	return MM_OK;
}

static enum mm_error
add_image(struct mm_unit *unit, size_t at, struct mm_image_unit *parts)
{
	const struct mm_production_image *image = &unit->production->images[at];
	mm_auto(flash_secret) key = {0};
	mm_auto(flash_secret) bytes = {0};
	enum mm_error error = MM_OK;

	if (image->plan.format == MM_IMAGE_NVS_KEYS ||
	    image->plan.keys == MM_IMAGE_KEYS_MADE) {
		error = mm_flash_secret_new(MM_NVS_KEY, &key);
		if (error == MM_OK)
			error = nvs_key_of(unit, at, key.data);
	}
	parts->nvs_key = key.data;
	if (error == MM_OK)
		error = mm_unit_image_make(image->image, parts, &bytes);
	parts->nvs_key = NULL;
	if (error != MM_OK)
		return image->rows != NULL
			   ? error
			   : mm_production_in_line(
				 unit->production, image->line, error);
	return add_secret(unit, image->file, &bytes);
}

static enum mm_error
add_images(struct mm_unit *unit, const struct mm_unit_certificate *certificate)
{
	struct mm_span spans[MM_CHAIN_MAX];
	struct mm_list chain = {spans, certificate->chain->count};
	struct mm_image_unit parts = {.values = &unit->values.list,
	    .certificate = certificate->certificate,
	    .chain = &chain,
	    .root = unit->production->root,
	    .key = unit->production->csr ? NULL : &unit->key,
	    .hmac_key = mm_unit_efuse(unit, MM_EFUSE_HMAC).data,
	    .ds_key = mm_unit_efuse(unit, MM_EFUSE_DS).data,
	    .flash_key = mm_unit_efuse(unit, MM_EFUSE_FLASH)};
	enum mm_error error = MM_OK;

	if (chain.count > MM_CHAIN_MAX)
		return mm_fail(MM_E_RANGE,
		    "the chain has more than %d certificates", MM_CHAIN_MAX);
	for (size_t i = 0; i < chain.count; i++)
		spans[i] =
		    mm_list_at(*certificate->chain, struct mm_bytes_item, i)
			->value;
	for (size_t i = 0; i < unit->production->image_count && error == MM_OK;
	     i++)
		error = add_image(unit, i, &parts);
	return error;
}

/* --- label, plan, keys --- */

static enum mm_error
add_label(struct mm_unit *unit)
{
	const struct mm_production_label *how = &unit->production->label;
	mm_auto(buffer) out = {0};
	enum mm_error error;

	if (!how->there)
		return MM_OK;
	mm_buffer_init(&out, MM_LABEL_DRAWN_MAX);
	error = mm_production_draw(unit->production, &unit->values.list, &out);
	if (error == MM_OK)
		error = how->secret
			    ? add_copied_secret(
				  unit, how->file, mm_buffer_span(&out))
			    : add_file(unit, how->file, mm_buffer_span(&out));
	if (how->secret && out.data != NULL)
		sodium_memzero(out.data, out.size);
	return error;
}

static enum mm_error
add_plan(struct mm_unit *unit)
{
	const struct mm_production *p = unit->production;
	const struct mm_production_plan *plan = &p->plan[unit->plain_keys];
	enum mm_error error = MM_OK;

	if (!plan->there)
		return MM_OK;
	if (p->otadata.size > 0)
		error = add_shared(unit, "otadata.bin", p->otadata, false);
	if (error == MM_OK && p->table_file.size > 0)
		error = add_shared(
		    unit, "partition-table.bin", p->table_file, false);
	if (error == MM_OK)
		error = add_shared(unit, "plan.txt", plan->text, false);
	if (error == MM_OK)
		error = add_shared(unit, "plan.json", plan->json, false);
	return error == MM_OK ? add_shared(unit, "flash.sh", plan->script, true)
			      : error;
}

static enum mm_error
add_keys(struct mm_unit *unit)
{
	static const char *const names[MM_EFUSE_USES] = {
	    "flash.key", "hmac.key", "ds.key"};
	mm_auto(flash_secret) pem = {0};
	enum mm_error error = MM_OK;

	if (!unit->plain_keys)
		return MM_OK;
	if (!unit->production->csr)
		error = mm_private_key_pem(&unit->key, &pem);
	if (error == MM_OK && pem.size > 0)
		error = add_secret(unit, "key.pem", &pem);
	for (size_t use = 0; use < MM_EFUSE_USES && error == MM_OK; use++)
		if (unit->production->efuse[use].made)
			error = add_copied_secret(unit, names[use],
			    mm_unit_efuse(unit, (enum mm_efuse_use)use));
	return error;
}

static enum mm_error
add_json(struct mm_unit *unit)
{
	mm_auto(buffer) json = {0};
	enum mm_error error;

	mm_buffer_init(&json, JSON_MAX);
	error = mm_unit_json(unit, &json);
	return error == MM_OK
		   ? add_file(unit, "unit.json", mm_buffer_span(&json))
		   : error;
}

enum mm_error
mm_unit_finish(struct mm_unit *unit,
    const struct mm_unit_certificate *certificate,
    const struct mm_unit_file **files, size_t *count)
{
	enum mm_error error;

	if (unit->finished)
		return mm_fail(MM_E_BUG, "the unit is finished already");
	unit->finished = true;
	error = read_certificate(unit, certificate);
	if (error == MM_OK)
		error = add_certificates(unit, certificate);
	if (error == MM_OK)
		error = add_images(unit, certificate);
	if (error == MM_OK)
		error = add_plan(unit);
	if (error == MM_OK)
		error = add_label(unit);
	if (error == MM_OK)
		error = add_keys(unit);
	if (error == MM_OK)
		error = mm_unit_make_row(unit, certificate->chain);
	if (error == MM_OK)
		error = add_json(unit);
	if (error != MM_OK)
		return error;
	*files = unit->files;
	*count = unit->file_count;
	return MM_OK;
}
