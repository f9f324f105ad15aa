/*
 * mintmarkd as a command's tool: it alone begins a log.
 */
#ifndef MM_CLI_DAEMON_H
#define MM_CLI_DAEMON_H

#include <stdint.h>

#include "protocol/error.h"

/*
 * Runs `mintmarkd -c SETTINGS --genesis FILE`, the one beside this program or
 * else wherever PATH has it, and waits for its end; what it says goes to
 * stderr. MM_E_SETTING or MM_E_AWAY where it did not finish.
 */
enum mm_error
mm_daemon_genesis(const char *settings, const char *file) mm_must_use;

#endif
