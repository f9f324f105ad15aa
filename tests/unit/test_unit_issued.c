/* What would fail, or be seen, once a certificate is issued: told before
 * where it can be known, and else right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "factory/private_key.h"
#include "factory/unit_images_parts.h"
#include "tests/unit/heap_search.h"
#include "tests/unit/produce_room.h"

#define KEY "key = \"P-256\"\n"
#define HEADER "key,type,encoding,value\nm,namespace,,\n"
#define NVS(more) "image creds { format = nvs rows = \"rows.csv\" " more " }\n"
#define CERT(more) \
	"image esp_secure_cert { format = \"secure-cert\" " more " }\n"

static void
begin(struct produce_room *room, const char *rows)
{
	room_begin(room);
	room_write(room, "rows.csv", rows);
	room_give(room, "device", "lamp-1");
}

/* --- what is random --- */

/* Whatever comes of chance has its place: no digit but 9, no letter but z. */
static void
the_worst_of_chance_is_tried(void **state)
{
	static const struct {
		const char *value, *row;
		bool fits;
	} cases[] = {
	    {"random = 2 alphabet = digits", "x,data,u8,{v}", true},
	    {"random = 3 alphabet = digits", "x,data,u8,{v}", false},
	    {"random = 9 alphabet = digits", "x,data,u32,{v}", true},
	    {"random = 10 alphabet = digits", "x,data,u32,{v}", false},
	    {"random = 2 alphabet = hex", "x,data,u32,{v}", false},
	    {"random = 2 alphabet = hex", "x,data,hex2bin,{v}", true},
	    {"random = 2 alphabet = base32", "x,data,hex2bin,{v}", false},
	    {"random = 2 alphabet = alnum", "x,data,hex2bin,{v}", false},
	};
	struct produce_room room;
	char conf[256], rows[256];

	(void)state;
	begin(&room, HEADER);
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		snprintf(rows, sizeof(rows), HEADER "%s\n", cases[i].row);
		room_write(&room, "rows.csv", rows);
		snprintf(conf, sizeof(conf), KEY "value v { %s }\n%s",
		    cases[i].value, NVS("size = 0x3000"));
		room_read(&room, conf);
		if (cases[i].fits)
			room_new(&room);
		else
			room_unit_refused(&room,
			    strstr(rows, "hex") ? MM_E_FORMAT : MM_E_RANGE,
			    "rows.csv line 3", "the value of \"x\"");
	}
	/* Digits alone would be a shorter code; a serial is hexadecimal. */
	room_read(&room, KEY "value v { random = 256 alphabet = hex }\n"
			     "label { level = L template = \""
			     "{v}{v}{v}{v}{v}{v}{v}{v}{v}{v}{v}{v}\" }");
	room_unit_refused(&room, MM_E_RANGE, "t.conf:3:", "too long");
	room_write(&room, "rows.csv", HEADER "x,data,u64,{certificate-serial}");
	room_read(&room, KEY NVS("size = 0x3000"));
	room_unit_refused(&room, MM_E_RANGE, "rows.csv line 3", "\"x\"");
	room_end(&room);
}

/* --- partitions --- */

