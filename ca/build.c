/*
 * TBS building with GnuTLS. It has no way to a TBS without a signature, so it
 * signs with a key that answers with a dummy, and the TBS is cut out.
 */
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>

#include "ca/name.h"
#include "ca/tbs.h"

/* ECDSA-Sig-Value { 1, 1 } */
static const uint8_t dummy[] = {0x30, 6, 2, 1, 1, 2, 1, 1};

static int
sign_dummy(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *data,
    unsigned flags, const gnutls_datum_t *hash, gnutls_datum_t *signature)
{
	(void)key, (void)algorithm, (void)data, (void)flags, (void)hash;
	signature->data = gnutls_malloc(sizeof(dummy));
	if (signature->data == NULL)
		return GNUTLS_E_MEMORY_ERROR;
	memcpy(signature->data, dummy, sizeof(dummy));
	signature->size = sizeof(dummy);
	return 0;
}

static int
tell_dummy(gnutls_privkey_t key, unsigned flags, void *data)
{
	(void)key, (void)data;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return GNUTLS_PK_ECDSA;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return 256;
	return (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) != 0;
}

/* Made once and kept. */
static int
dummy_key(gnutls_privkey_t *out)
{
	static gnutls_privkey_t kept;
	int code = 0;

	if (kept == NULL) {
		code = gnutls_privkey_init(&kept);
		if (code >= 0)
			code = gnutls_privkey_import_ext4(kept, NULL,
			    sign_dummy, sign_dummy, NULL, NULL, tell_dummy, 0);
		if (code < 0) {
			gnutls_privkey_deinit(kept);
			kept = NULL;
		}
	}
	*out = kept;
	return code;
}

/*
 * GnuTLS wants the issuer as a certificate, which takes it as long to read as
 * to write one: the last few are kept, by their TBS.
 */
static struct kept_issuer {
	struct mm_buffer tbs;
	gnutls_x509_crt_t certificate;
} kept_issuers[4];

/* A certificate of the TBS: GnuTLS wants the algorithm outside to be the one
 * inside, which is another where a CA outside has signed. */
static enum mm_error
assemble_issuer(struct mm_span tbs, struct mm_buffer *out)
{
	struct mm_der whole = mm_der(tbs);
	struct mm_der fields = mm_der_enter(&whole, MM_DER_SEQUENCE);
	struct mm_span algorithm;
	size_t certificate, bits;

	mm_der_take(&fields, MM_DER_CONTEXT_CONSTRUCTED);
	mm_der_take(&fields, MM_DER_INTEGER);
	algorithm = mm_der_whole(&fields, MM_DER_SEQUENCE);
	certificate = mm_der_open(out, MM_DER_SEQUENCE);
	mm_buffer_add(out, tbs.data, tbs.size);
	mm_buffer_add(out, algorithm.data, algorithm.size);
	bits = mm_der_open(out, MM_DER_BITS);
	mm_buffer_add(out, "", 1); /* no unused bits */
	mm_buffer_add(out, dummy, sizeof(dummy));
	mm_der_close(out, bits);
	mm_der_close(out, certificate);
	return out->error;
}

static enum mm_error
import_issuer(struct mm_span tbs, gnutls_x509_crt_t *out)
{
	mm_auto(buffer) der = {0};
	gnutls_datum_t datum;
	enum mm_error error;
	int code;

	mm_buffer_init(&der, MM_TBS_MAX + 64);
	error = assemble_issuer(tbs, &der);
	if (error != MM_OK)
		return error;
	datum = (gnutls_datum_t){der.data, (unsigned)der.size};
	code = gnutls_x509_crt_init(out);
	if (code >= 0)
		code =
		    gnutls_x509_crt_import(*out, &datum, GNUTLS_X509_FMT_DER);
	if (code >= 0)
		return MM_OK;
	gnutls_x509_crt_deinit(*out);
	return mm_fail(MM_E_CERTIFICATE, "issuer: %s", gnutls_strerror(code));
}

static enum mm_error
find_issuer(struct mm_span tbs, gnutls_x509_crt_t *out)
{
	static size_t next;
	struct kept_issuer *kept = &kept_issuers[next];
	gnutls_x509_crt_t fresh;
	enum mm_error error;

	for (size_t i = 0; i < MM_COUNT(kept_issuers); i++)
		if (kept_issuers[i].certificate != NULL &&
		    mm_span_equal(mm_buffer_span(&kept_issuers[i].tbs), tbs)) {
			*out = kept_issuers[i].certificate;
			return MM_OK;
		}
	error = import_issuer(tbs, &fresh);
	if (error != MM_OK)
		return error;
	gnutls_x509_crt_deinit(kept->certificate);
	mm_buffer_clear(&kept->tbs);
	mm_buffer_init(&kept->tbs, MM_TBS_MAX);
	mm_buffer_add(&kept->tbs, tbs.data, tbs.size);
	kept->certificate = fresh;
	next = (next + 1) % MM_COUNT(kept_issuers);
	*out = fresh;
	return MM_OK;
}

