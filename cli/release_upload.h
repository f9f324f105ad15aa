/*
 * An image on its way to the appliance, which holds it against every rule of
 * its product.
 */
#ifndef MM_RELEASE_UPLOAD_H
#define MM_RELEASE_UPLOAD_H

#include "cli/appliance.h"
#include "cli/own_image.h"

/*
 * Uploads and submits. Where the connection is lost, it goes on behind what
 * has arrived, for as long as each attempt gets further; `--wait` counts from
 * the last byte. The answer is about this image (MM_E_MISMATCH), and lies in
 * the arena; one that says `refused` is no error here.
 */
enum mm_error mm_release_upload(const struct mm_appliance *appliance,
    const struct mm_own_image *image, struct mm_span product,
    struct mm_span version, struct mm_arena *arena,
    struct mm_submit_answer *out) mm_must_use;

/* [{rule, verdict, why}] */
json_t *mm_release_rules(const struct mm_submit_answer *answer);
/* The same as a table on stdout. */
void mm_release_print_rules(const struct mm_submit_answer *answer);
/* MM_E_IMAGE_RULES names the rules that failed; MM_OK where none did. */
enum mm_error
mm_release_verdict(const struct mm_submit_answer *answer) mm_must_use;

#endif
