/*
 * mintmark.cddl and the tables of the program say the same: every rule is
 * written out from its shape and looked for in the text, every example of the
 * text is read and written again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log/entry.h"
#include "log/inheritance.h"
#include "policy/document.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "protocol/statement.h"
#include "tests/unit/hex.h"

static struct mm_buffer document;

static int
read_document(void **state)
{
	(void)state;
	mm_buffer_init(&document, 1 << 20);
	if (sodium_init() < 0 ||
	    mm_file_read("protocol/mintmark.cddl", 1 << 19, &document) != MM_OK)
		return -1;
	mm_buffer_add(&document, "", 1);
	return document.error == MM_OK ? 0 : -1;
}

static int
drop_document(void **state)
{
	(void)state;
	mm_buffer_clear(&document);
	return 0;
}

static const char *
text(void)
{
	return (const char *)document.data;
}

/* ----- rules ----- */

/* mm_issue_request is issue-request. */
static void
rule_name(const char *shape, char *out, size_t size)
{
	snprintf(
	    out, size, "%s", strncmp(shape, "mm_", 3) == 0 ? shape + 3 : shape);
	for (char *c = out; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
}

/* The form of zero that an optional member is refused in is left out. */
static uint64_t
least(const struct mm_field *field)
{
	return field->optional && field->min == 0 ? 1 : field->min;
}

static void
uint_type(const struct mm_field *field, char *out, size_t size)
{
	uint64_t min = least(field);

	if (field->max == INT64_MAX && min <= 1)
		snprintf(out, size, "%s", min == 0 ? "number" : "positive");
	else
		snprintf(out, size, "%llu..%llu", (unsigned long long)min,
		    (unsigned long long)field->max);
}

static void
sized_type(
    const struct mm_field *field, const char *type, char *out, size_t size)
{
	unsigned long long min =
	    field->type == MM_FIXED ? field->size : least(field);
	unsigned long long max =
	    field->type == MM_FIXED ? field->size : field->max;

	if (min == max)
		snprintf(out, size, "%s .size %llu", type, min);
	else
		snprintf(out, size, "%s .size (%llu..%llu)", type, min, max);
}

static void
list_type(const struct mm_field *field, char *out, size_t size)
{
	char item[64];

	rule_name(field->of->name, item, sizeof(item));
	snprintf(out, size, "[%llu*%llu %s]", (unsigned long long)least(field),
	    (unsigned long long)field->max, item);
}

static void
type_of(const struct mm_field *field, char *out, size_t size)
{
	switch ((enum mm_field_type)field->type) {
	case MM_UINT:
		uint_type(field, out, size);
		break;
	case MM_BOOL:
		snprintf(out, size, "%s", field->optional ? "true" : "bool");
		break;
	case MM_BYTES:
	case MM_FIXED:
		sized_type(field, "bytes", out, size);
		break;
	case MM_TEXT:
		sized_type(field, "text", out, size);
		break;
	case MM_STRUCT:
		rule_name(field->of->name, out, size);
		break;
	case MM_ITEM:
		snprintf(out, size, "any");
		break;
	case MM_LIST:
		list_type(field, out, size);
		break;
	}
}

/* The next line of a rule that is more than a comment. */
static const char *
next_line(const char *at)
{
	do {
		at = strchr(at, '\n');
		assert_non_null(at);
		at++;
	} while (at[strspn(at, "\t ")] == ';');
	return at;
}

/* `wanted`, then the end of the line or a remark after a colon. */
static bool
line_is(const char *line, const char *wanted)
{
	size_t size = strlen(wanted);

	return strncmp(line, wanted, size) == 0 &&
	       (line[size] == '\n' || line[size] == ':');
}

static const char *
find_rule(const char *start)
{
	const char *found = strstr(text(), start);

	if (found == NULL)
		fail_msg("there is no rule%s", start);
	return found + 1;
}

static void
check_map(const struct mm_shape *shape, const char *name)
{
	char start[80], wanted[256], type[128];
	const char *line;

	snprintf(start, sizeof(start), "\n%s = {%s", name,
	    shape->count == 0 ? "}\n" : "\n");
	line = find_rule(start);
	for (size_t i = 0; i < shape->count; i++) {
		const struct mm_field *field = &shape->fields[i];

		type_of(field, type, sizeof(type));
		snprintf(wanted, sizeof(wanted), "\t%s%u => %s ; %s",
		    field->optional ? "? " : "", field->key, type, field->name);
		line = next_line(line);
		if (!line_is(line, wanted))
			fail_msg("rule %s has no line%s", name, wanted);
	}
	if (shape->count > 0 && !line_is(next_line(line), "}"))
		fail_msg("rule %s has too many lines", name);
}

static void
check_rule(const struct mm_shape *shape)
{
	char name[64], type[128], wanted[256];

	rule_name(shape->name, name, sizeof(name));
	if (shape->bare) {
		type_of(&shape->fields[0], type, sizeof(type));
		snprintf(wanted, sizeof(wanted), "\n%s = %s\n", name, type);
		find_rule(wanted);
		return;
	}
	check_map(shape, name);
	for (size_t i = 0; i < shape->count; i++)
		if (shape->fields[i].of != NULL)
			check_rule(shape->fields[i].of);
}

static void
rules_are_the_shapes(void **state)
{
	static const struct mm_shape *const shapes[] = {&mm_envelope_shape,
	    &mm_error_answer_shape, &mm_claim_shape, &mm_entry_shape,
	    &mm_policy_shape, &mm_inherited_shape};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(shapes); i++)
		check_rule(shapes[i]);
	for (uint64_t type = 1; type < MM_MESSAGE_TYPES; type++) {
		check_rule(mm_message_row(type)->request);
		check_rule(mm_message_row(type)->answer);
	}
	for (uint64_t kind = 0; kind < MM_STATEMENT_KINDS; kind++)
		if (mm_claim_body_shape(kind) != NULL)
			check_rule(mm_claim_body_shape(kind));
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++)
		check_rule(mm_entry_body_shape(kind));
}

