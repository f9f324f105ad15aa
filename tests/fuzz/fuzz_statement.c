/*
 * What people hand in as statements. What is taken apart must be put together
 * to the same bytes, and its claim must have one encoding.
 */
#include <sodium.h>
#include <stdlib.h>

#include "protocol/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_claim(struct mm_span payload)
{
	const struct mm_shape *shape;
	struct mm_claim claim;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) again = {0};
	void *body;

	mm_arena_init(&arena, 1 << 20);
	mm_buffer_init(&again, MM_STATEMENT_MAX);
	if (mm_shape_decode(&mm_claim_shape, payload, &arena, &claim) != MM_OK)
		return;
	shape = mm_claim_body_shape(claim.kind);
	if (shape == NULL)
		return;
	body = mm_arena_alloc(&arena, shape->size);
	if (body == NULL ||
	    mm_shape_decode(shape, claim.body, &arena, body) != MM_OK)
		return;
	if (mm_claim_encode(&claim, body, &again) != MM_OK ||
	    !mm_span_equal(mm_buffer_span(&again), payload))
		abort();
}

static void
put_together(const struct mm_statement *statement, struct mm_buffer *out)
{
	mm_cbor_put_tag(out, MM_CBOR_TAG_SIGN1);
	mm_cbor_put_array(out, 4);
	mm_cbor_put_bytes(out, statement->protected_header);
	mm_cbor_put_map(out, 0);
	mm_cbor_put_bytes(out, statement->payload);
	mm_cbor_put_bytes(out, mm_span(statement->signature, 64));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32];
	uint8_t public_key[32], secret_key[64];
	struct mm_statement statement;
	mm_auto(buffer) again = {0};

	mm_buffer_init(&again, 2 * MM_STATEMENT_MAX);
	if (mm_statement_decode(mm_span(data, size), &statement) != MM_OK)
		return 0;
	put_together(&statement, &again);
	if (!mm_span_equal(mm_buffer_span(&again), mm_span(data, size)))
		abort();
	/* Nobody has ever signed with this key. */
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	if (mm_statement_verify(&statement, public_key) == MM_OK)
		abort();
	try_claim(statement.payload);
	return 0;
}
