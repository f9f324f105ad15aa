/*
 * Policy text to policy document. People write the sections in any order;
 * the document has them sorted, and is checked like one from elsewhere.
 */
#include <sodium.h>
#include <string.h>

#include "policy/document.h"
#include "policy/grammar.h"
#include "protocol/text.h"
#include "signer/scheme.h"

enum { ARENA_MAX = 1 << 20, YEAR = 365 * 86400 };

/* The document, and what stands in the text in another form. */
struct policy_text {
	struct mm_policy policy;
	uint64_t thresholds[MM_STATEMENT_KINDS]; /* by kind */
};

static const struct mm_word purposes[] = {{"device", MM_PURPOSE_DEVICE},
    {"client", MM_PURPOSE_CLIENT}, {"server", MM_PURPOSE_SERVER},
    {"ca", MM_PURPOSE_CA}, {"code-signing", MM_PURPOSE_CODE_SIGNING},
    {NULL, 0}};

static const struct mm_word key_types[] = {{"P-256", 1 << MM_KEY_P256},
    {"P-384", 1 << MM_KEY_P384}, {"RSA", 1 << MM_KEY_RSA},
    {"Ed25519", 1 << MM_KEY_ED25519}, {NULL, 0}};

static const struct mm_word usages[] = {
    {"digitalSignature", MM_KU_DIGITAL_SIGNATURE},
    {"keyAgreement", MM_KU_KEY_AGREEMENT}, {"keyCertSign", MM_KU_KEY_CERT_SIGN},
    {"cRLSign", MM_KU_CRL_SIGN}, {NULL, 0}};

static const struct mm_word ends[] = {{"forever", 0}, {NULL, 0}};

/* Names of OIDs; the dotted form may always be written instead. */
struct name {
	const char *name, *oid;
};
static const struct name extended_usages[] = {
    {"serverAuth", "1.3.6.1.5.5.7.3.1"}, {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"codeSigning", "1.3.6.1.5.5.7.3.3"}, {NULL, NULL}};
static const struct name attributes[] = {{"CN", "2.5.4.3"},
    {"serialNumber", "2.5.4.5"}, {"C", "2.5.4.6"}, {"L", "2.5.4.7"},
    {"ST", "2.5.4.8"}, {"O", "2.5.4.10"}, {"OU", "2.5.4.11"},
    {"title", "2.5.4.12"}, {NULL, NULL}};

/* The OID of a name, the text itself where it is an OID, else nothing. */
static struct mm_span
find_oid(const struct name *names, struct mm_span name)
{
	size_t digits = 0;

	for (; names->name != NULL; names++)
		if (mm_span_is(name, names->name))
			return mm_span_text(names->oid);
	while (digits < name.size &&
	       strchr("0123456789.", name.data[digits]) != NULL)
		digits++;
	return digits == name.size ? name : mm_span(NULL, 0);
}

static enum mm_error
keep(struct mm_arena *arena, struct mm_span from, struct mm_span *to)
{
	struct mm_span copy = mm_arena_copy(arena, from);

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	*to = copy;
	return MM_OK;
}

/* "clientAuth" or "1.3.6.1.5.5.7.3.2" */
static enum mm_error
read_purpose(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_text_item *item = member;
	struct mm_span oid = find_oid(extended_usages, mm_span_text(value));

	(void)key;
	if (oid.size == 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" is none of serverAuth, clientAuth, codeSigning "
		    "and no OID",
		    value);
	return keep(arena, oid, &item->value);
}

/* "CN={device}" or "2.5.4.3={device}" */
static enum mm_error
read_subject(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_subject_part *part = member;
	const char *equal = strchr(value, '=');
	struct mm_span oid = mm_span(NULL, 0);
	enum mm_error error;

	(void)key;
	if (equal != NULL)
		oid = find_oid(
		    attributes, mm_span(value, (size_t)(equal - value)));
	if (oid.size == 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" is not like \"CN={device}\"; before the = stands "
		    "CN, O, OU, C, ST, L, serialNumber, title or an OID",
		    value);
	error = keep(arena, oid, &part->oid);
	if (error == MM_OK && !mm_text_ok(mm_span_text(equal + 1)))
		error = mm_fail(MM_E_TEXT, "%s", mm_error_text(MM_E_TEXT));
	if (error == MM_OK)
		error = keep(arena, mm_span_text(equal + 1), &part->template);
	return error;
}

