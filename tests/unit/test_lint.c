/* The linter: what is built passes, by its standard and by other libraries;
 * one defect each is found, and its clause is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/x509.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "ca/lint.h"

#define TEXT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define LIST(array) \
	{ \
		array, MM_COUNT(array) \
	}
#define NOW UINT64_C(1767225600) /* 2026-01-01 */
enum { DAY = 86400 };

#define O \
	{ \
		TEXT("2.5.4.10"), TEXT("Example, Inc.") \
	}
#define PART(oid, text) \
	{ \
		TEXT(oid), TEXT(text) \
	}
#define VENDOR "1.3.6.1.4.1.37244.2.1"
#define PRODUCT "1.3.6.1.4.1.37244.2.2"

static const struct mm_subject_part name_parts[] = {
    PART("2.5.4.6", "DE"), O, PART("2.5.4.3", "{name}")};
static const struct mm_subject_part device_parts[] = {
    O, PART("2.5.4.3", "{device}"), PART("2.5.4.5", "{device}")};
static const struct mm_subject_part paa_parts[] = {
    PART("2.5.4.3", "{name}"), PART(VENDOR, "FFF1")};
static const struct mm_subject_part dac_parts[] = {
    PART("2.5.4.3", "{device}"), PART(VENDOR, "FFF1"), PART(PRODUCT, "8001")};
static const struct mm_text_item client_auth[] = {{TEXT("1.3.6.1.5.5.7.3.2")}};
static const struct mm_text_item server_auth[] = {{TEXT("1.3.6.1.5.5.7.3.1")}};
static const struct mm_text_item both_auth[] = {
    {TEXT("1.3.6.1.5.5.7.3.1")}, {TEXT("1.3.6.1.5.5.7.3.2")}};
static const struct mm_text_item code_signing[] = {{TEXT("1.3.6.1.5.5.7.3.3")}};
static const struct mm_alternative module[] = {
    {MM_ALTERNATIVE_HARDWARE, TEXT("{device}"), TEXT("1.3.6.1.4.1.99999.1.2")}};
static const struct mm_alternative hosts[] = {
    {MM_ALTERNATIVE_DNS, TEXT("{device}.local"), {NULL, 0}},
    {MM_ALTERNATIVE_URI, TEXT("urn:example:{device}"), {NULL, 0}}};
static const struct mm_text_item names[] = {
    {TEXT("mint.example.org")}, {TEXT("127.0.0.1")}, {TEXT("::1")}};

enum {
	P256 = 1 << MM_KEY_P256,
	EVERY = P256 | 1 << MM_KEY_P384 | 1 << MM_KEY_RSA,
	CERTIFIES = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN
};

enum {
	PAA,
	PAI,
	DAC,
	ROOT,
	CA,
	AWS,
	IDEVID,
	CLIENT,
	HOST,
	SERVER,
	CODE,
	PROOF,
	PLAIN,
	KINDS
};

#define LEAF(name_, standard_, purpose_, parts_, keys_, eku_) \
	.profile = {.name = TEXT(name_), \
	    .purpose = purpose_, \
	    .issuer = TEXT("ca"), \
	    .subject = LIST(parts_), \
	    .backdate = 60, \
	    .keys = keys_, \
	    .key_usage = MM_KU_DIGITAL_SIGNATURE, \
	    .purposes = eku_, \
	    .standard = standard_
#define ISSUER(name_, standard_, parts_, path_, length_) \
	.profile = {.name = TEXT(name_), \
	    .purpose = MM_PURPOSE_CA, \
	    .issuer = TEXT("ca"), \
	    .subject = LIST(parts_), \
	    .backdate = 60, \
	    .keys = P256, \
	    .key_usage = CERTIFIES, \
	    .path = path_, \
	    .path_length = length_, \
	    .standard = standard_}
#define NOTHING \
	{ \
		NULL, 0 \
	}

static const struct kind {
	int issuer; /* its own number: signs itself */
	struct mm_profile profile;
} kinds[KINDS] = {[PAA] = {PAA, ISSUER("paa", MM_STANDARD_MATTER_PAA, paa_parts,
				    true, 1)},
    [PAI] = {PAA, ISSUER("pai", MM_STANDARD_MATTER_PAI, paa_parts, true, 0)},
    [DAC] = {PAI, LEAF("dac", MM_STANDARD_MATTER_DAC, MM_PURPOSE_DEVICE,
		      dac_parts, P256, NOTHING)}},
  [ROOT] = {ROOT, ISSUER("root", MM_STANDARD_CA, name_parts, true, 1)},
  [CA] = {ROOT, ISSUER("ca", MM_STANDARD_CA, name_parts, true, 0)},
  [AWS] = {CA,
      LEAF("aws", MM_STANDARD_AWS_IOT, MM_PURPOSE_DEVICE, device_parts, EVERY,
	  LIST(client_auth)),
      .validity = 100 * DAY}
}
, [IDEVID] = {CA,
      LEAF("idevid", MM_STANDARD_IDEVID, MM_PURPOSE_DEVICE, device_parts, EVERY,
	  NOTHING),
      .names = LIST(module)}
}
, [CLIENT] = {CA,
      LEAF("client", MM_STANDARD_TLS_CLIENT, MM_PURPOSE_CLIENT, name_parts,
	  EVERY, LIST(client_auth)),
      .validity = DAY}
}
, [HOST] = {CA,
      LEAF("host", MM_STANDARD_TLS_SERVER, MM_PURPOSE_DEVICE, device_parts,
	  EVERY, LIST(both_auth)),
      .names = LIST(hosts), .validity = 9000 * DAY}
}
, [SERVER] = {CA,
      LEAF("server", MM_STANDARD_TLS_SERVER, MM_PURPOSE_SERVER, name_parts,
	  EVERY, LIST(server_auth)),
      .validity = DAY}
}
, [CODE] = {
      ROOT, LEAF("code", MM_STANDARD_CODE_SIGNING, MM_PURPOSE_CODE_SIGNING,
		name_parts, P256, LIST(code_signing))}
}
, [PROOF] = {CA,
      LEAF("proof", MM_STANDARD_NONE, MM_PURPOSE_PROOF, name_parts, P256,
	  NOTHING),
      .validity = DAY}
}
, [PLAIN] = {CA, LEAF("plain", MM_STANDARD_NONE, MM_PURPOSE_DEVICE,
		     device_parts, EVERY | 1 << MM_KEY_ED25519, NOTHING)}
}
,
}
;

