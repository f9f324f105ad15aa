/* CSRs: the hostile ones each get their named error, those that openssl and
 * certtool make are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ca/csr.h"
#include "protocol/message.h"

#define VECTORS "tests/vectors/csr/"

static enum mm_error
read_csr(struct mm_span bytes, struct mm_csr *out)
{
	mm_auto(arena) arena = {0};
	enum mm_error error;

	mm_arena_init(&arena, MM_SPKI_MAX);
	error = mm_csr_read(bytes, &arena, out);
	out->spki = mm_span(NULL, 0);
	return error;
}

static enum mm_error
read_file(const char *path, struct mm_csr *out)
{
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, 0);
	assert_int_equal(mm_file_read(path, 1 << 20, &bytes), MM_OK);
	return read_csr(mm_buffer_span(&bytes), out);
}

static void
hostile_csrs_get_their_named_error(void **state)
{
	FILE *cases = fopen(VECTORS "cases.tsv", "r");
	char name[64], wanted[64], path[128];
	unsigned count = 0, wrong = 0;

	(void)state;
	assert_non_null(cases);
	while (fscanf(cases, "%63s %63s", name, wanted) == 2) {
		struct mm_csr csr = {.key = {.type = 77}};
		enum mm_error error;

		snprintf(path, sizeof(path), VECTORS "%s", name);
		error = read_file(path, &csr);
		count++;
		if (strcmp(mm_error_name(error), wanted) != 0) {
			print_error("%s: %s (%s), not %s\n", name,
			    mm_error_name(error), mm_why(error), wanted);
			wrong++;
		}
		/* On failure the output is untouched. */
		if (error != MM_OK)
			assert_int_equal(csr.key.type, 77);
	}
	fclose(cases);
	assert_int_equal(wrong, 0);
	assert_true(count > 100);
}

/* Only the key is taken: a CSR that asks for a CA's extensions has nowhere to
 * put them. */
static void
what_a_csr_asks_for_is_stripped(void **state)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) bytes = {0};
	struct mm_csr csr;

	(void)state;
	mm_arena_init(&arena, MM_SPKI_MAX);
	mm_buffer_init(&bytes, 0);
	assert_int_equal(
	    mm_file_read(VECTORS "strip-cert-sign.der", MM_CSR_MAX, &bytes),
	    MM_OK);
	assert_int_equal(
	    mm_csr_read(mm_buffer_span(&bytes), &arena, &csr), MM_OK);
	assert_int_equal(csr.key.type, MM_KEY_P256);
	assert_int_equal(csr.spki.size, 91);
	assert_non_null(
	    memmem(bytes.data, bytes.size, csr.spki.data, csr.spki.size));
}

static void
sizes_are_bounded(void **state)
{
	static uint8_t bytes[MM_CSR_MAX + 1];
	struct mm_csr csr;

	(void)state;
	assert_int_equal(read_csr(mm_span(bytes, 0), &csr), MM_E_CSR);
	assert_int_equal(read_csr(mm_span(bytes, 1), &csr), MM_E_CSR);
	memset(bytes, ' ', sizeof(bytes));
	assert_int_equal(
	    read_csr(mm_span(bytes, sizeof(bytes)), &csr), MM_E_CSR);
	assert_non_null(strstr(mm_why(MM_E_CSR), "16385 bytes"));
}

/* White space fills a good PEM up to the limit, and not over it. */
static void
a_csr_of_just_the_limit_is_read(void **state)
{
	static uint8_t bytes[MM_CSR_MAX + 1];
	mm_auto(buffer) pem = {0};
	struct mm_csr csr;

	(void)state;
	mm_buffer_init(&pem, 0);
	assert_int_equal(
	    mm_file_read(VECTORS "ok-pem.pem", MM_CSR_MAX, &pem), MM_OK);
	memset(bytes, '\n', sizeof(bytes));
	memcpy(bytes, pem.data, pem.size);
	for (size_t size = MM_CSR_MAX - 1; size <= MM_CSR_MAX; size++)
		assert_int_equal(read_csr(mm_span(bytes, size), &csr), MM_OK);
	assert_int_equal(
	    read_csr(mm_span(bytes, MM_CSR_MAX + 1), &csr), MM_E_CSR);
}

