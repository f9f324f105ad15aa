/* Frames, envelopes, the table of message types, errors as they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocol/cbor.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "protocol/statement.h"
#include "protocol/text.h"
#include "tests/unit/hex.h"

static const uint8_t id[MM_ID_SIZE] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static enum mm_error
next_frame(const char *text, size_t max, struct mm_span *item)
{
	static uint8_t bytes[64];

	return mm_frame_next(hex(text, bytes, sizeof(bytes)), max, item);
}

static void
a_frame_is_there_when_it_is_whole(void **state)
{
	static const char *const partial[] = {
	    "", "00", "0000", "000000", "00000002", "00000002 81"};
	struct mm_span item;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(partial); i++) {
		assert_int_equal(next_frame(partial[i], 16, &item), MM_OK);
		assert_int_equal(item.size, 0);
	}
	assert_int_equal(next_frame("00000002 8100", 16, &item), MM_OK);
	assert_hex(item, "8100");
	assert_int_equal(next_frame("00000002 8100 00", 16, &item), MM_OK);
	assert_hex(item, "8100");
}

static void
a_wrong_length_is_refused_by_its_header(void **state)
{
	struct mm_span item;

	(void)state;
	assert_int_equal(next_frame("00000000", 16, &item), MM_E_FRAME);
	assert_int_equal(next_frame("0000000f", 16, &item), MM_OK);
	assert_int_equal(next_frame("00000010", 16, &item), MM_OK);
	assert_int_equal(next_frame("00000011", 16, &item), MM_E_FRAME);
	assert_int_equal(next_frame("80000000", 16, &item), MM_E_FRAME);
	assert_int_equal(next_frame("ffffffff", 16, &item), MM_E_FRAME);
	assert_int_equal(next_frame("00020000", MM_FRAME_MAX, &item), MM_OK);
	assert_int_equal(
	    next_frame("00020001", MM_FRAME_MAX, &item), MM_E_FRAME);
	/* "GET " and a TLS record are lengths over the limit. */
	assert_int_equal(
	    next_frame("47455420", MM_FRAME_MAX, &item), MM_E_FRAME);
	assert_int_equal(
	    next_frame("16030100", MM_FRAME_MAX, &item), MM_E_FRAME);
}

static void
frames_are_written_as_they_are_read(void **state)
{
	uint8_t big[300] = {0};
	struct mm_span item;
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, 512);
	mm_frame_put(mm_span("\x80", 1), &out);
	assert_hex(mm_buffer_span(&out), "00000001 80");
	mm_frame_put(mm_span(big, sizeof(big)), &out);
	mm_buffer_drop(&out, 5);
	assert_int_equal(
	    mm_frame_next(mm_buffer_span(&out), 300, &item), MM_OK);
	assert_int_equal(item.size, sizeof(big));
	assert_int_equal(out.error, MM_OK);
	mm_frame_put(mm_span(NULL, 0), &out);
	assert_int_equal(out.error, MM_E_FRAME);
}

static void
who_may_ask_for_what_is_one_table(void **state)
{
	enum { S = 1, R = 2, A = 4, O = 8 };
	static const struct {
		uint64_t type;
		const char *name;
		unsigned who;
	} rows[] = {
	    {MM_MESSAGE_STATUS, "status", S | R | A | O},
	    {MM_MESSAGE_ISSUE, "issue", S},
	    {MM_MESSAGE_SHOW, "show", S | A | O},
	    {MM_MESSAGE_STATEMENT, "statement", R | O},
	    {MM_MESSAGE_UPLOAD, "upload", R},
	    {MM_MESSAGE_CHUNK, "chunk", R},
	    {MM_MESSAGE_SUBMIT, "submit", R},
	    {MM_MESSAGE_FETCH, "fetch", R | A | O},
	    {MM_MESSAGE_ENTRIES, "entries", A | O},
	    {MM_MESSAGE_PROVE, "prove", A | O},
	    {MM_MESSAGE_CONSISTENCY, "consistency", S | R | A | O},
	    {MM_MESSAGE_COSIGN, "cosign", A | O},
	    {MM_MESSAGE_EXPORT, "export", A | O},
	    {MM_MESSAGE_BLOB, "blob", S | R | A | O},
	    {MM_MESSAGE_RENEW, "renew", S | R | A | O},
	    {MM_MESSAGE_PENDING, "pending", R | A | O},
	    {MM_MESSAGE_ORDERS, "orders", S | A | O},
	    {MM_MESSAGE_PRINCIPALS, "principals", A | O},
	    {MM_MESSAGE_CRL, "crl", S | R | A | O},
	    {MM_MESSAGE_RELEASES, "releases", R | A | O},
	    {MM_MESSAGE_IMAGE, "image", R | O},
	    {MM_MESSAGE_PARTITION, "partition", S},
	    {MM_MESSAGE_SCRAP, "scrap", S},
	};

	(void)state;
	assert_int_equal(MM_COUNT(rows), MM_MESSAGE_TYPES - 1);
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		const struct mm_message_type_row *row =
		    mm_message_row(rows[i].type);

		assert_non_null(row);
		assert_int_equal(row->type, rows[i].type);
		assert_string_equal(row->name, rows[i].name);
		assert_int_equal(row->roles, rows[i].who << MM_ROLE_STATION);
		assert_non_null(row->request);
		assert_non_null(row->answer);
	}
	assert_null(mm_message_row(MM_MESSAGE_ERROR));
	assert_null(mm_message_row(MM_MESSAGE_TYPES));
	assert_null(mm_message_row(UINT64_MAX));
}