/* Two members, of which the second alone would not tell 0 from nothing. */
static enum mm_error
read_path_length(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_profile *profile = member;

	profile->path = true;
	return mm_read_number(key, value, arena, &profile->path_length);
}

static enum mm_error
read_scheme(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	if (mm_scheme_find(mm_span_text(value)) == NULL)
		return mm_fail(
		    MM_E_SCHEME, "\"%s\" is no signature scheme", value);
	return mm_read_text(key, value, arena, member);
}

/* 32 bytes as hexadecimal digits or base64. */
static enum mm_error
read_officer_key(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	size_t length = strlen(value), size = 0;
	uint8_t bytes[32];
	int failed;

	(void)key;
	(void)arena;
	if (length == 2 * sizeof(bytes))
		failed = sodium_hex2bin(
		    bytes, sizeof(bytes), value, length, NULL, &size, NULL);
	else
		failed = sodium_base642bin(bytes, sizeof(bytes), value, length,
		    NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL);
	if (failed != 0 || size != sizeof(bytes) ||
	    !mm_text_is_ascii(mm_span_text(value)))
		return mm_fail(MM_E_FORMAT,
		    "an officer's key is 32 bytes: 64 hexadecimal digits or "
		    "44 characters of base64");
	memcpy(member, bytes, sizeof(bytes));
	return MM_OK;
}

#define AT(S, m) .offset = offsetof(struct S, m)
#define ITEMS(S, lo, hi) \
	.list = true, .item = sizeof(struct S), .min = lo, .max = hi
#define BITS(names) .list = true, .min = 1, .max = 8, .words = names

static const struct mm_grammar_key top_keys[] = {
    {"number", mm_read_number, AT(policy_text, policy.number), .min = 1,
	.max = INT64_MAX},
    {"names", mm_read_text, AT(policy_text, policy.names),
	ITEMS(mm_text_item, 1, 16)}};

static const struct mm_grammar_key profile_keys[] = {
    {"purpose", mm_read_word, AT(mm_profile, purpose), .words = purposes},
    {"issuer", mm_read_text, AT(mm_profile, issuer), .min = 1,
	.max = MM_NAME_MAX},
    {"subject", read_subject, AT(mm_profile, subject),
	ITEMS(mm_subject_part, 1, 16)},
    {"validity", mm_read_duration, AT(mm_profile, validity), .min = 1,
	.max = (uint64_t)100 * YEAR, .words = ends},
    {"backdate", mm_read_duration, AT(mm_profile, backdate), .max = YEAR,
	.standard = ""},
    {"keys", mm_read_word, AT(mm_profile, keys), BITS(key_types)},
    {"key-usage", mm_read_word, AT(mm_profile, key_usage), BITS(usages)},
    {"purposes", read_purpose, AT(mm_profile, purposes),
	ITEMS(mm_text_item, 0, 16), .standard = ""},
    /* Reads the whole struct. */
    {"path-length", read_path_length, .max = 8, .standard = ""}};

static const struct mm_grammar_key product_keys[] = {
    {"schemes", read_scheme, AT(mm_product, schemes),
	ITEMS(mm_text_item, 1, 16)},
    {"size", mm_read_size, AT(mm_product, size), .min = 1,
	.max = (uint64_t)1 << 40, .standard = ""}};

static const struct mm_grammar_key officer_keys[] = {
    {"key", read_officer_key, AT(mm_officer, key)}};

#define THRESHOLD(name, kind) \
	{ \
		name, mm_read_number, AT(policy_text, thresholds[kind]), \
		    .min = 1, .max = 64 \
	}
