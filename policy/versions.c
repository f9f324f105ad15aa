/*
 * Versions as people write them, and which is the higher one. Numbers are
 * digit strings of any length here: nothing overflows.
 */
#include <string.h>

#include "policy/rules.h"

enum {
	VERSION_MAX = 255, /* bytes */
	PARTS_MAX = 8,     /* numbers with dots between them */
	MCUBOOT_PARTS = 4,
	GIT_HASH_MIN = 4, /* core.abbrev */
	GIT_HASH_MAX = 64
};

/* A version taken apart; what a way does not know stays empty. */
struct version {
	/* Digits, zeros in front left out: an absent number is 0. */
	struct mm_span numbers[PARTS_MAX];
	struct mm_span behind;     /* commits, as git describe counts them */
	struct mm_span prerelease; /* of semver: identifiers and dots */
};

/* What is not read yet. */
struct cursor {
	const uint8_t *at, *end;
};

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
is_identifier(uint8_t c)
{
	return is_digit(c) || c == '-' || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

static bool
is_hexadecimal(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static struct mm_span
take_while(struct cursor *c, bool (*good)(uint8_t))
{
	const uint8_t *start = c->at;

	while (c->at < c->end && good(*c->at))
		c->at++;
	return mm_span(start, (size_t)(c->at - start));
}

static bool
take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != (uint8_t)wanted)
		return false;
	c->at++;
	return true;
}

static bool
take_text(struct cursor *c, const char *wanted)
{
	size_t size = strlen(wanted);

	if ((size_t)(c->end - c->at) < size || memcmp(c->at, wanted, size) != 0)
		return false;
	c->at += size;
	return true;
}

static struct mm_span
without_zeros(struct mm_span digits)
{
	while (digits.size > 0 && digits.data[0] == '0')
		digits = mm_span(digits.data + 1, digits.size - 1);
	return digits;
}

static bool
padded(struct mm_span digits)
{
	return digits.size > 1 && digits.data[0] == '0';
}

/* `strict`: 07 is no number. */
static bool
take_number(struct cursor *c, bool strict, struct mm_span *out)
{
	struct mm_span digits = take_while(c, is_digit);

	if (digits.size == 0 || (strict && padded(digits)))
		return false;
	*out = without_zeros(digits);
	return true;
}

static int
compare_numbers(struct mm_span a, struct mm_span b)
{
	if (a.size != b.size)
		return a.size < b.size ? -1 : 1;
	return mm_span_compare(a, b);
}

/* semver.org 9 and 10: [0-9A-Za-z-]+ with dots between. */
static bool
take_identifiers(struct cursor *c, bool strict, struct mm_span *out)
{
	const uint8_t *start = c->at;

	do {
		struct mm_span one = take_while(c, is_identifier);
		struct cursor inner = {one.data, one.data + one.size};

		if (one.size == 0)
			return false;
		take_while(&inner, is_digit);
		if (strict && inner.at == inner.end && padded(one))
			return false;
	} while (take(c, '.'));
	*out = mm_span(start, (size_t)(c->at - start));
	return true;
}

/* semver.org 2.0.0. */
static bool
read_semver(struct cursor *c, struct version *out)
{
	struct mm_span build;

	(void)take(c, 'v');
	for (size_t i = 0; i < 3; i++)
		if ((i > 0 && !take(c, '.')) ||
		    !take_number(c, true, &out->numbers[i]))
			return false;
	if (take(c, '-') && !take_identifiers(c, true, &out->prerelease))
		return false;
	return !take(c, '+') || take_identifiers(c, false, &build);
}

/* "-14-gabcdef0" */
static bool
take_description(struct cursor *c, struct mm_span *behind)
{
	struct mm_span hash;

	if (!take(c, '-') || !take_number(c, true, behind) || !take(c, '-') ||
	    !take(c, 'g'))
		return false;
	hash = take_while(c, is_hexadecimal);
	return hash.size >= GIT_HASH_MIN && hash.size <= GIT_HASH_MAX;
}

static bool
read_dotted(struct cursor *c, struct version *out)
{
	size_t count = 0;

	(void)take(c, 'v');
	do {
		if (count == PARTS_MAX ||
		    !take_number(c, false, &out->numbers[count++]))
			return false;
	} while (take(c, '.'));
	if (c->at + 1 < c->end && is_digit(c->at[1]) &&
	    !take_description(c, &out->behind))
		return false;
	(void)take_text(c, "-dirty");
	return true;
}

static bool
read_number(struct cursor *c, struct version *out)
{
	return take_number(c, true, &out->numbers[0]);
}

