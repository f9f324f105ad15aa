/*
 * mintmark officer keygen: an officer's key, made on the officer's computer,
 * which it never leaves. What the policy wants to know of it is printed.
 */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "cli/officer.h"
#include "cli/values.h"
#include "log/note.h"

static enum mm_error
write_key(const struct mm_invocation *invocation,
    const struct mm_officer_key *key, const char *path)
{
	struct mm_passphrase *passphrase;
	enum mm_error error;

	if (mm_option(invocation, "unprotected") != NULL) {
		mm_say("%s is not sealed: whoever reads it signs as this "
		       "officer. For tests only.",
		    path);
		return mm_officer_write(key, NULL, path);
	}
	error = mm_passphrase_new(
	    invocation, "a new passphrase for the key", &passphrase);
	if (error != MM_OK)
		return error;
	error = mm_officer_write(key, passphrase, path);
	mm_passphrase_free(passphrase);
	return error;
}

/* What is public of it, and the section that a policy text wants. */
static void
report(const struct mm_invocation *invocation, const struct mm_officer_key *key,
    const char *path, const char *name)
{
	char hex[2 * sizeof(key->public_key) + 1], kid[2 * MM_KID_SIZE + 1];
	uint8_t id[MM_KID_SIZE];

	mm_kid(key->public_key, id);
	sodium_bin2hex(
	    hex, sizeof(hex), key->public_key, sizeof(key->public_key));
	sodium_bin2hex(kid, sizeof(kid), id, sizeof(id));
	mm_print(invocation,
	    json_pack("{s:s, s:s, s:s, s:b}", "file", path, "key", hex, "kid",
		kid, "sealed", mm_option(invocation, "unprotected") == NULL));
	mm_say("for the policy:\n\nofficer \"%s\" {\n\tkey = \"%s\"\n}",
	    name != NULL ? name : "NAME", hex);
}

static enum mm_error
check(const struct mm_invocation *invocation, const char *path)
{
	static const char *const names[] = {"name"}, *const either[] = {
							 "unprotected",
							 "passphrase-file"};
	const char *name = mm_option(invocation, "name");
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	if (error == MM_OK && name != NULL && strpbrk(name, "\"\\$") != NULL)
		error = mm_fail(MM_E_USAGE,
		    "--name %s: no quotes, backslashes and dollars, which a "
		    "policy's text takes for something else",
		    name);
	if (error == MM_OK &&
	    mm_values_said(invocation, either, MM_COUNT(either)) > 1)
		error = mm_fail(MM_E_USAGE,
		    "--unprotected and --passphrase-file exclude each other");
	if (error == MM_OK && strcmp(path, "-") == 0)
		error = mm_fail(MM_E_USAGE,
		    "a key is a file that only its owner can read, not "
		    "stdout");
	if (error == MM_OK && access(path, F_OK) == 0)
		error = mm_fail(MM_E_EXISTS,
		    "%s exists already, and no key is ever overwritten: name "
		    "another file",
		    path);
	return error == MM_OK ? mm_output_check(invocation, path) : error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = invocation->operands[0];
	struct mm_officer_key *key;
	enum mm_error error = check(invocation, path);

	if (error != MM_OK)
		return error;
	key = mm_officer_new();
	if (key == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	error = write_key(invocation, key, path);
	if (error == MM_OK)
		report(invocation, key, path, mm_option(invocation, "name"));
	mm_officer_free(key);
	return error;
}

static const struct mm_cli_option options[] = {
    {"name", "NAME", "who the policy will say it is", false},
    MM_OPTION_PASSPHRASE,
    {"unprotected", NULL, "without a passphrase: for tests only", false},
};

const struct mm_command mm_officer_keygen_command = {
    .noun = "officer",
    .verb = "keygen",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an officer's signing key, sealed by a passphrase",
    .results = "file, key, kid, sealed",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
