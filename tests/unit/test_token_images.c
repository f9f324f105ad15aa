#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/trial.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BORN(an_image_is_what_its_release_says)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
