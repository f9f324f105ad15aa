#include "ca/profile.h"

#include <ctype.h>
#include <string.h>

#include "ca/der.h"

/* A hundred years; who wants more wants 99991231235959Z. */
#define PERIOD_MAX UINT64_C(3155760000)

enum {
	KEYS_ALL = 1 << MM_KEY_P256 | 1 << MM_KEY_P384 | 1 << MM_KEY_RSA |
		   1 << MM_KEY_ED25519,
	USAGE_ALL = MM_KU_DIGITAL_SIGNATURE | MM_KU_KEY_AGREEMENT |
		    MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN
};

static const struct mm_field subject_part[] = {
    MM_FIELD(mm_subject_part, 0, oid, MM_TEXT, 3, MM_OID_TEXT_SIZE - 1),
    MM_FIELD(mm_subject_part, 1, template, MM_TEXT, 1, 128)};
MM_SHAPE(mm_subject_part_shape, mm_subject_part, subject_part);

static const struct mm_field alternative_fields[] = {
    MM_FIELD(mm_alternative, 0, kind, MM_UINT, MM_ALTERNATIVE_DNS,
	MM_ALTERNATIVE_HARDWARE),
    MM_FIELD(mm_alternative, 1, template, MM_TEXT, 1, 128),
    MM_OPTIONAL(mm_alternative, 2, type, MM_TEXT, 3, MM_OID_TEXT_SIZE - 1)};
MM_SHAPE(mm_alternative_shape, mm_alternative, alternative_fields);

static const struct mm_field profile_fields[] = {
    MM_FIELD(mm_profile, 0, name, MM_TEXT, 1, 64),
    MM_FIELD(
	mm_profile, 1, purpose, MM_UINT, MM_PURPOSE_DEVICE, MM_PURPOSE_PROOF),
    MM_FIELD(mm_profile, 2, issuer, MM_TEXT, 1, 64),
    MM_MANY(mm_profile, 3, subject, &mm_subject_part_shape, 1, 16),
    MM_OPTIONAL(mm_profile, 4, validity, MM_UINT, 0, PERIOD_MAX),
    MM_OPTIONAL(mm_profile, 5, backdate, MM_UINT, 0, PERIOD_MAX),
    MM_FIELD(mm_profile, 6, keys, MM_UINT, 1, KEYS_ALL),
    MM_FIELD(mm_profile, 7, key_usage, MM_UINT, 1, USAGE_ALL),
    MM_ANY(mm_profile, 8, purposes, &mm_text_item_shape, 16),
    MM_OPTIONAL(mm_profile, 9, path, MM_BOOL, 0, 0),
    MM_OPTIONAL(mm_profile, 10, path_length, MM_UINT, 0, 8),
    MM_OPTIONAL(mm_profile, 11, standard, MM_UINT, 1, MM_STANDARDS - 1),
    MM_ANY(mm_profile, 12, names, &mm_alternative_shape, 8),
    MM_OPTIONAL(mm_profile, 13, crl, MM_UINT, 1, PERIOD_MAX),
    MM_ANY(mm_profile, 14, partitions, &mm_text_item_shape, 4),
    MM_OPTIONAL(mm_profile, 15, plain_keys, MM_BOOL, 0, 1)};
MM_SHAPE(mm_profile_shape, mm_profile, profile_fields);

#define SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define CLIENT_AUTH "1.3.6.1.5.5.7.3.2"
#define CODE_SIGNING "1.3.6.1.5.5.7.3.3"

/* What no device may claim to be for (RFC 5280 4.2.1.12), but under the
 * standard that is named, if one is. */
static const struct {
	const char *oid;
	uint64_t standard;
} privileges[] = {
    {SERVER_AUTH, MM_STANDARD_TLS_SERVER}, {CODE_SIGNING, MM_STANDARD_NONE},
    {"2.5.29.37.0", MM_STANDARD_NONE},       /* anyExtendedKeyUsage */
    {"1.3.6.1.5.5.7.3.8", MM_STANDARD_NONE}, /* timeStamping */
    {"1.3.6.1.5.5.7.3.9", MM_STANDARD_NONE}, /* OCSPSigning */
};

