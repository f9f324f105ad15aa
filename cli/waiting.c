#include "cli/waiting.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"
#include "protocol/subject.h"

enum { HASH = 32, PREFIX_MIN = 8, ROWS = 1024, DUMP = JSON_INDENT(2) };

/* --- rows --- */

/* A page, added to `rows`; `*more`: there may be others behind it. */
static enum mm_error
add_page(struct mm_client *client, uint64_t kind, struct mm_arena *arena,
    struct mm_pending_row *rows, size_t *count, struct mm_span *after,
    bool *more)
{
	struct mm_pending_request request = {.after = *after};
	struct mm_pending_answer answer;
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	randombytes_buf(id, sizeof(id));
	error = mm_client_ask(
	    client, MM_MESSAGE_PENDING, &request, id, arena, &answer);
	if (error != MM_OK)
		return error;
	*more = answer.rows.count > 0;
	for (mm_list_each(const struct mm_pending_row, row, answer.rows)) {
		if (after->size == HASH &&
		    memcmp(row->payload, after->data, HASH) <= 0)
			return mm_fail(
			    MM_E_PEER, "the appliance lists what was listed");
		*after = mm_span(row->payload, HASH);
		if (kind != 0 && row->kind != kind)
			continue;
		if (*count == ROWS)
			return mm_fail(
			    MM_E_RANGE, "more than %d statements wait", ROWS);
		rows[(*count)++] = *row;
	}
	return MM_OK;
}

struct listing {
	uint64_t kind;
	struct mm_arena *arena;
	struct mm_pending_row *rows;
	size_t count;
};

static enum mm_error
list_all(struct mm_client *client, void *self)
{
	struct listing *listing = self;
	struct mm_span after = mm_span(NULL, 0);
	bool more = true;
	enum mm_error error = MM_OK;

	listing->count = 0;
	while (error == MM_OK && more)
		error = add_page(client, listing->kind, listing->arena,
		    listing->rows, &listing->count, &after, &more);
	return error;
}

enum mm_error
mm_waiting_list(const struct mm_appliance *appliance, uint64_t kind,
    struct mm_arena *arena, struct mm_list *out)
{
	struct listing listing = {.kind = kind,
	    .arena = arena,
	    .rows = mm_arena_alloc(arena, ROWS * sizeof(*listing.rows))};
	enum mm_error error;

	if (listing.rows == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a list");
	error = mm_appliance_try(appliance, list_all, &listing);
	if (error == MM_OK)
		*out = (struct mm_list){listing.rows, listing.count};
	return error;
}

json_t *
mm_waiting_json(const struct mm_pending_row *row)
{
	json_t *officers = json_array();

	for (mm_list_each(const struct mm_text_item, name, row->officers))
		json_array_append_new(officers, mm_json_text(name->value));
	return json_pack("{s:o, s:s, s:o, s:I, s:o, s:o, s:o, s:I}", "payload",
	    mm_json_hex(mm_span(row->payload, HASH)), "kind",
	    mm_statement_kind_name(row->kind), "subject",
	    mm_json_text(row->subject), "index", (json_int_t)row->index, "time",
	    mm_json_time(row->time), "expires", mm_json_time(row->expiry),
	    "officers", officers, "missing", (json_int_t)row->missing);
}

/* --- one of them --- */

/* Whether `name` means this one. All the digits of a payload mean nothing else:
 * an order can have any name, another payload's digits too. */
static bool
is_meant(const struct mm_pending_row *row, const char *name)
{
	char hex[2 * HASH + 1];
	size_t size = strlen(name);

	sodium_bin2hex(hex, sizeof(hex), row->payload, HASH);
	if (size == 2 * HASH && strspn(name, "0123456789abcdef") == size)
		return strcmp(hex, name) == 0;
	return mm_span_is(row->subject, name) ||
	       (size >= PREFIX_MIN && size < 2 * HASH &&
		   strncmp(hex, name, size) == 0);
}

static enum mm_error
choose(const struct mm_list *rows, const char *name,
    const struct mm_pending_row **out)
{
	*out = NULL;
	for (mm_list_each(const struct mm_pending_row, row, *rows)) {
		if (!is_meant(row, name))
			continue;
		if (*out != NULL)
			return mm_fail(MM_E_USAGE,
			    "several that wait are called \"%s\": say 8 or "
			    "more digits of the payload, as `mintmark pending "
			    "list` has it",
			    name);
		*out = row;
	}
	return *out != NULL
		   ? MM_OK
		   : mm_fail(MM_E_NOT_FOUND,
			 "nothing of the kind waits as \"%s\": see `mintmark "
			 "pending list`",
			 name);
}

/* What it is about, in the words of its payload and not of the row. */
static enum mm_error
take_subject(struct mm_arena *arena, struct mm_waiting_one *one)
{
	char subject[MM_SUBJECT_TEXT];
	enum mm_error error = mm_claim_subject(&one->claim, subject);

	if (error != MM_OK)
		return error;
	one->row.subject = mm_arena_copy(arena, mm_span_text(subject));
	return one->row.subject.data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a subject");
}

/* The statement that the entry holds is the one that the row speaks of. */
static enum mm_error
take_payload(const struct mm_appliance *appliance, struct mm_arena *arena,
    struct mm_waiting_one *one)
{
	struct mm_statement statement;
	uint8_t digest[HASH];
	enum mm_error error = mm_statement_decode(
	    mm_list_at(one->entry.statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error != MM_OK)
		return error;
	one->payload = statement.payload;
	crypto_hash_sha256(digest, one->payload.data, one->payload.size);
	error =
	    mm_shape_decode(&mm_claim_shape, one->payload, arena, &one->claim);
	if (error != MM_OK)
		return error;
	if (memcmp(digest, one->row.payload, HASH) != 0 ||
	    one->claim.kind != one->row.kind ||
	    one->claim.expiry != one->row.expiry)
		return mm_fail(MM_E_MISMATCH,
		    "entry %ju is about another statement than the appliance "
		    "says",
		    (uintmax_t)one->row.index);
	if (!mm_span_is(one->claim.origin, appliance->vkey.name))
		return mm_fail(MM_E_STATEMENT_LOG,
		    "the statement is for the log %.*s, not %s",
		    MM_SPAN(one->claim.origin), appliance->vkey.name);
	return take_subject(arena, one);
}

static enum mm_error
read_entry(const struct mm_appliance *appliance, struct mm_arena *arena,
    struct mm_waiting_one *one)
{
	struct mm_prove_request request = {.index = one->row.index};
	struct mm_prove_answer answer;
	struct mm_checkpoint checkpoint;
	struct mm_entry frame;
	enum mm_error error = mm_appliance_ask(
	    appliance, MM_MESSAGE_PROVE, &request, arena, &answer);

