/*
 * CAs and code signing.
 */
#include "ca/lint_parts.h"

bool
mm_lint_is_ca(struct mm_lint_case *c)
{
	return c->own.ca || mm_lint_find(c, "it is no CA's");
}

/* Who certifies may sign CRLs, and more by its own purpose; not encrypt. */
static bool
ca_usage(struct mm_lint_case *c)
{
	return mm_lint_usage(c, MM_KU_KEY_CERT_SIGN,
	    MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN | MM_KU_DIGITAL_SIGNATURE);
}

static const struct mm_lint_rule ca[] = {
    {"RFC 5280 4.2.1.9", mm_lint_is_ca},
    {"RFC 5280 4.2.1.3", ca_usage},
};
const struct mm_lint_rules mm_lint_ca = {ca, MM_COUNT(ca)};

/* What the devices' boot loaders verify is ECDSA on P-256. */
static bool
code_key(struct mm_lint_case *c)
{
	return c->own.key == MM_LINT_KEY_P256 ||
	       mm_lint_find(c, "the key is not on P-256");
}

static bool
code_usage(struct mm_lint_case *c)
{
	return mm_lint_usage(
	    c, MM_KU_DIGITAL_SIGNATURE, MM_KU_DIGITAL_SIGNATURE);
}

static bool
for_code(struct mm_lint_case *c)
{
	return (c->own.purpose_count == 1 &&
		   MM_LINT_HAS(&c->own, MM_LINT_CODE_AUTH)) ||
	       mm_lint_find(
		   c, "extendedKeyUsage is not codeSigning and nothing else");
}

static const struct mm_lint_rule code[] = {
    {"RFC 5280 4.2.1.9", mm_lint_is_leaf},
    {"AWS IoT OTA, Create a code-signing certificate", code_key},
    {"RFC 5280 4.2.1.3", code_usage},
    {"RFC 5280 4.2.1.12", for_code},
};
const struct mm_lint_rules mm_lint_code_signing = {code, MM_COUNT(code)};
