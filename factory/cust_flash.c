#include "factory/cust_flash.h"

#include <string.h>

#include "signer/crc.h"
#include "signer/numbers.h"

enum {
	META = 64,
	DEVICE_AT = 0x40,
	CA_AT = 0x840,
	KEY_AT = 0x1840, /* or C */
	KEY_END = 0x2840,
	/* In the metadata: 8 bytes a part (CRC, length, 0). */
	PART = 8,
	META_DEVICE = 0,
	META_CA = 8,
	META_KEY = 0x10,
	META_MAGIC = 0x18,
	META_IV = 0x18,
	META_BITS = 0x1e,
	META_EFUSE = 0x20,
	META_MAGIC_DS = 0x24
};
static const uint8_t magic[] = {0x78, 0x56, 0x34, 0x12};

/* Where the IV stands depends on the chip's largest modulus alone. */
static const struct {
	uint16_t modulus;
	uint32_t iv_at;
} places[] = {{384, 0x1d00}, {512, 0x1e80}};

static uint32_t
place_of_iv(uint16_t modulus)
{
	return modulus == places[0].modulus ? places[0].iv_at : places[1].iv_at;
}

/* --- made --- */

struct area {
	const char *what, *path;
	uint32_t at, max;
	uint32_t meta;
};

/* A part's bytes at its place, its CRC and length in the metadata. */
static enum mm_error
put(uint8_t *file, const struct area *area, struct mm_span bytes)
{
	uint8_t *meta = file + area->meta;

	if (bytes.size > area->max)
		return mm_fail(MM_E_FORMAT,
		    "%s: %s has %zu bytes as it is stored, and its area %u: "
		    "take DER for PEM, or a shorter one",
		    area->path, area->what, bytes.size, area->max);
	memcpy(file + area->at, bytes.data, bytes.size);
	mm_little_put(mm_crc_esp(bytes), 4, meta);
	mm_little_put(bytes.size, 2, meta + 4);
	return MM_OK;
}

static enum mm_error
put_certificate(uint8_t *file, const struct area *area, struct mm_span bytes)
{
	mm_auto(buffer) stored = {0};
	enum mm_error error;

	mm_buffer_init(&stored, 2 * MM_FLASH_PEM_MAX);
	error = mm_certificate_stored(bytes, &stored);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", area->path, mm_why(error));
	return put(file, area, mm_buffer_span(&stored));
}

static enum mm_error
put_key(uint8_t *file, const struct mm_secure_cert_parts *parts)
{
	const struct area area = {"the private key", "the partition", KEY_AT,
	    MM_CUST_FLASH_KEY_MAX, META_KEY};
	mm_auto(flash_secret) stored = {0};
	enum mm_error error =
	    mm_private_key_stored(parts->key, parts->key_pem, &stored);

	if (error == MM_OK)
		error = put(file, &area, mm_span(stored.data, stored.size));
	if (error == MM_OK)
		memcpy(file + META_MAGIC, magic, sizeof(magic));
	return error;
}

static enum mm_error
put_ds(uint8_t *file, const struct mm_secure_cert_parts *parts)
{
	const struct mm_secure_cert_ds *ds = parts->ds;
	uint16_t modulus = ds->chip->older_modulus;
	uint8_t c[MM_DS_C_MAX];
	const struct area areas[] = {
	    {"the ciphertext", "the partition", KEY_AT, sizeof(c), META_KEY},
	    {"the IV", "the partition", place_of_iv(modulus), MM_DS_IV,
		META_IV}};
	enum mm_error error = mm_ds_check_rsa(ds->chip, modulus, parts->key);

	if (error == MM_OK)
		error =
		    mm_ds_encrypt(parts->key, modulus, ds->hmac_key, ds->iv, c);
	if (error == MM_OK)
		error = put(file, &areas[0], mm_span(c, mm_ds_c_size(modulus)));
	if (error == MM_OK)
		error = put(file, &areas[1], mm_span(ds->iv, MM_DS_IV));
	if (error != MM_OK)
		return error;
	mm_little_put(parts->key->bits, 2, file + META_BITS);
	file[META_EFUSE] = ds->efuse_key;
	memcpy(file + META_MAGIC_DS, magic, sizeof(magic));
	return MM_OK;
}

static enum mm_error
check_parts(const struct mm_secure_cert_parts *parts, size_t size)
{
	if (parts->device.bytes.size == 0 || parts->key == NULL)
		return mm_fail(MM_E_FORMAT,
		    "this layout holds a device's certificate and its key: "
		    "give both");
	if (parts->ds != NULL && parts->ds->hmac_key == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "this layout has no ECDSA keys in eFuses: take tlv");
	if (size != MM_CUST_FLASH_SIZE && size != MM_CUST_FLASH_SIZE_DS)
		return mm_fail(MM_E_RANGE,
		    "a file of this layout has 0x%x or 0x%x bytes",
		    MM_CUST_FLASH_SIZE_DS, MM_CUST_FLASH_SIZE);
	return MM_OK;
}