/* A key that stands in for one in the token or in a device. */
struct soft_key {
	EVP_PKEY *key;
	uint8_t bytes[MM_SPKI_MAX];
	struct mm_span spki;
};
static struct soft_key keys[KINDS], device_keys[5];

static void
set_key(struct soft_key *soft, EVP_PKEY *key)
{
	uint8_t *at = soft->bytes;

	assert_non_null(key);
	soft->key = key;
	soft->spki = mm_span(soft->bytes, (size_t)i2d_PUBKEY(key, &at));
}

/* One certificate of each kind, by the first of its keys. */
static struct mm_buffer tbs_of[KINDS], der_of[KINDS];

static void
sign(struct mm_span tbs, EVP_PKEY *key, struct mm_buffer *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[128];
	size_t size = sizeof(signature);

	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(
	    EVP_DigestSign(ctx, signature, &size, tbs.data, tbs.size), 1);
	EVP_MD_CTX_free(ctx);
	mm_buffer_init(out, 4096);
	assert_int_equal(
	    mm_certificate_assemble(tbs, mm_span(signature, size), out), MM_OK);
}

static struct mm_span
issuer_of(size_t kind)
{
	return kinds[kind].issuer == (int)kind
		   ? mm_span(NULL, 0)
		   : mm_buffer_span(&tbs_of[kinds[kind].issuer]);
}

static void
build(size_t kind, struct mm_span subject, struct mm_span spki, uint64_t now,
    struct mm_buffer *out)
{
	uint8_t serial[MM_SERIAL_SIZE];
	const struct mm_certificate_plan plan = {
	    .profile = &kinds[kind].profile,
	    .subject = subject,
	    .spki = spki,
	    .issuer = issuer_of(kind),
	    .names = kind == SERVER ? (struct mm_list)LIST(names)
				    : (struct mm_list)NOTHING,
	    .now = now};
	enum mm_error error;

	mm_serial_make(serial);
	mm_buffer_init(out, 4096);
	error = mm_tbs_build(&plan, serial, out);
	if (error == MM_OK)
		error = mm_tbs_check(mm_buffer_span(out), &plan);
	if (error != MM_OK)
		fail_msg("%.*s of %.*s: %s", MM_SPAN(plan.profile->name),
		    MM_SPAN(subject), mm_why(error));
}

static int
make_all(void **state)
{
	uint64_t now = (uint64_t)time(NULL);

	(void)state;
	set_key(&device_keys[0], EVP_EC_gen("P-256"));
	set_key(&device_keys[1], EVP_EC_gen("P-384"));
	set_key(&device_keys[2], EVP_RSA_gen(2048));
	set_key(&device_keys[3], EVP_RSA_gen(4096));
	set_key(&device_keys[4], EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	for (size_t i = 0; i < KINDS; i++) {
		set_key(&keys[i], EVP_EC_gen("P-256"));
		/* GnuTLS and libcrypto judge by the clock. */
		build(i, kinds[i].profile.name, keys[i].spki, now, &tbs_of[i]);
		sign(mm_buffer_span(&tbs_of[i]), keys[kinds[i].issuer].key,
		    &der_of[i]);
	}
	return 0;
}

static int
free_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		EVP_PKEY_free(keys[i].key);
		mm_buffer_clear(&tbs_of[i]);
		mm_buffer_clear(&der_of[i]);
	}
	for (size_t i = 0; i < MM_COUNT(device_keys); i++)
		EVP_PKEY_free(device_keys[i].key);
	return 0;
}

