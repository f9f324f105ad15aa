/*
 * Partitions of devices before the token: under an order that covers them, by
 * a signing of their profile, with a code-signing key of its kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hsm/verify.h"
#include "tests/unit/later.h"

struct partition_trial {
	struct mm_partition_entry entry;
	struct mm_order_claim order; /* in the log where `says` has a speaker */
	struct says says;
	uint64_t time;
	uint8_t policy[32];
	uint64_t references[2];
	size_t count;
};

static void
make_partition(struct partition_trial *trial)
{
	const struct mm_genesis_key *key = mint_key("part");

	mint_clock = NOW;
	*trial = (struct partition_trial){
	    .entry = {.profile = text("device"),
		.device = text("dev-42"),
		.basis = logged.order,
		.size = 1000,
		.scheme = text("secure-cert-ecdsa256:part"),
		.key = key->name,
		.principal = text("station-1"),
		.request = text("0123456789abcdef")},
	    .order = make_order(),
	    .time = NOW + 10,
	    .references = {logged.order},
	    .count = 1};
	memcpy(trial->policy, mint.policy_digest, 32);
	memset(trial->entry.sha256, 9, 32);
	memset(trial->entry.digest, 8, 32);
	crypto_hash_sha256(trial->entry.signer, key->spki.data, key->spki.size);
}

static struct outcome
try_partition(struct partition_trial *trial)
{
	struct request request;

	if (trial->says.by != NULL) {
		trial->says.kind = MM_STATEMENT_ORDER;
		trial->says.body = &trial->order;
		trial->entry.basis = trial->references[0] =
		    log_statements(MM_ENTRY_ORDER, NOW + 6, state(trial->says));
	}
	prepare(&request,
	    log_append(&mint.log, make_entry(MM_ENTRY_PARTITION, trial->time,
				      trial->policy, &trial->entry)),
	    trial->references, trial->count);
	return ask(&request);
}

static void
sign_with(struct partition_trial *trial, const struct mm_genesis_key *key)
{
	trial->entry.key = key->name;
	crypto_hash_sha256(trial->entry.signer, key->spki.data, key->spki.size);
}

/* Each spoils one thing. */

static void
as_it_is(struct partition_trial *trial)
{
	(void)trial;
}

static void
in_the_last_second(struct partition_trial *trial)
{
	trial->time = mint_clock = NOW + 100;
}

static void
after_the_order(struct partition_trial *trial)
{
	trial->time = mint_clock = NOW + 101;
}

static void
signed_within_the_grace(struct partition_trial *trial)
{
	(void)trial;
	mint_clock = NOW + 160;
}

static void
logged_with_an_old_time(struct partition_trial *trial)
{
	(void)trial;
	mint_clock = NOW + 161;
}

static void
ahead_of_the_clock(struct partition_trial *trial)
{
	trial->time = NOW + 61;
}

static void
unapproved_device(struct partition_trial *trial)
{
	trial->entry.device = text("dev-100");
}

static void
no_device_id(struct partition_trial *trial)
{
	trial->entry.device = text("dev 42");
}

static void
another_station(struct partition_trial *trial)
{
	trial->entry.principal = text("station-2");
}

static void
another_profile(struct partition_trial *trial)
{
	trial->entry.profile = text("device-2");
}

static void
no_profile(struct partition_trial *trial)
{
	trial->entry.profile = text("nothing");
}

static void
profile_of_clients(struct partition_trial *trial)
{
	trial->entry.profile = text("tls-client");
}

static void
a_signing_the_profile_has_not(struct partition_trial *trial)
{
	trial->entry.scheme = text("secure-cert-ecdsa256:codesign");
}

static void
a_scheme_of_images(struct partition_trial *trial)
{
	trial->entry.scheme = text("secure-boot-v2-ecdsa256");
}

static void
an_unknown_scheme(struct partition_trial *trial)
{
	trial->entry.scheme = text("rot13");
}

static void
by_a_ca(struct partition_trial *trial)
{
	sign_with(trial, mint_key("device-ca"));
}

static void
by_the_root(struct partition_trial *trial)
{
	sign_with(trial, mint_key("root"));
}

static void
by_nobody(struct partition_trial *trial)
{
	trial->entry.key = text("nobody");
}

static void
by_another_signer(struct partition_trial *trial)
{
	trial->entry.signer[31] ^= 1;
}

/* Whose signings need a release. */
static void
by_a_key_of_images(struct partition_trial *trial)
{
	sign_with(trial, mint_key("codesign"));
}

static void
by_a_signing_that_names_no_key(struct partition_trial *trial)
{
	trial->entry.scheme = text("secure-cert-ecdsa256");
	sign_with(trial, mint_key("codesign"));
}

