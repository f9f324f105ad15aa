#include "protocol/tls.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <gnutls/crypto.h>
#include <gnutls/pkcs11.h>
#include <gnutls/x509.h>

#include "protocol/date.h"
#include "protocol/shape.h"

/*
 * Written out, since the defaults offer SHA-1 signatures. PROFILE_MEDIUM:
 * nothing below 112 bits in a peer's chain (RSA 2048).
 */
static const char priorities[] =
    "NONE:+VERS-TLS1.3:+CTYPE-X509:+AEAD"
    ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
    ":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
    ":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384"
    ":+SIGN-EDDSA-ED25519"
    ":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384"
    ":%PROFILE_MEDIUM";

enum {
	HANDSHAKE_MAX = 32768, /* bytes of one handshake message */
	KEY_BITS_MAX = 4096,
	HINT = 64
};

struct mm_tls {
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t ticket_key;
	unsigned owners;
};

/* Made before the sandbox closes; one a process. */
static gnutls_priority_t priority_cache;

static enum mm_error
fail(const char *what, int result)
{
	return mm_fail(MM_E_TLS, "%s: %s", what, gnutls_strerror(result));
}

enum mm_error
mm_tls_begin(void)
{
	int result;

	if (priority_cache != NULL)
		return MM_OK;
	/* Or GnuTLS loads every PKCS#11 module of the machine by itself. */
	result = gnutls_pkcs11_init(GNUTLS_PKCS11_FLAG_MANUAL, NULL);
	if (result >= 0)
		result = gnutls_global_init();
	if (result >= 0)
		result =
		    gnutls_priority_init2(&priority_cache, priorities, NULL, 0);
	return result >= 0 ? MM_OK : fail("GnuTLS does not start", result);
}

bool
mm_tls_again(ssize_t result)
{
	return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED;
}

enum mm_error
mm_tls_fail(gnutls_session_t session, ssize_t result)
{
	const char *alert;

	if (result != GNUTLS_E_FATAL_ALERT_RECEIVED)
		return fail("TLS", (int)result);
	alert = gnutls_alert_get_name(gnutls_alert_get(session));
	return mm_fail(MM_E_TLS, "the other side refused: %s",
	    alert != NULL ? alert : "unknown alert");
}

/* A key purpose must be said: no EKU at all would mean any purpose. */
static bool
has_purpose(gnutls_x509_crt_t certificate, const char *purpose)
{
	char oid[128];
	size_t size = sizeof(oid);

	for (unsigned i = 0; gnutls_x509_crt_get_key_purpose_oid(
				 certificate, i, oid, &size, NULL) >= 0;
	     i++, size = sizeof(oid))
		if (strcmp(oid, purpose) == 0)
			return true;
	return false;
}

static enum mm_error
check_leaf(gnutls_session_t session, const char *purpose)
{
	unsigned count = 0;
	const gnutls_datum_t *chain =
	    gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t leaf;
	enum mm_error error = MM_OK;

	if (count == 0)
		return mm_fail(MM_E_TLS, "the peer has no certificate");
	if (gnutls_x509_crt_init(&leaf) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	if (gnutls_x509_crt_import(leaf, chain, GNUTLS_X509_FMT_DER) < 0)
		error = mm_fail(MM_E_TLS, "the certificate is malformed");
	else if (gnutls_x509_crt_get_basic_constraints(leaf, NULL, NULL, NULL) >
		 0)
		error = mm_fail(MM_E_TLS, "the certificate is a CA's");
	else if (!has_purpose(leaf, purpose))
		error = mm_fail(MM_E_TLS,
		    "the certificate is not for this purpose (%s)", purpose);
	gnutls_x509_crt_deinit(leaf);
	return error;
}

/* A certificate that seems too old or too new may be a clock that is wrong. */
static const char *
clock_hint(unsigned status, char out[HINT])
{
	char now[MM_TIME_TEXT];

	out[0] = '\0';
	mm_time_text((uint64_t)time(NULL), now);
	if ((status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) != 0)
		snprintf(out, HINT, "By the clock here it is %s", now);
	return out;
}

static enum mm_error
check_chain(gnutls_session_t session, const char *purpose, const char *name)
{
	gnutls_typed_vdata_st wanted[] = {
	    {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)purpose, 0},
	    {GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)name, 0}};
	gnutls_datum_t text = {NULL, 0};
	char hint[HINT];
	unsigned status = 0;
	int result = gnutls_certificate_verify_peers(
	    session, wanted, name != NULL ? 2 : 1, &status);

	if (result < 0)
		return fail("the peer's certificate", result);
	if (status == 0)
		return MM_OK;
	result = gnutls_certificate_verification_status_print(
	    status, GNUTLS_CRT_X509, &text, 0);
	mm_fail(MM_E_TLS, "%s%s",
	    result >= 0 ? (const char *)text.data
			: "the certificate is refused. ",
	    clock_hint(status, hint));
	gnutls_free(text.data);
	return MM_E_TLS;
}