static void
assert_has(const char *wanted)
{
	if (strstr(text(), wanted) == NULL)
		fail_msg("mintmark.cddl lacks: %s", wanted);
}

static void
role_names(unsigned roles, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned role = 0; role < MM_ROLES; role++)
		if ((roles & 1U << role) != 0)
			used += (size_t)snprintf(out + used, size - used,
			    "%s%s", used > 0 ? ", " : "", mm_role_name(role));
}

static void
messages_are_the_tables(void **state)
{
	(void)state;
	for (uint64_t type = 1; type < MM_MESSAGE_TYPES; type++) {
		const struct mm_message_type_row *row = mm_message_row(type);
		char request[64], answer[64], roles[64], line[256];

		rule_name(row->request->name, request, sizeof(request));
		rule_name(row->answer->name, answer, sizeof(answer));
		role_names(row->roles, roles, sizeof(roles));
		snprintf(line, sizeof(line), "message<%u, %s> ; %s: %s\n",
		    (unsigned)type, request, row->name, roles);
		assert_has(line);
		snprintf(line, sizeof(line), "message<%u, %s> ; %s\n",
		    (unsigned)type, answer, row->name);
		assert_has(line);
	}
}

static void
check_of(const char *generic, uint64_t kind, const struct mm_shape *shape,
    const char *after)
{
	char name[64], line[256];

	rule_name(shape->name, name, sizeof(name));
	snprintf(line, sizeof(line), "%s<%u, %s>%s\n", generic, (unsigned)kind,
	    name, after);
	assert_has(line);
}

