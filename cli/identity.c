#include "cli/identity.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>

#include "ca/certificate.h"
#include "cli/command.h"

static enum mm_error
write_key(const char *directory, gnutls_x509_privkey_t key)
{
	char path[4096];
	gnutls_datum_t pem;
	enum mm_error error = mm_path(path, sizeof(path), directory, "key.pem");

	if (error != MM_OK)
		return error;
	if (gnutls_x509_privkey_export2_pkcs8(
		key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) < 0)
		return mm_fail(MM_E_SYSTEM, "cannot encode a key");
	error = mm_file_write(path, mm_span(pem.data, pem.size), 0600, false);
	gnutls_memset(pem.data, 0, pem.size);
	gnutls_free(pem.data);
	return error;
}

static enum mm_error
public_half(gnutls_x509_privkey_t key, struct mm_buffer *spki)
{
	gnutls_pubkey_t public_key;
	gnutls_privkey_t private_key;
	gnutls_datum_t der = {NULL, 0};
	bool good = false;

	if (gnutls_pubkey_init(&public_key) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	if (gnutls_privkey_init(&private_key) == 0) {
		good = gnutls_privkey_import_x509(private_key, key, 0) == 0 &&
		       gnutls_pubkey_import_privkey(
			   public_key, private_key, 0, 0) == 0 &&
		       gnutls_pubkey_export2(
			   public_key, GNUTLS_X509_FMT_DER, &der) == 0;
		gnutls_privkey_deinit(private_key);
	}
	gnutls_pubkey_deinit(public_key);
	mm_buffer_add(spki, der.data, der.size);
	gnutls_free(der.data);
	return good ? spki->error
		    : mm_fail(MM_E_SYSTEM, "cannot export a public key");
}

enum mm_error
mm_identity_key(const char *directory, struct mm_buffer *spki)
{
	gnutls_x509_privkey_t key;
	enum mm_error error;

	if (mkdir(directory, 0700) < 0)
		return mm_fail(MM_E_FILE, "cannot make %s: %s", directory,
		    strerror(errno));
	if (gnutls_x509_privkey_init(&key) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0)
		error = mm_fail(MM_E_SYSTEM, "cannot make a key");
	else
		error = write_key(directory, key);
	if (error == MM_OK)
		error = public_half(key, spki);
	gnutls_x509_privkey_deinit(key);
	return error;
}

static enum mm_error
write_file(const char *directory, const char *name, struct mm_span bytes)
{
	char path[4096];
	enum mm_error error = mm_path(path, sizeof(path), directory, name);

	return error == MM_OK ? mm_file_write(path, bytes, 0644, false) : error;
}

static enum mm_error
write_certificate(
    const char *directory, const char *name, struct mm_span certificate)
{
	mm_auto(buffer) pem = {0};
	enum mm_error error;

	mm_buffer_init(&pem, 65536);
	error = mm_pem_encode("CERTIFICATE", certificate, &pem);
	return error == MM_OK
		   ? write_file(directory, name, mm_buffer_span(&pem))
		   : error;
}

static enum mm_error
write_line(const char *directory, const char *name, const char *text)
{
	mm_auto(buffer) line = {0};

	mm_buffer_init(&line, 4096);
	mm_buffer_printf(&line, "%s\n", text);
	return line.error == MM_OK
		   ? write_file(directory, name, mm_buffer_span(&line))
		   : mm_fail(line.error, "%s is too long", name);
}

enum mm_error
mm_identity_write(const char *directory, const struct mm_identity_parts *parts)
{
	enum mm_error error =
	    write_certificate(directory, "certificate.pem", parts->certificate);

	if (error == MM_OK)
		error = write_certificate(
		    directory, "access-ca.pem", parts->access_ca);
	if (error == MM_OK)
		error = write_line(directory, "appliance", parts->appliance);
	if (error == MM_OK)
		error = write_line(directory, "log.vkey", parts->vkey);
	return error;
}
