/* esp_secure_cert partitions as the vendor's tool makes them, byte for byte,
 * and what is refused instead of written wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "factory/cust_flash.h"
#include "factory/nvs.h"
#include "signer/numbers.h"
#include "tests/unit/secure_cert_room.h"
#include "tests/unit/text_file.h"

#define ROOM "tests/vectors/esp/secure_cert/"
#define KEYS "tests/vectors/esp/keys/TEST-ONLY-"
enum { IV_AT_C3 = 0x1d00, IV_AT_S2 = 0x1e80, IV_AT_TLV = 16 };

/* --- one partition --- */

struct room {
	struct mm_buffer device, ca, wanted;
	struct mm_flash_secret key_file, hmac_key, made;
	struct mm_private_key key;
	struct mm_secure_cert_ds ds;
	struct mm_secure_cert_parts parts;
};

static void
mm_room_clear(struct room *room)
{
	mm_buffer_clear(&room->device);
	mm_buffer_clear(&room->ca);
	mm_buffer_clear(&room->wanted);
	mm_flash_secret_clear(&room->key_file);
	mm_flash_secret_clear(&room->hmac_key);
	mm_flash_secret_clear(&room->made);
	mm_private_key_clear(&room->key);
}
#define room_auto __attribute__((cleanup(mm_room_clear)))

static void
read_file(const char *path, struct mm_buffer *out)
{
	mm_buffer_init(out, VECTOR_MAX);
	assert_int_equal(mm_file_read(path, VECTOR_MAX, out), MM_OK);
}

static void
take_key(struct room *room, const char *path)
{
	assert_int_equal(mm_flash_secret_read(path, &room->key_file), MM_OK);
	assert_int_equal(
	    mm_private_key_read(&room->key_file, &room->key), MM_OK);
	room->parts.key = &room->key;
	room->parts.key_pem =
	    mm_is_pem(mm_span(room->key_file.data, room->key_file.size));
}

static void
take_files(struct room *room, const char *device, const char *ca)
{
	read_file(device, &room->device);
	room->parts.device = (struct mm_secure_cert_file){
	    "device.crt", mm_buffer_span(&room->device)};
	if (ca == NULL)
		return;
	read_file(ca, &room->ca);
	room->parts.ca =
	    (struct mm_secure_cert_file){"ca.crt", mm_buffer_span(&room->ca)};
}

static void
use_ds(
    struct room *room, const char *chip, uint8_t efuse_key, const uint8_t *iv)
{
	room->ds = (struct mm_secure_cert_ds){
	    .chip = mm_ds_chip_named(mm_span_text(chip)),
	    .efuse_key = efuse_key,
	    .iv = iv};
	assert_non_null(room->ds.chip);
	if (iv != NULL) {
		assert_int_equal(
		    mm_flash_secret_read(
			ROOM "TEST-ONLY-ds_hmac_key.bin", &room->hmac_key),
		    MM_OK);
		room->ds.hmac_key = room->hmac_key.data;
	}
	room->parts.ds = &room->ds;
}

