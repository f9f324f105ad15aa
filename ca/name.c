#include "ca/name.h"

#include <string.h>

/* The string types that an attribute may have: RFC 5280 4.1.2.4. */
enum { PRINTABLE = 1, UTF8 = 2, IA5 = 4, TEXT = PRINTABLE | UTF8 };

static const struct attribute {
	const char *oid, *name;
	unsigned strings;
	size_t max;    /* characters; RFC 5280 appendix A */
	bool many;     /* may be there more than once */
	unsigned only; /* of `strings`, those that are written; 0: all */
} attributes[] = {
    {"2.5.4.3", "commonName", TEXT, 64, false, 0},
    {"2.5.4.5", "serialNumber", PRINTABLE, 64, false, 0},
    {"2.5.4.6", "countryName", PRINTABLE, 2, false, 0},
    {"2.5.4.10", "organizationName", TEXT, 64, false, 0},
    {"2.5.4.11", "organizationalUnitName", TEXT, 64, true, 0},
    {"2.5.4.12", "title", TEXT, 64, false, 0},
    {"2.5.4.46", "dnQualifier", PRINTABLE, 64, false, 0},
    {"0.9.2342.19200300.100.1.25", "domainComponent", IA5, 63, true, 0},
    {"1.2.840.113549.1.9.1", "emailAddress", IA5, 128, false, 0},
    /* Matter 6.2.2.1: UTF8Strings. */
    {"1.3.6.1.4.1.37244.2.1", "Matter VendorID", TEXT, 4, false, UTF8},
    {"1.3.6.1.4.1.37244.2.2", "Matter ProductID", TEXT, 4, false, UTF8},
};
static const struct attribute other = {"", "attribute", TEXT, 128, false, 0};

static const struct attribute *
attribute_of(struct mm_span oid)
{
	for (size_t i = 0; i < MM_COUNT(attributes); i++)
		if (mm_span_is(oid, attributes[i].oid))
			return &attributes[i];
	return &other;
}

/* X.680 41.4 */
static bool
is_printable(struct mm_span text)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789 '()+,-./:=?";

	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] == '\0' ||
		    strchr(allowed, text.data[i]) == NULL)
			return false;
	return true;
}

static bool
is_ascii(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7e)
			return false;
	return true;
}

/* The first that fits is written. */
static const struct {
	unsigned string, tag;
	bool (*ok)(struct mm_span text);
} kinds[] = {
    {PRINTABLE, MM_DER_PRINTABLE, is_printable},
    {UTF8, MM_DER_UTF8, mm_text_ok},
    {IA5, MM_DER_IA5, is_ascii},
};

static size_t
characters(struct mm_span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += (text.data[i] & 0xc0) != 0x80;
	return count;
}

/* A countryName has just two: RFC 5280 appendix A.1. */
static size_t
least(const struct attribute *attribute)
{
	return attribute->max == 2 ? 2 : 1;
}

static bool
length_ok(const struct attribute *attribute, struct mm_span text)
{
	size_t count = characters(text);

	return count >= least(attribute) && count <= attribute->max;
}

static enum mm_error
check_string(
    const struct attribute *attribute, unsigned tag, struct mm_span text)
{
	size_t i = 0;

	while (i < MM_COUNT(kinds) && kinds[i].tag != tag)
		i++;
	if (i == MM_COUNT(kinds) || (kinds[i].string & attribute->strings) == 0)
		return mm_fail(MM_E_CSR,
		    "the subject's %s has a string type that it may not have",
		    attribute->name);
	if (!kinds[i].ok(text))
		return mm_fail(MM_E_CSR,
		    "the subject's %s has characters that it may not have",
		    attribute->name);
	if (!length_ok(attribute, text))
		return mm_fail(MM_E_CSR,
		    "the subject's %s has %zu characters; %zu to %zu it may",
		    attribute->name, characters(text), least(attribute),
		    attribute->max);
	return MM_OK;
}

/* Which attributes were there. */
struct seen {
	struct mm_span oids[MM_NAME_PARTS];
	size_t count;
};

