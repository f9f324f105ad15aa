/* TLS identities for tests, good and bad, made on the spot. */
#ifndef MM_TEST_IDENTITIES_H
#define MM_TEST_IDENTITIES_H

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <time.h>

#include "protocol/bytes.h"

struct identity {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
};

struct wish {
	const struct identity *issuer; /* NULL: self-signed */
	const char *purpose;           /* OID; NULL: none */
	const char *dns, *address;
	bool ca;
	int from, until; /* seconds from now; 0, 0: an hour each way */
	unsigned rsa;    /* bits; 0: ECDSA P-256 */
};

static inline void
identity_key(const struct wish *wish, struct identity *out)
{
	assert_int_equal(gnutls_x509_privkey_init(&out->key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(out->key,
			     wish->rsa > 0 ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA,
			     wish->rsa > 0 ? wish->rsa
					   : GNUTLS_CURVE_TO_BITS(
						 GNUTLS_ECC_CURVE_SECP256R1),
			     0),
	    0);
}

static inline void
identity_extensions(const struct wish *wish, gnutls_x509_crt_t certificate)
{
	uint8_t address[4] = {127, 0, 0, 1};

	assert_int_equal(
	    gnutls_x509_crt_set_basic_constraints(certificate, wish->ca, -1),
	    0);
	assert_int_equal(gnutls_x509_crt_set_key_usage(certificate,
			     GNUTLS_KEY_DIGITAL_SIGNATURE |
				 (wish->ca ? GNUTLS_KEY_KEY_CERT_SIGN : 0)),
	    0);
	if (wish->purpose != NULL)
		assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(
				     certificate, wish->purpose, 0),
		    0);
	if (wish->dns != NULL)
		assert_int_equal(
		    gnutls_x509_crt_set_subject_alt_name(certificate,
			GNUTLS_SAN_DNSNAME, wish->dns,
			(unsigned)strlen(wish->dns), GNUTLS_FSAN_APPEND),
		    0);
	if (wish->address != NULL)
		assert_int_equal(gnutls_x509_crt_set_subject_alt_name(
				     certificate, GNUTLS_SAN_IPADDRESS, address,
				     sizeof(address), GNUTLS_FSAN_APPEND),
		    0);
}

/* Names tell keys apart, so that two CAs are two issuers. */
static inline void
identity_make(const char *name, struct wish wish, struct identity *out)
{
	static uint8_t serial[2] = {1, 0};
	time_t now = time(NULL);
	const struct identity *issuer = wish.issuer;
	gnutls_x509_crt_t certificate;

	identity_key(&wish, out);
	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	out->certificate = certificate;
	serial[1]++;
	if (wish.from == 0 && wish.until == 0) {
		wish.from = -3600;
		wish.until = 3600;
	}
	assert_int_equal(gnutls_x509_crt_set_version(certificate, 3), 0);
	assert_int_equal(
	    gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial)), 0);
	assert_int_equal(
	    gnutls_x509_crt_set_activation_time(certificate, now + wish.from),
	    0);
	assert_int_equal(
	    gnutls_x509_crt_set_expiration_time(certificate, now + wish.until),
	    0);
	assert_int_equal(
	    gnutls_x509_crt_set_dn_by_oid(certificate,
		GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)),
	    0);
	assert_int_equal(gnutls_x509_crt_set_key(certificate, out->key), 0);
	identity_extensions(&wish, certificate);
	assert_int_equal(
	    gnutls_x509_crt_sign2(certificate,
		issuer != NULL ? issuer->certificate : certificate,
		issuer != NULL ? issuer->key : out->key, GNUTLS_DIG_SHA256, 0),
	    0);
}

static inline void
identity_clear(struct identity *identity)
{
	gnutls_x509_privkey_deinit(identity->key);
	gnutls_x509_crt_deinit(identity->certificate);
}

/* Both for the caller to gnutls_free(). */
static inline struct mm_span
identity_certificate(
    const struct identity *identity, gnutls_x509_crt_fmt_t format)
{
	gnutls_datum_t out;

	assert_int_equal(
	    gnutls_x509_crt_export2(identity->certificate, format, &out), 0);
	return mm_span(out.data, out.size);
}

static inline struct mm_span
identity_private(const struct identity *identity, gnutls_x509_crt_fmt_t format)
{
	gnutls_datum_t out;

	assert_int_equal(gnutls_x509_privkey_export2_pkcs8(identity->key,
			     format, NULL, GNUTLS_PKCS_PLAIN, &out),
	    0);
	return mm_span(out.data, out.size);
}

/* SHA-256 over the DER SubjectPublicKeyInfo, by another way than ours. */
static inline void
identity_digest(const struct identity *identity, uint8_t out[32])
{
	gnutls_pubkey_t key;
	gnutls_datum_t spki;

	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(
	    gnutls_pubkey_import_x509(key, identity->certificate, 0), 0);
	assert_int_equal(
	    gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki), 0);
	assert_int_equal(
	    gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, out), 0);
	gnutls_free(spki.data);
	gnutls_pubkey_deinit(key);
}

#endif
