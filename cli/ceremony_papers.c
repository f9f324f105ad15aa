#include "cli/ceremony_papers.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ca/key.h"
#include "cli/ceremony_text.h"

static const char payloads_form[] = "mintmark ceremony payloads 1";
static const char statements_form[] = "mintmark ceremony statements 1";

static const struct mm_field payload_fields[] = {
    MM_FIELD(mm_ceremony_payload, 0, payload, MM_BYTES, 1, MM_STATEMENT_MAX),
    MM_OPTIONAL(mm_ceremony_payload, 1, spki, MM_BYTES, 1, MM_SPKI_MAX)};
static MM_SHAPE(payload_shape, mm_ceremony_payload, payload_fields);

static const struct mm_field payloads_fields[] = {
    MM_FIELD(mm_ceremony_payloads, 0, form, MM_TEXT, 1, 64),
    MM_FIELD(mm_ceremony_payloads, 1, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_ceremony_payloads, 2, policy, MM_BYTES, 1, MM_POLICY_MAX),
    MM_FIELD(mm_ceremony_payloads, 3, text, MM_BYTES, 1, MM_POLICY_TEXT_MAX),
    MM_MANY(mm_ceremony_payloads, 4, payloads, &payload_shape, 1,
	MM_CEREMONY_PAYLOADS)};
static MM_SHAPE(payloads_shape, mm_ceremony_payloads, payloads_fields);

static const struct mm_field statements_fields[] = {
    MM_FIELD(mm_ceremony_statements, 0, form, MM_TEXT, 1, 64),
    MM_MANY(mm_ceremony_statements, 1, statements, &mm_bytes_item_shape, 1,
	MM_CEREMONY_PAYLOADS)};
static MM_SHAPE(statements_shape, mm_ceremony_statements, statements_fields);

/* --- files --- */

static enum mm_error
read_paper(const char *path, const struct mm_shape *shape,
    struct mm_arena *arena, void *out)
{
	mm_auto(buffer) file = {0};
	struct mm_span bytes;
	enum mm_error error;

	mm_buffer_init(&file, MM_PAYLOADS_MAX);
	error = mm_input(path, MM_PAYLOADS_MAX, &file);
	if (error != MM_OK)
		return error;
	bytes = mm_arena_copy(arena, mm_buffer_span(&file));
	if (bytes.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for %s", path);
	error = mm_shape_decode(shape, bytes, arena, out);
	if (error != MM_OK && error != MM_E_MEMORY)
		error = mm_fail(MM_E_FORMAT,
		    "%s is none of a ceremony's "
		    "papers, or was changed: %s",
		    path, mm_why(error));
	return error;
}

static enum mm_error
check_form(const char *path, struct mm_span form, const char *wanted)
{
	if (mm_span_is(form, wanted))
		return MM_OK;
	return mm_fail(MM_E_FORMAT, "%s is \"%.*s\", not \"%s\"", path,
	    MM_SPAN(form), wanted);
}

static enum mm_error
write_paper(const struct mm_invocation *invocation, const char *path,
    const struct mm_shape *shape, const void *file)
{
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, MM_PAYLOADS_MAX);
	error = mm_shape_encode(shape, file, &bytes);
	return error == MM_OK
		   ? mm_output(invocation, path, mm_buffer_span(&bytes))
		   : error;
}

enum mm_error
mm_ceremony_papers_write(const struct mm_invocation *invocation,
    const char *path, struct mm_ceremony_payloads *file)
{
	file->form = mm_span_text(payloads_form);
	return write_paper(invocation, path, &payloads_shape, file);
}

enum mm_error
mm_ceremony_statements_write(const struct mm_invocation *invocation,
    const char *path, struct mm_ceremony_statements *file)
{
	file->form = mm_span_text(statements_form);
	return write_paper(invocation, path, &statements_shape, file);
}

enum mm_error
mm_ceremony_statements_read(const char *path, struct mm_arena *arena,
    struct mm_ceremony_statements *out)
{
	struct mm_ceremony_statements file;
	enum mm_error error = read_paper(path, &statements_shape, arena, &file);

	if (error == MM_OK)
		error = check_form(path, file.form, statements_form);
	if (error == MM_OK)
		*out = file;
	return error;
}

/* --- what they say --- */

#define differs(...) mm_fail(MM_E_STATEMENT_DIFFERS, __VA_ARGS__)

static enum mm_error
open_payload(const struct mm_ceremony_payloads *file, size_t i,
    struct mm_arena *arena, struct mm_ceremony_said *out)
{
	const struct mm_ceremony_payload *one =
	    mm_list_at(file->payloads, struct mm_ceremony_payload, i);
	uint64_t wanted =
	    i == 0 ? MM_STATEMENT_CEREMONY : MM_STATEMENT_PRINCIPAL;
	enum mm_error error =
	    mm_shape_decode(&mm_claim_shape, one->payload, arena, &out->claim);