	if (error == MM_OK)
		error = mm_receipt_decode(answer.receipt, arena, &one->receipt);
	if (error == MM_OK)
		error = mm_receipt_verify(&one->receipt, &appliance->vkey,
		    mm_span(NULL, 0), &checkpoint);
	if (error == MM_OK && one->receipt.index != one->row.index)
		error =
		    mm_fail(MM_E_MISMATCH, "the receipt is of another entry");
	if (error == MM_OK)
		error = mm_entry_decode_as(one->receipt.entry, MM_ENTRY_PENDING,
		    arena, &frame, &one->entry);
	return error == MM_OK ? take_payload(appliance, arena, one) : error;
}

enum mm_error
mm_waiting_read(const struct mm_appliance *appliance,
    const struct mm_pending_row *row, struct mm_arena *arena,
    struct mm_waiting_one *out)
{
	*out = (struct mm_waiting_one){.row = *row};
	return read_entry(appliance, arena, out);
}

enum mm_error
mm_waiting_find(const struct mm_appliance *appliance, uint64_t kind,
    const char *name, struct mm_arena *arena, struct mm_waiting_one *out)
{
	const struct mm_pending_row *row;
	struct mm_list rows;
	enum mm_error error = mm_waiting_list(appliance, kind, arena, &rows);

	if (error == MM_OK)
		error = choose(&rows, name, &row);
	if (error == MM_OK)
		error = mm_waiting_read(appliance, row, arena, out);
	if (error == MM_OK && !is_meant(&out->row, name))
		error = mm_fail(MM_E_MISMATCH,
		    "what the appliance calls \"%s\" is about \"%.*s\": do not "
		    "sign it before you know why",
		    name, MM_SPAN(out->row.subject));
	return error;
}

enum mm_error
mm_waiting_tell(const struct mm_waiting_one *one)
{
	const struct mm_shape *shape = mm_claim_body_shape(one->claim.kind);
	mm_auto(arena) arena = {0};
	enum mm_error error = MM_E_MEMORY;
	json_t *body = NULL, *row = mm_waiting_json(&one->row);
	void *decoded;

	mm_arena_init(&arena, 1 << 20);
	decoded = mm_arena_alloc(&arena, shape->size);
	if (decoded != NULL)
		error =
		    mm_shape_decode(shape, one->claim.body, &arena, decoded);
	if (error == MM_OK)
		body = mm_json_shape(shape, decoded);
	if (error == MM_OK && body == NULL)
		error = mm_fail(MM_E_MEMORY, "no memory for a statement");
	json_object_set_new(row, "says", body);
	if (error == MM_OK) {
		json_dumpf(row, stderr, DUMP);
		fputc('\n', stderr);
	}
	json_decref(row);
	return error;
}
