#include "server/tlskeys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <sodium.h>

#include "protocol/sealed.h"
#include "protocol/tls.h"

enum { PKCS8_MAX = 1024 };

static int
sealed(const char *name, const void *data, size_t size)
{
	mm_autoclose int fd =
	    memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size ||
	    fcntl(fd, F_ADD_SEALS, MM_SEALS) < 0)
		return -1;
	return mm_take_fd(fd);
}

int
mm_memfd_share(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int
seal_ticket(void)
{
	uint8_t *ticket = sodium_malloc(MM_TLS_TICKET_KEY_SIZE);
	int fd = -1;

	if (ticket == NULL)
		return -1;
	randombytes_buf(ticket, MM_TLS_TICKET_KEY_SIZE);
	fd = sealed("ticket-key", ticket, MM_TLS_TICKET_KEY_SIZE);
	sodium_free(ticket);
	return fd;
}

static int
seal_key(gnutls_x509_privkey_t key)
{
	uint8_t *der = sodium_malloc(PKCS8_MAX);
	size_t size = PKCS8_MAX;
	int fd = -1;

	if (der == NULL)
		return -1;
	if (gnutls_x509_privkey_export_pkcs8(key, GNUTLS_X509_FMT_DER, NULL,
		GNUTLS_PKCS_PLAIN, der, &size) == GNUTLS_E_SUCCESS)
		fd = sealed("tls-key", der, size);
	sodium_free(der);
	return fd;
}

static bool
export_spki(gnutls_x509_privkey_t key, struct mm_tls_keys *keys)
{
	gnutls_privkey_t private = NULL;
	gnutls_pubkey_t public = NULL;
	bool done;

	keys->spki_size = sizeof(keys->spki);
	done =
	    gnutls_privkey_init(&private) == GNUTLS_E_SUCCESS &&
	    gnutls_pubkey_init(&public) == GNUTLS_E_SUCCESS &&
	    gnutls_privkey_import_x509(private, key, 0) == GNUTLS_E_SUCCESS &&
	    gnutls_pubkey_import_privkey(public, private, 0, 0) ==
		GNUTLS_E_SUCCESS &&
	    gnutls_pubkey_export(public, GNUTLS_X509_FMT_DER, keys->spki,
		&keys->spki_size) == GNUTLS_E_SUCCESS;
	if (public != NULL)
		gnutls_pubkey_deinit(public);
	if (private != NULL)
		gnutls_privkey_deinit(private);
	return done;
}

enum mm_error
mm_tls_keys_make(struct mm_tls_keys *out)
{
	struct mm_tls_keys keys = {.key = -1, .ticket = -1};
	gnutls_x509_privkey_t key = NULL;
	bool done;

	if (gnutls_x509_privkey_init(&key) != GNUTLS_E_SUCCESS)
		return mm_fail(MM_E_SYSTEM, "cannot make a TLS key");
	done = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
		   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
		   0) == GNUTLS_E_SUCCESS &&
	       export_spki(key, &keys) && (keys.key = seal_key(key)) >= 0 &&
	       (keys.ticket = seal_ticket()) >= 0;
	gnutls_x509_privkey_deinit(key);
	if (!done) {
		mm_tls_keys_clear(&keys);
		return mm_fail(MM_E_SYSTEM, "cannot make a TLS key");
	}
	*out = keys;
	return MM_OK;
}

void
mm_tls_keys_clear(struct mm_tls_keys *keys)
{
	mm_own_close_(&keys->key);
	mm_own_close_(&keys->ticket);
	*keys = (struct mm_tls_keys){.key = -1, .ticket = -1};
}
