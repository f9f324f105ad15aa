#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hsm/verify.h"
#include "tests/unit/later.h"

static void
image_as_it_is(struct image_trial *trial)
{
	(void)trial;
}

static void
image_without_statement(struct image_trial *trial)
{
	trial->unsaid = true;
}

static void
image_of_no_officer(struct image_trial *trial)
{
	trial->says.by = &mint.eve;
}

static void
image_approved_too_late(struct image_trial *trial)
{
	trial->says.time = NOW - 100;
	trial->says.expiry = NOW + 9;
}

static void
image_logged_with_an_old_time(struct image_trial *trial)
{
	trial->says.expiry = NOW + 100;
	mint_clock = NOW + 161;
}

static void
image_of_another_log(struct image_trial *trial)
{
	trial->says.origin = "other.example";
}

static void
image_of_another_kind(struct image_trial *trial)
{
	static struct mm_policy_claim claim = {.number = 2};

	trial->says.kind = MM_STATEMENT_POLICY;
	trial->says.body = &claim;
}

static void
image_differs(struct image_trial *trial)
{
	trial->entry.sha256[0] ^= 1;
	trial->entry.digest[0] ^= 1;
}

static void
image_digest_is_not_its_hash(struct image_trial *trial)
{
	trial->entry.digest[0] ^= 1;
	trial->digest.digest[0] ^= 1;
}

static void
image_names_another_signer(struct image_trial *trial)
{
	trial->entry.signer[0] ^= 1;
}

static void
image_approved_digest_differs(struct image_trial *trial)
{
	trial->digest.digest[0] ^= 1;
}

static void
image_product_differs(struct image_trial *trial)
{
	trial->claim.product = text("fan");
}

static void
image_product_unknown(struct image_trial *trial)
{
	trial->entry.product = trial->claim.product = text("fan");
}

static void
image_version_differs(struct image_trial *trial)
{
	trial->entry.version = text("1.1");
}

static void
image_size_differs(struct image_trial *trial)
{
	trial->entry.size++;
}

static void
image_too_large(struct image_trial *trial)
{
	trial->entry.size = trial->claim.size = 1048577;
}

static void
image_largest(struct image_trial *trial)
{
	trial->entry.size = trial->claim.size = 1048576;
}

static void
image_scheme_unknown(struct image_trial *trial)
{
	trial->entry.scheme = trial->digest.scheme = text("rot13");
}

static void
image_by_root(struct image_trial *trial)
{
	trial->entry.key = text("root");
}

static void
image_by_device_ca(struct image_trial *trial)
{
	trial->entry.key = text("device-ca");
}

static void
image_by_nobody(struct image_trial *trial)
{
	trial->entry.key = text("nobody");
}

#define SPOILT(spoil, error, why) \
	{ \
#spoil, spoil, error, why \
	}

static void
an_image_is_what_its_release_says(void **unused)
{
	static const struct {
		const char *name;
		void (*spoil)(struct image_trial *trial);
		enum mm_error error;
		const char *why;
	} attacks[] = {SPOILT(image_as_it_is, MM_OK, ""),
	    SPOILT(image_largest, MM_OK, ""),
	    SPOILT(image_too_large, MM_E_IMAGE_SIZE, ""),
	    SPOILT(image_without_statement, MM_E_STATEMENT, ""),
	    SPOILT(image_of_no_officer, MM_E_STATEMENT_OFFICER, ""),
	    SPOILT(image_approved_too_late, MM_E_STATEMENT_TIME, ""),
	    SPOILT(image_logged_with_an_old_time, MM_E_STATEMENT_TIME, ""),
	    SPOILT(image_of_another_log, MM_E_STATEMENT_LOG, ""),
	    SPOILT(image_of_another_kind, MM_E_STATEMENT_KIND, ""),
	    SPOILT(image_differs, MM_E_RELEASE, ""),
	    SPOILT(image_digest_is_not_its_hash, MM_E_TOKEN_REFUSED, ""),
	    SPOILT(image_approved_digest_differs, MM_E_RELEASE, "digest"),
	    SPOILT(image_product_differs, MM_E_RELEASE, "product"),
	    SPOILT(image_product_unknown, MM_E_PRODUCT, ""),
	    SPOILT(image_version_differs, MM_E_RELEASE, "version"),
	    SPOILT(image_size_differs, MM_E_RELEASE, "size"),
	    SPOILT(image_scheme_unknown, MM_E_SCHEME, ""),
	    SPOILT(image_by_root, MM_E_TOKEN_REFUSED, "code-signing"),
	    SPOILT(image_by_device_ca, MM_E_TOKEN_REFUSED, "code-signing"),
	    SPOILT(image_by_nobody, MM_E_TOKEN_REFUSED, "code-signing"),
	    SPOILT(
		image_names_another_signer, MM_E_TOKEN_REFUSED, "another key")};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(attacks); i++) {
		struct image_trial trial;
		struct outcome outcome;

		make_image(&trial);
		attacks[i].spoil(&trial);
		outcome = try_image(&trial);
		check_outcome(attacks[i].name, &outcome, attacks[i].error,
		    attacks[i].why);
		if (outcome.error == MM_OK)
			ok(mm_key_verify_p256(mint_key("codesign")->spki,
			    trial.entry.digest, outcome.signature));
	}
}