static void
under_no_order(struct partition_trial *trial)
{
	trial->entry.basis = trial->references[0] = logged.principal;
}

static void
under_an_order_not_at_hand(struct partition_trial *trial)
{
	trial->count = 0;
}

static void
under_an_order_of_nobody(struct partition_trial *trial)
{
	trial->says.by = &mint.eve;
}

static void
under_an_order_of_another_log(struct partition_trial *trial)
{
	trial->says.by = &mint.ada;
	trial->says.origin = "other.example";
}

static void
under_an_order_of_another_profile(struct partition_trial *trial)
{
	trial->says.by = &mint.ada;
	trial->order.profile = text("device-2");
}

static void
under_an_order_that_was_over(struct partition_trial *trial)
{
	trial->says.by = &mint.ada;
	trial->order.until = NOW + 9;
}

static void
under_a_closed_order(struct partition_trial *trial)
{
	trial->says.by = &mint.ada;
	trial->order.revision = 1;
	trial->order.closed = true;
}

static void
under_a_later_order(struct partition_trial *trial)
{
	trial->entry.basis = mint.log.size + 1;
}

static void
of_another_policy(struct partition_trial *trial)
{
	trial->policy[0] ^= 1;
}

#define SPOILT(spoil, error, why) \
	{ \
#spoil, spoil, error, why \
	}

static void
a_partition_is_what_its_order_covers(void **unused)
{
	static const struct {
		const char *name;
		void (*spoil)(struct partition_trial *trial);
		enum mm_error error;
		const char *why;
	} attacks[] = {SPOILT(as_it_is, MM_OK, ""),
	    SPOILT(in_the_last_second, MM_OK, ""),
	    SPOILT(after_the_order, MM_E_ORDER_CLOSED, ""),
	    SPOILT(signed_within_the_grace, MM_OK, ""),
	    SPOILT(logged_with_an_old_time, MM_E_ORDER_CLOSED, ""),
	    SPOILT(ahead_of_the_clock, MM_E_TOKEN_REFUSED, "clock"),
	    SPOILT(unapproved_device, MM_E_ORDER_COVER, "dev-100"),
	    SPOILT(no_device_id, MM_E_DEVICE_ID, ""),
	    SPOILT(another_station, MM_E_ORDER_OTHERS, "station-2"),
	    SPOILT(another_profile, MM_E_ORDER_OTHERS, "device-2"),
	    SPOILT(no_profile, MM_E_PROFILE, ""),
	    SPOILT(profile_of_clients, MM_E_PROFILE_DENIED, ""),
	    SPOILT(a_signing_the_profile_has_not, MM_E_SCHEME, "device"),
	    SPOILT(a_scheme_of_images, MM_E_SCHEME, ""),
	    SPOILT(an_unknown_scheme, MM_E_SCHEME, ""),
	    SPOILT(by_a_ca, MM_E_TOKEN_REFUSED, "code-signing"),
	    SPOILT(by_the_root, MM_E_TOKEN_REFUSED, "code-signing"),
	    SPOILT(by_nobody, MM_E_TOKEN_REFUSED, "code-signing"),
	    SPOILT(by_another_signer, MM_E_TOKEN_REFUSED, "another key"),
	    SPOILT(by_a_key_of_images, MM_E_TOKEN_REFUSED, "that it names"),
	    SPOILT(by_a_signing_that_names_no_key, MM_E_SCHEME, "device"),
	    SPOILT(under_no_order, MM_E_TOKEN_REFUSED, "not of kind order"),
	    SPOILT(
		under_an_order_not_at_hand, MM_E_TOKEN_REFUSED, "not at hand"),
	    SPOILT(under_an_order_of_nobody, MM_E_STATEMENT_OFFICER, ""),
	    SPOILT(under_an_order_of_another_log, MM_E_STATEMENT_LOG, ""),
	    SPOILT(under_an_order_of_another_profile, MM_E_ORDER_OTHERS, ""),
	    SPOILT(under_an_order_that_was_over, MM_E_ORDER_CLOSED, ""),
	    SPOILT(under_a_closed_order, MM_E_ORDER_CLOSED, ""),
	    SPOILT(under_a_later_order, MM_E_TOKEN_REFUSED, "before"),
	    SPOILT(of_another_policy, MM_E_TOKEN_REFUSED, "policy")};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(attacks); i++) {
		struct partition_trial trial;
		struct outcome outcome;

		make_partition(&trial);
		attacks[i].spoil(&trial);
		outcome = try_partition(&trial);
		check_outcome(attacks[i].name, &outcome, attacks[i].error,
		    attacks[i].why);
		if (outcome.error == MM_OK)
			ok(mm_key_verify_p256(mint_key("part")->spki,
			    trial.entry.digest, outcome.signature));
	}
}

