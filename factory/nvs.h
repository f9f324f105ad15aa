/*
 * NVS partitions, ESP-IDF's key-value store: images made byte for byte as
 * Espressif's nvs_partition_gen 0.2.0 makes them, and images read back, those
 * of a device included, with their damage told.
 *
 *   nvs_page.c   an image in the making: its pages
 *   nvs_write.c  entries: what lies where
 *   nvs_value.c  a value as its encoding says: numbers, hex, base64, files
 *   nvs_rows.c   rows of a CSV
 *   nvs_csv.c    an image from a CSV
 *   nvs_many.c   an image a device, from a template and a row a device
 *   nvs_keys.c   key partitions and the encryption of entries
 *   nvs_scan.c   which entries of an image can be read
 *   nvs_read.c   their values put together
 *
 * Values may be keys: an image being made, files that were read and decoded
 * values lie in sodium memory. A text that is read from stays the caller's.
 */
#ifndef MM_FACTORY_NVS_H
#define MM_FACTORY_NVS_H

#include "protocol/bytes.h"

enum {
	MM_NVS_PAGE = 4096,
	MM_NVS_ENTRY = 32,    /* bytes of an entry */
	MM_NVS_FIRST = 64,    /* where a page's entries begin */
	MM_NVS_ENTRIES = 126, /* in a page */
	MM_NVS_NAME = 15,     /* bytes of a key or a namespace, at most */
	MM_NVS_NAMESPACES = 254,
	MM_NVS_STRING_MAX = 3968, /* its NUL counted; so much can be placed */
	MM_NVS_V1_MAX = 1984,     /* strings and blobs of version 1 */
	MM_NVS_BLOB_MAX = 508000, /* of version 2: 127 pages full */
	MM_NVS_KEY = 64,          /* AES-XTS: data key, tweak key */
	MM_NVS_HMAC_KEY = 32,     /* in eFuses, purpose HMAC_UP */
	MM_NVS_SIZE_MAX = 32 << 20,
	MM_NVS_CSV_MAX = 16 << 20,
	MM_NVS_VALUES_MAX = 256 << 20 /* a CSV with a row a device */
};

enum mm_nvs_type {
	MM_NVS_U8 = 0x01,
	MM_NVS_U16 = 0x02,
	MM_NVS_U32 = 0x04,
	MM_NVS_U64 = 0x08,
	MM_NVS_I8 = 0x11,
	MM_NVS_I16 = 0x12,
	MM_NVS_I32 = 0x14,
	MM_NVS_I64 = 0x18,
	MM_NVS_STRING = 0x21,
	MM_NVS_BLOB = 0x41,       /* whole, of version 1 */
	MM_NVS_BLOB_DATA = 0x42,  /* a chunk of one */
	MM_NVS_BLOB_INDEX = 0x48, /* behind its chunks */
};
/* "u8", "string", "blob"; NULL for an unknown type. */
const char *mm_nvs_type_name(unsigned type);
/* The bytes of a number's type are in its low digit, its sign in the high
 * one. */
static inline bool
mm_nvs_is_number(unsigned type)
{
	unsigned size = type & 0xf;

	return type < 0x20 && (type & 0xe0) == 0 &&
	       (size == 1 || size == 2 || size == 4 || size == 8);
}
static inline bool
mm_nvs_is_signed(unsigned type)
{
	return (type & 0x10) != 0;
}

/* --- making an image --- */

/* An image in the making; used for one after the other. */
struct mm_nvs;

/* "0x6000", "24576", "24K" or "1M", as a partition table has it: whole pages.
 * MM_E_RANGE. */
enum mm_error mm_nvs_size_read(const char *text, size_t *out) mm_must_use;

/*
 * `size` is the partition's. From 0x3000 on its last page stays empty, as the
 * device wants it; what is smaller is for partitions that are read only.
 * `version` is 2, or 1: the old form, without blobs of several pages.
 * MM_E_RANGE, MM_E_MEMORY.
 */