/* --- schemes and keys --- */

/* Code-signing keys beside "codesign"; without certificates. */
static struct mm_genesis_key rsa, other_rsa, ec, other_ec;

static void
add_keys(void)
{
	rsa = add_code_key("sb-rsa", MM_ALGORITHM_RSA3072);
	other_rsa = add_code_key("other-rsa", MM_ALGORITHM_RSA3072);
	ec = add_code_key("sb-ec", 0);
	other_ec = add_code_key("other-ec", 0);
}

static const struct mm_genesis_key *
key_named(const char *name)
{
	const struct mm_genesis_key *made[] = {
	    &rsa, &other_rsa, &ec, &other_ec};

	for (size_t i = 0; i < MM_COUNT(made); i++)
		if (mm_span_is(made[i]->name, name))
			return made[i];
	return mint_key(name);
}

static const struct signing {
	const char *product, *signing, *key;
} signings[] = {{"lamp", "sha256-ecdsa", "codesign"},
    {"lamp", "mcuboot", "codesign"}, {"lamp", "mcuboot", "other-ec"},
    {"boot-1", "secure-boot-v1", "other-ec"},
    {"boot-ec", "secure-boot-v2-ecdsa256", "codesign"},
    {"boot-ec", "secure-boot-v2-ecdsa256:sb-ec", "sb-ec"},
    {"boot-ec", "cose-sign1", "codesign"},
    {"boot-rsa", "secure-boot-v2-rsa3072", "other-rsa"},
    {"boot-rsa", "secure-boot-v2-rsa3072:sb-rsa", "sb-rsa"},
    {"boot-rsa", "sha256-ecdsa:sb-ec", "sb-ec"}};

static void
make_signing(struct image_trial *trial, const struct signing *one)
{
	make_image(trial);
	sign_by(trial, one->product, one->signing, key_named(one->key));
}

static void
every_scheme_is_signed_by_a_key_of_its_kind(void **unused)
{
	(void)unused;
	add_keys();
	for (size_t i = 0; i < MM_COUNT(signings); i++) {
		const struct mm_genesis_key *key = key_named(signings[i].key);
		bool is_rsa = strstr(signings[i].key, "rsa") != NULL;
		struct image_trial trial;
		struct outcome outcome;

		make_signing(&trial, &signings[i]);
		outcome = try_image(&trial);
		check_outcome(signings[i].signing, &outcome, MM_OK, "");
		assert_int_equal(
		    is_rsa, outcome.signature.size == MM_RSA_BYTES);
		ok(mm_signature_check(
		    key->spki, trial.entry.digest, outcome.signature));
	}
}

/* What a modified authority may ask for, of every scheme. */
static void
digest_nobody_approved(struct image_trial *trial)
{
	memset(trial->entry.digest, 7, 32);
	/* With this one it is the image that nobody approved. */
	if (strncmp((const char *)trial->entry.scheme.data, "sha256", 6) == 0)
		memset(trial->entry.sha256, 7, 32);
}

static void
image_nobody_approved(struct image_trial *trial)
{
	if (memcmp(trial->entry.digest, trial->entry.sha256, 32) == 0)
		trial->entry.digest[31] ^= 1;
	trial->entry.sha256[31] ^= 1;
}

static void
scheme_nobody_approved(struct image_trial *trial)
{
	trial->digest.scheme = text("sha256-ecdsa:of-another");
}

static void
nothing_said(struct image_trial *trial)
{
	trial->unsaid = true;
}

static void
by_one_who_is_no_officer(struct image_trial *trial)
{
	trial->says.by = &mint.eve;
}

static void
version_nobody_approved(struct image_trial *trial)
{
	trial->entry.version = text("1.0.1");
}

static void
format_nobody_read(struct image_trial *trial)
{
	trial->entry.format = text("unread");
}

static void
of_another_product(struct image_trial *trial)
{
	trial->entry.product = trial->claim.product = text("unread");
}

static void
by_a_ca(struct image_trial *trial)
{
	sign_by(trial, "lamp", "mcuboot", mint_key("device-ca"));
}