#define TEXT(s) \
	{ \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

static const struct mm_bytes_item some_bytes[] = {
    {TEXT("one")}, {TEXT("another")}};
#define SOME \
	{ \
		some_bytes, MM_COUNT(some_bytes) \
	}

static const struct mm_error_answer error_answer = {
    47, TEXT("order-exhausted"), TEXT("no units are left"), 30};
static const struct mm_status_answer status_answer = {TEXT("mint/log"),
    TEXT("mint/log+00000000+AA=="), 7, TEXT("mint/log\n7\n"), 1, TEXT("line-1"),
    TEXT("station")};
static const struct mm_issue_request issue_request = {
    TEXT("2024-17"), TEXT("device"), TEXT("lamp-0001"), TEXT("csr"), true};
static const struct mm_certificate_answer certificate_answer = {
    12, TEXT("der"), SOME, TEXT("c2sp.org/tlog-proof@v1\n")};
static const struct mm_show_request show_device = {
    TEXT("device"), TEXT("lamp-0001"), {NULL, 0}, 0};
static const struct mm_show_request show_serial = {
    {NULL, 0}, {NULL, 0}, TEXT("\x01\x02"), 0};
static const struct mm_show_request show_basis = {.basis = 7};
static const struct mm_statement_request statement_request = {
    SOME, TEXT("csr"), TEXT("policy"), TEXT("text"), SOME};
static const struct mm_statement_answer statement_answer = {
    3, TEXT("receipt"), TEXT("der"), SOME, 0};
static const struct mm_statement_answer statement_alone = {
    3, TEXT("receipt"), {NULL, 0}, {NULL, 0}, 2};
static const struct mm_upload_request upload_request = {1048576, {7}};
static const struct mm_upload_answer upload_answer = {1, 0};
static const struct mm_upload_answer upload_resumed = {2, 65536};
static const struct mm_chunk_request chunk_request = {1, 65536, TEXT("image")};
static const struct mm_chunk_answer chunk_answer = {65541};
static const struct mm_submit_request submit_request = {
    1, TEXT("lamp"), TEXT("1.0.0")};
static const struct mm_rule_row some_rules[] = {
    {TEXT("chip"), MM_RULE_PASSED, TEXT("esp32c3")},
    {TEXT("slot"), MM_RULE_SILENT, {NULL, 0}}};
static const struct mm_text_item some_schemes[] = {
    {TEXT("sha256-ecdsa")}, {TEXT("secure-boot-v1:sb-1")}};
static const struct mm_submit_answer submit_answer = {MM_RELEASE_KEPT, {9},
    1048576, TEXT("esp-app"), {some_rules, MM_COUNT(some_rules)},
    {some_schemes, MM_COUNT(some_schemes)}};
static const struct mm_submit_answer submit_plain = {
    MM_RELEASE_KEPT, {9}, 1, TEXT("plain"), {NULL, 0}, {NULL, 0}};
static const struct mm_release_answer release_answer = {14, TEXT("signature"),
    TEXT("der"), SOME, TEXT("receipt"), {9}, TEXT("codesign"), TEXT("spki")};
static const struct mm_release_answer release_bare = {14, TEXT("signature"),
    {NULL, 0}, {NULL, 0}, TEXT("receipt"), {9}, TEXT("sb-1"), TEXT("spki")};
static const struct mm_fetch_request fetch_request = {
    TEXT("lamp"), TEXT("1.0.0"), TEXT("sha256-ecdsa")};
static const struct mm_entries_request entries_request = {0, 256};
static const struct mm_entries_answer entries_answer = {0, SOME};
static const struct mm_prove_request prove_request = {12, true, 0};
static const struct mm_prove_answer prove_answer = {TEXT("receipt")};
static const struct mm_prove_request prove_newest = {12, false, 0};
static const struct mm_prove_request prove_size = {12, false, 13};
static const struct mm_hash_item some_hashes[] = {{{1}}, {{2}}};
static const struct mm_consistency_request consistency_request = {1000};
static const struct mm_consistency_answer consistency_answer = {
    TEXT("mint/log\n7\n"), {some_hashes, MM_COUNT(some_hashes)}};
static const struct mm_cosign_request cosign_request = {TEXT("mint/log\n7\n")};
static const struct mm_cosign_answer cosign_answer = {7, 2};
static const struct mm_export_request export_request = {
    0, 7, TEXT("csv"), TEXT("--refused"), {5}, 4096};
static const struct mm_export_request export_all = {
    0, 7, TEXT("json"), {NULL, 0}, {5}, 4096};
static const struct mm_export_answer export_answer = {15, TEXT("receipt")};
static const struct mm_blob_request blob_request = {{6}, 65536};
static const struct mm_blob_answer blob_answer = {65541, TEXT("piece")};
static const struct mm_renew_request renew_request = {TEXT("csr")};
static const uint8_t some_payload[32] = {8};
static const struct mm_pending_request pending_request = {
    {some_payload, 32}, {NULL, 0}};
static const struct mm_pending_request pending_after = {
    {NULL, 0}, {some_payload, 32}};
static const struct mm_text_item some_texts[] = {
    {TEXT("first")}, {TEXT("second")}};
static const struct mm_pending_row pending_rows[] = {{{8}, 1, 30, 1700000000,
    1700600000, {some_texts, MM_COUNT(some_texts)}, 1, TEXT("2024-17")}};
static const struct mm_pending_answer pending_answer = {
    {pending_rows, MM_COUNT(pending_rows)}};
static const struct mm_orders_request orders_request = {
    TEXT("2024-17"), {NULL, 0}};
static const struct mm_orders_request orders_after = {
    {NULL, 0}, TEXT("2024-17")};
static const struct mm_order_state order_states[] = {{TEXT("2024-17"),
    TEXT("device"), 2, 40, 12, 1000, 10, 999, 1, 3, 2, 1700600000, true, 4}};
static const struct mm_orders_answer orders_answer = {
    {order_states, MM_COUNT(order_states)}};
static const struct mm_principals_request principals_request = {
    TEXT("line-1"), {NULL, 0}};
static const struct mm_principals_request principals_after = {
    {NULL, 0}, TEXT("line-1")};
static const struct mm_principal_state principal_states[] = {
    {TEXT("line-1"), 1, {4}, 9, false, 1700000000, 1702000000, 17, 5000, 600,
	{some_texts, MM_COUNT(some_texts)}}};
static const struct mm_principals_answer principals_answer = {
    {principal_states, MM_COUNT(principal_states)}};
static const struct mm_crl_request crl_request = {TEXT("device-ca")};
static const struct mm_crl_answer crl_answer = {
    77, TEXT("signature"), TEXT("receipt")};
static const struct mm_releases_request releases_request = {
    TEXT("lamp"), TEXT("1.0.0"), 0};
static const struct mm_releases_request releases_after = {
    {NULL, 0}, {NULL, 0}, 14};
static const struct mm_release_signing some_signings[] = {
    {TEXT("sha256-ecdsa"), 14, true},
    {TEXT("secure-boot-v2-rsa3072:sb-1"), 0, false}};
static const struct mm_release_row release_rows[] = {{13, TEXT("lamp"),
    TEXT("1.0.0"), MM_RELEASE_APPROVED, 1700000000, 1048576, {9}, true,
    1700600000, {8}, {some_signings, MM_COUNT(some_signings)}, 1}};
static const struct mm_releases_answer releases_answer = {
    {release_rows, MM_COUNT(release_rows)}};
static const struct mm_image_request image_request = {{9}, 65536, false};
static const struct mm_image_request image_done = {{9}, 0, true};
static const struct mm_image_answer image_answer = {1048576, TEXT("piece")};
static const struct mm_image_answer image_forgotten = {1048576, {NULL, 0}};
static const struct mm_partition_request partition_request = {TEXT("2024-17"),
    TEXT("lamp-0001"), TEXT("secure-cert-ecdsa256:sb-1"), TEXT("partition")};
static const struct mm_partition_answer partition_answer = {
    15, TEXT("signature"), TEXT("receipt"), TEXT("sb-1"), TEXT("spki")};
static const struct mm_scrap_request scrap_request = {
    TEXT("2024-17"), TEXT("01234567890123456789"), TEXT("no answer")};
static const struct mm_scrap_answer scrap_answer = {15, TEXT("receipt")};
static const struct mm_nothing nothing;

static const struct sample {
	uint64_t type;
	const struct mm_shape *shape;
	const void *body;
} samples[] = {
    {0, &mm_error_answer_shape, &error_answer},
    {1, &mm_nothing_shape, &nothing},
    {1, &mm_status_answer_shape, &status_answer},
    {2, &mm_issue_request_shape, &issue_request},
    {2, &mm_certificate_answer_shape, &certificate_answer},
    {3, &mm_show_request_shape, &show_device},
    {3, &mm_show_request_shape, &show_serial},
    {4, &mm_statement_request_shape, &statement_request},
    {4, &mm_statement_answer_shape, &statement_answer},
    {4, &mm_statement_answer_shape, &statement_alone},
    {5, &mm_upload_request_shape, &upload_request},
    {5, &mm_upload_answer_shape, &upload_answer},
    {5, &mm_upload_answer_shape, &upload_resumed},
    {6, &mm_chunk_request_shape, &chunk_request},
    {6, &mm_chunk_answer_shape, &chunk_answer},
    {7, &mm_submit_request_shape, &submit_request},
    {7, &mm_submit_answer_shape, &submit_answer},
    {7, &mm_submit_answer_shape, &submit_plain},
    {8, &mm_fetch_request_shape, &fetch_request},
    {8, &mm_release_answer_shape, &release_answer},
    {8, &mm_release_answer_shape, &release_bare},
    {9, &mm_entries_request_shape, &entries_request},
    {9, &mm_entries_answer_shape, &entries_answer},
    {10, &mm_prove_request_shape, &prove_request},
    {10, &mm_prove_request_shape, &prove_newest},
    {10, &mm_prove_request_shape, &prove_size},
    {10, &mm_prove_answer_shape, &prove_answer},
    {11, &mm_consistency_request_shape, &consistency_request},
    {11, &mm_consistency_answer_shape, &consistency_answer},
    {12, &mm_cosign_request_shape, &cosign_request},
    {12, &mm_cosign_answer_shape, &cosign_answer},
    {13, &mm_export_request_shape, &export_request},
    {13, &mm_export_request_shape, &export_all},
    {13, &mm_export_answer_shape, &export_answer},
    {14, &mm_blob_request_shape, &blob_request},
    {14, &mm_blob_answer_shape, &blob_answer},
    {3, &mm_show_request_shape, &show_basis},
    {15, &mm_renew_request_shape, &renew_request},
    {15, &mm_certificate_answer_shape, &certificate_answer},
    {16, &mm_pending_request_shape, &pending_request},
    {16, &mm_pending_request_shape, &pending_after},
    {16, &mm_pending_answer_shape, &pending_answer},
    {17, &mm_orders_request_shape, &orders_request},
    {17, &mm_orders_request_shape, &orders_after},
    {17, &mm_orders_answer_shape, &orders_answer},
    {18, &mm_principals_request_shape, &principals_request},
    {18, &mm_principals_request_shape, &principals_after},
    {18, &mm_principals_answer_shape, &principals_answer},
    {19, &mm_crl_request_shape, &crl_request},
    {19, &mm_crl_answer_shape, &crl_answer},
    {20, &mm_releases_request_shape, &releases_request},
    {20, &mm_releases_request_shape, &releases_after},
    {20, &mm_releases_answer_shape, &releases_answer},
    {21, &mm_image_request_shape, &image_request},
    {21, &mm_image_request_shape, &image_done},
    {21, &mm_image_answer_shape, &image_answer},
    {21, &mm_image_answer_shape, &image_forgotten},
    {22, &mm_partition_request_shape, &partition_request},
    {22, &mm_partition_answer_shape, &partition_answer},
    {23, &mm_scrap_request_shape, &scrap_request},
    {23, &mm_scrap_answer_shape, &scrap_answer},
};

union any_body {
	uint8_t bytes[1024];
	max_align_t align;
};

/* Decodes envelope and body; what passes is encoded again, to be the same. */
static enum mm_error
decode(struct mm_span bytes, const struct mm_shape *shape)
{
	struct mm_envelope envelope;
	union any_body body;
	mm_auto(arena) arena = {0};
	mm_auto(buffer) again = {0};
	enum mm_error error;

	mm_arena_init(&arena, 65536);
	mm_buffer_init(&again, MM_FRAME_MAX);
	assert_in_range(shape->size, 1, sizeof(body));
	error = mm_shape_decode(&mm_envelope_shape, bytes, &arena, &envelope);
	if (error == MM_OK)
		error = mm_shape_decode(shape, envelope.body, &arena, &body);
	if (error != MM_OK)
		return error;
	assert_int_equal(mm_envelope_encode(
			     envelope.type, envelope.id, shape, &body, &again),
	    MM_OK);
	assert_true(mm_span_equal(mm_buffer_span(&again), bytes));
	return MM_OK;
}

static void
encode_sample(const struct sample *sample, struct mm_buffer *out)
{
	mm_buffer_init(out, MM_FRAME_MAX);
	assert_int_equal(mm_envelope_encode(sample->type, id, sample->shape,
			     sample->body, out),
	    MM_OK);
}

static void
messages_of_every_type_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(samples); i++) {
		const struct mm_message_type_row *row =
		    mm_message_row(samples[i].type);
		mm_auto(buffer) out = {0};

		if (row != NULL)
			assert_true(samples[i].shape == row->request ||
				    samples[i].shape == row->answer);
		encode_sample(&samples[i], &out);
		assert_int_equal(
		    decode(mm_buffer_span(&out), samples[i].shape), MM_OK);
	}
}

