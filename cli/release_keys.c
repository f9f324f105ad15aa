/*
 * mintmark release keys: the keys that sign firmware, as the log has them, and
 * as files for those who verify: builds, eFuses, bootloaders, AWS.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/ceremony_files.h"
#include "cli/chain.h"
#include "cli/code_keys.h"
#include "cli/json_value.h"
#include "cli/table.h"
#include "signer/scheme.h"

enum { ARENA = 8 << 20, PEM_MAX = 65536 };

static const char *const columns[] = {"name", "algorithm", "state",
    "certificate_until", "spki_sha256", "secure_boot_v2"};

/* ---- what they are */

static enum mm_error
certificate_end(const struct mm_code_key *key, json_t **out)
{
	mm_auto(arena) arena = {0};
	struct mm_certificate read;
	enum mm_error error;

	*out = json_null();
	if (key->certificate.size == 0)
		return MM_OK;
	mm_arena_init(&arena, ARENA);
	error = mm_certificate_open(key->certificate, &arena, &read);
	if (error == MM_OK)
		*out = mm_json_time(read.read.not_after);
	return error;
}

static enum mm_error
describe(const struct mm_code_key *key, json_t *list)
{
	uint8_t digest[32];
	json_t *end;
	enum mm_error error = mm_secure_boot_v2_key_digest(&key->key, digest);

	if (error == MM_OK)
		error = certificate_end(key, &end);
	if (error != MM_OK)
		return error;
	json_array_append_new(list,
	    json_pack("{s:o, s:s?, s:s, s:o, s:o, s:o, s:o}", "name",
		mm_json_text(key->name), "algorithm",
		mm_algorithm_name(key->key.algorithm), "state",
		key->retired > 0 ? "retired" : "in-force", "index",
		mm_json_number(key->index), "certificate_until", end,
		"spki_sha256", mm_json_hex(mm_span(key->key.spki_sha256, 32)),
		"secure_boot_v2", mm_json_hex(mm_span(digest, 32))));
	return MM_OK;
}

/* ---- as files */

struct writing {
	const struct mm_invocation *invocation;
	const char *directory;
	struct mm_span name;
};

static enum mm_error
write_file(const struct writing *w, const char *suffix, struct mm_span bytes)
{
	char path[PATH_MAX];
	enum mm_error error =
	    mm_ceremony_file_name(w->directory, "", w->name, suffix, path);

	return error == MM_OK
		   ? mm_file_write(path, bytes, 0644, w->invocation->force)
		   : error;
}

static enum mm_error
write_pem(const struct writing *w, const char *suffix, const char *label,
    struct mm_span der)
{
	mm_auto(buffer) pem = {0};
	enum mm_error error;

	mm_buffer_init(&pem, PEM_MAX);
	error = mm_pem_encode(label, der, &pem);
	return error == MM_OK ? write_file(w, suffix, mm_buffer_span(&pem))
			      : error;
}

static enum mm_error
write_key(const struct writing *w, const struct mm_code_key *key)
{
	uint8_t digest[32];
	enum mm_error error = mm_secure_boot_v2_key_digest(&key->key, digest);

	if (error == MM_OK)
		error = write_file(w, ".pub.der", key->spki);
	if (error == MM_OK)
		error = write_pem(w, ".pub.pem", "PUBLIC KEY", key->spki);
	if (error == MM_OK)
		error = write_file(w, ".digest.bin", mm_span(digest, 32));
	if (error != MM_OK || key->certificate.size == 0)
		return error;
	error = write_file(w, ".crt", key->certificate);
	return error == MM_OK
		   ? write_pem(w, ".crt.pem", "CERTIFICATE", key->certificate)
		   : error;
}

static enum mm_error
write_all(const struct mm_invocation *invocation,
    const struct mm_code_keys *keys, const char *directory)
{
	enum mm_error error = MM_OK;

	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		return mm_fail(MM_E_FILE, "cannot make %s: %s", directory,
		    strerror(errno));
	for (size_t i = 0; i < keys->count && error == MM_OK; i++) {
		const struct writing w = {
		    invocation, directory, keys->keys[i].name};

		if (keys->keys[i].retired == 0)
			error = write_key(&w, &keys->keys[i]);
	}
	return error;
}

/* ---- all of them */

static enum mm_error
tell(const struct mm_invocation *invocation, const struct mm_code_keys *keys)
{
	const char *directory = mm_option(invocation, "out");
	json_t *list = json_array();
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < keys->count && error == MM_OK; i++)
		error = describe(&keys->keys[i], list);
	if (error == MM_OK && directory != NULL)
		error = write_all(invocation, keys, directory);
	if (error == MM_OK)
		mm_table_print(
		    invocation, "keys", list, columns, MM_COUNT(columns));
	else
		json_decref(list);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static struct mm_code_keys keys;
	struct mm_source *source = NULL;
	mm_auto(arena) arena = {0};
	enum mm_error error = mm_source_open(invocation, 0, &source);

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = mm_code_keys_read(source, &arena, &keys);
	if (error == MM_OK)
		error = tell(invocation, &keys);
	mm_source_close(source);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_SOURCE_OPTIONS,
    {"out", "DIR", "write the keys that are in force there, too", false},
};

const struct mm_command mm_release_keys_command = {
    .noun = "release",
    .verb = "keys",
    .operands = MM_SOURCE_OPERANDS,
    .operand_max = 1,
    .summary = "the keys that sign firmware, as the log has them",
    .about = "The whole log is read and held against its checkpoint. Into DIR "
	     "go, for each key,\nNAME.pub.pem, NAME.pub.der, NAME.digest.bin "
	     "(of Secure Boot V2, as espefuse\nburns it) and, where it has a "
	     "certificate, NAME.crt (DER) and NAME.crt.pem.\n`mintmark image "
	     "digest NAME.pub.pem` makes what MCUboot wants.",
    .results = "keys: {name, algorithm, state: in-force or retired, index,\n"
	       "certificate_until, spki_sha256, secure_boot_v2}",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
