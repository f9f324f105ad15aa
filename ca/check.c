/*
 * The check of a TBS against its profile. What each field must be is written
 * here in DER by itself and compared byte for byte with what GnuTLS wrote in
 * build.c; the purpose's rules are held against what the TBS says, not
 * against the profile. A mistake in one of the three does not pass.
 */
#include <string.h>

#include "ca/name.h"
#include "ca/tbs.h"

static enum mm_error
differs(const char *field)
{
	return mm_fail(MM_E_CERTIFICATE,
	    "%s: the certificate's is not what its profile says", field);
}

static enum mm_error
put_issuer(const struct mm_form *form, struct mm_buffer *out)
{
	const struct mm_certificate_plan *plan = form->plan;

	if (form->self_signed)
		return mm_name_put(&plan->profile->subject, plan->subject, out);
	mm_buffer_add(
	    out, form->issuer.subject.data, form->issuer.subject.size);
	return out->error;
}

static enum mm_error
put_validity(const struct mm_form *form, struct mm_buffer *out)
{
	size_t times = mm_der_open(out, MM_DER_SEQUENCE);

	mm_der_put_time(out, form->not_before);
	mm_der_put_time(out,
	    form->not_after == UINT64_MAX ? MM_DER_TIME_MAX : form->not_after);
	mm_der_close(out, times);
	return out->error;
}

static enum mm_error
put_subject(const struct mm_form *form, struct mm_buffer *out)
{
	return mm_name_put(
	    &form->plan->profile->subject, form->plan->subject, out);
}

static enum mm_error
put_spki(const struct mm_form *form, struct mm_buffer *out)
{
	mm_buffer_add(out, form->spki.data, form->spki.size);
	return out->error;
}

static const struct {
	const char *name;
	size_t offset; /* in struct mm_tbs_parts */
	enum mm_error (*put)(const struct mm_form *form, struct mm_buffer *out);
} fields[] = {
    {"issuer", offsetof(struct mm_tbs_parts, issuer), put_issuer},
    {"validity", offsetof(struct mm_tbs_parts, validity), put_validity},
    {"subject", offsetof(struct mm_tbs_parts, subject), put_subject},
    {"subjectPublicKeyInfo", offsetof(struct mm_tbs_parts, spki), put_spki},
};

static enum mm_error
check_fields(const struct mm_form *form, const struct mm_tbs_parts *parts)
{
	mm_auto(buffer) wanted = {0};

	mm_buffer_init(&wanted, MM_TBS_MAX);
	for (size_t i = 0; i < MM_COUNT(fields); i++) {
		const struct mm_span *found =
		    (const struct mm_span *)((const char *)parts +
					     fields[i].offset);
		enum mm_error error;

		mm_buffer_reset(&wanted);
		error = fields[i].put(form, &wanted);
		if (error != MM_OK)
			return error;
		if (!mm_span_equal(mm_buffer_span(&wanted), *found))
			return differs(fields[i].name);
	}
	return MM_OK;
}

/* RFC 5280 4.2.1.9 */
static enum mm_error
put_constraints(const struct mm_form *form, struct mm_buffer *out)
{
	const struct mm_profile *profile = form->plan->profile;
	const uint8_t length = (uint8_t)profile->path_length;
	size_t value = mm_der_open(out, MM_DER_SEQUENCE);

	if (profile->purpose == MM_PURPOSE_CA)
		mm_der_put(out, MM_DER_BOOLEAN, "\xff", 1);
	if (profile->path)
		mm_der_put(out, MM_DER_INTEGER, &length, 1);
	mm_der_close(out, value);
	return out->error;
}

/* RFC 5280 4.2.1.3: bit 0 is the first byte's highest. */
static enum mm_error
put_usage(const struct mm_form *form, struct mm_buffer *out)
{
	uint8_t bits[2] = {7, 0};

	for (uint8_t bit = 0; bit < 8; bit++)
		if (form->plan->profile->key_usage >> bit & 1) {
			bits[0] = (uint8_t)(7 - bit); /* unused at the end */
			bits[1] |= (uint8_t)(0x80 >> bit);
		}
	mm_der_put(out, MM_DER_BITS, bits, sizeof(bits));
	return out->error;
}

static bool
has_purposes(const struct mm_form *form)
{
	return form->plan->profile->purposes.count > 0;
}

/* RFC 5280 4.2.1.12 */
static enum mm_error
put_purposes(const struct mm_form *form, struct mm_buffer *out)
{
	size_t value = mm_der_open(out, MM_DER_SEQUENCE);
	enum mm_error error;

	for (mm_list_each(const struct mm_text_item, item,
		 form->plan->profile->purposes)) {
		error = mm_der_put_oid(out, item->value);
		if (error != MM_OK)
			return error;
	}
	mm_der_close(out, value);
	return out->error;
}

