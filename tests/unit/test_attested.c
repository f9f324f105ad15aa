/* What a receipt attests, and what the appliance answers held against it:
 * each way of not fitting together is a named error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/attested.h"
#include "cli/certificate_answer.h"
#include "cli/release_answer.h"
#include "tests/unit/signed_log.h"

static struct signed_log world;
static struct mm_span tbs, signature, certificate, image, image_signature;
static struct mm_span ca_certificate;
static struct mm_bytes_item chain;

enum { CERTIFICATE = 1, IMAGE = 2 };

static int
setup(void **state)
{
	struct mm_certificate_entry issued;
	struct mm_image_entry released;

	(void)state;
	signed_log_init(&world);
	tbs = device_tbs(&world, "unit-1");
	issued = device_entry(&world, tbs);
	signed_log_add(&world, MM_ENTRY_CERTIFICATE, &issued);
	image = mm_span_text("an image");
	released = image_entry(image);
	crypto_hash_sha256(released.signer, world.codesign.spki.data,
	    world.codesign.spki.size);
	signed_log_add(&world, MM_ENTRY_IMAGE, &released);
	signature = sign_tbs(&world, &world.ca, tbs);
	certificate = signed_log_certificate(&world, tbs, signature);
	ca_certificate = signed_log_certificate(
	    &world, world.ca_tbs, sign_tbs(&world, &world.ca, world.ca_tbs));
	image_signature = soft_sign(&world, &world.codesign, released.digest);
	chain.value = ca_certificate;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	signed_log_clear(&world);
	return 0;
}

static struct mm_attested
attested(uint64_t index)
{
	struct mm_attested out;

	if (mm_attested_read(signed_log_receipt(&world, index), &world.vkey,
		&world.arena, &out) != MM_OK)
		fail_msg("%s", mm_why(MM_E_ENTRY));
	return out;
}

/* Whether bytes are the image that a receipt speaks of. */
static enum mm_error
attests(const struct mm_attested *receipt, struct mm_span bytes)
{
	struct mm_own_image own = {.file = {.size = 0}};
	mm_auto(buffer) copy = {0};
	enum mm_error error;

	mm_buffer_init(&copy, 1024);
	mm_buffer_add(&copy, bytes.data, bytes.size);
	assert_int_equal(mm_own_image_take(&copy, &own), MM_OK);
	error = mm_attested_image(receipt, &own);
	mm_own_image_clear(&own);
	return error;
}

static void
test_a_receipt_attests_its_entry(void **state)
{
	struct mm_attested one = attested(CERTIFICATE);

	(void)state;
	assert_int_equal(one.receipt.index, CERTIFICATE);
	assert_int_equal(one.checkpoint.size, 3);
	assert_int_equal(one.entry.kind, MM_ENTRY_CERTIFICATE);
	assert_true(mm_span_is(one.body.certificate.subject, "unit-1"));
	assert_int_equal(mm_attested_tbs(&one, tbs), MM_OK);
	assert_int_equal(attested(0).entry.kind, MM_ENTRY_GENESIS);
}

static void
test_the_tbs_of_another_certificate(void **state)
{
	struct mm_attested one = attested(CERTIFICATE);
	struct mm_attested other = attested(IMAGE);

	(void)state;
	assert_int_equal(
	    mm_attested_tbs(&one, device_tbs(&world, "unit-2")), MM_E_MISMATCH);
	assert_int_equal(mm_attested_tbs(&other, tbs), MM_E_MISMATCH);
}

