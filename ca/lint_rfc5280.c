/*
 * RFC 5280: what a certificate by itself must keep.
 */
#include <string.h>

#include "ca/lint_parts.h"

/* Version 3, since there are extensions; 4.1.2.9 wants none in others. */
static bool
version(struct mm_lint_case *c)
{
	if (c->own.version == 2)
		return true;
	return mm_lint_find(
	    c, "it is of version %u, 3 is the one to be", c->own.version + 1);
}

/* Positive, at most 20 octets, the sign's octet among them. */
static bool
serial(struct mm_lint_case *c)
{
	struct mm_span octets = c->own.serial;

	if (octets.size > 20)
		return mm_lint_find(c,
		    "the serial number has %zu octets, 20 are the most",
		    octets.size);
	if (octets.data[0] >= 0x80)
		return mm_lint_find(c, "the serial number is negative");
	if (octets.size == 1 && octets.data[0] == 0)
		return mm_lint_find(c, "the serial number is zero");
	return true;
}

/* 4.1.1.2: the two algorithms are the same. */
static bool
algorithms(struct mm_lint_case *c)
{
	if (!c->own.is_signed || mm_span_equal(c->own.algorithm, c->own.outer))
		return true;
	return mm_lint_find(
	    c, "the signature algorithm inside is not the one outside");
}

/* RFC 5758 3.2: ecdsa-with-SHA256 to -SHA512 have no parameters. */
static bool
ecdsa_parameters(struct mm_lint_case *c)
{
	static const uint8_t ecdsa[] = {
	    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03};
	struct mm_span a = c->own.algorithm;

	if (a.size < 2 + sizeof(ecdsa) ||
	    memcmp(a.data + 2, ecdsa, sizeof(ecdsa)) != 0 || a.size == 12)
		return true;
	return mm_lint_find(c, "an ECDSA signature algorithm has parameters");
}

/* RFC 3279 2.2.3: Ecdsa-Sig-Value, two positive numbers. */
static bool
ecdsa_value(struct mm_lint_case *c)
{
	struct mm_der whole = mm_der(c->own.signature), pair;
	struct mm_span r, s;

	if (!c->own.is_signed || c->own.algorithm.size != 12)
		return true;
	pair = mm_der_enter(&whole, MM_DER_SEQUENCE);
	r = mm_der_unsigned(&pair);
	s = mm_der_unsigned(&pair);
	if (mm_der_end(&pair) && mm_der_end(&whole) && *r.data != 0 &&
	    *s.data != 0 && mm_der_sound(c->own.signature))
		return true;
	return mm_lint_find(c, "the signature is no Ecdsa-Sig-Value in DER");
}

static bool
issuer_named(struct mm_lint_case *c)
{
	return c->own.issuer.count > 0 ||
	       mm_lint_find(c, "the issuer's name is empty");
}

static bool
validity(struct mm_lint_case *c)
{
	return c->own.not_before <= c->own.not_after ||
	       mm_lint_find(c, "notAfter is before notBefore");
}

/* 4.1.2.6, 4.2.1.6: where the subject is empty, a critical subjectAltName
 * names who it is; a CA's is never empty. */
static bool
subject_named(struct mm_lint_case *c)
{
	const struct mm_lint_view *own = &c->own;

	if (own->subject.count > 0)
		return true;
	if (own->ca)
		return mm_lint_find(c, "a CA's subject is empty");
	return (own->names != NULL && own->names->critical) ||
	       mm_lint_find(c,
		   "the subject is empty, and no critical subjectAltName "
		   "stands for it");
}

/* RFC 3279 2.3.1, RFC 5480 2.1.1, RFC 8410 3. */
static bool
key_parameters(struct mm_lint_case *c)
{
	return c->own.parameters ||
	       mm_lint_find(c, "the public key's algorithm has parameters "
			       "that it should not have, or lacks them");
}

static bool
no_unique_ids(struct mm_lint_case *c)
{
	return !c->own.unique_ids ||
	       mm_lint_find(c, "it has unique identifiers");
}

static bool
once_each(struct mm_lint_case *c)
{
	const struct mm_lint_extension *all = c->own.extensions;

	for (size_t i = 0; i < c->own.count; i++)
		for (size_t j = 0; j < i; j++)
			if (mm_span_equal(all[i].oid, all[j].oid))
				return mm_lint_find(
				    c, "an extension is there twice");
	return true;
}

/* 4.2.1.1: always, but where the key signs itself. */
static bool
authority_key(struct mm_lint_case *c)
{
	const struct mm_lint_view *own = &c->own;
	bool self = mm_span_equal(own->issuer.der, own->subject.der);

	if (own->authority_key == NULL)
		return self ||
		       mm_lint_find(c, "it has no authorityKeyIdentifier");
	if (own->authority_key->critical)
		return mm_lint_find(c, "authorityKeyIdentifier is critical");
	return own->aki.size > 0 ||
	       mm_lint_find(c, "authorityKeyIdentifier has no keyIdentifier");
}