/* Two images' worth: what no certificate and key can be smaller than. */
static void
a_partition_without_room_is_refused_with_the_template(void **state)
{
	static const struct {
		const char *key, *image;
		enum mm_error error; /* MM_OK: it may be large enough */
		const char *why;
	} cases[] = {
	    {"P-256", NVS("size = 0x1000"), MM_OK, NULL},
	    {"RSA-4096", NVS("size = 0x1000"), MM_E_RANGE, "rows.csv line 5"},
	    {"RSA-4096", NVS("size = 0x4000"), MM_OK, NULL},
	    {"P-256", CERT("layout = tlv8k size = 0x1fff"), MM_E_RANGE,
		"t.conf:2: image esp_secure_cert: it has 0x2000 bytes at"},
	    {"P-256", CERT("layout = tlv8k size = 0x2000"), MM_OK, NULL},
	    {"P-256", CERT("layout = cust_flash size = 0x5fff"), MM_E_RANGE,
		"0x6000 bytes at least"},
	    {"P-256", CERT("layout = cust_flash size = 0x6000"), MM_OK, NULL},
	    {"P-256", CERT("size = 0x300"), MM_E_RANGE, "bytes at least"},
	    {"P-256", CERT("size = 0x400"), MM_OK, NULL},
	    {"P-256", CERT("size = 0x300 ca = none"), MM_OK, NULL},
	    {"RSA-4096", CERT("size = 0xd00 "), MM_E_RANGE, "bytes at least"},
	    {"RSA-4096", CERT("size = 0x1000 "), MM_OK, NULL},
	    {"RSA-4096", CERT("size = 0x1000 pem = yes"), MM_E_RANGE,
		"bytes at least"},
	};
	struct produce_room room;
	char conf[256];

	(void)state;
	begin(&room, HEADER "cert,file,binary,{certificate.der}\n"
			    "chain,file,string,{chain.pem}\n"
			    "key,file,string,{key.pem}\n"
			    "k,file,binary,{key.der}\n");
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		snprintf(conf, sizeof(conf), "key = \"%s\"\n%s", cases[i].key,
		    cases[i].image);
		if (cases[i].error == MM_OK)
			room_read(&room, conf);
		else
			room_refused(
			    &room, conf, cases[i].error, cases[i].why, "");
	}
	room_end(&room);
}

/* Nothing that is made is smaller than what it was tried as. */
static void
nothing_is_smaller_than_the_least(void **state)
{
	static const char *const kinds[] = {
	    "P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"};
	struct produce_room room;
	char conf[64];

	(void)state;
	begin(&room, HEADER);
	assert_true(room.ca_der.size >= mm_least_issuer());
	for (int i = 0; i < (int)MM_COUNT(kinds); i++) {
		mm_auto(flash_secret) pem = {0};

		snprintf(conf, sizeof(conf), "key = \"%s\"", kinds[i]);
		room_read(&room, conf);
		room_new(&room);
		room_finish(&room);
		assert_in_range(mm_least_certificate(i), room.der.size - 300,
		    room.der.size);
		assert_in_range(mm_least_key(i, true),
		    room.unit->key.size - 100, room.unit->key.size);
		assert_true(mm_least_key(i, false) < mm_least_key(i, true));
		assert_int_equal(
		    mm_private_key_pem(&room.unit->key, &pem), MM_OK);
		assert_in_range(
		    mm_least_pem(room.unit->key.size), pem.size - 80, pem.size);
	}
	room_end(&room);
}

/* --- devices of a root --- */

static size_t
size_of(const struct produce_room *room, const char *key)
{
	const struct mm_unit_file *file = room_file(room, "creds.bin");
	mm_auto(arena) arena = {0};
	mm_auto(nvs_contents) contents = {0};

	mm_arena_init(&arena, mm_nvs_arena(file->bytes.size));
	assert_int_equal(
	    mm_nvs_read(file->bytes, NULL, &arena, &contents), MM_OK);
	for (mm_list_each(const struct mm_nvs_item, item, contents.items))
		if (mm_span_is(item->key, key))
			return item->bytes.size;
	fail_msg("there is no %s", key);
	return 0;
}