static enum mm_error
note_seen(
    struct seen *seen, const struct attribute *attribute, struct mm_span oid)
{
	if (seen->count == MM_NAME_PARTS)
		return mm_fail(MM_E_CSR, "the subject has over %d attributes",
		    MM_NAME_PARTS);
	for (size_t i = 0; i < seen->count && !attribute->many; i++)
		if (mm_span_equal(seen->oids[i], oid))
			return mm_fail(MM_E_CSR, "the subject has its %s twice",
			    attribute->name);
	seen->oids[seen->count++] = oid;
	return MM_OK;
}

static enum mm_error
read_attribute(struct mm_der *rdn, struct seen *seen)
{
	struct mm_der pair = mm_der_enter(rdn, MM_DER_SEQUENCE);
	struct mm_span oid = mm_der_take(&pair, MM_DER_OID);
	const struct attribute *attribute;
	char dotted[MM_OID_TEXT_SIZE];
	struct mm_span text;
	enum mm_error error;
	unsigned tag;

	text = mm_der_any(&pair, &tag);
	if (!mm_der_end(&pair) || !mm_der_oid_text(oid, dotted))
		return mm_fail(MM_E_CSR, "the subject is malformed");
	attribute = attribute_of(mm_span_text(dotted));
	error = note_seen(seen, attribute, oid);
	return error != MM_OK ? error : check_string(attribute, tag, text);
}

enum mm_error
mm_name_read(struct mm_der *reader)
{
	struct mm_der name = mm_der_enter(reader, MM_DER_SEQUENCE);
	struct seen seen = {.count = 0};

	while (mm_der_more(&name)) {
		struct mm_der rdn = mm_der_enter(&name, MM_DER_SET);

		do {
			enum mm_error error = read_attribute(&rdn, &seen);

			if (error != MM_OK)
				return error;
		} while (mm_der_more(&rdn));
	}
	if (!mm_der_end(&name))
		return mm_fail(MM_E_CSR, "the subject is malformed");
	return MM_OK;
}

enum mm_error
mm_name_put_value(const struct mm_subject_part *part, struct mm_span subject,
    struct mm_buffer *out)
{
	const struct attribute *attribute = attribute_of(part->oid);
	unsigned wanted =
	    attribute->only != 0 ? attribute->only : attribute->strings;
	mm_auto(buffer) filled = {0};
	struct mm_span text;
	enum mm_error error;

	mm_buffer_init(&filled, 512);
	error = mm_template_fill(part->template, subject, &filled);
	if (error != MM_OK)
		return error;
	text = mm_buffer_span(&filled);
	if (!length_ok(attribute, text))
		return mm_fail(MM_E_CERTIFICATE,
		    "the subject's %s would have %zu characters; %zu to %zu "
		    "it may",
		    attribute->name, characters(text), least(attribute),
		    attribute->max);
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		if ((kinds[i].string & wanted) == 0 || !kinds[i].ok(text))
			continue;
		mm_der_put(out, kinds[i].tag, text.data, text.size);
		return out->error;
	}
	return mm_fail(MM_E_CERTIFICATE,
	    "the subject's %s would have characters that it may not have",
	    attribute->name);
}

enum mm_error
mm_name_put(
    const struct mm_list *parts, struct mm_span subject, struct mm_buffer *out)
{
	size_t name = mm_der_open(out, MM_DER_SEQUENCE);
	enum mm_error error;

	for (mm_list_each(const struct mm_subject_part, part, *parts)) {
		size_t rdn = mm_der_open(out, MM_DER_SET);
		size_t pair = mm_der_open(out, MM_DER_SEQUENCE);

		error = mm_der_put_oid(out, part->oid);
		if (error == MM_OK)
			error = mm_name_put_value(part, subject, out);
		if (error != MM_OK)
			return error;
		mm_der_close(out, pair);
		mm_der_close(out, rdn);
	}
	mm_der_close(out, name);
	return out->error;
}
