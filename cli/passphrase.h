/*
 * A passphrase, asked for at the terminal without showing it, or read from a
 * file that only its owner can read. It lies in sodium memory, and nowhere
 * else: not in the environment, not on the command line.
 */
#ifndef MM_PASSPHRASE_H
#define MM_PASSPHRASE_H

#include "cli/command.h"

enum {
	MM_PASSPHRASE_MIN = 12, /* bytes of a new one */
	MM_PASSPHRASE_MAX = 1024
};

#define MM_OPTION_PASSPHRASE \
	{ \
		"passphrase-file", "FILE", \
		    "the passphrase's file, mode 600 (else the terminal)", \
		    false \
	}

struct mm_passphrase {
	size_t size;
	char text[MM_PASSPHRASE_MAX + 1];
};

/*
 * From --passphrase-file, its first line, or from the terminal. `prompt` says
 * whose it is. MM_E_FILE, MM_E_RANGE; MM_E_USAGE where there is no terminal.
 * Freed by mm_passphrase_free().
 */
enum mm_error mm_passphrase_read(const struct mm_invocation *invocation,
    const char *prompt, struct mm_passphrase **out) mm_must_use;
/* A new one: at the terminal it is asked for twice; not shorter than
 * MM_PASSPHRASE_MIN. */
enum mm_error mm_passphrase_new(const struct mm_invocation *invocation,
    const char *prompt, struct mm_passphrase **out) mm_must_use;
void mm_passphrase_free(struct mm_passphrase *passphrase);

/*
 * Opens a secret's file, which only its owner can read; a FIFO in its place
 * keeps nobody waiting. MM_E_FILE.
 */
enum mm_error mm_private_file_open(const char *path, int *out) mm_must_use;

#endif
