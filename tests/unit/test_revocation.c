/* CRLs: what is written comes back, other libraries read it, and the cost
 * grows with the number of entries and no faster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/x509.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "ca/certificate.h"
#include "ca/crl.h"
#include "ca/revocation.h"

#define TEXT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define LIST(array) \
	{ \
		array, MM_COUNT(array) \
	}
#define NOW UINT64_C(1767225600)    /* 2026-01-01 */
#define FUTURE UINT64_C(2524608000) /* 2050-01-01 */
enum { DAY = 86400, ENTRY_MOST = 80 };

static const struct mm_subject_part parts[] = {
    {TEXT("2.5.4.10"), TEXT("Example")}, {TEXT("2.5.4.3"), TEXT("{name}")}};
static const struct mm_profile profile = {.name = TEXT("ca"),
    .purpose = MM_PURPOSE_CA,
    .issuer = TEXT("ca"),
    .subject = LIST(parts),
    .keys = 1 << MM_KEY_P256,
    .key_usage = MM_KU_KEY_CERT_SIGN | MM_KU_CRL_SIGN,
    .crl = DAY};

static EVP_PKEY *key;
static struct mm_buffer issuer, certificate;

static void
sign(struct mm_span tbs, uint8_t out[128], size_t *size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	*size = 128;
	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, out, size, tbs.data, tbs.size), 1);
	EVP_MD_CTX_free(ctx);
}

static void
build_issuer(const struct mm_profile *of, struct mm_buffer *out)
{
	const uint8_t serial[MM_SERIAL_SIZE] = {0x41};
	uint8_t spki[MM_SPKI_MAX], *at = spki;
	size_t size = (size_t)i2d_PUBKEY(key, &at);
	const struct mm_certificate_plan plan = {.profile = of,
	    .subject = mm_span_text("root"),
	    .spki = mm_span(spki, size),
	    .now = NOW};

	mm_buffer_init(out, 4096);
	assert_int_equal(mm_tbs_build(&plan, serial, out), MM_OK);
}

static int
make_issuer(void **state)
{
	uint8_t signature[128];
	size_t size;

	(void)state;
	key = EVP_EC_gen("P-256");
	build_issuer(&profile, &issuer);
	mm_buffer_init(&certificate, 4096);
	sign(mm_buffer_span(&issuer), signature, &size);
	assert_int_equal(mm_certificate_assemble(mm_buffer_span(&issuer),
			     mm_span(signature, size), &certificate),
	    MM_OK);
	return 0;
}

static int
free_issuer(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	mm_buffer_clear(&issuer);
	mm_buffer_clear(&certificate);
	return 0;
}

static struct mm_crl_plan
plan_of(uint64_t number)
{
	return (struct mm_crl_plan){.issuer = mm_buffer_span(&issuer),
	    .number = number,
	    .this_update = NOW,
	    .next_update = NOW + DAY};
}

static void
serial_of(uint64_t i, uint8_t out[MM_SERIAL_SIZE])
{
	memset(out, 0x5a, MM_SERIAL_SIZE);
	for (size_t j = 0; j < 8; j++)
		out[MM_SERIAL_SIZE - 1 - j] = (uint8_t)(i >> 8 * j);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double
write_many(uint64_t count, struct mm_buffer *out)
{
	struct mm_crl_writer writer;
	const struct mm_crl_plan plan = plan_of(count);
	uint8_t serial[MM_SERIAL_SIZE];
	double start = seconds();

	mm_crl_writer_init(&writer, count * ENTRY_MOST);
	for (uint64_t i = 0; i < count; i++) {
		serial_of(i, serial);
		assert_int_equal(
		    mm_crl_add(&writer, mm_span(serial, sizeof(serial)),
			NOW + i, i % 2 == 0 ? 4 : 0, 0),
		    MM_OK);
	}
	assert_int_equal(mm_crl_finish(&writer, &plan, out), MM_OK);
	mm_crl_writer_clear(&writer);
	return seconds() - start;
}

static void
read_many(struct mm_span tbs, uint64_t count)
{
	struct mm_crl crl;
	uint64_t i = 0;

	assert_int_equal(mm_crl_read(tbs, &crl), MM_OK);
	assert_int_equal(crl.number, count);
	for (; mm_der_more(&crl.revoked); i++) {
		struct mm_crl_revoked one;
		uint8_t serial[MM_SERIAL_SIZE];

		serial_of(i, serial);
		assert_int_equal(mm_crl_next(&crl.revoked, &one), MM_OK);
		assert_true(
		    mm_span_equal(one.serial, mm_span(serial, sizeof(serial))));
		assert_int_equal(one.date, NOW + i);
		assert_int_equal(one.has_reason, i % 2 == 0);
	}
	assert_int_equal(i, count);
}

/* Ten times the entries cost ten times the time; thirty is not linear. */
static void
a_million_entries_cost_ten_times_a_hundred_thousand(void **state)
{
	mm_auto(buffer) small = {0};
	mm_auto(buffer) large = {0};
	double first, second;

	(void)state;
	mm_buffer_init(&small, 100000 * ENTRY_MOST);
	mm_buffer_init(&large, 1000000 * ENTRY_MOST);
	first = write_many(100000, &small);
	second = write_many(1000000, &large);
	print_message(
	    "100,000 entries: %.3f s, %zu bytes\n", first, small.size);
	print_message(
	    "1,000,000 entries: %.3f s, %zu bytes\n", second, large.size);
	assert_true(second < 30 * first + 0.5);
	read_many(mm_buffer_span(&small), 100000);
	read_many(mm_buffer_span(&large), 1000000);
}

/* What other libraries are given: reasons, an invalidityDate, both kinds of
 * time, a serial number with its top bit set. */
static const struct {
	const char *serial;
	uint64_t date, reason, since;
} rows[] = {
    {"\x01", NOW, 0, 0},
    {"\x80\x01", NOW, 1, NOW - DAY},
    {"\x7f\x01", FUTURE - 1, 4, 0},
    {"\x7f\x02", FUTURE, 9, NOW},
    {"\x7f\x03", NOW, 0, FUTURE},
};

static void
write_rows(size_t count, struct mm_buffer *out)
{
	struct mm_crl_plan plan = plan_of(UINT64_MAX);
	struct mm_crl_writer writer;
	mm_auto(buffer) tbs = {0};
	uint8_t signature[128];
	size_t size;

	/* GnuTLS knows no other time. */
	plan.this_update = (uint64_t)time(NULL) - 60;
	plan.next_update = plan.this_update + DAY;
	mm_crl_writer_init(&writer, 4096);
	mm_buffer_init(&tbs, 8192);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
		    mm_crl_add(&writer, mm_span_text(rows[i].serial),
			rows[i].date, rows[i].reason, rows[i].since),
		    MM_OK);
	assert_int_equal(mm_crl_finish(&writer, &plan, &tbs), MM_OK);
	mm_crl_writer_clear(&writer);
	sign(mm_buffer_span(&tbs), signature, &size);
	mm_buffer_init(out, 8192);
	assert_int_equal(mm_crl_assemble(mm_buffer_span(&tbs),
			     mm_span(signature, size), out),
	    MM_OK);
}

