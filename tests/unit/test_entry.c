#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/message.h"
#include "tests/unit/entry_samples.h"

enum { ARENA_MAX = 1 << 20, ENTRY_MAX = 65535, WRITE_MAX = 49146 };

union body {
	struct mm_genesis genesis;
	struct mm_policy_entry policy;
	struct mm_statement_entry statement;
	struct mm_certificate_entry certificate;
	struct mm_image_entry image;
	struct mm_signatures_entry signatures;
	struct mm_void_entry voids;
	struct mm_refusal_entry refusals;
	struct mm_start_entry start;
	struct mm_key_entry key;
	struct mm_crl_entry crl;
	struct mm_export_entry export;
	struct mm_pending_entry pending;
	struct mm_csr_entry csr;
	struct mm_import_entry import;
	struct mm_inherited_entry inherited;
	struct mm_partition_entry partition;
	struct mm_scrap_entry scrap;
};

static union body
sample_body(uint64_t kind)
{
	union body bodies[MM_ENTRY_KINDS] = {
	    [MM_ENTRY_GENESIS] = {.genesis = sample_genesis()},
	    [MM_ENTRY_POLICY] = {.policy = sample_policy()},
	    [MM_ENTRY_PRINCIPAL] = {.statement = sample_statement()},
	    [MM_ENTRY_ORDER] = {.statement = sample_statement()},
	    [MM_ENTRY_CERTIFICATE] = {.certificate = sample_certificate()},
	    [MM_ENTRY_IMAGE] = {.image = sample_image()},
	    [MM_ENTRY_SIGNATURES] = {.signatures = sample_signatures()},
	    [MM_ENTRY_VOID] = {.voids = sample_voids()},
	    [MM_ENTRY_REFUSAL] = {.refusals = sample_refusals()},
	    [MM_ENTRY_START] = {.start = sample_start()},
	    [MM_ENTRY_KEY] = {.key = sample_key()},
	    [MM_ENTRY_REVOCATION] = {.statement = sample_statement()},
	    [MM_ENTRY_CRL] = {.crl = sample_crl()},
	    [MM_ENTRY_EXPORT] = {.export = sample_export()},
	    [MM_ENTRY_PENDING] = {.pending = sample_pending()},
	    [MM_ENTRY_WITHDRAWAL] = {.statement = sample_statement()},
	    [MM_ENTRY_RELEASE] = {.statement = sample_statement()},
	    [MM_ENTRY_CEREMONY] = {.statement = sample_statement()},
	    [MM_ENTRY_CSR] = {.csr = sample_csr()},
	    [MM_ENTRY_IMPORT] = {.import = sample_import()},
	    [MM_ENTRY_INHERITED] = {.inherited = sample_inherited()},
	    [MM_ENTRY_PARTITION] = {.partition = sample_partition()},
	    [MM_ENTRY_SCRAP] = {.scrap = sample_scrap()}};

	return bodies[kind];
}

static enum mm_error
encode(uint64_t kind, const void *body)
{
	struct mm_entry frame = sample_frame(kind);
	mm_auto(buffer) out = {0};
	enum mm_error error;

	mm_buffer_init(&out, ENTRY_MAX);
	error = mm_entry_encode(&frame, body, &out);
	assert_int_equal(out.size == 0, error != MM_OK);
	return error;
}

static enum mm_error
decode(struct mm_span bytes)
{
	struct mm_entry entry;
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA_MAX);
	return mm_entry_decode(bytes, &arena, &entry);
}

static void
every_kind_comes_back_as_it_went(void **state)
{
	(void)state;
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++) {
		struct mm_entry frame = sample_frame(kind), entry;
		union body body = sample_body(kind), read;
		mm_auto(buffer) first = {0}, second = {0};
		mm_auto(arena) arena = {0};

		mm_buffer_init(&first, ENTRY_MAX);
		mm_buffer_init(&second, ENTRY_MAX);
		mm_arena_init(&arena, ARENA_MAX);
		sample_encode(&frame, &body, &first);
		assert_int_equal(
		    mm_entry_decode_as(mm_buffer_span(&first),
			(enum mm_entry_kind)kind, &arena, &entry, &read),
		    MM_OK);
		assert_int_equal(entry.kind, kind);
		assert_int_equal(entry.time, SAMPLE_TIME);
		assert_memory_equal(entry.policy, frame.policy, 32);
		sample_encode(&entry, &read, &second);
		assert_true(mm_span_equal(
		    mm_buffer_span(&first), mm_buffer_span(&second)));
	}
}

