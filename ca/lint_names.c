/*
 * RFC 5280: what names are made of, the strings of a subject and what stands
 * in a subjectAltName.
 */
#include <string.h>

#include "ca/lint_parts.h"

/* Of RFC 5280 4.1.2.4 and appendix A.1. */
enum {
	PRINTABLE = 1,
	UTF8 = 2,
	IA5 = 4,
	OLD = 8, /* TeletexString, BMPString, UniversalString: only where they
		  * were before */
	TEXT = PRINTABLE | UTF8
};

static const struct limit {
	const char *octets, *name;
	unsigned strings;
	size_t most, least; /* characters */
} limits[] = {
    {MM_LINT_CN, "commonName", TEXT, 64, 1},
    {MM_LINT_SERIAL_NUMBER, "serialNumber", PRINTABLE, 64, 1},
    {"\x55\x04\x04", "surname", TEXT, 32768, 1},
    {"\x55\x04\x06", "countryName", PRINTABLE, 2, 2},
    {"\x55\x04\x07", "localityName", TEXT, 128, 1},
    {"\x55\x04\x08", "stateOrProvinceName", TEXT, 128, 1},
    {"\x55\x04\x0a", "organizationName", TEXT, 64, 1},
    {"\x55\x04\x0b", "organizationalUnitName", TEXT, 64, 1},
    {"\x55\x04\x0c", "title", TEXT, 64, 1},
    {"\x55\x04\x2e", "dnQualifier", PRINTABLE, 64, 1},
    {"\x55\x04\x41", "pseudonym", TEXT, 128, 1},
    {"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "domainComponent", IA5, 63, 1},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "emailAddress", IA5, 255, 1},
};

static const struct limit *
limit_of(struct mm_span oid)
{
	for (size_t i = 0; i < MM_COUNT(limits); i++)
		if (mm_span_is(oid, limits[i].octets))
			return &limits[i];
	return NULL;
}

/* X.680 41.4 */
static bool
is_printable(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i], letter = c | 0x20;

		if ((letter < 'a' || letter > 'z') && (c < '0' || c > '9') &&
		    (c == '\0' || strchr(" '()+,-./:=?", c) == NULL))
			return false;
	}
	return true;
}

static bool
is_ia5(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] >= 0x80)
			return false;
	return true;
}