static bool
has_names(const struct mm_form *form)
{
	return mm_form_is_server(form) || form->plan->profile->names.count > 0;
}

/* RFC 5280 4.2.1.6: otherName is [0]; RFC 4108 5: id-on-hardwareModuleName. */
static enum mm_error
put_module(const struct mm_alternative *alternative, struct mm_span serial,
    struct mm_buffer *out)
{
	size_t other = mm_der_open(out, MM_DER_CONTEXT_CONSTRUCTED), value,
	       module;
	enum mm_error error =
	    mm_der_put_oid(out, mm_span_text("1.3.6.1.5.5.7.8.4"));

	if (error != MM_OK)
		return error;
	value = mm_der_open(out, MM_DER_CONTEXT_CONSTRUCTED);
	module = mm_der_open(out, MM_DER_SEQUENCE);
	error = mm_der_put_oid(out, alternative->type);
	mm_der_put(out, MM_DER_OCTETS, serial.data, serial.size);
	mm_der_close(out, module);
	mm_der_close(out, value);
	mm_der_close(out, other);
	return error;
}

/* dNSName is [2], uniformResourceIdentifier [6]. */
static enum mm_error
put_alternative(const struct mm_form *form,
    const struct mm_alternative *alternative, struct mm_buffer *out)
{
	mm_auto(buffer) filled = {0};
	enum mm_error error;

	mm_buffer_init(&filled, MM_ALTERNATIVE_MAX);
	error = mm_alternative_fill(alternative, form->plan->subject, &filled);
	if (error != MM_OK)
		return error;
	if (alternative->kind == MM_ALTERNATIVE_HARDWARE)
		return put_module(alternative, mm_buffer_span(&filled), out);
	mm_der_put(out,
	    MM_DER_CONTEXT | (alternative->kind == MM_ALTERNATIVE_DNS ? 2 : 6),
	    filled.data, filled.size);
	return out->error;
}

