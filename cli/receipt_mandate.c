#include "cli/mandate_parts.h"

#include <string.h>

#include "ca/certificate.h"
#include "cli/bundle.h"
#include "cli/json_value.h"
#include "hsm/judge.h"
#include "policy/order.h"

enum { MANDATE_ARENA = 8 << 20 };

/* What failed is not the appliance that refuses but the log that is wrong. */
static enum mm_error
told(enum mm_error error, uint64_t index)
{
	if (error == MM_OK || error == MM_E_MEMORY || error == MM_E_LOG_WRONG)
		return error;
	if (error == MM_E_TOKEN_REFUSED)
		return mm_mandate_wrong(
		    "entry %ju: %s", (uintmax_t)index, mm_why(error));
	return mm_mandate_wrong("entry %ju: %s: %s", (uintmax_t)index,
	    mm_error_name(error), mm_why(error));
}

/* ---- genesis and policies */

static enum mm_error
follow(struct mm_mandate *out, const struct mm_bundled *item)
{
	struct mm_list proof = mm_proof_to_list(&item->receipt.proof);
	const struct mm_token_follow_request request = {
	    .note = item->receipt.note,
	    .entry = {item->receipt.index, item->receipt.entry, proof}};

	return told(
	    mm_following_check(&out->following, &request), item->receipt.index);
}

static enum mm_error
check_birth(const struct mm_mandate *out, const struct mm_vkey *vkey)
{
	const struct mm_vkey *born = &out->following.birth.vkey;

	if (strcmp(born->name, vkey->name) != 0 ||
	    memcmp(born->public_key, vkey->public_key,
		sizeof(vkey->public_key)) != 0)
		return mm_mandate_wrong("the genesis names another log key");
	return MM_OK;
}

/* The policy in force at an index, which its entry must name. */
enum mm_error
mm_mandate_force(const struct mm_mandate *out, uint64_t index,
    const struct mm_entry *frame, const struct mm_force **force)
{
	*force = mm_force_at(&out->following, index);
	if (memcmp((*force)->digest, frame->policy, sizeof(frame->policy)) != 0)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju does not name policy %ju, which is the last "
		    "one before it in the bundle; one is missing or too many",
		    (uintmax_t)index, (uintmax_t)(*force)->policy.number);
	return MM_OK;
}

/* ---- the pieces of the bundle, each in its place */

static enum mm_error
misplaced(const struct mm_mandate_matter *matter, const struct mm_bundled *item)
{
	return mm_fail(MM_E_RECEIPT,
	    "entry %ju of the bundle, of kind %s, is nothing that entry %ju "
	    "rests on",
	    (uintmax_t)item->receipt.index,
	    mm_entry_kind_name(item->frame.kind),
	    (uintmax_t)matter->subject->receipt.index);
}

static enum mm_error
take_other(struct mm_mandate_matter *matter, const struct mm_bundled *item)
{
	if (matter->other_count == MM_MANDATE_OTHERS)
		return misplaced(matter, item);
	matter->others[matter->other_count++] =
	    (struct mm_mandate_other){item, false};
	return MM_OK;
}

/* What nothing rested on has no place in the bundle. */
static enum mm_error
check_used(const struct mm_mandate_matter *matter)
{
	for (size_t i = 0; i < matter->other_count; i++)
		if (!matter->others[i].used)
			return misplaced(matter, matter->others[i].item);
	return MM_OK;
}

/* All must be of one tree, which only one and the same root shows. */
static enum mm_error
check_history(const struct mm_attested *subject, const struct mm_bundled *item)
{
	if (item->receipt.index > subject->receipt.index)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju of the bundle comes after entry %ju, which "
		    "cannot rest on it",
		    (uintmax_t)item->receipt.index,
		    (uintmax_t)subject->receipt.index);
	if (item->receipt.index == subject->receipt.index &&
	    !mm_span_equal(item->receipt.entry, subject->receipt.entry))
		return mm_fail(MM_E_FORK,
		    "bundle and receipt have two entries %ju",
		    (uintmax_t)item->receipt.index);
	if (item->checkpoint.size != subject->checkpoint.size)
		return mm_fail(MM_E_RECEIPT,
		    "entry %ju of the bundle is proven against a checkpoint of "
		    "%ju entries, the receipt against one of %ju, so that they "
		    "may be of two histories; fetch the bundle of this receipt",
		    (uintmax_t)item->receipt.index,
		    (uintmax_t)item->checkpoint.size,
		    (uintmax_t)subject->checkpoint.size);
	if (!mm_hash_equal(&item->checkpoint.root, &subject->checkpoint.root))
		return mm_fail(MM_E_FORK,
		    "bundle and receipt have two roots of the size %ju",
		    (uintmax_t)item->checkpoint.size);
	return MM_OK;
}

