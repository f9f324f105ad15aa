#include <string.h>

#include "signer/crc.h"
#include "signer/hashing.h"
#include "signer/numbers.h"
#include "signer/readers.h"
#include "signer/secure_cert.h"

/* Offsets in a TLV's header. */
enum { FLAGS_AT = 4, TYPE_AT = 8, SUBTYPE_AT = 9, LENGTH_AT = 10 };
static const uint8_t magic[] = {0x11, 0xba, 0x5e, 0xba};
const uint8_t mm_secure_cert_end[MM_SECURE_CERT_END] = {0xff, 0xff, 0, 0};

/* Certificates, keys, DS data and context, salt, security config, TEE key,
 * signature, integrity; user data; Matter. */
static const struct {
	uint8_t first, last;
} known_types[] = {{0, 9}, {51, 55}, {201, 202}};

static bool
is_zero(const uint8_t *at, size_t size)
{
	return mm_image_is_all(mm_span(at, size), 0);
}

static uint64_t
padded(uint64_t value)
{
	return (value + MM_SECURE_CERT_ALIGNMENT - 1) /
	       MM_SECURE_CERT_ALIGNMENT * MM_SECURE_CERT_ALIGNMENT;
}

uint64_t
mm_secure_cert_tlv_size(uint64_t value)
{
	return MM_SECURE_CERT_HEADER + padded(value) + MM_SECURE_CERT_FOOTER;
}

bool
mm_secure_cert_begins(struct mm_span bytes)
{
	return bytes.size >= sizeof(magic) &&
	       memcmp(bytes.data, magic, sizeof(magic)) == 0;
}

static enum mm_error
check_header(const uint8_t *header, uint64_t offset)
{
	const uint8_t flags = MM_SECURE_CERT_ENCRYPTED |
			      MM_SECURE_CERT_DERIVED | MM_SECURE_CERT_FUSED;
	bool known = false;

	for (size_t i = 0; i < MM_COUNT(known_types); i++)
		known |= header[TYPE_AT] >= known_types[i].first &&
			 header[TYPE_AT] <= known_types[i].last;
	if (!known)
		return mm_image_wrong("the TLV at 0x%llx is of type %u, which "
				      "is not known",
		    (unsigned long long)offset, header[TYPE_AT]);
	if (header[SUBTYPE_AT] > MM_SECURE_CERT_SUBTYPE_MAX)
		return mm_image_wrong("the TLV at 0x%llx is of subtype %u, "
				      "over %d",
		    (unsigned long long)offset, header[SUBTYPE_AT],
		    MM_SECURE_CERT_SUBTYPE_MAX);
	if ((header[FLAGS_AT] & ~flags) != 0 ||
	    !is_zero(header + FLAGS_AT + 1, 3))
		return mm_image_wrong(
		    "the TLV at 0x%llx has flags that are not known",
		    (unsigned long long)offset);
	return MM_OK;
}

static enum mm_error
check_rest(const uint8_t *tlv, uint64_t offset, uint64_t value, uint64_t size)
{
	const uint8_t *footer = tlv + size - MM_SECURE_CERT_FOOTER;
	const uint8_t *padding = tlv + MM_SECURE_CERT_HEADER + value;

	if (mm_crc_esp(mm_span(tlv, (size_t)(footer - tlv))) !=
	    mm_little_u32(footer))
		return mm_image_wrong("the CRC of the TLV at 0x%llx is wrong",
		    (unsigned long long)offset);
	if (!is_zero(padding, (size_t)(footer - padding)))
		return mm_image_wrong(
		    "the TLV at 0x%llx has bytes behind its value",
		    (unsigned long long)offset);
	return MM_OK;
}

enum mm_error
mm_secure_cert_tlv_read(
    struct mm_span bytes, uint64_t offset, struct mm_secure_cert_tlv *out)
{
	uint64_t value, size;
	enum mm_error error;