static void
a_root_s_own_devices(void **state)
{
	static const char rows[] =
	    HEADER "chain,file,string,{chain.pem}\n"
		   "full,file,string,{full-chain.pem}\n"
		   "cert,file,string,{certificate.pem}\n";
	struct produce_room room, other;

	(void)state;
	begin(&room, rows);
	room.chain_list.count = 0;
	room_read(&room, KEY NVS("size = 0x4000"));
	room_new(&room);
	room_finish(&room);
	assert_int_equal(size_of(&room, "chain"), 0);
	assert_int_equal(size_of(&room, "full"), size_of(&room, "cert"));
	assert_null(room_file(&room, "chain.pem"));
	/* Who issued them is the template's to say. */
	room_read(&room, KEY CERT(""));
	room_new(&room);
	room_finish_refused(&room, MM_E_USAGE, "root = FILE");
	room_write_pem(&room, "root.pem", mm_buffer_span(&room.ca_der));
	room_write(&room, "rows.csv",
	    HEADER "up,file,binary,{issuer.der}\nca,file,binary,{ca.der}\n");
	for (size_t count = 0; count < 2; count++) {
		room_read(&room, KEY "root = \"root.pem\"\n" NVS(
				     "size = 0x4000") CERT("ca = root"));
		room.chain_list.count = count;
		room_new(&room);
		room_finish(&room);
		assert_int_equal(size_of(&room, "up"), room.ca_der.size);
		assert_int_equal(size_of(&room, "ca"), room.ca_der.size);
	}
	/* Another root, and what is none. */
	room_begin(&other);
	room_write_pem(&room, "root.pem", mm_buffer_span(&other.ca_der));
	room_read(&room, KEY "root = \"root.pem\"\n" CERT(""));
	room_new(&room);
	room_finish_refused(&room, MM_E_FORMAT, "root is not the one above");
	room_write_pem(&room, "root.pem", mm_buffer_span(&room.der));
	room_refused(&room, KEY "root = \"root.pem\"\n", MM_E_FORMAT,
	    "t.conf:2:", "this is no root");
	room_end(&other);
	room_end(&room);
}

/* --- subjects --- */

static void
a_profile_without_a_common_name(void **state)
{
	struct produce_room room;

	(void)state;
	begin(&room, HEADER);
	room.profile = ROOM_NAMELESS;
	room_read(&room, KEY "register { kind = \"aws-bulk\" }");
	room_new(&room);
	room_finish(&room);
	assert_true(
	    room_holds(room_file(&room, "unit.json"), "\"common_name\": null"));
	assert_int_equal(strlen(room.unit->registration.sha256), 64);
	assert_int_equal(strlen(room.unit->registration.serial), 40);
	/* What goes by the common name is refused before its files are there,
	 * and not with its rows. */
	room_read(&room, KEY "\nregister { kind = \"azure-dps\" }");
	room_new(&room);
	room_finish_refused(&room, MM_E_FORMAT, "t.conf:3: the common name");
	room_read(&room, KEY "register { kind = mosquitto }");
	room_new(&room);
	room_finish_refused(&room, MM_E_FORMAT, "the common name");
	room_end(&room);
}

/* --- CSRs --- */

/* With so long a comment. */
static size_t
write_csr(struct produce_room *room, int length)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *csr = X509_REQ_new();
	ASN1_IA5STRING *comment = ASN1_IA5STRING_new();
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	mm_auto(buffer) pem = {0};
	char text[4096];
	uint8_t *der = NULL;
	int size;

	memset(text, 'x', sizeof(text));
	assert_int_equal(ASN1_STRING_set(comment, text, length), 1);
	assert_int_equal(X509V3_add1_i2d(&extensions, NID_netscape_comment,
			     comment, 0, X509V3_ADD_DEFAULT),
	    1);
	assert_int_equal(X509_REQ_add_extensions(csr, extensions), 1);
	assert_int_equal(X509_REQ_set_pubkey(csr, key), 1);
	assert_true(X509_REQ_sign(csr, key, EVP_sha256()) > 0);
	size = i2d_X509_REQ(csr, &der);
	assert_true(size > 0);
	mm_buffer_init(&pem, 65536);
	assert_int_equal(mm_pem_encode("CERTIFICATE REQUEST",
			     mm_span(der, (size_t)size), &pem),
	    MM_OK);
	mm_buffer_add(&pem, "", 1);
	room_write(room, "lamp-1.csr", (char *)pem.data);
	OPENSSL_free(der);
	ASN1_IA5STRING_free(comment);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(csr);
	EVP_PKEY_free(key);
	return (size_t)size;
}

