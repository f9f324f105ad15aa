#include "cli/logged_claim.h"

#include "cli/stating.h"

static enum mm_error
read_body(const struct mm_list *statements, uint64_t kind,
    struct mm_arena *arena, void *body)
{
	struct mm_statement statement;
	struct mm_claim claim;
	enum mm_error error = mm_statement_decode(
	    mm_list_at(*statements, struct mm_bytes_item, 0)->value,
	    &statement);

	if (error == MM_OK)
		error = mm_shape_decode(
		    &mm_claim_shape, statement.payload, arena, &claim);
	if (error == MM_OK && claim.kind != kind)
		error = mm_fail(MM_E_MISMATCH,
		    "the entry's statement is of kind %s, not %s",
		    mm_statement_kind_name(claim.kind),
		    mm_statement_kind_name(kind));
	return error == MM_OK ? mm_shape_decode(mm_claim_body_shape(kind),
				    claim.body, arena, body)
			      : error;
}

enum mm_error
mm_logged_entry(const struct mm_appliance *appliance, uint64_t index,
    enum mm_entry_kind kind, struct mm_arena *arena, struct mm_attested *out)
{
	const struct mm_prove_request request = {.index = index};
	struct mm_prove_answer answer;
	enum mm_error error = mm_appliance_ask(
	    appliance, MM_MESSAGE_PROVE, &request, arena, &answer);

	if (error == MM_OK)
		error = mm_attested_read(
		    answer.receipt, &appliance->vkey, arena, out);
	if (error == MM_OK && out->receipt.index != index)
		error =
		    mm_fail(MM_E_MISMATCH, "the receipt is of another entry");
	return error == MM_OK ? mm_attested_is(out, kind) : error;
}

enum mm_error
mm_logged_claim(const struct mm_appliance *appliance, uint64_t index,
    uint64_t kind, struct mm_arena *arena, void *body)
{
	struct mm_attested attested;
	enum mm_error error = mm_logged_entry(appliance, index,
	    (enum mm_entry_kind)mm_stated_entry_kind(kind), arena, &attested);

	return error == MM_OK ? read_body(&attested.body.statement.statements,
				    kind, arena, body)
			      : error;
}