/*
 * GnuTLS does not always notice that memory was short while it read one: what
 * failed with it is not tried with it again.
 */
static void
forget_issuers(void)
{
	for (size_t i = 0; i < MM_COUNT(kept_issuers); i++) {
		gnutls_x509_crt_deinit(kept_issuers[i].certificate);
		mm_buffer_clear(&kept_issuers[i].tbs);
		kept_issuers[i] = (struct kept_issuer){.certificate = NULL};
	}
}

/* The steps answer GnuTLS's codes; extensions stand in the steps' order. */
static int
set_key(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	const gnutls_datum_t spki = {
	    (uint8_t *)form->spki.data, (unsigned)form->spki.size};
	gnutls_pubkey_t key;
	int code = gnutls_pubkey_init(&key);

	if (code < 0)
		return code;
	code = gnutls_pubkey_import(key, &spki, GNUTLS_X509_FMT_DER);
	if (code >= 0)
		code = gnutls_x509_crt_set_pubkey(certificate, key);
	gnutls_pubkey_deinit(key);
	return code;
}

static int
set_times(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	/* (time_t)-1 is how GnuTLS takes 99991231235959Z. */
	time_t end = form->not_after == UINT64_MAX ? (time_t)-1
						   : (time_t)form->not_after;
	int code = gnutls_x509_crt_set_activation_time(
	    certificate, (time_t)form->not_before);

	return code < 0 ? code
			: gnutls_x509_crt_set_expiration_time(certificate, end);
}

static int
set_constraints(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	const struct mm_profile *profile = form->plan->profile;
	bool ca = profile->purpose == MM_PURPOSE_CA;

	return gnutls_x509_crt_set_basic_constraints(
	    certificate, ca, profile->path ? (int)profile->path_length : -1);
}

/* GnuTLS counts the bits of the first byte from the top. */
static int
set_usage(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	unsigned usage = 0;

	for (unsigned bit = 0; bit < 8; bit++)
		if (form->plan->profile->key_usage >> bit & 1)
			usage |= 0x80u >> bit;
	return gnutls_x509_crt_set_key_usage(certificate, usage);
}

static int
set_purposes(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	char oid[MM_OID_TEXT_SIZE];
	int code = 0;

	for (mm_list_each(const struct mm_text_item, item,
		 form->plan->profile->purposes)) {
		mm_span_string(item->value, oid, sizeof(oid));
		code = gnutls_x509_crt_set_key_purpose_oid(certificate, oid, 0);
		if (code < 0)
			return code;
	}
	return code;
}

static int
set_server_names(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	uint8_t address[16];

	for (mm_list_each(
		 const struct mm_text_item, item, mm_form_names(form))) {
		size_t size = mm_ip_address(item->value, address);
		int code = gnutls_x509_crt_set_subject_alt_name(certificate,
		    size > 0 ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
		    size > 0 ? address : item->value.data,
		    (unsigned)(size > 0 ? size : item->value.size),
		    GNUTLS_FSAN_APPEND);

		if (code < 0)
			return code;
	}
	return 0;
}

/* RFC 4108 5: HardwareModuleName. */
static int
set_module(gnutls_x509_crt_t certificate,
    const struct mm_alternative *alternative, struct mm_span serial)
{
	mm_auto(buffer) der = {0};
	size_t module;

	mm_buffer_init(&der, 2 * MM_ALTERNATIVE_MAX);
	module = mm_der_open(&der, MM_DER_SEQUENCE);
	if (mm_der_put_oid(&der, alternative->type) != MM_OK)
		return GNUTLS_E_INVALID_REQUEST;
	mm_der_put(&der, MM_DER_OCTETS, serial.data, serial.size);
	mm_der_close(&der, module);
	if (der.error != MM_OK)
		return GNUTLS_E_MEMORY_ERROR;
	return gnutls_x509_crt_set_subject_alt_othername(certificate,
	    "1.3.6.1.5.5.7.8.4", der.data, (unsigned)der.size,
	    GNUTLS_FSAN_APPEND);
}

static int
set_alternative(gnutls_x509_crt_t certificate, const struct mm_form *form,
    const struct mm_alternative *alternative)
{
	mm_auto(buffer) filled = {0};
	enum mm_error error;

	mm_buffer_init(&filled, MM_ALTERNATIVE_MAX);
	error = mm_alternative_fill(alternative, form->plan->subject, &filled);
	if (error != MM_OK)
		return error == MM_E_MEMORY ? GNUTLS_E_MEMORY_ERROR
					    : GNUTLS_E_INVALID_REQUEST;
	if (alternative->kind == MM_ALTERNATIVE_HARDWARE)
		return set_module(
		    certificate, alternative, mm_buffer_span(&filled));
	return gnutls_x509_crt_set_subject_alt_name(certificate,
	    alternative->kind == MM_ALTERNATIVE_DNS ? GNUTLS_SAN_DNSNAME
						    : GNUTLS_SAN_URI,
	    filled.data, (unsigned)filled.size, GNUTLS_FSAN_APPEND);
}

