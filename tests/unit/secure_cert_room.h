/*
 * esp_secure_cert partitions of a test's own making, and those of the vendor's
 * tool changed and mended.
 */
#ifndef MM_TESTS_SECURE_CERT_ROOM_H
#define MM_TESTS_SECURE_CERT_ROOM_H

#include <gnutls/abstract.h>
#include <sodium.h>
#include <string.h>

#include "signer/crc.h"
#include "signer/schemes.h"
#include "signer/secure_cert.h"
#include "tests/unit/esp_vectors.h"

#define VECTORS "secure_cert"
#define KEY(name) "TEST-ONLY-sbv2-" name ".pub.pem"
enum { SIGNED_SIZE = 1728 /* of tlv_ec_pem.bin, and of what is signed */ };

static inline enum mm_error
read_partition(
    struct mm_span bytes, struct mm_arena *arena, struct mm_image_facts *facts)
{
	return mm_image_read(bytes, mm_span_text("secure-cert"), arena, facts);
}

static inline const struct mm_secure_cert_facts *
facts_of(const struct vector_image *image)
{
	assert_true(mm_span_is(image->facts.format, "secure-cert"));
	assert_int_equal(image->facts.secure_cert.count, 1);
	return image->facts.secure_cert.items;
}

static inline void
put_tlv(
    struct mm_buffer *out, uint64_t type, uint64_t subtype, const char *value)
{
	assert_int_equal(
	    mm_secure_cert_tlv_write(type, subtype, mm_span_text(value), out),
	    MM_OK);
}

static inline void
put_integrity(struct mm_buffer *out, uint64_t subtype)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, out->data, out->size);
	assert_int_equal(mm_secure_cert_tlv_write(MM_SECURE_CERT_INTEGRITY,
			     subtype, mm_span(digest, 32), out),
	    MM_OK);
}

static inline enum mm_error
try_read(struct mm_span bytes)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;

	mm_arena_init(&arena, VECTOR_ARENA);
	return read_partition(bytes, &arena, &facts);
}

static inline void
assert_wrong(const char *name, struct mm_span bytes, const char *why)
{
	enum mm_error error = try_read(bytes);

	if (error != MM_E_IMAGE || strstr(mm_why(error), why) == NULL)
		fail_msg("%s: %s (%s), not %s", name, mm_error_name(error),
		    error != MM_OK ? mm_why(error) : "", why);
}

/* Of each TLV's last four bytes: its CRC, made anew after a change. */
static inline void
mend(uint8_t *tlv, size_t value)
{
	size_t size = (size_t)mm_secure_cert_tlv_size(value) - 4;
	uint32_t crc = mm_crc_esp(mm_span(tlv, size));

	for (size_t i = 0; i < 4; i++)
		tlv[size + i] = (uint8_t)(crc >> 8 * i);
}

/* A signature of the token's form by one of the vectors' keys. */
static inline void
sign_with(const char *name, struct mm_span bytes, struct mm_buffer *file,
    struct mm_signed *out)
{
	char path[64];
	mm_auto(buffer) pem = {0};
	gnutls_privkey_t key;
	gnutls_x509_privkey_t x509;
	gnutls_datum_t text, made;
	bool rsa = name[0] == 'r';

	snprintf(path, sizeof(path), "TEST-ONLY-sbv2-%s.pub.pem", name);
	vector_key("keys", path, &out->key);
	snprintf(path, sizeof(path), "TEST-ONLY-sbv2-%s.key.pem", name);
	vector_file("keys", path, &pem);
	text = (gnutls_datum_t){pem.data, (unsigned)pem.size};
	assert_int_equal(gnutls_x509_privkey_init(&x509), 0);
	assert_int_equal(gnutls_x509_privkey_import2(
			     x509, &text, GNUTLS_X509_FMT_PEM, NULL, 0),
	    0);
	assert_int_equal(gnutls_privkey_init(&key), 0);
	assert_int_equal(gnutls_privkey_import_x509(
			     key, x509, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE),
	    0);
	assert_int_equal(
	    gnutls_privkey_sign_data2(key,
		rsa ? GNUTLS_SIGN_RSA_PSS_SHA256 : GNUTLS_SIGN_ECDSA_SHA256, 0,
		&(gnutls_datum_t){(unsigned char *)(uintptr_t)bytes.data,
		    (unsigned)bytes.size},
		&made),
	    0);
	mm_buffer_clear(file);
	mm_buffer_init(file, MM_SIGNATURE_MAX);
	mm_buffer_add(file, made.data, made.size);
	out->signature = mm_buffer_span(file);
	gnutls_free(made.data);
	gnutls_privkey_deinit(key);
}

static inline enum mm_error
verify_by(const struct vector_image *image, const char *name)
{
	struct mm_public_key key;
	uint8_t digest[32];
	enum mm_error error;

	vector_key("keys", name, &key);
	assert_int_equal(mm_secure_boot_v2_key_digest(&key, digest), MM_OK);
	error =
	    mm_secure_cert_verify(&image->image, mm_span(NULL, 0), &key, NULL);
	/* By its digest alone it is the same. */
	assert_int_equal(mm_secure_cert_verify(
			     &image->image, mm_span(NULL, 0), NULL, digest),
	    error);
	return error;
}

#endif