/* GnuTLS asks this in the handshake; a resumed one has to be asked again. */
static int
check_peer(gnutls_session_t session)
{
	/* A client knows the name that it wants; a server has none. */
	const char *name = gnutls_session_get_ptr(session);
	const char *purpose =
	    name != NULL ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;

	if (check_chain(session, purpose, name) != MM_OK ||
	    check_leaf(session, purpose) != MM_OK)
		return GNUTLS_E_CERTIFICATE_ERROR;
	return 0;
}

static gnutls_datum_t
datum(struct mm_span span)
{
	return (gnutls_datum_t){
	    (unsigned char *)span.data, (unsigned)span.size};
}

/* DER begins with a SEQUENCE; PEM with text. */
static gnutls_x509_crt_fmt_t
format_of(struct mm_span bytes)
{
	return bytes.size > 0 && bytes.data[0] == 0x30 ? GNUTLS_X509_FMT_DER
						       : GNUTLS_X509_FMT_PEM;
}

struct chain {
	gnutls_x509_crt_t certificates[MM_TLS_CHAIN_MAX];
	unsigned count;
};

static void
chain_clear(struct chain *chain)
{
	for (unsigned i = 0; i < chain->count; i++)
		gnutls_x509_crt_deinit(chain->certificates[i]);
	chain->count = 0;
}

