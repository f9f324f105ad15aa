/*
 * A unit's values: what comes with the run, what the list gives, what the
 * template makes, in the order in which one is made of the other.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "factory/unit_parts.h"
#include "protocol/cbor.h"

enum { DATE_SIZE = 16, NUMBER_SIZE = 24 };

static struct mm_span
keep(struct mm_unit_values *values, struct mm_span bytes)
{
	uint8_t *at = values->pool + values->used;

	if (bytes.size > MM_UNIT_POOL - values->used)
		return mm_span(NULL, 0);
	memcpy(at, bytes.data, bytes.size);
	values->used += bytes.size;
	return mm_span(at, bytes.size);
}

enum mm_error
mm_unit_put(
    struct mm_unit_values *values, struct mm_span name, struct mm_span value)
{
	struct mm_label_values *list = &values->list;
	struct mm_label_value *item = NULL;

	if (value.size == 0 || value.size > MM_UNIT_VALUE_MAX)
		return mm_fail(MM_E_RANGE,
		    "the value of {%.*s} has %zu bytes; it can have 1 to %d",
		    MM_SPAN(name), value.size, MM_UNIT_VALUE_MAX);
	if (!mm_text_ok(value))
		return mm_fail(MM_E_TEXT,
		    "the value of {%.*s} is not printable UTF-8",
		    MM_SPAN(name));
	for (size_t i = 0; i < list->count; i++)
		if (mm_span_equal(list->items[i].name, name))
			item = &list->items[i];
	if (item == NULL) {
		if (list->count == MM_LABEL_VALUES)
			return mm_fail(MM_E_RANGE,
			    "a unit has more than %d values", MM_LABEL_VALUES);
		item = &list->items[list->count];
		item->name = keep(values, name);
	}
	item->value = keep(values, value);
	if (item->name.data == NULL || item->value.data == NULL)
		return mm_fail(MM_E_RANGE,
		    "a unit's values have more than %d bytes", MM_UNIT_POOL);
	list->count += item == &list->items[list->count];
	return MM_OK;
}

/* --- what comes with the run --- */

static enum mm_error
put_text(struct mm_unit_values *values, const char *name, const char *text)
{
	return mm_unit_put(values, mm_span_text(name), mm_span_text(text));
}

static enum mm_error
put_builtins(const struct mm_unit_terms *terms, bool stand_in,
    struct mm_unit_values *out)
{
	static const char serial[] = "ffffffffffffffffffffffffffffffffffffffff";
	const struct mm_label_value *device =
	    mm_label_value(terms->given, mm_span_text("device"));
	time_t now = (time_t)terms->now;
	char date[DATE_SIZE];
	struct tm tm;
	enum mm_error error;

	_Static_assert(sizeof(serial) == MM_UNIT_SERIAL + 1, "a serial's");
	if (device == NULL)
		return mm_fail(MM_E_USAGE, "the unit has no device id");
	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%Y-%m-%d", &tm) == 0)
		return mm_fail(MM_E_RANGE, "this is no time");
	error = mm_unit_put(out, device->name, device->value);
	if (error == MM_OK && terms->order.size > 0)
		error = mm_unit_put(out, mm_span_text("order"), terms->order);
	if (error == MM_OK)
		error = put_text(out, "date", date);
	if (error == MM_OK && stand_in)
		error = put_text(out, "certificate-serial", serial);
	return error;
}

/* --- what the list gives --- */

static bool
is_builtin(struct mm_span name)
{
	return mm_span_is(name, "device") || mm_span_is(name, "order") ||
	       mm_span_is(name, "date") ||
	       mm_span_is(name, "certificate-serial");
}

static enum mm_error
put_given(const struct mm_unit_terms *terms, struct mm_span name,
    struct mm_unit_values *out)
{
	const struct mm_label_value *given = mm_label_value(terms->given, name);

	if (mm_span_is(name, "device") || given == NULL)
		return MM_OK;
	if (is_builtin(name))
		return mm_fail(MM_E_USAGE,
		    "{%.*s} comes with the run: give the list's column "
		    "another name",
		    MM_SPAN(name));
	return mm_unit_put(out, name, given->value);
}

static enum mm_error
put_all_given(const struct mm_production *p, const struct mm_unit_terms *terms,
    struct mm_unit_values *out)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->name_count && error == MM_OK; i++)
		error = put_given(terms, p->names[i].name, out);
	for (size_t i = 0; i < p->value_count && error == MM_OK; i++)
		if (mm_label_value(&out->list, p->values[i].name) == NULL)
			error = put_given(terms, p->values[i].name, out);
	return error;
}

/* --- what is made --- */

