#include "cli/receipt_match.h"

#include "ca/der.h"
#include "cli/chain.h"
#include "cli/command.h"
#include "cli/public_key_file.h"

enum { SIGNATURE_MAX = 4096, SPKI_MAX = 1024 };

static const struct mm_match
    by_inclusion = {"inclusion", NULL, "the entry is in the log"},
    by_certificate = {"tbs+signature", "certificate",
	"the certificate's TBS is in the log, and the issuer's key signed "
	"it"},
    by_image = {"image", "image",
	"the image is in the log; a signature was not looked at (the .sig "
	"file and --certificate)"},
    by_digest = {"signature", "signature",
	"the image's digest is in the log, and the file is its signature by "
	"the key that the log names"},
    by_signature = {"image+signature", "signature",
	"the image is in the log, and the certificate's key signed it"},
    by_image_signed = {"signature", "image",
	"the image's digest is in the log, and it is signed by the key that "
	"the log names"},
    by_partition = {"partition", "partition",
	"the partition is in the log; it is not signed yet"},
    by_partition_signed = {"signature", "partition",
	"the partition's digest is in the log, and it is signed by the key "
	"that the log names"},
    by_export = {"export", "export",
	"the exported file's digest is in the log"},
    by_statement = {
	"statement", "statement", "the statement is in the log, word for word"};

/* The key of this name as the bundle has it; empty where it has none. */
static struct mm_span
bundled_key(const struct mm_match_facts *facts, struct mm_span name)
{
	const struct mm_followed_key *key =
	    facts->mandate != NULL ? mm_followed_key(&facts->mandate->following,
					 name, facts->attested->receipt.index)
				   : NULL;

	return key != NULL ? key->key.spki : mm_span(NULL, 0);
}

/* By the first certificate of a file, and each of them by the next. */
static enum mm_error
check_chain(const struct mm_match_facts *facts, struct mm_span der,
    struct mm_arena *arena)
{
	struct mm_list chain;
	enum mm_error error = mm_chain_input(facts->signer, arena, &chain);

	if (error != MM_OK || mm_chain_check(der, &chain, arena) == MM_OK)
		return error;
	return mm_fail(MM_E_MISMATCH, "%s is not signed by the key of %s%s",
	    facts->file, facts->signer,
	    chain.count > 1 ? ", or a certificate there not by the next" : "");
}

/*
 * By the issuer where one is named, by the log's own keys where there is a
 * bundle, and else by the key identifier in the TBS, which the log has.
 */
static enum mm_error
check_issuer(const struct mm_match_facts *facts, struct mm_span der,
    struct mm_arena *arena)
{
	struct mm_span spki =
	    bundled_key(facts, facts->attested->body.certificate.issuer);
	enum mm_error error;

	if (facts->signer != NULL)
		return check_chain(facts, der, arena);
	error = spki.size > 0 ? mm_certificate_verify(der, spki)
			      : mm_certificate_verify_authority(der);
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(MM_E_MISMATCH,
			 "%s is not signed by its issuer's key", facts->file);
}

static enum mm_error
match_certificate(const struct mm_match_facts *facts, struct mm_arena *arena,
    struct mm_match *out)
{
	struct mm_certificate own;
	struct mm_span der;
	enum mm_error error =
	    mm_certificate_input(facts->file, arena, &der, &own);

	if (error == MM_OK)
		error = mm_attested_tbs(facts->attested, own.tbs);
	if (error == MM_OK)
		error = check_issuer(facts, der, arena);
	*out = by_certificate;
	return error;
}

/* The certificate's key or the public key that was brought, else the bundle's;
 * empty where there is neither. `own` is what it may point to. */
static enum mm_error
signer_key(const struct mm_match_facts *facts, struct mm_buffer *own,
    struct mm_span *out)
{
	struct mm_public_key key;
	enum mm_error error;

	mm_buffer_init(own, SPKI_MAX);
	*out = bundled_key(facts, facts->attested->body.image.key);
	if (facts->signer == NULL)
		return MM_OK;
	error = mm_public_key_file(facts->signer, &key);
	if (error == MM_OK)
		error = mm_public_key_spki(&key, own);
	*out = mm_buffer_span(own);
	return error;
}

static enum mm_error
match_signature(const struct mm_match_facts *facts, struct mm_span signature,
    struct mm_span spki, struct mm_match *out)
{
	enum mm_error error =
	    mm_attested_signature(facts->attested, signature, spki);

	*out = facts->image != NULL ? by_signature : by_digest;
	if (error == MM_E_KEY_TYPE && spki.size == 0)
		error = mm_fail(MM_E_USAGE,
		    "an RSA signature does not tell its key: say --certificate "
		    "with the signer's public key (`mintmark release keys`), "
		    "or --statements");
	return error;
}

/* RSA's bytes, or ECDSA-Sig-Value: two numbers, as a .sig file has them. */
static bool
looks_like_signature(const struct mm_match_facts *facts, struct mm_span file)
{
	const struct mm_image_entry *entry = &facts->attested->body.image;
	struct mm_signing_name name;

	struct mm_der outer = mm_der(file);
	struct mm_der numbers = mm_der_enter(&outer, MM_DER_SEQUENCE);

	if (file.size == MM_RSA_BYTES && entry->size != file.size &&
	    mm_signing_read(entry->scheme, &name) == MM_OK &&
	    name.scheme->algorithm == MM_ALGORITHM_RSA3072)
		return true;
	mm_der_unsigned(&numbers);
	mm_der_unsigned(&numbers);
	return mm_der_end(&numbers) && mm_der_end(&outer);
}

