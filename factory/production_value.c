/*
 * The template's values: how each is made.
 */
#include <string.h>

#include "factory/production_parts.h"
#include "protocol/shape.h"

static const char hex[] = "0123456789abcdef";
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789";
static const char digits[] = "0123456789";
static const char *const alphabets[] = {hex, base32, digits, alnum};
static const struct mm_setting_choice alphabet_names[] = {
    {"hex", 0}, {"base32", 1}, {"digits", 2}, {"alnum", 3}};

static bool
is_name(struct mm_span name)
{
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
		    (c < '0' || c > '9') && c != '_' && c != '-')
			return false;
	}
	return name.size > 0 && name.size <= 64;
}

/* What comes with the run, and the run's own columns in results.csv. */
static bool
is_taken(struct mm_span name)
{
	static const char *const taken[] = {"device", "order", "date",
	    "certificate-serial", "state", "certificate", "index", "directory",
	    "attempts", "why"};

	for (size_t i = 0; i < MM_COUNT(taken); i++)
		if (mm_span_is(name, taken[i]))
			return true;
	return false;
}

/* A setting that goes with another one. */
static enum mm_error
check_goes_with(const struct mm_production *p, const struct mm_section *section,
    const char *name, const char *with)
{
	const struct mm_setting *setting = mm_setting_named(section, name);

	if (setting == NULL || mm_setting_named(section, with) != NULL)
		return MM_OK;
	return mm_production_wrong(p, setting->line, MM_E_FORMAT,
	    "value \"%s\": %s goes with %s", section->title, name, with);
}

static enum mm_error
read_making(const struct mm_production *p, const struct mm_section *section,
    struct mm_production_value *value)
{
	static const struct {
		const char *name;
		enum mm_value_making making;
	} ways[] = {{"text", MM_VALUE_TEXT}, {"count", MM_VALUE_COUNT},
	    {"random", MM_VALUE_RANDOM}};

	for (size_t i = 0; i < MM_COUNT(ways); i++) {
		const struct mm_setting *way =
		    mm_setting_named(section, ways[i].name);

		if (way == NULL)
			continue;
		if (value->making != MM_VALUE_GIVEN)
			return mm_production_wrong(p, way->line, MM_E_FORMAT,
			    "value \"%s\" is made in one way: text, count or "
			    "random",
			    section->title);
		value->making = ways[i].making;
	}
	return MM_OK;
}

static enum mm_error
check_count(
    const struct mm_production *p, const struct mm_production_value *value)
{
	uint64_t limit = 1;

	for (uint64_t i = 0; i < value->digits; i++)
		limit *= 10;
	if (value->making != MM_VALUE_COUNT || value->digits == 0 ||
	    value->first < limit)
		return MM_OK;
	return mm_production_wrong(p, value->line, MM_E_RANGE,
	    "value \"%.*s\" begins with %llu, which has more than %llu digits",
	    MM_SPAN(value->name), (unsigned long long)value->first,
	    (unsigned long long)value->digits);
}

static enum mm_error
read_value(const struct mm_production *p, const struct mm_section *section,
    struct mm_production_value *value)
{
	unsigned alphabet = 3;
	enum mm_error error;

	value->name = mm_span_text(section->title);
	value->line = section->line;
	if (!is_name(value->name) || is_taken(value->name))
		return mm_production_wrong(p, section->line, MM_E_FORMAT,
		    "a value cannot have the name \"%s\": it is 1 to 64 of "
		    "A-Z a-z 0-9 _ - and no builtin or column of results.csv",
		    section->title);
	error = read_making(p, section, value);
	mm_setting_text(section, "text", &value->text, &value->line);
	if (error == MM_OK)
		error = mm_setting_number(
		    p, section, "count", 0, UINT32_MAX, &value->first);
	if (error == MM_OK)
		error = mm_setting_number(p, section, "digits", 1,
		    MM_PRODUCTION_DIGITS_MAX, &value->digits);
	if (error == MM_OK)
		error = mm_setting_number(p, section, "random", 1,
		    MM_PRODUCTION_RANDOM_MAX, &value->length);
	if (error == MM_OK)
		error = mm_setting_word(p, section, "alphabet", alphabet_names,
		    MM_COUNT(alphabet_names), &alphabet);
	if (error == MM_OK)
		error = mm_setting_yes(p, section, "secret", &value->secret);
	if (error == MM_OK)
		error = check_goes_with(p, section, "digits", "count");
	if (error == MM_OK)
		error = check_goes_with(p, section, "alphabet", "random");
	value->alphabet = alphabets[alphabet];
	return error == MM_OK ? check_count(p, value) : error;
}

enum mm_error
mm_production_values(struct mm_production *p)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_section, section, p->sections)) {
		if (strcmp(section->kind, "value") != 0 || error != MM_OK)
			continue;
		if (p->value_count == MM_PRODUCTION_VALUES_MAX)
			return mm_production_wrong(p, section->line, MM_E_RANGE,
			    "there are more than %d values",
			    MM_PRODUCTION_VALUES_MAX);
		error = read_value(p, section, &p->values[p->value_count++]);
	}
	return error;
}

const struct mm_production_value *
mm_production_value_named(const struct mm_production *p, struct mm_span name)
{
	for (size_t i = 0; i < p->value_count; i++)
		if (mm_span_equal(p->values[i].name, name))
			return &p->values[i];
	return NULL;
}
