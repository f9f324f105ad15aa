/*
 * A token process of its own, with the mint's token; we are the process that
 * decides, and speak to it over the channel between the two.
 */
#ifndef MM_TEST_PROCESS_H
#define MM_TEST_PROCESS_H

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/trial.h"

static pid_t token_process;

static inline void
begin_process(void)
{
	int ends[2];

	mint.log.size = 0;
	ok(mm_channel_pair(ends));
	token_process = fork();
	assert_true(token_process >= 0);
	if (token_process == 0) {
		struct mm_service service;

		close(ends[0]);
		if (open_mint(true) != MM_OK)
			_exit(1);
		service = mm_token_service(mint.token);
		_exit(mm_service_run_peer(&service, -1, ends[1]) != MM_OK);
	}
	close(ends[1]);
	mint.channel = ends[0];
}

/* It ends with its last peer, in good order. */
static inline void
end_process(void)
{
	int status;

	close(mint.channel);
	mint.channel = 0;
	assert_int_equal(waitpid(token_process, &status, 0), token_process);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	unlink(mint.record);
}

#endif
