/*
 * What a receipt attests: that an entry is in the log at an index, and by
 * the entry what was signed, for whom and when. A certificate or an image is
 * then held against it.
 */
#ifndef MM_ATTESTED_H
#define MM_ATTESTED_H

#include "cli/own_image.h"
#include "log/entry.h"
#include "log/receipt.h"

struct mm_attested {
	struct mm_receipt receipt;
	struct mm_checkpoint checkpoint;
	/* The entry that was brought is not one of ours: it is in the log, and
	 * nothing else is known of it; neither `entry` nor `body` says any. */
	bool opaque;
	struct mm_entry entry;
	union { /* by entry.kind; nothing for the other kinds */
		struct mm_certificate_entry certificate;
		struct mm_image_entry image;
		struct mm_partition_entry partition;
		struct mm_statement_entry statement;
		struct mm_export_entry export;
		struct mm_pending_entry pending;
		struct mm_key_entry key;
		struct mm_csr_entry csr;
		struct mm_import_entry import;
		struct mm_scrap_entry scrap;
	} body;
};

/*
 * Reads a receipt and verifies it: the errors of mm_receipt_decode and
 * mm_receipt_verify, MM_E_ENTRY. Spans point into receipt and arena.
 */
enum mm_error
mm_attested_read(struct mm_span receipt, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out) mm_must_use;
/*
 * The same with an entry that the caller brings: `extra` is optional, and not
 * authenticated, so that it is not looked at then. The entry may be opaque.
 */
enum mm_error mm_attested_read_entry(struct mm_span receipt,
    const struct mm_vkey *vkey, struct mm_span entry, struct mm_arena *arena,
    struct mm_attested *out) mm_must_use;
/* The first, of one receipt after the other: mm_receipt_verify_next(). */
enum mm_error mm_attested_read_next(struct mm_span receipt,
    const struct mm_vkey *vkey, struct mm_receipt_memory *memory,
    struct mm_arena *arena, struct mm_attested *out) mm_must_use;

/* The rest compares, and says MM_E_MISMATCH. */

enum mm_error mm_attested_is(
    const struct mm_attested *attested, enum mm_entry_kind kind) mm_must_use;
/* A certificate's TBS is the entry's. */
enum mm_error mm_attested_tbs(
    const struct mm_attested *attested, struct mm_span tbs) mm_must_use;
/* An image as it lies here, read as the entry's format: size, SHA-256 and the
 * digest of the entry's signing. */
enum mm_error mm_attested_image(
    const struct mm_attested *attested, struct mm_own_image *image) mm_must_use;
/* The same with its signatures in it, as it is flashed: one of them is by the
 * entry's key, which Secure Boot V2 brings along, and else `spki` is. */
enum mm_error mm_attested_image_signed(const struct mm_attested *attested,
    struct mm_own_image *image, struct mm_span spki) mm_must_use;
/* MM_E_MISMATCH, with the image's name that it should be. */
enum mm_error
mm_attested_other_image(const struct mm_attested *attested) mm_must_use;
/* A signature over the image entry's digest, P-256 or RSA-3072; where `spki`
 * is empty, by the key whose hash the entry has: MM_E_KEY_TYPE where that
 * cannot be told, with RSA. */
enum mm_error mm_attested_signature(const struct mm_attested *attested,
    struct mm_span signature, struct mm_span spki) mm_must_use;

/* A device's partition as it lies here: as it came, or signed by the key whose
 * hash the entry has; `is_signed` says which. */
enum mm_error mm_attested_partition(const struct mm_attested *attested,
    struct mm_own_image *file, bool *is_signed) mm_must_use;

/* A file that an auditor took home, by its SHA-256 and size. */
enum mm_error mm_attested_export(const struct mm_attested *attested,
    const uint8_t sha256[32], uint64_t size) mm_must_use;
/* One of the entry's statements, byte for byte. */
enum mm_error mm_attested_statement(
    const struct mm_attested *attested, struct mm_span file) mm_must_use;

/* What it says, for people and scripts. */
json_t *mm_attested_json(const struct mm_attested *attested);

/* The keys of that: of all receipts, of certificates, images, exports, scrapped
 * units, and of the mint's own keys. */
#define MM_ATTESTED_RESULTS "log, size, index, kind, time"
#define MM_ATTESTED_CERTIFICATE_RESULTS \
	"profile, subject, issuer, basis, principal, serial, not_before,\n" \
	"not_after"
#define MM_ATTESTED_IMAGE_RESULTS \
	"product, version, scheme, image_size, sha256, digest, key, format,\n" \
	"chip, project, secure_version"
#define MM_ATTESTED_PARTITION_RESULTS \
	"profile, device, certificate (entry), basis, partition_size,\n" \
	"sha256, scheme, digest, key, signer, principal"
#define MM_ATTESTED_SCRAP_RESULTS \
	"basis, certificate (entry), serial, device, reason, principal"
#define MM_ATTESTED_KEY_RESULTS "name, use, retired, basis"
#define MM_ATTESTED_EXPORT_RESULTS \
	"from, to, format, filter, sha256, export_size, principal"

#endif