static void
every_truncation_of_every_type_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(samples); i++) {
		mm_auto(buffer) out = {0};

		encode_sample(&samples[i], &out);
		for (size_t size = 0; size < out.size; size++)
			assert_int_not_equal(
			    decode(mm_span(out.data, size), samples[i].shape),
			    MM_OK);
		mm_buffer_add(&out, "", 1);
		assert_int_equal(decode(mm_buffer_span(&out), samples[i].shape),
		    MM_E_TRAILING);
	}
}

static void
no_change_of_a_byte_of_any_type_does_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(samples); i++) {
		mm_auto(buffer) out = {0};

		encode_sample(&samples[i], &out);
		for (size_t at = 0; at < out.size; at++) {
			uint8_t former = out.data[at];

			for (unsigned v = 0; v < 256; v++) {
				out.data[at] = (uint8_t)v;
				(void)!decode(
				    mm_buffer_span(&out), samples[i].shape);
			}
			out.data[at] = former;
		}
	}
}

#define ID "50 000102030405060708090a0b0c0d0e0f"

static void
other_envelopes_are_refused(void **state)
{
	static const struct {
		const char *what, *hex;
		enum mm_error error;
	} rows[] = {
	    {"as it should be", "a3 00 01 01 " ID " 02 a0", MM_OK},
	    {"an array", "83 01 " ID " a0", MM_E_SHAPE},
	    {"no type", "a2 01 " ID " 02 a0", MM_E_SHAPE},
	    {"no id", "a2 00 01 02 a0", MM_E_SHAPE},
	    {"no body", "a2 00 01 01 " ID, MM_E_SHAPE},
	    {"type 256", "a3 00 190100 01 " ID " 02 a0", MM_E_RANGE},
	    {"negative type", "a3 00 20 01 " ID " 02 a0", MM_E_SHAPE},
	    {"text type", "a3 00 6131 01 " ID " 02 a0", MM_E_SHAPE},
	    {"id of 15",
		"a3 00 01 01 4f 0102030405060708090a0b0c0d0e0f "
		"02 a0",
		MM_E_RANGE},
	    {"id of 17",
		"a3 00 01 01 51 0102030405060708090a0b0c0d0e0f"
		"1011 02 a0",
		MM_E_RANGE},
	    {"id as number", "a3 00 01 01 01 02 a0", MM_E_SHAPE},
	    {"another key", "a4 00 01 01 " ID " 02 a0 03 00", MM_E_SHAPE},
	    {"keys descend", "a3 01 " ID " 00 01 02 a0", MM_E_SHAPE},
	    {"null body", "a3 00 01 01 " ID " 02 f6", MM_E_CBOR_FORM},
	    {"key twice in body", "a3 00 01 01 " ID " 02 a200000000",
		MM_E_CBOR_FORM},
	    {"body not to shape", "a3 00 01 01 " ID " 02 a10000", MM_E_SHAPE},
	    {"two items", "a3 00 01 01 " ID " 02 a0 a0", MM_E_TRAILING},
	};
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		enum mm_error error = decode(
		    hex(rows[i].hex, bytes, sizeof(bytes)), &mm_nothing_shape);

		if (error != rows[i].error)
			fail_msg("%s: %s", rows[i].what, mm_error_name(error));
	}
}

