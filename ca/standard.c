/*
 * What a standard wants of a profile, before there is a certificate: lint.h
 * judges those.
 */
#include <string.h>

#include "ca/profile.h"

#define VENDOR "1.3.6.1.4.1.37244.2.1"
#define PRODUCT "1.3.6.1.4.1.37244.2.2"
#define COMMON_NAME "2.5.4.3"
#define SERIAL_NUMBER "2.5.4.5"

enum {
	P256 = 1 << MM_KEY_P256,
	DEVICE_KEYS = P256 | 1 << MM_KEY_P384 | 1 << MM_KEY_RSA,
	KEYS_ANY = DEVICE_KEYS | 1 << MM_KEY_ED25519,
	SIGNATURE = MM_KU_DIGITAL_SIGNATURE,
	LEAF = SIGNATURE | MM_KU_KEY_AGREEMENT,
	CA_MUST = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN,
	CA_MAY = CA_MUST | SIGNATURE,
	DEVICE = 1 << MM_PURPOSE_DEVICE,
	CLIENT = 1 << MM_PURPOSE_CLIENT,
	SERVER = 1 << MM_PURPOSE_SERVER,
	CA = 1 << MM_PURPOSE_CA,
	CODE = 1 << MM_PURPOSE_CODE_SIGNING
};

static enum mm_error
unfit(const struct mm_profile *profile, const char *why)
{
	return mm_fail(MM_E_POLICY, "profile %.*s: under standard %s %s",
	    MM_SPAN(profile->name), mm_standard_name(profile->standard), why);
}

static size_t
count_of(const struct mm_profile *profile, const char *oid)
{
	size_t count = 0;

	for (mm_list_each(const struct mm_subject_part, part, profile->subject))
		count += mm_span_is(part->oid, oid);
	return count;
}

static bool
has_purpose(const struct mm_profile *profile, const char *oid)
{
	for (mm_list_each(const struct mm_text_item, item, profile->purposes))
		if (mm_span_is(item->value, oid))
			return true;
	return false;
}

static size_t
names_of(const struct mm_profile *profile, uint64_t kind)
{
	size_t count = 0;

	for (mm_list_each(const struct mm_alternative, one, profile->names))
		count += one->kind == kind;
	return count;
}

/* AWS IoT, Just-in-time provisioning: a thing's name, and one value for each
 * parameter of the template. */
static enum mm_error
check_aws(const struct mm_profile *profile)
{
	static const char *const parameters[] = {COMMON_NAME, SERIAL_NUMBER,
	    "2.5.4.6", "2.5.4.8", "2.5.4.10", "2.5.4.11", "2.5.4.46"};

	if (profile->purposes.count > 0 &&
	    !has_purpose(profile, "1.3.6.1.5.5.7.3.2"))
		return unfit(profile, "purposes has clientAuth");
	for (size_t i = 0; i < MM_COUNT(parameters); i++)
		if (count_of(profile, parameters[i]) > 1)
			return unfit(profile,
			    "the subject has each attribute that a template "
			    "can refer to once");
	if (count_of(profile, COMMON_NAME) + count_of(profile, SERIAL_NUMBER) ==
	    0)
		return unfit(
		    profile, "the subject has a commonName or a serialNumber");
	return MM_OK;
}

/* IEEE 802.1AR-2018 8.5, 8.6, 8.10.4 */
static enum mm_error
check_idevid(const struct mm_profile *profile)
{
	if (profile->validity != 0)
		return unfit(profile, "the validity is forever");
	if (count_of(profile, SERIAL_NUMBER) != 1)
		return unfit(profile, "the subject has one serialNumber");
	if (profile->names.count > 0 &&
	    names_of(profile, MM_ALTERNATIVE_HARDWARE) != 1)
		return unfit(profile, "the names have one hardwareModuleName");
	return MM_OK;
}

/* Matter 6.2.2.1: constant, four upper-case hexadecimal digits. */
static bool
is_id(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (strchr("0123456789ABCDEF", text.data[i]) == NULL ||
		    text.data[i] == '\0')
			return false;
	return text.size == 4;
}

static bool
has_mark(struct mm_span text)
{
	return memmem(text.data, text.size, "Mvid:", 5) != NULL ||
	       memmem(text.data, text.size, "Mpid:", 5) != NULL;
}

