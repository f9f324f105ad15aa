/*
 * The audit of images: several signings of one release, RSA keys, and versions
 * that only go up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/rsa.h>

#include "signer/public_key.h"
#include "tests/unit/audit_attacks.h"

/* --- images --- */

struct image {
	const char *product, *version, *signing;
	uint8_t sha256, digest; /* each byte of them */
	uint64_t secure_version;
	const struct mm_genesis_key *key; /* NULL: "codesign" */
};

/* On its statements alone: nobody asked for it. */
static struct mm_image_entry
image_of(const struct image *one)
{
	const struct mm_genesis_key *key =
	    one->key != NULL ? one->key : mint_key("codesign");
	struct mm_scheme_digest digest = {.scheme = text(one->signing)};
	struct mm_release_claim claim = {.product = text(one->product),
	    .version = text(one->version),
	    .size = 1000,
	    .schemes = {&digest, 1}};
	struct mm_image_entry entry = {.product = claim.product,
	    .version = claim.version,
	    .size = 1000,
	    .scheme = digest.scheme,
	    .key = key->name,
	    .format = text("plain"),
	    .secure_version = one->secure_version};

	memset(claim.sha256, one->sha256, 32);
	memset(digest.digest, one->digest, 32);
	memset(entry.sha256, one->sha256, 32);
	memset(entry.digest, one->digest, 32);
	crypto_hash_sha256(entry.signer, key->spki.data, key->spki.size);
	entry.statements = state(said(MM_STATEMENT_RELEASE, &claim));
	return entry;
}

static uint64_t
add_image(const struct image *one)
{
	struct mm_image_entry entry = image_of(one);

	return add(MM_ENTRY_IMAGE, &entry);
}

static void
sign_image(uint64_t index, uint8_t digest_byte)
{
	uint8_t digest[32];

	memset(digest, digest_byte, sizeof(digest));
	add_signature(index, soft_sign("codesign", digest));
}

/* And signed at once, by "codesign". */
static void
add_signed(const struct image *one)
{
	sign_image(add_image(one), one->digest);
}

/* Of the product whose versions have an order. */
static struct image
clock_image(const char *version, uint64_t secure_version)
{
	struct image one = {.product = "clock",
	    .version = version,
	    .signing = "cose-sign1",
	    .secure_version = secure_version};

	crypto_generichash(
	    &one.sha256, 1, (const uint8_t *)version, strlen(version), NULL, 0);
	one.digest = (uint8_t)(one.sha256 ^ 0xff);
	return one;
}

static void
add_clock(const char *version, uint64_t secure_version)
{
	const struct image one = clock_image(version, secure_version);

	add_signed(&one);
}

/* --- what passes --- */

static void
one_release_has_several_signings(void **state)
{
	struct mm_audit_report report;

	(void)state;
	add_signed(
	    &(struct image){"lamp", "1.0", "sha256-ecdsa", 9, 9, 0, NULL});
	add_signed(&(struct image){"lamp", "1.0", "mcuboot", 9, 8, 0, NULL});
	/* And another product the same version. */
	add_signed(
	    &(struct image){"boot-ec", "1.0", "cose-sign1", 7, 6, 0, NULL});
	passes();
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.kinds[MM_ENTRY_IMAGE], 3);
}

static void
versions_go_up(void **state)
{
	struct image again = clock_image("1.2.0", 3);

	(void)state;
	add_clock("1.0.0", 0);
	add_clock("1.2.0-rc.1", 3);
	add_clock("1.2.0", 3);
	/* The same release by its other signing. */
	again.signing = "sha256-ecdsa";
	again.digest = again.sha256;
	add_signed(&again);
	add_clock("v1.10.0", 3);
	/* Without an order, any version goes. */
	add_signed(&(struct image){"lamp", "2.0", "mcuboot", 1, 2, 9, NULL});
	add_signed(&(struct image){"lamp", "1.0", "mcuboot", 3, 4, 9, NULL});
	passes();
}

/* They are signed in any order, and what is given up does not count. */
static void
a_version_that_was_given_up_does_not_count(void **state)
{
	struct image first = clock_image("1.0.0", 0),
		     second = clock_image("1.1.0", 1);
	struct image lost = clock_image("3.0.0", 9);
	uint64_t one, other;

	(void)state;
	one = add_image(&first);
	other = add_image(&second);
	sign_image(other, second.digest);
	sign_image(one, first.digest);
	add_void(add_image(&lost));
	add_clock("2.0.0", 1);
	/* The image was given up as well: the version may be another one. */
	lost.sha256 ^= 1;
	lost.digest ^= 1;
	add_signed(&lost);
	passes();
}