static enum mm_error
make_text(const struct mm_production_value *value, bool stand_in,
    const struct mm_unit_terms *terms, struct mm_unit_values *out)
{
	struct mm_buffer text =
	    mm_buffer_over(out->scratch, sizeof(out->scratch));
	enum mm_error error =
	    mm_label_fill(value->text, &out->list, false, &text);

	(void)stand_in;
	(void)terms;
	return error == MM_OK
		   ? mm_unit_put(out, value->name, mm_buffer_span(&text))
		   : error;
}

static enum mm_error
make_count(const struct mm_production_value *value, bool stand_in,
    const struct mm_unit_terms *terms, struct mm_unit_values *out)
{
	char number[NUMBER_SIZE];
	uint64_t sum = value->first + terms->ordinal;
	int size;

	(void)stand_in;
	if (sum < value->first)
		return mm_fail(MM_E_RANGE, "there is no such number");
	size = snprintf(number, sizeof(number), "%0*llu", (int)value->digits,
	    (unsigned long long)sum);
	if (value->digits > 0 && (uint64_t)size > value->digits)
		return mm_fail(MM_E_RANGE,
		    "value \"%.*s\" has come to more than %llu digits: give it "
		    "more",
		    MM_SPAN(value->name), (unsigned long long)value->digits);
	return mm_unit_put(out, value->name, mm_span(number, (size_t)size));
}

/* The character that is hardest to place: a QR code has least room for small
 * letters, a number none for letters and least for nines. */
static char
worst(const char *alphabet)
{
	char found = alphabet[0];

	for (const char *c = alphabet; *c != '\0'; c++)
		found = *c > found ? *c : found;
	return found;
}

/* randombytes_uniform() has no favourites among an alphabet's characters. */
static enum mm_error
make_random(const struct mm_production_value *value, bool stand_in,
    const struct mm_unit_terms *terms, struct mm_unit_values *out)
{
	uint32_t size = (uint32_t)strlen(value->alphabet);
	char text[MM_PRODUCTION_RANDOM_MAX];
	enum mm_error error;

	(void)terms;
	for (size_t i = 0; i < value->length; i++)
		text[i] = stand_in ? worst(value->alphabet)
				   : value->alphabet[randombytes_uniform(size)];
	error = mm_unit_put(out, value->name, mm_span(text, value->length));
	sodium_memzero(text, sizeof(text));
	return error;
}

static enum mm_error
not_given(const struct mm_production_value *value, bool stand_in,
    const struct mm_unit_terms *terms, struct mm_unit_values *out)
{
	(void)stand_in;
	(void)terms;
	(void)out;
	return mm_fail(MM_E_USAGE,
	    "value \"%.*s\" has to come with the list: have a column %.*s, or "
	    "say --value %.*s=...",
	    MM_SPAN(value->name), MM_SPAN(value->name), MM_SPAN(value->name));
}

static enum mm_error
put_made(const struct mm_production *p, const struct mm_unit_terms *terms,
    bool stand_in, struct mm_unit_values *out)
{
	static enum mm_error (*const make[])(const struct mm_production_value *,
	    bool, const struct mm_unit_terms *,
	    struct mm_unit_values *) = {[MM_VALUE_GIVEN] = not_given,
	    [MM_VALUE_TEXT] = make_text,
	    [MM_VALUE_COUNT] = make_count,
	    [MM_VALUE_RANDOM] = make_random};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->value_count && error == MM_OK; i++) {
		const struct mm_production_value *value = p->order[i];

		if (mm_label_value(&out->list, value->name) != NULL)
			continue;
		error = mm_production_in_line(p, value->line,
		    make[value->making](value, stand_in, terms, out));
	}
	return error;
}

/* --- all of them --- */

/* What is there only when the certificate is. */
static bool
comes_later(struct mm_span name)
{
	return mm_span_is(name, "certificate-serial");
}

static enum mm_error
check_names(const struct mm_production *p, const struct mm_unit_values *values)
{
	for (size_t i = 0; i < p->name_count; i++) {
		const struct mm_production_name *name = &p->names[i];

		if (name->optional || comes_later(name->name) ||
		    mm_label_value(&values->list, name->name) != NULL)
			continue;
		return mm_production_wrong(p, name->line, MM_E_USAGE,
		    "{%.*s} stands for nothing: have a value \"%.*s\" here or "
		    "a column of that name in the list, or say --value "
		    "%.*s=...",
		    MM_SPAN(name->name), MM_SPAN(name->name),
		    MM_SPAN(name->name));
	}
	return MM_OK;
}

enum mm_error
mm_unit_fill(const struct mm_production *p, const struct mm_unit_terms *terms,
    bool stand_in, struct mm_unit_values *out)
{
	enum mm_error error;

	out->list.count = 0;
	out->used = 0;
	error = put_builtins(terms, stand_in, out);
	if (error == MM_OK)
		error = put_all_given(p, terms, out);
	if (error == MM_OK)
		error = put_made(p, terms, stand_in, out);
	return error == MM_OK ? check_names(p, out) : error;
}