/* The rules of a purpose; `eku` is the one OID, "" none, NULL: any but the
 * privileges. */
static const struct rule {
	uint64_t purpose;
	const char *name;
	bool ca;
	uint64_t must, may; /* key usages */
	const char *eku;
} rules[] = {
    {MM_PURPOSE_DEVICE, "device", false, 0,
	MM_KU_DIGITAL_SIGNATURE | MM_KU_KEY_AGREEMENT, NULL},
    {MM_PURPOSE_CLIENT, "client", false, MM_KU_DIGITAL_SIGNATURE,
	MM_KU_DIGITAL_SIGNATURE | MM_KU_KEY_AGREEMENT, CLIENT_AUTH},
    {MM_PURPOSE_SERVER, "server", false, MM_KU_DIGITAL_SIGNATURE,
	MM_KU_DIGITAL_SIGNATURE | MM_KU_KEY_AGREEMENT, SERVER_AUTH},
    {MM_PURPOSE_CA, "CA", true, MM_KU_KEY_CERT_SIGN,
	MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN | MM_KU_DIGITAL_SIGNATURE, ""},
    {MM_PURPOSE_CODE_SIGNING, "code-signing", false, MM_KU_DIGITAL_SIGNATURE,
	MM_KU_DIGITAL_SIGNATURE, CODE_SIGNING},
    {MM_PURPOSE_PROOF, "proof", false, MM_KU_DIGITAL_SIGNATURE,
	MM_KU_DIGITAL_SIGNATURE, ""},
};

static const char *const standards[MM_STANDARDS] = {
    [MM_STANDARD_AWS_IOT] = "aws-iot",
    [MM_STANDARD_IDEVID] = "802.1ar",
    [MM_STANDARD_MATTER_DAC] = "matter-dac",
    [MM_STANDARD_MATTER_PAI] = "matter-pai",
    [MM_STANDARD_MATTER_PAA] = "matter-paa",
    [MM_STANDARD_TLS_CLIENT] = "tls-client",
    [MM_STANDARD_TLS_SERVER] = "tls-server",
    [MM_STANDARD_CODE_SIGNING] = "code-signing",
    [MM_STANDARD_CA] = "ca"};

const char *
mm_standard_name(uint64_t standard)
{
	return standard < MM_COUNT(standards) ? standards[standard] : NULL;
}

static const struct rule *
rule_of(uint64_t purpose)
{
	for (size_t i = 0; i < MM_COUNT(rules); i++)
		if (rules[i].purpose == purpose)
			return &rules[i];
	return NULL;
}

static bool
is_privilege(struct mm_span oid, uint64_t standard)
{
	for (size_t i = 0; i < MM_COUNT(privileges); i++)
		if (mm_span_is(oid, privileges[i].oid))
			return privileges[i].standard == MM_STANDARD_NONE ||
			       privileges[i].standard != standard;
	return false;
}

static enum mm_error
check_extended(
    const struct rule *rule, uint64_t standard, struct mm_list purposes)
{
	size_t wanted = rule->eku != NULL && *rule->eku != '\0';

	if (rule->eku != NULL && purposes.count != wanted)
		return mm_fail(MM_E_CERTIFICATE,
		    "extendedKeyUsage of a %s certificate has %zu purposes; "
		    "it must have %zu",
		    rule->name, purposes.count, wanted);
	for (mm_list_each(const struct mm_text_item, item, purposes))
		if (rule->eku != NULL ? !mm_span_is(item->value, rule->eku)
				      : is_privilege(item->value, standard))
			return mm_fail(MM_E_CERTIFICATE,
			    "extendedKeyUsage of a %s certificate may not "
			    "be %.*s",
			    rule->name, MM_SPAN(item->value));
	return MM_OK;
}