static void
expect_clean(enum mm_error error, size_t kind, struct mm_span subject)
{
	if (error != MM_OK)
		fail_msg("%.*s of %.*s: %s", MM_SPAN(kinds[kind].profile.name),
		    MM_SPAN(subject), mm_why(error));
}

/* Device ids of every length and of all characters, and all kinds of keys. */
static void
make_subject(size_t i, char out[64], struct mm_span *subject)
{
	static const char allowed[] =
	    "AZaz09ABCDEFGHIJKLMNOPQRSTUVWXYbcdefghijklmnopqrstuvwxy12345678";
	size_t length = 1 + i % 57; /* with .local, a label has 63 at most */

	for (size_t j = 0; j < length; j++)
		out[j] = allowed[(i * 7 + j) % (sizeof(allowed) - 1)];
	if (i % 3 == 0 && length > 2)
		out[1] = '-';
	*subject = mm_span(out, length);
}

static void
try_one(size_t kind, const struct soft_key *key, size_t i)
{
	mm_auto(buffer) tbs = {0};
	mm_auto(buffer) der = {0};
	uint64_t standard = kinds[kind].profile.standard;
	struct mm_span subject, issuer = issuer_of(kind);
	char text[64];

	make_subject(i, text, &subject);
	build(kind, subject, key->spki, (uint64_t)time(NULL), &tbs);
	expect_clean(mm_lint_tbs(mm_buffer_span(&tbs), standard, issuer, NULL),
	    kind, subject);
	sign(mm_buffer_span(&tbs), keys[kinds[kind].issuer].key, &der);
	expect_clean(
	    mm_lint_certificate(mm_buffer_span(&der), standard, issuer, NULL),
	    kind, subject);
	if (kinds[kind].issuer != (int)kind)
		issuer = mm_buffer_span(&der_of[kinds[kind].issuer]);
	expect_clean(
	    mm_lint_certificate(mm_buffer_span(&der), standard, issuer, NULL),
	    kind, subject);
}

static void
what_is_built_keeps_its_standard(void **state)
{
	static const uint64_t types[] = {
	    MM_KEY_P256, MM_KEY_P384, MM_KEY_RSA, MM_KEY_RSA, MM_KEY_ED25519};

	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < MM_COUNT(device_keys); i++)
			for (size_t j = 0; j < 60; j++)
				if (kinds[kind].profile.keys >> types[i] & 1 &&
				    kinds[kind].issuer != (int)kind)
					try_one(kind, &device_keys[i], j);
	for (size_t kind = 0; kind < KINDS; kind++)
		if (kinds[kind].issuer == (int)kind)
			try_one(kind, &keys[kind], kind);
}

static X509 *
parse(const struct mm_buffer *der)
{
	const uint8_t *at = der->data;
	X509 *certificate = d2i_X509(NULL, &at, (long)der->size);

	assert_non_null(certificate);
	return certificate;
}

/* As `openssl verify -x509_strict`. */
static void
libcrypto_takes_all_of_them(void **state)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	X509 *all[KINDS];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		all[i] = parse(&der_of[i]);
		if (kinds[i].issuer == (int)i)
			X509_STORE_add_cert(store, all[i]);
		else if (i == CA || i == PAI)
			sk_X509_push(between, all[i]);
	}
	for (size_t i = 0; i < KINDS; i++) {
		X509_STORE_CTX *ctx = X509_STORE_CTX_new();

		assert_int_equal(
		    X509_STORE_CTX_init(ctx, store, all[i], between), 1);
		X509_STORE_CTX_set_flags(ctx,
		    X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
		if (X509_verify_cert(ctx) != 1)
			fail_msg("%.*s: %s", MM_SPAN(kinds[i].profile.name),
			    X509_verify_cert_error_string(
				X509_STORE_CTX_get_error(ctx)));
		X509_STORE_CTX_free(ctx);
	}
	assert_int_equal(
	    X509_check_host(all[HOST], "host.local", 0, 0, NULL), 1);
	for (size_t i = 0; i < KINDS; i++)
		X509_free(all[i]);
	sk_X509_free(between);
	X509_STORE_free(store);
}

static void
import(size_t kind, gnutls_x509_crt_t *out)
{
	gnutls_datum_t datum = {der_of[kind].data, (unsigned)der_of[kind].size};

	assert_int_equal(gnutls_x509_crt_init(out), 0);
	assert_int_equal(
	    gnutls_x509_crt_import(*out, &datum, GNUTLS_X509_FMT_DER), 0);
}

/* As `certtool --verify`. */
static void
gnutls_takes_all_of_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		gnutls_x509_crt_t chain[4];
		unsigned count = 0, verdict = 0;
		size_t at = i;

		import(at, &chain[count++]);
		while (kinds[at].issuer != (int)at) {
			at = (size_t)kinds[at].issuer;
			import(at, &chain[count++]);
		}
		assert_int_equal(
		    gnutls_x509_crt_list_verify(chain, count, &chain[count - 1],
			1, NULL, 0, 0, &verdict),
		    0);
		if (verdict != 0)
			fail_msg("%.*s: 0x%x", MM_SPAN(kinds[i].profile.name),
			    verdict);
		while (count > 0)
			gnutls_x509_crt_deinit(chain[--count]);
	}
}