static void
assert_made(struct room *room)
{
	enum mm_error error = mm_secure_cert_make(&room->parts, &room->made);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static void
assert_refused(struct room *room, enum mm_error wanted, const char *why)
{
	enum mm_error error = mm_secure_cert_make(&room->parts, &room->made);

	if (error != wanted || strstr(mm_why(error), why) == NULL)
		fail_msg("%s, not %s: %s", mm_error_name(error),
		    mm_error_name(wanted), error != MM_OK ? mm_why(error) : "");
	assert_null(room->made.data);
}

static void
assert_bytes(const struct room *room)
{
	assert_int_equal(room->made.size, room->wanted.size);
	assert_memory_equal(
	    room->made.data, room->wanted.data, room->wanted.size);
}

/* --- the vendor's cases --- */

static const char *
at(const char *name, char out[256])
{
	snprintf(out, 256, ROOM "%s", name);
	return out;
}

/* "chip=esp32c3;efuse_key_id=1;...;size=0x3000" */
static const char *
extra(const char *text, const char *name, char out[32])
{
	const char *found = strstr(text, name);

	assert_non_null(found);
	found += strlen(name) + 1;
	snprintf(out, 32, "%.*s", (int)strcspn(found, ";"), found);
	return out;
}

static void
use_row_ds(struct room *room, const struct vector_row *row)
{
	char chip[32], number[32], size[32];
	bool fixed = strcmp(row->column[2], "cust_flash_ds") == 0;
	size_t iv_at = IV_AT_TLV;

	extra(row->column[6], "chip", chip);
	extra(row->column[6], "efuse_key_id", number);
	if (fixed) {
		extra(row->column[6], "size", size);
		room->parts.size = strtoul(size, NULL, 0);
		iv_at = strcmp(chip, "esp32s2") == 0 ? IV_AT_S2 : IV_AT_C3;
	}
	use_ds(room, chip, (uint8_t)atoi(number), room->wanted.data + iv_at);
	room->parts.layout = fixed ? MM_LAYOUT_CUST_FLASH_DS : MM_LAYOUT_TLV;
}

static void
check_parts_row(const struct vector_row *row)
{
	room_auto struct room room = {.ds = {.chip = NULL}};
	char device[256], ca[256], key[256], output[256];

	read_file(at(row->column[7], output), &room.wanted);
	take_files(&room, at(row->column[4], device),
	    strcmp(row->column[3], "-") == 0 ? NULL : at(row->column[3], ca));
	take_key(&room, at(row->column[5], key));
	if (strcmp(row->column[1], "exact_given_iv") == 0)
		use_row_ds(&room, row);
	else
		assert_true(mm_secure_cert_layout_named(
		    mm_span_text(row->column[2]), &room.parts.layout));
	assert_made(&room);
	assert_bytes(&room);
}

static void
check_csv_row(const struct vector_row *row)
{
	const struct mm_secure_cert_csv_terms terms = {.plain_keys = true};
	room_auto struct room room = {.ds = {.chip = NULL}};
	char csv[256], output[256];

	read_file(at(row->column[7], output), &room.wanted);
	assert_int_equal(
	    mm_secure_cert_csv(at(row->column[6], csv), &terms, &room.made),
	    MM_OK);
	assert_bytes(&room);
}

/* The older form: three strings in a namespace of an NVS partition, which is
 * factory/nvs.h's to make. */
static void
check_nvs_row(const struct vector_row *row)
{
	static const char *const names[] = {"ca_cert", "dev_cert", "priv_key"};
	struct mm_nvs *nvs;
	mm_auto(buffer) wanted = {0}, file = {0};
	struct mm_span made;
	char path[256];

	assert_int_equal(mm_nvs_new(0x3000, 2, &nvs), MM_OK);
	assert_int_equal(
	    mm_nvs_namespace(nvs, mm_span_text("esp_secure_cert")), MM_OK);
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		read_file(at(row->column[3 + i], path), &file);
		assert_int_equal(mm_nvs_string(nvs, mm_span_text(names[i]),
				     mm_buffer_span(&file)),
		    MM_OK);
		mm_buffer_clear(&file);
	}
	assert_int_equal(mm_nvs_finish(nvs, NULL, &made), MM_OK);
	read_file(at(row->column[7], path), &wanted);
	assert_true(mm_span_equal(made, mm_buffer_span(&wanted)));
	mm_nvs_free(nvs);
}

/* Rows of other kinds: signatures are signer/secure_cert_sign.c's, and the
 * ECDSA one is below, as the tool leaves the key in it. */