/* --- RSA --- */

static EVP_PKEY *rsa;
static struct mm_genesis_key rsa_key;

/* A ceremony later than the birth brings the key. */
static void
add_rsa_key_of(const char *name, uint64_t stated)
{
	struct mm_ceremony_key key = {.name = text(name),
	    .use = MM_KEY_CODE_SIGNING,
	    .algorithm = stated};
	struct mm_ceremony_claim ceremony = {.keys = {&key, 1}};
	struct mm_key_entry entry = {.name = key.name, .use = key.use};
	uint8_t *der = NULL;
	int size;

	if (rsa == NULL)
		rsa = EVP_RSA_gen(3072);
	size = i2d_PUBKEY(rsa, &der);
	entry.spki = mm_span(keep(der, (size_t)size), (size_t)size);
	OPENSSL_free(der);
	memcpy(ceremony.policy, honest.policy, 32);
	entry.basis = add_statements(MM_ENTRY_CEREMONY,
	    state(said(MM_STATEMENT_CEREMONY, &ceremony)), "officer-1");
	add(MM_ENTRY_KEY, &entry);
	rsa_key = (struct mm_genesis_key){
	    entry.name, MM_KEY_CODE_SIGNING, entry.spki};
}

static struct mm_span
rsa_sign(uint8_t digest_byte, int salt)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(rsa, NULL);
	uint8_t digest[32], bytes[MM_RSA_BYTES];
	size_t size = sizeof(bytes);

	memset(digest, digest_byte, sizeof(digest));
	assert_true(
	    EVP_PKEY_sign_init(context) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt) == 1 &&
	    EVP_PKEY_sign(context, bytes, &size, digest, 32) == 1);
	EVP_PKEY_CTX_free(context);
	return mm_span(keep(bytes, size), size);
}

static struct image
rsa_image(void)
{
	return (struct image){"boot-rsa", "1.0",
	    "secure-boot-v2-rsa3072:sb-rsa", 5, 6, 0, &rsa_key};
}

static void
add_rsa_image(uint8_t digest, int salt)
{
	struct image one;
	uint64_t index;

	add_rsa_key_of("sb-rsa", MM_ALGORITHM_RSA3072);
	one = rsa_image();
	index = add_image(&one);
	add_signature(index, rsa_sign(digest, salt));
}

static void
an_rsa_signature_passes(void **state)
{
	static const unsigned helpers[] = {0, 2};

	(void)state;
	add_rsa_image(6, 32);
	passes();
	for (size_t i = 0; i < MM_COUNT(helpers); i++) {
		const struct mm_audit_options options = {
		    .vkey = &mint.log.vkey, .helpers = helpers[i]};
		struct mm_checkpoint checkpoint =
		    honest_checkpoint(mint.log.size);
		struct mm_audit_report report;

		ok(audit_with(&options, &checkpoint, &report));
	}
}

static void
rsa_signature_of_another_digest(void)
{
	add_rsa_image(7, 32);
}

/* The boot ROM would not take it. */
static void
rsa_signature_with_another_salt(void)
{
	add_rsa_image(6, 31);
}

static void
rsa_key_signs_for_ecdsa(void)
{
	struct image one;

	add_rsa_key_of("other-rsa", MM_ALGORITHM_RSA3072);
	one = (struct image){
	    "boot-ec", "1.0", "secure-boot-v2-ecdsa256", 5, 6, 0, &rsa_key};
	add_image(&one);
}

static void
ecdsa_key_signs_for_rsa(void)
{
	struct image one = {
	    "boot-rsa", "1.0", "secure-boot-v2-rsa3072", 5, 6, 0, NULL};

	add_image(&one);
}

static void
rsa_key_that_was_stated_as_ecdsa(void)
{
	add_rsa_key_of("sb-rsa", 0);
}

/* The policy has it for signings that name it. */
static void
named_key_signs_for_one_that_names_none(void)
{
	struct image one;

	add_rsa_key_of("sb-rsa", MM_ALGORITHM_RSA3072);
	one = (struct image){
	    "boot-rsa", "1.0", "secure-boot-v2-rsa3072", 5, 6, 0, &rsa_key};
	add_image(&one);
}