/* No single changed byte of a CSR is read as the same request. */
static void
every_byte_matters(void **state)
{
	mm_auto(buffer) der = {0};
	struct mm_csr csr;

	(void)state;
	mm_buffer_init(&der, 0);
	assert_int_equal(
	    mm_file_read(VECTORS "ok-p256-sha256.der", MM_CSR_MAX, &der),
	    MM_OK);
	for (size_t i = 0; i < der.size; i++) {
		der.data[i] ^= 1;
		assert_int_not_equal(
		    read_csr(mm_buffer_span(&der), &csr), MM_OK);
		der.data[i] ^= 1;
	}
	for (size_t size = 0; size < der.size; size++)
		assert_int_not_equal(
		    read_csr(mm_span(der.data, size), &csr), MM_OK);
}

static void
arena_without_room_is_an_error(void **state)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) bytes = {0};
	struct mm_csr csr;

	(void)state;
	mm_arena_init(&arena, 90);
	mm_buffer_init(&bytes, 0);
	assert_int_equal(
	    mm_file_read(VECTORS "ok-pem.pem", MM_CSR_MAX, &bytes), MM_OK);
	assert_int_equal(
	    mm_csr_read(mm_buffer_span(&bytes), &arena, &csr), MM_E_MEMORY);
}

/* libsodium 1.0.18 would decode a byte of 0x80 or above as base64. */
static void
base64_with_a_byte_over_ascii_is_refused(void **state)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) bytes = {0};
	struct mm_csr csr;

	(void)state;
	mm_arena_init(&arena, 1 << 20);
	mm_buffer_init(&bytes, 0);
	assert_int_equal(
	    mm_file_read(VECTORS "ok-pem.pem", MM_CSR_MAX, &bytes), MM_OK);
	for (size_t i = 0; i < bytes.size; i++) {
		uint8_t byte = bytes.data[i];

		if (byte != '/')
			continue;
		bytes.data[i] = 0xff;
		assert_int_equal(
		    mm_csr_read(mm_buffer_span(&bytes), &arena, &csr),
		    MM_E_CSR);
		bytes.data[i] = byte;
	}
}

/* The keys' kinds in openssl's words. */
static const struct {
	const char *openssl;
	uint64_t type;
	unsigned bits;
} kinds[] = {
    {"ec -pkeyopt ec_paramgen_curve:P-256", MM_KEY_P256, 256},
    {"ec -pkeyopt ec_paramgen_curve:P-384", MM_KEY_P384, 384},
    {"rsa:2048", MM_KEY_RSA, 2048},
    {"rsa:4096", MM_KEY_RSA, 4096},
};

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void
expect_key(const char *directory, const char *file, size_t kind)
{
	struct mm_csr csr;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	if (read_file(path, &csr) != MM_OK)
		fail_msg("%s of %s: %s", file, kinds[kind].openssl,
		    mm_why(MM_E_CSR));
	assert_int_equal(csr.key.type, kinds[kind].type);
	assert_int_equal(csr.key.bits, kinds[kind].bits);
}

static void
csrs_of_openssl_and_certtool_are_read(void **state)
{
	const char *base = getenv("TMPDIR");
	char directory[200];

	(void)state;
	snprintf(directory, sizeof(directory), "%s/mintmark-csr.XXXXXX",
	    base != NULL ? base : P_tmpdir);
	assert_non_null(mkdtemp(directory));
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		run("cd %s && openssl req -new -newkey %s -nodes -keyout key "
		    "-subj /O=Example/CN=device-1 -out openssl 2>/dev/null",
		    directory, kinds[i].openssl);
		expect_key(directory, "openssl", i);
		run("cd %s && printf 'cn = device-1\nsigning_key\nca\n' "
		    ">template && certtool --generate-request "
		    "--load-privkey key --template template "
		    "--outfile certtool 2>/dev/null",
		    directory);
		expect_key(directory, "certtool", i);
	}
	run("rm -r %s", directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_csrs_get_their_named_error),
	    cmocka_unit_test(what_a_csr_asks_for_is_stripped),
	    cmocka_unit_test(sizes_are_bounded),
	    cmocka_unit_test(a_csr_of_just_the_limit_is_read),
	    cmocka_unit_test(every_byte_matters),
	    cmocka_unit_test(arena_without_room_is_an_error),
	    cmocka_unit_test(base64_with_a_byte_over_ascii_is_refused),
	    cmocka_unit_test(csrs_of_openssl_and_certtool_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