static bool
subject_key(struct mm_lint_case *c)
{
	if (c->own.subject_key == NULL)
		return !c->own.ca ||
		       mm_lint_find(c, "a CA has no subjectKeyIdentifier");
	return !c->own.subject_key->critical ||
	       mm_lint_find(c, "subjectKeyIdentifier is critical");
}

static bool
usage(struct mm_lint_case *c)
{
	const struct mm_lint_view *own = &c->own;
	bool certifies = (own->key_usage & MM_KU_KEY_CERT_SIGN) != 0;

	if (own->usage == NULL)
		return !own->ca || mm_lint_find(c, "a CA has no keyUsage");
	if (own->key_usage == 0)
		return mm_lint_find(c, "keyUsage has no bit set");
	return certifies == own->ca ||
	       mm_lint_find(
		   c, own->ca ? "a CA's keyUsage has no keyCertSign"
			      : "keyUsage has keyCertSign, and it is no CA");
}

/* A CA's is critical; a pathLenConstraint is a CA's with keyCertSign. */
static bool
constraints(struct mm_lint_case *c)
{
	const struct mm_lint_view *own = &c->own;

	if (own->path && !own->ca)
		return mm_lint_find(
		    c, "basicConstraints has a path length, and it is no CA");
	return !own->ca || own->constraints->critical ||
	       mm_lint_find(c, "a CA's basicConstraints is not critical");
}

/* anyExtendedKeyUsage: not critical. */
static bool
extended(struct mm_lint_case *c)
{
	return c->own.extended == NULL || !c->own.extended->critical ||
	       !MM_LINT_HAS(&c->own, "\x55\x1d\x25\x00") ||
	       mm_lint_find(c, "anyExtendedKeyUsage in a critical "
			       "extendedKeyUsage");
}

/* Whether an extension, where it is there, is critical as it should be. */
static bool
is_marked(
    struct mm_lint_case *c, struct mm_span oid, bool critical, const char *name)
{
	for (size_t i = 0; i < c->own.count; i++)
		if (mm_span_equal(c->own.extensions[i].oid, oid) &&
		    c->own.extensions[i].critical != critical)
			return mm_lint_find(c, "%s is %scritical", name,
			    critical ? "not " : "");
	return true;
}

static bool
name_constraints(struct mm_lint_case *c)
{
	struct mm_span oid = mm_span_text("\x55\x1d\x1e");

	for (size_t i = 0; i < c->own.count && !c->own.ca; i++)
		if (mm_span_equal(c->own.extensions[i].oid, oid))
			return mm_lint_find(
			    c, "it has nameConstraints, and it is no CA");
	return is_marked(c, oid, true, "nameConstraints");
}

static bool
policy_constraints(struct mm_lint_case *c)
{
	return is_marked(
	    c, mm_span_text("\x55\x1d\x24"), true, "policyConstraints");
}

static bool
inhibit_any_policy(struct mm_lint_case *c)
{
	return is_marked(
	    c, mm_span_text("\x55\x1d\x36"), true, "inhibitAnyPolicy");
}

static bool
authority_information(struct mm_lint_case *c)
{
	return is_marked(c, mm_span_text("\x2b\x06\x01\x05\x05\x07\x01\x01"),
	    false, "authorityInfoAccess");
}

static const struct mm_lint_rule rules[] = {
    {"RFC 5280 4.1.2.1", version},
    {"RFC 5280 4.1.2.2", serial},
    {"RFC 5280 4.1.2.3", algorithms},
    {"RFC 5758 3.2", ecdsa_parameters},
    {"RFC 3279 2.2.3", ecdsa_value},
    {"RFC 5280 4.1.2.4", issuer_named},
    {"RFC 5280 4.1.2.5", validity},
    {"RFC 5280 4.1.2.6", subject_named},
    {"RFC 5280 A.1", mm_lint_subject_strings},
    {"RFC 5280 4.1.2.7", key_parameters},
    {"RFC 5280 4.1.2.8", no_unique_ids},
    {"RFC 5280 4.2", once_each},
    {"RFC 5280 4.2.1.1", authority_key},
    {"RFC 5280 4.2.1.2", subject_key},
    {"RFC 5280 4.2.1.3", usage},
    {"RFC 5280 4.2.1.6", mm_lint_alternative_names},
    {"RFC 5280 4.2.1.9", constraints},
    {"RFC 5280 4.2.1.10", name_constraints},
    {"RFC 5280 4.2.1.11", policy_constraints},
    {"RFC 5280 4.2.1.12", extended},
    {"RFC 5280 4.2.1.14", inhibit_any_policy},
    {"RFC 5280 4.2.2.1", authority_information},
};
const struct mm_lint_rules mm_lint_rfc5280 = {rules, MM_COUNT(rules)};