static void
the_vendors_partitions_are_made(void **state)
{
	struct vector_index index;
	struct vector_row row;
	size_t made = 0;

	(void)state;
	vector_open(&index, VECTORS, "cases.tsv");
	while (vector_next(&index, &row)) {
		if (strncmp(row.column[1], "exact", 5) != 0)
			continue;
		if (strcmp(row.column[2], "nvs") == 0)
			check_nvs_row(&row);
		else if (strcmp(row.column[2], "tlv_csv") == 0)
			check_csv_row(&row);
		else
			check_parts_row(&row);
		made++;
	}
	assert_int_equal(made, 13);
}

/* As the tool, but for the key: the TLV is there, with its flag, and empty. */
static void
a_key_in_an_efuse_is_not_in_flash(void **state)
{
	enum { KEY_TLV = 1488, KEY_SIZE = 16 };
	room_auto struct room room = {.ds = {.chip = NULL}};
	uint8_t digest[32];

	(void)state;
	read_file(ROOM "tlv_ecdsa_periph.bin", &room.wanted);
	take_files(&room, KEYS "device-p256.crt.pem", KEYS "ca-p256.crt.pem");
	take_key(&room, KEYS "device-p256.key.pem");
	use_ds(&room, "esp32h2", 2, NULL);
	room.parts.layout = MM_LAYOUT_TLV;
	assert_made(&room);
	assert_int_equal(room.made.size, KEY_TLV + KEY_SIZE + 48);
	assert_memory_equal(room.made.data, room.wanted.data, KEY_TLV + 10);
	assert_int_equal(room.made.data[KEY_TLV + 4], 0x08);
	assert_int_equal(mm_little(room.made.data + KEY_TLV + 10, 2), 0);
	assert_int_equal(mm_little_u32(room.made.data + KEY_TLV + 12),
	    mm_crc_esp(mm_span(room.made.data + KEY_TLV, 12)));
	crypto_hash_sha256(digest, room.made.data, KEY_TLV + KEY_SIZE);
	assert_memory_equal(
	    room.made.data + KEY_TLV + KEY_SIZE + 12, digest, 32);
	assert_int_equal(
	    try_read(mm_span(room.made.data, room.made.size)), MM_OK);
}

/* The older tool's order, with the ciphertext behind the certificates. */
static void
tlv8k_takes_a_ciphertext(void **state)
{
	static const uint8_t order[] = {1, 0, 3, 4};
	const uint8_t iv[MM_DS_IV] = {1};
	room_auto struct room room = {.ds = {.chip = NULL}};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	const struct mm_secure_cert_facts *read;

	(void)state;
	take_files(
	    &room, KEYS "device-rsa2048.crt.pem", KEYS "ca-p256.crt.pem");
	take_key(&room, KEYS "device-rsa2048.key.pem");
	use_ds(&room, "esp32c3", 0, iv);
	room.parts.layout = MM_LAYOUT_TLV8K;
	assert_made(&room);
	assert_int_equal(room.made.size, MM_SECURE_CERT_TLVS);
	mm_arena_init(&arena, VECTOR_ARENA);
	assert_int_equal(read_partition(mm_span(room.made.data, room.made.size),
			     &arena, &facts),
	    MM_OK);
	read = facts.secure_cert.items;
	assert_int_equal(read->tlvs.count, MM_COUNT(order));
	for (size_t i = 0; i < MM_COUNT(order); i++)
		assert_int_equal(
		    mm_list_at(read->tlvs, struct mm_secure_cert_tlv, i)->type,
		    order[i]);
	assert_false(read->plain_key);
}

/* Behind the certificates the key's TLV, without bytes, and the eFuse's
 * number. */