static enum mm_error
check_image(const struct mm_match_facts *facts)
{
	struct mm_own_image image;
	enum mm_error error = mm_own_image_open(facts->image, &image);

	if (error == MM_OK)
		error = mm_attested_image(facts->attested, &image);
	mm_own_image_clear(&image);
	return error;
}

/* The same of bytes, which are taken: as it was submitted, or signed. */
static enum mm_error
check_bytes(const struct mm_match_facts *facts, struct mm_buffer *bytes,
    struct mm_span spki, struct mm_match *out)
{
	struct mm_own_image image;
	enum mm_error error = mm_own_image_take(bytes, &image);

	*out = by_image;
	/* Where a signer is named, the image alone is not enough. */
	if (error == MM_OK)
		error = facts->signer != NULL
			    ? MM_E_MISMATCH
			    : mm_attested_image(facts->attested, &image);
	if (error == MM_E_MISMATCH) {
		*out = by_image_signed;
		error = mm_attested_image_signed(facts->attested, &image, spki);
	}
	mm_own_image_clear(&image);
	return error;
}

/* Where a signer is named, all but an image with its signature in it. */
static bool
is_signature(const struct mm_match_facts *facts, struct mm_span file)
{
	struct mm_signing_name name;

	if (facts->image != NULL ||
	    (file.size <= SIGNATURE_MAX && looks_like_signature(facts, file)))
		return true;
	return facts->signer != NULL &&
	       (mm_signing_read(facts->attested->body.image.scheme, &name) !=
		       MM_OK ||
		   name.scheme->detached);
}

static enum mm_error
match_image(const struct mm_match_facts *facts, struct mm_arena *arena,
    struct mm_match *out)
{
	mm_auto(buffer) bytes = {0}, own = {0};
	struct mm_span file, spki;
	enum mm_error error = facts->image != NULL ? check_image(facts) : MM_OK;

	(void)arena;
	mm_buffer_init(&bytes, MM_OWN_IMAGE_MAX);
	if (error == MM_OK)
		error = mm_input(facts->file, MM_OWN_IMAGE_MAX, &bytes);
	if (error == MM_OK)
		error = signer_key(facts, &own, &spki);
	if (error != MM_OK)
		return error;
	file = mm_buffer_span(&bytes);
	if (is_signature(facts, file))
		return match_signature(facts, file, spki, out);
	*out = by_statement;
	if (file.size <= MM_STATEMENT_MAX &&
	    mm_attested_statement(facts->attested, file) == MM_OK)
		return MM_OK;
	return check_bytes(facts, &bytes, spki, out);
}

static enum mm_error
match_partition(const struct mm_match_facts *facts, struct mm_arena *arena,
    struct mm_match *out)
{
	struct mm_own_image file;
	bool is_signed = false;
	enum mm_error error = mm_own_image_open(facts->file, &file);

	(void)arena;
	if (error == MM_OK)
		error =
		    mm_attested_partition(facts->attested, &file, &is_signed);
	mm_own_image_clear(&file);
	*out = is_signed ? by_partition_signed : by_partition;
	return error;
}

static enum mm_error
match_export(const struct mm_match_facts *facts, struct mm_arena *arena,
    struct mm_match *out)
{
	uint8_t sha256[32];
	uint64_t size;
	enum mm_error error = mm_input_sha256(facts->file, sha256, &size);

	(void)arena;
	*out = by_export;
	return error == MM_OK
		   ? mm_attested_export(facts->attested, sha256, size)
		   : error;
}

static enum mm_error
match_statement(const struct mm_match_facts *facts, struct mm_arena *arena,
    struct mm_match *out)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	(void)arena;
	mm_buffer_init(&file, MM_STATEMENT_MAX);
	error = mm_input(facts->file, MM_STATEMENT_MAX, &file);
	*out = by_statement;
	return error == MM_OK ? mm_attested_statement(
				    facts->attested, mm_buffer_span(&file))
			      : error;
}

typedef enum mm_error match_rule(const struct mm_match_facts *facts,
    struct mm_arena *arena, struct mm_match *out);

static match_rule *const rules[MM_ENTRY_KINDS] = {
    [MM_ENTRY_PRINCIPAL] = match_statement,
    [MM_ENTRY_ORDER] = match_statement,
    [MM_ENTRY_CERTIFICATE] = match_certificate,
    [MM_ENTRY_IMAGE] = match_image,
    [MM_ENTRY_REVOCATION] = match_statement,
    [MM_ENTRY_EXPORT] = match_export,
    [MM_ENTRY_PARTITION] = match_partition};

enum mm_error
mm_match_file(const struct mm_match_facts *facts, struct mm_arena *arena,
    struct mm_match *out)
{
	uint64_t kind = facts->attested->entry.kind;

	*out = by_inclusion;
	if (facts->file == NULL && facts->image == NULL)
		return MM_OK;
	if (facts->file == NULL) {
		*out = by_image;
		return check_image(facts);
	}
	if (facts->image != NULL)
		kind = MM_ENTRY_IMAGE;
	if (rules[kind] == NULL)
		return mm_fail(MM_E_MISMATCH,
		    "the receipt is of an entry of kind %s, which no file "
		    "goes with",
		    mm_entry_kind_name(kind));
	return rules[kind](facts, arena, out);
}
