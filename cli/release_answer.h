/*
 * One signature of a release as the appliance answers it: held against its
 * receipt, the image and the key before a file is written.
 */
#ifndef MM_RELEASE_ANSWER_H
#define MM_RELEASE_ANSWER_H

#include "cli/attested.h"
#include "cli/release_rows.h"

/* Spans point into the answer, which lies in an arena. */
struct mm_release_signed {
	struct mm_span signing;
	const struct mm_scheme *scheme;
	struct mm_release_answer answer;
	struct mm_attested attested;
	struct mm_public_key key;
};

/* All of one release. */
struct mm_release_all {
	struct mm_release_signed one[MM_SIGNINGS_MAX];
	size_t count;
};

/*
 * Checks an answer (`one->signing` and `one->answer`; the rest is filled in)
 * against its receipt: it verifies by the log's key and speaks of the row's
 * product, version and image, and of this signing; the key is the one that the
 * entry names, made the signature and, where there is a certificate, is in it;
 * that is for code signing, and each of its chain signs the one before.
 * MM_E_MISMATCH, MM_E_CERTIFICATE, the errors of a receipt.
 */
enum mm_error mm_release_signed_check(const struct mm_release_row *row,
    const struct mm_vkey *vkey, struct mm_arena *arena,
    struct mm_release_signed *one) mm_must_use;

/*
 * Fetches every signature that a row names, and checks each. All are about
 * one image, and none that officers have approved is left out.
 * MM_E_MISMATCH, those above and those of asking.
 */
enum mm_error mm_release_fetch_all(const struct mm_appliance *appliance,
    const struct mm_release_row *row, struct mm_arena *arena,
    struct mm_release_all *out) mm_must_use;

/* Whether all are about this image, by digests that are computed here. */
enum mm_error mm_release_all_image(
    const struct mm_release_all *all, struct mm_own_image *image) mm_must_use;

/* What the entries say that the image is. */
const struct mm_image_entry *mm_release_entry(const struct mm_release_all *all);

#endif
