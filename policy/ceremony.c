#include "policy/ceremony.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/grammar.h"

enum {
	FILE_MAX = 65536,
	PATH_SIZE = 1024,
	EACH_MAX = 16, /* of keys, certificates, requests: the claim's */
	PRINCIPALS = 256,
	DAY = 86400
};

/* --- the grammar --- */

/* SHA-256 of a key's SubjectPublicKeyInfo, as hexadecimal digits. */
static enum mm_error
read_existing(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	uint8_t hash[32];
	size_t size = 0;
	struct mm_span copy;

	(void)key;
	if (strlen(value) != 2 * sizeof(hash) ||
	    sodium_hex2bin(hash, sizeof(hash), value, strlen(value), NULL,
		&size, NULL) != 0 ||
	    size != sizeof(hash))
		return mm_fail(MM_E_FORMAT,
		    "an existing key is the SHA-256 of its public key: 64 "
		    "hexadecimal digits, as `mintmark ceremony record` has "
		    "them");
	copy = mm_arena_copy(arena, mm_span(hash, sizeof(hash)));
	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	*(struct mm_span *)member = copy;
	return MM_OK;
}

static const struct mm_word uses[] = {{"root-ca", MM_KEY_ROOT_CA},
    {"device-ca", MM_KEY_DEVICE_CA}, {"access-ca", MM_KEY_ACCESS_CA},
    {"code-signing", MM_KEY_CODE_SIGNING}, {NULL, 0}};
static const struct mm_word algorithms[] = {
    {"P-256", 0}, {"RSA-3072", MM_ALGORITHM_RSA3072}, {NULL, 0}};
static const struct mm_word roles[] = {{"station", MM_ROLE_STATION},
    {"release", MM_ROLE_RELEASE}, {"auditor", MM_ROLE_AUDITOR},
    {"officer", MM_ROLE_OFFICER}, {NULL, 0}};

#define TEXT(S, name, m, most, given) \
	{ \
		name, mm_read_text, .offset = offsetof(struct S, m), .min = 1, \
				    .max = most, .standard = given \
	}
#define TEXTS(S, name, m, most) \
	{ \
		name, mm_read_text, \
		    .offset = offsetof(struct S, m), .list = true, \
		    .item = sizeof(struct mm_text_item), .max = most, \
		    .standard = "" \
	}
#define WORD(S, name, m, table) \
	{ \
		name, mm_read_word, .offset = offsetof(struct S, m), \
				    .words = table \
	}
#define COUNT(S, name, m, most) \
	{ \
		name, mm_read_number, .offset = offsetof(struct S, m), \
				      .min = 1, .max = most, .standard = "" \
	}

static const struct mm_grammar_key top_keys[] = {
    TEXT(mm_ceremony_text, "origin", origin, MM_ORIGIN_MAX, ""),
    TEXT(mm_ceremony_text, "policy", policy, PATH_SIZE, ""),
    TEXT(mm_ceremony_text, "settings", settings, PATH_SIZE, ""),
    TEXT(mm_ceremony_text, "address", address, 255, ""),
    {"expires", mm_read_duration,
	.offset = offsetof(struct mm_ceremony_text, expires), .min = 3600,
	.max = 366 * (uint64_t)DAY, .standard = "7d"},
    TEXTS(mm_ceremony_text, "retire", retire, EACH_MAX),
    TEXTS(mm_ceremony_text, "notes", note_lines, 256)};

static const struct mm_grammar_key key_keys[] = {
    WORD(mm_ceremony_key, "use", use, uses),
    {"algorithm", mm_read_word,
	.offset = offsetof(struct mm_ceremony_key, algorithm),
	.words = algorithms, .standard = "P-256"},
    {"existing", read_existing,
	.offset = offsetof(struct mm_ceremony_key, existing), .standard = ""}};

static const struct mm_grammar_key certificate_keys[] = {
    TEXT(mm_ceremony_certificate, "issuer", issuer, MM_NAME_MAX, NULL),
    TEXT(mm_ceremony_certificate, "profile", profile, MM_NAME_MAX, NULL),
    TEXT(mm_ceremony_certificate, "subject", subject, MM_NAME_MAX, NULL)};

static const struct mm_grammar_key request_keys[] = {
    TEXT(mm_ceremony_request, "profile", profile, MM_NAME_MAX, NULL),
    TEXT(mm_ceremony_request, "subject", subject, MM_NAME_MAX, NULL)};

