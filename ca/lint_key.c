/*
 * The linter's reader of a subjectPublicKeyInfo: P-256, P-384, P-521, RSA and
 * Ed25519; others are only known to be others.
 */
#include "ca/lint_parts.h"

static const struct curve {
	struct mm_span oid;
	unsigned key, bits;
} curves[] = {
    {{(const uint8_t *)"\x2a\x86\x48\xce\x3d\x03\x01\x07", 8}, MM_LINT_KEY_P256,
	256},
    {{(const uint8_t *)"\x2b\x81\x04\x00\x22", 5}, MM_LINT_KEY_P384, 384},
    {{(const uint8_t *)"\x2b\x81\x04\x00\x23", 5}, MM_LINT_KEY_P521, 521},
};

/* RFC 5480 2.1.1: a named curve. */
static bool
read_curve(
    struct mm_der *algorithm, struct mm_span bits, struct mm_lint_view *out)
{
	struct mm_span oid = mm_der_take(algorithm, MM_DER_OID);

	for (size_t i = 0; i < MM_COUNT(curves); i++)
		if (mm_span_equal(oid, curves[i].oid)) {
			out->key = curves[i].key;
			out->bits = curves[i].bits;
		}
	out->parameters = mm_der_end(algorithm);
	return bits.size > 0;
}

/* RFC 3279 2.3.1: parameters of NULL; modulus and exponent. */
static bool
read_rsa(
    struct mm_der *algorithm, struct mm_span bits, struct mm_lint_view *out)
{
	struct mm_der whole = mm_der(bits);
	struct mm_der pair = mm_der_enter(&whole, MM_DER_SEQUENCE);
	struct mm_span modulus = mm_der_unsigned(&pair);

	mm_der_unsigned(&pair);
	if (!mm_der_end(&pair) || !mm_der_end(&whole))
		return false;
	out->key = MM_LINT_KEY_RSA;
	out->bits = (unsigned)modulus.size * 8;
	for (unsigned top = 0x80; top > 0 && !(modulus.data[0] & top);
	     top >>= 1)
		out->bits--;
	mm_der_take(algorithm, MM_DER_NULL);
	out->parameters = mm_der_end(algorithm);
	return true;
}

/* RFC 8410 3: no parameters. */
static bool
read_ed25519(
    struct mm_der *algorithm, struct mm_span bits, struct mm_lint_view *out)
{
	out->key = MM_LINT_KEY_ED25519;
	out->bits = 256;
	out->parameters = mm_der_end(algorithm);
	return bits.size == 32;
}

static const struct {
	struct mm_span oid;
	bool (*read)(struct mm_der *algorithm, struct mm_span bits,
	    struct mm_lint_view *out);
} keys[] = {
    {{(const uint8_t *)"\x2a\x86\x48\xce\x3d\x02\x01", 7}, read_curve},
    {{(const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9}, read_rsa},
    {{(const uint8_t *)"\x2b\x65\x70", 3}, read_ed25519},
};

bool
mm_lint_read_key(struct mm_der *tbs, struct mm_lint_view *out)
{
	struct mm_der whole, fields, algorithm;
	struct mm_span oid, bits;

	out->spki = mm_der_whole(tbs, MM_DER_SEQUENCE);
	whole = mm_der(out->spki);
	fields = mm_der_enter(&whole, MM_DER_SEQUENCE);
	algorithm = mm_der_enter(&fields, MM_DER_SEQUENCE);
	oid = mm_der_take(&algorithm, MM_DER_OID);
	bits = mm_der_bits(&fields);
	if (!mm_der_end(&fields) || algorithm.bad)
		return false;
	for (size_t i = 0; i < MM_COUNT(keys); i++)
		if (mm_span_equal(oid, keys[i].oid))
			return keys[i].read(&algorithm, bits, out);
	out->parameters = true; /* of what is not known nothing is */
	return true;
}
