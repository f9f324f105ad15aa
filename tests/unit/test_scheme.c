/* The table of schemes, and those whose signature is a file of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "esp_vectors.h"
#include "hex.h"
#include "signer/hashing.h"

static const struct mm_span none;

static const struct mm_scheme *
scheme(const char *name)
{
	const struct mm_scheme *found = mm_scheme_find(mm_span_text(name));

	assert_non_null(found);
	return found;
}

/* ---- the table */

static void
schemes_are_known_by_their_whole_name(void **state)
{
	size_t count;
	const struct mm_scheme *rows = mm_scheme_rows(&count);

	(void)state;
	assert_int_equal(count, 8);
	for (size_t i = 0; i < count; i++) {
		struct mm_span name = mm_span_text(rows[i].name);

		assert_ptr_equal(mm_scheme_find(name), &rows[i]);
		assert_non_null(mm_scheme_family(mm_span_text(rows[i].family)));
		assert_non_null(mm_algorithm_name(rows[i].algorithm));
		assert_true(rows[i].most >= 1 &&
			    rows[i].most <= MM_SIGNATURE_BLOCKS_MAX);
		name.size--;
		assert_null(mm_scheme_find(name));
	}
	assert_null(mm_scheme_find(none));
	assert_null(mm_scheme_find(mm_span_text("secure-boot-v2")));
	assert_non_null(mm_scheme_family(mm_span_text("secure-boot-v2")));
	assert_ptr_equal(
	    mm_scheme_family(mm_span_text("secure-boot-v2-rsa3072")),
	    scheme("secure-boot-v2-rsa3072"));
	assert_null(mm_scheme_family(mm_span_text("md5-rsa")));
}

/* Padding and sector of V2; a padded slot of MCUboot has room already. */
static void
attached_signatures_add_to_an_image(void **state)
{
	struct mm_mcuboot_facts mcuboot = {.slot = 0};
	const struct mm_image_facts facts = {.mcuboot = {&mcuboot, 1}};
	const struct {
		const char *name;
		const struct mm_image_facts *facts;
		uint64_t size, added;
	} cases[] = {{"secure-boot-v1", NULL, 4096, 68},
	    {"secure-boot-v2-ecdsa256", NULL, 4096, 4096},
	    {"secure-boot-v2-ecdsa256", NULL, 4097, 4095 + 4096},
	    {"secure-boot-v2-rsa3072", NULL, 8191, 1 + 4096},
	    {"mcuboot", NULL, 4096, 4 + 36 + 36 + 4 + 72},
	    {"mcuboot", &facts, 4096, 4 + 36 + 36 + 4 + 72}};
	size_t count;
	const struct mm_scheme *rows = mm_scheme_rows(&count);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++)
		assert_int_equal(
		    scheme(cases[i].name)->added(cases[i].facts, cases[i].size),
		    cases[i].added);
	mcuboot.slot = 4096;
	assert_int_equal(scheme("mcuboot")->added(&facts, 4096), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(rows[i].added == NULL,
		    rows[i].detached || rows[i].partition);
}