static enum mm_error
put_alternatives(const struct mm_form *form, struct mm_buffer *out)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_alternative, one,
		 form->plan->profile->names)) {
		error = put_alternative(form, one, out);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* The server's first: dNSName is [2], iPAddress [7]. */
static enum mm_error
put_names(const struct mm_form *form, struct mm_buffer *out)
{
	size_t value = mm_der_open(out, MM_DER_SEQUENCE);
	uint8_t address[16];
	enum mm_error error;

	for (mm_list_each(
		 const struct mm_text_item, item, mm_form_names(form))) {
		size_t size = mm_ip_address(item->value, address);

		if (size > 0)
			mm_der_put(out, MM_DER_CONTEXT | 7, address, size);
		else
			mm_der_put(out, MM_DER_CONTEXT | 2, item->value.data,
			    item->value.size);
	}
	error = put_alternatives(form, out);
	mm_der_close(out, value);
	return error != MM_OK ? error : out->error;
}

/* IEEE 802.1AR-2018 8.10.2: an IDevID should not have one; RFC 5280 4.2.1.2
 * wants it of all others. */
static bool
has_subject_key(const struct mm_form *form)
{
	return form->plan->profile->standard != MM_STANDARD_IDEVID;
}

/* RFC 5280 4.2.1.2 */
static enum mm_error
put_subject_key(const struct mm_form *form, struct mm_buffer *out)
{
	mm_der_put(out, MM_DER_OCTETS, form->key.ski, MM_SKI_SIZE);
	return out->error;
}

/* RFC 5280 4.2.1.1: keyIdentifier is [0]. */
static enum mm_error
put_authority_key(const struct mm_form *form, struct mm_buffer *out)
{
	size_t value = mm_der_open(out, MM_DER_SEQUENCE);

	mm_der_put(out, MM_DER_CONTEXT, mm_form_authority(form), MM_SKI_SIZE);
	mm_der_close(out, value);
	return out->error;
}

/* In the order in which they stand. */
static const struct extension {
	const char *name, *oid;
	bool critical;
	bool (*wanted)(const struct mm_form *form); /* NULL: always */
	enum mm_error (*put)(const struct mm_form *form, struct mm_buffer *out);
} extensions[] = {
    {"basicConstraints", "2.5.29.19", true, NULL, put_constraints},
    {"keyUsage", "2.5.29.15", true, NULL, put_usage},
    {"extendedKeyUsage", "2.5.29.37", false, has_purposes, put_purposes},
    {"subjectAltName", "2.5.29.17", false, has_names, put_names},
    {"subjectKeyIdentifier", "2.5.29.14", false, has_subject_key,
	put_subject_key},
    {"authorityKeyIdentifier", "2.5.29.35", false, NULL, put_authority_key},
};

static enum mm_error
put_extension(const struct extension *extension, const struct mm_form *form,
    struct mm_buffer *out)
{
	size_t whole = mm_der_open(out, MM_DER_SEQUENCE), value;
	enum mm_error error = mm_der_put_oid(out, mm_span_text(extension->oid));

	if (error != MM_OK)
		return error;
	if (extension->critical)
		mm_der_put(out, MM_DER_BOOLEAN, "\xff", 1);
	value = mm_der_open(out, MM_DER_OCTETS);
	error = extension->put(form, out);
	mm_der_close(out, value);
	mm_der_close(out, whole);
	return error != MM_OK ? error : out->error;
}

static const char *
name_of(struct mm_span extension)
{
	struct mm_der outer = mm_der(extension);
	struct mm_der inner = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct mm_span oid = mm_der_take(&inner, MM_DER_OID);
	char text[MM_OID_TEXT_SIZE];

	for (size_t i = 0; i < MM_COUNT(extensions); i++)
		if (mm_der_oid_text(oid, text) &&
		    strcmp(text, extensions[i].oid) == 0)
			return extensions[i].name;
	return "another extension";
}

static enum mm_error
compare_extension(const struct extension *extension, struct mm_span wanted,
    struct mm_span found)
{
	const char *name = found.size > 0 ? name_of(found) : "nothing";

	if (mm_span_equal(wanted, found))
		return MM_OK;
	if (strcmp(name, extension->name) == 0)
		return differs(name);
	return mm_fail(MM_E_CERTIFICATE,
	    "extensions: the certificate has %s where its profile wants %s",
	    name, extension->name);
}

static enum mm_error
check_extensions(const struct mm_form *form, const struct mm_tbs_parts *parts)
{
	mm_auto(buffer) wanted = {0};
	size_t at = 0;

	mm_buffer_init(&wanted, MM_TBS_MAX);
	for (size_t i = 0; i < MM_COUNT(extensions); i++) {
		const struct extension *extension = &extensions[i];
		enum mm_error error;

		if (extension->wanted != NULL && !extension->wanted(form))
			continue;
		mm_buffer_reset(&wanted);
		error = put_extension(extension, form, &wanted);
		if (error == MM_OK)
			error = compare_extension(extension,
			    mm_buffer_span(&wanted), parts->extensions[at++]);
		if (error != MM_OK)
			return error;
	}
	if (at != parts->count)
		return differs("number of extensions");
	return MM_OK;
}

/* Whether the filled subject has the device's id in it, as it must. */
static enum mm_error
check_device(const struct mm_certificate_plan *plan, struct mm_span subject)
{
	if (plan->profile->purpose != MM_PURPOSE_DEVICE)
		return MM_OK;
	if (memmem(subject.data, subject.size, plan->subject.data,
		plan->subject.size) == NULL)
		return mm_fail(
		    MM_E_CERTIFICATE, "subject: the device's id is not in it");
	return MM_OK;
}

static enum mm_error
check_against(
    const struct mm_form *form, struct mm_span tbs, const struct mm_tbs *read)
{
	struct mm_tbs_parts parts;
	enum mm_error error = mm_purpose_check_standard(
	    form->plan->profile->purpose, form->plan->profile->standard,
	    read->ca, read->key_usage, read->purposes);

	if (error == MM_OK)
		error = check_device(form->plan, read->subject);
	if (error == MM_OK)
		error = mm_tbs_split(tbs, &parts);
	if (error == MM_OK)
		error = check_fields(form, &parts);
	return error != MM_OK ? error : check_extensions(form, &parts);
}

enum mm_error
mm_tbs_check(struct mm_span tbs, const struct mm_certificate_plan *plan)
{
	mm_auto(arena) arena = {0};
	mm_auto(form) form = {.plan = plan};
	struct mm_tbs read;
	enum mm_error error;

	mm_arena_init(&arena, 2 * MM_TBS_MAX);
	if (tbs.size > MM_TBS_MAX)
		return mm_fail(
		    MM_E_CERTIFICATE, "the TBS has %zu bytes", tbs.size);
	error = mm_tbs_read(tbs, &arena, &read);
	if (error != MM_OK)
		return error;
	if (plan->spki.size > 0 && !mm_span_equal(plan->spki, read.spki))
		return differs("subjectPublicKeyInfo");
	error = mm_form_init(&form, plan, read.spki, &read.key);
	return error != MM_OK ? error : check_against(&form, tbs, &read);
}