static int64_t
reason_of(X509_REVOKED *revoked)
{
	ASN1_ENUMERATED *reason =
	    X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, NULL, NULL);
	int64_t value = reason != NULL ? ASN1_ENUMERATED_get(reason) : 0;

	ASN1_ENUMERATED_free(reason);
	return value;
}

static void
libcrypto_reads_it(void **state)
{
	mm_auto(buffer) der = {0};
	const uint8_t *at;
	X509_CRL *crl;
	STACK_OF(X509_REVOKED) * list;
	AUTHORITY_KEYID *authority;

	(void)state;
	write_rows(MM_COUNT(rows), &der);
	at = der.data;
	crl = d2i_X509_CRL(NULL, &at, (long)der.size);
	assert_non_null(crl);
	assert_ptr_equal(at, der.data + der.size);
	assert_int_equal(X509_CRL_verify(crl, key), 1);
	assert_int_equal(X509_CRL_get_version(crl), 1);
	list = X509_CRL_get_REVOKED(crl);
	assert_int_equal(sk_X509_REVOKED_num(list), MM_COUNT(rows));
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		X509_REVOKED *one = sk_X509_REVOKED_value(list, (int)i);
		ASN1_GENERALIZEDTIME *since = X509_REVOKED_get_ext_d2i(
		    one, NID_invalidity_date, NULL, NULL);

		assert_int_equal(
		    ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(one),
			(time_t)rows[i].date),
		    0);
		assert_int_equal(reason_of(one), rows[i].reason);
		assert_int_equal(since != NULL, rows[i].since != 0);
		if (since != NULL)
			assert_int_equal(
			    ASN1_TIME_cmp_time_t(since, (time_t)rows[i].since),
			    0);
		ASN1_GENERALIZEDTIME_free(since);
	}
	authority =
	    X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
	assert_non_null(authority);
	assert_non_null(authority->keyid);
	AUTHORITY_KEYID_free(authority);
	X509_CRL_free(crl);
}

static void
gnutls_reads_it(void **state)
{
	mm_auto(buffer) der = {0};
	gnutls_x509_crl_t crl;
	gnutls_x509_crt_t ca;
	gnutls_datum_t bytes,
	    signer = {certificate.data, (unsigned)certificate.size};
	uint8_t number[32];
	size_t size = sizeof(number);
	unsigned verdict = 0, critical = 1;

	(void)state;
	write_rows(MM_COUNT(rows), &der);
	bytes = (gnutls_datum_t){der.data, (unsigned)der.size};
	assert_int_equal(gnutls_x509_crl_init(&crl), 0);
	assert_int_equal(gnutls_x509_crt_init(&ca), 0);
	assert_int_equal(
	    gnutls_x509_crt_import(ca, &signer, GNUTLS_X509_FMT_DER), 0);
	assert_int_equal(
	    gnutls_x509_crl_import(crl, &bytes, GNUTLS_X509_FMT_DER), 0);
	assert_int_equal(gnutls_x509_crl_get_crt_count(crl), MM_COUNT(rows));
	assert_int_equal(
	    gnutls_x509_crl_get_number(crl, number, &size, &critical), 0);
	assert_int_equal(critical, 0);
	assert_int_equal(gnutls_x509_crl_verify(crl, &ca, 1,
			     GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &verdict),
	    0);
	assert_int_equal(verdict, 0);
	gnutls_x509_crl_deinit(crl);
	gnutls_x509_crt_deinit(ca);
}

