#include "ca/csr.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "ca/certificate.h"
#include "ca/ecdsa.h"
#include "ca/name.h"
#include "protocol/message.h"

enum { ATTRIBUTES_MAX = 16, EXTENSIONS_MAX = 32 };

static enum mm_error
malformed(const char *what)
{
	return mm_fail(MM_E_CSR, "the CSR's %s is malformed", what);
}

/* OIDs that were there; each may be there once. */
struct seen {
	struct mm_span oids[EXTENSIONS_MAX];
	size_t count;
};

static bool
is_fresh(struct seen *seen, struct mm_span oid, size_t max)
{
	if (oid.size == 0 || seen->count == max)
		return false;
	for (size_t i = 0; i < seen->count; i++)
		if (mm_span_equal(seen->oids[i], oid))
			return false;
	seen->oids[seen->count++] = oid;
	return true;
}

/* RFC 5280 4.2; what they ask for is not granted, so not even looked at. */
static bool
extensions_ok(struct mm_span values)
{
	struct mm_der outer = mm_der(values);
	struct mm_der list = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct seen seen = {.count = 0};

	do {
		struct mm_der fields = mm_der_enter(&list, MM_DER_SEQUENCE);
		struct mm_span oid = mm_der_take(&fields, MM_DER_OID), value;

		mm_der_flag(&fields);
		value = mm_der_take(&fields, MM_DER_OCTETS);
		if (!mm_der_end(&fields) || !mm_der_sound(value) ||
		    !is_fresh(&seen, oid, EXTENSIONS_MAX))
			return false;
	} while (mm_der_more(&list));
	return mm_der_end(&list) && mm_der_end(&outer);
}

/* RFC 2985 5.4.2 */
static const struct mm_span extension_request = {
    (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", 9};

static enum mm_error
check_attributes(struct mm_der *info)
{
	struct mm_der list = mm_der_enter(info, MM_DER_CONTEXT_CONSTRUCTED);
	struct seen seen = {.count = 0};

	while (mm_der_more(&list)) {
		struct mm_der pair = mm_der_enter(&list, MM_DER_SEQUENCE);
		struct mm_span oid = mm_der_take(&pair, MM_DER_OID);
		struct mm_span values = mm_der_take(&pair, MM_DER_SET);

		if (!mm_der_end(&pair) || values.size == 0)
			return malformed("list of attributes");
		if (!is_fresh(&seen, oid, ATTRIBUTES_MAX))
			return mm_fail(MM_E_CSR,
			    "the CSR has an attribute twice, or over %d",
			    ATTRIBUTES_MAX);
		if (mm_span_equal(oid, extension_request) &&
		    !extensions_ok(values))
			return malformed("list of extensions");
	}
	return mm_der_end(&list) ? MM_OK : malformed("list of attributes");
}

/* RFC 2986 4.1 */
static enum mm_error
check_info(struct mm_der *info, struct mm_span *spki)
{
	struct mm_span version = mm_der_unsigned(info);
	enum mm_error error;

	if (version.size != 1 || version.data[0] != 0)
		return mm_fail(MM_E_CSR, "the CSR's version is not 1");
	error = mm_name_read(info);
	if (error != MM_OK)
		return error;
	*spki = mm_der_whole(info, MM_DER_SEQUENCE);
	if (spki->size == 0)
		return malformed("public key");
	error = check_attributes(info);
	if (error != MM_OK)
		return error;
	return mm_der_end(info) ? MM_OK : malformed("request");
}

static bool
verify_ecdsa(struct mm_span signed_bytes, const struct mm_csr *csr,
    const EVP_MD *md, struct mm_span signature)
{
	/* The point ends the SubjectPublicKeyInfo, which was read. */
	size_t size = mm_ecdsa_point_size(csr->key.type);
	struct mm_span point =
	    mm_span(csr->spki.data + csr->spki.size - size, size);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length;

	if (EVP_Digest(signed_bytes.data, signed_bytes.size, digest, &length,
		md, NULL) != 1)
		return false;
	return mm_ecdsa_verify(
	    csr->key.type, point, mm_span(digest, length), signature);
}

/* RSA, and Ed25519 without a digest. */
static bool
verify_evp(struct mm_span signed_bytes, const struct mm_csr *csr,
    const EVP_MD *md, struct mm_span signature)
{
	const uint8_t *at = csr->spki.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)csr->spki.size);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = key != NULL && ctx != NULL &&
		  EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature.data, signature.size,
		      signed_bytes.data, signed_bytes.size) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok;
}

enum {
	P256 = 1 << MM_KEY_P256,
	P384 = 1 << MM_KEY_P384,
	RSA_KEY = 1 << MM_KEY_RSA,
	ED25519 = 1 << MM_KEY_ED25519
};

/*
 * RFC 5758 3.2 (no parameters), RFC 4055 5 (NULL), RFC 8410 3: what may sign
 * a CSR. SHA-1 and MD5 may not: who can collide them proves nothing.
 */
