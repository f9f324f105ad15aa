/*
 * A deciding process that somebody took over: it may write whatever it likes
 * into the log, which proves it, and put whatever it likes before the token.
 * What is signed must still be what people approved, to the last byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ca/serial.h"
#include "tests/unit/trial.h"

enum { ROUNDS = 3000, BYTES_MAX = 65536 };

/* The same attacks every time (xorshift). */
static uint32_t
any(uint32_t below)
{
	static uint32_t state = 2463534242;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

/* Changes some bytes: flips, values that mean something, cuts, insertions. */
static struct mm_span
spoil(struct mm_span good)
{
	static const uint8_t telling[] = {
	    0x00, 0x01, 0x30, 0x58, 0x80, 0xa0, 0xd2, 0xf6, 0xff};
	static uint8_t bytes[BYTES_MAX];
	size_t size = good.size;

	assert_true(size + 8 <= sizeof(bytes));
	memcpy(bytes, good.data, size);
	for (uint32_t i = any(3); i < 3; i++) {
		uint32_t at = any((uint32_t)size);

		switch (any(4)) {
		case 0:
			bytes[at] ^= (uint8_t)(1 << any(8));
			break;
		case 1:
			bytes[at] = telling[any(sizeof(telling))];
			break;
		case 2:
			memmove(bytes + at, bytes + at + 1, --size - at);
			break;
		default:
			memmove(bytes + at + 1, bytes + at, size++ - at);
			break;
		}
	}
	return mm_span(keep(bytes, size), size);
}

/* An entry as it is in the log, which is as long as before afterwards. */
static struct outcome
put(struct mm_span entry, const uint64_t *references, size_t count)
{
	uint64_t before = mint.log.size;
	struct request request;
	struct outcome outcome;

	prepare(&request, log_append(&mint.log, entry), references, count);
	outcome = ask(&request);
	mint.log.size = before;
	return outcome;
}

static void
spoilt_images_are_not_signed(void **unused)
{
	struct image_trial trial;
	struct mm_span images[2]; /* the approved one, and quite another */
	size_t signatures = 0;

	(void)unused;
	make_image(&trial);
	trial.entry.statements = state(trial.says);
	for (size_t i = 0; i < MM_COUNT(images); i++) {
		images[i] = make_entry(
		    MM_ENTRY_IMAGE, NOW + 10, mint.policy_digest, &trial.entry);
		memset(trial.entry.sha256, 8, 32);
		memset(trial.entry.digest, 8, 32);
	}
	for (int i = 0; i < ROUNDS; i++) {
		struct outcome outcome = put(spoil(images[i % 2]), NULL, 0);

		if (outcome.error != MM_OK)
			continue;
		signatures++;
		ok(mm_key_verify_p256(mint_key("codesign")->spki,
		    trial.claim.sha256, outcome.signature));
	}
	/* Its format, for one, is nothing that officers sign. */
	assert_in_range(signatures, 1, ROUNDS / 2);
}

/* Where a TBS differs from the one that was meant, it is in its serial. */
static void
check_only_serial_differs(struct mm_span meant, struct mm_span found)
{
	uint8_t serial[MM_SERIAL_SIZE];
	const uint8_t *at;

	ok(mm_serial_of_tbs(meant, serial));
	at = memmem(meant.data, meant.size, serial, sizeof(serial));
	assert_non_null(at);
	assert_int_equal(meant.size, found.size);
	for (size_t i = 0; i < meant.size; i++)
		if (meant.data[i] != found.data[i])
			assert_in_range(i, (size_t)(at - meant.data),
			    (size_t)(at - meant.data) + sizeof(serial) - 1);
}

static void
spoilt_certificates(struct trial *trial, const char *issuer)
{
	struct mm_span good = mint.log.entries[log_trial(trial)];
	struct mm_span meant = trial->entry.tbs;

	for (int i = 0; i < ROUNDS; i++) {
		struct mm_span bad = spoil(good);
		struct mm_certificate_entry entry;
		struct mm_entry frame;
		struct outcome outcome =
		    put(bad, trial->references, trial->count);

		if (outcome.error != MM_OK)
			continue;
		ok(mm_entry_decode_as(
		    bad, MM_ENTRY_CERTIFICATE, &mint.arena, &frame, &entry));
		check_only_serial_differs(meant, entry.tbs);
		trial->entry.tbs = entry.tbs;
		check_signature(trial, issuer, outcome.signature);
	}
}

static void
spoilt_certificates_are_not_signed(void **unused)
{
	struct trial device = device_trial(), client = client_trial();

	(void)unused;
	spoilt_certificates(&device, "device-ca");
	spoilt_certificates(&client, "access-ca");
}

/* The request itself: its note, proofs and what entries rest on. */
static struct outcome
put_bytes(struct mm_span bytes)
{
	struct mm_token_sign_request request;
	struct outcome outcome = {.error = MM_E_PEER};
	struct mm_token_sign_answer answer;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 8 << 20);
	if (mm_shape_decode(
		&mm_token_sign_request_shape, bytes, &arena, &request) != MM_OK)
		return outcome;
	outcome.error = call(MM_TOKEN_SIGN, &request, &answer);
	for (size_t i = 0; outcome.error == MM_OK && i < answer.results.count;
	     i++) {
		const struct mm_token_result *result =
		    mm_list_at(answer.results, struct mm_token_result, i);

		if (result->signature.size > 0)
			outcome.signature = result->signature;
	}
	return outcome;
}

static void
spoilt_requests_sign_nothing_else(void **unused)
{
	struct trial trial = device_trial();
	struct request request;
	mm_auto(buffer) bytes = {0};

	(void)unused;
	prepare(&request, log_trial(&trial), trial.references, trial.count);
	mm_buffer_init(&bytes, BYTES_MAX);
	ok(mm_shape_encode(
	    &mm_token_sign_request_shape, &request.body, &bytes));
	assert_true(put_bytes(mm_buffer_span(&bytes)).signature.size > 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct outcome outcome =
		    put_bytes(spoil(mm_buffer_span(&bytes)));

		if (outcome.signature.size > 0)
			check_signature(&trial, "device-ca", outcome.signature);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {BORN(spoilt_images_are_not_signed),
	    BORN(spoilt_certificates_are_not_signed),
	    BORN(spoilt_requests_sign_nothing_else)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