static void
signings_name_a_scheme_and_perhaps_a_key(void **state)
{
	static const struct {
		const char *text, *scheme, *key;
	} cases[] = {{"sha256-ecdsa", "sha256-ecdsa", ""},
	    {"sha256-ecdsa:sb-1", "sha256-ecdsa", "sb-1"},
	    {"secure-boot-v2-rsa3072:a:b", "secure-boot-v2-rsa3072", "a:b"},
	    {"mcuboot:"
	     "12345678901234567890123456789012345678901234567890123456",
		"mcuboot",
		"12345678901234567890123456789012345678901234567890123456"},
	    {"mcuboot:"
	     "123456789012345678901234567890123456789012345678901234567",
		NULL, NULL},
	    {"", NULL, NULL}, {":", NULL, NULL}, {":sb-1", NULL, NULL},
	    {"sha256-ecdsa:", NULL, NULL}, {"secure-boot-v2", NULL, NULL},
	    {"sha256-ecdsa ", NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_signing_name name = {.scheme = NULL};
		enum mm_error error =
		    mm_signing_read(mm_span_text(cases[i].text), &name);

		assert_int_equal(
		    error, cases[i].scheme != NULL ? MM_OK : MM_E_SCHEME);
		if (error != MM_OK) {
			assert_null(name.scheme);
			continue;
		}
		assert_string_equal(name.scheme->name, cases[i].scheme);
		assert_true(mm_span_is(name.key, cases[i].key));
	}
}

static void
pieces_and_their_fill_make_a_file(void **state)
{
	struct mm_attached attached = {
	    .pieces = {{mm_span_text("ab"), 2}, {none, 0}, {none, 1},
		{mm_span_text("c"), 0}},
	    .count = 4};
	mm_auto(buffer) out = {0}, small = {0};

	(void)state;
	mm_buffer_init(&out, 6);
	mm_buffer_init(&small, 5);
	assert_int_equal(mm_attached_size(&attached), 6);
	assert_int_equal(mm_attached_write(&attached, &out), MM_OK);
	assert_int_equal(out.size, 6);
	assert_memory_equal(out.data,
	    "ab\xff\xff\xff"
	    "c",
	    6);
	assert_int_equal(mm_attached_write(&attached, &small), MM_E_RANGE);
	mm_attached_clear(&attached);
	mm_attached_clear(NULL);
}

/* ---- sha256-ecdsa */

static void
ota_signatures_verify_as_openssl_has_it(void **state)
{
	const struct mm_scheme *ota = scheme("sha256-ecdsa");
	struct vector_index index;
	struct vector_row row;

	(void)state;
	vector_open(&index, "aws_ota", "verify.tsv");
	while (vector_next(&index, &row)) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		mm_auto(buffer) signature = {0};
		struct mm_public_key key;

		vector_key("aws_ota", row.column[2], &key);
		vector_image("aws_ota", row.column[3], &image);
		vector_file("aws_ota", row.column[4], &signature);
		vector_expect(&row,
		    ota->verify(
			&image.image, mm_buffer_span(&signature), &key, NULL),
		    "ok");
	}
	assert_int_equal(index.rows, 12);
}

