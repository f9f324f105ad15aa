#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "ca/certificate.h"
#include "ca/der.h"
#include "factory/private_key.h"

static const char begin[] = "-----BEGIN CERTIFICATE-----";
static const char end[] = "-----END CERTIFICATE-----";

bool
mm_is_pem(struct mm_span file)
{
	static const char mark[] = "-----BEGIN ";

	return file.size > 0 &&
	       memmem(file.data, file.size, mark, sizeof(mark) - 1) != NULL;
}

static const uint8_t *
find(struct mm_span text, const char *mark)
{
	return memmem(text.data, text.size, mark, strlen(mark));
}

/* The first block, from its first to its last line. */
static bool
first_block(struct mm_span file, struct mm_span *out)
{
	const uint8_t *first = find(file, begin), *last;
	struct mm_span rest;

	if (first == NULL)
		return false;
	rest = mm_span(first, file.size - (size_t)(first - file.data));
	last = find(rest, end);
	if (last == NULL)
		return false;
	*out = mm_span(first, (size_t)(last - first) + sizeof(end) - 1);
	return true;
}

static size_t
count_blocks(struct mm_span file)
{
	size_t count = 0;
	const uint8_t *at;

	while (file.size > 0 && (at = find(file, begin)) != NULL) {
		at += sizeof(begin) - 1;
		file = mm_span(at, file.size - (size_t)(at - file.data));
		count++;
	}
	return count;
}

static X509 *
parse(struct mm_span der)
{
	const uint8_t *at = der.data;
	X509 *certificate = der.size > 0 && der.size < MM_FLASH_PEM_MAX
				? d2i_X509(NULL, &at, (long)der.size)
				: NULL;

	if (certificate != NULL && at != der.data + der.size) {
		X509_free(certificate);
		certificate = NULL;
	}
	return certificate;
}

static enum mm_error
check(struct mm_span der)
{
	X509 *certificate = parse(der);

	if (certificate == NULL)
		return mm_fail(MM_E_FORMAT,
		    "this is no X.509 certificate in PEM or DER, or more "
		    "follows it");
	X509_free(certificate);
	return MM_OK;
}

enum mm_error
mm_certificate_first(struct mm_span file, struct mm_buffer *out, size_t *count)
{
	mm_auto(buffer) der = {0};
	struct mm_span block;
	bool pem = mm_is_pem(file);
	enum mm_error error = MM_OK;

	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	if (pem && !first_block(file, &block))
		return mm_fail(MM_E_FORMAT,
		    "there is no PEM certificate, or it does not end");
	if (pem)
		error = mm_pem_decode("CERTIFICATE", block, &der);
	else
		mm_buffer_add(&der, file.data, file.size);
	if (error == MM_OK)
		error = check(mm_buffer_span(&der));
	if (error != MM_OK)
		return error;
	if (count != NULL)
		*count = pem ? count_blocks(file) : 1;
	mm_buffer_add(out, der.data, der.size);
	return out->error;
}

enum mm_error
mm_certificate_pem(struct mm_span der, struct mm_buffer *out)
{
	enum mm_error error = check(der);

	return error == MM_OK ? mm_pem_encode("CERTIFICATE", der, out) : error;
}

enum mm_error
mm_certificate_stored(struct mm_span file, struct mm_buffer *out)
{
	mm_auto(buffer) der = {0};
	enum mm_error error;

	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_certificate_first(file, &der, NULL);
	if (error != MM_OK)
		return error;
	if (!mm_is_pem(file)) {
		mm_buffer_add(out, der.data, der.size);
		return out->error;
	}
	error = mm_pem_encode("CERTIFICATE", mm_buffer_span(&der), out);
	mm_buffer_add(out, "", 1);
	return error != MM_OK ? error : out->error;
}

/* --- whose it is --- */

enum mm_error
mm_certificate_issued(struct mm_span certificate, struct mm_span issuer)
{
	X509 *one = parse(certificate), *by = parse(issuer);
	bool there = one != NULL && by != NULL;
	bool good = there && X509_verify(one, X509_get0_pubkey(by)) == 1;

	X509_free(one);
	X509_free(by);
	ERR_clear_error();
	if (!there)
		return mm_fail(MM_E_FORMAT,
		    "one of these is no X.509 certificate: the device's, its "
		    "CA's");
	return good ? MM_OK
		    : mm_fail(MM_E_FORMAT,
			  "this CA's key did not sign the device's "
			  "certificate; the CA that issued it is the first one "
			  "in the device's chain (.chain.pem), and not a root "
			  "above it");
}

/* RFC 5480 2.1.1, 2.2: the curve by its name, the point in either form. */
static bool
same_point(const struct mm_private_key *key, X509_ALGOR *algorithm,
    struct mm_span bits)
{
	const void *value = NULL;
	const ASN1_OBJECT *oid;
	int type;

	X509_ALGOR_get0(NULL, &type, &value, algorithm);
	if (type != V_ASN1_OBJECT || value == NULL)
		return false;
	oid = value;
	return mm_span_equal(
		   mm_span(OBJ_get0_data(oid), OBJ_length(oid)), key->curve) &&
	       mm_point_is(bits, key->point);
}

static bool
same_modulus(const struct mm_private_key *key, struct mm_span bits)
{
	struct mm_der whole = mm_der(bits);
	struct mm_der in = mm_der_enter(&whole, MM_DER_SEQUENCE);
	struct mm_span n = mm_der_unsigned(&in), e = mm_der_unsigned(&in);

	return mm_der_end(&in) && mm_span_equal(n, key->n) &&
	       mm_span_equal(e, key->e);
}

static bool
is_for(const struct mm_private_key *key, const X509 *certificate)
{
	ASN1_OBJECT *oid;
	X509_ALGOR *algorithm;
	const unsigned char *data;
	int size, kind;

	if (X509_PUBKEY_get0_param(&oid, &data, &size, &algorithm,
		X509_get_X509_PUBKEY(certificate)) != 1)
		return false;
	kind = OBJ_obj2nid(oid);
	if (key->rsa)
		return kind == NID_rsaEncryption &&
		       same_modulus(key, mm_span(data, (size_t)size));
	return kind == NID_X9_62_id_ecPublicKey &&
	       same_point(key, algorithm, mm_span(data, (size_t)size));
}

enum mm_error
mm_private_key_matches(
    const struct mm_private_key *key, struct mm_span certificate)
{
	X509 *parsed = parse(certificate);
	bool good = parsed != NULL && is_for(key, parsed);

	if (parsed == NULL)
		return check(certificate);
	X509_free(parsed);
	return good ? MM_OK
		    : mm_fail(MM_E_FORMAT,
			  "the device's certificate is for another key than "
			  "this private key: take the files of one device");
}
