#include <string.h>

#include "ca/certificate.h"
#include "factory/cust_flash.h"
#include "factory/private_key.h"
#include "factory/unit_images_parts.h"
#include "factory/unit_key_parts.h"
#include "signer/secure_cert.h"

enum { PEM_MAX = 2 * MM_FLASH_PEM_MAX };

/* --- read --- */

static enum mm_error
in_image(const struct mm_unit_image *image, enum mm_error error)
{
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "image %s: %s", image->plan.name,
				    mm_why(error));
}

/* Whether the peripheral will take keys of the template's kind. */
static enum mm_error
check_ds(struct mm_unit_image *image)
{
	const struct mm_image_plan *plan = &image->plan;
	const struct device_kind *kind =
	    mm_device_kind(plan->key < 0 ? MM_DEVICE_KEY_KINDS
					 : (enum mm_device_key_kind)plan->key);
	struct mm_private_key key = {.name = NULL};
	bool fixed = plan->layout == MM_LAYOUT_CUST_FLASH_DS;

	if (kind == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "the device makes its key itself, so that nobody can "
		    "encrypt it for the Digital Signature peripheral: remove "
		    "`ds`, or have the key made here");
	if (plan->efuse_key >= MM_DS_EFUSE_KEYS)
		return mm_fail(MM_E_RANGE,
		    "the eFuse key is one of BLOCK_KEY0 to BLOCK_KEY%d, and "
		    "not %u",
		    MM_DS_EFUSE_KEYS - 1, plan->efuse_key);
	if (plan->chip != NULL)
		image->ds = mm_ds_chip_named(mm_span_text(plan->chip->name));
	if (image->ds == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "the %s has no Digital Signature peripheral: remove `ds`",
		    plan->chip != NULL ? plan->chip->name : "chip, unnamed,");
	key.name = kind->name;
	key.rsa = kind->bits != 0;
	key.bits = kind->bits;
	return mm_ds_check_rsa(image->ds,
	    fixed ? image->ds->older_modulus : image->ds->modulus, &key);
}

static enum mm_error
check_layout(const struct mm_image_plan *plan)
{
	bool fixed = plan->layout == MM_LAYOUT_CUST_FLASH ||
		     plan->layout == MM_LAYOUT_CUST_FLASH_DS;

	if (mm_secure_cert_layout_name(plan->layout) == NULL)
		return mm_fail(MM_E_FORMAT, "there is no such layout");
	if (fixed && plan->ds != (plan->layout == MM_LAYOUT_CUST_FLASH_DS))
		return mm_fail(MM_E_FORMAT,
		    "cust_flash holds a key in clear, cust_flash_ds one that "
		    "the DS peripheral decrypts");
	if (fixed && plan->key < 0)
		return mm_fail(MM_E_FORMAT,
		    "cust_flash holds the device's key, and here the device "
		    "makes its key itself: take tlv");
	return MM_OK;
}

static enum mm_error
keep_ca(struct mm_unit_image *image, crypto_hash_sha256_state *digest)
{
	mm_auto(buffer) der = {0};
	struct mm_secure_cert_file *file = &image->plan.ca_file;
	struct mm_span path = mm_span(NULL, 0);
	enum mm_error error;

	if (image->plan.ca != MM_IMAGE_CA_FILE) {
		*file = (struct mm_secure_cert_file){NULL, {NULL, 0}};
		return MM_OK;
	}
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_certificate_first(file->bytes, &der, NULL);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", file->path, mm_why(error));
	if (digest != NULL)
		crypto_hash_sha256_update(
		    digest, file->bytes.data, file->bytes.size);
	path = mm_span(file->path, strlen(file->path) + 1);
	file->bytes = mm_buffer_span(&der);
	error = mm_unit_image_keep(image, &path);
	if (error == MM_OK)
		error = mm_unit_image_keep(image, &file->bytes);
	file->path = (const char *)path.data;
	return error;
}

/* --- whether it can fit at all --- */

static size_t
least_certificate(const struct mm_image_plan *plan, size_t der)
{
	return (size_t)mm_secure_cert_tlv_size(
	    plan->pem ? mm_least_pem(der) : der);
}

static size_t
least_ca(const struct mm_image_plan *plan)
{
	if (plan->ca == MM_IMAGE_CA_NONE)
		return 0;
	return least_certificate(plan, plan->ca == MM_IMAGE_CA_FILE
					   ? plan->ca_file.bytes.size
					   : mm_least_issuer());
}

static size_t
least_key(const struct mm_image_plan *plan)
{
	size_t der = mm_least_key(plan->key, false);

	return plan->ds || plan->key < 0 ? 0 : least_certificate(plan, der);
}

/* The smallest that this image can come to. */
static size_t
least_size(const struct mm_image_plan *plan)
{
	switch (plan->layout) {
	case MM_LAYOUT_TLV8K:
		return MM_SECURE_CERT_TLVS;
	case MM_LAYOUT_CUST_FLASH:
		return MM_CUST_FLASH_SIZE;
	case MM_LAYOUT_CUST_FLASH_DS:
		return MM_CUST_FLASH_SIZE_DS;
	case MM_LAYOUT_TLV:
		break;
	}
	return least_certificate(plan, mm_least_certificate(plan->key)) +
	       least_ca(plan) + least_key(plan);
}

