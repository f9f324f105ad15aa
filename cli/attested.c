#include "cli/attested.h"

#include <string.h>

#include "cli/entry_json.h"
#include "hsm/verify.h"

enum { SHA256_SIZE = 32 };

static enum mm_error
decode_body(struct mm_attested *attested, struct mm_arena *arena)
{
	static const bool has_body[MM_ENTRY_KINDS] = {
	    [MM_ENTRY_PRINCIPAL] = true,
	    [MM_ENTRY_ORDER] = true,
	    [MM_ENTRY_CERTIFICATE] = true,
	    [MM_ENTRY_IMAGE] = true,
	    [MM_ENTRY_PARTITION] = true,
	    [MM_ENTRY_REVOCATION] = true,
	    [MM_ENTRY_EXPORT] = true,
	    [MM_ENTRY_PENDING] = true,
	    [MM_ENTRY_WITHDRAWAL] = true,
	    [MM_ENTRY_RELEASE] = true,
	    [MM_ENTRY_CEREMONY] = true,
	    [MM_ENTRY_KEY] = true,
	    [MM_ENTRY_CSR] = true,
	    [MM_ENTRY_IMPORT] = true,
	    [MM_ENTRY_SCRAP] = true};
	uint64_t kind = attested->entry.kind;

	if (!has_body[kind])
		return MM_OK;
	return mm_entry_decode_as(attested->receipt.entry,
	    (enum mm_entry_kind)kind, arena, &attested->entry, &attested->body);
}

static enum mm_error
read_attested(struct mm_span receipt, const struct mm_vkey *vkey,
    struct mm_span entry, struct mm_receipt_memory *memory,
    struct mm_arena *arena, struct mm_attested *out)
{
	struct mm_attested attested = {.entry = {.kind = 0}};
	enum mm_error error =
	    mm_receipt_decode(receipt, arena, &attested.receipt);

	if (error != MM_OK)
		return error;
	/* `extra` is not authenticated: what was brought is what counts. */
	if (entry.data != NULL)
		attested.receipt.entry = entry;
	error = mm_receipt_verify_next(&attested.receipt, vkey,
	    mm_span(NULL, 0), memory, &attested.checkpoint);
	if (error == MM_OK)
		error = mm_entry_decode(
		    attested.receipt.entry, arena, &attested.entry);
	if (error == MM_OK)
		error = decode_body(&attested, arena);
	/* Other logs' entries are theirs to read. */
	attested.opaque = error == MM_E_ENTRY && entry.data != NULL;
	if (attested.opaque)
		error = MM_OK;
	if (error == MM_OK)
		*out = attested;
	return error;
}

enum mm_error
mm_attested_read(struct mm_span receipt, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out)
{
	return read_attested(receipt, vkey, mm_span(NULL, 0), NULL, arena, out);
}

enum mm_error
mm_attested_read_entry(struct mm_span receipt, const struct mm_vkey *vkey,
    struct mm_span entry, struct mm_arena *arena, struct mm_attested *out)
{
	return read_attested(receipt, vkey, entry, NULL, arena, out);
}

enum mm_error
mm_attested_read_next(struct mm_span receipt, const struct mm_vkey *vkey,
    struct mm_receipt_memory *memory, struct mm_arena *arena,
    struct mm_attested *out)
{
	return read_attested(
	    receipt, vkey, mm_span(NULL, 0), memory, arena, out);
}

enum mm_error
mm_attested_is(const struct mm_attested *attested, enum mm_entry_kind kind)
{
	if (attested->entry.kind != kind)
		return mm_fail(MM_E_MISMATCH,
		    "the receipt speaks of an entry of kind %s, not %s",
		    mm_entry_kind_name(attested->entry.kind),
		    mm_entry_kind_name(kind));
	return MM_OK;
}

enum mm_error
mm_attested_tbs(const struct mm_attested *attested, struct mm_span tbs)
{
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_CERTIFICATE);

	if (error == MM_OK &&
	    !mm_span_equal(attested->body.certificate.tbs, tbs))
		error = mm_fail(MM_E_MISMATCH,
		    "the receipt speaks of another certificate (for %.*s)",
		    MM_SPAN(attested->body.certificate.subject));
	return error;
}

enum mm_error
mm_attested_other_image(const struct mm_attested *attested)
{
	const struct mm_image_entry *entry = &attested->body.image;

	return mm_fail(MM_E_MISMATCH,
	    "the receipt speaks of another image (%.*s %.*s, %llu bytes)",
	    MM_SPAN(entry->product), MM_SPAN(entry->version),
	    (unsigned long long)entry->size);
}

