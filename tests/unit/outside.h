/*
 * CSRs, proofs and the certificates of a CA outside, which signs what it
 * likes.
 */
#ifndef MM_TEST_OUTSIDE_H
#define MM_TEST_OUTSIDE_H

#include <openssl/x509v3.h>

#include "ca/request.h"
#include "protocol/message.h"
#include "tests/unit/later.h"

struct csr_trial {
	struct mm_csr_entry entry; /* its info is made */
	struct mm_span spki;
	uint64_t time;
};

static inline struct outcome
try_csr(struct csr_trial *trial)
{
	mm_auto(buffer) info = {0};
	struct request request;
	char name[65];

	mm_buffer_init(&info, 4096);
	ok(mm_request_build(
	    profile(mm_span_string(trial->entry.profile, name, sizeof(name))),
	    trial->entry.subject, trial->spki, &info));
	trial->entry.info = keep_buffer(&info);
	prepare(&request,
	    log_append(&mint.log, make_entry(MM_ENTRY_CSR, trial->time,
				      mint.policy_digest, &trial->entry)),
	    NULL, 0);
	return ask(&request);
}

static inline void
check_csr(
    const struct csr_trial *trial, const char *key, struct mm_span signature)
{
	uint8_t digest[32];

	mm_tbs_digest(trial->entry.info, digest);
	ok(mm_key_verify_p256(mint_key(key)->spki, digest, signature));
}

static inline struct trial
proof_trial(void)
{
	struct trial trial = make_trial("proof", "a code of a cloud",
	    "device-ca", logged.device_ca_tbs, make_spki());
	struct mm_ceremony_proof proof = {.issuer = text("device-ca"),
	    .profile = text("proof"),
	    .code = text("a code of a cloud")};
	struct later later = make_later();
	struct mm_key key;

	ok(mm_key_read(trial.plan.spki, &key));
	memcpy(proof.key, key.sha256, sizeof(proof.key));
	later.claim.proofs = (struct mm_list){keep(&proof, sizeof(proof)), 1};
	trial.entry.basis = follow_later(&later);
	trial.plan.now = NOW + 30;
	refer(&trial, logged.device_ca);
	refer(&trial, logged.root);
	return trial;
}

/* A certificate by a key that is nobody's here. */
struct outside {
	struct mm_span der;
	uint8_t sha256[32];
};

static inline void
add_extension(
    X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
	X509_EXTENSION *extension =
	    X509V3_EXT_conf_nid(NULL, context, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* RFC 5280 4.2.1.1: of the CA outside, which nobody here asks for. */
static inline void
add_authority(X509 *certificate)
{
	AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();

	authority->keyid = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(
	    authority->keyid, (const unsigned char *)"outside", 7);
	assert_int_equal(X509_add1_ext_i2d(certificate,
			     NID_authority_key_identifier, authority, 0, 0),
	    1);
	AUTHORITY_KEYID_free(authority);
}

static inline void
name_of(X509_NAME *name, const char *common)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			     (const unsigned char *)common, -1, -1, 0),
	    1);
}

static inline struct mm_span
take_der(X509 *certificate)
{
	uint8_t *der = NULL;
	int size = i2d_X509(certificate, &der);
	struct mm_span kept;

	assert_true(size > 0);
	kept = mm_span(keep(der, (size_t)size), (size_t)size);
	OPENSSL_free(der);
	return kept;
}

static inline struct outside
make_outside_for(
    const char *subject, bool ca, const char *usage, struct mm_span spki)
{
	const unsigned char *at = spki.data;
	EVP_PKEY *signer = EVP_EC_gen("P-256");
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)spki.size);
	X509 *certificate = X509_new();
	X509V3_CTX context;
	struct outside outside;
	char identifier[64] = "";
	struct mm_key read;

	ok(mm_key_read(spki, &read));
	for (size_t i = 0; i < sizeof(read.ski); i++)
		snprintf(identifier + 2 * i, 3, "%02x", read.ski[i]);
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set_uint64(
	    X509_get_serialNumber(certificate), 0x1122334455667788);
	name_of(X509_get_issuer_name(certificate), "Outside Root");
	name_of(X509_get_subject_name(certificate), subject);
	ASN1_TIME_set(X509_getm_notBefore(certificate), NOW - DAY);
	ASN1_TIME_set(
	    X509_getm_notAfter(certificate), (time_t)NOW + 7300L * DAY);
	X509_set_pubkey(certificate, key);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	add_extension(certificate, &context, NID_basic_constraints,
	    ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add_extension(certificate, &context, NID_key_usage, usage);
	add_extension(
	    certificate, &context, NID_subject_key_identifier, identifier);
	add_authority(certificate);
	assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);
	outside.der = take_der(certificate);
	crypto_hash_sha256(outside.sha256, outside.der.data, outside.der.size);
	X509_free(certificate);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
	return outside;
}

static inline struct outside
make_outside(const char *subject, bool ca, struct mm_span spki)
{
	return make_outside_for(subject, ca,
	    ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature",
	    spki);
}

/* A ceremony that imports one or two certificates of a key. */
static inline uint64_t
follow_import_ceremony(
    const char *key, const struct outside *first, const struct outside *second)
{
	struct mm_ceremony_import imports[2] = {
	    {.key = text(key)}, {.key = text(key)}};
	struct later later = make_later();

	memcpy(imports[0].sha256, first->sha256, 32);
	if (second != NULL)
		memcpy(imports[1].sha256, second->sha256, 32);
	later.claim.imports = (struct mm_list){
	    keep(imports, sizeof(imports)), second != NULL ? 2 : 1};
	return follow_later(&later);
}

static inline void
log_import(const char *key, uint64_t basis, const struct outside *outside)
{
	struct mm_import_entry body = {
	    .key = text(key), .basis = basis, .certificate = outside->der};

	log_append(&mint.log,
	    make_entry(MM_ENTRY_IMPORT, NOW + 25, mint.policy_digest, &body));
}

#endif
