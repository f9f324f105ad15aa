/*
 * Matter core specification 6.2.2: device attestation certificates (DAC),
 * product attestation intermediates (PAI) and authorities (PAA). Vendor and
 * product stand in a name as attributes of their own (6.2.2.1), or within the
 * commonName behind `Mvid:` and `Mpid:` (6.2.2.2), never both ways at once.
 */
#include <string.h>

#include "ca/lint_parts.h"

enum { VENDOR, PRODUCT, BOTH };

static const struct {
	const char *octets, *mark, *name;
} marks[BOTH] = {
    [VENDOR] = {"\x2b\x06\x01\x04\x01\x82\xa2\x7c\x02\x01",
	"Mvid:", "VendorID"},
    [PRODUCT] = {"\x2b\x06\x01\x04\x01\x82\xa2\x7c\x02\x02",
	"Mpid:", "ProductID"},
};

/* What a name says of vendor and product; empty where it says nothing. */
struct marked {
	struct mm_span ids[BOTH];
	size_t attributes;
};

static bool
is_id(struct mm_span id)
{
	for (size_t i = 0; i < id.size; i++)
		if ((id.data[i] < '0' || id.data[i] > '9') &&
		    (id.data[i] < 'A' || id.data[i] > 'F'))
			return false;
	return id.size == 4;
}

/* 6.2.2.1: UTF8String, four upper-case hexadecimal digits, once. */
static bool
read_attribute(struct mm_lint_case *c, const struct mm_lint_name *name,
    size_t which, struct marked *out)
{
	const struct mm_lint_attribute *first;
	size_t count =
	    mm_lint_attributes(name, mm_span_text(marks[which].octets), &first);

	if (count == 0)
		return true;
	if (count > 1)
		return mm_lint_find(
		    c, "a name has its %s twice", marks[which].name);
	if (first->tag != MM_DER_UTF8 || !is_id(first->text))
		return mm_lint_find(c,
		    "the %s is not a UTF8String of four upper-case "
		    "hexadecimal digits",
		    marks[which].name);
	out->ids[which] = first->text;
	out->attributes++;
	return true;
}

/* 6.2.2.2: the first mark with four digits behind it. */
static bool
read_fallback(
    struct mm_lint_case *c, struct mm_span cn, size_t which, struct marked *out)
{
	size_t length = strlen(marks[which].mark);
	const uint8_t *end = cn.data + cn.size, *at = cn.data;
	bool marked = false;

	while ((at = memmem(at, (size_t)(end - at), marks[which].mark,
		    length)) != NULL) {
		at += length;
		marked = true;
		if (end - at < 4 || !is_id(mm_span(at, 4)))
			continue;
		out->ids[which] = mm_span(at, 4);
		return true;
	}
	return !marked || mm_lint_find(c,
			      "the commonName has %s without four upper-case "
			      "hexadecimal digits behind it",
			      marks[which].mark);
}

static bool
read_name(
    struct mm_lint_case *c, const struct mm_lint_name *name, struct marked *out)
{
	const struct mm_lint_attribute *cn;

	*out = (struct marked){.attributes = 0};
	for (size_t i = 0; i < BOTH; i++)
		if (!read_attribute(c, name, i, out))
			return false;
	if (out->attributes > 0 ||
	    MM_LINT_ATTRIBUTES_OF(name, MM_LINT_CN, &cn) == 0)
		return true;
	for (size_t i = 0; i < BOTH; i++)
		if (!read_fallback(c, cn->text, i, out))
			return false;
	return true;
}

static bool
attributes_well_formed(struct mm_lint_case *c)
{
	struct marked marked = {.attributes = 0};

	for (size_t i = 0; i < BOTH; i++)
		if (!read_attribute(c, &c->own.subject, i, &marked) ||
		    !read_attribute(c, &c->own.issuer, i, &marked))
			return false;
	return true;
}

/* 6.2.2.2: a name that has an attribute of them has no mark as well. */
static bool
marked_one_way(struct mm_lint_case *c, const struct mm_lint_name *name)
{
	const struct mm_lint_attribute *cn;
	struct marked marked;

	if (!read_name(c, name, &marked))
		return false;
	if (marked.attributes == 0 ||
	    MM_LINT_ATTRIBUTES_OF(name, MM_LINT_CN, &cn) == 0)
		return true;
	for (size_t i = 0; i < BOTH; i++)
		if (memmem(cn->text.data, cn->text.size, marks[i].mark,
			strlen(marks[i].mark)) != NULL)
			return mm_lint_find(c,
			    "a commonName has %s beside attributes of vendor "
			    "or product",
			    marks[i].mark);
	return true;
}

static bool
fallbacks_well_formed(struct mm_lint_case *c)
{
	return marked_one_way(c, &c->own.subject) &&
	       marked_one_way(c, &c->own.issuer);
}

/* 6.1.3: 600 bytes in DER. */
static bool
size(struct mm_lint_case *c)
{
	return c->own.size <= 600 ||
	       mm_lint_find(c,
		   "the certificate has %s%zu bytes, 600 are the "
		   "most",
		   c->own.is_signed ? "" : "up to ", c->own.size);
}

static bool
version(struct mm_lint_case *c)
{
	return c->own.version == 2 || mm_lint_find(c, "it is not of version 3");
}