/* Cut anywhere, or with a byte more, it is no entry; and never a crash. */
static void
damaged_entries_are_refused(void **state)
{
	(void)state;
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++) {
		struct mm_entry frame = sample_frame(kind);
		struct mm_entry entry = {.kind = 77};
		union body body = sample_body(kind);
		mm_auto(buffer) bytes = {0};
		mm_auto(arena) arena = {0};

		mm_buffer_init(&bytes, ENTRY_MAX);
		mm_arena_init(&arena, ARENA_MAX);
		sample_encode(&frame, &body, &bytes);
		for (size_t size = 0; size < bytes.size; size++)
			assert_int_equal(
			    decode(mm_span(bytes.data, size)), MM_E_ENTRY);
		mm_buffer_add(&bytes, "", 1);
		assert_int_equal(
		    mm_entry_decode_as(mm_buffer_span(&bytes),
			(enum mm_entry_kind)kind, &arena, &entry, &body),
		    MM_E_ENTRY);
		assert_int_equal(entry.kind, 77);
	}
}

static void
a_body_is_of_its_kind(void **state)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_START), entry;
	struct mm_start_entry start = sample_start();
	struct mm_image_entry image;
	mm_auto(buffer) bytes = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_buffer_init(&bytes, ENTRY_MAX);
	mm_arena_init(&arena, ARENA_MAX);
	sample_encode(&frame, &start, &bytes);
	assert_int_equal(mm_entry_decode_as(mm_buffer_span(&bytes),
			     MM_ENTRY_IMAGE, &arena, &entry, &image),
	    MM_E_ENTRY);
	assert_string_equal(
	    mm_why(MM_E_ENTRY), "the entry's kind is start, not image");
	assert_int_equal(mm_entry_decode_as(mm_buffer_span(&bytes),
			     MM_ENTRY_START, &arena, &entry, NULL),
	    MM_OK);
}

static void
unknown_kinds_are_refused(void **state)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_KINDS);
	struct mm_start_entry start = sample_start();
	mm_auto(buffer) bytes = {0}, body = {0};

	(void)state;
	mm_buffer_init(&bytes, ENTRY_MAX);
	mm_buffer_init(&body, ENTRY_MAX);
	assert_int_equal(encode(MM_ENTRY_KINDS, &start), MM_E_ENTRY);
	assert_int_equal(encode(UINT64_MAX, &start), MM_E_ENTRY);
	assert_int_equal(
	    mm_shape_encode(&mm_start_entry_shape, &start, &body), MM_OK);
	frame.body = mm_buffer_span(&body);
	assert_int_equal(
	    mm_shape_encode(&mm_entry_shape, &frame, &bytes), MM_OK);
	assert_int_equal(decode(mm_buffer_span(&bytes)), MM_E_ENTRY);
}

/* The same bytes with one length: which sizes does a field take? */
static struct mm_span
letters(size_t size)
{
	static char text[ENTRY_MAX + 1];

	memset(text, 'a', sizeof(text));
	return mm_span(text, size);
}