static void
test_an_image_and_its_signature(void **state)
{
	struct mm_attested one = attested(IMAGE);
	struct mm_attested other = attested(CERTIFICATE);

	(void)state;
	assert_int_equal(attests(&one, image), MM_OK);
	assert_int_equal(
	    mm_attested_signature(&one, image_signature, world.codesign.spki),
	    MM_OK);
	assert_int_equal(
	    attests(&one, mm_span_text("an imagf")), MM_E_MISMATCH);
	assert_int_equal(attests(&one, mm_span_text("an imag")), MM_E_MISMATCH);
	assert_int_equal(
	    attests(&one, mm_span_text("an image ")), MM_E_MISMATCH);
	assert_int_equal(attests(&other, image), MM_E_MISMATCH);
	assert_int_equal(
	    mm_attested_signature(&one, image_signature, world.ca.spki),
	    MM_E_MISMATCH);
	assert_int_equal(
	    mm_attested_signature(&one, signature, world.codesign.spki),
	    MM_E_MISMATCH);
	assert_int_equal(
	    mm_attested_signature(&other, image_signature, world.codesign.spki),
	    MM_E_MISMATCH);
}

/* A file by its size and its hash, each by itself. */
static void
test_an_export_and_its_file(void **state)
{
	const uint8_t sha256[32] = {7};
	struct mm_attested one = attested(CERTIFICATE);

	(void)state;
	assert_int_equal(mm_attested_export(&one, sha256, 12), MM_E_MISMATCH);
	one.entry.kind = MM_ENTRY_EXPORT;
	one.body.export = (struct mm_export_entry){.size = 12};
	memcpy(one.body.export.sha256, sha256, sizeof(sha256));
	assert_int_equal(mm_attested_export(&one, sha256, 12), MM_OK);
	assert_int_equal(mm_attested_export(&one, sha256, 11), MM_E_MISMATCH);
	assert_int_equal(mm_attested_export(&one, sha256, 13), MM_E_MISMATCH);
	one.body.export.sha256[31] ^= 1;
	assert_int_equal(mm_attested_export(&one, sha256, 12), MM_E_MISMATCH);
}

static void
test_a_statement_word_for_word(void **state)
{
	struct mm_attested one = attested(IMAGE);
	struct mm_span own =
	    mm_list_at(one.body.image.statements, struct mm_bytes_item, 0)
		->value;

	(void)state;
	assert_int_equal(mm_attested_statement(&one, own), MM_OK);
	own.size--;
	assert_int_equal(mm_attested_statement(&one, own), MM_E_MISMATCH);
	one = attested(CERTIFICATE);
	assert_int_equal(mm_attested_statement(&one, own), MM_E_MISMATCH);
}

/* `extra` is optional: then the entry is brought. */
static void
test_an_entry_that_is_brought(void **state)
{
	struct mm_span receipt = signed_log_receipt(&world, IMAGE);
	struct mm_span own = world.entries[IMAGE];
	struct mm_span other = world.entries[CERTIFICATE];
	mm_auto(buffer) bare = {0};
	struct mm_receipt parts;
	struct mm_attested out;

	(void)state;
	mm_buffer_init(&bare, 65536);
	assert_int_equal(
	    mm_receipt_decode(receipt, &world.arena, &parts), MM_OK);
	parts.entry = mm_span(NULL, 0);
	assert_int_equal(mm_receipt_encode(&parts, &bare), MM_OK);
	assert_int_equal(mm_attested_read(mm_buffer_span(&bare), &world.vkey,
			     &world.arena, &out),
	    MM_E_RECEIPT);
	assert_int_equal(mm_attested_read_entry(mm_buffer_span(&bare),
			     &world.vkey, own, &world.arena, &out),
	    MM_OK);
	assert_true(mm_span_is(out.body.image.product, "lamp"));
	assert_int_equal(mm_attested_read_entry(mm_buffer_span(&bare),
			     &world.vkey, other, &world.arena, &out),
	    MM_E_PROOF);
	assert_int_equal(mm_attested_read_entry(
			     receipt, &world.vkey, own, &world.arena, &out),
	    MM_OK);
	assert_int_equal(mm_attested_read_entry(
			     receipt, &world.vkey, other, &world.arena, &out),
	    MM_E_PROOF);
}

