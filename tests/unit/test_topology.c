#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/topology.h"

/* As a picture: who (row) may call whom (column), S G A N T R I. */
static const char *const calls[MM_PROCESSES] = {
    [MM_SUPERVISOR] = ".......",
    [MM_GATE] = "..x....",
    [MM_AUTHORITY] = "...xxx.",
    [MM_NOTARY] = ".......",
    [MM_TOKEN] = ".......",
    [MM_ARCHIVE] = ".......",
    [MM_INSPECTOR] = ".......",
};

static void
test_links_are_these_and_no_others(void **state)
{
	(void)state;
	for (uint64_t a = 0; a < MM_PROCESSES; a++)
		for (uint64_t b = 0; b < MM_PROCESSES; b++)
			assert_int_equal(
			    mm_topology_may_call(a, b), calls[a][b] == 'x');
}

static void
test_a_link_has_one_direction(void **state)
{
	(void)state;
	for (uint64_t a = 0; a < MM_PROCESSES; a++)
		for (uint64_t b = 0; b < MM_PROCESSES; b++)
			assert_false(mm_topology_may_call(a, b) &&
				     mm_topology_may_call(b, a));
}

static void
test_a_gate_reaches_nothing_but_the_authority(void **state)
{
	(void)state;
	for (uint64_t other = 0; other < MM_PROCESSES; other++) {
		assert_int_equal(mm_topology_may_call(MM_GATE, other),
		    other == MM_AUTHORITY);
		assert_false(mm_topology_may_call(other, MM_GATE));
	}
}

static void
test_only_the_authority_asks_the_supervisor_for_more(void **state)
{
	static const uint64_t more[] = {
	    MM_CONTROL_KILL, MM_CONTROL_INSPECT, MM_CONTROL_DONE};

	(void)state;
	for (uint64_t process = 1; process < MM_PROCESSES; process++) {
		assert_true(mm_topology_may_say(process, MM_CONTROL_READY));
		for (size_t i = 0; i < MM_COUNT(more); i++)
			assert_int_equal(mm_topology_may_say(process, more[i]),
			    process == MM_AUTHORITY);
	}
}

static void
test_the_supervisors_own_messages_are_refused(void **state)
{
	static const uint64_t own[] = {0, MM_CONTROL_CONFIGURE, MM_CONTROL_LINK,
	    MM_CONTROL_STOP, MM_CONTROL_TLS, MM_CONTROL_LISTEN, 10, 31, 32, 33,
	    255, UINT64_MAX};

	(void)state;
	for (uint64_t process = 0; process < MM_PROCESSES; process++)
		for (size_t i = 0; i < MM_COUNT(own); i++)
			assert_false(mm_topology_may_say(process, own[i]));
}

static void
test_unknown_processes_have_no_links(void **state)
{
	(void)state;
	assert_false(mm_topology_may_call(MM_PROCESSES, MM_AUTHORITY));
	assert_false(mm_topology_may_call(MM_GATE, MM_PROCESSES));
	assert_false(mm_topology_may_say(MM_PROCESSES, MM_CONTROL_READY));
	assert_false(mm_topology_may_say(UINT64_MAX, MM_CONTROL_READY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_links_are_these_and_no_others),
	    cmocka_unit_test(test_a_link_has_one_direction),
	    cmocka_unit_test(test_a_gate_reaches_nothing_but_the_authority),
	    cmocka_unit_test(
		test_only_the_authority_asks_the_supervisor_for_more),
	    cmocka_unit_test(test_the_supervisors_own_messages_are_refused),
	    cmocka_unit_test(test_unknown_processes_have_no_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