static void
no_scheme_is_signed_unapproved(void **unused)
{
	static const struct {
		const char *name;
		void (*spoil)(struct image_trial *trial);
		enum mm_error error;
		const char *why;
	} attacks[] = {SPOILT(digest_nobody_approved, MM_E_RELEASE, ""),
	    SPOILT(image_nobody_approved, MM_E_RELEASE, ""),
	    SPOILT(scheme_nobody_approved, MM_E_RELEASE, ""),
	    SPOILT(version_nobody_approved, MM_E_RELEASE, "version"),
	    SPOILT(format_nobody_read, MM_E_RELEASE, "nobody has read"),
	    SPOILT(nothing_said, MM_E_STATEMENT, ""),
	    SPOILT(by_one_who_is_no_officer, MM_E_STATEMENT_OFFICER, ""),
	    SPOILT(by_a_ca, MM_E_TOKEN_REFUSED, "code-signing")};

	(void)unused;
	add_keys();
	for (size_t n = 0; n < MM_COUNT(signings); n++)
		for (size_t i = 0; i < MM_COUNT(attacks); i++) {
			struct image_trial trial;
			struct outcome outcome;

			make_signing(&trial, &signings[n]);
			attacks[i].spoil(&trial);
			outcome = try_image(&trial);
			check_outcome(attacks[i].name, &outcome,
			    attacks[i].error, attacks[i].why);
		}
}

/* The statements are right, and the key is not. */
static void
a_signing_is_by_no_other_key(void **unused)
{
	static const struct {
		struct signing signing;
		enum mm_error error;
		const char *why;
	} attacks[] = {{{"boot-rsa", "secure-boot-v2-rsa3072", "codesign"},
			   MM_E_TOKEN_REFUSED, "by a key of RSA-3072"},
	    {{"boot-ec", "secure-boot-v2-ecdsa256", "other-rsa"},
		MM_E_TOKEN_REFUSED, "by a key of P-256"},
	    {{"lamp", "sha256-ecdsa", "other-rsa"}, MM_E_TOKEN_REFUSED,
		"P-256"},
	    {{"boot-rsa", "secure-boot-v2-rsa3072:sb-rsa", "other-rsa"},
		MM_E_TOKEN_REFUSED, "by the key that it names"},
	    {{"boot-ec", "secure-boot-v2-ecdsa256:sb-ec", "codesign"},
		MM_E_TOKEN_REFUSED, "by the key that it names"},
	    /* Keys that the policy names sign for nobody else. */
	    {{"boot-ec", "secure-boot-v2-ecdsa256", "sb-ec"},
		MM_E_TOKEN_REFUSED, "for signings that name it"},
	    {{"lamp", "sha256-ecdsa", "sb-ec"}, MM_E_TOKEN_REFUSED,
		"for signings that name it"},
	    {{"boot-rsa", "secure-boot-v2-rsa3072", "sb-rsa"},
		MM_E_TOKEN_REFUSED, "for signings that name it"},
	    {{"lamp", "sha256-ecdsa", "part"}, MM_E_TOKEN_REFUSED,
		"for signings that name it"},
	    {{"boot-ec", "cose-sign1", "part"}, MM_E_TOKEN_REFUSED,
		"for signings that name it"},
	    {{"boot-ec", "secure-boot-v2-ecdsa256", "root"}, MM_E_TOKEN_REFUSED,
		"no code-signing key"},
	    {{"boot-ec", "secure-boot-v2-ecdsa256", "access-ca"},
		MM_E_TOKEN_REFUSED, "no code-signing key"},
	    {{"boot-ec", "secure-boot-v2-ecdsa256:root", "root"},
		MM_E_TOKEN_REFUSED, "no code-signing key"},
	    {{"boot-ec", "secure-boot-v2-rsa3072", "other-rsa"}, MM_E_SCHEME,
		""},
	    {{"boot-ec", "secure-boot-v2-ecdsa256:codesign", "codesign"},
		MM_E_SCHEME, ""},
	    {{"boot-ec", "secure-cert-ecdsa256", "codesign"}, MM_E_SCHEME,
		"under an order"},
	    {{"boot-ec", "secure-boot-v2-ecdsa256:", "codesign"}, MM_E_SCHEME,
		"names no key"}};

	(void)unused;
	add_keys();
	for (size_t i = 0; i < MM_COUNT(attacks); i++) {
		struct image_trial trial;
		struct outcome outcome;

		make_signing(&trial, &attacks[i].signing);
		outcome = try_image(&trial);
		check_outcome(attacks[i].signing.signing, &outcome,
		    attacks[i].error, attacks[i].why);
	}
}