	if (error != MM_OK)
		return error;
	out->payload = one->payload;
	out->spki = one->spki;
	if (out->claim.kind != wanted)
		return differs("payload %zu is of kind %s, not %s", i,
		    mm_statement_kind_name(out->claim.kind),
		    mm_statement_kind_name(wanted));
	if (!mm_span_equal(out->claim.origin, file->origin))
		return mm_fail(MM_E_STATEMENT_LOG,
		    "payload %zu is for the log %.*s, not %.*s", i,
		    MM_SPAN(out->claim.origin), MM_SPAN(file->origin));
	return mm_shape_decode(
	    mm_claim_body_shape(wanted), out->claim.body, arena, &out->body);
}

static enum mm_error
check_policy(const struct mm_ceremony_papers *papers)
{
	uint8_t digest[32];

	mm_policy_digest(papers->file.policy, digest);
	if (memcmp(digest, papers->said[0].body.ceremony.policy,
		sizeof(digest)) != 0)
		return differs("the ceremony's payload names another policy "
			       "than the one that came along");
	return MM_OK;
}

/* The key that comes along is the one that is registered. */
static enum mm_error
check_key(const struct mm_ceremony_said *said)
{
	const struct mm_principal_claim *claim = &said->body.principal;
	uint8_t hash[32];

	crypto_hash_sha256(hash, said->spki.data, said->spki.size);
	if (said->spki.size == 0 || memcmp(hash, claim->key, sizeof(hash)) != 0)
		return differs("the key of the principal \"%.*s\" is not the "
			       "one that came along",
		    MM_SPAN(claim->name));
	return MM_OK;
}

static enum mm_error
open_all(struct mm_arena *arena, struct mm_ceremony_papers *papers)
{
	size_t count = papers->file.payloads.count;
	enum mm_error error =
	    mm_policy_decode(papers->file.policy, arena, &papers->policy);

	papers->said = mm_arena_alloc(arena, count * sizeof(*papers->said));
	if (papers->said == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for the payloads");
	for (size_t i = 0; i < count && error == MM_OK; i++) {
		error = open_payload(&papers->file, i, arena, &papers->said[i]);
		if (error == MM_OK && i > 0)
			error = check_key(&papers->said[i]);
	}
	return error == MM_OK ? check_policy(papers) : error;
}

enum mm_error
mm_ceremony_papers_read(
    const char *path, struct mm_arena *arena, struct mm_ceremony_papers *out)
{
	struct mm_ceremony_papers papers;
	enum mm_error error =
	    read_paper(path, &payloads_shape, arena, &papers.file);

	if (error == MM_OK)
		error = check_form(path, papers.file.form, payloads_form);
	if (error == MM_OK)
		error = open_all(arena, &papers);
	if (error == MM_OK)
		*out = papers;
	return error;
}

/* --- blobs beside them --- */

static enum mm_error
blob_path(const char *path, const uint8_t sha256[32], char out[PATH_MAX])
{
	char hex[65];
	int length;

	sodium_bin2hex(hex, sizeof(hex), sha256, 32);
	length = snprintf(out, PATH_MAX, "%s.blobs/%s", path, hex);
	return length > 0 && length < PATH_MAX
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "the path %s is too long", path);
}

enum mm_error
mm_ceremony_blob_read(const char *path, const struct mm_inherited_blob *blob,
    struct mm_buffer *out)
{
	char file[PATH_MAX];
	uint8_t hash[32];
	enum mm_error error = blob_path(path, blob->sha256, file);

	if (error == MM_OK)
		error = mm_file_read(file, MM_BLOB_MAX, out);
	if (error != MM_OK)
		return error;
	crypto_hash_sha256(hash, out->data, out->size);
	if (out->size != blob->size ||
	    memcmp(hash, blob->sha256, sizeof(hash)) != 0)
		return mm_fail(MM_E_BLOB,
		    "%s is not what its name says: it was changed", file);
	return MM_OK;
}

enum mm_error
mm_ceremony_blob_write(
    const char *path, const uint8_t sha256[32], struct mm_span bytes)
{
	char file[PATH_MAX], *slash;
	enum mm_error error = blob_path(path, sha256, file);

	if (error != MM_OK)
		return error;
	slash = strrchr(file, '/');
	*slash = '\0';
	if (mkdir(file, 0755) < 0 && errno != EEXIST)
		return mm_fail(
		    MM_E_FILE, "cannot make %s: %s", file, strerror(errno));
	*slash = '/';
	/* Its name says what is in it: what is there may stay or go. */
	return mm_file_write(file, bytes, 0644, true);
}

/* --- for people --- */

enum mm_error
mm_ceremony_papers_tell(const struct mm_ceremony_papers *papers)
{
	mm_auto(buffer) text = {0};

	mm_buffer_init(&text, MM_CEREMONY_TEXT_MAX);
	mm_ceremony_text_frame(&text, &papers->said[0].claim);
	mm_ceremony_text_policy(&text, papers->file.policy, &papers->policy);
	mm_ceremony_text_claim(&text, &papers->said[0].body.ceremony);
	for (size_t i = 1; i < papers->file.payloads.count; i++)
		mm_ceremony_text_principal(
		    &text, &papers->said[i].body.principal);
	mm_ceremony_text_digest(&text, papers->said[0].payload);
	if (text.error != MM_OK)
		return mm_fail(text.error, "the ceremony says too much to be "
					   "shown");
	fwrite(text.data, 1, text.size, stderr);
	return MM_OK;
}