static void
kinds_are_the_tables(void **state)
{
	(void)state;
	for (uint64_t kind = 0; kind < MM_STATEMENT_KINDS; kind++)
		if (mm_claim_body_shape(kind) != NULL)
			check_of(
			    "claim-of", kind, mm_claim_body_shape(kind), "");
	for (uint64_t kind = 0; kind < MM_ENTRY_KINDS; kind++) {
		char after[64];

		snprintf(
		    after, sizeof(after), " ; %s", mm_entry_kind_name(kind));
		check_of("entry-of", kind, mm_entry_body_shape(kind), after);
	}
}

static void
assert_number(const char *name, unsigned number)
{
	char line[128];

	snprintf(line, sizeof(line), "\t%s: %u,", name, number);
	assert_has(line);
}

static void
names_are_the_tables(void **state)
{
	(void)state;
	for (unsigned role = 1; role < MM_ROLES; role++)
		assert_number(mm_role_name(role), role);
	for (unsigned use = MM_KEY_ROOT_CA; use <= MM_KEY_CODE_SIGNING; use++)
		assert_number(mm_key_use_name(use), use);
}

static void
errors_are_the_table(void **state)
{
	static const enum mm_error errors[] = {
#define ERROR(name, number, word, status, wait, text) MM_E_##name,
	    MM_ERRORS(ERROR)
#undef ERROR
	};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(errors); i++) {
		char line[256];

		if (errors[i] == MM_OK)
			continue;
		snprintf(line, sizeof(line), "\t%s: %u, ; %s\n",
		    mm_error_name(errors[i]), (unsigned)errors[i],
		    mm_error_text(errors[i]));
		assert_has(line);
	}
}

/* ----- examples ----- */

/* The bytes below the `nth` line `; example WHAT`; false where it ends. */
static bool
example(const char *what, size_t nth, struct mm_buffer *out)
{
	char start[64], line[256];
	const char *at = text();
	uint8_t bytes[128];

	snprintf(start, sizeof(start), "\n; example %s", what);
	for (size_t i = 0; i <= nth; i++) {
		at = strstr(at + (i > 0), start);
		if (at == NULL)
			return false;
	}
	mm_buffer_init(out, MM_FRAME_MAX);
	for (at = strchr(at + 1, '\n');
	     at != NULL && strncmp(at + 1, ";\t", 2) == 0;
	     at = strchr(at + 1, '\n')) {
		size_t length = strcspn(at + 3, "\n");
		struct mm_span span;

		assert_in_range(length, 1, sizeof(line) - 1);
		memcpy(line, at + 3, length);
		line[length] = '\0';
		span = hex(line, bytes, sizeof(bytes));
		mm_buffer_add(out, span.data, span.size);
	}
	assert_int_equal(out->error, MM_OK);
	assert_true(out->size > 0);
	return true;
}

static const struct mm_shape *
body_shape(uint64_t type, bool request)
{
	const struct mm_message_type_row *row = mm_message_row(type);

	if (type == MM_MESSAGE_ERROR)
		return &mm_error_answer_shape;
	assert_non_null(row);
	return request ? row->request : row->answer;
}

static void
check_frame(struct mm_span frame, bool request)
{
	static union {
		uint8_t bytes[1024];
		max_align_t align;
	} body;
	struct mm_span item;
	struct mm_envelope envelope;
	const struct mm_shape *shape;
	mm_auto(buffer) again = {0};
	mm_auto(buffer) framed = {0};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, 1 << 20);
	mm_buffer_init(&again, MM_FRAME_MAX);
	mm_buffer_init(&framed, MM_FRAME_MAX);
	assert_int_equal(mm_frame_next(frame, MM_FRAME_MAX, &item), MM_OK);
	assert_int_equal(item.size + MM_FRAME_HEADER, frame.size);
	assert_int_equal(
	    mm_shape_decode(&mm_envelope_shape, item, &arena, &envelope),
	    MM_OK);
	shape = body_shape(envelope.type, request);
	assert_in_range(shape->size, 1, sizeof(body));
	assert_int_equal(
	    mm_shape_decode(shape, envelope.body, &arena, &body), MM_OK);
	assert_int_equal(mm_envelope_encode(
			     envelope.type, envelope.id, shape, &body, &again),
	    MM_OK);
	mm_frame_put(mm_buffer_span(&again), &framed);
	assert_true(mm_span_equal(mm_buffer_span(&framed), frame));
}