static void
key_of_partitions_signs_an_image(void)
{
	struct image one = {
	    "lamp", "1.0", "sha256-ecdsa", 9, 9, 0, mint_key("part")};

	add_image(&one);
}

static void
rsa_signature_is_ecdsa(void)
{
	struct image one;
	uint8_t digest[32];

	add_rsa_key_of("sb-rsa", MM_ALGORITHM_RSA3072);
	one = rsa_image();
	memset(digest, one.digest, sizeof(digest));
	add_signature(add_image(&one), soft_sign("codesign", digest));
}

static void
keys_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(rsa_signature_of_another_digest, "does not verify"),
	    ATTACK(rsa_signature_with_another_salt, "does not verify"),
	    ATTACK(rsa_signature_is_ecdsa, "does not verify"),
	    ATTACK(rsa_key_signs_for_ecdsa, "by a key of P-256"),
	    ATTACK(ecdsa_key_signs_for_rsa, "by a key of RSA-3072"),
	    ATTACK(rsa_key_that_was_stated_as_ecdsa, "another kind"),
	    ATTACK(named_key_signs_for_one_that_names_none,
		"for signings that name it"),
	    ATTACK(
		key_of_partitions_signs_an_image, "for signings that name it")};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* --- versions that do not go up --- */

static void
lower_than_a_signed_one(void)
{
	add_clock("1.1.0", 0);
	add_clock("1.0.9", 0);
}

static void
lower_than_one_that_waits(void)
{
	const struct image first = clock_image("1.1.0", 0);

	add_image(&first);
	add_clock("1.0.9", 0);
}

static void
lower_than_all_but_the_last_that_was_signed(void)
{
	const struct image first = clock_image("1.0.0", 0),
			   second = clock_image("1.1.0", 0);
	uint64_t one = add_image(&first), other = add_image(&second);

	sign_image(other, second.digest);
	sign_image(one, first.digest);
	add_clock("1.0.5", 0);
}

static void
the_same_written_otherwise(void)
{
	add_clock("1.0.0", 0);
	add_clock("v1.0.0", 0);
}

static void
not_written_so(void)
{
	add_clock("tuesday", 0);
}

static void
secure_version_lower(void)
{
	add_clock("1.0.0", 5);
	add_clock("1.1.0", 4);
}

static void
secure_version_lower_without_an_order(void)
{
	add_signed(&(struct image){"lamp", "2.0", "mcuboot", 1, 2, 9, NULL});
	add_signed(&(struct image){"lamp", "1.0", "mcuboot", 3, 4, 8, NULL});
}

static void
the_version_is_another_image(void)
{
	struct image one = clock_image("1.0.0", 0);

	add_signed(&one);
	one.signing = "sha256-ecdsa";
	one.sha256 ^= 1;
	one.digest = one.sha256;
	add_signed(&one);
}

static void
the_version_is_another_image_without_an_order(void)
{
	add_signed(
	    &(struct image){"lamp", "1.0", "sha256-ecdsa", 9, 9, 0, NULL});
	add_signed(&(struct image){"lamp", "1.0", "mcuboot", 8, 7, 0, NULL});
}

static void
the_same_signing_twice(void)
{
	add_clock("1.0.0", 0);
	add_clock("1.0.0", 0);
}

static void
a_request_without_a_principal(void)
{
	const struct image one = clock_image("1.0.0", 0);
	struct mm_image_entry entry = image_of(&one);

	entry.request = new_request();
	add(MM_ENTRY_IMAGE, &entry);
}

static void
versions_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(lower_than_a_signed_one, "1.0.9 is not higher than 1.1.0"),
	    ATTACK(lower_than_one_that_waits, "1.0.9 is not higher than 1.1.0"),
	    ATTACK(lower_than_all_but_the_last_that_was_signed,
		"1.0.5 is not higher than 1.1.0"),
	    ATTACK(the_same_written_otherwise, "v1.0.0 is not higher"),
	    ATTACK(not_written_so, "tuesday"),
	    ATTACK(secure_version_lower, "secure_version 4 is lower than 5"),
	    ATTACK(secure_version_lower_without_an_order,
		"secure_version 8 is lower than 9"),
	    ATTACK(the_version_is_another_image, "is another image in"),
	    ATTACK(the_version_is_another_image_without_an_order,
		"is another image in"),
	    ATTACK(the_same_signing_twice, "has a live signature already"),
	    ATTACK(a_request_without_a_principal, "does not say who asked")};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

