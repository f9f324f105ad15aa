/* The policy in force at every place of a log: that of the newest entry
 * before it which brought one, itself included; and a log whose entries
 * contradict that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/policy_at.h"
#include "tests/unit/honest_log.h"
#include "tests/unit/log_directory.h"
#include "tests/unit/command_line.h"

/* An entry that brings a policy, under the one that `names` says. */
static uint64_t
add_policy(struct mm_span document, const uint8_t names[32])
{
	struct mm_policy_claim claim = {.number = 2};
	struct mm_policy_entry body = {
	    .policy = document, .text = text("as somebody wrote it")};

	mm_policy_digest(document, claim.sha256);
	body.statements = state((struct says){
	    .kind = MM_STATEMENT_POLICY, .body = &claim, .by = &mint.ada});
	memcpy(honest.policy, names, sizeof(honest.policy));
	return add(MM_ENTRY_POLICY, &body);
}

static uint64_t
bring_policy(uint64_t number)
{
	struct mm_span document = make_policy(number, &mint.ada, &mint.bob);
	uint8_t digest[32];

	mm_policy_digest(document, digest);
	return add_policy(document, digest);
}

static struct mm_source *
open_log(void)
{
	struct mm_checkpoint checkpoint =
	    checkpoint_of(mint.log.leaves, mint.log.size, ORIGIN);
	char words[1024], line[MM_VKEY_MAX];
	struct mm_invocation invocation;
	struct mm_source *source;

	put_tiles(mint.log.entries, mint.log.leaves, 0, mint.log.size);
	put_note("checkpoint", &checkpoint, mint.log.key.public_key,
	    mint.log.key.secret_key);
	mm_vkey_text(&mint.log.vkey, line);
	put_file("log.vkey", mm_span_text(line));
	snprintf(words, sizeof(words), "--key\n%s/log.vkey\n%s", directory,
	    directory);
	invocation = command_line(&mm_policy_show_command, words);
	ok(mm_source_open(&invocation, 0, &source));
	return source;
}

static void
is_at(struct mm_source *source, uint64_t at, uint64_t wanted, uint64_t number)
{
	mm_auto(arena) arena = {0};
	struct mm_policy_at found;

	mm_arena_init(&arena, 1 << 20);
	ok(mm_policy_at(source, at, &arena, &found));
	assert_int_equal(found.index, wanted);
	assert_int_equal(found.policy.number, number);
	assert_true(found.text.size > 0);
	assert_int_equal(found.statements.count, 1);
}

static void
test_every_place(void **state)
{
	const struct mm_start_entry start = {text("1"), 0};
	uint64_t second, third, last;
	struct mm_source *source;

	(void)state;
	honest_begin();
	second = bring_policy(2);
	for (size_t i = 0; i < 7; i++)
		add(MM_ENTRY_START, &start);
	third = bring_policy(3);
	add(MM_ENTRY_START, &start);
	last = bring_policy(4);
	source = open_log();
	for (uint64_t i = 0; i < mint.log.size; i++) {
		if (i < second)
			is_at(source, i, 0, 1);
		else if (i < third)
			is_at(source, i, second, 2);
		else if (i < last)
			is_at(source, i, third, 3);
		else
			is_at(source, i, last, 4);
	}
	mm_source_close(source);
}

static void
fails_at(uint64_t at, enum mm_error error)
{
	struct mm_source *source = open_log();
	mm_auto(arena) arena = {0};
	struct mm_policy_at found = {.index = 77};

	mm_arena_init(&arena, 1 << 20);
	assert_int_equal(mm_policy_at(source, at, &arena, &found), error);
	assert_int_equal(found.index, 77);
	mm_source_close(source);
}

static void
test_past_the_end(void **state)
{
	(void)state;
	honest_begin();
	fails_at(mint.log.size, MM_E_NOT_FOUND);
	fails_at(UINT64_MAX, MM_E_NOT_FOUND);
}

static void
test_a_log_that_contradicts_itself(void **state)
{
	uint8_t nobodys[32] = {1};

	(void)state;
	honest_begin();
	add_policy(make_policy(2, &mint.ada, &mint.bob), nobodys);
	fails_at(mint.log.size - 1, MM_E_LOG_WRONG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_every_place, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(
		test_past_the_end, make_directory, remove_directory),
	    cmocka_unit_test_setup_teardown(test_a_log_that_contradicts_itself,
		make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, honest_make, honest_remove);
}
