#include "factory/secure_cert_tlvs.h"

#include <sodium.h>
#include <string.h>

#include "signer/crc.h"
#include "signer/numbers.h"
#include "signer/secure_cert.h"

enum {
	FLAGS_AT = 4,
	DS_LENGTH = 4, /* bits / 32 - 1, before IV and C */
	DS_CONTEXT = 8,
	SECURITY = 40
};

enum mm_error
mm_tlvs_new(struct mm_tlvs *out)
{
	enum mm_error error =
	    mm_flash_secret_new(MM_SECURE_CERT_TLVS, &out->room);

	if (error == MM_OK)
		out->bytes = mm_flash_secret_buffer(&out->room);
	return error;
}

void
mm_tlvs_clear(struct mm_tlvs *tlvs)
{
	mm_flash_secret_clear(&tlvs->room);
}

enum mm_error
mm_tlvs_add(struct mm_tlvs *tlvs, uint8_t flags, uint64_t type,
    uint64_t subtype, struct mm_span value)
{
	size_t at = tlvs->bytes.size;
	size_t size = (size_t)mm_secure_cert_tlv_size(value.size);
	uint8_t *tlv, *footer;
	enum mm_error error;

	if (size > MM_SECURE_CERT_TLVS - at)
		return mm_fail(MM_E_FORMAT,
		    "the partition has %d bytes, %zu of them are taken, and a "
		    "TLV of %zu does not fit: take DER for PEM, or fewer "
		    "certificates",
		    MM_SECURE_CERT_TLVS, at, size);
	error = mm_secure_cert_tlv_write(type, subtype, value, &tlvs->bytes);
	if (error != MM_OK || flags == 0)
		return error;
	tlv = tlvs->bytes.data + at;
	footer = tlv + size - MM_SECURE_CERT_FOOTER;
	tlv[FLAGS_AT] = flags;
	mm_little_put(
	    mm_crc_esp(mm_span(tlv, (size_t)(footer - tlv))), 4, footer);
	return MM_OK;
}

enum mm_error
mm_tlvs_certificate(
    struct mm_tlvs *tlvs, uint64_t type, uint64_t subtype, struct mm_span file)
{
	mm_auto(buffer) stored = {0};
	enum mm_error error;

	mm_buffer_init(&stored, 2 * MM_FLASH_PEM_MAX);
	error = mm_certificate_stored(file, &stored);
	return error != MM_OK ? error
			      : mm_tlvs_add(tlvs, 0, type, subtype,
				    mm_buffer_span(&stored));
}

enum mm_error
mm_tlvs_key(struct mm_tlvs *tlvs, uint64_t subtype,
    const struct mm_private_key *key, bool pem)
{
	mm_auto(flash_secret) stored = {0};
	enum mm_error error = mm_private_key_stored(key, pem, &stored);

	return error != MM_OK ? error
			      : mm_tlvs_add(tlvs, 0, MM_SECURE_CERT_KEY,
				    subtype, mm_span(stored.data, stored.size));
}

static enum mm_error
add_rsa(struct mm_tlvs *tlvs, uint64_t subtype,
    const struct mm_private_key *key, const struct mm_secure_cert_ds *ds)
{
	uint8_t data[DS_LENGTH + MM_DS_IV + MM_DS_C_MAX];
	uint8_t context[DS_CONTEXT] = {0};
	uint16_t modulus = ds->chip->modulus;
	enum mm_error error = mm_ds_check_rsa(ds->chip, modulus, key);

	if (error == MM_OK)
		error = mm_ds_encrypt(key, modulus, ds->hmac_key, ds->iv,
		    data + DS_LENGTH + MM_DS_IV);
	if (error != MM_OK)
		return error;
	mm_little_put(key->bits / 32 - 1, DS_LENGTH, data);
	memcpy(data + DS_LENGTH, ds->iv, MM_DS_IV);
	context[4] = ds->efuse_key;
	mm_little_put(key->bits, 2, context + 6);
	error = mm_tlvs_add(tlvs, 0, MM_TLV_DS_DATA, subtype,
	    mm_span(data, DS_LENGTH + MM_DS_IV + mm_ds_c_size(modulus)));
	return error != MM_OK ? error
			      : mm_tlvs_add(tlvs, 0, MM_TLV_DS_CONTEXT, subtype,
				    mm_span(context, sizeof(context)));
}

enum mm_error
mm_tlvs_ds(struct mm_tlvs *tlvs, uint64_t subtype,
    const struct mm_private_key *key, const struct mm_secure_cert_ds *ds)
{
	uint8_t security[SECURITY] = {
	    (uint8_t)(ds->efuse_key + MM_DS_EFUSE_BLOCK)};
	enum mm_error error;

	if (ds->hmac_key != NULL)
		return add_rsa(tlvs, subtype, key, ds);
	error = mm_ds_check_ecdsa(ds->chip, key);
	return error != MM_OK ? error
			      : mm_tlvs_add(tlvs, 0, MM_TLV_SECURITY, subtype,
				    mm_span(security, sizeof(security)));
}

enum mm_error
mm_tlvs_fused_key(struct mm_tlvs *tlvs, uint64_t subtype)
{
	return mm_tlvs_add(tlvs, MM_SECURE_CERT_FUSED, MM_SECURE_CERT_KEY,
	    subtype, mm_span(NULL, 0));
}

enum mm_error
mm_tlvs_integrity(struct mm_tlvs *tlvs)
{
	uint8_t digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(digest, tlvs->bytes.data, tlvs->bytes.size);
	return mm_tlvs_add(tlvs, 0, MM_SECURE_CERT_INTEGRITY, 0,
	    mm_span(digest, sizeof(digest)));
}

void
mm_tlvs_take(struct mm_tlvs *tlvs, bool fill, struct mm_flash_secret *out)
{
	size_t size = tlvs->bytes.size;

	if (fill) {
		memset(
		    tlvs->room.data + size, 0xff, MM_SECURE_CERT_TLVS - size);
		size = MM_SECURE_CERT_TLVS;
	}
	*out = mm_flash_secret_take(&tlvs->room, size);
}