static void
tlv8k_takes_a_key_in_an_efuse(void **state)
{
	static const uint8_t order[] = {1, 0, 2, 6};
	room_auto struct room room = {.ds = {.chip = NULL}};
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	const struct mm_secure_cert_facts *read;
	const struct mm_secure_cert_tlv *tlv;

	(void)state;
	take_files(&room, KEYS "device-p256.crt.pem", KEYS "ca-p256.crt.pem");
	take_key(&room, KEYS "device-p256.key.pem");
	use_ds(&room, "esp32h2", 3, NULL);
	room.parts.layout = MM_LAYOUT_TLV8K;
	assert_made(&room);
	assert_int_equal(room.made.size, MM_SECURE_CERT_TLVS);
	mm_arena_init(&arena, VECTOR_ARENA);
	assert_int_equal(read_partition(mm_span(room.made.data, room.made.size),
			     &arena, &facts),
	    MM_OK);
	read = facts.secure_cert.items;
	assert_int_equal(read->tlvs.count, MM_COUNT(order));
	for (size_t i = 0; i < MM_COUNT(order); i++)
		assert_int_equal(
		    mm_list_at(read->tlvs, struct mm_secure_cert_tlv, i)->type,
		    order[i]);
	assert_false(read->plain_key);
	tlv = mm_list_at(read->tlvs, struct mm_secure_cert_tlv, 2);
	assert_int_equal(tlv->size, 0);
	assert_int_equal(tlv->flags, MM_SECURE_CERT_FUSED);
	tlv = mm_list_at(read->tlvs, struct mm_secure_cert_tlv, 3);
	assert_int_equal(tlv->size, 40);
	assert_int_equal(room.made.data[tlv->offset], 4 + 3);
}

static void
without_a_ca_the_fixed_layout_keeps_its_size(void **state)
{
	room_auto struct room room = {.ds = {.chip = NULL}};
	struct mm_cust_flash read;

	(void)state;
	take_files(&room, KEYS "device-p256.crt.pem", NULL);
	take_key(&room, KEYS "device-p256.key.pem");
	room.parts.layout = MM_LAYOUT_CUST_FLASH;
	assert_made(&room);
	assert_int_equal(room.made.size, 0x6000);
	assert_int_equal(mm_little(room.made.data + 8, 8), 0);
	assert_int_equal(
	    mm_cust_flash_read(mm_span(room.made.data, room.made.size), &read),
	    MM_OK);
	assert_false(read.ds);
	assert_int_equal(read.ca.size, 0);
	assert_true(read.device.size > 0 && read.key.size > 0);
}

/* --- what is refused --- */

static void
a_certificate_of_another_key(void **state)
{
	static const struct {
		const char *device, *key;
	} pairs[] = {{KEYS "csk-p256.crt.pem", KEYS "device-p256.key.pem"},
	    {KEYS "device-p256.crt.pem", KEYS "device-rsa2048.key.pem"},
	    {KEYS "device-rsa2048.crt.der", KEYS "device-p256.key.der"},
	    {KEYS "device-rsa4096.crt.der", KEYS "device-rsa2048.key.pem"}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(pairs); i++)
		for (int layout = MM_LAYOUT_TLV; layout <= MM_LAYOUT_CUST_FLASH;
		     layout++) {
			room_auto struct room room = {.ds = {.chip = NULL}};

			take_files(&room, pairs[i].device, NULL);
			take_key(&room, pairs[i].key);
			room.parts.layout = (enum mm_secure_cert_layout)layout;
			assert_refused(
			    &room, MM_E_FORMAT, "device.crt: the device's");
		}
}

static void
files_that_are_no_certificates(void **state)
{
	static const char *const texts[] = {"", "x",
	    "-----BEGIN CERTIFICATE-----\nMAAA\n",
	    "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"};

	(void)state;
	for (size_t i = 1; i < MM_COUNT(texts); i++) {
		room_auto struct room room = {.ds = {.chip = NULL}};

		take_files(&room, KEYS "device-p256.crt.pem", NULL);
		take_key(&room, KEYS "device-p256.key.pem");
		room.parts.layout = MM_LAYOUT_TLV;
		room.parts.ca = (struct mm_secure_cert_file){
		    "ca.crt", mm_span_text(texts[i])};
		assert_refused(&room, MM_E_FORMAT, "ca.crt: ");
	}
}