enum mm_error
mm_attested_image(
    const struct mm_attested *attested, struct mm_own_image *image)
{
	const struct mm_image_entry *entry = &attested->body.image;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_IMAGE);
	uint8_t digest[SHA256_SIZE];

	if (error != MM_OK)
		return error;
	if (image->facts.size != entry->size ||
	    memcmp(image->facts.sha256, entry->sha256, SHA256_SIZE) != 0)
		return mm_attested_other_image(attested);
	error = mm_own_image_as(image, entry->format);
	if (error == MM_OK)
		error = mm_own_image_digest(image, entry->scheme, digest);
	if (error == MM_E_SCHEME)
		return mm_fail(MM_E_FORMAT,
		    "the scheme %.*s is not known to this program",
		    MM_SPAN(entry->scheme));
	if (error == MM_OK && memcmp(digest, entry->digest, SHA256_SIZE) != 0)
		error = mm_fail(MM_E_MISMATCH,
		    "the receipt has another digest for %.*s than this image "
		    "gives",
		    MM_SPAN(entry->scheme));
	return error;
}

enum mm_error
mm_attested_signature(const struct mm_attested *attested,
    struct mm_span signature, struct mm_span spki)
{
	const struct mm_image_entry *entry = &attested->body.image;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_IMAGE);

	if (error != MM_OK)
		return error;
	error = spki.size > 0
		    ? mm_signature_check(spki, entry->digest, signature)
		    : mm_signature_check_hash(
			  entry->signer, entry->digest, signature);
	if (error != MM_OK && (spki.size > 0 || error != MM_E_KEY_TYPE))
		error = mm_fail(MM_E_MISMATCH,
		    "the signature is not made by the %s key over this image",
		    spki.size > 0 ? "certificate's" : "logged");
	return error;
}

enum mm_error
mm_attested_export(const struct mm_attested *attested,
    const uint8_t sha256[SHA256_SIZE], uint64_t size)
{
	const struct mm_export_entry *entry = &attested->body.export;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_EXPORT);

	if (error == MM_OK &&
	    (size != entry->size ||
		memcmp(sha256, entry->sha256, SHA256_SIZE) != 0))
		error = mm_fail(MM_E_MISMATCH,
		    "the receipt speaks of another export (entries %llu to "
		    "%llu, %llu bytes)",
		    (unsigned long long)entry->from,
		    (unsigned long long)entry->to,
		    (unsigned long long)entry->size);
	return error;
}

/* Where an entry of this kind has its statements; NULL where it has none. */
static const struct mm_list *
statements_of(const struct mm_attested *attested)
{
	static const size_t at[MM_ENTRY_KINDS] = {
#define OF_STATEMENT offsetof(struct mm_attested, body.statement.statements)
	    [MM_ENTRY_PRINCIPAL] = OF_STATEMENT,
	    [MM_ENTRY_ORDER] = OF_STATEMENT,
	    [MM_ENTRY_REVOCATION] = OF_STATEMENT,
	    [MM_ENTRY_WITHDRAWAL] = OF_STATEMENT,
	    [MM_ENTRY_RELEASE] = OF_STATEMENT,
	    [MM_ENTRY_CEREMONY] = OF_STATEMENT,
#undef OF_STATEMENT
	    [MM_ENTRY_PENDING] =
		offsetof(struct mm_attested, body.pending.statements),
	    [MM_ENTRY_IMAGE] =
		offsetof(struct mm_attested, body.image.statements)};
	size_t offset = at[attested->entry.kind];

	return offset != 0
		   ? (const struct mm_list *)((const char *)attested + offset)
		   : NULL;
}

enum mm_error
mm_attested_statement(const struct mm_attested *attested, struct mm_span file)
{
	const struct mm_list *statements = statements_of(attested);

	if (statements == NULL)
		return mm_fail(MM_E_MISMATCH,
		    "an entry of kind %s has no statements to compare",
		    mm_entry_kind_name(attested->entry.kind));
	for (mm_list_each(const struct mm_bytes_item, item, *statements))
		if (mm_span_equal(item->value, file))
			return MM_OK;
	return mm_fail(MM_E_MISMATCH,
	    "the file is none of the entry's %zu statements",
	    statements->count);
}

/* ---- for people and scripts */

/*
 * The members of an entry's body (cli/entry_json.h) that are told, in this
 * order, and the keys under which they are; "tbs" holds what the TBS says.
 */
