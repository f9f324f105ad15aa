/* COSE_Sign1 statements: what people sign, and what is not a statement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "protocol/statement.h"
#include "tests/unit/hex.h"

/* Made by another implementation; the secret seed is 00 01 02 ... 1f. */
#define PUBLIC \
	"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
#define KID "56475aa75463474c"
#define PAYLOAD \
	"a6000501706d696e742e6578616d706c652f6c6f67025000010203040506070809" \
	"0a0b0c0d0e0f031a6553f100041a6555428005a20001015820823412d1eacb6795" \
	"6220e532959f0104603057c88704863ca38e7cd188fda812"
#define SIGNATURE \
	"04eac5e0efa596eff932cd054856420515a3b32cb96e2657bd9ab88bea4af60455" \
	"245bbad2452392cd2956ed2983fb11c18c4e4d732a462d916f77ea6fe82007"
#define HEADER "4d a2 0127 0448" KID
static const char vector[] =
    "d2 84 " HEADER " a0 585a" PAYLOAD "5840" SIGNATURE;

static uint8_t public_key[32], secret_key[64];

static int
make_keys(void **state)
{
	uint8_t seed[32];

	(void)state;
	if (sodium_init() < 0)
		return -1;
	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	return crypto_sign_seed_keypair(public_key, secret_key, seed);
}

static void
a_key_id_is_the_start_of_its_hash(void **state)
{
	uint8_t kid[MM_KID_SIZE];

	(void)state;
	assert_hex(mm_span(public_key, sizeof(public_key)), PUBLIC);
	mm_kid(public_key, kid);
	assert_hex(mm_span(kid, sizeof(kid)), KID);
}

static void
a_statement_is_made_byte_for_byte(void **state)
{
	struct mm_policy_claim body = {.number = 1};
	struct mm_claim claim = {.kind = MM_STATEMENT_POLICY,
	    .origin = mm_span_text("mint.example/log"),
	    .time = 1700000000,
	    .expiry = 1700086400};
	mm_auto(buffer) payload = {0};
	mm_auto(buffer) statement = {0};

	(void)state;
	mm_buffer_init(&payload, 1024);
	mm_buffer_init(&statement, 1024);
	for (size_t i = 0; i < sizeof(claim.nonce); i++)
		claim.nonce[i] = (uint8_t)i;
	crypto_hash_sha256(body.sha256, (const uint8_t *)"policy", 6);
	assert_int_equal(mm_claim_encode(&claim, &body, &payload), MM_OK);
	assert_hex(mm_buffer_span(&payload), PAYLOAD);
	assert_int_equal(
	    mm_statement_sign(mm_buffer_span(&payload), secret_key, &statement),
	    MM_OK);
	assert_hex(mm_buffer_span(&statement), vector);
}

static void
a_statement_is_taken_apart_and_verifies(void **state)
{
	uint8_t bytes[512];
	struct mm_statement statement;

	(void)state;
	assert_int_equal(
	    mm_statement_decode(hex(vector, bytes, sizeof(bytes)), &statement),
	    MM_OK);
	assert_hex(statement.kid, KID);
	assert_hex(statement.payload, PAYLOAD);
	assert_hex(mm_span(statement.signature, 64), SIGNATURE);
	assert_int_equal(mm_statement_verify(&statement, public_key), MM_OK);
}

#define REST " a0 4100 5840" SIGNATURE

