/*
 * Inside a unit, for this room. The whole of it lies in sodium memory.
 */
#ifndef MM_FACTORY_UNIT_PARTS_H
#define MM_FACTORY_UNIT_PARTS_H

#include "factory/production_parts.h"
#include "factory/register.h"

enum {
	MM_UNIT_VALUE_MAX = 4096, /* bytes of a value */
	MM_UNIT_POOL = 10240,     /* of all their names and values */
	MM_UNIT_BUILTINS = 4,
	MM_UNIT_CSR_MAX = MM_DEVICE_KEY_MAX, /* bytes of a device's own */
	MM_UNIT_SERIAL = 40, /* hexadecimal digits of a certificate's */
	MM_UNIT_FILES_MAX = MM_PRODUCTION_IMAGES_MAX + 20,
	MM_UNIT_ARENA = 64 << 20
};

struct mm_unit_values {
	struct mm_label_values list;
	size_t used; /* of the pool */
	uint8_t pool[MM_UNIT_POOL];
	uint8_t scratch[MM_UNIT_VALUE_MAX]; /* a text in the making */
};

struct mm_unit {
	struct mm_flash_secret memory; /* where it lies */
	const struct mm_production *production;
	struct mm_unit_values values;
	bool plain_keys;
	uint64_t ordinal, now;

	struct mm_flash_secret key; /* DER; none with key = "csr" */
	uint8_t efuse[MM_EFUSE_USES][MM_PRODUCTION_EFUSE_KEY_MAX];
	uint8_t nvs_keys[MM_PRODUCTION_IMAGES_MAX][MM_NVS_KEY];
	struct mm_buffer csr, spki; /* DER */

	struct mm_arena arena; /* what is no secret */
	bool finished;
	struct mm_registration registration;
	struct mm_buffer row; /* of the registration */
	struct mm_unit_file files[MM_UNIT_FILES_MAX];
	size_t file_count;
	struct mm_flash_secret secrets[MM_UNIT_FILES_MAX]; /* files' bytes */
	size_t secret_count;
};

/* --- unit.c --- */

/* An empty one. MM_E_MEMORY. */
enum mm_error mm_unit_alloc(
    const struct mm_production *production, struct mm_unit **out) mm_must_use;
/* The bytes of an eFuse's key: the unit's own, or those of a file. */
struct mm_span mm_unit_efuse(const struct mm_unit *unit, enum mm_efuse_use use);

/* --- unit_values.c --- */

/* Copies one more value; a name that is there is replaced. MM_E_RANGE. */
enum mm_error mm_unit_put(struct mm_unit_values *values, struct mm_span name,
    struct mm_span value) mm_must_use;
/* All values that the template makes or names; `stand_in`: random ones are
 * stood in for, and what comes with the certificate is there. */
enum mm_error mm_unit_fill(const struct mm_production *production,
    const struct mm_unit_terms *terms, bool stand_in,
    struct mm_unit_values *out) mm_must_use;

/* --- unit_csr.c --- */

/* The device's own CSR: DER of it and of its SubjectPublicKeyInfo. */
enum mm_error mm_unit_read_csr(const struct mm_production *production,
    const struct mm_label_values *values, struct mm_buffer *csr,
    struct mm_buffer *spki) mm_must_use;
/* DER of both, of a CSR in PEM or DER. */
enum mm_error mm_unit_parse_csr(struct mm_span bytes, struct mm_buffer *csr,
    struct mm_buffer *spki) mm_must_use;

/* --- unit_json.c --- */

/* Appends unit.json: what the hook reads. */
enum mm_error
mm_unit_json(const struct mm_unit *unit, struct mm_buffer *out) mm_must_use;

/* --- unit_register.c --- */

/* Makes the unit's row: what it cannot be is told before the unit's files are
 * there. */
enum mm_error
mm_unit_make_row(struct mm_unit *unit, const struct mm_list *chain) mm_must_use;

/* The row of one device; `ca` is PEM. */
enum mm_error mm_unit_register_row(const struct mm_production *production,
    const struct mm_registration *device, struct mm_span ca,
    struct mm_buffer *out) mm_must_use;

#endif