/* Size, hash and digest are looked at each by itself. */
static void
test_an_image_in_part(void **state)
{
	struct mm_attested one = attested(IMAGE);

	(void)state;
	one.body.image.size++;
	assert_int_equal(attests(&one, image), MM_E_MISMATCH);
	one = attested(IMAGE);
	one.body.image.sha256[31] ^= 1;
	assert_int_equal(attests(&one, image), MM_E_MISMATCH);
	one = attested(IMAGE);
	one.body.image.digest[31] ^= 1;
	assert_int_equal(attests(&one, image), MM_E_MISMATCH);
}

static void
test_a_scheme_that_is_not_known_here(void **state)
{
	struct mm_attested one = attested(IMAGE);

	(void)state;
	one.body.image.scheme = mm_span_text("rot13");
	assert_int_equal(attests(&one, image), MM_E_FORMAT);
}

static void
test_receipts_that_do_not_verify(void **state)
{
	struct mm_span receipt = signed_log_receipt(&world, IMAGE);
	struct mm_vkey other;
	struct mm_attested out;

	(void)state;
	assert_int_equal(mm_vkey_init(&other, mm_span_text("other.example/log"),
			     world.vkey.public_key),
	    MM_OK);
	assert_int_equal(mm_attested_read(receipt, &other, &world.arena, &out),
	    MM_E_NOTE_KEY);
	assert_int_equal(mm_attested_read(mm_span(receipt.data, 100),
			     &world.vkey, &world.arena, &out),
	    MM_E_RECEIPT);
}

/* --- answers about certificates --- */

static struct mm_certificate_answer
certificate_answer(void)
{
	return (struct mm_certificate_answer){.index = CERTIFICATE,
	    .certificate = certificate,
	    .chain = {&chain, 1},
	    .receipt = signed_log_receipt(&world, CERTIFICATE)};
}

static struct mm_certificate_wanted
certificate_wanted(void)
{
	return (struct mm_certificate_wanted){.profile = mm_span_text("device"),
	    .device = mm_span_text("unit-1"),
	    .spki = world.device.spki};
}

static enum mm_error
check_certificate(const struct mm_certificate_answer *answer,
    const struct mm_certificate_wanted *wanted)
{
	struct mm_attested out;

	return mm_certificate_answer_check(
	    answer, wanted, &world.vkey, &world.arena, &out);
}

static void
test_the_certificate_that_was_wanted(void **state)
{
	struct mm_certificate_answer answer = certificate_answer();
	struct mm_certificate_wanted wanted = certificate_wanted();
	const struct mm_certificate_wanted any = {.serial = {NULL, 0}};
	uint8_t serial[1 + MM_SERIAL_SIZE] = {0};

	(void)state;
	assert_int_equal(check_certificate(&answer, &wanted), MM_OK);
	assert_int_equal(check_certificate(&answer, &any), MM_OK);
	assert_int_equal(mm_serial_of_tbs(tbs, serial + 1), MM_OK);
	wanted.serial = mm_span(serial, sizeof(serial));
	assert_int_equal(check_certificate(&answer, &wanted), MM_OK);
	answer.chain.count = 0;
	assert_int_equal(check_certificate(&answer, &wanted), MM_OK);
}

static void
test_certificates_that_were_not_wanted(void **state)
{
	const struct mm_certificate_answer answer = certificate_answer();
	struct mm_certificate_wanted wanted = certificate_wanted();

	(void)state;
	wanted.profile = mm_span_text("device-2");
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
	wanted = certificate_wanted();
	wanted.device = mm_span_text("unit-2");
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
	wanted = certificate_wanted();
	wanted.spki = world.ca.spki;
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
	wanted = certificate_wanted();
	wanted.serial = mm_span_text("1");
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
}