enum mm_error
mm_purpose_check_standard(uint64_t purpose, uint64_t standard, bool ca,
    uint64_t key_usage, struct mm_list purposes)
{
	const struct rule *rule = rule_of(purpose);

	if (rule == NULL)
		return mm_fail(MM_E_CERTIFICATE, "unknown purpose %llu",
		    (unsigned long long)purpose);
	if (ca != rule->ca)
		return mm_fail(MM_E_CERTIFICATE,
		    "basicConstraints: a %s certificate %s a CA's", rule->name,
		    rule->ca ? "must be" : "must not be");
	if (key_usage == 0 || (key_usage & ~rule->may) != 0 ||
	    (key_usage & rule->must) != rule->must)
		return mm_fail(MM_E_CERTIFICATE,
		    "keyUsage 0x%llx does not fit a %s certificate",
		    (unsigned long long)key_usage, rule->name);
	return check_extended(rule, standard, purposes);
}

enum mm_error
mm_purpose_check(
    uint64_t purpose, bool ca, uint64_t key_usage, struct mm_list purposes)
{
	return mm_purpose_check_standard(
	    purpose, MM_STANDARD_NONE, ca, key_usage, purposes);
}

static enum mm_error
unsound(const struct mm_profile *profile, const char *why)
{
	return mm_fail(
	    MM_E_POLICY, "profile %.*s: %s", MM_SPAN(profile->name), why);
}

static enum mm_error
check_oid(struct mm_span oid)
{
	mm_auto(buffer) der = {0};

	mm_buffer_init(&der, MM_OID_TEXT_SIZE);
	return mm_der_put_oid(&der, oid);
}

static enum mm_error
check_parts(const struct mm_profile *profile)
{
	enum mm_error error = MM_OK;
	mm_auto(buffer) filled = {0};

	mm_buffer_init(&filled, 1024);
	for (mm_list_each(
		 const struct mm_subject_part, part, profile->subject)) {
		error = check_oid(part->oid);
		if (error == MM_OK)
			error = mm_template_fill(
			    part->template, mm_span_text("x"), &filled);
		if (error != MM_OK)
			return error;
		mm_buffer_reset(&filled);
	}
	return MM_OK;
}

/* Whether they can be filled; what comes out depends on the name. */
static enum mm_error
check_names(const struct mm_profile *profile)
{
	mm_auto(buffer) filled = {0};

	mm_buffer_init(&filled, 1024);
	for (mm_list_each(const struct mm_alternative, one, profile->names)) {
		bool hardware = one->kind == MM_ALTERNATIVE_HARDWARE;
		enum mm_error error =
		    mm_template_fill(one->template, mm_span_text("x"), &filled);

		if (error != MM_OK)
			return error;
		if (one->kind < MM_ALTERNATIVE_DNS ||
		    one->kind > MM_ALTERNATIVE_HARDWARE)
			return unsound(profile, "a name is of no known kind");
		if (hardware != (one->type.size > 0))
			return unsound(profile,
			    "a hardwareModuleName has a type, other names "
			    "have none");
		if (hardware && check_oid(one->type) != MM_OK)
			return unsound(profile, mm_why(MM_E_POLICY));
		mm_buffer_reset(&filled);
	}
	return MM_OK;
}

static enum mm_error
check_purposes(const struct mm_profile *profile)
{
	const struct mm_text_item *items = profile->purposes.items;
	bool ca = profile->purpose == MM_PURPOSE_CA;
	enum mm_error error = mm_purpose_check_standard(profile->purpose,
	    profile->standard, ca, profile->key_usage, profile->purposes);

	if (error != MM_OK)
		return unsound(profile, mm_why(error));
	for (size_t i = 0; i < profile->purposes.count; i++) {
		error = check_oid(items[i].value);
		if (error != MM_OK)
			return error;
		for (size_t j = 0; j < i; j++)
			if (mm_span_equal(items[i].value, items[j].value))
				return unsound(
				    profile, "a purpose is there twice");
	}
	return MM_OK;
}

