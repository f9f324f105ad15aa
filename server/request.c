#include "server/request.h"

#include <string.h>

#include "ca/csr.h"
#include "server/ask.h"

/* What the authority gets in a body's place; `ask` is appended to. */
typedef enum mm_error
translation(const void *body, struct mm_arena *arena, struct mm_buffer *ask);

/*
 * Reads a CSR, of which only the key goes on. One that is not good goes on
 * as a refusal, which the authority logs where it knows who asks.
 */
static enum mm_error
read_csr(struct mm_span bytes, struct mm_arena *arena, struct mm_span *spki,
    uint64_t *refused, struct mm_span *why)
{
	struct mm_csr csr;
	enum mm_error error = mm_csr_read(bytes, arena, &csr);

	if (mm_ask_refuses(error)) {
		*refused = error;
		*why = mm_span_text(mm_why(error));
		/* What is cut or quoted from a CSR may be no text. */
		if (!mm_text_ok(*why))
			*why = mm_span_text(mm_error_text(error));
		return MM_OK;
	}
	if (error == MM_OK)
		*spki = csr.spki;
	return error;
}

static enum mm_error
translate_issue(const void *body, struct mm_arena *arena, struct mm_buffer *ask)
{
	const struct mm_issue_request *request = body;
	struct mm_issue_ask issue = {.order = request->order,
	    .profile = request->profile,
	    .device = request->device,
	    .reissue = request->reissue};
	enum mm_error error = read_csr(
	    request->csr, arena, &issue.spki, &issue.refused, &issue.why);

	return error == MM_OK
		   ? mm_shape_encode(&mm_issue_ask_shape, &issue, ask)
		   : error;
}

static enum mm_error
translate_statement(
    const void *body, struct mm_arena *arena, struct mm_buffer *ask)
{
	const struct mm_statement_request *request = body;
	struct mm_statement_ask statement = {.statements = request->statements,
	    .policy = request->policy,
	    .text = request->text,
	    .certificates = request->certificates};
	enum mm_error error = MM_OK;

	if (request->csr.size > 0)
		error = read_csr(request->csr, arena, &statement.spki,
		    &statement.refused, &statement.why);
	return error == MM_OK
		   ? mm_shape_encode(&mm_statement_ask_shape, &statement, ask)
		   : error;
}

static enum mm_error
translate_renew(const void *body, struct mm_arena *arena, struct mm_buffer *ask)
{
	const struct mm_renew_request *request = body;
	struct mm_renew_ask renew = {.refused = 0};
	enum mm_error error = read_csr(
	    request->csr, arena, &renew.spki, &renew.refused, &renew.why);

	return error == MM_OK
		   ? mm_shape_encode(&mm_renew_ask_shape, &renew, ask)
		   : error;
}

/* The bytes go beside it. */
static enum mm_error
translate_partition(
    const void *body, struct mm_arena *arena, struct mm_buffer *ask)
{
	const struct mm_partition_request *request = body;
	const struct mm_partition_ask partition = {
	    request->order, request->device, request->scheme};

	(void)arena;
	return mm_shape_encode(&mm_partition_ask_shape, &partition, ask);
}

/* All others go as they are. */
static const struct {
	uint64_t type;
	translation *translate;
} translations[] = {
    {MM_MESSAGE_ISSUE, translate_issue},
    {MM_MESSAGE_STATEMENT, translate_statement},
    {MM_MESSAGE_RENEW, translate_renew},
    {MM_MESSAGE_PARTITION, translate_partition},
};

static enum mm_error
make_ask(uint64_t type, struct mm_span body, const void *decoded,
    struct mm_arena *arena, struct mm_span *out)
{
	translation *translate = NULL;
	mm_auto(buffer) ask = {0};
	enum mm_error error;

	for (size_t i = 0; i < MM_COUNT(translations); i++)
		if (translations[i].type == type)
			translate = translations[i].translate;
	if (translate == NULL) {
		*out = body;
		return MM_OK;
	}
	mm_buffer_init(&ask, MM_FRAME_MAX);
	error = translate(decoded, arena, &ask);
	if (error != MM_OK)
		return error;
	*out = mm_arena_copy(arena, mm_buffer_span(&ask));
	return out->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a request");
}

enum mm_error
mm_request_read(
    struct mm_span item, struct mm_arena *arena, struct mm_request *out)
{
	/* Answers to what could not be read have this one. */
	static const uint8_t no_id[MM_ID_SIZE];
	const struct mm_message_type_row *row;
	struct mm_envelope envelope;
	struct mm_span ask;
	void *body;
	enum mm_error error;

	*out = (struct mm_request){.type = MM_MESSAGE_ERROR};
	error = mm_shape_decode(&mm_envelope_shape, item, arena, &envelope);
	if (error != MM_OK)
		return error;
	memcpy(out->id, envelope.id, MM_ID_SIZE);
	if (memcmp(envelope.id, no_id, MM_ID_SIZE) == 0)
		return mm_fail(MM_E_RANGE,
		    "the request's id is all zeros: choose 16 random bytes");
	row = mm_message_row(envelope.type);
	if (row == NULL)
		return mm_fail(MM_E_UNKNOWN, "there is no message of type %llu",
		    (unsigned long long)envelope.type);
	body = mm_arena_alloc(arena, row->request->size);
	if (body == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a request");
	error = mm_shape_decode(row->request, envelope.body, arena, body);
	if (error == MM_OK)
		error =
		    make_ask(envelope.type, envelope.body, body, arena, &ask);
	if (error != MM_OK)
		return error;
	out->type = envelope.type;
	out->body = body;
	out->ask = ask;
	return MM_OK;
}