static enum mm_error
take(struct mm_mandate_matter *matter, const struct mm_vkey *vkey)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_bundled, item, *matter->bundle)) {
		bool first = !matter->out->following.born;

		if (first && item->receipt.index != 0)
			return mm_fail(MM_E_RECEIPT,
			    "the bundle lacks the genesis, entry 0");
		error = check_history(matter->subject, item);
		if (error == MM_OK && mm_following_wants(item->frame.kind))
			error = follow(matter->out, item);
		else if (error == MM_OK)
			error = take_other(matter, item);
		if (error == MM_OK && first)
			error = check_birth(matter->out, vkey);
		if (error != MM_OK)
			return error;
	}
	return MM_OK;
}

/* ---- the statement */

static const struct mm_officer *
signer_of(const struct mm_policy *policy, struct mm_span bytes)
{
	struct mm_statement statement;

	if (mm_statement_decode(bytes, &statement) != MM_OK)
		return NULL;
	for (mm_list_each(const struct mm_officer, officer, policy->officers))
		if (mm_statement_verify(&statement, officer->key) == MM_OK)
			return officer;
	return NULL;
}

/* Who signed, and how many had to: of statements that were checked. */
enum mm_error
mm_mandate_signers(struct mm_mandate *out, const struct mm_policy *policy,
    const struct mm_list *statements)
{
	struct mm_text_item *names =
	    mm_arena_alloc(&out->arena, statements->count * sizeof(*names));

	if (names == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for officers' names");
	for (size_t i = 0; i < statements->count; i++) {
		const struct mm_officer *officer = signer_of(policy,
		    mm_list_at(*statements, struct mm_bytes_item, i)->value);

		if (officer == NULL)
			return mm_fail(MM_E_BUG, "a signer has no name");
		names[i].value = officer->name;
	}
	out->signers = (struct mm_list){names, statements->count};
	for (mm_list_each(
		 const struct mm_threshold, threshold, policy->thresholds))
		if (threshold->kind == out->kind)
			out->threshold = threshold->officers;
	return MM_OK;
}

enum mm_error
mm_mandate_hear(struct mm_mandate *out, const struct mm_mandate_word *word)
{
	const struct mm_roster_question question = {
	    .policy = &word->force->policy,
	    .origin = out->following.birth.genesis.origin,
	    .kind = word->kind,
	    .time = word->time};
	enum mm_error error = mm_roster_check(
	    &question, word->statements, &out->arena, &out->claim, &out->body);

	if (error != MM_OK)
		return told(error, word->index);
	out->kind = word->kind;
	out->basis = word->index;
	return mm_mandate_signers(out, question.policy, word->statements);
}

static const struct mm_bundled *
find_other(struct mm_mandate_matter *matter, uint64_t index)
{
	for (size_t i = 0; i < matter->other_count; i++)
		if (matter->others[i].item->receipt.index == index) {
			matter->others[i].used = true;
			return matter->others[i].item;
		}
	return NULL;
}

/* By the officers of the policy in force at the basis' own entry: that some
 * of them have gone since changes nothing. */
enum mm_error
mm_mandate_hear_basis(struct mm_mandate_matter *matter, uint64_t index,
    enum mm_entry_kind kind, uint64_t statement)
{
	struct mm_mandate *out = matter->out;
	const struct mm_bundled *basis = find_other(matter, index);
	struct mm_statement_entry entry;
	struct mm_entry frame;
	struct mm_mandate_word word = {.kind = statement, .index = index};
	enum mm_error error;

	if (basis == NULL)
		return mm_fail(MM_E_RECEIPT,
		    "the bundle lacks entry %ju, on which entry %ju rests",
		    (uintmax_t)index,
		    (uintmax_t)matter->subject->receipt.index);
	error = mm_entry_decode_as(
	    basis->receipt.entry, kind, &out->arena, &frame, &entry);
	if (error != MM_OK)
		return told(error, basis->receipt.index);
	word.time = frame.time;
	word.statements = &entry.statements;
	error = mm_mandate_force(out, index, &frame, &word.force);
	return error == MM_OK ? mm_mandate_hear(out, &word) : error;
}

const struct mm_bundled *
mm_mandate_bundled(const struct mm_mandate_matter *matter, uint64_t index)
{
	for (mm_list_each(const struct mm_bundled, item, *matter->bundle))
		if (item->receipt.index == index)
			return item;
	return NULL;
}

/* The genesis' own, or one that was followed: it is in the bundle. */
enum mm_error
mm_mandate_hear_ceremony(struct mm_mandate_matter *matter, uint64_t index)
{
	struct mm_mandate *out = matter->out;
	const struct mm_bundled *item = mm_mandate_bundled(matter, index);
	struct mm_mandate_word word = {.kind = MM_STATEMENT_CEREMONY,
	    .index = index,
	    .force = mm_force_at(&out->following, index),
	    .statements = &out->following.birth.genesis.statements};
	struct mm_statement_entry entry;
	struct mm_entry frame;
	enum mm_error error = MM_OK;

	if (item == NULL ||
	    mm_followed_ceremony(&out->following, index) == NULL)
		return mm_fail(MM_E_RECEIPT,
		    "the bundle lacks the ceremony, entry %ju",
		    (uintmax_t)index);
	word.time = item->frame.time;
	if (index != 0) {
		error = mm_entry_decode_as(item->receipt.entry,
		    MM_ENTRY_CEREMONY, &out->arena, &frame, &entry);
		word.statements = &entry.statements;
	}
	return error == MM_OK ? mm_mandate_hear(out, &word) : error;
}

/* A policy by the roster of the one before it; the first by the ceremony. */
enum mm_error
mm_mandate_hear_policy(struct mm_mandate_matter *matter)
{
	const struct mm_force *force = matter->force;
	struct mm_mandate *out = matter->out;
	struct mm_policy_entry entry;
	struct mm_entry frame;
	struct mm_mandate_word word = {.kind = MM_STATEMENT_POLICY,
	    .index = force->index,
	    .statements = &entry.statements};
	enum mm_error error;

	if (force->index == 0)
		return mm_mandate_hear_ceremony(matter, 0);
	word.force = mm_force_at(&out->following, force->index - 1);
	error = mm_entry_decode_as(
	    mm_mandate_bundled(matter, force->index)->receipt.entry,
	    MM_ENTRY_POLICY, &out->arena, &frame, &entry);
	word.time = frame.time;
	return error == MM_OK ? mm_mandate_hear(out, &word) : error;
}

enum mm_error
mm_mandate_check(const struct mm_attested *subject, const struct mm_vkey *vkey,
    const struct mm_list *bundle, struct mm_mandate *out)
{
	struct mm_mandate_matter matter = {
	    .subject = subject, .bundle = bundle, .out = out};
	enum mm_error error;

	*out = (struct mm_mandate){.kind = 0};
	mm_arena_init(&out->arena, MANDATE_ARENA);
	mm_following_init(&out->following, NULL);
	if (bundle->count == 0)
		return mm_fail(MM_E_RECEIPT, "the bundle is empty");
	error = take(&matter, vkey);
	if (error == MM_OK)
		error = mm_mandate_force(out, subject->receipt.index,
		    &subject->entry, &matter.force);
	if (error == MM_OK)
		error = mm_mandate_carry(&matter);
	if (error == MM_OK)
		error = check_used(&matter);
	/* Its own words for what is malformed or missing here. */
	return error == MM_E_RECEIPT || error == MM_E_FORK
		   ? error
		   : told(error, subject->receipt.index);
}

void
mm_mandate_clear(struct mm_mandate *mandate)
{
	mm_following_clear(&mandate->following);
	mm_arena_clear(&mandate->arena);
	*mandate = (struct mm_mandate){.kind = 0};
}

void
mm_mandate_json(const struct mm_mandate *mandate, json_t *out)
{
	const struct mm_force *last = mm_force_last(&mandate->following);
	json_t *officers = json_array();

	json_object_set_new(out, "policy", mm_json_number(last->policy.number));
	if (mandate->kind == 0) {
		json_decref(officers);
		return;
	}
	for (mm_list_each(const struct mm_text_item, name, mandate->signers))
		json_array_append_new(officers, mm_json_text(name->value));
	json_object_set_new(out, "statement",
	    json_string(mm_statement_kind_name(mandate->kind)));
	json_object_set_new(
	    out, "statement_index", mm_json_number(mandate->basis));
	json_object_set_new(out, "officers", officers);
	json_object_set_new(
	    out, "threshold", mm_json_number(mandate->threshold));
	if (mandate->missing > 0)
		json_object_set_new(
		    out, "missing", mm_json_number(mandate->missing));
	json_object_set_new(out, "stated", mm_json_time(mandate->claim.time));
	if (mandate->kind != MM_STATEMENT_ORDER)
		return;
	json_object_set_new(
	    out, "order", mm_json_text(mandate->body.order.name));
	json_object_set_new(
	    out, "units", mm_json_number(mandate->body.order.units));
	json_object_set_new(
	    out, "until", mm_json_time(mandate->body.order.until));
}