static int
set_names(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	int code = set_server_names(certificate, form);

	for (mm_list_each(const struct mm_alternative, one,
		 form->plan->profile->names)) {
		if (code < 0)
			return code;
		code = set_alternative(certificate, form, one);
	}
	return code;
}

/* IEEE 802.1AR-2018 8.10.2: an IDevID should have no subjectKeyIdentifier. */
static int
set_identifiers(gnutls_x509_crt_t certificate, const struct mm_form *form)
{
	int code = 0;

	if (form->plan->profile->standard != MM_STANDARD_IDEVID)
		code = gnutls_x509_crt_set_subject_key_id(
		    certificate, form->key.ski, MM_SKI_SIZE);
	return code < 0 ? code
			: gnutls_x509_crt_set_authority_key_id(certificate,
			      mm_form_authority(form), MM_SKI_SIZE);
}

static const struct {
	const char *name;
	int (*set)(gnutls_x509_crt_t certificate, const struct mm_form *form);
} steps[] = {
    {"subjectPublicKeyInfo", set_key},
    {"validity", set_times},
    {"basicConstraints", set_constraints},
    {"keyUsage", set_usage},
    {"extendedKeyUsage", set_purposes},
    {"subjectAltName", set_names},
    {"key identifiers", set_identifiers},
};

static enum mm_error
fault(const char *what, int code)
{
	return mm_fail(code == GNUTLS_E_MEMORY_ERROR ? MM_E_MEMORY : MM_E_BUG,
	    "GnuTLS cannot set a certificate's %s: %s", what,
	    gnutls_strerror(code));
}

/* Each part as ready DER: RFC 4514 text would let a comma add attributes. */
static enum mm_error
set_subject(
    gnutls_x509_crt_t certificate, const struct mm_certificate_plan *plan)
{
	char oid[MM_OID_TEXT_SIZE];
	enum mm_error error;
	mm_auto(buffer) value = {0};
	int code;

	mm_buffer_init(&value, 1024);
	for (mm_list_each(
		 const struct mm_subject_part, part, plan->profile->subject)) {
		mm_buffer_reset(&value);
		error = mm_name_put_value(part, plan->subject, &value);
		if (error != MM_OK)
			return error;
		code = gnutls_x509_crt_set_dn_by_oid(certificate,
		    mm_span_string(part->oid, oid, sizeof(oid)), 1, value.data,
		    (unsigned)value.size);
		if (code < 0)
			return fault("subject", code);
	}
	return MM_OK;
}

static enum mm_error
set_all(gnutls_x509_crt_t certificate, const struct mm_form *form,
    const uint8_t serial[MM_SERIAL_SIZE])
{
	enum mm_error error = set_subject(certificate, form->plan);
	int code = gnutls_x509_crt_set_version(certificate, 3);

	if (error != MM_OK)
		return error;
	if (code >= 0)
		code = gnutls_x509_crt_set_serial(
		    certificate, serial, MM_SERIAL_SIZE);
	if (code < 0)
		return fault("serial", code);
	for (size_t i = 0; i < MM_COUNT(steps); i++) {
		code = steps[i].set(certificate, form);
		if (code < 0)
			return fault(steps[i].name, code);
	}
	return MM_OK;
}

static enum mm_error
sign_and_cut(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer,
    struct mm_buffer *out)
{
	gnutls_datum_t der = {NULL, 0};
	gnutls_privkey_t key;
	enum mm_error error;
	int code = dummy_key(&key);

	if (code >= 0)
		code = gnutls_x509_crt_privkey_sign(
		    certificate, issuer, key, GNUTLS_DIG_SHA256, 0);
	if (code >= 0)
		code = gnutls_x509_crt_export2(
		    certificate, GNUTLS_X509_FMT_DER, &der);
	if (code < 0)
		return fault("signature", code);
	error = mm_certificate_tbs(mm_span(der.data, der.size), out);
	gnutls_free(der.data);
	return error;
}

static enum mm_error
build(const struct mm_form *form, const uint8_t serial[MM_SERIAL_SIZE],
    struct mm_buffer *out)
{
	gnutls_x509_crt_t certificate, issuer;
	enum mm_error error = MM_OK;

	if (gnutls_x509_crt_init(&certificate) < 0)
		return mm_fail(MM_E_MEMORY, "no memory for a certificate");
	issuer = certificate;
	if (!form->self_signed)
		error = find_issuer(form->plan->issuer, &issuer);
	if (error == MM_OK)
		error = set_all(certificate, form, serial);
	if (error == MM_OK)
		error = sign_and_cut(certificate, issuer, out);
	if (error != MM_OK)
		forget_issuers();
	gnutls_x509_crt_deinit(certificate);
	return error;
}

enum mm_error
mm_tbs_build(const struct mm_certificate_plan *plan,
    const uint8_t serial[MM_SERIAL_SIZE], struct mm_buffer *out)
{
	mm_auto(form) form = {.plan = plan};
	struct mm_key key;
	enum mm_error error = mm_key_read(plan->spki, &key);

	if (error == MM_OK)
		error = mm_form_init(&form, plan, plan->spki, &key);
	return error != MM_OK ? error : build(&form, serial, out);
}