static void
layout_and_ds_must_agree(void **state)
{
	const uint8_t iv[MM_DS_IV] = {0};
	room_auto struct room room = {.ds = {.chip = NULL}};

	(void)state;
	take_files(&room, KEYS "device-rsa2048.crt.pem", NULL);
	take_key(&room, KEYS "device-rsa2048.key.pem");
	room.parts.layout = MM_LAYOUT_CUST_FLASH_DS;
	assert_refused(&room, MM_E_FORMAT, "cust_flash_ds");
	use_ds(&room, "esp32c3", 1, iv);
	room.parts.layout = MM_LAYOUT_CUST_FLASH;
	assert_refused(&room, MM_E_FORMAT, "cust_flash_ds");
	room.parts.layout = MM_LAYOUT_CUST_FLASH_DS;
	room.parts.size = 0x2000;
	assert_refused(&room, MM_E_RANGE, "0x3000");
	room.parts.size = 0;
	room.ds.efuse_key = 6;
	assert_refused(&room, MM_E_RANGE, "BLOCK_KEY5");
	room.ds.efuse_key = 5;
	room.ds.hmac_key = NULL;
	assert_refused(&room, MM_E_KEY_TYPE, "take tlv");
	room.parts.layout = MM_LAYOUT_TLV;
	room.parts.key = NULL;
	assert_refused(&room, MM_E_FORMAT, "no private key");
	room.parts.key = &room.key;
	room.parts.size = 0x3000;
	assert_refused(&room, MM_E_RANGE, "TLVs");
}

/* --- limits --- */

/* A certificate in DER of exactly so many bytes, by its serial and name. */
static void
sized_certificate(EVP_PKEY *key, size_t size, struct mm_buffer *out)
{
	size_t filler = size > 400 ? size - 400 : 1;

	for (int tries = 0; tries < 64; tries++) {
		X509 *one = X509_new();
		uint8_t *text = malloc(filler), *der = NULL;
		int made;

		memset(text, 'a', filler);
		assert_int_equal(X509_set_pubkey(one, key), 1);
		X509_gmtime_adj(X509_getm_notBefore(one), 0);
		X509_gmtime_adj(X509_getm_notAfter(one), 60);
		assert_int_equal(
		    X509_NAME_add_entry_by_NID(X509_get_subject_name(one),
			NID_description, V_ASN1_UTF8STRING, text, (int)filler,
			-1, 0),
		    1);
		assert_true(X509_sign(one, key, EVP_sha256()) > 0);
		made = i2d_X509(one, &der);
		mm_buffer_clear(out);
		mm_buffer_init(out, VECTOR_MAX);
		mm_buffer_add(out, der, (size_t)made);
		OPENSSL_free(der);
		X509_free(one);
		free(text);
		if ((size_t)made == size)
			return;
		/* An ECDSA signature has 70 to 72 bytes: try again. */
		filler += size - (size_t)made;
	}
	fail_msg("no certificate of %zu bytes", size);
}

static enum mm_error
make_sized(
    const char *key, bool is_ca, size_t size, enum mm_secure_cert_layout layout)
{
	room_auto struct room room = {.ds = {.chip = NULL}};
	mm_auto(buffer) der = {0};
	FILE *file = fopen(key, "r");
	EVP_PKEY *pair = PEM_read_PrivateKey(file, NULL, NULL, NULL);

	fclose(file);
	sized_certificate(pair, size, &der);
	EVP_PKEY_free(pair);
	take_files(&room, KEYS "device-p256.crt.der", NULL);
	take_key(&room, key);
	if (is_ca)
		room.parts.ca = (struct mm_secure_cert_file){
		    "ca.crt", mm_buffer_span(&der)};
	else
		room.parts.device.bytes = mm_buffer_span(&der);
	room.parts.layout = layout;
	return mm_secure_cert_make(&room.parts, &room.made);
}

