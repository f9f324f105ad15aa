#include "cli/ceremony_text.h"

#include <sodium.h>
#include <string.h>

#include "cli/json_value.h"
#include "log/entry.h"
#include "policy/ceremony.h"
#include "protocol/text.h"

void
mm_text_hex(struct mm_buffer *out, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		mm_buffer_printf(out, "%02x", bytes[i]);
}

void
mm_text_title(struct mm_buffer *out, const char *title)
{
	mm_buffer_printf(out, "\n%s\n", title);
}

static void
add_time(struct mm_buffer *out, const char *what, uint64_t seconds)
{
	char text[MM_TIME_TEXT];

	mm_time_text(seconds, text);
	mm_buffer_printf(out, "%s%s\n", what, text);
}

static void
add_hash(struct mm_buffer *out, const char *what, const uint8_t hash[32])
{
	mm_buffer_add_text(out, what);
	mm_text_hex(out, hash, 32);
	mm_buffer_add_text(out, "\n");
}

void
mm_ceremony_text_frame(struct mm_buffer *out, const struct mm_claim *claim)
{
	mm_buffer_printf(out, "Log            %.*s\n", MM_SPAN(claim->origin));
	add_time(out, "Stated         ", claim->time);
	add_time(out, "Good until     ", claim->expiry);
}

static void
add_officer(struct mm_buffer *out, const struct mm_officer *officer)
{
	uint8_t kid[MM_KID_SIZE];

	mm_kid(officer->key, kid);
	mm_buffer_printf(out, "  %.*s\n    key id  ", MM_SPAN(officer->name));
	mm_text_hex(out, kid, sizeof(kid));
	mm_buffer_add_text(out, "\n    key     ");
	mm_text_hex(out, officer->key, sizeof(officer->key));
	mm_buffer_add_text(out, "\n");
}

void
mm_ceremony_text_policy(struct mm_buffer *out, struct mm_span document,
    const struct mm_policy *policy)
{
	uint8_t digest[32];

	mm_policy_digest(document, digest);
	mm_buffer_printf(out, "Policy         number %llu\n",
	    (unsigned long long)policy->number);
	add_hash(out, "  SHA-256  ", digest);
	mm_text_title(out, "Officers");
	for (mm_list_each(const struct mm_officer, one, policy->officers))
		add_officer(out, one);
	mm_text_title(out, "How many of them must sign");
	for (mm_list_each(const struct mm_threshold, one, policy->thresholds))
		mm_buffer_printf(out, "  %-10s %llu\n",
		    mm_statement_kind_name(one->kind),
		    (unsigned long long)one->officers);
}

/* --- the claim --- */

static void
add_key(struct mm_buffer *out, const struct mm_ceremony_key *key)
{
	const char *use = mm_key_use_name(key->use);
	const char *algorithm = mm_algorithm_name(mm_ceremony_algorithm(key));

	mm_buffer_printf(out, "  %.*s, for %s", MM_SPAN(key->name),
	    use != NULL ? use : "an unknown use");
	if (key->algorithm != 0)
		mm_buffer_printf(out, ", %s",
		    algorithm != NULL ? algorithm : "of an unknown kind");
	mm_buffer_add_text(out, "\n");
	if (key->existing.size == 32)
		add_hash(out,
		    "    the token has it: SHA-256 of its public "
		    "key\n    ",
		    key->existing.data);
}

static void
add_keys(struct mm_buffer *out, const struct mm_list *keys)
{
	if (keys->count > 0)
		mm_text_title(out, "Keys that the token makes or takes over");
	for (mm_list_each(const struct mm_ceremony_key, one, *keys))
		add_key(out, one);
}

static void
add_certificates(struct mm_buffer *out, const struct mm_list *certificates)
{
	if (certificates->count > 0)
		mm_text_title(out, "Certificates that it signs");
	for (mm_list_each(
		 const struct mm_ceremony_certificate, one, *certificates)) {
		bool itself = mm_span_equal(one->key, one->issuer);

		mm_buffer_printf(out,
		    "  %.*s: \"%.*s\", profile %.*s, signed by %.*s\n",
		    MM_SPAN(one->key), MM_SPAN(one->subject),
		    MM_SPAN(one->profile),
		    MM_SPAN(itself ? mm_span_text("itself") : one->issuer));
	}
}

static void
add_requests(struct mm_buffer *out, const struct mm_list *requests)
{
	if (requests->count > 0)
		mm_text_title(out, "CSRs for a CA outside");
	for (mm_list_each(const struct mm_ceremony_request, one, *requests))
		mm_buffer_printf(out, "  %.*s: \"%.*s\", profile %.*s\n",
		    MM_SPAN(one->key), MM_SPAN(one->subject),
		    MM_SPAN(one->profile));
}

