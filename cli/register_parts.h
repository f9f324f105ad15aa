/*
 * Inside the reading of devices: what is kept of the log's entries.
 */
#ifndef MM_REGISTER_PARTS_H
#define MM_REGISTER_PARTS_H

#include <stdio.h>

#include "ca/serial.h"
#include "cli/register_scan.h"

enum { MM_ISSUERS = 64, MM_DEVICE_HASH = 16, MM_REGISTER_ARENA = 1 << 20 };

enum mm_register_kind {
	MM_KEPT_DEVICE,    /* a device's certificate */
	MM_KEPT_AUTHORITY, /* any other one */
	MM_KEPT_IMPORT,    /* a key's, from outside: signed as it comes */
	MM_KEPT_CRL
};

/* An entry that lies in the spool, and then its signature. */
struct mm_kept {
	uint64_t index, signed_at; /* UINT64_MAX: not */
	uint64_t entry_at, signature_at;
	uint32_t entry_size, signature_size;
	uint8_t kind, issuer;
	bool replaces;
	/* Devices alone. */
	uint8_t serial[MM_SERIAL_SIZE];
	uint8_t who[MM_DEVICE_HASH]; /* of enum mm_register_by */
	bool revoked, scrapped, before, now;
	uint8_t reason;
	uint64_t revoked_at;
};

/* A revocation, or MM_KEPT_SCRAP in its reason's place: a unit that was
 * reported as scrap. */
enum { MM_KEPT_SCRAP = 255 };
struct mm_kept_revocation {
	uint8_t serial[MM_SERIAL_SIZE];
	uint8_t reason;
	bool replaced;
	uint64_t at;
};

struct mm_kept_order {
	uint64_t index;
	char name[MM_NAME_MAX + 1];
};

/* A growing array of things of one size. */
struct mm_kept_list {
	void *items;
	size_t count, room;
};
#define mm_kept_at(list, type, i) (&((type *)(list).items)[i])

struct mm_register_scan {
	struct mm_source *source;
	struct mm_register_choice choice;
	uint64_t size; /* of the log */
	FILE *spool;
	struct mm_kept_list kept, revocations, orders;
	/* Hashes of who has a certificate, sorted. */
	struct mm_kept_list before, now;
	char issuers[MM_ISSUERS][MM_NAME_MAX + 1];
	size_t issuer_count;
	size_t at; /* the next row */
	bool inherits;
	struct mm_buffer certificate;
};

/* One more thing at the list's end, zeroed; NULL without memory. */
void *mm_kept_add(struct mm_kept_list *list, size_t size);

/* --- register_read.c --- */

/* All of the log; settled. */
enum mm_error mm_register_read(struct mm_register_scan *scan) mm_must_use;
/* What was kept, decoded; spans lie in the arena. */
enum mm_error mm_kept_read(struct mm_register_scan *scan,
    const struct mm_kept *kept, struct mm_arena *arena, struct mm_entry *entry,
    struct mm_span *signature) mm_must_use;
/* Appends the certificate of one that is signed. */
enum mm_error
mm_kept_certificate(struct mm_register_scan *scan, const struct mm_kept *kept,
    struct mm_arena *arena, struct mm_buffer *out) mm_must_use;

/* --- register_state.c --- */

/* Sets before and now of every device. MM_E_USAGE where one has several. */
enum mm_error mm_register_states(struct mm_register_scan *scan) mm_must_use;
bool
mm_kept_has_one(const struct mm_kept_list *list, const struct mm_kept *kept);

#endif