static void
areas_are_filled_to_their_last_byte(void **state)
{
	static const struct {
		bool ca;
		size_t max;
	} areas[] = {{false, 2048}, {true, 4096}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(areas); i++)
		for (size_t over = 0; over < 3; over++) {
			enum mm_error error =
			    make_sized(KEYS "device-p256.key.pem", areas[i].ca,
				areas[i].max - 1 + over, MM_LAYOUT_CUST_FLASH);

			assert_int_equal(error, over < 2 ? MM_OK : MM_E_FORMAT);
			if (over == 2)
				assert_non_null(
				    strstr(mm_why(error), "its area"));
		}
}

/* The key's TLV takes 256 bytes, that of the integrity 48. */
static void
a_partition_of_tlvs_is_filled_to_its_last_byte(void **state)
{
	enum { LEFT = 0x2000 - 256 - 48 };
	mm_auto(buffer) device = {0};
	size_t ca;

	(void)state;
	read_file(KEYS "device-p256.crt.der", &device);
	ca = LEFT - (size_t)mm_secure_cert_tlv_size(device.size) - 16;
	assert_int_equal(
	    make_sized(KEYS "device-p256.key.pem", true, ca - 1, MM_LAYOUT_TLV),
	    MM_OK);
	assert_int_equal(
	    make_sized(KEYS "device-p256.key.pem", true, ca, MM_LAYOUT_TLV),
	    MM_OK);
	assert_int_equal(
	    make_sized(KEYS "device-p256.key.pem", true, ca + 1, MM_LAYOUT_TLV),
	    MM_E_FORMAT);
}

/* --- the fixed layout, read --- */

static void
harm(const char *name, size_t place, enum mm_error wanted)
{
	mm_auto(buffer) file = {0};
	struct mm_cust_flash read;
	char path[256];

	read_file(at(name, path), &file);
	file.data[place] ^= 1;
	assert_int_equal(
	    mm_cust_flash_read(mm_buffer_span(&file), &read), wanted);
}

static void
damage_to_the_fixed_layout_is_told(void **state)
{
	static const char *const names[] = {
	    "cust_flash_ec.bin", "cust_flash_ds_c3.bin"};
	mm_auto(buffer) file = {0};
	struct mm_cust_flash read;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		harm(names[i], 0, MM_E_FORMAT);      /* CRC */
		harm(names[i], 5, MM_E_FORMAT);      /* length */
		harm(names[i], 0x50, MM_E_FORMAT);   /* device */
		harm(names[i], 0x850, MM_E_FORMAT);  /* CA */
		harm(names[i], 0x1850, MM_E_FORMAT); /* key, C */
		harm(names[i], 0x2fff, MM_OK);       /* nobody's */
	}
	harm(names[0], 0x18, MM_E_FORMAT);   /* magic */
	harm(names[1], 0x24, MM_E_FORMAT);   /* magic */
	harm(names[1], 0x1d00, MM_E_FORMAT); /* IV */
	harm(names[1], 0x14, MM_E_FORMAT);   /* length of C */
	read_file(ROOM "cust_flash_ds_s2.bin", &file);
	assert_int_equal(
	    mm_cust_flash_read(mm_buffer_span(&file), &read), MM_OK);
	assert_true(read.ds);
	assert_int_equal(read.key_bits, 4096);
	assert_int_equal(read.efuse_key, 4);
	assert_int_equal(
	    mm_cust_flash_read(mm_span(file.data, 0x1e80 + 15), &read),
	    MM_E_FORMAT);
	assert_int_equal(
	    mm_cust_flash_read(mm_span(file.data, 63), &read), MM_E_FORMAT);
	file.data[0x20] = 6;
	assert_int_equal(
	    mm_cust_flash_read(mm_buffer_span(&file), &read), MM_E_FORMAT);
}

/* --- CSV --- */

#define HEAD \
	"tlv_type,tlv_subtype,data_value,data_type,priv_key_type,algorithm," \
	"key_size,efuse_id,efuse_key\n"
