/*
 * The file that comes with a receipt, held against its entry. The entry says
 * what it can be: a certificate, an image, an image's signature, a device's
 * partition, an export, a statement.
 */
#ifndef MM_RECEIPT_MATCH_H
#define MM_RECEIPT_MATCH_H

#include "cli/attested.h"
#include "cli/receipt_mandate.h"

struct mm_match_facts {
	const struct mm_attested *attested;
	const struct mm_mandate *mandate; /* NULL: there is no bundle */
	const char *file;                 /* NULL: the entry alone */
	const char *image;                /* --image, or NULL */
	const char *signer;               /* --certificate, or NULL */
};

/* What was proved, from nothing on. */
struct mm_match {
	const char *word;    /* "tbs+signature" */
	const char *matched; /* "certificate"; NULL: no file */
	const char *text;    /* for people */
};
#define MM_MATCH_RESULTS \
	"proved: inclusion, tbs+signature, image, signature,\n" \
	"image+signature, partition, export or statement; matched: what the " \
	"file is"

/* MM_E_MISMATCH, MM_E_FORMAT; MM_E_USAGE where what is needed was not said. */
enum mm_error mm_match_file(const struct mm_match_facts *facts,
    struct mm_arena *arena, struct mm_match *out) mm_must_use;

#endif