/* What RFC 4108's otherName looks like to another library. */
static void
the_module_is_named(void **state)
{
	gnutls_x509_crt_t certificate;
	char oid[64] = "";
	size_t size = sizeof(oid);

	(void)state;
	import(IDEVID, &certificate);
	assert_int_equal(gnutls_x509_crt_get_subject_alt_othername_oid(
			     certificate, 0, oid, &size),
	    GNUTLS_SAN_OTHERNAME);
	assert_string_equal(oid, "1.3.6.1.5.5.7.8.4");
	gnutls_x509_crt_deinit(certificate);
}

/* --- one defect each --- */

static void
version_1(X509 *x)
{
	X509_set_version(x, 0);
}

static void
set_serial(X509 *x, int bits, bool negative)
{
	BIGNUM *number = BN_new();

	if (bits > 0)
		BN_set_bit(number, bits - 1);
	BN_set_negative(number, negative);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
}

static void
serial_zero(X509 *x)
{
	set_serial(x, 0, false);
}

static void
serial_negative(X509 *x)
{
	set_serial(x, 60, true);
}

/* The top bit of 20 octets wants a 21st for the sign. */
static void
serial_long(X509 *x)
{
	set_serial(x, 160, false);
}

static void
set_end(X509 *x, const char *text)
{
	assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x), text), 1);
}

static void
generalized_early(X509 *x)
{
	set_end(x, "20480101000000Z");
}

static void
ends_first(X509 *x)
{
	set_end(x, "200101000000Z");
}

static void
begins_early(X509 *x)
{
	ASN1_TIME_set_string(X509_getm_notBefore(x), "200101000000Z");
}

static void
ends_2049(X509 *x)
{
	set_end(x, "491231235959Z");
}

static void
no_subject(X509 *x)
{
	X509_NAME *name = X509_NAME_new();

	X509_set_subject_name(x, name);
	X509_NAME_free(name);
}

static void
no_issuer(X509 *x)
{
	X509_NAME *name = X509_NAME_new();

	X509_set_issuer_name(x, name);
	X509_NAME_free(name);
}