static void
add_retired(struct mm_buffer *out, const struct mm_list *retired)
{
	if (retired->count > 0)
		mm_text_title(out, "Keys that sign nothing more");
	for (mm_list_each(const struct mm_text_item, one, *retired))
		mm_buffer_printf(out, "  %.*s\n", MM_SPAN(one->value));
}

static void
add_imports(struct mm_buffer *out, const struct mm_list *imports)
{
	if (imports->count > 0)
		mm_text_title(out, "Certificates of a CA outside");
	for (mm_list_each(const struct mm_ceremony_import, one, *imports)) {
		mm_buffer_printf(out, "  %.*s\n", MM_SPAN(one->key));
		add_hash(out, "    SHA-256 ", one->sha256);
	}
}

static void
add_proofs(struct mm_buffer *out, const struct mm_list *proofs)
{
	if (proofs->count > 0)
		mm_text_title(out, "Proofs that a CA's key is here");
	for (mm_list_each(const struct mm_ceremony_proof, one, *proofs)) {
		mm_buffer_printf(out,
		    "  %.*s, by profile %.*s: code \"%.*s\"\n",
		    MM_SPAN(one->issuer), MM_SPAN(one->profile),
		    MM_SPAN(one->code));
		add_hash(out, "    for the key ", one->key);
	}
}

static void
add_predecessor(struct mm_buffer *out, const struct mm_predecessor *former)
{
	mm_text_title(out, "The log that it succeeds");
	mm_buffer_printf(out, "  %.*s\n", MM_SPAN(former->origin));
	add_hash(out, "    its key ", former->log_key);
	mm_buffer_printf(
	    out, "    entries %llu\n", (unsigned long long)former->size);
	add_hash(out, "    root    ", former->root);
	for (mm_list_each(
		 const struct mm_inherited_blob, blob, former->inherited)) {
		mm_buffer_printf(out,
		    "    takes over %llu certificates and images (%llu "
		    "bytes)\n",
		    (unsigned long long)blob->count,
		    (unsigned long long)blob->size);
		add_hash(out, "      SHA-256 ", blob->sha256);
	}
	mm_buffer_add_text(out, "    not taken over: orders and principals; "
				"they are stated anew\n");
}

/* Line by line; what is no text of a line stands as `?`. */
static void
add_notes(struct mm_buffer *out, struct mm_span notes)
{
	char line[MM_NOTES_MAX + 1];

	if (notes.size > 0)
		mm_text_title(out, "Notes");
	while (notes.size > 0) {
		const uint8_t *end = memchr(notes.data, '\n', notes.size);
		size_t size =
		    end != NULL ? (size_t)(end - notes.data) : notes.size;

		mm_text_clean(mm_span(notes.data, size), line, sizeof(line));
		mm_buffer_printf(out, "  %s\n", line);
		size += end != NULL;
		notes = mm_span(notes.data + size, notes.size - size);
	}
}

void
mm_ceremony_text_claim(
    struct mm_buffer *out, const struct mm_ceremony_claim *claim)
{
	add_keys(out, &claim->keys);
	add_certificates(out, &claim->certificates);
	add_requests(out, &claim->requests);
	add_retired(out, &claim->retired);
	add_imports(out, &claim->imports);
	add_proofs(out, &claim->proofs);
	for (mm_list_each(const struct mm_predecessor, one, claim->succeeds))
		add_predecessor(out, one);
	add_notes(out, claim->notes);
}

void
mm_ceremony_text_principal(
    struct mm_buffer *out, const struct mm_principal_claim *claim)
{
	const char *role = mm_role_name(claim->role);

	mm_buffer_printf(out, "\nPrincipal %.*s, %s\n", MM_SPAN(claim->name),
	    role != NULL ? role : "of an unknown role");
	add_hash(out, "  key      ", claim->key);
	for (mm_list_each(const struct mm_text_item, one, claim->profiles))
		mm_buffer_printf(
		    out, "  may ask for %.*s\n", MM_SPAN(one->value));
	if (claim->daily > 0)
		mm_buffer_printf(out, "  at most %llu certificates a day\n",
		    (unsigned long long)claim->daily);
	if (claim->minute > 0)
		mm_buffer_printf(out, "  at most %llu requests a minute\n",
		    (unsigned long long)claim->minute);
	if (claim->disabled)
		mm_buffer_add_text(out, "  disabled\n");
}

void
mm_ceremony_text_digest(struct mm_buffer *out, struct mm_span payload)
{
	uint8_t digest[32];

	crypto_hash_sha256(digest, payload.data, payload.size);
	mm_text_title(out, "SHA-256 of what is signed");
	add_hash(out, "  ", digest);
}
