/*
 * mintmark station request: on the station itself, a TLS key, which it never
 * leaves, and a CSR for an officer to register.
 */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "ca/certificate.h"
#include "ca/csr.h"
#include "cli/command.h"
#include "cli/identity.h"
#include "cli/json_value.h"

enum { CSR_MAX = 16384 };

/* A key that is there is kept: the CSR is another one of the same. */
static enum mm_error
make_key(const char *directory)
{
	char path[PATH_MAX];
	mm_auto(buffer) spki = {0};
	enum mm_error error = mm_path(path, sizeof(path), directory, "key.pem");

	mm_buffer_init(&spki, CSR_MAX);
	if (error != MM_OK)
		return error;
	if (access(path, F_OK) < 0)
		return mm_identity_key(directory, &spki);
	mm_say("%s is there: the CSR is for this key", path);
	return MM_OK;
}

/* The CSR, and the SHA-256 of its key. */
static enum mm_error
make_request(const char *directory, struct mm_buffer *pem, uint8_t digest[32])
{
	mm_auto(buffer) der = {0};
	mm_auto(arena) arena = {0};
	struct mm_csr csr;
	enum mm_error error;

	mm_buffer_init(&der, CSR_MAX);
	mm_arena_init(&arena, 1 << 16);
	error = mm_identity_request(directory, &der);
	if (error == MM_OK)
		error = mm_csr_read(mm_buffer_span(&der), &arena, &csr);
	if (error != MM_OK)
		return error;
	crypto_hash_sha256(digest, csr.spki.data, csr.spki.size);
	return mm_pem_encode("CERTIFICATE REQUEST", mm_buffer_span(&der), pem);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = mm_option(invocation, "csr");
	const char *directory = mm_option(invocation, "identity");
	uint8_t digest[crypto_hash_sha256_BYTES];
	mm_auto(buffer) pem = {0};
	enum mm_error error = mm_output_check(invocation, path);

	mm_buffer_init(&pem, CSR_MAX);
	if (error == MM_OK)
		error = make_key(directory);
	if (error == MM_OK)
		error = make_request(directory, &pem, digest);
	if (error == MM_OK)
		error = mm_output(invocation, path, mm_buffer_span(&pem));
	if (error != MM_OK)
		return error;
	mm_say("bring the CSR to an officer: `mintmark station add`; the files "
	       "that come back go beside key.pem");
	if (strcmp(path, "-") != 0)
		mm_print(invocation,
		    json_pack("{s:s, s:s, s:o}", "identity", directory, "csr",
			path, "key",
			mm_json_hex(mm_span(digest, sizeof(digest)))));
	return MM_OK;
}

static const struct mm_cli_option options[] = {
    {"identity", "DIR", "the identity directory that is begun, or goes on",
	true},
    {"csr", "FILE", "where the CSR goes, PEM", true},
};

const struct mm_command mm_station_request_command = {
    .noun = "station",
    .verb = "request",
    .operands = "",
    .summary = "on the station: a TLS key and a CSR for an officer",
    .results = "identity, csr, key (SHA-256, as `station add` tells it)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
