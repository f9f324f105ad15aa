#include "cli/identity.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ca/certificate.h"
#include "cli/command.h"

static enum mm_error
write_key(const char *path, gnutls_x509_privkey_t key)
{
	gnutls_datum_t pem;
	enum mm_error error;

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

static enum mm_error
make_key(gnutls_x509_privkey_t *out)
{
	gnutls_x509_privkey_t key;

	if (gnutls_x509_privkey_init(&key) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0) {
		gnutls_x509_privkey_deinit(key);
		return mm_fail(MM_E_SYSTEM, "cannot make a key");
	}
	*out = key;
	return MM_OK;
}

static enum mm_error
make_key_file(const char *path, struct mm_buffer *spki)
{
	gnutls_x509_privkey_t key;
	enum mm_error error = make_key(&key);

	if (error != MM_OK)
		return error;
	error = write_key(path, key);
	if (error == MM_OK)
		error = public_half(key, spki);
	gnutls_x509_privkey_deinit(key);
	return error;
}

enum mm_error
mm_identity_key(const char *directory, struct mm_buffer *spki)
{
	char path[4096];
	enum mm_error error = mm_path(path, sizeof(path), directory, "key.pem");

	if (error == MM_OK && mkdir(directory, 0700) < 0)
		error = mm_fail(MM_E_FILE, "cannot make %s: %s", directory,
		    strerror(errno));
	return error == MM_OK ? make_key_file(path, spki) : error;
}

/* --- a CSR --- */

enum { PEM_MAX = 65536 };

static enum mm_error
read_key(const char *path, gnutls_x509_privkey_t key)
{
	mm_auto(buffer) pem = {0};
	gnutls_datum_t datum;
	enum mm_error error;

	mm_buffer_init(&pem, PEM_MAX);
	error = mm_file_read(path, PEM_MAX, &pem);
	if (error != MM_OK)
		return error;
	datum = (gnutls_datum_t){pem.data, (unsigned)pem.size};
	if (gnutls_x509_privkey_import2(
		key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0) < 0)
		error = mm_fail(MM_E_FORMAT, "%s is no private key", path);
	gnutls_memset(pem.data, 0, pem.size);
	return error;
}

static bool
sign_request(
    gnutls_x509_crq_t crq, gnutls_x509_privkey_t key, struct mm_buffer *out)
{
	static const char name[] = "mintmark";
	gnutls_datum_t der = {NULL, 0};
	bool good =
	    gnutls_x509_crq_set_version(crq, 1) == 0 &&
	    gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0,
		name, sizeof(name) - 1) == 0 &&
	    gnutls_x509_crq_set_key(crq, key) == 0 &&
	    gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0) == 0 &&
	    gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_DER, &der) == 0;

	mm_buffer_add(out, der.data, der.size);
	gnutls_free(der.data);
	return good;
}

