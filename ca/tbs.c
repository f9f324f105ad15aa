#include "ca/tbs.h"

#include <string.h>

const struct mm_span mm_ecdsa_sha256 = {
    (const uint8_t *)"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12};

static enum mm_error
malformed(const char *what)
{
	return mm_fail(MM_E_CERTIFICATE, "the TBS's %s is malformed", what);
}

static enum mm_error
split_extensions(struct mm_der *tbs, struct mm_tbs_parts *out)
{
	struct mm_der outer = mm_der_enter(tbs, MM_DER_CONTEXT_CONSTRUCTED | 3);
	struct mm_der list = mm_der_enter(&outer, MM_DER_SEQUENCE);

	while (mm_der_more(&list)) {
		if (out->count == MM_EXTENSIONS_MAX)
			return malformed("number of extensions");
		out->extensions[out->count++] =
		    mm_der_whole(&list, MM_DER_SEQUENCE);
	}
	if (!mm_der_end(&list) || !mm_der_end(&outer) || !mm_der_end(tbs))
		return malformed("list of extensions");
	return MM_OK;
}

/* RFC 5280 4.1: version 3, no unique identifiers, extensions. */
static enum mm_error
split(struct mm_der *tbs, struct mm_tbs_parts *out)
{
	struct mm_der tagged = mm_der_enter(tbs, MM_DER_CONTEXT_CONSTRUCTED);
	struct mm_span version = mm_der_unsigned(&tagged);

	if (!mm_der_end(&tagged) || version.size != 1 || version.data[0] != 2)
		return malformed("version");
	out->serial = mm_der_take(tbs, MM_DER_INTEGER);
	if (out->serial.size != MM_SERIAL_SIZE || out->serial.data[0] == 0 ||
	    out->serial.data[0] >= 0x80)
		return malformed("serial");
	out->algorithm = mm_der_whole(tbs, MM_DER_SEQUENCE);
	out->issuer = mm_der_whole(tbs, MM_DER_SEQUENCE);
	out->validity = mm_der_whole(tbs, MM_DER_SEQUENCE);
	out->subject = mm_der_whole(tbs, MM_DER_SEQUENCE);
	out->spki = mm_der_whole(tbs, MM_DER_SEQUENCE);
	if (!mm_span_equal(out->algorithm, mm_ecdsa_sha256))
		return malformed("signature algorithm");
	return split_extensions(tbs, out);
}

enum mm_error
mm_tbs_split(struct mm_span tbs, struct mm_tbs_parts *out)
{
	struct mm_der outer = mm_der(tbs);
	struct mm_der fields = mm_der_enter(&outer, MM_DER_SEQUENCE);

	*out = (struct mm_tbs_parts){.count = 0};
	if (!mm_der_end(&outer) || !mm_der_sound(tbs))
		return malformed("DER");
	return split(&fields, out);
}

static bool
read_validity(struct mm_span validity, struct mm_tbs *out)
{
	struct mm_der outer = mm_der(validity);
	struct mm_der times = mm_der_enter(&outer, MM_DER_SEQUENCE);

	out->not_before = mm_der_time(&times);
	out->not_after = mm_der_time(&times);
	if (out->not_after == MM_DER_TIME_MAX)
		out->not_after = UINT64_MAX;
	return mm_der_end(&times) && out->not_before <= out->not_after;
}

static bool
read_constraints(
    struct mm_der *value, struct mm_arena *arena, struct mm_tbs *out)
{
	struct mm_der fields = mm_der_enter(value, MM_DER_SEQUENCE);
	struct mm_span length;

	(void)arena;
	out->ca = mm_der_flag(&fields);
	if (!mm_der_more(&fields))
		return mm_der_end(&fields);
	length = mm_der_unsigned(&fields);
	if (!mm_der_end(&fields) || !out->ca || length.size != 1)
		return false;
	out->path = true;
	out->path_length = length.data[0];
	return true;
}

/* RFC 5280 4.2.1.3; X.690 11.2.2: no trailing zero bits. */
static bool
read_usage(struct mm_der *value, struct mm_arena *arena, struct mm_tbs *out)
{
	struct mm_span bits = mm_der_take(value, MM_DER_BITS);

	(void)arena;
	if (bits.size != 2 || bits.data[0] > 7 ||
	    bits.data[1] % (2u << bits.data[0]) != 1u << bits.data[0])
		return false;
	for (unsigned bit = 0; bit < 8; bit++)
		if (bits.data[1] & 0x80 >> bit)
			out->key_usage |= UINT64_C(1) << bit;
	return true;
}

static bool
read_purposes(struct mm_der *value, struct mm_arena *arena, struct mm_tbs *out)
{
	struct mm_der oids = mm_der_enter(value, MM_DER_SEQUENCE);
	struct mm_text_item *items =
	    mm_arena_alloc(arena, MM_EXTENSIONS_MAX * sizeof(*items));
	size_t count = 0;

	if (items == NULL)
		return false;
	while (mm_der_more(&oids) && count < MM_EXTENSIONS_MAX) {
		struct mm_span oid = mm_der_take(&oids, MM_DER_OID);
		char text[MM_OID_TEXT_SIZE];

		if (!mm_der_oid_text(oid, text))
			return false;
		items[count].value = mm_arena_copy(arena, mm_span_text(text));
		if (items[count++].value.data == NULL)
			return false;
	}
	out->purposes = (struct mm_list){items, count};
	return mm_der_end(&oids) && count > 0;
}

/* Ours has its key identifier in the key; checked byte for byte elsewhere. */
static bool
read_nothing(struct mm_der *value, struct mm_arena *arena, struct mm_tbs *out)
{
	(void)arena;
	(void)out;
	*value = mm_der(mm_span(value->end, 0));
	return true;
}

/* RFC 5280 4.2.1.1: ours has a keyIdentifier [0] and nothing else. */
static bool
read_authority(struct mm_der *value, struct mm_arena *arena, struct mm_tbs *out)
{
	struct mm_der fields = mm_der_enter(value, MM_DER_SEQUENCE);
	struct mm_span id = mm_der_take(&fields, MM_DER_CONTEXT);

	if (mm_der_end(&fields) && id.size == MM_SKI_SIZE)
		out->authority = id;
	return read_nothing(value, arena, out);
}

/* RFC 5280 4.2.1; all of them begin with 2.5.29. */
static const struct {
	uint8_t id;
	bool (*read)(
	    struct mm_der *value, struct mm_arena *arena, struct mm_tbs *out);
} known[] = {
    {14, read_nothing}, /* subjectKeyIdentifier */
    {15, read_usage},
    {17, read_nothing}, /* subjectAltName */
    {19, read_constraints},
    {35, read_authority},
    {37, read_purposes},
};

static size_t
known_at(struct mm_span oid)
{
	size_t i = 0;

	if (oid.size != 3 || oid.data[0] != 0x55 || oid.data[1] != 0x1d)
		return MM_COUNT(known);
	while (i < MM_COUNT(known) && known[i].id != oid.data[2])
		i++;
	return i;
}

static enum mm_error
read_extension(struct mm_span extension, struct mm_arena *arena, unsigned *seen,
    struct mm_tbs *out)
{
	struct mm_der outer = mm_der(extension);
	struct mm_der fields = mm_der_enter(&outer, MM_DER_SEQUENCE);
	size_t at = known_at(mm_der_take(&fields, MM_DER_OID));
	struct mm_der value;

	mm_der_flag(&fields);
	value = mm_der_enter(&fields, MM_DER_OCTETS);
	if (!mm_der_end(&fields) || value.bad)
		return malformed("extension");
	if (at == MM_COUNT(known) || (*seen & 1u << at) != 0)
		return mm_fail(MM_E_CERTIFICATE,
		    "the TBS has an extension that is unknown or twice there");
	*seen |= 1u << at;
	if (!known[at].read(&value, arena, out) || !mm_der_end(&value))
		return malformed("extension");
	return MM_OK;
}

enum mm_error
mm_tbs_read(struct mm_span bytes, struct mm_arena *arena, struct mm_tbs *out)
{
	struct mm_span tbs = mm_arena_copy(arena, bytes);
	struct mm_tbs read = {.ca = false};
	struct mm_tbs_parts parts;
	unsigned seen = 0;
	enum mm_error error;

	if (tbs.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a TBS");
	error = mm_tbs_split(tbs, &parts);
	if (error == MM_OK)
		error = mm_key_read(parts.spki, &read.key);
	for (size_t i = 0; i < parts.count && error == MM_OK; i++)
		error =
		    read_extension(parts.extensions[i], arena, &seen, &read);
	if (error != MM_OK)
		return error;
	if (!read_validity(parts.validity, &read))
		return malformed("validity");
	memcpy(read.serial, parts.serial.data, sizeof(read.serial));
	read.issuer = parts.issuer;
	read.subject = parts.subject;
	read.spki = parts.spki;
	*out = read;
	return MM_OK;
}