	if (bytes.size < MM_SECURE_CERT_HEADER)
		return mm_image_wrong("the file ends in the TLV at 0x%llx",
		    (unsigned long long)offset);
	value = mm_little(bytes.data + LENGTH_AT, 2);
	size = mm_secure_cert_tlv_size(value);
	if (size > bytes.size)
		return mm_image_wrong("the TLV at 0x%llx runs over the file's "
				      "end: %llu bytes, %zu are there",
		    (unsigned long long)offset, (unsigned long long)size,
		    bytes.size);
	error = check_rest(bytes.data, offset, value, size);
	if (error == MM_OK)
		error = check_header(bytes.data, offset);
	if (error != MM_OK)
		return error;
	*out = (struct mm_secure_cert_tlv){.type = bytes.data[TYPE_AT],
	    .subtype = bytes.data[SUBTYPE_AT],
	    .flags = bytes.data[FLAGS_AT],
	    .offset = offset + MM_SECURE_CERT_HEADER,
	    .size = value};
	return MM_OK;
}

enum mm_error
mm_secure_cert_tlv_write(uint64_t type, uint64_t subtype, struct mm_span value,
    struct mm_buffer *out)
{
	uint64_t size = mm_secure_cert_tlv_size(value.size);
	uint8_t *tlv;

	if (type > UINT8_MAX || subtype > UINT8_MAX || value.size > UINT16_MAX)
		return mm_fail(MM_E_RANGE,
		    "a TLV cannot hold %zu bytes of "
		    "type %llu",
		    value.size, (unsigned long long)type);
	tlv = mm_buffer_grow(out, size);
	if (tlv == NULL)
		return out->error;
	memset(tlv, 0, size);
	memcpy(tlv, magic, sizeof(magic));
	tlv[TYPE_AT] = (uint8_t)type;
	tlv[SUBTYPE_AT] = (uint8_t)subtype;
	mm_little_put(value.size, 2, tlv + LENGTH_AT);
	if (value.size > 0)
		memcpy(tlv + MM_SECURE_CERT_HEADER, value.data, value.size);
	size -= MM_SECURE_CERT_FOOTER;
	mm_little_put(mm_crc_esp(mm_span(tlv, size)), 4, tlv + size);
	return MM_OK;
}

/* --- the value of a signature --- */

/* Offsets: version and zeros, 0, bytes signed, algorithm and zeros. */
enum { VERSION = 1, COVERED_AT = 8, ALGORITHM_AT = 12, VALUE_HEAD = 16 };
/* In a Secure Boot V2 block. */
enum { BLOCK_DIGEST_AT = 4, BLOCK_CRC_AT = 1196 };

/* Of RSA the value holds a whole Secure Boot V2 block, of a curve the part of
 * one that has curve, x, y, r and s. P-192 nobody makes. */
static const struct form {
	uint8_t number;
	enum mm_algorithm algorithm;
	uint16_t from, size; /* of that part */
	uint8_t hash_number, hash_size;
} forms[] = {
    {0, MM_ALGORITHM_RSA3072, 0, MM_SECURE_BOOT_BLOCK, 0, 32},
    {2, MM_ALGORITHM_P256, 36, 1 + 4 * 32, 0, 32},
    {3, MM_ALGORITHM_P384, 52, 1 + 4 * 48, 1, 48},
};

static const struct form *
form_of(enum mm_algorithm algorithm)
{
	for (size_t i = 0; i < MM_COUNT(forms); i++)
		if (forms[i].algorithm == algorithm)
			return &forms[i];
	return NULL;
}

static const struct form *
form_numbered(uint8_t number)
{
	for (size_t i = 0; i < MM_COUNT(forms); i++)
		if (forms[i].number == number)
			return &forms[i];
	return NULL;
}

/* What is signed: SHA-256, for P-384 SHA-384. */
static enum mm_error
digest_of(struct mm_span covered, enum mm_algorithm algorithm,
    uint8_t out[MM_SECURE_BOOT_DIGEST_MAX], size_t *size)
{
	const struct form *form = form_of(algorithm);
	enum mm_error error;

	if (form == NULL)
		return mm_fail(MM_E_KEY_TYPE,
		    "esp_secure_cert partitions are signed with RSA-3072 or "
		    "P-256");
	error = form->hash_size == 32 ? mm_hash(covered, out)
				      : mm_hash_384(covered, out);
	if (error == MM_OK)
		*size = form->hash_size;
	return error;
}

/* The block that a value of a curve is cut from. */
static enum mm_error
rebuild_block(const struct form *form, const uint8_t *part,
    struct mm_span covered, uint8_t block[MM_SECURE_BOOT_BLOCK])
{
	size_t size;
	enum mm_error error;

