/*
 * ESP partition tables: the binary that the bootloader reads, the CSV that
 * people write, and the rules that both must keep. What ESP-IDF's
 * gen_esp32part.py 1.5 makes of a CSV is made here byte for byte; what it
 * cuts or ignores silently (names over 16 bytes, fields too many, sizes of
 * nothing) is refused.
 *
 *   partition_table.c  the binary, read and written
 *   partition_csv.c    the CSV, read; partition_csv_write.c written
 *   partition_rules.c  the rules; names of types and subtypes
 */
#ifndef MM_PARTITIONS_H
#define MM_PARTITIONS_H

#include "signer/image.h"

enum {
	MM_PARTITIONS_SIZE = 0xc00,   /* bytes of the binary */
	MM_PARTITION_NAME = 16,       /* bytes of a name, no NUL behind it */
	MM_PARTITION_SECTOR = 0x1000, /* what offsets are multiples of */
	MM_PARTITION_APP_ALIGNMENT = 0x10000, /* the same, of apps */
	MM_PARTITION_APP = 0,                 /* types */
	MM_PARTITION_DATA = 1,
	MM_PARTITION_BOOTLOADER = 2,
	MM_PARTITION_TABLE = 3,
	MM_PARTITION_OTA_0 = 0x10, /* subtypes of an app: ota_0 to ota_15 */
	MM_PARTITION_OTA_15 = 0x1f,
	MM_PARTITION_TABLE_OFFSET = 0x8000 /* where nothing else is said */
};
/* A rule's offset or size that nobody told. */
#define MM_PARTITION_UNKNOWN UINT64_MAX

/* What a table does not say itself and must fit. */
struct mm_partition_rules {
	uint64_t table;      /* its own offset in flash, of whole sectors */
	uint64_t flash;      /* bytes of flash; 0: unknown */
	uint64_t bootloader; /* offset of the primary one (chips.h), which only
			      * tables that list one need; or
			      * MM_PARTITION_UNKNOWN */
	bool md5;            /* a CSV becomes a table with an MD5 row */
	unsigned secure;     /* Secure Boot: 0, 1 or 2 */
};
/* As ESP-IDF's tool without options. */
#define MM_PARTITION_RULES_USUAL \
	{ \
		.table = MM_PARTITION_TABLE_OFFSET, \
		.bootloader = MM_PARTITION_UNKNOWN, .md5 = true \
	}

/*
 * Reads a CSV, fills in what it leaves out and holds it against the rules.
 * Names lie in `text`, the list in the arena (16 KiB at most). MM_E_FORMAT
 * names the line and what to do.
 */
enum mm_error
mm_partitions_csv(struct mm_span text, const struct mm_partition_rules *rules,
    struct mm_arena *arena, struct mm_partition_facts *out) mm_must_use;

/*
 * Every rule of a table: names, alignment, overlaps, otadata, nvs, read-only
 * partitions, the flash's size. MM_E_FORMAT names the partition; its index
 * goes to `at` (which may be NULL), where one is at fault.
 */
enum mm_error mm_partitions_check(const struct mm_partition_facts *facts,
    const struct mm_partition_rules *rules, size_t *at) mm_must_use;

/* Appends the binary, with an MD5 row where facts->summed. MM_E_FORMAT where a
 * partition cannot be written so, or there are too many. */
enum mm_error mm_partitions_binary(
    const struct mm_partition_facts *facts, struct mm_buffer *out) mm_must_use;
/* Appends the CSV that the vendor's tool makes of such a binary. From it
 * mm_partitions_csv() reads the same facts, under the rules that the facts
 * keep and with the partitions in the order of their addresses. MM_E_FORMAT:
 * a name that a CSV cannot hold. */
enum mm_error mm_partitions_csv_write(
    const struct mm_partition_facts *facts, struct mm_buffer *out) mm_must_use;

/* Bytes of the smallest app partition ota_0 to ota_15; 0 where there is
 * none. */
uint64_t mm_partitions_smallest_ota(const struct mm_partition_facts *facts);

/* The words of a CSV; NULL for numbers without one. */
const char *mm_partition_type_name(uint64_t type);
const char *mm_partition_subtype_name(uint64_t type, uint64_t subtype);
/* A word's number, capitals or not; false for an unknown word. */
bool mm_partition_type_number(struct mm_span word, uint64_t *out);
bool
mm_partition_subtype_number(uint64_t type, struct mm_span word, uint64_t *out);
/* An offset or a size as a CSV has it: decimal or 0x, with K or M behind it
 * ("64K", "64 K"); below 2^32. */
bool mm_partition_number(struct mm_span text, uint64_t *out);
/* Whether the rules, and not the table, say where this one lies: the primary
 * bootloader and the table itself. */
bool mm_partition_is_primary(const struct mm_partition *partition);

#endif
