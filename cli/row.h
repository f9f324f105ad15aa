/*
 * What an auditor lists and takes home: a row a matter. Certificates and
 * images have a state that later entries give them; a refusal entry has a row
 * for each of its refusals, a revocation one for each serial number, and a
 * scrapped unit one with its certificate's.
 */
#ifndef MM_ROW_H
#define MM_ROW_H

#include <stdio.h>

#include "cli/command.h"
#include "log/entry.h"
#include "policy/document.h"
#include "protocol/message.h"

enum { MM_ROW_TEXT = 2 * MM_NAME_MAX + 2, MM_SERIAL_HEX = 41 };

enum mm_row_state {
	MM_ROW_NONE = 0, /* matters without one */
	MM_ROW_UNSIGNED = 1,
	MM_ROW_SIGNED = 2,
	MM_ROW_VOID = 3,
	MM_ROW_REFUSED = 4,
	MM_ROW_REVOKED = 5
};

struct mm_row {
	uint64_t index, time, kind;
	uint64_t count;         /* of a refusal; else 1 */
	uint64_t state;         /* enum mm_row_state */
	char what[MM_ROW_TEXT]; /* device, version, name: by kind */
	/* For filters alone: an image's, and a refused image's. */
	char product[MM_NAME_MAX + 1];
	char profile[MM_NAME_MAX + 1];
	char serial[MM_SERIAL_HEX];
	char order[MM_NAME_MAX + 1]; /* name of the basis */
	char station[MM_NAME_MAX + 1];
	char reason[MM_SCRAP_REASON_MAX + 1]; /* of scrap the longest */
};

/* --- which rows --- */

struct mm_row_filter {
	const char *device, *station, *order, *product; /* NULL: any */
	char serial[MM_SERIAL_HEX];                     /* "": any */
	uint64_t kinds; /* bits 1 << enum mm_entry_kind */
	bool refused, revoked;
};

#define MM_ROW_FILTER_OPTIONS \
	{"device", "ID", "of this device", false}, \
	    {"serial", "HEX", "the certificate with this serial number", \
		false}, \
	    {"station", "NAME", "asked for by this principal", false}, \
	    {"order", "NAME", "this order and what rests on it", false}, \
	    {"kind", "KIND,...", "of these kinds", false}, \
	    {"refused", NULL, "what was refused", false}, \
	    {"revoked", NULL, "certificates that are revoked", false}, \
	{ \
		"product", "NAME", "images and releases of this product", \
		    false \
	}

/* From the command line; `kinds` where --kind was not said. MM_E_USAGE. */
enum mm_error mm_row_filter_read(const struct mm_invocation *invocation,
    uint64_t kinds, struct mm_row_filter *out) mm_must_use;
/* The kinds that have rows. */
#define MM_ROW_KINDS \
	(((1U << MM_ENTRY_KINDS) - 1) & \
	    ~(1U << MM_ENTRY_SIGNATURES | 1U << MM_ENTRY_VOID))
/* As an export's entry has it: "--kind certificate,image --device x"; empty
 * where all is taken. Appended. */
enum mm_error mm_row_filter_text(const struct mm_row_filter *filter,
    uint64_t kinds, struct mm_buffer *out) mm_must_use;
/* Before its state is known, and then. */
bool
mm_row_matches(const struct mm_row *row, const struct mm_row_filter *filter);
bool mm_row_state_matches(
    const struct mm_row *row, const struct mm_row_filter *filter);

/* --- how they are written --- */

/*
 * A way of writing rows. CSV is RFC 4180 with a header; a cell that a
 * spreadsheet would take for a formula has an apostrophe before it. JSON is
 * an object a line, all keys in every one.
 */
struct mm_row_format {
	const char *name;
	void (*head)(FILE *out); /* NULL: none */
	void (*row)(const struct mm_row *row, FILE *out);
};
extern const struct mm_row_format mm_row_csv, mm_row_json, mm_row_table;

#define MM_ROW_KEYS \
	"index, time, kind, what, profile, serial, order, station, state, " \
	"reason, count"

/* Into a file of our own and back; false where that fails or ends. */
bool mm_row_put(const struct mm_row *row, FILE *file);
bool mm_row_get(FILE *file, struct mm_row *out);

#endif