static const struct mm_grammar_key principal_keys[] = {
    WORD(mm_ceremony_principal, "role", role, roles),
    TEXT(mm_ceremony_principal, "csr", csr, PATH_SIZE, NULL),
    TEXTS(mm_ceremony_principal, "profiles", profiles, 64),
    COUNT(mm_ceremony_principal, "daily", daily, INT64_MAX),
    COUNT(mm_ceremony_principal, "minute", minute, UINT32_MAX)};

#define SECTION(name, keys, S, m, most) \
	{ \
		name, keys, MM_COUNT(keys), \
		    offsetof(struct mm_ceremony_text, m), sizeof(struct S), \
		    most \
	}
static const struct mm_grammar_section sections[] = {
    {NULL, top_keys, MM_COUNT(top_keys), 0, 0, 0},
    SECTION("key", key_keys, mm_ceremony_key, keys, EACH_MAX),
    SECTION("certificate", certificate_keys, mm_ceremony_certificate,
	certificates, EACH_MAX),
    SECTION("request", request_keys, mm_ceremony_request, requests, EACH_MAX),
    SECTION("principal", principal_keys, mm_ceremony_principal, principals,
	PRINCIPALS)};

static const struct mm_grammar grammar = {
    MM_E_FORMAT, sections, MM_COUNT(sections)};

/* --- what the stage has no use for --- */

struct reading {
	const char *path;
	enum mm_ceremony_stage stage;
	struct mm_ceremony_text *text;
	struct mm_grammar_marks marks;
};

#define wrong(r, section, title, key, ...) \
	fault_at( \
	    r, mm_grammar_line(&(r)->marks, section, title, key), __VA_ARGS__)

static enum mm_error __attribute__((format(printf, 3, 4)))
fault_at(const struct reading *r, unsigned line, const char *format, ...)
{
	char what[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (line == 0)
		return mm_fail(MM_E_FORMAT, "%s: %s", r->path, what);
	return mm_fail(MM_E_FORMAT, "%s:%u: %s", r->path, line, what);
}

static enum mm_error
check_stage(const struct reading *r)
{
	const struct mm_ceremony_text *text = r->text;
	const struct {
		const char *name;
		bool there;
	} birth[] = {{"origin", text->origin.size > 0},
	    {"policy", text->policy.size > 0},
	    {"settings", text->settings.size > 0}};
	bool amends = r->stage == MM_CEREMONY_AMENDMENT;

	for (size_t i = 0; i < MM_COUNT(birth); i++) {
		if (amends && birth[i].there)
			return wrong(r, NULL, mm_span(NULL, 0), birth[i].name,
			    "%s is what a ceremony begins a log with: a "
			    "running one has it already",
			    birth[i].name);
		if (!amends && !birth[i].there)
			return mm_fail(MM_E_FORMAT,
			    "%s: %s is missing: a log begins with it", r->path,
			    birth[i].name);
	}
	if (amends && text->principals.count > 0)
		return mm_fail(MM_E_FORMAT,
		    "%s: a running mint registers people by `mintmark station "
		    "add`, not in a ceremony",
		    r->path);
	if (!amends && text->retire.count > 0)
		return wrong(r, NULL, mm_span(NULL, 0), "retire",
		    "a log that begins has no key to retire");
	if (!amends && text->keys.count == 0)
		return mm_fail(
		    MM_E_FORMAT, "%s: there is no key in it", r->path);
	return MM_OK;
}

/* --- what stands in it --- */

static const struct mm_ceremony_key *
key_named(const struct mm_ceremony_text *text, struct mm_span name)
{
	for (mm_list_each(const struct mm_ceremony_key, key, text->keys))
		if (mm_span_equal(key->name, name))
			return key;
	return NULL;
}

static enum mm_error
check_keys(const struct reading *r)
{
	for (mm_list_each(const struct mm_ceremony_key, key, r->text->keys)) {
		bool takes = r->stage == MM_CEREMONY_SUCCESSION;
		const struct mm_list alone = {key, 1};

		if (mm_ceremony_keys_check(&alone) != MM_OK)
			return wrong(r, "key", key->name, "algorithm", "%s",
			    mm_why(MM_E_KEY_TYPE));
		if (!takes && key->existing.size > 0)
			return wrong(r, "key", key->name, "existing",
			    "key \"%.*s\": only a succession takes over keys "
			    "that the token has",
			    MM_SPAN(key->name));
	}
	return MM_OK;
}

/* Whether a key has a certificate of this text before `end`. */
static bool
certified_before(const struct mm_ceremony_text *text,
    const struct mm_ceremony_certificate *end, struct mm_span key)
{
	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 text->certificates)) {
		if (one == end)
			return false;
		if (mm_span_equal(one->key, key))
			return true;
	}
	return false;
}

