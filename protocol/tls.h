/*
 * TLS as both sides of the wire have it: version 1.3 alone, certificates on
 * both sides from the access CA, each checked for its purpose, ALPN
 * `mintmark/1`, no early data. GnuTLS's defaults are not relied on: they
 * take a server's certificate for a client's, and a missing ALPN for a right
 * one.
 */
#ifndef MM_TLS_H
#define MM_TLS_H

#include <gnutls/gnutls.h>

#include "protocol/bytes.h"

#define MM_TLS_ALPN "mintmark/1"

enum {
	MM_TLS_TICKET_KEY_SIZE = 64,
	MM_TLS_CHAIN_MAX = 4,
	MM_TLS_SERIAL_MAX = 20 /* RFC 5280 4.1.2.2 */
};

/* Credentials of one side, shared by its sessions. */
struct mm_tls;

struct mm_tls_setup {
	struct mm_span key;        /* private: PKCS#8, DER or PEM */
	struct mm_list chain;      /* mm_bytes_item: own first, DER or PEM */
	struct mm_span anchor;     /* the one certificate that peers are from */
	struct mm_span ticket_key; /* servers: shared by all gates */
};

struct mm_tls_peer {
	uint8_t key[32];         /* SHA-256 of the DER SubjectPublicKeyInfo */
	uint8_t fingerprint[32]; /* SHA-256 of the certificate */
	int64_t expires;         /* POSIX seconds, inclusive */
	/* Content octets of the certificate's serial. */
	uint8_t serial[MM_TLS_SERIAL_MAX];
	size_t serial_size;
};

/*
 * Once a process, before all else and before its sandbox closes: everything
 * that GnuTLS would open later is opened or forbidden here.
 */
enum mm_error mm_tls_begin(void) mm_must_use;

/* Copies what it is given. MM_E_TLS says what is wrong with it. */
enum mm_error
mm_tls_new(const struct mm_tls_setup *setup, struct mm_tls **out) mm_must_use;
/* One more owner; each owner frees. */
struct mm_tls *mm_tls_share(struct mm_tls *tls);
void mm_tls_free(struct mm_tls *tls);

/*
 * A session over a non-blocking socket, which stays the caller's. `tls` must
 * outlive it; it ends by gnutls_deinit().
 */
enum mm_error
mm_tls_serve(struct mm_tls *tls, int fd, gnutls_session_t *out) mm_must_use;
/* `name` is the server's, and must outlive the session too. */
enum mm_error mm_tls_connect(struct mm_tls *tls, int fd, const char *name,
    gnutls_session_t *out) mm_must_use;

/*
 * As much of the handshake as goes without waiting. `done` means that the
 * peer has proven itself, also where the session was resumed. On MM_E_TLS
 * the alert has been sent. MM_E_AWAY: the connection ended before it was over.
 */
enum mm_error
mm_tls_handshake(gnutls_session_t session, bool *done) mm_must_use;

/* Who is at the other end; MM_E_TLS where no certificate has come. */
enum mm_error
mm_tls_peer(gnutls_session_t session, struct mm_tls_peer *out) mm_must_use;

/* Whether the call wants to be repeated when the socket is ready. */
bool mm_tls_again(ssize_t result);
/* MM_E_TLS with GnuTLS's words, or with those of the peer's alert. */
enum mm_error mm_tls_fail(gnutls_session_t session, ssize_t result);

#endif
