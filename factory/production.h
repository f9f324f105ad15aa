/*
 * The template of an order's units: which key each gets, which values, images,
 * label and registration. It is read once, with every file that it names, and
 * held against itself; then factory/unit.h makes one unit after the other of
 * it, and no file is looked at again.
 *
 *   production.c          the whole, and its facts
 *   production_text.h     libConfuse text as settings with their lines
 *   production_setting.c  one setting, one file that it names
 *   production_read.c     what stands outside of sections, and registration
 *   production_value.c    values; production_names.c which are named where
 *   production_image.c    images; production_judge.c what they would show
 *   production_label.c    the label
 *   production_plan.c     the plan, the same for each unit
 *   production_check.c    a unit tried before the run
 *   production_parts.h    inside the template, for this room
 *   unit.h                a unit: values, key, CSR; then its files
 *
 * conf/production.conf is the example with everything in it. In short:
 *
 *	chip = "esp32c3"          for plans, encryption and DS
 *	key = "P-256"             P-384, RSA-2048, RSA-3072, RSA-4096; "csr"
 *	csr = "csrs/{device}.csr" with key = "csr": made in the device
 *	partitions = FILE         table, CSV or binary; partition-offset
 *	root = FILE               the root's certificate, which no answer has
 *	flash-encryption = "made" or FILE: images are encrypted for their
 *	                          place; flash-key-size: of one that is made
 *	hmac-key, ds-key          the same: eFuse keys for NVS and for DS
 *	value NAME { ... }        text, count or random; secret
 *	image PARTITION { ... }   format nvs, nvs-keys, secure-cert
 *	label { ... }             as `flash label`
 *	register { ... }          as `flash register`
 *	plan { ... }              as `flash plan`
 *
 * `{NAME}` stands for a value; `{{` and `}}` are braces. A value is, in this
 * order: a builtin, a column of the list (or --value), what a `value` makes. A
 * `value` that says none of text, count and random is the list's to give.
 *
 *	device, order                   from the run
 *	date                            of making, UTC, YYYY-MM-DD
 *	certificate-serial              hexadecimal; when it is issued
 *	{certificate.der} and others    contents, in rows of the type `file`
 *	                                alone (unit_images.h)
 *
 * No `value` has the name of one of those, or of a column that results.csv has
 * anyway: device, state, certificate, index, directory, attempts, why.
 *
 * Relative paths are beside the template; a value in a path is made a file's
 * name of (factory/label.h).
 */
#ifndef MM_FACTORY_PRODUCTION_H
#define MM_FACTORY_PRODUCTION_H

#include "protocol/bytes.h"

struct mm_production;
struct mm_unit_terms; /* factory/unit.h */

/* MM_E_FORMAT, MM_E_RANGE, MM_E_FILE, MM_E_KEY_TYPE: what is wrong with the
 * template or a file that it names, with file and line, and what to do. */
enum mm_error
mm_production_read(const char *path, struct mm_production **out) mm_must_use;
void mm_production_free(struct mm_production *production);

/* All that is pointed to lives as long as the template. */
struct mm_production_facts {
	bool csr; /* the device makes its key */
	/* What the file would hold in clear, as a sentence's object ("image
	 * creds holds the device's key in clear: ..."), or NULL. With
	 * --plain-keys that is wanted. */
	const char *plain;
	/* A key made per unit for an eFuse ("the flash encryption key"), lost
	 * without a hook or --plain-keys; or NULL. */
	const char *lost;
	/* "the device's key": no image holds it, so that a hook does not keep
	 * it either; only --plain-keys; or NULL. */
	const char *lost_always;
	uint8_t sha256[32]; /* of the template and all that it names */
	/* Names of the public values, as CSV ("serial,count"), which stand
	 * behind the run's own columns; "": there are none. */
	const char *results;
	/* The registration's file ("registration.ndjson"), or NULL. */
	const char *registration;
};
void mm_production_facts(
    const struct mm_production *production, struct mm_production_facts *out);

/* Whether anything in it names a value of this name, or makes one. */
bool
mm_production_uses(const struct mm_production *production, struct mm_span name);

/* What its registration is, for people, and to compare: "aws-bulk"; "": it has
 * none. */
const char *mm_production_registers(const struct mm_production *production);

/* Appends what the registration's file begins with; maybe nothing. */
enum mm_error mm_production_registration_head(
    const struct mm_production *production, struct mm_buffer *out) mm_must_use;

/*
 * Before the run, for each device of the list: every value that is named
 * anywhere is there, is printable and fits into label, images and
 * registration. Keys and random values are stood in for; none is made. With
 * key = "csr" the CSR's file is read and verified. The error does not name the
 * list's line: the caller knows it.
 */
enum mm_error mm_production_check(const struct mm_production *production,
    const struct mm_unit_terms *terms) mm_must_use;

#endif