static void
examples_of_frames_are_right(void **state)
{
	mm_auto(buffer) frame = {0};
	size_t requests = 0, answers = 0;

	(void)state;
	mm_buffer_init(&frame, 0);
	for (; example("request", requests, &frame); requests++) {
		check_frame(mm_buffer_span(&frame), true);
		mm_buffer_clear(&frame);
	}
	for (; example("answer", answers, &frame); answers++) {
		check_frame(mm_buffer_span(&frame), false);
		mm_buffer_clear(&frame);
	}
	assert_in_range(requests, 5, 100);
	assert_in_range(answers, 3, 100);
}

static void
check_statement(size_t nth, uint64_t revision)
{
	uint8_t seed[32], public_key[32], secret_key[64];
	struct mm_statement statement;
	struct mm_claim claim;
	struct mm_order_claim order;
	mm_auto(buffer) bytes = {0};
	mm_auto(buffer) payload = {0};
	mm_auto(buffer) again = {0};
	mm_auto(arena) arena = {0};

	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	mm_arena_init(&arena, 65536);
	mm_buffer_init(&bytes, 0);
	mm_buffer_init(&payload, MM_STATEMENT_MAX);
	mm_buffer_init(&again, MM_STATEMENT_MAX);
	assert_true(example("statement", nth, &bytes));
	assert_int_equal(
	    mm_statement_decode(mm_buffer_span(&bytes), &statement), MM_OK);
	assert_int_equal(mm_statement_verify(&statement, public_key), MM_OK);
	assert_int_equal(
	    mm_shape_decode(&mm_claim_shape, statement.payload, &arena, &claim),
	    MM_OK);
	assert_int_equal(claim.kind, MM_STATEMENT_ORDER);
	assert_int_equal(
	    mm_shape_decode(&mm_order_claim_shape, claim.body, &arena, &order),
	    MM_OK);
	assert_int_equal(order.revision, revision);
	assert_int_equal(mm_claim_encode(&claim, &order, &payload), MM_OK);
	assert_int_equal(
	    mm_statement_sign(mm_buffer_span(&payload), secret_key, &again),
	    MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&bytes), mm_buffer_span(&again)));
}

static void
the_examples_of_statements_verify(void **state)
{
	(void)state;
	check_statement(0, 0);
	check_statement(1, 1);
}

static void
the_example_of_an_entry_is_right(void **state)
{
	struct mm_entry entry;
	struct mm_refusal_entry refusals;
	mm_auto(buffer) bytes = {0};
	mm_auto(buffer) again = {0};
	mm_auto(arena) arena = {0};

	(void)state;
	mm_arena_init(&arena, 65536);
	mm_buffer_init(&bytes, 0);
	mm_buffer_init(&again, 65536);
	assert_true(example("entry", 0, &bytes));
	assert_int_equal(mm_entry_decode_as(mm_buffer_span(&bytes),
			     MM_ENTRY_REFUSAL, &arena, &entry, &refusals),
	    MM_OK);
	assert_int_equal(mm_entry_encode(&entry, &refusals, &again), MM_OK);
	assert_true(
	    mm_span_equal(mm_buffer_span(&bytes), mm_buffer_span(&again)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules_are_the_shapes),
	    cmocka_unit_test(messages_are_the_tables),
	    cmocka_unit_test(kinds_are_the_tables),
	    cmocka_unit_test(names_are_the_tables),
	    cmocka_unit_test(errors_are_the_table),
	    cmocka_unit_test(examples_of_frames_are_right),
	    cmocka_unit_test(the_examples_of_statements_verify),
	    cmocka_unit_test(the_example_of_an_entry_is_right),
	};

	return cmocka_run_group_tests(tests, read_document, drop_document);
}
