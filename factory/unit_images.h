/*
 * A unit's partition images, in memory. An image is read once with its
 * template (mm_unit_image_new()) and made once a unit (mm_unit_image_make()).
 *
 *   unit_images.c       which is made how, flash encryption
 *   unit_nvs.c          NVS: rows with `{NAME}` in them
 *   unit_text.c         texts with `{NAME}` in them, read once
 *   unit_contents.c     certificates and keys as rows name them
 *   unit_least.c        how small those can be
 *   unit_secure_cert.c  esp_secure_cert
 *
 * NVS rows are the vendor's CSV (nvs.h). A value may hold `{NAME}`, as
 * label.h's templates do; `{{` and `}}` are braces. A row of the type `file`
 * names a file, read once with the template (or, with `{NAME}` in its path,
 * once a unit), or contents of this unit, alone in their cell:
 *
 *	{certificate.der}  {certificate.pem}	the device's
 *	{chain.pem}				its issuer and up, as issued:
 *the root left out; maybe none {full-chain.pem}			the
 *device's, then those
 *	{issuer.der} {issuer.pem}		the first of the chain, or the
 *root {ca.der} {ca.pem}			the root {key.der} {key.pem}
 *the private key
 *
 * DER takes the encoding binary or a fill, PEM string, too.
 */
#ifndef MM_FACTORY_UNIT_IMAGES_H
#define MM_FACTORY_UNIT_IMAGES_H

#include <sodium.h>

#include "factory/flash_encryption.h"
#include "factory/label.h"
#include "factory/nvs.h"
#include "factory/secure_cert_write.h"
#include "factory/unit_key.h"

enum mm_unit_image_format {
	MM_IMAGE_NVS,
	MM_IMAGE_NVS_KEYS,   /* a key partition, of mm_image_unit.nvs_key */
	MM_IMAGE_SECURE_CERT /* esp_secure_cert */
};

enum mm_image_nvs_keys {
	MM_IMAGE_KEYS_NONE,
	MM_IMAGE_KEYS_MADE, /* mm_image_unit.nvs_key */
	MM_IMAGE_KEYS_HMAC, /* derived from mm_image_unit.hmac_key */
	MM_IMAGE_KEYS_GIVEN /* mm_image_plan.nvs_key, the same for all */
};

enum mm_image_ca {
	MM_IMAGE_CA_NONE,
	MM_IMAGE_CA_ISSUER, /* the first of the chain, or the root */
	MM_IMAGE_CA_ROOT,
	MM_IMAGE_CA_FILE /* mm_image_plan.ca_file */
};

/* The device made its key itself: images that want it are refused. */
enum { MM_IMAGE_KEY_ELSEWHERE = -1 };

/* An image as a template has it. What it points to is read by
 * mm_unit_image_new() and may go afterwards, but for `chip`. */
struct mm_image_plan {
	const char *name; /* for errors */
	enum mm_unit_image_format format;
	uint64_t size;   /* bytes of its partition; NVS: of the image, too */
	uint64_t offset; /* in flash; for `encrypted` */
	bool encrypted;  /* flash encryption covers it */
	const struct mm_chip *chip; /* for `encrypted` and `ds` */

	int key; /* enum mm_device_key_kind, or MM_IMAGE_KEY_ELSEWHERE */

	/* NVS */
	struct mm_nvs_source rows; /* .beside: where its files lie */
	unsigned version;          /* 2 or 1; 0: 2 */
	enum mm_image_nvs_keys keys;
	struct mm_span nvs_key; /* GIVEN: a key partition's bytes, or
				 * MM_NVS_KEY */

	/* esp_secure_cert */
	enum mm_secure_cert_layout layout;
	enum mm_image_ca ca;
	struct mm_secure_cert_file ca_file;
	bool pem;          /* all stands as PEM; else DER */
	bool ds;           /* the key through the DS peripheral, under
			    * mm_image_unit.ds_key */
	uint8_t efuse_key; /* of BLOCK_KEY0 to 5, for `ds` */
};

/* What a unit brings. What a unit's images do not need may be NULL. */
struct mm_image_unit {
	const struct mm_label_values *values; /* what names stand for */
	struct mm_span certificate;           /* DER */
	const struct mm_list *chain; /* struct mm_span, DER, issuer first, the
				      * root left out */
	struct mm_span root;         /* DER */
	const struct mm_flash_secret *key; /* DER; the device's */
	const uint8_t *hmac_key;           /* MM_NVS_HMAC_KEY bytes */
	const uint8_t *ds_key;             /* MM_DS_HMAC_KEY bytes */
	const uint8_t *nvs_key;            /* MM_NVS_KEY bytes; of the image at
					    * hand, or one for all */
	struct mm_span flash_key;          /* for `encrypted` */
};

struct mm_unit_image_facts {
	bool key;   /* it holds the private key */
	bool clear; /* it does so in clear: no NVS keys, no DS, and
		     * flash encryption does not cover it */
	bool root;  /* mm_image_unit.root is needed */
	bool hmac_key, ds_key, nvs_key, flash_key; /* of mm_image_unit, used */
	bool certificate; /* it holds a certificate of the unit's */
};

/* An image of a template, and the memory it is made in: for one unit after
 * the other, on one thread at a time. */
struct mm_unit_image;

/*
 * Reads rows and the files that they name; `digest`, which may be NULL, takes
 * in the bytes of those files (not of plan->rows.text itself). MM_E_FORMAT,
 * MM_E_RANGE, MM_E_FILE: what can fit no unit, rows with file and line; sizes,
 * offsets; MM_E_KEY_TYPE: a chip without what is asked for.
 */
enum mm_error mm_unit_image_new(const struct mm_image_plan *plan,
    crypto_hash_sha256_state *digest, struct mm_unit_image **out) mm_must_use;
void mm_unit_image_free(struct mm_unit_image *image);
void mm_unit_image_facts(
    const struct mm_unit_image *image, struct mm_unit_image_facts *out);
/* The names in its texts, contents left out, each once: the i-th, empty behind
 * the last. They lie in the image. `path`: it is part of a file's path. */
struct mm_span
mm_unit_image_name(const struct mm_unit_image *image, size_t i, bool *path);

/*
 * Whether a unit with these values can be made: as mm_unit_image_make(),
 * contents as small as they can be, no key needed. Give values that will be
 * random with the length that they will have.
 */
enum mm_error mm_unit_image_check(struct mm_unit_image *image,
    const struct mm_label_values *values) mm_must_use;

/*
 * Makes the image, whole blocks of MM_FLASH_BLOCK, encrypted for its place
 * where plan.encrypted. `out` is sodium memory, the caller's. Errors name file
 * and line, or the image. MM_E_USAGE: a name has no value; MM_E_RANGE,
 * MM_E_FORMAT, MM_E_KEY_TYPE as nvs.h and secure_cert_write.h have them;
 * MM_E_RANGE: larger than its partition.
 */
enum mm_error mm_unit_image_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out) mm_must_use;

#endif
