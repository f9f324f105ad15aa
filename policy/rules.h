/*
 * The rules of a product (conf/policy.conf): what an image must be before it
 * is signed as a release of it. Each is held against it, whether others failed
 * or not, so that whoever submits sees all that is wrong at once. A pure
 * function; the authority asks it at the submission and again before it has
 * the image signed.
 *
 * The rules, in this order: format, chip, project, whole (nothing behind the
 * image but 0xFF), size, slot (the signed image fits), version (as the image
 * says it itself), version-order, clean (not -dirty), secure-version, schemes
 * (every signing can be made of this image), unsigned (or `resign`), carries,
 * certificate.
 */
#ifndef MM_RULES_H
#define MM_RULES_H

#include "policy/document.h"
#include "protocol/message.h"
#include "signer/image.h"

/* What was released of a product before: signed, or on its way there. */
struct mm_release_history {
	struct mm_list versions; /* mm_text_item: every former version */
	uint64_t secure_version; /* the highest */
};

/* A key that a signing of the product is made by, or one that it carries. */
struct mm_signing_key {
	struct mm_span signing;
	bool known;         /* there is such a key */
	bool certified;     /* it has a certificate, which ends at: */
	uint64_t not_after; /* POSIX seconds; UINT64_MAX: never */
	uint8_t digest[32]; /* as a signature block names it: of Secure Boot
			     * V2 its key digest, else SHA-256 of its SPKI */
};

struct mm_rules_facts {
	const struct mm_product *product;
	struct mm_span version;             /* that it is to be released as */
	uint64_t now;                       /* POSIX seconds */
	uint64_t size_max;                  /* the box's limit */
	const struct mm_image_facts *image; /* NULL: not read (`unread`) */
	uint64_t size;                      /* of the image */
	struct mm_list faults; /* mm_text_item, as product->schemes: why a
				* signing cannot be made; "-" */
	struct mm_list keys;   /* mm_signing_key: of schemes and carries */
	const struct mm_release_history *history;
	/* Bytes that signing adds at most: what the schemes append. */
	uint64_t added;
};

/*
 * All results, in the arena, as mm_rule_row; `failed` is how many did.
 * MM_E_MEMORY.
 */
enum mm_error mm_rules_judge(const struct mm_rules_facts *facts,
    struct mm_arena *arena, struct mm_list *out, size_t *failed) mm_must_use;

/*
 * Below 0, 0 or above 0, as `a` is the lower, the same or the higher version.
 * MM_E_FORMAT: one of them is not written so.
 */
enum mm_error mm_version_compare(uint64_t versions, struct mm_span a,
    struct mm_span b, int *out) mm_must_use;
/* "semver", ...; NULL for an unknown way. */
const char *mm_versions_name(uint64_t versions);

#endif
