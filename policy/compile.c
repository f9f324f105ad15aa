/*
 * Policy text to policy document. People write the sections in any order;
 * the document has them sorted, and is checked like one from elsewhere.
 */
#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "policy/document.h"
#include "policy/grammar.h"
#include "policy/product_text.h"
#include "policy/profile_text.h"
#include "protocol/text.h"

enum { ARENA_MAX = 1 << 20 };

/* The document, and what stands in the text in another form. */
struct policy_text {
	struct mm_policy policy;
	struct mm_list products;                     /* mm_product_text */
	uint64_t thresholds[MM_THRESHOLD_KINDS + 1]; /* by kind */
};

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

static const struct mm_grammar_key top_keys[] = {
    {"number", mm_read_number, AT(policy_text, policy.number), .min = 1,
	.max = INT64_MAX},
    {"names", mm_read_text, AT(policy_text, policy.names),
	ITEMS(mm_text_item, 1, 16)}};

static const struct mm_grammar_key officer_keys[] = {
    {"key", read_officer_key, AT(mm_officer, key)}};

#define THRESHOLD(name, kind) \
	{ \
		name, mm_read_number, AT(policy_text, thresholds[kind]), \
		    .min = 1, .max = MM_STATEMENTS_MAX \
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
    SECTION("profile", mm_profile_text_keys, mm_profile, profiles, 64),
    {"product", mm_product_text_keys, MM_COUNT(mm_product_text_keys),
	offsetof(struct policy_text, products), sizeof(struct mm_product_text),
	256},
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
    struct mm_threshold thresholds[MM_THRESHOLD_KINDS])
{
	struct mm_policy *policy = &text->policy;
	enum mm_error error;

	error = sort(&policy->profiles, sizeof(struct mm_profile), arena,
	    &policy->profiles);
	if (error == MM_OK)
		mm_profile_texts_settle(&policy->profiles);
	if (error == MM_OK)
		error = sort(&policy->products, sizeof(struct mm_product),
		    arena, &policy->products);
	if (error == MM_OK)
		error = sort(&policy->officers, sizeof(struct mm_officer),
		    arena, &policy->officers);
	for (uint64_t kind = 1; kind <= MM_THRESHOLD_KINDS; kind++)
		thresholds[kind - 1] =
		    (struct mm_threshold){kind, text->thresholds[kind]};
	policy->thresholds = (struct mm_list){thresholds, MM_THRESHOLD_KINDS};
	return error;
}

/* What the shape wants at least one of: it has no words for what to do. */
static enum mm_error
check_there(const char *path, const struct mm_policy *policy)
{
	if (policy->officers.count == 0)
		return mm_fail(MM_E_POLICY,
		    "%s: it has no officer, so that nobody could ever change "
		    "it: add officer \"NAME\" { key = \"...\" } with the "
		    "public key that `mintmark officer keygen` has shown",
		    path);
	if (policy->profiles.count == 0)
		return mm_fail(MM_E_POLICY,
		    "%s: it has no profile, so that nothing could be issued: "
		    "add profile \"NAME\" { ... } as in conf/policy.conf",
		    path);
	return MM_OK;
}

/* What is unsound as a whole, at the line that says it. */
static enum mm_error
check(const char *path, const struct mm_policy *policy,
    const struct mm_grammar_marks *marks)
{
	struct mm_policy_place place = {0};
	enum mm_error error = mm_policy_check(policy, &place);
	unsigned line;

	if (error == MM_OK)
		return MM_OK;
	line = mm_grammar_line(marks, place.section, place.title, place.key);
	if (line == 0)
		return mm_fail(MM_E_POLICY, "%s: %s", path, mm_why(error));
	return mm_fail(MM_E_POLICY, "%s:%u: %s", path, line, mm_why(error));
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

/* Files that a text names lie beside it. */
static enum mm_error
directory_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t size = slash != NULL ? (size_t)(slash - path) : 0;

	if (size >= PATH_MAX)
		return mm_fail(MM_E_POLICY, "the path %s is too long", path);
	if (slash == NULL)
		memcpy(out, ".", 2);
	else if (size == 0)
		memcpy(out, "/", 2);
	else {
		memcpy(out, path, size);
		out[size] = '\0';
	}
	return MM_OK;
}

static enum mm_error
compile(const char *path, const char *directory, struct mm_arena *arena,
    struct mm_grammar_marks *marks, struct mm_buffer *out)
{
	struct mm_threshold thresholds[MM_THRESHOLD_KINDS];
	struct policy_text text = {0};
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	mm_buffer_init(&bytes, 0);
	error = mm_file_read(path, MM_POLICY_TEXT_MAX, &bytes);
	if (error != MM_OK)
		return mm_fail(MM_E_POLICY, "%s", mm_why(error));
	error = mm_grammar_marks_init(marks, arena);
	if (error == MM_OK)
		error = mm_grammar_read_marked(&grammar, path,
		    mm_buffer_span(&bytes), arena, marks, &text);
	if (error == MM_OK)
		error = mm_product_texts_settle(&text.products, path, directory,
		    marks, arena, &text.policy.products);
	if (error == MM_OK)
		error = arrange(&text, arena, thresholds);
	if (error == MM_OK)
		error = check_there(path, &text.policy);
	if (error == MM_OK)
		error = check(path, &text.policy, marks);
	if (error == MM_OK)
		error = encode(path, &text.policy, arena, out);
	return error;
}

enum mm_error
mm_policy_compile_marked(const char *path, struct mm_arena *arena,
    struct mm_grammar_marks *marks, struct mm_buffer *out)
{
	char directory[PATH_MAX];
	enum mm_error error = directory_of(path, directory);

	return error == MM_OK ? compile(path, directory, arena, marks, out)
			      : error;
}

enum mm_error
mm_policy_compile_beside(
    const char *path, const char *directory, struct mm_buffer *out)
{
	struct mm_grammar_marks marks;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA_MAX);
	return compile(path, directory, &arena, &marks, out);
}

enum mm_error
mm_policy_compile(const char *path, struct mm_buffer *out)
{
	char directory[PATH_MAX];
	enum mm_error error = directory_of(path, directory);

	return error == MM_OK ? mm_policy_compile_beside(path, directory, out)
			      : error;
}