enum mm_error
mm_cust_flash_make(
    const struct mm_secure_cert_parts *parts, struct mm_flash_secret *out)
{
	const struct area device = {"the device's certificate",
	    parts->device.path, DEVICE_AT, MM_CUST_FLASH_DEVICE_MAX,
	    META_DEVICE};
	const struct area ca = {"the CA's certificate", parts->ca.path, CA_AT,
	    MM_CUST_FLASH_CA_MAX, META_CA};
	size_t size = parts->size != 0    ? parts->size
		      : parts->ds == NULL ? MM_CUST_FLASH_SIZE
					  : MM_CUST_FLASH_SIZE_DS;
	mm_auto(flash_secret) file = {0};
	enum mm_error error = check_parts(parts, size);

	if (error == MM_OK)
		error = mm_flash_secret_new(size, &file);
	if (error != MM_OK)
		return error;
	memset(file.data, 0, META);
	memset(file.data + META, 0xff, size - META);
	error = put_certificate(file.data, &device, parts->device.bytes);
	if (error == MM_OK && parts->ca.bytes.size > 0)
		error = put_certificate(file.data, &ca, parts->ca.bytes);
	if (error == MM_OK)
		error = parts->ds == NULL ? put_key(file.data, parts)
					  : put_ds(file.data, parts);
	if (error != MM_OK)
		return error;
	*out = file;
	file.data = NULL;
	return MM_OK;
}

/* --- read --- */

/* Whether the metadata's magic is there, of either form. */
static bool
is_cust_flash(struct mm_span file)
{
	return file.size >= META &&
	       (memcmp(file.data + META_MAGIC, magic, sizeof(magic)) == 0 ||
		   memcmp(file.data + META_MAGIC_DS, magic, sizeof(magic)) ==
		       0);
}

/* The part that the metadata tells of; its CRC is right. */
static enum mm_error
take(struct mm_span file, const struct area *area, struct mm_span *out)
{
	const uint8_t *meta = file.data + area->meta;
	size_t size = (size_t)mm_little(meta + 4, 2);

	if (size > area->max || area->at > file.size ||
	    size > file.size - area->at)
		return mm_fail(MM_E_FORMAT,
		    "%s has %zu bytes, and %u fit at 0x%x, or the file ends",
		    area->what, size, area->max, area->at);
	*out = mm_span(file.data + area->at, size);
	if (size > 0 && mm_crc_esp(*out) != mm_little_u32(meta))
		return mm_fail(MM_E_FORMAT,
		    "%s, at 0x%x, is damaged: its CRC is wrong", area->what,
		    area->at);
	return MM_OK;
}

static enum mm_error
take_ds(struct mm_span file, struct mm_cust_flash *out)
{
	struct area area = {
	    "the ciphertext", NULL, KEY_AT, MM_DS_C_MAX, META_KEY};
	enum mm_error error = take(file, &area, &out->ciphertext);

	if (error != MM_OK)
		return error;
	area = (struct area){"the IV", NULL, 0, MM_DS_IV, META_IV};
	for (size_t i = 0; i < MM_COUNT(places); i++)
		if (out->ciphertext.size == mm_ds_c_size(places[i].modulus))
			area.at = places[i].iv_at;
	if (area.at == 0)
		return mm_fail(MM_E_FORMAT,
		    "the ciphertext has %zu bytes, which no chip takes",
		    out->ciphertext.size);
	error = take(file, &area, &out->iv);
	if (error != MM_OK)
		return error;
	out->key_bits = (unsigned)mm_little(file.data + META_BITS, 2);
	out->efuse_key = file.data[META_EFUSE];
	if (out->iv.size != MM_DS_IV || out->efuse_key >= MM_DS_EFUSE_KEYS)
		return mm_fail(MM_E_FORMAT,
		    "the IV's length or the eFuse's number is not possible");
	return MM_OK;
}

enum mm_error
mm_cust_flash_read(struct mm_span file, struct mm_cust_flash *out)
{
	static const struct area device = {"the device's certificate", NULL,
	    DEVICE_AT, MM_CUST_FLASH_DEVICE_MAX, META_DEVICE};
	static const struct area ca = {
	    "the CA's certificate", NULL, CA_AT, MM_CUST_FLASH_CA_MAX, META_CA};
	static const struct area key = {
	    "the private key", NULL, KEY_AT, MM_CUST_FLASH_KEY_MAX, META_KEY};
	struct mm_cust_flash read = {.ds = false};
	enum mm_error error;

	if (!is_cust_flash(file))
		return mm_fail(MM_E_FORMAT,
		    "it is no esp_secure_cert partition: there is neither a "
		    "TLV nor the metadata's magic");
	read.ds = memcmp(file.data + META_MAGIC_DS, magic, sizeof(magic)) == 0;
	error = take(file, &device, &read.device);
	if (error == MM_OK)
		error = take(file, &ca, &read.ca);
	if (error == MM_OK)
		error = read.ds ? take_ds(file, &read)
				: take(file, &key, &read.key);
	if (error == MM_OK)
		*out = read;
	return error;
}
