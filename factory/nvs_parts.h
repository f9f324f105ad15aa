/*
 * What the files of NVS share: the bytes of pages and entries, rows of a CSV,
 * and the image in the making.
 */
#ifndef MM_FACTORY_NVS_PARTS_H
#define MM_FACTORY_NVS_PARTS_H

#include "factory/der.h"
#include "factory/nvs.h"

/* A page: state, sequence number, version, CRC of what lies between state and
 * CRC; a bitmap of two bits an entry; entries. */
enum {
	NVS_SEQUENCE = 4,
	NVS_VERSION = 8,
	NVS_PAGE_CRC = 28,
	NVS_BITMAP = 32,
	NVS_VERSION_1 = 0xff,
	NVS_VERSION_2 = 0xfe,
};
#define NVS_PAGE_EMPTY 0xffffffffU
#define NVS_PAGE_ACTIVE 0xfffffffeU
#define NVS_PAGE_FULL 0xfffffffcU
#define NVS_PAGE_FREEING 0xfffffff8U
#define NVS_PAGE_CORRUPT 0xfffffff0U

/* An entry: namespace, type, span, chunk, CRC, key, data. */
enum {
	NVS_TYPE = 1,
	NVS_SPAN = 2,
	NVS_CHUNK = 3,
	NVS_ENTRY_CRC = 4,
	NVS_NAME = 8,
	NVS_NAME_SIZE = 16,
	NVS_DATA = 24,
	NVS_DATA_CRC = 28,
	NVS_NO_CHUNK = 0xff,
};

/* An entry's state: a write clears the first bit, an erasure the second. */
enum { NVS_ERASED = 0, NVS_WRITTEN = 2, NVS_EMPTY = 3 };

static inline unsigned
nvs_entry_state(const uint8_t *page, size_t entry)
{
	return (unsigned)page[NVS_BITMAP + entry / 4] >> 2 * (entry % 4) & 3U;
}

static inline size_t
nvs_entries_of(size_t bytes)
{
	return (bytes + MM_NVS_ENTRY - 1) / MM_NVS_ENTRY;
}

uint32_t mm_nvs_entry_crc(const uint8_t entry[MM_NVS_ENTRY]);
uint32_t mm_nvs_page_crc(const uint8_t page[MM_NVS_PAGE]);

struct mm_nvs {
	size_t size, usable; /* bytes asked for; pages to be used */
	unsigned version;
	uint8_t *image;
	size_t page, entry; /* where the next entry goes */
	size_t namespaces, keys;
	uint32_t *known; /* entries by name: their place in the image + 1 */
	size_t slots;
	enum mm_error error;
	struct mm_flash_secret file, value; /* mm_nvs_value()'s */
};

static inline uint8_t *
nvs_page_at(const struct mm_nvs *nvs, size_t page)
{
	return nvs->image + page * MM_NVS_PAGE;
}

/* Calls the page at hand full and begins the next. MM_E_RANGE: there is
 * none. */
enum mm_error mm_nvs_next_page(struct mm_nvs *nvs) mm_must_use;

/* --- nvs_rows.c --- */

enum { NVS_COLUMNS = 512 };

/* Rows of a CSV: its cells lie in the text, or unquoted in `copy`, until the
 * next row is read. */
struct mm_nvs_rows {
	struct mm_span rest;
	bool comments;       /* lines that begin with # are none */
	unsigned line, next; /* of this row and the next */
	size_t count;
	struct mm_span cells[NVS_COLUMNS];
	struct mm_flash_secret copy;
};

void
mm_nvs_rows_init(struct mm_nvs_rows *rows, struct mm_span text, bool comments);
/* False at the end. MM_E_FORMAT, without file and line. */
enum mm_error
mm_nvs_rows_next(struct mm_nvs_rows *rows, bool *more) mm_must_use;
void mm_nvs_rows_clear(struct mm_nvs_rows *rows);

/* UTF-8 without a NUL; control characters may be in it. */
bool mm_nvs_is_text(struct mm_span bytes) mm_must_use;
/* The error of before, with the file and the line. */
enum mm_error
mm_nvs_in_line(enum mm_error error, const char *name, unsigned line);

/* --- nvs_csv.c --- */

enum nvs_column { NVS_C_KEY, NVS_C_TYPE, NVS_C_ENCODING, NVS_C_VALUE, NVS_C };

/* Which cells are which; NVS_COLUMNS where there is none. */
struct mm_nvs_header {
	size_t at[NVS_C];
};
/* Finds the columns in a header's row, in any order. MM_E_FORMAT: one is
 * missing, or there twice. */
enum mm_error mm_nvs_header_read(
    const struct mm_nvs_rows *rows, struct mm_nvs_header *out) mm_must_use;
/* What a row has in the columns; cells that are missing are empty. */
struct mm_nvs_row mm_nvs_row_of(
    const struct mm_nvs_rows *rows, const struct mm_nvs_header *header);
/* Adds a namespace or a value. */
enum mm_error mm_nvs_add(struct mm_nvs *nvs, const struct mm_nvs_row *row,
    const char *beside) mm_must_use;
struct mm_span mm_nvs_trim(struct mm_span text);
/* Gives the rows of a CSV to `take`, one after the other; they live until it
 * returns. Its errors, too, come with file and line. MM_E_FORMAT, MM_E_RANGE.
 */
typedef enum mm_error
mm_nvs_row_taker(void *context, const struct mm_nvs_row *row, unsigned line);
enum mm_error mm_nvs_csv_each(const struct mm_nvs_source *source,
    mm_nvs_row_taker *take, void *context) mm_must_use;

/* --- nvs_value.c --- */

/* Makes room for at least `size` bytes; what was there is gone. MM_E_MEMORY. */
enum mm_error
mm_nvs_secret_fit(struct mm_flash_secret *secret, size_t size) mm_must_use;
/* Reads the file of a row, as mm_nvs_value() has it, into `room`. MM_E_FORMAT,
 * MM_E_FILE, MM_E_RANGE. */
enum mm_error mm_nvs_file_read(struct mm_span value, const char *beside,
    struct mm_flash_secret *room, struct mm_span *out) mm_must_use;
/* Whether mm_nvs_value() knows this encoding. */
bool mm_nvs_encoding_known(struct mm_span encoding);

#endif