static bool
algorithm(struct mm_lint_case *c)
{
	return MM_LINT_IS(c->own.algorithm,
		   "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02") ||
	       mm_lint_find(c, "it is not signed by ecdsa-with-SHA256");
}

static bool
key(struct mm_lint_case *c)
{
	return c->own.key == MM_LINT_KEY_P256 ||
	       mm_lint_find(c, "the key is not on prime256v1");
}

static bool
constraints_critical(struct mm_lint_case *c)
{
	if (c->own.constraints == NULL)
		return mm_lint_find(c, "it has no basicConstraints");
	return c->own.constraints->critical ||
	       mm_lint_find(c, "basicConstraints is not critical");
}

static bool
subject_key(struct mm_lint_case *c)
{
	return c->own.ski.size > 0 ||
	       mm_lint_find(c, "it has no subjectKeyIdentifier");
}

static bool
dac_usage(struct mm_lint_case *c)
{
	return mm_lint_usage(
	    c, MM_KU_DIGITAL_SIGNATURE, MM_KU_DIGITAL_SIGNATURE);
}

static bool
ca_usage(struct mm_lint_case *c)
{
	uint64_t must = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN;

	return mm_lint_usage(c, must, must | MM_KU_DIGITAL_SIGNATURE);
}

/* 6.2.2.3: both, the vendor its issuer's, the product too where that has
 * one. The issuer's name is in the certificate itself. */
static bool
dac_names(struct mm_lint_case *c)
{
	struct marked own, issuer;

	if (!read_name(c, &c->own.subject, &own) ||
	    !read_name(c, &c->own.issuer, &issuer))
		return false;
	for (size_t i = 0; i < BOTH; i++)
		if (own.ids[i].size == 0)
			return mm_lint_find(
			    c, "the subject has no %s", marks[i].name);
	if (issuer.ids[VENDOR].size == 0)
		return mm_lint_find(c, "the issuer has no VendorID");
	for (size_t i = 0; i < BOTH; i++)
		if (issuer.ids[i].size > 0 &&
		    !mm_span_equal(own.ids[i], issuer.ids[i]))
			return mm_lint_find(
			    c, "the %s is not its issuer's", marks[i].name);
	return true;
}

/* 6.2.2.4: a vendor, that of its authority where that has one. */
static bool
pai_names(struct mm_lint_case *c)
{
	struct marked own, issuer;

	if (!read_name(c, &c->own.subject, &own) ||
	    !read_name(c, &c->own.issuer, &issuer))
		return false;
	if (own.ids[VENDOR].size == 0)
		return mm_lint_find(c, "the subject has no VendorID");
	return issuer.ids[VENDOR].size == 0 ||
	       mm_span_equal(own.ids[VENDOR], issuer.ids[VENDOR]) ||
	       mm_lint_find(c, "the VendorID is not its issuer's");
}

static bool
pai_path(struct mm_lint_case *c)
{
	return (c->own.path && c->own.path_length == 0) ||
	       mm_lint_find(c, "basicConstraints has no path length of 0");
}

/* 6.2.2.5: signs itself, has no product. */
static bool
paa_names(struct mm_lint_case *c)
{
	struct marked own;

	if (!mm_span_equal(c->own.issuer.der, c->own.subject.der))
		return mm_lint_find(c, "issuer and subject differ");
	if (!read_name(c, &c->own.subject, &own))
		return false;
	return own.ids[PRODUCT].size == 0 ||
	       mm_lint_find(c, "the subject has a ProductID");
}

static bool
paa_path(struct mm_lint_case *c)
{
	return !c->own.path || c->own.path_length == 1 ||
	       mm_lint_find(c,
		   "basicConstraints has a path length of %llu, "
		   "not 1 or none",
		   (unsigned long long)c->own.path_length);
}

#define COMMON(clause) \
	{"Matter 6.1.3", size}, {clause, version}, {clause, algorithm}, \
	    {clause, key}, {"Matter 6.2.2.1", attributes_well_formed}, \
	    {"Matter 6.2.2.2", fallbacks_well_formed}, \
	    {clause, constraints_critical}, \
	{ \
		clause, subject_key \
	}

#define DAC "Matter 6.2.2.3"
static const struct mm_lint_rule dac[] = {COMMON(DAC), {DAC, mm_lint_is_leaf},
    {DAC, dac_usage}, {DAC, mm_lint_has_authority_key}, {DAC, dac_names}};
const struct mm_lint_rules mm_lint_dac = {dac, MM_COUNT(dac)};

#define PAI "Matter 6.2.2.4"
static const struct mm_lint_rule pai[] = {COMMON(PAI), {PAI, mm_lint_is_ca},
    {PAI, ca_usage}, {PAI, pai_path}, {PAI, mm_lint_has_authority_key},
    {PAI, pai_names}};
const struct mm_lint_rules mm_lint_pai = {pai, MM_COUNT(pai)};

#define PAA "Matter 6.2.2.5"
static const struct mm_lint_rule paa[] = {COMMON(PAA), {PAA, mm_lint_is_ca},
    {PAA, ca_usage}, {PAA, paa_path}, {PAA, paa_names}};
const struct mm_lint_rules mm_lint_paa = {paa, MM_COUNT(paa)};
