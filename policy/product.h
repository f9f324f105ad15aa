/*
 * What makes a product of the policy sound: signings that go together, with
 * its chip and with its format.
 */
#ifndef MM_PRODUCT_H
#define MM_PRODUCT_H

#include "policy/document.h"
#include "signer/chips.h"
#include "signer/scheme.h"

/* Whether a list of signings (mm_text_item) has known ones only, none twice,
 * and all of them of a device's partition or none. MM_E_POLICY. */
enum mm_error
mm_signings_check(const struct mm_list *signings, bool partition) mm_must_use;

/* All that a product must keep. MM_E_POLICY, and then `key` is the word of the
 * text that is at fault. */
enum mm_error mm_product_check(
    const struct mm_product *product, const char **key) mm_must_use;

/* Whether the chip's boot ROM verifies this scheme, as far as the scheme is
 * one for a boot ROM; false where the vendor has not said how it boots. */
bool
mm_chip_verifies(const struct mm_chip *chip, const struct mm_scheme *scheme);

/* The scheme of the signings that are attached to the image: their first
 * one's; NULL where all are files of their own. */
const struct mm_scheme *mm_signings_attached(const struct mm_list *signings);
/* How many of them are of this family. */
size_t mm_signings_count(const struct mm_list *signings, const char *family);
/* Signatures of the scheme's family that one file takes, for this chip, which
 * may be NULL. */
size_t
mm_scheme_room(const struct mm_scheme *scheme, const struct mm_chip *chip);

#endif
