/*
 * mintmark ceremony import: the answer of a CA outside, the certificate of a
 * key of the mint.
 */
#include <sodium.h>

#include "ca/certificate.h"
#include "ca/der.h"
#include "ca/request.h"
#include "cli/ceremony_state.h"
#include "cli/json_value.h"
#include "cli/values.h"

enum { ARENA = 64 << 20, FILE_MAX = 65536 };

/* PEM or DER, as DER; it must be one that can be read at all. */
static enum mm_error
read_certificate(const char *path, struct mm_arena *arena, struct mm_span *out)
{
	mm_auto(buffer) file = {0}, der = {0}, tbs = {0};
	struct mm_span bytes;
	enum mm_error error;

	mm_buffer_init(&der, MM_CERTIFICATE_MAX);
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	error = mm_input(path, FILE_MAX, &file);
	if (error != MM_OK)
		return error;
	bytes = mm_buffer_span(&file);
	if (bytes.size == 0 || bytes.data[0] != MM_DER_SEQUENCE) {
		error = mm_pem_decode("CERTIFICATE", bytes, &der);
		bytes = mm_buffer_span(&der);
	}
	if (error == MM_OK)
		error = mm_imported_tbs(bytes, &tbs);
	if (error != MM_OK)
		return mm_fail(MM_E_FORMAT, "%s: %s", path, mm_why(error));
	*out = mm_arena_copy(arena, bytes);
	return out->data != NULL
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a certificate");
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const names[] = {"of"};
	struct mm_bytes_item certificate;
	struct mm_stating_carries carries = {.certificates = {&certificate, 1}};
	struct mm_ceremony_import import = {
	    .key = mm_value_text(invocation, "of", NULL)};
	struct mm_ceremony_claim claim = {.imports = {&import, 1}};
	struct mm_ceremony_story story;
	struct mm_stated stated;
	mm_auto(arena) arena = {0};
	enum mm_error error =
	    mm_values_named(invocation, names, MM_COUNT(names));

	mm_arena_init(&arena, ARENA);
	if (error == MM_OK)
		error = read_certificate(mm_option(invocation, "certificate"),
		    &arena, &certificate.value);
	if (error != MM_OK)
		return error;
	crypto_hash_sha256(
	    import.sha256, certificate.value.data, certificate.value.size);
	error = mm_ceremony_state(
	    invocation, &claim, &carries, &arena, &stated, &story);
	if (error == MM_OK)
		mm_ceremony_state_report(invocation, &stated,
		    json_pack("{s:o, s:o}", "key", mm_json_text(import.key),
			"certificate",
			mm_json_hex(mm_span(import.sha256, 32))));
	return error;
}

static const struct mm_cli_option options[] = {
    MM_STATING_OPTIONS,
    {"of", "NAME", "whose: the name of a key of the mint", true},
    {"certificate", "FILE", "what the CA outside made, PEM or DER", true},
};

const struct mm_command mm_ceremony_import_command = {
    .noun = "ceremony",
    .verb = "import",
    .operands = "",
    .summary = "the certificate of a key of the mint by a CA outside",
    .results = MM_STATED_RESULTS ", key,\ncertificate (SHA-256)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
