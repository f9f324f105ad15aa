/*
 * What the files of a unit's images share.
 */
#ifndef MM_FACTORY_UNIT_IMAGES_PARTS_H
#define MM_FACTORY_UNIT_IMAGES_PARTS_H

#include "factory/nvs_parts.h"
#include "factory/unit_images.h"

/* --- unit_text.c --- */

/* A text with `{NAME}` in it, in pieces. */
struct unit_piece {
	struct mm_span bytes; /* of the text, or the name */
	bool name;
};
struct unit_text {
	const struct unit_piece *pieces; /* in an arena */
	size_t count;
	bool named; /* one of them is a name */
};
/* The pieces lie in the text. MM_E_FORMAT: a brace by itself; MM_E_MEMORY. */
enum mm_error mm_unit_text_read(struct mm_span text, struct mm_arena *arena,
    struct unit_text *out) mm_must_use;
/* The name, where the text is that alone; else empty. */
struct mm_span mm_unit_text_alone(const struct unit_text *text);
/* Puts it together in `room`, which grows. MM_E_USAGE: a name has no value, or
 * an empty one; MM_E_RANGE: longer than any value of NVS. */
enum mm_error mm_unit_text_fill(const struct unit_text *text,
    const struct mm_label_values *values, struct mm_flash_secret *room,
    struct mm_span *out) mm_must_use;

/* --- unit_contents.c --- */

struct unit_content; /* one of the header's table */
/* NULL for a name that is none of them. */
const struct unit_content *mm_unit_content(struct mm_span name);
bool mm_unit_content_is_key(const struct unit_content *content);
bool mm_unit_content_is_root(const struct unit_content *content);
/* The bytes that it has at least, for a device's key of this kind (as
 * mm_image_plan.key). */
size_t mm_unit_content_least(const struct unit_content *content, int key);
/* Whether rows of this encoding take it. */
bool mm_unit_content_fits(
    const struct unit_content *content, struct mm_span encoding);

/* Where contents are put together; used for one after the other. */
struct unit_contents {
	struct mm_buffer pem;
	struct mm_flash_secret key;
};
/* Its bytes lie in `room` or in the unit. MM_E_USAGE: the unit does not have
 * it. */
enum mm_error mm_unit_content_of(const struct unit_content *content,
    const struct mm_image_unit *unit, struct unit_contents *room,
    struct mm_span *out) mm_must_use;
void mm_unit_contents_clear(struct unit_contents *room);

/* The issuer's certificate, and the root's: the same where the root itself
 * issues. MM_E_USAGE: it is not known. */
enum mm_error mm_unit_issuer(
    const struct mm_image_unit *unit, struct mm_span *out) mm_must_use;
enum mm_error
mm_unit_root(const struct mm_image_unit *unit, struct mm_span *out) mm_must_use;

/* --- unit_least.c: bytes that there are at least --- */

size_t mm_least_certificate(int key);
size_t mm_least_issuer(void);
/* PKCS#8 as {key.der} is, PKCS#1 or SEC 1 as esp_secure_cert has it. */
size_t mm_least_key(int key, bool pkcs8);
/* PEM of so many bytes of DER. */
size_t mm_least_pem(size_t der);

/* --- an image --- */

struct unit_row;
struct unit_name {
	struct mm_span name;
	bool path; /* of a file */
};
struct mm_unit_image {
	struct mm_image_plan plan; /* what it points to lies in the arena */
	struct mm_arena arena;
	struct mm_unit_image_facts facts;
	/* NVS */
	struct unit_row *rows;
	struct unit_name *names;
	size_t name_count;
	struct mm_nvs *nvs;
	struct mm_flash_secret nvs_key; /* GIVEN */
	struct mm_flash_secret text;    /* a value put together */
	struct unit_contents contents;
	/* esp_secure_cert */
	const struct mm_ds_chip *ds;
};

/* A copy in the image's arena. MM_E_MEMORY. */
enum mm_error mm_unit_image_keep(
    struct mm_unit_image *image, struct mm_span *span) mm_must_use;

/* --- unit_nvs.c: what mm_unit_image_new() and the others do of it --- */

enum mm_error mm_unit_nvs_read(
    struct mm_unit_image *image, crypto_hash_sha256_state *digest) mm_must_use;
void mm_unit_nvs_clear(struct mm_unit_image *image);
/* Fills image->nvs; `whole` false: contents are as small as they can be.
 * Without a unit all that has names in it counts as one entry. */
enum mm_error mm_unit_nvs_fill(struct mm_unit_image *image,
    const struct mm_image_unit *unit, bool whole) mm_must_use;
enum mm_error mm_unit_nvs_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out) mm_must_use;
enum mm_error mm_unit_nvs_keys_read(
    struct mm_unit_image *image, crypto_hash_sha256_state *digest) mm_must_use;
enum mm_error mm_unit_nvs_keys_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out) mm_must_use;

/* --- unit_secure_cert.c: the same --- */

enum mm_error mm_unit_secure_cert_read(
    struct mm_unit_image *image, crypto_hash_sha256_state *digest) mm_must_use;
enum mm_error mm_unit_secure_cert_make(struct mm_unit_image *image,
    const struct mm_image_unit *unit, struct mm_flash_secret *out) mm_must_use;

#endif