static void
plain_issuer(X509 *x)
{
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(
	    name, "CN", V_ASN1_UTF8STRING, (const uint8_t *)"pai", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_NAME_free(name);
}

static void
other_issuer(X509 *x)
{
	X509_set_issuer_name(x, X509_get_subject_name(x));
}

static void
other_authority(X509 *x)
{
	AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();

	id->keyid = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(id->keyid, (const uint8_t *)"another", 7);
	X509_add1_ext_i2d(
	    x, NID_authority_key_identifier, id, 0, X509V3_ADD_REPLACE);
	AUTHORITY_KEYID_free(id);
}

static void
usage_twice(X509 *x)
{
	int at = X509_get_ext_by_NID(x, NID_key_usage, -1);

	X509_add_ext(x, X509_get_ext(x, at), -1);
}

static void
set_pubkey(X509 *x, EVP_PKEY *key)
{
	X509_set_pubkey(x, key);
	EVP_PKEY_free(key);
}

static void
key_rsa_1024(X509 *x)
{
	set_pubkey(x, EVP_RSA_gen(1024));
}

static void
key_p384(X509 *x)
{
	set_pubkey(x, EVP_EC_gen("P-384"));
}

static void
key_ed25519(X509 *x)
{
	set_pubkey(x, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
}

static void
long_certificate(X509 *x)
{
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	uint8_t bytes[300] = {4, 0x82, 1, 0x28};
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.9", 1);
	X509_EXTENSION *extension;

	ASN1_OCTET_STRING_set(octets, bytes, sizeof(bytes));
	extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
	ASN1_OBJECT_free(oid);
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(octets);
}

/* hwSerialNum missing. */
static void
half_a_module(X509 *x)
{
	static const uint8_t half[] = {0x30, 0x16, 0xa0, 0x14, 0x06, 0x08, 0x2b,
	    0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x04, 0xa0, 0x08, 0x30, 0x06,
	    0x06, 0x04, 0x2a, 0x03, 0x04, 0x05};
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	ASN1_OCTET_STRING_set(octets, half, sizeof(half));
	extension =
	    X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, octets);
	X509_EXTENSION_free(X509_delete_ext(
	    x, X509_get_ext_by_NID(x, NID_subject_alt_name, -1)));
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(octets);
}

enum { PRINTABLE = V_ASN1_PRINTABLESTRING, UTF8 = V_ASN1_UTF8STRING };
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct broken {
	const char *what, *clause;
	size_t kind;
	int nid;           /* an extension that is taken out */
	const char *value; /* and put in again like this */
	const char *oid;   /* an attribute of the subject likewise */
	int type;
	const char *text;
	void (*change)(X509 *x);
	bool alone; /* its issuer is not at hand */
	bool more;  /* the attribute is added to those there */
} broken[] = {
#define FIELD(what, clause, kind, change) \
	{ \
		what, "RFC 5280 " clause, kind, 0, NULL, NULL, 0, NULL, \
		    change, false, false \
	}
#define EXT(clause, kind, nid, value) \
	{ \
		value != NULL ? value : #nid, clause, kind, nid, value, NULL, \
		    0, NULL, NULL, false, false \
	}
#define ATTR(clause, kind, oid, type, text) \
	{ \
		text != NULL ? text : oid, clause, kind, 0, NULL, oid, type, \
		    text, NULL, false, false \
	}
    FIELD("version", "4.1.2.1", PLAIN, version_1),
    FIELD("zero", "4.1.2.2", PLAIN, serial_zero),
    FIELD("negative", "4.1.2.2", PLAIN, serial_negative),
    FIELD("21 octets", "4.1.2.2", PLAIN, serial_long),
    FIELD("no issuer", "4.1.2.4", PLAIN, no_issuer),
    FIELD("GeneralizedTime", "4.1.2.5", PLAIN, generalized_early),
    FIELD("ends first", "4.1.2.5", PLAIN, ends_first),
    FIELD("no subject", "4.1.2.6", PLAIN, no_subject),
    FIELD("CA without subject", "4.1.2.6", CA, no_subject),
    FIELD("another issuer", "6.1.3 (a) (4)", PLAIN, other_issuer),
    FIELD("begins early", "6.1.3 (a) (2)", PLAIN, begins_early),
    FIELD("another AKI", "4.2.1.1", PLAIN, other_authority),
    FIELD("twice", "4.2", PLAIN, usage_twice),
    EXT("RFC 5280 4.2.1.1", PLAIN, NID_authority_key_identifier, NULL),
    EXT("RFC 5280 4.2.1.2", CA, NID_subject_key_identifier, NULL),
    EXT("RFC 5280 4.2.1.3", CA, NID_key_usage, NULL),
    EXT("RFC 5280 4.2.1.3", CA, NID_key_usage, "critical,cRLSign"),
    EXT("RFC 5280 4.2.1.3", CA, NID_key_usage, "keyCertSign"),
    EXT("RFC 5280 4.2.1.3", CA, NID_key_usage,
	"critical,keyCertSign,keyEncipherment"),
    EXT("RFC 5280 4.2.1.3", PLAIN, NID_key_usage, "critical,keyCertSign"),
    EXT("RFC 5280 4.2.1.9", CA, NID_basic_constraints, "CA:TRUE,pathlen:0"),
    EXT("RFC 5280 4.2.1.9", CA, NID_basic_constraints,
	"critical,CA:TRUE,pathlen:1"),
    EXT("RFC 5280 4.2.1.9", PLAIN, NID_basic_constraints,
	"critical,CA:FALSE,pathlen:0"),
    EXT("RFC 5280 4.2.1.10", PLAIN, NID_name_constraints,
	"critical,permitted;DNS:a.example"),
    EXT("RFC 5280 4.2.1.10", CA, NID_name_constraints,
	"permitted;DNS:a.example"),
    EXT("RFC 5280 4.2.1.11", CA, NID_policy_constraints,
	"requireExplicitPolicy:0"),
    EXT("RFC 5280 4.2.1.14", CA, NID_inhibit_any_policy, "0"),
    EXT("RFC 5280 4.2.2.1", PLAIN, NID_info_access,
	"critical,OCSP;URI:http://a.example/"),
    EXT("RFC 5280 4.2.1.6", PLAIN, NID_subject_alt_name, "DNS:a b"),
    EXT("RFC 5280 4.2.1.6", PLAIN, NID_subject_alt_name, "URI:nothing"),
    EXT("RFC 5280 4.2.1.12", PLAIN, NID_ext_key_usage,
	"critical,anyExtendedKeyUsage"),
    ATTR("RFC 5280 A.1", PLAIN, "2.5.4.3", UTF8, X64 "x"),
    ATTR("RFC 5280 A.1", PLAIN, "2.5.4.6", PRINTABLE, "D"),
    ATTR("RFC 5280 A.1", PLAIN, "2.5.4.5", UTF8, "1"),
    ATTR("RFC 5280 A.1", PLAIN, "2.5.4.3", PRINTABLE, "a@b"),
    ATTR("RFC 5280 A.1", PLAIN, "2.5.4.3", V_ASN1_BMPSTRING, "ab"),

#define AWS_CERTIFICATES "AWS IoT, X.509 client certificates"
#define AWS_PROVISIONING "AWS IoT, Just-in-time provisioning"
    {"RSA-1024", AWS_CERTIFICATES, AWS, .change = key_rsa_1024},
    {"Ed25519", AWS_CERTIFICATES, AWS, .change = key_ed25519},
    EXT(AWS_CERTIFICATES, AWS, NID_ext_key_usage, "serverAuth"),
    EXT("RFC 8446 4.4.2.2", AWS, NID_key_usage, "critical,keyAgreement"),
    {"two CNs", AWS_PROVISIONING, AWS, .oid = "2.5.4.3", .type = UTF8,
	.text = "b", .more = true},
    {"no name", AWS_PROVISIONING, AWS, .change = no_subject,
	.nid = NID_subject_alt_name, .value = "critical,DNS:a.example"},

#define AR "IEEE 802.1AR-2018 "
    {"2049", AR "8.5", IDEVID, .change = ends_2049},
    ATTR(AR "8.6", IDEVID, "2.5.4.5", 0, NULL),
    {"two numbers", AR "8.6", IDEVID, .oid = "2.5.4.5", .type = PRINTABLE,
	.text = "2", .more = true},
    {"Ed25519", AR "8.7", IDEVID, .change = key_ed25519},
    EXT(AR "8.10.3", IDEVID, NID_key_usage, NULL),
    EXT(AR "8.10.3", IDEVID, NID_key_usage, "digitalSignature"),
    EXT(AR "8.10.3", IDEVID, NID_key_usage,
	"critical,digitalSignature,keyAgreement"),
    EXT(AR "8.10.4", IDEVID, NID_subject_alt_name, "DNS:a.example"),
    {"half a module", AR "8.10.4", IDEVID, .change = half_a_module},

    {"600 bytes", "Matter 6.1.3", DAC, .change = long_certificate},
    {"P-384", "Matter 6.2.2.3", DAC, .change = key_p384},
    ATTR("Matter 6.2.2.3", DAC, VENDOR, 0, NULL),
    ATTR("Matter 6.2.2.3", DAC, PRODUCT, 0, NULL),
    ATTR("Matter 6.2.2.3", DAC, VENDOR, UTF8, "FFF2"),
    ATTR("Matter 6.2.2.1", DAC, VENDOR, UTF8, "fff1"),
    ATTR("Matter 6.2.2.1", DAC, VENDOR, UTF8, "FFF"),
    ATTR("Matter 6.2.2.1", DAC, PRODUCT, UTF8, "80010"),
    ATTR("Matter 6.2.2.1", DAC, VENDOR, PRINTABLE, "FFF1"),
    {"vendor twice", "Matter 6.2.2.1", DAC, .oid = VENDOR, .type = UTF8,
	.text = "FFF1", .more = true},
    ATTR("Matter 6.2.2.2", DAC, "2.5.4.3", UTF8, "x Mvid:FFF1 Mpid:8001"),
    EXT("Matter 6.2.2.3", DAC, NID_basic_constraints, NULL),
    EXT("Matter 6.2.2.3", DAC, NID_basic_constraints, "CA:FALSE"),
    EXT("Matter 6.2.2.3", DAC, NID_key_usage, "digitalSignature"),
    EXT("Matter 6.2.2.3", DAC, NID_key_usage,
	"critical,digitalSignature,keyAgreement"),
    EXT("Matter 6.2.2.3", DAC, NID_subject_key_identifier, NULL),
    {"issuer's vendor", "Matter 6.2.2.3", DAC, .change = plain_issuer,
	.alone = true},
    EXT("Matter 6.2.2.4", PAI, NID_basic_constraints, "critical,CA:TRUE"),
    EXT("Matter 6.2.2.4", PAI, NID_key_usage, "critical,keyCertSign"),
    ATTR("Matter 6.2.2.4", PAI, VENDOR, 0, NULL),
    ATTR("Matter 6.2.2.4", PAI, VENDOR, UTF8, "FFF2"),
    EXT("Matter 6.2.2.5", PAA, NID_basic_constraints,
	"critical,CA:TRUE,pathlen:2"),
    EXT("Matter 6.2.2.5", PAA, NID_key_usage, "critical,keyCertSign"),

    EXT("RFC 5280 4.2.1.12", CLIENT, NID_ext_key_usage, NULL),
    EXT("RFC 5280 4.2.1.12", CLIENT, NID_ext_key_usage, "serverAuth"),
    EXT("RFC 8446 4.4.2.2", CLIENT, NID_key_usage, "critical,keyAgreement"),
    EXT("RFC 5280 4.2.1.12", HOST, NID_ext_key_usage, "clientAuth"),
    EXT("RFC 9525 4.1", HOST, NID_subject_alt_name, NULL),
    EXT("RFC 9525 4.1", SERVER, NID_subject_alt_name, "URI:urn:a:b"),
    EXT("RFC 5280 4.2.1.12", CODE, NID_ext_key_usage, NULL),
    EXT("RFC 5280 4.2.1.12", CODE, NID_ext_key_usage, "codeSigning,clientAuth"),
    EXT("RFC 5280 4.2.1.3", CODE, NID_key_usage, "digitalSignature"),
    {"P-384", "AWS IoT OTA, Create a code-signing certificate", CODE,
	.change = key_p384},
};

static void
change_extension(const struct broken *row, X509 *x)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	int at;

	if (row->nid == 0)
		return;
	at = X509_get_ext_by_NID(x, row->nid, -1);
	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(x, at));
	if (row->value == NULL)
		return;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, row->nid, row->value);
	assert_non_null(extension);
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
}