static void
other_forms_are_no_statements(void **state)
{
	static const struct {
		const char *what, *hex;
	} rows[] = {
	    {"nothing", ""},
	    {"no tag", "84 " HEADER REST},
	    {"the tag of COSE_Sign", "d862 84 " HEADER REST},
	    {"a long tag", "d812 84 " HEADER REST},
	    {"two tags", "d2 d2 84 " HEADER REST},
	    {"three elements", "d2 83 " HEADER " a0 4100"},
	    {"five elements", "d2 85 " HEADER REST " 00"},
	    {"indefinite array", "d2 9f " HEADER REST " ff"},
	    {"a map", "d2 a2 " HEADER REST},
	    {"trailing byte", "d2 84 " HEADER REST " 00"},
	    {"unprotected header",
		"d2 84 " HEADER " a1 04 4100 4100 5840" SIGNATURE},
	    {"unprotected array", "d2 84 " HEADER " 80 4100 5840" SIGNATURE},
	    {"empty protected header", "d2 84 40" REST},
	    {"protected empty map", "d2 84 41a0" REST},
	    {"header not in bytes", "d2 84 a2 0127 0448" KID REST},
	    {"ES256", "d2 84 4d a2 0126 0448" KID REST},
	    {"no key id", "d2 84 43 a1 0127" REST},
	    {"no algorithm", "d2 84 4b a1 0448" KID REST},
	    {"header keys descend", "d2 84 4d a2 0448" KID " 0127" REST},
	    {"another header", "d2 84 4f a3 0127 0448" KID " 0500" REST},
	    {"critical header", "d2 84 50 a3 0127 028104 0448" KID REST},
	    {"header trailing byte", "d2 84 4e a2 0127 0448" KID "00" REST},
	    {"key id of 7", "d2 84 4c a2 0127 0447 56475aa7546347" REST},
	    {"key id of 9", "d2 84 4e a2 0127 0449" KID "00" REST},
	    {"key id as text", "d2 84 4d a2 0127 0468 6161616161616161" REST},
	    {"algorithm as text", "d2 84 4e a2 016145 0448" KID REST},
	    {"long algorithm", "d2 84 4e a2 013807 0448" KID REST},
	    {"detached payload", "d2 84 " HEADER " a0 f6 5840" SIGNATURE},
	    {"empty payload", "d2 84 " HEADER " a0 40 5840" SIGNATURE},
	    {"payload as text", "d2 84 " HEADER " a0 6161 5840" SIGNATURE},
	    {"no signature", "d2 84 " HEADER " a0 4100 40"},
	    {"signature of 8", "d2 84 " HEADER " a0 4100 48" KID},
	    {"signature of 65", "d2 84 " HEADER " a0 4100 5841" SIGNATURE "00"},
	    {"signature as text", "d2 84 " HEADER " a0 4100 6161"},
	};
	uint8_t bytes[512];
	struct mm_statement out, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		enum mm_error error;

		out = before;
		error = mm_statement_decode(
		    hex(rows[i].hex, bytes, sizeof(bytes)), &out);
		if (error != MM_E_STATEMENT)
			fail_msg("%s: %s", rows[i].what, mm_error_name(error));
		assert_memory_equal(&out, &before, sizeof(out));
	}
}

static void
every_truncation_is_refused(void **state)
{
	uint8_t bytes[512];
	struct mm_span whole = hex(vector, bytes, sizeof(bytes));
	struct mm_statement statement;

	(void)state;
	for (size_t size = 0; size < whole.size; size++)
		assert_int_equal(
		    mm_statement_decode(mm_span(bytes, size), &statement),
		    MM_E_STATEMENT);
}

static void
every_change_of_a_byte_is_noticed(void **state)
{
	uint8_t bytes[512];
	struct mm_span whole = hex(vector, bytes, sizeof(bytes));
	struct mm_statement statement;

	(void)state;
	for (size_t i = 0; i < whole.size; i++) {
		uint8_t former = bytes[i];

		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			bytes[i] = (uint8_t)(former ^ bit);
			if (mm_statement_decode(whole, &statement) == MM_OK)
				assert_int_equal(
				    mm_statement_verify(&statement, public_key),
				    MM_E_STATEMENT_SIGNATURE);
		}
		bytes[i] = former;
	}
}

static void
another_officers_key_does_not_verify(void **state)
{
	uint8_t bytes[512], other[32], secret[64];
	struct mm_statement statement;

	(void)state;
	crypto_sign_keypair(other, secret);
	assert_int_equal(
	    mm_statement_decode(hex(vector, bytes, sizeof(bytes)), &statement),
	    MM_OK);
	assert_int_equal(
	    mm_statement_verify(&statement, other), MM_E_STATEMENT_SIGNATURE);
}

/* S + L is the same number to a lax verifier (RFC 8032 section 5.1.7). */
static void
a_malleated_signature_does_not_verify(void **state)
{
	static const char order[] =
	    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
	uint8_t bytes[512], added[32];
	struct mm_span whole = hex(vector, bytes, sizeof(bytes));
	struct mm_statement statement;

	(void)state;
	hex(order, added, sizeof(added));
	sodium_add(bytes + whole.size - 32, added, sizeof(added));
	assert_int_equal(mm_statement_decode(whole, &statement), MM_OK);
	assert_int_equal(mm_statement_verify(&statement, public_key),
	    MM_E_STATEMENT_SIGNATURE);
}