static void
lengths_end_at_their_limits(void **state)
{
	static const struct {
		uint64_t kind;
		size_t at; /* of a span in the body */
		size_t max;
		bool may_miss;
	} limits[] = {
	    {MM_ENTRY_GENESIS, offsetof(struct mm_genesis, origin), 100, false},
	    {MM_ENTRY_GENESIS, offsetof(struct mm_genesis, policy), 32768,
		false},
	    {MM_ENTRY_GENESIS, offsetof(struct mm_genesis, text), 24576, true},
	    {MM_ENTRY_POLICY, offsetof(struct mm_policy_entry, policy), 32768,
		false},
	    {MM_ENTRY_POLICY, offsetof(struct mm_policy_entry, text), 24576,
		true},
	    {MM_ENTRY_ORDER, offsetof(struct mm_statement_entry, principal), 64,
		true},
	    {MM_ENTRY_CERTIFICATE,
		offsetof(struct mm_certificate_entry, subject), 64, false},
	    {MM_ENTRY_CERTIFICATE, offsetof(struct mm_certificate_entry, tbs),
		16384, false},
	    {MM_ENTRY_CERTIFICATE,
		offsetof(struct mm_certificate_entry, principal), 64, true},
	    {MM_ENTRY_IMAGE, offsetof(struct mm_image_entry, version), 64,
		false},
	    {MM_ENTRY_IMAGE, offsetof(struct mm_image_entry, chip), 64, true},
	    {MM_ENTRY_PARTITION, offsetof(struct mm_partition_entry, device),
		64, false},
	    {MM_ENTRY_SCRAP, offsetof(struct mm_scrap_entry, serial), 20,
		false},
	    {MM_ENTRY_SCRAP, offsetof(struct mm_scrap_entry, reason), 200,
		false},
	    {MM_ENTRY_START, offsetof(struct mm_start_entry, version), 64,
		false},
	    {MM_ENTRY_KEY, offsetof(struct mm_key_entry, name), 64, false},
	    {MM_ENTRY_KEY, offsetof(struct mm_key_entry, spki), 1024, false},
	    {MM_ENTRY_REVOCATION,
		offsetof(struct mm_statement_entry, principal), 64, true},
	    {MM_ENTRY_CRL, offsetof(struct mm_crl_entry, issuer), 64, false},
	    {MM_ENTRY_CRL, offsetof(struct mm_crl_entry, tbs), 32768, true},
	    {MM_ENTRY_EXPORT, offsetof(struct mm_export_entry, format), 64,
		false},
	    {MM_ENTRY_EXPORT, offsetof(struct mm_export_entry, filter), 512,
		true},
	    {MM_ENTRY_EXPORT, offsetof(struct mm_export_entry, principal), 64,
		false},
	    {MM_ENTRY_POLICY, offsetof(struct mm_policy_entry, principal), 64,
		true},
	    {MM_ENTRY_PENDING, offsetof(struct mm_pending_entry, principal), 64,
		false},
	    {MM_ENTRY_PENDING, offsetof(struct mm_pending_entry, spki), 1024,
		true},
	    {MM_ENTRY_PENDING, offsetof(struct mm_pending_entry, policy), 32768,
		true},
	    {MM_ENTRY_PENDING, offsetof(struct mm_pending_entry, text), 24576,
		true},
	    {MM_ENTRY_CSR, offsetof(struct mm_csr_entry, key), 64, false},
	    {MM_ENTRY_CSR, offsetof(struct mm_csr_entry, info), 16384, false},
	    {MM_ENTRY_IMPORT, offsetof(struct mm_import_entry, key), 64, false},
	    {MM_ENTRY_IMPORT, offsetof(struct mm_import_entry, certificate),
		16384, false}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(limits); i++) {
		union body body = sample_body(limits[i].kind);
		struct mm_span *span =
		    (struct mm_span *)(void *)((char *)&body + limits[i].at);
		size_t max = limits[i].max;

		for (size_t size = max - 1; size <= max + 1; size++) {
			*span = letters(size);
			assert_int_equal(encode(limits[i].kind, &body),
			    size <= max ? MM_OK : MM_E_RANGE);
		}
		*span = letters(0);
		assert_int_equal(encode(limits[i].kind, &body),
		    limits[i].may_miss ? MM_OK : MM_E_RANGE);
	}
}

static void
a_request_id_is_16_bytes_or_missing(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 17; size++) {
		struct mm_certificate_entry body = sample_certificate();

		body.request = letters(size);
		assert_int_equal(encode(MM_ENTRY_CERTIFICATE, &body),
		    size == 0 || size == 16 ? MM_OK : MM_E_RANGE);
	}
}

static void
lists_end_at_their_limits(void **state)
{
	static struct mm_bytes_item statements[17];
	static struct mm_signature signatures[513];
	struct mm_statement_entry order = sample_statement();
	struct mm_image_entry image = sample_image();
	struct mm_signatures_entry signed_ = sample_signatures();

	(void)state;
	for (size_t i = 0; i < MM_COUNT(statements); i++)
		statements[i].value = letters(1);
	for (size_t i = 0; i < MM_COUNT(signatures); i++)
		signatures[i] = (struct mm_signature){i, letters(1)};
	for (size_t count = 0; count <= MM_COUNT(statements); count++) {
		order.statements = (struct mm_list){statements, count};
		image.statements = order.statements;
		assert_int_equal(encode(MM_ENTRY_ORDER, &order),
		    count >= 1 && count <= 16 ? MM_OK : MM_E_RANGE);
		assert_int_equal(encode(MM_ENTRY_IMAGE, &image),
		    count <= 16 ? MM_OK : MM_E_RANGE);
	}
	for (size_t count = 511; count <= 513; count++) {
		signed_.signatures = (struct mm_list){signatures, count};
		assert_int_equal(encode(MM_ENTRY_SIGNATURES, &signed_),
		    count <= 512 ? MM_OK : MM_E_RANGE);
	}
	signed_.signatures.count = 0;
	assert_int_equal(encode(MM_ENTRY_SIGNATURES, &signed_), MM_E_RANGE);
}

