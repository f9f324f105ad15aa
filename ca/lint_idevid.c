/*
 * IEEE 802.1AR-2018 clause 8: an initial device identifier.
 */
#include "ca/lint_parts.h"

/* 8.5: a device lives as long as it does. */
static bool
for_ever(struct mm_lint_case *c)
{
	return c->own.not_after == MM_DER_TIME_MAX ||
	       mm_lint_find(c, "notAfter is not 99991231235959Z");
}

/* 8.6: the issuer's own name of the device. */
static bool
numbered(struct mm_lint_case *c)
{
	const struct mm_lint_attribute *first;
	size_t count = MM_LINT_ATTRIBUTES_OF(
	    &c->own.subject, MM_LINT_SERIAL_NUMBER, &first);

	return count == 1 || mm_lint_find(c,
				 "the subject has %zu serialNumber attributes, "
				 "not one",
				 count);
}

/* 8.7 and clause 9: RSA-2048 and more, P-256, P-384. */
static bool
key(struct mm_lint_case *c)
{
	const struct mm_lint_view *own = &c->own;

	if (own->key == MM_LINT_KEY_RSA && own->bits >= 2048)
		return true;
	return (own->key & (MM_LINT_KEY_P256 | MM_LINT_KEY_P384)) != 0 ||
	       mm_lint_find(c, "the key is neither RSA of 2048 bits or more "
			       "nor on P-256 or P-384");
}

static bool
usage(struct mm_lint_case *c)
{
	return mm_lint_usage(c, MM_KU_DIGITAL_SIGNATURE,
	    MM_KU_DIGITAL_SIGNATURE | MM_LINT_KEY_ENCIPHERMENT);
}

/* id-on-hardwareModuleName; RFC 4108 5: hwType and hwSerialNum. */
static bool
is_module(const struct mm_lint_general_name *name)
{
	struct mm_der fields = mm_der(name->value), tagged, module;
	struct mm_span oid, serial;

	if (name->tag != MM_DER_CONTEXT_CONSTRUCTED)
		return false;
	oid = mm_der_take(&fields, MM_DER_OID);
	if (!MM_LINT_IS(oid, "\x2b\x06\x01\x05\x05\x07\x08\x04"))
		return false;
	tagged = mm_der_enter(&fields, MM_DER_CONTEXT_CONSTRUCTED);
	module = mm_der_enter(&tagged, MM_DER_SEQUENCE);
	mm_der_take(&module, MM_DER_OID);
	serial = mm_der_take(&module, MM_DER_OCTETS);
	return mm_der_end(&module) && mm_der_end(&tagged) &&
	       mm_der_end(&fields) && serial.size > 0;
}

/* 8.10.4: where there is a subjectAltName, it names the module. */
static bool
module_named(struct mm_lint_case *c)
{
	size_t count = 0;

	if (c->own.names == NULL)
		return true;
	if (c->own.names->critical)
		return mm_lint_find(
		    c, "subjectAltName is critical beside a subject");
	for (size_t i = 0; i < c->own.general_count; i++)
		count += is_module(&c->own.general[i]);
	return count == 1 || mm_lint_find(c,
				 "subjectAltName has %zu well-formed "
				 "hardwareModuleNames, not one",
				 count);
}

#define CLAUSE "IEEE 802.1AR-2018 "
static const struct mm_lint_rule rules[] = {
    {CLAUSE "8.5", for_ever},
    {CLAUSE "8.6", numbered},
    {CLAUSE "8.7", key},
    {CLAUSE "8.10", mm_lint_is_leaf},
    {CLAUSE "8.10.1", mm_lint_has_authority_key},
    {CLAUSE "8.10.3", usage},
    {CLAUSE "8.10.4", module_named},
};
const struct mm_lint_rules mm_lint_idevid = {rules, MM_COUNT(rules)};