/* With the key of order one, R = identity and S = 0 would verify anything. */
static void
a_key_of_small_order_does_not_verify(void **state)
{
	uint8_t key[32] = {1}, signature[64] = {1}, header[16];
	uint8_t kid[MM_KID_SIZE];
	struct mm_statement statement = {.signature = signature};

	(void)state;
	mm_kid(key, kid);
	statement.kid = mm_span(kid, sizeof(kid));
	statement.payload = mm_span_text("anything");
	statement.protected_header = hex("a0", header, sizeof(header));
	assert_int_equal(
	    mm_statement_verify(&statement, key), MM_E_STATEMENT_SIGNATURE);
}

static void
a_statement_ends_at_its_limit(void **state)
{
	/* Tag, array, header, map, payload's head, signature and its head. */
	enum { AROUND = 1 + 1 + 14 + 1 + 3 + 66 };
	static uint8_t payload[MM_STATEMENT_MAX];
	mm_auto(buffer) out = {0};
	struct mm_statement statement;

	(void)state;
	mm_buffer_init(&out, 2 * MM_STATEMENT_MAX);
	assert_int_equal(
	    mm_statement_sign(
		mm_span(payload, MM_STATEMENT_MAX - AROUND), secret_key, &out),
	    MM_OK);
	assert_int_equal(out.size, MM_STATEMENT_MAX);
	assert_int_equal(
	    mm_statement_decode(mm_buffer_span(&out), &statement), MM_OK);
	assert_int_equal(mm_statement_verify(&statement, public_key), MM_OK);
	assert_int_equal(
	    mm_statement_sign(mm_span(payload, MM_STATEMENT_MAX - AROUND + 1),
		secret_key, &out),
	    MM_E_RANGE);
	assert_int_equal(out.size, MM_STATEMENT_MAX);
	assert_int_equal(
	    mm_statement_sign(mm_span(payload, 0), secret_key, &out),
	    MM_E_STATEMENT);
	mm_buffer_add(&out, "", 1);
	assert_int_equal(mm_statement_decode(mm_buffer_span(&out), &statement),
	    MM_E_STATEMENT);
}

static const struct mm_text_item names[] = {
    {{(const uint8_t *)"line-1", 6}}, {{(const uint8_t *)"line-2", 6}}};
static const struct mm_scheme_digest digests[] = {
    {{(const uint8_t *)"sha256-ecdsa", 12}, {1}}};
#define TEXT(literal) \
	{ \
		(const uint8_t *)(literal), sizeof(literal) - 1 \
	}
static const uint8_t known[32] = {7};
static const struct mm_ceremony_key keys[] = {{TEXT("root"), 1, {NULL, 0}, 0},
    {TEXT("device-ca"), 2, {known, 32}, 0}, {TEXT("sb-1"), 4, {NULL, 0}, 2}};
static const struct mm_ceremony_certificate certificates[] = {
    {TEXT("root"), TEXT("root"), TEXT("root-ca"), TEXT("Root")}};
static const struct mm_ceremony_request requests[] = {
    {TEXT("device-ca"), TEXT("device-ca"), TEXT("Line CA")}};
static const struct mm_ceremony_import imports[] = {{TEXT("device-ca"), {2}}};
static const struct mm_ceremony_proof proofs[] = {
    {TEXT("device-ca"), TEXT("proof"), TEXT("a-code"), {3}}};
static const struct mm_inherited_blob blobs[] = {{{4}, 512, 9}};
static const struct mm_predecessor predecessors[] = {
    {TEXT("lost.example/log"), {5}, 100, {6}, {blobs, 1}}};

static void
assert_claim_comes_back(uint64_t kind, const void *body)
{
	struct mm_claim claim = {
	    .kind = kind, .origin = mm_span_text("mint.example/log")};
	const struct mm_shape *shape = mm_claim_body_shape(kind);
	struct mm_claim found;
	uint8_t decoded[512];
	mm_auto(buffer) payload = {0};
	mm_auto(buffer) again = {0};
	mm_auto(arena) arena = {0};

	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	mm_buffer_init(&again, MM_STATEMENT_MAX);
	mm_arena_init(&arena, 65536);
	assert_non_null(shape);
	assert_in_range(shape->size, 1, sizeof(decoded));
	assert_int_equal(mm_claim_encode(&claim, body, &payload), MM_OK);
	assert_int_equal(mm_shape_decode(&mm_claim_shape,
			     mm_buffer_span(&payload), &arena, &found),
	    MM_OK);
	assert_int_equal(found.kind, kind);
	assert_int_equal(
	    mm_shape_decode(shape, found.body, &arena, decoded), MM_OK);
	assert_int_equal(mm_claim_encode(&found, decoded, &again), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&payload), mm_buffer_span(&again)));
}