static const struct mm_grammar_key threshold_keys[] = {
    THRESHOLD("order", MM_STATEMENT_ORDER),
    THRESHOLD("release", MM_STATEMENT_RELEASE),
    THRESHOLD("revoke", MM_STATEMENT_REVOKE),
    THRESHOLD("principal", MM_STATEMENT_PRINCIPAL),
    THRESHOLD("policy", MM_STATEMENT_POLICY),
    THRESHOLD("ceremony", MM_STATEMENT_CEREMONY)};

#define SECTION(name, keys, S, m, most) \
	{ \
		name, keys, MM_COUNT(keys), \
		    offsetof(struct policy_text, policy.m), sizeof(struct S), \
		    most \
	}
static const struct mm_grammar_section sections[] = {
    {NULL, top_keys, MM_COUNT(top_keys), 0, 0, 0},
    SECTION("profile", profile_keys, mm_profile, profiles, 64),
    SECTION("product", product_keys, mm_product, products, 256),
    SECTION("officer", officer_keys, mm_officer, officers, 64),
    {"thresholds", threshold_keys, MM_COUNT(threshold_keys), 0, 0, 0}};

static const struct mm_grammar grammar = {
    MM_E_POLICY, sections, MM_COUNT(sections)};

/* Every section's struct begins with its name. */
static int
compare_names(const void *a, const void *b)
{
	return mm_span_compare(
	    *(const struct mm_span *)a, *(const struct mm_span *)b);
}

static enum mm_error
sort(const struct mm_list *list, size_t size, struct mm_arena *arena,
    struct mm_list *out)
{
	void *items = mm_arena_alloc(arena, list->count * size);

	if (items == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	if (list->count > 0) {
		memcpy(items, list->items, list->count * size);
		qsort(items, list->count, size, compare_names);
	}
	*out = (struct mm_list){items, list->count};
	return MM_OK;
}

static enum mm_error
arrange(struct policy_text *text, struct mm_arena *arena,
    struct mm_threshold thresholds[MM_STATEMENT_KINDS - 1])
{
	struct mm_policy *policy = &text->policy;
	enum mm_error error;

	error = sort(&policy->profiles, sizeof(struct mm_profile), arena,
	    &policy->profiles);
	if (error == MM_OK)
		error = sort(&policy->products, sizeof(struct mm_product),
		    arena, &policy->products);
	if (error == MM_OK)
		error = sort(&policy->officers, sizeof(struct mm_officer),
		    arena, &policy->officers);
	for (uint64_t kind = 1; kind < MM_STATEMENT_KINDS; kind++)
		thresholds[kind - 1] =
		    (struct mm_threshold){kind, text->thresholds[kind]};
	policy->thresholds =
	    (struct mm_list){thresholds, MM_STATEMENT_KINDS - 1};
	return error;
}

/* What was made is read as the token process will read it. */
static enum mm_error
encode(const char *path, const struct mm_policy *policy, struct mm_arena *arena,
    struct mm_buffer *out)
{
	mm_auto(buffer) document = {0};
	struct mm_policy again;
	enum mm_error error;

	mm_buffer_init(&document, MM_POLICY_MAX);
	error = mm_shape_encode(&mm_policy_shape, policy, &document);
	if (error == MM_OK)
		error =
		    mm_policy_decode(mm_buffer_span(&document), arena, &again);
	if (error != MM_OK)
		return mm_fail(MM_E_POLICY, "%s: %s", path, mm_why(error));
	mm_buffer_add(out, document.data, document.size);
	return out->error;
}

enum mm_error
mm_policy_compile(const char *path, struct mm_buffer *out)
{
	struct mm_threshold thresholds[MM_STATEMENT_KINDS - 1];
	struct policy_text text = {0};
	mm_auto(buffer) bytes = {0};
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, 0);
	mm_arena_init(&arena, ARENA_MAX);
	error = mm_file_read(path, MM_POLICY_TEXT_MAX, &bytes);
	if (error != MM_OK)
		return mm_fail(MM_E_POLICY, "%s", mm_why(error));
	error = mm_grammar_read(
	    &grammar, path, mm_buffer_span(&bytes), &arena, &text);
	if (error == MM_OK)
		error = arrange(&text, &arena, thresholds);
	if (error == MM_OK)
		error = encode(path, &text.policy, &arena, out);
	return error;
}