static enum mm_error
request(gnutls_x509_privkey_t key, struct mm_buffer *out)
{
	gnutls_x509_crq_t crq;
	bool good;

	if (gnutls_x509_crq_init(&crq) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a CSR");
	good = sign_request(crq, key, out);
	gnutls_x509_crq_deinit(crq);
	return good ? out->error : mm_fail(MM_E_SYSTEM, "cannot make a CSR");
}

enum mm_error
mm_key_once(struct mm_buffer *spki, struct mm_buffer *csr)
{
	gnutls_x509_privkey_t key;
	enum mm_error error = make_key(&key);

	if (error != MM_OK)
		return error;
	error = public_half(key, spki);
	if (error == MM_OK)
		error = request(key, csr);
	gnutls_x509_privkey_deinit(key);
	return error;
}

enum mm_error
mm_identity_request(const char *directory, struct mm_buffer *out)
{
	char path[4096];
	gnutls_x509_privkey_t key;
	enum mm_error error = mm_path(path, sizeof(path), directory, "key.pem");

	if (error != MM_OK)
		return error;
	if (gnutls_x509_privkey_init(&key) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	error = read_key(path, key);
	if (error == MM_OK)
		error = request(key, out);
	gnutls_x509_privkey_deinit(key);
	return error;
}

/* --- files --- */

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

enum mm_error
mm_identity_renew(const char *directory, struct mm_span certificate)
{
	char path[4096];
	mm_auto(buffer) pem = {0};
	enum mm_error error =
	    mm_path(path, sizeof(path), directory, "certificate.pem");

	mm_buffer_init(&pem, PEM_MAX);
	if (error == MM_OK)
		error = mm_pem_encode("CERTIFICATE", certificate, &pem);
	return error == MM_OK
		   ? mm_file_write(path, mm_buffer_span(&pem), 0644, true)
		   : error;
}

/* --- somebody else's --- */

enum { COPIED = 3 };
static const char *const handed_over[] = {
    "access-ca.pem", "appliance", "log.vkey", "certificate.pem"};

static enum mm_error
read_file(const char *directory, const char *name, struct mm_buffer *out)
{
	char path[4096];
	enum mm_error error = mm_path(path, sizeof(path), directory, name);

	mm_buffer_init(out, PEM_MAX);
	return error == MM_OK ? mm_file_read(path, PEM_MAX, out) : error;
}

static enum mm_error
check_free(const char *directory, const char *name, bool force)
{
	char path[4096];
	enum mm_error error = mm_path(path, sizeof(path), directory, name);

	if (error == MM_OK && !force && access(path, F_OK) == 0)
		error = mm_fail(MM_E_EXISTS,
		    "%s exists already; say --force to overwrite it", path);
	return error;
}

/* The directory is there, or its parent, and can be written to. */
static enum mm_error
check_directory(const char *directory)
{
	char parent[PATH_MAX], path[PATH_MAX];
	struct stat info;
	size_t size = strlen(directory);

	while (size > 1 && directory[size - 1] == '/')
		size--;
	snprintf(path, sizeof(path), "%.*s", (int)size, directory);
	mm_path_parent(path, parent);
	errno = ENOTDIR;
	if (stat(path, &info) == 0
		? S_ISDIR(info.st_mode) && access(path, W_OK | X_OK) == 0
		: errno == ENOENT && access(parent, W_OK | X_OK) == 0)
		return MM_OK;
	return mm_fail(MM_E_FILE, "cannot write files into %s: %s", directory,
	    strerror(errno));
}

enum mm_error
mm_identity_hand_over_check(const char *from, const char *directory, bool force)
{
	enum mm_error error = check_directory(directory);

	for (size_t i = 0; i < MM_COUNT(handed_over) && error == MM_OK; i++)
		error = check_free(directory, handed_over[i], force);
	for (size_t i = 0; i < COPIED && error == MM_OK; i++) {
		mm_auto(buffer) bytes = {0};

		error = read_file(from, handed_over[i], &bytes);
	}
	return error;
}

static enum mm_error
copy_file(const char *from, const char *directory, const char *name, bool force)
{
	char path[4096];
	mm_auto(buffer) bytes = {0};
	enum mm_error error = read_file(from, name, &bytes);

	if (error == MM_OK)
		error = mm_path(path, sizeof(path), directory, name);
	return error == MM_OK
		   ? mm_file_write(path, mm_buffer_span(&bytes), 0644, force)
		   : error;
}

/* The certificate last: who has one has the rest. */
enum mm_error
mm_identity_hand_over(const char *from, const char *directory,
    struct mm_span certificate, bool force)
{
	enum mm_error error =
	    mm_identity_hand_over_check(from, directory, force);

	if (error == MM_OK && mkdir(directory, 0700) < 0 && errno != EEXIST)
		error = mm_fail(MM_E_FILE, "cannot make %s: %s", directory,
		    strerror(errno));
	for (size_t i = 0; i < COPIED && error == MM_OK; i++)
		error = copy_file(from, directory, handed_over[i], force);
	if (error != MM_OK)
		return error;
	return force ? mm_identity_renew(directory, certificate)
		     : write_certificate(
			   directory, handed_over[COPIED], certificate);
}