/* An order with statements that make its entry so many bytes. */
static void
order_of(size_t size, struct mm_bytes_item items[4], struct mm_buffer *out)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_ORDER);
	struct mm_statement_entry order = {.statements = {items, 4}};

	for (size_t i = 0; i < 4; i++)
		items[i].value = letters(size / 4 - 100);
	sample_encode(&frame, &order, out);
	items[3].value = letters(items[3].value.size + size - out->size);
	sample_encode(&frame, &order, out);
	assert_int_equal(out->size, size);
}

/* As other programs may write it, without a limit. */
static void
frame_by_hand(const struct mm_statement_entry *order, struct mm_buffer *out)
{
	struct mm_entry frame = sample_frame(MM_ENTRY_ORDER);
	mm_auto(buffer) body = {0};

	mm_buffer_init(&body, 2 * ENTRY_MAX);
	assert_int_equal(
	    mm_shape_encode(&mm_statement_entry_shape, order, &body), MM_OK);
	frame.body = mm_buffer_span(&body);
	mm_buffer_reset(out);
	assert_int_equal(mm_shape_encode(&mm_entry_shape, &frame, out), MM_OK);
}

/*
 * Written with what fits into a receipt, read with what fits into a bundle:
 * statements fill an entry up to the byte that is one too many.
 */
static void
an_entry_ends_at_its_limits(void **state)
{
	static struct mm_bytes_item items[4];
	struct mm_entry frame = sample_frame(MM_ENTRY_ORDER);
	struct mm_statement_entry order = {.statements = {items, 4}};
	mm_auto(buffer) bytes = {0};

	(void)state;
	mm_buffer_init(&bytes, 2 * ENTRY_MAX);
	order_of(WRITE_MAX, items, &bytes);
	assert_int_equal(decode(mm_buffer_span(&bytes)), MM_OK);
	items[3].value.size++;
	assert_int_equal(mm_entry_encode(&frame, &order, &bytes), MM_E_RANGE);
	assert_int_equal(bytes.size, WRITE_MAX);

	items[3].value.size += ENTRY_MAX - WRITE_MAX - 1;
	frame_by_hand(&order, &bytes);
	assert_int_equal(bytes.size, ENTRY_MAX);
	assert_int_equal(decode(mm_buffer_span(&bytes)), MM_OK);
	items[3].value.size++;
	frame_by_hand(&order, &bytes);
	assert_int_equal(bytes.size, ENTRY_MAX + 1);
	assert_int_equal(decode(mm_buffer_span(&bytes)), MM_E_ENTRY);
}

static enum mm_error
blob_of(uint64_t kind, const union body *body, struct mm_blob *out)
{
	struct mm_entry frame = sample_frame(kind);
	mm_auto(buffer) bytes = {0};

	mm_buffer_init(&bytes, ENTRY_MAX);
	sample_encode(&frame, body, &bytes);
	return mm_entry_blob(mm_buffer_span(&bytes), out);
}

/* Where a body has the bytes, their SHA-256 and their size. */
struct place {
	uint64_t kind;
	size_t bytes, sha256, size;
	bool needed, alone; /* alone: no member for the bytes */
};
static const struct place places[] = {
    {MM_ENTRY_GENESIS, offsetof(struct mm_genesis, text),
	offsetof(struct mm_genesis, text_sha256),
	offsetof(struct mm_genesis, text_size), false, false},
    {MM_ENTRY_POLICY, offsetof(struct mm_policy_entry, text),
	offsetof(struct mm_policy_entry, text_sha256),
	offsetof(struct mm_policy_entry, text_size), false, false},
    {MM_ENTRY_PENDING, offsetof(struct mm_pending_entry, text),
	offsetof(struct mm_pending_entry, text_sha256),
	offsetof(struct mm_pending_entry, text_size), false, false},
    {MM_ENTRY_CRL, offsetof(struct mm_crl_entry, tbs),
	offsetof(struct mm_crl_entry, tbs_sha256),
	offsetof(struct mm_crl_entry, tbs_size), true, false},
    {MM_ENTRY_INHERITED, 0, offsetof(struct mm_inherited_entry, things_sha256),
	offsetof(struct mm_inherited_entry, things_size), true, true}};

static union body
with_blob(const struct place *place, struct mm_span bytes,
    struct mm_span sha256, uint64_t size)
{
	union body body = sample_body(place->kind);
	char *at = (char *)&body;

	if (!place->alone)
		memcpy(at + place->bytes, &bytes, sizeof(bytes));
	memcpy(at + place->sha256, &sha256, sizeof(sha256));
	memcpy(at + place->size, &size, sizeof(size));
	return body;
}

