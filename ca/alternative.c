/*
 * Names of a subjectAltName as profiles give them.
 */
#include <string.h>

#include "ca/tbs.h"

bool
mm_is_dns_name(struct mm_span name)
{
	size_t label = 0;

	if (name.size == 0 || name.size > 253)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i];
		uint8_t next = i + 1 < name.size ? name.data[i + 1] : '.';
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		bool digit = c >= '0' && c <= '9';

		if (c == '.' && label > 0 && i + 1 < name.size) {
			label = 0;
			continue;
		}
		if (!letter && !digit &&
		    (c != '-' || label == 0 || next == '.'))
			return false;
		if (++label > 63)
			return false;
	}
	return true;
}

/* RFC 3986: a scheme (3.1), then something, of these characters (2). */
static bool
is_uri(struct mm_span uri)
{
	static const char more[] = "-._~:/?#[]@!$&'()*+,;=%";
	size_t scheme = 0;

	for (size_t i = 0; i < uri.size; i++) {
		uint8_t c = uri.data[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		bool digit = c >= '0' && c <= '9';

		if (!letter && !digit && (c == 0 || strchr(more, c) == NULL))
			return false;
		if (scheme == 0 && c == ':')
			scheme = i;
		if (scheme == 0 && !letter &&
		    (i == 0 || (!digit && strchr("+-.", c) == NULL)))
			return false;
	}
	return scheme > 0 && scheme + 1 < uri.size;
}

/* RFC 4108 5: an OCTET STRING of any bytes. */
static bool
is_module_serial(struct mm_span serial)
{
	return serial.size > 0;
}

static const struct {
	const char *name;
	bool (*ok)(struct mm_span name);
} kinds[] = {
    [MM_ALTERNATIVE_DNS] = {"DNS name", mm_is_dns_name},
    [MM_ALTERNATIVE_URI] = {"URI", is_uri},
    [MM_ALTERNATIVE_HARDWARE] = {"module's serial number", is_module_serial},
};

enum mm_error
mm_alternative_fill(const struct mm_alternative *alternative,
    struct mm_span name, struct mm_buffer *out)
{
	size_t start = out->size;
	enum mm_error error =
	    mm_template_fill(alternative->template, name, out);
	struct mm_span filled;

	if (error != MM_OK)
		return error;
	filled = mm_span(out->data + start, out->size - start);
	if (alternative->kind < MM_COUNT(kinds) &&
	    kinds[alternative->kind].ok != NULL &&
	    kinds[alternative->kind].ok(filled))
		return MM_OK;
	return mm_fail(MM_E_CERTIFICATE, "subjectAltName: \"%.*s\" is no %s",
	    MM_SPAN(filled),
	    alternative->kind < MM_COUNT(kinds) &&
		    kinds[alternative->kind].name != NULL
		? kinds[alternative->kind].name
		: "name of a known kind");
}
