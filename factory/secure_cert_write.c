#include "factory/secure_cert_write.h"

#include <string.h>

#include "factory/cust_flash.h"
#include "factory/secure_cert_tlvs.h"
#include "signer/secure_cert.h"

static const char *const layout_names[] = {[MM_LAYOUT_TLV] = "tlv",
    [MM_LAYOUT_TLV8K] = "tlv8k",
    [MM_LAYOUT_CUST_FLASH] = "cust_flash",
    [MM_LAYOUT_CUST_FLASH_DS] = "cust_flash_ds"};

const char *
mm_secure_cert_layout_name(enum mm_secure_cert_layout layout)
{
	return (size_t)layout < MM_COUNT(layout_names) ? layout_names[layout]
						       : NULL;
}

bool
mm_secure_cert_layout_named(
    struct mm_span name, enum mm_secure_cert_layout *out)
{
	for (size_t i = MM_LAYOUT_TLV; i < MM_COUNT(layout_names); i++)
		if (mm_span_is(name, layout_names[i])) {
			*out = (enum mm_secure_cert_layout)i;
			return true;
		}
	return false;
}

/* --- TLVs --- */

static enum mm_error
add_file(
    struct mm_tlvs *tlvs, uint64_t type, const struct mm_secure_cert_file *file)
{
	enum mm_error error = file->bytes.size > 0 ? mm_tlvs_certificate(tlvs,
							 type, 0, file->bytes)
						   : MM_OK;

	return error == MM_OK
		   ? MM_OK
		   : mm_fail(error, "%s: %s", file->path, mm_why(error));
}

static enum mm_error
add_key(struct mm_tlvs *tlvs, const struct mm_secure_cert_parts *parts)
{
	if (parts->key == NULL)
		return MM_OK;
	if (parts->ds == NULL)
		return mm_tlvs_key(tlvs, 0, parts->key, parts->key_pem);
	return parts->ds->hmac_key == NULL ? mm_tlvs_fused_key(tlvs, 0) : MM_OK;
}

static enum mm_error
add_ds(struct mm_tlvs *tlvs, const struct mm_secure_cert_parts *parts)
{
	return parts->key == NULL || parts->ds == NULL
		   ? MM_OK
		   : mm_tlvs_ds(tlvs, 0, parts->key, parts->ds);
}

/* As tool 2.6.1. */
static enum mm_error
make_tlv(const struct mm_secure_cert_parts *parts, struct mm_flash_secret *out)
{
	mm_auto(tlvs) tlvs = {.room = {.data = NULL}};
	enum mm_error error = mm_tlvs_new(&tlvs);

	if (error == MM_OK)
		error = add_ds(&tlvs, parts);
	if (error == MM_OK)
		error = add_file(&tlvs, MM_TLV_CA, &parts->ca);
	if (error == MM_OK)
		error = add_file(&tlvs, MM_SECURE_CERT_DEVICE, &parts->device);
	if (error == MM_OK)
		error = add_key(&tlvs, parts);
	if (error == MM_OK)
		error = mm_tlvs_integrity(&tlvs);
	if (error == MM_OK)
		mm_tlvs_take(&tlvs, false, out);
	return error;
}

/* As tools up to 2.2. Of a key in an eFuse they left the key's TLV out, by
 * which the device learns that it is there. */
static enum mm_error
make_tlv8k(
    const struct mm_secure_cert_parts *parts, struct mm_flash_secret *out)
{
	mm_auto(tlvs) tlvs = {.room = {.data = NULL}};
	enum mm_error error = mm_tlvs_new(&tlvs);

	if (error == MM_OK)
		error = add_file(&tlvs, MM_SECURE_CERT_DEVICE, &parts->device);
	if (error == MM_OK)
		error = add_file(&tlvs, MM_TLV_CA, &parts->ca);
	if (error == MM_OK)
		error = add_key(&tlvs, parts);
	if (error == MM_OK)
		error = add_ds(&tlvs, parts);
	if (error == MM_OK)
		mm_tlvs_take(&tlvs, true, out);
	return error;
}

/* --- all layouts --- */

static enum mm_error
check_match(const struct mm_secure_cert_parts *parts)
{
	mm_auto(buffer) der = {0};
	enum mm_error error;

	if (parts->key == NULL || parts->device.bytes.size == 0)
		return MM_OK;
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_certificate_first(parts->device.bytes, &der, NULL);
	if (error == MM_OK)
		error =
		    mm_private_key_matches(parts->key, mm_buffer_span(&der));
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", parts->device.path,
				    mm_why(error));
}

static enum mm_error
check_parts(const struct mm_secure_cert_parts *parts)
{
	bool fixed = parts->layout == MM_LAYOUT_CUST_FLASH ||
		     parts->layout == MM_LAYOUT_CUST_FLASH_DS;

	if (fixed &&
	    (parts->ds != NULL) != (parts->layout == MM_LAYOUT_CUST_FLASH_DS))
		return mm_fail(MM_E_FORMAT,
		    "cust_flash holds a key in clear, cust_flash_ds one that "
		    "the DS peripheral decrypts (--ds): take the one that is "
		    "meant");
	if (parts->ds != NULL && parts->key == NULL)
		return mm_fail(MM_E_FORMAT,
		    "there is no private key for the peripheral: give one");
	if (!fixed && parts->size != 0)
		return mm_fail(MM_E_RANGE,
		    "a partition of TLVs has the size that it has: "
		    "leave --size out");
	if (parts->ds != NULL && parts->ds->efuse_key >= MM_DS_EFUSE_KEYS)
		return mm_fail(MM_E_RANGE,
		    "the eFuse key is one of BLOCK_KEY0 to BLOCK_KEY%d, and "
		    "not %u",
		    MM_DS_EFUSE_KEYS - 1, parts->ds->efuse_key);
	return MM_OK;
}

enum mm_error
mm_secure_cert_make(
    const struct mm_secure_cert_parts *parts, struct mm_flash_secret *out)
{
	static enum mm_error (*const makers[])(
	    const struct mm_secure_cert_parts *, struct mm_flash_secret *) = {
	    [MM_LAYOUT_TLV] = make_tlv,
	    [MM_LAYOUT_TLV8K] = make_tlv8k,
	    [MM_LAYOUT_CUST_FLASH] = mm_cust_flash_make,
	    [MM_LAYOUT_CUST_FLASH_DS] = mm_cust_flash_make};
	enum mm_error error = check_parts(parts);

	if (error == MM_OK)
		error = check_match(parts);
	return error == MM_OK ? makers[parts->layout](parts, out) : error;
}