static void
an_image_that_nobody_read_wants_the_products_word(void **unused)
{
	struct image_trial trial;
	struct outcome outcome;

	(void)unused;
	add_keys();
	make_signing(&trial,
	    &(struct signing){"unread", "secure-boot-v2-ecdsa256", "other-ec"});
	format_nobody_read(&trial);
	outcome = try_image(&trial);
	check_outcome("allowed", &outcome, MM_OK, "");
	make_signing(&trial, &(struct signing){"boot-ec",
				 "secure-boot-v2-ecdsa256", "other-ec"});
	format_nobody_read(&trial);
	outcome = try_image(&trial);
	check_outcome("not allowed", &outcome, MM_E_RELEASE, "unread");
	/* A scheme that this product does not have. */
	make_signing(
	    &trial, &(struct signing){"boot-ec", "cose-sign1", "other-ec"});
	of_another_product(&trial);
	outcome = try_image(&trial);
	check_outcome("another product", &outcome, MM_E_SCHEME, "");
}

static void
a_retired_key_signs_no_image(void **unused)
{
	struct image_trial trial;
	struct outcome outcome;

	(void)unused;
	add_keys();
	make_signing(&trial, &(struct signing){"boot-rsa",
				 "secure-boot-v2-rsa3072:sb-rsa", "sb-rsa"});
	retire_key(&rsa);
	outcome = try_image(&trial);
	check_outcome(
	    "retired", &outcome, MM_E_TOKEN_REFUSED, "no code-signing key");
}

/* --- RSA keys in ceremonies --- */

static void
an_rsa_key_is_for_code_alone(void **unused)
{
	static const uint64_t others[] = {
	    MM_KEY_ROOT_CA, MM_KEY_DEVICE_CA, MM_KEY_ACCESS_CA};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(others); i++) {
		struct later later = make_later();

		later.claim.keys =
		    one_key_of("rsa-ca", others[i], MM_ALGORITHM_RSA3072);
		log_later(&later);
		assert_int_equal(follow_last(), MM_E_KEY_TYPE);
	}
}

/* The kind is the officers' to say, and not the authority's. */
static void
a_key_of_another_kind_than_stated_does_not_come(void **unused)
{
	struct later later = make_later();
	struct mm_genesis_key made;
	uint64_t index;

	(void)unused;
	later.claim.keys = one_key("kind-1", MM_KEY_CODE_SIGNING);
	index = follow_later(&later);
	assert_int_equal(
	    generate(index,
		one_key_of("kind-1", MM_KEY_CODE_SIGNING, MM_ALGORITHM_RSA3072),
		&made),
	    MM_E_TOKEN_REFUSED);
	ok(generate(index, later.claim.keys, &made));
	/* It is there; as an RSA key it is not. */
	later = make_later();
	later.claim.keys =
	    one_key_of("kind-1", MM_KEY_CODE_SIGNING, MM_ALGORITHM_RSA3072);
	index = follow_later(&later);
	assert_int_equal(
	    generate(index, later.claim.keys, &made), MM_E_KEY_TYPE);
	/* Nor does its entry say so. */
	made = (struct mm_genesis_key){
	    text("kind-1"), MM_KEY_CODE_SIGNING, mint_key("codesign")->spki};
	log_key(&made, index, false);
	assert_int_equal(follow_last(), MM_E_STATEMENT_DIFFERS);
}

/* Not even for itself: what it signed would be taken for ECDSA. */
static void
an_rsa_key_signs_no_certificate(void **unused)
{
	struct later later = make_later();
	struct mm_ceremony_certificate own = {text("sb-rsa"), text("sb-rsa"),
	    text("codesign"), text("Secure Boot")};
	struct trial trial;
	struct outcome outcome;
	uint64_t index;

	(void)unused;
	add_keys();
	later.claim.certificates = (struct mm_list){&own, 1};
	index = follow_later(&later);
	trial = make_trial("codesign", "Secure Boot", "codesign",
	    mm_span(NULL, 0), mint_key("codesign")->spki);
	trial.entry.issuer = text("sb-rsa");
	trial.entry.basis = index;
	outcome = try(&trial, &index);
	check_outcome("its own certificate", &outcome, MM_E_TOKEN_REFUSED,
	    "neither certificates nor CSRs");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BORN(an_image_is_what_its_release_says),
	    BORN(every_scheme_is_signed_by_a_key_of_its_kind),
	    BORN(no_scheme_is_signed_unapproved),
	    BORN(a_signing_is_by_no_other_key),
	    BORN(an_image_that_nobody_read_wants_the_products_word),
	    BORN(a_retired_key_signs_no_image),
	    BORN(an_rsa_key_is_for_code_alone),
	    BORN(a_key_of_another_kind_than_stated_does_not_come),
	    BORN(an_rsa_key_signs_no_certificate)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
