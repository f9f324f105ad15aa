#include <string.h>

#include "signer/hashing.h"
#include "signer/schemes.h"

#define FUNCTIONS(prefix) prefix##_digest, prefix##_attach, prefix##_verify

static const struct mm_scheme schemes[] = {
    {"sha256-ecdsa", "sha256-ecdsa",
	"ECDSA P-256 over SHA-256 of the whole file, DER, a file of its own: "
	"sig-sha256-ecdsa of AWS FreeRTOS",
	MM_ALGORITHM_P256, true, false, 1, FUNCTIONS(mm_sha256_ecdsa), NULL},
    {"secure-boot-v1", "secure-boot-v1",
	"Secure Boot V1 of the ESP32: ECDSA P-256, 68 bytes behind the file",
	MM_ALGORITHM_P256, false, false, 1, FUNCTIONS(mm_secure_boot_v1),
	mm_secure_boot_v1_added},
    {"secure-boot-v2-ecdsa256", "secure-boot-v2",
	"Secure Boot V2 with ECDSA P-256: a block in the sector behind",
	MM_ALGORITHM_P256, false, false, MM_SIGNATURE_BLOCKS_MAX,
	FUNCTIONS(mm_secure_boot_v2), mm_secure_boot_v2_added},
    {"secure-boot-v2-rsa3072", "secure-boot-v2",
	"Secure Boot V2 with RSA-3072 PSS: a block in the sector behind",
	MM_ALGORITHM_RSA3072, false, false, MM_SIGNATURE_BLOCKS_MAX,
	FUNCTIONS(mm_secure_boot_v2), mm_secure_boot_v2_added},
    {"mcuboot", "mcuboot",
	"MCUboot with ECDSA P-256: in the TLVs behind the image",
	MM_ALGORITHM_P256, false, false, 1, FUNCTIONS(mm_mcuboot),
	mm_mcuboot_added},
    {"cose-sign1", "cose-sign1",
	"COSE_Sign1 with ES256, detached: its payload is the file",
	MM_ALGORITHM_P256, true, false, 1, FUNCTIONS(mm_cose_sign1), NULL},
    {"secure-cert-ecdsa256", "secure-cert",
	"a device's esp_secure_cert partition, signed with ECDSA P-256",
	MM_ALGORITHM_P256, false, true, 1, FUNCTIONS(mm_secure_cert), NULL},
    {"secure-cert-rsa3072", "secure-cert",
	"a device's esp_secure_cert partition, signed with RSA-3072 PSS",
	MM_ALGORITHM_RSA3072, false, true, 1, FUNCTIONS(mm_secure_cert), NULL},
};

const struct mm_scheme *
mm_scheme_find(struct mm_span name)
{
	for (size_t i = 0; i < MM_COUNT(schemes); i++)
		if (mm_span_is(name, schemes[i].name))
			return &schemes[i];
	return NULL;
}

const struct mm_scheme *
mm_scheme_family(struct mm_span family)
{
	for (size_t i = 0; i < MM_COUNT(schemes); i++)
		if (mm_span_is(family, schemes[i].family))
			return &schemes[i];
	return mm_scheme_find(family);
}

const struct mm_scheme *
mm_scheme_rows(size_t *count)
{
	*count = MM_COUNT(schemes);
	return schemes;
}

enum mm_error
mm_signing_read(struct mm_span signing, struct mm_signing_name *out)
{
	struct mm_signing_name read = {.scheme = NULL};
	size_t name = 0;

	while (name < signing.size && signing.data[name] != ':')
		name++;
	if (signing.size > MM_SIGNING_MAX)
		return mm_fail(MM_E_SCHEME, "a signing has at most %d bytes",
		    MM_SIGNING_MAX);
	read.scheme = mm_scheme_find(mm_span(signing.data, name));
	if (read.scheme == NULL)
		return mm_fail(MM_E_SCHEME,
		    "there is no signature scheme \"%.*s\"", (int)name,
		    (const char *)signing.data);
	if (name < signing.size)
		read.key =
		    mm_span(signing.data + name + 1, signing.size - name - 1);
	if (name < signing.size && read.key.size == 0)
		return mm_fail(MM_E_SCHEME,
		    "\"%.*s\" names no key behind its colon", MM_SPAN(signing));
	*out = read;
	return MM_OK;
}

enum mm_error
mm_image_hash(
    const struct mm_image *image, uint64_t size, uint64_t fill, uint8_t out[32])
{
	struct mm_prefix_hash prefix = {.size = size, .fill = fill};
	enum mm_error error;

	if (size == image->bytes.size && fill == 0) {
		memcpy(out, image->facts->sha256, 32);
		return MM_OK;
	}
	error = mm_hash_prefixes((struct mm_span){0}, image->bytes, &prefix, 1);
	if (error == MM_OK)
		memcpy(out, prefix.out, 32);
	return error;
}

/* ---- what the families check alike */

enum mm_error
mm_signature_check_p256(const struct mm_public_key *key, const char *what)
{
	if (key == NULL)
		return mm_signature_wrong(
		    "a signature of %s names no key: the key itself is "
		    "needed, its digest is not enough",
		    what);
	if (key->algorithm != MM_ALGORITHM_P256)
		return mm_signature_wrong(
		    "signatures of %s are by P-256 keys, this is one of %s",
		    what, mm_algorithm_name(key->algorithm));
	return MM_OK;
}

enum mm_error
mm_signature_check_inside(struct mm_span signature, const char *what)
{
	return signature.size == 0
		   ? MM_OK
		   : mm_signature_wrong("signatures of %s are in the file "
					"itself: none beside it counts",
			 what);
}

enum mm_error
mm_signers_add(struct mm_signers *signers, const struct mm_public_key *key)
{
	for (size_t i = 0; i < signers->count; i++) {
		const struct mm_public_key *other = &signers->keys[i];

		if (other->algorithm != key->algorithm)
			return mm_fail(MM_E_IMAGE_SIGNED,
			    "signatures of %s and %s do not go together: a "
			    "chip verifies with one algorithm",
			    mm_algorithm_name(other->algorithm),
			    mm_algorithm_name(key->algorithm));
		if (mm_public_key_equal(other, key))
			return mm_fail(MM_E_IMAGE_SIGNED,
			    "signature %zu is this key's already", i);
	}
	signers->keys[signers->count++] = *key;
	return MM_OK;
}

/* ---- the signed file */

uint64_t
mm_attached_size(const struct mm_attached *attached)
{
	uint64_t size = 0;

	for (size_t i = 0; i < attached->count; i++)
		size +=
		    attached->pieces[i].bytes.size + attached->pieces[i].fill;
	return size;
}

enum mm_error
mm_attached_write(const struct mm_attached *attached, struct mm_buffer *out)
{
	for (size_t i = 0; i < attached->count; i++) {
		const struct mm_piece *piece = &attached->pieces[i];
		uint8_t *fill;

		mm_buffer_add(out, piece->bytes.data, piece->bytes.size);
		fill = mm_buffer_grow(out, piece->fill);
		if (fill != NULL && piece->fill > 0)
			memset(fill, 0xFF, piece->fill);
	}
	return out->error;
}

void
mm_attached_clear(struct mm_attached *attached)
{
	if (attached == NULL)
		return;
	mm_buffer_clear(&attached->own);
	attached->count = 0;
}