static const struct told {
	uint64_t kind;
	const char *within, *member, *key;
} told[] = {
#define TOLD(kind, member) \
	{ \
		MM_ENTRY_##kind, NULL, member, member \
	}
    TOLD(PRINCIPAL, "principal"),
    TOLD(ORDER, "principal"),
    TOLD(REVOCATION, "principal"),
    TOLD(WITHDRAWAL, "principal"),
    TOLD(RELEASE, "principal"),
    TOLD(CEREMONY, "principal"),
    TOLD(PENDING, "principal"),
    TOLD(KEY, "name"),
    TOLD(KEY, "use"),
    TOLD(KEY, "retired"),
    TOLD(KEY, "basis"),
    TOLD(CSR, "key"),
    TOLD(CSR, "profile"),
    TOLD(CSR, "subject"),
    TOLD(CSR, "basis"),
    TOLD(IMPORT, "key"),
    TOLD(IMPORT, "basis"),
    TOLD(CERTIFICATE, "profile"),
    TOLD(CERTIFICATE, "subject"),
    TOLD(CERTIFICATE, "issuer"),
    TOLD(CERTIFICATE, "basis"),
    TOLD(CERTIFICATE, "principal"),
    {MM_ENTRY_CERTIFICATE, "tbs", "serial", "serial"},
    {MM_ENTRY_CERTIFICATE, "tbs", "not_before", "not_before"},
    {MM_ENTRY_CERTIFICATE, "tbs", "not_after", "not_after"},
    TOLD(IMAGE, "product"),
    TOLD(IMAGE, "version"),
    TOLD(IMAGE, "scheme"),
    {MM_ENTRY_IMAGE, NULL, "size", "image_size"},
    TOLD(IMAGE, "sha256"),
    TOLD(IMAGE, "digest"),
    TOLD(IMAGE, "key"),
    TOLD(IMAGE, "format"),
    TOLD(IMAGE, "chip"),
    TOLD(IMAGE, "project"),
    TOLD(IMAGE, "secure_version"),
    TOLD(IMAGE, "principal"),
    TOLD(PARTITION, "profile"),
    TOLD(PARTITION, "device"),
    TOLD(PARTITION, "certificate"),
    TOLD(PARTITION, "basis"),
    {MM_ENTRY_PARTITION, NULL, "size", "partition_size"},
    TOLD(PARTITION, "sha256"),
    TOLD(PARTITION, "scheme"),
    TOLD(PARTITION, "digest"),
    TOLD(PARTITION, "key"),
    TOLD(PARTITION, "signer"),
    TOLD(PARTITION, "principal"),
    TOLD(EXPORT, "from"),
    TOLD(EXPORT, "to"),
    TOLD(EXPORT, "format"),
    TOLD(EXPORT, "filter"),
    TOLD(EXPORT, "sha256"),
    {MM_ENTRY_EXPORT, NULL, "size", "export_size"},
    TOLD(EXPORT, "principal"),
    TOLD(SCRAP, "basis"),
    TOLD(SCRAP, "certificate"),
    TOLD(SCRAP, "serial"),
    TOLD(SCRAP, "device"),
    TOLD(SCRAP, "reason"),
    TOLD(SCRAP, "principal"),
#undef TOLD
};

json_t *
mm_attested_json(const struct mm_attested *attested)
{
	const struct mm_receipt *receipt = &attested->receipt;
	json_t *entry, *body, *out;

	if (attested->opaque)
		return json_pack("{s:s, s:I, s:I}", "log",
		    attested->checkpoint.origin, "size",
		    (json_int_t)attested->checkpoint.size, "index",
		    (json_int_t)receipt->index);
	if (mm_entry_json(receipt->index, receipt->entry, &entry) != MM_OK)
		return NULL;
	out = json_pack("{s:s, s:I, s:I, s:O, s:O}", "log",
	    attested->checkpoint.origin, "size",
	    (json_int_t)attested->checkpoint.size, "index",
	    (json_int_t)receipt->index, "kind", json_object_get(entry, "kind"),
	    "time", json_object_get(entry, "time"));
	body = json_object_get(entry, "body");
	for (size_t i = 0; i < MM_COUNT(told); i++) {
		json_t *from = told[i].within != NULL
				   ? json_object_get(body, told[i].within)
				   : body;

		if (told[i].kind == attested->entry.kind)
			json_object_set(out, told[i].key,
			    json_object_get(from, told[i].member));
	}
	json_decref(entry);
	return out;
}