static const struct algorithm {
	struct mm_span whole; /* the AlgorithmIdentifier's contents */
	unsigned keys;
	const EVP_MD *(*md)(void);
	bool (*verify)(struct mm_span signed_bytes, const struct mm_csr *csr,
	    const EVP_MD *md, struct mm_span signature);
} algorithms[] = {
#define ALGORITHM(bytes) \
	{ \
		(const uint8_t *)(bytes), sizeof(bytes) - 1 \
	}
#define ECDSA(last) ALGORITHM("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" last)
#define RSA_PKCS1(last) \
	ALGORITHM("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01" last "\x05\x00")
    {ECDSA("\x02"), P256 | P384, EVP_sha256, verify_ecdsa},
    {ECDSA("\x03"), P256 | P384, EVP_sha384, verify_ecdsa},
    {ECDSA("\x04"), P256 | P384, EVP_sha512, verify_ecdsa},
    {RSA_PKCS1("\x0b"), RSA_KEY, EVP_sha256, verify_evp},
    {RSA_PKCS1("\x0c"), RSA_KEY, EVP_sha384, verify_evp},
    {RSA_PKCS1("\x0d"), RSA_KEY, EVP_sha512, verify_evp},
    {ALGORITHM("\x06\x03\x2b\x65\x70"), ED25519, NULL, verify_evp},
#undef ALGORITHM
#undef ECDSA
#undef RSA_PKCS1
};

static const struct algorithm *
algorithm_of(struct mm_span identifier)
{
	for (size_t i = 0; i < MM_COUNT(algorithms); i++)
		if (mm_span_equal(identifier, algorithms[i].whole))
			return &algorithms[i];
	return NULL;
}

static enum mm_error
check_signature(struct mm_span signed_bytes, const struct mm_csr *csr,
    struct mm_span identifier, struct mm_span signature)
{
	const struct algorithm *algorithm = algorithm_of(identifier);

	if (algorithm == NULL)
		return mm_fail(MM_E_CSR_SIGNATURE,
		    "the CSR is signed by an algorithm that is not accepted "
		    "here: SHA-256, SHA-384 or SHA-512 with ECDSA or RSA, "
		    "or Ed25519");
	if ((algorithm->keys >> csr->key.type & 1) == 0)
		return mm_fail(MM_E_CSR_SIGNATURE,
		    "the CSR's signature algorithm is not for its %s key",
		    mm_key_type_name(csr->key.type));
	if (!algorithm->verify(signed_bytes, csr,
		algorithm->md != NULL ? algorithm->md() : NULL, signature))
		return mm_fail(MM_E_CSR_SIGNATURE, "%s",
		    mm_error_text(MM_E_CSR_SIGNATURE));
	return MM_OK;
}

/* RFC 2986 4.2 */
static enum mm_error
read_der(struct mm_span der, struct mm_csr *out)
{
	struct mm_der outer = mm_der(der);
	struct mm_der request = mm_der_enter(&outer, MM_DER_SEQUENCE), info;
	struct mm_span whole, identifier, signature;
	enum mm_error error;

	whole = mm_der_whole(&request, MM_DER_SEQUENCE);
	identifier = mm_der_take(&request, MM_DER_SEQUENCE);
	signature = mm_der_bits(&request);
	if (!mm_der_end(&outer) || !mm_der_end(&request) || !mm_der_sound(der))
		return malformed("DER");
	request = mm_der(whole);
	info = mm_der_enter(&request, MM_DER_SEQUENCE);
	error = check_info(&info, &out->spki);
	if (error == MM_OK)
		error = mm_key_read(out->spki, &out->key);
	if (error != MM_OK)
		return error;
	return check_signature(whole, out, identifier, signature);
}

static enum mm_error
decode_pem(struct mm_span text, struct mm_buffer *der)
{
	static const char begin_new[] = "-----BEGIN NEW ";
	bool old = memmem(text.data, text.size, begin_new,
		       sizeof(begin_new) - 1) == NULL;
	enum mm_error error = mm_pem_decode(
	    old ? "CERTIFICATE REQUEST" : "NEW CERTIFICATE REQUEST", text, der);

	if (error != MM_OK)
		return mm_fail(MM_E_CSR, "the CSR: %s", mm_why(error));
	return MM_OK;
}

enum mm_error
mm_csr_read(struct mm_span bytes, struct mm_arena *arena, struct mm_csr *out)
{
	struct mm_csr csr = {.spki = {NULL, 0}};
	struct mm_span der = bytes;
	enum mm_error error = MM_OK;
	mm_auto(buffer) decoded = {0};

	mm_buffer_init(&decoded, MM_CSR_MAX);
	if (bytes.size == 0 || bytes.size > MM_CSR_MAX)
		return mm_fail(MM_E_CSR,
		    "the CSR has %zu bytes; 1 to %d it may", bytes.size,
		    MM_CSR_MAX);
	/* The version of every DER CSR is a zero byte, and text has none. */
	if (memchr(bytes.data, 0, bytes.size) == NULL) {
		error = decode_pem(bytes, &decoded);
		der = mm_buffer_span(&decoded);
	}
	if (error == MM_OK)
		error = read_der(der, &csr);
	if (error != MM_OK)
		return error;
	csr.spki = mm_arena_copy(arena, csr.spki);
	if (csr.spki.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a public key");
	*out = csr;
	return MM_OK;
}