static void
change_subject(const struct broken *row, X509 *x)
{
	X509_NAME *name;
	ASN1_OBJECT *oid;
	int at;

	if (row->oid == NULL)
		return;
	name = X509_NAME_dup(X509_get_subject_name(x));
	oid = OBJ_txt2obj(row->oid, 1);
	at = X509_NAME_get_index_by_OBJ(name, oid, -1);
	if (at >= 0 && !row->more)
		X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, at));
	if (row->text != NULL) {
		X509_NAME_ENTRY *entry =
		    X509_NAME_ENTRY_create_by_OBJ(NULL, oid, row->type,
			(const uint8_t *)row->text, (int)strlen(row->text));

		assert_non_null(entry);
		X509_NAME_add_entry(name, entry, -1, 0);
		X509_NAME_ENTRY_free(entry);
	}
	X509_set_subject_name(x, name);
	X509_NAME_free(name);
	ASN1_OBJECT_free(oid);
}

static void
break_one(const struct broken *row, struct mm_buffer *out)
{
	X509 *x = parse(&der_of[row->kind]);
	uint8_t *der = NULL;
	int size;

	change_extension(row, x);
	change_subject(row, x);
	if (row->change != NULL)
		row->change(x);
	assert_true(
	    X509_sign(x, keys[kinds[row->kind].issuer].key, EVP_sha256()) > 0);
	size = i2d_X509(x, &der);
	mm_buffer_init(out, 8192);
	mm_buffer_add(out, der, (size_t)size);
	OPENSSL_free(der);
	X509_free(x);
}