static void
test_answers_that_do_not_hold_together(void **state)
{
	const struct mm_certificate_wanted wanted = certificate_wanted();
	struct mm_certificate_answer answer = certificate_answer();

	(void)state;
	answer.receipt = signed_log_receipt(&world, IMAGE);
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
	answer = certificate_answer();
	answer.index++;
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
	answer = certificate_answer();
	answer.certificate = signed_log_certificate(
	    &world, tbs, sign_tbs(&world, &world.device, tbs));
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
	answer.certificate = mm_span_text("no certificate");
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_CERTIFICATE);
}

/* The receipt of another certificate for the same device and key. */
static void
test_a_receipt_for_the_device_but_another_tbs(void **state)
{
	const struct mm_certificate_wanted wanted = certificate_wanted();
	struct mm_certificate_answer answer = certificate_answer();
	struct mm_certificate_entry again =
	    device_entry(&world, device_tbs(&world, "unit-1"));

	(void)state;
	answer.index = signed_log_add(&world, MM_ENTRY_CERTIFICATE, &again);
	answer.receipt = signed_log_receipt(&world, answer.index);
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_MISMATCH);
}

/* The CA's certificate, as another key has signed it. */
static struct mm_bytes_item
ca_by(const struct soft_key *key)
{
	return (struct mm_bytes_item){signed_log_certificate(
	    &world, world.ca_tbs, sign_tbs(&world, key, world.ca_tbs))};
}

static void
test_each_of_the_chain_signs_the_one_before(void **state)
{
	const struct mm_certificate_wanted wanted = certificate_wanted();
	struct mm_certificate_answer answer = certificate_answer();
	struct mm_bytes_item two[] = {ca_by(&world.device), {certificate}};

	(void)state;
	answer.chain = (struct mm_list){two, MM_COUNT(two)};
	assert_int_equal(check_certificate(&answer, &wanted), MM_OK);
	two[0] = ca_by(&world.codesign);
	assert_int_equal(check_certificate(&answer, &wanted), MM_E_CERTIFICATE);
}

/* --- answers about releases --- */

static struct mm_span
codesign_certificate(const char *eku)
{
	static const struct mm_subject_part part = {
	    {(const uint8_t *)"2.5.4.3", 7}, {(const uint8_t *)"{name}", 6}};
	const struct mm_text_item purpose = {mm_span_text(eku)};
	bool signing = strcmp(eku, "1.3.6.1.5.5.7.3.3") == 0;
	const struct mm_profile profile = {.name = mm_span_text("codesign"),
	    .purpose = signing ? MM_PURPOSE_CODE_SIGNING : MM_PURPOSE_CLIENT,
	    .issuer = mm_span_text("codesign"),
	    .subject = {&part, 1},
	    .validity = 86400,
	    .keys = 1 << MM_KEY_P256,
	    .key_usage = MM_KU_DIGITAL_SIGNATURE,
	    .purposes = {&purpose, 1}};
	struct mm_span own = signed_log_tbs(
	    &world, &profile, "Code Signing", &world.codesign, world.ca_tbs);

	return signed_log_certificate(
	    &world, own, sign_tbs(&world, &world.ca, own));
}

static struct mm_release_answer
release_answer(void)
{
	struct mm_release_answer answer = {.index = IMAGE,
	    .signature = image_signature,
	    .certificate = codesign_certificate("1.3.6.1.5.5.7.3.3"),
	    .chain = {&chain, 1},
	    .receipt = signed_log_receipt(&world, IMAGE),
	    .key = mm_span_text("codesign"),
	    .spki = world.codesign.spki};

	crypto_hash_sha256(answer.sha256, image.data, image.size);
	return answer;
}

static struct mm_release_row
release_row(void)
{
	struct mm_release_row row = {
	    .product = mm_span_text("lamp"), .version = mm_span_text("1.0")};

	crypto_hash_sha256(row.sha256, image.data, image.size);
	return row;
}

static enum mm_error
check_as(const struct mm_release_answer *answer,
    const struct mm_release_row *row, const char *signing)
{
	struct mm_release_signed one = {
	    .signing = mm_span_text(signing), .answer = *answer};

	return mm_release_signed_check(row, &world.vkey, &world.arena, &one);
}