static void
an_entry_names_a_blob_or_has_the_bytes(void **state)
{
	const struct mm_span none = {NULL, 0};
	uint8_t digest[32];
	struct mm_span sha256 = sample_sha256(mm_span_text("blob"), digest);

	(void)state;
	for (size_t i = 0; i < MM_COUNT(places); i++) {
		const struct place *place = &places[i];
		uint64_t kind = place->kind;
		struct mm_blob blob = {.size = 4711};
		union body body = with_blob(place, none, sha256, 4);

		assert_int_equal(blob_of(kind, &body, &blob), MM_OK);
		assert_int_equal(blob.size, 4);
		assert_memory_equal(blob.sha256, digest, 32);
		body = with_blob(place, letters(9), none, 0);
		assert_int_equal(blob_of(kind, &body, &blob),
		    place->alone ? MM_E_ENTRY : MM_OK);
		assert_int_equal(blob.size, place->alone ? 4 : 0);
		body = with_blob(place, none, none, 0);
		assert_int_equal(blob_of(kind, &body, &blob),
		    place->needed ? MM_E_ENTRY : MM_OK);
		body = with_blob(place, letters(9), sha256, 4);
		assert_int_equal(blob_of(kind, &body, &blob),
		    place->alone ? MM_OK : MM_E_ENTRY);
		body = with_blob(place, none, sha256, 0);
		assert_int_equal(blob_of(kind, &body, &blob), MM_E_ENTRY);
		body = with_blob(place, none, none, 4);
		assert_int_equal(blob_of(kind, &body, &blob), MM_E_ENTRY);
	}
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++) {
		union body body = sample_body(kind);
		struct mm_blob blob = {.size = 4711};

		assert_int_equal(blob_of(kind, &body, &blob), MM_OK);
		assert_int_equal(
		    blob.size, kind == MM_ENTRY_INHERITED ? 500 : 0);
	}
	assert_int_equal(
	    mm_entry_blob(mm_span_text("x"), &(struct mm_blob){.size = 0}),
	    MM_E_ENTRY);
}

static void
a_blobs_size_and_name_have_limits(void **state)
{
	static const struct {
		size_t sha256;
		uint64_t size;
		enum mm_error error;
	} rows[] = {{32, 1, MM_OK}, {32, MM_BLOB_MAX, MM_OK},
	    {32, (uint64_t)MM_BLOB_MAX + 1, MM_E_RANGE}, {31, 1, MM_E_RANGE},
	    {33, 1, MM_E_RANGE}};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++)
		for (size_t j = 0; j < MM_COUNT(places); j++) {
			union body body =
			    with_blob(&places[j], mm_span(NULL, 0),
				letters(rows[i].sha256), rows[i].size);

			assert_int_equal(
			    encode(places[j].kind, &body), rows[i].error);
		}
}

static void
a_blobs_file_has_its_name(void **state)
{
	struct mm_blob blob = {.size = 1};
	char path[MM_BLOB_PATH_MAX];

	(void)state;
	sample_sha256(mm_span_text("blob"), blob.sha256);
	mm_blob_path(&blob, path);
	assert_string_equal(path,
	    "blob/fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6"
	    "b8b8");
}

static void
kinds_and_uses_have_names(void **state)
{
	(void)state;
	assert_string_equal(mm_entry_kind_name(MM_ENTRY_GENESIS), "genesis");
	assert_string_equal(mm_entry_kind_name(MM_ENTRY_START), "start");
	assert_string_equal(mm_entry_kind_name(MM_ENTRY_EXPORT), "export");
	assert_null(mm_entry_kind_name(MM_ENTRY_KINDS));
	assert_null(mm_entry_body_shape(MM_ENTRY_KINDS));
	assert_string_equal(mm_key_use_name(MM_KEY_ROOT_CA), "root-ca");
	assert_string_equal(
	    mm_key_use_name(MM_KEY_CODE_SIGNING), "code-signing");
	assert_null(mm_key_use_name(0));
	assert_null(mm_key_use_name(5));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_comes_back_as_it_went),
	    cmocka_unit_test(damaged_entries_are_refused),
	    cmocka_unit_test(a_body_is_of_its_kind),
	    cmocka_unit_test(unknown_kinds_are_refused),
	    cmocka_unit_test(lengths_end_at_their_limits),
	    cmocka_unit_test(a_request_id_is_16_bytes_or_missing),
	    cmocka_unit_test(lists_end_at_their_limits),
	    cmocka_unit_test(an_entry_ends_at_its_limits),
	    cmocka_unit_test(an_entry_names_a_blob_or_has_the_bytes),
	    cmocka_unit_test(a_blobs_size_and_name_have_limits),
	    cmocka_unit_test(a_blobs_file_has_its_name),
	    cmocka_unit_test(kinds_and_uses_have_names)};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