enum mm_error
mm_profile_check(const struct mm_profile *profile)
{
	bool ca = profile->purpose == MM_PURPOSE_CA;
	enum mm_error error;

	if (profile->keys == 0 || (profile->keys & ~(uint64_t)KEYS_ALL) != 0)
		return unsound(profile, "it allows no key or unknown ones");
	/* We sign ecdsa-with-SHA256, so every signing key is P-256. */
	if (ca && profile->keys != 1 << MM_KEY_P256)
		return unsound(profile, "a CA's key is P-256");
	if (profile->path ? !ca : profile->path_length != 0)
		return unsound(
		    profile, "a path length is a CA's, and only with path");
	if (profile->validity != 0 && profile->backdate >= profile->validity)
		return unsound(profile, "it is over before it begins");
	/* RFC 5280 5.1.1.3, 4.2.1.3: who signs CRLs has the bit. */
	if (profile->crl != 0 && (profile->key_usage & MM_KU_CRL_SIGN) == 0)
		return unsound(profile, "only a CA with cRLSign signs a CRL");
	error = check_purposes(profile);
	if (error == MM_OK)
		error = check_parts(profile);
	if (error == MM_OK)
		error = check_names(profile);
	return error != MM_OK ? error : mm_profile_check_standard(profile);
}

/* Whether this is an EUI-48 or EUI-64 as IEEE 802 writes them: pairs of
 * hexadecimal digits with `:` or `-` between. */
static bool
is_eui(struct mm_span device)
{
	enum { EUI48 = 17, EUI64 = 23, GROUP = 3 };

	if (device.size != EUI48 && device.size != EUI64)
		return false;
	for (size_t i = 0; i < device.size; i++)
		if (i % GROUP == GROUP - 1
			? device.data[i] != device.data[GROUP - 1] ||
			      (device.data[i] != ':' && device.data[i] != '-')
			: !isxdigit(device.data[i]))
			return false;
	return true;
}

/* One device has one name: its address in small letters would be a second. */
static enum mm_error
check_eui(struct mm_span device)
{
	if (!is_eui(device))
		return MM_OK;
	for (size_t i = 0; i < device.size; i++)
		if (islower(device.data[i]))
			return mm_fail(MM_E_DEVICE_ID,
			    "the device id is an address in small letters: "
			    "write A to F large, so that a device has one "
			    "name");
	return MM_OK;
}

enum mm_error
mm_device_check(struct mm_span device)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789._:-";

	if (device.size < 1 || device.size > 64)
		return mm_fail(MM_E_DEVICE_ID,
		    "the device id has %zu characters, not 1 to 64",
		    device.size);
	for (size_t i = 0; i < device.size; i++)
		if (device.data[i] == '\0' ||
		    strchr(allowed, device.data[i]) == NULL)
			return mm_fail(MM_E_DEVICE_ID,
			    "the device id has a character other than A-Z "
			    "a-z 0-9 . _ : - at place %zu",
			    i + 1);
	return check_eui(device);
}

/* The length of the placeholder that the text begins with, or 0. */
static size_t
placeholder(struct mm_span text)
{
	static const char *const words[] = {"{device}", "{name}"};

	for (size_t i = 0; i < MM_COUNT(words); i++) {
		size_t length = strlen(words[i]);

		if (text.size >= length &&
		    memcmp(text.data, words[i], length) == 0)
			return length;
	}
	return 0;
}

enum mm_error
mm_template_fill(
    struct mm_span template, struct mm_span name, struct mm_buffer *out)
{
	size_t at = 0, length;

	while (at < template.size) {
		struct mm_span rest =
		    mm_span(template.data + at, template.size - at);

		length = placeholder(rest);
		if (length == 0 && (*rest.data == '{' || *rest.data == '}'))
			return mm_fail(MM_E_POLICY,
			    "the template \"%.*s\" has a brace that is "
			    "neither {device} nor {name}",
			    MM_SPAN(template));
		if (length > 0)
			mm_buffer_add(out, name.data, name.size);
		else
			mm_buffer_add(out, rest.data, 1);
		at += length > 0 ? length : 1;
	}
	if (out->error != MM_OK)
		return mm_fail(out->error,
		    "the template \"%.*s\" does not fit when it is filled",
		    MM_SPAN(template));
	return MM_OK;
}