/* At birth a key is one of the text's; later it may be an older one. */
static bool
may_name(const struct reading *r, struct mm_span name)
{
	return r->stage == MM_CEREMONY_AMENDMENT ||
	       key_named(r->text, name) != NULL;
}

static enum mm_error
check_certificates(const struct reading *r)
{
	for (mm_list_each(const struct mm_ceremony_certificate, one,
		 r->text->certificates)) {
		const struct mm_ceremony_key *issuer =
		    key_named(r->text, one->issuer);

		if (!may_name(r, one->key))
			return wrong(r, "certificate", one->key, NULL,
			    "certificate \"%.*s\": there is no key of this "
			    "name",
			    MM_SPAN(one->key));
		if (!may_name(r, one->issuer))
			return wrong(r, "certificate", one->key, "issuer",
			    "certificate \"%.*s\": there is no key \"%.*s\" to "
			    "issue it",
			    MM_SPAN(one->key), MM_SPAN(one->issuer));
		if (mm_ceremony_signer(&r->text->keys, one->issuer) != MM_OK)
			return wrong(r, "certificate", one->key, "issuer", "%s",
			    mm_why(MM_E_KEY_TYPE));
		if (mm_span_equal(one->issuer, one->key))
			continue;
		if (issuer != NULL && issuer->use == MM_KEY_CODE_SIGNING)
			return wrong(r, "certificate", one->key, "issuer",
			    "certificate \"%.*s\": a key for code signing "
			    "issues nothing",
			    MM_SPAN(one->key));
		if (issuer != NULL &&
		    !certified_before(r->text, one, one->issuer))
			return wrong(r, "certificate", one->key, "issuer",
			    "certificate \"%.*s\": its issuer \"%.*s\" has no "
			    "certificate before it: write that one first",
			    MM_SPAN(one->key), MM_SPAN(one->issuer));
	}
	return MM_OK;
}

static enum mm_error
check_requests(const struct reading *r)
{
	for (mm_list_each(
		 const struct mm_ceremony_request, one, r->text->requests)) {
		if (!may_name(r, one->key))
			return wrong(r, "request", one->key, NULL,
			    "request \"%.*s\": there is no key of this name",
			    MM_SPAN(one->key));
		if (mm_ceremony_signer(&r->text->keys, one->key) != MM_OK)
			return wrong(r, "request", one->key, NULL, "%s",
			    mm_why(MM_E_KEY_TYPE));
	}
	return MM_OK;
}

static enum mm_error
check_principals(const struct reading *r)
{
	for (mm_list_each(const struct mm_ceremony_principal, one,
		 r->text->principals)) {
		bool station = one->role == MM_ROLE_STATION;

		if (station != (one->profiles.count > 0))
			return wrong(r, "principal", one->name, "profiles",
			    "principal \"%.*s\": %s", MM_SPAN(one->name),
			    station ? "a station wants profiles: what it may "
				      "ask for"
				    : "only a station has profiles");
	}
	return MM_OK;
}

static enum mm_error
join_notes(struct reading *r, struct mm_arena *arena)
{
	struct mm_ceremony_text *text = r->text;
	mm_auto(buffer) notes = {0};

	mm_buffer_init(&notes, MM_NOTES_MAX);
	for (mm_list_each(const struct mm_text_item, line, text->note_lines)) {
		mm_buffer_add(&notes, line->value.data, line->value.size);
		mm_buffer_add(&notes, "\n", 1);
	}
	if (notes.error != MM_OK)
		return wrong(r, NULL, mm_span(NULL, 0), "notes",
		    "the notes have more than %d bytes", MM_NOTES_MAX);
	if (notes.size == 0)
		return MM_OK;
	text->notes = mm_arena_copy(arena, mm_buffer_span(&notes));
	return text->notes.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "memory is short");
}

