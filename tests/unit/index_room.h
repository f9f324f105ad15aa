/*
 * An index in a directory of its own for the tests, the parts of a mint that a
 * log's entries need and no token, and entries as people and machines make
 * them: each is applied, and kept, so that all of them can be applied again.
 */
#ifndef MM_INDEX_ROOM_H
#define MM_INDEX_ROOM_H

#include "ca/der.h"
#include "ca/serial.h"
#include "server/index.h"
#include "tests/unit/mint.h"

enum { ROOM_ENTRIES = 4000 };

static struct {
	char directory[256];
	struct mm_index *index;
	struct mm_span entries[ROOM_ENTRIES];
	size_t count;
	uint64_t now;
} room;

static inline struct mm_span
named(const char *what, uint64_t number)
{
	char name[40];
	int size =
	    snprintf(name, sizeof(name), "%s-%ju", what, (uintmax_t)number);

	return mm_span(keep(name, (size_t)size), (size_t)size);
}

static inline void
key_of(unsigned number, uint8_t out[32])
{
	memset(out, 0, 32);
	out[0] = 'k';
	out[1] = (uint8_t)number;
	out[2] = (uint8_t)(number >> 8);
}

/* Ours begin like this, with a validity that ends at `until`; the index reads
 * no further. */
static inline struct mm_span
make_tbs(uint8_t serial[MM_SERIAL_SIZE], uint64_t until)
{
	static const uint8_t head[] = {0x30, 0x82, 0, 0, 0xa0, 0x03, 0x02, 0x01,
	    0x02, 0x02, MM_SERIAL_SIZE};
	mm_auto(buffer) out = {0};
	static const uint8_t rest[256];
	size_t validity;

	mm_serial_make(serial);
	mm_buffer_init(&out, 1024);
	mm_buffer_add(&out, head, sizeof(head));
	mm_buffer_add(&out, serial, MM_SERIAL_SIZE);
	mm_der_put(&out, MM_DER_SEQUENCE, "", 0);
	mm_der_put(&out, MM_DER_SEQUENCE, "", 0);
	validity = mm_der_open(&out, MM_DER_SEQUENCE);
	mm_der_put_time(&out, NOW);
	mm_der_put_time(&out, until);
	mm_der_close(&out, validity);
	mm_der_put(&out, MM_DER_OCTETS, rest, sizeof(rest));
	out.data[2] = (uint8_t)((out.size - 4) >> 8);
	out.data[3] = (uint8_t)(out.size - 4);
	return keep_buffer(&out);
}

static inline enum mm_error
apply(uint64_t kind, const void *body)
{
	struct mm_span entry =
	    make_entry(kind, room.now, mint.policy_digest, body);
	enum mm_error error = mm_index_apply(room.index, entry);

	if (error == MM_OK) {
		assert_true(room.count < ROOM_ENTRIES);
		room.entries[room.count++] = entry;
	}
	return error;
}

/* By one officer alone, good for a day from now. */
static inline struct mm_list
say(uint64_t kind, const void *claim)
{
	return state((struct says){.kind = kind,
	    .body = claim,
	    .by = &mint.ada,
	    .time = room.now,
	    .expiry = room.now + DAY});
}

static inline struct mm_span
payload_of(const struct mm_list *statements)
{
	struct mm_statement statement;

	ok(mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement));
	return statement.payload;
}

static inline void
digest_of(const struct mm_list *statements, uint8_t out[32])
{
	struct mm_span payload = payload_of(statements);

	crypto_hash_sha256(out, payload.data, payload.size);
}

static inline enum mm_error
apply_stated(uint64_t kind, struct mm_list statements)
{
	struct mm_statement_entry body = {.statements = statements};

	return apply(kind, &body);
}

static inline enum mm_error
apply_waiting(struct mm_list statements)
{
	struct mm_pending_entry body = {.statements = statements,
	    .principal = text("ada"),
	    .request = text("0123456789abcdef")};

	return apply(MM_ENTRY_PENDING, &body);
}

static inline enum mm_error
apply_withdrawal(struct mm_list statements)
{
	struct mm_withdraw_claim claim;

	digest_of(&statements, claim.payload);
	return apply_stated(
	    MM_ENTRY_WITHDRAWAL, say(MM_STATEMENT_WITHDRAW, &claim));
}

static inline enum mm_error
apply_revocation(struct mm_span serial, uint64_t reason, uint64_t since)
{
	struct mm_revoked one = {serial, reason, since};
	struct mm_revoke_claim claim = {{&one, 1}};

	return apply_stated(
	    MM_ENTRY_REVOCATION, say(MM_STATEMENT_REVOKE, &claim));
}

static inline enum mm_error
apply_signature(uint64_t idx, uint8_t byte)
{
	struct mm_signature one = {idx, {&byte, 1}};
	struct mm_signatures_entry body = {{&one, 1}};

	return apply(MM_ENTRY_SIGNATURES, &body);
}

static inline enum mm_error
apply_void(uint64_t idx)
{
	struct mm_void one = {idx, text("token-failed")};
	struct mm_void_entry body = {{&one, 1}};

	return apply(MM_ENTRY_VOID, &body);
}

static inline enum mm_error
apply_crl(const char *issuer, uint64_t number, uint64_t size)
{
	struct mm_crl_entry body = {.issuer = text(issuer),
	    .number = number,
	    .this_update = room.now,
	    .next_update = room.now + DAY,
	    .size = size,
	    .tbs = text("tbs")};

	return apply(MM_ENTRY_CRL, &body);
}

static inline void
add_genesis(void)
{
	struct mm_ceremony_claim ceremony = make_ceremony();
	struct mm_genesis body = {.origin = text(ORIGIN),
	    .keys = mint.keys,
	    .policy = mint.policy,
	    .text = text("policy 1")};

	body.statements = say(MM_STATEMENT_CEREMONY, &ceremony);
	ok(apply(MM_ENTRY_GENESIS, &body));
}

static inline void
open_room(bool rebuild)
{
	mm_index_close(room.index);
	room.index = NULL;
	ok(mm_index_open(room.directory, rebuild, &room.index));
}

static inline int
begin_room(void **unused)
{
	const char *parent = getenv("TMPDIR");

	(void)unused;
	snprintf(room.directory, sizeof(room.directory), "%.200s/mm-XXXXXX",
	    parent != NULL ? parent : "/tmp");
	assert_non_null(mkdtemp(room.directory));
	room.count = 0;
	room.now = NOW;
	open_room(false);
	return 0;
}

static inline int
end_room(void **unused)
{
	(void)unused;
	mm_index_close(room.index);
	room.index = NULL;
	nftw(room.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static inline int
make_half_a_mint(void **unused)
{
	struct mm_genesis_key keys[MM_COUNT(ceremony_keys)];

	(void)unused;
	assert_true(sodium_init() >= 0);
	mm_arena_init(&mint.arena, 256 << 20);
	make_signer(&mint.ada);
	make_signer(&mint.bob);
	mint.policy = make_policy(1, &mint.ada, &mint.bob);
	mm_policy_digest(mint.policy, mint.policy_digest);
	for (size_t i = 0; i < MM_COUNT(keys); i++)
		keys[i] = (struct mm_genesis_key){
		    ceremony_keys[i].name, ceremony_keys[i].use, make_spki()};
	mint.keys = (struct mm_list){keep(keys, sizeof(keys)), MM_COUNT(keys)};
	return 0;
}

static inline int
drop_half_a_mint(void **unused)
{
	(void)unused;
	mm_arena_clear(&mint.arena);
	return 0;
}

#endif
