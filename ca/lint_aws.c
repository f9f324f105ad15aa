/*
 * AWS IoT, just-in-time provisioning and registration: the developer guide's
 * chapters "X.509 client certificates" and "Just-in-time provisioning", which
 * have no numbers.
 */
#include "ca/lint_parts.h"

static bool
key(struct mm_lint_case *c)
{
	const struct mm_lint_view *own = &c->own;

	if (own->key == MM_LINT_KEY_RSA)
		return own->bits >= 2048 ||
		       mm_lint_find(c,
			   "the RSA key has %u bits, 2048 are the "
			   "least",
			   own->bits);
	return (own->key & (MM_LINT_KEY_P256 | MM_LINT_KEY_P384 |
			       MM_LINT_KEY_P521)) != 0 ||
	       mm_lint_find(c, "the key is neither RSA nor on P-256, P-384 "
			       "or P-521");
}

/* clientAuth where purposes are listed at all: a device is a TLS client. */
static bool
for_clients(struct mm_lint_case *c)
{
	return c->own.extended == NULL ||
	       MM_LINT_HAS(&c->own, MM_LINT_CLIENT_AUTH) ||
	       mm_lint_find(c, "extendedKeyUsage has no clientAuth");
}

/* The parameters AWS::IoT::Certificate::... that a template can refer to. */
static const struct {
	const char *octets, *name;
} parameters[] = {
    {MM_LINT_CN, "CommonName"},
    {MM_LINT_SERIAL_NUMBER, "SerialNumber"},
    {"\x55\x04\x06", "Country"},
    {"\x55\x04\x08", "StateName"},
    {"\x55\x04\x0a", "Organization"},
    {"\x55\x04\x0b", "OrganizationalUnit"},
    {"\x55\x04\x2e", "DistinguishedNameQualifier"},
};

static bool
parameters_are_plain(struct mm_lint_case *c)
{
	const struct mm_lint_attribute *first;

	for (size_t i = 0; i < MM_COUNT(parameters); i++)
		if (mm_lint_attributes(&c->own.subject,
			mm_span_text(parameters[i].octets), &first) > 1)
			return mm_lint_find(c,
			    "the subject gives the template's parameter %s "
			    "more than one value",
			    parameters[i].name);
	return true;
}

/* A thing's name comes from one of the two. */
static bool
thing_named(struct mm_lint_case *c)
{
	const struct mm_lint_attribute *first;

	return MM_LINT_ATTRIBUTES_OF(&c->own.subject, MM_LINT_CN, &first) > 0 ||
	       MM_LINT_ATTRIBUTES_OF(
		   &c->own.subject, MM_LINT_SERIAL_NUMBER, &first) > 0 ||
	       mm_lint_find(c, "the subject has neither a commonName nor a "
			       "serialNumber to name the thing by");
}

#define CLIENTS "AWS IoT, X.509 client certificates"
#define PROVISIONING "AWS IoT, Just-in-time provisioning"
static const struct mm_lint_rule rules[] = {
    {CLIENTS, mm_lint_is_leaf},
    {CLIENTS, key},
    {CLIENTS, for_clients},
    {"RFC 8446 4.4.2.2", mm_lint_may_sign_tls},
    {PROVISIONING, thing_named},
    {PROVISIONING, parameters_are_plain},
};
const struct mm_lint_rules mm_lint_aws = {rules, MM_COUNT(rules)};