static void
each_defect_is_found_and_its_clause_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(broken); i++) {
		const struct broken *row = &broken[i];
		mm_auto(buffer) der = {0};
		struct mm_lint found = {.clause = "none", .what = ""};
		enum mm_error error;

		break_one(row, &der);
		error = mm_lint_certificate(mm_buffer_span(&der),
		    kinds[row->kind].profile.standard,
		    row->alone ? mm_span(NULL, 0) : issuer_of(row->kind),
		    &found);
		if (error != MM_E_STANDARD ||
		    strcmp(found.clause, row->clause) != 0)
			fail_msg("%.*s, %s: %s: %s, not %s",
			    MM_SPAN(kinds[row->kind].profile.name), row->what,
			    found.clause, found.what, row->clause);
		if (strstr(mm_why(error), row->clause) == NULL)
			fail_msg("%s", mm_why(error));
	}
}

static void
expect_clause(struct mm_span der, struct mm_span issuer, const char *clause)
{
	struct mm_lint found = {.clause = "none", .what = ""};

	assert_int_equal(
	    mm_lint_certificate(der, MM_STANDARD_NONE, issuer, &found),
	    MM_E_STANDARD);
	assert_string_equal(found.clause, clause);
}

static void
signatures_are_looked_at(void **state)
{
	struct mm_span der = mm_buffer_span(&der_of[PLAIN]),
		       issuer = issuer_of(PLAIN);
	uint8_t *last = der_of[PLAIN].data + der.size - 1;
	mm_auto(buffer) copy = {0};
	size_t outer;

	(void)state;
	*last ^= 1;
	expect_clause(der, issuer, "RFC 5280 6.1.3 (a) (1)");
	*last ^= 1;
	expect_clause(mm_span(der.data, der.size - 1), issuer, "X.690 10");
	/* The algorithm outside, its last byte: ecdsa-with-SHA384. */
	mm_buffer_init(&copy, 8192);
	mm_buffer_add(&copy, der.data, der.size);
	outer = 4 + tbs_of[PLAIN].size + 11;
	assert_int_equal(copy.data[outer], 2);
	copy.data[outer] = 3;
	expect_clause(mm_buffer_span(&copy), issuer, "RFC 5280 4.1.2.3");
	/* A TBS is no certificate. */
	expect_clause(mm_buffer_span(&tbs_of[PLAIN]), issuer, "RFC 5280 4.1.1");
	expect_clause(der, mm_span(issuer.data, issuer.size - 1), "X.690 10");
	/* Nor is one leaf another's issuer. */
	expect_clause(
	    der, mm_buffer_span(&tbs_of[CLIENT]), "RFC 5280 6.1.3 (a) (4)");
}

