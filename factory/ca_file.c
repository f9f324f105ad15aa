#include "factory/ca_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "ca/certificate.h"

static enum mm_error
add_certificate(X509 *certificate, struct mm_buffer *pem)
{
	uint8_t *der = NULL;
	int size = i2d_X509(certificate, &der);
	enum mm_error error =
	    size > 0
		? mm_pem_encode("CERTIFICATE", mm_span(der, (size_t)size), pem)
		: mm_fail(MM_E_MEMORY, "no memory for a certificate");

	OPENSSL_free(der);
	return error;
}

/* Blocks of any kind. */
static size_t
count_blocks(struct mm_span file)
{
	static const char mark[] = "-----BEGIN ";
	const uint8_t *at = file.data, *end = file.data + file.size;
	size_t count = 0;

	while (at < end && (at = memmem(at, (size_t)(end - at), mark,
				sizeof(mark) - 1)) != NULL) {
		at += sizeof(mark) - 1;
		count++;
	}
	return count;
}

static BIO *
open_text(struct mm_span text)
{
	return text.size > 0 && text.size < INT32_MAX
		   ? BIO_new_mem_buf(text.data, (int)text.size)
		   : NULL;
}

enum mm_error
mm_ca_file_read(struct mm_span file, struct mm_buffer *pem)
{
	BIO *text = open_text(file);
	X509 *certificate = NULL;
	size_t count = 0;
	enum mm_error error = MM_OK;

	while (
	    text != NULL && error == MM_OK &&
	    (certificate = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL) {
		error = add_certificate(certificate, pem);
		X509_free(certificate);
		count++;
	}
	BIO_free(text);
	ERR_clear_error();
	if (error != MM_OK || (count > 0 && count == count_blocks(file)))
		return error;
	return mm_fail(MM_E_FORMAT,
	    count == 0 ? "there is no PEM certificate in it"
		       : "something else than certificates is in it, a private "
			 "key perhaps: give the CAs' certificates alone");
}

/* All of them are believed; OpenSSL itself wants a root at the end. */
static X509_STORE *
believe(struct mm_span pem)
{
	X509_STORE *store = X509_STORE_new();
	BIO *text = open_text(pem);
	X509 *certificate;

	while (
	    store != NULL && text != NULL &&
	    (certificate = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL) {
		(void)X509_STORE_add_cert(store, certificate);
		X509_free(certificate);
	}
	BIO_free(text);
	ERR_clear_error();
	return store;
}

static bool
verify(X509_STORE *store, X509 *certificate)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool good = context != NULL &&
		    X509_STORE_CTX_init(context, store, certificate, NULL) == 1;

	if (good) {
		X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME);
		good = X509_verify_cert(context) == 1;
	}
	X509_STORE_CTX_free(context);
	ERR_clear_error();
	return good;
}

enum mm_error
mm_ca_file_reaches(struct mm_span pem, struct mm_span certificate)
{
	const uint8_t *at = certificate.data;
	X509 *device = d2i_X509(NULL, &at, (long)certificate.size);
	X509_STORE *store = believe(pem);
	bool good = device != NULL && store != NULL && verify(store, device);

	X509_STORE_free(store);
	X509_free(device);
	ERR_clear_error();
	return good ? MM_OK
		    : mm_fail(MM_E_MISMATCH,
			  "it has not each CA from the devices' issuer up to "
			  "a root");
}