static void
a_csr_has_its_limit(void **state)
{
	struct produce_room room;

	(void)state;
	begin(&room, HEADER);
	room_read(&room, "key = csr\ncsr = \"{device}.csr\"");
	assert_in_range(write_csr(&room, 2000), 2049, MM_UNIT_CSR_MAX);
	room_new(&room);
	room_kept(&room);
	assert_in_range(write_csr(&room, 2500), MM_UNIT_CSR_MAX + 1, 3000);
	room_unit_refused(&room, MM_E_RANGE, "lamp-1.csr", "can have 2560");
	room_end(&room);
}

/* --- secrets --- */

static void
no_error_says_a_secret(void **state)
{
	struct produce_room room;
	enum mm_error error;

	(void)state;
	begin(&room, HEADER "x,data,u8,{v}\n");
	room_give(&room, "v", "s3cret");
	room_read(&room, KEY "value v { secret = yes }\n" NVS("size = 0x3000"));
	error = mm_production_check(room.production, &room.terms);
	assert_int_equal(error, MM_E_RANGE);
	assert_null(strstr(mm_why(error), "s3cret"));
	room.given.count = 1;
	room_read(&room, KEY "value v { count = 97 digits = 2 secret = yes }");
	room.terms.ordinal = 3;
	error = mm_production_check(room.production, &room.terms);
	assert_int_equal(error, MM_E_RANGE);
	assert_null(strstr(mm_why(error), "100"));
	room_end(&room);
}

static void
a_payload_may_be_a_secret(void **state)
{
	struct produce_room room;

	(void)state;
	begin(&room, HEADER);
	room_give(&room, "payload", "MT:Y.K9042C00KA0648G00");
	for (size_t secret = 0; secret < 2; secret++) {
		room_read(&room, secret ? KEY "value payload { secret = yes }\n"
					      "label { kind = matter }\n"
					: KEY "value payload { }\n"
					      "label { kind = matter }\n");
		room_new(&room);
		room_finish(&room);
		assert_int_equal(room_file(&room, "label.svg")->secret, secret);
	}
	room_end(&room);
}

#ifndef __SANITIZE_ADDRESS__
static void
a_label_s_secret_stays_nowhere(void **state)
{
	static const char *const formats[] = {"svg", "png", "zpl", "text"};
	struct produce_room room;
	char conf[256];

	(void)state;
	begin(&room, HEADER);
	for (size_t i = 0; i < MM_COUNT(formats); i++) {
		struct needles needles = {.count = 0};

		snprintf(conf, sizeof(conf),
		    KEY "value pop { random = 40 secret = yes }\n"
			"label { template = \"{pop}\" format = %s "
			"lines = {\"{pop}\"} }",
		    formats[i]);
		room_read(&room, conf);
		room_new(&room);
		needles_add(&needles,
		    mm_label_value(&room.unit->values.list, mm_span_text("pop"))
			->value);
		room_finish(&room);
		assert_int_equal(search_heap(&needles), 0);
	}
	room_end(&room);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(a_label_s_secret_stays_nowhere),
#endif
	    cmocka_unit_test(the_worst_of_chance_is_tried),
	    cmocka_unit_test(
		a_partition_without_room_is_refused_with_the_template),
	    cmocka_unit_test(nothing_is_smaller_than_the_least),
	    cmocka_unit_test(a_root_s_own_devices),
	    cmocka_unit_test(a_profile_without_a_common_name),
	    cmocka_unit_test(a_csr_has_its_limit),
	    cmocka_unit_test(no_error_says_a_secret),
	    cmocka_unit_test(a_payload_may_be_a_secret),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
