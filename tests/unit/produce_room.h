/* A directory with a template and what it names, and a CA that answers as the
 * appliance does. */
#ifndef MM_TESTS_PRODUCE_ROOM_H
#define MM_TESTS_PRODUCE_ROOM_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ca/certificate.h"
#include "factory/unit_parts.h"
#include "protocol/shape.h"

#define ROOM_TEXT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
enum { ROOM_NOW = 1767225600 /* 2026-01-01 */, ROOM_SEALED = 16000 };

struct produce_room {
	char directory[64], path[96];
	EVP_PKEY *ca_key;
	struct mm_buffer ca_tbs, ca_der, der;
	struct mm_bytes_item chain;
	struct mm_list chain_list;
	struct mm_production *production;
	struct mm_label_values given;
	struct mm_unit_terms terms;
	struct mm_unit *unit;
	size_t profile; /* of room_profiles, the device's */
	const struct mm_unit_file *files;
	size_t file_count;
};

/* --- the CA --- */

static const struct mm_subject_part room_name[] = {
    {ROOM_TEXT("2.5.4.3"), ROOM_TEXT("{name}")}};
static const struct mm_subject_part room_device[] = {
    {ROOM_TEXT("2.5.4.3"), ROOM_TEXT("{device}")}};
/* A serial number, and no common name. */
static const struct mm_subject_part room_number[] = {
    {ROOM_TEXT("2.5.4.5"), ROOM_TEXT("{device}")}};
static const struct mm_profile room_profiles[] = {
    {.name = ROOM_TEXT("root"),
	.purpose = MM_PURPOSE_CA,
	.issuer = ROOM_TEXT("root"),
	.subject = {room_name, 1},
	.backdate = 60,
	.keys = 1 << MM_KEY_P256,
	.key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN,
	.path = true},
    {.name = ROOM_TEXT("device"),
	.purpose = MM_PURPOSE_DEVICE,
	.issuer = ROOM_TEXT("root"),
	.subject = {room_device, 1},
	.backdate = 60,
	.keys = 1 << MM_KEY_P256 | 1 << MM_KEY_P384 | 1 << MM_KEY_RSA,
	.key_usage = MM_KU_DIGITAL_SIGNATURE},
    {.name = ROOM_TEXT("nameless"),
	.purpose = MM_PURPOSE_DEVICE,
	.issuer = ROOM_TEXT("root"),
	.subject = {room_number, 1},
	.backdate = 60,
	.keys = 1 << MM_KEY_P256,
	.key_usage = MM_KU_DIGITAL_SIGNATURE}};
enum { ROOM_DEVICE = 1, ROOM_NAMELESS };

static inline void
room_sign(struct produce_room *room, struct mm_span tbs, struct mm_buffer *der)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[128];
	size_t size = sizeof(signature);

	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, room->ca_key), 1);
	assert_int_equal(
	    EVP_DigestSign(ctx, signature, &size, tbs.data, tbs.size), 1);
	EVP_MD_CTX_free(ctx);
	mm_buffer_clear(der);
	mm_buffer_init(der, 8192);
	assert_int_equal(
	    mm_certificate_assemble(tbs, mm_span(signature, size), der), MM_OK);
}

static inline void
room_build(struct produce_room *room, size_t profile, struct mm_span subject,
    struct mm_span spki, struct mm_buffer *tbs)
{
	uint8_t serial[MM_SERIAL_SIZE];
	const struct mm_certificate_plan plan = {
	    .profile = &room_profiles[profile],
	    .subject = subject,
	    .spki = spki,
	    .issuer = mm_buffer_span(&room->ca_tbs),
	    .now = ROOM_NOW};

	mm_serial_make(serial);
	mm_buffer_init(tbs, 8192);
	if (mm_tbs_build(&plan, serial, tbs) != MM_OK)
		fail_msg("%s", mm_why(MM_E_CERTIFICATE));
}

static inline void
room_ca(struct produce_room *room)
{
	mm_auto(buffer) tbs = {0};
	uint8_t spki[256], *at = spki;
	size_t size;

	room->ca_key = EVP_EC_gen("P-256");
	size = (size_t)i2d_PUBKEY(room->ca_key, &at);
	room_build(room, 0, mm_span_text("root"), mm_span(spki, size), &tbs);
	room_sign(room, mm_buffer_span(&tbs), &room->ca_der);
	room->ca_tbs = tbs;
	tbs = (struct mm_buffer){0};
	room->chain.value = mm_buffer_span(&room->ca_der);
	room->chain_list = (struct mm_list){&room->chain, 1};
}

