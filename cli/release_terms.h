/*
 * What a release is: which signings its product has, and what officers say of
 * an image. All digests are computed here from its bytes and never taken from
 * the appliance.
 */
#ifndef MM_RELEASE_TERMS_H
#define MM_RELEASE_TERMS_H

#include "cli/appliance.h"
#include "cli/own_image.h"
#include "protocol/statement.h"

#define MM_OPTION_SCHEME \
	{ \
		"scheme", "SIGNING", \
		    "a signing of the product, where the policy cannot be " \
		    "read", \
		    MM_OPTION_REPEATED \
	}

/*
 * The signings of a product (mm_text_item in the arena), all of which a
 * release has: as --scheme says them, else as the log's policy in force does.
 * MM_E_PRODUCT; MM_E_ROLE where this identity may not read the log.
 */
enum mm_error mm_release_schemes(const struct mm_invocation *invocation,
    struct mm_span product, struct mm_arena *arena,
    struct mm_list *out) mm_must_use;

/* The version that a release of this image has: --version, or what the image
 * says; MM_E_USAGE where neither says one, or they differ. */
enum mm_error mm_release_version(const struct mm_invocation *invocation,
    const struct mm_own_image *image, struct mm_span *out) mm_must_use;

/* The claim; its list lies in the arena, its texts where they came from.
 * MM_E_SCHEME, MM_E_IMAGE. */
enum mm_error
mm_release_terms(const struct mm_own_image *image, struct mm_span product,
    struct mm_span version, const struct mm_list *schemes,
    struct mm_arena *arena, struct mm_release_claim *out) mm_must_use;

/* What a statement claims of a release. MM_E_STATEMENT, MM_E_STATEMENT_KIND. */
enum mm_error mm_release_claim_read(struct mm_span statement,
    struct mm_arena *arena, struct mm_release_claim *out) mm_must_use;
/*
 * Whether a claim is about this image: its size and SHA-256, and every digest
 * the one computed here. MM_E_STATEMENT_DIFFERS names what differs.
 */
enum mm_error mm_release_holds(const struct mm_release_claim *claim,
    const struct mm_own_image *image, const char *path) mm_must_use;

/* [{scheme, digest}] of a claim. */
json_t *mm_release_digests(const struct mm_release_claim *claim);

#endif
