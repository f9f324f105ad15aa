/*
 * RFC 5280 section 6: what a certificate must keep toward its issuer's.
 */
#include "ca/lint_parts.h"

#include "ca/key.h"

/* 6.1.3 (a) (4) */
static bool
names_chain(struct mm_lint_case *c)
{
	return mm_span_equal(c->own.issuer.der, c->issuer.subject.der) ||
	       mm_lint_find(
		   c, "the issuer's name is not that of its certificate");
}

/* 6.1.4 (k), (n) */
static bool
issuer_is_ca(struct mm_lint_case *c)
{
	return c->issuer.ca || mm_lint_find(c, "its issuer is no CA");
}

static bool
issuer_may_certify(struct mm_lint_case *c)
{
	return (c->issuer.key_usage & MM_KU_KEY_CERT_SIGN) != 0 ||
	       mm_lint_find(c, "its issuer's keyUsage has no keyCertSign");
}

static bool
is_itself(const struct mm_lint_case *c)
{
	return mm_span_equal(c->own.spki, c->issuer.spki) &&
	       mm_span_equal(c->own.subject.der, c->issuer.subject.der);
}

/* 6.1.4 (l), (m): how many CAs may follow. */
static bool
path_fits(struct mm_lint_case *c)
{
	const struct mm_lint_view *issuer = &c->issuer;

	if (!c->own.ca || !issuer->path || is_itself(c))
		return true;
	if (issuer->path_length == 0)
		return mm_lint_find(
		    c, "its issuer's path length is 0, and it is a CA");
	return !c->own.path || c->own.path_length < issuer->path_length ||
	       mm_lint_find(c,
		   "its path length of %llu is not below its issuer's of %llu",
		   (unsigned long long)c->own.path_length,
		   (unsigned long long)issuer->path_length);
}

/* 6.1.3 (a) (2): outside its issuer's validity it is never valid. */
static bool
validity_inside(struct mm_lint_case *c)
{
	if (c->own.not_before < c->issuer.not_before)
		return mm_lint_find(c, "it begins before its issuer's");
	return c->own.not_after <= c->issuer.not_after ||
	       mm_lint_find(c, "it ends after its issuer's");
}

static bool
identifiers_chain(struct mm_lint_case *c)
{
	return c->own.aki.size == 0 || c->issuer.ski.size == 0 ||
	       mm_span_equal(c->own.aki, c->issuer.ski) ||
	       mm_lint_find(c, "authorityKeyIdentifier is not its issuer's "
			       "subjectKeyIdentifier");
}

/* Where it is signed, by a key that can be tried here. */
static bool
signature_verifies(struct mm_lint_case *c)
{
	static const uint8_t sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
	    0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
	uint8_t digest[32];

	if (!c->own.is_signed || c->issuer.key != MM_LINT_KEY_P256 ||
	    !mm_span_equal(c->own.algorithm, mm_span(sha256, sizeof(sha256))))
		return true;
	mm_tbs_digest(c->own.tbs, digest);
	return mm_key_verify_p256(c->issuer.spki, digest, c->own.signature) ==
		   MM_OK ||
	       mm_lint_find(c, "the signature is not its issuer's");
}

static const struct mm_lint_rule rules[] = {
    {"RFC 5280 6.1.3 (a) (4)", names_chain},
    {"RFC 5280 4.2.1.9", issuer_is_ca},
    {"RFC 5280 4.2.1.3", issuer_may_certify},
    {"RFC 5280 4.2.1.9", path_fits},
    {"RFC 5280 6.1.3 (a) (2)", validity_inside},
    {"RFC 5280 4.2.1.1", identifiers_chain},
    {"RFC 5280 6.1.3 (a) (1)", signature_verifies},
};
const struct mm_lint_rules mm_lint_chain = {rules, MM_COUNT(rules)};