/* --- the directory --- */

static inline void
room_write(struct produce_room *room, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", room->directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static inline void
room_begin(struct produce_room *room)
{
	memset(room, 0, sizeof(*room));
	strcpy(room->directory, "/tmp/mm-produce-XXXXXX");
	assert_non_null(mkdtemp(room->directory));
	snprintf(room->path, sizeof(room->path), "%s/t.conf", room->directory);
	room_ca(room);
	room->profile = ROOM_DEVICE;
	room->terms = (struct mm_unit_terms){.given = &room->given,
	    .order = mm_span_text("order-7"),
	    .now = ROOM_NOW};
}

static inline void
room_give(struct produce_room *room, const char *name, const char *value)
{
	room->given.items[room->given.count++] =
	    (struct mm_label_value){mm_span_text(name), mm_span_text(value)};
}

static inline void
room_end(struct produce_room *room)
{
	char command[128];

	mm_unit_free(room->unit);
	mm_production_free(room->production);
	EVP_PKEY_free(room->ca_key);
	mm_buffer_clear(&room->ca_tbs);
	mm_buffer_clear(&room->ca_der);
	mm_buffer_clear(&room->der);
	snprintf(command, sizeof(command), "rm -r %s", room->directory);
	assert_int_equal(system(command), 0);
}

/* --- a template --- */

static inline void
room_read(struct produce_room *room, const char *text)
{
	room_write(room, "t.conf", text);
	mm_production_free(room->production);
	room->production = NULL;
	if (mm_production_read(room->path, &room->production) != MM_OK)
		fail_msg("%s: %s", text, mm_why(MM_E_FORMAT));
}

/* The template is refused, and the error says so. */
static inline void
room_refused(struct produce_room *room, const char *text, enum mm_error error,
    const char *where, const char *why)
{
	struct mm_production *production = NULL;
	enum mm_error got;

	room_write(room, "t.conf", text);
	got = mm_production_read(room->path, &production);
	if (got == MM_OK)
		fail_msg("taken: %s", text);
	assert_null(production);
	if (strstr(mm_why(got), why) == NULL ||
	    strstr(mm_why(got), where) == NULL)
		fail_msg("\"%s\" has not \"%s\" and \"%s\"", mm_why(got), where,
		    why);
	assert_int_equal(got, error);
}

/* The unit is refused, before the run and in it. */
static inline void
room_unit_refused(struct produce_room *room, enum mm_error error,
    const char *where, const char *why)
{
	enum mm_error got = mm_production_check(room->production, &room->terms);

	if (strstr(mm_why(got), why) == NULL ||
	    strstr(mm_why(got), where) == NULL)
		fail_msg("%d: \"%s\" has not \"%s\" and \"%s\"", got,
		    mm_why(got), where, why);
	assert_int_equal(got, error);
}

/* --- a unit --- */

static inline void
room_new(struct produce_room *room)
{
	enum mm_error error =
	    mm_production_check(room->production, &room->terms);

	mm_unit_free(room->unit);
	room->unit = NULL;
	if (error == MM_OK)
		error =
		    mm_unit_new(room->production, &room->terms, &room->unit);
	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static inline void
room_issue(struct produce_room *room)
{
	mm_auto(buffer) tbs = {0};

	room_build(room, room->profile, mm_unit_device(room->unit),
	    mm_unit_spki(room->unit), &tbs);
	room_sign(room, mm_buffer_span(&tbs), &room->der);
}

static inline enum mm_error
room_try_finish(struct produce_room *room)
{
	struct mm_unit_certificate certificate = {.chain = &room->chain_list,
	    .receipt = mm_span_text("receipt\n"),
	    .index = 12};

	room_issue(room);
	certificate.certificate = mm_buffer_span(&room->der);
	return mm_unit_finish(
	    room->unit, &certificate, &room->files, &room->file_count);
}

static inline void
room_finish(struct produce_room *room)
{
	enum mm_error error = room_try_finish(room);

	if (error != MM_OK)
		fail_msg("%s", mm_why(error));
}

static inline void
room_finish_refused(
    struct produce_room *room, enum mm_error error, const char *why)
{
	enum mm_error got = room_try_finish(room);

	assert_int_not_equal(got, MM_OK);
	if (strstr(mm_why(got), why) == NULL)
		fail_msg("\"%s\" has not \"%s\"", mm_why(got), why);
	assert_int_equal(got, error);
}

/* A certificate as a file of the directory. */
static inline void
room_write_pem(struct produce_room *room, const char *name, struct mm_span der)
{
	mm_auto(buffer) pem = {0};

	mm_buffer_init(&pem, 8192);
	assert_int_equal(mm_pem_encode("CERTIFICATE", der, &pem), MM_OK);
	mm_buffer_add(&pem, "", 1);
	room_write(room, name, (char *)pem.data);
}

static inline const struct mm_unit_file *
room_file(const struct produce_room *room, const char *name)
{
	for (size_t i = 0; i < room->file_count; i++)
		if (strcmp(room->files[i].name, name) == 0)
			return &room->files[i];
	return NULL;
}

static inline bool
room_holds(const struct mm_unit_file *file, const char *text)
{
	assert_non_null(file);
	return memmem(file->bytes.data, file->bytes.size, text, strlen(text)) !=
	       NULL;
}

/* --- kept --- */

static inline void
room_same(const struct mm_unit *a, const struct mm_unit *b)
{
	struct mm_unit_key keys[2][MM_UNIT_KEYS];
	size_t count = mm_unit_keys(a, keys[0]);

	assert_int_equal(a->ordinal, b->ordinal);
	assert_int_equal(a->now, b->now);
	assert_true(mm_span_equal(mm_unit_spki(a), mm_unit_spki(b)));
	assert_int_equal(a->values.list.count, b->values.list.count);
	for (size_t i = 0; i < a->values.list.count; i++) {
		assert_true(mm_span_equal(a->values.list.items[i].name,
		    b->values.list.items[i].name));
		assert_true(mm_span_equal(a->values.list.items[i].value,
		    b->values.list.items[i].value));
	}
	assert_memory_equal(a->nvs_keys, b->nvs_keys, sizeof(a->nvs_keys));
	assert_int_equal(mm_unit_keys(b, keys[1]), count);
	for (size_t i = 0; i < count; i++)
		assert_true(mm_span_equal(keys[0][i].bytes, keys[1][i].bytes));
}

static inline void
room_kept(struct produce_room *room)
{
	const struct mm_unit_terms terms = {.plain_keys = false};
	mm_auto(flash_secret) sealed = {0};
	struct mm_unit *again = NULL;
	struct mm_buffer out;
	struct mm_span bytes;

	assert_int_equal(mm_flash_secret_new(ROOM_SEALED, &sealed), MM_OK);
	out = mm_flash_secret_buffer(&sealed);
	assert_int_equal(mm_unit_encode(room->unit, &out), MM_OK);
	bytes = mm_buffer_span(&out);
	assert_int_equal(
	    mm_unit_decode(room->production, bytes, &terms, &again), MM_OK);
	room_same(room->unit, again);
	mm_unit_free(again);
	again = NULL;
	/* Cut anywhere, it is none. */
	for (size_t size = 0; size < bytes.size; size += 7)
		assert_int_equal(mm_unit_decode(room->production,
				     mm_span(bytes.data, size), &terms, &again),
		    MM_E_FORMAT);
	assert_null(again);
}

/* --- a thin template --- */

#define THIN_ROWS \
	"key,type,encoding,value\n" \
	"mfg,namespace,,\n" \
	"serial,data,string,{serial}\n" \
	"pop,data,string,{pop}\n" \
	"cert,file,binary,{certificate.der}\n" \
	"key,file,binary,{key.der}\n"
#define THIN \
	"key = \"P-256\"\n" \
	"value serial { text = \"LMP-{count}\" }\n" \
	"value count { count = 1000 digits = 6 }\n" \
	"value pop { random = 8 alphabet = base32 secret = yes }\n" \
	"image creds { format = nvs rows = \"creds.csv\" size = 0x6000 }\n" \
	"label { kind = esp template = " \
	"\"{{\\\"name\\\":\\\"{serial}\\\",\\\"pop\\\":\\\"{pop}\\\"}}\"" \
	" lines = {\"S/N {serial}\", \"{date}\"} }\n" \
	"register { kind = \"aws-bulk\" }\n"

static inline void
begin_thin(struct produce_room *room)
{
	room_begin(room);
	room_write(room, "creds.csv", THIN_ROWS);
	room_read(room, THIN);
	room_give(room, "device", "lamp-1");
}

static inline const char *
value_of(const struct mm_unit *unit, const char *name, char out[256])
{
	const struct mm_label_value *value =
	    mm_label_value(&unit->values.list, mm_span_text(name));

	return value == NULL ? NULL : mm_span_string(value->value, out, 256);
}

#endif