static enum mm_error
encode_issue(struct mm_span device, struct mm_span csr)
{
	struct mm_issue_request request = issue_request;
	mm_auto(buffer) out = {0};

	request.device = device;
	request.csr = csr;
	mm_buffer_init(&out, MM_FRAME_MAX);
	return mm_envelope_encode(
	    MM_MESSAGE_ISSUE, id, &mm_issue_request_shape, &request, &out);
}

static void
texts_and_bytes_end_at_their_limits(void **state)
{
	static char device[MM_DEVICE_MAX + 1];
	static uint8_t csr[MM_CSR_MAX + 1];

	(void)state;
	memset(device, 'x', sizeof(device));
	assert_int_equal(
	    encode_issue(mm_span(device, 0), mm_span(csr, 1)), MM_E_RANGE);
	assert_int_equal(
	    encode_issue(mm_span(device, 1), mm_span(csr, 0)), MM_E_RANGE);
	assert_int_equal(encode_issue(mm_span(device, MM_DEVICE_MAX),
			     mm_span(csr, MM_CSR_MAX)),
	    MM_OK);
	assert_int_equal(
	    encode_issue(mm_span(device, MM_DEVICE_MAX + 1), mm_span(csr, 1)),
	    MM_E_RANGE);
	assert_int_equal(
	    encode_issue(mm_span(device, 1), mm_span(csr, MM_CSR_MAX + 1)),
	    MM_E_RANGE);
	assert_int_equal(
	    encode_issue(mm_span("a\0b", 3), mm_span(csr, 1)), MM_E_TEXT);
	assert_int_equal(
	    encode_issue(mm_span_text("a\nb"), mm_span(csr, 1)), MM_E_TEXT);
}

