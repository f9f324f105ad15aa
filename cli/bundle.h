/*
 * A bundle: receipts of one log in one text file, one after the other by
 * their indexes. Each begins with the line `c2sp.org/tlog-proof@v1`, so that
 * anybody can take it apart; nothing stands between or around them.
 *
 * All are against one checkpoint, that of the receipt which the bundle goes
 * with: under another root, the same key may have signed another history.
 *
 * With a receipt goes the bundle of what its entry rests on: the genesis,
 * every change of policy up to the entry, and for a certificate the order,
 * principal or ceremony that it names and the certificates of its issuers,
 * with the entries by which their keys came. By these it shows on whose word
 * the entry was made (receipt_mandate.h). A ceremony, a key or an import is in
 * its own bundle.
 */
#ifndef MM_BUNDLE_H
#define MM_BUNDLE_H

#include "cli/attested.h"
#include "cli/source.h"

enum { MM_BUNDLE_FILE_MAX = 64 << 20, MM_BUNDLE_RECEIPTS_MAX = 4096 };

struct mm_bundled {
	struct mm_receipt receipt;
	struct mm_checkpoint checkpoint;
	struct mm_entry frame;
};

/*
 * Reads a bundle and verifies every receipt in it, as a list of mm_bundled
 * with ascending indexes; spans point into text and arena. The errors of
 * mm_receipt_decode() and mm_receipt_verify(), which say the number of the
 * receipt; MM_E_RECEIPT for one out of its order or there twice, MM_E_ENTRY.
 * Their checkpoints are for mm_mandate_check() to hold against the subject's.
 */
enum mm_error mm_bundle_read(struct mm_span text, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

/*
 * Fetches the bundle that goes with a receipt and appends its text. The errors
 * of mm_source_has() and mm_source_receipt_under().
 */
enum mm_error mm_bundle_fetch(struct mm_source *source,
    const struct mm_attested *subject, struct mm_buffer *out) mm_must_use;

#endif