enum mm_error
mm_nvs_new(size_t size, unsigned version, struct mm_nvs **out) mm_must_use;
void mm_nvs_free(struct mm_nvs *nvs);
/* Empties it for the next image, also after an error. */
void mm_nvs_reset(struct mm_nvs *nvs);

/*
 * What is added goes behind what was added before; the namespace holds until
 * the next. MM_E_FORMAT: a name that is none, or is there already; MM_E_RANGE:
 * a value over its limit, or the partition is full. After an error every
 * further call, mm_nvs_finish() too, fails with it until mm_nvs_reset().
 */
enum mm_error
mm_nvs_namespace(struct mm_nvs *nvs, struct mm_span name) mm_must_use;
/* A negative number as two's complement. */
enum mm_error mm_nvs_number(struct mm_nvs *nvs, struct mm_span key,
    enum mm_nvs_type type, uint64_t value) mm_must_use;
/* Without its NUL, and with none in it. */
enum mm_error mm_nvs_string(
    struct mm_nvs *nvs, struct mm_span key, struct mm_span text) mm_must_use;
enum mm_error mm_nvs_blob(
    struct mm_nvs *nvs, struct mm_span key, struct mm_span bytes) mm_must_use;

/*
 * A value as a CSV gives it: `type` is "data" or "file" (value: a path,
 * relative to the working directory, or, where it has no such file, to
 * `beside`, which may be NULL), `encoding` u8 to i64, string, hex2bin, base64,
 * binary, blob_fill(N;0xNN) or blob_sz_fill(N;0xNN). MM_E_FORMAT, MM_E_RANGE,
 * MM_E_FILE; errors as above.
 */
struct mm_nvs_row {
	struct mm_span key, type, encoding, value;
};
enum mm_error mm_nvs_value(struct mm_nvs *nvs, const struct mm_nvs_row *row,
    const char *beside) mm_must_use;

/*
 * The image, encrypted with `key` (MM_NVS_KEY bytes) where that is not NULL.
 * It lies in `nvs` until that is reset or freed; before it is used again it is
 * to be reset.
 */
enum mm_error mm_nvs_finish(
    struct mm_nvs *nvs, const uint8_t *key, struct mm_span *out) mm_must_use;

struct mm_nvs_use {
	size_t pages, of; /* used, and there to be used */
	size_t entries;   /* in the last page, of MM_NVS_ENTRIES */
	size_t namespaces, keys;
};
void mm_nvs_used(const struct mm_nvs *nvs, struct mm_nvs_use *out);

/* --- from a CSV --- */

struct mm_nvs_source {
	const char *name;    /* of the file, for errors */
	struct mm_span text; /* MM_NVS_CSV_MAX at most */
	const char *beside;  /* mm_nvs_value(); may be NULL */
};

/*
 * Adds what a CSV has (columns key, type, encoding, value, in any order);
 * several are read one after the other. Lines that begin with `#`, empty lines
 * and a byte order mark are passed over; line ends in a value become LF, and
 * none of its lines may begin with `#`. An error names file and line.
 */
enum mm_error
mm_nvs_csv(struct mm_nvs *nvs, const struct mm_nvs_source *source) mm_must_use;

/* --- one image a device --- */

/*
 * The template is a CSV as above, with the header line or, as the vendor's
 * mfg_gen has it, without; a row without a value takes each device's from the
 * column of its name in `values`, the nth row of a name from the nth such
 * column. A row with REPEAT behind it takes the first device's value for all.
 * Other columns of `values` are free; mm_nvs_many_unused() names them.
 */
struct mm_nvs_many;

/*
 * Checks columns and names of all devices; both texts must live on. A device's
 * name is its cell in the column `name`, or its row's number where that is
 * NULL; what is not A-Z a-z 0-9 . _ - becomes `_`. MM_E_FORMAT: a column is
 * missing, or there more often than it is taken, a row has other than the
 * header's number of cells, two devices would have one name, capitals or not.
 */
