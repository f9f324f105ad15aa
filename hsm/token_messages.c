#include "hsm/token.h"
#include "log/entry.h"
#include "protocol/message.h"
#include "protocol/statement.h"

enum { KEYS_MAX = 16, SIGNATURE_MAX = 1024, WHY_MAX = 512 };

static const struct mm_field generate_request_fields[] = {
    MM_MANY(mm_token_generate_request, 0, keys, &mm_ceremony_key_shape, 1,
	KEYS_MAX),
    MM_OPTIONAL(mm_token_generate_request, 1, ceremony, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(mm_token_generate_request_shape, mm_token_generate_request,
    generate_request_fields);

static const struct mm_field generate_answer_fields[] = {MM_MANY(
    mm_token_generate_answer, 0, keys, &mm_genesis_key_shape, 1, KEYS_MAX)};
MM_SHAPE(mm_token_generate_answer_shape, mm_token_generate_answer,
    generate_answer_fields);

static const struct mm_field proven_fields[] = {
    MM_FIELD(mm_proven, 0, index, MM_UINT, 0, INT64_MAX),
    MM_FIELD(mm_proven, 1, entry, MM_BYTES, 1, MM_ENTRY_MAX),
    MM_ANY(mm_proven, 2, proof, &mm_hash_item_shape, MM_PROOF_MAX)};
MM_SHAPE(mm_proven_shape, mm_proven, proven_fields);

static const struct mm_field follow_request_fields[] = {
    MM_FIELD(mm_token_follow_request, 0, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_NESTED(mm_token_follow_request, 1, entry, &mm_proven_shape)};
MM_SHAPE(mm_token_follow_request_shape, mm_token_follow_request,
    follow_request_fields);

static const struct mm_field follow_answer_fields[] = {
    MM_FIELD(mm_token_follow_answer, 0, policy, MM_UINT, 1, INT64_MAX)};
MM_SHAPE(
    mm_token_follow_answer_shape, mm_token_follow_answer, follow_answer_fields);

static const struct mm_field sign_request_fields[] = {
    MM_FIELD(mm_token_sign_request, 0, note, MM_BYTES, 1, MM_NOTE_MAX),
    MM_ANY(mm_token_sign_request, 1, references, &mm_proven_shape,
	MM_BATCH_REFERENCES),
    MM_MANY(mm_token_sign_request, 2, items, &mm_proven_shape, 1,
	MM_BATCH_ENTRIES)};
MM_SHAPE(
    mm_token_sign_request_shape, mm_token_sign_request, sign_request_fields);

static const struct mm_field result_fields[] = {
    MM_FIELD(mm_token_result, 0, index, MM_UINT, 0, INT64_MAX),
    MM_OPTIONAL(mm_token_result, 1, error, MM_UINT, 1, UINT16_MAX),
    MM_OPTIONAL(mm_token_result, 2, signature, MM_BYTES, 1, SIGNATURE_MAX),
    MM_OPTIONAL(mm_token_result, 3, why, MM_TEXT, 1, WHY_MAX)};
static MM_SHAPE(result_shape, mm_token_result, result_fields);

static const struct mm_field sign_answer_fields[] = {MM_MANY(
    mm_token_sign_answer, 0, results, &result_shape, 1, MM_BATCH_ENTRIES)};
MM_SHAPE(mm_token_sign_answer_shape, mm_token_sign_answer, sign_answer_fields);