static enum mm_error
check_ids(const struct mm_profile *profile)
{
	for (mm_list_each(
		 const struct mm_subject_part, part, profile->subject)) {
		bool id = mm_span_is(part->oid, VENDOR) ||
			  mm_span_is(part->oid, PRODUCT);

		if (id && !is_id(part->template))
			return unfit(profile,
			    "VendorID and ProductID are four upper-case "
			    "hexadecimal digits");
		if (!id && has_mark(part->template))
			return unfit(profile,
			    "vendor and product are attributes of their own, "
			    "not Mvid: and Mpid: within another");
	}
	if (count_of(profile, VENDOR) > 1 || count_of(profile, PRODUCT) > 1)
		return unfit(profile, "VendorID and ProductID are there once");
	return MM_OK;
}

/* 6.2.2.3 */
static enum mm_error
check_dac(const struct mm_profile *profile)
{
	if (count_of(profile, VENDOR) != 1 || count_of(profile, PRODUCT) != 1)
		return unfit(
		    profile, "the subject has a VendorID and a ProductID");
	return check_ids(profile);
}

/* 6.2.2.4 */
static enum mm_error
check_pai(const struct mm_profile *profile)
{
	if (count_of(profile, VENDOR) != 1)
		return unfit(profile, "the subject has a VendorID");
	if (!profile->path || profile->path_length != 0)
		return unfit(profile, "the path length is 0");
	return check_ids(profile);
}

/* 6.2.2.5 */
static enum mm_error
check_paa(const struct mm_profile *profile)
{
	if (count_of(profile, PRODUCT) != 0)
		return unfit(profile, "the subject has no ProductID");
	if (profile->path && profile->path_length != 1)
		return unfit(profile, "the path length is 1, or there is none");
	return check_ids(profile);
}

static enum mm_error
check_client(const struct mm_profile *profile)
{
	return has_purpose(profile, "1.3.6.1.5.5.7.3.2")
		   ? MM_OK
		   : unfit(profile, "purposes has clientAuth");
}

/* RFC 9525 4.1: a device's names are the profile's; the appliance has those
 * of the policy. */
static enum mm_error
check_server(const struct mm_profile *profile)
{
	if (!has_purpose(profile, "1.3.6.1.5.5.7.3.1"))
		return unfit(profile, "purposes has serverAuth");
	if (profile->purpose == MM_PURPOSE_DEVICE &&
	    names_of(profile, MM_ALTERNATIVE_DNS) == 0)
		return unfit(profile, "the names have a DNS name");
	return MM_OK;
}

static const struct demand {
	uint64_t purposes; /* 1 << enum mm_purpose */
	uint64_t keys, usage_must, usage_may;
	enum mm_error (*check)(const struct mm_profile *profile);
} demands[MM_STANDARDS] = {
    [MM_STANDARD_AWS_IOT] = {DEVICE | CLIENT, DEVICE_KEYS, SIGNATURE, LEAF,
	check_aws},
    [MM_STANDARD_IDEVID] = {DEVICE, DEVICE_KEYS, SIGNATURE, SIGNATURE,
	check_idevid},
    [MM_STANDARD_MATTER_DAC] = {DEVICE, P256, SIGNATURE, SIGNATURE, check_dac},
    [MM_STANDARD_MATTER_PAI] = {CA, P256, CA_MUST, CA_MAY, check_pai},
    [MM_STANDARD_MATTER_PAA] = {CA, P256, CA_MUST, CA_MAY, check_paa},
    [MM_STANDARD_TLS_CLIENT] = {DEVICE | CLIENT, KEYS_ANY, SIGNATURE, LEAF,
	check_client},
    [MM_STANDARD_TLS_SERVER] = {DEVICE | SERVER, KEYS_ANY, SIGNATURE, LEAF,
	check_server},
    [MM_STANDARD_CODE_SIGNING] = {CODE, P256, SIGNATURE, SIGNATURE, NULL},
    [MM_STANDARD_CA] = {CA, P256, MM_KU_KEY_CERT_SIGN, CA_MAY, NULL},
};

enum mm_error
mm_profile_check_standard(const struct mm_profile *profile)
{
	const struct demand *demand;

	if (profile->standard == MM_STANDARD_NONE)
		return MM_OK;
	if (profile->standard >= MM_STANDARDS)
		return mm_fail(MM_E_POLICY,
		    "profile %.*s: there is no standard number %llu",
		    MM_SPAN(profile->name),
		    (unsigned long long)profile->standard);
	demand = &demands[profile->standard];
	if ((demand->purposes >> profile->purpose & 1) == 0)
		return unfit(profile, "the purpose is another one");
	if ((profile->keys & ~demand->keys) != 0)
		return unfit(profile, "keys of some of these kinds may not be");
	if ((profile->key_usage & demand->usage_must) != demand->usage_must ||
	    (profile->key_usage & ~demand->usage_may) != 0)
		return unfit(profile, "the key usage is another one");
	return demand->check != NULL ? demand->check(profile) : MM_OK;
}
