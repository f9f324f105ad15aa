#include "cli/attested.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "ca/certificate.h"
#include "signer/image.h"
#include "signer/scheme.h"

enum { TBS_ARENA = 65536, SHA256_SIZE = 32, HEX_MAX = 2 * SHA256_SIZE + 1 };

static enum mm_error
decode_body(struct mm_attested *attested, struct mm_arena *arena)
{
	static const bool has_body[MM_ENTRY_KINDS] = {
	    [MM_ENTRY_PRINCIPAL] = true,
	    [MM_ENTRY_ORDER] = true,
	    [MM_ENTRY_CERTIFICATE] = true,
	    [MM_ENTRY_IMAGE] = true};
	uint64_t kind = attested->entry.kind;

	if (!has_body[kind])
		return MM_OK;
	return mm_entry_decode_as(attested->receipt.entry,
	    (enum mm_entry_kind)kind, arena, &attested->entry, &attested->body);
}

enum mm_error
mm_attested_read(struct mm_span receipt, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out)
{
	struct mm_attested attested = {.entry = {.kind = 0}};
	enum mm_error error =
	    mm_receipt_decode(receipt, arena, &attested.receipt);

	if (error == MM_OK)
		error = mm_receipt_verify(&attested.receipt, vkey,
		    mm_span(NULL, 0), &attested.checkpoint);
	if (error == MM_OK)
		error = mm_entry_decode(
		    attested.receipt.entry, arena, &attested.entry);
	if (error == MM_OK)
		error = decode_body(&attested, arena);
	if (error == MM_OK)
		*out = attested;
	return error;
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

static enum mm_error
other_image(const struct mm_image_entry *entry)
{
	return mm_fail(MM_E_MISMATCH,
	    "the receipt speaks of another image (%.*s %.*s, %llu bytes)",
	    MM_SPAN(entry->product), MM_SPAN(entry->version),
	    (unsigned long long)entry->size);
}

enum mm_error
mm_attested_image(const struct mm_attested *attested, struct mm_span image)
{
	const struct mm_image_entry *entry = &attested->body.image;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_IMAGE);
	const struct mm_scheme *scheme;
	struct mm_image_facts facts;
	uint8_t digest[SHA256_SIZE];

	if (error != MM_OK)
		return error;
	if (image.size != entry->size)
		return other_image(entry);
	scheme = mm_scheme_find(entry->scheme);
	if (scheme == NULL)
		return mm_fail(MM_E_FORMAT,
		    "the scheme %.*s is not known to this program",
		    MM_SPAN(entry->scheme));
	error = mm_image_read(image, &facts);
	if (error == MM_OK)
		error = scheme->digest(image, facts.sha256, digest);
	if (error == MM_OK &&
	    (memcmp(facts.sha256, entry->sha256, SHA256_SIZE) != 0 ||
		memcmp(digest, entry->digest, SHA256_SIZE) != 0))
		error = other_image(entry);
	return error;
}

enum mm_error
mm_attested_signature(const struct mm_attested *attested,
    struct mm_span signature, struct mm_span spki)
{
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_IMAGE);

	if (error == MM_OK &&
	    mm_key_verify_p256(spki, attested->body.image.digest, signature) !=
		MM_OK)
		error = mm_fail(MM_E_MISMATCH,
		    "the signature is not made by the certificate's key over "
		    "this image");
	return error;
}

/* ---- for people and scripts */

static void
put_text(json_t *object, const char *key, struct mm_span text)
{
	if (text.size > 0)
		json_object_set_new(object, key,
		    json_stringn((const char *)text.data, text.size));
}

static void
put_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void
put_hex(json_t *object, const char *key, const uint8_t *bytes, size_t size)
{
	char text[HEX_MAX];

	sodium_bin2hex(text, sizeof(text), bytes, size);
	json_object_set_new(object, key, json_string(text));
}

/* RFC 3339; UINT64_MAX is X.509's last second. */
static void
put_time(json_t *object, const char *key, uint64_t seconds)
{
	time_t time = (time_t)seconds;
	char text[40] = "9999-12-31T23:59:59Z";
	struct tm utc;

	if (seconds <= INT64_MAX && gmtime_r(&time, &utc) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_object_set_new(object, key, json_string(text));
}

static void
tell_certificate(const struct mm_attested *attested, json_t *out)
{
	const struct mm_certificate_entry *entry = &attested->body.certificate;
	mm_auto(arena) arena = {0};
	struct mm_tbs tbs;

	mm_arena_init(&arena, TBS_ARENA);
	put_text(out, "profile", entry->profile);
	put_text(out, "subject", entry->subject);
	put_text(out, "issuer", entry->issuer);
	put_number(out, "basis", entry->basis);
	put_text(out, "principal", entry->principal);
	if (mm_tbs_read(entry->tbs, &arena, &tbs) != MM_OK)
		return;
	put_hex(out, "serial", tbs.serial, sizeof(tbs.serial));
	put_time(out, "not_before", tbs.not_before);
	put_time(out, "not_after", tbs.not_after);
}

static void
tell_image(const struct mm_attested *attested, json_t *out)
{
	const struct mm_image_entry *entry = &attested->body.image;

	put_text(out, "product", entry->product);
	put_text(out, "version", entry->version);
	put_text(out, "scheme", entry->scheme);
	put_number(out, "image_size", entry->size);
	put_hex(out, "sha256", entry->sha256, SHA256_SIZE);
	put_hex(out, "digest", entry->digest, SHA256_SIZE);
	put_text(out, "key", entry->key);
	put_text(out, "format", entry->format);
	put_text(out, "principal", entry->principal);
}

static void
tell_statement(const struct mm_attested *attested, json_t *out)
{
	put_text(out, "principal", attested->body.statement.principal);
}

json_t *
mm_attested_json(const struct mm_attested *attested)
{
	static void (*const tell[MM_ENTRY_KINDS])(const struct mm_attested *,
	    json_t *) = {[MM_ENTRY_PRINCIPAL] = tell_statement,
	    [MM_ENTRY_ORDER] = tell_statement,
	    [MM_ENTRY_CERTIFICATE] = tell_certificate,
	    [MM_ENTRY_IMAGE] = tell_image};
	json_t *out = json_object();
	uint64_t kind = attested->entry.kind;

	json_object_set_new(
	    out, "log", json_string(attested->checkpoint.origin));
	put_number(out, "size", attested->checkpoint.size);
	put_number(out, "index", attested->receipt.index);
	json_object_set_new(out, "kind", json_string(mm_entry_kind_name(kind)));
	put_time(out, "time", attested->entry.time);
	if (tell[kind] != NULL)
		tell[kind](attested, out);
	return out;
}