/* RFC 5280 5.1.2.6 */
static void
the_list_is_absent_where_nobody_is_revoked(void **state)
{
	mm_auto(buffer) der = {0};
	const uint8_t *at;
	X509_CRL *crl;

	(void)state;
	write_rows(0, &der);
	at = der.data;
	crl = d2i_X509_CRL(NULL, &at, (long)der.size);
	assert_non_null(crl);
	assert_null(X509_CRL_get_REVOKED(crl));
	assert_int_equal(X509_CRL_verify(crl, key), 1);
	X509_CRL_free(crl);
}

static void
what_cannot_be_listed_is_refused(void **state)
{
	static const uint8_t zeros[21] = {0};
	static const struct {
		size_t size;
		uint64_t date, reason, since;
		enum mm_error error;
	} bad[] = {
	    {0, NOW, 0, 0, MM_E_RANGE},
	    {1, NOW, 0, 0, MM_E_RANGE}, /* zero */
	    {21, NOW, 0, 0, MM_E_RANGE},
	    {2, NOW, 7, 0, MM_E_RANGE},
	    {2, NOW, 11, 0, MM_E_RANGE},
	    {2, MM_DER_TIME_MAX + 1, 0, 0, MM_E_RANGE},
	    {2, NOW, 0, MM_DER_TIME_MAX + 1, MM_E_RANGE},
	};
	struct mm_crl_writer writer;

	(void)state;
	mm_crl_writer_init(&writer, 4096);
	for (size_t i = 0; i < MM_COUNT(bad); i++)
		assert_int_equal(
		    mm_crl_add(&writer, mm_span(zeros, bad[i].size),
			bad[i].date, bad[i].reason, bad[i].since),
		    bad[i].error);
	assert_int_equal(writer.count, 0);
	assert_int_equal(writer.revoked.size, 0);
	assert_int_equal(mm_crl_add(&writer, mm_span_text("\x7f"),
			     MM_DER_TIME_MAX, 10, MM_DER_TIME_MAX),
	    MM_OK);
	assert_int_equal(writer.count, 1);
	mm_crl_writer_clear(&writer);
}

/* A list that is not whole is never finished. */
static void
a_full_list_is_no_list(void **state)
{
	const struct mm_crl_plan plan = plan_of(1);
	struct mm_crl_writer writer;
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 4096);
	mm_crl_writer_init(&writer, 30); /* an entry has 20 */
	assert_int_equal(
	    mm_crl_add(&writer, mm_span_text("\x01"), NOW, 0, 0), MM_OK);
	assert_int_equal(
	    mm_crl_add(&writer, mm_span_text("\x02"), NOW, 0, 0), MM_E_RANGE);
	assert_int_equal(mm_crl_finish(&writer, &plan, &out), MM_E_RANGE);
	assert_int_equal(out.size, 0);
	mm_crl_writer_clear(&writer);
}

static void
issuers_and_times_are_checked(void **state)
{
	struct mm_profile silent = profile;
	struct mm_crl_plan plan = plan_of(1);
	struct mm_crl_writer writer;
	mm_auto(buffer) other = {0};
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 4096);
	mm_crl_writer_init(&writer, 4096);
	assert_int_equal(mm_crl_finish(&writer, &plan, &out), MM_OK);
	plan.next_update = plan.this_update;
	assert_int_equal(mm_crl_finish(&writer, &plan, &out), MM_E_CERTIFICATE);
	plan.next_update = plan.this_update + 1;
	assert_int_equal(mm_crl_finish(&writer, &plan, &out), MM_OK);
	silent.key_usage = MM_KU_KEY_CERT_SIGN;
	silent.crl = 0;
	build_issuer(&silent, &other);
	plan.issuer = mm_buffer_span(&other);
	assert_int_equal(mm_crl_finish(&writer, &plan, &out), MM_E_CERTIFICATE);
	assert_non_null(strstr(mm_why(MM_E_CERTIFICATE), "cRLSign"));
	plan.issuer.size--;
	assert_int_equal(mm_crl_finish(&writer, &plan, &out), MM_E_CERTIFICATE);
	mm_crl_writer_clear(&writer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		a_million_entries_cost_ten_times_a_hundred_thousand),
	    cmocka_unit_test(libcrypto_reads_it),
	    cmocka_unit_test(gnutls_reads_it),
	    cmocka_unit_test(the_list_is_absent_where_nobody_is_revoked),
	    cmocka_unit_test(what_cannot_be_listed_is_refused),
	    cmocka_unit_test(a_full_list_is_no_list),
	    cmocka_unit_test(issuers_and_times_are_checked),
	};

	return cmocka_run_group_tests(tests, make_issuer, free_issuer);
}