static void
a_detached_signature_is_a_file(void **state)
{
	const struct mm_scheme *ota = scheme("sha256-ecdsa");
	vector_auto struct vector_image image = {.image = {none, NULL}};
	struct mm_signed signature = {.signature = mm_span_text("bytes")};
	struct mm_attached made = {.count = 0};
	mm_auto(buffer) out = {0};
	uint8_t digest[32] = {0};
	struct mm_public_key key;

	(void)state;
	vector_image("aws_ota", "in/app_c3.bin", &image);
	assert_int_equal(ota->digest(&image.image, digest), MM_OK);
	assert_memory_equal(digest, image.facts.sha256, 32);
	assert_int_equal(
	    ota->attach(&image.image, MM_RESIGN_REFUSE, &signature, 1, &made),
	    MM_OK);
	mm_buffer_init(&out, 64);
	assert_int_equal(mm_attached_write(&made, &out), MM_OK);
	assert_true(mm_span_is(mm_buffer_span(&out), "bytes"));
	mm_attached_clear(&made);
	assert_int_equal(
	    ota->attach(&image.image, MM_RESIGN_REFUSE, &signature, 0, &made),
	    MM_E_BUG);
	assert_int_equal(
	    ota->verify(&image.image, mm_span_text("bytes"), NULL, digest),
	    MM_E_IMAGE_SIGNATURE);
	vector_key("aws_ota", "../keys/TEST-ONLY-sbv2-rsa1.pub.pem", &key);
	assert_int_equal(
	    ota->verify(&image.image, mm_span_text("bytes"), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
}

/* ---- cose-sign1 */

static void
cose_digests_are_those_of_the_sig_structure(void **state)
{
	static const char *const names[] = {
	    "cose_basic", "cose_digest", "cose_detached"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		mm_auto(buffer) tbs = {0};
		uint8_t wanted[32], digest[32];
		char file[64];

		snprintf(file, sizeof(file), "%s.payload", names[i]);
		vector_image("cose_suit", file, &image);
		snprintf(file, sizeof(file), "%s.tbs", names[i]);
		assert_int_equal(
		    mm_hash(vector_file("cose_suit", file, &tbs), wanted),
		    MM_OK);
		assert_int_equal(
		    scheme("cose-sign1")->digest(&image.image, digest), MM_OK);
		assert_memory_equal(digest, wanted, 32);
	}
}

/* The scheme is ES256 without external data: the rows of EdDSA and of
 * external_aad fail here, and a SUIT envelope is no COSE_Sign1 over a file. */
static const char *
expected(const struct vector_row *row)
{
	if (strncmp(row->column[0], "ed_", 3) == 0)
		return NULL; /* the key is of another kind */
	if (strstr(row->column[1], "_suit") != NULL)
		return NULL;
	return strcmp(row->column[0], "cose_aad") == 0 ? "fail"
						       : row->column[1];
}

static void
cose_verifies_what_the_reference_verifies(void **state)
{
	struct vector_index index;
	struct vector_row row;
	size_t left_out = 0;

	(void)state;
	vector_open(&index, "cose_suit", "verify.tsv");
	while (vector_next(&index, &row)) {
		vector_auto struct vector_image image = {.image = {none, NULL}};
		mm_auto(buffer) message = {0};
		struct mm_public_key key;

		if (expected(&row) == NULL) {
			left_out++;
			continue;
		}
		row.column[1] = expected(&row);
		vector_key("cose_suit", row.column[2], &key);
		/* The payload of the broken ones is that of cose_basic. */
		vector_image("cose_suit",
		    strcmp(row.column[3], "-") != 0 ? row.column[3]
						    : "cose_basic.payload",
		    &image);
		vector_file("cose_suit", row.column[5], &message);
		vector_expect(&row,
		    scheme("cose-sign1")
			->verify(
			    &image.image, mm_buffer_span(&message), &key, NULL),
		    "ok");
	}
	assert_int_equal(index.rows, 12);
	assert_int_equal(left_out, 4);
}

/* Takes r and s out of a message of the reference, and makes ours of it. */
static void
cose_messages_are_made_as_they_verify(void **state)
{
	const struct mm_scheme *cose = scheme("cose-sign1");
	vector_auto struct vector_image image = {.image = {none, NULL}};
	mm_auto(buffer) theirs = {0}, der = {0}, ours = {0};
	struct mm_attached made = {.count = 0};
	struct mm_signed signature;
	char wanted[512];

	(void)state;
	vector_image("cose_suit", "cose_detached.payload", &image);
	vector_file("cose_suit", "cose_detached.cose", &theirs);
	vector_key(
	    "cose_suit", "../keys/TEST-ONLY-cose-p256.pub.pem", &signature.key);
	mm_buffer_init(&der, MM_SIGNATURE_MAX);
	assert_int_equal(
	    mm_ecdsa_der(theirs.data + theirs.size - 64, 32, &der), MM_OK);
	signature.signature = mm_buffer_span(&der);
	assert_int_equal(
	    cose->attach(&image.image, MM_RESIGN_REFUSE, &signature, 1, &made),
	    MM_OK);
	mm_buffer_init(&ours, 512);
	assert_int_equal(mm_attached_write(&made, &ours), MM_OK);
	mm_attached_clear(&made);
	strcpy(wanted, "d284 43a10126 a10448");
	sodium_bin2hex(
	    wanted + strlen(wanted), 17, signature.key.spki_sha256, 8);
	strcat(wanted, "f65840");
	sodium_bin2hex(
	    wanted + strlen(wanted), 129, theirs.data + theirs.size - 64, 64);
	assert_hex(mm_buffer_span(&ours), wanted);
	assert_int_equal(cose->verify(&image.image, mm_buffer_span(&ours),
			     &signature.key, NULL),
	    MM_OK);
	signature.signature.size--;
	assert_int_equal(
	    cose->attach(&image.image, MM_RESIGN_REFUSE, &signature, 1, &made),
	    MM_E_IMAGE_SIGNATURE);
}

/* `head` in the place of a good message's tag, array and headers. */
static enum mm_error
with_head(const char *head)
{
	vector_auto struct vector_image image = {.image = {none, NULL}};
	mm_auto(buffer) theirs = {0}, message = {0};
	struct mm_public_key key;
	uint8_t bytes[128];
	struct mm_span first = hex(head, bytes, sizeof(bytes));

	vector_image("cose_suit", "cose_detached.payload", &image);
	vector_file("cose_suit", "cose_detached.cose", &theirs);
	vector_key("cose_suit", "../keys/TEST-ONLY-cose-p256.pub.pem", &key);
	mm_buffer_init(&message, 1024);
	mm_buffer_add(&message, first.data, first.size);
	/* nil, and the signature */
	mm_buffer_add(&message, theirs.data + theirs.size - 67, 67);
	return scheme("cose-sign1")
	    ->verify(&image.image, mm_buffer_span(&message), &key, NULL);
}

static void
cose_headers_are_strict(void **state)
{
	static const struct {
		const char *head;
		bool good;
	} cases[] = {{"d284 43a10126 a0", true},
	    {"d284 43a10126 a1044101", true},
	    {"d284 43a10126 a2 044101 20 4101", true},
	    {"84 43a10126 a0", false},         /* no tag */
	    {"d184 43a10126 a0", false},       /* another's */
	    {"d812 84 43a10126 a0", false},    /* a long form */
	    {"d285 43a10126 a0", false},       /* five parts */
	    {"d284 43a10127 a0", false},       /* EdDSA */
	    {"d284 45a201260441 a0", false},   /* more than the algorithm */
	    {"d284 44a1013800 a0", false},     /* a long form in it */
	    {"d284 40 a10126", false},         /* not protected */
	    {"d284 43a10126 a10126", false},   /* unprotected, too */
	    {"d284 43a10126 a1028104", false}, /* crit */
	    {"d284 43a10126 a2 044101 044102", false},
	    {"d284 43a10126 a2 20 4101 044101", false},
	    {"d284 43a10126 a2 21 4101 20 4101", false},
	    {"d284 43a10126 a10401", false}, /* a key id that is no bytes */
	    {"d284 43a10126 bf ff", false}, {"d284 43a10126 b800", false}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++)
		if (with_head(cases[i].head) !=
		    (cases[i].good ? MM_OK : MM_E_IMAGE_SIGNATURE))
			fail_msg("%s", cases[i].head);
}

static void
cose_no_part_of_a_message_verifies(void **state)
{
	const struct mm_scheme *cose = scheme("cose-sign1");
	vector_auto struct vector_image image = {.image = {none, NULL}};
	mm_auto(buffer) message = {0};
	struct mm_public_key key;
	uint8_t digest[32] = {0};

	(void)state;
	vector_image("cose_suit", "cose_basic.payload", &image);
	vector_file("cose_suit", "cose_basic.cose", &message);
	vector_key("cose_suit", "../keys/TEST-ONLY-cose-p256.pub.pem", &key);
	for (size_t size = 0; size < message.size; size++)
		assert_int_equal(cose->verify(&image.image,
				     mm_span(message.data, size), &key, NULL),
		    MM_E_IMAGE_SIGNATURE);
	assert_int_equal(
	    cose->verify(&image.image, mm_buffer_span(&message), NULL, digest),
	    MM_E_IMAGE_SIGNATURE);
	mm_buffer_add(&message, "", 1);
	assert_int_equal(
	    cose->verify(&image.image, mm_buffer_span(&message), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
	message.size--;
	/* The payload that it carries is this file, or none. */
	image.bytes.data[0] ^= 1;
	assert_int_equal(
	    cose->verify(&image.image, mm_buffer_span(&message), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
	vector_key("cose_suit", "../keys/TEST-ONLY-sbv2-rsa1.pub.pem", &key);
	assert_int_equal(
	    cose->verify(&image.image, mm_buffer_span(&message), &key, NULL),
	    MM_E_IMAGE_SIGNATURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(schemes_are_known_by_their_whole_name),
	    cmocka_unit_test(attached_signatures_add_to_an_image),
	    cmocka_unit_test(signings_name_a_scheme_and_perhaps_a_key),
	    cmocka_unit_test(pieces_and_their_fill_make_a_file),
	    cmocka_unit_test(ota_signatures_verify_as_openssl_has_it),
	    cmocka_unit_test(a_detached_signature_is_a_file),
	    cmocka_unit_test(cose_digests_are_those_of_the_sig_structure),
	    cmocka_unit_test(cose_verifies_what_the_reference_verifies),
	    cmocka_unit_test(cose_messages_are_made_as_they_verify),
	    cmocka_unit_test(cose_headers_are_strict),
	    cmocka_unit_test(cose_no_part_of_a_message_verifies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