static void
an_rsa_key_signs_one(void **unused)
{
	struct mm_genesis_key rsa =
	    add_code_key("part-rsa", MM_ALGORITHM_RSA3072);
	struct partition_trial trial;
	struct outcome outcome;

	(void)unused;
	make_partition(&trial);
	trial.entry.scheme = text("secure-cert-rsa3072:part-rsa");
	sign_with(&trial, &rsa);
	outcome = try_partition(&trial);
	check_outcome("rsa", &outcome, MM_OK, "");
	assert_int_equal(outcome.signature.size, MM_RSA_BYTES);
	ok(mm_signature_check(rsa.spki, trial.entry.digest, outcome.signature));
	/* And none that another key is named for. */
	trial.entry.scheme = text("secure-cert-ecdsa256:part");
	outcome = try_partition(&trial);
	check_outcome("rsa", &outcome, MM_E_TOKEN_REFUSED, "that it names");
}

/* No release's image may pass for a partition, or the other way round. */
static void
a_release_signs_no_partition(void **unused)
{
	struct image_trial trial;
	struct outcome outcome;

	(void)unused;
	make_image(&trial);
	sign_by(&trial, "lamp", "secure-cert-ecdsa256:part", mint_key("part"));
	outcome = try_image(&trial);
	check_outcome("image", &outcome, MM_E_SCHEME, "under an order");
}

/* Policy 2, in which all devices' partitions are signed so, and its digest. */
static enum mm_error
follow_partitions(const char *signing, uint8_t digest[32])
{
	struct mm_policy policy = mint.document;
	struct mm_profile profiles[16];
	struct mm_policy_claim claim = {.number = 2};
	struct mm_policy_entry body;
	mm_auto(buffer) out = {0};
	uint64_t number;

	assert_true(policy.profiles.count <= MM_COUNT(profiles));
	memcpy(profiles, policy.profiles.items,
	    policy.profiles.count * sizeof(profiles[0]));
	for (size_t i = 0; i < policy.profiles.count; i++)
		if (profiles[i].purpose == MM_PURPOSE_DEVICE)
			profiles[i].partitions = TEXTS(signing);
	policy.profiles.items = profiles;
	policy.number = claim.number;
	mm_buffer_init(&out, MM_POLICY_MAX);
	ok(mm_shape_encode(&mm_policy_shape, &policy, &out));
	body = (struct mm_policy_entry){.policy = keep_buffer(&out)};
	mm_policy_digest(body.policy, digest);
	memcpy(claim.sha256, digest, 32);
	body.statements = state((struct says){.kind = MM_STATEMENT_POLICY,
	    .body = &claim,
	    .by = &mint.ada,
	    .and_by = &mint.bob});
	return follow(&mint.log,
	    log_append(&mint.log,
		make_entry(MM_ENTRY_POLICY, NOW + 20, claim.sha256, &body)),
	    &number);
}

/* The policy may say so; the token knows what "part" is. */
static void
a_key_of_another_kind_signs_none(void **unused)
{
	struct partition_trial trial;
	struct outcome outcome;

	(void)unused;
	make_partition(&trial);
	trial.entry.scheme = text("secure-cert-rsa3072:part");
	ok(follow_partitions("secure-cert-rsa3072:part", trial.policy));
	trial.time = NOW + 30;
	outcome = try_partition(&trial);
	check_outcome("kind", &outcome, MM_E_TOKEN_REFUSED, "of RSA-3072");
}

/* An image's digest must not be had signed as if it were a partition's. */
static void
a_policy_keeps_keys_of_images_apart(void **unused)
{
	uint8_t digest[32];

	(void)unused;
	assert_int_equal(
	    follow_partitions("secure-cert-ecdsa256:sb-ec", digest),
	    MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "also signs images"));
	assert_int_equal(
	    follow_partitions("secure-cert-ecdsa256", digest), MM_E_POLICY);
	assert_non_null(strstr(mm_why(MM_E_POLICY), "names no key"));
}

static void
a_policy_may_have_another_key_for_partitions(void **unused)
{
	uint8_t digest[32];

	(void)unused;
	ok(follow_partitions("secure-cert-ecdsa256:part-2", digest));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BORN(a_partition_is_what_its_order_covers),
	    BORN(an_rsa_key_signs_one), BORN(a_key_of_another_kind_signs_none),
	    BORN(a_release_signs_no_partition),
	    BORN(a_policy_keeps_keys_of_images_apart),
	    BORN(a_policy_may_have_another_key_for_partitions)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
