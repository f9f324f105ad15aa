#include "factory/label.h"

#include <qrcodegen.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "factory/der.h"
#include "protocol/cbor.h"

_Static_assert(MM_LABEL_CODE_SIZE == qrcodegen_BUFFER_LEN_MAX,
    "a symbol has the library's size");

/* Digits take less room than bytes: a code of them may be longer. */
enum { TEXT_MAX = 3 * MM_LABEL_DATA_MAX };

const struct mm_label_value *
mm_label_value(const struct mm_label_values *values, struct mm_span name)
{
	for (size_t i = 0; i < values->count; i++)
		if (mm_span_equal(values->items[i].name, name))
			return &values->items[i];
	return NULL;
}

/* --- a value among other text --- */

typedef void escape(uint8_t byte, struct mm_buffer *out);

static void
as_it_is(uint8_t byte, struct mm_buffer *out)
{
	mm_buffer_add(out, &byte, 1);
}

static bool
is_alphanumeric(uint8_t byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= '0' && byte <= '9');
}

/* RFC 3986 2.3: all but the unreserved ones. */
static void
percent(uint8_t byte, struct mm_buffer *out)
{
	if (is_alphanumeric(byte) ||
	    (byte != '\0' && strchr("-._~", byte) != NULL))
		as_it_is(byte, out);
	else
		mm_buffer_printf(out, "%%%02X", byte);
}

/* RFC 8259 7; control characters are not there. */
static void
json(uint8_t byte, struct mm_buffer *out)
{
	if (byte == '"' || byte == '\\')
		as_it_is('\\', out);
	as_it_is(byte, out);
}

/* As a part of a file's name, and never a directory. */
static void
file_name(uint8_t byte, struct mm_buffer *out)
{
	bool plain =
	    is_alphanumeric(byte) || byte == '.' || byte == '_' || byte == '-';

	as_it_is(plain ? byte : '_', out);
}

/* --- templates --- */

static enum mm_error
put_value(struct mm_span name, const struct mm_label_values *values,
    escape *put, struct mm_buffer *out)
{
	const struct mm_label_value *found = mm_label_value(values, name);

	if (found == NULL)
		return mm_fail(MM_E_USAGE,
		    "the template names {%.*s}, and there is no such value; "
		    "say --value %.*s=..., or have such a column",
		    MM_SPAN(name), MM_SPAN(name));
	if (found->value.size == 0)
		return mm_fail(MM_E_USAGE,
		    "the template names {%.*s}, and that value is empty",
		    MM_SPAN(name));
	if (!mm_text_ok(found->value))
		return mm_fail(MM_E_FORMAT,
		    "the value of {%.*s} is not printable UTF-8",
		    MM_SPAN(name));
	for (size_t i = 0; i < found->value.size; i++)
		put(found->value.data[i], out);
	return MM_OK;
}

/* What begins with a brace; `*at` is after it then. */
static enum mm_error
put_brace(const char *template, const char **at,
    const struct mm_label_values *values, escape *put, struct mm_buffer *out)
{
	const char *begin = *at, *end;

	if (begin[0] == begin[1]) {
		as_it_is((uint8_t)begin[0], out);
		*at += 2;
		return MM_OK;
	}
	end = begin + 1 + strcspn(begin + 1, "{}");
	if (begin[0] == '}' || *end != '}' || end == begin + 1)
		return mm_fail(MM_E_USAGE,
		    "the template has a brace at character %zu that is no "
		    "{name}; a brace by itself is written twice",
		    (size_t)(begin - template) + 1);
	*at = end + 1;
	return put_value(
	    mm_span(begin + 1, (size_t)(end - begin - 1)), values, put, out);
}

static enum mm_error
fill(const char *template, const struct mm_label_values *values, escape *put,
    struct mm_buffer *out)
{
	const char *at = template;
	enum mm_error error = MM_OK;

	while (error == MM_OK && *at != '\0')
		if (*at == '{' || *at == '}')
			error = put_brace(template, &at, values, put, out);
		else
			as_it_is((uint8_t)*at++, out);
	if (error == MM_OK && out->error != MM_OK)
		return mm_fail(out->error,
		    "the template makes more than %zu bytes", out->max);
	return error;
}

enum mm_error
mm_label_fill(const char *template, const struct mm_label_values *values,
    bool file, struct mm_buffer *out)
{
	return fill(template, values, file ? file_name : as_it_is, out);
}

/* --- kinds --- */