/* RFC 3629 4, as a table of the first octet's range and what follows. */
static size_t
utf8_length(struct mm_span text)
{
	static const struct {
		uint8_t from, to, second_from, second_to;
		size_t more;
	} rows[] = {{0x00, 0x7f, 0, 0, 0}, {0xc2, 0xdf, 0x80, 0xbf, 1},
	    {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
	    {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
	    {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3},
	    {0xf4, 0xf4, 0x80, 0x8f, 3}};
	const uint8_t *at = text.data;

	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		if (*at < rows[i].from || *at > rows[i].to)
			continue;
		if (text.size <= rows[i].more)
			return 0;
		for (size_t j = 1; j <= rows[i].more; j++)
			if (at[j] < (j == 1 ? rows[i].second_from : 0x80) ||
			    at[j] > (j == 1 ? rows[i].second_to : 0xbf))
				return 0;
		return 1 + rows[i].more;
	}
	return 0;
}

static bool
is_utf8(struct mm_span text)
{
	while (text.size > 0) {
		size_t length = utf8_length(text);

		if (length == 0)
			return false;
		text = mm_span(text.data + length, text.size - length);
	}
	return true;
}

static bool
is_anything(struct mm_span text)
{
	return text.size > 0;
}

static const struct {
	unsigned tag, string;
	bool (*ok)(struct mm_span text);
} strings[] = {
    {MM_DER_PRINTABLE, PRINTABLE, is_printable},
    {MM_DER_UTF8, UTF8, is_utf8},
    {MM_DER_IA5, IA5, is_ia5},
    {0x14, OLD, is_anything},
    {0x1c, OLD, is_anything},
    {0x1e, OLD, is_anything},
};

static size_t
characters(unsigned tag, struct mm_span text)
{
	size_t count = 0;

	if (tag != MM_DER_UTF8)
		return text.size;
	for (size_t i = 0; i < text.size; i++)
		count += (text.data[i] & 0xc0) != 0x80;
	return count;
}

static bool
string_kept(struct mm_lint_case *c, const struct mm_lint_attribute *part)
{
	const struct limit *limit = limit_of(part->oid);
	size_t i = 0, count = characters(part->tag, part->text);
	const char *name = limit != NULL ? limit->name : "an attribute";

	while (i < MM_COUNT(strings) && strings[i].tag != part->tag)
		i++;
	/* What is of no string type is somebody's own attribute. */
	if (i == MM_COUNT(strings))
		return limit == NULL ||
		       mm_lint_find(c, "the subject's %s is no string", name);
	if (!strings[i].ok(part->text))
		return mm_lint_find(c,
		    "the subject's %s is not what its string type wants", name);
	if (limit == NULL)
		return true;
	if ((limit->strings & strings[i].string) == 0)
		return mm_lint_find(
		    c, "the subject's %s has another string type", name);
	return (count >= limit->least && count <= limit->most) ||
	       mm_lint_find(c,
		   "the subject's %s has %zu characters, %zu to %zu it may",
		   name, count, limit->least, limit->most);
}

bool
mm_lint_subject_strings(struct mm_lint_case *c)
{
	for (size_t i = 0; i < c->own.subject.count; i++)
		if (!string_kept(c, &c->own.subject.parts[i]))
			return false;
	return true;
}

/* RFC 1034 3.5 and RFC 1123 2.1; a `*` may be the first label. */
static bool
is_host(struct mm_span name)
{
	size_t label = 0, i = 0;

	if (name.size >= 2 && memcmp(name.data, "*.", 2) == 0)
		i = 2;
	if (name.size == i || name.size > 253)
		return false;
	for (; i < name.size; i++) {
		uint8_t ch = name.data[i], lower = ch | 0x20;
		bool inner =
		    label > 0 && i + 1 < name.size && name.data[i + 1] != '.';

		if (ch == '.' && label > 0 && i + 1 < name.size) {
			label = 0;
			continue;
		}
		if ((lower < 'a' || lower > 'z') && (ch < '0' || ch > '9') &&
		    (ch != '-' || !inner))
			return false;
		if (++label > 63)
			return false;
	}
	return true;
}

/* RFC 3986 3.1: a scheme, a colon and something; RFC 5280: not relative. */
static bool
is_uri(struct mm_span uri)
{
	const uint8_t *colon =
	    uri.size > 0 ? memchr(uri.data, ':', uri.size) : NULL;
	uint8_t first = uri.size > 0 ? uri.data[0] | 0x20 : 0;

	if (colon == NULL || colon + 1 == uri.data + uri.size || first < 'a' ||
	    first > 'z')
		return false;
	for (size_t i = 0; i < uri.size; i++)
		if (uri.data[i] <= ' ' || uri.data[i] >= 0x7f)
			return false;
	return true;
}

static bool
is_address(struct mm_span octets)
{
	return octets.size == 4 || octets.size == 16;
}

/* type-id and a [0] EXPLICIT value. */
static bool
is_other(struct mm_span value)
{
	struct mm_der fields = mm_der(value);
	struct mm_der tagged;
	unsigned tag;

	mm_der_take(&fields, MM_DER_OID);
	tagged = mm_der_enter(&fields, MM_DER_CONTEXT_CONSTRUCTED);
	mm_der_any(&tagged, &tag);
	return mm_der_end(&tagged) && mm_der_end(&fields);
}

static const struct {
	unsigned tag;
	const char *name;
	bool (*ok)(struct mm_span value);
} general_names[] = {
    {MM_DER_CONTEXT_CONSTRUCTED | 0, "otherName", is_other},
    {MM_DER_CONTEXT | 1, "rfc822Name", is_ia5},
    {MM_DER_CONTEXT | 2, "dNSName", is_host},
    {MM_DER_CONTEXT_CONSTRUCTED | 4, "directoryName", is_anything},
    {MM_DER_CONTEXT | 6, "uniformResourceIdentifier", is_uri},
    {MM_DER_CONTEXT | 7, "iPAddress", is_address},
    {MM_DER_CONTEXT | 8, "registeredID", is_anything},
};

bool
mm_lint_alternative_names(struct mm_lint_case *c)
{
	for (size_t i = 0; i < c->own.general_count; i++) {
		const struct mm_lint_general_name *one = &c->own.general[i];
		size_t kind = 0;

		while (kind < MM_COUNT(general_names) &&
		       general_names[kind].tag != one->tag)
			kind++;
		if (kind == MM_COUNT(general_names))
			return mm_lint_find(
			    c, "subjectAltName has a name of an unknown kind");
		if (!general_names[kind].ok(one->value))
			return mm_lint_find(c,
			    "subjectAltName has a malformed %s",
			    general_names[kind].name);
	}
	return true;
}