enum mm_error mm_nvs_many_new(const struct mm_nvs_source *template,
    const struct mm_nvs_source *values, const char *name,
    struct mm_nvs_many **out) mm_must_use;
void mm_nvs_many_free(struct mm_nvs_many *many);
size_t mm_nvs_many_count(const struct mm_nvs_many *many);
/* "mac, hw_rev": the columns that no row takes and no image is named by. */
struct mm_span mm_nvs_many_unused(const struct mm_nvs_many *many);
/* Resets `nvs` and adds the next device's values; its name stays until the
 * next call, and is NULL after the last device. */
enum mm_error mm_nvs_many_next(struct mm_nvs_many *many, struct mm_nvs *nvs,
    const char **name) mm_must_use;
/* From the first device on again. */
void mm_nvs_many_rewind(struct mm_nvs_many *many);

/* --- keys --- */

/* A key of the CSPRNG's. */
void mm_nvs_key_random(uint8_t out[MM_NVS_KEY]);
/* What a chip derives from its eFuse key. MM_E_SYSTEM. */
enum mm_error mm_nvs_key_derive(
    const uint8_t efuse[MM_NVS_HMAC_KEY], uint8_t out[MM_NVS_KEY]) mm_must_use;
/* A key partition. */
void
mm_nvs_keys_encode(const uint8_t key[MM_NVS_KEY], uint8_t out[MM_NVS_PAGE]);
/* The key of a key partition, or of MM_NVS_KEY bytes alone. MM_E_FORMAT: its
 * CRC is wrong, as where it was encrypted for flash. */
enum mm_error
mm_nvs_keys_decode(struct mm_span file, uint8_t out[MM_NVS_KEY]) mm_must_use;
/* Encrypts or decrypts the written entries of whole pages in place; what
 * bitmaps call empty or erased is left. MM_E_FORMAT: AES-XTS does not take a
 * key of two equal halves. */
enum mm_error mm_nvs_crypt(const uint8_t key[MM_NVS_KEY], bool encrypt,
    uint8_t *image, size_t size) mm_must_use;

/* --- reading --- */

struct mm_nvs_page {
	uint32_t state, sequence;
	unsigned version; /* 1 or 2; 0: unknown */
	size_t written, erased;
};
const char *mm_nvs_state_name(uint32_t state);

struct mm_nvs_item {
	unsigned namespace_index;      /* 0: this is a namespace, `number` its
					* index */
	struct mm_span namespace_name; /* data NULL where nothing names it */
	struct mm_span key;
	enum mm_nvs_type type;
	uint64_t number;      /* extended to 64 bits by its sign */
	struct mm_span bytes; /* of a string (without NUL) or a blob */
	size_t page, entry;   /* where it begins */
};

struct mm_nvs_damage {
	size_t page, entry; /* entry MM_NVS_ENTRIES: the page */
	const char *what;
};

struct mm_nvs_contents {
	struct mm_list pages;    /* struct mm_nvs_page, as they lie */
	struct mm_list items;    /* struct mm_nvs_item, in the pages' order */
	struct mm_list damage;   /* struct mm_nvs_damage */
	uint8_t *image, *values; /* sodium memory where the spans lie */
};

/*
 * Decodes an image of whole pages, decrypting it where `key` is not NULL.
 * Damage does not end the reading: what can be read is told, and the rest in
 * `damage`. MM_E_FORMAT: it is no NVS image, or nothing in it can be read with
 * this key or without one. `out` is to be cleared, the lists are the arena's.
 */
enum mm_error mm_nvs_read(struct mm_span image, const uint8_t *key,
    struct mm_arena *arena, struct mm_nvs_contents *out) mm_must_use;
void mm_nvs_contents_clear(struct mm_nvs_contents *contents);
/* What the arena of an image of `size` bytes must be able to hold. */
size_t mm_nvs_arena(size_t size);

#endif
