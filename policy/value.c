#include <string.h>

#include "policy/grammar.h"

/* Letters after a number and what they multiply it by. */
static const struct mm_word sizes[] = {
    {"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const struct mm_word durations[] = {{"s", 1}, {"m", 60}, {"h", 3600},
    {"d", 86400}, {"y", 365 * 86400}, {NULL, 0}};
static const struct mm_word plain[] = {{"", 1}, {NULL, 0}};

static const struct mm_word *
find_word(const struct mm_word *words, const char *value)
{
	for (; words != NULL && words->word != NULL; words++)
		if (strcmp(words->word, value) == 0)
			return words;
	return NULL;
}

/* Decimal digits; the rest of the text goes to `end`. */
static bool
read_digits(const char *value, uint64_t *out, const char **end)
{
	uint64_t number = 0;
	const char *at = value;

	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (number > (INT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*out = number;
	*end = at;
	return at != value;
}

static bool
read_with_unit(const char *value, const struct mm_word *units, uint64_t *out)
{
	const char *rest;
	const struct mm_word *unit;
	uint64_t number;

	if (!read_digits(value, &number, &rest))
		return false;
	unit = find_word(units, rest);
	if (unit == NULL || number > INT64_MAX / unit->value)
		return false;
	*out = number * unit->value;
	return true;
}

static enum mm_error
read_quantity(const struct mm_grammar_key *key, const char *value,
    const struct mm_word *units, const char *form, void *member)
{
	uint64_t number;

	if (!read_with_unit(value, units, &number))
		return mm_fail(MM_E_FORMAT, "\"%s\" is not %s", value, form);
	if (number < key->min || number > key->max)
		return mm_fail(MM_E_RANGE, "%s is not within %llu to %llu",
		    value, (unsigned long long)key->min,
		    (unsigned long long)key->max);
	*(uint64_t *)member = number;
	return MM_OK;
}

enum mm_error
mm_read_number(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	(void)arena;
	return read_quantity(key, value, plain, "a number", member);
}

enum mm_error
mm_read_size(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	(void)arena;
	return read_quantity(
	    key, value, sizes, "a number of bytes like 64K, 16M or 1G", member);
}

enum mm_error
mm_read_duration(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	const struct mm_word *word = find_word(key->words, value);

	(void)arena;
	if (word != NULL) {
		*(uint64_t *)member = word->value;
		return MM_OK;
	}
	return read_quantity(key, value, durations,
	    "a time like 10s, 5m, 1h, 7d or 20y", member);
}

enum mm_error
mm_read_word(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	const struct mm_word *word = find_word(key->words, value);
	mm_auto(buffer) known = {0};

	(void)arena;
	if (word != NULL) {
		*(uint64_t *)member |= word->value;
		return MM_OK;
	}
	mm_buffer_init(&known, 512);
	for (word = key->words; word->word != NULL; word++)
		mm_buffer_printf(
		    &known, "%s%s", word == key->words ? "" : ", ", word->word);
	return mm_fail(MM_E_FORMAT, "\"%s\" is none of %.*s", value,
	    MM_SPAN(mm_buffer_span(&known)));
}

enum mm_error
mm_read_switch(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	bool yes = strcmp(value, "yes") == 0;

	(void)key;
	(void)arena;
	if (!yes && strcmp(value, "no") != 0)
		return mm_fail(
		    MM_E_FORMAT, "\"%s\" is neither yes nor no", value);
	*(bool *)member = yes;
	return MM_OK;
}

enum mm_error
mm_read_text(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_span text = mm_span_text(value);
	uint64_t min = key->list ? 1 : key->min;
	uint64_t max = key->list ? 255 : key->max;

	if (text.size < min || text.size > max)
		return mm_fail(MM_E_RANGE,
		    "it has %zu bytes; %llu to %llu can be", text.size,
		    (unsigned long long)min, (unsigned long long)max);
	if (!mm_text_ok(text))
		return mm_fail(MM_E_TEXT, "%s", mm_error_text(MM_E_TEXT));
	text = mm_arena_copy(arena, text);
	if (text.data == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	*(struct mm_span *)member = text;
	return MM_OK;
}
