/*
 * Which devices have a certificate, by the log, and what has changed since one
 * of its entries. A device's certificate is one that rests on an order. It is
 * valid as of the first n entries where its signature is among them, and no
 * revocation of it that was not taken back, nor a report that its unit is
 * scrap.
 *
 * With since = N and the checkpoint's size M there are the changes from the
 * state as of N to the state as of M: lists from 0 to N and from N to M make
 * the list from 0 to M, so that nothing can be missing between them. The whole
 * log is read for it, and held against its checkpoint, before a row comes out.
 */
#ifndef MM_REGISTER_SCAN_H
#define MM_REGISTER_SCAN_H

#include "cli/source.h"
#include "factory/register.h"

/* Who a device is where the list goes: of each there is one certificate. */
enum mm_register_by {
	MM_REGISTER_BY_DEVICE,
	MM_REGISTER_BY_NAME,       /* the common name */
	MM_REGISTER_BY_NAME_FOLDED /* the same, large letters as small ones */
};

struct mm_register_choice {
	uint64_t since;
	const char *profile, *order; /* NULL: any */
	enum mm_register_by by;
};

enum mm_register_change {
	MM_REGISTER_NEW = 1,  /* valid now, not before */
	MM_REGISTER_KEPT = 2, /* both */
	MM_REGISTER_GONE = 4  /* valid before, not now */
};

struct mm_register_row {
	struct mm_registration device; /* lives until the next row */
	enum mm_register_change change;
	uint64_t reason; /* CRLReason of one that is gone, where not: */
	bool scrapped;   /* it is scrap, and not revoked */
	bool stays;      /* gone, and who had it has another one now */
	size_t issuer;   /* for mm_register_issuer() */
};

struct mm_register_scan;

/* MM_E_NOT_FOUND where `since` is past the log's end; MM_E_ORDER where the log
 * has no order of this name; MM_E_USAGE where
 * somebody has several certificates; the errors of mm_row_scan_new(). */
enum mm_error mm_register_scan_new(struct mm_source *source,
    const struct mm_register_choice *choice,
    struct mm_register_scan **out) mm_must_use;
void mm_register_scan_free(struct mm_register_scan *scan);
/* Whether the log succeeds another one, whose devices it does not list. */
bool mm_register_inherits(const struct mm_register_scan *scan);

/* The next row of these changes (bits), by index; `more` is false after the
 * last, and the first one is next again. Its signature is verified. */
enum mm_error mm_register_scan_next(struct mm_register_scan *scan,
    unsigned changes, struct mm_register_row *out, bool *more) mm_must_use;

/* --- register_material.c --- */

/* Certificates of the CA that issued to a row's device, PEM, appended: its
 * own, or with all above it up to a root. MM_E_NOT_FOUND. */
enum mm_error mm_register_issuer(struct mm_register_scan *scan, size_t issuer,
    bool chain, struct mm_buffer *pem) mm_must_use;
/* Whether CAs that were brought (PEM) let that one's devices in: the errors of
 * mm_ca_file_reaches(). */
enum mm_error mm_register_reaches(struct mm_register_scan *scan, size_t issuer,
    struct mm_span pem) mm_must_use;
/* The first CA from number `issuer` on that issued to a device; false where
 * there is none. */
bool
mm_register_next_issuer(const struct mm_register_scan *scan, size_t *issuer);
/*
 * The newest CRL of a CA, PEM, appended. MM_E_NOT_FOUND where there is none.
 * `missing`: how many of its devices were revoked after it.
 */
enum mm_error mm_register_crl(struct mm_register_scan *scan, size_t issuer,
    struct mm_buffer *pem, uint64_t *missing) mm_must_use;

#endif