#define KEY_ROW(more) \
	"ESP_SECURE_CERT_PRIV_KEY_TLV,0," KEYS \
	"device-rsa2048.key.pem,file," more "\n"

static enum mm_error
make_csv(const char *text, const struct mm_secure_cert_csv_terms *terms,
    struct mm_flash_secret *out)
{
	text_file_write(text);
	return mm_secure_cert_csv(text_path, terms, out);
}

static void
bad_rows_are_named_by_their_line(void **state)
{
	static const struct {
		const char *text, *line, *why;
	} bad[] = {
	    {"", "", "empty"},
	    {HEAD, "", "no rows"},
	    {"tlv_type,tlv_subtype,data_value\n0,0,x\n", "line 1", "data_type"},
	    {"tlv_type,tlv_subtype,data_value,data_type,x\n51,0,x,string,\n",
		"line 1", "column"},
	    {HEAD "51,0,x,string,,,,\n", "line 2", "cells"},
	    {HEAD "# note\n\nNAME,0,x,string,,,,,\n", "line 4", "tlv_type"},
	    {HEAD "256,0,x,string,,,,,\n", "line 2", "tlv_type"},
	    {HEAD "56,0,x,string,,,,,\n", "line 2", "type 56"},
	    {HEAD "9,0,x,string,,,,,\n", "line 2", "integrity"},
	    {HEAD "51,17,x,string,,,,,\n", "line 2", "0 to 16"},
	    {HEAD "51,,x,string,,,,,\n", "line 2", "tlv_subtype"},
	    {HEAD "51,0,,string,,,,,\n", "line 2", "data_value is empty"},
	    {HEAD "51,0,x,text,,,,,\n", "line 2", "data_type"},
	    {HEAD "51,0,ABC,hex,,,,,\n", "line 2", "hex"},
	    {HEAD "51,0,AG,hex,,,,,\n", "line 2", "hex"},
	    {HEAD "51,0,AQI,base64,,,,,\n", "line 2", "base64"},
	    {HEAD "51,0,none.bin,file,,,,,\n", "line 2", "none.bin"},
	    {HEAD "51,0,x,string,,,,,\r\n51,0,y,string,,,,,\r\n", "line 3",
		"line 2"},
	    {HEAD "1,0,x,string,,,,,\n", "line 2", "X.509"},
	    {HEAD KEY_ROW(",RSA,2048,,"), "line 2", "priv_key_type"},
	    {HEAD KEY_ROW("plaintext,ECDSA,256,,"), "line 2", "says ECDSA"},
	    {HEAD KEY_ROW("plaintext,RSA,3072,,"), "line 2", "key_size"},
	    {HEAD KEY_ROW("rsa_ds,RSA,2048,,"), "line 2", "efuse_id"},
	    {HEAD KEY_ROW("rsa_ds,RSA,2048,6,"), "line 2", "efuse_id"},
	    {HEAD KEY_ROW("rsa_ds,RSA,2048,1,"), "line 2", "HMAC key"},
	    {HEAD KEY_ROW("rsa_ds,RSA,2048,1," KEYS "ca-p256.crt.der"),
		"line 2", "HMAC key has"},
	    {HEAD KEY_ROW("ecdsa_peripheral,RSA,2048,1,"), "line 2", "ECDSA"},
	    {HEAD KEY_ROW("plaintext,,,,") "1,0," KEYS
					   "device-p256.crt.pem,file,,,,,\n",
		"line 3", "another key"},
	};
	const struct mm_secure_cert_csv_terms terms = {.plain_keys = true,
	    .chip = mm_ds_chip_named(mm_span_text("esp32c3"))};
	struct mm_flash_secret out = {.data = NULL};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		enum mm_error error = make_csv(bad[i].text, &terms, &out);
		const char *why = error != MM_OK ? mm_why(error) : "";

		if (error == MM_OK || strstr(why, bad[i].line) == NULL ||
		    strstr(why, bad[i].why) == NULL ||
		    strstr(why, text_path) == NULL)
			fail_msg("%zu: %s", i, why);
		assert_null(out.data);
	}
}

