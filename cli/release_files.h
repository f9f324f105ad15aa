/*
 * The files of a release, all in one directory: gathered in memory, then
 * looked at whether they may be written, then written, each atomically.
 *
 *   firmware.bin            as it is to be flashed
 *   submitted.bin           as it was submitted, where that is another file
 *                           and something was signed beside it
 *   SIGNING.sig             the signature; .sig.b64 of sha256-ecdsa
 *   SIGNING.receipt         why it was made
 *   SIGNING.crt, .chain.pem of its key, where it has a certificate
 *   SIGNING.cose            of cose-sign1
 *   ota-job.json, create-ota-update.json   of sha256-ecdsa
 *   release.json            what is what
 *
 * SIGNING is the signing with everything but A-Z a-z 0-9 . _ - made `-`.
 */
#ifndef MM_RELEASE_FILES_H
#define MM_RELEASE_FILES_H

#include "cli/release_answer.h"

/*
 * Fetches a release, its image (from --image, or where that is absent and
 * `own` NULL from the appliance), checks all of it and writes it into
 * `directory`, which is made; tells the appliance when it is done. `report` is
 * release.json, the caller's. MM_E_EXISTS without --force.
 */
enum mm_error mm_release_fetch(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_release_row *row,
    struct mm_own_image *own, const char *directory,
    json_t **report) mm_must_use;

/* Before anything is asked: whether `directory` can be one, and has no release
 * in it yet (or --force). MM_E_EXISTS, MM_E_FILE. */
enum mm_error mm_release_directory_check(
    const struct mm_invocation *invocation, const char *directory) mm_must_use;

#define MM_RELEASE_RESULTS \
	"product, version, format, chip, project, secure_version, size, " \
	"sha256,\ndirectory, firmware: {file, size, sha256}, signings: " \
	"{scheme, key,\nalgorithm, signer, digest, index, over, and files: " \
	"signature, base64,\nreceipt, certificate, chain, cose, job, " \
	"update}"

#endif
