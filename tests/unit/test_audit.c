/* The audit of a whole log: what is sound passes, and each signature, key
 * and number that is not what it says is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/audit.h"
#include "tests/unit/signed_log.h"

static struct signed_log world;

static int
setup(void **state)
{
	(void)state;
	signed_log_init(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	signed_log_clear(&world);
	return 0;
}

static enum mm_error
audit_against(
    const struct mm_checkpoint *checkpoint, struct mm_audit_report *out)
{
	struct mm_audit *audit;
	enum mm_error error = mm_audit_new(&world.vkey, &audit);

	for (size_t i = 0; i < world.count && error == MM_OK; i++)
		error = mm_audit_add(audit, world.entries[i]);
	if (error == MM_OK)
		error = mm_audit_end(audit, checkpoint, out);
	mm_audit_free(audit);
	return error;
}

static enum mm_error
audit(struct mm_audit_report *out)
{
	struct mm_checkpoint checkpoint = signed_log_checkpoint(&world);

	return audit_against(&checkpoint, out);
}

static void
refused(const char *why)
{
	struct mm_audit_report report;

	assert_int_equal(audit(&report), MM_E_LOG_WRONG);
	if (strstr(mm_why(MM_E_LOG_WRONG), why) == NULL)
		fail_msg(
		    "\"%s\" does not say \"%s\"", mm_why(MM_E_LOG_WRONG), why);
}

static uint64_t
add_certificate(struct mm_span tbs)
{
	struct mm_certificate_entry entry = device_entry(&world, tbs);

	return signed_log_add(&world, MM_ENTRY_CERTIFICATE, &entry);
}

static uint64_t
add_image(const char *image)
{
	struct mm_image_entry entry = image_entry(mm_span_text(image));

	return signed_log_add(&world, MM_ENTRY_IMAGE, &entry);
}

static void
test_sound_log_passes(void **state)
{
	struct mm_checkpoint checkpoint;
	struct mm_audit_report report;
	struct mm_span tbs = device_tbs(&world, "a");
	uint64_t certificate = add_certificate(tbs);
	uint64_t image = add_image("image");
	uint8_t digest[32];
	const struct mm_void gone = {3, mm_span_text("order-closed")};
	const struct mm_void_entry voids = {{&gone, 1}};

	(void)state;
	crypto_hash_sha256(digest, (const uint8_t *)"image", 5);
	assert_int_equal(add_certificate(device_tbs(&world, "b")), 3);
	add_signature(&world, certificate, sign_tbs(&world, &world.ca, tbs));
	add_signature(
	    &world, image, soft_sign(&world, &world.codesign, digest));
	signed_log_add(&world, MM_ENTRY_VOID, &voids);
	add_certificate(device_tbs(&world, "c"));
	assert_int_equal(audit(&report), MM_OK);
	checkpoint = signed_log_checkpoint(&world);
	assert_true(mm_hash_equal(&checkpoint.root, &report.log.root));
	assert_int_equal(report.log.size, world.count);
	assert_int_equal(report.log.certificates, 3);
	assert_int_equal(report.log.images, 1);
	assert_int_equal(report.log.signatures, 2);
	assert_int_equal(report.log.voids, 1);
	assert_int_equal(report.unsigned_entries, 1);
}

/* More than the list of what waits holds at first, signed in another order
 * than they came in. */
static void
test_many_wait(void **state)
{
	struct mm_audit_report report;
	struct mm_span tbs[20];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(tbs); i++) {
		char name[8];

		snprintf(name, sizeof(name), "d%zu", i);
		tbs[i] = device_tbs(&world, name);
		assert_int_equal(add_certificate(tbs[i]), 1 + i);
	}
	for (size_t i = MM_COUNT(tbs); i-- > 1;)
		add_signature(
		    &world, 1 + i, sign_tbs(&world, &world.ca, tbs[i]));
	add_certificate(device_tbs(&world, "last"));
	add_signature(&world, 1, sign_tbs(&world, &world.ca, tbs[0]));
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.log.signatures, 20);
	assert_int_equal(report.unsigned_entries, 1);
}