static void
what_is_refused_leaves_nothing_behind(void **state)
{
	struct mm_issue_request request = issue_request;
	mm_auto(buffer) out = {0};

	(void)state;
	mm_buffer_init(&out, MM_FRAME_MAX);
	mm_buffer_add_text(&out, "before");
	request.csr.size = 0;
	assert_int_equal(mm_envelope_encode(MM_MESSAGE_ISSUE, id,
			     &mm_issue_request_shape, &request, &out),
	    MM_E_RANGE);
	assert_int_equal(out.size, 6);
}

static void
decode_error(const struct mm_buffer *bytes, struct mm_arena *arena,
    struct mm_error_answer *out)
{
	struct mm_envelope envelope;

	assert_int_equal(mm_shape_decode(&mm_envelope_shape,
			     mm_buffer_span(bytes), arena, &envelope),
	    MM_OK);
	assert_int_equal(envelope.type, MM_MESSAGE_ERROR);
	assert_memory_equal(envelope.id, id, MM_ID_SIZE);
	assert_int_equal(
	    mm_shape_decode(&mm_error_answer_shape, envelope.body, arena, out),
	    MM_OK);
}

static void
an_error_is_told_with_its_reason(void **state)
{
	struct mm_error_answer answer;
	mm_auto(buffer) out = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_buffer_init(&out, MM_FRAME_MAX);
	mm_arena_init(&arena, 4096);
	mm_fail(MM_E_ORDER_EXHAUSTED, "order %s had %d units", "17", 5);
	assert_int_equal(
	    mm_envelope_error(MM_E_ORDER_EXHAUSTED, id, &out), MM_OK);
	decode_error(&out, &arena, &answer);
	assert_int_equal(answer.code, MM_E_ORDER_EXHAUSTED);
	assert_true(mm_span_is(answer.name, "order-exhausted"));
	assert_true(mm_span_is(answer.text, "order 17 had 5 units"));
	assert_int_equal(answer.retry_after, 0);
	mm_buffer_reset(&out);
	assert_int_equal(mm_envelope_error(MM_E_BUSY, id, &out), MM_OK);
	decode_error(&out, &arena, &answer);
	assert_true(mm_span_is(answer.text, mm_error_text(MM_E_BUSY)));
	assert_int_equal(answer.retry_after, mm_error_wait(MM_E_BUSY));
}

