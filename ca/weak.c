#include "ca/weak.h"

#include <openssl/bn.h>

enum {
	FACTOR_MAX = 751, /* CA/Browser Forum BR 6.1.6 */
	FINGERPRINT_MAX = 167,
	FERMAT_ROUNDS = 100
};

/* Freed at scope end; BN_free and BN_CTX_free take NULL. */
#define auto_bn __attribute__((cleanup(free_bn))) BIGNUM
#define auto_ctx __attribute__((cleanup(free_ctx))) BN_CTX

static void
free_bn(BIGNUM **number)
{
	BN_free(*number);
}

static void
free_ctx(BN_CTX **ctx)
{
	BN_CTX_free(*ctx);
}

static bool
is_prime(unsigned number)
{
	for (unsigned d = 2; d * d <= number; d++)
		if (number % d == 0)
			return false;
	return number >= 2;
}

static bool
has_small_factor(const BIGNUM *modulus)
{
	for (unsigned p = 2; p <= FACTOR_MAX; p++)
		if (is_prime(p) && BN_mod_word(modulus, p) == 0)
			return true;
	return false;
}

/* Whether `value` is a power of 65537 modulo the prime p. */
static bool
in_subgroup(unsigned value, unsigned p)
{
	unsigned power = 1;

	do {
		if (power == value)
			return true;
		power = power * (65537 % p) % p;
	} while (power != 1);
	return false;
}

/*
 * ROCA: p = k M + (65537^a mod M) with M a product of the first primes, and
 * q likewise, so the modulus is a power of 65537 modulo each prime of M. That
 * another modulus is, for all of them, has a negligible probability.
 */
static bool
has_fingerprint(const BIGNUM *modulus)
{
	for (unsigned p = 3; p <= FINGERPRINT_MAX; p += 2)
		if (is_prime(p) &&
		    !in_subgroup((unsigned)BN_mod_word(modulus, p), p))
			return false;
	return true;
}

/* The largest number whose square is at most n, by Newton from above. */
static bool
square_root(const BIGNUM *n, BIGNUM *root, BN_CTX *ctx)
{
	auto_bn *next = BN_new();

	if (next == NULL || !BN_one(next) ||
	    !BN_lshift(next, next, (BN_num_bits(n) + 1) / 2))
		return false;
	do {
		if (!BN_copy(root, next) || !BN_div(next, NULL, n, root, ctx) ||
		    !BN_add(next, next, root) || !BN_rshift1(next, next))
			return false;
	} while (BN_cmp(next, root) < 0);
	return true;
}

/* Three in four numbers cannot be squares by their last six bits, and of
 * the others nine in ten by their remainders. */
static bool
may_be_square(const BIGNUM *n)
{
	static const unsigned moduli[] = {64, 63, 65, 11, 17, 19, 23, 31};

	for (size_t i = 0; i < MM_COUNT(moduli); i++) {
		unsigned m = moduli[i], rest, x = 0;

		rest = (unsigned)BN_mod_word(n, m);
		while (x < m && x * x % m != rest)
			x++;
		if (x == m)
			return false;
	}
	return true;
}

static bool
is_square(const BIGNUM *n, BN_CTX *ctx)
{
	auto_bn *root = BN_new();

	if (!may_be_square(n) || root == NULL || !square_root(n, root, ctx))
		return false;
	return BN_sqr(root, root, ctx) && BN_cmp(root, n) == 0;
}

/*
 * Fermat: n = a^2 - b^2 with a near the square root of n where the primes
 * are close. Out of memory counts as weak: nothing passes unjudged.
 */
static bool
is_fermat_close(const BIGNUM *n)
{
	auto_ctx *ctx = BN_CTX_new();
	auto_bn *a = BN_new(), *rest = BN_new();

	if (ctx == NULL || a == NULL || rest == NULL || !square_root(n, a, ctx))
		return true;
	/* The first a is the root cut off, where only a square itself ends. */
	for (int round = 0; round <= FERMAT_ROUNDS; round++) {
		if (!BN_sqr(rest, a, ctx) || !BN_sub(rest, rest, n))
			return true;
		if (BN_is_zero(rest) ||
		    (!BN_is_negative(rest) && is_square(rest, ctx)))
			return true;
		if (!BN_add_word(a, 1))
			return true;
	}
	return false;
}

/*
 * A modulus that is itself a prime: then everybody knows the private key.
 * Fermat's test to the base 2, which the product of two honest primes fails.
 */
static bool
is_prime_itself(const BIGNUM *n)
{
	auto_ctx *ctx = BN_CTX_new();
	auto_bn *two = BN_new(), *less = BN_dup(n), *power = BN_new();

	if (ctx == NULL || two == NULL || less == NULL || power == NULL ||
	    !BN_set_word(two, 2) || !BN_sub_word(less, 1) ||
	    !BN_mod_exp(power, two, less, n, ctx))
		return true;
	return BN_is_one(power);
}

const char *
mm_rsa_weakness(struct mm_span modulus)
{
	auto_bn *n = BN_bin2bn(modulus.data, (int)modulus.size, NULL);

	if (n == NULL)
		return "modulus that could not be examined";
	if (has_small_factor(n))
		return "modulus with a small factor";
	if (has_fingerprint(n))
		return "modulus of the ROCA kind (CVE-2017-15361)";
	if (is_fermat_close(n))
		return "modulus of two close primes";
	if (is_prime_itself(n))
		return "modulus that is a prime";
	return NULL;
}