/* --- partitions --- */

/* A policy whose devices have their partitions signed. */
static struct mm_partition_entry
partition_of(const char *device)
{
	struct issue issued = device_issue(device);
	const struct mm_genesis_key *key = mint_key("part");
	uint8_t digest[32];
	struct mm_partition_entry entry = {.profile = text("device"),
	    .device = text(device),
	    .basis = honest.order,
	    .size = 1000,
	    .scheme = text("secure-cert-ecdsa256:part"),
	    .key = key->name,
	    .principal = text("station-1"),
	    .request = new_request()};

	mm_tbs_digest(issued.entry.tbs, digest);
	entry.certificate = add_certificate(&issued);
	add_signature(entry.certificate, soft_sign("device-ca", digest));
	memset(entry.sha256, 3, 32);
	memset(entry.digest, 4, 32);
	crypto_hash_sha256(entry.signer, key->spki.data, key->spki.size);
	return entry;
}

static void
add_partition(const struct mm_partition_entry *entry)
{
	add_signature(
	    add(MM_ENTRY_PARTITION, entry), soft_sign("part", entry->digest));
}

static void
a_partition_is_signed_once(void **state)
{
	struct mm_partition_entry entry = partition_of("dev-01"), other;

	(void)state;
	add_void(add(MM_ENTRY_PARTITION, &entry));
	add_partition(&entry);
	other = partition_of("dev-02");
	add_partition(&other);
	passes();
}

static void
partition_twice(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	add_partition(&entry);
	entry.request = new_request();
	memset(entry.sha256, 5, 32);
	add_partition(&entry);
}

static void
partition_of_another_device(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	partition_of("dev-02");
	entry.device = text("dev-02");
	add_partition(&entry);
}

static void
partition_without_a_certificate(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	entry.device = text("dev-03");
	add_partition(&entry);
}

static void
partition_of_a_revoked_one(void)
{
	struct issue issue = device_issue("dev-01");
	struct mm_partition_entry entry = partition_of("dev-02");

	issue_signed(&issue);
	entry.device = text("dev-01");
	entry.certificate = mint.log.size - 2;
	revoke_serial(serial_of(issue.entry.tbs), 1);
	add_partition(&entry);
}

static void
partition_asked_for_by_nobody(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	entry.principal = text("auditor-1");
	add_partition(&entry);
}

static void
partition_outside_the_order(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	entry.device = text("lamp-01");
	add_partition(&entry);
}

static void
partition_by_a_scheme_of_images(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	entry.scheme = text("cose-sign1");
	add_partition(&entry);
}

static void
partition_by_a_ca(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	entry.key = text("device-ca");
	add_partition(&entry);
}

static void
partition_before_its_certificate(void)
{
	struct mm_partition_entry entry = partition_of("dev-01");

	entry.certificate = mint.log.size;
	add_partition(&entry);
}

static void
partitions_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(partition_twice, "its partition has a live signature"),
	    ATTACK(partition_of_another_device, "is not the certificate that"),
	    ATTACK(
		partition_without_a_certificate, "is not the certificate that"),
	    ATTACK(partition_of_a_revoked_one, "is not the certificate that"),
	    ATTACK(partition_asked_for_by_nobody, "auditor-1"),
	    ATTACK(partition_outside_the_order, "lamp-01"),
	    ATTACK(partition_by_a_scheme_of_images, "cose-sign1"),
	    ATTACK(partition_by_a_ca, "no code-signing key"),
	    ATTACK(partition_before_its_certificate, "does not come before")};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

static int
remove_all(void **state)
{
	EVP_PKEY_free(rsa);
	return honest_remove(state);
}

#define HONEST(test) cmocka_unit_test_setup(test, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    HONEST(one_release_has_several_signings), HONEST(versions_go_up),
	    HONEST(a_version_that_was_given_up_does_not_count),
	    HONEST(an_rsa_signature_passes), HONEST(keys_are_checked),
	    HONEST(versions_are_checked), HONEST(a_partition_is_signed_once),
	    HONEST(partitions_are_checked)};

	return cmocka_run_group_tests(tests, honest_make, remove_all);
}