static enum mm_error
check_room(const struct mm_image_plan *plan)
{
	size_t least = least_size(plan);

	return plan->size == 0 || least <= plan->size
		   ? MM_OK
		   : mm_fail(MM_E_RANGE,
			 "it has 0x%zx bytes at least, and its partition "
			 "0x%llx: make that larger, in the partition table",
			 least, (unsigned long long)plan->size);
}

enum mm_error
mm_unit_secure_cert_read(
    struct mm_unit_image *image, crypto_hash_sha256_state *digest)
{
	const struct mm_image_plan *plan = &image->plan;
	struct mm_unit_image_facts *facts = &image->facts;
	enum mm_error error = check_layout(plan);

	if (error == MM_OK && plan->ds)
		error = check_ds(image);
	if (error == MM_OK)
		error = keep_ca(image, digest);
	if (error == MM_OK)
		error = check_room(plan);
	facts->certificate = true;
	facts->root = plan->ca == MM_IMAGE_CA_ROOT;
	facts->key = plan->key >= 0;
	facts->ds_key = plan->ds;
	facts->clear = facts->key && !plan->ds && !plan->encrypted;
	return in_image(image, error);
}

/* --- made --- */

/* A certificate as it will stand there; its PEM lies in `pem`. */
static enum mm_error
as_file(const struct mm_unit_image *image, const char *path, struct mm_span der,
    struct mm_buffer *pem, struct mm_secure_cert_file *out)
{
	enum mm_error error = MM_OK;

	*out = (struct mm_secure_cert_file){path, der};
	if (!image->plan.pem || der.size == 0)
		return MM_OK;
	mm_buffer_init(pem, PEM_MAX);
	error = mm_pem_encode("CERTIFICATE", der, pem);
	out->bytes = mm_buffer_span(pem);
	return error != MM_OK ? error : pem->error;
}

static enum mm_error
find_ca(const struct mm_unit_image *image, const struct mm_image_unit *unit,
    struct mm_secure_cert_file *out)
{
	enum mm_image_ca ca = image->plan.ca;

	*out = image->plan.ca_file;
	if (ca != MM_IMAGE_CA_ISSUER && ca != MM_IMAGE_CA_ROOT)
		return MM_OK;
	out->path = "the CA's certificate";
	return ca == MM_IMAGE_CA_ROOT ? mm_unit_root(unit, &out->bytes)
				      : mm_unit_issuer(unit, &out->bytes);
}

struct room {
	struct mm_buffer device, ca;
	struct mm_private_key key;
	struct mm_secure_cert_ds ds;
	uint8_t iv[MM_DS_IV];
};

static enum mm_error
put_key(const struct mm_unit_image *image, const struct mm_image_unit *unit,
    struct room *room, struct mm_secure_cert_parts *parts)
{
	enum mm_error error;

	if (!image->facts.key)
		return MM_OK;
	if (unit->key == NULL || (image->plan.ds && unit->ds_key == NULL))
		return mm_fail(MM_E_USAGE, "the unit brings no private key, "
					   "or none for the peripheral");
	error = mm_private_key_read(unit->key, &room->key);
	if (error != MM_OK)
		return error;
	parts->key = &room->key;
	if (!image->plan.ds)
		return MM_OK;
	/* A fresh one each time: it stands in the image. */
	randombytes_buf(room->iv, sizeof(room->iv));
	room->ds = (struct mm_secure_cert_ds){
	    image->ds, image->plan.efuse_key, unit->ds_key, room->iv};
	parts->ds = &room->ds;
	return MM_OK;
}

static enum mm_error
make(const struct mm_unit_image *image, const struct mm_image_unit *unit,
    struct room *room, struct mm_flash_secret *out)
{
	struct mm_secure_cert_parts parts = {
	    .layout = image->plan.layout, .key_pem = image->plan.pem};
	struct mm_secure_cert_file ca;
	enum mm_error error = find_ca(image, unit, &ca);

	if (error == MM_OK && unit->certificate.size == 0)
		return mm_fail(MM_E_USAGE, "the unit has no certificate");
	if (error == MM_OK)
		error = as_file(image, "the device's certificate",
		    unit->certificate, &room->device, &parts.device);
	if (error == MM_OK)
		error = as_file(image, ca.path, ca.bytes, &room->ca, &parts.ca);
	if (error == MM_OK)
		error = put_key(image, unit, room, &parts);
	return error == MM_OK ? mm_secure_cert_make(&parts, out) : error;
}

enum mm_error
mm_unit_secure_cert_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out)
{
	struct room room = {.key = {.name = NULL}};
	enum mm_error error = in_image(image, make(image, unit, &room, out));

	mm_private_key_clear(&room.key);
	mm_buffer_clear(&room.device);
	mm_buffer_clear(&room.ca);
	return error;
}