static void
claims_of_every_kind_come_back(void **state)
{
	struct mm_order_claim order = {.name = mm_span_text("2024-17"),
	    .profile = mm_span_text("device"),
	    .units = 1000,
	    .devices.pattern = mm_span_text("lamp-*"),
	    .stations = {names, MM_COUNT(names)},
	    .until = 1800000000};
	struct mm_release_claim release = {.product = mm_span_text("lamp"),
	    .version = mm_span_text("1.0.0"),
	    .size = 4096,
	    .schemes = {digests, MM_COUNT(digests)}};
	struct mm_principal_claim principal = {
	    .name = mm_span_text("line-1"), .role = MM_ROLE_STATION};
	struct mm_policy_claim policy = {.number = 2};
	struct mm_withdraw_claim withdraw = {.payload = {1, 2, 3}};
	struct mm_ceremony_claim ceremony = {
	    .policy = {1}, .keys = {keys, MM_COUNT(keys)}};

	(void)state;
	assert_claim_comes_back(MM_STATEMENT_ORDER, &order);
	order.devices = (struct mm_devices){
	    .first = mm_span_text("a1"), .last = mm_span_text("a9")};
	assert_claim_comes_back(MM_STATEMENT_ORDER, &order);
	order.devices = (struct mm_devices){.list = {names, MM_COUNT(names)}};
	assert_claim_comes_back(MM_STATEMENT_ORDER, &order);
	order.revision = 3;
	order.reissue = 10;
	order.closed = true;
	assert_claim_comes_back(MM_STATEMENT_ORDER, &order);
	assert_claim_comes_back(MM_STATEMENT_RELEASE, &release);
	assert_claim_comes_back(MM_STATEMENT_PRINCIPAL, &principal);
	principal.profiles = (struct mm_list){names, MM_COUNT(names)};
	principal.daily = 500;
	principal.disabled = true;
	principal.minute = 60;
	assert_claim_comes_back(MM_STATEMENT_PRINCIPAL, &principal);
	assert_claim_comes_back(MM_STATEMENT_POLICY, &policy);
	assert_claim_comes_back(MM_STATEMENT_WITHDRAW, &withdraw);
	assert_claim_comes_back(MM_STATEMENT_CEREMONY, &ceremony);
	ceremony.certificates =
	    (struct mm_list){certificates, MM_COUNT(certificates)};
	ceremony.retired = (struct mm_list){names, MM_COUNT(names)};
	ceremony.requests = (struct mm_list){requests, MM_COUNT(requests)};
	ceremony.imports = (struct mm_list){imports, MM_COUNT(imports)};
	ceremony.proofs = (struct mm_list){proofs, MM_COUNT(proofs)};
	ceremony.succeeds =
	    (struct mm_list){predecessors, MM_COUNT(predecessors)};
	ceremony.notes = mm_span_text("In the vault.\nTwo were there.");
	assert_claim_comes_back(MM_STATEMENT_CEREMONY, &ceremony);
}

static void
claims_without_a_body_are_refused(void **state)
{
	static const uint64_t kinds[] = {0, MM_STATEMENT_KINDS, UINT64_MAX};
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 64);
	for (size_t i = 0; i < MM_COUNT(kinds); i++) {
		struct mm_claim claim = {.kind = kinds[i]};

		assert_null(mm_claim_body_shape(kinds[i]));
		assert_int_equal(
		    mm_claim_encode(&claim, &claim, &out), MM_E_STATEMENT_KIND);
		assert_int_equal(out.size, 0);
	}
}

static void
roles_have_names(void **state)
{
	(void)state;
	assert_null(mm_role_name(0));
	assert_string_equal(mm_role_name(MM_ROLE_STATION), "station");
	assert_string_equal(mm_role_name(MM_ROLE_OFFICER), "officer");
	assert_null(mm_role_name(MM_ROLES));
	assert_null(mm_role_name(UINT64_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_id_is_the_start_of_its_hash),
	    cmocka_unit_test(a_statement_is_made_byte_for_byte),
	    cmocka_unit_test(a_statement_is_taken_apart_and_verifies),
	    cmocka_unit_test(other_forms_are_no_statements),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(every_change_of_a_byte_is_noticed),
	    cmocka_unit_test(another_officers_key_does_not_verify),
	    cmocka_unit_test(a_malleated_signature_does_not_verify),
	    cmocka_unit_test(a_key_of_small_order_does_not_verify),
	    cmocka_unit_test(a_statement_ends_at_its_limit),
	    cmocka_unit_test(claims_of_every_kind_come_back),
	    cmocka_unit_test(claims_without_a_body_are_refused),
	    cmocka_unit_test(roles_have_names),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