static void
test_certificate_signed_by_another_key(void **state)
{
	struct mm_span tbs = device_tbs(&world, "a");
	uint64_t index = add_certificate(tbs);

	(void)state;
	add_signature(&world, index, sign_tbs(&world, &world.codesign, tbs));
	refused("entry 1: its signature (in entry 2) does not verify");
}

static void
test_image_signed_by_another_key(void **state)
{
	uint64_t index = add_image("image");
	uint8_t digest[32];

	(void)state;
	crypto_hash_sha256(digest, (const uint8_t *)"image", 5);
	add_signature(&world, index, soft_sign(&world, &world.ca, digest));
	refused("entry 1: its signature (in entry 2) does not verify");
}

static void
test_signature_of_another_entry(void **state)
{
	struct mm_span first = device_tbs(&world, "a");
	struct mm_span second = device_tbs(&world, "b");

	(void)state;
	add_certificate(first);
	add_certificate(second);
	add_signature(&world, 1, sign_tbs(&world, &world.ca, second));
	refused("entry 1: its signature");
}

static void
test_unknown_issuer(void **state)
{
	struct mm_certificate_entry entry =
	    device_entry(&world, device_tbs(&world, "a"));

	(void)state;
	entry.issuer = mm_span_text("nobody");
	signed_log_add(&world, MM_ENTRY_CERTIFICATE, &entry);
	refused("genesis names no key nobody");
}

static void
test_code_signing_key_issues(void **state)
{
	struct mm_certificate_entry entry =
	    device_entry(&world, device_tbs(&world, "a"));

	(void)state;
	entry.issuer = mm_span_text("codesign");
	signed_log_add(&world, MM_ENTRY_CERTIFICATE, &entry);
	refused("key codesign is no CA's");
}

static void
test_ca_key_signs_an_image(void **state)
{
	struct mm_image_entry entry = image_entry(mm_span_text("image"));

	(void)state;
	entry.key = mm_span_text("device-ca");
	signed_log_add(&world, MM_ENTRY_IMAGE, &entry);
	refused("key device-ca is not for code signing");
}

static void
test_tbs_has_another_key(void **state)
{
	struct mm_certificate_entry entry =
	    device_entry(&world, device_tbs(&world, "a"));

	(void)state;
	entry.key[0] ^= 1;
	signed_log_add(&world, MM_ENTRY_CERTIFICATE, &entry);
	refused("its TBS has another key");
}

static void
test_tbs_is_none(void **state)
{
	struct mm_certificate_entry entry =
	    device_entry(&world, mm_span_text("tbs"));

	(void)state;
	signed_log_add(&world, MM_ENTRY_CERTIFICATE, &entry);
	refused("entry 1: ");
}

static void
test_checkpoint_of_other_entries(void **state)
{
	struct mm_checkpoint checkpoint;
	struct mm_audit_report report;

	(void)state;
	add_image("image");
	checkpoint = signed_log_checkpoint(&world);
	checkpoint.size = 1;
	assert_int_equal(audit_against(&checkpoint, &report), MM_E_LOG_WRONG);
	checkpoint.size = 3;
	assert_int_equal(audit_against(&checkpoint, &report), MM_E_LOG_WRONG);
	checkpoint.size = 0;
	assert_int_equal(audit_against(&checkpoint, &report), MM_E_LOG_WRONG);
	checkpoint.size = 2;
	assert_int_equal(audit_against(&checkpoint, &report), MM_OK);
	checkpoint.root.bytes[31] ^= 1;
	assert_int_equal(audit_against(&checkpoint, &report), MM_E_LOG_WRONG);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_sound_log_passes),
	    CASE(test_many_wait),
	    CASE(test_certificate_signed_by_another_key),
	    CASE(test_image_signed_by_another_key),
	    CASE(test_signature_of_another_entry),
	    CASE(test_unknown_issuer),
	    CASE(test_code_signing_key_issues),
	    CASE(test_ca_key_signs_an_image),
	    CASE(test_tbs_has_another_key),
	    CASE(test_tbs_is_none),
	    CASE(test_checkpoint_of_other_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