/* RFC 3986 3.1, and something after it. */
static enum mm_error
check_url(struct mm_span data)
{
	size_t i = 0;

	while (i < data.size && (is_alphanumeric(data.data[i]) ||
				    (i > 0 && data.data[i] != '\0' &&
					strchr("+-.", data.data[i]) != NULL)))
		i++;
	if (i == 0 || data.data[0] <= '9' || i + 1 >= data.size ||
	    data.data[i] != ':')
		return mm_fail(
		    MM_E_FORMAT, "a URL begins with its scheme, like https://");
	for (; i < data.size; i++)
		if (data.data[i] <= ' ' || data.data[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", data.data[i]) != NULL)
			return mm_fail(MM_E_FORMAT,
			    "byte %zu of the URL has to be percent-encoded in "
			    "the template",
			    i + 1);
	return MM_OK;
}

static enum mm_error
check_text(struct mm_span data)
{
	return data.size > 0
		   ? MM_OK
		   : mm_fail(MM_E_USAGE, "the template makes an empty code");
}

/* Matter core specification 5.1.3: base-38 after the prefix. */
static enum mm_error
check_matter(struct mm_span data)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-.*";

	if (data.size < 4 || memcmp(data.data, "MT:", 3) != 0)
		return mm_fail(
		    MM_E_FORMAT, "a Matter onboarding payload begins with MT:");
	for (size_t i = 3; i < data.size; i++)
		if (data.data[i] == '\0' ||
		    strchr(digits, data.data[i]) == NULL)
			return mm_fail(MM_E_FORMAT,
			    "character %zu of the Matter payload is none of "
			    "0-9 A-Z - . and *",
			    i + 1);
	return MM_OK;
}

/* What the apps know: a label with another word is of no use. */
static enum mm_error
check_transport(const struct mm_label_values *values)
{
	const struct mm_label_value *found =
	    mm_label_value(values, mm_span_text("transport"));

	if (found == NULL || found->value.size == 0 ||
	    mm_span_is(found->value, "ble") ||
	    mm_span_is(found->value, "softap"))
		return MM_OK;
	return mm_fail(MM_E_FORMAT, "{transport} is ble or softap");
}

/* Without a proof of possession the app asks for none. */
static const char *
esp_template(const struct mm_label_values *values)
{
	return mm_label_value(values, mm_span_text("pop")) != NULL
		   ? "{{\"ver\":\"v1\",\"name\":\"{name}\",\"pop\":\"{pop}\","
		     "\"transport\":\"{transport}\"}}"
		   : "{{\"ver\":\"v1\",\"name\":\"{name}\","
		     "\"transport\":\"{transport}\"}}";
}

static const char *
matter_template(const struct mm_label_values *values)
{
	(void)values;
	return "{payload}";
}

static const struct {
	escape *put;
	enum mm_error (*check)(struct mm_span data);
	const char *(*template)(const struct mm_label_values *values);
} kinds[MM_LABEL_KINDS] = {[MM_LABEL_TEXT] = {as_it_is, check_text, NULL},
    [MM_LABEL_URL] = {percent, check_url, NULL},
    [MM_LABEL_ESP] = {json, check_text, esp_template},
    [MM_LABEL_MATTER] = {as_it_is, check_matter, matter_template}};

/* --- the code --- */

static bool
is_ascii(struct mm_span data)
{
	for (size_t i = 0; i < data.size; i++)
		if (data.data[i] >= 0x80)
			return false;
	return true;
}

static bool
encode_ascii(struct mm_span data, enum qrcodegen_Ecc ecc, uint8_t *code)
{
	uint8_t work[qrcodegen_BUFFER_LEN_MAX];
	char text[TEXT_MAX + 1];
	bool made =
	    qrcodegen_encodeText(mm_span_string(data, text, sizeof(text)), work,
		code, ecc, qrcodegen_VERSION_MIN, qrcodegen_VERSION_MAX,
		qrcodegen_Mask_AUTO, true);

	sodium_memzero(text, sizeof(text));
	sodium_memzero(work, sizeof(work));
	return made;
}

/* Readers guess an encoding, unless it is named: ECI 26 (ISO/IEC 18004
 * 7.4.2). */
static bool
encode_utf8(struct mm_span data, enum qrcodegen_Ecc ecc, uint8_t *code)
{
	enum { UTF8 = 26 };
	uint8_t work[qrcodegen_BUFFER_LEN_MAX], eci[4];
	uint8_t bytes[MM_LABEL_DATA_MAX];
	struct qrcodegen_Segment segments[2];
	bool made;

	if (data.size > sizeof(bytes))
		return false;
	segments[0] = qrcodegen_makeEci(UTF8, eci);
	segments[1] = qrcodegen_makeBytes(data.data, data.size, bytes);
	made = qrcodegen_encodeSegments(
	    segments, MM_COUNT(segments), ecc, work, code);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(work, sizeof(work));
	return made;
}

static enum mm_error
encode(const struct mm_label_plan *plan, struct mm_span data,
    struct mm_label *label)
{
	static const struct {
		enum qrcodegen_Ecc ecc;
		char name;
		unsigned bytes; /* ISO/IEC 18004 table 7, version 40 */
	} levels[MM_LABEL_LEVELS] = {
	    [MM_LABEL_L] = {qrcodegen_Ecc_LOW, 'L', MM_LABEL_DATA_MAX},
	    [MM_LABEL_M] = {qrcodegen_Ecc_MEDIUM, 'M', 2331},
	    [MM_LABEL_Q] = {qrcodegen_Ecc_QUARTILE, 'Q', 1663},
	    [MM_LABEL_H] = {qrcodegen_Ecc_HIGH, 'H', 1273}};
	enum qrcodegen_Ecc ecc = levels[plan->level].ecc;

	if (!(is_ascii(data) ? encode_ascii(data, ecc, label->code)
			     : encode_utf8(data, ecc, label->code)))
		return mm_fail(MM_E_RANGE,
		    "%zu bytes are too long for a QR code: at level %c it "
		    "holds %u at most; shorten the template or its values, or "
		    "take level L (%d)",
		    data.size, levels[plan->level].name,
		    levels[plan->level].bytes, MM_LABEL_DATA_MAX);
	label->side = (unsigned)qrcodegen_getSize(label->code);
	return MM_OK;
}

static enum mm_error
code_of(const struct mm_label_plan *plan, const char *template,
    const struct mm_label_values *values, struct mm_buffer *data,
    struct mm_label *label)
{
	enum mm_error error =
	    plan->kind == MM_LABEL_ESP ? check_transport(values) : MM_OK;

	if (error == MM_OK)
		error = fill(template, values, kinds[plan->kind].put, data);
	if (error == MM_OK)
		error = kinds[plan->kind].check(mm_buffer_span(data));
	return error == MM_OK ? encode(plan, mm_buffer_span(data), label)
			      : error;
}

/* What the code says may be a secret: it lies here, and is wiped. */
static enum mm_error
make_code(const struct mm_label_plan *plan,
    const struct mm_label_values *values, struct mm_label *label)
{
	uint8_t text[TEXT_MAX];
	struct mm_buffer data = mm_buffer_over(text, sizeof(text));
	const char *template = plan->template;
	enum mm_error error;

	if (template == NULL && kinds[plan->kind].template == NULL)
		return mm_fail(MM_E_USAGE, "a template has to be said");
	if (template == NULL)
		template = kinds[plan->kind].template(values);
	error = code_of(plan, template, values, &data, label);
	sodium_memzero(text, sizeof(text));
	return error;
}

static enum mm_error
line_of(const char *template, const struct mm_label_values *values,
    struct mm_buffer *line, char out[MM_LABEL_LINE_MAX + 1])
{
	enum mm_error error = fill(template, values, as_it_is, line);

	if (error != MM_OK)
		return mm_fail(error, "a line of the label: %s", mm_why(error));
	if (!mm_text_ok(mm_buffer_span(line)))
		return mm_fail(
		    MM_E_FORMAT, "a line of the label is not printable UTF-8");
	mm_span_string(mm_buffer_span(line), out, MM_LABEL_LINE_MAX + 1);
	return MM_OK;
}

static enum mm_error
make_line(const char *template, const struct mm_label_values *values,
    char out[MM_LABEL_LINE_MAX + 1])
{
	uint8_t text[MM_LABEL_LINE_MAX];
	struct mm_buffer line = mm_buffer_over(text, sizeof(text));
	enum mm_error error = line_of(template, values, &line, out);

	sodium_memzero(text, sizeof(text));
	return error;
}

enum mm_error
mm_label_make(const struct mm_label_plan *plan,
    const struct mm_label_values *values, struct mm_label *out)
{
	struct mm_label label = {.line_count = plan->line_count};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < plan->line_count && error == MM_OK; i++)
		error = make_line(plan->lines[i], values, label.lines[i]);
	if (error == MM_OK)
		error = make_code(plan, values, &label);
	if (error == MM_OK)
		*out = label;
	sodium_memzero(&label, sizeof(label));
	return error;
}

bool
mm_label_dark(const struct mm_label *label, int x, int y)
{
	return qrcodegen_getModule(label->code, x, y);
}