static enum mm_error
check_release(const struct mm_release_answer *answer)
{
	const struct mm_release_row row = release_row();

	return check_as(answer, &row, "sha256-ecdsa");
}

static void
test_the_release_that_was_wanted(void **state)
{
	struct mm_release_answer answer = release_answer();

	(void)state;
	assert_int_equal(check_release(&answer), MM_OK);
	/* A Secure Boot key has none. */
	answer.certificate = mm_span(NULL, 0);
	answer.chain = (struct mm_list){NULL, 0};
	assert_int_equal(check_release(&answer), MM_OK);
}

static void
test_releases_that_were_not_wanted(void **state)
{
	const struct mm_release_answer answer = release_answer();
	struct mm_release_row row = release_row();

	(void)state;
	row.product = mm_span_text("lam");
	assert_int_equal(
	    check_as(&answer, &row, "sha256-ecdsa"), MM_E_MISMATCH);
	row = release_row();
	row.version = mm_span_text("1.1");
	assert_int_equal(
	    check_as(&answer, &row, "sha256-ecdsa"), MM_E_MISMATCH);
	row = release_row();
	row.sha256[0] ^= 1;
	assert_int_equal(
	    check_as(&answer, &row, "sha256-ecdsa"), MM_E_MISMATCH);
	row = release_row();
	assert_int_equal(check_as(&answer, &row, "rot13"), MM_E_SCHEME);
	assert_int_equal(check_as(&answer, &row, "cose-sign1"), MM_E_MISMATCH);
	assert_int_equal(
	    check_as(&answer, &row, "sha256-ecdsa:codesign"), MM_E_MISMATCH);
}

static void
test_releases_that_do_not_hold_together(void **state)
{
	struct mm_release_answer answer = release_answer();

	(void)state;
	answer.index--;
	assert_int_equal(check_release(&answer), MM_E_MISMATCH);
	answer = release_answer();
	answer.sha256[0] ^= 1;
	assert_int_equal(check_release(&answer), MM_E_MISMATCH);
	answer = release_answer();
	answer.signature = signature;
	assert_int_equal(check_release(&answer), MM_E_MISMATCH);
	answer = release_answer();
	answer.receipt = signed_log_receipt(&world, CERTIFICATE);
	assert_int_equal(check_release(&answer), MM_E_MISMATCH);
	answer = release_answer();
	answer.key = mm_span_text("code");
	assert_int_equal(check_release(&answer), MM_E_MISMATCH);
	answer = release_answer();
	answer.spki = world.ca.spki;
	assert_int_equal(check_release(&answer), MM_E_MISMATCH);
	answer = release_answer();
	answer.certificate = certificate;
	assert_int_equal(check_release(&answer), MM_E_CERTIFICATE);
	answer.certificate = codesign_certificate("1.3.6.1.5.5.7.3.2");
	assert_int_equal(check_release(&answer), MM_E_CERTIFICATE);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_a_receipt_attests_its_entry),
	    CASE(test_the_tbs_of_another_certificate),
	    CASE(test_an_image_and_its_signature),
	    CASE(test_an_export_and_its_file),
	    CASE(test_a_statement_word_for_word),
	    CASE(test_an_entry_that_is_brought),
	    CASE(test_an_image_in_part),
	    CASE(test_a_scheme_that_is_not_known_here),
	    CASE(test_receipts_that_do_not_verify),
	    CASE(test_the_certificate_that_was_wanted),
	    CASE(test_certificates_that_were_not_wanted),
	    CASE(test_answers_that_do_not_hold_together),
	    CASE(test_a_receipt_for_the_device_but_another_tbs),
	    CASE(test_each_of_the_chain_signs_the_one_before),
	    CASE(test_the_release_that_was_wanted),
	    CASE(test_releases_that_were_not_wanted),
	    CASE(test_releases_that_do_not_hold_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