/* A PEM item may hold several. */
static int
chain_add(struct chain *chain, struct mm_span item)
{
	gnutls_datum_t bytes = datum(item);
	unsigned room = MM_TLS_CHAIN_MAX - chain->count;
	int result;

	if (room == 0)
		return GNUTLS_E_SHORT_MEMORY_BUFFER;
	result = gnutls_x509_crt_list_import(chain->certificates + chain->count,
	    &room, &bytes, format_of(item),
	    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (result > 0)
		chain->count += (unsigned)result;
	return result;
}

static int
chain_read(const struct mm_list *items, struct chain *chain)
{
	int result = GNUTLS_E_NO_CERTIFICATE_FOUND;

	for (mm_list_each(const struct mm_bytes_item, item, *items)) {
		result = chain_add(chain, item->value);
		if (result < 0)
			break;
	}
	return result;
}

static enum mm_error
set_own(struct mm_tls *tls, const struct mm_tls_setup *setup)
{
	gnutls_datum_t key = datum(setup->key);
	gnutls_x509_privkey_t private;
	struct chain chain = {.count = 0};
	int result = gnutls_x509_privkey_init(&private);

	if (result < 0)
		return fail("TLS key", result);
	result = gnutls_x509_privkey_import2(
	    private, &key, format_of(setup->key), NULL, 0);
	if (result >= 0)
		result = chain_read(&setup->chain, &chain);
	if (result >= 0)
		result = gnutls_certificate_set_x509_key(tls->credentials,
		    chain.certificates, (int)chain.count, private);
	chain_clear(&chain);
	gnutls_x509_privkey_deinit(private);
	return result >= 0 ? MM_OK : fail("TLS certificate and key", result);
}

static enum mm_error
set_anchor(struct mm_tls *tls, struct mm_span anchor)
{
	gnutls_datum_t bytes = datum(anchor);
	int result = gnutls_certificate_set_x509_trust_mem(
	    tls->credentials, &bytes, format_of(anchor));

	if (result < 0)
		return fail("access CA certificate", result);
	if (result != 1)
		return mm_fail(MM_E_TLS,
		    "%d access CA certificates where one was expected", result);
	return MM_OK;
}

static enum mm_error
set_ticket_key(struct mm_tls *tls, struct mm_span key)
{
	if (key.size == 0)
		return MM_OK;
	if (key.size != MM_TLS_TICKET_KEY_SIZE)
		return mm_fail(MM_E_TLS, "a ticket key of %zu bytes", key.size);
	tls->ticket_key.data = gnutls_malloc(key.size);
	if (tls->ticket_key.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the ticket key");
	memcpy(tls->ticket_key.data, key.data, key.size);
	tls->ticket_key.size = (unsigned)key.size;
	return MM_OK;
}

enum mm_error
mm_tls_new(const struct mm_tls_setup *setup, struct mm_tls **out)
{
	struct mm_tls *tls = calloc(1, sizeof(*tls));
	enum mm_error error;

	if (tls == NULL ||
	    gnutls_certificate_allocate_credentials(&tls->credentials) < 0) {
		free(tls);
		return mm_fail(MM_E_MEMORY, "no memory for TLS credentials");
	}
	tls->owners = 1;
	gnutls_certificate_set_verify_limits(
	    tls->credentials, KEY_BITS_MAX, MM_TLS_CHAIN_MAX);
	gnutls_certificate_set_verify_function(tls->credentials, check_peer);
	error = set_own(tls, setup);
	if (error == MM_OK)
		error = set_anchor(tls, setup->anchor);
	if (error == MM_OK)
		error = set_ticket_key(tls, setup->ticket_key);
	if (error != MM_OK) {
		mm_tls_free(tls);
		return error;
	}
	*out = tls;
	return MM_OK;
}

struct mm_tls *
mm_tls_share(struct mm_tls *tls)
{
	tls->owners++;
	return tls;
}

void
mm_tls_free(struct mm_tls *tls)
{
	if (tls == NULL || --tls->owners > 0)
		return;
	gnutls_certificate_free_credentials(tls->credentials);
	if (tls->ticket_key.data != NULL)
		gnutls_memset(tls->ticket_key.data, 0, tls->ticket_key.size);
	gnutls_free(tls->ticket_key.data);
	free(tls);
}

/* What both sides set, in the order in which it may fail. */
static int
set_session(struct mm_tls *tls, gnutls_session_t session, int fd)
{
	static const gnutls_datum_t alpn = {
	    (unsigned char *)MM_TLS_ALPN, sizeof(MM_TLS_ALPN) - 1};
	int result = gnutls_priority_set(session, priority_cache);

	if (result >= 0)
		result = gnutls_credentials_set(
		    session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
	if (result >= 0)
		result = gnutls_alpn_set_protocols(
		    session, &alpn, 1, GNUTLS_ALPN_MANDATORY);
	gnutls_handshake_set_max_packet_length(session, HANDSHAKE_MAX);
	gnutls_transport_set_int(session, fd);
	return result;
}

static enum mm_error
open_session(struct mm_tls *tls, int fd, unsigned role, const char *name,
    gnutls_session_t *out)
{
	gnutls_session_t session;
	int result =
	    gnutls_init(&session, role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

	if (result < 0)
		return fail("TLS session", result);
	result = set_session(tls, session, fd);
	if (result >= 0 && role == GNUTLS_SERVER && tls->ticket_key.size > 0)
		result = gnutls_session_ticket_enable_server(
		    session, &tls->ticket_key);
	if (result < 0) {
		gnutls_deinit(session);
		return fail("TLS session", result);
	}
	gnutls_session_set_ptr(session, (void *)name);
	if (role == GNUTLS_SERVER)
		gnutls_certificate_server_set_request(
		    session, GNUTLS_CERT_REQUIRE);
	*out = session;
	return MM_OK;
}

enum mm_error
mm_tls_serve(struct mm_tls *tls, int fd, gnutls_session_t *out)
{
	return open_session(tls, fd, GNUTLS_SERVER, NULL, out);
}

/* Names that are addresses are not sent: RFC 6066 section 3. */
static bool
is_address(const char *name)
{
	return strchr(name, ':') != NULL ||
	       name[strspn(name, "0123456789.")] == '\0';
}

enum mm_error
mm_tls_connect(
    struct mm_tls *tls, int fd, const char *name, gnutls_session_t *out)
{
	enum mm_error error = open_session(tls, fd, GNUTLS_CLIENT, name, out);
	int result;

	if (error != MM_OK || is_address(name))
		return error;
	result =
	    gnutls_server_name_set(*out, GNUTLS_NAME_DNS, name, strlen(name));
	if (result >= 0)
		return MM_OK;
	gnutls_deinit(*out);
	*out = NULL;
	return fail("the appliance's name", result);
}

static enum mm_error
refuse(gnutls_session_t session, gnutls_alert_description_t alert)
{
	(void)gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
	return MM_E_TLS;
}

/* What GnuTLS lets pass though it was asked not to. */
static enum mm_error
check_established(gnutls_session_t session)
{
	gnutls_datum_t alpn = {NULL, 0};

	if (gnutls_alpn_get_selected_protocol(session, &alpn) < 0 ||
	    !mm_span_is(mm_span(alpn.data, alpn.size), MM_TLS_ALPN)) {
		mm_fail(MM_E_TLS, "the peer does not speak " MM_TLS_ALPN);
		return refuse(session, GNUTLS_A_NO_APPLICATION_PROTOCOL);
	}
	if (gnutls_session_is_resumed(session) && check_peer(session) != 0)
		return refuse(session, GNUTLS_A_BAD_CERTIFICATE);
	return MM_OK;
}

/* The other side went away, and said nothing against us. A record that ends
 * too early is a wrong one, unless nothing can come any more. */
static bool
is_cut(gnutls_session_t session, int result)
{
	static const int cuts[] = {GNUTLS_E_PREMATURE_TERMINATION,
	    GNUTLS_E_PULL_ERROR, GNUTLS_E_PUSH_ERROR};
	char byte;

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (result == cuts[i])
			return true;
	return result == GNUTLS_E_UNEXPECTED_PACKET_LENGTH &&
	       recv(gnutls_transport_get_int(session), &byte, 1,
		   MSG_PEEK | MSG_DONTWAIT) == 0;
}

enum mm_error
mm_tls_handshake(gnutls_session_t session, bool *done)
{
	int result = gnutls_handshake(session);

	*done = false;
	if (result >= 0) {
		*done = true;
		return check_established(session);
	}
	if (!gnutls_error_is_fatal(result))
		return MM_OK;
	if (is_cut(session, result))
		return mm_fail(MM_E_AWAY,
		    "the connection ended while it was made: %s",
		    gnutls_strerror(result));
	/* check_peer() has said why already. */
	if (result != GNUTLS_E_CERTIFICATE_ERROR)
		mm_tls_fail(session, result);
	(void)gnutls_alert_send_appropriate(session, result);
	return MM_E_TLS;
}

static int
read_peer(gnutls_x509_crt_t leaf, struct mm_tls_peer *peer)
{
	size_t size = sizeof(peer->key);
	int result = gnutls_x509_crt_get_key_id(
	    leaf, GNUTLS_KEYID_USE_SHA256, peer->key, &size);

	if (result < 0)
		return result;
	peer->serial_size = sizeof(peer->serial);
	result =
	    gnutls_x509_crt_get_serial(leaf, peer->serial, &peer->serial_size);
	if (result < 0)
		return result;
	size = sizeof(peer->fingerprint);
	peer->expires = gnutls_x509_crt_get_expiration_time(leaf);
	return gnutls_x509_crt_get_fingerprint(
	    leaf, GNUTLS_DIG_SHA256, peer->fingerprint, &size);
}

enum mm_error
mm_tls_peer(gnutls_session_t session, struct mm_tls_peer *out)
{
	unsigned count = 0;
	const gnutls_datum_t *chain =
	    gnutls_certificate_get_peers(session, &count);
	struct mm_tls_peer peer = {.expires = 0};
	gnutls_x509_crt_t leaf;
	int result;

	if (count == 0)
		return mm_fail(MM_E_TLS, "the peer has no certificate");
	result = gnutls_x509_crt_init(&leaf);
	if (result < 0)
		return fail("the peer's certificate", result);
	result = gnutls_x509_crt_import(leaf, chain, GNUTLS_X509_FMT_DER);
	if (result >= 0)
		result = read_peer(leaf, &peer);
	gnutls_x509_crt_deinit(leaf);
	if (result < 0)
		return fail("the peer's certificate", result);
	*out = peer;
	return MM_OK;
}