static void
keys_in_clear_and_chips_must_be_said(void **state)
{
	static const struct mm_secure_cert_csv_terms none = {
	    .plain_keys = false};
	struct mm_flash_secret out = {.data = NULL};

	(void)state;
	assert_int_equal(
	    make_csv(HEAD KEY_ROW("plaintext,,,,"), &none, &out), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "--plain-keys"));
	assert_int_equal(
	    make_csv(HEAD KEY_ROW("rsa_ds,RSA,2048,1,"), &none, &out),
	    MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "--ds CHIP"));
}

/* As a value of another type, too. */
static void
no_key_slips_in_as_data(void **state)
{
	static const char *const rows[] = {HEAD
	    "51,0," KEYS "device-p256.key.pem,file,,,,,\n",
	    HEAD "7,0,00112233,hex,,,,,\n"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		const struct mm_secure_cert_csv_terms none = {.chip = NULL},
						      plain = {
							  .plain_keys = true};
		mm_auto(flash_secret) out = {0};

		assert_int_equal(make_csv(rows[i], &none, &out), MM_E_FORMAT);
		assert_non_null(strstr(mm_why(MM_E_FORMAT), "--plain-keys"));
		assert_int_equal(make_csv(rows[i], &plain, &out), MM_OK);
	}
}

/* What a CSV lists is what the options make. */
static void
a_csv_makes_ciphertext_first(void **state)
{
	room_auto struct room room = {.ds = {.chip = NULL}};
	struct mm_secure_cert_csv_terms terms = {
	    .chip = mm_ds_chip_named(mm_span_text("esp32c3")),
	    .hmac_key = ROOM "TEST-ONLY-ds_hmac_key.bin"};

	(void)state;
	read_file(ROOM "tlv_rsa_ds.bin", &room.wanted);
	terms.iv = room.wanted.data + IV_AT_TLV;
	assert_int_equal(
	    make_csv(
		"\xef\xbb\xbf" HEAD "0,0," KEYS "ca-p256.crt.pem,file,,,,,\r\n"
		"1, 0 ," KEYS "device-rsa2048.crt.pem,file,,,,,\r\n" KEY_ROW(
		    "RSA_DS,rsa,2048,1,"),
		&terms, &room.made),
	    MM_OK);
	assert_bytes(&room);
	mm_flash_secret_clear(&room.made);
	assert_int_equal(
	    make_csv(
		HEAD KEY_ROW(
		    "rsa_ds,,,1,") "2,1," KEYS
				   "device-rsa2048.key.pem,file,rsa_ds,,,2,\n",
		&terms, &room.made),
	    MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), "one IV"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vendors_partitions_are_made),
	    cmocka_unit_test(a_key_in_an_efuse_is_not_in_flash),
	    cmocka_unit_test(tlv8k_takes_a_ciphertext),
	    cmocka_unit_test(tlv8k_takes_a_key_in_an_efuse),
	    cmocka_unit_test(without_a_ca_the_fixed_layout_keeps_its_size),
	    cmocka_unit_test(a_certificate_of_another_key),
	    cmocka_unit_test(files_that_are_no_certificates),
	    cmocka_unit_test(layout_and_ds_must_agree),
	    cmocka_unit_test(areas_are_filled_to_their_last_byte),
	    cmocka_unit_test(a_partition_of_tlvs_is_filled_to_its_last_byte),
	    cmocka_unit_test(damage_to_the_fixed_layout_is_told),
	    cmocka_unit_test(bad_rows_are_named_by_their_line),
	    cmocka_unit_test(keys_in_clear_and_chips_must_be_said),
	    cmocka_unit_test(no_key_slips_in_as_data),
	    cmocka_unit_test(a_csv_makes_ciphertext_first),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(
	    tests, text_file_setup, text_file_teardown);
}