/* imgtool writes what is absent as 0. */
static bool
read_mcuboot(struct cursor *c, struct version *out)
{
	static const char before[MCUBOOT_PARTS] = {0, '.', '.', '+'};
	/* struct image_version: 8, 8, 16 and 32 bits. */
	static const char *const most[MCUBOOT_PARTS] = {
	    "255", "255", "65535", "4294967295"};

	for (size_t i = 0; i < MCUBOOT_PARTS; i++) {
		if (i > 0 && !take(c, before[i]))
			break;
		if (!take_number(c, true, &out->numbers[i]) ||
		    compare_numbers(out->numbers[i], mm_span_text(most[i])) > 0)
			return false;
	}
	return true;
}

static const struct way {
	const char *name, *form;
	bool (*read)(struct cursor *, struct version *); /* NULL: no order */
} ways[MM_VERSIONS_WAYS] = {[MM_VERSIONS_ANY] = {"any", "any text", NULL},
    [MM_VERSIONS_SEMVER] = {"semver", "1.2.3 or 1.2.3-rc.1 (semver.org)",
	read_semver},
    [MM_VERSIONS_DOTTED] = {"dotted",
	"1.2.3 or v1.2.3-14-gabcdef0 (git describe)", read_dotted},
    [MM_VERSIONS_NUMBER] = {"number", "one number like 17", read_number},
    [MM_VERSIONS_MCUBOOT] = {"mcuboot",
	"1.2.3+4 (numbers to 255, 255, 65535 and 4294967295)", read_mcuboot}};

const char *
mm_versions_name(uint64_t versions)
{
	return versions < MM_VERSIONS_WAYS ? ways[versions].name : NULL;
}

static enum mm_error
read_version(uint64_t versions, struct mm_span text, struct version *out)
{
	struct cursor c = {text.data, text.data + text.size};

	if (versions >= MM_VERSIONS_WAYS || ways[versions].read == NULL)
		return mm_fail(MM_E_FORMAT, "these versions have no order");
	memset(out, 0, sizeof(*out));
	if (text.size == 0 || text.size > VERSION_MAX ||
	    !ways[versions].read(&c, out) || c.at != c.end)
		return mm_fail(MM_E_FORMAT, "\"%.*s\" is not written like %s",
		    (int)(text.size < 100 ? text.size : 100),
		    (const char *)text.data, ways[versions].form);
	return MM_OK;
}

/* Cuts the first identifier off. */
static struct mm_span
next_identifier(struct mm_span *rest)
{
	const uint8_t *dot = memchr(rest->data, '.', rest->size);
	struct mm_span one = *rest;

	if (dot == NULL) {
		*rest = mm_span(NULL, 0);
		return one;
	}
	one.size = (size_t)(dot - one.data);
	*rest = mm_span(dot + 1, rest->size - one.size - 1);
	return one;
}

static bool
is_number(struct mm_span identifier)
{
	for (size_t i = 0; i < identifier.size; i++)
		if (!is_digit(identifier.data[i]))
			return false;
	return true;
}

/* semver.org 11.4: numbers by value and below all words, words by ASCII. */
static int
compare_identifiers(struct mm_span a, struct mm_span b)
{
	bool numbers[] = {is_number(a), is_number(b)};

	if (numbers[0] != numbers[1])
		return numbers[0] ? -1 : 1;
	return numbers[0] ? compare_numbers(without_zeros(a), without_zeros(b))
			  : mm_span_compare(a, b);
}

/* 11.3 and 11.4.4: a release is above its pre-releases, and of two of these
 * the longer one, where the shorter is its beginning. */
static int
compare_prereleases(struct mm_span a, struct mm_span b)
{
	int order = 0;

	if (a.size == 0 || b.size == 0)
		return (a.size == 0) - (b.size == 0);
	while (order == 0 && a.size > 0 && b.size > 0) {
		struct mm_span one = next_identifier(&a);
		struct mm_span other = next_identifier(&b);

		order = compare_identifiers(one, other);
	}
	return order != 0 ? order : (a.size > 0) - (b.size > 0);
}

enum mm_error
mm_version_compare(
    uint64_t versions, struct mm_span a, struct mm_span b, int *out)
{
	struct version one, other;
	enum mm_error error = read_version(versions, a, &one);
	int order = 0;

	if (error == MM_OK)
		error = read_version(versions, b, &other);
	if (error != MM_OK)
		return error;
	for (size_t i = 0; i < PARTS_MAX && order == 0; i++)
		order = compare_numbers(one.numbers[i], other.numbers[i]);
	if (order == 0)
		order = compare_numbers(one.behind, other.behind);
	if (order == 0)
		order = compare_prereleases(one.prerelease, other.prerelease);
	*out = order;
	return MM_OK;
}