enum mm_error
mm_ceremony_text_read(const char *path, enum mm_ceremony_stage stage,
    struct mm_arena *arena, struct mm_ceremony_text *out)
{
	static enum mm_error (*const checks[])(const struct reading *) = {
	    check_stage, check_keys, check_certificates, check_requests,
	    check_principals};
	struct mm_ceremony_text text = {.expires = 0};
	struct reading r = {path, stage, &text, {0}};
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, FILE_MAX);
	error = mm_file_read(path, FILE_MAX, &bytes);
	if (error == MM_OK)
		error = mm_grammar_marks_init(&r.marks, arena);
	if (error == MM_OK)
		error = mm_grammar_read_marked(&grammar, path,
		    mm_buffer_span(&bytes), arena, &r.marks, &text);
	for (size_t i = 0; i < MM_COUNT(checks) && error == MM_OK; i++)
		error = checks[i](&r);
	if (error == MM_OK)
		error = join_notes(&r, arena);
	if (error == MM_OK)
		*out = text;
	return error;
}

/* --- against the policy --- */

static enum mm_error
check_profile(const struct mm_ceremony_text *text,
    const struct mm_policy *policy, struct mm_span key, struct mm_span name)
{
	const struct mm_profile *profile = mm_policy_profile(policy, name);
	const struct mm_ceremony_key *made = key_named(text, key);
	bool code =
	    profile != NULL && profile->purpose == MM_PURPOSE_CODE_SIGNING;

	if (profile == NULL)
		return mm_fail(MM_E_PROFILE,
		    "the policy has no profile \"%.*s\", which the ceremony "
		    "wants for \"%.*s\"",
		    MM_SPAN(name), MM_SPAN(key));
	if (!code && profile->purpose != MM_PURPOSE_CA)
		return mm_fail(MM_E_PROFILE,
		    "profile \"%.*s\" is neither for a CA nor for code "
		    "signing: no ceremony makes such a certificate",
		    MM_SPAN(name));
	if (made != NULL && code != (made->use == MM_KEY_CODE_SIGNING))
		return mm_fail(MM_E_PROFILE,
		    "profile \"%.*s\" does not fit the key \"%.*s\", which is "
		    "for %s",
		    MM_SPAN(name), MM_SPAN(key), mm_key_use_name(made->use));
	return MM_OK;
}

static enum mm_error
check_profiles(
    const struct mm_ceremony_text *text, const struct mm_policy *policy)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(
		 const struct mm_ceremony_certificate, one, text->certificates))
		if (error == MM_OK)
			error =
			    check_profile(text, policy, one->key, one->profile);
	for (mm_list_each(
		 const struct mm_ceremony_request, one, text->requests))
		if (error == MM_OK)
			error =
			    check_profile(text, policy, one->key, one->profile);
	return error;
}

/* What is issued every day has its issuer from the first day on. */
static enum mm_error
check_issuers(
    const struct mm_ceremony_text *text, const struct mm_policy *policy)
{
	for (mm_list_each(const struct mm_profile, profile, policy->profiles)) {
		if (profile->purpose > MM_PURPOSE_SERVER ||
		    key_named(text, profile->issuer) != NULL)
			continue;
		return mm_fail(MM_E_POLICY,
		    "profile \"%.*s\" of the policy issues with the key "
		    "\"%.*s\", which the ceremony does not have",
		    MM_SPAN(profile->name), MM_SPAN(profile->issuer));
	}
	return MM_OK;
}

static enum mm_error
check_stations(
    const struct mm_ceremony_text *text, const struct mm_policy *policy)
{
	for (mm_list_each(
		 const struct mm_ceremony_principal, one, text->principals))
		for (mm_list_each(
			 const struct mm_text_item, name, one->profiles))
			if (mm_policy_profile(policy, name->value) == NULL)
				return mm_fail(MM_E_PROFILE,
				    "the policy has no profile \"%.*s\", which "
				    "the principal \"%.*s\" is to ask for",
				    MM_SPAN(name->value), MM_SPAN(one->name));
	return MM_OK;
}

enum mm_error
mm_ceremony_text_check(
    const struct mm_ceremony_text *text, const struct mm_policy *policy)
{
	enum mm_error error = check_profiles(text, policy);

	/* A running mint has issuers already. */
	if (error == MM_OK && text->origin.size > 0)
		error = check_issuers(text, policy);
	if (error == MM_OK)
		error = check_stations(text, policy);
	return error;
}