	memset(block, 0, MM_SECURE_BOOT_BLOCK);
	memcpy(block + form->from, part, form->size);
	if (form->algorithm == MM_ALGORITHM_RSA3072)
		return MM_OK;
	block[0] = MM_SECURE_BOOT_MAGIC;
	block[1] = MM_SECURE_BOOT_ECDSA;
	block[2] = form->hash_number;
	error =
	    digest_of(covered, form->algorithm, block + BLOCK_DIGEST_AT, &size);
	if (error == MM_OK)
		mm_little_put(mm_crc_std(mm_span(block, BLOCK_CRC_AT)), 4,
		    block + BLOCK_CRC_AT);
	return error;
}

static enum mm_error
check_value(
    struct mm_span value, struct mm_span covered, const struct form **out)
{
	const uint8_t *head = value.data;

	if (value.size < VALUE_HEAD || head[0] != VERSION ||
	    !is_zero(head + 1, COVERED_AT - 1) ||
	    !is_zero(head + ALGORITHM_AT + 1, VALUE_HEAD - ALGORITHM_AT - 1))
		return mm_image_wrong("a signature TLV is not of version 1");
	if (mm_little_u32(head + COVERED_AT) != covered.size)
		return mm_image_wrong("a signature is over %u bytes, and %zu "
				      "stand before the first one",
		    mm_little_u32(head + COVERED_AT), covered.size);
	*out = form_numbered(head[ALGORITHM_AT]);
	if (*out == NULL)
		return mm_image_wrong("a signature is of algorithm %u, which "
				      "is not known",
		    head[ALGORITHM_AT]);
	if (value.size != VALUE_HEAD + (size_t)(*out)->size)
		return mm_image_wrong("a signature of %s has %d bytes, not "
				      "%zu",
		    mm_algorithm_name((*out)->algorithm),
		    VALUE_HEAD + (*out)->size, value.size);
	return MM_OK;
}

enum mm_error
mm_secure_cert_signature_read(struct mm_span value, struct mm_span covered,
    struct mm_secure_cert_signature *out)
{
	uint8_t block[MM_SECURE_BOOT_BLOCK];
	const struct form *form = NULL;
	enum mm_error error = check_value(value, covered, &form);

	if (error == MM_OK)
		error = rebuild_block(
		    form, value.data + VALUE_HEAD, covered, block);
	if (error != MM_OK)
		return error;
	*out = (struct mm_secure_cert_signature){.algorithm = form->algorithm};
	/* A TLV says RSA and holds a block of a curve: not readable as such. */
	out->readable =
	    mm_secure_boot_v2_block_read(block, &out->block) == MM_OK &&
	    out->block.key.algorithm == form->algorithm;
	return MM_OK;
}

bool
mm_secure_cert_signature_is_over(
    const struct mm_secure_cert_signature *signature, struct mm_span covered)
{
	const struct mm_secure_boot_block *block = &signature->block;
	uint8_t digest[MM_SECURE_BOOT_DIGEST_MAX];
	size_t size = 0;

	return signature->readable &&
	       digest_of(covered, signature->algorithm, digest, &size) ==
		   MM_OK &&
	       size == block->digest_size &&
	       memcmp(digest, block->digest, size) == 0 &&
	       mm_secure_boot_v2_block_verify(block) == MM_OK;
}

enum mm_error
mm_secure_cert_signature_write(const struct mm_public_key *key,
    struct mm_span covered, struct mm_span signature,
    uint8_t out[MM_SECURE_CERT_VALUE_MAX], size_t *size)
{
	uint8_t digest[MM_SECURE_BOOT_DIGEST_MAX];
	uint8_t block[MM_SECURE_BOOT_BLOCK];
	const struct form *form = form_of(key->algorithm);
	size_t digest_size = 0;
	enum mm_error error =
	    digest_of(covered, key->algorithm, digest, &digest_size);

	if (error == MM_OK)
		error = mm_secure_boot_v2_block(
		    key, mm_span(digest, digest_size), signature, block);
	if (error != MM_OK)
		return error;
	if (covered.size > UINT32_MAX)
		return mm_fail(MM_E_RANGE, "a partition has at most 4 GiB");
	memset(out, 0, VALUE_HEAD);
	out[0] = VERSION;
	mm_little_put(covered.size, 4, out + COVERED_AT);
	out[ALGORITHM_AT] = form->number;
	memcpy(out + VALUE_HEAD, block + form->from, form->size);
	*size = VALUE_HEAD + (size_t)form->size;
	return MM_OK;
}