/* Matter 6.2.2.2: a commonName may say both, four digits behind each. */
static void
fallbacks_are_known(void **state)
{
	static const struct {
		const char *text, *clause;
	} rows[] = {
	    {"ACME Mpid:00B1 Mvid:FFF1", NULL},
	    {"Mpid:00B1,Mvid:FFF1,Unit", NULL},
	    {"Mvid:FFF1Mpid:00B1", NULL},
	    {"Mvid:FFF1 Mpid:00b1", "Matter 6.2.2.2"},
	    {"Mvid:FFF1 Mpid:0B1", "Matter 6.2.2.2"},
	    {"Mvid:FFF1 Mpid:", "Matter 6.2.2.2"},
	    {"Mvid:FFF1", "Matter 6.2.2.3"},
	    {"Mvid:FFF2 Mpid:00B1", "Matter 6.2.2.3"},
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		X509 *x = parse(&der_of[DAC]);
		X509_NAME *name = X509_NAME_new();
		struct mm_lint found = {.clause = NULL, .what = ""};
		uint8_t *der = NULL;
		int size;

		X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING,
		    (const uint8_t *)rows[i].text, -1, -1, 0);
		X509_set_subject_name(x, name);
		X509_sign(x, keys[PAI].key, EVP_sha256());
		size = i2d_X509(x, &der);
		(void)!mm_lint_certificate(mm_span(der, (size_t)size),
		    MM_STANDARD_MATTER_DAC, issuer_of(DAC), &found);
		if (rows[i].clause == NULL
			? found.clause != NULL
			: found.clause == NULL ||
			      strcmp(found.clause, rows[i].clause) != 0)
			fail_msg("%s: %s: %s", rows[i].text, found.clause,
			    found.what);
		OPENSSL_free(der);
		X509_NAME_free(name);
		X509_free(x);
	}
}

/* RFC 3629: libcrypto would not write it. */
static void
broken_utf8_is_found(void **state)
{
	static const char *const bad[] = {"\xc3\x28xx", "\xc0\x80xx",
	    "\xed\xa0\x80x", "\xf4\x90\x80\x80", "xxx\xc3"};
	struct mm_span tbs = mm_buffer_span(&tbs_of[DAC]);
	struct mm_lint found;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		mm_autofree uint8_t *copy = malloc(tbs.size);
		uint8_t *at;

		memcpy(copy, tbs.data, tbs.size);
		at = memmem(copy, tbs.size, "8001", 4);
		assert_non_null(at);
		memcpy(at, bad[i], 4);
		assert_int_equal(mm_lint_tbs(mm_span(copy, tbs.size),
				     MM_STANDARD_NONE, issuer_of(DAC), &found),
		    MM_E_STANDARD);
		assert_string_equal(found.clause, "RFC 5280 A.1");
	}
}

/* Any byte that is changed never makes the linter read beyond its bytes, and
 * cut ones are refused. */
static void
damage_is_survived(void **state)
{
	struct mm_span tbs = mm_buffer_span(&tbs_of[DAC]);

	(void)state;
	for (size_t i = 0; i < tbs.size; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			mm_autofree uint8_t *copy = malloc(tbs.size);

			memcpy(copy, tbs.data, tbs.size);
			copy[i] ^= (uint8_t)(1u << bit);
			(void)!mm_lint_tbs(mm_span(copy, tbs.size),
			    MM_STANDARD_MATTER_DAC, issuer_of(DAC), NULL);
		}
	for (size_t i = 0; i < tbs.size; i++) {
		mm_autofree uint8_t *copy = malloc(i + 1);

		memcpy(copy, tbs.data, i);
		assert_int_equal(mm_lint_tbs(mm_span(copy, i), MM_STANDARD_NONE,
				     issuer_of(DAC), NULL),
		    MM_E_STANDARD);
	}
	assert_int_equal(
	    mm_lint_tbs(tbs, MM_STANDARDS, issuer_of(DAC), NULL), MM_E_RANGE);
}

/* It runs for every certificate that is issued. */
static void
a_lint_costs_microseconds(void **state)
{
	enum { ROUNDS = 20000 };
	struct timespec from, to;
	double each;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (size_t i = 0; i < ROUNDS; i++)
		assert_int_equal(
		    mm_lint_tbs(mm_buffer_span(&tbs_of[DAC]),
			MM_STANDARD_MATTER_DAC, issuer_of(DAC), NULL),
		    MM_OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	each = ((double)(to.tv_sec - from.tv_sec) * 1e6 +
		   (double)(to.tv_nsec - from.tv_nsec) / 1e3) /
	       ROUNDS;
	print_message("one lint: %.1f us\n", each);
	assert_true(each < 500); /* sanitizers included */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_built_keeps_its_standard),
	    cmocka_unit_test(libcrypto_takes_all_of_them),
	    cmocka_unit_test(gnutls_takes_all_of_them),
	    cmocka_unit_test(the_module_is_named),
	    cmocka_unit_test(each_defect_is_found_and_its_clause_named),
	    cmocka_unit_test(signatures_are_looked_at),
	    cmocka_unit_test(fallbacks_are_known),
	    cmocka_unit_test(broken_utf8_is_found),
	    cmocka_unit_test(damage_is_survived),
	    cmocka_unit_test(a_lint_costs_microseconds),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