static void
every_error_can_be_told(void **state)
{
	static const enum mm_error errors[] = {
#define ERROR(name, number, word, status, wait, text) MM_E_##name,
	    MM_ERRORS(ERROR)
#undef ERROR
	};
	struct mm_error_answer answer;
	mm_auto(buffer) out = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_buffer_init(&out, MM_FRAME_MAX);
	mm_arena_init(&arena, 65536);
	for (size_t i = 0; i < MM_COUNT(errors); i++) {
		if (errors[i] == MM_OK)
			continue;
		mm_buffer_reset(&out);
		assert_int_equal(mm_envelope_error(errors[i], id, &out), MM_OK);
		decode_error(&out, &arena, &answer);
		assert_int_equal(answer.code, errors[i]);
		mm_arena_clear(&arena);
	}
}

static void
an_errors_text_is_made_printable(void **state)
{
	char odd[1024];
	struct mm_error_answer answer;
	mm_auto(buffer) out = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_buffer_init(&out, MM_FRAME_MAX);
	mm_arena_init(&arena, 4096);
	/* Bytes that are no text, and a euro sign across the cut. */
	memset(odd, 0xff, sizeof(odd));
	memcpy(odd, "\xe2\x80\xae\xc3\xbc", 5);
	memcpy(odd + 510, "\xe2\x82\xac", 3);
	odd[sizeof(odd) - 1] = '\0';
	mm_fail(MM_E_CSR, "%s", odd);
	assert_int_equal(mm_envelope_error(MM_E_CSR, id, &out), MM_OK);
	decode_error(&out, &arena, &answer);
	assert_in_range(answer.text.size, 500, 512);
	assert_memory_equal(answer.text.data, "???\xc3\xbc?", 6);
}

