/*
 * mintmark ceremony record: the paper of a ceremony, from the log alone. What
 * it says is what the log says, and nothing of it depends on when or where it
 * is printed.
 */
#include <sodium.h>
#include <string.h>

#include "cli/ceremony_source.h"
#include "cli/ceremony_text.h"
#include "cli/json_value.h"
#include "cli/policy_at.h"

static void
add_hash_of(struct mm_buffer *out, const char *what, struct mm_span bytes)
{
	uint8_t hash[32];

	crypto_hash_sha256(hash, bytes.data, bytes.size);
	mm_buffer_add_text(out, what);
	mm_text_hex(out, hash, sizeof(hash));
	mm_buffer_add_text(out, "\n");
}

/* Whose key id stands under the statement. */
static const struct mm_officer *
officer_of(const struct mm_policy *policy, struct mm_span kid)
{
	for (mm_list_each(const struct mm_officer, one, policy->officers)) {
		uint8_t own[MM_KID_SIZE];

		mm_kid(one->key, own);
		if (mm_span_equal(mm_span(own, sizeof(own)), kid))
			return one;
	}
	return NULL;
}

static enum mm_error
add_signers(struct mm_buffer *out, const struct mm_ceremony_story *story,
    const struct mm_policy *policy)
{
	mm_text_title(out, "Stated by");
	for (mm_list_each(const struct mm_bytes_item, one, story->statements)) {
		const struct mm_officer *officer;
		struct mm_statement statement;
		enum mm_error error =
		    mm_statement_decode(one->value, &statement);

		if (error != MM_OK)
			return error;
		officer = officer_of(policy, statement.kid);
		mm_buffer_add_text(out, "  key id ");
		mm_text_hex(out, statement.kid.data, statement.kid.size);
		if (officer != NULL)
			mm_buffer_printf(out, "  %.*s", MM_SPAN(officer->name));
		mm_buffer_add_text(out, "\n");
	}
	return MM_OK;
}

/* The kinds of things, in the order of the paper. */
static const struct {
	uint64_t kind;
	bool retired;
	const char *title, *hash;
} parts[] = {
    {MM_ENTRY_KEY, false, "Public keys, by SHA-256 of SubjectPublicKeyInfo",
	"    "},
    {MM_ENTRY_KEY, true, "Retired keys, by SHA-256 of SubjectPublicKeyInfo",
	"    "},
    {MM_ENTRY_CERTIFICATE, false, "Certificates, by SHA-256 of the DER",
	"    "},
    {MM_ENTRY_CSR, false, "CSRs, by SHA-256 of the DER", "    "},
    {MM_ENTRY_IMPORT, false,
	"Certificates of a CA outside, by SHA-256 of the "
	"DER",
	"    "},
};

static void
add_part(
    struct mm_buffer *out, const struct mm_ceremony_story *story, size_t part)
{
	bool begun = false;

	for (size_t i = 0; i < story->made_count; i++) {
		const struct mm_ceremony_made *one = &story->made[i];

		if (one->kind != parts[part].kind ||
		    one->retired != parts[part].retired)
			continue;
		if (!begun)
			mm_text_title(out, parts[part].title);
		begun = true;
		mm_buffer_printf(out, "  %.*s, entry %llu\n",
		    MM_SPAN(one->key.size > 0 ? one->key : one->subject),
		    (unsigned long long)one->index);
		add_hash_of(out, parts[part].hash, one->der);
	}
}

/* A principal's key is a TLS client's, by SHA-256 of its public key. */
static void
add_principals(struct mm_buffer *out, const struct mm_list *principals)
{
	if (principals->count > 0)
		mm_text_title(out, "Principals registered, by SHA-256 of "
				   "SubjectPublicKeyInfo");
	for (mm_list_each(const struct mm_principal_claim, one, *principals))
		mm_ceremony_text_principal(out, one);
}

static void
add_room(struct mm_buffer *out, const struct mm_policy *policy)
{
	static const char line[] =
	    "________________________________  ______________\n";

	mm_text_title(out, "I was there, and it was as this paper says "
			   "(signature, date)");
	for (mm_list_each(const struct mm_officer, one, policy->officers))
		mm_buffer_printf(
		    out, "\n  %-24.*s %s", MM_SPAN(one->name), line);
	for (size_t i = 0; i < 2; i++)
		mm_buffer_printf(out, "\n  %-24s %s", "", line);
}

static void
add_head(struct mm_buffer *out, const struct mm_ceremony_story *story,
    const struct mm_vkey *vkey)
{
	char time[MM_TIME_TEXT], text[MM_VKEY_MAX];

	mm_time_text(story->time, time);
	mm_vkey_text(vkey, text);
	mm_buffer_printf(out,
	    "Record of a ceremony\n\n"
	    "Carried out    %s\n"
	    "Log's key      %s\n"
	    "Entry          %llu\n",
	    time, text, (unsigned long long)story->index);
}

enum mm_error
mm_ceremony_record(const struct mm_ceremony_story *story,
    const struct mm_vkey *vkey, struct mm_span document, struct mm_buffer *out)
{
	mm_auto(arena) arena = {0};
	struct mm_policy policy;
	enum mm_error error;

	mm_arena_init(&arena, 1 << 20);
	if (!story->done)
		return mm_fail(MM_E_BUSY,
		    "the ceremony of entry %llu is not carried out to its end "
		    "yet",
		    (unsigned long long)story->index);
	error = mm_policy_decode(document, &arena, &policy);
	if (error != MM_OK)
		return error;
	add_head(out, story, vkey);
	mm_ceremony_text_frame(out, &story->claim);
	mm_ceremony_text_policy(out, document, &policy);
	error = add_signers(out, story, &policy);
	mm_ceremony_text_claim(out, &story->ceremony);
	for (size_t i = 0; i < MM_COUNT(parts); i++)
		add_part(out, story, i);
	add_principals(out, &story->principals);
	mm_ceremony_text_digest(out, story->payload);
	add_room(out, &policy);
	return error == MM_OK ? out->error : error;
}

/* --- the command --- */

static enum mm_error
print(const struct mm_invocation *invocation, struct mm_source *source,
    const struct mm_ceremony_story *story, struct mm_arena *arena)
{
	const char *path = mm_option(invocation, "out");
	struct mm_policy_at at;
	mm_auto(buffer) text = {0};
	enum mm_error error = mm_policy_at(source, story->index, arena, &at);

	mm_buffer_init(&text, MM_CEREMONY_TEXT_MAX);
	if (error == MM_OK)
		error = mm_ceremony_record(
		    story, mm_source_vkey(source), at.document, &text);
	return error == MM_OK ? mm_output(invocation, path != NULL ? path : "-",
				    mm_buffer_span(&text))
			      : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = mm_option(invocation, "out");
	enum mm_error error =
	    path != NULL ? mm_output_check(invocation, path) : MM_OK;

	return error == MM_OK ? mm_ceremony_read(invocation, print) : error;
}

static const struct mm_cli_option options[] = {
    MM_CEREMONY_READ_OPTIONS,
    {"out", "FILE", "where the record goes (stdout)", false},
};

const struct mm_command mm_ceremony_record_command = {
    .noun = "ceremony",
    .verb = "record",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "a ceremony on paper, for people to sign",
    .about = "It is made from the log, and is the same whenever it is made.",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