static void
text_is_cleaned_within_its_room(void **state)
{
	static const struct {
		const char *from;
		size_t room;
		const char *to;
	} rows[] = {{"", 1, ""}, {"abc", 1, ""}, {"abc", 3, "ab"},
	    {"abc", 4, "abc"}, {"a\nb\x7f", 8, "a?b?"}, {"\xc3\xbc", 2, ""},
	    {"\xc3\xbc", 3, "\xc3\xbc"}, {"\xe2\x82\xac.", 3, ""},
	    {"\xe2\x82\xac.", 4, "\xe2\x82\xac"}, {"\xe2\x82.", 8, "??."},
	    {"\xf0\x9f\x94\x91", 8, "\xf0\x9f\x94\x91"},
	    {"\xed\xa0\x80", 8, "???"}, {"\xe2\x80\xae", 8, "???"}};
	char out[8];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(rows); i++) {
		size_t size = mm_text_clean(
		    mm_span_text(rows[i].from), out, rows[i].room);

		assert_string_equal(out, rows[i].to);
		assert_int_equal(size, strlen(rows[i].to));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_frame_is_there_when_it_is_whole),
	    cmocka_unit_test(a_wrong_length_is_refused_by_its_header),
	    cmocka_unit_test(frames_are_written_as_they_are_read),
	    cmocka_unit_test(who_may_ask_for_what_is_one_table),
	    cmocka_unit_test(messages_of_every_type_come_back),
	    cmocka_unit_test(every_truncation_of_every_type_is_refused),
	    cmocka_unit_test(no_change_of_a_byte_of_any_type_does_harm),
	    cmocka_unit_test(other_envelopes_are_refused),
	    cmocka_unit_test(texts_and_bytes_end_at_their_limits),
	    cmocka_unit_test(what_is_refused_leaves_nothing_behind),
	    cmocka_unit_test(an_error_is_told_with_its_reason),
	    cmocka_unit_test(every_error_can_be_told),
	    cmocka_unit_test(an_errors_text_is_made_printable),
	    cmocka_unit_test(text_is_cleaned_within_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
